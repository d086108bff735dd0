"""Tables for a function in a process of its own: written for it as Arrow, and what it returns as Parquet."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from lading.connector import WHOLE
from lading.desk import Desk
from lading.errors import SpecError
from lading.find import shown
from lading.process import environment, output


def written(desk: Desk, at: str, name: str, path: Path) -> str:
    """Writes a table as a stream of Arrow batches, and returns the file's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with desk.opened(at) as session:
        table = session.describe(name)
        if table is None:
            raise SpecError(f"{shown(at)} has no table '{name}'.", "Correct 'table', or make the table first.")
        if table.problems:
            raise SpecError(f"{shown(at)}: {table.problems[0]}.", "Give the function another table.")
        schema = pa.schema([(column.name, column.type.arrow()) for column in table.columns])
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
            for batch in session.read(table, WHOLE):
                desk.go_on()
                stream.write_batch(batch)
    return str(path)


def called(step: Any, desk: Desk, files: tuple[dict[str, str], Path]) -> tuple[int, str]:
    """Calls the function of a step `python`; returns the process's exit code and the last line of its output."""
    inputs, out = files
    out.parent.mkdir(parents=True, exist_ok=True)
    job = out.parent.parent / "job.json"
    wanted = {
        "function": step.function, "code": step.code, "file": step.file or f"{step.key} (code)", "inputs": inputs,
        "frames": step.frames, "out": str(out) if step.into else None, "memory_mb": step.memory_mb,
        "params": {name: str(value) if hasattr(value, "isoformat") else value for name, value in desk.params.items()},
        "dates": [name for name, value in desk.params.items() if hasattr(value, "isoformat")],
    }  # fmt: skip
    job.write_text(json.dumps(wanted), encoding="utf-8")
    env = environment(step.env, step.secrets, desk, step)
    # Arrow's own pools take far more address space than they use, and the limit counts it.
    env |= {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "ARROW_DEFAULT_MEMORY_POOL": "system"}
    env |= {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "OPENBLAS_NUM_THREADS": "1"}
    return output([sys.executable, "-m", "lading.calling", str(job)], env, desk, step)
