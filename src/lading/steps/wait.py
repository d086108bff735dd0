"""Waits for a time, a file, another pipeline or a fresh table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lading.schedule import Clock, Zone
from lading.spec import Name, Step

if TYPE_CHECKING:
    from lading.desk import Desk, Outcome

_PLAIN = ConfigDict(frozen=True, extra="forbid")
THINGS = ("time", "file", "pipeline", "table")


class Moment(BaseModel):
    """A time of the day on which the step begins."""

    model_config = _PLAIN
    at: Clock = Field(description="Such as '06:00', in quotes.")
    zone: Zone = Field("UTC", description="Such as America/New_York.")


class Ended(BaseModel):
    """A pipeline whose last run did not fail and ended not longer ago than so many hours."""

    model_config = _PLAIN
    name: Name
    hours: float = Field(24, gt=0)


class Fresh(BaseModel):
    """A table whose newest moment in a column is not older than so many hours."""

    model_config = _PLAIN
    at: str
    name: str
    column: str
    hours: float = Field(gt=0)


class Wait(Step):
    """Looks again and again until what it waits for is there."""

    do: Literal["wait"] = "wait"
    time: Moment | None = Field(None, description="A time of day: a map of 'at' and 'zone'.")
    file: str | None = Field(
        None, min_length=1, description="A file or a pattern, in the project's folder; of the same size at two looks."
    )
    pipeline: Ended | None = Field(None, description="Another pipeline's last run: a map of 'name' and 'hours'.")
    table: Fresh | None = Field(None, description="A fresh table: a map of 'at', 'name', 'column' and 'hours'.")
    every_seconds: float = Field(30, gt=0, description="How often it looks.")
    for_seconds: int = Field(3600, ge=0, description="How long it waits at most.")
    otherwise: Literal["fail", "skip"] = Field("fail", description="What it does when that time is over.")

    @model_validator(mode="after")
    def _one_thing(self) -> Wait:
        if sum(getattr(self, name) is not None for name in THINGS) != 1:
            raise ValueError(f"It waits for one thing: {', '.join(THINGS)}. Write one of them.")
        return self


def run(step: Wait, desk: Desk) -> Outcome:
    from time import monotonic

    from lading.desk import Outcome
    from lading.ending import Stopped
    from lading.errors import DataError
    from lading.prove import State
    from lading.waiting import looking

    began, look = monotonic(), looking(step, desk)
    while True:
        there, said = look()
        if there:
            return Outcome(state=State.DONE, says=said)
        left = began + step.for_seconds - monotonic()
        if left <= 0:
            break
        if desk.over.wait(min(step.every_seconds, left)):
            raise Stopped
    what = f"It waited {step.for_seconds:,} seconds: {said}."
    if step.otherwise == "skip":
        return Outcome(state=State.SKIPPED, says=what)
    fix = "Find out why, or raise 'for_seconds'."
    return Outcome(state=State.FAILED, error=f"{what} {fix}", error_kind=DataError.kind)
