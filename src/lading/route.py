"""What stands on the way of a value between two columns, as plain data: places, code, findings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from lading.schema import Loss, Table
from lading.types import Type

PlaceKind = Literal[
    "source column", "view column", "column", "cast", "expression", "parameter", "variable", "result", "stage column",
    "target column", "trigger", "attribute", "field",
]  # fmt: skip
Fact = Literal["catalogue", "parsed", "measured", "declared"]
Level = Literal["blocks", "warns", "notes", "unknown"]


class Place(BaseModel, frozen=True):
    """One place that a value passes. `type` is None where it is not known, and `why` says so. `characters`, `bytes`,
    `precision`, `scale` and `zone` (whether it is an instant) are those of the type; None where it sets none. `charset`
    is empty where the system has one for all. `null` says whether NULL is taken; None where nothing is said. `loose`
    says that the system cuts here where it would refuse elsewhere; `grows` that a value can leave longer than it came,
    by `characters` where that is known.
    `attribute` is a field of an interface, `field` one of a file that is handed on: both are declared."""

    kind: PlaceKind
    name: str
    type: Type | None = None
    native: str = ""
    system: str = ""
    code: str = ""
    """The view, routine or trigger that it is part of."""
    line: int = 0
    charset: str = ""
    characters: int | None = None
    bytes: int | None = None
    precision: int | None = None
    scale: int | None = None
    zone: bool | None = None
    null: bool | None = None
    loose: bool = False
    grows: bool = False
    fact: Fact = "catalogue"
    why: str = ""


class Finding(BaseModel, frozen=True):
    """A place that is narrower than one before it. `level`: `blocks` when the cut would be silent, `warns` when it
    would be refused, `notes` when what was observed fits, `unknown` when it cannot be said. `column` is empty for what
    concerns all columns. `kind` is the word that `accept` takes."""

    column: str
    kind: str
    level: Level
    what: str
    how: str = ""
    fix: str = ""
    before: Place | None = None
    at: Place | None = None
    way: tuple[str, ...] = ()
    accepted: bool = False

    @property
    def loss(self) -> Loss:
        """As the bill tells it."""
        source, target = (each.native if each else "" for each in (self.before, self.at))
        return Loss(column=self.column, kind=self.kind, source=source, target=target, what=self.what)


class Arrival(BaseModel, frozen=True):
    """How a canary's value came through one place: `whole`, `cut`, `changed`, `refused`, or `not sent` with the
    reason."""

    column: str
    at: str
    outcome: Literal["whole", "cut", "changed", "refused", "not sent"]
    what: str = ""


class Parameter(BaseModel, frozen=True):
    """`given` says that a caller hands it over, `back` that it is handed back, `needed` that it has no default."""

    name: str
    native: str
    given: bool = True
    back: bool = False
    needed: bool = True
    charset: str = ""


class Code(BaseModel, frozen=True):
    """A view, a routine or a trigger, as a catalogue has it. `text` is a query, or a body with or without its head.
    `language` is the one of the text: sql, plpgsql, tsql, mysql; others are not read. `loose` says that values which
    do not fit are cut inside it, `loose_call` that they are when it is called. `skips_null` says that with a NULL it
    is not run at all. `columns` are those of a view. `tables` are those that the text names. `parts` are the partitions
    that a trigger stands on, where it does not stand on the table itself. `within` is the schema of names without one;
    empty where it is not known."""

    kind: Literal["view", "procedure", "function", "trigger"]
    name: str
    system: str
    language: str
    text: str = ""
    parameters: tuple[Parameter, ...] = ()
    returns: str = ""
    loose: bool = False
    loose_call: bool = False
    skips_null: bool = False
    columns: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    parts: tuple[str, ...] = ()
    within: str = ""


class Route(BaseModel, frozen=True):
    """What stands around one table: the views it is made of, itself the first, or its triggers; and the character
    sets of its columns."""

    views: tuple[Code, ...] = ()
    triggers: tuple[Code, ...] = ()
    charsets: dict[str, str] = {}
