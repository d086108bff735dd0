"""Pipelines' runs in the store: every attempt at a step, and what a person approved."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, NamedTuple

import sqlalchemy as sa

from lading.desk import Outcome
from lading.errors import AT_WORK, SpecError
from lading.prove import State, Unfinished
from lading.shares import Shares
from lading.spec import Step
from lading.store import FRESH, Store, alive, owner, runs

_tables = sa.MetaData()
step_runs = sa.Table(
    "step_runs", _tables,
    sa.Column("run", sa.Text, primary_key=True), sa.Column("step", sa.Text, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True), sa.Column("do", sa.Text), sa.Column("digest", sa.Text),
    sa.Column("state", sa.Text), sa.Column("began", sa.Text), sa.Column("ended", sa.Text),
    sa.Column("says", sa.Text), sa.Column("outcome", sa.Text), sa.Column("owner", sa.Text), sa.Column("beat", sa.Text),
    sa.Column("shares", sa.Text),
)  # fmt: skip

approvals = sa.Table(
    "approvals", _tables,
    sa.Column("run", sa.Text, primary_key=True), sa.Column("step", sa.Text, primary_key=True),
    sa.Column("granted", sa.Boolean), sa.Column("who", sa.Text), sa.Column("moment", sa.Text),
    sa.Column("reason", sa.Text),
)  # fmt: skip

RUNNING, INTERRUPTED, CANCELLED, OPEN, WAITING = "running", "interrupted", "cancelled", "open", "waiting"
CANARY = "{} canary"
"""What runs beside the live release are called: no pipeline can be called so."""
_GOOD = (State.PROVED.value, State.UNPROVED.value, State.DONE.value)


class Approval(NamedTuple):
    """What a person said of a step that asked."""

    granted: bool
    who: str
    reason: str


class Attempt(NamedTuple):
    """The newest attempt at a step of a run. `state` is one of `State`, running or interrupted; there is an outcome
    where it has ended."""

    step: str
    number: int
    digest: str
    state: str
    outcome: Outcome | None

    @property
    def begun(self) -> bool:
        """Whether it may have done a part of its work, or all of it unnoticed."""
        return self.state in (RUNNING, INTERRUPTED, State.FAILED)

    def done(self, digest: str) -> bool:
        """Whether the step, as it is now, need not be carried out again."""
        return self.state in _GOOD and self.digest == digest


class _Full(Exception):
    """Others have what an attempt needs."""


def begin(store: Store, run: str, step: Step, digest: str, shares: Shares) -> int:
    """Notes a new attempt and returns its number; 0 while others have of something what it needs. Raises SpecError
    while another process is at the step."""
    with suppress(_Full):
        return _begin(store, run, step, digest, shares)
    return 0


def _begin(store: Store, run: str, step: Step, digest: str, shares: Shares) -> int:
    mine = (step_runs.c.run == run) & (step_runs.c.step == step.key)
    query = sa.select(step_runs).where(mine).order_by(step_runs.c.attempt.desc()).limit(1)
    with store.transaction() as connection:
        if shares and store.engine.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
            connection.execute(sa.text("LOCK TABLE step_runs IN SHARE ROW EXCLUSIVE MODE"))
        before = connection.execute(query).first()
        number = before.attempt + 1 if before else 1
        new = {
            "run": run, "step": step.key, "attempt": number, "do": step.do,
            "digest": digest, "state": RUNNING, "began": _now(), "says": "", "owner": owner(), "beat": _now(),
            "shares": json.dumps({name: share for name, (share, _) in shares.items()}) if shares else None,
        }  # fmt: skip
        there = before is not None and before.owner and at_work(before)
        if there or not add(store, connection, step_runs, new):
            raise busy(f"Step '{step.key}' of run {run}")
        taken = _taken(connection) if shares else Counter()
        if any(taken[name] > whole for name, (_, whole) in shares.items()):
            raise _Full
    return number


def _taken(connection: sa.Connection) -> Counter[str]:
    """What the attempts that are at work have, by name; a process that was killed has nothing."""
    found: Counter[str] = Counter()
    for row in connection.execute(sa.select(step_runs).where(step_runs.c.shares.is_not(None))):
        if alive(row.owner, row.beat):
            found.update(json.loads(row.shares))
    return found


def leave(store: Store, run: str, step: Step, number: int) -> None:
    """Leaves to others what an attempt had: after all that it does, also after it is noted how it came out."""
    mine = (step_runs.c.run == run) & (step_runs.c.step == step.key) & (step_runs.c.attempt == number)
    store.write(step_runs.update().where(mine).values(shares=None))


def beat(store: Store, run: str) -> None:
    """Says that the run is alive, and what this process is at in it."""
    store.beat(run)
    mine = (step_runs.c.run == run) & (step_runs.c.owner == owner())
    mine &= (step_runs.c.state == RUNNING) | step_runs.c.shares.is_not(None)
    store.write(step_runs.update().where(mine).values(beat=_now()))


def end(store: Store, run: str, step: Step, number: int, outcome: Outcome | None) -> None:
    """Notes how an attempt came out; None for one that was interrupted."""
    mine = (step_runs.c.run == run) & (step_runs.c.step == step.key) & (step_runs.c.attempt == number)
    if outcome is None:
        mine &= step_runs.c.state == RUNNING
    elif outcome.state is State.FAILED:  # it may have been settled already, with what it did
        mine &= step_runs.c.state.not_in(_GOOD)
    values = {"state": INTERRUPTED, "says": "", "outcome": None} if outcome is None else {
        "state": outcome.state.value, "says": outcome.says or outcome.error, "outcome": outcome.model_dump_json()
    }  # fmt: skip
    store.write(step_runs.update().where(mine).values(ended=_now(), **values))


def last(store: Store, run: str) -> dict[str, Attempt]:
    """The newest attempt at each step of a run, by the step's key."""
    query = sa.select(step_runs).where(step_runs.c.run == run).order_by(step_runs.c.attempt)
    found = {}
    for row in store.rows(query):
        outcome = Outcome.model_validate_json(row.outcome) if row.outcome else None
        found[row.step] = Attempt(row.step, row.attempt, row.digest, row.state, outcome)
    return found


