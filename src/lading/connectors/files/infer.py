"""The types of text columns, from every value of them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import pyarrow as pa
import pyarrow.compute as pc

from lading.connectors.files.numerals import decimal_digits, int_digits, matches
from lading.types import Type, parse

_TRUTHS = ({"true", "false"}, {"True", "False"}, {"TRUE", "FALSE"})
_MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?P<sep>[ T])[0-9:]{8}(?P<part>\.[0-9]{1,9})?(?P<zone>Z|\+00:00|\+00)?$"
_NUMBERS = ("int", "decimal", "float")


class Guess:
    """Narrows down what a column can be: a type stays possible only while it gives back every text as it was, so
    that 007 is text and 1.10 a decimal with two digits. `plain` says that the texts are numbers of JSON, where only
    the value counts."""

    def __init__(self, plain: bool = False) -> None:
        self.plain = plain
        self.possible = [*_NUMBERS] if plain else ["bool", "int", "decimal", "date", "timestamp", "float"]
        self.seen = False
        self.truths: set[str] = set()
        self.int_digits = self.digits = 0
        self.wide = self.finite = False
        self.scale: int | None = None
        self.moment = ""
        self.part, self.zone = 0, False

    def add(self, texts: pa.Array) -> None:
        """Takes some of the column's values."""
        texts = texts.drop_null()
        if not len(texts):
            return
        self.seen = True
        whole = "int" in self.possible and self._int(texts)
        for kind in list(self.possible):
            still = whole if kind == "int" else getattr(self, f"_{kind}")(texts, whole)
            if not still:
                self.possible.remove(kind)

    @property
    def type(self) -> Type:
        """What the column is by all that was seen."""
        kind = next((k for k in self.possible if k != "float" or self.finite), "") if self.seen else ""
        match kind:
            case "int" if not self.wide:
                return parse("int(64)")
            case "int" | "decimal":
                digits, scale = (self.digits, self.scale or 0) if kind == "decimal" else (self.int_digits, 0)
                size = next((size for size in (18, 38, 76) if digits <= size), None)
                return Type("decimal", size, scale) if size else Type("decimal") if self.plain else Type("string")
            case "float":
                return parse("float(64)")
            case "timestamp":
                return Type("timestamp", self.part, utc=self.zone)
            case "bool" | "date":
                return Type(kind)
            case _:
                return Type("decimal") if self.plain and self.seen else Type("string")

    def _bool(self, texts: pa.Array, _whole: bool) -> bool:
        if pc.max(pc.binary_length(texts)).as_py() > 5:
            return False
        self.truths |= set(pc.unique(texts).to_pylist())
        return any(self.truths <= style for style in _TRUTHS)

    def _int(self, texts: pa.Array) -> bool:
        digits = int_digits(texts)
        if digits is None:
            return False
        self.int_digits = max(self.int_digits, digits)
        self.wide = self.wide or (digits >= 19 and not _fits(texts, pa.int64()))
        return True

    def _decimal(self, texts: pa.Array, whole: bool) -> bool:
        if whole:
            return False
        first = texts[0].as_py().rpartition(".")
        self.scale = len(first[2]) if self.scale is None and first[1] else self.scale
        digits = decimal_digits(texts, self.scale) if self.scale else None
        self.digits = max(self.digits, digits or 0)
        return digits is not None

    def _date(self, texts: pa.Array, whole: bool) -> bool:
        return not whole and _fits(texts, pa.date32())  # which takes nothing but four, two and two digits

    def _timestamp(self, texts: pa.Array, whole: bool) -> bool:
        if whole:
            return False
        if not self.moment:
            found = pc.extract_regex(texts.slice(0, 1), _MOMENT)[0].as_py()
            if found is None:
                return False
            self.part, self.zone = max(len(found["part"]) - 1, 0), bool(found["zone"])
            part = rf"\.[0-9]{{{self.part}}}" if self.part else ""
            zone = found["zone"].replace("+", r"\+")
            self.moment = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{found['sep']}[0-9:]{{8}}{part}{zone}$"
        unit = "us" if self.part <= 6 else "ns"
        return matches(texts, self.moment) and _fits(texts, pa.timestamp(unit, "UTC" if self.zone else None))

    def _float(self, texts: pa.Array, whole: bool) -> bool:
        self.finite = self.finite or pc.any(pc.match_substring_regex(texts, "^-?[0-9]")).as_py()
        if whole and self.int_digits < 16:
            return True
        try:
            values = texts.cast(pa.float64())
        except pa.ArrowInvalid:
            return False
        again = values.cast(pa.string())
        same = pc.or_(pc.equal(texts, again), pc.equal(texts, pc.binary_join_element_wise(again, "0", ".")))
        others = pc.invert(same)
        rest = zip(texts.filter(others).to_pylist(), values.filter(others).to_pylist(), strict=True)
        return all(self._exact(text, value) for text, value in rest)

    def _exact(self, text: str, value: float) -> bool:
        try:
            if repr(value) == text or not self.plain:
                return repr(value) == text
            return Decimal(text) == Decimal(repr(value)) or (value != value and text == "NaN")
        except InvalidOperation:
            return False


def _fits(texts: pa.Array, arrow: pa.DataType) -> bool:
    try:
        texts.cast(arrow)
    except pa.ArrowInvalid:
        return False
    return True
