"""Lineage: the events that a run tells, read by OpenLineage's own client, to a file and over HTTP."""

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from openlineage.client import event_v2, facet_v2

from lading import actions
from lading.errors import SpecError
from tests.journeys.test_graph import CONNECTIONS, MOVE, Project

FACETS: dict[str, Any] = {
    "parent": facet_v2.parent_run.ParentRunFacet, "errorMessage": facet_v2.error_message_run.ErrorMessageRunFacet,
    "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet,
    "jobType": facet_v2.job_type_job.JobTypeJobFacet, "sql": facet_v2.sql_job.SQLJobFacet,
    "documentation": facet_v2.documentation_job.DocumentationJobFacet,
    "ownership": facet_v2.ownership_job.OwnershipJobFacet, "schema": facet_v2.schema_dataset.SchemaDatasetFacet,
    "columnLineage": facet_v2.column_lineage_dataset.ColumnLineageDatasetFacet,
    "outputStatistics": facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
}  # fmt: skip
PARTS: dict[str, Any] = {
    "run": facet_v2.parent_run.Run, "job": facet_v2.parent_run.Job, "owners": facet_v2.ownership_job.Owner,
    "inputFields": facet_v2.column_lineage_dataset.InputField,
    "transformations": facet_v2.column_lineage_dataset.Transformation,
}  # fmt: skip
REPORT = (
    "key: report, do: sql, at: wh, into: report, after: sales, query: "
    "'WITH s AS (SELECT id, territory, amount FROM sales WHERE amount > :least) "
    "SELECT s.territory AS place, sum(s.amount) AS total, max(upper(territory)) AS loud FROM s GROUP BY ALL'"
)


def facets(found: dict[str, Any]) -> dict[str, Any]:
    """Each facet as the client's own class has it, which refuses what the specification does not know."""
    made = {}
    for name, given in found.items():
        assert given["_producer"].startswith("urn:lading:")
        values = {key: value for key, value in given.items() if not key.startswith("_")}
        if name not in FACETS:
            assert given["_schemaURL"].startswith("urn:lading:facet:"), name
            continue
        assert given["_schemaURL"] == FACETS[name]._get_schema()
        for key, part in PARTS.items():
            if key in values:
                built = [part(**each) for each in values[key]] if isinstance(values[key], list) else part(**values[key])
                values[key] = built
        if name == "schema":
            values["fields"] = [facet_v2.schema_dataset.SchemaDatasetFacetFields(**each) for each in values["fields"]]
        if name == "columnLineage":
            for each in values["fields"].values():
                for origin in each["inputFields"]:
                    [PARTS["transformations"](**how) for how in origin["transformations"]]
                facet_v2.column_lineage_dataset.Fields([PARTS["inputFields"](**o) for o in each["inputFields"]])
        made[name] = FACETS[name](**values)
    return made


def checked(event: dict[str, Any]) -> dict[str, Any]:
    """The event, if OpenLineage's client takes it."""
    given = dict(event)
    assert given.pop("schemaURL") == event_v2.RunEvent._get_schema()
    given["eventType"] = event_v2.RunState[given["eventType"]]
    given["run"] = event_v2.Run(given["run"]["runId"], facets(given["run"]["facets"]))
    given["job"] = event_v2.Job(**given["job"] | {"facets": facets(given["job"]["facets"])})
    made = (event_v2.InputDataset, "inputs"), (event_v2.OutputDataset, "outputs")
    for kind, word in made:
        named = [{**each, **{key: facets(each[key]) for key in each if key.endswith("acets")}} for each in given[word]]
        given[word] = [kind(**each) for each in named]
    event_v2.RunEvent(**given)
    return event


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    made = Project(tmp_path)
    (tmp_path / "connections.yaml").write_text(f"{CONNECTIONS}lineage: told/lineage.jsonl\n", encoding="utf-8")
    return made


def told(project: Project) -> list[dict[str, Any]]:
    lines = (project.folder / "told/lineage.jsonl").read_text(encoding="utf-8").splitlines()
    return [checked(json.loads(line)) for line in lines]


