"""Canonical types: one closed list of kinds, their text form and their Arrow form; the canonical text of JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from lading.errors import Bug, DataError, SpecError

if TYPE_CHECKING:
    import pyarrow as pa
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

Kind = Literal[
    "bool", "int", "decimal", "float", "string", "binary", "date", "time", "timestamp", "interval", "uuid", "json",
    "list",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)

_FORM = re.compile(r"^(?P<kind>[a-z]+)(?:\((?P<args>.*)\))?$")


@dataclass(frozen=True, slots=True)
class Type:
    """A canonical type. Text forms: `int(32)`, `int(64,unsigned)`, `decimal(18,2)`, `decimal` (no limit),
    `float(64)`, `string`, `string(50)` (characters), `string(50 bytes)`, `binary(16)`, `time(6)`,
    `timestamp(6)`, `timestamp(6,utc)`, `list(int(32))`.

    `size` is bits for int and float, digits for decimal, the greatest length for string and binary, digits of
    a second for time and timestamp; None means no limit.
    """

    kind: Kind
    size: int | None = None
    scale: int = 0
    unsigned: bool = False
    in_bytes: bool = False
    utc: bool = False
    item: Type | None = None

    def __str__(self) -> str:
        match self.kind:
            case "int":
                return f"int({self.size},unsigned)" if self.unsigned else f"int({self.size})"
            case "decimal":
                return "decimal" if self.size is None else f"decimal({self.size},{self.scale})"
            case "timestamp":
                return f"timestamp({self.size},utc)" if self.utc else f"timestamp({self.size})"
            case "string" if self.size is not None:
                return f"string({self.size} bytes)" if self.in_bytes else f"string({self.size})"
            case "list":
                return f"list({self.item})"
            case "float" | "time" | "binary" if self.size is not None:
                return f"{self.kind}({self.size})"
            case _:
                return self.kind

    def arrow(self) -> pa.DataType:
        """The Arrow type in which batches carry this type."""
        return arrow_type(self)

    @property
    def numeric(self) -> bool:
        return self.kind in ("int", "decimal", "float")

    @property
    def ordered(self) -> bool:
        """Whether one value comes after another, in every system and in its canonical text: 'since' needs that."""
        return self.kind not in ("binary", "interval", "json", "list")

    @property
    def inmost(self) -> Type:
        """What the items of a list are, of lists of lists those of the inner ones; the type itself where it is none."""
        return self if self.item is None else self.item.inmost

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """In plain data a type is its text form."""
        from pydantic_core import core_schema

        def read(value: Any) -> Type:
            if isinstance(value, Type):
                return value
            try:
                return parse(value)
            except SpecError as error:
                raise ValueError(str(error)) from error

        return core_schema.no_info_plain_validator_function(
            read, serialization=core_schema.to_string_ser_schema(), json_schema_input_schema=core_schema.str_schema()
        )


@lru_cache(maxsize=1024)
def parse(text: str) -> Type:
    """The type of a text form. Raises SpecError that names the text and the forms there are."""
    match = _FORM.match(text.strip().lower())
    if match is None or match["kind"] not in KINDS:
        raise SpecError(f"'{text}' is not a type.", f"Use one of: {', '.join(KINDS)}.")
    kind, args = match["kind"], match["args"]
    try:
        return _build(kind, args)
    except (ValueError, IndexError):
        raise SpecError(f"'{text}' is not a form of '{kind}'.", "See docs/reference/types.md for the forms.") from None


def _build(kind: str, args: str | None) -> Type:
    parts = [part.strip() for part in args.split(",")] if args and kind != "list" else []
    match kind:
        case "int":
            size = int(parts[0]) if parts else 64
            if size not in (8, 16, 32, 64):
                raise ValueError(size)
            return Type("int", size, unsigned="unsigned" in parts[1:])
        case "decimal":
            if not parts:
                return Type("decimal")
            size, scale = int(parts[0]), int(parts[1]) if len(parts) > 1 else 0
            if size < 1 or scale > size:
                raise ValueError(size)
            return Type("decimal", size, scale)
        case "float":
            size = int(parts[0]) if parts else 64
            if size not in (32, 64):
                raise ValueError(size)
            return Type("float", size)
        case "string":
            if not parts:
                return Type("string")
            in_bytes = parts[0].endswith("bytes")
            return Type("string", int(parts[0].removesuffix("bytes")), in_bytes=in_bytes)
        case "binary":
            return Type("binary", int(parts[0]) if parts else None)
        case "time" | "timestamp":
            size = int(parts[0]) if parts else 6
            if not 0 <= size <= 9:
                raise ValueError(size)
            return Type(kind, size, utc="utc" in parts[1:])
        case "list":
            return Type("list", item=parse(args or ""))
        case _:
            if parts:
                raise ValueError(parts)
            return Type(kind)  # type: ignore[arg-type]


@lru_cache(maxsize=512)
def arrow_type(type_: Type) -> pa.DataType:
    """Shapes: decimals up to 38 digits are decimal128, up to 76 decimal256, without a limit their plain text;
    uuid is its lower-case text; json is its text; time and timestamp count microseconds, from 7 digits on
    nanoseconds; intervals are months, days and nanoseconds."""
    import pyarrow as pa

    match type_.kind:
        case "bool":
            return pa.bool_()
        case "int":
            return getattr(pa, f"{'uint' if type_.unsigned else 'int'}{type_.size}")()
        case "decimal" if type_.size is not None and type_.size <= 76:
            make = pa.decimal128 if type_.size <= 38 else pa.decimal256
            return make(type_.size, type_.scale)
        case "float":
            return pa.float32() if type_.size == 32 else pa.float64()
        case "binary":
            return pa.binary()
        case "date":
            return pa.date32()
        case "time":
            return pa.time64("us" if (type_.size or 0) <= 6 else "ns")
        case "timestamp":
            unit: Literal["us", "ns"] = "us" if (type_.size or 0) <= 6 else "ns"
            return pa.timestamp(unit, "UTC") if type_.utc else pa.timestamp(unit)
        case "interval":
            return pa.month_day_nano_interval()
        case "list":
            if type_.item is None:
                raise Bug("A list type has no item type.")
            return pa.list_(type_.item.arrow())
        case _:
            return pa.string()


def from_arrow(arrow: pa.DataType) -> Type:
    """The type that an Arrow type stands for. Raises SpecError for one that has no canonical type."""
    import pyarrow as pa
    import pyarrow.types as at

    if at.is_dictionary(arrow):
        return from_arrow(arrow.value_type)
    if at.is_boolean(arrow):
        return Type("bool")
    if at.is_integer(arrow):
        return Type("int", arrow.bit_width, unsigned=at.is_unsigned_integer(arrow))
    if at.is_decimal(arrow):
        return Type("decimal", max(arrow.precision - min(arrow.scale, 0), arrow.scale), max(arrow.scale, 0))
    if at.is_floating(arrow):
        return Type("float", max(arrow.bit_width, 32))
    if at.is_string(arrow) or at.is_large_string(arrow) or at.is_string_view(arrow):
        return Type("string")
    if at.is_binary(arrow) or at.is_large_binary(arrow) or at.is_binary_view(arrow):
        return Type("binary")
    if at.is_fixed_size_binary(arrow):
        return Type("binary", arrow.byte_width)
    if at.is_date(arrow):
        return Type("date")
    if at.is_time(arrow):
        return Type("time", {"s": 0, "ms": 3, "us": 6, "ns": 9}[arrow.unit])
    if at.is_timestamp(arrow):
        return Type("timestamp", {"s": 0, "ms": 3, "us": 6, "ns": 9}[arrow.unit], utc=arrow.tz is not None)
    if at.is_interval(arrow) or at.is_duration(arrow):
        return Type("interval")
    if at.is_list(arrow) or at.is_large_list(arrow):
        return Type("list", item=from_arrow(arrow.value_type))
    if at.is_null(arrow):
        return Type("string")
    if isinstance(arrow, pa.BaseExtensionType):
        return Type("uuid") if arrow.extension_name == "arrow.uuid" else from_arrow(arrow.storage_type)
    raise SpecError(f"The Arrow type '{arrow}' has no canonical type.", "Cast the column before handing it over.")


def interval_text(value: Any) -> str:
    """Months, days and nanoseconds as `P1M2DT3.500000000S`."""
    months, days, nanos = value
    seconds, rest = divmod(abs(nanos), 1_000_000_000)
    sign = "-" if nanos < 0 else ""
    return f"P{months}M{days}DT{sign}{seconds}.{rest:09d}S"


def interval_of(text: str) -> tuple[int, int, int]:
    """The reverse of `interval_text`."""
    found = re.fullmatch(r"P(-?\d+)M(-?\d+)DT(-?\d+(?:\.\d{1,9})?)S", text)
    if found is None:
        raise DataError(f"'{text[:40]}' is not an interval.", "Write it as P1M2DT3.5S.")
    value = int(found[1]), int(found[2]), int(Decimal(found[3]) * 1_000_000_000)
    if any(not -limit <= part < limit for part, limit in zip(value, (1 << 31, 1 << 31, 1 << 63), strict=True)):
        what = f"'{text[:40]}' is longer than an interval can be: 2^31 months, 2^31 days, and 292 years of seconds."
        raise DataError(what, "Correct the value.")
    return value


def canonical_json(text: str) -> str:
    """The text of a JSON value by RFC 8785. What that standard does not take keeps all that it says: numbers with more
    digits than a double has keep every digit, and names that stand twice their values in their order. Raises DataError
    for text that is not JSON."""
    # Python's C code does nearly all of it, four times as fast. What it would do otherwise goes the long way: the mark
    # of numbers in the text itself, signs that UTF-16 sorts otherwise or has no form for, and names that stand twice,
    # of which it drops the first with its colon.
    if _MARK not in text:
        try:
            found = _ENCODER.encode(_DECODER.decode(text))
        except (ValueError, RecursionError, DecimalException):
            return json_text(load_json(text))
        once = found.count(":") == text.count(":") and _COLON not in text
        if once and (found.isascii() or not _BEYOND.search(found)):
            return _MARKED.sub(r"\1", found) if _MARK in found else found
    return json_text(load_json(text))


def _fraction(text: str) -> str:
    """A number that Python would write otherwise, as a string with a mark, which no other string has."""
    if "e" in text or "E" in text or len(text) >= _LONG_NUMBER or text.lstrip("-").startswith("0.000000"):
        return "\0" + _number_text(Decimal(text))
    plain = text.rstrip("0").rstrip(".")
    return "\0" + ("0" if plain == "-0" else plain)


def _int(text: str) -> int | str:
    return int(text) if len(text) < _LONG_NUMBER else "\0" + _number_text(Decimal(text))


def load_json(text: str) -> Any:
    """What a JSON text holds, its numbers exact; an object with a name that stands twice is a tuple of pairs. Raises
    DataError for text that is not JSON."""
    try:
        return json.loads(
            text, parse_float=Decimal, parse_int=_whole, parse_constant=_no_constant, object_pairs_hook=_object
        )
    except (ValueError, RecursionError, DecimalException) as error:
        why = str(error).rstrip(".") if isinstance(error, ValueError) else "it is out of range"
        raise DataError(f"'{text[:60]}' is not JSON: {why}.", "Map the column to string.") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | tuple[tuple[str, Any], ...]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else tuple(pairs)


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) < _LONG_NUMBER else Decimal(text)


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} has no form in it")


_LONG_NUMBER = 22  # digits of a whole number that has an exponent; Python reads no very long ones as an int anyway
_MARK, _MARKED = "\\u0000", re.compile(r'"\\u0000([^"]*)"')
_COLON = "\\u003"  # how a colon may be written, and what else begins so
_BEYOND = re.compile("[\ud800-\U0010ffff]")
_DECODER = json.JSONDecoder(parse_float=_fraction, parse_int=_int, parse_constant=_no_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def json_text(value: Any) -> str:
    """The canonical text of what `load_json` gives."""
    if isinstance(value, dict | tuple):
        pairs = sorted(value.items() if isinstance(value, dict) else value, key=_sign)
        return "{" + ",".join(f"{quoted(name)}:{json_text(each)}" for name, each in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    if isinstance(value, Decimal):
        return _number_text(value)
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def as_item(value: Any) -> str | None:
    """The text of an item of a list, which is what `load_json` gives: of numbers without an exponent."""
    if isinstance(value, Decimal):
        return plain_number(value)
    return value if isinstance(value, str | None) else json_text(value)


def _sign(pair: tuple[str, Any]) -> bytes:
    return pair[0].encode("utf-16-be", "surrogatepass")


def quoted(text: str) -> str:
    """A string as JSON."""
    # Halves of surrogate pairs have no form in UTF-8.
    return re.sub(r"[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", json.dumps(text, ensure_ascii=False))


def is_halved(text: str) -> bool:
    """Whether half a character is in the text."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def lacks_item(value: Any, type_: Type) -> bool:
    """Whether an item of a list, or of a list within it, is NULL."""
    if type_.item is None:
        return value is None
    return any(lacks_item(item, type_.item) for item in value or ())


