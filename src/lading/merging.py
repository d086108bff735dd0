"""Rows that meet those of a table by their key, in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from lading.connector import Load
from lading.dialect import Dialect
from lading.errors import DataError
from lading.schema import Table
from lading.slicing import Query, same

Names = tuple[str, str]
"""The quoted names of a table and of the rows that are staged for it."""


def updating(dialect: Dialect, names: Names, load: Load) -> list[str]:
    """Changes the rows that the table has already; nothing where a row is no more than its key."""
    rest = [dialect.quote(c.name) for c in load.table.columns if c.name not in load.key]
    if not rest:
        return []
    target, stage = names
    own = "t." if dialect.update.startswith("UPDATE {t} t JOIN") else ""
    sets = ", ".join(f"{own}{name} = s.{name}" for name in rest)
    return [dialect.update.format(t=target, s=stage, sets=sets, on=same(dialect, "t", "s", load.key))]


def absent(dialect: Dialect, target: str, key: Sequence[str]) -> str:
    """Of a staged row `s`, that the table has none with its key."""
    return f"NOT EXISTS (SELECT 1 FROM {target} t WHERE {same(dialect, 't', 's', key)})"


def refuse_others(dialect: Dialect, query: Query, names: Names, load: Load) -> None:
    """Raises DataError where other rows would be added or changed than those that are meant: the table's system finds
    keys equal that the comparison tells apart, or the other way round."""
    if load.new is None:
        return
    target, stage = names
    found = int(query(f"SELECT count(*) FROM {stage} s WHERE {absent(dialect, target, load.key)}")[0][0])
    lacks = f"'{load.table.full_name}' lacks {load.new:,} of these rows, and {found:,} would be added"
    if found > load.new:
        raise DataError(
            f"{lacks}: it has the others under another form of their key, and would have them twice.",
            "Write the keys alike on both sides, or copy the table again with 'mode: replace'.",
        )
    fix = "Give the key a collation that tells them apart. If rows came or went meanwhile, repair again."
    if found < load.new:
        raise DataError(f"{lacks}: its system takes the others for rows with other keys, and would change those.", fix)
    joined = f"{stage} s LEFT JOIN {target} t ON {same(dialect, 't', 's', load.key)}"
    if int(query(f"SELECT count(*) FROM {joined}")[0][0]) > int(query(f"SELECT count(*) FROM {stage}")[0][0]):
        raise DataError(f"'{load.table.full_name}' has several rows that its system finds by one of these keys.", fix)


def erasing(dialect: Dialect, query: Query, names: Names, table: Table) -> tuple[int, str]:
    """How many rows of a table have a key that is staged, and the condition that finds them. Raises DataError where
    several have one key, as not all of them may be meant."""
    target, stage = names
    where = f" WHERE EXISTS (SELECT 1 FROM {stage} s WHERE {same(dialect, 's', target, table.key)})"
    keys = ", ".join(dialect.quote(name) for name in table.key)
    doubled = f"SELECT 1 FROM {target}{where} GROUP BY {keys} HAVING count(*) > 1"
    if query(dialect.limit.format(sql=doubled, n=1)):
        raise DataError(
            f"'{table.full_name}' has a key more than once, and not every row of it is to be deleted.",
            "Delete the rows by hand, or copy the table again with 'mode: replace'.",
        )
    return int(query(f"SELECT count(*) FROM {target}{where}")[0][0]), where
