"""The revisions of the store's schema: brings a store to the newest, and says of which it is."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import sqlalchemy as sa

from lading.errors import SpecError

LOCK = 0x1AD1
"""The number of PostgreSQL's lock that whoever changes the schema holds."""

BUSY_SECONDS = 60
"""How long a file waits for others that write to it."""


def durable(connection: sqlite3.Connection, _record: object) -> None:
    """Sets up a connection to a file."""
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:  # SQLite waits for nobody here
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = FULL")


def migrate(engine: sa.Engine, head: str) -> None:
    """Brings a store to the newest revision; Alembic is only loaded when it is not there. Of many who open a new store
    at once one makes it, and the others wait; who is killed in the middle leaves nothing of it."""
    with engine.connect() as connection:
        if _there(connection, head):
            return
    from alembic import command
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        alone = "BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else f"SELECT pg_advisory_xact_lock({LOCK})"
        connection.exec_driver_sql(alone)
        if not _there(connection, head):
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")


def at(connection: sa.Connection) -> str:
    """The revision of a store; empty for one that is new."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or "")


def _there(connection: sa.Connection, head: str) -> bool:
    found = at(connection)
    if found > head:
        raise SpecError(f"The store is of revision {found}; this Lading knows {head}.", "Install a newer Lading.")
    return found == head
