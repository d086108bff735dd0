"""The same rows have the same profile wherever they are, and a profile in place is one scan."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from lading import actions, config, profiling
from lading.connectors.odbc import Odbc
from lading.driver import transaction
from lading.facts import Profile
from lading.spec import Move
from lading.types import parse
from tests.journeys.conftest import TARGETS
from tests.journeys.shell import lading as shell
from tests.servers import Postgres

moment = dt.datetime
UUID = "6f9619ff-8b86-d011-b42d-00c04fc964f{}"
ROWS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "id": (pa.int64(), [1, 2, -3, 40]),
    "name": (pa.string(), ["zoë 😀😀", "", "blank ", None]),
    "code": (pa.string(), ["12.50", "-1234", "0", None]),
    "padded": (pa.string(), ["007", "12", "1e3", None]),
    "born": (pa.string(), ["2024-02-29", "1999-12-31", "0001-01-01", None]),
    "leap": (pa.string(), ["2023-02-29", "1900-02-29", "2000-02-29", "24-02-29"]),
    "stamp": (pa.string(), ["2024-02-29 23:59:59", "2024-02-29T00:00:00.5", "2024-02-29 24:00:00", "2024-02-29"]),
    "instant": (pa.string(), ["2024-02-29 23:59:59Z", "2024-02-29T00:00:00.5+02:00", None, None]),
    "ident": (pa.string(), [UUID.format("a"), UUID.format("F"), UUID.format("a"), None]),
    "flag": (pa.string(), ["true", "FALSE", "0", "1"]),
    "document": (pa.string(), ['{"a": [1, "é"]}', "[]", '{"a"', "1"]),
    "script": (pa.string(), ['{"a": 1,}', "[NaN]", '["NaN, ]", "\\",]"]', None]),
    "price": (pa.decimal128(12, 4), [Decimal("12.5"), Decimal("-12345678.25"), Decimal("0"), None]),
    "big": (pa.decimal128(38, 10), [Decimal("9" * 28 + ".0000000001"), Decimal("-" + "8" * 28), Decimal("1.50"), None]),
    "ratio": (pa.float64(), [0.1, -1.5e300, 2.0, None]),
    "ok": (pa.bool_(), [True, False, True, None]),
    "day": (pa.date32(), [dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(2024, 2, 29), None]),
    "at": (pa.timestamp("us"), [moment(2024, 2, 29, 1, 2, 3, 450_000), moment(9999, 12, 31, 23, 59, 59), None, None]),
    "noon": (pa.timestamp("us"), [moment(2024, 2, 29), moment(1999, 12, 31), None, None]),
    "moment": (pa.timestamp("us", "UTC"), [moment(2024, 2, 29, 1, 2, 3, 1), moment(2001, 1, 1), None, None]),
    "tod": (pa.time64("us"), [dt.time(1, 2, 3, 120_000), dt.time(23, 59, 59), None, None]),
    "raw": (pa.binary(), [b"\x00\xff", b"", b"abc", None]),
    "void": (pa.string(), [None, None, None, None]),
}  # fmt: skip
NONE = {"number": 0, "date": 0, "timestamp": 0, "instant": 0, "uuid": 0, "bool": 0, "json": 0}
TEXT = {"empty": 0, "blanks": 0, "parses": NONE, "nulls": 1, "distinct": 3}
EXPECTED: dict[str, dict[str, Any]] = {
    "id": {"distinct": 4, "min": "-3", "max": "40", "digits": 2},
    "name": TEXT | {"min": "", "max": "zoë 😀😀", "characters": 6, "bytes": 13, "empty": 1, "blanks": 1},
    "code": TEXT | {"min": "-1234", "max": "12.50", "characters": 5, "bytes": 5, "digits": 4, "scale": 1,
                    "parses": NONE | {"number": 3, "bool": 1}},
    "padded": TEXT | {"min": "007", "max": "1e3", "characters": 3, "bytes": 3, "parses": NONE | {"number": 1}},
    "born": TEXT | {"min": "0001-01-01", "max": "2024-02-29", "characters": 10, "bytes": 10,
                    "parses": NONE | {"date": 3}},
    "leap": TEXT | {"nulls": 0, "distinct": 4, "min": "1900-02-29", "max": "24-02-29", "characters": 10, "bytes": 10,
                    "parses": NONE | {"date": 1}},
    "stamp": TEXT | {"nulls": 0, "distinct": 4, "min": "2024-02-29", "max": "2024-02-29T00:00:00.5", "characters": 21,
                     "bytes": 21, "parses": NONE | {"timestamp": 2, "date": 1}},
    "instant": TEXT | {"nulls": 2, "distinct": 2, "min": "2024-02-29 23:59:59Z", "max": "2024-02-29T00:00:00.5+02:00",
                       "characters": 27, "bytes": 27, "parses": NONE | {"instant": 2}},
    "ident": TEXT | {"distinct": 2, "min": UUID.format("F"), "max": UUID.format("a"), "characters": 36, "bytes": 36,
                     "parses": NONE | {"uuid": 3}},
    "flag": TEXT | {"nulls": 0, "distinct": 4, "min": "0", "max": "true", "characters": 5, "bytes": 5,
                    "parses": NONE | {"bool": 4, "number": 2}},
    "document": TEXT | {"nulls": 0, "distinct": 4, "min": "1", "max": '{"a": [1, "é"]}', "characters": 15, "bytes": 16,
                        "parses": NONE | {"json": 2, "number": 1, "bool": 1}},
    "script": TEXT | {"min": '["NaN, ]", "\\",]"]', "max": '{"a": 1,}', "characters": 18, "bytes": 18,
                      "parses": NONE | {"json": 1}},
    "price": {"nulls": 1, "distinct": 3, "min": "-12345678.25", "max": "12.5", "digits": 8, "scale": 2},
    "big": {"nulls": 1, "distinct": 3, "min": "-" + "8" * 28, "max": "9" * 28 + ".0000000001", "digits": 28,
            "scale": 10},
    "ratio": {"nulls": 1, "distinct": 3, "min": "-1.5e+300", "max": "2", "nan": 0, "infinite": 0},
    "ok": {"nulls": 1, "distinct": 2, "min": "0", "max": "1"},
    "day": {"nulls": 1, "distinct": 3, "min": "0001-01-01", "max": "9999-12-31"},
    "at": {"nulls": 2, "distinct": 2, "min": "2024-02-29 01:02:03.45", "max": "9999-12-31 23:59:59", "fraction": 2,
           "midnight": 0},
    "noon": {"nulls": 2, "distinct": 2, "min": "1999-12-31 00:00:00", "max": "2024-02-29 00:00:00", "fraction": 0,
             "midnight": 2},
    "moment": {"nulls": 2, "distinct": 2, "min": "2001-01-01 00:00:00", "max": "2024-02-29 01:02:03.000001",
               "fraction": 6, "midnight": 1},
    "tod": {"nulls": 2, "distinct": 2, "min": "01:02:03.12", "max": "23:59:59", "fraction": 2},
    "raw": {"nulls": 1, "distinct": 3, "bytes": 3, "empty": 1},
    "void": {"nulls": 4, "distinct": 0, "empty": 0, "blanks": 0, "parses": NONE, "digits": None, "scale": None},
}  # fmt: skip
WAYS = {"parquet": "read", "csv": "read", "sqlite": "read"}
"""SQLite is read for the sake of 'big', which is a text there."""


@pytest.fixture
def source(tmp_path) -> str:
    (tmp_path / "from").mkdir()
    arrays = [pa.array(values, type_) for type_, values in ROWS.values()]
    pq.write_table(pa.table(arrays, names=list(ROWS)), tmp_path / "from" / "rows.parquet")
    return f"parquet:///{tmp_path / 'from'}"


def there(place, source, kind: str) -> str:
    address = str(place(kind))
    actions.copy(Move(source=source, target=address, accept=("*",)))
    return address


def told(found: Profile) -> dict[str, dict[str, Any]]:
    """What a profile says, without what a system cannot tell or has no such values of."""
    plain = {
        f.column: f.model_dump(mode="json", exclude={"column", "type", "about", "masked", "lost"})
        for f in found.columns
    }
    return {
        name: {key: value for key, value in facts.items() if value not in (None, {})} for name, facts in plain.items()
    }


def expected(kind: str) -> dict[str, dict[str, Any]]:
    made = {}
    for name, facts in EXPECTED.items():
        made[name] = {"nulls": 0, **{key: value for key, value in facts.items() if value is not None}}
        if kind == "postgres":  # nothing there tells whether a text is JSON
            made[name] = {k: {w: n for w, n in v.items() if w != "json"} if k == "parses" else v
                          for k, v in made[name].items()}  # fmt: skip
    return made


def without_none(found: dict[str, dict[str, Any]], names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Without counts of what some systems do not have at all."""
    return {name: {k: v for k, v in facts.items() if k not in names or v} for name, facts in found.items()}


