"""Whether a staged table can take the place of the old one, so that its rows need not be written twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lading.connector import Load
from lading.dialects.duckdb import dialect
from lading.schema import Table
from lading.sql import SLICE

# Tables without what is no part of their own text; none at all where tables refer to each other.
_MADE = """
SELECT t.table_name, t.sql FROM duckdb_tables() t
WHERE t.database_name = current_database() AND t.schema_name = coalesce(?, current_schema()) AND t.table_name IN (?, ?)
  AND t.comment IS NULL AND t.tags = MAP {} AND NOT t.temporary
  AND NOT EXISTS (SELECT 1 FROM duckdb_indexes() i WHERE i.table_oid = t.table_oid)
  AND NOT EXISTS (SELECT 1 FROM duckdb_columns() c WHERE c.table_oid = t.table_oid AND c.comment IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM duckdb_constraints() r WHERE r.constraint_type = 'FOREIGN KEY')"""


def swapping(
    query: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]], named: Callable[[Table], str], load: Load
) -> list[str] | None:
    """See `sql.Driver.swap`. Views name their tables, and so find the new one."""
    names = (load.table.name, load.stage.name)
    found = dict(query(_MADE, (load.table.schema_name, *names)))
    bodies = [_body(str(found[name]), (dialect.quote(name), name)) for name in names if name in found]
    column = f", {SLICE.name} {dialect.native(SLICE)} NOT NULL"
    if len(bodies) < 2 or not bodies[0] or bodies[0] != bodies[1].replace(column, "", 1):
        return None
    stage = named(load.stage)
    return [
        f"ALTER TABLE {stage} DROP COLUMN {dialect.quote(SLICE.name)}",
        f"DROP TABLE {named(load.table)}",
        f"ALTER TABLE {stage} RENAME TO {dialect.quote(load.table.name)}",
    ]


def _body(sql: str, names: tuple[str, str]) -> str:
    """What a table is made of, without its name, which is quoted where it must be."""
    bodies = (sql.partition(f"{name}(")[2] for name in names)
    return next((body for body in bodies if body), "")
