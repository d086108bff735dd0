"""Proof: what independent reads of both sides say, the verdict on it, and the bill that holds it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel

from lading.compare.outcome import Comparison
from lading.digest import VERSION, Digest, Reading
from lading.schema import Column, Loss


class Level(StrEnum):
    """How much is proved."""

    COUNTS = "counts"
    """Rows are counted on both sides."""
    COLUMNS = "columns"
    """Rows, values that are not NULL and sums are compared, computed in place on both sides."""
    ROWS = "rows"
    """Every value that was read is compared with the target read again; the source's own sums bind what was read
    to what is there."""
    FULL = "full"
    """As rows, and the source is read a second time."""


class State(StrEnum):
    PROVED = "proved"
    UNPROVED = "unproved"
    FAILED = "failed"
    DONE = "done"
    """Of a step that has nothing to prove, and of a run that has no other steps."""
    SKIPPED = "skipped"
    """Of a step that was left out."""


class Rows(BaseModel, frozen=True):
    """The balance: source = target + rejected + filtered. `target` counts this run's rows as the target has them."""

    source: int = 0
    target: int = 0
    rejected: int = 0
    filtered: int = 0

    @property
    def balanced(self) -> bool:
        return self.source == self.target + self.rejected + self.filtered


class Proof(BaseModel, frozen=True):
    """What was compared, and how it came out. `reasons` say why it is not proved; `notes` what the reader should
    know although it is."""

    level: Level
    version: str = VERSION
    snapshot: str = ""
    source_root: str = ""
    target_root: str = ""
    chain: str = ""
    differing: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    narrowed: dict[str, int] = {}
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class TableBill(BaseModel, frozen=True):
    """One table of a bill. `bytes` are those of the Arrow batches that were moved."""

    table: str
    into: str
    mode: str = "replace"
    state: State
    rows: Rows = Rows()
    losses: tuple[Loss, ...] = ()
    proof: Proof | None = None
    error: str = ""
    error_kind: str = ""
    seconds: float = 0.0
    bytes: int = 0
    slices: int = 0
    slices_kept: int = 0
    """Slices that an interrupted run had staged and that still equal the source."""
    reasons: tuple[tuple[str, int], ...] = ()
    """Why rows were rejected, each with how many; the ten with the most."""
    found: Comparison | None = None
    """Of a table whose proof failed: the rows, columns and values that differ."""


class StepBill(BaseModel, frozen=True):
    """One step of a pipeline's bill. `says` is what it has to say; `bill` is the run that moved its tables."""

    key: str
    do: str
    state: State
    says: str = ""
    error: str = ""
    error_kind: str = ""
    seconds: float = 0.0
    attempts: int = 1
    kept: bool = False
    """Done before the run was interrupted."""
    bill: str = ""


class Bill(BaseModel, frozen=True):
    """The record of a run. It never changes once it is stored."""

    run: str
    pipeline: str = ""
    release: int = 0
    """The number of the pipeline's release that ran; 0 for a draft, and for what is no pipeline."""
    release_hash: str = ""
    state: State
    source: str
    target: str
    started: datetime
    seconds: float
    tables: tuple[TableBill, ...] = ()
    steps: tuple[StepBill, ...] = ()
    """Of a pipeline's run."""
    peak_memory: int = 0
    cpu_seconds: float = 0.0
    """Processor time of this process."""
    source_cpu_seconds: float | None = None
    target_cpu_seconds: float | None = None
    """Processor time that the servers took for the run's sessions; None where nobody can tell."""
    version: str = ""
    continued: str = ""
    """The interrupted run that this one went on from."""
    exclude: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    record: bool = False
    """What a repair has to know: the tables and columns that were left out, the columns that the connections hide, and
    whether verdicts are kept in the target."""

    @property
    def root(self) -> str:
        """32 hexadecimal digits that stand for all that arrived: two bills with the same root hold the same tables
        with the same values. Empty when not every table has a digest."""
        whole = (Level.ROWS, Level.FULL)
        proofs = [(table.into, table.proof) for table in self.tables]
        roots = sorted((name, proof.target_root if proof and proof.level in whole else "") for name, proof in proofs)
        if not roots or not all(root for _, root in roots):
            return ""
        return hashlib.sha256("\n".join(f"{name} {root}" for name, root in roots).encode()).hexdigest()[:32]

    @property
    def bytes(self) -> int:
        """What was read of the source, as Arrow batches."""
        return sum(table.bytes for table in self.tables)

    @property
    def rows(self) -> Rows:
        return Rows(
            source=sum(t.rows.source for t in self.tables),
            target=sum(t.rows.target for t in self.tables),
            rejected=sum(t.rows.rejected for t in self.tables),
            filtered=sum(t.rows.filtered for t in self.tables),
        )


def worst(states: list[State]) -> State:
    """A run is as good as its worst table or step; a run without any is unproved."""
    ranked = (State.FAILED, State.UNPROVED, State.PROVED, State.DONE)
    return next((state for state in ranked if state in states), State.UNPROVED)


def unlike(read: Reading, found: Reading) -> list[str]:
    """Where what was read in passing differs from what the system says of it: 'rows', or names of columns."""
    names = ["rows"] if read.rows != found.rows else []
    for name, ours in read.columns.items():
        theirs = found.columns.get(name)
        if theirs is None:
            continue
        summed = ours.total is not None and theirs.total is not None
        if ours.values != theirs.values or (summed and ours.total != theirs.total):
            names.append(name)
    return names


def compared_sums(read: Reading, found: Reading) -> int:
    """How many columns' sums both sides know."""
    return sum(
        1
        for name, ours in read.columns.items()
        if (theirs := found.columns.get(name)) and ours.total is not None and theirs.total is not None
    )


def differing(source: Digest, target: Digest, columns: tuple[Column, ...]) -> tuple[str, ...]:
    """The columns whose values differ; none where that is not known of each, or only the number of rows differs."""
    names = source.differing(target)
    return tuple(c.name for c in columns if c.name in names)


class Unfinished(BaseModel, frozen=True):
    """A run that has no bill yet, or was ended before it had one. `state` is running, waiting (for a person's approval
    of `step`), open (other processes carry out its steps), cancelled or interrupted; these two go on when they are run
    again."""

    run: str
    pipeline: str
    state: str
    started: datetime
    step: str = ""
