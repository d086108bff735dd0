"""Hashes of rows that PostgreSQL computes in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.connector import Load
from lading.dialects.postgres import dialect
from lading.schema import Mode, Table

if TYPE_CHECKING:
    from lading.connectors.postgres.session import PostgresSession

_STORED = """
WITH RECURSIVE d (oid) AS (
  SELECT to_regclass({t})::oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN d ON d.oid = i.inhparent)
SELECT bool_and(c.relkind IN ('r', 'm', 'p')) AND has_table_privilege(to_regclass({t}), 'SELECT'), md5(concat(
  (SELECT string_agg(attnum::text, ',' ORDER BY attnum) FROM pg_attribute
   WHERE attrelid = to_regclass({t}) AND attnum > 0 AND NOT attisdropped), ' ',
  (SELECT string_agg(concat(oid, enumlabel), ',' ORDER BY oid) FROM pg_enum)))
FROM d JOIN pg_class c ON c.oid = d.oid"""
"""Whether all rows of a table are stored here, also those of its partitions, and their versions may be read, which who
may read some columns may not; NULL where the table is gone. And a mark of what changes values but no version: a column
that takes the place of one of its name, and the words of enums."""


def row_hash(session: PostgresSession, table: Table) -> str:
    """Over the versions of rows that are stored here: whatever changes a row makes another version of it, and hashing
    that costs a tenth of hashing every value."""
    here, mark = session.driver.query(_STORED.format(t=dialect.text(session.name(table))))[0]
    if session.driver.version < 140_000 or not here:
        return contents(table, session.driver.version)
    return f"{dialect.row_hash.format(columns='tableoid, ctid, xmin')} || {dialect.text(f' {mark}')}"


def contents(table: Table, server: int) -> str:
    """Over texts where equal values may differ in what is read (1.0 and 1.00, a day and 24 hours, citext), and
    byte by byte, whatever the collation."""
    columns = []
    for column in table.columns:
        match column.type.kind:
            case "string" | "json" | "list" | "interval":
                columns.append(f'({dialect.read(column)})::text COLLATE "C"')
            case "decimal" | "float":
                columns.append(dialect.read(column))
            case _:
                columns.append(dialect.quote(column.name))
    if server >= 140_000:
        return dialect.row_hash.format(columns=", ".join(columns))
    return f"coalesce(sum(hashtextextended(ROW({', '.join(columns)})::text, 0)), 0)::text"


def comparing(session: PostgresSession, load: Load) -> list[str]:
    """A statement that fails when triggers or rules made other rows of the staged ones; none where there are none."""
    relation = f"to_regclass({dialect.text(session.name(load.table))})"
    touched = session.driver.query(
        f"SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = {relation} AND NOT tgisinternal) "
        f"OR EXISTS (SELECT FROM pg_rewrite WHERE ev_class = {relation})"
    )
    if not touched[0][0]:
        return []
    merged = load.mode is Mode.MERGE
    same = session._same("lading_s", "lading_t", load.stage.keyed)
    stage = f"SELECT FROM {session.name(load.stage)} lading_s WHERE {same}"
    here = f"{session.hash(load.table)} lading_t{f' WHERE EXISTS ({stage})' if merged else ''}"
    text = dialect.text(f"triggers or rules of {load.table.full_name} change the rows that are written")
    failing = f"RAISE EXCEPTION USING ERRCODE = 'LD001', MESSAGE = {text}"
    body = f"BEGIN IF ({here}) IS DISTINCT FROM ({session.hash(load.stage)}) THEN {failing}; END IF; END"
    return [f"DO {dialect.text(body)}"]
