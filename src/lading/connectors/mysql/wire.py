"""One connection: statements, and rows that go in and out as blocks of bytes, past PyMySQL's values."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from lading.connectors.mysql.blocks import Block, blocks
from lading.connectors.mysql.connect import connect, errors, introduced, where
from lading.connectors.mysql.faults import translated
from lading.errors import Bug, LadingError

if TYPE_CHECKING:
    from lading.connectors.mysql import MySQL

_QUERY = 3  # the protocol's COM_QUERY
_CHUNK = 256 << 10


class Done(NamedTuple):
    """What the server says of a statement that wrote."""

    rows: int
    warnings: int


class Wire:
    """A session of a server's. Every failure is one of the seven errors."""

    def __init__(self, settings: MySQL) -> None:
        self._settings = settings
        self._connection = connect(settings)
        self._errors = errors()
        self._streaming = False
        try:
            self.server = introduced(self._connection, settings)
        except LadingError:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        return bool(self._connection.open)

    @property
    def number(self) -> int:
        """What the server calls the session."""
        return int(self._connection.thread_id())

    def _error(self, error: Exception) -> LadingError:
        return translated(error, where(self._settings))

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if self._streaming:
            raise Bug("A statement was sent while rows were being read.")
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, tuple(values) or None)
                return list(cursor.fetchall())
        except self._errors as error:
            raise self._error(error) from error

    def write(self, statement: bytes) -> Done:
        """Runs a statement that is bytes already."""
        try:
            self._connection.query(statement)
            result = self._connection._result
        except self._errors as error:
            raise self._error(error) from error
        return Done(result.affected_rows, result.warning_count)

    def receive(self, sql: str) -> Generator[Block]:
        """Blocks of the rows of a query. A reader that stops early costs no more than a word to the server."""
        connection = self._connection
        try:
            connection._execute_command(_QUERY, sql)
            count = connection._read_packet().read_length_encoded_integer()
            for _ in range(count + 1):  # the columns' descriptions and the packet after them
                connection._read_packet()
        except self._errors as error:
            raise self._error(error) from error
        self._streaming = True
        reading = blocks(connection._rfile, self._settings.batch_mb)
        try:
            for block in reading:
                self._streaming = block.end is None
                if block.starts:
                    yield block
                if block.end is not None:
                    _raise_from(block.end)
            if self._streaming:
                raise ConnectionError("it ended in the middle of a row")
        except self._errors as error:
            if self._streaming:
                self._drop()
            raise self._error(error) from error
        finally:
            if self._streaming:
                self._abandon(reading)

    def _abandon(self, reading: Iterator[Block]) -> None:
        """Has the server stop sending rows that nobody wants; the transaction lives on."""
        with suppress(LadingError, *self._errors):
            other = connect(self._settings)
            try:
                other.query(f"KILL QUERY {self.number}")
            finally:
                other.close()
            if any(block.end is not None for block in reading):
                self._streaming = False
                return
        self._drop()

    def _drop(self) -> None:
        self._streaming = False
        self._connection._force_close()

    def send(self, statement: str, pieces: Iterable[memoryview]) -> Done:
        """Runs LOAD DATA LOCAL, the pieces being the file: no file is made, and none is ever read."""
        from pymysql.connections import OKPacketWrapper  # type: ignore[attr-defined]

        connection, chunk = self._connection, min(_CHUNK, self.server.packet // 2)
        try:
            connection._execute_command(_QUERY, statement)
            if not connection._read_packet().is_load_local_packet():
                raise Bug("The server did not ask for the rows it was told of.")
            try:
                for piece in pieces:
                    for start in range(0, len(piece), chunk):
                        connection.write_packet(bytes(piece[start : start + chunk]))
            finally:  # the server goes on reading until it is told the end, also after it has failed
                if connection.open:
                    connection.write_packet(b"")
                    done = OKPacketWrapper(connection._read_packet())
        except self._errors as error:
            raise self._error(error) from error
        return Done(done.affected_rows, done.warning_count)

    def close(self) -> None:
        if self._connection.open:
            with suppress(*self._errors):
                self._connection.close()


def _raise_from(packet: bytes) -> None:
    if packet[0] == 0xFF:
        from pymysql.err import raise_mysql_exception

        raise_mysql_exception(packet)
