"""The contract on names and sizes: whatever a table is called, and however wide, long or empty it is."""

from __future__ import annotations

from typing import ClassVar

import pyarrow as pa
import pytest

from lading.connector import WHOLE, Session
from lading.digest import digest_of
from lading.errors import Unsupported
from lading.schema import Column, Table
from lading.testing.steps import PEOPLE, Row, arrow_schema, batch, content, expected, found, load_of, names, put
from lading.types import parse

NAMES = ["select", "Order", "UPPER", "MiXed", "two words", " blanks ", 'a"b', "a'b", "a`b", "a]b[", "a.b", "a;b--",
         "a%sb", "a{b}", "a\\b", "a:b?", "naïve", "日本", "😀", "_", "1st", "a/b", "a,b", "$1"]  # fmt: skip


class Names:
    """Part of `Contract`."""

    name_bytes: ClassVar[int | None] = 63
    """The longest name; None where there is no limit."""
    most_columns: ClassVar[int | None] = 1_500
    """At least so many columns are possible; None where there is no limit."""

    @pytest.mark.parametrize("name", NAMES)
    def test_name(self, session: Session, name: str) -> None:
        self._goes_round(session, name)

    def test_the_longest_name(self, session: Session) -> None:
        if self.name_bytes is None:
            pytest.skip("the system has no longest name")
        self._goes_round(session, "n" * self.name_bytes)
        self._goes_round(session, "é" * (self.name_bytes // 2))

    def test_a_name_too_long_stops_planning(self, session: Session) -> None:
        if self.name_bytes is None:
            pytest.skip("the system has no longest name")
        long = "n" * (self.name_bytes + 1)
        column = Column(name=long, type=parse("int(32)"))
        for bad in (PEOPLE.model_copy(update={"name": long}), PEOPLE.model_copy(update={"columns": (column,)})):
            with pytest.raises(Unsupported):
                session.fit(bad)

    def _goes_round(self, session: Session, name: str) -> None:
        columns = (Column(name="id", type=parse("int(64)"), null=False), Column(name=name, type=parse("string(40)")))
        load = put(session, Table(name=name, columns=columns, key=("id",)), [(1, "x"), (2, None)])
        there = found(session, load.table.full_name)
        assert there.name == load.table.name
        assert [column.name for column in there.columns] == ["id", name]
        assert content(session, there) == expected(there, [(1, "x"), (2, None)])
        assert load.table.name in names(session)
        session.digest(there, WHOLE)
        put(session, Table(name=name, columns=columns, key=("id",)), [(3, "y")])
        assert content(session, there) == expected(there, [(3, "y")])

    @pytest.mark.parametrize("rows", [[], [(1, "Ada", "1.00")]], ids=["none", "one"])
    def test_few_rows(self, session: Session, rows: list[Row]) -> None:
        there = found(session, put(session, PEOPLE, rows).table.full_name)
        assert content(session, there) == expected(there, rows)
        assert len(session.slices(there, 10)) == 1

    def test_no_batches(self, session: Session) -> None:
        """A slice of nothing is a slice, and publishing it makes an empty table."""
        load = load_of(session, PEOPLE)
        session.prepare(load)
        assert session.stage(load, iter([]), 0) == 0
        session.publish([load])
        assert content(session, found(session, load.table.full_name)) == []

    def test_many_batches(self, session: Session) -> None:
        """Also empty ones in between."""
        load = load_of(session, PEOPLE)
        session.prepare(load)
        rows: list[Row] = [(n, f"name {n}", f"{n}.25") for n in range(3_000)]
        batches = [batch(load.table, rows[n : n + 7]) for n in range(0, len(rows), 7)]
        batches.insert(3, batch(load.table, []))
        assert session.stage(load, iter(batches), 0) == len(rows)
        session.publish([load])
        assert content(session, found(session, load.table.full_name)) == expected(load.table, rows)

    def test_many_columns(self, session: Session) -> None:
        count = min(self.most_columns or 1_500, 1_500)
        columns = tuple(Column(name=f"c{n}", type=parse("int(32)")) for n in range(count))
        wide = Table(name="wide", columns=columns)
        rows: list[Row] = [tuple(range(count)), (None,) * count]
        there = found(session, put(session, wide, rows).table.full_name)
        read = list(session.read(there, WHOLE))
        assert digest_of(read, there.columns) == digest_of([batch(there, rows)], there.columns)
        session.digest(there, WHOLE)

    def test_too_many_columns_stop_planning(self, session: Session) -> None:
        whole = parse("int(32)")
        columns = tuple(Column(name=f"c{n}", type=whole) for n in range(100_000))
        if self.most_columns is None or self.most_columns >= len(columns):
            pytest.skip("the system has no most columns")
        with pytest.raises(Unsupported):
            session.fit(Table(name="wide", columns=columns))

    @pytest.mark.parametrize("size", [3_000_000, pytest.param(50_000_000, marks=pytest.mark.soak)])
    def test_a_long_value(self, session: Session, size: int) -> None:
        long = Table(name="long", columns=(Column(name="text", type=parse("string")),))
        load = load_of(session, long)
        value = pa.array(["ab" * (size // 2), None, ""], pa.string())
        rows = pa.RecordBatch.from_arrays([value], schema=arrow_schema(load.table))
        session.prepare(load)
        session.stage(load, iter([rows]), 0)
        session.publish([load])
        there = found(session, load.table.full_name)
        read = session.read(there, WHOLE)
        assert digest_of(read, there.columns) == digest_of([rows], load.table.columns)
