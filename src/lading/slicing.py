"""Slices in SQL: the conditions that select one, compared by the database in its own order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from lading.connector import Slice
from lading.dialect import Dialect
from lading.schema import Table
from lading.types import Type


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
    return parts


def _before(dialect: Dialect, table: Table, on: Sequence[str], bound: Sequence[str]) -> str:
    """Rows whose key sorts before the bound."""
    column, value = dialect.quote(on[0]), _literal(dialect, table, on[0], bound[0])
    if len(on) == 1:
        return f"{column} < {value}"
    return f"({column} < {value} OR ({column} = {value} AND {_before(dialect, table, on[1:], bound[1:])}))"


def _literal(dialect: Dialect, table: Table, column: str, value: str) -> str:
    found = table.column(column)
    return dialect.literal(value, found.type if found else Type("string"))


def same(dialect: Dialect, left: str, right: str, key: Sequence[str]) -> str:
    """Two rows have one key."""
    return " AND ".join(f"{left}.{dialect.quote(name)} = {right}.{dialect.quote(name)}" for name in key)


def paged(pages: int, count: int) -> list[Slice]:
    """Slices of whole pages; the last one has no end, so that it holds what comes later."""
    size = max(pages // count, 1)
    starts = [size * n for n in range(min(count, pages))]
    ends: list[int | None] = [*starts[1:], None]
    return [Slice(number=n, pages=pair) for n, pair in enumerate(zip(starts, ends, strict=True))]


def between(bounds: Sequence[tuple[str, ...]], on: tuple[str, ...], since: Slice) -> list[Slice]:
    """Slices of a key between its bounds, open at both ends."""
    edges: list[tuple[str, ...] | None] = [None, *bounds, None]
    return [
        since.model_copy(update={"number": n, "on": on, "low": low, "high": high})
        for n, (low, high) in enumerate(pairwise(edges))
    ]
