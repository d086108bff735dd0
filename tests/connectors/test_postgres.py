"""What is peculiar to PostgreSQL."""

import datetime as dt
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pyarrow as pa
import pytest
from pydantic import SecretStr

import lading
from lading.connector import WHOLE, Load, Slice
from lading.connectors.postgres import Postgres
from lading.connectors.postgres.driver import Driver
from lading.connectors.postgres.failures import translate
from lading.connectors.postgres.session import PostgresSession
from lading.dialects.postgres import dialect
from lading.digest import Reading, Tally, digest_of
from lading.errors import AccessDenied, DataError, LadingError, SpecError, Unreachable, Unsupported
from lading.prove import unlike
from lading.run import hurried
from lading.schema import Column, Mode, Table
from lading.testing.contract import Contract, Unlisted, Waiver
from lading.types import parse
from tests.servers import Postgres as Cluster


@contextmanager
def opened(url: str, **settings) -> Iterator[PostgresSession]:
    with Postgres.from_url(url).model_copy(update=settings).open() as session:
        yield session


def described(session: PostgresSession, name: str) -> Table:
    table = session.describe(name)
    assert table is not None, name
    return table


def told(session: PostgresSession, table: Table, cut: Slice) -> Reading:
    found = session.digest(table, cut)
    assert found is not None
    return found


