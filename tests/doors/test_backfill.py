"""Backfills as people use them: real runs in real processes, killed in the middle."""

import json
from collections import Counter

import pytest

import lading
from tests.doors.test_schedule import eventually
from tests.forked import Forked

PIPELINE = """\
schedule: {cron: "30 2 * * *", zone: America/New_York}
params: {day: {type: date, from: due}, before: {type: date, from: due_before}}
steps:
  - key: tell
    do: bash
    script: |
      echo "$PARAM_BEFORE $PARAM_DAY $LADING_DUE" >> said
      if [ $PARAM_DAY = 2024-03-10 ]; then until [ -e go ]; do sleep 0.1; done; fi
"""
DAYS = ("--from", "2024-03-09", "--to", "2024-03-11")


def written(shell, name: str, text: str) -> None:
    (shell.folder / "connections.yaml").write_text("connections: {}\n", encoding="utf-8")
    (shell.folder / "pipelines").mkdir(exist_ok=True)
    (shell.folder / f"pipelines/{name}.yaml").write_text(text, encoding="utf-8")


def test_a_backfill_that_is_killed_in_the_middle_goes_on(shell, own_store):
    """Over the night on which the clock jumps; the run at work outlives the command, and is waited for."""
    written(shell, "daily", PIPELINE)
    words = ("lading.cli", "backfill", "daily", *DAYS)
    process = Forked(*words, cwd=shell.folder, env=shell.env)
    said = shell.folder / "said"
    assert eventually(lambda: said.exists() and "2024-03-10 2024" in said.read_text(encoding="utf-8"))
    process.kill()
    process.communicate(60)
    second = Forked(*words, cwd=shell.folder, env=shell.env)
    (shell.folder / "go").touch()
    out, _ = second.communicate(120)
    assert second.returncode == 0
    assert said.read_text(encoding="utf-8").splitlines() == [
        "2024-03-08 2024-03-09 2024-03-09T07:30:00+00:00",
        "2024-03-09 2024-03-10 2024-03-10T07:00:00+00:00",
        "2024-03-10 2024-03-11 2024-03-11T06:30:00+00:00",
    ]
    assert out.splitlines()[-1].strip() == "3 due times: 2 done, 1 left out, which had a run before"
    bills = shell("history", "--json").json["runs"]
    assert Counter(bill["pipeline"] for bill in bills) == {"daily": 3}


def test_what_would_be_run_is_shown(inside, own_store):
    written(inside, "daily", PIPELINE)
    done = inside("backfill", "daily", *DAYS, "--dry-run")
    assert [line.rstrip() for line in done.out.splitlines()] == [
        "       Due (America/New_York)   UTC                Before",
        "─────────────────────────────────────────────────────────",
        "runs   Sat 2024-03-09 02:30     2024-03-09 07:30",
        "runs   Sun 2024-03-10 03:00     2024-03-10 07:00",
        "runs   Mon 2024-03-11 02:30     2024-03-11 06:30",
        "",
        "3 due times: 3 would be run",
    ]
    found = json.loads(inside("backfill", "daily", *DAYS, "--dry-run", "--json").out)
    assert [(each["due"], each["left_out"]) for each in found["dues"]] == [
        ("2024-03-09T07:30:00Z", False),
        ("2024-03-10T07:00:00Z", False),
        ("2024-03-11T06:30:00Z", False),
    ]
    lines = lading.backfill("daily", "2024-03-09", "2024-03-11", dry=True)
    assert [line.due.due.hour for line in lines] == [7, 7, 6]


@pytest.mark.parametrize(
    ("more", "words", "message"),
    [
        ("", ("--from", "1.3.2024"), "--from '1.3.2024' is no date.\n  Write one like 2026-01-31."),
        (
            "",
            ("--from", "2024-03-12"),
            "--from 2024-03-12 is after --to 2024-03-11.\n  Give the earlier day to --from.",
        ),
        (
            "",
            ("--parallel", "2"),
            ("--parallel is 2, and 'daily' may have 1 at work at a time.\n"
            "  Write 'runs: 2' in its file, if its runs do not build on each other."),
        ),
        (
            "plain",
            (),
            ("'daily' has no schedule, and no parameter that tells its runs the day: all of them would do the same.\n"
            "  Give it one: params: {day: {type: date, from: due}}."),
        ),
        (
            "params: {who: {}}\n",
            (),
            ("pipelines/daily.yaml:2: parameter 'who' has no default, and a run of the schedule is given none.\n"
            "  Add 'default', or 'from: due'."),
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_said_before_anything_runs(inside, own_store, more, words, message):
    steps = "steps: [{key: a, do: bash, script: 'true'}]\n"
    text = steps if more == "plain" else f'schedule: {{cron: "0 2 * * *"}}\n{more}{steps}'
    written(inside, "daily", text)
    done = inside("backfill", "daily", *DAYS, *words)
    assert (done.code, done.err) == (2, f"error: {message}\n")
