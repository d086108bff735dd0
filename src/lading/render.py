"""Bills, plans and lists as text for a terminal, and how amounts, sizes and times are written everywhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from lading.plan import Plan, Task
from lading.prove import Bill, State, TableBill, Unfinished
from lading.route import Finding
from lading.schema import Loss, Table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from lading.terminal import Grid

COLOURS = {State.PROVED: "green", State.UNPROVED: "yellow", State.FAILED: "red", State.DONE: "", State.SKIPPED: "dim"}
MARKS = {State.PROVED: "✓", State.UNPROVED: "?", State.FAILED: "✗", State.DONE: "·", State.SKIPPED: "–"}
FOLDS = {
    "Table", "Problem", "Column", "Native", "Key", "Type", "Value", "Help", "Losses", "From", "Addresses", "Pipeline",
    "Min", "Max", "Seen", "Says",
}  # fmt: skip
"""Columns of lists whose words may go on in the next line."""
LEVELS = {
    "counts": "the rows were counted on both sides",
    "columns": "rows, values and sums were compared, computed in place on both sides",
    "rows": "every value read was compared with the target read again",
    "full": "every value of the source, read twice, was compared with the target read again",
}


def amount(number: float) -> str:
    """A number of things a second: whole, with separators; in millions from ten of them on."""
    return f"{number / 1e6:,.1f} M" if number >= 1e7 else f"{number:,.0f}"


def size(number: float) -> str:
    """Bytes in the unit that leaves one to four digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            return f"{number:,.0f} {unit}" if unit == "B" or number >= 99.95 else f"{number:,.1f} {unit}"
        number /= 1000
    return f"{number:,.1f} TB"


def clock(seconds: float) -> str:
    """A span of time: milliseconds, seconds below a minute, then 1:02 or 1:02:03."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def rate(rows: int, seconds: float) -> str:
    """Rows a second; a dash where there were none, or too little time to tell."""
    return amount(rows / seconds) if rows and seconds >= 0.1 else "–"


def speed(bytes_: int, seconds: float) -> str:
    """Bytes a second; a dash where there were none, or too little time to tell."""
    return f"{size(bytes_ / seconds)}/s" if bytes_ and seconds >= 0.1 else "–"


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def others(count: int, more: bool = True) -> str:
    """The beginning of a sentence on differences: besides those that are shown, if there are `more`."""
    return f"{plural(count, 'more difference' if more else 'difference')} {'is' if count == 1 else 'are'}"


def bill(found: Bill, width: int = 80) -> RenderableType:
    """A bill: its state, the balance, a line per table, and what a person should know."""
    from rich.console import Group
    from rich.text import Text

    ends = [Text(f"{found.source} → {found.target}")] if found.source else []
    parts: list[RenderableType] = [_head(found), *ends, _when(found), Text("")]
    if any(step.do != "move" for step in found.steps) or len(found.steps) > 1:
        parts += [_step_grid(found, width), *([Text("")] if found.tables else [])]
    if found.tables:
        parts += [_bill_grid(found, width), Text("")]
        parts += [_pair(name, value) for name, value in _foot(found)]
    notes = [line for table in found.tables for line in _told(table)]
    notes += [line for step in found.steps if not step.bill for line in named(step.key, [("", step.error)], "red")]
    if notes:
        parts += [Text(""), *notes]
    return Group(*parts)


def plan(found: Plan, width: int = 80) -> RenderableType:
    """A plan: what would go where, how, and what would be lost."""
    from rich.console import Group
    from rich.text import Text

    blocked = len(found.problems)
    name = " · ".join(part for part in (found.pipeline, found.step if found.step != "move" else "") if part)
    head = Text.assemble(("Plan", "bold"), f"  {name}" if name else "")
    ready = f"{plural(len(found.tasks) - blocked, 'table')} ready"
    head.append(f"  {ready}")
    if blocked:
        head.append(f"  ✗ {plural(blocked, 'table')} stopped", style="red")
    parts: list[RenderableType] = [head, Text(f"{found.source} → {found.target}"), Text("")]
    parts += [_plan_grid(found, width), Text(""), _pair("Proof", f"{found.level}: {LEVELS[found.level]}")]
    if found.max_rejects:
        parts.append(_pair("Rejects", f"up to {found.max_rejects:,} a table"))
    parts += [_pair("How" if n == 0 else "", reason) for n, reason in enumerate(found.reasons)]
    notes = [line for task in found.tasks for line in _warned(task)]
    if notes:
        parts += [Text(""), *notes]
    return Group(*parts)


def tables(found: Sequence[Table], width: int = 80) -> RenderableType:
    """What a system holds."""
    lines = []
    for table in found:
        rows = "" if table.rows is None else f"~{table.rows:,}"
        problem = words("; ".join(table.problems), "red")
        name = f"{table.full_name} (view)" if table.view else table.full_name
        bytes_ = "" if table.bytes is None else size(table.bytes)
        lines.append((name, rows, bytes_, f"{len(table.columns):,}", ", ".join(table.key) or "–", problem))
    return _filled(["Table", ">Rows", ">Size", ">Columns", "Key", "Problem"], lines, width)


def columns(table: Table, width: int = 80) -> RenderableType:
    """One table's columns."""
    lines = grid(["Column", "Type", "NULL", "Key", "Native"], width)
    for column in table.columns:
        place = str(table.key.index(column.name) + 1) if column.name in table.key else ""
        native = column.native.partition(":")[2]
        lines.add_row(column.name, str(column.type), "yes" if column.null else "no", place, native)
    return lines


