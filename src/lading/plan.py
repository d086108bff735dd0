"""Planning: a move and two catalogues give tasks, with losses and problems named before anything runs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

from pydantic import BaseModel

from lading.connector import Capabilities
from lading.errors import LadingError, SpecError, Unsupported, meant
from lading.find import shown
from lading.memory import MIB, share, size
from lading.picking import chosen, into, refuse_undeclared, refuse_unknown
from lading.prove import Level
from lading.route import Arrival, Finding
from lading.schema import NO_VALUES, Column, Loss, Mode, Table, in_small, losses
from lading.spec import Move
from lading.types import Type


class Task(BaseModel, frozen=True):
    """One table's move. `target` is the table as it will be; `columns` of the source that the target has no place
    for are named in `losses`. `problem` keeps the task from running."""

    source: Table
    target: Table
    fresh: bool = True
    mode: Mode = Mode.REPLACE
    key: tuple[str, ...] = ()
    since: str | None = None
    since_low: str | None = None
    keys: tuple[tuple[str | None, ...], ...] | None = None
    new: int | None = None
    """Of rows with these keys, how many the target lacks; None where nobody knows."""
    losses: tuple[Loss, ...] = ()
    accepted: tuple[Loss, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What is too narrow between the two, the worst first; see `hops`."""
    undecoded: bool = False
    """Rows pass from one system to the other as they are, and both hash their own."""
    arrivals: tuple[Arrival, ...] = ()
    """How a canary came through, where one was sent."""
    problem: str = ""
    problem_kind: str = SpecError.kind
    fix: str = ""
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.source.full_name

    @property
    def into(self) -> str:
        return self.target.full_name


class Plan(BaseModel, frozen=True):
    """Plain data: everything that a run does, without connections."""

    pipeline: str = ""
    step: str = "move"
    part_of: str = ""
    """The pipeline's run that it is a part of."""
    source: str
    target: str
    folder: str = ""
    """Where relative paths of the two begin; empty when there are none."""
    exclude: tuple[str, ...] = ()
    record: bool = False
    work: str = ""
    """What is moved, in place of where it lies, where that is another path on each machine."""
    over_works: tuple[str, ...] = ()
    """The same of earlier runs, whose stages are of no use any more."""
    level: Level = Level.ROWS
    max_rejects: int = 0
    together: bool = False
    slice_rows: int = 500_000
    readers: int = 1
    gentle: int = 0
    """The most rows that are read in a second; 0 where there is no limit."""
    keeps_json: bool = False
    """Whether the target gives back JSON as the text that was written, which is hashed then as it is."""
    memory: int = 0
    """The most bytes that the process may hold; 0 where there is no limit."""
    reasons: tuple[str, ...] = ()
    """Why it is done this way."""
    tasks: tuple[Task, ...] = ()

    @property
    def follows(self) -> bool:
        """Whether it only brings what has changed since earlier runs."""
        return all(task.since_low is not None for task in self.tasks if not task.problem)

    @property
    def problems(self) -> list[str]:
        return [f"{task.name}: {task.problem} {task.fix}".strip() for task in self.tasks if task.problem]


class Side(BaseModel, frozen=True):
    """What planning knows of a system."""

    address: str
    can: Capabilities
    options: tuple[str, ...] = ()
    """Names of what can be set for the connection."""
    alike: bool = False
    """Whether names of tables that differ only in capitals are one there."""


