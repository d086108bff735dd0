"""Increments over days: inserts, changes, equal and late and absent moments; nothing is lost, nothing doubled."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from lading import actions
from lading.errors import SpecError
from lading.prove import Bill
from lading.spec import Move
from tests.journeys import looks

WAYS = [("sqlite", "duckdb"), ("postgres", "mysql"), ("mysql", "postgres"), ("duckdb", "sqlite")]
MOMENT = {"sqlite": "datetime", "duckdb": "timestamp", "postgres": "timestamp", "mysql": "datetime(6)"}
Key = tuple[str, int]


class Ledger:
    """A table that a business changes: the truth, kept beside the source."""

    def __init__(self, kind: str, place: str, seed: int) -> None:
        self.place, self.random = place, random.Random(seed)
        self.rows: dict[Key, tuple[str, str | None, datetime | None]] = {}
        self.now = datetime(2024, 2, 27, 9)
        looks.query(
            place,
            "CREATE TABLE orders (region varchar(8) NOT NULL, id integer NOT NULL, amount decimal(12,2), "
            f"note varchar(40), changed {MOMENT[kind]}, PRIMARY KEY (region, id))",
        )

    def put(self, key: Key, changed: datetime | None) -> None:
        amount = f"{self.random.randrange(-99_999, 99_999) / 100:.2f}"
        note = self.random.choice([None, "", "it''s", f"n{self.random.random()}"])
        shown = "NULL" if note is None else f"'{note}'"
        moment = "NULL" if changed is None else f"'{changed}'"
        if key in self.rows:
            changes = f"amount = {amount}, note = {shown}, changed = {moment}"
            looks.query(self.place, f"UPDATE orders SET {changes} WHERE region = '{key[0]}' AND id = {key[1]}")
        else:
            looks.query(self.place, f"INSERT INTO orders VALUES ('{key[0]}', {key[1]}, {amount}, {shown}, {moment})")
        self.rows[key] = (amount, note, changed)

    def new(self) -> Key:
        return self.random.choice(["north", "south"]), len(self.rows) + 1

    def top(self) -> datetime:
        return max((changed for *_, changed in self.rows.values() if changed), default=self.now)

    def day(self, overlap: int) -> None:
        """A day's work; what comes late comes within the overlap of what was seen."""
        seen = self.top()
        self.now += timedelta(hours=self.random.randrange(20, 30))
        for _ in range(self.random.randrange(1, 6)):
            self.put(
                self.new(),
                self.now
                + timedelta(seconds=self.random.randrange(3600), microseconds=self.random.choice([0, 1, 500_000])),
            )
        for key in self.random.sample(sorted(self.rows), min(3, len(self.rows))):
            self.put(key, self.now + timedelta(seconds=self.random.randrange(3600)))
        self.put(self.new(), seen)  # equal to the last one seen
        self.put(self.new(), seen - timedelta(seconds=overlap))  # as late as may be
        self.put(self.new(), seen - timedelta(seconds=self.random.randrange(overlap + 1)))
        self.put(self.new(), None)
        unknown = [key for key, (*_, changed) in sorted(self.rows.items()) if changed is None]
        self.put(self.random.choice(unknown), None)

    def since(self, low: datetime | None) -> int:
        return sum(1 for *_, changed in self.rows.values() if low is None or changed is None or changed >= low)


def _same(source: str, target: str) -> None:
    assert looks.same(looks.contents(source)["orders"], looks.contents(target)["orders"]) == ""


@pytest.mark.parametrize(("origin", "kind"), WAYS)
@pytest.mark.parametrize("overlap", [0, 300])
def test_days_of_changes(
    origin: str, kind: str, overlap: int, place: Callable[[str], str], copied: Callable[..., Bill]
):
    source, target = place(origin), place(kind)
    ledger = Ledger(origin, source, seed=overlap + len(origin) * 7 + len(kind))
    low: datetime | None = None
    for _ in range(5):
        ledger.day(overlap)
        bill = copied(source, target, tables="orders", mode="merge", since="changed", overlap_seconds=overlap)
        assert bill.rows.source == ledger.since(low), "no more and no less than what is new"
        assert looks.query(target, "SELECT count(*) FROM orders") == [(len(ledger.rows),)]
        _same(source, target)
        low = ledger.top() - timedelta(seconds=overlap)
    quiet = copied(source, target, tables="orders", mode="merge", since="changed", overlap_seconds=overlap)
    assert quiet.rows.source == ledger.since(low)
    _same(source, target)


def test_a_target_that_is_gone_is_filled_whole(place: Callable[[str], str], copied: Callable[..., Bill]):
    source, target = place("sqlite"), place("duckdb")
    ledger = Ledger("sqlite", source, seed=1)
    words: dict[str, Any] = {"mode": "merge", "since": "changed"}
    for _ in range(2):
        ledger.day(300)
        copied(source, target, **words)
    looks.query(target, "DROP TABLE orders")
    bill = copied(source, target, **words)
    assert bill.rows.source == len(ledger.rows)
    _same(source, target)


