"""Brings values to the type in which they are compared; what has no form in it stays as it is and equals nothing."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lading.canon import short_numbers
from lading.compare.floats import shortest
from lading.compare.pairing import Pair
from lading.compare.spans import span
from lading.errors import DataError, Unsupported
from lading.types import Type
from lading.values import STRING, cast, listed, texts

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]
_NUMBERS = ("int", "decimal", "float")
_ZEROS = r"^[+-]?0[0-9]"
_USUAL = {
    "int": r"^(0|-?[1-9][0-9]*)$",
    "decimal": r"^-?(\.[0-9]|0?\.|0$|[1-9])[^eE]*$",
    "float": r"^[^+]",
    "bool": r"^(0|1|t|f|true|false|TRUE|FALSE)$",
    "uuid": r"^[0-9a-f-]*$",
    "binary": r"^(\\x)?[0-9a-f]*$",
    "time": r"^[0-9]{2}:[0-9]{2}:[0-9.]+$",
    "timestamp": r"^[0-9-]+ [0-9]{2}:[0-9]{2}:[0-9.]+([+-][0-9:]+)?$",
}
"""Texts of values as systems write them. Others that say the value, such as +7, 5e2 and yes, are equal and counted."""
_EXPONENT = r"^-?[0-9]*\.?[0-9]+[eE][+-]?[0-9]{1,3}$"
_TRUE, _FALSE = ("1", "t", "true", "y", "yes"), ("0", "f", "false", "n", "no")


class Brought(NamedTuple):
    """`array` is in the type of the pair, NULL where `unfit` is true; `raw` holds those values as they are; `changed`
    counts values that the narrowing changed, or that are read as another form of what they say. Where a value may be
    counted later as another form, `moved` says which have been counted already, whichever way they are read."""

    array: pa.Array
    raw: pa.Array
    unfit: Mask | None = None
    changed: int = 0
    moved: Mask | None = None

    @property
    def fit(self) -> Mask:
        return np.ones(len(self.raw), np.bool_) if self.unfit is None else ~self.unfit


def bring(array: pa.Array, pair: Pair, right: bool, other: bool = False) -> Brought:
    """The values of one side. Those of the left are narrowed as a loader would: rounded half away from zero, or the
    `other` way: towards zero, and floats as the decimals that people write; those of the right must fit as they are.
    Text has two ways to be bytes on either side."""
    if pair.type is None:
        raise Unsupported(f"'{pair.name}' is not compared: {pair.why}.", "Leave it out.")
    here, to = (pair.right if right else pair.left).type, pair.type
    raw = array if array.type.equals(here.arrow()) else array.cast(here.arrow())
    if pair.trims(right):
        return _trimmed(raw, pair, right)
    if pair.padded and here.kind == "string":
        raw = pc.utf8_rtrim(raw, " ")
    if pair.cuts and not right:
        return _brought_whole(raw, pair, other)
    if here == to:
        return Brought(raw, raw)
    if here.kind == to.kind == "list":
        return _brought_list(raw, pair, right)
    other = other and narrows(pair, right)
    if here.kind == "string":
        return _brought_bytes(raw, to, right, other) if to.kind == "binary" else _brought_text(raw, to, right, other)
    if right:
        found, unfit, _ = _fitted(raw, here, to, False)
        return Brought(found, raw, unfit)
    if here.kind == "float" and to.kind == "decimal":
        return _brought_float(raw, here, to, other)
    if pa.types.is_string(raw.type) and (beyond := _beyond(to)):
        lost = _matches(raw, beyond[0])
        cut = pc.replace_substring_regex(raw, beyond[1], r"\1\2") if other else raw
        found, unfit, _ = _fitted(cut, here, to, True)
        return Brought(found, raw, unfit, _those(lost, unfit))
    lowered, own = _lowered(raw, here, to) if other else (raw, here)
    found, unfit, changed = _fitted(lowered, own, to, True)
    if lowered is not raw:
        changed = _those(_unlike(lowered, raw), unfit)
    return Brought(found, raw, unfit, changed)


def _trimmed(raw: pa.Array, pair: Pair, right: bool) -> Brought:
    """Blanks at the end that only the other side's type takes for padding: a loader that brings them to the right loses
    them, which is counted, once a value."""
    plain = pair.model_copy(update={"padded": False})
    bare = pc.utf8_rtrim(raw, " ")
    found, lost = bring(bare, plain, right), _unlike(raw, bare)
    if right or not lost.any():
        return found._replace(raw=raw)
    twice = bring(bare.filter(pa.array(lost)), plain, right).changed
    return found._replace(raw=raw, changed=found.changed + int(lost.sum()) - twice)


def _brought_whole(raw: pa.Array, pair: Pair, other: bool) -> Brought:
    """Texts as they are, or the `other` way as a loader that knows what the right declares has cut them."""
    found = cast(raw, pair.left.type, pair.right.type, True)[0] if other else raw
    return Brought(found, raw, None, int(_unlike(found, raw).sum()), np.zeros(len(raw), np.bool_))


def _brought_text(raw: pa.Array, to: Type, right: bool, other: bool) -> Brought:
    array, lost = _readable(raw, to), np.zeros(len(raw), np.bool_)
    if to.kind in _USUAL:
        lost = ~_matches(raw, _USUAL[to.kind], absent=True)
    if to.kind in _NUMBERS:
        led = _matches(raw, _ZEROS)
        if right and led.any():  # no number is written so; the other side's cannot have been
            array = pc.if_else(pa.array(led), "?", array)
        lost |= led
    if not right and (beyond := _beyond(to)):
        lost |= _matches(array, beyond[0])
        array = pc.replace_substring_regex(array, beyond[1], r"\1\2") if other else array
    found, unfit, changed = _fitted(array, STRING, to, not right)
    if changed and lost.any():  # a value counts once
        changed -= _fitted(array.filter(pa.array(lost)), STRING, to, not right)[2]
    return Brought(found, raw, unfit, changed + _those(lost, unfit))


def _brought_bytes(raw: pa.Array, to: Type, right: bool, other: bool) -> Brought:
    """Text is its own bytes in UTF-8, or says bytes in hexadecimal digits. What Lading's own copy makes comes first: of
    text on the left its bytes, of bytes on the left digits. The `other` way is counted where it is not the same."""
    unfit: Mask | None = None
    if right == other:
        found = cast(raw, STRING, Type("binary") if right else to, True)[0]
    else:
        found = pa.array([None if v is None else _unhexed(v) for v in raw.to_pylist()], pa.binary())
        unfit = pc.and_(found.is_null(), raw.is_valid()).to_numpy(zero_copy_only=False)
    if other:
        first = _brought_bytes(raw, to, right, False)
        moved = first.moved if first.moved is not None else np.zeros(len(raw), np.bool_)
        return Brought(found, raw, unfit, _those(moved | _unlike(first.array, found), unfit), moved)
    moved = ~_matches(raw, _USUAL["binary"], absent=True) if right else _unlike(found, raw.cast(pa.binary()))
    moved = moved if unfit is None else moved & ~unfit
    return Brought(found, raw, unfit, int(moved.sum()), moved)


def _unhexed(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text[2:] if text[:2] in ("0x", "0X", "\\x", "\\X") else text)
    except ValueError:
        return None


def _brought_list(raw: pa.Array, pair: Pair, right: bool) -> Brought:
    """Items are brought as values are, and what is counted of them is counted of the list."""
    ours, theirs = (each.model_copy(update={"type": each.type.item}) for each in (pair.left, pair.right))
    item = pair.model_copy(update={"left": ours, "right": theirs, "type": pair.type.item if pair.type else None})
    lengths, items = pc.list_value_length(raw).to_pylist(), bring(raw.flatten(), item, right)
    found = listed(lengths, items.array)
    if items.unfit is None or not items.unfit.any():
        return Brought(found, raw, None, items.changed)
    unfit = np.zeros(len(raw), np.bool_)
    unfit[np.repeat(np.arange(len(raw)), [length or 0 for length in lengths])[items.unfit]] = True
    return Brought(pc.if_else(pa.array(unfit), pa.scalar(None, found.type), found), raw, unfit, items.changed)


def _brought_float(raw: pa.Array, here: Type, to: Type, other: bool) -> Brought:
    """A float that the decimal gives back is not changed. Another decimal than the first that is as good is."""
    found, unfit, _ = _fitted(raw, here, to, True)
    first = Brought(found, raw, unfit)
    moved = np.zeros(len(raw), np.bool_)
    if to.size is not None:
        moved = _unlike(cast(texts(found, to), STRING, here)[0], raw) & first.fit
    changed = moved
    if other:
        found = shortest(raw, here, to)
        unfit = pc.and_(found.is_null(), raw.is_valid()).to_numpy(zero_copy_only=False)
        plain = [short_numbers(each) if to.size is None else each for each in (first.array, found)]
        changed = moved | _unlike(*plain)
    return Brought(found, raw, unfit, _those(changed, unfit), moved)


def _those(mask: Mask, unfit: Mask | None) -> int:
    return int((mask if unfit is None else mask & ~unfit).sum())


def _matches(array: pa.Array, pattern: str, absent: bool = False) -> Mask:
    found: Mask = pc.match_substring_regex(array, pattern).fill_null(absent).to_numpy(zero_copy_only=False)
    return found


def _unlike(one: pa.Array, two: pa.Array) -> Mask:
    """Where two values differ, or only one of them is there; all that are no numbers are alike."""
    differs = pc.fill_null(pc.not_equal(one, two), False)
    if pa.types.is_floating(one.type):
        differs = pc.and_not(differs, pc.fill_null(pc.and_(pc.is_nan(one), pc.is_nan(two)), False))
    found: Mask = pc.or_(differs, pc.xor(one.is_null(), two.is_null())).to_numpy(zero_copy_only=False)
    return found


def narrows(pair: Pair, right: bool = False) -> bool:
    """Whether loaders differ in how they narrow the left value, of which some round and some cut, or leave it as it is,
    or in what text is as bytes, which they may on the right as well."""
    left, to = pair.left.type, pair.type
    if to is None:
        return False
    if right:
        return pair.right.type.kind == "string" and to.kind == "binary"
    if left.kind == "string":
        return to.kind == "binary" or _beyond(to) is not None or pair.cuts
    if left.kind == "float":
        return to.kind in ("decimal", "int") or (left.size == 32 and to == Type("float", 64))
    if to == Type("decimal"):
        return False  # it holds every digit
    return (
        left.kind == "decimal" and to.kind in ("decimal", "int") and (left.size is None or left.scale > to.scale)
    ) or (left.kind in ("time", "timestamp") and left.kind == to.kind and (left.size or 0) > (to.size or 0))


def _fitted(array: pa.Array, here: Type, to: Type, lossy: bool) -> tuple[pa.Array, Mask | None, int]:
    try:
        if here.kind in ("decimal", "int", "string") and to.kind == "float":
            found, changed = _float(array, here, to, lossy)
        else:
            found, changed = cast(array, here, to, lossy)
        return found, None, changed
    except (DataError, Unsupported, pa.ArrowInvalid):
        if len(array) == 1:
            return pa.nulls(1, to.arrow()), np.ones(1, np.bool_), 0
    half = len(array) // 2
    one, two = (_fitted(part, here, to, lossy) for part in (array.slice(0, half), array.slice(half)))
    masks = [np.zeros(len(part), np.bool_) if mask is None else mask for part, mask, _ in (one, two)]
    return pa.concat_arrays([one[0], two[0]]), np.concatenate(masks), one[2] + two[2]


def _float(array: pa.Array, here: Type, to: Type, lossy: bool) -> tuple[pa.Array, int]:
    """By way of the text: Arrow's own way from decimals to floats is not always the nearest one. A value is unchanged
    when the shortest text of the float gives it back, as 0.1 does; a text also when it is the float with more digits,
    as 0.10000000000000001 is."""
    said, type_ = texts(array, here), Type("float", to.size)
    found = cast(said, STRING, type_)[0]
    triples = zip(said.to_pylist(), texts(found, type_).to_pylist(), found.to_pylist(), strict=True)
    changed = sum(
        1
        for old, new, number in triples
        if old is not None and isfinite(number) and Decimal(old) != Decimal(new)
        and not (here.kind == "string" and Decimal(old) == _with_digits(number, Decimal(old)))
    )  # fmt: skip
    if changed and not lossy:
        raise DataError("A value would be rounded.", "")
    return found, changed


def _with_digits(number: float, like: Decimal) -> Decimal:
    """The float with as many digits as a decimal has."""
    return Decimal(f"{number:.{len(like.as_tuple().digits)}g}")


def _readable(array: pa.Array, to: Type) -> pa.Array:
    """Text as other systems write values of the type, in the form that we read."""
    match to.kind:
        case "bool":
            word = pc.utf8_lower(array)
            true, false = (pc.is_in(word, pa.array(words)) for words in (_TRUE, _FALSE))
            return pc.if_else(true, "1", pc.if_else(false, "0", array))
        case "timestamp" if to.utc:
            return pc.replace_substring_regex(array, r"(:[0-9.]+)([+-][0-9]{2})$", r"\1\2:00")
        case "int" | "decimal":
            return _without_exponents(pc.utf8_ltrim(array, "+"))
        case "float":
            return pc.utf8_ltrim(array, "+")
        case "interval":
            rows = array.to_pylist()
            return pa.array([v if v is None else span(v) or v for v in rows], pa.string())
        case _:
            return array


def _without_exponents(array: pa.Array) -> pa.Array:
    found = pc.match_substring_regex(array, _EXPONENT)
    if not pc.any(found).as_py():
        return array
    pairs = zip(array.to_pylist(), found.to_pylist(), strict=True)
    return pa.array([format(Decimal(text), "f") if has else text for text, has in pairs], pa.string())


def _beyond(to: Type) -> tuple[str, str] | None:
    """Of texts: finds values with digits beyond those that a narrower type holds, and such digits, between what is
    kept; None when it holds every digit."""
    match to.kind:
        case "int" | "decimal" if to != Type("decimal"):
            digits, front, behind = to.scale, r"^[+-]?[0-9]*", ""
        case "time" | "timestamp":
            digits, front, behind = to.size or 0, r":[0-9]{2}", r"Z|[+-][0-9:]+"
        case _:
            return None
    kept, gone = (rf"{front}\.[0-9]{{{digits}}}", "") if digits else (front, r"\.")
    return rf"{kept}{gone}[0-9]*[1-9]", rf"({kept}){gone}[0-9]+({behind}|)$"


def _lowered(array: pa.Array, here: Type, to: Type) -> tuple[pa.Array, Type]:
    """The values cut towards zero to what the narrower type holds, and their type. A float(32) that came as text is
    another float(64) than the one it equals."""
    if here.kind in ("time", "timestamp"):
        unit = 9 if array.type.unit == "ns" else 6
        step = 10 ** max(unit - (to.size if to.size is not None else 6), 0)
        ints = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        absent = array.is_null().to_numpy(zero_copy_only=False)
        return pa.array(ints // step * step, mask=absent).cast(array.type), here
    if to.kind == "float":
        return cast(texts(array, here), STRING, to)[0], to
    return pc.round(array, to.scale, round_mode="towards_zero"), here
