"""Packages that a library loads wherever they are installed, though nobody asks for them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

PACKAGES = ("pandas", "polars")
"""PyArrow loads the one, ADBC the other: half a second and 40 MiB each."""


class _Refusing:
    """A finder that refuses some packages. None in `sys.modules` would not do: compiled modules take it as it is."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: object = None) -> None:
        if name in self.names:
            raise ModuleNotFoundError(f"'{name}' is not wanted in this process", name=name)


def refuse(*names: str) -> None:
    """Whoever asks for them is told that they are not installed, until `allow` is called."""
    sys.meta_path.insert(0, _Refusing(names))


def allow() -> None:
    """Nothing is refused any more."""
    sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, _Refusing)]


@contextmanager
def without(name: str) -> Iterator[None]:
    """Refuses one for a moment, unless it is there already."""
    finder = _Refusing((name,))
    if name not in sys.modules:
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path[:] = [each for each in sys.meta_path if each is not finder]
