"""Chooses how two tables are compared, and compares them in place where that is the way."""

from __future__ import annotations

import time
from typing import Any

from lading.canon import VERSION, Compared, form
from lading.compare.asked import Asked, Way, percent
from lading.compare.outcome import Cost
from lading.compare.pairing import Pair, Pairing
from lading.connector import WHOLE, Fingerprints, Session, Slice
from lading.ending import given_up
from lading.fingerprint import FEWEST, Fingerprint, Moved, differing, fingerprint_of, root
from lading.schema import Table, gaps
from lading.threads import both
from lading.types import Type

LARGE = 20 << 30
"""Bytes of a table from which on it is rather hashed where it is than read."""
CHANGE_OVER = 0.3
"""The share of buckets that differ from which on all rows are read instead of those of the buckets."""
READ = "both sides are read to this machine, and every value is hashed in passing"


CHANGED_OVER = f"more than {CHANGE_OVER:.0%} of the buckets differ"
Place = tuple[Session, Table]
Cuts = tuple[Slice, Slice] | tuple[()]


def chosen(sides: tuple[Place, Place], paired: Pairing, asked: Asked) -> tuple[Way, str]:
    """The way, and why."""
    if asked.way is Way.AGGREGATES:
        return Way.AGGREGATES, "asked for; each side counts and sums its own columns"
    if asked.sample < 1:
        return Way.SAMPLE, f"asked for: {percent(asked.sample)} of the keys, chosen by their hash"
    size = max((table.bytes or 0) for _, table in sides)
    if (asked.way is None and size < LARGE) or asked.way is Way.CO_LOCATED:
        return Way.CO_LOCATED, READ
    if why := _obstacle(sides, paired):
        return Way.CO_LOCATED, f"{READ}; not in place: {why}"
    return (
        Way.IN_PLACE,
        "asked for" if asked.way else f"a side has {size / 1e9:,.0f} GB, and it can be hashed where it is",
    )


def _obstacle(sides: tuple[Place, Place], paired: Pairing) -> str:
    """What keeps two tables from being compared in place."""
    for pair in paired.compared:
        if exact(pair) is None:
            return f"values of '{pair.name}' are narrowed to {pair.type}, which only who reads them can do"
    able = False
    for right, (session, table) in enumerate(sides):
        columns = compared(paired.compared, bool(right))
        if isinstance(session, Fingerprints):
            able, lacking = True, session.unrendered(table, columns)
        else:
            own = {column.name: column.type for column in table.columns}
            lacking = {c.name: f"{own[c.name]} is read as {c.type}" for c in columns if form(own[c.name], c) is None}
        for name, why in lacking.items():
            return f"'{name}': {why}"
    return "" if able else "neither side can hash its own rows"


def exact(pair: Pair) -> Type | None:
    """The type in which a pair is hashed: nothing is narrowed there, so that values which the narrower type changes
    lie in buckets that differ, and are counted when these are read; a text that stands for a uuid is hashed as it is.
    None when there is none."""
    if pair.type == Type("uuid") and pair.right.type.kind == "string":
        return Type("string")
    if pair.type is None or not gaps(pair.left.type, pair.type):
        return pair.type
    if pair.left.type.kind != pair.type.kind or pair.type.kind not in (
        "decimal",
        "string",
        "binary",
        "time",
        "timestamp",
    ):
        return None
    return Type(pair.type.kind) if pair.type.kind in ("string", "binary") else pair.left.type


def compared(pairs: tuple[Pair, ...], right: bool) -> list[Compared]:
    """The columns of a side, as they are hashed; blanks that the right's type drops differ from none, to be counted."""
    found = []
    for pair in pairs:
        if (type_ := exact(pair)) is not None:
            padded = pair.padded and (right or not pair.trims(right))
            found.append(Compared(name=(pair.right if right else pair.left).name, type=type_, padded=padded))
    return found


def in_place(
    sides: tuple[Place, Place], paired: Pairing, moved: tuple[Moved | None, Moved | None]
) -> tuple[dict[str, Any], Cuts | None]:
    """What both sides say of their own rows, from one scan each, both at once; and the slices of what differs on
    either side, none where nothing does, None when it is too much to be read apart: then only the costs are said."""
    pairs = paired.compared
    rows = max((table.rows or 0) for _, table in sides)
    buckets = min(max(1 << (rows // 256).bit_length(), FEWEST), 1 << 16)
    columns = [compared(pairs, right) for right in (False, True)]
    keys = [
        [column.name for column, pair in zip(own, pairs, strict=True) if pair.name in paired.key] for own in columns
    ]

    def ask(right: int) -> tuple[Fingerprint, Cost]:
        session, table = sides[right]
        began, passed = time.thread_time(), _Passed(moved[right])
        if isinstance(session, Fingerprints):
            found = session.fingerprints(table, columns[right], keys[right], buckets, moved=passed.add)
        else:
            own = tuple(pair.right if right else pair.left for pair in pairs)
            batches = session.read(table.model_copy(update={"columns": own}), WHOLE)
            found = fingerprint_of(batches, own, columns[right], keys[right], buckets, passed.add)
        return found, passed.cost(time.thread_time() - began)

    (left, cost_left), (right, cost_right) = both(
        ask, lambda error: given_up(error, *(session for session, _ in sides))
    )
    costs: dict[str, Any] = {"cost_left": cost_left, "cost_right": cost_right}
    unlike, used = differing(left, right), len(left.keys() | right.keys())
    measured = costs | {
        "version": VERSION, "root_left": root(left), "root_right": root(right), "buckets": used, "dirty": len(unlike),
        "rows_left": sum(each.rows for each in left.values()), "rows_right": sum(each.rows for each in right.values()),
    }  # fmt: skip
    if len(unlike) > CHANGE_OVER * used and used > 16:
        return costs, None
    if not unlike:
        return measured, ()
    ours, theirs = (
        Slice(buckets=unlike, of=buckets, by=tuple(column for column in own if column.name in key or not key))
        for own, key in zip(columns, keys, strict=True)
    )
    return measured, (ours, theirs)


class _Passed:
    """Counts what is read of a side whose rows are hashed here."""

    def __init__(self, moved: Moved | None) -> None:
        self.moved, self.rows, self.bytes = moved, 0, 0

    def add(self, rows: int, bytes_: int) -> None:
        self.rows += rows
        self.bytes += bytes_
        if self.moved:
            self.moved(rows, bytes_)

    def cost(self, cpu_seconds: float) -> Cost:
        return Cost(rows=self.rows, bytes=self.bytes, cpu_seconds=round(cpu_seconds, 3))
