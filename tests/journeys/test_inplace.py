"""Hashing in place: every system says the same of the same rows, whatever its session is set to, and of no others."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lading import config
from lading.canon import Compared
from lading.compare.pairing import pairing
from lading.connector import WHOLE
from lading.digest import Tally
from lading.driver import transaction
from lading.errors import Unsupported
from lading.fingerprint import Fingerprint, differing, fingerprint_of
from lading.schema import Table
from lading.sql import SqlSession
from lading.testing.steps import Row, batch, found, put, table
from tests.servers import MariaDB

SYSTEMS = ("postgres", "mysql", "sqlite", "duckdb")
AWKWARD = {
    "postgres": (
        "SET TimeZone = 'America/New_York'", "SET DateStyle = 'SQL, DMY'", "SET IntervalStyle = 'sql_standard'",
        "SET bytea_output = 'escape'", "SET extra_float_digits = -15", "SET lc_numeric = 'C'", "SET lc_monetary = 'C'",
        "SET standard_conforming_strings = on", "SET array_nulls = off",
    ),
    "mysql": (
        "SET time_zone = '+05:45'", "SET lc_time_names = 'de_DE'", "SET div_precision_increment = 0",
        "SET sql_mode = 'PAD_CHAR_TO_FULL_LENGTH,STRICT_ALL_TABLES'", "SET collation_connection = latin1_german2_ci",
    ),
    "duckdb": ("SET TimeZone = 'Asia/Tokyo'", "SET default_collation = 'NOCASE'"),
    "sqlite": ("PRAGMA case_sensitive_like = ON",),
}  # fmt: skip
"""What people set for themselves: none of it may show in a canonical text."""
SHARED = table(
    "shared", id="int(64)!", flag="bool", small="int(16)", amount="decimal(18,2)", rate="decimal(38,10)",
    whole="decimal(20,0)", name="string", code="string(20)", raw="binary", day="date", clock="time(6)",
    moment="timestamp(6)", instant="timestamp(6,utc)", uid="uuid",
)  # fmt: skip
WORDS = [
    "",
    " ",
    "a ",
    "A",
    "~",
    "|",
    "NULL",
    "1:a",
    "'",
    '"',
    "\\",
    "\\N",
    "%s",
    "é",
    "e\u0301",
    "😀",
    "\n",
    "\r\n",
    "a|b",
]


def rows(count: int) -> list[Row]:
    """Rows of which every value is NULL now and then."""
    chance = random.Random(7)

    def row(n: int) -> Row:
        moment = (
            f"{chance.choice(['0001-01-01', '1969-12-31', '2024-10-27', '9999-12-31'])} 02:30:00.{n % 1_000_000:06d}"
        )
        values: list[Any] = [
            chance.random() < 0.5, chance.randint(-32768, 32767), f"{chance.randint(-(10**12), 10**12) / 100:.2f}",
            f"{chance.randint(-9, 9)}.{chance.randint(0, 10**10 - 1):010d}", str(10 ** chance.randint(0, 19)),
            chance.choice(WORDS) * chance.randint(0, 3), chance.choice(WORDS), chance.randbytes(chance.randint(0, 9)),
            chance.choice(["0001-01-01", "1969-12-31", "1582-10-10", "2024-02-29", "9999-12-31"]),
            f"{chance.randint(0, 23):02d}:00:59.{chance.randint(0, 999_999):06d}", moment,
            f"20{chance.randint(10, 37)}-10-27 01:30:00.{chance.randint(0, 999_999):06d}",
            f"{chance.getrandbits(128):032x}",
        ]  # fmt: skip
        uid = values[-1]
        values[-1] = "-".join((uid[:8], uid[8:12], uid[12:16], uid[16:20], uid[20:]))
        return (n, *(None if chance.random() < 0.05 else value for value in values))

    return [row(n) for n in range(count)]


@contextmanager
def opened(kind: str, address: str, awkward: bool = True) -> Iterator[SqlSession]:
    with config.at(address).open() as session:
        assert isinstance(session, SqlSession)
        for statement in AWKWARD[kind] if awkward else ():
            session.driver.execute(statement)
        yield session


def compared(source: Table) -> list[Compared]:
    return [Compared(name=column.name, type=column.type) for column in source.columns]


@pytest.mark.parametrize("key", [("id",), ("code", "day", "id"), ()], ids=["key", "composite", "none"])
def test_every_system_says_the_same(place: Callable[[str], str], key: tuple[str, ...]):
    """In place in four databases, and computed here of the rows that were written."""
    made, columns = rows(3_000), compared(SHARED)
    ours = fingerprint_of([batch(SHARED, made)], SHARED.columns, columns, key, 256)
    assert sum(each.rows for each in ours.values()) == len(made)
    for kind in SYSTEMS:
        address = place(kind)
        with opened(kind, address, awkward=False) as session:
            put(session, SHARED, made)
            there = found(session, "shared")
            assert session.unrendered(there, columns) == {}
        with opened(kind, address) as session:
            assert session.fingerprints(there, columns, key, 256) == ours, kind


def test_floats_by_their_bits(place: Callable[[str], str]):
    """MariaDB has neither NaN nor infinity, SQLite no NaN."""
    source = table("floats", id="int(64)!", small="float(32)", big="float(64)")
    chance = random.Random(3)
    made: list[Row] = [(n, chance.randint(-(2**24), 2**24) / 64, chance.lognormvariate(0, 200)) for n in range(500)]
    made += [(1_000 + n, v, v) for n, v in enumerate([0.0, -0.0, None, float("inf"), float("-inf"), float("nan")])]
    for kind, count in {"postgres": 506, "duckdb": 506, "sqlite": 505, "mysql": 503}.items():
        with opened(kind, place(kind)) as session:
            put(session, source, made[:count])
            there = found(session, "floats")
            assert session.unrendered(there, compared(there)) == {}
            ours = fingerprint_of([batch(source, made[:count])], source.columns, compared(source), ("id",), 64)
            assert session.fingerprints(there, compared(there), ("id",), 64) == ours, kind


def test_one_bit_of_a_float_shows(place: Callable[[str], str]):
    source = table("floats", id="int(64)!", big="float(64)")
    for kind in SYSTEMS:
        address = place(kind)
        with opened(kind, address) as session:
            marks = []
            for value in (0.1, 0.1 + 2**-56):
                put(session, source, [(1, value)])
                marks.append(session.fingerprints(found(session, "floats"), compared(source), ("id",), 4))
        assert marks[0] != marks[1], kind


def _scenarios() -> dict[str, tuple[Callable[[int], tuple[Any, ...]], Callable[[int], tuple[Any, ...]]]]:
    """Rows of two texts and two numbers: on the left, and on the right. All but the first are not the same."""
    return {
        "same": (lambda n: (f"x{n}", None, n, None), lambda n: (f"x{n}", None, n, None)),
        "separator": (lambda n: (f"{n}a|b", "c", 1, 1), lambda n: (f"{n}a", "b|c", 1, 1)),
        "joined": (lambda n: (f"{n}ab", "c", 1, 1), lambda n: (f"{n}a", "bc", 1, 1)),
        "length": (lambda n: (f"{n}1:a", "", 1, 1), lambda n: (f"{n}", "1:a", 1, 1)),
        "lengths": (lambda n: ("a", f"{n}2:bc", 1, 1), lambda n: (f"a{n}2:", "bc", 1, 1)),
        "null": (lambda n: (f"{n}", None, 1, 1), lambda n: (f"{n}", "~", 1, 1)),
        "null word": (lambda n: (None, f"{n}", 1, 1), lambda n: ("<null>", f"{n}", 1, 1)),
        "empty": (lambda n: (f"{n}", None, 1, 1), lambda n: (f"{n}", "", 1, 1)),
        "blank": (lambda n: (f"{n}", "a", 1, 1), lambda n: (f"{n}", "a ", 1, 1)),
        "numbers": (lambda n: (None, None, n + 1, 11), lambda n: (None, None, int(f"{n + 1}1"), 1)),
        "null number": (lambda n: (None, None, n, None), lambda n: (None, None, None, n)),
        "columns": (lambda n: (f"{n}", "y", 1, 2), lambda n: ("y", f"{n}", 1, 2)),
        "rows": (lambda n: (f"{n}", f"v{n}", 1, 1), lambda n: (f"{n}", f"v{n ^ 1}", 1, 1)),
        "doubled": (lambda n: (f"{n // 2}", "d", 1, 1), lambda n: (f"{(n + 1) // 2}", "d", 1, 1)),
    }


TWINS = table("twins", (), scenario="string(20)", a="string(30)", b="string(30)", n="int(64)", m="int(64)")


@pytest.mark.parametrize("count", [5, 4_300], ids=["5", "60,000"])
@pytest.mark.parametrize("kind", SYSTEMS)
def test_rows_made_to_look_alike(place: Callable[[str], str], kind: str, count: int):
    """Without keys: every scenario's rows differ as a whole, each in its own bucket; and equal ones do not."""
    scenarios = _scenarios()
    columns, sides = compared(TWINS), []
    with opened(kind, place(kind)) as session:
        for side in (0, 1):
            made: list[Row] = [(name, *pair[side](n)) for name, pair in scenarios.items() for n in range(count)]
            put(session, TWINS, made[:: 1 - 2 * side])
            there = found(session, "twins")
            # The name is no key of the rows, it only gathers each scenario's in one bucket.
            sides.append(session.fingerprints(there, columns, ("scenario",), 1 << 16))
            whole = session.fingerprints(there, columns, (), 1 << 8)
            assert sum(each.rows for each in whole.values()) == len(made)
    places = _places(list(scenarios))
    assert len(set(places.values())) == len(scenarios)
    wrong = {name for name, bucket in places.items() if bucket in differing(*sides)}
    assert wrong == set(scenarios) - {"same"}


