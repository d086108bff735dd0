"""Releases as text for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lading.releases import SHORT, Release
from lading.render import grid, words

if TYPE_CHECKING:
    from rich.console import RenderableType

_STYLES = {"+": "green", "-": "red", "@": "dim"}


def releases(now: Mapping[str, int]) -> Callable[[Sequence[Release], int], RenderableType]:
    """Releases in a line each; `now` are the numbers of the live ones."""

    def draw(found: Sequence[Release], width: int) -> RenderableType:
        lines = grid(["", "Pipeline", ">Number", "Hash", "Made (UTC)", "By", "Says"], width)
        for each in found:
            live = now.get(each.pipeline) == each.number
            state = words("● live", "green") if live else words("" if each.state == "live" else each.state, "dim")
            same = f"same as {each.same_as}" if each.same_as else ""
            said = ", ".join(part for part in (each.note, same) if part)
            made = f"{each.made:%Y-%m-%d %H:%M}"
            lines.add_row(state, each.pipeline, str(each.number), each.hash[:SHORT], made, each.who, words(said))
        return lines

    return draw


def changes(found: Sequence[Any], width: int = 80) -> RenderableType:
    """What differs, file by file."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for number, each in enumerate(found):
        parts += [Text("")] if number else []
        parts.append(Text(each.file, style="bold"))
        whole: Any = {"no_wrap": True, "overflow": "ignore"}  # a line that went on would begin with no sign
        parts += [Text(line, style=_STYLES.get(line[:1], ""), **whole) for line in each.lines]
    return Group(*parts)
