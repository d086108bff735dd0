"""Case files: a type on the first line, then one value per line.

Lines that begin with # are comments. `NULL` is NULL. A value in double quotes keeps its blanks; `""` is the empty one.
Escapes, quoted or not: `\\n \\r \\t \\\\ \\"` and `\\u{1f600}`. Binary values are hexadecimal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

import pyarrow as pa

from lading.errors import SpecError
from lading.types import Type, parse
from lading.values import cast

_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]+)}|(.))", re.DOTALL)
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"'}


@dataclass(frozen=True)
class Case:
    """One type and values of it."""

    name: str
    type: Type
    values: tuple[str | None, ...]

    @property
    def array(self) -> pa.Array:
        if self.type.kind == "binary":
            return pa.array([None if v is None else bytes.fromhex(v) for v in self.values], pa.binary())
        return cast(pa.array(self.values, pa.string()), Type("string"), self.type)[0]

    def __str__(self) -> str:
        return self.name


def read_case(name: str, text: str) -> Case:
    """The case that a file holds."""
    first, *rest = text.removesuffix("\n").split("\n")
    values = tuple(value_of(line) for line in rest if not line.startswith("#"))
    if not values:
        raise SpecError(f"Case file '{name}' has no values.", "Write one per line.")
    return Case(name, parse(first), values)


def value_of(line: str) -> str | None:
    """The value that a line stands for."""
    if line == "NULL":
        return None
    if len(line) > 1 and line.startswith('"') and line.endswith('"'):
        line = line[1:-1]
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _known(found[2], line), line)


def _known(letter: str, line: str) -> str:
    if letter not in _PLAIN:
        raise SpecError(f"'\\{letter}' in '{line}' is not an escape.", "Write a backslash as two.")
    return _PLAIN[letter]


@cache
def cases() -> tuple[Case, ...]:
    """Every case file, by name."""
    folder = resources.files("lading.testing") / "cases"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".txt")), key=lambda file: file.name)
    return tuple(read_case(file.name.removesuffix(".txt"), file.read_text(encoding="utf-8")) for file in found)
