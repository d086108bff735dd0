"""Many rows compared in little memory: DuckDB against Parquet, equal and with ten differences."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

MEMORY_MB = 1_024
"""What the process may have at its peak, everything counted."""
SPOOL_MB = 2_048
"""What each side may keep on disk."""
ROW_BYTES = 60
"""What a row of both tables takes on disk at most."""
ROWS = """SELECT id, ((hash(id) % 999_999_999_999)::DECIMAL(18, 0) * 0.0001::DECIMAL(5, 4))::DECIMAL(18, 4) AS amount,
    'client ' || (hash(id + 1) % 100_000)::VARCHAR AS title,
    TIMESTAMP '2020-01-01' + to_microseconds(id * 1_000_003 + (hash(id + 2) % 1_000_000)::BIGINT) AS moment,
    (hash(id + 3) % 100_000)::INTEGER AS number
FROM range(1, {rows} + 1) AS made(id)"""
CHANGES = (
    "UPDATE t SET amount = amount + 0.0001 WHERE id IN ({0}, {1}, {2})",
    "UPDATE t SET title = title || ' ' WHERE id = {3}",
    "UPDATE t SET moment = moment + to_microseconds(1) WHERE id = {4}",
    "UPDATE t SET number = number + 1 WHERE id = {5}",
    "DELETE FROM t WHERE id IN ({6}, {7})",
    "INSERT INTO t SELECT -id, amount, title, moment, number FROM t WHERE id IN ({8}, {9})",
)
GENERATE = "import duckdb, json, sys; c = duckdb.connect(sys.argv[1]); [c.execute(s) for s in json.load(sys.stdin)]"


class Run(NamedTuple):
    """One comparison in a process of its own."""

    said: dict[str, Any]
    exit: int
    seconds: float
    peak_mb: int
    disk_mb: int

    @property
    def table(self) -> dict[str, Any]:
        """What it found in the table."""
        found: dict[str, Any] = self.said["tables"][0]
        return found


def keys(rows: int) -> list[int]:
    """The rows that are changed, spread over the table."""
    return [rows // 11 * n for n in range(1, 11)]


def make(folder: Path, rows: int) -> None:
    """The table in DuckDB, and the same rows in several Parquet files."""
    files = folder / "files/t"
    files.mkdir(parents=True)
    size = max(rows * 20 // 8, 1 << 20)
    statements = [
        "SET enable_progress_bar = false", "SET memory_limit = '2GB'", "SET preserve_insertion_order = false",
        f"SET temp_directory = '{folder}/made'",
        f"CREATE TABLE t AS {ROWS.format(rows=rows)}",
        f"COPY t TO '{files}' (FORMAT parquet, COMPRESSION zstd, FILE_SIZE_BYTES {size}, OVERWRITE_OR_IGNORE)",
    ]  # fmt: skip
    generate(folder, statements)


def change(folder: Path, rows: int) -> None:
    """Ten differences."""
    generate(folder, [each.format(*keys(rows)) for each in CHANGES])


def generate(folder: Path, statements: list[str]) -> None:
    """Runs statements in a process of their own."""
    command = [sys.executable, "-c", GENERATE, str(folder / "t.duckdb")]
    subprocess.run(command, input=json.dumps(statements), text=True, check=True)


def compare(folder: Path, spool_mb: int = SPOOL_MB) -> Run:
    """`lading diff`, watched: its memory, and what it has on disk."""
    spool = folder / "spool"
    spool.mkdir(exist_ok=True)
    surroundings = {**os.environ, "TMPDIR": str(spool), "LADING_STORE": str(folder / "store.db")}
    left, right = f"duckdb:///{folder}/t.duckdb#t", f"parquet:///{folder}/files#t"
    command = [sys.executable, "-m", "lading.cli", "diff", left, right, "--key", "id", "--json", "--quiet"]
    began, peak, disk = time.monotonic(), 0, 0
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen([*command, "--spool-mb", str(spool_mb)], stdout=out, env=surroundings)
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            peak = max(peak, peak_of(status))
            disk = max(disk, used(spool))
            time.sleep(0.05)
    said = json.loads((folder / "out").read_text())
    return Run(said, process.returncode, time.monotonic() - began, peak, disk >> 20)


def peak_of(status: Path) -> int:
    """MiB that a process had at most; none when it has ended."""
    lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) >> 10 if lines else 0


def used(folder: Path) -> int:
    """Bytes of a folder's files, some of which may just be going."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(path) / name).stat().st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def main(rows: int) -> int:
    console = Console(width=110)
    folder = Path(tempfile.mkdtemp(prefix="lading-large-"))
    try:
        free, wanted = shutil.disk_usage(folder).free, rows * ROW_BYTES + (2 * SPOOL_MB << 20)
        if free < wanted:
            raise SystemExit(f"'{folder}' has {free >> 30} GiB free; {wanted >> 30} are wanted. Set TMPDIR.")
        began = time.monotonic()
        make(folder, rows)
        sizes = [used(folder / name) >> 20 for name in ("files", "")]
        console.print(f"\n{rows:,} rows, {sizes[1] - sizes[0]:,} MiB in DuckDB, {sizes[0]:,} MiB in Parquet "
                      f"({time.monotonic() - began:.0f} s to make); load {os.getloadavg()[0]:.1f}")  # fmt: skip
        runs = {"equal": compare(folder)}
        change(folder, rows)
        runs["ten differences"] = compare(folder)
        report(console, runs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    good = runs["equal"].exit == 0 and runs["ten differences"].exit == 1
    good = good and runs["ten differences"].table["changed"] == 6
    return 0 if good and all(run.peak_mb <= MEMORY_MB for run in runs.values()) else 1


def report(console: Console, runs: dict[str, Run]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in (
        "",
        "verdict",
        "changed",
        "only left",
        "only right",
        "seconds",
        "rows/s a side",
        "peak MiB",
        "disk MiB",
    ):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, run in runs.items():
        found = run.table
        counts = [f"{found[each]:,}" for each in ("changed", "only_left", "only_right")]
        rate = f"{found['rows_left'] / run.seconds:,.0f}"
        table.add_row(
            name, found["verdict"], *counts, f"{run.seconds:.1f}", rate, f"{run.peak_mb:,}", f"{run.disk_mb:,}"
        )
    console.print(table)
    most = max(run.peak_mb for run in runs.values())
    console.print(f"Within {MEMORY_MB:,} MiB of memory: {'yes' if most <= MEMORY_MB else 'no'}, {most:,} MiB at most")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
