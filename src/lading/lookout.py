"""One look at the folder of a connection, for every step that receives files there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from lading import arrivals
from lading.arrivals import (
    GROWING,
    IGNORED,
    LOADED,
    MANY,
    QUARANTINED,
    READY,
    TAKEN,
    UNPROVED,
    VANISHED,
    Arrival,
    Box,
)
from lading.dropfolder import DropFolder, Seen
from lading.errors import LadingError, SpecError, Unreachable
from lading.receiver import Receive
from lading.store import Store

_EARLY = 0.9
"""The part of the time between two looks after which one counts."""
STUCK = "it stays where it is: "
"""What is said of a file that could not be put away, behind all else."""


class Receiver(NamedTuple):
    """A step that receives files, and the pipeline that it is of."""

    pipeline: str
    step: Receive

    def box(self, place: str) -> Box:
        return Box(self.pipeline, self.step.key, place)


class Look(NamedTuple):
    """What a look has found: how many files became ready, and what was put into quarantine, for each pipeline."""

    ready: dict[str, int]
    refused: list[Arrival]


def look(store: Store, drop: DropFolder, receivers: Sequence[Receiver], every: Sequence[Receiver] = ()) -> Look:
    """Looks once. With `every` step that receives files at the connection, names that none of them expects are known
    as such."""
    place = drop.settings.address()
    # First, since what is listed and put away right afterwards would look new.
    known = {each.box(place): arrivals.there(store, each.box(place)) for each in (*receivers, *every)}
    listed = {folder: drop.files(folder) for folder in {each.step.folder for each in receivers}}
    found = Look({}, [])
    for each in receivers:
        count = _one(store, each, known[each.box(place)], (place, listed[each.step.folder]))
        found.ready[each.pipeline] = found.ready.get(each.pipeline, 0) + count
    for folder, files in listed.items():
        here = [each for each in every if each.step.folder == folder]
        strict = next((each for each in here if each.step.misnamed == "quarantine"), None)
        if strict:
            odd = {name: seen for name, seen in files.items() if _odd(name, here)}
            found.refused.extend(_misnamed(store, drop, strict, (known[strict.box(place)], odd)))
    return found


def apart(store: Store, box: Box, step: Receive, others: Sequence[Receive]) -> None:
    """Raises SpecError where another step of the pipeline expects one of the files, too: the first to put it away would
    take it from the other."""
    names = [each.name for each in arrivals.there(store, box).values() if step.expects(each.file)]
    for other in others:
        if other.key == step.key or other.folder != step.folder or not (step.archive or other.archive):
            continue
        if name := next((name for name in names if other.expects(name.rpartition("/")[2])), None):
            what = (
                f"'{name}' is expected by the steps '{step.key}' and '{other.key}', and only one of them would get it."
            )
            raise SpecError(
                what, "Write 'files' of both so that each file is one step's, or give both 'archive: null'."
            )


def _one(store: Store, receiver: Receiver, there: Mapping[str, Arrival], listed: tuple[str, Mapping[str, Seen]]) -> int:
    """Notes what one step has to know of its files; returns how many became ready."""
    step, (place, files) = receiver.step, listed
    mine = [seen for name, seen in files.items() if step.expects(name)]
    known = {name: each for name, each in there.items() if step.expects(each.file)}
    new, changed = _compared(mine, known, receiver.box(place), step)
    new = [_ripe(each, step, files) for each in new]
    changed = [(before, _ripe(after, step, files)) for before, after in changed]
    arrivals.keep(store, new, [(before, after) for before, after in changed if before != after])
    before = {each.id for each, _ in changed if each.state == READY}
    later = [*new, *(after for _, after in changed)]
    return sum(each.state == READY and each.id not in before for each in later)


def _compared(
    files: Sequence[Seen], known: dict[str, Arrival], box: Box, step: Receive
) -> tuple[list[Arrival], list[tuple[Arrival, Arrival]]]:
    """What is new, and what has changed since the last look."""
    now, new, changed = datetime.now(UTC), list[Arrival](), list[tuple[Arrival, Arrival]]()
    for seen in files:
        before = known.pop(seen.name, None)
        if before is not None and before.mark != seen.mark and before.state not in (GROWING, READY, TAKEN):
            changed.append((before, before._replace(gone=before.id)))
            before = None
        if before is None:
            new.append(_first(seen, box, now))
        elif before.state in (GROWING, READY) and before.mark != seen.mark:
            changed.append((before, _again(before, seen, now)))
        elif before.state == GROWING:
            early = now - datetime.fromisoformat(before.looked) < timedelta(seconds=step.every_seconds * _EARLY)
            after = before if early else before._replace(looks=before.looks + 1, looked=now.isoformat())
            changed.append((before, after))
    for before in known.values():
        if before.state in (GROWING, READY):
            after = before._replace(gone=before.id, state=VANISHED, says="it went away before it was read")
            changed.append((before, after._replace(changed=now.isoformat())))
        elif before.state in (LOADED, UNPROVED, IGNORED, QUARANTINED):
            changed.append((before, before._replace(gone=before.id)))
    return new, changed


def _first(seen: Seen, box: Box, now: datetime) -> Arrival:
    moment = now.isoformat()
    return Arrival(
        arrivals.new_id(now), *box, seen.name, mark=seen.mark, size=seen.size, modified=seen.modified, seen=moment,
        looks=1, looked=moment, changed=moment,
    )  # fmt: skip


def _again(before: Arrival, seen: Seen, now: datetime) -> Arrival:
    """A file that is still being written."""
    moment = now.isoformat()
    return before._replace(
        mark=seen.mark, size=seen.size, modified=seen.modified, looks=1, looked=moment, state=GROWING, changed=moment
    )


def _ripe(found: Arrival, step: Receive, files: Mapping[str, Seen]) -> Arrival:
    """The arrival, ready if its sender has ended."""
    if found.state != GROWING:
        return found
    match step.ready:
        case "stable":
            whole, says = found.looks >= step.looks, f"the same at {found.looks} of {step.looks} looks"
        case "renamed":
            whole, says = True, ""
        case _:
            marker = files.get(step.marks(found.file))
            whole = marker is not None and marker.modified >= found.modified
            name = step.marks(found.file)
            says = f"its marker '{name}' is older than it" if marker else f"its marker '{name}' is not there"
    if whole:
        return found._replace(state=READY, says="", changed=datetime.now(UTC).isoformat())
    return found._replace(says=says)


def _odd(name: str, here: Sequence[Receiver]) -> bool:
    """Whether no step expects a file of this name, or a marker."""
    return not any(
        each.step.expects(name)
        or (each.step.ready == "marker" and fnmatchcase(name, each.step.marks(each.step.pattern)))
        for each in here
    )


def _misnamed(
    store: Store, drop: DropFolder, receiver: Receiver, files: tuple[Mapping[str, Arrival], Mapping[str, Seen]]
) -> Iterator[Arrival]:
    """Puts away what nobody expects, when it no longer changes."""
    step, box = receiver.step.model_copy(update={"ready": "stable"}), receiver.box(drop.settings.address())
    there, odd = files
    known = {name: each for name, each in there.items() if not receiver.step.expects(each.file)}
    new, changed = _compared(list(odd.values()), known, box, step)
    says = f"no pipeline expects a file of this name here; '{step.pattern}' is expected"
    kept = [(before, _ripe(after, step, odd)) for before, after in changed]
    kept = [
        (before, after._replace(state=QUARANTINED, says=says) if after.state == READY else after)
        for before, after in kept
    ]
    arrivals.keep(store, new, [(before, after) for before, after in kept if before != after])
    for before, after in kept:
        if after.state == QUARANTINED != before.state:
            put_away(store, drop, [after], step)
            yield after


def put_away(store: Store, drop: DropFolder, found: Sequence[Arrival], step: Receive) -> None:
    """Moves what is settled out of the folder, and its markers; notes it then. It can be done again."""
    settled: list[tuple[str, dict[str, Any]]] = []
    for each in found:
        says = each.says.partition(STUCK)[0].removesuffix("; ")
        try:
            _put_away(drop, each._replace(says=says), step)
            settled.append((each.id, {"gone": each.id, "says": says}))
        except Unreachable:
            raise
        except LadingError as error:  # one file keeps no other where it is
            if each.says != (says := f"{says}; {STUCK}{error}".removeprefix("; ")):
                settled.append((each.id, {"says": says}))
    arrivals.change(store, settled)


def _put_away(drop: DropFolder, found: Arrival, step: Receive) -> None:
    refused = found.state == QUARANTINED
    folder = step.quarantine if refused else step.archive or ""
    drop.put_away(found, f"{step.folder}/{folder}".lstrip("/"), found.says if refused else "")
    if step.ready == "marker" and drop.look(found.name) is None:
        drop.remove(f"{step.folder}/{step.marks(found.file)}".lstrip("/"))


def tidy(store: Store, drop: DropFolder, receiver: Receiver) -> None:
    """Moves out of the folder whatever is settled."""
    states = [QUARANTINED, *([LOADED, IGNORED] if receiver.step.archive else [])]
    found = arrivals.settled(store, receiver.box(drop.settings.address()), states)
    for part in (found[at : at + MANY] for at in range(0, len(found), MANY)):
        put_away(store, drop, part, receiver.step)
