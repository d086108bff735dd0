"""Canonical texts, and fingerprints: equal rows have equal ones in any order, other rows never do."""

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.canon import GROUP, Compared, canonical, canonical_as, form
from lading.digest import digest_of
from lading.errors import Unsupported
from lading.fingerprint import Fingerprinter, added, differing, fingerprint_of, root
from lading.schema import Column
from lading.testing.case import cases
from lading.types import parse
from lading.values import cast

MIXED = [
    Column(name="a", type=parse("string")),
    Column(name="n", type=parse("int(64)")),
    Column(name="b", type=parse("string")),
    Column(name="d", type=parse("decimal(18,4)")),
    Column(name="f", type=parse("float(64)")),
    Column(name="t", type=parse("timestamp(6)")),
    Column(name="x", type=parse("binary")),
]
TEXT = st.sampled_from(["", "~", "|", "1:a", "3:abc", "~|", "a|", "NULL", "a", "ab", "b", "1", "0|", "\0", "é"])
ROW = st.tuples(
    st.none() | TEXT,
    st.none() | st.sampled_from([0, 1, 11, -1, 2**63 - 1]),
    st.none() | TEXT | st.text(max_size=6),
    st.none() | st.sampled_from([Decimal("1.0000"), Decimal("1.0001"), Decimal("0.0000"), Decimal("11.0000")]),
    st.none() | st.sampled_from([0.0, 1.0, 1.0 + 1e-9, 5e-324]),
    st.none() | st.sampled_from([datetime(1970, 1, 1), datetime(1970, 1, 1) + timedelta(microseconds=1)]),
    st.none() | st.sampled_from([b"", b"\0", b"\x7c", b"~"]),
)
ROWS = st.lists(ROW, max_size=6)
ALIKE = st.none() | st.sampled_from(["", "~", "1", ":", "1:", "1:~", "~~"])


def batch(rows, columns):
    arrays = [pa.array([row[n] for row in rows], column.type.arrow()) for n, column in enumerate(columns)]
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])


def marked(rows, columns=MIXED, key=(), buckets=8):
    compared = [Compared(name=column.name, type=column.type) for column in columns]
    return fingerprint_of([batch(rows, columns)], columns, compared, key, buckets)


def written(value, form_, to=None, padded=False):
    own = parse(form_)
    array = cast(pa.array([value], pa.string()), parse("string"), own)[0]
    return canonical_as(array, own, Compared(name="c", type=parse(to or form_), padded=padded))[0].as_py()


@pytest.mark.parametrize(
    ("form_", "value", "text"),
    [
        ("bool", "1", "1"),
        ("int(64,unsigned)", "18446744073709551615", "18446744073709551615"),
        ("decimal(18,2)", "-0.00", "0"),
        ("decimal(18,2)", "100.00", "100"),
        ("decimal(18,2)", "-0.50", "-0.5"),
        ("decimal(38,10)", "0.0000000001", "0.0000000001"),
        ("decimal(76,38)", "-1." + "0" * 37 + "1", "-1." + "0" * 37 + "1"),
        ("decimal(5,0)", "100", "100"),
        ("decimal", "12.500", "12.5"),
        ("float(64)", "1.5", "3ff8000000000000"),
        ("float(64)", "-0", "0000000000000000"),
        ("float(64)", "nan", "nan"),
        ("float(64)", "-inf", "fff0000000000000"),
        ("float(32)", "1.5", "3ff8000000000000"),
        ("float(32)", "0.1", "3fb99999a0000000"),
        ("string", "a ", "a "),
        ("date", "1969-12-31", "-1"),
        ("date", "9999-12-31", "2932896"),
        ("date", "0001-01-01", "-719162"),
        ("time(6)", "00:00:00.000001", "1"),
        ("time(9)", "00:00:00.000001", "1000"),
        ("timestamp(0)", "1970-01-01 00:00:01", "1000000"),
        ("timestamp(6,utc)", "1969-12-31 23:59:59.999999", "-1"),
        ("timestamp(9)", "1970-01-01 00:00:00.000000001", "1"),
        ("interval", "P-14M-3DT-4.500000000S", "-14/-3/-4500000"),
        ("interval", "P0M0DT0.000000001S", "0/0/0.001"),
        ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("json", '{"b": 1.50, "a": [ ]}', '{"a":[],"b":1.5}'),
        ("list(int(32))", "[1, null]", "[1,null]"),
    ],
)
def test_texts(form_, value, text):
    assert written(value, form_) == text


