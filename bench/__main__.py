"""Copying, proved, beside the physical limit and other movers: `python -m bench [--quick] [--only a,b] [--write]`.

Everything is called as its users call it, in a process of its own, from its start to its end. Seconds are medians;
memory is the most that the process and its children held.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
from platformdirs import user_cache_path
from rich.console import Console

from bench import movers, page
from bench.cases import KEY, Case, Place, Way, cases
from bench.peers import environments
from bench.watching import watched
from tests.journeys import wide
from tests.servers import MariaDB, Postgres

COLUMNS = """l_orderkey bigint NOT NULL, l_partkey integer NOT NULL, l_suppkey integer NOT NULL,
    l_linenumber integer NOT NULL, l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL,
    l_discount numeric(15,2) NOT NULL, l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL,
    l_linestatus char(1) NOT NULL, l_shipdate date NOT NULL, l_commitdate date NOT NULL, l_receiptdate date NOT NULL,
    l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL, l_comment varchar(44) NOT NULL"""
SETTINGS = {"shared_buffers": "2GB", "max_wal_size": "8GB", "jit": "off", "checkpoint_timeout": "30min"}
FILES, FILES_SCALE = 200, 2.7
ROUNDS, OTHERS, LONG = 5, 3, 60.0
"""How often Lading and limits run, how often others do, and seconds from which on one of these is not repeated."""


@dataclass
class Measured:
    """One way, measured a few times; `wrong` says what it did not do."""

    way: Way
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mb: int = 0
    wrong: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def main() -> int:
    options = argparse.ArgumentParser(prog="bench", description=__doc__)
    options.add_argument("--quick", action="store_true", help="scale 0.1, one round, without other movers")
    options.add_argument("--scale", type=float, help="TPC-H scale factor (default 1)")
    options.add_argument("--rounds", type=int, help=f"how often Lading and the limits run (default {ROUNDS})")
    options.add_argument("--patience", type=float, default=240, help="seconds after which a run is ended (default 240)")
    options.add_argument("--alone", action="store_true", help="without other movers")
    options.add_argument("--only", default="", help="only cases with these letters: a,b")
    options.add_argument("--venvs", type=Path, help="where environments are kept (default: the user's cache)")
    options.add_argument("--write", type=Path, help="also write the page to this file")
    given = options.parse_args()
    scale, rounds = given.scale or (0.1 if given.quick else 1.0), given.rounds or (1 if given.quick else ROUNDS)
    cache = given.venvs or user_cache_path("lading") / "peers"
    alone = given.alone or given.quick
    made, absent = ({"Lading": Path(sys.executable).parent}, {}) if alone else environments(cache, movers.PINNED)
    if "Lading" in absent:
        raise SystemExit(f"Lading could not be installed: {absent['Lading']}")
    began, load = time.monotonic(), os.getloadavg()[0]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lading-bench-")))
        folder.chmod(0o755)
        rivals = movers.prepared(made, absent, cache, folder)
        wanted = set(given.only.split(",")) - {""} or set("abcdefgh")
        if why := MariaDB.absent():
            print(f"d is left out: {why}", file=sys.stderr)
            wanted -= {"d", "d1", "d2"}
        place, servers = placed(stack, folder, scale, wanted)
        found = []
        for case in cases(place, rivals, wanted):
            if case.letter in wanted or case.letter[0] in wanted:
                how = (rivals, servers, rounds, 120 if given.quick else given.patience)
                found.append((case, [measured(case, way, how) for way in case.ways]))
                page.show(found[-1:], Console(width=120, stderr=True))
    about = page.about(place, scale, rounds, time.monotonic() - began, load, dict(rivals.absent))
    page.show(found, Console(width=120))
    if given.write:
        given.write.write_text(page.written(found, about), encoding="utf-8")
    return 0


def placed(stack: ExitStack, folder: Path, scale: float, wanted: set[str]) -> tuple[Place, list[int]]:
    """Servers with the data that the cases need."""
    letters = {each[0] for each in wanted}
    postgres = Postgres(settings=SETTINGS, fsync=True)
    stack.callback(postgres.close)
    url, other = postgres.create_database("bench"), postgres.create_database("other")
    (folder / "out").mkdir()
    generated(folder, scale)
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (f"CREATE TABLE lineitem ({COLUMNS})", "CREATE TABLE nothing (id bigint PRIMARY KEY, t text)"):
            connection.execute(statement.encode())
        psql(url, f"\\copy lineitem FROM '{folder}/lineitem.csv' (FORMAT csv, HEADER true)")
        connection.execute(f"ALTER TABLE lineitem ADD PRIMARY KEY ({KEY})".encode())
        if "g" in letters:
            connection.execute(f"CREATE TABLE moving ({COLUMNS}, changed timestamp(6) NOT NULL)".encode())
            connection.execute(b"INSERT INTO moving SELECT *, TIMESTAMP '2026-01-01' FROM lineitem")
            connection.execute(f"ALTER TABLE moving ADD PRIMARY KEY ({KEY})".encode())
            connection.execute(b"CREATE INDEX ON moving (changed)")
        if "e" in letters:
            connection.execute(b"CREATE SCHEMA wide")
            connection.execute(b"SET search_path = wide")
            for statement in wide.statements(5000).split(";\n"):
                connection.execute(statement.encode())
        connection.execute(b"VACUUM (FREEZE, ANALYZE)")
        connection.execute(b"CHECKPOINT")
        rows = connection.execute(b"SELECT count(*) FROM public.lineitem").fetchone()
    servers, mariadb = [postgres.pid], ""
    if "d" in letters:
        maria = MariaDB(settings={"innodb-buffer-pool-size": "2G", "innodb-log-file-size": "1G"})
        stack.callback(maria.close)
        mariadb = maria.create_database("bench")
        servers.append(maria.pid)
        fill_mariadb(mariadb, folder / "lineitem.csv")
    (folder / "lineitem.csv").unlink()
    file_rows = 0
    if "f" in letters:
        generated(folder / "files", FILES_SCALE * scale, "--parts", str(FILES))
        count = f"cat {folder}/files/lineitem/*.csv | wc -l"
        file_rows = int(subprocess.check_output(["sh", "-c", count])) - FILES
    files = folder / "files/lineitem"
    return Place(url, other, mariadb, files, folder, rows[0] if rows else 0, file_rows), servers


def generated(folder: Path, scale: float, *more: str) -> None:
    generator = str(Path(sys.executable).parent / "tpchgen-cli")
    asked = ["csv", "-s", str(scale), "--tables=lineitem", f"--output-dir={folder}", *more]
    subprocess.run([generator, *asked], check=True, stdout=subprocess.DEVNULL)


def psql(url: str, statement: str) -> None:
    subprocess.run(["psql", "--no-psqlrc", "--quiet", "--dbname", url, "--command", statement], check=True)


def fill_mariadb(url: str, file: Path) -> None:
    import pymysql

    parts = urlsplit(url)
    connection = pymysql.connect(
        host=parts.hostname, port=parts.port or 3306, user=parts.username, password=unquote(parts.password or ""),
        database=parts.path[1:], local_infile=True, autocommit=True,
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        columns = COLUMNS.replace("numeric", "decimal")
        cursor.execute(f"CREATE TABLE lineitem ({columns}, PRIMARY KEY ({KEY})) CHARACTER SET utf8mb4")
        how = "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' LINES TERMINATED BY '\\n' IGNORE 1 LINES"
        cursor.execute(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE lineitem {how}")
        cursor.execute("ANALYZE TABLE lineitem")


def measured(case: Case, way: Way, how: tuple[movers.Rivals, list[int], int, float]) -> Measured:
    """Runs one way until it has enough rounds, or has taken long."""
    rivals, servers, rounds, patience = how
    done = Measured(way)
    own = way.ours or way.limit
    while len(done.seconds) < (rounds if own else min(rounds, OTHERS)) and (own or sum(done.seconds) < LONG):
        way.before()
        ended = watched(way.command, rivals.surroundings, servers, patience)
        done.seconds.append(ended.seconds)
        done.cpu.append(ended.cpu)
        done.peak_mb = max(done.peak_mb, ended.peak_mb)
        if ended.exit is None:
            done.wrong = f"ended after {patience:.0f} s"
        elif ended.exit:
            done.wrong = f"failed: {last(ended.err or ended.out)}"
        elif way.counted and (rows := way.counted(ended.out)) != case.rows and case.rows:
            done.wrong = f"brought {rows:,} of {case.rows:,} rows"
        if done.wrong and own:
            raise SystemExit(f"{case.letter}, {way.name}: {done.wrong}\n{ended.err[-2000:]}{ended.out[-2000:]}")
        if done.wrong:
            break
    print(f"{case.letter}: {way.name}: {done.median:.2f} s {done.wrong}", file=sys.stderr, flush=True)
    return done


def last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:160] if lines else "it said nothing"


if __name__ == "__main__":
    sys.exit(main())
