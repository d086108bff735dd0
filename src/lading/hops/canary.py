"""A canary: a row of the greatest values, sent the real way in a transaction that is undone, and read back in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa

from lading.connector import Load, Tries
from lading.errors import DataError, LadingError
from lading.hops.chain import plain
from lading.hops.extremes import DICE, MARK, alike, greatest, makes, small
from lading.hops.flow import RESULT, Body
from lading.hops.native import placed
from lading.hops.nodes import Node, same_table
from lading.hops.reach import reached
from lading.plan import Task
from lading.route import Arrival, Code, Parameter
from lading.schema import Column, Mode, Table
from lading.sql import SqlSession
from lading.types import Type, interval_text
from lading.values import cast as values_cast

Values = dict[str, Any]
"""By column; None where the canary has none that the target takes."""


def sent(
    task: Task,
    session: Any,
    routines: Iterable[tuple[Code, Body]],
    triggers: Iterable[Code],
    charsets: Mapping[str, str],
) -> list[Arrival]:
    """How the greatest value of every column comes through the routines, the stage and the target's table, whose
    triggers may write to others."""
    if not isinstance(session, SqlSession) or not isinstance(session, Tries):
        return [Arrival(column="", at=task.into, outcome="not sent", what="the target takes no row back")]
    pairs = [(c, there) for c in task.source.columns if (there := task.target.column(c.name)) is not None]
    values = {
        c.name: greatest(c, charsets.get(c.name, ""), c.observed) if makes(c, there) else None for c, there in pairs
    }
    found, beside, called = list[Arrival](), reached(triggers, session), list(routines)
    into = [task.target, *_written_by(session, [read for _, read in called])]
    counted = [(t.column(name), most) for t in into for name, most in cast(Tries, session).counted(t).items()]
    _spare(values, pairs, [(column, most) for column, most in counted if column is not None])
    for code, read in called:
        found += _called(session, (code, read), task, values)
    if beside.why:
        return [*found, Arrival(column="", at=task.into, outcome="not sent", what=beside.why)]
    return [*found, *_loaded(session, task, values, beside.tables)]


def _spare(values: Values, pairs: Iterable[tuple[Column, Column]], counted: Sequence[tuple[Column, int]]) -> None:
    """Takes other numbers for counted columns, each of which is given with its greatest number, so that their counters
    do not go on from the canary's."""
    for here, there in pairs:
        own = {column: most for column, most in counted if column.name.lower() == here.name.lower()}
        if own and isinstance(values[here.name], int):
            signed = not any(column.type.unsigned for column in (here, there, *own))
            values[here.name] = -values[here.name] if signed else max(own.values()) + 1


def _written_by(session: SqlSession, read: Iterable[Body]) -> list[Table]:
    """The tables that bodies read or write."""
    names = {name for body in read for name in (body.tables | {f.into.owner for f in body.flows}) - body.own}
    known = (session.describe(name) for name in sorted(names) if name and "\0" not in name)
    return [table for table in known if table is not None]


# The stage and the target


def _loaded(session: SqlSession, task: Task, values: Values, beside: Sequence[Table]) -> list[Arrival]:
    unmade = [there for name, there in _targets(task, values).items() if values[name] is None]
    found, needed = list[Arrival](), any(not there.null for there in unmade)
    for there in unmade:
        what = f"a canary has no value of {there.native.partition(':')[2] or there.type}"
        what += "" if there.null else ", and the column takes no NULL"
        found.append(Arrival(column=there.name, at=task.into, outcome="not sent", what=what))
    return found if needed else [*found, *_tried(session, task, values, beside)]


def _targets(task: Task, values: Values) -> dict[str, Column]:
    return {name: there for name in values if (there := task.target.column(name)) is not None}


def _tried(session: SqlSession, task: Task, values: Values, beside: Sequence[Table]) -> list[Arrival]:
    names = tuple(name for name, value in values.items() if value is not None)
    found = _try(session, task, values, names, beside)
    if not any(each.outcome == "refused" for each in found) or len(names) == 1:
        return found
    # Which one was it? Each on its own, among small values.
    there = _targets(task, values)
    little = {name: None if values[name] is None else small(column.type) for name, column in there.items()}
    marked = {name: greatest(there[name]) for name in task.key if name in there}
    each = [_try(session, task, {**little, **marked, name: values[name]}, (name,), beside) for name in names]
    return [arrival for one in each for arrival in one]


