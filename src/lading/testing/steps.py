"""The steps of which the contract's tests are made: tables, batches, loads, and what is there afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pytest

from lading.connector import WHOLE, Load, Session, Slice
from lading.schema import Column, Mode, Table
from lading.types import parse
from lading.values import cast, texts

Row = tuple[Any, ...]


class BrokenError(Exception):
    """A source that broke while it was read."""


def need(can: bool, what: str) -> None:
    """Skips the test, visibly, when the system cannot do it."""
    if not can:
        pytest.skip(f"the connector does not say that it can {what}")


def table(name: str, key: Sequence[str] = ("id",), /, **columns: str) -> Table:
    """A table; `TYPE!` is NOT NULL."""
    made = [
        Column(name=column, type=parse(form.rstrip("!")), null=not form.endswith("!"))
        for column, form in columns.items()
    ]
    return Table(name=name, columns=tuple(made), key=tuple(key))


PEOPLE = table("people", id="int(64)!", name="string(40)", paid="decimal(18,2)")
ROWS: list[Row] = [(1, "Ada", "1.50"), (2, "Grace", "-20.00"), (3, None, None), (4, "", "0.00")]


def batch(table: Table, rows: Iterable[Row]) -> pa.RecordBatch:
    """Rows of Python values or texts in the table's Arrow form."""
    columns = list(zip(*rows, strict=True)) or [()] * len(table.columns)
    arrays = []
    for column, values in zip(table.columns, columns, strict=True):
        if any(isinstance(value, str) for value in values) and column.type.kind != "list":
            arrays.append(cast(pa.array(values, pa.string()), parse("string"), column.type)[0])
        else:
            arrays.append(pa.array(values, column.type.arrow()))
    return pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(table))


def arrow_schema(table: Table) -> pa.Schema:
    return pa.schema([(column.name, column.type.arrow()) for column in table.columns])


def load_of(session: Session, table: Table, mode: Mode = Mode.REPLACE, key: Sequence[str] | None = None) -> Load:
    """A load as planning makes it: into the table that is there, else into the one that the system would make."""
    fitted = session.fit(table)
    old = session.describe(fitted.full_name)
    if old is not None:
        columns = tuple(old.column(column.name) or column for column in fitted.columns)
        fitted = old.model_copy(update={"columns": columns})
    wanted = tuple(table.key if key is None else key)
    return Load(id=secrets.token_hex(6), table=fitted, mode=mode, key=wanted, fresh=old is None)


def put(session: Session, table: Table, rows: Iterable[Row], mode: Mode = Mode.REPLACE) -> Load:
    """One whole load: staged as one slice, published, discarded."""
    load = load_of(session, table, mode)
    session.prepare(load)
    staged(session, load, rows)
    session.publish([load])
    session.discard(load)
    return load


def staged(session: Session, load: Load, rows: Iterable[Row], number: int = 0) -> int:
    return session.stage(load, iter([batch(load.table, rows)]), number)


def found(session: Session, name: str) -> Table:
    """The table of that name, which must be there."""
    there = session.describe(name)
    assert there is not None, f"there is no table '{name}'"
    assert there.problems == ()
    return there


def content(session: Session, there: Table, slice: Slice = WHOLE) -> list[tuple[str | None, ...]]:
    """The rows of a table as texts, in order."""
    return ordered(session.read(there, slice), there)


def ordered(batches: Iterator[pa.RecordBatch], there: Table) -> list[tuple[str | None, ...]]:
    rows: list[tuple[str | None, ...]] = []
    for each in batches:
        assert each.schema.equals(arrow_schema(there)), f"{each.schema} is not {arrow_schema(there)}"
        columns = [texts(each.column(n), column.type).to_pylist() for n, column in enumerate(there.columns)]
        rows += zip(*columns, strict=True)
    return sorted(rows, key=lambda row: [(value is not None, value or "") for value in row])


def expected(there: Table, rows: Iterable[Row]) -> list[tuple[str | None, ...]]:
    """The same of rows that a test wrote."""
    return ordered(iter([batch(there, rows)]), there)


def names(session: Session) -> set[str]:
    return {there.name for there in session.tables()}


def raising(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches, and then a failure that is not the system's."""
    yield from batches
    raise BrokenError("the source broke")
