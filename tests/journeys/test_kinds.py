"""The kinds of steps that call, compare, wait and tell."""

import json
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, tzinfo
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType, SimpleNamespace
from typing import ClassVar, cast

import pytest

from lading import actions, find, waiting
from lading.desk import Desk
from lading.errors import SpecError
from lading.prove import Bill
from tests.journeys.test_graph import MOVE, Project, eventually, project, say, states

__all__ = ["project"]

DOUBLE = """\
import pyarrow.compute as pc


def double(sales, factor=2):
    print(f"{sales.num_rows} rows")
    return sales.set_column(2, "amount", pc.multiply(sales["amount"], factor))


def polars(sales):
    import polars as pl

    return sales.group_by("territory").agg(pl.len().cast(pl.Int64).alias("n"))


def pandas(sales):
    return sales.groupby("territory", as_index=False).agg(n=("id", "count"))


def stream(sales):
    return (batch.select(["id"]) for batch in sales)


def wrong(sales):
    raise ValueError("no such luck")


def greedy(sales):
    return [bytearray(2**20) for _ in range(4096)]


def nothing(sales):
    return "text"


def leak(sales):
    import os

    print(sorted(name for name in os.environ if name.startswith("SECRET")), os.environ.get("SECRET_B"))
    return sales


def again(sales):
    from lading import Unreachable

    raise Unreachable("The service sleeps.", "Run again.")


def endless(sales):
    import time

    time.sleep(300)
"""


def python(project: Project, function: str, more: str = "", before: str = "") -> Bill:
    (project.folder / "pipelines/made.py").write_text(DOUBLE, encoding="utf-8")
    step = f"key: f, do: python, file: made.py, function: {function}, inputs: {{sales: {{at: crm, table: sales}}}}"
    project.steps(f"{step}, to: wh, into: made{more}", before=before)
    bill = project.run()
    assert not (project.folder / "store/logs" / bill.run / "f.frames").exists()
    return bill


# python


def test_a_function_takes_tables_and_gives_one(project):
    bill = python(project, "double", before="params: {factor: {type: whole, default: 3}, other: {default: x}}\n")
    assert (bill.state, bill.steps[0].says) == ("proved", "30 rows in 1 table")
    assert project.query("SELECT count(*), sum(amount) FROM made") == [(30, 1350)]
    assert "30 rows\n30 rows returned" in project.log(bill.run, "f")
    assert bill.tables[0].into == "made"


@pytest.mark.parametrize(("form", "function"), [("polars", "polars"), ("pandas", "pandas")])
def test_frames_of_other_libraries(project, form, function):
    pytest.importorskip(form)
    bill = python(project, function, f", frames: {form}")
    assert bill.state == "proved", bill.steps
    assert project.query("SELECT territory, n FROM made ORDER BY 1") == [("t0", 10), ("t1", 10), ("t2", 10)]


def test_batches_need_not_be_in_memory_at_once(project):
    assert python(project, "stream", ", frames: batches").steps[0].says == "30 rows in 1 table"
    assert project.query("SELECT min(id), max(id) FROM made") == [(0, 29)]


@pytest.mark.parametrize(
    ("function", "more", "said", "kind"),
    [
        ("wrong", "", "The function ended with ValueError: no such luck. See ", "data"),
        ("greedy", ", memory_mb: 512", "The function ended with MemoryError: it needs more than 512 MiB", "data"),
        ("nothing", "", "The function ended with TypeError: the function returned str, which is no frame.", "data"),
        ("again", ", retries: 0", "The function ended with The service sleeps. Run again.", "unreachable"),
        ("gone", "", "The function ended with KeyError: 'gone'.", "data"),
        ("endless", ", timeout_seconds: 2, retries: 0", "It took more than 2 seconds.", "unreachable"),
    ],
)
def test_how_a_function_may_fail(project, function, more, said, kind):
    bill = python(project, function, more)
    assert (bill.steps[0].error[: len(said)], bill.steps[0].error_kind) == (said, kind)
    assert not (project.folder / "wh.duckdb").exists()


