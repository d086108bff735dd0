"""The DuckDB connector."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from typing import ClassVar

import duckdb
import pytest

from lading import actions
from lading.connector import WHOLE, Connection
from lading.connectors.duckdb import DuckDB
from lading.connectors.duckdb.driver import DuckDBDriver
from lading.connectors.duckdb.faults import error_of
from lading.errors import AccessDenied, DataError, SpecError, Unreachable
from lading.schema import Table
from lading.spec import Move
from lading.testing.contract import Contract, Unlisted, Waiver
from lading.testing.steps import PEOPLE, ROWS, Row, batch, content, found, load_of, put, table


class TestDuckDB(Contract):
    name_bytes: ClassVar[int | None] = 10_000
    keeps_keys: ClassVar[bool] = False
    waivers: ClassVar[dict[str, Waiver]] = {
        "json-escapes": Waiver("never", "DuckDB refuses JSON with half a character"),
    }

    @pytest.fixture
    def connection(self, tmp_path) -> Connection:
        return DuckDB(path=str(tmp_path / "a.duckdb"))

    @pytest.fixture
    def nowhere(self, tmp_path) -> Connection:
        return DuckDB(path=str(tmp_path / "absent" / "a.duckdb"))

    @pytest.fixture
    def unlisted(self, connection) -> Unlisted:
        with duckdb.connect(connection.path) as db:
            db.execute("CREATE TABLE odd (id INTEGER, place STRUCT(x INTEGER, y INTEGER))")
        return Unlisted("odd", "place", "struct(x integer, y integer)")


@pytest.fixture
def file(tmp_path):
    return str(tmp_path / "it's a b.duckdb")


@pytest.fixture
def sql(file):
    """Runs statements and closes the file again."""

    def run(*statements):
        with duckdb.connect(file) as db:
            for statement in statements:
                rows = db.execute(statement).fetchall()
        return rows

    return run


def opened(file):
    return DuckDB(path=file).open()


def test_an_absent_file_is_no_source_and_is_not_made(file):
    with opened(file) as session:
        for look in (lambda: list(session.tables()), session.pin, lambda: list(session.read(PEOPLE, WHOLE))):
            with pytest.raises(SpecError, match="is not there"):
                look()
        session.check()
        assert session.describe("people") is None
    assert not os.path.exists(file)


def test_an_absent_file_is_made_when_it_is_written(file):
    with opened(file) as session:
        put(session, PEOPLE, ROWS)
        assert [there.name for there in session.tables()] == ["people"]
    assert os.path.exists(file)


def test_slices_of_a_key_that_sorts_by_numbers_and_compares_by_texts_hold_every_row_once(file, sql):
    sql(
        "CREATE TABLE t (k ENUM('z', 'm', 'b', 'a', '', 'q'), n INTEGER, PRIMARY KEY (k, n))",
        "INSERT INTO t SELECT k, n FROM (SELECT unnest(enum_range(NULL::ENUM('z', 'm', 'b', 'a', '', 'q'))) k), "
        "range(20) r(n)",
    )
    with opened(file) as session:
        there = found(session, "t")
        cuts = session.slices(there, 7)
        assert len(cuts) > 10
        assert sum(rows.num_rows for cut in cuts for rows in session.read(there, cut)) == 120


def test_a_table_asked_for_alone_is_what_all_tables_say_of_it(file, sql):
    sql(
        "CREATE TYPE mood AS ENUM ('a', 'b''c')", 'CREATE SCHEMA "a.b"',
        "CREATE TABLE Odd (m mood, ms mood[], d DECIMAL(9,2) DEFAULT 5, e INTEGER NOT NULL, j JSON, "
        "g INTEGER AS (e + 1), t TIMESTAMP_NS, PRIMARY KEY (e, d))",
        'CREATE TABLE "a.b"."c.d" ("x y" INTEGER)', 'CREATE TABLE "it\'s" (a VARCHAR)',
        "INSERT INTO Odd (e) VALUES (1), (2)", "CREATE TABLE gone (a INTEGER)", "CREATE VIEW v AS SELECT * FROM gone",
        "DROP TABLE gone",
    )  # fmt: skip
    with opened(file) as session:
        tables = list(session.tables())
        assert [t.name for t in tables] == ["c.d", "Odd", "it's"]
        session.driver.begin()
        assert [session.describe(t.full_name) for t in tables] == tables
        assert (session.describe("odd"), session.describe("gone")) == (None, None)
        assert (session.called(Table(name="oDD")).name, session.describe("v").view) == ("Odd", True)
        session.driver.commit()


def test_the_columns_of_all_tables_are_not_listed_for_each_one(file, sql, monkeypatch):
    """What DuckDB lists is every column of every table: a third of a second for 330 tables of 100 columns."""
    sql(*(f"CREATE TABLE t{n} (a INTEGER)" for n in range(5)))
    asked, query = list[str](), DuckDBDriver.query

    def noted(self, sql, *given):
        asked.append(sql)
        return query(self, sql, *given)

    monkeypatch.setattr(DuckDBDriver, "query", noted)
    words = {"from": f"duckdb:///{file}", "to": f"duckdb:///{file}.copy"}
    for _ in range(2):
        assert actions.copy(Move.model_validate(words)).state == "proved"
    assert sum("duckdb_columns()" in sql for sql in asked) == 2 + 5  # and where a table takes another's place
    assert sum("information_schema" in sql for sql in asked) == 0


def test_a_file_that_may_only_be_read_is_a_source(file, sql, monkeypatch):
    sql("CREATE TABLE people (id INTEGER)", "INSERT INTO people VALUES (1), (2)")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: access(path, mode) and (path != file or mode != os.W_OK))
    with opened(file) as session:
        assert sum(each.num_rows for each in session.read(found(session, "people"), WHOLE)) == 2
        with pytest.raises(AccessDenied, match="it may only be read"):
            put(session, PEOPLE, ROWS)
    assert sql("SELECT count(*) FROM people") == [(2,)]


def test_a_file_that_another_process_has_is_unreachable(file, sql):
    sql("CREATE TABLE t (a INTEGER)")
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, file]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(Unreachable) as caught, opened(file):
            pass
        other.stdin.close()
        other.wait(timeout=20)
    assert file in str(caught.value)


def test_a_file_that_is_being_closed_is_waited_for(file, sql, monkeypatch):
    sql("CREATE TABLE t (a INTEGER)")
    connect, refused = duckdb.connect, iter(range(3))

    def closing(path, config):
        if next(refused, None) is not None:
            raise duckdb.ResourceInUseException("Unique file handle conflict")
        return connect(path, config=config)

    monkeypatch.setattr(duckdb, "connect", closing)
    with opened(file) as session:
        assert [table.name for table in session.tables()] == ["t"]
    assert list(refused) == []
    monkeypatch.setattr("lading.connectors.duckdb.faults._CLOSING", 0.1)
    refused = iter(int, 1)
    with pytest.raises(Unreachable, match="handle conflict"), opened(file):
        pass


def test_a_schema_with_dots_is_found(file, sql):
    sql('CREATE SCHEMA "a.dotted.schema"')
    sql('CREATE TABLE "a.dotted.schema"."t.able" (a INTEGER)')
    with opened(file) as session:
        found = session.describe("a.dotted.schema.t.able")
    assert (found.schema_name, found.name) == ("a.dotted.schema", "t.able")


@pytest.mark.parametrize(
    "native",
    ["STRUCT(a INTEGER)", "MAP(INTEGER, INTEGER)", "UNION(a INTEGER, b VARCHAR)", "TIME WITH TIME ZONE", "INTEGER[3]"],
)
def test_types_without_a_canonical_one_are_problems(file, sql, native):
    sql(f"CREATE TABLE odd (id INTEGER, v {native})")
    with opened(file) as session:
        (problem,) = session.describe("odd").problems
    assert "'v'" in problem
    assert native.split("(")[0].lower() in problem.lower()


@pytest.mark.parametrize(
    ("native", "value", "text"),
    [
        ("HUGEINT", "170141183460469231731687303715884105727", "170141183460469231731687303715884105727"),
        ("HUGEINT[]", "[170141183460469231731687303715884105727, NULL]",
         "[170141183460469231731687303715884105727,null]"),
        ("ENUM('a', 'B c')", "'B c'", "B c"),
        ("ENUM('a', 'b')[]", "['b']", '["b"]'),
        ("UUID[]", "['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']", '["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]'),
        ("INTEGER[][]", "[[1, NULL], NULL, []]", "[[1,null],null,[]]"),
        ("DECIMAL(38,2)[]", "[1.50]", "[1.50]"),
        ("BIT", "'0101'", "0101"),
        ("BIT[]", "['0101']", '["0101"]'),
        ("TIMESTAMP_S", "'2024-01-02 03:04:05'", "2024-01-02 03:04:05.000000"),
        ("TIMESTAMP_MS", "'2024-01-02 03:04:05.006'", "2024-01-02 03:04:05.006000"),
    ],
)  # fmt: skip
def test_types_that_need_care(file, sql, native, value, text):
    sql(f"CREATE TABLE t (v {native})", f"INSERT INTO t VALUES ({value}), (NULL)")
    with opened(file) as session:
        assert content(session, found(session, "t")) == [(None,), (text,)]


def test_a_value_that_is_refused_leaves_the_connection_free(file, sql):
    """Also while somebody holds the error, and with it what its frames hold."""
    sql("CREATE TABLE t AS SELECT CASE range WHEN 9 THEN 'infinity'::TIMESTAMP END AS v FROM range(300000)")
    with opened(file) as session:
        with pytest.raises(DataError, match="holds infinity") as held:
            list(session.read(found(session, "t"), WHOLE))
        assert session.driver.query("SELECT count(*) FROM t") == [(300_000,)]
        assert held.value.fix


@pytest.mark.parametrize("native", ["DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"])
@pytest.mark.parametrize("value", ["infinity", "-infinity"])
def test_infinite_moments_are_refused(file, sql, native, value):
    sql(f"CREATE TABLE t (v {native})", f"INSERT INTO t VALUES ('{value}')")
    with opened(file) as session, pytest.raises(DataError, match="'v' of 't' holds infinity"):
        content(session, found(session, "t"))


@pytest.mark.parametrize(
    ("native", "value"),
    [
        ("DATE[]", "['infinity']"),
        ("TIMESTAMP[][]", "[['2024-01-01'], ['-infinity']]"),
        ("TIME[]", "[NULL, '24:00:00']"),
    ],
)
def test_what_has_no_form_is_refused_in_lists_too(file, sql, native, value):
    sql(f"CREATE TABLE t (v {native})", f"INSERT INTO t VALUES ({value}::{native})")
    with (
        opened(file) as session,
        pytest.raises(DataError, match=r"'v' of 't' holds (infinity|24:00:00), which (date|t)"),
    ):
        content(session, found(session, "t"))


@pytest.mark.parametrize(("type_", "nest"), [("interval", lambda v: v), ("list(interval)", lambda v: [None, v])])
def test_an_interval_with_nanoseconds_is_refused_and_not_cut(file, type_, nest):
    spans = table("spans", ("id",), id="int(64)!", v=type_)
    with opened(file) as session:
        put(session, spans, [(1, nest((0, 0, 1_000))), (2, None)])
        with pytest.raises(DataError, match="'v' holds an interval with nanoseconds"):
            put(session, spans, [(1, nest((0, 0, 1_001)))])


@pytest.mark.parametrize(
    ("native", "value"),
    [
        ("INTERVAL", "to_microseconds({n})"), ("INTERVAL[]", "[NULL, to_microseconds({n})]"),
        ("INTERVAL[][]", "[NULL, [to_microseconds(1)], [to_microseconds({n})]]"),
    ],
)  # fmt: skip
def test_an_interval_that_nanoseconds_do_not_hold_is_refused(file, sql, native, value):
    most = (2**63 - 1) // 1000
    sql(f"CREATE TABLE t (v {native})", *(f"INSERT INTO t VALUES ({value.format(n=n)})" for n in (most, -most)))
    with opened(file) as session:
        held = str(content(session, found(session, "t")))
    assert "DT9223372036.854775000S" in held
    assert "DT-9223372036.854775000S" in held
    sql(f"INSERT INTO t VALUES ({value.format(n=most + 1)})")
    with opened(file) as session, pytest.raises(DataError, match="'v' of 't' holds an interval of over 292 years"):
        content(session, found(session, "t"))


@pytest.mark.parametrize("native", ["TIME", "TIME_NS"])
def test_the_end_of_the_day_is_no_time(file, sql, native):
    sql(f"CREATE TABLE t (v {native})", "INSERT INTO t VALUES ('23:59:59.999999')")
    with opened(file) as session:
        assert len(content(session, found(session, "t"))) == 1
    sql("INSERT INTO t VALUES ('24:00:00')")
    with opened(file) as session, pytest.raises(DataError, match="'v' of 't' holds 24:00:00"):
        content(session, found(session, "t"))


def test_what_hangs_on_a_table_survives_replace(file, sql):
    sql(
        "CREATE TABLE people (id BIGINT PRIMARY KEY, name VARCHAR, paid DECIMAL(18,2))",
        "CREATE INDEX by_name ON people (name)",
        "CREATE VIEW names AS SELECT name FROM people",
        "INSERT INTO people VALUES (1, 'old', NULL), (2, 'older', NULL)",
    )
    with opened(file) as session:
        put(session, PEOPLE, ROWS)
        put(session, PEOPLE, ROWS)
    assert sql("SELECT count(*) FROM names") == [(len(ROWS),)]
    assert sql("SELECT index_name FROM duckdb_indexes()") == [("by_name",)]
    with pytest.raises(duckdb.ConstraintException):
        sql("INSERT INTO people VALUES (1, 'again', NULL)")


PLAIN = "CREATE TABLE people (id BIGINT NOT NULL, name VARCHAR, paid DECIMAL(18,2))"


def swapped(file, sql) -> bool:
    """Whether a replaced table is the staged one under its name."""
    sql("CREATE OR REPLACE VIEW names AS SELECT name FROM people")
    with opened(file) as session:
        load = load_of(session, PEOPLE)
        session.prepare(load)
        session.stage(load, [batch(load.table, ROWS)], 0)
        session.publish([load])
        left = session.describe(load.stage.full_name)
        session.discard(load)
    assert sql("SELECT id, name FROM people ORDER BY id") == [row[:2] for row in sorted(ROWS)]
    assert sql("SELECT count(*) FROM names") == [(len(ROWS),)]
    return left is None


@pytest.mark.parametrize(
    "table", [PLAIN, PLAIN.replace(" NOT NULL", ""), PLAIN.replace("paid", "CHECK (id > 0), paid")]
)
def test_a_table_that_is_all_text_gives_way_to_the_staged_one(file, sql, table):
    sql(table, "INSERT INTO people VALUES (1, 'old', NULL)")
    made = sql("SELECT sql FROM duckdb_tables() WHERE table_name = 'people'")
    assert swapped(file, sql)
    assert sql("SELECT sql FROM duckdb_tables() WHERE table_name = 'people'") == made


@pytest.mark.parametrize(
    "more",
    [
        "CREATE INDEX by_name ON people (name)",
        "COMMENT ON TABLE people IS 'ours'",
        "COMMENT ON COLUMN people.name IS 'ours'",
        "ALTER TABLE people ALTER name SET DEFAULT 'nobody'",
        "CREATE TABLE other (id INTEGER PRIMARY KEY); CREATE TABLE child (id INTEGER REFERENCES other (id))",
        PLAIN.replace("CREATE", "CREATE OR REPLACE").replace("BIGINT NOT NULL", "BIGINT PRIMARY KEY"),
        PLAIN.replace("CREATE", "CREATE OR REPLACE").replace("VARCHAR", "VARCHAR COLLATE NOCASE"),
    ],
)
def test_a_table_with_more_to_it_stays(file, sql, more):
    sql(PLAIN, more)
    made = sql("SELECT sql, comment FROM duckdb_tables() WHERE table_name = 'people'")
    assert not swapped(file, sql)
    assert sql("SELECT sql, comment FROM duckdb_tables() WHERE table_name = 'people'") == made


def test_a_parent_that_is_referred_to_is_not_emptied(file, sql):
    sql(
        "CREATE TABLE people (id BIGINT PRIMARY KEY, name VARCHAR, paid DECIMAL(18,2))",
        "CREATE TABLE child (id BIGINT REFERENCES people (id))",
        "INSERT INTO people VALUES (1, 'old', NULL)",
        "INSERT INTO child VALUES (1)",
    )
    with opened(file) as session, pytest.raises(DataError, match="foreign key"):
        put(session, PEOPLE, ROWS)
    assert sql("SELECT id, name FROM people") == [(1, "old")]


def test_tables_of_an_attached_database_are_not_ours(file, sql):
    sql("CREATE SCHEMA sales", "CREATE TABLE sales.t (a INTEGER, b INTEGER GENERATED ALWAYS AS (a + 1))")
    with opened(file) as session:
        session.driver.execute("ATTACH ':memory:' AS other")
        session.driver.execute("CREATE TABLE other.elsewhere (a INTEGER)")
        assert [there.full_name for there in session.tables()] == ["sales.t"]


def test_more_rows_than_memory(tmp_path):
    """In the memory that a connection says, whatever the order of batches."""
    connection = DuckDB(path=str(tmp_path / "big.duckdb"), memory_mb=128)
    rows: list[Row] = [(n, "x" * 40, None) for n in range(10_000)]
    with connection.open() as session:
        for _ in range(2):
            load = load_of(session, PEOPLE)
            session.prepare(load)
            one = batch(load.table, rows)
            assert session.stage(load, iter([one] * 300), 0) == 3_000_000
            session.publish([load])
            session.discard(load)
        reading = session.digest(found(session, "people"), WHOLE)
    assert reading is not None
    assert reading.rows == 3_000_000


def test_rows_of_many_columns_are_read_fewer_at_a_time(file, sql):
    sql(f"CREATE TABLE wide AS SELECT {', '.join(f'i AS c{n}' for n in range(200))} FROM range(20000) AS made(i)")
    sql("CREATE TABLE narrow AS SELECT i FROM range(100000) AS made(i)")
    with DuckDB(path=file).open() as session:
        for name, rows, most in (("wide", 20_000, 4_096), ("narrow", 100_000, 8_192)):
            sizes = [batch.num_rows for batch in session.read(found(session, name), WHOLE)]
            assert sum(sizes) == rows
            assert max(sizes) <= most


def test_rows_of_long_texts_are_handed_over_fewer_at_a_time(file, sql):
    sql("CREATE TABLE long AS SELECT i, repeat(chr((97 + i % 26)::INT), 5000) AS t FROM range(6000) AS made(i)")
    for memory_mb, most in ((160, 8 << 20), (64, 1 << 20)):
        with DuckDB(path=file, memory_mb=memory_mb).open() as session:
            batches = list(session.read(found(session, "long"), WHOLE))
            assert max(batch.nbytes for batch in batches) <= most
            rows = {n: text for batch in batches for n, text in zip(*batch.to_pydict().values(), strict=True)}
            assert rows == {n: chr(97 + n % 26) * 5000 for n in range(6000)}


def test_addresses():
    assert DuckDB.from_url("duckdb:///a%20b.duckdb?schema=sales").schema_name == "sales"
    for url in ("duckdb://", "duckdb://host/a"):
        with pytest.raises(SpecError, match="names no file"):
            DuckDB.from_url(url)


@pytest.mark.parametrize("name", ["sales.duckdb", "Sales.2026.duckdb", "main.duckdb"])
@pytest.mark.parametrize("schema", ["sales", "main"])
def test_a_schema_may_be_called_as_the_file_is(tmp_path, name, schema):
    """DuckDB itself takes the one for the other."""
    path = tmp_path / name
    for mode in ("replace", "replace", "merge"):
        words = {"from": f"sqlite:///{legacy(tmp_path)}", "to": f"duckdb:///{path}", "into": schema, "mode": mode}
        bill = actions.copy(Move.model_validate(words))
        assert bill.state == "proved", bill.tables
        assert bill.tables[0].into in (f"{schema}.t", "t" if schema == "main" else "")
    back = actions.copy(Move.model_validate({"from": f"duckdb:///{path}", "to": f"sqlite:///{tmp_path}/back.db"}))
    assert back.state == "proved"


def legacy(folder) -> str:
    with contextlib.closing(sqlite3.connect(folder / "legacy.db")) as db:
        db.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a TEXT)")
        db.execute("INSERT OR IGNORE INTO t VALUES (1, 'x')")
        db.commit()
    return f"{folder}/legacy.db"


@pytest.mark.parametrize("what", ["could not allocate block of size 95.3 MiB", "failed to pin block of size 256.0 KiB"])
def test_too_little_memory_to_commit_is_told_as_that(what):
    found = error_of("x.duckdb", duckdb.TransactionException(f"TransactionContext Error: Failed to commit: {what}"))
    assert "'memory_mb' of the connection" in found.fix
    assert "Another session" in error_of("x.duckdb", duckdb.TransactionException("Conflict on update!")).fix
