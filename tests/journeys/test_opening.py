"""Steps that are opened: their notebooks run for real, nothing sensitive is in them, and what is changed is saved."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from copy import copy as copy_of
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner

from lading import actions, actions_opening, config, notebook, opening
from lading.cli import lading
from lading.errors import SpecError, Unsupported
from lading.steps.sql import Sql
from tests.journeys.test_graph import Project

CONNECTIONS = "connections:\n  crm: sqlite:///crm.db\n  wh: {kind: duckdb, path: wh.duckdb, sensitive: [territory]}\n"
PIPELINE = """params: {least: {type: whole, default: 3}}
steps:
  - {key: sales, from: crm, to: wh}
  - key: report
    do: sql
    at: wh
    into: report
    after: sales
    query: |
      SELECT territory, sum(amount) AS total
      FROM sales WHERE amount > :least GROUP BY territory
  - {key: f, do: python, file: f.py, function: f, inputs: {sales: {at: wh, table: sales}}, to: wh, into: big,
     after: sales, merge_key: id, frames: polars}
"""
CODE = "import polars as pl\n\n\ndef f(sales, least):\n    return sales.filter(pl.col('amount') > least).select('id')\n"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The pipeline after a run, its store beside it; every test has a copy."""
    made = Project(tmp_path_factory.mktemp("ran"))
    (made.folder / "connections.yaml").write_text(CONNECTIONS, encoding="utf-8")
    (made.folder / "pipelines/p.yaml").write_text(PIPELINE, encoding="utf-8")
    (made.folder / "pipelines/f.py").write_text(CODE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.folder)
        patch.setenv("LADING_STORE", str(made.folder / "store"))
        assert made.run().state == "proved"
    return made


