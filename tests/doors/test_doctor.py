"""`lading doctor`: what it finds in real projects, and what it says to do."""

import json
import re
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from lading import actions, actions_scheduling, actions_watching, doctor, dues
from lading.cli import lading
from lading.doctor import Finding
from lading.dues import Due
from lading.errors import SpecError

STEP = "steps:\n  - {key: say, do: bash, script: 'true'}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "connections.yaml").write_text("connections:\n  crm: sqlite:///crm.db\n", encoding="utf-8")
    (tmp_path / "crm.db").touch()
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/p.yaml").write_text(STEP, encoding="utf-8")
    return tmp_path


def found(area: str) -> list[Finding]:
    return [each for each in actions_watching.doctor() if each.area == area]


def test_all_is_well(folder, monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED", 1)
    monkeypatch.setattr(doctor, "SPARE", 1)
    with actions.store():
        pass
    ended = CliRunner().invoke(lading, ["doctor", "--json"], standalone_mode=False)
    assert ended.return_value == 0
    said = json.loads(ended.output)["findings"]
    assert {each["level"] for each in said} == {"ok"}
    areas = ["python", "disk", "memory", "store", "pipelines", "connection crm"]
    assert list(dict.fromkeys(each["area"] for each in said)) == areas


def test_everything_that_is_wrong_is_said_with_what_to_do(folder, monkeypatch):
    (folder / "connections.yaml").write_text(
        "connections:\n  crm: sqlite:///crm.db\n  new: sqlite:///new.db\n  gone: postgresql://me:geheim@127.0.0.1:9/d\n"
        "  unset: {kind: postgres, host: h, user: u, password: '${env:NOT_SET}', database: d}\n",
        encoding="utf-8",
    )
    (folder / "pipelines/q.yaml").write_text("steps: [{key: a, do: bsh}]\n", encoding="utf-8")
    (folder / "pipelines/p.yaml").write_text(f"schedule: {{cron: '0 2 * * *'}}\n{STEP}", encoding="utf-8")
    monkeypatch.setattr(doctor, "NEEDED", 2**62)
    monkeypatch.setattr(doctor, "SPARE", 2**62)
    ended = CliRunner().invoke(lading, ["doctor"], standalone_mode=False, env={"COLUMNS": "140"})
    assert ended.return_value == 1
    text = " ".join(ended.output.split())
    for said in (
        "Make room: ", "✗ disk", "! memory",
        "✗ pipelines pipelines/q.yaml:1: step 'a' is of the kind 'bsh'. Did you mean",
        "! scheduler 1 pipeline has a schedule, and no scheduler is at work Start one: lading scheduler.",
        "✓ connection crm answers in", "! connection new", "/new.db is not there It is made when it is written to.",
        "✗ connection gone PostgreSQL at 127.0.0.1:9: connection refused.",
        "✗ connection unset connections.yaml:5: 'password' of connection 'unset' needs the environment variable",
    ):  # fmt: skip
        assert said in text
    assert "geheim" not in text


def test_runs_and_leases_that_nobody_holds(folder):
    now = datetime.now(UTC)
    with actions.store() as ledger:
        ledger.begin("r1", "p")
        ledger.begin("r2", "")
        for run in ("r1", "r2"):
            ledger.write(
                sa.text(f"UPDATE runs SET owner = 'other:1:1', beat = '2026-01-01T00:00:00+00:00' WHERE id = '{run}'")
            )
        dues.put(ledger, [Due("p", now, "", "taken", "r1", "other:1:1", "2026-01-01")])
        dues.beat(ledger, "other:1:1", now)
    said = [(each.level, each.what, each.fix) for each in found("store") if each.level != "ok"]
    assert said == [
        ("warning", "run r1 of p has not ended, and its process on 'other' is gone", "Go on with it: lading run p"),
        ("warning", "run r2 of a copy has not ended, and its process on 'other' is gone",
         "Run the same command again."),
    ]  # fmt: skip
    lease, beat = found("scheduler")
    assert "the scheduler that has taken it says nothing" in lease.what
    assert (beat.level, beat.what.startswith("at work on 'other', ")) == ("ok", True)


def test_a_store_that_cannot_be_opened(folder, monkeypatch):
    monkeypatch.setenv("LADING_STORE", "postgresql://me:geheim@127.0.0.1:9/d")
    (store,) = found("store")
    assert (store.level, "geheim" in store.what, store.fix) == ("error", False, "Check LADING_STORE.")
    assert store.what.startswith("The store at postgresql://me:***@127.0.0.1:9/d cannot be opened: ")
    assert store.what.endswith(" failed: Connection refused."), "no second line of the driver's"


def test_a_library_that_lacks(folder, monkeypatch):
    (folder / "pipelines/p.yaml").write_text("steps:\n  - {key: tell, do: notify, channel: t}\n", encoding="utf-8")

    def absent(name: str) -> str:
        if name == "apprise":
            raise metadata.PackageNotFoundError(name)
        return metadata.version(name)

    monkeypatch.setattr(doctor, "version", absent)
    assert Finding("python", "error", "step 'tell' of 'p' needs apprise", "pip install 'lading[notify]'") in found(
        "python"
    )


def test_a_server_s_clock(folder, pg_database, monkeypatch):
    (folder / "connections.yaml").write_text(f"connections:\n  wh: {pg_database}\n", encoding="utf-8")
    assert [each.level for each in found("connection wh")] == ["ok"]
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    _, clock = found("connection wh")
    assert clock.level == "warning"
    assert re.fullmatch(r"its clock is (1:00:0|59:5)\d behind this machine's", clock.what)


def test_a_store_that_would_cut_is_refused_at_the_start(folder, pg_database, monkeypatch):
    monkeypatch.setenv("LADING_STORE", pg_database)
    actions_scheduling.schedule(lambda *_: None, once=True)
    body = "BEGIN NEW.says := left(NEW.says, 100); RETURN NEW; END"
    with actions.store() as ledger:
        for statement in (
            "ALTER TABLE releases ALTER COLUMN note TYPE varchar(200)",
            f"CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
            "CREATE TRIGGER cut BEFORE INSERT ON step_runs FOR EACH ROW EXECUTE FUNCTION cut()",
        ):
            ledger.write(sa.text(statement))
    cut, note = (each.what for each in found("store") if each.level == "error")
    assert cut == (
        "it would not keep what is written to it: step_runs.says: expression LEFT(NEW.says, 100) of 'public.cut': "
        "string can be longer than string(100)"
    )
    assert note == "it would not keep what is written to it: releases.note: string can be longer than string(200)"
    said = r"would not keep what is written to it: step_runs.says: .* \(and 1 more; see 'lading doctor'\)"
    with pytest.raises(SpecError, match=said):
        actions_scheduling.schedule(lambda *_: None, once=True)
