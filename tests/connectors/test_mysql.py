"""What is peculiar to MySQL and MariaDB; on MariaDB."""

import datetime as dt
import ipaddress
import json
import re
import secrets
import ssl
import struct
import tempfile
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

import lading
from lading.canon import Compared
from lading.connector import WHOLE, Connection, Load, Slice
from lading.connectors.mysql import MySQL
from lading.connectors.mysql import blocks as blocks_module
from lading.connectors.mysql.around import has_triggers
from lading.connectors.mysql.room import roomy
from lading.connectors.mysql.session import MySQLSession
from lading.dialects.mysql import dialect
from lading.digest import Reading, Tally, digest_of
from lading.errors import AccessDenied, Bug, DataError, SpecError, Unreachable, Unsupported
from lading.prove import unlike
from lading.schema import Column, Mode, Table
from lading.sql import BEGUN
from lading.testing.contract import Contract, Unlisted, Waiver
from lading.types import parse
from tests.servers import MariaDB

Row = tuple[Any, ...]
HOSTILE = [
    "", "NULL", "\\N", "\\", "\\\\", '"', '""', "'", "''", '"a","b"', ",", "\t", "\n", "\r\n", "\0", "a\0b", "`", "%s",
    "%", "a\n1,2", '"\n', '",', 'x"', "ümlaut", "日本", "😀", "a ", " a", "A", "a", "á", "\u2028", "\x1a", "\\0",
    "NULL\n", None,
]  # fmt: skip


@contextmanager
def opened(url: str, **settings) -> Iterator[MySQLSession]:
    with MySQL.from_url(url).model_copy(update=settings).open() as session:
        yield session


def run(url: str, *statements: str) -> list[Row]:
    """Each statement on its own; the rows of the last."""
    with opened(url) as session:
        rows: list[Row] = []
        for statement in statements:
            rows = session.driver.query(statement)
        return rows


def described(session: MySQLSession, name: str) -> Table:
    table = session.describe(name)
    assert table is not None, name
    assert table.problems == ()
    return table


def read(session: MySQLSession, name: str, cut: Slice = WHOLE) -> list[Row]:
    table = described(session, name)
    return [tuple(row.values()) for batch in session.read(table, cut) for row in batch.to_pylist()]


def table_of(table: str, key: tuple[str, ...] = ("id",), /, **columns: str) -> Table:
    forms = columns.items()
    made = [Column(name=name, type=parse(form.rstrip("!")), null=not form.endswith("!")) for name, form in forms]
    return Table(name=table, columns=tuple(made), key=key)


