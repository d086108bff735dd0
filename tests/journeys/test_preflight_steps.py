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
