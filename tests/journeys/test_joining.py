"""Selects over tables of several connections: what is brought, what comes of it, and what is known before."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lading import actions, actions_opening, actions_releases, config
from lading.actions import How
from lading.desk import Outcome
from lading.errors import SpecError
from lading.preflight.report import Finding
from lading.steps import move
from lading.workbench import Bench
from tests.servers import MariaDB, Postgres

QUERY = """\
SELECT o.territory, sum(o.amount * r.rate) AS total, count(*) AS orders, max(o.id) AS newest
FROM orders AS o JOIN rates r USING (territory)
WHERE o.amount >= :least
GROUP BY o.territory
"""
STEPS = """\
params:
  least: {type: whole, default: 2}
steps:
  - key: report
    do: sql
    at: wh
    file: report.sql
    inputs: {orders: shop.orders, rates: {at: bank, table: rates.daily}}
    into: reports.territory
"""


class Project:
    """A pipeline 'report' over a shop at MariaDB and a bank at PostgreSQL, into a DuckDB file."""

    def __init__(self, folder: Path, shop: str, bank: str) -> None:
        self.folder = folder
        (folder / "connections.yaml").write_text(
            f"connections:\n  shop: {shop}\n  bank: {bank}\n  wh: duckdb:///wh.duckdb\n", encoding="utf-8"
        )
        (folder / "pipelines").mkdir()
        self.write("report.yaml", STEPS)
        self.write("report.sql", QUERY)

    def write(self, name: str, text: str) -> None:
        (self.folder / "pipelines" / name).write_text(text, encoding="utf-8")

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        with closing(duckdb.connect(str(self.folder / "wh.duckdb"))) as there:
            return there.execute(sql).fetchall()

    def findings(self, *looks: str) -> list[Finding]:
        return [each for each in actions_releases.preflight("report").findings if each.look in looks]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Postgres, mariadb: MariaDB) -> Iterator[Project]:
    monkeypatch.chdir(tmp_path)
    shop, bank = mariadb.create_database("joining"), postgres.create_database("joining")
    for sql in (
        "CREATE TABLE orders (id int PRIMARY KEY, territory varchar(20), amount decimal(10,2), note geometry)",
        "INSERT INTO orders SELECT seq, concat('t', seq % 2), seq / 4, NULL FROM seq_1_to_20",
    ):
        mariadb.execute(sql, "joining")
    for sql in (
        "CREATE SCHEMA rates",
        "CREATE TABLE rates.daily (territory varchar(20), rate numeric(8,5), seen tsvector)",
        "INSERT INTO rates.daily VALUES ('t0', 1.00001), ('t1', 2)",
    ):
        postgres.execute(sql, "joining")
    try:
        yield Project(tmp_path, shop, bank)
    finally:
        mariadb.drop_database("joining")
        postgres.drop_database("joining")


def test_what_the_query_reads_is_brought_and_its_rows_are_proved(project, postgres):
    plans = actions.plan("report")
    assert [[task.into for task in each.tasks] for each in plans] == [["orders"], ["rates"], ["reports.territory"]]
    assert [c.name for c in plans[0].tasks[0].target.columns] == ["id", "territory", "amount"], "no 'note'"
    assert [str(c.type) for c in plans[2].tasks[0].source.columns][:2] == ["string", "decimal(38,7)"]
    assert not (project.folder / "wh.duckdb").exists()
    assert actions_releases.release("report").new
    bill = actions.run("report")
    rows = project.ask("SELECT territory, total::varchar, orders, newest FROM reports.territory ORDER BY 1")
    assert [row[1:] for row in rows] == [("24.5002450", 7, 20), ("42.0000000", 6, 19)]
    assert (bill.state, bill.steps[0].says) == ("proved", "2 rows in 1 table, from orders (20 rows), rates (2 rows)")
    assert not list(project.folder.rglob("*.frames"))
    postgres.execute("ALTER TABLE rates.daily ALTER rate TYPE numeric(9,5)", "joining")
    (drift,) = project.findings("drift")
    assert drift.what == "'bank.rates.daily' has another type in column 'rate'"


def test_modes_parameters_and_a_failure(project):
    project.write("report.yaml", STEPS + "    mode: append\n")
    actions.run("report")
    assert actions.run("report", given={"least": "100"}).rows.target == 0
    assert project.ask("SELECT count(*) FROM reports.territory") == [(2,)]
    project.write("report.yaml", STEPS + "    mode: merge\n    merge_key: territory\n    accept: 'territory:null'\n")
    actions.run("report", given={"least": "5"})
    assert project.ask("SELECT territory, orders FROM reports.territory ORDER BY 1") == [("t0", 1), ("t1", 6)]
    project.write("report.sql", QUERY.replace("o.id", "CAST(o.territory AS int)"))
    bill = actions.run("report")
    assert (bill.state, bill.steps[0].error.partition(":")[0]) == ("failed", "The select of 'report'")
    assert project.ask("SELECT count(*) FROM reports.territory") == [(2,)]
    project.write("report.sql", QUERY.replace("o.id", "o.idd"))
    (wrong,) = project.findings("hops")
    assert (wrong.severity, wrong.step, wrong.fix) == ("blocks", "report", "Correct the query, or what it reads.")
    assert 'column named "idd"' in wrong.evidence


def test_losses_are_named_before_it_runs(project):
    project.ask("CREATE SCHEMA reports")
    project.ask("CREATE TABLE reports.territory (territory varchar, total decimal(18,2), orders bigint, newest int)")
    (lost,) = project.findings("hops")
    assert (lost.severity, lost.what) == ("blocks", "'territory' cannot be moved")
    assert "'total' 7 decimals are rounded to 2" in lost.evidence
    project.write("report.yaml", STEPS + "    accept: ['total:rounds', 'total:narrows']\n")
    assert project.findings("hops") == []


def test_all_columns_come_where_the_query_does_not_name_them(project, mariadb):
    project.write("report.sql", "SELECT o.* FROM orders o JOIN rates USING (territory)")
    (wrong,) = project.findings("hops")
    assert "Column 'note' has the type" in wrong.evidence
    mariadb.execute("ALTER TABLE orders DROP note", "joining")
    project.write("report.sql", "SELECT * FROM orders")
    project.write("report.yaml", STEPS.replace(", rates: {at: bank, table: rates.daily}", ""))
    path, _ = actions_opening.open_step("report", "report")
    assert path.exists()
    bench = Bench(project.folder / ".lading/open/report.report")
    assert bench.select("SELECT count(*) FROM orders").fetchall() == [(20,)]


def test_mistakes_have_their_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "connections.yaml").write_text("connections: {wh: 'duckdb:///wh.duckdb'}\n", encoding="utf-8")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/report.sql").write_text(QUERY, encoding="utf-8")
    for given, said in (
        ("{o: who.orders}", "step 'report': there is no connection 'who'. Did you mean 'wh'?"),
        ("{o: orders}", "input 'o' of step 'report': 'orders' names no table. Write 'connection.table', or "),
        ("{o-o: wh.orders}", "step 'report': 'o-o' in 'inputs' is no plain name. Write letters, digits and '_'."),
    ):  # fmt: skip
        text = "\n".join(f"    inputs: {given}" if "inputs" in line else line for line in STEPS.splitlines())
        (tmp_path / "pipelines/report.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(SpecError) as caught:
            actions.plan("report")
        where, _, rest = str(caught.value).partition(": ")
        assert where == "pipelines/report.yaml:8" or (where, given[:4]) == ("pipelines/report.yaml:4", "{o-o")
        assert rest.removesuffix("{at: URL, table: NAME}.") == said


@pytest.mark.parametrize(
    "step", ["do: sql, at: wh, query: SELECT * FROM o", "do: python, code: 'def f(o): return o', function: f, to: wh"]
)
def test_another_machine_goes_on_with_a_run_and_no_stage_is_left(tmp_path, monkeypatch, step):
    file, real = tmp_path / "wh.duckdb", move.run
    monkeypatch.setenv("LADING_STORE", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.setattr(config, "logs", lambda: Path.cwd() / "logs")

    def ask(sql: str) -> list[tuple[object, ...]]:
        with closing(duckdb.connect(str(file))) as there:
            return there.execute(sql).fetchall()

    def go(machine: str, run: str = "") -> str:
        monkeypatch.chdir(tmp_path / machine)
        return actions.run("report", how=How(run)).state

    def cut_off(*given: Any) -> Outcome:
        outcome = real(*given)
        if "report" in given[0].into.values():
            raise KeyboardInterrupt
        return outcome

    for machine in ("one", "other"):
        (tmp_path / machine / "pipelines").mkdir(parents=True)
        (tmp_path / machine / "connections.yaml").write_text(f"connections: {{wh: 'duckdb:///{file}'}}", "utf-8")
        (tmp_path / machine / "pipelines/report.yaml").write_text(
            f"steps: [{{key: a, {step}, inputs: {{o: wh.o}}, into: report, mode: append}}]", encoding="utf-8"
        )
    ask("CREATE TABLE o AS SELECT i::int AS id FROM range(5) r(i)")
    ask("CREATE TABLE report (id int CHECK (id <> 3))")
    assert go("one") == "failed"
    ask("DROP TABLE report")
    monkeypatch.setattr(move, "run", cut_off)
    with pytest.raises(KeyboardInterrupt):
        go("one", "r1")
    monkeypatch.setattr(move, "run", real)
    assert go("other", "r1") == "proved"
    assert ask("SELECT count(*) FROM report") == [(5,)]
    names = {name for (name,) in ask("SELECT table_name FROM information_schema.tables")}
    assert names <= {"o", "report", "lading_ledger"}


def test_rows_that_are_only_counted_have_a_column(tmp_path, monkeypatch):
    """Also where there is no key, as in files and views."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "connections.yaml").write_text(
        "connections:\n  shop: {kind: files, path: shop}\n  wh: duckdb:///wh.duckdb\n", encoding="utf-8"
    )
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/orders.csv").write_text("a,b\n1,x\n2,y\n", encoding="utf-8")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/p.yaml").write_text(
        "steps:\n  - {key: n, do: sql, at: wh, inputs: {o: shop.orders}, into: t,\n"
        "     query: SELECT count(*) AS n FROM o}\n",
        encoding="utf-8",
    )
    assert actions.run("p").state == "proved"
    with closing(duckdb.connect(str(tmp_path / "wh.duckdb"))) as there:
        assert there.execute("SELECT n FROM t").fetchall() == [(2,)]
