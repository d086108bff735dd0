"""Where CSV records begin and end, with every quote accounted for."""

from __future__ import annotations

import numpy as np

from lading.connectors.files.note import Form
from lading.connectors.files.page import NOWHERE, Mask, Page, Places, escaped, opening
from lading.errors import DataError

_LF, _CR = 10, 13
_PART = 1 << 18  # quotes looked at together, an even number
Edges = tuple[Mask, Mask, Mask, Mask]


class Scanner:
    """Cuts blocks of one file. A quote opens a value only where the value begins, as in RFC 4180; elsewhere in an
    unquoted value it is an ordinary character. A quoted value ends at a quote that stands before a delimiter or an
    end of line."""

    def __init__(self, form: Form, path: str) -> None:
        self.path, self.form = path, form
        self.delimiter = np.frombuffer(form.delimiter.encode(), np.uint8)
        self.ending = 0
        self.page = Page(b"", 1, NOWHERE)

    def cut(self, data: bytes, line: int, last: bool) -> int:
        page = Page(data, line, NOWHERE)
        page.escaped = escaped(page, self.form.escape)
        page.quotes = self._quotes(page, last)
        if last and page.quotes is not None and len(page.quotes) % 2:
            raise self._unclosed(page, opening(page.quotes))
        page.stops = self._stops(page, last)
        end = len(data) if last else int(page.stops[-1]) + 1 if len(page.stops) else 0
        self.page = page.between(0, end)
        return end

    def delimiters(self, page: Page) -> Places:
        """The places where delimiters begin, outside quotes; of overlapping ones the first."""
        return page.outside(self._apart(self._hits(page)))

    def _hits(self, page: Page) -> Places:
        buffer, width = page.buffer, len(self.delimiter)
        places = np.flatnonzero(buffer[: max(len(buffer) - width + 1, 0)] == self.delimiter[0])
        for step, byte in enumerate(self.delimiter[1:], 1):
            places = places[buffer[places + step] == byte]
        return places if page.escaped is None else places[~page.escaped[places]]

    def _apart(self, places: Places) -> Places:
        width = len(self.delimiter)
        if width == 1 or len(places) < 2 or not (np.diff(places) < width).any():
            return places
        kept, free = [], 0
        for place in places.tolist():
            if place >= free:
                kept.append(place)
                free = place + width
        return np.array(kept)

    def _quotes(self, page: Page, last: bool) -> Places | None:
        if not self.form.quote or self.form.quote.encode() not in page.data:
            return None
        places = np.flatnonzero(page.buffer == ord(self.form.quote))
        if page.escaped is not None:
            places = places[~page.escaped[places]]
        if not len(places):
            return None
        delimiters = self._apart(self._hits(page)) if len(self.delimiter) > 1 else None
        parts = (self._edges(page, places, (at, at + _PART), (delimiters, last)) for at in range(0, len(places), _PART))
        if all(_regular(*part) for part in parts):
            return places
        edges = self._edges(page, places, (0, len(places)), (delimiters, last))
        return places[self._walk(page, places, edges)]

    def _edges(self, page: Page, places: Places, part: tuple[int, int], known: tuple[Places | None, bool]) -> Edges:
        """At which quotes a value may begin, at which one may end, and which stand before or behind a quote."""
        (delimiters, last), (low, high) = known, part
        buffer, width, size = page.buffer, len(self.delimiter), len(page.data)
        near = places[low:high]
        steps = np.diff(places[low : high + 1], append=size + 2)[: len(near)] == 1
        behind = np.concatenate([[low > 0 and near[0] - places[low - 1] == 1], steps[:-1]])

        def at(there: Places, delimiter: Places) -> Mask:
            found = np.zeros(len(there), bool)
            for byte in (_LF, _CR) if delimiters is not None else (_LF, _CR, int(self.delimiter[0])):
                found |= buffer[there] == byte
            if page.escaped is not None:
                found &= ~page.escaped[there]
            return found if delimiters is None else found | np.isin(delimiter, delimiters)

        opens = (near == 0) | at(np.maximum(near - 1, 0), near - width)
        after = np.minimum(near + 1, size - 1)
        # Without the rest of the file nobody knows what follows the last bytes; they are offered again.
        ending = (near == size - 1) | ((not last) & (near + width >= size))
        return opens, ending | at(after, after), steps, behind

    def _walk(self, page: Page, places: Places, edges: Edges) -> list[int]:
        """Which quotes enclose, or stand for one inside, found one after another."""
        kept: list[int] = []
        start, skip = -1, -1
        for number, (place, opens, closes, doubled, _) in enumerate(zip(places.tolist(), *edges, strict=True)):
            if number == skip:
                kept.append(number)
            elif start < 0:
                if opens:
                    kept.append(number)
                    start = place
            elif doubled:
                kept.append(number)
                skip = number + 1
            elif closes:
                kept.append(number)
                start = -1
            else:
                raise self._unclosed(page, start, place)
        return kept

    def _unclosed(self, page: Page, place: int, at: int | None = None) -> DataError:
        until = f"; what follows its next quote, in line {page.line_of(at):,}, is no delimiter" if at else ""
        what = f"{self.path}:{page.line_of(place)}: a quoted value begins here and is not closed{until}."
        return DataError(what, "Close it and double the quotes inside, or set 'quote' to the file's own ('' for none).")

    def _stops(self, page: Page, last: bool) -> Places:
        buffer, size = page.buffer, len(page.data)
        feeds, returns = page.places(_LF), page.places(_CR)
        if not self.ending:
            old = len(returns) and (last or returns[0] + 1 < size) and (not len(feeds) or returns[0] + 1 < feeds[0])
            self.ending = _CR if old else _LF if len(feeds) else 0
        if self.ending == _CR:
            strays, stops, word = feeds, returns, "line feed"
        else:
            followed = buffer[np.minimum(returns + 1, size - 1)] == _LF
            strays, stops, word = returns[~followed & (last | (returns + 1 < size))], feeds, "carriage return"
        if self.ending and len(strays):
            what = f"{self.path}:{page.line_of(int(strays[0]))}: a {word} stands in a value without quotes."
            raise DataError(what, "Enclose the value in quotes, or give all lines the same end.")
        return stops


def _regular(opens: Mask, closes: Mask, before: Mask, behind: Mask) -> bool:
    """Whether every second quote opens a value and the others close it, doubled quotes doing both."""
    return bool((opens | behind)[0::2].all() and (closes | before)[1::2].all())
