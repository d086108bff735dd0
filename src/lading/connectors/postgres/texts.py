"""From PostgreSQL's texts of values to Arrow, whole columns at a time."""

from __future__ import annotations

import binascii

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson

from lading.errors import Bug, DataError
from lading.types import Type
from lading.values import parsed

_INTERVAL = (
    r"^P(?:(?P<y>-?\d+)Y)?(?:(?P<mo>-?\d+)M)?(?:(?P<d>-?\d+)D)?"
    r"(?:T(?:(?P<h>-?\d+)H)?(?:(?P<mi>-?\d+)M)?(?:(?P<s>-?\d+(?:\.\d+)?)S)?)?$"
)


_UNLIKE = "!"
"""What the dialect reads of an array that is no list."""


def unlimited(type_: Type) -> bool:
    """Whether a decimal travels as text."""
    return type_.kind == "decimal" and (type_.size is None or type_.size > 76)


def values(array: pa.Array, type_: Type) -> pa.Array:
    """The values of PostgreSQL's own texts."""
    if type_.kind == "interval":
        return _intervals(array)
    if type_.kind == "binary":
        return hex_bytes(pc.utf8_slice_codeunits(array, 2))
    if unlimited(type_):
        odd = array.filter(pc.match_substring_regex(array, "[a-zA-Z]"))
        if len(odd):
            raise DataError(f"'{odd[0]}'")
        return array
    return parsed(array, type_) if type_.kind == "time" else array.cast(type_.arrow())


def hex_bytes(array: pa.Array) -> pa.Array:
    """The bytes of hexadecimal texts, all at once."""
    if len(array) == 0:
        return array.cast(pa.binary())
    _, offsets, text = array.buffers()
    at = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    raw = binascii.unhexlify(memoryview(text)[at[0] : at[-1]]) if text is not None else b""
    halves = ((at - at[0]) // 2).astype(np.int32)
    out = pa.Array.from_buffers(pa.binary(), len(array), [None, pa.py_buffer(halves), pa.py_buffer(raw)])
    return pc.if_else(array.is_valid(), out, pa.scalar(None, pa.binary())) if array.null_count else out


def _intervals(array: pa.Array) -> pa.Array:
    """Months, days and nanoseconds of texts like P1Y2M3DT4H5M6.5S."""
    parts = pc.extract_regex(array, _INTERVAL)
    odd = array.filter(pc.and_(pc.is_null(parts), pc.is_valid(array)))
    if len(odd):
        raise DataError(f"'{odd[0]}'")
    whole = {n: _whole(parts.field(n)) for n in ("y", "mo", "d", "h", "mi")}
    seconds = pc.if_else(pc.equal(parts.field("s"), ""), "0", parts.field("s")).cast(pa.decimal128(30, 6))
    micros = pc.multiply(seconds, pa.scalar(1_000_000, pa.decimal128(7, 0))).cast(pa.int64()).fill_null(0).to_numpy()
    time = (whole["h"] * 60 + whole["mi"]) * 60 * 1_000_000 + micros
    if len(time) and np.abs(time).max() > (2**63 - 1) // 1000:
        raise DataError("a time of over 292 years")
    rows = np.zeros(len(array), np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")]))
    rows["months"], rows["days"], rows["nanos"] = whole["y"] * 12 + whole["mo"], whole["d"], time * 1000
    out = pa.Array.from_buffers(pa.month_day_nano_interval(), len(array), [None, pa.py_buffer(rows)])
    if not array.null_count:
        return out
    places = pc.if_else(array.is_valid(), pa.array(np.arange(len(array))), pa.scalar(None, pa.int64()))
    return out.take(places)


def _whole(texts: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]] = (
        pc.if_else(pc.equal(texts, ""), "0", texts).cast(pa.int64()).fill_null(0).to_numpy()
    )
    return numbers


def lists(array: pa.Array, type_: Type) -> pa.Array:
    """Lists of JSON arrays of texts, which are PostgreSQL's own texts of the items."""
    if type_.item is None or len(array) == 0:
        return pa.array([], type_.arrow())
    if pc.any(pc.equal(array, _UNLIKE)).as_py():
        raise DataError("an array of several dimensions, or one that is not counted from 1")
    lines = pc.binary_join_element_wise('{"v":', array.fill_null("null"), "}\n", "")
    text = b"".join(lines.cast(pa.binary()).to_pylist())
    schema = pa.schema([("v", pa.list_(pa.string()))])
    rows = pajson.read_json(
        pa.BufferReader(text),
        pajson.ReadOptions(use_threads=False, block_size=len(text) + 1),
        pajson.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    )
    lists = pa.concat_arrays(rows.column(0).chunks)
    if len(lists) != len(array):
        raise Bug(f"{len(array):,} arrays became {len(lists):,} lists.", "Report it.")
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy()
    offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))).astype(np.int32))
    out = pa.ListArray.from_arrays(offsets, _items(lists.flatten(), type_.item))
    out = out.cast(type_.arrow())
    return pc.if_else(lists.is_valid(), out, pa.scalar(None, type_.arrow())) if lists.null_count else out


def _items(array: pa.Array, type_: Type) -> pa.Array:
    try:
        return values(array, type_)
    except (pa.ArrowInvalid, DataError) as error:
        raise DataError(f"an array with '{_odd(array, type_)}'") from error


def _odd(array: pa.Array, type_: Type) -> str:
    """The first of some texts of which one is no value of the type."""
    while len(array) > 1:
        first = array.slice(0, len(array) // 2)
        try:
            values(first, type_)
            array = array.slice(len(first))
        except (pa.ArrowInvalid, DataError):
            array = first
    return str(array[0])[:40]
