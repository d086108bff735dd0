"""Releases of pipelines: what they hold, which one runs, what differs, and the way back."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from lading import actions, actions_releases, attempts, config, releases
from lading.errors import DataError, SpecError
from lading.schedule import Schedule
from lading.store import Store
from lading.timetable import Timetable
from tests.journeys.shell import Ended, lading

STEPS = """\
title: Nightly
steps:
  - {key: report, do: sql, at: wh, file: report.sql, into: report}
  - {key: tell, do: bash, file: tell.sh, after: [report]}
"""


class Project:
    """A folder with a pipeline 'nightly' that uses two files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "connections.yaml").write_text("connections:\n  wh: duckdb:///wh.duckdb\n", encoding="utf-8")
        (folder / "pipelines").mkdir()
        self.write("nightly.yaml", STEPS)
        self.report(1)
        self.write("tell.sh", "echo told >> said\n")

    def write(self, name: str, text: str) -> None:
        (self.folder / "pipelines" / name).write_text(text, encoding="utf-8")

    def report(self, value: int) -> None:
        self.write("report.sql", f"SELECT {value} AS value")

    @property
    def value(self) -> int:
        with closing(duckdb.connect(str(self.folder / "wh.duckdb"))) as there:
            return int(there.execute("SELECT value FROM report").fetchall()[0][0])

    def release(self, note: str = "") -> releases.Release:
        made = actions_releases.release("nightly", note)
        assert made.new
        assert made.release is not None
        return made.release

    def __call__(self, *words: str, code: int = 0) -> Ended:
        ended = lading(*words, cwd=self.folder, env={"COLUMNS": "110", "NO_COLOR": "1"})
        assert ended.code == code, (ended.out, ended.err)
        return ended


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


@pytest.fixture
def ledger(own_store: Path):
    opened = Store(config.store_url())
    yield opened
    opened.close()


def test_what_runs_is_the_release_and_not_the_folder(project):
    first = project.release("the first")
    assert (first.number, first.note, set(first.content.files)) == (1, "the first", {"report.sql", "tell.sh"})
    project.report(2)
    (project.folder / "pipelines/tell.sh").unlink()
    bill = actions.run("nightly")
    assert (bill.state, project.value, bill.release, bill.release_hash) == ("proved", 1, 1, first.hash)
    with pytest.raises(SpecError, match=r"step 'tell' names the file 'tell\.sh', which is not there"):
        actions.run("nightly", how=actions.How(draft=True))
    project.write("tell.sh", "true\n")
    bill = actions.run("nightly", how=actions.How(draft=True))
    assert (project.value, bill.release, bill.release_hash) == (2, 0, "")


def test_the_same_content_is_no_new_release(project):
    first = project.release()
    project.write("nightly.yaml", "# only a remark\n" + STEPS.replace("title: Nightly", "title:   'Nightly'"))
    again = actions_releases.release("nightly")
    assert (again.new, again.release) == (False, first)
    assert actions_releases.ahead("nightly") == 0
    project.report(2)
    assert actions_releases.ahead("nightly") == 1
    second = project.release()
    assert (second.number, second.same_as) == (2, 0)
    assert second.hash != first.hash
    project.report(1)
    third = project.release()
    assert (third.number, third.same_as, third.hash) == (3, 1, first.hash)


def test_a_wrong_draft_is_no_release(project):
    project.write("nightly.yaml", STEPS.replace("report.sql", "reports.sql"))
    with pytest.raises(SpecError) as caught:
        actions_releases.release("nightly")
    assert str(caught.value) == (
        "pipelines/nightly.yaml:3: step 'report' names the file 'reports.sql', which is not there or cannot be read. "
        "It is looked for in 'pipelines/'."
    )
    project.write(
        "nightly.yaml", "params:\n  name: {default: report}\n" + STEPS.replace("report.sql", "'${param:name}.sql'")
    )
    with pytest.raises(SpecError) as caught:
        actions_releases.release("nightly")
    assert str(caught.value) == (
        "pipelines/nightly.yaml:5: 'file' of step 'report' is named by a parameter: a release cannot hold it. "
        "Name the file itself."
    )
    with actions.store():
        assert actions_releases.released() == []


