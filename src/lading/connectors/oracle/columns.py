"""Columns on their way from and to Oracle: the Arrow forms in which the library gives and takes them unchanged."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from lading.canon import short_numbers
from lading.errors import DataError
from lading.schema import Column
from lading.values import parsed, texts

DIGITS = 38  # of a NUMBER; beyond them Oracle rounds without a word


def arrival(column: Column) -> pa.DataType:
    """The Arrow type in which the library hands a column over."""
    to = column.type.arrow()
    if pa.types.is_timestamp(to):
        return pa.timestamp("us") if to.unit == "us" else pa.string()
    return pa.string() if column.type.kind == "interval" else to


def canonical(array: pa.Array, column: Column) -> pa.Array:
    to = column.type.arrow()
    try:
        if column.type.kind == "decimal" and pa.types.is_floating(array.type):
            raise DataError("the library made a double of a number.", "")
        if column.type.kind == "decimal" and column.type.size is None:
            return _plain(array)
        if column.type.kind == "interval":  # TM9 writes no zero before the point
            array = pc.replace_substring_regex(array, r"DT(-?)\.", r"DT\10.")
        if column.type.kind in ("timestamp", "interval") and pa.types.is_string(array.type):
            return parsed(array, column.type)
        return array if array.type.equals(to) else array.cast(to)
    except (DataError, pa.ArrowInvalid) as error:
        what = error.what if isinstance(error, DataError) else str(error).split("\n")[0]
        raise DataError(f"Column '{column.name}': {what}", "Correct the value, or leave the column out.") from error


def _plain(array: pa.Array) -> pa.Array:
    """Numbers as Oracle writes them: `.5`, and with an exponent when longer than 64 characters."""
    text = array.cast(pa.string())
    if pc.any(pc.match_substring(text, "E")).as_py():
        from decimal import Decimal

        text = pa.array([None if v is None else format(Decimal(v), "f") for v in text.to_pylist()], pa.string())
    return short_numbers(text)


def storable(array: pa.Array, column: Column) -> pa.Array:
    type_ = column.type
    match type_.kind:
        case "decimal" if type_.size is None:
            bare = pc.replace_substring_regex(short_numbers(array), r"^-?0*\.?0*|\.|0+$", "")
            if (pc.max(pc.utf8_length(bare)).as_py() or 0) > DIGITS:
                what = f"Column '{column.name}' has a number of more than {DIGITS} digits, which Oracle would round."
                raise DataError(what, "Make the column a VARCHAR2 or CLOB.")
            return array
        case "timestamp" if type_.utc:
            return array.cast(pa.timestamp(array.type.unit))  # taken as UTC, which is the session's zone
        case "list" | "interval" | "time":
            return texts(array, type_)
        case _:
            return array
