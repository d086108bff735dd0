"""Killed at any moment: a rerun goes on from the ledger, and readers see old rows or new ones."""

import os
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.faults import others
from tests.faults.sides import eventually
from tests.faults.work import LARGE, SLICE_ROWS, Shape, Work

TARGETS = ("sqlite", "duckdb", "postgres", "mariadb")
SOURCES = {"sqlite": "sqlite", "duckdb": "postgres", "postgres": "mariadb", "mariadb": "postgres"}
SEED = int(os.environ.get("LADING_TEST_SEED", "1"))
SMALL = (
    Shape("pair", (("region", "text"), ("number", "int")), 25_000),
    Shape("loose", (), 4_000),
    Shape("later", (("id", "int"),), 4_000, there=False),
)


@contextmanager
def watched(work: Work) -> Iterator[None]:
    """Somebody looks at the target all the time, where others can while Lading writes: not in DuckDB's file."""
    if work.target.url.startswith("duckdb"):
        yield
        return
    allowed = {shape.name: work.allowed(shape) for shape in work.shapes if shape.there}
    seen = others.SPAWN.SimpleQueue()
    with others.meanwhile(others.look, work.target.url, list(allowed), seen) as count:
        yield
        assert count.value > 5
    while not seen.empty():
        table, *found = seen.get()
        assert tuple(found) in allowed[table], (table, found, allowed[table], f"seed {work.seed}")


def survive(work: Work, kills: int) -> None:
    """So many kills, in chains of one to three between the first run and the one that ends."""
    rng = random.Random(work.seed)
    span = work.unkilled()
    while work.kills < kills:
        work.reset()
        moments: list[float] = []
        with watched(work):
            for _ in range(rng.choice((1, 2, 3)) if kills > 5 else min(3, kills - work.kills)):
                # Reruns are shorter, and the last part of a run holds the publishing.
                moments.append(rng.uniform(0, span) if rng.random() < 0.7 else rng.uniform(span * 0.6, span))
                if not work.kill_after(moments[-1]):
                    break
                work.check_readers()
            else:
                work.finish()
        print(f"seed {work.seed}: killed after {', '.join(f'{moment:.3f}' for moment in moments)} s")
    print(f"{work.kills} kills, {work.kept} slices kept, {span:.1f} s a run")


