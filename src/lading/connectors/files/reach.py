"""How a place is reached: the file system that an address means."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import unquote, urlsplit

from lading.connectors.files.faults import faults_of, translated
from lading.errors import SpecError, Unsupported

HOSTS = ("sftp", "ftp", "ftps")
"""Addresses of a server and a path on it."""
RENAMING = (("sftp", "ssh"), ("ftp", "ftps"))
"""The protocols of servers that rename a file at once, and cannot copy one."""
_EXTRAS = {"s3": "lading[s3]", "s3a": "lading[s3]", "sftp": "lading[sftp]"}


def reached(path: str, options: dict[str, Any]) -> tuple[Any, str]:
    """The file system, and the path in it."""
    from fsspec.core import url_to_fs
    from fsspec.implementations.local import LocalFileSystem

    scheme, there, _ = path.partition("://")
    try:
        if scheme in HOSTS and there:
            return _host(path, options)
        if there:
            fs, root = url_to_fs(path, **options)
            return fs, root
        return LocalFileSystem(), os.path.abspath(os.path.expanduser(path))
    except ImportError as error:
        extra = _EXTRAS.get(scheme, f"fsspec[{scheme}]")
        raise Unsupported(f"Addresses '{scheme}://' need a library.", f"Install it: pip install '{extra}'.") from error
    except TypeError as error:
        what = f"'{scheme}://' cannot be opened with its options: {error}."
        raise SpecError(what, "Correct the names in 'storage'.") from error
    except ValueError as error:
        raise SpecError(f"'{path}' cannot be opened: {error}.", "Correct the path or 'storage'.") from error


def _host(path: str, options: dict[str, Any]) -> tuple[Any, str]:
    parts = urlsplit(path)
    if not parts.hostname:
        raise SpecError(f"'{path}' names no host.", f"Write {parts.scheme}://user@host/path.")
    try:
        port = parts.port
    except ValueError:
        what = f"'{parts.scheme}://{parts.hostname}' has a port that is no number up to 65535."
        raise SpecError(what, f"Write {parts.scheme}://user@host:port/path, and %2F for / in a password.") from None
    login = {"port": port, "username": parts.username and unquote(parts.username)}
    given = {name: value for name, value in login.items() if value} | options
    faults: tuple[type[Exception], ...] = (OSError, *faults_of(parts.scheme))
    try:
        if parts.scheme == "sftp":
            from lading.connectors.files.sftp import Sftp

            return Sftp(parts.hostname, **given), unquote(parts.path)
        from lading.connectors.files.ftp import Ftp

        return Ftp(parts.hostname, tls=parts.scheme == "ftps", **given), unquote(parts.path)
    except faults as error:
        raise translated(error, f"{parts.scheme}://{parts.hostname}") from error
