"""Comparing as people start it: what ends with which code, and what is told before anything is compared."""

import shutil
import sqlite3
from contextlib import closing

import duckdb
import pytest

from lading import actions

NOBODY = "postgresql://me:x@127.0.0.1:1/db"


@pytest.fixture
def copied(inside, legacy):
    """The command line beside two equal databases."""
    shutil.copy(legacy, legacy.with_name("copy.db"))
    return inside


def test_a_system_that_does_not_answer_differs_from_nothing(copied):
    for words in ((f"{NOBODY}#t", "copy.db#people"), ("legacy.db#people", f"{NOBODY}#t")):
        done = copied("diff", *words)
        assert (done.code, done.out) == (3, "")
        assert done.err.startswith("error: PostgreSQL at 127.0.0.1:1: ")
    assert copied("diff", "legacy.db", NOBODY, "--json").code == 3


def test_neither_does_a_fault_of_ours(copied, monkeypatch):
    for error in (RuntimeError("odd"), OSError(28, "No space left on device")):

        def broken(*_words, error=error):
            raise error

        monkeypatch.setattr(actions, "diff", broken)
        done = copied("diff", "legacy.db", "copy.db")
        assert done.code == 3
        assert ("a fault of Lading" in done.err) == isinstance(error, RuntimeError)


def test_nor_a_pipeline_whose_source_is_gone(copied, tmp_path):
    assert copied("init", ".").code == 0
    (tmp_path / "connections.yaml").write_text(f"connections:\n  crm: {NOBODY}\n  there: duckdb:///there.duckdb\n")
    (tmp_path / "pipelines" / "nightly.yaml").write_text("steps: [{from: crm, to: there}]\n")
    done = copied("prove", "nightly")
    assert (done.code, "127.0.0.1:1" in done.err) == (3, True), done.err


@pytest.mark.parametrize("option", ["--export", "--html"])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_compared(copied, tmp_path, option):
    for path in ("nowhere/x.csv", str(tmp_path / "legacy.db" / "x.csv")):
        done = copied("diff", NOBODY, "copy.db", option, path)
        assert (done.code, done.out) == (2, "")
        assert "There is no folder" in done.err
    assert copied("diff", "legacy.db", "copy.db", option, "here.csv").code == 0
    assert (tmp_path / "here.csv").exists()


def test_the_way_is_told_where_it_is_not_the_usual_one(copied, tmp_path):
    for name in ("one.db", "two.db"):
        with closing(sqlite3.connect(tmp_path / name)) as db:
            db.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, more JSON); INSERT INTO t VALUES (1, '{}')")
    usual = "co-located; both sides are read to this machine"
    words = ("diff", "one.db", "two.db", "--html", "here.html")
    done = copied(*words)
    assert (done.code, "way: " in done.out) == (0, False)
    assert usual in (tmp_path / "here.html").read_text(encoding="utf-8")
    done = copied(*words, "--way", "in place")
    said = " ".join(done.out.split())
    assert f"way: {usual}" in said
    assert "not in place: 'more': " in said
    assert "not in place" in (tmp_path / "here.html").read_text(encoding="utf-8")
    assert "way: sample; asked for: 50.00% of the keys" in " ".join(copied(*words, "--sample", "0.5").out.split())


def test_a_pipeline_that_moves_nothing_is_said_to(copied, tmp_path):
    assert copied("init", ".").code == 0
    (tmp_path / "pipelines" / "only.yaml").write_text("steps: [{key: a, do: bash, script: echo}]\n")
    done = copied("prove", "only")
    assert (done.code, done.out) == (2, "")
    assert "Pipeline 'only' has no step that moves tables" in done.err


@pytest.fixture
def strange(inside, tmp_path):
    """Two databases, and two Parquet files, with columns that have no canonical form; and how to change one."""
    for name in ("left", "right"):
        with duckdb.connect(str(tmp_path / f"{name}.duckdb")) as db:
            db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, s STRUCT(a INTEGER), v INTEGER)")
            db.execute("INSERT INTO t VALUES (1, {'a': 1}, 5), (2, NULL, 6)")
            db.execute(f"COPY t TO '{tmp_path}/{name}.parquet'")

    def change(place: str) -> None:
        with duckdb.connect(str(tmp_path / "right.duckdb")) as db:
            db.execute("UPDATE t SET v = 7 WHERE id = 2")
            db.execute(f"COPY t TO '{tmp_path}/{place}'")

    return change


@pytest.mark.parametrize(("ending", "name"), [("duckdb", "t"), ("parquet", "")])
def test_a_column_of_an_unknown_type_is_not_compared_and_the_others_are(inside, strange, ending, name):
    sides = [f"{side}.{ending}#{name or side}" for side in ("left", "right")]
    done = inside("diff", *sides, "--json")
    (table,) = done.json["tables"]
    assert (done.code, table["verdict"], table["rows_left"]) == (3, "inconclusive", 2)
    assert (list(table["not_compared"]), len(table["reasons"])) == (["s"], 1)
    assert "STRUCT" in table["not_compared"]["s"].upper()
    assert inside("diff", *sides, "--exclude", "s").code == 0
    strange("right.parquet")
    done = inside("diff", *sides, "--json")
    (table,) = done.json["tables"]
    assert (done.code, table["columns"] or table["only_left"]) == (1, {"v": 1} if ending == "duckdb" else 1)
    assert list(table["not_compared"]) == ["s"]
    assert inside("plan", sides[0], "there.duckdb").code == 2, "a move still stops"


