"""Tables and columns that steps name, and that are not there when the step runs."""

from __future__ import annotations

from collections.abc import Iterator

from lading.binding import bound, select
from lading.errors import LadingError
from lading.picking import is_pattern
from lading.preflight.ground import UNSEEN, Ground
from lading.preflight.queries import asked
from lading.preflight.report import Finding
from lading.receiver import Receive
from lading.schema import Table
from lading.spec import Move, Step
from lading.sql import SqlSession
from lading.steps.check import Check, Rule
from lading.steps.python import Python
from lading.steps.sql import Sql
from lading.steps.wait import Wait

LOOK = "names"


def look(ground: Ground) -> Iterator[Finding]:
    for step in ground.pipeline.steps:
        if isinstance(step, Check):
            yield from _named(ground, step, ("it checks", step.at, step.on), "Correct 'on'")
            for number, rule in enumerate(step.rules, 1):
                yield from _ruled(ground, step, rule, f"rule {number}")
        if isinstance(step, Python):
            for name, each in step.inputs.items():
                yield from _named(ground, step, ("it reads", each.at, each.table), f"Correct '{name}' in 'inputs'")
        if isinstance(step, Wait) and (wanted := step.table) is not None:
            for found in _named(ground, step, ("it waits for", wanted.at, wanted.name), "Correct 'name'"):
                yield found.model_copy(update={"severity": "warns"})  # somebody else may make it
            yield from _columns(ground, step, ("it", wanted.at, wanted.name), (wanted.column,))


def _ruled(ground: Ground, step: Check, rule: Rule, who: str) -> Iterator[Finding]:
    columns = (*rule.unique, *rule.not_null)
    columns += tuple(each.column for each in (rule.between, rule.accepted, rule.freshness) if each is not None)
    if (other := rule.references) is not None:
        columns += other.columns
        what = f"{who} looks into", step.at, other.table
        yield from _named(ground, step, what, "Correct 'table' of 'references'")
        yield from _columns(ground, step, (who, step.at, other.table), other.to or other.columns)
    yield from _columns(ground, step, (who, step.at, step.on), columns)


def _named(ground: Ground, step: Step, what: tuple[str, str, str], fix: str) -> Iterator[Finding]:
    said, at, table = what
    known, found = _described(ground, at, table)
    if known and found is None and not ground.makers(at, table):
        unseen = _unseen(ground, step)
        yield Finding(
            look=LOOK, severity="warns" if unseen else "blocks", step=step.key,
            what=f"{said} '{table}', which '{at}' does not have",
            evidence=f"No step makes it{_unless(unseen)}.",
            fix=f"{fix}, make the table first, or let the account see it.",
        )  # fmt: skip


def _columns(
    ground: Ground, step: Step, what: tuple[str, str, str], columns: tuple[str, ...]
) -> Iterator[Finding]:  # fmt: skip
    said, at, table = what
    known, found = _described(ground, at, table)
    makers = [maker for key in ground.makers(at, table) if (maker := ground.pipeline.step(key)) is not None]
    if not known or (found is None and not makers):
        return
    for column in dict.fromkeys(columns):
        if (found and found.column(column)) or any(_gives(ground, maker, (at, table), column) for maker in makers):
            continue
        unseen = _unseen(ground, step)
        there = f"There are: {', '.join(each.name for each in found.columns)}." if found else ""
        makes = f"Step '{makers[0].key}' gives it none{_unless(unseen)}." if makers else ""
        yield Finding(
            look=LOOK, severity="warns" if unseen else "blocks", step=step.key,
            what=f"{said} names the column '{column}', which '{table}' does not have",
            evidence=" ".join(part for part in (there, makes) if part), fix="Correct its name.",
        )  # fmt: skip


def _gives(ground: Ground, maker: Step, place: tuple[str, str], column: str) -> bool:
    """Whether a step may give a table a column: where that is not known, it may."""
    if isinstance(maker, Receive):
        return column in maker.columns
    if maker.key in ground.plans:
        at = maker.target if isinstance(maker, Move) else place[0]
        tasks = [task for task in ground.plans[maker.key].tasks if ground.place(at, task.into) == ground.place(*place)]
        return not tasks or any(task.target.column(column) for task in tasks)
    session = ground.sessions.get(maker.at) if isinstance(maker, Sql) and not maker.inputs else None
    if not isinstance(maker, Sql) or not isinstance(session, SqlSession):
        return True
    try:
        text, values = bound(select(maker.query or ""), ground.params, session.dialect)
        asked(session, session.dialect.limit.format(sql=f"SELECT * FROM ({text}\n) lading_q", n=0), values)
    except LadingError:  # which another look tells
        return True
    try:
        named = f"SELECT lading_q.{session.dialect.quote(column)} FROM ({text}\n) lading_q"
        asked(session, session.dialect.limit.format(sql=named, n=0), values)
    except LadingError:
        return False
    return True


def _described(ground: Ground, at: str, table: str) -> tuple[bool, Table | None]:
    """Whether it can be known what is there, and the table that is."""
    session = ground.sessions.get(at)
    try:
        return isinstance(session, SqlSession), session.describe(table) if session else None
    except LadingError:
        return False, None


def _unless(unseen: str) -> str:
    return f", unless '{unseen}' does" if unseen else ""


def _unseen(ground: Ground, step: Step) -> str:
    """A step before this one of which it is not known what tables it makes; empty where there is none."""
    for other in ground.pipeline.steps:
        if other.key != step.key and step.key in ground.pipeline.following(other.key):
            moves = isinstance(other, Move) and any(map(is_pattern, other.tables)) and _grows(ground, other)
            if other.do in UNSEEN or moves:
                return other.key
    return ""


def _grows(ground: Ground, move: Move) -> bool:
    """Whether a move may come to have more tables than are planned, as other steps make them at its source."""
    there = ground.place(move.source, "")[0]
    others = (key for place, made in ground.made.items() if place[0] == there for key in made.steps)
    return move.key not in ground.plans or any(key != move.key for key in others)
