"""The decimals that systems and loaders make of a float. Each of them is that float, and none is more right."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from math import isfinite

import pyarrow as pa

from lading.canon import short_numbers
from lading.types import Type
from lading.values import cast, texts

_ROOM = Context(prec=2_000)
_DIGITS = {32: 6, 64: 15}
"""Digits that PostgreSQL's own cast keeps: `FLT_DIG` and `DBL_DIG`."""
FORMS = 6
"""How many there are."""


def shortest(array: pa.Array, here: Type, to: Type) -> pa.Array:
    """The shortest decimals that give the floats back, rounded half away from zero, as MariaDB's own cast makes them.
    Without a limit, where these are what is compared, with PostgreSQL's digits. What has no such form is NULL."""
    fit, rows = _fitting(to), _both(array, here)
    if to.size is None:
        return pa.array([v if v is None else fit(_digits(v, here)) for v, _ in rows], pa.string())
    return pa.array([v if v is None else fit(Decimal(text)) for v, text in rows], pa.string()).cast(to.arrow())


def forms(array: pa.Array, here: Type, to: Type) -> list[pa.Array]:
    """The texts of all such decimals: of the exact number, rounded and cut; of the shortest decimal that gives it back,
    as a float of its own size and as one of 64 bits; of PostgreSQL's digits; and of DuckDB's product of floats. NULL
    where the type does not hold it."""
    wide = cast(array, here, Type("float", 64))[0]
    fit, cut = _fitting(to), _fitting(to, ROUND_DOWN)
    power = float(f"1e{to.scale}")
    found: list[list[str | None]] = [[] for _ in range(FORMS)]
    for (value, text), (_, long) in zip(_both(array, here), _both(wide, Type("float", 64)), strict=True):
        row: list[str | None] = [None] * FORMS
        if value is not None:
            exact, short = Decimal(value), fit(Decimal(text))
            other = short if long == text else fit(Decimal(long))
            product = None if to.size is None else _product(value * power, to.scale)
            row = [
                fit(exact),
                cut(exact),
                short,
                other,
                fit(_digits(value, here)),
                None if product is None else fit(product),
            ]
        for column, form in zip(found, row, strict=True):
            column.append(form)
    made = [pa.array(column, pa.string()) for column in found]
    return [short_numbers(each) for each in made] if to.size is None else made


def _both(array: pa.Array, here: Type) -> list[tuple[float | None, str]]:
    """The floats that are numbers, and their shortest texts."""
    pairs = zip(array.to_pylist(), texts(array, here).to_pylist(), strict=True)
    return [(v if v is not None and isfinite(v) else None, text) for v, text in pairs]


def _digits(value: float, here: Type) -> Decimal:
    return Decimal(f"{value:.{_DIGITS[here.size or 64]}g}")


def _fitting(to: Type, how: str = ROUND_HALF_UP) -> Callable[[Decimal], str | None]:
    """The text of a number with the digits of the type; None when it has too few."""
    unit, most = Decimal(1).scaleb(-to.scale), (to.size or 0) - to.scale

    def fit(value: Decimal) -> str | None:
        if to.size is None:
            return format(value, "f")
        found = value.quantize(unit, how, context=_ROOM)
        if not found:
            return format(abs(found), "f")
        return format(found, "f") if found.adjusted() < most else None

    return fit


def _product(product: float, scale: int) -> Decimal | None:
    if not isfinite(product):
        return None
    return Decimal(product).quantize(Decimal(1), ROUND_HALF_UP, context=_ROOM).scaleb(-scale, _ROOM)
