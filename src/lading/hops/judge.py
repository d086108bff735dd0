"""From a chain of places to findings: what would be lost where, how silently, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lading.facts import Observed
from lading.hops.casts import lost, most_bytes, refused, whole
from lading.hops.native import said
from lading.hops.rules import how, width
from lading.hops.words import SHOWN, short
from lading.route import Finding, Place
from lading.schema import Loss, gaps
from lading.types import Type

LIMITS = ("cuts", "narrows", "rounds")
"""Losses that do not happen while the values are small enough."""


def judged(column: str, way: tuple[Place, ...], losses: Iterable[Loss], observed: Observed | None) -> Iterator[Finding]:
    """The findings of one way. What the declared types of both ends lose is told by the plan's losses already.
    `observed` is what was seen in the source's column: not in the places before it, as a view has."""
    told = {loss.kind for loss in losses if loss.column == column}
    names = tuple(shown(place) for place in way)
    before, carried, charset, null = way[0], way[0].type, way[0].charset, way[0].null
    source = next((place.name for place in way if place.begins), "")
    seen = observed if before.begins else None
    if before.type is None:
        yield _unknown(column, (before, before), names)
    for at in way[1:]:
        if at.type is None or at.grows or carried is None:
            most = _joined(before, at, carried)
            if at.type is None:
                yield _unknown(column, (before, at), names)
            elif most and carried is not None:
                what = f"what is joined can be longer than {most:,} characters"
                yield _finding((column, "cuts", what), (before, at, carried), names, None)
            charset = (at.charset or charset) if at.type is not None else ""
            grown = Type("string", most) if most else _grown(carried, at)
            before, carried, seen = at, grown, observed if at.begins else None
            continue
        at = _fitted(at, carried)
        found = dict(_lost(carried, charset, null, (before, at)))
        for kind, what in found.items():
            if not (at.ends and (kind in told or at.kind == "target column")):
                yield _finding((column, kind, what), (before, at, carried), names, seen)
        foreign = at.kind in ("column", "inner view column") and at.name != source  # of other rows, too
        seen = observed if at.begins else None if foreign else _still(seen, found, carried, at)
        carried = met(carried, at.type or carried, "cuts" in found)
        charset = at.charset if at.charset and width(at.charset) < width(charset) else charset
        null = null if at.null is not False else False
        before = at


def _still(seen: Observed | None, found: Iterable[str], carried: Type, at: Place) -> Observed | None:
    """What was observed, where a place leaves it as it was."""
    if seen is None:
        return None
    return seen if all(kind == "null" or fits(seen, kind, carried, at) for kind in found) else None


def _joined(before: Place, at: Place, carried: Type | None) -> int:
    """The characters at which SQL Server cuts a joined text of which no part is a `max` one; 0 where it does not. See
    https://learn.microsoft.com/sql/t-sql/language-elements/string-concatenation-transact-sql"""
    if at.system != "sqlserver" or not at.grows or at.characters is None or carried is None or carried.kind != "string":
        return 0
    if before.type is None or before.type.size is None:
        return 0
    most = 4_000 if before.charset == "utf16" or "N'" in at.name else 8_000
    return most if (carried.size or most) + at.characters > most else 0


def _grown(carried: Type | None, at: Place) -> Type | None:
    """What a value can be behind an expression that makes it longer."""
    if carried is None or carried.kind != "string" or carried.size is None or at.characters is None or carried.in_bytes:
        return at.type
    return Type("string", carried.size + at.characters)


def _fitted(at: Place, carried: Type) -> Place:
    """An expression that shortens has no zone of its own, one that rounds leaves whole numbers as they are, and one
    that joins with floats changes only numbers."""
    if at.kind == "expression" and at.type is not None and at.type.kind == "timestamp" and carried.kind == "timestamp":
        return at.model_copy(update={"type": Type("timestamp", at.type.size, utc=carried.utc)})
    rounds = at.kind == "expression" and at.type is not None and at.type.kind == "decimal" and carried.kind == "int"
    if rounds or (at.kind == "expression" and at.type is not None and at.type.kind == "float" and not carried.numeric):
        return at.model_copy(update={"type": carried, "native": ""})
    return at


def _lost(carried: Type, charset: str, null: bool | None, hop: tuple[Place, Place]) -> Iterator[tuple[str, str]]:
    before, at = hop
    if at.type is None:
        return
    yield from lost(carried, at, before).items()
    if carried.kind == at.type.kind == "string" and at.charset and width(at.charset) < width(charset):
        yield "characters", f"characters that {at.charset} does not have are lost"
    if at.null is False and null is not False and (at.declared or at.kind in ("column", "variable", "parameter")):
        yield "null", "NULL is allowed before it and not in it"


