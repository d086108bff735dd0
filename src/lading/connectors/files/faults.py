"""What file systems raise, and which error it is."""

from __future__ import annotations

import errno
import re
from importlib import import_module

from lading.errors import AccessDenied, LadingError, SpecError, Unreachable

_FAULTS = {
    "s3": ("botocore.exceptions.BotoCoreError", "aiohttp.ClientError"),
    "sftp": ("paramiko.SSHException", "builtins.EOFError"),
}


def changed(path: str) -> Unreachable:
    """The error of a file that is not what it was."""
    return Unreachable(f"The file '{path}' changed while it was copied.", "Run again when nobody writes to it.")


def translated(error: Exception, path: str) -> LadingError:
    """The error that stands for a file system's."""
    number = getattr(error, "errno", None)
    reason = re.sub(r"^\[Errno \d+\] ", "", getattr(error, "strerror", None) or str(error).split("\n")[0])[:300]
    reason = reason.rstrip(". ") or "the connection ended"
    if isinstance(error, FileNotFoundError):
        return SpecError(f"'{path}' is not there.", "Correct the path, or make the folder.")
    if isinstance(error, PermissionError) or number == errno.EROFS:
        return AccessDenied(f"'{path}': {reason}.", "Give this account the right to read and write there.")
    if number in (errno.ENOSPC, errno.EDQUOT):
        return Unreachable(f"'{path}': the disk is full.", "Free space there, then run again.")
    if isinstance(error, NotADirectoryError | FileExistsError):
        return SpecError(f"'{path}': a file stands where a folder is needed.", "Choose another path, or move the file.")
    if isinstance(error, IsADirectoryError) or number == errno.ENAMETOOLONG:
        return SpecError(f"'{path}': {reason}.", "Choose another path or name.")
    return Unreachable(f"'{path}': {reason}.", "Check the disk or network, then run again.")


def faults_of(protocol: str | tuple[str, ...]) -> list[type[Exception]]:
    """What a library raises besides OSError."""
    names = [protocol] if isinstance(protocol, str) else protocol
    found = [each.rpartition(".") for name in names for each in _FAULTS.get(name, ())]
    return [getattr(import_module(module), name) for module, _, name in found]
