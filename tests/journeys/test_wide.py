"""33 tables of 100 mixed columns: discovered, planned, copied; one failing table does not stop the other 32."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lading import actions
from lading.schema import Column, Table
from lading.spec import Move
from tests.journeys import looks, wide
from tests.journeys.shell import lading


def _equal(source: str, target: str, but: str = "") -> None:
    ours, theirs = looks.contents(source), looks.contents(target)
    for name, table in ours.items():
        if name != but:
            singles = [column for column in table.columns if column.endswith("_real")]
            padded = [column for column in table.columns if column.endswith("_char")]
            assert looks.same(table, theirs[name], singles, padded) == "", name


def _copy(rows: int, place: Callable[[str], str]) -> None:
    source, target = place("postgres"), place("duckdb")
    looks.query(source, wide.statements(rows))
    found = actions.discover(source)
    assert [(len(table.columns), table.key, table.problems) for table in found] == [(100, ("id",), ())] * 33
    made = actions.plan_move(Move(source=source, target=target))
    assert len(made.tasks) == 33
    assert made.problems == []

    # A type that nobody listed, and a row that the target refuses.
    looks.query(source, f"ALTER TABLE {wide.name(7)} ADD COLUMN rights aclitem")
    ended = lading("copy", source, target, "--json")
    bill = json.loads(ended.out)
    states = {table["table"]: table["state"] for table in bill["tables"]}
    assert ended.code == 1, ended.err
    assert bill["state"] == "failed"
    assert states == {wide.name(n): "failed" if n == 7 else "proved" for n in range(33)}, ended.err
    why = next(table["error"] for table in bill["tables"] if table["state"] == "failed")
    assert "rights" in why
    assert "aclitem" in why
    assert wide.name(7) not in looks.contents(target)
    _equal(source, target, but=wide.name(7))

    looks.query(source, f"ALTER TABLE {wide.name(7)} DROP COLUMN rights")
    looks.query(source, f"UPDATE {wide.name(8)} SET id = -id WHERE id = 5")
    columns = looks.query(target, f"SELECT sql FROM duckdb_tables() WHERE table_name = '{wide.name(8)}'")[0][0]
    looks.query(
        target, f"DROP TABLE {wide.name(8)}; {columns.replace(wide.name(8) + '(', wide.name(8) + '(CHECK (id > 0), ')}"
    )
    ended = lading("copy", source, target, "--json")
    states = {table["table"]: table["state"] for table in json.loads(ended.out)["tables"]}
    assert ended.code == 1, ended.err
    assert states == {wide.name(n): "failed" if n == 8 else "proved" for n in range(33)}, ended.err
    assert looks.query(target, f"SELECT count(*) FROM {wide.name(8)}") == [(0,)]
    _equal(source, target, but=wide.name(8))


def test_one_failing_table_does_not_stop_the_others(place: Callable[[str], str]):
    _copy(200, place)


@pytest.mark.soak
def test_with_many_rows(place: Callable[[str], str]):
    _copy(5_000, place)


def test_what_is_done_for_each_slice_looks_through_no_columns(copied, place, monkeypatch):
    """That would take a time that grows with the square of their number."""
    source, looked = place("sqlite"), list[str]()
    looks.query(source, f"CREATE TABLE wide (id INTEGER PRIMARY KEY, {', '.join(f'c{n} INTEGER' for n in range(200))})")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300) SELECT i FROM n"
    looks.query(source, f"INSERT INTO wide (id) {numbers}")
    found = Table.column

    def look(table: Table, name: str) -> Column | None:
        looked.append(name)
        return found(table, name)

    monkeypatch.setattr(Table, "column", look)
    bill = copied(source, place("duckdb"), slice_rows=10)
    assert bill.tables[0].slices == 30
    times = looked.count("c7")
    assert times < 10
