"""Slices of a table's files, and their state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from lading.connector import Slice
from lading.connectors.files import parquet
from lading.connectors.files.layout import Found
from lading.connectors.files.place import Entry, Place
from lading.connectors.files.source import Pages

_TOGETHER = 32 << 20
"""Bytes of the files of a slice; a larger file is one of its own. Each slice costs its target a commit."""


def cuts(place: Place, found: Found, rows: int, since: Slice) -> list[Slice]:
    """A slice for a file or several small ones of text, from the first one's name to the next slice's, so that files
    that come later have their place; of a large Parquet file a slice per some row groups, which are its pages."""
    files = found.files if found.format == "parquet" else list(_first(found.files))
    names = [place.short(file.path) for file in files]
    made: list[Slice] = []
    for number, (name, file) in enumerate(zip(names, files, strict=True)):
        low, high = (name,) if number else None, (names[number + 1],) if number + 1 < len(names) else None
        for pages in _pages(place, found, file, rows):
            part = {"number": len(made), "low": low, "high": high, "file": name, "pages": pages}
            made.append(since.model_copy(update=part))
    return made or [since]


def _first(files: Iterable[Entry]) -> Iterator[Entry]:
    """The files that slices begin with."""
    held = _TOGETHER
    for file in files:
        if held + file.size > _TOGETHER:
            held = 0
            yield file
        held += file.size


def _pages(place: Place, found: Found, file: Entry, rows: int) -> list[Pages]:
    if found.format != "parquet":
        return [None]
    with parquet.opened(place, file.path) as opened:
        sizes = [opened.metadata.row_group(n).num_rows for n in range(opened.num_row_groups)]
    starts, held = [0], 0
    for number, size in enumerate(sizes):
        if held >= rows:
            starts.append(number)
            held = 0
        held += size
    return list(zip(starts, [*starts[1:], None], strict=True)) if len(starts) > 1 else [None]


def holds(cut: Slice, name: str) -> bool:
    """Whether rows of a file belong to a slice; what is not the slice's own file belongs to its last pages."""
    if cut.pages and cut.pages[1] is not None:
        return name == cut.file
    return (cut.low is None or (name,) >= cut.low) and (cut.high is None or (name,) < cut.high)


def state(place: Place, tables: Iterable[Found]) -> tuple[str, dict[str, str]]:
    """A name for the files as they are now, and the marks that tell when one changes."""
    marks = {file.path: place.mark(file.path) for found in tables for file in found.files}
    return f"{len(marks)} file{'s' * (len(marks) != 1)}, {hashlib.sha256(repr(marks).encode()).hexdigest()[:12]}", marks
