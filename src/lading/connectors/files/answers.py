"""What FTP servers answer: as files, and as errors that Python knows."""

from __future__ import annotations

import errno
import ftplib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from lading.errors import AccessDenied, SpecError

_KINDS = {"dir": "directory", "file": "file"}
_NUMBERS = {"501": errno.ENOENT, "552": errno.ENOSPC, "452": errno.ENOSPC, "553": errno.EACCES}
_REFUSED = ("permission", "denied", "privilege", "not allowed")


@contextmanager
def said(path: str) -> Iterator[None]:
    """What a server answers as Python's own errors."""
    try:
        yield
    except ftplib.Error as error:
        code, text = str(error)[:3], str(error)[4:].strip()
        if code in ("530", "532", "332"):
            raise AccessDenied(f"'{path}': {text.rstrip('.')}.", "Check the user and 'password'.") from error
        number = _NUMBERS.get(code, errno.EIO)
        if code == "550":
            number = errno.EACCES if any(word in text.lower() for word in _REFUSED) else errno.ENOENT
        raise OSError(number, text) from error
    except EOFError as error:
        raise OSError(errno.ECONNRESET, "the server ended the connection") from error
    except UnicodeDecodeError as error:
        what = f"The names in '{path}' are not {error.encoding}."
        raise SpecError(what, """Set 'storage' to their encoding: {"encoding": "latin-1"}.""") from error


def features(ftp: ftplib.FTP) -> str:
    """What a server says that it can, in capitals."""
    with suppress(ftplib.error_perm):
        return ftp.sendcmd("FEAT").upper()
    return ""


def sized(ftp: ftplib.FTP, path: str) -> int | None:
    """The size of a file in bytes; None where the server does not say it."""
    ftp.voidcmd("TYPE I")
    return ftp.size(path)


def named(ftp: ftplib.FTP, path: str) -> list[str]:
    """What a folder holds, by paths alone."""
    ftp.cwd(path)  # of a folder that is not there, some list nothing
    names = [name.rpartition("/")[2] for name in ftp.nlst()]
    return [f"{path.rstrip('/')}/{name}" for name in names if name not in (".", "..")]


def listed(ftp: ftplib.FTP, path: str) -> list[dict[str, Any]]:
    """A folder by names, and questions for each: how a server prints it is its own."""
    found = [asked(ftp, each) for each in named(ftp, path)]
    odd = {each["name"] for each in found if each["type"] == "other"}
    if odd and (there := odd & set(named(ftp, path))):  # else it went away meanwhile
        raise OSError(errno.EIO, f"the server does not say what '{min(there)}' is")
    return [each for each in found if each["name"] not in odd]


def stated(ftp: ftplib.FTP, path: str) -> dict[str, Any]:
    """What a server with facts says of a file."""
    line = ftp.sendcmd(f"MLST {path}").splitlines()[1].strip()
    pairs = (fact.partition("=") for fact in line.partition(" ")[0].split(";") if fact)
    return entry(path, {name.lower(): value for name, _, value in pairs})


def entry(path: str, facts: dict[str, str]) -> dict[str, Any]:
    """A file as fsspec has it."""
    kind = _KINDS.get(facts.get("type", "").lower(), "other")
    return {"name": path, "type": kind, "size": int(facts.get("size") or 0), **_changed(facts.get("modify", ""))}


def asked(ftp: ftplib.FTP, path: str) -> dict[str, Any]:
    """What a server without facts says of a file: 'other' where it knows no file and no folder of this name."""
    try:
        size = sized(ftp, path)
    except ftplib.error_perm as error:
        _absent(error)
        return {"name": path, "type": "directory" if _is_folder(ftp, path) else "other", "size": 0}
    return {"name": path, "type": "file", "size": size or 0, **_changed(_when(ftp, path))}


def _is_folder(ftp: ftplib.FTP, path: str) -> bool:
    try:
        ftp.cwd(path)
    except ftplib.error_perm as error:
        _absent(error)
        return False
    return True


def _absent(error: ftplib.error_perm) -> None:
    """Goes on where a server says that there is none. Any other answer says nothing of it."""
    if not str(error).startswith("550"):
        raise error


def _when(ftp: ftplib.FTP, path: str) -> str:
    """The time of a file, where a server says it."""
    with suppress(ftplib.error_perm):
        return ftp.sendcmd(f"MDTM {path}")[4:].strip()
    return ""


def _changed(when: str) -> dict[str, datetime]:
    """The time of a file: '20260228060000', which may have a fraction."""
    return {"mtime": datetime.strptime(when[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)} if when else {}
