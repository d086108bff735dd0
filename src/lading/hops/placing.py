"""From nodes and steps to places."""

from __future__ import annotations

import re

from lading.hops.computing import is_virtual
from lading.hops.native import of_column, placed
from lading.hops.nodes import UNREAD, Node, Step, same_table
from lading.hops.words import SHOWN, short
from lading.route import Code, Parameter, Place, PlaceKind
from lading.types import Type


def origin(node: Node, code: Code) -> Place:
    """The column of a table that code reads or writes."""
    if node.owner == UNREAD:
        why = f"it comes from {short(node.name, SHOWN)}"
        return Place(kind="expression", name=node.name, system=code.system, code=code.name, why=why)
    name = node.text
    table = next((t for t in code.tables if same_table(t.full_name, node.owner, code.within)), None)
    columns = [c for c in table.columns if c.name.lower() == node.name] if table else []
    if len(columns) != 1:
        what = "one of several columns that differ in case alone" if columns else "a column that was not found"
        why = f"'{name}' is {what}"
        return Place(kind="column", name=name, system=code.system, code=code.name, why=why)
    made = table is not None and (table.view or is_virtual(node, code))
    kind: PlaceKind = "inner view column" if made else "column"
    return of_column(code.system, columns[0], kind=kind, name=name, code=code.name, loose=code.loose)


def stepped(step: Step, code: Code, line: int) -> Place:
    given = {"name": step.text, "system": code.system, "code": code.name, "line": line, "fact": "parsed"}
    match step.kind:
        case "cast" | "held" | "met":
            kind = {"cast": "cast", "held": "column"}.get(step.kind, "expression")
            return placed(
                code.system, step.native, kind=kind, name=step.text, code=code.name, line=line, fact="parsed",
                loose=code.loose,
            )  # fmt: skip
        case "unknown":
            return Place.model_validate(
                {**given, "kind": "expression", "why": f"it goes through {short(step.text, SHOWN)}"}
            )
        case "cuts":
            type_: Type = Type("string", step.size)
        case "rounds":
            type_ = Type("timestamp", step.size) if step.native else Type("decimal", 76, step.size)
        case "day":
            type_ = Type("date")
            given["native"] = step.native
        case _:
            type_ = Type("string")
            given |= {"grows": True, "characters": step.size if step.size >= 0 else None}
    return Place.model_validate({**given, "kind": "expression", "type": type_})


def parameter(code: Code, given: Parameter) -> Place:
    return placed(
        code.system, given.native, kind="parameter", name=given.name, code=code.name, charset=given.charset,
        loose=code.loose_call, null=False if code.skips_null else None,
    )  # fmt: skip


def typed(code: Code, native: str, kind: str, name: str, line: int) -> Place:
    if found := re.fullmatch(r"(?i)(.+)\.(\w+) ?% ?type", native):
        place = origin(Node(found[1].lower(), found[2].lower()), code)
        return place.model_copy(update={"kind": kind, "name": name, "line": line, "fact": "parsed"})
    fact = "catalogue" if kind == "result" else "parsed"
    place = placed(code.system, native, kind=kind, name=name, code=code.name, line=line, fact=fact, loose=code.loose)
    bare = code.charset and not place.charset and place.type is not None and place.type.kind == "string"
    return place.model_copy(update={"charset": code.charset}) if bare else place
