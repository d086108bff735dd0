"""Schedules and the scheduler as people use them: real runs in real processes."""

import json
import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from lading import dues
from lading.dues import SINCE, Due
from lading.schedule import Schedule
from lading.store import Store
from tests.forked import Forked

TELL = "steps:\n  - {key: tell, do: bash, script: 'echo ${LADING_DUE:-by hand} >> said; %s'}\n"


@pytest.fixture
def project(shell):
    (shell.folder / "connections.yaml").write_text("connections: {}\n", encoding="utf-8")
    (shell.folder / "pipelines").mkdir()
    return shell


def write(project, name: str, schedule: str, script: str = "true", more: str = "") -> None:
    text = f"{schedule and f'schedule: {schedule}'}\n{TELL % script}{more}"
    (project.folder / f"pipelines/{name}.yaml").write_text(text, encoding="utf-8")


def since(own_store: Path, ago: timedelta, **pipelines: str) -> datetime:
    """Schedules that a scheduler has seen so long ago."""
    store = Store(str(own_store / "store.db"))
    moment = datetime.now(UTC) - ago
    causes = {name: Schedule.model_validate({"cron": cron}).cause for name, cron in pipelines.items()}
    dues.put(store, [Due(name, moment, cause, SINCE) for name, cause in causes.items()])
    store.close()
    return moment


def eventually(true, seconds: float = 60) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    return bool(true())


def start(project, *words: str) -> Forked:
    return Forked("lading.cli", "scheduler", *words, cwd=project.folder, env=project.env)


def test_what_is_due_next_is_shown_on_its_clock_and_in_utc(inside):
    (inside.folder / "connections.yaml").write_text("connections: {}\n", encoding="utf-8")
    (inside.folder / "pipelines").mkdir()
    assert (inside("schedule").code, inside("schedule").out) == (0, "No pipeline has a schedule.\n")
    write(inside, "nightly", '{cron: "30 2 * * *", zone: Asia/Kolkata, deadline: 2h}')
    write(inside, "later", "{after: nightly}")
    write(inside, "hand", "")
    done = inside("schedule", "nightly", "--count", "3")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["Asia/Kolkata", "UTC", "Deadline"]
    assert len(lines) == 5
    for line in lines[2:]:
        found = re.fullmatch(r"\w{3}   (\S+) 02:30 \+0530   (\S+) 21:00   (\S+) 04:30 *", line)
        assert found, line
        assert found[1] == found[3] > found[2]
    assert len({line.index("02:30") for line in lines[2:]}) == 1
    done = inside("schedule")
    assert re.search(r"^nightly +30 2 \* \* \*, Asia/Kolkata +\w{3} \S+ 02:30 +\S+ 21:00", done.out, re.M)
    assert re.search(r"^later +after nightly +– +–", done.out, re.M)
    assert "hand" not in done.out
    assert inside("schedule", "hand").out == "'hand' has no schedule.\n"
    assert inside("schedule", "nihgtly").err.startswith("error: There is no pipeline 'nihgtly'.\n  Did you mean 'nigh")
    write(inside, "bad", '{cron: "0 2 * *"}')
    done = inside("schedule", "--json")
    assert done.code == 2
    assert [each["pipeline"] for each in done.json["next"]] == ["later", "nightly"]
    assert done.json["wrong"][0].startswith("pipelines/bad.yaml:1: the schedule: '0 2 * *' is no cron text")
    assert "error: pipelines/bad.yaml:1:" in inside("schedule").err


def just_over() -> str:
    """A cron text for the last two minutes, which names none that comes while a test is at work."""
    now = datetime.now(UTC)
    return ",".join(str((now - timedelta(minutes=n)).minute) for n in (2, 1)) + " * * * *"


