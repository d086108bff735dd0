"""Looks whether a table is as it should be."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from lading.binding import select
from lading.spec import Step, Words

if TYPE_CHECKING:
    from lading.desk import Desk, Outcome

RULES = (
    "not_empty", "unique", "not_null", "between", "accepted", "references", "freshness", "rows", "sql",
)  # fmt: skip
_PLAIN = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
Value = str | int | float | bool | date


class Between(BaseModel):
    """A column whose values are between two others, both included."""

    model_config = _PLAIN
    column: str
    low: Value | None = None
    high: Value | None = None


class Accepted(BaseModel):
    """A column that holds no other values."""

    model_config = _PLAIN
    column: str
    values: tuple[Value, ...] = Field(min_length=1)


class References(BaseModel):
    """Columns whose values are those of a row of another table."""

    model_config = _PLAIN
    columns: Words
    table: str
    to: Words = ()


class Freshness(BaseModel):
    """A column of moments, the newest of which is not older than so many hours."""

    model_config = _PLAIN
    column: str
    hours: float = Field(gt=0)


def _share(value: Any) -> Any:
    """A part of a hundred, as people write it."""
    text = str(value).strip()
    if not text.endswith("%"):
        raise ValueError(f"'within' is a percentage, not '{value}'. Write one like '30 %'.")
    return text.removesuffix("%").strip()


class Count(BaseModel):
    """How many rows there are: at least and at most, or about as many as usual."""

    model_config = _PLAIN
    low: int = Field(0, alias="min", ge=0)
    high: int | None = Field(None, alias="max", ge=0)
    near: Literal["usual"] | None = None
    within: Annotated[float | None, BeforeValidator(_share)] = Field(None, gt=0, validate_default=False)

    @model_validator(mode="after")
    def _both(self) -> Count:
        if (self.near is None) != (self.within is None):
            raise ValueError("'near' and 'within' go together. Write {near: usual, within: 30 %}.")
        return self


def _select(value: Any) -> Any:
    if isinstance(value, str):
        select(value)
    return value


class Rule(BaseModel):
    """One rule, and what it means when it is broken."""

    model_config = _PLAIN

    not_empty: Literal[True] | None = Field(None, description="yes: there is a row.")
    unique: Words = Field((), description="Columns whose values no two rows share.")
    not_null: Words = Field((), description="Columns without NULL.")
    between: Between | None = Field(None, description="A map of 'column', 'low' and 'high'.")
    accepted: Accepted | None = Field(None, description="A map of 'column' and its only 'values'.")
    references: References | None = Field(
        None, description="A map of 'columns' and the 'table' that has them, there called 'to'."
    )
    freshness: Freshness | None = Field(None, description="A map of 'column' and 'hours', in UTC where it has no zone.")
    rows: Count | None = Field(
        None,
        description="A map of 'min' and 'max', or {near: usual, within: 30 %}: about as many as in the middle one of "
        "the step's last runs that were proved, seven at most; kept while there are fewer than three.",
    )
    sql: Annotated[str | None, BeforeValidator(_select)] = Field(
        None, description="A select of the rows that should not be there. Parameters are :name."
    )
    severity: Literal["error", "warn"] = Field("error", description="warn: the step is unproved instead of failed.")

    @model_validator(mode="after")
    def _one(self) -> Rule:
        named = [name for name in RULES if getattr(self, name) not in (None, ())]
        if len(named) != 1:
            raise ValueError(f"A rule is one of {', '.join(RULES)}. Write one, and 'severity' if it is only a warning.")
        if self.between and self.between.low is None and self.between.high is None:
            raise ValueError("'between' has neither 'low' nor 'high'. Write one of them, or both.")
        if self.references and len(self.references.to) not in (0, len(self.references.columns)):
            raise ValueError("'to' of 'references' names not as many columns as 'columns'. Name each, or leave it out.")
        return self

    @property
    def name(self) -> str:
        return next(name for name in RULES if getattr(self, name) not in (None, ()))


class Check(Step):
    """Looks whether a table is as it should be, in its own database."""

    places: ClassVar[tuple[str, ...]] = ("at",)

    do: Literal["check"] = "check"
    at: str = Field(description="The connection to a database: a name from connections.yaml, or a URL.")
    on: str = Field(min_length=1, description="The table: 'table' or 'schema.table'.")
    rules: tuple[Rule, ...] = Field(min_length=1, description="What must be so.")


def run(step: Check, desk: Desk) -> Outcome:
    from lading.attempts import usual
    from lading.checking import Checking, broken
    from lading.desk import Outcome
    from lading.errors import DataError, SpecError, Unsupported
    from lading.find import shown
    from lading.prove import State
    from lading.render import plural
    from lading.sql import SqlSession

    wrong: dict[str, list[str]] = {"error": [], "warn": []}
    connection = desk.connection(step.at)
    with desk.opened(step.at) as session:
        if not isinstance(session, SqlSession):
            raise Unsupported(
                f"{shown(step.at)} is no database that can be asked.", "Check the table where it is moved to."
            )
        table = session.describe(step.on)
        if table is None:
            raise SpecError(f"{shown(step.at)} has no table '{step.on}'.", "Correct 'on', or make the table first.")
        checking = Checking(session, table, desk.params, connection.hidden(table))
        place, counted = f"{shown(step.at)} {step.on}", dict[str, int]()
        if any(rule.rows and rule.rows.near for rule in step.rules):
            counted[place] = checking.count(checking.name)
            earlier = usual(desk.store, desk.pipeline.name, step.key, place)
            checking = checking._replace(usual=(counted[place], *earlier))
            desk.note(
                step, f"rows: {counted[place]:,}, before that {', '.join(f'{n:,}' for n in earlier) or 'unknown'}"
            )
        for rule in step.rules:
            desk.go_on()
            found = broken(checking, rule)
            desk.note(step, f"{rule.name}: {found or 'kept'}")
            if found:
                wrong[rule.severity].append(found)
    said = "; ".join(wrong["error"] + wrong["warn"])
    count = plural(len(step.rules), "rule")
    if wrong["error"]:
        kind = DataError.kind
        return Outcome(state=State.FAILED, error=f"'{step.on}': {said}.", error_kind=kind, says=f"{count} looked at")
    if said:
        return Outcome(state=State.UNPROVED, says=f"'{step.on}': {said}", counted=counted)
    return Outcome(state=State.PROVED, says=f"{step.on} keeps {count}", counted=counted)
