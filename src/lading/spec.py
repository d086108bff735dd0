"""What people write: pipelines and their steps."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)  # fmt: skip

from lading import find, memory
from lading.errors import SpecError, masked
from lading.prove import Level
from lading.route import Declared
from lading.schedule import Interval, Schedule
from lading.schema import LOSSES, Mode

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]


def listed(value: Any) -> Any:
    """A list of one, where only that one is written."""
    return [value] if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(listed)]


def _losses(words: tuple[str, ...]) -> tuple[str, ...]:
    for each in words:  # a bill that accepts all has what is unknown among its losses, and a repair accepts those
        if not any(fnmatchcase(kind, each.rpartition(":")[2]) for kind in (*LOSSES, "unknown")):
            raise ValueError(f"'accept' names '{each}', which is no loss. There are: {', '.join(sorted(LOSSES))}.")
    return words


Accepted = Annotated[Words, AfterValidator(_losses)]


class OnFailure(StrEnum):
    """What a step's failure means for the others; the run has failed in any case."""

    STOP = "stop"
    SKIP = "skip"
    GO_ON = "go_on"


class Step(BaseModel):
    """What the steps of every kind have."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    key: Name = Field(description="The step's name within its pipeline.")
    do: str = Field(description="The kind of step.")
    title: str = Field("", description="A few words for people.")
    description: str = Field("", description="What it does and for whom.")
    after: Words = Field((), description="The steps that must be done before this one.")
    retries: int = Field(2, ge=0, description="How often it is tried again when a system does not answer.")
    retry_seconds: int = Field(10, ge=0, description="How long to wait before that, doubled each time.")
    timeout_seconds: int | None = Field(None, ge=1, description="After how long an attempt is ended.")
    on_failure: OnFailure = Field(
        OnFailure.STOP, description="stop: nothing more begins; skip: the steps after it are left out; go_on."
    )

    closing: ClassVar[bool] = False
    """Whether it is carried out after all others, whatever became of them."""
    version: ClassVar[int] = 1
    """Raised when the same options come to mean something else."""
    places: ClassVar[tuple[str, ...]] = ()
    """The fields that name connections."""
    writes: ClassVar[tuple[str, ...]] = ()
    """Those of them at which it writes."""
    refers: ClassVar[tuple[str, ...]] = ()
    """The fields that name steps that move tables."""
    texts: ClassVar[Mapping[str, str]] = {}
    """Fields that name files, each with the field that takes the file's text."""

    @property
    def digest(self) -> str:
        """32 hexadecimal digits: the same for what does the same."""
        told = self.model_dump_json(exclude=set(Step.model_fields) - {"key", "do"})
        return hashlib.sha256(f"{self.version} {told}".encode()).hexdigest()[:32]

    @property
    def uses(self) -> dict[str, bool]:
        """The connections that it works at, each with whether it writes there."""
        return {name: field in self.writes for field in self.places if (name := getattr(self, field)) is not None}


