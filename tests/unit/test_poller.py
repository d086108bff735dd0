"""Looks at the folders of files that arrive: what goes wrong with one is said, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lading import arrivals, poller
from lading.arrivals import Box
from lading.connectors.files import Files
from lading.expecting import expect
from lading.spec import Pipeline
from lading.store import Store

STEP = {
    "do": "receive", "key": "s", "from": "drop", "files": "*.csv", "columns": {"id": "int(64)"}, "to": "wh",
    "into": "t", "every_seconds": 0.1,
}  # fmt: skip


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(str(tmp_path / "store.db"))
    yield opened
    opened.close()


@pytest.fixture
def looks(tmp_path: Path, store: Store, told: list[str]) -> poller.Poller:
    due = datetime.now(UTC) - timedelta(minutes=10)
    expected = {"cron": f"{due.minute} {due.hour} * * *", "deadline": "1m"}
    pipeline = Pipeline.model_validate({"name": "p", "steps": [STEP | {"expected": expected}]})
    pipelines, connection = {"p": pipeline}, Files(path=str(tmp_path / "drop"))
    (tmp_path / "drop").mkdir()
    box = Box("p", "s", connection.address())
    expect(store, box, pipeline.steps[0], due - timedelta(minutes=10))  # type: ignore[arg-type]
    return poller.Poller(
        store, lambda: (pipelines, True), lambda name: (name, connection), lambda *words: told.append(words[2]),
        lambda *_words: None,
    )  # fmt: skip


def look(looks: poller.Poller, once: bool = False) -> None:
    for each in looks.begin(datetime.now(UTC), once):
        each.result()


def states(store: Store, tmp_path: Path) -> list[str]:
    box = Box("p", "s", Files(path=str(tmp_path / "drop")).address())
    return [each.state for each in arrivals.expectations(store, box)]


def test_what_nobody_thought_of_is_said_of_a_look(looks, told, monkeypatch):
    def broken(*_words: Any) -> None:
        raise ZeroDivisionError("nobody thought of it")

    monkeypatch.setattr(poller, "look", broken)
    look(looks)
    assert [text.partition(": ")[2] for text in told] == ["ZeroDivisionError: nobody thought of it"]


def test_what_goes_wrong_before_a_look_ends_no_later_one(looks, told, monkeypatch):
    monkeypatch.setattr(poller, "TICK_SECONDS", 0.01)
    begin, failed = looks.begin, list[int]()

    def once(now: datetime) -> Any:
        if not failed:
            failed.append(1)
            raise ZeroDivisionError("nobody thought of it")
        failed.append(2)
        return begin(now)

    looks.begin = once
    with looks.running():
        while 2 not in failed:
            pass
    assert told == ["Looking for files: ZeroDivisionError: nobody thought of it"]


def test_what_came_before_the_first_look_came_in_time(looks, told, store, tmp_path):
    (tmp_path / "drop/a.csv").write_text("id\n1\n")
    while states(store, tmp_path) == ["since"]:
        look(looks)
    assert states(store, tmp_path) == ["since", "came"]
    assert told == ["1 file at drop"]


def test_who_looks_once_says_at_once_what_is_missing(looks, told, store, tmp_path):
    look(looks, once=True)
    assert states(store, tmp_path) == ["since", "missing"]
    assert len(told) == 2
