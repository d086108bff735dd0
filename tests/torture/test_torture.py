"""Every scenario over every ordered pair of systems: no false alarm, no miss, and every planted value named."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from lading.compare.asked import Way
from lading.config import resolve
from lading.connectors.files import Files
from tests.conftest import ROOT
from tests.servers import MariaDB, Postgres
from tests.torture import loading
from tests.torture.conftest import ZONE
from tests.torture.pairs import Wrong, begin, tried
from tests.torture.scenario import SYSTEMS, scenarios

RESULTS = ROOT / "src/lading/testing/torture.json"
Outcomes = dict[str, Future[tuple[list[str], list[Wrong]]]]


@pytest.fixture(scope="module")
def pool(
    awkward_postgres: Postgres, awkward_mariadb: MariaDB, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProcessPoolExecutor]:
    """Two processes that have all systems open."""
    folder = tmp_path_factory.mktemp("torture")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", ZONE)
        connections = _loaded(folder, awkward_postgres, awkward_mariadb)
        pool = ProcessPoolExecutor(2, get_context("spawn"), begin, (connections, folder))
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def outcomes(pool: ProcessPoolExecutor) -> Outcomes:
    return {each.name: pool.submit(tried, each.name) for each in scenarios()}


def _loaded(folder: Path, postgres: Postgres, mariadb: MariaDB) -> dict[str, Any]:
    for name in ("parquet", "csv"):
        (folder / name).mkdir()
    loading.postgres(postgres, "torture", scenarios())
    loading.mariadb(mariadb, "torture", scenarios())
    loading.sqlite(folder / "t.db", scenarios())
    loading.duckdb_file(folder / "t.duckdb", scenarios())
    loading.parquet(folder / "parquet", scenarios())
    declared = loading.csv(folder / "csv", scenarios())
    urls = {
        "postgres": postgres.url("torture"), "mariadb": mariadb.url("torture"), "sqlite": f"sqlite:///{folder}/t.db",
        "duckdb": f"duckdb:///{folder}/t.duckdb",
    }  # fmt: skip
    files = {"parquet": Files(path=f"{folder}/parquet"), "csv": Files(path=f"{folder}/csv", columns=declared)}
    return {**{name: resolve(url)[1] for name, url in urls.items()}, **files}


@pytest.mark.parametrize("name", [each.name for each in scenarios()])
def test_equal_is_equal_and_what_was_planted_is_named(name: str, outcomes: Outcomes) -> None:
    _, wrong = outcomes[name].result()
    assert not wrong, "\n".join(["", *map(str, wrong[:12]), f"{len(wrong)} in all"])


@pytest.mark.soak
def test_the_same_in_place(pool: ProcessPoolExecutor) -> None:
    """Where a side can hash its own rows. What cannot be read may be hashed, so that more has a verdict."""
    readable = [each.name for each in scenarios() if each.readable]
    wrong = {name: found for name, (_, found) in zip(readable, pool.map(_in_place, readable), strict=True) if found}
    assert not wrong, "\n".join(["", *(f"{each}" for found in wrong.values() for each in found[:2])])


def _in_place(name: str) -> tuple[list[str], list[Wrong]]:
    return tried(name, Way.IN_PLACE)


def test_the_kept_results_are_these(outcomes: Outcomes) -> None:
    """The reference is written from them."""
    found = {"systems": list(SYSTEMS), "scenarios": [_result(each.name, outcomes) for each in scenarios()]}
    text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    if os.environ.get("LADING_TEST_WRITE"):
        RESULTS.write_text(text, encoding="utf-8")
    assert RESULTS.read_text(encoding="utf-8") == text, "Run 'make torture'."


def _result(name: str, outcomes: Outcomes) -> dict[str, Any]:
    scenario = next(each for each in scenarios() if each.name == name)
    lacking = {system: next((s for s in sides if isinstance(s, str)), "") for system, sides in scenario.held.items()}
    return {
        "name": name, "title": scenario.title, "planted": sum(scenario.expected().values()),
        "equal": len(scenario.equal), "pairs": " ".join(outcomes[name].result()[0]),
        "lacks": {system: why for system, why in lacking.items() if why},
    }  # fmt: skip


def test_there_are_enough_scenarios() -> None:
    assert len(scenarios()) >= 40
