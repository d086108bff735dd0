"""The seven kinds of failure, named by who must act."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from errno import EACCES, EEXIST, ENOTDIR, EPERM, EROFS
from typing import Any

_PASSWORD = re.compile(
    r"(?<=://)([^/\s:@]*):\S*@"
    r"|((?:(?<=[?&;])|%(?:3B|26)|(?<==))(?:password|passwd|pwd|token|secret)(?:=|%3D))"
    r"(?:\{[^}]*\}|%7B(?:(?!%7D).)*%7D|(?:(?!%3B|%26)[^&;\s])*)"
    r"|((?<=[?&])storage=)(?:\{.*?\}|[^&\s]*)",
    re.I,
)


def masked(text: str) -> str:
    """The text without the passwords of its addresses."""
    return _PASSWORD.sub(lambda found: f"{word}***" if (word := found[2] or found[3]) else f"{found[1]}:***@", text)


_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """The text without the signs by which names and values could steer a terminal, or turn its letters around."""
    return _STEERS.sub("", text)


_NAMED = 8


def meant(name: str, names: Collection[str]) -> str:
    """The remedy for a name that is none of these: the one that may have been meant, or the first of what there is."""
    lower = {each.lower(): each for each in sorted(names)}
    if near := get_close_matches(name.lower(), lower, n=1):
        return f"Did you mean '{lower[near[0]]}'?"
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"There are: {', '.join(sorted(names)[:_NAMED]) or 'none'}{more}."


_KEY = re.compile(r"(?:^Key|has a row with) (.*)(?= of '| already\.|, which ')", re.S)
"""A key's values in our own sentences, each after its column."""
_DOUBLED = re.compile(
    r"(?<=Duplicate entry )'.*'(?= for key)|(?<=uplicate key )(?:\".*\"|\".*)|(?<=duplicate key value is )\(.*\)", re.S
)
"""The same in those of MySQL, DuckDB and SQL Server, which do not all name the columns."""
_UNSHOWN = "(not to be shown)"


def unseen(text: str, columns: Iterable[str]) -> str:
    """The text of an error without the value that it tells, where it is about one of the columns."""
    for column in columns:
        text = _DOUBLED.sub(_UNSHOWN, text)
        key = _KEY.search(text)
        if key and re.search(rf"(?:^|, )[`\"]?{re.escape(column)}[`\"]? ", key[1]):
            text = f"{text[: key.start(1)]}{_UNSHOWN}{text[key.end(1) :]}"
        about = re.match(
            rf".*?\bcolumn '{re.escape(column)}'(?: of '[^']*')?(?: is declared [^']{{1,99}} and)?(?= holds|:)",
            text,
            re.I | re.S,
        )
        if about:
            return f"{about[0]} holds a value that does not fit, and is not to be shown."
    return text


AT_WORK = 75
"""The code of an error that says that somebody else is at the same work: worth trying again when they have ended."""
CANCELLED = 130
"""The code of an error that says that somebody has ended the work."""


class LadingError(Exception):
    """What went wrong, and what to do about it.

    `what` is one or two sentences that name the thing, the value and the limit; `fix` is an instruction.
    `kind` is the word that outputs use for the class. `bill` is that of the run which ended so, where there is one;
    `line` that of the file which it is about, or 0; `code` what a command exits with, where that is not its kind's.
    """

    kind = "error"

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what, fix)
        self.what = what
        self.fix = fix
        self.bill: Any = None
        self.line = 0
        self.code = 0

    def __str__(self) -> str:
        return f"{self.what} {self.fix}".strip()


class SpecError(LadingError):
    """The author must act: what was written cannot be run. Raised before anything runs."""

    kind = "spec"


class AccessDenied(LadingError):
    """The credential's owner must act: the system refused the account."""

    kind = "access"


class Unreachable(LadingError):
    """Nobody yet: the system did not answer, or the connection was lost. Worth trying again."""

    kind = "unreachable"


class Unsupported(LadingError):
    """The author must choose otherwise: the system or Lading cannot do this. Raised at planning."""

    kind = "unsupported"


class DataError(LadingError):
    """The data's owner must act: a value, a row or a table is not what it is declared to be."""

    kind = "data"


class ProofFailed(LadingError):
    """A person must look: what arrived is not what left. The error says whether it was published."""

    kind = "proof"


class Bug(LadingError):
    """We must act."""

    kind = "bug"


def debugging() -> bool:
    """Whether a fault of ours is shown with its traceback."""
    return os.environ.get("LADING_DEBUG", "") not in ("", "0")


def fault(error: Exception, hidden: bool = False) -> Bug:
    """What nobody expected, as a fault of ours; without its words where these may hold values that are not shown."""
    said = type(error).__name__ if hidden else f"{type(error).__name__}: {error}"
    what = error.what if isinstance(error, Bug) else said
    fix = "This is a fault of Lading. Report it, with what the command prints when LADING_DEBUG=1 is set."
    return Bug(masked(what), fix)


def refused(error: OSError) -> DataError:
    """What this machine did not let us do, such as to write to a disk that is full."""
    fix = _MENDS.get(error.errno or 0, "Mend that, then run again.")
    return DataError(f"{error.filename or 'This machine'}: {error.strerror or error}.", fix)


_RIGHT = "Give this user the right to it, or name another place."
_MENDS = {
    EACCES: _RIGHT, EPERM: _RIGHT, EROFS: "Name another place.",
    EEXIST: "Name another place, or remove what is there.", ENOTDIR: "Name another place, or remove what is there.",
}  # fmt: skip
