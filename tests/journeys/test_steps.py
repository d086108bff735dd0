"""A pipeline of several kinds of steps, from files to its bill; killed, and run again."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from lading import actions
from tests.forked import Forked
from tests.journeys import looks
from tests.journeys.shell import Ended, lading

SEED = int(os.environ.get("LADING_TEST_SEED", "1"))
NIGHTLY = """\
title: Nightly sales
description: Copies the sales tables, rebuilds the territory report, and says so.
owner: sales-data
params:
  least: {type: whole, default: 2021, description: The first year of the report.}
steps:
  - {key: sales, do: move, from: crm, to: warehouse, tables: [sales, goals], mode: merge}
  - {key: report, do: sql, at: warehouse, file: territory_report.sql, into: territory_report, after: [sales]}
  - key: check
    do: check
    at: warehouse
    on: territory_report
    after: [report]
    rules:
      - {not_empty: true}
      - {unique: [territory, year]}
      - {between: {column: percent, low: 0, high: 400}}
      - {references: {columns: [territory, year], table: goals}}
      - {rows: {min: 100}, severity: warn}
  - {key: tell, do: bash, after: [check], script: 'echo "$LADING_RUN since $PARAM_LEAST" >> told; tail -n 1 told'}
"""
REPORT = """\
-- Sales of each territory and year, in percent of its goal.
SELECT s.territory, s.year, CAST(sum(s.amount) AS DECIMAL(18,2)) AS sold,
    round(sum(s.amount) * 100 / max(g.goal)) AS percent
FROM sales s JOIN goals g ON g.territory = s.territory AND g.year = s.year
WHERE s.year >= :least GROUP BY s.territory, s.year;
"""


class Project:
    """A project's folder, and the commands that people type in it."""

    def __init__(self, folder: Path, source: str, target: str) -> None:
        self.folder, self.source, self.target = folder, source, target
        folder.mkdir()
        text = f"connections:\n  crm: {source}\n  warehouse: {target}\n"
        (folder / "connections.yaml").write_text(text, encoding="utf-8")
        (folder / "pipelines").mkdir()
        (folder / "pipelines/territory_report.sql").write_text(REPORT, encoding="utf-8")
        self.pipeline(NIGHTLY)
        looks.query(source, "CREATE TABLE sales (id INTEGER PRIMARY KEY, territory VARCHAR(9), year INTEGER, "
                            "amount DECIMAL(10,2))")  # fmt: skip
        looks.query(source, "CREATE TABLE goals (territory VARCHAR(9) NOT NULL, year INTEGER NOT NULL, goal INTEGER, "
                            "PRIMARY KEY (territory, year))")  # fmt: skip
        lines = ", ".join(f"({n}, 't{n % 4}', {2020 + n % 3}, {n}.25)" for n in range(240))
        looks.query(source, f"INSERT INTO sales VALUES {lines}")
        lines = ", ".join(f"('t{n % 4}', {2020 + n % 3}, 2000)" for n in range(12))
        looks.query(source, f"INSERT INTO goals VALUES {lines}")

    def pipeline(self, text: str) -> None:
        (self.folder / "pipelines/nightly.yaml").write_text(text, encoding="utf-8")

    @property
    def env(self) -> dict[str, str]:
        return {"LADING_STORE": "", "COLUMNS": "120", "NO_COLOR": "1"}

    def __call__(self, *words: str) -> Ended:
        return lading(*words, cwd=self.folder, env=self.env)

    def start(self, *words: str) -> Forked:
        return Forked("lading.cli", *words, cwd=self.folder, env={**os.environ, **self.env})

    def told(self) -> list[str]:
        file = self.folder / "told"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def eventually(true: Callable[[], object]) -> bool:
    deadline = time.monotonic() + 60
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def project(place: Callable[[str], str], tmp_path: Path) -> Project:
    return Project(tmp_path / "project", place("sqlite"), place("duckdb"))


