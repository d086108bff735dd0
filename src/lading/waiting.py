"""What a step may wait for: each look says whether it is there, and a sentence about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from lading.checking import Checking, stale
from lading.desk import Desk
from lading.errors import Unsupported
from lading.find import shown
from lading.prove import State
from lading.render import plural
from lading.schedule import first_shown
from lading.sql import SqlSession

Look = Callable[[], tuple[bool, str]]


def looking(step: Any, desk: Desk) -> Look:
    """How to look for what a step `wait` waits for."""
    if step.time is not None:
        return _until(step.time)
    if step.file is not None:
        return _file(step.file, desk)
    return _ended(step.pipeline, desk) if step.pipeline is not None else _fresh(step.table, desk)


def _until(moment: Any) -> Look:
    zone = ZoneInfo(moment.zone)
    due = first_shown(datetime.combine(datetime.now(zone).date(), moment.at), zone).astimezone(zone)

    def look() -> tuple[bool, str]:
        there = datetime.now(UTC) >= due.astimezone(UTC)
        return there, f"it is {'past' if there else 'not yet'} {due:%Y-%m-%d %H:%M} in {moment.zone}"

    return look


def _file(pattern: str, desk: Desk) -> Look:
    seen: dict[str, int] = {}
    root, relative = (desk.folder, pattern) if not Path(pattern).is_absolute() else (Path("/"), pattern.lstrip("/"))

    def look() -> tuple[bool, str]:
        found = {str(path): path.stat().st_size for path in sorted(root.glob(relative)) if path.is_file()}
        whole = [name for name, size in found.items() if seen.get(name) == size]
        seen.clear()
        seen.update(found)
        if whole:
            return True, f"{plural(len(whole), 'file')} '{pattern}'"
        return False, f"'{pattern}' still changes" if found else f"there is no file '{pattern}'"

    return look


def _ended(wanted: Any, desk: Desk) -> Look:
    def look() -> tuple[bool, str]:
        newest = next(iter(desk.store.bills(1, wanted.name)), None)
        if newest is None:
            return False, f"'{wanted.name}' has not run yet"
        ended = newest.started + timedelta(seconds=newest.seconds)
        recent = datetime.now(UTC) - ended <= timedelta(hours=wanted.hours)
        good = recent and newest.state is not State.FAILED
        return good, f"run {newest.run} of '{wanted.name}' ended {newest.state} on {ended:%Y-%m-%d %H:%M} UTC"

    return look


def _fresh(wanted: Any, desk: Desk) -> Look:
    def look() -> tuple[bool, str]:
        with desk.opened(wanted.at) as session:
            if not isinstance(session, SqlSession):
                raise Unsupported(
                    f"{shown(wanted.at)} is no database that can be asked.", "Wait for a file or a pipeline."
                )
            table = session.describe(wanted.name)
            if table is None:
                return False, f"{shown(wanted.at)} has no table '{wanted.name}'"
            found = stale(Checking(session, table, {}, ()), wanted)
        return not found, f"'{wanted.name}': {found}" if found else f"'{wanted.name}' is fresh"

    return look
