"""How many rows of DuckDB are held at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from lading.schema import Table

ROWS, VALUES, MIB = 8_192, 1 << 19, 1 << 20
"""More rows at a time save no time, and what is done with a batch takes several times its size."""
LITTLE_MB, _LITTLE = 160, 8
"""Where DuckDB has less memory than that, there is little outside of it, too."""


def most_rows(table: Table, little: bool) -> int:
    """How many rows to fetch at a time: fewer of many columns."""
    return max(min(ROWS, VALUES // len(table.columns)) // (_LITTLE if little else 1), 1)


def pieces(batches: Iterable[pa.RecordBatch], little: bool) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of some MiB, as DuckDB counts rows and texts may be long. Nothing is copied."""
    most = MIB if little else _LITTLE * MIB
    for batch in batches:
        rows = max(batch.num_rows * most // max(batch.nbytes, most), 1)
        for at in range(0, batch.num_rows, rows):
            yield batch.slice(at, rows)
