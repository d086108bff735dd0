"""What a preflight found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel

from lading.errors import masked
from lading.preflight.beside import Canary

Severity = Literal["blocks", "warns", "notes"]
_RANKS = {"blocks": 0, "warns": 1, "notes": 2}
Columns = dict[str, str]
"""The columns of a table with their types."""


class Account(BaseModel, frozen=True):
    """Who a connection is, and where."""

    user: str = ""
    host: str = ""
    database: str = ""


class Finding(BaseModel, frozen=True):
    """One thing that would go wrong, or might. `look` is the look that found it, `step` the step that it is about, or
    the connection."""

    look: str
    severity: Severity
    step: str
    what: str
    evidence: str = ""
    fix: str = ""
    accepted: bool = False
    final: bool = False
    """It cannot be accepted."""

    @property
    def name(self) -> str:
        """What `accept` takes, besides the look alone."""
        return f"{self.step}:{self.look}"

    @property
    def blocks(self) -> bool:
        return self.severity == "blocks" and not self.accepted


class Report(BaseModel, frozen=True):
    """All of it, the worst first; how much was looked at; and what a later preflight compares with: the accounts by
    connection, and by connection and table the columns of what is read."""

    taken: datetime
    findings: tuple[Finding, ...] = ()
    counts: dict[str, int] = {}
    accounts: dict[str, Account] = {}
    tables: dict[str, dict[str, Columns]] = {}
    canary: Canary | None = None
    """What the candidate made beside the live release, where that was tried."""

    @property
    def blocks(self) -> list[Finding]:
        return [each for each in self.findings if each.blocks]


def report(counts: Mapping[str, int], found: Iterable[Finding], accept: Iterable[str]) -> Report:
    """The report of findings, each once."""
    patterns = tuple(accept)
    marked = []
    for each in dict.fromkeys(found):
        named = any(fnmatchcase(form, pattern) for form in (each.look, each.name) for pattern in patterns)
        said = {word: masked(getattr(each, word)) for word in ("what", "evidence", "fix")}
        marked.append(
            each.model_copy(update={"accepted": named and each.severity == "blocks" and not each.final, **said})
        )
    ordered = sorted(marked, key=lambda each: (_RANKS[each.severity], each.accepted))
    return Report(taken=datetime.now(UTC), findings=tuple(ordered), counts=dict(counts))
