"""One connection to a DuckDB file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa

from lading.connector import Load
from lading.connectors.duckdb.faults import error_of, opened, refuse_endless, whole
from lading.connectors.duckdb.naming import named
from lading.connectors.duckdb.reading import LITTLE_MB, most_rows, pieces
from lading.connectors.duckdb.swap import swapping
from lading.dialects.duckdb import dialect
from lading.errors import DataError, SpecError
from lading.schema import Table


class DuckDBDriver:
    """See `sql.Driver`. DuckDB makes a file when it opens one; here a file is made when it is first written to."""

    named = named

    def __init__(self, path: str, memory_mb: int) -> None:
        import duckdb

        self.path, self._errors, self._little = path, duckdb.Error, memory_mb < LITTLE_MB
        # Sessions of one process share a file's database, which has one configuration.
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_mb}MiB",
            "threads": 1 if self._little else min(os.cpu_count() or 1, 4),
            "preserve_insertion_order": "false", "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "true",
        }  # fmt: skip
        self._connect(make=False)

    def _connect(self, make: bool) -> None:
        self.absent = not make and not os.path.exists(self.path)
        if self.absent and not os.path.isdir(os.path.dirname(self.path) or "."):
            raise SpecError(f"DuckDB file '{self.path}': its folder is not there.", "Make it, or correct the path.")
        try:
            self._connection = opened(":memory:" if self.absent else self.path, self._config)
            # A bar would get into what is printed.
            small = "; SET streaming_buffer_size = '1MiB'" * self._little
            self._connection.execute(f"SET TimeZone = 'UTC'; SET enable_progress_bar = false{small}")
        except self._errors as error:
            raise error_of(self.path, error) from error

    def need_file(self) -> None:
        """Raises SpecError when there is nothing to read."""
        self._look_again()
        if self.absent:
            what = f"DuckDB file '{self.path}' is not there."
            raise SpecError(what, "Correct the path; a file to write to is made when it is written to.")

    def _look_again(self) -> None:
        if self.absent and os.path.exists(self.path):
            self._connection.close()
            self._connect(make=False)

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self._look_again()
        try:
            return self._connection.execute(sql, list(values)).fetchall()
        except self._errors as error:
            raise error_of(self.path, error) from error

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        self._look_again()
        try:
            self._connection.execute(sql, list(values))
        except self._errors as error:
            raise error_of(self.path, error) from error

    def fetch(self, sql: str, table: Table) -> Iterator[pa.RecordBatch]:
        self.need_file()
        schema = pa.schema([(column.name, column.type.arrow()) for column in table.columns])
        try:
            # Closed, as an error keeps what its frames hold, and an open result keeps the connection.
            with self._connection.sql(sql).to_arrow_reader(most_rows(table, self._little)) as reader:
                for batch in pieces(reader, self._little):
                    arrays = [a if a.type == f.type else a.cast(f.type) for a, f in zip(batch, schema, strict=True)]
                    for array, column in zip(arrays, table.columns, strict=True):
                        refuse_endless(array, column, table)
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        except self._errors as error:
            raise error_of(self.path, error, table) from error
        except pa.ArrowInvalid as error:
            what = f"A value of '{table.full_name}' is out of range: {str(error).splitlines()[0]}"
            raise DataError(what, "Correct it.") from error

    def load(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        schema = pa.schema([(column.name, column.type.arrow()) for column in table.columns])
        source, columns = _Source(whole(batches, table)), ", ".join(map(dialect.quote, schema.names))
        self._connection.register("lading_in", pa.RecordBatchReader.from_batches(schema, source.batches()))
        try:
            # Several threads would leave parts of row groups, which the checkpoint at the end writes again, larger.
            self._connection.execute("SET threads = 1")
            self._connection.execute(f"INSERT INTO {self.named(table)} ({columns}) SELECT * FROM lading_in")
        except self._errors as error:
            raise source.error or error_of(self.path, error) from error
        finally:
            with suppress(self._errors):  # A transaction that failed does not even let a name go.
                self._connection.unregister("lading_in")
        return source.rows

    def begin(self) -> None:
        if self.absent:
            self._connection.close()
            self._connect(make=True)
        self.execute("BEGIN")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        with suppress(self._errors):  # There may be no transaction: DuckDB ends it by itself after some errors.
            self._connection.execute("ROLLBACK")

    def pin(self, snapshot: str | None) -> str:
        self.need_file()
        self.execute("BEGIN")
        return f"one transaction, {self.query('SELECT txid_current()')[0][0]}"

    def swap(self, load: Load) -> list[str] | None:
        return swapping(self.query, self.named, load)

    def close(self) -> None:
        self._connection.close()


class _Source:
    """Batches for DuckDB to pull; keeps our own error, which DuckDB would turn into text."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = batches
        self.rows = 0
        self.error: BaseException | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                self.rows += batch.num_rows
                yield batch
        except BaseException as error:
            self.error = error
            raise
