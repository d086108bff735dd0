"""Profiles of SQLite and memory: awkward values, what is kept, and what is made of it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lading import actions, config, profiles, profiling
from lading.connector import Profiles, Slice
from lading.connectors.sqlite import SQLite
from lading.errors import DataError, SpecError, Unsupported
from lading.facts import Facts, Observed, Profile, suggestions
from lading.plan import Side, plan
from lading.schema import Column, Table, losses
from lading.spec import Move
from lading.types import parse


class Batches:
    """A session that can only be read."""

    def __init__(self, *batches: pa.RecordBatch) -> None:
        self.held, self.reads = batches, 0

    def read(self, table: Table, _slice: Slice) -> Iterator[pa.RecordBatch]:
        self.reads += 1
        yield from (batch.select([c.name for c in table.columns]) for batch in self.held)


def seen(type_: str, values: list[Any], target: str = "") -> Facts:
    """The facts of one column that is read."""
    column = Column(name="v", type=parse(type_))
    array = pa.array(values, column.type.arrow())
    session: Any = Batches(pa.record_batch([array], names=["v"]))
    targets = {"v": parse(target)} if target else {}
    rows, (facts,) = profiling.read(session, Table(name="t", columns=(column,)), targets)
    assert rows == len(values)
    return facts


def made(path, statements: str) -> str:
    with sqlite3.connect(path) as db:
        db.executescript(statements)
    db.close()
    return str(path)


@pytest.mark.parametrize(
    ("type_", "values", "expected"),
    [
        ("float(64)", [float("nan"), float("inf"), -1.5, None],
         {"nan": 1, "infinite": 1, "min": "-1.5", "max": "-1.5"}),
        ("float(32)", [0.1, 0.2], {"min": "0.1", "max": "0.2"}),
        ("decimal", ["1.50", "-" + "9" * 60, "NaN", "Infinity"],
         {"min": "-" + "9" * 60, "max": "1.5", "digits": 60, "scale": 1, "nan": 1, "infinite": 1}),
        ("decimal(38,38)", [Decimal("0." + "1" * 38)], {"digits": 0, "scale": 38}),
        ("decimal(76,2)", [Decimal("9" * 74 + ".25"), None], {"digits": 74, "scale": 2, "nulls": 1}),
        ("string", ["é😀", "\n", "x" * 300], {"characters": 300, "min": "\n", "max": "é😀", "bytes": 300}),
        ("string", ["😀" * 3], {"characters": 3, "bytes": 12}),
        ("string", [], {"nulls": 0, "distinct": 0, "min": None, "characters": None, "empty": 0}),
        ("string", [None, None], {"nulls": 2, "distinct": 0, "digits": None}),
        ("time(9)", [3_600_000_000_001, 0], {"fraction": 9, "min": "00:00:00"}),
        ("timestamp(9)", [1_700_000_000_123_000_000], {"fraction": 3, "midnight": 0}),
        ("interval", [(1, 2, 3), (1, 2, 3), None], {"distinct": 1, "nulls": 1, "min": None}),
        ("list(int(32))", [[1, 2], [], None], {"distinct": 2, "nulls": 1}),
        ("list(json)", [[None], ["null"], ["1"]], {"distinct": 3}),
        ("json", ['{"a":1}', None], {"characters": 7, "nulls": 1, "min": None}),
        ("uuid", ["6F9619FF-8B86-D011-B42D-00C04FC964FF"], {"min": "6f9619ff-8b86-d011-b42d-00c04fc964ff"}),
        ("int(64,unsigned)", [2**64 - 1, 0], {"max": str(2**64 - 1), "digits": 20}),
    ],
)  # fmt: skip
def test_awkward_values(type_, values, expected):
    facts = seen(type_, values)
    assert {name: getattr(facts, name) for name in expected} == expected


def test_text_that_is_longer_than_is_kept():
    assert seen("string", ["a" * 150]).max == "a" * 100


def test_what_is_lost_is_counted_where_it_is_read():
    assert seen("float(64)", [0.1, 1.5, float("nan"), 1e300], "decimal(10,1)").lost == {"decimal(10,1)": 2}
    assert seen("string", ["2024-02-29 10:00:00", "no", None], "timestamp(6)").lost == {"timestamp(6)": 1}
    assert seen("string", ["1", "12", "123"], "string(2)").lost == {"string(2)": 1}


@pytest.mark.parametrize(
    ("target", "lost"),
    [("int(32)", ["05", "+5", "5e0", "-0", "5.0", "00", "x"]), ("decimal(6,2)", ["05", "+5", "5e0", "00", "x"]),
     ("float(64)", ["05", "+5", "00", "x"])],
)  # fmt: skip
def test_texts_that_a_number_would_write_otherwise_are_lost(target, lost):
    """As comparing counts them."""
    every = ["05", "+5", "5e0", "-0", "5.0", "00", "x", "5", "0", "-5", None]
    assert seen("string", every, target).lost == {target: len(lost)}
    for text in every:
        assert seen("string", [text], target).lost == {target: int(text in lost)}, text


def test_a_wide_table_is_held_once_and_a_large_one_read_in_parts(monkeypatch):
    names = [f"c {n}" for n in range(120)]
    table = Table(name="t", columns=tuple(Column(name=name, type=parse("int(64)")) for name in names))
    session: Any = Batches(pa.record_batch([pa.array([n, n, None]) for n in range(120)], names=names))
    rows, facts = profiling.read(session, table, {})
    assert (rows, session.reads, len(facts)) == (3, 1, 120)
    assert [(f.column, f.min, f.about) for f in facts] == [(name, str(n), False) for n, name in enumerate(names)]
    monkeypatch.setattr(profiling, "HELD_BYTES", 100)
    rows, facts = profiling.read(session, table, {})
    assert (rows, session.reads) == (3, 5), "once to see that it is large, and once for each fifty columns"
    assert [(f.column, f.min, f.about) for f in facts] == [(name, str(n), True) for n, name in enumerate(names)]


def test_memory_stays_bounded():
    code = """
