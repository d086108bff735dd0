"""The contract on types: what goes in comes out, or the loss was declared."""

from __future__ import annotations

from typing import ClassVar

import pyarrow as pa
import pytest

from lading.canon import canonical
from lading.connector import WHOLE, Session
from lading.digest import Tally, digest_of
from lading.errors import DataError
from lading.schema import Column, Loss, Table, losses
from lading.testing.case import Case, cases
from lading.testing.steps import Row, arrow_schema, content, expected, found, load_of, need, put, table
from lading.types import Type, parse
from lading.values import cast, texts

EVERY_KIND = table(
    "every_kind", id="int(64)!", flag="bool", whole="int(32)", amount="decimal(18,2)", ratio="float(64)",
    name="string", raw="binary", day="date", moment="timestamp(6)",
)  # fmt: skip
EVERY_ROW: list[Row] = [
    (1, True, 7, "1.50", 0.5, "a", b"\x00\x01", "2024-01-02", "2024-01-02 03:04:05.000006"),
    (2, False, -7, "-1.50", -0.25, "", b"", "1969-12-31", "1969-12-31 23:59:59.999999"),
    (3, None, None, None, None, None, None, None, None),
    (4, True, 2147483647, "9999999999999999.99", 1e300, "é😀", b"\xff", "9999-12-31", "9999-12-31 00:00:00"),
]


def shown(array: pa.Array, type_: Type) -> list[str | None]:
    """Values as texts of which equal values have one."""
    if type_.kind in ("json", "list"):
        return list(canonical(array, type_).to_pylist())
    if type_.kind == "float":
        return ["0" if text == "-0" else text for text in texts(array, type_).to_pylist()]
    return list(texts(array, type_).to_pylist())


def carried(array: pa.Array, source: Type, target: Type, declared: list[Loss]) -> tuple[pa.Array, list[int]]:
    """The values in the target's type and which of them it took; only a declared loss may refuse one."""
    if not declared:
        return cast(array, source, target)[0], list(range(len(array)))
    kept, places = [], []
    for place in range(len(array)):
        try:
            kept.append(cast(array.slice(place, 1), source, target, lossy=True)[0])
            places.append(place)
        except DataError:
            continue
    assert kept, "the target takes none of the values"
    return pa.concat_arrays(kept), places