@pytest.mark.parametrize("kind", TARGETS)
def test_the_same_rows_have_the_same_profile(place, source, kind):
    address = there(place, source, kind)
    (found,) = actions.profile(address)
    assert found.rows == 4
    assert found.way == WAYS.get(kind, "in place"), found.why
    rare = ("nan", "infinite")
    assert without_none(told(found), rare) == without_none(expected(kind), rare)


def statements(session: Any) -> list[str]:
    """What a session's driver is asked from now on."""
    asked: list[str] = []
    query = session.driver.query

    def noted(sql: str, values: Any = ()) -> Any:
        asked.append(sql)
        return query(sql, values)

    session.driver.query = noted
    return asked


@pytest.mark.parametrize("kind", ["duckdb", "postgres", "mysql"])
def test_one_scan_in_the_pinned_snapshot(place, source, kind):
    connection: Any = config.resolve(there(place, source, kind))[1]
    with connection.open() as session, connection.open() as other:
        snapshot = session.pin()
        table = session.describe("rows")
        asked = statements(session)
        rows, facts = session.profile(table, {"price": parse("decimal(10,1)")})
        assert (rows, len(facts)) == (4, len(ROWS))
        assert len([sql for sql in asked if sql.startswith("SELECT count(*)")]) == 1
        assert snapshot
        other.driver.execute(f"INSERT INTO {other.name(table)} (id) VALUES (99)")
        assert session.profile(table, {})[0] == 4, "rows that come later are not in the snapshot"