def run(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Each statement on its own; the rows of the last."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def rows(session: PostgresSession, name: str, cut: Slice = WHOLE) -> list[tuple[Any, ...]]:
    table = described(session, name)
    assert table.problems == ()
    return [tuple(row.values()) for batch in session.read(table, cut) for row in batch.to_pylist()]


def load_of(session: PostgresSession, name: str, mode: Mode = Mode.REPLACE) -> Load:
    table = described(session, name)
    return Load(id="cafe01", table=table, mode=mode, key=table.key)


def replaced(session: PostgresSession, load: Load, batches: list[pa.RecordBatch]) -> None:
    session.prepare(load)
    session.stage(load, batches, 0)
    session.publish([load])
    session.discard(load)


class TestContract(Contract):
    """The contract on a real server."""

    waivers: ClassVar = {
        "json-escapes": Waiver("never", "jsonb holds neither zero bytes nor halves of characters"),
        "string-zero": Waiver("never", "texts end at a zero byte; they are refused"),
        "test_a_hash_in_place_knows_no_order": Waiver("never", "versions of rows are hashed, which is cheaper"),
    }

    @pytest.fixture
    def connection(self, pg_database) -> Postgres:
        return Postgres.from_url(pg_database)

    @pytest.fixture
    def unlisted(self, pg_database) -> Unlisted:
        run(pg_database, "CREATE TABLE unlisted (id int, v aclitem)")
        return Unlisted("unlisted", "v", "aclitem")

    @pytest.fixture
    def nowhere(self, connection: Postgres) -> Postgres:
        return connection.model_copy(update={"port": 1})


# Every type: its declaration, a literal, the canonical type, the value in Arrow.
TYPES = [
    ("boolean", "true", "bool", True),
    ("smallint", "-32768", "int(16)", -32768),
    ("integer", "2147483647", "int(32)", 2147483647),
    ("bigint", "-9223372036854775808", "int(64)", -(2**63)),
    ("oid", "4294967295", "int(32,unsigned)", 4294967295),
    ("numeric(10,2)", "-12345678.90", "decimal(10,2)", Decimal("-12345678.90")),
    ("numeric(38,38)", "0." + "1" * 38, "decimal(38,38)", Decimal("0." + "1" * 38)),
    ("numeric(60,5)", "1" * 55 + ".12345", "decimal(60,5)", Decimal("1" * 55 + ".12345")),
    ("numeric(3,5)", "0.00123", "decimal(5,5)", Decimal("0.00123")),
    ("numeric(3,-2)", "-99900", "decimal(5,0)", Decimal("-99900")),
    ("numeric(100,2)", "9" * 98 + ".99", "decimal", "9" * 98 + ".99"),
    ("numeric", "-12.3400", "decimal", "-12.3400"),
    ("real", "3.4028235e38", "float(32)", 3.4028234663852886e38),
    ("double precision", "0.1", "float(64)", 0.1),
    ("double precision", "-Infinity", "float(64)", float("-inf")),
    ("money", "-12.34", "decimal(19,2)", Decimal("-12.34")),
    ("varchar(5)", 'a\n"b', "string(5)", 'a\n"b'),
    ("varchar", "a\\.", "string", "a\\."),
    ("char(5)", "ab ", "string(5)", "ab"),
    ("text", "", "string", ""),
    ("text", "\\.", "string", "\\."),
    ("text", "NULL, \r\n 日本 😀", "string", "NULL, \r\n 日本 😀"),
    ("name", "relname", "string(63 bytes)", "relname"),
    ('"char"', "x", "string", "x"),
    ("bytea", "\\x00ff5c0a", "binary", b"\x00\xff\\\n"),
    ("bytea", "", "binary", b""),
    ("date", "0001-01-01", "date", dt.date(1, 1, 1)),
    ("time", "23:59:59.999999", "time(6)", dt.time(23, 59, 59, 999999)),
    ("time(2)", "01:02:03.45", "time(2)", dt.time(1, 2, 3, 450000)),
    ("timetz", "10:00:00+02", "string", "10:00:00+02"),
    ("timestamp", "9999-12-31 23:59:59.999999", "timestamp(6)", dt.datetime(9999, 12, 31, 23, 59, 59, 999999)),
    ("timestamp(3)", "1969-12-31 23:59:59.5", "timestamp(3)", dt.datetime(1969, 12, 31, 23, 59, 59, 500000)),
    (
        "timestamptz",
        "2024-05-01 10:00:00.25+02",
        "timestamp(6,utc)",
        dt.datetime(2024, 5, 1, 8, 0, 0, 250000, dt.UTC),
    ),
    ("interval", "1 year 2 mons -3 days 04:05:06.5", "interval", (14, -3, 14706500000000)),
    ("interval", "-00:00:00.000001", "interval", (0, 0, -1000)),
    ("interval day to second(3)", "1 day 00:00:01.25", "interval", (0, 1, 1250000000)),
    ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("json", '{"b": 1,\n "a": [1.0]}', "json", '{"b": 1,\n "a": [1.0]}'),
    ("jsonb", '{"b": 1, "a": null}', "json", '{"a": null, "b": 1}'),
    ("inet", "10.0.0.1", "string", "10.0.0.1"),
    ("cidr", "10.0.0.0/8", "string", "10.0.0.0/8"),
    ("macaddr", "08:00:2b:01:02:03", "string", "08:00:2b:01:02:03"),
    ("xml", "<a>b</a>", "string", "<a>b</a>"),
    ("int4range", "[1,5)", "string", "[1,5)"),
    ("tstzmultirange", "{}", "string", "{}"),
    ("bit(3)", "101", "string", "101"),
    ("bit varying(5)", "10", "string", "10"),
    ("tsvector", "a:1 b:2", "string", "'a':1 'b':2"),
    ("point", "(1.5,0.1)", "string", "(1.5,0.1)"),
    ("pg_lsn", "16/B374D848", "string", "16/B374D848"),
    ("mood", "so so", "string", "so so"),
    ("pair", '(1,"a b")', "string", '(1,"a b")'),
    ("posint", "5", "int(32)", 5),
    ("code", "abc", "string(3)", "abc"),
    ("s2.citext", "Ab", "string", "Ab"),
    ("integer[]", "{1,NULL,3}", "list(int(32))", [1, None, 3]),
    ("text[]", '{"a\\"b",NULL,"NULL","",c\\\\d}', "list(string)", ['a"b', None, "NULL", "", "c\\d"]),
    ("text[]", "{}", "list(string)", []),
    ("numeric(10,2)[]", "{1.50,-2}", "list(decimal(10,2))", [Decimal("1.50"), Decimal("-2.00")]),
    ("numeric[]", "{1.50}", "list(decimal)", ["1.50"]),
    ("bytea[]", '{"\\\\x00ff",NULL}', "list(binary)", [b"\x00\xff", None]),
    ("boolean[]", "{t,f}", "list(bool)", [True, False]),
    ("date[]", "{2024-05-01}", "list(date)", [dt.date(2024, 5, 1)]),
    ("time[]", "{10:00:00.5}", "list(time(6))", [dt.time(10, 0, 0, 500000)]),
    (
        "timestamptz[]",
        '{"2024-05-01 10:00:00+00"}',
        "list(timestamp(6,utc))",
        [dt.datetime(2024, 5, 1, 10, tzinfo=dt.UTC)],
    ),
    ("double precision[]", "{NaN,0.1}", "list(float(64))", [pytest.approx(float("nan"), nan_ok=True), 0.1]),
    ("interval[]", '{"1 mon",NULL}', "list(interval)", [(1, 0, 0), None]),
    ("jsonb[]", '{"{\\"a\\": 1}"}', "list(json)", ['{"a": 1}']),
    ("mood[]", '{"so so",NULL}', "list(string)", ["so so", None]),
    ("posint[]", "{1}", "list(int(32))", [1]),
    ("uuid[]", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "list(uuid)", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
]
SCENE = (
    "CREATE SCHEMA s2",
    "CREATE EXTENSION citext SCHEMA s2",
    "CREATE TYPE mood AS ENUM ('sad', 'so so')",
    "CREATE TYPE pair AS (n int, t text)",
    "CREATE DOMAIN posint AS int CHECK (VALUE > 0)",
    "CREATE DOMAIN code AS varchar(3)",
)


@pytest.fixture
def typed(pg_database: str) -> str:
    """A database with a table of every type: row 1 holds values, row 2 NULLs."""
    columns = ", ".join(f"{dialect.quote(f'{n} {declared}')} {declared}" for n, (declared, *_) in enumerate(TYPES))
    run(pg_database, *SCENE, f"CREATE TABLE typed (id int PRIMARY KEY, {columns})")
    with psycopg.connect(pg_database) as connection:
        marks = ", ".join(f"%s::text::{declared}" for declared, *_ in TYPES)
        connection.execute(f"INSERT INTO typed VALUES (1, {marks})", [t[1] for t in TYPES])
        connection.execute("INSERT INTO typed (id) VALUES (2)")
    return pg_database


def test_every_type_is_read(typed):
    with opened(typed) as session:
        table = described(session, "typed")
        assert table.problems == ()
        assert [str(c.type) for c in table.columns[1:]] == [canonical for _, _, canonical, _ in TYPES]
        full, empty = rows(session, "typed")
    for (declared, literal, _, value), found in zip(TYPES, full[1:], strict=True):
        found = tuple(found) if isinstance(found, pa.MonthDayNano) else found
        assert found == value, (declared, literal)
    assert empty == (2, *[None] * len(TYPES))


def test_every_type_comes_back_from_another_database(typed, postgres):
    other = postgres.create_database("t_other_types")
    with opened(typed) as source, opened(other) as target:
        table = described(source, "typed")
        batches = list(source.read(table, WHOLE))
        for fresh in (True, False):
            fitted = target.fit(table) if fresh else described(target, "typed")
            assert [c.type for c in fitted.columns] == [c.type for c in table.columns]
            load = Load(id=f"cafe{fresh}", table=fitted, key=table.key, fresh=fresh)
            replaced(target, load, batches)
            there = described(target, "typed")
            assert digest_of(target.read(there, WHOLE), there.columns, ("id",)) == digest_of(
                batches, table.columns, ("id",)
            )
            assert target.describe("lading_ledger") is None
    with opened(typed) as source:  # into the very same types, enums and domains among them
        load = load_of(source, "typed")
        replaced(source, load, batches)
        assert digest_of(source.read(table, WHOLE), table.columns) == digest_of(batches, table.columns)
    postgres.drop_database("t_other_types")


def test_a_wide_table_is_read_less_at_a_time(pg_database):
    made, long = (", ".join(f"repeat('x', 100) AS c{n}" for n in range(columns)) for columns in (70, 7))
    run(pg_database, f"CREATE TABLE wide AS SELECT {made} FROM generate_series(1, 1500)")
    run(pg_database, f"CREATE TABLE narrow AS SELECT {long} FROM generate_series(1, 15000)")
    with opened(pg_database) as session:
        for name, batches in (("wide", 3), ("narrow", 2)):  # of 10 MB each
            assert len(list(session.read(described(session, name), WHOLE))) == batches


def test_what_is_computed_in_place_equals_what_was_read(typed):
    with opened(typed) as session:
        table = described(session, "typed")
        tally = Tally(table.columns)
        for batch in session.read(table, WHOLE):
            tally.add(batch)
        found = told(session, table, WHOLE)
        assert unlike(tally.reading(), found) == []
        assert found.rows == 2
        assert told(session, table, Slice(on=("id",), low=("7",))).native.startswith("0 ")
    with opened(typed) as again:
        assert told(again, table, WHOLE) == found
        # Values that are equal to PostgreSQL, and are not read as the same.
        for declared, value in (("numeric", "-12.34"), ("s2.citext", "aB"), ("interval", "14 mons -4 days 28:05:06.5")):
            name = next(c.name for c in table.columns if c.name.endswith(f" {declared}"))
            assert run(typed, f"UPDATE typed SET {dialect.quote(name)} = '{value}' WHERE id = 1 RETURNING 1")
            changed = told(again, table, WHOLE)
            assert changed.native != found.native, declared
            found = changed


BAD = [
    ("timestamp", "infinity", "'infinity'"),
    ("timestamptz", "-infinity", "'-infinity'"),
    ("timestamp", "0044-03-15 12:00:00 BC", "'0044-03-15 12:00:00 BC'"),
    ("timestamp", "10000-01-01", "'10000-01-01 00:00:00'"),
    ("date", "infinity", "'infinity'"),
    ("date", "0044-03-15 BC", "'0044-03-15 BC'"),
    ("time", "24:00:00", "'24:00:00'"),
    ("numeric(10,2)", "NaN", "'NaN'"),
    ("numeric(50,2)", "NaN", "'NaN'"),
    ("numeric", "NaN", "'NaN'"),
    ("numeric", "-Infinity", "'-Infinity'"),
    ("interval", "2562047788 hours", "292 years"),
    ("integer[]", "{{1,2},{3,4}}", "holds an array of several dimensions, or one that is not counted from 1, which"),
    ("text[]", "{{a},{b}}", "holds an array of several dimensions"),
    ("integer[]", "[0:1]={1,2}", "or one that is not counted from 1"),
    ("timestamp[]", "{2024-01-01,NULL,infinity}", "holds an array with 'infinity', which is no list(timestamp(6))."),
    ("numeric[]", "{1,NaN}", "holds an array with 'NaN', which is no list(decimal)."),
    ("numeric(9,2)[]", "{1,NaN,2}", "holds an array with 'NaN', which"),
    ("interval[]", "{1 day,2562047788 hours}", "holds an array with 'PT2562047788H', which"),
]


@pytest.mark.parametrize(("declared", "value", "named"), BAD)
def test_a_value_without_a_canonical_form_stops_the_read(pg_database, declared, value, named):
    run(pg_database, f"CREATE TABLE odd (id int, v {declared})", f"INSERT INTO odd VALUES (1, NULL), (2, '{value}')")
    with opened(pg_database) as session:
        with pytest.raises(DataError, match="Column 'v' of 'odd'") as caught:
            rows(session, "odd")
        assert named in str(caught.value)
        run(pg_database, "DELETE FROM odd WHERE id = 2")
        assert rows(session, "odd") == [(1, None)]  # the session is still of use


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TYPE mood RENAME VALUE 'ok' TO 'no'",
        "ALTER TABLE t DROP v; ALTER TABLE t ADD v text DEFAULT 'b'",
        "UPDATE t SET v = 'b' WHERE id = 1",
    ],
)
def test_a_digest_is_another_where_values_are_others(pg_database, change):
    """An interrupted run goes on with the slices whose digest is as it was; two of these change no version of a row."""
    run(
        pg_database,
        "CREATE TYPE mood AS ENUM ('ok', 'so')",
        "CREATE TABLE t (id int PRIMARY KEY, m mood, v text DEFAULT 'a')",
        "INSERT INTO t VALUES (1, 'ok'), (2, 'so')",
    )
    with opened(pg_database) as session:
        before = told(session, described(session, "t"), WHOLE)
        assert told(session, described(session, "t"), WHOLE) == before
    run(pg_database, change)
    with opened(pg_database) as session:
        assert told(session, described(session, "t"), WHOLE) != before


def test_null_and_empty_in_a_table_of_one_column(pg_database):
    run(pg_database, "CREATE TABLE one (t text)", "INSERT INTO one VALUES (NULL), (''), (NULL), ('\\.'), ('a')")
    run(pg_database, "CREATE TABLE ten (n int)", "INSERT INTO ten SELECT NULL FROM generate_series(1, 10)")
    with opened(pg_database) as session:
        assert rows(session, "one") == [(None,), ("",), (None,), ("\\.",), ("a",)]
        assert rows(session, "ten") == [(None,)] * 10
        for name in ("one", "ten"):
            load = load_of(session, name)
            batches = list(session.read(load.table, WHOLE))
            replaced(session, load, batches)
            assert list(session.read(load.table, WHOLE)) == batches