class Types:
    """Part of `Contract`."""

    keeps_keys: ClassVar[bool] = True
    """Whether the system has primary keys that Lading makes."""

    @pytest.mark.parametrize("case", cases(), ids=str)
    def test_case(self, session: Session, case: Case) -> None:
        """Each value is read as it was written; the digest of what is read is that of what was written."""
        id_ = Column(name="id", type=parse("int(32)"), null=False)
        source = Table(name="cases", columns=(id_, Column(name="value", type=case.type)), key=("id",))
        load = load_of(session, source)
        declared = [loss for loss in losses(source, load.table) if loss.column == "value"]
        values, places = carried(case.array, case.type, load.table.columns[1].type, declared)
        ids = cast(pa.array(places, pa.int32()), id_.type, load.table.columns[0].type)[0]
        rows = pa.RecordBatch.from_arrays([ids, values], schema=arrow_schema(load.table))
        session.prepare(load)
        assert session.stage(load, iter([rows]), 0) == len(places)
        session.publish([load])
        there = found(session, load.table.full_name)
        read = pa.Table.from_batches(session.read(there, WHOLE), arrow_schema(there)).sort_by("id")
        written = digest_of([rows], load.table.columns, ("id",))
        assert digest_of(read.to_batches(), there.columns, ("id",)) == written, self._differing(values, read, there)
        if not declared:
            back = cast(read.column(1).combine_chunks(), there.columns[1].type, case.type)[0]
            assert shown(back, case.type) == shown(case.array, case.type)

    def _differing(self, values: pa.Array, read: pa.Table, there: Table) -> list[tuple[str | None, str | None]]:
        type_ = there.columns[1].type
        pairs = zip(shown(values, type_), shown(read.column(1).combine_chunks(), type_), strict=False)
        return [(old, new) for old, new in pairs if old != new]

    def test_a_mark_at_the_beginning_is_part_of_the_value(self, session: Session) -> None:
        """U+FEFF, which some readers take for the mark of a file's encoding, in the first value of the first row."""
        marked = table("marked", ("code",), code="string(20)!", more="string(20)")
        rows: list[Row] = [("\ufeffA1", "\ufeff")]
        there = found(session, put(session, marked, rows).table.full_name)
        assert content(session, there) == expected(there, rows)

    def test_a_catalogue_says_what_fit_said(self, session: Session) -> None:
        """Planning reads losses off `fit`, so what is made must be that."""
        load = put(session, EVERY_KIND, EVERY_ROW)
        there = found(session, load.table.full_name)
        assert [c.name for c in there.columns] == [c.name for c in load.table.columns]
        assert [str(c.type) for c in there.columns] == [str(c.type) for c in load.table.columns]
        assert [c.null for c in there.columns] == [c.null for c in load.table.columns]
        if self.keeps_keys:
            assert there.key == load.key

    def test_a_table_fits_itself(self, session: Session) -> None:
        """A second copy of the same table loses nothing and changes no type."""
        there = found(session, put(session, EVERY_KIND, EVERY_ROW).table.full_name)
        again = session.fit(there.model_copy(update={"name": "again"}))
        assert losses(there, again) == []
        assert [str(c.type) for c in again.columns] == [str(c.type) for c in there.columns]

    def test_sums_in_place_are_those_of_the_rows(self, session: Session) -> None:
        """Rows, values and sums that the system computes are those of what it gives."""
        need(self.digests_of(session), "digest in place")
        there = found(session, put(session, EVERY_KIND, EVERY_ROW).table.full_name)
        reading = session.digest(there, WHOLE)
        assert reading is not None
        tally = Tally(there.columns)
        for batch in session.read(there, WHOLE):
            tally.add(batch)
        assert reading.rows == tally.rows == len(EVERY_ROW)
        for name, ours in tally.reading().columns.items():
            theirs = reading.columns[name]
            assert theirs.values == ours.values, name
            assert theirs.total is None or theirs.total == ours.total, name
        assert any(each.total is not None for each in reading.columns.values())

    def digests_of(self, session: Session) -> bool:
        raise NotImplementedError

    @pytest.mark.parametrize("case", [c for c in cases() if c.type.kind in ("int", "decimal")], ids=str)
    def test_sums_of_extremes_are_exact(self, session: Session, case: Case) -> None:
        """A sum past 64 bits neither fails nor wraps around nor is rounded."""
        need(self.digests_of(session), "digest in place")
        values = [value for value in case.array if value.is_valid]
        columns = tuple(Column(name=f"v{n}", type=case.type) for n in range(len(values)))
        load = load_of(session, Table(name="sums", columns=columns))
        arrays = []
        for value, column in zip(values, load.table.columns, strict=True):
            arrays.append(cast(pa.array([value.as_py()] * 5, case.type.arrow()), case.type, column.type, lossy=True)[0])
        session.prepare(load)
        session.stage(load, iter([pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(load.table))]), 0)
        session.publish([load])
        there = found(session, load.table.full_name)
        reading, tally = session.digest(there, WHOLE), Tally(there.columns)
        for batch in session.read(there, WHOLE):
            tally.add(batch)
        assert reading is not None
        for name, ours in tally.reading().columns.items():
            theirs = reading.columns[name]
            assert theirs.values == ours.values == 5
            assert theirs.total is None or theirs.total == ours.total, name

    def test_a_hash_in_place_tells_rows_apart(self, session: Session) -> None:
        """It stays as long as the rows do, and changes with any one value."""
        first = self._native(session, "again", EVERY_ROW)
        there = found(session, "again")
        for _ in range(2):
            same = session.digest(there, WHOLE)
            assert same is not None
            assert same.native == first
        for place in range(len(EVERY_KIND.columns)):
            changed = list(EVERY_ROW)
            new: object = 9 if place == 0 else None
            changed[1] = (*changed[1][:place], new, *changed[1][place + 1 :])
            assert self._native(session, f"other{place}", changed) != first, EVERY_KIND.columns[place].name

    def test_a_hash_in_place_knows_no_order(self, session: Session) -> None:
        """It is the same for the same rows in another order, in another table."""
        first = self._native(session, "first", EVERY_ROW)
        assert self._native(session, "second", EVERY_ROW[::-1]) == first

    def _native(self, session: Session, name: str, rows: list[Row]) -> str:
        need(self.digests_of(session), "digest in place")
        there = found(session, put(session, EVERY_KIND.model_copy(update={"name": name}), rows).table.full_name)
        reading = session.digest(there, WHOLE)
        assert reading is not None
        if not reading.native:
            pytest.skip("the system hashes no rows in place")
        return reading.native
