"""What was measured, as a table in the terminal and as the page docs/reference/speed.md."""

from __future__ import annotations

import os
import platform
import re
import shlex
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from rich.console import Console
from rich.table import Table

from bench.movers import PINNED, Rivals
from bench.peers import ROOT
from bench.places import SETTINGS, Place, mariadb_version

if TYPE_CHECKING:
    from bench.__main__ import Measured
    from bench.cases import Case

Found = Sequence[tuple["Case", list["Measured"]]]
FLAG = 2.0
"""A ratio is flagged from so many times its aim on."""
HEAD = """# Speed

Written by `make bench`, which anybody can repeat. Every tool was called as its users call it, in a process of its own,
from its start to its end, with telemetry off. Sling and ingestr are of the last versions that pip brings whole; newer
ones fetch a program from elsewhere when they first run. Lading's figures include its proof; the others prove nothing.
Memory is the most that a tool's processes held. How Lading's were reached, and what keeps it from the rest, is in
[why/speed](../why/speed.md)."""
MOST_MB = 600
"""What the processes of Lading may hold at a time, in MiB."""
SHOWN = 30
"""Signs that the longest bar has."""


def show(found: Found, console: Console) -> None:
    """The cases, one way a line; a ratio twice its aim is flagged."""
    for case, ways in found:
        table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="bold")
        table.title = f"\n{case.letter}. {case.work}" + (f": {case.rows:,} rows" if case.rows else "")
        for heading in ("", "seconds", "x limit", "x Lading", "rows/s", "CPU s", "peak MiB"):
            table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
        ours = next(each for each in ways if each.way.ours)
        for each in ways:
            table.add_row(*cells(case, ways, each, ours)[:-1])
        console.print(table)
        failed = (f"{each.way.name}: {each.wrong}" for each in ways if each.wrong)
        for line in (*failed, *aims(case, ways)):
            console.print(f"  {line}", highlight=False)


def cells(case: Case, ways: list[Measured], each: Measured, ours: Measured) -> list[str]:
    base = next((way.median for way in ways if way.way.limit), None)
    good = not each.wrong
    return [
        each.way.name,
        f"{each.median:.2f}",
        f"{each.median / base:.2f}" if base and good else "",
        f"{each.median / ours.median:.2f}" if good else "",
        f"{case.rows / each.median:,.0f}" if case.rows and good else "",
        f"{statistics.median(each.cpu):.1f}",
        f"{each.peak_mb:,}",
        each.wrong,
    ]


def aims(case: Case, ways: list[Measured]) -> Iterator[str]:
    """What is aimed at, and what came of it."""
    ours = next(each for each in ways if each.way.ours)
    base = next((each.median for each in ways if each.way.limit), None)
    if case.most:
        found = ours.median / base if base else ours.median
        unit = "times the limit" if base else "s"
        word = "reached" if found <= case.most else "FLAGGED" if found > FLAG * case.most else "not reached"
        yield f"{found:.2f} {unit}, aim {case.most:g}: {word}"
    word = "reached" if ours.peak_mb <= MOST_MB else "not reached"
    yield f"{ours.peak_mb:,} MiB, aim {MOST_MB}: {word}"
    others = [each for each in ways if not each.way.ours and not each.way.limit and not each.wrong]
    if case.faster and others:
        first = min(others, key=lambda each: each.median)
        found = first.median / ours.median
        word = "reached" if found >= case.faster else "not reached"
        yield f"{found:.2f} times as fast as {first.way.name}, aim {case.faster:g}: {word}"


def about(place: Place, scale: float, rounds: int, took: tuple[float, float], rivals: Rivals) -> list[str]:
    """Machine, versions, data and manner; `took` is seconds, and the machine's load before."""
    seconds, load = took
    lines = [
        f"{machine()}, shared by servers and tools; load {load:.1f} before it began",
        f"TPC-H, scale {scale:g}: lineitem with {place.rows:,} rows of 16 columns",
        f"medians of {rounds} for Lading and the limits, of up to 3 for others; one for those that take over a minute",
        f"{seconds / 60:.0f} minutes in all",
        *versions(place),
        *(
            f"{name}: {', '.join(pin for pin in pins if '==' in pin)}"
            for name, pins in PINNED.items()
            if name in rivals.made and name != "Lading"
        ),
        *([f"pgloader: {_line(['pgloader', '--version'])}"] if "pgloader" in rivals.made else []),
        *(f"{name} could not be installed: {why}" for name, why in rivals.absent.items()),
    ]
    return lines


