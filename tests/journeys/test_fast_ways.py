"""The contract tries every case on a connector. A copy takes ways of its own: rows that pass undecoded, sums that are
asked aside, rows that are read ahead. Here every case goes from one system into another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from lading import actions
from lading.connector import WHOLE, Session
from lading.errors import LadingError
from lading.find import from_url
from lading.prove import State
from lading.schema import Column, Table, losses
from lading.spec import Move
from lading.testing.case import Case, cases
from lading.testing.steps import arrow_schema, found, load_of
from lading.testing.typed import carried, shown
from lading.types import parse
from lading.values import cast
from tests.connectors import test_mysql, test_postgres
from tests.servers import MariaDB, Postgres

WAIVED = {"postgres": test_postgres.TestContract.waivers, "mariadb": test_mysql.TestMySQL.waivers}
REFUSED = {"postgresql": WAIVED["postgres"].keys(), "mysql": WAIVED["mariadb"].keys()}
"""Cases of which a target refuses a value, and says so."""
ID = Column(name="id", type=parse("int(32)"), null=False)


@pytest.fixture(scope="module")
def source(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database that holds a table for every case that the system takes. Copies only read it: one for all targets."""
    server: Postgres | MariaDB = request.getfixturevalue(request.param)
    url = server.create_database("cases")
    refused = {case.name for case in cases() if not _put(url, case)}
    assert refused <= WAIVED[request.param].keys()
    yield url
    server.drop_database("cases")


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres, mariadb: MariaDB) -> Iterator[str]:
    servers: dict[str, Postgres | MariaDB] = {"postgres": postgres, "mariadb": mariadb}
    server = servers.get(request.param)
    if server is None:
        yield f"{request.param}:///{tmp_path}/out"
        return
    yield server.create_database("arrived")
    server.drop_database("arrived")


def _put(url: str, case: Case) -> bool:
    """Whether a table of a case's values could be made."""
    table = Table(name=_named(case), columns=(Column(name="value", type=case.type), ID), key=("id",))
    with from_url(url).open() as session:
        load = load_of(session, table)
        to, key = load.table.columns
        lost = [loss for loss in losses(table, load.table) if loss.column == "value"]
        try:
            values, places = carried(case.array, case.type, to.type, lost)
            ids = cast(pa.array(places, pa.int32()), ID.type, key.type)[0]
            session.prepare(load)
            session.stage(load, iter([pa.record_batch([values, ids], schema=arrow_schema(load.table))]), 0)
            session.publish([load])
        except (AssertionError, LadingError):
            return False
        finally:
            session.discard(load)
    return True


def _named(case: Case) -> str:
    return f"c_{case.name}".replace("-", "_")


def _values(session: Session, table: Table) -> list[str | None]:
    """The values of a table, by its key."""
    read = pa.Table.from_batches(session.read(table, WHOLE), arrow_schema(table)).sort_by("id")
    return shown(read.column("value").combine_chunks(), table.columns[0].type)


@pytest.mark.parametrize("target", ["postgres", "mariadb", "duckdb", "parquet"], indirect=True)
@pytest.mark.parametrize("source", ["postgres", "mariadb"], indirect=True)
def test_every_case_arrives(source: str, target: str) -> None:
    bill = actions.copy(Move.model_validate({"from": source, "to": target}))
    failed = [table for table in bill.tables if table.state is not State.PROVED]
    kinds = {table.table.removeprefix("c_").replace("_", "-"): table.error_kind for table in failed}
    refused = {name for name, kind in kinds.items() if kind == "data"}
    assert refused <= REFUSED.get(target.partition(":")[0], set()), failed
    assert set(kinds.values()) <= {"spec", "unsupported", "data"}, failed
    proved = [table for table in bill.tables if table.state is State.PROVED]
    assert len(proved) > len(cases()) / 2, failed
    alike = 0
    with from_url(source).open() as reading, from_url(target).open() as writing:
        for table in proved:
            here, there = found(reading, table.table), found(writing, table.into)
            if [c.type for c in here.columns] == [c.type for c in there.columns]:
                assert _values(writing, there) == _values(reading, here), table.table
                alike += 1
    assert alike > len(cases()) / 3
    undecoded = [table for table in proved if table.proof and table.proof.chain.startswith("each system")]
    assert len(undecoded) > 20 if source.startswith("postgres") and target.startswith("postgres") else not undecoded
