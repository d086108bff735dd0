"""What people write of files that arrive."""

from __future__ import annotations

from fnmatch import fnmatchcase
from posixpath import normpath
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lading.connectors.files.naming import hidden
from lading.schedule import Cron, Deadline, Schedule, Zone
from lading.schema import Mode
from lading.spec import Accepted, Step, Words
from lading.types import typed


class Expected(BaseModel):
    """When a file is expected: where none has come by then it is late, and at the deadline it is missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cron: Cron = Field(description="By when, as cron reads it: '0 6 * * 1-5'.")
    zone: Zone = Field("UTC", description="The clock it goes by: 'America/New_York'.")
    deadline: Deadline = Field("1h", description="A time of day by the same clock, or '90m' or '2h' after that.")

    @property
    def schedule(self) -> Schedule:
        return Schedule(cron=self.cron, zone=self.zone, deadline=self.deadline)


class Receive(Step):
    """Loads the files that have arrived in a folder, each exactly once, or puts them into quarantine with the reason.
    A file is loaded when its sender has ended, and its columns are those that are expected."""

    places: ClassVar[tuple[str, ...]] = ("source", "target")
    writes: ClassVar[tuple[str, ...]] = ("target",)

    do: Literal["receive"] = "receive"
    source: str = Field(alias="from", description="The folder: a connection of the kind files, or an address.")
    files: str = Field(min_length=1, description="The names of the files, in it or a folder below: 'prices-*.csv'.")
    columns: dict[str, str] = Field(
        min_length=1, description="The columns that a file must have, no other ones: a map from names to types."
    )
    target: str = Field(alias="to", description="The connection to write: a name from connections.yaml, or a URL.")
    into: str = Field(min_length=1, description="The table that the rows go into: 'table' or 'schema.table'.")
    mode: Mode = Field(Mode.APPEND, description="append, or file by file replace or merge.")
    merge_key: Words = Field((), description="Columns that identify a row.")
    accept: Accepted = Field((), description="Losses to accept: 'rounds' or 'amount:rounds'.")
    ready: Literal["stable", "marker", "renamed"] = Field(
        "stable",
        description="How it is known that a file is whole: it no longer changes, a marker stands beside it, or its "
        "sender gives it its name at the end.",
    )
    looks: int = Field(2, ge=2, description="stable: at how many looks its size and time must be the same.")
    every_seconds: float = Field(10, gt=0, description="How often the scheduler looks.")
    marker: str = Field(
        "{name}.done", description="The marker's name; {name} is the file's, {stem} that without its ending."
    )
    resent: Literal["load", "ignore", "quarantine"] = Field(
        "load", description="A file of a name that was loaded, with other content."
    )
    duplicates: Literal["load", "ignore", "quarantine"] = Field(
        "ignore", description="A file of the same content as one that was loaded, of whatever name."
    )
    empty: Literal["load", "quarantine"] = Field("quarantine", description="A file without rows.")
    misnamed: Literal["leave", "quarantine"] = Field(
        "leave", description="A file in the same folder of a name that no pipeline expects."
    )
    quarantine: str = Field("_quarantine", min_length=1, description="The folder for what cannot be loaded, below it.")
    archive: str | None = Field(
        "_archive", description="The folder for what is loaded and proved, below it; null leaves files where they are."
    )
    expected: Expected | None = Field(
        None, description="When a file is expected: a map of 'cron', 'zone' and 'deadline'; the scheduler says if not."
    )
    otherwise: Literal["fail", "skip"] = Field("skip", description="What the step does when no file is ready.")

    _types = field_validator("columns")(typed)

    @field_validator("files")
    @classmethod
    def _one_folder(cls, files: str) -> str:
        folder, _, pattern = files.rpartition("/")
        if any(character in folder for character in "*?[") or files.startswith("/"):
            raise ValueError(f"'{files}' is more than one folder. Write it like 'prices-*.csv' or 'eu/prices-*.csv'.")
        if ".." in folder.split("/") or not pattern:
            raise ValueError(f"'{files}' names no files in the folder or below. Write it like 'eu/prices-*.csv'.")
        return normpath(f"{folder or '.'}/{pattern}")

    @field_validator("marker")
    @classmethod
    def _of_a_file(cls, marker: str) -> str:
        if "/" in marker or not ("{name}" in marker or "{stem}" in marker):
            raise ValueError("'marker' names no marker for each file. Write it like '{name}.done' or '{stem}.ok'.")
        return marker

    @field_validator("quarantine", "archive")
    @classmethod
    def _below(cls, folder: str | None) -> str | None:
        if folder is None:
            return None
        if folder.startswith("/") or ".." in folder.split("/") or normpath(folder) == ".":
            raise ValueError(f"'{folder}' is no folder below the one that files arrive in. Write it like '_archive'.")
        if not hidden(folder := normpath(folder)):
            raise ValueError(f"'{folder}' may be taken for a folder of files. Begin it with '_' or '.': '_{folder}'.")
        return folder

    @model_validator(mode="after")
    def _apart(self) -> Receive:
        if self.archive == self.quarantine:
            raise ValueError("'archive' and 'quarantine' are the same folder. Give each its own.")
        return self

    @property
    def folder(self) -> str:
        """The folder below the connection's, empty for that itself."""
        return self.files.rpartition("/")[0]

    @property
    def pattern(self) -> str:
        return self.files.rpartition("/")[2]

    def expects(self, name: str) -> bool:
        """Whether a file of this name is received, and is no marker of another."""
        marks = self.ready == "marker" and fnmatchcase(name, self.marks(self.pattern))
        return fnmatchcase(name, self.pattern) and not marks

    def marks(self, name: str) -> str:
        """The name of the marker of a file, or of all that a pattern stands for."""
        return self.marker.replace("{name}", name).replace("{stem}", name.rpartition(".")[0] or name)
