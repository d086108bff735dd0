"""A select whose rows go into a table of the same system: staged, counted and published there, without moving them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from lading.connector import WHOLE, Capabilities, Load
from lading.driver import transaction
from lading.errors import LadingError, ProofFailed, SpecError
from lading.plan import Side, Task, plan
from lading.prove import unlike
from lading.schema import Mode, Table
from lading.slicing import same
from lading.spec import Move
from lading.sql import PUBLISHED, SLICE, SqlSession


class Selecting(NamedTuple):
    """What is asked for. `id` is 12 hexadecimal digits, the same for every attempt of a run at the same step."""

    id: str
    at: str
    sql: str
    values: Sequence[Any]
    into: str
    mode: Mode
    key: tuple[str, ...]
    accept: tuple[str, ...]


class Arrived(NamedTuple):
    """How many rows the select gave, and why it is not proved that they arrived; empty when it is."""

    rows: int
    reason: str = ""


class Control(NamedTuple):
    """`again` says that an earlier attempt of the run may have come to any point: what it published is not published
    twice. What attempts of the ids `left` have left is removed. `settle` is told before the traces of this one go,
    `go_on` raises when it shall end."""

    again: bool
    left: Sequence[str]
    settle: Callable[[Arrived], None]
    go_on: Callable[[], None]


def named(pipeline: str, step: str, run: str) -> str:
    """The id of a run's select."""
    return hashlib.sha256(f"{pipeline} {step} {run}".encode()).hexdigest()[:12]


def selected(session: SqlSession, asked: Selecting, can: Capabilities, control: Control) -> Arrived:
    """Carries the select out."""
    session._make_schema(Load(id=asked.id, table=_places(asked, asked.id)[1], fresh=True))
    for id in control.left:
        _clear(session, *_places(asked, id))
    load, scratch = _places(asked, asked.id)
    if control.again and _published(session, load):
        arrived = _once_more(session, asked, scratch)
    else:
        arrived = _anew(session, asked, can, (load, scratch), control.go_on)
    control.settle(arrived)
    with suppress(LadingError):  # the next run of the same step removes it
        _clear(session, load, scratch)
    return arrived


def _places(asked: Selecting, id: str) -> tuple[Load, Table]:
    """The load of an attempt, as far as it is known, and the table that the select's rows come into first."""
    schema, _, name = asked.into.rpartition(".")
    target = Table(name=name, schema_name=schema or None)
    return Load(id=id, table=target, mode=asked.mode), target.model_copy(update={"name": f"lading_{id}x"})


def _anew(
    session: SqlSession, asked: Selecting, can: Capabilities, places: tuple[Load, Table], go_on: Callable[[], None]
) -> Arrived:
    bare, scratch = places
    _clear(session, bare, scratch)
    try:
        with transaction(session.driver):
            made = session.dialect.create_as.format(t=session.name(scratch), sql=asked.sql)
            session.driver.execute(made, asked.values)
        way = task(session, asked, can, scratch)
        load = bare.model_copy(update={"table": way.target, "key": way.key, "fresh": way.fresh})
        go_on()
        rows = _staged(session, load, way.source)
        before = 0 if way.fresh or load.mode is not Mode.APPEND else _count(session, way.target)
        go_on()
        session.publish([load])
    except ProofFailed:
        raise  # what is staged can be looked at until the next run
    except LadingError:
        with suppress(LadingError):
            if not _published(session, bare):
                _clear(session, bare, scratch)
        raise
    return _arrived(session, load, scratch, (rows, before))


def _published(session: SqlSession, load: Load) -> bool:
    """Whether the rows of a load are visible, for as long as it is not discarded."""
    return session._holds_ledger(load) and session._marked(load, PUBLISHED)


def _clear(session: SqlSession, load: Load, scratch: Table) -> None:
    session.driver.execute(session.dialect.drop.format(t=session.name(scratch), plain=""))
    session.discard(load)


