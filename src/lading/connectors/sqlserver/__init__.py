"""Microsoft SQL Server: settings, and what T-SQL says in its own way."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing
from typing import Any, ClassVar, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import Field, SecretStr

from lading.connector import WHOLE, Capabilities, Connection, Load, Slice
from lading.connectors.sqlserver import routes
from lading.connectors.sqlserver.driver import Driver
from lading.dialects.sqlserver import dialect
from lading.errors import SpecError
from lading.schema import Column, Table
from lading.sql import SqlSession

_SLICED = ("int", "decimal", "string", "date", "timestamp")
_SETTINGS = {"trustservercertificate": "trust_certificate", "encrypt": "encrypt", "charset": "", "driver": ""}


class SqlServer(Connection):
    """A database of SQL Server or Azure SQL. No server was at hand: tested only as far as that goes without one."""

    kind: Literal["sqlserver"] = "sqlserver"
    host: str = Field(description="The server's name; HOST\\INSTANCE for a named instance.")
    port: int | None = Field(None, description="The port; 1433 unless an instance is named.")
    database: str = Field("master", description="The database.")
    user: str | None = Field(None, description="The account's name; none for the account that runs Lading.")
    password: SecretStr | None = Field(None, description="The account's password.")
    schema_name: str | None = Field(None, alias="schema", description="The schema that names without one mean.")
    encrypt: Literal["yes", "no", "strict", "mandatory", "optional"] = Field("yes", description="Whether to use TLS.")
    trust_certificate: bool = Field(False, description="Take the server's certificate without checking it.")
    batch_mb: int = Field(64, description="About how much is read at a time, in MiB.", ge=1)
    lock_seconds: int = Field(60, description="How long to wait for a lock that another session holds.", ge=1)
    connect_seconds: int = Field(15, description="How long to wait for a connection.", ge=1)

    can: ClassVar[Capabilities] = Capabilities(
        reads=True, writes=True, snapshot=True, writers=4, atomic=True, together=True, merges=True, appends=True,
        digests=True,
    )  # fmt: skip
    schemes: ClassVar[tuple[str, ...]] = ("mssql", "sqlserver", "mssql+pyodbc", "mssql+pymssql", "mssql+mssqlpython")
    extra: ClassVar[str | None] = "sqlserver"

    @classmethod
    def from_url(cls, url: str) -> Self:
        parts = urlsplit(url)
        options = {k.lower().replace(" ", ""): v[-1] for k, v in parse_qs(parts.query).items()}
        if not parts.hostname or "odbc_connect" in options:
            raise SpecError("The address names no server.", "Write mssql://USER:PASSWORD@HOST:1433/DATABASE.")
        named = {_SETTINGS.get(name, name): value for name, value in options.items()}
        found: dict[str, Any] = {name: value for name, value in named.items() if name}
        if isinstance(found.get("encrypt"), str):
            found["encrypt"] = {"true": "yes", "false": "no"}.get(found["encrypt"].lower(), found["encrypt"].lower())
        given = {"user": parts.username, "password": parts.password, "database": parts.path.strip("/")}
        found |= {name: unquote(value) for name, value in given.items() if value}
        return cls(host=unquote(parts.hostname), port=parts.port, **found)

    def address(self) -> str:
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        schema = f"?schema={self.schema_name}" if self.schema_name else ""
        return f"mssql://{user}{self.host}{port}/{self.database}{schema}"

    def string(self) -> str:
        """The connection string, with the password in it."""
        server = f"{self.host},{self.port or 1433}" if self.port or "\\" not in self.host else self.host
        parts = {"Server": server, "Database": self.database, "Encrypt": self.encrypt}
        parts |= {"UID": self.user} if self.user else {"Trusted_Connection": "yes"}
        parts |= {"PWD": self.password.get_secret_value()} if self.password else {}
        parts |= {"TrustServerCertificate": "yes"} if self.trust_certificate else {}
        return "".join(f"{name}={{{value.replace('}', '}}')}}};" for name, value in parts.items())

    def open(self) -> AbstractContextManager[SqlServerSession]:
        return closing(SqlServerSession(dialect, Driver(self), self.schema_name))


class SqlServerSession(SqlSession):
    """What T-SQL says in its own way."""

    def fit(self, table: Table) -> Table:
        # A rowversion is the server's to write: its bytes are kept in a column of their own.
        plain = [c.model_copy(update={"native": ""}) if "rowversion" in c.native else c for c in table.columns]
        return super().fit(table.model_copy(update={"columns": tuple(plain)}))

    route, routines, computed, own = routes.route, routes.routines, routes.computed, routes.own

    def slices(self, table: Table, rows: int, since: Slice = WHOLE) -> list[Slice]:
        # A uniqueidentifier sorts by its last bytes first; nothing is cut by it.
        sliced = all(column.type.kind in _SLICED for column in table.keyed)
        return super().slices(table, rows, since) if sliced else [since]

    def _row_hash(self, table: Table) -> str:
        parts = []
        for column in table.columns:
            value = self.dialect.read(column)
            width = "max" if column.type.kind in ("string", "binary", "json") else "8000"
            parts.append(
                f"CASE WHEN {value} IS NULL THEN 0xFF ELSE CAST(CAST(DATALENGTH({value}) AS bigint) AS binary(8)) "
                f"+ CAST({value} AS varbinary({width})) END"
            )
        return self.dialect.row_hash.format(columns=" + ".join(["CAST(0x AS varbinary(max))", *parts]))

    def placing(self, load: Load) -> list[str]:
        stage, quote = self.name(load.stage), self.dialect.quote
        keyed = [column for column in (load.table.column(name) for name in load.key) if column]
        wide = sum(_key_bytes(column) for column in keyed)
        key = self.dialect.add_key.format(t=stage, columns=", ".join(quote(c.name) for c in keyed))
        return [
            f"ALTER TABLE {stage} DROP COLUMN {quote('lading_slice')}",
            *([key] if keyed and wide <= 900 and not any(c.null for c in keyed) else []),
            f"EXEC sp_rename N{self.dialect.text(stage)}, N{self.dialect.text(load.table.name)}",
        ]

    def _publishing(self, load: Load) -> list[str]:
        statements, target = super()._publishing(load), self.name(load.table)
        numbered = f"SELECT 1 FROM sys.identity_columns WHERE object_id = OBJECT_ID(N{self.dialect.text(target)})"
        if load.fresh or not self.driver.query(numbered):
            return statements
        return [f"SET IDENTITY_INSERT {target} ON", *statements, f"SET IDENTITY_INSERT {target} OFF"]

    def discard(self, load: Load) -> None:
        like = load.stage.name.replace("_", "[_]") + "[_]in[_]%"
        left = f"SELECT name FROM sys.tables WHERE name LIKE N{self.dialect.text(like)}"
        for (name,) in self.driver.query(left):
            self.driver.execute(f"DROP TABLE IF EXISTS {self.name(load.table.model_copy(update={'name': name}))}")
        super().discard(load)


def _key_bytes(column: Column) -> int:
    """The most bytes of a column in an index; beyond 900 there is none."""
    if column.type.kind in ("string", "binary", "json", "list"):
        return 10_000 if column.type.size is None else column.type.size * 2
    return 17