def _try(
    session: SqlSession, task: Task, values: Values, names: Sequence[str], beside: Sequence[Table]
) -> list[Arrival]:
    load = Load(id=f"{DICE.getrandbits(48):012x}", table=task.target, mode=Mode.APPEND, key=task.key, fresh=task.fresh)
    at, found = "stage", list[Arrival]()
    try:
        with cast(Tries, session).trial(load, beside):
            batch, values = _batch(task, load.stage, values, names)
            session.driver.load(session._placed(load.stage), [batch])
            found += _compared(session, load.stage, values, names, f"the stage of {task.into}")
            if not task.fresh:
                at = task.into
                columns = ", ".join(session.dialect.quote(c.name) for c in load.table.columns)
                into, stage = session.name(load.table), session.name(load.stage)
                over = " OVERRIDING SYSTEM VALUE" if session.dialect.name == "postgres" else ""
                session.driver.execute(f"INSERT INTO {into} ({columns}){over} SELECT {columns} FROM {stage}")
                _settle(session)
                found += _landed(_compared(session, load.table, values, names, task.into))
    except LadingError as error:
        where = f"the stage of {task.into}" if at == "stage" else at
        found += [Arrival(column=", ".join(names), at=where, outcome="refused", what=error.what)]
    return found


def _settle(session: SqlSession) -> None:
    """Has what a commit would refuse be refused now."""
    if session.dialect.name == "postgres":
        session.driver.execute("SET CONSTRAINTS ALL IMMEDIATE")


def _landed(found: list[Arrival]) -> list[Arrival]:
    """What came of a row that was inserted without an error: where it is not there, it was dropped, or has another
    key."""
    lost = [each for each in found if each.what == _NOWHERE]
    what = "no row was found that could be it: it was dropped, or its key was changed"
    return [each.model_copy(update={"outcome": "changed", "what": what}) for each in lost] or found


def _batch(task: Task, stage: Table, values: Values, names: Sequence[str]) -> tuple[pa.RecordBatch, Values]:
    """The values as they are staged, those of `names` cast from the source's type as any row's are; and what must
    arrive: a value in the form that it was cast to, or where the cast changed it as it was."""
    arrays, wanted = [], dict(values)
    for there in stage.columns:
        here, name = task.source.column(there.name), there.name
        if here is None or name not in names:
            arrays.append(_array(values.get(name), there.type))
            continue
        lossy = not task.problem and any(loss.column == name for loss in task.losses)
        try:
            array, changed = values_cast(_array(values[name], here.type), here.type, there.type, lossy)
        except DataError as error:
            raise DataError(f"{_said(values[name])} does not fit {there.type}", "") from error
        if not changed:
            wanted[name] = array[0].as_py()
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, names=[c.name for c in stage.columns]), wanted


def _array(value: Any, type_: Type) -> pa.Array:
    to = type_.arrow()
    return pa.array([str(value) if isinstance(value, Decimal) and pa.types.is_string(to) else value], to)


def _said(value: Any) -> str:
    if isinstance(value, (str, bytes)):
        return f"a value of {len(value):,} {'characters' if isinstance(value, str) else 'bytes'}"
    return str(value)


# Routines


def _called(session: SqlSession, what: tuple[Code, Body], task: Task, values: Values) -> list[Arrival]:
    code, read = what
    at, sets_off = f"'{code.name}'", reached([code], session)
    if reason := _unsafe(code, read) or sets_off.why:
        return [Arrival(column="", at=at, outcome="not sent", what=reason)]
    found = _written_by(session, [read])
    try:
        with cast(Tries, session).trial(None, sets_off.tables):
            given = session.driver.query if code.kind == "function" else session.driver.execute
            returned = given(*_call(session, code, read, task, values))
            _settle(session)
            arrived = list(_written(session, code, read, found, values))
            if returned and code.returns and (name := _handed_back(read, values)):
                arrived.append(_arrived(name, f"the result of {at}", values[name], returned[0][0]))
            return arrived or [Arrival(column="", at=at, outcome="not sent", what="it was called, and wrote no row")]
    except LadingError as error:
        named = {plain(each.name) for each in read.parameters}
        unmade = [name for name, value in values.items() if value is None and plain(name) in named]
        if not unmade:
            return [Arrival(column="", at=at, outcome="refused", what=error.what)]
        why = f"a canary has no value of '{unmade[0]}', and NULL was refused: {error.what}"
        return [Arrival(column="", at=at, outcome="not sent", what=why)]


def _handed_back(read: Body, values: Values) -> str:
    """The column whose parameter alone becomes the result; empty where there is none, or more than one."""
    seen, waiting = {RESULT}, [RESULT]
    while waiting:
        into = waiting.pop()
        new = {flow.trace.node for flow in read.flows if flow.into == into} - seen
        seen |= new
        waiting += new
    given = {plain(p.name) for p in read.parameters if Node("", p.name.lower()) in seen}
    names = [name for name in values if plain(name) in given]
    return names[0] if len(names) == 1 and values[names[0]] is not None else ""


def _unsafe(code: Code, read: Body) -> str:
    """Why a routine cannot be called for a trial; empty when it can."""
    if read.gaps:
        return f"it {read.gaps[0].what}, so that it is not known what would stay"
    if read.commits:
        return "it ends transactions by itself, so that the row would stay"
    if code.kind == "procedure" and not all(each.given for each in read.parameters) and code.system == "postgres":
        return "it hands values back; call it by hand"
    return ""


