"""What a person can do about rows that differ: copy exactly these again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lading import config, copying, record
from lading.actions import kept_store
from lading.compare.outcome import Diff
from lading.connector import Connection, Session, sensitive
from lading.copying import Part, planned
from lading.errors import AccessDenied, DataError, LadingError, SpecError
from lading.moving import Watch
from lading.picking import without
from lading.prove import Bill
from lading.reconcile import Reconciling
from lading.record import keep
from lading.repair import (
    Collecting,
    Mending,
    Repair,
    Wrong,
    accepted,
    addresses,
    asked_again,
    erase,
    failed,
    hiding,
    lacking,
    mended,
    narrowed,
    pairs,
    together,
)
from lading.run import new_id
from lading.run import run as run_plan
from lading.schema import Mode, Table
from lading.spec import Move
from lading.store import Store
from lading.written import checked


def mending(words: Mapping[str, Any]) -> Mending:
    """How the words of a call repair."""
    return checked(Mending, words, None, (), "")


def repair(run: str, mending: Mending, watch: Watch | None = None) -> Repair:
    """Compares the tables of a bill or a diff again, and copies exactly the rows that differ; unless it is applied,
    only says what that would do. Of the last prove, those of every step; a step that cannot be repaired does not stop
    the others."""
    with kept_store() as ledger:
        wanted = record.asked_for(ledger, run)
        if len(wanted) == 1:
            return _repaired(wanted[0], mending, (ledger, watch))
        done, errors, of = [], list[LadingError](), new_id()
        for kept in wanted:
            own = mending.model_copy(update=_given(mending, kept, wanted))
            try:
                done.append(_repaired(kept, own, (ledger, watch), of))
            except LadingError as error:
                errors.append(error)
                done.append(failed(kept, mending, error))
        if len(errors) == len(done):
            raise errors[0]
        return together(wanted[0].run, done)


def _given(mending: Mending, kept: Bill | Diff, wanted: Sequence[Bill | Diff]) -> dict[str, str]:
    """The addresses that are given, where they are this one's: steps may have others."""
    sides = zip(("source", "target"), (mending.source, mending.target), addresses(kept), strict=True)
    ends = [set(each) for each in zip(*map(addresses, wanted), strict=True)]
    return {
        side: given if given and (len(all_) == 1 or config.at(given).address() == name) else ""
        for (side, given, name), all_ in zip(sides, ends, strict=True)
    }


def _repaired(kept: Bill | Diff, mending: Mending, at: tuple[Store, Watch | None], of: str = "") -> Repair:
    """One bill or diff; `of` is what the diffs that are made have in common with others."""
    ledger, watch = at
    given = zip((mending.source, mending.target), addresses(kept), strict=True)
    left, right = (hiding(config.at(address or name), kept) for address, name in given)
    moved = copying.tasks(ledger, kept.run) if isinstance(kept, Bill) else []
    asked, marks = asked_again(kept, moved), kept.marks if isinstance(kept, Diff) else {}
    wanted, before = dict(pairs(kept)), Collecting()

    def look(seen: Collecting | None) -> Diff:
        with Reconciling(left, right, asked, watch) as reconciling:
            here, there = (system.session for system in reconciling.systems)
            tables = _named(here, wanted, kept.exclude)
            made = reconciling.diff(tables, seen, marks)
            for table, into in tables:
                wrong = seen.found.get(table.full_name) if seen else None
                if wrong and wrong.comparison.differing:
                    goes = copying.placed(_move(wrong, (left, right), ((), kept.exclude)), table, there)
                    wrong.met((table, there.describe(into.full_name) or into), goes, asked)
            return made

    try:
        done = mended(kept.run if isinstance(kept, Bill) else kept.id, look(before), before.found, mending)
    except AccessDenied as error:
        raise lacking(error, mending, (left, right)) from error
    if not right.can.merges and any(each.inserts or each.updates for each in done.tables):
        raise SpecError(f"{right.address()} cannot merge rows by key.", "Copy the tables again.")
    if not mending.apply:
        return done
    accept = accepted(kept, mending)
    found = {name: wrong for name, wrong in before.found.items() if not wrong.problem}
    bill = _mend(found, (accept, kept.exclude), (left, right), (ledger, watch))
    uncopied = {table.table for table in bill.tables if table.error} if bill else set()
    whole = {name: wrong for name, wrong in found.items() if name not in uncopied}
    left_there = erase(right, whole, look) if mending.deletes else {}
    of_this = {"run": of, "accept": accept, "marks": marks, "exclude": kept.exclude, "pipeline": kept.pipeline}
    after = look(None).model_copy(update={**of_this, "sensitive": sensitive((left, right))})
    keep(ledger, after)
    if asked.record:
        record.write(right, after)
    return done.settled(bill, left_there, after)


def _named(session: Session, wanted: dict[str, str], exclude: tuple[str, ...]) -> list[tuple[Table, Table]]:
    """The tables by their names, without the columns that were left out; what is gone is not left out, since nothing is
    known of it."""
    tables = []
    for name, there in wanted.items():
        schema, _, rest = there.rpartition(".")
        table = session.describe(name) or Table(name=name, problems=(f"The source has no table '{name}' any more.",))
        table = without(table, exclude)
        tables.append((table, table.model_copy(update={"schema_name": schema or None, "name": rest})))
    return tables


Words = tuple[tuple[str, ...], tuple[str, ...]]
"""What is accepted, and what is left out."""


def _move(wrong: Wrong, sides: tuple[Connection, Connection], words: Words) -> Move:
    found, (source, target) = wrong.comparison, (side.address() for side in sides)
    return Move(
        source=source, target=target, tables=(found.left,), into={found.left: found.right}, mode=Mode.MERGE,
        merge_key=found.key, accept=words[0], exclude=words[1],
    )  # fmt: skip


def _mend(
    found: dict[str, Wrong], words: Words, sides: tuple[Connection, Connection], kept: tuple[Store, Watch | None]
) -> Bill | None:
    """Moves the rows that are missing or changed, as a run of its own."""
    ledger, watch = kept
    plans = []
    for wrong in found.values():
        if wrong.inserts or wrong.updates:
            made = planned(_move(wrong, sides, words), Part(), ledger, sides, config.resolve)
            if any(task.fresh for task in made.tasks):
                raise DataError(f"'{wrong.comparison.right}' is gone.", "Copy it again.")
            plans.append(narrowed(made, wrong))
    if not plans:
        return None
    tasks = tuple(task for each in plans for task in each.tasks)
    bill = run_plan(plans[0].model_copy(update={"tasks": tasks}), sides, ledger, watch)
    keep(ledger, bill)
    return bill
