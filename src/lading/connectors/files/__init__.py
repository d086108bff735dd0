"""Files: CSV, Parquet and JSON lines, on this machine or wherever fsspec reaches."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from lading.connector import Capabilities, Connection
from lading.connectors.files.address import settings, shown, torn
from lading.connectors.files.naming import format_of
from lading.connectors.files.note import Compression, Form, Format
from lading.connectors.files.publish import CAN_EXCHANGE
from lading.connectors.files.reach import HOSTS
from lading.connectors.files.session import FilesSession
from lading.errors import SpecError
from lading.types import typed

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["Files", "FilesSession"]

_LOGIN = ("password", "key_file", "known_hosts")
_FORMS, _APART = (
    tuple(Form.model_fields),
    {"kind", "path", "storage", "batch_mb", "password", "key_file", "known_hosts"},
)


class _Can:
    """On this machine a folder takes another's place at once; elsewhere a note says which files count."""

    _here = Capabilities(reads=True, writes=True, snapshot=True, readers=4, writers=4, appends=True)

    def __get__(self, settings: Files | None, _owner: type[Files]) -> Capabilities:
        path, form = (settings.path, settings.format) if settings is not None else ("", None)
        here = CAN_EXCHANGE and ("://" not in path or path.startswith("file://"))
        return self._here.model_copy(update={"atomic": here, "keeps_json": form != "jsonl"})


class Files(Connection):
    """Files of CSV, Parquet or JSON lines. Each file or sub-folder of the path is a table; tables are written as
    folders, and what else stands in such a folder stays. A folder on this machine is replaced at once; elsewhere
    readers other than Lading may see a mixture while files are copied. Tested on this machine; on SFTP by OpenSSH; on
    FTP and FTPS by pyftpdlib; and on S3 by an emulator, moto. Others that fsspec reaches are not."""

    kind: Literal["files"] = "files"
    path: str = Field(description="A folder, a file, a pattern such as data/*.csv, or an address as s3://bucket/x.")
    format: Format | None = Field(None, description="The format; by each file's ending if left out, Parquet to write.")
    table: str | None = Field(None, description="The one table that all files are parts of; else each is a table.")
    partitioned: bool | None = Field(
        None,
        description="Whether folders named key=value are columns: true makes the path a table, false leaves them out.",
    )
    columns: dict[str, str] = Field(
        {}, description="Types of columns in CSV and JSON lines, by 'column' or 'table.column'; else found by reading."
    )
    compression: Compression | None = Field(None, description="How CSV and JSON lines are compressed when written.")
    delimiter: str = Form.model_fields["delimiter"]  # type: ignore[assignment]
    quote: str = Form.model_fields["quote"]  # type: ignore[assignment]
    escape: str = Form.model_fields["escape"]  # type: ignore[assignment]
    header: bool | None = Form.model_fields["header"]  # type: ignore[assignment]
    null: str = Form.model_fields["null"]  # type: ignore[assignment]
    encoding: str | None = Form.model_fields["encoding"]  # type: ignore[assignment]
    batch_mb: int = Field(16, description="The size of a batch in MiB; four are a row group of Parquet.", ge=1)
    storage: SecretStr | None = Field(
        None, description="Options of the file system as a JSON object, such as keys: a reference like ${env:NAME}."
    )

    password: SecretStr | None = Field(
        None, description="The password of an account of SFTP or FTP, or of its key: a reference like ${env:NAME}."
    )
    key_file: str | None = Field(None, description="The file of a private key for SFTP; else those of ssh are tried.")
    known_hosts: str | None = Field(
        None, description="The file of the keys of SFTP's hosts; else ~/.ssh/known_hosts. Others are refused."
    )

    can: ClassVar[Capabilities] = _Can()  # type: ignore[assignment]
    schemes: ClassVar[tuple[str, ...]] = (
        "files", "parquet", "csv", "jsonl", "file", "s3", "gs", "gcs", "az", "abfs", "abfss", "adl", "hdfs", "sftp",
        "ftp", "ftps",
    )  # fmt: skip

    @field_validator("path")
    @classmethod
    def _no_password(cls, path: str) -> str:
        if re.search(r"://[^/@]*:[^/@]*@", path) or torn(path):
            raise ValueError("a path must hold no password; put it into 'password' or 'storage'")
        return path

    _types = field_validator("columns")(typed)

    @model_validator(mode="after")
    def _together(self) -> Self:
        _ = self.form
        scheme = self.path.partition("://")[0]
        for name in _LOGIN:
            if getattr(self, name) is not None and (scheme not in HOSTS or (name != "password" and scheme != "sftp")):
                raise ValueError(f"'{name}' is for addresses such as sftp://user@host/path")
        return self

    @property
    def form(self) -> Form:
        """How CSV is written."""
        return Form(**{name: getattr(self, name) for name in _FORMS})

    @property
    def options(self) -> dict[str, Any]:
        """What the file system is opened with."""
        try:
            found = json.loads(self.storage.get_secret_value() if self.storage else "{}")
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise SpecError("'storage' of a files connection is no JSON object.", 'Write it as {"key": "..."}.')
        login = {name: getattr(self, name) for name in _LOGIN}
        if self.password:
            login["password"] = self.password.get_secret_value()
        return {name: value for name, value in login.items() if value is not None} | found

    @classmethod
    def from_url(cls, url: str) -> Self:
        return cls(**settings(url))

    @classmethod
    def from_path(cls, path: str | Path) -> Self | None:
        """The connection that a bare path means: a folder, or a file of a known format; else None."""
        found = Path(path).expanduser()
        return cls(path=str(path)) if found.is_dir() or (found.is_file() and format_of(found.name, None)) else None

    def one_table(self) -> bool:
        return bool(self.table or format_of(self.path.rpartition("/")[2], self.format))

    def address(self) -> str:
        given: Mapping[str, Any] = self.model_dump(exclude=_APART, exclude_defaults=True)
        return shown(self.path, given)

    def open(self) -> AbstractContextManager[FilesSession]:
        return closing(FilesSession(self))