def carry(store: Store, before: str, run: str, keys: Sequence[str]) -> None:
    """Notes in a run what was done of these steps in one before it."""
    good = (State.PROVED.value, State.UNPROVED.value, State.DONE.value)
    done = [each for key, each in last(store, before).items() if key in keys and each.state in good]
    with store.transaction() as connection:
        for each in done:
            mine = step_runs.c.run == before, step_runs.c.step == each.step, step_runs.c.attempt == each.number
            row = connection.execute(sa.select(step_runs).where(*mine)).one()._mapping
            add(store, connection, step_runs, {**row, "run": run, "attempt": 1, "shares": None})


def steps(store: Store, run: str) -> list[str]:
    """The keys of a run's steps, in the order in which they began."""
    began = sa.func.min(step_runs.c.began)
    query = sa.select(step_runs.c.step).where(step_runs.c.run == run).group_by(step_runs.c.step).order_by(began)
    return [row.step for row in store.rows(query)]


def found(store: Store, run: str, pipeline: str = "") -> Any:
    """The row of a pipeline's run: by its id, the beginning of one, or 'last', the newest, or the newest of one
    pipeline."""
    query = sa.select(runs).where(runs.c.part_of == "", runs.c.id.in_(sa.select(step_runs.c.run)))
    query = query.order_by(runs.c.started.desc())
    if run != "last":
        query = query.where(runs.c.id.startswith(run, autoescape=True))
    elif pipeline:
        query = query.where(runs.c.pipeline == pipeline)
    rows = store.rows(query.limit(2))
    if not rows:
        of = f"'{pipeline}'" if pipeline and run == "last" else "a pipeline"
        raise SpecError(f"There is no run '{run}' of {of}.", "See 'lading history'.")
    if len(rows) > 1 and run not in ("last", rows[0].id, rows[1].id):
        raise SpecError(f"Several runs begin with '{run}'.", "Write more of it.")
    return next((row for row in rows if row.id == run), rows[0])


def earlier(store: Store, pipeline: str, step: Step, run: str) -> list[str]:
    """The newest runs of a pipeline but this one in which a step was tried and that are over, three at most."""
    mine = (runs.c.pipeline == pipeline) & (runs.c.part_of == "") & (runs.c.id != run) & runs.c.bill.is_not(None)
    query = sa.select(runs.c.id).where(mine).order_by(runs.c.started.desc()).limit(20)
    tried = sa.select(step_runs.c.run).where(step_runs.c.step == step.key, step_runs.c.do == step.do)
    held = {row.run for row in store.rows(tried.where(step_runs.c.run.in_(query)).distinct())}
    return [row.id for row in store.rows(query) if row.id in held][:3]


