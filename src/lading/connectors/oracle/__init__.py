"""Oracle Database: settings, and what its SQL says in its own way."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing
from typing import Any, ClassVar, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import Field, SecretStr

from lading.connector import WHOLE, Capabilities, Connection, Load, Slice, Standing
from lading.connectors.oracle.driver import Driver
from lading.dialects.oracle import dialect
from lading.digest import Reading
from lading.errors import SpecError
from lading.schema import Column, Table
from lading.sql import SqlSession

_SLICED = ("int", "decimal", "string", "timestamp")
_ALREADY = "BEGIN EXECUTE IMMEDIATE {plain}; EXCEPTION WHEN OTHERS THEN IF SQLCODE <> %d THEN RAISE; END IF; END;"


class Oracle(Connection):
    """An Oracle database, without Oracle's client. None was at hand: tested only as far as that goes without one."""

    kind: Literal["oracle"] = "oracle"
    host: str | None = Field(None, description="The server's name.")
    port: int = Field(1521, description="The listener's port.", ge=1, le=65_535)
    service_name: str | None = Field(None, description="The service, such as ORCLPDB1.")
    sid: str | None = Field(None, description="The instance, for databases without services.")
    dsn: str | None = Field(None, description="A whole connect descriptor or TNS name, instead of the four above.")
    user: str | None = Field(None, description="The account's name.")
    password: SecretStr | None = Field(None, description="The account's password.")
    schema_name: str | None = Field(None, alias="schema", description="The schema that names without one mean.")
    batch_mb: int = Field(64, description="About how much is read at a time, in MiB.", ge=1)
    config_dir: str | None = Field(None, description="The folder of tnsnames.ora.")
    wallet_location: str | None = Field(None, description="The folder of the wallet, for encrypted connections.")
    wallet_password: SecretStr | None = Field(None, description="The wallet's password.")

    # Whatever makes, renames or drops a table commits in Oracle, so several tables cannot be published at once.
    can: ClassVar[Capabilities] = Capabilities(
        reads=True, writes=True, snapshot=True, writers=4, atomic=True, merges=True, appends=True, digests=True
    )
    schemes: ClassVar[tuple[str, ...]] = ("oracle", "oracle+oracledb", "oracle+cx_oracle")
    extra: ClassVar[str | None] = "oracle"

    @classmethod
    def from_url(cls, url: str) -> Self:
        """A name after the host is the service in oracle://, and the SID in SQLAlchemy's oracle+oracledb://."""
        parts = urlsplit(url)
        found: dict[str, Any] = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        named = "sid" if "+" in parts.scheme else "service_name"
        given = {
            "user": parts.username,
            "password": parts.password,
            "host": parts.hostname,
            named: parts.path.strip("/"),
        }
        found |= {name: unquote(value) for name, value in given.items() if value}
        found |= {"port": parts.port} if parts.port else {}
        if "dsn" not in found and not ("host" in found and ("service_name" in found or "sid" in found)):
            raise SpecError("The address names no database.", "Write oracle://USER:PASSWORD@HOST:1521/SERVICE.")
        return cls(**found)

    def address(self) -> str:
        user = f"{self.user}@" if self.user else ""
        dsn = self.dsn and self.dsn.rpartition("@")[2]  # before it may stand user/password
        place = dsn or f"{self.host}:{self.port}/{self.service_name or f'?sid={self.sid}'}"
        schema = f"{'&' if '?' in place else '?'}schema={self.schema_name}" if self.schema_name else ""
        return f"oracle://{user}{place}{schema}"

    def open(self) -> AbstractContextManager[OracleSession]:
        return closing(OracleSession(dialect, Driver(self), self.schema_name))


class OracleSession(SqlSession):
    """Works around DDL, which commits: each step can be done again, and the one that shows new rows is the last."""

    def slices(self, table: Table, rows: int, since: Slice = WHOLE) -> list[Slice]:
        sliced = all(column.type.kind in _SLICED for column in table.keyed)
        return super().slices(table, rows, since) if sliced else [since]

    def digest(self, table: Table, slice: Slice) -> Reading | None:
        if any(column.native.startswith("oracle:LONG") for column in table.columns):
            return None  # nothing can be asked of a LONG but the value itself
        return super().digest(table, slice)

    def _make_stage(self, stage: Table) -> None:
        # Not by the dialect's way of asking, which holds the statement in a literal: wide tables are too long for one.
        if self.describe(stage.full_name) is None:
            self.driver.execute(f"CREATE TABLE {self.name(stage)} ({', '.join(self._definitions(stage))})")

    def _begun(self, load: Load, staged: bool) -> Standing:
        return Standing.PUBLISHING

    def placing(self, load: Load) -> list[str]:
        if self.describe(load.stage.full_name) is None:
            return []  # an earlier attempt renamed it, and was cut off before it could say so
        stage, quote = self.name(load.stage), self.dialect.quote
        keyed = [column for column in (load.table.column(name) for name in load.key) if column]
        statements = [self._unless(f"ALTER TABLE {stage} SET UNUSED ({quote('lading_slice')})", -904)]
        if keyed and sum(_key_bytes(column) for column in keyed) <= 3_000:
            columns = ", ".join(quote(column.name) for column in keyed)
            statements.append(self._unless(self.dialect.add_key.format(t=stage, columns=columns), -2260))
        return [*statements, self.dialect.rename.format(t=stage, name=quote(load.table.name))]

    def _unless(self, statement: str, code: int) -> str:
        return (_ALREADY % code).format(plain=self.dialect.text(statement))


def _key_bytes(column: Column) -> int:
    """The most bytes of a column in an index."""
    if column.type.kind in ("string", "binary", "json", "list"):
        return 100_000 if column.type.size is None else column.type.size * (1 if column.type.in_bytes else 4)
    return 22
