"""Looks for files that arrive, once for all steps that receive some at a connection, and makes their pipelines due."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from lading import arrivals, dues
from lading.arrivals import CAME, QUARANTINED
from lading.copying import Resolve
from lading.dropfolder import DropFolder
from lading.dues import WAITING, Due
from lading.errors import LadingError, masked
from lading.expecting import Gap, expect
from lading.lookout import Receiver, look
from lading.receiver import Receive
from lading.render import plural
from lading.spec import Pipeline
from lading.store import Store
from lading.threads import apart

TICK_SECONDS = 0.5
"""How often it is seen whether it is time for a look."""
_EVER, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

Say = Callable[[str, str, str], None]
Known = tuple[Mapping[str, Pipeline], bool]
"""The pipelines that receive files, another object when one of them changes, and whether every one could be read."""


class Poller:
    """Looks at every connection at which a step receives files, at each in a thread of its own: one that does not
    answer keeps no other waiting."""

    def __init__(
        self, store: Store, pipelines: Callable[[], Known], resolve: Resolve, say: Say,
        warn: Callable[[str, str, str], None],
    ) -> None:  # fmt: skip
        self.store, self.pipelines, self.resolve, self.say, self.warn = store, pipelines, resolve, say, warn
        self._known: Mapping[str, Pipeline] = {}
        self._addresses: dict[str, str] = {}
        self._next: dict[str, datetime] = {}
        self._looks: dict[str, Future[None]] = {}
        self._wrong: dict[str, str] = {}
        self._seen: dict[str, datetime] = {}
        self._gaps: dict[str, Gap] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Looks again and again while the block is at work."""
        over = threading.Event()
        ended = apart(lambda: self._run(over))
        try:
            yield
        finally:
            over.set()
            ended.result()

    def _run(self, over: threading.Event) -> None:
        while not over.wait(TICK_SECONDS):
            try:
                self.begin(datetime.now(UTC))
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody must hear of it
                self._fail("", error)

    def begin(self, now: datetime, once: bool = False) -> list[Future[None]]:
        """Begins the looks for which it is time. One of a program that looks `once` takes itself for the next of many:
        there is none after it to tell what has come meanwhile."""
        found, whole = self.pipelines()
        if found is not self._known:
            self._known, self._addresses = found, {}
        begun, places = [], grouped(found, self._address)
        whole = whole and places.keys() <= set(self._addresses.values())
        self._seen |= dict.fromkeys(places, now) if once else {}
        for place, receivers in places.items():
            if self._next.get(place, now) > now or (place in self._looks and not self._looks[place].done()):
                continue
            self._next[place] = now + timedelta(seconds=min(each.step.every_seconds for each in receivers))
            self._looks[place] = apart(partial(self._look, place, receivers, (found, whole)))
            begun.append(self._looks[place])
        return begun

    def _address(self, name: str) -> str:
        """The address of a connection; its name where it cannot be told."""
        if name not in self._addresses:
            try:
                self._addresses[name] = self.resolve(name)[1].address()
            except LadingError:
                return name
        return self._addresses[name]

    def _look(self, place: str, receivers: Sequence[Receiver], known: Known) -> None:
        """Looks at one place. What a pipeline may expect that is not known now is left alone."""
        pipelines, whole = known
        try:
            name, connection = self.resolve(receivers[0].step.source)
            with DropFolder(name, connection) as drop:
                seen = look(self.store, drop, receivers, receivers if whole else ())
            for pipeline, count in seen.ready.items():
                if count:
                    self.say("arrived", pipeline, f"{plural(count, 'file')} at {name}")
            for refused in seen.refused:
                self.say(QUARANTINED, refused.pipeline, f"{refused.name}: {refused.says}")
            now = datetime.now(UTC)
            gap = self._gap(place, now, max(each.step.looks * each.step.every_seconds for each in receivers))
            for each in receivers:
                for word, text in expect(self.store, each.box(connection.address()), each.step, now, gap):
                    self.say(word, each.pipeline, text)
                    if word != CAME:
                        self.warn(word, each.pipeline, text)
            for pipeline in {each.pipeline for each in receivers}:
                trigger(self.store, pipelines[pipeline])
            self._wrong.pop(place, None)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody must hear of it
            before = self._gaps[place].since if place in self._gaps else self._seen.get(place, _EVER)
            self._gaps[place] = Gap(before, _NEVER)
            self._fail(place, error)

    def _gap(self, place: str, now: datetime, seconds: float) -> Gap | None:
        """The time in which nobody could look at a place, such as that before the first look. It ends when what is
        there now can be known to be whole."""
        gap = self._gaps.get(place) if place in self._seen else Gap(_EVER, _NEVER)
        self._seen[place] = now
        if gap and gap.until == _NEVER:
            gap = self._gaps[place] = Gap(gap.since, now + timedelta(seconds=seconds))
        elif gap and gap.until <= now:
            del self._gaps[place]
        return gap

    def _fail(self, place: str, error: Exception) -> None:
        """Says what is wrong, once as long as it is."""
        text = str(error)
        if not isinstance(error, LadingError):
            text = f"{place or 'Looking for files'}: {type(error).__name__}: {error}"
        if self._wrong.get(place) != text:
            self._wrong[place] = text
            self.say("error", "", masked(text))


def grouped(pipelines: Mapping[str, Pipeline], address: Callable[[str], str] = str) -> dict[str, list[Receiver]]:
    """The steps that receive files, by the addresses of their connections, or their names."""
    found: dict[str, list[Receiver]] = {}
    for name, pipeline in pipelines.items():
        for step in pipeline.steps:
            if isinstance(step, Receive):
                found.setdefault(address(step.source), []).append(Receiver(name, step))
    return found


def trigger(store: Store, pipeline: Pipeline) -> None:
    """Makes a pipeline due that runs when files arrive, if any are ready and no run is to come. The due time is when
    the last of them became ready, so that it is due once for the same files, whoever looks."""
    if pipeline.schedule is None or not pipeline.schedule.arrivals or dues.waits(store, pipeline.name):
        return
    moment = arrivals.newest_ready(store, pipeline.name)
    if moment is not None:
        run = dues.run_id(pipeline.name, moment)
        dues.put(store, [Due(pipeline.name, moment, pipeline.schedule.cause, WAITING, run)])
