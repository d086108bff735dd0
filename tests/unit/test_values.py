"""Casting: exact, or refused, or counted."""

from decimal import ROUND_HALF_UP, Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.errors import DataError, Unsupported
from lading.schema import gaps
from lading.testing.case import cases
from lading.testing.typed import shown
from lading.types import parse
from lading.values import cast, texts

STRING = parse("string")


def through(values, source, target, lossy=False):
    """The texts of what comes out, and how many values changed."""
    made = pa.array(values, parse(source).arrow())
    out, changed = cast(made, parse(source), parse(target), lossy)
    assert out.type == parse(target).arrow()
    return texts(out, parse(target)).to_pylist(), changed


@pytest.mark.parametrize("case", [c for c in cases() if c.type.kind != "binary"], ids=str)
def test_texts_give_the_value_back(case):
    back = cast(texts(case.array, case.type), STRING, case.type)[0]
    assert shown(back, case.type) == shown(case.array, case.type)


@pytest.mark.parametrize("source", cases(), ids=str)
def test_without_a_gap_every_value_goes_through(source):
    """What planning does not name as a loss must neither be refused nor come back different."""
    for target in {case.type for case in cases()}:
        if gaps(source.type, target):
            continue
        there, changed = cast(source.array, source.type, target)
        assert changed == 0
        if target.kind == "json" or (target.kind == "string" and source.type.kind in ("binary", "json", "list")):
            continue
        if target.kind in ("string",) or (target.kind, source.type.kind) != ("bool", "bool"):
            try:
                back = cast(there, target, source.type)[0]
            except Unsupported:
                continue
            assert shown(back, source.type) == shown(source.array, source.type), f"{source.type} to {target}"


@pytest.mark.parametrize(
    ("value", "source", "target"),
    [
        (300, "int(64)", "int(8)"),
        (-1, "int(64)", "int(64,unsigned)"),
        (2, "int(8)", "bool"),
        (2**53 + 1, "int(64)", "float(64)"),
        (1.5, "float(64)", "int(32)"),
        (0.1, "float(64)", "float(32)"),
        (float("nan"), "float(64)", "decimal(18,2)"),
        (float("inf"), "float(64)", "decimal"),
        (Decimal("1.239"), "decimal(10,3)", "decimal(10,2)"),
        (Decimal("1234567890.123456789"), "decimal(30,9)", "float(64)"),
        ("abcdef", "string", "string(5)"),
        ("éé", "string(50)", "string(3 bytes)"),
        (b"abc", "binary", "binary(2)"),
        ("0x10", "string", "int(32)"),
        (" 5", "string", "int(32)"),
        ("", "string", "int(32)"),
        ("1e999", "string", "float(64)"),
        ("abc", "string", "decimal"),
        ("x", "string", "uuid"),
        ("{", "string", "json"),
        ("NaN", "string", "json"),
        ("{}", "string", "list(int(32))"),
        ('["a"]', "string", "list(int(32))"),
        ("1 day", "string", "interval"),
        ("24:00:00", "string", "time(6)"),
        ("2024-02-30", "string", "date"),
        ("2024-01-01 00:00:00Z", "string", "timestamp(6)"),
        (1, "timestamp(6)", "date"),
        (1, "timestamp(6)", "timestamp(0)"),
        (1, "time(9)", "time(6)"),
        (-62135596800_000000, "timestamp(6)", "timestamp(9)"),
        ([300], "list(int(32))", "list(int(8))"),
    ],
)
def test_what_does_not_fit_is_refused(value, source, target):
    with pytest.raises(DataError) as caught:
        through([value, None], source, target)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("value", "source", "target"),
    [
        (300, "int(64)", "int(8)"),
        (1e30, "float(64)", "int(64)"),
        (1e300, "float(64)", "float(32)"),
        (Decimal("9.995"), "decimal(4,3)", "decimal(3,2)"),
        (2932896, "date", "timestamp(9)"),
        (-62135596800_000000, "timestamp(6)", "timestamp(9)"),
        (float("nan"), "float(64)", "decimal(18,2)"),
        ("1_000", "string", "decimal(18,2)"),
        (" 7", "string", "decimal(18,2)"),
    ],
)
def test_what_is_out_of_range_is_refused_although_losses_are_accepted(value, source, target):
    with pytest.raises(DataError):
        through([value], source, target, lossy=True)