def usual(store: Store, pipeline: str, key: str, place: str) -> list[int]:
    """The rows of a place that a step counted in its last runs that were proved, the newest first, seven at most."""
    query = sa.select(step_runs.c.outcome).join(runs, runs.c.id == step_runs.c.run)
    mine = runs.c.pipeline == pipeline, step_runs.c.step == key, step_runs.c.state == State.PROVED.value
    rows = store.rows(query.where(*mine).order_by(step_runs.c.ended.desc()).limit(50))
    found = [Outcome.model_validate_json(row.outcome).counted for row in rows]
    return [counted[place] for counted in found if place in counted][:7]


def interrupted(store: Store, pipeline: str, release: int = 0) -> str | None:
    """The pipeline's newest run, if it was one of this release and was interrupted a short time ago."""
    query = sa.select(runs).where(runs.c.pipeline == pipeline, runs.c.part_of == "").order_by(runs.c.started.desc())
    newest = next(iter(store.rows(query.limit(1))), None)
    states = (RUNNING, INTERRUPTED, CANCELLED)
    if newest is None or newest.bill or newest.state not in states or not last(store, newest.id):
        return None
    if (newest.release or 0) != release:
        return None
    recent = datetime.now(UTC) - datetime.fromisoformat(newest.beat) < FRESH
    return newest.id if recent and not at_work(newest) else None


def join(store: Store, run: str, pipeline: str, release: int = 0) -> bool:
    """Takes part in a run, which begins with its first step; False for one that has its bill."""
    found = store.rows(sa.select(runs).where(runs.c.id == run))
    if not found:
        values = {"owner": owner(), "beat": _now(), "part_of": "", "release": release, "state": RUNNING}
        with store.transaction() as connection:  # another step's process may be as quick
            add(store, connection, runs, {"id": run, "pipeline": pipeline, "started": _now(), **values})
        return True
    _same(found[0], pipeline, release)
    if found[0].bill is not None:
        return False
    store.resume(run)
    return True


def own(store: Store, run: str, pipeline: str, release: int = 0, most: int = 1) -> bool:
    """Makes a run this process's, a new one or one that was interrupted; False for one that has its bill. Raises
    SpecError while this run, or as many others of the pipeline as may be, are at work: of many who try at once, one
    has it."""
    others = sa.select(runs).where(runs.c.pipeline == pipeline, runs.c.part_of == "", runs.c.state == RUNNING)
    with store.transaction() as connection:
        if store.engine.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
            connection.execute(sa.text("LOCK TABLE runs IN SHARE ROW EXCLUSIVE MODE"))
        values = {"state": RUNNING, "owner": owner(), "beat": _now(), "cancelled": None}
        new = {"id": run, "pipeline": pipeline, "started": _now(), "part_of": "", "release": release, **values}
        if not add(store, connection, runs, new):
            found = connection.execute(sa.select(runs).where(runs.c.id == run)).one()
            _same(found, pipeline, release)
            if found.bill is not None:
                return False
            _idle(found)
            connection.execute(runs.update().where(runs.c.id == run).values(**values))
        going = [other for other in connection.execute(others.where(runs.c.id != run)) if at_work(other)]
        if len(going) >= most:
            _idle(going[0])
    return True


def _same(run: Any, pipeline: str, release: int) -> None:
    """Raises SpecError for a run of another pipeline, or of another release of it."""
    if run.pipeline != pipeline or run.part_of:
        raise SpecError(f"Run {run.id} is none of '{pipeline}'.", "Give the id of another run, or a new one.")
    if (run.release or 0) != release:
        of = f"release {run.release}" if run.release else "a draft"
        raise SpecError(f"Run {run.id} is one of {of}, and stays that.", "Give the id of another run, or a new one.")


def _idle(run: Any) -> None:
    if at_work(run):
        raise busy(f"Run {run.id} of '{run.pipeline}'")


def busy(what: str) -> SpecError:
    error = SpecError(f"{what} is at work right now.", "Wait for it, or end it with 'lading cancel'.")
    error.code = AT_WORK
    return error


