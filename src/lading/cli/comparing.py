"""Commands that compare: diff."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lading.cli.words import as_object, move_words, option, show, watched

EXITS = {"equal": 0, "different": 1, "inconclusive": 3}
PLACES = ("tables", "into")


class Compare(click.Command):
    """A command whose options are those of a comparison."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        from lading import describe
        from lading.compare import Asked
        from lading.spec import Move

        own = super().get_params(ctx)
        rows = [row for row in describe.rows(Move) if row.field in PLACES] + list(describe.rows(Asked))
        return [*own[:-1], *map(option, rows), own[-1]]


@click.command(cls=Compare)
@click.argument("left")
@click.argument("right")
@click.option(
    "--export", type=click.Path(path_type=Path, dir_okay=False), help="Write every difference: .parquet, .csv."
)
@watched
def diff(left: str, right: str, export: Path | None, as_json: bool, quiet: bool, **given: Any) -> int:
    """Compare tables of LEFT with those of RIGHT, whoever loaded them.

    LEFT is the source: its values are brought to narrower types of RIGHT, and counted where that changes them.
    Exit codes: 0 equal, 1 different, 2 wrong usage, 3 inconclusive.
    """
    from lading import actions, config, progress, render_diff

    move, asked = config.comparison(left, right, move_words(given))
    found = actions.diff(move, asked, progress.watch(quiet), export)
    if as_json:
        as_object(found.model_dump(mode="json"))
    else:
        show(render_diff.diff, found)
    return EXITS[found.verdict]