POSTGRES = '''
CREATE TABLE "a ""b" ("say ""hi""" numeric, f real, d date, t timestamptz, c char(5), e bool, j jsonb, x int[],
    n numeric(18,4), "{v}" text, "{c}" numeric, "{n}%s" timestamp);
INSERT INTO "a ""b" VALUES
    ('NaN', 'Infinity', 'infinity', '-infinity', 'ab', true, '{"a": 1}', '{1,2}', 'NaN', '{r}', 1, 'infinity'),
    ('-123.4500', 'NaN', '0044-03-15 BC', '2024-02-29 12:00+02', 'ab   ', null, null, null, 123456.7500, null, 2, null)
'''
MYSQL = """
CREATE TABLE `a ``b` (
    `say "hi"` decimal(65,30), f float, e enum('x', 'é'), c varchar(9) character set latin1 collate latin1_swedish_ci,
    u bigint unsigned, y year, b bit(3),
    `{v}` varchar(9), `{s}` decimal(5,2));
INSERT INTO `a ``b` VALUES
    (12345678901234567890123456789012345.5, 0.1, 'é', 'é', 18446744073709551615, 2024, 5, '{v}', 1.5),
    (-1, 1e30, 'x', 'E', 0, 1999, 1, null, 0), (null, null, null, 'é ', null, null, null, null, null)
"""
DUCKDB = '''
CREATE TABLE "a ""b" ("say ""hi""" hugeint, f float, d date, n timestamp_ns, c varchar[], u uuid, j json, t timestamp,
    "{r}" decimal(5,2));
INSERT INTO "a ""b" VALUES
    (170141183460469231731687303715884105727, 'nan', 'infinity', '2024-02-29 00:00:00.123456789', ['a'],
     '6F9619FF-8B86-D011-B42D-00C04FC964FF', '[1]', '-infinity', 1.5),
    (0, 0.1, '2024-01-01', null, null, null, null, '2024-01-01 00:00:00.5', 2)
'''
NATIVE: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "postgres": (
        POSTGRES,
        {
            'say "hi"': {"nan": 1, "infinite": 0, "min": "-123.45", "max": "-123.45", "digits": 3, "scale": 2},
            "f": {"nan": 1, "infinite": 1, "min": None},
            "d": {"infinite": 1, "min": "0044-03-15 BC"},
            "t": {"infinite": 1, "min": "2024-02-29 10:00:00", "fraction": 0},
            "c": {"distinct": 1, "characters": 2, "blanks": 0},
            "e": {"min": "1", "nulls": 1},
            "j": {"characters": 8},
            "x": {"distinct": 1, "nulls": 1},
            "n": {"nan": 1, "min": "123456.75", "max": "123456.75", "digits": 6, "scale": 2},
            "{v}": {"min": "{r}", "characters": 3},
            "{c}": {"min": "1", "max": "2", "digits": 1},
            "{n}%s": {"infinite": 1, "min": None, "midnight": 0},
        },
    ),
    "mysql": (
        MYSQL,
        {
            'say "hi"': {"min": "-1", "max": "12345678901234567890123456789012345.5", "digits": 35, "scale": 1},
            "f": {"min": "0.1", "max": "1e+30"},
            "e": {"characters": 1, "bytes": 2, "max": "é"},
            "c": {"distinct": 3, "bytes": 3, "blanks": 1},
            "u": {"max": str(2**64 - 1)},
            "y": {"max": "2024", "digits": 4},
            "b": {"max": "5", "min": "1"},
            "{v}": {"min": "{v}", "characters": 3},
            "{s}": {"max": "1.5", "scale": 1},
        },
    ),
    "duckdb": (
        DUCKDB,
        {
            'say "hi"': {"max": "170141183460469231731687303715884105727", "digits": 39, "scale": 0},
            "f": {"nan": 1, "max": "0.1"},
            "d": {"infinite": 1, "max": "2024-01-01"},
            "n": {"fraction": 9, "max": "2024-02-29 00:00:00.123456789", "midnight": 0},
            "c": {"distinct": 1},
            "u": {"min": "6f9619ff-8b86-d011-b42d-00c04fc964ff"},
            "j": {"characters": 3},
            "t": {"infinite": 1, "fraction": 1, "midnight": 0, "min": "2024-01-01 00:00:00.5"},
            "{r}": {"min": "1.5", "max": "2", "scale": 1},
        },
    ),
}