@pytest.fixture
def project(ran: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    shutil.copytree(ran.folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    copy = copy_of(ran)
    copy.folder = tmp_path
    return copy


def carried_out(script: Path) -> str:
    """What a script prints, run where nothing of the project is at hand."""
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd="/", timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_select_runs_here_and_gives_what_is_in_production(project):
    path, opened = actions_opening.open_step("p", "report", "last")
    assert path == project.folder / "notebooks/p.report.py"
    assert {name: (kept.rows, kept.whole, kept.masked) for name, kept in opened.inputs.items()} == {
        "sales": (30, True, ("territory",))
    }
    said = carried_out(path)
    assert "{'least': 3}" in said
    assert said.endswith("equal: 3 rows\n")
    everything = said + path.read_text(encoding="utf-8")
    assert not any(f"t{number}" in everything.replace("path", "") for number in range(3)), "territories are masked"
    for file in (project.folder / ".lading/open/p.report").glob("*.parquet"):
        assert b"t0" not in file.read_bytes()


def test_both_notebooks_hold_the_same(project):
    nbformat, jupytext = pytest.importorskip("nbformat"), pytest.importorskip("jupytext")
    path, _ = actions_opening.open_step("p", "report")
    book = nbformat.read(path.with_suffix(".ipynb"), 4)
    nbformat.validate(book)
    script = jupytext.read(path)
    assert [(c.cell_type, c.source) for c in script.cells] == [(c.cell_type, c.source) for c in book.cells]
    assert [c.metadata.get("tags") for c in script.cells] == [c.metadata.get("tags") for c in book.cells]


def test_what_is_changed_is_seen_and_saved_as_a_draft(project):
    path, _ = actions_opening.open_step("p", "report")
    assert actions_opening.save_step("p", "report") == ""
    text = path.read_text(encoding="utf-8").replace("amount > :least", "amount > :least + 20")
    path.write_text(text, encoding="utf-8")
    assert "3 rows here, 3 in production; 3 only here; 3 only in production" in carried_out(path)
    ended = CliRunner().invoke(lading, ["open", "p", "report", "--save"], catch_exceptions=False)
    assert [line for line in ended.output.splitlines() if line[:1] in "-+"][2:] == [
        "-      FROM sales WHERE amount > :least GROUP BY territory",
        "+      FROM sales WHERE amount > :least + 20 GROUP BY territory",
    ]
    assert actions_opening.save_step("p", "report") == ""
    project.run()
    actions_opening.open_step("p", "report")
    assert carried_out(path).endswith("equal: 3 rows\n"), "the draft has run"


def test_a_function_is_called_here(project):
    path, opened = actions_opening.open_step("p", "f")
    assert opened.output
    assert opened.output.name == "big"
    assert carried_out(path).endswith("equal: 27 rows\n")
    book = path.with_suffix(".ipynb")
    cells = json.loads(book.read_text(encoding="utf-8"))
    (own,) = [each for each in cells["cells"] if "step" in each["metadata"].get("tags", ())]
    own["source"] = [line.replace("> least", ">= least") for line in own["source"]]
    book.write_text(json.dumps(cells), encoding="utf-8")
    os.utime(path, (0, 0))
    assert "+    return sales.filter(pl.col('amount') >= least).select('id')" in actions_opening.save_step("p", "f")
    assert (project.folder / "pipelines/f.py").read_text(encoding="utf-8") == CODE.replace("> least", ">= least")


def test_a_draft_that_was_changed_meanwhile_is_left_alone(project):
    path, _ = actions_opening.open_step("p", "f")
    path.write_text(path.read_text(encoding="utf-8").replace("> least", ">= least"), encoding="utf-8")
    (project.folder / "pipelines/f.py").write_text(CODE + "# by somebody else\n", encoding="utf-8")
    with pytest.raises(SpecError, match="The draft of 'f' was changed since it was opened"):
        actions_opening.save_step("p", "f")


def test_what_is_no_select_any_more_is_not_saved(project):
    path, _ = actions_opening.open_step("p", "report")
    before = (project.folder / "pipelines/p.yaml").read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace("SELECT", "DELETE"), encoding="utf-8")
    with pytest.raises(SpecError, match="This is no select"):
        actions_opening.save_step("p", "report")
    assert (project.folder / "pipelines/p.yaml").read_text(encoding="utf-8") == before


def test_only_some_rows_are_told(project):
    path, opened = actions_opening.open_step("p", "report", rows=10)
    assert (opened.inputs["sales"].rows, opened.inputs["sales"].whole) == (10, False)
    assert carried_out(path).endswith("of sales only some rows were brought\n")


def test_a_line_that_begins_a_cell_is_refused(project):
    (project.folder / "pipelines/f.py").write_text(f"{CODE}# %% more\n", encoding="utf-8")
    with pytest.raises(SpecError, match="has a line that begins with '# %%'"):
        actions_opening.open_step("p", "f")
    assert not list((project.folder / "notebooks").glob("*.py"))


def test_what_cannot_be_opened(project):
    with pytest.raises(Unsupported, match="Step 'sales' is of the kind 'move', which cannot be opened"):
        actions_opening.open_step("p", "sales")
    with pytest.raises(SpecError, match="'p' has no step 'none'"):
        actions_opening.open_step("p", "none")
    with pytest.raises(SpecError, match="'f' of 'p' is not open"):
        actions_opening.save_step("p", "f")
    assert not (project.folder / ".lading/open").exists()


def test_what_cannot_be_opened_again_leaves_what_was_opened(project, monkeypatch):
    file = project.folder / "pipelines/p.yaml"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    path, _ = actions_opening.open_step("p", "report")
    with monkeypatch.context() as patch:
        patch.setattr("lading.opening.opened", lambda *_: (_ for _ in ()).throw(OSError(28, "no space left")))
        with pytest.raises(OSError, match="no space left"):
            actions_opening.open_step("p", "report")
    path.write_text(path.read_text(encoding="utf-8").replace("sum(amount)", "min(amount)"), encoding="utf-8")
    assert "min(amount)" in actions_opening.save_step("p", "report")
    assert b"min(amount) AS total\r\n" in file.read_bytes()
    assert b"\n" not in file.read_bytes().replace(b"\r\n", b"")


def test_a_select_of_postgresql_runs_here(project, pg_database):
    (project.folder / "connections.yaml").write_text(
        f"connections:\n  crm: sqlite:///crm.db\n  wh: {pg_database}\n", encoding="utf-8"
    )
    with closing(sqlite3.connect(project.folder / "crm.db")) as crm:
        crm.execute("CREATE TABLE days (id INTEGER PRIMARY KEY, day DATE)")
        crm.executemany("INSERT INTO days VALUES (?, ?)", [(n, f"2026-01-{n + 1:02d}") for n in range(30)])
        crm.commit()
    project.steps(
        "key: sales, from: crm, to: wh",
        "key: r, do: sql, at: wh, into: r, after: sales, query: 'SELECT to_char(d.day, ''YYYY-MM'') AS month, "
        "sum(s.amount)::numeric(12,2) AS total FROM sales s JOIN public.days d USING (id) "
        "WHERE d.day > :since GROUP BY 1'",
        before="params: {since: {type: date, default: 2026-01-10}}\n",
    )
    assert actions.run("p").state == "proved"
    path, _ = actions_opening.open_step("p", "r")
    assert carried_out(path).endswith("equal: 1 rows\n")


@pytest.mark.parametrize(
    "sql", ["SELECT 1", 'SELECT "a" FROM b', 'SELECT \'\\n\', """x"""', "SELECT 'ü' -- \\", 'SELECT """']
)
def test_every_select_comes_back_as_it_went(sql):
    cell = notebook.sql_cell(sql)
    scope: dict[str, str] = {}
    exec(cell, scope)
    assert scope["sql"].strip() == notebook.sql_of(cell, "x.py") == sql


def test_a_step_is_opened_with_what_the_run_had_read(project):
    file = project.folder / "pipelines/p.yaml"
    file.write_text(PIPELINE.replace("into: report\n", "into: report\n    keep_inputs: 1000\n")
                    .replace("frames: polars", "frames: polars, keep_inputs: 5"), encoding="utf-8")  # fmt: skip
    run = project.run().run
    with closing(sqlite3.connect(project.folder / "crm.db")) as db, db:
        db.execute("DELETE FROM sales WHERE id > 7")
    project.run()
    path, opened = actions_opening.open_step("p", "report", run)
    assert {name: (kept.rows, kept.whole, kept.masked) for name, kept in opened.inputs.items()} == {
        "sales": (30, True, ("territory",))
    }
    assert "The tables are as the run had them:" in path.read_text(encoding="utf-8")
    assert carried_out(path).endswith("equal: 3 rows\n"), "masked alike, inputs and output"
    _, opened = actions_opening.open_step("p", "f", run)
    assert [(kept.rows, kept.whole) for kept in (opened.inputs["sales"], opened.output) if kept] == [(5, False)] * 2
    files = list(config.logs().glob("*/p.report.inputs/*.parquet"))
    assert len(files) == 4
    assert not any(b"t0" in each.read_bytes() for each in files)
    path, opened = actions_opening.open_step("p", "report")
    assert opened.inputs["sales"].rows == 8
    assert "The tables are as they were when this was opened:" in path.read_text(encoding="utf-8")


def test_only_the_newest_runs_keep_what_they_read_and_nothing_there_makes_a_step_fail(project, monkeypatch):
    monkeypatch.setattr("lading.opening.RUNS", 2)
    file = project.folder / "pipelines/p.yaml"
    file.write_text(PIPELINE.replace("into: report\n", "into: report\n    keep_inputs: 1000\n"), encoding="utf-8")
    runs = [project.run().run for _ in range(3)]
    logs = config.logs()
    assert [(logs / run / "p.report.inputs").exists() for run in runs] == [False, True, True]
    monkeypatch.setattr("lading.opening.opened", lambda *_: (_ for _ in ()).throw(OSError(28, "no space left")))
    done = project.run()
    assert done.state == "proved"
    assert "What the step reads is not kept: [Errno 28] no space left" in (logs / done.run / "report.log").read_text()


SPANS = """steps:
  - key: gaps
    do: sql
    at: wh
    into: gaps
    query: >-
      SELECT i AS id, to_months(i) + INTERVAL '1 day' - INTERVAL '3.25 seconds' AS gap,
      CASE WHEN i > 0 THEN [to_days(i)] END AS all_gaps FROM (VALUES (0), (1), (NULL)) AS n(i)
  - key: r
    do: sql
    at: wh
    into: r
    after: gaps
    keep_inputs: 9
    query: "SELECT id, TIMESTAMP '2026-01-31' + gap AS due, -gap AS back FROM gaps WHERE gap > INTERVAL '1 minute'"
"""


def test_intervals_are_brought_as_texts_and_are_intervals_in_the_notebook(project):
    (project.folder / "pipelines/p.yaml").write_text(SPANS, encoding="utf-8")
    done = project.run()
    assert [step.state for step in done.steps] == ["proved", "proved"]
    assert "not kept" not in project.log(done.run, "r")
    for run in ("", done.run):
        path, opened = actions_opening.open_step("p", "r", run)
        file = project.folder / ".lading/open/p.r" / opened.inputs["gaps"].file
        assert pq.read_table(file).to_pydict() == {
            "id": [0, 1, None],
            "gap": ["P0M1DT-3.250000000S", "P1M1DT-3.250000000S", None],
            "all_gaps": [None, '["P0M1DT0.000000000S"]', None],
        }
        assert carried_out(path).endswith("equal: 2 rows\n")


def test_what_cannot_be_kept_of_a_step_never_fails_it(project, monkeypatch):
    file = project.folder / "pipelines/p.yaml"
    file.write_text(PIPELINE.replace("into: report\n", "into: report\n    keep_inputs: 1000\n"), encoding="utf-8")
    said = pa.ArrowNotImplementedError("no such column")
    monkeypatch.setattr("lading.opening.made", lambda *_: (_ for _ in ()).throw(said))
    done = project.run()
    assert done.state == "proved"
    assert "What the step made is not kept: no such column" in project.log(done.run, "report")


def test_what_one_connection_calls_sensitive_is_masked_wherever_it_stands(project):
    (project.folder / "connections.yaml").write_text(
        "connections:\n  crm: {kind: sqlite, path: crm.db, sensitive: [people.mail]}\n  wh: duckdb:///wh.duckdb\n",
        encoding="utf-8",
    )
    with closing(sqlite3.connect(project.folder / "crm.db")) as db, db:
        db.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, mail TEXT, age INTEGER)")
        db.executemany("INSERT INTO people VALUES (?, ?, ?)", [(n, f"secret{n}@x.org", 40) for n in range(3)])
    both = "after: old, keep_inputs: 100, inputs: {old: wh.old, people: crm.people}"
    project.steps(
        "key: old, do: sql, at: wh, into: old, "
        "query: \"SELECT id AS ID, 'secret' || id || '@x.org' AS MAIL FROM range(5) AS r(id)\"",
        f"key: joined, do: sql, at: wh, into: joined, {both}, "
        "query: 'SELECT people.id, people.mail AS Mail, age FROM people JOIN old ON old.MAIL = people.mail'",
        f"key: f, do: python, to: wh, into: f, {both}, merge_key: id, frames: arrow, "
        "code: 'def f(old, people): return people', function: f",
    )
    done = project.run()
    assert done.state == "proved", done
    for step in ("joined", "f"):
        for run in ("", done.run):
            path, opened = actions_opening.open_step("p", step, run)
            assert opened.output
            assert {name: kept.masked for name, kept in opened.inputs.items()} == {
                "old": ("MAIL",),
                "people": ("mail",),
            }
            assert [name.lower() for name in opened.output.masked] == ["mail"]
            files = list((project.folder / f".lading/open/p.{step}").glob("*.parquet"))
            assert len(files) == 3
            assert not any(b"secret" in file.read_bytes() for file in files)
            assert carried_out(path).endswith("equal: 3 rows\n")


