"""The types of columns of text files, from all that they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from lading.connectors.files import delimited, lines
from lading.connectors.files.faults import changed
from lading.connectors.files.infer import Guess
from lading.connectors.files.shape import Shape
from lading.connectors.files.source import Source
from lading.errors import DataError
from lading.threads import ahead
from lading.types import Type

T = TypeVar("T")
Types = tuple[dict[str, Type], int]
"""Types of columns by name, and the number of rows."""

_KNOWN: dict[tuple[object, ...], Types] = {}
"""What was inferred of files that are still as they were."""


def inferred(source: Source) -> Types:
    found, place = source.found, source.place
    marks = [(file.path, place.mark(file.path)) for file in found.files]
    known = _state(source, marks)
    if known not in _KNOWN:
        types = _csv(source) if found.format == "csv" else _lines(source)
        if marks != [(path, place.mark(path)) for path, _ in marks]:
            raise changed(found.folder or found.files[0].path)
        _KNOWN[known] = types
    return _KNOWN[known]


def seen(source: Source, marks: Mapping[str, str]) -> Source:
    """The source with the types that its columns were found to have by all their values, if its files still have
    `marks`."""
    known = _KNOWN.get(_state(source, [(file.path, marks.get(file.path, "")) for file in source.found.files]))
    if known is None:
        return source
    return replace(source, exact={name: type_ for name, type_ in known[0].items() if source.type_of(name) is None})


def _state(source: Source, marks: Iterable[tuple[str, str]]) -> tuple[object, ...]:
    return tuple(marks), source.found.form, source.found.format, tuple(source.declared.items())


def _csv(source: Source) -> Types:
    guesses: dict[str, Guess] = {}
    rows, first = 0, ""
    for path, texts in ahead(_texts(source)):
        guesses = guesses or {name: Guess() for name in texts.names}
        first = first or path
        if set(texts.names) != guesses.keys():
            odd = sorted(set(texts.names) ^ guesses.keys())[0]
            what = f"{path}:1: '{first}' and this file are one table; only one has the column '{odd}'."
            raise DataError(what, "Give both the same columns, or put one elsewhere.")
        for name, column in zip(texts.names, texts.columns, strict=True):
            if source.type_of(name) is None:
                guesses[name].add(column)
        rows += len(texts.columns[0])
    return {name: source.type_of(name) or guess.type for name, guess in guesses.items()}, rows


def _texts(source: Source) -> Iterator[tuple[str, delimited.Texts]]:
    for file in source.found.files:
        for texts in delimited.read(source.place, file.path, source.found.form, source.names):
            yield file.path, texts


def _lines(source: Source) -> Types:
    shapes: dict[str, Shape] = {}
    rows = 0
    for file in source.found.files:
        for block in lines.read_blocks(source.place, file.path, source.found.form.encoding):
            found = lines.objects(block, file.path)
            for name in dict.fromkeys(name for row in found.rows for name in row):
                shapes.setdefault(name, Shape()).add([row.get(name) for row in found.rows])
            rows += len(found.rows)
    return {name: source.type_of(name) or shape.type for name, shape in shapes.items()}, rows
