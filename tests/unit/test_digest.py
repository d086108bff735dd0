"""Digests: equal rows digest alike in any order and slicing, other rows never do."""

import hashlib
from collections import Counter
from decimal import Context, Decimal
from itertools import pairwise
from random import Random

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lading.digest import Digest, Digester, Tally, digest_of, hashes_of
from lading.schema import Column
from lading.testing.case import cases
from lading.types import parse

PAIR = [Column(name="a", type=parse("string")), Column(name="b", type=parse("string"))]
TRICKY = [
    "",
    "a",
    "b",
    "ab",
    "ba",
    "~",
    "1:a",
    "1:a1:b",
    ",",
    "|",
    "\t",
    "\n",
    "\0",
    "a\0",
    "\0a",
    "NULL",
    "\\N",
    "0",
    "é",
    "e\u0301",
    "a" * 8,
    "a" * 9,
    "a" * 16,
    "a" * 256,
    "a" * 257,
    "a" * 300,
    "b" * 300,
]
CELL = st.none() | st.sampled_from(TRICKY) | st.text(max_size=12)
WIDE = Context(prec=200)
ROWS = st.lists(st.tuples(CELL, CELL), max_size=12)


def batch(rows, columns=PAIR):
    arrays = [pa.array([row[n] for row in rows], column.type.arrow()) for n, column in enumerate(columns)]
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])


def digest(rows, columns=PAIR, key=()):
    return digest_of([batch(rows, columns)], columns, key)


def test_lists_of_json_are_told_apart():
    """Also those with an item that is NULL from those with JSON's null; digests that took the two for one are of
    another version."""
    column, other = (Column(name="v", type=parse(form)) for form in ("list(json)", "list(string)"))
    values = [[None], ["null"], [], None, ['"null"'], [None, "null"], ["null", None], ["[null]"]]
    digests = [digest([(value,)], [column]) for value in values]
    assert len({each.root for each in digests}) == len(values)
    assert {each.version for each in digests} == {"d3"}
    assert digest([(["null"],)], [other]).version == "d2"


@given(ROWS, ROWS)
@settings(max_examples=400, deadline=None)
def test_other_rows_digest_otherwise(left, right):
    assert (digest(left) == digest(right)) == (Counter(left) == Counter(right))


@given(ROWS, st.data())
@settings(max_examples=200, deadline=None)
def test_one_change_shows(rows, data):
    """A cell changed, a row dropped, a row doubled, two values of a column or of a row swapped."""
    assume(rows)
    place = data.draw(st.integers(0, len(rows) - 1))
    other = data.draw(st.integers(0, len(rows) - 1))
    (a, b), (c, d) = rows[place], rows[other]
    changes = {
        "cell": [*rows[:place], (data.draw(CELL), b), *rows[place + 1 :]],
        "dropped": rows[:place] + rows[place + 1 :],
        "doubled": [*rows, rows[place]],
        "turned": [*rows[:place], (b, a), *rows[place + 1 :]],
    }
    if place != other:
        crossed = list(rows)
        crossed[place], crossed[other] = (a, d), (c, b)
        changes["crossed"] = crossed
    for name, changed in changes.items():
        assert (digest(changed) == digest(rows)) == (Counter(changed) == Counter(rows)), name


@given(ROWS, st.randoms(use_true_random=False), st.lists(st.integers(0, 12), max_size=4))
@settings(max_examples=200, deadline=None)
def test_order_batches_and_slices_do_not_matter(rows, random, cuts):
    turned = list(rows)
    random.shuffle(turned)
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    parts = [turned[low:high] for low, high in pairwise(edges)]
    whole = digest(rows)
    assert digest_of([batch(part) for part in parts], PAIR) == whole
    assert sum((digest(part) for part in parts), Digest(columns={"a": (0, 0), "b": (0, 0)})) == whole
    shared = batch(turned)
    cut = [shared.slice(low, high - low) for low, high in pairwise(edges)]
    assert digest_of(cut, PAIR) == whole


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([("a", "b")], [("b", "a")]),
        ([("ab", "")], [("a", "b")]),
        ([("", None)], [(None, "")]),
        ([(None, None)], [("", "")]),
        ([(None, None)], [("NULL", "NULL")]),
        ([("1:a1:b", "")], [("a", "b")]),
        ([("a", "1"), ("b", "2")], [("a", "2"), ("b", "1")]),
        ([("a", "b")] * 2, []),
        ([("a", "b")] * 3, [("a", "b")]),
        ([("a", "x"), ("a", "x"), ("b", "y")], [("a", "x"), ("b", "y"), ("b", "y")]),
        ([("é", "")], [("e\u0301", "")]),
        ([("a", "")], [("a\0", "")]),
        ([("x" * 300 + "a", "")], [("x" * 300 + "b", "")]),
    ],
)
def test_known_traps(left, right):
    assert digest(left) != digest(right)
    assert digest(left).root != digest(right).root


KEYED = [Column(name="id", type=parse("int(64)"), null=False), *PAIR]


