"""Two hosts, each with a folder of its own, on one store in PostgreSQL. A host is a name space with its own name."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from lading.attempts import step_runs
from lading.store import Store, runs

PIPELINE = """
steps:
  - {key: sales, from: crm, to: wh}
  - {key: hold, do: bash, after: sales, script: 'echo held >> ../said; until test -e ../go; do sleep 0.05; done'}
  - {key: end, do: bash, after: hold, script: 'echo ended >> ../said'}
"""


class Host:
    """A folder with the same project as the other's, and processes that know themselves by another name."""

    def __init__(self, folder: Path, name: str, store: str, warehouse: str) -> None:
        self.folder, self.name, self.store = folder / name, name, store
        (self.folder / "pipelines").mkdir(parents=True)
        (self.folder / "pipelines/nightly.yaml").write_text(PIPELINE, encoding="utf-8")
        text = f"connections:\n  crm: sqlite:///../crm.db\n  wh: {warehouse}\n"
        (self.folder / "connections.yaml").write_text(text, encoding="utf-8")

    def start(self, *words: str) -> subprocess.Popen[str]:
        inside = f"hostname {self.name}; exec {sys.executable} -m lading.cli {' '.join(words)}"
        root = [] if os.geteuid() == 0 else ["-Ur"]
        return subprocess.Popen(
            ["unshare", *root, "--uts", "sh", "-c", inside], cwd=self.folder, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={**os.environ, "LADING_STORE": self.store},
        )  # fmt: skip

    def __call__(self, *words: str) -> tuple[int, str, str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


@pytest.fixture
def hosts(tmp_path: Path, postgres, pg_database: str):
    there = shutil.which("unshare")
    if not there or subprocess.run([there, "-Ur", "--uts", "hostname", "x"], capture_output=True).returncode:
        pytest.skip("unshare: this user may make no name spaces")
    with closing(sqlite3.connect(tmp_path / "crm.db")) as crm:
        crm.execute("CREATE TABLE sales (id INTEGER PRIMARY KEY, amount DECIMAL(10,2))")
        crm.executemany("INSERT INTO sales VALUES (?, ?)", [(number, f"{number}.25") for number in range(500)])
        crm.commit()
    postgres.execute("CREATE DATABASE lading_two")
    try:
        store = pg_database.replace(pg_database.rpartition("/")[2], "lading_two")
        yield [Host(tmp_path, name, store, pg_database) for name in ("host-a", "host-b")]
    finally:
        postgres.drop_database("lading_two")


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def said(host: Host) -> list[str]:
    file = host.folder.parent / "said"
    return file.read_text(encoding="utf-8").split() if file.exists() else []


def test_two_hosts_share_one_store(hosts):
    one, two = hosts
    both = [host.start("run", "nightly", "--quiet") for host in hosts]  # both make the store, which is new
    eventually(lambda: said(one) == ["held"] and any(each.poll() is not None for each in both))
    (lost,) = [each for each in both if each.poll() is not None]
    assert lost.returncode == 75
    assert "is at work right now" in lost.communicate()[1]
    first, other = (one, two) if lost is both[1] else (two, one)

    code, out, err = other("log", "last", "sales")
    assert (code, out) == (2, "")
    assert f"Look on '{first.name}', which carried it out." in err
    assert f"its process on '{first.name}' is gone" not in other("doctor")[1]

    (one.folder.parent / "go").touch()
    (won,) = [each for each in both if each is not lost]
    out, err = won.communicate(timeout=120)
    assert (won.returncode, err) == (0, "")
    assert said(one) == ["held", "ended"]
    bills = [json.loads(host("bill", "last", "--json")[1]) for host in hosts]
    assert bills[0] == bills[1]
    assert (bills[0]["state"], bills[0]["tables"][0]["rows"]["target"]) == ("proved", 500)


def test_another_host_goes_on_with_what_one_left(hosts):
    one, two = hosts
    lost = one.start("run", "nightly", "--run", "r1", "--quiet")
    eventually(lambda: said(one) == ["held"])
    os.kill(lost.pid, signal.SIGKILL)
    lost.communicate()
    (one.folder.parent / "go").touch()
    code, _, err = two("run", "nightly", "--run", "r1", "--quiet")
    assert (code, "Run r1 of 'nightly' is at work right now." in err) == (75, True), "nobody knows yet that it is gone"
    store = Store(two.store.replace("postgresql://", "postgresql+psycopg://"))
    try:
        for table in (runs, step_runs):  # as it is five minutes later
            store.write(table.update().values(beat="2026-01-01T00:00:00+00:00"))
        code, out, err = two("run", "nightly", "--run", "r1", "--quiet", "--json")
        assert (code, err) == (0, "")
        steps = {step["key"]: step for step in json.loads(out)["steps"]}
        assert {key: step["kept"] for key, step in steps.items()} == {"sales": True, "hold": False, "end": False}
        assert said(one) == ["held", "held", "ended"], "a script is begun anew, and what is done is not"
        assert len(store.rows(sa.select(runs).where(runs.c.part_of == "r1"))) == 1
    finally:
        store.close()
