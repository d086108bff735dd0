"""A backfill as text for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from lading.backfilling import Line
from lading.dues import ASKED
from lading.render import clock, grid, plural, words

if TYPE_CHECKING:
    from rich.console import RenderableType

_COLOURS = {"proved": "green", "failed": "red", "unproved": "yellow", "cancelled": "yellow"}
_WORDS = {ASKED: "not begun", "waiting": "not begun", "taken": "at work", "filling": "at work"}


def filled(found: tuple[str, Sequence[Line]], width: int = 80) -> RenderableType:
    """What became of the due times that were run, on the clock of a zone, and how many were left out."""
    from rich.console import Group

    zone, every = found
    lines = [line for line in every if not line.left_out]
    table = grid(["", f"Due ({zone})", ">Time", "Says"], width)
    for line in lines:
        due, took = line.due, ""
        if due.began and due.ended:
            seconds = (datetime.fromisoformat(due.ended) - datetime.fromisoformat(due.began)).total_seconds()
            took = clock(max(seconds, 0))
        state = words(_WORDS.get(due.state, due.state), _COLOURS.get(due.state, "dim"))
        table.add_row(state, _shown(line, zone), took, words(due.says))
    counts = Counter(_WORDS.get(line.due.state, line.due.state) for line in lines)
    parts = [f"{count:,} {state}" for state, count in counts.items()] + _left_out(every)
    total = words(f"{plural(len(every), 'due time')}: {', '.join(parts)}")
    return Group(table, words(""), total) if lines else total


def asked(found: tuple[str, Sequence[Line]], width: int = 80) -> RenderableType:
    """What would be run, and what would not."""
    from rich.console import Group

    zone, every = found
    table = grid(["", f"Due ({zone})", "UTC", "Before"], width)
    for line in every:
        word = words("left out", "dim") if line.left_out else words("runs")
        before = "" if line.due.state == ASKED else f"{line.due.state}{f', {line.due.says}' if line.due.says else ''}"
        table.add_row(word, _shown(line, zone), f"{line.due.due:%Y-%m-%d %H:%M}", words(before))
    parts = [f"{sum(not line.left_out for line in every):,} would be run", *_left_out(every)]
    return Group(table, words(""), words(f"{plural(len(every), 'due time')}: {', '.join(parts)}"))


def _left_out(lines: Sequence[Line]) -> list[str]:
    count = sum(line.left_out for line in lines)
    return [f"{count:,} left out, which had a run before"] if count else []


def _shown(line: Line, zone: str) -> str:
    return f"{line.due.due.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M}"
