"""The sample company's nightly pipeline: moves, reports, checks, files that arrive, a message; killed at any moment."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lading import dues, sample
from lading.dues import SINCE, Due
from lading.schedule import Schedule
from lading.store import Store
from tests.forked import Forked
from tests.journeys import looks
from tests.journeys.shell import Ended, lading

SEED = int(os.environ.get("LADING_TEST_SEED", "1"))
CONNECTIONS = """\
connections:
  crm: sqlite:///crm.db
  warehouse: duckdb:///warehouse.duckdb
  drop: {kind: files, path: drop}
"""
NIGHTLY = """\
title: Nightly sales
description: Copies the sales tables, takes the day's prices, rebuilds the reports, tells the team.
owner: sales-data
schedule: {cron: "* * * * *", missed: run_all, overlap: queue}
steps:
  - {key: places, from: crm, to: warehouse, tables: [areas, territories, teams]}
  - {key: people, from: crm, to: warehouse, tables: [sales_people, clients]}
  - {key: goals, from: crm, to: warehouse, tables: [goals], mode: merge}
  - {key: sales, from: crm, to: warehouse, tables: [sales], mode: merge, since: entered_at}
  - key: prices
    do: receive
    from: drop
    files: "prices-*.csv"
    columns: {fund: int(64), day: date, price: "decimal(14,4)"}
    to: warehouse
    into: prices
    ready: renamed
  - {key: by_territory, do: sql, at: warehouse, file: by_territory.sql, into: territory_report,
     after: [places, goals, sales]}
  - {key: by_person, do: sql, at: warehouse, into: person_report, mode: merge, merge_key: person_id,
     after: [people, sales],
     query: "SELECT person_id, count(*) AS deals, sum(amount) AS sold FROM sales GROUP BY person_id"}
  - {key: log, do: sql, at: warehouse, into: report_log, mode: append, after: by_territory,
     query: "SELECT count(*) AS lines, sum(sold) AS sold FROM territory_report"}
  - key: check
    do: check
    at: warehouse
    on: territory_report
    after: by_territory
    rules:
      - {not_empty: true}
      - {unique: [territory, year]}
      - {references: {columns: territory, table: territories, to: name}}
      - {between: {column: goal, low: 0}}
  - {key: told, do: bash, after: [check, log, by_person], script: 'echo $LADING_RUN >> told'}
  - {key: tell, do: notify, channel: team, when: [proved, unproved, done, failed]}
"""
BY_TERRITORY = """\
SELECT t.name AS territory, g.year AS year, CAST(sum(s.amount) AS DECIMAL(18,2)) AS sold, max(g.amount) AS goal
FROM sales s
JOIN territories t ON t.id = s.territory_id
JOIN goals g ON g.territory_id = t.id AND g.person_id IS NULL AND g.year = year(s.sold_on)
GROUP BY t.name, g.year
"""
MOVED = ("areas", "territories", "teams", "sales_people", "clients", "goals", "sales")


class Channel(BaseHTTPRequestHandler):
    """A service that takes messages."""

    messages: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Says nothing."""


class Company:
    """The company's project, in which its pipeline is run and killed."""

    def __init__(self, folder: Path, port: int, seed: int) -> None:
        self.folder, self.rng, self.files, self.seed = folder, random.Random(seed), 0, seed
        self.env = {"LADING_STORE": "", "NO_COLOR": "1", "LADING_CHANNEL_TEAM": f"json://127.0.0.1:{port}/"}
        (folder / "connections.yaml").write_text(CONNECTIONS, encoding="utf-8")
        (folder / "pipelines").mkdir()
        (folder / "drop").mkdir()
        (folder / "pipelines/nightly.yaml").write_text(NIGHTLY, encoding="utf-8")
        (folder / "pipelines/by_territory.sql").write_text(BY_TERRITORY, encoding="utf-8")
        sample.write(folder / "crm.db", 0.002)
        self.warehouse = f"duckdb:///{folder}/warehouse.duckdb"

    def drop(self) -> None:
        """Another file arrives, whole at once."""
        lines = "".join(f"{fund},2026-02-{self.files % 28 + 1:02d},{self.files}.{fund:04d}\n" for fund in range(5))
        new = self.folder / "drop" / f".{self.files}"
        new.write_text(f"fund,day,price\n{lines}", encoding="utf-8")
        new.rename(self.folder / "drop" / f"prices-{self.files}.csv")
        self.files += 1

    def __call__(self, *words: str) -> Ended:
        return lading(*words, cwd=self.folder, env=self.env)

    def start(self, *words: str) -> Forked:
        return Forked("lading.cli", *words, cwd=self.folder, env={**os.environ, **self.env})

    def runs(self) -> list[str]:
        """The ids of the runs that have ended, each with its bill."""
        found = json.loads(self("history", "--json", "--limit", "1000").out)["runs"]
        assert {run["state"] for run in found} <= {"proved", "unproved"}, (found, self.seed)
        return [run["run"] for run in found]

    def is_whole(self) -> None:
        """Whatever was killed, everything is there as often as was promised."""
        ended = self.runs()
        tables = looks.contents(self.warehouse)
        made = {*MOVED, "prices", "territory_report", "person_report", "report_log"}
        assert set(tables) == made, "nothing is left behind"
        with closing(sqlite3.connect(self.folder / "crm.db")) as crm:
            for name in MOVED:
                ((count,),) = crm.execute(f"SELECT count(*) FROM {name}").fetchall()
                assert len(tables[name].rows) == count, (name, self.seed)
        prices = [row[:3] for row in tables["prices"].rows]
        assert len(prices) == len(set(prices)) == 5 * self.files, (self.files, self.seed)
        assert list((self.folder / "drop").glob("prices-*")) == []
        assert len(tables["report_log"].rows) == len(ended), "appended once a run"
        assert len(set(map(str, tables["report_log"].rows))) == 1
        assert set((self.folder / "told").read_text(encoding="utf-8").split()) == set(ended)
        said = [message["message"] for message in Channel.messages]
        assert all(any(run in text for text in said) for run in ended), "and each run was told of"
        assert {message["title"].partition(":")[0] for message in Channel.messages} == {"Nightly sales"}


