"""The hop check on real servers: each cut is made to happen, and the finding must say what the server then does."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql
import pytest

from lading import actions
from lading.connector import Load
from lading.connectors.mysql import MySQL
from lading.connectors.postgres import Postgres
from lading.errors import SpecError
from lading.hops.extremes import greatest
from lading.plan import Task
from lading.route import Finding
from lading.schema import Column, Mode
from lading.spec import Move
from lading.types import parse
from tests.journeys import looks
from tests.journeys.shell import lading

LONG = "a" * 1_000 + "é" * 1_000 + "日" * 1_000 + "😀" * 1_000
"""4,000 characters of one, two, three and four bytes."""


class Place:
    """A database with the tables 'items' and 'sink', statements in it, and the plan from one to the other."""

    def __init__(self, url: str) -> None:
        self.url, parts = url, urlsplit(url)
        self.maria = parts.scheme == "mysql"
        words: dict[str, Any] = {"host": parts.hostname, "port": parts.port, "user": parts.username}
        words["password"] = unquote(parts.password or "")
        self.words = {**words, "database": parts.path[1:], "ssl_disabled": True}

    def run(self, *statements: str, values: tuple[Any, ...] = (), mode: str | None = None) -> list[tuple[Any, ...]]:
        """Each on its own in one session; the rows of the last. `mode` is a sql_mode."""
        with self._open(mode) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement, values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def filled(self) -> Place:
        """The same with both tables, of an 'id' and a wide 'd'."""
        self.run(*(f"CREATE TABLE {name} (id int PRIMARY KEY, d varchar(4000))" for name in ("items", "sink")))
        return self

    def _open(self, mode: str | None) -> Any:
        if self.maria:
            start = None if mode is None else f"SET sql_mode = '{mode}'"
            return pymysql.connect(**self.words, autocommit=True, init_command=start)
        return psycopg.connect(self.url, autocommit=True)

    def error(self, *statements: str, values: tuple[Any, ...] = ()) -> str:
        """The code of the error that the statements raise."""
        with pytest.raises((psycopg.Error, pymysql.Error)) as raised:
            self.run(*statements, values=values)
        return str(raised.value.sqlstate if isinstance(raised.value, psycopg.Error) else raised.value.args[0])

    def task(self, canary: bool = False, **words: Any) -> Task:
        given = {"from": self.url, "to": self.url, "tables": "items", "into": {"items": "sink"}, **words}
        (task,) = actions.plan_move(Move.model_validate(given), canary=canary).tasks
        return task

    def found(self, column: str, **words: Any) -> list[tuple[str, str, str]]:
        """Level, kind and the place's name of what a plan says of a column."""
        return [(each.level, each.kind, each.at.name if each.at else "") for each in self.told(column, **words)]

    def told(self, column: str, **words: Any) -> list[Finding]:
        return [each for each in self.task(**words).findings if each.column == column and each.level != "unknown"]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADING_STORE", f"sqlite:///{tmp_path / 'store.db'}")


@pytest.fixture
def pg(kept: None, place: Callable[[str], str]) -> Place:
    made = Place(place("postgres"))
    columns = "id integer PRIMARY KEY, d varchar(4000), n numeric(18,4), t timestamp, z timestamptz"
    made.run(f"CREATE TABLE items ({columns})", f"CREATE TABLE sink ({columns})")
    return made


@pytest.fixture
def maria(kept: None, place: Callable[[str], str]) -> Place:
    made = Place(place("mysql"))
    columns = "id int PRIMARY KEY, d varchar(4000), n decimal(18,4), t datetime(6)"
    made.run(f"CREATE TABLE items ({columns}) CHARACTER SET utf8mb4", "CREATE TABLE sink LIKE items")
    return made


# PostgreSQL: what it cuts without a word, and what it refuses


def declared(body: str, type_: str = "text", returns: str = "text") -> str:
    return f"CREATE FUNCTION save(p_d {type_}) RETURNS {returns} LANGUAGE plpgsql AS $$ {body} $$"


def test_a_declared_length_of_a_parameter_cuts_nothing(pg: Place) -> None:
    pg.run(declared("BEGIN RETURN p_d; END", "varchar(10)", "varchar(10)"))
    assert pg.run("SELECT save(%s)", values=(LONG,)) == [(LONG,)]
    assert pg.found("d", through="save") == []


@pytest.mark.parametrize(
    ("body", "stored", "cutting"),
    [
        ("BEGIN RETURN p_d::varchar(10); END", LONG[:10], "CAST(p_d AS VARCHAR(10))"),
        ("BEGIN RETURN left(p_d, 20); END", LONG[:20], "LEFT(p_d, 20)"),
        ("BEGIN RETURN substring(p_d from 1 for 7); END", LONG[:7], "SUBSTRING(p_d FROM 1 FOR 7)"),
        ("DECLARE v name; BEGIN v := p_d; RETURN v; END", LONG[:63], "v"),
        ("BEGIN RETURN CAST(p_d AS char(5)); END", LONG[:5], "CAST(p_d AS CHAR(5))"),
        (
            "DECLARE v text := upper(p_d)::varchar(9); BEGIN RETURN v; END",
            "A" * 9,
            "CAST(UPPER(p_d) AS VARCHAR(9))",
        ),
    ],
)
def test_postgres_cuts_without_a_word(pg: Place, body: str, stored: str, cutting: str) -> None:
    pg.run(declared(body))
    assert pg.run("SELECT save(%s)", values=(LONG,)) == [(stored,)]
    assert pg.found("d", through="public.save") == [("blocks", "cuts", cutting)]


def test_a_parameter_of_the_type_name_cuts(pg: Place) -> None:
    pg.run(declared("BEGIN RETURN p_d; END", "name"))
    assert pg.run("SELECT length(save(%s))", values=("a" * 99,)) == [(63,)]
    assert pg.found("d", through="save") == [("blocks", "cuts", "p_d")]


def test_a_variable_refuses_and_cuts_only_blanks(pg: Place) -> None:
    pg.run(declared("DECLARE v varchar(10); BEGIN v := p_d; RETURN v || '|'; END"))
    assert pg.error("SELECT save(%s)", values=(LONG,)) == "22001"
    assert pg.run("SELECT save(%s)", values=("a" + " " * 50,)) == [("a" + " " * 9 + "|",)]
    (found,) = pg.told("d", through="save")
    assert (found.level, found.at and found.at.name) == ("warns", "v")
    assert "22001" in found.how
    assert "blanks at the end" in found.how
    assert pg.task(through="save").problem == ""


def test_a_domain_keeps_its_length_where_a_parameter_does_not(pg: Place) -> None:
    pg.run("CREATE DOMAIN short AS varchar(10)", declared("BEGIN RETURN p_d; END", "short"))
    assert pg.error("SELECT save(%s::text)", values=(LONG,)) == "22001"
    assert pg.found("d", through="save") == [("warns", "cuts", "p_d")]


