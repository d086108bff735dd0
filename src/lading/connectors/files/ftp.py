"""FTP and FTPS, by the standard library: files go over whole, and what a server does not say is no answer."""

from __future__ import annotations

import errno
import ftplib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

from fsspec.spec import AbstractFileSystem

from lading.connectors.files.answers import asked, entry, listed, named, said, sized, stated
from lading.connectors.files.dial import dialled
from lading.connectors.files.sending import Upload
from lading.connectors.files.walking import absent, exists, plain

_IDLE_SECONDS = 20  # after which a server may have ended the connection


class Ftp(AbstractFileSystem):  # type: ignore[misc]
    """A file system over one connection of its own, which `close` ends."""

    protocol = ("ftp", "ftps")
    cachable = False
    root_marker = "/"
    _strip_protocol, exists = staticmethod(plain), exists

    def __init__(
        self, host: str, port: int = 21, username: str = "anonymous", password: str = "", **options: Any
    ) -> None:
        super().__init__()
        self.host, self.port, self._login = host, port, (username, password)
        self._tls, self._how = options.pop("tls", False), {"timeout": 30, "encoding": "utf-8", **options}
        self._connect()

    def _connect(self) -> None:
        self._ftp, can = dialled(self.host, self.port, self._login, self._tls, self._how)
        self._facts, self._used = "MLST" in can, time.monotonic()

    @contextmanager
    def _at(self, path: str) -> Iterator[ftplib.FTP]:
        """The connection, a new one where it has ended. After a cut its answers may be those to earlier questions."""
        if not self._alive():
            self.close()
            self._connect()
        with said(path):
            try:
                yield self._ftp
            except (OSError, EOFError):
                self.close()
                raise
        self._used = time.monotonic()

    def _alive(self) -> bool:
        if self._ftp.sock is None or time.monotonic() - self._used < _IDLE_SECONDS:
            return self._ftp.sock is not None
        try:
            return bool(self._ftp.voidcmd("NOOP"))
        except (ftplib.Error, OSError, EOFError):
            return False

    def close(self) -> None:
        self._ftp.close()

    def ls(self, path: str, detail: bool = True, **_options: Any) -> Any:
        with self._at(path) as ftp:
            if self._facts:
                facts = [(name, each) for name, each in ftp.mlsd(path) if each.get("type") not in ("cdir", "pdir")]
                found = [entry(f"{path.rstrip('/')}/{name}", each) for name, each in facts]
            else:
                found = listed(ftp, path) if detail else [{"name": each} for each in named(ftp, path)]
        return found if detail else sorted(each["name"] for each in found)

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        if path == "/":
            return {"name": "/", "size": 0, "type": "directory"}
        try:
            with self._at(path) as ftp:
                found = stated(ftp, path) if self._facts else asked(ftp, path)
                if found["type"] != "other":
                    return found
        except FileNotFoundError:
            pass
        if path in self.ls(self._parent(path), detail=False):  # the same code stands for whatever goes wrong
            raise OSError(errno.EIO, "it is there, and the server does not say what it is")
        raise FileNotFoundError(errno.ENOENT, "it is not there", path)

    def walk(self, path: str, *words: Any, on_error: str | Callable[[Exception], None] = absent, **options: Any) -> Any:
        return super().walk(path, *words, on_error=on_error, **options)

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **_options: Any) -> IO[bytes]:
        if mode == "wb":
            return Upload(self._at, path)  # type: ignore[return-value]
        with ExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile())
            try:
                with self._at(path) as ftp:
                    size = sized(ftp, path)
                    ftp.retrbinary(f"RETR {path}", file.write)
            except FileNotFoundError as error:
                self.info(path)
                raise PermissionError(errno.EACCES, "it is there, and cannot be read") from error
            if size is not None and file.tell() < size:  # one that has more has grown
                raise OSError(errno.EIO, f"{file.tell():,} of {size:,} bytes came")
            stack.pop_all()
        file.seek(0)
        return file

    def mkdir(self, path: str, create_parents: bool = True, **_options: Any) -> None:
        if create_parents:
            self.makedirs(self._parent(path), exist_ok=True)
        with self._at(path) as ftp:
            ftp.mkd(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        if not self.exists(path):
            self.mkdir(path)
        elif not exist_ok:
            raise FileExistsError(path)

    def rmdir(self, path: str) -> None:
        with self._at(path) as ftp:
            ftp.rmd(path)

    def _rm(self, path: str) -> None:
        if self.isdir(path):
            self.rmdir(path)
            return
        with self._at(path) as ftp:
            ftp.delete(path)

    def mv(self, old: str, new: str, **_options: Any) -> None:
        """Renames a file, in place of another."""
        with self._at(old) as ftp:
            ftp.rename(old, new)
