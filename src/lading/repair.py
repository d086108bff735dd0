"""Repairs what a comparison found: copies exactly the rows that differ once more, and proves the tables again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import pyarrow as pa
from pydantic import BaseModel

from lading.compare import Asked, Found
from lading.compare.asked import Way
from lading.compare.outcome import Comparison, Diff, Difference, Verdict, worst
from lading.compare.pairing import pairing
from lading.connector import Connection, Erases
from lading.errors import AccessDenied, DataError, LadingError, SpecError, Unsupported, masked, unseen
from lading.plan import Plan, Task
from lading.prove import Bill
from lading.render import plural
from lading.schema import Column, Table
from lading.spec import Accepted
from lading.values import STRING, cast

MOST = 200_000
"""Rows of a table that are repaired; beyond that it is better copied again."""
ERASED = 10_000
"""Keys that are handed over in a batch."""
Key = tuple[str | None, ...]


class Mending(BaseModel, frozen=True, extra="forbid"):
    """How to repair. `source` and `target` are given where the addresses that were kept lack a password."""

    apply: bool = False
    deletes: bool = False
    accept: Accepted = ()
    source: str = ""
    target: str = ""


class Mended(BaseModel, frozen=True):
    """One table: rows to insert, to update and to delete; `problem` is why it is left as it is. `left_out` are columns
    that were not compared, and stay as they are. `after` is the comparison once the repair is done."""

    table: str
    into: str
    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    problem: str = ""
    left_out: tuple[str, ...] = ()
    after: Comparison | None = None


class Repair(BaseModel, frozen=True):
    """What was repaired, or would be. `verdict` is that of the last comparison. `problem` is why nothing could be
    looked at. Where it is about several steps of a prove, each has a repair in `steps`, with its bill and its diff, and
    this one has all tables and the worst verdict."""

    of: str
    applied: bool
    deletes: bool
    """Whether rows that only the target has are deleted."""
    source: str
    target: str
    verdict: Verdict
    tables: tuple[Mended, ...] = ()
    bill: Bill | None = None
    diff: str = ""
    """The id of the last comparison."""
    seconds: float = 0.0
    problem: str = ""
    steps: tuple[Repair, ...] = ()

    def settled(self, bill: Bill | None, kept: dict[str, str], after: Diff) -> Repair:
        """The repair once it is done; `kept` is why rows of a table were not deleted."""
        now = {each.left: each for each in after.tables}
        copied = {each.table: each for each in bill.tables} if bill else {}
        tables = []
        for each in self.tables:
            done = copied.get(each.table)
            failed = done and (done.error or _unfound(each.inserts + each.updates - done.rows.source, "in the source"))
            said = (each.problem, failed, kept.get(each.table))
            update = {"after": now.get(each.table), "problem": "; ".join(why for why in said if why)}
            tables.append(each.model_copy(update=update))
        seconds = self.seconds + after.seconds + (bill.seconds if bill else 0)
        return self.model_copy(
            update={"applied": True, "bill": bill, "tables": tuple(tables), "verdict": after.verdict, "diff": after.id,
                    "seconds": round(seconds, 3)}
        )  # fmt: skip


def _unfound(rows: int, where: str) -> str:
    """What is said of rows that their keys did not find when they were to be copied or deleted."""
    return (
        f"{plural(rows, 'row')} not found again by the key {where}: gone by now, or written otherwise there"
        if rows > 0
        else ""
    )


@dataclass
class Wrong:
    """The keys of one table's rows that differ, by what must happen to them: as the right has them of rows to delete,
    as the left has them of others. `alone` counts rows that are left alone, by why, and whether only the right has
    them; `unlike` is why the columns' names let none be repaired; `left_out` are columns that were not compared."""

    comparison: Comparison
    inserts: list[Key] = field(default_factory=list)
    updates: list[Key] = field(default_factory=list)
    deletes: list[Key] = field(default_factory=list)
    alone: Counter[tuple[str, bool]] = field(default_factory=Counter)
    unlike: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def problem(self) -> str:
        found = self.comparison
        if not found.key:
            return "it has no key, so its rows cannot be told apart; copy it again with 'mode: replace'"
        if found.differing > MOST:
            return f"{found.differing:,} rows differ, more than {MOST:,}; copy it again with 'mode: replace'"
        return self.unlike

    def mended(self, deleting: bool) -> Mended:
        """What is said of the table before anything is done."""
        found = self.comparison
        if self.problem or not found.differing:
            return Mended(table=found.left, into=found.right, problem=self.problem if found.differing else "")
        alone = Counter[str]()
        for (why, gone), n in self.alone.items():
            alone[why] += n if deleting or not gone else 0
        told = [f"{plural(n, 'row')} {why}" for why, n in alone.items() if n]
        return Mended(
            table=found.left, into=found.right, inserts=len(self.inserts), updates=len(self.updates),
            deletes=len(self.deletes) if deleting else 0, problem=f"left alone: {', '.join(told)}" if told else "",
            left_out=self.left_out if self.inserts or self.updates else (),
        )  # fmt: skip

    def met(self, sides: tuple[Table, Table], goes: Table, asked: Asked) -> None:
        """Looks which columns were not compared, and whether the others are called alike: rows are copied, and found by
        their keys, by these names. `goes` is where a copy goes: of a name with dots it takes what is before the last
        for a schema."""
        left, right = sides
        if (goes.schema_name, goes.name) != (right.schema_name, right.name):
            self.unlike = f"'{right.full_name}' has a dot in its name, and a copy would go elsewhere; rename it"
        paired = pairing(left, right, asked.key, asked.exclude)
        compared = {pair.left.name for pair in paired.compared} | set(paired.only_left)
        self.left_out = tuple(column.name for column in left.columns if column.name not in compared)
        for pair in paired.pairs:
            if pair.left.name != pair.right.name:
                what = f"column '{pair.left.name}' is called '{pair.right.name}' in the target"
                self.unlike = f"{what}, and rows are copied by the names of columns; call them alike"


