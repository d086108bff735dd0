"""Comparing two tables: what is equal, what differs and how it is named, over tables in memory."""

import random
import secrets
import shutil
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading import config, threads
from lading.compare import Asked, Mark, Side, compare, comparing
from lading.compare.choosing import CHANGE_OVER
from lading.compare.pairing import meet, pairing
from lading.connectors.memory import Memory
from lading.connectors.sqlite import SQLite
from lading.errors import SpecError, Unreachable
from lading.testing.steps import found, put, table
from lading.types import parse


def compared(left, right, asked=None, mark=None):
    """Each side: a table, and its rows."""
    with ExitStack() as stack:
        sides = []
        for shape, rows in (left, right):
            session = stack.enter_context(Memory(name=secrets.token_hex(4)).open())
            sides.append(Side(session, found(session, put(session, shape, rows).table.full_name)))
        return stack.enter_context(comparing(sides[0], sides[1], asked or Asked(), mark)).comparison


def told(comparison):
    return [(d.kind, *d.key.values(), d.column, d.left, d.right) for d in comparison.differences]


PEOPLE = table("people", id="int(64)!", name="string", paid="decimal(18,4)", at="timestamp(6)", ratio="float(64)")
ROWS = [(n, f"n{n}", f"{n}.5000", f"2024-01-01 00:00:{n:02d}.000001", n / 3) for n in range(40)]


def test_equal_in_another_order_is_equal():
    result = compared((PEOPLE, ROWS), (PEOPLE, ROWS[::-1]))
    assert (result.verdict, result.rows_left, result.rows_right, result.differing) == ("equal", 40, 40, 0)
    assert result.root_left == result.root_right != ""


def test_each_kind_of_difference_is_named():
    other = [list(row) for row in ROWS]
    other[1][1] = "n1 "
    other[2][1] = None
    other[3][2] = "3.5001"
    other[4][3] = "2024-01-01 00:00:04.000002"
    other[5][4] = 5 / 3 + 1e-9
    del other[6]
    other.append([99, "", None, None, None])
    result = compared((PEOPLE, ROWS), (PEOPLE, [tuple(row) for row in other]))
    assert result.verdict == "different"
    assert told(result) == [
        ("changed", "1", "name", "n1", "n1 "),
        ("changed", "2", "name", "n2", None),
        ("changed", "3", "paid", "3.5000", "3.5001"),
        ("changed", "4", "at", "2024-01-01 00:00:04.000001", "2024-01-01 00:00:04.000002"),
        ("changed", "5", "ratio", "1.6666666666666667", "1.6666666676666668"),
        ("only_left", "6", "", None, None),
        ("only_right", "99", "", None, None),
    ]
    assert (result.only_left, result.only_right, result.changed) == (1, 1, 5)
    assert result.columns == {"name": 2, "paid": 1, "at": 1, "ratio": 1}


def test_values_that_a_narrower_type_changed_are_counted_and_equal():
    rounded = table("people", id="int(64)!", name="string", paid="decimal(18,1)", at="timestamp(0)", ratio="float(64)")
    exact = [(1, "a", "1.2500", "2024-01-01 00:00:01.600000", 1.0), (2, "b", "2.5000", "2024-01-01 00:00:02", 2.0)]
    nearest = [(1, "a", "1.3", "2024-01-01 00:00:02", 1.0), (2, "b", "2.5", "2024-01-01 00:00:02", 2.0)]
    cut = [(1, "a", "1.2", "2024-01-01 00:00:01", 1.0), (2, "b", "2.5", "2024-01-01 00:00:02", 2.0)]
    mixed = [(1, "a", "1.3", "2024-01-01 00:00:01", 1.0), (2, "b", "2.5", "2024-01-01 00:00:02", 2.0)]
    for rows in (nearest, cut, mixed):
        result = compared((PEOPLE, exact), (rounded, rows))
        assert (result.verdict, result.narrowed) == ("equal", {"paid": 1, "at": 1}), rows
    wrong = compared((PEOPLE, exact), (rounded, [(1, "a", "1.4", "2024-01-01 00:00:02", 1.0), nearest[1]]))
    assert told(wrong) == [("changed", "1", "paid", "1.3", "1.4")]
    assert compared((PEOPLE, exact), (rounded, nearest), Asked(strict=True)).verdict == "different"


