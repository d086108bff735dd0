"""Any system with an ODBC driver: settings."""

from __future__ import annotations

import importlib
import re
from contextlib import AbstractContextManager, closing
from typing import Any, ClassVar, Literal, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pydantic import Field, SecretStr, model_validator

from lading.connector import Capabilities, Connection
from lading.connectors.odbc.driver import Driver
from lading.connectors.odbc.session import OdbcSession, spoken
from lading.dialect import Dialect
from lading.dialects.odbc import flavours
from lading.errors import SpecError

_SHOWN = ("driver", "dsn", "server", "servername", "host", "port", "database", "db", "uid", "user")


class Odbc(Connection):
    """A system reached through an ODBC driver. Without `dialect` it is read by the standard's catalogue.
    Tested through Debian's drivers for PostgreSQL and MariaDB."""

    kind: Literal["odbc"] = "odbc"
    dsn: str | None = Field(None, description="The data source's name in odbc.ini.")
    connection: SecretStr | None = Field(None, description="A whole ODBC connection string, instead of `dsn`.")
    user: str | None = Field(None, description="The account's name.")
    password: SecretStr | None = Field(None, description="The account's password.")
    dialect: Literal["odbc", "postgres", "mysql", "sqlserver", "tsql"] = Field(
        "odbc", description="Whose SQL the system speaks; tsql is Sybase ASE."
    )
    schema_name: str | None = Field(None, alias="schema", description="The schema that names without one mean.")
    long_bytes: int = Field(65_536, description="The longest text or bytes, where they cannot be measured.", ge=1)
    batch_mb: int = Field(32, description="How much memory a batch may take on its way, in MiB.", ge=1)

    can: ClassVar[Capabilities] = Capabilities(
        reads=True, writes=True, snapshot=True, atomic=True, merges=True, appends=True, digests=True
    )
    schemes: ClassVar[tuple[str, ...]] = ("odbc",)
    extra: ClassVar[str | None] = "odbc"

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.dsn is None) == (self.connection is None):
            raise ValueError("give either 'dsn' or 'connection'")
        return self

    @classmethod
    def from_url(cls, url: str) -> Self:
        parts = urlsplit(url)
        options: dict[str, Any] = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        where, _, host = parts.netloc.rpartition("@")
        user, _, password = where.partition(":")
        found = {"dsn": unquote(host), "user": unquote(user), "password": unquote(password)}
        options = {**{name: value for name, value in found.items() if value}, **options}
        if not options.get("dsn") and not options.get("connection"):
            raise SpecError(
                "The address names no ODBC source.",
                "Write odbc://?dsn=NAME&dialect=postgres or odbc:///?connection=...",
            )
        return cls(**options)

    def address(self) -> str:
        shown = self.dsn and f"dsn={quote(self.dsn)}"
        if self.connection is not None:
            pairs = re.findall(r"([^;=]+)=(\{(?:[^}]|}})*\}|[^;]*)", self.connection.get_secret_value())
            kept = ";".join(f"{k.strip()}={v}" for k, v in pairs if k.strip().lower() in _SHOWN)
            shown = f"connection={quote(kept, safe=' {}=;:/,.()@*_')}"
        extra = "".join(f"&{k}={quote(v)}" for k, v in (("user", self.user), ("schema", self.schema_name)) if v)
        return f"odbc://?{shown}&dialect={self.dialect}{extra}"

    def open(self) -> AbstractContextManager[OdbcSession]:
        found: Dialect = importlib.import_module(f"lading.dialects.{self.dialect}").dialect
        own = spoken(found, flavours[self.dialect])
        return closing(OdbcSession(self, own, Driver(self, own)))