def test_a_function_sees_no_secret_but_those_that_are_named(project, monkeypatch):
    monkeypatch.setenv("SECRET_A", "geheim-a")
    monkeypatch.setenv("SECRET_B", "geheim-b")
    bill = python(project, "leak", ", secrets: SECRET_B")
    assert "['SECRET_B'] ***" in project.log(bill.run, "f")


def test_a_function_of_a_module_of_the_project(project):
    (project.folder / "ours.py").write_text("def f():\n    print('it ran')\n", encoding="utf-8")
    project.steps("key: f, do: python, function: 'ours:f'")
    bill = project.run()
    assert (bill.state, bill.steps[0].says) == ("done", "it ran")


# prove


def test_a_proof_of_an_earlier_move(project):
    project.steps(MOVE, "key: same, do: prove, step: sales, after: sales")
    bill = project.run()
    assert [step.says for step in bill.steps] == ["30 rows in 1 table", "1 table equal"]
    project.query("UPDATE sales SET amount = 7 WHERE id IN (3, 4)")
    bill = project.run("same")
    assert (bill.steps[1].state, bill.steps[1].error_kind) == ("failed", "proof")
    assert bill.steps[1].error.startswith("Rows differ: sales: 2. See diff ")
    project.steps(MOVE, "key: same, do: prove, step: sales, after: sales, compare: {exclude: amount}")
    assert project.run("same").steps[1].state == "proved"


def test_a_proof_names_a_move(project):
    project.steps(MOVE, say("a"), "key: same, do: prove, step: a, after: sales")
    with pytest.raises(
        SpecError, match=r"step 'same' names 'a', which is no step that moves tables\. There are: sales"
    ):
        project.run()
    project.steps(MOVE, "key: same, do: prove, step: slaes")
    with pytest.raises(SpecError, match=r"step 'same' names 'slaes', which is no step\. There are: sales, same\."):
        project.run()


# wait


def wait(project: Project, what: str, more: str = "every_seconds: 0.05, for_seconds: 0", key: str = "w"):
    project.steps(f"key: {key}, do: wait, {what}, {more}")
    return next(step for step in project.run().steps if step.key == key)


def test_waiting_for_a_time(project):
    assert wait(project, "time: {at: '00:00', zone: America/New_York}").state == "done"
    with pytest.raises(SpecError, match="There is no time zone 'Mars'"):
        wait(project, "time: {at: '00:00', zone: Mars}")
    late = wait(project, "time: {at: '23:59:59.9'}")
    assert late.error.startswith("It waited 0 seconds: it is not yet ")
    assert wait(project, "time: {at: '23:59:59.9'}", "for_seconds: 0, otherwise: skip").state == "skipped"


def test_a_time_that_the_clock_skips_comes_when_it_jumps(monkeypatch):
    step = find.step_class("wait")(key="w", time={"at": "02:30", "zone": "America/New_York"})

    class Clock(datetime):
        moment = datetime(2026, 3, 8, 6, 59, tzinfo=UTC)

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return Clock.moment.astimezone(tz)

    monkeypatch.setattr(waiting, "datetime", Clock)
    look = waiting.looking(step, cast(Desk, None))
    assert look() == (False, "it is not yet 2026-03-08 03:00 in America/New_York")
    Clock.moment += timedelta(minutes=1)
    assert look()[0]


def test_waiting_for_a_file_that_no_longer_grows(project):
    assert wait(project, "file: drop/*.csv").error.startswith("It waited 0 seconds: there is no file 'drop/*.csv'.")
    (project.folder / "drop").mkdir()
    file = project.folder / "drop/a.csv"
    step = find.step_class("wait")(key="w", file="drop/*.csv")
    look = waiting.looking(step, cast(Desk, SimpleNamespace(folder=project.folder)))
    assert look() == (False, "there is no file 'drop/*.csv'")
    for text in ("some", "some more"):
        file.write_text(text, encoding="utf-8")
        assert look() == (False, "'drop/*.csv' still changes")
    assert look() == (True, "1 file 'drop/*.csv'")
    assert wait(project, f"file: {file}", "every_seconds: 0.01, for_seconds: 9").state == "done"