def task(session: SqlSession, asked: Selecting, can: Capabilities, scratch: Table) -> Task:
    """The rows' way from the scratch table into the target's, with what they would lose."""
    found = session.describe(scratch.full_name)
    if found is None or not found.columns:
        raise SpecError("The select has no columns.", "Name some.")
    if found.problems:
        first = found.problems[0].partition(", which")[0]
        raise SpecError(f"Of the select, {first}.", "Write CAST(... AS ...) with a type of the system.")
    there = session.describe(asked.into)
    key = there.key if there and not asked.key and asked.mode is Mode.MERGE else asked.key
    found = _whole(session, found, there) if there else found
    move = Move(
        source=asked.at, target=asked.at, tables=(found.full_name,), into={found.full_name: asked.into},
        mode=asked.mode, merge_key=key, accept=asked.accept,
    )  # fmt: skip
    side = Side(address=asked.at, can=can)
    made = plan(move, [found], (side, side), session.fit, lambda table: session.describe(table.full_name))
    way = made.tasks[0]
    if way.problem:
        kinds = {kind.kind: kind for kind in LadingError.__subclasses__()}
        raise kinds[way.problem_kind](way.problem.replace(way.name, "the select"), way.fix)
    return way


def _whole(session: SqlSession, found: Table, there: Table) -> Table:
    """The rows' table, in which a column that holds no NULL is declared so where the target's is."""
    strict = [c for c in found.columns if c.null and (own := there.column(c.name)) is not None and not own.null]
    if not strict:
        return found
    counts = ", ".join(f"count(*) - count({session.dialect.quote(column.name)})" for column in strict)
    holes = session.driver.query(f"SELECT {counts} FROM {session.name(found)}")[0]
    full = [column.name for column, count in zip(strict, holes, strict=True) if not int(count)]
    columns = (c.model_copy(update={"null": c.null and c.name not in full}) for c in found.columns)
    return found.model_copy(update={"columns": tuple(columns)})


def _staged(session: SqlSession, load: Load, scratch: Table) -> int:
    """Fills the stage, and compares it with what the select gave."""
    session.prepare(load)
    columns = [session.dialect.quote(column.name) for column in load.table.columns]
    numbered = session.dialect.slice_column
    into = ", ".join([*columns, *([session.dialect.quote(SLICE.name)] if numbered else [])])
    items = ", ".join([*columns, *(["0"] if numbered else [])])
    with transaction(session.driver):
        session.driver.execute(
            f"INSERT INTO {session.name(load.stage)} ({into}) SELECT {items} FROM {session.name(scratch)}"
        )
    alike = [c for c in load.table.columns if (own := scratch.column(c.name)) is not None and own.type == c.type]
    narrow = {"columns": tuple(alike)}
    given = session.digest(scratch.model_copy(update=narrow), WHOLE)
    there = session.digest(load.stage.model_copy(update=narrow), WHOLE)
    if given is None or there is None or (unequal := unlike(given, there)):
        named = ", ".join(unequal) if given is not None and there is not None else "rows"
        raise ProofFailed(
            f"What is staged for '{load.table.full_name}' has other {named} than the select.",
            "Nothing was published. Look at the types and triggers of the table.",
        )
    return given.rows


def _arrived(session: SqlSession, load: Load, scratch: Table, counts: tuple[int, int]) -> Arrived:
    """The last look, after the commit: every row of the select is in the table."""
    rows, before = counts
    if load.mode is Mode.MERGE and load.key:
        on = same(session.dialect, "t", "s", load.stage.keyed)
        held = f"SELECT 1 FROM {session.name(load.table)} t WHERE {on}"
        there = f"SELECT count(*) FROM {session.name(scratch)} s WHERE EXISTS ({held})"
        found = int(session.driver.query(there)[0][0])
    else:
        found = _count(session, load.table) - before
    if found != rows:
        raise ProofFailed(
            f"The select gave {rows:,} rows, and {found:,} are in '{load.table.full_name}'.",
            "Find out who else writes to the table, then run again.",
        )
    return Arrived(rows)


def _once_more(session: SqlSession, asked: Selecting, scratch: Table) -> Arrived:
    """What an interrupted attempt published is counted; how many rows there were before, nobody knows any more."""
    rows = _count(session, scratch) if session.describe(scratch.full_name) is not None else 0
    if asked.mode is Mode.REPLACE and _count(session, _places(asked, asked.id)[0].table) == rows:
        return Arrived(rows)
    return Arrived(rows, "it was published by an interrupted attempt and not counted right after it")


def _count(session: SqlSession, table: Table) -> int:
    return int(session.driver.query(f"SELECT count(*) FROM {session.name(table)}")[0][0])
