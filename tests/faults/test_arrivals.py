"""Runs that are killed while they receive files: each file is loaded once, or in quarantine, and none is lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.forked import Forked

ROOT = Path(__file__).parent.parent.parent
SEED = int(os.environ.get("LADING_TEST_SEED", "0")) or random.randrange(1, 10**6)
CONNECTIONS = "connections:\n  drop: {kind: files, path: drop}\n  wh: {kind: sqlite, path: wh.db}\n"
PIPELINE = """\
schedule: {arrivals: true}
steps:
  - key: prices
    do: receive
    from: drop
    files: "prices-*.csv"
    columns: {id: int(64), price: "decimal(10,2)"}
    to: wh
    into: prices
    ready: %s
    every_seconds: 0.3
    misnamed: quarantine
"""


def project(folder: Path, ready: str) -> Path:
    (folder / "pipelines").mkdir(parents=True)
    (folder / "drop").mkdir()
    (folder / "connections.yaml").write_text(CONNECTIONS, encoding="utf-8")
    (folder / "pipelines/p.yaml").write_text(PIPELINE % ready, encoding="utf-8")
    return folder


def text(*ids: int) -> str:
    return "id,price\n" + "".join(f"{each},{each}.25\n" for each in ids)


def ids(folder: Path) -> list[int]:
    with closing(sqlite3.connect(folder / "wh.db")) as found:
        return [row[0] for row in found.execute("SELECT id FROM prices ORDER BY id")]


def names(folder: Path, ending: str = ".csv") -> Counter[str]:
    """The files in a folder by the names under which they came."""
    found = folder.iterdir() if folder.exists() else ()
    return Counter(path.name.split("-", 3)[3] for path in found if path.name.endswith(ending))


def states(folder: Path) -> Counter[str]:
    with closing(sqlite3.connect(folder / "store/store.db", timeout=30)) as found:
        return Counter(row[0] for row in found.execute("SELECT state FROM arrivals"))


def die(tmp_path: Path, first: int, step: int) -> int:
    """One file is wrong, one the target refuses, so that the lot is split, one comes twice."""
    template = project(tmp_path / "template", "renamed")
    with closing(sqlite3.connect(template / "wh.db")) as target:
        target.execute("CREATE TABLE prices (id BIGINT CHECK (id <> 3), price DECIMAL(10,2))")
    for name, content in {
        "prices-1.csv": text(1, 2), "prices-2.csv": text(3), "prices-3.csv": text(4), "prices-4.csv": text(4),
        "prices-5.csv": "id\n5\n",
    }.items():  # fmt: skip
        (template / "drop" / name).write_text(content, encoding="utf-8")
    (tmp_path / "work").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.dying", str(template), str(tmp_path / "work"), str(first), str(step)],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folders = sorted((tmp_path / "work").iterdir())
    for folder in folders:
        assert ids(folder) == [1, 2, 4], folder
        assert [path.name for path in (folder / "drop").iterdir() if path.is_file()] == [], folder
        assert names(folder / "drop/_archive") == Counter(["prices-1.csv", "prices-3.csv", "prices-4.csv"]), folder
        assert names(folder / "drop/_quarantine") == Counter(["prices-2.csv", "prices-5.csv"]), folder
        reasons = Counter(["prices-2.csv.reason.txt", "prices-5.csv.reason.txt"])
        assert names(folder / "drop/_quarantine", ".txt") == reasons, folder
        assert states(folder) == {"loaded": 2, "ignored": 1, "quarantined": 2}, folder
        assert list((folder / "store/arrivals").iterdir()) == [], folder
    return len(folders)


def test_a_run_that_dies_at_any_moment_loads_each_file_once(tmp_path):
    first = random.Random(SEED).randrange(1, 13)
    print(f"seed {SEED}: from moment {first} on")
    assert die(tmp_path, first, 12) > 5


@pytest.mark.soak
def test_a_run_that_dies_at_every_moment_loads_each_file_once(tmp_path):
    assert die(tmp_path, 1, 1) > 80


class Feeding:
    """Files that come while a scheduler is killed, with and without its runs, and begun again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rng, self.kills = folder, random.Random(SEED), 0
        self.good: Counter[str] = Counter()
        self.bad: Counter[str] = Counter()
        self.rows: list[int] = []
        self.process = self.start()

    def start(self) -> Forked:
        env = {**os.environ, "LADING_STORE": str(self.folder / "store"), "LADING_RETRY_SECONDS": "0.5"}
        with (self.folder / "scheduler.log").open("ab") as log:
            return Forked("lading.cli", "scheduler", cwd=self.folder, env=env, out=log, err=log)

    def feed(self, number: int) -> None:
        drop, name, kind = self.folder / "drop", f"prices-{number:04d}.csv", self.rng.random()
        mine = [number * 10, number * 10 + 1]
        if kind < 0.1:
            self.bad[name] += 1
            (drop / name).write_text("id,cost\n1,2\n", encoding="utf-8")
        elif kind < 0.15:
            name = f"price-{number:04d}.csv"
            self.bad[name] += 1
            (drop / name).write_text(text(*mine), encoding="utf-8")
        else:
            self.good[name] += 1
            self.rows += mine
            with (drop / name).open("w", encoding="utf-8") as file:  # it grows
                file.write(text(mine[0]))
                file.flush()
                time.sleep(self.rng.choice([0, 0, 0.05]))
                file.write(text(mine[1]).partition("\n")[2])

    def kill(self) -> None:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        os.kill(self.process.pid, signal.SIGKILL)
        for child in children if self.rng.random() < 0.7 else []:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self.process.wait()
        self.kills += 1
        self.process = self.start()

    def busy(self) -> bool:
        open_ones = {"growing", "ready", "taken"} & states(self.folder).keys()
        return bool(open_ones) or any(path.is_file() for path in (self.folder / "drop").iterdir())

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def survive(folder: Path, kills: int) -> None:
    feeding = Feeding(project(folder, "stable"))
    log, number = folder / "scheduler.log", 0
    try:
        while feeding.kills < kills:
            begun, until = log.read_text(encoding="utf-8").count("began"), time.monotonic() + 60
            end = until
            while time.monotonic() < end:  # a run is under way, and has come to any point
                for _ in range(feeding.rng.randrange(1, 4)):
                    number += 1
                    feeding.feed(number)
                time.sleep(feeding.rng.uniform(0, 0.5))
                if end == until and log.read_text(encoding="utf-8").count("began") > begun:
                    end = time.monotonic() + feeding.rng.uniform(0, 8)
            feeding.kill()
        until = time.monotonic() + 180
        while feeding.busy() and time.monotonic() < until:
            time.sleep(0.3)
    finally:
        feeding.stop()
    print(f"seed {SEED}: {number} files, {feeding.kills} kills")
    assert not feeding.busy(), (folder / "scheduler.log").read_text(encoding="utf-8")[-3000:]
    assert ids(folder) == sorted(feeding.rows), "each row once"
    assert names(folder / "drop/_archive") == feeding.good
    assert names(folder / "drop/_quarantine") == feeding.bad
    assert states(folder) == {"loaded": len(feeding.good), "quarantined": len(feeding.bad)}


