"""Runs a plan: sessions, workers, attempts, and the bill at the end."""

from __future__ import annotations

import os
import queue
import resource
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import pyarrow as pa

from lading import engine, staging
from lading.connector import Connection, Session, Spends, sensitive
from lading.driver import WIDE
from lading.ending import Ending, Stopped, Stuck
from lading.errors import DataError, LadingError, ProofFailed, SpecError, Unreachable, debugging, fault, refused
from lading.memory import map_large, return_freed, small
from lading.moving import Moving, Pace, Watch, fail, new_load, refuse_changed, told_of
from lading.plan import LOCK_SECONDS, LOCKS, Plan, Task
from lading.prove import Bill, State, TableBill, worst
from lading.store import Store
from lading.threads import TICK_SECONDS, apart

STOP_SECONDS = 5
"""How long an interrupted run waits for its workers; statements that cannot be ended are left to the server."""
WORKERS = "parallel_workers"
"""What connections call the processes that a server gives to one statement."""
ATTEMPTS = 4
"""How often in a row a run goes on after a connection was lost, waiting 1, 4 and 16 seconds."""


class Silent:
    """Watches nothing."""

    def begin(self, table: str, rows: int | None, slices: int) -> None: ...

    def moved(self, table: str, rows: int, bytes: int) -> None: ...

    def slice_done(self, table: str) -> None: ...

    def state(self, table: str, word: str) -> None: ...

    def end(self) -> None: ...


def new_id() -> str:
    """A run's id: sorts by time."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}"


def run(
    plan: Plan, sides: tuple[Connection, Connection], store: Store, watch: Watch | None = None,
    over: Ending | None = None,
) -> Bill:  # fmt: skip
    """Moves, proves and publishes every table of the plan. Always ends in a bill, but for an interruption, which also
    `over` is, after which the same call goes on where this one was."""
    watch = watch or Silent()
    name, started, clock, spent = new_id(), datetime.now(UTC), time.monotonic(), time.process_time()
    store.begin(name, plan.pipeline, plan.part_of)
    if plan.follows:  # ten times as many changed rows are to take no more memory
        sides = small(sides[0]), small(sides[1])
    sides = undivided(sides[0]), undivided(sides[1])
    crew = Crew(name, plan, sides, store, watch)
    crew.over = over or crew.over
    try:
        widest = max((len(task.source.columns) for task in plan.tasks), default=0)
        with lean(plan.memory, plan.follows or widest >= WIDE):
            crew.work()
    except BaseException:
        store.end(name, "interrupted", None)
        raise
    finally:
        watch.end()
    bill = Bill(
        run=name, pipeline=plan.pipeline, state=worst([t.state for t in crew.bills]), source=plan.source,
        target=plan.target, started=started, seconds=round(time.monotonic() - clock, 3), tables=tuple(crew.bills),
        peak_memory=peak_memory(), cpu_seconds=round(time.process_time() - spent, 2),
        source_cpu_seconds=crew.spent[0], target_cpu_seconds=crew.spent[1], version=lading_version(),
        continued=next((m.continued for m in crew.movings if m.continued), ""),
        exclude=plan.exclude, sensitive=sensitive(sides), record=plan.record,
    )  # fmt: skip
    store.end(name, bill.state.value, bill)
    return bill


def hurried(side: Connection) -> Connection:
    """The connection, waiting for locks no longer than a moment, where it lets itself be told."""
    names = [name for name in LOCKS if name in type(side).model_fields]
    return undivided(side).model_copy(update={name: min(getattr(side, name), LOCK_SECONDS) for name in names})


def undivided(side: Connection) -> Connection:
    """The connection, whose statements have no workers besides unless it says how many: slices are read in parallel
    anyway, and what a worker costs nobody tells once it has ended."""
    return side.model_copy(update={WORKERS: 0}) if getattr(side, WORKERS, 0) is None else side


@contextmanager
def lean(limit: int = 0, mapped: bool = False) -> Iterator[None]:
    """Arrow's own pool keeps what was freed: some 60 MiB more at the peak of a run, 12 MiB of a comparison."""
    if limit:
        return_freed()
    elif mapped:
        map_large()
    pool = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(pool)


def peak_memory() -> int:
    """Bytes that this process held at most."""
    try:
        # Not getrusage: Linux carries the peak of a process over into the program that it becomes.
        with open("/proc/self/status", encoding="ascii", errors="replace") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@cache
