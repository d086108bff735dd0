"""What a preflight found, as text for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lading.preflight.beside import Canary, Found, Met
from lading.preflight.report import Finding, Report
from lading.render import named, plural, words

if TYPE_CHECKING:
    from rich.console import RenderableType

_ONE = {
    "connections": "connection", "tables": "table", "queries": "query", "rights": "right", "comparisons": "comparison",
}  # fmt: skip
_COLOURS = {"blocks": "red", "warns": "yellow", "notes": ""}


def preflight(pipeline: str) -> Callable[[Report, int], RenderableType]:
    """Findings by step, the worst first."""

    def draw(found: Report, width: int) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        blocks = len(found.blocks)
        state = words("✗ blocked", "red") if blocks else words("✓ nothing blocks", "green")
        looked = ", ".join(_count(name, count) for name, count in found.counts.items())
        parts: list[RenderableType] = [
            Text.assemble(("Preflight", "bold"), f"  {pipeline}  ", state),
            words(f"{found.taken:%Y-%m-%d %H:%M} UTC · looked at {looked or 'nothing'}", "dim"),
        ]
        for step in dict.fromkeys(each.step for each in found.findings):
            mine = [each for each in found.findings if each.step == step]
            lines = [line for each in mine for line in _lines(each)]
            worst = "" if mine[0].accepted else _COLOURS[mine[0].severity]
            parts += [Text(""), *named(step or pipeline, lines, worst)]
        if names := " ".join(dict.fromkeys(f"--accept {each.name}" for each in found.blocks if not each.final)):
            parts += [Text(""), words(f"To accept what is meant to be so, name it: {names}", "dim")]
        if found.canary:
            parts += [Text(""), *_beside(found.canary)]
        return Group(*parts)

    return draw


_SIGNS = {Found.EQUAL: ("✓", "green"), Found.EXPECTED: ("✓", "yellow"), Found.DIFFERENT: ("✗", "red"),
          Found.UNKNOWN: ("?", "red")}  # fmt: skip


def _beside(found: Canary) -> Iterator[RenderableType]:
    """A candidate beside the live release, table by table."""
    from rich.text import Text

    state = words(f"✗ {found.stopped}", "red") if found.stopped else words("✓ nothing unexpected differs", "green")
    yield Text.assemble(("Canary", "bold"), f"  release {found.number} beside {found.live}  ", state)
    runs = " and ".join(found.runs)
    yield words(f"runs {runs}" if found.shadows else "no step that moves or makes a table differs", "dim")
    for each in found.tables:
        sign, colour = _SIGNS[each.found]
        lines = [(f"{sign} ", f"{each.found.value}{_counts(each)}"), *(("  ", why) for why in each.why)]
        if found.kept:
            mine = [shadow.full_name for shadow in found.shadows if (shadow.at, shadow.table) == (each.at, each.table)]
            lines.append(("  ", f"kept as {' and '.join(mine)}"))
        yield from (Text(""), *named(f"{each.at}: {each.table}", lines, "" if colour == "green" else colour))
    said = [("", f"'{key}' was not carried out: {why}") for key, why in found.left.items()]
    said += [("", f"not carried out, as they are the same: {', '.join(found.same)}")] if found.same else []
    said += [("", note) for note in found.notes]
    yield from (Text(""), *named("Steps", said, "")) if said else ()


def _counts(each: Met) -> str:
    """How many rows are equal or differ, and in which columns."""
    found = each.comparison
    if found is None:
        return ""
    if each.found is Found.EQUAL:
        return f": {plural(found.rows_right, 'row')}"
    parts = [(found.changed, "changed"), (found.only_left, "only in the live one"), (found.only_right, "only here")]
    said = ", ".join(f"{plural(count, 'row')} {word}" for count, word in parts if count)
    columns = f" in {', '.join(each.columns)}" if each.columns else ""
    return f"{columns}{': ' if said else ''}{said}"


def _count(name: str, count: int) -> str:
    return f"1 {_ONE[name]}" if count == 1 else f"{count:,} {name}"


def _lines(found: Finding) -> list[tuple[str, str]]:
    word = "accepted: " if found.accepted else f"{found.severity}: "
    fix = "" if found.accepted else found.fix
    lines = [(word, f"{found.look}: {found.what}"), ("  ", found.evidence), ("→ ", fix)]
    return [line for line in lines if line[1]]
