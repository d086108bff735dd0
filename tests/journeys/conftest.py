"""Places to copy to, and a copy that is proved."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lading import actions
from lading.prove import Bill
from lading.spec import Move
from tests.journeys.looks import failed

TARGETS = ("sqlite", "duckdb", "postgres", "mysql", "parquet", "csv")


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Call it with a kind: the address of a fresh, empty place of that kind."""
    undo: list[Callable[[], None]] = []

    def make(kind: str) -> str:
        name = f"j{secrets.token_hex(4)}"
        match kind:
            case "sqlite":
                return f"sqlite:///{tmp_path / name}.db"
            case "duckdb":
                return f"duckdb:///{tmp_path / name}.duckdb"
            case "postgres" | "mysql":
                server = request.getfixturevalue({"mysql": "mariadb"}.get(kind, kind))
                undo.append(lambda: server.drop_database(name))
                return str(server.create_database(name))
            case _:
                (tmp_path / name).mkdir()
                return f"{kind}:///{tmp_path / name}"

    yield make
    for each in undo:
        each()


@pytest.fixture
def copied() -> Callable[..., Bill]:
    """Copies in one line; every table is proved, and nothing had to be accepted that the test did not name."""

    def copy(source: str, target: str, **words: Any) -> Bill:
        bill = actions.copy(Move.model_validate({"from": source, "to": target, **words}))
        assert bill.state == "proved", failed(bill)
        assert all(table.rows.balanced for table in bill.tables)
        return bill

    return copy
