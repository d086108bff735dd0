"""Digests: sums over the hash of every value with its key, the same for equal rows in any order and slicing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from functools import reduce
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from lading.canon import canonical, short_numbers
from lading.schema import Column
from lading.types import Type

VERSION = "d2"  # Written into every proof; digests of different versions are never compared.
OF_JSON = "d3"  # Where numbers of JSON and of lists are written as RFC 8785 does, and NULL is told from null.

Words = np.ndarray[Any, np.dtype[np.uint64]]
Places = np.ndarray[Any, np.dtype[np.int64]]
_A = np.uint64(0xFF51AFD7ED558CCD)
_B = np.uint64(0xC4CEB9FE1A85EC53)
_C = np.uint64(0x9E3779B97F4A7C15)
_NULL = np.uint64(0x6A09E667F3BCC909)
_33 = np.uint64(33)
_LONG = 256  # bytes; longer values are hashed one by one with BLAKE2b
_BYTE_MASKS = np.array([(1 << (8 * n)) - 1 for n in range(8)] + [2**64 - 1], dtype=np.uint64)


def _mix(x: Words) -> Words:
    """The finaliser of MurmurHash3, one to one on 64 bits; works in place."""
    x ^= x >> _33
    x *= _A
    x ^= x >> _33
    x *= _B
    x ^= x >> _33
    return x


class Digest(BaseModel, frozen=True):
    """Rows, and per column the sums of x and of x² modulo 2^64, x being the hash of a value with its row's key.

    Digests add up: the digest of a table is the sum over its slices.
    """

    version: str = VERSION
    rows: int = 0
    columns: dict[str, tuple[int, int]] = {}

    def __add__(self, other: Self) -> Self:
        names = {**self.columns, **other.columns}
        sums = {name: _add(self.columns.get(name), other.columns.get(name)) for name in names}
        return type(self)(version=self.version, rows=self.rows + other.rows, columns=sums)

    def differing(self, other: Digest) -> list[str]:
        """The columns whose sums differ."""
        names = {**self.columns, **other.columns}
        return [name for name in names if self.columns.get(name) != other.columns.get(name)]

    @classmethod
    def of(cls, digests: Iterable[Self]) -> Self:
        """Their sum; all are of the same version."""
        return reduce(cls.__add__, digests) if (digests := list(digests)) else cls()

    @property
    def root(self) -> str:
        """32 hexadecimal digits that stand for the whole digest."""
        lines = [f"{self.version} {self.rows}", *(f"{n} {a} {b}" for n, (a, b) in sorted(self.columns.items()))]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def _add(left: tuple[int, int] | None, right: tuple[int, int] | None) -> tuple[int, int]:
    (a, b), (c, d) = left or (0, 0), right or (0, 0)
    return (a + c) % 2**64, (b + d) % 2**64


def version_of(columns: Iterable[Column]) -> str:
    """The version of a digest of these columns."""
    listed = (c.type for c in columns if c.type.kind in ("json", "list"))
    return OF_JSON if any(type_.inmost.kind in ("json", "decimal", "float") for type_ in listed) else VERSION


class Digester:
    """Takes batches in passing and keeps their digest. `key` names the key's columns; without a key every
    column is part of it, and the table is a multiset of rows."""

    def __init__(self, columns: Sequence[Column], key: Sequence[str] = ()) -> None:
        self.columns = list(columns)
        places = {column.name: place for place, column in enumerate(self.columns)}
        self.key = [places[name] for name in key] if key else list(range(len(self.columns)))
        self.salts = [_salt(column.name) for column in self.columns]
        self.rows = 0
        self.sums = [(0, 0)] * len(self.columns)

    def add(self, batch: pa.RecordBatch) -> None:
        """Columns are taken by place, in the order they were declared."""
        if batch.num_rows == 0:
            return
        hashes = [hashes_of(batch.column(i), column.type) for i, column in enumerate(self.columns)]
        self.take(hashes, self.keys(hashes))

    def keys(self, hashes: Sequence[Words]) -> Words:
        """One word for the key of each row, of the hashes of its values; of others than the key's none is needed."""
        keys = np.zeros(len(hashes[self.key[0]]), dtype=np.uint64)
        for place in self.key:
            keys *= _C
            keys += hashes[place]
            _mix(keys)
        return keys

    def take(self, hashes: Sequence[Words], keys: Words) -> None:
        """Adds rows up, and writes over `hashes`."""
        for place, (words, salt) in enumerate(zip(hashes, self.salts, strict=True)):
            words *= _C
            words += keys
            words ^= salt
            _mix(words)
            first = int(np.add.reduce(words))
            words *= words
            self.sums[place] = _add(self.sums[place], (first, int(np.add.reduce(words))))
        self.rows += len(keys)

    def digest(self) -> Digest:
        sums = {column.name: pair for column, pair in zip(self.columns, self.sums, strict=True)}
        return Digest(version=version_of(self.columns), rows=self.rows, columns=sums)


def _salt(name: str) -> np.uint64:
    return _word(hashlib.sha256(name.encode()).digest()[:8])


