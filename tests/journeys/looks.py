"""Reads tables with each system's own client, so that nobody takes Lading's word for what arrived."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import struct
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

Rows = list[tuple[Any, ...]]


class Read(NamedTuple):
    """A table as its system's own client gives it."""

    columns: list[str]
    rows: Rows


def contents(place: str, schema: str = "") -> dict[str, Read]:
    """Every table of a place: the address of a database, or a folder of files."""
    scheme = urlsplit(place).scheme
    if scheme == "duckdb":
        return dict(_duckdb(place, schema or "main"))
    if scheme == "sqlite":
        return dict(_sqlite(place))
    if scheme == "postgresql":
        return dict(_postgres(place, schema or "public"))
    if scheme == "mysql":
        return dict(_maria(place, schema))
    return dict(_files(Path(_path(place))))


def query(place: str, statement: str) -> Rows:
    """Runs a statement, committed, and gives its rows."""
    match urlsplit(place).scheme:
        case "duckdb":
            import duckdb

            with duckdb.connect(_path(place)) as found:
                return found.execute(statement).fetchall()
        case "sqlite":
            connection = sqlite3.connect(_path(place), isolation_level=None)
            try:
                return connection.execute(statement).fetchall()
            finally:
                connection.close()
        case "postgresql":
            import psycopg

            with psycopg.connect(place, autocommit=True) as pg:
                cursor = pg.execute(statement.encode())
                while cursor.nextset():
                    pass
                return cursor.fetchall() if cursor.description else []
        case _:
            return script(place, statement)


def script(place: str, statements: str) -> Rows:
    """Runs statements on MariaDB; the last one's rows."""
    import pymysql
    from pymysql.constants import CLIENT

    parts = urlsplit(place)
    with pymysql.connect(
        host=parts.hostname, port=parts.port or 3306, user=parts.username or "", password=unquote(parts.password or ""),
        database=parts.path.strip("/"), autocommit=True, client_flag=CLIENT.MULTI_STATEMENTS,
        ssl_disabled=True,
    ) as connection, connection.cursor() as cursor:  # fmt: skip
        cursor.execute(statements)
        rows = cursor.fetchall()
        while cursor.nextset():
            rows = cursor.fetchall()
        return list(rows)


def _path(place: str) -> str:
    return unquote(urlsplit(place).path).removeprefix("/")


def _duckdb(place: str, schema: str) -> Iterator[tuple[str, Read]]:
    import duckdb

    with duckdb.connect(_path(place), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        names = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = ?", [schema]).fetchall()
        for (name,) in names:
            found = connection.execute(f'DESCRIBE "{schema}"."{name}"').fetchall()
            zoned = [column for column, native, *_ in found if native == "TIMESTAMP WITH TIME ZONE"]
            # DuckDB's client needs another package to show these.
            items = ", ".join(f'"{c}"::TIMESTAMP AS "{c}"' if c in zoned else f'"{c}"' for c, *_ in found)
            yield (
                name,
                Read([c for c, *_ in found], connection.execute(f'SELECT {items} FROM "{schema}"."{name}"').fetchall()),
            )


def _sqlite(place: str) -> Iterator[tuple[str, Read]]:
    connection = sqlite3.connect(f"file:{_path(place)}?mode=ro", uri=True)
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    for (name,) in names.fetchall():
        cursor = connection.execute(f'SELECT * FROM "{name}"')
        yield name, Read([d[0] for d in cursor.description], cursor.fetchall())
    connection.close()


def _postgres(place: str, schema: str) -> Iterator[tuple[str, Read]]:
    import psycopg

    with psycopg.connect(place) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]).fetchall()
        for (name,) in names:
            cursor = connection.execute(f'SELECT * FROM "{schema}"."{name}"'.encode())
            yield name, Read([d[0] for d in cursor.description or ()], cursor.fetchall())


def _maria(place: str, schema: str) -> Iterator[tuple[str, Read]]:
    database = schema or urlsplit(place).path.strip("/")
    tables = (
        "SELECT table_name FROM information_schema.tables "
        f"WHERE table_schema = '{database}' AND table_type = 'BASE TABLE'"
    )
    for (name,) in query(place, tables):
        columns = query(
            place,
            "SELECT column_name FROM information_schema.columns "
            f"WHERE table_schema = '{database}' AND table_name = '{name}' ORDER BY ordinal_position",
        )
        yield name, Read([c for (c,) in columns], query(place, f"SELECT * FROM `{database}`.`{name}`"))


