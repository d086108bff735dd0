"""Putting the staged table in the place of the old one, or its rows where a swap would lose what hangs on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.connector import Load
from lading.connectors.postgres.swap import KEEP, MAKE
from lading.dialects.postgres import dialect
from lading.errors import Unsupported
from lading.sql import LEDGER

if TYPE_CHECKING:
    from lading.connectors.postgres.driver import Driver
    from lading.connectors.postgres.session import PostgresSession


def swapping(driver: Driver, load: Load) -> list[str] | None:
    """See `sql.Driver.swap`. From here on others can read the old table but not write it."""
    names = {name: _placed(driver, load, table) for name, table in (("t", load.table.name), ("s", load.stage.name))}
    literals = {name: dialect.text(value) for name, value in names.items()}
    kind = driver.query(f"SELECT relkind::text FROM pg_class WHERE oid = to_regclass({literals['t']})")
    if kind and kind[0][0] in ("r", "p"):
        driver.execute(f"LOCK TABLE {names['t']} IN SHARE ROW EXCLUSIVE MODE")
    words = {
        "old": literals["t"], "new": literals["s"], "load": dialect.text(load.id),
        "ledger": _placed(driver, load, LEDGER),
    }  # fmt: skip
    found = driver.query(KEEP.format(**words))
    if not found or found[0][0] is not False:
        return None
    made = driver.query(MAKE.format(**words, **literals))
    statements = [row[1] for row in made]
    return None if None in statements else statements


def _placed(driver: Driver, load: Load, name: str) -> str:
    schema = load.table.schema_name or driver.schema
    return dialect.table(load.table.model_copy(update={"schema_name": schema, "name": name}))


def refilling(session: PostgresSession, load: Load) -> list[str]:
    """Statements that give the old table the staged rows. Rows that other tables refer to are kept and changed:
    deleting them would be refused, or would take the other tables' rows along."""
    relation = f"to_regclass({dialect.text(session.name(load.table))})"
    referred, touched = session.driver.query(
        f"SELECT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = {relation} "
        f"AND conrelid <> {relation}), "
        f"EXISTS (SELECT FROM pg_trigger WHERE tgrelid = {relation} AND NOT tgisinternal) "
        f"OR EXISTS (SELECT FROM pg_rewrite WHERE ev_class = {relation})"
    )[0]
    if referred and not load.key:
        raise Unsupported(
            f"Other tables refer to rows of '{load.table.full_name}', which has no key to replace them by.",
            "Name a key with 'merge_key', or drop the foreign keys.",
        )
    statements = session.refills(load, keeping=bool(referred))
    return [*statements, _comparing(session, load)] if touched else statements


def _comparing(session: PostgresSession, load: Load) -> str:
    """A statement that fails when triggers or rules made other rows of the staged ones."""
    here, there = session.hash(load.table), session.hash(load.stage)
    text = dialect.text(f"triggers or rules of {load.table.full_name} change the rows that are written")
    failing = f"RAISE EXCEPTION USING ERRCODE = 'LD001', MESSAGE = {text}"
    body = f"BEGIN IF ({here}) IS DISTINCT FROM ({there}) THEN {failing}; END IF; END"
    return f"DO {dialect.text(body)}"
