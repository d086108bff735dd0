"""Work in threads of its own, for which nobody waits when the program ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")


def apart(work: Callable[[], T]) -> Future[T]:
    """Begins work, whose result or error is asked for later."""
    ended: Future[T] = Future()

    def run() -> None:
        try:
            ended.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the work was asked for
            ended.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return ended


def ahead(items: Iterator[T]) -> Generator[T]:
    """The same, of which the next is made while one is worked on."""
    coming = apart(lambda: next(items, None))
    try:
        while (item := coming.result()) is not None:
            coming = apart(lambda: next(items, None))
            yield item
    finally:
        wait([coming])


def both(work: Callable[[int], T], failed: Callable[[BaseException], None]) -> tuple[T, T]:
    """What the work gives for the left side, 0, and for the right one, 1. `failed` is told at once of what one of them
    raises, or of an interruption; the first error is raised here, once both have ended."""
    errors: list[BaseException] = []

    def fail(error: BaseException) -> None:
        errors.append(error)
        failed(error)

    def one(side: int) -> T:
        try:
            return work(side)
        except BaseException as error:
            fail(error)
            raise

    right = apart(lambda: one(1))
    try:
        left = one(0)
        wait([right])
    except BaseException as error:  # noqa: BLE001 - raised below, unless the other side's came first
        if error not in errors:
            fail(error)
        wait([right])
        raise errors[0] from None
    if errors:
        raise errors[0]
    return left, right.result()
