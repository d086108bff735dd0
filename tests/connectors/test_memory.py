"""The memory connector."""

import secrets
from typing import ClassVar

import pytest

from lading.connector import Connection
from lading.connectors.memory import Memory
from lading.errors import DataError, SpecError
from lading.schema import Mode
from lading.testing.contract import Contract
from lading.testing.steps import PEOPLE, ROWS, content, expected, found, put


class TestMemory(Contract):
    name_bytes: ClassVar[int | None] = None
    most_columns: ClassVar[int | None] = None

    @pytest.fixture
    def connection(self) -> Connection:
        return Memory(name=secrets.token_hex(4))


@pytest.mark.parametrize("url", ["memory://", "memory:///x", "memory://a/b", "memory://a?b=c"])
def test_addresses_name_one_store(url):
    with pytest.raises(SpecError, match="memory://name"):
        Memory.from_url(url)


def test_stores_are_apart():
    one, other = Memory(name=secrets.token_hex(4)), Memory(name=secrets.token_hex(4))
    with one.open() as first, other.open() as second:
        assert first._store is not second._store
    with one.open() as again:
        assert again._store is first._store


def test_a_snapshot_ends_with_its_session():
    connection = Memory(name=secrets.token_hex(4))
    with connection.open() as first:
        name = first.pin()
    with connection.open() as second, pytest.raises(SpecError, match=name):
        second.pin(name)


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.APPEND])
def test_a_key_holds_each_value_once(mode):
    with Memory(name=secrets.token_hex(4)).open() as session:
        put(session, PEOPLE, ROWS)
        with pytest.raises(DataError, match="more than once"):
            put(session, PEOPLE, [ROWS[0], ROWS[0]], mode)
        assert content(session, found(session, "people")) == expected(PEOPLE, ROWS)
