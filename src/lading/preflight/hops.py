"""The plans of the moves: what stops them, and what would be cut on the way."""

from __future__ import annotations

from collections.abc import Iterator

from lading.copying import Part, planned, sides
from lading.errors import LadingError, SpecError
from lading.joining import plans
from lading.plan import Task
from lading.preflight.ground import Ground, written
from lading.preflight.report import Finding, Severity
from lading.spec import Move, Step
from lading.steps.sql import Sql

LOOK = "hops"
_SEVERITIES: dict[str, Severity] = {"blocks": "notes", "warns": "warns", "unknown": "notes", "notes": "notes"}
"""Of a hop's level. What blocks is the problem of its task, unless it was accepted there."""


def look(ground: Ground) -> Iterator[Finding]:
    for step in ground.pipeline.order:
        if isinstance(step, Move) and {step.source, step.target} <= ground.sessions.keys():
            yield from _planned(ground, step)
        if isinstance(step, Sql) and step.inputs and step.uses.keys() <= ground.sessions.keys():
            yield from _joined(ground, step)
        for at, table in written(step):
            ground.made.setdefault((ground.connection(at).address(), table), step.key)


def _planned(ground: Ground, step: Move) -> Iterator[Finding]:
    of = Part(ground.pipeline.name)
    try:
        made = planned(step, of, ground.store, sides(step, ground.resolve), ground.resolve)
    except LadingError as error:
        yield _unplanned(ground, step, error, [(step.source, name) for name in step.tables])
        return
    ground.plans[step.key] = made
    ground.counts["tables"] += len(made.tasks)
    for task in made.tasks:
        ground.made.setdefault((made.target, task.into), step.key)
        yield from _met(step, task)


def _joined(ground: Ground, step: Sql) -> Iterator[Finding]:
    """The inputs of a select over several connections, and its rows."""
    try:
        made = plans(step, ground.params, Part(ground.pipeline.name), ground.store, ground.resolve)
    except LadingError as error:
        yield _unplanned(ground, step, error, [(each.at, each.table) for each in step.inputs.values()])
        return
    ground.counts["queries"] += 1
    for task in (task for each in made for task in each.tasks):
        yield from _met(step, task)


def _unplanned(ground: Ground, step: Step, error: LadingError, reads: list[tuple[str, str]]) -> Finding:
    maker = next((found for at, name in reads if (found := ground.maker(at, name))), "")
    if maker and isinstance(error, SpecError):
        what = f"what it moves is made by '{maker}', and is not there yet"
        return Finding(look=LOOK, severity="notes", step=step.key, what=what, evidence=error.what)
    what = "it cannot be planned"
    return Finding(look=LOOK, severity="blocks", step=step.key, what=what, evidence=error.what, fix=error.fix)


def _met(step: Step, task: Task) -> Iterator[Finding]:
    if task.problem:
        what = f"'{task.name}' cannot be moved"
        yield Finding(look=LOOK, severity="blocks", step=step.key, what=what, evidence=task.problem, fix=task.fix)
    for each in task.findings:
        if each.level != "blocks":
            name = f"'{task.name}.{each.column}': " if each.column else ""
            yield Finding(
                look=LOOK, severity=_SEVERITIES[each.level], step=step.key, what=f"{name}{each.what}",
                evidence="; ".join(part for part in (each.how, " → ".join(each.way)) if part), fix=each.fix,
            )  # fmt: skip
