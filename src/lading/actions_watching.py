"""What a person can do to watch runs, one function a thing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from lading import attempts, config, revisions
from lading.actions import LOOK_SECONDS, kept_store
from lading.connector import Connection
from lading.doctor import Finding, Project, examined
from lading.errors import LadingError, SpecError
from lading.logs import Reader
from lading.metrics import Metrics
from lading.schedule import Schedule
from lading.spec import Pipeline
from lading.store import here
from lading.written import near


def log(run: str, step: str = "", follow: bool = False) -> Iterator[tuple[str, str]]:
    """The lines of a run's logs, or of one step's, each with its step; those that `follow` until the run is over."""
    with kept_store() as ledger:
        row = attempts.found(ledger, run)
        reader = Reader(config.logs() / row.id)
        known = {*attempts.steps(ledger, row.id), *reader.names}
        if step and step not in known:
            raise SpecError(f"Run {row.id} has tried no step '{step}'.", near(step, known))
        if not reader.names and not here(row.owner):
            where = f"'{row.owner.rsplit(':', 2)[0]}'"
            raise SpecError(f"The logs of run {row.id} are not here.", f"Look on {where}, which carried it out.")
        over = False
        while not over:
            over = not follow or not attempts.at_work(attempts.found(ledger, row.id))
            names = [step] if step else attempts.steps(ledger, row.id)
            yield from reader.more([*names, *(name for name in reader.names if not step and name not in names)], over)
            if not over:
                time.sleep(LOOK_SECONDS)


def metrics(to: Path | None = None) -> str:
    """What the store knows of runs and due times, as Prometheus reads it; also written to a file, in one piece."""
    with kept_store() as ledger:
        found = Metrics(ledger)
        if to:
            found.write(to, datetime.now(UTC))
        return found.text(datetime.now(UTC))


def doctor() -> list[Finding]:
    """Looks at what Lading needs here: Python, disk and memory, the store, pipelines and connections."""
    url = config.store_url()
    folder = Path(url.removeprefix("sqlite:///")).parent if url.startswith("sqlite:///") else Path.cwd()
    return list(examined(_project(), partial(kept_store, named=False), folder, revisions.made(url)))


def _project() -> Project:
    wrong: list[LadingError] = []
    extras, schedules = dict[str, str](), dict[str, Schedule | LadingError | None]()

    def read(name: str) -> Pipeline | None:
        try:
            return config.pipeline(name)
        except LadingError as error:
            wrong.append(error)
            return None

    try:
        names = config.connections()
        kinds = config.listing()
    except LadingError as error:
        return Project(config.project() or Path.cwd(), {}, {}, [error], {})
    for name, written in kinds.value["connections"].items() if kinds else ():
        kind = written.get("kind") if isinstance(written, dict) else str(written).partition("://")[0].partition("+")[0]
        extras.setdefault({"postgresql": "postgres", "mariadb": "mysql"}.get(str(kind), str(kind)), f"'{name}'")
    if config.store_url().startswith("postgresql"):
        extras.setdefault("postgres", "the store")
    for name in config.pipelines():
        found = read(name)
        schedules[name] = found.schedule if found else None
        for step in found.steps if found else ():
            if step.do == "notify":
                extras.setdefault("notify", f"step '{step.key}' of '{name}'")
    extras.setdefault("hops", "the check of what stands between two tables")
    connections = {name: partial(_resolved, name) for name in names}
    return Project(config.project() or Path.cwd(), connections, schedules, wrong, extras)


def _resolved(name: str) -> Connection:
    return config.resolve(name)[1]
