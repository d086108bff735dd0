"""The hop check where a value is read as another type: what the server makes of it, the plan must say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from lading import actions
from lading.hops.judge import judged
from lading.hops.native import placed
from lading.spec import Move
from tests.journeys.test_hops import Place

SHOWN: dict[str, Any] = {"tables": "shown", "into": {"shown": "sink"}}


@pytest.fixture
def pg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[[str], str]) -> Place:
    monkeypatch.setenv("LADING_STORE", f"sqlite:///{tmp_path / 'store.db'}")
    made = Place(place("postgres"))
    made.run(
        "CREATE TABLE items (id int PRIMARY KEY, d text, n numeric(18,4), t timestamp, z timestamptz, dt date, "
        "iv interval, b bit(8), i inet, a numeric[], g real)",
        "INSERT INTO items VALUES (7, '2026-01-01 23:59:59', 12345678901234.5678, '2026-01-01 10:11:12', "
        "'2026-01-01 00:00:00.123456+00', '2026-05-17', '1 day 02:00:01.6', B'11110001', '192.168.1.5/24', "
        "'{1.239}', 1)",
    )
    return made


@pytest.fixture
def maria(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[[str], str]) -> Place:
    monkeypatch.setenv("LADING_STORE", f"sqlite:///{tmp_path / 'store.db'}")
    return Place(place("mysql"))


def said(at: Place, column: str = "v", **words: Any) -> set[tuple[str, str]]:
    return {(each.level, each.kind) for each in at.task(**words).findings if each.column == column}


# PostgreSQL


@pytest.mark.parametrize(
    ("expression", "stored", "found"),
    [
        ("'1.239'::text::numeric(10,2)", "1.24", None),  # no column's value
        ("right(d, 4)::numeric(10,2)", None, None),
        ("d::date", "2026-01-01", ("blocks", "cuts")),
        ("d::time", "23:59:59", ("blocks", "cuts")),
        ("d::timestamp(0)", "2026-01-01 23:59:59", ("blocks", "zone")),
        ("d::timestamp(0)", "2026-01-01 23:59:59", ("blocks", "rounds")),
        ("d::timestamptz", "2026-01-01 23:59:59+00", ("blocks", "zone")),
        ("t::time", "10:11:12", ("blocks", "cuts")),
        ("iv::time", "02:00:01.6", ("blocks", "cuts")),
        ("id::boolean", "true", ("blocks", "type")),
        ("a::numeric(10,1)[]", "{1.2}", ("blocks", "rounds")),
        ("iv::interval(0)", "1 day 02:00:02", ("blocks", "rounds")),
        ("b::bit(3)", "111", ("blocks", "cuts")),
        ("i::cidr", "192.168.1.0/24", ("blocks", "cuts")),
        ("z::timetz", "00:00:00.123456+00", ("unknown", "unknown")),
        ("b::int", "241", ("unknown", "unknown")),
        ("z::varchar(26)", "2026-01-01 00:00:00.123456", ("blocks", "cuts")),
        ("id::varchar(10)", "7", ("blocks", "cuts")),
        ("date_trunc('month', dt)::date", "2026-05-01", ("blocks", "cuts")),
        ("coalesce(n, 0::float8)", "12345678901234.568", ("blocks", "rounds")),
        ("CASE WHEN id > 0 THEN n ELSE 0::float8 END", "12345678901234.568", ("blocks", "rounds")),
        ("nullif(n, 0::float8)", "12345678901234.568", ("blocks", "rounds")),
        ("coalesce(n, g)", "1.2345679e+13", ("blocks", "rounds")),
        (
            "(SELECT max(x.n) FROM (SELECT n UNION ALL SELECT 0::float8) x)::numeric(18,4)",
            "12345678901234.6000",
            ("blocks", "rounds"),
        ),
        ("(SELECT max(x.n) FROM (VALUES (n), (0::float8)) x(n))", "12345678901234.568", ("blocks", "rounds")),
        ("(SELECT max(x.n) FROM (VALUES (n), (0)) x(n))", "12345678901234.5678", None),
    ],
)
def test_a_cast_that_changes_a_value_is_never_taken_for_fine(
    pg: Place, expression: str, stored: str | None, found: tuple[str, str] | None
) -> None:
    pg.run(f"CREATE VIEW shown AS SELECT id, {expression} AS v FROM items")
    if stored is not None:
        ((came,),) = pg.run("SET TimeZone = 'UTC'", "SET extra_float_digits = 1", "SELECT v::text FROM shown")
        assert came == stored
    told = said(pg, **SHOWN)
    assert found in told if found else stored is None or not told
    assert ("warns", "type") not in told or expression.startswith(("d::", "right"))


@pytest.mark.parametrize(
    "expression",
    ["id::varchar(11)", "iv::interval", "b::bit(8)", "i::inet", "t::varchar(26)", "z::varchar(32)", "n::varchar(20)",
     "a::numeric[]", "coalesce(n, 0)", "dt::timestamp", "i::text"],
)  # fmt: skip
def test_a_cast_that_keeps_every_value_is_no_finding(pg: Place, expression: str) -> None:
    pg.run(f"CREATE VIEW shown AS SELECT id, {expression} AS v FROM items")
    told = said(pg, **SHOWN)
    assert told == set()


VALUES = {
    "smallint": "-7", "integer": "123456", "bigint": "9000000000", "numeric(18,4)": "1234.5678",
    "numeric": "0.123456789",
    "real": "1.5", "double precision": "0.1", "boolean": "true", "text": "2026-01-01 23:59:59.1234567+05",
    "varchar(30)": "12.3456", "date": "2026-05-17", "time": "23:59:59.123456", "timetz": "23:59:59.123456+05",
    "timestamp": "2026-05-17 23:59:59.123456", "timestamptz": "2026-05-17 23:59:59.123456+05",
    "interval": "1 year 2 days 03:04:05.678901", "bit(8)": "11110001", "bit varying(8)": "11110001",
    "inet": "192.168.1.5/24", "cidr": "192.168.1.0/24", "uuid": "7b1c8a4e-3d2f-4a5b-9c6d-7e8f9a0b1c2d", "json": "12.5",
    "jsonb": "12.5", "bytea": "abc", "numeric[]": "{1.239}", "text[]": "{2026-01-01 23:59:59}", "name": "abc",
}  # fmt: skip
NARROWER = (
    "numeric(6,2)", "numeric(6,-2)", "varchar(3)", "char(3)", '"char"', "time(0)", "timetz(0)", "timestamp(0)",
    "timestamptz(0)", "interval(0)", "interval year", "interval day to hour", "bit(3)", "bit varying(3)", "bit",
    "numeric(6,1)[]", "date[]", "varchar(3)[]", "int[]",
)  # fmt: skip


@pytest.mark.parametrize("native", VALUES)
def test_no_pair_of_types_is_fine_that_loses_a_value(pg: Place, native: str) -> None:
    """Cast there and back again: whatever comes back otherwise, and without an error, is a finding."""
    missed = []
    with psycopg.connect(pg.url, autocommit=True) as connection:
        for to in (*VALUES, *NARROWER):
            cast = f"((%s::{native})::{to})::{native}"
            try:
                sql = f"SELECT {cast}::text, %s::{native}::text"
                came, was = connection.execute(sql, (VALUES[native],) * 2).fetchone() or ("", "")
            except psycopg.Error:
                continue
            way = (
                placed("postgres", native, kind="source column", name="x"),
                placed("postgres", to, kind="cast", name=f"x::{to}"),
            )
            levels = {each.level for each in judged("x", way, (), None)}
            if came != was and not levels & {"blocks", "unknown"}:
                missed.append((to, was, came, levels))
    assert missed == []


@pytest.mark.parametrize(
    ("declared", "given", "returned", "found"),
    [
        ("numeric(10,2)", "1.239", "1.24", {("blocks", "rounds"), ("warns", "type")}),
        ("date", "2026-01-01 23:59:59", "2026-01-01", {("blocks", "cuts"), ("warns", "type")}),
        ("boolean", "yes", "true", {("warns", "type")}),
    ],
)
def test_a_text_in_a_variable_is_read_without_an_error(
    pg: Place, declared: str, given: str, returned: str, found: set[tuple[str, str]]
) -> None:
    body = f"DECLARE v {declared} := p_d; BEGIN RETURN v; END"
    pg.run(f"CREATE FUNCTION save(p_d text) RETURNS text LANGUAGE plpgsql AS $$ {body} $$")
    assert pg.run("SELECT save(%s)", values=(given,)) == [(returned,)]
    assert said(pg, "d", through="save") == found


def test_a_date_that_is_written_has_no_zone(pg: Place) -> None:
    pg.run("CREATE VIEW shown AS SELECT id, to_char(dt, 'YYYY-MM-DD') AS v FROM items")
    assert pg.run("SET TimeZone = 'America/Havana'", "SELECT v FROM shown") == [("2026-05-17",)]
    assert said(pg, **SHOWN) == {("unknown", "unknown")}


@pytest.mark.parametrize(("unit", "found"), [("month", {("blocks", "cuts")}), ("day", set())])
def test_a_date_whose_day_is_dropped(pg: Place, unit: str, found: set[tuple[str, str]]) -> None:
    body = f"DECLARE v date; BEGIN v := date_trunc('{unit}', p_dt); RETURN v; END"
    pg.run(f"CREATE FUNCTION save(p_dt date) RETURNS date LANGUAGE plpgsql AS $$ {body} $$")
    assert pg.run("SELECT save('2026-05-17')::text") == [("2026-05-01" if found else "2026-05-17",)]
    assert said(pg, "dt", through="save") == found


def test_a_scale_below_zero_rounds_what_is_before_the_point(pg: Place) -> None:
    body = "DECLARE v numeric(18,-2) := p_n; BEGIN RETURN v; END"
    pg.run(f"CREATE FUNCTION save(p_n numeric) RETURNS numeric LANGUAGE plpgsql AS $$ {body} $$")
    assert [str(value) for (value,) in pg.run("SELECT save(12345.6)")] == ["12300"]
    assert ("blocks", "rounds") in said(pg, "n", through="save")


def test_a_number_that_meets_a_variable_of_floats_becomes_one(pg: Place) -> None:
    body = "DECLARE f float8 := 0; v numeric(18,4); BEGIN v := coalesce(p_n, f); RETURN v; END"
    pg.run(f"CREATE FUNCTION save(p_n numeric) RETURNS numeric LANGUAGE plpgsql AS $$ {body} $$")
    assert [str(value) for (value,) in pg.run("SELECT save(12345678901234.5678)")] == ["12345678901234.6000"]
    assert ("blocks", "rounds") in said(pg, "n", through="save")


# What was observed


def test_what_a_view_shows_says_nothing_of_what_it_cut(pg: Place) -> None:
    pg.run("CREATE VIEW shown AS SELECT id, d::varchar(3) AS v FROM items")
    before = said(pg, **SHOWN)
    assert before == {("blocks", "cuts")}
    actions.profile(f"{pg.url}#shown")
    assert said(pg, **SHOWN) == before


def test_what_grew_is_longer_than_what_was_observed(pg: Place) -> None:
    body = "BEGIN RETURN (p_d || '-suffix')::varchar(20); END"
    pg.run(f"CREATE FUNCTION save(p_d text) RETURNS text LANGUAGE plpgsql AS $$ {body} $$")
    actions.profile(f"{pg.url}#items")
    assert pg.run("SELECT save(d) FROM items") == [("2026-01-01 23:59:59-",)]
    assert said(pg, "d", through="save") == {("blocks", "cuts")}


# Names


def test_tables_of_one_name_in_two_schemas_are_two(pg: Place) -> None:
    pg.run(
        "CREATE SCHEMA stg",
        "CREATE TABLE hi (id int PRIMARY KEY, d varchar(50))",
        "CREATE TABLE stg.hi (id int PRIMARY KEY, d varchar(4000))",
        "CREATE VIEW shown AS SELECT s.id, s.d::varchar(100) AS v FROM stg.hi s JOIN hi i ON i.id = s.id",
        "CREATE VIEW other AS SELECT s.id, i.d::varchar(100) AS v FROM stg.hi s JOIN hi i ON i.id = s.id",
    )
    assert said(pg, **SHOWN) == {("blocks", "cuts")}
    assert said(pg, tables="other", into={"other": "sink"}) == set()


def test_a_view_of_another_schema_is_not_taken_for_the_table_that_is_read(pg: Place) -> None:
    pg.run(
        "CREATE SCHEMA stg",
        "CREATE VIEW stg.items AS SELECT id, left(d, 3) AS d FROM items",
        "CREATE VIEW shown AS SELECT a.id, a.d AS v, b.d AS w FROM items a JOIN stg.items b USING (id)",
    )
    assert said(pg, **SHOWN) == set()
    assert said(pg, "w", **SHOWN) == {("blocks", "cuts")}


def test_columns_that_differ_in_case_alone_are_two(pg: Place) -> None:
    pg.run('CREATE VIEW shown AS SELECT id, d AS "V", left(d, 3) AS v FROM items')
    assert said(pg, **SHOWN) == {("blocks", "cuts")}
    assert said(pg, "V", **SHOWN) == set()
    pg.run("CREATE VIEW outer_view AS SELECT id, v AS w FROM shown")
    assert ("blocks", "cuts") in said(pg, "w", tables="outer_view", into={"outer_view": "sink"})


# MariaDB


@pytest.mark.parametrize(
    ("column", "parameter", "given", "stored", "kind"),
    [
        ("varchar(50)", "decimal(10,2)", "1.239", "1.24", "rounds"),
        ("varchar(50)", "int", "1.6", "2", "rounds"),
        ("varchar(50)", "date", "2026-01-01 23:59:59", "2026-01-01", "cuts"),
        ("varchar(50)", "time", "2026-01-01 10:11:12", "10:11:12", "cuts"),
        ("datetime(6)", "time", "2026-01-01 10:11:12", "10:11:12", "cuts"),
    ],
)
def test_a_strict_server_reads_texts_without_an_error(
    maria: Place, column: str, parameter: str, given: str, stored: str, kind: str
) -> None:
    maria.run(
        f"CREATE TABLE items (id int PRIMARY KEY, v {column})",
        f"CREATE TABLE sink (id int PRIMARY KEY, v {column})",
        f"CREATE PROCEDURE save(p_id int, p_v {parameter}) BEGIN INSERT INTO sink VALUES (p_id, p_v); END",
    )
    maria.run("INSERT INTO items VALUES (1, %s)", values=(given,))
    maria.run("SELECT v INTO @v FROM items", "CALL save(1, @v)", mode="STRICT_ALL_TABLES")
    ((came,),) = maria.run("SELECT CAST(v AS char) FROM sink")
    assert str(came).split(" ")[-1].removesuffix(".000000") == stored
    assert ("blocks", kind) in said(maria, through="save")


HELD = {
    "tinyint": "-7", "smallint unsigned": "65535", "int": "123456", "bigint": "20260517101112", "tinyint(1)": "1",
    "decimal(18,4)": "1234.5678", "float": "0.1", "double": "123456789.123456789", "date": "2026-05-17", "year": "2026",
    "time(6)": "23:59:59.123456", "datetime(6)": "2026-05-17 23:59:59.123456", "char(20)": "12.3456", "json": "12.5",
    "timestamp(6)": "2026-05-17 23:59:59.123456", "varchar(40)": "2026-05-17 23:59:59.1234567", "text": "00012.50",
    "varbinary(20)": "aé", "blob": "abc", "enum('a','12')": "12", "uuid": "7b1c8a4e-3d2f-4a5b-9c6d-7e8f9a0b1c2d",
}  # fmt: skip
SMALLER = ("decimal(6,2)", "varchar(3)", "time", "datetime", "timestamp", "varbinary(2)", "tinytext")


@pytest.mark.parametrize("native", HELD)
def test_no_pair_of_types_of_mariadb_is_fine_that_loses_a_value(maria: Place, native: str) -> None:
    """Into a column of the other type and back again, in strict mode."""
    missed = []
    for to in (*HELD, *SMALLER):
        made = [
            f"CREATE TEMPORARY TABLE {name} (v {type_})" for name, type_ in (("a", native), ("b", to), ("c", native))
        ]
        made += [f"INSERT INTO a VALUES ('{HELD[native]}')", "INSERT INTO b SELECT v FROM a"]
        made += ["INSERT INTO c SELECT v FROM b", "SELECT CAST(a.v AS char), CAST(c.v AS char) FROM a, c"]
        try:
            ((was, came),) = maria.run(*made, mode="STRICT_ALL_TABLES")
        except pymysql.Error:
            continue
        source = placed("mysql", native, kind="source column", name="v")
        levels = {
            each.level for each in judged("v", (source, placed("mysql", to, kind="variable", name="v")), (), None)
        }
        if came != was and not levels & {"blocks", "unknown"}:
            missed.append((to, was, came, levels))
    assert missed == []


def test_a_number_of_mariadb_that_meets_a_float_becomes_one(maria: Place) -> None:
    maria.run(
        "CREATE TABLE items (id int PRIMARY KEY, n decimal(30,10), w decimal(30,10))",
        "CREATE VIEW shown AS SELECT id, COALESCE(n, 0e0) AS v, COALESCE(w, 0) AS w FROM items",
    )
    assert ("blocks", "rounds") in said(maria, **SHOWN)
    assert said(maria, "w", **SHOWN) == set()


@pytest.mark.parametrize(
    ("view", "stored"),
    [
        ("SELECT id, (SELECT m UNION ALL SELECT p LIMIT 1 OFFSET 1) AS v FROM items", "9" * 35 + "." + "9" * 30),
        ("SELECT id, v FROM (SELECT id, v FROM inner_view) x", "9" * 35 + "." + "9" * 30),
    ],
)
def test_a_number_without_room_in_a_view_of_mariadb_becomes_the_nearest_one(
    maria: Place, view: str, stored: str
) -> None:
    maria.run(
        "CREATE TABLE items (id int PRIMARY KEY, m decimal(65,30), p decimal(65,0))",
        f"INSERT INTO items VALUES (1, 0.5, {'9' * 60})",
        "CREATE VIEW inner_view AS SELECT id, (SELECT m UNION ALL SELECT p LIMIT 1 OFFSET 1) AS v FROM items",
        f"CREATE VIEW shown AS {view}",
    )
    assert [str(v) for _, v in maria.run("SELECT id, v FROM shown", mode="STRICT_ALL_TABLES")] == [stored]
    assert ("blocks", "narrows") in said(maria, **SHOWN)


def test_a_column_of_a_view_refuses_no_null(maria: Place) -> None:
    maria.run(
        "CREATE TABLE items (id int PRIMARY KEY, d varchar(9))",
        "CREATE VIEW inner_view AS SELECT id, COALESCE(d, '') AS v FROM items",
        "CREATE VIEW shown AS SELECT id, v FROM inner_view",
    )
    assert said(maria, **SHOWN) == set()


@pytest.mark.parametrize(
    ("expression", "came", "found"),
    [
        ("BINARY d", "aé😀".encode(), set()),
        ("CAST(y AS binary)", b"\xffab", set()),
        ("CAST(d AS binary(1))", b"a", {("blocks", "cuts")}),
        ("CAST(y AS char(3))", "?ab", {("blocks", "characters")}),
    ],
)
def test_bytes_of_mariadb_stay_as_they_are(
    maria: Place, expression: str, came: bytes | str, found: set[tuple[str, str]]
) -> None:
    maria.run(
        "CREATE TABLE items (id int PRIMARY KEY, d varchar(40) CHARACTER SET utf8mb4, y varbinary(3))",
        "INSERT INTO items VALUES (1, 'aé😀', x'ff6162')",
        f"CREATE VIEW shown AS SELECT id, {expression} AS v FROM items",
    )
    assert maria.run("SELECT v FROM shown") == [(came,)]
    assert said(maria, **SHOWN) == found


@pytest.mark.parametrize("system", ["pg", "maria"])
def test_a_whole_number_is_not_rounded(system: str, request: pytest.FixtureRequest) -> None:
    at = request.getfixturevalue(system)
    at.run("CREATE TABLE whole (id int PRIMARY KEY, n bigint)", "INSERT INTO whole VALUES (1, 9223372036854775807)")
    at.run("CREATE VIEW shown AS SELECT id, round(n, 2) AS v FROM whole")
    ((came,),) = at.run("SELECT v FROM shown")
    assert (int(came), said(at, **SHOWN)) == (9223372036854775807, set())


# The canary


def outcomes(at: Place, **words: Any) -> set[tuple[str, str, str]]:
    return {(each.column, each.at, each.outcome) for each in at.task(canary=True, **words).arrivals}


def test_a_result_is_compared_with_the_column_that_it_is_made_of(pg: Place) -> None:
    pg.run("CREATE TABLE sink (LIKE items INCLUDING ALL)")
    made = "CREATE FUNCTION {}(p_id int, p_d text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN {}; END $$"
    pg.run(made.format("back", "p_d"), made.format("cut", "left(p_d, 3)"), made.format("pair", "p_id || p_d"))
    results = {
        name: [each for each in outcomes(pg, through=name) if name in each[1]] for name in ("back", "cut", "pair")
    }
    assert results["back"] == [("d", "the result of 'public.back'", "whole")]
    assert results["cut"] == [("d", "the result of 'public.cut'", "cut")]
    assert [each[2] for each in results["pair"]] == ["not sent"]


def test_a_bool_of_mariadb_comes_back_as_a_number(maria: Place) -> None:
    columns = "(id int PRIMARY KEY, d varchar(400), ok tinyint(1))"
    maria.run(f"CREATE TABLE items {columns}", f"CREATE TABLE sink {columns}")
    assert {each[2] for each in outcomes(maria)} == {"whole"}


def test_spans_and_lists_are_sent_and_words_of_a_list_are_not(pg: Place) -> None:
    pg.run(
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE TABLE from_here (id int PRIMARY KEY, g interval(3) NOT NULL, y interval year NOT NULL, "
        "a text[] NOT NULL, b varchar(9)[] NOT NULL, c int[] NOT NULL, m mood, i inet, x xml)",
        "CREATE TABLE sink (LIKE from_here INCLUDING ALL)",
    )
    words: dict[str, Any] = {"tables": "from_here", "into": {"from_here": "sink"}}
    told = outcomes(pg, **words)
    assert {each[0] for each in told if each[2] == "whole"} == {"id", "g", "y", "a", "b", "c"}
    assert {each for each in told if each[2] != "whole"} == {(name, "sink", "not sent") for name in "mix"}
    pg.run("ALTER TABLE sink ALTER g TYPE interval(0), ALTER b TYPE varchar(9)[]")
    assert ("g", "sink", "changed") in outcomes(pg, **words)
    pg.run("ALTER TABLE sink ALTER m SET NOT NULL", "ALTER TABLE from_here ALTER m SET NOT NULL")
    assert {each[2] for each in outcomes(pg, **words)} == {"not sent"}


def test_a_routine_that_needs_a_value_that_is_not_made_is_not_said_to_refuse(pg: Place) -> None:
    pg.run(
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE TABLE moods (id int PRIMARY KEY, m mood)",
        "CREATE TABLE sink (LIKE moods INCLUDING ALL)",
        "CREATE TABLE log (id int, m mood NOT NULL)",
        "CREATE FUNCTION save(p_id int, p_m mood) RETURNS void LANGUAGE sql AS "
        "$$ INSERT INTO log (id, m) VALUES (p_id, p_m) $$",
    )
    told = outcomes(pg, tables="moods", into={"moods": "sink"}, through="save")
    assert {each[2] for each in told if "save" in each[1]} == {"not sent"}


def test_an_observation_of_the_source_still_makes_a_cut_a_note(pg: Place) -> None:
    body = "BEGIN RETURN p_d::varchar(30); END"
    pg.run(f"CREATE FUNCTION save(p_d text) RETURNS text LANGUAGE plpgsql AS $$ {body} $$")
    actions.profile(f"{pg.url}#items")
    given = {"from": pg.url, "to": pg.url, "tables": "items", "into": {"items": "sink"}, "through": "save"}
    (task,) = actions.plan_move(Move.model_validate(given)).tasks
    assert [(each.level, each.kind) for each in task.findings if each.column == "d"] == [("notes", "cuts")]