def plain_number(value: Decimal) -> str:
    """Without an exponent and without trailing zeros, and never rounded, as arithmetic on it would."""
    minus, kept, point = _digits(value)
    if abs(point) > 400:
        return _number_text(value)
    whole, part = kept[: max(point, 0)].ljust(point, "0"), "0" * -point + kept[max(point, 0) :]
    return f"{minus}{whole or '0'}{'.' + part if part.strip('0') else ''}"


def _number_text(value: Decimal) -> str:
    """Every digit, laid out as RFC 8785 does: with an exponent from 10^21 on, and below 10^-6."""
    minus, kept, point = _digits(value)
    if not kept or -6 < point <= 21:
        return plain_number(value)
    return f"{minus}{kept[0]}{'.' if kept[1:] else ''}{kept[1:]}e{point - 1:+d}"


def _digits(value: Decimal) -> tuple[str, str, int]:
    """The sign, the digits without zeros at either end, and how many of them stand before the point; 0 has none."""
    sign, digits, exponent = value.as_tuple()
    plain = "".join(map(str, digits)).lstrip("0")
    kept = plain.rstrip("0")
    return "-" if sign and kept else "", kept, int(exponent) + len(plain) if kept else 0


def typed(columns: dict[str, str]) -> dict[str, str]:
    """Columns with their types as `parse` knows them. Raises ValueError, as the models of settings do."""
    try:
        return {name: str(parse(text)) for name, text in columns.items()}
    except SpecError as error:
        raise ValueError(str(error)) from error
