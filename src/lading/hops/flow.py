"""What a body of code does with values: flows, the types on their way, and what could not be read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
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
    """A value that goes into a variable, a column or the result. `loose`: by a statement that cuts what has no room.
    `caught` is the line that catches its errors for good; 0 where none does. `computed`: by the system
    itself, into a column that it computes of others."""

    into: Node
    trace: Trace
    line: int
    loose: bool = False
    caught: int = 0
    computed: bool = False


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
    asked: set[str] = field(default_factory=set)
    """Names that it looks for rows by."""
    commits: bool = False
    loose: bool = False
    """Whether it tells the system to cut what has no room."""


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
        found = sqlglot.parse_one(text, read=_grammar(GRAMMARS[language]))
    except (SqlglotError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if found.key == "command" or found.find(sqlglot.exp.Command):
        raise ValueError(text)
    return found


_FOREIGN = """
    BIGDECIMAL BIGNUM BIGNUMERIC BINARY BLOB BYTE CLOB DATETIME DECFLOAT DECIMAL128 DECIMAL256 DECIMAL32 DECIMAL64
    DOUBLE FIXED GEOGRAPHY GEOMETRY HUGEINT INT1 INT128 INT16 INT256 INT32 INT64 LONG LONGBLOB LONGTEXT LONGVARCHAR
    MEDIUMBLOB MEDIUMINT MEDIUMTEXT NUMBER NVARCHAR NVARCHAR2 SHORT STR STRING TIMESTAMPLTZ TIMESTAMPNTZ TIMESTAMP_LTZ
    TIMESTAMP_NTZ TIME_NS TINYBLOB TINYINT TINYTEXT UHUGEINT UINT UINT128 UINT256 VARBINARY VARCHAR2 VARIANT VECTOR
"""
"""Types that sqlglot reads and PostgreSQL does not have: there they are what people made of these names."""


@cache
def _grammar(name: str) -> Any:
    from sqlglot.dialects.dialect import Dialect

    own = Dialect.get_or_raise(name)
    if name != "postgres":
        return own
    keywords = {word: kind for word, kind in own.tokenizer_class.KEYWORDS.items() if word not in _FOREIGN.split()}
    tokenizer = type("Tokenizer", (own.tokenizer_class,), {"KEYWORDS": keywords})
    return type("LadingPostgres", (type(own),), {"Tokenizer": tokenizer})