@pytest.mark.parametrize(
    ("form", "to", "value", "nearest", "cut", "wrong"),
    [
        ("string", "decimal(20,2)", "1.0050", "1.01", "1.00", "1.02"),
        ("string", "decimal(20,2)", "-1.5e-2", "-0.02", "-0.01", "0.01"),
        ("decimal", "decimal(20,2)", "1.005", "1.01", "1.00", "0.99"),
        ("string", "timestamp(3)", "2024-01-01T00:00:00.9996", "2024-01-01 00:00:01", "2024-01-01 00:00:00.999",
         "2024-01-01 00:00:00.998"),
        ("string", "time(0)", "00:00:00.9", "00:00:01", "00:00:00", "00:00:02"),
        ("string", "int(32)", "2.5", 3, 2, 1),
    ],
)  # fmt: skip
def test_text_and_decimals_without_a_limit_are_rounded_or_cut(form, to, value, nearest, cut, wrong):
    left = (table("t", id="int(32)!", v=form), [(1, value), (2, None)])
    for there, verdict in ((nearest, "equal"), (cut, "equal"), (wrong, "different")):
        result = compared(left, (table("t", id="int(32)!", v=to), [(1, there), (2, None)]))
        assert (result.verdict, result.narrowed) == (verdict, {"v": 1}), there


def test_a_decimal_without_a_limit_is_no_narrower_than_one_with():
    left = (table("t", id="int(32)!", v="decimal(20,4)"), [(1, "1.5000")])
    for there, verdict in (("1.5", "equal"), ("1", "different"), ("2", "different")):
        result = compared(left, (table("t", id="int(32)!", v="decimal"), [(1, there)]))
        assert (result.verdict, result.narrowed) == (verdict, {}), there


def test_text_that_this_side_cannot_hash_as_a_number_is_read(tmp_path):
    with SQLite(path=str(tmp_path / "t.db")).open() as left, Memory(name=secrets.token_hex(4)).open() as right:
        shapes = [table("t", id="int(64)!", v=form) for form in ("int(64)", "string")]
        ours = found(left, put(left, shapes[0], [(1, 7), (2, 42)]).table.full_name)
        theirs = found(right, put(right, shapes[1], [(1, "7"), (2, "43")]).table.full_name)
        result = compare(Side(left, ours), Side(right, theirs), Asked(way="in place"))
    assert (result.verdict, result.way, result.columns) == ("different", "co-located", {"v": 1})
    assert "not in place: 'v': string is read as int(64)" in result.why


def test_a_decimal_that_a_float_gives_back_is_not_narrowed():
    exact = table("t", id="int(32)!", v="decimal(20,4)")
    rows = [(1, "0.1000"), (2, "12345.6789"), (3, "1000000000000000.0001"), (4, None)]
    floats = [(n, None if v is None else float(v)) for n, v in rows]
    result = compared((exact, rows), (table("t", id="int(32)!", v="float(64)"), floats))
    assert (result.verdict, result.narrowed) == ("equal", {"v": 1})


def test_a_wider_right_is_compared_exactly():
    day = table("t", id="int(32)!", day="date", n="int(32)")
    moment = table("t", id="decimal(38,0)!", day="timestamp(6)", n="decimal(20,4)")
    rows = [(1, "2024-01-01", 5), (2, "0001-01-01", -5)]
    same = [("1", "2024-01-01 00:00:00", "5.0000"), ("2", "0001-01-01 00:00:00", "-5.0000")]
    assert compared((day, rows), (moment, same)).verdict == "equal"
    off = [("1", "2024-01-01 00:00:01", "5.0000"), ("2", "0001-01-01 00:00:00", "-5.0001")]
    assert {each[2] for each in told(compared((day, rows), (moment, off)))} == {"day", "n"}


TEXT = table("t", id="int(32)!", v="string")


