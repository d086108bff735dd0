"""What the names in a query mean: tables, queries, and their columns."""

from __future__ import annotations

from collections.abc import Sequence

from lading.hops.nodes import UNREAD, Expression, Node, Outputs, Scope, Source, Sources, Trace, Unread


def unread(text: str) -> list[Trace]:
    """A value of which nothing is known but where it is written."""
    return [Trace(Node(UNREAD, text))]


def has(source: Source, name: str, scope: Scope) -> bool:
    if isinstance(source, str):
        return name in (column.lower() for column in scope.columns(source) or ())
    return any(own.lower() == name for own, _ in (source.named if isinstance(source, Unread) else source))


def from_source(source: Source, name: str) -> list[Trace]:
    if isinstance(source, str):
        return [Trace(Node("new" if source == "inserted" else source, name))]
    named, rest = (source.named, source.traces) if isinstance(source, Unread) else (source, None)
    alike = [traces for own, traces in named if own.lower() == name]
    if len(alike) > 1:
        return unread(f"one of the columns '{name}', which differ in case alone")
    found = alike[0] if alike else rest
    return unread(f"the column '{name}'") if found is None else found


def aliased(e: Expression) -> list[str]:
    """The names that an alias gives to columns."""
    return [column.name for column in (e.args.get("alias") and e.args["alias"].args.get("columns")) or ()]


def renamed(found: Outputs, names: Sequence[str]) -> Outputs:
    return [(names[n] if n < len(names) else name, traces) for n, (name, traces) in enumerate(found)]


def json_row(e: Expression, reach: Sources) -> Source | None:
    """The table whose rows become JSON and columns again, each of its own name: `json_to_record(to_json(t.*))`."""
    for names in (("json_to_record", "json_to_recordset"), ("to_json", "row_to_json")):
        if (
            getattr(e, "key", "") != "anonymous"
            or e.name.lower().replace("jsonb", "json") not in names
            or len(e.expressions) != 1
        ):
            return None
        e = e.expressions[0]
    star = e.key == "column" and e.this.key == "star"
    return reach.get((e.table if star else e.name).lower()) if star or e.key == "column" else None


def full_name(table: Expression) -> str:
    """`schema.name` of a table as it is written, in lower case."""
    own = "@" if table.this.key == "parameter" else "#" if table.this.args.get("temporary") else ""
    parts = [part for part in (table.db, f"{own}{table.name}") if part]
    return ".".join(parts).lower()
