"""What the SQL session asks of MySQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lading.connector import Load
from lading.connectors.mysql.faults import refused, too_large
from lading.connectors.mysql.lines import INSERT, LOAD, joined, parts, write
from lading.connectors.mysql.rows import batch
from lading.connectors.mysql.wire import Done, Wire
from lading.dialects.mysql import dialect
from lading.errors import Unsupported
from lading.schema import Column, Table

if TYPE_CHECKING:
    from lading.connectors.mysql import MySQL

Written = list[tuple[int, Column]]
"""Columns that are written, with their places in the batches."""


class Driver:
    """A `sql.Driver`."""

    def __init__(self, settings: MySQL) -> None:
        self.wire = Wire(settings)
        self.server, self.host = self.wire.server, settings.host

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.wire.query(sql, values)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        self.wire.query(sql, values)

    def fetch(self, sql: str, table: Table) -> Iterator[pa.RecordBatch]:
        with closing(self.wire.receive(sql)) as blocks:
            yield from (batch(block, table) for block in blocks)

    def load(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        computed = self.generated(table)
        written = [(n, c) for n, c in enumerate(table.columns) if c.name not in computed]
        return (self._send if self.server.takes_files else self._insert)(table, written, batches)

    def generated(self, table: Table) -> set[str]:
        """The columns that the server computes; nothing can be written to them."""
        rows = self.query(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = coalesce(%s, database()) "
            "AND table_name = %s AND generation_expression <> ''",
            (table.schema_name, table.name),
        )
        return {str(name) for (name,) in rows}

    def _send(self, table: Table, written: Written, batches: Iterable[pa.RecordBatch]) -> int:
        places, sets = [], []
        for number, (_, column) in enumerate(written):
            name, taken = dialect.quote(column.name), _taken(column, number)
            places.append(f"@lading_{number}" if taken else name)
            sets += [f"{name} = {taken}"] if taken else []
        statement = (
            f"LOAD DATA LOCAL INFILE 'lading' INTO TABLE {dialect.table(table)} CHARACTER SET utf8mb4 "
            "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n' "
            f"({', '.join(places)})" + (f" SET {', '.join(sets)}" if sets else "")
        )
        sent = 0

        def pieces() -> Iterator[memoryview]:
            nonlocal sent
            for part in parts(batches):
                yield joined(write(part, written, LOAD))
                sent += part.num_rows

        done = self.wire.send(statement, pieces())
        self._same(sent, done)
        return sent

    def _insert(self, table: Table, written: Written, batches: Iterable[pa.RecordBatch]) -> int:
        """As `_send`, for servers that take no files: slower, as statements of many rows."""
        names = ", ".join(dialect.quote(column.name) for _, column in written)
        head = f"INSERT INTO {dialect.table(table)} ({names}) VALUES ".encode()
        room, sent = min(self.server.packet // 4, 1 << 20), 0
        for part in parts(batches):
            step = max(1, part.num_rows * room // max(part.nbytes, 1))
            for start in range(0, part.num_rows, step):
                rows = part.slice(start, step)
                statement = head + bytes(joined(write(rows, written, INSERT))[:-1])
                if len(statement) >= self.server.packet:
                    raise too_large(len(statement), self.server.packet)
                self._same(rows.num_rows, self.wire.write(statement))
                sent += rows.num_rows
        return sent

    def _same(self, sent: int, done: Done) -> None:
        """LOAD DATA LOCAL only warns of values that it cuts and rows that it drops."""
        if done.warnings or done.rows != sent:
            raise refused(self.query("SHOW WARNINGS LIMIT 3"), sent, done.rows)

    def begin(self) -> None:
        self.execute("START TRANSACTION")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        if self.wire.alive:
            self.execute("ROLLBACK")

    def pin(self, snapshot: str | None) -> str:
        if snapshot is not None:
            raise Unsupported("MySQL cannot read at another session's snapshot.", "Read with one session.")
        self.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        # MariaDB knows the place in its log that the snapshot stands at.
        place = dict(self.query("SHOW STATUS WHERE variable_name LIKE 'binlog_snapshot_%'"))
        if place.get("Binlog_snapshot_file"):
            file, position = place["Binlog_snapshot_file"], place["Binlog_snapshot_position"]
            gtid = self.query("SELECT binlog_gtid_pos(%s, %s)", (file, int(position)))[0][0]
            return (f"GTID {gtid}" if gtid else f"{file}:{position}") + self._outside()
        return f"consistent snapshot at {self.query('SELECT utc_timestamp(6)')[0][0]} UTC{self._outside()}"

    def _outside(self) -> str:
        """Tables that no snapshot holds still."""
        found = self.query(
            "SELECT t.table_name FROM information_schema.tables t "
            "JOIN information_schema.engines e ON e.engine = t.engine WHERE t.table_schema = database() "
            "AND t.table_type = 'BASE TABLE' AND e.transactions = 'NO' LIMIT 4"
        )
        names = [str(name) for (name,) in found[:3]] + ["more"] * (len(found) > 3)
        return f", but without transactions: {', '.join(names)}" if names else ""

    def swap(self, load: Load) -> list[str] | None:
        return None  # the session does it: each of the statements would commit

    def close(self) -> None:
        self.wire.close()


def _taken(column: Column, number: int) -> str:
    """How a field becomes the column's value, where that is not the field itself."""
    native = column.native.partition(":")[2].lower()
    if column.type.kind == "binary":
        return f"UNHEX(@lading_{number})"
    if native.startswith(("bit(", "year")):
        return f"CAST(@lading_{number} AS UNSIGNED)"
    return ""