def test_rows_of_any_length(pg_database):
    run(
        pg_database,
        "CREATE TABLE long (id int PRIMARY KEY, t text, b bytea)",
        "INSERT INTO long SELECT n, repeat(E'x\n', n * 10000), NULL FROM generate_series(1, 100) n",
        "INSERT INTO long VALUES (101, repeat('ä', 25000000), decode(repeat('00ff', 1000000), 'hex'))",
        "INSERT INTO long VALUES (102, 'end', '')",
    )
    with opened(pg_database) as session:
        load = load_of(session, "long")
        batches = list(session.read(load.table, WHOLE))
        found = {r["id"]: r for b in batches for r in b.to_pylist()}
        assert sorted(found) == list(range(1, 103))
        assert all(found[n]["t"] == "x\n" * n * 10_000 for n in range(1, 101))
        assert found[101] == {"id": 101, "t": "ä" * 25_000_000, "b": b"\0\xff" * 1_000_000}
        expected = digest_of(batches, load.table.columns, load.key)
        replaced(session, load, batches)
        assert digest_of(session.read(load.table, WHOLE), load.table.columns, load.key) == expected


def test_names_of_every_kind(pg_database):
    names = ['ta"b le', "SELECT", "😀" * 15, "percent % s %s", "back\\slash", "dot.ted", "pg_class"]
    with opened(pg_database) as session:
        for name in names:
            columns = (
                *(Column(name=f"{word} c", type=parse("int(32)")) for word in names[:2]),
                Column(name=name, type=parse("string")),
            )
            table = session.fit(Table(name=name, columns=columns, key=()))
            batch = pa.record_batch(
                [pa.array([1], pa.int32()), pa.array([2], pa.int32()), pa.array(["x"])], names=list("abc")
            )
            for fresh in (True, False):
                replaced(session, Load(id="cafe", table=table, fresh=fresh), [batch])
                assert rows(session, name) == [(1, 2, "x")]
        assert sorted(t.name for t in session.tables()) == sorted(names)
        with pytest.raises(Unsupported, match="64 bytes"):
            session.name(Table(name="x" * 64))


def test_schemas_views_partitions_and_keys(pg_database):
    run(
        pg_database,
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.orders (b int, a int, c int NOT NULL UNIQUE, PRIMARY KEY (a, b))",
        "CREATE TABLE loose (x int UNIQUE, y int NOT NULL, z int)",
        "CREATE UNIQUE INDEX ON loose (y) WHERE z > 0",
        "CREATE UNIQUE INDEX ON loose ((y + 1))",
        "CREATE UNIQUE INDEX tight ON loose (y) INCLUDE (z)",
        "CREATE TABLE parts (id int, v text) PARTITION BY RANGE (id)",
        "CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE part2 PARTITION OF parts FOR VALUES FROM (10) TO (20)",
        "INSERT INTO parts SELECT n, n FROM generate_series(0, 19) n",
        "ANALYZE parts",
        "CREATE VIEW seen AS SELECT * FROM parts",
        "CREATE MATERIALIZED VIEW kept AS SELECT * FROM parts",
        "CREATE TABLE sum_up (id int, twice int GENERATED ALWAYS AS (id * 2) STORED)",
        "INSERT INTO sum_up VALUES (4)",
        "CREATE TYPE unlisted",
        "CREATE FUNCTION u_in(cstring) RETURNS unlisted LANGUAGE internal STRICT IMMUTABLE AS 'textin'",
        "CREATE FUNCTION u_out(unlisted) RETURNS cstring LANGUAGE internal STRICT IMMUTABLE AS 'textout'",
        "CREATE TYPE unlisted (INPUT = u_in, OUTPUT = u_out, LIKE = text)",
        "CREATE TABLE strange (u unlisted)",
    )
    with opened(pg_database) as session:
        found = {t.full_name: t for t in session.tables()}
        assert sorted(found) == ["kept", "loose", "parts", "sales.orders", "strange", "sum_up"]
        assert found["sales.orders"].key == ("a", "b")
        assert found["loose"].key == ("y",)
        assert found["parts"].rows == 20
        assert "'unlisted'" in found["strange"].problems[0]
        assert len(rows(session, "parts")) == len(rows(session, "seen")) == len(rows(session, "kept")) == 20
        assert len(rows(session, "part1")) == 10
        assert described(session, "seen").view
        assert session.describe("absent") is None
        assert rows(session, "sum_up") == [(4, 8)]
        with pytest.raises(Unsupported, match="computes column 'twice'"):
            session.prepare(load_of(session, "sum_up"))
        table = session.fit(found["sum_up"].model_copy(update={"name": "plain", "schema_name": "made"}))
        replaced(session, Load(id="cafe", table=table, fresh=True), list(session.read(found["sum_up"], WHOLE)))
        assert rows(session, "made.plain") == [(4, 8)]
    with opened(pg_database + "?schema=sales") as session:
        assert described(session, "orders").full_name == "orders"
        assert described(session, "public.parts").full_name == "public.parts"


@pytest.fixture
def numbers(pg_database: str) -> str:
    """A table of 20,000 rows on many pages, with holes."""
    run(
        pg_database,
        'CREATE TABLE numbers (a text COLLATE "C", n int, v text, PRIMARY KEY (a, n))',
        "INSERT INTO numbers SELECT chr(97 + n % 7), n, repeat('x', n % 200) FROM generate_series(1, 20000) n",
        "DELETE FROM numbers WHERE n % 10 = 0",
        "ANALYZE numbers",
    )
    return pg_database


@pytest.mark.parametrize(
    ("native", "value", "finds"),
    [("money", "(n - 50)::money", True), ("place", "(n, 'a')::place", True), ("int[]", "ARRAY[n, n / 2]", False)],
)
def test_slices_of_a_key_that_compares_with_no_literal_hold_every_row_once(pg_database, native, value, finds):
    run(
        pg_database,
        "CREATE TYPE place AS (a int, b text)",
        f"CREATE TABLE parts (k {native}, PRIMARY KEY (k)) PARTITION BY RANGE (k)",
        "CREATE TABLE parts_all PARTITION OF parts DEFAULT",
        f"INSERT INTO parts SELECT {value} FROM generate_series(1, 100) n",
        "ANALYZE",
    )
    with opened(pg_database) as session:
        cuts = session.slices(described(session, "parts"), 10)
        assert len(cuts) == 10
        parts = [row for cut in cuts for row in rows(session, "parts", cut)]
        assert sorted(map(str, parts)) == sorted(map(str, rows(session, "parts")))
        if finds:
            one = Slice(on=("k",), keys=((str(parts[0][0]),),))
            assert rows(session, "parts", one) == parts[:1]


@pytest.mark.parametrize("by", ["pages", "key"])
def test_slices_hold_every_row_once(numbers, by):
    with opened(numbers) as session:
        table = described(session, "numbers")
        if by == "key":
            session.dialect = dialect.__class__(**{**vars(dialect), "pages": ""})
        cuts = session.slices(table, 3000)
        assert len(cuts) == 6
        assert all((cut.pages is not None) == (by == "pages") for cut in cuts)
        parts = [digest_of(session.read(table, cut), table.columns, table.key) for cut in cuts]
        assert min(part.rows for part in parts) > 1000
        whole = digest_of(session.read(table, WHOLE), table.columns, table.key)
        assert sum(parts[1:], parts[0]) == whole
        assert whole.rows == 18_000
        assert [told(session, table, cut).rows for cut in cuts] == [part.rows for part in parts]


def test_what_nothing_cuts_is_said_in_the_plan(numbers, tmp_path):
    run(
        numbers,
        "CREATE TABLE heap AS SELECT * FROM numbers",
        "CREATE TABLE small (n int)",
        "CREATE TABLE parts (LIKE numbers) PARTITION BY RANGE (n)",
        "CREATE TABLE parts_all PARTITION OF parts DEFAULT",
        "CREATE TABLE keyed (LIKE numbers) PARTITION BY RANGE (n)",
        "ALTER TABLE keyed ADD PRIMARY KEY (a, n)",
        "CREATE TABLE keyed_all PARTITION OF keyed DEFAULT",
        "CREATE VIEW seen AS SELECT * FROM numbers",
        *(f"INSERT INTO {name} SELECT * FROM numbers" for name in ("parts", "keyed")),
        "ANALYZE",
    )
    whole = {"numbers": False, "heap": False, "small": False, "parts": True, "keyed": False, "seen": True}
    made = lading.plan(numbers, str(tmp_path / "x.duckdb"), tables=list(whole))
    assert {task.name: "no key to cut by: one slice" in task.notes for task in made.tasks} == whole
    with opened(numbers) as session:
        found = {name: len(session.slices(described(session, name), 3000)) == 1 for name in whole}
    assert found == whole | {"small": True}, "it is one slice anyway"
    (task,) = lading.plan(
        numbers, str(tmp_path / "x.duckdb"), tables="heap", mode="merge", merge_key=["a", "n"], since="n"
    ).tasks
    assert "no key to cut by: one slice" in task.notes