def _places(names: list[str]) -> dict[str, int]:
    """The bucket of each scenario."""
    column = table("names", (), scenario="string(20)")
    key = compared(column)
    return {
        name: next(iter(fingerprint_of([batch(column, [(name,)])], column.columns, key, (), 1 << 16))) for name in names
    }


UNLIKE = {
    "postgres": (
        ("CREATE TABLE t (id integer PRIMARY KEY, code char(10), uid uuid, ok boolean, amount numeric(18,2), "
        "day date, moment timestamptz, real4 real, span interval, tags text[])"),
        ("INSERT INTO t VALUES (1, 'a', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', true, 1.50, '2024-02-29', "
        "'2024-10-27 02:30:00.5+01', 0.1, '14 mons -3 days 04:05:06.5', ARRAY['x', NULL, 'y\"']), "
        "(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), "
        "(3, 'b c', 'ffffffff-ffff-ffff-ffff-ffffffffffff', false, -0.10, '0001-01-01', '0001-01-01 00:00:00+00', "
        "'-inf', '-1 day', ARRAY[]::text[])"),
    ),
    "duckdb": (
        ("CREATE TABLE t (id DECIMAL(10,0), code VARCHAR, uid VARCHAR, ok SMALLINT, amount DECIMAL(20,4), "
        "day TIMESTAMP, moment TIMESTAMP, real4 DOUBLE, span INTERVAL, tags VARCHAR[])"),
        ("INSERT INTO t VALUES (3, 'b c   ', 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF', 0, -0.1, '0001-01-01', "
        "'0001-01-01', '-inf', INTERVAL '-1 day', []), "
        "(1, 'a', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1, 1.5, '2024-02-29', '2024-10-27 01:30:00.5', "
        "0.1::FLOAT, INTERVAL '14 months' - INTERVAL '3 days' + INTERVAL '14706500 milliseconds', ['x', NULL, 'y\"']), "
        "(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"),
    ),
}  # fmt: skip


