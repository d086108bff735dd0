"""Work in threads of its own, for which nobody waits when the program ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, wait
from functools import partial
from typing import TypeVar

T = TypeVar("T")
AGAIN_SECONDS = 1
"""How often work is told that it is to end, if it goes on, or began a moment later."""
TICK_SECONDS = 0.2
"""How often it is looked whether the work was interrupted: a signal may wake another library's thread than the one that
waits, or come just before it begins to."""


def apart(work: Callable[[], T]) -> Future[T]:
    """Begins work, whose result or error is asked for later."""
    ended: Future[T] = Future()
    _begin(work, ended)
    return ended


def _begin(work: Callable[[], T], ended: Future[T]) -> None:
    """Begins work, unless it is cancelled before that."""

    def run() -> None:
        if ended.set_running_or_notify_cancel():
            try:
                ended.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is raised where the work was asked for
                ended.set_exception(error)

    threading.Thread(target=run, daemon=True).start()


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

    sides: tuple[Future[T], Future[T]] = Future(), Future()
    try:
        for side, ended in enumerate(sides):
            _begin(partial(one, side), ended)
        while wait(sides, timeout=TICK_SECONDS).not_done:
            pass
    except BaseException as error:  # noqa: BLE001 - raised below, unless a side's came first
        begun = [each for each in sides if not each.cancel()]  # the others never will
        fail(error)
        while wait(begun, timeout=AGAIN_SECONDS).not_done:
            failed(error)
    if errors:
        raise errors[0]
    return sides[0].result(), sides[1].result()
