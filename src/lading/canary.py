"""A candidate beside the live release: what differs between the two is carried out as both have it, into shadows, and
the shadows are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import sqlalchemy as sa

from lading import attempts, graph, selecting
from lading.compare import Asked
from lading.compare.outcome import Comparison, Verdict
from lading.connector import Load
from lading.copying import Resolve
from lading.desk import Desk
from lading.errors import CANCELLED, LadingError, SpecError
from lading.graph import Told
from lading.preflight.beside import Canary, Found, Met, Shadow
from lading.prove import Bill, State
from lading.reconcile import Reconciling
from lading.run import new_id
from lading.schema import Table
from lading.selecting import Selecting
from lading.shadows import Shadows
from lading.spec import Pipeline
from lading.sql import SqlSession
from lading.steps.sql import Sql
from lading.store import Store, loads, runs
from lading.trying import digest

FEW_ROWS = 1_000_000
"""Of tables without a key with no more rows it is looked column by column where they differ."""


class Pair(NamedTuple):
    """The live release and the candidate, of one thing each."""

    live: Desk
    candidate: Desk


def differing(pair: Pair) -> tuple[set[str], set[str]]:
    """The steps of the live release and of the candidate that are not the same in both, and all that come after."""

    def told(desk: Desk) -> dict[str, tuple[str, tuple[str, ...]]]:
        return {step.key: (digest(step, desk), tuple(sorted(step.after))) for step in desk.pipeline.steps}

    live, candidate = map(told, pair)

    def of(pipeline: Pipeline, mine: dict[str, object], others: dict[str, object]) -> set[str]:
        own = (key for key, said in mine.items() if others.get(key) != said)
        return {each for key in own for each in pipeline.following(key)}

    return of(pair.live.pipeline, {**live}, {**candidate}), of(pair.candidate.pipeline, {**candidate}, {**live})


def tried(pair: Pair, within: str, told: Told, expect: Sequence[str], note: Callable[[Canary], None]) -> Canary:
    """Carries out what differs, as parts of the run `within`, and compares. `note` keeps what is known before anything
    is written: what is to be cleared away then. Raises SpecError where `expect` names no table that is made."""
    keys = differing(pair)
    own = f"{within}-1", f"{within}-2"
    with Shadows(own[0], pair.live.resolve) as live, Shadows(own[1], pair.live.resolve) as candidate:
        steps = live.pipeline(pair.live.pipeline, keys[0]), candidate.pipeline(pair.candidate.pipeline, keys[1])
    _expectable(expect, {name for _, name in (*live.made, *live.unmade, *candidate.made, *candidate.unmade)})
    shadows = (*live.made.values(), *candidate.made.values())
    same = tuple(step.key for step in pair.candidate.pipeline.order if step.key not in keys[1])
    found = Canary(
        live=pair.live.release, runs=own, same=same, left=candidate.left, notes=tuple(dict.fromkeys(candidate.notes)),
        shadows=shadows,
    )  # fmt: skip
    note(found)
    bills: list[Bill | None] = []
    for desk, run, todo in zip(pair, own, steps, strict=True):
        name = attempts.CANARY.format(desk.pipeline.name)  # of two runs, as `alone` is one of them
        whole = desk.pipeline.model_copy(update={"name": name, "steps": todo, "runs": 2, "schedule": None})
        quiet = replace(desk, run=run, within=within, pipeline=whole, tell=lambda _heard: None)
        bills.append(graph.run(quiet, told) if todo else None)
    store = pair.live.store
    met = tuple(_met(pair, (live, candidate), bills, tuple(expect), lambda: go_on(store, within)))
    return found.model_copy(update={"tables": met, "stopped": _stopped(met, bills[1])})


def _expectable(expect: Sequence[str], names: set[str]) -> None:
    for each in expect:
        if not any(each == name or each.startswith(f"{name}.") for name in names):
            known = ", ".join(sorted(names)) or "none"
            raise SpecError(f"'{each}' is no table that is made anew, nor a column of one.", f"There are: {known}.")


def _stopped(met: Sequence[Met], bill: Bill | None) -> str:
    """Why the candidate does not go live."""
    failed = [step for step in bill.steps if step.state is State.FAILED] if bill else []
    if failed:
        return f"step '{failed[0].key}' failed: {failed[0].error}"
    for found, said in ((Found.DIFFERENT, "differs"), (Found.UNKNOWN, "not compared")):
        if names := [each.table for each in met if each.found is found]:
            return f"{said}: {', '.join(names)}"
    return ""


def _met(
    pair: Pair, both: tuple[Shadows, Shadows], bills: Sequence[Bill | None], expect: tuple[str, ...],
    go_on: Callable[[], None],
) -> Iterable[Met]:  # fmt: skip
    live, candidate = both
    for place in dict.fromkeys((*live.made, *candidate.made, *live.unmade, *candidate.unmade)):
        go_on()
        at, step = candidate.unmade.get(place) or live.unmade.get(place, ("", ""))
        bare = Shadow(at=at, table=place[1], id="", step=step)
        meeting = _Meeting(pair, candidate.made.get(place) or live.made.get(place) or bare, expect)
        lost = [
            f"the {who}'s step '{step.key}' {'failed: ' + step.error if step.error else 'was left out: ' + step.says}"
            for who, made, bill in zip(("live release", "candidate"), both, bills, strict=True)
            for step in (bill.steps if bill else ())
            if place in made.made and step.key in made.made[place].steps and step.state in (State.FAILED, State.SKIPPED)
        ]
        lost += [
            f"the {who}'s step '{made.unmade[place][1]}' was not carried out"
            for who, made in zip(("live release", "candidate"), both, strict=True)
            if place in made.unmade
        ]
        if lost:
            yield meeting.said(Found.UNKNOWN, lost)
        elif place not in candidate.made:
            yield meeting.said(Found.DIFFERENT, ["the candidate makes it no more"])
        elif place not in live.made:
            yield meeting.said(Found.DIFFERENT, ["the live release does not make it"])
        else:
            yield meeting.compared(live.made[place], candidate.made[place])


class _Meeting:
    """One table of both releases, and what is expected of it."""

    def __init__(self, pair: Pair, shadow: Shadow, expect: tuple[str, ...]) -> None:
        self.pair, self.at, self.table, self.step = pair, shadow.at, shadow.table, shadow.step
        self.whole = shadow.table in expect
        self.columns = tuple(each[len(self.table) + 1 :] for each in expect if each.startswith(f"{self.table}."))

    def said(self, found: Found, why: Sequence[str]) -> Met:
        found = Found.EXPECTED if self.whole and found is not Found.EQUAL else found
        return Met(at=self.at, table=self.table, found=found, why=tuple(why))

    def compared(self, live: Shadow, candidate: Shadow) -> Met:
        connection = self.pair.live.connection(self.at)
        with Reconciling(connection, connection, Asked(wait_seconds=0)) as reconciling:
            sessions = [system.session for system in reconciling.systems]
            tables = [s.describe(each.full_name) for s, each in zip(sessions, (live, candidate), strict=True)]
            if tables[0] is None or tables[1] is None:
                return self.said(Found.UNKNOWN, ["its shadow is gone"])
            left, right = tables[0], tables[1]
            hidden = connection.hidden(right.model_copy(update={"name": self.table.rpartition(".")[2]}))
            named = tuple(c.name for c in (*left.columns, *right.columns))

            def compare(exclude: Sequence[str]) -> Comparison:
                reconciling.asked = Asked(
                    wait_seconds=0, limit=20, exclude=tuple(exclude), sensitive=tuple(hidden)
                )  # fmt: skip
                return reconciling.diff([(left, right)]).tables[0]

            whole = compare(())
            columns = _columns(whole, (left, right), lambda name: compare([n for n in named if n != name]))
            why = [*whole.reasons, *self._fits(sessions[1], right)]
            found = Found.EQUAL if whole.verdict is Verdict.EQUAL else Found.DIFFERENT
            found = Found.UNKNOWN if whole.verdict is Verdict.INCONCLUSIVE else found
            if found is not Found.EQUAL and self.columns and compare(self.columns).verdict is Verdict.EQUAL:
                found = Found.EXPECTED
        met = self.said(found, [each.replace("the right", "the candidate").replace("the left", "the live release")
                                for each in why])  # fmt: skip
        return met.model_copy(update={"columns": columns, "comparison": whole})

    def _fits(self, session: object, made: Table) -> list[str]:
        """What would keep a select's rows from the table that is there."""
        step = self.pair.candidate.pipeline.step(self.step)
        if not isinstance(step, Sql) or not isinstance(session, SqlSession):
            return []
        asked = Selecting("", step.at, "", (), step.into, step.mode, step.merge_key, step.accept)
        try:
            selecting.task(session, asked, self.pair.candidate.connection(self.at).can, made)
        except LadingError as error:
            return [f"before it runs live: {error}"]
        return []


