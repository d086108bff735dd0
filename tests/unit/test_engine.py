"""The engine against systems that err, lie or change: no bill says proved while rows are lost, doubled or changed."""

import errno
import gc
import os
import secrets
import shutil
import sqlite3
import sys
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import duckdb
import pytest

import lading
from lading import actions, config, copying, engine
from lading.connector import WHOLE, Capabilities, Connection, Slice
from lading.connectors.memory import Memory
from lading.connectors.memory.session import Session
from lading.connectors.postgres import Postgres
from lading.driver import transaction
from lading.errors import DataError, ProofFailed, SpecError, Unreachable, Unsupported
from lading.moving import Pace
from lading.passing import reading
from lading.plan import Side
from lading.plan import plan as make_plan
from lading.run import Silent, run
from lading.slicing import paged, tiled
from lading.spec import Move
from lading.sql import SqlSession
from lading.store import Line, Store
from lading.testing.steps import content, found, put, table
from lading.threads import ahead
from tests.journeys import looks

PEOPLE = table("people", id="int(64)!", name="string(40)")
ROWS = [(n, f"n{n}") for n in range(100)]


class Odd(Memory):
    """A memory store whose sessions are of another class, one at a time."""

    can: ClassVar[Capabilities] = Memory.can.model_copy(update={"readers": 1})

    def open(self):
        with super().open() as plain:
            return closing(self.session(plain._store))

    @property
    def session(self):
        return SESSIONS[self.name]


class Aside(Odd):
    """As MariaDB: one session reads at a snapshot, another can be asked for sums meanwhile."""

    can: ClassVar[Capabilities] = Odd.can.model_copy(update={"aside": True})


SESSIONS: dict[str, type[Session]] = {}


def odd(session: type[Session], tables=((PEOPLE, ROWS),), kind: type[Odd] = Odd) -> Odd:
    name = secrets.token_hex(4)
    SESSIONS[name] = session
    with Memory(name=name).open() as plain:
        for one, rows in tables:
            put(plain, one, rows)
    return kind(name=name)


def planned(source, target, **words):
    move = Move(**{"from": "a", "to": "b", **words})
    with source.open() as reading, target.open() as writing:
        sides = (Side(address=source.address(), can=source.can), Side(address=target.address(), can=target.can))
        return make_plan(move, list(reading.tables()), sides, writing.fit, lambda t: writing.describe(t.full_name))


@pytest.fixture
def ledger(tmp_path):
    with closing(Store(str(tmp_path / "ledger.db"))) as opened:
        yield opened


def moved(source, target, ledger, **words):
    return run(planned(source, target, **words), (source, target), ledger)


def rows_of(connection, name="people"):
    with connection.open() as session:
        return content(session, found(session, name))


# What a source may do wrong


def test_slices_that_miss_a_row_are_seen(ledger):
    class Gaps(Session):
        def slices(self, table, rows, since=WHOLE):
            cuts = super().slices(table, rows, since)
            return cuts[:3] + cuts[4:]

    target = Memory(name=secrets.token_hex(4))
    for level in ("counts", "columns", "rows", "full"):
        bill = moved(odd(Gaps), target, ledger, slice_rows=10, proof=level)
        assert (bill.state, bill.tables[0].error_kind) == ("failed", "proof"), level
        assert "90 rows; the source counts 100" in bill.tables[0].error


def test_slices_that_hold_a_row_twice_are_seen(ledger):
    class Twice(Session):
        def slices(self, table, rows, since=WHOLE):
            cuts = super().slices(table, rows, since)
            return [*cuts, cuts[3].model_copy(update={"number": len(cuts)})]

    bill = moved(odd(Twice), Memory(name=secrets.token_hex(4)), ledger, slice_rows=10)
    assert bill.tables[0].error_kind == "proof", bill.tables[0]


def test_columns_in_another_order_are_seen(ledger):
    class Shuffled(Session):
        def read(self, table, slice):
            for batch in super().read(table, slice):
                yield batch.select(batch.schema.names[::-1])

        def digest(self, table, slice):
            return None

    pair = table("people", id="string(40)!", name="string(40)!")
    bill = moved(odd(Shuffled, ((pair, [("a", "b")]),)), Memory(name=secrets.token_hex(4)), ledger)
    assert bill.tables[0].error_kind == "bug"
    assert "other columns" in bill.tables[0].error


@pytest.mark.parametrize("level", ["counts", "rows"])
def test_a_source_without_a_snapshot_may_grow(ledger, level):
    class Growing(Session):
        def pin(self, snapshot=None):
            return ""

        def read(self, table, slice):
            yield from super().read(table, slice)
            put(self, PEOPLE, [*ROWS, (secrets.randbits(60), "later")])

    source = odd(Growing)
    bill = moved(source, Memory(name=secrets.token_hex(4)), ledger, proof=level)
    assert bill.state == "unproved", bill.tables[0]
    assert "moved while it was read" in bill.tables[0].proof.reasons[0]
    assert "same snapshot" not in bill.tables[0].proof.chain
    assert bill.rows.source == bill.rows.target == 100


