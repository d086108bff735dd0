"""The disk is full: it is said, the old rows stay, and with room again the same command ends proved."""

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading import actions, config
from lading.compare import Asked
from tests.conftest import lacking
from tests.faults.conftest import Copy
from tests.faults.sides import Side
from tests.faults.work import Shape, Work
from tests.servers import Postgres

SHAPES = (
    Shape("whole", (("id", "int"),), 8_000),
    Shape("wide", (("id", "int"),), 30_000),
    Shape("later", (("id", "int"),), 8_000, there=False),
)


class Disk:
    """A small disk in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resize(self, kilobytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", self.folder], check=True, capture_output=True)

    @property
    def used(self) -> int:
        """In kilobytes."""
        return shutil.disk_usage(self.folder).used // 1024


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk of 64 MB that can be made smaller, where other users can go: not below pytest's folder."""
    folder = Path(tempfile.mkdtemp(prefix="lading-disk-"))
    folder.chmod(0o777)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=777", "lading", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        folder.rmdir()
        lacking("small-disk", "a small disk cannot be mounted here (needs root)")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)
    folder.rmdir()


def fills(work: Work, disk: Disk, copy: Copy, target: str, room: int) -> None:
    """The disk has so many kilobytes left when the copy begins, and later enough."""
    work.reset()
    disk.resize(disk.used + room)
    bill = copy(work.source, target, slice_rows=2_000, tables=[shape.name for shape in work.shapes])
    failed = [table for table in bill.tables if table.state == "failed"]
    assert failed, "there was room enough"
    assert {table.error_kind for table in failed} == {"unreachable"}, failed
    assert all("full" in table.error or "space" in table.error for table in failed), failed
    work.check_readers()
    disk.resize(64 * 1024)
    again = copy(work.source, target, slice_rows=2_000, tables=[shape.name for shape in work.shapes])
    work.proved(again.model_dump(mode="json"))
    work.check_end()
    print(f"{sum(table.slices_kept for table in again.tables)} slices kept")


@pytest.mark.parametrize("room", [200, 1_000])
@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_file_has_no_room(place, copy, own_store, disk, kind, room):
    target = Side.of(f"{kind}:///{disk.folder}/target.{kind}")
    fills(Work(place("postgres"), target, own_store, shapes=SHAPES), disk, copy, target.url, room)


@pytest.mark.parametrize("target", ["new.duckdb", "new.db", "lake/"])
def test_a_target_that_is_yet_to_be_made_has_no_room(place, copy, own_store, disk, target):
    """What was begun of it is in nobody's way once there is room."""
    source = place("sqlite")
    Work(source, source, own_store, shapes=(Shape("whole", (("id", "int"),), 8_000),))
    for room in (4, 8, 12):
        disk.resize(disk.used + room)
        bill = copy(source, f"{disk.folder}/{target}")
        assert bill.tables[0].error_kind == "unreachable", bill.tables
        assert "full" in bill.tables[0].error
    disk.resize(64 * 1024)
    assert copy(source, f"{disk.folder}/{target}").state == "proved"


@pytest.mark.parametrize("room", [300, 2_000])
def test_a_tablespace_has_no_room(place, copy, own_store, disk, postgres: Postgres, room):
    """The server lives on; only the database's own disk is full."""
    place_of = disk.folder / "space"
    place_of.mkdir(mode=0o777)
    if os.geteuid() == 0:
        shutil.chown(place_of, postgres.account)
    name = f"s{os.urandom(3).hex()}"
    postgres.execute(f"CREATE TABLESPACE {name} LOCATION '{place_of}'")
    postgres.execute(f"CREATE DATABASE {name} TABLESPACE {name}")
    try:
        target = Side.of(postgres.url(name))
        fills(Work(place("sqlite"), target, own_store, shapes=SHAPES), disk, copy, target.url, room)
    finally:
        postgres.drop_database(name)
        postgres.execute(f"DROP TABLESPACE {name}")


