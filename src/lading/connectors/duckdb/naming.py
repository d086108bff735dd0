"""Names of tables where DuckDB could take a schema for the file: both can be called alike."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lading.dialects.duckdb import dialect
from lading.schema import Table

if TYPE_CHECKING:
    from lading.connectors.duckdb.driver import DuckDBDriver


def named(driver: DuckDBDriver, table: Table) -> str:
    """The quoted name, with the file's where its schema is called so."""
    text, schema = dialect.table(table), table.schema_name
    return f"{dialect.quote(schema)}.{text}" if schema and schema.casefold() == _catalog(driver.path) else text


def _catalog(path: str) -> str:
    """What DuckDB calls a file, in small letters; asking it would be a query for every name."""
    name = os.path.basename(path).partition(".")[0].casefold()
    return f"{name}_db" if name in ("main", "temp", "system") else name
