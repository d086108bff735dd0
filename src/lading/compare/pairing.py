"""Pairs the columns of two tables, and chooses the type in which each pair is compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from pydantic import BaseModel

from lading.errors import SpecError, meant
from lading.schema import Column, Table, gaps
from lading.types import Type

_PADDED = re.compile(
    r"(?!sqlite:)[^:]*:(?:n?char|character|bpchar)(?:\s*\(\d+(?: \w+)?\))?(?: (?:character set|collate) .*)?", re.I
)
"""Types whose values systems fill with blanks, or cut them off. SQLite does neither: blanks at the end of its CHAR(n)
are values."""
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}
WIDEST = 76
"""Digits of the widest decimal that has a form in Arrow."""


class Pair(BaseModel, frozen=True):
    """A column on both sides, called as on the left. `type` is the one in which both are compared; None when they
    are not, and `why` says so. `padded`: blanks at the end of a value mean nothing."""

    name: str
    left: Column
    right: Column
    type: Type | None
    why: str = ""
    padded: bool = False

    @property
    def said(self) -> str:
        """The types that are not the one in which both are compared, and that one; empty where there are none."""
        others = dict.fromkeys(str(each.type) for each in (self.left, self.right) if each.type != self.type)
        return f"{' and '.join(others)} as {self.type}" if others else ""

    def trims(self, right: bool) -> bool:
        """Whether blanks at the end mean nothing although a side's own type keeps them: the other one's does not."""
        own = self.right if right else self.left
        return self.padded and own.type.kind == "string" and not _PADDED.fullmatch(own.native)

    @property
    def cuts(self) -> bool:
        """Whether a loader may have cut the left's texts to a length that the right declares and does not hold to."""
        left, right = self.left.type, self.right.type
        endless = self.type == Type("string") and _held(self.right) != right and left.kind == "string"
        return endless and bool(gaps(left, right))

    def alters(self, right: bool) -> bool:
        """Whether a side's values may have another text than their own as they are compared."""
        own, type_ = (self.right if right else self.left).type, self.type
        whole = own.kind == "int" and (type_ is None or type_.kind == "int")
        return self.trims(right) or (own != type_ and not whole)


class Pairing(BaseModel, frozen=True):
    """`key` are names of pairs, empty when the table is a multiset of rows. `only_left` and `only_right` are columns
    without a partner."""

    pairs: tuple[Pair, ...]
    key: tuple[str, ...] = ()
    only_left: tuple[str, ...] = ()
    only_right: tuple[str, ...] = ()

    @property
    def compared(self) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.pairs if pair.type is not None)


def pairing(left: Table, right: Table, key: Sequence[str] = (), exclude: Sequence[str] = ()) -> Pairing:
    """Columns are paired by name: as it is written, else without regard to case. `exclude` are patterns of names, of
    which one on either side leaves a pair out.

    Raises SpecError for a key that is not a column of both sides.
    """
    ours, theirs = left.columns, {column.name: column for column in right.columns}
    pairs, alone = [], []
    for column in ours:
        partner = _partner(column.name, theirs, {c.name for c in ours})
        if partner is None:
            alone.append(column.name)
        else:
            pairs.append((column, theirs.pop(partner)))
    kept = [_pair(*pair) for pair in pairs if not any(_excluded(column.name, exclude) for column in pair)]
    only_left, only_right = (tuple(n for n in rest if not _excluded(n, exclude)) for rest in (alone, theirs))
    return Pairing(pairs=tuple(kept), key=_key(left, right, key, kept), only_left=only_left, only_right=only_right)


def _excluded(name: str, patterns: Iterable[str]) -> bool:
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def _partner(name: str, theirs: dict[str, Column], taken: set[str]) -> str | None:
    if name in theirs:
        return name
    alike = [other for other in theirs if other.casefold() == name.casefold() and other not in taken]
    return alike[0] if len(alike) == 1 else None


