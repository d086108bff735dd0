"""One function per thing a person can do: all that the doors call."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lading import config, hops, profiles, record
from lading.compare import Asked
from lading.compare.outcome import Diff
from lading.connector import Connection, Measures, Session
from lading.errors import DataError, LadingError
from lading.facts import Profile
from lading.hops import gather
from lading.moving import fingerprint
from lading.plan import Plan, Side, Task, chosen, into
from lading.plan import plan as make_plan
from lading.profiling import profiled
from lading.prove import Bill
from lading.reconcile import Reconciling, exporting
from lading.record import TableVerdict, keep
from lading.repair import Collecting, Mending, Repair, Wrong, accepted, erase, mended, narrowed, pairs
from lading.run import run as run_plan
from lading.schema import Mode, Table
from lading.spec import Move
from lading.store import Reject, Store
from lading.types import Type, parse

if TYPE_CHECKING:
    from lading.config import Option
    from lading.moving import Watch
    from lading.sample import TerritoryLine

LOCK_SECONDS = 2
"""How long a gentle run waits for a lock: while it does, others wait behind it."""


@contextmanager
def store() -> Iterator[Store]:
    """The store of this project, or of this user."""
    opened = Store(config.store_url())
    try:
        yield opened
    finally:
        opened.close()


def plan_move(move: Move, pipeline: str = "", canary: bool = False) -> Plan:
    """The plan of a move. Reads both catalogues and changes nothing; a `canary` is a row of the greatest values that is
    sent to the target in a transaction which is undone."""
    with store() as ledger:
        return _plan(move, pipeline, ledger, _sides(move), canary)


def _sides(move: Move) -> tuple[Connection, Connection]:
    sides = config.resolve(move.source)[1], config.resolve(move.target)[1]
    return (_gentle(sides[0]), _gentle(sides[1])) if move.gentle else sides


def _gentle(side: Connection) -> Connection:
    return side.model_copy(update={"lock_seconds": LOCK_SECONDS}) if "lock_seconds" in type(side).model_fields else side


def _plan(move: Move, pipeline: str, ledger: Store, sides: tuple[Connection, Connection], canary: bool = False) -> Plan:
    source, target = sides
    with source.open() as reading, target.open() as writing:
        tables = _measured(move, _known(move, reading), (reading, writing))
        tables = [profiles.with_observed(ledger, source.address(), table) for table in tables]
        known_sides = tuple(Side(address=side.address(), can=side.can) for side in sides)
        made = make_plan(
            move,
            tables,
            (known_sides[0], known_sides[1]),
            writing.fit,
            lambda table: writing.describe(table.full_name),
            lambda table: _cursor(move, table, ledger, sides),
        )
        made = _hopped(move, made, (reading, writing), canary)
    return made.model_copy(update={"pipeline": pipeline, "folder": _folder(sides)})


def _hopped(move: Move, made: Plan, sessions: tuple[Session, Session], canary: bool) -> Plan:
    """The plan with what is too narrow between the two sides."""
    with ExitStack() as stack:
        own = {move.source: sessions[0], move.target: sessions[1]}

        def opened(name: str) -> Session:
            return own.get(name) or stack.enter_context(config.resolve(name)[1].open())

        routines = gather.routines(move.through, sessions, opened)
    tasks = []
    for task in made.tasks:
        facts = gather.facts(task, sessions, routines)
        task = hops.checked(move, task, facts)
        if canary and (task.losses or task.findings or not task.problem):
            task = task.model_copy(update={"arrivals": tuple(hops.tried(task, facts, sessions[1]))})
        tasks.append(task)
    return made.model_copy(update={"tasks": tuple(tasks)})


def _folder(sides: tuple[Connection, Connection]) -> str:
    """Where relative paths begin: 'crm.db' of two folders are two databases, and no ledger may take one for the
    other."""
    paths = [str(getattr(side, "path", "/")) for side in sides]
    return os.getcwd() if any("://" not in path and not os.path.isabs(path) for path in paths) else ""


def _measured(move: Move, tables: list[Table], sessions: tuple[Session, Session]) -> list[Table]:
    """Decimals of which the source declares no limit are measured, where the target needs one to keep numbers."""
    reading, writing = sessions
    if not isinstance(reading, Measures):
        return tables
    names = {table.full_name for table in chosen(move, tables)}
    found = []
    for table in tables:
        columns = [column for column in table.columns if column.type == Type("decimal")]
        if columns and table.full_name in names and not table.problems:
            fitted = writing.fit(table.model_copy(update={"columns": tuple(columns), "key": ()}))
            wanted = [c.name for c, there in zip(columns, fitted.columns, strict=True) if there.type != c.type]
            sizes = reading.measure(table, wanted) if wanted else {}
            made = (c.model_copy(update={"measured": sizes.get(c.name)}) for c in table.columns)
            table = table.model_copy(update={"columns": tuple(made)})
        found.append(table)
    return found


def _watermark(move: Move, table: Table, ledger: Store, sides: tuple[Connection, Connection]) -> tuple[str, str] | None:
    """The column of `since` and the last value of it that a run has seen."""
    task = Task(
        source=table, target=into(move, table), mode=move.mode, since=move.since, key=move.merge_key or table.key
    )
    bare = Plan(source=sides[0].address(), target=sides[1].address(), folder=_folder(sides))
    _, last = ledger.last(fingerprint(bare, task))
    return (move.since, last) if move.since and last is not None else None


def _cursor(move: Move, table: Table, ledger: Store, sides: tuple[Connection, Connection]) -> str | None:
    """Where `since` begins: the last value seen, less the overlap."""
    mark = _watermark(move, table, ledger, sides)
    last = mark[1] if mark else None
    column = table.column(move.since or "")
    if last is None or column is None or column.type.kind != "timestamp":
        return last
    try:
        moment = datetime.fromisoformat(last) - timedelta(seconds=move.overlap_seconds)
    except (ValueError, OverflowError):
        return last
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}"


def copy(move: Move, watch: Watch | None = None) -> Bill:
    """Moves, proves and publishes."""
    return _run(move, "", watch)


def _run(move: Move, pipeline: str, watch: Watch | None) -> Bill:
    with store() as ledger:
        sides = _sides(move)
        made = _plan(move, pipeline, ledger, sides)
        if made.problems and len(made.problems) == len(made.tasks):
            first = next(task for task in made.tasks if task.problem)
            more = f" (and {len(made.problems) - 1:,} more tables; see 'lading plan')" if len(made.problems) > 1 else ""
            kinds = {kind.kind: kind for kind in LadingError.__subclasses__()}
            raise kinds[first.problem_kind](f"'{first.name}' cannot be moved{more}: {first.problem}", first.fix)
        done = run_plan(made, sides, ledger, watch)
        keep(ledger, done)
        if move.record:
            record.write(sides[1], done)
        return done


def plan(pipeline: str, canary: bool = False) -> list[Plan]:
    """The plans of a pipeline's steps."""
    found = config.pipeline(pipeline)
    return [plan_move(step, found.name, canary) for step in found.steps]


