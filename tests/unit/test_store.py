"""The store's schema: stores of every earlier revision are brought to the newest, and what is in them stays."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import lading
from lading import store
from lading.prove import Bill
from lading.store import Store

MIGRATIONS = Path(lading.__file__).parent / "migrations"
REVISIONS = sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("0*.py"))
BILL = Bill.model_validate(
    {"run": "r1", "state": "proved", "source": "a", "target": "b", "started": "2026-01-01T00:00:00Z", "seconds": 1}
)


def old(path: Path, revision: str) -> None:
    """A store as an earlier Lading left it, with one run."""
    engine = sa.create_engine(f"sqlite:///{path}")
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, revision)
        columns = "id, pipeline, started, state, owner, beat, bill"
        values = {"id": "r1", "started": "2026-01-01", "bill": BILL.model_dump_json()}
        given = ":id, 'p', :started, 'proved', 'x:1:1', :started, :bill"
        connection.execute(sa.text(f"INSERT INTO runs ({columns}) VALUES ({given})"), values)
    engine.dispose()


def test_the_newest_revision_is_the_store_s():
    assert REVISIONS[-1] == store.HEAD


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_an_older_store_is_brought_to_the_newest(tmp_path, revision):
    old(tmp_path / "store.db", revision)
    opened = Store(str(tmp_path / "store.db"))
    try:
        assert opened.bills(10) == [BILL], "its runs are no parts of others"
        opened.begin("r2", "p", "r1")
        parts = opened.rows(sa.select(store.runs.c.part_of).order_by(store.runs.c.id))
        assert [row.part_of for row in parts] == ["", "r1"]
        assert {"step_runs", "approvals"} <= set(sa.inspect(opened.engine).get_table_names())
    finally:
        opened.close()
