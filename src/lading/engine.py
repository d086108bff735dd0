"""Moves one table: read, stage, prove, publish, store, in that order."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from functools import reduce

from lading import undecoded
from lading.compare import Asked, Side, compare
from lading.connector import WHOLE, Load, Session, Slice, Standing
from lading.digest import Digest, Digester
from lading.errors import Bug, DataError, LadingError, ProofFailed
from lading.isolate import sifting
from lading.moving import Moving, bill_of, fingerprint, later, new_load, rows_before, rows_of, way
from lading.passing import digested
from lading.prove import Level, Proof, State, TableBill, compared_sums, differing, unlike
from lading.schema import Mode, Table
from lading.slicing import tiled
from lading.staging import bare, unchanged
from lading.store import Line, Open

KEYS = 500
"""How many keys a slice has that is made of keys."""


def begin(moving: Moving, source: Session, target: Session) -> None:
    """Goes on with an interrupted load of the same work, or begins a new one."""
    task, store = moving.task, moving.store
    mark = fingerprint(moving.plan, task)
    old = store.unfinished(mark, moving.run)
    finished = store.finished(mark, moving.plan.part_of)
    over = (fingerprint(moving.plan.model_copy(update={"work": work}), task) for work in moving.plan.over_works)
    for left in (*store.left(mark), *(each for old_mark in over for each in store.left(old_mark, begun=True))):
        target.discard(left.load)
        store.change(left.load.id, state="clean" if left.state == "done" else "dropped")
    if finished:
        store.take(finished, moving.run)
        moving.bill = _taken(finished, moving, source, target)
    if moving.bill is not None:
        moving.continued = finished.run if finished else ""
        return
    if old:
        store.take(old, moving.run)
        stands = _standing(old, moving, target)
        if stands is not None:
            old = stands
        if stands is None or not _same(old, moving, source):
            target.discard(old.load)
            store.change(old.load.id, state="dropped")
            old, moving.load = None, new_load(moving.plan, task)  # what is dropped may be this run's own
    if old is None:
        store.add(moving.run, mark, moving.load, task, moving.snapshot)
    else:
        moving.load, moving.state = old.load, old.state
        moving.continued = old.run if old.run != moving.run else moving.continued
        moving.lines = {line.slice.number: line for line in store.lines(old.load.id)}
        if old.state != "staging":
            moving.snapshot = old.snapshot
            return
        target.discard(sifting(old.load))
        store.change(old.load.id, snapshot=moving.snapshot)
    if not moving.lines:
        cuts = _cuts(moving, source)
        store.cut(moving.load.id, cuts)
        moving.lines = {cut.number: Line(slice=cut) for cut in cuts}
    target.prepare(moving.load)


def _cuts(moving: Moving, source: Session) -> list[Slice]:
    task = moving.task
    if task.keys is not None:
        starts = range(0, len(task.keys), KEYS)
        return [Slice(number=n, on=task.key, keys=task.keys[at : at + KEYS]) for n, at in enumerate(starts)]
    since = Slice(since=task.since, since_low=task.since_low) if task.since else WHOLE
    return source.slices(moving.source, moving.plan.slice_rows, since)


def _standing(old: Open, moving: Moving, target: Session) -> Open | None:
    """The load as it stands in the target; None where it cannot go on. What was proved and is not visible yet is staged
    as it was before: it is looked at once more, at the snapshot that is pinned now."""
    standing = target.standing(old.load)
    if standing is Standing.GONE:
        return None
    states = {Standing.STAGED: "staging", Standing.PUBLISHED: "published", Standing.PUBLISHING: old.state}
    if states[standing] != old.state:
        moving.store.change(old.load.id, state=states[standing])
    return old.model_copy(update={"state": states[standing]})


def _taken(finished: Open, moving: Moving, source: Session, target: Session) -> TableBill | None:
    """The line of a table that an interrupted run had finished, if source and target still are as they were; None when
    it must be moved again. What was appended is not appended again, unless the table is gone, and not proved either
    when one of them has changed."""
    task, now = finished.task, moving.task
    # A table that was made since then is written in the system's own words now.
    then, here = ([(c.name, c.type) for c in t.target.columns] for t in (task, now))
    alike = task.source.columns == now.source.columns and then == here
    lines = moving.store.lines(finished.load.id)  # none where they were forgotten long after
    same = alike and _unchanged(finished, moving, source, lines)
    appended = finished.load.mode is Mode.APPEND
    there = target.describe(finished.load.table.full_name) is not None
    arrived = _arrived(finished.load, moving, (source, target), lines) if there and same else ""
    if finished.bill is None or not there or not (appended or (same and not arrived)):
        return None
    proof = finished.bill.proof or Proof(level=moving.plan.level)
    said = f"run {finished.run} did this on {finished.changed:%Y-%m-%d %H:%M} UTC, before it was interrupted"
    if same and not arrived:
        proof = proof.model_copy(update={"notes": (*proof.notes, f"{said}; the source holds the same rows")})
        return finished.bill.model_copy(update={"proof": proof})
    what = arrived if same else "the source holds other rows by now"
    reasons = (*proof.reasons, f"{said}; {what}, and none were appended again")
    proof = proof.model_copy(update={"reasons": reasons})
    return finished.bill.model_copy(update={"state": State.UNPROVED, "proof": proof})


def _arrived(load: Load, moving: Moving, sides: tuple[Session, Session], lines: list[Line]) -> str:
    """Why it cannot be said that the rows of a load that is over are in the target; empty when they are."""
    expected = Digest.of(line.digest for line in lines)
    before = Digest(rows=0) if load.fresh or load.mode is Mode.REPLACE else moving.store.noted(load.id)
    try:
        if before is None:
            return "" if _among(load, moving, sides) else "its rows are not all among the target's"
        if not load.fresh and load.mode is Mode.APPEND:
            expected = before + expected
        found = _read_back(moving, sides[1], load.table)
    except DataError as error:
        return f"the target cannot be read: {error.what}"
    same = found.rows == expected.rows and found.columns == expected.columns
    return "" if same else "the target has other rows by now"


def _among(load: Load, moving: Moving, sides: tuple[Session, Session]) -> bool:
    """Whether all rows of the source are in the target, found by their keys; there may be others."""
    if moving.task.since or not load.key:
        return False
    left, right = Side(sides[0], moving.source, snapshot=moving.snapshot), Side(sides[1], _keyed(load))
    found = compare(left, right, Asked())
    return not (found.only_left or found.changed or found.reasons or found.not_compared)


def _unchanged(found: Open, moving: Moving, source: Session, lines: list[Line]) -> bool:
    """Whether the source still is as it was when a load was read, of which these are the lines."""
    own, moving.load = moving.load, found.load
    try:
        return bool(lines) and all(unchanged(moving, line, source) for line in lines)
    finally:
        moving.load = own


def _same(old: Open, moving: Moving, source: Session) -> bool:
    """Whether an interrupted load can go on: the tables are as they were, and of a load that is visible the rows, too.
    Appended rows are never appended again."""
    task = moving.task
    if old.state != "staging":
        appended = old.load.mode is Mode.APPEND
        return appended or (old.fresh and _unchanged(old, moving, source, moving.store.lines(old.load.id)))
    alike = old.task.source.columns == task.source.columns and old.task.target.columns == task.target.columns
    return alike and old.load.fresh == task.fresh and old.load.strict >= moving.load.strict


def prove(moving: Moving, source: Session, target: Session) -> None:
    """Compares what waits in the target with what was read, and what was read with what the source says."""
    moving.watch.state(moving.name, "proving")
    level, lines = moving.plan.level, moving.lines.values()
    reasons: list[str] = []
    notes = list(moving.task.notes)
    chain = _chain(moving, reasons)
    _covered(moving, source)
    expected = moving.expected
    there = _read_back(moving, target, moving.load.stage)
    _equal(moving, expected, there, "staged")
    if moving.rejected and level in (Level.COLUMNS, Level.FULL):
        less = "the source was not read a second time" if level is Level.FULL else "the others were only counted"
        reasons.append(f"rows were refused: {less}")
    elif level is Level.COLUMNS:
        notes.append(_in_place(moving, target))
    elif level is Level.FULL:
        again = Digester(moving.hashed, moving.load.key)
        for cut in (line.slice for line in lines):
            for batch in source.read(moving.source, cut):
                moving.wait(batch.num_rows)
                again.add(moving.fit(batch, Counter()))
        _equal(moving, again.digest(), there, "read a second time")
    narrowed: Counter[str] = Counter()
    for line in lines:
        narrowed.update(line.narrowed)
    moving.proof = Proof(
        level=level, version=expected.version, snapshot=moving.snapshot, source_root=expected.root,
        target_root=there.root, chain=chain,
        narrowed=dict(narrowed), reasons=tuple(reasons), notes=tuple(n for n in notes if n),
    )  # fmt: skip


def _chain(moving: Moving, reasons: list[str]) -> str:
    """Binds what was read to what the source says of itself; where no snapshot could be pinned, a difference only
    means that the source moved."""
    sums: list[int] = []
    for line in moving.lines.values():
        if line.found is None or line.read is None:
            continue
        sums.append(compared_sums(line.read, line.found))
        unequal = unlike(line.read, line.found)
        if unequal and moving.snapshot:
            raise ProofFailed(
                f"Slice {line.slice.number} of '{moving.name}' was read with other {', '.join(unequal)} than the "
                f"source counts in place at the same snapshot ({line.read.rows:,} rows against {line.found.rows:,}).",
                "Report it with 'lading bill'; nothing was published.",
            )
        if unequal:
            reasons.append(f"the source moved while it was read: {', '.join(unequal)}")
    if moving.task.undecoded:
        did = "hashed" if moving.plan.level is Level.ROWS else "counted"
        return f"each system {did} its own rows, the source at the snapshot"
    if not sums:
        return "the source cannot be asked in place; what was read is what is proved"
    if not moving.snapshot:
        return f"the source was asked for its count and {min(sums)} column sums right after it was read"
    what = f"the source's own count and {min(sums)} column sums"
    if not moving.asked:
        return f"{what} equal what was read, at the same snapshot"
    rest = ", or right after it at the same snapshot" if moving.asked < len(sums) else ""
    return f"{what}, asked while it was read{rest}, equal what was read"


def _read_back(moving: Moving, target: Session, table: Table, cut: Slice = WHOLE) -> Digest:
    """The digest of rows as the target has them; at lower levels their number."""
    if moving.task.undecoded:
        return undecoded.total(moving, target, table, cut)
    if moving.plan.level in (Level.ROWS, Level.FULL):
        return digested(moving, target.read(table, cut))
    return Digest(rows=_count(target, table, cut))


def _count(target: Session, table: Table, cut: Slice = WHOLE) -> int:
    empty = bare(table, cut)
    found = target.digest(empty, cut)
    if found is not None:
        return found.rows
    least = min(table.columns, key=lambda c: c.type.kind in ("string", "binary", "json", "list", "decimal"))
    one = empty if empty.columns else table.model_copy(update={"columns": (least,)})
    return sum(batch.num_rows for batch in target.read(one, cut))


def _covered(moving: Moving, source: Session) -> None:
    """Whether the slices hold every row once, which no look at one slice tells; of pages their bounds do."""
    rows = sum(line.read.rows for line in moving.lines.values() if line.read)
    cut = Slice(since=moving.task.since, since_low=moving.task.since_low) if moving.task.since else WHOLE
    if not moving.snapshot or tiled([line.slice for line in moving.lines.values()]) or moving.task.keys is not None:
        return
    whole = source.digest(bare(moving.source, cut), cut)
    if whole is not None and whole.rows != rows:
        raise ProofFailed(
            f"The slices of '{moving.name}' hold {rows:,} rows; the source counts {whole.rows:,} at the same snapshot.",
            "Report it with 'lading bill'; nothing was published.",
        )


def _equal(moving: Moving, expected: Digest, found: Digest, where: str) -> None:
    if expected.rows == found.rows and expected.columns == found.columns:
        return
    names = differing(expected, found, moving.load.table.columns)
    some = "; values of some of them differ" if expected.rows == found.rows else ""
    told = f"; columns that differ: {', '.join(names)}" if names else some
    moving.proof = Proof(
        level=moving.plan.level, version=expected.version, snapshot=moving.snapshot, source_root=expected.root,
        target_root=found.root, differing=names, reasons=(f"the rows {where} differ from the rows that were read",),
    )  # fmt: skip
    raise ProofFailed(
        f"'{moving.name}' has {expected.rows:,} rows in the source and {found.rows:,} {where}{told}.",
        "Nothing more was published. See 'lading bill', then run again.",
    )


def _in_place(moving: Moving, target: Session) -> str:
    """At level `columns`: the sums of the target's columns against those of what was read, where types are alike."""
    found = target.digest(moving.load.stage, WHOLE)
    if found is None:
        return "the target cannot sum in place; only rows were compared"
    alike = [t.name for s, t in zip(moving.source.columns, moving.load.table.columns, strict=True) if s.type == t.type]
    totals: dict[str, tuple[int, object]] = {}
    for line in moving.lines.values():
        for name, one in (line.read.columns if line.read else {}).items():
            values, total = totals.get(name, (0, 0))
            totals[name] = (values + one.values, None if one.total is None else total + one.total)  # type: ignore[operator]
    for name, there in found.columns.items():
        values, total = totals.get(name, (0, None))
        summed = name in alike and total is not None and there.total is not None
        if values != there.values or (summed and total != there.total):
            raise ProofFailed(f"Column '{name}' of '{moving.name}' sums to another value in the target.", "Run again.")
    return f"values counted in {len(found.columns)} columns, sums of {len(alike)} columns of like types"