import pyarrow as pa
from lading import profiling
from lading.run import peak_memory
from lading.schema import Column, Table
from lading.types import parse
class Long:
    def read(self, table, _slice):
        for n in range(24):
            yield pa.record_batch([pa.array([f"{n * 40_000 + i:0500d}" for i in range(40_000)])], names=["v"])
profiling.read(Long(), Table(name="t", columns=(Column(name="v", type=parse("string")),)), {})
print(int(peak_memory() / 2**20))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 420, "480 MB of text in all"


def test_in_place_is_one_statement(tmp_path):
    address = made(tmp_path / "a.db", 'CREATE TABLE t ("a ""b" TEXT, n INTEGER); INSERT INTO t VALUES (\'x\', 1)')
    connection = config.resolve(address)[1]
    with connection.open() as session:
        assert isinstance(session, Profiles)
        table = session.describe("t")
        assert table is not None
        statements: list[str] = []
        driver: Any = session.driver  # type: ignore[attr-defined]
        query = driver.query

        def noted(sql: str, values: Any = ()) -> Any:
            statements.append(sql)
            return query(sql, values)

        driver.query = noted
        rows, facts = session.profile(table, {"n": parse("int(8)")})
        assert (rows, [f.column for f in facts], len(statements)) == (1, ['a "b', "n"], 1)


def test_1500_columns_are_a_few_statements_in_place(tmp_path):
    columns = ", ".join(f'"column {n}" INTEGER' for n in range(1_500))
    values = ", ".join(map(str, range(1_500)))
    address = made(tmp_path / "a.db", f"CREATE TABLE t ({columns}); INSERT INTO t VALUES ({values})")
    (found,) = actions.profile(address)
    assert (found.way, len(found.columns), found.columns[1_499].max) == ("in place", 1_500, "1499")


def test_a_value_of_another_kind_stops_it_by_name(tmp_path):
    address = made(tmp_path / "a.db", "CREATE TABLE t (n INTEGER); INSERT INTO t VALUES ('x')")
    with pytest.raises(DataError, match="Column 'n' of 't' is declared INTEGER and holds 'x'"):
        actions.profile(address)


