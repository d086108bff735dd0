"""Runs of pipelines: order, failures, attempts, what is kept after an interruption, and each kind of step."""

import errno
import json
import re
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import StringIO
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

import lading
from lading import actions, attempts, find, progress, render, render_options, trying
from lading.desk import Outcome
from lading.ending import Stuck
from lading.errors import SpecError, Unreachable
from lading.prove import Bill, State
from lading.store import Store

CONNECTIONS = "connections:\n  crm: sqlite:///crm.db\n  wh: duckdb:///wh.duckdb\n"


class Project:
    """A folder with a pipeline 'p', and what is left in its warehouse."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "connections.yaml").write_text(CONNECTIONS, encoding="utf-8")
        (folder / "pipelines").mkdir()
        with closing(sqlite3.connect(folder / "crm.db")) as crm:
            crm.execute("CREATE TABLE sales (id INTEGER PRIMARY KEY, territory TEXT, amount DECIMAL(10,2))")
            lines = [(number, f"t{number % 3}", f"{number}.50") for number in range(30)]
            crm.executemany("INSERT INTO sales VALUES (?, ?, ?)", lines)
            crm.commit()

    def steps(self, *lines: str, before: str = "") -> None:
        text = f"{before}steps:\n" + "".join(f"  - {{{line}}}\n" for line in lines)
        (self.folder / "pipelines/p.yaml").write_text(text, encoding="utf-8")

    def run(self, start: str = "", **given: str) -> Bill:
        return actions.run("p", None, given, start)

    def query(self, sql: str):
        with closing(duckdb.connect(str(self.folder / "wh.duckdb"))) as there:
            return there.execute(sql).fetchall()

    @property
    def said(self) -> list[str]:
        file = self.folder / "said"
        return file.read_text(encoding="utf-8").split() if file.exists() else []

    def log(self, run: str, step: str) -> str:
        return (self.folder / "store/logs" / run / f"{step}.log").read_text(encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LADING_RETRY_SECONDS", "0")
    return Project(tmp_path)


def eventually(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def states(bill) -> dict[str, str]:
    return {step.key: str(step.state) for step in bill.steps}


def say(key: str, after: str = "", more: str = "", script: str = "") -> str:
    return f"key: {key}, do: bash, after: [{after}], script: 'echo {key} >> said; {script}'{more}"


MOVE = "key: sales, from: crm, to: wh"
REPORT = (
    "key: report, do: sql, at: wh, into: report, after: sales, "
    "query: 'SELECT territory, sum(amount) AS total FROM sales GROUP BY territory'"
)


# Order and failures


def test_steps_run_in_the_order_of_the_graph(project):
    project.steps(say("d", "b, c"), say("b", "a"), say("a"), say("c", "a"))
    bill = project.run()
    assert (project.said[0], sorted(project.said), project.said[-1]) == ("a", ["a", "b", "c", "d"], "d")
    assert (bill.state, states(bill)) == ("done", dict.fromkeys("abcd", "done"))
    assert bill.tables == ()


@pytest.mark.parametrize(
    ("on_failure", "expected", "said"),
    [
        ("stop", {"a": "failed", "b": "skipped", "c": "skipped", "d": "skipped"}, ["a"]),
        ("skip", {"a": "failed", "b": "skipped", "c": "skipped", "d": "done"}, ["a", "d"]),
        ("go_on", {"a": "failed", "b": "done", "c": "done", "d": "done"}, ["a", "b", "c", "d"]),
    ],
)
def test_what_a_failure_means_for_the_others(project, on_failure, expected, said):
    project.steps(
        say("a", more=f", on_failure: {on_failure}", script="echo that is why; exit 3"),
        say("b", "a"), say("c", "b"), say("d"), before="parallel: 1\n",
    )  # fmt: skip
    bill = project.run()
    assert (bill.state, states(bill), project.said) == ("failed", expected, said)
    log = project.folder / "store/logs" / bill.run / "a.log"
    assert bill.steps[0].error == f"The script ended with 3: that is why. See {log}."
    if on_failure == "skip":
        assert [step.says for step in bill.steps[1:3]] == ["'a' failed", "'b' was left out"]
    with pytest.raises(lading.DataError, match="Step 'a': The script ended with 3") as caught:
        lading.run("p", quiet=True)
    assert caught.value.bill.state == "failed"


def test_a_move_a_report_and_a_check(project):
    project.steps(MOVE, REPORT, "key: check, do: check, at: wh, on: report, after: report, rules: [{rows: {min: 3}}]")
    bill = project.run()
    assert (bill.state, states(bill)) == ("proved", {"sales": "proved", "report": "proved", "check": "proved"})
    assert [step.says for step in bill.steps] == ["30 rows in 1 table", "3 rows into report, replace",
                                                  "report keeps 1 rule"]  # fmt: skip
    assert [(table.table, table.rows.target) for table in bill.tables] == [("sales", 30)]
    assert (bill.source, bill.target) == (f"sqlite:///{project.folder}/crm.db", f"duckdb:///{project.folder}/wh.duckdb")
    assert project.query("SELECT * FROM report ORDER BY 1")[0][0] == "t0"
    assert [each.run for each in actions.history()] == [bill.run], "the move's own run is a part of it"
    assert actions.bill("last").steps == bill.steps
    assert actions.bill(bill.steps[0].bill).tables == bill.tables
    assert project.query("SELECT table_name FROM information_schema.tables ORDER BY 1") == [("report",), ("sales",)]


def test_what_a_person_sees(project):
    """On a terminal one line for each step is left, in logs one with its time."""
    project.steps(
        MOVE,
        "title: Territories, " + REPORT,
        say("a", "report", script="sleep 0.6"),
        say("b", script="exit 1"),
        before="parallel: 1\n",
    )
    page = StringIO()
    watch = progress.Live(Console(file=page, force_terminal=True, width=300, color_system=None))
    actions.run("p", watch)
    shown = re.sub(r"\x1b\[[0-9?]*[a-zA-Z]", "", page.getvalue())
    assert re.search(r"running     a  bash  0\.\d s|running     a  bash  \d+ ms", shown)
    run = actions.bill("last").run
    lines = [re.sub(r"\d+ ms|[\d.]+ s", "TIME", line) for line in shown.splitlines() if not line.startswith("running")]
    assert [line.rstrip() for line in lines if line[10:12] == "  " and "━" not in line and line.strip()] == [
        "proved      sales  TIME: 30 rows in 1 table",
        "proved      report  TIME: 3 rows into report, replace",
        "done        a  TIME: no output",
        f"failed      b  TIME: The script ended with 1. See {project.folder}/store/logs/{run}/b.log.",
    ]
    options = {option.name: option.value for option in actions.explain("p") if option.step == "report"}
    assert (options["title"], options["at"], options["after"]) == ("Territories", "wh", ("sales",))


def test_what_a_rule_is_explained_as(project):
    project.steps("key: c, do: check, at: wh, on: t, rules: [{unique: [a, b]}, {rows: {min: 3}, severity: warn}]")
    found = {option.name: option for option in actions.explain("p")}
    assert found["rules"].value == ({"unique": ("a", "b")}, {"rows": {"low": 3}, "severity": "warn"})
    assert found["rules"].origin == "pipelines/p.yaml:2"
    assert "unique: a, b, rows: low: 3, severity: warn" in render.text(
        render_options.options, list(found.values()), 200
    )


def test_a_run_from_a_step_on(project):
    project.steps(say("a"), say("b", "a"), say("c", "b"), say("d"))
    bill = project.run("b")
    assert project.said == ["b", "c"]
    assert states(bill) == {"a": "skipped", "b": "done", "c": "done", "d": "skipped"}
    with pytest.raises(SpecError, match=r"^'p' has no step 'x'\. There are: a, b, c, d\.$"):
        project.run("x")


# Attempts


def test_what_may_pass_is_tried_again(project):
    project.steps(say("a", script="[ $(wc -l < said) -gt 2 ] || exit 75", more=", retries: 3"))
    bill = project.run()
    assert (bill.state, bill.steps[0].attempts, len(project.said)) == ("done", 3, 3)
    assert "Trying again in 0 seconds" in project.log(bill.run, "a")


def test_what_fails_for_good_is_not_tried_again(project):
    project.steps(say("a", script="exit 1", more=", retries: 3"))
    assert (project.run().steps[0].attempts, len(project.said)) == (1, 1)


def test_a_system_that_does_not_answer_is_tried_as_often_as_was_asked(project):
    gone = "  gone: postgresql://me@127.0.0.1:1/gone\n"
    (project.folder / "connections.yaml").write_text(CONNECTIONS + gone, encoding="utf-8")
    project.steps("key: a, do: check, at: gone, on: t, retries: 1, rules: [{not_empty: yes}]")
    bill = project.run()
    assert (bill.steps[0].error_kind, bill.steps[0].attempts) == ("unreachable", 2)


def test_a_step_ends_after_its_time(project):
    project.steps(say("a", script="sleep 60 & sleep 60; echo never >> said", more=", timeout_seconds: 1, retries: 0"))
    bill = project.run()
    assert bill.steps[0].error == (
        "It took more than 1 seconds. Raise 'timeout_seconds', or find out what it waits for."
    )
    assert (bill.state, bill.steps[0].error_kind, project.said) == ("failed", "unreachable", ["a"])


def test_a_statement_ends_with_its_step(project):
    endless = "SELECT count(*) AS n FROM range(100000000) a, range(100000000) b WHERE (a.range * b.range) % 7 = 1"
    step = f"key: s, do: sql, at: wh, into: n, query: '{endless}', timeout_seconds: 1, retries: 1, on_failure: go_on"
    project.steps(step, "key: t, do: sql, at: wh, into: n, query: SELECT 1 AS n")
    bill = project.run()
    assert [(str(step.state), step.attempts) for step in bill.steps] == [("failed", 2), ("proved", 1)]
    assert bill.steps[0].error.startswith("It took more than 1 seconds. Raise 'timeout_seconds'")


def test_a_step_that_ends_well_as_its_time_is_over_is_done(project, monkeypatch):
    """What it did cannot be taken back, so it is not tried again."""
    module = find.step_module("bash")

    def late(step, desk):
        desk.over.wait(20)
        done = Outcome(state=State.DONE, says="published")
        desk.settle(done)
        with (project.folder / "said").open("a", encoding="utf-8") as said:
            said.write("done ")
        return done

    monkeypatch.setattr(module, "run", late)
    project.steps("key: a, do: bash, script: 'x', timeout_seconds: 1, retries: 2")
    bill = project.run()
    assert (bill.steps[0].state, bill.steps[0].attempts, project.said) == ("done", 1, ["done"])


def test_a_step_that_cannot_be_ended_is_not_tried_again(project, monkeypatch):
    module = find.step_module("bash")

    def deaf(step, desk):
        desk.over.wait(20)
        raise Stuck

    monkeypatch.setattr(module, "run", deaf)
    project.steps("key: a, do: bash, script: 'x', timeout_seconds: 1, retries: 2")
    bill = project.run()
    assert (bill.steps[0].attempts, bill.steps[0].error_kind) == (1, "data")
    assert "could not be ended" in bill.steps[0].error


def test_a_full_disk_fails_the_step_alone(project, monkeypatch):
    def full(step, desk):
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/x")

    monkeypatch.setattr(find.step_module("bash"), "run", full)
    counted = "key: b, do: sql, at: wh, into: n, query: SELECT 1 AS n"
    project.steps("key: a, do: bash, script: 'x', on_failure: go_on", counted)
    bill = project.run()
    assert states(bill) == {"a": "failed", "b": "proved"}
    assert bill.steps[0].error == "/tmp/x: No space left on device. Mend that, then run again."


# Interruptions


class Cut(BaseException):
    """As when the process is interrupted."""


def interrupt(monkeypatch, key: str, after: bool) -> None:
    """The run is cut off when it comes to a step: before it begins, or after it has done its work, unnoticed."""
    real = trying._carried_out

    def cut(step, desk, over):
        if step.key != key:
            return real(step, desk, over)
        if after:
            real(step, desk, over)
        raise Cut

    monkeypatch.setattr(trying, "_carried_out", cut)


def resumed(project, monkeypatch, key: str, after: bool = False):
    with monkeypatch.context() as patch:
        interrupt(patch, key, after)
        with pytest.raises(Cut):
            project.run()
    return project.run()


def test_what_followed_a_step_that_may_fail_is_not_done_again(project, monkeypatch):
    fails = "key: a, do: bash, script: 'exit 1', retries: 0, on_failure: go_on"
    project.steps(fails, say("b", "a"), say("c", "b"))
    bill = resumed(project, monkeypatch, "c")
    assert project.said == ["b", "c"]
    assert [(step.key, step.kept) for step in bill.steps] == [("a", False), ("b", True), ("c", False)]


def test_an_interrupted_run_goes_on_with_its_first_unfinished_step(project, monkeypatch):
    project.steps(say("a"), say("b", "a"), say("c", "b"))
    bill = resumed(project, monkeypatch, "b")
    assert project.said == ["a", "b", "c"]
    assert [(step.key, step.kept) for step in bill.steps] == [("a", True), ("b", False), ("c", False)]
    assert [each.run for each in actions.history()] == [bill.run]
    assert project.run().run != bill.run, "a run that has its bill is over"
    assert project.said == ["a", "b", "c"] * 2


def test_a_step_that_was_changed_meanwhile_is_done_again_and_what_follows_it(project, monkeypatch):
    project.steps(say("a"), say("x"), say("b", "a"), say("c", "b"))
    with monkeypatch.context() as patch:
        interrupt(patch, "c", False)
        with pytest.raises(Cut):
            project.run()
    project.steps(say("a", script="true"), say("x"), say("b", "a"), say("c", "b"))
    bill = project.run()
    assert sorted(project.said[:2]) == ["a", "x"]
    assert project.said[2:] == ["b", "a", "b", "c"]
    assert [step.key for step in bill.steps if step.kept] == ["x"]


def test_other_parameters_are_another_run(project, monkeypatch):
    project.steps(say("a"), say("b", "a"), before="params: {day: {type: date, default: 2026-01-01}}\n")
    with monkeypatch.context() as patch:
        interrupt(patch, "b", False)
        with pytest.raises(Cut):
            project.run()
    bill = project.run(day="2026-01-02")
    assert [step.kept for step in bill.steps] == [False, False]
    assert project.said == ["a", "a", "b"]


def test_rows_that_were_appended_unnoticed_are_not_appended_twice(project, monkeypatch):
    project.steps(MOVE, REPORT + ", mode: append")
    project.run()
    assert project.query("SELECT count(*) FROM report") == [(3,)]
    real = attempts.end

    def lost(store, run, step, number, outcome):
        if step.key != "report" or outcome is None:
            return real(store, run, step, number, outcome)
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(attempts, "end", lost)
        with pytest.raises(Cut):
            project.run()
    assert project.query("SELECT count(*) FROM report") == [(6,)], "published, and nobody noted it"
    bill = project.run()
    assert project.query("SELECT count(*) FROM report") == [(6,)]
    assert (bill.state, bill.steps[0].kept) == ("unproved", True)
    assert "published by an interrupted attempt" in bill.steps[1].says
    project.run()
    assert project.query("SELECT count(*) FROM report") == [(9,)]
    assert project.query("SELECT table_name FROM information_schema.tables ORDER BY 1") == [("report",), ("sales",)]


def test_a_pipeline_that_is_at_work_is_not_run_twice(project, own_store):
    project.steps(say("a"))
    ledger = Store(f"sqlite:///{own_store}/store.db")
    ledger.begin("00000000-000000-0000", "p")
    with pytest.raises(SpecError, match="Run 00000000-000000-0000 of 'p' is at work right now"):
        project.run()
    assert project.said == []
    ledger.end("00000000-000000-0000", "interrupted", None)
    ledger.close()
    assert project.run().state == "done"


def test_a_failed_run_is_resumed_where_it_failed(project):
    broken = project.folder / "broken"
    broken.touch()
    steps = (MOVE, say("a", "sales", script=f"test ! -e {broken}"), say("b", "a"), say("d"), say("e", "d"))
    project.steps(*steps)
    first = project.run()
    assert (first.state, sorted(project.said)) == ("failed", ["a", "d", "e"])
    broken.unlink()
    again = actions.run("p", how=actions.How(resume="last"))
    assert again.run != first.run
    assert states(again) == {"sales": "proved", "a": "done", "b": "done", "d": "done", "e": "done"}
    assert {step.key for step in again.steps if step.kept} == {"sales", "d", "e"}
    assert sorted(project.said) == ["a", "a", "b", "d", "e"]
    assert [table.table for table in again.tables] == ["sales"], "the bill is whole"
    project.steps(*steps[:3], say("d", script="true # changed"), steps[4])
    third = actions.run("p", how=actions.How(resume=first.run))
    assert {step.key for step in third.steps if step.kept} == {"sales"}
    assert actions.bill(first.run) == first
    with pytest.raises(SpecError, match="is one of 'p', not of 'q'"):
        actions.run("q", how=actions.How(resume=first.run))
    with pytest.raises(SpecError, match=f"Run {third.run} left nothing undone. To run it all again: lading run p"):
        actions.run("p", how=actions.How(resume="last"))
    assert [bill.run for bill in actions.history()] == [third.run, again.run, first.run]


# One step at a time


def test_steps_one_by_one_make_the_same_bill(project):
    project.steps(MOVE, REPORT, say("a", "report"))
    lines = [actions.run_step("p", key, "r1") for key in ("sales", "report", "a", "a")]
    assert [str(line.state) for line in lines] == ["proved", "proved", "done", "done"]
    assert [line.kept for line in lines] == [False, False, False, True]
    assert project.said == ["a"], "what is done is not done again"
    assert (actions.bill("r1").state, states(actions.bill("r1"))) == (
        "proved", {"sales": "proved", "report": "proved", "a": "done"},
    )  # fmt: skip
    project.steps(MOVE, REPORT, say("a", "report"), say("b"))
    with pytest.raises(SpecError, match="Run r1 has ended, and its bill never changes"):
        actions.run_step("p", "b", "r1")


def test_steps_side_by_side_make_a_bill_too(project):
    """Whichever ends last sees the others."""
    project.steps(say("a", script="sleep 1"), say("b", script="sleep 1"))
    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(lambda key: actions.run_step("p", key, "r1"), ("a", "b")))
    assert [str(each.state) for each in done] == ["done", "done"]
    assert states(actions.bill("r1")) == {"a": "done", "b": "done"}


def test_a_step_after_one_that_failed_is_left_out(project):
    project.steps(say("a", script="exit 1"), say("b", "a"))
    assert actions.run_step("p", "a", "r1").state == "failed"
    assert actions.run_step("p", "b", "r1").state == "skipped"
    assert project.said == ["a"]
    project.steps(say("a", script="true"), say("b", "a"))
    assert [str(actions.run_step("p", key, "r1").state) for key in ("a", "b")] == ["done", "done"]


def test_a_step_that_may_be_tried_again_leaves_none_out_and_none_goes_before_it(project):
    down = project.folder / "down"
    down.touch()
    project.steps(say("a", script=f"test ! -e {down} || exit 75"), say("b"), say("c", "a, b"))
    assert actions.run_step("p", "a", "r1").state == "failed"
    with pytest.raises(Unreachable, match="'c' of run r1 comes after 'a', which has not ended well"):
        actions.run_step("p", "c", "r1")
    assert actions.run_step("p", "b", "r1").state == "done"
    with pytest.raises(Unreachable, match="comes after 'a'"):
        actions.run_step("p", "c", "r1")
    down.unlink()
    assert [str(actions.run_step("p", key, "r1").state) for key in ("a", "c")] == ["done", "done"]
    assert project.said == ["a", "b", "a", "c"]
    assert actions.bill("r1").state == "done"


def test_what_closes_a_run_hears_of_a_step_that_was_given_up(project):
    project.steps(say("a", script="exit 75"), "key: t, do: notify, channel: team, when: failed")
    assert actions.run_step("p", "a", "r1").state == "failed"
    found = actions.run_step("p", "t", "r1")
    assert "team" in found.error, "it was to be told"


def test_ids_of_runs_are_names(project):
    project.steps(say("a"))
    with pytest.raises(SpecError, match="cannot be the id of a run"):
        actions.run_step("p", "a", "../x")


# bash


def test_a_script_has_no_secrets_but_those_that_are_named(project, monkeypatch):
    monkeypatch.setenv("HIDDEN", "geheim-1")
    monkeypatch.setenv("GIVEN", "geheim-2")
    script = 'echo "h=$' + '{HIDDEN:-none} g=$GIVEN o=$OWN d=$PARAM_DAY r=$LADING_RUN"'
    (project.folder / "pipelines/s.sh").write_text(script, encoding="utf-8")
    project.steps(
        "key: a, do: bash, file: s.sh, secrets: GIVEN, env: {OWN: mine}",
        before="params: {day: {type: date, default: 2026-02-28}}\n",
    )
    bill = project.run()
    assert bill.steps[0].says == f"h=none g=*** o=mine d=2026-02-28 r={bill.run}"
    assert "geheim" not in project.log(bill.run, "a") + json.dumps(bill.model_dump(mode="json"))
    monkeypatch.delenv("GIVEN")
    assert "needs the environment variable GIVEN, which is not set" in project.run().steps[0].error


def test_a_script_may_say_that_there_was_nothing_to_do(project):
    project.steps(say("a", script="echo no file; exit 10"), say("b", "a"))
    bill = project.run()
    assert states(bill) == {"a": "skipped", "b": "skipped"}
    assert (bill.state, bill.steps[0].says) == ("done", "no file")


def test_what_a_script_leaves_running_ends_with_it(project):
    project.steps(say("a", script="sleep 300 & echo $! > pid"))
    threads = threading.active_count()
    assert project.run().state == "done"
    stat = Path("/proc") / (project.folder / "pid").read_text().strip() / "stat"
    assert eventually(lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z")
    assert threading.active_count() <= threads + 1


# sql


def test_a_report_that_is_replaced_merged_and_appended(project):
    query = "query: 'SELECT territory, count(*) AS n FROM sales WHERE amount >= :least GROUP BY territory'"
    before = "params: {least: {type: number, default: 0}}\n"
    for mode in ("replace", "merge"):
        step = f"key: r, do: sql, at: wh, into: main.r, mode: {mode}, merge_key: territory, after: sales, {query}"
        project.steps(MOVE, step, before=before)
        assert project.run(least="28" if mode == "merge" else "0").state == "proved"
    assert dict(project.query("SELECT * FROM r")) == {"t0": 10, "t1": 1, "t2": 1}
    project.steps(MOVE, step.replace("merge,", "append,"), before=before)
    assert project.run(least="28").steps[1].says == "2 rows into main.r, append"
    assert len(project.query("SELECT * FROM r")) == 5


def test_a_report_in_a_schema_of_its_own(project):
    project.steps(MOVE, REPORT.replace("into: report", "into: reports.territories"))
    assert [project.run().state, project.run().state] == ["proved", "proved"]
    assert project.query("SELECT count(*) FROM reports.territories") == [(3,)]


def test_a_select_whose_values_do_not_fit_the_table_stops_before_it(project):
    project.steps(MOVE)
    project.run()
    project.query("CREATE TABLE narrow (id SMALLINT)")
    step = "key: n, do: sql, at: wh, into: narrow, query: 'SELECT CAST(id AS BIGINT) AS id FROM sales'"
    project.steps(step)
    bill = project.run()
    assert bill.steps[0].error_kind == "spec"
    assert "id:narrows" in bill.steps[0].error
    assert project.query("SELECT count(*) FROM narrow") == [(0,)]
    project.steps(step + ", accept: narrows")
    assert project.run().state == "proved"
    assert project.query("SELECT count(*) FROM narrow") == [(30,)]


def test_a_report_in_sqlite(project):
    project.steps("key: r, do: sql, at: crm, into: r, query: 'SELECT territory, count(*) AS n FROM sales GROUP BY 1'")
    bill = project.run()
    assert bill.steps[0].error.endswith("Write CAST(... AS ...) with a type of the system.")
    cast = "SELECT territory, CAST(count(*) AS INTEGER) AS n FROM sales WHERE id > :low GROUP BY 1"
    project.steps(f"key: r, do: sql, at: crm, into: r, query: '{cast}'", before="params: {low: {type: whole}}\n")
    assert project.run(low="1").state == "proved"
    assert project.run(low="27").steps[0].says == "2 rows into r, replace"
    with closing(sqlite3.connect("crm.db")) as crm:
        assert sorted(crm.execute("SELECT * FROM r")) == [("t1", 1), ("t2", 1)]
        names = [name for (name,) in crm.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
    assert names == ["r", "sales"]


SWALLOWED = {
    "append": ("proof", "The select gave 3 rows, and 2 are in 'kept'"),
    "merge": ("data", "Triggers of 'kept' change the rows that are written"),  # before they are visible
}


@pytest.mark.parametrize("mode", SWALLOWED)
def test_rows_that_the_table_swallows_are_missed(project, mode):
    with closing(sqlite3.connect("crm.db")) as crm:
        crm.execute("CREATE TABLE kept (territory TEXT NOT NULL PRIMARY KEY, n INTEGER)")
        eaten = "BEGIN SELECT RAISE(IGNORE); END"
        crm.execute(f"CREATE TRIGGER eat BEFORE INSERT ON kept WHEN NEW.territory = 't2' {eaten}")
    query = "SELECT territory, CAST(count(*) AS INTEGER) AS n FROM sales GROUP BY 1"
    project.steps(f"key: r, do: sql, at: crm, into: kept, mode: {mode}, query: '{query}'")
    bill = project.run()
    assert (bill.steps[0].error_kind, bill.steps[0].error.partition(". ")[0]) == SWALLOWED[mode]


def test_a_select_needs_a_database_that_can_be_written_to(project):
    (project.folder / "connections.yaml").write_text(CONNECTIONS + "  files: {kind: files, path: csv}\n", "utf-8")
    (project.folder / "csv").mkdir()
    project.steps("key: r, do: sql, at: files, into: r, query: SELECT 1 AS a")
    assert project.run().steps[0].error.startswith("files cannot keep the rows of a select.")