def test_sums_are_asked_of_a_second_session_while_the_first_reads(ledger):
    asked: list[tuple[Session, int]] = []
    pinned: list[Session] = []

    class Watched(Session):
        def pin(self, snapshot=None):
            pinned.append(self)
            return super().pin(snapshot)

        def digest(self, table, slice):
            if table.columns:
                asked.append((self, slice.number))
            return super().digest(table, slice)

    bill = moved(odd(Watched, kind=Aside), Memory(name=secrets.token_hex(4)), ledger, slice_rows=10)
    assert (bill.state, bill.rows.target) == ("proved", 100), bill.tables[0]
    assert "asked while it was read" in bill.tables[0].proof.chain
    assert sorted(number for _, number in asked) == list(range(10))
    assert pinned
    assert not any(session in pinned for session, _ in asked)


@pytest.mark.parametrize("lost", [False, True])
def test_a_source_that_has_moved_on_is_asked_at_its_snapshot(ledger, lost):
    """What a second session says is of a later state, or it is no longer there: neither is a difference."""
    pinned: list[Session] = []

    class Moving(Session):
        def pin(self, snapshot=None):
            held = super().pin(snapshot)
            pinned.append(self)
            with Memory(name=source.name).open() as other:
                put(other, PEOPLE, [*ROWS, (5_000, "later")])
            return held

        def digest(self, table, slice):
            if lost and self not in pinned:
                raise Unreachable("The server has gone.", "Start it.")
            return super().digest(table, slice)

    source = odd(Moving, kind=Aside)
    bill = moved(source, Memory(name=secrets.token_hex(4)), ledger)
    assert (bill.state, bill.rows.target) == ("proved", 100), bill.tables[0]
    assert "at the same snapshot" in bill.tables[0].proof.chain


class Single(Aside):
    """An account that may connect once."""

    inside: ClassVar[list[str]] = []

    @contextmanager
    def open(self):
        if self.inside:
            raise DataError("The account has one connection.", "Wait.")
        self.inside.append(self.name)
        try:
            with super().open() as session:
                yield session
        finally:
            self.inside.clear()


class Narrow(Single):
    """The same of a system from which several sessions read at a time."""

    can: ClassVar[Capabilities] = Odd.can.model_copy(update={"readers": 2})


@pytest.mark.parametrize("kind", [Single, Narrow])
def test_where_there_is_room_for_one_session_one_does_the_work(ledger, kind):
    bill = moved(odd(Session, kind=kind), Memory(name=secrets.token_hex(4)), ledger, slice_rows=10)
    assert (bill.state, bill.rows.target) == ("proved", 100), bill.tables[0]
    assert "at the same snapshot" in bill.tables[0].proof.chain


def test_the_bill_says_when_sums_were_asked(ledger):
    pinned: list[Session] = []

    class Leaving(Session):
        def pin(self, snapshot=None):
            pinned.append(self)
            return super().pin(snapshot)

        def digest(self, table, slice):
            if self not in pinned and slice.number > 4:
                raise Unreachable("The server has gone.", "Start it.")
            return super().digest(table, slice)

    bill = moved(odd(Leaving, kind=Aside), Memory(name=secrets.token_hex(4)), ledger, slice_rows=10)
    assert (bill.state, bill.rows.target) == ("proved", 100), bill.tables[0]
    said = "asked while it was read, or right after it at the same snapshot, equal what was read"
    assert said in bill.tables[0].proof.chain


def test_bounds_of_pages_tell_whether_slices_hold_every_row():
    whole = paged(10, 3)
    assert tiled(whole)
    assert tiled(whole[::-1])
    for wrong in (whole[1:], whole[:2], [whole[0], whole[2]], [*whole, whole[1]]):
        assert not tiled(wrong)
    assert tiled([WHOLE])
    by_key = [
        Slice(number=n, on=("id",), low=low, high=high) for n, low, high in ((0, None, ("5",)), (1, ("5",), None))
    ]
    assert not tiled(by_key), "rows without a key would be in none"
    assert not tiled([whole[0], by_key[1]])


def test_a_new_table_that_was_written_again_is_read_again(ledger):
    """It is more than a new name for what was proved."""

    class Rewriting(Session):
        def publish(self, loads):
            super().publish(loads)
            with Memory(name=target.name).open() as other:
                put(other, PEOPLE, [(ROWS[0][0], "another"), *ROWS[1:]])

    target = odd(Rewriting, ())
    bill = moved(odd(Session), target, ledger)
    assert (bill.state, bill.tables[0].error_kind) == ("failed", "proof"), bill.tables[0]


def test_a_row_that_is_lost_while_it_is_read_is_seen_from_aside_too(ledger):
    class Losing(Session):
        counting = False

        def read(self, table, slice):
            for batch in super().read(table, slice):
                yield batch.slice(1 if slice.number == 3 and not self.counting else 0)

        def digest(self, table, slice):
            self.counting = True
            try:
                return super().digest(table, slice)
            finally:
                self.counting = False

    bill = moved(odd(Losing, kind=Aside), Memory(name=secrets.token_hex(4)), ledger, slice_rows=10)
    assert (bill.state, bill.tables[0].error_kind) == ("failed", "proof")
    assert "Slice 3" in bill.tables[0].error


