"""The store: runs, loads, slices, cursors, rejects and bills, in SQLite or PostgreSQL."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel

from lading import revisions
from lading.connector import Load, Slice
from lading.digest import Digest, Reading
from lading.errors import SpecError, Unreachable
from lading.plan import Task
from lading.prove import Bill, TableBill
from lading.schema import Mode

HEAD = "0011"
"""The newest revision in migrations/versions."""
FRESH = timedelta(hours=12)
"""How long a rerun takes over tables that an interrupted run had finished; appended tables are never moved again."""
STALE = timedelta(minutes=5)
"""How long a run on another host may be silent before its loads are taken over."""

_tables = sa.MetaData()
runs = sa.Table(
    "runs", _tables,
    sa.Column("id", sa.Text, primary_key=True), sa.Column("pipeline", sa.Text, nullable=False),
    sa.Column("started", sa.Text, nullable=False), sa.Column("state", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False), sa.Column("beat", sa.Text, nullable=False),
    sa.Column("bill", sa.Text), sa.Column("part_of", sa.Text, nullable=False), sa.Column("ended", sa.Text),
    sa.Column("release", sa.Integer), sa.Column("cancelled", sa.Text),
)  # fmt: skip
loads = sa.Table(
    "loads", _tables,
    sa.Column("id", sa.Text, primary_key=True), sa.Column("run", sa.Text, nullable=False, index=True),
    sa.Column("fingerprint", sa.Text, nullable=False, index=True), sa.Column("state", sa.Text, nullable=False),
    sa.Column("task", sa.Text, nullable=False), sa.Column("load", sa.Text, nullable=False),
    sa.Column("snapshot", sa.Text, nullable=False), sa.Column("rows", sa.BigInteger),
    sa.Column("cursor", sa.Text), sa.Column("bill", sa.Text), sa.Column("changed", sa.Text, nullable=False),
    sa.Column("way", sa.Text, index=True),
)  # fmt: skip
_step_runs = sa.table("step_runs", sa.column("run"), sa.column("state"), sa.column("outcome"))
slices = sa.Table(
    "slices", _tables,
    sa.Column("load", sa.Text, primary_key=True), sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("staged", sa.Boolean, nullable=False), sa.Column("line", sa.Text, nullable=False),
)  # fmt: skip
rejects = sa.Table(
    "rejects", _tables,
    sa.Column("id", sa.Integer, primary_key=True), sa.Column("run", sa.Text, nullable=False, index=True),
    sa.Column("load", sa.Text, nullable=False), sa.Column("table", sa.Text, nullable=False),
    sa.Column("slice", sa.Integer, nullable=False), sa.Column("row", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)  # fmt: skip


class Line(BaseModel, frozen=True):
    """A slice in the ledger: what it is, and once it is staged, what was read of it."""

    slice: Slice
    staged: bool = False
    rows: int = 0
    bytes: int = 0
    rejected: int = 0
    undecoded: bool = False
    digest: Digest = Digest()
    read: Reading | None = None
    """What was read in passing."""
    found: Reading | None = None
    """What the source said of itself, in place, at the same snapshot."""
    narrowed: dict[str, int] = {}
    cursor: str | None = None


class Open(BaseModel, frozen=True):
    """A load that an earlier run began and did not finish."""

    load: Load
    run: str
    state: str  # staging, publishing, published, done, clean, failed, dropped
    task: Task
    snapshot: str
    changed: datetime
    bill: TableBill | None = None

    @property
    def fresh(self) -> bool:
        """Whether it was at work a short time ago."""
        return datetime.now(UTC) - self.changed < FRESH


class Reject(BaseModel, frozen=True):
    """A row that the target refused."""

    table: str
    slice: int
    row: dict[str, str | None]
    reason: str


class Store:
    """Opened by its SQLAlchemy address; made or migrated when it is first used."""

    def __init__(self, url: str) -> None:
        self.url = url if "://" in url else f"sqlite:///{url}"
        where = shown(self.url)
        try:
            if self.url.startswith("sqlite:///"):
                Path(self.url.removeprefix("sqlite:///")).expanduser().parent.mkdir(parents=True, exist_ok=True)
            self.engine = sa.create_engine(self.url)
            if self.engine.dialect.name == "sqlite":
                sa.event.listen(self.engine, "connect", revisions.durable)
            revisions.migrate(self.engine, HEAD)
        except (sa.exc.DBAPIError, OSError) as error:
            why = str(error.orig if isinstance(error, sa.exc.DBAPIError) else error).partition("\n")[0]
            file = "Look at the file and its folder, or name another place in LADING_STORE."
            fix = file if self.url.startswith("sqlite") else "Check LADING_STORE."
            raise Unreachable(f"The store at {where} cannot be opened: {why}.", fix) from error
        except ModuleNotFoundError as error:
            what = f"The store at {where} needs the library '{error.name}', which is not installed."
            raise SpecError(what, "Install it: pip install 'lading[postgres]'.") from error

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A transaction; what the database says against it is one of the seven errors."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            where = self.engine.url.render_as_string(hide_password=True)
            fix = "Check its disk and who else uses it, then run again: it goes on from there."
            raise Unreachable(f"The store at {where}: {error.orig}.", fix) from error

    def write(self, statement: sa.Executable) -> None:
        with self.transaction() as connection:
            connection.execute(statement)

    def rows(self, statement: sa.Executable) -> list[Any]:
        with self.transaction() as connection:
            return list(connection.execute(statement))

    # Runs

    def begin(self, run: str, pipeline: str, part_of: str = "", release: int = 0) -> None:
        """Notes a run; `part_of` is the pipeline's run that it is a step of."""
        self.write(
            runs.insert().values(
                id=run, pipeline=pipeline, started=_now(), state="running", owner=owner(), beat=_now(), bill=None,
                part_of=part_of, release=release,
            )
        )  # fmt: skip

    def resume(self, run: str, seen: str = "") -> bool:
        """Makes a run this process's; with `seen`, its beat as it was looked at, only if nobody else was quicker."""
        mine = (runs.c.id == run) & (runs.c.beat == seen if seen else sa.true())
        with self.transaction() as connection:
            taken = runs.update().where(mine).values(state="running", owner=owner(), beat=_now())
            return connection.execute(taken).rowcount == 1

    def beat(self, run: str) -> None:
        """Says that the run is alive."""
        self.write(runs.update().where(runs.c.id == run).values(beat=_now()))

    def end(self, run: str, state: str, bill: Bill | None) -> None:
        """Ends a run; a bill that is stored stays as it is."""
        text = bill.model_dump_json() if bill else None
        mine = runs.update().where(runs.c.id == run, runs.c.bill.is_(None))
        self.write(mine.values(state=state, bill=text, ended=_now()))

    def bills(self, limit: int, pipeline: str = "") -> list[Bill]:
        """The newest first, without those of a pipeline's steps."""
        query = sa.select(runs.c.bill).where(runs.c.bill.is_not(None), runs.c.part_of == "")
        query = query.order_by(runs.c.started.desc()).limit(limit)
        if pipeline:
            query = query.where(runs.c.pipeline == pipeline)
        return [Bill.model_validate_json(row.bill) for row in self.rows(query)]

    def bill(self, run: str) -> Bill:
        """By a run's id, the beginning of one, or 'last'."""
        if run == "last":
            found = self.bills(1)
        else:
            query = sa.select(runs.c.bill).where(runs.c.id.startswith(run, autoescape=True), runs.c.bill.is_not(None))
            found = [Bill.model_validate_json(row.bill) for row in self.rows(query)]
            found = [each for each in found if each.run == run] or found
        if len(found) != 1:
            what = f"There is no bill of a run '{run}'." if not found else f"Several runs begin with '{run}'."
            raise SpecError(what, "See 'lading history'.")
        return found[0]

    # Loads

    def unfinished(self, fingerprint: str, run: str) -> Open | None:
        """The newest load of the same work that was not finished. Raises SpecError while another run is at it."""
        with self.transaction() as connection:
            _alone(connection, fingerprint, run)
        states = ("staging", "publishing", "published")
        query = (
            sa.select(loads)
            .where(loads.c.fingerprint == fingerprint, loads.c.state.in_(states))
            .order_by(loads.c.changed.desc())
        )
        return next((_open(row) for row in self.rows(query)), None)

    def left(self, fingerprint: str, begun: bool = False) -> list[Open]:
        """Loads of the same work that are over, but whose stage is still there; also those that were `begun`."""
        states = ("done", "failed", *(("staging", "publishing", "published") if begun else ()))
        query = sa.select(loads).where(loads.c.fingerprint == fingerprint, loads.c.state.in_(states))
        return [_open(row) for row in self.rows(query)]

    def finished(self, fingerprint: str, part_of: str = "") -> Open | None:
        """The load of the same work that a run finished shortly before it was cut off, its bill unwritten; or that was
        a part of the same pipeline's run, in a step that is not done: it was cut off behind the bill, or failed."""
        good = _step_runs.c.run == part_of, _step_runs.c.state.in_(("proved", "unproved", "done"))
        step_done = sa.exists().where(*good, _step_runs.c.outcome.contains(sa.literal('"bill":"') + runs.c.id + '"'))
        part = (runs.c.part_of == part_of) & (runs.c.part_of != "") & ~step_done
        query = (
            sa.select(loads)
            .join(runs, runs.c.id == loads.c.run)
            .where(loads.c.fingerprint == fingerprint, loads.c.state.in_(("done", "clean")))
            .where(runs.c.bill.is_(None) | part)
            .order_by(loads.c.changed.desc())
        )
        found = (_open(row) for row in self.rows(query))
        return next((each for each in found if each.load.mode is Mode.APPEND or each.fresh), None)

    def add(self, run: str, fingerprint: str, load: Load, task: Task, snapshot: str) -> None:
        """Notes a new load. Raises SpecError when another run began the same work in the meantime."""
        values = {
            "id": load.id, "run": run, "fingerprint": fingerprint, "state": "staging", "task": task.model_dump_json(),
            "load": load.model_dump_json(), "snapshot": snapshot, "changed": _now(),
        }  # fmt: skip
        with self.transaction() as connection:
            if self.engine.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
                connection.execute(sa.text("LOCK TABLE loads IN SHARE ROW EXCLUSIVE MODE"))
            connection.execute(loads.insert().values(**values))
            _alone(connection, fingerprint, run)

    def take(self, found: Open, run: str) -> None:
        """Makes a load this run's. Raises SpecError when another run was quicker."""
        mine = loads.update().where(loads.c.id == found.load.id, loads.c.run == found.run)
        with self.transaction() as connection:
            if connection.execute(mine.values(run=run)).rowcount != 1:
                raise _busy("Another run", found.task.source.name)

    def change(self, load: str, **values: Any) -> None:
        """Sets fields of a load: run, state, snapshot, rows, cursor, way."""
        self.write(loads.update().where(loads.c.id == load).values(changed=_now(), **values))

    def last(self, fingerprint: str, way: str = "") -> tuple[int | None, str | None]:
        """Rows and cursor of the last load of the same work that was finished; with a way, of any that went it."""
        same = loads.c.way == way if way else loads.c.fingerprint == fingerprint
        query = (
            sa.select(loads.c.rows, loads.c.cursor)
            .where(same, loads.c.state.in_(("done", "clean")))
            .order_by(loads.c.changed.desc())
            .limit(1)
        )
        return next(((row.rows, row.cursor) for row in self.rows(query)), (None, None))

    # Slices

    def cut(self, load: str, cuts: list[Slice]) -> None:
        """Notes the slices of a load, none of them staged."""
        with self.transaction() as connection:
            connection.execute(slices.delete().where(slices.c.load == load))
            for cut in cuts:
                line = Line(slice=cut).model_dump_json()
                connection.execute(slices.insert().values(load=load, number=cut.number, staged=False, line=line))

    def lines(self, load: str) -> list[Line]:
        query = sa.select(slices.c.line).where(slices.c.load == load, slices.c.number >= 0).order_by(slices.c.number)
        return [Line.model_validate_json(row.line) for row in self.rows(query)]

    def note(self, load: str, before: Digest | None) -> None:
        """Keeps what the target held before rows are appended to it, in place of what an earlier attempt noted."""
        with self.transaction() as connection:
            connection.execute(slices.delete().where(slices.c.load == load, slices.c.number == -1))
            if before is not None:
                line = Line(slice=Slice(), digest=before).model_dump_json()
                connection.execute(slices.insert().values(load=load, number=-1, staged=False, line=line))

    def noted(self, load: str) -> Digest | None:
        query = sa.select(slices.c.line).where(slices.c.load == load, slices.c.number == -1)
        return next((Line.model_validate_json(row.line).digest for row in self.rows(query)), None)

    def staged(self, load: str, line: Line) -> None:
        """Notes what is in the target, after its commit."""
        where = (slices.c.load == load) & (slices.c.number == line.slice.number)
        self.write(slices.update().where(where).values(staged=line.staged, line=line.model_dump_json()))

    # Rejects

    def reject(self, run: str, load: str, refused: list[Reject]) -> None:
        """Notes the rejects of one slice, in place of those of an earlier attempt."""
        if not refused:
            return
        with self.transaction() as connection:
            one = (rejects.c.load == load) & (rejects.c.slice == refused[0].slice)
            connection.execute(rejects.delete().where(one))
            lines = [
                {"run": run, "load": load, "table": r.table, "slice": r.slice, "row": json.dumps(r.row),
                 "reason": r.reason}
                for r in refused
            ]  # fmt: skip
            connection.execute(rejects.insert(), lines)

    def reasons(self, load: str) -> tuple[tuple[str, int], ...]:
        """Why rows of a load were refused, each with how many, the most first; ten at most."""
        count = sa.func.count().label("count")
        query = sa.select(rejects.c.reason, count).where(rejects.c.load == load).group_by(rejects.c.reason)
        return tuple((row.reason, row.count) for row in self.rows(query.order_by(sa.desc("count"), "reason").limit(10)))

    def rejects(self, run: str) -> Iterator[Reject]:
        query = sa.select(rejects).where(rejects.c.run == run).order_by(rejects.c.id)
        for row in self.rows(query):
            yield Reject(table=row.table, slice=row.slice, row=json.loads(row.row), reason=row.reason)


