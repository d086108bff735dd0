"""ODBC, through the drivers of real PostgreSQL and MariaDB servers."""

import datetime as dt
import re
from decimal import Decimal
from typing import ClassVar

import pyarrow as pa
import pytest
from pydantic import SecretStr

from lading.connector import WHOLE, Connection, Load
from lading.connectors.mysql import MySQL
from lading.connectors.odbc import Odbc
from lading.connectors.odbc.session import OdbcSession
from lading.connectors.postgres import Postgres
from lading.dialects.tsql import dialect as tsql
from lading.digest import Digest, digest_of
from lading.errors import AccessDenied, DataError, SpecError, Unreachable, Unsupported
from lading.hops import gather
from lading.plan import Task
from lading.schema import Column, Mode, Table
from lading.testing.contract import Contract, Unlisted, Waiver
from lading.types import parse


class TestPostgres(Contract):
    """The contract through PostgreSQL's ODBC driver."""

    waivers: ClassVar = {
        "json-escapes": Waiver("never", "jsonb holds neither zero bytes nor halves of characters"),
        "string-zero": Waiver("never", "texts end at a zero byte; they are refused"),
    }

    @pytest.fixture
    def connection(self, pg_odbc: str) -> Odbc:
        return Odbc(connection=SecretStr(pg_odbc), dialect="postgres")

    @pytest.fixture
    def unlisted(self, connection: Odbc) -> Unlisted:
        ran(connection, "CREATE TABLE unlisted (id int, v aclitem)")
        return Unlisted("unlisted", "v", "aclitem")

    @pytest.fixture
    def nowhere(self, pg_odbc: str) -> Odbc:
        return Odbc(connection=SecretStr(pg_odbc.replace("Pwd=", "Pwd=hunter2")), dialect="postgres")


class TestMariaDB(Contract):
    """The contract through MariaDB's ODBC driver."""

    name_bytes = 64
    waivers: ClassVar = {
        "float32-infinity": Waiver("never", "its floats have no infinity"),
        "float64-infinity": Waiver("never", "its floats have no infinity"),
        "float32-nan": Waiver("never", "its floats have no NaN"),
        "float64-nan": Waiver("never", "its floats have no NaN"),
        "json-escapes": Waiver("never", "its check of JSON refuses halves of characters"),
        "timestamp-utc": Waiver("never", "TIMESTAMP reaches from 1970 to 2038; other instants are refused"),
        "test_many_columns": Waiver("never", "a table has no more than 1,016 columns"),
        "test_name[ blanks ]": Waiver("never", "a name does not end with a blank"),
        "test_name[\U0001f600]": Waiver("never", "a name holds the characters of three bytes only"),
    }

    @pytest.fixture
    def connection(self, maria_odbc: str) -> Odbc:
        return Odbc(connection=SecretStr(maria_odbc), dialect="mysql")

    @pytest.fixture
    def unlisted(self, connection: Odbc) -> Unlisted:
        ran(connection, "CREATE TABLE unlisted (id int, v point)")
        return Unlisted("unlisted", "v", "point")

    @pytest.fixture
    def nowhere(self, maria_odbc: str) -> Odbc:
        return Odbc(connection=SecretStr(maria_odbc.replace("Pwd=", "Pwd=hunter2")), dialect="mysql")


# What is peculiar to it.

PG_TABLE = """
CREATE TABLE "Wide one" (id int PRIMARY KEY, t text, v varchar(20), n numeric(38,10), free numeric, d date,
ts timestamp, tz timestamptz, tm time, b bytea, f boolean, u uuid, x float8, r real, j jsonb, big bigint, l int[])"""
PG_ROWS = """
INSERT INTO "Wide one" VALUES
(1, repeat('é', 500000) || '😀', 'emoji 😀', 1234567890123456789012345678.0123456789,
 12345678901234567890123456.7890123, '0001-01-01', '9999-12-31 23:59:59.999999', '2024-05-01 10:00:00+02',
 '23:59:59.999999',
 decode(repeat('00ff', 300000), 'hex'), true, '12345678-1234-1234-1234-123456789012', 0.1, 0.1, '{"a": [1, null]}',
 9223372036854775807, '{1,NULL,3}'),
(2, '', '', -0.0000000001, 0.000, '9999-12-31', '0001-01-01', '1969-12-31 23:59:59.999999+00', '00:00', '', false, NULL,
 1e300, -1.5, '1', -9223372036854775808, '{}'),
(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"""
MARIA_TABLE = """
CREATE TABLE `Wide one` (id int PRIMARY KEY, t longtext, v varchar(20), n decimal(38,10), d date, ts datetime(6),
tm time(6), b longblob, f tinyint(1), x double, r float, big bigint, ub bigint unsigned,
ut tinyint unsigned, bits bit(1))
DEFAULT CHARACTER SET utf8mb4"""
MARIA_ROWS = """
INSERT INTO `Wide one` VALUES
(1, concat(repeat('é', 500000), '😀'), 'emoji 😀', 1234567890123456789012345678.0123456789, '1000-01-01',
 '9999-12-31 23:59:59.999999', '23:59:59.999999', unhex(repeat('00ff', 300000)), 1, 0.1, 0.1, 9223372036854775807,
 18446744073709551615, 255, b'1'),
(2, '', '', -0.0000000001, '9999-12-31', '1000-01-01', '00:00', '', 0, 1e300, -1.5, -9223372036854775808, 0, 0, b'0'),
(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"""