def history(found: Sequence[Bill | Unfinished], width: int = 80) -> RenderableType:
    """Runs, the newest first, those without a bill too."""
    names = ["", "Run", "Pipeline", ">Tables", ">Rows", ">Time"]
    lines = grid([*names, "Started"] if width >= 100 else names, width)
    for each in found:
        started = (f"{each.started.astimezone():%Y-%m-%d %H:%M}",) if width >= 100 else ()
        if isinstance(each, Bill):
            counts = (f"{len(each.tables):,}", f"{each.rows.target:,}", clock(each.seconds))
            lines.add_row(_state(each.state), each.run, each.pipeline or "–", *counts, *started)
        else:
            pipeline = f"{each.pipeline} · {each.step}" if each.step else each.pipeline or "–"
            lines.add_row(words(f"… {each.state}", "dim"), each.run, pipeline, "–", "–", "–", *started)
    return lines


def reject(found: Any, width: int = 80) -> RenderableType:
    """A row that was refused, and why."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    shown = ", ".join(f"{name}={'NULL' if value is None else repr(value)}" for name, value in found.row.items())
    head = Text.assemble((found.table, "bold"), f"  {found.reason}")
    return Group(head, Padding(Text(shown, style="dim"), (0, 0, 0, 2)))


def console(**how: Any) -> Console:
    """Where anything is shown."""
    from lading.terminal import Terminal

    return Terminal(**how)


NARROWEST = 40
"""Characters of a line, in however narrow a terminal."""


def text(draw: Callable[..., RenderableType], found: Any, width: int | None = None) -> str:
    """As plain text, without colours, as wide as the terminal where there is one."""
    from io import StringIO

    wide = width or min(max(shutil.get_terminal_size((100, 24)).columns, 60), 120)
    page = StringIO()
    plain = console(file=page, width=wide, color_system=None, force_terminal=False, legacy_windows=False)
    plain.print(draw(found, wide))
    return trimmed(page.getvalue())


def trimmed(shown: str) -> str:
    """The text without blanks at the ends of its lines, and without empty lines at its end."""
    return "\n".join(line.rstrip() for line in shown.split("\n")).rstrip("\n")


def _head(found: Bill) -> Text:
    from rich.text import Text

    return Text.assemble(("Bill", "bold"), f"  {found.run}  ", _state(found.state))


def _when(found: Bill) -> Text:
    when = f"{found.started.astimezone():%Y-%m-%d %H:%M}"
    release = f"release {found.release} {found.release_hash[:12]}" if found.release else ""
    parts = [found.pipeline, release, when, clock(found.seconds)]
    parts += [f"peak {size(found.peak_memory)}" if found.peak_memory else ""]
    parts += [f"continues {found.continued}" if found.continued else ""]
    return words(" · ".join(part for part in parts if part), "dim")


def _step_grid(found: Bill, width: int) -> Grid:
    lines = grid(["", "Step", "Do", ">Time", "Says"], width)
    for step in found.steps:
        kept = "before the interruption" if step.kept else ""
        tries = f"{step.attempts:,} attempts" if step.attempts > 1 and not step.kept else ""
        said = ", ".join(part for part in (kept, tries, step.says) if part)
        lines.add_row(_state(step.state), step.key, step.do, clock(step.seconds) if step.seconds else "–", words(said))
    return lines


def _bill_grid(found: Bill, width: int) -> Grid:
    from rich.text import Text

    wide = width >= 100
    names = ["", "Table", ">Rows", ">Rejected", ">Time", ">Rows/s"]
    lines = grid([*names, ">Bytes/s", ">Slices", "Digest"] if wide else names, width)
    for table in found.tables:
        rejected = words(f"{table.rows.rejected:,}" if table.rows.rejected else "–")
        seconds = table.seconds
        cells: list[Any] = [_state(table.state), _route(table.table, table.into), f"{table.rows.target:,}"]
        cells += [rejected, clock(table.seconds), rate(table.rows.source, seconds)]
        if wide:
            root = table.proof.target_root[:8] if table.proof else ""
            cells += [speed(table.bytes, seconds), f"{table.slices:,}", root]
        lines.add_row(*cells)
    if len(found.tables) > 1:
        lines.add_section()
        total, seconds = found.rows, found.seconds
        moved = sum(table.bytes for table in found.tables)
        cells = ["", Text(plural(len(found.tables), "table")), f"{total.target:,}", f"{total.rejected:,}"]
        cells += [clock(found.seconds), rate(total.source, seconds)]
        more = [speed(moved, seconds), f"{sum(t.slices for t in found.tables):,}", ""] if wide else []
        lines.add_row(*cells, *more, style="bold")
    return lines


def _foot(found: Bill) -> Iterable[tuple[str, str]]:
    rows = found.rows
    sign = "=" if rows.balanced else "≠"
    balance = f"source {rows.source:,} {sign} target {rows.target:,} + rejected {rows.rejected:,}"
    yield "Balance", f"{balance} + filtered {rows.filtered:,}"
    levels = dict.fromkeys(table.proof.level for table in found.tables if table.proof)
    for number, level in enumerate(levels):
        yield "Proof" if number == 0 else "", f"{level}: {LEVELS[level]}"
    if found.root:
        yield "Digest", found.root
    snapshots = dict.fromkeys(table.proof.snapshot for table in found.tables if table.proof and table.proof.snapshot)
    for number, snapshot in enumerate(list(snapshots)[:3]):
        yield "Snapshot" if number == 0 else "", snapshot
    if found.cpu_seconds:
        yield "Cost", cost(found)


def cost(found: Bill) -> str:
    """What a run took of this machine and of the servers."""
    sides = (("the source", found.source_cpu_seconds), ("the target", found.target_cpu_seconds))
    servers = [f"{clock(seconds)} in {name}" for name, seconds in sides if seconds is not None]
    return f"{size(found.bytes)} read; processor {', '.join([f'{clock(found.cpu_seconds)} here', *servers])}"


def _told(table: TableBill) -> Iterable[RenderableType]:
    """What a person should know of one table besides its line."""
    proof = table.proof
    lines = [("", table.error)] if table.error else []
    if proof:
        lines += [("", reason) for reason in proof.reasons]
        lines += [("differs: ", ", ".join(proof.differing))] if proof.differing else []
        lines += [("not compared: ", ", ".join(proof.not_compared))] if proof.not_compared else []
        narrowed = ", ".join(f"{name} {count:,}" for name, count in proof.narrowed.items())
        lines += [("narrowed: ", narrowed)] if narrowed else []
        lines += [("note: ", note) for note in proof.notes]
    lines += [("accepted: ", str(loss)) for loss in table.losses]
    if table.rows.rejected:
        lines.append(("", f"{plural(table.rows.rejected, 'row')} refused by the target; see 'lading rejects'"))
        lines += [("", f"  {count:,} × {reason}") for reason, count in table.reasons]
    if table.slices_kept:
        lines.append(("", f"{plural(table.slices_kept, 'slice')} kept from the interrupted run"))
    yield from named(table.table, lines, COLOURS[table.state] if table.state != State.PROVED else "")


def _warned(task: Task) -> Iterable[RenderableType]:
    lines = [("", task.problem), ("→ ", task.fix)] if task.problem else []
    lines += [("accepted: ", _loss(loss)) for loss in task.accepted]
    lines += [("loses: ", _loss(loss)) for loss in task.losses if loss not in task.accepted]
    lines += _found(task.findings)
    lines += [("canary: ", line) for line in _came(task)]
    lines += [("note: ", note) for note in task.notes]
    yield from named(task.name, [line for line in lines if line[1]], "red" if task.problem else "")


def _loss(loss: Loss) -> str:
    arrow = f" ({loss.source} → {loss.target})" if loss.target and loss.target not in loss.what else ""
    seen = f"; {loss.seen}" if loss.seen else ""
    return f"{loss.column}: {loss.kind}: {loss.what}{arrow}{seen}"


def _came(task: Task) -> Iterable[str]:
    """How a canary came through: what is whole in one line."""
    for at in dict.fromkeys(each.at for each in task.arrivals):
        here = [each for each in task.arrivals if each.at == at]
        whole = sum(each.outcome == "whole" for each in here)
        yield from ([f"{at}: {plural(whole, 'column')} whole"] if whole else [])
        for each in here:
            if each.outcome != "whole":
                name = f"{each.column}: " if each.column else ""
                yield f"{at}: {name}{each.outcome}: {each.what}"


def _found(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """What columns meet on their way, and the fix; columns that meet the same in one line."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for each in findings:
        level: str = "accepted" if each.accepted else each.level
        how, fix = f"; {each.how}" if each.how else "", "" if each.accepted else each.fix
        lines.setdefault((level, each.kind, each.what + how, fix), []).append(each.column)
    told = []
    for (level, kind, what, fix), columns in lines.items():
        name = ": ".join(word for word in (", ".join(filter(None, columns)), kind if kind != "unknown" else "") if word)
        told += [(f"{level}: ", f"{name}: {what}" if name else what), ("→ ", fix)]
    return told


