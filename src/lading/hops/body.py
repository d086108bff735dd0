"""A body of code as flows."""

from __future__ import annotations

from collections.abc import Iterator

from lading.hops.catching import caught
from lading.hops.computing import computed
from lading.hops.flow import ODD, Body, Flow, Gap, quiet
from lading.hops.nodes import Node, Trace, same_table
from lading.hops.reading import Reading
from lading.hops.split import GRAMMARS, statements, tokens
from lading.hops.viewing import view_outputs
from lading.hops.words import head
from lading.route import Code


def body(code: Code) -> Body:
    """The flows of a routine or trigger."""
    if code.language not in GRAMMARS:
        gap = Gap(0, f"is written in {code.language}, which is not read", "Declare what it cuts, or test it by hand.")
        return Body(parameters=code.parameters, gaps=[gap])
    with quiet():
        try:
            found = tokens(code.text, code.language)
            reading = Reading(code, code.parameters or head(found), caught(found, code.language))
            for statement in statements(code.text, code.language):
                reading.take(statement)
        except ODD:
            gap = Gap(0, "cannot be cut into statements")
            return Body(parameters=code.parameters, gaps=[gap])
    for name in dict.fromkeys(node.owner for node in reading.body.filled if node.owner):
        if any(table.view and same_table(table.full_name, name) for table in code.tables):
            reading.body.gaps.append(Gap(0, f"fills the view '{name}', which is not followed to its tables"))
    for node, traces in (*computed(code), *_seen(code, reading.body)):
        reading.body.flows += [Flow(node, trace, 0, computed=True) for trace in traces]
    return reading.body


def _seen(code: Code, read: Body) -> Iterator[tuple[Node, list[Trace]]]:
    """The columns of views that a body names, each with what it is made of."""
    for view in code.views:
        try:
            found = view_outputs(view)
        except ODD:
            read.gaps.append(Gap(0, f"names the view '{view.name}', whose query was not read"))
            continue
        yield from ((Node(view.name.lower(), column.lower()), traces) for column, traces in found)
