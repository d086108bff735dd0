"""The run of a pipeline: its steps in the order of the graph, each tried as often as it may be, and the bill."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from lading import attempts, dues
from lading.desk import Desk, Heard, Outcome
from lading.ending import Ending, Stopped
from lading.errors import AT_WORK, CANCELLED, SpecError, Unreachable
from lading.moving import Watch
from lading.prove import Bill, State, StepBill, worst
from lading.run import STOP_SECONDS, lading_version, new_id, peak_memory
from lading.spec import OnFailure, Step
from lading.threads import TICK_SECONDS, apart
from lading.trying import LOOK_SECONDS, attempt, digest, word

BEAT_SECONDS = 30
"""How often a run says that it is alive."""


class Told(Protocol):
    """Is told how the steps of a run go."""

    def step_began(self, step: Step) -> None:
        """A step begins."""

    def step_ended(self, line: StepBill) -> None:
        """A step has ended, or was left out."""

    def beside(self, step: Step) -> Watch:
        """What is told of the step's own tables, while other steps may be at work."""


def run(desk: Desk, told: Told, start: str = "", failed: str = "") -> Bill:
    """Carries out the steps of a pipeline, or with `start` that step and what comes after it, or what was not done in a
    `failed` run. Goes on where an interrupted run was; always ends in a bill, but for an interruption. A desk that
    names a run is for that run alone: new, interrupted, or over."""
    begun = _begun(desk, start, failed)
    if begun is None:
        return desk.store.bill(desk.run)
    desk = begun
    clock, started = time.monotonic(), datetime.now(UTC)
    course = Course(desk, told, start)
    desk.tell(Heard(desk, "START"))
    try:
        course.carry_out(desk.pipeline.order)
    except BaseException as error:
        if _cut_off(desk, error):
            desk.tell(Heard(desk, "ABORT"))
        raise
    finally:
        desk.watch.end()
    bill = course.bill(started, time.monotonic() - clock)
    desk.store.end(desk.run, bill.state.value, bill)
    desk.tell(Heard(desk, word(bill.state), outcome=bill))
    return bill


def run_step(desk: Desk, told: Told, key: str, run: str) -> StepBill:
    """Carries out one step of a run once, unless it is done: for those who keep the order themselves. The run has its
    bill when every step has ended well."""
    step = desk.pipeline.own(key)
    desk = _within(desk, run)
    if attempts.at_step(desk.store, run, key):
        raise attempts.busy(f"Step '{key}' of run {run}")
    asked = attempts.cancelled(desk.store, run)
    going = attempts.join(desk.store, run, desk.pipeline.name, desk.release)
    course = Course(desk, told, asked=asked)
    course.look_back(key)
    if not going and not course.recall(step):
        raise SpecError(f"Run {run} has ended, and its bill never changes.", "Give another id.")
    if lacking := [name for name in step.after if name not in course.lines and not step.closing]:
        desk.store.end(run, "open", None)
        what = f"Step '{key}' of run {run} comes after '{lacking[0]}', which has not ended well, nor failed for good."
        raise Unreachable(what, f"Carry out '{lacking[0]}' first, then try again.")
    try:
        course.carry_out([step] if going else [], once=True)
    except BaseException as error:
        _cut_off(desk, error)
        raise
    line = course.lines[key]
    course.look_back(key)  # others may have ended meanwhile
    whole = len(course.lines) == len(desk.pipeline.steps)
    if whole and not any(each.state is State.FAILED for each in course.lines.values()):
        bill = course.bill(datetime.now(UTC), sum(each.seconds for each in course.lines.values()))
        desk.store.end(run, bill.state.value, bill)
    else:
        desk.store.end(run, "open", None)
    return line


def _cut_off(desk: Desk, error: BaseException) -> bool:
    """Ends the run, unless it is another process's; says whether it did."""
    code = error.code if isinstance(error, SpecError) else 0
    if code != AT_WORK:
        desk.store.end(desk.run, attempts.CANCELLED if code == CANCELLED else attempts.INTERRUPTED, None)
    return code != AT_WORK


