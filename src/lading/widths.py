"""Lading's hop check of its own store: that no column, trigger or type there is narrower than what is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from lading import arrivals, attempts, dues, find, hops, profiles, record, releases, store
from lading.connector import Session
from lading.errors import SpecError
from lading.hops import gather
from lading.plan import Task
from lading.schema import Column, Mode, Table, losses
from lading.store import Store
from lading.types import Type

TABLES: dict[str, sa.Table] = {
    name: table for module in (store, attempts, dues, record, profiles, releases, arrivals)
    for name, table in module._tables.tables.items()
}  # fmt: skip
_TYPES: dict[type[Any], Type] = {
    sa.Text: Type("string"), sa.BigInteger: Type("int", 64), sa.Integer: Type("int", 32), sa.Boolean: Type("bool"),
    sa.Float: Type("float", 64),
}  # fmt: skip


def checked(ledger: Store) -> None:
    """Raises SpecError where the store would cut, round or refuse what is written to it."""
    found = narrow(ledger)
    if found:
        more = f" (and {len(found) - 1:,} more; see 'lading doctor')" if len(found) > 1 else ""
        raise SpecError(f"The store would not keep what is written to it: {found[0]}{more}.", FIX)


FIX = "Give the column the type that Lading made it with, text, and take out what changes values on their way."


def narrow(ledger: Store) -> list[str]:
    """Where the store is narrower than what is written, a sentence each."""
    with _opened(ledger) as session:
        return [each for table in TABLES.values() for each in _narrow(table, session)]


@contextmanager
def _opened(ledger: Store) -> Iterator[Session]:
    """A session at the store. SQLite's file is open here already, by another copy of its library, whose locks would go
    as soon as this one closes it: a file of the same schema is looked at instead."""
    url = ledger.engine.url.set(drivername=ledger.engine.url.get_backend_name())
    with ExitStack() as stack:
        if ledger.engine.dialect.name == "sqlite":
            file = Path(stack.enter_context(TemporaryDirectory())) / "schema.db"
            query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
            made = ledger.rows(sa.text(f"{query} ORDER BY type <> 'table'"))
            with closing(sqlite3.connect(file)) as copy:
                copy.executescript(";\n".join(row.sql for row in made))
            url = url.set(database=str(file))
        yield stack.enter_context(find.from_url(url.render_as_string(hide_password=False)).open())


def _narrow(table: sa.Table, session: Session) -> list[str]:
    there = session.describe(table.name)
    if there is None:
        return [f"there is no table '{table.name}'"]
    columns = tuple(
        Column(name=column.name, type=_TYPES[type(column.type)], null=own.null)
        for column in table.columns if (own := there.column(column.name)) is not None
    )  # fmt: skip
    lost = [column.name for column in table.columns if there.column(column.name) is None]
    written = Table(name=table.name, columns=columns)
    task = Task(source=written, target=there, mode=Mode.APPEND, fresh=False, losses=tuple(losses(written, there)))
    source: Any = object()  # what this process writes: there is no catalogue to ask
    facts = gather.facts(task, (source, session), ())
    return [
        *(f"'{table.name}' has no column '{name}'" for name in lost),
        *(f"{table.name}.{loss.column}: {loss.what}" for loss in task.losses),
        *(f"{table.name}.{each.column}: {each.what}" for each in hops.findings(task, facts) if each.level != "notes"),
    ]  # fmt: skip
