"""Moves one table: read, stage, prove, publish, store, in that order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from lading.connector import WHOLE, Session, Slice
from lading.digest import Digest, Digester, Tally, digest_of
from lading.errors import Bug, DataError, ProofFailed
from lading.isolate import Refused, isolate
from lading.moving import Moving, Stopped, bill_of, fingerprint, later, rows_of
from lading.plan import Task
from lading.prove import Level, Proof, State, compared_sums, differing, unlike
from lading.schema import Mode, Table
from lading.store import Line, Open
from lading.values import texts


def begin(moving: Moving, source: Session, target: Session) -> None:
    """Goes on with an interrupted load of the same work, or begins a new one."""
    task, store = moving.task, moving.store
    mark = fingerprint(moving.plan, task)
    old = store.unfinished(mark)
    if finished := store.finished(mark):
        if finished.state == "done":
            target.discard(finished.load)
        moving.bill, moving.continued = finished.bill, finished.run
        store.change(finished.load.id, run=moving.run, state="clean")
        return
    if old and _same(old, task):
        moving.load, moving.state, moving.continued = old.load, old.state, old.run
        moving.lines = {line.slice.number: line for line in store.lines(old.load.id)}
        store.change(old.load.id, run=moving.run)
        if old.state != "staging":
            moving.snapshot = old.snapshot
            return
        store.change(old.load.id, snapshot=moving.snapshot)
    elif old:
        target.discard(old.load)
        store.change(old.load.id, state="dropped")
    if not moving.lines:
        if not old or not moving.continued:
            store.add(moving.run, mark, moving.load, task, moving.snapshot)
        since = Slice(since=task.since, since_low=task.since_low) if task.since else WHOLE
        cuts = source.slices(moving.source, moving.plan.slice_rows, since)
        store.cut(moving.load.id, cuts)
        moving.lines = {cut.number: Line(slice=cut) for cut in cuts}
    target.prepare(moving.load)


def _same(old: Open, task: Task) -> bool:
    """Whether an interrupted load can go on: the tables are as they were."""
    if old.state != "staging":
        return True
    return old.task.source.columns == task.source.columns and old.task.target.columns == task.target.columns


def stage(moving: Moving, line: Line, source: Session, target: Session) -> None:
    """Moves one slice, unless an interrupted run did and the source still is as it was."""
    moving.start()
    if line.staged and _unchanged(moving, line, source):
        with moving.lock:
            moving.kept += 1
        moving.watch.moved(moving.name, line.rows, line.bytes)
        moving.watch.slice_done(moving.name)
        return
    passing = _Passing(moving)
    try:
        rows = target.stage(moving.load, passing.batches(source.read(moving.source, line.slice)), line.slice.number)
    except DataError as error:
        rows = _without_rejects(moving, line, passing := _Passing(moving), (source, target), error)
    done = passing.line(line.slice, rows)
    if moving.plan.level is not Level.COUNTS:
        done = done.model_copy(update={"found": source.digest(moving.source, line.slice)})
    else:
        bare = moving.source.model_copy(update={"columns": ()})
        done = done.model_copy(update={"found": source.digest(bare, line.slice)})
    with moving.lock:
        moving.lines[line.slice.number] = done
    moving.store.staged(moving.load.id, done)
    moving.store.beat(moving.run)
    moving.watch.slice_done(moving.name)


def _unchanged(moving: Moving, line: Line, source: Session) -> bool:
    """Whether the source, at the snapshot that is pinned now, still holds the slice as it was staged. Asked in
    place where the system can hash its rows; else the slice is read again and its digest compared."""
    if line.rejected:
        return False
    if line.found is not None and line.found.native:
        return source.digest(moving.source, line.slice) == line.found
    passing = _Passing(moving, quiet=True)
    for _ in passing.batches(source.read(moving.source, line.slice)):
        pass
    again = passing.line(line.slice, line.rows)
    return again.digest == line.digest and again.read == line.read


def _without_rejects(
    moving: Moving, line: Line, passing: _Passing, sessions: tuple[Session, Session], error: DataError
) -> int:
    """Finds the rows that the target refuses, keeps them, and stages the others."""
    source, target = sessions
    room = moving.plan.max_rejects - moving.rejected
    refused = Refused(moving.name, line.slice.number, room)
    with isolate(moving.load, target, refused, lambda batch: moving.fit(batch, Counter())) as sieve:
        for batch in source.read(moving.source, line.slice):
            passing.read(batch)
            sieve.add(batch)
        moving.store.reject(moving.run, moving.load.id, refused.rows)
        if refused.over or not refused.rows:
            raise refused.error(moving.plan.max_rejects) or error
        rows = target.stage(moving.load, passing.written(sieve.good()), line.slice.number)
    with moving.lock:
        moving.rejected += len(refused.rows)
    passing.rejected = len(refused.rows)
    return rows


class _Passing:
    """Counts, sums and digests what passes."""

    def __init__(self, moving: Moving, quiet: bool = False) -> None:
        self.moving, self.quiet = moving, quiet
        level = moving.plan.level
        self.tally = Tally(moving.source.columns if level is not Level.COUNTS else ())
        self.digester = Digester(moving.load.table.columns, moving.load.key)
        self.hashes = level in (Level.ROWS, Level.FULL)
        self.narrowed: Counter[str] = Counter()
        self.bytes = self.rejected = 0
        self.cursor: str | None = None

    def batches(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.read(batch)
            yield from self.written(iter([self.moving.fit(batch, self.narrowed)]))

    def read(self, batch: pa.RecordBatch) -> None:
        if self.moving.stop.is_set():
            raise Stopped
        self.tally.add(batch)
        if since := self.moving.task.since:
            self._follow(batch.column(since), since)

    def written(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if self.hashes:
                self.digester.add(batch)
            self.bytes += batch.nbytes
            yield batch
            if not self.quiet:
                self.moving.watch.moved(self.moving.name, batch.num_rows, batch.nbytes)

    def _follow(self, array: pa.Array, since: str) -> None:
        column = self.moving.source.column(since)
        if column is None or array.null_count == len(array):
            return
        top = pa.array([pc.max(array).as_py()], array.type)
        seen = texts(top, column.type)[0].as_py()
        self.cursor = seen if self.cursor is None else later(self.cursor, seen, column.type.numeric)

    def line(self, cut: Slice, rows: int) -> Line:
        return Line(
            slice=cut, staged=True, rows=rows, bytes=self.bytes, rejected=self.rejected, cursor=self.cursor,
            digest=self.digester.digest() if self.hashes else Digest(rows=rows), read=self.tally.reading(),
            narrowed={name: n for name, n in self.narrowed.items() if n},
        )  # fmt: skip


def prove(moving: Moving, source: Session, target: Session) -> None:
    """Compares what waits in the target with what was read, and what was read with what the source says."""
    moving.watch.state(moving.name, "proving")
    level, lines = moving.plan.level, moving.lines.values()
    reasons: list[str] = []
    notes = list(moving.task.notes)
    chain = _chain(moving, reasons)
    expected = moving.expected
    there = _read_back(moving, target, moving.load.stage)
    _equal(moving, expected, there, "staged")
    if level is Level.COLUMNS:
        notes.append(_in_place(moving, target))
    if level is Level.FULL:
        again = Digester(moving.load.table.columns, moving.load.key)
        for cut in (line.slice for line in lines):
            for batch in source.read(moving.source, cut):
                again.add(moving.fit(batch, Counter()))
        if not moving.rejected:
            _equal(moving, again.digest(), there, "read a second time")
    narrowed: Counter[str] = Counter()
    for line in lines:
        narrowed.update(line.narrowed)
    moving.proof = Proof(
        level=level, snapshot=moving.snapshot, source_root=expected.root, target_root=there.root, chain=chain,
        narrowed=dict(narrowed), reasons=tuple(reasons), notes=tuple(n for n in notes if n),
    )  # fmt: skip


def _chain(moving: Moving, reasons: list[str]) -> str:
    """Binds what was read to what the source says of itself; where no snapshot could be pinned, a difference only
    means that the source moved."""
    summed, asked = 0, 0
    for line in moving.lines.values():
        if line.found is None or line.read is None:
            continue
        asked += 1
        summed = compared_sums(line.read, line.found)
        unequal = unlike(line.read, line.found)
        if unequal and moving.snapshot:
            raise ProofFailed(
                f"Slice {line.slice.number} of '{moving.name}' was read with other {', '.join(unequal)} than the "
                f"source counts in place at the same snapshot ({line.read.rows:,} rows against {line.found.rows:,}).",
                "Report it with 'lading bill'; nothing was published.",
            )
        if unequal:
            reasons.append(f"the source moved while it was read: {', '.join(unequal)}")
    if not asked:
        return "the source cannot be asked in place; what was read is what is proved"
    return f"the source's own count and {summed} column sums equal what was read, at the same snapshot"


def _read_back(moving: Moving, target: Session, table: Table, cut: Slice = WHOLE) -> Digest:
    """The digest of rows as the target has them; at lower levels their number."""
    if moving.plan.level in (Level.ROWS, Level.FULL):
        return digest_of(_stoppable(moving, target.read(table, cut)), moving.load.table.columns, moving.load.key)
    return Digest(rows=_count(target, table, cut))


def _count(target: Session, table: Table, cut: Slice = WHOLE) -> int:
    bare = table.model_copy(update={"columns": ()})
    found = target.digest(bare, cut)
    return found.rows if found else sum(batch.num_rows for batch in target.read(table, cut))


def _stoppable(moving: Moving, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if moving.stop.is_set():
            raise Stopped
        yield batch


def _equal(moving: Moving, expected: Digest, found: Digest, where: str) -> None:
    if expected.rows == found.rows and expected.columns == found.columns:
        return
    names = differing(expected, found, moving.load.table.columns)
    moving.proof = Proof(
        level=moving.plan.level, snapshot=moving.snapshot, source_root=expected.root, target_root=found.root,
        differing=names, reasons=(f"the rows {where} differ from the rows that were read",),
    )  # fmt: skip
    raise ProofFailed(
        f"'{moving.name}' has {expected.rows:,} rows in the source and {found.rows:,} {where}; "
        f"columns that differ: {', '.join(names)}.",
        "Nothing more was published. See 'lading bill', then run again.",
    )


def _in_place(moving: Moving, target: Session) -> str:
    """At level `columns`: the sums of the target's columns against those of what was read, where types are alike."""
    found = target.digest(moving.load.stage, WHOLE)
    if found is None:
        return "the target cannot sum in place; only rows were compared"
    alike = [t.name for s, t in zip(moving.source.columns, moving.load.table.columns, strict=True) if s.type == t.type]
    totals: dict[str, tuple[int, object]] = {}
    for line in moving.lines.values():
        for name, one in (line.read.columns if line.read else {}).items():
            values, total = totals.get(name, (0, 0))
            totals[name] = (values + one.values, None if one.total is None else total + one.total)  # type: ignore[operator]
    for name, there in found.columns.items():
        values, total = totals.get(name, (0, None))
        summed = name in alike and total is not None and there.total is not None
        if values != there.values or (summed and total != there.total):
            raise ProofFailed(f"Column '{name}' of '{moving.name}' sums to another value in the target.", "Run again.")
    return f"values counted in {len(found.columns)} columns, sums of {len(alike)} columns of like types"


