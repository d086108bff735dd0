"""Bodies as people write them, on real servers: what is lost in them without an error must be told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.test_hops import ROW, Place

PUT = "INSERT INTO sink (id, d) VALUES"
OTHER = """CREATE FUNCTION other(a int, b text) RETURNS bool LANGUAGE sql AS
    $$ INSERT INTO sink (id, d) VALUES (a, left(b, 3)); SELECT true $$"""
LONG = "abcdef" * 10


@pytest.fixture
def pg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[[str], str]) -> Place:
    monkeypatch.setenv("LADING_STORE", f"sqlite:///{tmp_path / 'store.db'}")
    made = Place(place("postgres"))
    columns = "id integer PRIMARY KEY, d varchar(4000), e varchar(4000), n numeric(18,4)"
    made.run(f"CREATE TABLE items ({columns})", f"CREATE TABLE sink ({columns})")
    return made


@pytest.fixture
def maria(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[[str], str]) -> Place:
    monkeypatch.setenv("LADING_STORE", f"sqlite:///{tmp_path / 'store.db'}")
    made = Place(place("mysql"))
    columns = "id int PRIMARY KEY, d varchar(4000), n decimal(18,4)"
    made.run(f"CREATE TABLE items ({columns}) CHARACTER SET utf8mb4", "CREATE TABLE sink LIKE items")
    return made


def levels(at: Place, column: str = "d") -> set[str]:
    return {each.level for each in at.task(through="save").findings if each.column in (column, "")}


def saves(pg: Place, body: str) -> None:
    pg.run(f"CREATE FUNCTION save(p_id int, p_d text) RETURNS void LANGUAGE plpgsql AS $body$ {body} $body$")


@pytest.mark.parametrize(
    ("body", "stored", "level"),
    [
        # What another function writes, called where nobody looks.
        ("BEGIN IF other(p_id, p_d) THEN RAISE NOTICE 'x'; END IF; END", "abc", "unknown"),
        ("DECLARE v bool; BEGIN SELECT other(p_id, p_d) INTO v; END", "abc", "unknown"),
        ("BEGIN RAISE NOTICE '%', other(p_id, p_d); END", "abc", "unknown"),
        (f"BEGIN {PUT} (p_id, 'abc'); END", "abc", "unknown"),
        # A table of its own, however it is made.
        (("BEGIN CREATE TEMP TABLE w ON COMMIT DROP AS SELECT p_id AS id, left(p_d, 3) AS d; "
         "INSERT INTO sink (id, d) SELECT id, d FROM w; END"), "abc", "blocks"),
        # There, back, and there again.
        (f"DECLARE a text := p_d; b text; BEGIN b := a; a := left(b, 3); b := a; {PUT} (p_id, b); END", "abc",
         "blocks"),
        # A type that other systems have.
        (f"BEGIN {PUT} (p_id, p_d::short); END", "abc", "unknown"),
        (f"BEGIN {PUT} (p_id, p_d::bpchar(3)); END", "abc", "blocks"),
        (f"BEGIN {PUT} (p_id, p_d); UPDATE sink SET (d, n) = ROW(left(p_d, 3), 1) WHERE id = p_id; END", "abc",
         "blocks"),
        # Rows whose fields are filled one by one.
        ("DECLARE r sink%ROWTYPE; BEGIN r.d := left(p_d, 3); r.id := p_id; INSERT INTO sink VALUES (r.*); END", "abc",
         "blocks"),
        ("DECLARE r sink; BEGIN r.d := left(p_d, 3); r.id := p_id; INSERT INTO sink SELECT r.*; END", "abc", "blocks"),
        (f"DECLARE v half.d%TYPE; BEGIN v := p_d; {PUT} (p_id, v); END", "abcd  ", "warns"),
        (f"DECLARE x text; BEGIN FOREACH x IN ARRAY ARRAY[left(p_d, 3)] LOOP {PUT} (p_id, x); END LOOP; END", "abc",
         "blocks"),
        (("DECLARE r record; BEGIN FOR r IN SELECT left(p_d, 3) AS d, '..' AS x LOOP "
         f"{PUT} (p_id, r.d); END LOOP; END"), "abc", "blocks"),
    ],
)  # fmt: skip
def test_what_a_body_loses_is_told(pg: Place, body: str, stored: str, level: str) -> None:
    pg.run(OTHER, "CREATE DOMAIN short AS varchar(3)", "CREATE TABLE half (d varchar(6))")
    saves(pg, body)
    pg.run("SELECT save(1, %s)", values=("abcd  " + " " * 9 if level == "warns" else LONG,))
    assert pg.run("SELECT d FROM sink") == [(stored,)]
    assert level in levels(pg)
    assert {each.outcome for each in pg.task(canary=True, through="save").arrivals} <= {
        "whole", "cut", "changed", "refused", "not sent"
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        f"BEGIN PERFORM 1 FROM sink WHERE id = p_id; IF NOT FOUND THEN {PUT} (p_id, p_d); END IF; END",
        f"BEGIN PERFORM pg_advisory_xact_lock(p_id); PERFORM pg_notify('x', 'y'); {PUT} (p_id, p_d); END",
        "DECLARE r sink%ROWTYPE; BEGIN r.d := p_d; r.id := p_id; INSERT INTO sink VALUES (r.*); END",
        f"BEGIN FOR i IN 1..1 LOOP {PUT} (p_id, p_d); END LOOP; END",
        f"BEGIN {PUT} (p_id, replace(p_d, E'\\n', ' ')); REFRESH MATERIALIZED VIEW seen; END",
        f"DECLARE v half.w%TYPE; BEGIN v := p_d; {PUT} (p_id, v); END",
        (f"DECLARE c CURSOR FOR SELECT id FROM sink WHERE id = p_id; k int; BEGIN {PUT} (p_id, 'x'); OPEN c; "
         "FETCH c INTO k; UPDATE sink SET d = p_d WHERE CURRENT OF c; CLOSE c; END"),
    ],
)  # fmt: skip
def test_what_a_body_keeps_is_no_finding(pg: Place, body: str) -> None:
    pg.run("CREATE MATERIALIZED VIEW seen AS SELECT 1", "CREATE TABLE half (w varchar(4000))")
    saves(pg, body)
    pg.run("SELECT save(1, %s)", values=(LONG,))
    assert pg.run("SELECT d FROM sink") == [(LONG,)]
    assert levels(pg) == set()
    arrivals = pg.task(canary=True, through="save").arrivals
    assert {each.outcome for each in arrivals} == {"whole"}, arrivals


CAUGHT = "DECLARE v varchar(3) := 'x'; BEGIN {} END"
INSIDE = f"BEGIN v := p_d; EXCEPTION WHEN {{}} THEN {{}} END; {PUT} (p_id, v);"


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        (INSIDE.format("OTHERS", "NULL;"), "x"),
        (INSIDE.format("string_data_right_truncation", "RAISE NOTICE 'long';"), "x"),
        (INSIDE.format("SQLSTATE '22001' OR unique_violation", "v := left(p_d, 2);"), "ab"),
        (f"v := p_d; {PUT} (p_id, v); EXCEPTION WHEN OTHERS THEN {PUT} (p_id, 'lost');", "lost"),
        (f"BEGIN v := p_d; {PUT} (p_id, v); EXCEPTION WHEN OTHERS THEN {PUT} (p_id, 'lost'); END;", "lost"),
        (INSIDE.format("unique_violation", "NULL;"), ""),
        (INSIDE.format("OTHERS", "RAISE;"), ""),
        (INSIDE.format("OTHERS", "RAISE EXCEPTION 'no';"), ""),
        (f"BEGIN PERFORM 1; EXCEPTION WHEN OTHERS THEN NULL; END; v := p_d; {PUT} (p_id, v);", ""),
    ],
)
def test_an_error_that_is_caught_is_no_refusal(pg: Place, body: str, stored: str) -> None:
    """Where it is raised again, or another one is caught, it is one."""
    saves(pg, CAUGHT.format(body))
    if stored:
        pg.run("SELECT save(1, 'abcdef')")
        assert pg.run("SELECT d FROM sink") == [(stored,)]
    else:
        assert pg.error("SELECT save(1, 'abcdef')") in ("22001", "P0001")
    found = [each for each in pg.told("d", through="save") if each.at and each.at.name == "v"]
    assert [(each.level, "catches that and raises no error" in each.how) for each in found] == [
        ("blocks", True) if stored else ("warns", False)
    ]


HANDLED = f"BEGIN DECLARE v varchar(3); {{}} SET v = p_d; {PUT} (p_id, v); END"


@pytest.mark.parametrize(
    ("handler", "stored"),
    [
        ("DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;", [(None,)]),
        ("DECLARE CONTINUE HANDLER FOR NOT FOUND, 1406 SET @bad = 1;", [(None,)]),
        ("DECLARE l CONDITION FOR SQLSTATE '22001'; DECLARE CONTINUE HANDLER FOR l BEGIN END;", [(None,)]),
        ("DECLARE EXIT HANDLER FOR SQLEXCEPTION SELECT 'sorry';", []),
        ("DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;", None),
        ("DECLARE CONTINUE HANDLER FOR NOT FOUND SET @bad = 1;", None),
        ("DECLARE CONTINUE HANDLER FOR 1062 SET @bad = 1;", None),
        ("BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; SET @bad = 1; END;", None),
    ],
)
def test_an_error_that_a_handler_takes_is_no_refusal(
    maria: Place, handler: str, stored: list[tuple[str | None]] | None
) -> None:
    body = HANDLED.format(handler)
    maria.run(f"CREATE PROCEDURE save(p_id int, p_d varchar(4000)) {body}", mode="STRICT_ALL_TABLES")
    if stored is None:
        assert maria.error("CALL save(1, 'abcdef')") == "1406"
    else:
        maria.run("CALL save(1, 'abcdef')")
        assert maria.run("SELECT d FROM sink") == stored
    (found,) = maria.told("d", through="save")
    assert (found.level, "catches that" in found.how) == (("warns", False) if stored is None else ("blocks", True))


@pytest.mark.parametrize(
    ("setting", "strict"),
    [
        ("sql_mode = ''", False),
        ("SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'", False),
        ("@@sql_mode = ''", False),
        ("@@session.sql_mode = REPLACE(@@sql_mode, 'STRICT_ALL_TABLES', '')", False),
        ("@old_sql_mode = @@sql_mode", True),
        ("sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')", True),
    ],
)
def test_a_routine_that_changes_its_own_sql_mode(maria: Place, setting: str, strict: bool) -> None:
    body = f"BEGIN DECLARE v varchar(3); SET {setting}; SET v = p_d; {PUT} (p_id, v); END"
    maria.run(f"CREATE PROCEDURE save(p_id int, p_d varchar(4000)) {body}", mode="STRICT_ALL_TABLES")
    if strict:
        assert maria.error("CALL save(1, 'abcdef')") == "1406"
    else:
        maria.run("CALL save(1, 'abcdef')")
        assert maria.run("SELECT d FROM sink") == [("abc",)]
    assert maria.found("d", through="save") == [("warns" if strict else "blocks", "cuts", "v")]


@pytest.mark.parametrize(
    "body",
    [
        "BEGIN DECLARE r ROW TYPE OF sink; SET r.d = LEFT(p_d, 3); INSERT INTO sink (id, d) VALUES (p_id, r.d); END",
        "BEGIN DECLARE v TYPE OF sink.d; SET v = LEFT(p_d, 3); INSERT INTO sink (id, d) VALUES (p_id, v); END",
    ],
)
def test_types_of_mariadb_that_are_taken_from_a_table(maria: Place, body: str) -> None:
    maria.run(f"CREATE PROCEDURE save(p_id int, p_d varchar(4000)) {body}", "CALL save(1, 'abcdef')")
    assert maria.run("SELECT d FROM sink") == [("abc",)]
    assert levels(maria) == {"blocks"}


# Triggers


@pytest.mark.parametrize(
    ("bodies", "stored"),
    [
        (["NEW.e := left(NEW.d, 3);", "NEW.d := NEW.e;"], "abc"),
        (["NEW.d := NEW.e;"], "e"),
        (["NEW.d := 'x';"], "x"),
    ],
)
def test_a_value_that_takes_the_place_of_the_rows_is_told(pg: Place, bodies: list[str], stored: str) -> None:
    for n, body in enumerate(bodies):
        made = f"CREATE FUNCTION t{n}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$"
        pg.run(made, f"CREATE TRIGGER t{n} {ROW.format('sink')} EXECUTE FUNCTION t{n}()")
    pg.run("INSERT INTO sink (id, d, e) VALUES (1, 'abcdef', 'e')")
    assert pg.run("SELECT d FROM sink") == [(stored,)]
    assert {each.level for each in pg.task(mode="append").findings if each.column == "d"} == {"unknown"}


# The canary


@pytest.mark.parametrize(
    "routine",
    [
        "FUNCTION save(p_d text) RETURNS record LANGUAGE plpgsql AS $$ BEGIN RETURN (1, left(p_d, 5)); END $$",
        "FUNCTION save(p_d text) RETURNS TABLE (id int, d text) LANGUAGE sql AS $$ SELECT 1, left(p_d, 5) $$",
        "FUNCTION save(p_d text) RETURNS w LANGUAGE plpgsql AS $$ DECLARE r w; BEGIN r.d := p_d; RETURN r; END $$",
    ],
)
def test_a_result_of_several_columns_is_not_compared(pg: Place, routine: str) -> None:
    pg.run("CREATE TABLE w (d text)", f"CREATE {routine}")
    (came,) = [each for each in pg.task(canary=True, through="save").arrivals if each.outcome != "whole"]
    assert (came.outcome, came.at) == ("not sent", "'public.save'")


@pytest.mark.parametrize("name", ["p_id", "save.p_id"])
def test_a_key_that_is_only_looked_for_goes_somewhere(pg: Place, name: str) -> None:
    saves(pg, f"BEGIN UPDATE sink SET d = p_d WHERE sink.id = {name}; END")
    assert levels(pg, "id") == levels(pg) == set()


def test_a_column_that_a_routine_was_not_given_is_not_compared(pg: Place) -> None:
    saves(pg, f"BEGIN {PUT} (p_id, p_d) ON CONFLICT (id) DO UPDATE SET n = sink.n + 1; END")
    arrivals = [each for each in pg.task(canary=True, through="save").arrivals if "save" in each.at]
    assert [(each.column, each.outcome) for each in arrivals] == [("id", "whole"), ("d", "whole")]


@pytest.mark.parametrize("engine", ["ENGINE=MEMORY", "ENGINE Aria", "MyISAM", "ENGINE = InnoDB"])
def test_tables_without_transactions_cut_later_rows(maria: Place, engine: str) -> None:
    own = engine.startswith("ENGINE")
    made = f"CREATE TEMPORARY TABLE t (id int, d varchar(5)) {engine};" if own else ""
    if not own:
        maria.run(f"CREATE TABLE t (id int, d varchar(5)) ENGINE={engine}")
    body = f"{made} INSERT INTO t VALUES (0, 'a'), (1, p_d); INSERT INTO sink (id, d) SELECT id, d FROM t WHERE id = 1;"
    maria.run(f"CREATE PROCEDURE save(p_d text) BEGIN {body} END", mode="STRICT_TRANS_TABLES")
    if "InnoDB" in engine:
        assert maria.error("CALL save('abcdefgh')") == "1406"
    else:
        maria.run("CALL save('abcdefgh')", mode="STRICT_TRANS_TABLES")
        assert maria.run("SELECT d FROM sink") == [("abcde",)]
    assert levels(maria) == ({"warns"} if "InnoDB" in engine else {"warns", "unknown"})


RECURSIVE = (
    "INSERT INTO sink (id, d) "
    "WITH RECURSIVE r AS (SELECT 1 AS n, {} AS v UNION ALL SELECT n + 1, {} FROM r WHERE n < 2) "
    "SELECT 1, v FROM r WHERE n = 2;"
)


@pytest.mark.parametrize(
    ("body", "stored", "level"),
    [
        ("DECLARE r ROW (a varchar(5), b text); SET r.a = p_d; INSERT INTO sink (id, d) VALUES (1, r.a);", "abcde",
         "blocks"),
        ("DECLARE r ROW (a varchar(5), b text); SET r.b = p_d; INSERT INTO sink (id, d) VALUES (1, r.b);", "abcdefgh",
         ""),
        (("CREATE TEMPORARY TABLE w SELECT 'a' AS v; INSERT INTO w VALUES (p_d); INSERT INTO sink (id, d) "
          "SELECT 1, max(v) FROM w;"), "a", "unknown"),
        (RECURSIVE.format("'a'", "p_d"), "a", "blocks"),
        (RECURSIVE.format("NULL", "p_d"), "", "unknown"),
        (RECURSIVE.format("p_d", "v"), "abcdefgh", ""),
    ],
)  # fmt: skip
def test_rows_and_recursion_of_mariadb(maria: Place, body: str, stored: str, level: str) -> None:
    maria.run(f"CREATE PROCEDURE save(p_d text) BEGIN {body} END", mode="")
    maria.run("CALL save('abcdefgh')", mode="")
    assert maria.run("SELECT d FROM sink") == [(stored,)]
    assert levels(maria) == ({level} if level else set())
