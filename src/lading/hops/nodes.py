"""What the values of an expression are told in: where each comes from, and its steps."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from lading.schema import Table

Expression = Any
"""One of sqlglot's, told apart by its `key`, so that nothing here imports it."""
UNREAD = "\0unread"
"""The owner of a value that comes from what is not read, whose text is the name."""


class Unfollowed(ValueError):
    """Why code is not followed, in our own words; those of other errors are not for people."""


class Node(NamedTuple):
    """A variable or parameter (`owner` empty), or a column of the table or record `owner`. Lower case."""

    owner: str
    name: str

    @property
    def text(self) -> str:
        """As people read it."""
        return ".".join(part for part in self if part).replace("\0", "")


def record(name: str) -> str:
    """The owner of the fields of a record, which is never a table's name."""
    return f"{name}\0"


class Step(NamedTuple):
    """What happens to a value. `native` is the type of a cast, or of what holds it; `size` the characters or
    digits that are kept, or the characters that it grows by; -1 for any number. `met`: it stands beside a float, and
    becomes one. `native` of a `day` is the unit that is kept, where that is longer."""

    kind: Literal["cast", "held", "met", "cuts", "rounds", "day", "grows", "unknown"]
    text: str
    native: str = ""
    size: int = 0


class Trace(NamedTuple):
    """A value, and its steps in the order in which it takes them."""

    node: Node
    steps: tuple[Step, ...] = ()


Outputs = list[tuple[str, list[Trace]]]
"""The columns of a query with what each is made of."""


class Unread(NamedTuple):
    """What stands in FROM and is no table and no query: a function, say. `traces` are those of each of its columns that
    is not `named`."""

    traces: list[Trace]
    named: Outputs


Source = str | Outputs | Unread
Sources = Mapping[str, Source]
"""What a query reads: alias to a table's name, to the columns of a query in it, or to what is not read."""


class Scope(NamedTuple):
    """What names mean: local variables, the routine's name, the tables that are known, parameters by place, the columns
    of the body's own tables, what the queries around this one read, the schema of names without one, the types of
    variables and parameters, and whether a name that both a column and a parameter have means the column."""

    grammar: str
    variables: frozenset[str] = frozenset()
    routine: str = ""
    tables: tuple[Table, ...] = ()
    places: tuple[str, ...] = ()
    own: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    around: Sources = MappingProxyType({})
    schema: str = ""
    natives: Mapping[str, str] = MappingProxyType({})
    columns_first: bool = False

    def columns(self, name: str) -> tuple[str, ...] | None:
        """Those of a table; None where they are not known."""
        table = self.table(name)
        return self.own.get(name) or (tuple(c.name for c in table.columns) if table else None)

    def table(self, name: str) -> Table | None:
        return next((table for table in self.tables if same_table(name, table.full_name, self.schema)), None)


def same_table(left: str, right: str, schema: str = "") -> bool:
    """Whether two names mean one table, where one of them may leave out the schema: it is then `schema`, or any one
    where that is not known."""
    names = (name.lower() if "." in name or not schema else f"{schema}.{name}".lower() for name in (left, right))
    one, two = (name.split(".") for name in names)
    shorter = min(len(one), len(two))
    return one[-shorter:] == two[-shorter:]
