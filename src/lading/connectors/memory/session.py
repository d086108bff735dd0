"""A session: reading, staging and publishing in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from lading.connector import WHOLE, Load, Slice, Standing
from lading.connectors.memory.rows import inside as between
from lading.connectors.memory.rows import keys, refuse_nulls, schema, text
from lading.connectors.memory.store import Held, Staged, Store, published
from lading.digest import Reading, Tally
from lading.errors import Bug, DataError, SpecError
from lading.schema import Table
from lading.slicing import inside


class Session:
    """See `connector.Session`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._view: dict[str, Held] | None = None
        self._pinned: str | None = None

    def check(self) -> None:
        """There is nothing that could be missing."""

    def close(self) -> None:
        if self._pinned is not None:
            self._store.snapshots.pop(self._pinned, None)
        self._view = self._pinned = None

    def tables(self) -> Iterator[Table]:
        yield from [held.table for held in self._tables().values()]

    def describe(self, name: str) -> Table | None:
        with self._store.lock:
            held = self._tables().get(name) or self._store.stage(name)
        return None if held is None else held.table

    def _tables(self) -> dict[str, Held]:
        return self._store.tables if self._view is None else self._view

    def fit(self, table: Table) -> Table:
        columns = [
            c.model_copy(update={"native": "", "null": c.null and c.name not in table.key}) for c in table.columns
        ]
        return table.model_copy(update={"columns": tuple(columns), "rows": None, "bytes": None})

    def pin(self, snapshot: str | None = None) -> str:
        with self._store.lock:
            if snapshot is not None:
                if snapshot not in self._store.snapshots:
                    raise SpecError(f"There is no snapshot '{snapshot}'.", "Pin it while its session is open.")
                self._view = self._store.snapshots[snapshot]
                return snapshot
            self._store.pins += 1
            self._pinned = f"state {self._store.pins}"
            self._view = self._store.snapshots[self._pinned] = dict(self._store.tables)
            return self._pinned

    def slices(self, table: Table, rows: int, since: Slice = WHOLE) -> list[Slice]:
        held = (whole := self._held(table)).filter(self._kept(whole, table, since))
        count = -(-held.num_rows // rows)
        if count <= 1 or not table.key:
            return [since]
        ordered = held.select(list(table.key)).sort_by([(name, "ascending") for name in table.key])
        ends = [ordered.slice(held.num_rows * n // count, 1) for n in range(1, count)]
        bounds = [tuple(text(end.column(c.name), c.type) for c in table.keyed) for end in ends]
        edges: list[tuple[str, ...] | None] = [None, *bounds, None]
        return [
            since.model_copy(update={"number": n, "on": table.key, "low": low, "high": high})
            for n, (low, high) in enumerate(pairwise(edges))
        ]

    def read(self, table: Table, slice: Slice) -> Iterator[pa.RecordBatch]:
        held = self._held(table)
        form = schema(table)
        batches = held.filter(self._kept(held, table, slice)).select(form.names).to_batches()
        yield from inside((batch.cast(form) for batch in batches if batch.num_rows), table, slice)

    def _held(self, table: Table) -> pa.Table:
        """The rows of a table, or of what is staged beside it."""
        with self._store.lock:
            held = self._tables().get(table.full_name)
            if held is None:
                held = self._store.stage(table.full_name)
        if held is None:
            raise DataError(f"There is no table '{table.full_name}'.", "Look what there is with 'lading discover'.")
        return pa.Table.from_batches(held.batches, schema(held.table))

    def _kept(self, held: pa.Table, table: Table, slice: Slice) -> pa.Array:
        if slice.within is None:
            return between(held, table, slice)
        known = set(keys(self._held(table.model_copy(update={"name": slice.within})), table))
        same = pa.chunked_array([[key in known for key in keys(held, table)]], pa.bool_())
        return pc.and_(between(held, table, slice), same)

    def digest(self, table: Table, slice: Slice) -> Reading | None:
        if not table.columns:  # batches without columns have no rows
            held = self._held(table)
            return Reading(rows=held.filter(self._kept(held, table, slice)).num_rows)
        tally = Tally(table.columns)
        for batch in self.read(table, slice):
            tally.add(batch)
        return tally.reading()

    def prepare(self, load: Load) -> None:
        with self._store.lock:
            self._store.staged.setdefault(load.id, Staged(load))

    def stage(self, load: Load, batches: Iterable[pa.RecordBatch], number: int) -> int:
        form = schema(load.table)
        held = []
        for batch in batches:
            held.append(pa.RecordBatch.from_arrays(batch.columns, schema=form))
            refuse_nulls(load.table, held[-1])
        with self._store.lock:
            self._load(load).slices[number] = tuple(held)
        return sum(batch.num_rows for batch in held)

    def publish(self, loads: Sequence[Load]) -> None:
        with self._store.lock:
            after = dict(self._store.tables)
            waiting = [staged for load in loads if not (staged := self._load(load)).published]
            for staged in waiting:
                after[staged.load.table.full_name] = published(staged, after.get(staged.load.table.full_name))
            self._store.tables = after
            for staged in waiting:
                staged.published = True

    def standing(self, load: Load) -> Standing:
        staged = self._store.staged.get(load.id)
        if staged is None:
            return Standing.GONE
        return Standing.PUBLISHED if staged.published else Standing.STAGED

    def _load(self, load: Load) -> Staged:
        staged = self._store.staged.get(load.id)
        if staged is None:
            raise Bug(f"Load '{load.id}' was not prepared, or is discarded.")
        return staged

    def discard(self, load: Load) -> None:
        with self._store.lock:
            self._store.staged.pop(load.id, None)
