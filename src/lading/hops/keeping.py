"""Which functions give a value back with all its characters and digits. Of any other it is said that what it keeps is
not known; see docs/why/hops.md."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lading.hops.nodes import Expression, Scope, Trace

_WHOLE = {
    "paren", "alias", "coalesce", "upper", "lower", "initcap", "nullif", "collate", "anyvalue", "firstvalue",
    "lastvalue", "window", "distinct", "ordered", "first", "last",
}  # fmt: skip
FIRST = {"nullif", "collate", "window", "trim", "attimezone", "replace"}
"""Of these only the first part is the value."""
_OF_THEIR_OWN = {
    "nextval", "currval", "lastval", "last_insert_id", "newid", "newsequentialid", "scope_identity", "sysdatetime",
    "sysutcdatetime", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "txid_current",
}  # fmt: skip
"""Functions whose value is no column's."""


def kept(e: Expression) -> bool:
    """Whether what an expression gives is one of its values, with all its characters and digits."""
    match e.key:
        case "trim":  # of blanks, which systems add and take away by themselves
            given = _bare(e.args.get("expression"))
            return given is None or (given.is_string and not given.name.strip(" "))
        case "max" | "min":  # of several columns the least is as good as a limit
            return not e.expressions
        case "attimezone":
            zone = _bare(e.args["zone"])
            return bool(zone.is_string and zone.name.upper() == "UTC")
        case "replace":
            old, new = (length(e.args.get(part)) for part in ("expression", "replacement"))
            return old is not None and old == new
        case key:
            return key in _WHOLE


def length(e: Expression | None) -> int | None:
    """How many characters a text has that is written in the code."""
    e = _bare(e)
    if e is not None and e.key == "chr" and len(e.expressions) == 1:
        return 1
    if e is not None and e.key == "bytestring":  # E'\\n'
        return len(re.sub(r"\\.", "x", e.name)) if re.fullmatch(r"(?:[^\\]|\\[^0-7xuU])*", e.name) else None
    return len(e.name) if e is not None and (e.key == "national" or e.is_string) else None


def _bare(e: Expression) -> Expression:
    """Without the cast that PostgreSQL writes to the texts of a view."""
    return e.this if e is not None and e.key == "cast" else e


def foreign(e: Expression) -> bool:
    """Whether a function in it can give what is not in its arguments, as one that reads a table does."""
    return any(part.key == "anonymous" and part.name.lower() not in _OF_THEIR_OWN for part in e.walk())


def floating(e: Expression, traces: Iterable[Trace], scope: Scope) -> str:
    """The type of a float, where an expression is seen to be one; `traces` are the values that it passes on."""
    return next((each for each in _natives(e, traces, scope) if re.match("double|float|real", each.lower())), "")


def native_of(e: Expression, traces: Iterable[Trace], scope: Scope) -> str:
    """The type of a value, where it is seen to have one."""
    if e.is_string or e.key == "national":
        return f"{'nvarchar' if e.key == 'national' else 'varchar'}({len(e.name) or 1})"
    found = set(_natives(e, traces, scope))
    return found.pop() if len(found) == 1 else ""


def _natives(e: Expression, traces: Iterable[Trace], scope: Scope) -> list[str]:
    while e.key in ("paren", "neg"):
        e = e.this
    if e.key == "literal" and scope.grammar != "postgres" and not e.is_string and "e" in e.name.lower():
        return ["double precision"]
    if e.key in ("cast", "trycast"):
        return [e.args["to"].sql(scope.grammar)]
    return [_native(trace, scope) for trace in traces]


def _native(trace: Trace, scope: Scope) -> str:
    if trace.steps:
        return trace.steps[-1].native if trace.steps[-1].kind in ("cast", "met") else ""
    if not trace.node.owner:
        return scope.natives.get(trace.node.name, "")
    table = scope.table(trace.node.owner)
    column = next((c for c in table.columns if c.name.lower() == trace.node.name), None) if table else None
    return (column.native.partition(":")[2] or str(column.type).replace("float(", "float (")) if column else ""
