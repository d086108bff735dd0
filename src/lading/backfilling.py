"""Runs what was due in a range of days: every due time that had no good run gets one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain, count, islice, takewhile
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from lading import dues
from lading.attempts import CANCELLED
from lading.dueruns import LOOK, Child, DueRuns
from lading.dues import ASKED, BACKFILL, FILLING, GOOD, LEASE, TAKEN, WAITING, Due
from lading.errors import SpecError
from lading.prove import State
from lading.schedule import Schedule, next_times
from lading.store import Store

MOST = 10_000
"""Due times of one backfill."""
OVER = (*GOOD, State.UNPROVED.value)
"""States in which a due time is not run once more, unless that is asked for."""
GIVES_WAY = timedelta(minutes=10)
"""How long a backfill lets a due time of the schedule go first that nobody begins."""
_OPEN = (ASKED, FILLING, WAITING, TAKEN)


class Asked(NamedTuple):
    """What to run: due times of a pipeline of which so many runs, `most`, may be at work at a time; `parallel` of them
    by this backfill. `again` takes those that were over too; `go_on` begins more after one has failed."""

    pipeline: str
    times: Sequence[datetime]
    most: int = 1
    parallel: int = 1
    again: bool = False
    go_on: bool = False


class Line(NamedTuple):
    """A due time, and whether it is left out since it was over before."""

    due: Due
    left_out: bool


def day(text: str, option: str) -> date:
    """A day as people write it. Raises SpecError."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SpecError(f"{option} '{text}' is no date.", "Write one like 2026-01-31.") from error


def clock(schedule: Schedule | None) -> Schedule:
    """What says when a pipeline would have been due: its schedule, or the beginning of each day."""
    if schedule is not None and schedule.cron is not None:
        return schedule
    return Schedule(cron="0 0 * * *", zone=schedule.zone if schedule else "UTC")


def due_within(schedule: Schedule, first: date, last: date, now: datetime) -> list[datetime]:
    """What was due from one day to another, both included, on the schedule's clock. Raises SpecError."""
    zone = ZoneInfo(schedule.zone)
    if first > last:
        raise SpecError(f"--from {first} is after --to {last}.", "Give the earlier day to --from.")
    if first.year < 1970:
        raise SpecError(f"--from {first} is before 1970.", "Give a later day.")
    if last > now.astimezone(zone).date():
        raise SpecError(f"--to {last} is still to come.", f"Give {now.astimezone(zone):%Y-%m-%d} or an earlier day.")
    low = datetime.combine(first, time(), zone).astimezone(UTC)
    high = min(datetime.combine(last + timedelta(days=1), time(), zone).astimezone(UTC), now)
    times = takewhile(lambda moment: moment < high, next_times(schedule, low - timedelta(microseconds=1)))
    found = list(islice(times, MOST + 1))
    if not found:
        raise SpecError(f"Nothing was due from {first} to {last}.", f"It is due at '{schedule.cause}'.")
    if len(found) > MOST:
        what = f"From {first} to {last} more than {MOST:,} times were due."
        raise SpecError(
            what, f"Take fewer days at a time; the first {MOST:,} end on {found[-2].astimezone(zone):%Y-%m-%d}."
        )
    return found


def worst(lines: Sequence[Line]) -> str:
    """How all of it stands."""
    states = {line.due.state for line in lines}
    for state in (CANCELLED, State.FAILED.value, *_OPEN, State.UNPROVED.value, State.PROVED.value):
        if state in states:
            return "failed" if state in _OPEN else state
    return State.DONE.value


