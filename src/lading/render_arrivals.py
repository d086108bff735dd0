"""Files that arrived as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from lading.arrivals import EXPECTATIONS, LATE, LOADED, MISSING, QUARANTINED, UNPROVED, Arrival
from lading.render import grid, words

if TYPE_CHECKING:
    from rich.console import RenderableType

_COLOURS = {LOADED: "green", UNPROVED: "yellow", QUARANTINED: "red", LATE: "yellow", MISSING: "red"}


def arrived(found: tuple[Mapping[str, int], Sequence[Arrival]], width: int = 80) -> RenderableType:
    """How many there are of each state, and the newest files, each with what became of it."""
    from rich.console import Group

    counts, files = found
    several = len({each.pipeline for each in files}) > 1
    lines = grid(["", "Seen (UTC)", *(["Pipeline"] if several else []), "File", ">Rows", "Says"], width)
    for each in files:
        seen = f"{datetime.fromisoformat(each.seen):%Y-%m-%d %H:%M:%S}"
        rows = "" if each.rows is None else f"{each.rows:,}"
        says = each.says or (f"run {each.run}" if each.run else "")
        name = [words(each.pipeline)] if several else []
        lines.add_row(
            words(each.state, _COLOURS.get(each.state, "dim")),
            seen,
            *name,
            words("" if each.state in EXPECTATIONS else each.name),
            rows,
            words(says),
        )
    total = ", ".join(f"{number:,} {state}" for state, number in counts.items())
    return Group(lines, words(""), words(f"All: {total}"))
