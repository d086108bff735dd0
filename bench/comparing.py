"""Comparing two tables that differ in ten places, beside other tools: `python -m bench.comparing [--quick | --large]`.

Every tool is called as its users call it, in a process and an environment of its own; its memory is that process's
peak. Seconds are medians, from the start of the process to its end; the processor's are those of the servers, too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from platformdirs import user_cache_path
from rich.console import Console
from rich.table import Table

from bench import large
from bench.peers import PINNED, Found, Tool, environments, kind, surroundings, tools
from bench.planted import Places, Planted, fill, planted
from bench.watching import watched
from tests.servers import MariaDB, Postgres

LONG = 60.0
"""Seconds from which on a case is not repeated."""
POSTGRES = {"shared_buffers": "1GB", "max_wal_size": "4GB", "jit": "off"}
MARIADB = {"innodb-buffer-pool-size": "1G"}
LIMITS = {"Lading co-located": 400, "Lading in place": 150}
"""MiB of the client's memory that are aimed at."""
ENGINE = """
import sys

def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) // 1024

before = peak()
import duckdb
settings = {"memory_limit": "160MiB", "threads": 2, "preserve_insertion_order": "false"}
database = duckdb.connect(sys.argv[1], read_only=True, config=settings)
database.sql("SET enable_progress_bar = false")
database.sql(
    "SELECT ('0x' || k[1:15])::BIGINT % 4096, count(*), sum(('0x' || h[1:15])::BIGINT), sum(('0x' || h[18:32])::BIGINT)"
    " FROM (SELECT md5(id::VARCHAR) AS k, md5(t::VARCHAR) AS h FROM b AS t) GROUP BY 1"
).fetchall()
print(peak() - before)
"""
"""The scan that hashes b, by DuckDB without Lading: prints the MiB that a process has more after it. An engine in the
process is no client, but its memory is in the process's peak."""
# DVT sets the session's zone by its name, for which MariaDB must know zones by name.
UTC = (
    "INSERT INTO mysql.time_zone (time_zone_id, use_leap_seconds) VALUES (1, 'N')",
    "INSERT INTO mysql.time_zone_name VALUES ('UTC', 1)",
    "INSERT INTO mysql.time_zone_transition_type VALUES (1, 0, 0, 0, 'UTC')",
)


class Pair(NamedTuple):
    """Two tables, as addresses."""

    left: str
    right: str

    @property
    def name(self) -> str:
        return f"{kind(self.left)} to {kind(self.right)}"


@dataclass
class Measured:
    """One tool on one pair."""

    tool: Tool
    pair: Pair
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mb: int = 0
    load: float = 0.0
    exit: int | None = None
    found: Found = Found({})  # noqa: RUF009 - it is never changed

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def hits(self, wanted: list[Planted]) -> tuple[list[Planted], int, int]:
        """What was missed; how many were found with the column; and rows or values found that do not differ."""
        rows = self.found.rows
        missed = [each for each in wanted if each.key not in rows]
        named = sum(1 for each in wanted if rows.get(each.key, set()) in ({each.column}, {"any"}))
        false = len(rows.keys() - {each.key for each in wanted}) + self.found.more
        return missed, named, false


