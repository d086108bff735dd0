"""How a move keeps to a size of memory: fewer streams, smaller batches, less for an engine inside the process."""

from __future__ import annotations

import ctypes
import re
from contextlib import suppress
from typing import NamedTuple

from lading.connector import Connection

MIB = 1 << 20
LEAST = 256 * MIB
"""Libraries take some 160 MiB of it, where DuckDB is among them 200."""
_TWO_STREAMS, _STREAM = 640 * MIB, 160 * MIB
_UNITS = {"MIB": MIB, "GIB": 1 << 30, "MB": 10**6, "GB": 10**9}
_ARENAS, _MAPPED, _TRIMMED = -8, -3, -1  # of mallopt(3)


class Share(NamedTuple):
    """What a size of memory comes to: how many slices at a time, MiB of a batch, and MiB of an engine."""

    streams: int
    batch_mb: int
    engine_mb: int


def size(text: str) -> int:
    """Bytes of '256MiB', '1GiB' or '300MB'; 0 of an empty text. Raises ValueError."""
    if not text:
        return 0
    found = re.fullmatch(r"(\d+(?:\.\d+)?) *([MG]i?B)", text, re.IGNORECASE)
    if found is None:
        raise ValueError(f"'{text}' is no size of memory; write it as 256MiB, 1GiB or 300MB")
    held = int(float(found[1]) * _UNITS[found[2].upper()])
    if held < LEAST:
        raise ValueError(f"{text} is less than Lading needs; give it {LEAST // MIB}MiB or more")
    return held


def share(limit: int) -> Share:
    """What may be had within so many bytes."""
    spare = (limit - LEAST) // MIB
    streams = 1 if limit < _TWO_STREAMS else 2 + (limit - _TWO_STREAMS) // _STREAM
    return Share(streams, min(1 + spare // 48, 8), min(20 + spare // 2, 160))


def within(side: Connection, limit: int, engine: bool = True) -> Connection:
    """The connection with what it holds at a time made smaller, where it lets itself be told."""
    most = {"batch_mb": share(limit).batch_mb} | ({"memory_mb": share(limit).engine_mb} if engine else {})
    less = {name: min(getattr(side, name), mb) for name, mb in most.items() if name in type(side).model_fields}
    return side.model_copy(update=less)


def small(side: Connection) -> Connection:
    """The connection with small batches, unless their size was set."""
    if side.small_mb is None or "batch_mb" in side.model_fields_set:
        return side
    return side.model_copy(update={"batch_mb": side.small_mb})


def map_large() -> None:
    """Has the C library give back blocks of a MiB and more when they are freed, for the rest of the process: with
    several wide tables at a time it would keep some 100 MiB for the next ones. That costs 3 % of the time, and does
    nothing where that is another library than glibc."""
    _told((_MAPPED, MIB))


def return_freed() -> None:
    """Has the C library give back at once what is freed, for the rest of the process: it would keep about as much as
    is in use, for each thread. Does nothing where that is another library than glibc."""
    _told((_ARENAS, 1), (_MAPPED, 128 << 10), (_TRIMMED, MIB))
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _told(*options: tuple[int, int]) -> None:
    with suppress(AttributeError, OSError, TypeError):
        for name, value in options:
            ctypes.CDLL(None).mallopt(name, value)
