"""The hop check where no catalogue is: files at the ends of a way, and places that people declare."""

import datetime as dt
import json
from typing import Any

import pytest
from pydantic import ValidationError

from lading.connector import Capabilities
from lading.connectors.files import Files
from lading.connectors.memory import Memory
from lading.errors import SpecError
from lading.facts import Observed
from lading.hops import findings, tried
from lading.hops.chain import Facts, bodies, ways
from lading.plan import Side, Task, plan
from lading.route import Code, Declared, Finding, Parameter, Route
from lading.schema import Column, Table, losses
from lading.spec import Move
from lading.types import parse
from tests.unit.test_hops import remove_sqlglot

SEEN = Observed(column="d", date=dt.date(2026, 11, 30), max_characters=1_900, max_bytes=1_900)


def table(name: str = "items", **types: str) -> Table:
    """Columns by their type; `!` for NOT NULL."""
    made = [
        Column(name=own, type=parse(text.rstrip("!")), native=f"postgres:{text}", null=text[-1] != "!")
        for own, text in types.items()
    ]
    return Table(name=name, columns=tuple(made))


ITEMS = table(id="int(32)!", d="string(4000)", n="decimal(18,4)", t="timestamp(6)")


def declared(**words: Any) -> Declared:
    return Declared.model_validate({"api": "account", **words})


def said(*through: Any, source: Table = ITEMS, observed: Observed | None = None, **more: Any) -> list[Finding]:
    columns = [c.model_copy(update={"observed": observed if c.name == "d" else None}) for c in source.columns]
    source = source.model_copy(update={"columns": tuple(columns)})
    facts = Facts(through=through, systems=("postgres", "postgres"), **more)
    return findings(Task(source=source, target=source, fresh=False), facts)


def levels(found: list[Finding]) -> list[tuple[str, str, str]]:
    return [(each.level, each.kind, each.column) for each in found if each.level != "unknown"]


# The chain


def test_declared_places_stand_in_the_order_of_through():
    copy = Code(
        kind="function", name="public.copy", system="postgres", language="sql", text="SELECT d", returns="text",
        parameters=(Parameter(name="d", native="text"),),
    )  # fmt: skip
    before, after = declared(columns={"d": "string(2000)"}), Declared(export="monthly.csv", columns={"d": "string"})
    task = Task(source=ITEMS, target=ITEMS, fresh=False)
    facts = Facts(through=(before, (copy,), after), systems=("postgres", "postgres"))
    (way,) = ways(task, ITEMS.columns[1], facts, bodies([copy])).ways
    assert [(place.kind, place.code, str(place.type), place.fact) for place in way] == [
        ("source column", "", "string(4000)", "catalogue"),
        ("API attribute", "account", "string(2000)", "declared"),
        ("parameter", "public.copy", "string", "catalogue"),
        ("result", "public.copy", "string", "catalogue"),
        ("export field", "monthly.csv", "string", "declared"),
        ("stage column", "", "string(4000)", "catalogue"),
        ("target column", "", "string(4000)", "catalogue"),
    ]


def test_a_declared_place_has_what_its_type_says():
    made = declared(columns={"d": "string(20)", "n": "decimal(9,2)", "t": "timestamp(3,utc)"}, required=("d",))
    task, facts = Task(source=ITEMS, target=ITEMS), Facts(through=(made,))
    d, n, t = (next(p for p in ways(task, c, facts, {}).ways[0] if p.declared) for c in ITEMS.columns[1:])
    assert (d.characters, d.bytes, d.null) == (20, 80, False)
    assert (n.precision, n.scale, n.null) == (9, 2, None)
    assert (t.scale, t.zone) == (3, True)


def test_a_file_at_an_end_is_one_place_without_a_stage():
    task = Task(source=ITEMS, target=ITEMS)
    facts = Facts(source=Route(fields={"d": "measured"}), target=Route(fields={"d": "declared"}))
    ((first, last),) = ways(task, ITEMS.columns[1], facts, {}).ways
    assert (first.kind, first.name, first.fact) == ("file field", "items.d", "measured")
    assert (last.kind, last.name, last.fact) == ("export field", "items.d", "declared")
    assert (first.begins, last.ends, last.declared) == (True, True, False)


# What is said of it


