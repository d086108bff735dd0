"""A connection to a server, set up so that nothing is cut, guessed or given up early."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lading.connectors.mysql.encrypting import client, trusted
from lading.connectors.mysql.faults import translated
from lading.errors import Unreachable, Unsupported
from lading.schema import Table

if TYPE_CHECKING:
    from lading.connectors.mysql import MySQL

# Strict, so that nothing is cut; zero is a value of an AUTO_INCREMENT column like any other.
_MODE = "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"
# A slow source or target must not end the session, and no limit of the server's may cut a result short. InnoDB's
# strictness about tables that might not fit a page is off: rows that do not fit are refused anyway.
_SETTINGS = """
    SET time_zone = '+00:00', sql_mode = '{mode}', lock_wait_timeout = {lock}, innodb_lock_wait_timeout = {lock},
    net_read_timeout = 3600, net_write_timeout = 3600, wait_timeout = 86400, max_sort_length = 8192, sql_notes = 1,
    sql_select_limit = 18446744073709551615, sql_safe_updates = 0, sql_big_selects = 1
    /*M! , innodb_strict_mode = 0, max_statement_time = 0 */ /*!80000 , max_execution_time = 0,
    information_schema_stats_expiry = 0 */"""
_FACTS = (
    "SHOW VARIABLES WHERE variable_name IN "
    "('version', 'local_infile', 'max_allowed_packet', 'log_bin', 'binlog_format', 'lower_case_table_names')"
)


@dataclass(frozen=True)
class Server:
    """What a server is and allows."""

    facts: dict[str, str]

    @property
    def mariadb(self) -> bool:
        return "mariadb" in self.facts["version"].lower()

    @property
    def version(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self.facts["version"].split("-")[0].split(".") if n.isdigit())

    @property
    def packet(self) -> int:
        """The most bytes of one message."""
        return int(self.facts["max_allowed_packet"])

    @property
    def takes_files(self) -> bool:
        return self.facts.get("local_infile") == "ON"

    def same(self, left: str, right: str) -> bool:
        """Whether two names are one table's; the catalogue itself compares without case and accents."""
        if self.facts.get("lower_case_table_names", "0") == "0":
            return left == right
        return left.lower() == right.lower()

    def kept(self, table: Table) -> Table:
        """The table as the server will call it."""
        if self.facts.get("lower_case_table_names") != "1":
            return table
        schema = table.schema_name and table.schema_name.lower()
        return table.model_copy(update={"name": table.name.lower(), "schema_name": schema})


def where(settings: MySQL) -> str:
    """How messages call the server."""
    return f"The server at '{settings.socket or f'{settings.host}:{settings.port}'}'"


def errors() -> tuple[type[Exception], ...]:
    """What PyMySQL raises, and lets through."""
    import pymysql

    return (pymysql.Error, OSError, UnicodeError)


def connect(settings: MySQL) -> Any:
    """A new connection of PyMySQL's."""
    try:
        from pymysql.converters import conversions
    except ImportError as error:
        what = "MySQL needs the library 'pymysql'."
        raise Unsupported(what, "Install it: pip install 'lading[mysql]'.") from error
    secret = settings.password.get_secret_value().encode() if settings.password else b""
    # Values stay as the server wrote them.
    encoders: Any = {kind: how for kind, how in conversions.items() if not isinstance(kind, int)}
    place: dict[str, Any] = {"host": settings.host, "port": settings.port}
    if settings.socket:
        place = {"unix_socket": settings.socket}
    trust = None if settings.socket else trusted(settings)
    try:
        connection = client()(
            **place, ssl=trust, ssl_disabled=bool(settings.socket) or settings.tls == "off", user=settings.user,
            password=secret, database=settings.database, charset="utf8mb4", conv=encoders, autocommit=True,
            local_infile=True, connect_timeout=settings.timeout_seconds, program_name="lading",
        )  # fmt: skip
    except errors() as error:
        raise translated(error, where(settings)) from error
    # Rows are only ever sent by `Wire.send`: a server that asks for a file at another time is refused.
    connection._local_infile = False
    if trust and not isinstance(connection._sock, ssl.SSLSocket):
        connection.close()
        raise Unreachable(f"{where(settings)} does not encrypt.", "Set 'tls: prefer', or have it encrypt.")
    if not settings.socket:
        _watch(connection._sock)
    return connection


def _watch(connection: socket.socket) -> None:
    """Notices within two minutes that the other side is gone."""
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def introduced(connection: Any, settings: MySQL) -> Server:
    """Sets the session up; what the server is."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(_FACTS)
            server = Server({str(name): str(value) for name, value in cursor.fetchall()})
            cursor.execute(_SETTINGS.format(mode=_MODE, lock=settings.lock_seconds))
            # Statement-based logs do not allow it. Pinned reads choose their own.
            if server.facts.get("binlog_format") != "STATEMENT" or server.facts.get("log_bin") != "ON":
                cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            return server
    except errors() as error:
        raise translated(error, where(settings)) from error
