"""A bill as one self-contained HTML file, and bills and plans as parts of a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partialmethod
from html import escape
from importlib.resources import files
from typing import Any, TypeVar

from lading import render
from lading.compare import Comparison
from lading.plan import Plan
from lading.prove import Bill, State, TableBill
from lading.render import LEVELS, MARKS, clock, cost, others, plural, rate, size, speed

T = TypeVar("T")

_SENTENCES = {
    State.PROVED: "What left is what arrived: independent reads of both sides agree.",
    State.UNPROVED: "The rows are there, and not everything that should be proved could be.",
    State.FAILED: "At least one table or step did not come to its end. Why is said below.",
    State.DONE: "Every step is done; none of them had anything to prove.",
    State.SKIPPED: "",
}


def bill_page(bill: Bill) -> str:
    """The whole file."""
    return whole(f"Bill {bill.run}, {bill.state}", bill_part(bill))


def whole(title: str, shown: str) -> str:
    """A file of its own: no script, no font, no picture and no address from elsewhere."""
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head = f"{meta}<title>{escape(title)}</title>"
    body = f'<body class="lading-page">{shown}</body>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>{body}</html>\n'


def bill_part(bill: Bill) -> str:
    """The bill without the page around it."""
    told = "".join(map(_told, bill.tables))
    tables = _balance(bill) + _facts(bill) + _steps(bill) + _table(bill) if bill.tables else _facts(bill) + _steps(bill)
    return part(_title(bill) + tables + told + _end(bill))


def plan_part(plan: Plan) -> str:
    """A plan as a table."""
    lines = []
    for task in plan.tasks:
        state, word = ("failed", "stopped") if task.problem else ("proved", "ready")
        told = [f"{task.problem} {task.fix}".strip(), *map(str, task.losses), *task.notes]
        told += [f"{each.column} {each.kind}: {each.what}; {each.how} {each.fix}".strip() for each in task.findings]
        rows = "" if task.source.rows is None else f"~{task.source.rows:,}"
        name = route(task.name, task.into)
        cells = f'<td><span class="state {state}">{word}</span></td><th scope="row">{name}</th><td>{task.mode}</td>'
        what = "<br>".join(escape(line) for line in told if line)
        lines.append(f'<tr>{cells}<td class="n">{rows}</td><td class="wrap">{what}</td></tr>')
    names = '<th></th><th>Table</th><th>Mode</th><th class="n">Rows</th><th>Notes</th>'
    line = f"<p class='route'>{escape(plan.source)} <i>→</i> {escape(plan.target)}</p>"
    proof = f"{plan.level}: {LEVELS[plan.level]}"
    body = f"<h1>Plan {escape(plan.pipeline)}</h1>{line}<p class='quiet'>Proof: {escape(proof)}</p>"
    return part(f"<header>{body}</header>{grid(names, lines)}")


def part(body: str) -> str:
    """A piece of a page with its own style."""
    style = files("lading").joinpath("page.css").read_text(encoding="utf-8")
    return f'<style>{style}</style><main class="lading">{body}</main>'


def _title(bill: Bill) -> str:
    name = f"<span>{escape(bill.pipeline)}</span>" if bill.pipeline else ""
    ends = f"{escape(bill.source)} <i>→</i> {escape(bill.target)}" if bill.source else ""
    stamp = f'<p class="stamp {bill.state}"><b>{MARKS[bill.state]}</b> {bill.state}</p>'
    words = f'<p class="quiet">{_SENTENCES[bill.state]}</p>'
    head = f'<p class="kind">Bill {name}</p><h1>{escape(bill.run)}</h1><p class="route">{ends}</p>'
    return f"<header>{stamp}{head}{words}</header>"


def _balance(bill: Bill) -> str:
    rows = bill.rows
    parts = [("source", rows.source), ("target", rows.target), ("rejected", rows.rejected), ("filtered", rows.filtered)]
    cells = [f"<div><dt>{name}</dt><dd>{count:,}</dd></div>" for name, count in parts]
    signs = ("=" if rows.balanced else "≠", "+", "+", "")
    line = "".join(f"{cell}{f'<i>{sign}</i>' if sign else ''}" for cell, sign in zip(cells, signs, strict=True))
    return f'<section><h2>Balance <small>in rows</small></h2><dl class="balance">{line}</dl></section>'


def _facts(bill: Bill) -> str:
    moved, seconds = sum(table.bytes for table in bill.tables), bill.seconds
    facts = [
        *([("Release", f"{bill.release} {bill.release_hash[:12]}")] if bill.release else []),
        ("Started", f"{bill.started:%Y-%m-%d %H:%M:%S} UTC"),
        ("Took", clock(bill.seconds)),
        ("Rows a second", rate(bill.rows.source, seconds)),
        ("Moved", f"{size(moved)}, {speed(moved, seconds)}"),
        ("Peak memory", size(bill.peak_memory) if bill.peak_memory else "not known"),
        ("Cost", cost(bill)),
    ]
    for name, values in (
        ("Proof", dict.fromkeys(f"{t.proof.level}: {LEVELS[t.proof.level]}" for t in bill.tables if t.proof)),
        ("Snapshot", dict.fromkeys(t.proof.snapshot for t in bill.tables if t.proof and t.proof.snapshot)),
    ):
        facts += [(name, "; ".join(list(values)[:3]))] if values else []
    facts += [("Digest", bill.root)] if bill.root else []
    facts += [("Continues", bill.continued)] if bill.continued else []
    return pairs("facts", facts)


def pairs(kind: str, found: Iterable[tuple[str, str]]) -> str:
    """Names with values."""
    lines = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in found)
    return f'<dl class="{kind}">{lines}</dl>'


def _steps(bill: Bill) -> str:
    if len(bill.steps) < 2 and all(step.do == "move" for step in bill.steps):
        return ""
    lines = []
    for step in bill.steps:
        state = f'<td><span class="state {step.state}">{MARKS[step.state]} {step.state}</span></td>'
        said = "; ".join(part for part in (step.error, step.says) if part)
        cells = (
            f'<td>{escape(step.do)}</td><td class="n">{clock(step.seconds)}</td><td class="wrap">{escape(said)}</td>'
        )
        lines.append(f'<tr>{state}<th scope="row">{escape(step.key)}</th>{cells}</tr>')
    head = '<th></th><th>Step</th><th>Do</th><th class="n">Time</th><th>Says</th>'
    return f"<section><h2>Steps</h2>{grid(head, lines)}</section>"


def _table(bill: Bill) -> str:
    names = ("Source", "Target", "Rejected", "Filtered", "Time", "Rows/s", "Bytes/s", "Slices")
    head = "<th></th><th>Table</th>" + "".join(f'<th class="n">{name}</th>' for name in names) + "<th>Proof</th>"
    return f"<section><h2>Tables</h2>{grid(head, map(_line, bill.tables))}</section>"


def grid(head: str, lines: Iterable[str]) -> str:
    """A table that scrolls where it is too wide."""
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead>{''.join(lines)}</table></div>"


def _line(table: TableBill) -> str:
    rows, seconds = table.rows, table.seconds
    parts = [f"{rows.source:,}", f"{rows.target:,}", *(f"{n:,}" if n else "–" for n in (rows.rejected, rows.filtered))]
    parts.append(clock(table.seconds))
    parts += (rate(rows.source, seconds), speed(table.bytes, seconds))
    cells = "".join(f'<td class="n">{part}</td>' for part in (*parts, f"{table.slices:,}"))
    proof = table.proof
    level = f"{proof.level}, {table.mode}" if proof else table.mode
    state = f'<td><span class="state {table.state}">{MARKS[table.state]} {table.state}</span></td>'
    return f'<tr>{state}<th scope="row">{route(table.table, table.into)}</th>{cells}<td>{level}</td></tr>'


def route(source: str, into: str) -> str:
    """A table's name, and the other side's where that is another."""
    return escape(source) if source == into else f"{escape(source)} <i>→ {escape(into)}</i>"


def _told(table: TableBill) -> str:
    """One table's digests, losses and reasons."""
    proof = table.proof
    lines: list[tuple[str, str]] = [("Failed", table.error)] if table.error else []
    if proof:
        lines += [("Not proved", reason) for reason in proof.reasons]
        lines += [("Differs", ", ".join(proof.differing))] if proof.differing else []
        lines += [("Not compared", ", ".join(proof.not_compared))] if proof.not_compared else []
        lines += [("Narrowed", ", ".join(f"{k} {n:,}" for k, n in proof.narrowed.items()))] if proof.narrowed else []
        lines += [("Note", note) for note in proof.notes]
    lines += [("Accepted loss", str(loss)) for loss in table.losses]
    if table.rows.rejected:
        lines.append(("Rejected", f"{plural(table.rows.rejected, 'row')} refused by the target"))
        lines += [("", f"{count:,} × {reason}") for reason, count in table.reasons]
    lines += [("Kept", f"{plural(table.slices_kept, 'slice')} of the interrupted run")] if table.slices_kept else []
    if proof and (proof.source_root or proof.target_root):
        same = proof.source_root == proof.target_root
        lines += [("Digest", f"{proof.target_root} on both sides")] if same else [
            ("Read", proof.source_root), ("Arrived", proof.target_root)
        ]  # fmt: skip
    lines += [("Source", proof.chain)] if proof and proof.chain else []
    if not lines:
        return ""
    rows = differences(table.found) if table.found else ""
    first = f'<h3 class="{table.state}">{escape(table.table)}</h3>'
    return f'<section class="told">{first}{pairs("lines", lines)}{rows}</section>'


