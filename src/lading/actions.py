"""One function per thing a person can do: all that the doors call."""

from __future__ import annotations

import getpass
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from glob import glob
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from lading import attempts, config, graph, joining, moments, profiles, record, releases, releasing, revisions, settings
from lading.compare import Asked
from lading.compare.outcome import Diff
from lading.connector import sensitive
from lading.copying import Part, compared, copied, facing, known, planned, refuse_strangers, sides
from lading.desk import Desk
from lading.errors import DataError, SpecError
from lading.facts import Profile
from lading.picking import alone, chosen
from lading.plan import Plan
from lading.profiling import profiled
from lading.progress import Quiet
from lading.prove import Bill, StepBill, Unfinished
from lading.reconcile import Reconciling, both, exporting, refuse_unknown
from lading.record import TableVerdict, keep
from lading.releases import Release
from lading.render import plural
from lading.run import new_id
from lading.schema import Table
from lading.spec import Move
from lading.steps.sql import Sql
from lading.store import Reject, Store, shown
from lading.types import parse
from lading.written import near

if TYPE_CHECKING:
    from lading.drafting import Option
    from lading.moving import Watch
    from lading.sample import TerritoryLine

LOOK_SECONDS = 0.1
"""How often those who wait for a run look at it."""


@contextmanager
def store() -> Iterator[Store]:
    """The store of this project, or of this user."""
    opened = Store(config.store_url())
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def kept_store(named: bool = True) -> Iterator[Store]:
    """The store for those who only look at it: none is made. In place of one that is not there yet stands an empty one.
    Raises SpecError where LADING_STORE has `named` one that is not there."""
    there = revisions.made(url := config.store_url())
    if not there and named and settings.names_store():
        what = f"There is no store at {shown(url).removeprefix('sqlite:///')}, which LADING_STORE names."
        raise SpecError(what, "Correct it. If it is the right place, the first run makes it.")
    with TemporaryDirectory() as folder:
        opened = Store(url if there else f"{folder}/store.db")
        try:
            yield opened
        finally:
            opened.close()


def plan_move(move: Move, pipeline: str = "", canary: bool = False) -> Plan:
    """The plan of a move. Reads both catalogues and changes nothing; a `canary` is a row of the greatest values that is
    sent to the target in a transaction which is undone."""
    with kept_store(named=False) as ledger:
        return planned(move, Part(pipeline), ledger, sides(move, config.resolve), config.resolve, canary)


def copy(move: Move, watch: Watch | None = None) -> Bill:
    """Moves, proves and publishes."""
    with store() as ledger:
        return copied(move, ledger, config.resolve, watch)


def plan(pipeline: str, canary: bool = False, given: Mapping[str, str] | None = None) -> list[Plan]:
    """The plans of a pipeline's moves, and of its selects over several connections."""
    found = config.pipeline(pipeline, given)
    made: list[Plan] = []
    for step in found.steps:
        if isinstance(step, Move):
            made.append(plan_move(step, found.name, canary))
        elif isinstance(step, Sql) and step.inputs:
            with kept_store(named=False) as ledger:
                made += joining.plans(step, found.values(given or {}), Part(found.name), ledger, config.resolve)
    return made


class How(NamedTuple):
    """How a pipeline runs. The `run` of an id is run once: when it has its bill, that is returned. What runs is the
    live release where there is one, unless the `draft` is asked for; `parallel` is in place of its own number. What
    was done in a run to `resume`, one that has ended, is not done again."""

    run: str = ""
    draft: bool = False
    parallel: int | None = None
    resume: str = ""


def run(
    pipeline: str, watch: Quiet | None = None, given: Mapping[str, str] | None = None, start: str = "",
    how: How | None = None,
) -> Bill:  # fmt: skip
    """Runs a pipeline's steps, or with `start` that step and what comes after it; an interrupted run goes on where it
    was. `given` are parameters."""
    run, draft, parallel, resume = how or How()
    if not stored():
        config.pipeline(pipeline, given)  # what is wrong with it is told before a store is made
    with store() as ledger:
        release = releasing.pinned(ledger, pipeline, _id(run) if run else "", draft)
        failed = _ended(ledger, pipeline, resume) if resume else ""
        desk = desk_of(ledger, pipeline, watch or Quiet(), (run or failed, given), release)
        if parallel:
            desk = replace(desk, pipeline=desk.pipeline.model_copy(update={"parallel": parallel}))
        return graph.run(replace(desk, run=run), watch or Quiet(), start, failed)