def drill(moving: Moving, source: Session, target: Session) -> None:
    """After a proof that failed: which rows differ, in which columns, and how; without the values of hidden columns."""
    if moving.plan.level not in (Level.ROWS, Level.FULL) or moving.rejected:
        return
    arrived = moving.load.stage if moving.state == "staging" else moving.load.table
    left = Side(source, moving.source, snapshot=moving.snapshot)
    with suppress(LadingError):  # what failed may fail again; the bill says why
        right = Side(target, arrived.model_copy(update={"key": moving.load.key}))
        found = compare(left, right, Asked(sensitive=moving.hidden))
        moving.found = found.model_copy(update={"left": moving.name, "right": moving.task.into})


def publish(moving: Moving, target: Session) -> None:
    """Makes one proved table visible and looks at what is there."""
    announce(moving, target)
    target.publish([moving.load])
    published(moving, target)


def announce(moving: Moving, target: Session) -> None:
    """Notes that a table is being published. Appended rows without a key, or with keys that are there already, cannot
    be told from older ones, so what is there before them is noted too."""
    load = moving.load
    if load.mode is Mode.APPEND and not load.fresh:
        alone = load.key and not _count(target, _keyed(load), Slice(within=load.stage.name))
        moving.store.note(load.id, None if alone else _read_back(moving, target, load.table))
    moving.watch.state(moving.name, "publishing")
    moving.store.change(load.id, state="publishing")
    moving.state = "publishing"


