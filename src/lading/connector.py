"""The seam: what a system must offer so that Lading can read it, write it and prove it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, Protocol, Self, runtime_checkable

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lading.canon import Compared
from lading.digest import Digest, Reading
from lading.facts import Facts
from lading.fingerprint import Fingerprint, Moved
from lading.route import Code, Computed, Fact, Route
from lading.schema import Mode, Table
from lading.types import Type

if TYPE_CHECKING:
    import pyarrow as pa


class Capabilities(BaseModel, frozen=True):
    """What a system can do. Everything is off until a connector says otherwise."""

    reads: bool = Field(False, description="Tables can be read.")
    writes: bool = Field(False, description="Tables can be written.")
    snapshot: bool = Field(False, description="All reads of a session see one pinned state.")
    readers: int = Field(1, description="Sessions that can read at one pinned state.")
    aside: bool = Field(False, description="A second session can be asked for sums while one reads.")
    writers: int = Field(1, description="Sessions that can stage slices of one table at a time.")
    atomic: bool = Field(False, description="Publishing shows readers the old table or the new one, never a mixture.")
    together: bool = Field(False, description="Several tables can be published at once.")
    merges: bool = Field(False, description="Rows can be merged by key.")
    appends: bool = Field(False, description="Rows can be appended to a table.")
    digests: bool = Field(False, description="Slices can be counted, summed and hashed in place.")
    alone: bool = Field(False, description="A step of a pipeline that writes has the system to itself.")
    keeps_json: bool = Field(False, description="JSON comes back as the very text that was written.")


class Slice(BaseModel, frozen=True):
    """A part of a table. Bounds are canonical texts in the order of the columns `on`; low is included, high is
    not; None means no bound; without `on` they are names of files. `since` keeps rows whose value of that column is
    at least `since_low`, and rows where it is NULL. `within` names a table of the same schema: only rows whose key
    it holds. `keys` are canonical texts of the columns `on`: only rows with one of these keys, None being NULL.
    `buckets` are numbers: only rows whose bucket, of `of` buckets, is one of these, as fingerprints cut them by the
    columns `by`; without a key those are all that were compared."""

    number: int = 0
    on: tuple[str, ...] = ()
    low: tuple[str, ...] | None = None
    high: tuple[str, ...] | None = None
    pages: tuple[int, int | None] | None = None
    file: str | None = None
    since: str | None = None
    since_low: str | None = None
    within: str | None = None
    keys: tuple[tuple[str | None, ...], ...] | None = None
    buckets: tuple[int, ...] | None = None
    of: int = 0
    by: tuple[Compared, ...] = ()


WHOLE = Slice()


class Load(BaseModel, frozen=True):
    """New rows on their way into one table of the target. `table` is that table as it will be; `fresh` says that
    it was absent when the load was planned; `strict` that staging refuses, where it can, every row that the table
    would refuse, also for its keys. `new` is how many of a merge's rows the table may lack; None where any.
    `id` is 12 hexadecimal digits."""

    id: str
    table: Table
    mode: Mode = Mode.REPLACE
    key: tuple[str, ...] = ()
    fresh: bool = False
    strict: bool = False
    new: int | None = None

    @property
    def stage(self) -> Table:
        """Where the rows wait until they are proved: a table beside the target's."""
        return self.table.model_copy(update={"name": f"lading_{self.id}", "key": self.key})


_OURS = re.compile(r"lading_(?:ledger|(?:old_)?[0-9a-f]{12}x?)")


def ours(name: str) -> bool:
    """Whether a table is one that loads leave while they are under way; people may name theirs lading_ as well."""
    return _OURS.fullmatch(name) is not None


class Standing(StrEnum):
    """How far a load has come in the target, by what is there."""

    GONE = "gone"
    """Nothing of it is visible, and what is there is not enough to go on with."""
    STAGED = "staged"
    """Nothing of it is visible, and slices can be staged."""
    PUBLISHING = "publishing"
    """Publishing may have begun, and only that can go on."""
    PUBLISHED = "published"


