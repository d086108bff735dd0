"""Rows that pass undecoded from one PostgreSQL to another, and the hash that both take of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from lading.connector import Load, Slice
from lading.dialects.postgres import dialect
from lading.digest import Digest
from lading.schema import Column, Table

if TYPE_CHECKING:
    from lading.connectors.postgres.session import PostgresSession

_HASHES = 140_000
"""The version that can hash whole rows."""
# The types whose binary form and whose hash depend on nothing but the value; those of people's own making are known
# by other numbers in another database.
_PLAIN = re.compile(
    r"boolean|smallint|integer|bigint|real|double precision|numeric(?:\(\d+,\d+\))?|text|bytea|uuid|jsonb?|date|"
    r"character(?: varying)?(?:\(\d+\))?|(?:time|timestamp)(?:\(\d\))? without time zone|"
    r"timestamp(?:\(\d\))? with time zone|interval(?:\(\d\))?"
)
# PostgreSQL hashes eight bytes of a number as four, and a day as 24 hours; of texts it wants to know the order.
_HASHED = (
    (r"bigint", "int8send({c})"),
    (r"timestamp.* without .*", "timestamp_send({c})"),
    (r"timestamp.* with .*", "timestamptz_send({c})"),
    (r"time.*", "time_send({c})"),
    (r"interval.*", "interval_send({c})"),
    (r"json", '({c})::text COLLATE "C"'),
    (r"text|character.*", '{c} COLLATE "C"'),
)


def form(session: PostgresSession) -> str:
    """See `connector.Passes`: hashes may be others in another version, and texts are bytes of the server's encoding."""
    version = session.driver.version
    return f"PostgreSQL {version // 10_000}" if version >= _HASHES and session.driver.encoding == "UTF8" else ""


def decoded(session: PostgresSession, table: Table, there: Table) -> str:
    """See `connector.Passes`."""
    for own, other in zip(table.columns, there.columns, strict=True):
        if _native(own) is None:
            return f"'{own.name}' is {_shown(own)}"
        if own.native != other.native or own.type != other.type:
            return f"'{own.name}' is {_shown(other)} in the target"
    return ""


def give(session: PostgresSession, table: Table, slice: Slice) -> Iterator[bytes]:
    """See `connector.Passes`."""
    columns = ", ".join(dialect.quote(column.name) for column in table.columns)
    sql = f"SELECT {columns} {session.place(table, slice)}"
    with session.driver._translated(sql), closing(session.driver.wire.copy(sql, "binary")) as blocks:
        yield from blocks


def take(session: PostgresSession, load: Load, blocks: Iterable[bytes], number: int) -> int:
    """See `connector.Passes`."""
    stage, driver = session._placed(load.stage), session.driver
    columns = ", ".join(dialect.quote(column.name) for column in stage.columns)
    sql = f"COPY {dialect.table(stage)} ({columns}) FROM STDIN (FORMAT binary)"

    def write() -> int:
        with driver._translated(sql), driver._connection.cursor() as cursor:
            with cursor.copy(sql.encode()) as copy:
                for block in blocks:
                    copy.write(block)
            return cursor.rowcount

    return session._staged(load, number, write)


def total(session: PostgresSession, table: Table, slice: Slice) -> Digest:
    """See `connector.Passes`. A row's hash is the sum of its columns' hashes, each times another number, so sums of it
    would not tell when two rows swap values; sums of that hash hashed once more do."""
    columns = ", ".join(map(_hashed, table.columns))
    hash_ = f"hash_numeric_extended(hash_record_extended(ROW({columns}), 0)::numeric, 0)"
    sql = f"SELECT count(*), coalesce(sum({hash_}), 0) {session.place(table, slice)}"
    rows, sum_ = session.driver.query(sql)[0]
    version = f"postgres {session.driver.version // 10_000}"
    return Digest(version=version, rows=rows, columns={"*": (int(sum_) % 2**64, 0)})


def _native(column: Column) -> str | None:
    kind, _, native = column.native.partition(":")
    return native if kind == "postgres" and _PLAIN.fullmatch(native) else None


def _shown(column: Column) -> str:
    return re.sub(r"/\*.*\*/", "", column.native.partition(":")[2]) or str(column.type)


def _hashed(column: Column) -> str:
    native, quoted = _native(column) or "", dialect.quote(column.name)
    return next((how.format(c=quoted) for pattern, how in _HASHED if re.fullmatch(pattern, native)), quoted)
