"""A move from its two catalogues to its bill: planned, run and kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from fnmatch import fnmatchcase

import sqlalchemy as sa

from lading import hops, profiles, record, undecoded
from lading.compare import Asked, Mark
from lading.compare.outcome import Diff
from lading.connector import Connection, Measures, Session, sensitive
from lading.ending import Ending
from lading.errors import LadingError, SpecError, Unsupported
from lading.find import shown
from lading.hops import gather
from lading.memory import size, within
from lading.moving import Watch, fingerprint
from lading.picking import chosen, into, is_pattern
from lading.plan import REACHING_BACK, Plan, Side, Task
from lading.plan import plan as make_plan
from lading.prove import Bill
from lading.reconcile import Marks, Reconciling, Seen, both, refuse_unknown
from lading.run import hurried
from lading.run import run as run_plan
from lading.schema import Column, Mode, Table
from lading.spec import Move
from lading.sql import SqlSession
from lading.store import Store, loads
from lading.types import Type

Sides = tuple[Connection, Connection]
Resolve = Callable[[str], tuple[str, Connection]]
"""What to call an address, and the connection that it means."""
_FEW = 4
"""So many tables are asked for one by one, by three statements each; more are found in the list of all."""


@dataclass(frozen=True)
class Part:
    """What a move is a part of: its pipeline, that one's run, and what ends it. `work` names what it moves where that
    is the same on every machine, wherever its source lies; `over_works` those of earlier runs, which are over."""

    pipeline: str = ""
    run: str = ""
    over: Ending = field(default_factory=Ending)
    work: str = ""
    over_works: tuple[str, ...] = ()


def sides(move: Move, resolve: Resolve) -> Sides:
    """The connections of a move's source and target."""
    source, target = resolve(move.source)[1], resolve(move.target)[1]
    if limit := size(move.memory):
        source, target = within(source, limit), within(target, limit)
    return (hurried(source), hurried(target)) if move.gentle else (source, target)


def copied(move: Move, ledger: Store, resolve: Resolve, watch: Watch | None, of: Part | None = None) -> Bill:
    """Moves, proves and publishes. Raises what keeps every table from being moved."""
    ends, of = sides(move, resolve), of or Part()
    made = planned(move, of, ledger, ends, resolve)
    if made.problems and len(made.problems) == len(made.tasks):
        first = next(task for task in made.tasks if task.problem)
        more = f" (and {len(made.problems) - 1:,} more tables; see 'lading plan')" if len(made.problems) > 1 else ""
        kinds = {kind.kind: kind for kind in LadingError.__subclasses__()}
        raise kinds[first.problem_kind](f"'{first.name}' cannot be moved{more}: {first.problem}", first.fix)
    done = run_plan(made, ends, ledger, watch, of.over)
    record.keep(ledger, done)
    if move.record:
        record.write(ends[1], done)
    return done


def tasks(ledger: Store, run: str) -> list[Task]:
    """What a run moved, table by table."""
    query = sa.select(loads.c.task).where(loads.c.run == run).order_by(loads.c.id)
    return [Task.model_validate_json(row.task) for row in ledger.rows(query)]


def compared(
    move: Move, ledger: Store, where: tuple[Resolve, Watch | None], how: Asked, of: Part, seen: Seen | None = None
) -> Diff:
    """Compares the tables of a move as they are now, and keeps the diff; `seen` is given what differs."""
    resolve, watch = where
    left, right = sides(move, resolve)
    with Reconciling(left, right, how, watch, of.over) as reconciling:
        move, there = known(move, reconciling.systems[0].session)
        tables = chosen(move, there)
        record_it = how.record or move.record
        reconciling.asked = how.model_copy(update={"key": how.key or move.merge_key, "record": record_it})
        writing = reconciling.systems[1].session
        if record_it:
            record.room(writing)
        marks: Marks = {
            t.full_name: mark for t in tables if (mark := watermark(move, t, writing, ledger, (left, right)))
        }
        made = reconciling.diff([(table, placed(move, table, writing)) for table in tables], seen, marks)
        words = {"pipeline": of.pipeline, "run": of.run, "accept": move.accept, "exclude": move.exclude, "marks": marks}
        made = made.model_copy(update={**words, "sensitive": sensitive((left, right))})
        record.keep(ledger, made)
    return record.written(right, made) if record_it else made


def refuse_strangers(moves: Sequence[Move], resolve: Resolve, how: Asked) -> None:
    """Raises SpecError for a column that is asked for and that no table of the moves has, on either side."""

    def tables() -> Generator[Table]:
        for move in moves:
            left, right = sides(move, resolve)
            with left.open() as reading, right.open() as writing:
                here, there = known(move, reading)
                yield from both([(table, placed(here, table, writing)) for table in chosen(here, there)], writing)

    with closing(tables()) as every:
        refuse_unknown(how, every)


