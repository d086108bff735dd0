"""Schedules in pipelines' files: what is said of wrong ones, word by word, and that files are read when written."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading import config
from lading.errors import LadingError, SpecError
from lading.schedule import Schedule
from lading.store import Store
from lading.timetable import Timetable

HERE = "pipelines/nightly.yaml"
STEPS = "steps:\n  - {key: s, do: bash, script: 'true'}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "connections.yaml").write_text("connections:\n  wh: duckdb:///wh.duckdb\n", encoding="utf-8")
    (tmp_path / "pipelines").mkdir()
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "ledger-close", STEPS)
    return tmp_path


@pytest.fixture
def ledger(own_store: Path) -> Iterator[Store]:
    opened = Store(config.store_url())
    yield opened
    opened.close()


def write(project: Path, name: str, text: str) -> None:
    (project / f"pipelines/{name}.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "schedule: {cron: '0 2 * *'}\n",
            (f"{HERE}:1: the schedule: '0 2 * *' is no cron text: it has five words, for minute, hour, day of the "
            "month, month, weekday. Write '0 2 * * *'."),
        ),
        (
            "title: Night\nschedule:\n  zone: UTC\n  cron: 61 2 * * *\n",
            (f"{HERE}:4: the schedule: '61 2 * * *' is no cron text: its minute is out of range or not understood. "
            "Write '0 2 * * *' for every day at two o'clock."),
        ),
        (
            "schedule:\n  cron: * * * * *\n",
            f"{HERE}:2: a cron text that begins with a star stands without quotes. Write '* * * * *'.",
        ),
        (
            "schedule:\n  cron: 0 2 * * *\n  zone: America/NewYork\n",
            f"{HERE}:3: the schedule: There is no time zone 'America/NewYork'. Did you mean 'America/New_York'?",
        ),
        (
            "schedule:\n  cron: 0 2 * * *\n  zone: Middle-earth\n",
            f"{HERE}:3: the schedule: There is no time zone 'Middle-earth'. Write one like 'Europe/Berlin' or 'UTC'.",
        ),
        (
            "schedule:\n  cron: 0 2 * * *\n  deadline: 16:00\n",
            f"{HERE}:3: the schedule: A time of day is written in quotes. Write one like '06:00'.",
        ),
        (
            "schedule:\n  cron: 0 2 * * *\n  deadline: soon\n",
            (f"{HERE}:3: the schedule: 'soon' is no time of day and no length of time. "
            "Write one like '06:00', or '90m' or '2h' after it is due."),
        ),
        (
            "schedule:\n  cron: 0 2 * * *\n  missed: run_twice\n",
            (f"{HERE}:3: 'missed' of the schedule must be one of run_once, run_all, skip, not 'run_twice'. "
            "Did you mean 'run_once'?"),
        ),
        (
            "schedule:\n  cron: 0 2 * * *\n  overlap: twice\n",
            f"{HERE}:3: 'overlap' of the schedule must be one of skip, queue, allow, not 'twice'.",
        ),
        (
            "schedule:\n  corn: 0 2 * * *\n",
            f"{HERE}:2: the schedule has no option 'corn'. Did you mean 'cron'?",
        ),
        (
            "schedule: {zone: UTC}\n",
            f"{HERE}:1: the schedule: It takes one of 'cron', 'after' and 'arrivals'. Write one of them.",
        ),
        (
            "schedule: {arrivals: true}\n",
            (f"{HERE}:1: the schedule runs the pipeline when files arrive, and no step receives any. "
            "Add a step with 'do: receive'."),
        ),
        (
            "schedule: daily\n",
            (f"{HERE}:1: 'schedule' must be a map of options, not 'daily'. "
            "Write one like {cron: '0 2 * * *', zone: Europe/Berlin}."),
        ),
        (
            "schedule:\n  after: [ledger_close]\n",
            (f"{HERE}:2: the schedule comes after 'ledger_close', which is no other pipeline. "
            "Did you mean 'ledger-close'?"),
        ),
        (
            "schedule:\n  after: nightly\n",
            f"{HERE}:2: the schedule comes after 'nightly', which is no other pipeline. There are: ledger-close.",
        ),
        (
            "schedule:\n  after:\n    - {at: warehouse, table: orders}\n",
            f"{HERE}:2: the schedule: there is no connection 'warehouse'. There are: wh.",
        ),
        (
            "schedule:\n  cron: 0 2 * * *\n  overlap: allow\n",
            (
                f"{HERE}:3: the schedule lets runs overlap, and the pipeline has one run at a time. "
                "Add 'runs: 2' or more beside 'schedule'."
            ),
        ),
        (
            "params:\n  day: {type: date}\nschedule: {cron: 0 2 * * *}\n",
            (
                f"{HERE}:2: parameter 'day' has no default, and a run of the schedule is given none. "
                "Add 'default', or 'from: due'."
            ),
        ),
    ],
)  # fmt: skip
def test_a_schedule_that_is_wrong(project, text, message):
    """Said alike when the pipeline is run by hand and by those who only look at its schedule."""
    write(project, "nightly", text + STEPS)
    for read in (config.pipeline, config.schedule):
        with pytest.raises(SpecError) as caught:
            read("nightly")
        assert str(caught.value) == message


def test_a_schedule_that_is_right(project):
    words = 'cron: "0 2 * * *", zone: America/New_York, missed: run_once, overlap: skip, deadline: "06:00"'
    write(project, "nightly", f"schedule: {{{words}}}\n{STEPS}")
    found = config.pipeline("nightly").schedule
    assert found == config.schedule("nightly")
    assert found == Schedule(cron="0 2 * * *", zone="America/New_York", deadline="06:00")


def test_a_file_is_read_when_it_is_written_and_not_before(project, ledger, monkeypatch):
    read: list[str] = []
    schedule = config.schedule

    def reading(name: str, kept: None) -> Schedule | None:
        read.append(name)
        return schedule(name, kept)

    monkeypatch.setattr(config, "schedule", reading)
    told: list[tuple[str, str]] = []
    timetable = Timetable(lambda name, error: told.append((name, str(error))), ledger)
    write(project, "a", "schedule: {cron: '0 2 * * *'}\n" + STEPS)
    first = timetable()
    assert first == {"a": Schedule(cron="0 2 * * *"), "ledger-close": None}
    assert timetable() is first
    assert read == ["a", "ledger-close"]
    write(project, "a", "schedule: {cron: '0 2 * *'}\n" + STEPS)
    second = timetable()
    assert isinstance(second["a"], LadingError)
    assert (read[2:], timetable() is second, len(told)) == (["a"], True, 1)
    os.remove(project / "pipelines/a.yaml")
    assert timetable() == {"ledger-close": None}


def test_pipelines_that_come_after_each_other(project, ledger):
    told: list[str] = []
    timetable = Timetable(lambda _name, error: told.append(str(error)), ledger)
    for name, after in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")):
        write(project, name, f"title: A\nschedule: {{after: {after}}}\n{STEPS}")
    found = timetable()
    assert told == [
        f"pipelines/{name}.yaml:2: the schedules of pipelines come after each other, '{name}' among them. "
        "Take one 'after' out." for name in "abc"
    ]  # fmt: skip
    assert found["d"] == Schedule(after=("a",))
    write(project, "c", STEPS)
    found = timetable()
    assert (found["a"], found["b"], found["c"]) == (Schedule(after=("b",)), Schedule(after=("c",)), None)


def test_a_table_of_a_connection_whose_settings_are_not_there(project, ledger):
    text = "connections:\n  wh: {kind: sqlite, path: '${env:WH_FILE}'}\n"
    (project / "connections.yaml").write_text(text, encoding="utf-8")
    write(project, "a", f"schedule: {{after: {{at: wh, table: t}}}}\n{STEPS}")
    told: list[str] = []
    assert isinstance(Timetable(lambda _name, error: told.append(str(error)), ledger)()["a"], LadingError)
    assert told == [
        (
            "connections.yaml:2: 'path' of connection 'wh' needs the environment variable WH_FILE, which is not set. "
            "Set it: export WH_FILE=..."
        )
    ]
