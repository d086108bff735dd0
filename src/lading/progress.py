"""What a person sees while a run goes: one calm line per table, plain lines, or nothing."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from lading.errors import harmless
from lading.prove import StepBill
from lading.render import amount, clock, console, plural, size, words
from lading.spec import Step

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text


def step_words(line: StepBill) -> str:
    """How a step came out, in one line."""
    kept = " before the interruption" if line.kept else ""
    tries = f", {line.attempts:,} attempts" if line.attempts > 1 else ""
    time_ = f", {clock(line.seconds)}" if line.seconds else ""
    said = line.error or line.says
    return f"{line.state}{kept}{tries}{time_}{f': {said}' if said else ''}"


ENDS = {
    "proved": "green", "unproved": "yellow", "failed": "red",
    "equal": "green", "inconclusive": "yellow", "different": "red",
}  # fmt: skip
_FORCED = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""Variables with which Rich takes something else for a terminal."""
_PLAIN_SECONDS = 30
"""How often a table that is under way has a line of its own in a log."""
_WINDOW = 40  # looks at the counters, four a second: rates are those of the last ten seconds


@dataclass
class Line:
    """One table's counters."""

    name: str
    rows: int | None = None
    slices: int = 0
    word: str = "reading"
    moved: int = 0
    bytes: int = 0
    slices_done: int = 0
    began: float = field(default_factory=lambda: time.monotonic())
    ended: float | None = None
    said: float = 0.0
    looks: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=_WINDOW))

    @property
    def seconds(self) -> float:
        return max((self.ended or time.monotonic()) - self.began, 0.001)

    @property
    def done(self) -> float | None:
        """The part that is done, from 0 to 1; None when nobody knows."""
        if self.word in ENDS or self.word in ("proving", "publishing"):
            return 1.0
        if self.rows:
            return min(self.moved / self.rows, 0.99)
        return self.slices_done / self.slices if self.slices > 1 else None

    def rates(self) -> tuple[float, float]:
        """Rows and bytes a second: lately, or over all once the table has ended."""
        now = (time.monotonic(), self.moved, self.bytes)
        if self.ended is not None:
            return self.moved / self.seconds, self.bytes / self.seconds
        self.looks.append(now)
        then = self.looks[0] if now[0] - self.looks[0][0] >= 0.5 else (self.began, 0, 0)
        span = max(now[0] - then[0], 0.001)
        rows, bytes_ = ((late - early) / span for late, early in zip(now[1:], then[1:], strict=True))
        return max(rows, 0.0), max(bytes_, 0.0)  # rows that are read once more were taken back

    @property
    def left(self) -> float | None:
        """Seconds until every row is read, at the average so far."""
        if self.word != "reading" or not self.rows or not self.moved or self.seconds < 1:
            return None
        return max(self.rows - self.moved, 0) * self.seconds / self.moved


class Quiet:
    """Says nothing, and keeps the counters for those who say something."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.lock = Lock()

    def begin(self, table: str, rows: int | None, slices: int) -> None:
        with self.lock:
            self.lines[table] = Line(table, rows, slices)
        self.began(self.lines[table])

    def moved(self, table: str, rows: int, bytes: int) -> None:
        with self.lock:
            line = self.lines.setdefault(table, Line(table))
            line.moved += rows
            line.bytes += bytes

    def slice_done(self, table: str) -> None:
        with self.lock:
            self.lines.setdefault(table, Line(table)).slices_done += 1

    def state(self, table: str, word: str) -> None:
        with self.lock:
            line = self.lines.setdefault(table, Line(table))
            line.word = word
            if word in ENDS:
                line.ended = time.monotonic()
        if word in ENDS:
            self.ended(line)

    def end(self) -> None:
        """The run is over."""

    def step_began(self, step: Step) -> None:
        """A step of a pipeline begins."""

    def step_ended(self, line: StepBill) -> None:
        """A step has ended, or was left out."""

    def beside(self, step: Step) -> Beside:
        """What is told of the step's own tables, while other steps may be at work."""
        return Beside(self, step)

    def began(self, line: Line) -> None:
        """A table's rows are about to be read."""

    def ended(self, line: Line) -> None:
        """A table has reached its end."""


class Beside:
    """Tells of the tables of one of several steps; two that have the same name are two."""

    def __init__(self, whole: Quiet, step: Step) -> None:
        self.whole, self._step = whole, step
        self._names: dict[str, str] = {}

    def begin(self, table: str, rows: int | None, slices: int) -> None:
        self.whole.begin(self._name(table), rows, slices)

    def moved(self, table: str, rows: int, bytes: int) -> None:
        self.whole.moved(self._name(table), rows, bytes)

    def slice_done(self, table: str) -> None:
        self.whole.slice_done(self._name(table))

    def state(self, table: str, word: str) -> None:
        self.whole.state(self._name(table), word)

    def end(self) -> None:
        """Tables that have not come to an end are no longer under way."""
        with self.whole.lock:
            for name in self._names.values():
                if name in self.whole.lines and self.whole.lines[name].ended is None:
                    del self.whole.lines[name]
        self._names.clear()

    def _name(self, table: str) -> str:
        """The table's own, unless another step has one of that name under way."""
        with self.whole.lock:
            if table not in self._names:
                line = self.whole.lines.get(table)
                taken = line is not None and line.ended is None
                self._names[table] = f"{self._step.key}: {table}" if taken else table
            return self._names[table]


