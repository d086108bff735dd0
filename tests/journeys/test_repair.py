"""Comparing, repairing and proving again, between real systems; looked at with each system's own client."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from lading import actions, actions_repairing, config, render, render_diff
from lading.compare import Asked
from lading.compare.outcome import Diff
from lading.errors import SpecError
from lading.prove import Bill
from lading.repair import Mending, Repair
from lading.spec import Move
from tests.journeys import looks

PAIRS = [
    ("postgres", "mysql"), ("mysql", "duckdb"), ("duckdb", "sqlite"), ("sqlite", "postgres"), ("mysql", "mysql"),
]  # fmt: skip
TYPES = {
    "postgres": "region text, id integer, amount numeric(12,2), note text, flag boolean, moment timestamp",
    "mysql": "region varchar(20), id integer, amount decimal(12,2), note text, flag boolean, moment datetime(6)",
    "sqlite": "region text, id integer, amount decimal(12,2), note text, flag boolean, moment timestamp",
    "duckdb": "region varchar, id integer, amount decimal(12,2), note varchar, flag boolean, moment timestamp",
}
ROWS = 3_000


def fill(place: str, kind: str, rows: range = range(ROWS)) -> None:
    looks.query(place, f"CREATE TABLE orders ({TYPES[kind]}, PRIMARY KEY (region, id))")
    values = (
        f"('r{n % 3}', {n}, {n}.25, 'it''s {n}', {str(n % 2 == 1).lower()}, '2024-01-01 00:00:{n % 60:02d}.000001')"
        for n in rows
    )
    looks.query(place, f"INSERT INTO orders VALUES {', '.join(values)}")


def spoil(place: str) -> None:
    """Six changed rows, two missing, one too many."""
    for change in (
        "amount = amount + 0.01 WHERE id = 10",
        "note = concat(note, ' ') WHERE id = 20" if "sqlite" not in place else "note = note || ' ' WHERE id = 20",
        "note = NULL WHERE id = 30",
        "flag = NOT flag WHERE id = 40",
        "moment = '2024-01-01 00:00:50.000002' WHERE id = 50",
        "note = '' WHERE id = 60",
    ):
        looks.query(place, f"UPDATE orders SET {change}")
    looks.query(place, "DELETE FROM orders WHERE id IN (70, 80)")
    looks.query(place, "INSERT INTO orders VALUES ('r9', 9999, 1, 'extra', true, NULL)")


def diff(source: str, target: str, **asked: Any) -> Diff:
    return actions.diff(Move.model_validate({"from": source, "to": target}), Asked.model_validate(asked))


def repair(run: str, **words: Any) -> Repair:
    return actions_repairing.repair(run, Mending(**words))


@pytest.mark.parametrize(("origin", "kind"), PAIRS)
def test_what_differs_is_named_and_repaired(origin: str, kind: str, place: Callable[[str], str]):
    source, target = place(origin), place(kind)
    fill(source, origin)
    fill(target, kind)
    assert diff(source, target).verdict == "equal"
    spoil(target)
    found = diff(source, target)
    (table,) = found.tables
    assert found.verdict == "different"
    assert (table.only_left, table.only_right, table.changed) == (2, 1, 6)
    assert table.columns == {"amount": 1, "note": 3, "flag": 1, "moment": 1}
    told = {(d.kind, int(d.key["id"] or 0), d.column) for d in table.differences}
    assert told == {
        ("changed", 10, "amount"), ("changed", 20, "note"), ("changed", 30, "note"), ("changed", 40, "flag"),
        ("changed", 50, "moment"), ("changed", 60, "note"), ("only_left", 70, ""), ("only_left", 80, ""),
        ("only_right", 9999, ""),
    }  # fmt: skip

    dry = repair(found.id, source=source, target=target)
    assert (dry.applied, dry.verdict, dry.tables[0].inserts, dry.tables[0].updates) == (False, "different", 2, 6)
    assert diff(source, target).tables[0].differing == 9, "nothing was changed"

    kept = repair(found.id, apply=True, source=source, target=target)
    assert kept.bill is not None
    assert (kept.bill.state, kept.bill.rows.source) == ("proved", 8), "exactly the rows that differ"
    assert kept.verdict == "different", "the row that only the target has is still there"
    done = repair(found.id, apply=True, deletes=True, source=source, target=target)
    assert (done.verdict, done.tables[0].deletes, done.bill) == ("equal", 1, None)
    assert looks.same(looks.contents(source)["orders"], looks.contents(target)["orders"]) == ""
    assert not [name for name in looks.contents(target) if name.startswith("lading_")]


def test_a_row_on_its_way_is_not_deleted(
    place: Callable[[str], str], copied: Callable[..., Bill], monkeypatch: pytest.MonkeyPatch
):
    """Something else than Lading wrote it to the target first; the source has it a moment later."""
    source, target = place("sqlite"), place("duckdb")
    fill(source, "sqlite", range(100))
    copied(source, target)
    late, extra = (f"INSERT INTO orders VALUES ('r9', {n}, 1, 'late', true, NULL)" for n in (9998, 9999))
    looks.query(target, late)
    looks.query(target, extra)
    mend = actions_repairing._mend

    def meanwhile(*given: Any) -> Any:
        looks.query(source, late)
        return mend(*given)

    monkeypatch.setattr(actions_repairing, "_mend", meanwhile)
    done = repair(diff(source, target).id, apply=True, deletes=True, source=source, target=target)
    assert (done.verdict, done.tables[0].deletes) == ("equal", 2)
    assert looks.query(target, "SELECT id FROM orders WHERE id > 9000") == [(9998,)]


def test_many_rows_are_repaired_in_slices(place: Callable[[str], str], copied: Callable[..., Bill]):
    source, target = place("duckdb"), place("postgres")
    fill(source, "duckdb")
    bill = copied(source, target)
    looks.query(target, "UPDATE orders SET amount = 0 WHERE id % 2 = 0")
    looks.query(target, "DELETE FROM orders WHERE id % 5 = 1")
    done = repair(bill.run, apply=True, source=source, target=target)
    assert done.verdict == "equal"
    assert done.bill is not None
    assert done.bill.tables[0].slices == -(-done.bill.rows.source // 500) > 1
    assert looks.same(looks.contents(source)["orders"], looks.contents(target)["orders"]) == ""


def test_a_table_without_a_key_is_left_as_it_is(place: Callable[[str], str]):
    source, target = place("duckdb"), place("duckdb")
    looks.query(source, "CREATE TABLE t (a integer); INSERT INTO t VALUES (1), (2)")
    looks.query(target, "CREATE TABLE t (a integer); INSERT INTO t VALUES (1)")
    found = diff(source, target)
    done = repair(found.id, apply=True)
    assert (done.verdict, done.bill) == ("different", None)
    assert "no key" in done.tables[0].problem
    assert looks.query(target, "SELECT count(*) FROM t") == [(1,)]


def test_a_table_that_is_gone_is_not_passed_over(place: Callable[[str], str]):
    source, target = place("postgres"), place("duckdb")
    for each in (source, target):
        looks.query(each, "CREATE TABLE kept (a integer PRIMARY KEY); CREATE TABLE gone (a integer PRIMARY KEY)")
    found = diff(source, target)
    assert found.verdict == "equal"
    looks.query(source, "DROP TABLE gone")
    for apply in (False, True):
        done = repair(found.id, apply=apply, source=source, target=target)
        assert done.verdict == "inconclusive"
        assert {t.table: t.problem for t in done.tables} == {
            "kept": "", "gone": "The source has no table 'gone' any more."
        }  # fmt: skip
    looks.query(target, "DROP TABLE gone")
    assert repair(found.id, source=source, target=target).verdict == "different"


def test_a_schema_may_have_a_dot_in_its_name(place: Callable[[str], str]):
    source, target = place("postgres"), place("duckdb")
    for each in (source, target):
        looks.query(each, 'CREATE SCHEMA "new.sales"; CREATE TABLE "new.sales"."a.b" (a integer PRIMARY KEY)')
    assert [(t.left, t.verdict) for t in diff(source, target).tables] == [("new.sales.a.b", "equal")]


def test_a_run_that_is_not_there():
    with actions.store():
        pass
    with pytest.raises(SpecError, match="no run 'nope'"):
        repair("nope")


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_files_are_compared_and_cannot_be_repaired(kind: str, place: Callable[[str], str], copied: Callable[..., Bill]):
    source, target = place("postgres"), place(kind)
    fill(source, "postgres", range(200))
    copied(source, target)
    assert diff(source, target).verdict == "equal"
    looks.query(source, "UPDATE orders SET note = NULL WHERE id = 7")
    found = diff(source, target)
    assert found.tables[0].columns == {"note": 1}
    for apply in (False, True):
        with pytest.raises(SpecError, match=r"cannot merge rows by key\. Copy the tables again\."):
            repair(found.id, apply=apply, source=source, target=target)


def test_all_differences_are_exported(place: Callable[[str], str], tmp_path: Path):
    source, target = place("duckdb"), place("sqlite")
    fill(source, "duckdb")
    fill(target, "sqlite", range(100, ROWS))
    path = tmp_path / "all.parquet"
    move = Move.model_validate({"from": source, "to": target})
    found = actions.diff(move, Asked(limit=3, sensitive="note"), export=path)
    assert len(found.tables[0].differences) == 3
    rows = pq.read_table(path)
    assert rows.num_rows == 100
    assert set(rows["kind"].to_pylist()) == {"only_left"}
    for name in ("nowhere/all.parquet", "nowhere/all.csv"):
        with pytest.raises(SpecError, match="cannot be written"):
            actions.diff(move, Asked(), export=tmp_path / name)


class Lagging(threading.Thread):
    """Brings rows to the target some time after the source has them."""

    def __init__(self, target: str, statement: str, seconds: float) -> None:
        super().__init__()
        self.target, self.statement, self.seconds = target, statement, seconds
        self.start()

    def run(self) -> None:
        time.sleep(self.seconds)
        looks.query(self.target, self.statement)


def test_a_row_in_flight_is_no_difference(place: Callable[[str], str]):
    source, target = place("postgres"), place("mysql")
    fill(source, "postgres", range(100))
    fill(target, "mysql", range(100))
    looks.query(source, "UPDATE orders SET note = 'new' WHERE id = 5")
    late = Lagging(target, "UPDATE orders SET note = 'new' WHERE id = 5", 1.0)
    found = diff(source, target, wait_seconds=3)
    late.join()
    assert found.verdict == "equal"
    assert dict(found.tables[0].states) == {"in sync after wait": 1}


def meanwhile(patch: pytest.MonkeyPatch, place: str, statement: str) -> None:
    """Runs a statement instead of waiting, once the first look is over."""
    patch.setattr("lading.compare.waiting.time", SimpleNamespace(sleep=lambda _: looks.query(place, statement)))


def test_rows_without_a_key_can_be_in_flight_too(place: Callable[[str], str], monkeypatch: pytest.MonkeyPatch):
    source, target = place("postgres"), place("mysql")
    for each in (source, target):
        looks.query(each, "CREATE TABLE t (a integer, b varchar(9))")
        looks.query(each, "INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, 'y')")
    looks.query(source, "INSERT INTO t VALUES (3, 'z')")
    with monkeypatch.context() as patch:
        meanwhile(patch, target, "INSERT INTO t VALUES (3, 'z')")
        found = diff(source, target, wait_seconds=3)
    assert (found.verdict, dict(found.tables[0].states)) == ("equal", {"in sync after wait": 1})
    looks.query(target, "DELETE FROM t WHERE a = 2")
    found = diff(source, target, wait_seconds=0)
    assert (found.verdict, dict(found.tables[0].states)) == ("different", {"persistent": 1})
    looks.query(source, "DELETE FROM t WHERE a = 2")
    assert diff(source, target).verdict == "equal"


def test_what_was_in_flight_is_not_exported(
    place: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source, target = place("postgres"), place("mysql")
    fill(source, "postgres", range(100))
    fill(target, "mysql", range(99))
    looks.query(target, "UPDATE orders SET note = 'bad' WHERE id = 6")
    late = "SELECT region, 99, 99.25, 'it''s 99', true, '2024-01-01 00:00:39.000001' FROM orders WHERE id = 0"
    meanwhile(monkeypatch, target, f"INSERT INTO orders {late}")
    move, path = Move.model_validate({"from": source, "to": target}), tmp_path / "all.parquet"
    found = actions.diff(move, Asked(wait_seconds=3), export=path)
    assert dict(found.tables[0].states) == {"persistent": 1, "in sync after wait": 1}
    rows = pq.read_table(path)
    assert rows["right"].to_pylist() == ["bad"]


def test_a_row_that_stays_different_is_one_and_a_moving_one_is_unknown(
    place: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
):
    source, target = place("postgres"), place("postgres")
    for each in (source, target):
        fill(each, "postgres", range(100))
    looks.query(source, "UPDATE orders SET note = 'new' WHERE id IN (5, 6)")
    with monkeypatch.context() as patch:
        meanwhile(patch, source, "UPDATE orders SET note = 'newer' WHERE id = 5")
        found = diff(source, target, wait_seconds=3)
    assert found.verdict == "different"
    assert dict(found.tables[0].states) == {"persistent": 1, "moving": 1}
    told = [(d.key["id"], d.state) for d in found.tables[0].differences]
    assert told == [("6", "persistent"), ("5", "moving")], "what differs for certain comes first"
    meanwhile(monkeypatch, source, "UPDATE orders SET note = 'newest' WHERE id IN (5, 6)")
    assert diff(source, target, wait_seconds=3).verdict == "inconclusive"


@pytest.mark.parametrize("more", [{}, {"exclude": "c", "sample": 0.9999}])
def test_a_moving_row_is_unknown_also_where_not_all_is_compared(
    more: dict[str, Any], place: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
):
    source, target = place("postgres"), place("postgres")
    for each, form in ((source, "date"), (target, "integer")):
        looks.query(each, f"CREATE TABLE t (id integer PRIMARY KEY, v integer, c {form})")
        looks.query(each, "INSERT INTO t VALUES (1, 1, NULL), (2, 2, NULL)")
    looks.query(source, "UPDATE t SET v = 3 WHERE id = 1")
    for statement, verdict, state in (
        ("UPDATE t SET v = v + 1 WHERE id = 1", "inconclusive", "moving"),
        ("SELECT 1", "different", "persistent"),
    ):
        with monkeypatch.context() as patch:
            meanwhile(patch, source, statement)
            found = diff(source, target, wait_seconds=1, **more)
        assert (found.verdict, dict(found.tables[0].states)) == (verdict, {state: 1})
    looks.query(target, "ALTER TABLE t ADD COLUMN w integer")
    meanwhile(monkeypatch, source, "UPDATE t SET v = v + 1 WHERE id = 1")
    assert diff(source, target, wait_seconds=1, **more).verdict == "different", "a column is of one side only"


def test_many_new_differences_are_no_moving_rows(place: Callable[[str], str], monkeypatch: pytest.MonkeyPatch):
    source, target = place("postgres"), place("postgres")
    for each in (source, target):
        looks.query(each, "CREATE TABLE t (id integer PRIMARY KEY, v integer)")
        looks.query(each, "INSERT INTO t SELECT n, n FROM generate_series(1, 9) n")
    looks.query(target, "UPDATE t SET v = 0 WHERE id = 9")
    monkeypatch.setattr("lading.compare.waiting.MOST", 4)
    meanwhile(monkeypatch, target, "UPDATE t SET v = 0 WHERE id < 7")
    assert diff(source, target, wait_seconds=1).verdict == "different", "the ninth is beyond those that are looked at"


def test_a_pipeline_is_proved_at_its_watermark(
    place: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source, target = place("postgres"), place("duckdb")
    fill(source, "postgres", range(100))
    monkeypatch.chdir(tmp_path)
    config.init(tmp_path)
    (tmp_path / "connections.yaml").write_text(f"connections:\n  crm: {source}\n  new: {target}\n", encoding="utf-8")
    step = "{from: crm, to: new, tables: orders, mode: merge, since: moment}"
    (tmp_path / "pipelines/nightly.yaml").write_text(f"steps:\n  - {step}\n", encoding="utf-8")
    bill = actions.run("nightly")
    assert bill.state == "proved"
    looks.query(source, "UPDATE orders SET note = 'late', moment = '2024-06-01' WHERE id = 7")
    looks.query(source, "INSERT INTO orders VALUES ('r1', 500, 1, 'new', true, '2024-06-02')")
    (found,) = actions.prove("nightly", Asked())
    assert found.verdict == "equal", "what came after the watermark is on its way"
    assert dict(found.tables[0].states) == {"moving": 2}
    looks.query(source, "UPDATE orders SET note = 'unseen' WHERE id = 8")
    (found,) = actions.prove("nightly", Asked())
    assert (found.verdict, found.tables[0].columns) == ("different", {"note": 1})
    lines = actions.trend("nightly")
    assert [line.verdict for line in lines] == ["different", "equal", "proved"]
    with monkeypatch.context() as patch:
        meanwhile(patch, source, "UPDATE orders SET note = 'it''s 8' WHERE id = 8")
        (found,) = actions.prove("nightly", Asked(wait_seconds=3))
    assert (found.verdict, dict(found.tables[0].states)) == ("equal", {"in sync after wait": 1, "moving": 2})
    looks.query(source, "UPDATE orders SET note = 'again' WHERE id = 8")
    (found,) = actions.prove("nightly", Asked())
    assert repair(found.id, apply=True).verdict == "equal"


def test_a_repair_accepts_what_the_pipeline_accepts(
    place: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source, target = place("postgres"), place("mysql")
    looks.query(source, "CREATE TABLE t (id integer PRIMARY KEY, v numeric(10,3)); INSERT INTO t VALUES (1, 0.125)")
    looks.query(target, "CREATE TABLE t (id integer PRIMARY KEY, v numeric(10,2))")
    monkeypatch.chdir(tmp_path)
    config.init(tmp_path)
    (tmp_path / "connections.yaml").write_text(f"connections:\n  crm: {source}\n  new: {target}\n", encoding="utf-8")
    step = "{from: crm, to: new, tables: t, accept: 'v:rounds'}"
    (tmp_path / "pipelines/nightly.yaml").write_text(f"steps:\n  - {step}\n", encoding="utf-8")
    assert actions.run("nightly").state == "proved"
    looks.query(target, "DELETE FROM t")
    (found,) = actions.prove("nightly", Asked())
    done = repair(found.id, apply=True, source=source, target=target)
    assert (found.verdict, done.verdict, done.tables[0].problem) == ("different", "equal", "")
    looks.query(target, "DELETE FROM t")
    plain = diff(source, target)
    refused = repair(plain.id, apply=True, source=source, target=target)
    assert refused.verdict == "different"
    assert "correct the row, or accept the loss with --accept." in refused.tables[0].problem
    done = repair(plain.id, apply=True, accept=("v:rounds",), source=source, target=target)
    assert done.verdict == "equal"


def test_a_failed_proof_shows_the_rows(place: Callable[[str], str]):
    """A trigger of the target's changes a value as we commit: the bill names the row and both values."""
    source, target = place("duckdb"), place("postgres")
    fill(source, "duckdb", range(100))
    fill(target, "postgres", range(50))
    looks.query(
        target,
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN UPDATE orders SET amount = 0 WHERE id = 7 AND amount <> 0; RETURN NULL; END $$; "
        "CREATE CONSTRAINT TRIGGER meddle AFTER INSERT OR UPDATE ON orders DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION meddle()",
    )
    bill = actions.copy(Move.model_validate({"from": source, "to": target, "mode": "merge"}))
    assert bill.state == "failed"
    found = bill.tables[0].found
    assert found is not None
    assert found.columns["amount"] == 1
    assert [(d.key["id"], d.left, d.right) for d in found.differences if d.column == "amount"] == [
        ("7", "7.25", "0.00")
    ]


