"""One table on its way: what workers share, and its line of the bill."""

from __future__ import annotations

import hashlib
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from lading.compare.outcome import Comparison
from lading.connector import Load, Session
from lading.digest import Digest
from lading.ending import Stopped
from lading.errors import DataError, LadingError, ProofFailed, SpecError, Unreachable, unseen
from lading.picking import without
from lading.plan import Plan, Task
from lading.prove import Proof, Rows, State, TableBill
from lading.schema import Column, Table
from lading.sql import SqlSession
from lading.store import Line, Store
from lading.types import Type
from lading.values import cast


class Watch(Protocol):
    """Is told how a run goes. Called from several threads."""

    def begin(self, table: str, rows: int | None, slices: int) -> None:
        """A table begins; `rows` is the source's estimate."""

    def moved(self, table: str, rows: int, bytes: int) -> None:
        """So many more rows were read and handed to the target."""

    def slice_done(self, table: str) -> None:
        """A slice is in the target."""

    def state(self, table: str, word: str) -> None:
        """reading, proving, publishing, proved, unproved or failed."""

    def end(self) -> None:
        """The run is over."""


class Pace:
    """Holds readers back to so many rows a second. What was not read in a pause is not made up for, but for a second's
    rows: batches do not come evenly."""

    def __init__(self, rows_a_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit, self.clock = rows_a_second, clock
        self.until = clock()

    def ahead(self, rows: int) -> float:
        """Seconds that the rows read so far, with these, are too early."""
        if not self.limit:
            return 0.0
        now = self.clock()
        self.until = max(self.until, now - 1) + rows / self.limit
        return max(self.until - now, 0.0)


@dataclass
class Moving:
    """A table on its way. Workers share it; `lock` guards what they change, `sifting` keeps them from
    looking for rejects at the same time."""

    run: str
    plan: Plan
    task: Task
    store: Store
    watch: Watch
    stop: threading.Event
    snapshot: str
    load: Load
    state: str = "staging"
    lines: dict[int, Line] = field(default_factory=dict)
    kept: int = 0
    rejected: int = 0
    continued: str = ""
    found: Comparison | None = None
    proof: Proof | None = None
    bill: TableBill | None = None
    began: float | None = None
    lost: int = 0
    """How often its system did not answer; what fails so for itself must not keep others from being moved."""
    beside: Session | None = None
    """A session of the source to ask for sums while another reads, at a state that may be later."""
    asked: int = 0
    """Slices whose sums it gave."""
    pace: Pace = field(default_factory=lambda: Pace(0))
    lock: threading.Lock = field(default_factory=threading.Lock)
    sifting: threading.Lock = field(default_factory=threading.Lock)
    hidden: tuple[str, ...] = ()
    """Columns whose values are neither shown nor kept."""
    made: datetime = field(default_factory=lambda: datetime.now(UTC))

    def start(self) -> None:
        """The table's clock begins with its first slice."""
        with self.lock:
            if self.began is None:
                self.began = time.monotonic()
                self.watch.begin(self.name, self.task.source.rows, len(self.lines))

    def wait(self, rows: int) -> None:
        """Holds the reader of so many rows back to the pace. Raises Stopped."""
        if self.stop.wait(self.pace.ahead(rows)):
            raise Stopped

    @property
    def name(self) -> str:
        return self.task.name

    @property
    def source(self) -> Table:
        """The source's table with the columns that are moved, in the target's order."""
        known = {column.name: column for column in self.task.source.columns}
        columns = tuple(known[c.name] for c in self.load.table.columns if c.name in known)
        return self.task.source.model_copy(update={"columns": columns})

    @property
    def hashed(self) -> tuple[Column, ...]:
        """The target's columns as their values are hashed: to bring JSON into one form takes as long as all else."""
        columns = self.load.table.columns
        if not self.plan.keeps_json:
            return columns
        text = Type("string")
        return tuple(c.model_copy(update={"type": text}) if c.type.kind == "json" else c for c in columns)

    @property
    def expected(self) -> Digest:
        return Digest.of(line.digest for line in self.lines.values())

    def known(self, array: pa.Array, type_: Type) -> pa.Array:
        """Without moments that no clock shows yet, and numbers without end: a row dated in the year 9999 would keep
        all rows that come after it from being read, as they are older than it."""
        if type_.kind == "float":
            return array.filter(pc.is_finite(array))
        if type_.kind not in ("date", "timestamp"):
            return array
        last = self.made + timedelta(hours=1 if type_.utc else 14)  # without a zone it may be that of Kiribati
        limit = last.date() if type_.kind == "date" else last if type_.utc else last.replace(tzinfo=None)
        return array.filter(pc.less_equal(array, pa.scalar(limit, array.type)))

    def fit(self, batch: pa.RecordBatch, narrowed: Counter[str]) -> pa.RecordBatch:
        """The batch in the target's types."""
        accepted = {loss.column for loss in self.task.accepted}
        arrays = []
        for place, (there, here) in enumerate(zip(self.load.table.columns, self.source.columns, strict=True)):
            try:
                array, changed = cast(batch.column(place), here.type, there.type, here.name in accepted)
            except DataError as error:
                raise DataError(f"Column '{here.name}' of '{self.name}': {error.what}", error.fix) from error
            if here.empty and not there.empty and here.name in accepted and there.type.kind in ("string", "binary"):
                array, emptied = without_empty(array)
                changed += emptied
            narrowed[here.name] += changed
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, names=[c.name for c in self.load.table.columns])


