"""CSV and JSON lines: batches as bytes."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from lading.connectors.files.lines import once
from lading.connectors.files.note import Form
from lading.connectors.files.text import to_text
from lading.errors import DataError
from lading.schema import Column
from lading.types import Type

_BARE = ("bool", "int", "decimal", "float")
_CONTROLS = [(chr(n), json.dumps(chr(n))[1:-1]) for n in range(32)]


class Writer(Protocol):
    """Takes bytes."""

    def write(self, data: bytes, /) -> object: ...


class CsvPart:
    """Writes one CSV file: NULL as the text for NULL, everything that could be read otherwise in quotes."""

    def __init__(self, file: Writer, columns: Sequence[Column], form: Form) -> None:
        self.file, self.columns, self.form = file, columns, form
        marks = [*form.delimiter, *filter(None, [form.quote, form.escape]), "\r", "\n"]
        null = f"|^{re.escape(form.null)}$" if form.null else ""
        self._needs = "|".join(map(_literal, marks)) + rf"|^$|^[ \t]|[ \t]$|^\x{{FEFF}}{null}"
        self._encoder = codecs.getincrementalencoder(form.encoding or "utf-8")()
        if form.header is not False:
            self._put(self._joined([self._quoted(pa.array([column.name])) for column in columns]))

    def write(self, batch: pa.RecordBatch) -> None:
        fields = []
        for array, column in zip(batch.columns, self.columns, strict=True):
            texts = to_text(array, column.type)
            fields.append(pc.fill_null(self._quoted(texts), self.form.null))
        self._put(self._joined(fields))

    def close(self) -> None:
        """Everything is written already."""

    drop = close

    def _quoted(self, texts: pa.Array) -> pa.Array:
        needs = pc.match_substring_regex(texts, self._needs)
        if not pc.any(needs).as_py():
            return texts
        quote, escape = self.form.quote, self.form.escape
        if not quote:
            shown = texts.filter(needs)[0].as_py()[:60]
            raise DataError(f"{shown!r} cannot be written without quotes.", "Set 'quote', or write Parquet.")
        inner = pc.replace_substring(texts, escape, escape * 2) if escape else texts
        inner = pc.replace_substring(inner, quote, (escape or quote) + quote)
        return pc.if_else(needs, pc.binary_join_element_wise(quote, inner, quote, ""), texts)

    def _joined(self, fields: list[pa.Array]) -> pa.Array:
        ended = [*fields[:-1], pc.binary_join_element_wise(fields[-1], "\n", "")]
        return pc.binary_join_element_wise(*ended, self.form.delimiter)

    def _put(self, rows: pa.Array) -> None:
        if self.form.encoding in (None, "utf-8"):
            self.file.write(_bytes(rows))
            return
        try:
            self.file.write(self._encoder.encode(str(_bytes(rows), "utf-8")))
        except UnicodeEncodeError as error:
            what = f"{error.object[error.start]!r} has no place in {self.form.encoding}."
            raise DataError(what, "Write UTF-8, or leave the row out.") from error


class LinesPart:
    """Writes one file of JSON lines; a JSON column that is NULL is left out, because null is a value of JSON."""

    def __init__(self, file: Writer, columns: Sequence[Column]) -> None:
        self.file, self.columns = file, columns

    def write(self, batch: pa.RecordBatch) -> None:
        pieces = []
        for array, column in zip(batch.columns, self.columns, strict=True):
            name = f",{json.dumps(column.name, ensure_ascii=False)}:"
            pairs = pc.binary_join_element_wise(name, _json(array, column.type), "")
            pieces.append(pc.fill_null(pairs, "" if column.type.kind == "json" else f"{name}null"))
        rows = pc.binary_join_element_wise(*pieces, "") if len(pieces) > 1 else pieces[0]
        rows = pc.replace_substring_regex(rows, "^,", "")
        self.file.write(_bytes(pc.binary_join_element_wise("{", rows, "}\n", "")))

    def close(self) -> None:
        """Everything is written already."""

    drop = close


def _json(array: pa.Array, type_: Type) -> pa.Array:
    texts = to_text(array, type_)
    if type_.kind == "json":
        for text in texts.to_pylist():
            _valid(text)
        return pc.replace_substring_regex(texts, "[\r\n]", " ")
    if type_.kind in _BARE and (type_.kind != "float" and type_.arrow() != pa.string()):
        return texts
    for old, new in [("\\", "\\\\"), ('"', '\\"')]:
        texts = pc.replace_substring(texts, old, new)
    if pc.any(pc.match_substring_regex(texts, r"[\x00-\x1f]")).as_py():
        for old, new in _CONTROLS:
            texts = pc.replace_substring(texts, old, new)
    strings = pc.binary_join_element_wise('"', texts, '"', "")
    if type_.kind == "float":
        return pc.if_else(pc.is_finite(array), texts, strings)
    return strings


def _valid(text: str | None) -> None:
    """Raises DataError for what could not be read back."""
    try:
        json.loads(text or "0", object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        what = f"JSON lines cannot hold '{(text or '')[:60]}': {error}."
        raise DataError(what, "Correct it, or write Parquet.") from error


def _literal(mark: str) -> str:
    return "".join(f"\\x{{{ord(character):X}}}" for character in mark)


def _bytes(rows: pa.Array) -> pa.Buffer | bytes:
    """The rows' bytes, one after another."""
    if not len(rows):
        return b""
    _, offsets, data = rows.buffers()
    first, last = (memoryview(offsets).cast("i")[at] for at in (rows.offset, rows.offset + len(rows)))
    return data.slice(first, last - first)
