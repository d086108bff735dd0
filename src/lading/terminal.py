"""What a terminal is shown: no name or value steers it, and no number is cut."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from lading.errors import harmless

FEWEST = 8
"""Characters of a column whose words may go on in the next line, in however narrow a terminal."""
_GAP = 3


class Terminal(Console):
    """Names and values stand there as they are, with all their brackets and colons, but for signs that steer it."""

    def __init__(self, **how: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            plain = segment.control or segment.text.isprintable()
            yield segment if plain else Segment(harmless(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """A reader that has seen enough ends no command, whose exit code is its own."""
        raise BrokenPipeError


class Grid(Table):
    """A quiet table. Where a terminal is too narrow for its numbers, each row has a line for every column."""

    def __init__(self) -> None:
        super().__init__(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim", padding=(0, 1))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.update(max_width=10_000)
        least = sum(_least(column, console, wide) for column in self.columns) + _GAP * (len(self.columns) - 1)
        if least <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        for number, row in enumerate(zip(*(list(column.cells) for column in self.columns), strict=True)):
            lines = Table.grid(padding=(0, 2, 0, 0))
            lines.add_column(style="dim", no_wrap=True)
            lines.add_column(overflow="fold")
            for column, cell in zip(self.columns, row, strict=True):
                if str(cell):
                    lines.add_row(column.header, cell)
            yield from ([Text("")] if number else [])
            yield lines


def _least(column: Column, console: Console, options: ConsoleOptions) -> int:
    widest = max((Measurement.get(console, options, cell).maximum for cell in column.cells), default=0)
    return max(widest if column.no_wrap else min(widest, FEWEST), column.min_width or 0)