def test_files_have_no_room(place, copy, own_store, disk):
    """Parquet files: what is there stays, and what is half written is never seen."""
    import pyarrow.parquet as pq

    source = place("sqlite")
    shape = Shape("wide", (("id", "int"),), 60_000)
    Work(source, source, own_store, shapes=(shape,))
    folder = disk.folder / "lake"
    folder.mkdir()
    assert copy(source, str(folder), slice_rows=5_000).state == "proved"
    before = {path: path.stat().st_size for path in folder.rglob("*.parquet")}
    rows = sum(pq.ParquetFile(path).metadata.num_rows for path in before)
    assert rows == 60_000
    source.execute("UPDATE wide SET v = v + 1")
    disk.resize(disk.used + 100)
    bill = copy(source, str(folder), slice_rows=5_000)
    assert bill.tables[0].error_kind == "unreachable", bill.tables
    assert rows == sum(pq.ParquetFile(path).metadata.num_rows for path in before)
    disk.resize(64 * 1024)
    assert copy(source, str(folder), slice_rows=5_000).state == "proved"


def fill(side: Side, name: str, rows: int, seed: int) -> None:
    text = random.Random(seed)
    side.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, v TEXT)")
    side.fill(name, [(n, text.randbytes(100).hex()) for n in range(rows)])


def test_rows_that_differ_have_no_room(place, disk, monkeypatch):
    """Of the other table it is still said that it is equal."""
    monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
    sides = place("sqlite"), place("sqlite")
    for number, side in enumerate(sides):
        fill(side, "apart", 30_000, number)
        fill(side, "same", 100, 7)
    disk.resize(disk.used + 1_000)
    found = actions.diff(config.move({"source": sides[0].url, "target": sides[1].url}), Asked())
    told = {each.left: (each.verdict, *each.reasons) for each in found.tables}
    assert told.pop("same") == ("equal",)
    ((verdict, reason),) = told.values()
    assert verdict == "inconclusive"
    assert "no room to join the rows that differ" in reason
    assert f"Free space on the disk of '{disk.folder}'" in reason
    assert list(disk.folder.iterdir()) == []


@pytest.mark.parametrize("name", ["all.csv", "all.parquet"])
def test_an_export_has_no_room(place, disk, name):
    """What differs is told all the same, and half of it is not taken for all."""
    sides = place("sqlite"), place("sqlite")
    for number, side in enumerate(sides):
        fill(side, "t", 8_000, number)
    disk.resize(disk.used + 100)
    export = disk.folder / name
    found = actions.diff(config.move({"source": sides[0].url, "target": sides[1].url}), Asked(), None, export)
    assert (found.verdict, found.tables[0].changed, len(found.tables[0].differences)) == ("different", 8_000, 100)
    assert "No space left on device" in found.unexported
    assert not export.exists()


def test_a_connection_has_no_room(disk, monkeypatch):
    """What is in the file stays there."""
    monkeypatch.chdir(disk.folder)
    before = "connections:\n  a: sqlite:///a.db\n".ljust(8 * 1024 - 1, "#") + "\n"
    (disk.folder / "connections.yaml").write_text(before, encoding="utf-8")
    disk.resize(disk.used)
    with pytest.raises(OSError, match="No space left"):
        config.add_connection("b", f"sqlite:///{'b' * 200}.db")
    assert (disk.folder / "connections.yaml").read_text(encoding="utf-8") == before


def test_rows_that_are_kept_have_no_room(place, disk, monkeypatch):
    """Others fill the disk while the rows come: they are read twice instead."""
    monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
    sides = place("sqlite"), place("sqlite")
    for side in sides:
        fill(side, "t", 8_000, 7)
    sides[1].execute("UPDATE t SET v = 'x' WHERE id = 9")
    disk.resize(disk.used + 500)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: type("Free", (), {"free": 1 << 40}))
    (found,) = actions.diff(config.move({"source": sides[0].url, "target": sides[1].url}), Asked()).tables
    assert (found.verdict, found.changed, found.cost_left.rows) == ("different", 1, 16_000)
