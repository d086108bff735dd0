"""The same copy of ever more rows: `python -m bench.scaling [--scale 10] [--write docs/reference]`.

Time for a row and memory must not grow with the table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import psycopg
from platformdirs import user_cache_path
from rich.console import Console
from rich.table import Table

from bench import movers, page
from bench.cases import cleaner
from bench.peers import environments
from bench.places import KEY, placed
from bench.watching import watched

SIZES = (10_000, 100_000, 1_000_000, 6_000_000)
"""Rows; then all that there are."""
TARGETS = {"Parquet": "parquet:///{folder}/out", "DuckDB": "duckdb:///{folder}/out/out.duckdb", "PostgreSQL": "{other}"}
WIDTH, HEIGHT, EDGE = 640, 360, 56
COLOURS = {"Parquet": "#2a6f97", "DuckDB": "#c77d0a", "PostgreSQL": "#5a8f3c"}


class Point(NamedTuple):
    target: str
    rows: int
    seconds: float
    peak_mb: int


def main() -> int:
    options = argparse.ArgumentParser(prog="bench.scaling", description=__doc__)
    options.add_argument("--scale", type=float, default=10, help="TPC-H scale factor (default 10)")
    options.add_argument("--venvs", type=Path, help="where environments are kept (default: the user's cache)")
    options.add_argument("--write", type=Path, help="also write scaling.md and scaling.svg to this folder")
    given = options.parse_args()
    cache = given.venvs or user_cache_path("lading") / "peers"
    made, absent = environments(cache, {"Lading": movers.PINNED["Lading"]})
    points: list[Point] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lading-bench-")))
        folder.chmod(0o755)
        rivals = movers.prepared(made, absent, cache, folder)
        place, servers = placed(stack, folder, given.scale, {"i"})
        about = [page.machine(), *page.versions(place)]
        for rows in (*(size for size in SIZES if size < place.rows), place.rows):
            if rows < place.rows:
                part(place.postgres, rows)
            for target, address in TARGETS.items():
                cleaner(place, "DROP TABLE IF EXISTS part, lineitem")()
                name = "part" if rows < place.rows else "lineitem"
                url = address.format(folder=folder, other=place.other)
                command = movers.lading(rivals, place.postgres, url, "--tables", name)
                ended = watched(command, rivals.surroundings, servers, 3600)
                if movers.proved(ended.out) != rows:
                    raise SystemExit(f"{rows:,} rows to {target}: {ended.err or ended.out}")
                points.append(Point(target, rows, ended.seconds, ended.peak_mb))
                print(", ".join(cells(points[-1])), file=sys.stderr, flush=True)
    show(points)
    if given.write:
        (given.write / "scaling.svg").write_text(drawn(points), encoding="utf-8")
        (given.write / "scaling.md").write_text(written(points, about), encoding="utf-8")
    return 0


def part(url: str, rows: int) -> None:
    """The first rows of lineitem as a table of their own."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(b"DROP TABLE IF EXISTS part")
        connection.execute(b"CREATE TABLE part (LIKE lineitem)")
        connection.execute(f"INSERT INTO part SELECT * FROM lineitem LIMIT {rows}".encode())
        connection.execute(f"ALTER TABLE part ADD PRIMARY KEY ({KEY})".encode())
        connection.execute(b"VACUUM (FREEZE, ANALYZE) part")
        connection.execute(b"CHECKPOINT")


def cells(point: Point) -> tuple[str, ...]:
    each = point.seconds / point.rows * 1e6
    return f"{point.rows:,}", point.target, f"{point.seconds:.2f}", f"{each:.2f}", f"{point.peak_mb:,}"


def show(points: list[Point]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("rows", "to", "seconds", "µs a row", "peak MiB"):
        table.add_column(heading, justify="left" if heading == "to" else "right")
    for point in points:
        table.add_row(*cells(point))
    Console(width=100).print(table)


HEAD = """# Scaling

Written by `python -m bench.scaling`: lineitem of TPC-H out of PostgreSQL, proved, from the start of the process to its
end. Up to a hundred thousand rows the start is most of it. One run a size.

{about}
![Seconds against rows, both axes logarithmic](scaling.svg)

| rows | to | seconds | µs a row | peak MiB |
|---:|---|---:|---:|---:|
"""


def written(points: list[Point], about: list[str]) -> str:
    lines = "".join(f"| {' | '.join(cells(point))} |\n" for point in points)
    made = "".join(f"- {line}\n" for line in about)
    growth = "; ".join(grown(target, points) for target in TARGETS)
    return f"{HEAD.format(about=made)}{lines}\nThe last ten times as many rows: {growth}.\n"


def grown(target: str, points: list[Point]) -> str:
    """How much more time a row, and how much more memory, the most rows take than the next fewer."""
    before, last = [point for point in points if point.target == target][-2:]
    time = last.seconds / last.rows / (before.seconds / before.rows) - 1
    return f"to {target}, {time:+.0%} of time a row, {last.peak_mb / before.peak_mb - 1:+.0%} of memory"


def drawn(points: list[Point]) -> str:
    """Seconds against rows, both axes logarithmic."""
    from math import log10

    def x(rows: float) -> float:
        return EDGE + (log10(rows) - 4) / 4 * (WIDTH - 2 * EDGE)

    def y(seconds: float) -> float:
        return HEIGHT - EDGE - (log10(seconds) + 1) / 4 * (HEIGHT - 2 * EDGE)

    view = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {view}>']
    parts.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>')
    words = ("10 thousand", "100 thousand", "1 million", "10 million", "100 million")
    low, left, right = HEIGHT - EDGE, EDGE, WIDTH - EDGE
    for power, word in zip(range(4, 9), words, strict=True):
        at = f"{x(10**power):.0f}"
        parts.append(f'<line x1="{at}" x2="{at}" y1="{EDGE}" y2="{low}" stroke="#e2e2e2"/>')
        parts.append(f'<text x="{at}" y="{low + 18}" text-anchor="middle" fill="#444">{word}</text>')
    for power in range(-1, 4):
        at = f"{y(10.0**power):.0f}"
        parts.append(f'<line x1="{left}" x2="{right}" y1="{at}" y2="{at}" stroke="#e2e2e2"/>')
        parts.append(f'<text x="{left - 8}" y="{at}" dy="4" text-anchor="end" fill="#444">{10.0**power:g} s</text>')
    for number, (target, colour) in enumerate(COLOURS.items()):
        line = [(x(point.rows), y(point.seconds)) for point in points if point.target == target]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in line]
        parts.append(f'<text x="{EDGE + 12}" y="{EDGE + 18 * number + 4}" fill="{colour}">to {target}</text>')
    parts.append(f'<text x="{WIDTH / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle" fill="#444">rows</text></svg>')
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
