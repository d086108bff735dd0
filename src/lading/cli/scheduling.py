"""Commands about time and files: schedule, arrivals, scheduler."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from lading.cli.words import USAGE, as_object, json_option, show


@click.command()
@click.argument("pipeline", default="")
@click.option(
    "--count", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="How many times to show."
)
@json_option
def schedule(pipeline: str, count: int, as_json: bool) -> int:
    """Show when PIPELINE, or every one, is due next, and how the last times ended."""
    from lading import actions_scheduling as actions
    from lading import render_schedule
    from lading.errors import LadingError

    written, before = actions.schedules(pipeline), actions.due(pipeline, count)
    found = {name: each for name, each in written.items() if each and not isinstance(each, LadingError)}
    wrong = [str(each) for each in written.values() if isinstance(each, LadingError)]
    now = datetime.now(UTC)
    if as_json:
        times = [(name, render_schedule.next_due(each, now, count)) for name, each in found.items()]
        following = [{"pipeline": name, "due": [f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in due]} for name, due in times]
        as_object({"next": following, "last": [each._asdict() for each in before], "wrong": wrong})
        return USAGE if wrong else 0
    for each in wrong:
        click.echo(f"error: {each}", err=True)
    if not found and not wrong:
        click.echo(f"'{pipeline}' has no schedule." if pipeline else "No pipeline has a schedule.")
    elif pipeline and found:
        show(render_schedule.times(now, count), found[pipeline])
    elif found:
        show(render_schedule.schedules(now), found)
    if before:
        click.echo()
        show(render_schedule.last, before)
    return USAGE if wrong else 0


@click.command()
@click.argument("pipeline", default="")
@click.option("--look", is_flag=True, help="Look for files of PIPELINE first.")
@click.option(
    "--count", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="How many files to show."
)
@json_option
def arrivals(pipeline: str, look: bool, count: int, as_json: bool) -> int:
    """Show the files that have arrived for PIPELINE, or for all, and their state."""
    from lading import actions_arrivals, render_arrivals

    if look and not pipeline:
        raise click.UsageError("--look needs the name of a pipeline.")
    ready = actions_arrivals.look(pipeline) if look else {}
    counts, found = actions_arrivals.arrived(pipeline, count)
    if as_json:
        as_object({"ready": ready, "counts": counts, "arrivals": [each._asdict() for each in found]})
        return 0
    for place, number in ready.items():
        click.echo(f"{place}: {number:,} more {'file is' if number == 1 else 'files are'} ready")
    if not found:
        click.echo("No file has arrived.")
        return 0
    if ready:
        click.echo()
    show(render_arrivals.arrived, (counts, found))
    return 0


@click.command()
@click.option(
    "--jobs", type=click.IntRange(1), metavar="N", help="At most so many runs at a time. Default: the number of cores."
)
@click.option("--once", is_flag=True, help="Run what is due now, then end.")
@click.option("--metrics", type=click.Path(path_type=Path, dir_okay=False), help="Write metrics for Prometheus to it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def scheduler(jobs: int | None, once: bool, metrics: Path | None, as_json: bool) -> int:
    """Run pipelines when they are due, until it is interrupted.

    Several may run at once, on one store; each due time is run once.
    """
    from lading import actions_scheduling as actions

    failed = False

    def say(word: str, pipeline: str, text: str) -> None:
        nonlocal failed
        failed |= word in ("failed", "error")
        line: dict[str, Any] = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "event": word}
        line |= {"pipeline": pipeline, "says": text}
        click.echo(_json(line) if as_json else f"{line['at']}  {word:8}  {pipeline}{'  ' if pipeline else ''}{text}")

    actions.schedule(say, jobs, once, metrics)
    return int(failed)


@click.command()
@click.option("--to", type=click.Path(path_type=Path, dir_okay=False), help="Write them to this file, in one piece.")
def metrics(to: Path | None) -> None:
    """Show what is known of runs and due times, as Prometheus reads it."""
    from lading import actions_watching

    text = actions_watching.metrics(to)
    if to is None:
        click.echo(text, nl=False)


def _json(line: dict[str, Any]) -> str:
    import json

    return json.dumps(line, ensure_ascii=False)