def test_numbers_are_rounded_without_a_word_and_refused_when_too_great(pg: Place) -> None:
    body = "DECLARE v numeric(6,1) := p_n; BEGIN RETURN v; END"
    pg.run(f"CREATE FUNCTION save(p_n numeric(3,0)) RETURNS numeric LANGUAGE plpgsql AS $$ {body} $$")
    assert [str(value) for (value,) in pg.run("SELECT save(1234.56)")] == ["1234.6"]
    assert pg.error("SELECT save(123456.7)") == "22003"
    assert pg.found("n", through="save") == [("blocks", "rounds", "v"), ("warns", "narrows", "v")]


def test_numbers_without_a_limit_are_rounded_too(pg: Place) -> None:
    pg.run("ALTER TABLE items ALTER n TYPE numeric", "ALTER TABLE sink ALTER n TYPE numeric")
    body = "DECLARE v numeric(6,1) := p_n; BEGIN RETURN v; END"
    pg.run(f"CREATE FUNCTION save(p_n numeric) RETURNS numeric LANGUAGE plpgsql AS $$ {body} $$")
    assert [str(value) for (value,) in pg.run("SELECT save(1234.56)")] == ["1234.6"]
    assert pg.found("n", through="save") == [("blocks", "rounds", "v"), ("warns", "narrows", "v")]


def test_moments_are_rounded_without_a_word(pg: Place) -> None:
    body = "DECLARE v timestamp(0) := p_t; BEGIN RETURN v; END"
    pg.run(f"CREATE FUNCTION save(p_t timestamp(0)) RETURNS text LANGUAGE plpgsql AS $$ {body} $$")
    assert pg.run("SELECT save('2026-01-01 00:00:00.6')") == [("2026-01-01 00:00:01",)]
    assert pg.found("t", through="save") == [("blocks", "rounds", "v")]


def test_a_strict_function_loses_rows_with_null(pg: Place) -> None:
    body = "INSERT INTO sink (id, d) VALUES (p_id, p_d)"
    pg.run(f"CREATE FUNCTION save(p_id int, p_d text) RETURNS void STRICT LANGUAGE sql AS $$ {body} $$")
    pg.run("SELECT save(1, NULL)")
    assert pg.run("SELECT count(*) FROM sink") == [(0,)]
    (found,) = pg.told("d", through="save")
    assert (found.level, found.kind) == ("blocks", "null")
    assert "the row is lost" in found.how


def test_a_procedure_is_followed_into_a_table_between(pg: Place) -> None:
    pg.run(
        "CREATE TABLE halfway (id int, d varchar(300))",
        """CREATE PROCEDURE save(p_id int, p_d text) LANGUAGE plpgsql AS $$
        DECLARE v halfway.d%TYPE; BEGIN
          IF p_d IS NULL THEN RETURN; END IF;
          INSERT INTO halfway (id, d) VALUES (p_id, left(p_d, 300));
          INSERT INTO sink (id, d) SELECT h.id, h.d::varchar(120) FROM halfway h WHERE h.id = p_id;
        END $$""",
    )
    pg.run("CALL save(1, %s)", values=(LONG,))
    assert pg.run("SELECT length(d) FROM sink") == [(120,)]
    assert pg.found("d", through="save") == [
        ("blocks", "cuts", "LEFT(p_d, 300)"), ("blocks", "cuts", "CAST(h.d AS VARCHAR(120))"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        "UPDATE sink SET d = left(p_d, 3) WHERE id = 1",
        "INSERT INTO sink (id, d) VALUES (1, p_d) ON CONFLICT (id) DO UPDATE SET d = left(excluded.d, 3)",
        "UPDATE sink SET d = p_d RETURNING left(d, 3) INTO v; UPDATE sink SET d = v",
    ],
)
def test_every_way_to_fill_a_table_is_followed(pg: Place, body: str) -> None:
    pg.run(declared(f"DECLARE v text; BEGIN {body}; RETURN NULL; END"), "INSERT INTO sink (id) VALUES (1)")
    pg.run("SELECT save('aaaaaa')")
    assert pg.run("SELECT d FROM sink") == [("aaa",)]
    assert ("blocks", "cuts") in [each[:2] for each in pg.found("d", through="save")]


def test_views_on_views_are_followed(pg: Place) -> None:
    pg.run(
        "CREATE VIEW narrow AS SELECT id, d::varchar(100) AS d, n, t, z FROM items",
        "CREATE VIEW shown AS SELECT id, d, round(n, 2)::numeric(18,4) AS n, t::timestamp(0) AS t, z::timestamp AS z "
        "FROM narrow",
    )
    pg.run("INSERT INTO items VALUES (1, %s, 1.2345, '2026-01-01 00:00:00.6', now())", values=(LONG,))
    ((d, n, t),) = pg.run("SELECT length(d), n, t FROM shown")
    assert (d, str(n), t.second) == (100, "1.2300", 1)
    words = {"tables": "shown", "into": {"shown": "sink"}}
    assert pg.found("d", **words) == [("blocks", "cuts", "CAST((items.d) AS VARCHAR(100))")]
    assert [each[:2] for each in pg.found("n", **words)] == [("blocks", "rounds")]
    assert [each[:2] for each in pg.found("t", **words)] == [("blocks", "rounds")]
    assert ("blocks", "zone") in [each[:2] for each in pg.found("z", **words)]
    assert pg.found("id", **words) == []


LISTED = "VIEW shown AS SELECT b.id, b.n, b.t, b.z, "


@pytest.mark.parametrize(
    ("view", "stored", "found"),
    [
        ("x.d FROM items b JOIN LATERAL (VALUES (b.d::varchar(3)::text)) x(d) ON true", "aaa", ("blocks", "cuts")),
        ("x.d FROM items b JOIN LATERAL (SELECT left(b.d, 3)) x(d) ON true JOIN items c USING (id)", "aaa",
         ("blocks", "cuts")),
        ("x.d FROM items b, unnest(ARRAY[b.d::varchar(3)]) x(d)", "aaa", ("blocks", "cuts")),
        ("j.d FROM items b, jsonb_to_record(jsonb_build_object('d', left(b.d, 3))) j(d text)", "aaa",
         ("unknown", "unknown")),
        ("f.d FROM items b JOIN short() f ON f.id = b.id", "aaa", ("unknown", "unknown")),
        ("f.d FROM items b, ROWS FROM (short(), unnest(ARRAY[1])) f(id, d, u)", "aaa", ("unknown", "unknown")),
        ("(SELECT f.d FROM short() f WHERE f.id = b.id) AS d FROM items b", "aaa", ("unknown", "unknown")),
        ("(SELECT (short()).d LIMIT 1) AS d FROM items b", "aaa", ("unknown", "unknown")),
        ("replace(b.d, 'a', '') AS d FROM items b", "", ("unknown", "unknown")),
        ("ltrim(b.d, 'a') AS d FROM items b", "", ("unknown", "unknown")),
        ("trim(both 'a' from b.d) AS d FROM items b", "", ("unknown", "unknown")),
        ("least(b.d, 'aaa') AS d FROM items b", "aaa", ("unknown", "unknown")),
    ],
)  # fmt: skip
def test_nothing_that_a_view_reads_is_taken_for_fine(
    pg: Place, view: str, stored: str, found: tuple[str, str]
) -> None:  # fmt: skip
    """Each gives less than there is, without an error."""
    pg.run(
        "CREATE FUNCTION short() RETURNS TABLE (id int, d text) LANGUAGE sql AS $$ SELECT id, left(d, 3) FROM items $$",
        f"CREATE {LISTED}{view}",
    )
    pg.run("INSERT INTO items (id, d) VALUES (1, 'aaaaaa')")
    assert pg.run("SELECT d FROM shown") == [(stored,)]
    findings = pg.task(tables="shown", into={"shown": "sink"}).findings
    assert found in [(each.level, each.kind) for each in findings if each.column == "d"]


