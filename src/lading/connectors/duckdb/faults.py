"""What went wrong in DuckDB, as one of the seven errors."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lading.dialects.duckdb import LONG
from lading.errors import AccessDenied, DataError, LadingError, Unreachable
from lading.schema import Column, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ENDLESS = {"date": 2**31 - 1, "timestamp": 2**63 - 1}
_CLOSING = 10.0
"""How many seconds a file may take to be closed."""
_DAY = {"us": 86_400 * 10**6, "ns": 86_400 * 10**9}


def opened(path: str, config: Mapping[str, Any]) -> DuckDBPyConnection:
    """A connection. While this process is closing the same file as it was opened with other settings, DuckDB refuses
    it: it is waited for."""
    import duckdb as vendor

    until, there = time.monotonic() + _CLOSING, os.path.exists(path)
    how = {"access_mode": "READ_ONLY"} if there and not os.access(path, os.W_OK) else {}
    while True:
        try:
            return vendor.connect(path, config={**config, **how})
        except vendor.IOException as error:
            if not there and "No space left" in str(error):
                with suppress(OSError):
                    os.remove(path)  # what it began to make, and could not open any more
            raise
        except vendor.ResourceInUseException:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def error_of(path: str, error: Exception, read: Table | None = None) -> LadingError:
    """The error that a failure of DuckDB means, of a table that was read if it was one."""
    import duckdb as vendor

    text = str(error).split("\n")[0].removeprefix("IO Error: ")[:300].rstrip(".")
    where = f"DuckDB file '{path}'"
    if read is not None and text.endswith(LONG):
        names = ", ".join(column.name for column in read.columns if column.type.inmost.kind == "interval")
        what = f"Column '{names}' of '{read.full_name}' holds {LONG}, which has no form."
        return DataError(what, "Correct the value, or leave the column out.")
    if "No space left" in text or "ENOSPC" in text:
        return Unreachable(f"{where}: the disk is full.", "Free space on its disk, then run again.")
    short = any(words in text for words in ("could not allocate", "failed to allocate", "failed to pin"))
    if isinstance(error, vendor.OutOfMemoryException) or short:  # also as it commits
        return Unreachable(
            f"{where}: {text}.", "Raise 'memory_mb' of the connection or 'memory' of the move, or free disk space."
        )
    if "in read-only mode" in text:
        return AccessDenied(f"{where}: it may only be read.", "Give this user the right to write it.")
    if isinstance(error, vendor.PermissionException) or "Permission denied" in text:
        return AccessDenied(f"{where}: {text}.", "Give this user the right to read and write the file.")
    if isinstance(error, vendor.IOException | vendor.ConnectionException | vendor.ResourceInUseException):
        return Unreachable(f"{where}: {text}.", "Check the path and who else has the file open.")
    if isinstance(error, vendor.TransactionException):
        return Unreachable(f"{where}: {text}.", "Another session changed the same table: run again.")
    if isinstance(error, vendor.ConstraintException):
        return DataError(f"DuckDB refused a row: {text}.", "Correct the row, or change what the table demands of it.")
    return DataError(f"{where}: {text}.", "Check the table's definition.")


def refuse_endless(array: pa.Array, column: Column, table: Table) -> None:
    """In Arrow, DuckDB's infinite dates and moments look like finite ones in a far year, and 24:00:00 like a time."""
    held, time = column.type.inmost, column.type.inmost.kind == "time"
    while pa.types.is_list(array.type):
        array = array.flatten()
    limit = _DAY[array.type.unit] if time else _ENDLESS.get(held.kind)
    if limit is None:
        return
    ints = array.cast(pa.int32() if held.kind == "date" else pa.int64())
    if pc.any(pc.greater_equal(pc.abs(ints), limit)).as_py():
        odd = "24:00:00" if time else "infinity"
        what = f"Column '{column.name}' of '{table.full_name}' holds {odd}, which {held} has no form for."
        raise DataError(what, "Correct the value, or make it NULL.")


def whole(batches: Iterable[pa.RecordBatch], table: Table) -> Iterator[pa.RecordBatch]:
    """The batches. DuckDB would cut the nanoseconds of intervals without a word."""
    spans = [(n, column) for n, column in enumerate(table.columns) if column.type.inmost.kind == "interval"]
    for batch in batches:
        for place, column in spans:
            array = batch.column(place)
            while pa.types.is_list(array.type):
                array = array.flatten()
            if any(value is not None and value.nanoseconds % 1000 for value in array.to_pylist()):
                what = f"Column '{column.name}' holds an interval with nanoseconds; DuckDB takes microseconds."
                raise DataError(what, "Round it in the source, or map the column to string.")
        yield batch
