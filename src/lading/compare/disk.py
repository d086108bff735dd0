"""Where many rows are joined: a database of DuckDB in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from lading.errors import Unreachable

MEMORY = "160MiB"
THREADS = 2
"""Each wants memory of its own, also on a machine of many cores."""


class Disk:
    """The database. Where disk or memory is too small for the rows, that is said of this one comparison."""

    def __init__(self, folder: Path) -> None:
        import duckdb

        self.folder, self._errors = folder, duckdb.Error
        self._room = (duckdb.IOException, duckdb.OutOfMemoryException)
        with self._told():
            self._db = duckdb.connect(str(folder / "differences.duckdb"))
            for setting in (
                f"memory_limit = '{MEMORY}'",
                f"threads = {THREADS}",
                f"temp_directory = '{folder}'",
                "preserve_insertion_order = false",
            ):
                self._db.execute(f"SET {setting}")

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        with self._told():
            self._db.execute(sql, list(values))

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._told():
            return self._db.execute(sql, list(values)).fetchall()

    def each(self, sql: str) -> Iterator[dict[str, Any]]:
        """The rows by the names of their columns, a few at a time."""
        with self._told():
            found = self._db.execute(sql)
            names = [column[0] for column in found.description or ()]
            while rows := found.fetchmany(1_000):
                yield from (dict(zip(names, row, strict=True)) for row in rows)

    def pour(self, table: str, rows: pa.Table) -> None:
        """Adds rows to a table."""
        with self._told():
            self._db.register("lading_rows", rows)
            self._db.execute(f"INSERT INTO {table} SELECT * FROM lading_rows")
            self._db.unregister("lading_rows")

    def close(self) -> None:
        with suppress(self._errors):
            self._db.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            text = str(error).split("\n")[0].rstrip(".")
            if not isinstance(error, self._room) and "No space left" not in text:
                raise
            raise Unreachable(
                f"There is no room to join the rows that differ: {text}.",
                f"Free space on the disk of '{self.folder.parent}', name another folder with TMPDIR, or leave out "
                "columns with 'exclude'. A table without a key wants the most: name one with 'key'.",
            ) from error
