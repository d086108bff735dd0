"""What stands around a table: its engine, its triggers, the foreign keys of it and to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from lading.connectors.mysql.driver import Driver
from lading.connectors.mysql.rights import account, all_grants, holds
from lading.dialects.mysql import dialect
from lading.errors import LadingError, Unreachable, Unsupported

Place = tuple[str, str]
"""Schema and name of a table."""
_REFERRED = ((1217,), (1451,))
_HERE = "WHERE table_schema = %s AND table_name = %s"


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
    made = driver.query(f"SHOW CREATE TABLE {'.'.join(dialect.quote(part) for part in place)}")[0][1]
    return re.search(r"\bDATA DIRECTORY ?= ?'", str(made)) is not None


@dataclass
class Link:
    """A foreign key: its name, the table that has it, the table it refers to, and their columns in pairs."""

    name: str
    child: Place
    parent: Place
    columns: list[tuple[str, str]] = field(default_factory=list)


def links(driver: Driver, places: Sequence[Place]) -> list[Link]:
    """Every foreign key that one of the tables has, or that refers to one of them."""
    found: dict[tuple[str, ...], Link] = {}
    for place in places:
        rows = driver.query(
            "SELECT table_schema, table_name, constraint_name, column_name, referenced_table_schema, "
            "referenced_table_name, referenced_column_name FROM information_schema.key_column_usage "
            "WHERE referenced_table_name IS NOT NULL AND ((table_schema = %s AND table_name = %s) "
            "OR (referenced_table_schema = %s AND referenced_table_name = %s)) ORDER BY 1, 2, 3, ordinal_position",
            (*place, *place),
        )
        known = set(found)
        for schema, table, name, column, other_schema, other, other_column in rows:
            if (schema, table, name) not in known:
                link = found.setdefault((schema, table, name), Link(name, (schema, table), (other_schema, other)))
                link.columns.append((column, other_column))
    return list(found.values())


def orphan(driver: Driver, link: Link) -> str:
    """The values of a row that refers to no row; empty when there is none. Locks what it reads, so that it stays so."""
    child, parent = (".".join(dialect.quote(part) for part in place) for place in (link.child, link.parent))
    pairs = [(dialect.quote(ours), dialect.quote(theirs)) for ours, theirs in link.columns]
    on = " AND ".join(f"p.{theirs} = c.{ours}" for ours, theirs in pairs)
    given = " AND ".join(f"c.{ours} IS NOT NULL" for ours, _ in pairs)
    values = ", ".join(f"c.{ours}" for ours, _ in pairs)
    rows = driver.query(
        f"SELECT {values} FROM {child} c LEFT JOIN {parent} p ON {on} WHERE {given} AND p.{pairs[0][1]} IS NULL "
        "LIMIT 1 LOCK IN SHARE MODE"
    )
    names = [ours for ours, _ in link.columns]
    return ", ".join(f"{name} = {value}" for name, value in zip(names, rows[0], strict=True)) if rows else ""


def refuse_unseen(driver: Driver, place: Place) -> None:
    """Raises Unsupported where tables refer to this one, and the account can see none of them: their foreign keys would
    stay with the old table that a new one replaces, or delete their rows with its own. The server tells nobody, but
    lets no such table change to an engine without foreign keys; ALGORITHM keeps it from changing any other."""
    whole = (each for each in all_grants(driver) if each.database is None)
    found = look(driver, place)
    if not driver.server.mariadb or any(each.columns("SELECT") == () for each in whole):
        return
    if found is None or found.engine != "InnoDB" or links(driver, [place]):
        return
    name = ".".join(dialect.quote(part) for part in place)
    try:
        driver.execute(f"ALTER TABLE {name} ENGINE=Aria, ALGORITHM=INPLACE")
    except LadingError as error:
        if error.__cause__ is None or error.__cause__.args[:1] not in _REFERRED:
            return
        what = f"Tables of other databases refer to '{place[1]}', and {account(driver)} may not see which."
        fix = "Grant it SELECT on them, so that their foreign keys can be kept, or use 'mode: merge'."
        raise Unsupported(what, fix) from error


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
