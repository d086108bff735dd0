"""What cannot be written without leaving half a load behind, known while there is only a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.connectors.mysql.around import has_triggers
from lading.connectors.mysql.referring import links
from lading.errors import Unsupported
from lading.schema import Mode, Table

if TYPE_CHECKING:
    from lading.connectors.mysql.session import MySQLSession


def refuse_mode(session: MySQLSession, found: Table, wanted: Table, mode: Mode) -> None:
    """See `SqlSession.refuse_mode`."""
    there, place, driver = session._look(found), session._place(found), session.mysql
    if there is None or there.engine in ("InnoDB", ""):
        return
    if mode is not Mode.REPLACE or has_triggers(driver, place) or links(driver, [place]):
        raise refusal(found, there.engine)


def refusal(table: Table, engine: str) -> Unsupported:
    return Unsupported(
        f"'{table.full_name}' is kept by {engine}, which has no transactions: half a load could stay.",
        "Use 'mode: replace' and no triggers, or ALTER TABLE ... ENGINE=InnoDB.",
    )
