"""Arrow batches as the text of LOAD DATA and of INSERT, without a Python object per row or value.

Texts are enclosed and only the enclosing sign is doubled in them (and backslashes, where those escape), NULL is the
bare word, binary is hexadecimal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lading.errors import DataError
from lading.schema import Column
from lading.values import cast, texts

PART = 16 << 20
"""About how many bytes are written at a time, so that texts stay below the 2 GiB that an array can hold."""

_DIGITS = np.array([f"{n:02X}".encode() for n in range(256)], dtype="S2").view(np.uint16)
_BARE = ("bool", "int", "decimal", "float")
_DATES = ("date", "time", "timestamp")


@dataclass(frozen=True)
class Form:
    """How a row is written. `quote` encloses texts; {0} in `binary` is the hexadecimal text."""

    quote: str
    escapes: bool
    binary: tuple[str, str]
    row: tuple[str, str]


LOAD = Form('"', False, ("", ""), ("", "\n"))
INSERT = Form("'", True, ("X'", "'"), ("(", "),"))


def parts(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches, cut where they are large."""
    for batch in batches:
        step = max(1, batch.num_rows * PART // max(batch.nbytes, 1))
        for start in range(0, batch.num_rows, step):
            yield batch.slice(start, step)


def write(batch: pa.RecordBatch, columns: Iterable[tuple[int, Column]], form: Form) -> pa.Array:
    """One text per row. `columns` are those written, with their places in the batch."""
    fields = [_field(batch.column(place), column, form) for place, column in columns]
    line = pc.binary_join_element_wise(*fields, ",", null_handling="replace", null_replacement="NULL")
    return pc.binary_join_element_wise(form.row[0], line, form.row[1], "")


def joined(lines: pa.Array) -> memoryview:
    """The lines one after the other, as they lie in memory."""
    _, offsets, data = lines.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32)
    return memoryview(data)[int(bounds[lines.offset]) : int(bounds[lines.offset + len(lines)])]


def _field(array: pa.Array, column: Column, form: Form) -> pa.Array:
    kind, native = column.type.kind, column.native.partition(":")[2].lower()
    if not column.null and array.null_count:
        raise _refused(column, "NULL", "The column is NOT NULL.")
    if kind in _DATES:
        # MySQL would round or cut further digits of a second without a word.
        array, _ = cast(array, column.type, column.type)
        return _enclosed(texts(array, column.type), "'" if form is INSERT else "")
    if kind == "float":
        array = array.cast(pa.float64())
        if not pc.all(pc.is_finite(array)).as_py() and len(odd := array.filter(pc.invert(pc.is_finite(array)))):
            raise _refused(column, str(odd[0]), "MySQL has no such number.")
    if kind in _BARE:
        return texts(array, column.type) if kind == "bool" else array.cast(pa.string())
    if kind == "binary":
        fixed = re.match(r"binary\((\d+)\)", native)
        if fixed and pc.any(pc.not_equal(pc.binary_length(array), int(fixed[1]))).as_py():
            raise _refused(column, "a shorter value", f"MySQL fills {native} up with zero bytes.")
        return _enclosed(_hexadecimal(array), *form.binary)
    array = texts(array, column.type)
    if native.startswith("char(") and pc.any(pc.ends_with(array, " ")).as_py():
        raise _refused(column, "a value that ends in blanks", f"MySQL drops them from {native}.")
    if form.escapes:
        array = pc.replace_substring(array, "\\", "\\\\")
    return _enclosed(pc.replace_substring(array, form.quote, form.quote * 2), form.quote)


def _refused(column: Column, value: str, why: str) -> DataError:
    return DataError(f"Column '{column.name}' cannot hold {value}. {why}", "Correct the value, or change the column.")


def _enclosed(array: pa.Array, before: str, after: str | None = None) -> pa.Array:
    if not before:
        return array
    return pc.binary_join_element_wise(before, array, before if after is None else after, "")


def _hexadecimal(array: pa.Array) -> pa.Array:
    if array.null_count == len(array):
        return pa.nulls(len(array), pa.string())
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    raw = np.frombuffer(data or b"", dtype=np.uint8)[bounds[0] : bounds[-1]]
    ends: Any = (bounds - bounds[0]) * 2
    held = np.packbits(array.is_valid().to_numpy(zero_copy_only=False), bitorder="little")
    mask = pa.py_buffer(held) if array.null_count else None
    return pa.Array.from_buffers(pa.string(), len(array), [mask, pa.py_buffer(ends), pa.py_buffer(_DIGITS[raw])])
