"""The SQLite connector."""

import os
import re
import sqlite3
import subprocess
import sys
import time
from typing import ClassVar

import pytest

import lading
from lading.canon import Compared
from lading.connector import WHOLE, Connection
from lading.connectors.sqlite import SQLite
from lading.connectors.sqlite.faults import error_of
from lading.errors import AccessDenied, DataError, SpecError, Unreachable
from lading.find import from_url
from lading.schema import Mode
from lading.testing.contract import Contract, Unlisted, Waiver
from lading.testing.steps import PEOPLE, ROWS, content, expected, found, load_of, put, staged, table

NO_NAN = Waiver("never", "SQLite stores NULL for NaN; it is refused, not changed")


class TestSQLite(Contract):
    name_bytes: ClassVar[int | None] = 10_000
    waivers: ClassVar[dict[str, Waiver]] = {"float32-nan": NO_NAN, "float64-nan": NO_NAN}

    @pytest.fixture
    def connection(self, tmp_path) -> Connection:
        return SQLite(path=str(tmp_path / "a.db"), busy_seconds=1)

    @pytest.fixture
    def nowhere(self, tmp_path) -> Connection:
        return SQLite(path=str(tmp_path / "absent" / "a.db"))

    @pytest.fixture
    def unlisted(self, connection) -> Unlisted:
        with sqlite3.connect(connection.path) as db:
            db.execute("CREATE TABLE odd (id INTEGER PRIMARY KEY, place GEOGRAPHY)")
        db.close()
        return Unlisted("odd", "place", "geography")


@pytest.fixture
def file(tmp_path):
    return str(tmp_path / "it's 100% a?b#c.db")


@pytest.fixture
def sql(file):
    db = sqlite3.connect(file, isolation_level=None)
    yield db.execute
    db.close()


@pytest.fixture
def session(file):
    with SQLite(path=file, busy_seconds=1).open() as opened:
        yield opened


def refused(session, name):
    with pytest.raises(DataError) as caught:
        list(session.read(found(session, name), WHOLE))
    return str(caught.value)


def test_an_absent_file_is_no_source_and_is_not_made(file, session):
    for look in (lambda: list(session.tables()), session.pin, lambda: list(session.read(PEOPLE, WHOLE))):
        with pytest.raises(SpecError, match="is not there"):
            look()
    session.check()
    assert session.describe("people") is None
    assert not os.path.exists(file)


def test_an_absent_file_is_made_when_it_is_written(file, session):
    put(session, PEOPLE, ROWS)
    assert os.path.exists(file)
    assert [there.name for there in session.tables()] == ["people"]


def test_a_file_that_appears_later_is_seen(session, sql):
    sql("CREATE TABLE t (a INTEGER)")
    assert [there.name for there in session.tables()] == ["t"]


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("INTEGER", "'x'"), ("INTEGER", "1.5"), ("TEXT", "x'00'"), ("BLOB", "'x'"), ("BLOB", "7"), ("REAL", "'x'"),
        ("BOOLEAN", "2"), ("BOOLEAN", "'yes'"), ("DATE", "'soon'"), ("DATE", "20240101"), ("DATETIME", "'2024-13-01'"),
        ("DECIMAL(10,2)", "'1.239'"), ("DECIMAL(10,2)", "1e300"), ("DECIMAL(10,2)", "0.1 + 0.2"),
        ("VARCHAR(10)", "CAST(x'ff' AS TEXT)"), ("TIME", "'25:00:00'"), ("UUID_TEXT", "'x'"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_as_declared_is_named(session, sql, declared, value):
    sql(f"CREATE TABLE orders (id INTEGER PRIMARY KEY, v {declared})")
    sql(f"INSERT INTO orders VALUES (1, NULL), (2, {value})")
    text = refused(session, "orders")
    for word in ("'v'", "orders", declared):
        assert word in text


def test_the_value_itself_is_in_the_message(session, sql):
    sql("CREATE TABLE orders (v INTEGER)")
    sql("INSERT INTO orders VALUES (1), ('twelve')")
    assert "twelve" in refused(session, "orders")


@pytest.mark.parametrize(
    ("declared", "value", "shown"),
    [
        ("NUMERIC", "12345678901234567890", r"1\.2345678901234567e\+19"),
        ("NUMERIC", "x'00'", "X'00'"),
        ("DECIMAL(10,2)", "0.1234567890123456789", r"0\.1234567890123456\d*"),
    ],
)
@pytest.mark.parametrize("target", ["duckdb", "sqlite"])
def test_it_is_the_number_that_does_not_fit(file, sql, tmp_path, declared, value, shown, target):
    sql(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})")
    sql(f"INSERT INTO t VALUES (1, 1.5), (2, {value})")
    with pytest.raises(
        DataError, match=rf"^'t': Column 'v' of 't' is declared {re.escape(declared)} and holds {shown}\."
    ):
        lading.copy(SQLite(path=file).address(), f"{target}:///{tmp_path}/out.db", quiet=True)


