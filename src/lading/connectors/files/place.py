"""Files in a file system, local or remote; every failure is one of the seven errors."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

from lading.connectors.files.faults import changed, faults_of, translated
from lading.connectors.files.reach import RENAMING, reached
from lading.errors import LadingError, SpecError

_MARKS = ("size", "mtime", "LastModified", "last_modified", "updated", "ETag", "etag", "md5", "generation", "created")


class Entry(NamedTuple):
    """A file or folder."""

    path: str
    name: str
    folder: bool
    size: int


class Place:
    """A file system and the path in it that a connection names."""

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        from fsspec.implementations.local import LocalFileSystem

        self.fs, self.root = reached(path, options)
        self.local = isinstance(self.fs, LocalFileSystem)
        self.renames = self.local or self.fs.protocol in RENAMING
        self.root = self.root.rstrip("/") or "/"
        self._faults: tuple[type[Exception], ...] = (OSError, *faults_of(self.fs.protocol))

    def close(self) -> None:
        """Ends the connection, where there is one of the place's own."""
        if hasattr(self.fs, "close"):
            self.fs.close()

    @property
    def is_pattern(self) -> bool:
        """Whether the path stands for several files."""
        return any(character in self.root for character in "*?[")

    def short(self, path: str) -> str:
        """The path as it goes on from the place's."""
        return path.removeprefix(f"{self.root}/")

    @contextmanager
    def errors(self, path: str) -> Iterator[None]:
        """Translates what the file system raises."""
        try:
            yield
        except LadingError:
            raise
        except UnicodeDecodeError as error:
            what = f"A name in '{path}' is not {error.encoding}: {error.object!r}."
            raise SpecError(what[:300], "Rename that file there.") from error
        except self._faults as error:
            raise translated(error, path) from error

    def kind(self, path: str) -> str:
        """file, folder, or nothing: an empty text."""
        with self.errors(path):
            self.fs.invalidate_cache()
            try:
                return "folder" if self.fs.info(path)["type"] == "directory" else "file"
            except (FileNotFoundError, NotADirectoryError):
                return ""
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
                return ""

    def size(self, path: str) -> int:
        with self.errors(path):
            return int(self.fs.info(path).get("size") or 0)

    def entries(self, folder: str) -> list[Entry]:
        """What stands in a folder, by name."""
        return self._entries(self.listed(folder), folder)

    def listed(self, folder: str) -> list[dict[str, Any]]:
        """What stands in a folder, as the file system says it. S3 has none that is empty: it is not there then."""
        with self.errors(folder):
            self.fs.invalidate_cache()
            try:
                found: list[dict[str, Any]] = self.fs.ls(folder, detail=True)
            except FileNotFoundError as error:
                if "s3" in self.fs.protocol and error.__cause__ is None:  # the store itself answered: nothing
                    return []
                raise
            return found

    def glob(self, pattern: str) -> list[Entry]:
        with self.errors(pattern):
            self.fs.invalidate_cache()
            return self._entries(self.fs.glob(pattern, detail=True).values(), "")

    def _entries(self, found: Any, folder: str) -> list[Entry]:
        entries = []
        for one in found:
            path = one["name"].rstrip("/")
            if path != folder.rstrip("/"):
                is_folder = one["type"] == "directory" or (one["type"] == "link" and self.fs.isdir(path))
                entries.append(Entry(path, path.rpartition("/")[2], is_folder, one.get("size") or 0))
        return sorted(entries)

    def mark(self, path: str) -> str:
        """What changes when the file does: size, time, and the file's own identity."""
        try:
            with self.errors(path):
                if self.local:
                    stat = os.stat(path)
                    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"
                self.fs.invalidate_cache()
                found = self.fs.info(path)
                return " ".join(f"{name}={found[name]}" for name in _MARKS if found.get(name) is not None)
        except SpecError as error:
            raise changed(path) from error

    def open(self, path: str) -> IO[bytes]:
        with self.errors(path):
            if self.local:
                return open(path, "rb", buffering=0)
            file: IO[bytes] = self.fs.open(path, "rb")
            return file

    def text(self, path: str) -> str | None:
        """The text of a small file, None when it is absent."""
        with self.errors(path):
            try:
                with self.fs.open(path, "rb") as file:
                    return str(file.read(), "utf-8", "replace")
            except FileNotFoundError:
                return None

    def remove(self, path: str) -> None:
        """Removes a file or folder with all that is in it, if it is there."""
        with self.errors(path):
            self.fs.invalidate_cache()
            try:
                self.fs.rm(path, recursive=True)
            except FileNotFoundError:
                return
