"""Arrow values: casting between canonical types without silent change, and their text."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from lading.errors import DataError, Unsupported
from lading.types import Type

Array: TypeAlias = pa.Array


def cast(array: Array, source: Type, target: Type, lossy: bool = False) -> tuple[Array, int]:
    """The array in the target's Arrow form, and how many of its values the narrowing changed.

    Without `lossy` a value that does not fit raises DataError and nothing is changed; with it the value is
    rounded (half away from zero), cut to length, or loses its zone or its time of day.
    """
    fitted = array if array.type.equals(source.arrow()) else array.cast(source.arrow())
    wide = _convert(fitted, source, target, lossy)
    if target.kind in ("string", "binary") and target.size is not None and _longer(source, target):
        return _cut(wide, target, lossy)
    if not lossy or wide is fitted:
        return wide, 0
    return wide, _changed(fitted, wide, source, target)


def _longer(source: Type, target: Type) -> bool:
    if source.size is None or target.size is None or source.kind != target.kind:
        return True
    return source.size * (4 if target.in_bytes and not source.in_bytes else 1) > target.size


def _convert(array: Array, source: Type, target: Type, lossy: bool) -> Array:
    to = target.arrow()
    pair = (source.kind, target.kind)
    try:
        if pair == ("timestamp", "timestamp"):
            return _timestamp(array, target, lossy)
        if array.type.equals(to) and source.kind not in ("list", "interval"):
            if pair == ("time", "time"):
                return _time(array, target, lossy)
            return array
        if target.kind in ("string", "json"):
            return texts(array, source)
        if target.kind == "decimal" and target.size is None:
            return texts(array, source)
        if pair == ("decimal", "decimal") and lossy and source.size is not None:
            return pc.round(array, target.scale, round_mode="half_towards_infinity").cast(to)
        if target.kind == "list" or source.kind in ("binary", "list", "interval") or "interval" in pair:
            return _other(array, source, target)
        if pair in {("float", "decimal"), ("float", "int")} and not lossy:
            return _exact(array, to)
        if pair == ("decimal", "float") or pair == ("decimal", "int"):
            return array.cast(to, safe=not lossy)
        if pair == ("int", "bool"):
            _only(array, (0, 1), target)
        return array.cast(to, safe=not lossy)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"A value of type {source} does not fit {target}: {_first_line(error)}.",
            "Widen the target's type, or accept the loss by name.",
        ) from error
    except pa.ArrowNotImplementedError as error:
        raise _no_way(source, target) from error


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0].rstrip(". ")


def _no_way(source: Type, target: Type) -> Unsupported:
    return Unsupported(f"There is no way from {source} to {target}.", "Give the target's column another type.")


def _exact(array: Array, to: pa.DataType) -> Array:
    out = array.cast(to, safe=False)
    if pc.any(pc.not_equal(out.cast(array.type), array)).as_py():
        raise pa.ArrowInvalid("it would be rounded")
    return out


def _only(array: Array, allowed: tuple[int, ...], target: Type) -> None:
    if pc.any(pc.invert(pc.is_in(array, pa.array(allowed, array.type)))).as_py():
        raise DataError(f"A value other than {allowed} does not fit {target}.", "Map the column to int.")


def _step(size: int | None) -> int:
    """Microseconds (nanoseconds from 7 digits on) of one unit of the last digit."""
    digits = 6 if size is None else size
    return int(10 ** ((6 if digits <= 6 else 9) - digits))


def _timestamp(array: Array, target: Type, lossy: bool) -> Array:
    to = target.arrow()
    naive = array.cast(pa.timestamp(array.type.unit)) if array.type.tz else array
    ints = naive.cast(pa.timestamp(to.unit), safe=not lossy).cast(pa.int64())
    return _stepped(ints, _step(target.size), lossy).cast(pa.timestamp(to.unit)).cast(to)


def _time(array: Array, target: Type, lossy: bool) -> Array:
    return _stepped(array.cast(pa.int64()), _step(target.size), lossy).cast(target.arrow())


def _stepped(ints: Array, step: int, lossy: bool) -> Array:
    if step == 1:
        return ints
    down = pc.multiply(pc.divide(ints, step), step)
    if not lossy and pc.any(pc.not_equal(down, ints)).as_py():
        raise pa.ArrowInvalid("it has more digits of a second")
    return pc.multiply(pc.divide(pc.add(ints, step // 2), step), step) if lossy else down


def _cut(array: Array, target: Type, lossy: bool) -> tuple[Array, int]:
    in_bytes = target.in_bytes or target.kind == "binary"
    length = pc.binary_length(array) if in_bytes else pc.utf8_length(array)
    over = pc.greater(length, target.size)
    count = pc.sum(over).as_py() or 0
    if not count:
        return array, 0
    if not lossy:
        worst = pc.max(length).as_py()
        raise DataError(
            f"A value is {worst:,} {'bytes' if in_bytes else 'characters'} long; {target} holds {target.size:,}.",
            "Widen the target's column, or accept the cut by name.",
        )
    if not in_bytes:
        return pc.utf8_slice_codeunits(array, 0, target.size), count
    cut = pc.binary_slice(array.cast(pa.binary()), 0, target.size)
    if target.kind == "binary":
        return cut, count
    rows = [None if v is None else v.decode("utf-8", "ignore") for v in cut.to_pylist()]
    return pa.array(rows, pa.string()), count


def _changed(before: Array, after: Array, source: Type, target: Type) -> int:
    if source.kind == "timestamp" and target.kind == "timestamp":
        unit = before.type.unit
        back = after.cast(pa.timestamp(after.type.unit)).cast(pa.timestamp(unit), safe=False)
        return int(pc.sum(pc.not_equal(back, before.cast(pa.timestamp(unit)))).as_py() or 0)
    try:
        back = after.cast(before.type, safe=False)
        return int(pc.sum(pc.not_equal(back, before)).as_py() or 0)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return 0


def _other(array: Array, source: Type, target: Type) -> Array:
    if source.kind in ("string", "json") and target.kind == "list" and target.item is not None:
        rows = [None if v is None else json.loads(v, parse_float=Decimal) for v in array.to_pylist()]
        return pa.array(rows, target.arrow())
    if source.kind in ("string", "json") and target.kind == "interval":
        return pa.array([None if v is None else _read_interval(v) for v in array.to_pylist()], target.arrow())
    if source.kind == target.kind == "list":
        return array.cast(target.arrow())
    if source.kind == target.kind == "interval":
        return array
    if source.kind in ("string", "binary") and target.kind in ("string", "binary"):
        return array.cast(target.arrow())
    raise _no_way(source, target)


def texts(array: Array, type_: Type) -> Array:
    """Each value as plain readable text that gives the value back exactly: `2024-05-01 10:00:00.123456`,
    `12.50`, ISO 8601 for intervals, JSON for lists."""
    match type_.kind:
        case "string" | "uuid" | "json":
            return array.cast(pa.string())
        case "bool":
            return pc.if_else(array, "1", "0")
        case "decimal" if type_.size is not None:
            # Arrow prints small or large decimals with an exponent; a float cast would round.
            plain = [None if v is None else format(v, "f") for v in array.to_pylist()]
            return pa.array(plain, pa.string()) if type_.scale > 6 else array.cast(pa.string())
        case "timestamp":
            return array.cast(pa.timestamp(array.type.unit)).cast(pa.string())
        case "interval":
            return pa.array([None if v is None else _write_interval(v) for v in array.to_pylist()], pa.string())
        case "list":
            rows = [None if v is None else json.dumps(_plain(v), ensure_ascii=False) for v in array.to_pylist()]
            return pa.array(rows, pa.string())
        case "binary":
            return pa.array([None if v is None else v.hex() for v in array.to_pylist()], pa.string())
        case _:
            return array.cast(pa.string())


def parsed(array: Array, type_: Type) -> Array:
    """The values whose texts these are, the reverse of `texts`. Raises DataError for a text that is no such value."""
    to, text = type_.arrow(), array.cast(pa.string())
    try:
        match type_.kind:
            case "time":
                dated = pc.binary_join_element_wise("1970-01-01", text, " ")
                return dated.cast(pa.timestamp("ns")).cast(pa.time64("ns")).cast(to)
            case "timestamp":
                return text.cast(pa.timestamp(to.unit)).cast(to)
            case "interval" | "list":
                return _other(text, Type("string"), type_)
            case _:
                return text.cast(to)
    except pa.ArrowInvalid as error:
        raise DataError(f"A value is not of type {type_}: {_first_line(error)}.", "Correct the value.") from error


def without_empty(array: Array) -> tuple[Array, int]:
    """The array with empty values as NULL, for systems that do not tell the two apart, and how many there were."""
    empty = pc.equal(pc.binary_length(array), 0)
    count = int(pc.sum(empty).as_py() or 0)
    return (pc.if_else(empty, pa.scalar(None, array.type), array), count) if count else (array, 0)


def short_numbers(array: Array) -> Array:
    """Texts of decimals without a limit, in their shortest form: `12.50` is `12.5`, `.5` is `0.5`, `-0.0` is `0`."""
    rules = ((r"^(-?)\.", "\\1" "0."), (r"(\.\d*?)0+$", r"\1"), (r"\.$", ""), (r"^-0$", "0"))
    for pattern, shorter in rules:
        array = pc.replace_substring_regex(array, pattern, shorter)
    return array


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.hex() if isinstance(value, bytes) else str(value)


def _write_interval(value: Any) -> str:
    months, days, nanos = value
    seconds, rest = divmod(abs(nanos), 1_000_000_000)
    sign = "-" if nanos < 0 else ""
    return f"P{months}M{days}DT{sign}{seconds}.{rest:09d}S"


def _read_interval(text: str) -> tuple[int, int, int]:
    try:
        date, seconds = text.removeprefix("P").removesuffix("S").split("DT")
        months, days = date.split("M")
        return int(months), int(days), int(Decimal(seconds) * 1_000_000_000)
    except (ValueError, ArithmeticError):
        raise DataError(f"'{text[:40]}' is not an interval.", "Write it as P1M2DT3.5S.") from None


def canonical_json(text: str) -> str:
    """The text of a JSON value with keys sorted, no blanks and numbers in shortest form, after RFC 8785; numbers
    keep every digit, which that standard would round to doubles. Raises DataError for text that is not JSON."""
    try:
        value = json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise DataError(f"'{text[:60]}' is not JSON: {error}.", "Map the column to string.") from error
    return _json(value)


def _json(value: Any) -> str:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_json(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    if isinstance(value, Decimal):
        plain = format(value.normalize(), "f") if abs(value.adjusted()) < 400 else str(value.normalize())
        return "0" if plain == "-0" else plain
    return json.dumps(value, ensure_ascii=False)