def test_what_reads_ahead_gives_back_every_batch_and_every_error():
    def three():
        yield from (1, 2, 3)
        raise DataError("A value is none.", "Correct it.")

    taken: list[int] = []
    with pytest.raises(DataError), reading(ahead(three())) as items:
        taken.extend(items)
    assert taken == [1, 2, 3]
    source = three()
    with reading(source), reading(ahead(source)) as items:
        assert next(items) == 1
    assert source.gi_frame is None


def test_a_source_that_was_left_halfway_is_free_again(ledger):
    """Where rows still come, as from MySQL, nothing else can be asked."""

    class Streaming(Session):
        busy = False

        def read(self, table, slice):
            assert not Streaming.busy
            Streaming.busy = True
            try:
                for batch in super().read(table, slice):
                    for n in range(batch.num_rows):
                        yield batch.slice(n, 1)
            finally:
                Streaming.busy = False

    nulls = table("people", id="int(64)!", name="string(40)")
    source = odd(Streaming, ((nulls, [(1, "a"), (2, None), (3, "c")]),))
    target = Memory(name=secrets.token_hex(4))
    with target.open() as session:
        put(session, table("people", id="int(64)!", name="string(40)!"), [])
    bill = moved(source, target, ledger, accept=["null"], max_rejects=1)
    assert bill.state == "proved", bill.tables[0]
    assert (bill.rows.target, bill.rows.rejected) == (2, 1)


@pytest.mark.parametrize(
    ("level", "state", "said"),
    [
        ("counts", "proved", ""),
        ("columns", "unproved", "rows were refused: the others were only counted"),
        ("rows", "proved", ""),
        ("full", "unproved", "rows were refused: the source was not read a second time"),
    ],
)
def test_what_a_level_does_not_prove_where_rows_were_refused_is_said(ledger, level, state, said):
    source = odd(Session, [(PEOPLE, [*ROWS, (100, None)])])
    target = odd(Session, [(table("people", id="int(64)!", name="string(40)!"), [])])
    bill = moved(source, target, ledger, accept=["null"], max_rejects=1, proof=level)
    assert (bill.state, bill.rows.target, bill.rows.rejected) == (state, 100, 1), bill.tables
    assert "; ".join(bill.tables[0].proof.reasons) == said


def test_a_target_that_is_lost_before_there_is_a_stage_is_tried_again(ledger, monkeypatch):
    class Lost(Session):
        times = 2

        def prepare(self, load):
            if Lost.times:
                Lost.times -= 1
                raise Unreachable("The target has gone.", "Start it.")
            super().prepare(load)

    monkeypatch.setenv("LADING_RETRY_SECONDS", "0")
    source, target = odd(Session), odd(Lost, ())
    bill = moved(source, target, ledger)
    assert bill.state == "proved", bill.tables
    assert rows_of(target) == rows_of(source)


def test_what_is_shown_of_rows_is_never_less_than_nothing(ledger):
    """Rows that are read again are taken back as far as they were shown: not those of the batch that was refused."""
    seen = [(0, 0)]

    class Seeing(Silent):
        def moved(self, table, rows, bytes):
            seen.append((seen[-1][0] + rows, seen[-1][1] + bytes))

    source = odd(Session, [(PEOPLE, [*ROWS, (100, None)])])
    target = odd(Session, [(table("people", id="int(64)!", name="string(40)!"), [])])
    bill = run(planned(source, target, accept=["null"], max_rejects=1), (source, target), ledger, Seeing())
    assert bill.rows.rejected == 1, bill.tables
    assert min(min(counts) for counts in seen) == 0
    assert seen[-1] == (100, bill.tables[0].bytes)


def test_what_was_noted_of_tables_that_are_done_is_let_go(ledger):
    """Sums of every column, twice for each slice: of hundreds of wide tables they took 100 MiB."""
    held = []

    class Seeing(Silent):
        def state(self, table, word):
            if word == "proved":
                held.append(sum(isinstance(each, Line) and each.staged for each in gc.get_objects()))

    source = odd(Session, [(PEOPLE.model_copy(update={"name": f"t{n}"}), ROWS) for n in range(9)])
    bill = run(planned(source, target := odd(Session, ()), slice_rows=50), (source, target), ledger, Seeing())
    assert bill.state == "proved", bill.tables
    assert len(held) == 9
    assert max(held) <= 4  # of one table that is done, and of one that is being read


OTHERS = tuple((PEOPLE.model_copy(update={"name": name}), ROWS) for name in ("a", "people", "z"))


@pytest.mark.parametrize("readers", [1, 3])
@pytest.mark.parametrize("hidden", [(), ("name",)])
def test_a_fault_of_ours_in_one_table_is_none_of_the_others(ledger, monkeypatch, capsys, readers, hidden):
    class Faulty(Session):
        def read(self, table, slice):
            if table.name == "people":
                raise ValueError("n7 is odd")
            return super().read(table, slice)

    monkeypatch.setattr(Odd, "can", Odd.can.model_copy(update={"readers": readers}))
    source = odd(Faulty, OTHERS).model_copy(update={"sensitive": hidden})
    bill = moved(source, Memory(name=secrets.token_hex(4)), ledger, slice_rows=10)
    assert {t.table: t.state for t in bill.tables} == {"a": "proved", "people": "failed", "z": "proved"}
    failed = next(t for t in bill.tables if t.error)
    said = "ValueError" if hidden else "ValueError: n7 is odd"
    assert failed.error_kind == "bug"
    assert failed.error.startswith(f"{said} This is a fault of Lading.")
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("LADING_DEBUG", "1")
    assert moved(source, Memory(name=secrets.token_hex(4)), ledger).state == "failed"
    assert "Traceback" in capsys.readouterr().err