def run(pipeline: str, watch: Watch | None = None) -> list[Bill]:
    """Runs a pipeline's steps in order, a bill each; stops after a step that failed."""
    found = config.pipeline(pipeline)
    bills: list[Bill] = []
    for step in found.steps:
        bills.append(_run(step, found.name, watch))
        if bills[-1].state == "failed":
            break
    return bills


def diff(move: Move, asked: Asked, watch: Watch | None = None, export: Path | None = None) -> Diff:
    """Compares the tables that a move names with those it would make, whoever loaded them, and keeps the diff."""
    left, right = _sides(move)
    with store() as ledger, Reconciling(left, right, asked, watch) as reconciling:
        session = reconciling.systems[0].session
        tables = [(table, into(move, table)) for table in chosen(move, _known(move, session))]
        with exporting(export) as seen:
            found = reconciling.diff(tables, seen)
        keep(ledger, found)
    if asked.record:
        record.write(right, found)
    return found


def prove(pipeline: str, asked: Asked, watch: Watch | None = None) -> list[Diff]:
    """Compares the tables of a pipeline's steps as they are now, a diff a step. Rows that the source changed after
    what the last run had seen of 'since' are on their way, and said to be so."""
    found = config.pipeline(pipeline)
    diffs = []
    for step in found.steps:
        left, right = _sides(step)
        with store() as ledger, Reconciling(left, right, asked, watch) as reconciling:
            tables = chosen(step, _known(step, reconciling.systems[0].session))
            reconciling.asked = asked.model_copy(update={"key": asked.key or step.merge_key})
            marks = {t.full_name: mark for t in tables if (mark := _watermark(step, t, ledger, (left, right)))}
            made = reconciling.diff([(table, into(step, table)) for table in tables], None, marks)
            diffs.append(made.model_copy(update={"pipeline": found.name, "accept": step.accept}))
            keep(ledger, diffs[-1])
        if asked.record or step.record:
            record.write(right, diffs[-1])
    return diffs


