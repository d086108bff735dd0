"""One table on its way: what workers share, and its line of the bill."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from typing import Protocol

import pyarrow as pa

from lading.connector import Load
from lading.digest import Digest
from lading.errors import DataError, LadingError
from lading.plan import Plan, Task
from lading.prove import Proof, Rows, State, TableBill
from lading.schema import Table
from lading.store import Line, Store
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


class Stopped(Exception):
    """The run was interrupted or another slice lost its connection."""


@dataclass
class Moving:
    """A table on its way. Workers share it; `lock` guards what they change."""

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
    proof: Proof | None = None
    bill: TableBill | None = None
    began: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """The table's clock begins with its first slice."""
        with self.lock:
            if self.began is None:
                self.began = time.monotonic()
                self.watch.begin(self.name, self.task.source.rows, len(self.lines))

    @property
    def name(self) -> str:
        return self.task.name

    @property
    def source(self) -> Table:
        """The source's table with the columns that are moved, in the target's order."""
        columns = [self.task.source.column(c.name) for c in self.load.table.columns]
        return self.task.source.model_copy(update={"columns": tuple(c for c in columns if c)})

    @property
    def expected(self) -> Digest:
        return reduce(Digest.__add__, (line.digest for line in self.lines.values()), Digest())

    def fit(self, batch: pa.RecordBatch, narrowed: Counter[str]) -> pa.RecordBatch:
        """The batch in the target's types."""
        accepted = {loss.column for loss in self.task.accepted}
        arrays = []
        for place, (there, here) in enumerate(zip(self.load.table.columns, self.source.columns, strict=True)):
            try:
                array, changed = cast(batch.column(place), here.type, there.type, here.name in accepted)
            except DataError as error:
                raise DataError(f"Column '{here.name}' of '{self.name}': {error.what}", error.fix) from error
            narrowed[here.name] += changed
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, names=[c.name for c in self.load.table.columns])


def fingerprint(plan: Plan, task: Task) -> str:
    """The same for the same work: what a rerun goes on with."""
    words = (plan.source, task.name, plan.target, task.into, task.mode, task.since or "", ",".join(task.key))
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:32]


def new_load(task: Task) -> Load:
    return Load(id=uuid.uuid4().hex[:12], table=task.target, mode=task.mode, key=task.key, fresh=task.fresh)


def later(left: str, right: str, numeric: bool) -> str:
    """The greater of two canonical texts."""
    if numeric:
        return max(left, right, key=Decimal)
    return max(left, right)


def rows_of(moving: Moving) -> Rows:
    lines = list(moving.lines.values())
    rejected = sum(line.rejected for line in lines)
    read = sum(found.rows for line in lines if (found := line.found or line.read))
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
        losses=moving.task.accepted,
        rows=rows,
        proof=proof,
        error=str(error) if error else "",
        error_kind=error.kind if error else "",
        seconds=round(now - (moving.began or now), 3),
        bytes=sum(line.bytes for line in moving.lines.values()),
        slices=len(moving.lines),
        slices_kept=moving.kept,
    )


def fail(moving: Moving, error: LadingError) -> None:
    """The table ends failed; what is staged stays for the next run."""
    proof = moving.proof
    moving.bill = bill_of(moving, State.FAILED, proof, error)
    moving.watch.state(moving.name, "failed")
