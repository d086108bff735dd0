"""How both libraries connect, and the settings that every session makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from lading.dialects.postgres import dialect

if TYPE_CHECKING:
    from lading.connectors.postgres import Postgres

# Values must come as the same text whatever the server's defaults are. Row security is off so that rows which a
# policy hides are an error and not a loss; notices would get between the rows of a COPY.
_SETTINGS = {
    "client_encoding": "UTF8", "TimeZone": "UTC", "DateStyle": "ISO, YMD", "IntervalStyle": "iso_8601",
    "bytea_output": "hex", "extra_float_digits": "1", "standard_conforming_strings": "on", "row_security": "off",
    "client_min_messages": "error", "application_name": "lading", "jit": "off", "array_nulls": "on",
    "idle_in_transaction_session_timeout": "0", "idle_session_timeout": "0", "transaction_timeout": "0",
}  # fmt: skip


def words(settings: Postgres) -> dict[str, Any]:
    """libpq's words for the settings."""
    words = {
        "host": settings.host, "port": settings.port, "dbname": settings.database, "user": settings.user,
        "password": settings.password and settings.password.get_secret_value(), "sslmode": settings.ssl,
        "sslrootcert": settings.ssl_root_cert, "sslcert": settings.ssl_cert, "sslkey": settings.ssl_key,
        "options": settings.options, "connect_timeout": settings.connect_seconds, "keepalives_idle": 30,
        "keepalives_interval": 10, "keepalives_count": 6, "tcp_user_timeout": 120_000,
    }  # fmt: skip
    return {name: value for name, value in words.items() if value is not None}


def setup(settings: Postgres) -> str:
    """One statement that makes every setting which this server knows."""
    values = _SETTINGS | {
        "lock_timeout": f"{settings.lock_seconds}s",
        "statement_timeout": f"{settings.statement_seconds}s",
    }
    if settings.parallel_workers is not None:
        values["max_parallel_workers_per_gather"] = str(settings.parallel_workers)
    if settings.schema_name:
        values["search_path"] = f"{dialect.quote(settings.schema_name)}, public"
    pairs = ", ".join(f"({dialect.text(name)}, {dialect.text(value)})" for name, value in values.items())
    return (
        f"SELECT set_config(v.name, v.value, false) FROM (VALUES {pairs}) v (name, value) "
        "WHERE current_setting(v.name, true) IS NOT NULL"
    )


def asyncpg_words(settings: Postgres) -> dict[str, Any]:
    """asyncpg's words for the settings; those for encryption it takes in an address only."""
    files = {
        "sslmode": settings.ssl, "sslrootcert": settings.ssl_root_cert, "sslcert": settings.ssl_cert,
        "sslkey": settings.ssl_key,
    }  # fmt: skip
    return {
        "dsn": "postgresql://?" + urlencode({name: value for name, value in files.items() if value}),
        "host": settings.host, "port": settings.port, "user": settings.user, "database": settings.database,
        "password": settings.password and settings.password.get_secret_value(), "timeout": settings.connect_seconds,
        "server_settings": {"options": settings.options} if settings.options else None,
    }  # fmt: skip


def keep_alive(connection: Any) -> None:
    """A server that went silent is noticed after a minute and a half; asyncpg has no setting for it."""
    import socket

    transport = getattr(connection, "_transport", None)
    found = transport.get_extra_info("socket") if transport is not None else None
    if found is None or found.family == getattr(socket, "AF_UNIX", None):
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, name):
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
