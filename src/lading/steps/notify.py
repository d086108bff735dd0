"""Tells people how the run came out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from lading.spec import Step, Words, listed

if TYPE_CHECKING:
    from lading.desk import Desk, Outcome

ENVIRONMENT = "LADING_CHANNEL_"
States = Annotated[tuple[Literal["failed", "unproved", "proved", "done", "late"], ...], BeforeValidator(listed)]


class Notify(Step):
    """Tells people how the run came out, after all other steps, whatever became of them. A channel is an environment
    variable, LADING_CHANNEL_ and its name, with an address of Apprise; install it with the extra 'notify'."""

    closing: ClassVar[bool] = True

    do: Literal["notify"] = "notify"
    channel: Words = Field(min_length=1, description="Who is told: 'team' is LADING_CHANNEL_TEAM.")
    when: States = Field(
        ("failed", "unproved"),
        min_length=1,
        description="How the run must have come out; late: before it misses the deadline of its schedule.",
    )
    message: str = Field("", description="What is said before the list of what went wrong.")


def run(step: Notify, desk: Desk) -> Outcome:
    from lading.desk import Outcome
    from lading.prove import State, worst

    state = worst([State.DONE, *(line.state for line in desk.lines)])  # done is what was left out, too
    if state.value not in step.when:
        return Outcome(state=State.SKIPPED, says=f"the run is {state}")
    wrong = [line for line in desk.lines if line.state in (State.FAILED, State.UNPROVED)]
    said = [f"{line.key} {line.state}: {line.error or line.says}" for line in wrong]
    tell(step, f"{desk.pipeline.title or desk.pipeline.name}: {state}", [*said, f"Run {desk.run}"])
    return Outcome(state=State.DONE, says=f"told {', '.join(step.channel)} that it is {state}")


def tell(step: Notify, title: str, lines: Sequence[str]) -> None:
    """Tells the step's channels. Raises what keeps it from doing so."""
    from lading.errors import SpecError, Unreachable, Unsupported, masked
    from lading.process import secret

    try:
        import apprise
    except ImportError as error:
        what = f"A notification needs the library '{error.name}'."
        raise Unsupported(what, "Install it: pip install 'lading[notify]'.") from error
    body = masked("\n".join(filter(None, [step.message, *lines])))
    for name in step.channel:
        told = apprise.Apprise()
        if not told.add(secret(f"{ENVIRONMENT}{name.upper().replace('-', '_')}", f"Channel '{name}'")):
            raise SpecError(f"Channel '{name}' has an address that Apprise does not know.", "Correct it.")
        if not told.notify(title=title, body=body):
            raise Unreachable(f"Channel '{name}' did not take the message.", "Check its address and the network.")
