"""Compares two tables: every value on both sides, and where they differ the rows, the columns and both values."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np

from lading.compare.aggregates import aggregated
from lading.compare.asked import Asked as Asked
from lading.compare.asked import Way, percent
from lading.compare.bringing import Mask, narrows
from lading.compare.choosing import CHANGE_OVER, CHANGED_OVER, READ, Cuts, chosen, in_place
from lading.compare.drill import Drill
from lading.compare.half import BUCKETS, Half, Take
from lading.compare.marks import Mark as Mark
from lading.compare.outcome import Comparison as Comparison
from lading.compare.outcome import Cost, Difference, State, Verdict
from lading.compare.pairing import Pairing, pairing
from lading.connector import Session, Spends
from lading.digest import Secret
from lading.ending import given_up
from lading.schema import Table
from lading.threads import both


@dataclass(frozen=True)
class Side:
    """One of two tables, in a session that is pinned where it can be. `again` opens a session that sees what is
    there now; `moved` is told of rows and bytes that were read."""

    session: Session
    table: Table
    address: str = ""
    snapshot: str = ""
    again: Callable[[], AbstractContextManager[Session]] | None = None
    moved: Callable[[int, int], None] | None = None

    @property
    def place(self) -> tuple[Session, Table]:
        return self.session, self.table

    @property
    def name(self) -> str:
        return f"{self.address}#{self.table.full_name}" if self.address else self.table.full_name


class Found:
    """A comparison, and every difference of it while it is open. `firm`: it is different also if no row is."""

    def __init__(self, comparison: Comparison, asked: Asked, firm: bool, drill: Drill | None = None) -> None:
        self.comparison, self.asked, self.firm = comparison, asked, firm
        self._drill = drill

    def differences(self) -> Iterator[Difference]:
        """All of them, in the order of their keys."""
        if self._drill is not None:
            yield from self._drill.differences()


def compare(left: Side, right: Side, asked: Asked | None = None) -> Comparison:
    """Compares two tables. Raises one of the seven errors when a side cannot be read."""
    with comparing(left, right, asked or Asked()) as found:
        return found.comparison


@contextmanager
def comparing(left: Side, right: Side, asked: Asked, mark: Mark | None = None) -> Iterator[Found]:
    """As `compare`, and lets all differences be read. Rows of the left that are on their way by a
    mark do not count as differences."""
    began, paired = time.monotonic(), pairing(left.table, right.table, asked.key, asked.exclude)
    way, why = chosen((left.place, right.place), paired, asked)
    before = _spending((left, right))

    def said(measured: dict[str, Any], drill: Drill | None = None) -> Found:
        measured = {"way": way, "why": why, "seconds": time.monotonic() - began, **measured}
        for name, *spent in zip(("cost_left", "cost_right"), before, _spending((left, right)), strict=True):
            measured[name] = _spent(measured.get(name, Cost()), *spent)
        comparison, firm = _comparison((left, right), paired, asked, measured)
        return Found(comparison, asked, firm, drill)

    if way is Way.AGGREGATES and paired.compared:
        sums = aggregated((left.place, right.place), paired, asked)
        yield said(_unsure(sums, left, mark) if mark else sums)
        return
    first: dict[str, Any] = {}
    cuts: Cuts | None = None
    if way is Way.IN_PLACE and paired.compared:
        first, cuts = in_place((left.place, right.place), paired, (left.moved, right.moved))
        if cuts is None:
            way, why = Way.CO_LOCATED, f"{CHANGED_OVER}; {READ}"
    if not paired.compared or cuts == ():
        yield said(first)
        return
    with tempfile.TemporaryDirectory(prefix="lading-") as name, ExitStack() as stack:
        halves = _halves((left, right), paired, asked, Path(name))
        for half, cut in zip(halves, cuts or (), strict=False):
            half.cut = cut
        both(lambda side: halves[side].take(_sampled(asked)), lambda error: _stop(halves, error))
        takes, dirty = _nearest(halves)
        measured, drill = _measured(takes, dirty), None
        if dirty.any():
            drill = stack.enter_context(closing(_drill(halves, takes, paired, asked, mark, Path(name))))
            _join(drill, halves, dirty, asked)
            measured |= _counted(drill, asked, mark)
        yield said(measured | first | _costs(halves, first), drill)


def _sampled(asked: Asked) -> int:
    """How many buckets are compared: one at least."""
    return int(BUCKETS * asked.sample) or 1


def _stop(halves: tuple[Half, Half], error: BaseException) -> None:
    for half in halves:
        half.stop.set()
    given_up(error, *(half.session for half in halves))


def _counted(drill: Drill, asked: Asked, mark: Mark | None) -> dict[str, Any]:
    narrowed = drill.narrowed()
    late, unsure = drill.set_aside(mark) if mark else (0, 0)
    counts = drill.counts() | ({"states": {State.MOVING: late}} if late else {})
    counts |= {"unsure": unsure, "untold": mark.unsure(unsure)} if mark else {}
    return counts | {
        "narrowed": narrowed,
        "differences": tuple(each.masked(asked.hides) for each in islice(drill.differences(), asked.limit)),
    }


def _unsure(sums: dict[str, Any], left: Side, mark: Mark) -> dict[str, Any]:
    """What counts and sums say, where rows that are on their way may explain it."""
    if not sums["unlike"] or not mark.explains(*left.place, sums["rows_left"] - sums["rows_right"]):
        return sums
    why = f"rows that the next run will read by '{mark.column}' may explain it; prove again after it, or another way"
    return {**sums, "unlike": [], "untold": [*sums["unlike"], why]}


def _halves(sides: tuple[Side, Side], paired: Pairing, asked: Asked, folder: Path) -> tuple[Half, Half]:
    pairs, room = paired.compared, asked.spool_mb << 20
    secret, taken = Secret(), list[list[Take]]()
    for right in (False, True):
        ways = (False, True) if any(narrows(pair, right) for pair in pairs) else (False,)
        taken.append([Take(pairs, paired.key, secret, right, other) for other in ways])
    ours, theirs = sides
    halves = (
        Half(ours.session, ours.table, taken[0], folder, room),
        Half(theirs.session, theirs.table, taken[1], folder, room),
    )
    for side, half in zip(sides, halves, strict=True):
        half.moved = side.moved
    return halves


def _nearest(halves: tuple[Half, Half]) -> tuple[tuple[Take, Take], Mask]:
    """The ways of narrowing under which fewest buckets differ, and those that do."""
    ways = product(halves[0].takes, halves[1].takes)
    unlike = [((ours, theirs), ours.buckets.unlike(theirs.buckets)) for ours, theirs in ways]
    return min(unlike, key=lambda each: int(each[1].sum()))


def _drill(
    halves: tuple[Half, Half], takes: tuple[Take, Take], paired: Pairing, asked: Asked, mark: Mark | None, folder: Path
) -> Drill:
    ours, theirs = (
        next((take for take in half.takes if take is not used), None) for half, used in zip(halves, takes, strict=True)
    )
    return Drill(folder, takes, paired.key, (ours, theirs), asked, mark)


def _join(drill: Drill, halves: tuple[Half, Half], dirty: Mask, asked: Asked) -> None:
    ours, theirs = drill.takes
    used = ours.buckets.rows + theirs.buckets.rows > 0
    if asked.sample == 1 and dirty.sum() > CHANGE_OVER * used.sum():
        dirty = np.ones(BUCKETS, np.bool_)
    for half in halves:
        drill.add(half, dirty)
    drill.join()


def _measured(takes: tuple[Take, Take], dirty: Mask) -> dict[str, Any]:
    used = (takes[0].buckets.rows + takes[1].buckets.rows) > 0
    left, right = (take.digester.digest() for take in takes)
    return {
        "version": left.version, "root_left": left.root, "root_right": right.root, "rows_left": left.rows,
        "rows_right": right.rows,
        "narrowed": dict(takes[0].narrowed + takes[1].narrowed), "buckets": int(used.sum()), "dirty": int(dirty.sum()),
    }  # fmt: skip


def _costs(halves: tuple[Half, Half], first: dict[str, Any]) -> dict[str, Cost]:
    """With what both sides have cost before, where they were hashed in place."""
    left, right = (Cost(rows=each.rows, bytes=each.bytes, cpu_seconds=round(each.cpu_seconds, 3)) for each in halves)
    return {"cost_left": first.get("cost_left", Cost()) + left, "cost_right": first.get("cost_right", Cost()) + right}


def _spending(sides: tuple[Side, Side]) -> list[float | None]:
    """What the servers have taken for both sessions so far."""
    sessions = (side.session for side in sides)
    return [session.cpu_seconds() if isinstance(session, Spends) else None for session in sessions]


def _spent(cost: Cost, before: float | None, after: float | None) -> Cost:
    if before is None or after is None:
        return cost
    return cost.model_copy(update={"server_cpu_seconds": round(after - before, 2)})


def _comparison(
    sides: tuple[Side, Side], paired: Pairing, asked: Asked, measured: dict[str, Any]
) -> tuple[Comparison, bool]:
    """The comparison, and whether it is different also if no row is."""
    left, right = sides
    reasons = [f"the right has no column '{name}'" for name in paired.only_left]
    reasons += [f"the left has no column '{name}'" for name in paired.only_right]
    sums, unsummed, counted = measured.pop("unlike", []), measured.pop("unsummed", {}), measured.pop("counted", [])
    rows = sum(measured.get(name, 0) for name in ("only_left", "only_right", "changed")) - measured.pop("unsure", 0)
    if asked.strict and measured.get("narrowed"):
        reasons.append(
            "a narrower type changed values, or they are equal only as other forms of the same, "
            "and 'strict' counts that as different"
        )
    firm, reasons = bool(reasons), [*reasons, *sums]
    not_compared = {pair.name: pair.why for pair in paired.pairs if pair.type is None}
    partly = [f"column '{name}' was not compared: {why}" for name, why in not_compared.items()]
    partly += measured.pop("untold", [])
    if not paired.compared:
        partly.append("no column could be compared")
    if measured["way"] is Way.AGGREGATES:
        partly.append("only counts and sums were compared")
        partly += [f"the lengths of '{name}' were not compared: {why}" for name, why in unsummed.items()]
        partly += [f"no sums were compared of {', '.join(map(repr, counted))}"] if counted else []
    elif measured["way"] is Way.SAMPLE:
        partly.append(f"only {percent(_sampled(asked) / BUCKETS)} of the keys were compared")
    if rows and asked.policies and not paired.key:
        partly.append("policies are not for tables without a key; say with 'key' by which columns rows are found")
    verdict = Verdict.DIFFERENT if reasons or rows else Verdict.INCONCLUSIVE if partly else Verdict.EQUAL
    unlike = {pair.name: said for pair in paired.compared if (said := pair.said)}
    found = Comparison(
        left=left.name, right=right.name, verdict=verdict, key=paired.key, types=unlike,
        not_compared=not_compared, reasons=(*reasons, *partly), snapshot_left=left.snapshot,
        snapshot_right=right.snapshot, **{**measured, "seconds": round(measured["seconds"], 3)},
    )  # fmt: skip
    return found, firm
