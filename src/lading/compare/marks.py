"""Watermarks: which rows of the left are on their way since the last run."""

from __future__ import annotations

from typing import NamedTuple

from lading.connector import Session, Slice
from lading.schema import Table
from lading.types import Type

_ORDERED = {
    "int": "DECIMAL(38, 0)", "decimal": "DECIMAL(38, 10)", "float": "DOUBLE", "date": "DATE", "timestamp": "TIMESTAMP"
}  # fmt: skip


class Mark(NamedTuple):
    """A column that grows, the last of its values that a run has seen, and the one from which on the next run reads
    again, as canonical texts; it reads rows with NULL as well. Rows beyond the last value are on their way. Of those
    that are only read again, the ones that only the left has are on their way or lost: nobody can tell."""

    column: str
    last: str
    again: str = ""

    def unsure(self, rows: int) -> list[str]:
        """What is said of rows of which nobody can tell."""
        what = f"of the rows that only the left has, {rows:,} will be read by the next run, which reaches back in"
        return [f"{what} '{self.column}': on their way, or lost; prove again after it"] if rows else []

    def explains(self, session: Session, table: Table, missing: int) -> bool:
        """Whether rows that are on their way may be why the left has so many rows more, and other sums."""
        column = table.column(self.column)
        if column is None or missing < 0:
            return False
        own = table.model_copy(update={"columns": (column,)})

        def count(cut: Slice) -> int:
            reading = session.digest(own, cut)
            return reading.rows if reading else 0

        since = Slice(since=self.column, since_low=self.again or self.last)
        if missing > count(since):
            return False
        seen = Slice(on=(self.column,), keys=((self.last,), (None,)))
        return missing > 0 or count(since.model_copy(update={"since_low": self.last})) > count(seen)


def comparisons(column: str, type_: Type) -> tuple[str, str]:
    """Of a column of DuckDB that holds canonical texts: whether one is beyond that of a parameter, and whether it is at
    least that one or NULL."""
    native = _ORDERED.get(type_.kind, "VARCHAR")
    if type_.kind == "decimal" and type_.size is not None and type_.size <= 38:
        native = f"DECIMAL(38, {type_.scale})"
    elif type_.kind == "timestamp" and (type_.size or 0) > 6:
        native = "TIMESTAMP_NS"
    own, other = f"try_cast({column} AS {native})", f"try_cast(? AS {native})"
    return f"{own} > {other}", f"({column} IS NULL OR {own} >= {other})"
