"""What the store knows of runs and due times, as metrics of Prometheus."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from lading import dues
from lading.attempts import CANARY, RUNNING, at_work
from lading.errors import DataError
from lading.run import lading_version
from lading.store import Store, runs

ENDED = ("proved", "unproved", "failed", "done")
_HELP = {
    "lading_info": "The version of Lading that wrote this.",
    "lading_runs_total": "Runs that have ended, by pipeline and state.",
    "lading_runs_active": "Runs that are at work.",
    "lading_last_run_state": "1 for the state in which the last run ended.",
    "lading_last_run_timestamp_seconds": "When the last run ended.",
    "lading_last_success_timestamp_seconds": "When a run last ended proved or done.",
    "lading_last_run_duration_seconds": "How long the last run took.",
    "lading_last_run_rows": "Rows that the last run moved, as the targets have them.",
    "lading_due_waiting": "Due times that have not begun.",
    "lading_due_age_seconds": "How long ago the oldest due time was that has not ended.",
    "lading_late": "Due times at work or waiting whose deadline is over.",
    "lading_scheduler_heartbeat_timestamp_seconds": "When a scheduler last said that it is at work.",
}


class Sample(NamedTuple):
    """One value of a metric."""

    name: str
    labels: dict[str, str]
    value: float


class Metrics:
    """Reads the store; the bill of a last run only once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._bills: dict[str, tuple[float, int]] = {}

    def text(self, now: datetime) -> str:
        """Prometheus's text, ending with a line's end."""
        found: dict[str, list[Sample]] = {name: [] for name in _HELP}
        for sample in (Sample("lading_info", {"version": lading_version()}, 1), *self._ran(), *self._due(now)):
            found[sample.name].append(sample)
        lines = []
        for name, samples in found.items():
            kind = "counter" if name.endswith("_total") else "gauge"
            if samples:
                lines += [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} {kind}"]
                lines += [f"{name}{_labels(each.labels)} {each.value!r}" for each in samples]
        return "\n".join(lines) + "\n"

    def write(self, path: Path, now: datetime) -> None:
        """Writes the text in one piece: who reads the file finds all of it, old or new."""
        text, name = self.text(now), ""
        try:
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
            ) as file:
                name = file.name
                file.write(text)
            os.chmod(name, 0o644)
            os.replace(name, path)
        except OSError as error:
            with suppress(OSError):
                Path(name).unlink()
            raise DataError(
                f"The metrics cannot be written to '{path}': {error.strerror}.", "Check the path."
            ) from error

    def _ran(self) -> Iterator[Sample]:
        """Of pipelines: a candidate beside a live release never runs again, which nobody is to be warned of."""
        own = runs.c.part_of == "", runs.c.pipeline != "", runs.c.pipeline.not_like(CANARY.format("%"))
        count = sa.select(
            runs.c.pipeline, runs.c.state, sa.func.count().label("n"), sa.func.max(runs.c.ended).label("at")
        )
        last: dict[str, list[Any]] = {}
        for row in self.store.rows(count.where(*own, runs.c.state.in_(ENDED)).group_by(runs.c.pipeline, runs.c.state)):
            yield Sample("lading_runs_total", {"pipeline": row.pipeline, "state": row.state}, row.n)
            last.setdefault(row.pipeline, []).append(row)
        active: dict[str, int] = {}
        going = sa.select(runs.c.pipeline, runs.c.state, runs.c.owner, runs.c.beat)
        for row in self.store.rows(going.where(*own, runs.c.state == RUNNING)):
            active[row.pipeline] = active.get(row.pipeline, 0) + at_work(row)
        for pipeline in {*last, *active}:
            yield Sample("lading_runs_active", {"pipeline": pipeline}, active.get(pipeline, 0))
        for pipeline, rows in last.items():
            yield from self._last(pipeline, [row for row in rows if row.at])

    def _last(self, pipeline: str, rows: list[Any]) -> Iterator[Sample]:
        if not rows:
            return
        named, newest = {"pipeline": pipeline}, max(rows, key=lambda row: str(row.at))
        for state in ENDED:
            yield Sample("lading_last_run_state", {**named, "state": state}, int(state == newest.state))
        yield Sample("lading_last_run_timestamp_seconds", named, _seconds(newest.at))
        if good := [row.at for row in rows if row.state in dues.GOOD]:
            yield Sample("lading_last_success_timestamp_seconds", named, _seconds(max(good)))
        seconds, moved = self._bill(pipeline, newest.at)
        yield Sample("lading_last_run_duration_seconds", named, seconds)
        yield Sample("lading_last_run_rows", named, moved)

    def _bill(self, pipeline: str, ended: str) -> tuple[float, int]:
        key = f"{pipeline} {ended}"
        if key not in self._bills:
            self._bills = {known: each for known, each in self._bills.items() if not known.startswith(f"{pipeline} ")}
            here = runs.c.pipeline == pipeline, runs.c.part_of == "", runs.c.ended == ended, runs.c.bill.is_not(None)
            bill: dict[str, Any] = next(
                (json.loads(row.bill) for row in self.store.rows(sa.select(runs.c.bill).where(*here))), {}
            )
            rows = sum(table["rows"]["target"] for table in bill.get("tables", ()))
            self._bills[key] = (float(bill.get("seconds", 0)), rows)
        return self._bills[key]

    def _due(self, now: datetime) -> Iterator[Sample]:
        open_ones: dict[str, list[dues.Due]] = {}
        for each in dues.open_ones(self.store):
            open_ones.setdefault(each.pipeline, []).append(each)
        for pipeline in dues.newest(self.store):
            named, there = {"pipeline": pipeline}, open_ones.get(pipeline, [])
            oldest = min((each.due for each in there), default=now)
            yield Sample("lading_due_waiting", named, sum(each.state == dues.WAITING for each in there))
            yield Sample("lading_due_age_seconds", named, round(max((now - oldest).total_seconds(), 0), 3))
            yield Sample("lading_late", named, sum(each.late == dues.LATE for each in there))
        for beat in dues.beats(self.store):
            host, _, rest = beat.owner.partition(":")
            yield Sample(
                "lading_scheduler_heartbeat_timestamp_seconds", {"host": host, "process": rest.partition(":")[0]},
                _seconds(beat.beat),
            )  # fmt: skip


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _labels(labels: dict[str, str]) -> str:
    def quoted(text: str) -> str:
        return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')

    return "{" + ",".join(f'{name}="{quoted(value)}"' for name, value in labels.items()) + "}" if labels else ""