def main() -> int:
    options = argparse.ArgumentParser(prog="bench.comparing", description=__doc__)
    options.add_argument("--quick", action="store_true", help="100,000 rows, two pairs, one round")
    options.add_argument("--large", action="store_true", help="100 million rows within 1 GiB, without the peers")
    options.add_argument("--rows", type=int, help="rows of a table (default 1,000,000; with --large 100,000,000)")
    options.add_argument("--rounds", type=int, help="how often each case runs (default 3)")
    options.add_argument("--patience", type=float, help="seconds after which a case is ended (default 300, quick 5)")
    options.add_argument("--only", default="", help="only tools and pairs in whose name this is")
    options.add_argument("--venvs", type=Path, help="where environments are kept (default: the user's cache)")
    given = options.parse_args()
    if given.large:
        return large.main(given.rows or 100_000_000)
    rows = given.rows or (100_000 if given.quick else 1_000_000)
    made, absent = environments(given.venvs or user_cache_path("lading") / "peers", PINNED)
    if "Lading" in absent:
        raise SystemExit(f"Lading could not be installed: {absent['Lading']}")
    rounds, patience = given.rounds or (1 if given.quick else 3), given.patience or (5 if given.quick else 300)
    with tempfile.TemporaryDirectory(prefix="lading-bench-") as name, placed(Path(name), rows) as places:
        Path(name).chmod(0o755)
        cases = [
            Measured(tool, pair)
            for pair in pairs(places, given.quick)
            for tool in tools(made, Path(name))
            if tool.command(*pair) and (given.only in pair.name or given.only in tool.name)
        ]
        subprocess.run([made["Lading"] / "python", "-m", "lading.cli", "history"], env=surroundings(Path(name)))
        for case in cases:
            measure(case, places, rounds, patience)
        engine = int(subprocess.check_output([made["Lading"] / "python", "-c", ENGINE, places.duckdb]))
    report(cases, rows, absent, engine)
    return 0


@contextmanager
def placed(folder: Path, rows: int) -> Iterator[Places]:
    """Servers and files with both tables."""
    with ExitStack() as stack:
        postgres, mariadb = Postgres(settings=POSTGRES), MariaDB(settings=MARIADB)
        stack.callback(postgres.close)
        stack.callback(mariadb.close)
        for statement in UTC:
            mariadb.execute(statement)
        addresses = postgres.create_database("bench"), mariadb.create_database("bench")
        places = Places(*addresses, folder / "bench.duckdb", folder / "parquet", (postgres.pid, mariadb.pid))
        fill(places, rows)
        yield places


def pairs(places: Places, quick: bool) -> list[Pair]:
    """PostgreSQL against each system, both ways."""
    postgres = places.postgres
    others = [places.mariadb, f"duckdb:///{places.duckdb}", f"parquet:///{places.parquet}"]
    found = [Pair(f"{postgres}#a", f"{postgres}#b")]
    if quick:
        return [*found, Pair(f"{postgres}#a", f"{others[1]}#b")]
    for other in others:
        found += [Pair(f"{postgres}#a", f"{other}#b"), Pair(f"{other}#a", f"{postgres}#b")]
    return found


def measure(case: Measured, places: Places, rounds: int, patience: float) -> None:
    """Runs one case until it has enough rounds, or has taken long."""
    folder = places.duckdb.parent
    command = case.tool.command(*case.pair)
    assert command
    while len(case.seconds) < rounds and sum(case.seconds) < LONG:
        case.load = max(case.load, os.getloadavg()[0])
        ended = watched(command, surroundings(folder), places.servers, patience)
        case.seconds.append(ended.seconds)
        case.cpu.append(ended.cpu)
        case.peak_mb, case.exit = max(case.peak_mb, ended.peak_mb), ended.exit
        case.found = case.tool.read(ended.out, ended.err)
    print(f"{case.pair.name}: {case.tool.name}: {case.median:.1f} s", file=sys.stderr, flush=True)


def report(cases: list[Measured], rows: int, absent: dict[str, str], engine: int) -> None:
    console, wanted = Console(width=130), planted(rows)
    console.print(f"\nTwo tables of {rows:,} rows and 8 columns that differ in 10 places; {os.cpu_count()} cores")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "seconds", "x Lading", "CPU s", "peak MiB", "found", "with column", "false", "exit", "load"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for pair in dict.fromkeys(case.pair for case in cases):
        some = [case for case in cases if case.pair == pair]
        table.add_row(f"[bold]{pair.name}[/bold]")
        for case in some:
            table.add_row(f"  {case.tool.name}", *cells(case, some[0].median, wanted))
    console.print(table)
    console.print("\nWhat was missed")
    for name in dict.fromkeys(case.tool.name for case in cases):
        console.print(f"  [bold]{name}[/bold]: {verdict([c for c in cases if c.tool.name == name], wanted)}")
    for name in PINNED:
        if name in absent:
            console.print(f"  [bold]{name}[/bold]: not installed: {absent[name]}", markup=True)
    console.print("\nWhat is aimed at")
    for line in [*aims(cases, wanted), *memory(cases, engine)]:
        console.print(f"  {line}")


