"""Replacing a table keeps what hangs on it; publishing together is all or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lading import actions, engine
from lading.connector import Session, Slice
from lading.digest import Digest
from lading.moving import Moving
from lading.prove import Bill
from lading.schema import Table
from lading.spec import Move
from tests.journeys import looks
from tests.journeys.shell import lading
from tests.servers import MariaDB, Postgres

KINDS = ["sqlite", "duckdb", "postgres", "mysql"]


def _source(place: str, rows: int) -> str:
    looks.query(place, "CREATE TABLE clients (id bigint PRIMARY KEY, name varchar(40) NOT NULL, sales decimal(12,2))")
    values = ", ".join(f"({n}, 'client {n % 7}', {n}.25)" for n in range(1, rows + 1))
    looks.query(place, f"INSERT INTO clients VALUES {values}")
    return place


@pytest.mark.parametrize("kind", KINDS)
def test_views_keys_and_indexes_of_the_old_table_go_on_working(
    kind: str, place: Callable[[str], str], copied: Callable[..., Bill]
):
    source, target = _source(place("sqlite"), 100), _source(place(kind), 3)
    looks.query(target, "CREATE INDEX clients_by_name ON clients (name)")
    looks.query(target, "CREATE VIEW per_name AS SELECT name, sum(sales) AS sold FROM clients GROUP BY name")
    looks.query(target, "UPDATE clients SET name = 'gone', sales = 0")
    for _ in range(2):
        copied(source, target)
        assert looks.same(looks.contents(source)["clients"], looks.contents(target)["clients"]) == ""
        sold = sorted((n, f"{s:.2f}") for n, s in looks.query(target, "SELECT name, sold FROM per_name"))
        expected = looks.query(
            source, "SELECT name, printf('%.2f', sum(sales)) FROM clients GROUP BY name ORDER BY name"
        )
        assert sold == expected
        assert _indexed(kind, target)
        with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
            looks.query(target, "INSERT INTO clients VALUES (5, 'twice', 0)")
        assert looks.query(target, "SELECT count(*) FROM clients") == [(100,)]
        assert set(looks.contents(target)) == {"clients"}, "nothing is left behind"


def _indexed(kind: str, target: str) -> bool:
    asked = {
        "sqlite": "SELECT 1 FROM sqlite_master WHERE tbl_name = 'clients' AND name = 'clients_by_name'",
        "duckdb": "SELECT 1 FROM duckdb_indexes() WHERE table_name = 'clients' AND index_name = 'clients_by_name'",
        "postgres": "SELECT 1 FROM pg_indexes WHERE tablename = 'clients' AND indexname = 'clients_by_name'",
        "mysql": "SELECT 1 FROM information_schema.statistics WHERE table_schema = DATABASE() "
        "AND table_name = 'clients' AND index_name = 'clients_by_name'",
    }
    return bool(looks.query(target, asked[kind]))


@pytest.mark.parametrize(
    ("kind", "more", "reads"),
    [("duckdb", "", 1), ("duckdb", "CREATE INDEX by_name ON clients (name)", 2), ("postgres", "", 1), ("mysql", "", 1)],
)
def test_rows_are_read_again_as_often_as_they_are_written(
    kind: str, more: str, reads: int, place: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
):
    """Where the staged table takes the old one's place, what was proved is the table; else its rows are proved anew."""
    source, target = _source(place("sqlite"), 50), place(kind)
    looks.query(target, "CREATE TABLE clients (id bigint NOT NULL, name varchar(40) NOT NULL, sales decimal(12,2))")
    if more:
        looks.query(target, more)
    read, plain = list[str](), engine._read_back

    def seen(moving: Moving, session: Session, table: Table, *cut: Slice) -> Digest:
        read.append(table.name)
        return plain(moving, session, table, *cut)

    monkeypatch.setattr(engine, "_read_back", seen)
    assert actions.copy(Move.model_validate({"from": source, "to": target})).state == "proved"
    assert len(read) == reads, read
    assert looks.same(looks.contents(source)["clients"], looks.contents(target)["clients"]) == ""