@pytest.mark.parametrize("mode", ["replace", "merge"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_killed_copy_goes_on(place, own_store, target, mode):
    survive(Work(place(SOURCES[target]), place(target), own_store, mode, SEED), 3)


def test_a_killed_copy_of_undecoded_rows_goes_on(place, own_store):
    work = Work(place("postgres"), place("postgres"), own_store, seed=SEED)
    survive(work, 2)
    proofs = [table["proof"] for table in work.proved(work.run()).values()]
    assert {proof["chain"].partition(" its own")[0] for proof in proofs} == {"each system hashed"}


@pytest.mark.parametrize("target", TARGETS)
def test_killed_appends_are_not_doubled(place, own_store, target):
    survive(Work(place(SOURCES[target]), place(target), own_store, "append", SEED, shapes=SMALL), 2)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(5))
@pytest.mark.parametrize("mode", ["replace", "merge", "append"])
@pytest.mark.parametrize("target", TARGETS)
def test_200_kills_a_target(place, own_store, target, mode, part):
    kills = 20 if mode == "replace" else 10
    source = TARGETS[(TARGETS.index(target) + part) % 4]
    survive(Work(place(source), place(target), own_store, mode, SEED * 100 + part, shapes=LARGE), kills)


STATES = ("publishing", "published", "done")
MODES = ("replace", "merge", "append")
WINDOWS = [(target, mode, state) for target in TARGETS for mode in MODES for state in STATES]
"""A third of them each time, with another target a third of its own; all of them in the long tests."""


@pytest.mark.parametrize(
    ("target", "mode", "state"),
    [
        pytest.param(*each, marks=() if (number // 9 + number // 3 + number) % 3 == SEED % 3 else pytest.mark.soak)
        for number, each in enumerate(WINDOWS)
    ],
)
def test_killed_while_it_publishes(place, own_store, target, mode, state):
    """The moments in which most can go wrong."""
    work = Work(place("sqlite"), place(target), own_store, mode, shapes=SMALL)
    table = {"publishing": "pair", "published": "loose", "done": "later"}[state]
    work.killed_in(state, table if any(shape.name == table for shape in work.shapes) else "pair")
    work.check_readers()
    work.finish()


def test_interrupted_by_hand(place, own_store):
    """In small slices: a machine that is busy with other things must not miss the moment."""
    work = Work(place("sqlite"), place("postgres"), own_store, shapes=LARGE, slice_rows=SLICE_ROWS // 4)
    work.reset()
    process = work.start()
    assert eventually(lambda: 6 < work.ledger().get("pair", ("", 0))[1] < 24)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    output, errors = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert (process.returncode, output) == (130, ""), errors
    assert work.run_states() == ["interrupted"]
    work.check_readers()
    work.finish()
    assert work.kept > 3


def free(store: Path) -> bool:
    """Whether the store can be written to."""
    with closing(sqlite3.connect(store / "store.db", timeout=0.2, isolation_level=None)) as ledger:
        try:
            ledger.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        ledger.execute("ROLLBACK")
        return True


def test_two_runs_of_the_same_work(place, own_store):
    """The second says who is at it; the first is not disturbed, and works on when it is looked at again."""
    work = Work(place("sqlite"), place("postgres"), own_store)
    work.reset()
    first = work.start()
    assert eventually(lambda: sum(staged for _, staged in work.ledger().values()) > 3)
    while True:  # not while it holds the ledger, for which anybody would have to wait
        first.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{first.pid}/stat")
        assert eventually(lambda stat=stat: stat.read_text().rpartition(")")[2].split()[0] in "TZ")
        if free(own_store):
            break
        first.send_signal(signal.SIGCONT)
        time.sleep(0.01)
    try:
        bill = work.run()
    finally:
        first.send_signal(signal.SIGCONT)
    assert bill["state"] == "failed"
    assert {table["error_kind"] for table in bill["tables"]} == {"spec"}
    assert all("right now" in table["error"] for table in bill["tables"])
    output, errors = first.communicate(timeout=120)
    assert first.returncode == 0, errors or output
    work.check_end()


def test_many_runs_that_begin_together(place, own_store):
    """One of them moves each table, whoever is first; nothing is there twice."""
    work = Work(place("sqlite"), place("postgres"), own_store, "append", shapes=SMALL)
    work.reset()
    processes = [work.start() for _ in range(4)]
    done = [process.communicate(timeout=120) for process in processes]
    moved = [table["table"] for out, _ in done for table in work.tables(out) if table["state"] == "proved"]
    refused = [table for out, _ in done for table in work.tables(out) if table["state"] != "proved"]
    # One that comes to a table after another has finished it appends the same keys, which the table refuses.
    late = [table for table in refused if table["error_kind"] != "spec"]
    assert all("duplicate key" in table["error"] for table in late), (late, done)
    for shape in work.shapes:
        before, now = len(work.before[shape.name]), work.target.query(f"SELECT count(*) FROM {shape.name}")[0][0]
        assert now == before + moved.count(shape.name) * len(work.rows[shape.name])


@pytest.mark.parametrize(
    ("source", "target"), [*((kind, "duckdb" if kind == "sqlite" else "sqlite") for kind in TARGETS), ("postgres",) * 2]
)
def test_the_source_changes_between_kill_and_rerun(place, own_store, source, target):
    """Only slices that still are what was staged are kept; what is published is one state of the source."""
    work = Work(place(source), place(target), own_store)
    work.reset()
    assert work.kill_when_staged("coded", 3)
    staged = {name: staged for name, (state, staged) in work.ledger().items() if state == "staging"}
    assert staged["coded"] >= 3
    rows = work.rows["coded"]
    work.source.execute(
        "UPDATE coded SET v = v + 1 WHERE code = 'k5-ä'",
        "DELETE FROM coded WHERE code = 'k7-ä'",
        "INSERT INTO coded VALUES ('k-new', 7, 'new')",
        "UPDATE loose SET v = v + 1000",
    )
    work.rows["coded"] = [(row[0], row[1] + (row[0] == "k5-ä"), row[2]) for row in rows if row[0] != "k7-ä"] + [
        ("k-new", 7, "new")
    ]
    work.rows["loose"] = [(row[0] + 1000, row[1]) for row in work.rows["loose"]]
    tables = work.proved(work.run())
    assert tables["coded"]["slices_kept"] < staged["coded"] or source == "postgres"
    print(f"{tables['coded']['slices_kept']} of {staged['coded']} slices kept")
    work.check_end()


def test_a_source_that_is_empty_now_is_not_proved(place, own_store):
    work = Work(place("sqlite"), place("duckdb"), own_store, shapes=SMALL)
    work.reset()
    work.proved(work.run())
    work.source.execute("DELETE FROM loose")
    bill = work.run()
    states = {table["table"]: table["state"] for table in bill["tables"]}
    assert states == {"pair": "proved", "loose": "unproved", "later": "proved"}
    assert bill["state"] == "unproved"
    work.proved(work.run())  # now that the last run had none either


def test_staged_rows_that_are_gone_are_staged_again(place, own_store):
    """Somebody cleaned up in the target: it is noticed, nothing is published, and the next run starts over."""
    work = Work(place("sqlite"), place("duckdb"), own_store, shapes=SMALL)
    work.reset()
    assert work.kill_when_staged("pair", 3)
    stage = next(iter(work.target.leftovers() - {"lading_ledger"}))
    work.target.execute(f"DELETE FROM {stage}")
    bill = work.run()
    work.check_readers()
    if bill["state"] != "proved":
        assert {table["error_kind"] for table in bill["tables"] if table["error"]} == {"proof"}
        work.proved(work.run())
    work.check_end()


@pytest.mark.parametrize("levels", [("counts", "rows"), ("rows", "counts"), ("columns", "full")])
def test_a_rerun_at_another_level(place, own_store, levels):
    work = Work(place("duckdb"), place("sqlite"), own_store, shapes=SMALL, words={"proof": levels[0]})
    work.reset()
    assert work.kill_when_staged("pair", 3)
    work.words["proof"] = levels[1]
    tables = work.proved(work.run())
    assert tables["pair"]["proof"]["level"] == levels[1]
    work.check_end()
