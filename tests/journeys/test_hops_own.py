"""What people made of their own, on real servers: functions, computed columns, and parameters by names of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.test_hops import Place

LONG = "abcdef" * 10
VIEW = {"tables": "v", "into": {"v": "sink"}}


@pytest.fixture
def pg(own_store: Path, place: Callable[[str], str]) -> Place:
    return Place(place("postgres")).filled()


@pytest.fixture
def maria(own_store: Path, place: Callable[[str], str]) -> Place:
    return Place(place("mysql")).filled()


def levels(at: Place, **words: Any) -> set[str]:
    return {each.level for each in at.task(**words).findings if each.column in ("d", "")}


def named(at: Place, **words: Any) -> list[str]:
    return [each.what for each in at.task(**words).findings if "not the system's" in each.what]


# Functions


@pytest.mark.parametrize("name", ["upper", "initcap", "nvl", '"coalesce"', "left"])
def test_a_function_of_postgres_by_a_name_of_the_systems(pg: Place, name: str) -> None:
    cuts = "LANGUAGE sql IMMUTABLE AS $$ SELECT pg_catalog.left($1::text, 3) $$"
    given, call = ("varchar, int", "d, 60") if name == "left" else ("varchar, varchar", "d, 'x'") if "v" in name else (
        "varchar", "d")  # fmt: skip
    pg.run(
        f"CREATE FUNCTION public.{name}({given}) RETURNS varchar {cuts}",
        f"CREATE VIEW v AS SELECT id, {name}({call}) AS d FROM items",
        "CREATE FUNCTION save(p_id int, p_d varchar) RETURNS void LANGUAGE plpgsql AS "
        f"$$ BEGIN INSERT INTO sink (id, d) VALUES (p_id, {name}({call.replace('d', 'p_d', 1)})); END $$",
    )
    pg.run("SELECT save(1, %s)", values=(LONG,))
    assert pg.run("SELECT d FROM sink") == [("abc",)]
    assert len(named(pg, **VIEW)) == len(named(pg, through="save")) == 1


def test_functions_of_postgres_by_other_names_and_those_of_extensions(pg: Place) -> None:
    pg.run(
        "CREATE FUNCTION public.tidy(text) RETURNS text LANGUAGE sql AS $$ SELECT $1 $$",
        "CREATE VIEW v AS SELECT id, upper(d)::varchar(4000) AS d FROM items",
    )
    assert named(pg, **VIEW) == []


@pytest.mark.parametrize("name", ["initcap", "any_value", "upper"])
def test_a_function_of_mariadb_by_a_name_of_other_systems(maria: Place, name: str) -> None:
    maria.run(
        f"CREATE FUNCTION {name} (x text) RETURNS text RETURN left(x, 3)",
        f"CREATE PROCEDURE save(p_id int, p_d text) INSERT INTO sink (id, d) VALUES (p_id, {name}(p_d))",
    )
    maria.run("CALL save(1, %s)", values=(LONG,))
    assert maria.run("SELECT d FROM sink") == [(LONG.upper() if name == "upper" else "abc",)]
    assert len(named(maria, through="save")) == 1


# Computed columns

BETWEEN = "INSERT INTO mid (id, a) VALUES (p_id, p_d); INSERT INTO sink (id, d) SELECT id, {} FROM mid WHERE id = p_id;"


@pytest.mark.parametrize(
    ("column", "stored", "level"),
    [
        ("d text GENERATED ALWAYS AS (left(a, 3)) STORED", "abc", "blocks"),
        ("d varchar(4000) GENERATED ALWAYS AS (a::varchar(5)) STORED", "abcde", "blocks"),
        ("d text GENERATED ALWAYS AS (md5(a)) STORED", None, "unknown warns"),
        ("d text GENERATED ALWAYS AS (coalesce(a, '')) STORED", LONG, ""),
        ("d varchar(5) GENERATED ALWAYS AS (a) STORED", "22001", "warns"),
    ],
)
def test_a_column_that_postgres_computes(pg: Place, column: str, stored: str | None, level: str) -> None:
    pg.run(
        f"CREATE TABLE mid (id int, a varchar(4000), {column})",
        "CREATE VIEW v AS SELECT id, d::varchar(4000) AS d FROM mid",
        "CREATE FUNCTION save(p_id int, p_d varchar) RETURNS void LANGUAGE plpgsql AS "
        f"$$ BEGIN {BETWEEN.format('d')} END $$",
    )
    if stored == "22001":
        assert pg.error(f"SELECT save(1, '{LONG}')") == stored
    else:
        pg.run("SELECT save(1, %s)", values=(LONG,))
        assert stored is None or pg.run("SELECT d FROM sink") == [(stored,)]
    assert levels(pg, through="save") == set(level.split())
    if "warns" not in level:
        assert levels(pg, **VIEW) == set(level.split())


@pytest.mark.parametrize(
    ("column", "stored", "level"),
    [
        ("d varchar(4000) AS (left(a, 3)) VIRTUAL", "abc", "blocks"),
        ("d varchar(4000) AS (left(a, 3)) PERSISTENT", "abc", "blocks"),
        ("d varchar(3) AS (a) VIRTUAL", "abc", "blocks"),  # in strict mode too
        ("d varchar(3) AS (a) PERSISTENT", "1406", "warns"),
        ("b varchar(4000) AS (left(a, 3)), d varchar(4000) AS (b)", "abc", "blocks"),
        ("d varchar(4000) AS (coalesce(a, ''))", LONG, ""),
    ],
)
def test_a_column_that_mariadb_computes(maria: Place, column: str, stored: str, level: str) -> None:
    maria.run(
        f"CREATE TABLE mid (id int, a varchar(4000), {column})",
        "CREATE VIEW v AS SELECT id, d FROM mid",
        f"CREATE PROCEDURE save(p_id int, p_d varchar(4000)) BEGIN {BETWEEN.format('d')} END",
    )
    if stored == "1406":
        assert maria.error(f"CALL save(1, '{LONG}')") == stored
    else:
        maria.run("CALL save(1, %s)", values=(LONG,))
        assert maria.run("SELECT d FROM sink") == [(stored,)]
    assert levels(maria, through="save") == set(level.split())
    assert levels(maria, **VIEW) == set(level.split())


# Views that a routine reads, and character sets of tables between


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
@pytest.mark.parametrize(("value", "stored"), [("left(a, 3)", "abc"), ("coalesce(a, '')", LONG)])
def test_a_view_of_postgres_that_a_routine_reads(pg: Place, kind: str, value: str, stored: str) -> None:
    refresh = "" if kind == "VIEW" else "REFRESH MATERIALIZED VIEW outer_v; "
    body = f"INSERT INTO mid VALUES (p_id, p_d); {refresh}INSERT INTO sink (id, d) SELECT id, d FROM outer_v;"
    pg.run(
        "CREATE TABLE mid (id int, a varchar(4000))",
        f"CREATE VIEW inner_v AS SELECT id, {value} AS d FROM mid",
        f"CREATE {kind} outer_v AS SELECT id, d::varchar(4000) AS d FROM inner_v",
        f"CREATE FUNCTION save(p_id int, p_d varchar) RETURNS void LANGUAGE plpgsql AS $$ BEGIN {body} END $$",
    )
    pg.run("SELECT save(1, %s)", values=(LONG,))
    assert pg.run("SELECT d FROM sink") == [(stored,)]
    assert levels(pg, through="save") == (set() if stored == LONG else {"blocks"})


def test_a_view_of_mariadb_that_a_routine_reads(maria: Place) -> None:
    maria.run(
        "CREATE TABLE mid (id int, a varchar(4000))",
        "CREATE VIEW v AS SELECT id, CAST(a AS char(3)) AS d FROM mid",
        "CREATE PROCEDURE save(p_id int, p_d varchar(4000)) BEGIN INSERT INTO mid VALUES (p_id, p_d); "
        "INSERT INTO sink (id, d) SELECT id, d FROM v; END",
    )
    maria.run("CALL save(1, %s)", values=(LONG,))
    assert maria.run("SELECT d FROM sink") == [("abc",)]
    assert levels(maria, through="save") == {"blocks"}


@pytest.mark.parametrize(("mode", "level"), [("", "blocks"), ("STRICT_ALL_TABLES", "warns")])
def test_characters_that_a_table_between_does_not_have(maria: Place, mode: str, level: str) -> None:
    maria.run(
        "CREATE TABLE mid (id int, a varchar(4000) CHARACTER SET utf8mb3)",
        "CREATE PROCEDURE save(p_id int, p_d varchar(4000)) BEGIN INSERT INTO mid VALUES (p_id, p_d); "
        "INSERT INTO sink (id, d) SELECT id, a FROM mid; END",
        mode=mode,
    )
    if mode:
        assert maria.error("CALL save(1, %s)", values=("😀",)) == "1366"
    else:
        maria.run("CALL save(1, %s)", values=("😀",), mode=mode)
        assert maria.run("SELECT d FROM sink") == [("?",)]
    assert levels(maria, through="save") == {level}


PARAMETERS = "(p_id int, p_d text CHARACTER SET utf8mb4)"
VARIABLE = "BEGIN DECLARE v varchar(9){}; SET v = left({}, 9); {} END"
STORES = "INSERT INTO sink (id, d) VALUES (p_id, v);"


@pytest.mark.parametrize(
    ("made", "call", "kept"),
    [
        (f"PROCEDURE save{PARAMETERS} {VARIABLE.format('', 'p_d', STORES)}", "CALL save(1, %s)", False),
        (f"PROCEDURE save{PARAMETERS} {VARIABLE.format(' CHARACTER SET utf8mb4', 'p_d', STORES)}", "CALL save(1, %s)",
         True),
        (f"FUNCTION save{PARAMETERS} RETURNS text RETURN left(p_d, 9)", "INSERT INTO sink SELECT 1, save(1, %s)",
         False),
        (f"TRIGGER t BEFORE INSERT ON sink FOR EACH ROW {VARIABLE.format('', 'NEW.d', 'SET NEW.d = v;')}",
         "INSERT INTO sink VALUES (1, %s)", False),
    ],
)  # fmt: skip
def test_texts_without_a_character_set_have_the_databases(maria: Place, made: str, call: str, kept: bool) -> None:
    maria.run("ALTER DATABASE CHARACTER SET latin1", f"CREATE {made}", mode="")
    maria.run(call, values=("日",))
    assert maria.run("SELECT d FROM sink") == [("日" if kept else "?",)]
    words: dict[str, Any] = {} if "TRIGGER" in made else {"through": "save"}
    kinds = {each.kind for each in maria.task(**words).findings if each.column == "d" and each.level == "blocks"}
    assert ("characters" in kinds) is not kept


@pytest.mark.parametrize(
    ("expression", "found"),
    [("v", set()), ("concat(v)", set()), ("CONVERT(v USING latin1)", {"blocks"}), ("concat(w)", set()), ("w", set()),
     ("concat(s)", set()), ("left(w, 1)", {"blocks"})],
)  # fmt: skip
def test_a_view_of_what_is_narrow_already_loses_nothing(maria: Place, expression: str, found: set[str]) -> None:
    maria.run(
        "CREATE TABLE mid (id int, v varchar(9) CHARACTER SET utf8mb3, w enum('a', 'bcd'), s set('a', 'b'))",
        f"CREATE VIEW v AS SELECT id, {expression} AS d FROM mid",
    )
    assert levels(maria, **VIEW) == found


def test_a_trigger_of_a_table_that_a_trigger_fills_is_told(pg: Place) -> None:
    code = "CREATE FUNCTION {} RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} RETURN NULL; END $$"
    fires = "CREATE TRIGGER t AFTER INSERT ON {} FOR EACH ROW EXECUTE FUNCTION {}"
    pg.run(
        "CREATE TABLE log (i int)",
        code.format("logs()", "INSERT INTO log VALUES (NEW.id);"),
        fires.format("sink", "logs()"),
    )
    assert levels(pg) == set()
    pg.run(
        code.format("cuts()", "UPDATE sink SET d = left(d, 3) WHERE id = NEW.i;"),
        fires.format("log", "cuts()"),
        f"INSERT INTO sink VALUES (1, '{LONG}')",
    )
    assert pg.run("SELECT d FROM sink") == [("abc",)]
    assert levels(pg) == {"unknown"}


# Names of columns that parameters have too


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        ("INSERT INTO sink (id, d) VALUES (save.id, ''); UPDATE sink SET d = d WHERE sink.id = save.id", ""),
        ("INSERT INTO sink (id, d) VALUES (save.id, ''); UPDATE sink SET d = coalesce(d) WHERE d = d", ""),
        ("INSERT INTO sink (id, d) SELECT save.id, (SELECT d) FROM (SELECT 'x' AS d) s", "x"),
        ("INSERT INTO sink (id, d) VALUES (save.id, d)", LONG),
        ("INSERT INTO sink (id, d) VALUES (save.id, ''); UPDATE sink SET d = save.d WHERE sink.id = save.id", LONG),
    ],
)
def test_a_column_hides_a_parameter_in_sql(pg: Place, body: str, stored: str) -> None:
    pg.run(f"CREATE FUNCTION save(id int, d varchar) RETURNS void LANGUAGE sql AS $$ {body} $$")
    pg.run("SELECT save(1, %s)", values=(LONG,))
    assert pg.run("SELECT d FROM sink") == [(stored,)]
    assert levels(pg, through="save") == (set() if stored == LONG else {"unknown"})


@pytest.mark.parametrize(("value", "stored"), [("d", LONG), ("sink.d", "")])
def test_a_parameter_hides_a_column_in_mariadb(maria: Place, value: str, stored: str) -> None:
    body = f"INSERT INTO sink (id, d) VALUES (p_id, ''); UPDATE sink SET d = {value} WHERE id = p_id;"
    maria.run(f"CREATE PROCEDURE save(p_id int, d varchar(4000)) BEGIN {body} END")
    maria.run("CALL save(1, %s)", values=(LONG,))
    assert maria.run("SELECT d FROM sink") == [(stored,)]
    assert levels(maria, through="save") == (set() if stored == LONG else {"unknown"})
