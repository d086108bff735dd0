"""Columns on their way from and to SQL Server, and what bulk copy would change in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from lading.dialects.sqlserver import dialect
from lading.errors import DataError
from lading.schema import Column, Table
from lading.values import parsed

# Natives that bulk copy cannot fill from Arrow, or would round on the way: what the rows wait in beside them.
_ASIDE = (
    (r"uniqueidentifier", "char(36)"),
    (r"(?:var)?char.*|n?text.*|xml|json", "nvarchar(max)"),
    (r"image", "varbinary(max)"),
    (r"datetime", "datetime2(3)"),
    (r"smalldatetime", "datetime2(0)"),
    (r"money", "decimal(19,4)"),
    (r"smallmoney", "decimal(10,4)"),
)


class Source:
    """Batches for the library to pull; keeps our own error, which it would turn into its own."""

    def __init__(self, batches: Iterable[pa.RecordBatch], table: Table) -> None:
        self.rows = 0
        self.error: BaseException | None = None
        self.table = table
        schema = pa.schema([(c.name, c.type.arrow()) for c in table.columns])
        self.reader = pa.RecordBatchReader.from_batches(schema, self._pulled(batches))

    def _pulled(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            for batch in batches:
                for array, column in zip(batch.columns, self.table.columns, strict=True):
                    _on_grid(array, column)
                self.rows += batch.num_rows
                yield batch
        except BaseException as error:
            self.error = error
            raise


def beside(column: Column) -> str:
    native = column.native.partition(":")[2] or dialect.native(column)
    found = next((to for pattern, to in _ASIDE if re.fullmatch(pattern, native.lower())), native)
    return f"{dialect.quote(column.name)} {found} NULL"


def _on_grid(array: pa.Array, column: Column) -> None:
    """Refuses what the two old types would round: datetime ends in 0, 3 or 7 thousandths, smalldatetime in minutes."""
    native = column.native.partition(":")[2].lower()
    if native not in ("datetime", "smalldatetime"):
        return
    step, allowed = (10_000, [0, 3_000, 7_000]) if native == "datetime" else (60_000_000, [0])
    # Division cuts towards zero; instants before 1970 are moved above it.
    micros = pc.add(array.cast(pa.timestamp("us")).cast(pa.int64()), 10**17 // step * step)
    rest = pc.subtract(micros, pc.multiply(pc.divide(micros, step), step))
    odd = array.drop_null().filter(pc.invert(pc.is_in(rest.drop_null(), pa.array(allowed, pa.int64()))))
    if len(odd):
        what = f"Column '{column.name}' is a {native}, which would round {odd[0]}."
        raise DataError(what, "Make the column a datetime2.")


def canonical(array: pa.Array, column: Column) -> pa.Array:
    to = column.type.arrow()
    if array.type.equals(to):
        return array
    try:
        if column.type.kind in ("time", "timestamp") and not pa.types.is_temporal(array.type):
            return parsed(array, column.type)
        return array.cast(to)
    except (DataError, pa.ArrowInvalid) as error:
        what = error.what if isinstance(error, DataError) else str(error).split("\n")[0]
        raise DataError(f"Column '{column.name}': {what}", "Correct the value, or leave the column out.") from error
