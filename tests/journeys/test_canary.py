"""A candidate beside the live release: what runs, what is compared, what goes live, and what is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from lading import actions, actions_releases, attempts, canary
from lading.actions_releases import Made, Trial, Wanted
from lading.errors import SpecError
from lading.preflight.beside import Canary, Found, Met
from lading.store import Store
from tests.journeys.shell import lading
from tests.servers import MariaDB, Postgres

STEPS = """\
parallel: 1
steps:
  - {key: goals, from: shop, to: wh, tables: [goals], into: {goals: sales.goals}}
  - {key: orders, from: shop, to: wh, tables: [orders], into: {orders: sales.orders}}
  - {key: report, do: sql, at: wh, file: report.sql, into: report, merge_key: territory, accept: "territory:null",
     after: [orders, goals]}
  - {key: best, do: sql, at: wh, query: "SELECT r.territory FROM report r WHERE total > 30", into: best, after: report}
  - {key: check, do: check, at: wh, on: report, rules: [{not_empty: true}, {sql: SELECT 1 FROM report WHERE total < 0}],
     after: [report]}
  - {key: tell, do: bash, script: echo >> told, after: [best]}
"""
REPORT = """\
WITH sums AS (SELECT territory, sum(amount) AS total FROM sales.orders GROUP BY territory)
SELECT sums.territory, CAST(sums.total AS decimal(12,2)) AS total, CAST(goal AS int) AS goal
FROM sums JOIN sales.goals ON goals.territory = sums.territory
"""


class Shop:
    """A pipeline 'nightly' that has run as its first release. `ask` is asked at the target."""

    def __init__(self, folder: Path, source: str, target: str, ask: Callable[[str], list[tuple[object, ...]]]) -> None:
        self.folder, self.ask = folder, ask
        (folder / "connections.yaml").write_text(f"connections:\n  shop: {source}\n  wh: {target}\n", encoding="utf-8")
        (folder / "pipelines").mkdir()
        self.write("nightly.yaml", STEPS)
        self.write("report.sql", REPORT)
        assert actions_releases.release("nightly").new
        assert [each.error for each in actions.run("nightly").steps if each.error] == []
        (folder / "told").unlink()
        self.before = self.tables()

    def write(self, name: str, text: str) -> None:
        (self.folder / "pipelines" / name).write_text(text, encoding="utf-8")

    def change(self, old: str, new: str, name: str = "report.sql") -> None:
        text = (self.folder / "pipelines" / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def names(self) -> set[str]:
        shown = "SELECT table_name FROM information_schema.tables WHERE table_schema IN ('sales', 'public', 'main')"
        return {str(name) for (name,) in self.ask(shown)}

    def tables(self) -> dict[str, list[tuple[object, ...]]]:
        return {name: self.ask(f"SELECT * FROM {name} ORDER BY 1") for name in
                ("sales.orders", "sales.goals", "report", "best")}  # fmt: skip

    def canary(self, *expect: str, keep: bool = False) -> Made:
        """Tries the draft; whatever comes of it, the live tables are as they were, and nothing is left."""
        made = actions_releases.release("nightly", trial=Trial(expect, keep))
        assert self.tables() == self.before
        assert not (self.folder / "told").exists()
        if not keep:
            assert self.names() == {"orders", "goals", "report", "best"}
        return made


def seen(made: Made) -> Canary:
    assert made.report
    assert made.report.canary
    return made.report.canary


def met(made: Made) -> dict[str, Met]:
    return {each.table: each for each in seen(made).tables}


@pytest.fixture
def duck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop of two DuckDB files."""
    monkeypatch.chdir(tmp_path)

    def ask(sql: str, file: str = "wh.duckdb") -> list[tuple[object, ...]]:
        with closing(duckdb.connect(str(tmp_path / file))) as there:
            return there.execute(sql).fetchall()

    ask("CREATE TABLE goals AS SELECT 't' || i AS territory, i * 10 AS goal FROM range(4) r(i)", "shop.duckdb")
    ask("CREATE TABLE orders AS SELECT i::int AS id, 't' || i % 4 AS territory, i + 0.5 AS amount FROM range(20) r(i)",
        "shop.duckdb")  # fmt: skip
    ask("CREATE SCHEMA sales")
    return Shop(tmp_path, "duckdb:///shop.duckdb", "duckdb:///wh.duckdb", ask)