def publish(moving: Moving, target: Session) -> None:
    """Makes one proved table visible and looks at what is there."""
    before = _before(moving, target)
    moving.watch.state(moving.name, "publishing")
    moving.store.change(moving.load.id, state="publishing")
    target.publish([moving.load])
    published(moving, target, before)


def _before(moving: Moving, target: Session) -> Digest | None:
    """Appended rows without a key cannot be told from older ones: the table is digested before and after."""
    if moving.load.mode is Mode.APPEND and not moving.load.key and not moving.load.fresh:
        return _read_back(moving, target, moving.load.table)
    return None


def published(moving: Moving, target: Session, before: Digest | None = None) -> None:
    """The last look: after the commit, the target's own table is read."""
    load, expected = moving.load, moving.expected
    moving.store.change(load.id, state="published")
    if before is not None:
        _equal(moving, before + expected, _read_back(moving, target, load.table), "in the target")
    elif load.fresh:
        _equal(moving, Digest(rows=expected.rows), Digest(rows=_count(target, load.table)), "in the target")
    elif load.mode is Mode.REPLACE:
        _equal(moving, expected, _read_back(moving, target, load.table), "in the target")
    elif load.key and not moving.continued:
        keyed = load.table.model_copy(update={"key": load.key})
        there = _read_back(moving, target, keyed, Slice(within=load.stage.name))
        _equal(moving, expected, there, "in the target")
    _close(moving, target)


