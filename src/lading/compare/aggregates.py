"""Comparing by what each side says of itself: its rows, the values that are not NULL, and sums. It moves nothing, and
can only show that two tables differ."""

from __future__ import annotations

import time
from typing import Any

from lading.compare.asked import Asked
from lading.compare.outcome import HIDDEN, Cost
from lading.compare.pairing import Pair, Pairing
from lading.connector import WHOLE, Session
from lading.digest import Reading
from lading.errors import Unsupported
from lading.schema import Table, gaps


def aggregated(
    sides: tuple[tuple[Session, Table], tuple[Session, Table]], paired: Pairing, asked: Asked
) -> dict[str, Any]:
    """What the comparison says; `unlike` are sentences about what differs, `unsummed` columns of texts whose sums may
    differ although the texts are equal, and why, and `counted` those of which only the values were counted. Raises
    Unsupported for a side that cannot be asked."""
    pairs, began = paired.compared, time.monotonic()
    columns = (tuple(pair.left for pair in pairs), tuple(pair.right for pair in pairs))
    found: list[Reading] = []
    for (session, table), own in zip(sides, columns, strict=True):
        reading = session.digest(table.model_copy(update={"columns": own}), WHOLE)
        if reading is None:
            what = f"'{table.full_name}' cannot be counted and summed where it is."
            raise Unsupported(what, "Compare it another way.")
        found.append(reading)
    left, right = found
    unlike = [f"the left has {left.rows:,} rows, the right {right.rows:,}"] if left.rows != right.rows else []
    unsummed = {pair.name: why for pair in pairs if (why := _stretched(pair, paired, asked))}
    counted = []
    for pair in pairs:
        ours, theirs = left.columns.get(pair.left.name), right.columns.get(pair.right.name)
        if ours is None or theirs is None:
            continue
        if ours.values != theirs.values:
            unlike.append(f"'{pair.name}' has {ours.values:,} values on the left, {theirs.values:,} on the right")
        elif pair.name in unsummed:
            continue
        elif not _sums(pair) or None in (ours.total, theirs.total):
            counted.append(pair.name)
        elif ours.total != theirs.total:
            sums = (HIDDEN, HIDDEN) if asked.hides(pair.name) else (ours.total, theirs.total)
            unlike.append(f"'{pair.name}' sums to {sums[0]} on the left, to {sums[1]} on the right")
    return {
        "rows_left": left.rows, "rows_right": right.rows, "unlike": unlike, "cost_left": Cost(), "cost_right": Cost(),
        "seconds": time.monotonic() - began, "unsummed": unsummed, "counted": counted,
    }  # fmt: skip


def _sums(pair: Pair) -> bool:
    """Whether equal values have equal sums: none is changed where the two types are not the same."""
    left, right = pair.left.type, pair.right.type
    kinds = {left.kind, right.kind}
    alike = kinds <= {"bool", "int", "decimal"} or kinds in ({"string"}, {"binary"})
    return left == right or (alike and pair.type is not None and not pair.cuts and not gaps(left, pair.type))


def _stretched(pair: Pair, paired: Pairing, asked: Asked) -> str:
    """Why equal texts may have other lengths on the other side; empty where they have not."""
    if pair.type is None or pair.type.kind != "string":
        return ""
    if asked.policies and paired.key and pair.name not in paired.key:
        return "policies may change them"
    if pair.padded and pair.left.native != pair.right.native:  # of one type both sides give the blanks, or neither
        return "blanks at the end may be padding"
    return ""