def machine() -> str:
    cpu = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())  # fmt: skip
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return f"{os.cpu_count()} cores of {cpu}, {memory} GiB"


def versions(place: Place) -> list[str]:
    """Of Lading, of what it is made with, and of the servers, with their settings."""
    commit = _line(["git", "-C", str(ROOT), "rev-parse", "--short=10", "HEAD"])
    ours = ", ".join(f"{name} {metadata.version(name)}" for name in ("pyarrow", "duckdb", "asyncpg", "numpy"))
    with psycopg.connect(place.postgres) as connection:
        found = connection.execute("SHOW server_version").fetchone()
    servers = [f"PostgreSQL {found[0].partition(' ')[0] if found else ''}"]
    if place.mariadb:
        servers.append(f"MariaDB {mariadb_version(place.mariadb)}")
    settings = ", ".join(f"{name} {value}" for name, value in SETTINGS.items())
    return [
        (
            f"Lading {metadata.version('lading')}, commit {commit or 'unknown'}; "
            f"Python {platform.python_version()}, {ours}"
        ),
        f"{' and '.join(servers)} of {platform.freedesktop_os_release()['PRETTY_NAME']}; PostgreSQL with {settings}",
    ]


def _line(command: list[str]) -> str:
    """The first line that a program prints."""
    return (subprocess.run(command, capture_output=True, text=True).stdout.splitlines() or [""])[0]


def shown(command: Sequence[str]) -> str:
    """A command as anybody can repeat it: without passwords, and without where things are on this machine."""
    text = command[2] if tuple(command[:2]) == ("bash", "-c") else shlex.join(command)
    first, *more = text.split(" && ")
    if len(more) > 2:
        text = f"{first} && ...  # and {len(more)} more like it, one a table"
    text = re.sub(r"//([^:/@\s]+):[^@\s]+@[^/\s]+/", r"//\1@HOST/", text)
    text = re.sub(r"(?:MYSQL_PWD|PGPASSWORD)=\S+ ?", "", re.sub(r"--(?:host|port)=\S+ ", "", text))
    text = re.sub(re.escape(tempfile.gettempdir()) + r"/lading-bench-\w+", "/FOLDER", text)
    return re.sub(r"/\S*/(?:bin/|bench/)([\w.-]+)", r"\1", text)


def _summary(found: Found) -> Iterator[str]:
    """The aims of every case, a line each."""
    yield "| | Lading | Aims |"
    yield "|---|---:|---|"
    for case, ways in found:
        ours = next(each for each in ways if each.way.ours)
        said = "; ".join(aims(case, ways)).replace("FLAGGED", "not reached")
        yield f"| {case.letter}. {case.work} | {ours.median:.2f} s | {said} |"


def written(found: Found, about: list[str]) -> str:
    """The page."""
    parts = [HEAD, "\n".join(_summary(found)), "\n".join(f"- {line}" for line in about)]
    for case, ways in found:
        ours = next(each for each in ways if each.way.ours)
        head = f"\n## {case.letter}. {case.work}" + (f": {case.rows:,} rows" if case.rows else "")
        lines = ["| | seconds | | x limit | rows/s | CPU s | peak MiB | |", "|---|---:|---|---:|---:|---:|---:|---|"]
        most = max(each.median for each in ways)
        for each in ways:
            name, seconds, limit, _, rate, cpu, peak, wrong = cells(case, ways, each, ours)
            bar = "█" * max(1, round(SHOWN * each.median / most))
            name = f"**{name}**" if each.way.ours else name
            lines.append(f"| {name} | {seconds} | `{bar}` | {limit} | {rate} | {cpu} | {peak} | {wrong} |")
        said = "\n".join(f"- {line}" for line in aims(case, ways)).replace("FLAGGED", "not reached")
        commands = "\n".join(f"{each.way.name}:\n  {shown(each.way.command)}" for each in ways)
        parts += [
            head,
            "\n".join(lines),
            said,
            f"<details><summary>Commands</summary>\n\n```\n{commands}\n```\n\n</details>",
        ]
    return "\n\n".join(part for part in parts if part) + "\n"
