"""What a person can do with releases, one function a thing."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from difflib import unified_diff
from types import MappingProxyType
from typing import NamedTuple

from lading import attempts, canary, config, moments, releases, releasing
from lading.actions import desk_of, kept_store, store, stored
from lading.desk import Desk
from lading.errors import LadingError, SpecError, masked
from lading.preflight import Ground, Report
from lading.preflight import preflight as looked
from lading.preflight.beside import Canary
from lading.preflight.ground import SECONDS, Earlier
from lading.progress import Quiet
from lading.releases import Content, Release
from lading.spec import Param
from lading.store import Store

DRAFT, LIVE = "draft", "live"
"""Words for versions that have no number, or another one each day."""


class Wanted(NamedTuple):
    """How a preflight is made: findings that are accepted, the old addresses of connections of which the account
    changes, and the seconds that a query may take."""

    accept: tuple[str, ...] = ()
    old: Mapping[str, str] = MappingProxyType({})
    seconds: float = SECONDS


class Trial(NamedTuple):
    """How a candidate is tried beside the live release: tables and columns that may differ, and whether its shadows
    stay until the next one."""

    expect: tuple[str, ...] = ()
    keep: bool = False


class Made(NamedTuple):
    """The release that is live now, if there is one, whether it is new, and what the preflight found, which keeps it
    from being made where something blocks. Nothing is looked at where nothing has changed. `stopped` is a candidate
    that was tried and did not go live."""

    release: Release | None
    new: bool
    report: Report | None = None
    stopped: Release | None = None


class Changed(NamedTuple):
    """A file that two versions of a pipeline do not have alike, as lines of a unified diff."""

    file: str
    lines: list[str]


def release(
    pipeline: str, note: str = "", given: Mapping[str, str] | None = None, wanted: Wanted | None = None,
    trial: Trial | None = None,
) -> Made:  # fmt: skip
    """Makes a release of a pipeline's draft, which is live then; where nothing has changed, its preflight finds what
    blocks it, or a trial beside the live release another result than expected, the live one stays. `given` are
    parameters, where options and queries need them."""
    new = releasing.drafted(pipeline, given)
    with store() as ledger:
        before = releases.live(ledger, pipeline)
        if trial and before is None:
            what = f"'{pipeline}' has no live release: there is nothing that a candidate can be compared with."
            raise SpecError(what, f"Make the first: lading release {pipeline}")
        if before is not None and before.hash == new.hash:
            return Made(before, False)
        found = _looked(ledger, new, given, wanted or Wanted())
        if found.blocks:
            return Made(before, False, found)
        were_live = (each for each in releases.of(ledger, pipeline) if each.state == releases.LIVE)
        same = [each.number for each in were_live if each.hash == new.hash]
        noted = new.model_copy(update={"note": note, "same_as": min(same, default=0)})
        if trial and before is not None:
            return _tried(ledger, (before, noted), found, given, trial)
        return Made(releases.put(ledger, noted, found.model_dump_json()), True, found)


def _tried(
    ledger: Store, pair: tuple[Release, Release], found: Report, given: Mapping[str, str] | None, trial: Trial
) -> Made:
    """The candidate beside the live release, live itself where nothing differs but what is expected."""
    before, new = pair
    place = canary.alone(ledger, new.pipeline)
    begun: list[tuple[Release, Canary]] = []

    def keep(known: Canary) -> None:
        trying = new.model_copy(update={"state": releases.TRYING})
        made = releases.put(ledger, trying, _with(found, known).model_dump_json())
        begun.append((made, known.model_copy(update={"number": made.number})))

    try:
        _clear_up(ledger, new.pipeline)
        pairs = canary.Pair(*(_beside(ledger, each, given) for each in pair))
        seen = canary.tried(pairs, place, Quiet(), trial.expect, keep)
        seen = seen.model_copy(update={"number": begun[0][0].number, "kept": trial.keep})
        state = releases.STOPPED if seen.stopped else releases.LIVE
        return _ended(ledger, (before, begun[0][0]), _with(found, seen), state, place)
    except BaseException:
        for made, known in begun:
            cut = known.model_copy(update={"stopped": "it was interrupted"})
            _ended(ledger, (before, made), _with(found, cut), releases.STOPPED)
        raise
    finally:
        ledger.end(place, "done", None)


def _with(found: Report, seen: Canary) -> Report:
    return found.model_copy(update={"canary": seen})


def _ended(ledger: Store, pair: tuple[Release, Release], found: Report, state: str, place: str = "") -> Made:
    """Removes the shadows, unless they are to stay, and notes what becomes of the candidate. Raises SpecError where the
    run `place` was asked to end."""
    before, made = pair
    seen = found.canary
    if seen and not seen.kept and not canary.cleared(ledger, made.pipeline, seen, config.resolve):
        found = _with(found, seen.model_copy(update={"kept": True}))  # for the next one to clear up
    if place:
        canary.go_on(ledger, place)
    state = releases.settle(ledger, made, found.model_dump_json(), state)
    done = made.model_copy(update={"state": state})
    return Made(done, True, found) if state == releases.LIVE else Made(before, False, found, done)


def _clear_up(ledger: Store, pipeline: str) -> None:
    """Removes what earlier candidates left: those that were killed, and those whose shadows were kept."""
    for each in releases.of(ledger, pipeline):
        text = releases.preflight(ledger, each) or ""
        if '"canary"' not in text:
            continue
        report = Report.model_validate_json(text)
        killed = each.state == releases.TRYING
        if killed and report.canary and set(report.canary.runs) & attempts.going(ledger).keys():
            raise attempts.busy(f"A canary of '{pipeline}'")  # on another machine, silent for a while
        if report.canary and (killed or report.canary.kept):
            gone = canary.cleared(ledger, pipeline, report.canary, config.resolve)
            said = report.canary.stopped or ("it was cut off" if killed else "")
            seen = report.canary.model_copy(update={"kept": not gone, "stopped": said})
            state = releases.STOPPED if killed else ""
            releases.settle(ledger, each, _with(report, seen).model_dump_json(), state)


def _beside(ledger: Store, release: Release, given: Mapping[str, str] | None) -> Desk:
    """What a run of a release works with, given those parameters that it has."""
    kept = releasing.kept(release)
    known = config.params(release.pipeline, kept)
    mine = moments.today(release.pipeline, kept)
    mine |= {name: value for name, value in (given or {}).items() if name in known}
    return desk_of(ledger, release.pipeline, Quiet(), ("", mine), release)


def preflight(pipeline: str, given: Mapping[str, str] | None = None, wanted: Wanted | None = None) -> Report:
    """Looks at what would go wrong with a pipeline's draft, beside what is live. Changes nothing."""
    new = releasing.drafted(pipeline, given)
    with kept_store(named=False) as ledger:
        return _looked(ledger, new, given, wanted or Wanted())


