"""From an expression to the values that pass through it, and what it does to them on the way.

Expressions are sqlglot's; they are told apart by their `key`, so that nothing here imports it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from lading.schema import Table

Expression = Any


class Node(NamedTuple):
    """A variable or parameter (`owner` empty), or a column of the table or record `owner`. Lower case."""

    owner: str
    name: str


class Step(NamedTuple):
    """What happens to a value. `native` is the type of a cast; `size` the characters or digits that are kept, or
    the characters that it grows by; -1 for any number."""

    kind: Literal["cast", "cuts", "rounds", "day", "grows", "unknown"]
    text: str
    native: str = ""
    size: int = 0


class Trace(NamedTuple):
    """A value, and its steps in the order in which it takes them."""

    node: Node
    steps: tuple[Step, ...] = ()


Outputs = list[tuple[str, list[Trace]]]
"""The columns of a query with what each is made of."""


class Scope(NamedTuple):
    """What names mean: local variables, the routine's name, the tables that are known, parameters by place."""

    grammar: str
    variables: frozenset[str] = frozenset()
    routine: str = ""
    tables: tuple[Table, ...] = ()
    places: tuple[str, ...] = ()

    def table(self, name: str) -> Table | None:
        return next((table for table in self.tables if same_table(name, table.full_name)), None)


Sources = Mapping[str, "str | Outputs"]
"""What a query reads: alias to a table's name, or to the columns of a query in it."""


def same_table(left: str, right: str) -> bool:
    """Whether two names mean one table, where one of them may leave out the schema."""
    one, two = left.lower().split("."), right.lower().split(".")
    shorter = min(len(one), len(two))
    return one[-shorter:] == two[-shorter:]


_PASSED = {
    "paren", "alias", "coalesce", "upper", "lower", "trim", "nullif", "greatest", "least", "max", "min", "collate",
    "initcap", "anyvalue", "firstvalue", "lastvalue", "window", "distinct", "attimezone", "ordered", "first", "last",
}  # fmt: skip
_FIRST = {"nullif", "collate", "window", "trim", "attimezone"}
"""Of these only the first part is the value."""


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
        case key if key in _JOINED:
            return _joined(e, scope, sources)
        case "replace":
            return _replaced(e, scope, sources)
        case key if key in _PASSED:
            return [trace for part in _parts(e) for trace in traced(part, scope, sources)]
        case _:
            return _unknown(e, scope, sources)


def _parts(e: Expression) -> Iterable[Expression]:
    if e.this is not None and hasattr(e.this, "key"):
        yield e.this
    if e.key not in _FIRST:
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
    if owner in sources:
        return _from_source(sources[owner], name)
    if owner:
        return [Trace(Node(owner, name))]
    if name in scope.variables:
        return [Trace(Node("", name))]
    named = [source for source in sources.values() if _has(source, name, scope)]
    if len(named) == 1 or (len(sources) == 1 and not named):
        return _from_source((named or list(sources.values()))[0], name)
    return [Trace(Node("?", name))]


def _has(source: str | Outputs, name: str, scope: Scope) -> bool:
    if isinstance(source, str):
        table = scope.table(source)
        return table is not None and any(column.name.lower() == name for column in table.columns)
    return any(own.lower() == name for own, _ in source)


def _from_source(source: str | Outputs, name: str) -> list[Trace]:
    if isinstance(source, str):
        return [Trace(Node("new" if source == "inserted" else source, name))]
    return next((traces for own, traces in source if own.lower() == name), [])


def _parameter(e: Expression, scope: Scope) -> list[Trace]:
    name = str(getattr(e.this, "name", None) or e.this or "").lower()
    if name.isdigit():
        at = int(name) - 1
        return [Trace(Node("", scope.places[at].lower()))] if at < len(scope.places) else []
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
            digits = {"SECOND": 0, "MILLISECONDS": 3, "MICROSECONDS": 6}.get(str(e.args["unit"].name).upper())
            return _with(inner, Step("day", text) if digits is None else Step("rounds", text, "second", digits))
        case "floor" | "ceil":
            return _with(inner, Step("rounds", text))
        case "round" | "trunc":
            given = e.args.get("decimals")
            digits = _number(given) if given is not None else 0
            return _with(inner, Step("unknown", text) if digits is None else Step("rounds", text, "", digits))
        case "substring" if e.args.get("length") is None:
            return inner if _number(e.args.get("start")) in (0, 1) else _with(inner, Step("unknown", text))
        case _:
            size = _number(e.args.get("length") or e.args.get("expression"))
            return _with(inner, Step("unknown", text) if size is None else Step("cuts", text, "", size))


