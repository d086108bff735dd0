"""Runs whose processes do what a test tells them."""

from lading.dues import Due
from lading.store import Store


class Told:
    """As `dueruns.Process`, without one."""

    def __init__(self, store: Store, due: Due) -> None:
        self.ledger, self.due = store, due
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.cut(143)

    def said(self) -> str:
        return "pipelines/p.yaml:1: that is why."

    def cut(self, code: int = -9) -> None:
        self.ledger.end(self.due.run, "interrupted", None)
        self.code = code