def test_a_narrower_attribute_blocks_and_says_what_to_do():
    (found,) = said(declared(columns={"d": "string(2000)", "id": "int", "n": "decimal(18,4)", "t": "timestamp"}))
    assert (found.level, found.kind, found.column) == ("blocks", "cuts", "d")
    assert found.what == ("API attribute 'd' string(2000) of 'account': string(4000) can be longer than string(2000)")
    assert found.how == "not known to be refused, so taken for silent"
    assert found.fix == "Make 'd' of 'account' string(4000), and declare it so in 'through'."


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ({"columns": {"d": "string(4000)"}}, []),
        ({"columns": {"d": "string"}}, []),
        ({"columns": {"d": "string(10)"}, "refuses": True}, [("warns", "cuts", "d")]),
        ({"columns": {"n": "decimal(8,2)"}}, [("blocks", "rounds", "n"), ("blocks", "narrows", "n")]),
        ({"columns": {"n": "decimal(8,2)"}, "refuses": True}, [("warns", "rounds", "n"), ("warns", "narrows", "n")]),
        ({"columns": {"n": "string(20)"}}, []),
        # Behind a cut it is any text, which the stage reads as a number.
        (
            {"columns": {"n": "string(19)"}},
            [("blocks", "cuts", "n"), ("blocks", "rounds", "n"), ("warns", "type", "n")],
        ),
        ({"columns": {"t": "date"}}, [("blocks", "cuts", "t")]),
        ({"columns": {"t": "date"}, "refuses": True}, [("warns", "cuts", "t")]),
        ({"columns": {"id": "int(16)"}}, [("blocks", "narrows", "id")]),
        ({"columns": {"d": "string"}, "required": ["d"]}, [("blocks", "null", "d")]),
        ({"columns": {"d": "string"}, "required": ["d"], "refuses": True}, [("warns", "null", "d")]),
        ({"columns": {"id": "int"}, "required": ["id"]}, []),
    ],
)
def test_what_is_said_of_a_declared_place(words, found):
    assert levels(said(declared(**words))) == found


def test_what_was_observed_and_fits_is_a_note():
    assert levels(said(declared(columns={"d": "string(2000)"}), observed=SEEN)) == [("notes", "cuts", "d")]
    assert levels(said(declared(columns={"d": "string(1000)"}), observed=SEEN)) == [("blocks", "cuts", "d")]


def test_what_a_place_cuts_is_not_cut_again_behind_it():
    through = [declared(columns={"d": size}) for size in ("string(50)", "string(60)")]
    assert [each.at and each.at.type for each in said(*through) if each.column == "d"] == [parse("string(50)")]


def test_columns_that_a_place_leaves_out_are_unknown_there():
    found = said(declared(columns={"items.d": "string"}))
    assert {(each.level, each.column) for each in found} == {("unknown", name) for name in ("id", "n", "t")}
    assert {each.what for each in found} == {"what 'account' keeps of it is not declared"}
    assert {each.fix for each in found} == {"Add it in 'through', with its type."}


def test_a_table_of_which_it_names_nothing_does_not_pass_it():
    assert said(declared(columns={"orders.d": "string(1)"})) == []


@pytest.mark.parametrize("form", ["d", "items.d", "shop.items.d"])
def test_a_column_is_named_alone_or_with_its_table(form):
    source = ITEMS.model_copy(update={"schema_name": "shop"})
    assert levels(said(declared(columns={form: "string(9)"}), source=source)) == [("blocks", "cuts", "d")]


@pytest.mark.parametrize("form", ["items.d", "shop.items.d"])
def test_the_name_with_the_table_comes_before_the_one_without(form):
    source = ITEMS.model_copy(update={"schema_name": "shop"})
    assert levels(said(declared(columns={"d": "string(9)", form: "string"}), source=source)) == []


def test_what_both_ends_lose_is_told_once_where_the_end_is_a_file():
    target = table(id="int(32)", d="string(10)", n="decimal(18,4)", t="timestamp(6)")
    task = Task(source=ITEMS, target=target, losses=tuple(losses(ITEMS, target)))
    facts = Facts(target=Route(fields=dict.fromkeys(["id", "d", "n", "t"], "declared")), systems=("postgres", ""))
    assert [loss.kind for loss in task.losses] == ["cuts"]
    assert findings(task, facts) == []
    (found,) = findings(task.model_copy(update={"losses": ()}), facts)
    assert (found.level, found.how, found.fix) == (
        "warns", "refused while rows are staged", "Make the field 'items.d' string(4000).",
    )  # fmt: skip


def test_without_sqlglot_what_is_declared_is_judged(monkeypatch):
    remove_sqlglot(monkeypatch)
    save = Code(kind="procedure", name="public.save", system="postgres", language="sql", text="SELECT 1")
    assert levels(said((save,), declared(columns={"d": "string(2000)"}))) == [("blocks", "cuts", "d")]


def test_a_canary_does_not_go_there_and_says_so():
    facts = Facts(through=(declared(columns={"d": "string"}),))
    with Memory(name="canary").open() as session:
        arrivals = tried(Task(source=ITEMS, target=ITEMS), facts, session)
    assert next((each.at, each.outcome, each.what) for each in arrivals) == (
        "'account'", "not sent", "it is declared, and cannot be asked",
    )  # fmt: skip