class Plain(Quiet):
    """A line when a table starts, one every half minute, and one when it ends, for logs."""

    def began(self, line: Line) -> None:
        known = f", about {line.rows:,} rows" if line.rows else ""
        self._say(f"{line.name}: reading{known}, {plural(line.slices, 'slice')}")

    def ended(self, line: Line) -> None:
        rows, bytes_ = line.rates()
        speed = f", {amount(rows)} rows/s, {size(bytes_)}/s" if line.moved and line.seconds >= 0.1 else ""
        self._say(f"{line.name}: {line.word}, {plural(line.moved, 'row')} in {clock(line.seconds)}{speed}")

    def moved(self, table: str, rows: int, bytes: int) -> None:
        super().moved(table, rows, bytes)
        line, now = self.lines[table], time.monotonic()
        with self.lock:
            if due := now - max(line.said, line.began) >= _PLAIN_SECONDS:
                line.said = now
        if due:
            self._say(f"{line.name}: {_under_way(line)}")
            line.looks = deque([line.looks[-1]], maxlen=_WINDOW)  # the next rates are those since now

    def step_began(self, step: Step) -> None:
        if step.do != "move":  # whose tables say what they do
            self._say(f"{step.key}: {step.title or step.do}")

    def step_ended(self, line: StepBill) -> None:
        self._say(f"{line.key}: {step_words(line)}")

    def _say(self, text: str) -> None:
        with self.lock:
            sys.stderr.write(harmless(f"{time.strftime('%H:%M:%S')} {text}\n"))
            sys.stderr.flush()


def _under_way(line: Line) -> str:
    rows, bytes_ = line.rates()
    known = f" of about {line.rows:,}" if line.rows else ""
    left = f", {clock(line.left)} left" if line.left is not None else ""
    slices = f"{line.slices_done:,} of {plural(line.slices, 'slice')}"
    return f"{line.moved:,}{known} rows, {amount(rows)} rows/s, {size(bytes_)}/s, {slices}{left}"


class Live(Quiet):
    """One line per table that is under way, at the foot of the terminal; a table that ends leaves its line above."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live as Screen

        super().__init__()
        self.console = console
        self._steps: dict[str, tuple[Step, float]] = {}
        self._screen = Screen(console=console, get_renderable=self.table, refresh_per_second=4, transient=True)
        self._on = False

    def began(self, line: Line) -> None:
        with self.lock:
            start, self._on = not self._on, True
        if start:
            self._screen.start()

    def step_began(self, step: Step) -> None:
        with self.lock:
            self._steps[step.key] = (step, time.monotonic())
            start, self._on = not self._on, True
        if start:
            self._screen.start()

    def ended(self, line: Line) -> None:
        self._screen.refresh()  # else its last frame stays below the line
        self.console.print(_grid([line], self.console.width))

    def end(self) -> None:
        with self.lock:
            self._steps.clear()
            stop, self._on = self._on, False
        if stop:
            self._screen.stop()

    def step_ended(self, line: StepBill) -> None:
        from rich.text import Text

        with self.lock:
            self._steps.pop(line.key, None)
            last = not self._steps
        if last:
            self.end()
        else:
            self._screen.refresh()
        word = Text(f"{line.state:10}  ", style=ENDS.get(line.state, "dim"))
        said = step_words(line).removeprefix(line.state).removeprefix(", ").removeprefix(": ")
        self.console.print(Text.assemble(word, (line.key, "bold"), f"  {said}"))

    def table(self) -> Group:
        from rich.console import Group

        with self.lock:
            waiting = [line for line in self.lines.values() if line.ended is None]
            steps = list(self._steps.values())
        active = [line for line in waiting if line.moved or line.word != "reading"] or waiting[:1]
        others = [_step_line(step, began) for step, began in steps if step.do != "move" or not active]
        room = max(self.console.height - 3 - len(others), 1)
        grid = _grid(active[:room], self.console.width)
        rest = len(waiting) - len(active[:room])
        if rest > 0:
            grid.add_row("", words(f"{rest:,} more to come", "dim"))
        return Group(*([grid] if active else []), *others)


def _step_line(step: Step, began: float) -> Text:
    from rich.text import Text

    said = f"  {step.title or step.do}  {clock(time.monotonic() - began)}"
    return Text.assemble(("running     ", "dim"), (step.key, "bold"), said)


def _grid(lines: list[Line], width: int) -> Table:
    """The lines as columns whose widths do not change while they run."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    wide = width >= 100
    grid = Table.grid(padding=(0, 2, 0, 0))
    name = 30 if wide else 20
    bar = max(8, min(30, width - name - (72 if wide else 55)))
    for column in ({"width": 10}, {"width": name, "no_wrap": True, "overflow": "ellipsis"}, {"width": bar}):
        grid.add_column(**column)
    for columns in (13, 12, *((11, 7) if wide else ()), 7):
        grid.add_column(width=columns, justify="right", no_wrap=True)
    for line in lines:
        rows, bytes_ = line.rates()
        over = line.word in ENDS
        style = ENDS.get(line.word, "")
        meter = ProgressBar(
            total=1, completed=line.done or 0, pulse=line.done is None, width=bar, style="dim",
            complete_style=style or "default", finished_style=style or "default",
        )  # fmt: skip
        told = line.moved and line.seconds >= 0.1
        more = (f"{size(bytes_)}/s" if told else "", f"{line.slices_done}/{line.slices}") if wide else ()
        time_ = clock(line.seconds) if over else f"{clock(line.left)} left" if line.left is not None else ""
        speed = f"{amount(rows)}/s" if told else ""
        word = Text(line.word, style=style)
        grid.add_row(word, words(line.name), meter, f"{line.moved:,}", speed, *more, time_)
    return grid


def watch(quiet: bool = False) -> Quiet:
    """What fits where standard error goes: live lines on a terminal, plain ones elsewhere, none when quiet."""
    if quiet:
        return Quiet()
    if not sys.stderr.isatty() and os.environ.keys().isdisjoint(_FORCED):
        return Plain()
    terminal = console(stderr=True)
    return Live(terminal) if terminal.is_terminal else Plain()
