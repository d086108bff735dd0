"""A canary: a row of the greatest values, sent the real way in a transaction that is undone, and read back in it."""

from __future__ import annotations

import datetime as dt
import random
import re
import string
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa

from lading.connector import Load, Tries
from lading.errors import DataError, LadingError
from lading.facts import Observed
from lading.hops.chain import plain
from lading.hops.flow import RESULT, Body
from lading.hops.native import placed
from lading.hops.nodes import same_table
from lading.hops.rules import width
from lading.plan import Task
from lading.route import Arrival, Code, Parameter
from lading.schema import Column, Mode, Table
from lading.sql import SqlSession
from lading.types import Type
from lading.values import cast as values_cast

LONGEST = 20_000
"""Characters that are sent where nothing limits them and nothing was observed."""
_DICE = random.SystemRandom()
_MARK = 8
"""Characters that tell one canary from other rows."""
Values = dict[str, Any]


def sent(
    task: Task,
    session: Any,
    routines: Iterable[tuple[Code, Body]],
    charsets: Mapping[str, str],
) -> list[Arrival]:
    """How the greatest value of every column comes through the routines, the stage and the target's table."""
    if not isinstance(session, SqlSession) or not isinstance(session, Tries):
        return [Arrival(column="", at=task.into, outcome="not sent", what="the target takes no row back")]
    columns = [c for c in task.source.columns if task.target.column(c.name) is not None]
    values = {c.name: greatest(c, charsets.get(c.name, ""), c.observed) for c in columns}
    found: list[Arrival] = []
    for code, read in routines:
        found += _called(session, (code, read), task, values)
    return [*found, *_loaded(session, task, values)]


# Values


