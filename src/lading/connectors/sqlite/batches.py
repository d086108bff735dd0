"""How many rows SQLite's driver reads at a time: it counts rows and knows no bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

ROWS = 1024
_ROWS_A_MIB = 64  # reading fewer at a time takes longer, and rows are seldom wider than 16 KiB


def options(batch_mb: int) -> dict[str, str]:
    """What the driver is told for batches of so many MiB."""
    return {"adbc.sqlite.query.batch_rows": str(min(_ROWS_A_MIB * batch_mb, ROWS))}


def gathered(read: Iterable[pa.RecordBatch], most: int) -> Iterator[pa.RecordBatch]:
    """What the driver read as batches of as many rows as may be, until they come to `most` bytes."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in read:
        if held and (rows + batch.num_rows > ROWS or size + batch.nbytes > most):
            yield pa.concat_batches(held)
            held, rows, size = [], 0, 0
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
    if held:
        yield pa.concat_batches(held)