def test_what_this_machine_refuses_one_table_is_told_as_such(ledger):
    class Full(Session):
        def read(self, table, slice):
            if table.name == "people":
                raise OSError(errno.ENOSPC, "No space left on device", "/tmp/x")
            return super().read(table, slice)

    bill = moved(odd(Full, OTHERS), Memory(name=secrets.token_hex(4)), ledger)
    (failed,) = (t for t in bill.tables if t.state == "failed")
    assert (failed.error_kind, failed.error) == ("data", "/tmp/x: No space left on device. Mend that, then run again.")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_is_no_fault_of_a_table(ledger, error):
    class Ended(Session):
        def read(self, table, slice):
            raise error

    with pytest.raises(error):
        moved(odd(Ended, OTHERS), Memory(name=secrets.token_hex(4)), ledger)


def test_what_may_be_published_after_a_fault_of_ours_is_not_published_again(ledger):
    class Late(Session):
        late = True

        def publish(self, loads):
            super().publish(loads)
            if Late.late:
                Late.late = False
                raise ValueError("too late")

    source, target = odd(Session), odd(Late, ())
    for state in ("failed", "proved"):
        bill = moved(source, target, ledger, mode="append")
        assert bill.state == state, bill.tables[0]
        assert len(rows_of(target)) == 100


# What a target may do wrong


@pytest.mark.parametrize("level", ["counts", "columns", "rows", "full"])
def test_a_target_that_drops_rows_and_says_so_is_not_believed(ledger, level):
    class Dropping(Session):
        def stage(self, load, batches, number):
            return super().stage(load, (batch.slice(1) for batch in batches), number)

    target = odd(Dropping, ())
    bill = moved(odd(Session), target, ledger, proof=level)
    assert bill.tables[0].error_kind == "proof", bill.tables[0]
    with target.open() as session:
        assert session.describe("people") is None


# Runs that were interrupted


class Cut(KeyboardInterrupt):
    """The process ends here."""


def interrupted(source, target, ledger, **words):
    """A run that finishes its first table and is cut off in its second."""

    class Ending(Session):
        def stage(self, load, batches, number):
            if load.table.name == "z":
                raise Cut
            return super().stage(load, batches, number)

    SESSIONS[target.name] = Ending
    with suppress(Cut):
        moved(source, target, ledger, **words)
    SESSIONS[target.name] = Session


Z = table("z", id="int(64)!")


@pytest.mark.parametrize("mode", ["replace", "merge", "append"])
def test_what_an_interrupted_run_finished_is_looked_at_again(ledger, mode):
    source, target = odd(Session, ((PEOPLE, ROWS), (Z, [(1,)]))), odd(Session, ())
    interrupted(source, target, ledger, mode=mode)
    assert len(rows_of(target)) == 100
    bill = moved(source, target, ledger, mode=mode)
    assert bill.state == "proved"
    assert len(rows_of(target)) == 100
    assert "before it was interrupted; the source holds the same rows" in bill.tables[0].proof.notes[-1]


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_rows_that_came_after_the_interruption_are_moved(ledger, mode):
    source, target = odd(Session, ((PEOPLE, ROWS), (Z, [(1,)]))), odd(Session, ())
    interrupted(source, target, ledger, mode=mode)
    with source.open() as session:
        put(session, PEOPLE, [*ROWS, (1000, "new")])
    bill = moved(source, target, ledger, mode=mode)
    assert bill.state == "proved"
    assert rows_of(target) == rows_of(source)


def test_appended_rows_are_neither_doubled_nor_called_proved(ledger):
    source, target = odd(Session, ((PEOPLE, ROWS), (Z, [(1,)]))), odd(Session, ())
    interrupted(source, target, ledger, mode="append")
    with source.open() as session:
        put(session, PEOPLE, [(1000, "new")])
    bill = moved(source, target, ledger, mode="append")
    assert bill.state == "unproved"
    assert "other rows by now" in bill.tables[0].proof.reasons[-1]
    assert len(rows_of(target)) == 100


@pytest.mark.parametrize("mode", ["replace", "merge", "append"])
def test_what_an_interrupted_run_finished_and_is_gone_is_moved_again(ledger, mode):
    source, target = odd(Session, ((PEOPLE, ROWS), (Z, [(1,)]))), odd(Session, ())
    interrupted(source, target, ledger, mode=mode)
    with target.open() as session:
        del session._store.tables["people"]
    bill = moved(source, target, ledger, mode=mode)
    assert bill.state == "proved"
    assert rows_of(target) == rows_of(source)


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_what_was_changed_in_the_target_since_the_interruption_is_moved_again(ledger, mode):
    source, target = odd(Session, ((PEOPLE, ROWS), (Z, [(1,)]))), odd(Session, ())
    interrupted(source, target, ledger, mode=mode)
    with target.open() as session:
        put(session, PEOPLE, [(n, "changed") for n in range(100)])
    bill = moved(source, target, ledger, mode=mode)
    assert bill.state == "proved"
    assert rows_of(target) == rows_of(source)


