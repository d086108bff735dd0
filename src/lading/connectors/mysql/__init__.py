"""MySQL and MariaDB. Tested on MariaDB 10.11 only."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, ClassVar, Literal, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pydantic import ConfigDict, Field, SecretStr

from lading.connector import Capabilities, Connection
from lading.connectors.mysql.driver import Driver
from lading.connectors.mysql.session import MySQLSession

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

# How SQLAlchemy calls what we have another word for; what we always do is left out.
_WORDS = {"ssl_ca": "ca", "unix_socket": "socket"}
_ALWAYS = {"charset", "local_infile"}


class MySQL(Connection):
    """A MySQL or MariaDB server; tested on MariaDB 10.11 only. Where a table is replaced that others refer to, the
    account needs SELECT on all of them: beside those that it may see, nobody tells it of others, and their rows are not
    looked at."""

    model_config = ConfigDict(hide_input_in_errors=True)

    kind: Literal["mysql"] = "mysql"
    host: str = Field("localhost", description="The server's name or address.")
    port: int = Field(3306, description="The server's port.", ge=1, le=65535)
    user: str | None = Field(None, description="The account; without one, the name of the user who runs Lading.")
    password: SecretStr | None = Field(None, description="The account's password.")
    database: str | None = Field(None, description="The database; without one, every database the account may see.")
    tls: Literal["prefer", "require", "verify", "off"] = Field(
        "prefer", description="Whether the connection is encrypted, and whether the server must show who it is."
    )
    ca: str | None = Field(None, description="A file of authorities to trust, for 'tls: verify'.")
    socket: str | None = Field(None, description="A Unix socket to use in place of host and port.")
    batch_mb: int = Field(4, description="About how much is read at a time, in MiB.", ge=1)
    lock_seconds: int = Field(60, description="How long to wait for a lock that another session holds.", ge=1)
    timeout_seconds: int = Field(10, description="How long to wait for the server to answer the first time.", ge=1)

    can: ClassVar[Capabilities] = Capabilities(
        reads=True, writes=True, snapshot=True, aside=True, writers=4, atomic=True, together=True, merges=True,
        appends=True, digests=True,
    )  # fmt: skip
    schemes: ClassVar[tuple[str, ...]] = (
        "mysql", "mariadb", "mysql+pymysql", "mysql+mysqldb", "mysql+mysqlconnector", "mysql+asyncmy", "mysql+aiomysql",
        "mariadb+pymysql", "mariadb+mysqldb", "mariadb+mariadbconnector",
    )  # fmt: skip
    extra: ClassVar[str | None] = "mysql"

    @classmethod
    def from_url(cls, url: str) -> Self:
        parts = urlsplit(url)
        options = {_WORDS.get(name, name): values[-1] for name, values in parse_qs(parts.query).items()}
        settings: dict[str, object] = {name: value for name, value in options.items() if name not in _ALWAYS}
        given = {
            "host": parts.hostname,
            "port": parts.port,
            "user": parts.username and unquote(parts.username),
            "password": parts.password and unquote(parts.password),
            "database": unquote(parts.path.removeprefix("/")),
        }
        if "ca" in settings:
            settings.setdefault("tls", "verify")
        return cls(**{**settings, **{name: value for name, value in given.items() if value}})

    def address(self) -> str:
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == 3306 else f":{self.port}"
        socket = f"?socket={quote(self.socket, safe='')}" if self.socket else ""
        return f"mysql://{user}{host}{port}/{quote(self.database or '', safe='')}{socket}"

    def open(self) -> AbstractContextManager[MySQLSession]:
        return closing(MySQLSession(Driver(self), self.database))
