"""Loads scenarios with each system's own client, in its own literals: nothing here goes through Lading."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pymysql

from tests.servers import USER, MariaDB, Postgres
from tests.torture.scenario import Column, Row, Scenario

IDS = {
    "postgres": "integer", "mariadb": "int", "sqlite": "INTEGER", "duckdb": "INTEGER", "parquet": "int32",
    "csv": "inferred",
}  # fmt: skip
Tables = Iterable[tuple[str, list[Column], list[Row]]]


def quoted(system: str, text: str) -> str:
    """A text as a literal."""
    if "\0" in text and system == "sqlite":
        return f"CAST(x'{text.encode().hex()}' AS TEXT)"
    if "\0" in text and system == "duckdb":
        return " || chr(0) || ".join(quoted(system, part) for part in text.split("\0"))
    return f"'{escaped(system, text)}'"


def escaped(system: str, text: str) -> str:
    """A text as it stands between quotes."""
    if system == "mariadb":
        text = text.replace("\\", "\\\\").replace("\0", "\\0")
    return text.replace("'", "''")


def literal(system: str, value: str | None, column: Column) -> str:
    if value is None:
        return "NULL"
    return column.form.replace("{}", escaped(system, value)) if column.form else quoted(system, value)


def statements(system: str, scenario: Scenario) -> Iterator[str]:
    """All that makes the tables of a scenario."""
    yield from (text for where, text in scenario.before if where == system)
    mark = "`" if system == "mariadb" else '"'
    for name, columns, rows in scenario.tables(system):
        shape = [f"{mark}{column.name}{mark} {column.type or IDS[system]}" for column in columns]
        if scenario.key:
            shape.append(f"PRIMARY KEY ({', '.join(mark + name + mark for name in scenario.key)})")
        yield f"CREATE TABLE {mark}{name}{mark} ({', '.join(shape)})"
        lines = []
        for row in written(system, scenario, rows):
            lines.append(f"({', '.join(literal(system, *pair) for pair in zip(row, columns, strict=True))})")
        yield f"INSERT INTO {mark}{name}{mark} VALUES {', '.join(lines)}"


def written(system: str, scenario: Scenario, rows: list[Row]) -> list[Row]:
    words = scenario.writes.get(system, {})
    return [tuple(value if value is None else words.get(value, value) for value in row) for row in rows]


def run(system: str, scenarios: Sequence[Scenario], execute: Callable[[str], object]) -> None:
    for scenario in scenarios:
        for statement in statements(system, scenario):
            try:
                execute(statement)
            except Exception as error:
                raise AssertionError(f"{system} cannot hold '{scenario.name}': {error}: {statement[:500]}") from error


def postgres(server: Postgres, database: str, scenarios: Sequence[Scenario]) -> None:
    with psycopg.connect(server.url(database)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET DateStyle = 'ISO, YMD'")
        connection.execute("SET lc_monetary = 'C'")
        run("postgres", scenarios, lambda text: connection.execute(text.encode()))


def mariadb(server: MariaDB, database: str, scenarios: Sequence[Scenario]) -> None:
    connection = pymysql.connect(
        host="127.0.0.1", port=server.port, user=USER, password=server.password, database=database,
        charset="utf8mb4", ssl_disabled=True, init_command="SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES'",
    )  # fmt: skip
    with contextlib.closing(connection):
        run("mariadb", scenarios, connection.cursor().execute)
        connection.commit()


def sqlite(path: Path, scenarios: Sequence[Scenario]) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        run("sqlite", scenarios, connection.execute)
        connection.commit()


def duckdb_file(path: Path, scenarios: Sequence[Scenario]) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        run("duckdb", scenarios, connection.execute)


def csv(folder: Path, scenarios: Sequence[Scenario]) -> dict[str, str]:
    """Returns the types that a connection must be told, by table and column."""
    declared: dict[str, str] = {}
    for scenario in scenarios:
        for name, columns, rows in scenario.tables("csv"):
            lines = [",".join(column.name for column in columns)]
            for row in written("csv", scenario, rows):
                lines.append(",".join(_field(*pair) for pair in zip(row, columns, strict=True)))
            (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
            declared |= {f"{name}.{c.name}": c.type for c in columns if c.type not in ("", "inferred")}
    return declared


def _field(value: str | None, column: Column) -> str:
    if value is None:
        return ""
    text = column.form.replace("{}", value) if column.form else value
    return '"' + text.replace('"', '""') + '"' if text == "" or re.search(r'[,"\r\n]|^\s|\s$', text) else text


def parquet(folder: Path, scenarios: Sequence[Scenario]) -> None:
    for scenario in scenarios:
        for name, columns, rows in scenario.tables("parquet"):
            places = list(zip(*written("parquet", scenario, rows), strict=True))
            arrays = [array(values, column.type or "int32") for values, column in zip(places, columns, strict=True)]
            pq.write_table(pa.table(arrays, names=[column.name for column in columns]), folder / f"{name}.parquet")


def arrow_type(text: str) -> Any:
    if found := re.fullmatch(r"(decimal(?:128|256))\((\d+),(-?\d+)\)", text):
        return getattr(pa, found[1])(int(found[2]), int(found[3]))
    if found := re.fullmatch(r"timestamp\[(\w+), tz=(.+)]", text):
        return pa.timestamp(found[1], found[2])
    if found := re.fullmatch(r"list<(.+)>", text):
        return pa.list_(arrow_type(found[1]))
    if found := re.fullmatch(r"dictionary<(.+)>", text):
        return pa.dictionary(pa.int32(), arrow_type(found[1]))
    return pa.uuid() if text == "uuid" else pa.type_for_alias(text)


def array(values: Sequence[str | None], type_: str) -> Any:
    arrow = arrow_type(type_)
    plain = [None if value is None else of(value, arrow) for value in values]
    if type_ == "uuid":
        return pa.ExtensionArray.from_storage(arrow, pa.array(plain, pa.binary(16)))
    if pa.types.is_timestamp(arrow) or pa.types.is_time64(arrow):
        return pa.array(plain, pa.int64()).cast(arrow)
    return pa.array(plain, arrow)


def of(text: str, arrow: Any) -> Any:
    """A value for Arrow, made by Python."""
    at = pa.types
    if at.is_integer(arrow):
        return int(text)
    if at.is_decimal(arrow):
        return Decimal(text)
    if at.is_floating(arrow):
        return float(text)
    if at.is_boolean(arrow):
        return {"true": True, "false": False}[text]
    if at.is_binary(arrow) or at.is_large_binary(arrow):
        return bytes.fromhex(text)
    if at.is_date(arrow):
        return date.fromisoformat(text)
    if at.is_time64(arrow):
        moment = time.fromisoformat(text)
        return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 10**6 + moment.microsecond
    if at.is_timestamp(arrow):
        return _ticks(text, {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[arrow.unit])
    if at.is_list(arrow):
        return json.loads(text)
    return UUID(text).bytes if isinstance(arrow, pa.UuidType) else text


def _ticks(text: str, unit: int) -> int:
    whole, _, part = text.partition(".")
    gone = datetime.fromisoformat(whole).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (gone.days * 86_400 + gone.seconds) * unit + int(f"{part:0<9}") * unit // 10**9
