"""What a staged table gets besides its rows once they are there. Indexes that make nothing unique are left out until
then: to sort all rows once takes less than to find each one's place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lading.connector import Load
from lading.connectors.mysql.around import Found, has_column
from lading.connectors.mysql.room import key_parts
from lading.errors import Unsupported
from lading.schema import Mode, Table
from lading.sql import SLICE, SqlSession

if TYPE_CHECKING:
    from lading.connectors.mysql.session import MySQLSession

# The first column of an index may be the one that counts, which MySQL does not leave without one.
_INDEXES = (
    "SELECT index_name FROM information_schema.statistics WHERE table_schema = %s AND table_name = %s "
    "AND non_unique = 1 GROUP BY index_name HAVING sum(seq_in_index = 1 AND column_name IN (SELECT column_name "
    "FROM information_schema.columns WHERE table_schema = %s AND table_name = %s "
    "AND extra LIKE '%%auto_increment%%')) = 0"
)

_COLUMNS = """
    SELECT index_name, column_name FROM information_schema.statistics WHERE table_schema = %s AND table_name = %s
    AND index_type = 'BTREE' ORDER BY index_name, seq_in_index"""


def left_out(session: MySQLSession, load: Load) -> str:
    """What an ALTER TABLE of the stage, which was made like its table, adds to leave out indexes."""
    names = _indexes(session, load.stage) if load.mode is Mode.REPLACE else []
    return "".join(f", DROP INDEX {session.dialect.quote(name)}" for name in names)


def key_added(session: MySQLSession, load: Load) -> str:
    """What the same adds so that a merge by a key of which the table has no index finds rows by one of the stage: else
    MariaDB compares every row with every row."""
    if load.mode is not Mode.MERGE or _keyed(session, load):
        return ""
    return f", ADD KEY lading_key ({', '.join(key_parts(load.stage, session.dialect))})"


def insert(session: MySQLSession, load: Load, missing: bool = False) -> str:
    """See `SqlSession._insert`. Of keys that the table has no index of, the server makes one of its own."""
    statement = SqlSession._insert(session, load, missing)
    if not missing or _keyed(session, load):
        return statement
    target, keys = session.name(load.table), ", ".join(map(session.dialect.quote, load.key))
    return statement.replace(f"FROM {target} t ", f"FROM (SELECT DISTINCT {keys} FROM {target}) t ")


def _keyed(session: MySQLSession, load: Load) -> bool:
    """Whether an index of the table begins with the columns of a load's key."""
    found: dict[str, list[str]] = {}
    for index, column in session.driver.query(_COLUMNS, session._place(load.table)):
        found.setdefault(str(index), []).append(str(column))
    return any(set(columns[: len(load.key)]) == set(load.key) for columns in found.values())


def finish(session: MySQLSession, load: Load, old: Found | None) -> None:
    """Gives the staged table what the old one has. Can be done again."""
    stage = session.name(load.stage)
    drop_slice(session, load.stage)
    if old and old.engine != "InnoDB":
        session.driver.execute(f"ALTER TABLE {stage} ENGINE={old.engine}")
    if old and (wanted := set(_indexes(session, load.table)) - set(_indexes(session, load.stage))):
        made = str(session.driver.query(f"SHOW CREATE TABLE {session.name(load.table)}")[0][1])
        found = re.findall(r"^  ((?:FULLTEXT |SPATIAL )?KEY (`(?:[^`]|``)+`) .*?),?$", made, re.MULTILINE)
        quoted = {session.dialect.quote(name) for name in wanted}
        parts = [f"ADD {definition}" for definition, name in found if name in quoted]
        if len(parts) < len(wanted):
            what = f"The indexes of '{load.table.full_name}' were not understood: {', '.join(sorted(wanted))}."
            raise Unsupported(what, "Drop them, run again, and make them again.")
        session.driver.execute(f"ALTER TABLE {stage} {', '.join(parts)}")
    if old and old.counter is not None:
        session.driver.execute(f"ALTER TABLE {stage} AUTO_INCREMENT = {old.counter}")


def drop_slice(session: MySQLSession, table: Table) -> None:
    if has_column(session.mysql, session._place(table), SLICE.name):
        column = session.dialect.quote(SLICE.name)
        session.driver.execute(f"ALTER TABLE {session.name(table)} DROP COLUMN {column}")


def _indexes(session: MySQLSession, table: Table) -> list[str]:
    place = session._place(table)
    return [str(name) for (name,) in session.driver.query(_INDEXES, (*place, *place))]
