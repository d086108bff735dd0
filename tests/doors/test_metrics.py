"""Metrics: what Prometheus's own parser reads of them, and how the file is written."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from lading import actions, attempts, dues
from lading.cli import lading
from lading.dues import Due
from lading.errors import DataError
from lading.metrics import Metrics
from lading.prove import Bill
from lading.store import Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(own_store: Path):
    with actions.store() as opened:
        yield opened


def ran(store: Store, run: str, pipeline: str, state: str, rows: int = 0) -> None:
    store.begin(run, pipeline)
    table = {"table": "t", "into": "t", "state": state, "rows": {"target": rows}}
    bill = {"run": run, "state": state, "source": "", "target": "", "started": NOW, "seconds": 2.5, "tables": [table]}
    store.end(run, state, Bill.model_validate(bill))


def read(text: str) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    assert text.endswith("\n")
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type == ("counter" if family.name == "lading_runs" else "gauge")
        for sample in family.samples:
            key = (sample.name.removeprefix("lading_"), *sample.labels.values())
            assert key not in found
            found[key] = sample.value
    return found


def test_runs_by_pipeline(store):
    ran(store, "r1", "nightly", "proved", 30)
    ran(store, "r2", "nightly", "proved", 40)
    ran(store, "r3", "nightly", "failed", 5)
    ran(store, "r4", 'odd "name"\\', "unproved")
    ran(store, "r5", "", "proved")  # of 'lading copy'
    store.begin("r6", "nightly")
    store.begin("r7", "nightly", "r6")
    found = read(Metrics(store).text(NOW))
    assert found["runs_total", "nightly", "proved"] == 2
    assert found["runs_total", "nightly", "failed"] == 1
    assert found["runs_total", 'odd "name"\\', "unproved"] == 1
    assert found["runs_active", "nightly"] == 1
    assert {
        state for state in ("proved", "failed", "unproved", "done") if found["last_run_state", "nightly", state]
    } == {"failed"}
    assert (found["last_run_rows", "nightly"], found["last_run_duration_seconds", "nightly"]) == (5, 2.5)
    assert found["last_success_timestamp_seconds", "nightly"] < found["last_run_timestamp_seconds", "nightly"]
    assert ("last_success_timestamp_seconds", 'odd "name"\\') not in found
    assert not any("" in key for key in found if key[0] != "info")
    ran(store, "r8", "nightly", "proved", 7)
    metrics = Metrics(store)
    assert read(metrics.text(NOW)) == read(metrics.text(NOW))
    ran(store, "r9", "nightly", "proved", 8)
    assert read(metrics.text(NOW))["last_run_rows", "nightly"] == 8


def test_a_candidate_beside_a_live_release_is_no_pipeline(store):
    ran(store, "r1", "nightly", "proved", 30)
    ran(store, "r2", attempts.CANARY.format("nightly"), "proved", 30)
    store.begin("r3", attempts.CANARY.format("nightly"))
    ran(store, "r4", "nightly-canary", "proved")
    assert {key[1] for key in read(Metrics(store).text(NOW)) if "run" in key[0]} == {"nightly", "nightly-canary"}


def test_due_times_and_schedulers(store):
    early, late = NOW - timedelta(minutes=90), NOW - timedelta(minutes=5)
    dues.put(
        store,
        [Due("nightly", early, state="taken", late="late"), Due("nightly", late), Due("idle", early, state="proved")],
    )
    dues.beat(store, "host-1:42:7", NOW - timedelta(seconds=30))
    dues.beat(store, "host-1:42:7", NOW)
    found = read(Metrics(store).text(NOW))
    assert (found["due_age_seconds", "nightly"], found["due_waiting", "nightly"], found["late", "nightly"]) == (
        5400,
        1,
        1,
    )
    assert (found["due_age_seconds", "idle"], found["late", "idle"]) == (0, 0)
    assert found["scheduler_heartbeat_timestamp_seconds", "host-1", "42"] == NOW.timestamp()
    dues.beat_no_more(store, "host-1:42:7", NOW)
    assert dues.beats(store) == []


def test_the_file_is_written_in_one_piece(store, tmp_path):
    path = tmp_path / "lading.prom"
    path.write_text("old", encoding="utf-8")
    with path.open(encoding="utf-8") as before:
        Metrics(store).write(path, NOW)
        assert before.read() == "old", "another file has taken its place"
    assert read(path.read_text(encoding="utf-8"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.glob("*lading.prom*")] == ["lading.prom"]
    with pytest.raises(DataError, match=r"cannot be written to '.*/none/lading.prom': No such file"):
        Metrics(store).write(tmp_path / "none" / "lading.prom", NOW)


def test_the_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "connections.yaml").write_text("connections: {}\n", encoding="utf-8")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/p.yaml").write_text(
        "schedule: {cron: '0 2 * * *'}\nsteps:\n  - {key: a, do: bash, script: 'true'}\n", encoding="utf-8"
    )
    with actions.store():
        ended = CliRunner().invoke(lading, ["metrics"])
    assert next(iter(read(ended.output)))[:1] == ("info",)
    ended = CliRunner().invoke(lading, ["scheduler", "--once", "--metrics", "at.prom"], catch_exceptions=False)
    assert ended.exit_code == 0
    found = read((tmp_path / "at.prom").read_text(encoding="utf-8"))
    assert any(key[0] == "scheduler_heartbeat_timestamp_seconds" for key in found)
    assert CliRunner().invoke(lading, ["metrics", "--to", "again.prom"]).output == ""
    assert not any(
        key[0] == "scheduler_heartbeat_timestamp_seconds" for key in read((tmp_path / "again.prom").read_text())
    )
