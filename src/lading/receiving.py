"""The files that a run receives: copied to this machine, looked through, moved as one table, and settled."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from lading import arrivals
from lading.arrivals import GROWING, IGNORED, LOADED, MANY, QUARANTINED, TAKEN, UNPROVED, VANISHED, Arrival
from lading.connectors.files import Files
from lading.connectors.files.catalog import table_of
from lading.connectors.files.delimited import header
from lading.connectors.files.groups import ParquetPart
from lading.connectors.files.layout import tables
from lading.connectors.files.naming import compression, folder_name, format_of, stem
from lading.connectors.files.parquet import opened
from lading.connectors.files.place import Place
from lading.connectors.files.source import Source
from lading.copying import copied
from lading.desk import Desk, Outcome
from lading.dropfolder import DropFolder
from lading.errors import AccessDenied, DataError, ProofFailed
from lading.lookout import Receiver, apart, look, tidy
from lading.prove import Bill, State, worst
from lading.receiver import Receive
from lading.render import plural
from lading.schema import Column, Mode
from lading.spec import Move
from lading.types import parse

BIG = 16 << 20
"""From how many bytes on the rows of a file are not held in memory together; those of a packed one never are."""
HASHES = {32: "md5", 40: "sha1", 64: "sha256"}


class Verdict(NamedTuple):
    """What became of a file before it was loaded: one of the states, and why."""

    state: str
    says: str


class Parts:
    """The rows of a lot's files: those of small ones together in one file, those of each big one in its own."""

    def __init__(self, folder: Path, columns: Sequence[Column]) -> None:
        self.folder, self.columns, self._count = folder, columns, 0
        folder.mkdir(parents=True)
        self._file = (folder / "part-00000.parquet").open("wb")
        self._part = ParquetPart(self._file, columns, ())

    @contextmanager
    def taking(self, big: bool) -> Iterator[Callable[[pa.RecordBatch], None]]:
        """Takes the rows of one file, or none of them if it turns out to be wrong."""
        if not big:
            held: list[pa.RecordBatch] = []
            yield held.append
            for batch in held:
                self._part.write(batch)
            return
        self._count += 1
        path = self.folder / f"part-{self._count:05d}.parquet"
        try:
            with path.open("wb") as file:
                part = ParquetPart(file, self.columns, ())
                yield part.write
                part.close()
        except BaseException:
            path.unlink()
            raise

    def close(self) -> None:
        self._part.close()
        self._file.close()


def received(step: Receive, desk: Desk) -> Outcome:
    """Loads what is ready. What an earlier attempt or another run took and did not settle comes first."""
    name, connection = desk.resolve(step.source)
    with DropFolder(name, connection) as drop:
        work = Receiving(step, desk, drop)
        tidy(desk.store, drop, work.receiver)
        look(desk.store, drop, [work.receiver])
        beside = [each for each in desk.pipeline.steps if isinstance(each, Receive)]
        apart(desk.store, work.box, step, [each for each in beside if desk.resolve(each.source)[1] == connection])
        arrivals.take(desk.store, work.box, desk.run, together=step.mode is Mode.APPEND)
        failed = work.all()
        work.sweep()
        return failed or work.outcome()


