"""The process that calls a function for a step: `python -m lading.calling JOB`."""

from __future__ import annotations

import importlib
import inspect
import itertools
import json
import resource
import sys
import traceback
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lading.errors import LadingError, Unreachable, masked

AGAIN = 75
"""The exit code that says it is worth trying again."""


def main(job_file: str) -> int:
    """Calls the function; its failure is the last line that is printed."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    sys.path.insert(0, str(Path.cwd()))
    try:
        limited(job["memory_mb"])
        function = found(job)
        result = function(**arguments(function, job))
        rows = kept(result, job["out"])
    except LadingError as error:
        print(masked(str(error)))  # noqa: T201 - to the step's log
        return AGAIN if isinstance(error, Unreachable) else 1
    except MemoryError:
        print(f"MemoryError: it needs more than {job['memory_mb']:,} MiB; raise 'memory_mb', or take 'frames: batches'")  # noqa: T201
        return 1
    except Exception as error:  # noqa: BLE001 - it is somebody else's function
        traceback.print_exc()
        print(masked(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]))  # noqa: T201
        return 1
    if rows is not None:
        print(f"{rows:,} rows returned")  # noqa: T201
    return 0


def limited(memory_mb: int) -> None:
    """From now on the process cannot hold more memory than that."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb * 2**20, memory_mb * 2**20))


def found(job: dict[str, Any]) -> Any:
    """The function: of a module, or of code that is run here."""
    if job["code"] is None:
        module, _, name = job["function"].partition(":")
        return getattr(importlib.import_module(module), name)
    names: dict[str, Any] = {"__name__": "lading_step", "__file__": job["file"]}
    exec(compile(job["code"], job["file"], "exec"), names)  # noqa: S102 - this is what the step is
    return names[job["function"]]


def arguments(function: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Every table, and the parameters that the function takes."""
    tables = {name: frame(Path(path), job["frames"]) for name, path in job["inputs"].items()}
    takes = inspect.signature(function).parameters
    whole = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in takes.values())
    params = {
        name: date.fromisoformat(value) if name in job["dates"] else value
        for name, value in job["params"].items()
        if (whole or name in takes) and name not in tables
    }
    return tables | params


def frame(path: Path, form: str) -> Any:
    """A table as the function wants it."""
    reader = pa.ipc.open_stream(pa.OSFile(str(path)))
    if form == "batches":
        return reader
    table = reader.read_all()
    if form == "polars":
        import polars

        return polars.from_arrow(table)
    return table.to_pandas() if form == "pandas" else table


def kept(result: Any, out: str | None) -> int | None:
    """Writes what was returned; returns its rows. Raises TypeError for what is no frame."""
    if out is None:
        return None
    batches = rows_of(result)
    first = next(batches, None)
    if first is None:
        raise TypeError("the function returned no batch, so nobody knows its columns")
    rows = 0
    with pq.ParquetWriter(out, first.schema) as writer:
        for batch in itertools.chain([first], batches):
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def rows_of(result: Any) -> Iterator[pa.RecordBatch]:
    """What was returned as batches, at least one."""
    if hasattr(result, "to_arrow"):
        result = result.to_arrow()
    elif hasattr(result, "iloc"):
        result = pa.Table.from_pandas(result, preserve_index=False)
    if isinstance(result, pa.RecordBatch):
        result = pa.Table.from_batches([result])
    if isinstance(result, pa.Table):
        empty = pa.RecordBatch.from_arrays([pa.array([], field.type) for field in result.schema], schema=result.schema)
        return iter(result.to_batches() or [empty])
    if hasattr(result, "__iter__") and not isinstance(result, str | bytes | dict):
        return (batch for each in result for batch in rows_of(each))
    raise TypeError(f"the function returned {type(result).__name__}, which is no frame")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
