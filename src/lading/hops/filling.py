"""What INSERT, UPDATE and MERGE put into which columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lading.hops.nodes import Expression, Node, Outputs, Scope, Sources, Trace, Unfollowed
from lading.hops.sources import full_name
from lading.hops.trace import ctes, outputs, read_by, rows_of, traced

Filled = Iterator[tuple[Node, list[Trace]]]


class Unnamed(Unfollowed):
    """Values go into columns that are not named and not known."""


def filled(e: Expression, scope: Scope) -> Filled:
    """The columns that a statement fills, with what; none where it is of another kind."""
    if e.key in ("insert", "update", "merge") and _table(e) in ctes(e, scope, {}):
        raise Unnamed(f"fills '{_table(e)}', which is a query, so that its table is not known")
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
    return outputs(e, scope) if e.key in WRITING and e.args.get("returning") is not None else []


WRITING = ("insert", "update", "delete", "merge")


def before(e: Expression) -> Iterator[Expression]:
    """The statements in WITH that write, each with what stands before it there."""
    given = e.args.get("with_")
    parts = given.expressions if given is not None else []
    for n, part in enumerate(parts):
        inner = part.this.copy()
        if inner.key in WRITING:
            if n and inner.args.get("with_") is None:
                earlier = given.copy()
                earlier.set("expressions", [each.copy() for each in parts[:n]])
                inner.set("with_", earlier)
            yield inner


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
        if not e.args.get("default"):
            raise Unfollowed("what it inserts is not read")
        return
    if e.args.get("with_") is not None and e.expression.args.get("with_") is None:
        e.expression.set("with_", e.args["with_"])
    if e.expression.key == "values":  # each row becomes what the columns are, by itself
        rows = rows_of(e.expression, scope, {})
        made = [("", [trace for row in rows for trace in row[n][1]]) for n in range(len(rows[0]))]
    else:
        made = outputs(e.expression, scope)
    fewer = scope.grammar == "postgres" and not named and table not in scope.own and len(made) < len(given)
    if made and len(made) != len(given) and not fewer:
        raise Unnamed(f"fills {len(given)} columns of '{table}' with {len(made)}: which is which is not known")
    new = [(name, traces) for name, (_, traces) in zip(given, made, strict=False)]
    yield from ((Node(table, name), traces) for name, traces in new)
    conflict = e.args.get("conflict")
    around = scope._replace(around={**scope.around, "excluded": new})
    target = e.this.this if named else e.this
    sources: Sources = {(target.alias_or_name or "").lower(): table}
    for pair in (conflict.expressions if conflict is not None else None) or ():
        if pair.key != "eq":
            raise Unfollowed("what it sets is not read")
        yield from assigned(pair, table, around, sources)


def _updated(e: Expression, scope: Scope) -> Filled:
    if any(pair.key != "eq" for pair in e.expressions):
        raise Unfollowed("what it sets is not read")
    sources = read_by(e, scope, ctes(e, scope, {}))
    alias, name = (e.this.alias_or_name or "").lower(), full_name(e.this)
    found = sources.get(alias)
    if found is not None and not isinstance(found, str):
        raise Unnamed(f"fills '{alias}', which is a query, so that its table is not known")
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
            continue
        columns, values = (getattr(part, "expressions", ()) for part in (then.this, then.expression))
        if not columns or len(columns) != len(values):
            raise Unnamed(f"fills '{table}' without naming its columns")
        for column, value in zip(columns, values, strict=True):
            yield Node(table, column.name.lower()), traced(value, scope, sources)


def assigned(pair: Expression, table: str, scope: Scope, sources: Sources) -> Iterator[tuple[Node, list[Trace]]]:
    """What `a = x` and `(a, b) = (x, y)` put where."""
    left, right = pair.this, pair.expression
    lefts = left.expressions or [left.this] if left.key in ("tuple", "paren") else [left]
    if right.key == "subquery":
        values = [traces for _, traces in outputs(right, scope, sources)]
    else:
        row = right.key == "anonymous" and right.name.lower() == "row" and left.key == "tuple"
        tuples = row or {left.key, right.key} <= {"tuple", "paren"}
        rights = right.expressions or [right.this] if tuples else [right]
        values = [traced(value, scope, sources) for value in rights]
    if len(lefts) != len(values) and len(lefts) > 1:
        raise Unfollowed(f"it sets {len(lefts)} columns to {len(values)} values")
    for one, traces in zip(lefts, values, strict=False):
        one = one.this if one.key == "bracket" else one
        into = Node("", f"@{one.this.name.lower()}") if one.key == "parameter" else Node(table, one.name.lower())
        yield into, traces
