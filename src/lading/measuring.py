"""A profile in place: one select of aggregates, made from a dialect's aspects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lading.dialect import Aspects, Dialect
from lading.errors import Unsupported
from lading.facts import HEAD, Facts, plain, whole_digits
from lading.losing import NEVER, lost, odd
from lading.patterns import PATTERNS
from lading.schema import NO_VALUES, Column, Table
from lading.types import Type

Ask = Callable[[Sequence[str]], Sequence[Any]]
"""Asks for aggregates of a table in one select; one row."""
SMALL_BYTES = 512 * 2**20
_STAND = "lading\1"
"""Stands for a column's name in templates, which could be one of their words, such as '{v}'."""


def measure(ask: Ask, dialect: Dialect, columns: Iterable[Column]) -> dict[str, Type]:
    """See `connector.Measures`."""
    found: dict[str, Type] = {}
    for column in columns if dialect.measure else ():
        stand = column.model_copy(update={"name": _STAND})
        quoted, read = dialect.quote(stand.name), dialect.read(stand)
        sql = dialect.measure.replace("{c}", quoted).replace("{r}", read)
        whole, scale = ask([sql.replace(quoted, dialect.quote(column.name))])
        if whole is not None:
            digits = int(whole) + int(scale or 0)
            found[column.name] = Type("decimal", digits, int(scale or 0)) if digits else NO_VALUES
    return found


def profile(ask: Ask, dialect: Dialect, table: Table, targets: Mapping[str, Type]) -> tuple[int, list[Facts]]:
    """See `connector.Profiles`."""
    aspects = dialect.aspects
    if aspects is None:
        raise Unsupported(f"{dialect.name} cannot be asked for a profile.", "It is read instead.")
    about = bool(aspects.about) and not _small(aspects, table)
    items = [("", "", "count(*)")]
    for column in table.columns:
        if aspects.away and re.fullmatch(aspects.away, str(column.type)):
            raise Unsupported(f"{dialect.name} cannot be asked about '{column.name}', which is {column.type}.", "")
        stand, target = column.model_copy(update={"name": _STAND}), targets.get(column.name)
        asked = [*_items(dialect, aspects, stand, about)]
        asked += _losing(dialect, aspects, column, target) if target is not None else ()
        own, quoted = dialect.quote(column.name), dialect.quote(_STAND)
        items += [(column.name, name, sql.replace(quoted, own)) for name, sql in asked]
    values: list[Any] = []
    for start in range(0, len(items), dialect.select_items):
        values += ask([sql for _, _, sql in items[start : start + dialect.select_items]])
    raw: dict[str, dict[str, Any]] = {column.name: {} for column in table.columns}
    for (column_name, name, _), value in zip(items[1:], values[1:], strict=True):
        raw[column_name][name] = value
    rows = int(values[0])
    return rows, [facts(column, rows, raw[column.name], about, targets.get(column.name)) for column in table.columns]


def _small(aspects: Aspects, table: Table) -> bool:
    """Whether values that differ are counted exactly."""
    if table.rows is None and table.bytes is None:
        return False
    return (table.rows or 0) <= aspects.exact_rows and (table.bytes or 0) <= SMALL_BYTES


def value_of(dialect: Dialect, aspects: Aspects, column: Column) -> str:
    template = aspects.of(aspects.values, column.type, "{r}")
    return template.replace("{c}", dialect.quote(column.name)).replace("{r}", dialect.read(column))


def counted(condition: str) -> str:
    return f"count(CASE WHEN {condition} THEN 1 END)"


