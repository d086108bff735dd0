"""Rows that pass from one system to another of its kind as they are: moved as bytes, and hashed by both systems."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from lading.connector import WHOLE, Passes, Session, Slice
from lading.digest import Digest, Reading
from lading.ending import Stopped
from lading.errors import Bug, DataError
from lading.moving import Moving
from lading.passing import reading
from lading.plan import Plan, Task
from lading.prove import Level
from lading.schema import Table
from lading.spec import Move
from lading.store import Line


def chosen(move: Move, made: Plan, sessions: tuple[Session, Session]) -> Plan:
    """The plan with the tables marked whose rows can pass undecoded, and why others cannot. Where values are to be
    looked at on the way, for `since`, for rejects or above the level `rows`, none can."""
    source, target = sessions
    if not (isinstance(source, Passes) and isinstance(target, Passes)):
        return made
    if why := _looked(move) or _unlike(form := source.form(), target.form()):
        return made.model_copy(update={"reasons": (*made.reasons, f"rows are decoded on the way{why}")})
    tasks, kept = list[Task](), list[str]()
    for task in made.tasks:
        if not task.problem:
            columns = (task.source.column(column.name) for column in task.target.columns)
            own = task.source.model_copy(update={"columns": tuple(c for c in columns if c)})
            why = source.decoded(own, task.target)
            kept += [f"{task.name} ({why})"] if why else []
            task = task.model_copy(update={"undecoded": not why})
        tasks.append(task)
    reason = f"rows pass undecoded: both sides are {form}, and each hashes its own"
    but = f"decoded on the way: {', '.join(kept[:3])}{f' and {len(kept) - 3:,} more' if len(kept) > 3 else ''}"
    some = any(task.undecoded for task in tasks)
    reasons = (*made.reasons, *([reason] if some else []), *([but] if kept else []))
    return made.model_copy(update={"tasks": tuple(tasks), "reasons": reasons})


def _looked(move: Move) -> str:
    """For what the values of every table are looked at, as the end of a sentence; empty where it is for nothing."""
    level = "" if move.proof in (Level.COUNTS, Level.ROWS) else f"the level {move.proof.value}"
    asked = {"'since'": move.since, "'max_rejects'": move.max_rejects, "'gentle'": move.gentle, level: level}
    words = [word for word, wanted in asked.items() if wanted]
    return f", for {' and '.join(words)}" if words else ""


def _unlike(form: str, there: str) -> str:
    """The same of what the two sides are."""
    if not form or not there:
        return f": the {'target' if form else 'source'} is too old, or its texts are not UTF-8"
    return "" if form == there else f": the source is {form}, the target {there}"


def staged(moving: Moving, cut: Slice, source: Session, target: Session) -> Line:
    """Moves one slice as bytes; what the source hashes of it, at the same snapshot, is what must arrive."""
    giver, taker, size = cast("Passes", source), cast("Passes", target), 0

    def followed(blocks: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal size
        for block in blocks:
            if moving.stop.is_set():
                raise Stopped
            size += len(block)
            moving.watch.moved(moving.name, 0, len(block))
            yield block

    try:
        with reading(giver.give(moving.source, cut)) as blocks:
            rows = taker.take(moving.load, followed(blocks), cut.number)
    except DataError:
        moving.watch.moved(moving.name, 0, -size)  # the slice is read once more
        raise
    moving.watch.moved(moving.name, rows, 0)
    digest = total(moving, source, moving.source, cut)
    return Line(
        slice=cut, staged=True, undecoded=True, rows=rows, bytes=size, digest=digest, read=Reading(rows=rows),
        found=Reading(rows=digest.rows),
    )  # fmt: skip


def total(moving: Moving, session: Session, table: Table, cut: Slice = WHOLE) -> Digest:
    """What a system says of its rows; at lower levels their number."""
    if moving.plan.level is Level.ROWS:
        return cast("Passes", session).total(table, cut)
    bare = table.model_copy(update={"columns": ()})
    found = session.digest(bare, cut)
    if found is None:
        raise Bug(f"'{moving.name}' cannot be counted in place.", "Report it.")
    return Digest(rows=found.rows)
