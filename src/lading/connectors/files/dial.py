"""A connection to an FTP server, plain or by TLS."""

from __future__ import annotations

import ftplib
import ssl
from collections.abc import Mapping
from functools import partial
from typing import Any

from lading.connectors.files.answers import features, said
from lading.errors import AccessDenied


class _Secure(ftplib.FTP_TLS):
    """FTP over TLS whose data connections go on with the session of the first, as many servers demand."""

    def ntransfercmd(self, cmd: str, rest: Any = None) -> Any:
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321
        session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
        return self.context.wrap_socket(connection, server_hostname=self.host, session=session), size


def dialled(host: str, port: int, login: tuple[str, str], tls: bool, how: Mapping[str, Any]) -> tuple[ftplib.FTP, str]:
    """The connection of an account, and what the server can. One by TLS holds to the host's certificate."""
    kind = partial(_Secure, context=ssl.create_default_context()) if tls else ftplib.FTP
    made, done = kind(**how), False
    try:
        with said(host):
            made.connect(host, port)
            made.login(*login)
            if isinstance(made, _Secure):
                made.prot_p()
            can = features(made)
        done = True
    except ssl.SSLCertVerificationError as error:
        what = f"The certificate of '{host}' is not trusted: {error.verify_message}."
        fix = "Name the file of its authority in SSL_CERT_FILE, or the host as it says."
        raise AccessDenied(what, fix) from error
    finally:
        if not done:
            made.close()
    return made, can
