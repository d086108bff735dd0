"""Rules about a table, asked of its database: each gives a sentence where it is broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

from lading.binding import bound, select, value
from lading.errors import SpecError
from lading.render import plural
from lading.schema import Table
from lading.sql import SqlSession

LEAST = 3
"""How many earlier counts say what is usual."""


class Checking(NamedTuple):
    """A table that is looked at, and the columns whose values are not shown."""

    session: SqlSession
    table: Table
    params: Mapping[str, Any]
    hidden: Sequence[str]
    usual: Sequence[int] = ()
    """The table's rows, and how many there were in earlier runs, where a rule asks for that."""

    @property
    def name(self) -> str:
        return self.session.name(self.table)

    def quote(self, column: str) -> str:
        """The quoted name. Raises SpecError for a column that the table does not have."""
        if self.table.column(column) is None:
            known = ", ".join(each.name for each in self.table.columns)
            raise SpecError(f"'{self.table.full_name}' has no column '{column}'.", f"There are: {known}.")
        return self.session.dialect.quote(column)

    def count(self, rest: str, values: Sequence[Any] = ()) -> int:
        """The rows of FROM and what follows."""
        return int(self.session.driver.query(f"SELECT count(*) FROM {rest}", values)[0][0])

    def shown(self, column: str, where: str, values: Sequence[Any]) -> str:
        """Some of the values that break a rule, unless they are sensitive."""
        if column in self.hidden:
            return ""
        found = self.table.column(column)
        item = self.session.dialect.show(found) if found else self.quote(column)
        sql = f"SELECT DISTINCT {item} FROM {self.name} WHERE {where}"
        rows = self.session.driver.query(self.session.dialect.limit.format(sql=sql, n=3), values)
        return f", such as {', '.join(str(row[0])[:40] for row in rows)}" if rows else ""


def broken(checking: Checking, rule: Any) -> str:
    """What is wrong by a rule of the step `check`; empty when it is kept."""
    return _RULES[rule.name](checking, getattr(rule, rule.name))


def _not_empty(checking: Checking, _rule: Any) -> str:
    return "" if checking.count(checking.name) else "it is empty"


def _rows(checking: Checking, rule: Any) -> str:
    if rule.near:
        return _unusual(checking.usual, rule.within)
    count = checking.count(checking.name)
    if count < rule.low:
        return f"it has {count:,} rows, fewer than {rule.low:,}"
    return f"it has {count:,} rows, more than {rule.high:,}" if rule.high is not None and count > rule.high else ""


def _unusual(counts: Sequence[int], percent: float) -> str:
    count, *earlier = counts
    if len(earlier) < LEAST:
        return ""
    middle = median(earlier)
    if abs(count - middle) * 100 <= middle * percent:
        return ""
    return f"it has {count:,} rows, and usually {middle:,.0f}: more than {percent:g} % apart"


def _unique(checking: Checking, columns: Sequence[str]) -> str:
    names = ", ".join(checking.quote(column) for column in columns)
    doubled = f"SELECT {names} FROM {checking.name} GROUP BY {names} HAVING count(*) > 1"
    count = checking.count(f"({doubled}) lading_q")
    return f"{plural(count, 'value')} of {', '.join(columns)} more than once" if count else ""


def _not_null(checking: Checking, columns: Sequence[str]) -> str:
    counts = {c: checking.count(f"{checking.name} WHERE {checking.quote(c)} IS NULL") for c in columns}
    return ", ".join(f"'{column}' is NULL in {plural(count, 'row')}" for column, count in counts.items() if count)


def _between(checking: Checking, rule: Any) -> str:
    quoted, mark = checking.quote(rule.column), checking.session.dialect.placeholder
    limits = [(f"{quoted} < {mark}", rule.low), (f"{quoted} > {mark}", rule.high)]
    where = " OR ".join(condition for condition, limit in limits if limit is not None)
    values = [value(limit) for _, limit in limits if limit is not None]
    count = checking.count(f"{checking.name} WHERE {where}", values)
    shown = checking.shown(rule.column, where, values) if count else ""
    span = f"{'' if rule.low is None else rule.low} to {'' if rule.high is None else rule.high}".strip()
    return f"'{rule.column}' is not within {span} in {plural(count, 'row')}{shown}" if count else ""


def _accepted(checking: Checking, rule: Any) -> str:
    marks = ", ".join([checking.session.dialect.placeholder] * len(rule.values))
    where = f"{checking.quote(rule.column)} NOT IN ({marks})"
    values = [value(each) for each in rule.values]
    count = checking.count(f"{checking.name} WHERE {where}", values)
    shown = checking.shown(rule.column, where, values) if count else ""
    return f"'{rule.column}' has other values in {plural(count, 'row')}{shown}" if count else ""


def _references(checking: Checking, rule: Any) -> str:
    other = checking.session.describe(rule.table)
    if other is None:
        raise SpecError(f"There is no table '{rule.table}'.", "Correct 'table' of 'references'.")
    there = Checking(checking.session, other, {}, ())
    pairs = list(zip(rule.columns, rule.to or rule.columns, strict=True))
    on = " AND ".join(f"r.{there.quote(theirs)} = t.{checking.quote(ours)}" for ours, theirs in pairs)
    whole = " AND ".join(f"t.{checking.quote(ours)} IS NOT NULL" for ours in rule.columns)
    missing = f"NOT EXISTS (SELECT 1 FROM {there.name} r WHERE {on})"
    count = checking.count(f"{checking.name} t WHERE {whole} AND {missing}")
    return f"{plural(count, 'row')} whose {', '.join(rule.columns)} '{rule.table}' has not" if count else ""


def stale(checking: Checking, rule: Any) -> str:
    """How the newest moment in a column is too old; empty when it is not. `rule` has the column and the hours."""
    quoted, found = checking.quote(rule.column), checking.table.column(rule.column)
    item = checking.session.dialect.show(found) if found else quoted
    sql = f"SELECT {item} FROM {checking.name} WHERE {quoted} IS NOT NULL ORDER BY {quoted} DESC"
    rows = checking.session.driver.query(checking.session.dialect.limit.format(sql=sql, n=1))
    if not rows:
        return f"'{rule.column}' has no value, so nothing is fresh"
    try:
        moment = datetime.fromisoformat(str(rows[0][0]))
    except ValueError as error:
        raise SpecError(f"'{rule.column}' holds no moments.", "Name a column of dates or timestamps.") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    age = datetime.now(UTC) - moment
    if age <= timedelta(hours=rule.hours):
        return ""
    return f"the newest '{rule.column}' is {age.total_seconds() / 3600:,.1f} hours old, more than {rule.hours:g}"


def _sql(checking: Checking, text: str) -> str:
    sql, values = bound(select(text), checking.params, checking.session.dialect)
    count = checking.count(f"({sql}\n) lading_q", values)
    return f"{plural(count, 'row')} of the select that should give none" if count else ""


_RULES: dict[str, Callable[[Checking, Any], str]] = {
    "not_empty": _not_empty, "rows": _rows, "unique": _unique, "not_null": _not_null, "between": _between,
    "accepted": _accepted, "references": _references, "freshness": stale, "sql": _sql,
}  # fmt: skip
