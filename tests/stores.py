"""Servers of files of the tests' own: OpenSSH's sshd, an FTP server, and an emulator of S3."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from tests.servers import ENVIRONMENT, SEARCH, START_SECONDS, STOP_SECONDS, _new_folder, free_port

USER = "lading"
FTP = """\
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import {handler} as Handler
from pyftpdlib.servers import ThreadedFTPServer
folder, port, user, password, plain, certificate = sys.argv[1:]
Handler.authorizer = DummyAuthorizer()
Handler.authorizer.add_user(user, password, folder, perm="elradfmwMT")
Handler.use_gmt_times, Handler.auth_failed_timeout = True, 0
if plain == "plain":
    Handler.proto_cmds = {{name: each for name, each in Handler.proto_cmds.items() if name not in ("MLSD", "MLST")}}
if certificate:
    Handler.certfile, Handler.tls_control_required, Handler.tls_data_required = certificate, True, True
ThreadedFTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
"""


class FileServer:
    """A folder that a process serves on a free port. Each test has a folder of its own below."""

    def __init__(self) -> None:
        self.folder, self.port = _new_folder(), free_port()
        self.root = self.folder / "root"
        self.root.mkdir()
        self._as: dict[str, Any] = {"cwd": self.folder, "stdin": subprocess.DEVNULL}
        self._command: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    def files(self, folder: str, port: int = 0, **options: Any) -> dict[str, Any]:
        """The settings of a connection to a folder, by way of another port."""
        raise NotImplementedError

    def put(self, path: str, data: bytes) -> None:
        """Writes a file, as somebody who sends it would in the end."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)

    def held(self, folder: str) -> dict[str, bytes]:
        """All files below a folder."""
        top = self.root / folder
        return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}

    def start(self) -> None:
        """Start on the same port as before, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            process = self._process = subprocess.Popen(self._command, stdout=log, stderr=log, **self._as)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    said = (self.folder / "log").read_text(errors="replace")
                    raise RuntimeError(f"{type(self).__name__} did not start: {said[-2000:]}") from error
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def close(self) -> None:
        """Stop, and remove the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sshd(FileServer):
    """OpenSSH's server with a key of its own; it lets in the account that it runs as, with `key_file`."""

    program = shutil.which("sshd", path=SEARCH)

    def __init__(self) -> None:
        super().__init__()
        self.user = pwd.getpwuid(os.geteuid())
        self.key_file = self.folder / "user"
        for name in ("host", "user"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
            subprocess.run(command, check=True, capture_output=True)
        (self.folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host\nPidFile none\nStrictModes no\n"
            f"AuthorizedKeysFile {self.folder}/user.pub\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
            "MaxStartups 50\nSubsystem sftp internal-sftp\nForceCommand internal-sftp\n"
        )
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # where it locks itself in
        self._as["env"] = ENVIRONMENT
        self._command = [str(self.program), "-D", "-e", "-f", str(self.folder / "sshd_config")]
        self.start()

    def files(self, folder: str, port: int = 0, **options: Any) -> dict[str, Any]:
        path = f"sftp://{self.user.pw_name}@127.0.0.1:{port or self.port}{self.root}/{folder}"
        known = self.folder / f"known_hosts_{port or self.port}"
        known.write_text(f"[127.0.0.1]:{port or self.port} {(self.folder / 'host.pub').read_text()}")
        return {"path": path, "key_file": str(self.key_file), "known_hosts": str(known)} | options


class Ftpd(FileServer):
    """An FTP server by pyftpdlib: with or without facts of files, plain or by TLS with `certificate`."""

    def __init__(self, facts: bool = True, tls: bool = False) -> None:
        super().__init__()
        self.password, self.scheme = secrets.token_hex(8) + "@", "ftps" if tls else "ftp"
        self.certificate = self.folder / "certificate.pem"
        if tls:
            how = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
            names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
            key = self.folder / "key.pem"
            command = ["openssl", "req", *how, *names, "-keyout", str(key), "-out", str(self.certificate)]
            subprocess.run(command, check=True, capture_output=True)
            with self.certificate.open("a") as file:
                file.write(key.read_text())
        code = FTP.format(handler="TLS_FTPHandler" if tls else "FTPHandler")
        words = [str(self.root), str(self.port), USER, self.password, "facts" if facts else "plain"]
        self._command = [sys.executable, "-c", code, *words, str(self.certificate) if tls else ""]
        self.start()

    def files(self, folder: str, port: int = 0, **options: Any) -> dict[str, Any]:
        host = "localhost" if self.scheme == "ftps" else "127.0.0.1"
        path = f"{self.scheme}://{USER}@{host}:{port or self.port}/{folder}"
        return {"path": path, "password": self.password} | options


class S3(FileServer):
    """moto's server, an emulator of S3."""

    def __init__(self) -> None:
        super().__init__()
        self._command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.start()
        self.fs.mkdir("bucket")

    @property
    def fs(self) -> Any:
        import fsspec

        return fsspec.filesystem("s3", **self._options(0), use_listings_cache=False)

    def _options(self, port: int) -> dict[str, Any]:
        options = {"key": "k", "secret": "s", "endpoint_url": f"http://127.0.0.1:{port or self.port}"}
        return options | ({"config_kwargs": {"retries": {"max_attempts": 0}}} if port else {})

    def files(self, folder: str, port: int = 0, **options: Any) -> dict[str, Any]:
        return {"path": f"s3://bucket/{folder}", "storage": json.dumps(self._options(port))} | options

    def put(self, path: str, data: bytes) -> None:
        self.fs.pipe_file(f"bucket/{path}", data)

    def held(self, folder: str) -> dict[str, bytes]:
        top = f"bucket/{folder}/"
        return {path.removeprefix(top): self.fs.cat_file(path) for path in self.fs.find(top)}