def _ended(ledger: Store, pipeline: str, run: str) -> str:
    """The id of a pipeline's run that has ended. Raises SpecError where it is none."""
    found = attempts.found(ledger, run, pipeline)
    if found.pipeline != pipeline:
        raise SpecError(f"Run {found.id} is one of '{found.pipeline}', not of '{pipeline}'.", "Give its own.")
    if found.bill is None:
        raise SpecError(f"Run {found.id} has not ended.", f"Go on with it: lading run {pipeline} --run {found.id}")
    return str(found.id)


def run_step(
    pipeline: str, key: str, run: str, watch: Quiet | None = None, given: Mapping[str, str] | None = None,
    release: str = "",
) -> StepBill:  # fmt: skip
    """Carries out one step of a run, once, unless it is done: for those who keep the order themselves. `release` is a
    hash; the pipeline need not be named then."""
    with store() as ledger:
        found = releases.hashed(ledger, release) if release else releasing.pinned(ledger, pipeline, _id(run))
        if found and pipeline not in ("", found.pipeline):
            raise SpecError(f"Release '{release}' is one of '{found.pipeline}', not of '{pipeline}'.", "Give its own.")
        desk = desk_of(ledger, found.pipeline if found else pipeline, watch or Quiet(), (_id(run), given), found)
        return graph.run_step(desk, watch or Quiet(), key, run)


def stored() -> bool:
    """Whether there is a store, and so there may be a release or a run."""
    scheme, _, path = config.store_url().partition(":///")
    return scheme != "sqlite" or Path(path).exists()