def test_a_connection_cut_in_the_wrong_moment_is_lost_and_no_fault_of_ours(numbers, monkeypatch):
    """asyncpg then says that its own states are mixed up."""
    import asyncpg

    with opened(numbers) as session:
        list(session.read(described(session, "numbers"), WHOLE))

        async def mixed_up(*_words, **_more):
            raise asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")

        for name in ("copy_from_query", "close"):
            monkeypatch.setattr(asyncpg.Connection, name, mixed_up)
        with pytest.raises(Unreachable, match="state 15"):
            list(session.read(described(session, "numbers"), WHOLE))


def test_sessions_share_a_snapshot(numbers):
    with opened(numbers) as first, opened(numbers) as second:
        name = first.pin()
        assert second.pin(name) == name
        run(numbers, "DELETE FROM numbers WHERE n < 1000", "INSERT INTO numbers VALUES ('new', 0, '')")
        table = described(first, "numbers")
        cuts = first.slices(table, 5000)
        assert sum(len(rows(session, "numbers", cut)) for session in (first, second) for cut in cuts) == 36_000
        assert told(first, table, WHOLE) == told(second, table, WHOLE)
        with pytest.raises(SpecError):
            first.driver.query("SELECT * FROM absent")
        with pytest.raises(SpecError):
            list(first.read(table.model_copy(update={"name": "absent"}), WHOLE))
        assert told(first, table, WHOLE).rows == 18_000  # an error does not end what is pinned
    with opened(numbers) as later:
        assert told(later, table, WHOLE).rows == 18_000 - 900 + 1
        with pytest.raises(LadingError):
            later.pin("00000003-0000001B-1")


@pytest.mark.parametrize("change", [
    "TRUNCATE numbers", "ALTER TABLE numbers ALTER v TYPE varchar(300) USING v || '!'",
    "CREATE TABLE n (LIKE numbers); INSERT INTO n TABLE numbers; DROP TABLE numbers; ALTER TABLE n RENAME TO numbers",
    "INSERT INTO waiting TABLE numbers; ALTER TABLE numbers RENAME TO n; ALTER TABLE waiting RENAME TO numbers",
])  # fmt: skip
def test_a_table_emptied_after_the_snapshot_is_not_read_as_empty(numbers, change):
    run(numbers, "CREATE TABLE waiting (LIKE numbers)")
    with opened(numbers) as session:
        table = described(session, "numbers")
        session.pin()
        run(numbers, change)
        for use in (lambda: list(session.read(table, WHOLE)), lambda: told(session, table, WHOLE)):
            with pytest.raises(Unreachable, match="after the snapshot"):
                use()


def test_an_index_made_after_the_snapshot_takes_nothing_away(numbers):
    with opened(numbers) as session:
        table = described(session, "numbers")
        session.pin()
        run(numbers, "CREATE INDEX later ON numbers (v)")
        assert told(session, table, WHOLE).rows == sum(len(batch) for batch in session.read(table, WHOLE)) > 0


@pytest.mark.parametrize(("name", "change"), [
    ("seen", "TRUNCATE numbers"), ("seen", "ALTER TABLE numbers ADD more float DEFAULT random()"),
    ("parent", "TRUNCATE child"), ("parts", "TRUNCATE parts_1"), ("kept", "REFRESH MATERIALIZED VIEW kept"),
])  # fmt: skip
def test_neither_is_what_a_table_reads_with_it(numbers, name, change):
    """The tables of a view, and those that inherit: an older snapshot would find no row in them."""
    run(
        numbers, "CREATE VIEW inner_view AS SELECT * FROM numbers", "CREATE VIEW seen AS SELECT * FROM inner_view",
        "CREATE TABLE parent (n int)", "CREATE TABLE child () INHERITS (parent)", "INSERT INTO child VALUES (1)",
        "CREATE TABLE parts (n int) PARTITION BY RANGE (n)",
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9)", "INSERT INTO parts VALUES (1)",
        "CREATE MATERIALIZED VIEW kept AS SELECT * FROM numbers",
    )  # fmt: skip
    with opened(numbers) as session:
        table = described(session, name)
        session.pin()
        run(numbers, change)
        for use in (lambda: list(session.read(table, WHOLE)), lambda: told(session, table, WHOLE)):
            with pytest.raises(
                Unreachable, match=r"reads '.*', which was emptied, rewritten or replaced after the snapshot"
            ):
                use()
    with opened(numbers) as session:
        session.pin()
        told(session, table, WHOLE)
        if name != "kept":
            with pytest.raises(psycopg.errors.LockNotAvailable):
                run(numbers, "SET lock_timeout = '100ms'", change)


def test_what_is_read_under_a_snapshot_cannot_be_emptied(numbers):
    with opened(numbers) as session:
        session.pin()
        table = described(session, "numbers")
        told(session, table, WHOLE)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            run(numbers, "SET lock_timeout = '100ms'", "TRUNCATE numbers")


def ended(url: str) -> bool:
    """Whether no query of Lading's runs, or soon none does."""
    busy = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'lading' AND state = 'active'"
    deadline = time.monotonic() + 3
    while found := run(url, busy):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return not found


@pytest.mark.parametrize(("words", "given"), [("", "0"), ("?parallel_workers=3", "3")])
def test_a_copy_has_no_workers_that_nobody_counts(numbers, tmp_path, words, given, monkeypatch):
    seen = []

    def hold(driver: Driver, name: str) -> None:
        seen.append(driver.query("SHOW max_parallel_workers_per_gather")[0][0])

    monkeypatch.setattr(Driver, "hold", hold)
    assert lading.copy(numbers + words, f"sqlite:///{tmp_path}/t.db", quiet=True).state == "proved"
    assert set(seen) == {given}
    with hurried(Postgres.from_url(numbers)).open() as session:
        assert isinstance(session, PostgresSession)
        assert session.driver.query("SHOW max_parallel_workers_per_gather") == [("0",)]
    with opened(numbers) as session:
        assert session.driver.query("SHOW max_parallel_workers_per_gather") != [("0",)]


def test_stopping_early_ends_the_query(pg_database):
    run(pg_database, "CREATE VIEW endless AS SELECT generate_series(1, 100000000) AS n, repeat('x', 1000) AS x")
    before = threading.active_count()
    with opened(pg_database) as session:
        table = described(session, "endless")
        for _ in range(3):
            batches = session.read(table, WHOLE)
            assert next(batches).num_rows > 0
            batches.close()  # type: ignore[attr-defined]
            assert ended(pg_database)
        next(session.read(table, WHOLE))  # and one that nobody closes
        unread = session.read(table, WHOLE)
        next(unread)
    assert ended(pg_database)
    assert threading.active_count() == before


def test_notices_do_not_get_between_the_rows(pg_database):
    run(
        pg_database,
        "CREATE FUNCTION loud(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'n %', n; RETURN n; END $$",
        "CREATE VIEW noisy AS SELECT loud(n) AS n FROM generate_series(1, 20000) n",
    )
    with opened(pg_database) as session:
        assert len(rows(session, "noisy")) == 20_000


def batch_of(*numbers: int, text: str | None = "x") -> pa.RecordBatch:
    return pa.record_batch([pa.array(numbers, pa.int32()), pa.array([text] * len(numbers))], names=["id", "t"])


def plain(name: str) -> Table:
    columns = (Column(name="id", type=parse("int(32)"), null=False), Column(name="t", type=parse("string")))
    return Table(name=name, columns=columns, key=("id",))


@pytest.mark.parametrize("there", ["CREATE TABLE t (n int)", "CREATE TABLE x (n int); CREATE INDEX t ON x (n)"])
def test_a_name_that_was_given_meanwhile_is_told_with_what_to_do(pg_database, there):
    with opened(pg_database) as session:
        load = Load(id="cafe", table=plain("t"), key=("id",), fresh=True)
        session.prepare(load)
        session.stage(load, [batch_of(1)], 0)
        run(pg_database, there)
        with pytest.raises(SpecError, match=r'"t" already exists\. Run again if it was made meanwhile; if not, rename'):
            session.publish([load])
        session.discard(load)


