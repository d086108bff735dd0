"""What a candidate made beside the live release, as it is kept with the candidate."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel

from lading.compare.outcome import Comparison


class Shadow(BaseModel, frozen=True):
    """A table that stands for `table` of a release, beside it: `schema_name` and `name` are its own. `id` is what
    removes it, as a load. `step` makes it, and the steps `more` write to it after that."""

    at: str
    table: str
    id: str
    schema_name: str | None = None
    step: str = ""
    more: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[str, ...]:
        return self.step, *self.more

    @property
    def name(self) -> str:
        return f"lading_{self.id}"

    @property
    def full_name(self) -> str:
        return f"{self.schema_name}.{self.name}" if self.schema_name else self.name


class Found(StrEnum):
    """How a table of the candidate is beside that of the live release."""

    EQUAL = "equal"
    EXPECTED = "expected"
    """It differs in nothing but what was named beforehand."""
    DIFFERENT = "different"
    UNKNOWN = "unknown"
    """It could not be compared, or not all of it."""


class Met(BaseModel, frozen=True):
    """One table of both. `columns` are those whose values differ, or which only one side has."""

    at: str
    table: str
    found: Found
    columns: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    comparison: Comparison | None = None


class Canary(BaseModel, frozen=True):
    """A candidate beside the live release. `stopped` says why it is not live; empty when it went live. `runs` are
    those of the live release and of the candidate, `left` steps that were not carried out, each with the reason."""

    live: int
    number: int = 0
    runs: tuple[str, str]
    tables: tuple[Met, ...] = ()
    same: tuple[str, ...] = ()
    """Steps that are the same in both, and were not carried out."""
    left: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    shadows: tuple[Shadow, ...] = ()
    kept: bool = False
    stopped: str = ""
