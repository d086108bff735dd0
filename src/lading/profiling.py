"""Profiles a table: in place where the system can be asked, else by one pass over its rows, in DuckDB."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any

import pyarrow as pa

from lading import measuring
from lading.canon import canonical, short_numbers
from lading.connector import WHOLE, Connection, Profiles, Session
from lading.dialects.duckdb import dialect
from lading.errors import AccessDenied, Bug, DataError, SpecError, Unreachable, Unsupported, meant, unseen
from lading.facts import Facts, Profile, shortest, whole_digits
from lading.losing import has_way, lost_of
from lading.schema import Column, Table
from lading.types import Type
from lading.values import texts

MEMORY_MB = 256
"""How much DuckDB may use; what does not fit goes to a temporary folder."""
HELD_BYTES = 32 * 2**20
"""Rows of so many bytes are held; of more, values that differ are estimated."""
COLUMNS = 50
"""Columns that DuckDB is asked about at a time; what is wide and not held is read once for each so many."""
_ASKED = replace(
    dialect, select_items=2**31, aspects=replace(dialect.aspects, exact_rows=2**62) if dialect.aspects else None
)
"""A stream can be asked once only, and held rows are few."""
_OPAQUE = Type("interval")
"""Stands for what DuckDB only counts, as text."""


def profiled(
    connection: Connection, session: Session, patterns: Sequence[str], asked: tuple[Type | None, Mapping[str, Type]]
) -> Iterator[Profile]:
    """Profiles of tables, all at one snapshot. `asked` are a type for all columns and types by column: what they would
    lose is counted. Of several tables one that cannot or may not be read does not stop the others."""
    snapshot = session.pin()
    tables = _chosen(session, patterns)
    columns = {c.name for table in tables for c in table.columns}
    for name in asked[1].keys() - columns:
        raise SpecError(f"There is no column '{name}'.", meant(name, columns))
    for table in tables:
        try:
            yield profile(connection, session, table, targets_of(table, *asked), snapshot)
        except (AccessDenied, DataError, SpecError) as error:
            if len(tables) == 1:
                raise
            yield Profile(
                system=connection.address(), table=table.full_name, taken=datetime.now(UTC), rows=0, way="none",
                why=f"{error.what} {error.fix}".strip(),
            )  # fmt: skip


def _chosen(session: Session, patterns: Sequence[str]) -> list[Table]:
    tables = {table.full_name: table for table in session.tables()}
    found: dict[str, Table] = {}
    for pattern in patterns:
        hits = [table for name, table in tables.items() if pattern == name or fnmatchcase(name, pattern)]
        if not hits and (named := session.describe(pattern)):
            hits = [named]
        if not tables and not hits:
            raise SpecError("There are no tables.", "Check the address, and what the account may see.")
        if not hits:
            raise SpecError(f"There is no table '{pattern}'.", meant(pattern, tables))
        found.update({table.full_name: table for table in hits})
    return list(found.values())


def profile(
    connection: Connection, session: Session, table: Table, targets: Mapping[str, Type], snapshot: str = ""
) -> Profile:
    """The profile of one table. `targets` are types by column whose losses are counted too."""
    if table.problems:
        raise SpecError(f"'{table.full_name}' cannot be read: {'; '.join(table.problems)}.", "Correct that first.")
    began, taken = time.monotonic(), datetime.now(UTC)
    try:
        rows, facts, why = _seen(session, table, targets)
    except DataError as error:
        raise DataError(unseen(error.what, connection.hidden(table)), error.fix) from error
    masked = tuple(f.model_copy(update={"masked": True, "min": None, "max": None})
                   if connection.is_sensitive(table, f.column) else f for f in facts)  # fmt: skip
    return Profile(
        system=connection.address(), table=table.full_name, taken=taken, rows=rows, way="read" if why else "in place",
        why=why, snapshot=snapshot, seconds=round(time.monotonic() - began, 3), columns=masked,
    )  # fmt: skip


def _seen(session: Session, table: Table, targets: Mapping[str, Type]) -> tuple[int, list[Facts], str]:
    """Rows and facts, in place where the system can be asked; else read, and why."""
    try:
        if not isinstance(session, Profiles):
            raise Unsupported("The system cannot be asked; its rows were read.")
        return *session.profile(table, targets), ""
    except Unsupported as error:
        return *read(session, table, targets), error.what


def targets_of(table: Table, into: Type | None, each: Mapping[str, Type]) -> dict[str, Type]:
    """The type that is asked about for each column: its own, or `into` where values can be cast to that."""
    for name, target in each.items():
        column = table.column(name)
        if column is not None and not has_way(column.type, target):
            raise Unsupported(
                f"There is no way from '{name}', which is {column.type}, to {target}.", "Name another type."
            )
    found = {c.name: into for c in table.columns if into is not None and has_way(c.type, into)}
    return {**found, **{name: target for name, target in each.items() if table.column(name) is not None}}


def read(session: Session, table: Table, targets: Mapping[str, Type]) -> tuple[int, list[Facts]]:
    """As `connector.Profiles`, of any session: what is small is held and counted exactly, the rest streams by."""
    passing = _Passing(table, targets)
    batches = session.read(table, WHOLE)
    with closing(batches) if isinstance(batches, Generator) else nullcontext(batches):
        stream = passing.batches(batches)
        first, size = [], 0
        for batch in stream:
            first.append(batch)
            size += batch.nbytes
            if size > HELD_BYTES:
                break
        else:
            return _asked(passing, pa.Table.from_batches(first, passing.schema), sum(b.num_rows for b in first))
        if len(table.columns) <= COLUMNS:
            rest = pa.RecordBatchReader.from_batches(passing.schema, chain(first, stream))
            return _asked(passing, rest, None)
    rows, found = 0, []
    for start in range(0, len(table.columns), COLUMNS):
        part = table.model_copy(update={"columns": table.columns[start : start + COLUMNS]})
        rows, facts = read(session, part, targets)
        found += facts
    return rows, found


def _asked(passing: _Passing, rows: pa.Table | pa.RecordBatchReader, count: int | None) -> tuple[int, list[Facts]]:
    """`count` is known of rows that are held: they can be asked more than once."""
    import duckdb

    found: list[Facts] = []
    with tempfile.TemporaryDirectory(prefix="lading-") as folder:
        config: Any = {"memory_limit": f"{MEMORY_MB}MiB", "temp_directory": folder, "threads": 2}
        with closing(duckdb.connect(":memory:", config={**config, "preserve_insertion_order": "false"})) as connection:
            connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
            connection.register("lading_in", rows)

            def ask(items: Sequence[str]) -> Sequence[Any]:
                try:
                    row: Sequence[Any] = connection.execute(f"SELECT {', '.join(items)} FROM lading_in").fetchall()[0]
                except duckdb.Error as error:
                    what = f"'{passing.table.full_name}' cannot be profiled: {str(error).splitlines()[0].rstrip('.')}."
                    room = isinstance(error, duckdb.OutOfMemoryException | duckdb.IOException)
                    raise passing.error or (
                        Unreachable(what, "Free disk space, and run again.") if room else Bug(what)
                    ) from error
                return row

            for start in range(0, max(len(passing.columns), 1), COLUMNS):
                # Names of its own: DuckDB takes no difference between 'a' and 'A'.
                part = Table(name="lading_in", columns=passing.columns[start : start + COLUMNS], rows=count)
                seen, facts = measuring.profile(ask, _ASKED, part, {})
                found += facts
    return seen, [passing.whole(n, each) for n, each in enumerate(found)]


class _Passing:
    """Rows on their way into DuckDB, and what it cannot tell of them: what is lost, and long decimals."""

    def __init__(self, table: Table, targets: Mapping[str, Type]) -> None:
        self.table, self.targets = table, targets
        self.columns = tuple(Column(name=f"c{n}", type=_held(c.type)) for n, c in enumerate(table.columns))
        self.lost: Counter[int] = Counter()
        self.long = {n: _Long() for n, c in enumerate(table.columns) if c.type.kind == "decimal" and _opaque(c.type)}
        self.schema = pa.schema([(c.name, pa.string() if c.type == _OPAQUE else c.type.arrow()) for c in self.columns])
        self.error: BaseException | None = None

    def batches(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Keeps the session's own error, which DuckDB would turn into text."""
        try:
            for batch in batches:
                arrays = [self._seen(n, array) for n, array in enumerate(batch.columns)]
                yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        except BaseException as error:
            self.error = error
            raise

    def _seen(self, number: int, array: pa.Array) -> pa.Array:
        column = self.table.columns[number]
        if not array.type.equals(column.type.arrow()):
            array = array.cast(column.type.arrow())
        if (target := self.targets.get(column.name)) is not None:
            self.lost[number] += lost_of(array, column.type, target)
        if not _opaque(column.type):
            return array
        found = (canonical if column.type.kind == "list" else texts)(array, column.type)
        if number not in self.long:
            return found
        found = short_numbers(found)
        self.long[number].add(found)
        return found

    def whole(self, number: int, facts: Facts) -> Facts:
        column = self.table.columns[number]
        target = self.targets.get(column.name)
        known: dict[str, Any] = self.long[number].facts() if number in self.long else {}
        lost = {} if target is None else {str(target): self.lost[number]}
        return facts.model_copy(update={"column": column.name, "type": column.type, "lost": lost, **known})