def add(store: Store, connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> bool:
    """Adds a row, unless there is one of that key; says whether there was none."""
    insert = import_module(f"sqlalchemy.dialects.{store.engine.dialect.name}").insert
    new = insert(table).values(**values).on_conflict_do_nothing().returning(*table.primary_key.columns)
    return connection.execute(new).first() is not None


def approve(store: Store, run: str, step: str, said: Approval) -> None:
    """Keeps what a person said of a step that waits for it. Raises SpecError where none does, or it was said."""
    waits = step_runs.c.do == "approve", step_runs.c.step == step, step_runs.c.state == RUNNING
    query = sa.select(step_runs.c.run).where(*waits)
    found = sorted({row.run for row in store.rows(query.where(step_runs.c.run.startswith(run, autoescape=True)))})
    if len(found) != 1:
        what = f"Several runs begin with '{run}'." if found else f"No step '{step}' of a run '{run}' waits."
        raise SpecError(what, "'lading history' names the runs that wait, and their steps.")
    if (before := approval(store, found[0], step)) is not None:
        raise SpecError(f"{before.who} has {'approved' if before.granted else 'refused'} it already.", "")
    store.write(
        approvals.insert().values(
            run=found[0], step=step, granted=said.granted, who=said.who, moment=_now(), reason=said.reason
        )
    )


def approval(store: Store, run: str, step: str) -> Approval | None:
    """What was said of a step."""
    query = sa.select(approvals).where(approvals.c.run == run, approvals.c.step == step)
    return next((Approval(row.granted, row.who, row.reason) for row in store.rows(query)), None)


def cancel(store: Store, run: str, who: str) -> str:
    """Asks the process of a run that is at work, by its id, the beginning of one, or its pipeline, to end it; a run
    that is within another ends with that one. Returns the whole id. Raises SpecError where none is."""
    known = going(store)
    named = {each for each, pipeline in known.items() if each.startswith(run) or pipeline == run}
    named = {run} if run in named else named
    found = [each for each in named if not any(each.startswith(f"{outer}-") for outer in named)]
    if len(found) != 1:
        what = f"'{run}' is several runs at work." if found else f"No run '{run}' is at work."
        raise SpecError(what, f"At work: {', '.join(f'{k} of {v!r}' for k, v in known.items()) or 'none'}.")
    store.write(runs.update().where(runs.c.id == found[0]).values(cancelled=f"{_now()} {who}"))
    return found[0]


def going(store: Store) -> dict[str, str]:
    """The runs that are at work, or of which a step is, each with its pipeline."""
    mine, of = runs.c.part_of == "", step_runs.c.run == runs.c.id
    query = sa.select(runs.c.id, runs.c.pipeline, runs.c.owner, runs.c.beat, runs.c.state)
    steps = sa.select(runs.c.id, runs.c.pipeline, step_runs.c.owner, step_runs.c.beat, step_runs.c.state)
    rows = store.rows(query.where(mine, runs.c.state == RUNNING))
    rows += store.rows(steps.join(step_runs, of).where(mine, step_runs.c.state == RUNNING))
    return {row.id: row.pipeline for row in rows if row.owner and at_work(row)}


def unfinished(store: Store, limit: int, pipeline: str = "") -> list[Unfinished]:
    """The runs that have no bill, of one pipeline or of all, the newest first."""
    mine = runs.c.part_of == "", runs.c.bill.is_(None), runs.c.state.in_((RUNNING, INTERRUPTED, CANCELLED, OPEN))
    query = sa.select(runs).where(*mine).order_by(runs.c.started.desc()).limit(limit)
    asks = sa.select(step_runs.c.run, step_runs.c.step).where(step_runs.c.do == "approve")
    there, asked = going(store), {row.run: row.step for row in store.rows(asks.where(step_runs.c.state == RUNNING))}
    found = []
    for row in store.rows(query.where(runs.c.pipeline == pipeline) if pipeline else query):
        step = asked.get(row.id, "") if row.id in there else ""
        state = WAITING if step else RUNNING if row.id in there else INTERRUPTED if row.state == RUNNING else row.state
        started = datetime.fromisoformat(row.started)
        found.append(Unfinished(run=row.id, pipeline=row.pipeline, state=state, started=started, step=step))
    return found


def at_step(store: Store, run: str, key: str) -> bool:
    """Whether a process is at a step of a run."""
    mine = (step_runs.c.run == run) & (step_runs.c.step == key) & (step_runs.c.state == RUNNING)
    return any(row.owner and at_work(row) for row in store.rows(sa.select(step_runs).where(mine)))


def cancelled(store: Store, *run: str) -> str:
    """When and by whom a run, or one of several, was asked to end the last time; empty where it was not."""
    query = sa.select(runs.c.cancelled).where(runs.c.id.in_(run))
    return max((row.cancelled or "" for row in store.rows(query)), default="")


def at_work(row: Any) -> bool:
    """Whether the process of a run, or of an attempt at a step, is still there."""
    return row.state == RUNNING and alive(row.owner, row.beat)


def _now() -> str:
    return datetime.now(UTC).isoformat()