def _columns(
    whole: Comparison, tables: tuple[Table, Table], alone: Callable[[str], Comparison]
) -> tuple[str, ...]:  # fmt: skip
    """The columns that differ; without a key each is looked at by itself."""
    names = [{c.name for c in table.columns} for table in tables]
    odd = sorted(names[0] ^ names[1])
    if whole.key or whole.verdict is not Verdict.DIFFERENT or whole.rows_left > FEW_ROWS:
        return tuple(dict.fromkeys((*odd, *whole.columns)))
    both = [c.name for c in tables[0].columns if c.name in names[1]] if whole.differing else []
    return (*odd, *(name for name in both if alone(name).verdict is Verdict.DIFFERENT))


def cleared(store: Store, pipeline: str, found: Canary, resolve: Resolve) -> bool:
    """Removes all that a candidate's runs have left at their targets; says whether all of it is gone."""
    of = sa.select(runs.c.id).where(runs.c.part_of.in_(found.runs))
    left = [
        Load.model_validate_json(row.load) for row in store.rows(sa.select(loads.c.load).where(loads.c.run.in_(of)))
    ]
    whole = True
    for at in dict.fromkeys(each.at for each in found.shadows):
        try:
            with resolve(at)[1].open() as session:
                for each in (each for each in found.shadows if each.at == at):
                    own = {load.id for load in left if load.table.full_name == each.full_name}
                    name = attempts.CANARY.format(pipeline)
                    selects = [selecting.named(name, key, run) for run in found.runs for key in each.steps]
                    for id in (each.id, *own, *selects, *(f"{id}x" for id in selects)):
                        session.discard(Load(id=id, table=Table(name=each.name, schema_name=each.schema_name)))
        except LadingError:
            whole = False
    return whole


def alone(store: Store, pipeline: str) -> str:
    """Takes the place of the one candidate of a pipeline that is tried; returns what gives it back, as a run."""
    run = new_id()
    attempts.own(store, run, attempts.CANARY.format(pipeline))
    return run


def go_on(store: Store, run: str) -> None:
    """Says that the run within which a candidate is tried is alive. Raises SpecError when that was asked to end."""
    store.beat(run)
    if asked := attempts.cancelled(store, run):
        error = SpecError(f"Run {run} was cancelled by {asked.partition(' ')[2]}.", "")
        error.code = CANCELLED
        raise error