def planned(move: Move, of: Part, ledger: Store, sides: Sides, resolve: Resolve, canary: bool = False) -> Plan:
    """The plan of a move. Reads both catalogues and changes nothing, a canary's transaction apart, which is undone."""
    source, target = sides
    if source.locks(target):
        what = f"{shown(move.source)} and {shown(move.target)} are one file, which cannot be written while it is read."
        raise SpecError(what, "Copy into another file, or make the table with a step 'sql'.")
    with of.over.opened(source) as reading, of.over.opened(target) as writing:
        move, tables = known(move, reading)
        tables = _measured(move, tables, (reading, writing))
        tables = [profiles.with_observed(ledger, source.address(), table) for table in tables]
        known_sides = tuple(
            Side(
                address=side.address(), can=side.can, options=tuple(type(side).model_fields),
                alike=isinstance(session, SqlSession) and bool(session.dialect.spelling),
            )
            for side, session in zip(sides, (reading, writing), strict=True)
        )  # fmt: skip
        made = make_plan(
            move,
            tables,
            (known_sides[0], known_sides[1]),
            lambda table: _called(writing.fit(table), writing),
            lambda table: _written(table, writing, move.mode),
            lambda table: mark.again if (mark := watermark(move, table, writing, ledger, sides)) else None,
        )
        made = undecoded.chosen(move, made, (reading, writing))
        made = _hopped(move, made, (reading, writing), (resolve, canary))
        if isinstance(reading, SqlSession):
            made = made.model_copy(update={"tasks": tuple(_cut(task, reading) for task in made.tasks)})
    here = {"folder": _folder(sides), "work": of.work, "over_works": of.over_works}
    return made.model_copy(update={"pipeline": of.pipeline, "part_of": of.run, **here})


def _hopped(move: Move, made: Plan, sessions: tuple[Session, Session], how: tuple[Resolve, bool]) -> Plan:
    """The plan with what is too narrow between the two sides."""
    resolve, canary = how
    with ExitStack() as stack:
        own = {move.source: sessions[0], move.target: sessions[1]}

        def opened(name: str) -> Session:
            return own.get(name) or stack.enter_context(resolve(name)[1].open())

        passed = gather.through(move.through, sessions, opened)
    tasks = []
    for task in made.tasks:
        facts = gather.facts(task, sessions, passed)
        task = hops.checked(move, task, facts)
        if canary and (task.losses or task.findings or not task.problem):
            task = task.model_copy(update={"arrivals": tuple(hops.tried(task, facts, sessions[1]))})
        tasks.append(task)
    return made.model_copy(update={"tasks": tuple(tasks)})


def _cut(task: Task, session: SqlSession) -> Task:
    """The task, saying where nothing cuts its table; of 'since' only a key does."""
    if task.source.key or (task.since is None and session.pages(task.source) is not None):
        return task
    return task.model_copy(update={"notes": (*task.notes, "no key to cut by: one slice")})


def _folder(sides: Sides) -> str:
    """Where relative paths begin: 'crm.db' of two folders are two databases, and no ledger may take one for the
    other."""
    paths = [str(getattr(side, "path", "/")) for side in sides]
    return os.getcwd() if any("://" not in path and not os.path.isabs(path) for path in paths) else ""


def _measured(move: Move, tables: list[Table], sessions: tuple[Session, Session]) -> list[Table]:
    """Decimals of which the source declares no limit are measured, where the target needs one to keep numbers."""
    reading, writing = sessions
    if not isinstance(reading, Measures):
        return tables
    names = {table.full_name for table in chosen(move, tables)}
    found = []
    for table in tables:
        columns = [column for column in table.columns if column.type == Type("decimal")]
        if columns and table.full_name in names and not table.problems:
            fitted = writing.fit(table.model_copy(update={"columns": tuple(columns), "key": ()}))
            wanted = [c.name for c, there in zip(columns, fitted.columns, strict=True) if there.type != c.type]
            sizes = reading.measure(table, wanted) if wanted else {}
            made = (c.model_copy(update={"measured": sizes.get(c.name)}) for c in table.columns)
            table = table.model_copy(update={"columns": tuple(made)})
        found.append(table)
    return found


def placed(move: Move, table: Table, target: Session) -> Table:
    """Where a table goes, as its target calls it."""
    return _called(into(move, table), target)


def _called(table: Table, target: Session) -> Table:
    return target.called(table) if isinstance(target, SqlSession) else table


def facing(move: Move, tables: Sequence[Table], target: tuple[Connection, Session]) -> list[tuple[Table, Table]]:
    """Each table and what it is compared with: one of the very name that is meant, else the one that a copy goes into;
    one table beside an address that means one, with that, whatever its name."""
    connection, writing = target
    if len(tables) == 1 and move.into is None and connection.one_table() and len(found := list(writing.tables())) == 1:
        return [(tables[0], found[0])]
    return [(table, _facing(move, table, writing)) for table in tables]