def test_once_runs_what_is_due_and_what_follows_it(project, own_store):
    cron = just_over()
    write(project, "a", f'{{cron: "{cron}", missed: run_all, overlap: queue}}')
    write(project, "b", "{after: a}", "exit 4")
    since(own_store, timedelta(minutes=5), a=cron)
    done = project("scheduler", "--once", "--jobs", "1", "--json")
    assert done.code == 1, "b has failed"
    lines = [json.loads(line) for line in done.out.splitlines()]
    events = [(line["event"], line["pipeline"]) for line in lines]
    assert events.count(("done", "a")) == 2
    assert events[-2:] == [("began", "b"), ("failed", "b")]
    said = (project.folder / "said").read_text(encoding="utf-8").split()
    assert said[:2] == sorted(said[:2])
    assert said[0].endswith(":00+00:00")
    assert project("scheduler", "--once").out == ""
    shown = project("schedule", "a").out
    assert len(re.findall(r"^done  .* a  .* run \d{8}-\d{6}-\w{12}$", shown, re.M)) == 2, shown
    bills = project("history", "--json").json["runs"]
    assert sorted(bill["pipeline"] for bill in bills) == ["a", "a", "b"]
    again = project("run", "a", "--run", bills[-1]["run"], "--json")
    assert again.json == bills[-1], "a run that has its bill is not run again"
    assert (project.folder / "said").read_text(encoding="utf-8").split() == said


OVERLAPPING = """\
runs: 2
schedule: {cron: "%s", missed: run_all, overlap: allow}
params: {due: {type: text, from: due}}
steps:
  - {key: meet, do: bash, script: "touch $LADING_RUN.here; until [ $(ls *.here | wc -l) -ge 2 ]; do sleep 0.1; done"}
  - {key: load, from: crm, to: wh, tables: amounts, exclude: ["${param:due}*"], mode: append, after: meet}
"""


def test_runs_that_overlap_write_a_table_one_after_the_other(project, legacy, own_store, pg_database):
    """Rows without a key are appended by both, which differ in their options, and are proved."""
    text = f"connections:\n  crm: sqlite:///legacy.db\n  wh: {pg_database}\n"
    (project.folder / "connections.yaml").write_text(text, encoding="utf-8")
    cron = just_over()
    (project.folder / "pipelines/p.yaml").write_text(OVERLAPPING % cron, encoding="utf-8")
    since(own_store, timedelta(minutes=5), p=cron)
    done = project("scheduler", "--once", "--jobs", "2")
    assert [line.split()[1] for line in done.out.splitlines()] == ["began", "began", "proved", "proved"], done
    with closing(sqlite3.connect(own_store / "store.db")) as ledger:
        loads = ledger.execute("SELECT began, ended FROM step_runs WHERE step = 'load' ORDER BY began").fetchall()
    assert len(loads) == 2
    assert all(one[1] <= other[0] for one, other in pairwise(loads))


def test_a_pipeline_runs_after_a_table_that_another_has_moved(project, legacy):
    text = "connections:\n  crm: sqlite:///legacy.db\n  wh: {kind: duckdb, path: wh.duckdb}\n"
    (project.folder / "connections.yaml").write_text(text, encoding="utf-8")
    (project.folder / "pipelines/load.yaml").write_text("steps:\n  - {from: crm, to: wh, tables: people}\n")
    write(project, "report", "{after: {at: wh, table: people}}")
    write(project, "other", "{after: {at: wh, table: amounts}}")
    assert project("scheduler", "--once").out == ""
    assert project("run", "load", "--quiet").code == 0
    done = project("scheduler", "--once")
    assert [line.split()[1:3] for line in done.out.splitlines()] == [["began", "report"], ["done", "report"]], done
    assert project("scheduler", "--once").out == ""


def test_a_pipeline_that_is_wrong_fails_with_its_line(project, own_store):
    write(project, "a", '{cron: "* * * * *"}', more="  - {key: more, do: nothing}\n")
    since(own_store, timedelta(minutes=2), a="* * * * *")
    done = project("scheduler", "--once")
    assert done.code == 1
    assert "failed    a  " in done.out
    assert "pipelines/a.yaml:4: step 'more' is of the kind 'nothing'." in done.out


