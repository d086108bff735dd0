"""The hop check's judgement of one place after another: types, names, and what was observed where."""

import datetime as dt
import re

import pytest

from lading.facts import Observed
from lading.hops import findings
from lading.hops.chain import Facts, ways
from lading.hops.judge import judged
from lading.hops.native import placed
from lading.hops.nodes import same_table
from lading.plan import Task
from lading.route import Code, Parameter, Place, Route
from lading.schema import Column, Table, gaps
from lading.types import parse

SEEN = Observed(column="v", max_characters=3, max_bytes=3, max_digits=2, max_scale=0, date=dt.date(2026, 11, 20))


def at(native: str, kind: str = "cast", **more) -> Place:
    return placed("postgres", native, kind=kind, name=more.pop("name", native), **more)


def told(*way: Place, observed: Observed | None = None) -> set[tuple[str, str]]:
    return {(each.level, each.kind) for each in judged("v", way, (), observed)}


def grows(by: int) -> Place:
    return Place(kind="expression", name="x", system="postgres", type=parse("string"), grows=True, characters=by)


SOURCE, CUT = at("text", "source column"), at("varchar(3)")


def test_what_was_observed_counts_where_nothing_changed_it():
    assert told(SOURCE, CUT, observed=SEEN) == {("notes", "cuts")}
    assert told(SOURCE, at("text", "variable"), CUT, observed=SEEN) == {("notes", "cuts")}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([at("text", "column"), CUT, at("varchar(3)", "view column")], []),
        ([SOURCE], [grows(1), CUT]),
        ([SOURCE], [Place(kind="expression", name="f(v)", why="it goes through f(v)"), at("text"), CUT]),
        ([SOURCE], [at("text", "column", name="other.v"), CUT]),
    ],
)
def test_what_was_observed_does_not_count_before_its_place_and_behind_a_change(before, after):
    assert ("blocks", "cuts") in told(*before, *after, observed=SEEN)


def test_what_rounding_adds_was_not_observed():
    way = (at("numeric(9,4)", "source column"), at("numeric(9,1)"), at("numeric(2,0)"))
    seen = SEEN.model_copy(update={"max_scale": 2})
    assert told(*way, observed=seen) == {("blocks", "rounds"), ("warns", "narrows")}


def test_digits_before_the_point_that_are_rounded_away_were_not_observed_to_fit():
    assert told(at("numeric(9,0)", "source column"), at("numeric(18,-2)"), observed=SEEN) == {("blocks", "rounds")}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("integer", "varchar(11)", set()),
        ("integer", "varchar(10)", {("blocks", "cuts")}),
        ("numeric(5,0)", "varchar(6)", set()),
        ("boolean", "varchar(4)", {("blocks", "cuts")}),
        ("timestamptz(0)", "varchar(19)", {("blocks", "cuts")}),
        ("timestamp(0)", "varchar(19)", set()),
        ("text", "integer", {("warns", "type")}),
        ("integer", "date", {("unknown", "unknown")}),
        ("bytea", "text", {("blocks", "type")}),
        ("text", "bytea", {("unknown", "unknown")}),
        ("inet", "text", set()),
        ("text", "inet", {("unknown", "unknown")}),
        ("cidr", "inet", set()),
        ("numeric(2,5)", "numeric", set()),
        ("numeric", "numeric(2,5)", {("blocks", "rounds"), ("warns", "narrows")}),
        ("numeric", "numeric(100,5)", {("blocks", "rounds"), ("warns", "narrows")}),
        ("interval(3)", "interval(6)", set()),
        ("bit(3)", "bit varying(8)", set()),
        ("bit varying(8)", "bit(8)", {("blocks", "cuts")}),
    ],
)
def test_casts_of_postgres(before, after, found):
    assert told(at(before, "source column"), at(after)) == found


def test_bits_that_do_not_fit_a_variable_are_refused():
    assert told(at("bit(8)", "source column"), at("bit(3)", "variable")) == {("warns", "cuts")}
    assert told(at("bit(8)", "source column"), at("bit", "parameter")) == set()


def test_a_whole_number_needs_a_column_as_wide_as_its_digits():
    assert gaps(parse("int(32)"), parse("string(11)")) == []
    assert gaps(parse("int(64,unsigned)"), parse("string(20)")) == []
    assert [kind for kind, _ in gaps(parse("int(32)"), parse("string(10)"))] == ["cuts"]


def test_names_of_tables():
    assert same_table("hi", "stg.hi")
    assert not same_table("hi", "stg.hi", "public")
    assert same_table("hi", "Public.Hi", "public")
    assert same_table("dbo.hi", "base.dbo.hi", "dbo")


