"""Moves one slice: what is read of the source waits in the target, and is noted in the ledger."""

from __future__ import annotations

from concurrent.futures import Future, wait
from contextlib import suppress

from lading import undecoded
from lading.connector import Session, Slice
from lading.digest import Reading, version_of
from lading.errors import DataError, LadingError
from lading.isolate import Refused, isolate
from lading.moving import Moving
from lading.passing import Passing, reading
from lading.prove import Level, unlike
from lading.schema import Table
from lading.store import Line
from lading.threads import ahead, apart


def stage(moving: Moving, line: Line, source: Session, target: Session) -> None:
    """Moves one slice, unless an interrupted run did and the source still is as it was."""
    moving.start()
    if line.staged and unchanged(moving, line, source):
        with moving.lock:
            moving.kept += 1
        moving.watch.moved(moving.name, line.rows, line.bytes)
        moving.watch.slice_done(moving.name)
        return
    try:
        carry = undecoded.staged if moving.task.undecoded else _staged
        done = carry(moving, line.slice, source, target)
    except DataError:
        if moving.task.undecoded:  # once more, to name the rows that are refused
            _staged(moving, line.slice, source, target)
        raise
    with moving.lock:
        moving.lines[line.slice.number] = done
    moving.store.staged(moving.load.id, done)
    moving.store.beat(moving.run)
    moving.watch.slice_done(moving.name)


def _staged(moving: Moving, cut: Slice, source: Session, target: Session) -> Line:
    """Moves one slice, whose values are looked at on the way."""
    passing, beside = Passing(moving), moving.beside
    asked = moving.source if moving.plan.level is not Level.COUNTS else bare(moving.source, cut)
    asking = apart(lambda: beside.digest(asked, cut)) if beside else None
    try:
        with (
            reading(source.read(moving.source, cut)) as read,
            reading(ahead(read) if moving.plan.readers == 1 else read) as batches,
        ):
            rows = target.stage(moving.load, passing.batches(batches), cut.number)
    except DataError as error:
        passing.take_back()
        rows = _without_rejects(moving, cut, passing := Passing(moving), (source, target), error)
    finally:
        wait([asking] if asking else [])
    line = passing.line(cut, rows)
    found = _alike_beside(moving, line, asking) or source.digest(asked, cut)
    return line.model_copy(update={"found": found})


def _alike_beside(moving: Moving, line: Line, asking: Future[Reading | None] | None) -> Reading | None:
    """What a second session says of the slice, if it is what was read; else it may have seen a later state, and the
    session that read is asked, also from then on."""
    if asking is None:
        return None
    found = None
    with suppress(LadingError):
        found = asking.result()
    if found is None or line.read is None or unlike(line.read, found):
        moving.beside = None
        return None
    moving.asked += 1
    return found


def unchanged(moving: Moving, line: Line, source: Session) -> bool:
    """Whether the source, at the snapshot that is pinned now, still holds the slice as it was staged. Asked in
    place where the system can hash its rows; else the slice is read again and its digest compared."""
    if line.rejected or not _alike(line, moving):
        return False
    if moving.task.undecoded:
        return undecoded.total(moving, source, moving.source, line.slice) == line.digest
    if line.found is not None and line.found.native:
        return source.digest(moving.source, line.slice) == line.found
    passing = Passing(moving, quiet=True)
    for _ in passing.batches(source.read(moving.source, line.slice)):
        pass
    again = passing.line(line.slice, line.rows)
    return again.digest == line.digest and again.read == line.read


def _alike(line: Line, moving: Moving) -> bool:
    """Whether an interrupted run took as much notice of a slice as the level wants, and in the same way."""
    level = moving.plan.level
    if line.undecoded or moving.task.undecoded:
        return line.undecoded and moving.task.undecoded and bool(line.digest.columns) == (level is Level.ROWS)
    if line.digest.columns and line.digest.version != version_of(moving.load.table.columns):
        return False
    summed = line.read is not None and bool(line.read.columns)
    return bool(line.digest.columns) == (level in (Level.ROWS, Level.FULL)) and summed == (level is not Level.COUNTS)


def _without_rejects(
    moving: Moving, cut: Slice, passing: Passing, sessions: tuple[Session, Session], error: DataError
) -> int:
    """Finds the rows that the target refuses, keeps them, and stages the others."""
    source, target = sessions
    with moving.sifting:  # one scratch table, and one count of what may be refused
        room = moving.plan.max_rejects - moving.rejected
        refused = Refused(moving.name, cut.number, room, moving.hidden)
        with isolate(moving.load, target, refused, moving.fit) as sieve:
            with reading(source.read(moving.source, cut)) as batches:
                for batch in batches:
                    passing.read(batch)
                    sieve.add(batch)
            rows, good = (0, []) if refused.over else sieve.stage(cut.number)
            moving.store.reject(moving.run, moving.load.id, refused.rows)
            if refused.over or not refused.rows:
                raise refused.error(moving.plan.max_rejects, moving.task.keys is not None) or error
            for _ in passing.written(iter(good)):
                pass
        moving.rejected += len(refused.rows)
    passing.rejected, passing.narrowed = len(refused.rows), sieve.narrowed
    return rows


def bare(table: Table, cut: Slice) -> Table:
    """The table to count rows of: with no columns but those that tell which rows."""
    wanted = (*cut.on, cut.since, *(table.key if cut.within else ()))
    return table.model_copy(update={"columns": tuple(c for c in table.columns if c.name in wanted)})
