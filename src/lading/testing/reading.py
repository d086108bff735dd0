"""The contract on reading: slices, snapshots, sums, and what happens when it cannot be."""

from __future__ import annotations

import gc
from typing import NamedTuple

import pytest

from lading.connector import WHOLE, Connection, Session, Slice
from lading.digest import Tally
from lading.errors import AccessDenied, LadingError, SpecError, Unreachable
from lading.schema import Mode, Table
from lading.testing.steps import (
    PEOPLE,
    ROWS,
    Row,
    batch,
    content,
    expected,
    found,
    load_of,
    need,
    put,
    staged,
    table,
)


class Unlisted(NamedTuple):
    """A table with a column of a native type that nobody listed."""

    table: str
    column: str
    native: str


KEYS: dict[str, tuple[Table, list[Row]]] = {
    "int": (table("t", id="int(64)!", v="string(20)"), [(n, f"v{n}") for n in range(1, 101)]),
    "negative": (table("t", id="int(64)!", v="string(20)"), [(n, None) for n in range(-150, 51, 2)]),
    "sparse": (table("t", id="int(64)!", v="string(20)"), [(n**7 - 10**9, "x") for n in range(1, 90)]),
    "string": (
        table("t", id="string(40)!", v="int(32)"),
        [(f"{a}{b}", n) for n, (a, b) in enumerate((a, b) for a in "aAbBzZ0~'é_ " for b in "aBé\\9 x")],
    ),
    "composite": (
        table("t", ("a", "b"), b="string(20)!", a="int(32)!", v="int(32)"),
        [(b, a, a) for a in range(-3, 4) for b in ("", "A", "a", "b", "é", "z z", "x'y")],
    ),
    "date": (table("t", id="date!", v="int(32)"), [(f"20{n:02d}-0{n % 9 + 1}-11", n) for n in range(60)]),
    "decimal": (table("t", id="decimal(18,2)!", v="int(32)"), [(f"{n - 30}.{n % 100:02d}", n) for n in range(70)]),
    "none": (table("t", (), id="int(64)", v="string(20)"), [(n % 5, "x") for n in range(60)]),
}  # fmt: skip


