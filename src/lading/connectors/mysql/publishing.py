"""Publishing where every CREATE, ALTER, RENAME and DROP commits by itself.

So nothing hangs on a transaction around them. Each step can be repeated, and what is done is read off what exists: a
load is begun when the ledger has its first line, which is written after its stage was made; it is swapped in when its
stage is gone, because only one RENAME TABLE, which puts the new tables in place of the old ones at once, takes it
away. Rows go into tables that stay in one transaction with their line in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lading.connector import Load
from lading.connectors.mysql.around import elsewhere, has_triggers
from lading.connectors.mysql.finishing import drop_slice, finish
from lading.connectors.mysql.referring import Link, links, orphan
from lading.connectors.mysql.refusing import refusal
from lading.driver import transaction
from lading.errors import DataError, SpecError
from lading.merging import refuse_changed
from lading.schema import Mode, Table
from lading.sql import BEGUN, PUBLISHED

if TYPE_CHECKING:
    from lading.connectors.mysql.session import MySQLSession

MADE = -3
"""In the ledger: the table of a load was made, and is empty."""


def old_table(load: Load) -> Table:
    """What the old table is called once it is replaced, until the load is discarded."""
    return load.table.model_copy(update={"name": f"lading_old_{load.id}"})


def publish(session: MySQLSession, loads: Sequence[Load]) -> None:
    """See `Session.publish`."""
    waiting = [load for load in loads if not session._marked(load, PUBLISHED)]
    if all(_swappable(session, load) for load in waiting):
        _swap(session, waiting)
    else:
        _refill(session, waiting)


def _swappable(session: MySQLSession, load: Load) -> bool:
    """Whether the stage can become the table: nothing that hangs on the old one would be lost."""
    if load.fresh:
        return not session._marked(load, MADE)
    if load.mode is not Mode.REPLACE:
        return False
    old, driver, place = session._look(load.table), session.mysql, session._place(load.table)
    if old is None or session._look(load.stage) is None:
        return True
    stays = old.versioned or links(driver, [place]) or has_triggers(driver, place) or elsewhere(driver, place)
    return not stays


def _swap(session: MySQLSession, loads: Sequence[Load]) -> None:
    renames: list[str] = []
    for load in loads:
        stage, target, old = session.name(load.stage), session.name(load.table), session._look(load.table)
        if session._look(load.stage) is None:
            if old is None or not session._marked(load, BEGUN):
                raise SpecError(f"The staged table of '{load.table.full_name}' is gone.", "Run again.")
            continue
        if old and load.fresh:
            raise _appeared(load)
        finish(session, load, old)
        renames += [f"{target} TO {session.name(old_table(load))}"] if old else []
        renames.append(f"{stage} TO {target}")
    if renames:
        session.driver.execute(f"RENAME TABLE {', '.join(renames)}")
    with transaction(session.driver):
        for load in loads:
            session._mark(load, PUBLISHED, 0)


def _appeared(load: Load) -> SpecError:
    return SpecError(f"'{load.table.full_name}' was made since the load was planned.", "Run again.")


def _refill(session: MySQLSession, loads: Sequence[Load]) -> None:
    for load in loads:
        if load.fresh:
            _make_empty(session, load)
        elif (old := session._look(load.table)) is None or old.engine != "InnoDB":
            if old is None:
                raise SpecError(f"'{load.table.full_name}' is gone.", "Run again.")
            raise refusal(load.table, old.engine)
    hanging = links(session.mysql, [session._place(load.table) for load in loads])
    loose = len(loads) > 1 or loads[0].mode is Mode.REPLACE or any(link.child == link.parent for link in hanging)
    with transaction(session.driver), _unchecked(session, hanging if loose else []):
        for load in loads:
            written = _writable(session, load)
            for statement in session._publishing(written):
                session.driver.execute(statement)
            if (
                load.mode is not Mode.APPEND
                and not load.fresh
                and has_triggers(session.mysql, session._place(load.table))
            ):
                refuse_changed(session.read, written)
            session._mark(load, PUBLISHED, 0)


@contextmanager
def _unchecked(session: MySQLSession, hanging: list[Link]) -> Iterator[None]:
    """Foreign keys are checked when all rows are there, not row by row, which no order of rows would satisfy; nor do
    they delete the rows of other tables."""
    driver = session.mysql
    if not hanging or driver.query("SELECT @@foreign_key_checks")[0][0] != "1":
        yield
        return
    driver.execute("SET foreign_key_checks = 0")
    try:
        yield
        for link in hanging:
            if found := orphan(driver, link):
                child, parent = ".".join(link.child), ".".join(link.parent)
                raise DataError(
                    f"'{child}' has a row with {found}, which '{parent}' has no row for (foreign key '{link.name}').",
                    "Replace both tables together, or correct the row.",
                )
    finally:
        if driver.wire.alive:
            driver.execute("SET foreign_key_checks = 1")


def _make_empty(session: MySQLSession, load: Load) -> None:
    """An empty table in place of one that is absent, to be filled together with others."""
    if not session._marked(load, MADE):
        if session._look(load.table):
            raise _appeared(load)
        session._mark(load, MADE, 0)
    session.driver.execute(f"CREATE TABLE IF NOT EXISTS {session.name(load.table)} LIKE {session.name(load.stage)}")
    drop_slice(session, load.table)


def _writable(session: MySQLSession, load: Load) -> Load:
    """The load without the columns that the server computes."""
    computed = session.mysql.generated(session._placed(load.table))
    columns = tuple(c for c in load.table.columns if c.name not in computed)
    return load.model_copy(update={"table": load.table.model_copy(update={"columns": columns})})
