"""The contract on writing: staging, publishing and discarding, each of which can be done again."""

from __future__ import annotations

import pytest

from lading.connector import WHOLE, Connection, Load, Session, Slice, Standing
from lading.errors import DataError, LadingError
from lading.schema import Mode, Table
from lading.testing.steps import (
    PEOPLE,
    ROWS,
    BrokenError,
    Row,
    batch,
    content,
    expected,
    found,
    load_of,
    names,
    need,
    put,
    raising,
    staged,
    table,
)

NEW: list[Row] = [(2, "Grace H.", "5.00"), (9, "Edsger", None)]


class Writing:
    """Part of `Contract`."""

    def test_json_is_kept_as_it_is_written(self, connection: Connection, session: Session) -> None:
        """Proofs hash its text then, and not one form of all texts that mean the same."""
        need(connection.can.keeps_json, "give back JSON as the text that was written")
        written = ['{ "b" : 1.50, "a":[1e2 ,null] }', '{"a":1,"a":2}', '{"x":"\\u00e9\\/"}', '{"n":1000000000000000.0}']
        docs = table("docs", id="int(64)!", doc="json")
        load = put(session, docs, list(enumerate(written)))
        there = found(session, load.table.full_name)
        read = {row["id"]: row["doc"] for each in session.read(there, WHOLE) for row in each.to_pylist()}
        assert read == dict(enumerate(written))

    def test_a_slice_staged_twice_is_there_once(self, session: Session) -> None:
        load = self._staged(session, ROWS)
        assert staged(session, load, ROWS) == len(ROWS)
        self._publishes(session, load, ROWS)

    def test_a_slice_staged_again_is_replaced_alone(self, session: Session) -> None:
        load = self._staged(session, ROWS[:2])
        staged(session, load, ROWS[2:], number=1)
        staged(session, load, NEW[1:], number=0)
        self._publishes(session, load, ROWS[2:] + NEW[1:])

    def test_staged_rows_can_be_read_and_are_not_the_tables(self, session: Session) -> None:
        """They are proved before they are published."""
        put(session, PEOPLE, ROWS)
        load = self._staged(session, NEW)
        assert content(session, load.stage) == expected(load.table, NEW)
        assert session.describe(load.stage.full_name) is not None, "whether it is gone tells how it was published"
        assert content(session, found(session, load.table.full_name)) == expected(load.table, ROWS)

    def test_a_batch_stream_that_breaks_leaves_nothing_of_its_slice(self, session: Session) -> None:
        load = self._staged(session, ROWS[:2])
        with pytest.raises(BrokenError):
            session.stage(load, raising([batch(load.table, ROWS[2:])]), 1)
        self._publishes(session, load, ROWS[:2])

    def test_a_broken_attempt_keeps_what_an_earlier_one_staged(self, session: Session) -> None:
        load = self._staged(session, ROWS)
        with pytest.raises(BrokenError):
            session.stage(load, raising([batch(load.table, NEW)]), 0)
        self._publishes(session, load, ROWS)

    def test_preparing_twice_keeps_what_is_staged(self, session: Session) -> None:
        load = self._staged(session, ROWS)
        session.prepare(load)
        self._publishes(session, load, ROWS)

    def test_another_session_goes_on(self, connection: Connection, session: Session) -> None:
        """A worker that died is followed by another."""
        load = self._staged(session, ROWS[:2])
        with connection.open() as other:
            other.prepare(load)
            staged(other, load, ROWS[2:], number=1)
            other.publish([load])
        assert content(session, found(session, load.table.full_name)) == expected(load.table, ROWS)

    def test_publishing_twice_changes_nothing(self, session: Session) -> None:
        load = self._staged(session, ROWS)
        session.publish([load])
        self._publishes(session, load, ROWS)

    def test_how_far_a_load_has_come_is_seen(self, connection: Connection, session: Session) -> None:
        load = load_of(session, PEOPLE)
        seen = [session.standing(load)]
        session.prepare(load)
        staged(session, load, ROWS)
        with connection.open() as other:
            seen.append(other.standing(load))
        session.publish([load])
        with connection.open() as other:
            seen.append(other.standing(load))
        session.discard(load)
        assert seen[0] is Standing.GONE
        assert seen[1] in (Standing.STAGED, Standing.PUBLISHING)
        assert seen[2] is Standing.PUBLISHED

    def test_discarding_removes_every_trace(self, session: Session) -> None:
        put(session, PEOPLE.model_copy(update={"name": "others"}), ROWS)
        before = names(session)
        load = self._staged(session, ROWS)
        session.discard(load)
        session.discard(load)
        assert names(session) == before
        assert self._left(session, load) == []

    def test_discarding_after_publishing_leaves_the_table(self, session: Session) -> None:
        load = put(session, PEOPLE, ROWS)
        session.discard(load)
        assert content(session, found(session, load.table.full_name)) == expected(load.table, ROWS)
        assert self._left(session, load) == []

    def test_discarding_one_load_leaves_the_other(self, session: Session) -> None:
        first = self._staged(session, ROWS)
        second = load_of(session, PEOPLE.model_copy(update={"name": "others"}))
        session.prepare(second)
        staged(session, second, NEW)
        session.discard(first)
        session.publish([second])
        assert content(session, found(session, second.table.full_name)) == expected(second.table, NEW)

    def test_the_catalogue_hides_what_is_staged(self, session: Session) -> None:
        load = self._staged(session, ROWS)
        assert not [name for name in names(session) if name.startswith("lading_")]
        session.publish([load])
        assert load.table.name in names(session)
        assert not [name for name in names(session) if name.startswith("lading_")]

    def test_replace_leaves_the_new_rows_alone(self, session: Session) -> None:
        put(session, PEOPLE, ROWS)
        there = found(session, put(session, PEOPLE, NEW).table.full_name)
        assert content(session, there) == expected(there, NEW)
        put(session, PEOPLE, [])
        assert content(session, there) == []

    def test_replace_is_seen_at_once(self, connection: Connection, session: Session) -> None:
        """A reader sees the old rows until publishing, then the new."""
        need(connection.can.atomic, "publish at once")
        there = found(session, put(session, PEOPLE, ROWS).table.full_name)
        load = load_of(session, PEOPLE)
        session.prepare(load)
        staged(session, load, NEW)
        with connection.open() as reader:
            assert content(reader, there) == expected(there, ROWS)
            assert names(reader) == {there.name}
        session.publish([load])
        with connection.open() as reader:
            assert content(reader, there) == expected(there, NEW)

    def test_append(self, connection: Connection, session: Session) -> None:
        need(connection.can.appends, "append")
        put(session, PEOPLE, ROWS[:2])
        load = load_of(session, PEOPLE, Mode.APPEND)
        session.prepare(load)
        staged(session, load, ROWS[2:])
        session.publish([load])
        self._publishes(session, load, ROWS)

    def test_append_to_nothing(self, connection: Connection, session: Session) -> None:
        need(connection.can.appends, "append")
        there = found(session, put(session, PEOPLE, ROWS, Mode.APPEND).table.full_name)
        assert content(session, there) == expected(there, ROWS)

    @pytest.mark.parametrize("key", [("id",), ("name",), ("name", "id")], ids=",".join)
    def test_merge(self, connection: Connection, session: Session, key: tuple[str, ...]) -> None:
        """Rows with a known key are updated, others inserted; twice is once."""
        need(connection.can.merges, "merge")
        keyed = table("merged", key, id="int(64)!", name="string(40)!", paid="decimal(18,2)")
        old: list[Row] = [(1, "a", "1.00"), (2, "B", "2.00"), (3, "c d", None)]
        new: list[Row] = [(2, "B", None), (3, "c d", "3.50"), (4, "it's", "4.00")]
        put(session, keyed, old)
        load = load_of(session, keyed, Mode.MERGE)
        session.prepare(load)
        staged(session, load, new)
        session.publish([load])
        self._publishes(session, load, [old[0], *new])
        there = found(session, load.table.full_name).model_copy(update={"key": key})
        merged = content(session, there, Slice(within=load.stage.name))
        assert merged == expected(there, new)
        session.discard(load)

    def test_merge_into_nothing(self, connection: Connection, session: Session) -> None:
        need(connection.can.merges, "merge")
        there = found(session, put(session, PEOPLE, ROWS, Mode.MERGE).table.full_name)
        assert content(session, there) == expected(there, ROWS)

    def test_merge_refuses_a_key_that_is_staged_twice(self, connection: Connection, session: Session) -> None:
        need(connection.can.merges, "merge")
        there = found(session, put(session, PEOPLE, ROWS).table.full_name)
        self._refuses(session, load_of(session, PEOPLE, Mode.MERGE), [(1, "x", None), (1, "y", None)])
        assert content(session, there) == expected(there, ROWS)

    def test_a_null_where_none_may_be_is_refused(self, session: Session) -> None:
        strict = table("strict", id="int(64)!", name="string(40)!")
        self._refuses(session, load_of(session, strict), [(1, None)])
        assert session.describe("strict") is None

    def test_together_all(self, connection: Connection, session: Session) -> None:
        need(connection.can.together, "publish several tables at once")
        first, second = self._two(session)
        session.publish([first, second])
        session.publish([first, second])
        for load in (first, second):
            there = found(session, load.table.full_name)
            assert content(session, there) == expected(there, NEW)

    def test_together_or_none(self, connection: Connection, session: Session) -> None:
        need(connection.can.together, "publish several tables at once")
        put(session, PEOPLE, ROWS)
        first, second = self._two(session)
        # The second was planned for a table that was not there; by now it is.
        put(session, second.table.model_copy(update={"key": ("id",)}), ROWS)
        with pytest.raises(LadingError):
            session.publish([first, second])
        for load in (first, second):
            there = found(session, load.table.full_name)
            assert content(session, there) == expected(there, ROWS)

    def _two(self, session: Session) -> tuple[Load, Load]:
        loads = load_of(session, PEOPLE), load_of(session, PEOPLE.model_copy(update={"name": "others"}))
        for load in loads:
            session.prepare(load)
            staged(session, load, NEW)
        return loads

    def _staged(self, session: Session, rows: list[Row]) -> Load:
        load = load_of(session, PEOPLE)
        session.prepare(load)
        assert staged(session, load, rows) == len(rows)
        return load

    def _publishes(self, session: Session, load: Load, rows: list[Row]) -> None:
        session.publish([load])
        there = found(session, load.table.full_name)
        assert content(session, there) == expected(there, rows)

    def _refuses(self, session: Session, load: Load, rows: list[Row]) -> None:
        """When staged or when published."""
        session.prepare(load)
        with pytest.raises(DataError):
            self._stages_and_publishes(session, load, rows)
        session.discard(load)

    def _stages_and_publishes(self, session: Session, load: Load, rows: list[Row]) -> None:
        staged(session, load, rows)
        session.publish([load])

    def _left(self, session: Session, load: Load) -> list[str]:
        beside: list[Table] = [load.stage, load.table.model_copy(update={"name": "lading_ledger"})]
        return [each.full_name for each in beside if session.describe(each.full_name) is not None]

    def test_a_table_without_a_key_keeps_its_doubles(self, session: Session) -> None:
        plain = PEOPLE.model_copy(update={"key": ()})
        rows: list[Row] = [(1, "a", None), (1, "a", None), (2, "b", "1.00")]
        there = found(session, put(session, plain, rows).table.full_name)
        assert content(session, there, WHOLE) == expected(there, rows)