def short(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["job"]["name"], event["eventType"]) for event in events]


BEFORE = "owner: sales-data\nparams: {least: {type: whole, default: 3}}\n"


def test_a_run_and_its_steps_are_told(project):
    project.steps(MOVE, REPORT, "key: end, do: bash, after: report, script: 'echo no; exit 3'", before=BEFORE)
    bill = project.run()
    events = told(project)
    assert short(events) == [
        ("p", "START"), ("p.sales", "START"), ("p.sales", "COMPLETE"), ("p.report", "START"), ("p.report", "COMPLETE"),
        ("p.end", "START"), ("p.end", "FAIL"), ("p", "FAIL"),
    ]  # fmt: skip
    assert {event["run"]["facets"]["lading_run"]["run"] for event in events} == {bill.run}
    assert {event["run"]["facets"]["parent"]["run"]["runId"] for event in events[1:-1]} == {events[0]["run"]["runId"]}
    assert events[1]["run"]["runId"] == events[2]["run"]["runId"] != events[3]["run"]["runId"]
    assert events[-1]["run"]["facets"]["errorMessage"]["message"] == f"end: {bill.steps[2].error}"

    (read,), (written,) = events[2]["inputs"], events[2]["outputs"]
    assert (read["namespace"], read["name"]) == (f"sqlite://{project.folder}/crm.db", "sales")
    assert (written["namespace"], written["name"]) == (f"duckdb://{project.folder}/wh.duckdb", "sales")
    assert [field["name"] for field in written["facets"]["schema"]["fields"]] == ["id", "territory", "amount"]
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 30
    verdict = written["facets"]["lading_verdict"]
    assert (verdict["state"], verdict["rows"]["source"]) == ("proved", 30)
    assert verdict["root"] == bill.tables[0].proof.target_root
    assert columns(written) == {name: [("sales", name, "IDENTITY")] for name in ("id", "territory", "amount")}


def columns(dataset: dict[str, Any]) -> dict[str, list[tuple[str, str, str]]]:
    found = dataset["facets"]["columnLineage"]["fields"]
    return {
        name: [(o["name"], o["field"], o["transformations"][0]["subtype"]) for o in each["inputFields"]]
        for name, each in found.items()
    }


def test_columns_of_a_select(project):
    project.steps(MOVE, REPORT, before=BEFORE)
    project.run()
    event = told(project)[4]
    assert [each["name"] for each in event["inputs"]] == ["sales"]
    (written,) = event["outputs"]
    assert columns(written) == {
        "place": [("sales", "territory", "TRANSFORMATION")], "total": [("sales", "amount", "AGGREGATION")],
        "loud": [("sales", "territory", "AGGREGATION")],
    }  # fmt: skip
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 3


def test_what_is_not_read_is_not_known(project):
    project.steps(MOVE, "key: r, do: sql, at: wh, into: r, after: sales, query: 'SELECT * FROM range(3) AS n(x)'")
    bill = project.run()
    assert bill.state == "proved"
    event = next(e for e in told(project) if (e["job"]["name"], e["eventType"]) == ("p.r", "COMPLETE"))
    assert event["inputs"] == []
    assert "columnLineage" not in event["outputs"][0]["facets"]
    assert "lineage: where the columns of 'r' come from is not known: " in project.log(bill.run, "r")


JOINED = (
    "key: r, do: sql, at: wh, into: r, after: sales, inputs: {SALES: wh.sales, old: crm.sales, goals: crm.goals}, "
    "query: 'SELECT s.id, goals.GOAL AS aim, s.amount - o.amount AS more FROM sales s JOIN old o USING (id) "
    "JOIN goals ON goals.territory = s.territory'"
)


