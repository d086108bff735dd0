"""Scenario files: one table in every system, a copy of it that must be found equal, and one with planted differences.

The first line is a title. Then, a line each:

    columns: a b c -> b c a       the columns, of the copies too where they differ; `id v` if left out
    key: a b                      the key; `id` if left out, `none` for a table without
    verdict: inconclusive         values that no type holds: neither copy may be found equal, nor different
    before postgres: ...          a statement to run first
    postgres: TYPES -> TYPES      the types of the source and of the copies, the same if there is no arrow;
                                  `!reason` instead where the system cannot hold the scenario
    postgres writes 1 as true     how the system writes a value

Types stand in the order of the columns, separated by ` ; `; `id` is a whole number and not written. `TYPE as FORM` says
how a value is written, {} being the value as it stands in quotes: `bytea as '\\x{}'`; in CSV without quotes. CSV has a
type of Lading's, which the connection is told, or `inferred`. Parquet has types of Arrow.

Then sections of rows, values separated by ` | `, written as in Lading's case files; `"ab"*3"c"` is abababc. `rows` is
the source. `equal` and `equal: name` are copies that must be found equal, `planted` the copy that must not: every value
in which it is not the first equal copy must be named, and no other. In both a line takes the place of the row of the
same key, or adds one, and `- 7` takes the row of key 7 away; without a key, and where the columns differ, all rows are
written. Rows of NULL are added to tables of `id` and `v`, so that what is planted does not dirty most of the table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lading.testing.case import value_of

SYSTEMS = ("postgres", "mariadb", "sqlite", "duckdb", "parquet", "csv")
FOLDER = Path(__file__).parent / "scenarios"
FILLERS: list[Row] = [(str(n), None) for n in range(901, 941)]
_LONG = re.compile(r'("(?:[^"\\]|\\.)*")\*(\d+)("(?:[^"\\]|\\.)*")?')
_LINE = re.compile(r"(columns|key|verdict|before (?:\w+)|" + "|".join(SYSTEMS) + r"):\s*(.*)")
_WRITES = re.compile(rf"({'|'.join(SYSTEMS)}) writes (.+) as (.+)")

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Column:
    """A column as one system declares it, and how its values are written."""

    name: str
    type: str
    form: str


@dataclass(frozen=True)
class Named:
    """What must be reported: a changed column of a row, or a row of one side only."""

    kind: str
    key: Row
    column: str = ""


@dataclass
class Scenario:
    """What a file says. `held`: the columns of a system as source and as target, or why it has none."""

    name: str
    title: str = ""
    names: tuple[list[str], list[str]] = (["id", "v"], ["id", "v"])
    key: tuple[str, ...] = ("id",)
    readable: bool = True
    before: list[tuple[str, str]] = field(default_factory=list)
    held: dict[str, tuple[list[Column] | str, list[Column] | str]] = field(default_factory=dict)
    writes: dict[str, dict[str, str]] = field(default_factory=dict)
    source: list[Row] = field(default_factory=list)
    equal: dict[str, list[Row]] = field(default_factory=dict)
    planted: list[Row] = field(default_factory=list)

    @property
    def plain(self) -> bool:
        return self.names[0] == ["id", "v"]

    def lacks(self, source: str, target: str) -> str:
        """Why there is no such pair; empty when there is."""
        left, right = self.held[source][0], self.held[target][1]
        return left if isinstance(left, str) else right if isinstance(right, str) else ""

    def tables(self, system: str) -> Iterator[tuple[str, list[Column], list[Row]]]:
        """Every table that a system holds: its name, its columns, its rows."""
        copies = {"equal": self.equal, "planted": {"": self.planted}}
        sides = [(self.held[system][0], {"source": {"": self.source}}), (self.held[system][1], copies)]
        for columns, kinds in sides:
            if not isinstance(columns, str):
                for kind, named in kinds.items():
                    for label, rows in named.items():
                        yield self.table(kind, label), columns, rows + (FILLERS if self.plain else [])

    def table(self, kind: str, label: str = "") -> str:
        return "_".join(filter(None, [self.name.replace("-", "_"), kind, label.replace(" ", "_")]))

    def expected(self) -> Counter[Named]:
        """What must be reported of the planted copy."""
        first = next(iter(self.equal.values()))
        if not self.key:
            left, right = Counter(first), Counter(self.planted)
            return Counter({Named("only_left", row): n for row, n in (left - right).items()}) + Counter(
                {Named("only_right", row): n for row, n in (right - left).items()}
            )
        left_rows, right_rows = self._keyed(first), self._keyed(self.planted)
        found = [Named("only_left", key) for key in left_rows.keys() - right_rows.keys()]
        found += [Named("only_right", key) for key in right_rows.keys() - left_rows.keys()]
        for key in left_rows.keys() & right_rows.keys():
            pairs = zip(self.names[1], left_rows[key], right_rows[key], strict=True)
            found += [Named("changed", key, name) for name, old, new in pairs if old != new]
        return Counter(found)

    def _keyed(self, rows: list[Row]) -> dict[Row, Row]:
        places = [self.names[1].index(name) for name in self.key]
        found = {tuple(row[place] for place in places): row for row in rows}
        assert len(found) == len(rows), f"{self.name}: a key stands twice"
        return found

    def patched(self, rows: list[Row], lines: list[str]) -> list[Row]:
        """The rows with those of the lines in their places."""
        if not self.key or (not self.equal and self.names[0] != self.names[1]):
            return [row_of(line) for line in lines]
        found = self._keyed(rows)
        for line in lines:
            if line.startswith("- "):
                del found[row_of(line[2:])]
            else:
                row = row_of(line)
                (key,) = self._keyed([row])
                assert found.get(key) != row, f"{self.name}: {line} changes nothing"
                found[key] = row
        return list(found.values())


def row_of(line: str) -> Row:
    """The values of a line."""
    values: list[str | None] = []
    for text in re.split(r"(?:^| +)\|(?: +|$)", line.strip()) if " | " in line else [line.strip()]:
        if long := _LONG.fullmatch(text):
            values.append((value_of(long[1]) or "") * int(long[2]) + (value_of(long[3] or '""') or ""))
        else:
            values.append(value_of(text))
    return tuple(values)


def read(name: str, text: str) -> Scenario:
    """The scenario that a file holds."""
    title, *lines = text.splitlines()
    made, sections = Scenario(name, title), list[tuple[str, list[str]]]()
    types = dict[str, str]()
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        if re.fullmatch(r"rows|planted|equal(: [\w ]+)?", line):
            sections.append((line, []))
        elif sections:
            sections[-1][1].append(line)
        elif found := _WRITES.fullmatch(line):
            made.writes.setdefault(found[1], {})[value_of(found[2]) or ""] = found[3]
        elif found := _LINE.fullmatch(line):
            _setting(made, types, found[1], found[2])
        else:
            raise ValueError(f"{name}: {line}")
    for system in SYSTEMS:
        left, _, right = types[system].partition(" -> ")
        made.held[system] = (_columns(made.names[0], left), _columns(made.names[1], right or left))
    _rows(made, sections)
    return made


def _setting(made: Scenario, types: dict[str, str], word: str, text: str) -> None:
    if word == "columns":
        left, _, right = text.partition(" -> ")
        made.names = (left.split(), (right or left).split())
    elif word == "key":
        made.key = () if text == "none" else tuple(text.split())
    elif word == "verdict":
        made.readable = text != "inconclusive"
    elif word.startswith("before "):
        made.before.append((word.removeprefix("before "), text))
    else:
        types[word] = text


def _columns(names: list[str], text: str) -> list[Column] | str:
    if text.startswith("!"):
        return text[1:].strip()
    types = [part.strip() for part in text.split(" ; ")]
    if names == ["id", "v"] and len(types) == 1:
        types.insert(0, "")
    found = []
    for name, type_ in zip(names, types, strict=True):
        native, _, form = type_.partition(" as ")
        found.append(Column(name, native, form))
    return found


def _rows(made: Scenario, sections: list[tuple[str, list[str]]]) -> None:
    for word, lines in sections:
        if word == "rows":
            made.source = [row_of(line) for line in lines]
            assert all(len(row) == len(made.names[0]) for row in made.source), f"{made.name}: {made.source}"
        elif word.startswith("equal"):
            made.equal[word.removeprefix("equal").removeprefix(": ")] = made.patched(made.source, lines)
        else:
            made.equal = made.equal or {"": made.source}
            made.planted = made.patched(next(iter(made.equal.values())), lines)
    assert made.expected(), f"{made.name}: nothing is planted"


@cache
def scenarios() -> tuple[Scenario, ...]:
    """Every scenario file, by name."""
    return tuple(read(path.stem, path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.txt")))