def _facing(move: Move, table: Table, target: Session) -> Table:
    there, made = into(move, table), placed(move, table, target)
    return there if made == there or target.describe(there.full_name) else made


def _written(table: Table, target: Session, mode: Mode) -> Table | None:
    """The target's table of that name. Raises Unsupported for what no rows can be written to, or not so: a view, or a
    table that computes one of the columns itself; and SpecError where the name is that of another table."""
    name = table.full_name
    found = target.describe(name)
    if found and found.name.count(".") != table.name.count("."):  # 'a.b' of no schema, where 'b' of 'a' is meant
        what = f"'{name}' is another table in the target: its own name or its schema's has the dot."
        raise SpecError(what, "Rename that one, or map the table elsewhere with 'into'.")
    if found and found.view and isinstance(target, SqlSession) and target.dialect.tables_only:
        raise Unsupported(f"'{name}' is a view in the target.", "Drop it, or map the table elsewhere with 'into'.")
    if found and isinstance(target, SqlSession):
        target.refuse_computed(found, table.columns)
        target.refuse_mode(found, table, mode)
    return found


def watermark(move: Move, table: Table, target: Session, ledger: Store, sides: Sides) -> Mark | None:
    """What a run has seen of `since`; the next one reads from the last value on, less the overlap where its type has
    one."""
    column = table.column(move.since) if move.since else None
    if column is None:
        return None
    there = placed(move, table, target)
    bare = Plan(source=sides[0].address(), target=sides[1].address(), folder=_folder(sides))
    task = Task(source=table, target=there, mode=move.mode, since=move.since, key=move.merge_key or table.key)
    _, last = ledger.last(fingerprint(bare, task))
    return None if last is None else Mark(column.name, last, _reaching(move, column, last))


def _reaching(move: Move, column: Column, last: str) -> str:
    if column.type.kind not in REACHING_BACK:
        return last
    try:
        if column.type.numeric:
            with localcontext(prec=100):
                return f"{max(Decimal(last) - move.overlap_values, _smallest(column.type)):f}"
        moment = datetime.fromisoformat(last) - timedelta(seconds=move.overlap_seconds)
    except (ArithmeticError, ValueError):
        return last
    return f"{moment:%Y-%m-%d}" if column.type.kind == "date" else f"{moment:%Y-%m-%d %H:%M:%S.%f}"


def _smallest(type_: Type) -> Decimal:
    """The smallest number of a type; without a limit, one that is none."""
    if type_.kind == "int":
        return Decimal(0 if type_.unsigned else -(1 << ((type_.size or 64) - 1)))
    if type_.kind == "decimal" and type_.size is not None:
        return Decimal(1).scaleb(-type_.scale) - Decimal(10) ** (type_.size - type_.scale)
    return Decimal("-Infinity")


def _named(move: Move, session: Session) -> list[Table]:
    """The tables that a move names, if they are few and all there: a catalogue of thousands takes seconds to list.
    Empty where others matter, too."""
    others = move.exclude or isinstance(move.into, dict) or any(map(is_pattern, move.tables))
    if others or len(move.tables) > _FEW or not isinstance(session, SqlSession):
        return []
    head, found = f"{session.default_schema}.", dict[str, Table]()
    for name in move.tables:
        table = session.describe(name)
        if table is None or name not in (table.full_name, head + table.full_name):
            return []
        found[table.full_name] = table
    return list(found.values())


def known(move: Move, session: Session) -> tuple[Move, list[Table]]:
    """Every table of a system, and what else a move names, such as views, or where that is all that matters, no more
    than it names; and the move, with those of the system's default schema called as they are among them, without it."""
    tables = list(_named(move, session) or session.tables())
    names = {table.full_name for table in tables}
    for name in move.tables:
        found = None if name in names or is_pattern(name) else session.describe(name)
        if found and found.full_name not in names:
            tables.append(found)
            names.add(found.full_name)
    into = move.into if isinstance(move.into, dict) else {}
    if not isinstance(session, SqlSession) or not any("." in name for name in (*move.tables, *move.exclude, *into)):
        return move, tables
    head = f"{session.default_schema}."
    own = [table.full_name for table in tables if table.schema_name is None]

    def local(name: str) -> Iterator[str]:
        rest = name.removeprefix(head)
        hits = [each for each in own if fnmatchcase(each, rest)] if name != rest else []
        column = rest if name != rest and rest.rpartition(".")[0] in own else name
        yield from hits or [column]

    words: dict[str, object] = {
        "tables": tuple(each for name in move.tables for each in local(name)),
        "exclude": tuple(each for name in move.exclude for each in local(name)),
    }
    if into:
        words["into"] = {next(local(name)): there for name, there in into.items()}
    return move.model_copy(update=words), tables
