"""Logs of steps: lines that hold no secret and have a limit, readable while they are written."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO

from lading.errors import masked

LONGEST = 10_000
"""Characters of a line that are kept."""
LARGEST = 10 * 2**20
"""Bytes of a log after which only the last lines of what comes are kept."""
LAST = 100
"""How many those are."""
_SHORTEST = 8
"""Characters of a secret's line that are taken out by themselves: shorter ones stand in any text."""


class Log:
    """A log that is added to. `secrets` are values that never stand in it. A disk that takes no more is no reason for a
    step to fail: what cannot be written is left out."""

    def __init__(self, path: Path, secrets: Sequence[str] = ()) -> None:
        parts = [part for value in secrets if value for part in (value, *value.splitlines())]
        whole = {value for value in parts if "\n" not in value and (len(value) >= _SHORTEST or value in secrets)}
        self._secrets = sorted(whole, key=len, reverse=True)
        self._left: deque[str] = deque(maxlen=LAST)
        self._more, self._size, self._file = 0, 0, None
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", errors="replace")
            self._size = self._file.tell()

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:  # fmt: skip
        if self._more > LAST:
            self._put(f"... {self._more - LAST:,} lines were left out; the last {LAST} of them:")
        for line in self._left:
            self._put(line)
        with suppress(OSError):
            if self._file:
                self._file.close()

    def note(self, text: str) -> None:
        """Adds lines, each with its time."""
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        for line in masked(text).splitlines():
            self.add(f"{now} {self._clean(line, '')}")

    def copy(self, stream: IO[str]) -> Iterator[str]:
        """Adds the lines of a stream, as they come, and yields each as it was added."""
        margin = max(map(len, self._secrets), default=0)
        for piece in iter(partial(stream.readline, LONGEST + margin), ""):
            more, part = 0, piece
            while not part.endswith("\n") and (part := stream.readline(LONGEST)):
                more += len(part.rstrip("\n"))
            line = piece.rstrip("\n")
            # The end of what was read of a longer line may be the beginning of a secret.
            kept = self._clean(line, "" if not more else f" ... and {more + margin:,} characters more", margin)
            self.add(kept)
            yield kept

    def _clean(self, line: str, more: str, margin: int = 0) -> str:
        for value in self._secrets:
            line = line.replace(value, "***")
        if more:
            return f"{line[: len(line) - margin][:LONGEST]}{more}"
        cut = len(line) - LONGEST
        return line if cut <= 0 else f"{line[:LONGEST]} ... and {cut:,} characters more"

    def add(self, line: str) -> None:
        """Adds a line as it is."""
        if self._size <= LARGEST:
            self._put(line)
            if self._size > LARGEST:
                self._put(f"... the log is full: of what comes now, the last {LAST} lines are added at the end")
        else:
            self._left.append(line)
            self._more += 1

    def _put(self, line: str) -> None:
        with suppress(OSError):
            if self._file:
                self._file.write(f"{line}\n")
                self._file.flush()
                self._size = self._file.tell()


class Reader:
    """Reads logs as they grow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, int] = {}

    def more(self, names: Sequence[str], over: bool) -> Iterator[tuple[str, str]]:
        """The whole lines that have come since the last look, each with its log's name; what is no whole line yet, only
        when the run is over."""
        for name in names:
            path = self.folder / f"{name}.log"
            with suppress(FileNotFoundError), path.open("rb") as file:
                file.seek(self._read.get(name, 0))
                for line in file:
                    if not line.endswith(b"\n") and not over:
                        break
                    self._read[name] = self._read.get(name, 0) + len(line)
                    yield name, line.decode("utf-8", "replace").rstrip("\n")

    @property
    def names(self) -> list[str]:
        """The logs that are there."""
        return sorted(path.stem for path in self.folder.glob("*.log"))
