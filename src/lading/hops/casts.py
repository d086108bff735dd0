"""What is lost where a system reads a value as another type, beside what `schema.gaps` tells of the two types. Tried on
PostgreSQL and MariaDB; of SQL Server by its documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lading.route import Place
from lading.schema import DIGITS, gaps, text_width
from lading.types import Type

Lost = Iterator[tuple[str, str]]


def lost(carried: Type, at: Place, before: Place) -> dict[str, str]:
    """Kinds of loss with a sentence each; of the kind `unknown` where nobody tried what becomes of a value."""
    if at.type is None:
        return {}
    if carried.item is not None and at.type.item is not None:
        return lost(carried.item, each(at), each(before))
    found, to = dict((*gaps(carried, at.type), *_digits(carried, at.type))), each(at)
    kind = at.type.kind
    if at.ends and at.kind != "target column" and before.begins:
        # Lading casts by itself; the column may round all the same.
        return found | {kind: what for kind, what in _limited(to, before) if kind == "rounds"}
    if at.system == "mysql" and (carried.kind, kind) in _BYTES:
        found = dict(_bytes(carried, at.type))
    elif as_text(to) != as_text(before) and (as_text(to) or kind != "string"):
        found = dict(_unlisted(carried, to, before))
    elif kind == "string" and carried.kind not in ("string", "binary" if at.kind != "expression" else ""):
        found = dict((*_written(carried, to), *_styled(carried, to, before.native.lower())))
    else:
        found |= dict(_read(carried, to))
        if (carried.kind, kind) in _CLOCKS:
            found.pop("type", None)
    return found | dict(_limited(to, before))


def each(place: Place) -> Place:
    """A place of lists as one of their items."""
    if place.type is None or place.type.item is None:
        return place
    return place.model_copy(update={"type": place.type.item, "native": place.native.removesuffix("[]")})


_BYTES = (("string", "binary"), ("binary", "string"))


def _bytes(carried: Type, to: Type) -> Lost:
    """MySQL and MariaDB leave bytes as they are, where they are a text's."""
    if to.kind == "string":
        yield "characters", "bytes that are no text there are lost"
    if to.size is not None and (carried.size is None or carried.size * most_bytes(carried) > to.size):
        yield "cuts", f"{carried} can be longer than {to}"


def most_bytes(type_: Type) -> int:
    """Those that one of a text's characters, or of a binary's bytes, takes at most."""
    return 4 if type_.kind == "string" and not type_.in_bytes else 1


_READ = ("int", "decimal", "float", "bool", "date", "time", "timestamp", "interval", "uuid", "json", "list")
_REFUSED = {
    ("int", "bool"), ("decimal", "bool"), ("float", "bool"), ("bool", "float"), ("json", "int"), ("json", "decimal"),
    ("json", "float"), ("json", "bool"),
}  # fmt: skip


def refused(carried: Type, at: Type | None) -> bool:
    """Whether it is known that systems refuse what does not fit, where one kind is read as another."""
    if at is None:
        return False
    if carried.item is not None and at.item is not None:
        return refused(carried.item, at.item)
    return (carried.kind == "string" and at.kind in (*_READ, "string")) or (carried.kind, at.kind) in _REFUSED


# Numbers


def _digits(carried: Type, at: Type) -> Lost:
    """What else is lost of numbers: `gaps` tells one kind of loss where they change their kind or have no limit."""
    if carried.kind not in ("decimal", "float") or at.kind not in ("int", "decimal", "float"):
        return
    if carried.kind == "decimal" and carried.size is None and at.kind == "decimal" and at.size is not None:
        yield "rounds", f"decimals have no limit in the source; {at.scale} digits are kept behind the point"
    if at.kind == "int" and carried.kind == "decimal" and at.unsigned:
        yield "narrows", f"negative numbers do not fit {at}"
    elif at.kind == "int" and carried.kind == "decimal" and (carried.size is None or whole(carried) > whole(at)):
        many = "any number of" if carried.size is None else str(whole(carried))
        yield "narrows", f"{many} digits before the point do not fit {at}"
    elif carried.kind == "float":
        room = {"int": 0, "decimal": 0 if at.size else 64, "float": at.size or 64}[at.kind]
        if (carried.size or 64) > room:
            yield "narrows", f"{carried} reaches beyond {at}"


