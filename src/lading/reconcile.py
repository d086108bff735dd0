"""Compares two systems table by table, whoever loaded them, and keeps what was found."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from lading.compare import Asked, Comparison, Found, Mark, Side, comparing
from lading.compare.asked import Way
from lading.compare.outcome import Diff, Verdict, worst
from lading.compare.pairing import Pairing, pairing
from lading.compare.waiting import settled
from lading.connector import Connection, Session
from lading.ending import Ending
from lading.errors import DataError, LadingError, SpecError, Unreachable, meant, unseen
from lading.memory import LEAST, within
from lading.moving import Watch
from lading.run import Silent, lading_version, lean, new_id, peak_memory
from lading.schema import Table

if TYPE_CHECKING:
    import pyarrow.csv as csv
    import pyarrow.parquet as parquet

Seen = Callable[[Found], None]
"""Is shown each comparison while all its differences can be read."""


Marks = dict[str, tuple[str, ...]]
"""By table of the left, what a `Mark` holds."""


class System(NamedTuple):
    """One of two systems, and the session in which its tables are read."""

    connection: Connection
    session: Session
    snapshot: str


class Reconciling:
    """Two systems, opened and pinned for as long as this is entered."""

    def __init__(
        self, left: Connection, right: Connection, asked: Asked, watch: Watch | None = None, over: Ending | None = None
    ) -> None:
        if asked.way is Way.IN_PLACE:  # little is pulled, and an engine's limit holds for all who have its file open
            left, right = (within(each, LEAST, engine=False) for each in (left, right))
        self.connections, self.asked, self.watch = (left, right), asked, watch or Silent()
        self.over = over or Ending()
        self.started, self._clock = datetime.now(UTC), time.monotonic()
        self._stack, self._marks = ExitStack(), Marks()
        self.systems: tuple[System, System]

    def __enter__(self) -> Reconciling:
        with ExitStack() as stack:
            stack.enter_context(lean())
            sessions = [stack.enter_context(self.over.opened(connection)) for connection in self.connections]
            left, right = (
                System(each, session, session.pin()) for each, session in zip(self.connections, sessions, strict=True)
            )
            self.systems = left, right
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self.watch.end()
        self._stack.close()

    def diff(self, tables: Iterable[tuple[Table, Table]], seen: Seen | None = None, marks: Marks | None = None) -> Diff:
        """Every pair of tables, of which the right need not be there. What cannot be read is inconclusive."""
        pairs, self._marks = list(tables), marks or {}
        for left, _ in pairs:
            self.watch.begin(left.full_name, left.rows, 1)
        found = tuple(self._compared(left, right, seen) for left, right in pairs)
        seconds = round(time.monotonic() - self._clock, 3)
        return Diff(
            id=new_id(), verdict=worst([each.verdict for each in found]),
            left=self.connections[0].address(), right=self.connections[1].address(), asked=self.asked,
            started=self.started, seconds=seconds, tables=found, peak_memory=peak_memory(), version=lading_version(),
        )  # fmt: skip

    def _compared(self, left: Table, right: Table, seen: Seen | None) -> Comparison:
        try:
            found = self._tables(left, right, seen)
        except SpecError:
            raise
        except LadingError as error:
            self.over.go_on()
            found = Comparison(
                left=left.full_name, right=right.full_name, verdict=Verdict.INCONCLUSIVE, reasons=(str(error),)
            )
        self.watch.state(left.full_name, found.verdict.value)
        return found

    def _tables(self, left: Table, right: Table, seen: Seen | None) -> Comparison:
        there = self.systems[1].session.describe(right.full_name)
        if there is None:
            return _absent(left, right, self.connections[1].address())
        if problems := tuple(dict.fromkeys((*left.unreadable, *there.unreadable))):
            return Comparison(
                left=left.full_name, right=there.full_name, verdict=Verdict.INCONCLUSIVE, reasons=problems
            )
        again = [partial(self.over.opened, connection) for connection in self.connections]
        sides = tuple(
            Side(system.session, table, "", system.snapshot, again[place], self._told(left, place))
            for place, (system, table) in enumerate(zip(self.systems, (left, there), strict=True))
        )
        paired = pairing(left, there, self.asked.key, self.asked.exclude)  # its SpecError is the mistake of who asked
        asked = self.asked.model_copy(update={"sensitive": (*self.asked.sensitive, *self._hidden(left, there, paired))})
        try:
            return self._sides((sides[0], sides[1]), asked, seen)
        except SpecError as error:  # what was described a moment ago is gone
            raise Unreachable(error.what, error.fix) from error
        except DataError as error:
            hidden = {each.name for p in paired.pairs if asked.hides(p.name) for each in (p.left, p.right)}
            raise DataError(unseen(error.what, hidden), error.fix) from error

    def _hidden(self, left: Table, right: Table, paired: Pairing) -> list[str]:
        """The columns that either connection hides, or that are asked for as the right calls them; by the left's
        names."""
        ours, theirs = (side.hidden(table) for side, table in zip(self.connections, (left, right), strict=True))
        also = [p.name for p in paired.pairs if p.right.name in theirs or self.asked.hides(p.right.name)]
        return [*ours, *also]

    def _sides(self, sides: tuple[Side, Side], asked: Asked, seen: Seen | None) -> Comparison:
        known, seconds = self._marks.get(sides[0].table.full_name), self._wait()
        mark = Mark(*known) if known else None
        with ExitStack() as stack:
            found = stack.enter_context(comparing(*sides, asked, mark))
            if found.comparison.verdict is not Verdict.EQUAL and seconds is not None:
                found = stack.enter_context(settled(found, sides, asked, seconds, mark))
            if seen:
                seen(found)
            return found.comparison

    def _told(self, table: Table, place: int) -> Callable[[int, int], None] | None:
        return None if place else lambda rows, bytes_: self.watch.moved(table.full_name, rows, bytes_)

    def _wait(self) -> float | None:
        """As long as asked; a moment where a side shows no one state, as rows may have moved while it was read."""
        if self.asked.wait_seconds is None and not all(system.snapshot for system in self.systems):
            return 1.0
        return self.asked.wait_seconds


def refuse_unknown(asked: Asked, tables: Iterable[Table]) -> None:
    """Raises SpecError for a column that is asked for and that none of the tables has: what is meant to be hidden would
    be shown. No more tables are looked at than it takes."""
    wanted = [("sensitive", name) for name in asked.sensitive] + [("exclude", name) for name in asked.exclude]
    known: set[str] = set()
    for table in tables if wanted else ():
        names = {column.name for column in table.columns}
        known |= names
        wanted = [(o, w) for o, w in wanted if not any(w == name or fnmatchcase(name, w) for name in names)]
        if not wanted:
            return
    if wanted and known:
        option, name = wanted[0]
        raise SpecError(f"'{option}' names '{name}', which is no column of what is compared.", meant(name, known))


def both(pairs: Iterable[tuple[Table, Table]], there: Session) -> Iterator[Table]:
    """The tables of the left, then those of the right that are there, which are asked for one by one."""
    pairs = list(pairs)
    yield from (left for left, _ in pairs)
    yield from (found for _, right in pairs if (found := there.describe(right.full_name)))


def _absent(left: Table, right: Table, address: str) -> Comparison:
    return Comparison(
        left=left.full_name, right=right.full_name, verdict=Verdict.DIFFERENT,
        reasons=(f"{address} has no table '{right.full_name}'",),
    )  # fmt: skip


def _exported(path: Path) -> bool:
    """Whether a file holds differences that were exported before."""
    import pyarrow.csv as csv
    import pyarrow.parquet as parquet

    try:
        with csv.open_csv(path) if path.suffix == ".csv" else parquet.ParquetFile(path) as found:
            schema = found.schema if path.suffix == ".csv" else found.schema_arrow
    except (pa.ArrowException, OSError):
        return False
    return tuple(schema.names) == EXPORTED


EXPORTED = ("table", "kind", "key", "column", "left", "right")


class Export:
    """Writes every difference that it is shown to a file. A disk that is full is no reason to show none: `failed` says
    what kept it from going on."""

    def __init__(self, path: Path, schema: pa.Schema, writer: csv.CSVWriter | parquet.ParquetWriter) -> None:
        self.failed, self._path, self._schema, self._writer = "", path, schema, writer

    def __call__(self, found: Found) -> None:
        differences = (each.masked(found.asked.hides) for each in found.differences())
        while not self.failed and (some := list(islice(differences, 10_000))):
            name = found.comparison.left
            rows = [
                {"table": name, "kind": each.kind, "key": json.dumps(each.key, ensure_ascii=False),
                 "column": each.column, "left": each.left, "right": each.right}
                for each in some
            ]  # fmt: skip
            with self.kept():
                self._writer.write_table(pa.Table.from_pylist(rows, self._schema))

    def close(self) -> None:
        with self.kept():
            self._writer.close()
        if self.failed and self._path.is_file():
            self._path.unlink()  # a part of the differences would be taken for all of them

    @contextmanager
    def kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failed = self.failed or f"{self._path}: {error.strerror or error}"

    def told(self, found: Diff) -> Diff:
        return found.model_copy(update={"unexported": self.failed})


@contextmanager
def exporting(path: Path | None) -> Iterator[Export | None]:
    """Writes every difference that is seen to a file, Parquet or CSV by its ending; keys are JSON. Only an export is
    written over: another file may be one that is compared."""
    if path is None:
        yield None
        return
    import pyarrow.csv as csv
    import pyarrow.parquet as parquet

    if path.suffix not in (".parquet", ".csv"):
        raise SpecError(f"'{path}' ends neither in .parquet nor in .csv.", "Name the file so.")
    if path.is_file() and path.stat().st_size and not _exported(path):
        raise SpecError(f"'{path}' is there, and no export of differences.", "Name another file, or remove it.")
    schema = pa.schema([(name, pa.string()) for name in EXPORTED])
    try:
        writer = (parquet.ParquetWriter if path.suffix == ".parquet" else csv.CSVWriter)(str(path), schema)
    except OSError as error:
        raise SpecError(f"'{path}' cannot be written.", "Name a file in a folder that is there.") from error
    export = Export(path, schema, writer)
    with closing(export):
        try:
            yield export
        except BaseException as error:
            export.failed = str(error)
            raise
