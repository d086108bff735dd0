"""What code MySQL's catalogue holds around a table, and what routines there are, each with its own sql_mode."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lading.connectors.mysql.rights import account, all_grants, holds
from lading.route import LATER_ROWS, Code, Computed, Parameter, Route
from lading.schema import Table

if TYPE_CHECKING:
    from lading.connectors.mysql.session import MySQLSession

_VIEW = """
    SELECT table_schema, table_name, view_definition FROM information_schema.views
    WHERE table_schema = %s AND table_name = %s"""
_COLUMNS = """
    SELECT column_name, coalesce(character_set_name, '') FROM information_schema.columns
    WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"""
_TRIGGERS = """
    SELECT trigger_schema, trigger_name, action_statement, sql_mode, database_collation FROM information_schema.triggers
    WHERE event_object_schema = %s AND event_object_table = %s AND event_manipulation IN ('INSERT', 'UPDATE')
    ORDER BY action_order"""
_ROUTINES = """
    SELECT routine_schema, routine_name, routine_type, routine_definition, sql_mode, coalesce(dtd_identifier, ''),
           specific_name, coalesce(character_set_name, ''), database_collation
    FROM information_schema.routines WHERE routine_schema = %s AND routine_name = %s"""
_PARAMETERS = """
    SELECT parameter_name, dtd_identifier, coalesce(character_set_name, ''), parameter_mode
    FROM information_schema.parameters WHERE specific_schema = %s AND specific_name = %s AND ordinal_position > 0
    AND routine_type = %s ORDER BY ordinal_position"""

_COMPUTED = """
    SELECT column_name, generation_expression, extra FROM information_schema.columns
    WHERE table_schema = %s AND table_name = %s AND generation_expression <> '' ORDER BY ordinal_position"""
_OWN = """
    SELECT DISTINCT lower(routine_name) FROM information_schema.routines
    WHERE routine_type = 'FUNCTION' AND lower(routine_name) IN ({})"""


def route(session: MySQLSession, table: Table) -> Route:
    """See `connector.Routed`."""
    place = (table.schema_name or session.default_schema, table.name)
    charsets = {str(name): str(charset) for name, charset in session.driver.query(_COLUMNS, place) if charset}
    triggers = [
        Code(
            kind="trigger", name=f"{schema}.{name}", system="mysql", language="mysql", text=str(text),
            loose=not strict(str(mode)), charset=_charset(str(collation)),
        )
        for schema, name, text, mode, collation in session.driver.query(_TRIGGERS, place)
        if text is not None  # MariaDB tells the names alone to whom may write to the table
    ]  # fmt: skip
    views, unread = dict[tuple[str, str], Code](), list[tuple[str, str]]()
    session.granted = session.granted or all_grants(session.mysql)
    if not holds(session.granted, "TRIGGER", place):
        what = f"the triggers of '{table.full_name}' cannot be seen: the account has no right TRIGGER"
        grant = f"GRANT TRIGGER ON {session.name(table)} TO {account(session.mysql)};"
        unread.append((what, f"{grant} Or look in them for casts and cuts."))
    found = session._look(table)
    if found is not None and found.engine not in ("InnoDB", ""):
        what = f"'{table.full_name}' is kept by {found.engine}, {LATER_ROWS}"
        unread.append((what, "Make it ENGINE=InnoDB, or the sql_mode STRICT_ALL_TABLES."))
    waiting = [place]
    while waiting and len(views) < 100:
        at = waiting.pop(0)
        for schema, name, text in session.driver.query(_VIEW, at) if at not in views else ():
            columns = tuple(str(row[0]) for row in session.driver.query(_COLUMNS, at))
            # Without the right to see it, the definition is empty.
            views[at] = Code(
                kind="view", name=f"{schema}.{name}", system="mysql", language="mysql" if text else "a hidden text",
                text=str(text), columns=columns,
            )  # fmt: skip
            waiting += [(a, b) for a, b in re.findall(r"`([^`]+)`\.`([^`]+)`", str(text))]
    return Route(views=tuple(views.values()), triggers=tuple(triggers), charsets=charsets, unread=tuple(unread))


def routines(session: MySQLSession, names: Sequence[str]) -> list[Code]:
    """See `connector.Routed`."""
    calls = not strict(str(session.driver.query("SELECT @@global.sql_mode")[0][0]))
    found = []
    for full in names:
        schema, _, name = full.rpartition(".")
        for row in session.driver.query(_ROUTINES, (schema or session.default_schema, name)):
            owner, own, kind, text, mode, returns, specific, charset, collation = (str(value or "") for value in row)
            returns += f" character set {charset}" if charset and returns else ""
            given = session.driver.query(_PARAMETERS, (owner, specific, kind))
            parameters = [
                Parameter(
                    name=str(p),
                    native=str(native),
                    charset=str(charset),
                    given=str(way or "IN") != "OUT",
                    back=str(way or "IN") != "IN",
                )
                for p, native, charset, way in given
            ]
            found.append(Code(
                kind="procedure" if kind == "PROCEDURE" else "function", name=f"{owner}.{own}", system="mysql",
                language="mysql" if text else "a hidden text", text=text, parameters=tuple(parameters), returns=returns,
                loose=not strict(mode), loose_call=calls, charset=_charset(collation),
            ))  # fmt: skip
    return found


def _charset(collation: str) -> str:
    """The character set of a collation, where it does not hold every character."""
    charset = collation.partition("_")[0]
    return "" if charset in ("", "utf8mb4", "utf16", "utf16le", "utf32", "uca1400", "binary") else charset


def computed(session: MySQLSession, table: Table) -> list[Computed]:
    """See `connector.Routed`."""
    rows = session.driver.query(_COMPUTED, (table.schema_name or session.default_schema, table.name))
    return [
        Computed(table=table.full_name, column=str(name), text=str(text), virtual="VIRTUAL" in str(extra).upper())
        for name, text, extra in rows
    ]


def own(session: MySQLSession, names: Sequence[str]) -> set[str]:
    """See `connector.Routed`."""
    rows = session.driver.query(_OWN.format(", ".join(["%s"] * len(names))), tuple(names)) if names else ()
    return {str(name) for (name,) in rows}


def strict(mode: str) -> bool:
    """Whether a sql_mode refuses what does not fit: https://mariadb.com/kb/en/sql-mode/#strict-mode"""
    return not {"STRICT_ALL_TABLES", "STRICT_TRANS_TABLES", "TRADITIONAL"}.isdisjoint(mode.upper().split(","))