def _close(moving: Moving, target: Session) -> None:
    """Writes the table's line of the bill and removes what only the load needed."""
    rows = rows_of(moving)
    mark = fingerprint(moving.plan, moving.task)
    proof = moving.proof or Proof(level=moving.plan.level, snapshot=moving.snapshot,
                                  chain="proved by the interrupted run before it published")  # fmt: skip
    last, _ = moving.store.last(mark)
    reasons = list(proof.reasons)
    if rows.source == 0 and last:
        reasons.append(f"the source has no rows; the last run had {last:,}")
    if not rows.balanced:
        raise Bug(f"The balance of '{moving.name}' is off: {rows}.", "Report it with the bill.")
    state = State.UNPROVED if reasons else State.PROVED
    moving.bill = bill_of(moving, state, proof.model_copy(update={"reasons": tuple(reasons)}))
    cursors = [line.cursor for line in moving.lines.values() if line.cursor is not None]
    numeric = bool(moving.task.since and (c := moving.source.column(moving.task.since)) and c.type.numeric)
    top = reduce(lambda a, b: later(a, b, numeric), cursors) if cursors else moving.store.last(mark)[1]
    moving.store.change(moving.load.id, state="done", rows=rows.source, cursor=top, bill=moving.bill.model_dump_json())
    target.discard(moving.load)
    moving.store.change(moving.load.id, state="clean")
    moving.watch.state(moving.name, state.value)