def met(carried: Type, at: Type, cut: bool = False) -> Type:
    """What a value can still be behind a place."""
    if (carried.kind, at.kind) == ("timestamp", "date"):
        return Type("timestamp", 0, utc=carried.utc)
    if carried.kind == "int" and at.kind == "decimal" and at.size is None:
        return carried  # whole, however many digits are taken
    if (carried.kind, at.kind, at.size) == ("string", "binary", None) and carried.size is not None:
        return Type("binary", carried.size * most_bytes(carried))
    if carried.kind != at.kind:
        return carried if at.kind == "string" and not cut and not gaps(carried, at) else at
    if carried.kind == "decimal" and carried.size is not None and at.size is not None:
        scale = min(carried.scale, at.scale)
        before_it = min(carried.size - carried.scale, at.size - at.scale)
        return Type("decimal", max(before_it + scale, 1), scale)
    if carried.kind in ("time", "timestamp"):
        return Type(at.kind, min(carried.size or 0, at.size or 0), utc=at.utc)
    return at if gaps(carried, at) else carried


def _unknown(column: str, hop: tuple[Place, Place], names: tuple[str, ...], what: str = "") -> Finding:
    before, at = hop
    where = f" (line {at.line} of '{at.code}')" if at.line else f" (in '{at.code}')" if at.code else ""
    fix = "Read it, and send a row through it with --canary."
    return Finding(
        column=column, kind="unknown", level="unknown", what=f"{what or at.why}{where}; what that keeps is not known",
        fix=fix, before=before, at=at, way=names,
    )  # fmt: skip


def _finding(
    loss: tuple[str, str, str],
    hop: tuple[Place, Place, Type],
    names: tuple[str, ...],
    observed: Observed | None,
) -> Finding:
    (column, kind, what), (before, at, carried) = loss, hop
    done = how(at, kind, carried)
    if kind == "unknown" or (kind == "type" and not done.silent and not refused(carried, at.type)):
        return _unknown(column, (before, at), names, f"{carried} is read as {at.type}" if kind == "type" else what)
    silent, words = done
    if at.caught and not silent:
        silent, words = True, f"{words}; line {at.caught} of '{at.code}' catches that and raises no error"
    level = "blocks" if silent else "warns"
    if observed is not None and kind in LIMITS and fits(observed, kind, carried, at):
        level, words = "notes", f"{words}; what was observed on {observed.date.isoformat()} fits"
    return Finding.model_validate({
        "column": column, "kind": kind, "level": level, "what": f"{shown(at)}: {what}", "how": words,
        "fix": _fix(at, kind, carried), "before": before, "at": at, "way": names,
    })  # fmt: skip


def fits(observed: Observed, kind: str, carried: Type, at: Place) -> bool:
    """Whether the greatest value that was seen passes unchanged."""
    if at.type is None:
        return False
    size, scale = at.type.size, at.type.scale if at.type.kind == "decimal" else (at.type.size or 0)
    if at.type.kind == "int":
        scale = 0
    if kind == "cuts" and at.type.kind in ("string", "binary") and size is not None:
        in_bytes = at.type.in_bytes or at.type.kind == "binary"
        most = observed.max_bytes if in_bytes else observed.max_characters
        return most is not None and most <= size
    if kind == "rounds" and at.type.kind in ("decimal", "int", "time", "timestamp") and ",-" not in at.native:
        seen = observed.max_fraction if at.type.kind in ("time", "timestamp") else observed.max_scale
        return seen is not None and seen <= scale
    if kind == "narrows" and at.type.kind in ("decimal", "int") and not at.type.unsigned:
        return observed.max_digits is not None and observed.max_digits <= whole(at.type)
    return False


def shown(place: Place) -> str:
    """A place as people read it."""
    native = place.native or (str(place.type) if place.type is not None else "")
    inside = f" of '{place.code}'" if place.code and not place.kind.endswith("column") else ""
    if place.kind in ("cast", "expression"):
        return f"{place.kind} {short(place.name, SHOWN)}{inside}"
    label = "" if place.kind.endswith("column") else f"{place.kind} "
    return f"{label}'{place.name}' {native}{inside}".rstrip()


def _fix(at: Place, kind: str, carried: Type) -> str:
    wide, name = said(at.system, carried), short(at.name.removeprefix("the stage of "), SHOWN)
    line = f", line {at.line}" if at.line else ""
    if kind == "characters":
        made = "an nvarchar" if at.system == "sqlserver" else "of the character set utf8mb4"
        return f"Make '{name}' {made}."
    if kind == "null":
        where = f"'{at.code}'" if at.kind == "parameter" else f"'{name}' of '{at.code}'" if at.declared else f"'{name}'"
        return f"Have {where} take NULL, or put a value in its place before."
    match at.kind:
        case "parameter":
            return f"Declare the parameter '{at.name}' of '{at.code}' as {wide}."
        case "variable":
            return f"Declare the variable '{at.name}' of '{at.code}' as {wide}."
        case "cast":
            return f"Drop the cast {name} in '{at.code}'{line}, or cast to {wide}."
        case "expression":
            return f"Take {name} out of '{at.code}'{line}."
        case "result":
            return f"Declare that '{at.code}' returns {wide}."
        case "API attribute" | "export field" if at.declared:
            return f"Make '{name}' of '{at.code}' {wide}, and declare it so in 'through'."
        case "export field":
            return f"Make the field '{name}' {wide}."
        case _:
            return f"Make the column '{name}' {wide}."
