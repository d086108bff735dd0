"""DuckDB, in process: Arrow in and out without copies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow as pa
from pydantic import Field

from lading.connector import Capabilities, Connection, Load
from lading.dialects.duckdb import dialect
from lading.errors import AccessDenied, DataError, LadingError, SpecError, Unreachable
from lading.schema import Table
from lading.sql import SqlSession

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

BATCH_ROWS = 65_536


class DuckDB(Connection):
    """A DuckDB file."""

    kind: Literal["duckdb"] = "duckdb"
    path: str = Field(description="The database file.")
    schema_name: str | None = Field(None, alias="schema", description="The schema that names without one mean.")
    memory_mb: int = Field(256, description="How much memory DuckDB may use, in MiB.", ge=64)

    can: ClassVar[Capabilities] = Capabilities(
        reads=True, writes=True, snapshot=True, writers=4, atomic=True, together=True, merges=True, appends=True,
        digests=True,
    )  # fmt: skip
    schemes: ClassVar[tuple[str, ...]] = ("duckdb",)

    @classmethod
    def from_url(cls, url: str) -> Self:
        parts = urlsplit(url)
        path = unquote(parts.path).removeprefix("/")
        if parts.netloc or not path:
            raise SpecError(f"'{url}' names no file.", "Write duckdb:///relative/file.duckdb or duckdb:////absolute.")
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        return cls(path=path, **options)  # type: ignore[arg-type]

    def address(self) -> str:
        return f"duckdb:///{self.path}" + (f"?schema={self.schema_name}" if self.schema_name else "")

    def open(self) -> AbstractContextManager[SqlSession]:
        return closing(SqlSession(dialect, _Driver(self), self.schema_name))


class _Driver:
    def __init__(self, settings: DuckDB) -> None:
        import duckdb

        self.path = settings.path
        self._errors = duckdb.Error
        config = {
            "memory_limit": f"{settings.memory_mb}MiB",
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "true",
        }
        try:
            self._connection = duckdb.connect(settings.path, config=config)
            self._connection.execute("SET TimeZone = 'UTC'")
        except duckdb.Error as error:
            raise self._error(error) from error

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, list(values)).fetchall()
        except self._errors as error:
            raise self._error(error) from error

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        try:
            self._connection.execute(sql, list(values))
        except self._errors as error:
            raise self._error(error) from error

    def fetch(self, sql: str, table: Table) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([(c.name, c.type.arrow()) for c in table.columns])
        try:
            for batch in self._connection.sql(sql).to_arrow_reader(BATCH_ROWS):
                arrays = [a if a.type.equals(f.type) else a.cast(f.type) for a, f in zip(batch, schema, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        except self._errors as error:
            raise self._error(error) from error
        except pa.ArrowInvalid as error:
            text = str(error).split("\n")[0]
            raise DataError(f"A value of '{table.full_name}' is out of range: {text}", "Correct it.") from error

    def load(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        schema = pa.schema([(c.name, c.type.arrow()) for c in table.columns])
        source = _Source(batches)
        self._connection.register("lading_in", pa.RecordBatchReader.from_batches(schema, source.batches()))
        columns = ", ".join(dialect.quote(c.name) for c in table.columns)
        try:
            self._connection.execute(f"INSERT INTO {dialect.table(table)} ({columns}) SELECT * FROM lading_in")
        except self._errors as error:
            raise source.error or self._error(error) from error
        finally:
            self._connection.unregister("lading_in")
        return source.rows

    def begin(self) -> None:
        self.execute("BEGIN")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except self._errors:
            return  # There was no transaction: DuckDB ends it by itself after some errors.

    def pin(self, snapshot: str | None) -> str:
        self.begin()
        return f"one transaction, {self.query('SELECT txid_current()')[0][0]}"

    def swap(self, load: Load) -> list[str] | None:
        return None

    def close(self) -> None:
        self._connection.close()

    def _error(self, error: Exception) -> LadingError:
        import duckdb

        text = str(error).split("\n")[0].removeprefix("IO Error: ")[:300].rstrip(".")
        where = f"DuckDB file '{self.path}'"
        if "No space left" in text or "ENOSPC" in text:
            return Unreachable(f"{where}: the disk is full.", "Free space on its disk, then run again.")
        if isinstance(error, duckdb.PermissionException) or "Permission denied" in text:
            return AccessDenied(f"{where}: {text}.", "Give this user the right to read and write the file.")
        if isinstance(error, duckdb.IOException | duckdb.ConnectionException):
            return Unreachable(f"{where}: {text}.", "Check the path and who else has the file open.")
        if isinstance(error, duckdb.ConstraintException):
            return DataError(f"DuckDB refused a row: {text}.", "See 'lading rejects'.")
        if isinstance(error, duckdb.OutOfMemoryException):
            return Unreachable(f"{where}: {text}.", "Raise 'memory_mb' of the connection, or free disk space.")
        return DataError(f"{where}: {text}.", "Check the table's definition.")


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
