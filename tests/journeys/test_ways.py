"""Ways to compare: whatever the way, the same differences are found; what is pulled differs."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from lading import actions, config
from lading.compare import Asked, Comparison, choosing
from lading.compare.asked import Way
from tests.journeys import looks
from tests.journeys.test_repair import diff, fill, meanwhile, spoil

PAIRS = [("postgres", "mysql"), ("mysql", "duckdb"), ("duckdb", "sqlite"), ("postgres", "parquet"), ("csv", "postgres")]
OPTIONS = {"key": ["region", "id"]}


def filled(kinds: tuple[str, str], place: Callable[[str], str]) -> tuple[str, str]:
    """Both sides, a copy of each other."""
    from lading.spec import Move

    source = place("duckdb")
    fill(source, "duckdb")
    made = []
    for kind in kinds:
        made.append(place(kind))
        if kind in ("parquet", "csv"):
            assert actions.copy(Move.model_validate({"from": source, "to": made[-1]})).state == "proved"
        else:
            fill(made[-1], kind)
    return made[0], made[1]


@pytest.mark.parametrize("kinds", PAIRS, ids="-".join)
def test_in_place_finds_what_reading_finds(kinds: tuple[str, str], place: Callable[[str], str]):
    left, right = filled(kinds, place)
    same = diff(left, right, way="in place", **OPTIONS).tables[0]
    assert (same.verdict, same.way, same.rows_left, same.rows_right) == ("equal", Way.IN_PLACE, 3_000, 3_000), same
    assert same.root_left == same.root_right
    for kind, cost in zip(kinds, (same.cost_left, same.cost_right), strict=True):
        if kind in ("parquet", "csv", "sqlite"):
            assert (cost.rows, cost.bytes > 30_000) == (3_000, True), "it cannot hash its own rows"
        else:
            assert (cost.rows, cost.bytes) == (0, 0), "nothing was read"
    if kinds == ("postgres", "mysql"):
        assert None not in (same.cost_left.server_cpu_seconds, same.cost_right.server_cpu_seconds)
    spoil(right if kinds[1] != "parquet" else left)
    read, hashed = (diff(left, right, way=way, **OPTIONS).tables[0] for way in ("co-located", "in place"))
    assert (read.way, hashed.way) == (Way.CO_LOCATED, Way.IN_PLACE)
    assert hashed.differences == read.differences
    assert (hashed.only_left, hashed.only_right, hashed.changed) == (read.only_left, read.only_right, read.changed)
    assert hashed.columns == read.columns
    assert read.differing == 9
    assert hashed.cost_left.rows - same.cost_left.rows < 800, "only the rows of dirty buckets were read"
    assert hashed.cost_right.rows > same.cost_right.rows


def test_where_much_differs_all_is_read(place: Callable[[str], str]):
    left, right = filled(("postgres", "postgres"), place)
    looks.query(right, "UPDATE orders SET amount = amount + 1")
    found = diff(left, right, way="in place").tables[0]
    assert (found.way, found.changed) == (Way.CO_LOCATED, 3_000)
    assert "more than 30%" in found.why


def test_what_is_read_before_it_changes_over_is_counted(place: Callable[[str], str]):
    left, right = filled(("postgres", "parquet"), place)
    read = diff(left, right, way="co-located", **OPTIONS).tables[0]
    looks.query(left, "UPDATE orders SET amount = amount + 1")
    found = diff(left, right, way="in place", **OPTIONS).tables[0]
    assert (found.way, found.changed, found.cost_left.rows) == (Way.CO_LOCATED, 3_000, 3_000)
    assert (found.cost_right.rows, found.cost_right.bytes > 1.8 * read.cost_right.bytes) == (6_000, True)
    assert found.cost_right.cpu_seconds > 0


def test_what_cannot_be_written_in_place_is_read_and_said(place: Callable[[str], str]):
    left, right = place("postgres"), place("mysql")
    for each, kind in ((left, "jsonb"), (right, "json")):
        looks.query(each, f"CREATE TABLE t (id integer PRIMARY KEY, said {kind})")
        looks.query(each, """INSERT INTO t VALUES (1, '{"b": 1.0, "a": 2}'), (2, '[]')""")
    found = diff(left, right, way="in place").tables[0]
    assert (found.verdict, found.way) == ("equal", Way.CO_LOCATED)
    assert "not in place: 'said'" in found.why


def test_floats_are_compared_where_they_are(place: Callable[[str], str]):
    left, right = place("postgres"), place("mysql")
    singles = (n / 64 - 7 for n in range(1_000))
    rows = ", ".join(f"({n}, {math.exp(n - 500)!r}, {each}, {each})" for n, each in enumerate(singles))
    looks.query(left, "CREATE TABLE t (id integer PRIMARY KEY, big float8, small float4, wide float4)")
    looks.query(right, "CREATE TABLE t (id integer PRIMARY KEY, big double, small float, wide double)")
    for each in (left, right):
        looks.query(each, f"INSERT INTO t VALUES {rows}")
    found = diff(left, right, way="in place").tables[0]
    assert (found.verdict, found.way, found.cost_left.rows, found.cost_right.rows) == ("equal", Way.IN_PLACE, 0, 0)
    looks.query(right, f"UPDATE t SET big = {math.nextafter(math.exp(200), 0)!r} WHERE id = 700")
    found = diff(left, right, way="in place").tables[0]
    assert (found.verdict, found.way, found.columns) == ("different", Way.IN_PLACE, {"big": 1})


def test_lengths_of_texts_that_a_type_pads_are_not_compared(place: Callable[[str], str]):
    left, right, other = place("postgres"), place("mysql"), place("mysql")
    looks.query(left, "CREATE TABLE t (id integer PRIMARY KEY, v varchar(10), w varchar(10))")
    for each in (right, other):
        looks.query(each, "CREATE TABLE t (id integer PRIMARY KEY, v char(10), w char(10) CHARACTER SET latin1)")
    for each, text in ((left, "a  "), (right, "a  "), (other, "aaa")):
        looks.query(each, f"INSERT INTO t VALUES (1, '{text}', 'b '), (2, 'b', 'c')")
    assert diff(left, right).verdict == "equal"
    found = diff(left, right, way="aggregates").tables[0]
    assert found.verdict == "inconclusive"
    why = "were not compared: blanks at the end may be padding"
    assert {f"the lengths of 'v' {why}", f"the lengths of 'w' {why}"} < set(found.reasons)
    sums = diff(right, other, way="aggregates").tables[0]
    assert sums.reasons[0] == "'v' sums to 2 on the left, to 4 on the right"


def test_what_has_no_sum_is_not_summed(place: Callable[[str], str]):
    left, right = place("postgres"), place("postgres")
    for each in (left, right):
        looks.query(each, "CREATE TABLE t (id integer PRIMARY KEY, v numeric(10,2))")
        looks.query(each, "INSERT INTO t VALUES (1, 'NaN'), (2, 1)")
    found = diff(left, right, way="aggregates").tables[0]
    said = ("only counts and sums were compared", "no sums were compared of 'v'")
    assert (found.verdict, found.reasons) == ("inconclusive", said)


def test_values_that_are_narrowed_are_counted_in_place(place: Callable[[str], str]):
    left, right = place("postgres"), place("duckdb")
    looks.query(left, "CREATE TABLE t (id integer PRIMARY KEY, a numeric(12,4), b text, c timestamp)")
    looks.query(right, "CREATE TABLE t (id integer PRIMARY KEY, a decimal(12,2), b varchar, c timestamp_s)")
    for each in (left, right):
        rows = ", ".join(f"({n}, {n}.25, 'x', '2024-01-01 00:00:00')" for n in range(2_000))
        looks.query(each, f"INSERT INTO t VALUES {rows}")
    looks.query(left, "UPDATE t SET a = a + 0.0021 WHERE id < 3")
    looks.query(left, "UPDATE t SET c = c + interval '300 milliseconds' WHERE id = 9")
    for way in ("co-located", "in place"):
        found = diff(left, right, way=way).tables[0]
        assert (found.way, found.verdict, found.narrowed) == (way, "equal", {"a": 3, "c": 1})
    looks.query(right, "UPDATE t SET a = 9 WHERE id = 5")
    assert diff(left, right, way="in place").tables[0].columns == {"a": 1}


def _filled(place: Callable[[str], str], kind: str, columns: tuple[str, str], value: str) -> tuple[str, str]:
    """A table of 2,000 rows in PostgreSQL, and in another system."""
    left, right = place("postgres"), place(kind)
    rows = ", ".join(f"({n}, '{value.format(n)}')" for n in range(2_000))
    for each, column in zip((left, right), columns, strict=True):
        looks.query(each, f"CREATE TABLE t (id integer PRIMARY KEY, {column})")
        looks.query(each, f"INSERT INTO t VALUES {rows}")
    return left, right


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_blanks_that_only_the_right_drops_are_counted(kind: str, place: Callable[[str], str]):
    left, right = _filled(place, kind, ("v varchar(20)", "v char(10)"), "x{}")
    looks.query(left, "UPDATE t SET v = v || '  ' WHERE id < 3")
    looks.query(left, "UPDATE t SET v = 'abcdefghijkl  ' WHERE id = 9")
    looks.query(right, "UPDATE t SET v = 'abcdefghij' WHERE id = 9")
    for way in ("co-located", "in place"):
        found = diff(left, right, way=way).tables[0]
        assert (found.way, found.verdict, found.narrowed) == (way, "equal", {"v": 4})
        assert diff(left, right, way=way, strict=True).verdict == "different"
    for each in (left, right):
        looks.query(each, "DELETE FROM t WHERE id = 9")
    for way in ("co-located", "in place"):
        found = diff(right, left, way=way).tables[0]
        assert (found.way, found.verdict, found.narrowed) == (way, "equal", {}), "it may be padding"


@pytest.mark.parametrize("kind", ["postgres", "mysql", "duckdb", "sqlite"])
def test_a_uuid_in_capitals_is_counted_whatever_the_way(kind: str, place: Callable[[str], str]):
    left, right = _filled(place, kind, ("u uuid", "u varchar(36)"), "00000000-0000-4000-8000-{:012x}")
    for narrowed in ({}, {"u": 2}):
        for way in ("co-located", "in place"):
            found = diff(left, right, way=way).tables[0]
            assert (found.way, found.verdict, found.narrowed) == (way, "equal", narrowed)
            assert diff(left, right, way=way, strict=True).verdict == ("different" if narrowed else "equal")
        looks.query(right, "UPDATE t SET u = upper(u) WHERE id < 12")


def test_large_tables_are_hashed_where_they_are(place: Callable[[str], str], monkeypatch: pytest.MonkeyPatch):
    left, right = filled(("postgres", "duckdb"), place)
    looks.query(left, "ANALYZE")
    assert diff(left, right).tables[0].way is Way.CO_LOCATED
    monkeypatch.setattr(choosing, "LARGE", 1_000)
    found = diff(left, right).tables[0]
    assert (found.way, found.verdict) == (Way.IN_PLACE, "equal")
    assert "it can be hashed where it is" in found.why


def test_a_multiset_is_hashed_in_place(place: Callable[[str], str]):
    left, right = place("postgres"), place("mysql")
    for each, times in ((left, 3), (right, 2)):
        looks.query(each, "CREATE TABLE t (a varchar(10), b integer)")
        looks.query(each, "INSERT INTO t VALUES " + ", ".join(["('x', 1)"] * times + ["(NULL, 2)"]))
    found = diff(left, right, way="in place").tables[0]
    assert (found.verdict, found.way, found.only_left, found.only_right) == ("different", Way.IN_PLACE, 1, 0)


@pytest.mark.parametrize("kind", ["postgres", "mysql", "duckdb"])
@pytest.mark.parametrize("form", ["double precision", "real"])
def test_a_decimal_that_the_system_itself_made_of_a_float_is_equal(
    kind: str, form: str, place: Callable[[str], str]
) -> None:
    """Whatever way it goes about it: by PostgreSQL's 15 digits, the shortest text, or a product of floats."""
    here = place(kind)
    form = "float" if (kind, form) == ("mysql", "real") else form  # there 'real' has 64 bits
    looks.query(here, f"CREATE TABLE f (id integer PRIMARY KEY, v {form})")
    values = [1.005, 0.1, 1.115, 2.5, 0.30000000000000004, 123456.789, -2.675, 8.41e-5, 0.0, 7e-7]
    looks.query(here, "INSERT INTO f VALUES " + ", ".join(f"({n}, {value:.16e})" for n, value in enumerate(values)))
    for name, to in (("two", "decimal(12,2)"), ("twenty", "decimal(30,20)"), ("four", "decimal(38,4)")):
        looks.query(here, f"CREATE TABLE {name} (id integer PRIMARY KEY, v {to})")
        looks.query(here, f"INSERT INTO {name} SELECT id, v FROM f")
        found = one_table(here, name)
        assert (found.verdict, found.rows_right) == ("equal", len(values)), (name, found.differences)
        assert found.narrowed.keys() == {"v"}
        looks.query(here, f"UPDATE {name} SET v = v + 0.1 WHERE id = 3")
        assert one_table(here, name).columns == {"v": 1}