@pytest.mark.parametrize("kind", ["duckdb", "sqlite", "postgres", "mysql"])
def test_appended_rows_are_added_once_a_run(kind: str, place: Callable[[str], str], copied: Callable[..., Bill]):
    source, target = place("duckdb"), place(kind)
    looks.query(source, "CREATE TABLE visits (who varchar, n integer)")
    for day in range(3):
        looks.query(source, f"DELETE FROM visits; INSERT INTO visits VALUES ('a', {day}), ('a', {day}), (NULL, NULL)")
        bill = copied(source, target, mode="append")
        assert bill.rows.source == bill.rows.target == 3
    rows = looks.contents(target)["visits"].rows
    assert sorted(rows, key=repr) == sorted([("a", d) for d in (0, 0, 1, 1, 2, 2)] + [(None, None)] * 3, key=repr)


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_since_wants_merge(mode: str):
    with pytest.raises(ValueError, match="Use 'mode: merge'"):
        Move.model_validate({"from": "a", "to": "b", "since": "changed", "mode": mode})


def test_since_names_a_column_that_is_there(place: Callable[[str], str]):
    source = place("sqlite")
    Ledger("sqlite", source, seed=1)
    with pytest.raises(SpecError, match="no column 'chnaged'"):
        actions.copy(Move.model_validate({"from": source, "to": place("duckdb"), "mode": "merge", "since": "chnaged"}))


def test_merging_by_columns_that_are_not_unique_is_refused(place: Callable[[str], str]):
    source, target = place("duckdb"), place("duckdb")
    looks.query(source, "CREATE TABLE t (k integer, v integer); INSERT INTO t VALUES (1, 1), (1, 2), (2, 3)")
    looks.query(target, "CREATE TABLE t (k integer, v integer); INSERT INTO t VALUES (1, 0)")
    bill = actions.copy(Move.model_validate({"from": source, "to": target, "mode": "merge", "merge_key": "k"}))
    assert bill.state == "failed"
    assert "more than once" in bill.tables[0].error
    assert looks.query(target, "SELECT * FROM t") == [(1, 0)]


def test_merging_a_first_time_by_columns_that_are_not_unique_is_refused(place: Callable[[str], str]):
    source, target = place("duckdb"), place("duckdb")
    looks.query(source, "CREATE TABLE t (k integer, v integer); INSERT INTO t VALUES (1, 1), (1, 2), (2, 3)")
    bill = actions.copy(Move.model_validate({"from": source, "to": target, "mode": "merge", "merge_key": "k"}))
    assert bill.state == "failed"
    assert "t" not in looks.contents(target)
    looks.query(source, "DELETE FROM t WHERE v = 2")
    bill = actions.copy(Move.model_validate({"from": source, "to": target, "mode": "merge", "merge_key": "k"}))
    assert bill.state == "proved", looks.failed(bill)
    assert looks.contents(target).keys() == {"t"}


def test_moments_with_a_zone_are_keys_and_cursors(place: Callable[[str], str], copied: Callable[..., Bill]):
    source, target = place("duckdb"), place("sqlite")
    looks.query(
        source,
        "SET TimeZone = 'America/New_York'; CREATE TABLE ticks (moment timestamptz PRIMARY KEY, n integer); "
        "INSERT INTO ticks SELECT TIMESTAMPTZ '2024-03-10 00:00+00' + i * INTERVAL '61 second', i "
        "FROM range(1000) r(i)",
    )
    bill = copied(source, target, mode="merge", since="moment", slice_rows=100)
    assert (bill.rows.target, bill.tables[0].slices) == (1000, 10)
    assert looks.same(looks.contents(source)["ticks"], looks.contents(target)["ticks"]) == ""
    assert copied(source, target, mode="merge", since="moment").rows.source == 5, "five minutes of ticks, and the last"


@pytest.mark.parametrize("kind", ["duckdb", "postgres", "mysql", "sqlite"])
@pytest.mark.parametrize(
    ("form", "last", "late", "too_late", "words"),
    [
        ("bigint", "2000", "1001", "999", {}),
        ("bigint", "20", "11", "9", {"overlap_values": 10}),
        ("decimal(9,2)", "20.50", "19.75", "19.25", {"overlap_values": 1}),
        ("decimal(38,0)", "9" * 38, "9" * 34 + "8999", "9" * 34 + "8998", {}),
        ("smallint", "-32000", "-32768", None, {}),
        ("date", "'2026-03-10'", "'2026-03-09'", "'2026-03-08'", {}),
        ("date", "'2026-03-10'", "'2026-03-08'", "'2026-03-07'", {"overlap_seconds": 2 * 86_400}),
    ],
)
def test_a_number_or_a_day_that_comes_late_is_seen(kind, form, last, late, too_late, words, place, copied):
    """As far as was said, and no further."""
    source, target = place("postgres"), place(kind)
    looks.query(source, f"CREATE TABLE orders (id bigint PRIMARY KEY, up {form} NOT NULL)")
    looks.query(source, f"INSERT INTO orders VALUES (1, {last})")
    whole: dict[str, Any] = {"mode": "merge", "since": "up", **words}
    copied(source, target, **whole)
    looks.query(source, f"INSERT INTO orders VALUES (2, {late})" + (f", (3, {too_late})" if too_late else ""))
    copied(source, target, **whole)
    assert looks.query(target, "SELECT id FROM orders ORDER BY id") == [(1,), (2,)]


def test_what_cannot_reach_back_is_said(place):
    source, target = place("sqlite"), place("duckdb")
    looks.query(source, "CREATE TABLE orders (id bigint PRIMARY KEY, up varchar(9) NOT NULL)")
    move = Move.model_validate({"from": source, "to": target, "mode": "merge", "since": "up"})
    (task,) = actions.plan_move(move).tasks
    assert "'up' is string(9): 'since' does not reach back before the last value" in task.notes
