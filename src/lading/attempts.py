"""Pipelines' runs in the store: every attempt at a step, and what a person approved."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from lading.desk import Outcome
from lading.errors import SpecError
from lading.prove import State
from lading.spec import Step
from lading.store import FRESH, Store, alive, runs

_tables = sa.MetaData()
step_runs = sa.Table(
    "step_runs", _tables,
    sa.Column("run", sa.Text, primary_key=True), sa.Column("step", sa.Text, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True), sa.Column("do", sa.Text), sa.Column("digest", sa.Text),
    sa.Column("state", sa.Text), sa.Column("began", sa.Text), sa.Column("ended", sa.Text),
    sa.Column("says", sa.Text), sa.Column("outcome", sa.Text),
)  # fmt: skip

approvals = sa.Table(
    "approvals", _tables,
    sa.Column("run", sa.Text, primary_key=True), sa.Column("step", sa.Text, primary_key=True),
    sa.Column("granted", sa.Boolean), sa.Column("who", sa.Text), sa.Column("moment", sa.Text),
    sa.Column("reason", sa.Text),
)  # fmt: skip

RUNNING, INTERRUPTED = "running", "interrupted"


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
        good = self.state in (State.PROVED, State.UNPROVED, State.DONE)
        return good and self.digest == digest


def begin(store: Store, run: str, step: Step, digest: str) -> int:
    """Notes a new attempt and returns its number."""
    number = max((each.number for each in last(store, run).values() if each.step == step.key), default=0) + 1
    store.write(
        step_runs.insert().values(
            run=run, step=step.key, attempt=number, do=step.do, digest=digest, state=RUNNING, began=_now(), says="",
        )
    )  # fmt: skip
    return number


def end(store: Store, run: str, step: Step, number: int, outcome: Outcome | None) -> None:
    """Notes how an attempt came out; None for one that was interrupted."""
    mine = (step_runs.c.run == run) & (step_runs.c.step == step.key) & (step_runs.c.attempt == number)
    mine &= sa.true() if outcome else step_runs.c.state == RUNNING  # one may have been settled already
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


def earlier(store: Store, pipeline: str, step: Step, run: str) -> list[str]:
    """The newest runs of a pipeline but this one in which a step was tried, three at most."""
    mine = (runs.c.pipeline == pipeline) & (runs.c.part_of == "") & (runs.c.id != run)
    query = sa.select(runs.c.id).where(mine).order_by(runs.c.started.desc()).limit(20)
    tried = sa.select(step_runs.c.run).where(step_runs.c.step == step.key, step_runs.c.do == step.do)
    held = {row.run for row in store.rows(tried.where(step_runs.c.run.in_(query)).distinct())}
    return [row.id for row in store.rows(query) if row.id in held][:3]


def interrupted(store: Store, pipeline: str) -> tuple[str, str] | None:
    """The pipeline's newest run and its last beat, if it was interrupted a short time ago."""
    query = sa.select(runs).where(runs.c.pipeline == pipeline, runs.c.part_of == "").order_by(runs.c.started.desc())
    newest = next(iter(store.rows(query.limit(1))), None)
    if newest is None or newest.bill or newest.state not in (RUNNING, INTERRUPTED) or not last(store, newest.id):
        return None
    recent = datetime.now(UTC) - datetime.fromisoformat(newest.beat) < FRESH
    return (newest.id, newest.beat) if recent and not _at_work(newest) else None


def join(store: Store, run: str, pipeline: str) -> bool:
    """Takes part in a run, which begins with its first step; False for one that has its bill."""
    found = store.rows(sa.select(runs).where(runs.c.id == run))
    if not found:
        store.begin(run, pipeline)
    elif found[0].pipeline != pipeline or found[0].part_of:
        raise SpecError(f"Run {run} is none of '{pipeline}'.", "Give the id of another run, or a new one.")
    elif found[0].bill is not None:
        return False
    else:
        store.resume(run)
    return True


def alone(store: Store, pipeline: str, run: str) -> None:
    """Raises SpecError while another run of the pipeline is at work; of two that begin at once, one goes on."""
    query = sa.select(runs).where(runs.c.pipeline == pipeline, runs.c.part_of == "", runs.c.state == RUNNING)
    for row in store.rows(query.where(runs.c.id != run)):
        if _at_work(row) and row.id < run:
            begun = last(store, run)
            mine = runs.c.id == run
            store.write(runs.update().where(mine).values(state=INTERRUPTED) if begun else runs.delete().where(mine))
            raise SpecError(f"Run {row.id} of '{pipeline}' is at work right now.", "Wait for it, or end it first.")


def approve(store: Store, run: str, step: str, said: Approval) -> None:
    """Keeps what a person said of a step that waits for it. Raises SpecError where none does, or it was said."""
    query = sa.select(step_runs.c.run).where(step_runs.c.run.startswith(run, autoescape=True))
    waits = step_runs.c.do == "approve", step_runs.c.step == step, step_runs.c.state == RUNNING
    found = sorted({row.run for row in store.rows(query.where(*waits))})
    if len(found) != 1:
        what = f"Several runs begin with '{run}'." if found else f"No step '{step}' of a run '{run}' waits."
        raise SpecError(what, "See 'lading history' and the log of the step, which names its run.")
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


def _at_work(row: Any) -> bool:
    return row.state == RUNNING and alive(row.owner, row.beat)


def _now() -> str:
    return datetime.now(UTC).isoformat()
