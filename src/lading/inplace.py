"""What a database is asked of its own rows so that they need not be moved."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from lading import rendering
from lading.canon import Compared, canonical, written_in_groups
from lading.dialect import Dialect
from lading.digest import Aggregate, Reading, summed
from lading.driver import Driver
from lading.errors import Unsupported
from lading.fingerprint import Bucket, Fingerprint, Fingerprinter, Moved, gathered, keyed
from lading.schema import Column, Table
from lading.types import Type

Ask = Callable[[Sequence[str]], Sequence[Any]]
_TEXT, _NUMBER = Type("string"), Type("float", 64)


def unrendered(dialect: Dialect, driver: Driver, table: Table, columns: Sequence[Compared]) -> dict[str, str]:
    """See `connector.Fingerprints`."""
    if dialect.canon is not None and dialect.canon.refusal and (found := driver.query(dialect.canon.refusal)):
        return {column.name: str(found[0][0]) for column in columns}
    return rendering.unrendered(dialect, table, columns)


class Rendered:
    """Rows of a slice as a database writes them, in the columns that are compared."""

    def __init__(
        self, dialect: Dialect, driver: Driver, table: Table, columns: Sequence[Compared], key: Sequence[str]
    ) -> None:
        self.dialect, self.driver, self.table = dialect, driver, table
        self.columns, self.key = columns, keyed(columns, key)

    def fingerprint(self, place: str, buckets: int, moved: Moved | None = None) -> Fingerprint:
        """`place` is FROM and WHERE; `moved` is told of what is hashed here."""
        for name, why in unrendered(self.dialect, self.driver, self.table, self.columns).items():
            raise Unsupported(f"'{name}' of '{self.table.full_name}': {why}.", "Compare the tables otherwise.")
        if not rendering.hashes(self.dialect):
            return self._hashed_here(place, buckets, moved)
        rules = rendering.canon(self.dialect)
        items, hash_ = rendering.fingerprint(self.dialect, self.table, self.columns, self.key)
        inner = f"SELECT {items} {place}{rules.once}"
        number = rendering.place(self.dialect, hash_, buckets)
        sums = ", ".join(f"sum({each.replace('{h}', 'h')})" for each in (rules.high, rules.low))
        sql = f"SELECT {number} AS b, count(*), count(h), {sums} FROM ({inner}) lading_q GROUP BY {number}"
        found: Fingerprint = {}
        for bucket, rows, hashed, high, low in self.driver.query(sql):
            if int(rows) != int(hashed):
                what = f"'{self.table.full_name}' has a row that is too long for {self.dialect.name} to hash."
                raise Unsupported(what, "Compare the tables otherwise.")
            found[int(bucket)] = Bucket(int(rows), int(high), int(low))
        return found

    def _hashed_here(self, place: str, buckets: int, moved: Moved | None) -> Fingerprint:
        taker = Fingerprinter((), self.columns, [each.name for each in self.key], buckets)
        for rows, keys in self.texts(place):
            taker.take(rows, keys)
            if moved:
                moved(len(rows[0]), sum(each.nbytes for each in (*rows, *keys)))
        return taker.fingerprint()

    def texts(self, place: str) -> Iterator[tuple[list[pa.Array], list[pa.Array]]]:
        """The texts of each row's groups, and of its key's. Who hashes rows writes them, too."""
        if not rendering.hashes(self.dialect):
            yield from self._written_here(place)
            return
        rows, keys = (rendering.rows(self.dialect, self.table, part) for part in (self.columns, self.key))
        names = [f"lading_{n}" for n in range(len(rows) + len(keys))]
        items = ", ".join(f"{item} AS {name}" for item, name in zip([*rows, *keys], names, strict=True))
        form = Table(name=self.table.full_name, columns=tuple(Column(name=n, type=_TEXT) for n in names))
        for batch in gathered(self.driver.fetch(f"SELECT {items} {place}", form)):
            yield batch.columns[: len(rows)], batch.columns[len(rows) :]

    def _written_here(self, place: str) -> Iterator[tuple[list[pa.Array], list[pa.Array]]]:
        names = [f"lading_{n}" for n in range(len(self.columns))]
        texts = [rendering.text(self.dialect, self.table, each) for each in self.columns]
        items = ", ".join(f"{text} AS {name}" for text, name in zip(texts, names, strict=True))
        types = [_NUMBER if each.type.kind == "float" else _TEXT for each in self.columns]
        own = [Column(name=name, type=type_) for name, type_ in zip(names, types, strict=True)]
        form = Table(name=self.table.full_name, columns=tuple(own))
        for batch in gathered(self.driver.fetch(f"SELECT {items} {place}", form)):
            arrays = [canonical(array, type_) for array, type_ in zip(batch.columns, types, strict=True)]
            found = {each.name: array for each, array in zip(self.columns, arrays, strict=True)}
            yield written_in_groups(found, self.columns), written_in_groups(found, self.key)


def reading(dialect: Dialect, ask: Ask, table: Table, row_hash: str) -> Reading:
    """See `connector.Session.digest`; `ask` gives one row of the slice's aggregates."""
    items = ["count(*)"]
    for column in table.columns:
        quoted, sum_ = dialect.quote(column.name), _totalled(dialect, column)
        sum_ = sum_.format(c=dialect.read(column), q=quoted) if sum_ else "NULL"
        items += [dialect.count.format(c=quoted) if column.null else "NULL", sum_]
    items += [row_hash] if row_hash else []
    values: list[Any] = []
    for start in range(0, len(items), dialect.select_items):
        values += ask(items[start : start + dialect.select_items])
    rows, columns = int(values[0]), {}
    for c, n, t in zip(table.columns, values[1::2], values[2::2], strict=False):
        known = _total(t) if _totalled(dialect, c) else None
        columns[c.name] = Aggregate(values=int(n) if c.null else rows, total=known)
    return Reading(rows=rows, columns=columns, native=str(values[-1]) if row_hash else "")


def _totalled(dialect: Dialect, column: Column) -> str | None:
    """The template of a column's sum; None when it is not summed."""
    most, digits = dialect.total_digits, column.type.size if column.type.kind == "decimal" else 0
    native = column.native.partition(":")[2].lower()
    if not summed(column.type) or (most is not None and (digits or 0) > most) or re.fullmatch(dialect.unsummed, native):
        return None
    return dialect.totals.get(column.type.kind)


def _total(value: Any) -> Decimal | None:
    """A sum as `Dialect.totals` give it; None of values that have none, such as NaN."""
    high, _, low = str(value or 0).rpartition(":")
    total = Decimal(int(high) * 2**32 + int(low)) if high else Decimal(low)
    return total if total.is_finite() else None
