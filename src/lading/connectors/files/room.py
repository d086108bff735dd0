"""Whether a table's folder can be made, and what stands in it that is no part of the table."""

from __future__ import annotations

import errno
import os
import re
import shutil

from lading.connectors.files.layout import Found, Settings
from lading.connectors.files.naming import folder_name, format_of, hidden, named_as_file, stem
from lading.connectors.files.note import NOTE, Format
from lading.connectors.files.place import Place
from lading.errors import SpecError, Unsupported
from lading.schema import Table

_LONGEST = 240
"""The longest name of a folder, in bytes, with room for what Lading adds."""
_SCRATCH = re.compile(r"\.[0-9a-f]{32}")
"""What writing leaves when it is interrupted."""
_NO_LINKS = (errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
"""What file systems say that have no links, or no more of them."""


def refuse_place(place: Place, settings: Settings) -> None:
    """Raises when no table can be written to the path."""
    kind, base = place.kind(place.root), place.root.rpartition("/")[2]
    if kind == "file" or settings.table or place.is_pattern:
        raise SpecError(f"'{place.root}' is not a folder to write tables to.", "Name a folder.")
    if not kind and named_as_file(base):
        what = f"'{base}' is named like a file, and each table is written as a folder of files."
        fix = f"Name a folder: '{stem(base)}/' for Parquet, 'csv:///{stem(base)}' for CSV, 'jsonl:///{stem(base)}'."
        raise SpecError(what, fix)


def refuse(place: Place, table: Table, old: Found | None) -> None:
    """Raises when the table's folder cannot be made."""
    name = folder_name(table.schema_name, table.name)
    if len(name.encode()) > _LONGEST:
        what = f"The name '{table.full_name}' is longer than the {_LONGEST} bytes that a folder's may have."
        raise Unsupported(what, "Map it to a shorter one with --into.")
    if old and old.folder == place.root:
        raise SpecError(f"'{place.root}' is the folder of one table.", "Name the folder above it.")
    if old and old.folder is None:
        what = f"'{old.files[0].path}' has the name of the table, which is to be a folder."
        raise SpecError(what, "Move the file away, or map the table with --into.")
    if old and old.problems and (old.stray or not old.note):
        raise SpecError(f"'{old.folder}' cannot be written: {'; '.join(old.problems)}.", "Correct the folder.")
    path = f"{place.root}/{name}"
    if old is None and place.kind(path) == "folder":
        others = [entry.name for entry in place.entries(path) if not hidden(entry.name)]
        if others:
            what = f"'{path}' is no table's folder: it holds '{others[0]}'."
            raise SpecError(what, "Write elsewhere, or map the table with --into.")


def is_of_table(path: str, said: Format | None, deep: bool = True) -> bool:
    """Whether what has a path within a table's folder is the table's: its rows, its note, what writing has left.
    `deep` says that folders named key=value are."""
    *folders, name = path.split("/")
    if folders and not (deep and all("=" in each and not hidden(each) for each in folders)):
        return False
    return name == NOTE or bool(_SCRATCH.fullmatch(name)) or (not hidden(name) and format_of(name, said) is not None)


def keep_others(old: str, new: str, said: Format | None, deep: bool) -> None:
    """Moves what is no part of a table from the folder that it had into the one that took its place, on this machine;
    what has the name of something there is not moved. A link's folder goes nowhere, and keeps what it holds."""
    for entry in os.scandir(old) if os.path.isdir(old) and not os.path.islink(old) else ():
        there = f"{new}/{entry.name}"
        if deep and entry.is_dir(follow_symlinks=False) and "=" in entry.name and not hidden(entry.name):
            keep_others(entry.path, there, said, deep)
        elif not (entry.is_file() and is_of_table(entry.name, said)) and not os.path.lexists(there):
            os.makedirs(new, exist_ok=True)
            os.rename(entry.path, there)


def link(source: str, target: str) -> None:
    """Gives a folder the files of another, as far as it has none of that name."""
    for folder, _, names in os.walk(source):
        inner = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(inner, exist_ok=True)
        for name in names:
            there = os.path.join(inner, name)
            if not _SCRATCH.fullmatch(name) and name != NOTE and not os.path.exists(there):
                try:
                    os.link(os.path.join(folder, name), there)
                except OSError as error:
                    if error.errno not in _NO_LINKS:
                        raise
                    shutil.copy2(os.path.join(folder, name), there)