def test_rows_that_become_json_and_columns_again_have_the_declared_types(pg: Place) -> None:
    made = (
        "SELECT b.id, j.d, j.n, b.t, b.z FROM items b, json_to_record(to_json(b)) AS j(d varchar(3), n numeric(10,1))"
    )
    pg.run(f"CREATE VIEW shown AS {made}", "INSERT INTO items (id, n) VALUES (1, 1.2345)")
    assert pg.run("SELECT n::text FROM shown") == [("1.2",)]
    words = {"tables": "shown", "into": {"shown": "sink"}}
    assert [each[:2] for each in pg.found("n", **words)] == [("blocks", "rounds"), ("warns", "narrows")]
    assert [(each.level, "22001" in each.how) for each in pg.told("d", **words)] == [("warns", True)]
    pg.run("UPDATE items SET d = 'long'")
    assert pg.error("SELECT d FROM shown") == "22001"


@pytest.mark.parametrize(
    "view",
    [
        "b.d FROM ((items b JOIN items c ON c.id = b.id) CROSS JOIN LATERAL (SELECT c.id) x(y))",
        "coalesce(trim(b.d), '') AS d FROM items b",
        "trim(both ' ' from b.d) AS d FROM items b",
        "replace(b.d, chr(10), ' ') AS d FROM items b",
        "CASE WHEN b.n > 0 THEN upper(b.d) ELSE nullif(b.d, '') END AS d FROM items b",
        "(SELECT max(c.d) FROM items c WHERE c.id = b.id) AS d FROM items b",
        "v.e AS d FROM items b JOIN (SELECT id, d FROM items UNION ALL SELECT -1, 'x') v(k, e) ON v.k = b.id",
        "c.e AS d FROM items b JOIN items AS c(k, e) ON c.k = b.id",
    ],
)
def test_what_keeps_a_value_whole_is_no_finding(pg: Place, view: str) -> None:
    pg.run(f"CREATE {LISTED}{view}")
    findings = pg.task(tables="shown", into={"shown": "sink"}).findings
    assert [each.what for each in findings if each.column == "d"] == []


CUT = """CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.d := left(NEW.d, 30); RETURN NEW; END $$"""


def test_a_trigger_cuts(pg: Place) -> None:
    pg.run(
        CUT,
        "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON sink FOR EACH ROW EXECUTE FUNCTION cut()",
    )
    pg.run("INSERT INTO sink (id, d) VALUES (1, %s)", values=(LONG,))
    assert pg.run("SELECT length(d) FROM sink") == [(30,)]
    (found,) = pg.told("d")
    assert (found.level, found.kind, found.at and found.at.code) == ("blocks", "cuts", "public.cut")
    task = pg.task()
    assert task.problem.startswith("'d' would be changed unnoticed: expression LEFT(NEW.d, 30) of 'public.cut'")
    assert pg.task(accept="d:cuts").problem == ""


PUT = "INSERT INTO sink (id, d) VALUES"


@pytest.mark.parametrize(
    ("routine", "level"),
    [
        ("FUNCTION save(p_d text) RETURNS text RETURN left(p_d, 3)", "blocks"),
        ("FUNCTION save(INOUT p_d text) LANGUAGE plpgsql AS $$ BEGIN p_d := left(p_d, 3); END $$", "blocks"),
        ("FUNCTION save(p_d text, OUT o text) LANGUAGE plpgsql AS $$ BEGIN o := left(p_d, 3); END $$", "blocks"),
        ("PROCEDURE save(INOUT p_d text) LANGUAGE plpgsql AS $$ BEGIN p_d := left(p_d, 3); END $$", "blocks"),
        (
            (
                "FUNCTION save(p_d text) RETURNS text LANGUAGE plpgsql AS $$ "
                "DECLARE w text; BEGIN DECLARE v name; BEGIN v := left(p_d, 3); w := v; END; "
                "DECLARE v text; BEGIN v := ''; END; RETURN w; END $$"
            ),
            "unknown",
        ),
    ],
)
def test_what_a_routine_hands_back_is_followed(pg: Place, routine: str, level: str) -> None:
    pg.run(f"CREATE {routine}")
    assert pg.run(f"{'CALL' if routine.startswith('PROC') else 'SELECT'} save('abcdef')") == [("abc",)]
    assert level in {each.level for each in pg.task(through="save").findings if each.column == "d"}


@pytest.mark.parametrize(
    ("body", "level"),
    [
        (f"DECLARE r record; BEGIN SELECT p_id AS id, p_d AS d INTO r; r.d := left(r.d, 3); {PUT} (r.id, r.d); END",
         "blocks"),
        (("DECLARE r record; BEGIN FOR r IN SELECT p_id AS id, p_d AS d LOOP r.d := left(r.d, 3); "
         f"{PUT} (r.id, r.d); END LOOP; END"), "blocks"),
        (f"DECLARE r sink%ROWTYPE; BEGIN SELECT p_id, left(p_d, 3), 1, now(), now() INTO r; {PUT} (r.id, r.d); END",
         "blocks"),
        (f"DECLARE x ALIAS FOR p_d; BEGIN {PUT} (p_id, left(x, 3)); END", "unknown"),
        (("BEGIN CREATE TEMP TABLE w (LIKE sink) ON COMMIT DROP; INSERT INTO w SELECT p_id, left(p_d, 3); "
         "INSERT INTO sink SELECT * FROM w; END"), "unknown"),
        ((f"BEGIN {PUT} (p_id, p_d); INSERT INTO sink AS s (id, d) VALUES (p_id, p_d) ON CONFLICT (id) "
         "DO UPDATE SET (d, n) = (left(excluded.d, 3), excluded.n); END"), "blocks"),
        (f"DECLARE r record; BEGIN FOR r IN {PUT} (p_id, left(p_d, 3)) RETURNING id LOOP NULL; END LOOP; END",
         "unknown"),
    ],
)  # fmt: skip
def test_what_a_body_does_with_records_and_rows_is_followed_or_unknown(pg: Place, body: str, level: str) -> None:
    pg.run(f"CREATE FUNCTION save(p_id int, p_d text) RETURNS void LANGUAGE plpgsql AS $$ {body} $$")
    pg.run("SELECT save(1, 'abcdef')")
    assert pg.run("SELECT d FROM sink") == [("abc",)]
    assert level in {each.level for each in pg.task(through="save").findings if each.column in ("d", "")}


ROW, AFTER = "BEFORE INSERT ON {} FOR EACH ROW", "AFTER INSERT ON {} FOR EACH ROW"
TABLE = "AFTER INSERT ON {} REFERENCING NEW TABLE AS ins FOR EACH STATEMENT"


