"""One table of DuckDB's catalogue, whose own tables list every column of every table for each question."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lading.catalogue import Name
from lading.connectors.duckdb.faults import error_of
from lading.dialect import Dialect
from lading.dialects.duckdb import dialect
from lading.schema import Table, in_small

if TYPE_CHECKING:
    from lading.connectors.duckdb.driver import DuckDBDriver

_NAMES = """
    SELECT schema_name, table_name, 0 FROM duckdb_tables() WHERE database_name = current_database()
    UNION ALL SELECT schema_name, view_name, 1 FROM duckdb_views() WHERE database_name = current_database()"""
_VIEWS = """
    SELECT 1 FROM duckdb_views()
    WHERE database_name = current_database() AND lower(schema_name) = lower(?) AND lower(view_name) = lower(?)"""


class Known:
    """The names of a file's tables and views, asked for once, as long as no other is met."""

    def __init__(self, driver: DuckDBDriver) -> None:
        self._driver = driver
        self._names: dict[Name, tuple[Name, bool]] = {}

    def holds(self, name: Name) -> bool:
        """Whether there is such a table or view, in any capitals."""
        import duckdb as vendor

        driver = self._driver
        driver._look_again()
        try:
            # A query that finds none would end the transaction that is open.
            driver._connection.view(driver.named(Table(name=name[1], schema_name=name[0])))
        except vendor.CatalogException:
            return bool(driver.query(_VIEWS, name))  # which can be there without what it selects from
        except vendor.Error as error:
            raise error_of(driver.path, error) from error
        return True

    def spelled(self, name: Name) -> tuple[Name, bool] | None:
        """How its name is written, and whether it is a view; None when it is absent."""
        small = (in_small(name[0]), in_small(name[1]))
        if not self.holds(name):
            return None
        if small not in self._names:
            rows = self._driver.query(_NAMES)
            self._names = {(in_small(a), in_small(b)): ((a, b), bool(view)) for a, b, view in rows}
        return self._names.get(small)


def only(driver: DuckDBDriver, name: Name) -> Dialect:
    """The dialect with the catalogue of one table."""
    table = driver.named(Table(name=name[1], schema_name=name[0]))
    place = f"{dialect.text(name[0])} AS table_schema, {dialect.text(name[1])} AS table_name"
    return replace(
        dialect,
        catalog=f"""
            SELECT {place}, cid + 1 AS place, name AS column_name, type AS native,
                   CASE WHEN "notnull" THEN 0 ELSE 1 END AS nullable, 0 AS is_view,
                   CASE WHEN dflt_value IS NULL THEN 0 ELSE 1 END AS filled
            FROM pragma_table_info({dialect.text(table)})""",
        keys=f"SELECT * FROM ({dialect.keys}) WHERE {_is(name)}",
        sizes=f"SELECT {place}, count(*) AS n, NULL AS size FROM {table}",
    )


def _is(name: Name) -> str:
    return f"table_schema = {dialect.text(name[0])} AND table_name = {dialect.text(name[1])}"
