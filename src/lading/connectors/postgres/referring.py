"""Tables that refer to others, and what would become of their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lading.connector import Load
from lading.connectors.postgres.refusing import refuse_heirs
from lading.dialects.postgres import dialect
from lading.merging import Taker, refuse_taken
from lading.schema import Column, Mode, Table

if TYPE_CHECKING:
    from lading.connectors.postgres.session import PostgresSession

# As PostgreSQL compares them: by the collation of what is referred to.
_TAKERS = """
    SELECT f.conname, f.conrelid::regclass::text, string_agg(format('c.%I = p.%I%s', own.attname,
           other.attname, (SELECT format(' COLLATE %I.%I', n.nspname, l.collname) FROM pg_collation l
                           JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = other.attcollation)), ' AND '),
           f.confdeltype = 'c', f.conrelid = f.confrelid
    FROM pg_constraint f CROSS JOIN LATERAL unnest(f.conkey, f.confkey) k (own, other)
    JOIN pg_attribute own ON own.attrelid = f.conrelid AND own.attnum = k.own
    JOIN pg_attribute other ON other.attrelid = f.confrelid AND other.attnum = k.other
    WHERE f.contype = 'f' AND f.confdeltype IN ('c', 'n', 'd') AND f.confrelid = to_regclass({t})
    AND (f.conrelid IN ({listed})) IS NOT TRUE
    GROUP BY f.oid, f.conname, f.conrelid, f.confrelid, f.confdeltype ORDER BY 1"""


def takers(session: PostgresSession, table: Table, but: str = "NULL") -> Iterator[Taker]:
    """See `SqlSession.takers`; `but` are tables that do not count."""
    refuse_heirs(session, table)
    sql = _TAKERS.replace("{t}", dialect.text(session.name(table))).replace("{listed}", but)
    for found in session.driver.query(sql):
        name, child, *rest = found
        yield Taker(name, child, child, *rest)


def passed_on(session: PostgresSession, loads: Sequence[Load]) -> bool:
    """Whether what becomes of rows of these tables is passed on to rows that refer to them."""
    sql = f"SELECT EXISTS (SELECT FROM pg_constraint WHERE confrelid IN ({_listed(session, loads)})"
    return bool(session.driver.query(f"{sql} AND confdeltype IN ('c', 'n', 'd'))")[0][0])


def refuse_lost(session: PostgresSession, loads: Sequence[Load]) -> None:
    """Raises DataError where rows that go would take along, or change, rows of tables that are not replaced with
    them."""
    listed = _listed(session, loads)
    for load in loads:
        if load.mode is not Mode.REPLACE or load.fresh:
            continue
        stage = session.name(load.stage)

        def going(row: str, stage: str = stage, key: tuple[Column, ...] = load.stage.keyed) -> str:
            return f"NOT EXISTS (SELECT FROM {stage} s WHERE {session._same('s', row, key)})"

        refuse_taken(
            session.driver.query, session.name(load.table), going, takers(session, load.table, listed),
            f"'{load.table.full_name}' that the source does not have",
            "Move both tables in one step, with 'together', or correct those rows first.",
        )  # fmt: skip


def _listed(session: PostgresSession, loads: Sequence[Load]) -> str:
    return ", ".join(f"to_regclass({dialect.text(session.name(load.table))})" for load in loads)