@pytest.mark.parametrize("kind", NATIVE)
def test_what_only_one_system_has(place, kind):
    address, (made, wanted) = str(place(kind)), NATIVE[kind]
    connection: Any = config.resolve(address)[1]
    with connection.open() as session:
        for statement in made.split(";\n"):
            with transaction(session.driver):
                session.driver.execute(statement)
    (found,) = actions.profile(address)
    assert (found.way, found.rows) == ("in place", 3 if kind == "mysql" else 2), found.why
    for f in found.columns:
        expected = wanted[f.column]
        assert {name: getattr(f, name) for name in expected} == expected, f.column


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_estimates_are_near_and_marked(place, kind, tmp_path, monkeypatch):
    (tmp_path / "from").mkdir()
    rows = pa.table({"few": [f"v{n % 7}" for n in range(20_000)], "many": list(range(20_000))})
    pq.write_table(rows, tmp_path / "from" / "rows.parquet")
    address = there(place, f"parquet:///{tmp_path / 'from'}", kind)
    monkeypatch.setattr("lading.measuring.SMALL_BYTES", 0)
    few, many = actions.profile(address)[0].columns
    assert (few.about, few.distinct, many.about) == (True, 7, True)
    assert 15_000 < (many.distinct or 0) < 25_000


@pytest.mark.parametrize(("kind", "fixture"), [("postgres", "pg"), ("mysql", "maria")])
def test_through_odbc(source, kind, fixture, request):
    odbc = Odbc(connection=SecretStr(request.getfixturevalue(f"{fixture}_odbc")), dialect=kind)
    actions.copy(Move(source=source, target=request.getfixturevalue(f"{fixture}_database"), accept=("*",)))
    with odbc.open() as session:
        (found,) = profiling.profiled(odbc, session, ("rows",), (None, {}))
    assert found.way == "in place", found.why
    rare = ("nan", "infinite")
    assert without_none(told(found), rare) == without_none(expected(kind), rare)


def test_a_table_that_may_not_be_read_does_not_stop_the_others(postgres: Postgres, pg_database: str, tmp_path: Path):
    name, role = pg_database.rpartition("/")[2], f"r{secrets.token_hex(4)}"
    tables = "".join(f"CREATE TABLE {table} (id int); INSERT INTO {table} VALUES (1); " for table in "abc")
    postgres.execute(f"{tables} CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT SELECT ON a, c TO {role}", name)
    url = f"postgresql://{role}:x@127.0.0.1:{postgres.port}/{name}"
    try:
        done = shell("profile", url, cwd=tmp_path)
        found = json.loads(shell("profile", url, "--json", cwd=tmp_path).out)["profiles"]
        alone = shell("profile", f"{url}#b", cwd=tmp_path)
        kept = shell("profile", url, "--last", cwd=tmp_path)
    finally:
        postgres.execute(f"DROP OWNED BY {role}; DROP ROLE {role}", name)
    assert (done.code, done.err.splitlines()[-1]) == (1, "error: 1 of 3 tables not profiled: b")
    assert [(each["table"], each["way"], each["rows"]) for each in found] == [
        ("a", "in place", 1), ("b", "none", 0), ("c", "in place", 1)
    ]  # fmt: skip
    assert "permission denied" in found[1]["why"]
    assert (alone.code, "permission denied" in alone.err) == (1, True)
    assert (kept.code, "Profile  c  1 row" in kept.out) == (1, True)
