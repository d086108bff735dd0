"""What a step finds when it is carried out, and what it leaves behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from lading.connector import Cancels, Connection, Session
from lading.copying import Part, Resolve
from lading.moving import Stopped, Watch
from lading.prove import State, StepBill, TableBill
from lading.spec import Pipeline, Step
from lading.store import Store

LOOK_SECONDS = 0.1
"""How often a session looks whether its step was ended."""


class Outcome(BaseModel, frozen=True):
    """How an attempt at a step came out. `says` is a line for people; `bill` is the run that moved its tables."""

    state: State
    says: str = ""
    error: str = ""
    error_kind: str = ""
    bill: str = ""
    source: str = ""
    target: str = ""
    tables: tuple[TableBill, ...] = ()
    seconds: float = 0.0
    source_cpu_seconds: float | None = None
    target_cpu_seconds: float | None = None
    again: bool = False
    """Of a step that failed: whether it is worth trying again."""
    left_out: bool = False
    """Of a step that was skipped: for the sake of others, and not by itself."""


@dataclass
class Desk:
    """What the steps of a run share, and of the step at work: its log, and the event that ends it. `folder` is the
    project's, `logs` where this run's logs are."""

    run: str
    pipeline: Pipeline
    store: Store
    resolve: Resolve
    watch: Watch
    folder: Path
    logs: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)
    again: bool = False
    """Whether an earlier attempt at this very step of this run may have done a part of its work, or all of it."""
    earlier: Sequence[str] = ()
    """The newest runs before this one in which the step was tried."""
    lines: Sequence[StepBill] = ()
    """How the steps before this one came out."""
    settle: Callable[[Outcome], None] = lambda _outcome: None
    """Notes for good how the step came out, for one that has to clear up after that."""

    def connection(self, name: str) -> Connection:
        return self.resolve(name)[1]

    @contextmanager
    def opened(self, name: str) -> Iterator[Session]:
        """A session whose statement ends with the step, where its system can be told to."""
        closed = threading.Event()

        def watch(session: Session) -> None:
            while not closed.is_set():
                if self.over.wait(LOOK_SECONDS):
                    if isinstance(session, Cancels) and not closed.is_set():
                        session.cancel()
                    return

        with self.connection(name).open() as session:
            threading.Thread(target=watch, args=(session,), daemon=True).start()
            try:
                yield session
            finally:
                closed.set()

    @property
    def part(self) -> Part:
        return Part(self.pipeline.name, self.run, self.over)

    def go_on(self) -> None:
        """Raises when the step was ended."""
        if self.over.is_set():
            raise Stopped

    def log(self, step: Step) -> Path:
        """The step's log."""
        self.logs.mkdir(parents=True, exist_ok=True)
        return self.logs / f"{step.key}.log"

    def note(self, step: Step, text: str) -> None:
        """Adds lines to the step's log, each with its time."""
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        with self.log(step).open("a", encoding="utf-8") as log:
            log.writelines(f"{now} {line}\n" for line in text.splitlines())
