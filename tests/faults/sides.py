"""Databases as the fault tests see them: by their own libraries, never by Lading's."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

Row = tuple[Any, ...]


class Side:
    """One database. `Side.of` takes an address; every call is a connection of its own."""

    mark = "?"
    quotes = '""'
    types: ClassVar[dict[str, str]]

    def __init__(self, url: str) -> None:
        self.url = url

    @staticmethod
    def of(url: str) -> Side:
        """The side that an address means."""
        kinds = {"sqlite": SQLite, "duckdb": DuckDB, "postgresql": Postgres, "mysql": MariaDB}
        return kinds[url.partition(":")[0]](url)

    @property
    def path(self) -> Path:
        """The file of a database that is one."""
        return Path(urlsplit(self.url).path[1:])

    @contextmanager
    def open(self) -> Iterator[Any]:
        """A cursor inside one transaction, committed at the end."""
        raise NotImplementedError

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """The rows of one statement."""
        with self.open() as cursor:
            cursor.execute(sql, values) if values else cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]

    def execute(self, *statements: str) -> None:
        """Runs statements in one transaction."""
        with self.open() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def fill(self, table: str, rows: Iterable[Row]) -> None:
        """Inserts rows in one transaction."""
        with self.open() as cursor:
            self.insert(cursor, table, list(rows))

    def insert(self, cursor: Any, table: str, rows: list[Row]) -> None:
        """Inserts rows."""
        if rows:
            marks = ", ".join([self.mark] * len(rows[0]))
            cursor.executemany(f"INSERT INTO {self.quote(table)} VALUES ({marks})", rows)

    def settle(self) -> None:
        """Lets the server count what it was given."""

    def quote(self, name: str) -> str:
        """A name as the database wants it."""
        last = self.quotes[-1]
        return f"{self.quotes[0]}{name.replace(last, last * 2)}{last}"

    def names(self) -> set[str]:
        """Every table there is."""
        raise NotImplementedError

    def leftovers(self) -> set[str]:
        """What Lading left."""
        return {name for name in self.names() if name.startswith("lading_")}


class SQLite(Side):
    """A SQLite file."""

    types: ClassVar = {"int": "INTEGER", "text": "VARCHAR(60)", "float": "REAL", "decimal": "DECIMAL(12,2)"}

    @contextmanager
    def open(self) -> Iterator[Any]:
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            connection.execute("BEGIN")
            yield connection.cursor()
            connection.execute("COMMIT")
        finally:
            connection.close()

    def names(self) -> set[str]:
        return {row[0] for row in self.query("SELECT name FROM sqlite_master WHERE type = 'table'")}


class DuckDB(Side):
    """A DuckDB file, which one process opens at a time."""

    types: ClassVar = {"int": "BIGINT", "text": "VARCHAR", "float": "DOUBLE", "decimal": "DECIMAL(12,2)"}

    @contextmanager
    def open(self) -> Iterator[Any]:
        import duckdb

        with duckdb.connect(str(self.path)) as connection:
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")

    def insert(self, cursor: Any, table: str, rows: list[Row]) -> None:
        import pyarrow as pa

        if rows:
            names = [f"c{n}" for n in range(len(rows[0]))]
            cursor.register(
                "given", pa.table(dict(zip(names, (list(c) for c in zip(*rows, strict=True)), strict=True)))
            )
            cursor.execute(f"INSERT INTO {self.quote(table)} SELECT * FROM given")

    def names(self) -> set[str]:
        return {row[0] for row in self.query("SELECT table_name FROM duckdb_tables() WHERE NOT internal")}


class Postgres(Side):
    """A PostgreSQL database."""

    mark = "%s"
    types: ClassVar = {"int": "bigint", "text": "varchar(60)", "float": "double precision", "decimal": "numeric(12,2)"}

    @contextmanager
    def open(self) -> Iterator[Any]:
        import psycopg

        with psycopg.connect(self.url, connect_timeout=10) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            yield connection.cursor()

    def insert(self, cursor: Any, table: str, rows: list[Row]) -> None:
        with cursor.copy(f"COPY {self.quote(table)} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def settle(self) -> None:
        self.execute("ANALYZE")

    def names(self) -> set[str]:
        return {row[0] for row in self.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


class MariaDB(Side):
    """A MariaDB database."""

    mark = "%s"
    quotes = "``"
    types: ClassVar = {"int": "bigint", "text": "varchar(60)", "float": "double", "decimal": "decimal(12,2)"}

    @contextmanager
    def open(self) -> Iterator[Any]:
        import pymysql

        parts = urlsplit(self.url)
        connection = pymysql.connect(
            host=parts.hostname, port=parts.port or 3306, user=unquote(parts.username or ""),
            password=unquote(parts.password or ""), database=parts.path[1:], connect_timeout=10, charset="utf8mb4",
            ssl_disabled=True,
        )  # fmt: skip
        try:
            connection.cursor().execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            yield connection.cursor()
            connection.commit()
        finally:
            with suppress(pymysql.Error):
                connection.close()

    def names(self) -> set[str]:
        return {row[0] for row in self.query("SHOW TABLES")}


def eventually(true: Any, seconds: float = 20) -> bool:
    """Whether it became true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.01)
    return False
