"""The one table of exceptions to the budgets and to the banned names; a line that is no longer needed fails."""

from typing import NamedTuple


class Allowed(NamedTuple):
    """`rule` lets `where` go up to `limit` (for a name: words that say nothing), because of `reason`."""

    rule: str
    where: str
    limit: int
    reason: str


ALLOWED = [
    Allowed("name", "lading.errors.DataError", 1, "one of the seven kinds: its owner is the data's owner"),
]
