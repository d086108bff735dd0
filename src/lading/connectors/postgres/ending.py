"""How a statement is ended from another thread."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lading.connectors.postgres.session import PostgresSession


def cancel(session: PostgresSession) -> None:
    """See `connector.Cancels`: on both connections."""
    driver = session.driver
    with suppress(*driver._failures):  # then the statement goes on, and so does whoever waits for it
        driver._connection.cancel_safe(timeout=5)
    wire = driver.wire
    if wire._loop is not None and wire._task is not None:
        wire._loop.call_soon_threadsafe(wire._task.cancel)
