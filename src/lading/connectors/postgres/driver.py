"""The driver: psycopg for statements and COPY IN, a `Wire` for COPY OUT, both with the same settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lading.connector import Load
from lading.connectors.postgres.failures import asyncpg_errors, translate
from lading.connectors.postgres.locks import REWRITTEN, held
from lading.connectors.postgres.reading import Parser
from lading.connectors.postgres.replacing import swapping
from lading.connectors.postgres.setup import setup, words
from lading.connectors.postgres.wire import Wire
from lading.connectors.postgres.writing import encoded
from lading.dialects.postgres import dialect
from lading.errors import Bug, LadingError, SpecError, Unreachable, Unsupported
from lading.schema import Table

if TYPE_CHECKING:
    from lading.connectors.postgres import Postgres

_OLDEST = 120_000


class Driver:
    """One session: a connection of psycopg's, and one of asyncpg's once something is read."""

    def __init__(self, settings: Postgres) -> None:
        try:
            import asyncpg  # noqa: F401 - the wire's
            import psycopg
            from psycopg.types.string import TextLoader
        except ImportError as error:
            what = f"PostgreSQL needs the library '{error.name}'."
            raise Unsupported(what, "Install it: pip install 'lading[postgres]'.") from error
        self.where = f"PostgreSQL at {settings.host or 'localhost'}:{settings.port}"
        self.words = words(settings)
        self._failures: tuple[type[Exception], ...] = (psycopg.Error, *asyncpg_errors())
        try:
            self._connection = psycopg.connect(**self.words, autocommit=True, prepare_threshold=None)
        except psycopg.Error as error:
            raise translate(error, self.where) from error
        for name in ("date", "time", "timetz", "timestamp", "timestamptz", "interval", "json", "jsonb", "uuid"):
            self._connection.adapters.register_loader(name, TextLoader)
        self._pinned, self._held = False, set[str]()
        self.encoding = str(self._connection.info.parameter_status("server_encoding"))
        self.wire = Wire(settings, self._export)
        try:
            self.version = self._connection.info.server_version
            if self.version < _OLDEST:
                raise Unsupported(f"{self.where} is version {self.version // 10_000}.", "Lading needs 12 or newer.")
            self.execute(setup(settings))
            self.schema = settings.schema_name or str(self.query(dialect.default_schema)[0][0])
        except LadingError:
            self._connection.close()
            raise

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        # An error would end the pinned transaction; a savepoint keeps it. Writing must do without: rows written
        # after a savepoint carry another transaction's number than their slice's line in the ledger.
        with self._translated(sql), self._connection.transaction() if self._pinned else nullcontext():
            return self._connection.execute(sql.encode(), list(values) or None).fetchall()

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        with self._translated(sql):
            self._connection.execute(sql.encode(), list(values) or None)

    def hold(self, name: str) -> None:
        """Keeps a table, and all that is read with it, as it is until the pinned transaction ends. What was emptied
        since the snapshot would read as empty: https://www.postgresql.org/docs/current/mvcc-caveats.html"""
        if not self._pinned or name in self._held:
            return
        self.query(f"SELECT 1 FROM {name} LIMIT 0")  # WHERE false would lock no partition
        if found := self.query(REWRITTEN):
            what = f"Reading {name} reads '{found[0][0]}', which was emptied, rewritten or replaced after the snapshot."
            raise Unreachable(what, "Run again.")
        self._held.add(name)

    def fetch(self, sql: str, table: Table) -> Iterator[pa.RecordBatch]:
        parser, rows = Parser(table), 0
        with self._translated(sql), closing(self.wire.copy(sql, wide=parser.wide)) as blocks:
            for block in blocks:
                batch = parser.batch(block)
                rows += batch.num_rows
                yield batch
        if rows != self.wire.said:
            raise Bug(
                f"PostgreSQL sent {self.wire.said:,} rows of '{table.full_name}'; {rows:,} were read.", "Report it."
            )

    def load(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        columns = ", ".join(dialect.quote(c.name) for c in table.columns)
        sql, rows = f"COPY {dialect.table(table)} ({columns}) FROM STDIN (FORMAT csv)", 0
        with self._translated(sql), self._connection.cursor() as cursor:
            with cursor.copy(sql.encode()) as copy:
                for batch in batches:
                    for part in encoded(batch, table):
                        copy.write(part)
                    rows += batch.num_rows
            if cursor.rowcount != rows:
                raise Bug(f"PostgreSQL took {cursor.rowcount:,} of {rows:,} rows of '{table.full_name}'.", "Report it.")
        return rows

    def begin(self) -> None:
        self.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        from psycopg.pq import TransactionStatus

        if self._connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            self.execute("ROLLBACK")

    def pin(self, snapshot: str | None) -> str:
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if snapshot is not None:
            if not re.fullmatch(r"[0-9A-Fa-f-]+", snapshot):
                raise SpecError(f"'{snapshot}' is no snapshot of PostgreSQL.", "Use the name that pin() gave.")
            self.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        self._pinned = True
        return snapshot or str(self._export())

    def _export(self) -> str | None:
        """A name for the pinned snapshot; a savepoint, as in `query`, would forbid it."""
        with self._translated(""):
            return self._connection.execute(b"SELECT pg_export_snapshot()").fetchall()[0][0] if self._pinned else None

    def swap(self, load: Load) -> list[str] | None:
        return swapping(self, load)

    def close(self) -> None:
        self.wire.close()
        self._connection.close()

    @contextmanager
    def _translated(self, sql: str) -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            if getattr(error, "sqlstate", None) == "55P03":
                ours = (self._connection.info.backend_pid, *self.wire.pids)
                raise held(self.where, self.words, sql, ours) or translate(error, self.where) from error
            raise translate(error, self.where) from error
