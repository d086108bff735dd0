"""The years that texts of dates and moments hold."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from lading.types import Type
from lading.values import texts

BEGINS = {0: -719_528, 1: -719_162, 10_000: 2_932_897}
"""The days on which years begin, counted from 1970-01-01."""
_DAY = {"us": 86_400 * 10**6, "ns": 86_400 * 10**9}


def beyond(array: pa.Array, type_: Type, first: int, end: int | None = None) -> str:
    """The first date or moment, also of lists, before one of the years in `BEGINS` or from another one on; empty where
    there is none."""
    held = type_.inmost
    if held.kind not in ("date", "timestamp"):
        return ""
    while pa.types.is_list(array.type):
        array = array.flatten()
    day = 1 if held.kind == "date" else _DAY[array.type.unit]
    ints = (array.cast(pa.int32()) if held.kind == "date" else array).cast(pa.int64())
    low, high = BEGINS[first] * day, 2**63 - 1 if end is None else BEGINS[end] * day
    ends = pc.min_max(ints).as_py()
    if day == _DAY["ns"] or ends["min"] is None or low <= ends["min"] <= ends["max"] < high:
        return ""
    odd = array.filter(pc.or_(pc.less(ints, low), pc.greater_equal(ints, high)))
    return str(texts(odd.slice(0, 1), held)[0])