def test_it_is_in_the_message_where_rows_are_hashed_too(session, sql):
    sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, w TEXT, n INTEGER)")
    sql("INSERT INTO orders VALUES (1, x'00', 1), (2, 'a', 2.5)")
    table = found(session, "orders")
    columns = [Compared(name=column.name, type=column.type) for column in table.columns if column.name != "w"]
    with pytest.raises(DataError, match=r"^Column 'n' of 'orders' is declared INTEGER and holds 2\.5\. Correct"):
        session.fingerprints(table, columns, ("id",), 4)


def test_a_column_without_a_type_is_a_problem(session, sql):
    sql("CREATE TABLE loose (a, b INTEGER)")
    (problem,) = session.describe("loose").problems
    assert "'a'" in problem
    assert "(none)" in problem


def test_integers_and_doubles_in_numeric_columns_are_read_exactly(session, sql):
    sql("CREATE TABLE prices (p NUMERIC(10,2), r REAL)")
    sql("INSERT INTO prices VALUES (1, 2), (0.99, 0.5), ('12.50', -1), (-3, 0)")
    assert content(session, found(session, "prices")) == [
        ("-3.00", "0"), ("0.99", "0.5"), ("1.00", "2"), ("12.50", "-1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("definition", "key"),
    [
        ("(a INTEGER PRIMARY KEY, b TEXT)", ("a",)),
        ("(a TEXT PRIMARY KEY, b TEXT) WITHOUT ROWID", ("a",)),
        ("(a INTEGER, b TEXT, PRIMARY KEY (b, a))", ("b", "a")),
        ("(a INTEGER, b TEXT)", ()),
        ("(a INTEGER NOT NULL, b TEXT, UNIQUE (a))", ("a",)),
        ("(a INTEGER, b TEXT UNIQUE)", ()),
    ],
)
def test_keys(session, sql, definition, key):
    sql(f"CREATE TABLE t {definition}")
    sql("INSERT INTO t VALUES (1, 'x'), (2, 'y')")
    there = found(session, "t")
    assert there.key == key
    assert not any(column.null for column in there.keyed)


@pytest.mark.parametrize(
    ("definition", "filled"),
    [
        ("(a INTEGER PRIMARY KEY, b TEXT NOT NULL DEFAULT 'x', c TEXT DEFAULT NULL, d INT AS (a + 1) STORED)", "abd"),
        ("(a TEXT PRIMARY KEY NOT NULL, b INT)", ""),
        ("(a INTEGER, b INTEGER, PRIMARY KEY (a, b))", ""),
    ],
)
def test_columns_that_sqlite_fills(session, sql, definition, filled):
    sql(f"CREATE TABLE t {definition}")
    assert [column.name for column in found(session, "t").columns if column.filled] == list(filled)


def test_a_primary_key_with_nulls_is_no_key(session, sql):
    sql("CREATE TABLE t (a TEXT PRIMARY KEY, b TEXT)")
    sql("INSERT INTO t VALUES (NULL, '1'), (NULL, '2'), ('x', '3')")
    there = found(session, "t")
    assert there.key == ()
    assert len(content(session, there)) == 3


def test_a_null_in_an_integer_key_is_refused_and_not_numbered(session):
    load = load_of(session, PEOPLE)
    session.prepare(load)
    with pytest.raises(DataError, match="'id'"):
        staged(session, load, [(None, "x", None)])


def test_a_text_in_a_key_of_numbers_is_named(file, sql, tmp_path):
    """Slices are cut between whole numbers, which it is none of."""
    sql("CREATE TABLE t (k INT PRIMARY KEY NOT NULL, v TEXT)")
    sql("INSERT INTO t VALUES (1, 'a'), (2, 'b'), ('abc', 'c')")
    with pytest.raises(DataError, match="'k' of 't' is declared INT and holds 'abc'"):
        lading.copy(SQLite(path=file).address(), f"sqlite:///{tmp_path}/out.db", slice_rows=1, quiet=True)


def test_generated_columns_are_read_and_shadow_tables_are_not(session, sql):
    sql("CREATE TABLE g (a INTEGER PRIMARY KEY, b INT, c INT GENERATED ALWAYS AS (b * 2) STORED)")
    sql("INSERT INTO g (a, b) VALUES (1, 21)")
    sql("CREATE VIRTUAL TABLE words USING fts5(body)")
    assert content(session, found(session, "g")) == [("1", "21", "42")]
    assert {there.name for there in session.tables()} == {"g", "words"}


def test_what_hangs_on_a_table_survives_replace(session, sql):
    sql("CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(40), paid TEXT_DECIMAL(18,2))")
    sql("CREATE TABLE child (id INTEGER REFERENCES people (id) ON DELETE CASCADE)")
    sql("CREATE INDEX by_name ON people (name)")
    sql("CREATE VIEW names AS SELECT name FROM people")
    sql("CREATE TABLE seen (n)")
    sql("CREATE TRIGGER noted AFTER INSERT ON people BEGIN INSERT INTO seen VALUES (new.id); END")
    sql("INSERT INTO people VALUES (1, 'old', NULL)")
    sql("INSERT INTO child VALUES (1)")
    put(session, PEOPLE, ROWS)
    assert sql("SELECT count(*) FROM names").fetchone() == (len(ROWS),)
    assert sql("SELECT count(*) FROM child").fetchone() == (1,)
    assert "by_name" in sql("EXPLAIN QUERY PLAN SELECT id FROM people WHERE name = 'Ada'").fetchone()[3]
    before = sql("SELECT count(*) FROM seen").fetchone()[0]
    sql("INSERT INTO people VALUES (77, 'new', NULL)")
    assert sql("SELECT count(*) FROM seen").fetchone() == (before + 1,)


@pytest.mark.parametrize("key", [("id",), ()], ids=["key", "no key"])
def test_a_view_of_a_table_that_is_not_there_is_not_in_the_way(session, sql, key):
    sql("CREATE VIEW names AS SELECT name FROM people")
    put(session, PEOPLE.model_copy(update={"key": key}), ROWS)
    assert sql("SELECT count(*) FROM names").fetchone() == (len(ROWS),)
    assert found(session, "people").key == key
    assert found(session, "people").column("lading_slice") is None
    assert sql("SELECT name FROM sqlite_master WHERE name LIKE 'lading%'").fetchall() == []


HOLD = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
db.execute("COMMIT")
"""


@pytest.mark.parametrize("seconds", [0.4, 5.0], ids=["long enough", "too long"])
def test_a_reader_waits_for_a_writer(file, session, seconds):
    """The writer is another process: the locks of two SQLite libraries in one process do not see each other."""
    put(session, PEOPLE, ROWS)
    there = found(session, "people")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, file, str(seconds)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "held\n"
        if seconds < 1:
            assert content(session, there) == expected(there, ROWS)
        else:
            with pytest.raises(Unreachable, match="locked") as caught:
                content(session, there)
            assert file in str(caught.value)
            writer.kill()
    assert content(session, there) == expected(there, ROWS)


def test_a_merge_into_a_table_of_others_keeps_their_columns(session, sql):
    sql("CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(40), paid TEXT_DECIMAL(18,2), note TEXT)")
    sql("INSERT INTO people VALUES (1, 'old', NULL, 'keep me')")
    put(session, PEOPLE, ROWS, Mode.MERGE)
    assert sql("SELECT name, note FROM people WHERE id = 1").fetchone() == ("Ada", "keep me")


def test_text_with_a_zero_is_whole(session):
    texts = table("texts", id="int(64)!", v="string")
    there = found(session, put(session, texts, [(1, "a\0b"), (2, "\0")]).table.full_name)
    assert content(session, there) == [("1", "a\0b"), ("2", "\0")]


def test_addresses():
    assert SQLite.from_url("sqlite:///a%20b.db?busy_seconds=3") == SQLite(path="a b.db", busy_seconds=3)
    assert SQLite.from_url("sqlite:////abs/a.db").path == "/abs/a.db"
    assert from_url("sqlite+pysqlite:///a.db") == SQLite(path="a.db")
    for url in ("sqlite://", "sqlite://host/a.db"):
        with pytest.raises(SpecError, match="names no file"):
            SQLite.from_url(url)


def test_nan_is_refused_and_infinity_is_kept(session):
    floats = table("floats", id="int(64)!", v="float(64)")
    with pytest.raises(DataError, match="'v' has NaN"):
        put(session, floats, [(1, float("nan"))])
    there = found(
        session, put(session, floats.model_copy(update={"name": "more"}), [(1, float("inf"))]).table.full_name
    )
    assert content(session, there) == [("1", "inf")]


@pytest.mark.parametrize(("type_", "far"), [("date", -719_529), ("timestamp(6)", 2_932_897 * 86_400 * 10**6)])
def test_years_that_sqlite_knows_no_dates_of_are_refused(session, type_, far):
    days = table("days", id="int(64)!", v=type_)
    with pytest.raises(
        DataError, match=r"'v' has '(-0001-12-31|10000-01-01 .*)', which is outside of the years 0 to 9999"
    ):
        put(session, days, [(1, far)])


@pytest.mark.parametrize("name", ["same.db", "./same.db", "link.db", "hard.db", "folder/../same.db"])
def test_a_file_is_not_copied_into_itself(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("same.db") as db:
        db.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2);")
    db.close()
    os.symlink("same.db", "link.db")
    os.link("same.db", "hard.db")
    os.mkdir("folder")
    began = time.monotonic()
    for call in (lading.plan, lading.copy):
        with pytest.raises(SpecError, match="are one file, which cannot be written while it is read") as raised:
            call(str(tmp_path / "same.db"), name, into={"t": "u"})
        assert raised.value.fix == "Copy into another file, or make the table with a step 'sql'."
    assert time.monotonic() - began < 20


def test_a_file_with_a_write_ahead_log_is(tmp_path):
    path = str(tmp_path / "same.db")
    with sqlite3.connect(path) as db:
        db.executescript(
            "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);"
        )
    db.close()
    assert lading.copy(path, path, tables="t", into={"t": "u"}, quiet=True).state == "proved"


def test_files_that_are_two_or_not_there_do_not_lock_each_other(tmp_path):
    one, other = (SQLite(path=str(tmp_path / name)) for name in ("a.db", "b.db"))
    assert not one.locks(one)
    for each in (one, other):
        sqlite3.connect(each.path).execute("CREATE TABLE t (id INTEGER)").connection.close()
    assert one.locks(one)
    assert not one.locks(other)


def test_a_batch_is_as_small_as_is_asked_for(file, sql):
    sql("CREATE TABLE wide (id INTEGER PRIMARY KEY, note TEXT)")
    sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
        "INSERT INTO wide SELECT i, printf('%02000d', i) FROM n")  # fmt: skip
    for batch_mb, most in ((1, 576), (16, 1024)):
        with SQLite(path=file, batch_mb=batch_mb).open() as session:
            sizes = [batch.num_rows for batch in session.read(found(session, "wide"), WHOLE)]
        assert (sum(sizes), max(sizes)) == (5000, most)


@pytest.mark.parametrize("declared", ["DATE", "DATETIME"])
def test_a_number_where_a_text_is_expected_is_in_the_message(session, sql, declared):
    sql(f"CREATE TABLE orders (v {declared})")
    sql("INSERT INTO orders VALUES ('2024-01-01'), (20240101)")
    assert "holds 20240101." in refused(session, "orders")


def test_a_folder_that_may_not_be_written_to_is_told_as_that(monkeypatch):
    said = Exception("[SQLite] failed to open 'file:ro/t.db?mode=rwc': failed to allocate memory")
    monkeypatch.setattr(os, "access", lambda _path, _way: True)
    assert isinstance(error_of("ro/t.db", said), Unreachable)
    monkeypatch.setattr(os, "access", lambda path, _way: path != "ro")
    found = error_of("ro/t.db", said)
    assert isinstance(found, AccessDenied)
    assert found.what == "SQLite file 'ro/t.db': it may not be written."


def test_a_file_that_may_not_be_read_is_told_as_that(file, sql, monkeypatch):
    sql("CREATE TABLE t (id INTEGER)")
    monkeypatch.setattr(os, "access", lambda path, _way: path != file)
    found = error_of(file, Exception(f"[SQLite] failed to open 'file:{file}?mode=ro': unable to open database file"))
    assert isinstance(found, AccessDenied)
    assert found.what == f"SQLite file '{file}': it may not be read."


@pytest.mark.parametrize(("mode", "rows"), [("merge", [(2, "b"), (1, "b")]), ("append", [(2, "b")])])
@pytest.mark.parametrize("clause", ["REPLACE", "IGNORE"])
def test_rows_of_other_keys_do_not_give_way(sql, session, clause, mode, rows):
    """Whatever the table says of conflicts: a row in the way would be deleted, or the new one not be written."""
    sql(f"CREATE TABLE t (id INTEGER PRIMARY KEY, mail TEXT UNIQUE ON CONFLICT {clause})")
    sql("INSERT INTO t VALUES (1, 'a'), (50, 'b')")
    for row in rows:
        load = load_of(session, found(session, "t"), Mode(mode))
        session.prepare(load)
        staged(session, load, [row])
        with pytest.raises(DataError, match=r"UNIQUE constraint failed: t\.mail"):
            session.publish([load])
        session.discard(load)
        assert sql("SELECT * FROM t ORDER BY id").fetchall() == [(1, "a"), (50, "b")]


@pytest.mark.parametrize("mode", ["replace", "merge"])
@pytest.mark.parametrize("then", ["UPDATE people SET name = 'other' WHERE id = new.id", "DELETE FROM people"])
def test_triggers_that_change_rows_leave_the_old_ones(sql, session, then, mode):
    sql("CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(40), paid TEXT_DECIMAL(18,2))")
    sql("INSERT INTO people VALUES (3, 'old', NULL), (77, 'old', NULL)")
    sql(f"CREATE TRIGGER changing AFTER INSERT ON people BEGIN {then}; END")
    load = load_of(session, PEOPLE, Mode(mode))
    session.prepare(load)
    staged(session, load, ROWS)
    with pytest.raises(DataError, match="Triggers of 'people' change the rows that are written"):
        session.publish([load])
    assert sql("SELECT id, name FROM people").fetchall() == [(3, "old"), (77, "old")]
    sql("DROP TRIGGER changing")
    session.publish([load])
    assert sql("SELECT count(*) FROM people").fetchone() == (len(ROWS) + (mode == "merge"),)