def one_table(here: str, right: str) -> Comparison:
    """The floats beside what was made of them."""
    move = config.move({"source": f"{here}#f", "target": f"{here}#{right}"})
    return actions.diff(move, Asked()).tables[0]


@pytest.mark.parametrize("every", [100, 2, 1])
def test_floats_in_another_form_are_counted_whatever_the_way(every: int, place: Callable[[str], str]):
    left, right = place("postgres"), place("duckdb")
    looks.query(left, "CREATE TABLE t (id integer PRIMARY KEY, v real)")
    looks.query(left, "INSERT INTO t SELECT n, n / 10.0 FROM generate_series(1, 2000) n")
    looks.query(right, "CREATE TABLE t (id integer PRIMARY KEY, v double)")
    text = f"CASE WHEN n % {every} = 1 % {every} THEN n / 10.0 ELSE CAST(n / 10.0 AS real) END"
    looks.query(right, f"INSERT INTO t SELECT n, {text} FROM range(1, 2001) r(n)")
    for way in ("co-located", "in place"):
        found = diff(left, right, way=way).tables[0]
        count = sum(1 for n in range(1, 2_001) if n % every == 1 % every and n % 5)
        assert (found.verdict, found.narrowed) == ("equal", {"v": count})
        assert diff(left, right, way=way, strict=True).verdict == "different"


