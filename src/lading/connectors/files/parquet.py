"""Parquet files: their columns and rows, with Lading's types in the fields' metadata."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

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
    return type_ if stored(type_).equals(field.type) else None


def stored(type_: Type) -> pa.DataType:
    """The Arrow type that a file holds: Parquet has no interval with nanoseconds, which become text."""
    return pa.string() if textual(type_) else type_.arrow()


def textual(type_: Type) -> bool:
    return type_.kind == "interval" or (type_.item is not None and textual(type_.item))


def read(file: pq.ParquetFile, columns: Sequence[Column], groups: Iterable[int], batch_mb: int) -> Iterator[Batch]:
    """The columns of some row groups, batch after batch."""
    held, _, _ = columns_of(file.schema_arrow)
    types = {column.name: column.type for column in held}
    names = None if len(columns) == len(held) else [column.name for column in columns]
    rows = min(BATCH_ROWS // 8 * batch_mb, BATCH_ROWS)
    for group in groups:  # one at a time: Arrow reads the bytes of all that it is asked for ahead
        for batch in file.iter_batches(rows, row_groups=[group], columns=names, use_threads=False):
            arrays = [_loaded(batch.column(c.name), types[c.name], c.type) for c in columns]
            yield arrays, batch.num_rows


def _loaded(array: pa.Array, held: Type, type_: Type) -> pa.Array:
    if textual(held):
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
