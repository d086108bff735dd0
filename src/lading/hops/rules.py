"""What each system does with a value that does not fit, as data. PostgreSQL and MariaDB: tested on servers. SQL Server:
from its documentation, on no server.

- https://www.postgresql.org/docs/current/datatype-character.html, .../sql-createfunction.html (lengths are discarded)
- https://mariadb.com/kb/en/sql-mode/, https://mariadb.com/kb/en/stored-routine-limitations/
- https://learn.microsoft.com/sql/t-sql/data-types/char-and-varchar-transact-sql
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lading.hops.casts import each
from lading.route import Place
from lading.types import Type


class How(NamedTuple):
    """Whether a misfit passes without an error, and in what words."""

    silent: bool
    words: str


QUIET = "without a word"
_CUT = How(True, f"cut {QUIET}")
_ROUND = How(True, f"rounded {QUIET}")
_ZONE = How(True, f"changed {QUIET}, by the zone of the session")
_UNSURE = How(True, "not known to be refused, so taken for silent")
_NULL = How(False, "refused with an error")
_REFUSES = How(False, "refused, as it is declared")

_POSTGRES_ERROR = {
    "narrows": How(False, "refused with an error (22003)"),
    "type": How(False, "refused with an error (22P02, 22007)"),
    "null": How(False, "refused with an error (23502)"),
    "characters": How(False, "refused with an error (22P05)"),
    "rounds": _ROUND,
    "zone": _ZONE,
}
_POSTGRES_HELD = {
    **_POSTGRES_ERROR,
    "cuts": How(False, f"refused with an error (22001); only blanks at the end, beyond the limit, are cut {QUIET}"),
}
_POSTGRES = {
    "cast": {**_POSTGRES_ERROR, "cuts": How(True, f"an explicit cast cuts {QUIET}")},
    "": _POSTGRES_HELD,
}
_MYSQL_COMMON = {"rounds": _ROUND, "zone": _ZONE, "null": _NULL}
_MYSQL_STRICT = {
    **_MYSQL_COMMON,
    "cuts": How(False, "refused with an error (1406); only blanks at the end are cut with a note"),
    "narrows": How(False, "refused with an error (1264)"),
    "type": How(False, "refused with an error (1366)"),
    "characters": How(False, "refused with an error (1366)"),
}
_MYSQL_CAST = {
    **_MYSQL_COMMON,
    "cuts": How(True, "a cast cuts with a warning that nobody reads, whatever the sql_mode"),
    "narrows": How(True, "a cast takes the nearest number with a warning that nobody reads"),
    "type": How(True, "a cast makes 0 or NULL with a warning that nobody reads"),
    "characters": How(True, "becomes '?' with a warning that nobody reads"),
}
_MYSQL_VIEW = {**_MYSQL_CAST, **{
    kind: How(True, _MYSQL_CAST[kind].words.replace("a cast", "a view")) for kind in ("cuts", "narrows", "type")
}}  # fmt: skip
_LOOSE = "with a warning that nobody reads, as the sql_mode is not strict"
_MYSQL_LOOSE = {
    **_MYSQL_COMMON,
    "cuts": How(True, f"cut {_LOOSE}"),
    "narrows": How(True, f"becomes the nearest number {_LOOSE}"),
    "type": How(True, f"becomes 0 {_LOOSE}"),
    "characters": How(True, f"becomes '?' {_LOOSE}"),
    "null": How(True, f"becomes an empty value {_LOOSE}"),
}
_TSQL_COMMON = {
    "rounds": _ROUND,
    "zone": How(True, f"the offset is dropped {QUIET}"),
    "narrows": How(False, "refused with an error (8115)"),
    "type": How(False, "refused with an error (245, 8114)"),
    "null": How(False, "refused with an error (515)"),
    "characters": How(True, f"becomes '?' {QUIET}"),
}
_TSQL = {
    "": {**_TSQL_COMMON, "cuts": How(True, f"SQL Server cuts {QUIET} (by its documentation)")},
    "column": {
        **_TSQL_COMMON,
        "cuts": How(False, "refused with an error (2628, 8152), unless ANSI_WARNINGS is off (by the documentation)"),
    },
    "loose": {
        **_TSQL_COMMON,
        "cuts": How(True, "SQL Server cuts without a word where ANSI_WARNINGS is off (by its documentation)"),
        "narrows": How(True, "becomes NULL where ANSI_WARNINGS and ARITHABORT are off (by the documentation)"),
    },
}
_RULES: dict[str, dict[str, dict[str, How]]] = {
    "postgres": _POSTGRES,
    "mysql": {"cast": _MYSQL_CAST, "view column": _MYSQL_VIEW, "": _MYSQL_STRICT, "loose": _MYSQL_LOOSE},
    "sqlserver": _TSQL,
}
_COLUMNS = ("column", "stage column", "target column")
_DROPS = ("date", "time", "interval")


def how(at: Place, kind: str, carried: Type | None) -> How:
    """What happens at a place to a value that it has no room for."""
    if at.kind == "expression":
        return How(True, f"the expression {'rounds' if kind == 'rounds' else 'cuts'} {QUIET}")
    if at.declared and at.refuses:
        return _REFUSES
    at = each(at)
    if (found := _everywhere(at, kind)) is not None:
        return found
    if kind == "null" and at.kind == "parameter":
        return How(True, f"the routine is STRICT and does not run with a NULL: the row is lost {QUIET}")
    if at.system not in _RULES and at.ends:
        return How(False, "refused while rows are staged")
    part = "column" if at.kind in _COLUMNS else at.kind.removeprefix("inner ")
    if carried is not None and (found := _read(at, kind, part, carried)) is not None:
        return found
    rules = _RULES.get(at.system, {})
    if at.loose and part != "cast":
        part = "loose"
    if at.system == "sqlserver" and part == "cast" and at.name.lower().startswith("try_") and kind != "cuts":
        return How(True, f"becomes NULL {QUIET}")
    if at.system == "postgres" and kind == "cuts" and part != "cast" and re.match("bit|varbit", at.native.lower()):
        return How(False, "refused with an error (22026, 22001)")
    found = (rules.get(part) or rules.get("") or {}).get(kind, _UNSURE)
    if at.system == "sqlserver" and kind == "cuts" and carried is not None and carried.numeric and part != "column":
        return How(False, "refused with an error (8115); whole numbers become '*'")
    return found


def _everywhere(at: Place, kind: str) -> How | None:
    """What a type does, whatever the place is."""
    type_, native = at.type.kind if at.type is not None else "", at.native.lower()
    if kind != "cuts":
        return None
    if type_ in _DROPS:
        return How(True, f"dropped {QUIET}")
    if at.system == "postgres" and native in ("name", '"char"', "cidr"):
        return How(True, f"the type {at.native} cuts {QUIET}")
    return None


def _read(at: Place, kind: str, part: str, carried: Type) -> How | None:
    """What becomes of a value of another kind, where that is silent in one system and an error in another."""
    kinds = (carried.kind, at.type.kind if at.type is not None else "")
    if kind == "type" and kinds[1] == "bool" and (at.system != "postgres" or (part == "cast" and carried.numeric)):
        return How(True, f"becomes true or false {QUIET}")
    if kind == "type" and kinds == ("binary", "string") and at.system == "postgres":
        return How(True, f"becomes hexadecimal text {QUIET}")
    if kind == "zone" and kinds == ("string", "timestamp") and at.type is not None and not at.type.utc:
        return How(True, f"the zone is dropped {QUIET}")
    return None


WIDTHS = {"ascii": 1, "latin1": 1, "codepage": 1, "ucs2": 3, "utf8": 3, "utf8mb3": 3, "utf16": 4, "utf8mb4": 4}
"""The longest character in UTF-8 that a character set has; sets that are not listed are taken for one byte."""
UNITS = {"utf16": 2, "ucs2": 2, "utf8mb3": 3, "utf8": 3, "utf8mb4": 4}
"""Bytes that a declared character can take in it; elsewhere one."""


def width(charset: str) -> int:
    return WIDTHS.get(charset, 1) if charset else 4
