"""CSV files as batches of text, for any delimiter."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import csv

from lading.connectors.files.note import Form
from lading.connectors.files.page import Page
from lading.connectors.files.place import Place
from lading.connectors.files.plain import plain
from lading.connectors.files.scan import Scanner
from lading.connectors.files.stream import blocks, opened
from lading.errors import Bug, DataError


class Texts(NamedTuple):
    """Some records: their values as text, or of the type that was asked for, and where they stand."""

    names: tuple[str, ...]
    columns: list[pa.Array]
    page: Page

    def line(self, row: int) -> int:
        """The line where a row begins."""
        starts, _ = self.page.records
        if len(self.names) > 1:
            starts = starts[~self.page.is_blank()]
        return self.page.line_of(int(starts[row])) if row < len(starts) else self.page.line


def read(
    place: Place, path: str, form: Form, names: Sequence[str] = (), exact: Mapping[str, pa.DataType] | None = None
) -> Iterator[Texts]:
    """The file's records. `names` are the columns' when no header says them. The first result holds the names
    and may hold no rows. Columns of `exact` types, which are known to hold nothing else, are not read as text."""
    scanner = Scanner(form, path)
    known: tuple[str, ...] = ()
    with opened(place, path) as file:
        for _ in blocks(file, path, form.encoding, scanner):
            page = scanner.page
            if not known:
                known, page = _names(scanner, page, names)
            types = [(exact or {}).get(name, pa.string()) for name in known]
            yield Texts(known, _columns(scanner, page, types), page)
    if not known:
        if form.header is not False:
            raise DataError(f"{path}:1: the file is empty; the names of its columns are expected.", _HEADER)
        yield Texts(tuple(names), [pa.array([], pa.string()) for _ in names], scanner.page)


def header(place: Place, path: str, form: Form, names: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of the file's columns, by its first line; `names` when no header says them."""
    scanner = Scanner(form, path)
    with opened(place, path) as file:
        for _ in blocks(file, path, form.encoding, scanner):
            return _names(scanner, scanner.page, names)[0]
    raise DataError(f"{path}:1: the file is empty; the names of its columns are expected.", _HEADER)


_HEADER = "Write them in the first line, or set 'header' to false."


def _names(scanner: Scanner, page: Page, given: Sequence[str]) -> tuple[tuple[str, ...], Page]:
    form, path = scanner.form, scanner.path
    starts, ends = page.records
    filled = np.flatnonzero(~page.is_blank())
    at = int(filled[0]) if len(filled) and not (form.header is False and len(given) == 1) else 0
    first = split(scanner, page.between(int(starts[at]), int(ends[at])))
    if form.header is False:
        if given and len(given) != len(first):
            what = f"{path}:1: there are {len(first)} values, and 'columns' names {len(given)} columns."
            raise DataError(what, "Name every column in 'columns', in the file's order.")
        return tuple(given) or tuple(f"column{n}" for n in range(1, len(first) + 1)), page
    for number, name in enumerate(first, 1):
        if "\0" in name:
            raise DataError(f"{path}:1: the text holds zero bytes.", "Set 'encoding', for example to utf-16-le.")
        if not name:
            raise DataError(f"{path}:1: column {number} has no name.", _HEADER)
        if first.index(name) + 1 < number:
            raise DataError(f"{path}:1: two columns are named '{name}'.", "Rename one, or set 'header' to false.")
    if fix := form.other(first):
        raise DataError(f"{path}:1: there is one column, named {first[0][:60]!r}.", fix)
    if form.header is None and all(re.fullmatch(r"[-+]?[\d.,:/ -]*\d[\d.,:/ TZ-]*", name) for name in first):
        raise DataError(f"{path}:1: the first line holds values, not names.", "Set 'header' to false; true if not so.")
    return tuple(first), page.between(min(int(ends[at]) + 1, len(page.data)))


def split(scanner: Scanner, record: Page) -> list[str]:
    """The values of one record as text."""
    quote, escape, width = scanner.form.quote, scanner.form.escape, len(scanner.delimiter)
    places = scanner.delimiters(record).tolist()
    starts, ends = [0, *(place + width for place in places)], [*places, len(record.data)]
    values = []
    for start, end in zip(starts, ends, strict=True):
        text = record.data[start:end].decode().removesuffix("\r")
        if quote and text.startswith(quote):
            text = text[1:-1].replace(quote * 2, quote)
        values.append(re.sub(rf"{re.escape(escape)}(.)", r"\1", text, flags=re.DOTALL) if escape else text)
    return values


def _columns(scanner: Scanner, page: Page, types: list[pa.DataType]) -> list[pa.Array]:
    count = len(types)
    if not page.data or (count > 1 and page.is_blank().all()):
        return [pa.array([], type_) for type_ in types]
    names = [str(number) for number in range(count)]
    data, delimiter, null = plain(scanner, page)
    if page.data.startswith(BOM_UTF8):  # which is part of a value here, and which the reader takes away
        data = BOM_UTF8 + bytes(data)
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(column_names=names, block_size=len(data) + 1, use_threads=False),
            csv.ParseOptions(
                delimiter=delimiter,
                quote_char=scanner.form.quote or False,
                escape_char=scanner.form.escape or False,
                newlines_in_values=True,
                ignore_empty_lines=count > 1,
            ),
            csv.ConvertOptions(
                column_types=dict(zip(names, types, strict=True)),
                null_values=[null],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise _ragged(scanner, page, count) or Bug(f"{scanner.path}:{page.line}: {error}") from error
    return [column.combine_chunks() for column in table.columns]


def _ragged(scanner: Scanner, page: Page, count: int) -> DataError | None:
    _, ends = page.records
    found = np.diff(np.searchsorted(scanner.delimiters(page), ends), prepend=0) + 1
    wrong = np.flatnonzero((found != count) & ~page.is_blank())
    if not len(wrong):
        return None
    line = page.line_of(int(page.records[0][wrong[0]]))
    return DataError(
        f"{scanner.path}:{line}: there are {found[wrong[0]]} values, and {count} columns.",
        f"Correct the line; values that hold '{scanner.form.delimiter}' need quotes. Or set 'delimiter'.",
    )
