"""A copy that is killed: its tables, the rows that readers may see, the process, and what the ledger says."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.faults.sides import Row, Side, eventually
from tests.faults.worker import DIES_IN
from tests.forked import Forked

WORKER = Path(__file__).parent / "worker.py"
ROOT = WORKER.parent.parent.parent
SLICE_ROWS = 2_000
Seen = tuple[int, int]
"""How many rows a reader saw, and the sum of their values."""


@dataclass(frozen=True)
class Shape:
    """One table of the load: columns before `v` and `note`, how many rows, and whether the target has it before."""

    name: str
    key: tuple[tuple[str, str], ...] = ()
    rows: int = 20_000
    there: bool = True

    def create(self, side: Side) -> str:
        columns = [*self.key, ("v", "int"), ("note", "text")]
        lines = [
            f"{side.quote(name)} {side.types[kind]}{' NOT NULL' if (name, kind) in self.key else ''}"
            for name, kind in columns
        ]
        if self.key:
            lines.append(f"PRIMARY KEY ({', '.join(side.quote(name) for name, _ in self.key)})")
        return f"CREATE TABLE {side.quote(self.name)} ({', '.join(lines)})"

    def keys(self, number: int) -> Row:
        """The key of the row of that number; the same number gives the same key."""
        if len(self.key) == 2:
            return (f"r{number % 7}", number)
        return tuple(f"k{number:x}-ä" if kind == "text" else number for _, kind in self.key)

    def made(self, rng: random.Random, first: int, count: int) -> list[Row]:
        rows: list[Row] = []
        for number in range(first, first + count):
            note = None if number % 11 == 0 else f"note {rng.randrange(50)} é"
            rows.append((*self.keys(number), rng.randrange(-1000, 1000), note))
        if not self.key:
            rows[-50:] = rows[:50]  # exact duplicates
        return rows

    @property
    def width(self) -> int:
        return len(self.key)


SHAPES = (
    Shape("whole", (("id", "int"),), 20_000),
    Shape("pair", (("region", "text"), ("number", "int")), 12_000),
    Shape("coded", (("code", "text"),), 10_000),
    Shape("loose", (), 4_000),
    Shape("later", (("id", "int"),), 6_000, there=False),
)
LARGE = tuple(replace(shape, rows=shape.rows * 4) for shape in SHAPES)


@dataclass
class Work:
    """One copy from one side to another, again and again."""

    source: Side
    target: Side
    store: Path
    mode: str = "replace"
    seed: int = 1
    slice_rows: int = SLICE_ROWS
    shapes: tuple[Shape, ...] = SHAPES
    words: dict[str, Any] = field(default_factory=dict)
    before: dict[str, list[Row]] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    """What the source holds."""
    kills: int = 0
    kept: int = 0

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        if self.mode == "merge":
            self.shapes = tuple(shape for shape in self.shapes if shape.key)
        for shape in self.shapes:
            self.rows[shape.name] = shape.made(rng, 1, shape.rows)
            # Appended rows must not meet their own keys; merged and replaced ones do.
            first = -shape.rows if self.mode == "append" else shape.rows // 2
            self.before[shape.name] = shape.made(rng, first, shape.rows * 3 // 4) if shape.there else []
        for shape in self.shapes:
            self.source.execute(shape.create(self.source))
            self.source.fill(shape.name, self.rows[shape.name])
        self.source.settle()

    def reset(self) -> None:
        """The target as it was before the first run, and nothing in the store."""
        shutil.rmtree(self.store, ignore_errors=True)
        for shape in self.shapes:
            self.target.execute(f"DROP TABLE IF EXISTS {self.target.quote(shape.name)}")
            if shape.there:
                self.target.execute(shape.create(self.target))
                self.target.fill(shape.name, self.before[shape.name])

    def after(self, shape: Shape) -> list[Row]:
        """The rows that the target must have in the end."""
        old, new = self.before[shape.name], self.rows[shape.name]
        if self.mode == "replace":
            return new
        if self.mode == "append":
            return old + new
        return list(({row[: shape.width]: row for row in old} | {row[: shape.width]: row for row in new}).values())

    def allowed(self, shape: Shape) -> set[Seen | None]:
        """What a reader may see of a table: old or new; None for a table that is not there yet."""
        old = seen(self.before[shape.name], shape) if shape.there else None
        return {old, seen(self.after(shape), shape)}

    # The process

    def start(self, dies_in: str = "", **words: Any) -> Forked:
        given = {
            "source": self.source.url, "target": self.target.url, "mode": self.mode, "slice_rows": self.slice_rows,
            "tables": [shape.name for shape in self.shapes], "accept": ["cuts"], **self.words, **words,
        }  # fmt: skip
        environment = {**os.environ, "LADING_STORE": str(self.store), "LADING_RETRY_SECONDS": "0.2"}
        environment |= {DIES_IN: dies_in} if dies_in else {}
        return Forked("tests.faults.worker", json.dumps(given), env=environment, cwd=ROOT)

    def run(self, **words: Any) -> dict[str, Any]:
        """A run that nobody kills; its bill."""
        process = self.start(**words)
        output, errors = process.communicate(timeout=300)
        assert output, f"{process.returncode}: {errors}"
        bill: dict[str, Any] = json.loads(output)
        return bill

    def proved(self, bill: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The bill's tables by name, all of them proved."""
        told = [(table["table"], table["state"], table["error"], table["proof"]) for table in bill["tables"]]
        assert bill["state"] == "proved", told
        return {table["table"]: table for table in bill["tables"]}

    def ledger(self) -> dict[str, tuple[str, int]]:
        """The state of each table's newest load, and how many of its slices are staged."""
        file = self.store / "store.db"
        if not file.exists():
            return {}
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)
        try:
            found = connection.execute(
                "SELECT json_extract(task, '$.source.name'), state, "
                "(SELECT count(*) FROM slices WHERE slices.load = loads.id AND staged) FROM loads ORDER BY changed"
            ).fetchall()
        except sqlite3.OperationalError:  # no tables yet
            return {}
        finally:
            connection.close()
        return {name: (state, staged) for name, state, staged in found}

    def unkilled(self) -> float:
        """How long a run takes from its first load to its end, and that it does what it must."""
        self.reset()
        process = self.start()
        assert eventually(lambda: self.ledger() or process.poll() is not None), "the run did not begin"
        began = time.monotonic()
        output, errors = process.communicate(timeout=300)
        span = time.monotonic() - began
        assert output, errors
        self.proved(json.loads(output))
        self.check_end()
        return span

    def kill_after(self, seconds: float) -> bool:
        """Starts, and kills so long after the first load was noted; whether there was something to kill."""
        known = self.runs()
        process = self.start()
        assert eventually(lambda: self.runs() > known or process.poll() is not None), "the run did not begin"
        time.sleep(seconds)
        return self._kill(process)

    def killed_in(self, state: str, table: str) -> None:
        """A first run that dies as soon as the ledger says that a table is in a state."""
        self.reset()
        process = self.start(f"{state} {table}")
        output, errors = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, output or errors
        assert self.ledger()[table][0] == state
        self.kills += 1

    def kill_when_staged(self, table: str, count: int) -> bool:
        """Starts, and kills when so many slices of a table are staged."""
        process = self.start()
        eventually(lambda: self.ledger().get(table, ("", 0))[1] >= count or process.poll() is not None, 60)
        return self._kill(process)

    def _kill(self, process: Forked) -> bool:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        output, errors = process.communicate(timeout=30)
        if self.run_states()[-1] != "running":  # it had ended before the signal came: with a bill
            assert not output or json.loads(output)["state"] == "proved", output or errors
            return False
        self.kills += 1
        return True

    @staticmethod
    def tables(output: str) -> list[dict[str, Any]]:
        """The tables of a bill that was printed; none when there is no bill."""
        return list(json.loads(output)["tables"]) if output else []

    def run_states(self) -> list[str]:
        """How the store says that runs ended."""
        connection = sqlite3.connect(f"file:{self.store / 'store.db'}?mode=ro", uri=True, timeout=10)
        try:
            return [row[0] for row in connection.execute("SELECT state FROM runs ORDER BY started")]
        finally:
            connection.close()

    def runs(self) -> int:
        """How many runs there were."""
        file = self.store / "store.db"
        if not file.exists():
            return 0
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)
        try:
            return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])
        except sqlite3.OperationalError:
            return 0
        finally:
            connection.close()

    # What must be

    def check_readers(self) -> None:
        """Every table is as it was or as it will be."""
        found = look(self.target, self.shapes)
        for shape in self.shapes:
            assert found[shape.name] in self.allowed(shape), (shape.name, found[shape.name], self.allowed(shape))

    def finish(self) -> dict[str, dict[str, Any]]:
        """The same command again: it goes on from the ledger and ends proved."""
        ledger = self.ledger()
        tables = self.proved(self.run())
        for name, (state, staged) in ledger.items():
            if state == "staging":
                assert tables[name]["slices_kept"] == staged, (name, staged, tables[name])
                self.kept += staged
        self.check_end()
        return tables

    def check_end(self) -> None:
        """The target's rows are the expected ones, one by one, and nothing else is there."""
        for shape in self.shapes:
            found = Counter(self.target.query(f"SELECT * FROM {self.target.quote(shape.name)}"))
            wanted = Counter(self.after(shape))
            lost, more = wanted - found, found - wanted
            assert not lost, f"{shape.name}: lost {list(lost.items())[:3]} of {len(lost)}"
            assert not more, f"{shape.name}: too much {list(more.items())[:3]} of {len(more)}"
        assert self.target.leftovers() == set()


def seen(rows: list[Row], shape: Shape) -> Seen:
    """What a reader sees of such rows."""
    return len(rows), sum(row[shape.width] for row in rows)


def look(side: Side, shapes: tuple[Shape, ...]) -> dict[str, Seen | None]:
    """What a reader sees now; None for tables that are absent."""
    names = side.names()
    found: dict[str, Seen | None] = {}
    for shape in shapes:
        if shape.name not in names:
            found[shape.name] = None
            continue
        count, total = side.query(f"SELECT count(*), coalesce(sum(v), 0) FROM {side.quote(shape.name)}")[0]
        found[shape.name] = (int(count), int(total))
    return found
