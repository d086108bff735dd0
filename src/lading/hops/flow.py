"""What a body of code does with values: flows, the types on their way, and what could not be read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lading.hops.nodes import Node, Trace
from lading.hops.split import GRAMMARS
from lading.route import Parameter

ODD = (ValueError, AttributeError, LookupError, TypeError, RecursionError)
"""What code raises here that is no SQL, or a tree of a shape that nobody expected: it is not read, which is told."""
RESULT = Node("", "\0result")
"""What a function gives back."""
EVERY = "\0every"
"""The name of all columns of a table, record or row that is filled as a whole."""


class Flow(NamedTuple):
    """A value that goes into a variable, a column or the result. `loose`: by a statement that cuts what has no room."""

    into: Node
    trace: Trace
    line: int
    loose: bool = False


class Gap(NamedTuple):
    """What could not be read, and what to do."""

    line: int
    what: str
    fix: str = "Read it, and send a row through it with --canary."


@dataclass
class Body:
    """`types` are the declared types of variables and of the columns of the body's own tables."""

    parameters: tuple[Parameter, ...] = ()
    types: dict[Node, str] = field(default_factory=dict)
    flows: list[Flow] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    within: str = ""
    """The schema of names without one."""
    own: set[str] = field(default_factory=set)
    """The tables and records that it makes for itself."""
    filled: dict[Node, bool] = field(default_factory=dict)
    """What is filled, in that order, and whether by a constant too, of which there is no flow."""
    tables: set[str] = field(default_factory=set)
    """Tables that it reads or writes, its own left out."""
    commits: bool = False


@contextmanager
def quiet() -> Iterator[None]:
    """sqlglot writes to the log what it leaves unread; here that is a gap, which is told."""
    log = logging.getLogger("sqlglot")
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before


def parsed(text: str, language: str) -> Any:
    """One statement or expression. Raises ValueError for what sqlglot does not read."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        found = sqlglot.parse_one(text, read=GRAMMARS[language])
    except (SqlglotError, RecursionError) as error:
        raise ValueError(str(error).split("\n")[0]) from error
    if found.key == "command" or found.find(sqlglot.exp.Command):
        raise ValueError("it is of a kind that is not read")
    return found
