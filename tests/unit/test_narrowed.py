"""Values that a narrower type changed, or that are equal in another form only: counted, whoever finds them."""

import struct
from decimal import Decimal

import pytest

from lading.compare import Asked
from lading.testing.steps import table
from tests.unit.test_compare import compared, told


def shape(form, *key, **more):
    return table("t", key or ("id",), id="int(32)!", v=form, **more)


def said(result):
    return result.verdict, result.narrowed


def single(number):
    return struct.unpack("f", struct.pack("f", number))[0]


@pytest.mark.parametrize("room", [20_000, 0])
@pytest.mark.parametrize("every", [1, 2, 100])
def test_a_float_in_another_form_is_counted_however_many_there_are(monkeypatch, every, room):
    monkeypatch.setattr("lading.compare.few.ROWS", room)
    ours = [(n, n / 10) for n in range(1, 401)]
    theirs = [(n, v if n % every == 1 % every else single(v)) for n, v in ours]
    count = sum(v != single(v) for n, v in ours if n % every == 1 % every)
    left, right = (shape("float(32)"), ours), (shape("float(64)"), theirs)
    assert said(compared(left, right)) == ("equal", {"v": count})
    assert said(compared(left, right, Asked(strict=True))) == ("different", {"v": count})
    wrong = compared(left, (shape("float(64)"), [(0, 0.1), *theirs[:-1], (400, 7.0)]))
    assert told(wrong) == [("only_right", "0", "", None, None), ("changed", "400", "v", "40", "7")]
    assert compared(left, (shape("float(64)"), [(n, single(v)) for n, v in ours])).narrowed == {}


def test_what_is_no_number_is_in_no_other_form():
    rows = [(1, float("nan")), (2, float("-inf")), (3, None), (4, -0.0)]
    for form, other in (("float(32)", "float(64)"), ("float(64)", "float(32)")):
        assert said(compared((shape(form), rows), (shape(other), rows))) == ("equal", {})
    for form in ("decimal", "decimal(20,4)", "int(64)"):
        there = [(n, None) for n, _ in rows[:3]] + [(4, "0" if "decimal" in form else 0)]
        assert compared((shape("float(64)"), rows), (shape(form), there)).columns == {"v": 2}


