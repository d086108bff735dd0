"""Places to copy to, and a copy that is proved."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lading import actions
from lading.prove import Bill
from lading.spec import Move
from tests.journeys.looks import failed

TARGETS = ("sqlite", "duckdb", "postgres", "mysql", "parquet", "csv")


class Places:
    """Call it with a kind: the address of a fresh, empty place of that kind."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        self._request, self._folder = request, folder
        self._undo: dict[str, Callable[[], None]] = {}

    def __call__(self, kind: str) -> str:
        name = f"j{secrets.token_hex(4)}"
        path = self._folder / {"sqlite": f"{name}.db", "duckdb": f"{name}.duckdb"}.get(kind, name)
        if kind in ("postgres", "mysql"):
            server = self._request.getfixturevalue({"mysql": "mariadb"}.get(kind, kind))
            address, undo = str(server.create_database(name)), lambda: server.drop_database(name)
        elif kind in ("sqlite", "duckdb"):
            address, undo = f"{kind}:///{path}", lambda: path.unlink(missing_ok=True)
        else:
            path.mkdir()
            address, undo = f"{kind}:///{path}", lambda: shutil.rmtree(path)
        self._undo[address] = undo
        return address

    def drop(self, *addresses: str) -> None:
        """These, as big ones need not stay until the end of the test, or all."""
        for each in addresses or tuple(self._undo):
            self._undo.pop(each)()


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Places]:
    places = Places(request, tmp_path)
    yield places
    places.drop()


@pytest.fixture
def copied() -> Callable[..., Bill]:
    """Copies in one line; every table is proved, and nothing had to be accepted that the test did not name."""

    def copy(source: str, target: str, **words: Any) -> Bill:
        bill = actions.copy(Move.model_validate({"from": source, "to": target, **words}))
        assert bill.state == "proved", failed(bill)
        assert all(table.rows.balanced for table in bill.tables)
        return bill

    return copy