@pytest.mark.parametrize(
    ("form", "value", "alike", "unlike"),
    [
        ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"], ["", "a0ee", None]),
        ("int(64)", 7, ["7", "+7"], ["07", "7.5", "seven", "", None]),
        ("decimal(18,2)", "1.50", ["1.5", "1.50", "1.500"], ["1.51", "01.5", "1,5", None]),
        ("float(64)", 0.1, ["0.1", "1e-1"], ["0.10000000000000002", "x", None]),
        ("bool", True, ["t", "TRUE", "1", "y"], ["f", "0", "ja", None]),
        ("date", "2024-02-29", ["2024-02-29"], ["2024-02-28", "29.02.2024", None]),
        ("timestamp(6)", "2024-02-29 01:02:03", ["2024-02-29T01:02:03.000"], ["2024-02-29", "x"]),
        ("timestamp(6,utc)", "2024-02-29 01:02:03", ["2024-02-29 02:02:03+01"], ["2024-02-29 01:02:03+01"]),
        ("binary", b"\x01\xff", ["01ff", "01FF", "\\x01ff"], ["01fe", "01f", "", None]),
        ("json", '{"a": 1, "b": [1.0]}', ['{"b":[1],"a":1}'], ['{"a":1}', "{", None]),
    ],
)  # fmt: skip
def test_text_that_stands_for_a_value(form, value, alike, unlike):
    typed = table("t", id="int(32)!", v=form)
    for texts, verdict in ((alike, "equal"), (unlike, "different")):
        for text in texts:
            there = compared((typed, [(1, value)]), (TEXT, [(1, text)]))
            assert there.verdict == verdict, (form, text)
            if verdict == "equal" or text is None:
                back = compared((TEXT, [(1, text)]), (typed, [(1, value)]))
                assert back.verdict == verdict, (form, text, "back")


def test_leading_zeros_that_a_number_cannot_keep_are_counted():
    result = compared((TEXT, [(1, "01234"), (2, "5")]), (table("t", id="int(32)!", v="int(32)"), [(1, 1234), (2, 5)]))
    assert (result.verdict, result.narrowed) == ("equal", {"v": 1})


def test_digits_of_a_text_that_a_float_cannot_keep_are_counted():
    ours = ["0.12345678901234567891", "16777217", "0.10000000000000001", "1e300", "NaN", "Infinity", "0.1", None]
    floats = table("t", id="int(32)!", v="float(64)")
    theirs = [0.12345678901234567891, 16777217.0, 0.1, 1e300, float("nan"), float("inf"), 0.1, None]
    left, right = (list(enumerate(values)) for values in (ours, theirs))
    result = compared((TEXT, left), (floats, right))
    assert (result.verdict, result.narrowed) == ("equal", {"v": 1})
    single = compared((TEXT, left[1:3]), (table("t", id="int(32)!", v="float(32)"), [(1, 16777216.0), (2, 0.1)]))
    assert (single.verdict, single.narrowed) == ("equal", {"v": 2})
    back = compared((floats, right), (TEXT, left))
    assert told(back) == [("changed", "0", "v", "0.12345678901234568", "0.12345678901234567891")]


def test_multisets_without_a_key():
    bare = table("t", (), a="string", b="string")
    rows = [("x", "1")] * 3 + [("y", "2")] * 2
    assert compared((bare, rows), (bare, rows[::-1])).verdict == "equal"
    result = compared((bare, rows), (bare, [("x", "1")] * 2 + [("y", "2")] * 3))
    assert (result.verdict, result.only_left, result.only_right) == ("different", 1, 1)
    assert told(result) == [("only_left", "x", "1", "", None, None), ("only_right", "y", "2", "", None, None)]


def test_a_key_that_is_not_unique_hides_nothing():
    doubled = table("t", ("a",), a="int(32)!", b="string")
    bare = doubled.model_copy(update={"key": ()})
    rows = [(1, "x"), (1, "x"), (1, "y"), (2, "z")]
    asked = Asked(key="a")
    assert compared((bare, rows), (bare, rows[::-1]), asked).verdict == "equal"
    assert compared((bare, rows), (bare, rows[1:]), asked).only_left == 1
    changed = compared((bare, rows), (bare, [(1, "x"), (1, "x"), (1, "w"), (2, "z")]), asked)
    assert told(changed) == [("changed", "1", "b", "y", "w")]


SHAPES: dict[str, tuple[list[tuple[str | None, ...]], list[tuple[str | None, ...]]]] = {
    "separators": ([("a|b", "c"), ("a", "b|c")], [("a", "b|c"), ("a", "b|c")]),
    "null look-alikes": ([(None, "NULL"), ("~", None)], [("NULL", None), (None, "~")]),
    "length prefixes": ([("1:a", "1:b")], [("1", "a1:1:b")]),
    "swapped columns": ([("a", "b")], [("b", "a")]),
    "swapped between rows": ([("a", "b"), ("c", "d")], [("a", "d"), ("c", "b")]),
    "empty and null": ([("", None)], [(None, "")]),
    "joined": ([("ab", "c")], [("a", "bc")]),
}


