"""Files that arrived, in the store: each a row, from the first look at it to what became of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from lading.attempts import add, at_work
from lading.prove import Bill, State
from lading.store import Store, runs

_tables = sa.MetaData()
arrivals = sa.Table(
    "arrivals", _tables,
    sa.Column("id", sa.Text, primary_key=True), sa.Column("pipeline", sa.Text), sa.Column("step", sa.Text),
    sa.Column("place", sa.Text), sa.Column("name", sa.Text), sa.Column("gone", sa.Text), sa.Column("mark", sa.Text),
    sa.Column("size", sa.BigInteger), sa.Column("modified", sa.Text), sa.Column("seen", sa.Text),
    sa.Column("looks", sa.Integer), sa.Column("looked", sa.Text), sa.Column("state", sa.Text),
    sa.Column("changed", sa.Text), sa.Column("hash", sa.Text), sa.Column("rows", sa.BigInteger),
    sa.Column("lot", sa.Text), sa.Column("run", sa.Text), sa.Column("bill", sa.Text), sa.Column("says", sa.Text),
)  # fmt: skip

GROWING, READY, TAKEN, LOADED, UNPROVED = "growing", "ready", "taken", "loaded", "unproved"
IGNORED, QUARANTINED, VANISHED = "ignored", "quarantined", "vanished"
"""States of an arrival."""
SINCE, CAME, LATE, MISSING = "since", "came", "late", "missing"
"""States of a time at which a file was expected. The first marks since when files are expected."""
EXPECTATIONS = (SINCE, CAME, LATE, MISSING)
MANY = 500
"""How many values a condition holds at most."""


class Box(NamedTuple):
    """Where a step of a pipeline receives files: `place` is the address of its connection."""

    pipeline: str
    step: str
    place: str


class Arrival(NamedTuple):
    """A file that was seen. `gone` is empty while it is in its folder, as far as is known; `mark` is what changes when
    the file does. `lot` names the files that are loaded together, `run` who took it, `bill` the run that moved its
    rows. The row of an expectation has the time as its name."""

    id: str
    pipeline: str
    step: str
    place: str
    name: str
    gone: str = ""
    mark: str = ""
    size: int = 0
    modified: str = ""
    seen: str = ""
    looks: int = 0
    looked: str = ""
    state: str = GROWING
    changed: str = ""
    hash: str = ""
    rows: int | None = None
    lot: str = ""
    run: str = ""
    bill: str = ""
    says: str = ""

    @property
    def file(self) -> str:
        """The name without its folder."""
        return self.name.rpartition("/")[2]


def new_id(moment: datetime) -> str:
    """An id of an arrival: sorts by time."""
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(5)}"


def there(store: Store, box: Box) -> dict[str, Arrival]:
    """What is in the folders of a step, as far as is known, by name."""
    query = sa.select(arrivals).where(*_of(box), arrivals.c.gone == "", arrivals.c.state.not_in(EXPECTATIONS))
    return {each.name: each for each in _found(store, query)}


def keep(store: Store, new: Sequence[Arrival], seen: Iterable[tuple[Arrival, Arrival]]) -> None:
    """Adds arrivals, and changes others from what they were to what they are, unless somebody was quicker."""
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for before, after in seen:
        values = {name: value for name, value in after._asdict().items() if value != getattr(before, name)}
        was = {f"was_{name}": getattr(before, name) for name in ("id", "state", "mark", "looks")}
        alike.setdefault(tuple(values), []).append(values | was)
    same = [arrivals.c[name] == sa.bindparam(f"was_{name}") for name in ("id", "state", "mark", "looks")]
    with store.transaction() as connection:
        for each in alike.values():  # what is gone first, so that its name is free
            connection.execute(arrivals.update().where(*same), each)
        names = [each.name for each in new]
        held: set[str] = set()
        for part in (names[at : at + MANY] for at in range(0, len(names), MANY)):
            box = Box(new[0].pipeline, new[0].step, new[0].place)
            query = sa.select(arrivals.c.name).where(*_of(box), arrivals.c.gone == "", arrivals.c.name.in_(part))
            held |= {row.name for row in connection.execute(query)}
        if fresh := [each._asdict() for each in new if each.name not in held]:
            connection.execute(arrivals.insert(), fresh)


def change(store: Store, found: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Changes arrivals by their ids, all at once."""
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for id, values in found:
        alike.setdefault(tuple(values), []).append({"its_id": id, "changed": now(), **values})
    with store.transaction() as connection:
        for each in alike.values():
            connection.execute(arrivals.update().where(arrivals.c.id == sa.bindparam("its_id")), each)


