"""Due times in the store: each a row, taken by one scheduler at a time, and what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

import sqlalchemy as sa

from lading.attempts import CANCELLED, RUNNING, add, at_work
from lading.prove import State
from lading.record import verdicts
from lading.schedule import Arrival
from lading.store import Store, alive, loads, runs, slices

_tables = sa.MetaData()
dues = sa.Table(
    "dues", _tables,
    sa.Column("pipeline", sa.Text, primary_key=True), sa.Column("due", sa.Text, primary_key=True),
    sa.Column("schedule", sa.Text), sa.Column("state", sa.Text), sa.Column("run", sa.Text),
    sa.Column("owner", sa.Text), sa.Column("lease", sa.Text), sa.Column("began", sa.Text),
    sa.Column("ended", sa.Text), sa.Column("tries", sa.Integer), sa.Column("says", sa.Text),
    sa.Column("late", sa.Text),
)  # fmt: skip

schedulers = sa.Table(
    "schedulers", _tables,
    sa.Column("owner", sa.Text, primary_key=True), sa.Column("began", sa.Text), sa.Column("beat", sa.Text),
)  # fmt: skip

SINCE, WAITING, TAKEN, SKIPPED, MISSED = "since", "waiting", "taken", "skipped", "missed"
"""States of a due time, besides those of the run that it had. The first marks when a schedule was seen, or changed."""
ASKED, FILLING = "asked", "filling"
"""States of one that a backfill will run, or is running: schedulers leave it alone."""
BACKFILL = "backfill"
"""In place of the schedule, of a due time that only a backfill wanted."""
LEASE = timedelta(seconds=30)
"""How long a due time is taken for, unless that is renewed."""
KEPT = timedelta(days=400)
"""How long it is kept what became of a due time."""
SOON, LATE = "soon", "late"
"""Its deadline is near, or over, and it has not ended."""
GOOD = (State.PROVED.value, State.DONE.value)
"""States of a run which others come after."""


class Due(NamedTuple):
    """A due time of a pipeline. `owner` is the scheduler that has taken it, until `lease` unless it is renewed; while
    it waits, `lease` is when it may begin at the earliest. `tries` counts ends of its process without a bill."""

    pipeline: str
    due: datetime
    schedule: str = ""
    state: str = WAITING
    run: str = ""
    owner: str = ""
    lease: str = ""
    began: str = ""
    ended: str = ""
    tries: int = 0
    says: str = ""
    late: str = ""

    @property
    def key(self) -> tuple[str, datetime]:
        return self.pipeline, self.due


class Ran(NamedTuple):
    """The run of a due time: the state of its bill, or cancelled, empty while it is neither; when it ended, and whether
    its process is there."""

    state: str
    ended: str
    alive: bool


def run_id(pipeline: str, due: datetime) -> str:
    """The id of the one run of a due time."""
    told = hashlib.sha256(f"{pipeline} {due.isoformat()}".encode()).hexdigest()[:12]
    return f"{due:%Y%m%d-%H%M%S}-{told}"


def put(store: Store, found: Iterable[Due]) -> list[Due]:
    """Adds due times; returns those that were not there."""
    return ask(store, found, ())


def ask(store: Store, found: Iterable[Due], changes: Iterable[tuple[Due, dict[str, Any]]]) -> list[Due]:
    """The same, and changes others as they were seen: all of it or nothing."""
    with store.transaction() as connection:
        for seen, values in changes:
            _change(connection, seen, values)
        return [each for each in found if add(store, connection, dues, each._asdict() | {"due": _text(each.due)})]


def newest(store: Store) -> dict[str, Due]:
    """The newest due time of a schedule, or mark, of each pipeline."""
    moment = sa.select(dues.c.pipeline, sa.func.max(dues.c.due).label("due")).where(dues.c.schedule != BACKFILL)
    last = moment.group_by(dues.c.pipeline).subquery()
    mine = (last.c.pipeline == dues.c.pipeline) & (last.c.due == dues.c.due)
    return {row.pipeline: _due(row) for row in store.rows(sa.select(dues).join(last, mine))}


def open_ones(store: Store) -> list[Due]:
    """What waits or is taken, oldest first."""
    query = sa.select(dues).where(dues.c.state.in_((WAITING, TAKEN))).order_by(dues.c.due, dues.c.pipeline)
    return [_due(row) for row in store.rows(query)]


def waits(store: Store, pipeline: str) -> bool:
    """Whether a due time of a pipeline waits or is taken."""
    query = sa.select(dues.c.due).where(dues.c.pipeline == pipeline, dues.c.state.in_((WAITING, TAKEN)))
    return bool(store.rows(query.limit(1)))


def prune(store: Store, now: datetime) -> None:
    """Forgets what was due long ago and is over, but for the newest of each pipeline, and the slices of loads that were
    over then."""
    before, newer = now - KEPT, dues.alias()
    later = sa.exists().where(newer.c.pipeline == dues.c.pipeline, newer.c.due > dues.c.due)
    later = later.where(newer.c.schedule != BACKFILL)
    over = (dues.c.due < _text(before)) & dues.c.state.not_in((WAITING, TAKEN, ASKED, FILLING))
    over &= dues.c.ended < _text(before)  # a backfill's run may be much later; one that had none has no end
    clean = sa.select(loads.c.id).join(runs, runs.c.id == loads.c.run).where(runs.c.bill.is_not(None))
    clean = clean.where(loads.c.state.in_(("clean", "dropped")), loads.c.changed < _text(before))
    with store.transaction() as connection:
        connection.execute(dues.delete().where(over, later))
        connection.execute(slices.delete().where(slices.c.load.in_(clean)))


def of(store: Store, pipeline: str, limit: int) -> list[Due]:
    """The newest due times of a pipeline, or of all, the newest first."""
    query = sa.select(dues).where(dues.c.state != SINCE).order_by(dues.c.due.desc()).limit(limit)
    return [_due(row) for row in store.rows(query.where(dues.c.pipeline == pipeline) if pipeline else query)]


def within(store: Store, pipeline: str, first: datetime, last: datetime) -> list[Due]:
    """The due times of a pipeline from one moment to another, oldest first."""
    query = sa.select(dues).where(dues.c.pipeline == pipeline, dues.c.state != SINCE).order_by(dues.c.due)
    return [_due(row) for row in store.rows(query.where(dues.c.due.between(_text(first), _text(last))))]


def change(store: Store, seen: Due, **values: Any) -> bool:
    """Changes a due time, if it still is as it was seen; says whether it was."""
    with store.transaction() as connection:
        return _change(connection, seen, values)


def _change(connection: sa.Connection, seen: Due, values: dict[str, Any]) -> bool:
    same = [dues.c[name] == getattr(seen, name) for name in ("pipeline", "state", "owner", "late", "tries")]
    if seen.state == WAITING or "owner" in values:  # an owner renews its own lease
        same.append(dues.c.lease == seen.lease)
    mine = dues.update().where(dues.c.due == _text(seen.due), *same)
    return connection.execute(mine.values(**values)).rowcount == 1


def take(store: Store, seen: Due, owner: str, now: datetime, most: int = 1) -> bool:
    """Takes a due time that waits, unless so many others of its pipeline are taken; says whether it did."""
    other = dues.alias()
    taken = sa.select(sa.func.count()).where(other.c.pipeline == seen.pipeline, other.c.state == TAKEN)
    mine = (dues.c.pipeline == seen.pipeline) & (dues.c.due == _text(seen.due)) & (dues.c.state == WAITING)
    free = taken.scalar_subquery() < most
    values = {"state": TAKEN, "owner": owner, "lease": _text(now + LEASE), "began": seen.began or _text(now)}
    with store.transaction() as connection:
        return connection.execute(dues.update().where(mine, free).values(**values)).rowcount == 1


def renew(store: Store, owner: str, now: datetime) -> None:
    """Keeps what somebody has taken."""
    mine = dues.c.state.in_((TAKEN, FILLING)) & (dues.c.owner == owner)
    store.write(dues.update().where(mine).values(lease=_text(now + LEASE)))


class Beat(NamedTuple):
    """When a scheduler last said that it is at work."""

    owner: str
    beat: str


def beat(store: Store, owner: str, now: datetime) -> None:
    """Says that a scheduler is at work."""
    with store.transaction() as connection:
        mine = schedulers.update().where(schedulers.c.owner == owner).values(beat=_text(now))
        if connection.execute(mine).rowcount == 0:
            add(store, connection, schedulers, {"owner": owner, "began": _text(now), "beat": _text(now)})


def beat_no_more(store: Store, owner: str, now: datetime) -> None:
    """Forgets a scheduler that has ended, and those of which nobody has heard for a day."""
    old = schedulers.c.beat < _text(now - timedelta(days=1))
    store.write(schedulers.delete().where((schedulers.c.owner == owner) | old))


def beats(store: Store) -> list[Beat]:
    """The schedulers that have not said that they ended, the newest beat first."""
    query = sa.select(schedulers.c.owner, schedulers.c.beat).order_by(schedulers.c.beat.desc())
    return [Beat(row.owner, row.beat) for row in store.rows(query)]


def lapsed(found: Due, now: datetime) -> bool:
    """Whether its scheduler has let go of it, or was a process of this machine that is no longer there."""
    return found.lease < _text(now) or not alive(found.owner, _text(datetime.now(UTC)))


def of_run(store: Store, pipeline: str, run: str) -> datetime | None:
    """The due time that a run of a pipeline is for."""
    rows = store.rows(sa.select(dues.c.due).where(dues.c.pipeline == pipeline, dues.c.run == run))
    return next((datetime.fromisoformat(row.due) for row in rows), None)


def ran(store: Store, run: str) -> Ran:
    query = sa.select(runs.c.state, runs.c.ended, runs.c.owner, runs.c.beat, runs.c.bill.is_not(None).label("over"))
    for row in store.rows(query.where(runs.c.id == run)):
        over = row.over or row.state == CANCELLED
        return Ran(row.state if over else "", row.ended or "", not row.over and at_work(row))
    return Ran("", "", False)


def over(store: Store, pipeline: str) -> dict[str, Ran]:
    """The runs of a pipeline that have their bills."""
    mine = runs.c.pipeline == pipeline, runs.c.part_of == "", runs.c.bill.is_not(None)
    query = sa.select(runs.c.id, runs.c.state, runs.c.ended).where(*mine)
    return {row.id: Ran(row.state, row.ended or "", False) for row in store.rows(query)}


def at_work_now(store: Store, filling: bool = True) -> dict[str, set[str]]:
    """The pipelines of which runs are at work, whoever began them, and those runs; also backfills' own if `filling`."""
    query = sa.select(runs.c.id, runs.c.pipeline, runs.c.state, runs.c.owner, runs.c.beat)
    query = query.where(runs.c.state == RUNNING, runs.c.part_of == "")
    if not filling:
        query = query.where(runs.c.id.not_in(sa.select(dues.c.run).where(dues.c.state == FILLING)))
    found: dict[str, set[str]] = {}
    for row in store.rows(query):
        if at_work(row):
            found.setdefault(row.pipeline, set()).add(row.id)
    return found


