"""From a chain of places to findings: what would be lost where, how silently, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lading.facts import Observed
from lading.hops.native import said
from lading.hops.rules import how, width
from lading.route import Finding, Place
from lading.schema import DIGITS, Loss, gaps
from lading.types import Type

LIMITS = ("cuts", "narrows", "rounds")
"""Losses that do not happen while the values are small enough."""


def judged(column: str, way: tuple[Place, ...], losses: Iterable[Loss], observed: Observed | None) -> Iterator[Finding]:
    """The findings of one way. What the declared types of both ends lose is told by the plan's losses already."""
    told = {loss.kind for loss in losses if loss.column == column}
    names = tuple(shown(place) for place in way)
    before, carried, charset, null = way[0], way[0].type, way[0].charset, way[0].null
    if before.type is None:
        yield _unknown(column, before, before, names)
    for at in way[1:]:
        if at.type is None:
            yield _unknown(column, before, at, names)
            before, carried, charset = at, None, ""
            continue
        if at.grows or carried is None:
            before, carried, charset = at, _grown(carried, at), at.charset or charset
            continue
        ended = at.kind in ("stage column", "target column")
        at = _fitted(at, carried)
        for kind, what in _lost(carried, charset, null, at):
            if not (ended and (kind in told or at.kind == "target column")):
                yield _finding((column, kind, what), (before, at, carried), names, observed)
        carried = met(carried, at.type or carried)
        charset = at.charset if at.charset and width(at.charset) < width(charset) else charset
        null = null if at.null is not False else False
        before = at


def _grown(carried: Type | None, at: Place) -> Type | None:
    """What a value can be behind an expression that makes it longer."""
    if carried is None or carried.kind != "string" or carried.size is None or at.characters is None or carried.in_bytes:
        return at.type
    return Type("string", carried.size + at.characters)


def _fitted(at: Place, carried: Type) -> Place:
    """An expression that shortens has no zone of its own."""
    if at.kind == "expression" and at.type is not None and at.type.kind == "timestamp" and carried.kind == "timestamp":
        return at.model_copy(update={"type": Type("timestamp", at.type.size, utc=carried.utc)})
    return at


def _lost(carried: Type, charset: str, null: bool | None, at: Place) -> Iterator[tuple[str, str]]:
    if at.type is None:
        return
    if at.kind == "expression" and at.type.kind == "string" and carried.kind != "string":
        yield "cuts", f"the text of {carried} can be longer than {at.type.size} characters"
    else:
        yield from dict((*gaps(carried, at.type), *_digits(carried, at.type))).items()
    if carried.kind == at.type.kind == "string" and at.charset and width(at.charset) < width(charset):
        yield "characters", f"characters that {at.charset} does not have are lost"
    if at.null is False and null is not False and at.kind in ("column", "variable", "parameter"):
        yield "null", "NULL is allowed before it and not in it"


def _digits(carried: Type, at: Type) -> Iterator[tuple[str, str]]:
    """What else is lost of numbers: `gaps` tells one kind of loss where they change their kind or have no limit."""
    if carried.kind not in ("decimal", "float") or at.kind not in ("int", "decimal", "float"):
        return
    if carried.kind == "decimal" and carried.size is None and at.kind == "decimal" and at.size is not None:
        yield "rounds", f"decimals have no limit in the source; {at.scale} digits are kept behind the point"
    if at.kind == "int" and carried.kind == "decimal" and at.unsigned:
        yield "narrows", f"negative numbers do not fit {at}"
    elif at.kind == "int" and carried.kind == "decimal" and (carried.size is None or _whole(carried) > _whole(at)):
        many = "any number of" if carried.size is None else str(_whole(carried))
        yield "narrows", f"{many} digits before the point do not fit {at}"
    elif carried.kind == "float":
        room = {"int": 0, "decimal": 0 if at.size else 64, "float": at.size or 64}[at.kind]
        if (carried.size or 64) > room:
            yield "narrows", f"{carried} reaches beyond {at}"


def _whole(type_: Type) -> int:
    """The digits before the point that always fit."""
    return DIGITS[type_.size or 64] - 1 if type_.kind == "int" else (type_.size or 0) - type_.scale


def met(carried: Type, at: Type) -> Type:
    """What a value can still be behind a place."""
    if (carried.kind, at.kind) == ("timestamp", "date"):
        return Type("timestamp", 0, utc=carried.utc)
    if carried.kind != at.kind:
        return carried if at.kind == "string" and not gaps(carried, at) else at
    if carried.kind == "decimal" and carried.size is not None and at.size is not None:
        scale = min(carried.scale, at.scale)
        whole = min(carried.size - carried.scale, at.size - at.scale)
        return Type("decimal", max(whole + scale, 1), scale)
    if carried.kind in ("time", "timestamp"):
        return Type(at.kind, min(carried.size or 0, at.size or 0), utc=at.utc)
    return at if gaps(carried, at) else carried


def _unknown(column: str, before: Place, at: Place, names: tuple[str, ...]) -> Finding:
    where = f" (line {at.line} of '{at.code}')" if at.line else f" (in '{at.code}')" if at.code else ""
    fix = "Read it, and send a row through it with --canary."
    return Finding(
        column=column, kind="unknown", level="unknown", what=f"{at.why}{where}; what that keeps is not known", fix=fix,
        before=before, at=at, way=names,
    )  # fmt: skip


def _finding(
    lost: tuple[str, str, str],
    hop: tuple[Place, Place, Type],
    names: tuple[str, ...],
    observed: Observed | None,
) -> Finding:
    (column, kind, what), (before, at, carried) = lost, hop
    done = how(at, kind, carried)
    level = "blocks" if done.silent else "warns"
    words = done.words
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
    if kind == "rounds" and at.type.kind in ("decimal", "int", "time", "timestamp"):
        seen = observed.max_fraction if at.type.kind in ("time", "timestamp") else observed.max_scale
        return seen is not None and seen <= scale
    if kind == "narrows" and at.type.kind in ("decimal", "int") and not at.type.unsigned:
        return observed.max_digits is not None and observed.max_digits <= _whole(at.type)
    return False


def shown(place: Place) -> str:
    """A place as people read it."""
    native = place.native or (str(place.type) if place.type is not None else "")
    inside = f" of '{place.code}'" if place.code and not place.kind.endswith("column") else ""
    if place.kind in ("cast", "expression"):
        return f"{place.kind} {place.name}{inside}"
    label = "" if place.kind.endswith("column") else f"{place.kind} "
    return f"{label}'{place.name}' {native}{inside}".rstrip()


def _fix(at: Place, kind: str, carried: Type) -> str:
    wide, name = said(at.system, carried), at.name.removeprefix("the stage of ")
    line = f", line {at.line}" if at.line else ""
    if kind == "characters":
        made = "an nvarchar" if at.system == "sqlserver" else "of the character set utf8mb4"
        return f"Make '{name}' {made}."
    if kind == "null":
        where = f"'{at.code}'" if at.kind == "parameter" else f"'{name}'"
        return f"Have {where} take NULL, or put a value in its place before."
    match at.kind:
        case "parameter":
            return f"Declare the parameter '{at.name}' of '{at.code}' as {wide}."
        case "variable":
            return f"Declare the variable '{at.name}' of '{at.code}' as {wide}."
        case "cast":
            return f"Drop the cast {at.name} in '{at.code}'{line}, or cast to {wide}."
        case "expression":
            return f"Take {at.name} out of '{at.code}'{line}."
        case "result":
            return f"Declare that '{at.code}' returns {wide}."
        case _:
            return f"Make the column '{name}' {wide}."