@pytest.mark.parametrize(
    ("body", "when", "level"),
    [
        ("BEGIN SELECT left(NEW.d, 3) INTO NEW.d; RETURN NEW; END", ROW, "blocks"),
        ("BEGIN NEW := jsonb_populate_record(NEW, jsonb_build_object('d', left(NEW.d, 3))); RETURN NEW; END", ROW,
         "unknown"),
        ("DECLARE r record; BEGIN r := NEW; r.d := left(NEW.d, 3); RETURN r; END", ROW, "unknown"),
        ("BEGIN SELECT NEW.id, left(NEW.d, 3)::varchar(4000), NEW.n, NEW.t, NEW.z INTO NEW; RETURN NEW; END", ROW,
         "unknown"),
        ("BEGIN NEW.d := (SELECT short FROM short WHERE id = NEW.id); RETURN NEW; END", ROW, "unknown"),
        ("BEGIN UPDATE sink SET d = left(d, 3) WHERE id = NEW.id; RETURN NULL; END", AFTER, "blocks"),
        ("BEGIN UPDATE sink s SET d = left(i.d, 3) FROM ins i WHERE i.id = s.id; RETURN NULL; END", TABLE, "unknown"),
    ],
)  # fmt: skip
def test_a_trigger_that_changes_the_row_in_another_way(pg: Place, body: str, when: str, level: str) -> None:
    pg.run(
        "CREATE TABLE short AS SELECT 1 AS id, 'abc' AS short",
        f"CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
        f"CREATE TRIGGER t {when.format('sink')} EXECUTE FUNCTION change()",
        "INSERT INTO sink (id, d) VALUES (1, 'abcdef')",
    )
    assert pg.run("SELECT d FROM sink") == [("abc",)]
    assert level in {each.level for each in pg.task().findings if each.column == "d"}


@pytest.mark.parametrize(
    ("on", "body", "when"),
    [
        ("sink_1", "BEGIN NEW.d := left(NEW.d, 3); RETURN NEW; END", ROW),
        ("sink_1", "BEGIN UPDATE sink_1 SET d = left(d, 3); RETURN NULL; END", AFTER),
        ("sink", "BEGIN NEW.d := left(NEW.d, 3); RETURN NEW; END", ROW),
    ],
)
def test_a_trigger_of_a_partition_is_seen(pg: Place, on: str, body: str, when: str) -> None:
    pg.run(
        "DROP TABLE sink",
        "CREATE TABLE sink (id integer PRIMARY KEY, d varchar(4000), n numeric(18,4), t timestamp, z timestamptz) "
        "PARTITION BY RANGE (id)",
        "CREATE TABLE sink_1 PARTITION OF sink DEFAULT",
        f"CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
        f"CREATE TRIGGER t {when.format(on)} EXECUTE FUNCTION change()",
        "INSERT INTO sink (id, d) VALUES (1, 'abcdef')",
    )
    assert pg.run("SELECT d FROM sink") == [("abc",)]
    assert [each[:2] for each in pg.found("d", mode="merge")] == [("blocks", "cuts")]
    with Postgres.from_url(pg.url).open() as session:
        sink = session.describe("sink")
        assert sink is not None
        assert [code.parts for code in session.route(sink).triggers] == [("public.sink_1",) if on == "sink_1" else ()]


@pytest.mark.parametrize(
    ("fired", "body", "stored"),
    [
        ("NEW.d := left(NEW.d, 4); RETURN NEW", "INSERT INTO w VALUES (1, p_d); INSERT INTO sink SELECT id, d FROM w",
         "BEFORE"),
        ("INSERT INTO sink (id, d) VALUES (1, left(NEW.d, 4)); RETURN NEW", "INSERT INTO w VALUES (1, p_d)", "AFTER"),
    ],
)  # fmt: skip
def test_a_trigger_of_a_table_on_the_way_is_unknown(pg: Place, fired: str, body: str, stored: str) -> None:
    pg.run(
        "CREATE TABLE w (id int, d text)",
        f"CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {fired}; END $$",
        f"CREATE TRIGGER t {stored} INSERT ON w FOR EACH ROW EXECUTE FUNCTION fired()",
        f"CREATE PROCEDURE save(p_d text) LANGUAGE plpgsql AS $$ BEGIN {body}; END $$",
    )
    pg.run("CALL save('abcdefgh')")
    assert pg.run("SELECT d FROM sink") == [("abcd",)]
    told = [each.what for each in pg.task(through="save").findings if each.column == "" and each.level == "unknown"]
    assert told == ["'public.save' fills 'w': the trigger 'public.fired' of 'w' is not followed"]
    pg.run("DROP TRIGGER t ON w")
    assert "fills" not in str(pg.task(through="save").findings)


@pytest.mark.parametrize(("language", "level"), [("sql", "unknown"), ("plpgsql", "")])
def test_a_name_in_sql_means_the_column_before_the_parameter(pg: Place, language: str, level: str) -> None:
    given = "INSERT INTO sink (id, d) SELECT 1, d FROM w;"
    body = f"BEGIN {given} END" if language == "plpgsql" else given
    pg.run("CREATE TABLE w (d text)", "INSERT INTO w VALUES ('other')")
    pg.run(f"CREATE PROCEDURE save(d text) LANGUAGE {language} AS $$ {body} $$")
    if language == "sql":
        pg.run("CALL save('given')")
        assert pg.run("SELECT d FROM sink") == [("other",)]
    else:
        assert pg.error("CALL save('given')") == "42702"
    told = {each.level for each in pg.task(through="save").findings if each.column == "d"}
    assert told == ({level} if level else set())


def test_what_cannot_be_read_is_unknown(pg: Place) -> None:
    pg.run(declared("BEGIN EXECUTE 'SELECT 1'; RETURN p_d; END"))
    task = pg.task(through="save")
    assert ("", "unknown") in [(each.column, each.level) for each in task.findings]
    assert task.problem == ""
    (canary,) = [each for each in pg.task(canary=True, through="save").arrivals if each.at == "'public.save'"]
    assert (canary.outcome, "SQL that is made while it runs" in canary.what) == ("not sent", True)


def test_a_routine_that_is_not_there(pg: Place) -> None:
    with pytest.raises(SpecError, match="No routine 'gone' of 'through' was found"):
        pg.task(through="gone")


def test_a_plain_copy_has_no_findings(pg: Place) -> None:
    assert pg.task().findings == ()


@pytest.mark.parametrize(
    "rule",
    [
        "INSERT TO sink DO ALSO UPDATE sink SET d = left(d, 3) WHERE id = NEW.id",
        "INSERT TO sink DO INSTEAD INSERT INTO other VALUES (NEW.id, left(NEW.d, 3))",
    ],
)
def test_a_rule_is_not_taken_for_fine(pg: Place, rule: str) -> None:
    pg.run("CREATE TABLE other (id int, d text)", f"CREATE RULE cut AS ON {rule}")
    pg.run("INSERT INTO sink (id, d) VALUES (1, 'abcdef')")
    assert pg.run("SELECT d FROM sink UNION SELECT d FROM other") == [("abc",)]
    assert told(pg) == ["the rule 'cut' of 'sink' was not read"]
    pg.run("DROP RULE cut ON sink", "CREATE RULE cut AS ON DELETE TO sink DO INSTEAD NOTHING")
    assert told(pg) == []


