"""A transaction that is always undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lading.connector import Load
from lading.schema import Table

if TYPE_CHECKING:
    from lading.connectors.postgres.session import PostgresSession


@contextmanager
def trial(session: PostgresSession, load: Load | None, tables: Sequence[Table]) -> Iterator[None]:
    """See `connector.Tries`: whatever PostgreSQL writes is undone, the stage that is made here too."""
    session.driver.begin()
    try:
        if load is not None and (load.fresh or not session._make_alike(load)):
            session._make_stage(load.stage)
        yield
    finally:
        session.driver.rollback()


def counted(session: PostgresSession, table: Table) -> dict[str, int]:
    """See `connector.Tries`: sequences take no notice of what is written."""
    return {}
