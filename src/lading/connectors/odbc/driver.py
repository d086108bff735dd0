"""One ODBC connection through arrow-odbc; the longest driver, because no two ODBC drivers agree on anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lading.connector import Load
from lading.connectors.odbc.columns import FEW, arrival, as_text, canonical, storable, widest
from lading.dialect import Dialect
from lading.dialects.odbc import flavours
from lading.errors import AccessDenied, DataError, LadingError, Unreachable, Unsupported
from lading.schema import Table

if TYPE_CHECKING:
    from lading.connectors.odbc import Odbc

BATCH_ROWS = 20_000


class Driver:
    """One ODBC connection."""

    def __init__(self, settings: Odbc, dialect: Dialect) -> None:
        try:
            import arrow_odbc
        except ImportError as error:
            raise Unsupported("ODBC needs the library 'arrow-odbc'.", "Run: pip install 'lading[odbc]'") from error
        except OSError as error:  # the driver manager, which no Python package brings along
            raise Unsupported("The ODBC driver manager is not installed.", "Run: apt-get install unixodbc") from error
        self.settings, self.dialect, self.flavour = settings, dialect, flavours[settings.dialect]
        self._odbc, self._error = arrow_odbc, arrow_odbc.Error
        secret = settings.password.get_secret_value() if settings.password else None
        given = settings.connection.get_secret_value() if settings.connection else f"DSN={settings.dsn}"
        string = f"{given.rstrip(';')};{self.flavour.options}"
        found = re.findall(r"(?i)(?:pwd|password)\s*=\s*(?:\{((?:[^}]|}})*)\}|([^;]*))", given)
        self._secrets = [text for text in (secret, given, *(part for pair in found for part in pair)) if text]
        try:
            self._connection = arrow_odbc.connect(string, user=settings.user, password=secret)
        except self._error as error:
            raise self._translated(error) from None  # its text may hold the connection string
        for statement in self.flavour.begins:
            self.execute(statement)
        self._busy = False

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        bound = None if not values else [None if v is None else str(v) for v in values]
        for batch in self._batches(sql, None, 65_536, 65_536, bound):
            rows += zip(*(column.to_pylist() for column in batch.columns), strict=True)
        return rows

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        try:
            self._connection.execute(sql, parameters=[str(v) for v in values] or None)
        except self._error as error:
            raise self._translated(error) from error

    def _batches(
        self, sql: str, schema: pa.Schema | None, text: int, binary: int, bound: list[str | None] | None = None
    ) -> Iterator[pa.RecordBatch]:
        encoding = self._odbc.TextEncoding.UTF16 if self.flavour.utf16 else self._odbc.TextEncoding.UTF8
        wide = max(self.settings.batch_mb << 20, (text + binary) * 2 * (len(schema) if schema else 8))
        try:
            yield from self._connection.read_arrow_batches(
                sql, batch_size=BATCH_ROWS if schema else 200, parameters=bound, max_bytes_per_batch=wide,
                max_text_size=text, max_binary_size=binary, schema=schema, fetch_concurrently=False,
                payload_text_encoding=encoding, falliable_allocations=True,
            )  # fmt: skip
        except self._error as error:
            raise self._translated(error) from error

    def fetch(self, sql: str, table: Table, text: int = FEW, binary: int = FEW) -> Iterator[pa.RecordBatch]:
        given = pa.schema([
            (f"c{n}", pa.string() if as_text(self.flavour, c.type) else arrival(c.type))
            for n, c in enumerate(table.columns)
        ])  # fmt: skip
        schema = pa.schema([(c.name, c.type.arrow()) for c in table.columns])
        for batch in self._batches(sql, given, text, binary):
            arrays = [canonical(array, c) for array, c in zip(batch.columns, table.columns, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def load(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        names = [self.dialect.quote(c.name) for c in table.columns]
        count = 0
        for batch in batches:
            arrays = [storable(a, c, self.flavour) for a, c in zip(batch.columns, table.columns, strict=True)]
            data = pa.RecordBatch.from_arrays(arrays, names=names)
            # The driver gets room for as many rows as the longest value allows, not for the average one.
            row_bytes = sum(widest(array) for array in arrays)
            chunk = max(min((self.settings.batch_mb << 20) // row_bytes, 10_000, batch.num_rows), 1)
            try:
                self._connection.insert_into_table(
                    pa.RecordBatchReader.from_batches(data.schema, [data]), self.dialect.table(table), chunk
                )
            except self._error as error:
                raise self._translated(error) from error
            count += batch.num_rows
        return count

    def begin(self) -> None:
        self.execute(self.flavour.begin)
        self._busy = True

    def commit(self) -> None:
        self.execute("COMMIT")
        self._busy = False

    def rollback(self) -> None:
        if self._busy:
            self._busy = False
            self.execute("ROLLBACK")

    def pin(self, snapshot: str | None) -> str:
        if not self.flavour.pin:
            return ""
        for statement in self.flavour.pin:
            self.execute(statement)
        self._busy = True
        return str(self.query(self.flavour.state)[0][0])

    def swap(self, load: Load) -> list[str] | None:
        return None

    def close(self) -> None:
        del self._connection  # its destructor ends the session, which undoes what is not committed

    def _translated(self, error: Exception) -> LadingError:
        text = str(error)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        state = "".join(re.findall(r"State: (\w{5})", text)[:1])
        said = re.sub(r"\s+", " ", text.rpartition("Message: ")[2])[:300].rstrip(". ")
        where = self.settings.address()
        if "too large to be written into the allocated buffer" in text:
            size = "".join(re.findall(r"Some\((\d+)\)", text)) or "more"
            what = f"A value of {size} bytes is longer than the room made for it; nothing was cut."
            return DataError(what, "Raise 'long_bytes' of the connection, or run again if the table was being written.")
        if state in ("IM002", "IM003") or "Can't open lib" in text:
            return Unsupported(f"{where}: {said}.", "Install the driver and name it as odbcinst.ini does.")
        if state.startswith("28") or state == "42501" or "password authentication failed" in said:
            return AccessDenied(f"{where}: {said}.", "Check the account, its password and its rights.")
        if state.startswith(("08", "HYT", "57P", "53", "40")):
            return Unreachable(f"{where}: {said}.", "Check that the server runs, then run again.")
        if state.startswith(("22", "23")):
            return DataError(f"{where} refused a value: {said}.", "Correct the row, or the table's rule.")
        return DataError(f"{where}: {said or 'no message'} ({state}).", "Check the table's definition.")