def told(at: Place, **words: Any) -> list[str]:
    """What is unknown of all columns."""
    return [each.what for each in at.task(mode="append", **words).findings if not each.column]


def test_what_stands_behind_a_foreign_table_is_not_taken_for_fine(pg: Place) -> None:
    """As a table, as a part of one, and behind a view; a foreign table may cut by its types, and round."""
    pg.run(
        "CREATE EXTENSION file_fdw",
        "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
        "DROP TABLE items",
        "CREATE TABLE items (id integer, d varchar(4000), n numeric(18,4), t timestamp, z timestamptz)",
        "CREATE FOREIGN TABLE afar (id integer, d varchar(4000), n numeric(18,4), t timestamp, z timestamptz) "
        "SERVER files OPTIONS (filename '/dev/null')",
        "CREATE VIEW shown AS SELECT * FROM (SELECT * FROM afar) x",
    )
    said = ["what stands behind the foreign table 'public.afar' cannot be seen"]
    assert told(pg) == []
    assert told(pg, tables="afar", into={"afar": "sink"}) == said
    assert told(pg, tables="shown", into={"shown": "sink"}) == said
    pg.run("ALTER FOREIGN TABLE afar INHERIT items")
    assert told(pg) == said


def test_a_trigger_that_fires_for_replicas_alone_cuts_nothing(pg: Place) -> None:
    pg.run(CUT, "CREATE TRIGGER t BEFORE INSERT ON sink FOR EACH ROW EXECUTE FUNCTION cut()")
    pg.run("ALTER TABLE sink ENABLE REPLICA TRIGGER t", "INSERT INTO sink (id, d) VALUES (1, repeat('a', 4000))")
    assert pg.run("SELECT length(d) FROM sink") == [(4_000,)]
    assert pg.found("d", mode="append") == []
    pg.run("ALTER TABLE sink ENABLE ALWAYS TRIGGER t")
    assert pg.found("d", mode="append") == [("blocks", "cuts", "LEFT(NEW.d, 30)")]


def test_triggers_that_an_account_cannot_see_are_not_taken_for_fine(maria: Place) -> None:
    maria.run("CREATE TRIGGER cut BEFORE INSERT ON sink FOR EACH ROW SET NEW.d = LEFT(NEW.d, 3)")
    name, database = f"clerk_{secrets.token_hex(3)}", maria.words["database"]
    maria.run(
        f"CREATE USER {name}@'%' IDENTIFIED BY 'c'",
        f"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP ON `{database}`.* TO {name}@'%'",
    )
    clerk = Place(re.sub(r"//[^@]*@", f"//{name}:c@", maria.url))
    try:
        (found,) = clerk.task(mode="append").findings
        assert (found.level, found.column) == ("unknown", "")
        assert found.what == "the triggers of 'sink' cannot be seen: the account has no right TRIGGER"
        assert found.fix == (
            f"GRANT TRIGGER ON `{database}`.`sink` TO '{name}'@'%'; Or look in them for casts and cuts."
        )
        maria.run(f"GRANT TRIGGER ON `{database}`.`sink` TO {name}@'%'")
        assert [each[:2] for each in clerk.found("d", mode="append")] == [("blocks", "cuts")]
    finally:
        maria.run(f"DROP USER {name}@'%'")


# MariaDB


@contextmanager
def lenient(maria: Place) -> Iterator[None]:
    """The server's sessions cut what does not fit, as old applications have it."""
    before = maria.run("SELECT @@global.sql_mode")[0][0]
    maria.run("SET GLOBAL sql_mode = ''")
    try:
        yield
    finally:
        maria.run("SET GLOBAL sql_mode = %s", values=(before,))


SAVE = "CREATE PROCEDURE save(p_id int, p_d varchar(255)) BEGIN INSERT INTO sink (id, d) VALUES (p_id, p_d); END"


def test_the_story_a_procedure_cuts_a_description(maria: Place) -> None:
    """The description has 4,000 characters, the parameter 255; nobody notices, but the plan."""
    with lenient(maria):
        maria.run(SAVE)
        maria.run("CALL save(1, %s)", values=(LONG,))
        assert maria.run("SELECT char_length(d) FROM sink") == [(255,)]
        (found,) = maria.told("d", through="save")
        assert (found.level, found.kind) == ("blocks", "cuts")
        assert found.what.startswith("parameter 'p_d' varchar(255) of ")
        assert "string(4000) can be longer than string(255)" in found.what
        assert "sql_mode is not strict" in found.how
        assert found.fix.startswith("Declare the parameter 'p_d' of ")
        task = maria.task(through="save")
        assert "parameter 'p_d' varchar(255)" in task.problem
        assert task.fix.endswith("Or accept it by name: d:cuts.")
        assert maria.task(through="save", accept="d:cuts").problem == ""
        came = [
            each
            for each in maria.task(canary=True, through="save").arrivals
            if "by '" in each.at and each.column == "d"
        ]
        assert [(each.outcome, each.what) for each in came] == [("cut", "4,000 characters were sent, 255 arrived")]
    assert maria.run("SELECT count(*) FROM sink") == [(1,)]


def test_a_strict_server_refuses_what_a_parameter_cannot_hold(maria: Place) -> None:
    maria.run(SAVE)
    assert maria.error("CALL save(1, %s)", values=(LONG,)) == "1406"
    (found,) = maria.told("d", through="save")
    assert (found.level, "1406" in found.how) == ("warns", True)
    (came,) = [each for each in maria.task(canary=True, through="save").arrivals if each.outcome == "refused"]
    assert "Data too long" in came.what


def test_a_routine_keeps_the_sql_mode_that_it_was_made_in(maria: Place) -> None:
    """A strict session calls it, and yet it cuts."""
    body = "DECLARE v varchar(50); SET v = p_d; INSERT INTO sink (id, d) VALUES (p_id, v);"
    maria.run(f"CREATE PROCEDURE save(p_id int, p_d text) BEGIN {body} END", mode="")
    maria.run("CALL save(1, %s)", values=(LONG,), mode="STRICT_ALL_TABLES")
    assert maria.run("SELECT char_length(d) FROM sink") == [(50,)]
    assert maria.found("d", through="save") == [("blocks", "cuts", "v")]