def test_rows_of_one_key_are_counted_too():
    ours, theirs = (
        [(n // 2, v) for n, v in enumerate(values)] for values in ([0.1, 0.2, 0.3], [0.1, 0.2, single(0.3)])
    )
    bare = [shape(form).model_copy(update={"key": ()}) for form in ("float(32)", "float(64)")]
    result = compared((bare[0], ours), (bare[1], theirs), Asked(key=["id"]))
    assert said(result) == ("equal", {"v": 2})


NOISY = 0.30000000000000004


@pytest.mark.parametrize(
    ("form", "value", "first", "alike", "unlike"),
    [
        ("decimal(30,20)", 0.1, "0.10000000000000000555", ["0.1"], ["0.10000000000000000554", "0.11"]),
        ("decimal(30,20)", 1.005, "1.00499999999999989342",
         ["1.00499999999999989341", "1.005", "1.00499999999999983616"], ["1.004", "1.00499999999999989343"]),
        ("decimal(30,20)", NOISY, "0.30000000000000004441",
         ["0.30000000000000004", "0.3", "0.30000000000000004096"], ["0.30000000000000005"]),
        ("decimal(10,2)", 1.005, None, ["1.00", "1.01"], ["0.99", "1.02"]),
        ("decimal(10,2)", 2.5, "2.50", [], ["2.49", "2.51"]),
        ("decimal(4,2)", 99.995, None, ["99.99"], ["99.98", None]),
        ("decimal", NOISY, "0.30000000000000004", ["0.3", f"{Decimal(NOISY)}"], ["0.31", "0.30000000000000005"]),
    ],
)  # fmt: skip
def test_each_decimal_that_systems_make_of_a_float_is_that_float(form, value, first, alike, unlike):
    left = (shape("float(64)"), [(1, value), (2, None)])
    for text, expected in [(first, {}), *((text, {"v": 1}) for text in alike)]:
        if text:
            assert said(compared(left, (shape(form), [(1, text), (2, None)]))) == ("equal", expected), text
    for text in unlike:
        assert compared(left, (shape(form), [(1, text), (2, None)])).columns == {"v": 1}, text


def test_what_fits_only_when_it_is_cut_is_counted():
    left, right = (shape("decimal(5,3)"), [(1, "99.995")]), (shape("decimal(4,2)"), [(1, "99.99")])
    assert said(compared(left, right)) == ("equal", {"v": 1})
    more = [(n, "1.000") for n in range(2, 50)]
    assert said(compared((left[0], left[1] + more), (right[0], right[1] + more))) == ("equal", {"v": 1})


def test_decimals_of_a_float_are_counted_however_many_there_are(monkeypatch):
    ours = [(n, n / 1_000) for n in range(1, 301)]
    exact = {n: f"{v:.20f}" for n, v in ours}
    for every in (1, 3, 100):
        theirs = [(n, f"{v}" if n % every == 0 else exact[n]) for n, v in ours]
        count = sum(len(exact[n].rstrip("0")) != len(f"{v}") for n, v in ours if n % every == 0)
        for room in (20_000, 0):
            monkeypatch.setattr("lading.compare.few.ROWS", room)
            result = compared((shape("float(64)"), ours), (shape("decimal(30,20)"), theirs))
            assert said(result) == ("equal", {"v": count})


def test_a_column_that_narrows_lets_no_other_be_rounded():
    left = (shape("decimal(20,4)", w="decimal(20,4)"), [(1, "1.5000", "0.1250"), (2, "2.5000", "0.1250")])
    right = (shape("decimal", w="decimal(20,2)"), [(1, "1", "0.12"), (2, "2.5", "0.13")])
    result = compared(left, right)
    assert (told(result), result.narrowed) == ([("changed", "1", "v", "1.5", "1")], {"w": 2})


SOME = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


@pytest.mark.parametrize(
    ("form", "value", "odd", "usual"),
    [
        ("int(32)", 500, ["5e2", "+500", "5E2"], ["500"]),
        ("decimal(10,2)", "500.00", ["5e2", "+500", "+5.00e2"], ["500", "500.000", "500."]),
        ("decimal", "0.5", ["5e-1", "+.5"], ["0.5", ".5", "0.50"]),
        ("float(64)", 1.5, ["+1.5"], ["1.5", "15e-1", "1.50"]),
        ("bool", True, ["YES", "y", "T"], ["t", "true", "1", "TRUE"]),
        ("uuid", SOME, [SOME.upper(), f"{SOME[:18].upper()}{SOME[18:]}"], [SOME]),
        ("time(6)", "03:04:00", ["03:04"], ["03:04:00", "03:04:00.000"]),
        ("timestamp(6)", "2024-01-02 00:00:00", ["2024-01-02", "2024-01-02T00:00:00"], ["2024-01-02 00:00:00.0"]),
        ("timestamp(6,utc)", "2024-01-02 03:04:05", ["2024-01-02T03:04:05Z", "2024-01-02 03:04:05Z"],
         ["2024-01-02 03:04:05", "2024-01-02 03:04:05.00+00", "2024-01-02 04:04:05+01:00"]),
    ],
)  # fmt: skip
def test_a_text_that_says_a_value_otherwise_is_counted(form, value, odd, usual):
    for text in odd + usual:
        for sides in ((shape(form), value), (shape("string"), text)), ((shape("string"), text), (shape(form), value)):
            left, right = ((made, [(1, each), (2, None)]) for made, each in sides)
            counted = {"v": 1} if text in odd else {}
            assert said(compared(left, right)) == ("equal", counted), (text, str(sides[0]))
            assert compared(left, right, Asked(strict=True)).verdict == ("different" if counted else "equal")
    for text in ("+", "+abc", "5e", "0abc"):
        result = compared((shape("string"), [(1, text)]), (shape(form), [(1, value)]))
        assert said(result) == ("different", {}), text


def test_a_text_is_counted_once():
    rows = [(1, "+0012.345"), (2, "7.0"), (3, "+0.12345678901234567891")]
    for form, values in (
        ("decimal(10,2)", ["12.35", "7", "0.12"]),
        ("int(32)", [12, 7, 0]),
        ("float(64)", [12.345, 7.0, 0.12345678901234568]),
    ):
        there = [(n, v) for n, v in enumerate(values, 1)]
        result = compared((shape("string"), rows), (shape(form), there))
        assert result.verdict == "equal"
        assert result.narrowed == {"v": 3 if form == "int(32)" else 2}, form


def test_a_sample_counts_its_own_rows():
    rows = [(n, "0.125") for n in range(2_000)]
    right = (shape("decimal(10,2)"), [(n, "0.13") for n, _ in rows])
    result = compared((shape("decimal(10,3)"), rows), right, Asked(sample=0.25))
    assert result.narrowed == {"v": result.rows_left}
    assert 300 < result.rows_left < 700


def test_a_key_is_shown_as_its_own_side_has_it(monkeypatch):
    wide, slim = (table("t", ("k",), k=form, v="string") for form in ("decimal(10,2)!", "int(32)!"))
    ours, theirs = [("5.00", "a"), ("5.40", "x"), ("6.00", "b")], [(5, "a"), (6, "c"), (7, "d")]
    for room in (20_000, 0):
        monkeypatch.setattr("lading.compare.few.ROWS", room)
        result = compared((wide, ours), (slim, theirs))
        assert told(result) == [
            ("only_left", "5.40", "", None, None),
            ("changed", "6.00", "v", "b", "c"),
            ("only_right", "7", "", None, None),
        ]
        back = compared((slim, theirs), (wide, ours))
        assert [each[:2] for each in told(back)] == [("only_right", "5.40"), ("changed", "6"), ("only_left", "7")]
    words = table("t", ("k",), k="string!", v="string")
    assert told(compared((words, [("1", "a"), ("01", "x")]), (slim, [(1, "a")])))[0][:2] == ("only_left", "01")


@pytest.mark.parametrize("every", [1, 2, 50])
def test_rows_without_a_key_are_counted_too(every):
    """However the forms are mixed: rows are found by their other columns, and in the order of their numbers."""
    bare = [shape(form, w=form).model_copy(update={"key": ()}) for form in ("float(32)", "float(64)")]
    ours = [(n % 3, n / 10, n / 100) for n in range(1, 201)] * 2
    theirs = [(n, *((v if i % every == 0 else single(v)) for v in values)) for i, (n, *values) in enumerate(ours)]
    counts = {"v": sum(v != single(v) for i, (_, v, _) in enumerate(ours) if i % every == 0)}
    counts["w"] = sum(w != single(w) for i, (*_, w) in enumerate(ours) if i % every == 0)
    assert said(compared((bare[0], ours), (bare[1], theirs[::-1]))) == ("equal", counts)
    wrong = compared((bare[0], ours), (bare[1], [(1, 0.15, 1.5), *theirs[1:]]))
    assert (wrong.only_left, wrong.only_right, wrong.changed, wrong.columns) == (1, 1, 0, {})
    assert {each.kind: tuple(each.key.values()) for each in wrong.differences} == {
        "only_left": ("1", "0.1", "0.01"), "only_right": ("1", "0.15", "1.5")
    }  # fmt: skip
    less = compared((bare[0], ours), (bare[1], theirs[1:]))
    assert (less.verdict, less.only_left - less.only_right, less.changed) == ("different", 1, 0)


def test_loaders_that_round_and_cut_by_turns_are_right_without_a_key():
    bare = [table("t", (), v=form, w="string") for form in ("decimal(10,3)", "decimal(10,2)")]
    ours = [("1.125", "a"), ("1.125", "a"), ("1.135", "a"), ("1.130", "b"), (None, "b")]
    theirs = [("1.12", "a"), ("1.13", "a"), ("1.14", "a"), ("1.13", "b"), (None, "b")]
    assert said(compared((bare[0], ours), (bare[1], theirs))) == ("equal", {"v": 3})
    for place, row in ((0, ("1.11", "a")), (3, ("1.12", "b")), (4, ("1.13", "b"))):
        result = compared((bare[0], ours), (bare[1], [*theirs[:place], row, *theirs[place + 1 :]]))
        assert (result.verdict, result.only_left, result.only_right) == ("different", 1, 1), row
    alone = [table("t", (), v=form) for form in ("decimal(10,3)", "decimal(10,2)")]
    assert said(compared((alone[0], [("1.125",)] * 2), (alone[1], [("1.12",), ("1.13",)]))) == ("equal", {"v": 2})


@pytest.mark.parametrize(
    ("left", "right", "ours", "theirs", "count"),
    [
        ("list(string)", "list(int(32))", ["7.4", "05"], [7, 5], 2),
        ("list(string)", "list(int(32))", ["7", "5", None], [7, 5, None], 0),
        ("list(int(32))", "list(string)", [5, None], ["+5", None], 1),
        ("list(int(32))", "list(string)", [5], ["05"], None),
        ("list(int(32))", "list(string)", [5], ["five"], None),
        ("list(list(string))", "list(list(int(32)))", [["1"], None, [], ["+2"]], [[1], None, [], [2]], 1),
        ("list(uuid)", "list(string)", [SOME, SOME], [SOME.upper(), SOME], 1),
        ("list(string)", "list(binary)", ["cafe"], [b"cafe"], 0),
        ("list(decimal(5,2))", "list(decimal(5,1))", ["1.25", "1.20"], ["1.3", "1.2"], 1),
        ("list(int(32))", "list(int(64))", [1, 2], [1, 2], 0),
    ],
)  # fmt: skip
def test_items_of_lists_are_compared_and_counted_as_values_are(left, right, ours, theirs, count):
    def made(form, value):
        if "decimal" in form:
            value = [Decimal(each) for each in value]
        return shape(form), [(1, value), (2, None), (3, []), (4, value)]

    result = compared(made(left, ours), made(right, theirs))
    if count is None:
        assert (result.verdict, result.columns) == ("different", {"v": 2})
    else:
        assert said(result) == ("equal", {"v": 2 * count} if count else {})
        strict = compared(made(left, ours), made(right, theirs), Asked(strict=True))
        assert strict.verdict == ("different" if count else "equal")


@pytest.mark.parametrize(
    ("text", "value", "there", "back"),
    [
        ("hello", b"hello", {}, {"v": 1}),
        ("cafe", b"cafe", {}, {"v": 1}),
        ("cafe", b"\xca\xfe", {"v": 1}, {}),
        ("\\xcafe", b"\xca\xfe", {"v": 1}, {}),
        ("CAFE", b"\xca\xfe", {"v": 1}, {"v": 1}),
        ("0xcafe", b"\xca\xfe", {"v": 1}, {"v": 1}),
        ("é", b"\xc3\xa9", {}, {"v": 1}),
        ("", b"", {}, {}),
        ("cafe", b"caff", None, None),
        ("hello", b"hello ", None, None),
    ],
)
def test_text_is_its_own_bytes_or_their_digits(text, value, there, back):
    words, raw = (shape("string"), [(1, text), (2, None)]), (shape("binary"), [(1, value), (2, None)])
    for (left, right), count in (((words, raw), there), ((raw, words), back)):
        result = compared(left, right)
        assert said(result) == (("equal", count) if count is not None else ("different", {})), str(left[0])
        assert compared(left, right, Asked(strict=True)).verdict == ("equal" if count == {} else "different")


@pytest.mark.parametrize("key", [("id",), ()])
@pytest.mark.parametrize("room", [20_000, 0])
@pytest.mark.parametrize("every", [1, 2, 100])
def test_text_is_bytes_in_either_way_however_many_are(monkeypatch, every, room, key):
    monkeypatch.setattr("lading.compare.few.ROWS", room)
    texts = [(n, f"{n:06d}" if n % 10 else None) for n in range(1, 301)]
    digits = {n: n % every == 0 for n, _ in texts}
    raw = [(n, None if v is None else bytes.fromhex(v) if digits[n] else v.encode()) for n, v in texts]
    words, bits = (shape(form).model_copy(update={"key": key}) for form in ("string", "binary"))
    counts = [sum(digits[n] is way for n, v in texts if v is not None) for way in (True, False)]
    for left, right, count in (((words, texts), (bits, raw), counts[0]), ((bits, raw), (words, texts), counts[1])):
        assert said(compared(left, right)) == ("equal", {"v": count} if count else {})
        wrong = compared(left, (right[0], [*right[1][:-2], (299, right[1][0][1]), right[1][-1]]))
        assert (wrong.verdict, wrong.differing) == ("different", 1 if key else 2)


def test_bytes_are_cut_as_a_loader_does():
    left = (shape("string"), [(1, "hello"), (2, "hel")])
    assert said(compared(left, (shape("binary(3)"), [(1, b"hel"), (2, b"hel")]))) == ("equal", {"v": 1})
    assert compared(left, (shape("binary(3)"), [(1, b"hex"), (2, b"hel")])).columns == {"v": 1}
