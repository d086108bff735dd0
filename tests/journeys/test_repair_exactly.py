"""A repair does what it is asked, to the rows that it is about, and to no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lading import actions, actions_repairing, config, render, render_diff
from lading.compare import Asked
from lading.connector import Erases
from lading.copying import planned
from lading.errors import DataError
from lading.plan import Plan
from lading.repair import Mended, Repair
from lading.spec import Move
from tests.journeys import looks
from tests.journeys.test_repair import diff, nightly, repair

UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
Place = Callable[[str], str]


def made(place: str, *statements: str) -> str:
    """A place where these were run."""
    for each in statements:
        looks.query(place, each)
    return place


def table_of(done: Repair) -> Mended:
    (table,) = done.tables
    return table


@pytest.mark.parametrize("kind", ["duckdb", "postgres", "mysql", "sqlite"])
def test_a_copy_that_should_stay_is_not_deleted(kind: str, place: Place):
    """A load that ran twice, into a table that has no key."""
    source = made(
        place("sqlite"), "CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v text)",
        "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (4, 'd')",
    )  # fmt: skip
    twice = "(1, 'a'), (1, 'a'), (2, 'x'), (2, 'y'), (3, 'c'), (4, 'old')"
    target = made(place(kind), "CREATE TABLE t (id integer, v varchar(9))", f"INSERT INTO t VALUES {twice}")
    found = diff(source, target)
    for apply in (False, True):
        done = repair(found.id, apply=apply, deletes=True, source=source, target=target)
        table = table_of(done)
        assert (table.inserts, table.updates, table.deletes) == (0, 1, 1)
        assert table.problem == "left alone: 3 rows whose key is not unique"
    assert (done.verdict, done.bill and done.bill.state) == ("different", "proved")
    assert looks.query(target, "SELECT id, v FROM t ORDER BY id, v") == [
        (1, "a"), (1, "a"), (2, "x"), (2, "y"), (4, "d")
    ]  # fmt: skip
    assert table_of(repair(found.id, source=source, target=target)).problem == (
        "left alone: 1 row whose key is not unique"
    ), "of what is not to be deleted"


def test_nor_is_one_that_came_since_it_was_looked_at(place: Place):
    target = made(place("duckdb"), "CREATE TABLE t (id integer, v varchar)", "INSERT INTO t VALUES (1, 'a'), (1, 'b')")
    with config.resolve(target)[1].open() as session:
        assert isinstance(session, Erases)
        found = session.describe("t")
        assert found is not None
        keys = pa.record_batch([pa.array([1], pa.int32())], names=["id"])
        with pytest.raises(DataError, match="'t' has a key more than once"):
            session.erase(found.model_copy(update={"key": ("id",)}), [keys])
    assert looks.query(target, "SELECT count(*) FROM t") == [(2,)]


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "postgres"])
def test_a_key_is_repaired_as_it_is(kind: str, place: Place):
    """One that begins as marked texts do is another than the one without the mark; a long one is shown cut."""
    source, target = place(kind), place(kind)
    long, odd = "k" * 3000, "chr(1) || 'a'" if kind != "sqlite" else "char(1) || 'a'"
    for each in (source, target):
        made(each, "CREATE TABLE t (k text NOT NULL PRIMARY KEY, v text)", f"INSERT INTO t VALUES ('{long}', 'same')")
    made(source, "INSERT INTO t VALUES ('a', '1'), ('x', '1')", f"UPDATE t SET v = 'new' WHERE k = '{long}'")
    made(target, f"INSERT INTO t VALUES ('a', '1'), ({odd}, '2'), ('{long}more', '3')")
    found = diff(source, target)
    done = repair(found.id, apply=True, deletes=True, source=source, target=target)
    table = table_of(done)
    assert (table.inserts, table.updates, table.deletes, done.verdict) == (1, 0, 1, "different")
    assert table.problem == "left alone: 2 rows whose key is longer than 2,000 bytes"
    rows = looks.query(target, "SELECT k, v FROM t")
    assert sorted(rows) == sorted([("a", "1"), ("x", "1"), (long, "same"), (f"{long}more", "3")])


def test_bytes_are_a_key_too(place: Place):
    """61 in hexadecimal is the letter a, and 3631 are the digits 6 and 1."""
    source = made(place("sqlite"), "CREATE TABLE t (k blob NOT NULL PRIMARY KEY)", "INSERT INTO t VALUES (x'3631')")
    target = made(
        place("duckdb"), "CREATE TABLE t (k blob PRIMARY KEY)",
        "INSERT INTO t VALUES ('61'::blob), ('a'::blob)",
    )  # fmt: skip
    done = repair(diff(source, target).id, apply=True, deletes=True)
    assert (done.verdict, looks.query(target, "SELECT k FROM t")) == ("equal", [(b"61",)])


KEYS = [
    ("duckdb", "TIMESTAMP_NS", "'2024-01-01 00:00:00.123456789'", "'2024-01-01 00:00:00.123456790'"),
    ("duckdb", "BLOB", "'\\xAA\\x00'::BLOB", "''::BLOB"),
    ("mysql", "FLOAT", "0.1", "0.2"),
    ("sqlite", "DATETIME", "'2024-01-01 00:00:00'", "'2024-01-01 10:20:30'"),
    ("sqlite", "TIME", "'00:00:00'", "'10:20:30'"),
    ("sqlite", "BLOB", "X'00ff'", "X''"),
    ("sqlite", "VARCHAR(3)", "'longer than that'", "'a%_'"),
]


@pytest.mark.parametrize(("kind", "native", "one", "two"), KEYS, ids=[f"{kind} {native}" for kind, native, *_ in KEYS])
def test_a_key_of_any_type_finds_its_rows(kind: str, native: str, one: str, two: str, place: Place):
    source, target = place(kind), place(kind)
    for each, value in ((source, "new"), (target, "old")):
        made(each, f"CREATE TABLE t (k {native} NOT NULL, n integer NOT NULL, v varchar(9), PRIMARY KEY (k, n))")
        made(each, f"INSERT INTO t VALUES ({one}, 1, '{value}'), ({two}, 2, '{value}')")
    made(source, f"INSERT INTO t VALUES ({two}, 3, 'more')")
    made(target, f"INSERT INTO t VALUES ({one}, 4, 'less')")
    done = repair(diff(source, target).id, apply=True, deletes=True, source=source, target=target)
    table = table_of(done)
    assert (done.verdict, table.inserts, table.updates, table.deletes, table.problem) == ("equal", 1, 2, 1, "")


@pytest.mark.parametrize(
    ("native", "one", "copied"), [("money", "1.5", "numeric(19,2)"), ("spot", "'(1,a)'::spot", "text")]
)
def test_a_copy_of_a_key_that_compares_with_no_literal_is_repaired(native: str, one: str, copied: str, place: Place):
    source, target = place("postgres"), place("duckdb" if copied == "text" else "postgres")
    made(source, "CREATE TYPE spot AS (a integer, b text)", f"CREATE TABLE t (k {native} PRIMARY KEY, v text)",
         f"INSERT INTO t VALUES ({one}, 'new')")  # fmt: skip
    made(target, f"CREATE TABLE t (k {copied} PRIMARY KEY, v text)",
         f"INSERT INTO t VALUES ({one.removesuffix('::spot')}, 'old')")  # fmt: skip
    done = repair(diff(source, target).id, apply=True, source=source, target=target)
    table = table_of(done)
    assert (done.verdict, table.updates, table.problem) == ("equal", 1, "")


def test_a_key_that_finds_no_row_is_told(place: Place):
    """The number is 1.5, and its text is another."""
    source, target = place("sqlite"), place("sqlite")
    for each, value in ((source, "new"), (target, "old")):
        made(each, "CREATE TABLE t (k decimal_text NOT NULL PRIMARY KEY, v text)")
        made(each, f"INSERT INTO t VALUES ('1.50', '{value}'), ('2', '{value}')")
    made(target, "INSERT INTO t VALUES ('3.10', 'less')")
    done = repair(diff(source, target).id, apply=True, deletes=True)
    why = "1 row not found again by the key in the {}: gone by now, or written otherwise there"
    assert done.verdict == "different"
    assert table_of(done).problem == "; ".join(why.format(side) for side in ("source", "target"))
    assert looks.query(target, "SELECT v FROM t ORDER BY k") == [("old",), ("new",), ("less",)]


@pytest.mark.parametrize(
    ("left", "right", "ours", "theirs"),
    [("uuid", "varchar", UUID, UUID.upper()), ("integer", "varchar", "7", "+7"), ("double", "varchar", "500", "5e2")],
)
def test_a_key_in_another_form_is_not_there_twice(left: str, right: str, ours: str, theirs: str, place: Place):
    source = made(
        place("duckdb"), f"CREATE TABLE t (id {left} PRIMARY KEY, v varchar)",
        f"INSERT INTO t VALUES ('{ours}', 'new'), ('{ours[:-1]}2', 'more')",
    )  # fmt: skip
    target = made(
        place("postgres"), f"CREATE TABLE t (id {right} PRIMARY KEY, v varchar)",
        f"INSERT INTO t VALUES ('{theirs}', 'old')",
    )  # fmt: skip
    for _ in range(2):  # the second time nothing is missing
        done = repair(diff(source, target).id, apply=True, source=source, target=target)
        assert done.verdict == "different"
        assert table_of(done).problem == "left alone: 1 row whose key is written otherwise in the target"
        assert (f"{theirs}", "old") in looks.query(target, "SELECT id, v FROM t")
    assert looks.query(target, "SELECT count(*) FROM t") == [(2,)]


def test_nor_where_only_the_target_finds_it_another(place: Place):
    """SQLite keeps a uuid as the text that it was given, and compares texts."""
    source = made(place("duckdb"), "CREATE TABLE t (id uuid PRIMARY KEY, v varchar)",
                  f"INSERT INTO t VALUES ('{UUID}', 'new')")  # fmt: skip
    target = made(place("sqlite"), "CREATE TABLE t (id uuid_text NOT NULL PRIMARY KEY, v text)",
                  f"INSERT INTO t VALUES ('{UUID.upper()}', 'old')")  # fmt: skip
    done = repair(diff(source, target).id, apply=True)
    assert (done.verdict, done.bill and done.bill.state) == ("different", "failed")
    assert "'t' lacks 0 of these rows, and 1 would be added" in table_of(done).problem
    assert looks.query(target, "SELECT * FROM t") == [(UUID.upper(), "old")]


def test_columns_that_are_called_otherwise_are_not_passed_over(place: Place):
    source = made(place("duckdb"), "CREATE TABLE t (id integer PRIMARY KEY, v varchar)",
                  "INSERT INTO t VALUES (1, 'new'), (2, 'b')")  # fmt: skip
    for columns, name in (('id integer PRIMARY KEY, "V" varchar', "v"), ('"ID" integer PRIMARY KEY, v varchar', "id")):
        rows = "INSERT INTO t VALUES (1, 'old'), (3, 'c')"
        target = made(place("postgres"), f"CREATE TABLE t ({columns})", rows)
        done = repair(diff(source, target).id, apply=True, deletes=True, source=source, target=target)
        table = table_of(done)
        assert (done.verdict, done.bill, table.inserts, table.updates, table.deletes) == ("different", None, 0, 0, 0)
        assert table.problem.startswith(f"column '{name}' is called '{name.upper()}' in the target")
        assert "add --deletes" not in render.text(render_diff.repair, done, 80), "they were given"
        assert looks.query(target, "SELECT * FROM t") == [(1, "old"), (3, "c")]


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "postgres", "mysql"])
def test_no_other_table_is_written_than_was_compared(kind: str, place: Place):
    """'a.b' in the default schema is not 'b' in the schema 'a', nor SQLite's 'a_b'."""
    own = "`a.b`" if kind == "mysql" else '"a.b"'
    source = made(place("duckdb"), 'CREATE TABLE "a.b" (id integer PRIMARY KEY, v integer)',
                  'INSERT INTO "a.b" VALUES (1, 1), (2, 2)')  # fmt: skip
    target = made(place(kind), f"CREATE TABLE {own} (id integer PRIMARY KEY, v integer)",
                  f"INSERT INTO {own} VALUES (1, 0), (3, 3)")  # fmt: skip
    found = diff(source, target)
    for apply in (False, True):
        done = repair(found.id, apply=apply, deletes=True, source=source, target=target)
        assert (done.verdict, done.bill) == ("different", None)
        assert "has a dot in its name, and a copy would go elsewhere" in table_of(done).problem
        assert sorted(looks.contents(target)) == ["a.b"]
        assert looks.query(target, f"SELECT id, v FROM {own} ORDER BY id") == [(1, 0), (3, 3)]


