"""What stands around a table: its engine, its triggers, its folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lading.connectors.mysql.driver import Driver
from lading.connectors.mysql.rights import all_grants, holds
from lading.dialects.mysql import dialect
from lading.errors import Unreachable

Place = tuple[str, str]
"""Schema and name of a table."""
_HERE = "WHERE table_schema = %s AND table_name = %s"


def quoted(place: Place) -> str:
    return ".".join(dialect.quote(part) for part in place)


@dataclass(frozen=True)
class Found:
    """What the catalogue says of a table besides its columns. `engine` is empty for a view."""

    engine: str
    counter: int | None
    versioned: bool


def look(driver: Driver, place: Place) -> Found | None:
    """The table at a place; None when there is none."""
    sql = f"SELECT table_name, coalesce(engine, ''), auto_increment, table_type FROM information_schema.tables {_HERE}"
    for name, engine, counter, kind in driver.query(sql, place):
        if driver.server.same(str(name), place[1]):
            return Found(str(engine), None if counter is None else int(counter), kind == "SYSTEM VERSIONED")
    return None


def has_column(driver: Driver, place: Place, column: str) -> bool:
    sql = f"SELECT 1 FROM information_schema.columns {_HERE} AND column_name = %s"
    return bool(driver.query(sql, (*place, column)))


def has_triggers(driver: Driver, place: Place) -> bool:
    """Also when the account has no right to triggers: then they cannot be seen."""
    if not holds(all_grants(driver), "TRIGGER", place):
        return True
    sql = "SELECT 1 FROM information_schema.triggers WHERE event_object_schema = %s AND event_object_table = %s LIMIT 1"
    return bool(driver.query(sql, place))


def elsewhere(driver: Driver, place: Place) -> bool:
    """Whether rows are kept in a folder of their own, which no table that is made like this one shares."""
    found = look(driver, place)
    if found is None or found.engine != "InnoDB":
        return False
    made = driver.query(f"SHOW CREATE TABLE {quoted(place)}")[0][1]
    return re.search(r"\bDATA DIRECTORY ?= ?'", str(made)) is not None


@contextmanager
def alone(driver: Driver, schema: str) -> Iterator[None]:
    """Keeps two of Lading's sessions from making and dropping the ledger of a schema at the same time."""
    name = f"lading {schema}"[:64]
    if driver.query("SELECT get_lock(%s, 60)", (name,))[0][0] != "1":
        raise Unreachable(f"Another session holds the lock '{name}'.", "Run again.")
    try:
        yield
    finally:
        if driver.wire.alive:
            driver.query("SELECT release_lock(%s)", (name,))
