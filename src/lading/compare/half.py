"""One side of a comparison: reads a table once, hashes its rows into buckets, and gives the rows of some again."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa

from lading.compare.bringing import Brought, Mask, bring
from lading.compare.pairing import Pair
from lading.connector import WHOLE, Session, Slice
from lading.digest import Digester, Secret, Words, hashed
from lading.schema import Column, Table
from lading.values import STRING, texts

BUCKETS = 1 << 16
_SHIFT = np.uint64(48)
_UNFIT = (np.uint64(0x5851F42D4C957F2D), np.uint64(0x14057B7EF767814F))
"""What is mixed into the hashes of values that have no form in the pair's type: on each side another."""
_SQUARE = np.uint64(0x9E3779B97F4A7C15)


class Buckets:
    """Rows and two sums modulo 2^64 over the words of rows, by the upper bits of the word of their keys."""

    def __init__(self) -> None:
        self.rows = np.zeros(BUCKETS, dtype=np.int64)
        self.sums = np.zeros(BUCKETS, dtype=np.uint64)
        self.squares = np.zeros(BUCKETS, dtype=np.uint64)

    def add(self, places: np.ndarray[tuple[int], np.dtype[np.intp]], words: Words) -> None:
        self.rows += np.bincount(places, minlength=BUCKETS)
        np.add.at(self.sums, places, words)
        np.add.at(self.squares, places, (words ^ _SQUARE) * words)

    def unlike(self, other: Buckets) -> Mask:
        found: Mask = (self.rows != other.rows) | (self.sums != other.sums) | (self.squares != other.squares)
        return found


class Take:
    """The digest and the buckets of one way of narrowing. The secret is the same on both sides."""

    def __init__(self, pairs: Sequence[Pair], key: Sequence[str], secret: Secret, right: bool, other: bool) -> None:
        columns = [Column(name=pair.name, type=pair.type) for pair in pairs if pair.type is not None]
        self.pairs, self.right, self.other, self.secret = pairs, right, other, secret
        self.digester = Digester(columns, key)
        self.buckets = Buckets()
        self.narrowed: Counter[str] = Counter()

    def add(self, batch: pa.RecordBatch, sampled: int = BUCKETS) -> None:
        """Takes the rows of a batch whose bucket is below `sampled`."""
        if sampled < BUCKETS:
            batch = batch.filter(pa.array((self._keys(batch) >> _SHIFT).astype(np.intp) < sampled))
        brought = self.brought(batch)
        hashes = [self._hashed(n, each, self.secret) for n, each in enumerate(brought)]
        rows = self.secret.rows(hashes, batch.num_rows)
        words = [each for each, _ in hashes]
        keys = self.digester.keys(words)
        self.digester.take(words, keys)
        self.buckets.add((keys >> _SHIFT).astype(np.intp), rows)
        for pair, each in zip(self.pairs, brought, strict=True):
            if each.changed:
                self.narrowed[pair.name] += each.changed

    def picked(self, batch: pa.RecordBatch, dirty: Mask) -> tuple[pa.RecordBatch, list[Brought]]:
        """The rows of the dirty buckets, as they are and as they are compared."""
        picked = dirty[(self._keys(batch) >> _SHIFT).astype(np.intp)]
        rows = batch.filter(pa.array(picked)) if picked.any() else batch.slice(0, 0)
        return rows, self.brought(rows)

    def brought(self, batch: pa.RecordBatch) -> list[Brought]:
        """Its columns as they are compared."""
        return [self.one(batch, place) for place in range(len(self.pairs))]

    def one(self, batch: pa.RecordBatch, place: int) -> Brought:
        """One of its columns as it is compared."""
        return bring(batch.column(place), self.pairs[place], self.right, self.other)

    def _keys(self, batch: pa.RecordBatch) -> Words:
        """The words of the keys alone, which a second look at all rows can afford."""
        hashes = [np.zeros(0, dtype=np.uint64) for _ in self.pairs]
        for place in self.digester.key:
            hashes[place], _ = self._hashed(place, self.one(batch, place))
        return self.digester.keys(hashes)

    def _hashed(self, place: int, each: Brought, secret: Secret | None = None) -> tuple[Words, Words | None]:
        pair = self.pairs[place]
        words, more = hashed(each.array, self.digester.columns[place].type, secret)
        if each.unfit is not None and each.unfit.any():
            own = (pair.right if self.right else pair.left).type
            said, rest = hashed(texts(each.raw.filter(pa.array(each.unfit)), own), STRING, secret)
            words[each.unfit] = said ^ _UNFIT[self.right]
            if secret is not None and more is not None and rest is not None:
                more[each.unfit] = rest + secret.unfit[self.right]
        return words, more


class Spool:
    """Rows in a file, while they have at most so many bytes and the disk takes them."""

    def __init__(self, path: Path, room: int) -> None:
        self.path, self.room = path, room
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        if self.room < 0:
            return
        self.room -= batch.nbytes
        try:
            if self.room >= 0:
                self._write(batch)
        except OSError:  # others have filled the disk
            self.room = -1
        if self.room < 0:
            self._drop()

    def end(self) -> bool:
        """Whether all rows are in the file."""
        if self._writer is None:
            return False
        try:
            self._writer.close()
        except OSError:
            self._drop()
        return self.room >= 0

    def _write(self, batch: pa.RecordBatch) -> None:
        if self._writer is None:
            self._writer = pa.ipc.new_stream(str(self.path), batch.schema)
        self._writer.write_batch(batch)

    def _drop(self) -> None:
        writer, self._writer, self.room = self._writer, None, -1
        with suppress(OSError):
            if writer is not None:
                writer.close()
        self.path.unlink(missing_ok=True)


class Half:
    """A table on one side. Its rows are kept in a file while that has at most `room` bytes, so that they need be
    read once only; else they are read again."""

    def __init__(self, session: Session, table: Table, takes: Sequence[Take], folder: Path, room: int) -> None:
        right = takes[0].right
        columns = tuple(pair.right if right else pair.left for pair in takes[0].pairs)
        self.session, self.takes, self.cut = session, takes, WHOLE
        self.stop = threading.Event()
        self.moved: Callable[[int, int], None] | None = None
        self.table = table.model_copy(update={"columns": columns})
        self.path = folder / ("right.arrow" if right else "left.arrow")
        self.room = min(room, shutil.disk_usage(folder).free // 4)
        self.rows = self.bytes = 0
        self.cpu_seconds = 0.0
        self.kept = False

    def take(self, sampled: int = BUCKETS) -> None:
        """Reads the table once."""
        began, spool = time.thread_time(), Spool(self.path, self.room)
        try:
            for batch in self._read():
                for take in self.takes:
                    take.add(batch, sampled)
                spool.add(batch)
        finally:
            self.kept = spool.end()
        self.cpu_seconds += time.thread_time() - began

    def again(self) -> Iterator[pa.RecordBatch]:
        """The table's rows once more."""
        if not self.kept:
            yield from self._read()
            return
        with pa.OSFile(str(self.path)) as file, pa.ipc.open_stream(file) as reader:
            yield from reader

    def _read(self, cut: Slice | None = None) -> Iterator[pa.RecordBatch]:
        for batch in self.session.read(self.table, cut or self.cut):
            if self.stop.is_set():  # the other side has failed
                return
            self.rows += batch.num_rows
            self.bytes += batch.nbytes
            if self.moved:
                self.moved(batch.num_rows, batch.nbytes)
            yield batch
