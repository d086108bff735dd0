"""Files that are expected by a calendar: late, missing or there, each told once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lading import arrivals
from lading.arrivals import Arrival, Box
from lading.expecting import Gap, expect
from lading.receiver import Receive
from lading.store import Store

BOX = Box("p", "s", "files:///drop")
WORDS = {
    "key": "s", "from": "drop", "files": "*.csv", "columns": {"id": "int(64)"}, "to": "wh", "into": "t",
    "expected": {"cron": "0 6 * * *", "zone": "Europe/Berlin", "deadline": "2h"},
}  # fmt: skip
STEP = Receive.model_validate(WORDS)
FIRST = datetime(2026, 3, 27, 5, tzinfo=UTC)
"""The first time: six o'clock in Berlin, before the clocks change on the 29th."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(str(tmp_path / "store.db"))
    yield opened
    opened.close()


def at(store: Store, moment: datetime, step: Receive = STEP) -> list[str]:
    return [f"{each.word}: {each.text}" for each in expect(store, BOX, step, moment)]


def put(store: Store, name: str, moment: datetime, state: str = "loaded") -> None:
    text = moment.isoformat()
    row = Arrival(arrivals.new_id(moment), *BOX, name, gone=name, seen=text, looked=text, changed=text, state=state)
    arrivals.keep(store, [row], [])


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def test_a_file_that_comes_in_time_is_told_nothing_of(store):
    assert at(store, FIRST - hours(5)) == []
    put(store, "a.csv", FIRST - hours(1))
    assert at(store, FIRST) == []
    assert at(store, FIRST + hours(5)) == []
    assert [each.state for each in arrivals.expectations(store, BOX)] == ["since", "came"]


def test_a_file_is_late_and_then_missing_once(store):
    at(store, FIRST - hours(5))
    assert at(store, FIRST - hours(0.1)) == []
    late = "late: no file '*.csv' has come by 2026-03-27 06:00 Europe/Berlin"
    assert [at(store, FIRST + hours(n)) for n in (0, 0.5, 1)] == [[late], [], []]
    missing = "missing: no file '*.csv' has come, expected by 2026-03-27 06:00 Europe/Berlin"
    assert [at(store, FIRST + hours(n)) for n in (2, 3)] == [[missing], []]


def test_a_late_file_is_said_to_have_come(store):
    at(store, FIRST - hours(5))
    at(store, FIRST)
    put(store, "bad.csv", FIRST + hours(0.5), "quarantined")
    put(store, "half.csv", FIRST + hours(0.5), "growing")
    assert at(store, FIRST + hours(0.6)) == [], "neither is a file that was expected"
    put(store, "a.csv", FIRST + hours(1))
    assert at(store, FIRST + hours(1)) == ["came: 'a.csv' has come, expected by 2026-03-27 06:00 Europe/Berlin"]
    assert at(store, FIRST + hours(4)) == []


def test_a_file_whose_deadline_the_clock_skips_is_missing_when_it_jumps(store):
    words = {"expected": {"cron": "45 1 * * *", "zone": "Europe/Berlin", "deadline": "02:30"}}
    step, jump = Receive.model_validate(WORDS | words), datetime(2026, 3, 29, 1, tzinfo=UTC)
    at(store, jump - hours(5), step)
    assert [each[:4] for each in at(store, jump - hours(0.1), step)] == ["late"]
    assert [each[:7] for each in at(store, jump, step)] == ["missing"]


def test_one_file_stands_for_one_time(store):
    at(store, FIRST - hours(5))
    put(store, "a.csv", FIRST + hours(1))
    put(store, "b.csv", FIRST + hours(3))  # after the deadline: for the next day
    found = at(store, FIRST + hours(47 + 2.5))  # the clocks have changed: six o'clock comes an hour earlier
    assert found == [
        "late: no file '*.csv' has come by 2026-03-29 06:00 Europe/Berlin",
        "missing: no file '*.csv' has come, expected by 2026-03-29 06:00 Europe/Berlin",
    ]
    states = [(each.state, each.says) for each in arrivals.expectations(store, BOX)]
    assert states[1:3] == [("came", "'a.csv'"), ("came", "'b.csv'")]


def test_other_times_count_from_when_they_are_seen(store):
    at(store, FIRST - hours(5))
    other = Receive.model_validate(WORDS | {"expected": {"cron": "0 * * * *"}})
    assert at(store, FIRST + hours(10.5), other) == []
    assert len(at(store, FIRST + hours(11), other)) == 1
    assert at(store, FIRST + hours(11), Receive.model_validate({**WORDS, "expected": None})) == []


def test_a_late_file_is_missing_however_many_others_were_expected_since(store):
    step = Receive.model_validate(WORDS | {"expected": {"cron": "* * * * *", "deadline": "12h"}})
    at(store, FIRST, step)
    assert len(at(store, FIRST + hours(11), step)) == 660
    assert [each.split(":")[0] for each in at(store, FIRST + hours(12) + timedelta(seconds=60), step)] == [
        "late"] * 61 + ["missing"]  # fmt: skip


def test_times_that_are_changed_back_count_from_then(store):
    at(store, FIRST - hours(5))
    at(store, FIRST - hours(4), Receive.model_validate(WORDS | {"expected": {"cron": "0 * * * *"}}))
    assert at(store, FIRST + hours(1)) == []
    assert [len(at(store, FIRST + hours(n))) for n in (23.5, 24)] == [0, 1]


def test_what_came_while_nobody_could_look_is_neither_late_nor_missing(store):
    at(store, FIRST - hours(5))
    gap = Gap(FIRST - hours(1), FIRST + hours(4))
    assert expect(store, BOX, STEP, FIRST + hours(3), gap) == [], "it is not known yet"
    put(store, "a.csv", FIRST + hours(3.9))
    assert expect(store, BOX, STEP, FIRST + hours(4), gap) == []
    assert [each.state for each in arrivals.expectations(store, BOX)] == ["since", "came"]


def test_what_has_not_come_once_one_can_look_again_is_missing(store):
    at(store, FIRST - hours(5))
    gap = Gap(FIRST - hours(1), FIRST + hours(4))
    assert [each.word for each in expect(store, BOX, STEP, FIRST + hours(4), gap)] == ["late", "missing"]


def test_a_gap_after_the_deadline_changes_nothing(store):
    at(store, FIRST - hours(5))
    at(store, FIRST)
    gap = Gap(FIRST + hours(2.5), FIRST + hours(4))
    put(store, "a.csv", FIRST + hours(3))
    assert [each.word for each in expect(store, BOX, STEP, FIRST + hours(4), gap)] == ["missing"]


@pytest.mark.parametrize("deadline", ["30m", "1h", "90m", "3h"])
def test_a_deadline_may_be_after_the_next_time(store, deadline):
    step = Receive.model_validate(WORDS | {"expected": {"cron": "0 * * * *", "deadline": deadline}})
    at(store, FIRST - hours(0.5), step)
    for hour in range(6):
        put(store, f"{hour}.csv", FIRST + hours(hour - 0.1))
        assert at(store, FIRST + hours(hour), step) == []
        assert at(store, FIRST + hours(hour + 0.5), step) == []
    late = at(store, FIRST + hours(6), step)
    assert late == ["late: no file '*.csv' has come by 2026-03-27 11:00 UTC"]
    put(store, "6.csv", FIRST + hours(6.1))
    assert [each[:4] for each in at(store, FIRST + hours(6.2), step)] == ["came"]
    assert [each[:4] for each in at(store, FIRST + hours(7), step)] == ["late"]
