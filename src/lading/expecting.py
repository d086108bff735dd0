"""Files that are expected by a calendar, and do not come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from lading import arrivals
from lading.arrivals import CAME, LATE, MISSING, SINCE, Arrival, Box
from lading.receiver import Receive
from lading.schedule import Schedule, between, deadline
from lading.store import Store

EXPECTED = "expected"


class Told(NamedTuple):
    """What is to be said of a file that was expected: late, missing or came, and a line."""

    word: str
    text: str


class Gap(NamedTuple):
    """A time in which nobody could look: what is found until its end may have been there at any moment of it."""

    since: datetime
    until: datetime


class Calendar(NamedTuple):
    """When files are expected, and when it could not be seen whether they had come."""

    schedule: Schedule
    gap: Gap | None

    def limit(self, due: datetime) -> datetime:
        """Until when a file may be seen that stands for a time."""
        limit = deadline(self.schedule, due) or due
        return self.gap.until if self.gap and self.gap.since <= limit <= self.gap.until else limit


def expect(store: Store, box: Box, step: Receive, now: datetime, gap: Gap | None = None) -> list[Told]:
    """Notes what is late or missing now, and what has come. Everything is told once, whoever looks. It counts from the
    moment on at which somebody first looks, or looks after the times were changed. In a gap nothing is told."""
    if step.expected is None:
        return []
    schedule = step.expected.schedule
    calendar = Calendar(schedule, gap)
    known = arrivals.expectations(store, box)
    if not known or known[0].says != schedule.cause:
        arrivals.expected(store, _row(box, now, SINCE, schedule.cause))
        return []
    if gap and now < gap.until:
        return []
    return [*_due(store, known, calendar, step, now), *_open(store, known, calendar, step, now)]


def _due(store: Store, known: list[Arrival], calendar: Calendar, step: Receive, now: datetime) -> Iterator[Told]:
    """What has become due since the last look."""
    box, before = _box(known[0]), _moment(known[-1])
    for due in between(calendar.schedule, before, now):
        found = _came(store, known, calendar, due)
        row = _row(box, due, CAME if found else LATE, f"'{found.name}'" if found else "")
        row = row._replace(mark=found.id if found else "")
        known.append(row)
        if arrivals.expected(store, row) and not found:
            yield Told(LATE, f"no file '{step.files}' has come by {_shown(due, calendar.schedule)}")


def _open(store: Store, known: list[Arrival], calendar: Calendar, step: Receive, now: datetime) -> Iterator[Told]:
    """What has become of those that were late."""
    for each in [each for each in known if each.state == LATE]:
        due = _moment(each)
        found, limit = _came(store, known, calendar, due), deadline(calendar.schedule, due)
        if found:
            after = each._replace(state=CAME, mark=found.id, says=f"'{found.name}', late")
            known[known.index(each)] = after
            text = f"'{found.name}' has come, expected by {_shown(due, calendar.schedule)}"
        elif limit is not None and now >= limit:
            after = each._replace(state=MISSING, says=f"nothing has come by {_shown(limit, calendar.schedule)}")
            text = f"no file '{step.files}' has come, expected by {_shown(due, calendar.schedule)}"
        else:
            continue
        if arrivals.came(store, each, after):
            yield Told(after.state, text)


def _came(store: Store, known: list[Arrival], calendar: Calendar, due: datetime) -> Arrival | None:
    """The first file, of those which stand for no other time, that was seen after the deadline of the time before; or
    after that time itself, where its deadline is no sooner than this one's time."""
    before = max(moment for each in known if (moment := _moment(each)) < due)
    first = known[0].state == SINCE and _moment(known[0]) == before
    low = before if first else deadline(calendar.schedule, before) or before
    low = low if low < due else before
    taken = {each.mark for each in known}
    found = arrivals.good(store, _box(known[0]), low, calendar.limit(due))
    return next((each for each in found if each.id not in taken), None)


def _row(box: Box, due: datetime, state: str, says: str) -> Arrival:
    moment = due.astimezone(UTC).isoformat()
    return Arrival(
        arrivals.new_id(due.astimezone(UTC)), *box, moment, EXPECTED, seen=moment, looked=arrivals.now(), state=state,
        changed=arrivals.now(), says=says,
    )  # fmt: skip


def _box(found: Arrival) -> Box:
    return Box(found.pipeline, found.step, found.place)


def _moment(found: Arrival) -> datetime:
    return datetime.fromisoformat(found.name)


def _shown(moment: datetime, schedule: Schedule) -> str:
    return f"{moment.astimezone(ZoneInfo(schedule.zone)):%Y-%m-%d %H:%M} {schedule.zone}"