def _id(run: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", run):
        raise SpecError(f"'{run}' cannot be the id of a run.", "Use letters, digits, '_', '.' and '-', 100 at most.")
    return run


def cancel(run: str, patience_seconds: float = 30) -> tuple[str, bool]:
    """Ends a run that is at work, here or on another machine; returns its id, and whether it has ended by then."""
    with kept_store() as ledger:
        found = attempts.cancel(ledger, run, getpass.getuser())
        until = time.monotonic() + patience_seconds
        while (going := found in attempts.going(ledger)) and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
    return found, not going


def approve(run: str, step: str, granted: bool = True, reason: str = "") -> str:
    """Says to a step that waits for a person whether it may go on; returns who says so."""
    who = getpass.getuser()
    with kept_store() as ledger:
        attempts.approve(ledger, run, step, attempts.Approval(granted, who, reason))
    return who


def desk_of(
    ledger: Store, name: str, watch: Quiet, how: tuple[str, Mapping[str, str] | None], release: Release | None
) -> Desk:  # fmt: skip
    """For the run of an id, empty for a new one, and the parameters that are given."""
    kept = releasing.kept(release)
    given = moments.of_run(ledger, name, *how, kept)
    found = config.pipeline(name, given, kept)
    desk = Desk(
        "", found, ledger, config.resolve, watch, config.project() or Path.cwd(), config.logs(), found.values(given)
    )  # fmt: skip
    if told := settings.lineage():
        desk = replace(desk, tell=told)
    return replace(desk, release=release.number, release_hash=release.hash) if release else desk


def diff(move: Move, asked: Asked, watch: Watch | None = None, export: Path | None = None) -> Diff:
    """Compares the tables that a move names with those it would make, whoever loaded them, and keeps the diff."""
    left, right = sides(move, config.resolve)
    with store() as ledger, Reconciling(left, right, asked, watch) as reconciling:
        ours, theirs = (system.session for system in reconciling.systems)
        if asked.record:
            record.room(theirs)
        move, held = known(move, ours)
        tables = facing(move, chosen(move, held), (right, theirs))
        refuse_unknown(asked, both(tables, theirs))
        more = alone(move, (there for _, there in tables), theirs.tables())
        with exporting(export) as seen:
            words = {"alone": more, "exclude": move.exclude, "sensitive": sensitive((left, right))}
            found = reconciling.diff(tables, seen).model_copy(update=words)
        found = seen.told(found) if seen else found
        keep(ledger, found)
    return record.written(right, found) if asked.record else found


def prove(pipeline: str, asked: Asked, watch: Watch | None = None, export: Path | None = None) -> list[Diff]:
    """Compares the tables of a pipeline's steps as they are now, a diff a step. Rows that the source changed after
    what the last run had seen of 'since' are on their way, and said to be so."""
    with store() as ledger:
        found = config.pipeline(pipeline, None, releasing.kept(releases.live(ledger, pipeline)))
        if not found.moves:
            what = f"Pipeline '{pipeline}' has no step that moves tables, so nothing can be compared."
            raise SpecError(what, "Compare two systems with 'lading diff'.")
        refuse_strangers(found.moves, config.resolve, asked)
        part = Part(found.name, new_id())
        with exporting(export) as seen:
            diffs = [compared(step, ledger, (config.resolve, watch), asked, part, seen) for step in found.moves]
        return [seen.told(each) for each in diffs] if seen else diffs


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
    with kept_store() if last else store() as ledger:
        wanted = tuple([name] if name else tables) or ("*",)
        if last:
            return profiles.kept(ledger, connection.address(), wanted)
        each = {column: parse(text) for column, text in (types or {}).items()}
        found = []
        with connection.open() as session:
            for one in profiled(connection, session, wanted, (parse(into) if into else None, each)):
                profiles.keep(ledger, one)  # what stops the next one does not lose it
                found.append(one)
    return found


def check(address: str) -> str:
    """Opens a connection and tries what it needs; raises what is wrong."""
    name, connection = config.resolve(address)
    with connection.open() as session:
        session.check()
        count = sum(1 for _ in session.tables())
    where = "" if name == connection.address() else f"{connection.address()}, "
    return f"{name} answers: {where}{plural(count, 'table')}"


def history(limit: int = 20, pipeline: str = "") -> list[Bill]:
    """The newest bills first."""
    with kept_store() as ledger:
        return ledger.bills(limit, pipeline)


def refuse_strange(pipeline: str) -> None:
    """Raises SpecError for a name that is no pipeline's."""
    if pipeline not in (names := config.pipelines()):
        raise SpecError(f"There is no pipeline '{pipeline}'.", near(pipeline, names))


def unfinished(limit: int = 20, pipeline: str = "") -> list[Unfinished]:
    """The newest runs that have no bill first."""
    with kept_store() as ledger:
        return attempts.unfinished(ledger, limit, pipeline)


def kept_diff(name: str) -> Diff:
    """The diff of an id, of the beginning of one, or 'last'."""
    with kept_store() as ledger:
        return record.diff(ledger, name)


def trend(pipeline: str = "", limit: int = 200) -> list[TableVerdict]:
    """Verdicts by table over time, the newest first."""
    with kept_store() as ledger:
        return record.trend(ledger, pipeline, limit)


def bill(run: str) -> Bill:
    """The bill of a run: by its id, the beginning of one, or 'last'."""
    with kept_store() as ledger:
        return ledger.bill(run)


def rejects(run: str) -> list[Reject]:
    """The rows that a run's targets refused."""
    with kept_store() as ledger:
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


def connect(name: str, url: str) -> tuple[Path, str, str]:
    """Adds a connection to connections.yaml. A password in the URL is left out: the second value is the environment
    variable that it is expected in, empty when there is none. The third is its file or folder, if that is not there."""
    file, variable = config.add_connection(name, url)
    path = "" if variable else getattr(config.resolve(name)[1], "path", "")
    here = isinstance(path, str) and "://" not in path and path != ":memory:"
    return file, variable, path if here and not glob(path) else ""


def explain(pipeline: str) -> list[Option]:
    """Every option of a pipeline's steps, its value, and where that comes from."""
    return config.explain(pipeline)