def test_waiting_for_another_pipeline(project):
    text = "steps: [{key: a, do: bash, script: 'exit $(cat code)'}]\n"
    (project.folder / "pipelines/other.yaml").write_text(text, encoding="utf-8")
    what = "pipeline: {name: other, hours: 1}"
    assert "'other' has not run yet" in wait(project, what).error
    for code, state in ((1, "failed"), (0, "done")):
        (project.folder / "code").write_text(str(code), encoding="utf-8")
        run = actions.run("other")
        step = wait(project, what)
        assert step.state == state
        assert f"run {run.run} of 'other' ended {state}" in step.error + step.says


def test_waiting_for_a_fresh_table(project):
    what = "table: {at: crm, name: marks, column: moment, hours: 1}"
    assert "crm has no table 'marks'" in wait(project, what).error
    with closing(sqlite3.connect("crm.db")) as crm:
        crm.execute("CREATE TABLE marks (moment TIMESTAMP)")
        crm.execute("INSERT INTO marks VALUES (?)", [f"{datetime.now(UTC) - timedelta(hours=2):%Y-%m-%d %H:%M:%S}"])
        crm.commit()
        assert "'marks': the newest 'moment' is 2.0 hours old, more than 1" in wait(project, what).error
        crm.execute("INSERT INTO marks VALUES (?)", [f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"])
        crm.commit()
    assert wait(project, what).says == "'marks' is fresh"


def test_waiting_ends_with_the_step_s_own_time(project):
    step = wait(project, "file: never", "every_seconds: 30, timeout_seconds: 1, retries: 1")
    assert (step.error.partition(".")[0], step.attempts) == ("It took more than 1 seconds", 2)


# approve


def approved(project: Project, monkeypatch: pytest.MonkeyPatch, granted: bool):
    monkeypatch.setattr("lading.steps.approve.LOOK_SECONDS", 0.02)
    monkeypatch.setenv("LOGNAME", "anna")
    project.steps("key: ask, do: approve, asks: 'Is the report right?'", say("a", "ask"))
    done: list[object] = []
    thread = threading.Thread(target=lambda: done.append(project.run()))
    thread.start()
    logs = project.folder / "store/logs"
    assert eventually(lambda: any("Waiting" in each.read_text(encoding="utf-8") for each in logs.glob("*/ask.log")))
    (log,) = logs.glob("*/ask.log")
    assert f"Is the report right? Waiting for: lading approve {log.parent.name} ask" in log.read_text(encoding="utf-8")
    with pytest.raises(SpecError, match=f"No step 'aks' of a run '{log.parent.name}' waits. 'lading history' names"):
        actions.approve(log.parent.name, "aks")
    (waits,) = actions.unfinished()
    assert (waits.run, waits.pipeline, waits.state, waits.step) == (log.parent.name, "p", "waiting", "ask")
    actions.approve(log.parent.name[:-2], "ask", granted, "checked by hand")
    thread.join()
    return done[0]


def test_a_person_approves(project, monkeypatch):
    bill = approved(project, monkeypatch, True)
    assert (states(bill), project.said) == ({"ask": "done", "a": "done"}, ["a"])
    assert bill.steps[0].says == "approved by anna: checked by hand"
    with pytest.raises(SpecError, match="waits"):
        actions.approve(bill.run, "ask")


def test_a_person_refuses(project, monkeypatch):
    bill = approved(project, monkeypatch, False)
    assert (states(bill), project.said) == ({"ask": "failed", "a": "skipped"}, [])
    assert bill.steps[0].error == "Refused by anna: checked by hand."


def test_nobody_approves(project):
    project.steps("key: ask, do: approve, for_seconds: 0")
    assert project.run().steps[0].error.startswith("Nobody approved within 0 seconds.")


# notify


class Told(BaseHTTPRequestHandler):
    """A service that takes messages, unless it is broken."""

    messages: ClassVar[list[dict[str, str]]] = []
    answer: ClassVar[int] = 200

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.messages.append(json.loads(self.rfile.read(length)))
        self.send_response(self.answer)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Says nothing."""


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Told]]:
    pytest.importorskip("apprise")
    Told.messages, Told.answer = [], 200
    with ThreadingHTTPServer(("127.0.0.1", 0), Told) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("LADING_CHANNEL_TEAM", f"json://me:geheim@127.0.0.1:{server.server_port}/")
        yield Told
        server.shutdown()
        thread.join()


QUIET = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")  # Apprise looks for a module that goes
TELL = "key: tell, do: notify, channel: team, retries: 0"


@QUIET
def test_people_are_told_of_what_went_wrong_after_everything_else(project, channel):
    project.steps(TELL, say("a", script="echo no disk; exit 3"), say("b", "a"))
    bill = project.run()
    assert states(bill) == {"a": "failed", "b": "skipped", "tell": "done"}
    assert bill.steps[2].says == "told team that it is failed"
    (message,) = channel.messages
    assert message["title"] == "p: failed"
    assert message["message"].startswith("a failed: The script ended with 3: no disk. See ")
    assert message["message"].endswith(f"Run {bill.run}")


@QUIET
def test_people_are_only_told_when_they_want_to_be(project, channel):
    project.steps(TELL, say("a"))
    assert states(project.run()) == {"a": "done", "tell": "skipped"}
    assert channel.messages == []
    project.steps(TELL + ", when: [done, failed], message: All is well.", say("a"), before="title: Nightly\n")
    assert states(project.run()) == {"a": "done", "tell": "done"}
    assert [(m["title"], m["message"].split("\n")[0]) for m in channel.messages] == [("Nightly: done", "All is well.")]


@QUIET
def test_a_channel_that_does_not_work(project, channel, monkeypatch, capfd):
    project.steps(TELL + ", when: done", say("a"))
    channel.answer = 500
    assert project.run().steps[1].error.startswith("Channel 'team' did not take the message.")
    monkeypatch.setenv("LADING_CHANNEL_TEAM", "nowhere")
    assert project.run().steps[1].error == "Channel 'team' has an address that Apprise does not know. Correct it."
    monkeypatch.delenv("LADING_CHANNEL_TEAM")
    bill = project.run()
    assert "Channel 'team' needs the environment variable LADING_CHANNEL_TEAM" in bill.steps[1].error
    assert "geheim" not in "".join(capfd.readouterr()) + bill.model_dump_json()


# kinds of others


def test_a_kind_of_another_package(project, monkeypatch):
    module = ModuleType("hello_step")
    code = """
from typing import Literal
from lading.desk import Outcome
from lading.prove import State
from lading.spec import Step

class Hello(Step):
    do: Literal["hello"] = "hello"
    name: str

def run(step, desk):
    return Outcome(state=State.DONE, says=f"hello {step.name} in {desk.pipeline.name}")
"""
    exec(code, vars(module))
    monkeypatch.setitem(sys.modules, "hello_step", module)
    real = entry_points
    point = EntryPoint("hello", "hello_step", find.STEPS)
    monkeypatch.setattr(find, "entry_points", lambda group: [point] if group == find.STEPS else real(group=group))
    kept = (find.step_kinds, find.step_module, find.step_class)
    for each in kept:
        each.cache_clear()
    try:
        project.steps("key: h, do: hello, name: you")
        assert project.run().steps[0].says == "hello you in p"
        project.steps("key: h, do: hello, nmae: you")
        with pytest.raises(SpecError, match="step 'h' has no option 'nmae'"):
            project.run()
    finally:
        for each in kept:
            each.cache_clear()
