"""What fits a table of MySQL: names, the bytes of a row, the bytes of a key."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from lading.dialect import Dialect
from lading.errors import Unsupported
from lading.schema import Column, Table

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

ROW_BYTES = 65_000  # of 65,535: the slice's number and the bits for NULL take the rest
KEY_BYTES = 3_072
_TEXTS = ("TINYTEXT", 255), ("TEXT", 65_535), ("MEDIUMTEXT", 16_777_215)
_BLOBS = ("TINYBLOB", 255), ("BLOB", 65_535), ("MEDIUMBLOB", 16_777_215)
_POINTERS = {"tiny": 9, "": 10, "medium": 11, "long": 12}
# Keys are unique by their bytes, as everywhere else: 'A', 'a', 'á' and 'a ' are four.
OPTIONS = (
    "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 "
    "/*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */"
)
"""Of the tables that Lading makes."""


def bytewise(query: Query, place: tuple[str, str]) -> dict[str, str]:
    """Of a table that is there, the collations of columns that are compared by their bytes: the server compares texts
    of two such collations with each other nowhere."""
    sql = (
        "SELECT column_name, collation_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
    )
    return {name: f" COLLATE {own}" for name, own in query(sql, place) if own and own.endswith("_bin")}


def roomy(table: Table, dialect: Dialect, uuids: bool) -> Table:
    """The table as MySQL would make it: texts that would overflow the row are kept outside of it."""
    _named(table)
    columns = tuple(_native(column, uuids) for column in table.columns)
    fitted = dialect.fit(table.model_copy(update={"columns": columns}))
    over = sum(_width(column) for column in fitted.columns) - ROW_BYTES
    moved: dict[str, Column] = {}
    for column in sorted(fitted.columns, key=_width, reverse=True):
        outside = _outside(column, dialect)
        if over > 0 and outside is not None and column.name not in table.key:
            moved[column.name] = outside
            over -= _width(column) - _width(outside)
    if over > 0:
        raise Unsupported(
            f"A row of '{table.full_name}' takes {ROW_BYTES + over:,} bytes; MySQL allows 65,535 besides texts.",
            "Leave columns out.",
        )
    return fitted.model_copy(update={"columns": tuple(moved.get(c.name, c) for c in fitted.columns)})


def _named(table: Table) -> None:
    for place, name in enumerate((table.name, *(column.name for column in table.columns))):
        why = ""
        if len(name) > 64:
            why = f"has {len(name)} characters; MySQL allows 64"
        elif any(ord(sign) > 0xFFFF for sign in name):
            why = "has a character beyond U+FFFF, which MySQL allows in values only"
        elif name.endswith(" "):
            why = "ends in a blank, which MySQL does not allow"
        if why:
            fix = (
                "Leave the column out with 'exclude'."
                if place
                else "Map it to another one with 'into', or leave it out."
            )
            raise Unsupported(f"The name '{name}' {why}.", fix)
    names = Counter(column.name.lower() for column in table.columns)
    if doubled := [name for name, count in names.items() if count > 1]:
        raise Unsupported(
            f"Columns of '{table.full_name}' are both called '{doubled[0]}' but for capitals, which MySQL ignores.",
            "Rename one, or leave it out.",
        )


def _native(column: Column, uuids: bool) -> Column:
    """Types of the other of the two systems, and character sets of the source's, are not taken over."""
    native = column.native.lower()
    if not uuids and re.match(r"mysql:(uuid|inet)", native):
        native = ""
    if " character set " in native or not native:
        return column.model_copy(update={"native": ""})
    return column


def _width(column: Column) -> int:
    """The bytes that a column may take inside the row."""
    native = column.native.partition(":")[2].lower()
    if match := re.match(r"(var)?char\((\d+)\)", native):
        return int(match[2]) * 4 + 2
    if match := re.match(r"(var)?binary\((\d+)\)", native):
        return int(match[2]) + 2
    if match := re.match(r"(tiny|medium|long|)(text|blob)", native):
        return _POINTERS[match[1]]
    return {"decimal": 32, "uuid": 16, "json": 12}.get(column.type.kind, 16 if native.startswith("inet") else 8)


def _outside(column: Column, dialect: Dialect) -> Column | None:
    native = column.native.partition(":")[2].lower()
    match = re.match(r"var(char|binary)\((\d+)\)", native)
    if match is None:
        return None
    choices = _TEXTS if match[1] == "char" else _BLOBS
    needed = int(match[2]) * (4 if match[1] == "char" else 1)
    word = next(word for word, room in choices if needed <= room)
    type_ = dialect.canonical(word) or column.type
    return column.model_copy(update={"type": type_, "native": f"{dialect.name}:{word}"})


def key_parts(table: Table, dialect: Dialect) -> list[str]:
    """The columns of a key. Of long texts only the beginning is indexed: two keys that begin alike for so long are
    refused, never confused."""
    keyed = {column.name: column for column in table.keyed}
    widths = {name: _width(column) for name, column in keyed.items()}
    texts = [name for name, column in keyed.items() if column.type.kind in ("string", "binary", "json")]
    fixed = sum(width for name, width in widths.items() if name not in texts)
    large = [name for name in texts if re.search(r"text|blob|json", keyed[name].native, re.IGNORECASE)]
    if not large and sum(widths.values()) <= KEY_BYTES:
        return [dialect.quote(name) for name in table.key]
    each = (KEY_BYTES - fixed) // max(len(texts), 1)
    parts = []
    for name in table.key:
        size = keyed[name].type.size
        units = each // (1 if keyed[name].type.kind == "binary" else 4)
        whole = name not in texts or (name not in large and size is not None and size <= units)
        parts.append(dialect.quote(name) + ("" if whole else f"({units})"))
    return parts
