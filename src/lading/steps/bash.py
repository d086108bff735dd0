"""Runs a script of the shell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from lading.spec import Step, Words

if TYPE_CHECKING:
    from lading.desk import Desk, Outcome

SKIPPED = 10
"""The exit code by which a script says that there was nothing to do."""


class Bash(Step):
    """Runs a script of bash, whose output goes to the step's log. Exit code 0 is done, 10 skipped, 75 worth trying
    again, any other failed. Parameters are in its environment as PARAM_NAME, besides LADING_RUN and LADING_STEP."""

    texts: ClassVar[Mapping[str, str]] = {"file": "script"}

    do: Literal["bash"] = "bash"
    script: str | None = Field(None, description="What to run; it stops at the first command that fails.")
    file: str | None = Field(None, description="A file with the script, beside the pipeline's.")
    env: dict[str, str] = Field({}, description="Variables that it is given, a map from names to values.")
    secrets: Words = Field(
        (), description="Variables of Lading's own environment that it is given; it has no others of them."
    )

    @model_validator(mode="after")
    def _one_script(self) -> Bash:
        if (self.file is None) == (self.script is None):
            raise ValueError("It takes either 'script' or 'file'. Write one of them.")
        return self


def run(step: Bash, desk: Desk) -> Outcome:
    from lading.calling import AGAIN
    from lading.desk import Outcome
    from lading.errors import DataError, Unreachable
    from lading.process import environment, output
    from lading.prove import State

    env = environment(step.env, step.secrets, desk, step)
    code, last = output(["bash", "-eu", "-o", "pipefail", "-c", step.script or ""], env, desk, step)
    if code == 0:
        return Outcome(state=State.DONE, says=last or "no output")
    if code == SKIPPED:
        return Outcome(state=State.SKIPPED, says=last or "it says that there was nothing to do")
    said = f": {last.rstrip('.')}" if last else ""
    error = f"The script ended with {code}{said}. See {desk.log(step)}."
    kind = Unreachable.kind if code == AGAIN else DataError.kind
    return Outcome(state=State.FAILED, error=error, error_kind=kind, again=code == AGAIN)
