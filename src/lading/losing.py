"""Which values a type would round, cut or refuse, and which texts a number would write otherwise, as a condition in
SQL: the same as `lost_of` says value by value, which asks a strict `values.cast`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from lading.dialect import Aspects
from lading.errors import DataError, Unsupported
from lading.patterns import DECIMAL, PATTERNS, UNSIGNED, WHOLE
from lading.schema import DIGITS, gaps
from lading.types import Type
from lading.values import cast

NEVER = "false"
"""No value is lost."""
_WIDTHS = {"uuid": 36, "bool": 1, "date": 10}
_FORMS = {"int": f"^({WHOLE})$", "decimal": f"^({DECIMAL})$", "float": "^-?([^+0-]|0$|0[^0-9])"}
"""How texts of numbers are written that stay as they are."""
_EXACT = {32: 2**24, 64: 2**53}


def has_way(source: Type, target: Type) -> bool:
    """Whether values of a type can be cast to another at all."""
    try:
        cast(pa.array([], source.arrow()), source, target)
    except Unsupported:
        return False
    return True


def lost(aspects: Aspects, source: Type, target: Type) -> str | None:
    """The condition on a value {v} that is not NULL; NEVER, or None where a system cannot be asked for it."""
    s, t = source.kind, target.kind
    if t == "string":
        return _to_text(aspects, source, target)
    if t == "binary":
        if s not in ("binary", "string"):
            return None
        size = aspects.bytes if s == "binary" else aspects.text_bytes
        return NEVER if target.size is None else f"{size} > {target.size}" if size else None
    if s in ("int", "decimal", "bool") and t in ("int", "decimal", "bool", "float"):
        return _number(aspects, source, target)
    if s == "string":
        return _read(aspects, target)
    if not gaps(source, target) or (s, t) == ("date", "timestamp"):
        return NEVER if (target.size or 0) <= 6 else None
    if s == t and s in ("time", "timestamp"):
        fraction = aspects.of(aspects.fraction, source)
        if (source.size or 0) <= (target.size or 0):
            return NEVER if (target.size or 0) <= 6 or (source.size or 0) > 6 else None
        return f"{fraction} > {target.size}" if fraction else None
    if (s, t) == ("timestamp", "date"):
        return f"NOT ({aspects.midnight})" if aspects.midnight else None
    return None


def _to_text(aspects: Aspects, source: Type, target: Type) -> str | None:
    if source.inmost.kind == "json" and source.item is not None:
        return None
    if target.size is None:
        return NEVER
    if source.kind == "string":
        size = aspects.text_bytes if target.in_bytes else aspects.characters
        return f"{size} > {target.size}" if size else None
    if source.kind == "int" and aspects.text:
        return f"{aspects.characters.replace('{v}', aspects.text)} > {target.size}"
    if (width := _WIDTHS.get(source.kind)) is not None:
        return "{v} IS NOT NULL" if width > target.size else NEVER
    return None


def _number(aspects: Aspects, source: Type, target: Type) -> str | None:
    if target.kind == "bool":
        return {"int": "{v} NOT IN (0, 1)", "bool": NEVER}.get(source.kind)
    if target.kind == "float":
        exact = _EXACT[target.size or 64]
        return f"{{v}} NOT BETWEEN -{exact} AND {exact}" if source.kind == "int" else None
    if target.size is None:
        return NEVER
    whole, parts = _whole_digits(source), []
    if target.kind == "int":
        low, high = bounds(target)
        parts += [f"{{v}} < {low}"] if target.unsigned or whole >= len(str(high)) else []
    else:
        high = 10 ** (target.size - target.scale) - 1
        parts += [f"{{v}} <= -{high + 1}"] if whole >= len(str(high + 1)) else []
    parts += [f"{{v}} >= {high + 1}"] if whole >= len(str(high + 1)) else []
    scale = target.scale if target.kind == "decimal" else 0
    if source.kind == "decimal" and (source.size is None or source.scale > scale):
        if not aspects.scale:
            return None
        parts.append(f"{aspects.scale} > {scale}")
    return " OR ".join(parts) or NEVER


def _whole_digits(source: Type) -> int:
    """Bounds of more digits are not asked about: no value can reach them, and the type may not hold them."""
    match source.kind:
        case "decimal":
            return 10**6 if source.size is None else source.size - source.scale
        case "int":
            return 20 if source.unsigned and source.size == 64 else DIGITS[source.size or 64]
        case _:
            return 1


def bounds(target: Type) -> tuple[int, int]:
    bits = target.size or 64
    return (0, 2**bits - 1) if target.unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _read(aspects: Aspects, target: Type) -> str | None:
    """Texts."""
    if target.kind in ("uuid", "bool", "date"):
        known = aspects.looks.get(target.kind) or aspects.matches.replace("{p}", PATTERNS[target.kind])
        return f"NOT ({known})" if known else None
    if not (aspects.matches and aspects.whole and aspects.tail):
        return None
    digits, tail = (aspects.characters.replace("{v}", part) for part in (aspects.whole, aspects.tail))
    if target.kind == "int":
        form = aspects.matches.replace("{p}", UNSIGNED if target.unsigned else WHOLE)
        low, high = (str(abs(bound)) for bound in bounds(target))
        limit = f"CASE WHEN {{v}} LIKE '-%' THEN '{low}' ELSE '{high}' END"
        return f"NOT ({form}) OR {digits} > {len(high)} OR ({digits} = {len(high)} AND {aspects.whole} > {limit})"
    if target.kind == "decimal" and target.size is not None:
        form = aspects.matches.replace("{p}", DECIMAL)
        return f"NOT ({form}) OR {digits} > {target.size - target.scale} OR {tail} > {target.scale}"
    return None


def odd(aspects: Aspects, source: Type, target: Type) -> str:
    """The condition on texts of numbers that `lost` cannot judge; empty when there are none."""
    if source.kind != "string" or target.kind != "decimal" or not aspects.matches:
        return ""
    return f"{aspects.characters} > 38 AND {aspects.matches.replace('{p}', DECIMAL)}"


def lost_of(array: pa.Array, source: Type, target: Type) -> int:
    """How many values a strict cast refuses, or a number would write otherwise."""
    if source.kind == target.kind == "string" and target.size is not None:
        length = (pc.binary_length if target.in_bytes else pc.utf8_length)(array)
        return int(pc.sum(pc.greater(length, target.size)).as_py() or 0)
    if source.kind == "string" and (form := _FORMS.get(target.kind)):
        array = array.drop_null()
        kept = array.filter(pc.match_substring_regex(array, form))
        return len(array) - len(kept) + _refused(kept, source, target)
    return _refused(array, source, target)


def _refused(array: pa.Array, source: Type, target: Type) -> int:
    if array.null_count == len(array):
        return 0
    try:
        cast(array, source, target)
    except DataError:
        if len(array) == 1:
            return 1
        half = len(array) // 2
        return _refused(array[:half], source, target) + _refused(array[half:], source, target)
    return 0