def test_a_text_in_a_column_of_decimals_is_no_zero(tmp_path):
    address = made(tmp_path / "a.db", "CREATE TABLE t (n DECIMAL(9,2)); INSERT INTO t VALUES (1.5), ('x')")
    with pytest.raises(DataError, match=r"Column 'n' of 't' is declared DECIMAL\(9,2\) and holds 'x'"):
        actions.profile(address)


@pytest.mark.parametrize("rows", ["", "INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES"])
def test_where_there_are_no_values_nothing_is_least(tmp_path, rows):
    address = made(tmp_path / "a.db", f"CREATE TABLE t (n DECIMAL(9,2), f REAL, i INTEGER, s TEXT, t DATETIME); {rows}")
    (found,) = actions.profile(address)
    assert [(f.min, f.max, f.digits, f.scale, f.fraction, f.characters) for f in found.columns] == [(None,) * 6] * 5
    assert [s.type for s in suggestions(found)] == [f.type for f in found.columns]


def test_names_that_templates_have_too(tmp_path):
    words = ["{v}", "{r}", "{c}", "{s}", "{n}", "%s"]
    columns = ", ".join(f'"{word}" DECIMAL(9,2)' for word in words)
    address = made(
        tmp_path / "a.db", f"CREATE TABLE t ({columns}, d DECIMAL); INSERT INTO t VALUES (1, 2, 3, 4, 5, 6, 7)"
    )
    (found,) = actions.profile(address, into="int")
    assert [(f.column, f.max) for f in found.columns] == [*zip(words, "123456", strict=True), ("d", "7")]


def test_of_several_tables_one_that_cannot_be_read_does_not_stop_the_others(tmp_path):
    address = made(
        tmp_path / "a.db", "CREATE TABLE t (n INTEGER); INSERT INTO t VALUES ('x'); CREATE TABLE u (n INTEGER)"
    )
    bad, good = actions.profile(address)
    assert (bad.way, good.way) == ("none", "in place")
    assert "holds 'x'" in bad.why


def test_names_and_types_are_checked(tmp_path):
    address = made(tmp_path / "a.db", "CREATE TABLE t (n INTEGER, d DATE)")
    with pytest.raises(SpecError, match="no column 'm'"):
        actions.profile(address, types={"m": "int(8)"})
    with pytest.raises(Unsupported, match="no way from 'd', which is date, to int"):
        actions.profile(address, types={"d": "int(8)"})
    with pytest.raises(SpecError, match="no table 'v'"):
        actions.profile(f"{address}#v")
    (found,) = actions.profile(address, into="int(8)")
    assert [f.lost for f in found.columns] == [{"int(8)": 0}, {}]


# What is kept


def test_profiles_are_kept_with_their_dates(tmp_path):
    address = made(tmp_path / "a.db", "CREATE TABLE t (s TEXT); INSERT INTO t VALUES ('abc')")
    with pytest.raises(SpecError, match="There is no store"):
        actions.profile(address, last=True)
    (first,) = actions.profile(address)
    with pytest.raises(SpecError, match="No profile"):
        actions.profile(f"{address}#u", last=True)
    made(tmp_path / "a.db", "INSERT INTO t VALUES ('é😀🙂bc')")
    (second,) = actions.profile(f"{address}#t")
    assert actions.profile(address, last=True) == [second] != [first]
    with actions.store() as ledger:
        system = config.resolve(address)[1].address()
        found = profiles.observed(ledger, system, "t")["s"]
        assert (found.max_characters, found.max_bytes, found.date) == (5, 12, second.taken.date())
        assert profiles.observed(ledger, system, "u") == {}
        assert profiles.last(ledger, system, "t") == second