def plan(
    move: Move,
    tables: Iterable[Table],
    sides: tuple[Side, Side],
    fit: Callable[[Table], Table],
    existing: Callable[[Table], Table | None],
    cursor: Callable[[Table], str | None] = lambda _table: None,
) -> Plan:
    """The plan of a move. `fit` and `existing` ask the target; `cursor` gives the last value of `since`."""
    source, target = sides
    refuse(move, target)
    found = list(tables)
    refuse_unknown(move, found)
    picked = chosen(move, found)
    refuse_undeclared(move, picked)
    tasks = [_task(move, table, (fit, existing), cursor) for table in picked]
    if not tasks:
        raise SpecError(f"{shown(move.source)} has no tables to move.", "Check 'tables', and what the account may see.")
    names = [in_small(task.into) if target.alike else task.into for task in tasks]
    tasks = [_blocked(t, "Two tables go into the same target.", "Map one elsewhere with 'into'.")
             if names.count(name) > 1 else t for t, name in zip(tasks, names, strict=True)]  # fmt: skip
    if source.address == target.address:
        tasks = [_blocked(t, "The table would go into itself.", "Name another with 'into'.") if t.into == t.name
                 else t for t in tasks]  # fmt: skip
    return Plan(
        step=move.key, source=source.address, target=target.address, level=move.proof, max_rejects=move.max_rejects,
        exclude=move.exclude, record=move.record,
        together=move.together, slice_rows=move.slice_rows, readers=_readers(move, source, target), gentle=move.gentle,
        memory=size(move.memory), keeps_json=target.can.keeps_json,
        reasons=tuple(_reasons(move, source, target)), tasks=tuple(tasks),
    )  # fmt: skip


def refuse(move: Move, target: Side) -> None:
    """Raises SpecError for what the target cannot do at all."""
    if not target.can.writes:
        raise SpecError(f"{shown(move.target)} cannot be written to.", "Choose another target.")
    if move.mode is Mode.MERGE and not target.can.merges:
        raise SpecError(f"{shown(move.target)} cannot merge rows by key.", "Use 'mode: replace' or 'mode: append'.")
    if move.mode is Mode.APPEND and not target.can.appends:
        raise SpecError(f"{shown(move.target)} cannot append rows.", "Use 'mode: replace'.")
    if move.together and not target.can.together:
        raise SpecError(f"{shown(move.target)} cannot publish several tables at once.", "Leave out 'together'.")


LOCK_SECONDS = 2
"""How long a gentle run waits for a lock: while it does, others wait behind it."""
LOCKS = ("lock_seconds", "busy_seconds")
"""What connections call that."""


def _readers(move: Move, source: Side, target: Side) -> int:
    most = share(limit).streams if (limit := size(move.memory)) else source.can.readers
    return 1 if move.gentle else max(min(most, source.can.readers, target.can.writers), 1)


def _reasons(move: Move, source: Side, target: Side) -> Iterable[str]:
    readers = _readers(move, source, target)
    if not source.can.snapshot:
        yield "the source has no snapshot: rows are proved as they were when read"
    if move.gentle:
        told = [word for word, side in (("source", source), ("target", target)) if {*LOCKS} & {*side.options}]
        locks = f", {LOCK_SECONDS} seconds for locks of the {' and the '.join(told)}" if told else ""
        yield f"gently: at most {move.gentle:,} rows a second, one slice at a time{locks}"
    if limit := size(move.memory):
        many = "one slice at a time" if readers == 1 else f"up to {readers} slices at a time"
        batches = f", batches of {share(limit).batch_mb} MiB" if "batch_mb" in source.options else ""
        yield f"within {limit // MIB:,} MiB: {many}{batches}"
    elif readers > 1:
        yield f"up to {readers} slices at a time, all at one pinned snapshot"
    elif source.can.snapshot and not move.gentle:
        narrow = "source reads" if source.can.readers == 1 else "target writes"
        yield f"one slice at a time: the {narrow} through one session"
    if source.can.aside and readers == 1 and not move.gentle:
        yield "a second session of the source is asked for sums meanwhile"
    if not target.can.atomic:
        yield "the target cannot publish at once: readers may see a mixture while it does"
    if move.together:
        yield "all tables are published in one transaction"