def test_the_way_back(project):
    first = project.release()
    project.report(2)
    project.release("a mistake")
    assert (actions.run("nightly").release, project.value) == (2, 2)
    third = actions_releases.rollback("nightly")
    assert (third.number, third.hash, third.same_as, third.note) == (3, first.hash, 1, "back to release 1")
    bill = actions.run("nightly")
    assert (project.value, bill.release, bill.release_hash) == (1, 3, first.hash)
    with pytest.raises(SpecError) as caught:
        actions_releases.rollback("nightly")
    assert str(caught.value) == (
        "What is live of 'nightly' is the content of release 1, and none of another was live before. "
        "Name one that 'lading releases nightly' shows: lading rollback nightly --to NUMBER"
    )
    assert actions_releases.rollback("nightly", 2).same_as == 2
    assert actions_releases.rollback("nightly").same_as == 1, "of what is live, not of its number"
    for to, said in ((5, "is what is live already"), (9, "has no release 9")):
        with pytest.raises(SpecError, match=said):
            actions_releases.rollback("nightly", to)


def test_a_run_keeps_its_release(project, ledger):
    project.release()
    assert attempts.own(ledger, "r1", "nightly", 1)
    ledger.end("r1", attempts.INTERRUPTED, None)
    project.report(2)
    project.release()
    bill = actions.run("nightly", how=actions.How(run="r1"))
    assert (bill.run, bill.release, project.value) == ("r1", 1, 1)
    assert (actions.run("nightly").release, project.value) == (2, 2)
    assert attempts.own(ledger, "r2", "nightly", 1)
    ledger.end("r2", attempts.INTERRUPTED, None)
    with pytest.raises(SpecError, match="Run r2 is one of release 1, and stays that"):
        actions.run("nightly", how=actions.How(run="r2", draft=True))


def test_an_interrupted_run_of_another_release_is_not_gone_on_with(project, ledger):
    project.release()
    project.write("tell.sh", "exit 1\n")
    project.release()
    script = STEPS.replace("file: tell.sh", "script: 'exit 0'")
    ran = actions.run("nightly")
    assert ran.state == "failed"
    ledger.write(sa.text(f"UPDATE runs SET bill = NULL, state = 'interrupted' WHERE id = '{ran.run}'"))
    assert attempts.interrupted(ledger, "nightly", 2) == ran.run
    project.write("nightly.yaml", script)
    project.release()
    bill = actions.run("nightly")
    assert (bill.run != ran.run, bill.state, bill.release) == (True, "proved", 3)
    assert not bill.steps[0].kept


def test_a_step_of_a_hash(project):
    first = project.release()
    project.report(2)
    project.release()
    for code, words in ((0, ["--release", first.hash[:12]]), (0, ["--release", first.hash, "--pipeline", "nightly"])):
        said = project("run-step", *words, "--step", "report", "--run", "r1", code=code)
        assert json.loads(said.out.splitlines()[-1])["state"] == "proved"
        assert project.value == 1
    project("run-step", "--release", first.hash, "--step", "tell", "--run", "r1")
    assert actions.bill("r1").release_hash == first.hash
    said = project("run-step", "--pipeline", "nightly", "--step", "report", "--run", "r2")
    assert project.value == 2
    for words in (["--release", first.hash, "--run", "r2"], ["--release", "00", "--run", "r3"],
                  ["--release", first.hash, "--pipeline", "other", "--run", "r3"]):  # fmt: skip
        said = project("run-step", *words, "--step", "report", code=78)
        assert json.loads(said.out)["error_kind"] == "spec"


def test_a_release_that_was_changed_does_not_run(project, ledger):
    project.release()
    project.report(2)
    project.release()
    held = releases.releases
    ledger.write(
        held.update().where(held.c.number == 2).values(content=sa.func.replace(held.c.content, "SELECT 2", "SELECT 7"))
    )
    with pytest.raises(DataError) as caught:
        actions.run("nightly")
    assert str(caught.value) == (
        "Release 2 of 'nightly' was changed in the store: its hash is another. "
        "Go back to another one: lading rollback nightly --to NUMBER"
    )
    assert actions_releases.rollback("nightly").same_as == 1
    assert actions.run("nightly").state == "proved"


