"""The page on comparing: what the torture suite tried on every ordered pair of systems, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

RESULTS = "testing/torture.json"
_SAID = {
    "postgres": "PostgreSQL", "mariadb": "MariaDB", "sqlite": "SQLite", "duckdb": "DuckDB", "parquet": "Parquet",
    "csv": "CSV",
}  # fmt: skip
_HEAD = """# Comparing

`lading diff` and `lading prove` compare each column in a type that both sides have: see [canonical
values](canonical.md). What follows is written from the results of the tests, on real servers whose zones, formats and
modes are set awkwardly. Each row is a table in every system, loaded with the system's own client; copies of it that
must be found equal; and one with planted differences, each of which must be named by its key and column, and nothing
else. All of it is run for each ordered pair of the systems that can hold it, also from a system to itself.
"""
_LEGEND = """
`yes`: as source and as target, to and from every system that can. `source`, `target`: as that only. `-`: the system
cannot hold it; why, stands below. `unread`: such values cannot be read, and the verdict is *inconclusive*, never
*equal*. `WRONG`: a pair where something was missed, or a difference found that is none.

SQL Server, Oracle and other systems that ODBC reaches were not at hand, and are not verified.
"""


def page() -> str:
    """The page, without its mark."""
    found = json.loads((resources.files("lading") / RESULTS).read_text(encoding="utf-8"))
    every = found["scenarios"]
    good, wrong = (sum(s["pairs"].count(m) for s in every for m in marks) for marks in ("o", "fm"))
    planted = sum(s["planted"] * s["pairs"].count("o") for s in every)
    said = f"{len(every)} scenarios, {good + wrong:,} pairs of tables: {good:,} right, {wrong:,} wrong. "
    said += f"{planted:,} planted differences were named."
    names = found["systems"]
    rows = ["| Scenario | Planted | " + " | ".join(_SAID[name] for name in names) + " |"]
    rows.append("| --- " * (len(names) + 2) + "|")
    for each in every:
        cells = [each["title"].replace("|", "\\|"), str(each["planted"]), *_cells(each["pairs"].split())]
        rows.append("| " + " | ".join(cells) + " |")
    lacks = [f"- {each['title']}: {_joined(each['lacks'])}" for each in every if each["lacks"]]
    return "\n".join([_HEAD, said, "", *rows, _LEGEND, "## What systems cannot hold", "", *lacks])


def _cells(pairs: list[str]) -> Iterator[str]:
    """For each system, of its lines as source and its column as target."""
    for place, line in enumerate(pairs):
        column = "".join(row[place] for row in pairs)
        source, target = (any(mark != "-" for mark in marks) for marks in (line, column))
        if any(mark in line + column for mark in "fm"):
            yield "WRONG"
        elif "i" in line + column:
            yield "unread"
        else:
            yield {(True, True): "yes", (True, False): "source", (False, True): "target"}.get((source, target), "-")


def _joined(lacks: dict[str, Any]) -> str:
    """Systems of one reason together."""
    by: dict[str, list[str]] = {}
    for system, why in lacks.items():
        by.setdefault(why, []).append(_SAID[system])
    return "; ".join(f"{', '.join(systems)}: {why}" for why, systems in by.items())
