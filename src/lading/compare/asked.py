"""What a comparison is asked to do."""

from __future__ import annotations

from enum import StrEnum
from fnmatch import fnmatchcase
from math import floor, log10
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Way(StrEnum):
    """How two tables are compared."""

    CO_LOCATED = "co-located"
    """Both sides are streamed to this machine and hashed in passing."""
    IN_PLACE = "in place"
    """Each side hashes its own rows; only what differs is read."""
    AGGREGATES = "aggregates"
    """Each side counts and sums its own columns."""
    SAMPLE = "sample"
    """As co-located, for a part of the keys."""


class Asked(BaseModel):
    """How two tables are compared, and what is shown of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Words = Field((), description="Columns that identify a row, where neither side declares a key.")
    exclude: Words = Field((), description="Columns that are not compared; * and ? stand for any characters.")
    way: Way | None = Field(None, description="How to compare; by default as planned.")
    sample: float = Field(1.0, gt=0, le=1, description="The share of keys to compare, 0.01 for a hundredth.")
    policies: Annotated[tuple[Literal["nfc", "case", "accents", "blanks"], ...], BeforeValidator(_listed)] = Field(
        (),
        description="Texts outside the key that differ only in Unicode form (nfc), case, accents or blanks at the "
        "end are equal, and counted; not in tables without a key.",
    )
    strict: bool = Field(False, description="Values that a narrower type changed count as differences.")
    sensitive: Words = Field((), description="Columns whose values are not shown.")
    wait_seconds: float | None = Field(
        None,
        ge=0,
        le=604_800,
        description="How long to wait before rows that differ are read again, for systems that lag.",
    )
    record: bool = Field(False, description="Add the verdicts to the table 'lading_bills' of the right side.")
    limit: int = Field(100, ge=0, description="How many differences of a table are kept.")
    spool_mb: int = Field(2_048, ge=0, description="How much of a side is kept on disk rather than read twice.")

    @model_validator(mode="after")
    def _sample_has_a_size(self) -> Asked:
        if self.way is Way.SAMPLE and self.sample == 1:
            raise ValueError("A sample of every key is none. Say how many with 'sample', 0.01 for a hundredth.")
        if self.way is Way.AGGREGATES and self.sample < 1:
            raise ValueError("Counts and sums are those of all rows. Leave out 'sample', or compare another way.")
        return self

    def hides(self, column: str) -> bool:
        """Whether the column's values are not to be shown."""
        return any(column == pattern or fnmatchcase(column, pattern) for pattern in self.sensitive)


def percent(share: float) -> str:
    """A share in percent, with two digits however small it is."""
    return f"{share * 100:.{max(2, 1 - floor(log10(share * 100)))}f}%"
