"""Processes of Lading that begin at once: forked from one that has imported what they all import.

A second of each command's processor time goes into imports, and the tests start a thousand. A forked process has a
number, an environment, a folder, outputs and an end of its own, and can be killed as any other. What is said of
starting and of memory is tested on processes that are started the ordinary way.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn

ROOT = Path(__file__).parent.parent
IMPORTED = (
    "lading.cli", "lading.actions", "lading.actions_releases", "lading.actions_scheduling", "lading.actions_watching",
    "lading.render", "lading.connectors.sqlite", "lading.connectors.duckdb", "lading.connectors.postgres",
    "lading.connectors.mysql", "lading.connectors.files", "adbc_driver_sqlite.dbapi", "alembic.command", "asyncpg",
    "duckdb", "psycopg", "pymysql", "rich.console", "rich.table", "sqlglot", "yaml", "lading.lineage",
)  # fmt: skip


class Forked:
    """As `subprocess.Popen` of `python -m` and these words; without files for its outputs, they are pipes."""

    def __init__(
        self, *words: str, cwd: Path | str = ".", env: Mapping[str, str] | None = None, out: IO[Any] | None = None,
        err: IO[Any] | None = None,
    ) -> None:  # fmt: skip
        self.args = words
        self.returncode: int | None = None
        self.stdout: io.TextIOWrapper | None = None
        self.stderr: io.TextIOWrapper | None = None
        order = json.dumps({"words": words, "cwd": os.path.abspath(cwd), "env": dict(env or os.environ)}).encode()
        if out is None:
            self.stdout, ours = _pipe()
        if err is None:
            self.stderr, ours_too = _pipe()
        self._told = socket.socket(socket.AF_UNIX)
        self._told.connect(_server())
        fds = [out.fileno() if out else ours, err.fileno() if err else ours_too]
        socket.send_fds(self._told, [len(order).to_bytes(8, "big")], fds)
        self._told.sendall(order)
        for given, fd in zip((out, err), fds, strict=True):
            if given is None:
                os.close(fd)
        self.pid = int.from_bytes(_read(self._told, 8), "big")

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_error: object) -> None:
        for each in (self.stdout, self.stderr):
            if each is not None:
                each.close()
        self.wait()

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, or the number of the signal that ended it, negative."""
        if self.returncode is None:
            self._told.settimeout(timeout if timeout is None else max(timeout, 1e-6))
            try:
                self.returncode = int.from_bytes(_read(self._told, 8), "big", signed=True)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._told.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that it writes until it ends."""
        texts = ["", ""]

        def read(number: int, pipe: io.TextIOWrapper) -> None:
            texts[number] = pipe.read()

        pipes = [(number, pipe) for number, pipe in enumerate((self.stdout, self.stderr)) if pipe]
        readers = [threading.Thread(target=read, args=each, daemon=True) for each in pipes]
        until = None if timeout is None else time.monotonic() + timeout
        for each in readers:
            each.start()
        for each in readers:
            each.join(None if until is None else max(until - time.monotonic(), 0))
            if each.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(None if until is None else max(until - time.monotonic(), 0))
        for _, pipe in pipes:
            pipe.close()
        return texts[0], texts[1]

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _pipe() -> tuple[io.TextIOWrapper, int]:
    read, write = os.pipe()
    return open(read, encoding="utf-8", errors="replace"), write


def _read(told: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = told.recv(size - len(found))
        if not part:
            raise ConnectionError("the process that all are forked from is gone")
        found += part
    return found


_kept: list[subprocess.Popen[bytes]] = []


@cache
def _server() -> str:
    """The socket of the process that all are forked from, which ends with this one."""
    path = f"{tempfile.mkdtemp(prefix='lading-forked-')}/socket"
    _kept.append(subprocess.Popen([sys.executable, "-m", "tests.forked", path], stdin=subprocess.PIPE, cwd=ROOT))
    while not os.path.exists(path):
        time.sleep(0.01)
    return path


def _serve(path: str) -> None:
    from lading import unwanted

    unwanted.refuse(*unwanted.PACKAGES)
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    children: dict[int, socket.socket] = {}
    door = socket.socket(socket.AF_UNIX)
    door.bind(f"{path}.new")
    door.listen(100)
    os.rename(f"{path}.new", path)
    wake, woken = socket.socketpair()
    woken.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(woken.fileno())
    sources: list[Any] = [door, wake, sys.stdin]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if sys.stdin in ready:
            os.unlink(path)
            os.rmdir(os.path.dirname(path))
            os._exit(0)  # DuckDB's module tells of what it did not clear up
        if wake in ready:
            wake.recv(4096)
            while children:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                with children.pop(pid) as told:
                    told.sendall(os.waitstatus_to_exitcode(status).to_bytes(8, "big", signed=True))
        if door in ready:
            told = door.accept()[0]
            size, fds, _, _ = socket.recv_fds(told, 8, 2)
            order = json.loads(_read(told, int.from_bytes(size, "big")))
            pid = os.fork()
            if not pid:
                for each in (door, wake, woken, told, *children.values()):
                    each.close()
                _live(order, fds)
            for fd in fds:
                os.close(fd)
            told.sendall(pid.to_bytes(8, "big"))
            children[pid] = told


def _live(order: dict[str, Any], fds: list[int]) -> NoReturn:
    """The forked process from its beginning to its end."""
    os.setsid()  # so that it can be ended with all that it starts
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, fd in enumerate((nothing, *fds)):
        os.dup2(fd, number)
    for fd in (nothing, *fds):
        os.close(fd)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    sys.argv[1:] = order["words"][1:]
    code = 1
    try:
        runpy.run_module(order["words"][0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
