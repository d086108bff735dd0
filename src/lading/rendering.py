"""Canonical texts in SQL: columns, rows and their MD5s as expressions, by the rules of a dialect."""

from __future__ import annotations

from collections.abc import Sequence

from lading.canon import Compared, form, groups
from lading.connector import Slice
from lading.dialect import Canon, Dialect
from lading.errors import Bug, Unsupported
from lading.schema import Column, Table


def hashes(dialect: Dialect) -> bool:
    """Whether the database itself can hash rows."""
    return dialect.canon is not None and bool(dialect.canon.md5 and dialect.canon.verified)


def canon(dialect: Dialect) -> Canon:
    if dialect.canon is None:
        raise Unsupported(f"{dialect.name} hashes no rows in place.", "Compare the tables otherwise.")
    return dialect.canon


def unrendered(dialect: Dialect, table: Table, columns: Sequence[Compared]) -> dict[str, str]:
    """See `connector.Fingerprints`."""
    if dialect.canon is None:
        return {column.name: f"{dialect.name} has no rules for canonical texts" for column in columns}
    if not dialect.canon.verified:
        return {column.name: f"the rules of {dialect.name} are not verified on a server" for column in columns}
    return {each.name: why for each in columns if (why := _why(dialect, table, each))}


def _why(dialect: Dialect, table: Table, column: Compared) -> str:
    own = _own(table, column)
    if form(own.type, column) is None:
        return f"{own.type} is not written as {column.type}"
    return "" if _found(dialect, table, column) else f"{dialect.name} has no rule for {own.type}"


def _own(table: Table, column: Compared) -> Column:
    found = table.column(column.name)
    if found is None:
        raise Bug(f"'{column.name}' is no column of '{table.full_name}'.")
    return found


def _found(dialect: Dialect, table: Table, column: Compared) -> str | None:
    own = _own(table, column)
    name = form(own.type, column)
    if name is None or dialect.canon is None:
        return None
    return dialect.canon.text(name, dialect.quote(own.name), dialect.read(own))


def text(dialect: Dialect, table: Table, column: Compared) -> str:
    """The expression of a column's canonical text. Raises Unsupported without a rule."""
    found = _found(dialect, table, column)
    if found is None:
        raise Unsupported(f"'{column.name}': {_why(dialect, table, column)}.", "Compare the tables otherwise.")
    return found


def rows(dialect: Dialect, table: Table, columns: Sequence[Compared]) -> list[str]:
    """The expressions of the texts of a row's groups."""
    rules = canon(dialect)
    found = []
    for group in groups(columns):
        parts = [
            (rules.counted if each.counted else rules.ended).format(
                t=text(dialect, table, each), c=dialect.quote(each.name)
            )
            for each in group
        ]
        found.append(rules.joined.replace("{items}", rules.between.join(parts)))
    return found


def md5(dialect: Dialect, parts: Sequence[str]) -> str:
    """The MD5 of a row whose groups are these."""
    rules = canon(dialect)
    if len(parts) > 1:
        each = [rules.md5.replace("{x}", part) for part in parts]
        parts = [rules.joined.replace("{items}", rules.between.join(each))]
    return rules.md5.replace("{x}", parts[0])


def place(dialect: Dialect, hash_: str, buckets: int) -> str:
    """The bucket of an MD5."""
    return dialect.modulo.format(a=canon(dialect).high.replace("{h}", hash_), b=buckets)


def in_buckets(dialect: Dialect, table: Table, slice: Slice) -> str:
    """Rows whose bucket is among a slice's."""
    if not slice.buckets:
        return "1 = 0"
    numbers = ", ".join(str(int(number)) for number in slice.buckets)
    return f"{place(dialect, md5(dialect, rows(dialect, table, slice.by)), slice.of)} IN ({numbers})"


def fingerprint(
    dialect: Dialect, table: Table, columns: Sequence[Compared], key: Sequence[Compared]
) -> tuple[str, str]:
    """What is selected of each row: its MD5 as `h`, that of its key as `k`; and the name of the one that has the
    bucket."""
    items = [f"{md5(dialect, rows(dialect, table, columns))} AS h"]
    if key:
        items.append(f"{md5(dialect, rows(dialect, table, key))} AS k")
    return ", ".join(items), "k" if key else "h"
