"""Runs scenarios over ordered pairs of systems, and says what came of each."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lading.compare import Asked, Comparison, Side, compare
from lading.compare.asked import Way
from lading.compare.outcome import Verdict
from lading.connector import Connection
from lading.connectors.duckdb import DuckDB
from lading.errors import LadingError
from tests.torture.scenario import SYSTEMS, Named, Scenario, scenarios

RIGHT, UNREAD, LACKS, ALARM, MISSED = "oi-fm"
"""What came of a pair: all was found; inconclusive, as it must be; there is no such pair; a false alarm; a miss."""
PAIRS = [(left, right) for left in SYSTEMS for right in SYSTEMS]


@dataclass(frozen=True)
class Wrong:
    """What a comparison said, and should have said."""

    mark: str
    place: str
    said: str
    expected: str

    def __str__(self) -> str:
        kind = "false alarm" if self.mark == ALARM else "missed"
        return f"{self.place}: {kind}\n    said:     {self.said}\n    expected: {self.expected}"


class Open:
    """Two sessions of every system, as `lading diff` has them."""

    def __init__(self, connections: dict[str, Connection]) -> None:
        self._stack = ExitStack()
        self.sessions = [
            {name: self._stack.enter_context(connection.open()) for name, connection in connections.items()}
            for _ in range(2)
        ]
        for side in self.sessions:
            for session in side.values():
                session.pin()
        self.tables = {name: {t.name: t for t in session.tables()} for name, session in self.sessions[0].items()}

    def close(self) -> None:
        self._stack.close()

    def compared(
        self, tables: tuple[str, str], systems: tuple[str, str], key: tuple[str, ...] = (), way: Way | None = None
    ) -> Comparison:
        """What cannot be read is inconclusive."""
        left, right = (self.tables[system][table] for system, table in zip(systems, tables, strict=True))
        ours, theirs = (side[system] for side, system in zip(self.sessions, systems, strict=True))
        reasons = [*left.problems, *right.problems]
        try:
            if not reasons:
                asked = Asked(key=() if left.key or right.key else key, limit=1_000, way=way)
                return compare(Side(ours, left), Side(theirs, right), asked)
        except LadingError as error:
            reasons.append(str(error))
        return Comparison(
            left=left.full_name, right=right.full_name, verdict=Verdict.INCONCLUSIVE, reasons=tuple(reasons)
        )


_open: Open | None = None


def begin(connections: dict[str, Connection], folder: Path) -> None:
    """Opens the systems in a process of its own; a file of DuckDB's is one process's only."""
    global _open
    own = folder / f"{os.getpid()}.duckdb"
    duckdb = connections["duckdb"]
    assert isinstance(duckdb, DuckDB)
    shutil.copy(duckdb.path, own)
    _open = Open({**connections, "duckdb": duckdb.model_copy(update={"path": str(own)})})


def tried(name: str, way: Way | None = None) -> tuple[list[str], list[Wrong]]:
    """A line of marks for each source, a mark for each target; and what was wrong."""
    scenario = next(each for each in scenarios() if each.name == name)
    marks, wrong = [], []
    for pair in PAIRS:
        found = [] if scenario.lacks(*pair) else list(_tried(scenario, pair, way))
        wrong += found
        good = LACKS if scenario.lacks(*pair) else RIGHT if scenario.readable else UNREAD
        marks.append(found[-1].mark if found else good)
    size = len(SYSTEMS)
    return ["".join(marks[n : n + size]) for n in range(0, size * size, size)], wrong


def _tried(scenario: Scenario, systems: tuple[str, str], way: Way | None) -> Iterator[Wrong]:
    assert _open is not None
    source, planted = scenario.table("source"), scenario.table("planted")
    wanted = Verdict.EQUAL if scenario.readable else Verdict.INCONCLUSIVE
    for table in [scenario.table("equal", label) for label in scenario.equal]:
        found = _open.compared((source, table), systems, scenario.key, way)
        if found.verdict is not wanted:
            yield Wrong(ALARM, f"{' -> '.join(systems)}, {table}", _said(found, scenario), wanted.value)
    wanted = Verdict.DIFFERENT if scenario.readable else Verdict.INCONCLUSIVE
    expected = scenario.expected() if scenario.readable else Counter()
    found = _open.compared((source, planted), systems, scenario.key, way)
    named = Counter(_named(found, scenario))
    if found.verdict is not wanted or named != expected:
        missing, extra = (", ".join(map(_shown, some)) for some in (expected - named, named - expected))
        mark = MISSED if missing or found.verdict is not wanted else ALARM
        said = f"{wanted.value}; not named: {missing or 'none'}; named too much: {extra or 'none'}"
        yield Wrong(mark, f"{' -> '.join(systems)}, {planted}", _said(found, scenario), said)


def _named(found: Comparison, scenario: Scenario) -> Iterator[Named]:
    for each in found.differences:
        yield Named(each.kind, tuple(each.key[name] for name in scenario.key or each.key), each.column)


def _said(found: Comparison, scenario: Scenario) -> str:
    pairs = zip(_named(found, scenario), found.differences, strict=True)
    some = [f"{_shown(named)} ({each.left!r:.60} {each.right!r:.60})" for named, each in pairs]
    return f"{found.verdict.value} {[*found.reasons, *some[:8]]}, compared as {found.types}"


def _shown(each: Named) -> str:
    return f"{each.kind} {each.column} of {'/'.join(map(str, each.key)):.60}"