def test_sensitive_values_are_neither_shown_nor_kept(tmp_path):
    made(tmp_path / "a.db", "CREATE TABLE t (mail TEXT, n INTEGER, m INTEGER); INSERT INTO t VALUES ('a@b', 123, 4)")
    connection = SQLite(path=str(tmp_path / "a.db"), sensitive=("mail", "t.n"))
    with connection.open() as session:
        (found,) = profiling.profiled(connection, session, ("*",), (None, {}))
    mail, n, m = found.columns
    assert (mail.masked, mail.min, mail.max, mail.characters) == (True, None, None, 3)
    assert (n.masked, n.min, n.digits) == (True, None, 3)
    assert (m.masked, m.min) == (False, "4")
    text = found.model_dump_json()
    assert "a@b" not in text
    assert "123" not in text


def test_a_sensitive_value_that_is_not_what_it_is_declared_to_be_is_not_told(tmp_path):
    rows = "CREATE TABLE t (id INTEGER PRIMARY KEY, pay INTEGER); INSERT INTO t VALUES (1, 'leaked')"
    path = made(tmp_path / "a.db", f"{rows}; CREATE TABLE u (id INTEGER PRIMARY KEY)")
    connection = SQLite(path=path, sensitive=("pay",))
    with connection.open() as session, pytest.raises(DataError, match="Column 'pay' of 't'") as raised:
        list(profiling.profiled(connection, session, ("t",), (None, {})))
    with connection.open() as session:
        found = list(profiling.profiled(connection, session, ("*",), (None, {})))
    assert "leaked" not in str(raised.value)
    assert [(each.table, each.way == "none", "leaked" in each.why) for each in found] == [
        ("t", True, False), ("u", False, False)
    ]  # fmt: skip
    plain = SQLite(path=path)
    with plain.open() as session, pytest.raises(DataError, match="leaked"):
        list(profiling.profiled(plain, session, ("t",), (None, {})))


def test_sensitive_is_an_option_of_every_connection(tmp_path, monkeypatch):
    made(tmp_path / "a.db", "CREATE TABLE t (mail TEXT); INSERT INTO t VALUES ('a@b')")
    (tmp_path / "connections.yaml").write_text(
        "connections:\n  crm:\n    kind: sqlite\n    path: a.db\n    sensitive: '*.mail'\n"
    )
    monkeypatch.chdir(tmp_path)
    assert actions.profile("crm.t")[0].columns[0].masked


# What is made of it


def test_a_loss_says_what_was_observed(tmp_path):
    source = made(
        tmp_path / "a.db", "CREATE TABLE t (s VARCHAR(20), n DECIMAL(10,2)); INSERT INTO t VALUES ('abc', 1.5)"
    )
    target = made(tmp_path / "b.db", "CREATE TABLE t (s VARCHAR(5), n DECIMAL(6,1))")
    move = Move(source=source, target=target)
    before = actions.plan_move(move).tasks[0]
    assert [loss.seen for loss in before.losses] == ["", "", ""]
    (found,) = actions.profile(source)
    task = actions.plan_move(move).tasks[0]
    day = found.taken.date()
    assert [(x.column, x.kind, x.seen) for x in task.losses] == [
        ("s", "cuts", f"all of it fitted on {day}: at most string(3)"),
        ("n", "rounds", f"all of it fitted on {day}: at most decimal(2,1)"),
        ("n", "narrows", f"all of it fitted on {day}: at most decimal(2,1)"),
    ]
    assert task.problem, "it is a loss all the same"
    assert str(task.losses[0]).endswith("; " + task.losses[0].seen)
    assert f"'s': all of it fitted on {day}" in task.fix
    made(tmp_path / "a.db", "INSERT INTO t VALUES ('abcdef', 1.25)")
    actions.profile(source)
    assert [x.seen[:3] for x in actions.plan_move(move).tasks[0].losses] == ["", "", "all"]


