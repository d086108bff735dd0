"""The contract on hashing in place: canonical texts are ours byte for byte, fingerprints are those of the rows."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pytest

from lading.canon import Compared
from lading.connector import WHOLE, Connection, Fingerprints, Load, Session, Slice
from lading.errors import LadingError, Unsupported
from lading.fingerprint import Fingerprinter, fingerprint_of
from lading.inplace import Rendered
from lading.schema import Column, Table, losses
from lading.sql import SqlSession
from lading.testing.case import Case, cases
from lading.testing.steps import PEOPLE, ROWS, Row, arrow_schema, content, found, load_of, put, table
from lading.testing.typed import carried
from lading.types import parse
from lading.values import cast

MANY: list[Row] = [(n, None if n % 7 == 0 else f"name {n % 50}", f"{n % 90}.{n % 100:02d}") for n in range(2_000)]


def compared(there: Table, names: Sequence[str] = ()) -> list[Compared]:
    """Columns as they are, in the table's order."""
    return [Compared(name=c.name, type=c.type) for c in there.columns if not names or c.name in names]


def floats(size: int) -> list[float]:
    """Of every exponent the least, the greatest and some other numbers; below those, each power of two and what is
    beside it. Every other one is negative."""
    rest, whole, code = {32: (23, "I", "f"), 64: (52, "Q", "d")}[size]
    full, endless = (1 << rest) - 1, (1 << (size - 1 - rest)) - 1
    some = (0, 1, full // 3, full // 2 + 1, full - 1, full)
    small = {(1 << place) + beside for place in range(rest) for beside in (-1, 0, 1)}
    made = sorted((small | {exponent << rest | each for exponent in range(endless) for each in some}) - {0})
    signed = (bits | (n % 2) << (size - 1) for n, bits in enumerate(made))
    return [0.0, -0.0, *(float(struct.unpack(f">{code}", struct.pack(f">{whole}", bits))[0]) for bits in signed)]


class Hashing:
    """Part of `Contract`."""

    @pytest.mark.parametrize("case", cases(), ids=str)
    def test_case_in_place(self, session: Session, case: Case) -> None:
        """What the system writes of a case's values is what we write, byte for byte."""
        if not isinstance(session, SqlSession) or session.dialect.canon is None:
            pytest.skip("the system writes no canonical texts")
        there = self._with_case(session, case)
        columns = compared(there, ["value"])
        rendered = Rendered(session.dialect, session.driver, there, columns, ())
        try:
            theirs = [row for rows, _ in rendered.texts(session.place(there, WHOLE)) for row in rows[0].to_pylist()]
        except Unsupported:
            assert columns[0].name in session.unrendered(there, columns)
            pytest.skip("the system has no rule for some types, which are pulled")
        ours = self._written(session, there, columns)
        assert sorted(theirs) == sorted(ours)

    @pytest.mark.parametrize("size", [32, 64])
    def test_the_bits_of_floats_in_place(self, session: Session, size: int) -> None:
        """As the processor has them, which is asked here without our own rules."""
        if not isinstance(session, SqlSession) or session.dialect.canon is None:
            pytest.skip("the system writes no canonical texts")
        values, source = floats(size), table("floats", id="int(32)!", v=f"float({size})")
        there = found(session, put(session, source, enumerate(values)).table.full_name)
        columns = compared(there, ["v"])
        if session.unrendered(there, columns):
            pytest.skip("the system has no rule for floats, which are pulled")
        parts = Rendered(session.dialect, session.driver, there, columns, ()).texts(session.place(there, WHOLE))
        theirs = Counter(row for rows, _ in parts for row in rows[0].to_pylist())
        bits = Counter(f"{struct.pack('>d', value + 0.0).hex()}|" for value in values)
        assert sorted((theirs - bits) + (bits - theirs))[:9] == []
        ours = fingerprint_of(session.read(there, WHOLE), there.columns, columns, (), 16)
        assert session.fingerprints(there, columns, (), 16) == ours

    def _with_case(self, session: Session, case: Case) -> Table:
        id_ = Column(name="id", type=parse("int(32)"), null=False)
        source = Table(name="cases", columns=(id_, Column(name="value", type=case.type)), key=("id",))
        load = load_of(session, source)
        declared = [loss for loss in losses(source, load.table) if loss.column == "value"]
        values, places = carried(case.array, case.type, load.table.columns[1].type, declared)
        ids = cast(pa.array(places, pa.int32()), id_.type, load.table.columns[0].type)[0]
        rows = pa.RecordBatch.from_arrays([ids, values], schema=arrow_schema(load.table))
        session.prepare(load)
        each = [rows.slice(n, 1) for n in range(len(places))]
        taken = each if self._takes(session, load, rows) else [one for one in each if self._takes(session, load, one)]
        if not taken:
            pytest.skip("the system refuses the values")
        session.stage(load, iter(taken), 0)
        session.publish([load])
        return found(session, load.table.full_name)

    def _takes(self, session: Session, load: Load, row: pa.RecordBatch) -> bool:
        try:
            return session.stage(load, iter([row]), 0) == 1
        except LadingError:
            return False

    def _written(self, session: Session, there: Table, columns: Sequence[Compared]) -> list[str]:
        taker = Fingerprinter(there.columns, columns, (), 1)
        parts = [part for batch in session.read(there, WHOLE) for part in taker.texts(batch)]
        return [row for rows, _ in parts for row in rows[0].to_pylist()]

    @pytest.mark.parametrize("key", [("id",), (), ("name", "id")], ids=["key", "none", "composite"])
    def test_a_fingerprint_in_place_is_that_of_the_rows(self, session: Session, key: tuple[str, ...]) -> None:
        """Of a whole table and of a slice; rows read by their buckets are all of those and no others."""
        there = found(session, put(session, PEOPLE, MANY).table.full_name)
        columns = compared(there)
        ours = fingerprint_of(session.read(there, WHOLE), there.columns, columns, key, 64)
        assert sum(each.rows for each in ours.values()) == len(MANY)
        by = tuple(each for name in key or [c.name for c in columns] for each in columns if each.name == name)
        wanted = tuple(ours)[:3]
        cut = Slice(buckets=wanted, of=64, by=by)
        part = fingerprint_of(session.read(there, cut), there.columns, columns, key, 64)
        assert part == {n: ours[n] for n in wanted}
        assert content(session, there, Slice(buckets=(), of=64, by=by)) == []
        if isinstance(session, Fingerprints) and not session.unrendered(there, columns):
            assert session.fingerprints(there, columns, key, 64) == ours
            assert session.fingerprints(there, columns, key, 64, cut) == part

    def test_rows_wider_than_a_group(self, session: Session) -> None:
        wide = table("wide", id="int(64)!", **{f"c{n}": "int(32)" for n in range(120)})
        rows: list[Row] = [(n, *(None if (n + m) % 5 == 0 else n * m for m in range(120))) for n in range(20)]
        there = found(session, put(session, wide, rows).table.full_name)
        columns = compared(there)
        ours = fingerprint_of(session.read(there, WHOLE), there.columns, columns, ("id",), 16)
        if not isinstance(session, Fingerprints) or session.unrendered(there, columns):
            pytest.skip("the system hashes no rows in place")
        assert session.fingerprints(there, columns, ("id",), 16) == ours

    def test_what_cannot_be_rendered_is_refused(self, connection: Connection, session: Session) -> None:
        there = found(session, put(session, PEOPLE, ROWS).table.full_name)
        if not isinstance(session, Fingerprints):
            pytest.skip("the system hashes no rows in place")
        columns = [Compared(name="id", type=parse("interval"))]
        assert list(session.unrendered(there, columns)) == ["id"]
        with pytest.raises(Unsupported, match="'id'"):
            session.fingerprints(there, columns, ("id",), 16)
