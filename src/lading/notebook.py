"""Notebooks of steps: a percent script and an .ipynb of the same cells, and the step's own text out of either."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from lading.errors import SpecError

STEP = "step"
"""The tag of the cell that holds the step's own text."""
_CELL = re.compile(r"^# %%(.*)$", re.MULTILINE)


class Cell(NamedTuple):
    """A cell of code, or of text where `markdown` says so."""

    text: str
    markdown: bool = False
    tag: str = ""


def script(cells: list[Cell]) -> str:
    """The cells as a percent script, which Jupyter (with jupytext), VS Code and Python take."""
    parts = []
    for cell in cells:
        if cell.tag and _CELL.search(cell.text):
            raise SpecError("The step has a line that begins with '# %%', which begins a cell.", "Write it otherwise.")
        head = "# %% [markdown]" if cell.markdown else f'# %% tags=["{cell.tag}"]' if cell.tag else "# %%"
        lines = [f"# {line}".rstrip() for line in cell.text.splitlines()] if cell.markdown else [cell.text]
        parts.append("\n".join([head, *lines]))
    return "\n\n".join(parts) + "\n"


def notebook(cells: list[Cell]) -> str:
    """The cells as an .ipynb, without outputs."""
    made: list[dict[str, Any]] = []
    for number, cell in enumerate(cells):
        each: dict[str, Any] = {
            "id": f"cell-{number}", "cell_type": "markdown" if cell.markdown else "code",
            "metadata": {"tags": [cell.tag]} if cell.tag else {}, "source": cell.text.splitlines(keepends=True),
        }  # fmt: skip
        made.append(each if cell.markdown else {**each, "execution_count": None, "outputs": []})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def step_cell(path: Path) -> str:
    """The text of the cell that holds the step. Raises SpecError where there is none."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        found = ["".join(c["source"]) for c in cells if STEP in c.get("metadata", {}).get("tags", ())]
    else:
        heads = list(_CELL.finditer(text))
        ends = [head.start() for head in heads[1:]] + [len(text)]
        tagged = [(h, end) for h, end in zip(heads, ends, strict=True) if f'"{STEP}"' in h[1]]
        found = [text[head.end() : end].strip("\n") for head, end in tagged]
    if len(found) != 1:
        what = f"'{path.name}' has {len(found)} cells with the tag '{STEP}'."
        raise SpecError(what, "Open the step again, and leave the tag where it is.")
    return found[0]


def sql_cell(sql: str) -> str:
    """The cell of a select: `sql` is its text as it stands, wherever Python can write it so."""
    body = f'r"""\n{sql.strip()}\n"""'
    try:
        plain = ast.literal_eval(body) == f"\n{sql.strip()}\n"
    except (SyntaxError, ValueError):
        plain = False
    return f"sql = {body if plain else repr(sql.strip())}"


def sql_of(cell: str, name: str) -> str:
    """The select of a cell. Raises SpecError where it is not a text any more."""
    try:
        tree = ast.parse(cell)
        values = [node.value for node in tree.body if isinstance(node, ast.Assign)]
        text = ast.literal_eval(values[0]) if len(values) == 1 else None
    except (SyntaxError, ValueError):
        text = None
    if not isinstance(text, str):
        raise SpecError(
            f"The cell of the step in '{name}' is not 'sql = ' and a text.", "Write the select as one text."
        )
    return text.strip()