def found(pipeline: str, number: int) -> Report:
    """What the preflight of a release had found."""
    with kept_store() as ledger:
        text = releases.preflight(ledger, releases.numbered(ledger, pipeline, number))
    if text is None:
        raise SpecError(f"Release {number} of '{pipeline}' had no preflight.", "")
    return Report.model_validate_json(text)


def _looked(ledger: Store, new: Release, given: Mapping[str, str] | None, wanted: Wanted) -> Report:
    name = new.pipeline
    given = moments.today(name, releasing.kept(new)) | dict(given or {})
    draft, before = config.pipeline(name, given, releasing.kept(new)), releases.live(ledger, name)
    earlier = None
    if before is not None:
        with suppress(LadingError):  # a connection that it names may be gone
            text = releases.preflight(ledger, before)
            report = Report.model_validate_json(text) if text else None
            earlier = Earlier(config.pipeline(name, given, releasing.kept(before)), before.number, report)
    texts = _texts(new.content)
    ground = Ground(draft, draft.values(given), ledger, config.resolve, wanted.old, earlier, wanted.seconds, texts)
    return looked(ground, wanted.accept)


def released(pipeline: str = "") -> list[Release]:
    """The releases of a pipeline, or of all, the newest first."""
    with kept_store() as ledger:
        return releases.of(ledger, pipeline)


def live() -> dict[str, int]:
    """The number of the live release of each pipeline that has one."""
    with kept_store() as ledger:
        return releases.live_numbers(ledger)


def rollback(pipeline: str, to: int | None = None, note: str = "") -> Release:
    """Makes a new release with the content of an earlier one: of that number, or of the one before what is live."""
    with kept_store() as ledger:
        old = releasing.back(ledger, pipeline, to)
        releasing.kept(old)
        said = note or f"back to release {old.origin}"
        changes = {"same_as": old.origin, "made": datetime.now(UTC), "who": getpass.getuser(), "note": said}
        return releases.put(ledger, old.model_copy(update=changes), releases.preflight(ledger, old))


def changes(pipeline: str, left: str = LIVE, right: str = DRAFT) -> list[Changed]:
    """What differs between two versions of a pipeline, file by file: numbers of releases, 'live' or 'draft'."""
    with kept_store() as ledger:
        before, after = (_texts(_version(ledger, pipeline, word)) for word in (left, right))
    found = []
    for name in {**before, **after}:
        one, other = before.get(name, ""), after.get(name, "")
        if one != other:
            lines = unified_diff(one.splitlines(), other.splitlines(), lineterm="", n=2)
            found.append(Changed(name, [masked(line) for line in list(lines)[2:]]))
    return found


def _version(ledger: Store, pipeline: str, word: str) -> Content:
    if word == DRAFT:
        return releasing.written(pipeline).content
    if word == LIVE:
        found = releases.live(ledger, pipeline)
        if found is None:
            raise SpecError(f"'{pipeline}' has no release.", f"Make one: lading release {pipeline}")
        return found.content
    if not word.isdecimal():
        raise SpecError(f"'{word}' is no release.", f"Give a number, '{LIVE}' or '{DRAFT}'.")
    return releases.numbered(ledger, pipeline, int(word)).content


def _texts(content: Content) -> dict[str, str]:
    return {f"{content.pipeline}.yaml": content.text, **content.files}


def ahead(pipeline: str) -> int:
    """The number of the live release, where the draft is another; 0 where it is the same, or there is none."""
    if not stored():
        return 0
    with suppress(SpecError), store() as ledger:
        found = releases.live(ledger, pipeline)
        if found is not None and releasing.written(pipeline).hash != found.hash:
            return found.number
    return 0


def params(pipeline: str, draft: bool = False) -> dict[str, Param]:
    """The parameters that a run of a pipeline takes."""
    if not stored():
        return config.params(pipeline)
    with store() as ledger:
        return config.params(pipeline, releasing.kept(releasing.pinned(ledger, pipeline, draft=draft)))


def shown(found: list[Release], now: Mapping[str, int]) -> Iterator[dict[str, object]]:
    """Releases as plain values for programs, without their texts; `now` are the live ones."""
    for each in found:
        plain = each.model_dump(mode="json", exclude={"content"})
        yield plain | {"files": sorted(each.content.files), "live": now.get(each.pipeline) == each.number}
