"""The catalogue of a SQL database, read by a dialect's queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lading.dialect import Dialect
from lading.driver import Driver
from lading.schema import Table, in_small
from lading.types import Type

Name = tuple[str, str]
"""Schema and table."""


def catalogue(driver: Driver, dialect: Dialect, default_schema: str, where: tuple[str, Sequence[str]]) -> list[Table]:
    """Tables and views with their columns, those of the default schema without its name. `where` is a condition
    on table_schema and table_name, with the values it binds; empty for all of them."""
    condition, values = where

    def rows(query: str, order: str) -> list[tuple[Any, ...]]:
        return driver.query(f"SELECT * FROM ({query}) lading_q{condition}{order}", values)

    columns: dict[Name, list[tuple[Any, ...]]] = {}
    for schema, table, *rest in rows(dialect.catalog, " ORDER BY 1, 2, 3"):
        columns.setdefault((schema, table), []).append(tuple(rest))
    if not columns:  # a table that is not there is often asked for
        return []
    keys: dict[Name, dict[tuple[int, str], list[str]]] = {}
    for schema, table, rank, key, _place, column in rows(dialect.keys, " ORDER BY 1, 2, 3, 4, 5"):
        keys.setdefault((schema, table), {}).setdefault((int(rank), key), []).append(column)
    sizes = {(schema, table): (n, size) for schema, table, n, size in rows(dialect.sizes, "")}
    found = []
    for name, lines in columns.items():
        schema, table = name
        bare = Table(name=table, schema_name=None if schema == default_schema else schema)
        key = next(iter(keys.get(name, {}).values()), [])
        count, size = sizes.get(name, (None, None))
        estimates = {
            "rows": None if count is None or int(count) < 0 else int(count),
            "bytes": None if size is None else int(size),
        }
        found.append(_described(dialect, bare, lines).model_copy(update={"key": tuple(key), **estimates}))
    return found


def spelled(driver: Driver, dialect: Dialect, table: Table, default_schema: str) -> Table:
    """The table as it is written where it is there already, also with other capitals if these do not tell it apart."""
    asked = (table.schema_name or default_schema, table.name)
    found = driver.query(dialect.spelling, asked) if dialect.spelling else []
    alike = [
        (schema, name) for schema, name in found if (in_small(schema), in_small(name)) == tuple(map(in_small, asked))
    ]
    if not alike or asked in alike:
        return table
    return table.model_copy(update={"schema_name": alike[0][0], "name": alike[0][1]})


def _described(dialect: Dialect, table: Table, lines: list[tuple[Any, ...]]) -> Table:
    columns, problems = [], []
    for _place, column, native, null, _view, filled in lines:
        if column is None:  # a table without columns
            continue
        type_, word = dialect.canonical(native), native or "(none)"
        made = dialect.column(column, type_ or Type("string"), bool(int(null)), native)
        made = made.model_copy(update={"filled": bool(int(filled))})
        if type_ is None:
            problems.append(
                f"column '{column}' has the type '{word}', which {dialect.name} has no canonical type "
                f"for; leave the column out with 'exclude', or add the type to src/lading/dialects/{dialect.name}.py"
            )
            made = made.model_copy(update={"unread": f"{dialect.name} has no canonical type for '{word}'"})
        columns.append(made)
    view = bool(int(lines[0][4]))
    return table.model_copy(update={"columns": tuple(columns), "problems": tuple(problems), "view": view})