def test_sensitive_columns_of_a_connection_are_not_shown(place: Callable[[str], str], tmp_path: Path):
    source, target = place("duckdb"), place("sqlite")
    fill(source, "duckdb", range(20))
    fill(target, "sqlite", range(20))
    looks.query(target, "UPDATE orders SET note = 'leaked' WHERE id = 3")
    path = tmp_path / "all.csv"
    move = Move.model_validate({"from": source.replace("duckdb:///", "duckdb:////") + "?sensitive=note", "to": target})
    found = actions.diff(move, Asked(), export=path)
    assert [(d.left, d.right) for d in found.tables[0].differences] == [("•••", "•••")]
    assert "leaked" not in path.read_text("utf-8") + found.model_dump_json()


@pytest.mark.parametrize("asked", [Asked(), Asked(sensitive="NOTE")])
def test_a_sensitive_column_may_be_called_otherwise_on_the_left(place: Callable[[str], str], asked: Asked):
    source, target = place("sqlite"), place("duckdb")
    looks.query(source, "CREATE TABLE t (id integer PRIMARY KEY, Note text)")
    looks.query(source, "INSERT INTO t VALUES (1, 'leaked')")
    looks.query(target, "CREATE TABLE t (id integer PRIMARY KEY, NOTE varchar); INSERT INTO t VALUES (1, 'other')")
    hiding = target if asked.sensitive else target.replace("duckdb:///", "duckdb:////") + "?sensitive=NOTE"
    found = actions.diff(Move.model_validate({"from": source, "to": hiding}), asked)
    assert [(d.column, d.left, d.right) for d in found.tables[0].differences] == [("Note", "•••", "•••")]


