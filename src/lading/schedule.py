"""When pipelines are due: cron's words on people's clocks, and what comes after others."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from difflib import get_close_matches
from itertools import takewhile
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, model_validator

from lading.find import shown as shown_place

_FIELDS = ("minute", "hour", "day of the month", "month", "weekday")
_BACK = timedelta(hours=3)
"""More than any clock is set back by."""
_SPANS = (timedelta(hours=1), timedelta(days=1), timedelta(days=31))
_AT_ONCE = timedelta(minutes=1)
"""How much later than it was due a run begins that was not missed."""
_RARE = timedelta(days=9 * 366)
"""As long as 29 February may be away."""
_LENGTH = re.compile(r"(\d{1,4})([mh])")


def _cron(text: str) -> str:
    if len(text.split()) != len(_FIELDS):
        raise ValueError(f"'{text}' is no cron text: it has five words, for {', '.join(_FIELDS)}. Write '0 2 * * *'.")
    try:
        next(CronSim(text, datetime(2000, 1, 1)), None)
    except CronSimError as error:
        word = str(error).removeprefix("Bad ").replace("day-of-month", _FIELDS[2]).replace("day-of-week", _FIELDS[4])
        what = f"'{text}' is no cron text: its {word} is out of range or not understood"
        raise ValueError(f"{what}. Write '0 2 * * *' for every day at two o'clock.") from error
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = {each.lower(): each for each in available_timezones()}
        near = get_close_matches(name.lower().replace(" ", "_"), known, n=1)
        hint = f"Did you mean '{known[near[0]]}'?" if near else "Write one like 'Europe/Berlin' or 'UTC'."
        raise ValueError(f"There is no time zone '{name}'. {hint}") from error
    return name


def _quoted(value: Any) -> Any:
    if isinstance(value, int | float):  # YAML reads 06:00 as a number to the base of sixty
        raise ValueError("A time of day is written in quotes. Write one like '06:00'.")
    return value


def _time(text: str, wrong: str) -> time:
    try:
        found = time.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"'{text}' is no {wrong}.") from error
    if found.tzinfo is not None:
        raise ValueError(f"'{text}' names a zone in the time of day. Write one like '06:00', and 'zone' beside it.")
    return found


def _clock(value: Any) -> Any:
    return _time(value, "time of day. Write one like '06:00'") if isinstance(_quoted(value), str) else value


def _moment(text: Any) -> Any:
    if not isinstance(_quoted(text), str) or ((length := _LENGTH.fullmatch(text)) and int(length[1])):
        return text
    wrong = "time of day and no length of time. Write one like '06:00', or '90m' or '2h' after it is due"
    return f"{_time(text, wrong):%H:%M}"


Cron = Annotated[str, AfterValidator(_cron)]
Zone = Annotated[str, AfterValidator(_zone)]
Clock = Annotated[time, BeforeValidator(_clock)]
Deadline = Annotated[str, BeforeValidator(_moment)]


class Arrival(BaseModel):
    """A table that another pipeline, or a copy, has moved rows into and proved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: str = Field(description="The connection: a name from connections.yaml, or a URL.")
    table: str = Field(min_length=1, description="The table, as bills name it: 'orders', 'sales.orders'.")


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