def differences(found: Comparison) -> str:
    """The rows that differ, with both values, and how many differences were not kept."""
    if not found.differences and not found.unkept:
        return ""
    lines = []
    for each in found.differences:
        key = ", ".join(f"{name}={_value(value)}" for name, value in each.key.items())
        if each.kind == "changed":
            cells = f"<td>{escape(each.column)}</td><td>{_value(each.left)}</td><td>{_value(each.right)}</td>"
        else:
            cells = f'<td colspan="3"><i>only in the {"source" if each.kind == "only_left" else "target"}</i></td>'
        lines.append(f'<tr><th scope="row">{key}</th>{cells}</tr>')
    rest = f"<p class='quiet'>{others(found.unkept, bool(lines))} not kept</p>" if found.unkept else ""
    head = "<th>Key</th><th>Column</th><th>Source</th><th>Target</th>"
    return f"<div class='differences'>{grid(head, lines) if lines else ''}{rest}</div>"


def _value(text: str | None) -> str:
    """A value of which blanks and line ends can be seen."""
    if text is None:
        return "<i>NULL</i>"
    plain = text.isprintable() and text == text.strip() and text not in ("", "NULL")
    return f"<code>{escape(text if plain else repr(text))}</code>"


def _end(bill: Bill) -> str:
    versions = dict.fromkeys(table.proof.version for table in bill.tables if table.proof)
    digest = f" Digests of version {escape(', '.join(versions))}." if versions else ""
    return f"<footer>Made by Lading {escape(bill.version)} from reads of both sides after the commit.{digest}</footer>"


class Shown(list[T]):
    """Bills or plans, shown one below the other."""

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self))

    def _repr_html_(self) -> str:
        return "".join(each._repr_html_() for each in self)  # type: ignore[attr-defined]


Draw = tuple[type, Callable[..., Any], Callable[..., str]]
"""A model, and how it is shown as text and as a part of a page."""


def attach(*draws: Draw) -> None:
    """From now on bills, plans and what else is given print as people read them, and show as pages in notebooks. (The
    models live in rooms below this one and cannot call it.)"""
    for model, as_text, as_page in ((Bill, render.bill, bill_part), (Plan, render.plan, plan_part), *draws):
        shown = partialmethod(_text, as_text)
        for name, method in (("__str__", shown), ("__repr__", shown), ("_repr_html_", partialmethod(_html, as_page))):
            setattr(model, name, method)


def _text(found: Any, draw: Callable[..., Any]) -> str:
    return render.text(draw, found)


def _html(found: Any, draw: Callable[..., str]) -> str:
    return draw(found)
