"""The chain of places that a column's values pass, from the first one to the last."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, product
from typing import NamedTuple

from lading.hops.body import body
from lading.hops.flow import EVERY, ODD, RESULT, Body, Flow, parsed, quiet
from lading.hops.native import of_column, of_declared
from lading.hops.nodes import UNREAD, Node, same_table
from lading.hops.placing import origin, parameter, stepped, typed
from lading.hops.split import body_start, tokens
from lading.hops.viewing import MOST, Way, viewed
from lading.plan import Task
from lading.route import Code, Declared, Finding, Place, Route
from lading.schema import NO_VALUES, Column

_MOST_STEPS = 4_096
"""The most steps back that are taken for one place."""
_MORE = Node(UNREAD, f"more ways than the {MOST} that are followed")
INSTALL = "Install what reads code: pip install 'lading[hops]'."


@dataclass(frozen=True)
class Facts:
    """What the catalogues of both sides say of one task. `through` are lists of the routines that have one name, and
    what is declared, in the order in which rows pass them. `unread` are sentences about what could not be asked.
    `systems` are those of both."""

    source: Route = field(default_factory=Route)
    target: Route = field(default_factory=Route)
    through: tuple[tuple[Code, ...] | Declared, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    systems: tuple[str, str] = ("", "")

    @property
    def routines(self) -> list[Code]:
        return [code for named in self.through if not isinstance(named, Declared) for code in named]


class Read(NamedTuple):
    """The ways of one column, and what could not be followed."""

    ways: list[Way]
    unknown: list[Finding]


def bodies(codes: Iterable[Code]) -> dict[Code, Body]:
    """What is in each code but views."""
    return {code: body(code) for code in codes if code.kind != "view"}


def ways(task: Task, column: Column, facts: Facts, known: dict[Code, Body]) -> Read:
    """Every way that the values of a column take through what stands between."""
    unknown: list[Finding] = []
    mapped = [c.name for c in task.source.columns] if facts.through else []
    parts: list[list[Way]] = [_begun(task, column, facts, unknown)]
    for named in facts.through:
        if isinstance(named, Declared):
            place = of_declared(named, task.source, column.name)
            parts += [[(place,)]] if place else []
            if place is None and any(named.word(task.source, name) for name in mapped):
                unknown.append(_undeclared(column.name, named))
            continue
        found = [way for code in named for way in _through(code, known[code], (task, column.name, mapped))]
        if found:
            parts.append(found)
        elif not all(known[code].gaps and not known[code].flows for code in named):
            what = f"no parameter and no statement of '{named[0].name}' was found for it"
            unknown.append(Finding(column=column.name, kind="unknown", level="unknown", what=what, fix=_NAME_IT))
    parts.append([_ended(task, column, facts)])
    for code in facts.target.triggers:
        if found := list(_changed(code, known[code], task, column.name)):
            parts.append([(), *found])
    combined = [tuple(place for part in each for place in part) for each in islice(product(*parts), MOST + 1)]
    if len(combined) > MOST:
        what = f"more than {MOST} ways lead there; the first {MOST} were followed"
        unknown.append(Finding(column=column.name, kind="unknown", level="unknown", what=what, fix=_TRY))
    return Read(list(dict.fromkeys(combined[:MOST])), unknown)


def _undeclared(column: str, declared: Declared) -> Finding:
    what = f"what '{declared.name}' keeps of it is not declared"
    return Finding(column=column, kind="unknown", level="unknown", what=what, fix="Add it in 'through', with its type.")


_TRY = "Send a row through it with --canary."
_NAME_IT = "Name the parameter like the column, or leave the routine out of 'through'."


# The beginning: the source's column, and what a view makes it of


def _begun(task: Task, column: Column, facts: Facts, unknown: list[Finding]) -> list[Way]:
    system, view = facts.systems[0], next(iter(facts.source.views), None)
    file = facts.source.fields.get(column.name)
    kind = "file field" if file else "view column" if task.source.view else "source column"
    name = f"{task.source.full_name}.{column.name}"
    charset, fact = facts.source.charsets.get(column.name, ""), file or "catalogue"
    if column.measured is not None:  # what comes later and does not fit is refused; see `schema.losses`
        there = task.target.column(column.name)
        held = there.type if there and column.measured == NO_VALUES else column.measured
        column, fact = column.model_copy(update={"type": held}), "measured"
    end = of_column(system, column, charset, fact=fact, kind=kind, name=name, code=view.name if view else "")
    if view is None:
        return [(end,)]
    try:
        found = viewed(view, column.name, facts.source, 0)
    except (*ODD, ImportError) as error:
        fix = INSTALL if isinstance(error, ImportError) else _TRY
        what = f"the definition of the view '{view.name}' was not read"
        unknown.append(Finding(column=column.name, kind="unknown", level="unknown", what=what, fix=fix))
        return [(end,)]
    return [(*way, end) for way in found] or [(end,)]


# The middle: routines


def _through(code: Code, read: Body, wanted: tuple[Task, str, list[str]]) -> Iterator[Way]:
    """The ways of a column through one routine: into the columns of its name, and from the parameter of its name."""
    task, name, mapped = wanted
    back = {Node("", each.name.lower()) for each in read.parameters if each.back}
    flows = [flow for flow in read.flows if not flow.computed]
    filled = [flow.into for flow in flows if flow.into.owner or flow.into == RESULT or flow.into in back]
    sinks = list(dict.fromkeys(node._replace(name=name.lower()) if node.name == EVERY else node for node in filled))
    alike = [node for node in sinks if node.name == name.lower()]
    own = [node for node in alike if same_table(node.owner, task.target.full_name, code.within)]
    own = own or [node for node in alike if node.owner not in read.own]
    others = {plain(each) for each in mapped if plain(each) != plain(name)}
    found = [path for node in own for path in _back(node, read) if plain(path[0][0].name) not in others]
    named = [each for each in read.parameters if plain(each.name) == plain(name)]
    parameter = next((each for each in named if each.given), named[0] if named else None)
    if parameter is not None and not any(path[0][0] == Node("", parameter.name.lower()) for path in found):
        start = Node("", parameter.name.lower())
        rest = [node for node in sinks if node not in own and node.owner not in read.own]
        paths = [path for node in rest for path in _back(node, read)]
        given = back | ({RESULT} if code.kind == "function" else set())
        lost = [path for path in paths if path[0][0].owner == UNREAD and path[-1][0] in given and not found]
        onward = [path for path in paths if path[0][0] in (start, _MORE)] or lost
        told = read.gaps or start.name in read.asked or any(path[0][0].owner == UNREAD for path in found)
        if not onward and not told:
            why = f"no statement that was read passes '{parameter.name}' on"
            nowhere = Place(kind="expression", name=parameter.name, system=code.system, code=code.name, why=why)
            yield (*_placed_path(code, read, [(start, None)], task), nowhere)
        found += onward or [[(start, None)]]
    for path in found:
        yield tuple(_placed_path(code, read, path, task))


Path = list[tuple[Node, Flow | None]]
"""Places with the flow that leads into each."""


def _back(sink: Node, read: Body, row: tuple[str, ...] = ()) -> list[Path]:
    """The paths that end in a place, the shortest first. Where there are more than are followed, one of them says so.
    `row` are the tables whose values are there before the code runs."""
    into = defaultdict[str, list[Flow]](list)
    for flow in read.flows:
        into[flow.into.name].append(flow)
    found, left, constant = list[Path](), _MOST_STEPS, False
    waiting = deque[tuple[Node, Path]]([(sink, [])])
    while waiting and left > 0 and len(found) <= MOST:
        node, path = waiting.popleft()
        flows = [flow for flow in (*into[node.name], *into[EVERY]) if _fills(flow.into, node, read.within)]
        used = [flow for _, flow in path]  # what only moves a value may do so before and behind what changes it
        on = [(f.trace.node, [(node, f), *path]) for f in flows if used.count(f) < (1 if f.trace.steps else 2)]
        begun = _begins(node, flows, read, not on or _one_of(node, row, read.within)) if path else None
        if begun is not None:
            found.append([(begun, None), *path])
        waiting.extend(on)
        left, constant = left - len(on), constant or read.filled.get(node, False)
    if not found and not waiting and not constant:
        return [[(_unfilled(sink), None)]]  # only by each other
    return found if not waiting and len(found) <= MOST else [*found[:MOST], [(_MORE, None)]]


def _begins(node: Node, flows: list[Flow], read: Body, there: bool) -> Node | None:
    """What a path begins with at a place; None where it only goes on from there, or is a constant. `there` says that a
    table holds a value before."""
    if not node.owner and any(each.name.lower() == node.name for each in read.parameters):
        return node
    if node.owner.endswith("\0") and Node("", node.owner[:-1]) in read.filled:
        return Node(UNREAD, f"'{node.text}', which is filled as a whole")
    if node.owner and node.owner not in read.own:
        return node if there else None
    if read.filled.get(node) or any(flow.trace.node != node for flow in flows):
        return None
    return _unfilled(node)


def _unfilled(node: Node) -> Node:
    return Node(UNREAD, f"'{node.text}', which nothing that was read fills")


def _fills(left: Node, right: Node, within: str) -> bool:
    """Whether what goes into one place goes into the other."""
    if left.name not in (right.name, EVERY) or bool(left.owner) != bool(right.owner):
        return False
    return not left.owner or same_table(left.owner, right.owner, within)


def _one_of(node: Node, tables: tuple[str, ...], within: str) -> bool:
    return any(same_table(node.owner, table, within) for table in tables)


def _placed_path(code: Code, read: Body, path: Path, task: Task, row: tuple[str, ...] = ()) -> Iterator[Place]:
    code = code.model_copy(update={"loose": True}) if read.loose else code
    for node, flow in path:
        at = code.model_copy(update={"name": flow.into.owner}) if flow and flow.computed else code
        places = [stepped(step, at, flow.line) for step in flow.trace.steps] if flow else []
        if not _one_of(node, row, read.within) and (place := _place(code, read, node, flow, task)) is not None:
            places.append(place)
        caught = {"caught": flow.caught if flow else 0}
        yield from (place.model_copy(update=caught) for place in places)


def _place(code: Code, read: Body, node: Node, flow: Flow | None, task: Task) -> Place | None:
    line = flow.line if flow else 0
    code = code.model_copy(update={"loose": True}) if flow and flow.loose else code
    if node == RESULT:
        return typed(code, code.returns, "result", f"the result of {code.name}", line) if code.returns else None
    if node.owner == RESULT.name:
        return None
    if node.owner:
        if node in read.types:
            return typed(code, read.types[node], "column", node.text, line)
        ends = same_table(node.owner, task.target.full_name, code.within) and node.owner.count(".") < 2
        if node.owner in read.own or (ends and flow and not code.loose):
            return None  # the body's own table takes what comes; the target's column follows by itself
        return origin(node, code)
    given = next((each for each in read.parameters if each.name.lower() == node.name), None)
    if given is not None and node not in read.types:
        place = parameter(code, given)  # which the body fills by its own rules
        return place.model_copy(update={"loose": code.loose, "null": None, "line": line}) if flow else place
    native = read.types.get(node)
    if given is not None:
        native = f"{given.native} or {native}"  # a variable has the parameter's name
    if native is None:
        return Place(kind="variable", name=node.name, code=code.name, line=line, why=f"'{node.name}' has no type here")
    return typed(code, native, "variable", node.name, line)


def plain(name: str) -> str:
    """A parameter's name without what parameters begin with: `@description`, `p_description` and `_description`."""
    return re.sub(r"^(?:@?(?:p|in|i|v)_|@?_|@)", "", name.lower())


