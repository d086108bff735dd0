"""The files of a table's folder, and folders in it whose files would be left out."""

from __future__ import annotations

from typing import NamedTuple

from lading.connectors.files.naming import format_of, hidden
from lading.connectors.files.note import Format
from lading.connectors.files.place import Entry, Place
from lading.errors import AccessDenied

_LOOKS = 100
"""How many folders are looked into for a file that would be left out; a listing far away takes its time."""


class Content(NamedTuple):
    """A folder's files, with those of folders named key=value, and the other folders in all of them."""

    files: list[Entry]
    others: list[Entry]


def content(place: Place, path: str, said: Format | None, partitioned: bool) -> Content:
    """What a table's folder holds. Folders named key=value are left out on purpose where it is not partitioned."""
    found = Content([], [])
    for entry in place.entries(path):
        if hidden(entry.name):
            continue
        if entry.folder and "=" not in entry.name:
            found.others.append(entry)
        elif entry.folder and partitioned:
            inner = content(place, entry.path, said, partitioned)
            found.files.extend(inner.files)
            found.others.extend(inner.others)
        elif not entry.folder and format_of(entry.name, said):
            found.files.append(entry)
    return found


def stray(place: Place, path: str, found: Content, said: Format | None) -> str | None:
    """The problem of a table with a file in a folder that is no key=value; the search ends with the first. What cannot
    be looked into is a problem where there are files beside it, which make the folder a table."""
    waiting, looks = [(other, other) for other in reversed(found.others)], 0
    while waiting:
        top, folder = waiting.pop()
        name, looks = top.path.removeprefix(f"{path}/"), looks + 1
        if looks > _LOOKS:
            what = f"it holds more than {_LOOKS} folders that are no key=value, too many to look into for files"
            return f"{what}; {_out(top)}" if found.files else None
        try:
            entries = [entry for entry in place.entries(folder.path) if not hidden(entry.name)]
        except AccessDenied:
            what = f"it holds the folder '{name}', which is no key=value and may not be looked into for files"
            return f"{what}; {_out(top)}" if found.files else None
        if any(not entry.folder and format_of(entry.name, said) for entry in entries):
            what = f"it holds files in the folder '{name}', which is no key=value, so that they would be left out"
            return (
                f"{what}; name it 'key={top.name}' for a column, make it a table by a path of its own, or {_out(top)}"
            )
        waiting += [(top, entry) for entry in reversed(entries) if entry.folder]
    return None


def _out(folder: Entry) -> str:
    return f"name it '_{folder.name}' to leave it out"
