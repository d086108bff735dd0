"""The runs of due times: each is begun in a process of its own, watched, and closed when it is over."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from lading import dues
from lading.dues import LATE, LEASE, TAKEN, WAITING, Due
from lading.errors import AT_WORK
from lading.render import clock
from lading.store import Store, owner

LOOK = timedelta(seconds=2)
"""How often it looks for what others have left, and for changed files."""
TICK_SECONDS = 0.1
"""How often it looks whether a process has ended, while there is one."""
FAILED = "failed"
TRIES = 3
"""How often a run's process may end without a bill before nobody begins it again."""
STOP_SECONDS = 30
MISTAKEN = 2
"""The exit code of a run that could not begin."""


class Child(Protocol):
    """A run in a process of its own."""

    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def said(self) -> str:
        """The last that it said."""


class DueRuns:
    """Those that one process has at work. What is `waiting` it takes; what it has `taken` is waiting again when its run
    was cut off."""

    waiting, taken = WAITING, TAKEN

    def __init__(
        self, store: Store, start: Callable[[Due], Child], say: Callable[[str, str, str], None], name: str = ""
    ) -> None:  # fmt: skip
        self.store, self.owner = store, name or owner()
        self._start, self._say = start, say
        self._children: dict[tuple[str, datetime], Child] = {}
        self._renewed = datetime.min.replace(tzinfo=UTC)
        self._stopping = False

    def limit(self, _found: Due) -> datetime | None:
        """When the run of a due time must have ended."""
        return None

    def too_late(self, found: Due, limit: datetime) -> None:
        """It has ended after that."""

    def without_bill(self, found: Due, says: str) -> None:
        """Its run has failed and has no bill, so that none of its steps tells anybody."""

    def _mine(self, found: Due) -> bool:
        return found.state == self.taken and found.owner == self.owner

    def _look_at(self, found: Due, now: datetime) -> None:
        """A due time that is taken: whether its run is over, at work, or cut off."""
        child = self._children.get(found.key) if self._mine(found) else None
        code = child.poll() if child else None
        if (child and code is None) or not (self._mine(found) or dues.lapsed(found, now)):
            return
        if child:
            del self._children[found.key]
        run = dues.ran(self.store, found.run)
        if run.state:
            self._close(found, run.state, run.ended, f"run {found.run}")
        elif run.alive:  # its process has outlived the loop that began it
            lease = (now + LEASE).isoformat()
            if not self._mine(found) or found.lease < (now + LEASE / 2).isoformat():
                dues.change(self.store, found, owner=self.owner, lease=lease)
        elif child is None or self._stopping:
            dues.change(self.store, found, state=self.waiting, owner="", lease="")
        else:
            self._again(found, (child, code), now)

    def _again(self, found: Due, ended: tuple[Child, int | None], now: datetime) -> None:
        """A process that ended without a bill is begun again, unless that is of no use."""
        child, code = ended
        if code == MISTAKEN:
            self._fail(found, now, child.said())
        elif code == AT_WORK:  # somebody was quicker
            dues.change(self.store, found, state=self.waiting, owner="", lease=(now + LOOK).isoformat())
        elif found.tries + 1 >= TRIES:
            self._fail(found, now, f"its process ended {TRIES} times, {_how(code)}")
        else:
            wait = timedelta(seconds=float(os.environ.get("LADING_RETRY_SECONDS", 10 * 2**found.tries)))
            values = {"owner": "", "lease": (now + wait).isoformat(), "tries": found.tries + 1}
            if dues.change(self.store, found, state=self.waiting, **values):
                self._say("again", found.pipeline, f"{shown(found.due)}: its process ended {_how(code)}")

    def _fail(self, found: Due, now: datetime, says: str) -> None:
        if self._close(found, FAILED, now.isoformat(), says):
            self.without_bill(found, says)

    def _close(self, found: Due, state: str, ended: str, says: str) -> bool:
        limit = self.limit(found)
        late = LATE if limit is not None and datetime.fromisoformat(ended) > limit else found.late
        values = {"state": state, "ended": ended, "says": says, "late": late}
        changed = dues.change(self.store, found, **values)
        if changed:
            took = datetime.fromisoformat(ended) - datetime.fromisoformat(found.began)
            self._say(state, found.pipeline, f"{shown(found.due)}: {says}, {clock(max(took.total_seconds(), 0))}")
            if limit is not None and late == LATE != found.late:
                self.too_late(found, limit)
        return changed

    def _begin_one(self, found: Due) -> None:
        """Starts the run of a due time that was taken."""
        try:
            self._children[found.key] = self._start(found)
        except OSError as error:  # the disk is full, or there are too many processes: it is tried again
            self._say("error", found.pipeline, f"{shown(found.due)}: no process for it: {error}")
            return
        self._say("began", found.pipeline, f"{shown(found.due)}: run {found.run}")

    def _renew(self, now: datetime) -> None:
        """Keeps what it has taken."""
        if self._children and now - self._renewed >= LEASE / 3:
            dues.renew(self.store, self.owner, now)
            self._renewed = now

    def _cut_off(self, find: Callable[[], Sequence[Due]]) -> None:
        """Ends what is at work, and leaves it to others; `find` is for due times as the store has them then."""
        self._stopping = True
        for child in self._children.values():
            child.terminate()
        waited = 0.0
        while any(child.poll() is None for child in self._children.values()) and waited < STOP_SECONDS:
            time.sleep(TICK_SECONDS)
            waited += TICK_SECONDS
        for each in find():
            if self._mine(each):
                self._look_at(each, datetime.now(UTC))

    def _pause(self, until: datetime) -> None:
        """Waits, at most until a process has ended."""
        while (left := (until - datetime.now(UTC)).total_seconds()) > 0:
            if any(child.poll() is not None for child in self._children.values()):
                return
            time.sleep(min(left, TICK_SECONDS) if self._children else left)


def shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if not moment.second else f"{moment:%Y-%m-%d %H:%M:%S}"


def _how(code: int | None) -> str:
    return f"by signal {-code}" if code is not None and code < 0 else f"with {code}"


class Process:
    """A run of a due time in a process of its own, which outlives this one where that is killed. What it says is in a
    log beside those of its steps."""

    def __init__(self, found: Due, folder: Path, logs: Path, given: Mapping[str, str] | None = None) -> None:
        self.log = logs / found.run / "_run.log"  # no step's, whose names begin with a letter or digit
        self.log.parent.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "lading.cli", "run", found.pipeline, "--run", found.run, "--quiet"]
        words += [word for name, value in (given or {}).items() for word in ("--param", f"{name}={value}")]
        with self.log.open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                words, cwd=folder, start_new_session=True, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip

    def poll(self) -> int | None:
        return self._process.poll()

    def terminate(self) -> None:
        self._process.terminate()

    def said(self) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
        return " ".join(text.rpartition("error: ")[2].split())
