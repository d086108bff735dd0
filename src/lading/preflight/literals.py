"""Literals in selects that are the name of an account, a host or a database: what filters by them changes with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from lading.binding import literals
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
    names = _names(ground)
    for query in [*queries(ground.pipeline), *_views(ground)]:
        yield from _found(ground, query, names)


def _names(ground: Ground) -> dict[str, list[Known]]:
    """Every name by its letters: what is now, what was when the live release was made, and what goes away."""
    names: dict[str, list[Known]] = {}

    def add(connection: str, said: Account, now: Account) -> None:
        for field, kind in _KINDS.items():
            if value := getattr(said, field):
                names.setdefault(value.casefold(), []).append(Known(kind, connection, value, getattr(now, field)))

    for name, said in ground.accounts.items():
        add(name, said, said)
    for name, said in ground.last.accounts.items():
        if said != (now := ground.accounts.get(name, _now(ground, name))):
            add(name, said, now)
    for name, address in ground.old.items():
        with suppress(LadingError):
            add(name, account(ground.connection(address)), ground.accounts.get(name, Account()))
    return names


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


def _found(ground: Ground, query: Query, names: dict[str, list[Known]]) -> Iterator[Finding]:
    lines = query.sql.splitlines()
    session = ground.sessions.get(query.at)
    escaped = isinstance(session, SqlSession) and session.dialect.backslashes
    for literal, line in literals(query.sql, escaped):
        bare = literal.strip().strip("%").casefold()
        known = names.get(bare) or names.get(bare.rpartition("\\")[2], [])
        if known:
            yield _named(query, f"{query.shown}:{line}", (literal, lines[line - 1].strip()), known)
    plain = "".join(" " * len(each) if each[:1] == "'" else each for each in re.split(r"('(?:[^']|'')*')", query.sql))
    for found in _WHO.finditer(plain):
        line = plain.count("\n", 0, found.start()) + 1
        what = f"{query.shown}:{line} asks who is connected: its rows depend on the account"
        fix = "Filter by a value that stays, or be sure that every account sees the same."
        yield Finding(
            look=LOOK, severity="warns", step=query.step, what=what, evidence=lines[line - 1].strip(), fix=fix
        )  # fmt: skip


def _named(query: Query, where: str, found: tuple[str, str], known: Iterable[Known]) -> Finding:
    literal, line = found
    each = max(known, key=lambda each: each.changed)
    said = (
        f"was the {each.kind} of '{each.connection}'" if each.changed else f"is the {each.kind} of '{each.connection}'"
    )
    now = f", and now that is '{each.now}'" if each.changed and each.now else ""
    return Finding(
        look=LOOK, severity="blocks" if each.changed else "warns", step=query.step,
        what=f"{where} has the literal '{literal}', which {said}{now}",
        evidence=line, fix="Filter by a value that does not change with the connection, or give it as a parameter.",
    )  # fmt: skip
