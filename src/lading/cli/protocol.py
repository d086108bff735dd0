"""One step for another program: a JSON object a line on standard output, and an exit code that says what to do."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lading.progress import Line, Quiet

if TYPE_CHECKING:
    from lading.spec import Step

CODES = {
    "done": (0, "The step is done or proved; also when it was done before."),
    "failed": (1, "It failed, and would fail again."),
    "unproved": (3, "It is done, and not everything could be proved."),
    "skipped": (10, "It was left out, or there was nothing to do."),
    "try again": (75, "A system did not answer, time was up, or another process is at it: try again."),
    "wrong": (78, "The pipeline, a setting or a right is wrong: trying again is of no use."),
    "cancelled": (130, "It was interrupted or cancelled; it goes on where it was when it is carried out again."),
}
SECONDS = 2
"""How often it is said how far a table has come."""


class Lines(Quiet):
    """Says how a step goes, a JSON object a line."""

    def __init__(self) -> None:
        super().__init__()
        self._said = 0.0

    def say(self, event: str, **values: Any) -> None:
        sys.stdout.write(json.dumps({"event": event, **values}, ensure_ascii=False, default=str) + "\n")
        sys.stdout.flush()

    def step_began(self, step: Step) -> None:
        self.say("began", step=step.key, do=step.do, version=step.version)

    def began(self, line: Line) -> None:
        self.say("table", table=line.name, state=line.word, rows=0, about=line.rows)

    def ended(self, line: Line) -> None:
        self.say("table", table=line.name, state=line.word, rows=line.moved)

    def moved(self, table: str, rows: int, bytes: int) -> None:
        super().moved(table, rows, bytes)
        if time.monotonic() - self._said > SECONDS:
            self._said = time.monotonic()
            self.say("table", table=table, state=self.lines[table].word, rows=self.lines[table].moved)


def carried_out(of: tuple[str, str], step: str, run: str, given: Mapping[str, str]) -> int:
    """Carries out a step of a pipeline, or of the release with a hash, and returns the exit code."""
    from lading import actions
    from lading.errors import AT_WORK, CANCELLED, AccessDenied, LadingError, SpecError, Unreachable, Unsupported

    lines = Lines()
    try:
        found = actions.run_step(of[0], step, run, lines, given, of[1])
        kind, values = found.error_kind, found.model_dump(mode="json")
    except KeyboardInterrupt:
        code = CODES["cancelled"][0]
        lines.say("ended", run=run, code=code, key=step, state="cancelled")
        raise SystemExit(code) from None
    except LadingError as error:
        if error.code == CANCELLED:
            lines.say("ended", run=run, code=error.code, key=step, state="cancelled", error=str(error))
            return error.code
        kind = Unreachable.kind if error.code == AT_WORK else error.kind
        values = {"key": step, "state": "failed", "error": str(error), "error_kind": kind}
    word = str(values["state"])
    if word == "failed":
        wrong = (SpecError.kind, Unsupported.kind, AccessDenied.kind)
        word = "try again" if kind == Unreachable.kind else "wrong" if kind in wrong else word
    code = CODES["done" if word == "proved" else word][0]
    lines.say("ended", run=run, code=code, **values)
    return code
