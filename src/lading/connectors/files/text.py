"""Values of text files: to text and exactly back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lading.errors import DataError
from lading.types import Type, json_text, load_json
from lading.values import cast, texts

_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$|^-?(nan|inf|NaN|Infinity)$"
_ZONE = r":\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)$"
_PAIRS = np.array([int.from_bytes(f"{n:02x}".encode(), "little") for n in range(256)], dtype="<u2")
_DIGITS = np.zeros(256, dtype=np.uint8)
for _digit in "0123456789abcdefABCDEF":
    _DIGITS[ord(_digit)] = int(_digit, 16)


def to_text(array: pa.Array, type_: Type) -> pa.Array:
    """Each value as text that `from_text` gives back exactly: as `values.texts`, with true and false, Z behind
    moments in UTC, and lists as JSON."""
    match type_.kind:
        case "bool":
            return array.cast(pa.string())
        case "binary":
            return _hex(array)
        case "list" if type_.item is not None:
            return _list_texts(array, type_.item)
        case "timestamp" if type_.utc:
            return pc.binary_join_element_wise(texts(array, type_), "Z", "")
        case _:
            return texts(array, type_)


def from_text(array: pa.Array, type_: Type) -> pa.Array:
    """The values of texts. Raises DataError when one is not of the type."""
    try:
        return _from_text(array, type_)
    except (pa.ArrowInvalid, ValueError, TypeError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise DataError(f"A value is not {type_}: {reason}.", "Correct the value, or the column's type.") from error


def _from_text(array: pa.Array, type_: Type) -> pa.Array:
    text = Type("string")
    match type_.kind:
        case "binary":
            return cast(_unhex(array), Type("binary"), type_)[0]
        case "uuid":
            return _matching(pc.utf8_lower(array), _UUID, type_)
        case "decimal" if type_.arrow() == pa.string():
            return _matching(array, _NUMBER, type_)
        case "list" if type_.item is not None:
            return _lists(array, type_.item)
        case "time":
            moments = pc.binary_join_element_wise("1970-01-01", array, " ").cast(pa.timestamp(_unit(type_)))
            return cast(moments.cast(type_.arrow()), Type("time", 6 if _unit(type_) == "us" else 9), type_)[0]
        case "timestamp":
            return _moments(array, type_)
        case _:
            return cast(array, text, type_)[0]


def misfit(array: pa.Array, type_: Type) -> int:
    """The place of the first text that is not of the type."""
    start, length = 0, len(array)
    while length > 1:
        half = length // 2
        try:
            from_text(array.slice(start, half), type_)
            start, length = start + half, length - half
        except DataError:
            length = half
    return start


def _unit(type_: Type) -> Any:
    return type_.arrow().unit


def _matching(array: pa.Array, pattern: str, type_: Type) -> pa.Array:
    wrong = pc.invert(pc.match_substring_regex(array, pattern))
    if pc.any(wrong).as_py():
        raise ValueError(f"'{array.filter(wrong)[0].as_py()[:60]}'")
    return array


def _moments(array: pa.Array, type_: Type) -> pa.Array:
    unit = _unit(type_)
    wide = Type("timestamp", 6 if unit == "us" else 9, utc=type_.utc)
    zoned = pc.match_substring_regex(array, _ZONE) if type_.utc else None
    if zoned is None or not pc.any(zoned).as_py():
        moments = array.cast(pa.timestamp(unit)).cast(wide.arrow())
    else:
        full = pc.if_else(zoned, array, pc.binary_join_element_wise(array, "Z", ""))
        moments = full.cast(pa.timestamp(unit, "UTC"))
    return cast(moments, wide, type_)[0]


def parts(array: pa.Array) -> tuple[Any, Any, pa.Buffer | None]:
    """Offsets from zero, bytes, and which values there are."""
    if not len(array):
        return np.zeros(1, dtype=np.int32), np.zeros(0, dtype=np.uint8), None
    _, offsets_buffer, data = array.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    raw = np.frombuffer(data or b"", dtype=np.uint8)[offsets[0] : offsets[-1]]
    valid = pc.is_valid(array).buffers()[1] if array.null_count else None
    return offsets - offsets[0], raw, valid


def _hex(array: pa.Array) -> pa.Array:
    offsets, raw, valid = parts(array)
    buffers = [valid, pa.py_buffer((offsets.astype(np.int64) * 2).astype(np.int32)), pa.py_buffer(_PAIRS[raw])]
    return pa.Array.from_buffers(pa.string(), len(array), buffers)


def _unhex(array: pa.Array) -> pa.Array:
    offsets, raw, valid = parts(_matching(array, r"^([0-9a-fA-F]{2})*$", Type("binary")))
    data = _DIGITS[raw[0::2]] * 16 + _DIGITS[raw[1::2]]
    return pa.Array.from_buffers(pa.binary(), len(array), [valid, pa.py_buffer(offsets // 2), pa.py_buffer(data)])


def _list_texts(array: pa.Array, item: Type) -> pa.Array:
    bare = item.kind in ("bool", "int", "decimal", "list")
    inner = to_text(array.flatten(), item).to_pylist()
    words = ["null" if w is None else w if bare else json.dumps(w, ensure_ascii=False) for w in inner]
    rows, at = [], 0
    for length in pc.list_value_length(array).to_pylist():
        rows.append(None if length is None else f"[{', '.join(words[at : at + length])}]")
        at += length or 0
    return pa.array(rows, pa.string())


def _lists(array: pa.Array, item: Type) -> pa.Array:
    offsets, words = list[int | None](), list[str | None]()
    load = load_json if item.inmost.kind == "json" else json.JSONDecoder(parse_float=str, parse_int=str).decode
    for text in array.to_pylist():
        offsets.append(None if text is None else len(words))
        found = [] if text is None else load(text)
        if not isinstance(found, list):
            raise ValueError(f"'{text[:60]}' is no list")
        words += [w if isinstance(w, str | None) else json_text(w) for w in found]
    inner = from_text(pa.array(words, pa.string()), item)
    return pa.ListArray.from_arrays(pa.array([*offsets, len(words)], pa.int32()), inner).cast(pa.list_(item.arrow()))