@pytest.mark.parametrize("own", ["utf8mb4_bin", "utf8mb4_nopad_bin", "utf8mb4_general_ci", "latin1_bin"])
def test_rows_are_deleted_by_keys_of_any_collation(own: str, place: Place):
    source = made(place("sqlite"), "CREATE TABLE t (k varchar(40) NOT NULL PRIMARY KEY, v text)",
                  "INSERT INTO t VALUES ('a', 'x'), ('b', 'y')")  # fmt: skip
    target = made(place("mysql"), f"CREATE TABLE t (k varchar(40) COLLATE {own} PRIMARY KEY, v text)",
                  "INSERT INTO t VALUES ('a', 'old'), ('gone', 'z')")  # fmt: skip
    done = repair(diff(source, target).id, apply=True, deletes=True, target=target)
    assert (done.verdict, table_of(done).problem) == ("equal", "")
    assert looks.query(target, "SELECT * FROM t ORDER BY k") == [("a", "x"), ("b", "y")]


def test_a_repair_makes_no_table(place: Place, monkeypatch: pytest.MonkeyPatch):
    source = made(place("duckdb"), "CREATE TABLE t (id integer PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    target = made(place("sqlite"), "CREATE TABLE t (id integer PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    found = diff(source, target)

    def dropping(*words: Any) -> Plan:
        looks.query(target, "DROP TABLE t")
        return planned(*words)

    monkeypatch.setattr(actions_repairing, "planned", dropping)
    with pytest.raises(DataError, match="'t' is gone"):
        repair(found.id, apply=True)
    assert looks.contents(target) == {}


@pytest.mark.parametrize("asked", [{"way": "aggregates"}, {"sample": 0.3}])
def test_all_rows_are_repaired_whatever_was_compared(asked: dict[str, Any], place: Place):
    source = made(place("duckdb"), "CREATE TABLE t (id integer PRIMARY KEY, v integer)",
                  "INSERT INTO t SELECT i, i FROM range(1, 1001) r(i)")  # fmt: skip
    target = made(place("duckdb"), "CREATE TABLE t (id integer PRIMARY KEY, v integer)",
                  "INSERT INTO t SELECT i, if(i % 100 = 0, 0, i) FROM range(1, 991) r(i)")  # fmt: skip
    found = diff(source, target, **asked)
    assert (found.verdict, found.tables[0].differing < 19) == ("different", True)
    done = repair(found.id, apply=True)
    assert (done.verdict, table_of(done).inserts, table_of(done).updates) == ("equal", 10, 9)


def test_what_a_step_leaves_out_is_left_out(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source, target = place("duckdb"), place("sqlite")
    made(source, "CREATE TABLE t (id integer PRIMARY KEY, v varchar, note varchar)")
    made(source, "INSERT INTO t VALUES (1, 'a', 'x'), (2, 'b', 'y')")
    nightly(tmp_path, monkeypatch, {"crm": source, "new": target}, ["from: crm, to: new, exclude: [t.note]"])
    bill = actions.history()[0]
    for prove in (True, False):
        made(target, "DELETE FROM t WHERE id = 2")
        run = actions.prove("nightly", Asked())[0].id if prove else bill.run
        done = repair(run, apply=True)
        assert (done.verdict, table_of(done).inserts, table_of(done).problem) == ("equal", 1, "")
        assert looks.query(target, "SELECT * FROM t ORDER BY id") == [(1, "a"), (2, "b")]
        assert repair(done.diff).verdict == "equal"


def test_the_proof_after_a_repair_is_one_of_the_pipeline(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source, target = place("duckdb"), place("sqlite")
    made(source, "CREATE TABLE t (id integer PRIMARY KEY, v varchar)", "INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    nightly(tmp_path, monkeypatch, {"crm": source, "new": target}, ["from: crm, to: new, tables: t, record: true"])

    def verdicts() -> list[str]:
        found = "SELECT verdict FROM lading_bills WHERE source_table = 't' AND column_name = '' ORDER BY started"
        return [row[0] for row in looks.query(target, found)]

    made(target, "DELETE FROM t WHERE id = 2")
    actions.prove("nightly", Asked())
    assert repair("last", apply=True).verdict == "equal"
    assert [line.verdict for line in actions.trend("nightly")] == ["equal", "different", "proved"]
    assert verdicts() == ["proved", "different", "equal"]
    made(target, "DELETE FROM t WHERE id = 2")
    assert repair(actions.history(pipeline="nightly")[0].run, apply=True).verdict == "equal"
    assert verdicts() == ["proved", "different", "equal", "equal"]
    assert repair("last").verdict == "equal"
    assert len(verdicts()) == 4, "nothing was done, and nothing is kept"


def kept(folder: Path) -> bytes:
    """All that the store holds."""
    return b"".join(path.read_bytes() for path in sorted((folder / "store").iterdir()) if path.is_file())


def test_what_a_diff_hides_its_repair_hides(place: Place, tmp_path: Path):
    source = made(place("sqlite"), "CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v text)",
                  "INSERT INTO t VALUES (1, 'leaked'), (2, '7')")  # fmt: skip
    target = made(place("postgres"), "CREATE TABLE t (id integer PRIMARY KEY, v integer)",
                  "INSERT INTO t VALUES (1, 1), (2, 7)")  # fmt: skip
    found = diff(source, target, sensitive="v")
    done = repair(found.id, apply=True, source=source, target=target)
    assert done.bill is not None
    assert (done.verdict, done.bill.state) == ("different", "failed")
    told = done.model_dump_json() + "".join(each.model_dump_json() for each in actions.rejects(done.bill.run))
    assert ("leaked" in told, b"leaked" in kept(tmp_path)) == (False, False)


@pytest.mark.parametrize("diffed", [True, False])
def test_what_an_address_hides_is_hidden_from_its_address_alone(diffed: bool, place: Place, tmp_path: Path):
    source = made(place("sqlite"), "CREATE TABLE t (id integer, mail text)", "INSERT INTO t VALUES (1, 'leaked')")
    target = place("sqlite")
    move = Move.model_validate({"from": f"{source}?sensitive=mail", "to": target})
    bill = actions.copy(move)
    made(target, "UPDATE t SET mail = 'leaked too'")
    run = actions.diff(move, Asked()).id if diffed else bill.run
    for _ in range(2):
        done = repair(run, apply=True)
        assert (done.verdict, "leaked" in done.model_dump_json()) == ("different", False)
        run = done.diff
    assert b"leaked" not in kept(tmp_path)


CI = {
    "mysql": "k varchar(9) COLLATE utf8mb4_general_ci PRIMARY KEY",
    "sqlite": "k varchar(9) COLLATE NOCASE NOT NULL PRIMARY KEY",
}


@pytest.mark.parametrize("deletes", [False, True])
@pytest.mark.parametrize("kind", list(CI))
def test_a_row_whose_key_only_the_target_finds_equal_stays_as_it_is(kind: str, deletes: bool, place: Place):
    source = made(place("postgres"), "CREATE TABLE t (k varchar(9) PRIMARY KEY, v integer)",
                  "INSERT INTO t VALUES ('A', 1), ('a', 2), ('b', 3)")  # fmt: skip
    target = made(place(kind), f"CREATE TABLE t ({CI[kind]}, v integer)", "INSERT INTO t VALUES ('A', 1), ('b', 4)")
    done = repair(diff(source, target).id, apply=True, deletes=deletes, source=source, target=target)
    assert (done.verdict, done.bill and done.bill.state) == ("different", "failed")
    assert "'t' lacks 1 of these rows, and 0 would be added" in table_of(done).problem
    assert looks.query(target, "SELECT k, v FROM t ORDER BY k") == [("A", 1), ("b", 4)]


def test_nothing_is_deleted_of_a_table_whose_rows_could_not_be_copied(place: Place):
    """'B' would go, and 'b' not come."""
    source = made(place("postgres"), "CREATE TABLE t (k varchar(9) PRIMARY KEY, v integer)",
                  "INSERT INTO t VALUES ('A', 1), ('a', 2), ('b', 3)")  # fmt: skip
    target = made(
        place("mysql"), f"CREATE TABLE t ({CI['mysql']}, v integer)", "INSERT INTO t VALUES ('A', 1), ('B', 3)"
    )
    done = repair(diff(source, target).id, apply=True, deletes=True, source=source, target=target)
    assert (done.verdict, done.bill and done.bill.state) == ("different", "failed")
    assert looks.query(target, "SELECT k, v FROM t ORDER BY k") == [("A", 1), ("B", 3)]


def test_nor_are_several_rows_changed_by_one_key(place: Place):
    source = made(place("duckdb"), "CREATE TABLE t (k varchar PRIMARY KEY, v integer)",
                  "INSERT INTO t VALUES ('A', 1), ('a', 2)")  # fmt: skip
    target = made(place("sqlite"), "CREATE TABLE t (k text COLLATE NOCASE NOT NULL, v integer)",
                  "INSERT INTO t VALUES ('A', 0), ('a', 2)")  # fmt: skip
    done = repair(diff(source, target).id, apply=True)
    assert (done.verdict, done.bill and done.bill.state) == ("different", "failed")
    assert "'t' has several rows that its system finds by one of these keys" in table_of(done).problem
    assert looks.query(target, "SELECT v FROM t ORDER BY v") == [(0,), (2,)]


@pytest.mark.parametrize("kind", ["duckdb", "postgres", "mysql"])
def test_rows_are_deleted_before_those_that_they_refer_to(kind: str, place: Place):
    source, target = place(kind), place(kind)
    for each in (source, target):
        made(each, "CREATE TABLE c (id integer PRIMARY KEY)")
        made(each, "CREATE TABLE o (id integer PRIMARY KEY, c integer, FOREIGN KEY (c) REFERENCES c (id))")
        made(each, "INSERT INTO c VALUES (1)", "INSERT INTO o VALUES (1, 1)")
    made(target, "INSERT INTO c VALUES (2), (3)", "INSERT INTO o VALUES (2, 2)")
    done = repair(diff(source, target).id, apply=True, deletes=True, source=source, target=target)
    assert (done.verdict, [each.problem for each in done.tables]) == ("equal", ["", ""])
    made(target, "INSERT INTO c VALUES (4)", "INSERT INTO o VALUES (4, 4)")
    made(target, "CREATE TABLE x (c integer, FOREIGN KEY (c) REFERENCES c (id))", "INSERT INTO x VALUES (4)")
    done = repair(diff(source, target).id, apply=True, deletes=True, source=source, target=target)
    assert (done.verdict, [bool(each.problem) for each in done.tables]) == ("different", [True, False])


@pytest.mark.parametrize("proved", [False, True])
@pytest.mark.parametrize("kind", ["duckdb", "postgres", "mysql", "sqlite"])
def test_columns_that_were_not_compared_stay_as_they_are(
    kind: str, proved: bool, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source = made(place("duckdb"), "CREATE TABLE t (id integer PRIMARY KEY, v varchar, note varchar)")
    target = made(place(kind), "CREATE TABLE t (id integer PRIMARY KEY, v varchar(9), note varchar(9))")
    nightly(tmp_path, monkeypatch, {"crm": source, "new": target}, ["from: crm, to: new, mode: merge, accept: '*'"])
    made(source, "INSERT INTO t VALUES (1, 'new', 'x'), (2, 'b', 'y'), (3, 'c', 'z')")
    made(target, "INSERT INTO t VALUES (1, 'old', 'mine'), (2, 'b', 'ours')")
    found = actions.prove("nightly", Asked(exclude="n*"))[0] if proved else diff(source, target, exclude="note")
    dry = repair(found.id, source=source, target=target)
    assert table_of(dry).left_out == ("note",)
    shown = " ".join(render.text(render_diff.repair, dry, 80).split())
    assert "t: not compared, and left as they are: note; rows that are inserted have the target's own" in shown
    done = repair(found.id, apply=True, source=source, target=target)
    assert (done.verdict, table_of(done).inserts, table_of(done).updates) == ("equal", 1, 1)
    rows = looks.query(target, "SELECT id, v, note FROM t ORDER BY id")
    assert rows == [(1, "new", "mine"), (2, "b", "ours"), (3, "c", None)]
    proof = done.bill.tables[0].proof if done.bill else None
    assert proof is not None
    assert "not compared, and left as they are: note" in proof.notes


def test_neither_does_a_key_that_each_side_has_of_its_own(place: Place):
    """It was left out, and the rows were found by another."""
    source = made(place("duckdb"), "CREATE TABLE t (id integer PRIMARY KEY, code varchar, v varchar)",
                  "INSERT INTO t VALUES (1, 'a', 'new'), (2, 'b', 'more')")  # fmt: skip
    target = made(place("sqlite"), "CREATE TABLE t (id integer PRIMARY KEY, code text, v text)",
                  "INSERT INTO t VALUES (7, 'a', 'old')")  # fmt: skip
    done = repair(diff(source, target, exclude="id", key="code").id, apply=True)
    assert (done.verdict, table_of(done).left_out) == ("equal", ("id",))
    assert looks.query(target, "SELECT * FROM t ORDER BY id") == [(7, "a", "new"), (8, "b", "more")]


def test_nor_what_has_no_form_in_common(place: Place):
    source = made(place("postgres"), "CREATE TABLE t (id integer PRIMARY KEY, v varchar(9), c date)",
                  "INSERT INTO t VALUES (1, 'new', '2024-01-01')")  # fmt: skip
    target = made(place("duckdb"), "CREATE TABLE t (id integer PRIMARY KEY, v varchar, c integer)",
                  "INSERT INTO t VALUES (1, 'old', 5)")  # fmt: skip
    done = repair(diff(source, target).id, apply=True, source=source)
    assert (done.verdict, table_of(done).left_out, table_of(done).problem) == ("inconclusive", ("c",), "")
    assert looks.query(target, "SELECT * FROM t") == [(1, "new", 5)]


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_blanks_at_the_end_of_a_key_are_its_own(kind: str, place: Place):
    """Where one side pads: the row would not be found by what is left of its key, nor arrive with it."""
    source = made(place("duckdb"), "CREATE TABLE t (k varchar PRIMARY KEY, v integer)",
                  "INSERT INTO t VALUES ('a  ', 1), ('b', 2), ('c ', 3)")  # fmt: skip
    target = made(place(kind), "CREATE TABLE t (k char(5) PRIMARY KEY, v integer)",
                  "INSERT INTO t VALUES ('a', 0), ('b', 0)")  # fmt: skip
    done = repair(diff(source, target).id, apply=True, target=target)
    table = table_of(done)
    assert (done.verdict, table.inserts, table.updates) == ("different", 0, 1)
    assert table.problem == "left alone: 2 rows whose key is written otherwise in the target"
    rows = looks.query(target, "SELECT trim(k), v FROM t ORDER BY k")
    assert rows == [("a", 0), ("b", 2)]


def test_a_key_with_null_is_left_alone(place: Place):
    source = made(place("duckdb"), "CREATE TABLE t (k integer, v varchar)",
                  "INSERT INTO t VALUES (1, 'new')")  # fmt: skip
    target = made(place("sqlite"), "CREATE TABLE t (k integer, v text)",
                  "INSERT INTO t VALUES (1, 'old'), (NULL, 'lost')")  # fmt: skip
    done = repair(diff(source, target, key="k").id, apply=True, deletes=True)
    table = table_of(done)
    assert (done.verdict, table.updates, table.deletes) == ("different", 1, 0)
    assert table.problem == "left alone: 1 row whose key has NULL"
    assert looks.query(target, "SELECT * FROM t ORDER BY k") == [(None, "lost"), (1, "new")]


@pytest.mark.parametrize("several", [False, True])
def test_what_was_merged_by_a_key_is_repaired_by_it(several: bool, place: Place):
    source, target = place("sqlite"), place("duckdb")
    for name in ("t", "u") if several else ("t",):
        made(source, f"CREATE TABLE {name} (id integer NOT NULL, v text)", f"INSERT INTO {name} VALUES (1, 'a')")
    bill = actions.copy(Move.model_validate({"from": source, "to": target, "mode": "merge", "merge_key": "id"}))
    assert bill.state == "proved"
    made(target, "UPDATE t SET v = 'bad'")
    done = repair(bill.run, apply=True)
    assert (done.verdict, done.tables[0].updates) == ("equal", 1)
    assert looks.query(target, "SELECT * FROM t") == [(1, "a")]


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
@pytest.mark.parametrize(("action", "would"), [("CASCADE", "delete"), ("SET NULL", "change")])
def test_deletes_take_no_other_rows_along(kind: str, action: str, would: str, place: Place):
    """Neither of another table nor of the same; what is to go as well does not keep a row."""
    source, target = place("sqlite"), place(kind)
    named = "CONSTRAINT up_there FOREIGN KEY (up) REFERENCES parents (id) ON DELETE"
    made(source, "CREATE TABLE parents (id bigint NOT NULL PRIMARY KEY, up bigint)",
         "CREATE TABLE children (id bigint NOT NULL PRIMARY KEY, parent bigint)",
         "INSERT INTO parents VALUES (1, NULL)", "INSERT INTO children VALUES (10, 1)")  # fmt: skip
    made(target, f"CREATE TABLE parents (id bigint PRIMARY KEY, up bigint, {named} {action})",
         "CREATE TABLE children (id bigint PRIMARY KEY, parent bigint, "
         f"CONSTRAINT to_parents FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE {action})",
         "INSERT INTO parents VALUES (1, NULL), (2, NULL), (3, 2)",
         "INSERT INTO children VALUES (10, 1), (12, 2)")  # fmt: skip
    one = Move.model_validate({"from": source, "to": target, "tables": ["parents"]})
    done = repair(actions.diff(one, Asked()).id, apply=True, deletes=True, source=source, target=target)
    assert done.verdict == "different"
    assert f"the database would {would} them, too (foreign key 'to_parents')" in table_of(done).problem
    assert looks.query(target, "SELECT * FROM children ORDER BY id") == [(10, 1), (12, 2)]
    assert looks.query(target, "SELECT id FROM parents ORDER BY id") == [(1,), (2,), (3,)]
    both = repair(diff(source, target).id, apply=True, deletes=True, source=source, target=target)
    assert (both.verdict, looks.query(target, "SELECT id FROM parents")) == ("equal", [(1,)])
    assert looks.query(target, "SELECT * FROM children") == [(10, 1)]
