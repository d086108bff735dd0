"""What a person can do to run pipelines when they are due, one function a thing."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path

from lading import config, drafting, dueruns, dues, releases, releasing, scheduler, widths
from lading.actions import kept_store, store
from lading.dueruns import FAILED
from lading.dues import LATE, SOON, Due
from lading.errors import LadingError, SpecError
from lading.metrics import Metrics
from lading.poller import Poller
from lading.steps import notify
from lading.timetable import Receiving, Timetable, Written
from lading.written import near

_TITLES = {SOON: "late soon"}
"""What is said in place of a word."""


def schedule(
    say: Callable[[str, str, str], None], jobs: int | None = None, once: bool = False, metrics: Path | None = None
) -> None:  # fmt: skip
    """Runs pipelines when they are due, at most so many at a time, until it is interrupted; with `once`, only what is
    due now. Tells a word, a pipeline and a line of whatever happens, and writes its `metrics` to a file."""
    folder = config.project() or Path.cwd()

    def warn(word: str, name: str, text: str) -> None:
        messages.submit(_warned, word, name, text, say)

    with store() as ledger, ThreadPoolExecutor(1) as messages:  # the loop does not wait for a channel, but at its end
        timetable = Timetable(lambda name, error: say("error", name, str(error)), ledger)
        timetable()  # outside a project, it says so and ends
        widths.checked(ledger)
        files = Poller(ledger, Receiving(timetable, ledger), config.resolve, say, warn)
        sampled = Metrics(ledger)
        doors = scheduler.Doors(
            timetable, lambda name: config.resolve(name)[1].address(),
            lambda due: dueruns.Process(due, folder, config.logs()), say, warn,
            lambda now: sampled.write(metrics, now) if metrics else None,
        )  # fmt: skip
        loop = scheduler.Scheduler(ledger, doors, jobs or os.cpu_count() or 1)
        if once:
            wait(files.begin(datetime.now(UTC), once))
            loop.run(once)
            return
        with files.running():
            loop.run()


def _warned(word: str, pipeline: str, text: str, say: Callable[[str, str, str], None]) -> None:
    """Tells the channels of a pipeline's steps `notify` what none of its runs can: that it failed without a bill, or is
    late, or soon will be."""
    try:
        with store() as ledger:
            live = releasing.kept(releases.live(ledger, pipeline))
        file = live.file if live else config.pipeline_file(pipeline)
        title = file.value.get("title") or pipeline
        for step in drafting.telling(file):
            if (FAILED if word == FAILED else LATE) in step.when:
                notify.tell(step, f"{title}: {_TITLES.get(word, word)}", [text])
    except LadingError as error:
        say("error", pipeline, str(error))


def schedules(pipeline: str = "") -> dict[str, Written]:
    """What is written of the schedules of a pipeline, or of all: a schedule, none, or what is wrong with it."""
    with kept_store(named=False) as ledger:
        found = Timetable(lambda _name, _error: None, ledger)()
    if pipeline and pipeline not in found:
        raise SpecError(f"There is no pipeline '{pipeline}'.", near(pipeline, found))
    return {name: each for name, each in found.items() if pipeline in ("", name)}


def due(pipeline: str = "", limit: int = 10) -> list[Due]:
    """The last due times of a pipeline, or of all, and what became of them, the newest first."""
    with kept_store(named=False) as ledger:
        return dues.of(ledger, pipeline, limit)
