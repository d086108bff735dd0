"""Planning without systems."""

import pytest

from lading.connector import Capabilities
from lading.errors import SpecError
from lading.plan import Side, plan
from lading.schema import Column, Table
from lading.spec import Move
from lading.types import parse

ALL = Capabilities(reads=True, writes=True, snapshot=True, atomic=True, together=True, merges=True, appends=True)
SIDES = (Side(address="memory://a", can=ALL), Side(address="memory://b", can=ALL))


def table(name: str, /, **types: str) -> Table:
    columns = tuple(Column(name=n, type=parse(t.rstrip("!")), null=not t.endswith("!")) for n, t in types.items())
    return Table(name=name, columns=columns, key=("id",) if "id" in types else ())


ORDERS = table("orders", id="int(64)!", amount="decimal(10,4)", note="string")
SALES = table("sales", place="string", amount="int(32)")


def planned(move: Move, *tables: Table, old: Table | None = None):
    return plan(move, tables, SIDES, lambda table: table, lambda _table: old)


def test_columns_are_left_out_by_name():
    (task,) = planned(Move(source="a", target="b", exclude="orders.note"), ORDERS).tasks
    assert [c.name for c in task.source.columns] == ["id", "amount"]
    assert [c.name for c in task.target.columns] == ["id", "amount"]


def test_a_column_that_cannot_be_read_can_be_left_out():
    odd = ORDERS.model_copy(update={"problems": ("column 'note' has the type 'x', which ...",)})
    (task,) = planned(Move(source="a", target="b"), odd).tasks
    assert task.problem.startswith("Column 'note'")
    (task,) = planned(Move(source="a", target="b", exclude="orders.note"), odd).tasks
    assert task.problem == ""


def test_a_table_does_not_go_into_itself():
    for into, problem in ((None, "The table would go into itself."), ({"orders": "others"}, "")):
        move = Move(source="a", target="a", into=into)
        made = plan(move, [ORDERS], (SIDES[0], SIDES[0]), lambda table: table, lambda _table: None)
        assert [task.problem for task in made.tasks] == [problem]


def test_a_problem_keeps_its_capitals():
    odd = ORDERS.model_copy(update={"problems": ("two columns are named 'ID'",)})
    (task,) = planned(Move(source="a", target="b"), odd).tasks
    assert task.problem == "Two columns are named 'ID'."


def test_a_pattern_for_a_schema_takes_no_columns():
    with pytest.raises(SpecError, match="has no tables to move"):
        planned(Move(source="a", target="b", tables="*", exclude=("sales.*", "sales")), SALES)
    (task,) = planned(Move(source="a", target="b", exclude="sales.*"), SALES).tasks
    assert len(task.source.columns) == 2


def test_a_key_is_not_left_out():
    with pytest.raises(SpecError, match="'id' is part of the key of 'orders'"):
        planned(Move(source="a", target="b", exclude="*.id"), ORDERS)


def test_a_loss_stops_until_it_is_accepted_by_name():
    narrow = table("orders", id="int(64)!", amount="decimal(10,2)", note="string(10)")
    (task,) = planned(Move(source="a", target="b"), ORDERS, old=narrow).tasks
    assert "'amount' 4 decimals are rounded to 2" in task.problem
    assert "amount:rounds, note:cuts" in task.fix
    for accept in ("rounds", "amount:rounds", "orders.amount:rounds", "*.amount:rounds"):
        (task,) = planned(Move(source="a", target="b", accept=(accept, "note:*")), ORDERS, old=narrow).tasks
        assert task.problem == ""
        assert [loss.kind for loss in task.accepted] == ["rounds", "cuts"]


def test_two_tables_into_one_are_refused():
    move = Move(source="a", target="b", into={"sales": "orders"})
    assert all("into the same target" in task.problem for task in planned(move, ORDERS, SALES).tasks)


@pytest.mark.parametrize("type_", ["interval", "json", "list(int(32))", "binary", "binary(16)"])
def test_since_goes_by_values_that_have_an_order(type_):
    tables = (table("iv", id="int(64)!", c=type_), table("n", id="int(64)!", c="int(32)"))
    move = Move(source="a", target="b", mode="merge", since="c")
    problems = {task.name: (task.problem, task.problem_kind) for task in planned(move, *tables).tasks}
    assert problems == {
        "iv": (f"'since' of 'iv' cannot go by 'c': {type_} has no order.", "unsupported"),
        "n": ("", problems["n"][1]),
    }


