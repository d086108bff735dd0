"""Fixtures: real servers, empty databases, others' data, a store per test; and what was skipped, at the end."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Never, TypeVar

import pytest

from tests.proxy import Proxy
from tests.servers import MEMORY, MariaDB, Postgres, Server, memory_folder, odbc_drivers, plenty_of_memory
from tests.stores import S3, FileServer, Ftpd, Sshd

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("LADING_TEST_DATA", ROOT / "../shared/data"))
REQUIRED = {name.strip() for name in os.environ.get("LADING_TEST_REQUIRE", "").split(",")} - {""}
AnyServer = TypeVar("AnyServer", bound=Server | FileServer)


def pytest_configure(config: pytest.Config) -> None:
    """The folders of tests lie in memory where there is plenty: small copies wait for a disk as long as they work. The
    long tests write more than there is room for."""
    if config.option.markexpr == "not soak" and plenty_of_memory():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)


def lacking(name: str, reason: str) -> Never:
    """Skip the test, or fail it where LADING_TEST_REQUIRE names what is lacking."""
    if name in REQUIRED:
        pytest.fail(f"LADING_TEST_REQUIRE names '{name}', but {reason}", pytrace=False)
    pytest.skip(f"{name}: {reason}")


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs and ledgers of a test stay in its own folder."""
    folder = tmp_path / "store"
    monkeypatch.setenv("LADING_STORE", str(folder))
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's PostgreSQL. A test that stops or kills a server starts its own: see `own_postgres`."""
    if reason := Postgres.absent():
        lacking("postgres", reason)
    yield from _closing(Postgres(folder=memory_folder()))


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """The session's MariaDB. A test that stops or kills a server starts its own: see `own_mariadb`."""
    if reason := MariaDB.absent():
        lacking("mariadb", reason)
    yield from _closing(MariaDB(folder=memory_folder()))


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL of the module's own, to be restarted and killed."""
    if reason := Postgres.absent():
        lacking("postgres", reason)
    yield from _closing(Postgres(folder=memory_folder()))


@pytest.fixture(scope="module")
def own_mariadb() -> Iterator[MariaDB]:
    """A MariaDB of the module's own, to be restarted and killed."""
    if reason := MariaDB.absent():
        lacking("mariadb", reason)
    yield from _closing(MariaDB(folder=memory_folder()))


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    """The session's OpenSSH server."""
    if not Sshd.program:
        lacking("sshd", "sshd is not installed (apt-get install openssh-server)")
    yield from _closing(Sshd())


@pytest.fixture(scope="session")
def ftpd() -> Iterator[Ftpd]:
    """The session's FTP server."""
    yield from _closing(Ftpd())


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """The session's emulator of S3."""
    yield from _closing(S3())


@pytest.fixture
def pg_database(postgres: Postgres) -> Iterator[str]:
    """The address of an empty PostgreSQL database."""
    name = f"t{secrets.token_hex(4)}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


@pytest.fixture
def maria_database(mariadb: MariaDB) -> Iterator[str]:
    """The address of an empty MariaDB database."""
    name = f"t{secrets.token_hex(4)}"
    yield mariadb.create_database(name)
    mariadb.drop_database(name)


@pytest.fixture
def pg_odbc(postgres: Postgres, pg_database: str) -> str:
    """The ODBC connection string of `pg_database`."""
    _need_driver("odbc-postgres", "PostgreSQL Unicode", "odbc-postgresql")
    return postgres.odbc(pg_database.rpartition("/")[2])


@pytest.fixture
def maria_odbc(mariadb: MariaDB, maria_database: str) -> str:
    """The ODBC connection string of `maria_database`."""
    _need_driver("odbc-mariadb", "MariaDB", "odbc-mariadb")
    return mariadb.odbc(maria_database.rpartition("/")[2])


@pytest.fixture
def proxy() -> Iterator[Callable[[Server | FileServer], Proxy]]:
    """Call it with a server: a proxy in front of it, whose `url()` turns the server's addresses into its own."""
    made: list[Proxy] = []

    def make(server: Server | FileServer) -> Proxy:
        made.append(Proxy("127.0.0.1", server.port))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def data_dir() -> Callable[[str], Path]:
    """Call it with a name: the folder of that data set, which lies beside the project and is never copied into it."""

    def find(name: str) -> Path:
        folder = (DATA / name).resolve()
        if not folder.is_dir():
            lacking(name, "the data is not beside the project in ../shared/data, nor where LADING_TEST_DATA says")
        return folder

    return find


def _closing(server: AnyServer) -> Iterator[AnyServer]:
    yield server
    server.close()


def _need_driver(name: str, driver: str, package: str) -> None:
    if not any(each.startswith(driver) for each in odbc_drivers()):
        lacking(name, f"the ODBC driver '{driver}' is not installed (apt-get install {package})")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was skipped, and why, in the last lines."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    if reasons:
        terminalreporter.section("not run here")
        for reason, count in sorted(reasons.items()):
            terminalreporter.line(f"{count} skipped: {reason}")
