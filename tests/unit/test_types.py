"""Canonical types."""

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.errors import DataError, SpecError
from lading.testing.case import cases
from lading.types import (
    Type,
    canonical_json,
    from_arrow,
    interval_of,
    interval_text,
    json_text,
    load_json,
    parse,
    plain_number,
)

FORMS = [
    "bool",
    "int(8)",
    "int(64,unsigned)",
    "decimal",
    "decimal(18,2)",
    "decimal(76,38)",
    "float(32)",
    "string",
    "string(50)",
    "string(50 bytes)",
    "binary",
    "binary(16)",
    "date",
    "time(6)",
    "timestamp(0)",
    "timestamp(6,utc)",
    "interval",
    "uuid",
    "json",
    "list(int(32))",
    "list(list(decimal(18,2)))",
]


@pytest.mark.parametrize("form", FORMS)
def test_a_form_comes_back(form):
    assert str(parse(form)) == form
    assert parse(f" {form.upper()} ") == parse(form)


@pytest.mark.parametrize(
    "form",
    [
        "",
        "number",
        "int(7)",
        "int(x)",
        "decimal(0)",
        "decimal(5,6)",
        "float(16)",
        "time(10)",
        "bool(1)",
        "list",
        "list()",
    ],
)
def test_other_forms_are_spec_errors(form):
    with pytest.raises(SpecError):
        parse(form)


@pytest.mark.parametrize("case", cases(), ids=str)
def test_arrow_types_come_back(case):
    """A type read off Arrow holds every value of the type that it was made of."""
    again = from_arrow(case.type.arrow())
    assert again.arrow() == case.type.arrow()


