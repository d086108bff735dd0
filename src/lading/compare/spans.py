"""Texts of intervals, as PostgreSQL writes them in each of its styles, as DuckDB does, and as ISO 8601 has them."""

from __future__ import annotations

import re
from decimal import Decimal

from lading.types import interval_text

_SECOND = 10**9
_MONTHS = {"y": 12, "year": 12, "mon": 1, "month": 1}
_DAYS = {"w": 7, "week": 7, "d": 1, "day": 1}
_WHOLE = {"h": 3_600 * _SECOND, "hour": 3_600 * _SECOND, "min": 60 * _SECOND, "minute": 60 * _SECOND,
          "millisecond": 10**6, "microsecond": 10**3}  # fmt: skip
_SECONDS = ("s", "sec", "second")
_CLOCK = r"\d+:[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?"
_N = r"[+-]?\d+"
_ISO = re.compile(rf"P((?:{_N}[YMWD])*)(?:T((?:{_N}[HM])*(?:{_N}(?:\.\d{{1,9}})?S)?))?")
_WORDS = re.compile(rf"(?:@ )?((?:{_N}(?:\.\d{{1,9}})? [a-z]+ ?)*)([+-]?{_CLOCK})?(?: ?(ago))?")
_STANDARD = re.compile(rf"(?:([+-]?)(\d+)-(\d+))?(?:(?:^| )({_N}) ([+-]?)({_CLOCK}))?")
_LIMITS = (1 << 31, 1 << 31, 1 << 63)


def span(text: str) -> str | None:
    """The interval that a text says, in the form that we read; None when it says none."""
    if text in ("0", "@ 0"):
        return interval_text((0, 0, 0))
    if not text or text != text.strip():
        return None
    found = _iso(text) if text.startswith("P") else _standard(text) or _words(text)
    if found is None or any(not -limit <= part < limit for part, limit in zip(found, _LIMITS, strict=True)):
        return None
    return interval_text(found)


def _iso(text: str) -> tuple[int, int, int] | None:
    match = _ISO.fullmatch(text)
    if match is None or not (match[1] or match[2]) or match[2] == "":
        return None
    days = [(number, {"Y": "y", "M": "mon", "W": "w", "D": "d"}[unit]) for number, unit in _parts(match[1])]
    return _sum([*days, *((number, {"M": "min"}.get(unit, unit.lower())) for number, unit in _parts(match[2] or ""))])


def _parts(text: str) -> list[tuple[str, str]]:
    return re.findall(r"([+-]?[\d.]+)([A-Z])", text)


def _words(text: str) -> tuple[int, int, int] | None:
    match = _WORDS.fullmatch(text)
    if match is None or not (match[1] or match[2]):
        return None
    found = _sum([(number, unit) for number, unit in re.findall(r"(\S+) ([a-z]+)", match[1])])
    if found is None:
        return None
    months, days, nanos = found
    nanos += _clock(match[2] or "0:00")
    return (-months, -days, -nanos) if match[3] else (months, days, nanos)


def _standard(text: str) -> tuple[int, int, int] | None:
    """A sign before the first of days and time is that of both."""
    match = _STANDARD.fullmatch(text)
    if match is None or not match[0]:
        return None
    sign, years, months, days, clock_sign, clock = match.groups()
    found = (int(years or 0) * 12 + int(months or 0)) * (-1 if sign == "-" else 1)
    negative = clock_sign == "-" or (not clock_sign and (days or "").startswith("-"))
    return found, int(days or 0), _clock(clock or "0:00") * (-1 if negative else 1)


def _sum(parts: list[tuple[str, str]]) -> tuple[int, int, int] | None:
    months = days = nanos = 0
    for number, unit in parts:
        name = unit if unit in ("s", "y") else unit.removesuffix("s")
        if name in _SECONDS:
            nanos += int(Decimal(number) * _SECOND)
        elif "." in number:
            return None
        elif name in _WHOLE:
            nanos += int(number) * _WHOLE[name]
        elif name in _MONTHS:
            months += int(number) * _MONTHS[name]
        elif name in _DAYS:
            days += int(number) * _DAYS[name]
        else:
            return None
    return months, days, nanos


def _clock(text: str) -> int:
    """Nanoseconds of hours, minutes and seconds; a sign is that of all."""
    hours, minutes, *seconds = text.lstrip("+-").split(":")
    found = (int(hours) * 3_600 + int(minutes) * 60) * _SECOND + int(Decimal(seconds[0] if seconds else 0) * _SECOND)
    return -found if text.startswith("-") else found