NULL_AND_NULL = [[None], ["null"], [], None, ['"null"'], ['"NULL"'], [None, "null"], ["null", None], ["[null]"]]
"""Lists of JSON, of which no two are the same."""


def test_an_item_that_is_null_is_not_the_null_of_json():
    array = pa.array(NULL_AND_NULL, pa.list_(pa.string()))
    assert canonical(array, parse("list(json)")).to_pylist() == [
        "[NULL]", "[null]", "[]", None, '["null"]', '["NULL"]', "[NULL,null]", "[null,NULL]", "[[null]]"
    ]  # fmt: skip
    assert canonical(array.slice(1, 2), parse("list(json)")).to_pylist() == ["[null]", "[]"]
    nested = pa.array([[None], [[None]], [["null"]], [[]]], pa.list_(pa.list_(pa.string())))
    assert canonical(nested, parse("list(list(json))")).to_pylist() == ["[null]", "[[NULL]]", "[[null]]", "[[]]"]


def test_lists_of_json_are_equal_whatever_their_blanks():
    array = pa.array([['{"b": 1.0, "a": [ ]}'], ['{"a":[],"b":1}']])
    assert canonical(array, parse("list(json)")).to_pylist() == ['[{"a":[],"b":1}]'] * 2


def test_texts_of_bytes():
    assert canonical(pa.array([b"\x00\xab", None, b""]).slice(0), parse("binary")).to_pylist() == ["00ab", None, ""]
    assert canonical(pa.array([b"no", b"\x01", None, b"\xff"]).slice(1), parse("binary")).to_pylist() == [
        "01", None, "ff"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("own", "to", "value", "text"),
    [
        ("int(32)", "decimal(38,0)", "7", "7"),
        ("decimal(18,4)", "decimal(18,2)", "1.2345", "1.2345"),
        ("string", "uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("date", "timestamp(6)", "1970-01-02", "86400000000"),
        ("timestamp(6)", "timestamp(9)", "1970-01-01 00:00:00.000002", "2000"),
        ("timestamp(6)", "timestamp(9)", "1970-01-01 00:00:00", "0"),
        ("time(0)", "time(9)", "00:00:01", "1000000000"),
        ("timestamp(6)", "timestamp(6,utc)", "1970-01-01 00:00:01", "1000000"),
    ],
)
def test_texts_as_another_type(own, to, value, text):
    assert written(value, own, to) == text


def test_padding_is_cut_only_where_it_means_nothing():
    assert written("a\u00a0 ", "string(9)", padded=True) == "a\u00a0"
    assert written("12 ", "string(9)") == "12 "


def test_values_are_never_narrowed():
    """Types whose values are written otherwise are refused, never rounded."""
    for own, to in (("timestamp(9)", "timestamp(6)"), ("float(64)", "decimal(18,2)"), ("string", "int(32)")):
        assert form(parse(own), Compared(name="c", type=parse(to))) is None
        with pytest.raises(Unsupported, match="'c'"):
            written(None, own, to)


@pytest.mark.parametrize("case", cases(), ids=str)
def test_one_text_per_value(case):
    """Other values have other texts, equal ones the same, whatever is before them in the array."""
    found = canonical(case.array, case.type).to_pylist()
    digests = [
        digest_of([batch([(value,)], columns)], columns)
        for columns in [[Column(name="v", type=case.type)]]
        for value in case.array.to_pylist()
    ] if case.type.kind not in ("json", "interval") else found  # fmt: skip
    for place, (text, digest) in enumerate(zip(found, digests, strict=True)):
        assert [n for n, other in enumerate(found) if other == text] == [
            n for n, other in enumerate(digests) if other == digest
        ]
        assert canonical(case.array.slice(place, 1), case.type).to_pylist() == [text]
        assert (text is None) == (not case.array[place].is_valid)


@given(ROWS, ROWS)
@settings(max_examples=100, deadline=None)
def test_other_rows_have_other_fingerprints(left, right):
    """Fingerprints and digests agree with the rows themselves, as a multiset."""
    _agree(left, right, MIXED)


@given(*[st.lists(st.tuples(ALIKE, ALIKE), min_size=1, max_size=3)] * 2)
@settings(max_examples=300, deadline=None)
def test_rows_of_texts_that_read_alike(left, right):
    _agree(left, right, [MIXED[0], MIXED[2]])


def _agree(left, right, columns):
    same = Counter(left) == Counter(right)
    assert (marked(left, columns) == marked(right, columns)) == same
    assert (digest_of([batch(left, columns)], columns) == digest_of([batch(right, columns)], columns)) == same


@given(st.lists(ROW, min_size=1, max_size=6), st.data())
@settings(max_examples=200, deadline=None)
def test_any_one_change_shows(rows, data):
    place = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(0, len(MIXED) - 1))
    other = data.draw(ROW)[column]
    row = rows[place]
    cell = (*row[:column], other, *row[column + 1 :])
    turned = (row[2], row[1], row[0], *row[3:])
    changes = ([*rows, row], rows[:place] + rows[place + 1 :], *(
        [*rows[:place], changed, *rows[place + 1 :]] for changed in (cell, turned) if changed != row
    ))  # fmt: skip
    for key in ((), ("n",), ("a", "b")):
        before = marked(rows, key=key)
        assert marked(rows[::-1], key=key) == before
        for changed in changes:
            assert marked(changed, key=key) != before


