"""COPY OUT: asyncpg on a thread of its own hands over blocks of whole rows, and waits when they are not taken."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from lading.connectors.postgres.failures import asyncpg_errors
from lading.connectors.postgres.setup import asyncpg_words, keep_alive, setup

if TYPE_CHECKING:
    from lading.connectors.postgres import Postgres

FEW_BYTES, NAP_SECONDS = 2**16, 0.001
"""Rows are taken as they come, a few KB at a time, where we are faster than the server; to wait a moment for more costs
no time, as they gather in the socket, and a third of the processor's."""
WIDE_MB = 4
"""More of a wide table at a time saves nothing, and all that its columns become is held besides."""
PATIENCE_SECONDS = 0.5
STOP_SECONDS = 10
_T = TypeVar("_T")


class _Stopped(Exception):
    """Nobody takes the rows any more."""


class Wire:
    """A connection of asyncpg's. PostgreSQL sends one row a message, and asyncpg joins messages but never cuts one,
    so a block ends where a row ends, however long the row is:
    https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY"""

    def __init__(self, settings: Postgres, snapshot: Callable[[], str | None]) -> None:
        self._settings, self._snapshot = settings, snapshot
        self._connection: Any = None
        self._task: asyncio.Task[Any] | None = None
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.said = 0
        """How many rows PostgreSQL says it sent."""

    @property
    def pids(self) -> tuple[int, ...]:
        return () if self._connection is None else (self._connection.get_server_pid(),)

    def copy(self, sql: str, form: str = "csv", wide: bool = False) -> Generator[bytes, None, None]:
        """A query's rows in blocks; to stop early ends the query."""
        name = self._snapshot() if self._connection is None else None
        blocks: SimpleQueue[bytes | Future[int]] = SimpleQueue()
        room = asyncio.Semaphore(1)
        ended = self._start(self._send((sql, form, wide), name, blocks, room))
        ended.add_done_callback(blocks.put)
        whole = False
        try:
            while not isinstance(block := blocks.get(), Future):
                self._running.call_soon_threadsafe(room.release)
                yield block
            self.said = block.result()
            whole = True
        finally:
            if not whole:
                self._stopped = True
                self._running.call_soon_threadsafe(room.release)
                self._start(self._drop()).result()

    async def _send(
        self,
        asked: tuple[str, str, bool],
        snapshot: str | None,
        blocks: SimpleQueue[bytes | Future[int]],
        room: asyncio.Semaphore,
    ) -> int:
        self._task, self._stopped = asyncio.current_task(), False
        parts: list[bytes] = []
        size, most = 0, min(self._settings.batch_mb, WIDE_MB if asked[2] else self._settings.batch_mb) << 20

        async def take(data: bytes) -> None:
            nonlocal size
            if self._stopped:
                raise _Stopped
            parts.append(data)
            size += len(data)
            if size >= most:
                await hand_over()
            elif len(data) < FEW_BYTES:
                await asyncio.sleep(NAP_SECONDS)

        async def hand_over() -> None:
            nonlocal size
            await room.acquire()
            blocks.put(b"".join(parts))
            parts.clear()
            size = 0

        if self._connection is None:
            await self._open(snapshot)
        said = await self._connection.copy_from_query(asked[0], output=take, format=asked[1])
        if parts:
            await hand_over()
        return int(said.split()[-1])

    async def _open(self, snapshot: str | None) -> None:
        import asyncpg

        self._connection = await asyncpg.connect(**asyncpg_words(self._settings), statement_cache_size=0)
        keep_alive(self._connection)
        await self._connection.execute(setup(self._settings))
        if snapshot is not None:
            await self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await self._connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")

    async def _drop(self) -> None:
        """Ends the query and its connection: a transaction whose query was stopped is of no more use."""
        self._stopped = True
        # Rows that come end the query from within `take`; to cancel the task while they do, asyncpg may overlook.
        for seconds in (PATIENCE_SECONDS, STOP_SECONDS):
            if self._task is not None and not self._task.done():
                await asyncio.wait([self._task], timeout=seconds)
                self._task.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=STOP_SECONDS)
            except asyncpg_errors():
                connection.terminate()

    @property
    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="lading-postgres", daemon=True)
            self._thread.start()
        return self._loop

    def _start(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        return asyncio.run_coroutine_threadsafe(work, self._running)

    def close(self) -> None:
        if self._loop is None or self._thread is None:
            return
        self._start(self._drop()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None
