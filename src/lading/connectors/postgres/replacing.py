"""Putting the staged table in the place of the old one, or its rows where a swap would lose what hangs on it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from lading.connector import Load
from lading.connectors.postgres.hashing import comparing
from lading.connectors.postgres.referring import passed_on, refuse_lost
from lading.connectors.postgres.refusing import refuse_heirs
from lading.connectors.postgres.rights import named
from lading.connectors.postgres.swap import KEEP, MAKE, NUMBER
from lading.dialects.postgres import dialect
from lading.driver import transaction
from lading.errors import DataError, Unsupported
from lading.sql import LEDGER, PUBLISHED

if TYPE_CHECKING:
    from lading.connectors.postgres.driver import Driver
    from lading.connectors.postgres.session import PostgresSession

_CIRCLE = "Correct the row; if the tables refer to each other in a circle, make a foreign key INITIALLY DEFERRED."


def publish(session: PostgresSession, loads: Sequence[Load]) -> None:
    """See `Session.publish`. Rows come into tables after those that they refer to, and go before them. What refers to
    a row that goes may first have to be changed, and a row that comes may need the unique value of one that goes: so
    where rows cannot go first, they go last, unless they would then take along, or change, rows that have come. Rows
    of other tables are never taken along."""
    driver, several = session.driver, len(loads) > 1
    with named(session, loads), transaction(driver):
        _alone(session, loads)
        waiting = [load for load in _parents_first(session, loads) if not session._marked(load, PUBLISHED)]
        made = [[*session._publishing(load), *_numbering(session, load)] for load in waiting]
        if taken := bool(waiting) and passed_on(session, waiting):
            refuse_lost(session, waiting)
        gone = [text for texts in reversed(made) for text in texts if text.startswith("DELETE ")]
        come = [text for texts in made for text in texts if not text.startswith(("DELETE ", "DO "))]
        looks = [text for texts in made for text in texts if text.startswith("DO ")]
        only_first = len(waiting) < 2 or taken
        driver.execute("SAVEPOINT lading")
        try:
            _all(driver, [*gone, *come], several)
        except DataError:
            if only_first:
                raise
            leaves = [text for text in gone if " WHERE " not in text]  # nothing refers to their rows
            _all(driver, [*leaves, *come, *(text for text in gone if text not in leaves)], several)
        _all(driver, looks, several)
        for load in waiting:
            session._mark(load, PUBLISHED, 0)


def _numbering(session: PostgresSession, load: Load) -> list[str]:
    columns = ", ".join(dialect.text(column.name) for column in load.table.columns)
    sql = NUMBER.format(t=dialect.text(session.name(load.table)), columns=columns)
    return [] if load.fresh else [str(text) for (text,) in session.driver.query(sql)]


def _alone(session: PostgresSession, loads: Sequence[Load]) -> None:
    """Lets no other of our sessions publish into these tables meanwhile: two merges would both add what both miss."""
    for name in sorted(session.name(load.table) for load in loads):
        session.driver.query(f"SELECT pg_advisory_xact_lock(hashtextextended({dialect.text(f'lading {name}')}, 0))")


def _all(driver: Driver, statements: Sequence[str], several: bool) -> None:
    try:
        for each in statements:
            driver.execute(each)
    except DataError as error:
        driver.execute("ROLLBACK TO lading")
        apart = several and "'together'" in error.fix  # which they are
        raise _known(driver, DataError(error.what, _CIRCLE) if apart else error) from error


def _known(driver: Driver, error: DataError) -> DataError:
    """The error with the name of the old table's constraint or index in place of that of its like, which is gone."""
    made = re.search(r'(?<=")lading_(\d{1,10})(?=")', error.what)
    if not made:
        return error
    oid = f"{made[1]}::oid"
    sql = f"SELECT conname FROM pg_constraint WHERE oid = {oid} UNION SELECT relname FROM pg_class WHERE oid = {oid}"
    names = driver.query(sql)
    return DataError(error.what.replace(made[0], names[0][0]), error.fix) if names else error


def _parents_first(session: PostgresSession, loads: Sequence[Load]) -> list[Load]:
    """In an order in which rows can come; as they are where foreign keys form a circle."""
    if len(loads) == 1:
        return list(loads)
    named = {session.name(load.table): load for load in loads}
    listed = ", ".join(f"({dialect.text(name)})" for name in named)
    rows = session.driver.query(
        f"WITH n (name) AS (VALUES {listed}) SELECT c.name, p.name FROM pg_constraint f "
        "JOIN n c ON to_regclass(c.name) = f.conrelid JOIN n p ON to_regclass(p.name) = f.confrelid "
        "WHERE f.contype = 'f' AND f.conrelid <> f.confrelid"
    )
    order = TopologicalSorter({name: [str(parent) for child, parent in rows if child == name] for name in named})
    try:
        return [named[name] for name in order.static_order()]
    except CycleError:
        return list(loads)


def swapping(driver: Driver, load: Load) -> list[str] | None:
    """See `sql.Driver.swap`. From here on others can read the old table but not write it."""
    names = {name: _placed(driver, load, table) for name, table in (("t", load.table.name), ("s", load.stage.name))}
    literals = {name: dialect.text(value) for name, value in names.items()}
    kind = driver.query(f"SELECT relkind::text FROM pg_class WHERE oid = to_regclass({literals['t']})")
    if kind and kind[0][0] in ("r", "p"):
        driver.execute(f"LOCK TABLE {names['t']} IN SHARE ROW EXCLUSIVE MODE")
    words = {
        "old": literals["t"], "new": literals["s"], "load": dialect.text(load.id),
        "ledger": _placed(driver, load, LEDGER),
    }  # fmt: skip
    found = driver.query(KEEP.format(**words))
    if not found or found[0][0] is not False:
        return None
    made = driver.query(MAKE.format(**words, **literals))
    statements = [row[1] for row in made]
    return None if None in statements else statements


def _placed(driver: Driver, load: Load, name: str) -> str:
    schema = load.table.schema_name or driver.schema
    return dialect.table(load.table.model_copy(update={"schema_name": schema, "name": name}))


def refilling(session: PostgresSession, load: Load) -> list[str]:
    """Statements that give the old table the staged rows. Rows that other tables refer to are kept and changed:
    deleting them would be refused, or would take the other tables' rows along."""
    refuse_heirs(session, load.table)
    relation = f"to_regclass({dialect.text(session.name(load.table))})"
    referred = session.driver.query(
        f"SELECT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = {relation} "
        f"AND conrelid <> {relation})"
    )[0][0]
    if referred and not load.key:
        raise Unsupported(
            f"Other tables refer to rows of '{load.table.full_name}', which has no key to replace them by.",
            "Name a key with 'merge_key', or drop the foreign keys.",
        )
    return [*session.refills(load, keeping=bool(referred)), *comparing(session, load)]
