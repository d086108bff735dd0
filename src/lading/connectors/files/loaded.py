"""What Parquet files hold, in the Arrow forms of Lading's types."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from lading.connectors.files.text import from_text, to_text
from lading.errors import DataError
from lading.types import Type
from lading.values import cast, listed


def stored(type_: Type) -> pa.DataType:
    """The Arrow type that a file holds: Parquet has no interval with nanoseconds, which become text."""
    return pa.string() if textual(type_) else type_.arrow()


def textual(type_: Type) -> bool:
    return type_.inmost.kind == "interval"


def loaded(array: pa.Array, held: Type, type_: Type) -> pa.Array:
    """Values that a file holds as one type, in another."""
    found = _plain(array, held)
    return found if held == type_ else cast(found, held, type_)[0]


def _plain(array: pa.Array, held: Type) -> pa.Array:
    if held.item is not None and held.inmost.kind in ("interval", "uuid") and not pa.types.is_string(array.type):
        return listed(pc.list_value_length(array).to_pylist(), _plain(array.flatten(), held.item))
    if textual(held):
        array = _interval(array) if pa.types.is_duration(array.type) else from_text(array, held)
    elif held.kind == "uuid" and isinstance(array.type, pa.BaseExtensionType):
        digits = to_text(array.storage.cast(pa.binary()), Type("binary"))
        array = pc.replace_substring_regex(digits, r"^(.{8})(.{4})(.{4})(.{4})", r"\1-\2-\3-\4-")
    elif not array.type.equals(held.arrow()):
        array = array.cast(held.arrow())
    return array


def _interval(array: pa.Array) -> pa.Array:
    try:
        nanos = array.cast(pa.duration("ns")).cast(pa.int64()).to_pylist()
    except pa.ArrowInvalid as error:
        raise DataError("A duration of over 292 years has no form.", "Leave the column out.") from error
    return pa.array([None if n is None else (0, 0, n) for n in nanos], pa.month_day_nano_interval())
