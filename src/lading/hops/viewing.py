"""The ways that values take through views."""

from __future__ import annotations

import re

from lading.hops.computing import computed
from lading.hops.flow import parsed, quiet
from lading.hops.nodes import Node, Outputs, Scope, same_table
from lading.hops.placing import origin, stepped
from lading.hops.split import GRAMMARS, body_start, tokens
from lading.hops.trace import outputs
from lading.route import Code, Place, Route

Way = tuple[Place, ...]
MOST = 64
"""The most ways that are followed for one column."""
_DEEPEST = 8


def view_outputs(view: Code) -> Outputs:
    """The columns of a view. Raises ValueError for one that is not read."""
    if view.language not in GRAMMARS:
        raise ValueError(view.language)
    with quiet():
        found = tokens(view.text, view.language)
        text = view.text[found[body_start(found)].start :] if found else ""
        text = re.sub(r"\bWITH\s+(?:(?:LOCAL|CASCADED)\s+)?CHECK\s+OPTION\s*;?\s*$", "", text, flags=re.I)
        scope = Scope(GRAMMARS[view.language], tables=view.tables, schema=view.within)
        made = outputs(parsed(text, view.language), scope)
    if len(view.columns) == len(made):
        return [(view.columns[n], traces) for n, (_, traces) in enumerate(made)]
    return made


def viewed(view: Code, name: str, route: Route, depth: int) -> list[Way]:
    named = [(own, traces) for own, traces in view_outputs(view) if own.lower() == name.lower()]
    exact = [(own, traces) for own, traces in named if own == name]
    if not named:
        raise ValueError(name)
    found: list[Way] = []
    # A view tells the case of its own columns; of those that it reads it may be any.
    for trace in dict.fromkeys(t for _, traces in (exact if depth == 0 and exact else named) for t in traces):
        if len(found) > MOST:
            break  # which is told
        steps = tuple(stepped(step, view, 0) for step in trace.steps)
        inner = _inner(trace.node.owner, view, route)
        place = origin(trace.node, view)
        begun = () if inner and place.type is None else (place,)
        before = _computed(trace.node, view)
        if inner is not None and depth < _DEEPEST:
            before = viewed(inner, trace.node.name, route, depth + 1)
        elif inner is not None:
            before = [(Place(kind="expression", name=inner.name, why=f"more than {_DEEPEST} views stand on another"),)]
        found += [(*way, *begun, *steps) for way in before]
    return found[: MOST + 1]


def _computed(node: Node, view: Code) -> list[Way]:
    """The ways to a column of a table that computes it; of any other one without a place."""
    found: list[Way] = []
    for made, traces in computed(view):
        if made.name == node.name and same_table(made.owner, node.owner, view.within):
            table = view.model_copy(update={"name": made.owner})
            for trace in traces:
                steps = (origin(trace.node, view), *(stepped(step, table, 0) for step in trace.steps))
                found += [(*way, *steps) for way in _computed(trace.node, view)]
    return found or [()]


def _inner(owner: str, view: Code, route: Route) -> Code | None:
    """The view of a name that another view reads; None for a table, and for one of several that it could be."""
    alike = [each for each in route.views[1:] if same_table(each.name, owner, view.within)]
    if not alike and view.within and not any(same_table(t.full_name, owner, view.within) for t in view.tables):
        alike = [each for each in route.views[1:] if same_table(each.name, owner)]
    return alike[0] if len(alike) == 1 else None
