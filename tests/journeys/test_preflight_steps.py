"""What a preflight says of the steps themselves: whom they wait for, and what they name."""

from pathlib import Path

import duckdb
import pytest

from lading import actions, actions_releases
from lading.preflight.report import Finding

HEAD = "steps:\n  - {key: load, from: crm, to: wh, tables: orders}\n"
CONNECTIONS = """\
connections:
  crm: duckdb:///crm.duckdb
  wh: duckdb:///wh.duckdb
  same: {kind: duckdb, path: wh.duckdb, schema: main}
  other: duckdb:///other.duckdb
"""


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pipelines").mkdir()
        (folder / "connections.yaml").write_text(CONNECTIONS, encoding="utf-8")
        self.sql("crm", "CREATE TABLE orders AS SELECT i AS id, i % 3 AS territory FROM range(9) t(i)")
        self.sql("crm", "CREATE TABLE goals AS SELECT 1 AS territory")

    def sql(self, name: str, text: str) -> None:
        with duckdb.connect(str(self.folder / f"{name}.duckdb")) as there:
            there.execute(text)

    def look(self, *steps: str, head: str = HEAD) -> list[Finding]:
        text = head + "".join(f"  - {{{step}}}\n" for step in steps)
        (self.folder / "pipelines/nightly.yaml").write_text(text, encoding="utf-8")
        return list(actions_releases.preflight("nightly").findings)

    def order(self, *steps: str) -> list[tuple[str, str, str]]:
        found = self.look(*steps)
        assert all(each.severity == "warns" for each in found if each.look == "order")
        return [(each.step, each.what, each.fix) for each in found if each.look == "order"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


READS = {
    "key: r0, do: check, at: wh, on: orders, rules: [{not_empty: true}]": "it reads 'orders'",
    "key: r1, do: check, at: wh, on: kept, rules: [{references: {columns: territory, table: orders}}]":
        "it reads 'orders'",
    "key: r2, do: check, at: wh, on: kept, rules: [{not_empty: true}, {sql: select * from orders where id < 0}]":
        "the query in rule 2 of step 'r2' needs 'orders'",
    "key: r3, do: sql, at: wh, into: x, query: select id from main.orders":
        "the query in step 'r3' needs 'main.orders'",
    "key: r4, do: sql, at: same, into: y, query: select id from ORDERS": "the query in step 'r4' needs 'ORDERS'",
    "key: r5, do: sql, at: wh, into: z, query: with orders as (select * from orders) select id from orders":
        "the query in step 'r5' needs 'orders'",
    "key: r6, do: sql, at: crm, into: x, inputs: {o: wh.orders}, query: select id from o": "it reads 'orders'",
    "key: r7, do: python, function: 'math:prod', inputs: {o: wh.orders}": "it reads 'orders'",
    "key: r8, from: wh, to: other, tables: orders": "it moves 'orders'",
    "key: r9, do: wait, table: {at: wh, name: orders, column: id, hours: 1}": "it reads 'orders'",
}  # fmt: skip


@pytest.mark.parametrize("there", [False, True])
def test_a_step_that_reads_what_another_makes_comes_after_it(project, there: bool):
    project.sql("wh", "CREATE TABLE kept AS SELECT 1 AS territory")
    if there:
        project.look()
        actions.run("nightly")
    found = [each for each in project.look(*READS) if each.look == "order"]
    assert [(each.step, each.what) for each in found] == [
        (f"r{n}", f"{said}, which 'load' makes, and does not wait for it") for n, said in enumerate(READS.values())
    ]
    assert {each.severity for each in found} == {"warns"}
    assert [each.fix for each in found] == [f"Write after: [load] in step 'r{n}'." for n in range(len(READS))]
    now = "'orders' is there already: the step would read what is in it before that."
    assert found[0].evidence == (now if there else "'orders' is not there yet.")
    assert project.order(*(f"{step}, after: load" for step in READS)) == []
    between = "key: between, do: bash, script: 'true', after: load"
    assert project.order(between, *(f"{step}, after: between" for step in READS)) == []


def test_a_step_before_the_one_that_makes_what_it_reads(project):
    steps = "key: r, do: check, at: wh, on: sums, rules: [{not_empty: true}], after: load"
    makes = "key: sums, do: sql, at: wh, into: sums, query: select id from orders, after: r"
    said = "it reads 'sums', which 'sums' makes, and does not wait for it"
    assert project.order(steps, makes) == [("r", said, "'sums' comes after 'r' now: turn that round.")]


def test_several_steps_that_make_a_table(project):
    more = "key: more, from: crm, to: wh, tables: orders, mode: append"
    check = "key: r, do: check, at: wh, on: orders, rules: [{not_empty: true}]"
    both = "it reads 'orders', which 'load' and 'more' make, and does not wait for it"
    assert project.order(more, check) == [("r", both, "Write after: [load, more] in step 'r'.")]
    late = "it reads 'orders', which 'more' makes, and does not wait for it"
    assert project.order(f"{more}, after: load", check) == [("r", late, "Write after: [more] in step 'r'.")]
    assert project.order(more, f"{check}, after: load") == [("r", late, "Write after: [load, more] in step 'r'.")]
    assert project.order(f"{more}, after: r", f"{check}, after: load") == [], "between the two"
    own = (
        "do: sql, at: wh, into: sums, mode: append, query: select id from orders where id not in (select id from sums)"
    )
    assert project.order(f"key: a, {own}, after: load", f"key: b, {own}, after: a") == []


def test_a_name_that_is_no_table_that_is_made(project):
    for query in (
        "select 'orders' as orders, 1 as load -- from orders",
        "with orders as (select 1 as id) select id from orders",
        "select id from other.orders",
    ):
        assert project.order(f"key: r, do: sql, at: wh, into: sums, query: {query!r}") == [], query
    assert project.order("key: r, do: sql, at: crm, into: sums, query: select id from orders") == []
    assert project.order("key: r, from: wh, to: other, tables: '*'") == []


def test_a_proof_that_does_not_wait_for_its_move(project):
    assert project.order("key: r, do: prove, step: load") == [
        ("r", "it compares what 'load' moves, and does not wait for it", "Write after: [load] in step 'r'."),
    ]
    assert project.order("key: r, do: prove, step: load, after: load") == []


def test_a_select_that_no_parser_reads(project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lading.preflight.order.LANGUAGES", {})
    for query, named in (
        ("select id from orders", True), ("select g.id from goals g, main.orders o", True),
        ("select 1 -- from orders", False), ("select ' from orders '", False), ("select id from orders_old", False),
    ):  # fmt: skip
        found = project.order(f'key: r, do: sql, at: wh, into: sums, query: "{query}"')
        assert [each[0] for each in found] == (["r"] if named else []), query


def test_what_is_moved_on_may_be_written_first(project):
    """A step that is written before the one that makes what it moves: it waits for it, so nothing is wrong."""
    on = "key: onward, from: wh, to: other, tables: orders"
    head = f"steps:\n  - {{{on}, after: [first]}}\n  - {{key: first, from: crm, to: wh}}\n"
    (found,) = project.look(head=head)
    assert (found.severity, found.what) == ("notes", "what it moves is made by 'first', and is not there yet")
    (found, early) = project.look(head=head.replace(", after: [first]", ""))
    assert sorted((found.look, early.look)) == ["hops", "order"]


def names(project: Project, *steps: str, head: str = HEAD) -> list[tuple[str, str, str]]:
    found = [each for each in project.look(*steps, head=head) if each.look == "names"]
    return [(each.severity, each.what, each.evidence) for each in found]


def check(*rules: str, on: str = "orders", after: str = "load") -> str:
    return f"key: c, do: check, at: wh, on: {on}, after: [{after}], rules: [{', '.join(rules)}]"


def test_a_table_that_nobody_makes(project):
    gone = "which 'wh' does not have", "No step makes it."
    assert names(project, check("{not_empty: true}", on="oders")) == [
        ("blocks", f"it checks 'oders', {gone[0]}", gone[1]),
    ]
    rule = "{references: {columns: territory, table: goals}}"
    assert names(project, check("{not_empty: true}", rule)) == [
        ("blocks", f"rule 2 looks into 'goals', {gone[0]}", gone[1]),
    ]
    python = "key: p, do: python, function: 'math:prod', inputs: {o: wh.goals}"
    assert names(project, python) == [("blocks", f"it reads 'goals', {gone[0]}", gone[1])]
    wait = "key: w, do: wait, table: {at: wh, name: goals, column: id, hours: 1}"
    assert names(project, wait) == [("warns", f"it waits for 'goals', {gone[0]}", gone[1])]
    project.sql("wh", "CREATE TABLE goals AS SELECT 1 AS territory")
    assert names(project, check("{not_empty: true}", rule)) == names(project, python) == []
    assert names(project, wait) == [
        ("blocks", "it names the column 'id', which 'goals' does not have", "There are: territory.")
    ]
    assert names(project, wait.replace("column: id", "column: territory")) == []


def test_a_table_that_may_be_made_by_what_is_not_looked_at(project):
    script = "key: script, do: bash, script: 'true'"
    rules = "{not_empty: true}", "{unique: [id, nix]}"
    assert names(project, script, check(*rules, on="other", after="script")) == [
        ("warns", "it checks 'other', which 'wh' does not have", "No step makes it, unless 'script' does."),
    ]
    (blocks,) = names(project, script, check(*rules, on="other"))
    assert blocks[0] == "blocks", "it does not wait for the script"
    head = HEAD + "  - {key: on, from: wh, to: same, tables: '*', into: x, after: load}\n".replace(
        "key: on", "key: all"
    )
    project.sql("wh", "CREATE TABLE kept AS SELECT 1 AS id")
    (warns,) = names(project, check(*rules, on="x.orders", after="all"), head=head)
    assert warns == ("warns", "it checks 'x.orders', which 'wh' does not have", "No step makes it, unless 'all' does.")


COLUMNS = {
    "{unique: [id, NO]}": "rule 1", "{not_null: NO}": "rule 2", "{between: {column: NO, low: 1}}": "rule 3",
    "{accepted: {column: NO, values: [1]}}": "rule 4", "{freshness: {column: NO, hours: 1}}": "rule 5",
    "{references: {columns: NO, table: goals, to: territory}}": "rule 6",
    "{references: {columns: territory, table: goals, to: NO}}": "rule 7",
}  # fmt: skip


@pytest.mark.parametrize("there", [False, True])
def test_a_column_that_a_rule_names_and_a_table_has_not(project, there: bool):
    """Of a table that is not there yet the steps say which columns it will have."""
    project.sql("wh", "CREATE TABLE goals AS SELECT 1 AS territory")
    if there:
        project.look()
        actions.run("nightly")
    found = names(project, check(*(rule.replace("NO", "nix") for rule in COLUMNS)))
    tables = dict.fromkeys(COLUMNS.values(), "orders") | {"rule 7": "goals"}
    assert sorted(each[:2] for each in found) == [
        ("blocks", f"{rule} names the column 'nix', which '{table}' does not have") for rule, table in tables.items()
    ]
    assert found[0][2] == ("There are: id, territory. " if there else "") + "Step 'load' gives it none."
    assert names(project, check(*(rule.replace("NO", "territory") for rule in COLUMNS))) == []


def test_a_column_of_what_a_step_makes(project):
    project.look()
    actions.run("nightly")
    project.sql("wh", "CREATE TABLE made AS SELECT 1 AS old")
    (project.folder / "drop").mkdir()
    lacks = "blocks", "rule 1 names the column 'territory', which 'made' does not have"
    for maker, lacking in (
        ("do: sql, at: wh, query: select id from orders", True),
        ("do: sql, at: wh, query: select territory from orders", False),
        ("do: sql, at: wh, query: select nothing from nowhere", False),  # that is told of the query itself
        ("do: sql, at: wh, inputs: {o: crm.orders}, query: select id from o", True),
        ("do: sql, at: wh, inputs: {o: crm.orders}, query: select territory from o", False),
        ("do: receive, from: drop/, to: wh, files: '*.csv', columns: {id: int(32)}", True),
        ("do: receive, from: drop/, to: wh, files: '*.csv', columns: {territory: int(32)}", False),
    ):
        make = f"key: make, {maker}, into: made, after: load"
        found = names(project, make, check("{unique: territory}", on="made", after="make"))
        evidence = "There are: old. Step 'make' gives it none."
        assert found == ([(*lacks, evidence)] if lacking else []), maker
    python = "key: make, do: python, to: wh, code: '', function: f, into: made, after: load"
    assert names(project, python, check("{unique: territory}", on="made", after="make")) == []
    script = "key: script, do: bash, script: 'true'"
    (may,) = names(project, script, check("{unique: nix}", after="script"))
    assert (may[0], may[2]) == ("warns", "There are: id, territory. Step 'load' gives it none, unless 'script' does.")
