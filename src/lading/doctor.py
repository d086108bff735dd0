"""What may keep Lading from working here: each finding with what to do."""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from lading import dues, widths
from lading.attempts import RUNNING, at_work
from lading.connector import Connection, Session
from lading.errors import LadingError, masked
from lading.render import clock, plural, size
from lading.schedule import Schedule
from lading.sql import SqlSession
from lading.store import HEAD, Store, runs

OK, NOTE, WARN, ERROR = "ok", "note", "warning", "error"
LEVELS = (OK, NOTE, WARN, ERROR)
NEEDED = 2**30
"""Bytes of disk below which it warns; below a tenth of them it is an error."""
SPARE = 512 * 2**20
"""Bytes of memory below which it warns."""
SKEW = 2.0
"""Seconds that a server's clock may differ."""
SILENT = timedelta(minutes=2)
"""After how long a scheduler that says nothing is taken for dead."""
_NOW = {
    "postgres": "SELECT extract(epoch FROM clock_timestamp())", "mysql": "SELECT unix_timestamp(now(6))",
    "sqlserver": "SELECT datediff_big(millisecond, '1970-01-01', sysutcdatetime()) / 1000.0",
}  # fmt: skip


class Finding(NamedTuple):
    """What was looked at, how it is, and what to do: `level` is ok, note, warning or error."""

    area: str
    level: str
    what: str
    fix: str = ""


class Project(NamedTuple):
    """What is looked at: the connections of a project by their names, or why one cannot be read, how many pipelines it
    has, what is wrong with them, and the extras that they need."""

    folder: Path
    connections: Mapping[str, Callable[[], Connection]]
    schedules: dict[str, Schedule | LadingError | None]
    wrong: list[LadingError]
    extras: dict[str, str]


def examined(
    project: Project, opened: Callable[[], AbstractContextManager[Store]], store_folder: Path, there: bool = True
) -> Iterator[Finding]:  # fmt: skip
    """Everything that is found, in the order in which a person would look. What is opened is an empty store where it is
    not `there`."""
    yield from _python(project)
    yield from _machine({"project": project.folder, "store": store_folder, "temporary files": Path("/tmp")})  # noqa: S108
    try:
        with opened() as ledger:
            yield from _store(ledger, project, there)
    except LadingError as error:
        yield Finding("store", ERROR, masked(error.what), error.fix)
    for wrong in project.wrong:
        yield Finding("pipelines", ERROR, masked(wrong.what), wrong.fix)
    if project.schedules and not project.wrong:
        yield Finding("pipelines", OK, f"{plural(len(project.schedules), 'pipeline')} can be read")
    with ThreadPoolExecutor(8) as crowd:
        for found in crowd.map(_connection, project.connections, project.connections.values()):
            yield from found


def _python(project: Project) -> Iterator[Finding]:
    yield Finding("python", OK, f"{platform.python_version()}, {platform.system()} {platform.machine()}")
    needed: dict[str, list[str]] = {}
    for line in requires("lading") or ():
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if name and name[0].lower() != "lading":
            needed.setdefault(extra[1] if extra else "", []).append(name[0])
    own = needed.get("", [])
    missing = [package for package in own if not _version(package)]
    shown = [f"{package} {_version(package)}" for package in ("duckdb", "pyarrow", "sqlalchemy") if _version(package)]
    yield Finding("python", OK, f"lading {_version('lading')} with {', '.join(shown)}")
    if missing:
        yield Finding("python", ERROR, f"packages lack: {', '.join(missing)}", "pip install --upgrade lading")
    for wanted, who in project.extras.items():
        lacking = [each for each in needed.get(wanted, ()) if not _version(each)]
        if lacking:
            fix = f"pip install 'lading[{wanted}]'"
            level = NOTE if wanted == "hops" else ERROR
            yield Finding("python", level, f"{who} needs {', '.join(lacking)}", fix)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _machine(folders: dict[str, Path]) -> Iterator[Finding]:
    seen: dict[int, list[str]] = {}
    free: dict[int, int] = {}
    for what, folder in folders.items():
        there = next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))
        device = os.stat(there).st_dev
        seen.setdefault(device, []).append(what)
        free[device] = shutil.disk_usage(there).free
        if not os.access(there, os.W_OK):
            yield Finding("disk", ERROR, f"this user may not write to '{there}'", "Change its owner or its rights.")
    for device, names in seen.items():
        level = ERROR if free[device] < NEEDED / 10 else WARN if free[device] < NEEDED else OK
        fix = f"Make room: {size(NEEDED)} or more." if level != OK else ""
        yield Finding("disk", level, f"{size(free[device])} free for {', '.join(names)}", fix)
    with suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kib = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
        low = kib * 1024 < SPARE
        fix = "End what needs it, or give moves a limit with 'memory'." if low else ""
        yield Finding("memory", WARN if low else OK, f"{size(kib * 1024)} available", fix)