@pytest.fixture
def company(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Company]:
    pytest.importorskip("apprise")
    Channel.messages.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Channel) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Company(tmp_path, server.server_port, SEED + getattr(request, "param", 0))
        server.shutdown()
        thread.join()


def killed_and_run_again(company: Company, kills: int) -> None:
    """From the command line."""
    company.drop()
    began, done = time.monotonic(), 0
    first = company("run", "nightly")
    assert first.code in (0, 3), first.err
    span = time.monotonic() - began
    while done < kills:
        company.drop()
        process = company.start("run", "nightly", "--json")
        try:
            _, errors = process.communicate(timeout=company.rng.uniform(0.2, 1.0) * span)
            assert process.returncode in (0, 3), (errors, company.seed)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            done += 1
    company.drop()
    for _ in range(2):  # what came while an interrupted run went on is for the next one
        last = company("run", "nightly")
        assert last.code in (0, 3), (last.err, company.seed)
    company.is_whole()
    print(f"seed {company.seed}: {done} kills, {len(company.runs())} runs, {span:.1f} s a run")


def killed_with_its_scheduler(company: Company, kills: int) -> None:
    """When it is due, at four times at least: schedulers are killed, with their runs or without them."""
    folder = company.folder / ".lading"
    folder.mkdir()
    store = Store(f"sqlite:///{folder}/store.db")
    since = datetime.now(UTC) - timedelta(minutes=4)
    dues.put(store, [Due("nightly", since, Schedule(cron="* * * * *").cause, SINCE)])
    done = 0
    try:
        while done < kills or dues.open_ones(store):
            company.drop()
            scheduler = (
                company.start("scheduler", "--jobs", "1") if done < kills else company.start("scheduler", "--once")
            )
            try:
                _, errors = scheduler.communicate(timeout=company.rng.uniform(2, 6) if done < kills else 300)
                assert scheduler.returncode == 0, (errors, company.seed)
            except subprocess.TimeoutExpired:
                assert done < kills, "it comes to an end"
                children = Path(f"/proc/{scheduler.pid}/task/{scheduler.pid}/children").read_text().split()
                scheduler.kill()
                scheduler.communicate()
                for child in children if company.rng.random() < 0.7 else ():
                    with suppress(ProcessLookupError):
                        os.kill(int(child), signal.SIGKILL)
                done += 1
        states = {each.state for each in dues.of(store, "nightly", 100)}
    finally:
        store.close()
    assert states <= {"proved", "unproved"}, (states, company.seed)
    for _ in range(2):
        last = company("run", "nightly")
        assert last.code in (0, 3), (last.err, company.seed)
    company.is_whole()
    print(f"seed {company.seed}: {done} kills of schedulers, {len(company.runs())} runs")


def test_killed_and_run_again(company: Company) -> None:
    killed_and_run_again(company, 3)


def test_killed_with_its_scheduler(company: Company) -> None:
    killed_with_its_scheduler(company, 3)


@pytest.mark.soak
@pytest.mark.parametrize("company", range(1, 6), indirect=True)
def test_killed_and_run_again_a_hundred_times(company: Company) -> None:
    killed_and_run_again(company, 20)


@pytest.mark.soak
@pytest.mark.parametrize("company", range(1, 6), indirect=True)
def test_killed_with_its_scheduler_a_hundred_times(company: Company) -> None:
    killed_with_its_scheduler(company, 20)