class Input(BaseModel):
    """A table that a step is given: 'connection.table', or a map of both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: str = Field(description="The connection to read: a name from connections.yaml, or a URL.")
    table: str = Field(description="The table: 'table' or 'schema.table'.")

    @model_validator(mode="before")
    @classmethod
    def _of_a_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        at, _, table = value.partition(".")
        if not (at and table) or "://" in value:
            raise ValueError(
                f"'{masked(value)}' names no table. Write 'connection.table', or {{at: URL, table: NAME}}."
            )
        return {"at": at, "table": table}


class Move(Step):
    """Moves tables from one connection to another and proves that they arrived."""

    places: ClassVar[tuple[str, ...]] = ("source", "target")
    writes: ClassVar[tuple[str, ...]] = ("target",)

    key: Name = Field("move", description="The step's name within its pipeline.")
    do: Literal["move"] = "move"
    source: str = Field(alias="from", description="The connection to read: a name from connections.yaml, or a URL.")
    target: str = Field(alias="to", description="The connection to write: a name from connections.yaml, or a URL.")
    tables: Words = Field(("*",), description="Tables to move; * and ? stand for any characters: 'sales.*'.")
    exclude: Words = Field((), description="Tables to leave out, or columns of them: 'audit', 'orders.note'.")
    into: str | dict[str, str] | None = Field(
        None, description="A schema for all tables, or a map from source table to target table."
    )
    mode: Mode = Field(Mode.REPLACE, description="replace, append or merge.")
    merge_key: Words = Field((), description="Columns that identify a row, where the source declares no key.")
    since: str | None = Field(None, description="Move only rows whose value in this column is new; merged by key.")
    overlap_seconds: int = Field(300, ge=0, description="How far 'since' reaches back before the last moment or day.")
    overlap_values: int = Field(1_000, ge=0, description="How far 'since' reaches back before the last number.")
    accept: Accepted = Field(
        (), description="Losses to accept: 'rounds', 'amount:rounds' or 'sales.orders.amount:rounds'."
    )
    through: Annotated[tuple[str | Declared, ...], BeforeValidator(listed)] = Field(
        (),
        description="Routines that the rows pass on their way, 'schema.name' or 'connection:schema.name'; in a "
        "pipeline also maps of what nobody can read.",
    )
    proof: Level = Field(Level.ROWS, description="counts, columns, rows or full.")
    max_rejects: int = Field(0, ge=0, description="How many refused rows a table may have before its run stops.")
    together: bool = Field(False, description="Publish all tables in one transaction.")
    record: bool = Field(False, description="Add the run's verdicts to the table 'lading_bills' of the target.")
    gentle: int = Field(
        0,
        ge=0,
        description="At most so many rows a second, one stream, two seconds for locks; 0: no limit.",
    )
    memory: str = Field(
        "",
        description="At most so much memory for this process, 256MiB or more, as 512MiB or 1GiB; empty: no limit.",
    )
    slice_rows: int = Field(500_000, ge=1, description="About how many rows are staged, and resumed, at a time.")

    @field_validator("memory")
    @classmethod
    def _a_size(cls, text: str) -> str:
        memory.size(text)
        return text

    @model_validator(mode="after")
    def _since_merges(self) -> Move:
        if self.since and self.mode is Mode.REPLACE:
            raise ValueError("'since' moves a part of a table and 'replace' would drop the rest. Use 'mode: merge'.")
        if self.since and self.mode is Mode.APPEND:
            raise ValueError("'since' reads the newest rows again and 'append' would double them. Use 'mode: merge'.")
        return self


class Param(BaseModel):
    """A value that a run is given."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    type: Literal["text", "whole", "number", "date", "yes_no"] = Field("text", description="The kind of value.")
    default: str | int | float | bool | date | None = Field(None, description="The value where none is given.")
    choices: tuple[str | int | float, ...] = Field((), description="The only values that may be given.")
    from_: Literal["due", "due_before"] | None = Field(
        None,
        alias="from",
        description="due: the due time of the run, due_before: the one before it, of a run that has one; a 'date' on "
        "the schedule's clock, or a 'text' in UTC.",
    )
    description: str = Field("", description="What it is for.")

    @field_validator("default")
    @classmethod
    def _of_its_type(cls, found: Any, of: ValidationInfo) -> Any:
        type = of.data.get("type", "text")
        if found is not None and _read(type, found) is None:
            raise ValueError(f"'default' must be {_WORDS[type]}, not '{found}'.")
        return found

    @model_validator(mode="after")
    def _one_of_them(self) -> Param:
        if self.choices and self.default is not None and _read(self.type, self.default) not in self.choices:
            raise ValueError(f"'default' must be one of {', '.join(map(str, self.choices))}, not '{self.default}'.")
        return self

    @model_validator(mode="after")
    def _a_moment(self) -> Param:
        if self.from_ and self.type not in ("date", "text"):
            what = f"'from: {self.from_}' gives a moment, which is no value of the type '{self.type}'."
            raise ValueError(f"{what} Write 'type: date' or 'type: text'.")
        return self

    def moment(self, of: Interval) -> str | None:
        """Its value in the run of a due time; None where it is none of that."""
        if self.from_ is None:
            return None
        found = of.due if self.from_ == "due" else of.before
        day = found.astimezone(ZoneInfo(of.zone)).date()
        return f"{day}" if self.type == "date" else f"{found.astimezone(UTC):%Y-%m-%d %H:%M:%S}"

    def standing_in(self) -> Param:
        """The same with today's moment where only a run has it, so that what uses it can be looked at."""
        now = datetime.now(UTC)
        today = self.moment(Interval(now - timedelta(days=1), now, "UTC"))
        return self.model_copy(update={"default": today}) if self.default is None else self

    def value(self, name: str, given: Any = None) -> Any:
        """What a parameter stands for in a run. Raises SpecError for what it cannot be."""
        found = self.default if given is None else given
        if found is None:
            why = " This run has no due time to take it from." if self.from_ else ""
            raise SpecError(f"The pipeline needs the parameter '{name}'.{why}", f"Give it: --param {name}=...")
        if (read := _read(self.type, found)) is None:
            raise SpecError(f"Parameter '{name}' must be {_WORDS[self.type]}, not '{found}'.", self.description)
        if self.choices and read not in self.choices:
            raise SpecError(
                f"Parameter '{name}' must be one of {', '.join(map(str, self.choices))}, not '{found}'.", ""
            )
        return read


_VALUES: dict[str, Callable[[Any], Any]] = {
    "text": str, "whole": lambda v: int(str(v)), "number": lambda v: float(str(v)),
    "date": lambda v: date.fromisoformat(str(v)),
    "yes_no": lambda v: {"yes": True, "true": True, "no": False, "false": False}[str(v).lower()],
}  # fmt: skip


def _read(type: str, found: Any) -> Any:
    """The value of a type that was given in whatever form; None where it is none."""
    try:
        return _VALUES[type](found)
    except (KeyError, ValueError):
        return None