def test_appended_rows_that_were_changed_since_are_neither_appended_again_nor_called_proved(ledger):
    source, target = odd(Session, ((PEOPLE, ROWS), (Z, [(1,)]))), odd(Session, ())
    interrupted(source, target, ledger, mode="append")
    with target.open() as session:
        put(session, PEOPLE, [(n, "changed") for n in range(100)])
    bill = moved(source, target, ledger, mode="append")
    assert bill.state == "unproved"
    assert "the target has other rows by now, and none were appended again" in bill.tables[0].proof.reasons[-1]
    assert len(rows_of(target)) == 100


def cut_off(monkeypatch, source, target, place, when=2, **words):
    """A run that ends at a call of `engine.announce`, or right `after` publishing."""
    plain, calls = getattr(engine, place), []

    def call(*given, **named):
        calls.append(given)
        if len(calls) == when:
            raise Cut
        return plain(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(engine, place, call)
        with suppress(Cut):
            actions.copy(Move(**{"from": source, "to": target, **words}))
    assert len(calls) == when


@pytest.mark.parametrize("target", ["duckdb", "sqlite"])
@pytest.mark.parametrize(("place", "when"), [("announce", 2), ("published", 1), ("published", 2)])
@pytest.mark.parametrize("together", [True, False])
def test_what_is_published_is_one_state_whenever_it_was_cut_off(tmp_path, monkeypatch, target, place, when, together):
    made = "CREATE TABLE {t} (id INTEGER PRIMARY KEY); INSERT INTO {t} VALUES (1), (2)"
    database(tmp_path, *(made.format(t=name).split("; ")[n] for name in "ab" for n in (0, 1)))
    source, there = f"sqlite:///{tmp_path}/crm.db", f"{target}:///{tmp_path}/there.db"
    cut_off(monkeypatch, source, there, place, when, together=together)
    database(tmp_path, "INSERT INTO a VALUES (3)", "DELETE FROM b WHERE id = 1")
    bill = actions.copy(Move(**{"from": source, "to": there, "together": together}))
    found = tuple(len(looks.query(there, f"SELECT id FROM {name}")) for name in "ab")
    assert found == (3, 1), "as it is now, and no mixture"
    assert bill.state == "proved"
    proofs = [table.proof for table in bill.tables if table.proof]
    assert [proof.target_root == proof.source_root != "" for proof in proofs] == [True, True]


@pytest.mark.parametrize("target", ["duckdb:///{}/there.db", "sqlite:///{}/there.db", "parquet:///{}/there.db"])
@pytest.mark.parametrize("mode", ["replace", "append", "merge"])
def test_a_target_that_is_gone_since_the_interruption_is_made_anew(tmp_path, monkeypatch, target, mode):
    database(tmp_path, "CREATE TABLE a (id INTEGER PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)")
    source, there = f"sqlite:///{tmp_path}/crm.db", target.format(tmp_path)
    if mode == "merge" and target.startswith("parquet"):
        pytest.skip("the connector does not say that it can merge")
    if target.startswith("parquet"):
        (tmp_path / "there.db").mkdir()
    elif mode != "append":
        actions.copy(Move(**{"from": source, "to": there}))
    cut_off(monkeypatch, source, there, "published", 1, mode=mode)
    path = tmp_path / "there.db"
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    if target.startswith("parquet"):
        path.mkdir()
    bill = actions.copy(Move(**{"from": source, "to": there, "mode": mode}))
    assert (bill.state, bill.tables[0].rows.target) == ("proved", 2)
    assert actions.copy(Move(**{"from": source, "to": there})).state == "proved"


@pytest.mark.parametrize("target", ["duckdb", "parquet"])
def test_appended_keys_that_were_there_before_are_told_apart(tmp_path, target):
    """In a target that lets a key be there twice."""
    database(tmp_path, "CREATE TABLE a (id INTEGER PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)")
    source, there = f"sqlite:///{tmp_path}/crm.db", f"{target}:///{tmp_path}/there"
    if target == "parquet":
        (tmp_path / "there").mkdir()
    for count in (2, 4, 6):
        bill = actions.copy(Move(**{"from": source, "to": there, "mode": "append"}))
        assert (bill.state, bill.tables[0].rows.target) == ("proved", 2)
        assert sum(len(rows) for _, rows in looks.contents(there).values()) == count
    database(tmp_path, "UPDATE a SET id = id + 10")
    assert actions.copy(Move(**{"from": source, "to": there, "mode": "append"})).state == "proved"
    assert sorted(id for _, rows in looks.contents(there).values() for (id,) in rows) == [1, 1, 1, 2, 2, 2, 11, 12]


# Two folders, odd names


def database(folder, *statements):
    folder.mkdir(exist_ok=True)
    with closing(sqlite3.connect(folder / "crm.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def warehouse(path, query):
    with closing(duckdb.connect(str(path))) as connection:
        return connection.execute(query).fetchall()


def test_relative_paths_of_two_folders_are_two_databases(tmp_path, monkeypatch):
    made = "CREATE TABLE t (id INTEGER PRIMARY KEY, m DATETIME)"
    for name, moment in (("a", "2024-06-01 00:00:00"), ("b", "2023-01-01 00:00:00")):
        database(tmp_path / name, made, f"INSERT INTO t VALUES (1, '{moment}')")
        monkeypatch.chdir(tmp_path / name)
        if name == "b":
            warehouse("wh.duckdb", "CREATE TABLE t (id BIGINT PRIMARY KEY, m TIMESTAMP)")
        assert (
            lading.copy("sqlite:///crm.db", "duckdb:///wh.duckdb", mode="merge", since="m", quiet=True).rows.target == 1
        )
    assert os.path.exists("wh.duckdb")


def test_a_row_from_the_future_does_not_hide_those_that_come_next(tmp_path):
    database(
        tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, m DATETIME)",
        "INSERT INTO t VALUES (1, '2024-06-01 00:00:00'), (2, '9999-12-31 00:00:00')",
    )  # fmt: skip
    sides = (f"sqlite:///{tmp_path}/crm.db", f"duckdb:///{tmp_path}/wh.duckdb")
    assert lading.copy(*sides, mode="merge", since="m", quiet=True).rows.target == 2
    recent = datetime.now(UTC) - timedelta(days=1)
    database(tmp_path, f"INSERT INTO t VALUES (3, '{recent:%Y-%m-%d %H:%M:%S}')")
    bill = lading.copy(*sides, mode="merge", since="m", quiet=True)
    assert warehouse(tmp_path / "wh.duckdb", "SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]
    proof = bill.tables[0].proof
    assert proof is not None
    assert "only rows whose 'm' is at least 2024-05-31 23:55" in proof.notes[0]


def test_an_infinite_number_does_not_hide_those_that_come_next(tmp_path):
    database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, m REAL)", "INSERT INTO t VALUES (1, 1.5), (2, 9e999)")
    sides = (f"sqlite:///{tmp_path}/crm.db", f"duckdb:///{tmp_path}/wh.duckdb")
    assert lading.copy(*sides, mode="merge", since="m", quiet=True).rows.target == 2
    database(tmp_path, "INSERT INTO t VALUES (3, 2.5)")
    lading.copy(*sides, mode="merge", since="m", quiet=True)
    assert warehouse(tmp_path / "wh.duckdb", "SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_capitals_that_tell_no_names_apart(tmp_path, kind):
    """Two columns are told apart by the plan; a table that is there with other capitals is the one that is meant."""
    database(
        tmp_path, 'CREATE TABLE "Orders" (id INTEGER PRIMARY KEY, m INTEGER)', "INSERT INTO Orders VALUES (1, 1)",
    )  # fmt: skip
    sides = (f"sqlite:///{tmp_path}/crm.db", f"{kind}:///{tmp_path}/wh.{kind}")
    lading.copy(*sides, into={"Orders": "ORDERS"}, quiet=True)
    for mode, since, rows in (("replace", None, 1), ("append", None, 1), ("merge", "m", 1), ("merge", "m", 1)):
        if mode == "append":
            database(tmp_path, "UPDATE Orders SET id = id + 1")
        bill = lading.copy(*sides, mode=mode, since=since, quiet=True)
        assert (bill.tables[0].into, bill.rows.target) == ("ORDERS", rows), mode
    assert [table.full_name for table in actions.discover(sides[1])] == ["ORDERS"]
    csv = tmp_path / "c.csv"
    csv.write_text("name,Name\n1,2\n")
    with pytest.raises(Unsupported, match=f"Columns 'name' and 'Name' of 'c' differ only in capitals, by which {kind}"):
        lading.copy(f"csv:///{csv}", sides[1], quiet=True)


def made_there(address, *statements):
    """Statements in a target of either kind."""
    with config.resolve(address)[1].open() as session:
        assert isinstance(session, SqlSession)
        with transaction(session.driver):
            for each in statements:
                session.driver.execute(each)


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_column_that_the_target_computes_is_named_with_what_to_do(tmp_path, kind):
    database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, twice INTEGER)", "INSERT INTO t VALUES (1, 2)")
    sides = (f"sqlite:///{tmp_path}/crm.db", f"{kind}:///{tmp_path}/wh.{kind}")
    made_there(sides[1], "CREATE TABLE t (id BIGINT, twice BIGINT GENERATED ALWAYS AS (id * 2))")
    (task,) = lading.plan(*sides).tasks
    assert (task.problem, task.problem_kind) == (
        "The target computes column 'twice' of 't'; it cannot be written.", "unsupported"
    )  # fmt: skip
    with pytest.raises(Unsupported, match="Leave it out with 'exclude'"):
        lading.copy(*sides, quiet=True)
    assert lading.copy(*sides, exclude="t.twice", quiet=True).state == "proved"


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_view_in_place_of_the_table_stops_the_plan(tmp_path, kind):
    database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    sides = (f"sqlite:///{tmp_path}/crm.db", f"{kind}:///{tmp_path}/wh.{kind}")
    made_there(sides[1], "CREATE TABLE u (id BIGINT)", "CREATE VIEW t AS SELECT * FROM u")
    (task,) = lading.plan(*sides).tasks
    assert (task.problem, task.problem_kind) == ("'t' is a view in the target.", "unsupported")


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_merge_into_rows_that_stand_there_twice_changes_none(tmp_path, kind):
    database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, 'new')")
    sides = (f"sqlite:///{tmp_path}/crm.db", f"{kind}:///{tmp_path}/wh.{kind}")
    rows = "INSERT INTO t VALUES (1, 'old'), (1, 'older'), (2, 'other')"
    made_there(sides[1], "CREATE TABLE t (id BIGINT, v VARCHAR)", rows)
    with pytest.raises(DataError, match="'t' has several rows with one key"):
        lading.copy(*sides, mode="merge", quiet=True)
    with config.resolve(sides[1])[1].open() as session:
        assert isinstance(session, SqlSession)
        assert session.driver.query("SELECT v FROM t ORDER BY v") == [("old",), ("older",), ("other",)]


def test_a_merge_by_a_key_with_null_is_refused_before_it_doubles(tmp_path):
    database(tmp_path, "CREATE TABLE t (k INTEGER, v TEXT)", "INSERT INTO t VALUES (1, 'a'), (NULL, 'b')")
    sides = (f"sqlite:///{tmp_path}/crm.db", f"duckdb:///{tmp_path}/wh.duckdb")
    warehouse(tmp_path / "wh.duckdb", "CREATE TABLE t (k BIGINT, v VARCHAR)")
    for _ in range(2):
        with pytest.raises(DataError, match="holds NULL"):
            lading.copy(*sides, mode="merge", merge_key="k", quiet=True)
    assert warehouse(tmp_path / "wh.duckdb", "SELECT * FROM t") == []


def test_tables_of_people_may_begin_like_ours(tmp_path):
    names = ("lading_customers", "lading_2024", "lading_ledgers")
    database(tmp_path, *(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY)" for name in names))
    sides = (f"sqlite:///{tmp_path}/crm.db", f"files:///{tmp_path}/out")
    assert sorted(t.table for t in lading.copy(*sides, quiet=True).tables) == sorted(names)
    assert sorted(t.name for t in actions.discover(sides[1])) == sorted(names)


def test_two_tables_of_one_name_are_refused():
    plain = PEOPLE.model_copy(update={"name": "a.people"})
    other = PEOPLE.model_copy(update={"schema_name": "a"})
    side = Side(address="memory://x", can=Memory.can)
    with pytest.raises(SpecError, match=r"two tables called 'a\.people'"):
        make_plan(Move(**{"from": "a", "to": "b"}), [plain, other], (side, side), lambda t: t, lambda t: None)


def test_patterns_for_tables_leave_out_no_columns(tmp_path):
    database(tmp_path, "CREATE TABLE o (id INTEGER PRIMARY KEY, change_log TEXT)", "INSERT INTO o VALUES (1, 'x')")
    sides = (f"sqlite:///{tmp_path}/crm.db", f"duckdb:///{tmp_path}/wh.duckdb")
    lading.copy(*sides, exclude=["*_log"], quiet=True)
    assert warehouse(tmp_path / "wh.duckdb", "SELECT * FROM o") == [(1, "x")]


@pytest.mark.parametrize("readers", [1, 4])
def test_a_table_that_stays_locked_keeps_no_other_from_being_moved(ledger, monkeypatch, readers):
    class Locked(Session):
        def read(self, table, slice):
            if table.name == "a":
                raise Unreachable("table 'a' stays locked.", "Run again.")
            yield from super().read(table, slice)

    monkeypatch.setenv("LADING_RETRY_SECONDS", "0")
    monkeypatch.setattr(Odd, "can", Memory.can.model_copy(update={"readers": readers}))
    source = odd(Locked, tuple((PEOPLE.model_copy(update={"name": name}), ROWS) for name in "abcdefgh"))
    bill = moved(source, Memory(name=secrets.token_hex(4)), ledger)
    assert {line.table: str(line.state) for line in bill.tables} == {
        "a": "failed",
        **dict.fromkeys("bcdefgh", "proved"),
    }


def test_a_store_that_cannot_be_written_is_one_of_the_seven_errors(tmp_path):
    store = Store(str(tmp_path / "store.db"))
    store.begin("one", "")
    with store.engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(Unreachable, match=r"The store at sqlite:///.*store\.db: attempt to write a readonly database"):
        store.beat("one")
    store.close()


def test_a_stage_that_cannot_go_at_once_goes_when_the_run_ends(ledger):
    asked = []

    class Busy(Session):
        def discard(self, load):
            asked.append(load.id)
            if len(asked) == 1:
                raise Unreachable("Another session has it.", "Run again.")
            super().discard(load)

    source, target = odd(Session), odd(Busy, ())
    assert moved(source, target, ledger).state == "proved"
    assert len(asked) == 2
    with target.open() as session:
        assert not session._store.staged
    assert rows_of(target) == rows_of(source)


def test_a_gentle_run_is_held_back_to_its_rows_a_second(ledger, monkeypatch):
    waited = []

    class Counted(Pace):
        def __init__(self, limit):
            super().__init__(limit, lambda: 0.0)

        def ahead(self, rows):
            waited.append((rows, super().ahead(rows)))
            return 0.0

    monkeypatch.setattr(sys.modules["lading.run"], "Pace", Counted)
    source = odd(Session)
    bill = moved(source, Memory(name=secrets.token_hex(4)), ledger, slice_rows=10, gentle=20)
    assert bill.state == "proved"
    assert sum(rows for rows, _ in waited) == len(ROWS)
    assert waited[-1][1] == 5, "a hundred rows at twenty a second, by a clock that stands"
    plan = planned(source, Memory(name=secrets.token_hex(4)), gentle=20)
    assert plan.readers == 1
    assert "gently: at most 20 rows a second, one slice at a time" in plan.reasons


def test_a_gentle_move_waits_a_short_time_for_locks():
    known: dict[str, Connection] = {"b": Memory(name="m")}
    for gentle, own, seconds in ((0, 60, 60), (20, 60, 2), (20, 1, 1)):
        known["a"] = Postgres(host="h", lock_seconds=own)
        move = Move(**{"from": "a", "to": "b", "gentle": gentle})
        source, target = copying.sides(move, lambda name: (name, known[name]))
        assert (getattr(source, "lock_seconds", None), target) == (seconds, known["b"])


def test_a_pace_does_not_make_up_for_a_pause():
    now = [100.0]
    pace = Pace(1_000, lambda: now[0])
    assert pace.ahead(500) == 0.5
    now[0] += 0.5
    assert pace.ahead(1_500) == 1.5
    now[0] += 60
    assert pace.ahead(10) == 0
    assert pace.ahead(60_000) == pytest.approx(59.01), "a second of the sixty is made up for"
    assert Pace(0).ahead(10**9) == 0


@pytest.mark.parametrize(
    "address", ["mysql://me:word@host/runs", "duckdb:///runs.duckdb", "postgresql://me:word@host:port/x"]
)
def test_an_address_that_is_none_of_a_store(address):
    with pytest.raises(SpecError) as caught:
        Store(address)
    assert "LADING_STORE" in caught.value.fix
    assert "word" not in str(caught.value)


def test_a_store_that_cannot_be_opened(tmp_path):
    (tmp_path / "file.db").write_text("no database")
    for path in (tmp_path / "file.db", tmp_path / "file.db" / "store.db"):
        with pytest.raises(Unreachable, match="cannot be opened") as caught:
            Store(str(path))
        assert caught.value.fix == "Look at the file and its folder, or name another place in LADING_STORE."


def test_a_source_without_rows_is_unproved_once_whatever_the_mode(tmp_path):
    source, target = str(tmp_path / "crm.db"), str(tmp_path / "wh.duckdb")

    def moved(rows: int, **words):
        with closing(sqlite3.connect(source)) as db:
            db.executescript("DROP TABLE IF EXISTS t; CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);")
            db.executemany("INSERT INTO t VALUES (?, ?)", [(n, n) for n in range(rows)])
            db.commit()
        bill = lading.copy(source, target, quiet=True, **words)
        (table,) = bill.tables
        assert table.proof
        return bill.state, "; ".join(table.proof.reasons)

    proved, had = ("proved", ""), "the source has no rows; the last run had {}"
    assert moved(2) == proved
    assert moved(0, mode="merge") == ("unproved", had.format(2))
    assert moved(0, mode="merge") == proved, "it was told"
    assert moved(3, mode="merge", merge_key=["n"]) == proved
    assert moved(0, mode="append") == ("unproved", had.format(3))
    assert moved(4) == proved
    assert moved(0) == ("unproved", had.format(4))
    assert moved(0) == proved
    assert moved(0, into={"t": "other"}) == proved, "another table"


def test_an_increment_without_rows_is_not_what_the_last_run_had(tmp_path):
    source, target = str(tmp_path / "crm.db"), str(tmp_path / "wh.duckdb")
    with closing(sqlite3.connect(source)) as db:
        db.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 1), (2, 2);")
        since = {"mode": "merge", "since": "n", "overlap_values": 0}
        assert lading.copy(source, target, quiet=True, **since).tables[0].rows.source == 2
        db.execute("DELETE FROM t")
        db.commit()
        bill = lading.copy(source, target, quiet=True, **since)
        assert (bill.state, bill.tables[0].rows.source) == ("proved", 0), "nothing is new"
        bill = lading.copy(source, target, quiet=True)
        assert bill.tables[0].proof
        assert bill.tables[0].proof.reasons == ("the source has no rows; the last run had 2",)


def test_what_was_loaded_before_there_were_ways_is_compared_with(tmp_path, monkeypatch):
    source, target = str(tmp_path / "crm.db"), str(tmp_path / "wh.duckdb")
    with closing(sqlite3.connect(source)) as db:
        db.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2);")
        with monkeypatch.context() as patch:
            patch.setattr("lading.engine.way", lambda _plan, _task: "")
            assert lading.copy(source, target, quiet=True).state == "proved"
        db.execute("DELETE FROM t")
        db.commit()
    assert lading.copy(source, target, quiet=True).state == "unproved"


def test_rows_that_are_lacking_are_called_no_column(tmp_path, monkeypatch):
    database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    monkeypatch.setattr(engine, "_count", lambda *_: 1)
    with pytest.raises(ProofFailed, match=r"2 rows in the source and 1 staged\. Nothing") as failed:
        lading.copy(f"sqlite:///{tmp_path}/crm.db", f"duckdb:///{tmp_path}/wh.duckdb", proof="counts", quiet=True)
    assert failed.value.bill.tables[0].proof.differing == ()
