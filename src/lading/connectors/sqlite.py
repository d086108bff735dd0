"""SQLite, through ADBC's driver: Arrow in and out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow as pa
from pydantic import Field

from lading.connector import Capabilities, Connection, Load
from lading.dialects.sqlite import dialect
from lading.errors import DataError, LadingError, SpecError, Unreachable
from lading.schema import Column, Table
from lading.sql import SqlSession
from lading.types import Type
from lading.values import cast, texts

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from adbc_driver_manager.dbapi import Cursor


class SQLite(Connection):
    """A SQLite file."""

    kind: Literal["sqlite"] = "sqlite"
    path: str = Field(description="The database file.")
    busy_seconds: int = Field(60, description="How long to wait while another process has the file locked.", ge=0)

    can: ClassVar[Capabilities] = Capabilities(
        reads=True, writes=True, snapshot=True, atomic=True, together=True, merges=True, appends=True, digests=True
    )
    schemes: ClassVar[tuple[str, ...]] = ("sqlite",)

    @classmethod
    def from_url(cls, url: str) -> Self:
        parts = urlsplit(url)
        path = unquote(parts.path).removeprefix("/")
        if parts.netloc or not path:
            raise SpecError(f"'{url}' names no file.", "Write sqlite:///relative/file.db or sqlite:////absolute/file.db.")
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        return cls(path=path, **options)  # type: ignore[arg-type]

    def address(self) -> str:
        return f"sqlite:///{self.path}"

    def open(self) -> AbstractContextManager[SqlSession]:
        return closing(SqlSession(dialect, _Driver(self)))


class _Driver:
    def __init__(self, settings: SQLite) -> None:
        import adbc_driver_sqlite.dbapi as adbc

        self.path = settings.path
        try:
            self._connection = adbc.connect(f"file:{settings.path}", autocommit=True)
            self._cursor: Cursor = self._connection.cursor()
            self._busy = False
            self.execute(f"PRAGMA busy_timeout = {settings.busy_seconds * 1000}")
        except (adbc.Error, OSError) as error:
            raise self._error(error) from error

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            self._cursor.execute(sql, tuple(values) or None)
            return [tuple(row) for row in self._cursor.fetchall()]
        except (OSError, self._connection.Error) as error:
            raise self._error(error) from error

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        try:
            self._cursor.execute(sql, tuple(values) or None)
        except (OSError, self._connection.Error) as error:
            raise self._error(error) from error

    def fetch(self, sql: str, table: Table) -> Iterator[pa.RecordBatch]:
        # The driver takes each column's type from the first values it sees, so the first row is ours.
        typed = ", ".join({"int64": "0", "double": "0.5", "binary": "x''"}.get(_stored(c.type), "''") for c in table.columns)
        schema = pa.schema([(c.name, c.type.arrow()) for c in table.columns])
        first = True
        try:
            self._cursor.execute(f"SELECT {typed} UNION ALL {sql}")
            for batch in self._cursor.fetch_record_batch():
                rows, first = (batch.slice(1), False) if first else (batch, False)
                arrays = [_typed(rows.column(n), column) for n, column in enumerate(table.columns)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        except (OSError, self._connection.Error) as error:
            raise self._misfit(table, error) from error

    def _misfit(self, table: Table, error: Exception) -> LadingError:
        """A read that stopped because a value is not of its column's declared type, named."""
        if "malformed JSON" not in str(error):
            return self._error(error)
        for column in table.columns:
            expression, quoted = dialect.read(column), dialect.quote(column.name)
            found = self.query(f"SELECT quote({quoted}) FROM {dialect.table(table)} WHERE typeof({quoted}) <> 'null' LIMIT 1")
            try:
                self.query(f"SELECT count({expression}) FROM {dialect.table(table)}")
            except LadingError:
                what = f"Column '{column.name}' of '{table.name}' is declared {column.native.partition(':')[2]}"
                odd = self.query(
                    f"SELECT quote({quoted}) FROM {dialect.table(table)} WHERE typeof({quoted}) NOT IN ('null', "
                    f"{', '.join(repr(word) for word in _classes(column))}) LIMIT 1"
                )
                value = (odd or found or [("?",)])[0][0]
                return DataError(f"{what} and holds {str(value)[:60]}.", "Correct the value, or the declared type.")
        return self._error(error)

    def load(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        count = 0
        for batch in batches:
            arrays = [_storable(batch.column(n), column.type) for n, column in enumerate(table.columns)]
            data = pa.RecordBatch.from_arrays(arrays, names=[column.name for column in table.columns])
            try:
                self._cursor.adbc_ingest(table.name, data, mode="append")
            except (OSError, self._connection.Error) as error:
                raise self._error(error) from error
            count += batch.num_rows
        return count

    def begin(self) -> None:
        self.execute("BEGIN IMMEDIATE")
        self._busy = True

    def commit(self) -> None:
        self.execute("COMMIT")
        self._busy = False

    def rollback(self) -> None:
        if self._busy:
            self._busy = False
            self.execute("ROLLBACK")

    def pin(self, snapshot: str | None) -> str:
        self.execute("BEGIN")
        self.query("SELECT count(*) FROM sqlite_master")
        self._busy = True
        return f"one transaction, data version {self.query('PRAGMA data_version')[0][0]}"

    def swap(self, load: Load) -> list[str] | None:
        return None

    def close(self) -> None:
        self._cursor.close()
        self._connection.close()

    def _error(self, error: Exception) -> LadingError:
        text = str(error)
        short = text.replace("[SQLite] ", "").split("\nquery:")[0].split(": ", 1)[-1].split("\n")[0][:300]
        if "locked" in text or "unable to open" in text or "disk I/O" in text or "busy" in text:
            return Unreachable(f"SQLite file '{self.path}': {short}.", "Check the path and who else uses the file.")
        if "full" in text:
            return Unreachable(f"SQLite file '{self.path}': {short}.", "Free space on its disk, then run again.")
        if "constraint" in text or "too big" in text:
            return DataError(f"SQLite refused a row: {short}.", "See 'lading rejects'.")
        return DataError(f"SQLite file '{self.path}': {short}.", "Check the file with PRAGMA integrity_check.")


def _stored(type_: Type) -> str:
    return {"bool": "int64", "int": "int64", "float": "double", "binary": "binary"}.get(type_.kind, "string")


def _classes(column: Column) -> tuple[str, ...]:
    return {"int64": ("integer",), "double": ("real", "integer"), "binary": ("blob",)}.get(
        _stored(column.type), ("text",) if column.type.kind != "decimal" else ("text", "integer", "real")
    )


def _typed(array: pa.Array, column: Column) -> pa.Array:
    to = column.type.arrow()
    if array.type.equals(to):
        return array
    try:
        if column.type.kind in ("list", "interval"):
            return cast(array, Type("string"), column.type)[0]
        if column.type.kind == "timestamp" and column.type.utc:
            return array.cast(pa.timestamp(to.unit)).cast(to)
        return array.cast(to)
    except (pa.ArrowInvalid, DataError) as error:
        what = f"Column '{column.name}' is declared {column.native.partition(':')[2]} ({column.type})"
        text = str(error).split("\n")[0].rstrip(".")
        raise DataError(f"{what} and holds a value that is not: {text}.", "Correct the value or the type.") from error


def _storable(array: pa.Array, type_: Type) -> pa.Array:
    match type_.kind:
        case "bool":
            return array.cast(pa.int64())
        case "int" if not (type_.unsigned and type_.size == 64):
            return array.cast(pa.int64())
        case "float":
            return array.cast(pa.float64())
        case "string" | "binary" | "uuid" | "json":
            return array
        case _:
            return texts(array, type_)