class Secret:
    """Words that are drawn when it is made, for hashes that are compared with others of the same secret only. Those
    without one can be turned back, so that values which hash alike can be made."""

    def __init__(self) -> None:
        self.row, self.value, self.null, *self.unfit = np.frombuffer(os.urandom(40), dtype=np.uint64)
        self.a, self.b = np.frombuffer(os.urandom(16), dtype=np.uint64) | np.uint64(1)
        self.end = os.urandom(16)

    def step(self, words: Words, part: Words) -> Words:
        """Mixes a part into words, in place."""
        return _step(words, part, self.a, self.b)

    def rows(self, hashes: Iterable[tuple[Words, Words | None]], count: int) -> Words:
        """One word a row, of what `hashed` gives of its values."""
        found = np.full(count, self.row, dtype=np.uint64)
        for words, more in hashes:
            self.step(found, words if more is None else words + more)
        return _mix(found)


def hashes_of(array: pa.Array, type_: Type) -> Words:
    """One 64-bit hash per value. Numbers of up to 8 bytes map one to one; longer values are hashed with their
    length first, so that no two rows can be read as each other."""
    return hashed(array, type_)[0]


def hashed(array: pa.Array, type_: Type, secret: Secret | None = None) -> tuple[Words, Words | None]:
    """The hashes, and with a secret the words to add to them where other values may have the same: NULL, text, bytes
    and numbers of more than 8 bytes. None where they are to stay as they are."""
    if type_.kind in ("json", "list"):
        array = canonical(array, type_)
    elif type_.kind == "decimal" and type_.size is None:
        array = short_numbers(array)  # 1.5 and 1.50 are the same number; systems differ in which they give back
    with np.errstate(over="ignore"):
        words, more = _fixed(array, type_, secret) if _is_fixed(array.type) else _strings(array, secret)
        _mix(words)
    if array.null_count:
        absent = array.is_null().to_numpy(zero_copy_only=False)
        words[absent] = _NULL
        if secret is not None:
            more = np.zeros(len(words), dtype=np.uint64) if more is None else more
            more[absent] = secret.null
    return words, more


def _is_fixed(arrow: pa.DataType) -> bool:
    return not (pa.types.is_string(arrow) or pa.types.is_binary(arrow) or pa.types.is_null(arrow))


