"""SQL that people write: one statement, whose parameters `:name` are bound and never pasted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from lading.dialect import Dialect
from lading.errors import SpecError

_TEXT = r"'(?:[^']|'')*'"
_ESCAPED = r"'(?:[^'\\]|''|\\.)*'"
_REST = (
    r"|\"(?:[^\"]|\"\")*\"|`[^`]*`|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<end>;)"
    r"|::|:(?P<name>[A-Za-z_]\w*)"
)
_PARTS = re.compile(_TEXT + _REST, re.DOTALL)
_PARTS_ESCAPED = re.compile(_ESCAPED + _REST, re.DOTALL)
_SELECTS = re.compile(r"\s*\(*\s*(select|with|values|from|table)\b", re.IGNORECASE)


def one(sql: str) -> str:
    """The statement without what ends it. Raises ValueError where there is none, or a second one."""
    text = "".join(_plain(sql))
    first, sign, rest = text.partition("\0")
    if not first.strip():
        raise ValueError("There is no statement. Write one.")
    if sign and rest.replace("\0", "").strip():
        raise ValueError("There is a second statement after ';'. Make it a step of its own.")
    ends = [found.start() for found in _PARTS.finditer(sql) if found["end"]]
    return sql[: ends[0]].strip() if ends else sql.strip()


def select(sql: str) -> str:
    """As `one`, and it reads rows."""
    found = one(sql)
    if not _SELECTS.match("".join(_plain(found))):
        raise ValueError("This is no select. Write a statement that begins with SELECT or WITH.")
    return found


def bound(sql: str, params: Mapping[str, Any], dialect: Dialect) -> tuple[str, list[Any]]:
    """The statement as a driver takes it, and the values in their order. Raises SpecError for a parameter that the
    pipeline does not have."""
    values: list[Any] = []
    marked = "%" in dialect.placeholder

    def part(found: re.Match[str]) -> str:
        if (name := found["name"]) is None:
            return found[0]
        if name not in params:
            known = f"There are: {', '.join(params)}." if params else "Declare it in 'params' of the pipeline."
            raise SpecError(f"The statement has the parameter ':{name}', which the pipeline has not.", known)
        values.append(value(params[name]))
        return "\0"

    text = (_PARTS_ESCAPED if dialect.backslashes else _PARTS).sub(part, sql)
    if not values:
        return text, []
    text = text.replace("%", "%%") if marked else text  # a driver that marks with % takes %% for one
    return text.replace("\0", dialect.placeholder), values


def literals(sql: str, backslashes: bool = False) -> Iterator[tuple[str, int]]:
    """The texts in single quotes or between dollars, each with its line."""
    for found in (_PARTS_ESCAPED if backslashes else _PARTS).finditer(sql):
        if found[0].startswith("'"):
            yield found[0][1:-1].replace("''", "'"), sql.count("\n", 0, found.start()) + 1
        elif (tag := found["tag"]) is not None:
            yield found[0][len(tag) + 2 : -len(tag) - 2], sql.count("\n", 0, found.start()) + 1


def names(sql: str, backslashes: bool = False) -> Iterator[tuple[str, int]]:
    """The parameters that it uses, each with its line."""
    for found in (_PARTS_ESCAPED if backslashes else _PARTS).finditer(sql):
        if found["name"] is not None:
            yield found["name"], sql.count("\n", 0, found.start()) + 1


def bare(sql: str, backslashes: bool = False) -> str:
    """The statement with blanks for comments and for texts in quotes, line by line as it was."""

    def blank(found: re.Match[str]) -> str:
        said = found["comment"] or found[0][0] in "'$"
        return re.sub(r"[^\n]", " ", found[0]) if said else found[0]

    return (_PARTS_ESCAPED if backslashes else _PARTS).sub(blank, sql)


def value(given: Any) -> Any:
    """A parameter as every driver takes it."""
    return given.isoformat() if isinstance(given, date) else given


def _plain(sql: str) -> Iterator[str]:
    """The statement without comments, with NUL for what ends a statement."""
    last = 0
    for found in _PARTS.finditer(sql):
        yield sql[last : found.start()]
        yield "\0" if found["end"] else " " if found["comment"] else found[0]
        last = found.end()
    yield sql[last:]