def test_values_swapped_between_rows_show_in_both_buckets():
    columns = MIXED[:2]
    left = marked([("x", 1), ("y", 2)], columns, ("n",), 1 << 20)
    right = marked([("y", 1), ("x", 2)], columns, ("n",), 1 << 20)
    assert len(left) == len(differing(left, right)) == 2
    assert root(left) != root(right)


def test_a_root_is_the_same_however_many_buckets_there_are():
    """Their number comes from an estimate, which is another one tomorrow."""
    columns = MIXED[:2]
    rows = [(f"x{n}", n) for n in range(2_000)]
    few, many = (marked(rows, columns, ("n",), buckets) for buckets in (256, 4_096))
    assert len(few) == 256 < len(many)
    assert root(few) == root(many) != root(marked(rows[1:], columns, ("n",), 4_096))


def test_values_swapped_between_rows_in_a_later_group():
    """Rows wider than a group: the groups of a row are bound together."""
    columns = [Column(name=f"c{n}", type=parse("int(32)")) for n in range(GROUP + 2)]
    one, two = [0] * len(columns), [1] * len(columns)
    swapped = [[*one[:GROUP], *two[GROUP:]], [*two[:GROUP], *one[GROUP:]]]
    for key in ((), ("c0",)):
        assert marked([one, two], columns, key) != marked(swapped, columns, key)


def test_fingerprints_add_up():
    rows = [("a", n, None, None, None, None, None) for n in range(500)]
    parts = added(marked(rows[:200], key=("n",)), marked(rows[200:], key=("n",)))
    assert parts == marked(rows, key=("n",))


def test_rows_are_picked_by_their_bucket():
    rows = [("a", n % 90, None, None, None, None, None) for n in range(500)]
    whole = marked(rows, key=("n",))
    key = [Compared(name="n", type=parse("int(64)"))]
    picked = list(Fingerprinter(MIXED, key, (), 8).kept([batch(rows, MIXED)], [1, 5]))
    compared = [Compared(name=column.name, type=column.type) for column in MIXED]
    assert fingerprint_of(picked, MIXED, compared, ("n",), 8) == {n: whole[n] for n in (1, 5)}
