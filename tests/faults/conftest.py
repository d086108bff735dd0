"""What the fault tests share: empty databases, and copies run here or in a process of their own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lading import actions, config
from lading.prove import Bill
from tests.faults.sides import Side

Place = Callable[[str], Side]
Copy = Callable[..., Bill]


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Call it with a kind: an empty database of that kind."""
    made: list[tuple[Any, str]] = []

    def make(kind: str) -> Side:
        name = f"f{secrets.token_hex(4)}"
        if kind in ("sqlite", "duckdb"):
            return Side.of(f"{kind}:///{tmp_path}/{name}.{kind}")
        server = request.getfixturevalue(kind)
        made.append((server, name))
        return Side.of(server.create_database(name))

    yield make
    for server, name in made:
        server.drop_database(name)


@pytest.fixture
def copy(own_store: Path, monkeypatch: pytest.MonkeyPatch) -> Copy:
    """Call it with two sides, or addresses, and the words of a move: a copy in this process; its bill."""
    monkeypatch.setenv("LADING_RETRY_SECONDS", "0")

    def run(source: Side | str, target: Side | str, **words: Any) -> Bill:
        urls = {"source": getattr(source, "url", source), "target": getattr(target, "url", target)}
        return actions.copy(config.move({**urls, **words}))

    return run