@pytest.mark.parametrize(
    ("source", "target", "held", "fits"),
    [
        ("string(20)", "string(10 bytes)", {"max_characters": 5, "max_bytes": 10}, True),
        ("string(20)", "string(10 bytes)", {"max_characters": 5, "max_bytes": 11}, False),
        ("binary(20)", "binary(4)", {"max_bytes": 4}, True),
        ("int(64)", "int(32)", {"max_digits": 9}, True),
        ("int(64)", "int(32)", {"max_digits": 10}, False),
        ("timestamp(6)", "timestamp(3)", {"max_fraction": 3}, True),
        ("timestamp(6)", "timestamp(3)", {"max_fraction": 4}, False),
        ("timestamp(6)", "date", {"max_fraction": 0}, False),
        ("string", "int(32)", {"max_characters": 1}, False),
    ],
)
def test_what_fits(source, target, held, fits):
    observed = Observed(column="v", date=date(2026, 11, 28), **held)
    left = Table(name="t", columns=(Column(name="v", type=parse(source), observed=observed),))
    (loss, *_) = losses(left, Table(name="t", columns=(Column(name="v", type=parse(target)),)))
    assert bool(loss.seen) is fits


def test_a_plan_with_observations_is_plain_data():
    observed = Observed(column="v", max_characters=3, date=date(2026, 11, 28))
    table = Table(name="t", columns=(Column(name="v", type=parse("string"), observed=observed),))
    side = Side(address="x", can=SQLite.can)
    found = plan(Move(source="a", target="b"), [table], (side, side), lambda t: t, lambda _t: None)
    assert type(found).model_validate_json(found.model_dump_json()) == found


def suggested(rows: int = 10, **facts: Any) -> str:
    facts = {"column": "v", **facts, "type": parse(facts["type"])}
    profile = Profile(system="s", table="t", taken=datetime.now(UTC), rows=rows, way="read", columns=(Facts(**facts),))
    return str(suggestions(profile)[0].type)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"type": "string", "characters": 8}, "string(10)"),
        ({"type": "string", "characters": 2}, "string(2)"),
        ({"type": "string(20)", "characters": 19}, "string(20)"),
        ({"type": "string", "characters": 5000}, "string"),
        ({"type": "string", "characters": 4, "parses": {"number": 10}, "digits": 4, "scale": 0}, "int(32)"),
        ({"type": "string", "characters": 4, "parses": {"number": 9}, "digits": 4, "scale": 0}, "string(5)"),
        ({"type": "string", "characters": 6, "parses": {"number": 10}, "digits": 3, "scale": 2}, "decimal(7,2)"),
        ({"type": "string", "characters": 5, "parses": {"bool": 10, "number": 3}}, "bool"),
        ({"type": "string", "characters": 36, "parses": {"uuid": 10}}, "uuid"),
        ({"type": "string", "characters": 20, "parses": {"instant": 10}}, "timestamp(6,utc)"),
        ({"type": "string", "characters": 20, "parses": {"json": 10}}, "json"),
        ({"type": "decimal", "digits": 5, "scale": 2}, "decimal(9,2)"),
        ({"type": "decimal(18,4)", "digits": 16, "scale": 4}, "decimal(18,4)"),
        ({"type": "decimal(18,0)", "digits": 3, "scale": 0}, "int(16)"),
        ({"type": "decimal", "digits": 50, "scale": 2}, "decimal"),
        ({"type": "decimal", "digits": 5, "scale": 2, "nan": 1}, "decimal"),
        ({"type": "int(64)", "digits": 3}, "int(16)"),
        ({"type": "int(64,unsigned)", "digits": 20}, "int(64,unsigned)"),
        ({"type": "int(8)", "digits": 3}, "int(8)"),
        ({"type": "timestamp(6)", "fraction": 0, "midnight": 10}, "date"),
        ({"type": "timestamp(6,utc)", "fraction": 2, "midnight": 0}, "timestamp(3,utc)"),
        ({"type": "time(6)", "fraction": 0}, "time(0)"),
        ({"type": "binary", "bytes": 16}, "binary(20)"),
        ({"type": "string", "nulls": 10, "parses": {"number": 0}}, "string"),
        ({"type": "string(30)", "characters": 0, "empty": 10}, "string(30)"),
        ({"type": "string(30)", "nulls": 8, "characters": 0, "empty": 2}, "string(30)"),
        ({"type": "string(30)", "characters": 1, "empty": 9}, "string(1)"),
        ({"type": "binary", "bytes": 0, "empty": 10}, "binary"),
    ],
)
def test_suggestions(facts, expected):
    assert suggested(**facts) == expected
