"""From a type as code and catalogues write it to a place with canonical type, characters and bytes."""

from __future__ import annotations

import importlib
import re
from functools import cache
from typing import Any

from lading.dialect import Dialect
from lading.errors import LadingError
from lading.hops.rules import UNITS
from lading.route import Declared, Place
from lading.schema import Column, Table
from lading.types import Type, parse

SYSTEMS = ("postgres", "mysql", "sqlserver")

# Other names of a type, whole words at the beginning.
_NAMES = {
    "postgres": {
        "char": "character", "nchar": "character", "varchar": "character varying", "decimal": "numeric",
        "int": "integer", "int4": "integer", "int8": "bigint", "int2": "smallint", "float4": "real",
        "float8": "double precision", "bool": "boolean", "double": "double precision", "float": "double precision",
        "pg_catalog.bpchar": "bpchar", "pg_catalog.varchar": "character varying",
    },
    "mysql": {
        "integer": "int", "numeric": "decimal", "dec": "decimal", "boolean": "tinyint(1)", "bool": "tinyint(1)",
        "signed": "bigint", "unsigned": "bigint unsigned", "character varying": "varchar", "nvarchar": "varchar",
        "nchar": "char", "character": "char", "double precision": "double", "real": "double",
    },
    "sqlserver": {
        "integer": "int", "character varying": "varchar", "character": "char", "dec": "decimal", "sysname":
        "nvarchar(128)", "double precision": "float", "timestamp": "rowversion", "boolean": "bit",
    },
}  # fmt: skip
_SHORT = {"char": 1, "nchar": 1, "varchar": 1, "nvarchar": 1, "binary": 1, "varbinary": 1}
_LIMITS: dict[str, dict[str, str]] = {
    "postgres": {"character": "character(1)"},
    "mysql": {"decimal": "decimal(10,0)", "char": "char(1)", "binary": "binary(1)"},
    "sqlserver": {
        "decimal": "decimal(18,0)", "numeric": "numeric(18,0)", "datetime2": "datetime2(7)", "time": "time(7)",
        "datetimeoffset": "datetimeoffset(7)", **{name: f"{name}({size})" for name, size in _SHORT.items()},
    },
}  # fmt: skip
"""What a type means that is written without its limit."""
_CAST_LIMITS: dict[str, dict[str, str]] = {
    "mysql": {"decimal": "decimal(10,0)", "char": "longtext", "binary": "longblob"},
    "sqlserver": {name: f"{name}(30)" for name in _SHORT},
}
"""The same inside a cast, where it differs."""


@cache
def dialect_of(system: str) -> Dialect:
    found: Dialect = importlib.import_module(f"lading.dialects.{system}").dialect
    return found


def written(system: str, text: str, cast: bool = False) -> str:
    """A type in the words of the system's catalogue, with the limit that it has when none is written."""
    text = re.sub(r"\s+", " ", text.strip().lower())
    text = text.replace("[", "").replace("]", "") if system == "sqlserver" else text
    text = re.sub(r"\)(?=[a-z])", ") ", re.sub(r"\s*([(),])\s*", r"\1", text))
    names = _NAMES.get(system, {})
    for name in sorted(names, key=len, reverse=True):
        if re.match(rf"{re.escape(name)}(?![\w.])", text):
            if name.startswith(names[name]) or not text.startswith(names[name]):
                text = names[name] + text[len(name) :]
            break
    text = re.sub(r"^(decimal|numeric)\((\d+)\)", r"\1(\2,0)", text).replace(",- ", ",-")
    text = re.sub(r"^interval (\d)", r"interval(\1)", re.sub(r"^bpchar\(", "character(", text))
    limits = {**_LIMITS.get(system, {}), **(_CAST_LIMITS.get(system, {}) if cast else {})}
    found = re.match(r"([a-z0-9_]+)(?= (?:character set|charset|collate) |$)", text)
    return f"{limits[found[1]]}{text[found.end() :]}" if found and found[1] in limits else text


