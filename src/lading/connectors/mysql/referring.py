"""The foreign keys of tables and to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lading.connectors.mysql.around import Place, look, quoted
from lading.connectors.mysql.driver import Driver
from lading.connectors.mysql.rights import account, all_grants
from lading.dialects.mysql import dialect
from lading.errors import LadingError, Unsupported
from lading.merging import Taker
from lading.schema import Table

if TYPE_CHECKING:
    from lading.connectors.mysql.session import MySQLSession

_REFERRED = ((1217,), (1451,))


@dataclass
class Link:
    """A foreign key: its name, the table that has it, the table it refers to, and their columns in pairs."""

    name: str
    child: Place
    parent: Place
    columns: list[tuple[str, str]] = field(default_factory=list)

    @property
    def on(self) -> str:
        """That a row `c` refers to a row `p`."""
        return " AND ".join(f"p.{dialect.quote(theirs)} = c.{dialect.quote(ours)}" for ours, theirs in self.columns)


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
    child, parent = quoted(link.child), quoted(link.parent)
    pairs = [(dialect.quote(ours), dialect.quote(theirs)) for ours, theirs in link.columns]
    given = " AND ".join(f"c.{ours} IS NOT NULL" for ours, _ in pairs)
    values = ", ".join(f"c.{ours}" for ours, _ in pairs)
    rows = driver.query(
        f"SELECT {values} FROM {child} c LEFT JOIN {parent} p ON {link.on} WHERE {given} AND p.{pairs[0][1]} IS NULL "
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
    name = quoted(place)
    try:
        driver.execute(f"ALTER TABLE {name} ENGINE=Aria, ALGORITHM=INPLACE")
    except LadingError as error:
        if error.__cause__ is None or error.__cause__.args[:1] not in _REFERRED:
            return
        what = f"Tables of other databases refer to '{place[1]}', and {account(driver)} may not see which."
        fix = "Grant it SELECT on them, so that their foreign keys can be kept, or use 'mode: merge'."
        raise Unsupported(what, fix) from error


def takers(session: MySQLSession, table: Table) -> Iterator[Taker]:
    """See `SqlSession.takers`."""
    driver, place = session.mysql, session._place(table)
    sql = (
        "SELECT constraint_schema, table_name, constraint_name, delete_rule FROM "
        "information_schema.referential_constraints WHERE delete_rule IN ('CASCADE', 'SET NULL', 'SET DEFAULT')"
    )
    rules = {(schema, name, key): rule for schema, name, key, rule in driver.query(sql)}
    for link in links(driver, [place]):
        rule = rules.get((*link.child, link.name))
        if rule and link.parent == place:
            schema, name = link.child
            shown = name if schema == place[0] else f"{schema}.{name}"
            yield Taker(link.name, shown, quoted(link.child), link.on, rule == "CASCADE", link.child == place)