def last_end(store: Store) -> str:
    """When the newest run ended."""
    return str(store.rows(sa.select(sa.func.max(runs.c.ended)))[0][0] or "")


def ends(store: Store, pipeline: str, last: datetime) -> list[datetime]:
    """When runs of a pipeline ended well after a moment, oldest first."""
    good = runs.c.pipeline == pipeline, runs.c.part_of == "", runs.c.state.in_(GOOD)
    return _moments(store, sa.select(runs.c.ended).where(*good, runs.c.ended > _text(last)))


def arrivals(store: Store, wanted: Arrival, address: str, pipeline: str, last: datetime) -> list[datetime]:
    """When runs ended, after a moment, that moved rows into a table and proved it; none of the pipeline itself."""
    there = verdicts.c.kind == "copy", verdicts.c.target == address, verdicts.c.target_table == wanted.table
    query = sa.select(runs.c.ended).join(verdicts, verdicts.c.run == runs.c.id)
    proved = verdicts.c.verdict == State.PROVED.value, verdicts.c.pipeline != pipeline
    return _moments(store, query.where(*there, *proved, runs.c.ended > _text(last)))


def usual(store: Store, pipeline: str) -> timedelta:
    """How long the pipeline's runs take that end well: the middle of the last five; nothing where there were none."""
    good = dues.c.pipeline == pipeline, dues.c.state.in_((*GOOD, State.UNPROVED.value)), dues.c.began != ""
    query = (
        sa.select(dues.c.began, dues.c.ended)
        .where(*good, dues.c.schedule != BACKFILL)
        .order_by(dues.c.due.desc())
        .limit(5)
    )
    spans = [datetime.fromisoformat(row.ended) - datetime.fromisoformat(row.began) for row in store.rows(query)]
    return timedelta(seconds=median(max(span.total_seconds(), 0) for span in spans)) if spans else timedelta()


def _moments(store: Store, query: sa.Select[Any]) -> list[datetime]:
    return sorted({datetime.fromisoformat(row.ended) for row in store.rows(query)})


def _due(row: Any) -> Due:
    values = {name: getattr(row, name) for name in Due._fields}
    return Due(**values | {"due": datetime.fromisoformat(row.due)})


def _text(moment: datetime) -> str:
    """A moment as the store keeps it: sorts as text."""
    return moment.astimezone(UTC).isoformat()
