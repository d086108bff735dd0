"""What a person can do about days that were due before: run them, and see which would be run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from lading import backfilling, config, moments, releasing, widths
from lading.actions import store
from lading.backfilling import Asked, Backfill, Line
from lading.dueruns import Process
from lading.errors import SpecError
from lading.store import Store


class Wanted(NamedTuple):
    """Days as people write them, both included; `parallel` is how many runs are at work at a time. `again` also runs
    what was over before, `go_on` goes on after a run that failed, `dry` runs nothing."""

    first: str
    last: str
    again: bool = False
    parallel: int = 1
    go_on: bool = False
    dry: bool = False
    given: Mapping[str, str] = MappingProxyType({})


class Filled(NamedTuple):
    """How the due times of a backfill stand, oldest first, and whose clock they are on."""

    pipeline: str
    zone: str
    state: str
    lines: list[Line]


def backfill(pipeline: str, wanted: Wanted, say: Callable[[str, str, str], None] = lambda *_: None) -> Filled:
    """Runs a pipeline for what was due in a range of days, a run each, in processes of their own. Goes on where one
    that was cut off was. Tells a word, the pipeline and a line of whatever happens."""
    folder = config.project() or Path.cwd()
    with store() as ledger:
        asked, zone = _asked(ledger, pipeline, wanted)
        widths.checked(ledger)
        given = dict(wanted.given)
        found = Backfill(ledger, asked, lambda due: Process(due, folder, config.logs(), given), say)
        lines = found.lines() if wanted.dry else found.run()
    return Filled(pipeline, zone, backfilling.worst(lines), lines)


def _asked(ledger: Store, name: str, wanted: Wanted) -> tuple[Asked, str]:
    """Raises SpecError for what cannot be run."""
    days = backfilling.day(wanted.first, "--from"), backfilling.day(wanted.last, "--to")
    kept = releasing.kept(releasing.pinned(ledger, name))
    now = datetime.now(UTC)
    given = moments.taken(name, now, kept) | dict(wanted.given)
    found = config.pipeline(name, given, kept)
    found.values(given)
    if found.schedule is None and not any(param.from_ for param in found.params.values()):
        what = f"'{name}' has no schedule, and no parameter that tells its runs the day: all of them would do the same."
        raise SpecError(what, "Give it one: params: {day: {type: date, from: due}}.")
    if wanted.parallel > found.runs:
        what = f"--parallel is {wanted.parallel}, and '{name}' may have {found.runs} at work at a time."
        fix = f"Write 'runs: {wanted.parallel}' in its file, if its runs do not build on each other."
        raise SpecError(what, fix)
    clock = backfilling.clock(found.schedule)
    times = backfilling.due_within(clock, *days, now)
    return Asked(name, times, found.runs, wanted.parallel, wanted.again, wanted.go_on), clock.zone


def plain(filled: Filled) -> dict[str, object]:
    """The same for programs."""
    lines = [
        {
            "due": f"{line.due.due:%Y-%m-%dT%H:%M:%SZ}", "run": line.due.run or None, "state": line.due.state,
            "left_out": line.left_out, "began": line.due.began or None, "ended": line.due.ended or None,
            "says": line.due.says,
        }
        for line in filled.lines
    ]  # fmt: skip
    return {"pipeline": filled.pipeline, "zone": filled.zone, "state": filled.state, "dues": lines}