def _files(folder: Path) -> Iterator[tuple[str, Read]]:
    """Each folder is a table, its files are its parts; NULL is an empty field without quotes."""
    for path in sorted(folder.iterdir()):
        parts = sorted(part for part in path.rglob("*") if part.suffix in (".parquet", ".csv"))
        if not parts:
            continue
        read = pq.read_table if parts[0].suffix == ".parquet" else _csv
        table = pa.concat_tables([read(part) for part in parts])
        yield path.name, Read(table.column_names, list(zip(*(c.to_pylist() for c in table.columns), strict=True)))


def _csv(path: Path) -> pa.Table:
    with path.open(encoding="utf-8") as file:
        names = next(csv.reader(file))
    convert = pc.ConvertOptions(
        column_types={name: pa.string() for name in names}, null_values=[""], strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )  # fmt: skip
    return pc.read_csv(path, parse_options=pc.ParseOptions(newlines_in_values=True), convert_options=convert)


# Comparing: values are brought to plain text, guided by what the source's client gave for the column.


def same(source: Read, target: Read, singles: Collection[str] = (), padded: Collection[str] = ()) -> str:
    """Empty when both hold the same rows, columns matched by name without case and underscores; else what differs.

    Numbers of the columns `singles` have 32 bits, which clients show with more or fewer digits; blanks at the end of
    the columns `padded` mean nothing, as in every char(n)."""
    ours, theirs = [_plain(c) for c in source.columns], [_plain(c) for c in target.columns]
    if sorted(ours) != sorted(theirs):
        return f"columns {ours} against {theirs}"
    kinds = [_kind(row[n] for row in source.rows) for n in range(len(ours))]
    kinds = [
        Single if n in singles else Padded if n in padded else k for n, k in zip(source.columns, kinds, strict=True)
    ]
    places = [theirs.index(name) for name in ours]
    left = sorted((tuple(map(normal, row, kinds)) for row in source.rows), key=repr)
    right = sorted(
        (tuple(normal(row[p], k) for p, k in zip(places, kinds, strict=True)) for row in target.rows), key=repr
    )
    if len(left) != len(right):
        return f"{len(left)} rows against {len(right)}"
    for one, other in zip(left, right, strict=True):
        if one != other:
            return next(f"{n}: {a!r} against {b!r}" for n, a, b in zip(ours, one, other, strict=True) if a != b)
    return ""


class Single: ...


class Padded: ...


def _plain(name: str) -> str:
    return name.replace("_", "").replace(" ", "").lower()


def plain_names(found: dict[str, Read]) -> dict[str, Read]:
    """Tables by their names without case, blanks and underscores."""
    return {_plain(name): table for name, table in found.items()}


def _kind(values: Iterator[Any]) -> type:
    return next((type(value) for value in values if value is not None), str)


def normal(value: Any, kind: type) -> str | bytes | None:
    """A value as text, by the kind of its column in the source."""
    if value is None:
        return None
    if kind is Single:
        return repr(struct.unpack("f", struct.pack("f", float(value)))[0])
    if kind is Padded:
        return str(value).rstrip(" ")
    if issubclass(kind, bool):
        return "1" if str(value).lower() in ("1", "true", "t", "b'\\x01'") else "0"
    if issubclass(kind, int | float | Decimal):
        value = int(value) if isinstance(value, bool) else value
        number = Decimal(repr(value) if isinstance(value, float) else str(value))
        return str(number) if not number.is_finite() else format(number.normalize() + 0, "f")
    if issubclass(kind, bytes | bytearray | memoryview):
        return bytes.fromhex(value) if isinstance(value, str) else bytes(value)
    if issubclass(kind, datetime | date):
        return _moment(value)
    if issubclass(kind, time):
        if isinstance(value, timedelta):
            value = (datetime(2000, 1, 1) + value).time()
        return re.sub(r"\.?0+$", "", str(value)) if "." in str(value) else str(value)
    if issubclass(kind, dict | list):
        found = json.loads(value) if isinstance(value, str) else value
        return json.dumps(found, sort_keys=True, default=str)
    text = str(value)
    return _moment(text) if re.match(r"\d{4}-\d\d-\d\d[ T]\d\d:", text) or not isinstance(value, str) else text


def _moment(value: Any) -> str:
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    text = re.sub(r"(?:Z|\+00(?::?00)?)$", "", str(value).replace("T", " "))
    text = re.sub(r"\.?0+$", "", text) if "." in text else text
    return text.removesuffix(" 00:00:00")


def failed(bill: Any) -> str:
    """What a bill says of tables that are not proved."""
    lines = []
    for table in bill.tables:
        if table.state != "proved":
            reasons = table.proof.reasons if table.proof else ()
            lines.append(f"{table.table}: {table.state}: {table.error} {'; '.join(reasons)}")
    return "\n".join(lines) or f"{bill.state} without tables"
