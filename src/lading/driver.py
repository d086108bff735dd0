"""One vendor's library, spoken to in SQL: what a connector to a database brings along."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import pyarrow as pa

from lading.connector import Load
from lading.schema import Table


class Driver(Protocol):
    """One vendor's library, spoken to in SQL. Every failure is one of the seven errors."""

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a small result."""

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        """Runs a statement."""

    def fetch(self, sql: str, table: Table) -> Iterator[pa.RecordBatch]:
        """Streams a result whose columns are `table`'s, read by `Dialect.read`, in their canonical Arrow types."""

    def load(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        """Appends batches to a table inside the transaction begun, refusing whatever it would change."""

    def begin(self) -> None:
        """Begins a transaction that writes."""

    def commit(self) -> None:
        """Makes it durable."""

    def rollback(self) -> None:
        """Undoes it; without a transaction does nothing."""

    def pin(self, snapshot: str | None) -> str:
        """See `Session.pin`."""

    def swap(self, load: Load) -> list[str] | None:
        """Statements that put the staged table in place of the old one, keeping all that hangs on it; None when
        the old table must be refilled instead."""

    def close(self) -> None:
        """Ends the connection."""


@contextmanager
def transaction(driver: Driver) -> Iterator[None]:
    """Commits at the end, or undoes everything and lets the error through."""
    driver.begin()
    try:
        yield
        driver.commit()
    except BaseException:
        driver.rollback()
        raise
