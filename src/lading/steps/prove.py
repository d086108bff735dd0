"""Compares the tables of a move with their sources, as both are now."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from lading.compare import Asked
from lading.spec import Step

if TYPE_CHECKING:
    from lading.desk import Desk, Outcome


class Prove(Step):
    """Compares the tables of a step `move` with their sources, as both are now, and keeps the diff. Rows that came
    after what the move has seen of 'since' are on their way, and no difference."""

    refers: ClassVar[tuple[str, ...]] = ("step",)

    do: Literal["prove"] = "prove"
    step: str = Field(description="The key of a step 'move' of this pipeline.")
    compare: Asked = Field(Asked(), description="How, a map of the options of 'lading diff'.")


def run(step: Prove, desk: Desk) -> Outcome:
    from lading.compare.outcome import Verdict
    from lading.copying import compared, refuse_strangers
    from lading.desk import Outcome
    from lading.errors import ProofFailed, SpecError
    from lading.prove import State
    from lading.render import plural
    from lading.spec import Move

    move = desk.pipeline.step(step.step)
    if not isinstance(move, Move):
        raise SpecError(f"'{step.step}' is no step that moves tables.", "Name one in 'step'.")
    refuse_strangers((move,), desk.resolve, step.compare)
    found = compared(move, desk.store, (desk.resolve, desk.watch), step.compare, desk.part)
    count = plural(len(found.tables), "table")
    unequal = [f"{table.right}: {table.differing:,}" for table in found.tables if table.verdict is Verdict.DIFFERENT]
    reasons = [reason for table in found.tables for reason in table.reasons]
    reasons += [f"not recorded in 'lading_bills': {found.unrecorded}"] if found.unrecorded else []
    match found.verdict:
        case Verdict.EQUAL if not found.unrecorded:
            return Outcome(state=State.PROVED, says=f"{count} equal")
        case Verdict.EQUAL | Verdict.INCONCLUSIVE:
            return Outcome(state=State.UNPROVED, says="; ".join(reasons) or f"{count} could not be compared")
        case _:
            error = f"Rows differ: {'; '.join(unequal)}. See diff {found.id}, or 'lading repair {found.id}'."
            return Outcome(state=State.FAILED, error=error, error_kind=ProofFailed.kind)