@pytest.mark.parametrize(
    ("values", "source", "target", "expected", "changed"),
    [
        ([Decimal("1.235"), Decimal("-1.235"), None], "decimal(4,3)", "decimal(4,2)", ["1.24", "-1.24", None], 2),
        ([Decimal("9.995")], "decimal(4,3)", "decimal(4,2)", ["10.00"], 1),
        (["1.005", "2.00"], "decimal", "decimal(18,2)", ["1.01", "2.00"], 1),
        ([2.5, -2.5, 3.0], "float(64)", "int(8)", ["3", "-3", "3"], 2),
        ([0.5, float("nan"), 0.1], "float(64)", "float(32)", ["0.5", "nan", "0.1"], 1),
        (["éa", "b", None], "string", "string(2 bytes)", ["é", "b", None], 1),
        (
            [1_500_000, -1_700_000],
            "timestamp(6)",
            "timestamp(0)",
            ["1970-01-01 00:00:02.000000", "1969-12-31 23:59:58.000000"],
            2,
        ),
        ([86_399_999_999], "time(6)", "time(3)", ["23:59:59.999000"], 1),
        ([1_999_999_999], "timestamp(9)", "timestamp(6)", ["1970-01-01 00:00:02.000000"], 1),
        ([-1, 0], "timestamp(6)", "date", ["1969-12-31", "1970-01-01"], 1),
        ([5], "timestamp(6,utc)", "timestamp(6)", ["1970-01-01 00:00:00.000005"], 0),
        ([["abc"]], "list(string)", "list(string(2))", ['["ab"]'], 1),
        ([["null", None], ["null"], [], None], "list(json)", "json", ["[null,null]", "[null]", "[]", None], 1),
        ([[["1"], None], [[None]]], "list(list(json))", "string", ["[[1],null]", "[[null]]"], 1),
    ],
)
def test_accepted_losses_are_made_and_counted(values, source, target, expected, changed):
    assert through(values, source, target, lossy=True) == (expected, changed)


@settings(deadline=None)  # the machine may be busy
@given(st.decimals(-(10**15), 10**15, places=6, allow_nan=False), st.integers(0, 5))
def test_decimals_are_rounded_half_away_from_zero(value, scale):
    (text,), changed = through([value], "decimal(38,6)", f"decimal(38,{scale})", lossy=True)
    exact = value.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    assert Decimal(text) == exact
    assert changed == (exact != value)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)), st.sampled_from([8, 16, 32, 64]), st.booleans())
def test_integers_are_kept_or_refused(values, size, unsigned):
    low, high = (0, 2**size - 1) if unsigned else (-(2 ** (size - 1)), 2 ** (size - 1) - 1)
    target = f"int({size},unsigned)" if unsigned else f"int({size})"
    if all(value is None or low <= value <= high for value in values):
        assert through(values, "int(64)", target) == ([None if v is None else str(v) for v in values], 0)
    else:
        with pytest.raises(DataError):
            through(values, "int(64)", target)


@pytest.mark.parametrize("target", ["json", "string"])
def test_an_item_that_is_null_is_not_made_the_null_of_json_without_a_word(target):
    with pytest.raises(DataError, match="an item is NULL, for which JSON has no word but its own null"):
        through([["1"], [None]], "list(json)", target)
    assert through([["1", "null"], [], None], "list(json)", target) == (["[1,null]", "[]", None], 0)


@pytest.mark.parametrize(
    ("text", "target", "why"),
    [
        ("P99999999999M0DT0S", "interval", "longer than an interval can be"),
        ("P0M0DT9223372036.854775808S", "interval", "longer than an interval can be"),
        ('["P0M0DT-9223372037S"]', "list(interval)", "longer than an interval can be"),
        ('["zz"]', "list(binary)", "'\"zz\"' is not bytes in hexadecimal digits"),
        ('["0 0"]', "list(binary)", "is not bytes"),
        ("[1]", "list(binary)", "'1' is not bytes"),
        ('["\\ud800"]', "list(string)", "has half a character"),
    ],
)
def test_what_no_type_holds_is_named(text, target, why):
    with pytest.raises(DataError, match=why):
        cast(pa.array([text]), STRING, parse(target))


def test_every_item_of_a_json_text_is_json():
    """Its null too: what is made of it and back is the same."""
    made = cast(pa.array(['[null,1,"null"]']), parse("json"), parse("list(json)"))[0]
    assert made.to_pylist() == [["null", "1", '"null"']]
    assert cast(made, parse("list(json)"), parse("json"))[0].to_pylist() == ['[null,1,"null"]']


def test_slices_of_arrays_are_cast_as_they_are():
    whole = pa.array([[1], None, [2, None], []], pa.list_(pa.int32()))
    assert cast(whole.slice(1, 2), parse("list(int(32))"), parse("list(int(64))"))[0].to_pylist() == [None, [2, None]]
    assert texts(whole.slice(2), parse("list(int(32))")).to_pylist() == ["[2,null]", "[]"]


def test_moments_with_a_zone_may_stand_beside_others_without():
    """The others are in UTC."""
    values = ["2024-01-01 10:00:00", "2024-01-01T10:00:00+02:00", None, "2024-01-01 10:00Z", "2024-01-01 10:00:00.5"]
    found, _ = through(values, "string", "timestamp(6,utc)")
    assert [each and each[11:21] for each in found] == ["10:00:00.0", "08:00:00.0", None, "10:00:00.0", "10:00:00.5"]
