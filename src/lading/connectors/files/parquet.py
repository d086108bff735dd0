"""Parquet files: their columns, reading and writing, with Lading's types in the fields' metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lading.connectors.files.place import Place
from lading.connectors.files.text import from_text, to_text
from lading.errors import DataError, SpecError
from lading.schema import Column
from lading.types import Type, from_arrow, parse
from lading.values import cast

TYPE, KEY = b"lading:type", b"lading:key"
BATCH_ROWS = 65_536
GROUP_ROWS, GROUP_BYTES = 250_000, 64 << 20
"""A row group ends at whichever comes first."""
_REPEATS = 4
"""How often values must come on average to be written as a dictionary: making one that does not help takes as long as
writing the values."""

Batch = tuple[list[Any], int]
"""Arrays, and how many rows they have."""


@contextmanager
def opened(place: Place, path: str) -> Iterator[pq.ParquetFile]:
    with place.errors(path), pa.OSFile(path) if place.local else place.open(path) as file:
        try:
            yield pq.ParquetFile(file if place.local else pa.PythonFile(file, mode="r"), buffer_size=1 << 20)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            text = str(error).split("\n")[0].rstrip(".")
            raise DataError(f"{path}:1: the Parquet file cannot be read: {text}.", "Get the file again.") from error


def columns_of(schema: pa.Schema) -> tuple[tuple[Column, ...], tuple[str, ...], list[str]]:
    """The columns, the key, and what keeps columns from being read."""
    columns, problems = [], []
    for field in schema:
        type_ = _declared(field)
        if type_ is None:
            try:
                type_ = from_arrow(field.type)
            except SpecError as error:
                what = f"column '{field.name}': {error.what.rstrip('.')}"
                problems.append(f"{what}; add it to src/lading/types.py, or leave the column out")
                type_ = Type("string")
        columns.append(Column(name=field.name, type=type_, null=field.nullable, native=f"files:{type_}"))
    for name in schema.names:
        if schema.names.count(name) > 1:
            problems.append(f"two columns are named '{name}'")
    key = tuple(json.loads((schema.metadata or {}).get(KEY, b"[]")))
    return tuple(columns), key, sorted(set(problems))


def _declared(field: pa.Field) -> Type | None:
    """The type that Lading wrote into the field, unless somebody changed the field since."""
    text = (field.metadata or {}).get(TYPE)
    if text is None:
        return None
    try:
        type_ = parse(text.decode())
    except SpecError:
        return None
    return type_ if _stored(type_).equals(field.type) else None


def _stored(type_: Type) -> pa.DataType:
    """The Arrow type that a file holds: Parquet has no interval with nanoseconds, which become text."""
    return pa.string() if _textual(type_) else type_.arrow()


def _textual(type_: Type) -> bool:
    return type_.kind == "interval" or (type_.item is not None and _textual(type_.item))


def read(file: pq.ParquetFile, columns: Sequence[Column], groups: Sequence[int] | None = None) -> Iterator[Batch]:
    """The columns of the file, batch after batch; all row groups unless some are named."""
    held, _, _ = columns_of(file.schema_arrow)
    types = {column.name: column.type for column in held}
    names = None if len(columns) == len(held) else [column.name for column in columns]
    for batch in file.iter_batches(BATCH_ROWS, row_groups=groups, columns=names, use_threads=False):
        arrays = [_loaded(batch.column(c.name), types[c.name], c.type) for c in columns]
        yield arrays, batch.num_rows


def _loaded(array: pa.Array, held: Type, type_: Type) -> pa.Array:
    if _textual(held):
        array = _interval(array) if pa.types.is_duration(array.type) else from_text(array, held)
    elif held.kind == "uuid" and isinstance(array.type, pa.BaseExtensionType):
        digits = to_text(array.storage.cast(pa.binary()), Type("binary"))
        array = pc.replace_substring_regex(digits, r"^(.{8})(.{4})(.{4})(.{4})", r"\1-\2-\3-\4-")
    elif not array.type.equals(held.arrow()):
        array = array.cast(held.arrow())
    return array if held == type_ else cast(array, held, type_)[0]


def _interval(array: pa.Array) -> pa.Array:
    nanos = array.cast(pa.duration("ns")).cast(pa.int64()).to_pylist()
    return pa.array([None if n is None else (0, 0, n) for n in nanos], pa.month_day_nano_interval())


class ParquetPart:
    """Writes one Parquet file, a row group at a time."""

    def __init__(self, file: IO[bytes], columns: Sequence[Column], key: Sequence[str]) -> None:
        self.columns = columns
        self.schema = pa.schema(
            [pa.field(c.name, _stored(c.type), c.null, {TYPE: str(c.type).encode()}) for c in columns],
            {KEY: json.dumps(list(key), ensure_ascii=False).encode()},
        )
        self._file = file
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        arrays = [
            to_text(array, column.type) if _textual(column.type) else array
            for array, column in zip(batch.columns, self.columns, strict=True)
        ]
        stored = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        self._held.append(stored)
        self._rows += stored.num_rows
        self._bytes += stored.nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
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
    return pc.count_distinct(seen, mode="all").as_py() * _REPEATS <= max(len(seen), 1)
