"""One connection to a SQLite file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa

from lading.connector import Load
from lading.connectors.sqlite.faults import error_of, misfit
from lading.connectors.sqlite.forms import FIRST, adbc, storable, stored, typed
from lading.errors import DataError, SpecError
from lading.fingerprint import gathered
from lading.schema import Table

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection, Cursor

ROWS, ROWS_A_MIB = 1_024, 64


class SQLiteDriver:
    """See `sql.Driver`. SQLite makes a file when it opens one; here a file is made when it is first written to."""

    def __init__(self, path: str, busy_seconds: int, batch_mb: int) -> None:
        self.path = path
        self._busy_seconds, self._batch_mb = busy_seconds, batch_mb
        self._adbc = adbc()
        self._connection: Connection | None = None
        self._writing = False
        self._connect(make=False)

    def _connect(self, make: bool) -> None:
        self.close()
        self.absent = not make and not os.path.exists(self.path)
        if self.absent and not os.path.isdir(os.path.dirname(self.path) or "."):
            raise SpecError(
                f"SQLite file '{self.path}': its folder is not there.", "Make the folder, or correct the path."
            )
        try:
            self._connection = self._adbc.connect(
                ":memory:" if self.absent else f"file:{quote(self.path)}?mode=rwc", autocommit=True
            )
            self._cursor: Cursor = self._connection.cursor()
        except (OSError, self._adbc.Error) as error:
            raise error_of(self.path, error) from error
        self.execute(f"PRAGMA busy_timeout = {self._busy_seconds * 1000}")
        # Rows of other tables are not deleted with those that are replaced.
        self.execute("PRAGMA foreign_keys = OFF")

    def need_file(self) -> None:
        """Raises SpecError when there is nothing to read."""
        self._look_again()
        if self.absent:
            what = f"SQLite file '{self.path}' is not there."
            raise SpecError(what, "Correct the path; a file to write to is made when it is written to.")

    def _look_again(self) -> None:
        if self.absent and os.path.exists(self.path):
            self._connect(make=False)

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self.execute(sql, values)
        try:
            return [tuple(row) for row in self._cursor.fetchall()]
        except (OSError, self._adbc.Error, UnicodeDecodeError) as error:
            raise error_of(self.path, error) from error

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        self._look_again()
        try:
            self._cursor.execute(sql, tuple(values) or None)
        except (OSError, self._adbc.Error) as error:
            raise error_of(self.path, error) from error

    def fetch(self, sql: str, table: Table) -> Iterator[pa.RecordBatch]:
        self.need_file()
        if self._connection is None:
            return
        # The driver takes each column's type from the first values it sees, so the first row is ours.
        types = ", ".join(FIRST[stored(column.type)] for column in table.columns)
        schema = pa.schema([(column.name, column.type.arrow()) for column in table.columns])
        skipped = 1
        # A cursor of its own: what stops halfway must not be in the way of what follows.
        with self._connection.cursor() as cursor:
            try:
                # It counts rows and knows no bytes: of rows wider than 16 KiB, batches are larger.
                few = min(ROWS_A_MIB * self._batch_mb, ROWS)
                cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(few)})
                cursor.execute(f"SELECT {types} UNION ALL {sql}")
                for batch in gathered(cursor.fetch_record_batch(), ROWS, self._batch_mb << 20):
                    rows, skipped = batch.slice(skipped), 0
                    arrays = [typed(rows.column(n), column, table) for n, column in enumerate(table.columns)]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            except (OSError, self._adbc.Error) as error:
                raise misfit(self, self.path, table, error) from error

    def load(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        count = 0
        names = [column.name for column in table.columns]
        for batch in batches:
            arrays = [storable(batch.column(n), column, table) for n, column in enumerate(table.columns)]
            try:
                self._cursor.adbc_ingest(table.name, pa.RecordBatch.from_arrays(arrays, names=names), mode="append")
            except (OSError, self._adbc.Error) as error:
                raise error_of(self.path, error) from error
            count += batch.num_rows
        return count

    def begin(self) -> None:
        if self.absent:
            self._connect(make=True)
        self.execute("BEGIN IMMEDIATE")
        self._writing = True

    def commit(self) -> None:
        self.execute("COMMIT")
        self._writing = False

    def rollback(self) -> None:
        if self._writing:
            self._writing = False
            try:
                self.execute("ROLLBACK")
            except DataError:
                return  # There was no transaction left: SQLite ends it by itself after some errors.

    def pin(self, snapshot: str | None) -> str:
        self.need_file()
        self.execute("BEGIN")
        self.query("SELECT count(*) FROM sqlite_master")
        self._writing = True
        return f"one transaction, data version {self.query('PRAGMA data_version')[0][0]}"

    def swap(self, load: Load) -> list[str] | None:
        return None

    def close(self) -> None:
        if self._connection is not None:
            self._cursor.close()
            self._connection.close()
            self._connection = None