def _task(
    move: Move,
    table: Table,
    target: tuple[Callable[[Table], Table], Callable[[Table], Table | None]],
    cursor: Callable[[Table], str | None],
) -> Task:
    fit, existing = target
    bare = Task(source=table, target=into(move, table), mode=move.mode)
    if table.problems:
        said = "; ".join(table.problems)
        return _blocked(bare, f"{said[0].upper()}{said[1:]}.", "")
    if not table.columns:
        return _blocked(bare, "No column of it is left to be moved.", "Leave the table out with 'exclude'.")
    try:
        key = _key(move, table)
        fitted = fit(_limited(bare.target.model_copy(update={"key": key})))
        old = existing(fitted)
        found = _shape(fitted, old, move.mode)
        key = _held_key(move, found, key)
        found = found.model_copy(update={"key": tuple(name for name in found.key if found.column(name))})
    except LadingError as error:
        return _blocked(bare, error.what, error.fix).model_copy(update={"problem_kind": error.kind})
    lost = tuple(losses(table, found))
    accepted = tuple(loss for loss in lost if accepts(move, table, loss.column, loss.kind))
    notes = [] if key or move.mode is Mode.MERGE else ["no key: compared as a multiset of rows"]
    notes += _measured(table, found)
    low = cursor(table) if move.since and old else None
    notes += _besides(old, found, move.mode)
    notes += [f"only rows whose '{move.since}' is at least {low}, or NULL"] if low else []
    if (by := table.column(move.since or "")) and by.type.kind not in REACHING_BACK:
        notes.append(f"'{by.name}' is {by.type}: 'since' does not reach back before the last value")
    task = Task(
        source=table, target=found, fresh=old is None, mode=move.mode, key=key, since=move.since,
        since_low=low, losses=lost, accepted=accepted, notes=tuple(notes),
    )  # fmt: skip
    return _checked(move, task)


REACHING_BACK = ("timestamp", "date", "int", "decimal", "float")
"""Types of columns of which `since` takes values again that are a little smaller than the last."""
WIDEST = 38
"""Digits of the widest decimal that all targets have."""
ASSUMED = 10
"""Decimals of a column of which nothing is declared and nothing can be measured, because it is empty."""


def _limited(table: Table) -> Table:
    """The table with a limit for decimals that were measured, where they fit the widest decimal."""
    columns = []
    for column in table.columns:
        held = column.measured
        if held is not None and (held.size or 0) <= WIDEST:
            scale = ASSUMED if held == NO_VALUES else held.scale
            limit = Type("decimal", WIDEST, scale)
            column = column.model_copy(update={"type": limit, "native": ""})
        columns.append(column)
    return table.model_copy(update={"columns": tuple(columns)})


def _measured(source: Table, target: Table) -> Iterable[str]:
    for column in source.columns:
        there = target.column(column.name) if column.measured is not None else None
        if column.measured is None or there is None or there.type.kind != "decimal":
            continue
        held = column.measured
        found = f"{(held.size or 0) - held.scale} digits before the point and {held.scale} after it were found"
        found = "it holds no value yet" if held == NO_VALUES else found
        yield f"'{column.name}' has no declared limit; {found}, and a value that does not fit {there.type} is refused"


def _besides(old: Table | None, found: Table, mode: Mode) -> Iterable[str]:
    """What a target's table has besides the source's columns, and what becomes of it."""
    rest = [c for c in old.columns if found.column(c.name) is None] if old else []
    if own := [f"'{c.name}'" for c in rest if not c.null]:
        yield f"the target gives {', '.join(own)} its own default"
    more = [f"'{c.name}'" for c in rest if c.null]
    if more and mode is Mode.REPLACE:
        yield f"the source has no {', '.join(more)}: what the target has there may go with its old rows"


def _key(move: Move, table: Table) -> tuple[str, ...]:
    for name in move.merge_key:
        if table.column(name) is None:
            fix = f"Correct 'merge_key'. {meant(name, [c.name for c in table.columns])}"
            raise SpecError(f"'{table.full_name}' has no column '{name}'.", fix)
    if move.since:
        column = table.column(move.since)
        if column is None:
            fix = f"Correct 'since'. {meant(move.since, [c.name for c in table.columns])}"
            raise SpecError(f"'{table.full_name}' has no column '{move.since}'.", fix)
        if not column.type.ordered:
            what = f"'since' of '{table.full_name}' cannot go by '{move.since}': {column.type} has no order."
            raise Unsupported(what, "Name a column of moments or numbers that grow, or leave the table out.")
    return move.merge_key or table.key


