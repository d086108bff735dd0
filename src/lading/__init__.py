"""Lading moves an enterprise's data and proves that it arrived."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, overload

from lading.errors import (
    AccessDenied,
    Bug,
    DataError,
    LadingError,
    ProofFailed,
    SpecError,
    Unreachable,
    Unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from lading.backfilling import Line
    from lading.compare.outcome import Diff
    from lading.facts import Profile
    from lading.plan import Plan
    from lading.prove import Bill
    from lading.repair import Repair
    from lading.schema import Table

__all__ = [
    "AccessDenied",
    "Bug",
    "DataError",
    "LadingError",
    "ProofFailed",
    "SpecError",
    "Unreachable",
    "Unsupported",
    "backfill",
    "copy",
    "diff",
    "discover",
    "plan",
    "profile",
    "prove",
    "repair",
    "run",
]


def copy(source: str | Path, target: str | Path, *, quiet: bool = False, **words: Any) -> Bill:
    """Copies tables and proves that they arrived. `words` are the options of a move: `tables="sales.*"`,
    `mode="merge"`, `accept=["amount:rounds"]`. Returns the bill, also of a run that is unproved; raises the error of
    the first table that failed, with the bill as its `bill`."""
    from lading import actions, progress

    return _settled(actions.copy(_move(source, target, words), progress.watch(quiet)))


def run(pipeline: str, *, start: str = "", draft: bool = False, quiet: bool = False, **params: Any) -> Bill:
    """Runs a pipeline of the project, or with `start` that step and what comes after it: its live release where there
    is one, or the `draft` in the folder. `params` are its parameters. Raises as `copy` does."""
    from lading import actions, progress

    return _settled(actions.run(pipeline, progress.watch(quiet), params, start, actions.How(draft=draft)))


def backfill(
    pipeline: str, first: str | date, last: str | date, *, params: Mapping[str, Any] | None = None, **how: Any
) -> list[Line]:  # fmt: skip
    """Runs a pipeline for every time that it was due from one day to another, both included, and goes on where it was
    cut off: a line for each, with its `due` and the state of that. Raises nothing because a run failed. `again=True`
    also runs what was over, `go_on=True` goes on after a failure, with `dry=True` nothing runs; `parallel=4`."""
    from lading import actions_backfilling

    given = {name: str(value) for name, value in (params or {}).items()}
    wanted = actions_backfilling.Wanted(str(first), str(last), given=given, **how)
    return actions_backfilling.backfill(pipeline, wanted).lines


@overload
def plan(source: str, target: None = None) -> list[Plan]: ...
@overload
def plan(source: str, target: str, **words: Any) -> Plan: ...
def plan(source: str, target: str | None = None, **words: Any) -> Plan | list[Plan]:
    """What a copy would do; or, with the name of a pipeline alone, what each of its steps would. Changes nothing."""
    from lading import actions, page

    page.attach()
    if target is None:
        return page.Shown(actions.plan(source))
    return actions.plan_move(_move(source, target, words))


def diff(
    left: str | Path, right: str | Path, *, tables: Any = None, into: Any = None, quiet: bool = False, **words: Any
) -> Diff:
    """Compares tables of two systems, whoever loaded them; `words` are the options of a comparison: `key="id"`,
    `exclude=["loaded_at"]`. Raises nothing because tables differ: see the verdict."""
    from lading import actions, config, page, page_diff, progress

    page.attach(page_diff.DRAW)
    places = {name: value for name, value in (("tables", tables), ("into", into)) if value is not None}
    return actions.diff(_move(left, right, places), config.asked(words), progress.watch(quiet))


def prove(pipeline: str, *, quiet: bool = False, **words: Any) -> list[Diff]:
    """Compares the tables of a pipeline with their sources, as both are now; a diff for each of its steps."""
    from lading import actions, config, page, page_diff, progress

    page.attach(page_diff.DRAW)
    return page.Shown(actions.prove(pipeline, config.asked(words), progress.watch(quiet)))


def repair(run: str = "last", *, quiet: bool = False, **words: Any) -> Repair:
    """Copies exactly the rows again that differ, of the tables of a run or a diff; with `apply=True`, else only says
    what that would do. `deletes=True` also deletes the rows that only the target has."""
    from lading import actions_repairing, progress

    return actions_repairing.repair(run, actions_repairing.mending(words), progress.watch(quiet))


def discover(address: str | Path) -> list[Table]:
    """The tables of a system, with their columns."""
    from lading import actions

    return actions.discover(str(address))


def profile(
    address: str | Path, *, tables: str | Sequence[str] = (), into: str = "", types: dict[str, str] | None = None
) -> list[Profile]:
    """What the values of a table are like, or of every table of a system; kept with its date. `into` is a type for all
    columns, `types` are types by column: what they would lose is counted."""
    from lading import actions, page, page_profile

    page.attach(page_profile.DRAW)
    wanted = [tables] if isinstance(tables, str) else tables
    return page.Shown(actions.profile(str(address), wanted, into, types))


def _move(source: str | Path, target: str | Path, words: dict[str, Any]) -> Any:
    from lading import config

    return config.move({"source": source, "target": target, **words})


def _settled(bill: Bill) -> Bill:
    from lading import page

    page.attach()
    failed = [(f"'{each.table}'", each.error, each.error_kind) for each in bill.tables if each.state == "failed"]
    failed = failed or [
        (f"Step '{each.key}'", each.error, each.error_kind) for each in bill.steps if each.state == "failed"
    ]
    if failed:
        kinds = {kind.kind: kind for kind in LadingError.__subclasses__()}
        more = f" {len(failed) - 1:,} more failed; see the bill." if len(failed) > 1 else ""
        name, what, kind = failed[0]
        error = kinds.get(kind, LadingError)(f"{name}: {what}{more}")
        error.bill = bill
        raise error
    return bill


class _Package(ModuleType):
    """Keeps `lading.plan` and `lading.run` the functions: Python would put the modules of these names in their place
    once they are imported. `from lading.plan import Plan` works as ever."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
