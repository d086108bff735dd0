"""The record: what every bill and every diff said, as rows per table and per column."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from pydantic import BaseModel

from lading.compare import Comparison
from lading.compare.outcome import Diff, Verdict
from lading.connector import Connection, Load, Session
from lading.errors import LadingError, SpecError, masked
from lading.picking import RECORD
from lading.prove import Bill, TableBill
from lading.schema import Column, Mode, Table
from lading.store import Store
from lading.types import parse
from lading.values import cast

if TYPE_CHECKING:
    import pyarrow as pa

_tables = sa.MetaData()
diffs = sa.Table(
    "diffs", _tables,
    sa.Column("id", sa.Text, primary_key=True), sa.Column("pipeline", sa.Text), sa.Column("run", sa.Text),
    sa.Column("started", sa.Text), sa.Column("verdict", sa.Text), sa.Column("diff", sa.Text),
)  # fmt: skip


class TableVerdict(BaseModel, frozen=True):
    """One table of a bill or of a diff. `kind` is copy or diff. Counts of rows: `only_source`, `only_target` and
    `changed` are None where the rows were not looked at one by one; `narrowed` counts values."""

    run: str
    place: int
    kind: str
    pipeline: str
    started: str
    source: str
    target: str
    source_table: str
    target_table: str
    verdict: str
    why: str
    rows_source: int
    rows_target: int
    rejected: int
    only_source: int | None
    only_target: int | None
    changed: int | None
    narrowed: int
    not_compared: int
    root_source: str
    root_target: str
    seconds: float
    bytes: int


class ColumnVerdict(BaseModel, frozen=True):
    """One column of it about which there is something to say."""

    run: str
    place: int
    column_name: str
    differing: int
    narrowed: int
    policy: int
    not_compared: str


def _table(model: type[BaseModel], name: str) -> sa.Table:
    kinds: dict[Any, type[Any]] = {str: sa.Text, float: sa.Float, int: sa.BigInteger, int | None: sa.BigInteger}
    few = ("place", "not_compared")  # tables of a run, columns of a table
    fields = {field: kinds[told.annotation] for field, told in model.model_fields.items()}
    fields |= {field: sa.Integer for field in few if fields.get(field) is sa.BigInteger}
    return sa.Table(name, _tables, *(sa.Column(field, kind) for field, kind in fields.items()))


verdicts = _table(TableVerdict, "verdicts")
columns = _table(ColumnVerdict, "verdict_columns")


def lines(found: Bill | Diff) -> list[TableVerdict]:
    """The record's rows of a bill or a diff."""
    if isinstance(found, Bill):
        return [_copied(found, place, table) for place, table in enumerate(found.tables)]
    return [_compared(found, place, table) for place, table in enumerate(found.tables)]


def _copied(bill: Bill, place: int, table: TableBill) -> TableVerdict:
    proof = table.proof
    return TableVerdict(
        run=bill.run, place=place, kind="copy", pipeline=bill.pipeline, started=bill.started.isoformat(),
        source=bill.source, target=bill.target, source_table=table.table, target_table=table.into,
        verdict=table.state.value, why=table.error or "; ".join(proof.reasons if proof else ()),
        rows_source=table.rows.source, rows_target=table.rows.target, rejected=table.rows.rejected,
        only_source=None, only_target=None, changed=None,
        narrowed=sum(proof.narrowed.values()) if proof else 0, not_compared=len(proof.not_compared) if proof else 0,
        root_source=proof.source_root if proof else "", root_target=proof.target_root if proof else "",
        seconds=table.seconds, bytes=table.bytes,
    )  # fmt: skip


def _compared(diff: Diff, place: int, table: Comparison) -> TableVerdict:
    looked = bool(table.root_left)  # which counts and sums do not have, nor what could not be read
    return TableVerdict(
        run=diff.id, place=place, kind="diff", pipeline=diff.pipeline, started=diff.started.isoformat(),
        source=diff.left, target=diff.right, source_table=table.left, target_table=table.right,
        verdict=table.verdict.value, why="; ".join(table.reasons),
        rows_source=table.rows_left, rows_target=table.rows_right, rejected=0,
        only_source=table.only_left if looked else None, only_target=table.only_right if looked else None,
        changed=table.changed if looked else None,
        narrowed=sum(table.narrowed.values()), not_compared=len(table.not_compared),
        root_source=table.root_left, root_target=table.root_right,
        seconds=table.seconds, bytes=table.cost_left.bytes + table.cost_right.bytes,
    )  # fmt: skip


