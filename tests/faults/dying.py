"""Runs a pipeline in this folder again and again, in processes that die at every moment at which something was written:
from a first one on, each so many moments later; and then once more to its end."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lading import actions
from lading.dropfolder import DropFolder
from lading.sql import SqlSession
from lading.store import Store

DIED = 9


class Deaths:
    """Ends the process at a moment of which the number is given; counts them."""

    def __init__(self, number: int) -> None:
        self.number, self.count = number, 0

    def moment(self) -> None:
        self.count += 1
        if self.count == self.number:
            os._exit(DIED)

    def around(self, owner: Any, name: str) -> None:
        """Moments before and after a call."""
        plain: Callable[..., Any] = getattr(owner, name)

        def dying(*words: Any, **named: Any) -> Any:
            self.moment()
            found = plain(*words, **named)
            self.moment()
            return found

        setattr(owner, name, dying)


def attempt(folder: Path, number: int) -> int:
    """One process that dies at a moment; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.chdir(folder)
    os.environ["LADING_STORE"] = str(folder / "store")
    deaths = Deaths(number)
    if number:
        for owner, name in (
            (Store, "write"), (DropFolder, "put_away"), (DropFolder, "fetch"), (SqlSession, "stage"),
            (SqlSession, "publish"), (SqlSession, "discard"), (os, "rename"), (shutil, "rmtree"),
        ):  # fmt: skip
            deaths.around(owner, name)
        from lading import arrivals

        for name in ("keep", "change", "take", "split", "lot"):
            deaths.around(arrivals, name)
    try:
        actions.run("p")
    finally:
        if sys.exc_info()[0] is not None:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(sys.exc_info()[0] is not None)


def ready(template: Path, work: Path) -> None:
    """Imports here what a whole run imports, so that no process has to."""
    shutil.copytree(template, work)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.chdir(work)
        os.environ["LADING_STORE"] = str(work / "store")
        actions.run("p")
        os.write(write, " ".join(sys.modules).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as names:
        for name in names.read().split():
            with suppress(Exception):
                importlib.import_module(name)
    os.waitpid(child, 0)
    shutil.rmtree(work)


def main() -> None:
    template, work, number, step = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    ready(template, work / "whole")
    while True:
        folder = work / f"died-{number:03d}"
        shutil.copytree(template, folder)
        code = attempt(folder, number)
        if code == 0:
            shutil.rmtree(folder)
            return
        assert code == DIED, code
        assert attempt(folder, 0) == 0
        number += step


if __name__ == "__main__":
    main()
