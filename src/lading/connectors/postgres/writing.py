"""From Arrow to the CSV that PostgreSQL's COPY takes. What PostgreSQL would change or cannot hold is refused."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from lading.errors import DataError, Unsupported
from lading.schema import Column, Table
from lading.types import Type
from lading.years import beyond

PART_BYTES = 4 * 2**20


def encoded(batch: pa.RecordBatch, table: Table) -> Iterator[bytes]:
    """CSV in parts of whole rows: strings in quotes, NULL an empty field without."""
    step = max(1, batch.num_rows * PART_BYTES // max(batch.nbytes, 1))
    for start in range(0, batch.num_rows, step):
        part = batch.slice(start, step)
        arrays = [_storable(part.column(place), column, table) for place, column in enumerate(table.columns)]
        sink = pa.BufferOutputStream()
        rows = pa.RecordBatch.from_arrays(arrays, names=[str(place) for place in range(len(arrays))])
        csv.write_csv(rows, sink, csv.WriteOptions(include_header=False, quoting_style="needed"))
        text = sink.getvalue().to_pybytes()
        if b"\0" in text:
            raise _zero(part, table)
        yield text


def _zero(part: pa.RecordBatch, table: Table) -> DataError:
    names = []
    for place, column in enumerate(table.columns):
        array = part.column(place)
        if pa.types.is_list(array.type):
            array = array.flatten()
        if pa.types.is_string(array.type) and pc.any(pc.match_substring(array, "\0")).as_py():
            names.append(column.name)
    return DataError(
        f"Column '{', '.join(names)}' of '{table.full_name}' holds a zero byte, which PostgreSQL cannot store.",
        "Remove it, or map the column to binary.",
    )


def _storable(array: pa.Array, column: Column, table: Table) -> pa.Array:
    try:
        _check(array, column.type)
        return _texts(array, column.type)
    except DataError as error:
        raise DataError(f"Column '{column.name}' of '{table.full_name}' holds {error.what}", error.fix) from error


def _check(array: pa.Array, type_: Type) -> None:
    """PostgreSQL cuts blanks that are too many, and rounds decimals, without a word; a year before the first it takes
    for a zone."""
    if far := beyond(array, type_, 1):
        raise DataError(f"'{far}', which is before the year 1.", "Correct the value, or map the column to string.")
    if type_.kind == "string" and type_.size is not None and not type_.in_bytes:
        longest = pc.max(pc.utf8_length(array)).as_py() or 0
        if longest > type_.size:
            raise DataError(f"{longest:,} characters; {type_} takes {type_.size:,}.", "Widen the target's column.")
    if type_.kind == "decimal" and type_.size is None:
        odd = array.filter(pc.invert(pc.match_substring_regex(array, r"^[+-]?(\d+\.?\d*|\.\d+)$")))
        if len(odd):
            raise DataError(f"'{str(odd[0])[:40]}', which is no decimal.", "Correct the value.")


def _texts(array: pa.Array, type_: Type) -> pa.Array:
    """The column as CSV can hold it; what Arrow writes itself stays as it is."""
    match type_.kind:
        case "binary":
            return _hex(array)
        case "interval":
            return _intervals(array)
        case "list" if type_.item is not None:
            return _lists(array, type_.item)
        case _:
            return array


def _hex(array: pa.Array) -> pa.Array:
    if len(array) == 0:
        return array.cast(pa.string())
    array = array.cast(pa.binary())
    _, offsets, data = array.buffers()
    at = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    text = memoryview(data)[at[0] : at[-1]].hex().encode() if data is not None else b""
    doubled = pa.py_buffer((at - at[0]) * 2)
    out = pa.Array.from_buffers(pa.large_string(), len(array), [None, doubled, pa.py_buffer(text)])
    marked = pc.binary_join_element_wise(pa.scalar("\\x", pa.large_string()), out, pa.scalar("", pa.large_string()))
    return pc.if_else(array.is_valid(), marked, pa.scalar(None, pa.large_string())) if array.null_count else marked


def _intervals(array: pa.Array) -> pa.Array:
    """Texts like `1 mons 2 days -0:0:3.500000`."""
    raw = np.frombuffer(array.buffers()[1] or b"", np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")]))
    rows = raw[array.offset : array.offset + len(array)]
    if array.null_count:
        rows = np.where(array.is_valid().to_numpy(zero_copy_only=False), rows, np.zeros(1, rows.dtype))
    if np.any(rows["nanos"] % 1000):
        raise DataError("an interval with nanoseconds; PostgreSQL takes microseconds.", "Round it in the source.")
    micros = np.abs(rows["nanos"] // 1000)
    seconds, rest = micros // 1_000_000, micros % 1_000_000
    sign = pc.if_else(pa.array(rows["nanos"] < 0), " days -", " days ")
    months, days, hours, minutes, left = (
        pa.array(part).cast(pa.string())
        for part in (rows["months"], rows["days"], seconds // 3600, seconds // 60 % 60, seconds % 60)
    )
    fraction = pc.utf8_slice_codeunits(pa.array(rest + 1_000_000).cast(pa.string()), 1)
    clock = pc.binary_join_element_wise(hours, minutes, left, ":")
    out = pc.binary_join_element_wise(months, " mons ", days, sign, clock, ".", fraction, "")
    return pc.if_else(array.is_valid(), out, pa.scalar(None, pa.string())) if array.null_count else out


def _lists(array: pa.Array, item: Type) -> pa.Array:
    """Array literals: `{"a","b\\"c",NULL}`."""
    if item.kind == "list":
        raise Unsupported("A list of lists has no form in PostgreSQL.", "Map the column to json.")
    items = _texts(array.flatten(), item).cast(pa.string())
    escaped = pc.replace_substring(pc.replace_substring(items, "\\", "\\\\"), '"', '\\"')
    words = pc.binary_join_element_wise('"', escaped, '"', "").fill_null("NULL")
    lengths = pc.list_value_length(array).fill_null(0).to_numpy()
    offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))).astype(np.int32))
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, words), ",")
    out = pc.binary_join_element_wise("{", joined, "}", "")
    return pc.if_else(array.is_valid(), out, pa.scalar(None, pa.string())) if array.null_count else out