def digest_through(connection: Connection, name: str) -> Digest:
    with connection.open() as session:
        table = session.describe(name)
        assert table is not None
        assert table.problems == ()
        return digest_of(session.read(table, WHOLE), table.columns, table.key)


def ran(connection: Odbc, *statements: str) -> Odbc:
    with connection.open() as session:
        for statement in statements:
            session.driver.execute(statement)
    return connection


@pytest.fixture
def pg(pg_odbc: str) -> Odbc:
    return Odbc(connection=SecretStr(pg_odbc), dialect="postgres")


@pytest.fixture
def maria(maria_odbc: str) -> Odbc:
    return Odbc(connection=SecretStr(maria_odbc), dialect="mysql")


def test_postgres_reads_as_the_native_connector_does(pg: Odbc, pg_database: str):
    ran(pg, PG_TABLE, PG_ROWS)
    mine = digest_through(pg, "Wide one")
    assert mine.rows == 3
    assert mine == digest_through(Postgres.from_url(pg_database), "Wide one")


def test_items_of_postgres_arrays_are_what_the_native_connector_says(pg: Odbc, pg_database: str):
    ran(pg, """
        CREATE TABLE items (id int PRIMARY KEY, j jsonb[], p json[], b bytea[], f boolean[], n numeric[],
        z timestamptz[], t text[])""", """
        INSERT INTO items VALUES (1, ARRAY[NULL, 'null', '1.0', '"x"', '{"a": [1]}']::jsonb[],
            ARRAY[NULL, 'null', '"1"']::json[], ARRAY[NULL, '', '\\x00ff']::bytea[], ARRAY[true, NULL, false],
            ARRAY[1.50, NULL], ARRAY[NULL, '2024-01-01 00:00+03']::timestamptz[], ARRAY['null', NULL, '\\x00', '']),
        (2, '{}', '{}', '{}', '{}', '{}', '{}', '{}'), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL)""")  # fmt: skip
    mine = digest_through(pg, "items")
    assert mine.rows == 3
    assert mine == digest_through(Postgres.from_url(pg_database), "items")
    ran(pg, "UPDATE items SET b = '{{a,b}}' WHERE id = 2")
    with pytest.raises(DataError, match="Column 'b': an array of several dimensions"):
        digest_through(pg, "items")


def test_mariadb_reads_as_the_native_connector_does(maria: Odbc, maria_database: str):
    ran(maria, MARIA_TABLE, MARIA_ROWS)
    mine = digest_through(maria, "Wide one")
    assert mine.rows == 3
    assert mine == digest_through(MySQL.from_url(maria_database), "Wide one")


def read_by_slices(maria: Odbc, rows: int) -> tuple[int, int]:
    """How many slices of about so many rows the table 't' has, and how many rows they hold together."""
    with maria.open() as session:
        there = session.describe("t")
        assert there is not None
        cuts = session.slices(there.model_copy(update={"rows": None}), rows)
        return len(cuts), sum(batch.num_rows for cut in cuts for batch in session.read(there, cut))


@pytest.mark.parametrize(
    "declared", ["enum('z','m','b','a','','q')", "set('z','m','b','a','q','c')", "varbinary(3)"], ids=str
)
def test_slices_of_mariadb_hold_every_row_once(maria: Odbc, declared: str):
    keys = ", ".join(f"('{key}', {n})" for key in ("z", "m", "b", "a", "", "q") for n in range(20))
    ran(maria, f"CREATE TABLE t (k {declared} NOT NULL, n int NOT NULL, PRIMARY KEY (k, n))",
        f"INSERT INTO t VALUES {keys}")  # fmt: skip
    cuts, rows = read_by_slices(maria, 7)
    assert (cuts > 10, rows) == (True, 120)