@pytest.mark.parametrize("option", ["--sensitive", "--exclude"])
def test_a_column_that_is_none_is_refused(copied, tmp_path, option):
    """Or the values that were to be hidden would be shown."""
    for name in ("nmae", "NAME", "people.name", "x*"):
        done = copied("diff", "legacy.db", "copy.db", option, "born", option, name)
        assert (done.code, done.out) == (2, "")
        assert f"'{option[2:]}' names '{name}', which is no column of what is compared." in done.err
    assert "Did you mean 'name'?" in copied("diff", "legacy.db", "copy.db", option, "nmae").err
    for name in ("name", "n*", "?ame", "amount"):
        assert copied("diff", "legacy.db", "copy.db", option, name).code == 0, name
    with sqlite3.connect(tmp_path / "copy.db") as db:
        db.execute("ALTER TABLE people ADD COLUMN more text")
    db.close()
    assert copied("diff", "legacy.db#people", "copy.db", "--exclude", "more").code == 0, "only the right has it"


def test_all_steps_of_a_pipeline_are_proved_exported_and_asked_for_columns(copied, tmp_path):
    assert copied("init", ".").code == 0
    steps = "".join(f"  - {{key: {name}, from: old, to: new, tables: {name}}}\n" for name in ("people", "amounts"))
    (tmp_path / "connections.yaml").write_text(
        "connections:\n  old: sqlite:///legacy.db\n  new: duckdb:///there.duckdb\n"
    )
    more = "  - {key: check, do: prove, step: amounts, after: [amounts], compare: {sensitive: [nmae]}}\n"
    (tmp_path / "pipelines" / "both.yaml").write_text(f"steps:\n{steps}")
    (tmp_path / "pipelines" / "more.yaml").write_text(f"steps:\n{steps}{more}")
    assert copied("run", "both").code == 0
    with duckdb.connect(str(tmp_path / "there.duckdb")) as there:
        there.execute("DELETE FROM people; DELETE FROM amounts")
    done = copied("prove", "both", "--export", "all.csv", "--json")
    assert (done.code, len(done.json["diffs"])) == (1, 2)
    exported = (tmp_path / "all.csv").read_text().splitlines()
    counted = {each["tables"][0]["left"]: each["tables"][0]["only_left"] for each in done.json["diffs"]}
    assert {name: sum(line.startswith(f'"{name}"') for line in exported) for name in counted} == counted
    assert min(counted.values()) > 0
    assert copied("run", "both").code == 0
    assert copied("prove", "both", "--sensitive", "name", "--exclude", "amount").code == 0
    done = copied("prove", "both", "--sensitive", "nmae", "--json")
    assert (done.code, done.json["error"]["kind"], "'nmae'" in done.err) == (2, "spec", True)
    done = copied("run", "more")
    assert (done.code, "'nmae', which is no column" in " ".join(done.out.split())) == (1, True), done.err


@pytest.mark.parametrize("more", ["", "--sensitive"])
def test_rows_whose_keys_are_not_shown_are_counted(inside, tmp_path, more):
    for name, rows in (("left", "('b', 1, 1), ('x', 1, 1)"), ("right", "('b', 2, 2), ('y', 1, 1)")):
        with sqlite3.connect(tmp_path / f"{name}.db") as db:
            db.execute("CREATE TABLE t (email text PRIMARY KEY, v integer, w integer)")
            db.execute(f"INSERT INTO t VALUES {rows}")
        db.close()
    words = ("diff", "left.db", "right.db", "--html", "d.html", *([more, "email"] if more else []))
    assert inside(*words).code == 1
    page = (tmp_path / "d.html").read_text()
    assert (page.count("<tr><th scope") >= 4, "not kept" in page) == (True, False)
    for limit, rest in (("1", "3 more differences are"), ("3", "1 more difference is")):
        assert inside(*words, "--limit", limit).code == 1
        page = (tmp_path / "d.html").read_text()
        assert f"{rest} not kept</p>" in page


def test_a_small_share_is_not_said_to_be_none(copied):
    """One bucket of 65,536 is compared at least."""
    for sample, share in (("0.5", "50.00%"), ("0.05", "5.00%"), ("0.0001", "0.0092%"), ("1e-9", "0.0015%")):
        done = copied("diff", "legacy.db#people", "copy.db", "--sample", sample, "--json")
        assert f"only {share} of the keys were compared" in done.json["tables"][0]["reasons"], done.json
    assert done.json["tables"][0]["why"] == "asked for: 0.00000010% of the keys, chosen by their hash"