@pytest.mark.parametrize(
    ("given", "held", "value", "stored"),
    [
        ("decimal(20,6)", "tinyint", "1000", "127"),
        ("decimal(20,0)", "smallint", "-100000", "-32768"),
        ("decimal(3,0)", "int unsigned", "-1", "0"),
        ("decimal(3,0)", "tinyint", "999", "127"),
        ("double", "int", "1e12", "2147483647"),
        ("double", "decimal(5,2)", "1e12", "999.99"),
        ("double", "float", "1e300", "3.40282e38"),
    ],
)
@pytest.mark.parametrize("kind", ["variable", "column"])
def test_a_number_without_room_becomes_the_nearest_one(
    maria: Place, given: str, held: str, value: str, stored: str, kind: str
) -> None:
    """Not strict, it is kept silently; strict, it is refused."""
    column = held if kind == "column" else "varchar(50)"
    for table in ("items", "sink"):
        maria.run(f"ALTER TABLE {table} MODIFY n {given if table == 'items' else column}")
    body = "DECLARE v {}; SET v = p_n; INSERT INTO sink (id, n) VALUES (p_id, v);"
    body = body.format(held if kind == "variable" else given)
    for name, mode in (("loose", ""), ("strict", "STRICT_ALL_TABLES")):
        maria.run(f"CREATE PROCEDURE {name}(p_id int, p_n {given}) BEGIN {body} END", mode=mode)
    maria.run(f"CALL loose(1, {value})", mode="STRICT_ALL_TABLES")
    ((came,),) = maria.run("SELECT CAST(n AS char) FROM sink")
    assert float(came) == pytest.approx(float(stored), rel=1e-5)
    assert maria.error(f"CALL strict(2, {value})") == "1264"
    found = {name: [each[:2] for each in maria.found("n", through=name)] for name in ("loose", "strict")}
    assert ("blocks", "narrows") in found["loose"]
    assert ("blocks", "narrows") not in found["strict"]
    assert ("warns", "narrows") in found["strict"]


@pytest.mark.parametrize(
    "body",
    [
        "INSERT IGNORE INTO halfway (id, d) VALUES (p_id, p_d);",
        "INSERT INTO halfway (id) VALUES (p_id); UPDATE IGNORE halfway SET d = p_d WHERE id = p_id;",
    ],
)
def test_a_statement_that_ignores_cuts_in_strict_mode_too(maria: Place, body: str) -> None:
    """The same without the word is refused."""
    maria.run("CREATE TABLE halfway (id int PRIMARY KEY, d varchar(12))")
    after = "INSERT INTO sink (id, d) SELECT id, d FROM halfway WHERE id = p_id;"
    for name, text in (("loose", body), ("strict", body.replace("IGNORE ", ""))):
        maria.run(f"CREATE PROCEDURE {name}(p_id int, p_d text) BEGIN {text} {after} END", mode="STRICT_ALL_TABLES")
    maria.run("CALL loose(1, %s)", values=(LONG,), mode="STRICT_ALL_TABLES")
    assert maria.run("SELECT char_length(d) FROM sink") == [(12,)]
    assert maria.error("CALL strict(2, %s)", values=(LONG,)) == "1406"
    assert [each[:2] for each in maria.found("d", through="loose")] == [("blocks", "cuts")]
    assert [each[:2] for each in maria.found("d", through="strict")] == [("warns", "cuts")]


def test_a_cast_cuts_in_strict_mode_too(maria: Place) -> None:
    body = "INSERT INTO sink (id, d) VALUES (p_id, CAST(p_d AS char(12)));"
    maria.run(f"CREATE PROCEDURE save(p_id int, p_d text) BEGIN {body} END", mode="STRICT_ALL_TABLES")
    maria.run("CALL save(1, %s)", values=(LONG,), mode="STRICT_ALL_TABLES")
    assert maria.run("SELECT char_length(d) FROM sink") == [(12,)]
    assert maria.found("d", through="save") == [("blocks", "cuts", "CAST(p_d AS CHAR(12))")]


def test_datetimes_without_a_fraction_cut_it(maria: Place) -> None:
    body = "INSERT INTO sink (id, t) VALUES (p_id, p_t);"
    maria.run(f"CREATE PROCEDURE save(p_id int, p_t datetime) BEGIN {body} END", mode="STRICT_ALL_TABLES")
    maria.run("CALL save(1, '2026-01-01 00:00:00.9')", mode="STRICT_ALL_TABLES")
    assert str(maria.run("SELECT t FROM sink")[0][0]) == "2026-01-01 00:00:00"
    assert maria.found("t", through="save") == [("blocks", "rounds", "p_t")]


@pytest.mark.parametrize(("mode", "level", "stored"), [("", "blocks", "a?b"), ("STRICT_ALL_TABLES", "warns", "1366")])
def test_characters_that_a_set_does_not_have(maria: Place, mode: str, level: str, stored: str) -> None:
    body = "DECLARE v text CHARACTER SET utf8mb3; SET v = p_d; INSERT INTO sink (id, d) VALUES (p_id, v);"
    maria.run(f"CREATE PROCEDURE save(p_id int, p_d varchar(4000)) BEGIN {body} END", mode=mode)
    if stored.isdigit():
        assert maria.error("CALL save(1, 'a😀b')") == stored
    else:
        maria.run("CALL save(1, 'a😀b')")
        assert maria.run("SELECT d FROM sink") == [(stored,)]
    assert (level, "characters", "v") in maria.found("d", through="save")


def test_a_target_of_another_character_set(maria: Place) -> None:
    maria.run("DROP TABLE sink", "CREATE TABLE sink (id int PRIMARY KEY, d varchar(4000) CHARACTER SET utf8mb3)")
    assert maria.error("INSERT INTO sink VALUES (1, '😀')") == "1366"
    (found,) = maria.told("d", exclude=("items.n", "items.t"))
    assert (found.level, found.kind) == ("warns", "characters")
    assert found.fix == "Make 'sink.d' of the character set utf8mb4."


def test_views_and_triggers_of_mariadb(maria: Place) -> None:
    maria.run(
        "CREATE VIEW narrow AS SELECT id, LEFT(d, 100) AS d, n, t FROM items",
        "CREATE VIEW shown AS SELECT id, d, CAST(n AS decimal(18,1)) AS n, t FROM narrow",
        "CREATE TRIGGER cut BEFORE INSERT ON sink FOR EACH ROW SET NEW.d = LEFT(NEW.d, 30)",
    )
    maria.run("INSERT INTO items VALUES (1, %s, 1.2345, now())", values=(LONG,))
    assert maria.run("SELECT char_length(d), CAST(n AS char) FROM shown") == [(100, "1.2")]
    words = {"tables": "shown", "into": {"shown": "sink"}}
    assert [each[:2] for each in maria.found("d", **words)] == [("blocks", "cuts"), ("blocks", "cuts")]
    assert [each[:2] for each in maria.found("n", **words)] == [("blocks", "rounds")]


