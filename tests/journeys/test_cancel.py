"""Runs that somebody ends: what they were at ends too, and they are gone on with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.forked import Forked
from tests.journeys import looks
from tests.journeys.test_steps import Project, eventually, project

__all__ = ["project"]

ACTIVE = {
    "postgres": "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%slow%' "
    "AND pid <> pg_backend_pid()",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%slow%' AND id <> connection_id()",
}


def cancelled(project: Project, process: Forked) -> str:
    """Ends the run of a process from another one; what the first said of it."""
    done = project("cancel", "nightly")
    said, errors = process.communicate(timeout=60)
    assert (done.code, done.out.split(maxsplit=1)[1]) == (0, "is cancelled\n"), done.err
    assert process.returncode == 130
    assert "To go on with it: lading run nightly" in errors or not errors, errors
    return errors or said


def test_a_script_that_will_not_end_ends_and_the_run_is_gone_on_with(project: Project):
    stubborn = "trap '' TERM; echo $$ >> told; test -e go || sleep 300"
    project.pipeline(
        'steps:\n  - {key: a, do: bash, script: "echo a >> told"}\n'
        f'  - {{key: b, do: bash, after: a, script: "{stubborn}"}}\n'
    )
    process = project.start("run", "nightly", "--quiet")
    assert eventually(lambda: len(project.told()) == 2)
    second = project("run", "nightly", "--quiet")
    assert (second.code, "Wait for it, or end it with 'lading cancel'." in second.err) == (75, True)
    said = cancelled(project, process)
    assert said.startswith("Run ")
    script = Path("/proc") / project.told()[1] / "stat"
    assert eventually(lambda: not script.exists() or script.read_text().rpartition(")")[2].split()[0] == "Z")
    none = project("cancel", "nightly")
    assert (none.code, none.err) == (2, "error: No run 'nightly' is at work.\n  At work: none.\n")
    (project.folder / "go").touch()
    done = project("run", "nightly", "--quiet", "--json")
    bill = json.loads(done.out)
    assert [(step["state"], step["kept"]) for step in bill["steps"]] == [("done", True), ("done", False)]
    assert bill["run"] == said.split()[1]


def test_history_names_the_runs_that_have_no_bill(project: Project):
    def unfinished() -> list[tuple[str, str]]:
        found = json.loads(project("history", "--json").out)["unfinished"]
        assert found == json.loads(project("history", "nightly", "--json").out)["unfinished"]
        return [(each["run"], each["state"]) for each in found]

    project.pipeline(
        'steps:\n  - {key: a, do: bash, script: "echo a >> told; until test -e go; do sleep 0.1; done"}\n'
        '  - {key: b, do: bash, after: a, script: "true"}\n'
    )
    process = project.start("run", "nightly", "--quiet")
    assert eventually(lambda: len(project.told()) == 1)
    ((run, state),) = unfinished()
    assert state == "running"
    cancelled(project, process)
    assert unfinished() == [(run, "cancelled")]
    process = project.start("run", "nightly", "--quiet")
    assert eventually(lambda: len(project.told()) == 2)
    assert unfinished() == [(run, "running")]
    process.kill()
    process.communicate(timeout=60)
    assert unfinished() == [(run, "interrupted")]
    (project.folder / "go").touch()
    assert project("run-step", "--pipeline", "nightly", "--step", "a", "--run", "own").code == 0
    assert unfinished() == [("own", "open"), (run, "interrupted")]
    assert [line.split()[:4] for line in project("history").out.splitlines()[2:]] == [
        ["…", "open", "own", "nightly"], ["…", "interrupted", run, "nightly"]
    ]  # fmt: skip
    assert project("run-step", "--pipeline", "nightly", "--step", "b", "--run", "own").code == 0
    assert unfinished() == [(run, "interrupted")]
    assert len(project("history", "--limit", "1").out.splitlines()) == 3
    other = project("history", "other")
    assert (other.code, other.err) == (2, "error: There is no pipeline 'other'.\n  There are: nightly.\n")


@pytest.mark.parametrize(
    ("kind", "do"),
    [("postgres", "sql"), ("postgres", "move"), ("postgres", "prove"), ("mysql", "sql"), ("mysql", "move")],
)
def test_a_server_ends_what_the_run_had_asked_of_it(place: Callable[[str], str], tmp_path: Path, kind: str, do: str):
    there = place(kind)
    project = Project(tmp_path / "project", there, place("duckdb"))
    nap, active = {"postgres": "pg_sleep(300)", "mysql": "sleep(300)"}[kind], ACTIVE[kind]
    looks.query(there, f"CREATE VIEW slow AS SELECT id + length(cast({nap} AS char)) AS id FROM sales")
    if do == "prove":
        looks.query(project.target, "CREATE TABLE slow (id BIGINT)")
    project.pipeline(
        "steps:\n"
        + {
            "sql": "  - {key: s, do: sql, at: crm, into: made, query: SELECT id FROM slow}\n",
            "move": "  - {key: s, from: crm, to: warehouse, tables: [slow]}\n",
            "prove": "  - {key: s, from: crm, to: warehouse, tables: [slow]}\n  - {key: p, do: prove, step: s}\n",
        }[do]
    )
    one = ("run-step", "--pipeline", "nightly", "--step", "p", "--run", "n1")
    process = project.start(*(one if do == "prove" else ("run", "nightly", "--quiet")))
    assert eventually(lambda: looks.query(there, active)[0][0] > 0)
    said = cancelled(project, process)
    assert "could not be ended" not in said
    assert looks.query(there, active)[0][0] == 0


def test_what_cannot_be_told_to_end_is_named(project: Project):
    numbers = "with recursive r(a) as (select 1 union all select a + 1 from r where a < 200000000) select a from r"
    query = f"select cast(count(*) as integer) as n from ({numbers})"
    project.pipeline(f'steps:\n  - {{key: s, do: sql, at: crm, into: huge, query: "{query}"}}\n')
    process = project.start("run", "nightly", "--quiet")
    assert eventually((project.folder / ".lading/logs").exists)
    said = " ".join(cancelled(project, process).split())
    what = f"Step 's' could not be ended, and may still be at work in {project.source}, which cannot be told to end"
    assert what in said


def test_a_step_that_is_at_work_is_not_begun_twice(project: Project):
    project.pipeline("steps:\n  - {key: a, do: bash, script: 'echo $$ >> told; sleep 300'}\n")
    words = ("run-step", "--pipeline", "nightly", "--step", "a", "--run", "n1")
    process = project.start(*words)
    assert eventually(project.told)
    second = project(*words)
    last = json.loads(second.out.splitlines()[-1])
    assert (second.code, last["code"], last["error"]) == (
        75, 75, "Step 'a' of run n1 is at work right now. Wait for it, or end it with 'lading cancel'.",
    )  # fmt: skip
    assert len(project.told()) == 1
    ended = json.loads(cancelled(project, process).splitlines()[-1])
    assert (ended["event"], ended["state"], ended["code"]) == ("ended", "cancelled", 130)
    process = project.start(*words)
    assert eventually(lambda: len(project.told()) == 2), "what was asked before does not end this one"
    cancelled(project, process)