def test_columns_of_a_select_over_several_connections(project):
    with closing(sqlite3.connect(project.folder / "crm.db")) as crm:
        crm.execute("CREATE TABLE goals (territory TEXT PRIMARY KEY, goal INTEGER)")
        crm.execute("INSERT INTO goals VALUES ('t0', 7)")
        crm.commit()
    project.steps(MOVE, JOINED)
    bill = project.run()
    assert bill.state == "proved"
    assert "lineage" not in project.log(bill.run, "r")
    event = next(e for e in told(project) if (e["job"]["name"], e["eventType"]) == ("p.r", "COMPLETE"))
    legacy, wh = f"sqlite://{project.folder}/crm.db", f"duckdb://{project.folder}/wh.duckdb"
    assert [(each["namespace"], each["name"]) for each in event["inputs"]] == [
        (wh, "sales"), (legacy, "sales"), (legacy, "goals")
    ]  # fmt: skip
    assert [f["name"] for f in event["inputs"][2]["facets"]["schema"]["fields"]] == ["territory", "goal"]
    (written,) = event["outputs"]
    assert (written["namespace"], written["name"]) == (wh, "r")
    fields = written["facets"]["columnLineage"]["fields"]
    found = {
        name: sorted(
            (o["namespace"], o["name"], o["field"], o["transformations"][0]["subtype"]) for o in each["inputFields"]
        )
        for name, each in fields.items()
    }
    assert found == {
        "id": [(wh, "sales", "id", "IDENTITY")],
        "aim": [(legacy, "goals", "goal", "IDENTITY")],
        "more": [(wh, "sales", "amount", "TRANSFORMATION"), (legacy, "sales", "amount", "TRANSFORMATION")],
    }


def test_a_select_over_several_connections_that_is_not_read_is_not_known(project):
    query = "query: 'SELECT s.id FROM s, range(1)'"
    project.steps(MOVE, f"key: r, do: sql, at: wh, into: r, after: sales, inputs: {{s: crm.sales}}, {query}")
    bill = project.run()
    assert bill.state == "proved"
    event = next(e for e in told(project) if (e["job"]["name"], e["eventType"]) == ("p.r", "COMPLETE"))
    assert [each["name"] for each in event["inputs"]] == ["sales"]
    assert "columnLineage" not in event["outputs"][0]["facets"]
    assert "lineage: where the columns of 'r' come from is not known: " in project.log(bill.run, "r")


def test_an_interrupted_run_is_told(project):
    project.steps("key: a, do: bash, script: 'echo ready > ready; sleep 60'")
    run = subprocess.Popen([sys.executable, "-m", "lading.cli", "run", "p", "--quiet"], stderr=subprocess.DEVNULL)
    while not (project.folder / "ready").exists():
        assert run.poll() is None
    run.terminate()
    assert run.wait(60) == 143
    assert short(told(project)) == [("p", "START"), ("p.a", "START"), ("p.a", "ABORT"), ("p", "ABORT")]


class Listener(BaseHTTPRequestHandler):
    heard: ClassVar[list[tuple[str, str | None, dict[str, Any]]]] = []
    answer = 201

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Listener.heard.append((self.path, self.headers["Authorization"], body))
        self.send_response(Listener.answer)
        if Listener.answer == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def do_GET(self):
        Listener.heard.append((self.path, self.headers["Authorization"], {}))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def listener() -> Iterator[str]:
    Listener.heard.clear()
    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_address_is_told_with_its_key(project, listener, monkeypatch):
    monkeypatch.setenv("KEY", "geheim")
    settings = f"lineage: {{to: '{listener}', namespace: sales, key: '${{env:KEY}}'}}\n"
    (project.folder / "connections.yaml").write_text(f"{CONNECTIONS}{settings}", encoding="utf-8")
    project.steps("key: a, do: bash, script: 'true'")
    project.run()
    assert [(path, key) for path, key, _ in Listener.heard] == [("/api/v1/lineage", "Bearer geheim")] * 4
    assert {checked(event)["job"]["namespace"] for *_, event in Listener.heard} == {"sales"}


