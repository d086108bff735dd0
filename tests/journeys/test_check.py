"""The rules of a check: kept, broken, and what is said of each."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lading import actions
from lading.errors import SpecError
from tests.journeys import looks

MADE = """
CREATE TABLE people (id INTEGER NOT NULL, name VARCHAR(20), age INTEGER, born DATE, seen TIMESTAMP, boss INTEGER);
INSERT INTO people VALUES (1, 'a', 30, '1990-01-01', '{newest}', NULL);
INSERT INTO people VALUES (2, 'b', 40, '1980-01-01', '{older}', 1);
INSERT INTO people VALUES (3, 'b', NULL, '2070-01-01', NULL, 9);
CREATE TABLE nobody (id INTEGER)
"""
RULES = [
    ("{not_empty: yes}", ""),
    ("{rows: {min: 3, max: 3}}", ""),
    ("{rows: {min: 4}}", "it has 3 rows, fewer than 4"),
    ("{rows: {max: 2}}", "it has 3 rows, more than 2"),
    ("{unique: id}", ""),
    ("{unique: [id, name]}", ""),
    ("{unique: name}", "1 value of name more than once"),
    ("{not_null: [id, name]}", ""),
    ("{not_null: [id, age]}", "'age' is NULL in 1 row"),
    ("{between: {column: age, low: 30, high: 40}}", ""),
    ("{between: {column: age, low: 31}}", "'age' is not within 31 to in 1 row, such as 30"),
    ("{between: {column: born, high: 2026-01-01}}", "'born' is not within to 2026-01-01 in 1 row, such as 2070-01-01"),
    ("{accepted: {column: name, values: [a, b]}}", ""),
    ("{accepted: {column: name, values: [a, c]}}", "'name' has other values in 2 rows, such as b"),
    ("{references: {columns: boss, table: people, to: id}}", "1 row whose boss 'people' has not"),
    ("{references: {columns: id, table: people}}", ""),
    ("{freshness: {column: seen, hours: 6}}", ""),
    ("{freshness: {column: seen, hours: 4.5}}", "the newest 'seen' is 5.0 hours old, more than 4.5"),
    ("{sql: 'SELECT * FROM people WHERE age > :oldest'}", "1 row of the select that should give none"),
    ("{sql: 'SELECT * FROM people WHERE age > 2 * :oldest -- nobody'}", ""),
]


@pytest.fixture(params=["sqlite", "duckdb"])
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    place = f"{request.param}:///{tmp_path}/there.db"
    newest, older = (f"{datetime.now(UTC) - timedelta(hours=hours):%Y-%m-%d %H:%M:%S}" for hours in (5, 7))
    for statement in MADE.format(newest=newest, older=older).split(";"):
        looks.query(place, statement)
    (tmp_path / "connections.yaml").write_text(f"connections:\n  wh: {place}\n", encoding="utf-8")
    (tmp_path / "pipelines").mkdir()
    return tmp_path


def check(project: Path, *rules: str, on: str = "people", more: str = ""):
    lines = "".join(f"      - {rule}\n" for rule in rules)
    text = f"params: {{oldest: {{type: whole, default: 35}}}}\nsteps:\n  - key: c\n    do: check\n    at: wh\n{more}"
    (project / "pipelines/p.yaml").write_text(f"{text}    on: {on}\n    rules:\n{lines}", encoding="utf-8")
    (step,) = actions.run("p").steps
    return step


def test_every_rule(project):
    """One run of a step a rule: what is said of it, where it is broken."""
    lines = "".join(
        f"  - {{key: r{number}, do: check, at: wh, on: people, on_failure: go_on, rules: [{rule}]}}\n"
        for number, (rule, _) in enumerate(RULES)
    )
    text = f"params: {{oldest: {{type: whole, default: 35}}}}\nsteps:\n{lines}"
    (project / "pipelines/p.yaml").write_text(text, encoding="utf-8")
    found = [(str(step.state), step.error) for step in actions.run("p").steps]
    assert found == [("failed", f"'people': {said}.") if said else ("proved", "") for _, said in RULES]


def test_an_empty_table(project):
    assert check(project, "{not_empty: yes}", on="nobody").error == "'nobody': it is empty."
    assert check(project, "{freshness: {column: id, hours: 1}}", on="nobody").error == (
        "'nobody': 'id' has no value, so nothing is fresh."
    )


def test_a_warning_leaves_the_step_unproved(project):
    step = check(project, "{unique: name, severity: warn}", "{not_empty: yes}")
    assert (step.state, step.says) == ("unproved", "'people': 1 value of name more than once")
    step = check(project, "{unique: name, severity: warn}", "{rows: {max: 1}}")
    assert step.error == "'people': it has 3 rows, more than 1; 1 value of name more than once."


def test_values_of_sensitive_columns_are_not_shown(project):
    file = project / "connections.yaml"
    file.write_text(file.read_text(encoding="utf-8").rstrip() + "?sensitive=name\n", encoding="utf-8")
    step = check(project, "{accepted: {column: name, values: [a, c]}}")
    assert step.error == "'people': 'name' has other values in 2 rows."


def test_what_is_not_there_is_named(project):
    for rule, on, said in (
        ("{unique: nmae}", "people", "'people' has no column 'nmae'. There are: id, name, age, born, seen, boss."),
        ("{not_empty: yes}", "peple", "wh has no table 'peple'. Correct 'on', or make the table first."),
        ("{references: {columns: id, table: gone}}", "people", "There is no table 'gone'. Correct 'table' of "),
        ("{freshness: {column: name, hours: 1}}", "people", "'name' holds no moments. Name a column of dates"),
    ):
        step = check(project, rule, on=on)
        assert (step.error_kind, step.error.startswith(said)) == ("spec", True), step.error


def test_as_many_rows_as_usual(project):
    """Three runs that were proved say what is usual; one that broke the rule is none of them."""
    place = f"{'duckdb' if 'duckdb' in (project / 'connections.yaml').read_text() else 'sqlite'}:///{project}/there.db"

    def rows(count: int):
        looks.query(place, "DELETE FROM counted")
        looks.query(place, f"INSERT INTO counted VALUES {', '.join(['(1)'] * count)}")
        return check(project, "{rows: {near: usual, within: 30 %}}", on="counted")

    looks.query(place, "CREATE TABLE counted (n INTEGER)")
    assert [str(rows(count).state) for count in (10, 500, 12)] == ["proved", "proved", "proved"], "nobody knows yet"
    assert rows(16).error == "'counted': it has 16 rows, and usually 12: more than 30 % apart."
    assert str(rows(15).state) == "proved"
    assert rows(8).error == "'counted': it has 8 rows, and usually 14: more than 30 % apart."


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{near: usual}", "'near' and 'within' go together. Write {near: usual, within: 30 %}."),
        ("{near: usual, within: 0.3}", "'within' is a percentage, not '0.3'. Write one like '30 %'."),
    ],
)
def test_what_usual_means_must_be_said(project, rule, said):
    with pytest.raises(SpecError) as caught:
        check(project, f"{{rows: {rule}}}")
    assert said in str(caught.value)
