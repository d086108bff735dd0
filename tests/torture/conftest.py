"""The systems of the torture suite, with zones, formats and modes that a careless reader would stumble over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import lacking
from tests.servers import MariaDB, Postgres, memory_folder

POSTGRES = {
    "TimeZone": "Asia/Tokyo", "DateStyle": "SQL, DMY", "IntervalStyle": "postgres_verbose", "bytea_output": "escape",
    "extra_float_digits": "-5", "xmlbinary": "hex", "lc_messages": "C",
}  # fmt: skip
MARIADB = {
    "default-time-zone": "-03:30",
    "sql-mode": "ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,IGNORE_SPACE",
    "collation-server": "utf8mb4_unicode_ci",
}
ZONE = "America/New_York"
"""The zone of this side's processes, which DuckDB takes for its own."""


@pytest.fixture(scope="package")
def awkward_mariadb() -> Iterator[MariaDB]:
    if reason := MariaDB.absent():
        lacking("mariadb", reason)
    server = MariaDB(MARIADB, memory_folder())
    server.create_database("torture")
    yield server
    server.close()


@pytest.fixture(scope="package")
def awkward_postgres(postgres: Postgres) -> Iterator[Postgres]:
    postgres.create_database("torture")
    settings = dict(POSTGRES)
    commas = "SELECT collname FROM pg_collation WHERE collname ~ '^(de|fr|pt)_.*utf8$' LIMIT 1"
    for (locale,) in postgres.execute(commas):
        settings |= {"lc_monetary": locale, "lc_numeric": locale, "lc_time": locale}
    for name, value in settings.items():
        postgres.execute(f"ALTER DATABASE torture SET {name} = '{value}'" if "," not in value else
                         f"ALTER DATABASE torture SET {name} = {value}")  # fmt: skip
    yield postgres
    postgres.drop_database("torture")
