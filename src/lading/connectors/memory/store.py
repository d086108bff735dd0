"""What a store holds: tables, rows on their way into them, and pinned states."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pyarrow as pa

from lading.connector import Load
from lading.connectors.memory.rows import keys, refuse_doubled, schema
from lading.errors import DataError
from lading.schema import Mode, Table


@dataclass(frozen=True)
class Held:
    """A table and its rows; never changed, only replaced."""

    table: Table
    batches: tuple[pa.RecordBatch, ...] = ()


@dataclass
class Staged:
    """A load and its slices."""

    load: Load
    slices: dict[int, tuple[pa.RecordBatch, ...]] = field(default_factory=dict)
    published: bool = False


@dataclass
class Store:
    """Everything under one name. Tables are replaced by new ones, so a copy of the dictionary is a snapshot."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    tables: dict[str, Held] = field(default_factory=dict)
    staged: dict[str, Staged] = field(default_factory=dict)
    snapshots: dict[str, dict[str, Held]] = field(default_factory=dict)
    pins: int = 0

    def stage(self, name: str) -> Held | None:
        """What is staged in the place of that name."""
        for staged in self.staged.values():
            if staged.load.stage.full_name == name:
                batches = [batch for _, part in sorted(staged.slices.items()) for batch in part]
                return Held(staged.load.stage, tuple(batches))
        return None


def published(staged: Staged, old: Held | None) -> Held:
    load = staged.load
    if load.fresh and old is not None:
        raise DataError(f"Table '{load.table.full_name}' is there by now.", "Plan the run again.")
    new = pa.Table.from_batches([batch for part in staged.slices.values() for batch in part], schema(load.table))
    table = load.table.model_copy(update={"key": load.key}) if old is None else old.table
    if load.mode is Mode.MERGE:
        merged = load.table.model_copy(update={"key": load.key})
        refuse_doubled(new, merged)
    if load.mode is not Mode.REPLACE and old is not None:
        kept = pa.Table.from_batches(old.batches, schema(table))
        if load.mode is Mode.MERGE:
            known = set(keys(new, merged))
            kept = kept.filter(pa.array([key not in known for key in keys(kept, merged)], pa.bool_()))
        new = pa.concat_tables([kept, _whole(new, table)])
    refuse_doubled(new, table)
    return Held(table, tuple(_whole(new, table).to_batches()))


def _whole(rows: pa.Table, table: Table) -> pa.Table:
    """The rows with every column of the table; NULL where they have none."""
    for column in table.columns:
        if column.name not in rows.column_names:
            rows = rows.append_column(column.name, pa.nulls(rows.num_rows, column.type.arrow()))
    return rows.select([column.name for column in table.columns])
