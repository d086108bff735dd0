"""A block of CSV records, and what its bytes mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lading.connectors.files.stream import lines

Places = Any
"""An array of places in a block, in order."""
Mask = Any
"""An array of truths, one per byte."""


@dataclass
class Page:
    """Whole records. `inside` says which bytes stand in quotes, `escaped` which are meant as they are, both None
    when there are no such bytes; `stops` are the places of the ends of line between records."""

    data: bytes
    line: int
    stops: Places
    inside: Mask | None = None
    escaped: Mask | None = None

    @property
    def buffer(self) -> Any:
        return np.frombuffer(self.data, np.uint8)

    def line_of(self, place: int) -> int:
        return self.line + lines(self.data[:place])

    def outside(self, places: Places) -> Places:
        """The places that are neither in quotes nor escaped."""
        for mask in (self.inside, self.escaped):
            if mask is not None:
                places = places[~mask[places]]
        return places

    def places(self, byte: int) -> Places:
        """Where a byte stands that is neither in quotes nor escaped."""
        hits = self.buffer == byte
        for mask in (self.inside, self.escaped):
            if mask is not None:
                np.greater(hits, mask, out=hits)
        return np.flatnonzero(hits)

    def between(self, start: int, end: int | None = None) -> Page:
        """A part of the page."""
        stops = self.stops[self.stops >= start] - start
        inside, escaped = (None if mask is None else mask[start:end] for mask in (self.inside, self.escaped))
        data = self.data[start:end]
        return Page(data, self.line_of(start), stops[stops < len(data)], inside, escaped)

    @property
    def records(self) -> tuple[Places, Places]:
        """Where records begin and where their ends of line stand, blank lines among them."""
        open_end = len(self.data) > 0 and (not len(self.stops) or int(self.stops[-1]) + 1 < len(self.data))
        ends = np.append(self.stops, len(self.data)) if open_end else self.stops
        starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
        return starts, ends

    def is_blank(self) -> Mask:
        """Which records are blank lines."""
        starts, ends = self.records
        buffer = self.buffer
        only_return = (ends == starts + 1) & (buffer[np.minimum(starts, len(buffer) - 1)] == 13)
        return (starts == ends) | only_return


def escaped(page: Page, escape: str) -> Mask | None:
    """The bytes that an escape stands before."""
    if not escape:
        return None
    places = np.flatnonzero(page.buffer == ord(escape))
    if not len(places):
        return None
    count = np.arange(len(places))
    begins = np.concatenate([[True], np.diff(places) > 1])
    active = places[(count - np.maximum.accumulate(np.where(begins, count, 0))) % 2 == 0] + 1
    mask = np.zeros(len(page.data), bool)
    mask[active[active < len(mask)]] = True
    return mask


def opening(inside: Mask) -> int:
    """Where the value begins that the end of the file stands in."""
    edges = (np.flatnonzero(np.diff(inside, prepend=False))).tolist()
    while len(edges) > 1 and edges[-1] - edges[-2] == 1:  # a doubled quote
        edges = edges[:-2]
    return int(edges[-1])
