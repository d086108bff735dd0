"""From which columns of which tables the columns of a select come, as sqlglot reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from lading.hops.flow import ODD, parsed, quiet
from lading.schema import Table


class Origin(NamedTuple):
    """A column that a select reads, and whether it gives it back as it is, aggregated or changed otherwise."""

    table: str
    column: str
    how: str = "IDENTITY"


class Origins(NamedTuple):
    """The tables that a select reads, and for each column that it gives where that comes from; `unknown` says why
    that is not known."""

    tables: tuple[Table, ...] = ()
    columns: Mapping[str, tuple[Origin, ...]] = MappingProxyType({})
    unknown: str = ""


def origins(sql: str, language: str, described: Callable[[str], Table | None]) -> Origins:
    """Where the columns of a select come from. `described` is a table as its system describes it."""
    try:
        from sqlglot.errors import SqlglotError
    except ImportError:
        return Origins(unknown="sqlglot is not installed: pip install 'lading[hops]'")
    tables: dict[str, Table] = {}
    try:
        with quiet():
            tree = parsed(sql, language)
            tables = _flattened(tree, described)
            return Origins(tuple(tables.values()), _columns(tree, language, tables))
    except (*ODD, SqlglotError) as error:
        return Origins(tuple(tables.values()), unknown=str(error).splitlines()[0] if str(error) else "it was not read")


def _flattened(tree: Any, described: Callable[[str], Table | None]) -> dict[str, Table]:
    """The tables that a select names, by the names t0, t1 ... that they have in the tree afterwards."""
    from sqlglot import exp

    own = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    known: dict[str, tuple[str, Table]] = {}
    for node in list(tree.find_all(exp.Table)):
        name = ".".join(part for part in (node.db, node.name) if part)
        if not node.db and node.name.lower() in own:
            continue
        if not node.name or node.catalog:
            raise ValueError(f"'{node.sql()}' is no table of this system")
        if name not in known:
            table = described(name)
            if table is None:
                raise ValueError(f"there is no table '{name}'")
            known[name] = f"t{len(known)}", table
        alias = node.alias or node.name
        node.set("db", None)
        node.set("this", exp.to_identifier(known[name][0]))
        node.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
    for column in tree.find_all(exp.Column):
        column.set("db", None)
    return dict(known.values())


def _columns(tree: Any, language: str, tables: dict[str, Table]) -> dict[str, tuple[Origin, ...]]:
    from sqlglot import exp
    from sqlglot.lineage import lineage
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    from lading.hops.split import GRAMMARS

    grammar = GRAMMARS[language]
    schema: dict[str, Any] = {name: {column.name: "text" for column in table.columns} for name, table in tables.items()}
    whole = qualify(tree, dialect=grammar, schema=schema, quote_identifiers=False, identify=False)
    scope = build_scope(whole)
    found: dict[str, tuple[Origin, ...]] = {}
    for name in whole.named_selects:
        seen: dict[Origin, None] = {}
        for node in lineage(name, whole, dialect=grammar, schema=schema, scope=scope, copy=False).walk():
            table = tables.get(node.expression.name) if isinstance(node.expression, exp.Table) else None
            if table is None:
                continue
            wanted = node.name.rpartition(".")[2].strip('"`').lower()
            column = next((each.name for each in table.columns if each.name.lower() == wanted), None)
            if column is not None:
                seen[Origin(table.full_name, column, _how(name, whole))] = None
        found[name] = tuple(seen)
    return found


def _how(name: str, tree: Any) -> str:
    """What becomes of the values of the columns that an outermost column comes from."""
    from sqlglot import exp

    select = tree.find(exp.Select)
    given = next((each for each in tree.selects if each.alias_or_name == name), None)
    inner = given.unalias() if given is not None else None
    if inner is None or select is None:
        return "TRANSFORMATION"
    if inner.find(exp.AggFunc):
        return "AGGREGATION"
    plain = isinstance(inner, exp.Column) and not list(tree.find_all(exp.Subquery, exp.CTE))
    return "IDENTITY" if plain else "TRANSFORMATION"
