"""The hop check: for every column the chain of places between source and target, and each place too narrow."""

from __future__ import annotations

from collections.abc import Iterator

from lading.connector import Routed, Session
from lading.hops.chain import INSTALL, Facts, bodies, ways
from lading.hops.flow import Body
from lading.hops.judge import judged
from lading.hops.nodes import same_table
from lading.plan import Task, accepts, halted
from lading.route import Arrival, Code, Declared, Finding
from lading.spec import Move

_RANKS = {"blocks": 0, "warns": 1, "unknown": 2, "notes": 3}


def checked(move: Move, task: Task, facts: Facts) -> Task:
    """The task with what its rows meet on the way. It is stopped by a cut that nobody would notice, unless the author
    accepted it by name."""
    if task.problem and not task.losses:
        return task
    found = tuple(
        finding.model_copy(update={"accepted": accepts(move, task.source, finding.column, finding.kind)})
        for finding in findings(task, facts)
    )
    task = task.model_copy(update={"findings": found})
    return halted(task)


def tried(task: Task, facts: Facts, session: Session) -> list[Arrival]:
    """How a row of the greatest values comes through the target, and through those routines that stand there."""
    from lading.hops.canary import sent

    named = facts.routines
    here = {code.text for code in session.routines([c.name for c in named])} if isinstance(session, Routed) else set()
    try:
        known = bodies([*named, *facts.target.triggers])
    except ImportError:
        if facts.systems[1] == "mysql" and facts.target.triggers:
            return [Arrival(column="", at=task.into, outcome="not sent", what="its triggers could not be read")]
        known, here = {}, set()
    away = [
        Arrival(column="", at=f"'{code.name}'", outcome="not sent", what="it stands elsewhere, or could not be read")
        for code in named
        if code.text not in here
    ]
    away += [
        Arrival(column="", at=f"'{each.name}'", outcome="not sent", what="it is declared, and cannot be asked")
        for each in facts.through
        if isinstance(each, Declared)
    ]
    found = [(code, known[code]) for code in named if code.text in here]
    return [*away, *sent(task, session, found, facts.target.triggers if known else (), facts.source.charsets)]


def _beside(code: Code, read: Body, task: Task) -> Iterator[Finding]:
    """What else is done to the rows that a routine writes to other tables than the target, whose triggers are read."""
    filled = {node.owner for node in read.filled if node.owner and not same_table(node.owner, task.target.full_name)}
    for table, what in code.beside:
        if any(same_table(owner, table, code.within) for owner in filled):
            what = f"'{code.name}' fills '{table}': {what}"
            yield Finding(column="", kind="unknown", level="unknown", what=what, fix="Look there for casts and cuts.")


def _borrowed(code: Code, name: str) -> Finding:
    what = f"'{code.name}' calls '{name}', and there is a function of that name which is not the system's"
    fix = "Look which of them it calls, and what that keeps."
    fix += f" The system's is pg_catalog.{name}." if code.system == "postgres" else ""
    return Finding(column="", kind="unknown", level="unknown", what=what, fix=fix)


def findings(task: Task, facts: Facts) -> list[Finding]:
    """Every finding of a task once, the worst first."""
    found = [Finding(column="", kind="unknown", level="unknown", what=what, fix=fix) for what, fix in facts.unread]
    codes = [*facts.routines, *facts.target.triggers]
    seen = [view for code in codes for view in code.views]
    try:
        known = bodies(codes)
    except ImportError:
        names = ", ".join(f"'{code.name}'" for code in codes)
        found.append(Finding(column="", kind="unknown", level="unknown", what=f"{names} was not read", fix=INSTALL))
        declared = tuple(each for each in facts.through if isinstance(each, Declared))
        target = facts.target.model_copy(update={"triggers": ()})
        facts, known = Facts(facts.source, target, declared, systems=facts.systems), {}
    for code in codes:
        for gap in known[code].gaps if known else ():
            line = f", line {gap.line}," if gap.line else ""
            found.append(
                Finding(column="", kind="unknown", level="unknown", what=f"'{code.name}'{line} {gap.what}", fix=gap.fix)
            )
        found += _beside(code, known[code], task) if known else ()
    found += [_borrowed(code, name) for code in (*facts.source.views, *seen, *codes) for name in code.own]
    for column in task.source.columns:
        read = ways(task, column, facts, known)
        found += read.unknown
        for way in read.ways:
            found += judged(column.name, way, task.losses, column.observed) if way else ()
    once: dict[tuple[str, str, str], Finding] = {}
    for each in found:
        once.setdefault((each.column, each.kind, each.what), each)
    return sorted(once.values(), key=lambda each: _RANKS[each.level])