class Session(Protocol):
    """An open connection, used by one thread at a time. Every failure is one of the seven errors."""

    def check(self) -> None:
        """Raises when the account cannot do its work; says what is missing and what to do."""

    def tables(self) -> Iterator[Table]:
        """Every table of the system with its columns. A column whose native type nobody listed is in
        `Table.problems`, and planning stops there."""

    def describe(self, name: str) -> Table | None:
        """The table of that name (`table` or `schema.table`), None when absent."""

    def fit(self, table: Table) -> Table:
        """The table as this system would make it: each type the nearest one it has."""

    def pin(self, snapshot: str | None = None) -> str:
        """Begins to read at one state and gives it a name; with a name given by another session, at that one.
        Empty when the system has no snapshots."""

    def slices(self, table: Table, rows: int, since: Slice = WHOLE) -> list[Slice]:
        """Slices of about so many rows that together hold every row once, also rows that come later."""

    def read(self, table: Table, slice: Slice) -> Iterator[pa.RecordBatch]:
        """Batches whose columns are those of `table`, in its order and its canonical types."""

    def digest(self, table: Table, slice: Slice) -> Reading | None:
        """What the system itself says of the slice, without moving it; None when it cannot."""

    def prepare(self, load: Load) -> None:
        """Makes the place where slices are staged. Doing it twice changes nothing."""

    def stage(self, load: Load, batches: Iterable[pa.RecordBatch], number: int) -> int:
        """Writes one slice, in place of what an earlier attempt left of it, and returns its rows once they are
        committed. When it raises, nothing of the slice is there."""

    def publish(self, loads: Sequence[Load]) -> None:
        """Makes staged rows visible, all loads at once. Doing it again changes nothing."""

    def standing(self, load: Load) -> Standing:
        """How far a load has come that was prepared, maybe by another process."""

    def discard(self, load: Load) -> None:
        """Removes whatever the load left besides the published table."""

    def close(self) -> None:
        """Ends the session; work that is not committed is undone."""


@runtime_checkable
class Measures(Protocol):
    """A session that can also look how long numbers are where nothing is declared."""

    def measure(self, table: Table, columns: Sequence[str]) -> dict[str, Type]:
        """The narrowest decimals that hold the values of columns of decimals without a limit, decimal(1,1) where
        there are none; a column with a value that is no plain number is left out."""


@runtime_checkable
class Erases(Protocol):
    """A session that can also take rows out of a table."""

    def erase(self, table: Table, keys: Iterable[pa.RecordBatch]) -> int:
        """Deletes the rows whose key is one of these, all at once; batches have the columns of `table.key`, in that
        order and in their canonical types. Returns how many rows there were. Raises DataError, and deletes none, where
        several have one key."""


@runtime_checkable
class Profiles(Protocol):
    """A session that can be asked what a table's values are like, without moving them."""

    def profile(self, table: Table, targets: Mapping[str, Type]) -> tuple[int, list[Facts]]:
        """The table's rows, and the facts of its columns in their order, from one scan; with `targets`, types by
        column, also what these would lose. Raises Unsupported for what only a reader of the values can tell."""


@runtime_checkable
class Routed(Protocol):
    """A session whose catalogue also tells what code stands around a table, and what routines there are."""

    def route(self, table: Table) -> Route:
        """The views that a view is made of, itself first; a table's triggers; its columns' character sets."""

    def routines(self, names: Sequence[str]) -> list[Code]:
        """The routines of these names (`name` or `schema.name`), several where one name has several; those that
        are absent are left out."""

    def computed(self, table: Table) -> list[Computed]:
        """The columns of a table that the system computes by itself."""

    def own(self, names: Sequence[str]) -> set[str]:
        """Those of some names, all in lower case, that people gave to functions of theirs."""


@runtime_checkable
class Fielded(Protocol):
    """A session whose tables are files: their columns are fields, whose types no server holds anybody to."""

    def fields(self, table: Table) -> dict[str, Fact]:
        """Where the type of each field comes from: the file's own schema, what is declared of it, or all its values.
        A file that is not there is told as it would be written."""


@runtime_checkable
class Tries(Protocol):
    """A session that can write a row and take it back."""

    def trial(self, load: Load | None, tables: Sequence[Table]) -> AbstractContextManager[None]:
        """A transaction that is always undone, with the load's stage in it; without a load, with the settings that
        other sessions of the account have. Raises Unsupported when what is written to one of the tables would stay."""

    def counted(self, table: Table) -> dict[str, int]:
        """The columns of which a counter goes on from the greatest number that was ever written, though that was
        undone, each with the greatest that there is."""