def whole(type_: Type) -> int:
    """The digits before the point that always fit."""
    return DIGITS[type_.size or 64] - 1 if type_.kind == "int" else (type_.size or 0) - type_.scale


# From text and to text

_ZONES = {"postgres": 6, "sqlserver": 7}
"""Characters that a zone has behind the text of a moment."""
_BOOLS = {"postgres": 5}


def _width(type_: Type, system: str) -> int | None:
    """The characters of the longest text that a system makes of a type's values."""
    match type_.kind:
        case "bool":
            return _BOOLS.get(system, 1)
        case "time" | "timestamp":
            zone = _ZONES.get(system, 0) if type_.utc else 0
            plain = 19 if type_.kind == "timestamp" else 10 if system == "mysql" else 8  # -838:59:59
            return plain + (type_.size + 1 if type_.size else 0) + zone
        case _:
            return text_width(type_)


def _written(carried: Type, at: Place) -> Lost:
    """What is lost of a value that becomes text."""
    to, most = at.type, _width(carried, at.system)
    if to is not None and to.size is not None and (most is None or most > to.size):
        yield "cuts", f"the text of {carried} can be longer than {to}"
    if carried.kind == "float" and (at.system == "sqlserver" or (at.system == "mysql" and carried.size == 32)):
        yield "rounds", f"the text of {carried} has 6 digits"


def _styled(carried: Type, at: Place, came: str) -> Lost:
    """What SQL Server leaves out of the text of a moment or an amount of money, by the style that was asked for. See
    https://learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql#date-and-time-styles"""
    if at.system != "sqlserver":
        return
    style = _style(at.name) if at.kind == "cast" else ""
    if style and carried.kind in ("date", "time", "timestamp", "float", "binary") and style not in _WHOLE_STYLES:
        if carried.kind != "date" or not (style == "23" or (style.isdigit() and int(style) > 100)):
            yield "unknown", f"what the style {style} leaves out of {carried}"
    elif came == "datetime" and not style:
        yield "cuts", "the text of a datetime has no seconds"
    elif came in ("money", "smallmoney") and style != "2":
        yield "rounds", f"the text of {came} has 2 digits behind the point"


_WHOLE_STYLES = {"21", "25", "121", "126", "127"}


def _style(text: str) -> str:
    """The third thing that CONVERT was given."""
    depth, parts = 0, [""]
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 1:
            parts.append("")
        else:
            parts[-1] += character
    return parts[2].strip(" )") if len(parts) == 3 and re.match(r"\w*convert\(", text, re.I) else ""


_CLOCKS = {("timestamp", "time"), ("interval", "time")}


def _read(carried: Type, at: Place) -> Lost:
    """What is lost without an error of a text, or of another value that can hold more than what it is read as."""
    text, to = carried.kind == "string", at.type
    if to is None:
        return
    if carried.kind == to.kind == "date" and at.kind == "expression" and at.native:
        yield "cuts", f"what is shorter than a {at.native} is dropped"
    if not (text or (carried.kind == "json" and to.numeric) or (carried.kind, to.kind) in _CLOCKS):
        return
    match to.kind:
        case "decimal" if to.size is not None:
            yield "rounds", f"more than {to.scale} digits behind the point are rounded"
        case "int" if at.system == "mysql" or not text:
            yield "rounds", "digits behind the point are rounded"
        case "float":
            yield "rounds", f"digits that {to} does not have are rounded"
        case "date":
            yield "cuts", "the time of day is dropped"
        case "time":
            yield "cuts", "days are dropped, only the time of day is kept"
        case "timestamp":
            yield "zone", "a text without a zone is taken for one of the session's" if to.utc else "a zone is dropped"
    if to.kind in ("time", "timestamp", "interval") and (text or carried.kind == "interval" or _finer(carried, to)):
        yield "rounds", f"more than {6 if to.size is None else to.size} digits of a second are rounded"