def test_slices_are_staged_in_parallel_and_again(pg_database):
    load = Load(id="cafe", table=plain("t"), key=("id",), fresh=True)
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with opened(pg_database) as session:
                for _ in range(3):
                    session.prepare(load)
                for _ in range(3):
                    session.stage(load, [batch_of(number * 10, number * 10 + 1), batch_of(number * 10 + 2)], number)
        except LadingError as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with opened(pg_database) as session:
        run(pg_database, "VACUUM (FREEZE) lading_cafe", "VACUUM (FREEZE) lading_ledger")
        assert session.stage(load, [batch_of(5)], 0) == 1
        run(pg_database, "VACUUM FULL lading_cafe", "VACUUM (FULL, FREEZE) lading_ledger")
        assert session.stage(load, [batch_of(15, 16)], 1) == 2
        with pytest.raises(ZeroDivisionError):
            session.stage(load, (batch_of(1 // n) for n in (1, 0)), 2)
        ids = [row[0] for row in rows(session, "lading_cafe")]
        assert sorted(ids) == [5, 15, 16, *(n * 10 + i for n in range(2, 8) for i in range(3))]
        session.publish([load])
        session.publish([load])
        session.discard(load)
        session.discard(load)
        assert described(session, "t").key == ("id",)
        assert sorted(t.name for t in session.tables()) == ["t"]
        assert run(pg_database, "SELECT relname FROM pg_class WHERE relname LIKE 'lading%'") == []
        assert run(pg_database, "SELECT conname FROM pg_constraint WHERE conrelid = 't'::regclass") == [("t_pkey",)]


def test_append_and_merge(pg_database):
    run(pg_database, "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text, more int DEFAULT 7)")
    with opened(pg_database) as session:
        for mode, batch in ((Mode.APPEND, batch_of(1, 2)), (Mode.MERGE, batch_of(2, 3, text="y"))):
            load = Load(id=mode.value, table=plain("t"), mode=mode, key=("id",))
            session.prepare(load)
            session.stage(load, [batch], 0)
            session.publish([load])
        assert sorted(rows(session, "t")) == [(1, "x", 7), (2, "y", 7), (3, "y", 7)]


@pytest.mark.parametrize(
    ("declared", "type_", "value", "named"),
    [
        ("text", "string", "a\0b", "zero byte"),
        ("text[]", "list(string)", ["a\0b"], "zero byte"),
        ("varchar(2)", "string(2)", "ab  ", "4 characters"),
        ("numeric", "decimal", "1e5", "no decimal"),
        ("interval", "interval", pa.MonthDayNano([0, 0, 1]), "nanoseconds"),
        ("date", "date", -719_163, "holds '0000-12-31', which is before the year 1"),
        ("timestamptz[]", "list(timestamp(6,utc))", [-(2**56)], "holds '-0314-"),
        ("mood", "string", "other", 'enum mood: "other"'),
        ("posint", "int(32)", -1, "posint"),
        ("jsonb", "json", "{", "json"),
        ("int not null", "int(32)", None, 'column "v"'),
    ],
)
def test_what_cannot_be_held_is_refused(pg_database, declared, type_, value, named):
    run(pg_database, *SCENE, f"CREATE TABLE t (v {declared})", f"CREATE TABLE raw (v {declared})")
    with opened(pg_database) as session:
        type_ = parse(type_)
        batch = pa.record_batch([pa.array([value], type_.arrow())], names=["v"])
        load = load_of(session, "t")
        with pytest.raises(DataError) as caught:
            replaced(session, load, [batch])
        assert named in str(caught.value)
        assert told(session, load.stage, WHOLE).rows in (0, 1)
        assert rows(session, "t") == []


# What hangs on the old table, and must after it was replaced.
HANGING = (
    "CREATE ROLE {role}",
    "CREATE SEQUENCE counter",
    (
        "CREATE TABLE t (id int DEFAULT nextval('counter') CONSTRAINT \"my Key\" PRIMARY KEY, t text DEFAULT 'd' "
        "CONSTRAINT short CHECK (length(t) < 9), UNIQUE (t, id) DEFERRABLE) WITH (fillfactor = 70)"
    ),
    "ALTER SEQUENCE counter OWNED BY t.id",
    'CREATE INDEX "an Index" ON t USING hash (t)',
    "CREATE UNIQUE INDEX partly ON t (lower(t), id DESC) WHERE id > 0",
    "COMMENT ON TABLE t IS 'it''s % mine'",
    "COMMENT ON COLUMN t.t IS 'text'",
    "COMMENT ON INDEX partly IS 'part'",
    "COMMENT ON CONSTRAINT short ON t IS 'shorter'",
    "GRANT SELECT ON t TO PUBLIC",
    "GRANT INSERT, UPDATE ON t TO {role} WITH GRANT OPTION",
    "INSERT INTO t VALUES (100, 'old')",
)
LOOKS = """
    SELECT c.relowner, (SELECT array_agg(x::text ORDER BY x::text) FROM unnest(c.relacl) x), c.reloptions::text,
           obj_description(c.oid),
           (SELECT array_agg(pg_get_indexdef(indexrelid) || coalesce(obj_description(indexrelid), '')
                   ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = c.oid),
           (SELECT array_agg(conname || pg_get_constraintdef(oid) || coalesce(obj_description(oid), '')
                   ORDER BY conname)
            FROM pg_constraint WHERE conrelid = c.oid),
           (SELECT array_agg(attname || format_type(atttypid, atttypmod) || attnotnull || coalesce(attacl::text, '')
                   ORDER BY attnum)
            FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
           (SELECT array_agg(pg_get_expr(adbin, adrelid) ORDER BY adnum) FROM pg_attrdef WHERE adrelid = c.oid),
           col_description(c.oid, 2), pg_get_serial_sequence('t', 'id')
    FROM pg_class c WHERE oid = 't'::regclass"""
OID = "SELECT 't'::regclass::oid"


def test_a_swap_keeps_what_hangs_on_the_table(pg_database):
    role = "r" + pg_database.rpartition("/")[2]
    run(pg_database, *(statement.format(role=role) for statement in HANGING))
    run(pg_database, f"ALTER DEFAULT PRIVILEGES GRANT DELETE ON TABLES TO {role}")
    before, oid = run(pg_database, LOOKS), run(pg_database, OID)
    with opened(pg_database) as session:
        for number in range(2):
            replaced(session, load_of(session, "t"), [batch_of(1, 2), batch_of(3)])
            assert run(pg_database, LOOKS) == before
            assert run(pg_database, OID) != oid, number
            oid = run(pg_database, OID)
        assert sorted(rows(session, "t")) == [(1, "x"), (2, "x"), (3, "x")]
        run(pg_database, f"SET ROLE {role}", "INSERT INTO t VALUES (9, 'mine')")
        run(
            pg_database,
            f"ALTER TABLE t OWNER TO {role}",
            f"GRANT {role} TO CURRENT_USER",
            "ALTER SEQUENCE counter OWNED BY t.id",
        )
        run(pg_database, f"GRANT CREATE ON SCHEMA public TO {role}")
        before = run(pg_database, LOOKS)
        replaced(session, load_of(session, "t"), [batch_of(1)])
        assert run(pg_database, LOOKS) == before
        assert run(pg_database, OID) != oid
        run(pg_database, "SELECT setval('counter', 50)")
        assert run(pg_database, "INSERT INTO t DEFAULT VALUES RETURNING *") == [(51, "d")]
    run(pg_database, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


KEPT = {
    "view": "CREATE VIEW v AS SELECT count(*) AS n FROM t",
    "trigger": "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
    "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "policy": "CREATE POLICY p ON t; ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "policy that is off": "CREATE POLICY p ON t",
    "publication": "CREATE PUBLICATION p FOR TABLE t",
    "all tables": "CREATE PUBLICATION p FOR ALL TABLES",
    "schema": "CREATE PUBLICATION p FOR TABLES IN SCHEMA public",
    "rule": "CREATE RULE r AS ON UPDATE TO t DO ALSO NOTIFY x",
    "row type": "CREATE TABLE u (x t)",
    "function": "CREATE FUNCTION h(t) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "sql body": "CREATE FUNCTION h() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM t; END",
    "statistics": "CREATE STATISTICS s ON id, t FROM t",
    "column grant": "GRANT SELECT (t) ON t TO PUBLIC",
    "identity": "ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY",
    "exclusion": "ALTER TABLE t ADD EXCLUDE (id WITH =)",
    "own reference": "ALTER TABLE t ADD up int REFERENCES t",
    "storage": "ALTER TABLE t ALTER t SET STORAGE EXTERNAL",
    "target": "ALTER TABLE t ALTER t SET STATISTICS 500",
    "collation": 'ALTER TABLE t ALTER t TYPE text COLLATE "C"',
    "identity of replicas": "ALTER TABLE t REPLICA IDENTITY FULL",
    "cluster": "ALTER TABLE t CLUSTER ON t_pkey",
    "other column": "ALTER TABLE t ADD more int DEFAULT 5",
    "unlogged": "ALTER TABLE t SET UNLOGGED",
    "options of a key": "ALTER TABLE t ADD CONSTRAINT k UNIQUE (id) WITH (fillfactor = 70)",
    "target of an index": "CREATE INDEX i ON t (lower(t)); ALTER INDEX i ALTER 1 SET STATISTICS 500",
    "check of rows": "ALTER TABLE t ADD CHECK (t.* IS NOT NULL)",
    "toast": "ALTER TABLE t SET (toast.autovacuum_enabled = false)",
}


@pytest.mark.parametrize("what", KEPT)
def test_a_table_that_a_swap_would_harm_is_refilled(pg_database, what):
    run(
        pg_database,
        "CREATE TABLE t (id int PRIMARY KEY, t text)",
        "INSERT INTO t VALUES (1, 'old'), (9, 'old')",
        KEPT[what],
    )
    oid = run(pg_database, OID)
    with opened(pg_database) as session:
        load = Load(id="cafe", table=plain("t"), key=("id",))
        replaced(session, load, [batch_of(1, 2)])
        assert run(pg_database, OID) == oid
        assert run(pg_database, "SELECT id, t FROM t ORDER BY 1") == [(1, "x"), (2, "x")]
        if what == "view":
            assert run(pg_database, "SELECT n FROM v") == [(2,)]


def test_rows_of_tables_that_inherit_are_not_replaced(pg_database, tmp_path):
    """DELETE FROM the parent would empty them; and what is read with the parent is not unique by its key."""
    source = f"sqlite:///{tmp_path}/s.db"
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.executescript("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'new')")
    run(
        pg_database,
        "CREATE TABLE t (id bigint PRIMARY KEY, v text)",
        "CREATE TABLE kid (more int) INHERITS (t)",
        "INSERT INTO kid VALUES (9, 'old', 1), (1, 'twice', 1)",
        "INSERT INTO t VALUES (1, 'old')",
    )
    with pytest.raises(Unsupported, match="'kid' inherits from 't'"):
        lading.copy(source, pg_database, quiet=True)
    with opened(pg_database) as session, pytest.raises(Unsupported, match="'kid' inherits from 't'"):
        replaced(session, load_of(session, "t"), [batch_of(1, 2)])
    run(pg_database, "DROP TABLE lading_cafe01, lading_ledger")
    assert len(run(pg_database, "SELECT id FROM t")) == 3
    with opened(pg_database) as session:
        assert described(session, "t").key == ()
    assert lading.copy(pg_database, f"sqlite:///{tmp_path}/other.db", quiet=True).state == "proved"
    run(pg_database, "DELETE FROM kid WHERE id = 1")
    assert lading.diff(source, pg_database, tables="t", key="id", quiet=True).verdict == "different"
    done = lading.repair(source=source, target=pg_database, apply=True, deletes=True, quiet=True)
    assert "'kid' inherits from 't': its rows are read, and would be deleted, with it" in done.tables[0].problem
    assert run(pg_database, "SELECT * FROM t ORDER BY id") == [(1, "new"), (9, "old")]
    run(pg_database, "ALTER TABLE kid NO INHERIT t")
    assert lading.copy(source, pg_database, tables="t", quiet=True).state == "proved"
    assert run(pg_database, "SELECT * FROM t", "SELECT id FROM kid ORDER BY 1") == [(9,)]


def test_a_table_without_columns_is_told(pg_database, tmp_path):
    run(pg_database, "CREATE TABLE bare ()", "CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")
    target = f"sqlite:///{tmp_path}/t.db"
    with pytest.raises(SpecError, match="'bare': No column of it is left to be moved"):
        lading.copy(pg_database, target, quiet=True)
    assert lading.copy(pg_database, target, exclude="bare", quiet=True).state == "proved"


def test_a_key_without_operators_finds_its_rows(postgres, pg_database):
    """Of a domain over an enum, PostgreSQL compares no two values unless they are cast."""
    other = postgres.create_database(f"{pg_database.rpartition('/')[2]}b")
    words = ", ".join(f"'m{n}'" for n in range(9, 0, -1))
    for url in (pg_database, other):
        run(url, f"CREATE TYPE mood AS ENUM ({words})", "CREATE DOMAIN moods AS mood")
        run(url, "CREATE TABLE t (id moods, n int, v text, PRIMARY KEY (id, n))")
        run(url, "INSERT INTO t SELECT ('m' || n)::mood, n, 'same' FROM generate_series(1, 9) n")
        run(url, "CREATE VIEW seen AS SELECT * FROM t", "ANALYZE t")
    run(
        other, "DELETE FROM t WHERE n = 3", "UPDATE t SET v = 'odd' WHERE n IN (4, 5)", "INSERT INTO t VALUES ('m1', 7)"
    )
    assert lading.diff(pg_database, other, tables="t", quiet=True).verdict == "different"
    done = lading.repair(source=pg_database, target=other, apply=True, deletes=True, quiet=True)
    assert done.verdict == "equal"
    assert [(t.inserts, t.updates, t.deletes) for t in done.tables] == [(1, 2, 1)]
    with opened(pg_database) as session:
        seen = described(session, "seen").model_copy(update={"key": ("id", "n")})
        cuts = session.slices(seen, 4)
        assert len(cuts) == 3
        found = [row for cut in cuts for batch in session.read(seen, cut) for row in batch.to_pylist()]
        assert sorted(row["n"] for row in found) == list(range(1, 10))
    postgres.drop_database(other.rpartition("/")[2])


def test_a_key_that_holds_more_columns_than_are_moved_refuses_rows_all_the_same(pg_database):
    run(
        pg_database,
        "CREATE TABLE t (id int, t text, more int, PRIMARY KEY (id) INCLUDE (more), CHECK (t.* IS DISTINCT FROM NULL))",
        "INSERT INTO t VALUES (9, 'old', 1)",
    )
    with opened(pg_database) as session:
        load = Load(id="cafe", table=plain("t"), key=("id",), strict=True)
        replaced(session, load, [batch_of(1, 2)])
        assert run(pg_database, "SELECT * FROM t ORDER BY id") == [(1, "x", None), (2, "x", None)]


def test_a_role_that_owns_the_table_only_when_it_says_so_refills_it(pg_database, postgres):
    name = pg_database.rpartition("/")[2]
    run(
        pg_database,
        "CREATE TABLE t (id int PRIMARY KEY, t text)",
        f"CREATE ROLE o{name}; CREATE ROLE r{name} LOGIN NOINHERIT PASSWORD 'x'; GRANT o{name} TO r{name}",
        f"ALTER TABLE t OWNER TO o{name}; GRANT CREATE ON SCHEMA public TO o{name}, r{name}",
        f"GRANT SELECT, INSERT, DELETE ON t TO r{name}",
    )
    with opened(f"postgresql://r{name}:x@127.0.0.1:{postgres.port}/{name}") as session:
        replaced(session, load_of(session, "t"), [batch_of(1, 2)])
    assert run(pg_database, "SELECT id FROM t ORDER BY id") == [(1,), (2,)]
    run(pg_database, f"DROP OWNED BY o{name}, r{name}", f"DROP ROLE o{name}, r{name}")


def test_who_may_not_see_what_would_be_taken_along_is_told_which_right_is_lacking(pg_database, postgres):
    name = pg_database.rpartition("/")[2]
    run(
        pg_database,
        "CREATE TABLE t (id int PRIMARY KEY, t text); INSERT INTO t VALUES (1, 'x'), (2, 'x')",
        "CREATE TABLE c (id int REFERENCES t ON DELETE CASCADE); INSERT INTO c VALUES (2)",
        f"CREATE ROLE r{name} LOGIN PASSWORD 'x'; GRANT CREATE ON SCHEMA public TO r{name}; GRANT ALL ON t TO r{name}",
    )
    with opened(f"postgresql://r{name}:x@127.0.0.1:{postgres.port}/{name}") as session:
        lacking = [right.fix for right in session.rights(described(session, "t"), Mode.REPLACE) if not right.held]
        assert lacking == [f'GRANT SELECT ON c TO "r{name}";']
        with pytest.raises(AccessDenied, match="GRANT SELECT ON c TO"):
            replaced(session, load_of(session, "t"), [batch_of(1)])
    assert run(pg_database, "SELECT id FROM c") == [(2,)]
    run(pg_database, f"DROP OWNED BY r{name}", f"DROP ROLE r{name}")


def test_rows_that_others_refer_to_are_kept(pg_database):
    run(
        pg_database,
        "CREATE TABLE t (id int PRIMARY KEY, t text)",
        "INSERT INTO t SELECT n, 'old' FROM generate_series(1, 3) n",
        "CREATE TABLE c (id int REFERENCES t ON DELETE CASCADE)",
        "INSERT INTO c VALUES (1), (2)",
    )
    with opened(pg_database) as session:
        replaced(session, load_of(session, "t"), [batch_of(1, 2, 4)])
        assert sorted(rows(session, "t")) == [(1, "x"), (2, "x"), (4, "x")]
        assert sorted(rows(session, "c")) == [(1,), (2,)]


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.MERGE])
def test_a_trigger_that_changes_rows_is_noticed_before_the_commit(pg_database, mode):
    run(
        pg_database,
        "CREATE TABLE t (id int PRIMARY KEY, t text)",
        "INSERT INTO t VALUES (1, 'older'), (9, 'old')",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.t := 'changed'; RETURN NEW; END $$",
        "CREATE TRIGGER g BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
    )
    with opened(pg_database) as session:
        load = load_of(session, "t").model_copy(update={"mode": mode})
        session.prepare(load)
        session.stage(load, [batch_of(1)], 0)
        with pytest.raises(DataError, match="triggers or rules of t"):
            session.publish([load])
        assert sorted(rows(session, "t")) == [(1, "older"), (9, "old")]
        run(pg_database, "DROP TRIGGER g ON t")
        session.publish([load])
        assert len(rows(session, "t")) == (1 if mode is Mode.REPLACE else 2)


def test_readers_see_the_old_table_or_the_new(pg_database):
    """Statement by statement, and in transactions whose snapshot is older than the staged rows."""
    run(
        pg_database,
        "CREATE TABLE t (id int PRIMARY KEY, t text)",
        "INSERT INTO t SELECT n, 'a' FROM generate_series(1, 500) n",
    )
    stops = {"": threading.Event(), "old": threading.Event()}
    seen: set[tuple[Any, ...] | None] = set()
    count = b"SELECT count(*), min(t), max(t) FROM t"

    def watch(level: str) -> None:
        stop = stops[level]
        with psycopg.connect(pg_database, autocommit=True) as connection:
            while not stop.is_set():
                if level:
                    connection.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ")
                    connection.execute(b"SELECT 1")
                    stop.wait(0.02)
                seen.add(connection.execute(count).fetchone())
                if level:
                    connection.execute(b"COMMIT")

    threads = {level: threading.Thread(target=watch, args=(level,)) for level in stops}
    for thread in threads.values():
        thread.start()
    try:
        with opened(pg_database) as session:
            oids = set()
            for text in "bcdefghijklmnop":
                if text == "k":  # nobody reads an older state from here on, so the staged table can take its place
                    stops["old"].set()
                    threads["old"].join()
                load = load_of(session, "t")
                session.prepare(load)
                for number in range(3):
                    session.stage(load, [batch_of(*range(number * 100, number * 100 + 100), text=text)], number)
                session.publish([load])
                session.discard(load)
                oids |= {run(pg_database, OID)[0]}
    finally:
        for level, thread in threads.items():
            stops[level].set()
            thread.join()
    assert {(300 if row[1] > "a" else 500, row[1], row[1]) for row in seen if row} == seen
    assert len(seen) > 2
    assert len(oids) > 1


def test_a_lock_that_is_held_names_the_table_and_its_holder(pg_database):
    run(pg_database, "CREATE TABLE t (id int PRIMARY KEY, t text)")
    with psycopg.connect(pg_database) as other, opened(pg_database, lock_seconds=1) as session:
        load = load_of(session, "t")
        session.prepare(load)
        session.stage(load, [batch_of(1)], 0)
        other.execute("LOCK TABLE t")
        for use in (lambda: session.publish([load]), lambda: list(session.read(load.table, WHOLE))):
            with pytest.raises(
                Unreachable, match=f"'t' stays locked by the session with the process id {other.info.backend_pid}"
            ):
                use()
        other.rollback()
        session.publish([load])
        assert rows(session, "t") == [(1, "x")]


def test_merges_at_the_same_time_do_not_add_a_row_twice(pg_database):
    run(
        pg_database,
        "CREATE TABLE t (id int NOT NULL, t text)",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$",
        "CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION f()",
    )
    with opened(pg_database) as one, opened(pg_database) as other:
        loads = [
            load_of(session, "t", Mode.MERGE).model_copy(update={"id": f"cafe0{n}", "key": ("id",)})
            for n, session in enumerate((one, other))
        ]
        for session, load in zip((one, other), loads, strict=True):
            session.prepare(load)
            session.stage(load, [batch_of(1, 2)], 0)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda session, load: session.publish([load]), (one, other), loads))
    assert run(pg_database, "SELECT id FROM t ORDER BY id") == [(1,), (2,)]


