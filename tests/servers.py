"""Real PostgreSQL and MariaDB servers of the tests' own: on free ports, in temporary folders, stopped by process id."""

from __future__ import annotations

import hashlib
import hmac
import os
import pwd
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    import psycopg

START_SECONDS = 60
STOP_SECONDS = 30
USER = "lading"
SEARCH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
MEMORY = "/dev/shm"
MEMORY_BYTES = 6 << 30
ENVIRONMENT = {"PATH": SEARCH, "LC_ALL": "C", "TZ": "UTC"}


class Server:
    """What both servers share: a folder, a port, a password, a process."""

    account: str  # whom the process runs as when we are root, which both servers refuse to be
    package: str  # Debian's
    stop_signal: signal.Signals
    program: Path | None

    def __init__(self, folder: Path | None) -> None:
        if self.program is None:
            raise FileNotFoundError(self.absent())
        self.folder = folder or _new_folder()
        self.port = free_port()
        self.password = secrets.token_hex(8) + "@"  # which an address must quote
        said = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True).stdout
        self.version = "".join(re.findall(r"\d+(?:\.\d+)+", said)[:1])
        self._as: dict[str, Any] = {"cwd": self.folder, "env": ENVIRONMENT, "stdin": subprocess.DEVNULL}
        if os.geteuid() == 0:
            entry = _account(self.account)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            self._as |= {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        self._command: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def absent(cls) -> str | None:
        """Why there can be no such server here, or None."""
        return None if cls.program else f"{cls.__name__} is not installed (apt-get install {cls.package})"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise RuntimeError(f"{self!r} is not running")
        return self._process.pid

    def url(self, database: str) -> str:
        """The address of a database, as people write it."""
        raise NotImplementedError

    def execute(self, statement: str, database: str = "") -> list[tuple[Any, ...]]:
        """Run one statement outside a transaction; its rows, if it has any."""
        raise NotImplementedError

    def start(self) -> None:
        """Start on the same port as before, and wait until it answers."""
        if self._process is not None:
            raise RuntimeError(f"{self!r} is running already")
        with self._log.open("ab") as log:
            process = subprocess.Popen(self._command, stdout=log, stderr=log, **self._as)
        self._process = process
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
                return
            except Exception as error:
                if process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                self.kill()
                raise RuntimeError(f"{self!r} did not start: {self.log()[-2000:]}") from error

    def stop(self) -> None:
        """Stop as an operator would: sessions are ended, what was committed is kept."""
        if self._process is None:
            return
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Stop as a crash would, with every process of the server."""
        if self._process is None:
            return
        tasks = Path(f"/proc/{self._process.pid}/task")
        children = [int(pid) for file in tasks.glob("*/children") for pid in file.read_text().split()]
        self._process.kill()
        self._process.wait()
        for pid in children:  # PostgreSQL's live on for a moment, and hold its memory
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(Path(f"/proc/{pid}").exists() and not _is_zombie(pid) for pid in children):
            time.sleep(0.01)
        self._process = None

    def restart(self) -> None:
        """Stop, then start on the same port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop, and remove the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """What the server has said so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.version} on port {self.port}>"

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _run(self, command: Sequence[str | Path]) -> None:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **self._as)
        if done.returncode:
            self.close()
            raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout[-2000:]}")

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o644)  # the folder itself is the server's alone
        return path


def _postgres_bin() -> Path | None:
    """The folder of PostgreSQL's programs; Debian keeps them off the PATH, one folder a version."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    return max(versions, key=lambda path: float(path.parent.name), default=None)


class Postgres(Server):
    """A PostgreSQL server. `settings` are those of postgresql.conf.

    A `folder` of the test's own (a small disk, say) must be open to other users on the way to it.
    """

    account = "postgres"
    package = "postgresql"
    stop_signal = signal.SIGINT  # rolls back what is open, then stops
    _bin = _postgres_bin()
    program = _bin and _bin / "postgres"

    def __init__(
        self, settings: Mapping[str, str] | None = None, folder: Path | None = None, fsync: bool = False
    ) -> None:
        super().__init__(folder)
        self._kept: psycopg.Connection | None = None
        assert self._bin
        data, password = self.folder / "data", self._write("password", self.password)
        how = ["--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-sync", "--no-instructions"]
        self._run([self._bin / "initdb", "-D", data, "-U", USER, f"--pwfile={password}", *how])
        durable = "on" if fsync else "off"
        defaults = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "max_connections": "100",
            "wal_level": "logical",
            "fsync": durable,  # off: what was committed survives a killed server, not a dead machine
            "full_page_writes": durable,
        }
        options = [f"--{name}={value}" for name, value in {**defaults, **(settings or {})}.items()]
        self._command = [str(self.program), "-D", str(data), *options]
        self.start()
        self.execute(f"ALTER ROLE {USER} PASSWORD '{_verifier(self.password)}'")

    def url(self, database: str = "postgres") -> str:
        """The address of a database, as people write it."""
        return f"postgresql://{USER}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{database}"

    def odbc(self, database: str) -> str:
        """The same as an ODBC connection string."""
        where = f"Server=127.0.0.1;Port={self.port};Database={database}"
        return f"Driver={{PostgreSQL Unicode}};{where};Uid={USER};Pwd={self.password};"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement outside a transaction; its rows, if it has any."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=10) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name: str) -> str:
        """Make an empty database; its address."""
        self._administer(f'CREATE DATABASE "{name}" STRATEGY = FILE_COPY')  # half the time of the other
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self._administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def stop(self) -> None:
        self._let_go()
        super().stop()

    def kill(self) -> None:
        self._let_go()
        super().kill()

    def _administer(self, statement: str) -> None:
        """As `execute`, through a connection that is kept: to open one takes as long as to make a database."""
        import psycopg

        if self._kept is None:
            self._kept = psycopg.connect(self.url(), autocommit=True, connect_timeout=10)
        self._kept.execute(statement.encode())

    def _let_go(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None


class MariaDB(Server):
    """A MariaDB server. `settings` are options of mariadbd.

    A `folder` of the test's own (a small disk, say) must be open to other users on the way to it.
    """

    account = "mysql"
    package = "mariadb-server"
    stop_signal = signal.SIGTERM
    _install = shutil.which("mariadb-install-db", path=SEARCH)
    _mariadbd = shutil.which("mariadbd", path=SEARCH)
    program = Path(_mariadbd) if _mariadbd and _install else None

    def __init__(self, settings: Mapping[str, str] | None = None, folder: Path | None = None) -> None:
        super().__init__(folder)
        assert self._install
        data, temporary = self.folder / "data", self.folder / "tmp"
        users = [f"'{USER}'@'{host}'" for host in ("127.0.0.1", "localhost")]
        statements = [f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '{self.password}';" for user in users]
        statements += [f"GRANT ALL ON *.* TO {user} WITH GRANT OPTION;" for user in users]
        init = self._write("init.sql", "\n".join(statements))
        self._run(["mkdir", temporary])
        how = ["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=socket"]
        self._run([self._install, *how, f"--datadir={data}", f"--tmpdir={temporary}", "--innodb-log-file-size=96M"])
        defaults = {
            "datadir": str(data),
            "tmpdir": str(temporary),
            "socket": str(self.folder / "socket"),
            "pid-file": str(self.folder / "pid"),
            "init-file": str(init),
            "port": str(self.port),
            "bind-address": "127.0.0.1",
            "skip-name-resolve": "on",
            "local-infile": "on",
            "character-set-server": "utf8mb4",
            "max-allowed-packet": "256M",
            "innodb-buffer-pool-size": "256M",
            "innodb-log-file-size": "96M",
            "innodb-flush-log-at-trx-commit": "2",  # survives a killed server; only a dead machine could lose a second
        }
        options = [f"--{name}={value}" for name, value in {**defaults, **(settings or {})}.items()]
        self._command = [str(self.program), "--no-defaults", *options]
        self.start()

    def url(self, database: str = "mysql") -> str:
        """The address of a database, as people write it."""
        return f"mysql://{USER}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{database}"

    def odbc(self, database: str) -> str:
        """The same as an ODBC connection string."""
        driver = next(name for name in odbc_drivers() if name.startswith("MariaDB"))
        where = f"Server=127.0.0.1;Port={self.port};Database={database}"
        return f"Driver={{{driver}}};{where};Uid={USER};Pwd={self.password};"

    def execute(self, statement: str, database: str = "mysql") -> list[tuple[Any, ...]]:
        """Run one statement outside a transaction; its rows, if it has any."""
        import pymysql

        where: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "user": USER, "password": self.password}
        how: dict[str, Any] = {"autocommit": True, "connect_timeout": 10, "ssl_disabled": True}
        with pymysql.connect(**where, **how, database=database) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def create_database(self, name: str) -> str:
        """Make an empty database; its address."""
        self.execute(f"CREATE DATABASE `{name}`")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, ending the sessions in it first: a lock one of them holds would make the drop wait."""
        for (session,) in self.execute(f"SELECT id FROM information_schema.processlist WHERE db = '{name}'"):
            with suppress(Exception):  # it may have ended meanwhile
                self.execute(f"KILL {session}")
        self.execute(f"DROP DATABASE IF EXISTS `{name}`")


def _verifier(password: str) -> str:
    """PostgreSQL's form of a password, hashed once and not 4,096 times, which is half of the time of a connection."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    client, server = (hmac.digest(salted, word, "sha256") for word in (b"Client Key", b"Server Key"))
    texts = (b64encode(each).decode() for each in (salt, hashlib.sha256(client).digest(), server))
    return "SCRAM-SHA-256$1:{}${}:{}".format(*texts)


def odbc_drivers() -> list[str]:
    """The ODBC drivers registered with unixODBC."""
    folders = [os.environ.get("ODBCSYSINI", "/etc"), "/etc"]
    files = [Path(folder) / "odbcinst.ini" for folder in dict.fromkeys(folders)]
    return [name for file in files if file.exists() for name in re.findall(r"(?m)^\[(.+)]", file.read_text())]


def free_port() -> int:
    """A port below those the system gives to outgoing connections, so that a stopped server finds it free again."""
    while True:
        port = random.SystemRandom().randrange(15_000, 32_000)
        with socket.socket() as trial, suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port


def memory_folder() -> Path | None:
    """A folder in memory, where there is plenty: a hundred times a minute, tests make databases and drop them."""
    return Path(tempfile.mkdtemp(prefix="lading-", dir=MEMORY)) if plenty_of_memory() else None


def plenty_of_memory() -> bool:
    try:
        return shutil.disk_usage(MEMORY).free > MEMORY_BYTES
    except OSError:
        return False


def _new_folder() -> Path:
    folder = tempfile.mkdtemp(prefix="lading-")
    if len(folder) > 80:  # a socket's path ends at 107 bytes
        os.rmdir(folder)
        folder = tempfile.mkdtemp(prefix="lading-", dir="/tmp")
    return Path(folder)


def _account(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return pwd.getpwnam("nobody")


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
