"""Moves tables: planned, staged, proved and published by the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.spec import Move

if TYPE_CHECKING:
    from lading.desk import Desk, Outcome

__all__ = ["Move", "run"]


def run(step: Move, desk: Desk) -> Outcome:
    from lading.copying import copied
    from lading.desk import Outcome
    from lading.errors import Unreachable
    from lading.prove import State
    from lading.render import plural

    bill = copied(step, desk.store, desk.resolve, desk.watch, desk.part)
    failed = [table for table in bill.tables if table.state is State.FAILED]
    more = f" {len(failed) - 1:,} more tables failed." if len(failed) > 1 else ""
    return Outcome(
        source_cpu_seconds=bill.source_cpu_seconds, target_cpu_seconds=bill.target_cpu_seconds,
        state=bill.state, bill=bill.run, source=bill.source, target=bill.target, tables=bill.tables,
        says=f"{plural(bill.rows.target, 'row')} in {plural(len(bill.tables), 'table')}",
        error=f"'{failed[0].table}': {failed[0].error}{more}" if failed else "",
        error_kind=failed[0].error_kind if failed else "",
        again=bool(failed) and all(table.error_kind == Unreachable.kind for table in failed),
    )  # fmt: skip