def test_a_nightly_pipeline(project: Project):
    planned = project("plan", "nightly", "--json")
    assert planned.code == 0, planned.err
    assert [step["key"] for step in json.loads(planned.out)["steps"]] == ["sales", "report", "check", "tell"]
    assert len(json.loads(planned.out)["plans"]) == 1
    assert "Looks whether a table is as it should be" in project("plan", "nightly").out
    assert not Path(project.target.removeprefix("duckdb:///")).exists()
    done = project("run", "nightly", "--json")
    assert done.code == 3, done.err
    bill = json.loads(done.out)
    assert [(step["key"], step["do"], step["state"]) for step in bill["steps"]] == [
        ("sales", "move", "proved"), ("report", "sql", "proved"), ("check", "check", "unproved"),
        ("tell", "bash", "done"),
    ]  # fmt: skip
    assert bill["state"] == "unproved", "as good as its worst step"
    assert bill["steps"][2]["says"] == "'territory_report': it has 8 rows, fewer than 100"
    assert {table["table"]: table["rows"]["target"] for table in bill["tables"]} == {"sales": 240, "goals": 12}
    assert project.told() == [f"{bill['run']} since 2021"]
    assert len(looks.query(project.target, "SELECT * FROM territory_report")) == 8
    lines = [line.split(" ", 1)[1].split(",")[0] for line in done.err.splitlines()]
    assert [line for line in lines if line.split(":")[0] in ("sales", "report", "check", "tell")][-5:] == [
        "report: proved", "check: check", "check: unproved", "tell: bash", "tell: done",
    ]  # fmt: skip

    shown = project("bill")
    for word in ("report", "8 rows into territory_report, replace", "240", "? unproved"):
        assert word in shown.out
    assert project("bill", "--html", "bill.html").code == 0
    assert "8 rows into territory_report" in (project.folder / "bill.html").read_text(encoding="utf-8")

    again = project("run", "nightly", "--from", "report", "--param", "least=2022")
    assert again.code == 3, again.err
    assert "this run begins at 'report'" in again.out
    assert {row[0] for row in looks.query(project.target, "SELECT year FROM territory_report")} == {2022}


def test_a_failed_check_stops_what_follows(project: Project):
    project.pipeline(NIGHTLY.replace("high: 400", "high: 40"))
    done = project("run", "nightly")
    assert done.code == 1
    assert "'percent' is not within 0 to 40" in done.out
    assert "'check' failed" in done.out
    assert project.told() == []


def test_a_mistake_is_told_before_anything_runs(project: Project):
    project.pipeline(NIGHTLY.replace("into: territory_report, after: [sales]", "into: territory_report, after: [sale]"))
    done, what = project("run", "nightly"), "step 'report' comes after 'sale'"
    assert (done.code, done.err) == (
        2, f"error: pipelines/nightly.yaml:8: {what}, which is no step.\n  Did you mean 'sales'?\n",
    )  # fmt: skip
    assert not (project.folder / ".lading").exists()


def test_killed_in_the_middle_and_run_again(project: Project):
    """Whatever kills it: what is done is not done again, and what was under way is."""
    slow = "  - {key: slow, do: bash, script: 'echo slow >> told; test -e go || sleep 300', after: [first]}\n"
    first = "  - {key: first, do: bash, script: 'echo first >> told', after: [check]}\n"
    last = "  - {key: last, do: bash, script: 'echo last >> told', after: [slow]}\n"
    project.pipeline(NIGHTLY.partition("  - {key: tell")[0] + first + slow + last)
    process = project.start("run", "nightly")
    assert eventually(lambda: "slow" in project.told())
    assert project("run", "nightly").code == 75, "one run at a time"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (project.folder / "go").touch()
    done = project("run", "nightly", "--json")
    assert done.code == 3, done.err
    bill = json.loads(done.out)
    assert project.told() == ["first", "slow", "slow", "last"]
    assert {step["key"]: step["kept"] for step in bill["steps"]} == {
        "sales": True, "report": True, "check": True, "first": True, "slow": False, "last": False,
    }  # fmt: skip
    assert bill["steps"][4]["attempts"] == 1
    assert len(bill["tables"]) == 2, "the bill is whole"
    assert len(json.loads(project("history", "--json").out)["runs"]) == 1


