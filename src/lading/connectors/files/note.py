"""How text files are written, and the note beside a table's files that says it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from lading.errors import DataError
from lading.schema import Column

NOTE = "_lading.json"
LOADS = 100
"""How many published loads a note remembers."""

Format = Literal["parquet", "csv", "jsonl"]
Compression = Literal["gzip", "zstd"]


class Form(BaseModel, frozen=True, extra="forbid"):
    """How the text of CSV files is written."""

    delimiter: str = Field(",", description="What stands between values: one character or more.", min_length=1)
    quote: str = Field('"', description="What encloses values; empty when values are never quoted.", max_length=1)
    escape: str = Field("", description="What stands before a character that is meant as it is.", max_length=1)
    header: bool | None = Field(None, description="Whether names stand in the first line; expected if left out.")
    null: str = Field("", description="The unquoted text that means NULL.")
    encoding: str | None = Field(None, description="The encoding; by the file's mark, else UTF-8, if left out.")

    @field_validator("delimiter")
    @classmethod
    def _tab(cls, text: str) -> str:
        return "\t" if text == "\\t" else text

    @field_validator("encoding")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        try:
            "".encode(name or "utf-8")
        except LookupError:
            raise ValueError(f"Python knows no text encoding '{name}'") from None
        return None if name is None else codecs.lookup(name).name

    def other(self, names: Sequence[str]) -> str:
        """What to do about a header that holds one name, with what other files have between values in it."""
        one = len(names) == 1 and self.header is None and self.delimiter == ","
        found = re.search(r"[;\t|]", names[0]) if one else None
        sign = repr(found[0])[1:-1] if found else ""
        said = f"Set 'delimiter' to it, as in 'csv:///FILE?delimiter={sign}', or 'header' to true if that is its name."
        return said if found else ""

    @model_validator(mode="after")
    def _distinct(self) -> Form:
        marks = [mark for mark in (self.quote, self.escape) if mark]
        if any(not mark.isascii() or mark in "\r\n\0" for mark in marks):
            raise ValueError("quote and escape must be ASCII characters and no ends of line")
        if any(mark in self.delimiter for mark in ("\r", "\n", *marks)):
            raise ValueError("the delimiter must hold no end of line, quote or escape")
        if self.escape and self.escape == self.quote:
            raise ValueError("a quote inside a quoted value is doubled by itself; leave 'escape' out")
        if any(mark in self.null for mark in ("\r", "\n", *self.delimiter, *filter(None, [self.quote]))):
            raise ValueError("the text for NULL must hold no end of line, quote or delimiter")
        return self


class Note(BaseModel, frozen=True):
    """What Lading knows of a table that it wrote. `files` are the only ones that count; None means all that are
    there. `loads` are the ids of the loads that made it, the last one last."""

    version: int = 1
    format: Format
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    form: Form = Form()
    loads: tuple[str, ...] = ()
    files: tuple[str, ...] | None = None

    def text(self) -> str:
        return self.model_dump_json(indent=1) + "\n"

    def after(self, old: Note | None, load: str) -> Note:
        """The note once a load is published over what was there."""
        return self.model_copy(update={"loads": ((*(old.loads if old else ()), load))[-LOADS:]})


def read_note(text: str, path: str) -> Note:
    """The note of a text. Raises DataError for one that Lading did not write."""
    try:
        note = Note.model_validate_json(text)
    except ValidationError as error:
        what = error.errors(include_url=False)[0]["msg"]
        raise DataError(f"{path}:1: this is no note of Lading's: {what}.", "Restore the file, or remove it.") from error
    if note.version != 1:
        raise DataError(f"{path}:1: the note has version {note.version}; 1 is known.", "Use a newer Lading.")
    return note