def test_slices_of_mariadb_are_cut_by_bits(maria: Odbc):
    """The library ends the process where it reads them as the bytes that the driver announces."""
    ran(maria, "CREATE TABLE t (k bit(20) NOT NULL, n int NOT NULL, PRIMARY KEY (k, n))",
        "INSERT INTO t SELECT seq, seq % 7 FROM seq_0_to_299")  # fmt: skip
    cuts, rows = read_by_slices(maria, 70)
    assert (cuts > 3, rows) == (True, 300)


@pytest.mark.parametrize("system", ["pg", "maria"])
def test_a_copy_through_odbc_is_the_same(system: str, request: pytest.FixtureRequest):
    connection: Odbc = request.getfixturevalue(system)
    ran(connection, *((PG_TABLE, PG_ROWS) if system == "pg" else (MARIA_TABLE, MARIA_ROWS)))
    with connection.open() as source, connection.open() as target:
        table = source.describe("Wide one")
        assert table is not None
        fitted = target.fit(table.model_copy(update={"name": "copied"}))
        load = Load(id="cafe02", table=fitted, key=table.key, fresh=True)
        target.prepare(load)
        assert target.stage(load, source.read(table, WHOLE), 0) == 3
        target.publish([load])
        target.discard(load)
    assert digest_through(connection, "copied") == digest_through(connection, "Wide one")


@pytest.mark.parametrize(
    ("column", "value"), [("timestamp", "infinity"), ("date", "-infinity"), ("date", "0044-03-15 BC")]
)
def test_postgres_values_that_its_driver_would_replace_stop_the_read(pg: Odbc, column: str, value: str):
    ran(pg, f"CREATE TABLE odd (v {column})", f"INSERT INTO odd VALUES ('{value}')")
    with pytest.raises(DataError, match="Column 'v'"):
        digest_through(pg, "odd")


def test_mariadb_zero_dates_stop_the_read(maria: Odbc):
    ran(maria, "CREATE TABLE odd (v date)", "SET sql_mode = ''")
    with maria.open() as session:
        session.driver.execute("SET sql_mode = ''")
        session.driver.execute("INSERT INTO odd VALUES ('0000-00-00')")
    with pytest.raises(DataError, match="Column 'v'"):
        digest_through(maria, "odd")


def test_a_value_longer_than_its_room_stops_the_read(pg: Odbc, monkeypatch: pytest.MonkeyPatch):
    """Were the longest value not measured, or another written meanwhile: nothing is cut."""
    ran(pg, "CREATE TABLE long (v text)", "INSERT INTO long VALUES (repeat('x', 100000))")
    monkeypatch.setattr(OdbcSession, "_longest", lambda *_: 99_999)
    with pytest.raises(DataError, match="100000 bytes is longer"):
        digest_through(pg, "long")


def test_a_text_with_a_zero_byte_is_refused_where_the_driver_would_end_it(pg: Odbc):
    table = Table(name="zero", columns=(Column(name="v", type=parse("string")),))
    batch = pa.record_batch([pa.array(["a\0b"])], ["v"])
    with pg.open() as session:
        load = Load(id="cafe03", table=session.fit(table), fresh=True)
        session.prepare(load)
        with pytest.raises(DataError, match="zero byte"):
            session.stage(load, [batch], 0)


def test_the_standard_catalogue_reads_and_does_not_write(pg_odbc: str, pg: Odbc):
    ran(pg, "CREATE TABLE plain (id int PRIMARY KEY, v varchar(20), n numeric(9,2), d date)")
    ran(pg, "INSERT INTO plain VALUES (1, 'é😀', 1.50, '2024-01-31'), (2, NULL, NULL, NULL)")
    with Odbc(connection=SecretStr(pg_odbc)).open() as session:
        table = session.describe("plain")
        assert table is not None
        assert [(c.name, str(c.type)) for c in table.columns] == [
            ("id", "int(32)"), ("v", "string(20)"), ("n", "decimal(9,2)"), ("d", "date"),
        ]  # fmt: skip
        assert table.key == ("id",)
        rows = [row for batch in session.read(table, WHOLE) for row in batch.to_pylist()]
        assert rows == [
            {"id": 1, "v": "é😀", "n": Decimal("1.50"), "d": dt.date(2024, 1, 31)},
            {"id": 2, "v": None, "n": None, "d": None},
        ]
        assert session.pin() == ""
        with pytest.raises(Unsupported, match="cannot be written to"):
            session.fit(table)


