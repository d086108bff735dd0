"""When an account changes: the same reads by the old and by the new one must give the same rows."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

from lading.binding import bound, select
from lading.compare import Asked
from lading.compare.outcome import Verdict
from lading.connector import Connection
from lading.errors import LadingError, SpecError
from lading.preflight.ground import Ground, Query, account, inputs, queries
from lading.preflight.queries import asked, within
from lading.preflight.report import Account, Finding
from lading.reconcile import Reconciling
from lading.render import plural
from lading.schema import Table
from lading.spec import Move, Step
from lading.sql import SqlSession

LOOK = "accounts"
MOST = 100_000
"""Rows of a query that are compared; of more, only the counts are."""


class Pair(NamedTuple):
    """A connection of a step, and the one with the account that it had; `inputs` are those tables of the step's that
    are read there, where the connection is only that of inputs."""

    step: Step
    name: str
    new: Connection
    old: Connection
    inputs: tuple[str, ...] = ()

    @property
    def users(self) -> tuple[str, str]:
        return account(self.old).user or self.old.address(), account(self.new).user or self.new.address()


def look(ground: Ground) -> Iterator[Finding]:
    with ExitStack() as stack:
        opened: dict[str, SqlSession | LadingError | None] = {}
        for pair in _pairs(ground):
            address = pair.old.address()
            if address not in opened:
                opened[address] = _opened(pair, stack)
            if isinstance(error := opened[address], LadingError):
                what = f"the old account of '{pair.name}' cannot be used to compare"
                yield _finding(pair, what, error.what, error.fix)
            else:
                yield from _compared(ground, pair, error)
    yield from _unknown(ground)


def _pairs(ground: Ground) -> Iterator[Pair]:
    """What is read by another account than before: as `old` says, or where the live release's step had a connection to
    the same database."""
    for step in ground.pipeline.steps:
        before = ground.earlier.pipeline.step(step.key) if ground.earlier else None
        for field in [name for name in type(step).places if name != "target"]:
            if found := _pair(ground, step, getattr(step, field), getattr(before, field, None)):
                yield found
        read: dict[tuple[str, str], list[str]] = {}
        for was, now in inputs(before, step):
            read.setdefault((now.at, was.at if was else ""), []).append(now.table)
        for (name, address), tables in read.items():
            if found := _pair(ground, step, name, address):
                yield found._replace(inputs=tuple(dict.fromkeys(tables)))


def _pair(ground: Ground, step: Step, name: str | None, before: str | None) -> Pair | None:
    given = ground.old.get(name or "")
    address = given or before
    if name not in ground.sessions or not address or address == name:
        return None
    try:
        old, new = ground.connection(address), ground.connection(name)
    except LadingError:
        if given:
            raise
        return None
    return (
        Pair(step, name, new, old) if given or (_place(old) == _place(new) and account(old) != account(new)) else None
    )


def _place(connection: Connection) -> tuple[Any, ...]:
    there = account(connection)
    return connection.kind, there.host, getattr(connection, "port", None), there.database


def _opened(pair: Pair, stack: ExitStack) -> SqlSession | LadingError | None:
    try:
        session = stack.enter_context(pair.old.open())
    except LadingError as error:
        return error
    return session if isinstance(session, SqlSession) else None


def _compared(ground: Ground, pair: Pair, session: SqlSession | None) -> Iterator[Finding]:
    if isinstance(pair.step, Move):
        tasks = ground.plans[pair.step.key].tasks if pair.step.key in ground.plans else ()
        yield from _tables(ground, pair, [task.source for task in tasks])
        return
    if pair.inputs:
        described = (ground.described(pair.name, name) for name in pair.inputs)
        yield from _tables(ground, pair, [table for table in described if table is not None])
        return
    new = ground.sessions[pair.name]
    for query in queries(ground.pipeline):
        if query.at and query.step == pair.step.key and session is not None and isinstance(new, SqlSession):
            try:
                found = _rows(ground, query, session), _rows(ground, query, new)
                if found[0] != found[1]:  # rows may have come in between
                    found = _rows(ground, query, session), _rows(ground, query, new)
            except LadingError as error:
                yield _finding(pair, f"the query in {query.shown} cannot be compared", error.what, error.fix)
                continue
            ground.counts["comparisons"] += 1
            if found[0] != found[1]:
                yield _unlike(pair, f"the query in {query.shown}", (found[0][0], found[1][0]))


def _rows(ground: Ground, query: Query, session: SqlSession) -> tuple[int, str]:
    """How many rows a query gives, and a digest of them in any order."""
    text, values = bound(select(query.sql), ground.params, session.dialect)
    total, late = 0, threading.Event()
    try:
        with within(session, ground.seconds, late):
            count = int(asked(session, f"SELECT count(*) FROM ({text}\n) lading_q", values)[0][0])
            rows = asked(session, text, values) if count <= MOST else []
    except LadingError as error:
        if late.is_set():
            raise SpecError(f"It took more than {ground.seconds:g} seconds.", "Give it more: --seconds 60") from error
        raise
    for row in rows:
        total += int.from_bytes(hashlib.sha256(repr(row).encode()).digest()[:16])
    return count, f"{total:x}"


def _tables(ground: Ground, pair: Pair, tables: list[Table]) -> Iterator[Finding]:
    with Reconciling(pair.old, pair.new, Asked(limit=0)) as reconciling:
        found = reconciling.diff([(table, table) for table in tables])
    for each in found.tables:
        ground.counts["comparisons"] += 1
        if each.verdict is Verdict.DIFFERENT:
            yield _unlike(pair, f"'{each.left}'", (each.rows_left, each.rows_right))
        elif each.verdict is Verdict.INCONCLUSIVE:
            yield _finding(pair, f"'{each.left}' cannot be compared", "; ".join(each.reasons), "")


def _unlike(pair: Pair, what: str, counts: tuple[int, int]) -> Finding:
    old, new = pair.users
    said = "; the rows are others" if counts[0] == counts[1] else ""
    return _finding(
        pair, f"{what} gives '{new}' other rows than '{old}'",
        f"'{old}' sees {plural(counts[0], 'row')}, '{new}' sees {plural(counts[1], 'row')}{said}",
        "Look for filters by account, views, and policies on rows; grant what the old account had.",
    )  # fmt: skip


def _finding(pair: Pair, what: str, evidence: str, fix: str) -> Finding:
    return Finding(look=LOOK, severity="blocks", step=pair.step.key, what=what, evidence=evidence, fix=fix)


def _unknown(ground: Ground) -> Iterator[Finding]:
    """Accounts that are others than when the live release was made, and of which the old one is not given."""
    for name, now in ground.accounts.items():
        before = ground.last.accounts.get(name, Account())
        if before.user and now.user and before.user != now.user and name not in ground.old:
            what = f"the account of '{name}' is '{now.user}' and was '{before.user}': their rows were not compared"
            fix = f"Keep the old account as another connection, and name it: --old {name}=CONNECTION"
            yield Finding(look=LOOK, severity="blocks", step=name, what=what, fix=fix)
