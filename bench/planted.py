"""Two tables, a and b, that differ in ten known places: in PostgreSQL, MariaDB, DuckDB and Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import duckdb
import psycopg
import pymysql

COLUMNS = ("id", "amount", "title", "note", "moment", "paid", "ratio", "number")
POSTGRES = """CREATE TABLE {table} (id bigint PRIMARY KEY, amount numeric(18,4) NOT NULL, title text NOT NULL,
    note text, moment timestamp(6) NOT NULL, paid boolean NOT NULL, ratio double precision NOT NULL,
    number integer NOT NULL)"""
MARIADB = """CREATE TABLE {table} (id bigint PRIMARY KEY, amount decimal(18,4) NOT NULL, title varchar(100) NOT NULL,
    note varchar(100), moment datetime(6) NOT NULL, paid tinyint(1) NOT NULL, ratio double NOT NULL,
    number int NOT NULL)"""
ROWS = """SELECT id,
    ((hash(id) % 999_999_999_999_999_999)::DECIMAL(19, 0) * 0.0001::DECIMAL(5, 4))::DECIMAL(18, 4) AS amount,
    'client ' || (hash(id + 1) % 100_000)::VARCHAR || ' of ' || (hash(id + 2) % 1_000)::VARCHAR AS title,
    CASE WHEN id % 4 = 0 THEN NULL ELSE 'seen in ' || (hash(id + 3) % 10_000_000)::VARCHAR END AS note,
    TIMESTAMP '2020-01-01' + to_microseconds((hash(id + 4) % 200_000_000_000_000)::BIGINT) AS moment,
    hash(id + 5) % 2 = 0 AS paid,
    (hash(id + 6) % 1_000_000_007)::DOUBLE / 1_000_003 AS ratio,
    (hash(id + 7) % 100_000)::INTEGER AS number
FROM range({first}, {last}) AS made(id)"""
CHANGES = {
    "amount": ("(amount + 0.0001)::DECIMAL(18, 4)", "a decimal by 0.0001"),
    "title": ("title || ' '", "a blank at the end"),
    "note": ("''", "NULL to ''"),
    "moment": ("moment + to_microseconds(1)", "a microsecond"),
    "paid": ("NOT paid", "a boolean"),
    "ratio": ("ratio + 1e-9", "a float by 1e-9"),
}
"""What b has instead, by column."""


class Planted(NamedTuple):
    """One difference: the row's key, and the column that was changed; none where a whole row is missing or extra."""

    key: str
    column: str
    said: str


class Places(NamedTuple):
    """Addresses of databases, a file and a folder beside it, and the servers' process ids."""

    postgres: str
    mariadb: str
    duckdb: Path
    parquet: Path
    servers: tuple[int, ...]


def planted(rows: int) -> list[Planted]:
    """The ten; what changes has a number that is a multiple of four, as only those rows have no note."""
    step = rows // 40 * 4
    found = [Planted(str(step * n), name, said) for n, (name, (_, said)) in enumerate(CHANGES.items(), 1)]
    found += [Planted(str(step * n + 1), "", "a missing row") for n in (7, 8)]
    return found + [Planted(str(key), "", "an extra row") for key in (0, rows + 1)]


def selects(rows: int) -> dict[str, str]:
    """The rows of a and of b, as DuckDB makes them."""
    found = planted(rows)
    changed = {each.column: each.key for each in found if each.column}
    items = [
        f"CASE WHEN id = {changed[name]} THEN {CHANGES[name][0]} ELSE {name} END AS {name}" if name in changed else name
        for name in COLUMNS
    ]
    gone = ", ".join(each.key for each in found if each.said == "a missing row")
    return {
        "a": ROWS.format(first=1, last=rows + 1),
        "b": f"SELECT {', '.join(items)} FROM ({ROWS.format(first=0, last=rows + 2)}) WHERE id NOT IN ({gone})",
    }


def fill(places: Places, rows: int) -> None:
    """Makes both tables everywhere."""
    places.parquet.mkdir()
    numbers = ", ".join("paid::INTEGER AS paid" if name == "paid" else name for name in COLUMNS)
    with duckdb.connect(str(places.duckdb)) as database:
        for table, select in selects(rows).items():
            database.execute(f"CREATE TABLE {table} AS {select}")
            database.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (id)")
            database.execute(f"COPY {table} TO '{places.parquet}/{table}.parquet' (FORMAT parquet)")
            text = places.duckdb.with_name(f"{table}.csv")
            how = r"FORMAT csv, HEADER false, NULLSTR '\N', FORCE_QUOTE (title, note)"
            database.execute(f"COPY (SELECT {numbers} FROM {table}) TO '{text}' ({how})")
    for table in "ab":
        text = places.duckdb.with_name(f"{table}.csv")
        _postgres(places.postgres, table, text)
        _mariadb(places.mariadb, table, text)
        text.unlink()


def _postgres(url: str, table: str, text: Path) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(POSTGRES.format(table=table))
        copied = f"COPY {table} FROM STDIN (FORMAT csv, NULL '\\N')"
        with text.open("rb") as file, connection.cursor() as cursor, cursor.copy(copied) as copy:
            while block := file.read(1 << 20):
                copy.write(block)
        connection.execute(f"VACUUM (FREEZE, ANALYZE) {table}")
        connection.execute("CHECKPOINT")


def mariadb_words(url: str) -> dict[str, str | int]:
    """A connection's words of an address."""
    parts = urlsplit(url)
    return {
        "host": str(parts.hostname), "port": parts.port or 3306, "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""), "database": parts.path[1:],
    }  # fmt: skip


def _mariadb(url: str, table: str, text: Path) -> None:
    words = mariadb_words(url)
    with pymysql.connect(**words, local_infile=True, autocommit=True) as connection, connection.cursor() as cursor:  # type: ignore[call-overload]
        cursor.execute(MARIADB.format(table=table))
        how = "CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"'"
        cursor.execute(f"LOAD DATA LOCAL INFILE '{text}' INTO TABLE {table} {how}")
        cursor.execute(f"ANALYZE TABLE {table}")
