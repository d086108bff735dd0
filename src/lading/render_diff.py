"""Diffs and the record as text for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from lading.compare import Comparison
from lading.compare.choosing import READ
from lading.compare.outcome import Diff, Difference, Verdict
from lading.render import clock, grid, named, others, plural, size, words

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from lading.record import TableVerdict
    from lading.repair import Mended, Repair

COLOURS = {Verdict.EQUAL: "green", Verdict.INCONCLUSIVE: "yellow", Verdict.DIFFERENT: "red"}
MARKS = {Verdict.EQUAL: "=", Verdict.INCONCLUSIVE: "?", Verdict.DIFFERENT: "≠"}
SHOWN = 20
"""Differences of a table that are shown; more are kept, and exported."""
_LENGTHS = re.compile(r"string\([^)]*\)(?: and string\([^)]*\))? as string(?:\([^)]*\))?")
_DRY = "Nothing was changed. Do it with --apply."
_KINDS = {"only_left": "only left", "only_right": "only right"}
_STATES = {"proved": "green", "unproved": "yellow", "failed": "red"}


def diff(found: Diff, width: int = 80) -> RenderableType:
    """A diff: a line per table, then what differs, column by column and row by row."""
    from rich.console import Group
    from rich.text import Text

    head = Text.assemble(("Diff", "bold"), f"  {found.id}  ", verdict(found.verdict))
    when = f"{found.started.astimezone():%Y-%m-%d %H:%M} · {clock(found.seconds)} · peak {size(found.peak_memory)}"
    wide = width >= 110
    kinds = [">Only left", ">Only right", ">Changed"] if wide else [">Differing"]
    lines = grid(["", "Table", ">Left", ">Right", *kinds, ">Narrowed", ">Time"], width)
    for table in found.tables:
        counts = [table.only_left, table.only_right, table.changed] if wide else [table.differing]
        rows = [f"{n:,}" if table.counted else "–" for n in (table.rows_left, table.rows_right)]
        cells: list[Any] = [verdict(table.verdict), words(_route(table.left, table.right)), *rows]
        cells += [*map(_count, counts), _count(sum(table.narrowed.values()), "yellow")]
        lines.add_row(*cells, clock(table.seconds))
    told = [line for table in found.tables for line in _told(table)]
    parts: list[RenderableType] = [
        head,
        Text(f"{found.left} ↔ {found.right}"),
        Text(when, style="dim"),
        Text(""),
        lines,
    ]
    if found.alone:
        more = f" and {len(found.alone) - 8:,} more" if len(found.alone) > 8 else ""
        names = f"Only the right side has {', '.join(found.alone[:8])}{more}: not compared."
        parts += [Text(""), Text(names, style="yellow")]
    if found.unrecorded:
        parts += [Text(""), Text(f"Not recorded in 'lading_bills': {found.unrecorded}", style="red")]
    if found.unexported:
        parts += [Text(""), Text(f"Not exported: {found.unexported}", style="red")]
    return Group(*parts, *([Text(""), *told] if told else []))


def repair(found: Repair, width: int = 80) -> RenderableType:
    """A repair: what was done, or would be, and what is left."""
    from rich.console import Group
    from rich.text import Text

    if found.steps:
        return Group(*(part for each in found.steps for part in (repair(each, width), Text(""))))
    word = "Repair" if found.applied else "Repair, not applied"
    parts: list[RenderableType] = [Text.assemble((word, "bold"), f"  of {found.of}  ", verdict(found.verdict))]
    parts += [Text(f"{found.source} → {found.target}"), Text("")]
    if found.problem:
        return Group(*parts, words(found.problem, "red"))
    lines = grid(["", "Table", ">Insert", ">Update", ">Delete", "Problem"], width)
    for each in found.tables:
        state = verdict(each.after.verdict) if each.after else words("")
        counts = (f"{n:,}" if n else "–" for n in (each.inserts, each.updates, each.deletes))
        lines.add_row(state, each.table, *counts, words(each.problem, "red"))
    parts.append(lines)
    parts += [Text(_left_out(each), style="dim") for each in found.tables if each.left_out]
    left = sum(each.after.only_right for each in found.tables if each.after) if found.applied else 0
    if not found.applied:
        todo = any(each.inserts or each.updates or each.deletes for each in found.tables)
        parts += [Text(""), Text(_DRY if todo else "There is nothing to do.", style="dim")]
    elif left and not found.deletes:
        more = f"{plural(left, 'row')} that only the target has {'is' if left == 1 else 'are'} left: add --deletes."
        parts += [Text(""), Text(more, style="dim")]
    return Group(*parts)


def _left_out(each: Mended) -> str:
    """Which columns a repair does not touch."""
    new = "; rows that are inserted have the target's own default there" if each.inserts else ""
    return f"{each.table}: not compared, and left as they are: {', '.join(each.left_out)}{new}."


def trend(found: Sequence[TableVerdict], width: int = 80) -> RenderableType:
    """The record, the newest first, and between which systems; where these are several, they have numbers."""
    from rich.console import Group
    from rich.text import Text

    sides = list(dict.fromkeys((row.source, row.target) for row in found))
    several, wide = len(sides) > 1, width >= 100
    names = ["", "Table", *([">Sides"] if several else []), "Started", ">Rows", ">Differ", ">Narrowed", ">Time"]
    lines = grid([*names, "Run"] if wide else names, width)
    for row in found:
        differing = None if row.changed is None else (row.only_source or 0) + (row.only_target or 0) + row.changed
        style = _STATES.get(row.verdict) or COLOURS.get(Verdict(row.verdict), "")
        began = row.started[:16].replace("T", " ")
        cells: list[Any] = [words(row.verdict, style), words(_route(row.source_table, row.target_table))]
        cells += [str(sides.index((row.source, row.target)) + 1)] if several else []
        cells += [began if wide else began[5:], f"{row.rows_source:,}"]
        cells += ["–" if differing is None else _count(differing), _count(row.narrowed, "yellow"), clock(row.seconds)]
        lines.add_row(*cells, *([row.run] if wide else []))
    told = [f"{f'{n}  ' if several else ''}{left} ↔ {right}" for n, (left, right) in enumerate(sides, 1)]
    return Group(lines, Text(""), *(Text(each, style="dim") for each in told))


def verdict(found: Verdict) -> Text:
    """A verdict with its mark and colour."""
    return words(f"{MARKS[found]} {found}", COLOURS[found])


def _route(left: str, right: str) -> str:
    return left if left == right else f"{left} ↔ {right}"


def _count(number: int, style: str = "red") -> Text:
    return words(f"{number:,}" if number else "–", style if number else "dim")


def _told(table: Comparison) -> Iterable[RenderableType]:
    lines = [("", reason) for reason in table.reasons]
    if table.why not in ("", READ):  # not as any two tables are compared
        lines.append(("way: ", f"{table.way}; {table.why}"))
    if table.only_left or table.only_right:
        sides = ((table.only_left, "left"), (table.only_right, "right"))
        lines.append(("", ", ".join(f"{plural(n, 'row')} only on the {side}" for n, side in sides if n)))
    if table.columns:
        most = sorted(table.columns.items(), key=lambda each: -each[1])
        only = len(most) == 1
        counts = most[0][0] if only else ", ".join(f"{name} {n:,}" for name, n in most)
        lines.append((f"{'only ' if only else ''}differs: ", f"{counts}, in {plural(table.changed, 'row')}"))
    for label, numbers in (("narrowed: ", table.narrowed), ("equal under policy: ", table.policy)):
        if numbers:
            lines.append((label, ", ".join(f"{name} {n:,}" for name, n in numbers.items())))
    if types := unlike(table):
        lines.append(("compared as: ", types))
    if table.states:
        lines.append(("after waiting: ", ", ".join(f"{n:,} {state}" for state, n in table.states.items())))
    if not table.key and table.differing:
        lines.append(("note: ", "no key: compared as a multiset of rows"))
    lines += [_difference(each) for each in table.differences[:SHOWN]]
    lines += [("", rest)] if (rest := _rest(table)) else []
    yield from named(
        _route(table.left, table.right), lines, COLOURS[table.verdict] if table.verdict != Verdict.EQUAL else ""
    )


def unlike(table: Comparison) -> str:
    """Columns of unlike types, and how they are compared; texts of which only the length is another are not told."""
    return "; ".join(f"{name}: {said}" for name, said in table.types.items() if not _LENGTHS.fullmatch(said))


def _rest(table: Comparison) -> str:
    """How many differences are not shown, and where they are; empty where all are shown."""
    kept, lost = max(len(table.differences) - SHOWN, 0), table.unkept
    export = "write all of them with '--export' of diff or prove"
    if not kept:
        return f"{others(lost, bool(table.differences))} not kept: {export}" if lost else ""
    return f"{others(kept)} kept{f', {lost:,} not' if lost else ''}: see --json, or {export}"


def _difference(each: Difference) -> tuple[str, str]:
    key = ", ".join(f"{name}={_value(value)}" for name, value in each.key.items())
    if each.kind != "changed":
        return f"{_KINDS[each.kind]}: ", key
    return f"{key}: ", f"{each.column} {_value(each.left)} → {_value(each.right)}"


def _value(text: str | None) -> str:
    """A value of which blanks and line ends can be seen."""
    if text is None:
        return "NULL"
    plain = text.isprintable() and text == text.strip() and text not in ("", "NULL")
    return text if plain else repr(text)
