"""The run of a pipeline: its steps in the order of the graph, each tried as often as it may be, and the bill."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from concurrent.futures import Future, wait
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from lading import attempts, find
from lading.desk import Desk, Outcome
from lading.errors import LadingError, SpecError, Unreachable
from lading.prove import Bill, State, StepBill, worst
from lading.run import STOP_SECONDS, TICK_SECONDS, apart, lading_version, new_id, peak_memory
from lading.spec import OnFailure, Step

BEAT_SECONDS = 30
"""How often a run whose step takes long says that it is alive."""


class Told(Protocol):
    """Is told how the steps of a run go."""

    def step_began(self, step: Step) -> None:
        """A step begins."""

    def step_ended(self, line: StepBill) -> None:
        """A step has ended, or was left out."""


def run(desk: Desk, told: Told, start: str = "") -> Bill:
    """Carries out the steps of a pipeline, or with `start` that step and what comes after it. Goes on where an
    interrupted run was; always ends in a bill, but for an interruption."""
    desk = _begun(desk, start)
    clock, started = time.monotonic(), datetime.now(UTC)
    course = Course(desk, told, start)
    try:
        for step in desk.pipeline.order:
            course.take(step)
    except BaseException:
        desk.store.end(desk.run, attempts.INTERRUPTED, None)
        raise
    finally:
        desk.watch.end()
    bill = course.bill(started, time.monotonic() - clock)
    desk.store.end(desk.run, bill.state.value, bill)
    return bill


def run_step(desk: Desk, told: Told, key: str, run: str) -> StepBill:
    """Carries out one step of a run once, unless it is done: for those who keep the order themselves. The run has its
    bill when every step has ended well."""
    step = _step(desk, key)
    desk = _within(desk, run)
    going = attempts.join(desk.store, run, desk.pipeline.name)
    course = Course(desk, told)
    for other in desk.pipeline.order:
        if other.key != key:
            course.remember(other)
    if not going and not course.recall(step):
        raise SpecError(f"Run {run} has ended, and its bill never changes.", "Give another id.")
    line = course.lines[key] if not going else course.take(step, once=True)
    whole = len(course.lines) == len(desk.pipeline.steps)
    if whole and not any(each.state is State.FAILED for each in course.lines.values()):
        bill = course.bill(datetime.now(UTC), sum(each.seconds for each in course.lines.values()))
        desk.store.end(run, bill.state.value, bill)
    else:
        desk.store.end(run, "open", None)
    return line


def _step(desk: Desk, key: str) -> Step:
    step = desk.pipeline.step(key)
    if step is None:
        known = ", ".join(each.key for each in desk.pipeline.steps)
        raise SpecError(f"'{desk.pipeline.name}' has no step '{key}'.", f"There are: {known}.")
    return step


def _begun(desk: Desk, start: str) -> Desk:
    """The desk of a new run, or of the interrupted one where a step of it still stands."""
    name = desk.pipeline.name
    if start:
        _step(desk, start)
    before = None if start else attempts.interrupted(desk.store, name)
    if before is not None:
        known_now = {step.key: digest(step, desk) for step in desk.pipeline.steps}
        run, beat = before
        if any(known_now.get(each.step) == each.digest for each in attempts.last(desk.store, run).values()):
            if not desk.store.resume(run, beat):
                raise SpecError(f"Run {run} of '{name}' is at work right now.", "Wait for it, or end it first.")
            attempts.alone(desk.store, name, run)
            return _within(desk, run)
    run = new_id()
    desk.store.begin(run, name)
    attempts.alone(desk.store, name, run)
    return _within(desk, run)


def _within(desk: Desk, run: str) -> Desk:
    return replace(desk, run=run, logs=desk.logs / run)


def digest(step: Step, desk: Desk) -> str:
    """The same for the same step with the same parameters."""
    told = json.dumps([step.digest, desk.params], default=str, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]


class Course:
    """The steps of a run, as far as it has come."""

    def __init__(self, desk: Desk, told: Told, start: str = "") -> None:
        self.desk, self.told = desk, told
        self.lines: dict[str, StepBill] = {}
        self.outcomes: dict[str, Outcome] = {}
        self._before = attempts.last(desk.store, desk.run)
        self._wanted = desk.pipeline.following(start) if start else {step.key for step in desk.pipeline.steps}
        self._start = start
        self._stopped, self._spent = "", time.process_time()

    def take(self, step: Step, once: bool = False) -> StepBill:
        """Carries a step out, unless it is done or left out. With `once`, it is not tried again."""
        if self.recall(step):
            return self.lines[step.key]
        if reason := self._left_out(step):
            number = attempts.begin(self.desk.store, self.desk.run, step, digest(step, self.desk))
            outcome = Outcome(state=State.SKIPPED, says=reason, left_out=True)
            attempts.end(self.desk.store, self.desk.run, step, number, outcome)
            return self._note(step, outcome, 0)
        self.told.step_began(step)
        for tries in range(1, step.retries + 2):
            outcome = attempt(step, replace(self.desk, lines=tuple(self.lines.values())))
            if once or not outcome.again or tries > step.retries:
                break
            seconds = float(os.environ.get("LADING_RETRY_SECONDS", step.retry_seconds * 2 ** (tries - 1)))
            self.desk.note(step, f"{outcome.error} Trying again in {seconds:g} seconds.")
            time.sleep(seconds)
        return self._note(step, outcome, tries)

    def recall(self, step: Step) -> bool:
        """Whether the step was done before the run was interrupted, and what it follows too."""
        before = self._before.get(step.key)
        if before is None or before.outcome is None or not before.done(digest(step, self.desk)):
            return False
        if not all(self.lines[name].kept for name in step.after if name in self.lines):
            return False
        self._note(step, before.outcome, before.number, kept=True)
        return True

    def remember(self, step: Step) -> None:
        """Notes how a step came out that another process carried out."""
        before = self._before.get(step.key)
        if self.recall(step) or before is None or before.outcome is None:
            return
        if not before.outcome.left_out or self._left_out(step):
            self._note(step, before.outcome, before.number, kept=True)

    def _left_out(self, step: Step) -> str:
        """Why a step is not carried out; empty when it is."""
        if step.closing:
            return ""
        if step.key not in self._wanted:
            return f"this run begins at '{self._start}'"
        for name in step.after:
            line, there = self.lines.get(name), self.desk.pipeline.step(name)
            if line is None or name not in self._wanted:
                continue
            if line.state is State.SKIPPED:
                return f"'{name}' was left out"
            if line.state is State.FAILED and there is not None and there.on_failure is not OnFailure.GO_ON:
                return f"'{name}' failed"
        return f"'{self._stopped}' failed" if self._stopped else ""

    def _note(self, step: Step, outcome: Outcome, tries: int, kept: bool = False) -> StepBill:
        line = StepBill(
            key=step.key, do=step.do, state=outcome.state, says=outcome.says, error=outcome.error,
            error_kind=outcome.error_kind, seconds=outcome.seconds, attempts=tries, kept=kept, bill=outcome.bill,
        )  # fmt: skip
        if line.state is State.FAILED and step.on_failure is OnFailure.STOP:
            self._stopped = self._stopped or step.key
        self.lines[step.key], self.outcomes[step.key] = line, outcome
        self.told.step_ended(line)
        return line

    def bill(self, started: datetime, seconds: float) -> Bill:
        lines = [self.lines[step.key] for step in self.desk.pipeline.order]
        moved = [outcome for outcome in self.outcomes.values() if outcome.source]
        sources, targets = {outcome.source for outcome in moved}, {outcome.target for outcome in moved}
        return Bill(
            run=self.desk.run, pipeline=self.desk.pipeline.name, started=started, seconds=round(seconds, 3),
            state=worst([line.state for line in lines]), steps=tuple(lines),
            source=", ".join(sorted(sources)), target=", ".join(sorted(targets)),
            tables=tuple(table for outcome in self.outcomes.values() for table in outcome.tables),
            peak_memory=peak_memory(), version=lading_version(),
            cpu_seconds=round(time.process_time() - self._spent, 3),
            source_cpu_seconds=_sum([outcome.source_cpu_seconds for outcome in moved]),
            target_cpu_seconds=_sum([outcome.target_cpu_seconds for outcome in moved]),
        )  # fmt: skip


def _sum(parts: list[float | None]) -> float | None:
    """None where a part is not known."""
    known = [part for part in parts if part is not None]
    return round(sum(known), 3) if known and len(known) == len(parts) else None


def attempt(step: Step, desk: Desk) -> Outcome:
    """One attempt at a step: the one way in which any runs, whoever calls it."""
    mark = digest(step, desk)
    before = attempts.last(desk.store, desk.run).get(step.key)
    number = attempts.begin(desk.store, desk.run, step, mark)
    clock = time.monotonic()

    def settle(outcome: Outcome) -> None:
        attempts.end(desk.store, desk.run, step, number, outcome)

    again = before is not None and before.digest == mark and before.begun
    earlier = attempts.earlier(desk.store, desk.pipeline.name, step, desk.run)
    try:
        outcome = _carried_out(
            step, replace(desk, over=threading.Event(), again=again, earlier=earlier, settle=settle)
        )  # fmt: skip
    except BaseException:
        attempts.end(desk.store, desk.run, step, number, None)
        raise
    outcome = outcome.model_copy(update={"seconds": round(time.monotonic() - clock, 3)})
    attempts.end(desk.store, desk.run, step, number, outcome)
    return outcome


def _carried_out(step: Step, desk: Desk) -> Outcome:
    """Runs the step in a thread of its own: here, time and interruptions are noticed whatever a library waits for."""
    began = beat = time.monotonic()
    ended: Future[Outcome] = apart(lambda: find.step_module(step.do).run(step, desk))
    try:
        while wait([ended], timeout=TICK_SECONDS).not_done:
            now = time.monotonic()
            if now - beat > BEAT_SECONDS:
                desk.store.beat(desk.run)
                beat = now
            if step.timeout_seconds is not None and now - began > step.timeout_seconds:
                return _timed_out(step, _stopped(ended, desk))
        return ended.result()
    except LadingError as error:
        again = isinstance(error, Unreachable)
        return Outcome(state=State.FAILED, error=str(error), error_kind=error.kind, again=again)
    except BaseException:
        _stopped(ended, desk)
        raise


def _stopped(ended: Future[Outcome], desk: Desk) -> bool:
    """Tells the step to end, and says whether it did."""
    desk.over.set()
    return not wait([ended], timeout=STOP_SECONDS + 1).not_done  # a move may need as long to stop its workers


def _timed_out(step: Step, stopped: bool) -> Outcome:
    what = f"It took more than {step.timeout_seconds:,} seconds."
    fix = "Raise 'timeout_seconds', or find out what it waits for."
    if not stopped:  # a second attempt would be in its way
        what, fix = f"{what} It could not be ended, and may still be at work in its system.", "End it there."
    return Outcome(state=State.FAILED, error=f"{what} {fix}", error_kind=Unreachable.kind, again=stopped)
