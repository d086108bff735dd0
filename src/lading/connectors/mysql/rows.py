"""Rows cut into columns without a Python object per row or value.

In a row every value is its length and its text, or a byte that says NULL. Values are cut out of whole blocks of rows,
column after column, so nothing is escaped or quoted, and any value of any size arrives as it is. See dev.mysql.com,
"Text Resultset".
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lading.connectors.mysql.blocks import Block
from lading.errors import DataError
from lading.schema import Column, Table

_DAY = "1970-01-01"
_NULL, _TWO, _THREE, _EIGHT = 251, 252, 253, 254

Words = np.ndarray[Any, np.dtype[np.int64]]


def batch(block: Block, table: Table) -> pa.RecordBatch:
    """The rows of a block in canonical types. Raises DataError that names the column whose value has no such form."""
    bounds, nulls = _cut(block, len(table.columns))
    flat = bounds.reshape(-1)
    slots = len(flat) - 1
    buffers = [None, pa.py_buffer(flat), pa.py_buffer(block.bytes)]
    text = pa.Array.from_buffers(pa.string(), slots, buffers)
    raw = pa.Array.from_buffers(pa.binary(), slots, buffers)
    every = np.arange(len(block.starts), dtype=np.int64) * bounds.shape[1]
    arrays = []
    for place, column in enumerate(table.columns):
        wanted = pa.array(every + 2 * place, mask=nulls[place])
        plain = column.type.kind in ("string", "binary", "json")
        arrays.append(_typed((raw if plain else text).take(wanted), table, column))
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in table.columns])


def _cut(block: Block, columns: int) -> tuple[np.ndarray[Any, np.dtype[np.int32]], list[Any]]:
    """Per row the begin and the end of every value, one after the other, and per column which values are NULL."""
    data = np.frombuffer(block.bytes, dtype=np.uint8)
    at: Words = np.array(block.starts, dtype=np.int64)
    bounds = np.empty((len(at), 2 * columns), dtype=np.int32)
    nulls: list[Any] = []
    for place in range(columns):
        sizes: Words = data[at].astype(np.int64)
        null = None
        at = at + 1
        if sizes.max(initial=0) >= _NULL:
            null = sizes == _NULL
            for mark, width in ((_TWO, 2), (_THREE, 3), (_EIGHT, 8)):
                rows = np.flatnonzero(sizes == mark)
                if len(rows):
                    sizes[rows] = sum(data[at[rows] + n].astype(np.int64) << (8 * n) for n in range(width))
                    at[rows] += width
            sizes[null] = 0
        bounds[:, 2 * place] = at
        at = at + sizes
        bounds[:, 2 * place + 1] = at
        nulls.append(null)
    return bounds, nulls


def _typed(array: pa.Array, table: Table, column: Column) -> pa.Array:
    to = column.type.arrow()
    try:
        match column.type.kind:
            case "binary":
                return array
            case "bool":
                return _truths(array.cast(pa.int64()), table, column)
            case "timestamp":
                return array.cast(pa.timestamp(to.unit)).cast(to)
            case "time":  # Arrow reads no times from text; what reaches beyond a day is no instant of this one
                day = pc.binary_join_element_wise(_DAY, array, " ").cast(pa.timestamp(to.unit))
                return day.cast(pa.int64()).cast(to)
            case _:
                return array if array.type.equals(to) else array.cast(to)
    except pa.ArrowInvalid as error:
        found = re.search("'(.*)'", str(error).splitlines()[0])
        held = f"'{found[1].removeprefix(f'{_DAY} ')}'" if found else "a value"
        what = f"Column '{column.name}' of '{table.full_name}' holds {held}, which is no {column.type}."
        raise DataError(what, "Correct the value, or leave the column out.") from error


def _truths(array: pa.Array, table: Table, column: Column) -> pa.Array:
    odd = array.filter(pc.invert(pc.is_in(array, pa.array([0, 1, None], pa.int64()))))
    if len(odd):
        raise DataError(
            f"Column '{column.name}' of '{table.full_name}' holds {odd[0]}, and {column.native.partition(':')[2]} is "
            "read as bool.",
            "Declare it TINYINT(4) in the source, or correct the value.",
        )
    return array.cast(pa.bool_())
