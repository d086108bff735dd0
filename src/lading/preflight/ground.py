"""What the looks of a preflight share: the pipeline, its connections while they are open, and its queries."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lading.connector import Connection, Session
from lading.copying import Resolve
from lading.errors import LadingError
from lading.picking import is_pattern
from lading.plan import Plan
from lading.preflight.report import Account, Columns, Report
from lading.schema import Table
from lading.spec import Input, Move, Pipeline, Step
from lading.sql import SqlSession
from lading.steps.check import Check
from lading.steps.python import Python
from lading.steps.sql import Sql
from lading.steps.wait import Wait
from lading.store import Store

SECONDS = 10.0
"""How long a query may take that gives a few rows."""
UNSEEN = ("bash", "python", "procedure")
"""The kinds of steps of which nobody knows what they do."""


class Query(NamedTuple):
    """A select of a step, at a connection, which is empty for one over several. `shown` is where it is written; `rows`
    whether it should give some."""

    step: str
    at: str
    sql: str
    shown: str
    rows: bool = False


Place = tuple[tuple[object, ...], str]
"""Where a table is, whoever asks for it: its system, and its name with its schema in small letters."""


class Made(NamedTuple):
    """A table that steps make, and the keys of these steps."""

    table: str
    steps: list[str]


class Earlier(NamedTuple):
    """What was live before: the pipeline, the number of its release, and what was found then."""

    pipeline: Pipeline
    number: int
    report: Report | None


@dataclass
class Ground:
    """`old` are addresses by connections of which the account changes. Enter it once."""

    pipeline: Pipeline
    params: Mapping[str, Any]
    store: Store
    resolve: Resolve
    old: Mapping[str, str] = field(default_factory=dict)
    earlier: Earlier | None = None
    seconds: float = SECONDS
    texts: Mapping[str, str] = field(default_factory=dict)
    """What a release would hold, by the names of the files."""
    sessions: dict[str, Session] = field(default_factory=dict)
    """Those that could be opened, by the names of their connections."""
    plans: dict[str, Plan] = field(default_factory=dict)
    """Of the moves that could be planned, and of the rows of selects over several connections, by the keys of their
    steps."""
    made: dict[Place, Made] = field(default_factory=dict)
    """What the steps make."""
    counts: Counter[str] = field(default_factory=Counter)
    accounts: dict[str, Account] = field(default_factory=dict)
    tables: dict[str, dict[str, Columns]] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Ground:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stack.close()

    def connection(self, name: str) -> Connection:
        return self.resolve(name)[1]

    @property
    def last(self) -> Report:
        """What the preflight of the earlier release found; nothing where there was none."""
        found = self.earlier.report if self.earlier else None
        return found or Report.model_validate({"taken": "1970-01-01T00:00:00Z"})

    def place(self, at: str, table: str) -> Place:
        """Where a table of a connection is."""
        session = self.sessions.get(at)
        try:
            if isinstance(session, SqlSession) and "." not in table:
                return system(self.connection(at)), f"{session.default_schema}.{table}".lower()
            return system(self.connection(at)), table.lower()
        except LadingError:  # which other looks tell
            return (at,), table.lower()

    def makes(self, step: str, at: str, table: str) -> None:
        """Notes that a step makes a table."""
        made = self.made.setdefault(self.place(at, table), Made(table, []))
        if step not in made.steps:
            made.steps.append(step)

    def makers(self, at: str, table: str) -> list[str]:
        """The steps that make a table."""
        found = self.made.get(self.place(at, table))
        return found.steps if found else []

    def maker(self, at: str, table: str) -> str:
        """The step that makes a table first; empty where none does."""
        return next(iter(self.makers(at, table)), "")

    def described(self, at: str, table: str) -> Table | None:
        """A table as it is now; None where it is not there, or that cannot be asked."""
        try:
            return self.sessions[at].describe(table) if at in self.sessions else None
        except LadingError:  # which other looks tell
            return None

    def there(self, at: str, table: str) -> bool:
        return self.described(at, table) is not None


_PLACES = ("kind", "port", "service_name", "sid", "dsn", "connection", "dialect")
"""What of a connection says where its system is, besides its host, path and database."""


def system(connection: Connection) -> tuple[object, ...]:
    """Where a system is, whoever asks it: another account or schema makes no other one of it."""
    found = {name: getattr(connection, name, None) for name in (*_PLACES, "host", "path", "database", "user")}
    host, path = str(found["host"] or ""), str(found["path"] or "")
    local = host.startswith("/") or host.lower() in ("", "localhost", "127.0.0.1", "::1")
    within = "" if found["kind"] == "mysql" else found["database"] or found["user"]  # there it is what a schema is
    path = path if "://" in path or not path else os.path.realpath(path)
    return "" if local else host.lower(), path, within, *(found[name] for name in _PLACES)


def named(full: str) -> Table:
    """A table of which nothing but its full name is known."""
    schema, _, name = full.rpartition(".")
    return Table(name=name, schema_name=schema or None)


def account(connection: Connection) -> Account:
    """Who a connection is, by its settings."""
    values = {name: getattr(connection, name, None) for name in Account.model_fields}
    return Account(**{name: value for name, value in values.items() if isinstance(value, str)})


def places(step: Step) -> Iterator[str]:
    """Every connection of a step."""
    yield from (place for name in type(step).places if (place := getattr(step, name)) is not None)
    if isinstance(step, Python | Sql):
        yield from (each.at for each in step.inputs.values())
    if isinstance(step, Wait) and step.table is not None:
        yield step.table.at


def queries(pipeline: Pipeline) -> Iterator[Query]:
    """Every select that people wrote."""
    for step in pipeline.steps:
        if isinstance(step, Sql):
            yield Query(
                step.key, "" if step.inputs else step.at, step.query or "", step.file or f"step '{step.key}'", rows=True
            )
        if isinstance(step, Check):
            for number, rule in enumerate(step.rules, 1):
                if rule.sql is not None:
                    yield Query(step.key, step.at, rule.sql, f"rule {number} of step '{step.key}'")


def read(step: Step) -> Iterator[tuple[str, str]]:
    """The connections and tables that a step reads by name, besides moves and selects."""
    if isinstance(step, Check):
        yield step.at, step.on
        yield from ((step.at, rule.references.table) for rule in step.rules if rule.references is not None)
    if isinstance(step, Python | Sql):
        yield from ((each.at, each.table) for each in step.inputs.values())
    if isinstance(step, Wait) and step.table is not None:
        yield step.table.at, step.table.name


def inputs(before: Step | None, step: Step) -> Iterator[tuple[Input | None, Input]]:
    """The inputs of a step, each with what it was in the step as it was before, by its name or its table."""
    if isinstance(step, Python | Sql):
        known = before.inputs if isinstance(before, Python | Sql) else {}
        for name, now in step.inputs.items():
            alike = (each for each in known.values() if each.table == now.table)
            yield known.get(name) or next(alike, None), now


def moved(step: Step) -> Iterator[tuple[str, str]]:
    """The connection and tables that a move reads by name, besides patterns."""
    if isinstance(step, Move):
        named = [name for name in step.tables if not is_pattern(name)]
        named += step.into if isinstance(step.into, dict) else ()
        yield from ((step.source, name) for name in dict.fromkeys(named))


def written(step: Step) -> Iterator[tuple[str, str]]:
    """The connection and table that a step makes or writes, besides moves."""
    if isinstance(step, Sql):
        yield step.at, step.into
    if isinstance(step, Python) and step.to is not None and step.into is not None:
        yield step.to, step.into
