"""A lock that somebody else holds: the copy waits for it, or says who has it; never wrong rows."""

import subprocess
import sys
import time

import pytest

from lading.errors import Unreachable
from tests.faults.others import hold, meanwhile
from tests.faults.sides import Side
from tests.faults.work import Shape, Work

SHAPES = (Shape("whole", (("id", "int"),), 4_000), Shape("loose", (), 1_000))
LOCK = {
    "sqlite": "UPDATE whole SET v = v",  # holds the whole file
    "postgres": "LOCK TABLE whole IN ACCESS EXCLUSIVE MODE",
    "mariadb": "LOCK TABLES whole WRITE",
}
OPTION = {"sqlite": "busy_seconds", "postgres": "lock_seconds", "mariadb": "lock_seconds"}


def impatient(side: Side, kind: str) -> str:
    """The address of a connection that waits a second."""
    return f"{side.url}?{OPTION[kind]}=1"


def waits(place, copy, own_store, kind: str, which: str, seconds: float) -> None:
    sides = (place(kind), place("duckdb")) if which == "source" else (place("sqlite"), place(kind))
    work = Work(*sides, own_store, shapes=SHAPES, slice_rows=500)
    work.reset()
    with meanwhile(hold, getattr(work, which).url, LOCK[kind], seconds):
        began = time.monotonic()
        bill = copy(work.source, work.target, slice_rows=500)
    if which == "target" or kind != "sqlite":  # which can be read while another writes
        assert time.monotonic() - began >= seconds * 0.8
    work.proved(bill.model_dump(mode="json"))
    work.check_end()


@pytest.mark.parametrize("which", ["source", "target"])
@pytest.mark.parametrize("kind", LOCK)
def test_a_short_lock_is_waited_for(place, copy, own_store, kind, which):
    waits(place, copy, own_store, kind, which, 3)


@pytest.mark.soak
@pytest.mark.parametrize("which", ["source", "target"])
@pytest.mark.parametrize("kind", LOCK)
def test_a_lock_of_a_minute_is_waited_for(place, copy, own_store, kind, which):
    waits(place, copy, own_store, kind, which, 58 if kind == "sqlite" else 62)


@pytest.mark.parametrize("kind", LOCK)
def test_a_lock_that_stays_is_said(place, copy, own_store, kind):
    work = Work(place("sqlite"), place(kind), own_store, shapes=SHAPES, slice_rows=500)
    work.reset()
    with meanwhile(hold, work.target.url, LOCK[kind], 60):
        bill = copy(work.source, impatient(work.target, kind), slice_rows=500)
        assert bill.state == "failed"
    failed = [table for table in bill.tables if table.state == "failed"]
    assert {table.error_kind for table in failed} == {"unreachable"}, failed
    assert all("lock" in table.error for table in failed), failed
    work.check_readers()
    bill = copy(work.source, impatient(work.target, kind), slice_rows=500)
    work.proved(bill.model_dump(mode="json"))
    work.check_end()


def test_a_duckdb_file_that_another_process_has_open_is_said(place, copy, own_store):
    work = Work(place("sqlite"), place("duckdb"), own_store, shapes=SHAPES, slice_rows=500)
    work.reset()
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, work.target.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout
    other.stdout.readline()
    with pytest.raises(Unreachable, match="lock"):
        copy(work.source, work.target)
    other.communicate("")
    work.proved(copy(work.source, work.target).model_dump(mode="json"))
    work.check_end()