@pytest.mark.parametrize(
    ("view", "stored", "found"),
    [
        ("x.d FROM items b JOIN (SELECT c.id, LEFT(c.d, 3) AS d FROM items c) x ON x.id = b.id", "aaa",
         ("blocks", "cuts")),
        ("j.d FROM items b JOIN JSON_TABLE(CONCAT('[\"', b.d, '\"]'), '$[*]' COLUMNS (d varchar(3) PATH '$')) j",
         "aaa", ("unknown", "unknown")),
        ("REPLACE(b.d, 'a', '') AS d FROM items b", "", ("unknown", "unknown")),
        ("TRIM(LEADING 'a' FROM b.d) AS d FROM items b", "", ("unknown", "unknown")),
        ("LEAST(b.d, 'aaa') AS d FROM items b", "aaa", ("unknown", "unknown")),
        ("SUBSTR(b.d, 0) AS d FROM items b", "", ("unknown", "unknown")),
        ("short(b.id) AS d FROM items b", "aaa", ("unknown", "unknown")),
    ],
)  # fmt: skip
def test_nothing_that_a_view_of_mariadb_reads_is_taken_for_fine(
    maria: Place, view: str, stored: str, found: tuple[str, str]
) -> None:
    maria.run(
        "CREATE FUNCTION short(k int) RETURNS text READS SQL DATA RETURN (SELECT LEFT(d, 3) FROM items WHERE id = k)",
        f"CREATE VIEW shown AS SELECT b.id, b.n, b.t, {view}",
        "INSERT INTO items (id, d) VALUES (1, 'aaaaaa')",
    )
    assert maria.run("SELECT d FROM shown") == [(stored,)]
    findings = maria.task(tables="shown", into={"shown": "sink"}).findings
    assert found in [(each.level, each.kind) for each in findings if each.column == "d"]


@pytest.mark.parametrize(
    "body",
    [
        "SELECT LEFT(p_d, 3) INTO @v; INSERT INTO sink (id, d) VALUES (p_id, @v);",
        "SET @v = NULL; SELECT @v := LEFT(p_d, 3); INSERT INTO sink (id, d) VALUES (p_id, @v);",
        "SET STATEMENT max_statement_time = 10 FOR INSERT INTO sink (id, d) VALUES (p_id, LEFT(p_d, 3));",
    ],
)
def test_user_variables_and_statements_with_settings_are_unknown(maria: Place, body: str) -> None:
    maria.run(f"CREATE PROCEDURE save(p_id int, p_d varchar(4000)) BEGIN {body} END", "CALL save(1, 'abcdef')")
    assert maria.run("SELECT d FROM sink") == [("abc",)]
    found = [each for each in maria.task(through="save").findings if each.column in ("d", "")]
    assert {each.level for each in found} == {"unknown"}


# The canary


def left_behind(at: Place) -> tuple[list[Any], int]:
    tables = at.run(
        "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'lading%' "
        "UNION SELECT table_name FROM information_schema.tables WHERE table_name LIKE '#sql%'"
    )
    return tables, at.run("SELECT count(*) FROM sink")[0][0]


@pytest.mark.parametrize("system", ["pg", "maria"])
def test_a_canary_comes_through_whole_and_leaves_nothing(system: str, request: pytest.FixtureRequest) -> None:
    at: Place = request.getfixturevalue(system)
    task = at.task(canary=True)
    assert {each.outcome for each in task.arrivals} == {"whole"}
    assert {each.at for each in task.arrivals} == {"the stage of sink", "sink"}
    assert left_behind(at) == ([], 0)


def test_a_canary_finds_the_hop_that_cut(pg: Place) -> None:
    pg.run(
        CUT,
        "CREATE TRIGGER t BEFORE INSERT ON sink FOR EACH ROW EXECUTE FUNCTION cut()",
        declared("BEGIN INSERT INTO sink (id, d) VALUES (7, p_d::varchar(20)); RETURN p_d::varchar(10); END"),
    )
    came = [each for each in pg.task(canary=True, through="save").arrivals if each.column == "d"]
    assert [(each.at, each.outcome, each.what) for each in came] == [
        ("sink, by 'public.save'", "cut", "4,000 characters were sent, 20 arrived"),
        ("the result of 'public.save'", "cut", "4,000 characters were sent, 10 arrived"),
        ("the stage of sink", "whole", ""),
        ("sink", "cut", "4,000 characters were sent, 30 arrived"),
    ]
    assert left_behind(pg) == ([], 0)


@pytest.mark.parametrize("system", ["pg", "maria"])
def test_a_canary_finds_the_column_that_refused(system: str, request: pytest.FixtureRequest) -> None:
    at: Place = request.getfixturevalue(system)
    at.run("ALTER TABLE sink ADD CONSTRAINT short CHECK (char_length(d) < 100)")
    arrivals = at.task(canary=True).arrivals
    refused = [each for each in arrivals if each.outcome == "refused"]
    assert {each.column for each in refused} == {"d"}
    assert any("short" in each.what for each in refused)
    assert ("n", "whole") in [(each.column, each.outcome) for each in arrivals if each.at == "sink"]
    assert left_behind(at) == ([], 0)


def test_a_canary_is_not_sent_where_it_would_stay(maria: Place) -> None:
    maria.run("ALTER TABLE sink ENGINE=MyISAM")
    arrivals = maria.task(canary=True).arrivals
    assert {each.outcome for each in arrivals} == {"refused"}
    assert "MyISAM" in arrivals[0].what
    assert left_behind(maria) == ([], 0)


def test_a_routine_that_writes_to_an_engine_without_transactions_is_not_called(maria: Place) -> None:
    body = "INSERT INTO log VALUES (p_d); INSERT INTO sink (id, d) VALUES (p_id, p_d);"
    maria.run(
        "CREATE TABLE log (d text) ENGINE=MyISAM",
        f"CREATE PROCEDURE save(p_id int, p_d varchar(4000)) BEGIN {body} END",
    )
    arrivals = maria.task(canary=True, through="save").arrivals
    assert ("refused", True) in [(each.outcome, "MyISAM" in each.what) for each in arrivals]
    assert maria.run("SELECT count(*) FROM log") == [(0,)]


@pytest.mark.parametrize("through", [(), ("save",)])
def test_no_canary_is_sent_where_a_trigger_would_keep_a_row(maria: Place, through: tuple[str, ...]) -> None:
    maria.run(
        "CREATE TABLE log (d text) ENGINE=MyISAM",
        "CREATE TRIGGER watch AFTER INSERT ON sink FOR EACH ROW INSERT INTO log VALUES (NEW.d)",
        SAVE,
    )
    arrivals = maria.task(canary=True, mode="append", through=through).arrivals
    assert {(each.outcome, "MyISAM" in each.what) for each in arrivals} == {("refused", True)}
    assert maria.run("SELECT count(*) FROM log") == [(0,)]


def test_a_routine_that_commits_is_not_called(maria: Place) -> None:
    body = "INSERT INTO sink (id, d) VALUES (p_id, p_d); COMMIT;"
    maria.run(f"CREATE PROCEDURE save(p_id int, p_d varchar(4000)) BEGIN {body} END")
    (came,) = [each for each in maria.task(canary=True, through="save").arrivals if each.outcome == "not sent"]
    assert "ends transactions by itself" in came.what
    assert left_behind(maria) == ([], 0)


def test_a_session_is_after_a_trial_as_before(maria: Place) -> None:
    with MySQL.from_url(maria.url).open() as session:
        sink = session.describe("sink")
        assert sink is not None
        load = Load(id="cafe00000001", table=sink, mode=Mode.APPEND, key=sink.key)
        before = session.driver.query("SELECT @@sql_mode")
        for each in (load, load, None, None):  # the stage of the first is gone when the second makes its own
            with session.trial(each, ()):
                session.driver.execute("INSERT INTO sink (id) VALUES (1)")
        assert session.driver.query("SELECT @@sql_mode, (SELECT count(*) FROM sink)") == [(before[0][0], "0")]


