"""A project: connections.yaml, a pipeline in YAML, and every word of the command line on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.journeys import looks
from tests.journeys.shell import Ended, lading

NIGHTLY = """\
title: The CRM every night
owner: sales operations
steps:
  - key: masters
    from: crm
    to: warehouse
    tables: [clients, funds]
  - key: deals
    from: crm
    to: warehouse
    tables: deals
    mode: merge
    since: changed
    max_rejects: 0
"""
TABLE_WORDS = {"table", "into", "state", "rows", "losses", "proof", "seconds", "bytes"}


class Project:
    """A project's folder, and the commands that people type in it."""

    def __init__(self, folder: Path, source: str, target: str) -> None:
        self.folder, self.source, self.target = folder, source, target
        self.password = unquote(urlsplit(source).password or "")
        self.env = {"LADING_STORE": "", "CRM_PASSWORD": self.password, "COLUMNS": "120", "NO_COLOR": "1"}
        self.said: list[Ended] = []

    def __call__(self, *words: str, code: int = 0) -> str:
        ended = lading(*words, cwd=self.folder, env=self.env)
        self.said.append(ended)
        assert ended.code == code, (words, ended.code, ended.out, ended.err)
        return ended.out

    def pipeline(self, text: str) -> None:
        (self.folder / "pipelines" / "nightly.yaml").write_text(text, encoding="utf-8")


@pytest.fixture
def project(place: Callable[[str], str], tmp_path: Path) -> Project:
    source, folder = place("postgres"), tmp_path / "project"
    looks.query(
        source,
        """CREATE TABLE clients (id integer PRIMARY KEY, name text NOT NULL);
        CREATE TABLE funds (id integer PRIMARY KEY, fee numeric(7,4));
        CREATE TABLE deals (id bigint PRIMARY KEY, client integer, amount numeric(18,2), changed timestamptz);
        CREATE TABLE secrets (id integer PRIMARY KEY, what text);
        INSERT INTO clients SELECT i, 'client ' || i FROM generate_series(1, 50) i;
        INSERT INTO funds SELECT i, i / 7.0 FROM generate_series(1, 5) i;
        INSERT INTO deals SELECT i, i % 50, i * 1.25, '2024-01-01 10:00+00'::timestamptz + i * interval '1 minute'
        FROM generate_series(1, 400) i""",
    )
    folder.mkdir()
    return Project(folder, source, place("duckdb"))


def test_a_pipeline_from_nothing_to_its_bills(project: Project, tmp_path: Path):
    project("init")
    project("connect", "crm", project.source)
    project("connect", "warehouse", project.target)
    project("check", "crm")
    assert {"clients", "funds", "deals"} <= {
        t["name"] for t in json.loads(project("discover", "crm", "--json"))["tables"]
    }
    assert "amount" in project("discover", "crm.deals")
    project.pipeline(NIGHTLY)
    assert "nightly.yaml" in project("explain", "nightly")
    planned = json.loads(project("plan", "nightly", "--json"))
    assert [task["source"]["name"] for plan in planned["plans"] for task in plan["tasks"]] == [
        "clients",
        "funds",
        "deals",
    ]
    assert not Path(urlsplit(project.target).path[1:]).exists() or looks.contents(project.target) == {}

    ran = json.loads(project("run", "nightly", "--json"))
    assert {"run", "state", "seconds", "tables"} <= set(ran)
    assert ran["state"] == "proved"
    assert [(t["table"], t["rows"]["source"], t["rows"]["target"]) for t in ran["tables"]] == [
        ("clients", 50, 50), ("funds", 5, 5), ("deals", 400, 400),
    ]  # fmt: skip
    for table in ran["tables"]:
        assert set(table) >= TABLE_WORDS
        assert set(table["rows"]) == {"source", "target", "rejected", "filtered"}
    assert "proved" in project.said[-1].err, "progress goes to standard error"
    assert "secrets" not in looks.contents(project.target)

    looks.query(project.source, "UPDATE deals SET amount = 7, changed = '2024-02-01 00:00+00' WHERE id = 3")
    again = json.loads(project("run", "nightly", "--json"))
    deals = next(table for table in again["tables"] if table["table"] == "deals")
    assert 1 <= deals["rows"]["target"] < 20
    for name in ("clients", "funds", "deals"):
        assert looks.same(looks.contents(project.source)[name], looks.contents(project.target)[name]) == ""

    history = json.loads(project("history", "--json"))["runs"]
    assert len(history) == 2, "one bill a run"
    run = history[0]["run"]
    assert json.loads(project("bill", run, "--json")) == history[0]
    assert run in project("bill", run)
    project("bill", "last", "--html", str(tmp_path / "bill.html"))
    assert "No row was refused" in project("rejects", run)
    _no_secret(project, tmp_path)


