"""One connection to SQL Server through mssql-python: Arrow out, bulk copy in."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lading.connector import Load
from lading.connectors.sqlserver.columns import Source, beside, canonical
from lading.connectors.sqlserver.faults import translated
from lading.dialects.sqlserver import dialect
from lading.driver import rows_within
from lading.errors import LadingError, Unreachable, Unsupported
from lading.schema import Table

if TYPE_CHECKING:
    from lading.connectors.sqlserver import SqlServer


class Driver:
    """One connection, and a second one for bulk copies, which the library runs outside any transaction of ours."""

    def __init__(self, settings: SqlServer) -> None:
        try:
            import mssql_python

            core = importlib.import_module("mssql_py_core")
        except ImportError as error:
            raise Unsupported("SQL Server needs a library.", "Run: pip install 'lading[sqlserver]'") from error
        self.settings, self._vendor = settings, mssql_python
        # Bulk copy raises errors of the library's core, and plain ones.
        parsing = mssql_python.ConnectionStringParseError
        self._errors = (mssql_python.Error, parsing, core.Error, RuntimeError, ValueError, TypeError)
        self._busy = False
        self._second: Any = None
        self._connection = self._connect()
        self._cursor = self._connection.cursor()
        self.execute(f"SET XACT_ABORT ON; SET LOCK_TIMEOUT {settings.lock_seconds * 1000}")

    def _connect(self) -> Any:
        wait = {self._vendor.SQL_ATTR_LOGIN_TIMEOUT: self.settings.connect_seconds}
        try:
            return self._vendor.connect(self.settings.string(), autocommit=True, attrs_before=wait)
        except self._errors as error:
            raise self._translated(error) from error

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            self._cursor.execute(sql, *values, use_prepare=bool(values))
            return [tuple(row) for row in self._cursor.fetchall()]
        except self._errors as error:
            raise self._translated(error) from error

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        self._run(self._cursor, sql, values)

    def _run(self, cursor: Any, sql: str, values: Sequence[Any] = ()) -> None:
        try:
            cursor.execute(sql, *values, use_prepare=bool(values))
        except self._errors as error:
            raise self._translated(error) from error

    def fetch(self, sql: str, table: Table) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([(c.name, c.type.arrow()) for c in table.columns])
        self.execute(sql)
        try:
            reader = self._cursor.arrow_reader(rows_within(self.settings.batch_mb, table, 512))
            with closing(reader):
                for batch in reader:
                    arrays = [canonical(array, c) for array, c in zip(batch.columns, table.columns, strict=True)]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        except self._errors as error:
            raise self._translated(error) from error

    def load(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        """Rows are bulk copied beside the table, then inserted by our own transaction: a bulk copy commits by itself,
        and what it left after a crash could neither be told from new rows nor be waited for."""
        self._second = self._connect() if self._second is None else self._second
        cursor = self._second.cursor()
        aside = table.model_copy(update={"name": f"{table.name}_in_{self.query('SELECT @@SPID')[0][0]}"})
        name, columns = dialect.table(aside), ", ".join(dialect.quote(c.name) for c in table.columns)
        self._run(cursor, f"DROP TABLE IF EXISTS {name}")
        self._run(cursor, f"CREATE TABLE {name} ({', '.join(map(beside, table.columns))})")
        try:
            rows = self._copy(cursor, name, Source(batches, table))
            self.execute(f"INSERT INTO {dialect.table(table)} ({columns}) SELECT {columns} FROM {name}")
            self.execute(f"DROP TABLE {name}")
        except LadingError:
            self.rollback()  # first, or its locks would keep the table from being dropped
            with suppress(LadingError):  # the error that led here is the one to tell; `discard` drops what is left
                self._run(cursor, f"DROP TABLE IF EXISTS {name}")
            raise
        return rows

    def _copy(self, cursor: Any, name: str, source: Source) -> int:
        try:
            copied = cursor.bulkcopy_arrow(name, source.reader, timeout=0, keep_nulls=True, table_lock=True)
        except self._errors as error:
            raise source.error or self._translated(error) from error
        if copied["rows_copied"] != source.rows:
            what = f"SQL Server took {copied['rows_copied']:,} of {source.rows:,} rows of '{source.table.full_name}'."
            raise Unreachable(what, "Run again; nothing was published.")
        return source.rows

    def begin(self) -> None:
        self._connection.autocommit = False
        self._busy = True

    def commit(self) -> None:
        self._end(self._connection.commit)

    def rollback(self) -> None:
        if self._busy:
            self._end(self._connection.rollback)

    def _end(self, how: Any) -> None:
        try:
            how()
            self._connection.autocommit = True
            self._busy = False
        except self._errors as error:
            raise self._translated(error) from error

    def pin(self, snapshot: str | None) -> str:
        """A snapshot where the database allows them; allowing them is its owner's decision, not ours."""
        allowed = self.query("SELECT snapshot_isolation_state FROM sys.databases WHERE database_id = DB_ID()")
        if not allowed or int(allowed[0][0]) != 1:
            return ""
        self.execute("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
        self.begin()
        now = self.query("SELECT CONVERT(varchar(33), SYSUTCDATETIME(), 126), (SELECT COUNT(*) FROM sys.objects)")
        return f"snapshot of {now[0][0]} UTC"

    def swap(self, load: Load) -> list[str] | None:
        return None  # Renaming would take rights, foreign keys and triggers away with the old table: it is refilled.

    def close(self) -> None:
        for connection in (self._second, self._connection):
            if connection is not None:
                with suppress(*self._errors):  # it is lost already, which is what closing would do
                    connection.close()

    def _translated(self, error: Exception) -> LadingError:
        password = self.settings.password.get_secret_value() if self.settings.password else ""
        refused = isinstance(error, self._vendor.IntegrityError)
        return translated(error, f"SQL Server '{self.settings.address()}'", password, refused)