class Schedule(BaseModel):
    """When a pipeline runs by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cron: Cron | None = Field(
        None, description="Minute, hour, day of the month, month and weekday, as cron reads them: '0 2 * * *'."
    )
    after: Annotated[tuple[str | Arrival, ...], BeforeValidator(_several)] = Field(
        (),
        description="In place of cron: pipelines that must have ended well, and tables, as maps of 'at' and 'table'.",
    )
    arrivals: bool = Field(False, description="In place of cron: whenever files are ready that a step receives.")
    zone: Zone = Field("UTC", description="The clock it goes by: 'America/New_York'.")
    missed: Literal["run_once", "run_all", "skip"] = Field(
        "run_once", description="What happens with due times at which nothing could run: one run for all, each, none."
    )
    overlap: Literal["skip", "queue", "allow"] = Field(
        "skip",
        description="What happens with a due time at which an earlier run still is at work, or has to begin: it is "
        "left out, runs afterwards, or runs beside it, as far as the pipeline's 'runs' allow.",
    )
    deadline: Deadline | None = Field(
        None,
        description="When a run must have ended: a time of day by the same clock, or '90m' or '2h' after it is due.",
    )

    _runs: int = PrivateAttr(1)

    @model_validator(mode="after")
    def _one_cause(self) -> Schedule:
        if (self.cron is not None) + bool(self.after) + self.arrivals != 1:
            raise ValueError("It takes one of 'cron', 'after' and 'arrivals'. Write one of them.")
        return self

    @property
    def at_once(self) -> int:
        """How many of its runs may be at work at a time."""
        return self._runs if self.overlap == "allow" else 1

    def within(self, runs: int) -> Schedule:
        """The same, of a pipeline of which so many runs may be at work at a time."""
        found = self.model_copy()
        found._runs = runs
        return found

    @property
    def cause(self) -> str:
        """The same for schedules with the same due times."""
        if self.cron is not None:
            return f"{self.cron} {self.zone}"
        if self.arrivals:
            return "when files arrive"
        names = sorted(
            each if isinstance(each, str) else f"{each.table} at {shown_place(each.at)}" for each in self.after
        )
        return f"after {', '.join(names)}"

    @property
    def pipelines(self) -> tuple[str, ...]:
        """The pipelines that it comes after."""
        return tuple(each for each in self.after if isinstance(each, str))


def next_times(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """The due times after a moment, in UTC, without end unless the text names no day there is; none without a text.

    As Debian's cron has it: where minute or hour begin with a star, the text is held against the clock as it shows,
    so what the clock skips is not due and what it shows twice is due twice. Any other time of day is due once every
    day that it is named for: the first time it shows, and where it is skipped, when the clock jumps.
    """
    if schedule.cron is None:
        return
    zone, starred = ZoneInfo(schedule.zone), _starred(schedule.cron)
    after = after.astimezone(UTC)
    begin = (after.astimezone(zone) - _BACK).replace(tzinfo=None)
    waiting: list[datetime] = []
    last = after
    for shown in CronSim(schedule.cron, begin):
        first, second = _moments(shown, zone)
        while waiting and waiting[0] < first:
            if (due := heapq.heappop(waiting)) > last:
                last = due
                yield due
        for due in _due(shown, (first, second), zone, starred):
            heapq.heappush(waiting, due)


def _starred(cron: str) -> bool:
    return any(word.startswith("*") for word in cron.split()[:2])


def _moments(shown: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When a clock shows this, the first and the second time; the same moment twice on most days. Of a time that the
    clock skips, by how it went before and after."""
    first, second = (shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return min(first, second), max(first, second)


def _due(shown: datetime, moments: tuple[datetime, datetime], zone: ZoneInfo, starred: bool) -> list[datetime]:
    first, second = moments
    if first == second:
        return [first]
    if first.astimezone(zone).replace(tzinfo=None) == shown:  # shown twice
        return [first, second] if starred else [first]
    return [] if starred else [_jump(first, second, zone)]


def _jump(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The moment between two at which a clock jumps."""
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == before else (low, middle)
    return high.replace(microsecond=0)


def deadline(schedule: Schedule, due: datetime) -> datetime | None:
    """When a run must have ended, in UTC; None when it may take any time."""
    if schedule.deadline is None:
        return None
    if length := _LENGTH.fullmatch(schedule.deadline):
        return due + (timedelta(hours=int(length[1])) if length[2] == "h" else timedelta(minutes=int(length[1])))
    zone = ZoneInfo(schedule.zone)
    shown = _stands_for(schedule, due, zone)
    wanted = datetime.combine(shown.date(), time.fromisoformat(schedule.deadline))
    wanted += timedelta(days=wanted <= shown)
    found = next((moment for moment in _shown_at(wanted, zone) if moment > due), None)
    return found or due + (wanted - shown)  # both are skipped, and come when the clock jumps


def _stands_for(schedule: Schedule, due: datetime, zone: ZoneInfo) -> datetime:
    """What the clock shows at a due time, or the first time that it skips and that is due in its place."""
    shown, before = (each.astimezone(zone).replace(tzinfo=None) for each in (due, due - timedelta(seconds=1)))
    if schedule.cron is None or _starred(schedule.cron) or shown - before <= timedelta(seconds=1):
        return shown
    return min(shown, next(CronSim(schedule.cron, before), shown))


def first_shown(shown: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which a clock first shows this; where it skips it, at which it jumps."""
    return _shown_at(shown, zone)[0]


def _shown_at(shown: datetime, zone: ZoneInfo) -> list[datetime]:
    moments = _moments(shown, zone)
    return _due(shown, moments, zone, starred=True) or _due(shown, moments, zone, starred=False)


def due_times(schedule: Schedule, last: datetime, now: datetime) -> list[datetime]:
    """What is due now, of the times after `last`, oldest first: all where the schedule wants all that were missed, else
    the latest. A clock that was set back makes nothing due again, since `last` stays."""
    if schedule.missed == "run_all":
        return between(schedule, last, now)
    found: list[datetime] = []
    for span in _SPANS:  # the latest is what is wanted, and there may be a year of minutes
        if found or now - span <= last:
            break
        found = between(schedule, now - span, now)
    return (found or between(schedule, last, now))[-1:]


class Interval(NamedTuple):
    """What the run of a due time is for: the time from the due time before its own, by a clock."""

    before: datetime
    due: datetime
    zone: str


def interval(schedule: Schedule | None, due: datetime) -> Interval:
    """The interval of a due time. Where no clock says when a pipeline is due, it is a day."""
    zone = schedule.zone if schedule else "UTC"
    day_before = (due.astimezone(ZoneInfo(zone)) - timedelta(days=1)).astimezone(UTC)
    if schedule is None or schedule.cron is None:
        return Interval(day_before, due, zone)
    latest = schedule.model_copy(update={"missed": "run_once"})
    found = due_times(latest, due - _RARE, due - timedelta(microseconds=1))
    return Interval(found[-1] if found else day_before, due, zone)


def missed(due: datetime, now: datetime) -> bool:
    """Whether nothing could run when a run was due that is due since."""
    return now - due > _AT_ONCE


def between(schedule: Schedule, low: datetime, high: datetime) -> list[datetime]:
    """What is due after one moment and not after another."""
    return list(takewhile(lambda moment: moment <= high, next_times(schedule, low)))


def following(schedule: Schedule, ends: Sequence[Sequence[datetime]]) -> list[datetime]:
    """What is due, oldest first, of a schedule that comes after others; `ends` are for each of these when it ended
    well, oldest first. It is due each time that all of them have since the last time."""
    found = []
    while ends and all(ends):
        found.append(max(each[0] for each in ends))
        ends = [[moment for moment in each if moment > found[-1]] for each in ends]
    return found if schedule.missed == "run_all" else found[-1:]
