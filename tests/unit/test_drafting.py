"""Pipelines of several kinds of steps: what is said of a file that is wrong, word by word."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lading import config, dues, find, moments
from lading.errors import SpecError
from lading.store import Store

HERE = "pipelines/nightly.yaml"
TWO = """\
steps:
  - {key: sales, from: crm, to: wh}
  - {key: report, do: sql, at: wh, query: select 1 AS one, into: report, after: sales}
"""
WAIT = "steps:\n  - {key: wait, do: wait, time: {at: '06:00', zone: UTC}}\n"
CHECK = "steps:\n  - key: check\n    do: check\n    at: wh\n    on: report\n    rules:\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    text = "connections:\n  crm: sqlite:///crm.db\n  wh: duckdb:///wh.duckdb\n"
    (tmp_path / "connections.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/good.sql").write_text("SELECT 1 AS one; -- all of it\n", encoding="utf-8")
    (tmp_path / "pipelines/bad.sql").write_text("DROP TABLE t", encoding="utf-8")
    (tmp_path / "pipelines/param.sql").write_text("SELECT 1 AS one -- :no\nWHERE :dya > ':no'", encoding="utf-8")
    (tmp_path / "pipelines/close.yaml").write_text("steps: [{from: crm, to: wh}]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wrong(project: Path, text: str, given: dict[str, str] | None = None) -> str:
    (project / HERE).write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        config.pipeline("nightly", given)
    return str(caught.value)


def right(project: Path, text: str, given: dict[str, str] | None = None):
    (project / HERE).write_text(text, encoding="utf-8")
    return config.pipeline("nightly", given)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # wrong key
        (TWO.replace("into:", "inot:"), f"{HERE}:3: step 'report' has no option 'inot'. Did you mean 'into'?"),
        (
            TWO.replace(", into: report", ""),
            (
                f"{HERE}:3: step 'report' lacks 'into'. Add it. The table that its rows "
                "go into: 'table' or 'schema.table'."
            ),
        ),
        (
            CHECK + "      - {uniqe: id}\n",
            (f"{HERE}:7: rule 1 of step 'check' has no option 'uniqe'. Did you mean 'unique'?"),
        ),
        (
            CHECK + "      - {not_empty: yes}\n      - {between: {colum: a, low: 1}}\n",
            f"{HERE}:8: 'between' of rule 2 of step 'check' has no option 'colum'. Did you mean 'column'?",
        ),
        (
            "params: {day: {typ: date}}\n" + TWO,
            f"{HERE}:1: param 'day' of the pipeline has no option 'typ'. Did you mean 'type'?",
        ),
        # wrong kind
        (TWO.replace("do: sql", "do: sqll"), f"{HERE}:3: step 'report' is of the kind 'sqll'. Did you mean 'sql'?"),
        # wrong type
        (
            TWO.replace("after: sales", "retries: often"),
            f"{HERE}:3: 'retries' of step 'report' must be a whole number, not 'often'.",
        ),
        (CHECK + "      - not_empty\n", f"{HERE}:7: rule 1 of step 'check' must be a map of options, not 'not_empty'."),
        (
            CHECK + "      - {rows: {min: few}}\n",
            f"{HERE}:7: 'min' of 'rows' of rule 1 of step 'check' must be a whole number, not 'few'.",
        ),
        (
            TWO.replace("after: sales", "timeout_seconds: 0"),
            f"{HERE}:3: 'timeout_seconds' of step 'report' must be at least 1, not 0.",
        ),
        # what the kind itself says
        (
            CHECK + "      - {not_empty: yes, unique: id}\n",
            (
                f"{HERE}:7: rule 1 of step 'check': A rule is one of not_empty, unique, not_null, between, accepted, "
                "references, freshness, rows, sql. Write one, and 'severity' if it is only a warning."
            ),
        ),
        (
            TWO.replace("select 1 AS one", "delete from x"),
            f"{HERE}:3: step 'report': This is no select. Write a statement that begins with SELECT or WITH.",
        ),
        (
            TWO.replace("select 1 AS one", "'select 1; select 2'"),
            f"{HERE}:3: step 'report': There is a second statement after ';'. Make it a step of its own.",
        ),
        (
            TWO.replace("query: select 1 AS one, ", ""),
            f"{HERE}:3: step 'report': It takes either 'file' or 'query'. Write one of them.",
        ),
        (
            WAIT.replace("'06:00'", "18:00"),
            f"{HERE}:2: 'time' of step 'wait': A time of day is written in quotes. Write one like '06:00'.",
        ),
        (
            WAIT.replace("06:00", "25:00"),
            f"{HERE}:2: 'time' of step 'wait': '25:00' is no time of day. Write one like '06:00'.",
        ),
        (
            WAIT.replace("06:00", "06:00+02:00"),
            (
                f"{HERE}:2: 'time' of step 'wait': '06:00+02:00' names a zone in the time of day. "
                "Write one like '06:00', and 'zone' beside it."
            ),
        ),
        (
            WAIT.replace("UTC", "Mars/X"),
            (
                f"{HERE}:2: 'time' of step 'wait': There is no time zone 'Mars/X'. "
                "Write one like 'Europe/Berlin' or 'UTC'."
            ),
        ),
        # the graph
        (
            TWO.replace("after: sales", "after: slaes"),
            f"{HERE}:3: step 'report' comes after 'slaes', which is no step. Did you mean 'sales'?",
        ),
        (
            TWO.replace("key: report", "key: sales"),
            f"{HERE}:3: two steps have the key 'sales'. Give each step its own.",
        ),
        (
            TWO.replace("to: wh}", "to: wh, after: report}"),
            f"{HERE}:2: steps wait for each other: 'sales' after 'report' after 'sales'. Take one 'after' out.",
        ),
        (
            TWO.replace("after: sales", "after: report"),
            f"{HERE}:3: steps wait for each other: 'report' after 'report'. Take one 'after' out.",
        ),
        # what they name
        (
            TWO.replace("from: crm", "from: cmr"),
            f"{HERE}:2: step 'sales': there is no connection 'cmr'. Did you mean 'crm'?",
        ),
        (
            TWO.replace("at: wh", "at: whh"),
            f"{HERE}:3: step 'report': there is no connection 'whh'. Did you mean 'wh'?",
        ),
        (
            TWO.replace("query: select 1 AS one", "file: repotr.sql"),
            (
                f"{HERE}:3: step 'report' names the file 'repotr.sql', which is not there or cannot be read. "
                "It is looked for in 'pipelines/'."
            ),
        ),
        (
            TWO.replace("query: select 1 AS one", "file: bad.sql"),
            f"{HERE}:3: step 'report': bad.sql: This is no select. Write a statement that begins with SELECT or WITH.",
        ),
        (
            TWO + "  - {key: same, do: prove, step: report}\n",
            f"{HERE}:4: step 'same' names 'report', which is no step that moves tables. There are: sales.",
        ),
        (
            "steps:\n  - {key: a, do: bash, script: 'true'}\n  - key: same\n    do: prove\n    step: a\n",
            f"{HERE}:5: step 'same' names 'a', which is no step that moves tables. Name one with 'do: move'.",
        ),
        (
            "steps:\n  - key: w\n    do: wait\n    pipeline:\n      hours: 6\n      name: clos\n",
            f"{HERE}:6: step 'w' waits for 'clos', which is no other pipeline. Did you mean 'close'?",
        ),
        (
            "steps:\n  - {key: w, do: wait, table: {at: whh, name: a, column: b, hours: 1}}\n",
            f"{HERE}:2: step 'w': there is no connection 'whh'. Did you mean 'wh'?",
        ),
        # parameters
        (
            TWO.replace("select 1 AS one", "'select :zz AS one'"),
            (
                f"{HERE}:3: step 'report' uses the parameter ':zz', which is not declared. "
                "Declare it in 'params' of the pipeline."
            ),
        ),
        (
            "params: {day: {type: date}}\n" + TWO.replace("query: select 1 AS one", "file: param.sql"),
            (
                f"{HERE}:4: step 'report': param.sql:2 uses the parameter ':dya', which is not declared. "
                "Did you mean 'day'?"
            ),
        ),
        (
            CHECK + "      - {not_empty: yes}\n      - severity: warn\n        sql: select * from t where a > :least\n",
            (
                f"{HERE}:9: rule 2 of step 'check' uses the parameter ':least', which is not declared. "
                "Declare it in 'params' of the pipeline."
            ),
        ),
        (
            "params:\n  n:\n    type: whole\n    default: abc\n" + TWO,
            f"{HERE}:4: param 'n' of the pipeline: 'default' must be a whole number, not 'abc'.",
        ),
        (
            "params: {day: {default: soon, type: date}}\n" + TWO,
            f"{HERE}:1: param 'day' of the pipeline: 'default' must be a date such as 2026-02-28, not 'soon'.",
        ),
        (
            "params:\n  n: {type: whole, choices: [1, 2], default: 3}\n" + TWO,
            f"{HERE}:2: param 'n' of the pipeline: 'default' must be one of 1, 2, not '3'.",
        ),
        (
            "params:\n  day: {type: date}\n  n: {type: whole, from: due}\n" + TWO,
            (
                f"{HERE}:3: param 'n' of the pipeline: 'from: due' gives a moment, which is no value of the type "
                "'whole'. Write 'type: date' or 'type: text'."
            ),
        ),
        (
            "params: {day: {type: date, from: tomorrow}}\n" + TWO,
            f"{HERE}:1: 'from' of param 'day' of the pipeline must be one of due, due_before, not 'tomorrow'.",
        ),
        (
            "params: {day: {type: date}}\n" + TWO.replace("into: report", "'into': 'r_${param:dya}'"),
            f"{HERE}:4: step 'report' uses the parameter 'dya', which is not declared. Did you mean 'day'?",
        ),
        (
            "params: {day: {type: date}}\n" + TWO.replace("into: report", "'into': 'r_${param:day}'"),
            f"{HERE}:4: The pipeline needs the parameter 'day'. Give it: --param day=...",
        ),
        (
            "params: {day: {type: date}}\n" + TWO.replace("select 1 AS one", "\"select '${param:day}'\""),
            f"{HERE}:4: step 'report' has '${{param:day}}' in 'query', where nothing is replaced. Write :day.",
        ),
        (
            "steps:\n  - {key: c, do: check, at: wh, on: a, rules: [\n    {sql: \"SELECT '${param:day}'\"}]}\n",
            f"{HERE}:3: step 'c' has '${{param:day}}' in 'sql', where nothing is replaced. Write :day.",
        ),
        (
            "steps:\n  - key: c\n    do: bash\n    script: echo ${param:day}\n",
            f"{HERE}:4: step 'c' has '${{param:day}}' in 'script', where nothing is replaced. Write $PARAM_DAY.",
        ),
        (
            "steps:\n  - key: c\n    from: crm\n    to: wh\n    into: {'${param:day}': x}\n",
            f"{HERE}:5: step 'c' has '${{param:day}}' in a name, where nothing is replaced. Write the name itself.",
        ),
    ],
)
def test_what_is_wrong_is_said_with_path_and_line(project, text, message):
    assert wrong(project, text) == message


def test_the_first_line_that_is_wrong_is_told_whatever_is_wrong_there(project):
    assert wrong(project, "titel: x\n" + TWO.replace("into:", "inot:")).startswith(f"{HERE}:1: the pipeline has no")
    both = TWO.replace("from: crm", "frm: crm").replace("into:", "inot:")
    assert wrong(project, both) == f"{HERE}:2: step 'sales' has no option 'frm'. Did you mean 'from'?"


def test_what_a_step_names_beside_its_file(project):
    waits = "steps:\n  - {key: w, do: wait, pipeline: {name: NAME}}\n"
    assert right(project, waits.replace("NAME", "close"))
    assert right(project, waits.replace("NAME", "nightly")), "its own run before"
    quoted = TWO.replace("select 1 AS one", "\"select 'it\\\\' :a' AS one, 'b' AS two, ' :b'\"")
    assert right(project, quoted), "whether a backslash ends a text is not known before a connection is opened"


def test_the_short_form_stays_as_it_was(project):
    (step,) = right(project, "steps: [{from: crm, to: wh, tables: a}]\n").steps
    assert (step.key, step.do, step.after, step.tables) == ("move", "move", (), ("a",))


def test_a_file_takes_the_place_of_the_query(project):
    found = right(project, TWO.replace("query: select 1 AS one", "file: good.sql"))
    assert (found.steps[1].file, found.steps[1].query) == ("good.sql", "SELECT 1 AS one; -- all of it\n")
    before = found.steps[1].digest
    (project / "pipelines/good.sql").write_text("SELECT 2 AS one", encoding="utf-8")
    assert config.pipeline("nightly").steps[1].digest != before, "another text is another step"


def test_words_that_yaml_takes_for_truths_are_keys(project):
    found = right(project, CHECK + "      - {rows: {min: 1}}\n")
    assert found.steps[0].on == "report"


def test_parameters_are_typed_and_put_in(project):
    text = "params:\n  day: {type: date, default: 2026-02-28}\n  least: {type: whole, choices: [1, 2]}\n" + TWO
    found = right(project, text.replace("into: report", "'into': 'r_${param:day}', retries: '${param:least}'"),
                  {"least": "2"})  # fmt: skip
    assert (found.steps[1].into, found.steps[1].retries) == ("r_2026-02-28", 2)
    assert [str(value) for value in found.values({"least": "1"}).values()] == ["2026-02-28", "1"]
    for given, message in (
        ({"least": "3"}, "Parameter 'least' must be one of 1, 2, not '3'."),
        ({"least": "x"}, "Parameter 'least' must be a whole number, not 'x'."),
        ({"lest": "1"}, "'nightly' has no parameter 'lest'. Did you mean 'least'?"),
        ({}, "The pipeline needs the parameter 'least'. Give it: --param least=..."),
    ):
        with pytest.raises(SpecError) as caught:
            found.values(given)
        assert str(caught.value) == message


MOMENTS = """\
params:
  end: {type: date, from: due}
  begin: {type: date, from: due_before}
  low: {type: text, from: due_before}
  given: {type: date, from: due, default: 2020-02-29}