@pytest.fixture
def servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Postgres, mariadb: MariaDB
) -> Iterator[Shop]:  # fmt: skip
    """A shop at MariaDB, its warehouse at PostgreSQL."""
    monkeypatch.chdir(tmp_path)
    source, target = mariadb.create_database("shop_canary"), postgres.create_database("wh_canary")
    for sql in (
        "CREATE TABLE goals (territory varchar(20) PRIMARY KEY, goal int)",
        "CREATE TABLE orders (id int PRIMARY KEY, territory varchar(20), amount decimal(10,2))",
        "INSERT INTO goals SELECT concat('t', seq), seq * 10 FROM seq_0_to_3",
        "INSERT INTO orders SELECT seq, concat('t', seq % 4), seq + 0.5 FROM seq_0_to_19",
    ):
        mariadb.execute(sql, source.rpartition("/")[2])
    name = target.rpartition("/")[2]
    postgres.execute("CREATE SCHEMA sales", name)
    try:
        yield Shop(tmp_path, source, target, lambda sql: postgres.execute(sql, name))
    finally:
        postgres.drop_database(name)
        mariadb.drop_database(source.rpartition("/")[2])


def test_what_differs_is_stopped_and_what_was_expected_goes_live(servers):
    servers.change("sum(amount)", "sum(amount) + 1")
    made = servers.canary()
    assert (made.new, made.release.number, made.stopped.number, made.stopped.state) == (False, 1, 2, "stopped")
    found = seen(made)
    assert (found.stopped, found.same, set(found.left)) == ("differs: report", ("goals", "orders"), {"tell"})
    assert met(made)["report"].columns == ("total",)
    compared = met(made)["report"].comparison
    assert compared
    assert (compared.changed, met(made)["best"].found) == (4, Found.EQUAL)
    assert actions_releases.found("nightly", 2).canary == found
    with pytest.raises(SpecError, match=r"'reports\.total' is no table that is made anew, nor a column of one"):
        servers.canary("reports.total")
    made = servers.canary("report.total")
    assert (made.new, made.release.number, met(made)["report"].found) == (True, 3, Found.EXPECTED)
    assert [each.state for each in actions_releases.released("nightly")] == ["live", "stopped", "live"]
    assert actions.run("nightly").release == 3
    assert servers.tables() != servers.before


def test_a_killed_canary_leaves_what_is_live_and_the_next_one_clears_up(servers):
    servers.change("orders: sales.orders}", "orders: sales.orders}, slice_rows: 5", "nightly.yaml")
    servers.change("JOIN", "CROSS JOIN (SELECT pg_sleep(60)) s JOIN")
    command = [sys.executable, "-m", "lading.cli", "release", "nightly", "--canary", "--accept", "queries"]
    with subprocess.Popen([*command, "--seconds", "0.2"], cwd=servers.folder) as process:
        try:
            until = time.monotonic() + 30
            shadows = 0
            while shadows < 2:  # the live release's orders and report are there, and the candidate's orders
                assert time.monotonic() < until
                assert process.poll() is None
                shadows = servers.ask(
                    "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '^lading_[0-9a-f]{12}$' "
                    "AND relnamespace = 'sales'::regnamespace"
                )[0][0]  # fmt: skip
                time.sleep(0.05)
        finally:
            os.kill(process.pid, signal.SIGKILL)
    assert servers.tables() == servers.before
    assert [each.state for each in actions_releases.released("nightly")] == ["canary", "live"]
    assert actions_releases.live() == {"nightly": 1}
    servers.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> "
                "pg_backend_pid()")  # fmt: skip
    servers.change("CROSS JOIN (SELECT pg_sleep(60)) s ", "")
    assert servers.canary().new
    assert [each.state for each in actions_releases.released("nightly")] == ["live", "stopped", "live"]
    cut = actions_releases.found("nightly", 2).canary
    assert cut
    assert cut.stopped == "it was cut off"


def test_steps_read_the_shadows_of_those_before_them(duck):
    with closing(duckdb.connect("shop.duckdb")) as shop:
        shop.execute("UPDATE orders SET amount = amount * 2")  # what is live knows nothing of it, and both runs do
    duck.change("tables: [orders]", 'tables: ["ord*"]', "nightly.yaml")
    made = duck.canary()
    assert made.new
    assert {name: each.found.value for name, each in met(made).items()} == dict.fromkeys(
        ("sales.orders", "report", "best"), "equal"
    )
    duck.change('tables: ["ord*"]', 'tables: ["ord*"], exclude: [orders.amount]', "nightly.yaml")
    made = duck.canary("sales.orders.amount", "report", "best")
    assert seen(made).stopped.startswith("step 'report' failed: ")
    assert met(made)["sales.orders"].columns == ("amount",)
    assert "the candidate's step 'best' was left out" in met(made)["best"].why[0]