@runtime_checkable
class Fingerprints(Protocol):
    """A session whose system can also hash its own rows, so that they need not be moved to be compared."""

    def unrendered(self, table: Table, columns: Sequence[Compared]) -> dict[str, str]:
        """The columns that the system cannot write as they are compared, each with the reason."""

    def fingerprints(
        self, table: Table, columns: Sequence[Compared], key: Sequence[str], buckets: int, slice: Slice = WHOLE,
        moved: Moved | None = None,
    ) -> Fingerprint:  # fmt: skip
        """The fingerprint of a slice, of columns in this order; `key` are names of some of them, and without a key
        all. One scan of the table; `moved` is told of what had to be read to be hashed here. Raises Unsupported for a
        column that is among the unrendered, and for a row that is too long for the system to hash."""


@runtime_checkable
class Passes(Protocol):
    """A session whose rows another of its kind takes as they are, undecoded, and which hashes its own rows as that one
    does."""

    def form(self) -> str:
        """What two sessions have in common between which rows can pass, for people to read; empty where none can."""

    def decoded(self, table: Table, there: Table) -> str:
        """The first column that cannot pass into the one of the same place, with the reason; empty when all can."""

    def give(self, table: Table, slice: Slice) -> Iterator[bytes]:
        """The rows of a slice, in blocks that mean nothing one by one."""

    def take(self, load: Load, blocks: Iterable[bytes], number: int) -> int:
        """As `Session.stage`, of what another session gives."""

    def total(self, table: Table, slice: Slice) -> Digest:
        """The rows and the sum of their hashes, taken by the system itself; digests of the same version compare."""


@runtime_checkable
class Cancels(Protocol):
    """A session whose statement can be ended from another thread."""

    def cancel(self) -> None:
        """Ends the statement that is at work, which then raises; does nothing where there is none."""


class Right(NamedTuple):
    """A right that an account needs, whether it has it, and what its owner can do."""

    name: str
    held: bool
    fix: str = ""


@runtime_checkable
class Grants(Protocol):
    """A session whose system tells what its account may do."""

    def rights(self, table: Table, mode: Mode | None) -> list[Right]:
        """What is needed to read a table, or with a mode to write it, right by right; the table need not be there to be
        written."""


@runtime_checkable
class Spends(Protocol):
    """A session whose system may tell what it costs."""

    def cpu_seconds(self) -> float | None:
        """Seconds of processor time that the server has taken for this session so far; None where nobody can tell."""


def _words(value: Any) -> Any:
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else value


class Connection(BaseModel):
    """Where a system is and how to get in. Settings are the connection's identity; secrets are not part of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    sensitive: Annotated[tuple[str, ...], BeforeValidator(_words)] = Field(
        (), description="Columns whose values are not shown: 'email', 'clients.*' or 'sales.clients.email'."
    )
    steps: int = Field(
        0, ge=0, description="At most so many steps of pipelines at a time, over all runs of a store; 0: no limit."
    )
    can: ClassVar[Capabilities]
    schemes: ClassVar[tuple[str, ...]]
    """The words before :// in addresses that mean this system."""
    extra: ClassVar[str | None] = None
    """The optional dependency that installs what this connector imports."""
    small_mb: ClassVar[int | None] = None
    """The `batch_mb` that costs hardly more time than the usual one; None where nobody has measured one."""

    @classmethod
    def from_url(cls, url: str) -> Self:
        """The connection that an address means."""
        raise NotImplementedError

    def hidden(self, table: Table) -> list[str]:
        """The table's columns whose values are not to be shown."""
        return [column.name for column in table.columns if self.is_sensitive(table, column.name)]

    def is_sensitive(self, table: Table, column: str) -> bool:
        """Whether values of a column may not be shown or kept."""
        forms = (column, f"{table.name}.{column}", f"{table.full_name}.{column}")
        return any(fnmatchcase(form, pattern) for form in forms for pattern in self.sensitive)

    def locks(self, target: Connection) -> bool:
        """Whether reading this system keeps the target from being written."""
        return False

    def one_table(self) -> bool:
        """Whether the address means one table, as that of a file does."""
        return False

    def open(self) -> AbstractContextManager[Session]:
        """A new session."""
        raise NotImplementedError

    def address(self) -> str:
        """The address without secrets, for people to read and as identity."""
        raise NotImplementedError


def sensitive(connections: Iterable[Connection]) -> tuple[str, ...]:
    """All columns that the connections hide, as these say it."""
    return tuple(dict.fromkeys(name for each in connections for name in each.sensitive))