def take(store: Store, box: Box, run: str, together: bool) -> None:
    """Makes what is ready a run's: one lot, or unless files are loaded together one for each. Names of lots sort by
    time."""
    ready = sa.select(arrivals).where(*_of(box), arrivals.c.state == READY)
    name, taken = f"{datetime.now(UTC):%Y%m%d-%H%M%S%f}-{secrets.token_hex(5)}", list[dict[str, Any]]()
    mine = (arrivals.c.id == sa.bindparam("its_id")) & (arrivals.c.state == READY)
    with store.transaction() as connection:
        for number, row in enumerate(connection.execute(ready.order_by(arrivals.c.modified, arrivals.c.name))):
            own = name if together else f"{name}-{number:06d}"
            taken.append({"its_id": row.id, "state": TAKEN, "lot": own, "run": run, "changed": now()})
        if taken:
            connection.execute(arrivals.update().where(mine), taken)


def lots(store: Store, box: Box, run: str) -> list[str]:
    """What was taken and is not settled, oldest first: by this run, or by others which are not at work."""
    query = sa.select(arrivals.c.lot, arrivals.c.run).where(*_of(box), arrivals.c.state == TAKEN).distinct()
    found = store.rows(query.order_by(arrivals.c.lot))
    others = {row.run for row in found} - {run}
    busy = {row.id for row in store.rows(sa.select(runs).where(runs.c.id.in_(others))) if at_work(row)}
    return list(dict.fromkeys(row.lot for row in found if row.run not in busy))


def taken(store: Store, names: Sequence[str]) -> set[str]:
    """Which of some lots are not settled."""
    query = sa.select(arrivals.c.lot).where(arrivals.c.lot.in_(names), arrivals.c.state == TAKEN).distinct()
    return {row.lot for row in store.rows(query)}


def lot(store: Store, name: str, run: str) -> list[Arrival]:
    """The files of a lot that are not settled, which are the run's from now on, in their order."""
    mine = (arrivals.c.lot == name) & (arrivals.c.state == TAKEN)
    with store.transaction() as connection:
        connection.execute(arrivals.update().where(mine).values(run=run))
    return _found(store, sa.select(arrivals).where(mine).order_by(arrivals.c.modified, arrivals.c.name))


def split(store: Store, found: Sequence[Arrival]) -> None:
    """Makes two lots of one, of which a file cannot be loaded."""
    half = len(found) // 2
    names = [f"{found[0].lot}{mark}" for mark in "ab"]
    change(store, ((each.id, {"lot": names[n >= half]}) for n, each in enumerate(found)))


def bill_of(store: Store, pipeline: str, name: str) -> Bill | None:
    """The bill of a run that has moved the rows of a lot."""
    query = sa.select(runs.c.bill).where(runs.c.pipeline == pipeline, runs.c.part_of != "")
    query = query.where(runs.c.bill.contains(f"/{name}?", autoescape=True)).order_by(runs.c.started.desc())
    found = [Bill.model_validate_json(row.bill) for row in store.rows(query)]
    return next((each for each in found if each.state is not State.FAILED), None)


def same(store: Store, box: Box, hashes: Sequence[str]) -> dict[str, Arrival]:
    """The first arrivals of the same contents that were loaded, or are about to be, by hash."""
    good = arrivals.c.state.in_((TAKEN, LOADED, UNPROVED)), arrivals.c.hash.in_(hashes)
    query = sa.select(arrivals).where(*_of(box), *good).order_by(arrivals.c.seen.desc())
    return {each.hash: each for each in _found(store, query)}


def earlier(store: Store, box: Box, names: Sequence[str]) -> dict[str, Arrival]:
    """The newest arrivals of the same names that were loaded."""
    good = arrivals.c.state.in_((LOADED, UNPROVED)), arrivals.c.name.in_(names)
    query = sa.select(arrivals).where(*_of(box), *good).order_by(arrivals.c.changed)
    return {each.name: each for each in _found(store, query)}


def last_loaded(store: Store, box: Box) -> dict[str, Arrival]:
    """The last arrival that was loaded, by its hash."""
    good = *_of(box), arrivals.c.state.in_((LOADED, UNPROVED))
    found = _found(store, sa.select(arrivals).where(*good).order_by(arrivals.c.lot.desc()).limit(1))
    return {each.hash: each for each in found}


