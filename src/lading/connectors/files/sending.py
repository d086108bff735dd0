"""A file that goes to a server whole."""

from __future__ import annotations

import errno
import ftplib
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from lading.connectors.files.answers import sized


class Upload:
    """A file on this machine that is sent when it is closed, unless writing it went wrong."""

    def __init__(self, at: Callable[[str], AbstractContextManager[ftplib.FTP]], path: str) -> None:
        self._at, self._path, self._file = at, path, tempfile.TemporaryFile()  # noqa: SIM115

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def close(self) -> None:
        if self._file.closed:
            return
        with self._file as file, self._at(self._path) as ftp:
            size = file.tell()
            file.seek(0)
            ftp.storbinary(f"STOR {self._path}", file)
            there = sized(ftp, self._path)
        if there not in (None, size):
            raise OSError(errno.EIO, f"{there:,} of {size:,} bytes were written")

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_words: object) -> None:
        if kind is None:
            self.close()
        self._file.close()