def lading_version() -> str:
    try:
        return version("lading")
    except PackageNotFoundError:
        return ""


class Crew:
    """The tables of a run and the workers that move them."""

    def __init__(self, name: str, plan: Plan, sides: tuple[Connection, Connection], store: Store, watch: Watch) -> None:
        self.plan, self.source, self.target = plan, *sides
        self.stop, self.over = threading.Event(), Ending()
        self.watch = watch
        self.spent: list[float | None] = [None, None]
        self._counting = threading.Lock()
        pace = Pace(plan.gentle)
        self.movings = [
            Moving(
                name,
                plan,
                task,
                store,
                watch,
                self.stop,
                "",
                new_load(plan, task),
                pace=pace,
                hidden=self._hidden(task),
            )
            for task in plan.tasks
            if not task.problem
        ]
        self._blocked = [
            TableBill(
                table=task.name,
                into=task.into,
                mode=task.mode.value,
                state=State.FAILED,
                error=f"{task.problem} {task.fix}".strip(),
                error_kind=task.problem_kind,
            )
            for task in plan.tasks
            if task.problem
        ]

    @property
    def bills(self) -> list[TableBill]:
        return [*(m.bill for m in self.movings if m.bill), *self._blocked]

    @property
    def pending(self) -> list[Moving]:
        return sorted((moving for moving in self.movings if moving.bill is None), key=lambda moving: moving.lost)

    def work(self) -> None:
        """Works in a thread of its own: here, an interruption is noticed at once, whatever a library waits for."""
        ended = apart(self._work)
        try:
            while wait([ended], timeout=TICK_SECONDS).not_done:
                if self.over.is_set():
                    raise Stopped
            ended.result()
        except BaseException as error:
            self.stop.set()
            if not self.over.end(ended, STOP_SECONDS) and isinstance(error, Stopped):
                raise Stuck from error
            raise

    def _work(self) -> None:
        for bill in self._blocked:
            self.watch.state(bill.table, "failed")
        tries = 0
        while self.pending:
            if tries and self.over.wait(float(os.environ.get("LADING_RETRY_SECONDS", 4 ** (tries - 1)))):
                return
            before = len(self.pending)
            try:
                self._attempt()
            except Unreachable as error:
                self.over.go_on()
                tries = tries + 1 if len(self.pending) == before else 1
                if tries == ATTEMPTS:  # those that were only stopped with the one that was lost are tried again
                    self._give_up(error, [moving for moving in self.pending if moving.lost] or self.pending)
                    tries = 0
            except LadingError as error:
                self.over.go_on()
                self._give_up(error, self.pending)

    def _give_up(self, error: LadingError, movings: list[Moving]) -> None:
        if isinstance(error, DataError):  # which is about one of them, and told by all
            error = told_of(self.movings, error)
        for moving in movings:
            fail(moving, error)

    def _attempt(self) -> None:
        """Everything that is still to do, at one snapshot."""
        self.stop.clear()
        self.over.go_on()
        with ExitStack() as stack:
            source = stack.enter_context(self.over.opened(self.source))
            target = stack.enter_context(self.over.opened(self.target))
            snapshot, beside = source.pin(), self._beside(stack)
            for moving in self.pending:
                moving.beside = beside
                moving.lines, moving.kept, moving.rejected, moving.asked = {}, 0, 0, 0
                moving.snapshot = snapshot
                if self._guard(moving, lambda m=moving: refuse_changed(m, source)):  # type: ignore[misc]
                    self._guard(moving, lambda m=moving: engine.begin(m, source, target))  # type: ignore[misc]
            self._stage(source, target, snapshot)
            if self.plan.together:
                self._publish_together(target)
            for moving in self.movings:
                if moving.state == "published" and moving.bill and moving.bill.state is not State.FAILED:
                    engine.tidy(moving, target)
            self._spend(source, target)
            self._spend(*([beside] if beside else []))

    def _beside(self, stack: ExitStack) -> Session | None:
        """A second session of the source, to ask for sums while the only one that sees the snapshot reads."""
        if not self.source.can.aside or self.plan.readers > 1 or self.plan.gentle:
            return None
        with suppress(LadingError):  # the server, or the account, may have room for one only
            return stack.enter_context(self.over.opened(hurried(self.source)))
        return None

    def _spend(self, *sessions: Session) -> None:
        """Adds what the servers say that two sessions have cost."""
        with self._counting, suppress(LadingError):
            for place, session in enumerate(sessions):
                if isinstance(session, Spends) and (seconds := session.cpu_seconds()) is not None:
                    self.spent[place] = round((self.spent[place] or 0) + seconds, 2)

    def _hidden(self, task: Task) -> tuple[str, ...]:
        return (*self.source.hidden(task.source), *self.target.hidden(task.target))

    def _guard(
        self, moving: Moving, step: Callable[[], object], sessions: tuple[Session, Session] | None = None
    ) -> bool:
        """Runs a step of one table; what fails there fails that table only."""
        try:
            step()
        except Unreachable:
            moving.lost += 1
            raise
        except LadingError as error:
            self.over.go_on()  # what was ended did not fail
            if sessions and isinstance(error, ProofFailed):
                engine.drill(moving, *sessions)
            fail(moving, error)
            return False
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours in one table is none of the others
            self.over.go_on()
            if debugging():
                traceback.print_exception(error)
            found = refused(error) if isinstance(error, OSError) else fault(error, hidden=bool(moving.hidden))
            fail(moving, found, told=False)
            return False
        return True

    # Staging

    def _stage(self, source: Session, target: Session, snapshot: str) -> None:
        units: queue.SimpleQueue[tuple[Moving, int]] = queue.SimpleQueue()
        left: dict[int, int] = {}
        for moving in self.pending:
            if moving.state != "staging":
                self._guard(moving, lambda m=moving: engine.resume(m, target))  # type: ignore[misc]
                continue
            left[id(moving)] = len(moving.lines)
            for number in moving.lines:
                units.put((moving, number))
        workers = min(self.plan.readers, units.qsize(), os.cpu_count() or 1)
        lock = threading.Lock()
        if workers <= 1:
            self._worker(units, left, lock, (source, target))
            return
        alone = (lambda: self._alone(units, left, lock, snapshot) for _ in range(workers - 1))
        ended = [apart(lambda: self._worker(units, left, lock, (source, target))), *map(apart, alone)]
        wait(ended)
        errors = [error for each in ended if (error := each.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, Stopped)):
            raise error  # the one that stopped the others

    def _alone(
        self, units: queue.SimpleQueue[tuple[Moving, int]], left: dict[int, int], lock: threading.Lock, snapshot: str
    ) -> None:
        """A further worker, with sessions of its own at the same snapshot; without them the others do its work."""
        with suppress(Stopped), ExitStack() as stack:
            try:
                source = stack.enter_context(self.over.opened(self.source))
                target = stack.enter_context(self.over.opened(self.target))
                source.pin(snapshot)
            except LadingError:  # the server, or the account, may have no more room
                return
            self._worker(units, left, lock, (source, target))
            self._spend(source, target)

    def _worker(
        self,
        units: queue.SimpleQueue[tuple[Moving, int]],
        left: dict[int, int],
        lock: threading.Lock,
        sessions: tuple[Session, Session],
    ) -> None:
        for moving, number in _taken(units):
            if self.stop.is_set():
                raise Stopped
            try:
                self._unit(moving, number, sessions, (left, lock))
            except BaseException:
                self.stop.set()
                raise

    def _unit(
        self,
        moving: Moving,
        number: int,
        sessions: tuple[Session, Session],
        counting: tuple[dict[int, int], threading.Lock],
    ) -> None:
        source, target = sessions
        left, lock = counting
        if moving.bill is not None:
            return
        if not self._guard(moving, lambda: staging.stage(moving, moving.lines[number], source, target)):
            return
        with lock:
            left[id(moving)] -= 1
            last = left[id(moving)] == 0
        proved = last and self._guard(moving, lambda: engine.prove(moving, source, target), sessions)
        self.over.go_on()
        if proved and not self.plan.together:
            self._guard(moving, lambda: engine.publish(moving, target), sessions)

    # Publishing

    def _publish_together(self, target: Session) -> None:
        if any(bill.state is State.FAILED for bill in self.bills):
            error = SpecError("Another table of the run failed, and all are published together.", "Correct that one.")
            self._give_up(error, self.pending)
            return
        movings = self.pending
        for moving in movings:
            engine.announce(moving, target)
        target.publish([moving.load for moving in movings])
        for moving in movings:
            self._guard(moving, lambda m=moving: engine.published(m, target))  # type: ignore[misc]


def _taken(units: queue.SimpleQueue[tuple[Moving, int]]) -> Iterator[tuple[Moving, int]]:
    while True:
        try:
            yield units.get_nowait()
        except queue.Empty:
            return