@pytest.mark.parametrize(
    ("into", "exclude", "fix"),
    [
        ({"Orders": "x"}, (), "Did you mean 'orders'?"),
        ({"order": "x"}, (), "Did you mean 'orders'?"),
        ({"nosuch": "x"}, (), "There are: orders, sales."),
        ({"orders": "x", "": "y"}, (), "There are: orders, sales."),
        ({"sales": "x"}, ("sales",), "There are: orders."),
    ],
)
def test_what_no_table_is_mapped_by_is_refused(into, exclude, fix):
    with pytest.raises(SpecError, match="which is none of the tables that are moved") as raised:
        planned(Move(source="a", target="b", into=into, exclude=exclude), ORDERS, SALES)
    assert raised.value.fix == fix


def test_of_many_tables_some_are_told_and_how_many_more_there_are():
    tables = (table(f"t{n}", id="int(64)!") for n in range(1, 11))
    with pytest.raises(SpecError) as raised:
        planned(Move(source="a", target="b", tables=["orders"]), *tables)
    assert raised.value.fix == "There are: t1, t10, t2, t3, t4, t5, t6, t7 and 2 more."


@pytest.mark.parametrize(
    ("exclude", "fix"),
    [
        ("Orders", "Did you mean 'orders'?"),
        ("orders.notes", "Did you mean 'note'?"),
        ("orders.x", "There are: amount, id, note."),
        ("amount", "There are: orders.amount, sales.amount."),
        ("audit", "There are: orders, sales."),
    ],
)
def test_what_is_not_there_is_not_left_out(exclude, fix):
    with pytest.raises(SpecError, match=f"'exclude' names '{exclude}', which a does not have") as raised:
        planned(Move(source="a", target="b", exclude=("*_log", exclude)), ORDERS, SALES)
    assert raised.value.fix == fix


def test_a_table_of_no_columns_is_stopped():
    (task,) = planned(Move(source="a", target="b", exclude=("sales.place", "sales.amount")), SALES).tasks
    assert task.problem == "No column of it is left to be moved."


@pytest.mark.parametrize(
    ("mode", "words", "lacks"),
    [("merge", {"merge_key": "place"}, "place"), ("merge", {"merge_key": "amount", "since": "place"}, "place")],
)
def test_the_columns_by_which_rows_are_merged_must_be_in_the_target(mode, words, lacks):
    old = table("sales", amount="int(32)")
    (task,) = planned(Move(source="a", target="b", mode=mode, accept="*", **words), SALES, old=old).tasks
    assert task.problem == f"The target's table 'sales' has no column '{lacks}', by which rows are merged."


def test_rows_are_appended_to_a_table_without_their_key():
    old = table("orders", amount="decimal(10,4)", note="string")
    (task,) = planned(Move(source="a", target="b", mode="append", accept="id:column"), ORDERS, old=old).tasks
    assert (task.problem, task.key, task.target.key) == ("", (), ())


def test_a_table_that_has_none_of_the_columns_is_not_appended_to():
    old = table("sales", other="string")
    (task,) = planned(Move(source="a", target="b", mode="append", accept="*"), SALES, old=old).tasks
    assert task.problem == "The target's table 'sales' has none of the source's columns."


def test_tables_that_differ_only_in_capitals_are_one_where_these_tell_none_apart():
    capital = ORDERS.model_copy(update={"name": "Orders"})
    for alike, problem in ((True, "Two tables go into the same target."), (False, "")):
        sides = (SIDES[0], SIDES[1].model_copy(update={"alike": alike}))
        made = plan(Move(source="a", target="b"), [ORDERS, capital], sides, lambda table: table, lambda _table: None)
        assert [task.problem for task in made.tasks] == [problem, problem]


def test_a_column_that_is_written_otherwise_in_the_target_is_named():
    (task,) = planned(Move(source="a", target="b"), SALES, old=table("sales", Place="string", amount="int(32)")).tasks
    assert task.problem == "The target's table 'sales' has no column 'place', but 'Place'."
    assert task.fix.startswith("Rename it there")


def test_columns_of_a_replaced_table_that_the_source_lacks_are_told():
    old = table("sales", place="string", amount="int(32)", note="string", by="string")
    (task,) = planned(Move(source="a", target="b"), SALES, old=old).tasks
    assert "the source has no 'note', 'by': what the target has there may go with its old rows" in task.notes
    (task,) = planned(Move(source="a", target="b", mode="append"), SALES, old=old).tasks
    assert not any("its old rows" in note for note in task.notes)
