"""Reads Microsoft's Northwind script: its tables and rows, from T-SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

NAME = r'(?:"[^"]+"|\[[^\]]+\]|\w+)'
LITERAL = re.compile(r"\s*(?:(N?'(?:[^']|'')*')|(0x[0-9A-Fa-f]*)|(NULL)|(-?\d+(?:\.\d+)?))\s*([,)])", re.I)


@dataclass
class Shape:
    """A table of the script."""

    name: str
    columns: dict[str, tuple[str, bool]]  # T-SQL type, whether NULL is allowed
    key: list[str] = field(default_factory=list)
    references: list[tuple[list[str], str, list[str]]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)


def read(path: Path) -> dict[str, Shape]:
    text = path.read_text(encoding="utf-8-sig")
    shapes = {shape.name: shape for shape in map(_shape, _created(text))}
    for match in re.finditer(rf"(?is)ALTER TABLE\s+({NAME})\s+ADD CONSTRAINT(.*?)\nGO", text):
        _constraint(shapes[_bare(match[1])], match[2])
    inserts = rf"(?im)^INSERT\s+(?:INTO\s+)?({NAME})\s*(?:\(([^)]*)\))?\s*VALUES\s*\("
    for match in re.finditer(inserts, text):
        shape = shapes[_bare(match[1])]
        names = [_bare(n.strip()) for n in match[2].split(",")] if match[2] else list(shape.columns)
        values = _values(text, match.end())
        shape.rows.append({n: _value(v, shape.columns[n][0]) for n, v in zip(names, values, strict=True)})
    return shapes


def _created(text: str) -> list[tuple[str, str]]:
    found = []
    for match in re.finditer(rf"(?i)CREATE TABLE\s+(?:\[dbo\]\.)?({NAME})\s*\(", text):
        depth, at = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
        found.append((_bare(match[1]), text[match.end() : at - 1]))
    return found


def _shape(created: tuple[str, str]) -> Shape:
    name, body = created
    shape = Shape(name, {})
    for part in re.split(r",(?![^()]*\))", body):
        if re.match(r"(?i)\s*CONSTRAINT\b", part):
            _constraint(shape, part)
            continue
        match = re.match(rf"\s*({NAME})\s+({NAME})\s*(\(\d+\))?(.*)", part, re.S)
        assert match, part
        native = _bare(match[2]).lower() + (match[3] or "")
        shape.columns[_bare(match[1])] = (native, "NOT NULL" not in match[4])
    return shape


def _constraint(shape: Shape, text: str) -> None:
    lists = [[_bare(n.strip()) for n in part.split(",")] for part in re.findall(r"\(([^()]*)\)", text)]
    if "PRIMARY KEY" in text:
        shape.key = lists[0]
    elif "FOREIGN KEY" in text:
        there = re.search(rf"REFERENCES\s+{NAME}\.({NAME})", text)
        assert there
        shape.references.append((lists[0], _bare(there[1]), lists[1]))


def _bare(name: str) -> str:
    return name.strip('"[]')


def _values(text: str, at: int) -> list[str | None]:
    values: list[str | None] = []
    while True:
        match = LITERAL.match(text, at)
        assert match, text[at : at + 80]
        values.append(None if match[3] else match[0].rstrip()[:-1].strip())
        at = match.end()
        if match[5] == ")":
            return values


def _value(text: str | None, native: str) -> Any:
    if text is None:
        return None
    plain = text[text.index("'") + 1 : -1].replace("''", "'") if text.endswith("'") else text
    match native.partition("(")[0]:
        case "image":
            return bytes.fromhex(plain.removeprefix("0x"))
        case "datetime":
            return datetime.strptime(plain, "%m/%d/%Y")
        case "bit":
            return bool(int(plain))
        case "money":
            return Decimal(plain)
        case "int" | "smallint":
            return int(plain)
        case "real":
            return float(plain)
        case "nchar":
            return plain.ljust(int(native[6:-1]))  # as SQL Server keeps it
        case _:
            return plain


def statement(shape: Shape, types: dict[str, str], references: bool = False) -> str:
    """The table in another system's SQL; `types` translates T-SQL's words."""
    lines = []
    for name, (native, null) in shape.columns.items():
        word, bracket, length = native.partition("(")
        lines.append(f'"{name}" {types.get(word, word)}{bracket}{length}{"" if null else " NOT NULL"}')
    lines.append(f"PRIMARY KEY ({_quoted(shape.key)})")
    for own, table, theirs in shape.references if references else ():
        lines.append(f'FOREIGN KEY ({_quoted(own)}) REFERENCES "{table}" ({_quoted(theirs)})')
    return f'CREATE TABLE "{shape.name}" ({", ".join(lines)})'


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