@pytest.mark.parametrize("answer", [None, 500])
def test_an_address_that_does_not_answer_fails_no_run(project, listener, monkeypatch, answer):
    address = listener
    if answer is None:
        address = "http://127.0.0.1:9"
    monkeypatch.setattr(Listener, "answer", answer or 200)
    (project.folder / "connections.yaml").write_text(f"{CONNECTIONS}lineage: '{address}'\n", encoding="utf-8")
    project.steps("key: a, do: bash, script: 'true'")
    bill = project.run()
    assert bill.state == "done"
    said = project.log(bill.run, "_run") + project.log(bill.run, "a")
    assert said.count("The run goes on; nothing is sent for 60 s.") == 1
    assert ("Internal Server Error" if answer else "Connection refused") in said


def test_the_key_goes_nowhere_else(project, listener, monkeypatch):
    monkeypatch.setenv("KEY", "geheim")
    monkeypatch.setattr(Listener, "answer", 302)
    settings = f"lineage: {{to: '{listener}', key: '${{env:KEY}}'}}\n"
    (project.folder / "connections.yaml").write_text(f"{CONNECTIONS}{settings}", encoding="utf-8")
    project.steps("key: a, do: bash, script: 'true'")
    bill = project.run()
    assert [path for path, *_ in Listener.heard] == ["/api/v1/lineage"], "and nothing is sent for a minute"
    said = project.log(bill.run, "_run") + project.log(bill.run, "a")
    assert "it points to /elsewhere. Write that address, if the key may go there." in said


def test_the_setting_is_checked(project):
    for text, message in (
        ("{too: x}", "connections.yaml:4: lineage has no option 'too'. Did you mean 'to'?"),
        ("http://me:geheim@there", "connections.yaml:4: lineage: 'to' cannot hold an account. Give what the address"),
        ("ftp://there", "connections.yaml:4: lineage: 'to' must be a file, or begin with http:// or https://."),
        ("[x]", "connections.yaml:4: 'lineage' must be an address or a map of options, not a list."),
    ):
        (project.folder / "connections.yaml").write_text(f"{CONNECTIONS}lineage: {text}\n", encoding="utf-8")
        project.steps("key: a, do: bash, script: 'true'")
        with pytest.raises(SpecError) as caught:
            project.run()
        assert str(caught.value).startswith(message)
        assert "geheim" not in str(caught.value)


def test_tables_of_postgresql_are_named_as_the_specification_has_it(project, pg_database):
    text = f"{CONNECTIONS.replace('duckdb:///wh.duckdb', pg_database)}lineage: told/lineage.jsonl\n"
    (project.folder / "connections.yaml").write_text(text, encoding="utf-8")
    with closing(sqlite3.connect(project.folder / "crm.db")) as crm:
        crm.execute("CREATE TABLE goals (territory TEXT PRIMARY KEY, goal INTEGER)")
        crm.commit()
    project.steps(MOVE, "key: r, do: sql, at: wh, into: out.r, after: sales, query: 'SELECT s.id, g.goal, "
                  "s.amount + g.goal AS sum FROM sales s LEFT JOIN public.goals g USING (territory)'")  # fmt: skip
    assert actions.run("p").state == "proved"
    event = next(e for e in told(project) if (e["job"]["name"], e["eventType"]) == ("p.r", "COMPLETE"))
    place = pg_database.rpartition("@")[2]
    host, name = place.split("/")
    (written,) = event["outputs"]
    assert (written["namespace"], written["name"]) == (f"postgres://{host}", f"{name}.out.r")
    assert sorted(each["name"] for each in event["inputs"]) == [f"{name}.public.goals", f"{name}.public.sales"]
    sales, goals = f"{name}.public.sales", f"{name}.public.goals"
    assert {key: sorted(value) for key, value in columns(written).items()} == {
        "id": [(sales, "id", "IDENTITY")], "goal": [(goals, "goal", "IDENTITY")],
        "sum": [(goals, "goal", "TRANSFORMATION"), (sales, "amount", "TRANSFORMATION")],
    }  # fmt: skip
