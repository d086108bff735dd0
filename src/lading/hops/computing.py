"""What columns are made of that a system computes by itself."""

from __future__ import annotations

from collections.abc import Iterator

from lading.hops.flow import ODD, parsed
from lading.hops.nodes import Node, Scope, Trace, same_table
from lading.hops.sources import unread
from lading.hops.split import GRAMMARS
from lading.hops.trace import outputs_of
from lading.route import Code

_LANGUAGES = {"postgres": "sql", "mysql": "mysql", "sqlserver": "tsql"}


def computed(code: Code) -> Iterator[tuple[Node, list[Trace]]]:
    """The columns of its tables that are computed, each with the values of the same row that it is made of."""
    for each in code.computed:
        table, language = each.table.lower(), _LANGUAGES[code.system]
        scope = Scope(GRAMMARS[language], tables=code.tables, schema=code.within)
        node = Node(table, each.column.lower())
        try:
            ((_, traces),) = outputs_of(parsed(f"SELECT {each.text}", language).expressions, scope, {"": table})
        except ODD:
            traces = unread(f"the computed column '{node.text}'")
        yield node, traces


def is_virtual(node: Node, code: Code) -> bool:
    """Whether a column is computed whenever it is read."""
    virtual = (each for each in code.computed if each.virtual and each.column.lower() == node.name)
    return any(same_table(each.table, node.owner, code.within) for each in virtual)
