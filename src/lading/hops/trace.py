"""From an expression to the values that pass through it, and what it does to them on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
            return _from_source(scope.around["excluded"], e.expressions[0].name.lower())
        case key if key in _JOINED:
            return _joined(e, scope, sources)
        case "replace" if not kept(e):
            return _replaced(e, scope, sources)
        case "coalesce" | "nullif":
            return _alike(e, _parts(e), scope, sources)
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
        return _from_source(sources[owner] if owner in sources else scope.around[owner], name)
    if owner:
        return [Trace(Node(record(owner) if owner in scope.variables else owner, name))]
    if name in scope.variables:
        return [Trace(Node("", name))]
    named = [source for source in sources.values() if _has(source, name, scope)]
    if len(named) == 1 or (len(sources) == 1 and not named):
        return _from_source((named or list(sources.values()))[0], name)
    if isinstance(alone := sources.get(name), Unread):  # a function's only column has the function's name
        return alone.traces
    return unread(f"the column '{name}'")


def unread(text: str) -> list[Trace]:
    """A value of which nothing is known but where it is written."""
    return [Trace(Node(UNREAD, text))]


def _has(source: Source, name: str, scope: Scope) -> bool:
    if isinstance(source, str):
        return name in (column.lower() for column in scope.columns(source) or ())
    return any(own.lower() == name for own, _ in (source.named if isinstance(source, Unread) else source))


def _from_source(source: Source, name: str) -> list[Trace]:
    if isinstance(source, str):
        return [Trace(Node("new" if source == "inserted" else source, name))]
    named, rest = (source.named, source.traces) if isinstance(source, Unread) else (source, None)
    alike = [traces for own, traces in named if own.lower() == name]
    if len(alike) > 1:
        return unread(f"one of the columns '{name}', which differ in case alone")
    found = alike[0] if alike else rest
    return unread(f"the column '{name}'") if found is None else found


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
            both = [(*pair, right[n][1] if n < len(right) else []) for n, pair in enumerate(left)]
            return [(name, [*one, *two]) for name, one, two in both]
        case "values":
            rows = [outputs_of(row.expressions, scope, reach) for row in e.expressions if hasattr(row, "expressions")]
            return [(f"column{n + 1}", [t for row in rows for t in row[n][1]]) for n in range(len(rows[0]))]
        case "select":
            scope = scope._replace(around={**scope.around, **reach})
            return outputs_of(e.expressions, scope, read_by(e, scope, reach))
        case _:
            raise Unfollowed(f"{e.key.upper()} inside of it is not followed")


def ctes(e: Expression, scope: Scope, outer: Sources) -> dict[str, Source]:
    """The queries that stand before a statement, by name."""
    found: dict[str, Source] = {}
    given = e.args.get("with_")
    for part in given.expressions if given is not None else ():
        names, reach, name = _columns(part), {**outer, **found}, part.alias.lower()
        if given.args.get("recursive") and part.this.key == "union":
            reach[name] = _renamed(outputs(part.this.this, scope, reach), names)
        found[name] = _renamed(outputs(part.this, scope, reach), names)
    return found


def _columns(e: Expression) -> list[str]:
    """The names that an alias gives to columns."""
    return [column.name for column in (e.args.get("alias") and e.args["alias"].args.get("columns")) or ()]


def _renamed(found: Outputs, names: Sequence[str]) -> Outputs:
    return [(names[n] if n < len(names) else name, traces) for n, (name, traces) in enumerate(found)]


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
    inner, names = source.this if source.key == "lateral" else source, _columns(source)
    if source.args.get("pivots"):
        pass
    elif source.key == "table" and source.this is not None and source.this.key in ("identifier", "parameter"):
        known = reach.get(source.name.lower()) if not source.db else None
        if known is not None and not isinstance(known, Unread):
            return _renamed(known, names) if isinstance(known, list) else known
        columns = scope.columns(full_name(source)) if names else None
        return full_name(source) if columns is None else _renamed(_starred(full_name(source), scope, ""), names)
    elif inner.key in ("subquery", "select", "union", "except", "intersect", "values"):
        return _renamed(outputs(inner, scope._replace(around={**scope.around, **reach}), reach), names)
    bare = source.copy()
    for part in ("alias", "joins", "laterals"):
        bare.set(part, None)
    text = (bare.this if source.key == "lateral" else bare).sql(scope.grammar, normalize_functions=False)
    return _unread(source, bare, text, (scope, reach))


def _unread(source: Expression, bare: Expression, text: str, around: tuple[Scope, Sources]) -> Unread:
    scope, reach = around
    traces, row = _unknown(bare, scope, reach, text) or unread(text), _row(bare.this, reach)
    named: Outputs = []
    for column in (part for part in source.walk() if part.key.endswith("columndef")):
        name, native = column.name.lower(), column.args["kind"].sql(scope.grammar) if column.args.get("kind") else ""
        given = _from_source(row, name) if row is not None and _has(row, name, scope) else traces
        named.append((name, _with(given, Step("held", f"{name} of {text}", native)) if native else given))
    return Unread(traces, named or [(name, traces) for name in _columns(source)])


def _row(e: Expression, reach: Sources) -> Source | None:
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