def _pair(left: Column, right: Column) -> Pair:
    unread = list(dict.fromkeys(column.unread for column in (left, right) if column.unread))
    type_ = None if unread else left.type if left.type == right.type else meet(_held(left), _held(right))
    why = "" if type_ else "; ".join(unread) or f"{left.type} and {right.type} have no form in common"
    padded = any(_PADDED.fullmatch(column.native) for column in (left, right))
    return Pair(name=left.name, left=left, right=right, type=type_, why=why, padded=padded)


def _held(column: Column) -> Type:
    """What a column can hold: SQLite keeps texts of any length, whatever is declared."""
    endless = column.type.kind == "string" and column.native.startswith("sqlite:")
    return Type("string") if endless else column.type


def _key(left: Table, right: Table, asked: Sequence[str], pairs: Sequence[Pair]) -> tuple[str, ...]:
    names = {pair.name for pair in pairs if pair.type is not None}
    for name in asked:
        if name not in names:
            what = f"'{name}' is no column that both '{left.full_name}' and '{right.full_name}' have."
            raise SpecError(what, f"Correct the key. {meant(name, names)}")
    if asked:
        return tuple(asked)
    if left.key and names.issuperset(left.key):
        return left.key
    called = {pair.right.name: pair.name for pair in pairs if pair.type is not None}
    return tuple(called[name] for name in right.key) if right.key and called.keys() >= set(right.key) else ()


def meet(left: Type, right: Type) -> Type | None:
    """The type in which values of the two are compared, `left` being where they came from; None when there is none.

    Where the right type is narrower, it is that one: the left value is brought to it, and counted if that changes it.
    Where the right one is wider, values are compared exactly.
    """
    l, r = left.kind, right.kind  # noqa: E741 - left and right, all through
    if left == right:
        return left
    if l == r:
        return _same_kind(left, right)
    if l == "list" and r == "string" and left.inmost.kind == "json":
        return Type("json")  # as which a loader writes them
    if "string" in (l, r):
        return left if r == "string" else right
    if {l, r} <= {"bool", "int", "decimal", "float"}:
        return _numbers(left, right)
    if {l, r} == {"date", "timestamp"} or {l, r} == {"list", "json"}:
        return right if {l, r} == {"date", "timestamp"} else Type("json")
    return None


def _same_kind(left: Type, right: Type) -> Type | None:
    match right.kind:
        case "int" if left.unsigned == right.unsigned:
            return max(left, right, key=lambda each: each.size or 64)
        case "int" | "decimal":
            return _decimals(left, right)
        case "string" | "binary":
            longer = right.size is None or (
                left.size is not None and left.in_bytes == right.in_bytes and left.size <= right.size
            )
            return Type(right.kind) if longer else right
        case "list" if left.item and right.item:
            item = meet(left.item, right.item)
            return None if item is None else Type("list", item=item)
        case _:
            return right


def _numbers(left: Type, right: Type) -> Type:
    kinds = {left.kind, right.kind}
    if "float" in kinds:
        wide = Type("float", 64)
        return right if right.kind == "float" else wide if right.kind == "bool" else _wide(right)
    if "decimal" in kinds:
        return _decimals(left, right)
    return left if left.kind == "int" else right  # a truth and a whole number


def _wide(type_: Type) -> Type:
    return Type("int", 64) if type_.kind == "int" and not type_.unsigned else _decimals(type_, type_)


def _decimals(left: Type, right: Type) -> Type:
    """A decimal of the right one's scale, wide enough for the whole digits of both."""
    (whole, _), (there, scale) = _digits(left), _digits(right)
    if there is None:
        return Type("decimal")
    size = max(whole or 0, there) + scale
    return Type("decimal", min(size if whole is not None else max(size, 38), WIDEST), scale)


def _digits(type_: Type) -> tuple[int | None, int]:
    if type_.kind == "bool":
        return 1, 0
    if type_.kind == "int":
        return _DIGITS[type_.size or 64], 0
    return (None, 0) if type_.size is None else (type_.size - type_.scale, type_.scale)
