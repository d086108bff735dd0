"""Due times as text for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from lading.dues import LATE, SOON, Due
from lading.render import clock, grid, words
from lading.schedule import Schedule, deadline, next_times

if TYPE_CHECKING:
    from rich.console import RenderableType

_COLOURS = {"proved": "green", "failed": "red", "unproved": "yellow", "missed": "yellow", "skipped": "dim"}


def next_due(schedule: Schedule, now: datetime, count: int) -> list[datetime]:
    return list(islice(next_times(schedule, now), count))


def times(now: datetime, count: int) -> Callable[[Schedule, int], RenderableType]:
    """The next due times of a schedule, on its own clock and in UTC."""

    def draw(schedule: Schedule, width: int) -> RenderableType:
        if schedule.cron is None:
            return words(_cause(schedule))
        zone = ZoneInfo(schedule.zone)
        names = ["", schedule.zone, "UTC", *(["Deadline"] if schedule.deadline else [])]
        lines = grid(names, width)
        for due in next_due(schedule, now, count):
            limit = deadline(schedule, due)
            here = due.astimezone(zone)
            ends = [f"{limit.astimezone(zone):%Y-%m-%d %H:%M}"] if limit else []
            lines.add_row(f"{here:%a}", f"{here:%Y-%m-%d %H:%M %z}", f"{due:%Y-%m-%d %H:%M}", *ends)
        return lines

    return draw


def schedules(now: datetime) -> Callable[[Mapping[str, Schedule], int], RenderableType]:
    """Every schedule in a line, what is due first at the top."""

    def draw(found: Mapping[str, Schedule], width: int) -> RenderableType:
        lines = grid(["Pipeline", "Schedule", "Next", "UTC"], width)
        first = {name: next(iter(next_due(each, now, 1)), None) for name, each in found.items()}
        for name, each in sorted(found.items(), key=lambda item: (f"{first[item[0]] or '~'}", item[0])):
            due = first[name]
            shown = (
                (f"{due.astimezone(ZoneInfo(each.zone)):%a %Y-%m-%d %H:%M}", f"{due:%Y-%m-%d %H:%M}")
                if due
                else ("–", "–")
            )
            lines.add_row(name, words(_cause(each)), *shown)
        return lines

    return draw


def last(found: Sequence[Due], width: int = 80) -> RenderableType:
    """Due times and what became of them."""
    lines = grid(["", "Due (UTC)", "Pipeline", ">Time", "Says"], width)
    for each in found:
        took = ""
        if each.began and each.ended:
            took = clock((datetime.fromisoformat(each.ended) - datetime.fromisoformat(each.began)).total_seconds())
        late = {SOON: "deadline is near. ", LATE: "late. "}.get(each.late, "")
        state = words(each.state, _COLOURS.get(each.state, ""))
        lines.add_row(state, f"{each.due:%Y-%m-%d %H:%M:%S}", each.pipeline, took, words(f"{late}{each.says}"))
    return lines


def _cause(schedule: Schedule) -> str:
    return schedule.cause if schedule.cron is None else f"{schedule.cron}, {schedule.zone}"