def _fixed(array: pa.Array, type_: Type, secret: Secret | None) -> tuple[Words, Words | None]:
    if type_.kind == "bool":
        array = array.cast(pa.uint8())
    width = array.type.bit_width // 8
    raw = np.frombuffer(array.buffers()[1] or b"", dtype=np.uint8)
    raw = raw[array.offset * width : (array.offset + len(array)) * width]
    if type_.kind == "float":
        floats = raw.view(f"<f{width}").astype(np.float64) + 0.0  # the sum turns -0 into 0
        floats[np.isnan(floats)] = np.nan
        return floats.view(np.uint64), None
    if width <= 8:
        kind = "u" if type_.kind in ("bool", "int") and (type_.unsigned or type_.kind == "bool") else "i"
        return raw.view(f"<{kind}{width}").astype(np.int64).view(np.uint64), None
    return _wide(raw.view("<u8").reshape(len(array), width // 8), secret)


def _wide(parts: Words, secret: Secret | None) -> tuple[Words, Words | None]:
    words, more = parts[:, 0].copy(), None
    for place in range(1, parts.shape[1]):
        # Words that only extend the sign leave the low word as it is.
        rest = parts[:, place] ^ (words.view(np.int64) >> np.int64(63)).view(np.uint64)
        beyond = rest != 0
        if not beyond.any():
            continue
        rest += np.uint64(place) * _C
        if secret is not None:
            more = np.zeros(len(words), dtype=np.uint64) if more is None else more
            more = np.where(beyond, secret.step(more ^ secret.value, rest), more)
        words ^= _mix(rest) * beyond
    return words, more


def _strings(array: pa.Array, secret: Secret | None) -> tuple[Words, Words | None]:
    count = len(array)
    if pa.types.is_null(array.type):
        return np.zeros(count, dtype=np.uint64), None
    _, offsets_buffer, data = array.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[array.offset : array.offset + count + 1].astype(np.int64)
    lengths = np.diff(offsets)
    starts = offsets[:-1]
    raw = np.zeros(int(offsets[-1] - offsets[0]) + 8, dtype=np.uint8)
    if data is not None:
        raw[:-8] = np.frombuffer(data, dtype=np.uint8)[offsets[0] : offsets[-1]]
    starts, ends = starts - offsets[0], offsets[1:] - offsets[0]
    at = np.ndarray((len(raw) - 7,), dtype="<u8", buffer=raw.data, strides=(1,))
    words = lengths.astype(np.uint64) * _C
    more = None if secret is None else lengths.astype(np.uint64) * secret.a + secret.value
    sizes = np.where(lengths > _LONG, 0, lengths)
    most = int(sizes.max(initial=0))
    if most <= 8:
        live = np.flatnonzero(sizes) if (sizes == 0).any() else slice(None)
        words[live] = _step(words[live], at[starts[live]] & _BYTE_MASKS[sizes[live]])
    else:  # sorted by their size, the values that go on are always the first ones
        alike = int(sizes.min()) == most
        order = slice(None) if alike else np.argsort(sizes.astype(np.uint16), kind="stable")[::-1]
        first, rest = words[order], None if more is None else more[order]
        _parts(at, starts[order], sizes[order], (first, rest), secret)
        words[order] = first
        if more is not None and rest is not None:
            more[order] = rest
    long = np.flatnonzero(lengths > _LONG)
    if len(long):
        values = [
            raw[start:end].tobytes() for start, end in zip(starts[long].tolist(), ends[long].tolist(), strict=True)
        ]
        words[long] = _digests(values)
        if secret is not None and more is not None:
            more[long] = _digests([value + secret.end for value in values])
    return words, more


def _parts(at: Words, starts: Places, sizes: Places, found: tuple[Words, Words | None], secret: Secret | None) -> None:
    """Mixes values into what was `found`, eight bytes at a time. `at` has the eight bytes from each place on; the
    longest values come first."""
    words, more = found
    above = len(sizes) - np.cumsum(np.bincount(sizes, minlength=_LONG + 8))
    for done in range(0, int(sizes[0]), 8):
        going, whole = int(above[done]), int(above[done + 7])
        part = at[starts[:going] + done]
        part[whole:] &= _BYTE_MASKS[sizes[whole:going] - done]
        _step(words[:going], part)
        if done and secret is not None and more is not None:  # of values of one size the first part is told apart
            secret.step(more[:going], part)


def _digests(values: Iterable[bytes]) -> Words:
    made = b"".join(hashlib.blake2b(value, digest_size=8).digest() for value in values)
    return np.frombuffer(made, dtype="<u8")


def _step(words: Words, part: Words, a: np.uint64 = _A, b: np.uint64 = _B) -> Words:
    words ^= part
    words *= a
    words ^= words >> _33
    words *= b
    return words


def _word(eight: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(eight, "little"))


class Aggregate(BaseModel, frozen=True):
    """One column: values that are not NULL, and their sum: of numbers and truths the sum, of text and binary the
    sum of lengths in bytes, of dates the sum of days since 1970-01-01; None where the system cannot sum exactly."""

    values: int = 0
    total: Decimal | None = None


class Reading(BaseModel, frozen=True):
    """What a system says of a slice, computed in place: rows, aggregates per column, and its own hash of the rows,
    which only the same system can compare, and only with itself."""

    rows: int
    columns: dict[str, Aggregate] = {}
    native: str = ""


_EXACT = Context(prec=200)  # digits; the default of 28 rounds
SUMMED = ("bool", "int", "decimal", "string", "binary", "date", "uuid")


class Tally:
    """The same aggregates of batches in passing."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = list(columns)
        self.rows = 0
        self.values = [0] * len(self.columns)
        self.totals = [Decimal(0)] * len(self.columns)

    def add(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        for place, column in enumerate(self.columns):
            array = batch.column(place)
            self.values[place] += len(array) - array.null_count
            total = _total(array, column.type)
            if total is not None:
                self.totals[place] = _EXACT.add(self.totals[place], total)

    def reading(self) -> Reading:
        pairs = zip(self.columns, self.values, self.totals, strict=True)
        columns = {c.name: Aggregate(values=n, total=t if summed(c.type) else None) for c, n, t in pairs}
        return Reading(rows=self.rows, columns=columns)


def summed(type_: Type) -> bool:
    """Whether columns of the type are summed."""
    return type_.kind in SUMMED and not (type_.kind == "decimal" and type_.size is None)


def _total(array: pa.Array, type_: Type) -> Decimal | None:
    if not summed(type_):
        return None
    if type_.kind in ("string", "binary", "uuid"):
        array = pc.binary_length(array)
    elif type_.kind == "date":
        array = array.cast(pa.int32())
    elif type_.kind == "int" and type_.size == 64:
        return _whole_total(array)
    elif type_.kind == "decimal" and array.type.precision > 20:
        # Sums of Arrow have the width of their type and wrap around.
        if array.type.precision > 60:
            return reduce(_EXACT.add, array.drop_null().to_pylist(), Decimal(0))
        array = array.cast(pa.decimal256(76, type_.scale))
    return Decimal(pc.sum(array).as_py() or 0)


def _whole_total(array: pa.Array) -> Decimal:
    """Arrow's sum of 64 bits would wrap around: the upper and lower halves are summed apart."""
    values = array.fill_null(0).to_numpy()
    return Decimal(int((values >> 32).sum()) * 2**32 + int((values & 0xFFFFFFFF).sum()))


def digest_of(batches: Iterable[pa.RecordBatch], columns: Sequence[Column], key: Sequence[str] = ()) -> Digest:
    """The digest of whole batches."""
    digester = Digester(columns, key)
    for batch in batches:
        digester.add(batch)
    return digester.digest()
