"""Rejects: finds the rows that a target refuses by bisecting batches into a scratch table beside the stage."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from lading.compare.outcome import HIDDEN
from lading.connector import Load, Session
from lading.errors import DataError, unseen
from lading.store import Reject
from lading.types import from_arrow
from lading.values import texts

Fit = Callable[[pa.RecordBatch, Counter[str]], pa.RecordBatch]
"""Brings a batch into the target's types and counts what that narrows."""


class Refused:
    """The rows refused so far. One more than `room` is kept, so that there is something to look at."""

    def __init__(self, table: str, number: int, room: int, hidden: Sequence[str] = ()) -> None:
        self.table, self.number, self.room, self.hidden = table, number, room, hidden
        self.rows: list[Reject] = []

    @property
    def over(self) -> bool:
        return len(self.rows) > self.room

    def add(self, row: pa.RecordBatch, reason: str) -> None:
        values = {
            field.name: texts(column, from_arrow(field.type))[0].as_py()
            for field, column in zip(row.schema, row.columns, strict=True)
        }
        reason = unseen(reason, self.hidden)
        for name in self.hidden:
            if value := values.get(name):
                values[name], reason = HIDDEN, reason.replace(value, HIDDEN)
        self.rows.append(Reject(table=self.table, slice=self.number, row=values, reason=reason))

    def error(self, limit: int, mending: bool = False) -> DataError | None:
        """What stops the table; None when no single row was refused. A repair refuses none and may accept losses."""
        if not self.rows:
            return None
        other = "accept the loss with --accept" if mending else "raise --max-rejects"
        return DataError(
            f"{self.rows[0].reason.rstrip('.')}. Of '{self.table}' at most {limit:,} rows may be refused.",
            f"See 'lading rejects'; correct the row, or {other}.",
        )


class Sieve:
    """Takes batches of the source; good ones are kept in a file, in the target's types."""

    def __init__(self, load: Load, target: Session, refused: Refused, fit: Fit) -> None:
        self.load, self.target, self.refused, self.fit = load, target, refused, fit
        self.narrowed: Counter[str] = Counter()
        self.path = Path(tempfile.mkdtemp(prefix="lading-")) / "good.arrow"
        self.tries = 0
        self._writer: pa.ipc.RecordBatchFileWriter | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Keeps the batch, but for the rows that are refused wherever they stand."""
        for good in self._sift(batch, self._alone):
            if self._writer is None:
                self._writer = pa.ipc.new_file(str(self.path), good.schema)
            self._writer.write_batch(good)

    def stage(self, number: int) -> tuple[int, list[pa.RecordBatch]]:
        """Stages what is good as a slice. What is refused only beside the rows of other slices is found by staging
        the slice again and again."""
        good = list(self._good())
        try:
            return self.target.stage(self.load, good, number), good
        except DataError:
            kept: list[pa.RecordBatch] = []

            def beside(batch: pa.RecordBatch) -> pa.RecordBatch:
                self.target.stage(self.load, [*kept, batch], number)
                return batch

            for batch in good:
                kept.extend(self._sift(batch, beside))
        return self.target.stage(self.load, kept, number), kept

    def _alone(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        narrowed: Counter[str] = Counter()
        fitted = self.fit(batch, narrowed)
        self.tries += 1
        self.target.stage(sifting(self.load), [fitted], self.tries)
        self.narrowed.update(narrowed)
        return fitted

    def _sift(
        self, batch: pa.RecordBatch, tried: Callable[[pa.RecordBatch], pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        """The batch in parts that pass; what does not is halved."""
        if self.refused.over or batch.num_rows == 0:
            return
        try:
            good = tried(batch)
        except DataError as error:
            if batch.num_rows == 1:
                self.refused.add(batch, self._named(error.what))
                return
            half = batch.num_rows // 2
            yield from self._sift(batch.slice(0, half), tried)
            yield from self._sift(batch.slice(half), tried)
            return
        yield good

    def _named(self, what: str) -> str:
        """The target speaks of the table that it was tried on; people know the one that it is for."""
        names = (sifting(self.load).stage.name, self.load.stage.name)
        return what.replace(names[0], self.load.table.name).replace(names[1], self.load.table.name)

    def _good(self) -> Iterator[pa.RecordBatch]:
        if self._writer is None:
            return
        self._writer.close()
        with pa.memory_map(str(self.path)) as file:
            reader = pa.ipc.open_file(file)
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)

    def close(self) -> None:
        self.path.unlink(missing_ok=True)
        self.path.parent.rmdir()


def sifting(load: Load) -> Load:
    """A scratch table beside the stage, one for each load."""
    return load.model_copy(update={"id": f"{load.id}x"})


@contextmanager
def isolate(load: Load, target: Session, refused: Refused, fit: Fit) -> Iterator[Sieve]:
    """A sieve over a scratch table that is gone afterwards."""
    sieve = Sieve(load, target, refused, fit)
    target.discard(sifting(load))
    target.prepare(sifting(load))
    try:
        yield sieve
    finally:
        sieve.close()
        target.discard(sifting(load))
