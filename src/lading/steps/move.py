"""Moves tables: planned, staged, proved and published by the engine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lading.render import amount, plural
from lading.spec import Move

if TYPE_CHECKING:
    from lading.copying import Part
    from lading.desk import Desk, Outcome

__all__ = ["Move", "run"]
NOTE_SECONDS = 30
"""How often the log says how far tables have come."""


class Noting:
    """Watches a move for its log, and passes on what it is told."""

    def __init__(self, step: Move, desk: Desk) -> None:
        self.step, self.desk, self.watch = step, desk, desk.watch
        self._rows: dict[str, int] = {}
        self._noted = time.monotonic()

    def begin(self, table: str, rows: int | None, slices: int) -> None:
        about = "" if rows is None else f", about {plural(rows, 'row')}"
        self.desk.note(self.step, f"{table}: reading{about}, in {plural(slices, 'slice')}")
        self.watch.begin(table, rows, slices)

    def moved(self, table: str, rows: int, bytes: int) -> None:
        self._rows[table] = self._rows.get(table, 0) + rows
        if time.monotonic() - self._noted > NOTE_SECONDS:
            self._noted = time.monotonic()
            self.desk.note(self.step, f"{table}: {amount(self._rows[table])} rows so far")
        self.watch.moved(table, rows, bytes)

    def slice_done(self, table: str) -> None:
        self.watch.slice_done(table)

    def state(self, table: str, word: str) -> None:
        self.desk.note(self.step, f"{table}: {word}")
        self.watch.state(table, word)

    def end(self) -> None:
        self.watch.end()


def run(step: Move, desk: Desk, of: Part | None = None) -> Outcome:
    from lading.copying import copied
    from lading.desk import Outcome
    from lading.errors import Unreachable
    from lading.prove import State

    bill = copied(step, desk.store, desk.resolve, Noting(step, desk), of or desk.part)
    for table in bill.tables:
        why = table.error or "; ".join(table.proof.reasons if table.proof else ())
        into = f"{table.table} into {table.into}"
        desk.note(step, f"{into}: {plural(table.rows.target, 'row')}, {table.state}{f': {why}' if why else ''}")
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