# What people write


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"columns": {"d": "string"}}, "It takes one of 'api' and 'export'"),
        ({"api": "a", "export": "b", "columns": {"d": "string"}}, "It takes one of 'api' and 'export'"),
        ({"api": "a", "columns": {"d": "varchar(3)"}}, "'varchar(3)' is not a type"),
        ({"api": "a", "columns": {}}, "at least 1 item"),
        (
            {"api": "a", "columns": {"d": "string"}, "required": ["e"]},
            "'required' names 'e', which is not in 'columns'",
        ),
    ],
)
def test_what_cannot_be_declared(words, says):
    with pytest.raises(ValidationError) as raised:
        Move.model_validate({"from": "a", "to": "b", "through": [words]})
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("columns", "fix"),
    [
        ({"descripton": "string"}, "Did you mean 'description'?"),
        ({"orders.note": "string"}, "Did you mean 'orders.nota'?"),
        ({"zzz": "string"}, "There are: description, id, nota."),
    ],
)
def test_a_column_that_no_table_has_is_refused(columns, fix):
    tables = [table(id="int", description="string"), table("orders", id="int", nota="string")]
    move = Move(source="a", target="b", through=(declared(columns=columns),))
    side = Side(address="a", can=Capabilities(reads=True, writes=True))
    sides = (side, side.model_copy(update={"address": "b"}))
    with pytest.raises(SpecError) as raised:
        plan(move, tables, sides, lambda each: each, lambda each: None)
    (name,) = columns
    assert (raised.value.what, raised.value.fix) == (
        f"'through' declares '{name}' of 'account', which no table that is moved has.", fix,
    )  # fmt: skip
    with pytest.raises(SpecError, match="no table that is moved"):
        plan(
            move.model_copy(update={"through": (declared(columns={"nota": "string"}),), "tables": ("items",)}),
            tables, sides, lambda each: each, lambda each: None,
        )  # fmt: skip


def test_a_step_keeps_what_is_declared():
    given = {"from": "a", "to": "b", "through": ["s.f", {"api": "account", "columns": {"d": "string(9)"}}]}
    move = Move.model_validate(given)
    assert Move.model_validate(json.loads(move.model_dump_json(by_alias=True))) == move
    assert move.through[0] == "s.f"
    assert isinstance(move.through[1], Declared)
    assert Move.model_validate({"from": "a", "to": "b", "through": "s.f"}).through == ("s.f",)


# Files


def facts_of(path: Any, **settings: Any) -> dict[str, str]:
    with Files(path=str(path), **settings).open() as session:
        (found,) = session.tables()
        return dict(session.fields(found))


def test_where_the_types_of_files_come_from(tmp_path):
    (tmp_path / "items.csv").write_text("id,d\n1,x\n")
    assert facts_of(tmp_path / "items.csv") == {"id": "measured", "d": "measured"}
    assert facts_of(tmp_path / "items.csv", columns={"d": "string(9)"}) == {"id": "measured", "d": "declared"}
    assert facts_of(tmp_path / "items.csv", columns={"items.id": "int"}) == {"id": "declared", "d": "measured"}
    (tmp_path / "more.jsonl").write_text('{"id": 1, "d": "x"}\n')
    assert facts_of(tmp_path / "more.jsonl", columns={"d": "string(9)"}) == {"id": "measured", "d": "declared"}


def test_where_the_types_of_folders_come_from(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    part = tmp_path / "sales" / "region=7"
    part.mkdir(parents=True)
    pq.write_table(pa.table({"id": [1]}), part / "a.parquet")
    assert facts_of(tmp_path / "sales", partitioned=True) == {"id": "catalogue", "region": "measured"}
    given = {"partitioned": True, "columns": {"region": "string(3)"}}
    assert facts_of(tmp_path / "sales", **given) == {"id": "catalogue", "region": "declared"}


@pytest.mark.parametrize(("form", "fact"), [(None, "catalogue"), ("csv", "declared"), ("jsonl", "declared")])
def test_files_that_are_not_there_are_told_as_they_would_be_written(tmp_path, form, fact):
    with Files(path=str(tmp_path / "out"), format=form).open() as session:
        assert session.fields(session.fit(ITEMS)) == dict.fromkeys(["id", "d", "n", "t"], fact)


def test_lading_casts_by_itself_what_it_writes_to_a_file():
    """So nothing is said but what the two ends lose: a text that is no such number is refused, and none is rounded."""
    source, target = table(d="string(40)"), table(d="decimal(9,2)")
    task = Task(source=source, target=target, losses=tuple(losses(source, target)))
    facts = Facts(target=Route(fields={"d": "declared"}), systems=("postgres", ""))
    assert [loss.kind for loss in task.losses] == ["type"]
    assert findings(task, facts) == []