@pytest.mark.parametrize("value", ["leaked", "it's leaked"])
def test_a_sensitive_value_that_does_not_fit_is_in_no_message_and_not_kept(place: Callable[[str], str], value: str):
    source, target = place("sqlite"), place("postgres")
    hiding = f"{source}?sensitive=pay"
    looks.query(source, "CREATE TABLE t (id integer PRIMARY KEY, pay decimal(10,2))")
    quoted = value.replace("'", "''")
    looks.query(source, f"INSERT INTO t VALUES (1, '{quoted}')")
    looks.query(target, "CREATE TABLE t (id integer PRIMARY KEY, pay numeric(10,2))")
    found = diff(hiding, target)
    (why,) = found.tables[0].reasons
    assert (found.verdict, "leaked" in why, "column 'pay'" in why.lower()) == ("inconclusive", False, True)
    looks.query(source, "DROP TABLE t")
    looks.query(source, "CREATE TABLE t (id integer PRIMARY KEY, pay text)")
    looks.query(source, f"INSERT INTO t VALUES (1, '{quoted}'), (2, '7.50')")
    words = {"from": hiding, "to": target, "mode": "merge", "accept": ["type", "null", "narrows"], "max_rejects": 1}
    bill = actions.copy(Move.model_validate(words))
    (refused,) = actions.rejects(bill.run)
    assert (refused.row, "leaked" in refused.reason) == ({"id": "1", "pay": "•••"}, False)
    failed = actions.copy(Move.model_validate({**words, "max_rejects": 0}))
    assert failed.state == "failed"
    assert "leaked" not in failed.model_dump_json()


