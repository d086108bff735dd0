"""The greatest values that types hold, for a canary, and when one of them is the one that came back."""

from __future__ import annotations

import datetime as dt
import json
import random
import re
import string
import uuid
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pyarrow as pa

from lading.facts import Observed
from lading.hops import casts
from lading.hops.native import of_column
from lading.hops.rules import width
from lading.schema import Column
from lading.types import Type, interval_text

LONGEST = 20_000
"""Characters that are sent where nothing limits them and nothing was observed."""
DICE = random.SystemRandom()
MARK = 8
"""Characters that tell one canary from other rows."""


def makes(here: Column, there: Column) -> bool:
    """Whether a value that is made up is one of the target's type: words of a list and addresses are not."""
    if here.type.kind == "string" and there.type.kind not in ("string", "binary"):
        return False
    system = there.native.partition(":")[0]
    return not casts.as_text(casts.each(of_column(system, there, kind="target column", name=there.name)))


def greatest(column: Column, charset: str = "", observed: Observed | None = None) -> Any:
    """The longest text, the most digits, the latest moment that a column's type allows."""
    type_ = column.type
    match type_.kind:
        case "string":
            return _text(type_, width(charset), observed)
        case "binary":
            return DICE.randbytes(min(type_.size or LONGEST, LONGEST))
        case "decimal":
            size, scale = (38, 10) if type_.size is None else (type_.size, type_.scale)
            return Decimal((0, tuple(DICE.choices(range(1, 10), k=size)), -scale))
        case "int":
            top = 2 ** ((type_.size or 64) - (0 if type_.unsigned else 1)) - 1
            return DICE.randint(top // 2, top)
        case "interval":
            last, digits = casts.span(column.native.partition(":")[2].lower())
            fraction = int("123456"[:digits].ljust(6, "0")) * 1_000
            return pa.MonthDayNano((12, 0, 0) if last else (14, 3, 14_706_000_000_000 + fraction))
        case "list" if type_.item is not None and type_.item.kind in ("string", "int"):
            return [greatest(Column(name=column.name, type=type_.item))]
        case _:
            return small(type_)


def _text(type_: Type, most: int, observed: Observed | None) -> str:
    """Characters of one byte up to the longest that there are, after a mark that no other row begins with."""
    mark = "".join(DICE.choices(string.ascii_lowercase + string.digits, k=MARK))
    limit = type_.size or (observed.max_characters if observed else None) or LONGEST
    several = "aé日😀"[:most]
    if not type_.in_bytes or type_.size is None:
        return (mark + several * limit)[:limit]
    text = mark[:limit]
    for character in several * limit:
        if len((text + character).encode()) > limit:
            return text + "a" * (limit - len(text.encode()))
        text += character
    return text


def small(type_: Type) -> Any:
    """A value that every type of a kind takes."""
    digits = min(type_.size or 0, 6) if type_.kind in ("time", "timestamp") else 0
    micros = int("123456"[:digits].ljust(6, "0"))
    match type_.kind:
        case "bool":
            return True
        case "float":
            return 1.5
        case "date":
            return dt.date(2037, 12, 31)
        case "time":
            return dt.time(23, 59, 58, micros)
        case "timestamp":
            return dt.datetime(2037, 12, 31, 23, 59, 58, micros, dt.UTC if type_.utc else None)
        case "uuid":
            return str(uuid.uuid4())
        case "json":
            return '{"canary": "aé日😀"}'
        case "int":
            return 1
        case "decimal":
            return Decimal(1)
        case "string":
            return "a"
        case "binary":
            return b"a"
        case "interval":
            return pa.MonthDayNano((12, 0, 0))
        case "list":
            return list[Any]()


_SPAN = re.compile(
    r"P(?=.)(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)D)?(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?\d+(?:\.\d+)?)S)?)?"
)
"""An interval as PostgreSQL writes it here, and as Lading does."""


def alike(value: Any) -> Any:
    """A value as both sides' libraries would give it."""
    if isinstance(value, bool):
        return Decimal(int(value))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [alike(item) for item in value]
    text = interval_text(value) if isinstance(value, tuple) else str(value)
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return Decimal(text)
    if (span := _SPAN.fullmatch(text)) is not None:
        years, months, days, hours, minutes, seconds = (Decimal(part or 0) for part in span.groups())
        return years * 12 + months, days, hours * 3_600 + minutes * 60 + seconds
    if text.startswith("["):
        with suppress(ValueError):
            return [alike(item) for item in json.loads(text)]
    if re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d", text) or re.fullmatch(r"\d\d:\d\d:\d\d(\.\d+)?", text):
        text = re.sub(r"[+-]\d\d(:?\d\d)?$", "", text)
        return re.sub(r"\.?0+$", "", text) if "." in text else text
    return text.rstrip(" ") if not text.startswith("{") else re.sub(r"\s", "", text)
