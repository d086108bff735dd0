"""Rows on their way: what differs is read again after the lag, and told apart by whether it has changed since."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from lading.compare import Found, Mark, Side, comparing
from lading.compare.asked import Asked, Way
from lading.compare.outcome import Comparison, Difference, State, Verdict

MOST = 100_000
"""Differences that are looked at again."""
Seen = dict[tuple[tuple[tuple[str, str | None], ...], str], tuple[str | None, str | None, str]]
"""By key and column: both values, and what kind of difference it is."""


@contextmanager
def settled(
    found: Found, sides: tuple[Side, Side], asked: Asked, seconds: float, mark: Mark | None = None
) -> Iterator[Found]:
    """The comparison after waiting once. Rows that agree by then were on their way; rows that changed in the meantime
    are moving; only those that stayed as they were differ for sure."""
    first = found.comparison
    before = _seen(islice(found.differences(), MOST + 1))
    left, right = sides
    sums = first.way is Way.AGGREGATES and first.verdict is Verdict.DIFFERENT and not found.firm
    if not (before or sums) or left.again is None or right.again is None:
        yield found
        return
    if len(before) > MOST:
        reason = f"more than {MOST:,} differences, too many to wait for"
        found.comparison = first.model_copy(update={"reasons": (*first.reasons, reason)})
        yield found
        return
    time.sleep(seconds)
    with left.again() as ours, right.again() as theirs:
        pinned = [Side(session, side.table, side.address, session.pin(), side.again)
                  for session, side in ((ours, left), (theirs, right))]  # fmt: skip
        with comparing(pinned[0], pinned[1], asked, mark) as second:
            if sums:
                second.comparison = _summed(first, second)
            else:
                second.comparison = _judged(second, before, list(islice(second.differences(), MOST + 1)))
            yield second


def _summed(first: Comparison, found: Found) -> Comparison:
    second = found.comparison
    if second.verdict is not Verdict.DIFFERENT or found.firm or second.reasons == first.reasons:
        return second
    reason = "what was counted and summed has changed while it was waited for; wait longer, or compare again"
    return second.model_copy(update={"verdict": Verdict.INCONCLUSIVE, "reasons": (*second.reasons, reason)})


def _seen(differences: Iterable[Difference]) -> Seen:
    return {(tuple(each.key.items()), each.column): (each.left, each.right, each.kind) for each in differences}


def _judged(found: Found, before: Seen, after: list[Difference]) -> Comparison:
    second, asked = found.comparison, found.asked
    rows: dict[tuple[tuple[str, str | None], ...], State] = {}
    known = {key for key, _ in before}
    for each in after:
        key = tuple(each.key.items())
        then = before.get((key, each.column))
        state = State.MOVING if key in known else each.state
        if then == (each.left, each.right, each.kind) and each.state is not State.MOVING:
            state = State.PERSISTENT
        rows[key] = max(rows.get(key, state), state, key=_GRAVE.index)
    gone = known - rows.keys()
    states = Counter(rows.values()) + Counter({State.SETTLED: len(gone)}) + Counter(second.states)
    verdict, reasons = second.verdict, list(second.reasons)
    stayed = found.firm or states[State.PERSISTENT] or len(after) > MOST  # of more nobody knows
    if verdict is Verdict.DIFFERENT and rows and not stayed:
        verdict = Verdict.INCONCLUSIVE
        reasons.append("every row that differs has changed while it was waited for; wait longer, or compare again")
    after.sort(key=lambda each: -_GRAVE.index(rows[tuple(each.key.items())]))  # what differs for certain comes first
    told = [each.model_copy(update={"state": rows[tuple(each.key.items())]}) for each in after[: asked.limit]]
    hidden = [each.masked(asked.hides) for each in told]
    return second.model_copy(
        update={"verdict": verdict, "reasons": tuple(reasons), "states": dict(states), "differences": tuple(hidden)}
    )


_GRAVE = (State.SETTLED, State.SUSPECT, State.MOVING, State.PERSISTENT)
