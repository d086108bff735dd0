"""Where slices begin, and what a session costs its server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.connector import Slice
from lading.dialects.mysql import dialect
from lading.driver import spent
from lading.schema import Table
from lading.slicing import even, written

if TYPE_CHECKING:
    from lading.connectors.mysql.driver import Driver
    from lading.connectors.mysql.session import MySQLSession


def bounds(session: MySQLSession, table: Table, count: int, since: Slice) -> list[tuple[str, ...]]:
    """As `slicing.even`, else every so-manieth key, along the index. Each is sought among the rows that do not compare
    as before the last one, so that they rise even where rows sort otherwise than they compare, as those of an ENUM
    do."""
    place = session.place(table, since)
    found = even(dialect, session.driver.query, (place, table), count)
    if found:
        return found
    rows = int(session.driver.query(f"SELECT count(*) {place}")[0][0])
    order = ", ".join(dialect.quote(name) for name in table.key)
    keyed = {column.name: column for column in table.keyed}
    items = [dialect.read(keyed[name]) for name in table.key]
    while len(found) < count - 1:
        after = since.model_copy(update={"on": table.key, "low": found[-1] if found else None})
        sql = f"{session._select(table, after, items)} ORDER BY {order} LIMIT 1 OFFSET {max(rows // count, 1)}"
        rest = session.driver.query(sql)
        if not rest:
            break
        found.append(tuple(map(written, rest[0])))
    return found


def cpu_seconds(driver: Driver) -> float | None:
    """See `connector.Spends`; MySQL names no threads that the machine knows."""
    own = "SELECT tid FROM information_schema.processlist WHERE id = connection_id()"
    tasks = [int(row[0]) for row in driver.query(own)] if driver.server.mariadb else []
    return spent(tasks, "mariadbd", driver.host) if tasks else None
