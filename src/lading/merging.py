"""Rows that meet those of a table by their key, in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from lading.connector import WHOLE, Load, Slice
from lading.dialect import Dialect
from lading.digest import digest_of
from lading.driver import Driver
from lading.errors import DataError
from lading.schema import Column, Mode, Table
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
    return [dialect.update.format(t=target, s=stage, sets=sets, on=same(dialect, "t", "s", load.stage.keyed))]


def absent(dialect: Dialect, target: str, key: Sequence[Column]) -> str:
    """Of a staged row `s`, that the table has none with its key."""
    return f"NOT EXISTS (SELECT 1 FROM {target} t WHERE {same(dialect, 't', 's', key)})"


def refuse_known(dialect: Dialect, query: Query, names: Names, load: Load, key: Sequence[str]) -> None:
    """Raises DataError where the table, of this key, has staged rows already: here they can be found one by one."""
    columns = [column for name in key if (column := load.table.column(name)) is not None]
    if not key or len(columns) < len(key):
        return
    target, stage = names
    keys = ", ".join(f"s.{dialect.quote(name)}" for name in key)
    sql = f"SELECT {keys} FROM {stage} s JOIN {target} t ON {same(dialect, 's', 't', columns)}"
    if found := query(dialect.limit.format(sql=sql, n=1)):
        shown = ", ".join(f"{name} {value}" for name, value in zip(key, found[0], strict=True))
        raise DataError(f"'{load.table.full_name}' has a row with {shown} already.", "Use 'mode: merge' to replace it.")


def refuse_doubled(dialect: Dialect, query: Query, stage: str, load: Load) -> None:
    """Raises DataError where staged rows have one key, or NULL in it. `stage` is the quoted name."""
    keys = ", ".join(dialect.quote(name) for name in load.key)
    shown = ", ".join(f"{dialect.show(c)}" for c in load.stage.keyed)
    for quoted in (dialect.quote(c.name) for c in load.stage.keyed if c.null):
        empty = f"SELECT 1 FROM {stage} WHERE {quoted} IS NULL"
        if query(dialect.limit.format(sql=empty, n=1)):
            raise DataError(
                f"Column {quoted} of the key of '{load.table.full_name}' holds NULL, which equals no other NULL.",
                "Name columns without NULL with 'merge_key', or correct the rows.",
            )
    twice = f"SELECT {shown} FROM {stage} GROUP BY {keys} HAVING count(*) > 1"
    if doubled := query(dialect.limit.format(sql=twice, n=1)):
        key = ", ".join(f"{name} {value}" for name, value in zip(load.key, doubled[0], strict=True))
        raise DataError(
            f"Key {key} of '{load.table.full_name}' stands in the source more than once.",
            "Name columns that are unique with 'merge_key', or append.",
        )


def refuse_several(dialect: Dialect, query: Query, names: Names, load: Load) -> None:
    """Raises DataError where the table has several rows with a key that is staged: which is meant, nobody can tell."""
    target, stage = names
    keys = ", ".join(f"s.{dialect.quote(name)}" for name in load.key)
    joined = f"SELECT 1 FROM {stage} s JOIN {target} t ON {same(dialect, 't', 's', load.stage.keyed)}"
    if query(dialect.limit.format(sql=f"{joined} GROUP BY {keys} HAVING count(*) > 1", n=1)):
        raise DataError(
            f"'{load.table.full_name}' has several rows with one key, and which of them is meant nobody can tell.",
            "Delete all of them but one, or copy the table again with 'mode: replace'.",
        )


def refuse_others(dialect: Dialect, query: Query, names: Names, load: Load) -> None:
    """Raises DataError where other rows would be added or changed than those that are meant: the table's system finds
    keys equal that the comparison tells apart, or the other way round."""
    if load.new is None:
        return
    target, stage = names
    found = int(query(f"SELECT count(*) FROM {stage} s WHERE {absent(dialect, target, load.stage.keyed)}")[0][0])
    lacks = f"'{load.table.full_name}' lacks {load.new:,} of these rows, and {found:,} would be added"
    if found > load.new:
        raise DataError(
            f"{lacks}: it has the others under another form of their key, and would have them twice.",
            "Write the keys alike on both sides, or copy the table again with 'mode: replace'.",
        )
    fix = "Give the key a collation that tells them apart. If rows came or went meanwhile, repair again."
    if found < load.new:
        raise DataError(f"{lacks}: its system takes the others for rows with other keys, and would change those.", fix)
    joined = f"{stage} s LEFT JOIN {target} t ON {same(dialect, 't', 's', load.stage.keyed)}"
    if int(query(f"SELECT count(*) FROM {joined}")[0][0]) > int(query(f"SELECT count(*) FROM {stage}")[0][0]):
        raise DataError(f"'{load.table.full_name}' has several rows that its system finds by one of these keys.", fix)


def refuse_changed(read: Callable[[Table, Slice], Iterator[pa.RecordBatch]], load: Load) -> None:
    """Raises DataError where triggers made other rows of the staged ones, while the old ones can still come back. Rows
    that are appended cannot be told from the older ones."""
    columns = load.table.columns
    place = Slice(within=load.stage.name) if load.mode is Mode.MERGE else WHOLE
    here = digest_of(read(load.table.model_copy(update={"key": load.key}), place), columns)
    if here != digest_of(read(load.stage.model_copy(update={"columns": columns}), WHOLE), columns):
        what = f"Triggers of '{load.table.full_name}' change the rows that are written."
        raise DataError(what, "Look at its triggers, or load another table.")


@dataclass(frozen=True)
class Taker:
    """A foreign key by which a row `p` that is deleted takes along, or changes, the rows `c` of `child` for which `on`
    holds. `quoted` is the child's name for SQL; `own` says that it is the very table."""

    name: str
    child: str
    quoted: str
    on: str
    deletes: bool
    own: bool


