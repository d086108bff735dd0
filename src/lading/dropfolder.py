"""The folder that files arrive in: what is there, a copy of it, and where it is put afterwards."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from lading.arrivals import Arrival
from lading.connector import Connection
from lading.connectors.files import Files
from lading.connectors.files.naming import hidden
from lading.connectors.files.place import Place
from lading.errors import DataError, SpecError, Unreachable, Unsupported

UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".swp", "~")
"""Endings of names under which programs write what is not whole yet."""
BLOCK = 1 << 20
REASON = ".reason.txt"
_LONGEST = 255
"""Bytes that a name has at most."""
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modify")
_MARKS = ("size", *_TIMES, "ino", "ETag", "etag", "md5", "generation")
_KEPT = ("size", "mtime", "ino")
"""What of a file's marks is the same after it was renamed."""


class Seen(NamedTuple):
    """A file in a folder: its size, when it was changed, what changes when the file does, and all that is known."""

    name: str
    size: int
    modified: str
    mark: str
    found: Mapping[str, Any]


class DropFolder:
    """The folder of a connection that files arrive in."""

    def __init__(self, name: str, connection: Connection) -> None:
        if not isinstance(connection, Files):
            raise Unsupported(f"{name} is no folder of files.", "Name a connection of the kind files.")
        self.settings = connection
        self.place = Place(connection.path, connection.options)
        self._made: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_words: object) -> None:
        self.place.close()

    def path(self, name: str) -> str:
        return f"{self.place.root.rstrip('/')}/{name}".rstrip("/") or "/"

    def files(self, folder: str) -> dict[str, Seen]:
        """The files in a folder below, by their names, without those that are hidden or not whole by their names."""
        where = self.path(folder)
        seen: dict[str, Seen] = {}
        for each in self.place.listed(where):
            name = each["name"].rstrip("/").rpartition("/")[2]
            if self._plain(each) and not hidden(name) and not name.lower().endswith(UNFINISHED):
                seen[name] = _seen(f"{folder}/{name}".lstrip("/"), each)
        return seen

    def _plain(self, found: Mapping[str, Any]) -> bool:
        """Whether it is a file: a pipe would be waited for, and a link may lead to anything."""
        if not self.place.local:
            return found["type"] == "file" and not found["name"].endswith("/")  # what stands for a folder on S3
        try:
            return stat.S_ISREG(os.lstat(found["name"]).st_mode)
        except FileNotFoundError:
            return False

    def look(self, name: str) -> Seen | None:
        """One file as it is now; None when it is not there."""
        with self.place.errors(name):
            self.place.fs.invalidate_cache()
            try:
                return _seen(name, self.place.fs.info(self.path(name)))
            except FileNotFoundError:
                return None

    def fetch(self, found: Arrival, path: Path) -> str | None:
        """Copies a file to this machine and returns the hash of its bytes; None when it is not what was seen."""
        digest, size = hashlib.sha256(), 0
        before = self.look(found.name)
        if before is None or before.mark != found.mark:
            return None
        with path.open("wb") as copy, self.place.errors(found.name):
            try:
                file = self.place.open(self.path(found.name))
            except SpecError:  # it was there a moment ago
                return None
            with file:
                for block in _blocks(file):
                    digest.update(block)
                    copy.write(block)
                    size += len(block)
                    if size > found.size:
                        return None
        after = self.look(found.name)
        same = after is not None and after.mark == found.mark and size == found.size
        return digest.hexdigest() if same else None

    def text(self, name: str) -> str:
        """The beginning of a small file, such as a marker; empty when it is not there."""
        with self.place.errors(name):
            try:
                with self.place.fs.open(self.path(name), "rb") as file:
                    return str(file.read(1000), "utf-8", "replace")
            except FileNotFoundError:
                return ""

    def put_away(self, found: Arrival, folder: str, reason: str = "") -> None:
        """Moves a file into a folder below, as long as it is the one that was seen. A reason is written beside it,
        first."""
        now = self.look(found.name)
        if now is None or now.mark != found.mark:
            return
        target = self.path(f"{folder}/{_fitting(f'{found.id}-{found.file}')}")
        with self.place.errors(target):
            if folder not in self._made:
                self.place.fs.makedirs(self.path(folder), exist_ok=True)
                self._made.add(folder)
            if reason:
                self.place.fs.pipe_file(f"{target}{REASON}", f"{reason}\n".encode())
            try:
                (self._rename if self.place.renames else self._copy)(now, target, found.hash)
            except OSError:
                if self.look(found.name) is not None or not self.place.fs.exists(target):
                    raise  # else another process has put it away

    def _rename(self, now: Seen, target: str, digest: str) -> None:
        move = os.rename if self.place.local else self.place.fs.mv
        move(self.path(now.name), target)
        moved = self.place.fs.info(target)
        if _kept(now.found) == _kept(moved) or (moved.get("size") == now.size and self._is(target, digest)):
            return
        if self.look(now.name) is None:
            move(target, self.path(now.name))
            raise DataError(f"'{now.name}' became another file while it was put away.", "It is looked at again.")
        what = f"'{now.name}' became another file twice while it was put away; the first of them is '{target}' now."
        raise DataError(what, "Give that one to the folder again, under another name.")

    def _copy(self, now: Seen, target: str, digest: str) -> None:
        """The file goes only when its copy is whole, and the file still the one that was copied."""
        try:  # 'mv' and 'copy' take a name with '[' for a pattern
            self.place.fs.cp_file(self.path(now.name), target)
        except NotImplementedError:
            self.place.fs.mv(self.path(now.name), target)
            return
        self.place.fs.invalidate_cache()
        whole, after = self._whole(now, target, digest), self.look(now.name)
        if after is None:
            return  # somebody else has put it away: what is there now may be all that is left of it
        if whole and after.mark == now.mark:
            self.place.fs.rm_file(self.path(now.name))
        elif not (whole and digest):
            self.place.fs.rm_file(target)
        if not whole and after.mark == now.mark:
            raise Unreachable(f"The copy '{target}' is not what '{now.name}' is.", "Check the store, then run again.")

    def _whole(self, now: Seen, target: str, digest: str) -> bool:
        """Whether a copy is what was copied: by the store's own hash, or read again where that says nothing."""
        copy = self.place.fs.info(target)
        if int(copy.get("size") or 0) != now.size:
            return False
        own = now.found.get("ETag")
        return bool(own and own == copy.get("ETag")) or self._is(target, digest)

    def _is(self, path: str, digest: str) -> bool:
        """Whether a file has the content of a hash; one that was never read has any."""
        if not digest:
            return True
        again = hashlib.sha256()
        with self.place.open(path) as file:
            for block in _blocks(file):
                again.update(block)
        return again.hexdigest() == digest

    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""
        path = self.path(name)
        with self.place.errors(path), suppress(FileNotFoundError):
            self.place.fs.invalidate_cache()
            self.place.fs.rm_file(path)