def greatest(column: Column, charset: str = "", observed: Observed | None = None) -> Any:
    """The longest text, the most digits, the latest moment that a column's type allows."""
    type_ = column.type
    match type_.kind:
        case "string":
            return _text(type_, width(charset), observed)
        case "binary":
            return _DICE.randbytes(min(type_.size or LONGEST, LONGEST))
        case "decimal":
            size, scale = (38, 10) if type_.size is None else (type_.size, type_.scale)
            return Decimal((0, tuple(_DICE.choices(range(1, 10), k=size)), -scale))
        case "int":
            top = 2 ** ((type_.size or 64) - (0 if type_.unsigned else 1)) - 1
            return _DICE.randint(top // 2, top)
        case _:
            return _plain(type_)


def _text(type_: Type, most: int, observed: Observed | None) -> str:
    """Characters of one byte up to the longest that there are, after a mark that no other row begins with."""
    mark = "".join(_DICE.choices(string.ascii_lowercase + string.digits, k=_MARK))
    limit = type_.size or (observed.max_characters if observed else None) or LONGEST
    several = "aé日😀"[:most]
    if not type_.in_bytes or type_.size is None:
        return (mark + several * limit)[:limit]
    text = mark[:limit]
    for character in several * limit:
        if len((text + character).encode()) > limit:
            return text + "a" * (limit - len(text.encode()))
        text += character
    return text


def _plain(type_: Type) -> Any:
    digits = min(type_.size or 0, 6) if type_.kind in ("time", "timestamp") else 0
    micros = int("123456"[:digits].ljust(6, "0"))
    match type_.kind:
        case "bool":
            return True
        case "float":
            return 1.5
        case "date":
            return dt.date(2037, 12, 31)
        case "time":
            return dt.time(23, 59, 58, micros)
        case "timestamp":
            return dt.datetime(2037, 12, 31, 23, 59, 58, micros, dt.UTC if type_.utc else None)
        case "uuid":
            return str(uuid.uuid4())
        case "json":
            return '{"canary": "aé日😀"}'
        case "int":
            return 1
        case "decimal":
            return Decimal(1)
        case "string":
            return "a"
        case "binary":
            return b"a"
        case _:
            return None


# The stage and the target


def _loaded(session: SqlSession, task: Task, values: Values) -> list[Arrival]:
    found = _try(session, task, values)
    if not any(each.outcome == "refused" for each in found) or len(values) == 1:
        return found
    # Which one was it? Each on its own, among small values.
    there = {name: column for name in values if (column := task.target.column(name)) is not None}
    small = {name: _plain(column.type) for name, column in there.items()}
    marked = {name: greatest(there[name]) for name in task.key if name in there}
    each = [_try(session, task, {**small, **marked, name: values[name]}, (name,)) for name in values]
    return [arrival for one in each for arrival in one]


def _try(session: SqlSession, task: Task, values: Values, names: Sequence[str] = ()) -> list[Arrival]:
    load = Load(id=f"{_DICE.getrandbits(48):012x}", table=task.target, mode=Mode.APPEND, key=task.key, fresh=task.fresh)
    names, at, found = names or tuple(values), "stage", list[Arrival]()
    try:
        with cast(Tries, session).trial(load, ()):
            batch, values = _batch(task, load.stage, values, names)
            session.driver.load(session._placed(load.stage), [batch])
            found += _compared(session, load.stage, values, names, f"the stage of {task.into}")
            if not task.fresh:
                at = task.into
                columns = ", ".join(session.dialect.quote(c.name) for c in load.table.columns)
                into, stage = session.name(load.table), session.name(load.stage)
                over = " OVERRIDING SYSTEM VALUE" if session.dialect.name == "postgres" else ""
                session.driver.execute(f"INSERT INTO {into} ({columns}){over} SELECT {columns} FROM {stage}")
                found += _compared(session, load.table, values, names, task.into)
    except LadingError as error:
        where = f"the stage of {task.into}" if at == "stage" else at
        found += [Arrival(column=", ".join(names), at=where, outcome="refused", what=error.what)]
    return found


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
    at = f"'{code.name}'"
    if reason := _unsafe(code, read):
        return [Arrival(column="", at=at, outcome="not sent", what=reason)]
    tables = {flow.into.owner for flow in read.flows if flow.into.owner} - read.own
    found = [table for name in sorted(read.tables | tables) if (table := session.describe(name)) is not None]
    try:
        with cast(Tries, session).trial(None, found):
            given = session.driver.query if code.kind == "function" else session.driver.execute
            returned = given(*_call(session, code, read, task, values))
            arrived = list(_written(session, code, read, found, values))
            if returned and any(flow.into == RESULT for flow in read.flows):
                names = [n for n in values if any(plain(p.name) == plain(n) for p in read.parameters)]
                arrived += [_arrived(n, f"the result of {at}", values[n], returned[0][0]) for n in names[:1]]
            return arrived or [Arrival(column="", at=at, outcome="not sent", what="it was called, and wrote no row")]
    except LadingError as error:
        return [Arrival(column="", at=at, outcome="refused", what=error.what)]


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
    return None if type_ is None else _plain(type_)


def _as_text(value: Any) -> Any:
    return value if value is None or isinstance(value, bytes) else "1" if value is True else str(value)


def _written(session: SqlSession, code: Code, read: Body, tables: Sequence[Table], values: Values) -> Iterator[Arrival]:
    """What the tables hold that the routine wrote to."""
    for table in tables:
        names = {
            flow.into.name for flow in read.flows if flow.into.owner and same_table(flow.into.owner, table.full_name)
        }
        wrote = {
            c.name: values[n]
            for c in table.columns
            if c.name.lower() in names
            for n in values
            if plain(n) == plain(c.name)
        }
        if wrote:
            bare = table.model_copy(update={"columns": tuple(c for c in table.columns if c.name in wrote)})
            yield from _compared(session, bare, wrote, tuple(wrote), f"{table.full_name}, by '{code.name}'")


# Reading back


def _compared(session: SqlSession, table: Table, values: Values, names: Sequence[str], at: str) -> list[Arrival]:
    quote, driver = session.dialect.quote, session.driver
    shown = [c for c in table.columns if c.name in names]
    where = _found_by(session, table, values)
    items = ", ".join(f"{session.dialect.read(c)} AS {quote(c.name)}" for c in shown)
    rows = driver.query(f"SELECT {items} FROM {session.name(table)} WHERE {where}") if where else []
    if len(rows) != 1:
        what = f"{len(rows)} rows were found that could be it"
        return [Arrival(column=", ".join(names), at=at, outcome="not sent", what=what)]
    return [_arrived(c.name, at, values[c.name], value) for c, value in zip(shown, rows[0], strict=True)]


def _found_by(session: SqlSession, table: Table, values: Values) -> str:
    """The condition that finds the canary: by its key, or by what its texts begin with."""
    quote, text = session.dialect.quote, session.dialect.text
    key = [c for c in table.keyed if c.name in values]
    if key and len(key) == len(table.key) and all(c.type.kind in ("int", "uuid", "date") for c in key):
        return " AND ".join(f"{quote(c.name)} = {text(str(values[c.name]))}" for c in key)
    marks = [c for c in table.columns if c.type.kind == "string" and isinstance(values.get(c.name), str)]
    numbers = [c for c in table.columns if c.type.kind == "int" and (c.type.size or 0) >= 32 and c.name in values]
    if numbers:
        return f"{quote(numbers[0].name)} = {values[numbers[0].name]}"
    long = [c for c in marks if len(values[c.name]) >= _MARK and (c.type.size or _MARK) >= _MARK]
    return f"{quote(long[0].name)} LIKE {text(values[long[0].name][:_MARK] + '%').replace('%', '%')}" if long else ""


def _arrived(column: str, at: str, value: Any, got: Any) -> Arrival:
    if _alike(value) == _alike(got):
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


def _alike(value: Any) -> Any:
    """A value as both sides' libraries would give it."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, bytes):
        return value.hex()
    text = str(value)
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return Decimal(text)
    if re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d", text) or re.fullmatch(r"\d\d:\d\d:\d\d(\.\d+)?", text):
        text = re.sub(r"[+-]\d\d(:?\d\d)?$", "", text)
        return re.sub(r"\.?0+$", "", text) if "." in text else text
    return text.rstrip(" ") if not text.startswith("{") else re.sub(r"\s", "", text)
