"""What a profile knows of a table's values, and the narrowest types that hold what it saw."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from typing import NamedTuple

from pydantic import BaseModel

from lading.types import Type

HEAD = 100
"""How many characters of the least and the greatest text are kept."""
PARSES = ("number", "date", "timestamp", "instant", "uuid", "json", "bool")
"""What a text can be read as: an instant is a timestamp with a zone; a number has no exponent, no plus and no zeros
before it; JSON is an object or a list."""


_ROOM = {8: 2, 16: 4, 32: 9, 64: 18}
"""Digits that always fit so many bits."""


class Observed(BaseModel, frozen=True):
    """The greatest that a profile saw in a column on its date; None where the type has no such thing. `max_digits` are
    digits before the point, `max_scale` digits after it, `max_fraction` digits of a second."""

    column: str
    max_characters: int | None = None
    max_bytes: int | None = None
    max_digits: int | None = None
    max_scale: int | None = None
    max_fraction: int | None = None
    date: datetime.date

    def type(self, declared: Type, in_bytes: bool = False) -> Type | None:
        """The type that just holds what was seen, of the declared kind; None where that cannot be said."""
        match declared.kind:
            case "string" if (length := self.max_bytes if in_bytes else self.max_characters) is not None:
                return Type("string", max(length, 1), in_bytes=in_bytes)
            case "binary" if self.max_bytes is not None:
                return Type("binary", max(self.max_bytes, 1))
            case "decimal" if self.max_digits is not None and self.max_scale is not None:
                return Type("decimal", max(self.max_digits + self.max_scale, 1), self.max_scale)
            case "int" if self.max_digits is not None:
                return next((Type("int", bits) for bits, room in _ROOM.items() if self.max_digits <= room), None)
            case "time" | "timestamp" if self.max_fraction is not None:
                return Type(declared.kind, self.max_fraction, utc=declared.utc)
        return None


class Facts(BaseModel, frozen=True):
    """One column. None is what the type does not have, or the system cannot tell. `characters` and `bytes` are of the
    longest value; `digits` before the point, `scale` after it and `fraction` of a second are the most that are used,
    in text too where all of it is numbers. `about` says that `distinct` is an estimate. `blanks` end in a blank.
    `midnight` counts timestamps without a time of day. `parses` counts the texts that can be read as something else.
    `lost` counts the values that a type would round, cut or refuse. `masked`: the least and the greatest value are
    not kept."""

    column: str
    type: Type
    nulls: int = 0
    distinct: int | None = None
    about: bool = False
    min: str | None = None
    max: str | None = None
    masked: bool = False
    characters: int | None = None
    bytes: int | None = None
    digits: int | None = None
    scale: int | None = None
    fraction: int | None = None
    midnight: int | None = None
    empty: int | None = None
    blanks: int | None = None
    nan: int | None = None
    infinite: int | None = None
    parses: dict[str, int] = {}
    lost: dict[str, int] = {}


class Profile(BaseModel, frozen=True):
    """One table on a date. `way` is 'in place' or 'read'; `why` says why it was read."""

    system: str
    table: str
    taken: datetime.datetime
    rows: int
    way: str
    why: str = ""
    snapshot: str = ""
    seconds: float = 0.0
    columns: tuple[Facts, ...] = ()

    def observed(self) -> dict[str, Observed]:
        """The greatest that was seen, by column; of columns without values nothing was."""
        return {
            f.column: Observed(
                column=f.column, max_characters=f.characters, max_bytes=f.bytes, max_digits=f.digits,
                max_scale=f.scale, max_fraction=f.fraction, date=self.taken.date(),
            )
            for f in self.columns
            if f.nulls < self.rows and not f.nan and not f.infinite
        }  # fmt: skip


def plain(raw: object, type_: Type) -> str | None:
    """The least or greatest value, as a system shows it, as canonical text in its shortest form."""
    if raw is None:
        return None
    text = str(raw)
    match type_.kind:
        case "int" | "bool":
            return str(int(Decimal(text)))
        case "decimal":
            return shortest(Decimal(text))
        case "float":
            return _float(text, type_.size or 64)
        case "time" | "timestamp":
            moment = text.replace("T", " ").removesuffix("Z").removesuffix("+00:00").removesuffix("+00")
            moment += " 00:00:00" if type_.kind == "timestamp" and ":" not in moment else ""
            return moment.rstrip("0").rstrip(".") if "." in moment else moment
        case "uuid":
            return text.lower()
        case _:
            return text


def shortest(value: Decimal) -> str:
    if not value.is_finite():
        return str(value)
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _float(text: str, bits: int) -> str:
    import numpy as np

    return (str(np.float32(text)) if bits == 32 else repr(float(text))).removesuffix(".0")


def whole_digits(*texts: str | None) -> int | None:
    """The digits before the point of the longest of some plain numbers."""
    lengths = [len(text.lstrip("-").partition(".")[0].lstrip("0")) for text in texts if text is not None]
    return max(lengths, default=None)


class Suggestion(NamedTuple):
    """The narrowest type that holds what was seen, with headroom."""

    column: str
    declared: Type
    type: Type
    why: str


_READ_AS = {
    "uuid": Type("uuid"), "bool": Type("bool"), "number": None, "date": Type("date"), "timestamp": Type("timestamp", 6),
    "instant": Type("timestamp", 6, utc=True), "json": Type("json"),
}  # fmt: skip
_LENGTHS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 150, 200, 255, 500, 1000, 2000, 4000)


def suggestions(profile: Profile) -> list[Suggestion]:
    """A type for every column; the declared one where nothing narrower holds everything."""
    found = []
    for f in profile.columns:
        type_, why = _suggested(f, profile.rows - f.nulls)
        found.append(Suggestion(f.column, f.type, type_, why))
    return found


def _suggested(f: Facts, values: int) -> tuple[Type, str]:
    if not values:
        return f.type, "no values seen"
    if f.nan or f.infinite:
        return f.type, "NaN or infinity seen"
    match f.type.kind:
        case "string" | "binary" if f.empty == values:
            return f.type, "only empty ones seen"
        case "string":
            return _of_text(f, values)
        case "binary" if f.bytes is not None:
            return _narrower(f.type, Type("binary", _length(f.bytes))), f"at most {_many(f.bytes, 'byte')}"
        case "decimal" | "int" if f.digits is not None:
            why = f"at most {_many(f.digits, 'digit')}" + (
                f" before the point, {f.scale} after" if f.type.kind == "decimal" else ""
            )
            return _narrower(f.type, _number(f)), why
        case "timestamp" if f.midnight == values and not f.type.utc:
            return Type("date"), "no time of day"
        case "time" | "timestamp" if f.fraction is not None:
            size = next(size for size in (0, 3, 6, 9) if size >= f.fraction)
            type_ = Type(f.type.kind, min(size, f.type.size or 0), utc=f.type.utc)
            return type_, f"at most {_many(f.fraction, 'digit')} of a second"
        case _:
            return f.type, ""


def _of_text(f: Facts, values: int) -> tuple[Type, str]:
    for name, type_ in _READ_AS.items():
        if f.parses.get(name) == values:
            return type_ or _number(f), f"every text reads as {name}"
    if f.characters is None:
        return f.type, ""
    length = _length(f.characters)
    type_ = Type("string", length) if length <= _LENGTHS[-1] else Type("string")
    return _narrower(f.type, type_), f"at most {_many(f.characters, 'character')}"


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"


def _length(seen: int) -> int:
    """A round length with a quarter of headroom; flags and codes of up to three keep theirs."""
    wanted = seen if seen <= 3 else math.ceil(seen * 1.25)
    return next((length for length in _LENGTHS if length >= wanted), wanted)


def _number(f: Facts) -> Type:
    """A digit of headroom for whole numbers, two for decimals, never any after the point."""
    digits, scale = f.digits or 0, f.scale or 0
    if not scale:
        bits = next((bits for bits, room in _ROOM.items() if bits > 8 and digits + 1 <= room), None)
        if f.type.kind == "int" and not bits:
            return f.type
        if bits:
            return Type("int", bits)
    size = digits + scale
    return Type("decimal", max(min(size + 2, 38), size), scale) if size <= 38 else Type("decimal")


def _narrower(declared: Type, found: Type) -> Type:
    """What was found, unless the declared type is as narrow."""
    if declared.kind != found.kind:
        return found
    if declared.kind == "int":
        return declared if declared.size is not None and declared.size <= (found.size or 64) else found
    if declared.size is None:
        return found
    if declared.kind == "decimal" and found.size is not None:
        whole = min(declared.size - declared.scale, found.size - found.scale)
        return Type("decimal", max(whole + found.scale, 1), found.scale)
    return declared if found.size is None or declared.size <= found.size else found
