"""Rows as MySQL's protocol sends them: packets, stepped over one by one and kept in blocks.

A row is a packet: three bytes of length, one of sequence, then the row; a packet of the greatest length goes on in the
next one. See dev.mysql.com, "Protocol Basics".
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedReader
from struct import unpack_from

MIB = 1 << 20
READ = 1 << 20
_LONGEST = 0xFFFFFF
_LAST = 254  # a packet that begins with this or more and is short is not a row


class Block:
    """Bytes of the connection and where rows begin in them."""

    def __init__(self, most: int, rest: memoryview | bytes = b"") -> None:
        self.most = most
        self.bytes = bytearray(max(most, len(rest)) + READ)
        self.bytes[: len(rest)] = rest
        self.held = len(rest)
        self.at = 0
        self.starts: list[int] = []
        self.end: bytes | None = None
        """The packet that says that there are no more rows, or why."""

    def fill(self, stream: BufferedReader) -> bool:
        """Reads what there is; False when the connection has ended."""
        if self.held == len(self.bytes):
            self.bytes = self.bytes + bytearray(len(self.bytes))
        # Not readinto1: that waits for more although there is something.
        data = stream.read1(min(READ, len(self.bytes) - self.held))
        got = len(data)
        self.bytes[self.held : self.held + got] = data
        self.held += got
        if got:
            self.step()
        return bool(got)

    def step(self) -> None:
        data, at, held, add = self.bytes, self.at, self.held, self.starts.append
        while at + 4 < held:
            size = unpack_from("<I", data, at)[0] & _LONGEST
            if at + 4 + size > held:
                break
            if size == _LONGEST:
                joined = self._join(at)
                if not joined:
                    break
                size, held = joined, self.held
            elif data[at + 4] >= _LAST and (size < 9 or data[at + 4] > _LAST):
                self.end = bytes(data[at + 4 : at + 4 + size])
                break
            add(at + 4)
            at += 4 + size
        self.at = at

    def _join(self, at: int) -> int:
        """The length of a row of several packets, made one; 0 when not all of it is here."""
        places, size = [at], _LONGEST
        while size == _LONGEST:
            place = places[-1] + 4 + size
            if place + 4 > self.held:
                return 0
            size = unpack_from("<I", self.bytes, place)[0] & _LONGEST
            places.append(place)
        if places[-1] + 4 + size > self.held:
            return 0
        for place in reversed(places[1:]):
            del self.bytes[place : place + 4]
        self.held -= 4 * (len(places) - 1)
        return _LONGEST * (len(places) - 1) + size

    def full(self) -> bool:
        return self.at >= self.most or self.end is not None

    def rest(self) -> memoryview:
        return memoryview(self.bytes)[self.at : self.held]


def blocks(stream: BufferedReader, batch_mb: int) -> Iterator[Block]:
    """Blocks of about so many MiB until the last packet; the last one holds that packet, or none when the connection
    ended."""
    block = Block(batch_mb * MIB)
    while True:
        while not block.full():
            if not block.fill(stream):
                block.starts = []
                yield block
                return
        yield block
        if block.end is not None:
            return
        following = Block(block.most, block.rest())
        following.step()
        block = following