def _items(dialect: Dialect, aspects: Aspects, column: Column, about: bool) -> Iterable[tuple[str, str]]:
    """Names of facts, and the aggregates that give them."""
    v, quoted, kind = value_of(dialect, aspects, column), dialect.quote(column.name), column.type.kind

    def of(template: str, value: str = v) -> str:
        return template.replace("{v}", value).replace("{s}", str(column.type.scale))

    yield "values", dialect.count.replace("{c}", quoted)
    yield "distinct", of(aspects.about if about else aspects.distinct)
    finite = v  # whose digits are counted: of infinity and NaN no letters are
    for name, rules in (("nan", aspects.nan), ("infinite", aspects.infinite)):
        if condition := aspects.of(rules, column.type):
            yield name, counted(of(condition))
            finite = f"CASE WHEN NOT ({of(condition)}) THEN {finite} END"
    if kind not in ("binary", "json", "interval", "list"):
        shown = of(aspects.head.replace("{n}", str(HEAD))) if kind == "string" else finite
        shows = aspects.of(aspects.shows, column.type, "{v}")
        yield "min", of(shows, f"min({shown})")
        yield "max", of(shows, f"max({shown})")
    if kind in ("string", "json"):
        yield "characters", f"max({of(aspects.characters)})"
    size = aspects.bytes if kind == "binary" else aspects.text_bytes
    if kind in ("string", "json", "binary") and size:
        yield "bytes", f"max({of(size)})"
    if kind in ("string", "binary"):
        yield "empty", counted(f"{of(aspects.characters if kind == 'string' else size)} = 0")
    if kind == "string":
        yield from _text_items(aspects, v)
    if kind == "decimal" and aspects.scale:
        yield "scale", f"max({of(aspects.scale, finite)})"
    if fraction := aspects.of(aspects.fraction, column.type):
        yield "fraction", f"max({of(fraction, finite)})"
    if kind == "timestamp" and aspects.midnight:
        yield "midnight", counted(of(aspects.midnight, finite))


def _text_items(aspects: Aspects, v: str) -> Iterable[tuple[str, str]]:
    yield "blanks", counted(f"{v} LIKE '% '")
    for name in (*PATTERNS, "json"):
        if condition := looks(aspects, name):
            yield f"parses:{name}", counted(condition.replace("{v}", v))
    number = looks(aspects, "number")
    if number and aspects.whole:
        for name, part in (("digits", aspects.whole), ("scale", aspects.tail)):
            length = aspects.characters.replace("{v}", part)
            yield name, f"max(CASE WHEN {number} THEN {length} END)".replace("{v}", v)


def looks(aspects: Aspects, name: str) -> str:
    if name in aspects.looks:
        return aspects.looks[name]
    return aspects.matches.replace("{p}", PATTERNS[name]) if name in PATTERNS else ""


def _losing(dialect: Dialect, aspects: Aspects, column: Column, target: Type) -> Iterable[tuple[str, str]]:
    v = value_of(dialect, aspects, column.model_copy(update={"name": _STAND}))
    condition = lost(aspects, column.type, target)
    if condition is None:
        what = f"{dialect.name} cannot be asked how many values of '{column.name}' {target} loses."
        raise Unsupported(what, "The table is read instead.")
    if condition != NEVER:
        yield "lost", counted(condition.replace("{v}", v).replace("{s}", str(column.type.scale)))
    if strange := odd(aspects, column.type, target):
        yield "odd", counted(strange.replace("{v}", v))


def facts(column: Column, rows: int, raw: dict[str, Any], about: bool, target: Type | None) -> Facts:
    """What the aggregates say of a column. Raises Unsupported when they cannot tell what would be lost."""

    def count(name: str) -> int | None:
        return None if raw.get(name) is None else int(raw[name])

    if count("odd"):
        what = f"'{column.name}' holds very long numbers, which only a reader can judge."
        raise Unsupported(what, "The table is read instead.")
    kind, values = column.type.kind, count("values") or 0
    parses = {name.partition(":")[2]: int(raw[name] or 0) for name in raw if name.startswith("parses:")}
    low, high = (plain(raw.get(name), column.type) for name in ("min", "max"))
    numeric = kind in ("int", "decimal")
    all_numbers = kind == "string" and parses.get("number") == values
    return Facts(
        column=column.name, type=column.type, nulls=rows - values,
        distinct=_most(count("distinct"), values), about=about,
        min=low, max=high, characters=count("characters"), bytes=count("bytes"),
        digits=whole_digits(low, high) if numeric else count("digits") if all_numbers else None,
        scale=count("scale") if kind == "decimal" or all_numbers else None, fraction=count("fraction"),
        midnight=count("midnight"), empty=count("empty"), blanks=count("blanks"), nan=count("nan"),
        infinite=count("infinite"), parses=parses,
        lost={} if target is None else {str(target): count("lost") or 0},
    )  # fmt: skip


def _most(distinct: int | None, values: int) -> int | None:
    """An estimate may be more than there are values."""
    return None if distinct is None else min(distinct, values)