def cells(case: Measured, base: float, wanted: list[Planted]) -> tuple[str, ...]:
    if case.found.other:
        return "", "", "", "", "not possible"
    missed, named, false = case.hits(wanted)
    ended = case.exit is None
    seconds = f"{'over ' if ended else ''}{case.median:.2f}"
    cpu, peak = f"{statistics.median(case.cpu):.1f}", f"{case.peak_mb:,}"
    exit_ = "ended" if ended else str(case.exit)
    found = "failed" if case.found.why and not case.found.rows else str(10 - len(missed))
    return seconds, f"{case.median / base:.1f}", cpu, peak, found, str(named), f"{false:,}", exit_, f"{case.load:.1f}"


def verdict(cases: list[Measured], wanted: list[Planted]) -> str:
    """What one tool missed, over all pairs."""
    lines: dict[str, list[str]] = {}
    for case in cases:
        lines.setdefault("; ".join(said(case, wanted)) or "nothing", []).append(case.pair.name)
    if len(lines) == 1:
        return next(iter(lines))
    return "".join(f"\n    {', '.join(names)}: {text}" for text, names in lines.items())


def said(case: Measured, wanted: list[Planted]) -> Iterator[str]:
    """What is to be said of one case."""
    if case.found.other:
        yield f"not possible: {case.found.why}"
        return
    missed, named, false = case.hits(wanted)
    if case.exit is None:
        yield f"ended after {case.median:.0f} s"
    if case.found.why:
        yield case.found.why[:160]
    if missed:
        yield "misses all" if len(missed) == 10 else f"misses {', '.join(dict.fromkeys(m.said for m in missed))}"
    if false:
        yield f"{false:,} false differences"
    if named < 10 - len(missed):
        yield f"names the column of {named} of {10 - len(missed)}"
    if case.exit == 0:
        yield "exit code 0"


def aims(cases: list[Measured], wanted: list[Planted]) -> Iterator[str]:
    """What Lading is meant to be, and whether it was."""
    ours = [case for case in cases if case.tool.name.startswith("Lading") and not case.found.other]
    right = [case for case in cases if case.hits(wanted) == ([], 10, 0)]
    good = all(case in right and case.exit == 1 for case in ours)
    yield f"all ten with their columns, nothing else, exit code 1, by Lading: {'yes' if good and ours else 'no'}"
    for pair in dict.fromkeys(case.pair for case in cases):
        some = sorted((case for case in right if case.pair == pair), key=lambda case: case.median)
        who = ", ".join(f"{case.tool.name} {case.median:.2f} s" for case in some)
        yield f"{pair.name}: all right, the fastest first: {who or 'none'}"


def memory(cases: list[Measured], engine: int) -> Iterator[str]:
    """Whether Lading's memory is what is aimed at, for every pair."""
    for name, limit in LIMITS.items():
        found = [case for case in cases if case.tool.name == name and not case.found.other]
        if not found:
            continue
        most = max(found, key=lambda case: case.peak_mb)
        inside = "in place" in name and "DuckDB" in most.pair.name
        said = f", of which DuckDB alone takes {engine} for its scan" if inside else ""
        yield f"{name} within {limit} MiB: {'yes' if most.peak_mb <= limit else 'no'}, {most.peak_mb} MiB at most{said}"


if __name__ == "__main__":
    sys.exit(main())
