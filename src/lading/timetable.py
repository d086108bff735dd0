"""The schedules of a project's pipelines, read again when their files are written, or another release is live."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress

from lading import config, releases, releasing
from lading.drafting import Kept
from lading.errors import LadingError, SpecError
from lading.schedule import Arrival, Schedule
from lading.spec import Pipeline
from lading.store import Store

Written = Schedule | LadingError | None


class Timetable:
    """Call it for what is written of each pipeline, in its live release where it has one: a schedule, none, or what is
    wrong with it, which `told` is told. It is the same object until a file is written or a release goes live."""

    def __init__(self, told: Callable[[str, LadingError], None], store: Store) -> None:
        self._told, self._store = told, store
        self.seen: dict[str, tuple[int, ...]] = {}
        """The pipelines, each with what becomes another when it does; the last is the number of its release."""
        self.receives: dict[str, bool] = {}
        """Those that could be read, each with whether it receives files."""
        self._read: dict[str, Written] = {}
        self._found: Mapping[str, Written] = {}

    def __call__(self) -> Mapping[str, Written]:
        live = releases.live_numbers(self._store)
        files = {name: (*seen, live.get(name, 0)) for name, seen in _files().items()}
        if files == self.seen:
            return self._found
        before, seen = self._read, self.seen
        new = {name for name in files if files[name] != seen.get(name)}
        self.receives = {name: each for name, each in self.receives.items() if name in files and name not in new}
        self._read = {
            name: self._written(name, live.get(name, 0)) if name in new else before[name] for name in sorted(files)
        }
        self._found = self._read | _circles(self._read)
        self.seen = files
        for name, each in self._found.items():
            if name in new and isinstance(each, LadingError):
                self._told(name, each)
        return self._found

    def _written(self, name: str, number: int) -> Written:
        try:
            kept = releasing.kept(releases.numbered(self._store, name, number) if number else None)
            kept = kept or Kept(config.pipeline_file(name), {})  # read once for both
            self.receives[name] = config.receives(name, kept)
            found = config.schedule(name, kept)
            for each in found.after if found else ():
                if isinstance(each, Arrival):
                    config.resolve(each.at)[1].address()
        except LadingError as error:
            return error
        return found


class Receiving:
    """Call it for the pipelines that receive files, as a timetable has last seen them, and whether every pipeline could
    be read. One that is wrong is left out: the timetable says so."""

    def __init__(self, timetable: Timetable, store: Store) -> None:
        self._timetable, self._store = timetable, store
        self._seen: dict[str, tuple[int, ...]] = {}
        self._found: dict[str, Pipeline] = {}
        self._unread: set[str] = set()

    def __call__(self) -> tuple[Mapping[str, Pipeline], bool]:
        files, before = self._timetable.seen, self._seen
        receives = self._timetable.receives  # of these files, or of later ones: what has changed is looked at again
        if files is not before:
            self._found = dict(self._found)
        for name in {*files, *before} if files is not before else ():
            if files.get(name) != before.get(name):
                self._found.pop(name, None)
                self._unread.discard(name)
                try:
                    if name in files and receives.get(name, True):
                        number = files[name][-1]
                        kept = releasing.kept(releases.numbered(self._store, name, number) if number else None)
                        self._found[name] = config.pipeline(name, kept=kept)
                except LadingError:
                    self._unread.add(name)
        self._seen = files
        return self._found, not self._unread


def _files() -> dict[str, tuple[int, ...]]:
    """The pipelines, each with what becomes another when its file, or that of the connections, is written."""
    folder = config.project()
    if folder is None:
        what = f"There is no {config.CONNECTIONS} here or in a folder above."
        raise SpecError(what, "Make a project with 'lading init'.")
    systems = (folder / config.CONNECTIONS).stat().st_mtime_ns
    found: dict[str, tuple[int, ...]] = {}
    with suppress(FileNotFoundError), os.scandir(folder / config.PIPELINES) as files:
        for file in files:
            name, ending = os.path.splitext(file.name)
            if ending in (".yaml", ".yml"):
                with suppress(FileNotFoundError):  # gone since
                    seen = file.stat()
                    found[name] = (systems, seen.st_mtime_ns, seen.st_size, seen.st_ino)
    return found


def _circles(written: Mapping[str, Written]) -> dict[str, LadingError]:
    """What is wrong with pipelines that come after each other: they would wait for ever, or never end."""
    after = {name: each.pipelines for name, each in written.items() if isinstance(each, Schedule) and each.after}
    found: dict[str, LadingError] = {}
    for name in after:
        way, waiting = set[str](), list(after[name])
        while waiting:
            here = waiting.pop()
            if here not in way:
                way.add(here)
                waiting += after.get(here, ())
        if name in way:
            what = f"the schedules of pipelines come after each other, '{name}' among them."
            found[name] = config.pipeline_file(name).error(("schedule", "after"), what, "Take one 'after' out.")
    return found
