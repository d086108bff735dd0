"""A transaction that is always undone, where only some engines undo anything, and making a table commits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lading.connector import Load
from lading.connectors.mysql.room import OPTIONS
from lading.errors import Unsupported
from lading.schema import Table
from lading.sql import SLICE

if TYPE_CHECKING:
    from lading.connectors.mysql.session import MySQLSession


@contextmanager
def trial(session: MySQLSession, load: Load | None, tables: Sequence[Table]) -> Iterator[None]:
    """See `connector.Tries`. The stage is a temporary table: making one commits nothing."""
    for table in [*tables, *([load.table] if load and not load.fresh else [])]:
        found = session._look(table)
        if found is not None and found.engine and found.engine != "InnoDB":
            raise Unsupported(
                f"'{table.full_name}' is a table of {found.engine}, which undoes nothing: a canary would stay.",
                "ALTER TABLE ... ENGINE=InnoDB, or send no canary.",
            )
    driver, stage = session.driver, session.name(load.stage) if load else ""
    if load is not None:
        alike = f"LIKE {session.name(load.table)}"
        slice_column = session.dialect.quote(SLICE.name)
        own = (line for line in session._definitions(load.stage) if not line.startswith(f"{slice_column} "))
        made = alike if not load.fresh else f"({', '.join(own)}) {OPTIONS}"
        driver.execute(f"CREATE TEMPORARY TABLE {stage} {made}")
    mode = str(driver.query("SELECT @@sql_mode")[0][0])
    try:
        if load is None:
            driver.execute("SET sql_mode = @@global.sql_mode")
        driver.begin()
        yield
    finally:
        driver.rollback()
        driver.execute(f"SET sql_mode = {session.dialect.text(mode)}")
        if load is not None:
            driver.execute(f"DROP TEMPORARY TABLE IF EXISTS {stage}")


def counted(session: MySQLSession, table: Table) -> dict[str, int]:
    """See `connector.Tries`: AUTO_INCREMENT goes on so."""
    place = (table.schema_name or session.default_schema, table.name)
    found: dict[str, int] = {}
    for (name,) in session.driver.query(_COUNTED, place):
        most = f"SELECT coalesce(max({session.dialect.quote(str(name))}), 0) FROM {session.name(table)}"
        found[str(name)] = int(str(session.driver.query(most)[0][0]))
    return found


_COUNTED = """
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = %s AND table_name = %s AND extra LIKE '%%auto_increment%%'"""