@given(st.dictionaries(st.integers(-5, 5), st.tuples(CELL, CELL), min_size=2, max_size=6), st.data())
@settings(max_examples=200, deadline=None)
def test_with_a_key_a_swapped_value_shows_in_its_column(rows, data):
    first, second = data.draw(st.permutations(sorted(rows)))[:2]
    assume(rows[first][0] != rows[second][0])
    before = [(key, *cells) for key, cells in rows.items()]
    swapped = {**rows, first: (rows[second][0], rows[first][1]), second: (rows[first][0], rows[second][1])}
    after = [(key, *cells) for key, cells in swapped.items()]
    assert digest(before, KEYED, ["id"]).differing(digest(after, KEYED, ["id"])) == ["a"]


@pytest.mark.parametrize("case", cases(), ids=str)
def test_every_value_of_a_type_has_its_own_hash(case):
    """But for -0 and 0, and JSON that says the same."""
    column = [Column(name="v", type=case.type)]
    seen: dict[str, str | None] = {}
    for place, value in enumerate(case.values):
        one = pa.RecordBatch.from_arrays([case.array.slice(place, 1)], names=["v"])
        root = digest_of([one], column).root
        other = seen.setdefault(root, value)
        equal = {other, value} in ({"0", "-0"}, {value}, {"[1.0,1.50,100]"})
        assert equal, f"{other!r} and {value!r} digest alike"


def test_numbers_of_one_value_are_one():
    def of(values, form):
        column = [Column(name="v", type=parse(form))]
        return digest_of([pa.RecordBatch.from_arrays([pa.array(values, parse(form).arrow())], names=["v"])], column)

    assert of([0.0], "float(64)") == of([-0.0], "float(64)")
    assert of([7, -7], "int(8)") == of([7, -7], "int(64)")
    assert of([Decimal("1.50")], "decimal(18,2)") == of([Decimal("1.50")], "decimal(60,2)")
    assert of(["1.5", "0"], "decimal") == of(["1.50", "-0.0"], "decimal")
    assert of(["1.5"], "decimal") != of(["1.51"], "decimal")


@settings(deadline=None)
@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_sums_of_integers_are_exact(values):
    tally = Tally([Column(name="v", type=parse("int(64)"))])
    tally.add(pa.RecordBatch.from_arrays([pa.array(values, pa.int64())], names=["v"]))
    known = [value for value in values if value is not None]
    assert tally.reading().columns["v"].total == sum(known)
    assert tally.reading().columns["v"].values == len(known)


@pytest.mark.parametrize("form", ["decimal(38,10)", "decimal(76,38)"])
@settings(deadline=None)
@given(data=st.data())
def test_sums_of_decimals_are_exact(form, data):
    """Beyond the 28 digits of Python's arithmetic and the width of Arrow's."""
    type_ = parse(form)
    most = 10 ** (type_.size or 1) - 1
    ints = data.draw(st.lists(st.integers(-most, most), max_size=6))
    values = [Decimal(n).scaleb(-type_.scale, context=WIDE) for n in ints]
    tally = Tally([Column(name="v", type=type_)])
    for value in values:
        tally.add(pa.RecordBatch.from_arrays([pa.array([value, value], type_.arrow())], names=["v"]))
    total = tally.reading().columns["v"].total
    assert total == Decimal(2 * sum(ints)).scaleb(-type_.scale, context=WIDE)


def test_unsigned_sums_are_exact():
    tally = Tally([Column(name="v", type=parse("int(64,unsigned)"))])
    tally.add(pa.RecordBatch.from_arrays([pa.array([2**64 - 1] * 3, pa.uint64())], names=["v"]))
    assert tally.reading().columns["v"].total == 3 * (2**64 - 1)


def test_an_empty_batch_changes_nothing():
    digester = Digester(PAIR)
    digester.add(batch([]))
    assert digester.digest() == digest([])


def by_hand(value: bytes) -> int:
    """The hash of one text or binary value, as docs/why/digests.md has it, in whole numbers."""
    whole, c = 2**64 - 1, 0x9E3779B97F4A7C15
    if len(value) > 256:
        word = int.from_bytes(hashlib.blake2b(value, digest_size=8).digest(), "little")
    else:
        word = len(value) * c & whole
        for start in range(0, len(value), 8):
            word = (word ^ int.from_bytes(value[start : start + 8], "little")) * 0xFF51AFD7ED558CCD & whole
            word = (word ^ word >> 33) * 0xC4CEB9FE1A85EC53 & whole
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53, 1):
        word = (word ^ word >> 33) * factor & whole
    return word


@pytest.mark.parametrize("lengths", [range(300), range(9), [16] * 5, [0, 0, 8], [300, 1], [257, 256, 255], []], ids=str)
def test_texts_of_every_length_hash_as_by_hand(lengths):
    random = Random(7)
    values = [random.randbytes(length) for length in lengths]
    random.shuffle(values)
    array = pa.array([b"before", *values, b"after"], pa.binary()).slice(1, len(values))
    assert hashes_of(array, parse("binary")).tolist() == [by_hand(value) for value in values]
