"""SFTP, by paramiko: only servers whose key is known, and no wait without an end."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Any

from fsspec.implementations.sftp import SFTPFileSystem
from fsspec.spec import AbstractBufferedFile

from lading.connectors.files.walking import absent, exists, plain
from lading.errors import AccessDenied, SpecError

_BLOCK = 4 << 20  # how much is asked for at once
_PART = 32_768  # what every server takes in one request
_ALIVE_SECONDS = 30
_EVERYWHERE = "/etc/ssh/ssh_known_hosts"
logging.getLogger("paramiko").addHandler(logging.NullHandler())  # what matters is raised too


class Sftp(SFTPFileSystem):  # type: ignore[misc]
    """A file system over one connection of its own, which `close` ends."""

    cachable = False
    _strip_protocol, exists = staticmethod(plain), exists

    def __init__(
        self, host: str, known_hosts: str | None = None, key_file: str | None = None, timeout: float = 30, **login: Any
    ) -> None:
        self.known_hosts, self.key_file, self.timeout = known_hosts, key_file, timeout
        super().__init__(host, **login)

    def _connect(self) -> None:
        import paramiko

        self.client = paramiko.SSHClient()
        own = not (self.key_file or self.ssh_kwargs.get("password"))
        waits = dict.fromkeys(("timeout", "banner_timeout", "auth_timeout", "channel_timeout"), self.timeout)
        try:
            _know(self.client, self.known_hosts)
            self.client.set_missing_host_key_policy(_Refuse())
            key = _there(self.key_file, "key_file") if self.key_file else None
            self.client.connect(
                self.host, key_filename=key, allow_agent=own, look_for_keys=own, **waits, **self.ssh_kwargs
            )
            transport, self.ftp = self.client.get_transport(), self.client.open_sftp()
        except paramiko.BadHostKeyException as error:
            what = f"The key of the host '{self.host}' is {_shown(error.key)}, and another one is known of it."
            fix = "Somebody may stand in between. Ask who runs it; if its key is new, put it into 'known_hosts'."
            raise AccessDenied(what, fix) from error
        except paramiko.SSHException as error:
            if not isinstance(error, paramiko.AuthenticationException) and "authentication" not in str(error):
                raise
            what = f"The host '{self.host}' does not let in '{self.ssh_kwargs.get('username', '')}': {error}"
            raise AccessDenied(what.rstrip(".") + ".", "Check the user, 'password' and 'key_file'.") from error
        finally:
            if not hasattr(self, "ftp"):
                self.client.close()
        transport.set_keepalive(_ALIVE_SECONDS)
        self.ftp.get_channel().settimeout(self.timeout)

    def close(self) -> None:
        """Ends the connection."""
        self.client.close()

    @staticmethod
    def _decode_stat(stat: Any, parent_path: str | None = None) -> dict[str, Any]:
        found: dict[str, Any] = SFTPFileSystem._decode_stat(stat, parent_path)
        return found if any(kind(stat.st_mode) for kind in (S_ISREG, S_ISDIR, S_ISLNK)) else found | {"type": "other"}

    def walk(self, path: str, *words: Any, on_error: str | Callable[[Exception], None] = absent, **options: Any) -> Any:
        return super().walk(path, *words, on_error=on_error, **options)

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> SftpFile:
        return SftpFile(self, path, mode, block_size or _BLOCK)

    def mv(self, old: str, new: str, **_options: Any) -> None:
        """Renames a file, in place of another."""
        try:
            self.ftp.posix_rename(old, new)
        except OSError as error:
            if error.errno is not None:
                raise
            self.ftp.rename(old, new)  # not OpenSSH: it refuses where there is another


class SftpFile(AbstractBufferedFile):  # type: ignore[misc]
    """A file that is read and written in many requests at once, so that a long way does not make it slow."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        if getattr(self, "handle", None) is None:
            self.handle = self.fs.ftp.open(self.path, "rb")
        parts = [(at, min(_PART, end - at)) for at in range(start, end, _PART)]
        return b"".join(self.handle.readv(parts))

    def _initiate_upload(self) -> None:
        self.handle = self.fs.ftp.open(self.path, "wb")
        self.handle.set_pipelined(True)

    def _upload_chunk(self, final: bool = False) -> bool:
        data = self.buffer.getvalue()
        self.handle.write(data)
        if final:
            self.handle.close()
            there, all_ = self.fs.ftp.stat(self.path).st_size, self.offset + len(data)
            if there != all_:  # what a server says to each request is not waited for
                raise OSError(f"{there:,} of {all_:,} bytes were written")
        return True

    def close(self) -> None:
        super().close()
        if getattr(self, "handle", None) is not None:
            self.handle.close()


class _Refuse:
    """Refuses a server of which no key is known: whoever answers would get the password."""

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        host, _, port = hostname.strip("[").partition("]:")
        scan = f"ssh-keyscan -p {port} {host}" if port else f"ssh-keyscan {host}"
        raise AccessDenied(
            f"The host '{host}' is not known. Its key is {_shown(key)}.",
            f"Ask who runs it whether that is so, then write the key down: {scan} >> ~/.ssh/known_hosts; or name "
            "a file that has it in 'known_hosts'.",
        )


def _know(client: Any, path: str | None) -> None:
    if path:
        client.load_system_host_keys(_there(path, "known_hosts"))
        return
    client.load_system_host_keys()
    if os.path.exists(_EVERYWHERE):
        client.load_system_host_keys(_EVERYWHERE)


def _there(path: str, option: str) -> str:
    found = Path(path).expanduser()
    if not found.is_file():
        raise SpecError(f"'{option}' names the file '{path}', which is not there.", "Correct the path.")
    return str(found)


def _shown(key: Any) -> str:
    return f"{key.get_name()} {key.fingerprint}"