def test_rights_on_the_old_postgres_table_stay(
    postgres: Postgres, place: Callable[[str], str], copied: Callable[..., Bill]
):
    source, target = _source(place("sqlite"), 10), _source(place("postgres"), 3)
    role = f"reader_{target[-8:]}"
    looks.query(
        target, f"CREATE ROLE {role}; GRANT SELECT ON clients TO {role}; GRANT UPDATE (name) ON clients TO {role}"
    )
    looks.query(target, "COMMENT ON TABLE clients IS 'who buys'; ALTER TABLE clients ALTER sales SET DEFAULT 7")
    copied(source, target)
    rights = f"SELECT has_table_privilege('{role}', 'clients', 'SELECT'), "
    rights += f"has_column_privilege('{role}', 'clients', 'name', 'UPDATE'), "
    rights += f"has_column_privilege('{role}', 'clients', 'id', 'UPDATE'), obj_description('clients'::regclass)"
    assert looks.query(target, rights) == [(True, True, False, "who buys")]
    looks.query(target, "INSERT INTO clients (id, name) VALUES (4711, 'new')")
    assert [str(v) for (v,) in looks.query(target, "SELECT sales FROM clients WHERE id = 4711")] == ["7.00"]
    looks.query(target, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_rights_on_the_old_mariadb_table_stay(
    mariadb: MariaDB, place: Callable[[str], str], copied: Callable[..., Bill]
):
    source, target = _source(place("sqlite"), 10), _source(place("mysql"), 3)
    user = f"'reader_{target[-8:]}'@'127.0.0.1'"
    looks.script(target, f"CREATE USER {user} IDENTIFIED BY 'x'; GRANT SELECT ON clients TO {user}")
    copied(source, target)
    as_reader = target.replace(target.split("@127")[0], f"mysql://reader_{target[-8:]}:x")
    assert looks.query(as_reader, "SELECT count(*) FROM clients") == [(10,)]
    looks.script(target, f"DROP USER {user}")


@pytest.mark.parametrize("kind", KINDS)
def test_together_is_all_or_nothing(kind: str, place: Callable[[str], str]):
    source, target = place("sqlite"), place(kind)
    for name in ("areas", "funds", "sales"):
        for where, value in ((source, 2), (target, 1)):
            looks.query(where, f"CREATE TABLE {name} (id bigint PRIMARY KEY, v bigint NOT NULL)")
            looks.query(where, f"INSERT INTO {name} VALUES (1, {value}), (2, {value})")
    looks.query(source, "UPDATE funds SET v = 'many' WHERE id = 2")

    def values() -> set[int]:
        return {v for table in looks.contents(target).values() for _, v, *_ in table.rows}

    ended = lading("copy", source, target, "--together", "--json")
    bill = json.loads(ended.out)
    assert ended.code == 1, ended.err
    assert {table["state"] for table in bill["tables"]} == {"failed"}
    assert {
        v for name, t in looks.contents(target).items() if not name.startswith("lading_") for _, v, *_ in t.rows
    } == {1}
    looks.query(source, "UPDATE funds SET v = 2 WHERE id = 2")
    ended = lading("copy", source, target, "--together", "--json")
    assert ended.code == 0, ended.err
    assert values() == {2}
    assert set(looks.contents(target)) == {"areas", "funds", "sales"}


@pytest.mark.parametrize("kind", ["duckdb", "postgres", "mysql"])
def test_a_value_that_stands_twice_is_told_by_no_other_table_either(kind: str, place: Callable[[str], str]):
    """What fails when all are published is told by all tables: also by those that have no sensitive column."""
    source, target = place("sqlite"), place(kind)
    for where, unique, rows in ((source, "", "(1, 'ada@x.org')"), (target, " UNIQUE", "(9, 'ada@x.org')")):
        looks.query(where, "CREATE TABLE areas (id bigint PRIMARY KEY)")
        looks.query(where, f"CREATE TABLE people (id bigint PRIMARY KEY, mail varchar(20){unique})")
        looks.query(where, f"INSERT INTO people VALUES {rows}")
    given = {"from": f"{source}?sensitive=mail", "to": target, "mode": "append", "together": True, "accept": "*"}
    bill = actions.copy(Move.model_validate(given))
    assert [table.state for table in bill.tables] == ["failed", "failed"]
    assert "ada@x.org" not in bill.model_dump_json()


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("unique", ["CONSTRAINT one_mail UNIQUE (mail)", "INDEX"])
def test_a_unique_value_that_stands_twice_is_told_by_names_that_people_know(unique, together, place):
    source, target = place("sqlite"), place("postgres")
    columns = "id bigint PRIMARY KEY, mail varchar(20)"
    for where in (source, target):
        looks.query(where, "CREATE TABLE areas (id bigint PRIMARY KEY)")
    looks.query(source, f"CREATE TABLE people ({columns})")
    looks.query(source, "INSERT INTO people VALUES (1, 'ada'), (2, 'ada')")
    looks.query(target, f"CREATE TABLE people ({columns}{'' if unique == 'INDEX' else ', ' + unique})")
    if unique == "INDEX":
        looks.query(target, "CREATE UNIQUE INDEX one_mail ON people (mail)")
    bill = actions.copy(Move.model_validate({"from": source, "to": target, "together": together, "accept": "*"}))
    said = next(table.error for table in bill.tables if table.table == "people")
    assert "could not create unique index \"one_mail\", table 'people'. Correct the rows that share a value" in said


@pytest.mark.parametrize("mode", ["replace", "append", "merge"])
def test_a_column_that_the_target_computes_is_told_by_the_plan(mode: str, place: Callable[[str], str]):
    source, target = place("sqlite"), place("postgres")
    looks.query(source, "CREATE TABLE t (id bigint PRIMARY KEY, twice bigint)")
    looks.query(source, "INSERT INTO t VALUES (1, 2)")
    looks.query(target, "CREATE TABLE t (id bigint PRIMARY KEY, twice bigint GENERATED ALWAYS AS (id * 2) STORED)")
    given = {"from": source, "to": target, "mode": mode, "accept": "*"}
    (task,) = actions.plan_move(Move.model_validate(given)).tasks
    assert (task.problem, task.fix) == (
        "The target computes column 'twice' of 't'; it cannot be written.",
        "Leave it out with 'exclude', or make the column an ordinary one.",
    )
    assert actions.copy(Move.model_validate({**given, "exclude": "t.twice"})).state == "proved"
    assert looks.query(target, "SELECT * FROM t") == [(1, 2)]


MAKES = {
    "postgres": "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no twos'; END$$; "
    "CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse()",
    "mysql": "CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no twos'",
}


STAMPS = {
    "sqlite": "born varchar(10) NOT NULL DEFAULT 'unknown'",
    "duckdb": "born varchar(10) NOT NULL DEFAULT 'unknown'",
    "postgres": "number int GENERATED ALWAYS AS IDENTITY, born varchar(10) NOT NULL DEFAULT 'unknown'",
    "mysql": "number int NOT NULL AUTO_INCREMENT UNIQUE, born varchar(10) NOT NULL DEFAULT 'unknown'",
}


CLIENTS = "name varchar(40), sales decimal(12,2)"
MODES = ["replace", "append", "merge"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_columns_that_the_target_fills_need_no_source(
    kind: str, mode: str, place: Callable[[str], str], copied: Callable[..., Bill]
):
    source, target = _source(place("sqlite"), 5), place(kind)
    looks.query(target, f"CREATE TABLE clients (id bigint PRIMARY KEY, {CLIENTS}, {STAMPS[kind]})")
    looks.query(target, "INSERT INTO clients (id, name, sales, born) VALUES (9, 'old', 0, 'once')")
    proof = copied(source, target, mode=mode).tables[0].proof
    assert proof is not None
    assert any("'born' its own default" in note for note in proof.notes)
    found: dict[int, str] = dict(looks.query(target, "SELECT id, born FROM clients"))
    assert found == {**dict.fromkeys(range(1, 6), "unknown"), **({} if mode == "replace" else {9: "once"})}
    if kind in ("postgres", "mysql"):
        numbers = [n for (n,) in looks.query(target, "SELECT number FROM clients")]
        assert len(set(numbers)) == len(numbers) == len(found)


NUMBERED = {
    "bigserial": 6,
    "bigint GENERATED ALWAYS AS IDENTITY": 6,
    "bigint GENERATED BY DEFAULT AS IDENTITY (START 100)": 100,
    "bigint GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1 MAXVALUE 1000 START 1000)": 0,
    "bigint GENERATED BY DEFAULT AS IDENTITY (MAXVALUE 3)": 1,
}
"""How a column numbers itself, and its next number after rows 1 to 5 have come."""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", NUMBERED)
def test_numbers_go_on_behind_those_that_arrived(
    how: str, mode: str, place: Callable[[str], str], copied: Callable[..., Bill]
):
    source, target = _source(place("sqlite"), 5), place("postgres")
    looks.query(target, f"CREATE TABLE clients (id {how} PRIMARY KEY, {CLIENTS})")
    copied(source, target, mode=mode)
    if NUMBERED[how] == 1:
        looks.query(target, "DELETE FROM clients")
    made = looks.query(target, "INSERT INTO clients (name) VALUES ('next') RETURNING id")
    assert made == [(NUMBERED[how],)]


@pytest.mark.parametrize("kind", MAKES)
def test_what_a_trigger_refuses_is_told_with_what_to_look_at(kind: str, place: Callable[[str], str]):
    source, target = place("sqlite"), place(kind)
    for where in (source, target):
        looks.query(where, "CREATE TABLE t (id bigint PRIMARY KEY)")
    looks.query(source, "INSERT INTO t VALUES (2)")
    looks.query(target, MAKES[kind])
    bill = actions.copy(Move.model_validate({"from": source, "to": target, "mode": "append", "accept": "*"}))
    assert "no twos. Look at the table's triggers" in bill.tables[0].error


def test_without_together_the_others_arrive(place: Callable[[str], str]):
    source, target = place("sqlite"), place("duckdb")
    for name in ("areas", "funds"):
        looks.query(source, f"CREATE TABLE {name} (id bigint PRIMARY KEY, v bigint)")
        looks.query(source, f"INSERT INTO {name} VALUES (1, 2)")
    looks.query(source, "UPDATE funds SET v = 'many'")
    bill = actions.copy(Move.model_validate({"from": source, "to": target}))
    assert {table.table: str(table.state) for table in bill.tables} == {"areas": "proved", "funds": "failed"}


REFERRING = (
    "CREATE TABLE regions (id bigint PRIMARY KEY, name varchar(20) UNIQUE)",
    "CREATE TABLE clients (id bigint PRIMARY KEY, region bigint REFERENCES regions (id), email varchar(20) UNIQUE)",
    "CREATE TABLE accounts (id bigint PRIMARY KEY, client bigint NOT NULL REFERENCES clients (id))",
    "INSERT INTO regions VALUES (1, 'north'), (2, 'south')",
    "INSERT INTO clients VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 2, 'c')",
    "INSERT INTO accounts VALUES (11, 1), (12, 2), (13, 3)",
)


@pytest.mark.parametrize("kind", ["postgres", "mysql", "sqlite"])
@pytest.mark.parametrize(
    "changes",
    [
        ("INSERT INTO regions VALUES (3, 'east')", "INSERT INTO clients VALUES (4, 3, 'd')",
         "INSERT INTO accounts VALUES (14, 4)"),
        ("DELETE FROM accounts WHERE client = 3", "DELETE FROM clients WHERE id = 3"),
        ("UPDATE clients SET region = 1", "DELETE FROM regions WHERE id = 2"),
        ("INSERT INTO regions VALUES (3, 'west')", "UPDATE clients SET region = 3 WHERE region = 2",
         "UPDATE accounts SET client = 1", "DELETE FROM clients WHERE id = 2", "DELETE FROM regions WHERE id = 2"),
        ("DELETE FROM accounts WHERE client = 3", "DELETE FROM clients WHERE id = 3",
         "INSERT INTO clients VALUES (5, 1, 'c')"),
    ],
    ids=["come", "go", "move away", "come, move and go", "a unique value moves"],
)  # fmt: skip
def test_tables_that_refer_to_each_other_are_replaced_together(kind, changes, place):
    source, target = place("sqlite"), place(kind)
    for where in (source, target):
        for statement in REFERRING:
            looks.query(where, statement)
    for statement in changes:
        looks.query(source, statement)
    bill = actions.copy(Move.model_validate({"from": source, "to": target, "together": True, "accept": ["cuts"]}))
    assert bill.state == "proved", looks.failed(bill)
    for name in ("regions", "clients", "accounts"):
        order = f"SELECT * FROM {name} ORDER BY id"
        assert looks.query(target, order) == looks.query(source, order)


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT", "NO ACTION"])
def test_a_row_whose_parent_is_gone_leaves_the_target_as_it_was(action, place):
    """Also where the database would take the row along, or change it."""
    source, target = place("sqlite"), place("postgres")
    for where, refers in ((source, ""), (target, f" DEFAULT 1 REFERENCES parents ON DELETE {action}")):
        looks.query(where, "CREATE TABLE parents (id bigint PRIMARY KEY)")
        looks.query(where, f"CREATE TABLE children (id bigint PRIMARY KEY, parent bigint{refers})")
    for where, parents, children in (
        (source, "(1)", "(10, 1), (11, 2)"),
        (target, "(1), (2)", "(10, 1), (11, 2), (12, 2)"),
    ):
        looks.query(where, f"INSERT INTO parents VALUES {parents}")
        looks.query(where, f"INSERT INTO children VALUES {children}")
    bill = actions.copy(Move.model_validate({"from": source, "to": target, "together": True}))
    assert [table.state for table in bill.tables] == ["failed", "failed"]
    assert looks.query(target, "SELECT id FROM parents ORDER BY id") == [(1,), (2,)]
    assert looks.query(target, "SELECT * FROM children ORDER BY id") == [(10, 1), (11, 2), (12, 2)]


@pytest.mark.parametrize("collated", ["", ' COLLATE "C"'])
@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT"])
def test_rows_of_a_table_that_is_not_moved_are_not_taken_along(action, collated, place):
    source, target = place("sqlite"), place("postgres")
    looks.query(source, "CREATE TABLE parents (id varchar(9) PRIMARY KEY)")
    looks.query(
        target, "CREATE TABLE parents (id varchar(9) PRIMARY KEY, up varchar(9) REFERENCES parents ON DELETE SET NULL)"
    )
    refers = f"varchar(9){collated} DEFAULT 'a' REFERENCES parents ON DELETE {action}"
    looks.query(target, f"CREATE TABLE children (id bigint, parent {refers})")
    looks.query(source, "INSERT INTO parents VALUES ('a')")
    looks.query(target, "INSERT INTO parents VALUES ('a', NULL), ('b', 'a'), ('c', 'b')")
    looks.query(target, "INSERT INTO children VALUES (10, 'a'), (11, 'b'), (12, 'b')")
    bill = actions.copy(Move.model_validate({"from": source, "to": target}))
    would = "delete" if action == "CASCADE" else "change"
    assert (
        f"2 rows of 'children' refer to rows of 'parents' that the source does not have, and the database would {would}"
        in (bill.tables[0].error)
    )
    assert looks.query(target, "SELECT id FROM parents ORDER BY id") == [("a",), ("b",), ("c",)]
    assert looks.query(target, "SELECT * FROM children ORDER BY id") == [(10, "a"), (11, "b"), (12, "b")]
    looks.query(target, "DELETE FROM children WHERE id > 10")
    assert actions.copy(Move.model_validate({"from": source, "to": target})).state == "proved"
    assert looks.query(target, "SELECT * FROM children") == [(10, "a")]


@pytest.mark.parametrize("later", ["", " INITIALLY DEFERRED"])
def test_tables_in_a_circle_need_a_key_that_waits(later: str, place: Callable[[str], str]):
    source, target = place("sqlite"), place("postgres")
    for where in (source, target):
        looks.query(where, "CREATE TABLE a (id bigint PRIMARY KEY, b bigint)")
        looks.query(where, "CREATE TABLE b (id bigint PRIMARY KEY, a bigint)")
    looks.query(source, "INSERT INTO a VALUES (1, 2)")
    looks.query(source, "INSERT INTO b VALUES (2, 1)")
    looks.query(target, "ALTER TABLE a ADD CONSTRAINT ab FOREIGN KEY (b) REFERENCES b" + later)
    looks.query(target, "ALTER TABLE b ADD CONSTRAINT ba FOREIGN KEY (a) REFERENCES a")
    bill = actions.copy(Move.model_validate({"from": source, "to": target, "together": True}))
    fix = "Correct the row; if the tables refer to each other in a circle, make a foreign key INITIALLY DEFERRED."
    assert [table.error.endswith(fix) for table in bill.tables] == [not later] * 2
    assert looks.query(target, "SELECT * FROM a") == ([(1, 2)] if later else [])


KEYED = "id bigint PRIMARY KEY, v varchar(20)"
AS_ARIA = f"CREATE TABLE t ({KEYED}) ENGINE=Aria"
NOT_SO = {
    "a view": (
        "postgres", "replace", "CREATE VIEW t AS SELECT 1::bigint AS id, 'x'::varchar(20) AS v UNION SELECT 2, 'y'",
        "PostgreSQL lets no rows of 't' be added or deleted: it is no table.",
    ),
    "a materialized view": (
        "postgres", "append", "CREATE MATERIALIZED VIEW t AS SELECT 1::bigint AS id, 'x'::varchar(20) AS v",
        "PostgreSQL lets no rows of 't' be added: it is no table.",
    ),
    "a number of its own": (
        "postgres", "merge", "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, v varchar(20) PRIMARY KEY)",
        "'id' of 't' is GENERATED ALWAYS: rows that are there keep their number.",
    ),
    "an engine": (
        "mysql", "merge", f"CREATE TABLE t ({KEYED}) ENGINE=MyISAM",
        "'t' is kept by MyISAM, which has no transactions: half a load could stay.",
    ),
    "an engine and triggers": (
        "mysql", "replace", f"{AS_ARIA}; CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW DO 1",
        "'t' is kept by Aria, which has no transactions: half a load could stay.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", NOT_SO)
def test_what_cannot_be_written_so_is_told_by_the_plan(what: str, place: Callable[[str], str]):
    kind, mode, makes, problem = NOT_SO[what]
    source, target = place("sqlite"), place(kind)
    looks.query(source, f"CREATE TABLE t ({KEYED})")
    looks.query(target, makes)
    given = {"from": source, "to": target, "mode": mode, "merge_key": "v" if "number" in what else "id", "accept": "*"}
    (task,) = actions.plan_move(Move.model_validate(given)).tasks
    assert (task.problem, task.problem_kind) == (problem, "unsupported")


@pytest.mark.parametrize("mode", ["replace", "append", "merge"])
def test_a_view_that_can_be_changed_is_written_to(mode: str, place: Callable[[str], str]):
    source, target = place("sqlite"), place("postgres")
    looks.query(source, f"CREATE TABLE t ({KEYED})")
    looks.query(source, "INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    looks.query(target, f"CREATE TABLE b ({KEYED}); CREATE VIEW t AS SELECT * FROM b")
    bill = actions.copy(Move.model_validate({"from": source, "to": target, "mode": mode, "accept": "*"}))
    assert bill.state == "proved", looks.failed(bill)
    assert looks.query(target, "SELECT * FROM b ORDER BY id") == [(1, "a"), (2, "b")]