def repair(run: str, mending: Mending, watch: Watch | None = None) -> Repair:
    """Compares the tables of a bill or a diff again, and copies exactly the rows that differ; unless it is applied,
    only says what that would do."""
    with store() as ledger:
        kept = record.kept(ledger, run)
        names = (kept.source, kept.target) if isinstance(kept, Bill) else (kept.left, kept.right)
        left, right = config.at(mending.source or names[0]), config.at(mending.target or names[1])
        asked = kept.asked if isinstance(kept, Diff) else Asked()
        wanted, before = dict(pairs(kept)), Collecting()

        def look(seen: Collecting | None) -> Diff:
            with Reconciling(left, right, asked, watch) as reconciling:
                return reconciling.diff(_named(reconciling.systems[0].session, wanted), seen)

        done = mended(run, look(before), before.found, mending)
        if not mending.apply:
            return done
        bill = _mend(before.found, accepted(kept, mending), (left, right), (ledger, watch))
        if mending.deletes:
            erase(right, before.found, look)
        after = look(None)
        keep(ledger, after)
        return done.settled(bill, after)


def _named(session: Session, wanted: dict[str, str]) -> list[tuple[Table, Table]]:
    """The tables by their names; what is gone is not left out, since nothing is known of it."""
    tables = []
    for name, there in wanted.items():
        schema, _, rest = there.rpartition(".")
        table = session.describe(name) or Table(name=name, problems=(f"The source has no table '{name}' any more.",))
        tables.append((table, table.model_copy(update={"schema_name": schema or None, "name": rest})))
    return tables


def _mend(
    found: dict[str, Wrong], accept: tuple[str, ...], sides: tuple[Connection, Connection],
    kept: tuple[Store, Watch | None],
) -> Bill | None:  # fmt: skip
    """Moves the rows that are missing or changed, as a run of its own."""
    ledger, watch = kept
    source, target = (side.address() for side in sides)
    plans = []
    for name, wrong in found.items():
        if wrong.inserts or wrong.updates:
            move = Move(
                source=source, target=target, tables=(name,), into={name: wrong.comparison.right}, mode=Mode.MERGE,
                merge_key=wrong.comparison.key, accept=accept,
            )  # fmt: skip
            plans.append(narrowed(_plan(move, "", ledger, sides), wrong))
    if not plans:
        return None
    tasks = tuple(task for each in plans for task in each.tasks)
    bill = run_plan(plans[0].model_copy(update={"tasks": tasks}), sides, ledger, watch)
    keep(ledger, bill)
    return bill


