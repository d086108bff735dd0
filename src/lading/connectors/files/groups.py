"""Parquet files on their way out, a row group at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lading.connectors.files.loaded import stored, textual
from lading.connectors.files.parquet import BATCH_ROWS, KEY, TYPE
from lading.connectors.files.text import to_text
from lading.schema import Column

GROUP_ROWS, GROUP_BATCHES = 250_000, 4
"""A row group ends at whichever comes first; batches are those of the connection."""
_REPEATS = 4
"""How often values must come on average to be written as a dictionary: making one that does not help takes as long as
writing the values."""


class ParquetPart:
    """Writes one Parquet file, a row group at a time."""

    def __init__(self, file: IO[bytes], columns: Sequence[Column], key: Sequence[str], batch_mb: int = 16) -> None:
        self.columns = columns
        self.schema = pa.schema(
            [pa.field(c.name, stored(c.type), c.null, {TYPE: str(c.type).encode()}) for c in columns],
            {KEY: json.dumps(list(key), ensure_ascii=False).encode()},
        )
        self._file, self._most = file, GROUP_BATCHES * batch_mb << 20
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        arrays = [
            to_text(array, column.type) if textual(column.type) else array
            for array, column in zip(batch.columns, self.columns, strict=True)
        ]
        stored = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        self._held.append(stored)
        self._rows += stored.num_rows
        self._bytes += stored.nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= self._most:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            table = pa.Table.from_batches(self._held, self.schema)
            self._held, self._rows, self._bytes = [], 0, 0
            self._opened(table).write_table(table, row_group_size=2 * GROUP_ROWS)

    def _opened(self, table: pa.Table) -> pq.ParquetWriter:
        """The writer, made for the values of the first row group."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._file, self.schema, compression="zstd", store_decimal_as_integer=True,
                use_dictionary=[name for name in table.column_names if _repeats(table.column(name))],
            )  # fmt: skip
        return self._writer

    def close(self) -> None:
        self._flush()
        self._opened(self.schema.empty_table()).close()

    def drop(self) -> None:
        """Gives the file up, so that the writer does not write to it once it is closed."""
        if self._writer is None:
            return
        with suppress(OSError, pa.ArrowInvalid):
            self._writer.close()
        self._writer.is_open = False


def _repeats(column: pa.ChunkedArray) -> bool:
    """Whether a dictionary of the values is worth its making, as the first of them show."""
    if pa.types.is_nested(column.type) or column.num_chunks == 0:
        return True
    seen = column.chunk(0)[:BATCH_ROWS]
    return bool(pc.count_distinct(seen, mode="all").as_py() * _REPEATS <= max(len(seen), 1))
