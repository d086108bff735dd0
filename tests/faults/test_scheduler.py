"""Schedulers that are killed: every due time has exactly one run, whoever began it and whoever went on with it."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa

from lading import dues
from lading.attempts import own, step_runs
from lading.dues import SINCE, Due
from lading.errors import SpecError
from lading.schedule import Schedule
from lading.store import Store, runs
from tests.forked import Forked

SEED = int(os.environ.get("LADING_TEST_SEED", "0")) or random.randrange(1, 10**6)
SCHEDULE = '{cron: "* * * * *", missed: run_all, overlap: queue}'
STEP = """\
schedule: %s
steps:
  - key: tell
    do: bash
    script: |
      exec 9>> {name}.lock
      flock -n 9 || echo "$LADING_RUN" >> overlaps
      echo "$LADING_RUN" >> begun
      sleep 0.5 9>&-
      echo "$LADING_RUN" >> ended
"""


class Schedulers:
    """Two schedulers of a project, of which one is killed now and then, with or without the runs that it began."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url, self.kills = folder, url, 0
        self.rng = random.Random(SEED)
        self.processes = [self.start(), self.start()]

    def start(self) -> Forked:
        words, env = ("lading.cli", "scheduler", "--jobs", "2"), {**os.environ, "LADING_STORE": self.url}
        with (self.folder / "scheduler.log").open("ab") as log:
            return Forked(*words, cwd=self.folder, env=env, out=log, err=log)

    def kill_one(self) -> None:
        """Kills one of them alone, or with all its runs, one of which is in the middle of its step."""
        victim = self.rng.choice(self.processes)
        children: list[int] = []
        if self.rng.random() < 0.5:
            victim, children = self.at_work() or (victim, [])
        os.killpg(victim.pid, signal.SIGKILL)
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        victim.wait()
        self.kills += 1
        self.processes[self.processes.index(victim)] = self.start()

    def at_work(self) -> tuple[Forked, list[int]] | None:
        """One with a run whose step is at work, and its runs' processes."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            going = set(lines(self.folder / "begun") - lines(self.folder / "ended"))
            for process in self.processes:
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                words = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
                if any(run.encode() in each for run in going for each in words):
                    return process, [int(child) for child in children]
            time.sleep(0.05)
        return None

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        codes = [process.wait(60) for process in self.processes]
        assert set(codes) <= {128 + signal.SIGTERM, -signal.SIGTERM}  # the latter: it had hardly begun


def lines(file: Path) -> Counter[str]:
    return Counter(file.read_text(encoding="utf-8").split()) if file.exists() else Counter()


def survive(folder: Path, url: str, pipelines: int, minutes: int, seconds: float) -> None:
    """So many pipelines, due every minute, and not run for some; so many seconds of kills."""
    (folder / "connections.yaml").write_text("connections: {}\n", encoding="utf-8")
    (folder / "pipelines").mkdir()
    names = [f"p{number}" for number in range(pipelines)]
    for name in names:
        (folder / f"pipelines/{name}.yaml").write_text(STEP.format(name=name) % SCHEDULE, encoding="utf-8")
    store = Store(url.replace("postgresql://", "postgresql+psycopg://"))
    since = datetime.now(UTC) - timedelta(minutes=minutes)
    cause = Schedule(cron="* * * * *").cause
    dues.put(store, [Due(name, since, cause, SINCE) for name in names])
    schedulers = Schedulers(folder, url)
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(schedulers.rng.uniform(1.5, 4))
            schedulers.kill_one()
        until = time.monotonic() + 120
        # Not as a minute ends: what becomes due with the next one would be left waiting.
        while (dues.open_ones(store) or not 2 < datetime.now(UTC).second < 50) and time.monotonic() < until:
            time.sleep(0.2)
    finally:
        schedulers.stop()
    found = store.rows(sa.select(dues.dues).where(dues.dues.c.state != SINCE).order_by(dues.dues.c.due))
    print(f"seed {SEED}: {schedulers.kills} kills, {len(found)} due times")
    first = since.replace(second=0, microsecond=0) + timedelta(minutes=1)
    last = datetime.fromisoformat(found[-1].due)
    every = [first + timedelta(minutes=n) for n in range(round((last - first) / timedelta(minutes=1)) + 1)]
    expected = {(name, due.isoformat()) for name in names for due in every}
    assert {(row.pipeline, row.due) for row in found} == expected, "none is missing"
    assert Counter(row.state for row in found) == {"done": len(expected)}
    bills = store.rows(sa.select(runs.c.id, runs.c.bill))
    assert sorted(row.id for row in bills if row.bill) == sorted(row.run for row in found), "one run each, and no other"
    assert len(bills) == len(found)
    begun, ended = lines(folder / "begun"), lines(folder / "ended")
    tried = Counter(row.run for row in store.rows(sa.select(step_runs.c.run)))
    store.close()
    assert lines(folder / "overlaps") == {}
    for row in found:
        # A script that was cut off is begun anew; one that was not is carried out once.
        assert 1 <= ended[row.run] <= begun[row.run] <= tried[row.run], row
    assert any(count > 1 for count in tried.values()) or schedulers.kills < 5, "some were cut off, and went on"


def test_each_due_time_has_one_run_whoever_is_killed(tmp_path, pg_database):
    survive(tmp_path, pg_database, pipelines=5, minutes=4, seconds=60)


@pytest.mark.parametrize("kind", ["postgres", "sqlite"])
@pytest.mark.parametrize("same", [True, False])
def test_of_many_who_begin_a_run_at_once_one_has_it(request, tmp_path, kind, same):
    """Be it the same run, or another of the pipeline; and likewise of those who go on with one."""
    url = (
        request.getfixturevalue("pg_database").replace("postgresql:", "postgresql+psycopg:")
        if kind == "postgres"
        else ""
    )
    stores = [Store(url or str(tmp_path / "store.db")) for _ in range(6)]
    barrier = Barrier(len(stores))

    def begin(number: int) -> str:
        run = "r" if same else f"r{number}"
        barrier.wait()
        with suppress(SpecError):
            assert own(stores[number], run, "p")
            return run
        return ""

    with ExitStack() as closes, ThreadPoolExecutor(len(stores)) as pool:
        for store in stores:
            closes.callback(store.close)
        for _ in range(8):
            (winner,) = filter(None, pool.map(begin, range(len(stores))))
            stores[0].end(winner, "interrupted", None)
        stores[0].begin("other", "p")
        with pytest.raises(SpecError, match="Run other of 'p' is at work right now"):
            own(stores[0], "r", "p")


@pytest.mark.soak
def test_ten_minutes_of_kills(tmp_path, pg_database):
    survive(tmp_path, pg_database, pipelines=10, minutes=2, seconds=600)


@pytest.mark.soak
def test_fifty_of_a_thousand_pipelines_are_due_in_the_same_minute(tmp_path, pg_database):
    """Two schedulers share them: none is missed, none runs twice."""
    (tmp_path / "connections.yaml").write_text("connections: {}\n", encoding="utf-8")
    (tmp_path / "pipelines").mkdir()
    names = [f"p{number}" for number in range(1000)]
    due = names[::20]
    for name in names:
        schedule = SCHEDULE if name in due else '{cron: "0 0 29 2 *"}'
        (tmp_path / f"pipelines/{name}.yaml").write_text(STEP.format(name=name) % schedule, encoding="utf-8")
    store = Store(pg_database.replace("postgresql://", "postgresql+psycopg://"))
    since = datetime.now(UTC) - timedelta(minutes=1)
    dues.put(store, [Due(name, since, Schedule(cron="* * * * *").cause, SINCE) for name in due])
    words, env = ("lading.cli", "scheduler", "--once", "--jobs", "2"), {**os.environ, "LADING_STORE": pg_database}
    with (tmp_path / "scheduler.log").open("ab") as log:
        loops = [Forked(*words, cwd=tmp_path, env=env, out=log, err=log) for _ in range(2)]
    assert [loop.wait(600) for loop in loops] == [0, 0]
    found = [each for name in due for each in dues.of(store, name, 10)]
    ids = [row.id for row in store.rows(sa.select(runs.c.id).where(runs.c.bill.is_not(None)))]
    store.close()
    assert {each.pipeline for each in found} == set(due), "none is missed"
    assert {each.state for each in found} == {"done"}
    assert sorted(each.run for each in found) == sorted(ids)
    assert lines(tmp_path / "ended") == dict.fromkeys(ids, 1), "and none ran twice"
    assert lines(tmp_path / "overlaps") == {}
