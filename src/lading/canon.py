"""Canonical texts: one text for each value of each type, the same in every system, and rows written as one text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from lading.errors import Unsupported
from lading.types import Type, canonical_json
from lading.values import Array, texts

VERSION = "c2"  # Fingerprints of different versions are never compared.
SAID = {
    "bool": "`1` or `0`.",
    "int": "Its digits, with `-` before negative ones.",
    "decimal": "Its digits, a point, and the digits behind it without zeros at the end, so that 1.50 is 1.5 whatever "
    "the declared scale; never a float, never an exponent; there is no -0.",
    "float": "The 64 bits of the number as 16 hexadecimal digits, also of 32-bit floats, which are numbers of 64 bits "
    "too; -0 is 0, and every NaN is `nan`.",
    "string": "As it is: case, blanks, Unicode form and line ends count. Blanks at the end of a fixed-length character "
    "type are padding, and cut on both sides; SQLite has no such type.",
    "binary": "Two lower-case hexadecimal digits a byte.",
    "date": "Days since 1970-01-01, in the Gregorian calendar of all years; `inf` and `-inf` where a system has them.",
    "time": "Microseconds since midnight; nanoseconds for types of 7 digits and more.",
    "timestamp": "Microseconds since 1970-01-01 00:00:00, in UTC where it is an instant; nanoseconds for types of 7 "
    "digits and more; `inf` and `-inf` where a system has them.",
    "interval": "Months, days and microseconds, with `/` between: a month is not 30 days, a day not 24 hours.",
    "uuid": "In lower case.",
    "json": "By RFC 8785: keys sorted, no blanks, numbers at their shortest. What that standard does not take keeps "
    "all that it says: numbers with more digits than a double has keep every digit, names that stand twice their "
    "values in their order, and half a character its escape.",
    "list": "As JSON; what JSON has no form for as its text. In lists of JSON an item that is NULL is `NULL`, as `null`"
    " is a value there.",
}
"""The rule of each kind, for people."""
GROUP = 50
"""Columns that are written as one text; those of wider rows are written as the MD5 of each group's text."""
NULL, END = "~", "|"
_COUNTED = ("string", "json", "list", "uuid")
_DIGITS = np.frombuffer(b"".join(b"%02x" % n for n in range(256)), dtype="<u2")


class Compared(BaseModel, frozen=True):
    """A column of one side and the type in which both sides are compared. `padded`: blanks at its end mean nothing."""

    name: str
    type: Type
    padded: bool = False

    @property
    def counted(self) -> bool:
        """Whether a value is written with its length before it; others have an alphabet without the sign that ends
        them."""
        return self.type.kind in _COUNTED


def form(own: Type, compared: Compared) -> str | None:
    """The name under which dialects say how a column's values are written: the text form of its own type, what is cut
    off, and what it is written as when that is written otherwise; None when there is no rule. Values are never
    narrowed: one that the type cannot hold has a text of its own, and so differs."""
    name = f"{own} padded" if compared.padded and own.kind == "string" else str(own)
    here, there = _family(own), _family(compared.type)
    if here == there:
        return name
    ways = {("string", "uuid"): "uuid", ("uuid", "string"): "uuid", ("date", "timestamp us"): "timestamp"}
    ways |= {(f"{kind} us", f"{kind} ns"): "nanoseconds" for kind in ("time", "timestamp")}
    way = ways.get((here, there))
    return f"{name} as {way}" if way else None


def _family(type_: Type) -> str:
    """Types of one family write equal values alike."""
    match type_.kind:
        case "bool" | "int" | "decimal":
            return "number"
        case "time" | "timestamp":
            return f"{type_.kind} {'us' if (type_.size or 0) <= 6 else 'ns'}"
        case "list" if type_.item is not None:
            return f"list of {_family(type_.item)}"
        case _:
            return type_.kind


def canonical(array: Array, type_: Type) -> Array:
    """The canonical text of each value; NULL stays NULL."""
    match type_.kind:
        case "bool":
            return pc.if_else(array, "1", "0")
        case "decimal" if pa.types.is_decimal(array.type):
            return _decimals(array) if array.type.scale else array.cast(pa.string())
        case "decimal":
            return short_numbers(array)
        case "float":
            return _floats(array)
        case "binary":
            return _hexadecimal(array)
        case "date":
            return array.cast(pa.int32()).cast(pa.string())
        case "time" | "timestamp":
            return array.cast(pa.int64()).cast(pa.string())
        case "interval":
            return _intervals(array)
        case "uuid":
            return pc.utf8_lower(array)
        case "json":
            return _json(array)
        case "list":
            return _lists(array, type_)
        case _:
            return array.cast(pa.string())


def canonical_as(array: Array, own: Type, compared: Compared) -> Array:
    """The texts of a column's values as they are compared. Raises Unsupported where `form` has no name for it."""
    name = form(own, compared)
    if name is None:
        raise Unsupported(f"'{compared.name}' is {own} and has no text as {compared.type}.", "Compare it otherwise.")
    way = name.rpartition(" as ")[2] if " as " in name else ""
    if compared.padded and own.kind == "string":
        array = pc.utf8_rtrim(array, " ")
    if way == "timestamp":
        return pc.multiply(array.cast(pa.int32()).cast(pa.int64()), 86_400_000_000).cast(pa.string())
    found = canonical(array, own)
    if way == "uuid":
        return pc.utf8_lower(found)
    if way == "nanoseconds":
        return pc.if_else(pc.equal(found, "0"), found, pc.binary_join_element_wise(found, "000", ""))
    return found