def placed(system: str, native: str, **given: Any) -> Place:
    """A place with the type that a native one means; with `type` None, and why, where it is not known."""
    cast = given.get("kind") == "cast"
    text = written(system, native, cast) if system in SYSTEMS else native
    charset = given.pop("charset", "") or _charset(system, text)
    plain = re.sub(r" (?:character set|charset) \w+", "", text) if system == "mysql" else text
    if charset == "binary":  # a text of bytes
        plain = re.sub("^(?:var)?char", "varbinary", plain.replace("text", "blob"))
    type_ = _canonical(system, plain) if system in SYSTEMS else None
    if type_ is None:
        why = f"the type '{native}' is not known here"
        return Place(system=system, native=native, charset=charset, why=why, **given)
    return Place(system=system, native=text, charset=charset, type=type_, **measures(type_, charset), **given)


def _canonical(system: str, text: str) -> Type | None:
    if system == "postgres" and text.endswith("[]"):
        item = _canonical(system, text.removesuffix("[]"))
        return None if item is None else Type("list", item=item)
    if system == "postgres" and text == '"char"':
        return Type("string", 1, in_bytes=True)
    if system == "postgres" and (found := re.fullmatch(r"numeric\((\d+),(-?\d+)\)", text)):
        digits, scale = int(found[1]), int(found[2])  # 'numeric(2,-3)' has five before the point
        return Type("decimal", max(digits - min(scale, 0), scale), max(scale, 0))
    return dialect_of(system).canonical(text)


def of_column(system: str, column: Column, charset: str = "", **given: Any) -> Place:
    """The place that a column of a catalogue is."""
    native = column.native.partition(":")[2]
    if (most := _longest(native)) and given.get("code"):  # the words of a list are all that can be in it
        column = column.model_copy(update={"type": Type("string", most)})
    charset = charset or _charset(system, native.lower())
    return Place(
        system=system, native=native or str(column.type), type=column.type, null=column.null, charset=charset,
        **measures(column.type, charset), **given,
    )  # fmt: skip


def _longest(native: str) -> int:
    """The characters of the longest value of an enum or a set; 0 for other types."""
    words = [len(word.replace("''", "'")) for word in re.findall(r"'((?:[^']|'')*)'", native)]
    if native.startswith("set("):
        return sum(words) + len(words) - 1
    return max(words) if native.startswith("enum(") else 0


def of_declared(declared: Declared, table: Table, column: str) -> Place | None:
    """The place that a person declared for a column of a table; None where there is none."""
    word = declared.word(table, column)
    if word is None:
        return None
    type_ = parse(declared.columns[word])
    return Place(
        kind="API attribute" if declared.api else "export field", name=column, type=type_, code=declared.name,
        null=False if word in declared.required else None, refuses=declared.refuses, fact="declared",
        **measures(type_, ""),
    )  # fmt: skip


def measures(type_: Type, charset: str) -> dict[str, Any]:
    """Characters, bytes, precision, scale and zone of a type."""
    match type_.kind:
        case "string" if type_.size is not None:
            unit = 1 if type_.in_bytes else UNITS.get(charset, 1) if charset else 4
            return {"characters": type_.size, "bytes": type_.size * unit}
        case "binary":
            return {"bytes": type_.size}
        case "decimal":
            return {"precision": type_.size, "scale": None if type_.size is None else type_.scale}
        case "time" | "timestamp":
            return {"scale": type_.size, "zone": type_.utc if type_.kind == "timestamp" else None}
        case _:
            return {}


def said(system: str, type_: Type | None) -> str:
    """How a system writes a type that holds all of this one."""
    if type_ is None:
        return "a wider type"
    try:
        return dialect_of(system).native(Column(name="x", type=type_)) if system in SYSTEMS else str(type_)
    except LadingError:
        return str(type_)


def _charset(system: str, native: str) -> str:
    if system == "mysql":
        found = re.search(r"(?:character set|charset) (\w+)", native) or re.search(r"collate ([a-z0-9]+)_", native)
        return found[1] if found else ""
    if system == "sqlserver" and re.match(r"n(?:var)?char|ntext", native):
        return "utf16"
    if system == "sqlserver" and re.match(r"(?:var)?char|text", native) and "_utf8" not in native:
        return "codepage"
    return ""
