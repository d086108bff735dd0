"""What fsspec does to paths and listings, made strict for file systems of our own."""

from __future__ import annotations

from typing import Any


def plain(path: Any) -> Any:
    """A path as it is: whatever stands in a name, '?' and '#' too, belongs to it."""
    if isinstance(path, list):
        return [plain(each) for each in path]
    return path.rstrip("/") or "/"


def exists(fs: Any, path: str, **_options: Any) -> bool:
    """Whether something is there. What cannot be told is an error, and no 'no'."""
    try:
        fs.info(path)
    except FileNotFoundError:
        return False
    return True


def absent(error: Exception) -> None:
    """Lets a walk go on where there is nothing. A folder that cannot be listed is not an empty one."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
