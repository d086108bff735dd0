"""Backfills, with a clock that is given and runs that end when told to; the store is a real one."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from lading import attempts, dues
from lading.backfilling import Asked, Backfill, clock, due_within, worst
from lading.dues import BACKFILL, LEASE, SINCE, Due
from lading.errors import SpecError
from lading.prove import Bill, State
from lading.schedule import Schedule
from lading.scheduler import Doors, Scheduler
from lading.store import Store, runs
from tests.unit.runs import Told

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
TIMES = [datetime(2026, 3, day, 2, tzinfo=UTC) for day in (1, 2, 3)]
FIRST = [dues.run_id("p", due) for due in TIMES]


class Run(Told):
    """A run whose process does what it is told."""

    def __init__(self, store: Store, due: Due, most: int) -> None:
        super().__init__(store, due)
        attempts.own(store, due.run, due.pipeline, most=most)

    def end(self, state: str = "proved") -> None:
        bill = Bill(run=self.due.run, pipeline="p", state=State(state), source="", target="", started=NOW, seconds=1)
        self.ledger.end(self.due.run, state, bill)
        self.code = 0


class World:
    def __init__(self, store: Store) -> None:
        self.store, self.now, self.runs = store, NOW, list[Run]()
        self.said: list[str] = []

    def backfill(self, name: str = "", **words: Any) -> Backfill:
        asked = Asked("p", TIMES)._replace(**words)

        def start(due: Due) -> Run:
            self.runs.append(Run(self.store, due, asked.most))
            return self.runs[-1]

        made = Backfill(self.store, asked, start, lambda word, _name, _text: self.said.append(word))
        made.owner = name or made.owner
        made.ask(made.lines())
        return made

    def go(self, made: Backfill, later: timedelta = timedelta(minutes=1)) -> bool:
        self.now += later
        return made.work(self.now)

    def put(self, *states: str) -> None:
        rows = zip(TIMES, states, FIRST, strict=False)
        dues.put(self.store, [Due("p", due, "0 2 * * * UTC", state, run) for due, state, run in rows])

    @property
    def states(self) -> list[str]:
        return [each.state for each in dues.within(self.store, "p", TIMES[0], TIMES[-1])]

    def scheduler(self) -> Scheduler:
        plan = Schedule(cron="0 2 * * *")
        return Scheduler(
            self.store, Doors(lambda: {"p": plan}, str, lambda due: Run(self.store, due, 1), lambda *_: None), 4
        )


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    made = World(Store(str(tmp_path / "store.db")))
    yield made
    made.store.close()


def test_each_due_time_has_one_run_the_oldest_first(world):
    made = world.backfill()
    assert world.states == ["asked"] * 3
    for number in range(3):
        assert world.go(made)
        assert [run.due.run for run in world.runs] == FIRST[: number + 1]
        world.runs[-1].end()
    assert not world.go(made)
    assert world.states == ["proved"] * 3
    assert worst(made.lines()) == "proved"
    world.go(world.backfill())
    assert len(world.runs) == 3, "what was proved is left out"


def test_what_was_over_is_left_out_and_what_failed_has_another_run(world):
    world.put("proved", "failed", "missed")
    Run(world.store, Due("p", TIMES[1], run=FIRST[1]), 1).end("failed")
    made = world.backfill()
    assert world.states == ["proved", "asked", "asked"]
    while world.go(made):
        world.runs[-1].end("done")
    assert [run.due.run for run in world.runs] == [f"{FIRST[1]}-2", FIRST[2]]
    assert [line.left_out for line in made.lines()] == [True] * 3
    found = dues.within(world.store, "p", TIMES[0], TIMES[-1])
    assert {each.schedule for each in found} == {"0 2 * * * UTC"}, "they still are the schedule's"


@pytest.mark.parametrize("go_on", [False, True])
def test_after_a_failure_nothing_more_begins_unless_that_is_wanted(world, go_on):
    made = world.backfill(go_on=go_on)
    for state in ("failed", "proved", "proved"):
        if world.go(made):
            world.runs[-1].end(state)
    assert not world.go(made)
    assert world.states == (["failed", "proved", "proved"] if go_on else ["failed", "asked", "asked"])
    assert worst(made.lines()) == "failed"
    again = world.backfill()
    while world.go(again):
        world.runs[-1].end()
    assert world.states == ["proved"] * 3
    assert [run.due.run for run in world.runs].count(f"{FIRST[0]}-2") == 1


def test_again_runs_everything_once_more_and_nothing_twice_when_it_is_cut_off(world):
    for again in (False, True):
        made = world.backfill(again=again)
        assert world.states == ["asked"] * 3
        world.go(made)
        world.runs[-1].end()
        world.go(made)
        world.runs[-1].cut()
        world.go(made, timedelta())
        made = world.backfill(again=again)  # the same command goes on
        while world.go(made):
            world.runs[-1].end()
        assert world.states == ["proved"] * 3
    expected = [FIRST[0], FIRST[1], FIRST[1], FIRST[2], *(f"{FIRST[n]}-2" for n in (0, 1, 1, 2))]
    assert [run.due.run for run in world.runs] == expected


def test_a_run_that_is_cancelled_ends_the_backfill_and_goes_on_later(world):
    made = world.backfill(go_on=True)
    world.go(made)
    world.store.end(FIRST[0], "cancelled", None)
    world.runs[-1].code = 130
    assert not world.go(made)
    assert worst(made.lines()) == "cancelled"
    world.go(world.backfill())
    assert [run.due.run for run in world.runs] == [FIRST[0]] * 2, "it has no bill, so it goes on"


def test_several_at_a_time_and_no_more_than_the_pipeline_allows(world):
    made = world.backfill(parallel=3, most=2)
    world.go(made)
    assert [run.due.run for run in world.runs] == FIRST[:2]
    world.runs[1].end()
    world.go(made)
    assert world.states == ["filling", "proved", "filling"]


def test_a_process_that_ends_without_a_bill_is_begun_three_times(world):
    made = world.backfill()
    for _ in range(3):
        world.go(made)  # it is noted that it has ended
        world.go(made)  # and begun again, a moment later
        world.runs[-1].cut()
    assert not world.go(made)
    assert world.said == ["began", "again", "began", "again", "began", "failed"]
    assert world.states == ["failed", "asked", "asked"]
    assert {run.due.run for run in world.runs} == {FIRST[0]}


def test_a_backfill_that_was_killed_is_gone_on_with(world):
    """Its run has outlived it: nobody begins it again, and the next one waits for it."""
    gone = world.backfill(name="elsewhere:1:1")
    world.go(gone)
    made = world.backfill()
    assert world.go(made, timedelta(seconds=1))
    assert len(world.runs) == 1, "another is at it"
    for _ in range(3):
        assert world.go(made, 2 * LEASE)
        assert len(world.runs) == 1, "its run is at work"
    world.runs[0].end()
    assert world.go(made)
    assert [run.due.run for run in world.runs] == FIRST[:2]


def test_of_two_backfills_one_has_each_due_time(world):
    one, other = world.backfill(most=9), world.backfill(most=9, name="other:1:1")
    for _ in range(4):
        for made in (one, other):
            world.go(made, timedelta(seconds=1))
        for run in world.runs:
            if run.code is None:
                run.end()
    assert sorted(run.due.run for run in world.runs) == sorted(FIRST)


def test_a_scheduler_takes_no_notice_and_goes_first(world):
    scheduler = world.scheduler()
    mark = datetime(2026, 2, 1, tzinfo=UTC)
    dues.put(world.store, [Due("p", mark, "0 2 * * * UTC", SINCE)])
    made = world.backfill()
    world.go(made)
    assert dues.newest(world.store)["p"].due == mark
    assert dues.open_ones(world.store) == []
    assert dues.at_work_now(world.store, filling=False) == {}
    scheduler.come_due(datetime(2026, 3, 21, 2, 0, 5, tzinfo=UTC))
    scheduled = dues.open_ones(world.store)
    assert [(each.due.day, each.state) for each in scheduled] == [(21, "waiting")], "it was not skipped"
    world.runs[-1].end()
    world.now = datetime(2026, 3, 21, 2, 1, tzinfo=UTC)
    dues.beat(world.store, "host:1:1", world.now)
    for _ in range(3):
        assert world.go(made, timedelta(seconds=5))
        assert len(world.runs) == 1, "it gives way"
    dues.change(world.store, scheduled[0], state="proved")
    world.go(made, timedelta(seconds=1))
    assert len(world.runs) == 2
    world.runs[-1].end()
    dues.put(world.store, [Due("p", datetime(2026, 3, 21, 2, 10, tzinfo=UTC), "0 2 * * * UTC")])
    for minute, count in ((15, 2), (21, 3)):
        world.now = datetime(2026, 3, 21, 2, minute, tzinfo=UTC)
        dues.beat(world.store, "host:1:1", world.now)
        world.go(made, timedelta())
        assert len(world.runs) == count, "nobody begins it"
    assert {each.schedule for each in dues.within(world.store, "p", TIMES[0], TIMES[-1])} == {BACKFILL}


def test_days_on_which_the_clock_jumps():
    daily = clock(Schedule(cron="30 2 * * *", zone="America/New_York"))
    found = due_within(daily, date(2024, 3, 9), date(2024, 3, 11), NOW)
    assert [f"{due:%d %H:%M}" for due in found] == ["09 07:30", "10 07:00", "11 06:30"]
    hourly = clock(Schedule(cron="0 * * * *", zone="America/New_York"))
    counts = [len(due_within(hourly, day, day, NOW)) for day in (date(2024, 3, 10), date(2024, 11, 3))]
    assert counts == [23, 25]
    without = clock(Schedule.model_validate({"after": "other", "zone": "Europe/Berlin"}))
    found = due_within(without, date(2024, 3, 31), date(2024, 4, 1), NOW)
    assert [f"{due:%d %H:%M}" for due in found] == ["30 23:00", "31 22:00"]
    assert [due.hour for due in due_within(clock(None), date(2026, 3, 19), date(2026, 3, 20), NOW)] == [0, 0]
    assert len(due_within(hourly, date(2026, 3, 20), date(2026, 3, 20), NOW)) == 8, "until now"


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ("2026-02-01", "2026-01-31", "--from 2026-02-01 is after --to 2026-01-31. Give the earlier day to --from."),
        ("2026-03-20", "2026-03-21", "--to 2026-03-21 is still to come. Give 2026-03-20 or an earlier day."),
        ("0001-01-01", "2026-03-20", "--from 0001-01-01 is before 1970. Give a later day."),
        (
            "2025-12-01",
            "2025-12-31",
            "Nothing was due from 2025-12-01 to 2025-12-31. It is due at '0/5 * * 1-11 * UTC'.",
        ),
        (
            "2025-11-01",
            "2026-03-20",
            (
                "From 2025-11-01 to 2026-03-20 more than 10,000 times were due. Take fewer days at a time; "
                "the first 10,000 end on 2026-01-05."
            ),
        ),
    ],
)
def test_days_that_cannot_be_run(first, last, message):
    schedule = Schedule(cron="*/5 * * 1-11 *")
    with pytest.raises(SpecError) as caught:
        due_within(schedule, date.fromisoformat(first), date.fromisoformat(last), NOW)
    assert str(caught.value) == message.replace("0/5", "*/5")


def test_the_run_of_a_backfill_counts_for_its_pipeline(world):
    """Two processes are never at more runs than it may have."""
    made = world.backfill(parallel=2, most=2)
    world.store.begin("by-hand", "p")
    world.go(made)
    assert len(world.runs) == 1
    assert world.store.rows(runs.select().where(runs.c.id == FIRST[0]))[0].state == "running"


PAST = [datetime(2026, 3, day, 2, tzinfo=UTC) for day in (1, 2, 3, 4)]


@pytest.fixture
def past(tmp_path):
    opened = Store(str(tmp_path / "store.db"))
    for moment in PAST:
        run = dues.run_id("p", moment)
        attempts.own(opened, run, "p")
        opened.end(run, "proved", Bill(run=run, pipeline="p", state=State.PROVED, source="", target="",
                                       started=moment, seconds=1))  # fmt: skip
        dues.put(opened, [Due("p", moment, "0 2 * * * UTC", "proved", run, ended=moment.isoformat())])
    yield opened
    opened.close()


def filling(store: Store) -> Backfill:
    return Backfill(store, Asked("p", PAST, again=True), None, print)  # type: ignore[arg-type]


def test_all_that_is_to_be_run_is_noted_or_nothing(past, monkeypatch):
    """A command that is killed meanwhile, and given again, would else leave the rest out without a word."""
    plain, calls = dues._change, []

    def change(*words):
        calls.append(words)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(*words)

    monkeypatch.setattr(dues, "_change", change)
    first = filling(past)
    with pytest.raises(KeyboardInterrupt):
        first.ask(first.lines())
    monkeypatch.setattr(dues, "_change", plain)
    again = filling(past)
    assert [(line.due.state, line.left_out) for line in again.lines()] == [("proved", False)] * 4
    again.ask(again.lines())
    assert [line.due.run for line in again.lines()] == [f"{dues.run_id('p', moment)}-2" for moment in PAST]


def test_a_due_time_that_is_forgotten_is_known_by_its_run(past):
    with past.transaction() as connection:
        connection.execute(dues.dues.delete())
    once = Backfill(past, Asked("p", PAST), None, print)  # type: ignore[arg-type]
    assert [(line.due.state, line.left_out) for line in once.lines()] == [("proved", True)] * 4
    again = filling(past)
    again.ask(again.lines())
    assert [line.due.run for line in again.lines()] == [f"{dues.run_id('p', moment)}-2" for moment in PAST]
