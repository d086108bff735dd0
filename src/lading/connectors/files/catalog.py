"""What table its files make: columns, types, key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from lading.connectors.files import delimited, lines, parquet
from lading.connectors.files.faults import changed
from lading.connectors.files.infer import Guess
from lading.connectors.files.shape import Shape
from lading.connectors.files.source import Source
from lading.errors import DataError
from lading.schema import Column, Table
from lading.types import Type

Types = tuple[dict[str, Type], int]
"""Types of columns by name, and the number of rows."""

_KNOWN: dict[tuple[object, ...], Types] = {}
"""What was inferred of files that are still as they were."""


def tables_of(sources: Sequence[Source]) -> Iterator[Table]:
    """The tables of a path. Of several, one that cannot be read is a problem of its own and keeps no other."""
    for source in sources:
        try:
            table = table_of(source)
        except DataError as error:
            if len(sources) == 1:
                raise
            problem = str(error).removesuffix(".")
            table = Table(name=source.found.name, schema_name=source.found.schema, problems=(problem,))
        yield table


def table_of(source: Source) -> Table:
    """The table as its files, its note or its values say."""
    found = source.found
    columns: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()
    rows: int | None = None
    problems = list(found.problems)
    if found.note and not (found.format == "parquet" and found.files):
        columns, key = found.note.columns, found.note.key
    elif found.format == "parquet" and not problems:
        columns, key, rows = _parquet(source, problems)
    elif not problems:
        types, rows = _inferred(source)
        columns = tuple(Column(name=name, type=type_, native=f"files:{type_}") for name, type_ in types.items())
    names = {column.name for column in columns}
    return Table(
        name=found.name,
        schema_name=found.schema,
        columns=(*columns, *(column for column in _stated(source) if column.name not in names)),
        key=key,
        rows=rows,
        bytes=sum(file.size for file in found.files),
        problems=tuple(problems),
    )


def _stated(source: Source) -> Iterator[Column]:
    """The columns that folders' names state."""
    values: dict[str, list[str | None]] = {}
    for file in source.found.files:
        for name, value in source.found.path_values(file).items():
            values.setdefault(name, []).append(value)
    for name, texts in values.items():
        guess = Guess()
        guess.add(pa.array(texts, pa.string()))
        type_ = source.type_of(name) or guess.type
        yield Column(name=name, type=type_, native=f"files:{type_}")


def _parquet(source: Source, problems: list[str]) -> tuple[tuple[Column, ...], tuple[str, ...], int]:
    files, rows = source.found.files, 0
    first: tuple[tuple[Column, ...], tuple[str, ...]] | None = None
    for file in files:
        with parquet.opened(source.place, file.path) as opened:
            columns, key, found = parquet.columns_of(opened.schema_arrow)
            rows += opened.metadata.num_rows
        problems += [problem for problem in found if problem not in problems]
        first = first or (columns, key)
        if {c.name: c.type for c in columns} != {c.name: c.type for c in first[0]}:
            problems.append(f"'{file.path}' has other columns or types than '{files[0].path}'")
    columns, key = first or ((), ())
    return columns, key, rows


def _inferred(source: Source) -> Types:
    found, place = source.found, source.place
    marks = tuple((file.path, place.mark(file.path)) for file in found.files)
    known = (marks, found.form, found.format, tuple(source.declared.items()))
    if known not in _KNOWN:
        types = _csv(source) if found.format == "csv" else _lines(source)
        if marks != tuple((path, place.mark(path)) for path, _ in marks):
            raise changed(found.folder or found.files[0].path)
        _KNOWN[known] = types
    return _KNOWN[known]


def _csv(source: Source) -> Types:
    guesses: dict[str, Guess] = {}
    rows, first = 0, ""
    for file in source.found.files:
        for texts in delimited.read(source.place, file.path, source.found.form, source.names):
            guesses = guesses or {name: Guess() for name in texts.names}
            first = first or file.path
            if set(texts.names) != guesses.keys():
                odd = sorted(set(texts.names) ^ guesses.keys())[0]
                what = f"{file.path}:1: '{first}' and this file are one table; only one has the column '{odd}'."
                raise DataError(what, "Give both the same columns, or put one elsewhere.")
            for name, column in zip(texts.names, texts.columns, strict=True):
                if source.type_of(name) is None:
                    guesses[name].add(column)
            rows += len(texts.columns[0])
    return {name: source.type_of(name) or guess.type for name, guess in guesses.items()}, rows


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
