"""Arrow values: casting between canonical types without silent change, and their text."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from lading.errors import DataError, Unsupported
from lading.types import Type, as_item, interval_of, interval_text, is_halved, json_text, lacks_item, load_json, quoted

Array: TypeAlias = pa.Array
STRING = Type("string")
_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_WHOLE = r"^[+-]?[0-9]+$"
_PLAIN = r"^-?[0-9]+(\.[0-9]+)?$"
_DECIMAL = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$"
_ZONED = r":[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"
_ROOM = Context(prec=2_000)  # decimal digits; the default of 28 would round


def cast(array: Array, source: Type, target: Type, lossy: bool = False) -> tuple[Array, int]:
    """The array in the target's Arrow form, and how many of its values the narrowing changed.

    Without `lossy` a value that does not fit raises DataError and nothing is changed; with it the value is
    rounded (half away from zero), cut to length, or loses its zone or its time of day. A value out of the
    target's range is refused either way.
    """
    fitted = array if array.type.equals(source.arrow()) else array.cast(source.arrow())
    if source.kind == target.kind == "list":
        return _each(fitted, source, target, lossy)
    wide = _convert(fitted, source, target, lossy)
    if target.kind in ("string", "binary") and target.size is not None and _longer(source, target):
        return _cut(wide, target, lossy)
    return wide, _changed(fitted, wide, source, target) if lossy and wide is not fitted else 0


def _longer(source: Type, target: Type) -> bool:
    if source.size is None or target.size is None or source.kind != target.kind:
        return True
    return source.size * (4 if target.in_bytes and not source.in_bytes else 1) > target.size


def _convert(array: Array, source: Type, target: Type, lossy: bool) -> Array:
    s, t = source.kind, target.kind
    try:
        if s == t and s in ("bool", "string", "binary", "date", "interval", "uuid", "json"):
            return array
        if s == t and s in ("time", "timestamp"):
            return _ticks(array, target, lossy)
        if s == "list" and t in ("string", "json") and not lossy and _lacking(array, source):
            raise pa.ArrowInvalid("an item is NULL, for which JSON has no word but its own null")
        if t == "string":
            return texts(array, source)
        if t == "json":
            return _to_json(array, source)
        if s == "string" or (s == "json" and t == "list"):
            return _read(array, target, lossy)
        if s in ("bool", "int", "decimal", "float") and t in ("bool", "int", "decimal", "float"):
            return _number(array, source, target, lossy)
        if (s, t) == ("date", "timestamp"):
            return array.cast(pa.timestamp(target.arrow().unit)).cast(target.arrow())
        if (s, t) == ("timestamp", "date"):
            return _day(array, lossy)
    except (pa.ArrowInvalid, DecimalException) as error:
        raise DataError(
            f"A value of type {source} does not fit {target}: {_first_line(error)}.",
            "Widen the target's type, or accept the loss by name.",
        ) from error
    except pa.ArrowNotImplementedError as error:
        raise _no_way(source, target) from error
    raise _no_way(source, target)


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0].rstrip(". ")


def _no_way(source: Type, target: Type) -> Unsupported:
    return Unsupported(f"There is no way from {source} to {target}.", "Give the target's column another type.")


def _refuse(wrong: Array, array: Array, why: str) -> None:
    if (place := pc.index(wrong, True).as_py()) >= 0:
        raise pa.ArrowInvalid(f"{str(array[place].as_py())[:60]!r} {why}")


def _number(array: Array, source: Type, target: Type, lossy: bool) -> Array:
    to = target.arrow()
    if source == target:
        return array
    if target.kind == "bool":
        if source.kind != "int":
            raise _no_way(source, target)
        _refuse(pc.invert(pc.is_in(array, pa.array([0, 1, None], array.type))), array, "is neither 0 nor 1")
        return array.cast(to)
    if source.kind == "bool":
        return _number(array.cast(pa.uint8()), Type("int", 8, unsigned=True), target, lossy)
    if source.kind == "decimal" and not pa.types.is_decimal(array.type):
        return _read(array, target, lossy)
    if target.kind == "decimal":
        return _to_decimal(array, source, target, lossy)
    if target.kind == "float":
        return _to_float(array, to, lossy)
    if source.kind == "decimal" and pa.types.is_decimal256(array.type):
        whole = _quantized(array, Type("decimal", 76))  # Arrow refuses to rescale some long ones
        if not lossy:
            _refuse(pc.not_equal(whole.cast(array.type), array), array, "is not a whole number")
        array = whole
    elif source.kind == "decimal" and lossy:
        array = _rounded(array, 0)
    elif source.kind == "float" and lossy:
        array = pc.round(array, 0, round_mode="half_towards_infinity")
    return array.cast(to)


def _to_decimal(array: Array, source: Type, target: Type, lossy: bool) -> Array:
    to = target.arrow()
    if source.kind == "int":
        array = array.cast(pa.decimal128(20, 0))
    if source.kind == "float":
        _refuse(pc.invert(pc.is_finite(array)).fill_null(False), array, "is not a decimal")
        if not pa.types.is_decimal(to):
            return _plain_texts(texts(array, source))
        if lossy:
            return pc.round(array, target.scale, round_mode="half_towards_infinity").cast(to)
        _refuse(_differs(array.cast(to).cast(array.type), array), array, "would be rounded")
        return array.cast(to)
    if not pa.types.is_decimal(to):
        return texts(array, Type("decimal", 38, array.type.scale))
    return (_rounded(array, target.scale) if lossy else array).cast(to)


def _rounded(array: Array, scale: int) -> Array:
    """Half away from zero; in a wide type, as a rounded value may have a digit more."""
    if array.type.scale <= scale:
        return array
    wide = array.cast(pa.decimal256(76, array.type.scale))
    return pc.round(wide, scale, round_mode="half_towards_infinity")


def _to_float(array: Array, to: pa.DataType, lossy: bool) -> Array:
    if pa.types.is_integer(array.type):
        return array.cast(to, safe=not lossy)
    found = array.cast(to, safe=False)
    if pa.types.is_floating(array.type):
        _refuse(pc.and_(pc.is_finite(array), pc.is_inf(found)), array, "is out of range")
    _refuse(pc.and_(_differs(found.cast(array.type), array), not lossy), array, "would be rounded")
    return found


def _differs(left: Array, right: Array) -> Array:
    differs = pc.not_equal(left, right)
    return pc.and_not(differs, pc.is_nan(right)) if pa.types.is_floating(right.type) else differs


def _plain_texts(array: Array) -> Array:
    """Numbers without an exponent."""
    plain = [None if v is None else format(Decimal(v), "f") for v in array.to_pylist()]
    return pa.array(plain, pa.string())


def _ticks(array: Array, target: Type, lossy: bool) -> Array:
    """Times and timestamps with the target's digits of a second."""
    to = target.arrow()
    unit = array.type.unit
    digits = 6 if target.size is None else target.size
    step = int(10 ** max((9 if unit == "ns" else 6) - digits, 0))
    ints = array.cast(pa.int64())
    if step > 1:
        ints = _stepped(ints, step, lossy, _DAY[unit] if target.kind == "time" else None)
    if target.kind == "time":
        return ints.cast(pa.time64(unit)).cast(to)
    return ints.cast(pa.timestamp(unit)).cast(pa.timestamp(to.unit)).cast(to)


