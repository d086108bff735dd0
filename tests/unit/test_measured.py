"""Decimals without a declared limit are planned by what was measured; schemas become names where there are none."""

import pytest

from lading.connector import Capabilities
from lading.dialects.duckdb import dialect as duckdb
from lading.dialects.sqlite import dialect as sqlite
from lading.plan import Plan, Side, plan
from lading.schema import NO_VALUES, Column, Mode, Table
from lading.spec import Move
from lading.types import Type, parse

SIDE = Side(address="x", can=Capabilities(reads=True, writes=True, merges=True, appends=True))


def _table(measured: Type | None) -> Table:
    column = Column(name="price", type=Type("decimal"), native="postgres:numeric", measured=measured)
    return Table(name="prices", columns=(column,))


def _planned(measured: Type | None, old: str | None = None) -> Plan:
    there = Table(name="prices", columns=(Column(name="price", type=parse(old)),)) if old else None
    return plan(Move(source="a", target="b"), [_table(measured)], (SIDE, SIDE), duckdb.fit, lambda _table: there)


@pytest.mark.parametrize(
    ("measured", "planned", "note"),
    [
        (None, "string", ""),
        (parse("decimal(12,4)"), "decimal(38,4)", "8 digits before the point and 4 after it"),
        (parse("decimal(38,38)"), "decimal(38,38)", "0 digits before"),
        (NO_VALUES, "decimal(38,10)", "no value yet"),
        (Type("decimal", 39, 1), "string", ""),
    ],
)
def test_a_new_column(measured: Type | None, planned: str, note: str):
    task = _planned(measured).tasks[0]
    assert str(task.target.columns[0].type) == planned
    assert task.losses == ()
    assert any(note in line for line in task.notes)
    assert task.source.columns[0].type == Type("decimal"), "it is read as it is declared"


@pytest.mark.parametrize(
    ("measured", "old", "kinds"),
    [
        (parse("decimal(12,4)"), "decimal(38,4)", []),
        (parse("decimal(12,5)"), "decimal(38,4)", ["rounds"]),
        (parse("decimal(20,0)"), "decimal(10,2)", ["narrows"]),
        (NO_VALUES, "decimal(10,0)", []),
        (None, "decimal(38,4)", ["narrows"]),
        (parse("decimal(12,4)"), "float(64)", ["rounds"]),
    ],
)
def test_a_column_that_is_there(measured: Type | None, old: str, kinds: list[str]):
    assert [loss.kind for loss in _planned(measured, old).tasks[0].losses] == kinds


def test_a_plan_is_plain_data_both_ways():
    made = _planned(NO_VALUES)
    assert Plan.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("schema", "name"), [(None, "orders"), ("main", "orders"), ("sales", "sales_orders"), ("Sales 1", "Sales 1_orders")]
)
def test_schemas_become_names(schema: str | None, name: str):
    assert sqlite.fit(Table(name="orders", schema_name=schema)).full_name == name
    assert duckdb.fit(Table(name="orders", schema_name=schema)).schema_name == schema


def test_increments_begin_anew_where_the_target_is_gone():
    columns = (Column(name="id", type=parse("int(64)"), null=False), Column(name="at", type=parse("timestamp(6)")))
    table = Table(name="t", columns=columns, key=("id",))
    move = Move(source="a", target="b", mode=Mode.MERGE, since="at")
    gone = plan(move, [table], (SIDE, SIDE), duckdb.fit, lambda _table: None, lambda _table: "2024-01-01")
    there = plan(move, [table], (SIDE, SIDE), duckdb.fit, duckdb.fit, lambda _table: "2024-01-01")
    assert (gone.tasks[0].since_low, there.tasks[0].since_low) == (None, "2024-01-01")
