"""A diff as one self-contained HTML file, and as a part of a notebook."""

from __future__ import annotations

from html import escape

from lading.compare import Comparison
from lading.compare.outcome import Diff, Verdict
from lading.page import Draw, differences, grid, pairs, part, route, whole
from lading.render import clock, size
from lading.render_diff import MARKS, unlike
from lading.render_diff import diff as diff_text

_SENTENCES = {
    Verdict.EQUAL: "Every value that was compared is the same on both sides.",
    Verdict.DIFFERENT: "The two sides do not hold the same. What differs is said below.",
    Verdict.INCONCLUSIVE: "Nothing differs as far as was compared, and not everything was.",
}
_STYLES = {Verdict.EQUAL: "proved", Verdict.DIFFERENT: "failed", Verdict.INCONCLUSIVE: "unproved"}


def diff_page(diff: Diff) -> str:
    """The whole file."""
    return whole(f"Diff {diff.id}, {diff.verdict}", diff_part(diff))


def diff_part(diff: Diff) -> str:
    """The diff without the page around it."""
    style, mark = _STYLES[diff.verdict], MARKS[diff.verdict]
    stamp = f'<p class="stamp {style}"><b>{mark}</b> {diff.verdict}</p>'
    name = f"<span>{escape(diff.pipeline)}</span>" if diff.pipeline else ""
    ends = f"{escape(diff.left)} <i>↔</i> {escape(diff.right)}"
    head = f'<p class="kind">Diff {name}</p><h1>{escape(diff.id)}</h1><p class="route">{ends}</p>'
    words = f'<p class="quiet">{_SENTENCES[diff.verdict]}</p>'
    facts = [("Started", f"{diff.started:%Y-%m-%d %H:%M:%S} UTC"), ("Took", clock(diff.seconds))]
    facts += [("Peak memory", size(diff.peak_memory)), ("Tables", f"{len(diff.tables):,}")]
    facts += [("Not recorded", diff.unrecorded)] if diff.unrecorded else []
    facts += [("Not exported", diff.unexported)] if diff.unexported else []
    names = ("Left", "Right", "Only left", "Only right", "Changed", "Narrowed", "Time")
    columns = "<th></th><th>Table</th>" + "".join(f'<th class="n">{name}</th>' for name in names) + "<th>Way</th>"
    table = f"<section><h2>Tables</h2>{grid(columns, map(_line, diff.tables))}</section>"
    told = "".join(map(_told, sorted(diff.tables, key=lambda table: table.verdict == Verdict.EQUAL)))
    foot = f"<footer>Made by Lading {escape(diff.version)} from reads of both sides.</footer>"
    return part(f"<header>{stamp}{head}{words}</header>{pairs('facts', facts)}{table}{told}{foot}")


def _line(table: Comparison) -> str:
    counts = (table.only_left, table.only_right, table.changed, sum(table.narrowed.values()))
    rows = (f"{n:,}" if table.counted else "–" for n in (table.rows_left, table.rows_right))
    cells = [*rows, *(f"{n:,}" if n else "–" for n in counts)]
    numbers = "".join(f'<td class="n">{cell}</td>' for cell in (*cells, clock(table.seconds)))
    verdict = f'<span class="state {_STYLES[table.verdict]}">{MARKS[table.verdict]} {table.verdict}</span>'
    name = route(table.left, table.right)
    return f'<tr><td>{verdict}</td><th scope="row">{name}</th>{numbers}<td>{table.way}</td></tr>'


def _told(table: Comparison) -> str:
    """One table: why, in which columns, and which rows."""
    lines = [("Why", reason) for reason in table.reasons]
    for label, counts in (("Differs", table.columns), ("Narrowed", table.narrowed), ("By policy", table.policy)):
        if counts:
            lines.append((label, ", ".join(f"{name} {n:,}" for name, n in counts.items())))
    lines += [("Compared as", types)] if (types := unlike(table)) else []
    waited = ", ".join(f"{n:,} {state}" for state, n in table.states.items())
    lines += [("Waited", waited)] if waited else []
    lines += [("Snapshots", f"{table.snapshot_left}; {table.snapshot_right}")] if table.snapshot_left else []
    lines += [("Way", f"{table.way}; {table.why}")] if table.why else []
    for side, cost in (("Left read", table.cost_left), ("Right read", table.cost_right)):
        server = "" if cost.server_cpu_seconds is None else f", {clock(cost.server_cpu_seconds)} of its server's"
        spent = f"{clock(cost.cpu_seconds)} of processor time here{server}"
        lines.append((side, f"{cost.rows:,} rows, {size(cost.bytes)}, {spent}"))
    same = table.root_left == table.root_right
    roots = [("Digest", f"{table.root_left} on both sides")] if same else [
        ("Left", table.root_left), ("Right", table.root_right)
    ]  # fmt: skip
    lines += roots if table.root_left else []
    name = f'<h3 class="{_STYLES[table.verdict]}">{route(table.left, table.right)}</h3>'
    return f'<section class="told">{name}{pairs("lines", lines)}{differences(table)}</section>'


DRAW: Draw = (Diff, diff_text, diff_part)
"""How a diff is shown."""
