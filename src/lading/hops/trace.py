"""From an expression to the values that pass through it, and what it does to them on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lading.hops.keeping import FIRST, floating, foreign, kept, length, native_of
from lading.hops.nodes import (
    UNREAD,
    Expression,
    Node,
    Outputs,
    Scope,
    Source,
    Sources,
    Step,
    Trace,
    Unfollowed,
    Unread,
    record,
)
from lading.hops.sources import aliased, from_source, full_name, has, json_row, renamed, unread
from lading.hops.words import selecting


def traced(e: Expression, scope: Scope, sources: Sources) -> list[Trace]:
    """The values that an expression passes on."""
    match e.key:
        case "column":
            return _column(e, scope, sources)
        case "parameter" | "placeholder":
            return _parameter(e, scope)
        case "cast" | "trycast" | "convert":
            return _cast(e, scope, sources)
        case "left" | "right" | "substring" | "round" | "trunc" | "floor" | "ceil" | "timestamptrunc":
            return _shortened(e, scope, sources)
        case "case" | "if":
            return _branches(e, scope, sources)
        case "subquery" | "select" | "union" | "except" | "intersect":
            found = outputs(e, scope, sources)
            return found[0][1] if found else []
        case "anonymous" if e.name.lower() in ("value", "values") and "excluded" in scope.around:
            return from_source(scope.around["excluded"], e.expressions[0].name.lower())
        case key if key in _JOINED:
            return _joined(e, scope, sources)
        case "replace" if not kept(e):
            return _replaced(e, scope, sources)
        case "coalesce" | "nullif":
            return _alike(e, _parts(e), scope, sources)
        case "timetostr" if e.this.key == "cast" and e.this.args["to"].sql("postgres") == "TIMESTAMPTZ":
            unknown = Step("unknown", e.sql(scope.grammar))
            return _with(traced(e.this.this, scope, sources), unknown)  # it writes the zone that it was read by
        case _ if kept(e):
            return [trace for part in _parts(e) for trace in traced(part, scope, sources)]
        case _:
            return _unknown(e, scope, sources)


def _parts(e: Expression) -> Iterable[Expression]:
    if e.this is not None and hasattr(e.this, "key"):
        yield e.this
    if e.key not in FIRST:
        yield from (part for part in e.args.get("expressions") or () if hasattr(part, "key"))


def _with(traces: Iterable[Trace], step: Step) -> list[Trace]:
    return [Trace(node, (*steps, step)) for node, steps in traces]


def _all(parts: Iterable[Any], scope: Scope, sources: Sources) -> list[Trace]:
    return [trace for part in parts if hasattr(part, "key") for trace in traced(part, scope, sources)]


def _column(e: Expression, scope: Scope, sources: Sources) -> list[Trace]:
    name, owner = e.name.lower(), (e.table or "").lower()
    if owner in ("new", "old"):
        return [Trace(Node("new", name))] if owner == "new" else []
    if owner == scope.routine.rpartition(".")[2].lower() and name in scope.variables and owner not in sources:
        return [Trace(Node("", name))]
    if owner in sources or owner in scope.around:
        return from_source(sources[owner] if owner in sources else scope.around[owner], name)
    if owner:
        return [Trace(Node(record(owner) if owner in scope.variables else owner, name))]
    named = [source for source in sources.values() if has(source, name, scope)]
    outside = [source for source in scope.around.values() if has(source, name, scope)] if scope.columns_first else []
    if outside and not named and name in scope.variables:  # a column of the query around this one
        return from_source(outside[0], name) if len(outside) == 1 else unread(f"the column '{name}'")
    if name in scope.variables and not (named and scope.columns_first):
        return [Trace(Node("", name))]
    if len(named) == 1 or (len(sources) == 1 and not named):
        return from_source((named or list(sources.values()))[0], name)
    if isinstance(alone := sources.get(name), Unread):  # a function's only column has the function's name
        return alone.traces
    return unread(f"the column '{name}'")


def _parameter(e: Expression, scope: Scope) -> list[Trace]:
    name = str(getattr(e.this, "name", None) or e.this or "").lower()
    if name.isdigit():
        at = int(name) - 1
        return [Trace(Node("", scope.places[at].lower()))] if at < len(scope.places) else unread(f"${name}")
    if scope.grammar == "mysql" and e.key == "parameter":  # it is the session's, which anything may fill
        return unread(f"the user variable '@{name}'")
    return [Trace(Node("", f"@{name}"))] if name else []


def _cast(e: Expression, scope: Scope, sources: Sources) -> list[Trace]:
    type_, value = (e.this, e.expression) if e.key == "convert" else (e.args["to"], e.this)
    native = type_.sql(scope.grammar)
    if native.lower().startswith("character set"):
        native = f"char {native}"
    if scope.grammar == "tsql" and native.upper() == "FLOAT":
        native = "float or real"  # sqlglot reads both as one; the second is narrower
    text = e.sql(scope.grammar)
    kind = "try_" if e.key == "trycast" or e.args.get("safe") else ""
    return _with(traced(value, scope, sources), Step("cast", f"{kind}{text}", native))


def _number(e: Expression | None) -> int | None:
    while e is not None and e.key == "paren":
        e = e.this
    return int(e.name) if e is not None and e.key == "literal" and not e.is_string and e.name.isdigit() else None


def _shortened(e: Expression, scope: Scope, sources: Sources) -> list[Trace]:
    value = e.this
    if scope.grammar == "tsql" and value.key == "cast" and value.args["to"].sql() == "TEXT":
        value = value.this  # sqlglot's own, for a type that the function takes
    inner, text = traced(value, scope, sources), e.sql(scope.grammar)
    match e.key:
        case "timestamptrunc":
            unit = str(e.args["unit"].name).upper()
            if unit in _SECONDS:
                return _with(inner, Step("rounds", text, "second", _SECONDS[unit]))
            return _with(inner, Step("day", text, "" if unit in ("DAY", "HOUR", "MINUTE") else unit.lower()))
        case "floor" | "ceil":
            return _with(inner, Step("rounds", text))
        case "round" | "trunc":
            given = e.args.get("decimals")
            digits = _number(given) if given is not None else 0
            return _with(inner, Step("unknown", text) if digits is None else Step("rounds", text, "", digits))
        case "substring" if e.args.get("length") is None:
            whole = (1,) if scope.grammar == "mysql" else (0, 1)  # where 0 gives an empty text
            return inner if _number(e.args.get("start")) in whole else _with(inner, Step("unknown", text))
        case _:
            size = _number(e.args.get("length") or e.args.get("expression"))
            if size is None:
                return _with(inner, Step("unknown", text))
            begins = e.key != "substring" or e.args.get("start") is None or _number(e.args["start"]) == 1
            cut = _with(inner, Step("cuts", text, "", size))
            return cut if begins else _with(cut, Step("unknown", text))


_SECONDS = {"SECOND": 0, "MILLISECONDS": 3, "MICROSECONDS": 6}


def _branches(e: Expression, scope: Scope, sources: Sources) -> list[Trace]:
    """Of a choice only what is chosen passes, never what is asked."""
    if e.key == "if":
        results = [e.args.get("true"), e.args.get("false")]
    else:
        results = [*(branch.args.get("true") for branch in e.args.get("ifs") or ()), e.args.get("default")]
    return _alike(e, results, scope, sources)


def _alike(e: Expression, passed: Iterable[Any], scope: Scope, sources: Sources) -> list[Trace]:
    """The values that pass, of those that get one type: where one of all is a float, the others become floats."""
    parts = [part for part in passed if hasattr(part, "key")]
    traces = [traced(part, scope, sources) for part in parts]
    floats = [floating(part, found, scope) for part, found in zip(parts, traces, strict=True)]
    beside = e.args["expression"] if e.key == "nullif" else None
    counted = floats[:1] if e.args.get("is_null") else floats  # T-SQL's ISNULL has the type of its first value
    counted = [*counted, floating(beside, traced(beside, scope, sources), scope)] if beside is not None else counted
    wide = sorted(filter(None, counted), key=lambda native: "real" in native.lower())
    step = Step("met", e.sql(scope.grammar), wide[0]) if wide else None
    if e.args.get("is_null") and len(parts) > 1:  # and cuts the others to it
        given = native_of(parts[0], traces[0], scope)
        held = Step("cast", e.sql(scope.grammar), given) if given else Step("unknown", e.sql(scope.grammar))
        traces[1:] = [_with(found, held) for found in traces[1:]]
    each = zip(traces, floats, strict=True)
    return [trace for found, own in each for trace in (_with(found, step) if step and not own else found)]


_JOINED = ("dpipe", "concat", "concatws", "add", "safedpipe")


def _joined(e: Expression, scope: Scope, sources: Sources) -> list[Trace]:
    parts = list(_flat(e))
    passed = [traced(part, scope, sources) for part in parts]
    inner, text = [trace for each in passed for trace in each], e.sql(scope.grammar)
    texts = [part for part in parts if part.key == "national" or part.is_string]
    if e.key == "add" and not texts:
        return _with(inner, Step("unknown", text))
    counted = len(inner) == 1 and len(texts) == len(parts) - 1
    return _with(inner, Step("grows", text, "", sum(len(part.name) for part in texts) if counted else -1))


def _flat(e: Expression) -> Iterator[Expression]:
    """The parts of a joined text, those of joined parts too."""
    if e.key in _JOINED:
        for part in e.args.get("expressions") or [e.this, e.args.get("expression")]:
            yield from _flat(part)
    elif e.key == "paren" and e.this.key in _JOINED:
        yield from _flat(e.this)
    else:
        yield e


def _replaced(e: Expression, scope: Scope, sources: Sources) -> list[Trace]:
    """A text in which others take the place of some; where they are longer than those it grows."""
    old, new = length(e.args.get("expression")), length(e.args.get("replacement"))
    text = e.sql(scope.grammar)
    longer = old is not None and new is not None and new > old
    return _with(traced(e.this, scope, sources), Step("grows", text, "", -1) if longer else Step("unknown", text))


def _unknown(e: Expression, scope: Scope, sources: Sources, text: str = "") -> list[Trace]:
    """Whatever a function gets may leave it changed, and what it gets nowhere in sight is not known at all."""
    parts: list[Any] = []
    for value in e.args.values():
        parts += value if isinstance(value, list) else [value]
    text = text or e.sql(scope.grammar, normalize_functions=False)
    given = _all(parts, scope, sources)
    found = [
        Trace(node, steps[:-1] if steps and steps[-1].kind == "unknown" else steps)
        for node, steps in given
        if node.owner != UNREAD
    ]
    return _with(found, Step("unknown", text)) or (unread(text) if given or foreign(e) else [])


# Queries


def outputs(e: Expression, scope: Scope, outer: Sources | None = None) -> Outputs:
    """The columns of a query, each with the values that it is made of."""
    reach = {**(outer or {}), **ctes(e, scope, outer or {})}
    match e.key:
        case "subquery" | "paren":
            return outputs(e.this, scope, reach)
        case "union" | "except" | "intersect":
            left, right = outputs(e.this, scope, reach), outputs(e.expression, scope, reach)
            return [
                (name, _united([one, right[n][1] if n < len(right) else []], e, n, scope))
                for n, (name, one) in enumerate(left)
            ]
        case "values":
            rows = rows_of(e, scope, reach)
            return [(f"column{n + 1}", _united([row[n][1] for row in rows], e, n, scope)) for n in range(len(rows[0]))]
        case "insert" | "update" | "delete" | "merge":  # a part of WITH; what it writes is followed by itself
            given = e.args.get("returning")
            table = full_name(e.this.this if e.this.key == "schema" else e.this)
            return outputs(selecting(given.expressions, table), scope, reach) if given is not None else []
        case "select":
            scope = scope._replace(around={**scope.around, **reach})
            return outputs_of(e.expressions, scope, read_by(e, scope, reach))
        case _:
            raise Unfollowed(f"{e.key.upper()} inside of it is not followed")


def rows_of(e: Expression, scope: Scope, sources: Sources) -> list[Outputs]:
    """The columns of each row of VALUES."""
    return [outputs_of(row.expressions, scope, sources) for row in e.expressions if hasattr(row, "expressions")]


def _united(each: list[list[Trace]], e: Expression, n: int, scope: Scope) -> list[Trace]:
    """The values of a column of several queries or rows: where one of all is a float, the others become floats."""
    natives = [floating(part, (), scope) for part in _items(e, n)]
    natives += [floating(e, [trace], scope) for traces in each for trace in traces]
    wide = next((native for native in sorted(natives, key=lambda each: "real" in each.lower()) if native), "")
    step = Step("met", f"{e.key.upper()} with a {wide} in column {n + 1}", wide)
    joined = [trace for traces in each for trace in traces]
    return [t if not wide or floating(e, [t], scope) else Trace(t.node, (*t.steps, step)) for t in joined]


def _items(e: Expression, n: int) -> Iterator[Expression]:
    """What is written for a column in each of several queries or rows."""
    if e.key in ("union", "except", "intersect"):
        yield from (*_items(e.this, n), *_items(e.expression, n))
    elif e.key in ("subquery", "paren"):
        yield from _items(e.this, n)
    elif e.key == "values":
        yield from (row.expressions[n] for row in e.expressions if hasattr(row, "expressions"))
    elif e.key == "select" and n < len(e.expressions) and not any(item.is_star for item in e.expressions):
        yield e.expressions[n].unalias()


def ctes(e: Expression, scope: Scope, outer: Sources) -> dict[str, Source]:
    """The queries that stand before a statement, by name."""
    found: dict[str, Source] = {}
    given = e.args.get("with_")
    for part in given.expressions if given is not None else ():
        names, reach, name = aliased(part), {**outer, **found}, part.alias.lower()
        if given.args.get("recursive") and part.this.key == "union":
            reach[name] = renamed(outputs(part.this.this, scope, reach), names)
        made = outputs(part.this, scope, reach)
        if name in reach and given.args.get("recursive") and scope.grammar == "mysql":
            made = _recurring(part.this, made, reach, scope)
        found[name] = renamed(made, names)
    return found


def _recurring(e: Expression, made: Outputs, reach: Sources, scope: Scope) -> Outputs:
    """The columns of a query that reads itself: in MariaDB they have the types of its first part alone."""
    begun = outputs(e.this, scope, reach)
    found: Outputs = []
    for n, (name, traces) in enumerate(made):
        first = begun[n][1]
        natives = {native_of(item, first, scope) for item in _items(e.this, n)}
        native = natives.pop() if len(natives) == 1 else ""
        text = f"{name} of the query that reads itself"
        step = Step("held", text, native) if native else Step("unknown", text)
        found.append((name, [*first, *_with([trace for trace in traces if trace not in first], step)]))
    return found


def outputs_of(items: Iterable[Expression], scope: Scope, sources: Sources) -> Outputs:
    """The columns that the items of a select list are."""
    found: Outputs = []
    for item in items:
        if item.key == "star" or (item.key == "column" and item.this.key == "star"):
            owner = (getattr(item, "table", "") or "").lower()
            own = record(owner) if owner in scope.variables else owner
            reached = sources if owner in ("", *sources) else {owner: scope.around.get(owner, own)}
            for alias, source in reached.items():
                found += _starred(source, scope, alias) if owner in ("", alias) else []
        else:
            found.append((item.alias_or_name, list(dict.fromkeys(traced(item, scope, sources)))))
    return found


def _starred(source: Source, scope: Scope, alias: str) -> Outputs:
    if isinstance(source, str):
        columns = () if source in _ROWS else scope.columns(source)
        if columns is not None:
            return [(name, [Trace(Node(source, name.lower()))]) for name in columns]
    elif not isinstance(source, Unread) or source.named:
        return source.named if isinstance(source, Unread) else source
    raise Unfollowed(f"the columns of '{alias}' are not known")


_ROWS = ("inserted", "deleted", "new", "old")


def read_by(e: Expression, scope: Scope, outer: Sources) -> dict[str, Source]:
    """What a statement reads, by alias."""
    found: dict[str, Source] = {}
    begun = e.args.get("from_")
    waiting = [begun.this] if begun is not None else []
    waiting += [e.args["using"]] if e.args.get("using") is not None and hasattr(e.args["using"], "key") else []
    waiting += [join.this for join in e.args.get("joins") or ()]
    waiting += list(e.args.get("laterals") or ())
    while waiting:
        source = waiting.pop(0)
        waiting += [join.this for join in source.args.get("joins") or ()]
        waiting += list(source.args.get("laterals") or ())
        joined = source.key == "subquery" and source.this.key in ("table", "lateral", "subquery")
        if source.key in ("paren", "tuple") or (joined and not source.alias):
            waiting.insert(0, source.this)
        else:
            found[(source.alias_or_name or "").lower()] = _source(source, scope, {**outer, **found})
    return found


def _source(source: Expression, scope: Scope, reach: Sources) -> Source:
    """What one part of FROM is: a table, the columns of a query, or what is not read."""
    inner, names = source.this if source.key == "lateral" else source, aliased(source)
    if source.args.get("pivots"):
        pass
    elif source.key == "table" and source.this is not None and source.this.key in ("identifier", "parameter"):
        known = reach.get(source.name.lower()) if not source.db else None
        if known is not None and not isinstance(known, Unread):
            return renamed(known, names) if isinstance(known, list) else known
        columns = scope.columns(full_name(source)) if names else None
        return full_name(source) if columns is None else renamed(_starred(full_name(source), scope, ""), names)
    elif inner.key in ("subquery", "select", "union", "except", "intersect", "values"):
        return renamed(outputs(inner, scope._replace(around={**scope.around, **reach}), reach), names)
    bare = source.copy()
    for part in ("alias", "joins", "laterals"):
        bare.set(part, None)
    text = (bare.this if source.key == "lateral" else bare).sql(scope.grammar, normalize_functions=False)
    return _unread(source, bare, text, (scope, reach))


def _unread(source: Expression, bare: Expression, text: str, around: tuple[Scope, Sources]) -> Unread:
    scope, reach = around
    traces, row = _unknown(bare, scope, reach, text) or unread(text), json_row(bare.this, reach)
    named: Outputs = []
    for column in (part for part in source.walk() if part.key.endswith("columndef")):
        name, native = column.name.lower(), column.args["kind"].sql(scope.grammar) if column.args.get("kind") else ""
        given = from_source(row, name) if row is not None and has(row, name, scope) else traces
        named.append((name, _with(given, Step("held", f"{name} of {text}", native)) if native else given))
    return Unread(traces, named or [(name, traces) for name in aliased(source)])