def test_columns_of_unlike_types(place: Callable[[str], str]):
    """Also those of the key: both sides are written in the type that pairing chooses."""
    addresses = {kind: place(kind) for kind in UNLIKE}
    marks: list[Fingerprint] = []
    with opened("postgres", addresses["postgres"]) as left, opened("duckdb", addresses["duckdb"]) as right:
        for kind, session in (("postgres", left), ("duckdb", right)):
            with transaction(session.driver):
                for statement in UNLIKE[kind]:
                    session.driver.execute(statement)
        ours, theirs = found(left, "t"), found(right, "t")
        paired = pairing(ours, theirs, ("id",))
        assert len(paired.compared) == len(ours.columns)
        for session, there, mine in ((left, ours, True), (right, theirs, False)):
            columns = [
                Compared(name=(pair.left if mine else pair.right).name, type=pair.type, padded=pair.padded)
                for pair in paired.compared if pair.type
            ]  # fmt: skip
            assert session.unrendered(there, columns) == {}
            marks.append(session.fingerprints(there, columns, paired.key, 64))
            read = fingerprint_of(session.read(there, WHOLE), there.columns, columns, paired.key, 64)
            assert read == marks[-1]
    assert marks[0] == marks[1]
    assert sum(each.rows for each in marks[0].values()) == 3


