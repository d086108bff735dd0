"""What can be asked of rows in memory: their keys, their order, and what they may not hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from lading.connector import Slice
from lading.errors import DataError
from lading.schema import Table
from lading.types import Type
from lading.values import cast, texts


def schema(table: Table) -> pa.Schema:
    return pa.schema([(column.name, column.type.arrow()) for column in table.columns])


def refuse_nulls(table: Table, batch: pa.RecordBatch) -> None:
    for column, array in zip(table.columns, batch.columns, strict=True):
        if not column.null and array.null_count:
            what = f"Column '{column.name}' of '{table.full_name}' is NOT NULL and a row has NULL there."
            raise DataError(what, "Correct the row, or allow NULL.")


def refuse_doubled(rows: pa.Table, table: Table) -> None:
    counts = Counter(keys(rows, table) if table.key else [])
    doubled = next((key for key, count in counts.items() if count > 1), None)
    if doubled is not None:
        key = ", ".join(f"{name} {value}" for name, value in zip(table.key, doubled, strict=True))
        raise DataError(f"Key {key} of '{table.full_name}' is there more than once.", "Name a key that is unique.")


def keys(rows: pa.Table, table: Table) -> list[tuple[str | None, ...]]:
    found = [texts(rows.column(c.name).combine_chunks(), c.type).to_pylist() for c in table.keyed]
    return list(zip(*found, strict=True))


def bound(table: Table, name: str, value: str) -> pa.Scalar:
    column = table.column(name)
    return cast(pa.array([value], pa.string()), Type("string"), column.type if column else Type("string"))[0][0]


def text(array: pa.ChunkedArray, type_: Type) -> str:
    return str(texts(array.combine_chunks(), type_)[0].as_py())


def inside(rows: pa.Table, table: Table, slice: Slice) -> pa.Array:
    """Which rows lie between the slice's bounds."""
    keep = pa.chunked_array([pa.repeat(pa.scalar(True), rows.num_rows)])
    if slice.low is not None:
        keep = pc.and_(keep, pc.invert(before(rows, table, slice.on, slice.low)))
    if slice.high is not None:
        keep = pc.and_(keep, before(rows, table, slice.on, slice.high))
    if slice.since is not None and slice.since_low is not None:
        values = rows.column(slice.since)
        later = pc.greater_equal(values, bound(table, slice.since, slice.since_low))
        keep = pc.and_(keep, pc.or_(pc.is_null(values), later.fill_null(False)))
    if slice.keys is not None:
        known = set(slice.keys)
        held = keys(rows, table.model_copy(update={"key": slice.on}))
        keep = pc.and_(keep, pa.chunked_array([[key in known for key in held]], pa.bool_()))
    return keep


def before(rows: pa.Table, table: Table, on: Sequence[str], edge: Sequence[str]) -> pa.Array:
    """Rows whose key sorts before the bound; text sorts by its bytes."""
    values, value = rows.column(on[0]), bound(table, on[0], edge[0])
    less = pc.less(values, value)
    if len(on) == 1:
        return less
    return pc.or_(less, pc.and_(pc.equal(values, value), before(rows, table, on[1:], edge[1:])))
