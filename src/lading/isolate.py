"""Rejects: finds the rows that a target refuses by bisecting batches into a scratch table beside the stage."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from lading.connector import Load, Session
from lading.errors import DataError
from lading.schema import Mode
from lading.store import Reject
from lading.types import from_arrow
from lading.values import texts


class Refused:
    """The rows refused so far. One more than `room` is kept, so that there is something to look at."""

    def __init__(self, table: str, number: int, room: int) -> None:
        self.table, self.number, self.room = table, number, room
        self.rows: list[Reject] = []

    @property
    def over(self) -> bool:
        return len(self.rows) > self.room

    def add(self, row: pa.RecordBatch, error: DataError) -> None:
        values = {
            field.name: texts(column, from_arrow(field.type))[0].as_py()
            for field, column in zip(row.schema, row.columns, strict=True)
        }
        self.rows.append(Reject(table=self.table, slice=self.number, row=values, reason=error.what))

    def error(self, limit: int) -> DataError | None:
        """What stops the table; None when no single row was refused."""
        if not self.rows:
            return None
        return DataError(
            f"The target refused a row of '{self.table}': {self.rows[0].reason} At most {limit:,} may be refused.",
            "See 'lading rejects'; correct the row, or raise --max-rejects.",
        )


class Sieve:
    """Takes batches of the source; good ones are kept in a file, in the target's types."""

    def __init__(self, scratch: Load, target: Session, refused: Refused, fit: Callable[..., pa.RecordBatch]) -> None:
        self.scratch, self.target, self.refused, self.fit = scratch, target, refused, fit
        self.path = Path(tempfile.mkdtemp(prefix="lading-")) / "good.arrow"
        self.tries = 0
        self._writer: pa.ipc.RecordBatchFileWriter | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        if self.refused.over or batch.num_rows == 0:
            return
        try:
            fitted = self.fit(batch)
            self.tries += 1
            self.target.stage(self.scratch, [fitted], self.tries)
        except DataError as error:
            if batch.num_rows == 1:
                self.refused.add(batch, error)
                return
            half = batch.num_rows // 2
            self.add(batch.slice(0, half))
            self.add(batch.slice(half))
            return
        if self._writer is None:
            self._writer = pa.ipc.new_file(str(self.path), fitted.schema)
        self._writer.write_batch(fitted)

    def good(self) -> Iterator[pa.RecordBatch]:
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


@contextmanager
def isolate(load: Load, target: Session, refused: Refused, fit: Callable[..., pa.RecordBatch]) -> Iterator[Sieve]:
    """A sieve over a scratch table that is gone afterwards."""
    scratch = load.model_copy(update={"id": f"{load.id}x", "mode": Mode.APPEND})
    sieve = Sieve(scratch, target, refused, fit)
    target.prepare(scratch)
    try:
        yield sieve
    finally:
        target.discard(scratch)
        sieve.close()