def test_what_is_no_value_equals_none(place: Callable[[str], str]):
    """Values that no canonical type has, and that a read would stop at, do not look like any other, nor like NULL."""
    odd = {
        "sqlite": [("day DATE", "'2024-02-30'", "'2024-03-01'"), ("day DATE", "'x'", "NULL"),
                   ("m DATETIME", "'2024-01-01 25:00:00'", "NULL"), ("t TIME(6)", "'1:00'", "NULL"),
                   ("m DATETIME", "'2024-01-01 00:00:00.1234567'", "'2024-01-01 00:00:00.123456'"),
                   ("d DECIMAL(10,2)", "1.234", "1.23"), ("d TEXT_DECIMAL(20,2)", "'x'", "NULL")],
        "mysql": [("day DATE", "'0000-00-00'", "NULL"), ("m DATETIME", "'0000-00-00 00:00:00'", "NULL"),
                  ("day DATE", "'2024-02-30'", "'2024-03-01'"), ("day DATE", "'2023-02-29'", "NULL"),
                  ("m DATETIME(6)", "'2023-11-31 01:00:00.5'", "'2023-12-01 01:00:00.5'"),
                  ("t TIME(6)", "'-00:00:00.5'", "'00:00:00.5'"),
                  ("i TIMESTAMP NULL", "'0000-00-00 00:00:00'", "NULL"), ("b TINYINT(1)", "2", "1")],
        "postgres": [("day date", "'infinity'", "'-infinity'"), ("m timestamp", "'infinity'", "NULL"),
                     ("n numeric", "'NaN'", "NULL"), ("a int[]", "'[0:1]={1,2}'", "'{1,2}'")],
        "duckdb": [("day DATE", "'infinity'", "'-infinity'"), ("m TIMESTAMP", "'infinity'", "NULL")],
    }  # fmt: skip
    for kind, pairs in odd.items():
        address = place(kind)
        with opened(kind, address) as session:
            if kind == "mysql":
                session.driver.execute("SET sql_mode = 'ALLOW_INVALID_DATES'")
            for n, (column, *values) in enumerate(pairs):
                marks = []
                for m, value in enumerate(values):
                    with transaction(session.driver):
                        session.driver.execute(f"CREATE TABLE t{n}_{m} ({column})")
                        session.driver.execute(f"INSERT INTO t{n}_{m} VALUES ({value})")
                    there = found(session, f"t{n}_{m}")
                    marks.append(session.fingerprints(there, compared(there), (), 1))
                assert marks[0] != marks[1], (kind, column)
                assert [mark[0].rows for mark in marks] == [1, 1]


