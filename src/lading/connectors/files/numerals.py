"""Texts that are numbers as one would write them, told by their bytes and values: patterns take three times as long."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lading.connectors.files.text import parts

_POWERS = np.array([10**n for n in range(1, 20)], dtype=np.uint64)
_INT = r"^(0|-?[1-9][0-9]*)$"
_WHOLE = r"(0|[1-9][0-9]*)"


def int_digits(texts: pa.Array) -> int | None:
    """The most digits of whole numbers, None where a text is none: no zero leads, and no minus stands before 0."""
    _, raw, _ = parts(texts)
    if raw.tobytes().translate(None, b"-0123456789"):
        return None
    values = _values(texts)
    if values is None:
        return _most(texts) if matches(texts, _INT) else None
    digits = _digits(values)
    # Each text is as long as its value or longer.
    return int(digits.max()) if digits.sum() + (values < 0).sum() == len(raw) else None


def decimal_digits(texts: pa.Array, scale: int) -> int | None:
    """The most digits of decimals, None where a text is none of `scale` digits behind the point."""
    offsets, raw, _ = parts(texts)
    data, lengths = raw.tobytes(), np.diff(offsets)
    if data.translate(None, b"-.0123456789") or data.count(b".") != len(texts) or lengths.min() < scale + 2:
        return None
    if not (raw[offsets[1:] - scale - 1] == ord(".")).all():
        return None
    without = pa.py_buffer((offsets - np.arange(len(offsets))).astype(np.int32))
    bare = pa.Array.from_buffers(pa.string(), len(texts), [None, without, pa.py_buffer(data.translate(None, b"."))])
    values = _values(bare)
    if values is None:
        exact = (
            matches(texts, rf"^-?{_WHOLE}\.[0-9]+$")
            and not pc.any(pc.match_substring_regex(texts, r"^-[0.]*$")).as_py()
        )
        return _most(texts) - 1 if exact else None
    minus = values < 0
    if not (np.maximum(_digits(values), scale + 1) + minus + 1 == lengths).all():
        return None
    return int((lengths - minus).max()) - 1


def matches(texts: pa.Array, pattern: str) -> bool:
    """Whether all texts match."""
    return bool(pc.all(pc.match_substring_regex(texts, pattern)).as_py())


def _values(texts: pa.Array) -> Any:
    """The texts as numbers of 64 bits, None where some are none; zeros may lead."""
    try:
        return texts.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return None


def _digits(values: Any) -> Any:
    return np.searchsorted(_POWERS, np.abs(values).view(np.uint64), side="right") + 1


def _most(texts: pa.Array) -> int:
    return int(pc.max(pc.binary_length(pc.utf8_ltrim(texts, "-"))).as_py())