def resume(moving: Moving, target: Session) -> None:
    """What an interrupted run had published, or was publishing, is looked at."""
    target.publish([moving.load])
    expected = moving.expected
    moving.proof = Proof(level=moving.plan.level, version=expected.version, snapshot=moving.snapshot,
                         source_root=expected.root,
                         chain="proved by the interrupted run before it published")  # fmt: skip
    published(moving, target, late=True)


def published(moving: Moving, target: Session, late: bool = False) -> None:
    """The last look: after the commit, the target's own table is read. Some time after the commit, another's change
    is no fault, and all that can be said is that nothing is proved; the same is said of rows that were appended, which
    must not be appended once more."""
    moving.store.change(moving.load.id, state="published")
    moving.state = "published"
    proof = moving.proof
    try:
        _last_look(moving, target, late)
        if late and proof is not None:
            moving.proof = proof.model_copy(update={"target_root": proof.source_root})
    except ProofFailed as error:
        if proof is None or not (late or moving.load.mode is Mode.APPEND):
            raise
        how = "published by an interrupted run" if late else "the rows were appended"
        moving.proof = proof.model_copy(update={"reasons": (*proof.reasons, f"{how}; now {error.what}")})
    _close(moving, target)


def _last_look(moving: Moving, target: Session, late: bool) -> None:
    load, expected = moving.load, moving.expected
    whole = load.mode is Mode.REPLACE or load.fresh
    if whole and not late and target.describe(load.stage.full_name) is None:
        # what was read again has only another name now
        _equal(moving, Digest(rows=expected.rows), Digest(rows=_count(target, load.table)), "in the target")
    elif whole:
        _equal(moving, expected, _read_back(moving, target, load.table), "in the target")
    elif before := moving.store.noted(load.id):
        _equal(moving, before + expected, _read_back(moving, target, load.table), "in the target")
    elif load.key:
        there = _read_back(moving, target, _keyed(load), Slice(within=load.stage.name))
        _equal(moving, expected, there, "in the target")


