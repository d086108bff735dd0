"""Places that people declare, and files at the ends of a way: a pipeline over PostgreSQL and real files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lading import actions, config
from lading.connector import Fielded
from lading.connectors.files import Files
from lading.connectors.files.note import NOTE
from tests.journeys.shell import Ended, lading

COLUMNS = "id integer PRIMARY KEY, description varchar(4000), amount numeric(18,2)"
STEP = """\
steps:
  - from: {source}
    to: {target}
    tables: items
    through:
{routine}      - api: account
        columns:
          id: int
          description: {size}
          amount: decimal(18,2)
"""
ROUTINE = "      - public.tidy\n"


class Project:
    """A folder with the pipeline 'nightly', from the database 'crm' to files or back."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.run(
            f"CREATE TABLE items ({COLUMNS})",
            "INSERT INTO items VALUES (1, repeat('x', 1900), 12.50), (2, NULL, 0.01)",
            "CREATE FUNCTION tidy(id integer, description text, amount numeric) RETURNS void LANGUAGE sql AS "
            "$$ INSERT INTO items VALUES (id, description, amount) $$",
        )
        made: dict[str, Any] = {"crm": url, "out": {"kind": "files", "path": "out", "format": "csv"}}
        made["people"] = {
            "kind": "files",
            "path": "people",
            "columns": {"description": "string(4000)", "id": "int(32)"},
        }
        (folder / "connections.yaml").write_text(json.dumps({"connections": made}), encoding="utf-8")
        (folder / "pipelines").mkdir()
        self.write("string(2000)")

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as there:
            for each in statements:
                cursor = there.execute(each)
            return cursor.fetchall() if cursor.description else []

    def write(self, size: str, more: str = "", **words: str) -> None:
        text = STEP.format(**{"size": size, "source": "crm", "target": "out", "routine": ROUTINE} | words) + more
        (self.folder / "pipelines/nightly.yaml").write_text(text, encoding="utf-8")

    def __call__(self, *words: str, code: int = 0) -> Ended:
        ended = lading(*words, cwd=self.folder, env={"COLUMNS": "200", "NO_COLOR": "1"})
        assert ended.code == code, (ended.out, ended.err)
        return ended

    def found(self, code: int = 0) -> list[dict[str, Any]]:
        """What the plan says of the description."""
        ((task,),) = (plan["tasks"] for plan in json.loads(self("plan", "nightly", "--json", code=code).out)["plans"])
        return [each for each in task["findings"] if each["column"] == "description"]


@pytest.fixture
def project(tmp_path: Path, place: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("LADING_STORE", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, place("postgres"))


def test_a_narrower_attribute_stops_the_pipeline_until_it_is_accepted(project: Project) -> None:
    told = project("plan", "nightly", code=2).out
    assert "'description' would be changed unnoticed: API attribute 'description' string(2000) of 'account'" in told
    assert (
        "→ Make 'description' of 'account' string(4000), and declare it so in 'through'. "
        "Or accept it by name: description:cuts." in " ".join(told.split())
    )
    (found,) = project.found(code=2)
    assert (found["level"], found["kind"]) == ("blocks", "cuts")
    assert (found["at"]["kind"], found["at"]["fact"], found["at"]["characters"]) == ("API attribute", "declared", 2_000)
    assert found["way"] == [
        "'items.description' character varying(4000)", "parameter 'description' text of 'public.tidy'",
        "API attribute 'description' string(2000) of 'account'", "export field 'items.description' string(4000)",
    ]  # fmt: skip
    assert "would be changed unnoticed" in project("run", "nightly", code=2).err
    assert not (project.folder / "out").exists()
    project.write("string(2000)", "    accept: [description:cuts]\n")
    bill = json.loads(project("run", "nightly", "--json").out)
    assert bill["state"] == "proved"
    assert (project.folder / "out/items" / NOTE).exists()


def test_an_attribute_that_refuses_warns_and_one_that_is_wide_says_nothing(project: Project) -> None:
    project.write("string(2000)", "        refuses: true\n")
    (found,) = project.found()
    assert (found["level"], found["how"]) == ("warns", "refused, as it is declared")
    project.write("string(4000)")
    assert project.found() == []
    assert "proved" in project("run", "nightly").out


def test_what_was_seen_and_fits_is_a_note(project: Project) -> None:
    project("profile", "crm", "--tables", "items")
    (found,) = project.found()
    assert found["level"] == "notes"
    assert found["how"].endswith("fits")
    project.run("INSERT INTO items VALUES (3, repeat('x', 2001), 1)")
    project("profile", "crm", "--tables", "items")
    assert [each["level"] for each in project.found(code=2)] == ["blocks"]


def test_a_released_pipeline_keeps_what_is_declared(project: Project) -> None:
    (project.folder / "out").mkdir()
    assert "blocks: hops: 'items' cannot be moved" in project("release", "nightly", code=1).out
    project("release", "nightly", "--accept", "move:hops")
    project.write("string(4000)")
    assert "would be changed unnoticed" in project("run", "nightly", code=2).err
    assert "proved" in project("run", "nightly", "--draft").out


def test_the_types_of_a_csv_are_declared_or_measured(project: Project) -> None:
    (project.folder / "people").mkdir()
    (project.folder / "people/items.csv").write_text("id,description,amount\n1,long,2.50\n", encoding="utf-8")
    project.run("DELETE FROM items")
    project.write("string(40)", source="people", target="crm", routine="")
    (found,) = project.found(code=2)
    assert (found["before"]["kind"], found["before"]["fact"]) == ("file field", "declared")
    assert found["way"] == [
        "file field 'items.description' string(4000)", "API attribute 'description' string(40) of 'account'",
        "'the stage of items.description' character varying(4000)", "'items.description' character varying(4000)",
    ]  # fmt: skip
    with config.resolve("people")[1].open() as session:
        assert isinstance(session, Fielded)
        (table,) = session.tables()
        assert session.fields(table) == {"id": "declared", "description": "declared", "amount": "measured"}


def test_what_lading_wrote_as_csv_is_declared_by_its_note(project: Project) -> None:
    project.write("string(4000)")
    project("run", "nightly")
    with Files(path=str(project.folder / "out")).open() as session:
        (table,) = session.tables()
        assert set(session.fields(table).values()) == {"declared"}


def test_a_column_that_is_not_there_is_refused(project: Project) -> None:
    text = (project.folder / "pipelines/nightly.yaml").read_text(encoding="utf-8")
    (project.folder / "pipelines/nightly.yaml").write_text(text.replace("description", "descripton"), encoding="utf-8")
    told = project("plan", "nightly", code=2).err
    assert "'through' declares 'descripton' of 'account', which no table that is moved has." in told
    assert "Did you mean 'description'?" in told


def test_a_type_that_is_none_is_refused_on_its_line(project: Project) -> None:
    project.write("varchar(3)")
    told = project("release", "nightly", code=2).err
    assert "pipelines/nightly.yaml:7: through 2 of step 1: 'varchar(3)' is not a type." in told


def test_python_takes_it_too(project: Project) -> None:
    through = [{"api": "account", "columns": {"description": "string(2000)"}}]
    move = config.move({"source": "crm", "target": "out", "tables": "items", "through": through})
    (task,) = actions.plan_move(move).tasks
    assert [(each.level, each.kind) for each in task.findings if each.column == "description"] == [("blocks", "cuts")]