class Backfill(DueRuns):
    """One backfill. Whoever begins it again goes on with it: what it has to do are rows of the store."""

    waiting, taken = ASKED, FILLING

    def __init__(
        self, store: Store, asked: Asked, start: Callable[[Due], Child], say: Callable[[str, str, str], None]
    ) -> None:  # fmt: skip
        super().__init__(store, start, say)
        self.asked = asked

    def lines(self) -> list[Line]:
        """The due times as they stand, and what would be left out."""
        known = self._known()
        again = self._again_wanted(known.values())
        over = dues.over(self.store, self.asked.pipeline) if len(known) < len(self.asked.times) else {}
        found = []
        for moment in self.asked.times:
            due = known.get(moment) or self._without_row(moment, over)
            found.append(Line(due, due.state in OVER and not again))
        return found

    def run(self) -> list[Line]:
        """Runs what has to be run; is back when it is over, or something has failed."""
        before = self.lines()
        self.ask(before)
        try:
            while self.work(datetime.now(UTC)):
                self._pause(datetime.now(UTC) + LOOK)
        finally:
            self._cut_off(lambda: list(self._known().values()))
        known = self._known()
        return [Line(known.get(line.due.due, line.due), line.left_out) for line in before]

    def ask(self, lines: Sequence[Line]) -> None:
        """Notes what has to be run."""
        known = self._known()
        new: dict[str, Any] = {"owner": "", "lease": "", "began": "", "ended": "", "says": "", "late": "", "tries": 0}
        fresh, changes = [], []
        for line in lines:
            seen = known.get(line.due.due)
            if seen is None and not line.left_out:
                fresh.append(line.due._replace(state=ASKED, run=self._next(line.due), **new))
            elif seen is not None and not line.left_out and seen.state not in _OPEN:
                changes.append((seen, {"state": ASKED, "run": self._next(seen), **new}))
        dues.ask(self.store, fresh, changes)

    def work(self, now: datetime) -> bool:
        """Notes what has ended, and begins what may begin. Returns whether there is more to do."""
        self._renew(now)
        for each in self._known().values():
            if each.state == TAKEN and dues.lapsed(each, now):  # its scheduler is gone
                self._take(each, now)
            elif each.state == FILLING:
                self._look_at(each, now)
        known = self._known()
        open_ones = [each for each in known.values() if each.state in _OPEN]
        if not self._stops(known.values()):
            self._begin(open_ones, now)
            return bool(open_ones)
        return any(self._mine(each) for each in open_ones)

    def _stops(self, found: Collection[Due]) -> bool:
        """Whether nothing more begins: one was cancelled, or has failed."""
        states = {each.state for each in found}
        return CANCELLED in states or (State.FAILED.value in states and not self.asked.go_on)

    def _begin(self, open_ones: Sequence[Due], now: datetime) -> None:
        if self._gives_way(now):
            return
        going = dues.at_work_now(self.store).get(self.asked.pipeline, set())
        going |= {each.run for each in open_ones if each.state == FILLING}
        free = self.asked.parallel - sum(self._mine(each) for each in open_ones)
        for each in open_ones:
            if each.state not in (ASKED, WAITING):
                continue
            if free <= 0 or len(going) >= self.asked.most or each.lease > now.isoformat():
                return
            going.add(each.run)
            if self._take(each, now):
                free -= 1
                self._begin_one(each)

    def _take(self, seen: Due, now: datetime) -> bool:
        values = {"owner": self.owner, "lease": (now + LEASE).isoformat(), "began": seen.began or now.isoformat()}
        return dues.change(self.store, seen, state=FILLING, **values)

    def _gives_way(self, now: datetime) -> bool:
        """Whether a scheduler is at work that waits for a due time of the pipeline to begin, or to end. Of one that has
        waited long nobody may know: the store may have a schedule that is gone, or another project's."""
        times, old = set(self.asked.times), now - GIVES_WAY
        theirs = [each for each in dues.open_ones(self.store) if each.pipeline == self.asked.pipeline]
        if all(each.due in times or (each.state == WAITING and each.due < old) for each in theirs):
            return False
        return any(datetime.fromisoformat(each.beat) > now - LEASE for each in dues.beats(self.store))

    def _known(self) -> dict[datetime, Due]:
        times = self.asked.times
        found = dues.within(self.store, self.asked.pipeline, times[0], times[-1])
        wanted = set(times)
        return {each.due: each for each in found if each.due in wanted}

    def _without_row(self, moment: datetime, over: Mapping[str, dues.Ran]) -> Due:
        """A due time that was never noted, or forgotten long after: the last of its runs that are over says how it
        stands."""
        due = Due(self.asked.pipeline, moment, BACKFILL, ASKED)
        for run in self._ids(due):
            if run not in over:
                return due
            due = due._replace(state=over[run].state, ended=over[run].ended, run=run)
        return due

    def _ids(self, due: Due) -> Iterator[str]:
        """The ids that its runs have, one after the other."""
        first = dues.run_id(*due.key)
        yield from chain([first], (f"{first}-{number}" for number in count(2)))

    def _again_wanted(self, known: Collection[Due]) -> bool:
        """Not of a backfill that was cut off: what it has done already is not done once more."""
        return self.asked.again and not any(each.state in (ASKED, FILLING) for each in known)

    def _next(self, seen: Due) -> str:
        """The id of the run that it has next: a run that has its bill is over."""
        first = dues.run_id(*seen.key)
        if dues.ran(self.store, seen.run).state in ("", CANCELLED):
            return seen.run or first
        return f"{first}-{int(seen.run.removeprefix(first).strip('-') or 1) + 1}"
