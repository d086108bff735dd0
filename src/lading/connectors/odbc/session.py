"""A session that reads what ODBC drivers get wrong as text, and measures long values before it reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lading.connector import WHOLE, Load, Slice, Standing
from lading.connectors.odbc.columns import FEW, as_text
from lading.connectors.odbc.driver import Driver
from lading.dialect import Dialect
from lading.dialects.odbc import Flavour
from lading.errors import Unsupported
from lading.schema import Column, Table
from lading.slicing import inside
from lading.sql import SqlSession
from lading.types import Type

if TYPE_CHECKING:
    from lading.connectors.odbc import Odbc


def spoken(dialect: Dialect, flavour: Flavour) -> Dialect:
    """A dialect as it is spoken through ODBC, by our session and not by the native connector's."""
    totals = {kind: flavour.exact.replace("{v}", total) for kind, total in dialect.totals.items() if flavour.exact}
    bound = {field.name: getattr(dialect, field.name) for field in fields(dialect)}
    bound = {name: v.replace(dialect.placeholder, "?") for name, v in bound.items() if isinstance(v, str)}
    return replace(
        replace(dialect, **bound), totals=totals,
        row_hash=dialect.row_hash if flavour.hashes else "", slice_column=True, refusals="", body="",
        sorts=(*flavour.sorts, *dialect.sorts),
        canon=None,  # drivers stand between our settings and the values
        create=dialect.create + flavour.options_of_tables,
    )  # fmt: skip


class OdbcSession(SqlSession):
    """A `connector.Session` over ODBC."""

    def __init__(self, settings: Odbc, dialect: Dialect, driver: Driver) -> None:
        super().__init__(dialect, driver, settings.schema_name)
        self.settings, self.odbc, self.flavour = settings, driver, driver.flavour

    def fit(self, table: Table) -> Table:
        if not self.flavour.begin:
            what = f"An ODBC source with the dialect '{self.settings.dialect}' cannot be written to."
            raise Unsupported(what, "Choose another target.")
        for name in (table.name, *(column.name for column in table.columns)):
            if len(name) > self.flavour.name_characters:
                what = f"The name '{name}' has {len(name)} characters; {self.dialect.name} allows"
                raise Unsupported(f"{what} {self.flavour.name_characters}.", "Map it to a shorter one with --into.")
        return super().fit(table)

    def slices(self, table: Table, rows: int, since: Slice = WHOLE) -> list[Slice]:
        return [since] if self.flavour.whole else super().slices(table, rows, since)

    def read(self, table: Table, slice: Slice) -> Iterator[pa.RecordBatch]:
        sizes = {kind: self._longest(table, slice, kind) for kind in ("text", "binary")}
        batches = self.odbc.fetch(self._select(table, slice, self._reads(table)), table, **sizes)
        yield from inside(batches, table, slice)

    def _reads(self, table: Table) -> list[str]:
        return [f"{self._expression(c)} AS {self.dialect.quote(c.name)}" for c in table.columns]

    def _expression(self, column: Column) -> str:
        template = as_text(self.flavour, column.type)
        quoted = self.dialect.quote(column.name)
        if self.flavour.raw and re.fullmatch(self.flavour.raw, str(column.type)):
            return quoted
        read = self.dialect.read(column)
        return template.replace("{c}", quoted).replace("{r}", read) if template else read

    def _begun(self, load: Load, staged: bool) -> Standing:
        return Standing.PUBLISHING  # behind ODBC may be a system that commits whatever makes a table

    def placing(self, load: Load) -> list[str]:
        if not self.flavour.placing:
            return super().placing(load)
        if self.describe(load.stage.full_name) is None:
            return []  # an earlier attempt put it in place, and was cut off before it could say so
        column = self.dialect.quote("lading_slice")
        target = self.name(load.table)
        return [self.flavour.placing.format(stage=self.name(load.stage), column=column, target=target)]

    def _longest(self, table: Table, slice: Slice, kind: str) -> int:
        """The bytes of the longest value that the driver must make room for."""
        long = [c for c in table.columns if (c.type.kind == "binary") == (kind == "binary") and _long(c.type)]
        if not long:
            return FEW
        if not self.flavour.length:
            return self.settings.long_bytes
        items = [f"max({self.flavour.length.replace('{c}', self._expression(c))})" for c in long]
        found: list[Any] = []
        for start in range(0, len(items), self.dialect.select_items):
            found += self.odbc.query(self._select(table, slice, items[start : start + self.dialect.select_items]))[0]
        return max([FEW, *(int(n) + 4 for n in found if n is not None)])


def _long(type_: Type) -> bool:
    if type_.kind in ("string", "binary"):
        return type_.size is None or type_.size * (1 if type_.kind == "binary" or type_.in_bytes else 4) > FEW
    return type_.kind in ("json", "list", "interval") or (type_.kind == "decimal" and type_.size is None)
