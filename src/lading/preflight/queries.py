"""Every select is explained, run for no rows, and run for a few, within a time; whatever it does is undone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lading.binding import bound, select
from lading.connector import Cancels
from lading.errors import LadingError
from lading.preflight.ground import UNSEEN, Ground, Query, queries
from lading.preflight.order import tables
from lading.preflight.report import Finding
from lading.sql import SqlSession

LOOK = "queries"
FEW = 3


def look(ground: Ground) -> Iterator[Finding]:
    for query in queries(ground.pipeline):
        session = ground.sessions.get(query.at)
        if isinstance(session, SqlSession):
            yield from _tried(ground, query, session)
            ground.counts["queries"] += 1
    for step in ground.pipeline.steps:
        if step.do in UNSEEN:
            what = f"what a step '{step.do}' does is not looked at"
            yield Finding(look=LOOK, severity="notes", step=step.key, what=what)


def _tried(ground: Ground, query: Query, session: SqlSession) -> Iterator[Finding]:
    who = ground.accounts[query.at].user
    late = threading.Event()
    try:
        text, values = bound(select(query.sql), ground.params, session.dialect)
        if session.dialect.explain:
            asked(session, session.dialect.explain.format(sql=text), values)
        inner = f"SELECT * FROM ({text}\n) lading_q"
        with within(session, ground.seconds, late):
            asked(session, session.dialect.limit.format(sql=inner, n=0), values)
            rows = asked(session, session.dialect.limit.format(sql=inner, n=FEW), values)
    except LadingError as error:
        yield from _wrong(ground, query, error, late.is_set())
        return
    if query.rows and not rows:
        what = f"the query in {query.shown} gives no row" + (f" to '{who}'" if who else "")
        yield Finding(
            look=LOOK, severity="warns", step=query.step, what=what,
            fix="Look whether that is so on other days, and whom its filters and views let see what.",
        )  # fmt: skip


def _wrong(ground: Ground, query: Query, error: LadingError, late: bool) -> Iterator[Finding]:
    if late:
        what = f"the query in {query.shown} took more than {ground.seconds:g} seconds for {FEW} rows"
        fix = "Look at how it is explained, and at its indexes."
        yield Finding(look=LOOK, severity="warns", step=query.step, what=what, fix=fix)
        return
    for table in tables(ground, query):
        makers = [key for key in ground.makers(query.at, table) if key != query.step]
        if makers and not ground.there(query.at, table):
            before = [key for key in makers if query.step in ground.pipeline.following(key)]
            if before:
                needs = f"the query in {query.shown} needs '{table}', which '{before[0]}' makes"
                what = f"{needs} and which is not there yet"
                fix = f"After the first run, look again: lading preflight {ground.pipeline.name}"
                yield Finding(look=LOOK, severity="notes", step=query.step, what=what, fix=fix)
            return  # else another look tells
    who = ground.accounts[query.at].user
    what = f"the query in {query.shown} does not run at '{query.at}'" + (f" as '{who}'" if who else "")
    yield Finding(look=LOOK, severity="blocks", step=query.step, what=what, evidence=error.what, fix=error.fix)


def asked(session: SqlSession, sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
    """The rows of a select, in a transaction that is undone."""
    session.driver.begin()
    try:
        return session.driver.query(sql, values)
    finally:
        session.driver.rollback()


@contextmanager
def within(session: SqlSession, seconds: float, late: threading.Event) -> Iterator[None]:
    """Ends a statement that takes longer, where its system can be told to; `late` is set then."""

    def end() -> None:
        if isinstance(session, Cancels):
            late.set()
            session.cancel()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
