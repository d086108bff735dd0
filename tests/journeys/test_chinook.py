"""Chinook: the same music shop as SQLite, PostgreSQL and MySQL scripts by somebody else, copied everywhere."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lading.prove import Bill
from tests.journeys import looks
from tests.journeys.conftest import TARGETS

TABLES = {
    "album": 347, "artist": 275, "customer": 59, "employee": 8, "genre": 25, "invoice": 412, "invoiceline": 2240,
    "mediatype": 5, "playlist": 18, "playlisttrack": 8715, "track": 3503,
}  # fmt: skip


@pytest.fixture(scope="module")
def scripts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The addresses of the three originals, by kind; those whose server is absent are left out."""
    folder: Path = request.getfixturevalue("data_dir")("chinook")
    copy = tmp_path_factory.mktemp("chinook") / "chinook.sqlite"
    shutil.copy(folder / "Chinook_Sqlite.sqlite", copy)
    copy.chmod(0o600)
    postgres, mariadb = request.getfixturevalue("postgres"), request.getfixturevalue("mariadb")
    name = f"chinook{secrets.token_hex(4)}"
    found = {
        "sqlite": f"sqlite:///{copy}",
        "postgres": postgres.create_database(name),
        "mysql": mariadb.create_database(name),
    }
    looks.query(found["postgres"], _body(folder / "Chinook_PostgreSql.sql"))
    # Else the backslashes in a few names, which the other scripts mean as they stand, would be lost on the way in.
    plain = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES');"
    looks.script(found["mysql"], plain + _body(folder / "Chinook_MySql.sql"))
    yield found
    postgres.drop_database(name)
    mariadb.drop_database(name)


def _body(path: Path) -> str:
    """The script without the lines that make and choose a database."""
    return re.sub(r"(?im)^\s*(?:drop database|create database|use |\\c ).*$", "", path.read_text(encoding="utf-8-sig"))


def _places(scripts: dict[str, str]) -> dict[str, dict[str, looks.Read]]:
    return {kind: looks.plain_names(looks.contents(address)) for kind, address in scripts.items()}


def test_originals_hold_the_same_shop(scripts: dict[str, str]):
    found = _places(scripts)
    for kind, tables in found.items():
        assert {name: len(table.rows) for name, table in tables.items()} == TABLES, kind


@pytest.mark.parametrize("kind", TARGETS)
def test_every_copy_equals_its_original_and_the_others(
    kind: str, scripts: dict[str, str], place: Callable[[str], str], copied: Callable[..., Bill]
):
    originals = _places(scripts)
    copies: dict[str, dict[str, looks.Read]] = {}
    for source, address in scripts.items():
        target = place(kind)
        bill = copied(address, target)
        assert sum(table.rows.target for table in bill.tables) == sum(TABLES.values())
        assert [loss for table in bill.tables for loss in table.losses] == []
        copies[source] = looks.plain_names(looks.contents(target))
        assert {name: len(table.rows) for name, table in copies[source].items()} == TABLES
        if source == kind == "sqlite":
            assert looks.contents(target) == looks.contents(address)
        for name in TABLES:
            assert looks.same(originals[source][name], copies[source][name]) == "", f"{source}: {name}"
    for name in TABLES:
        # PostgreSQL itself drops the blank of N'Edinburgh ' when it runs the script: N'...' is a char(n) there.
        assert looks.same(copies["postgres"][name], copies["mysql"][name], padded=("city", "billing_city")) == "", name