def test_what_may_differ_is_named(duck):
    duck.change("AS goal", "AS goal, 1 AS more")
    duck.change("into: best,", "into: top,", "nightly.yaml")
    made = duck.canary("report.more", "report.goal")
    assert seen(made).stopped == "differs: best, top"
    report = met(made)["report"]
    assert (report.found, report.why[0]) == (Found.EXPECTED, "the live release has no column 'more'")
    assert report.why[1] == (
        "before it runs live: The target's table 'report' has no column 'more'. "
        "Add it there, or drop the table so that it is made anew."
    )
    assert met(made)["best"].why == ("the candidate makes it no more",)
    assert met(made)["top"].why == ("the live release does not make it",)
    assert duck.canary("report", "best", "top").new


def test_what_a_check_refuses_or_nobody_reads_does_not_go_live(duck):
    text = (duck.folder / "connections.yaml").read_text(encoding="utf-8")
    hidden = "wh: {kind: duckdb, path: wh.duckdb, sensitive: [report.total]}"
    (duck.folder / "connections.yaml").write_text(text.replace("wh: duckdb:///wh.duckdb", hidden), encoding="utf-8")
    duck.change("sum(amount)", "-sum(amount)")
    duck.change("SELECT r.territory FROM report r", "WITH report AS (FROM report) SELECT territory FROM report",
                "nightly.yaml")  # fmt: skip
    made = duck.canary("report.goal", keep=True)
    assert seen(made).stopped.startswith("step 'check' failed: ")
    assert seen(made).left["best"] == (
        "It is not known which tables it reads: 'report' is a table and a part of the select. "
        "Write the names plainly, or look at its result yourself."
    )
    assert (met(made)["best"].found, met(made)["report"].found) == (Found.UNKNOWN, Found.DIFFERENT)
    compared = met(made)["report"].comparison
    assert compared
    assert {each.key["total"] for each in compared.differences} == {"•••"}
    assert len([name for name in duck.names() if name.startswith("lading_")]) == 3
    duck.change("-sum(amount)", "sum(amount)")
    assert duck.canary().new, "what is read of both is what is live"


def test_it_ends_when_it_is_cancelled(duck):
    duck.change(
        "sum(amount)", "sum(amount * length(repeat('x', 1 + (SELECT max(i % 2) FROM range(1000000000000) r(i))::int)))"
    )

    def cancel() -> tuple[str, bool]:
        with actions.store() as store:
            until = time.monotonic() + 60
            while True:  # one of the runs within it has a step at work
                known = attempts.going(store)
                whole = [run for run in known if not attempts.steps(store, run)]
                if len(known) == 2 and len(whole) == 1:
                    return actions.cancel(whole[0])
                assert time.monotonic() < until
                time.sleep(0.05)

    with ThreadPoolExecutor() as pool:
        ended = pool.submit(cancel)
        with pytest.raises(SpecError, match="was cancelled by"):
            actions_releases.release("nightly", wanted=Wanted(("queries",), seconds=0.1), trial=Trial())
        assert ended.result()[1]
    assert (duck.tables(), duck.names()) == (duck.before, {"orders", "goals", "report", "best"})
    assert [each.state for each in actions_releases.released("nightly")] == ["stopped", "live"]


def test_one_at_a_time_and_beside_something(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "connections.yaml").write_text("connections: {}\n", encoding="utf-8")
    (tmp_path / "pipelines").mkdir()
    file = tmp_path / "pipelines/nightly.yaml"
    file.write_text("steps: [{key: a, do: bash, script: 'true'}]", encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        actions_releases.release("nightly", trial=Trial())
    assert str(caught.value) == (
        "'nightly' has no live release: there is nothing that a candidate can be compared with. "
        "Make the first: lading release nightly"
    )
    actions_releases.release("nightly")
    file.write_text("steps: [{key: a, do: bash, script: 'false'}]", encoding="utf-8")
    with actions.store() as store:
        place = canary.alone(store, "nightly")
        with pytest.raises(SpecError, match="of 'nightly canary' is at work right now"):
            actions_releases.release("nightly", trial=Trial())
        store.end(place, "done", None)
    assert actions_releases.release("nightly", trial=Trial()).new


def test_folders_of_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "orders.csv").write_text("id,amount\n1,2\n2,3\n", encoding="utf-8")
    (tmp_path / "connections.yaml").write_text("connections:\n  out: parquet:///out\n", encoding="utf-8")
    (tmp_path / "out").mkdir()
    steps = "steps:\n  - {key: orders, from: orders.csv, to: out, merge_key: id}\n"
    (tmp_path / "pipelines/nightly.yaml").write_text(steps, encoding="utf-8")
    actions_releases.release("nightly")
    actions.run("nightly")
    (tmp_path / "pipelines/nightly.yaml").write_text(steps.replace("id}", "id, exclude: orders.amount}"), "utf-8")
    ended = lading("release", "nightly", "--canary", cwd=tmp_path, env={"COLUMNS": "100", "NO_COLOR": "1"})
    said = [line.rstrip() for line in ended.out.splitlines()]
    at = next(number for number, line in enumerate(said) if line.startswith("Canary"))
    assert (ended.code, said[at].partition("  ")[2]) == (1, "release 2 beside 1  ✗ differs: orders")
    assert said[at + 3 : at + 6] == [
        "out: orders", "  ✗ different in amount", "    the candidate has no column 'amount'",
    ]  # fmt: skip
    assert [path.name for path in (tmp_path / "out").iterdir() if "lading" in path.name] == []


