"""A TCP proxy for the tests: a connection through it can be cut, paused, refused and counted."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

_TICK = 0.02  # seconds in which a pump notices what was asked of it
_CHUNK = 1 << 18


class Proxy:
    """Forwards 127.0.0.1:`port` to a target; as a context manager it closes itself."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.host, self.port = "127.0.0.1", 0
        self.bytes_up = 0  # from the client to the target
        self.bytes_down = 0
        self.connections = 0  # accepted so far
        self.paused = False
        self._budget: int | None = None
        self._pausing: int | None = None
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._listen()

    def url(self, address: str) -> str:
        """The same address, by way of the proxy."""
        parts = urlsplit(address)
        login, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{login}{at}{self.host}:{self.port}"))

    def cut(self) -> None:
        """Reset every live connection, towards both sides."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.reset = True
        for link in links:
            link.ended.wait(5)

    def cut_after(self, count: int) -> None:
        """Cut when so many bytes more have passed, both directions together; not one byte passes after them."""
        with self._lock:
            self._budget = count

    def pause(self) -> None:
        """Let connections live, and nothing pass."""
        self.paused = True

    def pause_after(self, count: int) -> None:
        """Pause once so many bytes more have come from the target, give or take a chunk."""
        with self._lock:
            self._pausing = self.bytes_down + count

    def resume(self) -> None:
        """End a pause."""
        self.paused = False

    def refuse(self) -> None:
        """Refuse new connections; those that live go on."""
        listener, acceptor = self._listener, self._acceptor
        self._listener = None
        if listener and acceptor:
            acceptor.join()
            listener.close()

    def heal(self) -> None:
        """Forward again, whatever was asked before."""
        self.paused = False
        with self._lock:
            self._budget = self._pausing = None
        if self._listener is None:
            self._listen()

    def close(self) -> None:
        """Refuse, and cut."""
        self.refuse()
        self.cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self) -> None:
        self._listener = listener = socket.create_server((self.host, self.port), backlog=64)
        self.port = listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        self._acceptor.start()

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            if not select.select([listener], [], [], _TICK)[0]:
                continue
            client, _ = listener.accept()
            try:
                server = socket.create_connection(self.target, timeout=5)
            except OSError:
                _close(client, reset=True)
                continue
            self.connections += 1
            link = _Link(self, client, server)
            with self._lock:
                self._links.add(link)
            link.start()

    def _allow(self, link: _Link, chunk: bytes, up: bool) -> bytes:
        """What of the chunk may pass; where the budget ends, every connection is cut."""
        with self._lock:
            if link.reset:
                return b""
            if self._budget is not None:
                chunk = chunk[: self._budget]
                self._budget -= len(chunk)
                if not self._budget:
                    self._budget = None
                    for each in self._links:
                        each.reset = True
            if up:
                self.bytes_up += len(chunk)
            else:
                self.bytes_down += len(chunk)
                if self._pausing is not None and self.bytes_down >= self._pausing:
                    self.paused, self._pausing = True, None
            return chunk

    def _forget(self, link: _Link) -> None:
        with self._lock:
            self._links.discard(link)


class _Link:
    """One connection: two sockets, a thread for each direction. The last thread to end closes both."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.reset = False
        self.ended = threading.Event()
        self._pumps = 2
        self._lock = threading.Lock()

    def start(self) -> None:
        for side in (self.client, self.server):
            side.setblocking(False)
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for up in (True, False):
            threading.Thread(target=self._pump, args=(up,), daemon=True).start()

    def _pump(self, up: bool) -> None:
        source, sink = (self.client, self.server) if up else (self.server, self.client)
        try:
            while chunk := self._receive(source):
                self._send(sink, self.proxy._allow(self, chunk, up))
            with suppress(OSError):
                if not self.reset:
                    sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.reset = True  # one side is gone: so is the other
        with self._lock:
            self._pumps -= 1
            last = self._pumps == 0
        if last:
            _close(self.client, self.reset)
            _close(self.server, self.reset)
            self.proxy._forget(self)
            self.ended.set()

    def _receive(self, source: socket.socket) -> bytes:
        poll = select.poll()
        poll.register(source, select.POLLIN)
        while not self.reset:
            if self.proxy.paused:
                time.sleep(_TICK)
            elif poll.poll(_TICK * 1000) and not self.proxy.paused:
                return source.recv(_CHUNK)
        return b""

    def _send(self, sink: socket.socket, chunk: bytes) -> None:
        poll = select.poll()
        poll.register(sink, select.POLLOUT)
        rest = memoryview(chunk)
        while rest and (poll.poll(_TICK * 1000) or not self.reset):
            with suppress(BlockingIOError):
                rest = rest[sink.send(rest) :]


def _close(side: socket.socket, reset: bool) -> None:
    if reset:  # to linger for no time is to send RST
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    side.close()
