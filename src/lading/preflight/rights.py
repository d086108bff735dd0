"""Every right that a step needs, asked for one by one where the system can tell, or by trying to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lading.connector import WHOLE, Grants
from lading.errors import LadingError
from lading.preflight.ground import Ground, moved, named, read
from lading.preflight.queries import asked
from lading.preflight.report import Finding
from lading.schema import Mode, Table
from lading.spec import Move, Step
from lading.sql import SqlSession
from lading.steps.python import Python
from lading.steps.sql import Sql

LOOK = "rights"


def look(ground: Ground) -> Iterator[Finding]:
    silent: dict[str, str] = {}
    for step in ground.pipeline.steps:
        for name, table, mode in _needs(ground, step):
            session: Any = ground.sessions[name]
            if isinstance(session, Grants):
                for right in session.rights(table, mode):
                    ground.counts["rights"] += 1
                    if not right.held:
                        what = f"'{ground.accounts[name].user or name}' lacks {right.name}"
                        how = f"{'write' if mode else 'read'} '{table.full_name}' at '{name}'"
                        yield Finding(
                            look=LOOK, severity="blocks", step=step.key, what=what, evidence=f"It is needed to {how}.",
                            fix=right.fix,
                        )  # fmt: skip
            elif isinstance(session, SqlSession) and mode is None:
                yield from _readable(ground, session, (step.key, name), table)
            elif isinstance(session, SqlSession) and ground.accounts[name].user:
                silent.setdefault(name, step.key)
    for name, key in silent.items():
        what = f"whether '{ground.accounts[name].user}' may write at '{name}' is not known: the system is not asked"
        yield Finding(look=LOOK, severity="notes", step=key, what=what)


def _readable(ground: Ground, session: SqlSession, who: tuple[str, str], table: Table) -> Iterator[Finding]:
    step, name = who
    ground.counts["rights"] += 1
    try:
        columns = ", ".join(session.dialect.quote(column.name) for column in table.columns) or "*"
        sql = session.dialect.limit.format(sql=f"SELECT {columns} {session.place(table, WHOLE)}", n=0)
        asked(session, sql, [])
    except LadingError as error:
        what = f"'{table.full_name}' cannot be read at '{name}'"
        yield Finding(look=LOOK, severity="blocks", step=step, what=what, evidence=error.what, fix=error.fix)


def _needs(ground: Ground, step: Step) -> Iterator[tuple[str, Table, Mode | None]]:
    """Connections, tables there, and how they are written; None for what is read."""
    if isinstance(step, Move) and step.key in ground.plans:
        for task in ground.plans[step.key].tasks:
            yield step.source, task.source, None
            yield step.target, task.target, task.mode
    elif isinstance(step, Move) and step.source in ground.sessions:
        for _, name in moved(step):
            if not ground.maker(step.source, name):
                yield step.source, named(name), None
    for name, table in read(step):
        session = ground.sessions.get(name)
        found = session.describe(table) if session else None
        if found is not None:
            yield name, found, None
    place = step.at if isinstance(step, Sql) else step.to if isinstance(step, Python) else None
    if place is not None and isinstance(step, Sql | Python) and (session := ground.sessions.get(place)):
        found = session.describe(step.into or "") or named(step.into or "")
        yield place, found, step.mode
