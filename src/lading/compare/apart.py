"""Work on both sides at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def both(work: Callable[[int], T], failed: Callable[[], None] = lambda: None) -> tuple[T, T]:
    """What the work gives for the left side, 0, and for the right one, 1. `failed` is told at once when one of them
    raises; its error is raised here."""
    found: dict[int, T] = {}
    errors: list[BaseException] = []

    def one(side: int) -> None:
        try:
            found[side] = work(side)
        except BaseException as error:  # noqa: BLE001 - it is raised by whoever waits
            errors.append(error)
            failed()

    thread = threading.Thread(target=one, args=(1,), daemon=True)
    thread.start()
    one(0)
    thread.join()
    if errors:
        raise errors[0]
    return found[0], found[1]
