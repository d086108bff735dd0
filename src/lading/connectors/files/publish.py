"""Putting staged files in the place of a table, or beside its other files."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from pathlib import Path

from lading.connector import Load
from lading.connectors.files.layout import Found
from lading.connectors.files.note import NOTE, Format, Note
from lading.connectors.files.room import is_of_table, keep_others, link
from lading.connectors.files.staging import Staging, synced
from lading.errors import DataError
from lading.schema import Mode

_HERE, _EXCHANGE = -100, 2
_REFUSED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
CAN_EXCHANGE = sys.platform == "linux"


def publish(staging: Staging, load: Load, old: Found | None) -> None:
    """Makes a load's rows visible. Which loads are published stands in the note of the table's folder."""
    target, stage = staging.folder(load.table), staging.folder(load.stage)
    before = staging.note(target)
    if before and load.id in before.loads:
        if load.mode is Mode.REPLACE:
            _finish(staging, target, stage, before)
        elif staging.place.local:
            _settle(f"{stage}.new", target)
        return
    note = staging.note(stage)
    if note is None:
        raise DataError(f"The staged rows of '{load.table.full_name}' are gone: '{stage}'.", "Run the copy again.")
    note = note.after(before, load.id)
    if load.mode is Mode.APPEND and before:
        note = note.model_copy(update={"columns": before.columns, "key": before.key})
    with staging.place.errors(target):
        if not staging.place.local:
            _upload(staging, load, old, note)
        elif load.mode is Mode.REPLACE:
            for scratch in Path(stage).glob(".*"):
                scratch.unlink()  # what interrupted writing left
            staging.save(stage, note)
            exchange(stage, target)
            _finish(staging, target, stage, note)
        else:
            _append(staging, load, note)


def discard(staging: Staging, load: Load) -> None:
    """Removes the stage and what an interrupted publishing left."""
    target, stage = staging.folder(load.table), staging.folder(load.stage)
    if staging.place.local and (note := staging.note(target)) and load.id in note.loads:
        _finish(staging, target, stage, note)
    for path in (stage, f"{stage}.new", f"{stage}.old"):
        staging.place.remove(path)


def exchange(new: str, target: str) -> None:
    """Puts a folder in the place of another, which takes its place: at once on Linux, elsewhere in two steps."""
    if not os.path.exists(target):
        os.rename(new, target)
    else:
        os.chmod(new, os.stat(target).st_mode & 0o7777)
        if not _exchanged(new, target):
            old = f"{new.removesuffix('.new')}.old"
            os.rename(target, old)
            os.rename(new, target)
            os.rename(old, new)
    synced(os.path.dirname(target))


def _exchanged(new: str, target: str) -> bool:
    library = ctypes.CDLL(None, use_errno=True) if CAN_EXCHANGE else None
    if library is None or not hasattr(library, "renameat2"):
        return False
    if library.renameat2(_HERE, os.fsencode(new), _HERE, os.fsencode(target), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _REFUSED:
        return False
    raise OSError(number, os.strerror(number), target)


def _append(staging: Staging, load: Load, note: Note) -> None:
    """A folder of links to the old files and the new takes the table's place; the stage stays until discarded."""
    target, stage = staging.folder(load.table), staging.folder(load.stage)
    new = f"{stage}.new"
    shutil.rmtree(new, ignore_errors=True)
    os.makedirs(new)
    if os.path.exists(target):
        link(target, new)
    link(stage, new)
    staging.save(new, note)
    exchange(new, target)
    _settle(new, target)


def _settle(old: str, target: str) -> None:
    """Removes the folder whose place was taken; what somebody else put there meanwhile is kept."""
    if os.path.islink(old):
        os.unlink(old)
    elif os.path.exists(old):
        link(old, target)
        shutil.rmtree(old)


def _upload(staging: Staging, load: Load, old: Found | None, note: Note) -> None:
    """Copies or moves the files, then says in the note that they count, then removes those that no longer do."""
    target, stage = staging.folder(load.table), staging.folder(load.stage)
    place = staging.place
    place.fs.makedirs(target, exist_ok=True)
    names = [entry.name for entry in place.entries(target) if load.id in entry.name] if place.renames else []
    for entry in place.entries(stage):
        if not entry.name.startswith((".", "_")):
            name = entry.name if load.id in entry.name else entry.name.replace("part-", f"part-{load.id}-", 1)
            (place.fs.mv if place.renames else place.fs.copy)(entry.path, f"{target}/{name}")
            names.append(name)
    kept = [file.path.removeprefix(f"{target}/") for file in old.files] if old and load.mode is Mode.APPEND else []
    note = note.model_copy(update={"files": tuple(dict.fromkeys([*kept, *names]))})
    staging.save(target, note)
    if load.mode is Mode.REPLACE:
        _finish(staging, target, stage, note, old.format if old else note.format)


def _finish(staging: Staging, target: str, stage: str, note: Note, before: Format | None = None) -> None:
    """What is left to do once the rows are visible: the old ones go, and what else stood beside them stays. `before` is
    the format that they were in, where it is still known."""
    place = staging.place
    if place.local:
        old = staging.note(stage)
        keep_others(stage, target, old.format if old else staging.said, staging.deep)
        place.remove(stage)
        return
    for path in place.fs.find(target):
        short = path.removeprefix(f"{target}/")
        known = short in (NOTE, *(note.files or ()))
        if not known and any(is_of_table(short, said, staging.deep) for said in (before, note.format)):
            place.remove(path)
