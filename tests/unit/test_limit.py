"""How a size of memory becomes streams and batches."""

import ctypes
import importlib
import multiprocessing
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from itertools import pairwise

import pytest

from lading import actions, copying
from lading.compare import Asked
from lading.connector import Connection
from lading.connectors.duckdb import DuckDB
from lading.connectors.files import Files
from lading.connectors.memory import Memory
from lading.connectors.mysql import MySQL
from lading.connectors.postgres import Postgres
from lading.connectors.sqlite import SQLite
from lading.driver import rows_within
from lading.memory import MIB, share, size, small, within
from lading.plan import Side, plan
from lading.prove import State
from lading.reconcile import Reconciling
from lading.run import lean
from lading.spec import Move
from lading.testing.steps import table

PEOPLE = table("people", id="int(64)!", name="string(40)")


@pytest.mark.parametrize(
    ("text", "held"),
    [("", 0), ("256MiB", 256 * MIB), ("1GiB", 1024 * MIB), ("300MB", 300_000_000), ("1.5 gb", 1_500_000_000)],
)
def test_a_size_is_read(text, held):
    assert size(text) == held


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lots", "write it as 256MiB"),
        ("512", "write it as 256MiB"),
        ("-1GiB", "write it as"),
        ("255MiB", "256MiB or more"),
    ],
)
def test_what_is_no_size_or_too_small_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        Move(**{"from": "a", "to": "b", "memory": text})


def test_the_most_is_had_where_there_is_room_and_the_least_never_falls_below_one():
    assert share(256 * MIB) == (1, 1, 20)
    assert share(512 * MIB)[0] == 1 < share(640 * MIB)[0] == 2
    assert share(1024 * MIB) == (4, 8, 160)
    sizes = [share(mb * MIB) for mb in range(256, 2048, 16)]
    assert all(low <= high for a, b in pairwise(sizes) for low, high in zip(a, b, strict=True))


def test_connections_are_told_what_they_can_be_told_and_keep_less():
    known: dict[str, Connection] = {
        "a": Postgres(host="h"),
        "b": DuckDB(path="x", memory_mb=64),
        "c": Memory(name="m"),
        "d": Files(path="p"),
    }
    small = {name: within(side, 256 * MIB) for name, side in known.items()}
    told = [getattr(small[name], field) for name, field in (("a", "batch_mb"), ("b", "memory_mb"), ("d", "batch_mb"))]
    assert told == [1, 20, 1]
    assert small["c"] == known["c"]
    assert within(known["b"], 1 << 40) == known["b"], "what its owner wrote is not raised"
    assert small["d"].address() == known["d"].address(), "it is the same place"
    move = Move(**{"from": "a", "to": "d", "memory": "256MiB"})
    assert copying.sides(move, lambda name: (name, known[name])) == (small["a"], small["d"])


def test_the_plan_says_what_was_done():
    for memory, readers, said in (
        ("256MiB", 1, "within 256 MiB: one slice at a time, batches of 1 MiB"),
        ("1GiB", 4, "within 1,024 MiB: up to 4 slices at a time, batches of 8 MiB"),
    ):
        move = Move(**{"from": "a", "to": "b", "memory": memory})
        made = plan(move, [PEOPLE], (side(Postgres), side(DuckDB)), lambda t: t, lambda _t: None)
        assert (made.readers, made.memory) == (readers, size(memory))
        assert made.reasons == (said,)


def side(kind: type[Connection]) -> Side:
    return Side(address=kind.__name__, can=kind.can, options=tuple(kind.model_fields))


def test_the_plan_says_only_what_was_done():
    """Not every connection lets its batches and its patience be set."""
    slow = "gently: at most 9 rows a second, one slice at a time"
    for sides, words, said in (
        ((SQLite, DuckDB), {"memory": "256MiB"}, "within 256 MiB: one slice at a time, batches of 1 MiB"),
        ((DuckDB, SQLite), {"memory": "256MiB"}, "within 256 MiB: one slice at a time"),
        ((SQLite, DuckDB), {"gentle": 9}, f"{slow}, 2 seconds for locks of the source"),
        ((DuckDB, Postgres), {"gentle": 9}, f"{slow}, 2 seconds for locks of the target"),
        ((Postgres, MySQL), {"gentle": 9}, f"{slow}, 2 seconds for locks of the source and the target"),
        ((DuckDB, DuckDB), {"gentle": 9}, slow),
    ):
        move = Move(**{"from": "a", "to": "b", **words})
        made = plan(move, [PEOPLE], (side(sides[0]), side(sides[1])), lambda t: t, lambda _t: None)
        assert made.reasons[0] == said


def test_rows_are_as_many_as_come_to_a_batch_by_what_columns_allow():
    narrow, wide = table("t", id="int(64)"), table("t", id="int(64)", note="string(4000)")
    assert (rows_within(64, narrow, 512), rows_within(1, narrow, 512)) == (16_384, 16_384)
    assert rows_within(64, wide, 512) == 4_189
    assert rows_within(1, wide, 512) == 65
    assert rows_within(64, table("t", note="string"), 512) == 512
    assert rows_within(1, table("t", note="string(4000000)"), 512) == 1


class Held(ctypes.Structure):
    """See mallinfo2(3); `n4` are the bytes of blocks that are apart."""

    _fields_ = tuple((f"n{place}", ctypes.c_size_t) for place in range(10))


def mapped(wide: bool) -> int:
    """How many bytes of a block of 2 MiB the C library takes apart, after it has given back larger ones."""
    library = ctypes.CDLL(None)
    library.malloc.restype, library.mallinfo2.restype = ctypes.c_void_p, Held
    library.malloc.argtypes, library.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
    with lean(mapped=wide):
        library.free(library.malloc(16 * MIB))
        before = library.mallinfo2().n4
        block = library.malloc(2 * MIB)
        after = library.mallinfo2().n4
        library.free(block)
    return int(after - before)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="a C library other than a new glibc")
def test_large_blocks_are_given_back_where_tables_are_wide():
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as other:
        kept, given_back = (other.submit(mapped, wide).result() for wide in (False, True))
    assert kept == 0
    assert given_back >= 2 * MIB


@pytest.mark.parametrize("columns", [63, 64])
def test_tables_of_many_columns_are_wide(columns, monkeypatch, tmp_path):
    asked = list[None]()
    monkeypatch.setattr(importlib.import_module("lading.run"), "map_large", lambda: asked.append(None))
    with closing(sqlite3.connect(tmp_path / "a.db")) as file:
        file.execute(f"CREATE TABLE t ({', '.join(f'c{n} INTEGER' for n in range(columns))})")
    bill = actions.copy(Move(**{"from": f"sqlite:///{tmp_path}/a.db", "to": f"sqlite:///{tmp_path}/b.db"}))
    assert (bill.state, len(asked)) == (State.PROVED, columns == 64)


@pytest.mark.parametrize(("way", "batch_mb"), [(None, 8), ("in place", 1)])
def test_what_is_hashed_in_place_needs_small_batches(way, batch_mb):
    postgres, duck = Postgres.from_url("postgresql://me@host/x"), DuckDB(path="x.duckdb")
    found = Reconciling(postgres, duck, Asked(way=way)).connections
    # Another limit for its engine would keep others from the file.
    assert found == (postgres.model_copy(update={"batch_mb": batch_mb}), duck)


def test_small_batches_leave_those_alone_that_were_set():
    given = [Postgres(host="db"), Postgres(host="db", batch_mb=16), MySQL()]
    assert [getattr(small(each), "batch_mb") for each in given] == [1, 16, MySQL().batch_mb]  # noqa: B009
