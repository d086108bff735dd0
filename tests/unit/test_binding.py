"""SQL that people write: what is a parameter, and what is only text."""

import pytest

from lading.binding import bound, one, select
from lading.dialects import duckdb, mysql, postgres
from lading.errors import SpecError


@pytest.mark.parametrize(
    ("sql", "expected", "values"),
    [
        ("SELECT :a, :b, :a", "SELECT ?, ?, ?", [1, "x", 1]),
        ("SELECT ':a', \":b\", `:b`, c::text -- :a\n/* :b */", None, []),
        ("SELECT 'it''s :a', :a", "SELECT 'it''s :a', ?", [1]),
        ("SELECT $x$ :a $x$, :b", "SELECT $x$ :a $x$, ?", ["x"]),
    ],
)
def test_parameters_are_bound_where_they_are_none_of_the_text(sql, expected, values):
    assert bound(sql, {"a": 1, "b": "x"}, duckdb.dialect) == (expected or sql, values)


def test_percent_signs_are_the_drivers_only_where_values_are_bound():
    assert bound("SELECT '5%' WHERE a > :a", {"a": 1}, postgres.dialect) == ("SELECT '5%%' WHERE a > %s", [1])
    assert bound("SELECT '5%'", {}, postgres.dialect) == ("SELECT '5%'", [])


def test_a_backslash_escapes_where_the_database_says_so():
    text = r"SELECT 'a\' :a', :a"
    assert bound(text, {"a": 1}, mysql.dialect) == (r"SELECT 'a\' :a', %s", [1])


def test_a_parameter_that_is_not_there_is_named():
    with pytest.raises(SpecError) as caught:
        bound("SELECT :dya", {"day": 1}, duckdb.dialect)
    assert str(caught.value) == "The statement has the parameter ':dya', which the pipeline has not. There are: day."


@pytest.mark.parametrize("sql", ["SELECT 1;", " SELECT 1 ; -- the end\n ;", "SELECT 1"])
def test_one_statement(sql):
    assert one(sql) == "SELECT 1"


@pytest.mark.parametrize("sql", ["with a as (select 1) select * from a", "(SELECT 1)", "-- why\nVALUES (1)", "FROM t"])
def test_selects(sql):
    assert select(sql) == sql


@pytest.mark.parametrize(
    ("sql", "what"),
    [("", "no statement"), (" ; ", "no statement"), ("SELECT 1; DELETE FROM t", "second statement"),
     ("UPDATE t SET a = 'select'", "no select"), ("selection", "no select")],
)  # fmt: skip
def test_what_is_no_select(sql, what):
    with pytest.raises(ValueError, match=what):
        select(sql)