def named(name: str, lines: Sequence[tuple[str, str]], style: str) -> Iterable[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    if any(line for _, line in lines):
        yield Text(name, style=f"bold {style}".strip())
        for label, line in lines:
            yield Padding(Text.assemble((label, "dim"), line), (0, 0, 0, 2))


def _plan_grid(found: Plan, width: int) -> Grid:
    lines = []
    for task in found.tasks:
        mark = words("✗ stopped", "red") if task.problem else words("ready")
        rows = "" if task.source.rows is None else f"~{task.source.rows:,}"
        losses = words(f"{len(task.losses)}, {len(task.accepted)} accepted" if task.losses else "–")
        mode = f"{task.mode}, since {task.since}" if task.since else str(task.mode)
        made = "" if not task.fresh or task.problem else ", new"
        lines.append((mark, _route(task.name, task.into), f"{mode}{made}", rows, ", ".join(task.key) or "–", losses))
    return _filled(["", "Table", "Mode", ">Rows", "Key", "Losses"], lines, width)


def _filled(names: Sequence[str], rows: Sequence[Sequence[Any]], width: int) -> Grid:
    """A grid of those columns in which anything stands."""
    used = [place for place, cells in enumerate(zip(*rows, strict=True)) if any(map(str, cells))]
    lines = grid([names[place] for place in used], width)
    for row in rows:
        lines.add_row(*(row[place] for place in used))
    return lines


def grid(names: Sequence[str], width: int) -> Grid:
    """A quiet table; a name that begins with > is of a column of numbers."""
    from lading.terminal import Grid

    lines = Grid()
    for name in names:
        side: Any = "right" if name.startswith(">") else "left"
        title = name.removeprefix(">")
        lines.add_column(title, justify=side, no_wrap=name not in FOLDS, overflow="fold", min_width=len(title))
    return lines


def _state(state: State) -> Text:
    return words(f"{MARKS[state]} {state}", COLOURS[state])


def _route(source: str, into: str) -> Text:
    return words(source if source == into else f"{source} → {into}")


def words(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(text, style=style)


def _pair(name: str, value: str) -> RenderableType:
    from rich.table import Table as Grid

    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=8, style="dim")
    grid.add_column(overflow="fold")
    grid.add_row(name, words(value))
    return grid