def test_exit_codes(project: Project, tmp_path: Path):
    project("init")
    project("connect", "crm", project.source)
    project("connect", "warehouse", project.target)
    project.pipeline(NIGHTLY)
    project("run", "nightly")

    project.pipeline(NIGHTLY.replace("since:", "sinc:"))
    project("run", "nightly", code=2)
    assert "pipelines/nightly.yaml:13" in project.said[-1].err
    assert "since" in project.said[-1].err

    project.pipeline(NIGHTLY)
    looks.query(project.source, "DELETE FROM funds")
    unproved = json.loads(project("run", "nightly", "--json", code=3))
    assert unproved["state"] == "unproved"
    states = {table["table"]: table["state"] for table in unproved["tables"]}
    assert states == {"clients": "proved", "funds": "unproved", "deals": "proved"}

    looks.query(project.target, "CREATE TABLE marks (id integer PRIMARY KEY)")
    looks.query(project.source, "ALTER TABLE clients ADD COLUMN rights aclitem")
    failed = json.loads(project("run", "nightly", "--json", code=1))
    assert failed["state"] == "failed"
    project("copy", "crm", "nowhere", code=2)
    project("copy", "crm", "warehouse", "--tables", "clientz", code=2)
    project("run", "weekly", code=2)
    project.env["CRM_PASSWORD"] = "wrong-" + project.password
    project("check", "crm", code=1)
    _no_secret(project, tmp_path)


def test_rejected_rows_are_kept_and_counted(project: Project, tmp_path: Path):
    project("init")
    project("connect", "crm", project.source)
    project("connect", "warehouse", project.target)
    looks.query(
        project.target, "CREATE TABLE deals (id bigint, client integer, amount decimal(18,2), changed timestamptz)"
    )
    looks.query(project.target, "ALTER TABLE deals ALTER client SET NOT NULL")
    looks.query(project.source, "UPDATE deals SET client = NULL WHERE id IN (17, 230)")
    words = ("copy", "crm", "warehouse", "--tables", "deals", "--json", "--accept", "null")
    project(*words, code=1)
    assert looks.query(project.target, "SELECT count(*) FROM deals") == [(0,)], "the target is as it was"
    bill = json.loads(project(*words, "--max-rejects", "2"))
    assert bill["tables"][0]["rows"] == {"source": 400, "target": 398, "rejected": 2, "filtered": 0}
    refused = [json.loads(line) for line in project("rejects", bill["run"], "--json").splitlines()]
    assert sorted(reject["row"]["id"] for reject in refused) == ["17", "230"]
    assert all("client" in reject["reason"] for reject in refused)
    assert looks.query(project.target, "SELECT count(*) FROM deals") == [(398,)]
    _no_secret(project, tmp_path)


def _no_secret(project: Project, folder: Path) -> None:
    """The password is in no output, and in no file of the project, its store and its bills."""
    for ended in project.said:
        assert project.password not in ended.out + ended.err
    looked = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "store.db" for path in looked)
    for path in looked:
        for form in (project.password, urlsplit(project.source).password or ""):
            assert form.encode() not in path.read_bytes(), path