def test_the_schedule_is_the_live_release_s(project, ledger):
    project.write("nightly.yaml", "schedule: {cron: '0 2 * * *'}\n" + STEPS)
    timetable = Timetable(lambda _name, _error: None, ledger)

    def cron() -> str | None:
        found = timetable()["nightly"]
        return found.cron if isinstance(found, Schedule) else ""

    assert cron() == "0 2 * * *"
    project.release()
    project.write("nightly.yaml", "schedule: {cron: '0 3 * * *'}\n" + STEPS)
    assert cron() == "0 2 * * *"
    before = timetable()
    assert timetable() is before
    project.release()
    assert cron() == "0 3 * * *"
    actions_releases.rollback("nightly")
    assert cron() == "0 2 * * *"


def test_the_scheduler_runs_the_live_release(project):
    minute = datetime.now(UTC) - timedelta(minutes=1)
    project.write("nightly.yaml", "schedule: {cron: '* * * * *'}\n" + STEPS)
    project("scheduler", "--once")
    first = project.release()
    project.report(2)
    with closing(sqlite3.connect(project.folder / "store/store.db")) as store:
        store.execute("UPDATE dues SET due = ?", [minute.isoformat()])
        store.commit()
    project("scheduler", "--once")
    assert project.value == 1
    assert actions.bill("last").release_hash == first.hash


def test_what_a_person_sees(project):
    said = project("release", "nightly", "--note", "the first").out
    hash_ = actions_releases.released()[0].hash[:12]
    lines = [line.rstrip() for line in said.splitlines()]
    assert (lines[0], lines[1].partition(" · ")[2]) == (
        "Preflight  nightly  ✓ nothing blocks", "looked at 1 connection, 1 query"
    )  # fmt: skip
    assert lines[2:] == [
        "", "tell", "  notes: queries: what a step 'bash' does is not looked at", "",
        f"Release 1 of nightly ({hash_}) is live. It holds nightly.yaml and 2 files.",
    ]  # fmt: skip
    assert project("release", "nightly").out == f"Nothing has changed. Release 1 of nightly ({hash_}) stays live.\n"
    assert project("diff-release", "nightly").out == "live and draft are the same.\n"
    project.report(2)
    days = " and day" * 20
    project.write("nightly.yaml", STEPS.replace("Nightly", f"Every night{days}"))
    assert f"\n+title: Every night{days}\n" in project("diff-release", "nightly", code=1).out, "one line is one line"
    project.write("nightly.yaml", STEPS.replace("Nightly", "Every night"))
    said = project("diff-release", "nightly", code=1).out
    assert said == (
        "nightly.yaml\n@@ -1,3 +1,3 @@\n-title: Nightly\n+title: Every night\n steps:\n"
        "   - {key: report, do: sql, at: wh, file: report.sql, into: report}\n"
        "\nreport.sql\n@@ -1 +1 @@\n-SELECT 1 AS value\n+SELECT 2 AS value\n"
    )
    ran = project("run", "nightly")
    assert "The draft differs from release 1, which runs; run the draft with --draft." in ran.err
    assert f"nightly · release 1 {hash_} · " in ran.out
    assert "differs" not in project("run", "nightly", "--draft").err
    project("release", "nightly")
    assert project("diff-release", "nightly", "1", "2", code=1).out == said
    assert "Release 3 of nightly" in project("rollback", "nightly").out
    shown = [line.split() for line in project("releases", "nightly").out.splitlines()]
    assert [line[:4] for line in shown[2:]] == [
        ["●", "live", "nightly", "3"], ["nightly", "2", shown[3][2], shown[3][3]], ["nightly", "1", hash_, shown[4][3]],
    ]  # fmt: skip
    assert " ".join(shown[2][-7:]) == "back to release 1, same as 1"
    assert [each["live"] for each in json.loads(project("releases", "--json").out)["releases"]] == [True, False, False]
    for words, what in (
        (["rollback", "other"], "'other' has no release."),
        (["diff-release", "nightly", "x"], "'x' is no release."),
    ):
        assert what in project(*words, code=2).err