def test_all_reads_see_the_pinned_state(pg: Odbc, maria: Odbc):
    for connection in (pg, maria):
        ran(connection, "CREATE TABLE moving (id int PRIMARY KEY)", "INSERT INTO moving VALUES (1)")
        with connection.open() as session:
            table = session.describe("moving")
            assert table is not None
            assert session.pin()
            ran(connection, "INSERT INTO moving VALUES (2)")
            assert sum(batch.num_rows for batch in session.read(table, WHOLE)) == 1
        assert digest_through(connection, "moving").rows == 2


def test_secrets_stay_secret(pg_odbc: str):
    wrong = Odbc(connection=SecretStr(pg_odbc.replace("Pwd=", "Pwd=hunter2")), dialect="postgres")
    with pytest.raises(AccessDenied) as caught, wrong.open():
        pass
    said = f"{caught.value} {caught.value.__cause__} {wrong!r} {wrong.address()} {wrong}"
    assert "hunter2" not in said
    assert "Pwd" not in said


def test_secrets_are_taken_out_of_what_a_driver_says(pg: Odbc, pg_odbc: str):
    password = re.findall("Pwd=([^;]+)", pg_odbc)[0]
    with pg.open() as session:
        told = session.odbc._translated(RuntimeError(f"State: 42000, Message: {password} in {pg_odbc}"))
    assert password not in str(told)


def test_a_driver_that_is_not_installed_is_named():
    with (
        pytest.raises(Unsupported, match="Install the driver"),
        Odbc(connection=SecretStr("Driver={Nix};Uid=x")).open(),
    ):
        pass


def test_a_server_that_is_away_is_unreachable(pg_odbc: str):
    away = re.sub(r"Port=\d+", "Port=1", pg_odbc)
    with pytest.raises(Unreachable), Odbc(connection=SecretStr(away), dialect="postgres").open():
        pass


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("odbc://?dsn=crm&dialect=tsql", "odbc://?dsn=crm&dialect=tsql"),
        ("odbc://me:secret@crm?dialect=mysql&schema=x", "odbc://?dsn=crm&dialect=mysql&user=me&schema=x"),
        (
            "odbc:///?connection=Driver%3D%7BA%7D%3BServer%3Dh%3BPWD%3D%7Bs%3Bt%7D&dialect=postgres",
            "odbc://?connection=Driver={A};Server=h&dialect=postgres",
        ),
    ],
)
def test_addresses(url: str, shown: str):
    connection = Odbc.from_url(url)
    assert connection.address() == shown
    assert Odbc.from_url(shown).address() == shown


def test_an_address_without_a_source_is_refused():
    with pytest.raises(SpecError, match="names no ODBC source"):
        Odbc.from_url("odbc://?dialect=mysql")


def test_sybase_types():
    found = {
        native: str(tsql.canonical(native))
        for native in ("numeric(18,2)", "univarchar(30)", "money", "datetime", "tinyint")
    }
    assert found == {
        "numeric(18,2)": "decimal(18,2)", "univarchar(30)": "string(30)", "money": "decimal(19,4)",
        "datetime": "timestamp(3)", "tinyint": "int(8,unsigned)",
    }  # fmt: skip
    assert tsql.canonical("java.util.Map") is None


@pytest.mark.parametrize("system", ["pg", "maria"])
def test_a_trigger_of_the_target_is_told(system: str, request: pytest.FixtureRequest):
    connection: Odbc = request.getfixturevalue(system)
    make = "CREATE TRIGGER noted BEFORE INSERT ON watched FOR EACH ROW "
    bodies = {
        "pg": (
            "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            f"{make} EXECUTE FUNCTION noted()",
        ),
        "maria": (f"{make} SET NEW.v = left(NEW.v, 3)",),
    }  # fmt: skip
    ran(connection, "CREATE TABLE watched (id int PRIMARY KEY, v varchar(20))", *bodies[system])
    with connection.open() as session:
        table = session.describe("watched")
        assert table is not None
        task = Task(source=table, target=table, mode=Mode.APPEND, fresh=False)
        told = [what for what, _ in gather.facts(task, (session, session), ()).unread]
    assert told == ["the trigger 'noted' of 'watched' was not read"]
