"""Memory: named stores inside this process, for tests and for data that is already here."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, ClassVar, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field

from lading.connector import Capabilities, Connection
from lading.connectors.memory.session import Session
from lading.connectors.memory.store import Store
from lading.errors import SpecError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_stores: dict[str, Store] = {}
_stores_lock = threading.Lock()


class Memory(Connection):
    """A named store in this process; it lives as long as the process."""

    kind: Literal["memory"] = "memory"
    name: str = Field(description="The store's name.", min_length=1)

    can: ClassVar[Capabilities] = Capabilities(
        reads=True, writes=True, snapshot=True, readers=4, writers=4, atomic=True, together=True, merges=True,
        appends=True, digests=True, keeps_json=True,
    )  # fmt: skip
    schemes: ClassVar[tuple[str, ...]] = ("memory",)

    @classmethod
    def from_url(cls, url: str) -> Self:
        parts = urlsplit(url)
        name = unquote(parts.netloc)
        if not name or parts.path.strip("/") or parts.query:
            raise SpecError(f"'{url}' names no store.", "Write memory://name.")
        return cls(name=name)

    def address(self) -> str:
        return f"memory://{self.name}"

    def open(self) -> AbstractContextManager[Session]:
        with _stores_lock:
            return closing(Session(_stores.setdefault(self.name, Store())))