def _keyed(load: Load) -> Table:
    return load.table.model_copy(update={"key": load.key})


def _close(moving: Moving, target: Session) -> None:
    """Writes the table's line of the bill and removes what only the load needed."""
    rows = rows_of(moving)
    mark = fingerprint(moving.plan, moving.task)
    proof = moving.proof or Proof(level=moving.plan.level, snapshot=moving.snapshot)
    reasons, went = list(proof.reasons), way(moving.plan, moving.task)
    if rows.source == 0 and (last := rows_before(moving)):
        reasons.append(f"the source has no rows; the last run had {last:,}")
    if not rows.balanced:
        raise Bug(f"The balance of '{moving.name}' is off: {rows}.", "Report it with the bill.")
    state = State.UNPROVED if reasons else State.PROVED
    moving.bill = bill_of(moving, state, proof.model_copy(update={"reasons": tuple(reasons)}))
    cursors = [line.cursor for line in moving.lines.values() if line.cursor is not None]
    numeric = bool(moving.task.since and (c := moving.source.column(moving.task.since)) and c.type.numeric)
    top = reduce(lambda a, b: later(a, b, numeric), cursors) if cursors else moving.store.last(mark)[1]
    told = moving.bill.model_dump_json()
    moving.store.change(moving.load.id, state="done", rows=rows.source, cursor=top, bill=told, way=went)
    moving.watch.state(moving.name, state.value)
    tidy(moving, target)
    moving.lines = {}  # of hundreds of tables they would fill the memory


def tidy(moving: Moving, target: Session) -> None:
    """Removes what only the load needed. What cannot go now is tried again when the run ends, and by the next one."""
    with suppress(LadingError):
        target.discard(moving.load)
        moving.store.change(moving.load.id, state="clean")
        moving.state = "clean"
