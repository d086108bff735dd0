"""Bytes of a file as UTF-8 text, in blocks of whole records."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, NamedTuple, Protocol

import pyarrow as pa

from lading.connectors.files.naming import compression
from lading.connectors.files.place import Place
from lading.errors import DataError, LadingError

BLOCK = 4 << 20
LONGEST = 1 << 28
"""The longest record, in bytes: an unclosed quote must not fill the memory."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_BARE = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"} if sys.byteorder == "little" else {}


class Block(NamedTuple):
    """Whole records; `line` is where the first begins."""

    data: bytes
    line: int


class Cutter(Protocol):
    """Knows where records end."""

    def cut(self, data: bytes, line: int, last: bool) -> int:
        """The bytes of `data` that are whole records; the rest is offered again with what follows it."""


@contextmanager
def opened(place: Place, path: str) -> Iterator[Any]:
    """The file's bytes, decompressed."""
    with ExitStack() as stack:
        file = stack.enter_context(place.open(path))
        packed = compression(path)
        try:
            with place.errors(path):
                yield pa.CompressedInputStream(pa.PythonFile(file, mode="r"), packed) if packed else file
        except LadingError as error:
            cause = error.__cause__
            if packed and isinstance(cause, OSError) and cause.errno is None:
                text = str(cause).split("\n")[0]
                raise DataError(f"{path}:1: the compressed file is damaged: {text}.", "Get the file again.") from cause
            raise


def blocks(file: IO[bytes], path: str, encoding: str | None, cutter: Cutter) -> Iterator[Block]:
    """The file's records, some megabytes at a time; a longer record makes its block grow."""
    text = _Text(file, path, encoding)
    rest, line, size = b"", 1, BLOCK
    while True:
        new = text.read(size)
        data = rest + new if rest else new
        if not data:
            return
        end = cutter.cut(data, line, not new)
        if not end and len(data) > LONGEST:
            raise DataError(
                f"{path}:{line}: a record is longer than {LONGEST:,} bytes.",
                "Close the quote that is open, or set 'quote' to what the file uses.",
            )
        if not end:
            rest, size = data, size * 2
            continue
        block = data[:end]
        _check(block, line, path)
        yield Block(block, line)
        line += lines(block)
        rest, size = data[end:], BLOCK
        if not new:
            return


def lines(data: bytes) -> int:
    """How many ends of line there are."""
    return data.count(b"\n") or data.count(b"\r")


def _check(data: bytes, line: int, path: str) -> None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        at = line + lines(data[: error.start])
        raise DataError(
            f"{path}:{at}: the byte 0x{data[error.start]:02x} is not UTF-8.",
            "Set 'encoding' to the file's own, as in 'csv:///FILE?encoding=latin-1'; also cp1252 or utf-16.",
        ) from error


class _Text:
    """Bytes of any encoding, read as UTF-8 without the mark at the beginning."""

    def __init__(self, file: IO[bytes], path: str, encoding: str | None) -> None:
        self._file, self._path, self._encoding = file, path, encoding
        self._decoder: codecs.IncrementalDecoder | None = None
        self._begun, self._line = False, 1

    def read(self, size: int) -> bytes:
        """At least a byte; none at the end of the file."""
        while True:
            data = self._file.read(size)
            last = not data
            if not self._begun:
                data = self._begin(data)
            if self._decoder is None:
                if data or last:
                    return data
                continue
            new = self._decode(data, last)
            if new or last:
                return new

    def _begin(self, data: bytes) -> bytes:
        while len(data) < 4 and (more := self._file.read(4)):
            data += more
        self._begun = True
        mark, found = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", ""))
        name = codecs.lookup(self._encoding or found or "utf-8").name.replace("utf-8-sig", "utf-8")
        if found and name != found and name != found[:6]:
            what = f"{self._path}:1: the file's mark says {found[:6]}, and 'encoding' {name}."
            raise DataError(what, "Leave 'encoding' out.")
        name = found if found and name in ("utf-16", "utf-32") else _BARE.get(name, name)
        if name != "utf-8":
            self._decoder, self._encoding = codecs.getincrementaldecoder(name)("strict"), name
        return data[len(mark) :]

    def _decode(self, data: bytes, last: bool) -> bytes:
        assert self._decoder is not None  # noqa: S101
        try:
            text = self._decoder.decode(data, last)
            self._line += text.count("\n")
            return text.encode("utf-8")
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(self._encoding or "", "replace").count("\n")
            what = f"{self._path}:{self._line + before}: the bytes at the place {error.start} are not {self._encoding}"
            raise DataError(f"{what}: {error.reason}.", "Set 'encoding' to the file's own.") from error
        except UnicodeEncodeError as error:
            what = f"{self._path}:{self._line}: half a character stands alone: {error.reason}."
            raise DataError(what, "Correct the file.") from error
