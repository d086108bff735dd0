"""Lineage: events of OpenLineage for every run and every step, to a file or an HTTP address."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from lading import copying
from lading.desk import Desk, Heard, Outcome
from lading.errors import LadingError, masked
from lading.logs import Log
from lading.origins import Origins, origins
from lading.prove import Bill, State, TableBill
from lading.run import lading_version
from lading.schema import Table
from lading.sql import SqlSession
from lading.steps.check import Check
from lading.steps.python import Python
from lading.steps.sql import Sql

SPEC = "https://openlineage.io/spec"
PRODUCER = f"urn:lading:{lading_version() or 'unknown'}"
SECONDS = 5
"""How long an address may take to answer."""
PAUSE_SECONDS = 60
"""How long nothing is sent to an address that did not."""
LANGUAGES = {"postgres": "sql", "duckdb": "duckdb", "mysql": "mysql", "sqlite": "sqlite", "sqlserver": "tsql"}
"""What the systems speak, as `origins` reads it."""
_FACETS = {
    "parent": "1-2-0/ParentRunFacet", "errorMessage": "1-0-1/ErrorMessageRunFacet",
    "processing_engine": "1-1-1/ProcessingEngineRunFacet", "jobType": "2-0-4/JobTypeJobFacet",
    "documentation": "1-1-0/DocumentationJobFacet", "ownership": "1-0-1/OwnershipJobFacet", "sql": "1-1-0/SQLJobFacet",
    "schema": "1-2-0/SchemaDatasetFacet", "columnLineage": "1-2-0/ColumnLineageDatasetFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet",
}  # fmt: skip
_NETWORK = {"postgresql": ("postgres", 5432), "mysql": ("mysql", 3306), "mariadb": ("mysql", 3306),
            "sqlserver": ("mssql", 1433), "oracle": ("oracle", 1521)}  # fmt: skip


class Lineage(BaseModel):
    """Where the runs of a project are told of, as events of OpenLineage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: str = Field(min_length=1, description="A file, to which a JSON object a line is added, or an HTTP address.")
    namespace: str = Field("lading", min_length=1, description="The namespace of the jobs.")
    key: SecretStr | None = Field(None, description="A key that the address wants, sent as 'Authorization: Bearer'.")

    @field_validator("to")
    @classmethod
    def _no_account(cls, to: str) -> str:
        if "://" in to and urlsplit(to).scheme not in ("http", "https"):
            raise ValueError("'to' must be a file, or begin with http:// or https://. Write one of them.")
        if "@" in urlsplit(to).netloc:
            raise ValueError("'to' cannot hold an account. Give what the address wants as 'key'.")
        return to


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no address that it is pointed to: the key would go there, and the event would not."""

    def redirect_request(self, *_asked: Any) -> None:
        return None


_STRAIGHT = urllib.request.build_opener(_Straight)


class Teller:
    """Tells of a run. What cannot be told never fails it, and is said in its logs."""

    def __init__(self, settings: Lineage) -> None:
        self.settings = settings
        self._silent_until = 0.0

    def __call__(self, heard: Heard) -> None:
        unknown: list[str] = []
        try:
            event = self._event(heard, unknown)
        except LadingError as error:
            unknown.append(str(error))
            event = self._event(heard._replace(outcome=None), [])
        if wrong := self._sent(event):
            unknown.append(f"{masked(self.settings.to)}: {wrong}")
        for each in unknown:
            if heard.step is not None:
                heard.desk.note(heard.step, f"lineage: {each}")
            else:
                with Log(heard.desk.logs / "_run.log") as log:
                    log.note(f"lineage: {each}")

    def _sent(self, event: dict[str, Any]) -> str:
        """Sends an event; returns what is wrong."""
        line = json.dumps(event, ensure_ascii=False)
        parts = urlsplit(self.settings.to)
        try:
            if parts.scheme not in ("http", "https"):
                path = Path(self.settings.to)
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a", encoding="utf-8") as file:
                    file.write(f"{line}\n")  # in one piece, so that lines of several runs do not mix
                return ""
            if time.monotonic() < self._silent_until:
                return ""
            address = parts if parts.path.strip("/") else parts._replace(path="/api/v1/lineage")
            headers = {"Content-Type": "application/json"}
            if self.settings.key:
                headers["Authorization"] = f"Bearer {self.settings.key.get_secret_value()}"
            asked = urllib.request.Request(address.geturl(), line.encode(), headers)  # noqa: S310 - http or https
            with _STRAIGHT.open(asked, timeout=SECONDS):
                return ""
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._silent_until = time.monotonic() + PAUSE_SECONDS
            if isinstance(error, urllib.error.HTTPError) and "Location" in error.headers:
                return f"it points to {masked(error.headers['Location'])}. Write that address, if the key may go there."
            return f"{getattr(error, 'reason', '') or error}. The run goes on; nothing is sent for {PAUSE_SECONDS} s."

    def _event(self, heard: Heard, unknown: list[str]) -> dict[str, Any]:
        desk, step = heard.desk, heard.step
        pipeline = {"namespace": self.settings.namespace, "name": desk.pipeline.name}
        whole = str(uuid.uuid5(uuid.NAMESPACE_URL, f"lading:{desk.run}"))
        run: dict[str, Any] = {
            "processing_engine": {"version": lading_version() or "unknown", "name": "Lading"},
            "lading_run": {"run": desk.run, "step": step.key if step else "", "attempt": heard.number},
        }
        job: dict[str, Any] = {
            "jobType": {"processingType": "BATCH", "integration": "LADING", "jobType": "STEP" if step else "PIPELINE"}
        }
        about = (step or desk.pipeline).description or (step or desk.pipeline).title
        if about:
            job["documentation"] = {"description": about}
        if desk.pipeline.owner:
            job["ownership"] = {"owners": [{"name": desk.pipeline.owner}]}
        if isinstance(step, Sql) and step.query:
            job["sql"] = {"query": step.query}
        if step:
            run["parent"] = {"run": {"runId": whole}, "job": pipeline}
        if heard.outcome is not None:
            run["lading_run"] |= {"state": heard.outcome.state.value}
            if error := _error(heard.outcome):
                run["errorMessage"] = {"message": error, "programmingLanguage": "Python"}
        datasets = _datasets(heard, unknown) if step and isinstance(heard.outcome, Outcome) else ([], [])
        id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"lading:{desk.run}/{step.key}/{heard.number}")) if step else whole
        return {
            "eventType": heard.word, "eventTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "run": {"runId": id, "facets": _facets(run)},
            "job": pipeline | {"name": f"{pipeline['name']}.{step.key}" if step else pipeline["name"],
                               "facets": _facets(job)},
            "inputs": datasets[0], "outputs": datasets[1],
            "producer": PRODUCER, "schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        }  # fmt: skip


def _error(found: Outcome | Bill) -> str:
    if isinstance(found, Outcome):
        return found.error
    return next((f"{step.key}: {step.error}" for step in found.steps if step.error), "")


def _facets(found: dict[str, Any]) -> dict[str, Any]:
    """Facets with what each must say of itself."""

    def url(name: str) -> str:
        if name not in _FACETS:
            return f"urn:lading:facet:{name}:1"
        path = _FACETS[name]
        return f"{SPEC}/facets/{path}.json#/$defs/{path.partition('/')[2]}"

    return {name: {"_producer": PRODUCER, "_schemaURL": url(name), **facet} for name, facet in found.items()}


def place(address: str, table: str) -> dict[str, str]:
    """The namespace and the name of a table, as OpenLineage names those of the systems that it knows. The files of
    others are their namespaces."""
    parts = urlsplit(address)
    if parts.scheme in _NETWORK and parts.hostname:
        scheme, port = _NETWORK[parts.scheme]
        database = parts.path.strip("/")
        full = f"public.{table}" if scheme == "postgres" and "." not in table else table
        name = full if scheme == "mysql" and "." in table else f"{database}.{full}"
        return {"namespace": f"{scheme}://{parts.hostname}:{parts.port or port}", "name": name}
    return {"namespace": f"{parts.scheme}:///{parts.path.lstrip('/')}", "name": table}


def _shape(table: Table) -> dict[str, Any]:
    return {"fields": [{"name": column.name, "type": str(column.type)} for column in table.columns]}


Datasets = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def _datasets(heard: Heard, unknown: list[str]) -> Datasets:
    """What a step read and what it wrote, with the columns where they are known."""
    desk, step, outcome = heard.desk, heard.step, heard.outcome
    if not isinstance(outcome, Outcome):
        return [], []
    if isinstance(step, Sql) and not step.inputs:
        return _selected(step, desk, outcome, unknown)
    if isinstance(step, Check):
        at = desk.connection(step.at).address()
        return [{**place(at, step.on), "facets": {}}], []
    brought = _brought(step, desk, unknown) if isinstance(step, Sql) else None
    inputs, outputs = list(brought.inputs) if brought else [], []
    for task in copying.tasks(desk.store, outcome.bill):
        bill = next((each for each in outcome.tables if each.table == task.name), None)
        read, written = place(outcome.source, task.source.full_name), place(outcome.target, task.target.full_name)
        columns: dict[str, Any] = {}
        if brought:
            columns = _columns(brought.found, task.target, brought.places)
        elif not isinstance(step, Python):
            inputs.append({**read, "facets": _facets({"schema": _shape(task.source)})})
            columns = {
                column.name: {"inputFields": [_field(read, column.name, "IDENTITY")]}
                for column in task.target.columns if task.source.column(column.name)
            }  # fmt: skip
        outputs.append(_output(written, task.target, columns, bill))
    for each in step.inputs.values() if isinstance(step, Python) else ():
        inputs.append({**place(desk.connection(each.at).address(), each.table), "facets": {}})
    return inputs, outputs


class _Brought(NamedTuple):
    """What a select over several connections reads, and where each of its names stands for a table."""

    inputs: list[dict[str, Any]]
    found: Origins
    places: dict[str, dict[str, str]]


def _brought(step: Sql, desk: Desk, unknown: list[str]) -> _Brought:
    inputs, places, tables = [], {}, {}
    for name, each in step.inputs.items():
        connection = desk.connection(each.at)
        with connection.open() as session:
            table = session.describe(each.table)
        places[name] = place(connection.address(), table.full_name if table else each.table)
        inputs.append({**places[name], "facets": _facets({"schema": _shape(table)} if table else {})})
        if table is not None:
            tables[name.lower()] = table.model_copy(update={"name": name, "schema_name": None})
    found = origins(step.query or "", "duckdb", lambda name: tables.get(name.lower()))
    _said(step, found, unknown)
    return _Brought(inputs, found, places)


def _selected(step: Sql, desk: Desk, outcome: Outcome, unknown: list[str]) -> Datasets:
    connection = desk.connection(step.at)
    address = connection.address()
    with connection.open() as session:
        if not isinstance(session, SqlSession):
            return [], []
        language = LANGUAGES.get(session.dialect.name, "")
        found = origins(step.query or "", language, session.describe) if language else Origins(unknown="its language")
        target = session.describe(step.into)
    _said(step, found, unknown)
    inputs = [{**place(address, t.full_name), "facets": _facets({"schema": _shape(t)})} for t in found.tables]
    if target is None:
        return inputs, []
    columns = _columns(found, target, {table.full_name: place(address, table.full_name) for table in found.tables})
    rows = outcome.rows
    made = _output(place(address, target.full_name), target, columns, None)
    made["outputFacets"] = _facets({"outputStatistics": {"rowCount": rows}}) if rows is not None else {}
    made["facets"] |= _facets({"lading_verdict": {"state": outcome.state.value, "reasons": _reasons(outcome)}})
    return inputs, [made]


def _said(step: Sql, found: Origins, unknown: list[str]) -> None:
    if found.unknown:
        unknown.append(f"where the columns of '{step.into}' come from is not known: {found.unknown}")


def _columns(found: Origins, target: Table, places: dict[str, dict[str, str]]) -> dict[str, Any]:
    """From where the columns of a table come that a select made; `places` are those of the tables by their names."""
    there = {column.name.lower(): column.name for column in target.columns}
    return {
        there[name.lower()]: {"inputFields": [_field(places[o.table], o.column, o.how) for o in origin]}
        for name, origin in found.columns.items() if name.lower() in there
    }  # fmt: skip


def _reasons(outcome: Outcome) -> Sequence[str]:
    return [outcome.error or outcome.says] if outcome.state in (State.FAILED, State.UNPROVED) else []


def _field(place: dict[str, str], column: str, how: str) -> dict[str, Any]:
    return {**place, "field": column, "transformations": [{"type": "DIRECT", "subtype": how}]}


def _output(place: dict[str, str], table: Table, columns: dict[str, Any], bill: TableBill | None) -> dict[str, Any]:
    facets: dict[str, Any] = {"schema": _shape(table)}
    if columns:
        facets["columnLineage"] = {"fields": columns}
    statistics = {}
    if bill is not None:
        statistics = {"outputStatistics": {"rowCount": bill.rows.target, "size": bill.bytes}}
        proof = bill.proof
        facets["lading_verdict"] = {
            "state": bill.state.value, "rows": bill.rows.model_dump(), "root": proof.target_root if proof else "",
            "level": proof.level.value if proof else "",
            "reasons": [bill.error] if bill.error else list(proof.reasons if proof else ()),
        }  # fmt: skip
    return {**place, "facets": _facets(facets), "outputFacets": _facets(statistics)}