def _alone(connection: sa.Connection, fingerprint: str, run: str) -> None:
    """Raises SpecError while another run is at the same work."""
    query = (
        sa.select(loads.c.task, loads.c.run, runs.c.owner, runs.c.beat)
        .join(runs, runs.c.id == loads.c.run)
        .where(loads.c.fingerprint == fingerprint, runs.c.state == "running", loads.c.run != run)
    )
    for row in connection.execute(query):
        if alive(row.owner, row.beat):
            raise _busy(f"Run {row.run}", json.loads(row.task)["source"]["name"])


def _busy(who: str, table: str) -> SpecError:
    return SpecError(f"{who} is moving '{table}' right now.", "Wait for it, or end it first.")


def _open(row: Any) -> Open:
    return Open(
        load=Load.model_validate_json(row.load), run=row.run, state=row.state, snapshot=row.snapshot,
        task=Task.model_validate_json(row.task), changed=datetime.fromisoformat(row.changed),
        bill=TableBill.model_validate_json(row.bill) if row.bill else None,
    )  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _started(pid: int) -> str:
    """When a process of this machine began; empty when there is none, or it has ended and nobody asked how."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if words[0] == "Z" else words[19]
    except OSError:
        try:
            os.kill(pid, 0)
        except OSError:
            return ""
        return "?"


def owner() -> str:
    """This process, as others may look whether it is still there."""
    return f"{platform.node()}:{os.getpid()}:{_started(os.getpid())}"


def here(owner: str) -> bool:
    """Whether a process is, or was, one of this machine."""
    return owner.rsplit(":", 2)[0] == platform.node()


def alive(owner: str, beat: str) -> bool:
    """Whether the process that began a run is still there."""
    _, pid, began = owner.rsplit(":", 2)
    if here(owner):
        return _started(int(pid)) == began
    return datetime.now(UTC) - datetime.fromisoformat(beat) < STALE


def shown(url: str) -> str:
    """The address without its password. Raises SpecError when it is none of a store."""
    fix = "Set LADING_STORE to a folder, a file that ends in .db, or postgresql://user@host/database."
    try:
        found = sa.engine.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise SpecError("The store's address cannot be read.", fix) from None
    if found.get_backend_name() not in ("sqlite", "postgresql"):
        raise SpecError(f"A store cannot be kept in '{found.get_backend_name()}'.", fix)
    return found.render_as_string(hide_password=True).replace("+psycopg:", ":", 1)
