"""What table its files make: columns, types, key; and which files a table makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from lading.connectors.files import parquet
from lading.connectors.files.infer import Guess
from lading.connectors.files.inferred import inferred
from lading.connectors.files.note import Format
from lading.connectors.files.source import Source
from lading.errors import DataError, Unsupported
from lading.route import Fact
from lading.schema import Column, Table


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
        types, rows = inferred(source)
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


def fitted(table: Table) -> Table:
    """The table as files hold it."""
    if any(not column.name for column in table.columns):
        raise Unsupported(f"A column of '{table.full_name}' has no name.", "Name it in the source.")
    columns = [Column(name=c.name, type=c.type, null=c.null, native=f"files:{c.type}") for c in table.columns]
    return table.model_copy(update={"columns": tuple(columns)})


def facts(source: Source | None, table: Table, form: Format) -> dict[str, Fact]:
    """By column where its type comes from; of files that are not there, as `form` is written with a note."""
    if source is None:
        return dict.fromkeys((c.name for c in table.columns), "catalogue" if form == "parquet" else "declared")
    found = source.found
    stated = {name for file in found.files for name in found.path_values(file)}
    noted = {column.name for column in found.note.columns} if found.note else set()

    def fact(name: str) -> Fact:
        if found.format == "parquet" and found.files and name not in stated:
            return "catalogue"
        return "declared" if name in noted or source.type_of(name) is not None else "measured"

    return {column.name: fact(column.name) for column in table.columns}