_DAY = {"us": 86_400 * 10**6, "ns": 86_400 * 10**9}


def _stepped(ints: Array, step: int, lossy: bool, limit: int | None) -> Array:
    size = pc.abs(ints)
    down = pc.multiply(pc.divide(size, step), step)
    if not lossy:
        if pc.any(pc.not_equal(down, size)).as_py():
            raise pa.ArrowInvalid("it has more digits of a second")
        return ints
    near = pc.multiply(pc.divide(pc.add(size, step // 2), step), step)
    if limit is not None:  # the last moment of a day is not midnight
        near = pc.if_else(pc.greater_equal(near, limit), down, near)
    return pc.if_else(pc.less(ints, 0), pc.negate(near), near)


def _day(array: Array, lossy: bool) -> Array:
    naive = array.cast(pa.timestamp(array.type.unit))
    days = naive.cast(pa.date32())
    if not lossy:
        _refuse(pc.not_equal(days.cast(naive.type), naive), naive, "has a time of day")
    return days


def _read(array: Array, target: Type, lossy: bool) -> Array:
    to = target.arrow()
    match target.kind:
        case "int":
            _refuse(_unlike(array, _PLAIN if lossy else _WHOLE), array, "is not a whole number")
            if lossy:
                return _quantized(array, Type("decimal", 76)).cast(to)
            return pc.utf8_ltrim(array, "+").cast(to)
        case "decimal":
            _refuse(_unlike(array, _DECIMAL), array, "is not a decimal")  # Python would also read 1_000
            if pa.types.is_decimal(to):
                return _quantized(array, target) if lossy else array.cast(to)
            return array if not pc.any(_unlike(array, _PLAIN)).as_py() else _plain_texts(array)
        case "float":
            found = array.cast(to)
            _refuse(pc.and_(pc.is_inf(found), pc.match_substring_regex(array, "[0-9]")), array, "is out of range")
            return found
        case "time":
            return _read_moment(pc.binary_join_element_wise("1970-01-01", array, " "), target, lossy)
        case "timestamp":
            return _read_moment(array, target, lossy)
        case "uuid":
            _refuse(_unlike(array, _UUID), array, "is not a UUID")
            return pc.utf8_lower(array)
        case "interval":
            return pa.array([None if v is None else interval_of(v) for v in array.to_pylist()], to)
        case "list":
            return _read_list([None if v is None else load_json(v) for v in array.to_pylist()], target)
        case _:
            return array.cast(to)


def _unlike(array: Array, pattern: str) -> Array:
    return pc.invert(pc.match_substring_regex(array, pattern))


def _quantized(array: Array, target: Type) -> Array:
    unit = Decimal(1).scaleb(-target.scale)
    rows = [None if v is None else Decimal(v).quantize(unit, ROUND_HALF_UP, context=_ROOM) for v in array.to_pylist()]
    return pa.array([v if v is None else format(v, "f") for v in rows], pa.string()).cast(target.arrow())


def _read_moment(array: Array, target: Type, lossy: bool) -> Array:
    """Moments without a zone are in UTC where the target's are."""
    try:
        moments = array.cast(pa.timestamp(target.arrow().unit))
    except pa.ArrowInvalid:
        if not (target.utc or lossy):
            raise
        zoned = pc.match_substring_regex(array, _ZONED)  # some may have one
        whole = pc.if_else(zoned, array, pc.binary_join_element_wise(array, "Z", ""))
        moments = whole.cast(pa.timestamp(target.arrow().unit, "UTC")) if target.utc else array.cast(pa.timestamp("ns"))
    if target.kind == "time":
        moments = moments.cast(pa.time64(moments.type.unit))
    return _ticks(moments, target, lossy)


def _read_list(rows: list[Any], type_: Type) -> Array:
    """An array of what JSON values hold."""
    if type_.kind == "list" and type_.item is not None:
        for row in rows:
            if not (row is None or isinstance(row, list)):
                raise DataError(f"'{json_text(row)[:60]}' is not a list.", "Map the column to json.")
        flat = [value for row in rows if row is not None for value in row]
        return listed([None if row is None else len(row) for row in rows], _read_list(flat, type_.item))
    if type_.kind == "binary":
        return pa.array([None if v is None else _bytes(v) for v in rows], pa.binary())
    plain = [(json_text if type_.kind == "json" else as_item)(v) for v in rows]
    if halved := next((v for v in plain if v is not None and is_halved(v)), None):
        raise DataError(f"{quoted(halved)[:60]} has half a character, which no text holds.", "Map the column to json.")
    return cast(pa.array(plain, pa.string()), STRING, type_)[0]


def _bytes(value: Any) -> bytes:
    if isinstance(value, str) and re.fullmatch(r"([0-9a-fA-F]{2})*", value):
        return bytes.fromhex(value)
    raise DataError(f"'{json_text(value)[:60]}' is not bytes in hexadecimal digits.", "Correct the value.")


def listed(lengths: list[int | None], values: Array) -> Array:
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + (length or 0))
    mask = pa.array([length is None for length in lengths], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values, mask=mask)


def _each(array: Array, source: Type, target: Type, lossy: bool) -> tuple[Array, int]:
    if source.item is None or target.item is None or source == target:
        return array, 0
    items, count = cast(array.flatten(), source.item, target.item, lossy)
    return listed(pc.list_value_length(array).to_pylist(), items), count


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
    if target.kind == "string":
        cut = pa.array([None if v is None else v.decode("utf-8", "ignore") for v in cut.to_pylist()], pa.string())
    return cut, count


def _changed(before: Array, after: Array, source: Type, target: Type) -> int:
    """How many values are not what they were; a dropped zone changes none."""
    if "string" in (source.kind, target.kind) or "json" in (source.kind, target.kind):
        return _lacking(before, source)
    if source.kind in ("time", "timestamp"):
        naive = source if source.kind == "time" else Type("timestamp", source.size)
        back = _convert(after, target, naive, True)
        return int(pc.sum(pc.not_equal(back, before.cast(naive.arrow()))).as_py() or 0)
    if source.kind == "decimal" and source.size is None:
        pairs = zip(before.to_pylist(), texts(after, target).to_pylist(), strict=True)
        return sum(1 for old, new in pairs if old is not None and Decimal(old) != Decimal(new))
    return int(pc.sum(_differs(_back(after, before.type), before)).as_py() or 0)


def _lacking(array: Array, type_: Type) -> int:
    """How many lists of JSON have an item that is NULL, which a JSON text does not tell from JSON's own null."""
    return sum(lacks_item(row, type_) for row in array.to_pylist()) if type_.item and type_.inmost.kind == "json" else 0


def _back(array: Array, to: pa.DataType) -> Array:
    if pa.types.is_integer(array.type) and pa.types.is_decimal(to):
        array = array.cast(pa.decimal128(20, 0))
    if pa.types.is_decimal(to) and pa.types.is_decimal(array.type):
        return array.cast(pa.decimal256(76, to.scale))  # a rounded value may have a digit more than it had
    return array.cast(to, safe=pa.types.is_decimal(to))


def texts(array: Array, type_: Type) -> Array:
    """Each value as plain readable text that gives the value back exactly: `2024-05-01 10:00:00.123456`,
    `12.50`, ISO 8601 for intervals, JSON for lists."""
    match type_.kind:
        case "string" | "uuid" | "json":
            return array.cast(pa.string())
        case "bool":
            return pc.if_else(array, "1", "0")
        case "decimal" if pa.types.is_decimal(array.type):
            # Arrow prints small or large decimals with an exponent; a float cast would round.
            return _plain_texts(array) if array.type.scale > 6 else array.cast(pa.string())
        case "timestamp":
            return array.cast(pa.timestamp(array.type.unit)).cast(pa.string())
        case "interval":
            return pa.array([None if v is None else interval_text(v) for v in array.to_pylist()], pa.string())
        case "list":
            return _list_texts(array, type_)
        case "binary":
            return pa.array([None if v is None else v.hex() for v in array.to_pylist()], pa.string())
        case _:
            return array.cast(pa.string())


def parsed(array: Array, type_: Type) -> Array:
    """The values whose texts these are, the reverse of `texts`. Raises DataError for a text that is no such value."""
    return cast(array.cast(pa.string()), STRING, type_)[0]


def _list_texts(array: Array, type_: Type) -> Array:
    items = iter(_json_texts(array.flatten(), type_.item or STRING))
    lengths = pc.list_value_length(array).to_pylist()
    rows = [None if n is None else "[" + ",".join(next(items) for _ in range(n)) + "]" for n in lengths]
    return pa.array(rows, pa.string())


def _json_texts(array: Array, type_: Type) -> list[str]:
    """Each value as JSON: numbers with every digit, what JSON has no form for as text."""
    if type_.kind == "bool":
        return ["null" if v is None else "true" if v else "false" for v in array.to_pylist()]
    found = texts(array, type_).to_pylist()
    if type_.kind in ("int", "list", "json"):
        return ["null" if v is None else v for v in found]
    if type_.kind in ("decimal", "float"):
        return ["null" if v is None else v if v.strip("-")[:1].isdigit() else quoted(v) for v in found]
    return ["null" if v is None else quoted(v) for v in found]


def _to_json(array: Array, source: Type) -> Array:
    if source.kind == "string":
        for value in array.to_pylist():
            if value is not None:
                load_json(value)
        return array
    rows = zip(_json_texts(array, source), array.is_valid().to_pylist(), strict=True)
    return pa.array([text if valid else None for text, valid in rows], pa.string())
