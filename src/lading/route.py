"""What stands on the way of a value between two columns, as plain data: places, code, findings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lading.schema import Loss, Table
from lading.types import Type, typed

PlaceKind = Literal[
    "source column", "view column", "file field", "column", "inner view column", "cast", "expression", "parameter",
    "variable", "result", "stage column", "target column", "API attribute", "export field",
]  # fmt: skip
LATER_ROWS = "where STRICT_TRANS_TABLES cuts all rows of a statement but the first without an error"
"""Of tables of MySQL and MariaDB without transactions."""
Fact = Literal["catalogue", "parsed", "measured", "declared"]
Level = Literal["blocks", "warns", "notes", "unknown"]


class Place(BaseModel, frozen=True):
    """One place that a value passes. `type` is None where it is not known, and `why` says so. `characters`, `bytes`,
    `precision`, `scale` and `zone` (whether it is an instant) are those of the type; None where it sets none. `charset`
    is empty where the system has one for all. `null` says whether NULL is taken; None where nothing is said. `loose`
    says that the system cuts here where it would refuse elsewhere; `grows` that a value can leave longer than it came,
    by `characters` where that is known; `refuses` that it was declared to refuse what does not fit. `caught` is the
    line of its code that catches the error of a value that is refused, and raises none. A `file field` is read from a
    file. An `export field` is written to one: by Lading, or, with a `code`, by others, as was declared. An `inner view
    column` is one that another view reads."""

    kind: PlaceKind
    name: str
    type: Type | None = None
    native: str = ""
    system: str = ""
    code: str = ""
    """The view, routine, trigger, interface or file that it is part of."""
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
    refuses: bool = False
    caught: int = 0
    fact: Fact = "catalogue"
    why: str = ""

    @property
    def begins(self) -> bool:
        """Whether Lading itself reads from it."""
        return self.kind in ("source column", "view column", "file field")

    @property
    def ends(self) -> bool:
        """Whether Lading itself writes to it."""
        return self.kind in ("stage column", "target column") or (self.kind == "export field" and not self.code)

    @property
    def declared(self) -> bool:
        """Whether it is on the way by a person's word alone."""
        return self.kind in ("API attribute", "export field") and not self.ends


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


class Computed(BaseModel, frozen=True):
    """A column that a system computes by itself, with its expression. `virtual` says that no value is kept, so that one
    which does not fit the column's type is refused by nobody."""

    table: str
    column: str
    text: str
    virtual: bool = False


class Code(BaseModel, frozen=True):
    """A view, a routine or a trigger, as a catalogue has it. `text` is a query, or a body with or without its head.
    `language` is the one of the text: sql, plpgsql, tsql, mysql; others are not read. `loose` says that values which
    do not fit are cut inside it, `loose_call` that they are when it is called. `skips_null` says that with a NULL it
    is not run at all. `columns` are those of a view. `tables` are those that the text names. `parts` are the partitions
    that a trigger stands on, where it does not stand on the table itself. `within` is the schema of names without one;
    empty where it is not known. `beside` are pairs of a table that a routine names and what else is done there to a
    row that is written. `computed` are columns of those tables. `own` are functions that it calls by a name which
    people gave to one of theirs. `views` are those that a routine or trigger names, with those that they read.
    `charset` is that of texts that it declares without one, where that is not all that there is."""

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
    beside: tuple[tuple[str, str], ...] = ()
    computed: tuple[Computed, ...] = ()
    own: tuple[str, ...] = ()
    charset: str = ""
    views: tuple[Code, ...] = ()


class Route(BaseModel, frozen=True):
    """What stands around one table: the views it is made of, itself the first, or its triggers; the character sets of
    its columns; and where it is a file, by column where its type comes from. `unread` are sentences about what changes
    written rows and could not be read, `beyond` about what holds its rows elsewhere; each with what to do."""

    views: tuple[Code, ...] = ()
    triggers: tuple[Code, ...] = ()
    charsets: dict[str, str] = {}
    fields: dict[str, Fact] = {}
    unread: tuple[tuple[str, str], ...] = ()
    beyond: tuple[tuple[str, str], ...] = ()


class Declared(BaseModel):
    """A place that rows pass on their way and that nobody can read: an interface, or a file that others write."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api: str = Field("", description="The interface's name; its columns are API attributes.")
    export: str = Field("", description="In place of 'api': the file's name; its columns are export fields.")
    columns: dict[str, str] = Field(
        min_length=1, description="The types that it has room for, by 'column' or 'table.column' of the source."
    )
    required: tuple[str, ...] = Field((), description="Those of these columns that take no NULL.")
    refuses: bool = Field(
        False, description="Whether it refuses what does not fit; if not, it is taken for cutting that without a word."
    )

    _types = field_validator("columns")(typed)

    @model_validator(mode="after")
    def _one_place(self) -> Declared:
        if bool(self.api) == bool(self.export):
            raise ValueError("It takes one of 'api' and 'export'. Write one of them, with a name.")
        if lost := [name for name in self.required if name not in self.columns]:
            raise ValueError(f"'required' names '{lost[0]}', which is not in 'columns'. Add it there with its type.")
        return self

    @property
    def name(self) -> str:
        return self.api or self.export

    def word(self, table: Table, column: str) -> str | None:
        """The word in `columns` that means a column of a table."""
        forms = (f"{table.full_name}.{column}", f"{table.name}.{column}", column)
        return next((form for form in forms if form in self.columns), None)
