"""Whether each step that reads a table comes after the steps that make it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lading.binding import bare, select
from lading.hops.flow import ODD, parsed, quiet
from lading.lineage import LANGUAGES
from lading.preflight.ground import Ground, Place, Query, moved, queries, read
from lading.preflight.report import Finding
from lading.spec import Step
from lading.sql import SqlSession
from lading.steps.prove import Prove

LOOK = "order"


_FROM = r"(?:\b(?:from|join)\b|,)\s*(?:[\w\"`\[\]]+\.)?[\"`\[]?"


def look(ground: Ground) -> Iterator[Finding]:
    after = {step.key: ground.pipeline.following(step.key) for step in ground.pipeline.steps}
    for step in ground.pipeline.steps:
        seen: set[Place] = set()
        for what, at, table in _reads(ground, step):
            place = ground.place(at, table)
            makers = [] if place in seen else ground.makers(at, table)
            seen.add(place)
            early = [key for key in makers if step.key not in after[key]]
            if len(early) < len(makers):  # it reads what those made; others make more of it after that
                early = [key for key in early if key not in after[step.key]]
            last = [key for key in early if not after[key].intersection(early) - {key}]
            if last:
                yield _early(ground, step, (f"{what} '{table}'", at, table), last)
        if isinstance(step, Prove) and step.key not in after[step.step]:
            yield _early(ground, step, (f"it compares what '{step.step}' moves", "", ""), [step.step])


def _early(ground: Ground, step: Step, read: tuple[str, str, str], makers: list[str]) -> Finding:
    what, at, table = read
    said = " and ".join(f"'{key}'" for key in makers)
    makes = f"which {said} {'makes' if len(makers) == 1 else 'make'}, "
    evidence = f"'{table}' is not there yet."
    if ground.there(at, table):
        evidence = f"'{table}' is there already: the step would read what is in it before that."
    fix = f"Write after: [{', '.join(dict.fromkeys((*step.after, *makers)))}] in step '{step.key}'."
    if later := [key for key in makers if key in ground.pipeline.following(step.key)]:
        fix = f"'{later[0]}' comes after '{step.key}' now: turn that round."
    return Finding(
        look=LOOK, severity="warns", step=step.key,
        what=f"{what}, {makes if table else ''}and does not wait for it",
        evidence=evidence if table and at in ground.sessions else "", fix=fix,
    )  # fmt: skip


def _reads(ground: Ground, step: Step) -> Iterator[tuple[str, str, str]]:
    """How a step reads a table, the connection and the table."""
    yield from (("it moves", at, table) for at, table in moved(step))
    yield from (("it reads", at, table) for at, table in read(step))
    for query in queries(ground.pipeline):
        if query.step == step.key and query.at:
            yield from ((f"the query in {query.shown} needs", query.at, table) for table in tables(ground, query))


def tables(ground: Ground, query: Query) -> list[str]:
    """The tables that a select reads, as it names them; of one that is not read, those that steps make and that it
    seems to name."""
    session = ground.sessions.get(query.at)
    dialect = session.dialect if isinstance(session, SqlSession) else None
    language = LANGUAGES.get(dialect.name, "") if dialect else ""
    try:
        return _parsed(query.sql, language) if language else _told(ground, query, False)
    except (*ODD, ImportError):
        return _told(ground, query, bool(dialect and dialect.backslashes))


def _parsed(sql: str, language: str) -> list[str]:
    from sqlglot import exp

    with quiet():
        tree = parsed(select(sql), language)
    found: dict[str, None] = {}
    common = {cte.alias_or_name.lower(): cte for cte in tree.find_all(exp.CTE)}
    for node in tree.find_all(exp.Table):
        own = None if node.db else common.get(node.name.lower())
        within = own is not None and own in _around(node) and not own.parent.args.get("recursive")
        if node.name and (own is None or within):  # within itself a name is that of the table
            found[".".join(part for part in (node.db, node.name) if part)] = None
    return list(found)


def _around(node: Any) -> Iterator[Any]:
    while node is not None:
        yield node
        node = node.parent


def _told(ground: Ground, query: Query, backslashes: bool) -> list[str]:
    text, there = bare(query.sql, backslashes), ground.place(query.at, "")[0]
    names = [made.table for place, made in ground.made.items() if place[0] == there]
    return [name for name in names if re.search(rf"{_FROM}{re.escape(name.rpartition('.')[2])}(?!\w)", text, re.I)]