_WORDS = {"text": "text", "whole": "a whole number", "number": "a number", "yes_no": "yes or no",
          "date": "a date such as 2026-02-28"}  # fmt: skip


def _built(value: Any) -> Any:
    """A step of the kind that its 'do' names."""
    if isinstance(value, Mapping):
        return find.step_class(str(value.get("do", "move"))).model_validate(value)
    return value


class Pipeline(BaseModel):
    """A named list of steps, kept in pipelines/NAME.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(description="The file's name without its ending.")
    title: str = Field("", description="A few words for people.")
    description: str = Field("", description="What it does and for whom.")
    owner: str = Field("", description="Who answers for it.")
    params: dict[str, Param] = Field({}, description="Values that a run is given: a map from names to settings.")
    parallel: int = Field(4, ge=1, description="At most so many steps of a run at a time.")
    runs: int = Field(1, ge=1, description="At most so many runs of it at a time.")
    schedule: Schedule | None = Field(None, description="When it runs by itself: a map of options.")
    steps: tuple[Annotated[SerializeAsAny[Step], BeforeValidator(_built)], ...] = Field(
        min_length=1, description="What to do, in order."
    )

    @model_validator(mode="after")
    def _graph(self) -> Pipeline:
        for fault in faults(self.steps):
            raise ValueError(f"{fault.what} {fault.fix}")
        return self

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every parameter as a run has it. Raises SpecError for one that is unknown, lacks, or cannot be so."""
        for name in given:
            if name not in self.params:
                near = get_close_matches(name, self.params, n=1)
                hint = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(self.params) or 'none'}."
                raise SpecError(f"'{self.name}' has no parameter '{name}'.", hint)
        return {name: param.value(name, given.get(name)) for name, param in self.params.items()}

    def step(self, key: str) -> Step | None:
        return next((step for step in self.steps if step.key == key), None)

    def own(self, key: str) -> Step:
        """The step of a key. Raises SpecError where there is none."""
        if (found := self.step(key)) is None:
            raise SpecError(
                f"'{self.name}' has no step '{key}'.", f"There are: {', '.join(s.key for s in self.steps)}."
            )
        return found

    @property
    def moves(self) -> tuple[Move, ...]:
        return tuple(step for step in self.steps if isinstance(step, Move))

    @property
    def order(self) -> tuple[Step, ...]:
        """Each step after those that it follows, else as they are written; those that close the run come last."""
        left, done = list(self.steps), list[Step]()
        while left:
            keys = {step.key for step in left}
            ready = [step for step in left if not keys.intersection(step.after)]
            done.append(min(ready, key=lambda step: step.closing))
            left.remove(done[-1])
        return tuple(done)

    def following(self, key: str) -> set[str]:
        """The keys of a step and of all that come after it."""
        found = {key}
        for step in self.order:
            if found.intersection(step.after):
                found.add(step.key)
        return found


class Fault(NamedTuple):
    """What is wrong with the graph: the number of the step, its option, what, and what to do."""

    step: int
    option: str
    what: str
    fix: str


def faults(steps: Sequence[Step]) -> Iterator[Fault]:
    """What is wrong with the keys of steps, and with what they come after."""
    seen: dict[str, Step] = {}
    for number, step in enumerate(steps):
        if step.key in seen:
            yield Fault(number, "key", f"two steps have the key '{step.key}'.", "Give each step its own.")
            return
        seen[step.key] = step
    moves = [step.key for step in steps if isinstance(step, Move)]
    for number, step in enumerate(steps):
        for name in step.after:
            if name not in seen:
                near = get_close_matches(name, seen, n=1)
                hint = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(sorted(seen))}."
                yield Fault(number, "after", f"step '{step.key}' comes after '{name}', which is no step.", hint)
        for option in step.refers:
            if (name := getattr(step, option)) not in seen:
                known = f"There are: {', '.join(sorted(seen))}."
                yield Fault(number, option, f"step '{step.key}' names '{name}', which is no step.", known)
            elif name not in moves:
                known = f"There are: {', '.join(moves)}." if moves else "Name one with 'do: move'."
                yield Fault(
                    number, option, f"step '{step.key}' names '{name}', which is no step that moves tables.", known
                )
    yield from _circles(steps)


def _circles(steps: Sequence[Step]) -> Iterator[Fault]:
    after = {step.key: step.after for step in steps}
    for number, step in enumerate(steps):
        way, waiting = {step.key: ""}, [step.key]
        while waiting:
            here = waiting.pop()
            for name in after.get(here, ()):
                if name == step.key:
                    names = [here]
                    while way[names[-1]]:
                        names.append(way[names[-1]])
                    shown = " after ".join(f"'{each}'" for each in [*reversed(names), step.key])
                    yield Fault(number, "after", f"steps wait for each other: {shown}.", "Take one 'after' out.")
                    return
                if name not in way:
                    way[name] = here
                    waiting.append(name)