def test_the_days_of_the_year_0_are_counted_as_they_are_read(place: Callable[[str], str]):
    """MariaDB has a year 0 of 365 days, everybody else one of 366."""
    days = ("0000-01-01", "0000-02-28", "0000-03-01", "0000-12-31", "0001-01-01", "0004-02-29")
    with opened("mysql", place("mysql")) as session:
        session.driver.execute("CREATE TABLE t (id INT PRIMARY KEY, d DATE, m DATETIME(6))")
        for n, day in enumerate(days):
            session.driver.execute(f"INSERT INTO t VALUES ({n}, '{day}', '{day} 23:59:59.000001')")
        there = found(session, "t")
        read = list(session.read(there, WHOLE))
        marks = session.fingerprints(there, compared(there), ("id",), 64)
        assert marks == fingerprint_of(read, there.columns, compared(there), ("id",), 64)
        told, tally = session.digest(there, WHOLE), Tally(there.columns)
        for batch in read:
            tally.add(batch)
        assert told is not None
        assert told.columns["d"] == tally.reading().columns["d"]


def test_a_row_too_long_to_hash_is_refused(place: Callable[[str], str], mariadb: MariaDB):
    """MariaDB makes NULL of a text beyond its packet; of two such rows, nobody may say that they are equal."""
    ((before,),) = mariadb.execute("SELECT @@GLOBAL.max_allowed_packet")
    mariadb.execute("SET GLOBAL max_allowed_packet = 1048576")
    try:
        with opened("mysql", place("mysql")) as session:
            session.driver.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, a LONGTEXT, b LONGTEXT)")
            session.driver.execute("INSERT INTO t VALUES (1, repeat('x', 600000), repeat('y', 600000)), (2, '', '')")
            session.driver.execute("CREATE TABLE one (id BIGINT PRIMARY KEY, a LONGTEXT)")
            session.driver.execute("INSERT INTO one VALUES (1, repeat('x', 1048570))")
            session.driver.execute("CREATE TABLE raw (id BIGINT PRIMARY KEY, a LONGBLOB)")
            session.driver.execute("INSERT INTO raw VALUES (1, repeat('x', 600000))")  # has twice as many digits
            for name in ("t", "one", "raw"):
                there = found(session, name)
                with pytest.raises(Unsupported, match=f"'{name}' has a row that is too long"):
                    session.fingerprints(there, compared(there), ("id",), 4)
    finally:
        mariadb.execute(f"SET GLOBAL max_allowed_packet = {before}")


@pytest.mark.parametrize(
    ("kind", "count"), [("postgres", 1_500), ("mysql", 1_000), ("sqlite", 1_500), ("duckdb", 1_500)]
)
def test_a_wide_table_in_groups(place: Callable[[str], str], kind: str, count: int):
    """In one statement, with a key and without; one value of the last column shows."""
    wide = table("wide", id="int(64)!", **{f"c{n}": "int(32)" for n in range(count - 1)})
    made: list[Row] = [(n, *(None if (n + m) % 7 == 0 else n * m for m in range(count - 1))) for n in range(1, 4)]
    columns = compared(wide)
    with opened(kind, place(kind), awkward=False) as session:
        put(session, wide, made)
        there = found(session, "wide")
        for key in (("id",), ()):
            ours = fingerprint_of([batch(wide, made)], wide.columns, columns, key, 16)
            assert session.fingerprints(there, columns, key, 16) == ours
            other = [(*made[0][:-1], 5), *made[1:]]
            assert fingerprint_of([batch(wide, other)], wide.columns, columns, key, 16) != ours