def batch_of(table: Table, *columns: Any) -> pa.RecordBatch:
    arrays = [pa.array(v, c.type.arrow()) for v, c in zip(columns, table.columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=[c.name for c in table.columns])


def load_of(session: MySQLSession, table: Table, mode: Mode = Mode.REPLACE, id: str = "cafe01") -> Load:
    old = session.describe(table.full_name)
    if old is None:
        return Load(id=id, table=session.fit(table), mode=mode, key=table.key, fresh=True)
    names = [c.name for c in table.columns]
    kept = old.model_copy(update={"columns": tuple(c for c in old.columns if c.name in names)})
    return Load(id=id, table=kept, mode=mode, key=table.key)


def put(
    session: MySQLSession, table: Table, batch: pa.RecordBatch, mode: Mode = Mode.REPLACE, id: str = "cafe01"
) -> Table:  # fmt: skip
    load = load_of(session, table, mode, id)
    session.prepare(load)
    assert session.stage(load, iter([batch]), 0) == batch.num_rows
    session.publish([load])
    session.discard(load)
    return described(session, table.name)


def digest(session: MySQLSession, table: Table):
    return digest_of(session.read(table, WHOLE), table.columns, table.key)


def leftovers(session: MySQLSession) -> list[str]:
    names = [str(name) for (name,) in session.driver.query("SHOW TABLES")]
    return [name for name in names if name.startswith("lading_")]


def in_place(session: MySQLSession, table: Table, cut: Slice = WHOLE) -> Reading:
    found = session.digest(table, cut)
    assert found is not None
    return found


PEOPLE = table_of("people", id="int(64)!", name="string(40)", paid="decimal(18,2)")


def people(*ids: int, name: str = "n") -> pa.RecordBatch:
    return batch_of(PEOPLE, list(ids), [f"{name}{i}" for i in ids], [Decimal(i) / 4 for i in ids])


class TestMySQL(Contract):
    name_bytes: ClassVar[int | None] = 64
    waivers: ClassVar[dict[str, Waiver]] = {
        "float32-infinity": Waiver("never", "MySQL's floats have no infinity"),
        "float64-infinity": Waiver("never", "MySQL's floats have no infinity"),
        "float32-nan": Waiver("never", "MySQL's floats have no NaN"),
        "float64-nan": Waiver("never", "MySQL's floats have no NaN"),
        "json-escapes": Waiver("never", "its check of JSON refuses halves of characters"),
        "timestamp-utc": Waiver("never", "TIMESTAMP reaches from 1970 to 2038; other instants are refused"),
        "test_name[ blanks ]": Waiver("never", "names may not end in a blank"),
        "test_name[😀]": Waiver("never", "names hold no character beyond U+FFFF"),
        "test_many_columns": Waiver("never", "InnoDB's tables have at most 1,017 columns"),
    }

    @pytest.fixture
    def connection(self, maria_database: str) -> Connection:
        return MySQL.from_url(f"{maria_database}?lock_seconds=2")

    @pytest.fixture
    def nowhere(self, connection: Connection) -> Connection:
        return connection.model_copy(update={"port": 1})

    @pytest.fixture
    def unlisted(self, maria_database: str) -> Unlisted:
        run(maria_database, "CREATE TABLE odd (id int PRIMARY KEY, place point)")
        return Unlisted("odd", "place", "point")


# Addresses


@pytest.mark.parametrize("scheme", MySQL.schemes)
def test_addresses(scheme):
    found = MySQL.from_url(f"{scheme}://me:p%40ss@db.example:3307/crm?charset=utf8mb4&ssl_ca=/ca.pem&lock_seconds=5")
    assert (found.host, found.port, found.user, found.database) == ("db.example", 3307, "me", "crm")
    assert (found.tls, found.ca, found.lock_seconds) == ("verify", "/ca.pem", 5)
    assert found.password is not None
    assert found.password.get_secret_value() == "p@ss"
    assert found.address() == "mysql://me@db.example:3307/crm"
    assert "p@ss" not in repr(found)


# Types: the declaration, a literal, the canonical type, the value in Arrow.
TYPES = [
    ("tinyint(1)", "1", "bool", True),
    ("bit(1)", "b'1'", "bool", True),
    ("bit(10)", "b'1000000001'", "int(64,unsigned)", 513),
    ("bit(64)", "18446744073709551615", "int(64,unsigned)", 2**64 - 1),
    ("tinyint", "-128", "int(8)", -128),
    ("tinyint unsigned", "255", "int(8,unsigned)", 255),
    ("smallint(6)", "-32768", "int(16)", -32768),
    ("smallint unsigned", "65535", "int(16,unsigned)", 65535),
    ("mediumint", "-8388608", "int(32)", -8388608),
    ("mediumint unsigned", "16777215", "int(32,unsigned)", 16777215),
    ("int", "-2147483648", "int(32)", -(2**31)),
    ("int(10) unsigned zerofill", "42", "int(32,unsigned)", 42),
    ("bigint", "-9223372036854775808", "int(64)", -(2**63)),
    ("bigint unsigned", "18446744073709551615", "int(64,unsigned)", 2**64 - 1),
    ("year", "1999", "int(16)", 1999),
    ("year", "0", "int(16)", 0),
    ("decimal(10,2)", "-12345678.90", "decimal(10,2)", Decimal("-12345678.90")),
    ("decimal(65,30)", "-" + "9" * 35 + "." + "1" * 30, "decimal(65,30)", Decimal("-" + "9" * 35 + "." + "1" * 30)),
    ("decimal(38,38)", "0." + "1" * 38, "decimal(38,38)", Decimal("0." + "1" * 38)),
    ("decimal(20,0) unsigned", "99999999999999999999", "decimal(20,0)", Decimal("99999999999999999999")),
    ("decimal(12,10)", "0.0000000001", "decimal(12,10)", Decimal("0.0000000001")),
    ("float", "0.1", "float(32)", struct.unpack("f", struct.pack("f", 0.1))[0]),
    ("float", "3.4028234e38", "float(32)", float(np.finfo(np.float32).max)),
    ("double", "0.1", "float(64)", 0.1),
    ("double", "1.7976931348623157e308", "float(64)", 1.7976931348623157e308),
    ("double", "5e-324", "float(64)", 5e-324),
    ("double(20,3)", "123456789012.345", "float(64)", 123456789012.345),
    ("char(5)", "'ab'", "string(5)", "ab"),
    ("varchar(20)", "'a\\n\"\\'\\\\,\\t'", "string(20)", "a\n\"'\\,\t"),
    ("varchar(20) character set latin1", "'größe €'", "string(20)", "größe €"),
    ("varchar(20) character set utf16", "'größe 😀'", "string(20)", "größe 😀"),
    ("tinytext", "'x'", "string(255 bytes)", "x"),
    ("text", "''", "string(65535 bytes)", ""),
    ("text character set latin1", "'é'", "string(65535)", "é"),
    ("mediumtext", "'日本😀'", "string(16777215 bytes)", "日本😀"),
    ("longtext", "'NULL'", "string", "NULL"),
    ("enum('a','it''s','c,d')", "'it''s'", "string", "it's"),
    ("set('x','y')", "'x,y'", "string", "x,y"),
    ("binary(4)", "x'00ff'", "binary(4)", b"\x00\xff\x00\x00"),
    ("varbinary(10)", "x'00ff5c0a22'", "binary(10)", b'\x00\xff\\\n"'),
    ("tinyblob", "''", "binary(255)", b""),
    ("blob", "x'fb'", "binary(65535)", b"\xfb"),
    ("mediumblob", "x'80'", "binary(16777215)", b"\x80"),
    ("longblob", "x'e282'", "binary", b"\xe2\x82"),
    ("date", "'1000-01-01'", "date", dt.date(1000, 1, 1)),
    ("date", "'9999-12-31'", "date", dt.date(9999, 12, 31)),
    ("time", "'23:59:59'", "time(0)", dt.time(23, 59, 59)),
    ("time(6)", "'00:00:00.000001'", "time(6)", dt.time(0, 0, 0, 1)),
    ("datetime", "'2024-05-01 10:00:00'", "timestamp(0)", dt.datetime(2024, 5, 1, 10)),
    ("datetime(3)", "'1969-12-31 23:59:59.5'", "timestamp(3)", dt.datetime(1969, 12, 31, 23, 59, 59, 500000)),
    ("datetime(6)", "'9999-12-31 23:59:59.999999'", "timestamp(6)", dt.datetime(9999, 12, 31, 23, 59, 59, 999999)),
    ("timestamp(6) null", "'2024-05-01 10:00:00.25'", "timestamp(6,utc)",
     dt.datetime(2024, 5, 1, 10, 0, 0, 250000, dt.UTC)),
    ("timestamp null", "'2038-01-19 03:14:07'", "timestamp(0,utc)", dt.datetime(2038, 1, 19, 3, 14, 7, tzinfo=dt.UTC)),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("inet6", "'2001:db8::1'", "string", "2001:db8::1"),
    ("json", "'{\"b\": 1.10, \"a\": [null]}'", "json", '{"b": 1.10, "a": [null]}'),
]  # fmt: skip


@pytest.fixture
def typed(maria_database: str) -> str:
    """A database with a table of every type: row 1 holds values, row 2 NULLs."""
    columns = ", ".join(f"`c{n}` {declared}" for n, (declared, *_) in enumerate(TYPES))
    values = ", ".join(literal for _, literal, *_ in TYPES)
    run(
        maria_database,
        f"CREATE TABLE typed (id int PRIMARY KEY, {columns}) CHARACTER SET utf8mb4",
        f"INSERT INTO typed VALUES (1, {values})",
        "INSERT INTO typed (id) VALUES (2)",
    )
    return maria_database


def test_every_type_is_read(typed):
    with opened(typed) as session:
        table = described(session, "typed")
        assert [str(c.type) for c in table.columns[1:]] == [canonical for _, _, canonical, _ in TYPES]
        full, empty = read(session, "typed")
    for (declared, literal, _, value), found in zip(TYPES, full[1:], strict=True):
        assert found == value, (declared, literal)
    assert empty == (2, *[None] * len(TYPES))


@pytest.mark.parametrize("files", [True, False], ids=["LOAD DATA", "INSERT"])
def test_every_type_comes_back(typed, mariadb, files):
    other = mariadb.create_database(f"t_other_{files}")
    try:
        with opened(typed) as source, opened(other) as target:
            if not files:
                target.mysql.server.facts["local_infile"] = "OFF"
            table = described(source, "typed")
            batches = list(source.read(table, WHOLE))
            wanted = digest_of(batches, table.columns, table.key)
            for _ in ("fresh", "there"):
                there = put(target, table, batches[0])
                loosely = [Column(name=c.name, type=t.type) for c, t in zip(table.columns, there.columns, strict=True)]
                assert digest_of(target.read(there, WHOLE), loosely, table.key).root == wanted.root
                assert leftovers(target) == []
        with opened(typed) as source:  # into the very same table, with its character sets
            there = put(source, table, batches[0])
            assert there.columns == table.columns
            assert digest(source, there) == wanted
    finally:
        mariadb.drop_database(f"t_other_{files}")


def test_what_is_computed_in_place_equals_what_was_read(typed):
    with opened(typed) as session:
        table = described(session, "typed")
        tally = Tally(table.columns)
        for batch in session.read(table, WHOLE):
            tally.add(batch)
        found = in_place(session, table)
        assert unlike(tally.reading(), found) == []
        assert found.rows == 2
        assert in_place(session, table, Slice(on=("id",), low=("7",))).rows == 0
        assert in_place(session, table.model_copy(update={"columns": ()})).rows == 2
        assert found.native == ""  # MD5 of a row costs MariaDB more than sending it


# Reading


def test_random_floats_are_exact(maria_database):
    random = np.random.default_rng(7)
    doubles = random.integers(0, 2**64, 20_000, dtype=np.uint64).view(np.float64)
    doubles = np.concatenate(
        [doubles[np.isfinite(doubles)], random.random(5_000), random.random(5_000) * 1e9, [1e22, -0.0]]
    )
    floats = random.integers(0, 2**32, len(doubles), dtype=np.uint64).astype(np.uint32).view(np.float32)
    floats = np.where(np.isfinite(floats), floats, np.float32(1 / 3))
    table = table_of("floats", id="int(32)!", d="float(64)", f="float(32)")
    batch = batch_of(table, range(len(doubles)), doubles, floats)
    with opened(maria_database) as session:
        there = put(session, table, batch)
        assert digest(session, there) == digest_of([batch], table.columns, table.key)


def test_random_decimals_are_exact(maria_database):
    random = np.random.default_rng(8)
    table = table_of("decimals", id="int(32)!", a="decimal(38,10)", b="decimal(65,30)", c="decimal(9,9)")
    powers = random.integers(0, 19, 3000)
    numbers = [int(n) * 10 ** int(k) for n, k in zip(random.integers(-(2**62), 2**62, 3000), powers, strict=True)]
    a = [Decimal(n).scaleb(-10) for n in numbers]
    b = [Decimal(n).scaleb(-30) for n in numbers]
    c = [Decimal(n % 10**9).scaleb(-9) for n in numbers]
    batch = batch_of(table, range(3000), a, b, c)
    with opened(maria_database) as session:
        there = put(session, table, batch)
        assert digest(session, there) == digest_of([batch], table.columns, table.key)


@pytest.mark.parametrize(
    ("declared", "values", "word"),
    [
        ("date", "('0000-00-00')", "0000-00-00"),
        ("datetime", "('2024-00-10 00:00:00')", "2024-00-10"),
        ("time", "('-01:00:00')", "-01:00:00"),
        ("time", "('25:00:00')", "25:00:00"),
        ("tinyint(1)", "(0), (1), (NULL), (2)", "holds 2"),
    ],
)
def test_values_outside_their_type_stop_the_read(maria_database, declared, values, word):
    run(maria_database, f"CREATE TABLE odd (v {declared})", "SET sql_mode = ''")
    with opened(maria_database) as session:
        session.driver.execute("SET sql_mode = 'ALLOW_INVALID_DATES'")
        session.driver.execute(f"INSERT INTO odd VALUES {values}")
        with pytest.raises(DataError, match=f"Column 'v' of 'odd'.*{word}"):
            read(session, "odd")
        assert session.driver.query("SELECT 1") == [("1",)]


def test_moments_that_mariadb_makes_in_its_old_form(maria_database):
    """A view of a cast has columns of the types `datetime /* mariadb-5.3 */` and `time /* mariadb-5.3 */`."""
    run(
        maria_database,
        "CREATE VIEW v AS SELECT CAST('2024-02-29 01:02:03' AS DATETIME) a, CAST('10:11:12' AS TIME) b, "
        "CAST('2024-02-29 01:02:03.25' AS DATETIME(2)) c",
    )
    with opened(maria_database) as session:
        table = described(session, "v")
        assert [str(column.type) for column in table.columns] == ["timestamp(0)", "time(0)", "timestamp(2)"]
        assert read(session, "v") == [
            (dt.datetime(2024, 2, 29, 1, 2, 3), dt.time(10, 11, 12), dt.datetime(2024, 2, 29, 1, 2, 3, 250_000))
        ]
    assert dialect.canonical("timestamp /* mariadb-5.3 */") == parse("timestamp(0,utc)")


def test_types_that_nobody_listed_are_problems(maria_database):
    run(
        maria_database,
        "CREATE TABLE places (id int, at point)",
        "CREATE SEQUENCE counter",
        "CREATE VIEW seen AS SELECT 1 AS one",
    )
    with opened(maria_database) as session:
        (places,) = session.tables()
        assert "point" in places.problems[0]
        assert described(session, "seen").view
        assert session.describe("counter") is None
        with pytest.raises(Unsupported, match="view"):
            session.prepare(Load(id="aa", table=described(session, "seen")))


def test_large_values(maria_database):
    sizes = [0, 250, 251, 252, 65_535, 65_536, 2**24 - 20, 2**24 - 1, 2**24, 2**24 + 1, 50_000_000]
    table = table_of("large", id="int(32)!", t="string", b="binary")
    batch = batch_of(table, range(len(sizes)), ["é" * (n // 2) for n in sizes], [b'\xff"' * (n // 2) for n in sizes])
    with opened(maria_database) as session:
        there = put(session, table, batch)
        assert digest(session, there) == digest_of([batch], table.columns, table.key)
        assert in_place(session, there).columns["b"].total == sum(n // 2 * 2 for n in sizes)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_few_rows(maria_database, rows):
    with opened(maria_database) as session:
        there = put(session, PEOPLE, people(*range(rows)))
        assert digest(session, there).rows == rows
        assert in_place(session, there).rows == rows
        load = load_of(session, PEOPLE, id="none")
        session.prepare(load)
        assert session.stage(load, iter([]), 0) == 0


def test_rows_are_read_across_blocks(maria_database, monkeypatch):
    monkeypatch.setattr(blocks_module, "MIB", 12)
    monkeypatch.setattr(blocks_module, "READ", 7)
    with opened(maria_database) as session:
        put(session, PEOPLE, people(*range(200)))
        assert read(session, "people") == [tuple(row.values()) for row in people(*range(200)).to_pylist()]


def test_a_batch_is_as_small_as_is_asked_for(maria_database):
    with opened(maria_database) as session:
        put(session, PEOPLE, people(*range(200_000)))
        whole = max(batch.nbytes for batch in session.read(described(session, "people"), WHOLE))
    with opened(maria_database, batch_mb=1) as session:
        batches = list(session.read(described(session, "people"), WHOLE))
    assert sum(batch.num_rows for batch in batches) == 200_000
    assert max(batch.nbytes for batch in batches) < whole / 2


def test_a_reader_may_stop_early(maria_database, monkeypatch):
    monkeypatch.setattr(blocks_module, "MIB", 250)
    with opened(maria_database) as session:
        put(session, PEOPLE, people(*range(50_000)))
        session.pin()
        reading = session.read(described(session, "people"), WHOLE)
        assert isinstance(reading, Generator)
        next(reading)
        with pytest.raises(Bug):
            session.driver.query("SELECT 1")
        reading.close()
        run(maria_database, "INSERT INTO people VALUES (-1, 'late', 0)")
        assert len(read(session, "people")) == 50_000, "the snapshot lives on"


def test_a_killed_query_says_so(maria_database, monkeypatch):
    with opened(maria_database) as session, opened(maria_database) as other:
        put(session, PEOPLE, people(*range(100_000)))
        reading = session.read(described(session, "people"), WHOLE)
        monkeypatch.setattr(blocks_module, "MIB", 250)
        next(reading)
        other.driver.execute(f"KILL {session.mysql.wire.number}")
        with pytest.raises(Unreachable):
            list(reading)
        with pytest.raises(Unreachable):
            session.driver.query("SELECT 1")


def test_a_lost_connection_leaves_nothing(maria_database, mariadb, proxy):
    with opened(maria_database) as session:
        put(session, PEOPLE, people(1))
        load = load_of(session, PEOPLE)
        session.prepare(load)
    gate = proxy(mariadb)

    def cut():
        yield people(*range(1000))
        gate.close()
        yield people(*range(1000, 500_000))

    with opened(gate.url(maria_database)) as session, pytest.raises(Unreachable):
        session.stage(load, cut(), 0)
    with opened(maria_database) as session:
        assert session.stage(load, iter([people(7, 8)]), 0) == 2
        session.publish([load])
        session.discard(load)
        assert [row[0] for row in read(session, "people")] == [7, 8]


def test_a_snapshot_holds_still(maria_database, mariadb):
    run(maria_database, "CREATE TABLE t (i int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    run(maria_database, "CREATE TABLE loose (i int) ENGINE=MyISAM")
    with opened(maria_database) as session:
        name = session.pin()
        assert name.endswith(", but without transactions: loose")
        run(maria_database, "INSERT INTO t VALUES (2)")
        assert read(session, "t") == [(1,)]
        with pytest.raises(Unsupported):
            session.pin("another")


def test_a_session_does_not_cost_what_others_did(maria_database):
    with opened(maria_database) as session:
        if session.cpu_seconds() is None:
            pytest.skip("the server's threads cannot be seen from here")
        session.driver.query("SELECT BENCHMARK(1000000, md5('x'))")
        busy = session.cpu_seconds() or 0
    with opened(maria_database) as session:  # the thread is the same
        assert (session.cpu_seconds() or 0) < busy / 2


def test_a_schema_with_dots_is_found(maria_database):
    run(maria_database, "CREATE SCHEMA IF NOT EXISTS `a.dotted.schema`")
    try:
        run(maria_database, "CREATE TABLE `a.dotted.schema`.`t.able` (a int)")
        with opened(maria_database) as session:
            assert described(session, "a.dotted.schema.t.able").name == "t.able"
    finally:
        run(maria_database, "DROP SCHEMA `a.dotted.schema`")


def test_names_that_mysql_refuses():
    for name, column, fix in (("😀", "a", "'into'"), ("t", "😀", "'exclude'")):
        with pytest.raises(Unsupported, match="beyond U") as caught:
            roomy(table_of(name, **{column: "string"}), dialect, uuids=True)
        assert fix in caught.value.fix


def test_names_of_tables_are_told_apart(maria_database):
    run(
        maria_database,
        "CREATE TABLE `Orders` (a int)",
        "CREATE TABLE `orders` (b int)",
        'CREATE TABLE `we``ird ü. "x` (c int)',
    )
    with opened(maria_database) as session:
        assert described(session, "Orders").columns[0].name == "a"
        assert described(session, "orders").columns[0].name == "b"
        assert session.describe("ORDERS") is None
        assert described(session, 'we`ird ü. "x').columns[0].name == "c"
        assert described(session, maria_database.rpartition("/")[2] + ".orders").schema_name is None
    with MySQL.from_url(maria_database).model_copy(update={"database": None}).open() as session:
        schema = maria_database.rpartition("/")[2]
        assert described(session, f"{schema}.orders").schema_name == schema
        assert schema in {table.schema_name for table in session.tables()}


# Slices


def shown(value: object) -> str:
    """The words among the parameters name a test."""
    return value if isinstance(value, str) else ""


KEYED = [
    ("k varchar(20)", "utf8mb4_general_ci", [f"{a}{n}" for n in range(60) for a in ("a", "B", "é")]),
    ("k varchar(20)", "utf8mb4_bin", ["a", "A", "á", "a\\\\'", "\\", "😀", '"', *map(str, range(100))]),
    (
        "k varchar(20) character set latin1",
        "latin1_general_cs",
        [chr(n) + str(m) for n in range(0xC0, 0xDF) for m in range(5)],
    ),
    ("k varbinary(20)", None, [chr(n) for n in range(33, 127) if chr(n) not in "'\\"]),
    ("k date", None, [f"20{y:02d}-01-01" for y in range(99)]),
    ("k decimal(10,3)", None, [f"{n}.125" for n in range(-50, 50)]),
    ("k float", None, [f"{n}.1" for n in range(100)]),
    ("k datetime(3)", None, [f"2024-01-01 00:00:{n:02d}.5" for n in range(60)]),
    ("k uuid", None, [str(uuid.UUID(int=n * 7**40 % 2**128, version=4)) for n in range(1, 90)]),
    ("k bit(12)", None, list(range(100))),
    ("k enum('z','a','m','b')", None, ["z", "a", "m", "b"]),
    ("k bigint", None, [n * 1000 for n in range(100)]),
    ("k int", None, list(range(-50, 50))),
]


@pytest.mark.parametrize(("declared", "collation", "keys"), KEYED, ids=shown)
def test_slices_hold_every_row_once(maria_database, declared, collation, keys):
    extra = f" COLLATE {collation}" if collation else ""
    values = dict.fromkeys(str(key) if isinstance(key, int) else dialect.text(key) for key in keys)
    rows = ", ".join(f"({value}, {n}, 1)" for value in values for n in range(3))
    columns = f"{declared}{extra} NOT NULL, n int NOT NULL, v int, PRIMARY KEY (k, n)"
    with opened(maria_database) as session:
        session.driver.execute(f"CREATE TABLE s ({columns}) CHARACTER SET utf8mb4")
        session.driver.execute(f"INSERT INTO s VALUES {rows}")
        table = described(session, "s").model_copy(update={"rows": None})
        cuts = session.slices(table, len(values) // 2)
        assert len(cuts) > 3 or "enum" in declared
        assert cuts[0].on == (("k",) if declared in ("k int", "k bit(12)") else ("k", "n")), (
            "evenly filled numbers are cut by themselves"
        )
        parts = [row for cut in cuts for row in read(session, "s", cut)]
        assert sorted(map(str, parts)) == sorted(map(str, read(session, "s")))


def test_slices_of_text_keys_of_any_length(maria_database):
    table = table_of("codes", ("code",), code="string!", n="int(32)")
    codes = [f"{'x' * (n % 40)}{n}" for n in range(500)]
    with opened(maria_database) as session:
        there = put(session, table, batch_of(table, codes, range(500)))
        assert there.key == ("code",)
        parts = [row for cut in session.slices(there, 50) for row in read(session, "codes", cut)]
        assert sorted(parts) == sorted(zip(codes, range(500), strict=True))


# Writing


@pytest.mark.parametrize("files", [True, False], ids=["LOAD DATA", "INSERT"])
def test_hostile_texts(maria_database, files):
    table = table_of("hostile", id="int(32)!", t="string", v="string(20)", b="binary", j="json")
    numbers = range(len(HOSTILE))
    blobs = [None if text is None else text.encode("utf-16") for text in HOSTILE]
    batch = batch_of(table, numbers, HOSTILE, HOSTILE, blobs, [None if t is None else json.dumps(t) for t in HOSTILE])
    with opened(maria_database) as session:
        session.mysql.server.facts["local_infile"] = "ON" if files else "OFF"
        put(session, table, batch)
        assert read(session, "hostile") == [tuple(row.values()) for row in batch.to_pylist()]


def test_keys_are_unique_by_their_bytes(maria_database):
    keys = [text for text in HOSTILE if text is not None]
    for name, form in (("short", "string(20)!"), ("long", "string!"), ("bytes", "binary!")):
        table = table_of(name, ("k",), k=form, n="int(32)")
        values = [k.encode() for k in keys] if name == "bytes" else keys
        with opened(maria_database) as session:
            assert put(session, table, batch_of(table, values, range(len(keys)))).key == ("k",)
            assert sorted(read(session, name)) == sorted(zip(values, range(len(keys)), strict=True))


def test_a_server_that_takes_no_files(mariadb, maria_database):
    mariadb.execute("SET GLOBAL local_infile = 0")
    try:
        with opened(maria_database) as session:
            assert not session.mysql.server.takes_files
            put(session, PEOPLE, people(1, 2, 3))
            assert len(read(session, "people")) == 3
            load = load_of(session, PEOPLE)
            session.prepare(load)
            with pytest.raises(DataError, match="Duplicate"):
                session.stage(load, iter([people(5, 5)]), 0)
    finally:
        mariadb.execute("SET GLOBAL local_infile = 1")


def test_a_row_that_no_statement_holds_is_refused(maria_database):
    with opened(maria_database) as session:
        session.mysql.server.facts.update(local_infile="OFF", max_allowed_packet="1000000")
        load = load_of(session, table_of("long", id="int(64)!", t="string"))
        session.prepare(load)
        with pytest.raises(DataError, match="local_infile"):
            session.stage(load, iter([batch_of(load.table, [1, 2], ["a", "b" * 1_000_000])]), 0)
        assert in_place(session, load.stage).rows == 0


REFUSED = [
    ("v varchar(3)", "string", ["ok", "toolong"], "Data t"),
    ("v varchar(3)", "string", ["ok", "abc  "], "truncated"),
    ("v char(5)", "string", ["ab "], "blanks"),
    ("v binary(3)", "binary", [b"ab"], "zero bytes"),
    ("v int", "int(64)", [2**40], "Out of range"),
    ("v int unsigned", "int(64)", [-1], "Out of range"),
    ("v int NOT NULL", "int(64)", [1, None], "NOT NULL"),
    ("v decimal(5,2)", "decimal(10,4)", [Decimal("1.2345")], "truncated"),
    ("v decimal(3,1)", "decimal(10,1)", [Decimal("12345.6")], "Out of range"),
    ("v date", "date", [dt.date(2024, 1, 1), dt.date(1, 1, 1)], None),
    (
        "v timestamp NULL",
        "timestamp(0,utc)",
        [dt.datetime(2200, 1, 1, tzinfo=dt.UTC)],
        "Incorrect|Out of range",
    ),
    (
        "v timestamp NULL",
        "timestamp(0,utc)",
        [dt.datetime(1969, 1, 1, tzinfo=dt.UTC)],
        "Incorrect|Out of range",
    ),
    ("v datetime", "timestamp(6)", [dt.datetime(2024, 1, 1, 0, 0, 0, 5)], "digits of a second"),
    ("v double", "float(64)", [float("inf")], "no such number"),
    ("v double", "float(64)", [float("nan")], "no such number"),
    ("v enum('a','b')", "string", ["a", "c"], "truncated"),
    ("v varchar(9) character set latin1", "string", ["日本"], "Incorrect string value"),
    ("v uuid", "string", ["no uuid"], "Incorrect uuid"),
    ("v json", "string", ["{", "{}"], "CONSTRAINT"),
    ("v int CHECK (v > 5)", "int(32)", [6, 1], "CONSTRAINT"),
    ("v int UNIQUE", "int(32)", [6, 6], "Duplicate"),
]


@pytest.mark.parametrize("files", [True, False], ids=["LOAD DATA", "INSERT"])
@pytest.mark.parametrize(("declared", "form", "values", "why"), REFUSED, ids=shown)
def test_nothing_is_changed_on_its_way_in(maria_database, declared, form, values, why, files):
    run(maria_database, f"CREATE TABLE t (id int PRIMARY KEY, {declared})")
    with opened(maria_database) as session:
        session.mysql.server.facts["local_infile"] = "ON" if files else "OFF"
        table = described(session, "t")
        given = table.columns[1]
        if "second" not in (why or ""):
            given = given.model_copy(update={"type": parse(form)})
        load = Load(id="aa", table=table.model_copy(update={"columns": (table.columns[0], given)}), key=("id",))
        session.prepare(load)
        arrays = [pa.array(range(len(values)), pa.int32()), pa.array(values, parse(form).arrow())]
        batch = pa.RecordBatch.from_arrays(arrays, names=["id", "v"])
        if why is None:
            assert session.stage(load, iter([batch]), 0) == len(values)
            return
        with pytest.raises(DataError, match=why):
            session.stage(load, iter([batch]), 0)
        assert in_place(session, load.stage).rows == 0
        assert not session._marked(load, 0)


def test_a_source_that_breaks_leaves_nothing(maria_database):
    def breaking():
        yield people(1, 2)
        raise DataError("the source broke")

    with opened(maria_database) as session:
        load = load_of(session, PEOPLE)
        session.prepare(load)
        with pytest.raises(DataError, match="the source broke"):
            session.stage(load, breaking(), 0)
        assert in_place(session, load.stage).rows == 0
        assert session.stage(load, iter([people(3)]), 0) == 1
        assert session.stage(load, iter([people(4, 5)]), 1) == 2
        assert session.stage(load, iter([people(6)]), 0) == 1, "a slice is staged again in place of itself"
        session.publish([load])
        assert [row[0] for row in read(session, "people")] == [4, 5, 6]


def test_a_server_cannot_ask_for_files(maria_database, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("1\n")
    with opened(maria_database) as session:
        session.driver.execute("CREATE TABLE t (i int)")
        with pytest.raises(RuntimeError, match="local_infile"):
            session.driver.execute(f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE t")


def test_generated_columns_are_left_to_the_server(maria_database):
    made = "CREATE TABLE g (id int PRIMARY KEY, a int, twice int AS (a * 2) STORED, thrice int AS (a * 3) VIRTUAL)"
    run(maria_database, made, "INSERT INTO g (id, a) VALUES (1, 5)")
    with opened(maria_database) as session:
        table = described(session, "g")
        (batch,) = session.read(table, WHOLE)
        for mode in (Mode.REPLACE, Mode.MERGE):
            put(session, table, batch, mode)
            assert read(session, "g") == [(1, 5, 10, 15)]
        assert "STORED" in session.driver.query("SHOW CREATE TABLE g")[0][1]


def test_what_mysql_has_no_room_for(maria_database):
    with opened(maria_database) as session:
        for name in ("x" * 65, "😀", "x "):
            with pytest.raises(Unsupported, match="The name"):
                session.fit(table_of(name, id="int(32)!"))
        with pytest.raises(Unsupported, match="'a'"):
            session.fit(
                Table(name="t", columns=(Column(name="a", type=parse("date")), Column(name="A", type=parse("date"))))
            )
        with pytest.raises(Unsupported, match=r"1,017 columns"):
            session.fit(Table(name="t", columns=tuple(Column(name=f"c{n}", type=parse("date")) for n in range(1017))))


def test_a_thousand_columns(maria_database):
    forms = ("int(32)", "string(50)", "decimal(18,2)", "timestamp(6)", "string")
    columns = {f"c{n}": forms[n % 5] for n in range(1000)}
    table = table_of("wide", id="int(32)!", **columns)
    values = {
        "int(32)": 7,
        "string(50)": "ab",
        "decimal(18,2)": Decimal("1.25"),
        "string": "",
        "timestamp(6)": dt.datetime(2024, 1, 1),
    }
    batch = batch_of(table, range(20), *[[values[form]] * 19 + [None] for form in columns.values()])
    with opened(maria_database) as session:
        there = put(session, table, batch)
        assert digest(session, there).rows == 20
        tally = Tally(there.columns)
        for part in session.read(there, WHOLE):
            tally.add(part)
        assert unlike(tally.reading(), in_place(session, there)) == []
        loosely = [Column(name=c.name, type=t.type) for c, t in zip(table.columns, there.columns, strict=True)]
        assert digest_of(session.read(there, WHOLE), loosely, ("id",)).root == digest_of([batch], loosely, ("id",)).root


# Publishing


MADE = """
    CREATE TABLE people (id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(40) CHARACTER SET latin1 COLLATE latin1_bin
    DEFAULT 'none' COMMENT 'who', paid decimal(18,2), extra int DEFAULT 7, KEY by_name (name),
    CONSTRAINT paid_up CHECK (paid >= 0)) COMMENT 'ours'"""
SCENE = [
    MADE,
    "INSERT INTO people (id, name, paid) VALUES (1, 'old', 1), (2, 'older', 2)",
    "ALTER TABLE people AUTO_INCREMENT = 500",
    "CREATE VIEW names AS SELECT name FROM people",
]


def shape(session: MySQLSession, name: str) -> str:
    return str(session.driver.query(f"SHOW CREATE TABLE {name}")[0][1])


def test_replace_keeps_what_hangs_on_the_table(maria_database, mariadb):
    run(maria_database, *SCENE)
    name = maria_database.rpartition("/")[2]
    mariadb.execute(f"GRANT SELECT ON `{name}`.people TO reader@'127.0.0.1' IDENTIFIED BY 'r'")
    with opened(maria_database) as session:
        before = shape(session, "people")
        put(session, PEOPLE, people(10, 11, 12))
        assert shape(session, "people") == before
        assert [row[:2] for row in read(session, "people")] == [(10, "n10"), (11, "n11"), (12, "n12")]
        assert session.driver.query("SELECT count(*) FROM names") == [("3",)]
        session.driver.execute("INSERT INTO people (name) VALUES ('next')")
        assert session.driver.query("SELECT id, extra FROM people WHERE name = 'next'") == [("500", "7")]
        assert leftovers(session) == []
    with opened(maria_database, user="reader", password=SecretStr("r")) as session:
        assert session.driver.query("SELECT count(*) FROM people") == [("4",)]
        with pytest.raises(AccessDenied):
            session.prepare(load_of(session, PEOPLE))


def test_an_account_with_one_connection_copies(maria_database, mariadb, tmp_path):
    """Sums are asked aside where there is room for a second connection."""
    run(maria_database, *SCENE)
    place = maria_database.rpartition("@")[2]
    name = place.rpartition("/")[2]
    limit = "WITH MAX_USER_CONNECTIONS 1"
    mariadb.execute(f"GRANT SELECT ON `{name}`.* TO single@'127.0.0.1' IDENTIFIED BY 's' {limit}")
    url = f"mariadb://single:s@{place}"
    bill = lading.copy(url, f"parquet:///{tmp_path}/out", tables="people", quiet=True)
    assert (bill.state, bill.rows.target) == ("proved", 2), bill
    with MySQL.from_url(url).open(), pytest.raises(Unreachable, match="the account's own limit"):
        MySQL.from_url(url).open().__enter__()


def test_indexes_are_made_when_the_rows_are_there(maria_database):
    """But keys that rows are refused by, and the one of the column that counts."""
    run(maria_database, """CREATE TABLE people (id bigint PRIMARY KEY, name varchar(40), paid decimal(18,2),
        n int AUTO_INCREMENT, UNIQUE KEY one (name), KEY counts (n, name),
        KEY `by ``paid``` (paid) COMMENT 'KEY `x` (y),',
        KEY more (name(3), paid), FULLTEXT KEY words (name)) ENGINE=InnoDB""")  # fmt: skip
    with opened(maria_database) as session:
        before = shape(session, "people")
        load = load_of(session, PEOPLE)
        session.prepare(load)
        session.stage(load, iter([people(5, 6)]), 0)
        there = shape(session, load.stage.name)
        assert re.findall(r"KEY `(\w+)", there) == ["one", "counts"]
        assert "PRIMARY KEY" in there
        session.publish([load])
        made = re.sub(r" AUTO_INCREMENT=\d+", "", shape(session, "people"))
        assert sorted(made.splitlines()) == sorted(before.splitlines())
        assert [row[0] for row in read(session, "people")] == [5, 6]
        session.discard(load)
        assert leftovers(session) == []


def test_a_load_that_is_gone_is_not_published(maria_database):
    with opened(maria_database) as session:
        put(session, PEOPLE, people(1))
        other, load = load_of(session, PEOPLE, id="other"), load_of(session, PEOPLE)
        session.prepare(other)
        session.prepare(load)
        session.discard(load)
        with pytest.raises(SpecError, match="gone"):
            session.publish([load])


@pytest.mark.parametrize("key", [["id"], ["id", "code"]])
def test_a_merge_by_a_key_without_an_index_does_not_compare_every_row_with_every_row(mariadb, maria_database, key):
    """Which takes minutes for 20,000 rows."""
    name = maria_database.rpartition("/")[2]
    for each, low, high in (("s", 1, 2000), ("t", 1001, 3000)):
        mariadb.execute(f"CREATE TABLE {each} (id INT NULL, code VARCHAR(20) NULL, v INT)", name)
        mariadb.execute(f"INSERT INTO {each} SELECT seq, concat('c', seq), {low} FROM seq_{low}_to_{high}", name)
    mariadb.execute("INSERT INTO t VALUES (NULL, 'x', 0)", name)
    how = {"tables": "s", "into": {"s": "t"}, "mode": "merge", "merge_key": key, "quiet": True}
    counter = "SHOW GLOBAL STATUS LIKE 'Handler_read_rnd_next'"
    before = int(mariadb.execute(counter)[0][1])
    assert lading.copy(maria_database, maria_database, **how).state == "proved"
    assert int(mariadb.execute(counter)[0][1]) - before < 500_000
    found = mariadb.execute("SELECT count(*), count(DISTINCT id), sum(v = 1), count(id) FROM t", name)
    assert found == [(3001, 3000, 2000, 3000)]


def test_merge_and_append(maria_database):
    run(maria_database, *SCENE)
    with opened(maria_database) as session:
        put(session, PEOPLE, people(2, 3, name="new"), Mode.MERGE)
        put(session, PEOPLE, people(4), Mode.APPEND)
        assert [row[:2] for row in read(session, "people")] == [(1, "old"), (2, "new2"), (3, "new3"), (4, "n4")]
        load = load_of(session, PEOPLE, Mode.APPEND)
        session.prepare(load)
        session.stage(load, iter([people(3)]), 0)
        with pytest.raises(DataError, match="Duplicate"):
            session.publish([load])
        session.discard(load)
        assert leftovers(session) == []
        fresh = PEOPLE.model_copy(update={"name": "others"})
        put(session, fresh, people(1), Mode.MERGE)
        put(session, fresh, people(1, 2, name="m"), Mode.MERGE)
        assert [row[:2] for row in read(session, "others")] == [(1, "m1"), (2, "m2")]


class StopError(Exception):
    """The process died here."""


def crashing(session: MySQLSession, after: int) -> None:
    """Stops before one statement, as a crash would: what was committed stays, the transaction is undone."""
    whole, left = session.driver.query, [after]

    def query(sql, values=()):
        if not sql.startswith(("SELECT", "SHOW")):
            left[0] -= 1
            if left[0] < 0:
                session.mysql.wire.close()
                raise StopError(sql)
        return whole(sql, values)

    session.driver.query = query  # type: ignore[method-assign]
    session.driver.execute = lambda sql, values=(): query(sql, values) and None  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("scene", "mode"),
    [*((scene, mode) for scene in ("fresh", "there", "referred") for mode in Mode), ("myisam", Mode.REPLACE)],
)
def test_publishing_survives_a_crash_between_any_two_statements(maria_database, scene, mode):
    old, new = [1, 2], [2, 3] if mode is not Mode.APPEND else [3, 4]
    wanted = {Mode.REPLACE: new, Mode.MERGE: [1, 2, 3], Mode.APPEND: [1, 2, 3, 4]}[mode] if scene != "fresh" else new
    died = 0
    for after in range(30):
        run(maria_database, "DROP TABLE IF EXISTS refers, people")
        if scene != "fresh":
            run(maria_database, MADE + (" ENGINE=MyISAM" if scene == "myisam" else ""), SCENE[1])
        if scene == "referred":
            run(
                maria_database,
                "CREATE TABLE refers (id bigint, FOREIGN KEY (id) REFERENCES people (id))",
                "INSERT INTO refers VALUES (2)",
            )
        with opened(maria_database) as session:
            load = load_of(session, PEOPLE, mode)
            session.prepare(load)
            session.stage(load, iter([people(*new)]), 0)
        finished = True
        with opened(maria_database) as session:
            crashing(session, after)
            try:
                session.publish([load])
                session.discard(load)
            except StopError:
                finished = False
                died += 1
        with opened(maria_database) as session:
            if session.describe("people"):
                there = [row[0] for row in read(session, "people")]
                assert there in (wanted, old), "readers see the old table or the new one"
            if not finished:
                if session.describe("lading_ledger") and session._marked(load, BEGUN):
                    session.publish([load])
                session.discard(load)
            assert [row[0] for row in read(session, "people")] == wanted
            assert leftovers(session) == []
        if finished:
            break
    assert died >= 3


def test_preparing_survives_a_crash_between_any_two_statements(maria_database):
    run(maria_database, *SCENE)
    for after in range(10):
        with opened(maria_database) as session:
            load = load_of(session, PEOPLE)
            crashing(session, after)
            try:
                session.prepare(load)
                break
            except StopError:
                pass
        with opened(maria_database) as session:
            session.prepare(load)
            session.prepare(load)
            session.stage(load, iter([people(9)]), 0)
            session.publish([load])
            session.discard(load)
            assert [row[0] for row in read(session, "people")] == [9]
            assert leftovers(session) == []
    assert after >= 4


FAMILY = [
    "CREATE TABLE artist (id int PRIMARY KEY, name varchar(20), boss int, FOREIGN KEY (boss) REFERENCES artist (id))",
    "CREATE TABLE album (id int PRIMARY KEY, artist int REFERENCES artist (id) ON DELETE CASCADE)",
    "INSERT INTO artist VALUES (1, 'a', NULL), (2, 'b', 1)",
    "INSERT INTO album VALUES (10, 1), (20, 2)",
]
ARTIST = table_of("artist", id="int(32)!", name="string(20)", boss="int(32)")
ALBUM = table_of("album", id="int(32)!", artist="int(32)")


def staged(session: MySQLSession, table: Table, batch: pa.RecordBatch, mode: Mode = Mode.REPLACE) -> Load:
    load = load_of(session, table, mode, id=f"l{table.name}")
    session.prepare(load)
    session.stage(load, iter([batch]), 0)
    return load


def test_replace_of_tables_with_foreign_keys(maria_database):
    run(maria_database, *FAMILY)
    with opened(maria_database) as session:
        before = [shape(session, name) for name in ("artist", "album")]
        put(session, ARTIST, batch_of(ARTIST, [1, 2, 3], ["x", "y", "z"], [3, 1, None]))
        assert len(read(session, "album")) == 2, "no cascade deleted the rows of another table"
        load = staged(session, ARTIST, batch_of(ARTIST, [1], ["x"], [None]))
        with pytest.raises(DataError, match=r"album.*artist = 2"):
            session.publish([load])
        assert len(read(session, "artist")) == 3
        session.discard(load)
        loads = [
            staged(session, ALBUM, batch_of(ALBUM, [30], [5])),
            staged(session, ARTIST, batch_of(ARTIST, [5], ["five"], [5])),
        ]
        session.publish(loads)
        session.publish(loads)
        assert (read(session, "artist"), read(session, "album")) == ([(5, "five", 5)], [(30, 5)])
        for load in loads:
            session.discard(load)
        assert [shape(session, name) for name in ("artist", "album")] == before
        assert leftovers(session) == []
        assert session.driver.query("SELECT @@foreign_key_checks") == [("1",)]


def test_together_is_all_or_nothing(maria_database):
    run(maria_database, *FAMILY)
    with opened(maria_database) as session:
        swapped = [
            staged(session, PEOPLE, people(1)),
            staged(session, PEOPLE.model_copy(update={"name": "others"}), people(2)),
        ]
        session.publish(swapped)
        assert (len(read(session, "people")), len(read(session, "others"))) == (1, 1)
        for load in swapped:
            session.discard(load)
        mixed = [
            staged(session, PEOPLE, people(7, 8)),
            staged(session, PEOPLE.model_copy(update={"name": "made"}), people(9)),
            staged(session, ALBUM, batch_of(ALBUM, [1], [99])),
        ]
        with pytest.raises(DataError, match="artist = 99"):
            session.publish(mixed)
        assert [row[0] for row in read(session, "people")] == [1]
        assert read(session, "made") == []
        session.stage(mixed[2], iter([batch_of(ALBUM, [1], [1])]), 0)
        session.publish(mixed)
        assert [row[0] for row in read(session, "people")] == [7, 8]
        assert [row[0] for row in read(session, "made")] == [9]
        for load in mixed:
            session.discard(load)
        assert leftovers(session) == []


def test_triggers_stay(maria_database):
    run(
        maria_database,
        *SCENE,
        "CREATE TABLE seen (id bigint)",
        "CREATE TRIGGER watch AFTER INSERT ON people FOR EACH ROW INSERT INTO seen VALUES (NEW.id)",
    )
    with opened(maria_database) as session:
        put(session, PEOPLE, people(5))
        assert read(session, "seen") == [(5,)]
        assert [row[0] for row in session.driver.query("SHOW TRIGGERS")] == ["watch"]
        assert [row[0] for row in read(session, "people")] == [5]


@pytest.mark.parametrize(
    "trigger",
    [
        "BEFORE INSERT ON people FOR EACH ROW SET NEW.name = upper(NEW.name)",
        "BEFORE INSERT ON people FOR EACH ROW SET NEW.id = NEW.id + 1",
    ],
)
def test_triggers_that_change_rows_leave_the_old_ones(maria_database, trigger):
    run(maria_database, *SCENE, f"CREATE TRIGGER change_them {trigger}")
    with opened(maria_database) as session:
        before = read(session, "people")
        load = staged(session, PEOPLE, people(5))
        with pytest.raises(DataError, match="Triggers of 'people' change the rows that are written"):
            session.publish([load])
        assert read(session, "people") == before != []
        run(maria_database, "DROP TRIGGER change_them")
        session.publish([load])
        assert [row[0] for row in read(session, "people")] == [5]


def test_triggers_that_change_merged_rows_leave_the_old_ones(maria_database):
    run(maria_database, *SCENE,
        "CREATE TRIGGER change_them BEFORE UPDATE ON people FOR EACH ROW SET NEW.name = upper(NEW.name)")  # fmt: skip
    with opened(maria_database) as session:
        before = read(session, "people")
        load = staged(session, PEOPLE, people(2, 5), Mode.MERGE)
        with pytest.raises(DataError, match="Triggers of 'people' change the rows that are written"):
            session.publish([load])
        assert read(session, "people") == before != []
        run(maria_database, "DROP TRIGGER change_them")
        session.publish([load])
        assert [row[0] for row in read(session, "people")] == [1, 2, 5]


def test_an_account_that_cannot_see_triggers_swaps_nothing(maria_database, mariadb):
    name = maria_database.rpartition("/")[2]
    run(maria_database, *SCENE, "CREATE TABLE seen (id bigint)",
        "CREATE TRIGGER watch AFTER INSERT ON people FOR EACH ROW INSERT INTO seen VALUES (NEW.id)")  # fmt: skip
    rights = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES"
    mariadb.execute(f"GRANT {rights} ON `{name}`.* TO plain@'127.0.0.1' IDENTIFIED BY 'p'")
    with opened(maria_database, user="plain", password=SecretStr("p")) as session:
        put(session, PEOPLE, people(5))
    with opened(maria_database) as session:
        assert read(session, "seen") == [(5,)]


@pytest.mark.parametrize("rights", ["ALL", "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER"])
def test_foreign_keys_of_databases_that_cannot_be_seen_stay(maria_database, mariadb, rights):
    """They would stay with the old table, or delete their rows with its own."""
    name = maria_database.rpartition("/")[2]
    run(maria_database, *SCENE)
    other = mariadb.create_database(f"{name}_b")
    makes = f"CREATE TABLE orders (id int PRIMARY KEY, who bigint REFERENCES `{name}`.people (id) ON DELETE CASCADE)"
    run(other, makes, "INSERT INTO orders VALUES (1, 2)")
    mariadb.execute(f"GRANT {rights} ON `{name}`.* TO blind@'127.0.0.1' IDENTIFIED BY 'b'")
    blind = {"user": "blind", "password": SecretStr("b")}
    with opened(maria_database, **blind) as session:
        before = read(session, "people")
        told = "Tables of other databases refer to 'people', and 'blind'@'127.0.0.1' may not see which"
        with pytest.raises(Unsupported, match=told):
            put(session, PEOPLE, people(5))
        assert (leftovers(session), read(session, "people")) == ([], before)
        put(session, PEOPLE, people(2), Mode.MERGE)
    mariadb.execute(f"GRANT SELECT ON `{name}_b`.* TO blind@'127.0.0.1'")
    with opened(maria_database, **blind) as session:
        with pytest.raises(DataError, match="has a row with who = 2"):
            put(session, PEOPLE, people(5), id="cafe02")
        put(session, PEOPLE, people(2, 5), id="cafe03")
        assert [row[0] for row in read(session, "people")] == [2, 5]
    with opened(other) as session:
        assert read(session, "orders") == [(1, 2)]
        assert f"REFERENCES `{name}`.`people`" in shape(session, "orders")
    run(other, "DROP TABLE orders")
    mariadb.drop_database(f"{name}_b")
    mariadb.execute("DROP USER blind@'127.0.0.1'")


PARTS = "PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (100)"


@pytest.mark.parametrize("what", ["the table", "a part"])
def test_a_table_in_a_folder_of_its_own_stays_there(maria_database, mariadb, what):
    place = f" DATA DIRECTORY='{mariadb.folder}/tmp/'"
    made = "CREATE TABLE people (id bigint PRIMARY KEY, name varchar(40), paid decimal(18,2))"
    run(maria_database, made + (place if what == "the table" else f"{PARTS}{place})"))
    run(maria_database, "INSERT INTO people VALUES (1, 'old', 1)")
    with opened(maria_database) as session:
        before = shape(session, "people")
        assert "DATA DIRECTORY" in before
        put(session, PEOPLE, people(5, 6))
        assert shape(session, "people") == before
        assert [row[0] for row in read(session, "people")] == [5, 6]


def test_other_engines(maria_database):
    run(maria_database, MADE + " ENGINE=MyISAM", SCENE[1])
    with opened(maria_database) as session:
        before = shape(session, "people")
        put(session, PEOPLE, people(5))
        assert shape(session, "people").replace("AUTO_INCREMENT=6", "AUTO_INCREMENT=3") == before
        load = load_of(session, PEOPLE, Mode.APPEND)
        session.prepare(load)
        session.stage(load, iter([people(8)]), 0)
        with pytest.raises(Unsupported, match="transactions"):
            session.publish([load])
        session.discard(load)


def test_a_held_lock_is_a_clear_error(maria_database):
    with opened(maria_database) as session, opened(maria_database, lock_seconds=1) as other:
        put(session, PEOPLE, people(1))
        load = staged(other, PEOPLE, people(2))
        session.driver.begin()
        read(session, "people")
        with pytest.raises(Unreachable, match="lock"):
            other.publish([load])
        session.driver.rollback()
        other.publish([load])
        assert [row[0] for row in read(session, "people")] == [2]


def test_several_writers_stage_at_a_time(maria_database):
    with opened(maria_database) as one, opened(maria_database) as two:
        load = load_of(one, PEOPLE)
        one.prepare(load)

        def slow():
            yield people(1, 2)
            assert two.stage(load, iter([people(3, 4)]), 1) == 2
            yield people(6)

        assert one.stage(load, slow(), 0) == 3
        assert two.stage(load, iter([people(5)]), 1) == 1
        one.publish([load])
        assert [row[0] for row in read(one, "people")] == [1, 2, 5, 6]


# Errors


def test_who_must_act(maria_database, mariadb):
    with pytest.raises(AccessDenied, match="Access denied"), opened(maria_database, user="nobody"):
        pass
    with pytest.raises(SpecError, match="Unknown database"), opened(maria_database, database="nowhere"):
        pass
    with pytest.raises(Unreachable), opened(maria_database, port=1):
        pass
    with pytest.raises(Unreachable, match="SSL is required"), opened(maria_database, tls="require"):
        pass
    with opened(maria_database) as session:
        session.check()
        with pytest.raises(SpecError, match="doesn't exist"):
            session.driver.query("SELECT * FROM nothing")


@pytest.fixture
def encrypting(mariadb: MariaDB) -> Iterator[tuple[MariaDB, str]]:
    """A server that encrypts, and the file of its certificate, which it signed itself."""
    folder = Path(tempfile.mkdtemp(prefix="lading-"))
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lading")])
    there = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
    made = made.add_extension(x509.BasicConstraints(True, None), critical=True).add_extension(there, critical=False)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "cert.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(secret)
    server = MariaDB({"ssl-cert": f"{folder}/cert.pem", "ssl-key": f"{folder}/key.pem"}, folder)
    yield server, f"{folder}/cert.pem"
    server.close()


def test_authorities_are_loaded_only_where_they_are_asked(encrypting, monkeypatch):
    """To load them takes longer than all else that a connection does."""
    server, ca = encrypting

    def cipher(**settings) -> str:
        with opened(server.url(), **settings) as session:
            return str(session.driver.query("SHOW STATUS LIKE 'Ssl_cipher'")[0][1])

    assert cipher(tls="verify", ca=ca)
    with pytest.raises(Unreachable, match="self-signed"):
        cipher(tls="verify")
    assert cipher(tls="off") == ""
    monkeypatch.setattr(ssl, "create_default_context", None)
    assert cipher(tls="prefer")
    assert cipher(tls="require")


@pytest.fixture
def clerk(mariadb, maria_database) -> Iterator[tuple[str, str]]:
    """An account that may do nothing, and its address."""
    name, secret = f"clerk_{secrets.token_hex(3)}", secrets.token_hex(8)
    mariadb.execute(f"CREATE USER {name}@'%' IDENTIFIED BY '{secret}'")
    mariadb.execute(f"GRANT USAGE ON *.* TO {name}@'%'")
    yield name, re.sub(r"//[^@]*@", f"//{name}:{secret}@", maria_database)
    mariadb.execute(f"DROP USER {name}@'%'")


def granted(mariadb, clerk: tuple[str, str], *rights: str) -> None:
    """These rights and no others, in order."""
    mariadb.execute(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {clerk[0]}@'%'")
    for each in rights:
        mariadb.execute(f"GRANT {each} TO {clerk[0]}@'%'")


@pytest.mark.parametrize("mode", Mode)
def test_the_rights_that_are_asked_for_are_those_that_writing_needs(mariadb, maria_database, clerk, mode):
    run(maria_database, "CREATE TABLE people (id bigint PRIMARY KEY, name varchar(20))")
    database = maria_database.rpartition("/")[2].partition("?")[0]
    table = table_of("people", id="int(64)!", name="string(20)")
    words = ["SELECT", "INSERT", "DELETE", "CREATE", "ALTER", "DROP", *(["UPDATE"] if mode is Mode.MERGE else [])]
    pattern = database.replace("_", r"\_")
    granted(mariadb, clerk, *(f"{word} ON `{pattern}`.*" for word in words))
    with opened(clerk[1]) as session:
        assert [right.name for right in session.rights(table, mode)] == [f"{word} ON `{database}`.*" for word in words]
        assert all(right.held for right in session.rights(table, mode))
        put(session, table, batch_of(table, [0], ["Ann"]), mode)
    for number, lacking in enumerate(words, 1):
        granted(mariadb, clerk, *(f"{word} ON `{pattern}`.*" for word in words if word != lacking))
        with opened(clerk[1]) as session:
            (lacks,) = [right for right in session.rights(table, mode) if not right.held]
            assert lacks.fix == f"GRANT {lacking} ON `{database}`.* TO '{clerk[0]}'@'%';"
            with pytest.raises(AccessDenied):
                put(session, table, batch_of(table, [number], ["Bo"]), mode, f"cafe{number:02}")
            mariadb.execute(lacks.fix)
        with opened(clerk[1]) as session:
            assert all(right.held for right in session.rights(table, mode))


@pytest.mark.parametrize(
    ("given", "lacks"),
    [
        ([], ["SELECT ON {t}"]),
        (["SELECT ON *.*"], []),
        (["ALL PRIVILEGES ON `{d}`.*"], []),
        (["SELECT ON `{d}`.people"], []),
        (["SELECT ON `{d}`.`elsewhere`"], ["SELECT ON {t}"]),
        (["SELECT (id, `born on`), UPDATE (name) ON `{d}`.people"], ["SELECT (`name`) ON {t}"]),
        (["SELECT (id, `born on`) ON `{d}`.people", "SELECT (NAME) ON `{d}`.people"], []),
        (["INSERT, UPDATE, EXECUTE ON `{d}`.*"], ["SELECT ON {t}"]),
        (["SELECT ON `t%`.*"], []),
        ([r"SELECT ON `t\%`.*"], ["SELECT ON {t}"]),
    ],
)
def test_the_right_to_read_is_held_at_any_place(mariadb, maria_database, clerk, given, lacks):
    run(maria_database, "CREATE TABLE people (id bigint PRIMARY KEY, name varchar(20), `born on` date)",
        "CREATE TABLE elsewhere (id bigint)")  # fmt: skip
    database = maria_database.rpartition("/")[2].partition("?")[0]
    with opened(maria_database) as session:
        table = described(session, "people")
    granted(mariadb, clerk, *(each.replace("{d}", database) for each in given))
    inside = given and "elsewhere" not in given[0] and r"\%" not in given[0]
    address = clerk[1] if inside else clerk[1].replace(f"/{database}", "/information_schema")
    with opened(address) as session:
        table = table.model_copy(update={"schema_name": database})
        found = session.rights(table, None)
        name = session.name(table)
        assert [right.name for right in found if not right.held] == [each.replace("{t}", name) for each in lacks]
        for right in found:
            mariadb.execute(right.fix)
        assert all(right.held for right in session.rights(table, None))


def test_rights_of_a_role_count_while_it_is_in_force(mariadb, maria_database, clerk):
    run(maria_database, "CREATE TABLE people (id bigint PRIMARY KEY)")
    database, role = maria_database.rpartition("/")[2].partition("?")[0], f"role_{secrets.token_hex(3)}"
    mariadb.execute(f"CREATE ROLE {role}")
    mariadb.execute(f"GRANT SELECT ON `{database}`.* TO {role}")
    granted(mariadb, clerk, role)
    try:
        with opened(clerk[1].replace(f"/{database}", "/information_schema")) as session:
            table = Table(name="people", schema_name=database)
            assert [right.held for right in session.rights(table, None)] == [False]
            session.driver.execute(f"SET ROLE {role}")
            assert [right.held for right in session.rights(table, None)] == [True]
    finally:
        mariadb.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize(
    ("given", "to_role", "held"),
    [
        ((), (), False),
        (("SELECT, INSERT, UPDATE ON `{d}`.*",), (), False),
        (("TRIGGER ON `{d}`.elsewhere",), (), False),
        (("TRIGGER ON `{d}`.people",), (), True),
        (("TRIGGER ON `{d}`.*",), (), True),
        (("TRIGGER ON `t%`.*",), (), True),
        (("TRIGGER ON `t%`.*", "INSERT ON `{d}`.*"), (), False),
        (("TRIGGER ON `{d}`.*", "INSERT ON `t%`.*"), (), True),
        (("INSERT ON `{d}`.*",), ("TRIGGER ON `t%`.*",), True),
        (("TRIGGER ON *.*",), (), True),
        (("ALL PRIVILEGES ON `{d}`.people",), (), True),
        ((), ("SELECT ON `{d}`.*",), False),
        ((), ("TRIGGER ON `{d}`.people",), True),
        ((), ("TRIGGER ON `{d}`.*",), True),
        ((), ("ALL PRIVILEGES ON *.*",), True),
        ((), ("{inner}",), True),
    ],
)
def test_triggers_that_cannot_be_seen_are_told(mariadb, maria_database, clerk, given, to_role, held):
    """The right may come from the table, all tables, an enabled role; and of databases from the closest name."""
    run(maria_database, *SCENE, "CREATE TABLE elsewhere (id bigint)",
        "CREATE TRIGGER watch AFTER INSERT ON people FOR EACH ROW SET @seen = NEW.id")  # fmt: skip
    database = maria_database.rpartition("/")[2].partition("?")[0]
    role, inner = (f"role_{secrets.token_hex(3)}" for _ in range(2))
    mariadb.execute(f"CREATE ROLE {role}")
    mariadb.execute(f"CREATE ROLE {inner}")
    mariadb.execute(f"GRANT TRIGGER ON `{database}`.people TO {inner}")
    granted(mariadb, clerk, f"SELECT ON `{database}`.people", *(each.replace("{d}", database) for each in given), role)
    for each in to_role:
        mariadb.execute(f"GRANT {each.replace('{d}', database).replace('{inner}', inner)} TO {role}")
    mariadb.execute(f"SET DEFAULT ROLE {role} FOR {clerk[0]}@'%'")
    try:
        with opened(clerk[1]) as session:
            table = described(session, "people")
            assert bool(session.route(table).triggers) == held
            assert has_triggers(session.mysql, (database, "people"))
            told = session.route(table).unread
            assert [what for what, _ in told] == [] if held else [
                "the triggers of 'people' cannot be seen: the account has no right TRIGGER"
            ]  # fmt: skip
            for _, fix in told:
                mariadb.execute(fix.removesuffix(" Or look in them for casts and cuts."))
        with opened(clerk[1]) as session:
            assert session.route(table).unread == ()
            assert [code.name for code in session.route(table).triggers] == [f"{database}.watch"]
    finally:
        mariadb.execute(f"DROP ROLE {role}")
        mariadb.execute(f"DROP ROLE {inner}")


def test_rights_to_triggers_are_asked_for_once_for_all_tables(maria_database, monkeypatch):
    run(maria_database, *SCENE)
    asked: list[str] = []
    with opened(maria_database) as session:
        people, query = described(session, "people"), session.mysql.query

        def counted(sql, values=()):
            asked.append(sql)
            return query(sql, values)

        monkeypatch.setattr(session.mysql, "query", counted)
        session.route(people)
        session.route(people)
    assert asked.count("SHOW GRANTS") == 1


def test_rules_are_not_used_where_they_are_not_verified(maria_database: str):
    with opened(maria_database) as session:
        table = put(session, PEOPLE, people(1))
        columns = [Compared(name="id", type=parse("int(64)"))]
        assert session.unrendered(table, columns) == {}
        canon = session.dialect.canon
        assert canon is not None
        refusal = canon.refusal.replace("mariadb", "another")  # to which this server is what MySQL is to MariaDB
        session.dialect = replace(session.dialect, canon=replace(canon, refusal=refusal))
        assert session.unrendered(table, columns)["id"].startswith("the rules are not verified on MySQL 1")
