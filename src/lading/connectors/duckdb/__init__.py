"""DuckDB, in process: Arrow in and out without copies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, ClassVar, Literal, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pydantic import Field

from lading.catalogue import Name, catalogue
from lading.connector import Capabilities, Connection, Load
from lading.connectors.duckdb.catalog import Known, only
from lading.connectors.duckdb.driver import DuckDBDriver
from lading.dialects.duckdb import dialect
from lading.errors import SpecError
from lading.schema import Column, Table
from lading.sql import LEDGER, SqlSession

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class DuckDB(Connection):
    """A DuckDB file. A table that others refer to can be merged into, not replaced: DuckDB deletes no such row."""

    kind: Literal["duckdb"] = "duckdb"
    path: str = Field(description="The database file.", min_length=1)
    schema_name: str | None = Field(None, alias="schema", description="The schema that names without one mean.")
    memory_mb: int = Field(160, description="How much memory DuckDB may use, in MiB.", ge=64)

    can: ClassVar[Capabilities] = Capabilities(
        reads=True, writes=True, snapshot=True, writers=4, atomic=True, together=True, merges=True, appends=True,
        digests=True, keeps_json=True, alone=True,
    )  # fmt: skip
    schemes: ClassVar[tuple[str, ...]] = ("duckdb",)

    @classmethod
    def from_url(cls, url: str) -> Self:
        parts = urlsplit(url)
        path = unquote(parts.path).removeprefix("/")
        if parts.netloc or not path:
            raise SpecError(f"'{url}' names no file.", "Write duckdb:///relative/file.duckdb or duckdb:////absolute.")
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        return cls(path=path, **options)

    def address(self) -> str:
        return f"duckdb:///{quote(self.path)}" + (f"?schema={quote(self.schema_name)}" if self.schema_name else "")

    def open(self) -> AbstractContextManager[SqlSession]:
        return closing(_Session(DuckDBDriver(self.path, self.memory_mb), self.schema_name))


class _Session(SqlSession):
    def __init__(self, driver: DuckDBDriver, schema: str | None) -> None:
        super().__init__(dialect, driver, schema)
        self._file, self._known = driver, Known(driver)

    def name(self, table: Table) -> str:
        return self._file.named(self._placed(table) if self._schema else table)

    def tables(self) -> Iterator[Table]:
        self._file.need_file()
        yield from super().tables()

    def called(self, table: Table) -> Table:
        name = (table.schema_name or self.default_schema, table.name)
        (schema, known), _ = self._known.spelled(name) or (name, False)
        place = None if schema == self.default_schema else schema
        return table.model_copy(update={"schema_name": place, "name": known})

    def _named(self, pair: Name) -> list[Table]:
        found, view = self._known.spelled(pair) or (None, False)
        if found != pair or view:
            return super()._named(pair) if found == pair else []
        return catalogue(self.driver, only(self._file, pair), self.default_schema, ("", ()))

    def _holds_ledger(self, load: Load) -> bool:
        return self._known.holds((load.table.schema_name or self.default_schema, LEDGER))

    def refuse_computed(self, table: Table, columns: Iterable[Column]) -> None:
        found = self.describe(table.full_name)
        if found and any(column.filled for column in found.columns):  # which is what computed ones seem to be
            super().refuse_computed(table, columns)

    def cancel(self) -> None:
        """See `connector.Cancels`."""
        with suppress(self._file._errors):  # it may be connecting anew
            self._file._connection.interrupt()