def _finer(carried: Type, to: Type) -> bool:
    return (carried.size or 0) > (to.size or 0)


# Types that are no texts and travel as such, and limits that a canonical type does not have

_TEXTS = (
    r'text|name|"char"|bpchar|string.*|(?:.*\.)?citext|(?:national )?(?:var)?char(?:acter)?(?: varying)?(?:\(\d+\))?'
)
_SAME = {"timetz": "time with time zone", "bit varying": "bit", "varbit": "bit", '"bit"': "bit", "cidr": "inet"}


def as_text(place: Place) -> str:
    """The name of a type that is no text and travels as one; empty for any other."""
    native = place.native.lower()
    if place.type is None or place.type.kind != "string" or not native:
        return ""
    if place.system == "sqlserver":
        return native if native == "xml" else ""
    if place.system == "mysql":
        return native if re.match(r"(?:enum|set)\(", native) else ""
    if place.system != "postgres" or re.fullmatch(_TEXTS, native):
        return ""
    bare = re.sub(r"\(\d+\)", "", native)
    return _SAME.get(bare, bare)


def _unlisted(carried: Type, at: Place, before: Place) -> Lost:
    words = at.native.endswith("/*enum*/") or at.system == "mysql"
    if words and carried.kind == "string" and not as_text(before):
        yield "type", f"only the words of {at.native} fit"
    else:
        yield "unknown", f"{before.native or carried} is read as {at.native or at.type}"


def _limited(at: Place, before: Place) -> Lost:
    """What the limits cut that stand in a native type of PostgreSQL alone."""
    if at.system != "postgres":
        return
    native, came = at.native.lower(), before.native.lower()
    if native.startswith("interval"):
        (last, kept), (unit, digits) = span(native), span(came if came.startswith("interval") else "")
        if last and last != unit:
            yield "cuts", f"what is shorter than a {last} is dropped"
        if kept < digits:
            yield "rounds", f"more than {kept} digits of a second are rounded"
    elif at.type is not None and at.type.kind == "string" and (found := re.match(_TIMETZ, native)):
        before_it = re.match(_TIMETZ, came)
        if before_it is None or int(before_it[1]) > int(found[1]):
            yield "rounds", f"more than {found[1]} digits of a second are rounded"
    elif found := re.match(r"numeric\(\d+,-(\d+)\)", native):
        before_it = re.match(r"numeric\(\d+,-(\d+)\)", came)
        if before_it is None or int(before_it[1]) < int(found[1]):
            yield "rounds", f"the last {found[1]} digits before the point become 0"
    elif native == "cidr" and came == "inet":
        yield "cuts", "what does not belong to the network becomes 0"
    elif (bits := _bits(at)) and _bits(before) != bits and not (bits > 0 and 0 < abs(_bits(before)) <= bits):
        yield "cuts", f"bits are cut, or filled, to {abs(bits)}"


_TIMETZ = r"time(?:tz)?\((\d)\)(?= with time zone|$)"


def span(native: str) -> tuple[str, int]:
    """The smallest unit that an interval keeps, where it is not the second, and the digits of a second."""
    words = re.findall(r"[a-z]+", native)
    digits = re.search(r"\d", native)
    last = words[-1] if words[1:] and words[-1] != "second" else ""
    return last, int(digits[0]) if digits else 6


def _bits(place: Place) -> int:
    """The bits of a bit string: as many, below zero, or at most so many; 0 where it has no limit or is none."""
    found = re.fullmatch(r"(bit varying|varbit|bit)(?:\((\d+)\))?", place.native.lower())
    if found is None or place.system != "postgres":
        return 0
    if found[1] == "bit":
        forgotten = place.kind in ("parameter", "result")  # PostgreSQL forgets their limits
        return -int(found[2]) if found[2] else 0 if forgotten else -1
    return int(found[2] or 0)