def test_a_decimal_with_a_negative_scale_has_room_for_its_zeros():
    found = from_arrow(pa.decimal128(5, -2))
    assert (found.size, found.scale) == (7, 0)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ('{"b":1,"a":2}', ' { "a" : 2 , "b" : 1 } '),
        ("1", "1.0"),
        ("100", "1e2"),
        ("0", "-0.0"),
        ('"\\u00e9"', '"é"'),
        ("1" + "0" * 999, "1e999"),
        ("0.10", "0.1"),
        ('{"b":0,"a":1,"a":[2]}', ' {"a":1, "b":0, "a":[ 2 ]}'),
    ],
)
def test_equal_json_has_one_text(left, right):
    assert canonical_json(left) == canonical_json(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("9007199254740992", "9007199254740993"),
        ("1", '"1"'),
        ("null", '"null"'),
        ("[]", "{}"),
        ("[[1],2]", "[1,[2]]"),
        ("0." + "1" * 40, "0." + "1" * 39 + "2"),
        ("1e-400", "0"),
        ('"\\ud800"', '"\\ud801"'),
        ('["a,b"]', '["a","b"]'),
        ('{"a":1,"a":2}', '{"a":2}'),
        ('{"a":1,"a":2}', '{"a":2,"a":1}'),
        ('{"a":1,"a":"\\u003a"}', '{"a":":"}'),
        ('[{"a":{},"b":"é","a":{}}]', '[{"a":{},"b":"é"}]'),
    ],
)
def test_other_json_has_another_text(left, right):
    assert canonical_json(left) != canonical_json(right)
    pa.array([canonical_json(left)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The examples of RFC 8785, of its sections 3.2.2 to 3.2.4 and appendix B, where a double holds the number.
        ('{"numbers": [1E30, 4.50, 2e-3, 0.000000000000000000000000001]}', '{"numbers":[1e+30,4.5,0.002,1e-27]}'),
        ('{"s": "\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/"}',
         '{"s":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'),
        ('{"\\u20ac": 1, "\\r": 2, "\\ufb33": 3, "1": 4, "\\ud83d\\ude00": 5, "\\u0080": 6, "\\u00f6": 7}',
         '{"\\r":2,"1":4,"\x80":6,"ö":7,"€":1,"😀":5,"\ufb33":3}'),
        ("[5e-324, -5e-324, 1.7976931348623157e308]", "[5e-324,-5e-324,1.7976931348623157e+308]"),
        ("[9007199254740992, -9007199254740992]", "[9007199254740992,-9007199254740992]"),
        ("[295147905179352830000, 9.999999999999997e22, 1e23]", "[295147905179352830000,9.999999999999997e+22,1e+23]"),
        ("[999999999999999900000, 1e21, 1000000000000000000000]", "[999999999999999900000,1e+21,1e+21]"),
        ("[9.999999999999997e-7, 0.000001, -0.0000033333333333333333]",
         "[9.999999999999997e-7,0.000001,-0.0000033333333333333333]"),
        ("[-0, -0.0, 0e9, 1e-6, 1e-7, 12e-8]", "[0,0,0,0.000001,1e-7,1.2e-7]"),
        # What a double does not hold.
        ("[1234567890123456789012, 1.234567890123456789E-7]", "[1.234567890123456789012e+21,1.234567890123456789e-7]"),
    ],
)  # fmt: skip
def test_json_is_written_by_rfc_8785(text, expected):
    assert canonical_json(text) == json_text(load_json(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.50", "1.5"), ("1e25", "1" + "0" * 25), ("-0.00", "0"), ("1e-8", "0.00000001"), ("-12e3", "-12000")],
)
def test_numbers_of_lists_are_written_without_exponents(text, expected):
    assert plain_number(Decimal(text)) == expected


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", "{'a':1}", "01", "[" * 100_000], ids=repr)
def test_what_is_not_json_is_refused(text):
    with pytest.raises(DataError, match="is not JSON"):
        canonical_json(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)
ODD = st.sampled_from([
    '"\\u0000"', '"\\u00001.5"', '"\\\\u00001.5"', '{"\\u0000": 1.50}', '"\\ud83d\\ude00"', '"\\ud800"', '"\uffff"',
    '"\x7f\u2028"', '{"\\ud83d\\ude00": 1, "\\uffff": 2.0}', '"\\/\\b\\f\\n\\r\\t\\u001f\\\\\\""', "1" * 399, "1" * 400,
    "0." + "0" * 399 + "1", "9" * 300 + "." + "9" * 300, "-0", "-0.0", "-0.10e-0", "1E400", "true", "null", '"1.50"',
    '{"a": 1.0, "a": 2.00}', '{"a": ":", "a": "\\u003A:\\u003a"}', '{"\\u003a": 1}',
])  # fmt: skip
TEXTS = st.recursive(
    JSON.map(json.dumps) | NUMBERS | ODD,
    lambda inner: st.lists(inner, max_size=4).map(lambda found: f"[ {' , '.join(found)}]"),
    max_leaves=6,
)


@settings(deadline=None, max_examples=400)
@given(TEXTS)
def test_the_quick_way_to_canonical_json_is_the_long_one(text):
    assert canonical_json(text) == json_text(load_json(text))


@pytest.mark.parametrize(
    "text", ["1e99999999999999999999", "\ufeff1", '"\n"', '"a', "1 2", "-", "[1,]", '{"a":1.}', "+1", "1."]
)
def test_neither_way_takes_what_is_not_json(text):
    for way in (canonical_json, load_json):
        with pytest.raises(DataError, match="is not JSON"):
            way(text)


@settings(deadline=None)  # the machine may be busy
@given(JSON)
def test_the_text_of_json_is_json_again(value):
    text = canonical_json(json.dumps(value))
    assert canonical_json(text) == text
    assert json.loads(text) == value


@settings(deadline=None)  # the machine may be busy
@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1))
def test_intervals_come_back(months, days, nanos):
    assert interval_of(interval_text((months, days, nanos))) == (months, days, nanos)


def test_a_type_is_its_text_in_plain_data():
    from pydantic import BaseModel

    class Held(BaseModel):
        type: Type

    assert Held(type="int(32)").model_dump(mode="json") == {"type": "int(32)"}
