"""How far a load has come, by its stage and the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.connector import Load, Standing
from lading.connectors.mysql.around import has_column
from lading.connectors.mysql.publishing import MADE
from lading.sql import SLICE

if TYPE_CHECKING:
    from lading.connectors.mysql.session import MySQLSession


def begun(session: MySQLSession, load: Load, staged: bool) -> Standing:
    """How far a load has come that is not said to be published. Before anything is visible the slices' column may have
    gone, or an empty table have been made; slices cannot be staged then."""
    if not staged:
        return Standing.PUBLISHED
    whole = has_column(session.mysql, session._place(load.stage), SLICE.name) and not session._marked(load, MADE)
    return Standing.STAGED if whole else Standing.GONE
