"""Which tables and columns a move means, and where they go: `tables`, `exclude`, `into`. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

from lading.errors import SpecError, meant
from lading.find import shown
from lading.schema import Column, Table
from lading.spec import Move


def chosen(move: Move, tables: Iterable[Table]) -> list[Table]:
    """The tables that a move names. Raises SpecError for a name or pattern that none has."""
    found = list(tables)
    picked: dict[str, Table] = {}
    for pattern in move.tables:
        hits = [table for table in found if _matches(table, pattern)]
        if doubled := [name for name, n in Counter(table.full_name for table in hits).items() if n > 1]:
            # 'b' in the schema 'a', and 'a.b' in the default one
            raise SpecError(
                f"{shown(move.source)} has two tables called '{doubled[0]}'.", "Rename one, or name the others."
            )
        if not hits and pattern != "*":
            names = {table.full_name for table in found}
            raise SpecError(f"No table of {shown(move.source)} is named '{pattern}'.", meant(pattern, names))
        picked.update({table.full_name: table for table in hits})
    kept = [without(t, move.exclude) for t in picked.values() if not any(_matches(t, p) for p in move.exclude)]
    _mapped(move, {table.full_name for table in kept})
    return kept


def _mapped(move: Move, names: set[str]) -> None:
    """Raises SpecError where `into` maps a table that is not moved: what was meant would go elsewhere."""
    for name in move.into if isinstance(move.into, dict) else ():
        if name not in names:
            raise SpecError(f"'into' maps '{name}', which is none of the tables that are moved.", meant(name, names))


def refuse_unknown(move: Move, tables: Collection[Table]) -> None:
    """Raises SpecError where `exclude` names a table or a column that the source does not have: what was meant to stay
    would go. Patterns may mean nothing yet."""
    for name in move.exclude:
        if is_pattern(name) or any(_matches(t, name) or any(_names(name, t, c) for c in t.columns) for t in tables):
            continue
        what = f"'exclude' names '{name}', which {shown(move.source)} does not have."
        of = next((t for t in tables if t.full_name == name.rpartition(".")[0]), None)
        if own := [f"{t.full_name}.{name}" for t in tables if t.column(name)]:
            raise SpecError(what, f"There are: {', '.join(own[:8])}.")
        rest, known = (
            (name.rpartition(".")[2], {c.name for c in of.columns}) if of else (name, {t.full_name for t in tables})
        )
        raise SpecError(what, meant(rest, known))


def refuse_undeclared(move: Move, tables: Collection[Table]) -> None:
    """Raises SpecError where `through` declares a column that no table of the move has: what was meant would be looked
    at by nobody."""
    for place in move.through:
        if isinstance(place, str):
            continue
        known = {place.word(table, column.name) for table in tables for column in table.columns}
        for word in (word for word in place.columns if word not in known):
            forms = {f"{t.full_name}.{c.name}" if "." in word else c.name for t in tables for c in t.columns}
            what = f"'through' declares '{word}' of '{place.name}', which no table that is moved has."
            raise SpecError(what, meant(word, forms))


RECORD = "lading_bills"
"""The table in which verdicts are kept for a team's own tools, where they are asked for."""


def alone(move: Move, there: Iterable[Table], theirs: Iterable[Table]) -> tuple[str, ...]:
    """The target's tables that patterns of a move mean and no table of the source goes into."""
    patterns = [pattern for pattern in move.tables if is_pattern(pattern)]
    if not patterns or move.into is not None:
        return ()
    met = {table.full_name for table in there} | {RECORD}
    found = (table for table in theirs if any(_matches(table, pattern) for pattern in patterns))
    kept = (table for table in found if not any(_matches(table, pattern) for pattern in move.exclude))
    return tuple(table.full_name for table in kept if table.full_name not in met)


def is_pattern(name: str) -> bool:
    return any(sign in name for sign in "*?[")


def without(table: Table, exclude: Iterable[str]) -> Table:
    """The table without the columns that are excluded by name; they keep nothing from being moved."""
    patterns = [p for p in exclude if not p.endswith(".*")]  # 'sales.*' is every table of a schema
    left = [c.name for c in table.columns if not any(_names(p, table, c) for p in patterns)]
    gone = [c.name for c in table.columns if c.name not in left]
    if not gone:
        return table
    if lost := [name for name in table.key if name not in left]:
        raise SpecError(f"'{lost[0]}' is part of the key of '{table.full_name}'.", "Take it out of 'exclude'.")
    columns = tuple(c for c in table.columns if c.name in left)
    return table.model_copy(update={"columns": columns, "problems": table.problems_beside(gone)})


def _names(pattern: str, table: Table, column: Column) -> bool:
    """Whether a pattern names a column: '*_log' names tables, and not every column that ends so."""
    of, dot, name = pattern.rpartition(".")
    return bool(dot) and _matches(table, of) and fnmatchcase(column.name, name)


def _matches(table: Table, pattern: str) -> bool:
    return pattern == table.full_name or fnmatchcase(table.full_name, pattern)


def into(move: Move, table: Table) -> Table:
    """Where a table goes: its own name, the source's default schema becoming the target's."""
    if isinstance(move.into, str):
        return table.model_copy(update={"schema_name": move.into})
    name = (move.into or {}).get(table.full_name)
    if name is None:
        return table
    schema, _, rest = name.rpartition(".")
    return table.model_copy(update={"schema_name": schema or None, "name": rest})
