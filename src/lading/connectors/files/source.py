"""The rows of a table's files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from lading.connectors.files import delimited, lines, parquet
from lading.connectors.files.layout import Found
from lading.connectors.files.place import Entry, Place
from lading.connectors.files.text import from_text, misfit
from lading.errors import DataError
from lading.schema import Column
from lading.types import Type, parse

Pages = tuple[int, int | None] | None


@dataclass
class Source:
    """A table's files and the types that the connection declares of its columns, named `column` or
    `table.column`."""

    place: Place
    found: Found
    declared: Mapping[str, str]
    batch_mb: int = 16
    exact: Mapping[str, Type] = field(default_factory=dict)
    """Types of columns of CSV that every text was seen to be of: so pyarrow's reader and `from_text` agree."""

    def type_of(self, name: str) -> Type | None:
        """The declared type of a column."""
        text = self.declared.get(f"{self.found.full_name}.{name}", self.declared.get(name))
        return None if text is None else parse(text)

    @property
    def names(self) -> list[str]:
        """The columns' names where no header says them."""
        if self.found.note:
            return [column.name for column in self.found.note.columns]
        start = f"{self.found.full_name}."
        own = [name.removeprefix(start) for name in self.declared if name.startswith(start)]
        return own or [name for name in self.declared if "." not in name]

    def read(self, file: Entry, columns: Iterable[Column], pages: Pages = None) -> Iterator[pa.RecordBatch]:
        """The rows of one file; `pages` are row groups of a Parquet file, from one to before another."""
        wanted = list(columns)
        if self.found.format == "parquet":
            yield from self._parquet(file, wanted, pages)
        elif self.found.format == "csv":
            exact = {c.name: c.type.arrow() for c in wanted if self.exact.get(c.name) == c.type and _readable(c.type)}
            for texts in delimited.read(self.place, file.path, self.found.form, self.names, exact):
                own = self._own(file, wanted, texts.names)
                yield self._batch(file, wanted, _typed(texts, own, file.path), len(texts.columns[0]))
        else:
            stated = self.found.path_values(file)
            own = [column for column in wanted if column.name not in stated]
            for block in lines.read_blocks(self.place, file.path, self.found.form.encoding):
                arrays, rows = lines.columns(block, file.path, own, self.found.note is not None)
                yield self._batch(file, wanted, dict(zip([c.name for c in own], arrays, strict=True)), rows)

    def _parquet(self, file: Entry, wanted: list[Column], pages: Pages) -> Iterator[pa.RecordBatch]:
        with parquet.opened(self.place, file.path) as opened:
            own = self._own(file, wanted, opened.schema_arrow.names)
            groups = range(opened.num_row_groups)[slice(*pages) if pages else slice(None)]
            parquet.refuse_wrapped(self.place, file.path, opened, [column.name for column in own], groups)
            for arrays, rows in parquet.read(opened, own, groups, self.batch_mb):
                yield self._batch(file, wanted, dict(zip([c.name for c in own], arrays, strict=True)), rows)

    def _own(self, file: Entry, wanted: list[Column], held: Iterable[str]) -> list[Column]:
        """The columns that the file itself holds."""
        names, stated = set(held), self.found.path_values(file)
        for column in wanted:
            if column.name not in names and column.name not in stated:
                what = f"{file.path}:1: the column '{column.name}' is not there."
                raise DataError(what, "Discover the table again.")
        return [column for column in wanted if column.name in names]

    def _batch(self, file: Entry, wanted: list[Column], held: dict[str, Any], rows: int) -> pa.RecordBatch:
        stated, arrays = self.found.path_values(file), []
        for column in wanted:
            if column.name in held:
                arrays.append(held[column.name])
            else:
                value = from_text(pa.array([stated[column.name]], pa.string()), column.type)
                arrays.append(value.take(pa.array([0] * rows, pa.int32())))
        if not wanted:
            return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([(c.name, c.type.arrow()) for c in wanted]))


def _readable(type_: Type) -> bool:
    """Whether pyarrow's reader of CSV knows the type."""
    return not pa.types.is_decimal256(type_.arrow())


def _typed(texts: delimited.Texts, columns: list[Column], path: str) -> dict[str, pa.Array]:
    arrays = {}
    for column in columns:
        array = texts.columns[texts.names.index(column.name)]
        if array.type == column.type.arrow() and not pa.types.is_string(array.type):
            arrays[column.name] = array
            continue
        try:
            arrays[column.name] = from_text(array, column.type)
        except DataError as error:
            row = misfit(array, column.type)
            value = str(array[row].as_py())[:60]
            raise DataError(
                f"{path}:{texts.line(row)}: column '{column.name}' holds '{value}', which is not {column.type}.",
                "Correct the value, or the column's type in 'columns'.",
            ) from error
    return arrays
