"""Runs the real command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.forked import Forked

SECONDS = 1800


class Ended(NamedTuple):
    """How a command ended. `peak` is the most memory it held, in bytes, by the kernel's word, where it was measured."""

    code: int
    out: str
    err: str
    peak: int = 0


def lading(*words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Ended:
    process = Forked("lading.cli", *words, cwd=cwd or ".", env={**os.environ, **(env or {})})
    out, err = process.communicate(SECONDS)
    return Ended(process.wait(), out, err)


def measured(*words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Ended:
    """The same, started as people start it, with its memory."""
    command = [sys.executable, "-m", "lading.cli", *words]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=cwd, env={**os.environ, **(env or {})})
        peak, deadline = 0, time.monotonic() + SECONDS
        while process.poll() is None:
            peak = max(peak, _peak(process.pid))
            if time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise TimeoutError(" ".join(words[:1]))
            time.sleep(0.02)
        out.seek(0)
        err.seek(0)
        return Ended(process.returncode, out.read(), err.read(), peak)


def _peak(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
