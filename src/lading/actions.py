"""One function per thing a person can do: all that the doors call."""

from __future__ import annotations

import getpass
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lading import attempts, config, graph, profiles, record
from lading.compare import Asked
from lading.compare.outcome import Diff
from lading.connector import Connection, Session
from lading.copying import compared, copied, known, planned, sides
from lading.desk import Desk
from lading.errors import DataError, SpecError
from lading.facts import Profile
from lading.plan import Plan, alone, chosen, into
from lading.profiling import profiled
from lading.progress import Quiet
from lading.prove import Bill, StepBill
from lading.reconcile import Reconciling, exporting
from lading.record import TableVerdict, keep
from lading.repair import Collecting, Mending, Repair, Wrong, accepted, erase, mended, narrowed, pairs
from lading.run import run as run_plan
from lading.schema import Mode, Table
from lading.spec import Move
from lading.store import Reject, Store
from lading.types import parse

if TYPE_CHECKING:
    from lading.drafting import Option
    from lading.moving import Watch
    from lading.sample import TerritoryLine


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
        return planned(move, pipeline, ledger, sides(move, config.resolve), config.resolve, canary)


def copy(move: Move, watch: Watch | None = None) -> Bill:
    """Moves, proves and publishes."""
    with store() as ledger:
        return copied(move, ledger, config.resolve, watch)


def plan(pipeline: str, canary: bool = False, given: Mapping[str, str] | None = None) -> list[Plan]:
    """The plans of a pipeline's moves."""
    found = config.pipeline(pipeline, given)
    return [plan_move(step, found.name, canary) for step in found.moves]


def run(
    pipeline: str, watch: Quiet | None = None, given: Mapping[str, str] | None = None, start: str = ""
) -> Bill:  # fmt: skip
    """Runs a pipeline's steps, or with `start` that step and what comes after it; an interrupted run goes on where it
    was. `given` are parameters."""
    with _desk(pipeline, watch or Quiet(), given) as desk:
        return graph.run(desk, watch or Quiet(), start)


def run_step(
    pipeline: str, key: str, run: str, watch: Quiet | None = None, given: Mapping[str, str] | None = None
) -> StepBill:  # fmt: skip
    """Carries out one step of a run, once, unless it is done: for those who keep the order themselves."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", run):
        raise SpecError(f"'{run}' cannot be the id of a run.", "Use letters, digits, '_', '.' and '-', 100 at most.")
    with _desk(pipeline, watch or Quiet(), given) as desk:
        return graph.run_step(desk, watch or Quiet(), key, run)


def approve(run: str, step: str, granted: bool = True, reason: str = "") -> str:
    """Says to a step that waits for a person whether it may go on; returns who says so."""
    who = getpass.getuser()
    with store() as ledger:
        attempts.approve(ledger, run, step, attempts.Approval(granted, who, reason))
    return who


@contextmanager
def _desk(name: str, watch: Quiet, given: Mapping[str, str] | None) -> Iterator[Desk]:
    found = config.pipeline(name, given)
    with store() as ledger:
        folder = config.project() or Path.cwd()
        yield Desk("", found, ledger, config.resolve, watch, folder, config.logs(), found.values(given or {}))


def diff(move: Move, asked: Asked, watch: Watch | None = None, export: Path | None = None) -> Diff:
    """Compares the tables that a move names with those it would make, whoever loaded them, and keeps the diff."""
    left, right = sides(move, config.resolve)
    with store() as ledger, Reconciling(left, right, asked, watch) as reconciling:
        session = reconciling.systems[0].session
        tables = [(table, into(move, table)) for table in chosen(move, known(move, session))]
        more = alone(move, (there for _, there in tables), reconciling.systems[1].session.tables())
        with exporting(export) as seen:
            found = reconciling.diff(tables, seen).model_copy(update={"alone": more})
        keep(ledger, found)
    if asked.record:
        record.write(right, found)
    return found


def prove(pipeline: str, asked: Asked, watch: Watch | None = None) -> list[Diff]:
    """Compares the tables of a pipeline's steps as they are now, a diff a step. Rows that the source changed after
    what the last run had seen of 'since' are on their way, and said to be so."""
    found = config.pipeline(pipeline)
    with store() as ledger:
        return [compared(step, ledger, config.resolve, (asked, found.name), watch) for step in found.moves]


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
            plans.append(narrowed(planned(move, "", ledger, sides, config.resolve), wrong))
    if not plans:
        return None
    tasks = tuple(task for each in plans for task in each.tasks)
    bill = run_plan(plans[0].model_copy(update={"tasks": tasks}), sides, ledger, watch)
    keep(ledger, bill)
    return bill


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
        found = ledger.bill(run)
        names = [step.bill for step in found.steps if step.bill] or [found.run]
        return [reject for name in names for reject in ledger.rejects(name)]


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
