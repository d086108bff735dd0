"""The record: verdicts as rows, in the store and in a table of the target."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lading import actions, record, render_diff
from lading.compare import Asked
from lading.compare.outcome import Verdict
from lading.errors import SpecError
from lading.prove import Bill
from lading.spec import Move
from tests.doors.conftest import Inside
from tests.journeys import looks
from tests.journeys.test_repair import fill


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Inside:
    return Inside(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("kind", ["postgres", "mysql", "sqlite", "duckdb", "parquet"])
def test_verdicts_are_rows_of_the_target(kind: str, place: Callable[[str], str], copied: Callable[..., Bill]):
    source, target = place("duckdb"), place(kind)
    fill(source, "duckdb", range(100))
    first = copied(source, target, record=True)
    looks.query(source, "UPDATE orders SET note = 'x' WHERE id < 3")
    move = Move.model_validate({"from": source, "to": target, "tables": "orders"})
    found = actions.diff(move, Asked(record=True))
    written = looks.contents(target)["lading_bills"]
    at = {name: place for place, name in enumerate(written.columns)}
    names = ("run", "column_name", "source_table", "verdict", "rows_source", "changed")
    rows = sorted(tuple(row[at[name]] for name in names) for row in written.rows if row[at["column_name"]] == "")
    whole = [(run, verdict, int(count)) for run, _, _, verdict, count, _ in rows]
    assert sorted(whole) == sorted([(first.run, "proved", 100), (found.id, "different", 100)])
    (note,) = [row for row in written.rows if row[at["column_name"]] == "note"]
    assert (note[at["run"]], int(note[at["changed"]])) == (found.id, 3)


def test_the_store_keeps_what_every_run_and_diff_said(place: Callable[[str], str], copied: Callable[..., Bill]):
    source, target = place("sqlite"), place("duckdb")
    fill(source, "sqlite", range(100))
    bill = copied(source, target)
    found = actions.diff(Move.model_validate({"from": source, "to": target}), Asked())
    newest, oldest = actions.trend()
    assert (newest.kind, newest.verdict, newest.run, newest.rows_source) == ("diff", "equal", found.id, 100)
    assert (oldest.kind, oldest.verdict, oldest.run, oldest.rows_target) == ("copy", "proved", bill.run, 100)
    assert newest.root_source == newest.root_target
    again = actions.diff(Move.model_validate({"from": source, "to": target}), Asked())
    assert again.tables[0].root_left == found.tables[0].root_left, "two diffs of the same rows have the same roots"
    looks.query(source, "UPDATE orders SET note = 'y' WHERE id = 3")
    other = actions.diff(Move.model_validate({"from": source, "to": target}), Asked())
    assert other.tables[0].root_left != found.tables[0].root_left
    assert other.tables[0].root_right == found.tables[0].root_right


def test_tables_that_only_the_right_side_has_are_named(place: Callable[[str], str]):
    left, right = place("sqlite"), place("duckdb")
    for address in (left, right):
        for table in ("sales", "sale_days"):
            looks.query(address, f"CREATE TABLE {table} (id integer PRIMARY KEY)")
    for table in ("sale_parts", "sales_old", "other", "lading_bills"):
        looks.query(right, f"CREATE TABLE {table} (id integer PRIMARY KEY)")

    def alone(**words: object) -> tuple[str, ...]:
        return actions.diff(Move.model_validate({"from": left, "to": right, **words}), Asked()).alone

    assert alone() == ("other", "sale_parts", "sales_old")
    assert alone(tables="sale*", exclude="*_old") == ("sale_parts",)
    assert alone(tables="sales") == ()
    found = actions.diff(Move.model_validate({"from": left, "to": right}), Asked())
    assert found.verdict is Verdict.EQUAL
    text = io.StringIO()
    Console(file=text, width=100).print(render_diff.diff(found, 100))
    assert "Only the right side has other, sale_parts, sales_old: not compared." in text.getvalue()


@pytest.mark.parametrize("old", [False, True])
def test_what_is_equal_only_under_a_policy_is_said_in_the_record(old: bool, place: Callable[[str], str]):
    source, target = place("sqlite"), place("duckdb")
    for each, value in ((source, "a"), (target, "A")):
        looks.query(each, "CREATE TABLE t (id integer PRIMARY KEY, v varchar(9), w varchar(9))")
        looks.query(each, f"INSERT INTO t VALUES (1, '{value}', 'x'), (2, 'b', '{value}'), (3, '{value}', 'x')")
    move = Move.model_validate({"from": source, "to": target, "tables": "t"})
    if old:  # of a version that did not count them
        assert actions.diff(move, Asked(record=True)).verdict == "different"
        looks.query(target, "DELETE FROM lading_bills")
        looks.query(target, "ALTER TABLE lading_bills DROP COLUMN policy")
    found = actions.diff(move, Asked(policies=("case",), record=True))
    assert found.verdict == "equal"
    wanted = "column_name, why" if old else "column_name, why, policy"
    rows = looks.query(target, f"SELECT {wanted} FROM lading_bills ORDER BY column_name")
    told = [("", "", 3), ("v", "2 equal only under a policy", 2), ("w", "1 equal only under a policy", 1)]
    assert rows == [row[:2] if old else row for row in told]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_what_nobody_counted_is_not_said_to_be_none(kind: str, place: Callable[[str], str]):
    source, target = place("sqlite"), place(kind)
    for each, value in ((source, 1), (target, 2)):
        looks.query(each, "CREATE TABLE t (id integer PRIMARY KEY, v integer)")
        looks.query(each, f"INSERT INTO t VALUES (1, {value})")
    looks.query(source, "CREATE TABLE gone (id integer PRIMARY KEY)")
    move = Move.model_validate({"from": source, "to": target})
    for way, told in ((None, (0, 0, 1)), ("aggregates", (None, None, None))):
        found = actions.diff(move, Asked(way=way, record=True))
        kept = {row.source_table: (row.only_source, row.only_target, row.changed) for row in actions.trend(limit=2)}
        assert kept == {"gone": (None, None, None), "t": told}
        asked = "SELECT only_source, only_target, changed FROM lading_bills WHERE column_name = '' AND source_table"
        for table, counts in kept.items():
            assert looks.query(target, f"{asked} = '{table}' AND run = '{found.id}'") == [counts]


def test_a_table_of_somebody_else_is_told_before_anything_is_compared(place: Callable[[str], str]):
    left, right = place("sqlite"), place("duckdb")
    for address in (left, right):
        looks.query(address, "CREATE TABLE t (id integer PRIMARY KEY)")
    looks.query(right, "CREATE TABLE lading_bills (id integer)")
    with pytest.raises(SpecError, match="'lading_bills' has no column 'run', so it is none of Lading's"):
        actions.diff(Move.model_validate({"from": left, "to": right, "tables": "t"}), Asked(record=True))
    assert actions.trend() == []


def test_a_verdict_that_cannot_be_recorded_is_not_lost(place: Callable[[str], str], tmp_path: Path, inside: Inside):
    left, right = place("sqlite"), place("postgres")
    looks.query(left, "CREATE TABLE t (id integer PRIMARY KEY, v text)")
    looks.query(right, "CREATE TABLE t (id bigint PRIMARY KEY, v text)")
    looks.query(right, "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not today''; END'")
    assert inside("diff", left, right, "--tables", "t", "--record").code == 0
    looks.query(right, "CREATE TRIGGER t BEFORE INSERT ON lading_bills FOR EACH ROW EXECUTE FUNCTION no()")
    for code, statement in ((3, "SELECT 1"), (1, "INSERT INTO t VALUES (7, 'x')")):
        looks.query(right, statement)
        page = tmp_path / f"{code}.html"
        done = inside("diff", left, right, "--tables", "t", "--record", "--html", str(page))
        for text in (" ".join(done.out.split()), page.read_text()):
            assert (done.code, "not today" in text, "Not recorded" in text) == (code, True, True), done
        found = inside("diff", left, right, "--tables", "t", "--record", "--json").json
        assert (found["verdict"], "not today" in found["unrecorded"]) == ("different" if code == 1 else "equal", True)


def test_columns_of_a_team_and_long_names_are_no_obstacle(place: Callable[[str], str]):
    left, right, long = place("sqlite"), place("duckdb"), "n" * 210
    for each, value in ((left, 1), (right, 2)):
        looks.query(each, f'CREATE TABLE t (id integer PRIMARY KEY, "{long}a" integer, "{long}b" integer)')
        looks.query(each, f"INSERT INTO t VALUES (1, {value}, {value})")
    move = Move.model_validate({"from": left, "to": right, "tables": "t"})
    assert actions.diff(move, Asked(record=True)).unrecorded == ""
    names = looks.query(right, "SELECT column_name FROM lading_bills WHERE column_name <> ''")
    assert len({name for (name,) in names}) == 2
    looks.query(
        right,
        "CREATE TABLE copy AS FROM lading_bills; DROP TABLE lading_bills; ALTER TABLE copy RENAME TO lading_bills",
    )
    looks.query(right, "ALTER TABLE lading_bills ADD COLUMN team varchar DEFAULT 'ours'")
    looks.query(right, "ALTER TABLE lading_bills ALTER team SET NOT NULL")
    assert actions.diff(move, Asked(record=True)).unrecorded == ""
    assert looks.query(right, "SELECT DISTINCT team, count(DISTINCT run) FROM lading_bills GROUP BY 1") == [("ours", 2)]


def test_two_that_make_the_record_at_once_both_write_to_it(
    place: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
):
    left, right = place("sqlite"), place("postgres")
    for each in (left, right):
        looks.query(each, "CREATE TABLE t (id integer PRIMARY KEY)")
    move, add = Move.model_validate({"from": left, "to": right, "tables": "t"}), record._add

    def later(*words: Any) -> None:
        monkeypatch.setattr(record, "_add", add)
        assert actions.diff(move, Asked(record=True)).unrecorded == ""
        add(*words)

    monkeypatch.setattr(record, "_add", later)
    assert actions.diff(move, Asked(record=True)).unrecorded == ""
    assert looks.query(right, "SELECT count(*), count(DISTINCT run) FROM lading_bills") == [(2, 2)]


def test_a_view_is_none_of_ladings(place: Callable[[str], str]):
    left, right = place("sqlite"), place("duckdb")
    looks.query(left, "CREATE TABLE t (id integer PRIMARY KEY)")
    looks.query(right, "CREATE VIEW lading_bills AS SELECT 'x' AS run, 1 AS place, '' AS column_name")
    with pytest.raises(SpecError, match="'lading_bills' is a view"):
        actions.diff(Move.model_validate({"from": left, "to": right, "tables": "t"}), Asked(record=True))