def _seen(name: str, found: Mapping[str, Any]) -> Seen:
    moment = next((found[each] for each in _TIMES if found.get(each) is not None), "")
    mark = " ".join(f"{each}={_whole_seconds(found[each])}" for each in _MARKS if found.get(each) is not None)
    return Seen(name, int(found.get("size") or 0), _moment(_whole_seconds(moment)), mark, found)


def _whole_seconds(value: Any) -> Any:
    """A moment as all of a store's answers give it: some say more in a listing than of a single file."""
    return value.replace(microsecond=0) if isinstance(value, datetime) else value


def _moment(value: Any) -> str:
    """A moment as text that sorts."""
    if isinstance(value, int | float):
        value = datetime.fromtimestamp(value, UTC)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    return str(value)


def _fitting(name: str) -> str:
    """The name, cut before its ending where a reason's name beside it would be too long."""
    room = _LONGEST - len(REASON)
    if len(os.fsencode(name)) <= room:
        return name
    stem, ending = os.path.splitext(name)
    if len(ending) > 20:
        stem, ending = name, ""
    return os.fsencode(stem)[: room - len(os.fsencode(ending))].decode("utf-8", "ignore") + ending


def _kept(found: Mapping[str, Any]) -> list[Any]:
    """What a renamed file keeps."""
    return [found.get(each) for each in _KEPT]


def _blocks(file: Any) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block