class Collecting:
    """Is shown comparisons and keeps the keys of what differs."""

    def __init__(self) -> None:
        self.found: dict[str, Wrong] = {}

    def __call__(self, found: Found) -> None:
        wrong = self.found[found.comparison.left] = Wrong(found.comparison)
        if wrong.problem:
            return
        kinds = {"only_left": wrong.inserts, "changed": wrong.updates, "only_right": wrong.deletes}
        last: Key | None = None
        for each in found.differences():
            key = _key(each, found.comparison.key)
            if key != last or each.kind != "changed":  # a changed row has a line for each of its columns
                if each.why:
                    wrong.alone[each.why, each.kind == "only_right"] += 1
                else:
                    kinds[each.kind].append(key)
            last = key if each.kind == "changed" else None


def _key(difference: Difference, names: Sequence[str]) -> Key:
    return tuple(difference.key[name] for name in names)


def mended(run: str, first: Diff, found: dict[str, Wrong], mending: Mending) -> Repair:
    """What a repair would do, after the first look."""
    tables = []
    for each in first.tables:
        wrong = found.get(each.left)
        problem = "; ".join(each.reasons)
        tables.append(
            wrong.mended(mending.deletes) if wrong else Mended(table=each.left, into=each.right, problem=problem)
        )
    return Repair(
        of=run, applied=False, deletes=mending.deletes, source=first.left, target=first.right, verdict=first.verdict,
        tables=tuple(tables), diff=first.id, seconds=first.seconds,
    )  # fmt: skip


def asked_again(kept: Bill | Diff, moved: Sequence[Task]) -> Asked:
    """How the tables are compared now: of all their rows, whatever was asked for then; those that a run `moved` by the
    key that it was told, where that is one."""
    if isinstance(kept, Bill):
        told = {task.key for task in moved} if any(task.key != task.source.key for task in moved) else set()
        return Asked(record=kept.record, key=told.pop() if len(told) == 1 else ())
    partly = kept.asked.way in (Way.AGGREGATES, Way.SAMPLE) or kept.asked.sample < 1
    return kept.asked.model_copy(update={"way": None, "sample": 1.0}) if partly else kept.asked


def hiding(side: Connection, kept: Bill | Diff) -> Connection:
    """The connection, which also hides what was hidden then: neither an address nor one that is given now tells."""
    asked = () if isinstance(kept, Bill) else kept.asked.sensitive
    return side.model_copy(update={"sensitive": (*side.sensitive, *kept.sensitive, *asked)})


def addresses(kept: Bill | Diff) -> tuple[str, str]:
    """Source and target of a bill or a diff."""
    return (kept.source, kept.target) if isinstance(kept, Bill) else (kept.left, kept.right)


def failed(kept: Bill | Diff, mending: Mending, error: LadingError) -> Repair:
    """That of a step which could not be repaired."""
    source, target = addresses(kept)
    return Repair(
        of=kept.run if isinstance(kept, Bill) else kept.id, applied=False, deletes=mending.deletes, source=source,
        target=target, verdict=Verdict.INCONCLUSIVE, problem=masked(str(error)),
    )  # fmt: skip


def together(of: str, steps: Sequence[Repair]) -> Repair:
    """The repairs of several steps as one."""
    ends = [" and ".join(dict.fromkeys(each)) for each in zip(*((s.source, s.target) for s in steps), strict=True)]
    return Repair(
        of=of, applied=any(s.applied for s in steps), deletes=steps[0].deletes, source=ends[0], target=ends[1],
        verdict=worst([s.verdict for s in steps]), tables=tuple(t for s in steps for t in s.tables),
        seconds=round(sum(s.seconds for s in steps), 3), steps=tuple(steps),
    )  # fmt: skip


