"""Fingerprints: per bucket of keys the number of rows and two sums over MD5s of canonical rows, computed here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from lading.canon import VERSION, Compared, canonical_as, written_in_groups
from lading.schema import Column

if TYPE_CHECKING:
    import duckdb

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
FEWEST = 256
"""Buckets of a table that is compared in place; of larger ones a greater power of two."""
_HALF = 30
_LOW = (1 << _HALF) - 1
_ROWS = 32_768
_ROOM = 32 << 20
"""Bytes of a batch that are written as text at a time."""


class Bucket(NamedTuple):
    """Rows, and the sums of the first and of the last 60 bits of their MD5s."""

    rows: int
    high: int
    low: int


Fingerprint = dict[int, Bucket]
"""By number; buckets without rows are left out."""
Moved = Callable[[int, int], None]
"""Is told of rows and bytes that were read."""


def differing(left: Fingerprint, right: Fingerprint) -> tuple[int, ...]:
    """The buckets whose rows are not the same."""
    return tuple(sorted(n for n in left.keys() | right.keys() if left.get(n) != right.get(n)))


def added(left: Fingerprint, right: Fingerprint) -> Fingerprint:
    """The fingerprint of the rows of both."""
    zero = Bucket(0, 0, 0)
    sums = {n: zip(left.get(n, zero), right.get(n, zero), strict=True) for n in left.keys() | right.keys()}
    return {n: Bucket(*(a + b for a, b in pairs)) for n, pairs in sums.items()}


def root(fingerprint: Fingerprint) -> str:
    """32 hexadecimal digits that stand for a whole fingerprint, however many its buckets, which an estimate decides:
    powers of two fold into the fewest."""
    folded: Fingerprint = {}
    for n, each in fingerprint.items():
        folded |= added({n % FEWEST: folded.get(n % FEWEST, Bucket(0, 0, 0))}, {n % FEWEST: each})
    lines = [VERSION, *(f"{n} {' '.join(map(str, each))}" for n, each in sorted(folded.items()))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


class Fingerprinter:
    """Takes batches in passing. `key` names the key's columns; without a key every column is part of it, and the
    table is a multiset of rows. A batch's columns are `own`, in that order, in their canonical Arrow types."""

    def __init__(self, own: Sequence[Column], columns: Sequence[Compared], key: Sequence[str], buckets: int) -> None:
        self.own, self.columns, self.buckets = own, columns, buckets
        self.keyed = keyed(columns, key)
        self._hasher: duckdb.DuckDBPyConnection | None = None
        self._sums = [np.zeros(buckets, dtype=np.int64) for _ in range(5)]

    def add(self, batch: pa.RecordBatch) -> None:
        for rows, keys in self.texts(batch):
            self.take(rows, keys)

    def take(self, rows: Sequence[pa.Array], keys: Sequence[pa.Array]) -> None:
        """Takes rows as they are written: the texts of their groups, and those of their keys' groups, which are none
        without a key."""
        high, low, places = self._hashed(rows, keys)
        sums = (None, high >> _HALF, high & _LOW, low >> _HALF, low & _LOW)
        for total, values in zip(self._sums, sums, strict=True):
            # Weights are floats, which hold sums of 30 bits exactly over any batch.
            total += np.bincount(places, values, minlength=self.buckets).astype(np.int64)

    def kept(self, batches: Iterable[pa.RecordBatch], wanted: Sequence[int]) -> Iterator[pa.RecordBatch]:
        """The rows that are in one of the buckets."""
        flags = np.zeros(self.buckets, dtype=np.bool_)
        flags[list(wanted)] = True
        for batch in gathered(batches):
            if batch.num_rows:
                found = [flags[self._hashed(rows, keys)[2]] for rows, keys in self.texts(batch)]
                yield batch.filter(pa.array(np.concatenate(found)))

    def fingerprint(self) -> Fingerprint:
        rows, *halves = self._sums
        used = np.flatnonzero(rows)
        a, b, c, d = (half[used].tolist() for half in halves)
        counts = zip(used.tolist(), rows[used].tolist(), a, b, c, d, strict=True)
        return {n: Bucket(count, (e << _HALF) + f, (g << _HALF) + h) for n, count, e, f, g, h in counts}

    def texts(self, batch: pa.RecordBatch) -> Iterator[tuple[list[pa.Array], list[pa.Array]]]:
        """How rows are written, as `take` wants it, a part of the batch at a time."""
        step = max(1, batch.num_rows * _ROOM // max(batch.nbytes, 1))
        places = {column.name: n for n, column in enumerate(self.own)}
        for start in range(0, batch.num_rows, step):
            part = batch.slice(start, step)
            found = {}
            for each in (*self.columns, *self.keyed):
                if each.name not in found:
                    place = places[each.name]
                    found[each.name] = canonical_as(part.column(place), self.own[place].type, each)
            yield written_in_groups(found, self.columns), written_in_groups(found, self.keyed)

    def _hashed(self, rows: Sequence[pa.Array], keys: Sequence[pa.Array]) -> tuple[Ints, Ints, Ints]:
        """Both halves of each row's MD5, and its bucket."""
        if self._hasher is None:
            self._hasher = _hasher().cursor()
        arrays = [*rows, *keys]
        lading_rows = pa.table(arrays, names=[f"c{n}" for n in range(len(arrays))])
        names = lading_rows.column_names
        hash_, key = (_md5(part) for part in (names[: len(rows)], names[len(rows) :] or names))
        items = ["('0x' || h[1:15])::BIGINT AS high", "('0x' || h[18:32])::BIGINT AS low"]
        place = f"('0x' || {'k' if keys else 'h'}[1:15])::BIGINT % {self.buckets} AS place"
        found = self._hasher.sql(
            f"SELECT {', '.join(items)}, {place} FROM (SELECT {hash_} AS h, {key} AS k FROM lading_rows)"
        ).to_arrow_table()
        high, low, places = (found.column(name).to_numpy() for name in ("high", "low", "place"))
        return high, low, places


def keyed(columns: Sequence[Compared], key: Sequence[str]) -> list[Compared]:
    """The key's columns, as they are compared."""
    named = {column.name: column for column in columns}
    return [named[name] for name in key]


@cache
def _hasher() -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect(config={"threads": 1, "memory_limit": "128MB"})


def _md5(names: Sequence[str]) -> str:
    parts = list(names) if len(names) == 1 else [f"md5({name})" for name in names]
    return f"md5({' || '.join(parts)})"


def fingerprint_of(
    batches: Iterable[pa.RecordBatch],
    own: Sequence[Column],
    columns: Sequence[Compared],
    key: Sequence[str],
    buckets: int,
    moved: Moved | None = None,
) -> Fingerprint:
    """The fingerprint of whole batches, of which `moved` is told."""
    taker = Fingerprinter(own, columns, key, buckets)
    for batch in gathered(batches):
        taker.add(batch)
        if moved:
            moved(batch.num_rows, batch.nbytes)
    return taker.fingerprint()


def gathered(batches: Iterable[pa.RecordBatch], rows: int = _ROWS, size: int = _ROOM) -> Iterator[pa.RecordBatch]:
    """Larger batches of small ones, which some systems give: each costs as much as some thousand rows. They end where
    they come to so many rows, or bytes."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(each.num_rows for each in waiting) >= rows or sum(each.nbytes for each in waiting) >= size:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(waiting: list[pa.RecordBatch]) -> pa.RecordBatch:
    return waiting[0] if len(waiting) == 1 else pa.concat_batches(waiting)