def _begun(desk: Desk, start: str, failed: str) -> Desk | None:
    """The desk of a new run, which has what was done in a failed one; or of the interrupted one where a step of it
    still stands; of the run that the desk names, if it does. None where that one has ended."""
    name, release, most = desk.pipeline.name, desk.release, desk.pipeline.runs
    if start:
        desk.pipeline.own(start)
    if desk.run:
        return _within(desk, desk.run) if attempts.own(desk.store, desk.run, name, release, most) else None
    if failed and not _undone(desk, failed):
        raise SpecError(f"Run {failed} left nothing undone.", f"To run it all again: lading run {name}")
    before = None if start or failed else attempts.interrupted(desk.store, name, release)
    if before is not None:
        known_now = {step.key: digest(step, desk) for step in desk.pipeline.steps}
        if any(known_now.get(each.step) == each.digest for each in attempts.last(desk.store, before).values()):
            attempts.own(desk.store, before, name, release, most)
            return _within(desk, before)
    run = new_id()
    attempts.own(desk.store, run, name, release, most)
    if failed:
        attempts.carry(desk.store, failed, run, [step.key for step in desk.pipeline.steps if not step.closing])
    return _within(desk, run)


def _undone(desk: Desk, run: str) -> bool:
    """Whether a run left something to be done, as the steps are now; of those that close it, only what failed."""
    tried = attempts.last(desk.store, run)
    for step in desk.pipeline.steps:
        before = tried.get(step.key)
        failed = before is not None and before.state == State.FAILED
        if failed or not (step.closing or (before is not None and before.done(digest(step, desk)))):
            return True
    return False


def _within(desk: Desk, run: str) -> Desk:
    return replace(desk, run=run, logs=desk.logs / run, due=dues.of_run(desk.store, desk.pipeline.name, run))


def _ready(left: Sequence[Step], going: Collection[Step]) -> list[Step]:
    """The steps that may begin: what they follow has ended; those that close the run, when all else has."""
    open_keys = {step.key for step in (*left, *going)}
    open_ones = any(not step.closing for step in (*left, *going))
    return [step for step in left if not open_keys.intersection(step.after) and not (step.closing and open_ones)]


class Cancelled(Exception):
    """The run was asked to end: when, and by whom."""