def test_a_scheduler_that_is_ended_leaves_its_run_to_the_next(project, own_store):
    write(project, "a", '{cron: "* * * * *", overlap: queue}', "if [ -e go ]; then exit 0; fi; sleep 60")
    since(own_store, timedelta(minutes=2), a="* * * * *")
    process = start(project)
    assert eventually((project.folder / "said").exists)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "began     a" in out
    (project.folder / "go").touch()
    with closing(sqlite3.connect(own_store / "store.db")) as ledger:
        query = "SELECT dues.state, runs.state FROM dues JOIN runs ON runs.id = dues.run"
        assert ("waiting", "interrupted") in ledger.execute(query).fetchall()
    assert project("scheduler", "--once").code == 0
    said = (project.folder / "said").read_text(encoding="utf-8").split()
    assert said[0] == said[1], "the same due time"


def test_a_pipeline_at_work_is_busy_and_not_wrong(project, own_store):
    write(project, "a", "", "sleep 60")
    process = Forked("lading.cli", "run", "a", "--quiet", cwd=project.folder, env=project.env)
    assert eventually((project.folder / "said").exists)
    done = project("run", "a", "--run", "r1")
    process.terminate()
    process.communicate(60)
    assert process.returncode == 128 + signal.SIGTERM
    assert (done.code, done.err.split(" ", 2)[0]) == (75, "error:")
    assert "is at work right now" in done.err


def test_an_idle_scheduler_takes_next_to_no_time(project):
    """With a thousand schedules: the processor's time, as a part of the clock's."""
    for number in range(1000):
        write(project, f"p{number}", f'{{cron: "{number % 60} 3 1 1 *", zone: America/New_York}}')
    process = start(project)
    assert process.stdout is not None
    assert process.stdout.readline().split("  ", 1)[1].strip() == (
        f"ready     1,000 schedules, at most {os.cpu_count()} runs at a time"
    )

    def spent() -> float:
        words = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    before, began = spent(), time.monotonic()
    time.sleep(6)
    share = (spent() - before) / (time.monotonic() - began)
    process.terminate()
    process.communicate(timeout=60)
    print(f"{share:.2%} of a core")
    assert share < 0.05


class Channel(BaseHTTPRequestHandler):
    """A channel that keeps what it is told."""

    told: ClassVar[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        self.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def channel() -> Iterator[str]:
    """The address of a channel that keeps what it is told."""
    pytest.importorskip("apprise")
    Channel.told.clear()
    with HTTPServer(("127.0.0.1", 0), Channel) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"json://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_people_are_told_of_a_run_that_could_not_even_begin(project, own_store, channel):
    tell = "  - {key: people, do: notify, channel: team}\n  - {key: q, do: bash, file: gone.sh}\n"
    write(project, "a", '{cron: "* * * * *"}', "true", tell)
    since(own_store, timedelta(minutes=1), a="* * * * *")
    project.env["LADING_CHANNEL_TEAM"] = channel
    project("scheduler", "--once")
    assert [each["title"] for each in Channel.told] == ["a: failed"]
    assert "the file 'gone.sh', which is not there" in Channel.told[0]["message"]


def test_people_are_told_before_a_deadline_is_missed(project, own_store, channel):
    tell = "  - {key: people, do: notify, channel: team, when: [late]}\n"
    write(project, "a", '{cron: "* * * * *", deadline: 3m}', "true", tell)
    since(own_store, timedelta(minutes=2), a="* * * * *")
    store = Store(str(own_store / "store.db"))
    due = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=2, seconds=50)
    dues.put(store, [Due("a", due, "* * * * * UTC", run=dues.run_id("a", due))])
    store.close()
    project.env["LADING_CHANNEL_TEAM"] = channel
    done = project("scheduler", "--once")
    assert re.search(r"(soon|late)      a  what was due at \S+ \S+ UTC is at work and (must|should have) end", done.out)
    assert "error" not in done.out
    told = [each for each in Channel.told if "late" in each["title"]]
    assert told[0]["title"] in ("a: late soon", "a: late")
    assert ("soon" in told[0]["title"]) == bool(re.search(r"soon +a  what", done.out))
    assert "what was due at" in told[0]["message"]
