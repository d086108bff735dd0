"""The contract that every connector passes: inherit it, and give it a connection to an empty system.

class TestMine(Contract):
    waivers = {"float64-nan": Waiver("never", "the system has no NaN")}

    @pytest.fixture
    def connection(self, tmp_path):
        return Mine(path=str(tmp_path / "empty"))
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple

import pytest

from lading.connector import Connection, Session
from lading.errors import LadingError
from lading.testing.case import cases
from lading.testing.hashing import Hashing
from lading.testing.naming import NAMES, Names
from lading.testing.reading import KEYS, Reading, Unlisted
from lading.testing.steps import PEOPLE, Row, content, expected, found, load_of, need, staged
from lading.testing.typed import Types
from lading.testing.writing import Writing

__all__ = ["Contract", "Unlisted", "Waiver"]


class Waiver(NamedTuple):
    """Why a test need not pass: the system will never, does not yet, or we do not yet."""

    word: Literal["never", "not_theirs_yet", "not_ours_yet"]
    reason: str


class Contract(Hashing, Types, Names, Writing, Reading):
    """What `lading.connector` asks, as tests."""

    waivers: ClassVar[dict[str, Waiver]] = {}
    """By the name of a test, `test_merge`; of one of its cases, `test_merge[name]`; or of a case file, `float64-nan`,
    for both tests that read it. A waiver that is no longer needed fails."""

    @pytest.fixture
    def connection(self) -> Connection:
        """A connection to an empty system."""
        raise NotImplementedError

    @pytest.fixture
    def session(self, connection: Connection, waived: None) -> Iterator[Session]:
        need(connection.can.reads and connection.can.writes, "read and write")
        with connection.open() as session:
            yield session

    @pytest.fixture(autouse=True)
    def waived(self, request: pytest.FixtureRequest) -> None:
        name = request.node.name.encode().decode("unicode_escape")  # pytest writes ids in ASCII
        keys = {name, name.partition("[")[0]}
        if name.startswith("test_case["):
            keys.add(name.partition("[")[2].removesuffix("]"))
        for waiver in (self.waivers[key] for key in keys & self.waivers.keys()):
            reason = f"{waiver.word}: {waiver.reason}"
            # A value may be refused; that it comes back as another one cannot be waived.
            known = LadingError if name.startswith("test_case[") else (AssertionError, LadingError)
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True, raises=known))

    def test_waivers_name_tests(self) -> None:
        known = {name for name in dir(self) if name.startswith("test_")} | {case.name for case in cases()}
        known |= {f"test_name[{name}]" for name in NAMES} | {f"test_slices_are_several[{kind}]" for kind in KEYS}
        known |= {f"test_sums_of_extremes_are_exact[{case}]" for case in cases()}
        assert sorted(self.waivers.keys() - known) == []
        assert [key for key, waiver in self.waivers.items() if len(waiver.reason) < 10] == []

    def digests_of(self, session: Session) -> bool:
        return self.digests

    digests: ClassVar[bool] = True
    """Whether the system sums in place, as its capabilities say."""

    def test_capabilities_are_what_is_tested(self, connection: Connection) -> None:
        assert connection.can.digests is self.digests
        assert connection.can.readers >= 1
        assert connection.can.writers >= 1

    def test_an_address_comes_back(self, connection: Connection) -> None:
        assert type(connection).from_url(connection.address()).address() == connection.address()
        assert connection.model_validate(connection.model_dump(by_alias=True)) == connection

    def test_several_sessions_stage_at_a_time(self, connection: Connection, session: Session) -> None:
        need(connection.can.writers > 1, "be staged to by several sessions")
        load = load_of(session, PEOPLE)
        session.prepare(load)
        rows: list[Row] = [(n, f"name {n}", None) for n in range(400)]
        failed: list[BaseException] = []

        def work(number: int) -> None:
            try:
                with connection.open() as own:
                    for part in range(number, 8, connection.can.writers):
                        staged(own, load, rows[part * 50 : part * 50 + 50], number=part)
            except LadingError as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(connection.can.writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        session.publish([load])
        there = found(session, load.table.full_name)
        assert content(session, there) == expected(there, rows)
