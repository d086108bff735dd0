"""What ends work under way: the work looks at it, and the statements of its sessions are ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

from lading.connector import Cancels, Connection, Session
from lading.threads import AGAIN_SECONDS


class Stopped(Exception):
    """The run was interrupted, or another slice lost its connection."""


class Stuck(Stopped):
    """It was to end, and did not."""


def given_up(error: BaseException, *sessions: Session) -> None:
    """Ends what sessions are at where somebody interrupted the work, so that nobody waits for slow statements."""
    for session in sessions:
        if not isinstance(error, Exception) and isinstance(session, Cancels):
            threading.Thread(target=session.cancel, daemon=True).start()


class _Open:
    """A session that is open, until it is closed or another thread has ended its statement."""

    def __init__(self, session: Session, address: str) -> None:
        self.session, self.address = session, address
        self.lock = threading.Lock()
        self.closed = False

    def cancel(self) -> None:
        with self.lock:
            if isinstance(self.session, Cancels) and not self.closed:
                self.session.cancel()


class Ending:
    """Of one piece of work, which several threads may be at."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._open: list[_Open] = []
        self.is_set, self.wait, self.set = self._event.is_set, self._event.wait, self._event.set

    def go_on(self) -> None:
        """Raises when the work is to end."""
        if self.is_set():
            raise Stopped

    @contextmanager
    def opened(self, connection: Connection) -> Iterator[Session]:
        """A session whose statement ends with the work, where its system can be told to."""
        self.go_on()
        with connection.open() as session:
            here = _Open(session, connection.address())
            self._open.append(here)
            try:
                yield session
            finally:
                with here.lock:
                    here.closed = True
                self._open.remove(here)

    def end(self, work: Future[Any], seconds: float) -> bool:
        """Ends the work, and says whether it has ended in so many seconds."""
        self.set()
        until = time.monotonic() + seconds
        while wait([work], timeout=min(AGAIN_SECONDS, max(until - time.monotonic(), 0))).not_done:
            if time.monotonic() >= until:
                return False
            for each in list(self._open):  # a server that does not answer keeps no other from being told
                threading.Thread(target=each.cancel, daemon=True).start()
        return True

    @property
    def deaf(self) -> list[str]:
        """The systems with an open session that cannot be told to end its statement."""
        return sorted({each.address for each in self._open if not isinstance(each.session, Cancels)})
