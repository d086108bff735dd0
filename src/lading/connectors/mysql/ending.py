"""How a statement is ended from another thread."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

from lading.connectors.mysql.connect import connect, errors
from lading.errors import LadingError

if TYPE_CHECKING:
    from lading.connectors.mysql.session import MySQLSession


def cancel(session: MySQLSession) -> None:
    """See `connector.Cancels`: another session tells the server, and does nothing where it has no room for one."""
    wire = session.mysql.wire
    with suppress(LadingError, *errors()), closing(connect(wire._settings)) as other:
        other.query(f"KILL QUERY {wire.number}")
