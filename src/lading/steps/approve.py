"""Waits until a person approves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lading.spec import Step

if TYPE_CHECKING:
    from lading.desk import Desk, Outcome

LOOK_SECONDS = 1.0


class Approve(Step):
    """Waits until a person says `lading approve RUN STEP`, or refuses."""

    do: Literal["approve"] = "approve"
    asks: str = Field("", description="What the person is asked.")
    for_seconds: int = Field(86_400, ge=0, description="How long it waits at most.")


def run(step: Approve, desk: Desk) -> Outcome:
    from time import monotonic

    from lading.attempts import approval
    from lading.desk import Outcome
    from lading.ending import Stopped
    from lading.errors import AccessDenied, DataError
    from lading.prove import State

    began = monotonic()
    desk.note(step, f"{step.asks} Waiting for: lading approve {desk.run} {step.key}".strip())
    while (found := approval(desk.store, desk.run, step.key)) is None:
        if monotonic() - began >= step.for_seconds:
            error = f"Nobody approved within {step.for_seconds:,} seconds. Run it again and approve."
            return Outcome(state=State.FAILED, error=error, error_kind=DataError.kind)
        if desk.over.wait(LOOK_SECONDS):
            raise Stopped
    why = f": {found.reason}" if found.reason else ""
    if found.granted:
        return Outcome(state=State.DONE, says=f"approved by {found.who}{why}")
    return Outcome(state=State.FAILED, error=f"Refused by {found.who}{why}.", error_kind=AccessDenied.kind)
