"""Profiles as text for a terminal, and as lines of cells for other doors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lading.facts import Facts, Profile, suggestions
from lading.render import clock, grid, plural, words

if TYPE_CHECKING:
    from rich.console import RenderableType

WAYS = {"in place": "in place", "read": "rows read", "none": "not profiled"}
_NAMES = ("Column", "Type", ">Nulls", ">Distinct", "Min", "Max", ">Length", ">Bytes", ">Digits", ">Lost")
_WIDE = ("Type", ">Bytes")
"""What only wide terminals and JSON show."""


def profile(found: Profile, width: int = 80) -> RenderableType:
    """One table: a line per column, then what a person should know of single ones."""
    from rich.console import Group
    from rich.padding import Padding

    names, rows = lines(found, () if width >= 110 else _WIDE, 40 if width >= 110 else 22)
    table = grid(names, width)
    for row in rows:
        table.add_row(*map(words, row))
    parts: list[RenderableType] = [_head(found), words(when(found), "dim"), words("")]
    parts += [table] if rows else []
    told = [(f.column, note) for f in found.columns if (note := _note(f, found.rows))]
    parts += [words("")] if told else []
    for column, note in told:
        parts += [Padding(_named(column, note), (0, 0, 0, 2))]
    return Group(*parts)


def suggested(found: Profile, width: int = 80) -> RenderableType:
    """The type that each column could have."""
    from rich.console import Group

    table = grid(["Column", "Type", "Suggested", "Seen"], width)
    for each in suggestions(found):
        better = words("–") if each.type == each.declared else words(str(each.type), "bold")
        table.add_row(words(each.column), words(str(each.declared)), better, words(each.why))
    return Group(_head(found), words(when(found), "dim"), words(""), table)


def lines(found: Profile, without: Sequence[str] = (), room: int = 40) -> tuple[list[str], list[list[str]]]:
    """Names of columns, those of numbers beginning with '>', and a row of cells for each column of the table; only
    what some column has. `room` is how many characters of a value are shown."""
    rows = [_cells(f, found.rows, room) for f in found.columns]
    used = [name for name in _NAMES if name not in without and any(row.get(name) for row in rows)]
    return used, [[row.get(name, "") for name in used] for row in rows]


def when(found: Profile) -> str:
    parts = [f"{found.taken.astimezone():%Y-%m-%d %H:%M}", WAYS.get(found.way, found.way)]
    parts += [clock(found.seconds)] if found.way != "none" else []
    parts += [found.why] if found.why else []
    return " · ".join(parts)


def _head(found: Profile) -> RenderableType:
    from rich.text import Text

    head = Text.assemble(("Profile", "bold"), f"  {found.table}  ")
    return head.append(plural(found.rows, "row") if found.way != "none" else "not profiled")


def _named(column: str, note: str) -> RenderableType:
    from rich.text import Text

    return Text.assemble((f"{column}: ", "dim"), note)


def _cells(f: Facts, rows: int, room: int) -> dict[str, str]:
    digits = "" if f.digits is None else f"{f.digits}.{f.scale}" if f.scale else str(f.digits)
    if f.fraction is not None:
        digits = f".{f.fraction}"
    cells = {
        "Column": f.column, "Type": str(f.type), ">Nulls": _count(f.nulls),
        ">Distinct": "" if f.distinct is None else f"about {f.distinct:,}" if f.about else f"{f.distinct:,}",
        "Min": "masked" if f.masked else _cut(f.min, room), "Max": "masked" if f.masked else _cut(f.max, room),
        ">Length": "" if f.characters is None else f"{f.characters:,}",
        ">Bytes": "" if f.bytes is None else f"{f.bytes:,}", ">Digits": digits,
    }  # fmt: skip
    if f.lost:
        cells[">Lost"] = share(lost, rows) if (lost := sum(f.lost.values())) else "–"
    return cells


def _count(number: int) -> str:
    return f"{number:,}" if number else "–"


def share(part: int, whole: int) -> str:
    """A share in percent that is never rounded to none or to all."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.01:
        return "<0.01%"
    if 99.99 < percent < 100:
        return ">99.99%"
    return f"{percent:.2f}".rstrip("0").rstrip(".") + "%"


def _cut(text: str | None, room: int) -> str:
    if not text:
        return "" if text is None else "empty"
    shown = "".join(c if c.isprintable() else "·" for c in text)
    shown = shown.replace(" ", "␠") if shown != shown.strip() else shown
    return shown if len(shown) <= room else f"{shown[: room - 1]}…"


_SAID = {"json": "JSON", "bool": "true or false", "instant": "timestamps with a zone", "uuid": "UUIDs"}


def _note(f: Facts, rows: int) -> str:
    return "; ".join(_told(f, rows - f.nulls))


def _told(f: Facts, values: int) -> Iterable[str]:
    for name, count in sorted(f.parses.items(), key=lambda pair: -pair[1]):
        if count:
            said = _SAID.get(name, f"{name}s")
            yield f"all {said}" if count == values else f"{share(count, values)} {said}"
    counts = ((f.empty, "empty"), (f.blanks, "with blanks at the end"), (f.nan, "NaN"), (f.infinite, "infinite"))
    yield from (f"{found:,} {what}" for found, what in counts if found)
    for target, lost in f.lost.items():
        if lost:
            yield f"{target} would lose {lost:,} of {plural(values, 'value')}"
    if f.midnight and f.midnight == values:
        yield "no time of day"
