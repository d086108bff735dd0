"""The types of columns of JSON values, from every value of them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from lading.connectors.files.infer import Guess
from lading.connectors.files.lines import Number
from lading.types import Type


class Shape:
    """What a column of JSON values can be, from every value of it."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.numbers, self.strings = Guess(plain=True), Guess()

    def add(self, values: list[Any]) -> None:
        kinds = set(map(type, values)) - {type(None)}
        if kinds == {str} and (texts := _array(values)) is not None:
            self.kinds.add("string")
            self.strings.add(texts)
        elif kinds and kinds <= {int, Number}:
            self.kinds.add("number")
            self.numbers.add(_numbers(values))
        elif kinds:
            self.kinds.add("bool" if kinds == {bool} else "nested")

    @property
    def type(self) -> Type:
        if self.kinds == {"string"} or not self.kinds:
            found = self.strings.type
            return found if found.kind in ("date", "timestamp") else Type("string")
        if self.kinds == {"number"}:
            return self.numbers.type
        return Type("bool") if self.kinds == {"bool"} else Type("json")


def _array(texts: list[str | None]) -> pa.Array | None:
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        return None  # half a character is no text


def _numbers(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.int64()).cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
