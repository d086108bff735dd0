"""The command backfill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from lading.cli.words import EXITS, as_object, param_words, params_option, show, watched


@click.command()
@click.argument("pipeline")
@click.option("--from", "first", required=True, metavar="DATE", help="The first day, on the schedule's clock.")
@click.option("--to", "last", required=True, metavar="DATE", help="The last day.")
@click.option("--again", is_flag=True, help="Also run what had a run that was proved, unproved or done.")
@click.option(
    "--parallel", type=click.IntRange(1), default=1, metavar="N", help="At most so many runs at a time. Default: 1."
)
@click.option("--go-on", is_flag=True, help="Go on with the next one after a run that failed.")
@click.option("--dry-run", "dry", is_flag=True, help="Only show what was due, and what would be run.")
@params_option
@watched
def backfill(pipeline: str, params: tuple[str, ...], as_json: bool, quiet: bool, **how: Any) -> int:
    """Run PIPELINE for every time that it was due from one day to another.

    Each has one run, the oldest first. What was over before is left out. Where no cron says when it is due, it is the
    beginning of each day. When it was cut off, the same command goes on.
    """
    from lading import actions_backfilling, render_backfill

    wanted = actions_backfilling.Wanted(given=param_words(params), **how)
    with _told(quiet or wanted.dry) as say:
        found = actions_backfilling.backfill(pipeline, wanted, say)
    if as_json:
        as_object(actions_backfilling.plain(found))
    else:
        show(render_backfill.asked if wanted.dry else render_backfill.filled, (found.zone, found.lines))
    return 0 if wanted.dry else {**EXITS, "cancelled": 130}[found.state]


@contextmanager
def _told(quiet: bool) -> Iterator[Callable[[str, str, str], None]]:
    """Tells what happens: on a terminal in one line, which is gone afterwards, elsewhere in a line each."""
    from rich.text import Text

    from lading import render

    console = render.console(stderr=True)
    if quiet:
        yield lambda *_: None
    elif not console.is_terminal:
        yield lambda word, _name, text: click.echo(f"{word:8}  {text}", err=True)
    else:
        with console.status("") as status:
            over = 0

            def say(word: str, _name: str, text: str) -> None:
                nonlocal over
                over += word not in ("began", "again", "error")
                status.update(Text(f"{over:,} over  {word} {text}"))

            yield say