@pytest.mark.parametrize(
    ("given", "lacks"),
    [
        ((), "GRANT CREATE ON SCHEMA"),
        (("CREATE ON SCHEMA public", "INSERT ON t"), "GRANT DELETE ON"),
        (("CREATE ON SCHEMA public", "SELECT, INSERT, DELETE ON t"), "GRANT UPDATE ON"),
    ],
)
def test_the_right_that_is_missing_is_named(pg_database, postgres, given, lacks):
    role = "r" + pg_database.rpartition("/")[2]
    run(pg_database, "CREATE TABLE t (id int PRIMARY KEY, t text)", "CREATE TABLE c (id int REFERENCES t)")
    run(pg_database, f"CREATE ROLE {role} LOGIN PASSWORD 'x'", *(f"GRANT {each} TO {role}" for each in given))
    place = f"127.0.0.1:{postgres.port}/{pg_database.rpartition('/')[2]}"
    with opened(f"postgresql://{role}:x@{place}") as session:
        with pytest.raises(AccessDenied, match="permission denied for") as caught:
            replaced(session, load_of(session, "t"), [batch_of(1)])
        assert caught.value.fix.startswith(f"Have its owner run: {lacks} ")
    run(pg_database, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_what_the_server_does_not_do_to_a_view_is_not_tried_again(pg_database):
    run(pg_database, "CREATE VIEW t AS SELECT 1 AS id, 'x' AS t UNION SELECT 2, 'y'")
    with opened(pg_database) as session:
        load = Load(id="cafe", table=plain("t"), key=("id",))
        session.prepare(load)
        session.stage(load, [batch_of(1)], 0)
        with pytest.raises(SpecError, match='cannot delete from view "t"'):
            session.publish([load])


def test_errors_say_who_must_act(pg_database, postgres):
    base = Postgres.from_url(pg_database)
    cases = [
        (base.model_copy(update={"password": None}), AccessDenied),
        (Postgres.from_url(pg_database.replace("%40", "x")), AccessDenied),
        (base.model_copy(update={"database": "absent"}), SpecError),
        (base.model_copy(update={"port": 1}), Unreachable),
        (base.model_copy(update={"host": "/absent"}), Unreachable),
    ]
    for settings, kind in cases:
        with pytest.raises(LadingError) as caught, settings.open():
            pass
        assert type(caught.value) is kind, caught.value
        assert postgres.password not in str(caught.value)
    user = "u" + pg_database.rpartition("/")[2]
    run(
        pg_database,
        f"CREATE ROLE {user} LOGIN PASSWORD 'pw'",
        "CREATE TABLE t (id int, v int CHECK (v > 5))",
        "CREATE TABLE hidden (n int)",
    )
    run(pg_database, "ALTER TABLE t ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON t FOR SELECT USING (id > 1)")
    with base.model_copy(update={"user": user, "password": SecretStr("pw")}).open() as session:
        with pytest.raises(AccessDenied, match="neither read nor make tables"):
            session.check()
        with pytest.raises(AccessDenied, match="permission denied for table hidden"):
            rows(session, "hidden")
        run(pg_database, f"GRANT SELECT ON t TO {user}")
        session.check()
        with pytest.raises(AccessDenied, match="row-level security") as caught:
            rows(session, "t")
        assert caught.value.fix == "Use an account that sees all rows: the owner, or one with BYPASSRLS."
    with opened(pg_database) as session:
        session.check()
        load = load_of(session, "t")
        session.prepare(load)
        numbers = [pa.array([7777777], pa.int32()), pa.array([4], pa.int32())]
        with pytest.raises(DataError, match="t_v_check") as caught:
            session.stage(load, [pa.record_batch(numbers, names=["id", "v"])], 0)
        assert "7777777" not in str(caught.value)
        with pytest.raises(SpecError):
            session.driver.query("SELECT absent FROM t")
    run(pg_database, f"ALTER ROLE {user} CONNECTION LIMIT 0")
    alone = base.model_copy(update={"user": user, "password": SecretStr("pw")})
    with pytest.raises(Unreachable, match=r"too many connections.*the role's own limit"), alone.open():
        pass
    run(pg_database, f"DROP OWNED BY {user}", f"DROP ROLE {user}")


def test_a_server_that_follows_another_is_told_as_that():
    class Refused(Exception):
        sqlstate = "0A000"

    found = translate(Refused("cannot set transaction read-write mode during recovery"), "PostgreSQL at here:1")
    assert isinstance(found, AccessDenied)
    assert found.fix == "Connect to the primary server; this one only follows it."


def test_a_connection_that_is_cut_is_unreachable(numbers, postgres, proxy):
    between = proxy(postgres)
    with opened(between.url(numbers)) as session:
        table = described(session, "numbers")
        between.cut_after(100_000)
        with pytest.raises(Unreachable):
            list(session.read(table, WHOLE))
        between.cut()
        with pytest.raises(Unreachable):
            session.stage(Load(id="cafe", table=table), [], 0)


@pytest.mark.parametrize(
    ("url", "address", "settings"),
    [
        ("postgresql://me:p%40ss@db.example:6543/crm", "postgresql://me@db.example:6543/crm", {"port": 6543}),
        ("postgres://db.example/crm?sslmode=require", "postgresql://db.example:5432/crm", {"ssl": "require"}),
        (
            "postgresql+psycopg://me@[::1]/crm?schema=sales",
            "postgresql://me@[::1]:5432/crm?schema=sales",
            {"schema_name": "sales"},
        ),
        (
            "postgresql:///crm?host=/run/pg&port=6543",
            "postgresql:///crm?host=%2Frun%2Fpg&port=6543",
            {"host": "/run/pg"},
        ),
        (
            "postgresql://db/a%2Fb?user=me&password=pw&connect_timeout=3",
            "postgresql://me@db:5432/a%2Fb",
            {"connect_seconds": 3},
        ),
        (
            "postgresql://db/crm?application_name=a&client_encoding=utf8&target_session_attrs=any&sslmode=require",
            "postgresql://db:5432/crm",
            {"ssl": "require", "options": None},
        ),
    ],
)
def test_addresses(url, address, settings):
    found = Postgres.from_url(url)
    assert found.address() == address
    assert {name: getattr(found, name) for name in settings} == settings
    assert Postgres.from_url(found.address()).address() == address


def test_an_address_loads_no_other_connector():
    code = "import sys; from lading.find import from_url; from_url('postgresql://a@h/b'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    found = {name.split(".")[2] for name in loaded if name.startswith("lading.connectors.")}
    assert found == {"postgres"}


def test_addresses_that_are_wrong():
    with pytest.raises(SpecError, match="no option 'sslmod'"):
        Postgres.from_url("postgresql://db/crm?sslmod=require")
    for asked in ("target_session_attrs=read-write", "channel_binding=require"):
        with pytest.raises(SpecError, match=f"'{asked}' asks for what Lading does not see to"):
            Postgres.from_url(f"postgresql://db/crm?{asked}")
    with pytest.raises(SpecError, match="port"):
        Postgres.from_url("postgresql://db:x/crm")


def test_a_socket_is_a_host(pg_database, postgres):
    with opened(f"postgresql:///{pg_database.rpartition('/')[2]}?host={postgres.folder}&port={postgres.port}"
                f"&user=lading&password={postgres.password.replace('@', '%40')}") as session:  # fmt: skip
        session.driver.execute("CREATE TABLE t AS SELECT 1 AS n")
        assert rows(session, "t") == [(1,)]


def test_how_long_numbers_are_is_measured(pg_database):
    run(
        pg_database,
        "CREATE TABLE n (a numeric, b numeric, c numeric)",
        "INSERT INTO n VALUES (-123.4500, 'NaN'), (0.001, 1)",
    )
    with opened(pg_database) as session:
        found = session.measure(described(session, "n"), ["a", "b", "c"])
        assert {name: str(type_) for name, type_ in found.items()} == {"a": "decimal(7,4)", "c": "decimal(1,1)"}


def test_padded_columns_are_not_summed(pg_database):
    """Each cast of one costs the server more than all other sums together."""
    run(pg_database, "CREATE TABLE t (id int, code char(5), note varchar(9))", "INSERT INTO t VALUES (1, 'a', 'bc')")
    with opened(pg_database) as session:
        table = session.describe("t")
        assert table is not None
        said = session.digest(table, WHOLE)
    assert said is not None
    assert {name: each.total for name, each in said.columns.items()} == {"id": 1, "code": None, "note": 2}
    assert [each.values for each in said.columns.values()] == [1, 1, 1]


def test_lengths_are_those_of_utf8_whatever_the_database_is_in(postgres):
    name = "in_latin1"
    postgres.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        run(postgres.url(name), "CREATE TABLE t (id int, v varchar(9), n name, e text[])",
            "INSERT INTO t VALUES (1, U&'\\00e4\\00f6b', U&'\\00fc', ARRAY['a']), (2, 'b', '', NULL)")  # fmt: skip
        with opened(postgres.url(name)) as session:
            table = described(session, "t")
            tally = Tally(table.columns)
            for batch in session.read(table, WHOLE):
                tally.add(batch)
            said = told(session, table, WHOLE)
            assert unlike(said, tally.reading()) == []
            assert [said.columns[name].total for name in ("v", "n")] == [6, 2]
            _, facts = session.profile(table, {})
        assert next(each for each in facts if each.column == "v").bytes == 5
    finally:
        postgres.drop_database(name)


def test_a_table_that_is_gone_is_told_as_that(pg_database: str) -> None:
    with Postgres.from_url(pg_database).open() as session:
        session.driver.execute("CREATE TABLE t (id int)")
        table = session.describe("t")
        assert table is not None
        session.driver.execute("DROP TABLE t")
        for columns in (table.columns, ()):
            with pytest.raises(SpecError, match="does not exist"):
                session.digest(table.model_copy(update={"columns": columns}), WHOLE)


@pytest.mark.parametrize(
    "making",
    [
        (
            "CREATE TABLE t (id int, v text) PARTITION BY LIST (id); CREATE TABLE own PARTITION OF t DEFAULT; "
            "CREATE FOREIGN TABLE theirs PARTITION OF t FOR VALUES IN (1) {}"
        ),
        "CREATE TABLE t (id int, v text); CREATE FOREIGN TABLE theirs () INHERITS (t) {}",
    ],
)
def test_a_part_that_is_stored_elsewhere(tmp_path: Path, pg_database: str, making: str) -> None:
    """Its rows have no versions here, and are hashed by what they hold."""
    path = Path(tempfile.mkdtemp(prefix="lading-")) / "theirs.csv"
    path.parent.chmod(0o755)
    theirs = f"SERVER files OPTIONS (filename '{path}', format 'csv')"
    with Postgres.from_url(pg_database).open() as session:
        session.driver.execute("CREATE EXTENSION file_fdw")
        session.driver.execute("CREATE SERVER files FOREIGN DATA WRAPPER file_fdw")
        session.driver.execute(f"{making.format(theirs)}; INSERT INTO t VALUES (2, 'zz')")
        hashes = set[str]()
        for text in ("ab", "ba"):
            path.write_text(f"1,{text}\n")
            table = session.describe("t")
            assert table is not None
            found = session.digest(table, WHOLE)
            assert found is not None
            assert (found.rows, session.pages(table)) == (2, None)
            hashes.add(found.native)
        assert len(hashes) == 2
    assert lading.copy(pg_database, f"{tmp_path}/", tables="t", slice_rows=1, quiet=True).state == "proved"
    shutil.rmtree(path.parent)


def test_who_may_read_some_columns_can_copy_them(tmp_path: Path, postgres: Cluster, pg_database: str) -> None:
    role, name = f"r{secrets.token_hex(4)}", pg_database.rpartition("/")[2]
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    with Postgres.from_url(pg_database).open() as session:
        session.driver.execute("CREATE TABLE t (id int PRIMARY KEY, hidden text, v text)")
        session.driver.execute("INSERT INTO t SELECT n, 'h', 'v' FROM generate_series(1, 3000) n")
        session.driver.execute(f"GRANT SELECT (id, v) ON t TO {role}")
        session.driver.execute("ANALYZE t")
    some = pg_database.replace(pg_database.split("//")[1].split("@")[0], f"{role}:x", 1)
    for target in (f"{tmp_path}/", f"duckdb:///{tmp_path}/x.duckdb"):
        for rows in (1_000, 500_000):
            bill = lading.copy(some, target, tables="t", exclude="t.hidden", slice_rows=rows, quiet=True)
            assert (bill.state, bill.rows.target) == ("proved", 3_000)
    postgres.execute(f"DROP OWNED BY {role}", name)
    postgres.execute(f"DROP ROLE {role}")


def test_who_may_not_use_the_schema_behind_a_view_can_copy_the_view(
    tmp_path: Path, postgres: Cluster, pg_database: str
) -> None:
    role, name = f"r{secrets.token_hex(4)}", pg_database.rpartition("/")[2]
    run(
        pg_database,
        "CREATE SCHEMA hid",
        "CREATE TABLE hid.t (id int, twice int GENERATED ALWAYS AS (id * 2) STORED)",
        "INSERT INTO hid.t VALUES (1)",
        "CREATE VIEW seen AS SELECT * FROM hid.t",
        f"CREATE ROLE {role} LOGIN PASSWORD 'x'",
        f"GRANT SELECT ON seen TO {role}",
    )
    some = pg_database.replace(pg_database.split("//")[1].split("@")[0], f"{role}:x", 1)
    assert lading.copy(some, f"duckdb:///{tmp_path}/x.duckdb", tables="seen", quiet=True).state == "proved"
    postgres.execute(f"DROP OWNED BY {role}", name)
    postgres.execute(f"DROP ROLE {role}")
