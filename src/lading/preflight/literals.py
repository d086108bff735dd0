"""Literals in selects, and parameters of them, that are the name of an account, a host or a database: what filters by
them changes with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from lading.binding import bare, literals, names
from lading.connector import Routed
from lading.errors import LadingError
from lading.preflight.ground import Ground, Query, account, inputs, queries
from lading.preflight.report import Account, Finding
from lading.sql import SqlSession

LOOK = "literals"
_WHO = re.compile(r"\b(current_user|session_user|system_user|suser_s?name|user_name)\b|\buser\s*\(", re.I)
_KINDS = {"user": "account", "host": "host", "database": "database"}


class Known(NamedTuple):
    """A name: of what and of which connection it was, and what that is now."""

    kind: str
    connection: str
    was: str
    now: str

    @property
    def changed(self) -> bool:
        return self.was.casefold() != self.now.casefold()


def look(ground: Ground) -> Iterator[Finding]:
    known = _known(ground)
    for query in [*queries(ground.pipeline), *_views(ground)]:
        yield from _found(ground, query, known)


def _known(ground: Ground) -> dict[str, list[Known]]:
    """Every name by its letters: what is now, what was when the live release was made, and what goes away."""
    known: dict[str, list[Known]] = {}

    def add(connection: str, said: Account, now: Account) -> None:
        for field, kind in _KINDS.items():
            if value := getattr(said, field):
                known.setdefault(value.casefold(), []).append(Known(kind, connection, value, getattr(now, field)))

    for name, said in ground.accounts.items():
        add(name, said, said)
    for name, said in ground.last.accounts.items():
        if said != (now := ground.accounts.get(name, _now(ground, name))):
            add(name, said, now)
    for name, address in ground.old.items():
        with suppress(LadingError):
            add(name, account(ground.connection(address)), ground.accounts.get(name, Account()))
    return known


def _now(ground: Ground, name: str) -> Account:
    """A connection that was used; where its steps now use another one, that one's account."""
    earlier = ground.earlier.pipeline.steps if ground.earlier else ()
    for before in earlier:
        step = ground.pipeline.step(before.key)
        changes = [(getattr(before, field), getattr(step, field, None)) for field in type(before).places]
        changes += [(was and was.at, now.at) for was, now in (inputs(before, step) if step else ())]
        for was_at, place in changes:
            if was_at == name and place:
                return ground.accounts.get(place, Account())
    return Account()


def _views(ground: Ground) -> Iterator[Query]:
    """The definitions of the views that are moved."""
    for step in ground.pipeline.moves:
        session: Any = ground.sessions.get(step.source)
        for task in ground.plans[step.key].tasks if step.key in ground.plans else ():
            if task.source.view and isinstance(session, Routed):
                with suppress(LadingError):
                    for code in session.route(task.source).views:
                        yield Query(step.key, step.source, code.text, f"view '{code.name}'")


def _found(ground: Ground, query: Query, known: dict[str, list[Known]]) -> Iterator[Finding]:
    lines = query.sql.splitlines()
    session = ground.sessions.get(query.at)
    escaped = isinstance(session, SqlSession) and session.dialect.backslashes
    for literal, line in literals(query.sql, escaped):
        if meant := _meant(literal, known):
            said = f"{query.shown}:{line} has the literal '{literal}', which"
            yield _named(query, said, lines[line - 1].strip(), meant)
    for name, line in names(query.sql, escaped):
        for value in _values(ground, name):
            if meant := _meant(value, known):
                said = f"{query.shown}:{line} has the parameter ':{name}', whose value '{value}'"
                yield _named(query, said, lines[line - 1].strip(), meant)
    plain = bare(query.sql, escaped)
    for found in _WHO.finditer(plain):
        line = plain.count("\n", 0, found.start()) + 1
        what = f"{query.shown}:{line} asks who is connected: its rows depend on the account"
        fix = "Filter by a value that stays, or be sure that every account sees the same."
        yield Finding(
            look=LOOK, severity="warns", step=query.step, what=what, evidence=lines[line - 1].strip(), fix=fix
        )  # fmt: skip


def _values(ground: Ground, name: str) -> Iterator[str]:
    """What a parameter is where nothing else is given, and what it is now."""
    declared = ground.pipeline.params.get(name)
    found = (declared and declared.default, ground.params.get(name))
    yield from dict.fromkeys(str(value) for value in found if value is not None)


def _meant(text: str, known: dict[str, list[Known]]) -> list[Known]:
    plain = text.strip().strip("%").casefold()
    return known.get(plain) or known.get(plain.rpartition("\\")[2], [])


def _named(query: Query, said: str, line: str, known: Iterable[Known]) -> Finding:
    each = max(known, key=lambda each: each.changed)
    now = f", and now that is '{each.now}'" if each.changed and each.now else ""
    return Finding(
        look=LOOK, severity="blocks" if each.changed else "warns", step=query.step,
        what=f"{said} {'was' if each.changed else 'is'} the {each.kind} of '{each.connection}'{now}",
        evidence=line, fix="Filter by a value that does not change with the connection.",
    )  # fmt: skip