def _call(session: SqlSession, code: Code, read: Body, task: Task, values: Values) -> tuple[str, list[Any]]:
    by_name, marks, sent_ = code.system == "postgres", list[str](), list[Any]()
    for each in read.parameters:
        if not each.given:
            marks += ["@lading_out"] if code.system == "mysql" else []
            continue
        column = next((name for name in values if plain(name) == plain(each.name)), None)
        if column is None and not each.needed and by_name:
            continue
        named = by_name and not each.name.startswith("$")
        marks.append(f"{session.dialect.quote(each.name)} => %s" if named else "%s")
        sent_.append(_as_text(values[column] if column else _of_parameter(code, each)))
    name = ".".join(session.dialect.quote(part) for part in code.name.split("."))
    return f"{'CALL' if code.kind == 'procedure' else 'SELECT'} {name}({', '.join(marks)})", sent_


def _of_parameter(code: Code, each: Parameter) -> Any:
    type_ = placed(code.system, each.native, kind="parameter", name=each.name).type
    return None if type_ is None else small(type_)


def _as_text(value: Any) -> Any:
    if isinstance(value, tuple):
        return interval_text(value)
    if isinstance(value, list):
        return "{" + ",".join(json.dumps(str(item), ensure_ascii=False) for item in value) + "}"
    return value if value is None or isinstance(value, bytes) else "1" if value is True else str(value)


def _written(session: SqlSession, code: Code, read: Body, tables: Sequence[Table], values: Values) -> Iterator[Arrival]:
    """What the tables hold that the routine wrote to, of the values that it was given."""
    given = {plain(each.name) for each in read.parameters if each.given}
    for table in tables:
        names = {
            flow.into.name
            for flow in read.flows
            if flow.into.owner and not flow.computed and same_table(flow.into.owner, table.full_name, code.within)
        }
        wrote = {
            c.name: values[n]
            for c in table.columns
            if c.name.lower() in names
            for n in values
            if plain(n) == plain(c.name) and plain(n) in given and values[n] is not None
        }
        if wrote:
            bare = table.model_copy(update={"columns": tuple(c for c in table.columns if c.name in wrote)})
            yield from _compared(session, bare, wrote, tuple(wrote), f"{table.full_name}, by '{code.name}'")


# Reading back

_NOWHERE = "0 rows were found that could be it"


def _compared(session: SqlSession, table: Table, values: Values, names: Sequence[str], at: str) -> list[Arrival]:
    quote, driver = session.dialect.quote, session.driver
    shown = [c for c in table.columns if c.name in names]
    where = _found_by(session, table, values)
    items = ", ".join(f"{session.dialect.read(c)} AS {quote(c.name)}" for c in shown)
    rows = driver.query(f"SELECT {items} FROM {session.name(table)} WHERE {where}") if where else []
    if len(rows) != 1:
        what = f"{len(rows)} rows were found that could be it" if where else "nothing in it tells it from other rows"
        return [Arrival(column=", ".join(names), at=at, outcome="not sent", what=what)]
    return [_arrived(c.name, at, values[c.name], value) for c, value in zip(shown, rows[0], strict=True)]


def _found_by(session: SqlSession, table: Table, values: Values) -> str:
    """The condition that finds the canary: by its key, or by what its texts begin with."""
    quote, text = session.dialect.quote, session.dialect.text
    key = [c for c in table.keyed if values.get(c.name) is not None]
    if key and len(key) == len(table.key) and all(c.type.kind in ("int", "uuid", "date") for c in key):
        return " AND ".join(f"{quote(c.name)} = {text(str(values[c.name]))}" for c in key)
    marks = [c for c in table.columns if c.type.kind == "string" and isinstance(values.get(c.name), str)]
    ints = [c for c in table.columns if c.type.kind == "int" and (c.type.size or 0) >= 32]
    numbers = [c for c in ints if values.get(c.name) is not None]
    if numbers:
        return f"{quote(numbers[0].name)} = {values[numbers[0].name]}"
    long = [c for c in marks if len(values[c.name]) >= MARK and (c.type.size or MARK) >= MARK]
    return f"{quote(long[0].name)} LIKE {text(values[long[0].name][:MARK] + '%').replace('%', '%')}" if long else ""


def _arrived(column: str, at: str, value: Any, got: Any) -> Arrival:
    if alike(value) == alike(got):
        return Arrival(column=column, at=at, outcome="whole")
    if isinstance(value, str) and isinstance(got, str) and value.startswith(got.rstrip(" ")):
        what = f"{len(value):,} characters were sent, {len(got):,} arrived"
        return Arrival(column=column, at=at, outcome="cut", what=what)
    if isinstance(value, str) and isinstance(got, str):
        same = next((n for n, (a, b) in enumerate(zip(value, got, strict=False)) if a != b), min(len(value), len(got)))
        what = f"it differs from character {same + 1:,} on; {len(value):,} were sent, {len(got):,} arrived"
        return Arrival(column=column, at=at, outcome="changed", what=what)
    shown = (str(value)[:60], str(got)[:60])
    return Arrival(column=column, at=at, outcome="changed", what=f"{shown[0]} was sent, {shown[1]} arrived")
