"""JSON lines: reading objects into columns, and their types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import json as arrow_json

from lading.connectors.files.place import Place
from lading.connectors.files.stream import Block, blocks, opened
from lading.connectors.files.text import from_text
from lading.errors import DataError
from lading.schema import Column
from lading.types import Type, is_halved

_CARRIED = ("bool", "int", "float", "decimal")
ABSENT: Any = type("Absent", (), {})()


class Number(str):
    """A number of JSON as it was written."""


class Objects(NamedTuple):
    """Some lines' objects, with their line numbers."""

    rows: list[dict[str, Any]]
    lines: list[int]


class _Lines:
    def cut(self, data: bytes, line: int, last: bool) -> int:
        return len(data) if last else data.rfind(b"\n") + 1


def read_blocks(place: Place, path: str, encoding: str | None) -> Iterator[Block]:
    with opened(place, path) as file:
        yield from blocks(file, path, encoding, _Lines())


def objects(block: Block, path: str) -> Objects:
    """The objects of a block. Raises DataError with the line of one that is none."""
    found = Objects([], [])
    for number, line in enumerate(block.data.decode().split("\n"), block.line):
        if not line.strip():
            continue
        try:
            row = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}:{number}: the line is not JSON: {error}.", "Correct or remove it.") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: the line is no JSON object.", "Write one object per line: {...}.")
        found.rows.append(row)
        found.lines.append(number)
    return found


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object. Raises ValueError where it has a name twice, of which no reader gives both values."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name '{doubled}' stands in an object twice")
    return found


_DECODER = json.JSONDecoder(parse_float=Number, parse_constant=Number, object_pairs_hook=once)


def dumps(value: Any) -> str:
    """The JSON text of a value, numbers as they were written; half a character stays escaped."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dumps(name)}: {dumps(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(dumps, value)) + "]"
    if isinstance(value, str) and not isinstance(value, Number):
        return json.dumps(value, ensure_ascii=is_halved(value))
    return str(value) if isinstance(value, Number) else json.dumps(value)


def columns(block: Block, path: str, wanted: list[Column], exact: bool) -> tuple[list[pa.Array], int]:
    """The block's values in columns, and the number of rows. `exact` says that Lading wrote the file: a JSON column
    that is absent is NULL there, and null is JSON's own."""
    slow = not wanted or any(column.type.kind == "json" for column in wanted)
    fast = None if slow else _fast(block, wanted)
    if fast is not None:
        return fast, len(fast[0])
    found = objects(block, path)
    return [_column(found, path, column, exact) for column in wanted], len(found.rows)


def _fast(block: Block, wanted: list[Column]) -> list[pa.Array] | None:
    """Arrow's own reader, where it is exact; None when something is unusual, which the slow way names."""
    carried = [c.type.arrow() if c.type.kind in _CARRIED else pa.string() for c in wanted]
    schema = pa.schema(list(zip([c.name for c in wanted], carried, strict=True)))
    try:
        table = arrow_json.read_json(
            pa.BufferReader(block.data),
            arrow_json.ReadOptions(use_threads=False, block_size=len(block.data) + 1),
            arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
        arrays = [table.column(column.name).combine_chunks() for column in wanted]
        return [_typed(array, column.type) for array, column in zip(arrays, wanted, strict=True)]
    except (pa.ArrowInvalid, DataError):
        return None


def _typed(array: pa.Array, type_: Type) -> pa.Array:
    return array if type_.kind in _CARRIED and array.type.equals(type_.arrow()) else from_text(array, type_)


def _column(found: Objects, path: str, column: Column, exact: bool) -> pa.Array:
    values = [row.get(column.name, ABSENT) for row in found.rows]
    texts = [_text(value, column.type, exact) for value in values]
    try:
        return from_text(pa.array(texts, pa.string()), column.type)
    except (DataError, UnicodeEncodeError):
        place = next(n for n, text in enumerate(texts) if not _good(text, column.type))
        shown = dumps(values[place])[:60]
        raise DataError(
            f"{path}:{found.lines[place]}: column '{column.name}' holds {shown}, which is not {column.type}.",
            "Correct the value, or the column's type in 'columns'.",
        ) from None


def _good(text: str | None, type_: Type) -> bool:
    try:
        from_text(pa.array([text], pa.string()), type_)
    except (DataError, UnicodeEncodeError):
        return False
    return True


def _text(value: Any, type_: Type, exact: bool) -> str | None:
    if value is ABSENT or (value is None and not (exact and type_.kind == "json")):
        return None
    if isinstance(value, str) and type_.kind != "json":
        return str(value)
    return dumps(value)
