"""How values are stored in SQLite, and how they come back."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lading import unwanted
from lading.errors import DataError
from lading.schema import Column, Table
from lading.types import Type
from lading.values import cast, texts
from lading.years import beyond

FIRST = {"int64": "0", "double": "0.5", "binary": "x''", "string": "''"}
CLASSES = {
    "int64": ("integer",), "double": ("real", "integer"), "binary": ("blob",), "string": ("text",),
    "decimal": ("text", "integer", "real"),
}  # fmt: skip
_STORED = {"int64": Type("int", 64), "double": Type("float", 64), "binary": Type("binary"), "string": Type("string")}


def adbc() -> Any:
    """ADBC's module, without polars."""
    with unwanted.without("polars"):
        return import_module("adbc_driver_sqlite.dbapi")


def stored(type_: Type) -> str:
    """The Arrow type in which values of a type go in and out."""
    return {"bool": "int64", "int": "int64", "float": "double", "binary": "binary"}.get(type_.kind, "string")


def typed(array: pa.Array, column: Column, table: Table) -> pa.Array:
    """What was read, in the column's type. Raises DataError for values that are not of it."""
    try:
        if column.type.kind in ("string", "json", "binary"):
            array.validate(full=True)
            return array.cast(column.type.arrow())
        return cast(array, _STORED[stored(column.type)], column.type)[0]
    except (pa.ArrowInvalid, DataError) as error:
        declared = column.native.partition(":")[2]
        what = f"Column '{column.name}' of '{table.full_name}' is declared {declared} and holds a value that is not"
        why = error.what if isinstance(error, DataError) else str(error).split("\n")[0]
        raise DataError(f"{what} {column.type}: {why.rstrip('.')}.", "Correct the value or the type.") from error


def storable(array: pa.Array, column: Column, table: Table) -> pa.Array:
    """What is written. Raises DataError for what SQLite would change: it makes NULL of NaN, and a number of its own
    of NULL in a key."""
    type_ = column.type
    if array.null_count and (not column.null or column.name in table.key):
        raise DataError(f"SQLite refused a row: column '{column.name}' is NOT NULL and a value is NULL.", "Correct it.")
    if far := beyond(array, type_, 0, 10_000):
        what = f"SQLite refused a row: column '{column.name}' has '{far}', which is outside of the years 0 to 9999."
        raise DataError(what, "Correct the value, or map the column to string.")
    match type_.kind:
        case "bool":
            return array.cast(pa.int64())
        case "int" if not (type_.unsigned and type_.size == 64):
            return array.cast(pa.int64())
        case "float":
            if pc.any(pc.is_nan(array)).as_py():
                what = f"SQLite refused a row: column '{column.name}' has NaN, of which SQLite would make NULL."
                raise DataError(what, "Correct the value, or map the column to string.")
            return array.cast(pa.float64())
        case "string" | "binary" | "uuid" | "json":
            return array
        case "time" | "timestamp":
            # As SQLite's own functions write it, so that texts compare: no fraction of zeros.
            return pc.replace_substring_regex(texts(array, type_), r"\.0+$", "")
        case _:
            return texts(array, type_)
