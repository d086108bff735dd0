"""Parts of tables: from a value on, and rows whose key another table holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lading.connector import Slice
from lading.connectors.files.text import from_text
from lading.digest import hashes_of
from lading.errors import SpecError, Unsupported
from lading.fingerprint import Fingerprinter
from lading.schema import Column, Table

_MIX = np.uint64(0x9E3779B97F4A7C15)


class Narrowing:
    """Keeps the rows of a slice that are asked for. Bounds of a slice are names of files, never keys."""

    def __init__(self, table: Table, cut: Slice) -> None:
        if cut.on and cut.keys is None:
            raise Unsupported("Files cannot be read by ranges of keys.", "Read them by file.")
        self._taker = Fingerprinter(table.columns, cut.by, (), cut.of) if cut.buckets is not None else None
        self._buckets = cut.buckets or ()
        self._since, self._low = None, None
        if cut.since is not None and cut.since_low is not None:
            column = table.column(cut.since)
            if column is None:
                raise SpecError(f"'{table.full_name}' has no column '{cut.since}'.", "Correct 'since'.")
            if not column.type.ordered or _unlimited(column):
                raise Unsupported(f"Values of '{cut.since}' have no order here.", "Choose another column for 'since'.")
            self._since = column.name
            self._low = from_text(pa.array([cut.since_low], pa.string()), column.type)[0]
        self._keys: Any = None
        self._keyed = table.keyed
        if cut.keys is not None:
            self._keyed = table.model_copy(update={"key": cut.on}).keyed
            texts = list(zip(*cut.keys, strict=True)) or [()] * len(self._keyed)
            arrays = [from_text(pa.array(t, pa.string()), c.type) for t, c in zip(texts, self._keyed, strict=True)]
            self.only([pa.RecordBatch.from_arrays(arrays, names=[column.name for column in self._keyed])])

    def only(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Keeps rows whose key stands in these."""
        hashes = [_hashes(batch, self._keyed) for batch in batches]
        self._keys = np.unique(np.concatenate(hashes)) if hashes else np.zeros(0, np.uint64)

    def kept(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self._since is not None:
            values = batch.column(self._since)
            batch = batch.filter(pc.or_(pc.is_null(values), pc.fill_null(pc.greater_equal(values, self._low), False)))
        if self._keys is not None:
            batch = batch.filter(pa.array(np.isin(_hashes(batch, self._keyed), self._keys)))
        return next(self._taker.kept([batch], self._buckets), batch) if self._taker else batch


def _unlimited(column: Column) -> bool:
    return column.type.kind == "decimal" and column.type.arrow() == pa.string()


def _hashes(batch: pa.RecordBatch, key: Sequence[Column]) -> Any:
    words = np.zeros(batch.num_rows, np.uint64)
    with np.errstate(over="ignore"):
        for column in key:
            words = words * _MIX + hashes_of(batch.column(column.name), column.type)
    return words
