"""The decimals that systems and loaders make of a float. Each of them is that float, and none is more right."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from math import isfinite

import pyarrow as pa

from lading.types import Type
from lading.values import cast, short_numbers, texts

_ROOM = Context(prec=2_000)
_DIGITS = {32: 6, 64: 15}
"""Digits that PostgreSQL's own cast keeps: `FLT_DIG` and `DBL_DIG`."""


def shortest(array: pa.Array, here: Type, to: Type) -> pa.Array:
    """The shortest decimals that give the floats back, rounded half away from zero, as MariaDB's own cast makes them.
    Without a limit, where these are what is compared, with PostgreSQL's digits. What has no such form is NULL."""
    if to.size is None:
        return pa.array([_plain(v, lambda v: _digits(v, here)) for v in array.to_pylist()], pa.string())
    rows = [_rounded(v if v is None else Decimal(text), to) for v, text in _both(array, here)]
    return pa.array([v if v is None else format(v, "f") for v in rows], pa.string()).cast(to.arrow())


def forms(array: pa.Array, here: Type, to: Type) -> list[pa.Array]:
    """The texts of all such decimals: of the exact number, rounded and cut; of the shortest decimal that gives it back,
    as a float of its own size and as one of 64 bits; of PostgreSQL's digits; and of DuckDB's product of floats. NULL
    where the type does not hold it."""
    wide = cast(array, here, Type("float", 64))[0]
    wides = [text for _, text in _both(wide, Type("float", 64))]
    rows = [_forms(v, text, long, here, to) for (v, text), long in zip(_both(array, here), wides, strict=True)]
    found = [pa.array(each, pa.string()) for each in zip(*rows, strict=True)]
    return [short_numbers(each) for each in found] if to.size is None else found


def _both(array: pa.Array, here: Type) -> list[tuple[float | None, str]]:
    """The floats that are numbers, and their shortest texts."""
    pairs = zip(array.to_pylist(), texts(array, here).to_pylist(), strict=True)
    return [(v if v is not None and isfinite(v) else None, text) for v, text in pairs]


def _forms(value: float | None, text: str, wide: str, here: Type, to: Type) -> list[str | None]:
    if value is None:
        return [None] * 6
    exact, digits = Decimal(value), _digits(value, here)
    if to.size is None:
        return [format(each, "f") for each in (exact, exact, Decimal(text), Decimal(wide), digits, exact)]
    found = [_rounded(each, to) for each in (exact, Decimal(text), Decimal(wide), digits)]
    found += [_rounded(exact, to, ROUND_DOWN), _product(value, to)]
    return [v if v is None else format(v, "f") for v in found]


def _plain(value: float | None, make: Callable[[float], Decimal]) -> str | None:
    return format(make(value), "f") if value is not None and isfinite(value) else None


def _digits(value: float, here: Type) -> Decimal:
    return Decimal(f"{value:.{_DIGITS[here.size or 64]}g}")


def _rounded(value: Decimal | None, to: Type, how: str = ROUND_HALF_UP) -> Decimal | None:
    """With the digits of the type; None when it has too few."""
    if value is None:
        return None
    found = value.quantize(Decimal(1).scaleb(-to.scale), how, context=_ROOM)
    if not found:
        return abs(found)
    return found if found.adjusted() < (to.size or 0) - to.scale else None


def _product(value: float, to: Type) -> Decimal | None:
    product = value * float(f"1e{to.scale}")
    if not isfinite(product):
        return None
    whole = Decimal(product).quantize(Decimal(1), ROUND_HALF_UP, context=_ROOM)
    return _rounded(whole.scaleb(-to.scale, _ROOM), to)
