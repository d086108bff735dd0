"""One attempt at a step: the one way in which any runs, whoever calls it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import replace

from lading import attempts, find, render
from lading.desk import Desk, Heard, Outcome
from lading.ending import Ending, Stopped, Stuck
from lading.errors import DataError, LadingError, Unreachable, masked, refused
from lading.prove import State
from lading.run import STOP_SECONDS
from lading.shares import Shares, shares
from lading.spec import Step
from lading.threads import TICK_SECONDS, apart

LOOK_SECONDS = 1
"""How often it is looked whether a run is to end, or others have left what a step needs."""


def attempt(step: Step, desk: Desk, over: Ending) -> Outcome:
    """Carries a step out once. Raises Stopped when it is `over`."""
    before = attempts.last(desk.store, desk.run).get(step.key)
    needed = shares(step, desk)
    number = _begin(step, desk, over, needed)
    try:
        return _attempt(step, desk, over, number, before)
    finally:
        if needed:
            attempts.leave(desk.store, desk.run, step, number)


def _attempt(step: Step, desk: Desk, over: Ending, number: int, before: attempts.Attempt | None) -> Outcome:
    mark = digest(step, desk)
    clock = time.monotonic()
    desk.note(step, f"{step.do} begins, attempt {number}")
    desk.tell(Heard(desk, "START", step, number))

    def settle(outcome: Outcome) -> None:
        attempts.end(desk.store, desk.run, step, number, outcome)

    again = before is not None and before.digest == mark and before.begun
    earlier = attempts.earlier(desk.store, desk.pipeline.name, step, desk.run)
    try:
        outcome = _carried_out(
            step, replace(desk, over=Ending(), again=again, earlier=earlier, settle=settle), over
        )  # fmt: skip
    except BaseException:
        desk.note(step, attempts.INTERRUPTED)
        attempts.end(desk.store, desk.run, step, number, None)
        desk.tell(Heard(desk, "ABORT", step, number))
        raise
    outcome = outcome.model_copy(update={"seconds": round(time.monotonic() - clock, 3)})
    said = outcome.error or outcome.says
    desk.note(step, f"{outcome.state} after {render.clock(outcome.seconds)}{f': {said}' if said else ''}")
    attempts.end(desk.store, desk.run, step, number, outcome)
    desk.tell(Heard(desk, word(outcome.state), step, number, outcome))
    return outcome


def _begin(step: Step, desk: Desk, over: Ending, needed: Shares) -> int:
    """Begins an attempt once others have left what it needs."""
    waits = False
    while not (number := attempts.begin(desk.store, desk.run, step, digest(step, desk), needed)):
        if not waits:
            waits = True
            desk.note(step, f"Waiting for other steps to leave {', '.join(needed)}.")
        if over.wait(LOOK_SECONDS):
            raise Stopped
    return number


def _carried_out(step: Step, desk: Desk, over: Ending) -> Outcome:
    """Runs the step in a thread of its own: here, it is noticed that time or the run is over, whatever a library waits
    for."""
    began = time.monotonic()
    ended: Future[Outcome] = apart(lambda: _kept(step, desk))
    try:
        while wait([ended], timeout=TICK_SECONDS).not_done:
            late = step.timeout_seconds is not None and time.monotonic() - began > step.timeout_seconds
            if not over.is_set() and not late:
                continue
            stopped = _stopped(ended, desk)
            if ended.done() and not ended.exception() and ended.result().state is not State.FAILED:
                break  # it was quicker, and what it did is not done again
            if over.is_set():
                raise Stopped("" if stopped else f"Step '{step.key}' {_still(desk)}")
            return _timed_out(step, desk, stopped)
        return ended.result()
    except LadingError as error:
        again = isinstance(error, Unreachable)
        return Outcome(state=State.FAILED, error=masked(str(error)), error_kind=error.kind, again=again)
    except OSError as error:
        return Outcome(state=State.FAILED, error=str(refused(error)), error_kind=DataError.kind)


def _kept(step: Step, desk: Desk) -> Outcome:
    """Carries the step out, and keeps what it reads and makes if it says so."""
    run: Callable[[Step, Desk], Outcome] = find.step_module(step.do).run
    rows = getattr(step, "keep_inputs", 0)
    if not rows:
        return run(step, desk)
    from lading.opening import Keeping

    keeping = Keeping(step, desk, rows)
    keeping.inputs()
    outcome = run(step, desk)
    if outcome.state is not State.FAILED:
        keeping.output()
    return outcome


def _stopped(ended: Future[Outcome], desk: Desk) -> bool:
    """Tells the step to end, and says whether it did."""
    over = desk.over.end(ended, STOP_SECONDS + 1)  # a move may need as long to stop its workers
    return over and not isinstance(ended.exception(), Stuck)


def _still(desk: Desk) -> str:
    deaf = ", ".join(desk.over.deaf)
    where = f"{deaf}, which cannot be told to end a statement" if deaf else "its system"
    return f"could not be ended, and may still be at work in {where}."


def _timed_out(step: Step, desk: Desk, stopped: bool) -> Outcome:
    what = f"It took more than {step.timeout_seconds:,} seconds."
    fix = "Raise 'timeout_seconds', or find out what it waits for."
    if not stopped:  # a second attempt would be in its way
        what, fix = f"{what} It {_still(desk)}", "End it there."
    kind = Unreachable.kind if stopped else DataError.kind
    return Outcome(state=State.FAILED, error=f"{what} {fix}", error_kind=kind, again=stopped)


def word(state: State) -> str:
    return "FAIL" if state is State.FAILED else "COMPLETE"


def digest(step: Step, desk: Desk) -> str:
    """The same for the same step with the same parameters."""
    told = json.dumps([step.digest, desk.params], default=str, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]