@pytest.mark.parametrize("system", ["pg", "maria"])
def test_a_canary_for_a_table_that_is_not_there_tries_the_stage(system: str, request: pytest.FixtureRequest) -> None:
    at: Place = request.getfixturevalue(system)
    at.run("DROP TABLE sink")
    assert {(each.at, each.outcome) for each in at.task(canary=True).arrivals} == {("the stage of sink", "whole")}
    assert at.run("SELECT count(*) FROM information_schema.tables WHERE table_name = 'sink'") == [(0,)]


def test_a_canary_for_a_new_table_has_its_characters(maria: Place) -> None:
    """And not those of the database."""
    maria.run("DROP TABLE sink", "ALTER DATABASE CHARACTER SET latin1")
    assert {(each.at, each.outcome) for each in maria.task(canary=True).arrivals} == {("the stage of sink", "whole")}


@pytest.mark.parametrize("system", ["pg", "maria"])
def test_a_canary_goes_into_narrower_columns_as_any_row_does(system: str, request: pytest.FixtureRequest) -> None:
    at: Place = request.getfixturevalue(system)
    at.run("DROP TABLE sink", "CREATE TABLE sink (id smallint PRIMARY KEY, d varchar(255), n decimal(14,2))")
    words: dict[str, Any] = {"canary": True, "exclude": ("items.t", "items.z")[: 1 if at.maria else 2]}
    refused = {each.column: each.what for each in at.task(**words).arrivals if each.outcome == "refused"}
    assert list(refused) == ["id", "d", "n"]
    assert refused["d"] == "a value of 4,000 characters does not fit string(255)"
    assert re.fullmatch(r"\d{10} does not fit int\(16\)", refused["id"])
    assert re.fullmatch(r"\d{14}\.\d{4} does not fit decimal\(14,2\)", refused["n"])
    taken = at.task(**words, accept="*").arrivals
    assert [(each.column, each.at, each.outcome) for each in taken] == [
        ("id", "the stage of sink", "refused"), ("d", "the stage of sink", "cut"), ("d", "sink", "cut"),
        ("n", "the stage of sink", "refused"),
    ]  # fmt: skip
    assert {each.what for each in taken if each.outcome == "cut"} == {"4,000 characters were sent, 255 arrived"}
    at.run("ALTER TABLE sink DROP COLUMN n", "ALTER TABLE sink ADD COLUMN n decimal(16,2)")
    rounded = [each for each in at.task(**words, accept="*").arrivals if each.column == "n"]
    assert [(each.at, each.outcome) for each in rounded] == [("the stage of sink", "changed"), ("sink", "changed")]
    assert left_behind(at) == ([], 0)


def test_a_canary_of_every_type_is_compared_in_the_form_that_it_gets(pg: Place) -> None:
    """All digits of a long decimal, one without a limit, and values of one type in columns of another."""
    columns = (
        "id bigint PRIMARY KEY, a numeric(38,10), b numeric, c boolean, d date, e integer, f uuid, g interval, h time"
    )
    wide = "id bigint PRIMARY KEY, a text, b text, c text, d timestamp, e numeric(12,2), f text, g text, h text"
    pg.run("DROP TABLE items", "DROP TABLE sink", f"CREATE TABLE items ({columns})", f"CREATE TABLE sink ({columns})")
    for made in (columns, wide):
        pg.run("DROP TABLE sink", f"CREATE TABLE sink ({made})")
        arrivals = pg.task(canary=True, accept="*").arrivals
        assert {each.outcome for each in arrivals} == {"whole"}, arrivals
        assert {each.at for each in arrivals} == {"the stage of sink", "sink"}
    assert len(greatest(Column(name="a", type=parse("decimal(38,10)"))).as_tuple().digits) == 38


def test_other_targets_take_no_canary(pg: Place, tmp_path: Path) -> None:
    (each,) = pg.task(canary=True, to=f"duckdb:///{tmp_path / 'w.duckdb'}").arrivals
    assert (each.outcome, each.at) == ("not sent", "sink")


# The door


def test_the_command_line_shows_findings_fixes_and_the_canary(pg: Place, tmp_path: Path) -> None:
    pg.run(declared("BEGIN INSERT INTO sink (id, d) VALUES (1, p_d::varchar(10)); RETURN NULL; END"))
    words = (
        "plan",
        pg.url,
        pg.url,
        "--tables",
        "items",
        "--into",
        "items=sink",
        "--through",
        "public.save",
        "--canary",
    )
    env = {"LADING_STORE": f"sqlite:///{tmp_path / 'store.db'}", "COLUMNS": "200"}
    ended = lading(*words, cwd=tmp_path, env=env)
    assert ended.code == 2
    assert "blocks: d: cuts: cast CAST(p_d AS VARCHAR(10)) of 'public.save'" in ended.out
    assert "→ Drop the cast CAST(p_d AS VARCHAR(10)) in 'public.save'" in ended.out
    assert "canary: sink, by 'public.save': d: cut: 4,000 characters were sent, 10 arrived" in ended.out
    plain = json.loads(lading(*words, "--json", cwd=tmp_path, env=env).out)
    (task,) = plain["plans"][0]["tasks"]
    assert [(each["column"], each["level"]) for each in task["findings"] if each["level"] == "blocks"] == [
        ("d", "blocks")
    ]
    assert {"whole", "cut"} <= {each["outcome"] for each in task["arrivals"]}
    accepted = lading(*words, "--accept", "d:cuts", cwd=tmp_path, env=env)
    assert accepted.code == 1  # the canary was cut
    assert "accepted: d: cuts: " in accepted.out


def test_an_accepted_cut_is_in_the_bill(pg: Place) -> None:
    pg.run(declared("BEGIN INSERT INTO sink (id, d) VALUES (1, p_d::varchar(10)); RETURN NULL; END"))
    given = {"from": pg.url, "to": pg.url, "tables": "items", "into": {"items": "sink"}, "through": "save"}
    bill = actions.copy(Move.model_validate({**given, "accept": "d:cuts"}))
    assert [(loss.column, loss.kind) for loss in bill.tables[0].losses] == [("d", "cuts")]
    with pytest.raises(SpecError, match="would be changed unnoticed"):
        actions.copy(Move.model_validate(given))


# SQLite


def test_a_trigger_that_is_not_read_is_not_taken_for_fine(kept: None, place: Callable[[str], str]) -> None:
    source, target = place("sqlite"), place("sqlite")
    for each in (source, target):
        looks.query(each, "CREATE TABLE items (id INTEGER PRIMARY KEY, d VARCHAR(4000))")
    move = Move.model_validate({"from": source, "to": target, "tables": "items", "mode": "append"})
    assert actions.plan_move(move).tasks[0].findings == ()
    cut = "BEGIN UPDATE items SET d = substr(NEW.d, 1, 3) WHERE id = NEW.id; END"
    looks.query(target, f"CREATE TRIGGER cut AFTER INSERT ON Items {cut}")
    (found,) = actions.plan_move(move).tasks[0].findings
    assert (found.level, found.column, found.what) == ("unknown", "", "the trigger 'cut' of 'items' was not read")