class Course:
    """The steps of a run, as far as it has come."""

    def __init__(self, desk: Desk, told: Told, start: str = "", asked: str = "") -> None:
        self.desk, self.told, self.over = desk, told, Ending()
        self._asked = asked
        """When the run was asked to end before this began."""
        self._looked = self._beat = time.monotonic()
        self.lines: dict[str, StepBill] = {}
        self.outcomes: dict[str, Outcome] = {}
        self._before = attempts.last(desk.store, desk.run)
        self._wanted = desk.pipeline.following(start) if start else {step.key for step in desk.pipeline.steps}
        self._start = start
        self._stopped, self._spent = "", time.process_time()

    def carry_out(self, steps: Sequence[Step], once: bool = False) -> None:
        """Carries steps out, some at a time, each in a thread of its own: here, interruptions are noticed whatever a
        library waits for. Raises SpecError when somebody has ended the run."""
        left, going = list(steps), dict[Future[StepBill], Step]()
        try:
            while left or going:
                for step in _ready(left, going.values())[: self.desk.pipeline.parallel - len(going)]:
                    left.remove(step)
                    going[apart(partial(self.take, step, once))] = step
                for line in wait(going, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED).done:
                    del going[line]
                    line.result()
                self._look()
        except BaseException as error:
            self.over.set()
            ended = wait(going, timeout=STOP_SECONDS + 2).done
            if isinstance(error, Cancelled):
                said = " ".join(str(each.exception()) for each in ended if isinstance(each.exception(), Stopped))
                raise self._cancelled(str(error), said) from error
            raise

    def _cancelled(self, asked: str, said: str) -> SpecError:
        what = f"Run {self.desk.run} was cancelled by {asked.partition(' ')[2]}. {said}".strip()
        fix = "" if self.desk.within else f"To go on with it: lading run {self.desk.pipeline.name}"
        error = SpecError(what, fix)
        error.code = CANCELLED
        return error

    def _look(self) -> None:
        """Says that the run is alive, and looks whether it was asked to end. A store that does not answer is asked
        again a moment later."""
        now = time.monotonic()
        with suppress(Unreachable):
            if now - self._beat > BEAT_SECONDS:
                self._beat = now
                for run in filter(None, (self.desk.run, self.desk.within)):
                    attempts.beat(self.desk.store, run)
            if now - self._looked > LOOK_SECONDS:
                self._looked = now
                asked = attempts.cancelled(self.desk.store, self.desk.run, self.desk.within)
                if asked not in ("", self._asked):
                    raise Cancelled(asked)

    def take(self, step: Step, once: bool = False) -> StepBill:
        """Carries a step out, unless it is done or left out. With `once`, it is not tried again."""
        if self.recall(step):
            return self.lines[step.key]
        if reason := self._left_out(step):
            number = attempts.begin(self.desk.store, self.desk.run, step, digest(step, self.desk), {})
            outcome = Outcome(state=State.SKIPPED, says=reason, left_out=True)
            attempts.end(self.desk.store, self.desk.run, step, number, outcome)
            return self._note(step, outcome, 0)
        self.told.step_began(step)
        for tries in range(1, step.retries + 2):
            lines = [self.lines[each.key] for each in self.desk.pipeline.order if each.key in self.lines]
            outcome = attempt(step, replace(self.desk, lines=lines, watch=self.told.beside(step)), self.over)
            if once or not outcome.again or tries > step.retries:
                break
            seconds = float(os.environ.get("LADING_RETRY_SECONDS", step.retry_seconds * 2 ** (tries - 1)))
            self.desk.note(step, f"Trying again in {seconds:g} seconds.")
            if self.over.wait(seconds):
                raise Stopped
        return self._note(step, outcome, tries)

    def look_back(self, but: str) -> None:
        """Notes what other processes have done of the run. What failed and is worth trying again counts only for a step
        that closes the run."""
        self._before = attempts.last(self.desk.store, self.desk.run)
        for step in self.desk.pipeline.order:
            if step.key != but and step.key not in self.lines:
                self.remember(step, self.desk.pipeline.own(but).closing)

    def recall(self, step: Step) -> bool:
        """Whether the step was done before the run was interrupted, and what it follows too."""
        before = self._before.get(step.key)
        if before is None or before.outcome is None or not before.done(digest(step, self.desk)):
            return False
        if not all(self._stands(name) for name in step.after if name in self.lines):
            return False
        self._note(step, before.outcome, before.number, kept=True)
        return True

    def _stands(self, name: str) -> bool:
        """Whether what follows a step need not be done again: it was kept, or had failed and nothing depended on it."""
        step, before = self.desk.pipeline.step(name), self._before.get(name)
        goes_on = step is not None and step.on_failure is OnFailure.GO_ON
        return self.lines[name].kept or (goes_on and before is not None and before.state == State.FAILED)

    def remember(self, step: Step, last: bool) -> None:
        """Notes how a step came out that another process carried out, the `last` time or maybe not."""
        before = self._before.get(step.key)
        if self.recall(step) or before is None or before.outcome is None or (before.outcome.again and not last):
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
        outcomes = [self.outcomes[step.key] for step in self.desk.pipeline.order]
        moved = [outcome for outcome in outcomes if outcome.source]
        sources, targets = {outcome.source for outcome in moved}, {outcome.target for outcome in moved}
        return Bill(
            run=self.desk.run, pipeline=self.desk.pipeline.name, release=self.desk.release,
            release_hash=self.desk.release_hash, started=started, seconds=round(seconds, 3),
            state=worst([State.DONE, *(line.state for line in lines)]), steps=tuple(lines),
            source=", ".join(sorted(sources)), target=", ".join(sorted(targets)),
            tables=tuple(table for outcome in outcomes for table in outcome.tables),
            peak_memory=peak_memory(), version=lading_version(),
            cpu_seconds=round(time.process_time() - self._spent, 3),
            source_cpu_seconds=_sum([outcome.source_cpu_seconds for outcome in moved]),
            target_cpu_seconds=_sum([outcome.target_cpu_seconds for outcome in moved]),
        )  # fmt: skip


def _sum(parts: list[float | None]) -> float | None:
    """None where a part is not known."""
    known = [part for part in parts if part is not None]
    return round(sum(known), 3) if known and len(known) == len(parts) else None
