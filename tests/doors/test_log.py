"""`lading log`: what a run's steps had to say, afterwards and while they are at work."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lading import actions
from lading.cli import lading
from tests.journeys.test_graph import MOVE, REPORT, Project

TIMES = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|[\d.]+ m?s(?=: )")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def shown(*words: str) -> str:
    ended = CliRunner().invoke(lading, ["log", *words])
    if ended.exception and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return TIMES.sub("TIME", ended.output)


def test_a_run_s_logs_are_shown_step_by_step(project: Project):
    project.steps(MOVE, REPORT, "key: say, do: bash, after: report, script: 'echo one; echo two; exit 3'")
    bill = project.run()
    assert shown() == shown(bill.run[:12]) == (
        "sales\n"
        "  TIME move begins, attempt 1\n"
        "  TIME sales: reading, in 1 slice\n"
        "  TIME sales: proving\n"
        "  TIME sales: publishing\n"
        "  TIME sales: proved\n"
        "  TIME sales into sales: 30 rows, proved\n"
        "  TIME proved after TIME: 30 rows in 1 table\n"
        "\n"
        "report\n"
        "  TIME sql begins, attempt 1\n"
        "  TIME SELECT territory, sum(amount) AS total FROM sales GROUP BY territory\n"
        "  TIME proved after TIME: 3 rows into report, replace\n"
        "\n"
        "say\n"
        "  TIME bash begins, attempt 1\n"
        "  one\n"
        "  two\n"
        f"  TIME failed after TIME: {bill.steps[2].error}\n"
    )  # fmt: skip
    assert shown("last", "say").splitlines()[1:3] == ["one", "two"]


def test_what_is_not_there(project: Project, monkeypatch: pytest.MonkeyPatch):
    project.steps("key: say, do: bash, script: 'true'")
    with actions.store(), pytest.raises(Exception, match="There is no run 'last' of a pipeline"):
        shown()
    bill = project.run()
    with pytest.raises(Exception, match=r"has tried no step 'x'\. There are: say\."):
        shown("last", "x")
    with pytest.raises(Exception, match=f"Run {bill.run} has tried no step 'sai'. Did you mean 'say'"):
        shown("last", "sai")
    for log in (project.folder / "store/logs" / bill.run).iterdir():
        log.unlink()
    monkeypatch.setattr("platform.node", lambda: "elsewhere")
    with pytest.raises(Exception, match=f"The logs of run {bill.run} are not here. Look on '{os.uname().nodename}'"):
        shown()


@contextmanager
def ending(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Nothing waits for it when the test fails."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


def test_a_log_is_followed_until_the_run_is_over(project: Project):
    project.steps("key: say, do: bash, script: 'echo ready; until test -e go; do sleep 0.05; done; echo gone'",
                  "key: then, do: bash, after: say, script: 'echo then'")  # fmt: skip
    words = [sys.executable, "-m", "lading.cli"]
    with subprocess.Popen([*words, "run", "p", "--run", "r1"], stdout=subprocess.DEVNULL) as run, ending(run):
        while not (project.folder / "store/logs/r1/say.log").exists():
            assert run.poll() is None
        with subprocess.Popen([*words, "log", "r1", "--follow"], stdout=subprocess.PIPE, text=True) as log, ending(log):
            assert log.stdout
            heard = [log.stdout.readline().strip() for _ in range(3)]
            assert heard[0] == "say"
            assert heard[2] == "ready"
            assert run.poll() is None, "what it says can be read while it is at work"
            (project.folder / "go").touch()
            rest, _ = log.communicate(timeout=60)
    lines = [line.strip() for line in rest.splitlines()]
    assert (run.returncode, log.returncode) == (0, 0)
    assert lines[0] == "gone"
    assert lines[-2] == "then"
    assert [step.key for step in actions.bill("r1").steps] == ["say", "then"]
