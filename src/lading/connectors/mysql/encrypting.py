"""How a connection is encrypted, and whom it trusts."""

from __future__ import annotations

import ssl
from functools import cache
from typing import TYPE_CHECKING, Any

from lading.errors import Unsupported

if TYPE_CHECKING:
    from lading.connectors.mysql import MySQL


@cache
def client() -> Any:
    """PyMySQL's connection, which loads no authorities where it asks none of them: to load them takes longer than all
    else that a connection does."""
    from pymysql.connections import Connection

    class Client(Connection):
        def _create_ssl_ctx(self, given: Any) -> Any:
            return given or _unverified()

    return Client


def _unverified() -> ssl.SSLContext:
    """Encrypts, and takes whoever answers for the server."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    return trust


def trusted(settings: MySQL) -> ssl.SSLContext | None:
    """What a connection must be encrypted with; None where it need not be."""
    if settings.tls not in ("require", "verify"):
        return None
    if settings.tls == "require" and not settings.ca:
        return _unverified()
    try:
        trust = ssl.create_default_context(cafile=settings.ca)
    except OSError as error:
        raise Unsupported(f"'{settings.ca}' cannot be read as authorities ({error}).", "Correct 'ca'.") from error
    if settings.tls == "require":
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    return trust