def test_the_last_run_is_the_last_of_that_pipeline(project):
    path, _ = actions_opening.open_step("p", "report", "last")
    before = path.read_text(encoding="utf-8")
    (project.folder / "pipelines/q.yaml").write_text("steps: [{key: a, do: bash, script: 'true'}]\n", encoding="utf-8")
    other = actions.run("q").run
    path, _ = actions_opening.open_step("p", "report", "last")
    assert path.read_text(encoding="utf-8") == before
    with pytest.raises(SpecError, match=f"Run {other} is one of 'q', not of 'p'"):
        actions_opening.open_step("p", "report", other)
    with pytest.raises(SpecError, match=r"There is no run 'last' of 'none'\. See 'lading history'"):
        actions_opening.open_step("none", "a", "last")


HEAD = "steps:\n  - key: a\n    do: sql\n"
BLOCK = HEAD + "    query: | # ours\n      SELECT 1\n\n  # of b\n  - {key: b, do: sql}\n"
SAVED = [
    # A block stays one, with its indentation, what stands beside it and the blank lines behind it.
    (BLOCK, "SELECT 2", BLOCK.replace("1", "2")),
    (BLOCK, "SELECT 1,\n\n  2", BLOCK.replace("1\n", "1,\n\n        2\n")),
    (BLOCK.replace("|", "|-"), "SELECT\n2\n", BLOCK.replace("|", "|-").replace("SELECT 1", "SELECT\n      2")),
    (BLOCK.replace("|", ">"), "SELECT\n2", BLOCK.replace("SELECT 1", "SELECT\n      2")),
    (BLOCK.replace("      S", "     S"), "a\nb", BLOCK.replace("      SELECT 1", "     a\n     b")),
    (BLOCK, "  a\nb", BLOCK.replace("|", "|2").replace("SELECT 1", "  a\n      b")),
    (BLOCK.replace("|", "|2").replace("SELECT", " SELECT"), "a", BLOCK.replace("      SELECT 1", "       a")),
    (HEAD + "    query: |\n      SELECT 1", "a\nb", HEAD + "    query: |\n      a\n      b"),
    (
        BLOCK,
        "a: 'b' # \"c\"\n\t- d\\n ü \U0001f600",
        BLOCK.replace("SELECT 1", "a: 'b' # \"c\"\n      \t- d\\n ü \U0001f600"),
    ),
    # One line becomes a block where the text has several, and stays one line otherwise.
    (
        HEAD + "    query: SELECT 1 # one\n    at: wh\n",
        "a\nb",
        HEAD + "    query: | # one\n      a\n      b\n    at: wh\n",
    ),
    (HEAD + "    query: 'SELECT 1'\n", "a\nb", HEAD + "    query: |\n      a\n      b\n"),
    (HEAD + "    query: SELECT 1 # one\n", "a", HEAD + '    query: "a" # one\n'),
    # Within braces there are no blocks, nor can they hold every sign.
    ("steps: [{key: a, do: sql, query: SELECT 1}]\n", "a\nb", 'steps: [{key: a, do: sql, query: "a\\nb"}]\n'),
    (BLOCK, "a\x85\u2028b", BLOCK.replace("| # ours\n      SELECT 1", '"a\\u0085\\u2028b"')),
    (BLOCK, "a\x07\nb", BLOCK.replace("| # ours\n      SELECT 1", '"a\\u0007\\nb"')),
]


@pytest.mark.parametrize(("before", "text", "after"), SAVED)
def test_a_text_is_saved_as_lines_where_yaml_has_room_for_them(tmp_path, before, text, after):
    file = tmp_path / "p.yaml"
    file.write_text(before, encoding="utf-8")
    step = Sql.model_validate({"key": "a", "at": "wh", "query": "SELECT 1", "into": "t"})
    path, saved = opening.changed(file, step, text)
    assert (path, saved) == (file, after)
    assert yaml.safe_load(saved)["steps"][0]["query"].strip("\n") == text.strip("\n")
