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
NOWHERE = np.zeros(0, np.int64)


@dataclass
class Page:
    """Whole records. `quotes` are the places of those that enclose values, opening and closing in turn, `escaped` says
    which bytes are meant as they are, both None when there are no such bytes; `stops` are the places of the ends of
    line between records."""

    data: bytes
    line: int
    stops: Places
    quotes: Places | None = None
    escaped: Mask | None = None

    @property
    def buffer(self) -> Any:
        return np.frombuffer(self.data, np.uint8)

    def line_of(self, place: int) -> int:
        return self.line + lines(self.data[:place])

    def outside(self, places: Places) -> Places:
        """The places that are neither in quotes nor escaped."""
        if self.quotes is not None and len(places):
            places = places[np.searchsorted(self.quotes, places, side="right") % 2 == 0]
        return places if self.escaped is None else places[~self.escaped[places]]

    def places(self, byte: int) -> Places:
        """Where a byte stands that is neither in quotes nor escaped."""
        if byte not in self.data:
            return NOWHERE
        return self.outside(np.flatnonzero(self.buffer == byte))

    def between(self, start: int, end: int | None = None) -> Page:
        """A part of the page."""
        end = len(self.data) if end is None else end
        stops, quotes = (
            None if places is None else places[slice(*np.searchsorted(places, (start, end)))] - start
            for places in (self.stops, self.quotes)
        )
        escaped = None if self.escaped is None else self.escaped[start:end]
        return Page(self.data[start:end], self.line_of(start), stops, quotes, escaped)

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


def opening(quotes: Places) -> int:
    """Where the value begins that the end of the file stands in."""
    found = quotes.tolist()
    while len(found) > 1 and found[-1] - found[-2] == 1:  # a doubled quote
        found = found[:-2]
    return int(found[-1])