class Reading:
    """Part of `Contract`."""

    @pytest.mark.parametrize("kind", KEYS)
    def test_slices_hold_every_row_once(self, session: Session, kind: str) -> None:
        source, rows = KEYS[kind]
        there = self._keyed(session, source, rows)
        slices = session.slices(there, 10)
        assert [each.number for each in slices] == list(range(len(slices)))
        parts = [row for each in slices for row in content(session, there, each)]
        assert sorted(parts, key=str) == sorted(expected(there, rows), key=str)
        self._sums_add_up(session, there, slices)

    def _keyed(self, session: Session, source: Table, rows: list[Row]) -> Table:
        there = found(session, put(session, source, rows).table.full_name)
        return there.model_copy(update={"key": source.key, "rows": len(rows)})

    def _sums_add_up(self, session: Session, there: Table, slices: list[Slice]) -> None:
        for each in slices:
            tally = Tally(there.columns)
            for part in session.read(there, each):
                tally.add(part)
            theirs = session.digest(there, each)
            if theirs is None:
                return
            assert theirs.rows == tally.rows
            assert {n: a.values for n, a in theirs.columns.items()} == {
                n: a.values for n, a in tally.reading().columns.items()
            }

    @pytest.mark.parametrize("kind", [kind for kind in KEYS if kind != "none"])
    def test_slices_are_several(self, session: Session, kind: str) -> None:
        source, rows = KEYS[kind]
        there = self._keyed(session, source, rows)
        if len(session.slices(there, 10)) < 2:
            pytest.skip("the system cannot cut this table")

    def test_slices_hold_rows_that_come_later(self, connection: Connection, session: Session) -> None:
        need(connection.can.appends, "append")
        source, rows = KEYS["int"]
        there = self._keyed(session, source, rows)
        slices = session.slices(there, 10)
        later: list[Row] = [(-5, "before"), (0, "between"), (5_000, "after")]
        put(session, source, later, Mode.APPEND)
        parts = [row for each in slices for row in content(session, there, each)]
        assert sorted(parts, key=str) == sorted(expected(there, rows + later), key=str)

    @pytest.mark.parametrize(
        ("form", "values", "low"),
        [
            ("int(64)", ["1", "2", "3"], "2"),
            ("date", ["2024-01-01", "2024-01-02", "2024-01-03"], "2024-01-02"),
            (
                "timestamp(6)",
                ["2024-01-01 00:00:00", "2024-01-02 00:00:00.000001", "2024-01-03 00:00:00"],
                "2024-01-02 00:00:00.000001",
            ),
        ],
        ids=["int", "date", "timestamp"],
    )
    def test_since_includes_its_bound_and_nulls(self, session: Session, form: str, values: list[str], low: str) -> None:
        source = table("t", id="int(64)!", changed=form)
        rows: list[Row] = [*enumerate(values), (9, None)]
        there = found(session, put(session, source, rows).table.full_name)
        since = Slice(since="changed", since_low=low)
        assert content(session, there, since) == expected(there, rows[1:])
        parts = [row for each in session.slices(there, 2, since) for row in content(session, there, each)]
        assert sorted(parts, key=str) == sorted(expected(there, rows[1:]), key=str)

    def test_slices_of_what_changed_are_cut_by_its_rows(self, session: Session) -> None:
        source = table("t", id="int(64)!", changed="int(64)")
        rows: list[Row] = [(n, n) for n in range(100)]
        there = self._keyed(session, source, rows)
        few = Slice(since="changed", since_low="95")
        assert len(session.slices(there, 10, few)) == 1
        slices = session.slices(there, 10, Slice(since="changed", since_low="60"))
        parts = [content(session, there, each) for each in slices]
        assert sorted((row for part in parts for row in part), key=str) == sorted(expected(there, rows[60:]), key=str)
        assert len(parts) == 1 or max(map(len, parts)) <= 20

    def test_a_pinned_session_does_not_see_later_rows(self, connection: Connection, session: Session) -> None:
        need(connection.can.snapshot, "pin a state")
        there = found(session, put(session, PEOPLE, ROWS).table.full_name)
        with connection.open() as reader:
            assert reader.pin()
            assert content(reader, there) == expected(there, ROWS)
            load = load_of(session, PEOPLE)
            try:
                session.prepare(load)
                staged(session, load, ROWS[:1])
                session.publish([load])
                locked = False
            except Unreachable:
                locked = True  # A system that keeps writers out while somebody reads also shows one state.
            assert content(reader, there) == expected(there, ROWS)
        with connection.open() as reader:
            assert content(reader, there) == expected(there, ROWS if locked else ROWS[:1])

    def test_sessions_share_a_pinned_state(self, connection: Connection, session: Session) -> None:
        need(connection.can.snapshot and connection.can.readers > 1, "read one state in several sessions")
        there = found(session, put(session, PEOPLE, ROWS).table.full_name)
        with connection.open() as first, connection.open() as second:
            name = first.pin()
            put(session, PEOPLE, ROWS[:1])
            second.pin(name)
            assert content(second, there) == content(first, there) == expected(there, ROWS)

    def test_a_reader_that_stops_halfway_leaks_nothing(self, session: Session) -> None:
        rows: list[Row] = [(n, "x" * 30, None) for n in range(20_000)]
        there = found(session, put(session, PEOPLE, rows).table.full_name)
        half = session.read(there, WHOLE)
        next(half)
        half.close()  # type: ignore[attr-defined]
        next(session.read(there, WHOLE))
        gc.collect()
        assert sum(part.num_rows for part in session.read(there, WHOLE)) == len(rows)
        put(session, PEOPLE, ROWS)
        assert content(session, there) == expected(there, ROWS)

    def test_columns_are_read_in_the_tables_order(self, session: Session) -> None:
        there = found(session, put(session, PEOPLE, ROWS).table.full_name)
        turned = there.model_copy(update={"columns": there.columns[::-1]})
        assert content(session, turned) == expected(turned, [row[::-1] for row in ROWS])
        some = there.model_copy(update={"columns": there.columns[1:2]})
        assert content(session, some) == expected(some, [row[1:2] for row in ROWS])

    def test_check_finds_nothing_missing(self, session: Session) -> None:
        session.check()

    def test_an_absent_table_is_none(self, session: Session) -> None:
        assert session.describe("nowhere") is None
        assert session.describe("no.where") is None

    def test_reading_an_absent_table_is_one_of_the_errors(self, session: Session) -> None:
        with pytest.raises(LadingError):
            list(session.read(PEOPLE.model_copy(update={"name": "nowhere"}), WHOLE))
        put(session, PEOPLE, ROWS)

    @pytest.fixture
    def nowhere(self) -> Connection:
        """A connection to what is not there; its password, where it has one, is `hunter2`."""
        pytest.skip("the connector's test names no place that is not there")

    def test_nowhere_is_one_of_three_errors(self, nowhere: Connection) -> None:
        with pytest.raises((Unreachable, AccessDenied, SpecError)) as caught, nowhere.open() as session:
            list(session.tables())
        assert "hunter2" not in str(caught.value)
        assert "hunter2" not in nowhere.address()
        assert caught.value.fix

    @pytest.fixture
    def unlisted(self, connection: Connection) -> Unlisted:
        """Makes a table with a column of an unlisted type."""
        pytest.skip("the connector's test makes no table with an unlisted type")

    def test_an_unlisted_type_is_a_problem(self, unlisted: Unlisted, session: Session) -> None:
        there = session.describe(unlisted.table)
        assert there is not None
        (problem,) = there.problems
        for word in (unlisted.column, unlisted.native, "src/lading/"):
            assert word.lower() in problem.lower()

    def test_a_batch_has_one_form(self, session: Session) -> None:
        """Batches have the Arrow types of the table's columns, whatever is in them."""
        load = load_of(session, PEOPLE)
        session.prepare(load)
        session.stage(load, iter([batch(load.table, [(n, None, None) for n in range(10)])]), 0)
        session.publish([load])
        there = found(session, load.table.full_name)
        assert content(session, there) == expected(there, [(n, None, None) for n in range(10)])
