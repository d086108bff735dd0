"""The same from Python and notebooks."""

import subprocess
import sys
from datetime import date

import pytest

import lading
from tests.doors.conftest import rows


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_public_names():
    assert lading.__all__ == [
        "AccessDenied", "Bug", "DataError", "LadingError", "ProofFailed", "SpecError", "Unreachable", "Unsupported",
        "backfill", "copy", "diff", "discover", "plan", "profile", "prove", "repair", "run",
    ]  # fmt: skip
    assert [name for name in lading.__all__ if not callable(getattr(lading, name))] == []


def test_importing_is_quick():
    heavy = ("pydantic", "pyarrow", "numpy", "sqlalchemy", "rich")
    code = f"import sys, lading; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_copy_returns_the_bill(legacy, tmp_path):
    bill = lading.copy("legacy.db", "new.duckdb", tables="people", quiet=True)
    assert bill.state == "proved"
    assert bill.rows.target == 500
    assert str(bill).startswith(f"Bill  {bill.run}")
    assert bill._repr_html_().startswith("<style>")  # type: ignore[attr-defined]
    assert rows(tmp_path / "new.duckdb", "SELECT count(*) FROM people") == [(500,)]


def test_plan_returns_the_plan_and_stays_a_function(legacy):
    plan = lading.plan("legacy.db", "new.duckdb")
    assert [task.name for task in plan.tasks] == ["amounts", "an empty one", "people"]
    assert "3 tables ready" in repr(plan)
    lading.copy("legacy.db", "new.duckdb", quiet=True)
    assert callable(lading.plan)
    assert callable(lading.run)
    from lading.plan import Plan

    assert isinstance(plan, Plan)


def test_discover_returns_tables(legacy):
    assert [table.name for table in lading.discover("legacy.db")] == ["amounts", "an empty one", "people"]
    assert [column.name for column in lading.discover("legacy.db#people")[0].columns] == ["id", "name", "born"]


def test_a_failed_run_raises_and_brings_its_bill(legacy):
    import sqlite3

    with sqlite3.connect(legacy) as db:
        db.execute("INSERT INTO amounts VALUES (1, 'much')")
    db.close()
    with pytest.raises(lading.DataError) as caught:
        lading.copy("legacy.db", "new.duckdb", quiet=True)
    assert caught.value.bill.state == "failed"
    assert "'amounts'" in str(caught.value)
    states = {table.table: str(table.state) for table in caught.value.bill.tables}
    assert states == {"amounts": "failed", "people": "proved", "an empty one": "proved"}


def test_unproved_does_not_raise(legacy):
    import sqlite3

    lading.copy("legacy.db", "new.duckdb", tables="people", quiet=True)
    with sqlite3.connect(legacy) as db:
        db.execute("DELETE FROM people")
    db.close()
    assert lading.copy("legacy.db", "new.duckdb", tables="people", quiet=True).state == "unproved"


def test_wrong_words_raise_before_anything_runs(legacy, tmp_path):
    with pytest.raises(lading.SpecError, match=r"There is no option 'sinc'\. Did you mean 'since'\?"):
        lading.copy("legacy.db", "new.duckdb", sinc="id")
    assert not (tmp_path / "new.duckdb").exists()


def test_paths_are_addresses(legacy):
    assert [table.name for table in lading.discover(legacy)] == ["amounts", "an empty one", "people"]
    assert lading.profile(legacy, tables="people")[0].rows == 500


def test_a_table_is_named_once(legacy):
    for names in ("people", ["people", "amounts"]):
        with pytest.raises(lading.SpecError, match="The source names a table, and so does 'tables'"):
            lading.plan("legacy.db#amounts", "new.duckdb", tables=names)


def test_days_are_dates_or_texts(tmp_path):
    (tmp_path / "connections.yaml").write_text("connections:\n", encoding="utf-8")
    (tmp_path / "pipelines").mkdir()
    step = "schedule: {cron: '0 2 * * *'}\nsteps: [{key: a, do: bash, script: 'true'}]\n"
    (tmp_path / "pipelines/p.yaml").write_text(step, encoding="utf-8")
    assert len(lading.backfill("p", date(2026, 1, 1), "2026-01-03", dry=True)) == 3


def test_a_repair_takes_no_other_words(legacy):
    lading.copy(str(legacy), "duckdb:///new.duckdb", quiet=True)
    with pytest.raises(lading.SpecError, match="There is no option 'aply'"):
        lading.repair("last", aply=True)


def test_a_pipeline_runs(legacy, tmp_path):
    text = "connections: {crm: sqlite:///legacy.db, wh: duckdb:///wh.duckdb}\n"
    (tmp_path / "connections.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/p.yaml").write_text("steps: [{from: crm, to: wh}]\n", encoding="utf-8")
    assert [plan.pipeline for plan in lading.plan("p")] == ["p"]
    bill = lading.run("p", quiet=True)
    assert (bill.state, bill.pipeline, [step.key for step in bill.steps]) == ("proved", "p", ["move"])
    assert repr(bill).startswith(f"Bill  {bill.run}")
    assert bill.run in bill._repr_html_()  # type: ignore[attr-defined]
