"""Parquet files: their columns and rows, with Lading's types in the fields' metadata."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lading.connectors.files.loaded import loaded, stored
from lading.connectors.files.place import Place
from lading.errors import DataError, SpecError
from lading.schema import Column
from lading.types import Type, from_arrow, parse

TYPE, KEY = b"lading:type", b"lading:key"
BATCH_ROWS = 65_536

Batch = tuple[list[Any], int]
"""Arrays, and how many rows they have."""


@contextmanager
def opened(place: Place, path: str, unit: str | None = None) -> Iterator[pq.ParquetFile]:
    """The file; `unit` is that in which moments of 96 bits are read, nanoseconds where it is left out."""
    with place.errors(path), pa.OSFile(path) if place.local else place.open(path) as file:
        bytes_ = file if place.local else pa.PythonFile(file, mode="r")
        try:
            yield pq.ParquetFile(bytes_, buffer_size=1 << 20, coerce_int96_timestamp_unit=unit)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            text = str(error).split("\n")[0].rstrip(".")
            raise DataError(f"{path}:1: the Parquet file cannot be read: {text}.", "Get the file again.") from error


def columns_of(schema: pa.Schema) -> tuple[tuple[Column, ...], tuple[str, ...], list[str]]:
    """The columns, the key, and what keeps columns from being read."""
    columns, problems = [], []
    for field in schema:
        type_, unread = _declared(field), ""
        if type_ is None:
            try:
                type_ = from_arrow(field.type)
            except SpecError as error:
                unread, type_ = error.what.rstrip("."), Type("string")
                what = f"column '{field.name}' cannot be read: {unread}"
                problems.append(f"{what}; add it to src/lading/types.py, or leave the column out")
        made = Column(name=field.name, type=type_, null=field.nullable, native=f"files:{type_}", unread=unread)
        columns.append(made)
    for name in schema.names:
        if schema.names.count(name) > 1:
            problems.append(f"two columns are named '{name}'")
    key = tuple(json.loads((schema.metadata or {}).get(KEY, b"[]")))
    held = set(key) <= set(schema.names)  # who leaves out columns may keep the rest of what the file says of itself
    return tuple(columns), key if held else (), sorted(set(problems))


def _declared(field: pa.Field) -> Type | None:
    """The type that Lading wrote into the field, unless somebody changed the field since."""
    text = (field.metadata or {}).get(TYPE)
    if text is None:
        return None
    try:
        type_ = parse(text.decode())
    except SpecError:
        return None
    return type_ if stored(type_).equals(field.type) else None


def read(file: pq.ParquetFile, columns: Sequence[Column], groups: Iterable[int], batch_mb: int) -> Iterator[Batch]:
    """The columns of some row groups, batch after batch."""
    held, _, _ = columns_of(file.schema_arrow)
    types = {column.name: column.type for column in held}
    names = None if len(columns) == len(held) else [column.name for column in columns]
    for group in groups:  # one at a time: Arrow reads the bytes of all that it is asked for ahead
        rows = _most_rows(file.metadata.row_group(group), batch_mb)
        for batch in file.iter_batches(rows, row_groups=[group], columns=names, use_threads=False):
            arrays = [loaded(batch.column(c.name), types[c.name], c.type) for c in columns]
            yield arrays, batch.num_rows


def _most_rows(group: Any, batch_mb: int) -> int:
    row: int = max(group.total_byte_size // max(group.num_rows, 1), 1)
    return max(min(BATCH_ROWS // 8 * batch_mb, BATCH_ROWS, (batch_mb << 20) // row), 1)


def refuse_wrapped(place: Place, path: str, file: pq.ParquetFile, names: Sequence[str], groups: Iterable[int]) -> None:
    """Raises DataError where a moment of 96 bits, which Spark, Hive and Impala write, is too far away for nanoseconds:
    Arrow makes another one of it without a word, which in microseconds it does not."""
    paths = _of_96_bits(file, set(names))
    if not paths:
        return
    with opened(place, path, "us") as coarse:
        for group in groups:
            told = {"row_groups": [group], "columns": list(paths), "use_threads": False}
            for pair in zip(*(each.iter_batches(BATCH_ROWS, **told) for each in (file, coarse)), strict=True):
                for name in paths.values():
                    nanos, micros = (_whole(batch.column(name)) for batch in pair)
                    # Rounded, the two may be one microsecond apart; what is wrong is 585 years apart.
                    if pc.any(pc.greater(pc.abs(pc.subtract(pc.divide(nanos, 1000), micros)), 1)).as_py():
                        raise _too_far(path, name)


def _of_96_bits(file: pq.ParquetFile, names: set[str]) -> dict[str, str]:
    """The columns of some names that hold such moments, by their paths in the file."""
    held = (file.schema.column(n) for n in range(len(file.schema)))
    paths = [column.path for column in held if column.physical_type == "INT96"]
    tops = {path: path if path in names else path.split(".")[0] for path in paths}
    return {path: top for path, top in tops.items() if top in names}


def _whole(array: pa.Array) -> pa.Array:
    return (array.flatten() if pa.types.is_list(array.type) else array).cast(pa.int64())


def _too_far(path: str, name: str) -> DataError:
    what = (
        f"{path}:1: column '{name}' holds a moment before 1678 or after 2262 in 96 bits, which is read in nanoseconds."
    )
    fix = "Write it as TIMESTAMP_MICROS (Spark: spark.sql.parquet.outputTimestampType), or leave the column out."
    return DataError(what, fix)
