"""A session over files: the seam, without SQL."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from lading.connector import WHOLE, Load, Slice, Standing
from lading.connectors.files.catalog import facts, fitted, table_of, tables_of
from lading.connectors.files.cuts import cuts, holds, state
from lading.connectors.files.faults import changed
from lading.connectors.files.inferred import seen
from lading.connectors.files.layout import Found, folder, tables
from lading.connectors.files.naming import folder_name, shadow
from lading.connectors.files.narrow import Narrowing
from lading.connectors.files.note import Note
from lading.connectors.files.place import Place
from lading.connectors.files.publish import discard, publish
from lading.connectors.files.room import refuse, refuse_place
from lading.connectors.files.source import Source
from lading.connectors.files.staging import Staging
from lading.connectors.files.standing import standing
from lading.digest import Reading
from lading.errors import AccessDenied, SpecError, Unreachable
from lading.route import Fact
from lading.schema import Table

if TYPE_CHECKING:
    from lading.connectors.files import Files


class FilesSession:
    """See `connector.Session`."""

    def __init__(self, settings: Files) -> None:
        self.settings = settings
        self.place = Place(settings.path, settings.options)
        self.staging = Staging(self.place, settings)
        self._pinned: list[Found] | None = None
        self._marks: dict[str, str] = {}

    def check(self) -> None:
        tables(self.place, self.settings)
        if self.place.local and not os.access(self.place.root, os.R_OK):
            raise AccessDenied(f"'{self.place.root}' may not be read by this account.", "Give it the right to.")

    def tables(self) -> Iterator[Table]:
        return tables_of([self._source(found) for found in self._tables()])

    def describe(self, name: str) -> Table | None:
        found = self._named(name)
        return table_of(self._source(found)) if found else None

    def _source(self, found: Found) -> Source:
        return Source(self.place, found, self.settings.columns, self.settings.batch_mb)

    def _tables(self, wanted: str = "") -> list[Found]:
        return tables(self.place, self.settings, wanted) if self._pinned is None else self._pinned

    def _named(self, name: str) -> Found | None:
        if self._pinned is None or shadow(name):
            schema, _, last = name.rpartition(".")
            for pair in ((None, name), (schema, last)):
                path = f"{self.place.root}/{folder_name(*pair)}"
                if pair[1] and self.place.kind(path) == "folder":
                    found = folder(self.place, path, self.settings)
                    return found if found.there else None
            if self.place.kind(self.place.root) == "" and not self.place.is_pattern:
                return None
        return next((found for found in self._tables(name) if found.full_name == name), None)

    def fit(self, table: Table) -> Table:
        self._room(table)
        return fitted(table)

    def fields(self, table: Table) -> dict[str, Fact]:
        found = self._named(table.full_name)
        return facts(self._source(found) if found else None, table, self.staging.format)

    def _room(self, table: Table) -> Found | None:
        """The table's old files. Raises when its folder cannot be made."""
        refuse_place(self.place, self.settings)
        refuse(self.place, table, old := self._named(table.full_name))
        return old

    # Reading

    def pin(self, snapshot: str | None = None) -> str:
        self._pinned = tables(self.place, self.settings)
        name, self._marks = state(self.place, self._pinned)
        if snapshot is not None and snapshot != name:
            raise Unreachable(f"Files of '{self.place.root}' changed since the copy began.", "Run again.")
        return name

    def slices(self, table: Table, rows: int, since: Slice = WHOLE) -> list[Slice]:
        return cuts(self.place, self._there(table), rows, since)

    def _there(self, table: Table) -> Found:
        found = self._named(table.full_name)
        if found is None:
            raise SpecError(f"There is no table '{table.full_name}' in '{self.place.root}'.", "Discover them again.")
        if found.problems:
            raise SpecError(f"'{table.full_name}' cannot be read: {'; '.join(found.problems)}.", "Correct the folder.")
        return found

    def read(self, table: Table, slice: Slice) -> Iterator[pa.RecordBatch]:
        found, narrow = self._there(table), Narrowing(table, slice)
        source = seen(self._source(found), self._marks)
        if slice.within is not None:
            other = table.model_copy(update={"name": slice.within, "columns": table.keyed})
            narrow.only(self.read(other, WHOLE))
        for file in found.files:
            name = self.place.short(file.path)
            if not holds(slice, name):
                continue
            before = self.place.mark(file.path)
            if self._marks.get(file.path, before) != before:
                raise changed(file.path)
            yield from map(narrow.kept, source.read(file, table.columns, slice.pages if name == slice.file else None))
            if self.place.mark(file.path) != before:
                raise changed(file.path)

    def digest(self, table: Table, slice: Slice) -> Reading | None:
        return None

    # Writing

    def prepare(self, load: Load) -> None:
        form = self.settings.form.model_copy(update={"header": self.settings.header is not False})
        note = Note(format=self.staging.format, columns=load.table.columns, key=load.key or load.table.key, form=form)
        self.staging.prepare(load, self._room(load.table), note)

    def stage(self, load: Load, batches: Iterable[pa.RecordBatch], number: int) -> int:
        return self.staging.write(load, batches, number)

    def publish(self, loads: Sequence[Load]) -> None:
        for load in loads:
            publish(self.staging, load, self._room(load.table))

    def standing(self, load: Load) -> Standing:
        return standing(self.staging, load)

    def discard(self, load: Load) -> None:
        discard(self.staging, load)

    def close(self) -> None:
        self.place.close()
