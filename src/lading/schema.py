"""Tables, columns, modes and losses: what a catalogue says, and what two catalogues lose between them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel

from lading.facts import Observed
from lading.types import Type


class Mode(StrEnum):
    """How new rows meet the rows that a target has."""

    REPLACE = "replace"
    APPEND = "append"
    MERGE = "merge"


class Column(BaseModel, frozen=True):
    """`native` is the type as the system itself writes it, with the system's kind before a colon:
    `postgres:character varying(20)`; a system of the same kind takes it as it is. `drops` are pairs of loss kind
    and sentence: what reading the column loses, whatever the target. `empty` says whether the system tells an
    empty value from NULL. `measured` is the narrowest type that holds the values of a column of decimals without a
    limit, as they were when it was planned; decimal(1,1) when there were none. `observed` is the greatest that the
    newest profile saw. `filled` says that the system itself gives it a value where a row has none, such as a default
    or a number. `unread` is why its values have no form, where nobody listed the system's type; `type` is then no
    more than a word."""

    name: str
    type: Type
    null: bool = True
    native: str = ""
    drops: tuple[tuple[str, str], ...] = ()
    empty: bool = True
    measured: Type | None = None
    observed: Observed | None = None
    filled: bool = False
    unread: str = ""


class Table(BaseModel, frozen=True):
    """`schema_name` is None for the system's default schema. `key` is the primary key, or a unique key without
    NULLs; empty when there is none. `rows` and `bytes` are the catalogue's estimates. `problems` are sentences
    about what keeps the table from being read."""

    name: str
    schema_name: str | None = None
    columns: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()
    rows: int | None = None
    bytes: int | None = None
    problems: tuple[str, ...] = ()
    view: bool = False

    @property
    def full_name(self) -> str:
        return f"{self.schema_name}.{self.name}" if self.schema_name else self.name

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    def problems_beside(self, columns: Iterable[str]) -> tuple[str, ...]:
        """The problems that are not those of these columns: their sentences begin with the column."""
        begun = tuple(f"column '{name}' " for name in columns)
        return tuple(problem for problem in self.problems if not problem.startswith(begun))

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The problems that keep all of it from being read, and not only some columns."""
        return self.problems_beside(column.name for column in self.columns if column.unread)

    @property
    def keyed(self) -> tuple[Column, ...]:
        """The key's columns, in the order of the key."""
        return tuple(column for name in self.key if (column := self.column(name)) is not None)


def in_small(name: str) -> str:
    """A name without the capitals of A to Z, by which some systems tell no names apart."""
    return name.encode().lower().decode()


LOSSES = {
    "narrows": "Numbers can be too great for the target.",
    "rounds": "Digits after the point, or of a second, are rounded.",
    "cuts": "Text or bytes can be too long for the target, or the time of day is dropped.",
    "zone": "A zone is dropped or assumed.",
    "null": "NULL is allowed in the source and refused by the target.",
    "type": "The value becomes one of another kind.",
    "column": "The target's table has no such column.",
    "characters": "Characters that a character set on the way does not have.",
}
"""The words that `accept` takes."""


class Loss(BaseModel, frozen=True):
    """What a value of a column can lose on its way. `kind` is the word that `accept` takes. `seen` says that what was
    there when the table was profiled would not lose it, and when that was."""

    column: str
    kind: str  # one of LOSSES
    source: str
    target: str
    what: str
    seen: str = ""

    def __str__(self) -> str:
        return f"{self.column}: {self.kind}: {self.what}{f'; {self.seen}' if self.seen else ''}"


def losses(source: Table, target: Table) -> list[Loss]:
    """What can be lost between two tables, column by column, by their declared types."""
    there = {column.name: column for column in target.columns}
    return [loss for column in source.columns for loss in _column_losses(column, there.get(column.name))]


def _column_losses(source: Column, target: Column | None) -> Iterable[Loss]:
    if target is None:
        what = "the target's table has no such column"
        yield Loss(column=source.name, kind="column", source=str(source.type), target="", what=what)
        return
    for kind, what in (*source.drops, *gaps(_held(source, target), target.type)):
        seen = _fitting(source, target.type, kind)
        yield Loss(
            column=source.name, kind=kind, source=str(source.type), target=str(target.type), what=what, seen=seen
        )
    if source.empty and not target.empty and source.type.kind in ("string", "binary"):
        what = "an empty value becomes NULL, which the target does not tell apart"
        yield Loss(column=source.name, kind="null", source=str(source.type), target=str(target.type), what=what)
    if source.null and not target.null:
        what = "NULL is allowed in the source and refused by the target"
        yield Loss(column=source.name, kind="null", source="NULL", target="NOT NULL", what=what)


def _fitting(source: Column, target: Type, kind: str) -> str:
    """What was observed, if it would not be lost so."""
    in_bytes = target.in_bytes or target.kind == "binary"
    held = source.observed.type(source.type, in_bytes) if source.observed else None
    if source.observed is None or held is None or any(kind == found for found, _ in gaps(held, target)):
        return ""
    return f"all of it fitted on {source.observed.date}: at most {held}"


def _held(source: Column, target: Column) -> Type:
    """What must fit: what is declared, or what was measured where nothing is declared; a value that comes later and
    does not fit is refused, so it cannot be lost."""
    if source.measured is None:
        return source.type
    return target.type if source.measured == NO_VALUES else source.measured


