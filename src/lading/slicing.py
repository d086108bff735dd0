"""Slices in SQL: the conditions that select one, compared by the database in its own order; and rows by buckets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa

from lading.connector import Slice
from lading.dialect import Dialect
from lading.fingerprint import Fingerprinter
from lading.rendering import hashes, in_buckets
from lading.schema import Column, Table
from lading.types import Type

Query = Callable[[str], list[tuple[Any, ...]]]
"""Asks a database for a small result."""
FEW = 64
"""Rows that may share the first column of a key, on average, for slices to be cut by it."""


def conditions(dialect: Dialect, table: Table, slice: Slice) -> list[str]:
    """What rows of a slice fulfil, all of it; `within` is not among them."""
    parts = []
    if slice.pages is not None:
        low, high = slice.pages
        parts += [dialect.page_low.format(n=low)] if low else []
        parts += [dialect.page_high.format(n=high)] if high is not None else []
    if slice.low is not None:
        parts.append(f"NOT ({_before(dialect, table, slice.on, slice.low)})")
    if slice.high is not None:
        parts.append(_before(dialect, table, slice.on, slice.high))
    if slice.since is not None and slice.since_low is not None:
        quoted = dialect.quote(slice.since)
        parts.append(f"({quoted} >= {_literal(dialect, table, slice.since, slice.since_low)} OR {quoted} IS NULL)")
    if slice.keys is not None:
        parts.append(_one_of(dialect, table, slice.on, slice.keys))
    if slice.buckets is not None and hashes(dialect):
        parts.append(in_buckets(dialect, table, slice))
    return parts


def inside(batches: Iterator[pa.RecordBatch], table: Table, slice: Slice) -> Iterator[pa.RecordBatch]:
    """The rows that are in a slice's buckets, where the system cannot find them itself."""
    if slice.buckets is None:
        return batches
    return Fingerprinter(table.columns, slice.by, (), slice.of).kept(batches, slice.buckets)


def _one_of(dialect: Dialect, table: Table, on: Sequence[str], keys: Sequence[Sequence[str | None]]) -> str:
    """Rows that have one of the keys. Not every system compares pairs of columns with pairs of values."""

    def own(name: str) -> str:
        column = table.column(name)
        return dialect.found(column) if column else dialect.quote(name)

    def one(name: str, value: str | None) -> str:
        return f"{own(name)} " + ("IS NULL" if value is None else f"= {_literal(dialect, table, name, value)}")

    if len(on) == 1 and None not in {key[0] for key in keys} and keys:
        return f"{own(on[0])} IN ({', '.join(_literal(dialect, table, on[0], str(key[0])) for key in keys)})"
    found = (" AND ".join(map(one, on, key)) for key in keys)
    return f"({' OR '.join(found) or '1 = 0'})"


def _before(dialect: Dialect, table: Table, on: Sequence[str], bound: Sequence[str]) -> str:
    """Rows whose key sorts before the bound."""
    found, value = table.column(on[0]), _literal(dialect, table, on[0], bound[0])
    column = dialect.sort(found) if found else dialect.quote(on[0])
    if len(on) == 1:
        return f"{column} < {value}"
    return f"({column} < {value} OR ({column} = {value} AND {_before(dialect, table, on[1:], bound[1:])}))"


def _literal(dialect: Dialect, table: Table, column: str, value: str) -> str:
    found = table.column(column)
    return dialect.literal(value, found.type if found else Type("string"))


def same(dialect: Dialect, left: str, right: str, key: Sequence[Column]) -> str:
    """Two rows have one key."""
    return " AND ".join(f"{dialect.met(c, left)} = {dialect.met(c, right)}" for c in key)


def paged(pages: int, count: int) -> list[Slice]:
    """Slices of whole pages; the last one has no end, so that it holds what comes later."""
    size = max(pages // count, 1)
    starts = [size * n for n in range(min(count, pages))]
    ends: list[int | None] = [*starts[1:], None]
    return [Slice(number=n, pages=pair) for n, pair in enumerate(zip(starts, ends, strict=True))]


def between(bounds: Sequence[tuple[str, ...]], key: tuple[str, ...], since: Slice) -> list[Slice]:
    """Slices of a key, or of its first columns, between its bounds, open at both ends."""
    on = key[: len(bounds[0])] if bounds else key
    edges: list[tuple[str, ...] | None] = [None, *bounds, None]
    return [
        since.model_copy(update={"number": n, "on": on, "low": low, "high": high})
        for n, (low, high) in enumerate(pairwise(edges))
    ]


def even(dialect: Dialect, query: Query, source: tuple[str, Table], count: int) -> list[tuple[str, ...]]:
    """Bounds of evenly filled whole numbers, by arithmetic: of the key's first column, where few rows share a value of
    it on average; none for other keys. `source` is the table, after where its rows are: FROM and WHERE."""
    place, table = source
    first = table.column(table.key[0])
    if first is None or first.type.kind != "int":
        return []
    sorted_ = dialect.sort(first)
    try:
        low, high = map(int, query(f"SELECT min({sorted_}), max({sorted_}) {place}")[0])
    except (TypeError, ValueError, OverflowError):  # no rows, or a text where SQLite declares a number
        return []
    rows = table.rows or int(query(f"SELECT count(*) {place}")[0][0])
    span = high - low
    if span >= 2 * rows or (len(table.key) > 1 and span < rows // FEW):
        return []
    return [(str(low + round(span / count * n)),) for n in range(1, count) if span >= count]


def bounds(dialect: Dialect, query: Query, source: tuple[str, Table], count: int) -> list[tuple[str, ...]]:
    """Quantiles of the key, in the order in which the database compares it with them, or `even`, which takes the
    same."""
    if found := even(dialect, query, source, count):
        return found
    place, table = source
    quoted = ", ".join(dialect.quote(column) for column in table.key)
    rows = int(query(f"SELECT count(*) {place}")[0][0])
    step = max(rows // count, 1)
    columns = ", ".join(f"{dialect.show(c)} AS {dialect.quote(c.name)}" for c in table.keyed)
    order = ", ".join(map(dialect.sort, table.keyed))
    numbered = f"SELECT {quoted}, row_number() OVER (ORDER BY {order}) AS lading_n {place}"
    turn = dialect.modulo.format(a="lading_n", b=step)
    picked = f"SELECT {columns} FROM ({numbered}) lading_q WHERE lading_n > 1 AND {turn} = 1 ORDER BY lading_n"
    found = query(picked) if step > 1 else []
    return [tuple(map(written, row)) for row in found][: count - 1]


def written(value: Any) -> str:
    """A key's value of a small result, as a bound is written."""
    return value.hex() if isinstance(value, bytes) else str(value)


def numbered(batches: Iterable[pa.RecordBatch], column: str, number: int) -> Iterator[pa.RecordBatch]:
    """Batches with their slice's number in one column more."""
    for batch in batches:
        yield batch.append_column(column, pa.repeat(pa.scalar(number, pa.int32()), batch.num_rows))


def tiled(slices: Sequence[Slice]) -> bool:
    """Whether slices hold every row by their bounds alone: there is one, or they are of pages without a gap."""
    pages = sorted((each.pages for each in slices if each.pages), key=lambda pair: pair[0])
    ends = [0, *(high for _, high in pages)], [*(low for low, _ in pages), None]
    return len(slices) < 2 or (len(pages) == len(slices) and ends[0] == ends[1])
