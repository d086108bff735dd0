"""The tests' own proxy: what the fault tests stand on."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.proxy import Proxy


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(side: socket.socket) -> None:
            with side:
                try:
                    while chunk := side.recv(1 << 16):
                        side.sendall(chunk)
                except OSError:
                    return

        def accept() -> None:
            while True:
                try:
                    side, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(side,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection((proxy.host, proxy.port), timeout=5)


def read(side: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count and (chunk := side.recv(count - len(got))):
        got += chunk
    return got


def test_forwards_and_counts(echo):
    sent = bytes(range(256)) * 20_000
    with Proxy("127.0.0.1", echo) as proxy, connect(proxy) as side:
        threading.Thread(target=side.sendall, args=(sent,)).start()
        assert read(side, len(sent)) == sent
        side.shutdown(socket.SHUT_WR)
        assert side.recv(1) == b""
        assert (proxy.bytes_up, proxy.bytes_down, proxy.connections) == (len(sent), len(sent), 1)


def test_cut_resets_what_lives_and_lets_new_ones_in(echo):
    with Proxy("127.0.0.1", echo) as proxy:
        with connect(proxy) as side:
            side.sendall(b"x")
            assert read(side, 1) == b"x"
            proxy.cut()
            with pytest.raises(ConnectionResetError):
                side.recv(1)
        with connect(proxy) as side:
            side.sendall(b"y")
            assert read(side, 1) == b"y"


def test_cut_after_lets_exactly_so_many_bytes_pass(echo):
    with Proxy("127.0.0.1", echo) as proxy, connect(proxy) as side:
        proxy.cut_after(1000)
        side.sendall(b"x" * 5000)
        with pytest.raises(ConnectionResetError):
            read(side, 5000)
        assert proxy.bytes_up + proxy.bytes_down == 1000


def test_pause_holds_and_resume_delivers(echo):
    with Proxy("127.0.0.1", echo) as proxy, connect(proxy) as side:
        proxy.pause()
        side.sendall(b"x")
        side.settimeout(0.2)
        with pytest.raises(TimeoutError):
            side.recv(1)
        proxy.resume()
        side.settimeout(5)
        assert side.recv(1) == b"x"


def test_pause_after_so_many_bytes(echo):
    with Proxy("127.0.0.1", echo) as proxy, connect(proxy) as side:
        proxy.pause_after(4)
        side.sendall(b"abc")
        assert read(side, 3) == b"abc"
        before = proxy.paused
        side.sendall(b"d")
        assert read(side, 1) == b"d"  # what has passed is delivered
        assert (before, proxy.paused) == (False, True)
        side.sendall(b"e")
        side.settimeout(0.2)
        with pytest.raises(TimeoutError):
            side.recv(1)
        proxy.resume()
        side.settimeout(5)
        assert side.recv(1) == b"e"


def test_refuse_until_healed(echo):
    with Proxy("127.0.0.1", echo) as proxy, connect(proxy) as side:
        side.sendall(b"x")
        assert read(side, 1) == b"x"
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
        side.sendall(b"y")
        assert read(side, 1) == b"y"
        proxy.heal()
        with connect(proxy) as again:
            again.sendall(b"z")
            assert read(again, 1) == b"z"


def test_url_goes_by_way_of_the_proxy(echo):
    with Proxy("127.0.0.1", echo) as proxy:
        assert (
            proxy.url("postgresql://me:a%40b@10.0.0.1:5432/crm?x=1")
            == f"postgresql://me:a%40b@127.0.0.1:{proxy.port}/crm?x=1"
        )


def test_closes_soon(echo):
    start = time.monotonic()
    with Proxy("127.0.0.1", echo) as proxy, connect(proxy):
        pass
    assert time.monotonic() - start < 2
