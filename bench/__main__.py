"""TPC-H lineitem out of a real PostgreSQL, proved, beside one COPY stream: `python -m bench [--quick]`.

Every copy runs in a process of its own, so that its peak memory is its own; ratios are of medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.servers import Postgres

DDL = """CREATE TABLE lineitem (
    l_orderkey bigint NOT NULL, l_partkey integer NOT NULL, l_suppkey integer NOT NULL, l_linenumber integer NOT NULL,
    l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL, l_discount numeric(15,2) NOT NULL,
    l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL,
    l_shipdate date NOT NULL, l_commitdate date NOT NULL, l_receiptdate date NOT NULL, l_shipinstruct char(25) NOT NULL,
    l_shipmode char(10) NOT NULL, l_comment varchar(44) NOT NULL)"""
SETTINGS = {"shared_buffers": "2GB", "max_wal_size": "8GB", "jit": "off", "checkpoint_timeout": "30min"}


@dataclass
class Measured:
    """One way, measured a few times."""

    name: str
    rows: int
    seconds: list[float]
    peak_mb: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def main() -> int:
    options = argparse.ArgumentParser(prog="bench", description=__doc__)
    options.add_argument("--quick", action="store_true", help="scale 0.1 and one round")
    options.add_argument("--scale", type=float, help="TPC-H scale factor (default 1)")
    options.add_argument("--rounds", type=int, help="how often each way runs (default 3)")
    options.add_argument("--copy", nargs=4, metavar=("SOURCE", "TARGET", "PROOF", "STORE"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.copy:
        return copy(*given.copy)
    scale = given.scale or (0.1 if given.quick else 1.0)
    rounds = given.rounds or (1 if given.quick else 3)
    folder = Path(tempfile.mkdtemp(prefix="lading-bench-"))
    folder.chmod(0o755)
    server = Postgres(settings=SETTINGS, fsync=True)
    try:
        report(*measure(server, folder, scale, rounds), scale)
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def measure(server: Postgres, folder: Path, scale: float, rounds: int) -> tuple[list[Measured], list[Measured]]:
    """Limits and ways, in one run."""
    url = server.create_database("bench")
    rows = load(url, folder, scale)
    psql = ["psql", "--no-psqlrc", "--quiet", "--dbname", url, "--command"]
    limits = [Measured(name, rows, []) for name in ("one COPY stream, binary, read by cat", "the same written by COPY")]
    binary = folder / "lineitem.bin"
    ways = [
        Measured(f"to {target}, {'proved' if proof == 'rows' else 'counted only'}", rows, [])
        for target in ("Parquet", "DuckDB")
        for proof in ("rows", "counts")
    ]
    for number in range(rounds):
        limits[0].seconds.append(clocked([*psql, "COPY lineitem TO STDOUT (FORMAT binary)"], "cat > /dev/null"))
        if number == 0:
            clocked([*psql, "COPY lineitem TO STDOUT (FORMAT binary)"], f"cat > {binary}")
        subprocess.run([*psql, "DROP TABLE IF EXISTS again; CREATE TABLE again (LIKE lineitem)"], check=True)
        began = time.monotonic()
        with binary.open("rb") as stream:
            subprocess.run([*psql, "COPY again FROM STDIN (FORMAT binary)"], stdin=stream, check=True)
        limits[1].seconds.append(time.monotonic() - began)
        subprocess.run([*psql, "DROP TABLE again; CHECKPOINT"], check=True)
        for way in ways:
            target = f"parquet:///{folder}/out" if "Parquet" in way.name else f"duckdb:///{folder}/out.duckdb"
            run(way, url, target, "rows" if "proved" in way.name else "counts", folder)
    return limits, ways


def load(url: str, folder: Path, scale: float) -> int:
    """Generates lineitem and loads it; returns its rows."""
    generator = str(Path(sys.executable).parent / "tpchgen-cli")
    subprocess.run([generator, "csv", "-s", str(scale), "--tables=lineitem", f"--output-dir={folder}"], check=True)
    copied = f"\\copy lineitem FROM '{folder}/lineitem.csv' (FORMAT csv, HEADER true)"
    for statement in (DDL, copied, "VACUUM (FREEZE, ANALYZE) lineitem", "CHECKPOINT"):
        subprocess.run(["psql", "--no-psqlrc", "--quiet", "--dbname", url, "--command", statement], check=True)
    (folder / "lineitem.csv").unlink()
    counted = ["psql", "--no-psqlrc", "--dbname", url, "--tuples-only", "--command", "SELECT count(*) FROM lineitem"]
    return int(subprocess.run(counted, check=True, capture_output=True, text=True).stdout)


def clocked(command: list[str], reader: str) -> float:
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        subprocess.run(["sh", "-c", reader], stdin=process.stdout, check=True)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return time.monotonic() - began


def run(way: Measured, source: str, target: str, proof: str, folder: Path) -> None:
    """One copy in a process of its own, from a clean target."""
    for old in (folder / "out", folder / "out.duckdb", folder / "store.db"):
        shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
    command = [sys.executable, "-m", "bench", "--copy", source, target, proof, str(folder / "store.db")]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if said["state"] != "proved" or said["rows"] != way.rows:
        raise SystemExit(f"{way.name}: {said}")
    way.seconds.append(said["seconds"])
    way.peak_mb = max(way.peak_mb, said["peak_mb"])


def copy(source: str, target: str, proof: str, store: str) -> int:
    """The child: one copy, its time and its peak memory."""
    os.environ["LADING_STORE"] = store
    began = time.monotonic()
    from lading import actions
    from lading.spec import Move

    bill = actions.copy(Move(source=source, target=target, tables="lineitem", proof=proof))
    seconds = time.monotonic() - began
    said = {"state": bill.state, "rows": bill.rows.target, "seconds": seconds, "peak_mb": bill.peak_memory >> 20}
    print(json.dumps({**said, "errors": [table.error for table in bill.tables]}))
    return 0


def report(limits: list[Measured], ways: list[Measured], scale: float) -> None:
    console = Console(width=110)
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    console.print(f"\nTPC-H lineitem, scale {scale:g}: {ways[0].rows:,} rows, {machine}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "seconds", "rows/s", "proved rows/s", "x limit", "peak MiB"):
        table.add_column(heading, justify="left" if not heading else "right")
    base = limits[0].median
    for way in [*limits, *ways]:
        rate = f"{way.rows / way.median:,.0f}"
        proved = rate if "proved" in way.name else ""
        peak = f"{way.peak_mb:,}" if way.peak_mb else ""
        table.add_row(way.name, f"{way.median:.2f}", rate, proved, f"{way.median / base:.2f}", peak)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