@pytest.mark.parametrize(
    "noted",
    ["state = 'running', outcome = NULL", "state = 'failed'"],
    ids=["killed between its bill and the step's end", "failed and tried again"],
)
def test_what_a_step_appended_before_it_began_again_is_not_appended_twice(project: Project, noted: str):
    looks.query(project.source, "CREATE TABLE visits (place TEXT, n INTEGER)")
    looks.query(project.source, "INSERT INTO visits VALUES ('p1', 1), ('p2', 2)")
    step = "  - {key: more, do: move, from: crm, to: warehouse, tables: [visits], mode: append}\n"
    project.pipeline(f"steps:\n{step}  - {{key: tell, do: bash, after: [more], script: 'echo told >> told'}}\n")
    first = project("run", "nightly", "--json")
    assert first.code == 0, first.err
    run = json.loads(first.out)["run"]
    with closing(sqlite3.connect(project.folder / ".lading/store.db")) as store:
        store.execute(f"UPDATE step_runs SET {noted} WHERE step = 'more'")
        store.execute("DELETE FROM step_runs WHERE step = 'tell'")
        store.execute("UPDATE runs SET bill = NULL, state = 'running' WHERE id = ?", [run])
        store.commit()
    again = project("run", "nightly", "--run", run, "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["tables"][0]["rows"]["target"] == 2
    assert looks.query(project.target, "SELECT count(*) FROM visits") == [(2,)]
    assert project.told() == ["told", "told"]
    assert project("run", "nightly").code == 0, "another run appends them again"
    assert looks.query(project.target, "SELECT count(*) FROM visits") == [(4,)]


def test_a_store_in_postgresql(place: Callable[[str], str], project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("LADING_STORE", place("postgres"))
    bill = actions.run("nightly")
    assert [str(step.state) for step in bill.steps] == ["proved", "proved", "unproved", "done"]
    assert actions.bill("last") == bill
    assert actions.run_step("nightly", "sales", "n1").state == "proved"
    assert actions.run_step("nightly", "sales", "n1").kept
    assert (project.folder / f".lading/logs/{bill.run}/report.log").is_file()


def test_interrupted_by_hand(project: Project):
    project.pipeline("steps:\n  - {key: a, do: bash, script: 'echo $$ >> told; sleep 300'}\n")
    process = project.start("run", "nightly")
    assert eventually(project.told)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Run the same command again" in errors
    script = Path("/proc") / project.told()[0] / "stat"
    assert eventually(lambda: not script.exists() or script.read_text().rpartition(")")[2].split()[0] == "Z")


def test_one_step_for_another_program(project: Project):
    words = ("run-step", "--pipeline", "nightly", "--run", "n1", "--step")
    first = project(*words, "sales")
    assert first.code == 0, first.err
    events = [json.loads(line) for line in first.out.splitlines()]
    assert events[0] == {"event": "began", "step": "sales", "do": "move", "version": 1}
    assert {"event": "table", "table": "sales", "state": "proved", "rows": 240} in events
    assert {key: events[-1][key] for key in ("event", "run", "key", "state", "code")} == {
        "event": "ended", "run": "n1", "key": "sales", "state": "proved", "code": 0,
    }  # fmt: skip
    again = project(*words, "sales")
    assert [json.loads(line)["event"] for line in again.out.splitlines()] == ["ended"]
    assert json.loads(again.out)["kept"]
    assert project(*words, "report").code == 0
    assert project(*words, "check").code == 3
    assert project(*words, "tell").code == 0
    assert json.loads(project("bill", "n1", "--json").out)["state"] == "unproved"


@pytest.mark.parametrize(
    ("script", "code", "word"),
    [("exit 0", 0, "done"), ("exit 1", 1, "failed"), ("exit 10", 10, "skipped"), ("exit 75", 75, "failed")],
)
def test_exit_codes_of_a_step(project: Project, script: str, code: int, word: str):
    project.pipeline(f"steps:\n  - {{key: a, do: bash, script: {script}}}\n")
    done = project("run-step", "--pipeline", "nightly", "--step", "a", "--run", "n1")
    assert (done.code, json.loads(done.out.splitlines()[-1])["state"]) == (code, word)


def test_a_step_that_is_wrong_is_not_to_be_tried_again(project: Project):
    done = project("run-step", "--pipeline", "nightly", "--step", "sals", "--run", "n1")
    assert (done.code, json.loads(done.out)["error"]) == (
        78, "'nightly' has no step 'sals'. There are: sales, report, check, tell.",
    )  # fmt: skip
    project.pipeline("steps:\n  - {key: a, do: check, at: warehouse, on: gone, rules: [{not_empty: yes}]}\n")
    looks.query(project.target, "CREATE TABLE t (a INTEGER)")
    assert project("run-step", "--pipeline", "nightly", "--step", "a", "--run", "n2").code == 78


def test_a_step_that_is_cancelled_ends_what_it_started(project: Project):
    project.pipeline("steps:\n  - {key: a, do: bash, script: 'echo $$ >> told; sleep 300'}\n")
    process = project.start("run-step", "--pipeline", "nightly", "--step", "a", "--run", "n1")
    assert eventually(project.told)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(output.splitlines()[-1]) == {
        "event": "ended", "run": "n1", "code": 130, "key": "a", "state": "cancelled",
    }  # fmt: skip
    script = Path("/proc") / project.told()[0] / "stat"
    assert eventually(lambda: not script.exists() or script.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.mark.parametrize("kind", ["postgres", "mysql", "sqlite"])
def test_reports_and_checks_in_a_database(place: Callable[[str], str], tmp_path: Path, monkeypatch, kind: str):
    """Each way in which rows come into a table, with values that are bound."""
    there = place(kind)
    project = Project(tmp_path / "project", there, place("duckdb"))
    monkeypatch.chdir(project.folder)
    looks.query(there, "CREATE TABLE kept (territory VARCHAR(9) NOT NULL, n INTEGER, PRIMARY KEY (territory))")
    looks.query(there, "INSERT INTO kept VALUES ('t0', 7), ('old', 1)")
    whole = "SIGNED" if kind == "mysql" else "INTEGER"
    sql = f"SELECT territory, CAST(count(*) AS {whole}) AS n FROM sales WHERE year = :year AND territory <> '%:year'"

    def run(into: str, mode: str, more: str = "") -> str:
        step = f'{{key: r, do: sql, at: crm, into: {into}, mode: {mode}, query: "{sql} GROUP BY 1"{more}}}'
        check = f"{{key: c, do: check, at: crm, on: {into}, after: r, rules: [{{not_empty: yes}}, {{not_null: n}}]}}"
        project.pipeline(f"params: {{year: {{type: whole, default: 2021}}}}\nsteps: [{step}, {check}]\n")
        bill = actions.run("nightly")
        assert [str(step.state) for step in bill.steps] == ["proved", "proved"], bill.steps
        return bill.steps[0].says

    accepted = ", accept: [" + {"mysql": "narrows", "sqlite": "cuts"}.get(kind, "") + "]"
    assert run("made", "replace", accepted) == "4 rows into made, replace"
    assert run("made", "replace", accepted) == "4 rows into made, replace"
    assert run("kept", "merge", accepted) == "4 rows into kept, merge"
    assert dict(looks.query(there, "SELECT * FROM kept")) == {"t0": 20, "t1": 20, "t2": 20, "t3": 20, "old": 1}
    looks.query(there, "DELETE FROM kept WHERE territory <> 'old'")
    assert run("kept", "append", accepted) == "4 rows into kept, append"
    assert len(looks.query(there, "SELECT * FROM kept")) == 5
    assert set(looks.contents(there)) == {"goals", "kept", "made", "sales"}, "nothing is left behind"
    if kind == "postgres":
        assert run("reports.made", "replace") == "4 rows into reports.made, replace"
        assert run("reports.made", "append") == "4 rows into reports.made, append"
        assert looks.query(there, "SELECT count(*) FROM reports.made") == [(8,)]


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_a_procedure_is_called_with_bound_values(place: Callable[[str], str], tmp_path: Path, monkeypatch, kind: str):
    there = place(kind)
    project = Project(tmp_path / "project", there, place("duckdb"))
    monkeypatch.chdir(project.folder)
    body = {
        "postgres": "CREATE PROCEDURE note(y integer, t text) LANGUAGE sql AS 'INSERT INTO goals VALUES (t, y, 1)'",
        "mysql": "CREATE PROCEDURE note(y integer, t varchar(9)) INSERT INTO goals VALUES (t, y, 1)",
    }[kind]
    looks.query(there, body)
    step = "{key: p, do: procedure, at: crm, call: note, values: ['${param:year}', \"o'x\"]}"
    project.pipeline(f"params: {{year: {{type: whole, default: 1999}}}}\nsteps: [{step}]\n")
    bill = actions.run("nightly")
    assert [(str(s.state), s.says, s.error) for s in bill.steps] == [("done", "note has returned", "")]
    assert looks.query(there, "SELECT territory, goal FROM goals WHERE year = 1999") == [("o'x", 1)]
    project.pipeline("steps: [{key: p, do: procedure, at: crm, call: gone}]\n")
    assert "gone" in actions.run("nightly").steps[0].error
    project.pipeline("steps: [{key: p, do: procedure, at: warehouse, call: note}]\n")
    assert actions.run("nightly").steps[0].error.startswith("Procedures of warehouse cannot be called.")


def test_a_server_is_told_that_nobody_waits_any_more(place: Callable[[str], str], tmp_path: Path, monkeypatch):
    there = place("postgres")
    project = Project(tmp_path / "project", there, place("duckdb"))
    monkeypatch.chdir(project.folder)
    query = "SELECT 1 AS nap FROM pg_sleep(300)"
    project.pipeline(
        f"steps: [{{key: s, do: sql, at: crm, into: n, query: {query}, timeout_seconds: 1, retries: 0}}]\n"
    )
    assert actions.run("nightly").steps[0].error.startswith("It took more than 1 seconds. Raise 'timeout_seconds'")
    active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' AND pid <> pg_backend_pid()"
    assert looks.query(there, active + " AND state = 'active'") == [(0,)]
    assert "n" not in looks.contents(there)


def test_an_abandoned_step_does_not_hold_the_program_up(project: Project):
    numbers = "with recursive r(a) as (select 1 union all select a + 1 from r where a < 200000000) select a from r"
    query = f"select cast(count(*) as integer) as n from ({numbers})"
    project.pipeline(f'steps:\n  - {{key: s, do: sql, at: crm, into: huge, timeout_seconds: 1, query: "{query}"}}\n')
    done = project("run", "nightly", "--quiet")
    assert (done.code, done.err) == (1, "")
    assert "It could not be ended, and may still be at work" in " ".join(done.out.split())
