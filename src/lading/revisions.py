"""The revisions of the store's schema: brings a store to the newest, and says of which it is."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import sqlalchemy as sa

from lading.errors import SpecError

LOCK = 0x1AD1
"""The number of PostgreSQL's lock that whoever changes the schema holds."""

NEWEST = Path(__file__).parent / "migrations/newest.sql"
"""What makes a file of the newest revision: a tenth of a second less than to go through all of them."""

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
    """Brings a store to the newest revision; Alembic is only loaded when it is not there, nor for a new file. Of many
    who open a new store at once one makes it, and the others wait; who is killed in the middle leaves nothing of it."""
    with engine.connect() as connection:
        if _there(connection, head):
            return
    with engine.begin() as connection:
        alone = "BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else f"SELECT pg_advisory_xact_lock({LOCK})"
        connection.exec_driver_sql(alone)
        if _there(connection, head):
            return
        if engine.dialect.name == "sqlite" and not sa.inspect(connection).get_table_names():
            for statement in NEWEST.read_text(encoding="utf-8").split(";\n")[:-1]:
                connection.exec_driver_sql(statement)
        else:
            upgrade(connection, "head")


def upgrade(connection: sa.Connection, revision: str) -> None:
    """Takes every step between a store's revision and another."""
    from alembic import command
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(NEWEST.parent))
    settings.attributes["connection"] = connection
    command.upgrade(settings, revision)


def newest() -> str:
    """The text of NEWEST: the statements that the migrations leave in a file."""
    order = "type <> 'table', CASE type WHEN 'table' THEN rowid ELSE name END"
    query = f"SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY {order}"
    with (engine := sa.create_engine("sqlite://")).begin() as connection:
        upgrade(connection, "head")
        made = [str(sql) for (sql,) in connection.exec_driver_sql(query)]
        made.append(f"INSERT INTO alembic_version VALUES ('{at(connection)}')")
    engine.dispose()
    lines = "".join(f"{statement};\n" for statement in made).splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines)


def at(connection: sa.Connection) -> str:
    """The revision of a store; empty for one that is new."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or "")


def made(url: str) -> bool:
    """Whether there is a store at an address; also where nobody can say so, so that opening it tells why."""
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        return False
    try:
        with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
            return bool(at(connection))
    except (sa.exc.DBAPIError, sa.exc.ArgumentError, ValueError, ImportError):
        return True


def _there(connection: sa.Connection, head: str) -> bool:
    found = at(connection)
    if found > head:
        raise SpecError(f"The store is of revision {found}; this Lading knows {head}.", "Install a newer Lading.")
    return found == head
