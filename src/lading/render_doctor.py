"""What `lading doctor` found, as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.doctor import ERROR, NOTE, OK, WARN, Finding
from lading.render import words

if TYPE_CHECKING:
    from rich.console import RenderableType

_MARKS = {OK: ("✓", "green"), NOTE: ("·", "dim"), WARN: ("!", "yellow"), ERROR: ("✗", "red")}


def findings(found: list[Finding], _width: int) -> RenderableType:
    """A line each, those of one area together; under what is wrong, what to do."""
    from rich.table import Table

    lines = Table.grid(padding=(0, 2, 0, 0))
    lines.add_column(no_wrap=True)
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    before = ""
    for each in found:
        mark, style = _MARKS[each.level]
        what = words(each.what)
        if each.fix:
            what.append(f"\n{each.fix}", "dim")
        lines.add_row(words(mark, style), words(each.area if each.area != before else ""), what)
        before = each.area
    return lines