class Receiving:
    """A step at work: its folder, and where copies are kept until they are settled."""

    def __init__(self, step: Receive, desk: Desk, drop: DropFolder) -> None:
        self.step, self.desk, self.drop, self.store = step, desk, drop, desk.store
        self.receiver = Receiver(desk.pipeline.name, step)
        self.box = self.receiver.box(drop.settings.address())
        self.denied: dict[str, str] = {}
        self.folder = desk.logs.parent.with_name("arrivals")
        self.columns = [
            Column(name=name, type=parse(text), native=f"files:{text}") for name, text in step.columns.items()
        ]

    def all(self) -> Outcome | None:
        """Loads every lot; an outcome where that is of no use before something was corrected."""
        waiting = deque(arrivals.lots(self.store, self.box, self.desk.run))
        while waiting:
            self.desk.go_on()
            name = waiting.popleft()
            bill = arrivals.bill_of(self.store, self.box.pipeline, name)
            found = self._settle(name, bill) if bill else self._load(name)
            if isinstance(found, Outcome):
                return found
            waiting.extendleft(reversed(found))
        return None

    def _load(self, name: str) -> Outcome | list[str]:
        """Loads a lot. Where a file of several cannot be loaded, the names of two lots that are to be tried."""
        table = self.folder / name / folder_name(None, self.step.into.rpartition(".")[2])
        found = self._prepared(name, table)
        if not found:
            self._clear(name)
            return []
        try:
            of = replace(self.desk.part, work=f"lot:{self.box.pipeline}/{self.box.step}/{name}")
            bill = copied(self._move(table), self.store, self.desk.resolve, self.desk.watch, of)
            failed = next((table for table in bill.tables if table.state is State.FAILED), None)
            error, kind = (failed.error, failed.error_kind) if failed else ("", "")
        except DataError as raised:
            bill, error, kind = None, str(raised), raised.kind
        if bill is not None and not error:
            return self._settle(name, bill)
        if kind not in (DataError.kind, ProofFailed.kind):
            return Outcome(state=State.FAILED, error=error, error_kind=kind, again=kind == "unreachable")
        if len(found) > 1:
            arrivals.split(self.store, found)
            self._clear(name)
            return [f"{name}a", f"{name}b"]
        self._refuse(found[0], error)
        self._clear(name)
        return []

    def _move(self, table: Path) -> Move:
        step, name = self.step, self.step.into.rpartition(".")[2]
        words = {
            "from": Files(path=str(table.parent), format="parquet").address(), "to": step.target, "key": step.key,
            "tables": [name], "into": {name: step.into}, "mode": step.mode, "merge_key": step.merge_key,
            "accept": step.accept,
        }  # fmt: skip
        return Move.model_validate(words)

    def _settle(self, name: str, bill: Bill) -> list[str]:
        """Notes that the files of a lot are loaded, and puts them into the archive."""
        found = arrivals.lot(self.store, name, self.desk.run)
        proved = bill.state is State.PROVED
        why = "; ".join(reason for table in bill.tables if table.proof for reason in table.proof.reasons)
        values = {"state": LOADED if proved else UNPROVED, "bill": bill.run, "says": "" if proved else why}
        arrivals.change(self.store, ((each.id, values) for each in found))
        self._clear(name)
        if proved:
            tidy(self.store, self.drop, self.receiver)
        return []

    def _clear(self, name: str) -> None:
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def sweep(self) -> None:
        """Removes copies that were left when a run was cut off right after it had settled their files."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.exists() else []
        for name in set(names) - arrivals.taken(self.store, names):
            self._clear(name)

    # Looking through

    def _prepared(self, name: str, path: Path) -> list[Arrival]:
        """The files of a lot that can be loaded; their rows are in one file then."""
        found = arrivals.lot(self.store, name, self.desk.run)
        if path.exists() and _rows(path) == sum(each.rows or 0 for each in found):
            return found
        self._clear(name)
        parts = Parts(path.parent / "_scratch", self.columns)
        settled: list[tuple[Arrival, Verdict]] = []
        good: list[Arrival] = []
        with closing(parts):
            for at in range(0, len(found), MANY):
                for seen, verdict in self._fetched(found[at : at + MANY], parts, good):
                    if verdict.state == TAKEN:
                        good.append(seen)
                    else:
                        settled.append((seen, verdict))
        changes = [(each.id, {"hash": each.hash, "rows": each.rows}) for each in good]
        ended = ((each.id, {"hash": each.hash, **_ending(each, verdict)}) for each, verdict in settled)
        arrivals.change(self.store, [*changes, *ended])
        for each, verdict in settled:
            self._note(each, verdict)
        tidy(self.store, self.drop, self.receiver)
        parts.folder.rename(path)
        return good

    def _fetched(
        self, found: Sequence[Arrival], parts: Parts, good: Sequence[Arrival]
    ) -> Iterator[tuple[Arrival, Verdict]]:
        """Files, each with what is to become of it; the rows of those that are to be loaded are among the parts."""
        copies = [parts.folder.parent / f"{number}{_ending_of(each.file)}" for number, each in enumerate(found)]
        here = []
        for each, copy in zip(found, copies, strict=True):
            self.desk.go_on()
            here.append(each._replace(hash=self._fetch(each, copy)))
        if self.step.mode is Mode.APPEND:
            twins = arrivals.same(self.store, self.box, [each.hash for each in here if each.hash])
        else:  # what others have replaced since is new again
            twins = arrivals.last_loaded(self.store, self.box)
        twins = {hash: each for hash, each in twins.items() if each.state != TAKEN} | {e.hash: e for e in good}
        named = arrivals.earlier(self.store, self.box, [each.name for each in here])
        for each, copy in zip(here, copies, strict=True):
            self.desk.go_on()
            verdict = self._known(each, twins.get(each.hash), named.get(each.name))
            if verdict is None:
                each, verdict = self._read(each, copy, parts)
            copy.unlink(missing_ok=True)
            if verdict.state == TAKEN:
                twins.setdefault(each.hash, each)
            yield each, verdict

    def _fetch(self, found: Arrival, copy: Path) -> str:
        """The hash of a file that was copied; empty when there is none. One that this account may not read keeps no
        other waiting."""
        try:
            return self.drop.fetch(found, copy) or ""
        except AccessDenied as error:
            self.denied[found.id] = str(error)
            return ""

    def _known(self, found: Arrival, twin: Arrival | None, before: Arrival | None) -> Verdict | None:
        """What becomes of a file that is gone, or whose content or name was there before; else None."""
        if found.id in self.denied:
            return Verdict(GROWING, self.denied[found.id])
        if not found.hash:
            state = VANISHED if self.drop.look(found.name) is None else GROWING
            return Verdict(state, "it changed, or went away, while it was read")
        words = {"ignore": IGNORED, "quarantine": QUARANTINED}
        if twin is not None and self.step.duplicates != "load":
            return Verdict(words[self.step.duplicates], f"its content is that of '{twin.name}', arrival {twin.id}")
        if before is not None and self.step.resent != "load" and before.hash != found.hash:
            says = f"it was sent again with other content; arrival {before.id} of this name is loaded"
            return Verdict(words[self.step.resent], says)
        return None

    def _read(self, found: Arrival, copy: Path, parts: Parts) -> tuple[Arrival, Verdict]:
        try:
            rows = 0
            with parts.taking(_big(found)) as put:
                for batch in self._batches(found, copy):
                    put(batch)
                    rows += batch.num_rows
                found = found._replace(rows=rows)
                self._marker(found, copy)
                if not rows and self.step.empty == "quarantine":
                    raise DataError(f"the file {'has no rows' if found.size else 'is empty'}")
            return found, Verdict(TAKEN, "")
        except DataError as error:
            says = re.sub(rf"{re.escape(str(copy))}:(\d+): ", r"line \1: ", str(error)).replace(str(copy), found.name)
            return found, Verdict(QUARANTINED, says)

    def _batches(self, found: Arrival, copy: Path) -> Iterator[pa.RecordBatch]:
        """The rows of a file, whose columns are those that are expected. Raises DataError when they are not."""
        if not found.size:
            return
        if not (self.drop.settings.format or format_of(found.file, None)):
            raise DataError("the file's name does not say its format, nor does 'format' of the connection")
        settings = self.drop.settings.model_copy(
            update={"path": str(copy), "storage": None, "table": "t", "columns": dict(self.step.columns),
                    "partitioned": None}
        )  # fmt: skip
        place = Place(str(copy), {})
        (held,) = tables(place, settings)
        source = Source(place, held, settings.columns)
        if held.format == "csv":  # its types are those that are declared
            names = list(header(place, str(copy), held.form, source.names))
            columns: Sequence[Column] = ()
        else:
            table = table_of(source)
            if table.problems:
                raise DataError(table.problems[0])
            columns, names = table.columns, [column.name for column in table.columns]
        odd = [f"lacks the column '{name}'" for name in self.step.columns if name not in names]
        odd += [f"has a column '{name}', which is not expected" for name in names if name not in self.step.columns]
        types = {column.name: column.type for column in columns}
        odd += [
            f"holds {types[column.name]} in column '{column.name}', where {column.type} is expected"
            for column in self.columns
            if types.get(column.name, column.type) != column.type
        ]
        if odd:
            raise DataError(f"the file {'; it '.join(odd)}")
        yield from source.read(held.files[0], self.columns)

    def _marker(self, found: Arrival, copy: Path) -> None:
        """Holds a file against what its marker says: a hash, or 'rows=' and a number."""
        if self.step.ready != "marker":
            return
        name = self.step.marks(found.file)
        text = self.drop.text(f"{self.step.folder}/{name}".lstrip("/"))
        for word in re.findall(r"(?i)\b[0-9a-f]{32,64}\b", text.replace(found.file, "")):  # a name may look like one
            if len(word) in HASHES and (own := _hash(copy, HASHES[len(word)])) != word.lower():
                raise DataError(f"its {HASHES[len(word)]} is {own}, and its marker says {word}")
        if (rows := re.search(r"(?i)\brows\s*[=:]\s*(\d+)", text)) and int(rows[1]) != found.rows:
            raise DataError(f"it has {plural(found.rows or 0, 'row')}, and its marker says {rows[1]}")

    def _refuse(self, found: Arrival, why: str) -> None:
        verdict = Verdict(QUARANTINED, why)
        arrivals.change(self.store, [(found.id, verdict._asdict())])
        self._note(found, verdict)
        tidy(self.store, self.drop, self.receiver)

    def _note(self, found: Arrival, verdict: Verdict) -> None:
        self.desk.note(self.step, f"{found.name}: {verdict.state}: {verdict.says}")

    # The end

    def outcome(self) -> Outcome:
        """How the run came out, of all that it took, also before it was interrupted."""
        mine = arrivals.of_run(self.store, self.box, self.desk.run)
        count = {state: sum(each.state == state for each in mine) for state in (QUARANTINED, IGNORED)}
        loaded = [each for each in mine if each.state in (LOADED, UNPROVED)]
        told = [f"{count[state]:,} {state}" for state in count if count[state]]
        rows = plural(sum(each.rows or 0 for each in loaded), "row")
        says = ", ".join([f"{rows} of {plural(len(loaded), 'file')} into {self.step.into}", *told])
        if not mine and not self.denied:
            says = f"no file '{self.step.files}' is ready"
            if self.step.otherwise == "fail":
                fix = "See 'lading arrivals'."
                return Outcome(state=State.FAILED, error=f"{says[:1].upper()}{says[1:]}. {fix}", error_kind="data")
            return Outcome(state=State.SKIPPED, says=says)
        bills = [self.store.bill(run) for run in dict.fromkeys(each.bill for each in loaded)]
        state = worst([bill.state for bill in bills]) if bills else State.DONE
        if count[QUARANTINED]:
            first = next(each for each in mine if each.state == QUARANTINED)
            says += f"; '{first.name}': {first.says.rstrip('.')}"
        if self.denied:
            says += f"; {next(iter(self.denied.values())).rstrip('.')}"
        if self.denied or count[QUARANTINED]:
            state = State.UNPROVED if bills else State.FAILED
        kind = AccessDenied.kind if self.denied else DataError.kind
        fault = {"error": f"{says}.", "error_kind": kind} if state is State.FAILED else {}
        return Outcome(**_tables(bills, self.box.place), state=state, says=says, **fault)


def _tables(bills: Sequence[Bill], place: str) -> dict[str, Any]:
    if not bills:
        return {}
    last = bills[-1]
    moved = tuple(table for bill in bills for table in bill.tables)
    return {"bill": last.run, "source": place, "target": last.target, "tables": moved}


def _ending_of(name: str) -> str:
    """What of a name says the format: '.csv.gz'."""
    ending = name.removeprefix(stem(name))
    return ending if re.fullmatch(r"[.\w]{1,30}", ending, re.ASCII) else ""


def _ending(found: Arrival, verdict: Verdict) -> dict[str, Any]:
    """What is noted of a file that is not loaded with its lot."""
    values: dict[str, Any] = verdict._asdict()
    if verdict.state == GROWING:
        return values | {"looks": 0, "lot": "", "run": "", "mark": ""}
    return values | ({"gone": found.id} if verdict.state == VANISHED else {})


def _big(found: Arrival) -> bool:
    """Whether a file may have more rows than memory should hold: what is packed does not show it by its size."""
    return bool(compression(found.file)) or format_of(found.file, None) == "parquet" or found.size > BIG


def _rows(folder: Path) -> int:
    rows = 0
    for path in folder.iterdir():
        with opened(Place(str(path), {}), str(path)) as file:
            rows += int(file.metadata.num_rows)
    return rows


def _hash(path: Path, name: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, name).hexdigest()
