"""A small legacy database, and the command line as people start it."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.forked import Forked


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    """Runs `lading` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "lading.cli", *words]

    def __call__(self, *words: str) -> Done:
        process = Forked("lading.cli", *words, cwd=self.folder, env=self.env)
        out, err = process.communicate(120)
        return Done(process.wait(), out, err)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


class Inside(Shell):
    """The same within this process: quicker, for what does not depend on a process of its own."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str]) -> None:
        super().__init__(folder)
        self.patch, self.captured = patch, captured
        patch.chdir(folder)
        patch.setenv("COLUMNS", "100")

    def __call__(self, *words: str) -> Done:
        from lading import cli

        self.patch.setattr(sys, "argv", ["lading", *words])
        self.captured.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, *self.captured.readouterr())


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Inside:
    return Inside(tmp_path, monkeypatch, capsys)


@pytest.fixture
def legacy(tmp_path: Path) -> Path:
    """Three tables, one of them without a key, and one empty."""
    path = tmp_path / "legacy.db"
    with sqlite3.connect(path) as db:
        db.executescript(
            """
            CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(40), born DATE);
            CREATE TABLE amounts (person INTEGER, amount DECIMAL(10,2));
            CREATE TABLE "an empty one" (id INTEGER PRIMARY KEY);
            """
        )
        db.executemany("INSERT INTO people VALUES (?, ?, ?)", [(n, f"Ann {n}", "1980-02-29") for n in range(500)])
        db.executemany("INSERT INTO amounts VALUES (?, ?)", [(n % 50, n / 4) for n in range(1_000)])
    db.close()
    return path


def rows(warehouse: Path, sql: str) -> list[tuple[Any, ...]]:
    import duckdb

    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(sql).fetchall()
