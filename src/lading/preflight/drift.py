"""What is read, against what it was when the live release was made, or when it was last profiled."""

from __future__ import annotations

from collections.abc import Iterator

from lading import profiles
from lading.preflight.ground import Ground, read
from lading.preflight.report import Columns, Finding, Severity
from lading.schema import Table
from lading.spec import Move

LOOK = "drift"


def look(ground: Ground) -> Iterator[Finding]:
    seen: dict[tuple[str, str], str] = {}
    for step, name, found in _read(ground):
        ground.tables.setdefault(name, {})[found.full_name] = _columns(found)
        seen.setdefault((name, found.full_name), step)
    for (name, table), step in seen.items():
        before, when = _before(ground, name, table)
        if before:
            yield from _unlike((step, f"{name}.{table}", when), before, ground.tables[name][table])
    for name, tables in ground.last.tables.items():
        for table in tables.keys() - ground.tables.get(name, {}).keys():
            session = ground.sessions.get(name)
            if session is not None and session.describe(table) is None and not ground.maker(name, table):
                yield _finding(("", f"{name}.{table}", _release(ground)), "warns", "is gone", "Find out where to.")


def _read(ground: Ground) -> Iterator[tuple[str, str, Table]]:
    for step in ground.pipeline.steps:
        if isinstance(step, Move) and step.key in ground.plans:
            yield from ((step.key, step.source, task.source) for task in ground.plans[step.key].tasks)
        for name, table in read(step):
            if (found := ground.described(name, table)) is not None:
                yield step.key, name, found


def _columns(table: Table) -> Columns:
    return {c.name: f"{c.native.partition(':')[2] or c.type}{'' if c.null else ' NOT NULL'}" for c in table.columns}


def _release(ground: Ground) -> str:
    return f"when release {ground.earlier.number} was made" if ground.earlier else ""


def _before(ground: Ground, name: str, table: str) -> tuple[Columns, str]:
    """The columns as they were; from a profile, without what it does not say."""
    if known := ground.last.tables.get(name, {}).get(table):
        return known, _release(ground)
    found = profiles.last(ground.store, ground.connection(name).address(), table)
    if found is None:
        return {}, ""
    now = ground.tables[name][table]
    session = ground.sessions[name].describe(table)
    types = {c.name: c.type for c in session.columns} if session else {}
    same = {f.column: now.get(f.column, "") if types.get(f.column) == f.type else str(f.type) for f in found.columns}
    return same, f"when it was profiled on {found.taken:%Y-%m-%d}"


def _unlike(who: tuple[str, str, str], before: Columns, now: Columns) -> Iterator[Finding]:
    for column in before.keys() - now.keys():
        yield _finding(
            who, "warns", f"has no column '{column}' any more", "Take it out of what names it.", before[column]
        )
    for column in now.keys() - before.keys():
        yield _finding(who, "notes", f"has a new column '{column}'", "", now[column])
    for column in before.keys() & now.keys():
        if before[column] != now[column]:
            said = f"{before[column]} before, {now[column]} now"
            yield _finding(who, "warns", f"has another type in column '{column}'", "Look at what it goes into.", said)


def _finding(who: tuple[str, str, str], severity: Severity, what: str, fix: str, evidence: str = "") -> Finding:
    step, table, when = who
    said = f"{evidence}; as it was {when}" if evidence else f"It was there {when}."
    return Finding(look=LOOK, severity=severity, step=step, what=f"'{table}' {what}", evidence=said, fix=fix)