@pytest.mark.parametrize(
    ("kind", "text", "raw"),
    [("postgres", "text", "bytea"), ("mysql", "varchar(20)", "varbinary(20)"), ("duckdb", "varchar", "blob")],
)
def test_what_the_system_itself_made_of_text_and_bytes_is_equal(
    kind: str, text: str, raw: str, place: Callable[[str], str]
) -> None:
    here = place(kind)
    looks.query(here, f"CREATE TABLE f (id integer PRIMARY KEY, v {text})")
    looks.query(here, "INSERT INTO f VALUES (1, 'hello'), (2, 'cafe'), (3, ''), (4, NULL)")
    for name, form, source in (("b", raw, "f"), ("t", text, "b")):
        looks.query(here, f"CREATE TABLE {name} (id integer PRIMARY KEY, v {form})")
        value = "v" if kind == "mysql" else f"CAST(v AS {form})"
        looks.query(here, f"INSERT INTO {name} SELECT id, {value} FROM {source}")
        move = config.move({"source": f"{here}#{source}", "target": f"{here}#{name}"})
        found = actions.diff(move, Asked()).tables[0]
        assert (found.verdict, found.rows_right) == ("equal", 4), found.differences
        looks.query(here, f"UPDATE {name} SET v = 'caff' WHERE id = 2")
        assert actions.diff(move, Asked()).tables[0].columns == {"v": 1}
        looks.query(here, f"UPDATE {name} SET v = 'cafe' WHERE id = 2")


def test_counts_and_sums_are_waited_for(place: Callable[[str], str], monkeypatch: pytest.MonkeyPatch):
    left, right = place("postgres"), place("postgres")
    for each in (left, right):
        looks.query(each, "CREATE TABLE t (id integer PRIMARY KEY, n integer); INSERT INTO t VALUES (1, 1), (2, 2)")
    more = "INSERT INTO t VALUES (3, 3)"
    looks.query(left, more)
    for where, statement, verdict, told in (
        (left, "SELECT 1", "different", 3), (left, "INSERT INTO t VALUES (4, 4)", "inconclusive", 4),
        (right, f"{more}, (4, 4)", "inconclusive", 0),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            meanwhile(patch, where, statement)
            found = diff(left, right, way="aggregates", wait_seconds=1).tables[0]
        assert (found.verdict, len(found.reasons) - 1) == (verdict, told), found.reasons
