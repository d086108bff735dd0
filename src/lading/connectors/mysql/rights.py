"""What an account may do, as the server lists it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lading.connector import Right
from lading.dialects.mysql import dialect
from lading.schema import Mode, Table

if TYPE_CHECKING:
    from lading.connectors.mysql.driver import Driver
    from lading.connectors.mysql.session import MySQLSession

_NAME = r"(\*|`(?:[^`]|``)*`)"
_LINE = re.compile(rf"GRANT (.+?) ON {_NAME}\.{_NAME} TO (\S+)", re.S)
_WORD = re.compile(r"([A-Z][A-Z ]*[A-Z])(?: \(([^)]*)\))?")
_STAGING = ("SELECT", "INSERT", "DELETE", "CREATE", "ALTER", "DROP")
"""What a table needs that is made beside the target's and takes its place: in the whole schema, as its name is new."""


class Grant(NamedTuple):
    """Rights at a place, each with its columns, none of which means all. No database means every one, no table too."""

    rights: dict[str, tuple[str, ...]]
    database: str | None
    table: str | None
    to: str = ""

    def on(self, database: str, table: str | None) -> bool:
        """Whether it says something of a table, or without one, of the whole database."""
        if self.table is not None:
            return (self.database, self.table) == (database, table)
        return self.database is None or _like(self.database).fullmatch(database) is not None

    def columns(self, right: str) -> tuple[str, ...] | None:
        return () if "ALL PRIVILEGES" in self.rights else self.rights.get(right)


def rights(session: MySQLSession, table: Table, mode: Mode | None) -> list[Right]:
    """See `connector.Grants`."""
    schema = table.schema_name or session.default_schema
    grants, who = list(_counting(all_grants(session.mysql), schema)), account(session.mysql)
    quote = session.dialect.quote
    if mode is None:
        return _readable(session, table, [each for each in grants if each.on(schema, table.name)])
    wanted = (*_STAGING, "UPDATE") if mode is Mode.MERGE else _STAGING
    place = f"{quote(schema)}.*"
    return [
        Right(
            f"{right} ON {place}", any(each.on(schema, None) and each.columns(right) == () for each in grants),
            f"GRANT {right} ON {place} TO {who};",
        )
        for right in wanted
    ]  # fmt: skip


def _readable(session: MySQLSession, table: Table, grants: list[Grant]) -> list[Right]:
    """The right to read a table, or its columns one by one."""
    name, who = session.name(table), account(session.mysql)
    whole, quote = Right(f"SELECT ON {name}", True, f"GRANT SELECT ON {name} TO {who};"), session.dialect.quote
    held = [columns for each in grants if (columns := each.columns("SELECT")) is not None]
    if () in held:
        return [whole]
    some = {column.casefold() for columns in held for column in columns}
    lacks = [quote(column.name) for column in table.columns if column.name.casefold() not in some]
    if len(lacks) == len(table.columns):
        return [whole._replace(held=False)]
    grant = f"GRANT SELECT ({{}}) ON {name} TO {who};"
    return [Right(f"SELECT ({each}) ON {name}", False, grant.format(each)) for each in lacks] or [whole]


def holds(found: Sequence[Grant], right: str, place: tuple[str, str]) -> bool:
    """Whether an account of these grants has a right to a whole table, at a schema and of a name."""
    return any(each.on(*place) and each.columns(right) == () for each in _counting(found, place[0]))


def _counting(found: Sequence[Grant], database: str) -> Iterator[Grant]:
    """Those that count in a database: of several patterns that match its name only the closest one does."""
    whole = [each for each in found if each.database is not None and each.on(database, None)]
    closest = {each.to: max(_close(other) for other in whole if other.to == each.to) for each in whole}
    yield from (each for each in found if each not in whole or _close(each) == closest[each.to])


def _close(grant: Grant) -> int:
    """How many characters of a database's name stand before what any others may take the place of."""
    name = str(grant.database)
    wild = re.search(r"(?<!\\)[%_]", name)
    return wild.start() if wild else len(name) + 1


def all_grants(driver: Driver) -> list[Grant]:
    """The account's own, and those of its roles that are in force."""
    lists, found = ["SHOW GRANTS"], list[Grant]()
    role = driver.query("SELECT current_role()")[0][0]
    if role and role != "NONE":
        lists = ["SHOW GRANTS", "SHOW GRANTS FOR CURRENT_ROLE"] if driver.server.mariadb else [
            f"SHOW GRANTS FOR CURRENT_USER() USING {role}"
        ]  # fmt: skip
    for (line,) in (row for each in lists for row in driver.query(each)):
        if grant := _LINE.match(str(line)):
            said = {right: _columns(columns) for right, columns in _WORD.findall(grant[1])}
            found.append(Grant(said, _name(grant[2]), _name(grant[3]), grant[4]))
    return found


def _columns(listed: str) -> tuple[str, ...]:
    return tuple(each.strip().strip("`") for each in listed.split(",")) if listed else ()


def _name(quoted: str) -> str | None:
    return None if quoted == "*" else quoted[1:-1].replace("``", "`")


def _like(pattern: str) -> re.Pattern[str]:
    r"""The databases that a grant names: '%' and '_' stand for others, unless a '\' is before them."""
    parts = re.findall(r"\\.|.", pattern, re.S)
    return re.compile("".join({"%": ".*", "_": "."}.get(each, re.escape(each[-1])) for each in parts), re.S)


def account(driver: Driver) -> str:
    """As GRANT takes it."""
    user, _, host = str(driver.query("SELECT current_user()")[0][0]).rpartition("@")
    return f"{dialect.text(user)}@{dialect.text(host)}"
