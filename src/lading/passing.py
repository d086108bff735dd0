"""What is counted, summed and digested of a slice while it passes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from lading.connector import Slice
from lading.digest import Digest, Digester, Tally
from lading.ending import Stopped
from lading.errors import Bug
from lading.moving import Moving, later
from lading.prove import Level
from lading.store import Line
from lading.values import texts

T = TypeVar("T")


@contextmanager
def reading(batches: Iterator[T]) -> Iterator[Iterator[T]]:
    """Batches or blocks of a session that is free for the next question afterwards, also when not all of them were
    taken: an error on its way up keeps a generator from ending by itself."""
    try:
        yield batches
    finally:
        if isinstance(batches, Generator):
            batches.close()


def digested(moving: Moving, batches: Iterator[pa.RecordBatch]) -> Digest:
    """The digest of rows as the target has them, of which some are read while others are worked on."""
    digesters = [Digester(moving.hashed, moving.load.key) for _ in range(2)]
    turn, errors = threading.Lock(), list[BaseException]()

    def work(digester: Digester) -> None:
        try:
            while not errors:
                if moving.stop.is_set():
                    raise Stopped
                with turn:
                    batch = next(found, None)
                if batch is None:
                    return
                digester.add(batch)
        except BaseException as error:  # noqa: BLE001 - it is raised where the digest is asked for
            errors.append(error)

    with reading(batches) as found:
        second = threading.Thread(target=work, args=(digesters[1],), daemon=True)
        second.start()
        work(digesters[0])
        second.join()
    if errors:
        raise errors[0]
    return digesters[0].digest() + digesters[1].digest()


class Passing:
    """Counts, sums and digests what passes."""

    def __init__(self, moving: Moving, quiet: bool = False) -> None:
        self.moving, self.quiet = moving, quiet
        level = moving.plan.level
        self.tally = Tally(moving.source.columns if level is not Level.COUNTS else ())
        self.digester = Digester(moving.hashed, moving.load.key)
        self.hashes = level in (Level.ROWS, Level.FULL)
        self.narrowed: Counter[str] = Counter()
        self.bytes = self.rejected = 0
        self.shown = (0, 0)
        self.cursor: str | None = None

    def batches(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.read(batch)
            yield from self.written(iter([self.moving.fit(batch, self.narrowed)]))

    def read(self, batch: pa.RecordBatch) -> None:
        self.moving.wait(batch.num_rows)
        self.tally.add(batch)
        if batch.schema.names != [column.name for column in self.moving.source.columns]:
            raise Bug(f"The source gave other columns of '{self.moving.name}' than were asked for.", "Report it.")
        if since := self.moving.task.since:
            self._follow(batch.column(since), since)

    def written(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if self.hashes:
                self.digester.add(batch)
            self.bytes += batch.nbytes
            yield batch
            if not self.quiet:
                self.shown = (self.shown[0] + batch.num_rows, self.shown[1] + batch.nbytes)
                self.moving.watch.moved(self.moving.name, batch.num_rows, batch.nbytes)

    def take_back(self) -> None:
        """What was shown of a slice that is read again; the batch that the target refused was not."""
        self.moving.watch.moved(self.moving.name, *(-number for number in self.shown))

    def _follow(self, array: pa.Array, since: str) -> None:
        column = self.moving.source.column(since)
        array = self.moving.known(array, column.type) if column else array
        if column is None or array.null_count == len(array):
            return
        top = pa.array([pc.max(array).as_py()], array.type)
        seen = texts(top, column.type)[0].as_py()
        self.cursor = seen if self.cursor is None else later(self.cursor, seen, column.type.numeric)

    def line(self, cut: Slice, rows: int) -> Line:
        return Line(
            slice=cut, staged=True, rows=rows, bytes=self.bytes, rejected=self.rejected, cursor=self.cursor,
            digest=self.digester.digest() if self.hashes else Digest(rows=self.tally.rows - self.rejected),
            read=self.tally.reading(),
            narrowed={name: n for name, n in self.narrowed.items() if n},
        )  # fmt: skip
