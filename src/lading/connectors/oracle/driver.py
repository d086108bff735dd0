"""One connection to Oracle through python-oracledb: Arrow in and out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lading.connector import Load
from lading.connectors.oracle.columns import arrival, canonical, storable
from lading.connectors.oracle.faults import translated
from lading.dialects.oracle import dialect
from lading.driver import rows_within
from lading.errors import LadingError, Unreachable, Unsupported
from lading.schema import Table

if TYPE_CHECKING:
    from lading.connectors.oracle import Oracle

_NEW_SESSION = (
    "ALTER SESSION SET TIME_ZONE = '+00:00' NLS_NUMERIC_CHARACTERS = '.,'",
    # A key is sliced, compared and merged by its bytes, whatever the client's language.
    "ALTER SESSION SET NLS_COMP = BINARY NLS_SORT = BINARY",
)


class Driver:
    """One connection in the library's thin mode."""

    def __init__(self, settings: Oracle) -> None:
        try:
            import oracledb
        except ImportError as error:
            what = "Oracle needs the library 'oracledb'."
            raise Unsupported(what, "Install it: pip install 'lading[oracle]'.") from error
        self.settings, self._errors = settings, oracledb.Error
        self._busy = False
        words: dict[str, Any] = {"user": settings.user, "config_dir": settings.config_dir}
        words |= {"wallet_location": settings.wallet_location}
        secrets = {"password": settings.password, "wallet_password": settings.wallet_password}
        words |= {name: secret.get_secret_value() for name, secret in secrets.items() if secret}
        if settings.dsn:
            words["dsn"] = settings.dsn
        else:
            words |= {"host": settings.host, "port": settings.port}
            words |= {"service_name": settings.service_name, "sid": settings.sid}
        try:
            self._connection = oracledb.connect(**{name: word for name, word in words.items() if word is not None})
            self._cursor = self._connection.cursor()
        except self._errors as error:
            raise self._translated(error) from error
        for statement in _NEW_SESSION:
            self.execute(statement)

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            self._cursor.execute(sql, list(values))
            return [tuple(row) for row in self._cursor.fetchall()]
        except self._errors as error:
            raise self._translated(error) from error

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        try:
            self._cursor.execute(sql, list(values))
        except self._errors as error:
            raise self._translated(error) from error

    def fetch(self, sql: str, table: Table) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([(c.name, c.type.arrow()) for c in table.columns])
        # Asked for by name: left alone the library makes doubles of numbers.
        wanted = pa.schema([(c.name, arrival(c)) for c in table.columns])
        rows = rows_within(self.settings.batch_mb, table, 256)
        frames = self._connection.fetch_df_batches(sql, size=rows, requested_schema=wanted)
        try:
            for frame in frames:
                for batch in pa.table(frame).to_batches():
                    arrays = [canonical(array, c) for array, c in zip(batch.columns, table.columns, strict=True)]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        except self._errors as error:
            raise self._translated(error) from error

    def load(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        """Array inserts inside our transaction; a direct path load would have to be a transaction of its own."""
        columns = ", ".join(dialect.quote(c.name) for c in table.columns)
        marks = ", ".join(f":{n}" for n in range(1, len(table.columns) + 1))
        sql, count = f"INSERT INTO {dialect.table(table)} ({columns}) VALUES ({marks})", 0
        for batch in batches:
            if not batch.num_rows:
                continue
            arrays = [storable(array, c) for array, c in zip(batch.columns, table.columns, strict=True)]
            data = pa.Table.from_arrays(arrays, names=[f"c{n}" for n in range(len(arrays))])
            try:
                self._cursor.executemany(sql, data)
            except self._errors as error:
                raise self._translated(error) from error
            if self._cursor.rowcount != batch.num_rows:
                what = f"Oracle took {self._cursor.rowcount:,} of {batch.num_rows:,} rows of '{table.full_name}'."
                raise Unreachable(what, "Run again; nothing was published.")
            count += batch.num_rows
        return count

    def begin(self) -> None:
        self._busy = True  # Oracle begins a transaction with the first change.

    def commit(self) -> None:
        self._end(self._connection.commit)

    def rollback(self) -> None:
        if self._busy:
            self._end(self._connection.rollback)

    def _end(self, how: Any) -> None:
        try:
            how()
            self._busy = False
        except self._errors as error:
            raise self._translated(error) from error

    def pin(self, snapshot: str | None) -> str:
        """A read-only transaction: it needs no right of its own, as reading AS OF an SCN does, and its reads are as
        exact; the price is that one session reads."""
        self.execute("SET TRANSACTION READ ONLY")
        self._busy = True
        now = self.query("SELECT TO_CHAR(SYS_EXTRACT_UTC(SYSTIMESTAMP), 'YYYY-MM-DD HH24:MI:SS.FF6') FROM dual")
        return f"read-only transaction of {now[0][0]} UTC"

    def swap(self, load: Load) -> list[str] | None:
        return None  # Renaming commits, and would take rights, keys and triggers away: the old table is refilled.

    def close(self) -> None:
        with suppress(self._errors):  # it is lost already, which is what closing would do
            self._connection.close()

    def _translated(self, error: Exception) -> LadingError:
        password = self.settings.password.get_secret_value() if self.settings.password else ""
        return translated(error, f"Oracle '{self.settings.address()}'", password)