class Small:
    """A pipeline 'p' of one select at a DuckDB file, and what else a test gives it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "pipelines/p.yaml"
        self.file.parent.mkdir()
        (folder / "connections.yaml").write_text("connections: {wh: 'duckdb:///wh.duckdb'}\n", encoding="utf-8")
        with closing(duckdb.connect(str(folder / "wh.duckdb"))) as there:
            there.execute("CREATE TABLE o AS SELECT i::int AS id FROM range(5) r(i)")

    def write(self, *more: str, factor: int = 1, into: str = "rep") -> None:
        first = f"{{key: rep, do: sql, at: wh, query: 'SELECT id * {factor} AS n FROM o', into: {into}}}"
        self.file.write_text(f"steps: [{', '.join([first, *more])}]", encoding="utf-8")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    monkeypatch.chdir(tmp_path)
    return Small(tmp_path)


@pytest.mark.parametrize("moment", ["_met", "cleared"])
def test_a_candidate_that_is_cancelled_while_tables_are_compared_or_later_does_not_go_live(small, monkeypatch, moment):
    small.write()
    actions_releases.release("p")
    small.write("{key: other, do: sql, at: wh, query: SELECT 1 AS one, into: other}")
    real, ended = getattr(canary, moment), list[str]()

    def cancel(*given: object) -> object:
        with actions.store() as store:
            if not ended:
                ended.append(attempts.cancel(store, "p canary", "me"))
        return real(*given)

    monkeypatch.setattr(canary, moment, cancel)
    with pytest.raises(SpecError, match="was cancelled by me"):
        actions_releases.release("p", trial=Trial(("other",)))
    assert [each.state for each in actions_releases.released("p")] == ["stopped", "live"]


def test_the_way_back_counts_only_what_was_live(small):
    for factor, trial in ((1, None), (7, Trial()), (9, None), (7, None)):
        small.write(factor=factor)
        actions_releases.release("p", trial=trial)
    assert [(each.number, each.state) for each in actions_releases.released("p")][2] == (2, "stopped")
    assert "* 9" in actions_releases.rollback("p").content.text


def test_what_only_the_live_release_makes_is_looked_at_though_it_is_not_carried_out(small):
    small.write("{key: py, do: python, code: 'def f(): 1', function: f, to: wh, into: made}")
    actions_releases.release("p")
    small.write()
    made = actions_releases.release("p", trial=Trial())
    assert (made.new, seen(made).stopped) == (False, "not compared: made")
    assert met(made)["made"].why == ("the live release's step 'py' was not carried out",)


def test_a_run_that_is_within_another_ends_with_that(tmp_path):
    with closing(Store(str(tmp_path / "store.db"))) as store:
        place = canary.alone(store, "p")
        attempts.own(store, f"{place}-1", "p canary", most=2)
        assert attempts.cancel(store, "p canary", "me") == place
        assert attempts.cancel(store, f"{place}-1", "me") == f"{place}-1"


@pytest.mark.parametrize("second", ["duckdb:///{}/wh.duckdb", "duckdb:///wh.duckdb?schema=main"])
def test_shadows_are_read_through_other_connections_and_whatever_the_name_ends_in(small, tmp_path, second):
    connections = f"connections: {{wh: 'duckdb:///wh.duckdb', second: '{second.format(tmp_path)}'}}"
    (tmp_path / "connections.yaml").write_text(connections, encoding="utf-8")
    reads = "{key: %s, do: sql, at: %s, query: SELECT sum(n) AS n FROM rep$, into: %s, after: %s}"
    more = reads % ("a", "wh", "a", "rep"), reads % ("b", "second", "b", "a")
    small.write(*more, into="rep$")
    assert actions.run("p").state == "proved"
    assert actions_releases.release("p").new
    small.write(*more, into="rep$", factor=2)
    made = actions_releases.release("p", trial=Trial(("rep$",)))
    assert [each.found for each in seen(made).tables] == [Found.EXPECTED, Found.DIFFERENT, Found.DIFFERENT]