def refuse_changed(moving: Moving, source: Session) -> None:
    """Raises SpecError where a database's table has other columns than when it was planned: what it holds by now would
    be taken for what was planned. A repair moves some of them only."""
    now = source.describe(moving.name) if isinstance(source, SqlSession) else None
    if now is None:
        return  # reading it says what is wrong
    then, here = (
        {c.name: c.native.partition(":")[2] or str(c.type) for c in table.columns}
        for table in (moving.task.source, without(now, moving.plan.exclude))
    )
    for name in (*then, *(here if moving.task.keys is None else ())):
        was, is_ = then.get(name), here.get(name)
        if was != is_:
            how = "is new" if was is None else "is gone" if is_ is None else f"was {was} and is {is_}"
            how = re.sub(r"/\*.*?\*/", "", how)  # what a dialect notes behind a type
            what = f"The columns of '{moving.name}' have changed since it was planned: '{name}' {how}."
            raise SpecError(what, "Run again: it is planned anew then.")


def without_empty(array: pa.Array) -> tuple[pa.Array, int]:
    """The array with empty values as NULL, for systems that do not tell the two apart, and how many there were."""
    empty = pc.equal(pc.binary_length(array), 0)
    count = int(pc.sum(empty).as_py() or 0)
    return (pc.if_else(empty, pa.scalar(None, array.type), array), count) if count else (array, 0)


def fingerprint(plan: Plan, task: Task) -> str:
    """The same for the same work: what a rerun goes on with."""
    source = plan.work or plan.source
    words = [source, task.name, plan.target, task.into, task.mode, task.since or "", ",".join(task.key)]
    words += [plan.folder] if plan.folder and not plan.work else []
    words += [] if task.keys is None else [repr(task.keys), str(task.new)]
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:32]


def way(plan: Plan, task: Task) -> str:
    """The same for the same two tables, whatever the mode and the key; empty for a part of a table's rows."""
    if task.since_low or task.keys is not None:
        return ""
    words = [plan.work or plan.source, task.name, plan.target, task.into, "" if plan.work else plan.folder]
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:32]


def rows_before(moving: Moving) -> int | None:
    """How many rows the last run had that went the same way; None for a part of a table's rows."""
    if not (went := way(moving.plan, moving.task)):
        return None
    mark = fingerprint(moving.plan, moving.task)
    rows = moving.store.last(mark, went)[0]
    return moving.store.last(mark)[0] if rows is None else rows  # what is older notes no way


def new_load(plan: Plan, task: Task) -> Load:
    return Load(
        id=uuid.uuid4().hex[:12], table=task.target, mode=task.mode, key=task.key, fresh=task.fresh,
        strict=plan.max_rejects > 0, new=task.new,
    )  # fmt: skip


def later(left: str, right: str, numeric: bool) -> str:
    """The greater of two canonical texts."""
    if numeric:
        return max(left, right, key=Decimal)
    return max(left, right)


def rows_of(moving: Moving) -> Rows:
    lines = list(moving.lines.values())
    rejected = sum(line.rejected for line in lines)
    read = sum(found.rows for line in lines if (found := line.read or line.found))
    return Rows(source=read, target=moving.expected.rows, rejected=rejected)


def bill_of(moving: Moving, state: State, proof: Proof | None, error: LadingError | None = None) -> TableBill:
    """The table's line of the bill."""
    rows = rows_of(moving)
    if state is State.FAILED:
        rows = Rows(source=rows.source, rejected=moving.rejected)
    now = time.monotonic()
    return TableBill(
        table=moving.name,
        into=moving.task.into,
        mode=moving.task.mode.value,
        state=state,
        losses=(*moving.task.accepted, *(each.loss for each in moving.task.findings if each.accepted)),
        rows=rows,
        proof=proof,
        error=str(error) if error else "",
        error_kind=error.kind if error else "",
        seconds=round(now - (moving.began or now), 3),
        bytes=sum(line.bytes for line in moving.lines.values()),
        slices=len(moving.lines),
        slices_kept=moving.kept,
        reasons=moving.store.reasons(moving.load.id) if moving.rejected else (),
        found=moving.found,
    )


def fail(moving: Moving, error: LadingError, told: bool = True) -> None:
    """The table ends failed. What is staged stays for the next run; what was not proved, so that it can be looked at
    until then. A load that is announced and was refused can be staged again; one that may be published stays so, as
    where it was not the target that has `told` of the error."""
    if isinstance(error, ProofFailed):
        moving.store.change(moving.load.id, state="failed")
    elif moving.state == "publishing" and told and not isinstance(error, Unreachable):
        moving.store.change(moving.load.id, state="staging")
    if isinstance(error, DataError):
        error = told_of([moving], error)
    moving.bill = bill_of(moving, State.FAILED, moving.proof, error)
    moving.watch.state(moving.name, "failed")


def told_of(movings: Sequence[Moving], error: DataError) -> DataError:
    """An error about any of these tables, without the names of their stages and the values that are not to be shown."""
    what = error.what
    for moving in movings:
        name = moving.load.table.name
        what = re.sub(rf"\b{moving.load.stage.name}\b", lambda _, name=name: name, what)  # type: ignore[misc]
    return DataError(unseen(what, [column for moving in movings for column in moving.hidden]), error.fix)