def nightly(folder: Path, monkeypatch: pytest.MonkeyPatch, ends: dict[str, str], steps: list[str]) -> None:
    """A pipeline that has run once."""
    monkeypatch.chdir(folder)
    config.init(folder)
    lines = "".join(f"  {name}: {address}\n" for name, address in ends.items())
    (folder / "connections.yaml").write_text(f"connections:\n{lines}", encoding="utf-8")
    (folder / "pipelines/nightly.yaml").write_text(
        "".join(["steps:\n", *(f"  - {{key: s{n}, {each}}}\n" for n, each in enumerate(steps))])
    )
    assert actions.run("nightly").state == "proved"


def days(place: Callable[[str], str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A pipeline that goes by days, and has run once."""
    source, target = place("postgres"), place("duckdb")
    looks.query(source, "CREATE TABLE o (id integer PRIMARY KEY, day date, n integer)")
    looks.query(source, "INSERT INTO o VALUES (1, '2023-01-01', 1), (2, '2024-01-02', 2), (3, NULL, 3)")
    nightly(folder, monkeypatch, {"crm": source, "new": target}, ["from: crm, to: new, mode: merge, since: day"])
    return source, target


@pytest.mark.parametrize("asked", [Asked(), Asked(wait_seconds=0)])
@pytest.mark.parametrize("late", ["'2024-01-02'", "'2024-01-01'", "NULL"])
def test_a_row_that_the_next_run_reads_again_is_on_its_way_or_lost(
    late: str, asked: Asked, place: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It is no difference for certain, and nothing is equal before it is there."""
    source, target = days(place, tmp_path, monkeypatch)

    def proved() -> tuple[str, int]:
        (found,) = actions.prove("nightly", asked)
        return found.verdict, found.tables[0].differing

    assert proved() == ("equal", 0)
    looks.query(source, f"INSERT INTO o VALUES (4, {late}, 4)")
    (found,) = actions.prove("nightly", asked)
    (table,) = found.tables
    assert (found.verdict, table.only_left, [d.state for d in table.differences]) == ("inconclusive", 1, ["moving"])
    assert table.reasons[0].startswith("of the rows that only the left has, 1 will be read by the next run")
    assert "'day'" in table.reasons[0]
    for place_, odd, back in (
        (source, "INSERT INTO o VALUES (5, '2023-12-31', 5)", "DELETE FROM o WHERE id = 5"),
        (source, "UPDATE o SET n = 9 WHERE id = 2", "UPDATE o SET n = 2 WHERE id = 2"),
        (target, "INSERT INTO o VALUES (6, '2024-01-02', 6)", "DELETE FROM o WHERE id = 6"),
    ):
        looks.query(place_, odd)
        assert proved() == ("different", 2), odd
        looks.query(place_, back)
    assert repair(found.id).verdict == "inconclusive"
    assert proved() == ("inconclusive", 1)
    assert actions.run("nightly").state == "proved"
    assert proved() == ("equal", 0)


def test_rows_that_all_move_or_are_on_their_way_differ_not_for_certain(
    place: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source, _ = days(place, tmp_path, monkeypatch)
    looks.query(source, "INSERT INTO o VALUES (4, '2024-01-02', 4)")
    looks.query(source, "UPDATE o SET n = 9 WHERE id = 2")
    meanwhile(monkeypatch, source, "UPDATE o SET n = 10 WHERE id = 2")
    (found,) = actions.prove("nightly", Asked(wait_seconds=1))
    assert (found.verdict, dict(found.tables[0].states)) == ("inconclusive", {"moving": 2})


def test_counts_and_sums_know_of_rows_on_their_way(
    place: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source, target = days(place, tmp_path, monkeypatch)

    def proved() -> tuple[str, bool]:
        (found,) = actions.prove("nightly", Asked(way="aggregates"))
        return found.verdict, "rows that the next run will read by 'day' may explain it" in str(found.tables[0].reasons)

    assert proved() == ("inconclusive", False), "it is never equal"
    for where, odd, back, expected in (
        (source, "INSERT INTO o VALUES (4, '2024-01-03', 4)", "DELETE FROM o WHERE id = 4", True),
        (source, "INSERT INTO o VALUES (4, '2024-01-02', 4)", "DELETE FROM o WHERE id = 4", True),
        (source, "UPDATE o SET n = 9, day = '2024-01-03' WHERE id = 1",
         "UPDATE o SET n = 1, day = '2023-01-01' WHERE id = 1", True),
        (source, "UPDATE o SET n = 9 WHERE id = 1", "UPDATE o SET n = 1 WHERE id = 1", False),
        (target, "UPDATE o SET n = 9 WHERE id = 1", "UPDATE o SET n = 1 WHERE id = 1", False),
        (target, "INSERT INTO o VALUES (5, '2024-01-02', 5)", "DELETE FROM o WHERE id = 5", False),
        (target, "DELETE FROM o", "INSERT INTO o VALUES (1, '2023-01-01', 1), (2, '2024-01-02', 2), (3, NULL, 3)",
         False),
    ):  # fmt: skip
        looks.query(where, odd)
        assert proved() == ("inconclusive" if expected else "different", expected), odd
        looks.query(where, back)
    looks.query(source, "INSERT INTO o VALUES (4, '2024-01-03', 4)")
    assert actions.run("nightly").state == "proved"
    assert proved() == ("inconclusive", False)


@pytest.mark.parametrize(
    ("native", "value", "said"),
    [
        ("time", "77:11:22", "holds '77:11:22', which is no time(0). Correct the value, or leave the column out."),
        ("date", "1977-02-31", "holds '1977-02-31', which is no date. Correct the value, or leave the column out."),
        ("tinyint(1)", "77", "holds 77, and tinyint(1) is read as bool. Declare it TINYINT(4) in the source"),
    ],
)
def test_an_odd_value_of_mysql_is_named_unless_it_is_sensitive(native, value, said, place: Callable[[str], str]):
    source, target = place("mysql"), place("sqlite")
    looks.query(source, f"CREATE TABLE t (id int PRIMARY KEY, pay {native})")
    looks.script(source, f"SET sql_mode = 'ALLOW_INVALID_DATES'; INSERT INTO t VALUES (1, '{value}')")
    for sensitive in ("", "?sensitive=pay"):
        (told,) = actions.copy(Move.model_validate({"from": source + sensitive, "to": target})).tables
        assert told.error.startswith("Column 'pay' of 't' holds")
        assert (said in told.error) is (value in told.error) is not bool(sensitive)


@pytest.mark.parametrize("kind", ["duckdb", "sqlite", "postgres", "mysql"])
def test_a_sensitive_key_that_stands_there_twice_is_in_no_message(kind: str, place: Callable[[str], str]):
    source, target = place("sqlite"), place(kind)
    looks.query(source, "CREATE TABLE t (mail varchar(20) NOT NULL, v bigint)")
    looks.query(source, "INSERT INTO t VALUES ('ada@x.org', 1), ('ada@x.org', 2)")
    looks.query(target, "CREATE TABLE t (mail varchar(20) NOT NULL PRIMARY KEY, v bigint)")
    merging, appending = {"mode": "merge", "merge_key": "mail"}, {"mode": "append"}
    for words in (merging, appending, {**appending, "max_rejects": 1}):
        given = {"from": f"{source}?sensitive=mail", "to": target, "accept": "*", **words}
        bill = actions.copy(Move.model_validate(given))
        assert bill.state == "failed" or "max_rejects" in words
        assert "ada@x.org" not in bill.model_dump_json() + str(actions.rejects(bill.run))
    plain = actions.copy(Move.model_validate({"from": source, "to": target, "accept": "*", **merging}))
    said = "Key mail ada@x.org of 't' stands in the source more than once"
    assert kind in ("mysql", "sqlite") or said in plain.tables[0].error


def test_the_last_prove_is_repaired_in_all_its_steps(
    place: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What cannot be repaired is said, and the rows that were on their way are left to the next run."""
    source, target, files = place("postgres"), place("mysql"), place("parquet")
    fill(source, "postgres", range(100))
    looks.query(source, "CREATE TABLE loose (a integer)")
    looks.query(source, "INSERT INTO loose VALUES (1)")
    looks.query(source, "CREATE TABLE same (a integer PRIMARY KEY)")
    steps = [
        "from: crm, to: new, tables: orders, mode: merge, since: moment", "from: crm, to: new, tables: loose",
        "from: crm, to: old, tables: orders, into: copied", "from: crm, to: new, tables: same",
    ]  # fmt: skip
    nightly(tmp_path, monkeypatch, {"crm": source, "new": target, "old": files}, steps)
    looks.query(target, "UPDATE orders SET note = 'bad' WHERE id = 8")
    looks.query(target, "DELETE FROM orders WHERE id = 9")
    looks.query(target, "DELETE FROM loose")
    looks.query(source, "UPDATE orders SET note = 'late', moment = '2024-06-01' WHERE id = 7")
    looks.query(source, "INSERT INTO orders VALUES ('r1', 500, 1, 'new', true, '2024-06-02')")
    found = actions.prove("nightly", Asked())
    assert [each.verdict for each in found] == ["different", "different", "different", "equal"]
    assert found[0].tables[0].states == {"moving": 2}

    dry = repair("last")
    assert (dry.applied, dry.verdict, [each.of for each in dry.steps]) == (
        False, "different", [each.id for each in found[:3]]
    )  # fmt: skip
    assert [(t.table, t.inserts, t.updates) for t in dry.steps[0].tables] == [("orders", 1, 1)]
    done = repair("last", apply=True)
    merged, loose, copied = done.steps
    assert (done.verdict, merged.verdict, merged.bill and merged.bill.rows.source) == ("different", "equal", 2)
    assert (loose.bill, "no key" in loose.tables[0].problem) == (None, True)
    assert "cannot merge" in copied.problem
    shown = " ".join(render.text(render_diff.repair, done, 80).split())
    assert all(f"of {each.id} " in shown for each in found[:3])
    assert "cannot merge rows by key" in shown
    assert looks.query(target, "SELECT note FROM orders WHERE id IN (7, 8, 9) ORDER BY id") == [
        ("it's 7",), ("it's 8",), ("it's 9",)
    ]  # fmt: skip
    assert looks.query(target, "SELECT count(*) FROM orders WHERE id = 500") == [(0,)]
    assert repair("last").of == loose.diff, "what is left of the same steps"
    assert repair(found[0].id).verdict == "equal", "a diff by its own id is repaired alone"
    assert actions.prove("nightly", Asked())[0].verdict == "equal"


def test_a_password_that_was_not_kept_is_asked_for(place: Callable[[str], str]):
    source, target = place("postgres"), place("mysql")
    for each, kind in ((source, "postgres"), (target, "mysql")):
        fill(each, kind, range(10))
    looks.query(target, "DELETE FROM orders WHERE id = 3")
    diff(source, target)
    for given, missing in (({}, "--source and --target"), ({"source": source}, "--target")):
        with pytest.raises(SpecError, match="are kept without their passwords") as caught:
            repair("last", **given)
        assert f"again with {missing}," in caught.value.fix
    assert repair("last", source=source, target=target, apply=True).verdict == "equal"
