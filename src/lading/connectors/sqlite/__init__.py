"""SQLite, through ADBC's driver: Arrow in and out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, ClassVar, Literal, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pydantic import Field

from lading.canon import Compared
from lading.connector import WHOLE, Capabilities, Connection, Load, Slice
from lading.connectors.sqlite.driver import SQLiteDriver
from lading.connectors.sqlite.faults import misfit
from lading.dialects.sqlite import dialect
from lading.errors import DataError, SpecError
from lading.facts import Facts
from lading.fingerprint import Fingerprint, Moved
from lading.schema import Table
from lading.sql import SqlSession
from lading.types import Type

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class SQLite(Connection):
    """A SQLite file. Foreign keys are not enforced while it is written, as SQLite itself does only where it is told."""

    kind: Literal["sqlite"] = "sqlite"
    path: str = Field(description="The database file.", min_length=1)
    batch_mb: int = Field(16, description="About how much is read at a time, in MiB.", ge=1)
    busy_seconds: int = Field(60, description="How long to wait while another process has the file locked.", ge=0)

    can: ClassVar[Capabilities] = Capabilities(
        reads=True, writes=True, snapshot=True, atomic=True, together=True, merges=True, appends=True, digests=True,
        keeps_json=True, alone=True,
    )  # fmt: skip
    schemes: ClassVar[tuple[str, ...]] = ("sqlite", "sqlite+pysqlite", "sqlite+aiosqlite")

    @classmethod
    def from_url(cls, url: str) -> Self:
        parts = urlsplit(url)
        path = unquote(parts.path).removeprefix("/")
        if parts.netloc or not path:
            raise SpecError(
                f"'{url}' names no file.", "Write sqlite:///relative/file.db or sqlite:////absolute/file.db."
            )
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        return cls(path=path, **options)

    def address(self) -> str:
        return f"sqlite:///{quote(self.path)}"

    def locks(self, target: Connection) -> bool:
        """The same file under any name, unless its write-ahead log keeps readers and the writer apart."""
        if not isinstance(target, SQLite) or not (os.path.exists(self.path) and os.path.exists(target.path)):
            return False
        if not os.path.samefile(self.path, target.path):
            return False
        with open(self.path, "rb") as file:
            return file.read(19)[18:] != b"\x02"  # https://www.sqlite.org/fileformat2.html, 1.3.3

    def open(self) -> AbstractContextManager[SqlSession]:
        return closing(_Session(SQLiteDriver(self.path, self.busy_seconds, self.batch_mb)))


class _Session(SqlSession):
    def __init__(self, driver: SQLiteDriver) -> None:
        super().__init__(dialect, driver)
        self._file = driver

    def tables(self) -> Iterator[Table]:
        self._file.need_file()
        yield from super().tables()

    def _catalogue(self, condition: str, values: Sequence[str]) -> list[Table]:
        return [self._keyed(table) for table in super()._catalogue(condition, values)]

    def _keyed(self, table: Table) -> Table:
        """Primary keys of SQLite may hold NULL unless they are declared NOT NULL; one that does is no key."""
        loose = [self.dialect.quote(column.name) for column in table.keyed if column.null]
        if not loose:
            return table
        holes = " OR ".join(f"{name} IS NULL" for name in loose)
        if self.driver.query(f"SELECT 1 FROM {self.name(table)} WHERE {holes} LIMIT 1"):
            return table.model_copy(update={"key": ()})
        columns = [c.model_copy(update={"null": c.null and c.name not in table.key}) for c in table.columns]
        return table.model_copy(update={"columns": tuple(columns)})

    def measure(self, table: Table, columns: Sequence[str]) -> dict[str, Type]:
        try:
            return super().measure(table, columns)
        except DataError as error:
            if "malformed JSON" not in str(error):
                raise
            return {}  # a value is no number, and the read will say which

    def profile(self, table: Table, targets: Mapping[str, Type]) -> tuple[int, list[Facts]]:
        try:
            return super().profile(table, targets)
        except DataError as error:
            if "malformed JSON" not in str(error):
                raise
            raise misfit(self.driver, self._file.path, table, error) from error

    def fingerprints(
        self, table: Table, columns: Sequence[Compared], key: Sequence[str], buckets: int, slice: Slice = WHOLE,
        moved: Moved | None = None,
    ) -> Fingerprint:  # fmt: skip
        try:
            return super().fingerprints(table, columns, key, buckets, slice, moved)
        except DataError as error:
            cause = error.__cause__
            if not isinstance(cause, Exception) or "malformed JSON" not in str(cause):
                raise
            names = {each.name for each in columns}  # what was asked for are texts of rows, and no columns
            only = table.model_copy(update={"columns": tuple(c for c in table.columns if c.name in names)})
            raise misfit(self.driver, self._file.path, only, cause) from error

    def _insert(self, load: Load, missing: bool = False) -> str:
        """What the table says of conflicts does not count: it may let new rows take away others, or vanish."""
        return super()._insert(load, missing).replace("INSERT INTO", "INSERT OR ABORT INTO", 1)

    def placing(self, load: Load) -> list[str]:
        # Altering a table fails where any view or trigger of the file names a table that is not there.
        if not self.driver.query("SELECT 1 FROM sqlite_master WHERE type IN ('view', 'trigger') LIMIT 1"):
            return super().placing(load)
        lines = self._definitions(load.table.model_copy(update={"key": load.key}))
        slice_column = next(n for n, line in enumerate(lines) if line.startswith('"lading_slice" '))
        columns = ", ".join(lines[:slice_column] + lines[slice_column + 1 :])
        return [f"CREATE TABLE {self.name(load.table)} ({columns})", self._insert(load)]