def test_files_arrive_while_the_scheduler_is_killed(tmp_path):
    survive(tmp_path / "p", 3)


@pytest.mark.soak
def test_files_arrive_while_the_scheduler_is_killed_a_hundred_times(tmp_path):
    survive(tmp_path / "p", 100)


def test_another_machine_goes_on_with_a_lot_whose_rows_are_in_the_target(tmp_path, pg_database):
    """The two have folders of their own, and share the store."""
    one = project(tmp_path / "one", "renamed")
    (one / "drop/prices-1.csv").write_text(text(1, 2), encoding="utf-8")
    dies = (
        "import os; from lading import actions; from lading.sql import SqlSession; plain = SqlSession.publish\n"
        "def publish(*words, **named): plain(*words, **named); os._exit(9)\n"
        "SqlSession.publish = publish; actions.run('p')"
    )
    shared = {"LADING_STORE": pg_database}
    done = subprocess.run([sys.executable, "-c", dies], cwd=one, env={**os.environ, **shared}, check=False)
    assert (done.returncode, ids(one)) == (9, [1, 2])
    two = tmp_path / "two"
    shutil.copytree(one, two, ignore=shutil.ignore_patterns("drop", "wh.db", ".lading"))
    there = CONNECTIONS.replace("path: ", f"path: {one}/")
    (two / "connections.yaml").write_text(there, encoding="utf-8")
    other = Forked("lading.cli", "run", "p", "--quiet", cwd=two, env={**os.environ, **shared})
    other.communicate(60)
    assert (other.returncode, ids(one)) == (0, [1, 2])
