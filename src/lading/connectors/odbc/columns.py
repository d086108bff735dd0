"""Columns on their way through ODBC: the forms in which drivers give and take them unchanged."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lading.dialects.odbc import Flavour
from lading.errors import DataError
from lading.schema import Column
from lading.types import Type
from lading.values import listed, parsed, texts

FEW = 4_000  # bytes; a value that may be longer is measured before it is read


def as_text(flavour: Flavour, type_: Type) -> str | None:
    """The expression by which values of a type are read as text, None where the driver is trusted with them."""
    return next((text for pattern, text in flavour.reads if re.fullmatch(pattern, str(type_))), None)


def arrival(type_: Type) -> pa.DataType:
    to = type_.arrow()
    if type_.kind in ("list", "interval", "json", "uuid") or pa.types.is_decimal256(to):
        return pa.string()
    if type_.kind == "float":
        return pa.float64()  # of several singles at a time, MariaDB's driver gives the first one right
    if type_.kind == "int" and type_.unsigned:
        return pa.int64() if type_.size != 64 else pa.decimal128(20, 0)
    return pa.timestamp(to.unit) if pa.types.is_timestamp(to) else to


def canonical(array: pa.Array, column: Column) -> pa.Array:
    to = column.type.arrow()
    if array.type.equals(to) and column.type.kind not in ("list", "interval"):
        return array
    try:
        if column.type.item is not None:
            return _listed(array, column.type.item)
        return parsed(array, column.type) if pa.types.is_string(array.type) else array.cast(to)
    except (DataError, pa.ArrowInvalid) as error:
        what = error.what if isinstance(error, DataError) else str(error).split("\n")[0]
        raise DataError(f"Column '{column.name}': {what}", "Correct the value, or leave the column out.") from error


def _listed(array: pa.Array, item: Type) -> pa.Array:
    """Lists of JSON arrays of texts, which are PostgreSQL's own texts of the items; its other arrays are marked."""
    if pc.any(pc.equal(array, "!")).as_py():
        raise DataError("an array of several dimensions, or one that is not counted from 1, has no form.", "")
    lists = parsed(array, Type("list", item=Type("string")))
    items = lists.flatten()
    if item.kind == "binary":
        items = pa.array([None if v is None else bytes.fromhex(v.removeprefix("\\x")) for v in items.to_pylist()])
        return listed(pc.list_value_length(lists).to_pylist(), items.cast(pa.binary()))
    return listed(pc.list_value_length(lists).to_pylist(), parsed(items, item))


def storable(array: pa.Array, column: Column, flavour: Flavour) -> pa.Array:
    """Arrow types that ODBC drivers take as they are."""
    type_ = column.type
    if pa.types.is_string(array.type) and not flavour.zeros and pc.any(pc.match_substring(array, "\0")).as_py():
        what = f"Column '{column.name}' has a text with a zero byte, where the driver would end it."
        raise DataError(what, "Take it out, or make the column a binary one.")
    match type_.kind:
        case "int" if type_.unsigned and type_.size == 64:
            return array.cast(pa.decimal128(20, 0))
        case "int" if type_.unsigned:
            return array.cast(pa.int64())
        case "timestamp" if type_.utc:
            return array.cast(pa.timestamp(array.type.unit))
        case "list" if flavour.lists:
            return pa.array([None if v is None else _bracketed(v) for v in array.to_pylist()], pa.string())
        case "list" | "interval":
            return texts(array, type_)
        case "decimal" if pa.types.is_decimal256(array.type):
            return texts(array, type_)
        case _:
            return array


def _bracketed(value: Any) -> str:
    """A value inside a list, as PostgreSQL writes arrays."""
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return "{" + ",".join(map(_bracketed, value)) + "}"
    text = "\\x" + value.hex() if isinstance(value, bytes) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def widest(array: pa.Array) -> int:
    if pa.types.is_string(array.type) or pa.types.is_binary(array.type):
        return 2 * int(pc.max(pc.binary_length(array)).as_py() or 0) + 16
    return 48