def settled(store: Store, box: Box, states: Iterable[str]) -> list[Arrival]:
    """What has come to an end and still is in its folder."""
    query = sa.select(arrivals).where(*_of(box), arrivals.c.gone == "", arrivals.c.state.in_(tuple(states)))
    return _found(store, query)


def of_run(store: Store, box: Box, run: str) -> list[Arrival]:
    """What a run took."""
    return _found(store, sa.select(arrivals).where(*_of(box), arrivals.c.run == run).order_by(arrivals.c.lot))


def expectations(store: Store, box: Box) -> list[Arrival]:
    """The newest mark, and the times since then at which files were expected, oldest first: from the one before the
    first that is late on; where none is, the last."""
    name, state, order = arrivals.c.name, arrivals.c.state, arrivals.c.name.desc()
    mark = _found(store, sa.select(arrivals).where(*_of(box), state == SINCE).order_by(order).limit(1))
    if not mark:
        return []
    since = [*_of(box), state.in_((CAME, LATE, MISSING)), name > mark[0].name]
    query = sa.select(arrivals).where(*since).order_by(order)
    late = store.rows(sa.select(sa.func.min(name)).where(*since, state == LATE))[0][0]
    if late is None:
        return [*mark, *_found(store, query.limit(MANY))[::-1]]
    before = store.rows(sa.select(sa.func.max(name)).where(*since, name < late))[0][0]
    return [*mark, *_found(store, query.where(name >= (before or late)))[::-1]]


def expected(store: Store, row: Arrival) -> bool:
    """Notes a time at which a file is expected, unless somebody was quicker."""
    with store.transaction() as connection:
        return add(store, connection, arrivals, row._asdict())


def came(store: Store, before: Arrival, after: Arrival) -> bool:
    """Notes what has become of a file that was late, unless somebody was quicker."""
    mine = arrivals.update().where(arrivals.c.id == before.id, arrivals.c.state == before.state)
    values = {"state": after.state, "says": after.says, "mark": after.mark, "changed": now()}
    with store.transaction() as connection:
        return connection.execute(mine.values(**values)).rowcount == 1


def good(store: Store, box: Box, low: datetime, high: datetime) -> list[Arrival]:
    """What came after a moment and not after another, is whole, and was not found to be wrong, oldest first."""
    when = arrivals.c.seen > low.astimezone(UTC).isoformat(), arrivals.c.seen <= high.astimezone(UTC).isoformat()
    query = sa.select(arrivals).where(*_of(box), arrivals.c.state.in_((READY, TAKEN, LOADED, UNPROVED)), *when)
    return _found(store, query.order_by(arrivals.c.seen, arrivals.c.id))


def newest_ready(store: Store, pipeline: str) -> datetime | None:
    """When the last file became ready that nobody has taken."""
    ready = arrivals.c.pipeline == pipeline, arrivals.c.state == READY
    found = store.rows(sa.select(sa.func.max(arrivals.c.changed)).where(*ready))[0][0]
    return datetime.fromisoformat(found) if found else None


def newest(store: Store, pipeline: str, limit: int) -> list[Arrival]:
    """The newest arrivals and expectations of a pipeline, or of all, the newest first."""
    query = sa.select(arrivals).where(arrivals.c.state != SINCE)
    query = query.where(arrivals.c.pipeline == pipeline) if pipeline else query
    return _found(store, query.order_by(arrivals.c.changed.desc(), arrivals.c.id.desc()).limit(limit))


def counts(store: Store, pipeline: str) -> dict[str, int]:
    """How many there are of each state."""
    query = sa.select(arrivals.c.state, sa.func.count()).where(arrivals.c.state != SINCE).group_by(arrivals.c.state)
    query = query.where(arrivals.c.pipeline == pipeline) if pipeline else query
    return {row[0]: row[1] for row in store.rows(query.order_by(arrivals.c.state))}


def now() -> str:
    return datetime.now(UTC).isoformat()


def _of(box: Box | Arrival) -> tuple[sa.ColumnElement[bool], ...]:
    return tuple(arrivals.c[name] == getattr(box, name) for name in ("pipeline", "step", "place"))


def _found(store: Store, query: sa.Select[Any]) -> list[Arrival]:
    return [Arrival(**row._mapping) for row in store.rows(query)]
