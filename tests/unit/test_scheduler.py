"""The loop that runs pipelines when they are due, with a clock that is given and runs that end when told to."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from lading import attempts, dues
from lading.dueruns import LOOK
from lading.dues import BACKFILL, LEASE, SINCE, Due
from lading.errors import SpecError
from lading.prove import Bill, State, TableBill
from lading.record import keep
from lading.schedule import Schedule
from lading.scheduler import Doors, Scheduler
from lading.store import Store, runs
from lading.timetable import Written
from tests.unit.runs import Told

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BEGIN = datetime(2026, 3, 2, 1, 59, 30, tzinfo=UTC)
NIGHTLY = "0 2 * * *"


class Run(Told):
    """A run whose process does what it is told."""

    def __init__(self, world: "World", due: Due) -> None:
        super().__init__(world.store, due)
        self.world = world
        plan = world.schedules.get(due.pipeline)
        most = plan.at_once if isinstance(plan, Schedule) else 1
        self.owns = attempts.own(world.store, due.run, due.pipeline, most=most)

    def end(self, state: str = "done", tables: tuple[TableBill, ...] = ()) -> None:
        self.world.bill(self.due.run, self.due.pipeline, state, tables)
        self.code = 0


class World:
    """A store, schedules, and all that loops say and begin there."""

    def __init__(self, store: Store) -> None:
        self.store, self.now = store, BEGIN
        self.schedules: dict[str, Written] = {}
        self.runs: list[Run] = []
        self.said: list[tuple[str, str, str]] = []
        self.warned: list[tuple[str, str, str]] = []

    def loop(self, jobs: int = 10, name: str = "") -> Scheduler:
        def say(word: str, pipeline: str, text: str) -> None:
            self.said.append((word, pipeline, text))

        def warn(word: str, pipeline: str, text: str) -> None:
            self.warned.append((word, pipeline, text))

        doors = Doors(lambda: self.schedules, lambda at: f"x:///{at}", self.start, say, warn)
        return Scheduler(self.store, doors, jobs, name)

    def plan(self, name: str = "p", **words: object) -> None:
        self.schedules = {**self.schedules, name: Schedule.model_validate(words)}

    def start(self, due: Due) -> Run:
        self.runs.append(Run(self, due))
        return self.runs[-1]

    def go(self, loop: Scheduler, to: str | timedelta = timedelta()) -> list[str]:
        """One look at a time of the day, or so much later; what was said, and of whom."""
        after = timedelta() if isinstance(to, str) else to
        self.now += after
        if isinstance(to, str):
            hour, minute = map(int, to.split(":"))
            self.now = self.now.replace(hour=hour, minute=minute, second=0)
        self.said.clear()
        loop.come_due(self.now)
        loop.work(self.now)
        return [f"{word} {name}" for word, name, _ in self.said]

    def bill(self, run: str, pipeline: str, state: str, tables: tuple[TableBill, ...] = ()) -> None:
        bill = Bill(
            run=run, pipeline=pipeline, state=State(state), source="s", target="x:///wh", started=self.now, seconds=1,
            tables=tables,
        )  # fmt: skip
        self.store.end(run, state, bill)
        self.store.write(runs.update().where(runs.c.id == run).values(ended=self.now.isoformat()))
        keep(self.store, bill)

    def by_hand(self, run: str, pipeline: str, state: str = "", tables: tuple[TableBill, ...] = ()) -> None:
        """A run that a person begins, and that ends so."""
        self.store.begin(run, pipeline)
        if state:
            self.bill(run, pipeline, state, tables)

    @property
    def found(self) -> list[tuple[str, str, str]]:
        """Pipelines, due times and states, in order."""
        query = sa.select(dues.dues).where(dues.dues.c.state != SINCE).order_by(dues.dues.c.due, dues.dues.c.pipeline)
        return [(row.pipeline, row.due[8:16], row.state) for row in self.store.rows(query)]


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    made = World(Store(str(tmp_path / "store.db")))
    yield made
    made.store.close()


def test_a_pipeline_runs_when_it_is_due_and_once(world):
    world.plan(cron=NIGHTLY)
    loop = world.loop()
    assert world.go(loop) == [], "nothing is due of what was not there before"
    assert world.go(loop, "02:00") == ["began p"]
    assert world.go(loop, LOOK) == world.go(loop, LOOK) == []
    world.runs[0].end("proved")
    assert world.go(loop, LOOK) == ["proved p"]
    assert world.said == [("proved", "p", f"2026-03-02 02:00: run {world.runs[0].due.run}, 4.0 s")]
    assert world.found == [("p", "02T02:00", "proved")]
    world.now += timedelta(days=1)
    assert world.go(loop, "02:00") == ["began p"]


@pytest.mark.parametrize(
    ("missed", "states"),
    [
        ("run_all", ["waiting", "waiting", "taken", "waiting"]),
        ("run_once", ["waiting", "taken"]),
        ("skip", ["missed", "taken"]),
    ],
)
def test_times_at_which_nobody_was_there(world, missed, states):
    """The loop is away for three hours; the last time is just due when it is back."""
    world.plan("p", cron="0 * * * *", missed=missed, overlap="queue")
    world.plan("q", cron="30 * * * *", missed=missed, overlap="queue")
    world.go(world.loop())
    world.now += 3 * HOUR
    world.go(world.loop(1), "05:00")
    assert Counter(state for name, _, state in world.found if name == "p") == {
        "run_all": Counter(waiting=3, taken=1), "run_once": Counter(waiting=1), "skip": Counter(taken=1),
    }[missed]  # fmt: skip
    expected = {"run_all": ["02:30", "03:30", "04:30"], "run_once": ["04:30"], "skip": ["04:30"]}[missed]
    assert [due[3:] for name, due, _ in world.found if name == "q"] == expected
    assert [state for name, _, state in world.found if name == "q"] == {
        "run_all": ["waiting"] * 3, "run_once": ["taken"], "skip": ["missed"],
    }[missed]  # fmt: skip


def test_missed_times_run_one_after_the_other_oldest_first(world):
    world.plan(cron="0 * * * *", missed="run_all")
    world.go(world.loop())
    loop = world.loop()
    for hour in (2, 3, 4):
        world.go(loop, "04:30" if hour == 2 else LOOK)
        assert [run.due.due.hour for run in world.runs] == list(range(2, hour + 1))
        world.runs[-1].end()
    world.go(loop, LOOK)
    assert world.found == [("p", f"02T0{hour}:00", "done") for hour in (2, 3, 4)]


@pytest.mark.parametrize(("overlap", "state"), [("skip", "skipped"), ("queue", "waiting")])
def test_a_time_at_which_the_last_run_is_at_work(world, overlap, state):
    world.plan(cron="0 * * * *", overlap=overlap)
    loop = world.loop()
    world.go(loop)
    world.go(loop, "02:00")
    said = world.go(loop, "03:00")
    assert said == (["skipped p"] if overlap == "skip" else [])
    assert [each[2] for each in world.found] == ["taken", state]
    world.runs[0].end()
    assert world.go(loop, LOOK) == (["done p"] if overlap == "skip" else ["done p", "began p"])
    assert len(world.runs) == (1 if overlap == "skip" else 2)


def test_a_run_by_hand_is_a_run_at_work(world):
    world.plan(cron="0 * * * *")
    world.plan("q", cron="0 * * * *", overlap="queue")
    loop = world.loop()
    world.go(loop)
    world.by_hand("h1", "p")
    world.by_hand("h2", "q")
    assert world.go(loop, "02:00") == ["skipped p"]
    assert world.said[0][2] == "2026-03-02 02:00: run h1 was not over"
    world.store.end("h2", "interrupted", None)
    assert world.go(loop, LOOK) == ["began q"]


def test_a_thousand_pipelines_and_two_loops(world):
    """Fifty are due in one minute, at two runs a loop: none is missed, none has two runs, and no loop has three."""
    for number in range(1000):
        world.plan(f"p{number:03}", cron=NIGHTLY if number < 50 else f"{number % 50} 5 * * *")
    loops = [world.loop(2, "one:1:1"), world.loop(2, "two:1:1")]
    for loop in loops:
        world.go(loop)
    world.go(loops[0], "02:00")
    for _ in range(40):
        for loop in loops:
            world.go(loop, LOOK / 4)
        at_work = [run for run in world.runs if run.code is None]
        assert len(at_work) <= 4
        for run in at_work[::2]:
            run.end("proved")
    assert len(world.runs) == 50
    assert {run.due.pipeline for run in world.runs} == {f"p{number:03}" for number in range(50)}
    assert {each[1:] for each in world.found} == {("02T02:00", "proved")}


def test_a_time_that_was_missed_waits_for_a_run_at_work(world):
    """It is no overlap: whoever is at work now was not what kept it from running."""
    world.plan(cron=NIGHTLY)
    world.go(world.loop())
    world.by_hand("h1", "p")
    loop = world.loop()
    assert world.go(loop, "04:00") == []
    world.store.end("h1", "interrupted", None)
    assert world.go(loop, LOOK) == ["began p"]


# Killed loops and runs


def killed(world: World) -> Run:
    """A run that a loop has begun which is no longer there."""
    world.plan(cron=NIGHTLY)
    loop = world.loop(name="elsewhere:1:1")
    world.go(loop)
    world.go(loop, "02:00")
    return world.runs[0]


def test_a_run_that_outlives_its_loop_is_watched_by_the_next(world):
    run = killed(world)
    loop = world.loop()
    assert world.go(loop, LEASE / 2) == []
    assert world.go(loop, LEASE) == world.go(loop, LEASE) == []
    run.end("proved")
    assert world.go(loop, LOOK) == ["proved p"]
    assert len(world.runs) == 1


def test_a_run_that_was_cut_off_with_its_loop_goes_on(world):
    killed(world).cut()
    loop = world.loop()
    assert world.go(loop, LEASE / 2) == [], "its loop may look for itself"
    assert world.go(loop, LEASE) == ["began p"]
    assert [run.due.run for run in world.runs] == [world.runs[0].due.run] * 2
    world.runs[1].end()
    world.go(loop, LOOK)
    assert world.found == [("p", "02T02:00", "done")]


def test_a_loop_of_this_machine_that_is_gone_is_not_waited_for(world):
    world.plan(cron=NIGHTLY)
    gone = world.loop()
    gone.owner = f"{gone.owner}0"  # as a process with this number that began at another time
    world.go(gone)
    world.go(gone, "02:00")
    world.runs[0].cut()
    assert world.go(world.loop(), LOOK) == ["began p"]


def test_a_run_that_ended_unseen_is_closed(world):
    killed(world).end("failed")
    assert world.go(world.loop(), 2 * LEASE) == ["failed p"]
    assert len(world.runs) == 1


def test_a_loop_that_slept_leaves_what_another_has_taken_over(world):
    run = killed(world)
    sleeper, loop = world.loop(name="elsewhere:1:1"), world.loop(name="awake:1:1")
    sleeper._children[run.due.key] = run
    world.go(loop, 2 * LEASE)
    assert world.go(sleeper, LOOK) == []
    run.end()
    assert world.go(sleeper, LOOK) == []
    assert sleeper._children == {}
    assert world.go(loop, LOOK) == ["done p"]


def test_a_process_that_ends_without_a_bill_is_begun_three_times(world):
    world.plan(cron=NIGHTLY)
    loop = world.loop()
    world.go(loop)
    world.go(loop, "02:00")
    said = []
    for _ in range(3):
        world.runs[-1].cut()
        said += world.go(loop, LOOK) + world.go(loop, MINUTE)
    assert said == ["again p", "began p", "again p", "began p", "failed p"]
    assert len({run.due.run for run in world.runs}) == 1
    newest = dues.of(world.store, "p", 1)[0]
    assert (newest.state, newest.says) == ("failed", "its process ended 3 times, by signal 9")
    ((word, pipeline, text),) = world.warned
    assert (word, pipeline, text.partition(": ")[2]) == ("failed", "p", newest.says)


def test_a_pipeline_that_is_wrong_fails_at_once_with_its_reason(world):
    world.plan(cron=NIGHTLY)
    loop = world.loop()
    world.go(loop)
    world.go(loop, "02:00")
    world.runs[0].cut(2)
    assert world.go(loop, LOOK) == ["failed p"]
    assert dues.of(world.store, "p", 1)[0].says == "pipelines/p.yaml:1: that is why."


def test_a_run_for_which_somebody_was_quicker_waits_and_is_begun_again(world):
    world.plan(cron=NIGHTLY)
    loop = world.loop()
    world.go(loop)
    world.go(loop, "02:00")
    world.runs[0].cut(75)
    world.by_hand("h1", "p")
    assert world.go(loop, LOOK) == world.go(loop, MINUTE) == []
    world.store.end("h1", "interrupted", None)
    assert world.go(loop, LOOK) == ["began p"]
    assert dues.of(world.store, "p", 1)[0].tries == 0


def test_a_loop_that_is_stopped_leaves_its_runs_to_the_next(world):
    world.plan(cron=NIGHTLY)
    loop = world.loop()
    world.go(loop)
    world.go(loop, "02:00")
    loop.stop()
    assert world.found == [("p", "02T02:00", "waiting")]
    assert world.go(world.loop(), LOOK) == ["began p"]
    assert dues.of(world.store, "p", 1)[0].tries == 0


def test_runs_overlap_as_far_as_the_pipeline_allows(world):
    world.schedules = {"p": Schedule.model_validate({"cron": "0 * * * *", "overlap": "allow"}).within(2)}
    loop, other = world.loop(), world.loop(name="other:1:1")
    world.go(loop)
    world.go(other)
    assert world.go(loop, "02:00") == ["began p"]
    assert world.go(other, "03:00") == ["began p"]
    assert world.go(loop, "04:00") == world.go(other, LOOK) == [], "the third waits, and is not left out"
    assert world.found == [("p", "02T02:00", "taken"), ("p", "02T03:00", "taken"), ("p", "02T04:00", "waiting")]
    world.runs[1].end()
    assert world.go(loop, LOOK) == ["done p", "began p"], "it has taken over what was silent for an hour"
    assert [run.due.due.hour for run in world.runs] == [2, 3, 4]


def test_a_run_that_a_person_began_counts_where_runs_overlap(world):
    world.schedules = {"p": Schedule.model_validate({"cron": NIGHTLY, "overlap": "allow"}).within(2)}
    loop = world.loop()
    world.go(loop)
    for run in ("h1", "h2"):
        world.by_hand(run, "p")
    assert world.go(loop, "02:00") == []
    world.store.end("h1", "interrupted", None)
    assert world.go(loop, LOOK) == ["began p"]


def test_of_two_loops_that_take_the_same_time_one_has_it(world):
    world.plan(cron=NIGHTLY)
    world.go(world.loop())
    due = Due("p", BEGIN + MINUTE, run="r")
    assert dues.put(world.store, [due, due]) == [due]
    assert [dues.take(world.store, due, name, BEGIN) for name in ("a:1:1", "b:1:1")] == [True, False]
    other = Due("p", BEGIN + HOUR, run="s")
    dues.put(world.store, [other])
    assert not dues.take(world.store, other, "b:1:1", BEGIN), "one of the pipeline is at work"
    mine = next(each for each in dues.open_ones(world.store) if each.owner)
    assert dues.change(world.store, mine, state="done")
    assert not dues.change(world.store, mine, state="failed"), "it is not as it was seen"
    assert not dues.take(world.store, due, "b:1:1", BEGIN), "it is over"
    assert dues.take(world.store, other, "b:1:1", BEGIN)


# Schedules that change


def test_a_schedule_that_was_changed_counts_from_then_on(world):
    world.plan(cron="0 1 * * *")
    loop = world.loop()
    world.go(loop)
    world.now += 3 * HOUR
    world.plan(cron="0 4 * * *")
    assert world.go(loop, "05:00") == [], "four o'clock is over, and was not due before"
    world.now += timedelta(days=1)
    assert world.go(loop, "04:00") == ["began p"]


def test_a_schedule_that_was_taken_out_and_put_back_counts_from_then_on(world):
    world.plan(cron=NIGHTLY)
    loop = world.loop()
    world.go(loop)
    world.schedules = {}
    world.go(loop)
    world.now += timedelta(days=3)
    world.plan(cron=NIGHTLY)
    assert world.go(loop, "03:00") == []
    assert loop.planned["p"].next == datetime(2026, 3, 6, 2, tzinfo=UTC)


def test_a_file_that_is_wrong_for_a_while_keeps_its_schedule(world):
    world.plan(cron=NIGHTLY)
    loop = world.loop()
    world.go(loop)
    world.schedules = {"p": SpecError("pipelines/p.yaml:1: no.")}
    assert world.go(loop, "02:00") == ["began p"]
    world.runs[0].end()
    world.go(world.loop(), "02:30")
    world.now += timedelta(days=2)
    world.plan(cron=NIGHTLY)
    assert world.go(world.loop(), "03:00") == ["began p"], "what was due while nobody could read it was missed"


def test_a_clock_that_is_set_back_runs_nothing_again(world):
    world.plan(cron="* * * * *")
    loop = world.loop()
    world.go(loop)
    world.go(loop, "02:00")
    world.runs[0].end()
    world.go(loop, LOOK)
    world.now -= 10 * MINUTE
    assert world.go(loop) == world.go(loop, 9 * MINUTE) == world.go(world.loop(), LOOK) == []
    assert world.go(loop, "02:01") == ["began p"]


# After others


def test_a_pipeline_after_another_runs_when_that_ended_well(world):
    world.plan("q", after="p")
    loop = world.loop()
    world.go(loop)
    for state, said in (("failed", []), ("unproved", []), ("proved", ["began q"])):
        world.now += MINUTE
        world.by_hand(f"h-{state}", "p", state)
        assert world.go(loop, LOOK) == said, state
    assert world.go(world.loop(), LOOK) == [], "once"
    world.runs[0].end()
    world.go(loop, LOOK)
    world.now += MINUTE
    world.by_hand("h-done", "p", "done")
    assert world.go(world.loop(), LOOK) == ["began q"], "another loop would not do it otherwise"


def test_a_pipeline_after_two_runs_when_both_have_since_the_last_time(world):
    world.plan("q", after=["a", "b"])
    loop = world.loop()
    world.go(loop)
    for number, (name, said) in enumerate([("a", []), ("a", []), ("b", ["began q"]), ("b", []), ("a", ["began q"])]):
        world.now += MINUTE
        world.by_hand(f"h{number}", name, "done")
        assert world.go(loop, LOOK) == said, number
        if said:
            world.runs[-1].end()
            world.go(loop, LOOK)


def test_a_pipeline_after_a_table_runs_when_others_have_proved_it(world):
    world.plan("q", after={"at": "wh", "table": "sales.orders"})
    loop = world.loop()
    world.go(loop)
    for number, (into, state, who, said) in enumerate(
        [
            ("sales.people", "proved", "p", []), ("sales.orders", "failed", "p", []),
            ("sales.orders", "proved", "q", []), ("sales.orders", "proved", "p", ["began q"]),
        ]
    ):  # fmt: skip
        world.now += MINUTE
        world.by_hand(f"h{number}", who, state, (TableBill(table="o", into=into, state=State(state)),))
        assert world.go(loop, LOOK) == said, number


def test_a_table_whose_verdict_is_kept_a_moment_after_the_run_has_ended(world):
    world.plan("q", after={"at": "wh", "table": "t"})
    loop = world.loop()
    world.go(loop)
    world.now += MINUTE
    world.by_hand("h", "p", "proved")
    assert world.go(loop, LOOK) == []
    table = TableBill(table="t", into="t", state=State.PROVED)
    keep(world.store, world.store.bill("h").model_copy(update={"tables": (table,)}))
    assert world.go(loop, LOOK) == ["began q"]


@pytest.mark.parametrize(("missed", "count"), [("run_all", 3), ("run_once", 1), ("skip", 0)])
def test_what_others_have_done_while_nobody_was_there(world, missed, count):
    world.plan("q", after="p", missed=missed)
    world.go(world.loop())
    for number in range(3):
        world.now += HOUR
        world.by_hand(f"h{number}", "p", "proved")
    loop = world.loop()
    world.now += MINUTE
    for _ in range(5):
        world.go(loop, LOOK)
        for run in world.runs:
            if run.code is None:
                run.end()
    assert len(world.runs) == count
    assert Counter(state for _, _, state in world.found) == ({"done": count} if count else {"missed": 1})


# Deadlines


def test_a_deadline_is_warned_of_before_it_is_missed(world):
    world.plan(cron=NIGHTLY, zone="UTC", deadline="06:00")
    loop = world.loop()
    world.go(loop)
    world.go(loop, "02:00")
    assert world.go(loop, "05:35") == []
    assert world.go(loop, "05:36") == ["soon p"], "a tenth of the time is left"
    what = "what was due at 2026-03-02 02:00 UTC is at work and must end by 2026-03-02 06:00 UTC"
    assert world.said == [("soon", "p", what)]
    assert world.go(loop, "05:50") == []
    assert world.go(loop, "06:00") == ["late p"]
    assert world.go(world.loop(name="two:1:1"), LOOK) == [], "it is said once"
    world.runs[0].end()
    assert world.go(loop, LOOK) == ["done p"]
    assert dues.of(world.store, "p", 1)[0].late == "late"


def test_a_run_that_usually_takes_longer_than_is_left_is_warned_of_at_once(world):
    world.plan(cron="0 * * * *", overlap="queue", deadline="90m")
    loop = world.loop()
    world.go(loop)
    world.go(loop, "02:00")
    assert world.go(loop, "03:00") == []
    world.now += 20 * MINUTE
    world.runs[0].end()
    assert world.go(loop) == ["done p", "began p", "soon p"], "that took 80 minutes, and there are 70 left"


def test_a_run_that_waits_too_long_is_warned_of_too(world):
    world.plan("a", cron=NIGHTLY)
    world.plan(cron=NIGHTLY, deadline="06:00")
    loop = world.loop(1)
    world.go(loop)
    assert world.go(loop, "02:00") == ["began a"]
    assert world.go(loop, "05:36") == ["soon p"]
    assert "has not begun and must end by 2026-03-02 06:00 UTC" in world.said[0][2]


def test_a_run_that_ended_after_its_deadline_is_late_even_if_nobody_looked(world):
    world.plan(cron=NIGHTLY, deadline="30m")
    loop = world.loop()
    world.go(loop)
    world.go(loop, "02:00")
    world.now += HOUR
    world.runs[0].end()
    assert world.go(loop, LOOK) == ["done p", "late p"]
    assert dues.of(world.store, "p", 1)[0].late == "late"


def test_a_run_that_is_cancelled_is_not_begun_again(world):
    world.plan(cron=NIGHTLY)
    loop = world.loop()
    world.go(loop)
    assert world.go(loop, "02:00") == ["began p"]
    world.store.end(world.runs[0].due.run, attempts.CANCELLED, None)
    world.runs[0].code = 130
    assert world.go(loop, MINUTE) == ["cancelled p"]
    assert world.go(loop, HOUR) == []
    assert world.found == [("p", "02T02:00", "cancelled")]


def test_what_was_due_long_ago_is_forgotten_but_for_what_is_open_and_the_newest(world):
    def old(name: str, days: int, state: str) -> Due:
        return Due(name, BEGIN - timedelta(days=days), "", state)

    dues.put(
        world.store, [old("p", 402, "done"), old("p", 401, "waiting"), old("p", 399, "done"), old("q", 500, "done")]
    )
    filled = Due("p", BEGIN - timedelta(days=403), BACKFILL, "proved", ended=BEGIN.isoformat())
    dues.put(world.store, [filled, Due("q", BEGIN, BACKFILL, "failed")])
    world.go(world.loop())
    kept = {(row.pipeline, row.state) for row in world.store.rows(sa.select(dues.dues))}
    assert kept == {("p", "waiting"), ("p", "done"), ("p", "proved"), ("q", "done"), ("q", "failed")}
    assert len(world.store.rows(sa.select(dues.dues).where(dues.dues.c.state == "done"))) == 2