def lacking(error: AccessDenied, mending: Mending, ends: tuple[Connection, Connection]) -> LadingError:
    """The error, which asks for what was not kept where that is what it is about."""
    given = {"--source": mending.source, "--target": mending.target}
    missing = [
        word
        for (word, address), end in zip(given.items(), ends, strict=True)
        if not address and not getattr(end, "password", None)
    ]
    if not missing:
        return error
    fix = f"Give the whole address again with {' and '.join(missing)}, or keep it as a connection: 'lading connect'."
    return SpecError(f"{error.what} Addresses are kept without their passwords.", fix)


def narrowed(plan: Plan, wrong: Wrong) -> Plan:
    """The plan, moving only the rows that are missing or changed, in the columns that were compared. A loss that nobody
    accepted does not stop it: the table is there, and a value that does not fit it as it is will be refused."""
    keys = (*wrong.inserts, *wrong.updates)
    notes = [f"{len(keys):,} rows that differed, by their keys"]
    notes += [f"not compared, and left as they are: {', '.join(wrong.left_out)}"] if wrong.left_out else []
    tasks = []
    for task in plan.tasks:
        update = {"keys": keys, "new": len(wrong.inserts), "notes": (*task.notes, *notes)}
        update |= {"problem": "", "fix": ""} if task.losses else {}
        tasks.append(task.model_copy(update=update | _without(task, wrong.left_out)))
    return plan.model_copy(update={"tasks": tuple(tasks)})


def _without(task: Task, names: Sequence[str]) -> dict[str, object]:
    """The tables of a task, and what they lose, without some columns."""

    def rest(table: Table) -> Table:
        columns = tuple(column for column in table.columns if column.name not in names)
        key = () if set(names).intersection(table.key) else table.key
        return table.model_copy(update={"columns": columns, "key": key})

    losses, accepted = (
        tuple(loss for loss in each if loss.column not in names) for each in (task.losses, task.accepted)
    )
    return {"source": rest(task.source), "target": rest(task.target), "losses": losses, "accepted": accepted}


def accepted(kept: Bill | Diff, mending: Mending) -> tuple[str, ...]:
    """The losses that the run or the pipeline had accepted, and those that are accepted now."""
    if isinstance(kept, Diff):
        return (*mending.accept, *kept.accept)
    losses = [loss for table in kept.tables for loss in table.losses]
    return (*mending.accept, *dict.fromkeys(f"{loss.column}:{loss.kind}" for loss in losses))


def erase(target: Connection, found: dict[str, Wrong], look: Callable[[Collecting], object]) -> dict[str, str]:
    """Deletes the rows that only the target has, each seen twice: a row that was on its way is on both sides by now.
    What is refused is tried again while others are deleted, as rows of these may refer to it. Returns by table why that
    was refused."""
    wanted = {name: wrong for name, wrong in found.items() if wrong.deletes}
    refused = dict[str, str]()
    if not wanted:
        return refused
    look(again := Collecting())
    with target.open() as session:
        if not isinstance(session, Erases):
            raise Unsupported(f"{target.address()} cannot delete rows.", "Copy the table again.")
        left, before = dict(wanted), len(wanted) + 1
        while 0 < len(left) < before:
            before = len(left)
            for name, wrong in list(left.items()):
                seen = set(again.found[name].deletes) if name in again.found else set()
                table = session.describe(wrong.comparison.right)
                if table is None:
                    raise DataError(f"'{wrong.comparison.right}' is gone.", "Copy it again.")
                try:
                    refused[name] = _erased(session, table, wrong, seen)
                    del left[name]
                except (AccessDenied, DataError, Unsupported) as error:
                    refused[name] = f"{unseen(error.what, target.hidden(table))} {error.fix}".strip()
    return {name: why for name, why in refused.items() if why}


def _erased(session: Erases, table: Table, wrong: Wrong, seen: set[Key]) -> str:
    """What is to be said of the rows of one table once they are deleted."""
    keyed = table.model_copy(update={"key": wrong.comparison.key})
    keys = [key for key in wrong.deletes if key in seen]
    return _unfound(len(keys) - session.erase(keyed, _batches(keyed, keys)), "in the target")


def _batches(table: Table, keys: Sequence[Key]) -> Iterator[pa.RecordBatch]:
    rest = iter(keys)
    while some := list(islice(rest, ERASED)):
        arrays = [_values([key[place] for key in some], column) for place, column in enumerate(table.keyed)]
        yield pa.RecordBatch.from_arrays(arrays, names=list(table.key))


def _values(texts: Sequence[str | None], column: Column) -> pa.Array:
    """The values of a key whose texts these are."""
    if column.type.kind == "string":  # of whatever length: not every system holds to what it declares
        return pa.array(texts, pa.string())
    if column.type.kind == "binary":
        return pa.array([None if text is None else bytes.fromhex(text) for text in texts], column.type.arrow())
    return cast(pa.array(texts, pa.string()), STRING, column.type)[0]


def pairs(found: Bill | Diff) -> list[tuple[str, str]]:
    """The tables that a bill or a diff is about."""
    if isinstance(found, Bill):
        return [(table.table, table.into) for table in found.tables]
    return [(table.left, table.right) for table in found.tables]