def _told(found: Bill | Diff) -> Iterator[ColumnVerdict]:
    tables: Sequence[TableBill | Comparison] = found.tables
    for place, table in enumerate(tables):
        if isinstance(table, Comparison):
            counts = (table.columns, table.narrowed, table.policy, table.not_compared)
        elif table.proof is not None:
            proof = table.proof
            lost = dict.fromkeys(proof.not_compared, "not compared")
            counts = (dict.fromkeys(proof.differing, 0), proof.narrowed, {}, lost)
        else:
            continue
        for name in dict.fromkeys(name for each in counts for name in each):
            differing, narrowed, policy, why = (each.get(name) for each in counts)
            yield ColumnVerdict(
                run=_id(found), place=place, column_name=name, differing=differing or 0, narrowed=narrowed or 0,
                policy=policy or 0, not_compared=why or "",
            )  # fmt: skip


def _id(found: Bill | Diff) -> str:
    return found.run if isinstance(found, Bill) else found.id


def keep(store: Store, found: Bill | Diff) -> None:
    """Writes the record's rows, and a diff itself. What is there stays as it is."""
    with store.transaction() as connection:
        if isinstance(found, Diff):
            known = sa.select(diffs.c.id).where(diffs.c.id == found.id)
            if connection.execute(known).first() is None:
                connection.execute(
                    diffs.insert().values(
                        id=found.id, pipeline=found.pipeline, run=found.run, started=found.started.isoformat(),
                        verdict=found.verdict.value, diff=found.model_dump_json(),
                    )
                )  # fmt: skip
        if connection.execute(sa.select(verdicts.c.run).where(verdicts.c.run == _id(found))).first():
            return
        for table, rows in ((verdicts, lines(found)), (columns, list(_told(found)))):
            if rows:
                connection.execute(table.insert(), [row.model_dump() for row in rows])


BILLS = Table(
    name=RECORD,
    columns=tuple(
        Column(name=name, type=parse(form), null=name not in ("run", "place", "column_name"))
        for name, form in {
            "run": "string(40)", "place": "int(32)", "column_name": "string(200)", "kind": "string(10)",
            "pipeline": "string", "started": "timestamp(6,utc)", "source": "string", "target": "string",
            "source_table": "string", "target_table": "string", "verdict": "string(20)", "why": "string",
            "rows_source": "int(64)", "rows_target": "int(64)", "rejected": "int(64)", "only_source": "int(64)",
            "only_target": "int(64)", "changed": "int(64)", "narrowed": "int(64)", "not_compared": "int(64)",
            "root_source": "string(32)", "root_target": "string(32)", "seconds": "float(64)", "bytes": "int(64)",
            "policy": "int(64)",
        }.items()
    ),
    key=("run", "place", "column_name"),
)  # fmt: skip
"""The record as a table of a target: a row per table, where `column_name` is empty, and one per column about which
there is something to say, where `changed` counts the rows that differ in it. `policy` counts values that are equal only
under a policy; a table that was made without it has them in `why`."""


def room(session: Session) -> Table | None:
    """The table `lading_bills` of a target, None where there is none yet. Raises SpecError where it is another one."""
    old = session.describe(BILLS.name)
    if old and old.view:
        raise SpecError(f"'{BILLS.name}' is a view, so it is none of Lading's.", "Rename it, or leave out 'record'.")
    if old and (lacking := [name for name in BILLS.key if old.column(name) is None]):
        what = f"The table '{BILLS.name}' has no column '{lacking[0]}', so it is none of Lading's."
        raise SpecError(what, "Rename it, or leave out 'record'.")
    return old


def written(target: Connection, found: Diff) -> Diff:
    """The diff, once `write` is done; where that fails it says so, and is not lost."""
    try:
        write(target, found)
    except LadingError as error:
        return found.model_copy(update={"unrecorded": masked(str(error))})
    return found


def write(target: Connection, found: Bill | Diff) -> None:
    """Adds the record's rows to the table `lading_bills` of a target, made when it is not there."""
    rows: list[dict[str, Any]] = [{**line.model_dump(), "column_name": "", "policy": 0} for line in lines(found)]
    for told in _told(found):
        table = rows[told.place]
        table["policy"] += told.policy
        row = {name: table[name] for name in ("run", "place", "kind", "pipeline", "started", "source_table")}
        counts = {"changed": told.differing, "narrowed": told.narrowed, "not_compared": int(bool(told.not_compared))}
        why = told.not_compared or (f"{told.policy:,} equal only under a policy" if told.policy else "")
        named = {"column_name": _short(told.column_name), "policy": told.policy, "why": why}
        rows.append({**row, **counts, **named})
    with target.open() as session:
        old = room(session)
        try:
            _add(target, session, old, rows)
        except LadingError:
            if old or not (old := room(session)):
                raise
            _add(target, session, old, rows)  # somebody else has made it meanwhile


