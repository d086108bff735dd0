"""One vendor's library, spoken to in SQL: what a connector to a database brings along."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
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


WIDE = 64
"""Columns from which on a table is wide: something is held for each."""
_ROWS, _LONG = 16_384, 64 << 10


def rows_within(batch_mb: int, table: Table, long: int) -> int:
    """How many rows to fetch at a time where a library counts rows: as many as come to so many MiB if each text is as
    long as its column allows, and those without a limit 64 KiB. With such a column never more than `long`."""
    row, most = 1, _ROWS
    for type_ in (column.type for column in table.columns):
        if type_.kind not in ("string", "binary", "json", "list"):
            row += 16
        elif type_.size is None:
            row, most = row + _LONG, min(most, long)
        else:
            row += type_.size * (4 if type_.kind == "string" and not type_.in_bytes else 1)
    return max(min((batch_mb << 20) // row, most), 1)


def spent(tasks: Iterable[int], program: str, host: str | None) -> float | None:
    """Seconds of processor time that processes or threads of a server on this machine have taken; None where the
    server is elsewhere."""
    if host and not host.startswith("/") and host not in ("localhost", "127.0.0.1", "::1"):
        return None
    ticks = 0
    for task in tasks:
        try:
            text = Path(f"/proc/{task}/task/{task}/stat").read_text()  # a thread's number leads to its process, too
        except OSError:
            return None
        name, _, fields = text.partition("(")[2].rpartition(")")
        if not name.startswith(program):
            return None
        ticks += sum(map(int, fields.split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


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