def viewed(text: str, *tables: Table) -> list[str]:
    """The natives of the places between a table and the column 'v' of a view."""
    shown = Table(name="shown", view=True, columns=(Column(name="v", type=parse("string")),))
    view = Code(kind="view", name="public.shown", system="postgres", language="sql", text=text, columns=("v",),
                tables=tables, within="public")  # fmt: skip
    facts = Facts(source=Route(views=(view,)), systems=("postgres", "postgres"))
    (way,) = ways(Task(source=shown, target=shown, fresh=False), shown.columns[0], facts, {}).ways
    return [place.native or place.why for place in way[:-3]]


def test_the_table_that_a_view_reads_is_that_of_its_schema():
    small, large = (
        Table(name="hi", schema_name=schema, columns=(Column(name="d", type=parse(type_), native=f"postgres:{type_}"),))
        for schema, type_ in ((None, "string(5)"), ("stg", "string(9)"))
    )
    assert viewed("SELECT d FROM stg.hi", small, large) == ["string(9)"]
    assert viewed("SELECT d FROM hi", large, small) == ["string(5)"]
    assert viewed("SELECT d FROM hi", large) == ["'hi.d' is a column that was not found"]


def test_a_routine_that_fills_a_table_of_another_schema_does_not_fill_the_target():
    target, other = (
        Table(
            name="hi", schema_name=schema, columns=(Column(name="d", type=parse(type_), native=f"postgres:{native}"),)
        )
        for schema, type_, native in ((None, "string", "text"), ("stg", "string(5)", "varchar(5)"))
    )
    text = "BEGIN INSERT INTO {} (d) VALUES (p_d); END"
    for table, found in (("stg.hi", {("warns", "cuts")}), ("public.hi", set()), ("hi", set())):
        given = {"kind": "procedure", "name": "public.save", "system": "postgres", "language": "plpgsql"}
        parameters = (Parameter(name="p_d", native="text"),)
        more = {"parameters": parameters, "tables": (other, target), "within": "public", "text": text.format(table)}
        save = Code.model_validate({**given, **more})
        facts = Facts(through=((save,),), systems=("postgres", "postgres"))
        told = findings(Task(source=target, target=target, fresh=False), facts)
        assert {(each.level, each.kind) for each in told} == found


def test_columns_of_a_table_that_differ_in_case_alone_are_not_told_apart():
    both = Table(name="hi", columns=tuple(Column(name=name, type=parse("string")) for name in "Dd"))
    (said,) = viewed('SELECT "D" FROM hi', both)
    assert said == "'hi.d' is one of several columns that differ in case alone"


def test_a_double_of_mysql_has_two_names():
    assert str(placed("mysql", "double precision", kind="variable", name="v").type) == "float(64)"
    assert str(placed("postgres", "double precision", kind="variable", name="v").type) == "float(64)"


@pytest.mark.parametrize(
    ("native", "cast", "found"),
    [
        ("datetime2(7)", "CONVERT(varchar(30), v, 112)", {("unknown", "unknown")}),
        ("datetime2(7)", "CONVERT(varchar(30), v, @style)", {("unknown", "unknown")}),
        ("datetime2(7)", "CONVERT(varchar(30), v, 121)", set()),
        ("datetime2(7)", "CONVERT(varchar(30), v)", set()),
        ("datetime", "CONVERT(varchar(30), v)", {("blocks", "cuts")}),  # Jan  2 2026  3:04AM
        ("datetime", "CAST(v AS varchar(30))", {("blocks", "cuts")}),
        ("datetime", "CONVERT(varchar(30), v, 121)", set()),
        ("date", "CONVERT(varchar(10), v, 103)", set()),
        ("date", "CONVERT(varchar(10), v, 3)", {("unknown", "unknown")}),  # 02/01/26
        ("money", "CONVERT(varchar(30), v)", {("blocks", "rounds")}),
        ("money", "CONVERT(varchar(30), v, 2)", set()),
        ("varchar(30)", "CONVERT(varchar(30), v, 1)", set()),
        ("varchar(30)", "CAST(v AS xml)", {("unknown", "unknown")}),
    ],
)
def test_styles_of_sql_server_leave_parts_of_a_value_out(native, cast, found):
    to = re.findall(r"varchar\(\d+\)|xml", cast)[0]
    way = [placed("sqlserver", each, kind=kind, name=name) for each, kind, name in (
        (native, "source column", "v"), (to, "cast", cast))]  # fmt: skip
    assert told(*way) == found