def _short(name: str) -> str:
    """A column's name that fits the record, and is no other one's."""
    return name if len(name) <= 200 else f"{name[:180]}...{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _add(target: Connection, session: Session, old: Table | None, rows: list[dict[str, Any]]) -> None:
    """Columns that a team has added are left to their defaults."""
    if old:
        own = tuple(column for column in old.columns if BILLS.column(column.name))
        fitted = old.model_copy(update={"key": BILLS.key, "columns": own})
    else:
        fitted = session.fit(BILLS)
    mode = Mode.MERGE if target.can.merges else Mode.APPEND
    load = Load(id=uuid.uuid4().hex[:12], table=fitted, mode=mode, key=BILLS.key, fresh=old is None)
    try:
        session.prepare(load)
        session.stage(load, [_batch(rows, fitted)], 0)
        session.publish([load])
    finally:
        session.discard(load)


def _batch(rows: list[dict[str, Any]], table: Table) -> pa.RecordBatch:
    import pyarrow as pa

    arrays = []
    for column in table.columns:
        own = BILLS.column(column.name) or column
        values = [row.get(column.name) for row in rows]
        if own.name == "started":
            values = [datetime.fromisoformat(str(value)) for value in values]
        arrays.append(cast(pa.array(values, own.type.arrow()), own.type, column.type, lossy=True)[0])
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in table.columns])


def diff(store: Store, name: str) -> Diff:
    """The diff of an id, of the beginning of one, or 'last'."""
    query = sa.select(diffs.c.diff).order_by(diffs.c.started.desc())
    if name != "last":
        query = query.where(diffs.c.id.startswith(name, autoescape=True))
    found = store.rows(query.limit(2))
    if not found:
        raise SpecError(f"There is no diff '{name}'.", "See 'lading history --trend'.")
    if len(found) > 1 and name != "last":
        raise SpecError(f"Several diffs begin with '{name}'.", "Write more of it.")
    return Diff.model_validate_json(found[0].diff)


def asked_for(store: Store, name: str) -> list[Bill] | list[Diff]:
    """As `kept`; where the newest is one diff of a prove of several steps, all of that prove that are not equal."""
    found = kept(store, name)
    if isinstance(found, Bill):
        return [found]
    if name != "last" or not found.run:
        return [found]
    query = sa.select(diffs.c.diff).where(diffs.c.run == found.run).order_by(diffs.c.started)
    every = [Diff.model_validate_json(row.diff) for row in store.rows(query)]
    return [each for each in every if each.verdict is not Verdict.EQUAL] or [found]


def kept(store: Store, name: str) -> Bill | Diff:
    """The bill or the diff of an id, of the beginning of one, or the newest of all with 'last'."""
    found: list[Bill | Diff] = []
    for look in (store.bill, partial(diff, store)):
        with suppress(SpecError):
            found.append(look(name))
    if not found:
        raise SpecError(f"There is no run '{name}'.", "See 'lading history' and 'lading history --trend'.")
    newest = max(found, key=lambda each: each.started)
    return _one_move(store, newest) if isinstance(newest, Bill) and newest.steps else newest


def _one_move(store: Store, bill: Bill) -> Bill:
    """Of a pipeline's run, the run that moved its tables. Raises SpecError where there are several."""
    moved = {step.key: step.bill for step in bill.steps if step.bill}
    if len(moved) != 1:
        what = f"Run {bill.run} moved tables in {len(moved)} steps."
        raise SpecError(what, f"Name the run of one: {', '.join(f'{key} {run}' for key, run in moved.items())}.")
    return store.bill(next(iter(moved.values())))


def trend(store: Store, pipeline: str = "", limit: int = 200) -> list[TableVerdict]:
    """The record's newest rows first, of one pipeline or of all."""
    query = sa.select(verdicts).order_by(verdicts.c.started.desc(), verdicts.c.place).limit(limit)
    if pipeline:
        query = query.where(verdicts.c.pipeline == pipeline)
    return [TableVerdict.model_validate(dict(row._mapping)) for row in store.rows(query)]


def column_verdicts(store: Store, runs: Sequence[str]) -> list[ColumnVerdict]:
    """What the record says of columns in those runs."""
    query = sa.select(columns).where(columns.c.run.in_(runs)).order_by(columns.c.run, columns.c.place)
    return [ColumnVerdict.model_validate(dict(row._mapping)) for row in store.rows(query)]
