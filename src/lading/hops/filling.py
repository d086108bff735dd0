"""What INSERT, UPDATE and MERGE put into which columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lading.hops.nodes import Expression, Node, Outputs, Scope, Sources, Trace
from lading.hops.trace import assigned, ctes, full_name, outputs, read_by, traced
from lading.hops.words import selecting

Filled = Iterator[tuple[Node, list[Trace]]]


class Unnamed(ValueError):
    """A table is filled whose columns are not named and not known."""


def filled(e: Expression, scope: Scope) -> Filled:
    """The columns that a statement fills, with what; none where it is of another kind."""
    match e.key:
        case "insert":
            return _inserted(e, scope)
        case "update":
            return _updated(e, scope)
        case "merge":
            return _merged(e, scope)
        case _:
            return iter(())


def returned(e: Expression, scope: Scope) -> Outputs:
    """What a statement gives back of the rows that it writes."""
    if e.key not in ("insert", "update", "delete") or e.args.get("returning") is None:
        return []
    return outputs(selecting(e.args["returning"].expressions, _table(e)), scope)


def paired(pairs: Iterable[Expression], table: str, scope: Scope, sources: Sources) -> Filled:
    for pair in pairs:
        if pair.key == "eq":
            yield from assigned(pair, table, scope, sources)


def _table(e: Expression) -> str:
    return full_name(e.this.this if e.this.key == "schema" else e.this)


def _inserted(e: Expression, scope: Scope) -> Filled:
    table, named = _table(e), e.this.key == "schema"
    given = [c.name.lower() for c in e.this.expressions] if named else [c.lower() for c in scope.columns(table) or ()]
    if not given:
        raise Unnamed(f"fills '{table}' without naming its columns, which are not known")
    if e.expression is None:
        return
    if e.args.get("with_") is not None and e.expression.args.get("with_") is None:
        e.expression.set("with_", e.args["with_"])
    new = [(name, traces) for name, (_, traces) in zip(given, outputs(e.expression, scope), strict=False)]
    yield from ((Node(table, name), traces) for name, traces in new)
    conflict = e.args.get("conflict")
    around = scope._replace(around={**scope.around, "excluded": new})
    target = e.this.this if named else e.this
    for pair in (conflict.expressions if conflict is not None else None) or ():
        if pair.key == "eq" and getattr(pair.expression, "table", "").lower() != "excluded":
            sources = {(target.alias_or_name or "").lower(): table}
            yield Node(table, pair.this.name.lower()), traced(pair.expression, around, sources)


def _updated(e: Expression, scope: Scope) -> Filled:
    sources = read_by(e, scope, ctes(e, scope, {}))
    alias, name = (e.this.alias_or_name or "").lower(), full_name(e.this)
    found = sources.get(alias)
    table = found if isinstance(found, str) and not e.this.db else name
    sources.setdefault(alias, table)
    return paired(e.expressions, table, scope, sources)


def _merged(e: Expression, scope: Scope) -> Filled:
    table, sources = full_name(e.this), read_by(e, scope, ctes(e, scope, {}))
    sources[(e.this.alias_or_name or "").lower()] = table
    for when in e.args["whens"].expressions:
        then = when.args.get("then")
        if then is None or then.key not in ("insert", "update"):
            continue
        if then.key == "update":
            yield from paired(then.expressions, table, scope, sources)
        elif then.this is not None and then.expression is not None:
            for column, value in zip(then.this.expressions, then.expression.expressions, strict=False):
                yield Node(table, column.name.lower()), traced(value, scope, sources)