def _branches(e: Expression, scope: Scope, sources: Sources) -> list[Trace]:
    """Of a choice only what is chosen passes, never what is asked."""
    if e.key == "if":
        return _all((e.args.get("true"), e.args.get("false")), scope, sources)
    results = [branch.args.get("true") for branch in e.args.get("ifs") or ()]
    return _all((*results, e.args.get("default")), scope, sources)


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
    inner = traced(e.this, scope, sources)
    old, new = e.args.get("expression"), e.args.get("replacement")
    size = len(new.name) if new is not None and new.key == "literal" else 0 if new is None else 2**31
    kept = size <= 1 or (old.key == "literal" and size <= len(old.name))
    return inner if kept else _with(inner, Step("grows", e.sql(scope.grammar), "", -1))


def _unknown(e: Expression, scope: Scope, sources: Sources) -> list[Trace]:
    """Whatever a function gets may leave it changed."""
    parts: list[Any] = []
    for value in e.args.values():
        parts += value if isinstance(value, list) else [value]
    found = [
        Trace(node, steps[:-1] if steps and steps[-1].kind == "unknown" else steps)
        for node, steps in _all(parts, scope, sources)
    ]
    return _with(found, Step("unknown", e.sql(scope.grammar)))


# Queries


def outputs(e: Expression, scope: Scope, outer: Sources | None = None) -> Outputs:
    """The columns of a query, each with the values that it is made of."""
    reach: dict[str, str | Outputs] = dict(outer or {})
    given = e.args.get("with_")
    for part in given.expressions if given is not None else ():
        names = [column.name for column in part.args["alias"].args.get("columns") or ()]
        reach[part.alias.lower()] = _renamed(outputs(part.this, scope, reach), names)
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
            return outputs_of(e.expressions, scope, read_by(e, scope, reach))
        case _:
            return []


def _renamed(found: Outputs, names: Sequence[str]) -> Outputs:
    return [(names[n] if n < len(names) else name, traces) for n, (name, traces) in enumerate(found)]


def outputs_of(items: Iterable[Expression], scope: Scope, sources: Sources) -> Outputs:
    """The columns that the items of a select list are."""
    found: Outputs = []
    for item in items:
        if item.key == "star" or (item.key == "column" and item.this.key == "star"):
            owner = (getattr(item, "table", "") or "").lower()
            for alias, source in sources.items():
                found += _starred(source, scope) if owner in ("", alias) else []
        else:
            found.append((item.alias_or_name, traced(item, scope, sources)))
    return found


def _starred(source: str | Outputs, scope: Scope) -> Outputs:
    if not isinstance(source, str):
        return source
    table = scope.table(source)
    return [(c.name, [Trace(Node(source, c.name.lower()))]) for c in table.columns] if table else []


def read_by(e: Expression, scope: Scope, outer: Mapping[str, str | Outputs]) -> dict[str, str | Outputs]:
    """What a statement reads, by alias."""
    found: dict[str, str | Outputs] = {}
    begun = e.args.get("from_")
    waiting = [begun.this] if begun is not None else []
    waiting += [e.args["using"]] if e.args.get("using") is not None and hasattr(e.args["using"], "key") else []
    waiting += [join.this for join in e.args.get("joins") or ()]
    waiting += list(e.args.get("laterals") or ())
    while waiting:
        source = waiting.pop(0)
        waiting += [join.this for join in source.args.get("joins") or ()]
        alias = (source.alias_or_name or "").lower()
        if source.key == "table":
            known = outer.get(source.name.lower()) if not source.db else None
            found[alias] = known if known is not None else full_name(source)
        elif source.key in ("paren", "tuple"):
            waiting.append(source.this)
        else:
            names = [column.name for column in (source.args.get("alias") and source.args["alias"].columns) or ()]
            inner = source.this if source.key == "lateral" else source
            found[alias] = _renamed(outputs(inner, scope, {**outer, **found}), names)
    return found


def full_name(table: Expression) -> str:
    """`schema.name` of a table as it is written, in lower case."""
    own = "@" if table.this.key == "parameter" else "#" if table.this.args.get("temporary") else ""
    parts = [part for part in (table.db, f"{own}{table.name}") if part]
    return ".".join(parts).lower()
