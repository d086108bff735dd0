"""One process, watched from outside: how long it takes, what it costs, and how much memory it and its children hold."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.large import peak_of


class Ended(NamedTuple):
    """`exit` is None when its time was over; `cpu` are seconds of the processor's, with those of the servers."""

    seconds: float
    cpu: float
    peak_mb: int
    exit: int | None
    out: str
    err: str


def watched(
    command: Sequence[str], environment: Mapping[str, str], servers: Sequence[int], patience: float
) -> Ended:  # fmt: skip
    """Runs a command to its end, or until it has taken too long."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        before, began, own, peak = sum(map(spent, servers)), time.monotonic(), 0.0, 0
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment, start_new_session=True)
        while True:
            try:
                process.wait(0.02)
                break
            except subprocess.TimeoutExpired:
                pass
            peak = max(peak, held(process.pid), peak_of(Path(f"/proc/{process.pid}/status")) << 10)
            own = max(own, spent(process.pid))
            if time.monotonic() - began > patience:
                os.killpg(process.pid, signal.SIGKILL)
        seconds = time.monotonic() - began
        time.sleep(0.2)  # until the servers' processes have ended, and are counted
        cpu = own + sum(map(spent, servers)) - before
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    exit_ = None if process.returncode == -signal.SIGKILL else process.returncode
    return Ended(seconds, cpu, peak >> 10, exit_, *texts)


def spent(pid: int) -> float:
    """Seconds of the processor's time of a process, and of its children that have ended or are there."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") + sum(spent(child) for child in children(pid))


def held(pid: int) -> int:
    """KiB of memory that a process and its children have now; what they share counts for each."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    own = next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)
    return own + sum(held(child) for child in children(pid))


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
