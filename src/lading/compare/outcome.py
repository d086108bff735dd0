"""What comparing two tables found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, Field

from lading.compare.asked import Asked, Way
from lading.digest import VERSION


class Verdict(StrEnum):
    EQUAL = "equal"
    """Every value that was compared is the same, and every column was."""
    DIFFERENT = "different"
    INCONCLUSIVE = "inconclusive"
    """Nothing differs as far as was compared, which was not all; or the comparing was cut off."""


class State(StrEnum):
    """One row's state after waiting for rows that were on their way."""

    SUSPECT = "suspect"
    """It differs, and was not looked at again."""
    SETTLED = "in sync after wait"
    MOVING = "moving"
    """It differs, and has changed in the meantime."""
    PERSISTENT = "persistent"
    """It differs, and neither side has changed."""


HIDDEN = "•••"
"""Instead of values that are not to be shown."""


class Difference(BaseModel, frozen=True):
    """One value, or one row that only one side has; then `column` is empty. Values are canonical texts, None is
    NULL."""

    kind: str  # changed, only_left, only_right
    key: dict[str, str | None]
    column: str = ""
    left: str | None = None
    right: str | None = None
    state: State = State.SUSPECT
    why: str = Field("", exclude=True)
    """Why a repair must leave the row alone, of a row: "whose key ..."; empty where it need not. It is not kept."""

    def masked(self, hides: Callable[[str], bool]) -> Difference:
        """Without the values of columns that are not to be shown."""
        key = {name: HIDDEN if value is not None and hides(name) else value for name, value in self.key.items()}
        if not hides(self.column):
            return self.model_copy(update={"key": key})
        left, right = (None if value is None else HIDDEN for value in (self.left, self.right))
        return self.model_copy(update={"key": key, "left": left, "right": right})


class Cost(BaseModel, frozen=True):
    """What one side cost: rows and bytes that were read, the seconds of processor time that the thread took which read
    them, and those of the system's server; None where nobody can tell."""

    rows: int = 0
    bytes: int = 0
    cpu_seconds: float = 0.0
    server_cpu_seconds: float | None = None

    def __add__(self, other: Cost) -> Cost:
        """Of one side that was read twice; what its server took is measured over both."""
        seconds = round(self.cpu_seconds + other.cpu_seconds, 3)
        return Cost(rows=self.rows + other.rows, bytes=self.bytes + other.bytes, cpu_seconds=seconds)


class Comparison(BaseModel, frozen=True):
    """Two tables side by side. Counts are of rows: `changed` have one key and other values, `moved` count rows by
    their state after waiting. `columns` counts changed rows by column, `narrowed` the values that the narrower
    type of the right changed or that are equal only in another form of the same, `policy` values that are equal only
    under a policy. `differences` are the first of all of them."""

    left: str
    right: str
    verdict: Verdict
    way: Way = Way.CO_LOCATED
    why: str = ""
    key: tuple[str, ...] = ()
    rows_left: int = 0
    rows_right: int = 0
    only_left: int = 0
    only_right: int = 0
    changed: int = 0
    columns: dict[str, int] = {}
    types: dict[str, str] = {}
    narrowed: dict[str, int] = {}
    policy: dict[str, int] = {}
    states: dict[State, int] = {}
    not_compared: dict[str, str] = {}
    reasons: tuple[str, ...] = ()
    """Why it is different although no row is, or inconclusive."""
    differences: tuple[Difference, ...] = ()
    version: str = VERSION
    root_left: str = ""
    root_right: str = ""
    snapshot_left: str = ""
    snapshot_right: str = ""
    buckets: int = 0
    dirty: int = 0
    cost_left: Cost = Cost()
    cost_right: Cost = Cost()
    seconds: float = 0.0

    @property
    def differing(self) -> int:
        """Rows that differ in any way."""
        return self.only_left + self.only_right + self.changed

    @property
    def counted(self) -> bool:
        """Whether its numbers of rows are such; nothing was read of a table that is not there."""
        return bool(self.rows_left or self.rows_right or not self.reasons)

    @property
    def unkept(self) -> int:
        """Differences that are not among `differences`: rows that only one side has, and values of changed rows."""
        return self.only_left + self.only_right + sum(self.columns.values()) - len(self.differences)


class Diff(BaseModel, frozen=True):
    """The record of one comparing of two systems. It never changes once it is stored."""

    id: str
    pipeline: str = ""
    run: str = ""
    """What the diffs of one prove have in common, where they are several."""
    verdict: Verdict
    left: str
    right: str
    asked: Asked = Asked()
    accept: tuple[str, ...] = ()
    """The losses that the pipeline's step accepts, which a repair accepts too."""
    exclude: tuple[str, ...] = ()
    """The tables and columns that the move leaves out, which a repair leaves out too."""
    sensitive: tuple[str, ...] = ()
    """The columns that the connections hide, which no address tells."""
    marks: dict[str, tuple[str, ...]] = {}
    """By table of the left, which of its rows are on their way: what a `Mark` holds."""
    started: datetime
    seconds: float
    tables: tuple[Comparison, ...] = ()
    alone: tuple[str, ...] = ()
    """Tables that only the right has, of those that a pattern asked for: not compared."""
    unrecorded: str = ""
    """Why its verdicts are not in the table `lading_bills`, where that was asked for."""
    unexported: str = ""
    """Why not all its differences are in the file to which they were to be exported, which is not there then."""
    peak_memory: int = 0
    version: str = ""


def worst(verdicts: list[Verdict]) -> Verdict:
    """Different before inconclusive before equal; without tables nothing is known."""
    for verdict in (Verdict.DIFFERENT, Verdict.INCONCLUSIVE):
        if verdict in verdicts:
            return verdict
    return Verdict.EQUAL if verdicts else Verdict.INCONCLUSIVE
