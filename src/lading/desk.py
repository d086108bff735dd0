"""What a step finds when it is carried out, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from lading.connector import Connection, Session
from lading.copying import Part, Resolve
from lading.ending import Ending
from lading.logs import Log
from lading.moving import Watch
from lading.prove import Bill, State, StepBill, TableBill
from lading.spec import Pipeline, Step
from lading.store import Store


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
    rows: int | None = None
    """What came into the table of a step that moved no tables."""
    seconds: float = 0.0
    source_cpu_seconds: float | None = None
    target_cpu_seconds: float | None = None
    counted: dict[str, int] = {}
    """Rows of tables that were looked at, to be compared with by later runs."""
    again: bool = False
    """Of a step that failed: whether it is worth trying again."""
    left_out: bool = False
    """Of a step that was skipped: for the sake of others, and not by itself."""


@dataclass
class Desk:
    """What the steps of a run share, and of the step at work: its log, and what ends it. `folder` is the
    project's, `logs` where this run's logs are."""

    run: str
    pipeline: Pipeline
    store: Store
    resolve: Resolve
    watch: Watch
    folder: Path
    logs: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    due: datetime | None = None
    """The due time that the run is for."""
    release: int = 0
    """The number of the release that runs; 0 for a draft."""
    release_hash: str = ""
    within: str = ""
    """A run that this one is a part of, and ends with."""
    over: Ending = field(default_factory=Ending)
    again: bool = False
    """Whether an earlier attempt at this very step of this run may have done a part of its work, or all of it."""
    earlier: Sequence[str] = ()
    """The newest runs before this one in which the step was tried."""
    lines: Sequence[StepBill] = ()
    """How the steps before this one came out."""
    settle: Callable[[Outcome], None] = lambda _outcome: None
    """Notes for good how the step came out, for one that has to clear up after that."""

    tell: Callable[[Heard], None] = lambda _heard: None
    """Is told when the run and its steps begin and end."""

    def connection(self, name: str) -> Connection:
        return self.resolve(name)[1]

    def opened(self, name: str) -> AbstractContextManager[Session]:
        """A session whose statement ends with the step, where its system can be told to."""
        return self.over.opened(self.connection(name))

    @property
    def part(self) -> Part:
        return Part(self.pipeline.name, self.run, self.over)

    def made(self, step: Step) -> Part:
        """The part that moves what a step has made in files of this machine: another one goes on with the same run,
        and what the runs before it have left is removed."""
        works = [f"{step.do}:{self.pipeline.name}/{step.key}/{run}" for run in (self.run, *self.earlier)]
        return replace(self.part, work=works[0], over_works=tuple(works[1:]))

    def go_on(self) -> None:
        """Raises when the step was ended."""
        self.over.go_on()

    def log(self, step: Step) -> Path:
        """The step's log."""
        return self.logs / f"{step.key}.log"

    def note(self, step: Step, text: str) -> None:
        """Adds lines to the step's log, each with its time."""
        with Log(self.log(step)) as log:
            log.note(text)


class Heard(NamedTuple):
    """A run, or an attempt at a step, begins or has ended: START, COMPLETE, FAIL or ABORT. `outcome` is how."""

    desk: Desk
    word: str
    step: Step | None = None
    number: int = 0
    outcome: Outcome | Bill | None = None