# The end: stage, target, triggers


def _ended(task: Task, column: Column, facts: Facts) -> Way:
    there = task.target.column(column.name)
    if there is None:
        return ()
    charset = facts.target.charsets.get(column.name, "")
    name = f"{task.into}.{column.name}"
    if fact := facts.target.fields.get(column.name):
        return (of_column(facts.systems[1], there, charset, kind="export field", name=name, fact=fact),)
    stage = of_column(facts.systems[1], there, charset, kind="stage column", name=f"the stage of {name}")
    return (stage, of_column(facts.systems[1], there, charset, kind="target column", name=name))


def _changed(code: Code, read: Body, task: Task, name: str) -> Iterator[Way]:
    """What a trigger makes of a new row's value, in the row or in its table."""
    row, own = ("new", task.target.full_name, *code.parts), name.lower()
    filled = [into for into in read.filled if into.name in (own, EVERY)]
    sinks = dict.fromkeys(Node(into.owner, own) for into in filled if _one_of(into, row, read.within))
    for node in (node for node in sinks if read.filled.get(node)):
        why = f"'{node.text}' gets a value that is not the row's"
        yield (Place(kind="expression", name=node.text, system=code.system, code=code.name, why=why),)
    for path in (path for node in sinks for path in _back(node, read, row)):
        begun = path[0][0]
        if begun.owner != UNREAD and (not _one_of(begun, row, read.within) or begun.name != own):
            what = "another column of the row" if _one_of(begun, row, read.within) else "not of the row"
            path = [(Node(UNREAD, f"'{begun.text}', which is {what}"), None), *path[1:]]
        yield tuple(_placed_path(code, read, path, task, row))


def mentioned(code: Code) -> set[str]:
    """The tables that code names. Empty for what cannot be read."""
    try:
        if code.kind != "view":
            return body(code).tables
        with quiet():
            found = tokens(code.text, code.language)
            e = parsed(code.text[found[body_start(found)].start :], code.language)
            return {".".join(p for p in (t.db, t.name) if p) for t in e.walk() if t.key == "table"}
    except ODD:
        return set()
