"""The source changes while it is copied: what arrives is one state of it."""

import itertools
import sqlite3

import pytest

from lading.run import run as run_plan
from tests.faults.others import ACCOUNTS, meanwhile, move_money
from tests.faults.sides import Side

SOURCES = ("sqlite", "postgres", "mariadb")
TOTAL = ACCOUNTS * 1_000


def bank(side: Side) -> None:
    """Two tables that every transaction keeps in step: money is moved, and the move is written down."""
    money = side.types["int"]
    side.execute(
        f"CREATE TABLE accounts (id {money} NOT NULL PRIMARY KEY, balance {money} NOT NULL, n {money} NOT NULL, "
        f"pad {side.types['text']})",
        f"CREATE TABLE moves (id {money} NOT NULL PRIMARY KEY, giver {money}, taker {money}, amount {money})",
    )
    if side.url.startswith("sqlite"):
        connection = sqlite3.connect(side.path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
    side.fill("accounts", [(n, 1_000, 0, "x" * 40) for n in range(ACCOUNTS)])
    side.fill("moves", [(n, 0, 0, 0) for n in range(2_000)])
    side.settle()


def check_one_state(target: Side) -> tuple[int, int]:
    """Both tables are of one moment: no money came or went, and every move is counted at both its accounts."""
    count, total, counted = target.query("SELECT count(*), sum(balance), sum(n) FROM accounts")[0]
    moves = target.query("SELECT count(*) FROM moves WHERE amount > 0 OR giver <> taker")[0][0]
    assert (count, int(total)) == (ACCOUNTS, TOTAL)
    assert int(counted) == 2 * moves
    return int(counted), moves


@pytest.mark.parametrize("kind", SOURCES)
def test_a_copy_is_of_one_state(place, copy, kind):
    source, target = place(kind), place("duckdb")
    bank(source)
    for first in (10_000, 20_000):
        with meanwhile(move_money, source.url, first) as count:
            began = count.value
            bill = copy(source, target, slice_rows=200)
            during = count.value - began
        assert bill.state == "proved", bill.tables
        assert during > 5
        check_one_state(target)
        assert all(table.proof and table.proof.snapshot for table in bill.tables)


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_a_copy_that_goes_on_is_of_one_state(place, copy, proxy, request, kind):
    """The connection is cut in the middle: the second snapshot is another, and all that is published together is of it.
    Tables that are published one by one may be of both, and the bill says so."""
    source, target = place(kind), place("duckdb")
    bank(source)
    cable = proxy(request.getfixturevalue(kind))
    copy(cable.url(source.url), target, slice_rows=200)
    whole = cable.bytes_up + cable.bytes_down
    kept = 0
    with meanwhile(move_money, source.url, 10_000):
        for part, together in itertools.product((0.4, 0.6, 0.8), (True, False)):
            cable.cut_after(int(whole * part))
            bill = copy(cable.url(source.url), target, slice_rows=200, together=together)
            assert bill.state == "proved", bill.tables
            snapshots = {table.proof.snapshot for table in bill.tables}
            assert len(snapshots) == 1 or not together
            if len(snapshots) == 1:
                check_one_state(target)
            kept += sum(table.slices_kept for table in bill.tables)
    print(f"{kept} slices kept")


CHANGES = {
    "narrowed": ("ALTER TABLE t MODIFY v decimal(10,2)", "ALTER TABLE t ALTER v TYPE numeric(10,2)"),
    "retyped": ("ALTER TABLE t MODIFY w char(5)", "ALTER TABLE t ALTER w TYPE char(5)"),
    "dropped": ("ALTER TABLE t DROP COLUMN w",) * 2,
    "added": ("ALTER TABLE t ADD x int DEFAULT 7",) * 2,
}


@pytest.mark.parametrize(
    ("kind", "change"),
    [(k, c) for k, c in itertools.product(SOURCES, CHANGES) if k != "sqlite" or c in ("dropped", "added")],
)
def test_columns_that_change_after_the_plan_are_told(place, copy, kind, change, monkeypatch):
    """What is read would be taken for what was planned, and proved: values rounded by the source, a column left out."""
    source, target = place(kind), place("duckdb")
    source.execute("CREATE TABLE t (id int PRIMARY KEY, v decimal(12,4), w varchar(5), y int)")
    source.execute("INSERT INTO t VALUES (1, 1.2345, 'ab', 1)")

    def changed(*words):
        source.execute(CHANGES[change][kind == "postgres"])
        return run_plan(*words)

    monkeypatch.setattr("lading.copying.run_plan", changed)
    bill = copy(source, target, exclude=["t.y"])
    assert bill.state == "failed"
    assert "The columns of 't' have changed since it was planned: '" in bill.tables[0].error
    monkeypatch.undo()
    assert copy(source, target, exclude=["t.y"]).state == "proved"