def test_differences_that_are_not_shown_are_counted(inside, tmp_path):
    """Thirty of fifteen rows, of which the terminal shows twenty."""
    for name, value in (("left", 0), ("right", 1)):
        with sqlite3.connect(tmp_path / f"{name}.db") as db:
            db.execute("CREATE TABLE t (id integer PRIMARY KEY, a integer, b integer)")
            db.executemany("INSERT INTO t VALUES (?, ?, ?)", [(n, value, value) for n in range(15)])
        db.close()
    for limit, kept, rest in (
        ("100", "10 more differences are kept: see --json, or", ""),
        ("29", "9 more differences are kept, 1 not: see --json, or", "1 more difference is"),
        ("21", "1 more difference is kept, 9 not: see --json, or", "9 more differences are"),
        ("20", "10 more differences are not kept:", "10 more differences are"),
        ("0", "30 differences are not kept:", ">30 differences are"),
    ):
        done = inside("diff", "left.db", "right.db", "--limit", limit, "--html", "d.html")
        said = f"{kept} write all of them with '--export' of diff or prove"
        assert (done.code, said in " ".join(done.out.split())) == (1, True), done
        page = (tmp_path / "d.html").read_text()
        assert f"{rest} not kept</p>" in page if rest else "not kept" not in page


def test_nothing_to_compare_is_no_fault(copied):
    words = ("diff", "legacy.db#people", "copy.db", "--exclude", "*", "--json")
    for way in ("co-located", "in place"):
        done = copied(*words, "--way", way)
        assert (done.code, done.json["tables"][0]["reasons"]) == (3, ["no column could be compared"]), done


def test_sqlite_pads_nothing(inside, tmp_path):
    """Blanks at the end of its CHAR(n) are values."""
    for name, text in (("left", "a"), ("right", "a  ")):
        with sqlite3.connect(tmp_path / f"{name}.db") as db:
            db.execute("CREATE TABLE t (id integer PRIMARY KEY, v char(10))")
            db.execute("INSERT INTO t VALUES (1, ?), (2, 'b')", [text])
        db.close()
    for way in ("co-located", "in place", "aggregates"):
        assert inside("diff", "left.db", "right.db", "--way", way).code == 1, way


@pytest.mark.parametrize("way", ["co-located", "in place"])
def test_nor_does_it_cut(inside, tmp_path, way):
    """A text may be longer than is declared, and is then the same on both sides all the same."""
    for name, size in (("one.db", 20), ("two.db", 5)):
        with closing(sqlite3.connect(tmp_path / name)) as db:
            db.executescript(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR({size}))")
            db.executescript("INSERT INTO t VALUES (1, 'abcdefgh'), (2, 'abc')")
    for words in (("one.db", "two.db"), ("two.db", "one.db")):
        done = inside("diff", *words, "--way", way)
        assert (done.code, "narrowed:" in done.out) == (0, False), done.out
    with closing(sqlite3.connect(tmp_path / "two.db")) as db:
        db.executescript("UPDATE t SET v = 'abcde' WHERE id = 1")  # as a loader that looks at the declaration
    done = inside("diff", "one.db", "two.db", "--way", way)
    assert (done.code, "narrowed: v 1" in done.out) == (0, True), done.out
    assert inside("diff", "one.db", "two.db", "--way", way, "--strict").code == 1
    assert inside("diff", "two.db", "one.db", "--way", way).code == 1, "nothing is wider there"
    with closing(sqlite3.connect(tmp_path / "two.db")) as db:
        db.executescript("UPDATE t SET v = 'abcd' WHERE id = 1")
    assert inside("diff", "one.db", "two.db", "--way", way).code == 1


def test_a_file_is_a_table_whatever_its_name(inside, tmp_path):
    for name, value in (("old.csv", "a"), ("new.csv", "b")):
        (tmp_path / name).write_text(f"id,v\n1,{value}\n2,c\n")
    with closing(sqlite3.connect(tmp_path / "crm.db")) as db:
        db.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'c')")
        db.executescript("CREATE TABLE u (id INTEGER PRIMARY KEY)")
    for words, code in (
        (("old.csv", "new.csv"), 1), (("new.csv", "new.csv"), 0), (("crm.db#t", "old.csv"), 0),
        (("crm.db#t", "new.csv"), 1),
    ):  # fmt: skip
        done = inside("diff", *words, "--key", "id", "--json")
        (found,) = done.json["tables"]
        assert (done.code, found["rows_right"], found["only_left"]) == (code, 2, 0), done
    (tmp_path / "more.csv").mkdir()
    for name, value in (("old", "a"), ("other", "z")):
        (tmp_path / "more.csv" / f"{name}.csv").write_text(f"id,v\n1,{value}\n2,c\n")
    for right in (f"csv:///{tmp_path}/more.csv", f"csv:///{tmp_path}/more.csv/*.csv"):
        done = inside("diff", "old.csv", right, "--key", "id", "--json")
        assert [(each["left"], each["right"], each["verdict"]) for each in done.json["tables"]] == [
            ("old", "old", "equal")
        ], "of several tables the one of its name is meant"
    done = inside("diff", "crm.db", "old.csv", "--json")
    assert [each["rows_right"] for each in done.json["tables"]] == [0, 0], "of two tables nobody knows which is meant"