"""


def test_parameters_are_taken_from_the_due_time_of_a_run(project):
    text = 'schedule: {cron: "0 22 * * 1-5", zone: America/New_York}\n' + MOMENTS
    text += TWO.replace("into: report", "'into': 'r_${param:end}'")
    assert right(project, text).steps[1].into == f"r_{datetime.now(UTC):%Y-%m-%d}", "to be looked at only"
    store = Store(str(project / "store.db"))
    due = datetime(2026, 3, 10, 2, tzinfo=UTC)  # a Monday in New York, the first after the clocks went forward
    dues.put(store, [dues.Due("nightly", due, "", "waiting", "r1")])
    taken = {"end": "2026-03-09", "begin": "2026-03-06", "low": "2026-03-07 03:00:00", "given": "2026-03-09"}
    assert moments.of_run(store, "nightly", "r1", None, None) == taken
    assert moments.of_run(store, "nightly", "r1", {"end": "2020-01-01"}, None) == taken | {"end": "2020-01-01"}
    assert moments.of_run(store, "nightly", "r2", None, None) == {}
    store.close()
    found = right(project, text, taken)
    assert found.steps[1].into == "r_2026-03-09"
    with pytest.raises(SpecError) as caught:
        found.values({})
    assert str(caught.value) == (
        "The pipeline needs the parameter 'end'. This run has no due time to take it from. Give it: --param end=..."
    )
    assert moments.today("nightly", None).keys() == {"end", "begin", "low"}


def test_the_order_of_the_graph(project):
    text = "steps:\n" + "".join(
        f"  - {{key: {key}, do: bash, script: 'true', after: [{after}]}}\n"
        for key, after in (("d", "b, c"), ("b", "a"), ("a", ""), ("c", "a"), ("e", ""))
    )
    found = right(project, text)
    assert [step.key for step in found.order] == ["a", "b", "c", "d", "e"]
    assert found.following("b") == {"b", "d"}


def test_every_kind_has_one_model_and_a_run():
    assert {"move", "sql", "check", "bash"} <= set(find.step_kinds())
    for kind in find.step_kinds():
        model = find.step_class(kind)
        assert model.model_fields["do"].default == kind
        assert model.model_config["extra"] == "forbid"
        assert model.version >= 1
        assert callable(find.step_module(kind).run)