def groups(columns: Sequence[Compared]) -> list[Sequence[Compared]]:
    """The columns of a row, or of its key, in the groups in which they are written."""
    return [columns[start : start + GROUP] for start in range(0, len(columns), GROUP)]


def written(found: Sequence[Array], columns: Sequence[Compared]) -> Array:
    """The text of each row of one group, of its columns' canonical texts: no two rows have the same."""
    parts = []
    for array, column in zip(found, columns, strict=True):
        if column.counted:
            length = pc.binary_length(array).cast(pa.string())
            parts.append(pc.binary_join_element_wise(length, array, ":"))
        else:
            parts += [array, END]
    return pc.binary_join_element_wise(*parts, "", null_handling="replace", null_replacement=NULL)


def written_in_groups(found: Mapping[str, Array], columns: Sequence[Compared]) -> list[Array]:
    """The texts of each row's groups, or of its key's, of its columns' canonical texts by name."""
    return [written([found[each.name] for each in group], group) for group in groups(columns)]


def _decimals(array: Array) -> Array:
    """Digits of the whole number that Arrow stores, with a point put in: its own texts may have exponents."""
    scale, wide = array.type.scale, pa.types.is_decimal256(array.type)
    whole = pa.decimal256(76, 0) if wide else pa.decimal128(38, 0)
    stored = pa.Array.from_buffers(whole, len(array), array.buffers(), offset=array.offset).cast(pa.string())
    sign = pc.if_else(pc.starts_with(stored, "-"), "-", "")
    digits = pc.utf8_lpad(pc.utf8_ltrim(stored, "-"), scale + 1, "0")
    before = pc.utf8_slice_codeunits(digits, 0, -scale)
    after = pc.utf8_rtrim(pc.utf8_slice_codeunits(digits, -scale), "0")
    point = pc.if_else(pc.equal(after, ""), "", ".")
    return pc.binary_join_element_wise(sign, before, point, after, "")


def _floats(array: Array) -> Array:
    """The 64 bits of the number, most significant first; -0 is 0 and every NaN is one."""
    absent = array.is_null().to_numpy(zero_copy_only=False)
    numbers = array.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False) + 0.0
    raw = np.ascontiguousarray(numbers.astype(">f8")).view(np.uint8)
    ends = np.arange(len(array) + 1, dtype=np.int32) * 16
    buffers = [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(_DIGITS[raw].tobytes())]
    found = pa.Array.from_buffers(pa.string(), len(array), buffers)
    found = pc.if_else(pa.array(np.isnan(numbers)), "nan", found)
    return pc.if_else(pa.array(absent), pa.scalar(None, pa.string()), found) if absent.any() else found


def _hexadecimal(array: Array) -> Array:
    array = array.cast(pa.binary())
    _, offsets, content = array.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    raw = np.frombuffer(content or b"", dtype=np.uint8)[ends[0] : ends[-1]]
    wide = ((ends - ends[0]) * 2).astype(np.int64)
    buffers = [None, pa.py_buffer(wide.tobytes()), pa.py_buffer(_DIGITS[raw].tobytes())]
    found = pa.Array.from_buffers(pa.large_string(), len(array), buffers).cast(pa.string())
    return pc.if_else(array.is_null(), pa.scalar(None, pa.string()), found) if array.null_count else found


def _intervals(array: Array) -> Array:
    """Months, days and microseconds; a rest of nanoseconds is the fraction."""
    rows: list[str | None] = []
    for value in array.to_pylist():
        if value is None:
            rows.append(None)
            continue
        months, days, nanos = value
        micros, rest = divmod(abs(nanos), 1_000)
        fraction = f".{rest:03d}".rstrip("0") if rest else ""
        rows.append(f"{months}/{days}/{'-' if nanos < 0 else ''}{micros}{fraction}")
    return pa.array(rows, pa.string())


def _json(array: Array) -> Array:
    return pa.array([None if v is None else canonical_json(v) for v in array.to_pylist()], pa.string())


def _lists(array: Array, type_: Type) -> Array:
    if type_.inmost.kind != "json":
        return _json(texts(array, type_))
    words = zip(_words(array, type_), array.is_valid().to_pylist(), strict=True)
    return pa.array([word if valid else None for word, valid in words], pa.string())


def _words(array: Array, type_: Type) -> list[str]:
    """The texts of lists of JSON, of which an item may be NULL and may be the null of JSON."""
    if type_.item is None:
        return ["NULL" if v is None else canonical_json(v) for v in array.to_pylist()]
    items, lengths = iter(_words(array.flatten(), type_.item)), pc.list_value_length(array).to_pylist()
    return ["null" if n is None else f"[{','.join(next(items) for _ in range(n))}]" for n in lengths]


def short_numbers(array: Array) -> Array:
    """Texts of decimals without a limit, in their shortest form: `12.50` is `12.5`, `.5` is `0.5`, `-0.0` is `0`."""
    rules = ((r"^(-?)\.", r"\10."), (r"(\.\d*?)0+$", r"\1"), (r"\.$", ""), (r"^-0$", "0"))
    for pattern, shorter in rules:
        array = pc.replace_substring_regex(array, pattern, shorter)
    return array
