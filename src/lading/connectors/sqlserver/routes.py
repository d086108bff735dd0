"""What code SQL Server's catalogue holds around a table, and what routines there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lading.route import Code, Computed, Route
from lading.schema import Table

if TYPE_CHECKING:
    from lading.connectors.sqlserver import SqlServerSession

# A definition is NULL when the module is encrypted or the account may not VIEW DEFINITION.
_DEFINED = "SELECT CONCAT(SCHEMA_NAME(o.schema_id), '.', o.name), o.type, OBJECT_DEFINITION(o.object_id), o.object_id"
VIEWS = f"""
    WITH v (object_id, depth) AS (
        SELECT o.object_id, 0 FROM sys.objects o WHERE o.object_id = OBJECT_ID(?) AND o.type = 'V'
        UNION ALL SELECT o.object_id, v.depth + 1 FROM v
        JOIN sys.sql_expression_dependencies d ON d.referencing_id = v.object_id
        JOIN sys.objects o ON o.object_id = d.referenced_id AND o.type = 'V' WHERE v.depth < 9)
    {_DEFINED} FROM (SELECT object_id, MIN(depth) AS depth FROM v GROUP BY object_id) v
    JOIN sys.objects o ON o.object_id = v.object_id ORDER BY v.depth, o.name"""
TRIGGERS = f"""
    {_DEFINED} FROM sys.triggers t JOIN sys.objects o ON o.object_id = t.object_id
    WHERE t.parent_id = OBJECT_ID(?) AND t.is_disabled = 0 AND EXISTS (
        SELECT 1 FROM sys.trigger_events e WHERE e.object_id = t.object_id AND e.type_desc IN ('INSERT', 'UPDATE'))
    ORDER BY o.name"""
ROUTINES = f"""
    {_DEFINED} FROM sys.objects o WHERE o.object_id = OBJECT_ID(?) AND o.type IN ('P', 'FN', 'IF', 'TF')"""
COMPUTED = """
    SELECT c.name, c.definition FROM sys.computed_columns c
    WHERE c.object_id = OBJECT_ID(?) AND c.definition IS NOT NULL ORDER BY c.column_id"""
RETURNS = """
    SELECT CASE WHEN p.max_length = -1 THEN CONCAT(TYPE_NAME(p.system_type_id), '(max)')
                WHEN TYPE_NAME(p.system_type_id) IN ('nvarchar', 'nchar')
                  THEN CONCAT(TYPE_NAME(p.system_type_id), '(', p.max_length / 2, ')')
                WHEN TYPE_NAME(p.system_type_id) IN ('varchar', 'char', 'varbinary', 'binary')
                  THEN CONCAT(TYPE_NAME(p.system_type_id), '(', p.max_length, ')')
                WHEN TYPE_NAME(p.system_type_id) IN ('decimal', 'numeric')
                  THEN CONCAT(TYPE_NAME(p.system_type_id), '(', p.precision, ',', p.scale, ')')
                WHEN TYPE_NAME(p.system_type_id) IN ('time', 'datetime2', 'datetimeoffset')
                  THEN CONCAT(TYPE_NAME(p.system_type_id), '(', p.scale, ')')
                ELSE TYPE_NAME(p.system_type_id) END
    FROM sys.parameters p WHERE p.object_id = ? AND p.parameter_id = 0"""


def route(session: SqlServerSession, table: Table) -> Route:
    """See `connector.Routed`."""
    name = session.name(table)
    found = {
        kind: tuple(_code(row) for row in session.driver.query(sql, (name,)))
        for kind, sql in (("views", VIEWS), ("triggers", TRIGGERS))
    }
    return Route(views=found["views"], triggers=found["triggers"])


def routines(session: SqlServerSession, names: Sequence[str]) -> list[Code]:
    """See `connector.Routed`. Parameters are read from the head of the text."""
    found = []
    for name in names:
        quoted = ".".join(session.dialect.quote(part) for part in name.split("."))
        for row in session.driver.query(ROUTINES, (quoted,)):
            returned = session.driver.query(RETURNS, (row[3],))
            found.append(_code(row).model_copy(update={"returns": str(returned[0][0]) if returned else ""}))
    return found


def computed(session: SqlServerSession, table: Table) -> list[Computed]:
    """See `connector.Routed`."""
    rows = session.driver.query(COMPUTED, (session.name(table),))
    return [Computed(table=table.full_name, column=str(name), text=str(text)) for name, text in rows]


def own(session: SqlServerSession, names: Sequence[str]) -> set[str]:
    """See `connector.Routed`. Own functions are called by their schema, so that none is taken for the system's."""
    return set()


_KINDS = {"V": "view", "P": "procedure", "TR": "trigger"}


def _code(row: Sequence[object]) -> Code:
    name, kind, text = str(row[0]), str(row[1]).strip(), row[2]
    language = "tsql" if text else "a hidden text"
    values = {"kind": _KINDS.get(kind, "function"), "name": name, "system": "sqlserver", "language": language}
    return Code.model_validate({**values, "text": str(text or "")})