def _store(ledger: Store, project: Project, there: bool) -> Iterator[Finding]:
    where = ledger.engine.url.render_as_string(hide_password=True)
    if there:
        yield Finding("store", OK, f"{where}, revision {HEAD}")
    else:
        yield Finding("store", NOTE, "there is none yet", "The first run makes it. LADING_STORE names its place.")
    narrow = widths.narrow(ledger)
    for each in narrow:
        yield Finding("store", ERROR, f"it would not keep what is written to it: {each}", widths.FIX)
    if not narrow:
        yield Finding(
            "store", OK, f"{plural(len(widths.TABLES), 'table')} hold what is written to them, whatever its length"
        )
    going = sa.select(runs).where(runs.c.state == RUNNING, runs.c.part_of == "")
    for row in ledger.rows(going):
        if not at_work(row):
            name = row.pipeline or "a copy"
            fix = f"Go on with it: lading run {row.pipeline}" if row.pipeline else "Run the same command again."
            what = f"run {row.id} of {name} has not ended, and its process on '{row.owner.rsplit(':', 2)[0]}' is gone"
            yield Finding("store", WARN, what, fix)
    now = datetime.now(UTC)
    for due in dues.open_ones(ledger):
        if due.state == dues.TAKEN and dues.lapsed(due, now):
            what = f"{due.pipeline}, due {due.due:%Y-%m-%d %H:%M}: the scheduler that has taken it says nothing"
            yield Finding("scheduler", WARN, what, "Start one: lading scheduler. It takes it over.")
    yield from _schedulers(ledger, project, now)


def _schedulers(ledger: Store, project: Project, now: datetime) -> Iterator[Finding]:
    ages = [(now - datetime.fromisoformat(each.beat), each.owner.partition(":")[0]) for each in dues.beats(ledger)]
    alive = [f"on '{host}', {clock(max(age.total_seconds(), 0))} ago" for age, host in ages if age < SILENT]
    scheduled = sum(isinstance(each, Schedule) for each in project.schedules.values())
    if alive:
        yield Finding("scheduler", OK, f"at work {'; '.join(alive)}")
    elif scheduled:
        have = "has a schedule" if scheduled == 1 else "have schedules"
        what = f"{plural(scheduled, 'pipeline')} {have}, and no scheduler is at work"
        yield Finding("scheduler", WARN, what, "Start one: lading scheduler.")


def _connection(name: str, resolve: Callable[[], Connection]) -> list[Finding]:
    area, began = f"connection {name}", time.monotonic()
    try:
        connection = resolve()
        with connection.open() as session:
            session.check()
            took = clock(time.monotonic() - began)
            if isinstance(session, SqlSession) and getattr(session.driver, "absent", False):
                fix = "It is made when it is written to. To read it, correct the path."
                return [Finding(area, WARN, f"{connection.address()} is not there", fix)]
            return [Finding(area, OK, f"answers in {took}"), *_skew(area, session)]
    except LadingError as error:
        return [Finding(area, ERROR, masked(error.what), error.fix)]


def _skew(area: str, session: Session) -> Iterator[Finding]:
    """How far the server's clock is from ours, taken in the middle of the question."""
    query = _NOW.get(session.dialect.name) if isinstance(session, SqlSession) else None
    if query is None or not isinstance(session, SqlSession):
        return
    before = time.time()
    there = float(session.driver.query(query)[0][0])
    after = time.time()
    apart = there - (before + after) / 2
    if abs(apart) > SKEW + (after - before) / 2:
        word = "ahead of" if apart > 0 else "behind"
        fix = "Set both clocks by a time server: 'since' and freshness compare times of both."
        yield Finding(area, WARN, f"its clock is {clock(abs(apart))} {word} this machine's", fix)


def worst(found: list[Finding]) -> str:
    return max((each.level for each in found), key=LEVELS.index, default=OK)
