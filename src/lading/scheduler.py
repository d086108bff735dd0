"""The loop that runs pipelines when they are due. Several may be at it: what each does is a change of one row, which
only one of them makes, and the run of a due time is one row more, of which only one process can be the owner."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from lading import dues
from lading.dueruns import FAILED, LOOK, Child, DueRuns, shown
from lading.dues import LATE, LEASE, MISSED, SINCE, SKIPPED, SOON, TAKEN, WAITING, Due
from lading.errors import LadingError
from lading.render import plural
from lading.schedule import Arrival, Schedule, deadline, due_times, following, missed, next_times
from lading.store import Store
from lading.timetable import Written

_LEAST = timedelta(microseconds=1)


class Doors(NamedTuple):
    """What the loop needs of the world: the schedules, the address of a connection, a process for a due time, and
    somebody to tell and somebody to warn: each is given a word, a pipeline and a line."""

    schedules: Callable[[], Mapping[str, Written]]
    address: Callable[[str], str]
    start: Callable[[Due], Child]
    say: Callable[[str, str, str], None]
    warn: Callable[[str, str, str], None] = lambda _word, _pipeline, _text: None
    beat: Callable[[datetime], None] = lambda _now: None
    """Called every few seconds while all is well."""


@dataclass
class Planned:
    """A schedule that the loop goes by: due times up to `last` are in the store, `next` is when there is another."""

    schedule: Schedule
    last: datetime
    next: datetime | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)

    def seen(self, until: datetime) -> None:
        self.last = until
        self.next = next(next_times(self.schedule, self.last), None)


class Scheduler(DueRuns):
    """One of the loops at a store. `jobs` is how many runs it has at work at a time."""

    def __init__(self, store: Store, doors: Doors, jobs: int, name: str = "") -> None:
        super().__init__(store, doors.start, doors.say, name)
        self.doors, self.jobs = doors, jobs
        self.planned: dict[str, Planned] = {}
        self._read: Mapping[str, Written] = {}
        self._ended = ""
        self._pruned = self._beaten = datetime.min.replace(tzinfo=UTC)
        self._usual: dict[tuple[str, datetime, str], timedelta] = {}

    def run(self, once: bool = False) -> None:
        """Goes on until it is interrupted; with `once`, until all that is due now has run."""
        began, wrong, ready = datetime.now(UTC), "", once
        try:
            while True:
                try:
                    self.come_due(began if once else datetime.now(UTC))
                    more = self.work(datetime.now(UTC))
                    self._beat(datetime.now(UTC))
                    if once and not more and not self.come_due(began):
                        return
                    if not ready:
                        told = f"{plural(len(self.planned), 'schedule')}, at most {plural(self.jobs, 'run')} at a time"
                        self.doors.say("ready", "", told)
                    wrong, ready = "", True
                    self._sleep(once)
                except LadingError as error:
                    if once:
                        raise
                    if str(error) != wrong:
                        wrong = str(error)
                        self.doors.say("error", "", wrong)
                    time.sleep(LOOK.total_seconds())
        finally:
            self.stop()

    def come_due(self, now: datetime) -> bool:
        """Notes what is due now; says whether there was anything."""
        self._read_schedules(now)
        if now - self._pruned > timedelta(days=1):
            dues.prune(self.store, now)
            self._pruned = now
        found = [(name, plan) for name, plan in self.planned.items() if plan.next is not None and plan.next <= now]
        moments = {name: due_times(plan.schedule, plan.last, now) for name, plan in found}
        ended = dues.last_end(self.store) if any(plan.schedule.after for plan in self.planned.values()) else ""
        moments |= self._followed(ended, now)
        if any(moments.values()):
            self._put(moments, now)
        for _, plan in found:
            plan.seen(now)
        self._ended = ended
        return any(moments.values())

    def work(self, now: datetime) -> bool:
        """Notes what has ended, takes over what others have left, begins what may begin, and looks at deadlines.
        Returns whether there is more to do here."""
        self._renew(now)
        for each in self._open():
            if each.state == TAKEN:
                self._look_at(each, now)
        open_ones = self._open()
        mine = {each.key for each in open_ones if self._mine(each)}
        for key in [key for key, child in self._children.items() if key not in mine and child.poll() is not None]:
            del self._children[key]  # another loop has taken it over
        if any(each.state == WAITING for each in open_ones):
            self._begin(open_ones, now)
            open_ones = self._open()
        for each in open_ones:
            self._hurry(each, now)
        going = {(*each.key, each.state) for each in open_ones}
        self._usual = {known: usual for known, usual in self._usual.items() if known in going}
        return any(self._mine(each) or each.state == WAITING for each in open_ones)

    def _beat(self, now: datetime) -> None:
        if now - self._beaten >= LEASE / 3:
            self._beaten = now
            dues.beat(self.store, self.owner, now)
            self.doors.beat(now)

    def stop(self) -> None:
        """Ends what is at work, and leaves it to the next loop."""
        self._cut_off(self._open)
        dues.beat_no_more(self.store, self.owner, datetime.now(UTC))

    def _open(self) -> list[Due]:
        """What waits or is taken of this project's pipelines; others may have the same store."""
        return [each for each in dues.open_ones(self.store) if each.pipeline in self._read]

    # Coming due

    def _read_schedules(self, now: datetime) -> None:
        """What is new or changed is due from now on; what was known before, since its last due time."""
        read = self.doors.schedules()
        if read is self._read:
            return
        known, marks = dues.newest(self.store), []
        for name in {*read, *self.planned}:
            schedule = read.get(name)
            if isinstance(schedule, LadingError):
                continue  # what was known of it holds
            cause, before = schedule.cause if schedule else "", known.get(name)
            if (before.schedule if before else "") != cause:
                # The newest mark counts, also after a clock was set back.
                marks.append(Due(name, max(now, before.due + _LEAST) if before else now, cause, SINCE))
            plan = self.planned.pop(name, None)
            if schedule is None:
                continue
            last = now if before is None or before.schedule != cause else before.due
            if plan is not None and plan.schedule.cause == cause:
                last = plan.last
            places = {each.at: self.doors.address(each.at) for each in schedule.after if isinstance(each, Arrival)}
            self.planned[name] = Planned(schedule, last, addresses=places)
            self.planned[name].seen(last)
        dues.put(self.store, marks)
        self._read = read

    def _followed(self, ended: str, now: datetime) -> dict[str, list[datetime]]:
        """What comes after others, of which the newest has ended then."""
        recent = ended and datetime.fromisoformat(ended) > now - 5 * LOOK  # verdicts on tables are kept a moment later
        if ended == self._ended and not recent:
            return {}
        after = {name: plan for name, plan in self.planned.items() if plan.schedule.after}
        return {name: following(plan.schedule, self._ends(name, plan)) for name, plan in after.items()}

    def _ends(self, name: str, plan: Planned) -> list[list[datetime]]:
        found = []
        for each in plan.schedule.after:
            if isinstance(each, Arrival):
                found.append(dues.arrivals(self.store, each, plan.addresses[each.at], name, plan.last))
            else:
                found.append(dues.ends(self.store, each, plan.last))
        return found

    def _put(self, moments: Mapping[str, list[datetime]], now: datetime) -> None:
        busy = {name: min(going) for name, going in dues.at_work_now(self.store, filling=False).items()}
        for each in self._open():
            if each.state == WAITING or not dues.ran(self.store, each.run).state:
                busy.setdefault(each.pipeline, each.run)
        new = [self._new(name, due, now, busy) for name, times in moments.items() for due in times]
        for each in dues.put(self.store, new):
            if each.state != WAITING:
                self.doors.say(each.state, each.pipeline, f"{shown(each.due)}: {each.says}")
        for name, times in moments.items():
            if times:
                self.planned[name].last = times[-1]

    def _new(self, name: str, due: datetime, now: datetime, busy: Mapping[str, str]) -> Due:
        schedule = self.planned[name].schedule
        late = missed(due, now)
        state, says = WAITING, ""
        if late and schedule.missed == "skip":
            state, says = MISSED, "nothing could run at that time"
        elif not late and schedule.overlap == "skip" and name in busy:
            state, says = SKIPPED, f"run {busy[name]} was not over"
        return Due(name, due, schedule.cause, state, dues.run_id(name, due), says=says)

    # Working

    def _begin(self, open_ones: list[Due], now: datetime) -> None:
        going = dues.at_work_now(self.store)
        for each in open_ones:
            if each.state == TAKEN:
                going.setdefault(each.pipeline, set()).add(each.run)
        free = self.jobs - sum(self._mine(each) for each in open_ones)
        for each in self._ready(open_ones, now):
            if free <= 0:
                return
            busy, most = going.setdefault(each.pipeline, set()), self._most(each.pipeline)
            if len(busy) >= most:
                continue
            busy.add(each.run)
            if dues.take(self.store, each, self.owner, now, most):
                free -= 1
                self._begin_one(each)

    def _most(self, name: str) -> int:
        """How many runs of a pipeline may be at work at a time."""
        plan = self.planned.get(name)
        return plan.schedule.at_once if plan else 1

    def _ready(self, open_ones: list[Due], now: datetime) -> Iterator[Due]:
        return (each for each in open_ones if each.state == WAITING and each.lease <= now.isoformat())

    # Deadlines

    def limit(self, found: Due) -> datetime | None:
        plan = self.planned.get(found.pipeline)
        return deadline(plan.schedule, found.due) if plan else None

    def _hurry(self, found: Due, now: datetime) -> None:
        """Warns while there is time, and once more when there is none."""
        limit = self.limit(found)
        if limit is None or found.late == LATE:
            return
        if now >= limit:
            word = LATE
        elif not found.late and now >= self._soon(found, limit):
            word = SOON
        else:
            return
        if dues.change(self.store, found, late=word):
            self._tell(found, word, limit)

    def _soon(self, found: Due, limit: datetime) -> datetime:
        """When to warn: when it takes longer than is left, and when a tenth of the time is left, an hour at most."""
        known = (*found.key, found.state)  # of one that waited, an earlier one may have ended since
        if known not in self._usual:
            self._usual[known] = dues.usual(self.store, found.pipeline)
        usual = self._usual[known]
        latest = limit - min((limit - found.due) / 10, timedelta(hours=1))
        if found.state == TAKEN and datetime.fromisoformat(found.began) + usual > limit:
            return found.due
        return min(latest, limit - usual) if found.state == WAITING else latest

    def without_bill(self, found: Due, says: str) -> None:
        self.doors.warn(FAILED, found.pipeline, f"what was due at {shown(found.due)} UTC: {says}")

    def too_late(self, found: Due, limit: datetime) -> None:
        self._tell(found, LATE, limit)

    def _tell(self, found: Due, word: str, limit: datetime) -> None:
        zone = self.planned[found.pipeline].schedule.zone
        so_far = "must end" if word == SOON else "should have ended"
        how = "is at work" if found.state == TAKEN else "has not begun"
        text = f"what was due at {shown(found.due)} UTC {how} and {so_far} by {shown(limit.astimezone(ZoneInfo(zone)))}"
        self.doors.say(word, found.pipeline, f"{text} {zone}")
        self.doors.warn(word, found.pipeline, f"{text} {zone}")

    # Waiting

    def _sleep(self, once: bool) -> None:
        """Until something is due, a process has ended, or it is time to look."""
        until = datetime.now(UTC) + LOOK
        until = min([until, *(plan.next for plan in self.planned.values() if plan.next and not once)])
        self._pause(until)
