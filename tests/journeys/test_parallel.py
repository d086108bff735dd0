"""Steps at the same time: as many as may be, never two where one writes, and what is left when they are cut off."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from collections import Counter
from io import StringIO
from itertools import combinations

import pytest
import sqlalchemy as sa
from rich.console import Console

from lading import actions, attempts, config, progress
from lading.store import Store
from tests.journeys import looks
from tests.journeys.test_steps import Project, eventually, project

__all__ = ["project"]

SEED = int(os.environ.get("LADING_TEST_SEED", "1"))


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("LADING_STORE", str(project.folder / "store.db"))
    return project


def meet(key: str, *others: str, more: str = "") -> str:
    """A step that ends well only while the others are at work too."""
    waits = "; ".join(
        f"for n in $(seq 300); do test -e {each} && break; sleep 0.1; done; test -e {each}" for each in others
    )
    return f'  - {{key: {key}, do: bash, script: "touch {key}; {waits}"{more}}}\n'


def spans(run: str) -> dict[str, tuple[str, str]]:
    """When the attempts at the steps of a run began and ended."""
    store = Store(os.environ["LADING_STORE"])
    rows = store.rows(sa.select(attempts.step_runs).where(attempts.step_runs.c.run == run))
    store.close()
    return {row.step: (row.began, row.ended) for row in rows}


def apart(found: dict[str, tuple[str, str]]) -> bool:
    return all(a[1] <= b[0] or b[1] <= a[0] for a, b in combinations(found.values(), 2))


def test_steps_that_do_not_follow_each_other_are_at_work_together(here: Project):
    here.pipeline(
        "steps:\n"
        + meet("a", "b", "c")
        + meet("b", "a", "c")
        + meet("c", "a", "b")
        + meet("d", more=", after: [a, b, c]")
    )
    bill = actions.run("nightly")
    assert [(step.key, str(step.state)) for step in bill.steps] == [(key, "done") for key in "abcd"]


def test_no_more_steps_than_may_be(here: Project):
    script = "test ! -e busy || echo twice >> told; touch busy; sleep 0.2; rm busy; echo x >> told"
    steps = "".join(f'  - {{key: s{n}, do: bash, script: "{script}"}}\n' for n in range(4))
    here.pipeline(f"parallel: 1\nsteps:\n{steps}")
    assert actions.run("nightly").state == "done"
    here.pipeline(f"steps:\n{steps}")
    assert actions.run("nightly", how=actions.How(parallel=1)).state == "done"
    assert here.told() == ["x"] * 8


def test_a_file_is_written_by_one_step_at_a_time(here: Project):
    """Two moves and two reports into one DuckDB file, and a move that only reads the SQLite file beside them."""
    slow = "SELECT count(*) AS n FROM range(30000000) t(i) WHERE i % 7 = 1"
    here.pipeline(
        "steps:\n"
        "  - {key: sales, from: crm, to: warehouse, tables: [sales]}\n"
        "  - {key: goals, from: crm, to: warehouse, tables: [goals]}\n"
        f'  - {{key: one, do: sql, at: warehouse, into: one, query: "{slow}"}}\n'
        f'  - {{key: two, do: sql, at: warehouse, into: two, query: "{slow}"}}\n'
    )
    bill = actions.run("nightly")
    assert bill.state == "proved", bill
    assert sorted((table.table, table.rows.target) for table in bill.tables) == [("goals", 12), ("sales", 240)]
    assert len(spans(bill.run)) == 4
    assert apart(spans(bill.run))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_connection_serves_only_so_many_steps_of_all_runs(request, project: Project, monkeypatch, kind: str):
    """What a process that was killed had is free again."""
    url = request.getfixturevalue("pg_database") if kind == "postgres" else str(project.folder / "store.db")
    monkeypatch.setattr(Project, "env", {"LADING_STORE": url})
    text = (project.folder / "connections.yaml").read_text(encoding="utf-8")
    limited = f"crm: {{kind: sqlite, path: '{project.source.removeprefix('sqlite:///')}', steps: 1}}"
    text = text.replace(f"crm: {project.source}", limited)
    (project.folder / "connections.yaml").write_text(text, encoding="utf-8")
    endless = "with recursive r(a) as (select 1 union all select a + 1 from r) select a from r where a < 0"
    check = "steps: [{key: c, do: check, at: crm, on: sales, rules: [{%s}]}]\n"
    project.pipeline(check % f"sql: '{endless}'")
    other = project.folder / "pipelines/other.yaml"
    other.write_text(check % "not_empty: yes", encoding="utf-8")
    first = project.start("run", "nightly", "--run", "one", "--quiet")
    assert eventually(lambda: list(project.folder.glob("**/logs/one/c.log")))
    second = project.start("run", "other", "--run", "two", "--quiet")
    said = "Waiting for other steps to leave steps at crm"
    assert eventually(lambda: any(said in log.read_text() for log in project.folder.glob("**/logs/two/c.log")))
    assert second.poll() is None
    first.send_signal(signal.SIGKILL)
    first.communicate()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors


def test_steps_at_a_connection_one_after_the_other(here: Project):
    text = (here.folder / "connections.yaml").read_text(encoding="utf-8")
    limited = f"crm: {{kind: sqlite, path: '{here.source.removeprefix('sqlite:///')}', steps: 1}}"
    text = text.replace(f"crm: {here.source}", limited)
    (here.folder / "connections.yaml").write_text(text, encoding="utf-8")
    slow = (
        "with recursive r(a) as (select 1 union all select a + 1 from r where a < 400000) select a from r where a < 0"
    )
    check = "{key: %s, do: check, at: crm, on: sales, rules: [{sql: '%s'}]}"
    here.pipeline(f"steps: [{check % ('a', slow)}, {check % ('b', slow)}, {check % ('c', slow)}]\n")
    bill = actions.run("nightly")
    assert bill.state == "proved"
    assert apart(spans(bill.run))


def test_two_moves_of_tables_with_the_same_name_are_shown_apart(here: Project):
    page = StringIO()
    watch = progress.Live(Console(file=page, force_terminal=True, width=200, color_system=None))
    here.pipeline("steps: [{key: a, from: crm, to: warehouse, tables: [sales]}, {key: b, do: bash, script: sleep 1}]\n")
    actions.run("nightly", watch)
    shown = re.sub(r"\x1b\[[0-9?]*[a-zA-Z]", "", page.getvalue())
    assert "running     b  bash" in shown
    told = progress.Quiet()
    one, two = (told.beside(step) for step in config.pipeline("nightly").steps)
    one.begin("sales", 3, 1)
    two.begin("sales", 5, 1)
    two.moved("sales", 2, 10)
    one.state("sales", "proved")
    two.end()
    assert [(name, line.word, line.moved) for name, line in told.lines.items()] == [("sales", "proved", 0)]


def test_after_a_failure_nothing_more_begins_and_what_is_at_work_ends(here: Project):
    noted = "until grep -q failed logs/$LADING_RUN/b.log; do sleep 0.1; done; sleep 1"
    here.pipeline(
        f"steps:\n  - {{key: a, do: bash, script: '{noted}'}}\n  - {{key: b, do: bash, script: exit 1}}\n"
        "  - {key: c, do: bash, after: a, script: 'true'}\n"
    )
    bill = actions.run("nightly")
    assert [(step.key, str(step.state)) for step in bill.steps] == [("a", "done"), ("b", "failed"), ("c", "skipped")]


@pytest.mark.parametrize("times", [3, pytest.param(30, marks=pytest.mark.soak)])
def test_killed_while_several_steps_are_at_work(project: Project, times: int):
    """Rows are appended once, whatever was at work when it was killed."""
    steps = "".join(
        f"  - {{key: r{n}, do: sql, at: warehouse, into: r{n}, mode: append, query: SELECT id FROM sales, after: m}}\n"
        f"  - {{key: t{n}, do: bash, script: 'sleep 0.2; echo r{n} >> told', after: r{n}}}\n"
        for n in range(3)
    )
    project.pipeline("steps:\n  - {key: m, from: crm, to: warehouse}\n" + steps)
    rng, ended, kills = random.Random(SEED), 0, 0
    while kills < times:
        process = project.start("run", "nightly", "--quiet")
        time.sleep(rng.uniform(1.0, 6.0))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        ended += process.wait() == 0
        process.communicate()
    last = project("run", "nightly", "--quiet", "--json")
    assert last.code in (0, 3), last.err
    bills = json.loads(project("history", "--json").out)
    runs = len(bills["runs"] if isinstance(bills, dict) else bills)
    for n in range(3):
        assert looks.query(project.target, f"SELECT count(*) FROM r{n}") == [(240 * runs,)]
    assert set(Counter(project.told())) == {"r0", "r1", "r2"}
