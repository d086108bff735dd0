"""PostgreSQL: COPY in both directions, at one exported snapshot."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from pydantic import Field, SecretStr

from lading.connector import Capabilities, Connection
from lading.connectors.postgres.driver import Driver
from lading.connectors.postgres.session import PostgresSession
from lading.dialects.postgres import dialect, recoded
from lading.errors import SpecError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

# What people write in addresses, and the settings it means.
_WORDS = {
    "dbname": "database",
    "sslmode": "ssl",
    "sslrootcert": "ssl_root_cert",
    "sslcert": "ssl_cert",
    "sslkey": "ssl_key",
    "connect_timeout": "connect_seconds",
}
# What every session sets for itself, so that values come as one text and a silent server is noticed.
_ALWAYS = {
    "application_name", "fallback_application_name", "client_encoding", "keepalives", "keepalives_idle",
    "keepalives_interval", "keepalives_count", "tcp_user_timeout",
}  # fmt: skip
# Words with which people ask for nothing that is not so anyway; with other values they ask for what nobody does here.
_ANYWAY = {
    "target_session_attrs": ("any", "prefer-standby"),
    "load_balance_hosts": ("disable",),
    "channel_binding": ("prefer", "disable"),
    "gssencmode": ("prefer", "disable"),
    "sslcompression": ("0",),
}


class Postgres(Connection):
    """A PostgreSQL database. In an address, libpq's application_name, client_encoding, keepalives and tcp_user_timeout
    are passed over, as every session sets its own; so are target_session_attrs, load_balance_hosts, channel_binding,
    gssencmode and sslcompression where they ask for nothing more than is so without them, such as 'any'."""

    kind: Literal["postgres"] = "postgres"
    host: str | None = Field(None, description="The server's name or address, or the folder of its socket.")
    port: int = Field(5432, description="The server's port.", ge=1, le=65_535)
    database: str | None = Field(None, description="The database; the user's name when left out.")
    schema_name: str | None = Field(None, alias="schema", description="The schema that names without one mean.")
    user: str | None = Field(None, description="The account; this computer's user when left out.")
    password: SecretStr | None = Field(None, description="The account's password.")
    ssl: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = Field(
        "prefer", description="Whether the connection is encrypted, and how far the server is checked."
    )
    ssl_root_cert: str | None = Field(None, description="The file of the authorities that are trusted.")
    ssl_cert: str | None = Field(None, description="The file of the client's certificate.")
    ssl_key: str | None = Field(None, description="The file of the client's key.")
    options: str | None = Field(None, description="Options for the server's session, such as -c role=loader.")
    connect_seconds: int = Field(15, description="How long to wait for a connection.", ge=1)
    lock_seconds: int = Field(120, description="How long to wait for a table that others have locked.", ge=1)
    statement_seconds: int = Field(0, description="How long a statement may run; 0 for any time.", ge=0)
    parallel_workers: int | None = Field(
        None, ge=0, description="Workers that a statement may have besides; if left out none in a copy or when gentle, "
        "else as many as the server gives. What they cost is in no bill.",
    )  # fmt: skip
    batch_mb: int = Field(8, description="About how much is read at a time, in MiB.", ge=1)

    can: ClassVar[Capabilities] = Capabilities(
        reads=True, writes=True, snapshot=True, readers=4, writers=4, atomic=True, together=True, merges=True,
        appends=True, digests=True,
    )  # fmt: skip
    schemes: ClassVar[tuple[str, ...]] = (
        "postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2", "postgresql+asyncpg",
    )  # fmt: skip
    extra: ClassVar[str | None] = "postgres"
    small_mb: ClassVar[int | None] = 1

    @classmethod
    def from_url(cls, url: str) -> Self:
        parts = urlsplit(url)
        try:
            found: dict[str, Any] = {"host": parts.hostname, "port": parts.port}
        except ValueError:
            raise SpecError("The address has a port that is no number.", "Write ...@host:5432/database.") from None
        found |= {"user": parts.username, "password": parts.password, "database": parts.path.removeprefix("/")}
        found = {name: unquote(value) if isinstance(value, str) else value for name, value in found.items()}
        for name, values in parse_qs(parts.query).items():
            if name in _ANYWAY and values[-1] not in _ANYWAY[name]:
                what = f"PostgreSQL's '{name}={values[-1]}' asks for what Lading does not see to."
                raise SpecError(what, "Leave it out; 'host' names the one server, and 'ssl' says how it is checked.")
            if name not in _ALWAYS and name not in _ANYWAY:
                found[_WORDS.get(name, name)] = values[-1]
        known = {field.alias or name for name, field in cls.model_fields.items()}
        if odd := [name for name in found if name not in known]:
            raise SpecError(
                f"PostgreSQL's addresses have no option '{odd[0]}'.", f"There are: {', '.join(sorted(known))}."
            )
        return cls(**{name: value for name, value in found.items() if value not in (None, "")})

    def address(self) -> str:
        local = self.host is None or self.host.startswith("/")
        host = "" if local else f"[{self.host}]" if ":" in str(self.host) else str(self.host)
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        options: dict[str, str] = {}
        if self.schema_name:
            options["schema"] = self.schema_name
        if local and self.host:
            options |= {"host": self.host, "port": str(self.port)}
        place = f"{host}:{self.port}" if host else ""
        tail = f"?{urlencode(options)}" if options else ""
        return f"postgresql://{user}{place}/{quote(self.database or '', safe='')}{tail}"

    def open(self) -> AbstractContextManager[PostgresSession]:
        driver = Driver(self)
        return closing(PostgresSession(dialect if driver.encoding == "UTF8" else recoded, driver, self.schema_name))