def _shape(fitted: Table, old: Table | None, mode: Mode) -> Table:
    """The target's table: columns that it has keep their types, new ones are added when it is replaced."""
    if old is None:
        return fitted
    columns: list[Column] = []
    for column in fitted.columns:
        kept = old.column(column.name)
        if kept is not None:
            columns.append(kept)
        elif mode is Mode.REPLACE:
            alike = next((f", but '{c.name}'" for c in old.columns if in_small(c.name) == in_small(column.name)), "")
            raise SpecError(
                f"The target's table '{old.full_name}' has no column '{column.name}'{alike}.",
                f"{'Rename' if alike else 'Add'} it there, or drop the table so that it is made anew.",
            )
    if not columns:
        what = f"The target's table '{old.full_name}' has none of the source's columns."
        raise SpecError(what, "Map the table elsewhere with 'into', or drop the target's.")
    missing = [c.name for c in old.columns if fitted.column(c.name) is None and not (c.null or c.filled)]
    if missing:
        raise SpecError(
            f"The target's column '{missing[0]}' is NOT NULL, without a default, and the source has no such column.",
            "Give it a default, or leave the table out.",
        )
    return old.model_copy(update={"columns": tuple(columns), "key": fitted.key})


def _held_key(move: Move, found: Table, key: tuple[str, ...]) -> tuple[str, ...]:
    """The key, if the target's table has its columns; rows that are appended are told apart as well without one."""
    lacks = [name for name in (*key, *filter(None, [move.since])) if found.column(name) is None]
    if lacks and move.mode is not Mode.APPEND:
        what = f"The target's table '{found.full_name}' has no column '{lacks[0]}', by which rows are merged."
        raise SpecError(what, "Add it there, or drop the table so that it is made anew.")
    return () if lacks else key


def accepts(move: Move, table: Table, column: str, kind: str) -> bool:
    """Whether the author wrote that a loss of a column is accepted."""
    forms = (kind, f"{column}:{kind}", f"{table.full_name}.{column}:{kind}")
    return any(fnmatchcase(form, pattern) for form in forms for pattern in move.accept)


def halted(task: Task) -> Task:
    """The task, stopped by what would be cut unnoticed and is not accepted."""
    found = [each for each in task.findings if each.level == "blocks" and not each.accepted]
    if not found:
        return task
    first, count = found[0], len(found) - 1
    more = f" (and {count:,} more)" if count else ""
    what = f"'{first.column}' would be changed unnoticed{more}: {first.what}; {first.how}."
    named = ", ".join(dict.fromkeys(f"{each.column}:{each.kind}" for each in found))
    fixes = f"{first.fix} Or accept it by name: {named}."
    return _blocked(task, f"{task.problem} {what}".strip(), f"{task.fix} {fixes}".strip())


def _checked(move: Move, task: Task) -> Task:
    if task.mode is Mode.MERGE and not task.key:
        return _blocked(task, f"'{task.name}' has no key to merge by.", "Name one with 'merge_key', or use append.")
    open_losses = [loss for loss in task.losses if loss not in task.accepted]
    if open_losses:
        named = ", ".join(f"{loss.column}:{loss.kind}" for loss in open_losses)
        what = "; ".join(f"'{loss.column}' {loss.what}" for loss in open_losses[:3])
        return _blocked(
            task,
            f"{what.capitalize() if not what.startswith(chr(39)) else what}.",
            " ".join(
                [f"Accept it by name: {named}.", *(f"'{x.column}': {x.seen}." for x in open_losses[:3] if x.seen)]
            ),
        )
    return task


def _blocked(task: Task, problem: str, fix: str) -> Task:
    return task.model_copy(update={"problem": problem, "fix": fix})