def _opaque(type_: Type) -> bool:
    """Whether DuckDB has no such type, or none that compares as we do."""
    long = type_.kind == "decimal" and (type_.size is None or type_.size > 38)
    return long or type_.kind in ("interval", "list")


def _held(type_: Type) -> Type:
    return _OPAQUE if _opaque(type_) else type_


class _Long:
    """Decimals longer than DuckDB has."""

    def __init__(self) -> None:
        self.low: Decimal | None = None
        self.high: Decimal | None = None
        self.scale: int | None = None
        self.nan = self.infinite = 0

    def add(self, found: pa.Array) -> None:
        values = [Decimal(text) for text in found.to_pylist() if text is not None]
        finite = [value for value in values if value.is_finite()]
        self.nan += sum(value.is_nan() for value in values)
        self.infinite += sum(value.is_infinite() for value in values)
        if finite:
            self.low = min(finite if self.low is None else [self.low, *finite])
            self.high = max(finite if self.high is None else [self.high, *finite])
            scales = [len(shortest(value).partition(".")[2]) for value in finite]
            self.scale = max([self.scale or 0, *scales])

    def facts(self) -> dict[str, Any]:
        low, high = (None if value is None else shortest(value) for value in (self.low, self.high))
        return {"min": low, "max": high, "digits": whole_digits(low, high), "scale": self.scale, "nan": self.nan,
                "infinite": self.infinite}  # fmt: skip