NO_VALUES = Type("decimal", 1, 1)
DIGITS = {8: 3, 16: 5, 32: 10, 64: 19}


def gaps(source: Type, target: Type) -> list[tuple[str, str]]:
    """Pairs of loss kind and sentence; empty when every value of the source's type fits the target's exactly."""
    if source == target:
        return []
    s, t = source.kind, target.kind
    if s == t:
        return _same_kind(source, target)
    if s == "list" and t in ("string", "json") and source.inmost.kind == "json":
        return [*_to_text(source, target), ("null", "an item that is NULL becomes the null of JSON")]
    if t == "string":
        return _to_text(source, target)
    if (s, t) in {("bool", "int"), ("date", "timestamp"), ("uuid", "json"), ("list", "json")}:
        zone = [("zone", f"{source} has no zone and is read as UTC")] if target.utc else []
        return zone + _years(source, target)
    if s == "int" and t in ("decimal", "float"):
        return _int_to(source, target)
    if (s, t) == ("bool", "decimal"):
        return []
    if s in ("decimal", "float") and t in ("int", "float", "decimal"):
        return [("rounds", f"{source} is rounded to {target}")]
    if (s, t) == ("timestamp", "date"):
        return [("cuts", "the time of day is dropped")]
    if (s, t) == ("string", "json"):
        return [("type", "text that is not JSON is refused")]
    return [("type", f"{source} is read as {target}; values that do not fit are refused")]


def _same_kind(source: Type, target: Type) -> list[tuple[str, str]]:
    found = []
    if source.kind == "list" and source.item and target.item:
        return gaps(source.item, target.item)
    if source.kind in ("int", "float"):
        found += _widths(source, target)
    if source.kind == "decimal" and target.size is not None:
        if source.size is None:
            found.append(("narrows", f"decimals have no limit in the source; {target} has"))
        else:
            if source.scale > target.scale:
                found.append(("rounds", f"{source.scale} decimals are rounded to {target.scale}"))
            if source.size - source.scale > target.size - target.scale:
                found.append(("narrows", f"{source.size - source.scale} digits before the point do not fit {target}"))
    if source.kind in ("string", "binary") and target.size is not None:
        wide = None if source.size is None else source.size * (4 if target.in_bytes and not source.in_bytes else 1)
        if wide is None or wide > target.size:
            found.append(("cuts", f"{source} can be longer than {target}"))
    if source.kind in ("time", "timestamp") and (source.size or 0) > (target.size or 0):
        found.append(("rounds", f"{source.size} digits of a second are rounded to {target.size}"))
    if source.kind == "timestamp":
        found += _years(source, target)
    if source.kind == "timestamp" and source.utc != target.utc:
        found.append(("zone", "the zone is dropped, UTC is kept" if source.utc else "no zone: read as UTC"))
    return found


def _years(source: Type, target: Type) -> list[tuple[str, str]]:
    """Nanoseconds have 64 bits, and less room for years than other moments."""
    if target.kind != "timestamp" or (target.size or 0) <= 6 or (source.kind == "timestamp" and (source.size or 0) > 6):
        return []
    return [("narrows", f"years before 1678 and after 2261 do not fit {target}")]


def _widths(source: Type, target: Type) -> list[tuple[str, str]]:
    size, room = source.size or 64, target.size or 64
    if source.kind == "float":
        return [("rounds", f"{source} is rounded to {target}")] if size > room else []
    if source.unsigned and not target.unsigned and room <= size:
        return [("narrows", f"{source} reaches beyond {target}")]
    if not source.unsigned and target.unsigned:
        return [("narrows", f"negative numbers do not fit {target}")]
    return [("narrows", f"{source} is wider than {target}")] if size > room else []


def _int_to(source: Type, target: Type) -> list[tuple[str, str]]:
    if target.kind == "float":
        room = 53 if target.size == 64 else 24
        return [("rounds", f"{source} beyond 2^{room} is rounded")] if (source.size or 64) > room else []
    digits = 20 if source.unsigned and source.size == 64 else DIGITS[source.size or 64]
    if target.size is None or target.size - target.scale >= digits:
        return []
    return [("narrows", f"{digits} digits do not fit {target}")]


_TEXT_WIDTH = {"uuid": 36, "bool": 1, "date": 10, "time": 15, "timestamp": 26, "float": 24}


def text_width(type_: Type) -> int | None:
    """The characters of the longest text of a type's values; None where there is no longest."""
    match type_.kind:
        case "int":
            digits = DIGITS[type_.size or 64]
            return digits if type_.unsigned and type_.size != 64 else digits + 1  # 20 digits, or a sign
        case "decimal" if type_.size is not None:
            return type_.size + 1 + (type_.scale > 0) + (type_.scale == type_.size)  # sign, point, a zero before it
        case "time" | "timestamp" if (type_.size or 0) > 6:
            return _TEXT_WIDTH[type_.kind] + 3
        case kind:
            return _TEXT_WIDTH.get(kind)


def _to_text(source: Type, target: Type) -> list[tuple[str, str]]:
    if source.kind == "binary":
        return [("type", "bytes become hexadecimal text")]
    width = text_width(source)
    if target.size is not None and (width is None or width > target.size):
        return [("cuts", f"the text of {source} can be longer than {target}")]
    return []