def _known(move: Move, session: Session) -> list[Table]:
    """Every table of a system, and what else a move names, such as views."""
    tables = list(session.tables())
    known = {table.full_name for table in tables}
    wanted = [name for name in move.tables if name not in known and not any(c in name for c in "*?[")]
    return tables + [found for name in wanted if (found := session.describe(name))]


def discover(address: str) -> list[Table]:
    """Every table of a system; one table of an address that names it."""
    connection, name = config.split_table(address)
    with config.resolve(connection)[1].open() as session:
        tables = list(session.tables())
        if not name:
            return tables
        found = session.describe(name)
    return [found] if found else chosen(Move(source=connection, target=connection, tables=(name,)), tables)


def profile(
    address: str, tables: Sequence[str] = (), into: str = "", types: Mapping[str, str] | None = None, last: bool = False
) -> list[Profile]:
    """Looks at the values of a system's tables, or of the one that the address names, and keeps what it saw. `into` is
    a type for every column, `types` types by column: what these would lose is counted. `last` shows what was kept."""
    place, name = config.split_table(address)
    connection = config.resolve(place)[1]
    with store() as ledger:
        wanted = tuple([name] if name else tables) or ("*",)
        if last:
            return profiles.kept(ledger, connection.address(), wanted)
        each = {column: parse(text) for column, text in (types or {}).items()}
        with connection.open() as session:
            found = list(profiled(connection, session, wanted, (parse(into) if into else None, each)))
        for one in found:
            profiles.keep(ledger, one)
    return found


def check(address: str) -> str:
    """Opens a connection and tries what it needs; raises what is wrong."""
    name, connection = config.resolve(address)
    with connection.open() as session:
        session.check()
        count = sum(1 for _ in session.tables())
    return f"{name} answers: {connection.address()}, {count:,} tables"


def history(limit: int = 20, pipeline: str = "") -> list[Bill]:
    """The newest bills first."""
    with store() as ledger:
        return ledger.bills(limit, pipeline)


def kept_diff(name: str) -> Diff:
    """The diff of an id, of the beginning of one, or 'last'."""
    with store() as ledger:
        return record.diff(ledger, name)


def trend(pipeline: str = "", limit: int = 200) -> list[TableVerdict]:
    """Verdicts by table over time, the newest first."""
    with store() as ledger:
        return record.trend(ledger, pipeline, limit)


def bill(run: str) -> Bill:
    """The bill of a run: by its id, the beginning of one, or 'last'."""
    with store() as ledger:
        return ledger.bill(run)


def rejects(run: str) -> list[Reject]:
    """The rows that a run's targets refused."""
    with store() as ledger:
        return list(ledger.rejects(ledger.bill(run).run))


def demo(folder: Path, scale: float = 1.0, watch: Watch | None = None) -> tuple[Bill, list[TerritoryLine]]:
    """Makes the sample company's legacy database, copies it into a warehouse, proves it and reports on it."""
    from lading import sample

    folder.mkdir(parents=True, exist_ok=True)
    legacy, warehouse = folder / "legacy-crm.db", folder / "warehouse.duckdb"
    if shutil.disk_usage(folder).free < 600 * 2**20 * max(scale, 0.1):
        raise DataError(f"'{folder}' has too little free space.", "Choose another folder with --folder.")
    sample.write(legacy, scale)
    made = copy(Move(source=f"sqlite:///{legacy}", target=f"duckdb:///{warehouse}"), watch)
    return made, sample.territory_report(warehouse)


def init(folder: Path) -> list[Path]:
    """Makes a project in a folder; returns the files that were not there before."""
    return config.init(folder)


def connect(name: str, url: str) -> tuple[Path, str]:
    """Adds a connection to connections.yaml. A password in the URL is left out: the second value is the environment
    variable that it is expected in, empty when there is none."""
    return config.add_connection(name, url)


def explain(pipeline: str) -> list[Option]:
    """Every option of a pipeline's steps, its value, and where that comes from."""
    return config.explain(pipeline)