@pytest.mark.parametrize("count", [5, 3_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_made_to_look_alike_differ(shape, count):
    left, right = SHAPES[shape]
    bare = table("t", (), a="string", b="string")
    times = -(-count // len(left))
    assert compared((bare, left * times), (bare, right * times)).verdict == "different"
    keyed = table("t", id="int(32)!", a="string", b="string")
    ours, theirs = ([(n, *row) for n, row in enumerate(rows * times)] for rows in (left, right))
    result = compared((keyed, ours), (keyed, theirs))
    assert result.verdict == "different"
    assert result.changed == sum(a != b for a, b in zip(left, right, strict=True)) * times


VALUES = st.one_of(st.none(), st.text(max_size=4), st.sampled_from(["", "a", "b", "1", "~", "a|b"]))
MULTISETS = st.lists(st.tuples(VALUES, VALUES), max_size=6)


@settings(max_examples=40, deadline=None)
@given(MULTISETS, MULTISETS)
def test_only_equal_multisets_are_equal(left, right):
    bare = table("t", (), a="string", b="string")
    shaped = [
        [tuple(None if v is None else v.replace("\0", "0") for v in row) for row in rows] for rows in (left, right)
    ]
    result = compared((bare, shaped[0]), (bare, shaped[1]))
    assert (result.verdict == "equal") == (Counter(shaped[0]) == Counter(shaped[1]))
    assert (result.root_left == result.root_right) == (Counter(shaped[0]) == Counter(shaped[1]))


def test_columns_of_one_side_only_and_uncomparable_ones():
    left = table("t", id="int(32)!", a="string", t="time(6)")
    right = table("t", id="int(32)!", t="date", z="string")
    result = compared((left, [(1, "a", "10:00:00")]), (right, [(1, "2024-01-01", "z")]))
    assert result.verdict == "different"
    assert result.not_compared == {"t": "time(6) and date have no form in common"}
    assert {"the right has no column 'a'", "the left has no column 'z'"} <= set(result.reasons)
    rest = compared((left, [(1, "a", "10:00:00")]), (right, [(1, "2024-01-01", "z")]), Asked(exclude=["a", "z"]))
    assert rest.verdict == "inconclusive"
    assert "'t' was not compared" in rest.reasons[0]
    none = compared((left, [(1, "a", "10:00:00")]), (right, [(1, "2024-01-01", "z")]), Asked(exclude=["a", "z", "t"]))
    assert none.verdict == "equal"


def test_a_column_is_left_out_by_the_name_of_either_side():
    left, right = table("t", id="int(32)!", Note="string"), table("t", id="int(32)!", NOTE="string")
    for name in ("Note", "NOTE", "N*"):
        result = compared((left, [(1, "a")]), (right, [(1, "b")]), Asked(exclude=[name]))
        assert (result.verdict, result.reasons) == ("equal", ())
    assert compared((left, [(1, "a")]), (right, [(1, "b")])).columns == {"Note": 1}


def test_the_types_of_both_sides_are_told_where_they_are_not_the_one_in_which_they_are_compared():
    left = table("t", id="int(32)!", a="bool", b="string(9)", c="uuid", d="int(64)")
    right = table("t", id="int(32)!", a="string", b="string", c="uuid", d="int(32)")
    assert compared((left, []), (right, [])).types == {
        "a": "string as bool", "b": "string(9) as string", "d": "int(32) as int(64)",
    }  # fmt: skip


def test_policies_are_asked_for_and_counted():
    rows = [(1, "caf\u00e9"), (2, "ABC"), (3, "x")]
    other = [(1, "cafe\u0301"), (2, "abc"), (3, "x")]
    assert compared((TEXT, rows), (TEXT, other)).columns == {"v": 2}
    result = compared((TEXT, rows), (TEXT, other), Asked(policies=["nfc", "case"]))
    assert (result.verdict, result.policy) == ("equal", {"v": 2})
    assert compared((TEXT, rows), (TEXT, other), Asked(policies=["nfc"])).columns == {"v": 1}


def test_policies_that_are_of_no_use_are_told():
    bare = TEXT.model_copy(update={"key": ()})
    result = compared((bare, [(1, "A")]), (bare, [(1, "a")]), Asked(policies=["case"]))
    assert (result.verdict, result.only_left, result.only_right) == ("different", 1, 1)
    assert any(reason.startswith("policies are not for tables without a key") for reason in result.reasons)
    assert compared((bare, [(1, "A")]), (bare, [(1, "A")]), Asked(policies=["case"])).reasons == ()
    assert compared((TEXT, [(1, "A")]), (TEXT, [(1, "b")]), Asked(policies=["case"])).reasons == ()


def test_accents_are_what_an_unaccented_collation_does_not_see():
    rows = [(1, "café"), (2, "Ö"), (3, "naïve"), (4, "øre"), (5, "a")]
    other = [(1, "cafe"), (2, "O\u0308"), (3, "naive"), (4, "ore"), (5, "b")]
    result = compared((TEXT, rows), (TEXT, other), Asked(policies=["accents"]))
    assert (result.policy, result.columns) == ({"v": 3}, {"v": 2})  # a letter of its own is no accent
    both = Asked(policies=["accents", "case"])
    assert compared((TEXT, [(1, "É")]), (TEXT, [(1, "e")]), both).policy == {"v": 1}


def test_policies_are_for_long_texts_too():
    rows = [(1, "A" * 2_500), (2, "x" * 2_500 + " "), (3, "e\u0301" * 700), (4, "y" * 2_500), (5, "b")]
    other = [(1, "a" * 2_500), (2, "x" * 2_500), (3, "\u00e9" * 700), (4, "z" * 2_500), (5, "B")]
    rows, other = [*rows, (6, "é" * 2_000)], [*other, (6, "É" * 2_000)]
    for left, right in ((rows, other), (other, rows)):
        result = compared((TEXT, left), (TEXT, right), Asked(policies=["nfc", "case", "blanks"]))
        assert (result.policy, result.columns) == ({"v": 5}, {"v": 1})
    assert compared((TEXT, rows), (TEXT, other), Asked(policies=["case"])).policy == {"v": 3}


def test_sensitive_values_are_not_shown():
    result = compared((TEXT, [(1, "secret")]), (TEXT, [(1, "hidden")]), Asked(sensitive=["v"]))
    assert told(result) == [("changed", "1", "v", "•••", "•••")]
    assert "secret" not in result.model_dump_json()
    paid = table("t", id="int(32)!", paid="int(32)")
    sums = Asked(way="aggregates", sensitive=["paid"])
    (why, _) = compared((paid, [(1, 4711)]), (paid, [(1, 4712)]), sums).reasons
    assert why == "'paid' sums to ••• on the left, to ••• on the right"
    odd = table("t", id="int(32)!", **{"v[1]": "string"})
    result = compared((odd, [(1, "secret")]), (odd, [(1, "hidden")]), Asked(sensitive=["v[1]"]))
    assert "secret" not in result.model_dump_json()


def test_json_with_a_name_twice_is_not_json_with_the_last_of_them():
    docs = table("t", id="int(32)!", v="json")
    ours = (docs, [(1, '{"a":1,"a":2}')])
    assert told(compared(ours, (docs, [(1, '{"a":2}')]))) == [("changed", "1", "v", '{"a":1,"a":2}', '{"a":2}')]
    assert compared(ours, (docs, [(1, '{ "a" : 1, "a" : 2 }')])).verdict == "equal"


def test_a_sample_is_never_equal_but_can_be_different():
    rows = [(n, str(n)) for n in range(2_000)]
    result = compared((TEXT, rows), (TEXT, rows), Asked(sample=0.25))
    assert result.verdict == "inconclusive"
    assert 300 < result.rows_left < 700
    assert compared((TEXT, rows), (TEXT, [(n, "x") for n, _ in rows]), Asked(sample=0.25)).verdict == "different"
    with pytest.raises(SpecError, match="every key is none"):
        config.asked({"way": "sample"})


def test_counts_and_sums_alone_can_only_show_a_difference():
    same = compared((PEOPLE, ROWS), (PEOPLE, ROWS[::-1]), Asked(way="aggregates"))
    said = ("only counts and sums were compared", "no sums were compared of 'at', 'ratio'")
    assert (same.verdict, same.rows_left, same.reasons) == ("inconclusive", 40, said)
    other = [(n, name, "0.0000", at, ratio) for n, name, _, at, ratio in ROWS]
    less = compared((PEOPLE, ROWS), (PEOPLE, [*other[:-1], (99, None, None, None, None)]), Asked(way="aggregates"))
    assert less.verdict == "different"
    assert "'paid' has 40 values on the left, 39 on the right" in less.reasons
    sums = compared((PEOPLE, ROWS), (PEOPLE, other), Asked(way="aggregates"))
    assert "'paid' sums to 800.0000 on the left, to 0 on the right" in sums.reasons


@pytest.mark.parametrize(
    ("left", "right", "pair", "summed"),
    [
        ("int(32)", "int(64)", (5, 6), True), ("int(64)", "decimal(20,2)", (5, "6.00"), True),
        ("string(9)", "string", ("a", "ab"), True), ("bool", "int(8)", (True, 0), True),
        ("decimal(9,3)", "decimal(9,2)", ("1.004", "1.00"), False), ("string", "string(2)", ("abc", "ab"), False),
        ("int(64)", "string", (5, "6"), False),
    ],
)  # fmt: skip
def test_sums_of_unlike_types_are_compared_where_no_value_is_narrowed(left, right, pair, summed):
    ours, theirs = ((table("t", id="int(32)!", v=form), [(1, v)]) for form, v in zip((left, right), pair, strict=True))
    result = compared(ours, theirs, Asked(way="aggregates"))
    assert result.verdict == ("different" if summed else "inconclusive")
    assert ("no sums were compared of 'v'" in result.reasons) != summed


def test_sums_of_texts_that_a_policy_changes_are_not_compared():
    ours, theirs = [(1, "b  "), (2, "e\u0301")], [(1, "b"), (2, "\u00e9")]
    policies = ("nfc", "blanks")
    result = compared((TEXT, ours), (TEXT, theirs), Asked(way="aggregates", policies=policies))
    assert result.verdict == "inconclusive"
    assert "the lengths of 'v' were not compared: policies may change them" in result.reasons
    assert compared((TEXT, ours), (TEXT, theirs), Asked(way="aggregates")).verdict == "different"
    bare = TEXT.model_copy(update={"key": ()})
    for way in (None, "aggregates"):  # policies are none of a table's without a key
        assert compared((bare, ours), (bare, theirs), Asked(way=way, policies=policies)).verdict == "different"
    with pytest.raises(SpecError, match="Counts and sums are those of all rows"):
        config.asked({"way": "aggregates", "sample": 0.05})


def test_rows_that_do_not_fit_on_disk_are_read_twice(monkeypatch):
    other = [*ROWS[:-1], (99, "x", None, None, None)]
    kept = compared((PEOPLE, ROWS), (PEOPLE, other))
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: type("Free", (), {"free": 0}))
    again = compared((PEOPLE, ROWS), (PEOPLE, other))
    assert again.cost_left.rows == 2 * kept.cost_left.rows
    assert again.differences == kept.differences


def test_rows_for_which_there_is_no_room_are_told(monkeypatch):
    monkeypatch.setattr("lading.compare.few.ROWS", 0)
    monkeypatch.setattr("lading.compare.disk.MEMORY", "2MiB")
    ours, theirs = ([(n, secrets.token_hex(200)) for n in range(20_000)] for _ in range(2))
    with pytest.raises(Unreachable, match=r"no room to join the rows that differ: Out of Memory.*TMPDIR"):
        compared((TEXT, ours), (TEXT, theirs))


@pytest.mark.parametrize("room", [20_000, 0])
def test_a_row_is_on_its_way_by_the_value_that_the_left_has(monkeypatch, room):
    """And not by what the narrower type of the right makes of it: rounded up it may be beyond the last one seen."""
    monkeypatch.setattr("lading.compare.few.ROWS", room)
    fine, coarse = (table("t", id="int(32)!", v="string", at=form) for form in ("timestamp(6)", "timestamp(3)"))
    day = "2024-01-01 00:00:00"
    for at, there, last, again, told in (
        ("000500", "001", "000600", "", ("different", 1, {})),
        ("000450", "000", "000400", "", ("equal", 0, {"moving": 1})),
        ("000600", "001", "000600", "", ("different", 1, {})),
        ("000450", None, "000600", "000400", ("inconclusive", 0, {})),
        ("000450", None, "000600", "000500", ("different", 0, {})),
    ):
        right = [] if there is None else [(1, "b", f"{day}.{there}")]
        mark = Mark("at", f"{day}.{last}", again and f"{day}.{again}")
        found = compared((fine, [(1, "a", f"{day}.{at}")]), (coarse, right), mark=mark)
        assert (found.verdict, found.changed, found.states) == told, at


@pytest.mark.parametrize(
    ("form", "seen", "late"),
    [
        ("timestamp(9)", "2024-01-01 00:00:00.123456788", "2024-01-01 00:00:00.123456789"),
        ("decimal(20,15)", "1.123456789012344", "1.123456789012345"),
        ("decimal(38,0)", "9" * 37, "9" * 38),
        ("int(64,unsigned)", str(2**64 - 2), str(2**64 - 1)),
    ],
)
def test_a_row_is_on_its_way_by_every_digit(form, seen, late):
    shape = table("t", id="int(32)!", at=form)
    for last, told in ((seen, ("equal", {"moving": 1})), (late, ("different", {}))):
        found = compared((shape, [(1, seen), (2, late)]), (shape, [(1, seen)]), mark=Mark("at", last))
        assert (found.verdict, found.states) == told


def test_a_long_value_is_told_by_its_hash():
    result = compared((TEXT, [(1, "a" * 50_000)]), (TEXT, [(1, "a" * 49_999 + "b")]))
    ((*_, left, right),) = told(result)
    assert left != right
    assert "50,000 characters" in left
    assert len(left) < 300


def test_what_is_told_of_a_long_value_is_not_that_value():
    long = "a" * 50_000
    ((*_, said, _right),) = told(compared((TEXT, [(1, long)]), (TEXT, [(1, "b")])))
    for rows in ([(1, long)], [(1, said)]), ([(1, said)], [(1, long)]):
        assert compared((TEXT, rows[0]), (TEXT, rows[1])).changed == 1
    bare = TEXT.model_copy(update={"key": ()})
    assert compared((bare, [(1, long)]), (bare, [(1, said)])).verdict == "different"


def test_a_key_that_is_no_column_is_a_spec_error():
    with pytest.raises(SpecError, match="'nope'"):
        compared((TEXT, []), (TEXT, []), Asked(key=["nope"]))


@pytest.mark.parametrize(
    ("left", "right", "met"),
    [
        ("int(64)", "int(32)", "int(64)"), ("int(32)", "int(64,unsigned)", "decimal(20,0)"),
        ("decimal(18,4)", "decimal(10,2)", "decimal(16,2)"), ("decimal(10,2)", "decimal(18,4)", "decimal(18,4)"),
        ("decimal", "decimal(38,10)", "decimal(38,10)"), ("decimal(38,10)", "decimal", "decimal"),
        ("float(64)", "float(32)", "float(32)"), ("decimal(18,4)", "float(64)", "float(64)"),
        ("string(20)", "string(10)", "string(10)"), ("string(10)", "string(20)", "string"),
        ("timestamp(6,utc)", "timestamp(3)", "timestamp(3)"), ("date", "timestamp(6)", "timestamp(6)"),
        ("list(int(32))", "list(int(64))", "list(int(64))"), ("list(string)", "json", "json"),
        ("list(json)", "list(string)", "list(json)"), ("list(json)", "string", "json"),
        ("string", "list(json)", "list(json)"), ("list(string)", "string", "list(string)"),
        ("bool", "int(8)", "int(8)"), ("time(6)", "date", None), ("interval", "time(6)", None),
        ("binary", "int(8)", None),
    ],
)  # fmt: skip
def test_the_type_in_which_two_are_compared(left, right, met):
    found_ = meet(parse(left), parse(right))
    assert (str(found_) if found_ else None) == met


@pytest.mark.parametrize(
    ("native", "padded"),
    [
        ("postgres:character(5)", True), ("postgres:bpchar", True), ("mysql:char(5)", True),
        ("mysql:char(5) character set latin1", True), ("sqlserver:nchar(5) COLLATE Latin1_General_CI_AS", True),
        ("oracle:CHAR(5 BYTE)", True), ("sqlite:CHAR(5)", False), ("postgres:character varying(5)", False),
        ('postgres:"char"', False), ("oracle:VARCHAR2(5 CHAR)", False), ("", False),
    ],
)  # fmt: skip
def test_blanks_at_the_end_are_padding_where_a_type_pads(native, padded):
    shape = table("t", (), v="string(5)")
    other = shape.model_copy(update={"columns": (shape.columns[0].model_copy(update={"native": native}),)})
    for left, right in ((shape, other), (other, shape)):
        assert [pair.padded for pair in pairing(left, right).pairs] == [padded]


def test_every_row_differing_is_joined_whole():
    ours = [(n, "a") for n in range(70_000)]
    theirs = [(n, "b") for n in range(70_000)]
    result = compared((TEXT, ours), (TEXT, theirs))
    assert (result.changed, len(result.differences)) == (70_000, 100)
    assert result.dirty / result.buckets > CHANGE_OVER


@pytest.mark.parametrize("seed", range(6))
def test_few_rows_and_many_are_joined_alike(monkeypatch, seed):
    """With NULLs in values, composite keys, decimals that loaders cut or round, and rows on one side only."""
    rng = random.Random(seed)
    key = {"a": "int(32)!", "b": "string!"} if seed % 2 else {"a": "int(32)!"}
    wide = table("wide", **key, c="string", d="decimal(18,4)", e="timestamp(6)")
    slim = table("slim", **key, c="string", d="decimal(18,2)", e="timestamp(3)")

    def row(n):
        at = f"2024-01-01 00:00:00.00{rng.randrange(3)}{rng.choice(['000', '500'])}"
        names = (n // 3, f"k{n % 3}") if seed % 2 else (n,)
        return (*names, rng.choice([None, "", "x", "x "]), rng.choice([None, "1.0050", "1.0100", "2.9999"]), at)

    def narrowed(values):
        d = values[-2] and rng.choice([values[-2][:4], {"1.0050": "1.01", "2.9999": "3.00"}.get(values[-2], "1.01")])
        return (*values[:-2], d, values[-1][:23])

    left = [row(n) for n in range(300)]
    right = [narrowed(rng.choice([each, row(n)])) for n, each in enumerate([*left, row(300)]) if n % 50]
    asked = Asked(key=tuple(key), limit=10_000)
    few = compared((wide, left), (slim, right), asked)
    monkeypatch.setattr("lading.compare.few.ROWS", 0)
    many = compared((wide, left), (slim, right), asked)
    monkeypatch.setattr("lading.compare.drill.WIDE", 1)
    grouped = compared((wide, left), (slim, right), asked)
    assert few.differing > 20
    names = ("only_left", "only_right", "changed", "columns", "narrowed", "verdict")
    for other in (many, grouped):
        assert told(few) == told(other)
        assert [getattr(few, name) for name in names] == [getattr(other, name) for name in names]


def test_many_rows_of_many_columns_are_joined():
    """DuckDB holds some thousand rows of every column that it joins in memory, however few there are."""
    wide = table("wide", id="int(32)!", **{f"c{n}": "int(32)" for n in range(1_200)}, last="int(32)")
    ours, theirs = ([(n, *range(1_200), n + more) for n in range(1_000)] for more in (0, 1))
    found = compared((wide, ours), (wide, theirs), Asked(limit=1))
    assert (found.verdict, found.reasons, found.columns) == ("different", (), {"last": 1_000})
    (one,) = told(found)
    assert one == ("changed", "0", "last", "0", "1")


@pytest.mark.parametrize("after", [1, 2])
def test_an_interruption_while_both_sides_begin_ends_them(monkeypatch, after):
    """The first of them may be at work already; one that has not begun never does. Who does not hear is told again."""
    begun, told, ended = [], [], threading.Event()
    start = threading.Thread.start

    def interrupted(thread):
        start(thread)
        begun.append(thread)
        if len(begun) == after:
            raise KeyboardInterrupt

    def failed(error):
        told.append(error)
        if len(told) == 3:
            ended.set()

    def work(_side):
        assert ended.wait(20)
        raise ValueError

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    monkeypatch.setattr(threads, "AGAIN_SECONDS", 0.01)
    with pytest.raises(KeyboardInterrupt):
        threads.both(work, failed)
    assert len(begun) == after
    assert not any(thread.is_alive() for thread in begun if thread.join(5) is None)
    assert [type(error) for error in told[:3]] == [KeyboardInterrupt] * 3


def test_an_interruption_is_heard_that_another_thread_got():
    """Python tells the main thread when that goes on, so it must not wait for longer than a moment."""
    heard = threading.Event()

    def interrupted(*_):
        raise KeyboardInterrupt

    def work(side):
        if side == 0:
            time.sleep(0.5)  # by then the main thread waits
            signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        assert heard.wait(10)

    before = signal.signal(signal.SIGUSR1, interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            threads.both(work, lambda _error: heard.set())
    finally:
        signal.signal(signal.SIGUSR1, before)