def refuse_taken(
    query: Query, target: str, going: Callable[[str], str], takers: Iterable[Taker], whose: str, fix: str
) -> None:
    """Raises DataError where rows would be taken along, or changed, that are not to go. `going` gives the condition
    that a row goes, by what the row is called there; `whose` says which those are."""
    for taker in takers:
        stays = f" AND NOT {going('c')}" if taker.own else ""
        joined = f"{taker.quoted} c JOIN {target} p ON {taker.on}"
        rows = int(query(f"SELECT count(*) FROM {joined} WHERE {going('p')}{stays}")[0][0])
        if rows:
            raise DataError(
                f"{rows:,} rows of '{taker.child}' refer to rows of {whose}, and the database would "
                f"{'delete' if taker.deletes else 'change'} them, too (foreign key '{taker.name}').",
                fix,
            )


def erase(dialect: Dialect, driver: Driver, names: Names, table: Table, takers: Iterable[Taker]) -> int:
    """Deletes the rows of a table that have a key which is staged, and returns how many. Raises DataError where several
    have one key, as not all of them may be meant, or where rows that are not meant would go with them."""
    target, stage = names

    def going(row: str) -> str:
        return f"EXISTS (SELECT 1 FROM {stage} s WHERE {same(dialect, 's', row, table.keyed)})"

    where = f" WHERE {going(target)}"
    keys = ", ".join(dialect.quote(name) for name in table.key)
    doubled = f"SELECT 1 FROM {target}{where} GROUP BY {keys} HAVING count(*) > 1"
    if driver.query(dialect.limit.format(sql=doubled, n=1)):
        raise DataError(
            f"'{table.full_name}' has a key more than once, and not every row of it is to be deleted.",
            "Delete the rows by hand, or copy the table again with 'mode: replace'.",
        )
    whose = f"'{table.full_name}' that are to be deleted"
    refuse_taken(driver.query, target, going, takers, whose, "Delete those rows, or have them refer to others.")
    rows = int(driver.query(f"SELECT count(*) FROM {target}{where}")[0][0])
    driver.execute(f"DELETE FROM {target}{where}")
    return rows
