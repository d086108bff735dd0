"""Rows on their way: one file per slice in a hidden folder beside the table's."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from typing import Any, Protocol

import pyarrow as pa

from lading.connector import Load
from lading.connectors.files.groups import ParquetPart
from lading.connectors.files.layout import Found, Settings
from lading.connectors.files.naming import folder_name
from lading.connectors.files.note import NOTE, Compression, Note, read_note
from lading.connectors.files.place import Place
from lading.connectors.files.written import CsvPart, LinesPart
from lading.errors import DataError, SpecError
from lading.schema import Mode, Table

_PACKED = {None: "", "gzip": ".gz", "zstd": ".zst"}


class Written(Settings, Protocol):
    """What writing needs to know of a connection besides."""

    @property
    def compression(self) -> Compression | None: ...

    @property
    def batch_mb(self) -> int: ...


class Staging:
    """The stages of a place's loads."""

    def __init__(self, place: Place, settings: Written) -> None:
        self.place, self.packed, self.batch_mb = place, settings.compression, settings.batch_mb
        self.said, self.format = settings.format, settings.format or "parquet"
        self.deep = settings.partitioned is not False  # whether folders named key=value are parts of tables

    def folder(self, table: Table) -> str:
        return f"{self.place.root}/{folder_name(table.schema_name, table.name)}"

    def note(self, folder: str) -> Note | None:
        path = f"{folder}/{NOTE}"
        text = self.place.text(path)
        return None if text is None else read_note(text, path)

    def save(self, folder: str, note: Note) -> None:
        """Writes the note at once."""
        path, data = f"{folder}/{NOTE}", note.text().encode()
        with self.place.errors(path):
            scratch = f"{folder}/.{uuid.uuid4().hex}"
            if not self.place.local:
                self.place.fs.pipe_file(scratch if self.place.renames else path, data)
                if self.place.renames:
                    self.place.fs.mv(scratch, path)
                return
            with open(scratch, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(scratch, path)
            synced(folder)

    def prepare(self, load: Load, old: Found | None, note: Note) -> None:
        """Makes the stage. Appended files are written as the table's others are."""
        if old and load.mode is Mode.APPEND:
            note = note.model_copy(update={"format": old.format or note.format, "form": old.form})
        folder = self.folder(load.stage)
        if self.note(folder) is None:
            with self.place.errors(folder):
                self.place.fs.makedirs(folder, exist_ok=True)
            self.save(folder, note)

    def write(self, load: Load, batches: Iterable[pa.RecordBatch], number: int) -> int:
        """Writes a slice's file in place of an earlier one and returns its rows."""
        folder = self.folder(load.stage)
        note = self.note(folder)
        if note is None:
            raise SpecError(f"The stage '{folder}' is gone.", "Run the copy again.")
        ending = note.format + ("" if note.format == "parquet" else _PACKED[self.packed])
        mark = f"{load.id}-" if load.mode is Mode.APPEND else ""
        path = f"{folder}/part-{mark}{number:05d}.{ending}"
        scratch = f"{folder}/.{uuid.uuid4().hex}"
        try:
            with self.place.errors(path):
                rows = self._write(scratch, note, load.table, batches)
                if self.place.local:
                    synced(scratch)
                    os.replace(scratch, path)
                    synced(folder)
                else:
                    self.place.fs.mv(scratch, path)
        except BaseException:
            self.place.remove(scratch)
            raise
        return rows

    def _write(self, path: str, note: Note, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        rows = 0
        with open(path, "wb") if self.place.local else self.place.fs.open(path, "wb") as file:
            packed = note.format != "parquet" and self.packed
            sink = pa.CompressedOutputStream(pa.PythonFile(file, mode="w"), self.packed) if packed else file
            part = _part(sink, note, table, self.batch_mb)
            try:
                for batch in batches:
                    part.write(_fitted(batch, table))
                    rows += batch.num_rows
                part.close()
            except BaseException:
                part.drop()
                raise
            if packed:
                sink.close()
        return rows


def _part(sink: Any, note: Note, table: Table, batch_mb: int) -> Any:
    if note.format == "parquet":
        return ParquetPart(sink, table.columns, note.key, batch_mb)
    return CsvPart(sink, table.columns, note.form) if note.format == "csv" else LinesPart(sink, table.columns)


def _fitted(batch: pa.RecordBatch, table: Table) -> pa.RecordBatch:
    arrays = []
    for array, column in zip(batch.columns, table.columns, strict=True):
        if not column.null and array.null_count:
            what = f"Column '{column.name}' of '{table.full_name}' holds NULL and is declared NOT NULL."
            raise DataError(what, "Allow NULL in the target, or correct the row.")
        to = column.type.arrow()
        arrays.append(array if array.type.equals(to) else array.cast(to))
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in table.columns])


def synced(path: str) -> None:
    """Waits until a file or folder is on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
