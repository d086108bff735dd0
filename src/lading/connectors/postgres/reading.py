"""From PostgreSQL's CSV to Arrow. A value without a canonical form stops the read, with its column's name."""

from __future__ import annotations

import re
from codecs import BOM_UTF8

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from lading.connectors.postgres.texts import hex_bytes, lists, unlimited, values
from lading.dialects.postgres import PADDED
from lading.driver import WIDE
from lading.errors import Bug, DataError
from lading.schema import Column, Table
from lading.types import Type

_LONGEST = 2**31 - 2**16  # bytes of a block, which Arrow counts in 32 bits


class Parser:
    """Turns blocks of whole rows into batches of one table's columns."""

    def __init__(self, table: Table) -> None:
        self._table, self.wide = table, len(table.columns) >= WIDE
        self._schema = pa.schema([(c.name, c.type.arrow()) for c in table.columns])
        self._names = [str(place) for place in range(len(table.columns))]
        types = {name: _carried(c.type) for name, c in zip(self._names, table.columns, strict=True)}
        # NULL is an empty field without quotes; an empty line of a table of one column is a NULL, too.
        self._convert = csv.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
            true_values=["t"], false_values=["f"],
        )  # fmt: skip
        self._parse = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)

    def batch(self, block: bytes) -> pa.RecordBatch:
        if len(block) > _LONGEST:
            raise DataError(f"A row of '{self._table.full_name}' has over {_LONGEST:,} bytes.", "Leave the column out.")
        if block.startswith(BOM_UTF8):  # which is part of a value here, and which the reader takes away
            block = BOM_UTF8 + block
        read = csv.ReadOptions(column_names=self._names, block_size=len(block) + 1, use_threads=False)
        try:
            rows = csv.read_csv(pa.BufferReader(block), read, self._parse, self._convert)
        except pa.ArrowInvalid as error:
            raise self._misfit(error) from error
        columns = zip(rows.columns, self._table.columns, strict=True)
        arrays = [self._typed(pa.concat_arrays(chunks.chunks), column) for chunks, column in columns]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _typed(self, array: pa.Array, column: Column) -> pa.Array:
        if padded(column):
            return pc.utf8_rtrim(array, characters=" ")
        if _carried(column.type) == column.type.arrow() and not unlimited(column.type):
            return array
        try:
            if column.type.kind == "list":
                return lists(array, column.type)
            return hex_bytes(array) if column.type.kind == "binary" else values(array, column.type)
        except (pa.ArrowInvalid, DataError) as error:
            raise self._bad(column, _short(error)) from error

    def _misfit(self, error: pa.ArrowInvalid) -> DataError | Bug:
        found = re.match(r"In CSV column #(\d+): (.*)", str(error), re.DOTALL)
        if found is None:
            return Bug(
                f"PostgreSQL's rows of '{self._table.full_name}' were not understood: {_short(error)}.", "Report it."
            )
        value = re.search(r"(?:invalid value|string|converting) '([^']*)'", found[2])
        return self._bad(self._table.columns[int(found[1])], f"'{value[1][:40]}'" if value else found[2][:100])

    def _bad(self, column: Column, what: str) -> DataError:
        return DataError(
            f"Column '{column.name}' of '{self._table.full_name}' holds {what}, which is no {column.type}.",
            "Correct the value, or read a view that casts the column to text.",
        )


def padded(column: Column) -> bool:
    """Whether PostgreSQL fills the column with blanks, which are no part of the value: character(n)."""
    return re.fullmatch(f"postgres:(?:{PADDED})", column.native) is not None


def _short(error: Exception) -> str:
    text = error.what if isinstance(error, DataError) else str(error)
    return text.split("\n")[0][:150].rstrip(". ")


def _carried(type_: Type) -> pa.DataType:
    """As which type Arrow reads the CSV."""
    wide = type_.kind == "decimal" and (type_.size is None or type_.size > 38)
    return pa.string() if wide or type_.kind in ("binary", "interval", "list") else type_.arrow()
