"""What a person can do about files that arrive: look for them, and see what became of them."""

from __future__ import annotations

from lading import arrivals, config, lookout, releasing
from lading.actions import kept_store, store
from lading.arrivals import Arrival
from lading.dropfolder import DropFolder
from lading.poller import grouped


def look(pipeline: str) -> dict[str, int]:
    """Looks once for the files that a pipeline receives; returns how many became ready, by connection."""
    ready = {}
    with store() as ledger:
        found = config.pipeline(pipeline, kept=releasing.kept(releasing.pinned(ledger, pipeline, "", False)))
        for place, receivers in grouped({found.name: found}).items():
            with DropFolder(*config.resolve(place)) as drop:
                ready[place] = sum(lookout.look(ledger, drop, receivers).ready.values())
                for each in receivers:
                    lookout.tidy(ledger, drop, each)
    return ready


def arrived(pipeline: str = "", limit: int = 20) -> tuple[dict[str, int], list[Arrival]]:
    """How many files of each state have arrived for a pipeline, or for all, and the newest of them."""
    if pipeline:
        config.pipeline_file(pipeline)
    with kept_store() as ledger:
        return arrivals.counts(ledger, pipeline), arrivals.newest(ledger, pipeline, limit)
