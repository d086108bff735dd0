"""What a canary leaves behind, on real servers: nothing that anybody would notice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.test_hops import Place

WRITES = "CREATE FUNCTION wr(x text) RETURNS text BEGIN INSERT INTO log VALUES (left(x, 20)); RETURN x; END"
SAVE = "CREATE PROCEDURE save(p_id int, p_d varchar(4000)) INSERT INTO {} VALUES (p_id, {})"
MID = "CREATE TABLE mid (id int, d text)"


@pytest.fixture
def pg(own_store: Path, place: Callable[[str], str]) -> Place:
    return Place(place("postgres")).filled()


@pytest.fixture
def maria(own_store: Path, place: Callable[[str], str]) -> Place:
    return Place(place("mysql")).filled()


def outcomes(at: Place, *through: str) -> set[tuple[str, str]]:
    return {(each.at, each.outcome) for each in at.task(canary=True, through=list(through)).arrivals}


@pytest.mark.parametrize(
    ("made", "through"),
    [
        ([WRITES, SAVE.format("sink", "wr(p_d)")], ["save"]),
        ([MID, WRITES, SAVE.format("mid", "p_d"),
          "CREATE TRIGGER t AFTER INSERT ON mid FOR EACH ROW SET @x = wr(NEW.d)"], ["save"]),
        ([WRITES, "CREATE TRIGGER t BEFORE INSERT ON sink FOR EACH ROW SET NEW.d = wr(NEW.d)"], []),
        (["CREATE PROCEDURE wp(x text) INSERT INTO log VALUES (left(x, 20))",
          "CREATE TRIGGER t AFTER INSERT ON sink FOR EACH ROW CALL wp(NEW.d)"], []),
        ([MID, "CREATE TRIGGER u AFTER INSERT ON mid FOR EACH ROW INSERT INTO log VALUES (left(NEW.d, 20))",
          "CREATE TRIGGER t AFTER INSERT ON sink FOR EACH ROW INSERT INTO mid VALUES (1, NEW.d)"], []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("engine", ["MyISAM", "InnoDB"])
def test_nothing_stays_in_a_table_that_undoes_nothing(
    maria: Place, made: list[str], through: list[str], engine: str
) -> None:
    maria.run(f"CREATE TABLE log (x text) ENGINE={engine}", *made)
    at = "'play.save'".replace("play", str(maria.words["database"])) if through else "sink"
    sent = {outcome for place, outcome in outcomes(maria, *through) if at in place or not through}
    assert sent == ({"refused"} if engine == "MyISAM" else {"whole"})
    assert maria.run("SELECT * FROM log") == maria.run("SELECT * FROM sink") == []


def test_counters_of_mariadb_do_not_go_on_from_a_canary(maria: Place) -> None:
    maria.run(
        "CREATE TABLE mid (id int unsigned AUTO_INCREMENT PRIMARY KEY, d text)",
        "ALTER TABLE sink MODIFY id int AUTO_INCREMENT",
        "INSERT INTO mid (id) VALUES (7)",
        SAVE.format("mid", "p_d"),
    )
    assert {outcome for _, outcome in outcomes(maria, "save")} == {"whole"}
    maria.run("INSERT INTO sink (d) VALUES ('x')", "INSERT INTO mid (d) VALUES ('x')")
    for name in ("sink", "mid"):
        assert maria.run(f"SELECT max(id) < 20 FROM {name}") == [(1,)]


SETS = "PERFORM setval('numbers', (SELECT max(id) FROM sink));"
MADE = "EXECUTE 'SELECT setval(''numbers'', (SELECT max(id) FROM sink))';"
CODE = "CREATE FUNCTION {} LANGUAGE plpgsql AS $$ BEGIN {} END $$"
SAVED = "save(p_id int, p_d text) RETURNS void"
FIRED = "CREATE TRIGGER t AFTER INSERT ON sink FOR EACH ROW EXECUTE FUNCTION sets()"


@pytest.mark.parametrize(
    ("made", "through"),
    [
        ([CODE.format(SAVED, f"INSERT INTO sink VALUES (p_id, p_d); {SETS}")], ["save"]),
        ([CODE.format("sets(x text) RETURNS text", f"{SETS} RETURN x;"),
          CODE.format(SAVED, "INSERT INTO sink VALUES (p_id, sets(p_d));")], ["save"]),
        ([CODE.format("sets() RETURNS trigger", f"{MADE} RETURN NEW;"), FIRED], []),
    ],
)  # fmt: skip
def test_a_sequence_is_not_set_by_a_canary(pg: Place, made: list[str], through: list[str]) -> None:
    pg.run("CREATE SEQUENCE numbers", *made)
    assert ("'public.save'" if through else "sink", "not sent") in outcomes(pg, *through)
    assert pg.run("SELECT last_value FROM numbers") == [(1,)]


BEFORE = "CREATE TRIGGER t BEFORE INSERT ON sink FOR EACH ROW EXECUTE FUNCTION f()"
DEFERRED = (
    "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON sink DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()"
)


@pytest.mark.parametrize(
    ("body", "trigger", "outcome"),
    [
        ("RETURN NULL;", BEFORE, "changed"),
        ("NEW.id := 1; RETURN NEW;", BEFORE, "changed"),
        ("IF length(NEW.d) > 9 THEN RAISE 'too long'; END IF; RETURN NULL;", DEFERRED, "refused"),
    ],
)
def test_a_row_that_does_not_come_through_is_told(pg: Place, body: str, trigger: str, outcome: str) -> None:
    pg.run(CODE.format("f() RETURNS trigger", body), trigger)
    assert ("sink", outcome) in outcomes(pg)
    assert ("sink", "whole") not in outcomes(pg) or outcome == "refused"
    assert pg.run("SELECT * FROM sink") == []


def test_a_trigger_in_another_language_is_set_off(pg: Place) -> None:
    given = "tsvector_update_trigger(words, 'pg_catalog.english', d)"
    pg.run(
        "ALTER TABLE sink ADD words tsvector",
        f"CREATE TRIGGER t BEFORE INSERT ON sink FOR EACH ROW EXECUTE FUNCTION {given}",
    )
    assert ("sink", "whole") in outcomes(pg)
