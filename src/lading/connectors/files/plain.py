"""CSV of several characters between values, as CSV of one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from lading.connectors.files.page import Page, Places
from lading.connectors.files.scan import Scanner
from lading.errors import DataError

_SPARE = bytes([*range(0x1F, 0x1B, -1), *range(1, 9), *range(0x0E, 0x1B)])
"""Bytes that text seldom holds; one that a block does not hold stands in for a delimiter of several characters."""


def plain(scanner: Scanner, page: Page) -> tuple[Any, str, str]:
    """The bytes with a delimiter of one character, that character, and the text that means NULL."""
    form, width = scanner.form, len(scanner.delimiter)
    inner = bool(form.escape and form.escape in form.null)
    if width == 1 and not inner and form.delimiter != "\0":
        return page.data, form.delimiter, form.null
    spare = [byte for byte in _SPARE if byte not in page.data][:2]
    if len(spare) < 2:
        what = f"{scanner.path}:{page.line}: the text holds every control character there is"
        raise DataError(f"{what}, so that its delimiter cannot be told.", "Use a delimiter of one character.")
    out, keep, places = page.buffer.copy(), np.ones(len(page.data), bool), scanner.delimiters(page)
    out[places] = spare[0]
    for step in range(1, width):
        keep[places + step] = False
    if inner:
        nulls = _nulls(page, places, form.null.encode(), width)
        out[nulls] = spare[1]
        for step in range(1, len(form.null.encode())):
            keep[nulls + step] = False
    return pa.py_buffer(out[keep].tobytes()), chr(spare[0]), chr(spare[1]) if inner else form.null


def _nulls(page: Page, delimiters: Places, null: bytes, width: int) -> Places:
    """Where values begin that are the text for NULL and nothing else."""
    starts, ends = page.records
    returns = (page.buffer[np.maximum(ends - 1, 0)] == 13) & (ends > starts)
    begins = np.sort(np.concatenate([starts, delimiters + width]))
    stops = np.sort(np.concatenate([ends - returns, delimiters]))
    fitting = begins[stops - begins == len(null)]
    for step, byte in enumerate(null):
        fitting = fitting[page.buffer[fitting + step] == byte]
    return fitting
