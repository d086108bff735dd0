"""The plans of the moves: what stops them, and what would be cut on the way."""

from __future__ import annotations

from collections.abc import Iterator

from lading.copying import Part, planned, sides
from lading.errors import LadingError, SpecError
from lading.joining import plans
from lading.picking import into
from lading.plan import Task
from lading.preflight.ground import Ground, moved, named, read, written
from lading.preflight.report import Finding, Severity
from lading.receiver import Receive
from lading.spec import Move, Step
from lading.steps.sql import Sql

LOOK = "hops"
_SEVERITIES: dict[str, Severity] = {"blocks": "notes", "warns": "warns", "unknown": "notes", "notes": "notes"}
"""Of a hop's level. What blocks is the problem of its task, unless it was accepted there."""


def look(ground: Ground) -> Iterator[Finding]:
    failed: list[tuple[Step, LadingError]] = []
    for step in ground.pipeline.order:
        for at, name in written(step):
            ground.makes(step.key, at, name)
        if isinstance(step, Receive):
            ground.makes(step.key, step.target, step.into)
        try:
            if isinstance(step, Move) and {step.source, step.target} <= ground.sessions.keys():
                yield from _planned(ground, step)
            if isinstance(step, Sql) and step.inputs and step.uses.keys() <= ground.sessions.keys():
                yield from _joined(ground, step)
        except LadingError as error:
            failed.append((step, error))
        if isinstance(step, Move) and step.key not in ground.plans:
            for _, name in moved(step):
                ground.makes(step.key, step.target, into(step, named(name)).full_name)
    for step, why in failed:  # now that all is known that others make
        yield _unplanned(ground, step, why)


def _planned(ground: Ground, step: Move) -> Iterator[Finding]:
    of = Part(ground.pipeline.name)
    made = planned(step, of, ground.store, sides(step, ground.resolve), ground.resolve)
    ground.plans[step.key] = made
    ground.counts["tables"] += len(made.tasks)
    for task in made.tasks:
        ground.makes(step.key, step.target, task.into)
        yield from _met(step, task)


def _joined(ground: Ground, step: Sql) -> Iterator[Finding]:
    """The inputs of a select over several connections, and its rows."""
    made = plans(step, ground.params, Part(ground.pipeline.name), ground.store, ground.resolve)
    ground.counts["queries"] += 1
    if len(made) > len(step.inputs):  # that of its rows is the last
        ground.plans[step.key] = made[-1]
    for task in (task for each in made for task in each.tasks):
        yield from _met(step, task)


def _unplanned(ground: Ground, step: Step, error: LadingError) -> Finding:
    absent = [(at, name) for at, name in (*moved(step), *read(step)) if not ground.there(at, name)]
    maker = next((found for at, name in absent if (found := ground.maker(at, name)) not in ("", step.key)), "")
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
