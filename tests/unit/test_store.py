"""The store's schema: stores of every earlier revision are brought to the newest, and what is in them stays."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

import lading
from lading import revisions, store, widths
from lading.errors import Unreachable
from lading.prove import Bill
from lading.store import Store

MIGRATIONS = Path(lading.__file__).parent / "migrations"
REVISIONS = sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("0*.py"))
BILL = Bill.model_validate(
    {"run": "r1", "state": "proved", "source": "a", "target": "b", "started": "2026-01-01T00:00:00Z", "seconds": 1}
)


def old(url: str, revision: str) -> None:
    """A store as an earlier Lading left it, with one run."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        revisions.upgrade(connection, revision)
        columns = "id, pipeline, started, state, owner, beat, bill"
        values = {"id": "r1", "started": "2026-01-01", "bill": BILL.model_dump_json()}
        given = ":id, 'p', :started, 'proved', 'x:1:1', :started, :bill"
        connection.execute(sa.text(f"INSERT INTO runs ({columns}) VALUES ({given})"), values)
    engine.dispose()


def test_the_newest_revision_is_the_store_s():
    assert REVISIONS[-1] == store.HEAD


def test_a_new_store_is_what_the_migrations_make(tmp_path):
    """Whoever adds one writes it to newest.sql by `make docs`."""
    assert revisions.NEWEST.read_text("utf-8") == revisions.newest()
    old(f"sqlite:///{tmp_path / 'old.db'}", REVISIONS[0])
    made = []
    for name in ("old", "new"):
        opened = Store(str(tmp_path / f"{name}.db"))
        inspector = sa.inspect(opened.engine)
        made.append({t: (inspector.get_columns(t), inspector.get_indexes(t)) for t in inspector.get_table_names()})
        opened.close()
    assert repr(made[0]) == repr(made[1])


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store that is not there yet."""
    if request.param == "postgres":
        address: str = request.getfixturevalue("pg_database")
        return address.replace("postgresql://", "postgresql+psycopg://")
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_an_older_store_is_brought_to_the_newest(url, revision):
    old(url, revision)
    opened = Store(url)
    try:
        assert widths.narrow(opened) == [], "as if it had been made new"
        assert opened.bills(10) == [BILL], "its runs are no parts of others"
        opened.begin("r2", "p", "r1")
        parts = opened.rows(sa.select(store.runs.c.part_of).order_by(store.runs.c.id))
        assert [row.part_of for row in parts] == ["", "r1"]
        assert {"step_runs", "approvals", "releases"} <= set(sa.inspect(opened.engine).get_table_names())
    finally:
        opened.close()


def test_a_migration_that_is_cut_off_leaves_nothing(tmp_path):
    old(f"sqlite:///{tmp_path / 'store.db'}", "0004")
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'store.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE dues (x TEXT)"))  # in the way, after 'runs' was changed
    with pytest.raises(Unreachable, match="dues already exists"):
        Store(str(tmp_path / "store.db"))
    assert "ended" not in {column["name"] for column in sa.inspect(engine).get_columns("runs")}
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE dues"))
    engine.dispose()
    Store(str(tmp_path / "store.db")).close()


OPEN = "import sys; from lading.store import Store; print('there', flush=True); input(); Store(sys.argv[1]).close()"


def test_many_open_a_new_store_at_once(url: str):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    crowd: list[subprocess.Popen[str]] = [
        subprocess.Popen([sys.executable, "-c", OPEN, url], **pipes)  # type: ignore[call-overload]
        for _ in range(6)
    ]
    assert all(each.stdout and each.stdout.readline() == "there\n" for each in crowd)
    for each in crowd:
        assert each.stdin
        each.stdin.write("go\n")
        each.stdin.flush()
    ends = [each.communicate(timeout=60)[1] for each in crowd]
    assert [(each.returncode, end) for each, end in zip(crowd, ends, strict=True)] == [(0, "")] * 6
