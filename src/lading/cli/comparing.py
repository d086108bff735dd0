"""Commands that compare: diff, prove, repair."""

from __future__ import annotations

from typing import Any

import click

from lading.cli.words import (
    FILE,
    as_object,
    heard,
    move_words,
    option,
    page_file,
    page_written,
    show,
    watched,
    writable,
)

EXITS = {"equal": 0, "different": 1, "inconclusive": 3}
PLACES = ("tables", "into")
KEPT = {"marks"}
"""What a diff is kept with, and does not show: it holds values, maybe of columns that are not to be seen."""


class Verdicts(click.Command):
    """A command whose exit code 1 says that something differs: where nothing was compared, it is another."""

    def invoke(self, ctx: click.Context) -> Any:
        from lading import errors

        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except (errors.SpecError, errors.Unsupported):
            raise
        except errors.LadingError as error:
            error.code = error.code or EXITS["inconclusive"]
            raise
        except Exception as error:  # whose code nobody could give
            found = errors.refused(error) if isinstance(error, OSError) else errors.fault(error)
            found.code = EXITS["inconclusive"]
            raise found from error


class Compare(Verdicts):
    """A command whose options are those of a comparison."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        from dataclasses import replace

        from lading import describe
        from lading.compare import Asked
        from lading.spec import Move

        own = super().get_params(ctx)
        places = [row for row in describe.rows(Move) if row.field in PLACES and self.name == "diff"]
        places = [replace(row, help=row.help.replace("to move", "to compare")) for row in places]
        rows = [*places, *describe.rows(Asked)]
        return [*own[:-1], *map(option, rows), own[-1]]


@click.command(cls=Compare)
@click.argument("left")
@click.argument("right")
@click.option("--export", type=FILE, callback=writable, help="Write every difference: .parquet, .csv.")
@click.option("--html", type=FILE, callback=page_file, help="Write it to this file as one HTML page.")
@watched
def diff(left: str, right: str, as_json: bool, quiet: bool, **given: Any) -> int:
    """Compare tables of LEFT with those of RIGHT, whoever loaded them.

    LEFT is the source: its values are brought to narrower types of RIGHT, and counted where that changes them.
    Exit codes: 0 equal, 1 different, 2 wrong usage, 3 inconclusive, also when a system does not answer.
    """
    from lading import actions, config, page_diff, progress, render_diff

    export, html = given.pop("export"), given.pop("html")
    words = move_words(given)
    places = {name: words.pop(name) for name in PLACES if name in words}
    move = config.move({"source": left, "target": right, **places})
    found = actions.diff(move, config.asked(words), progress.watch(quiet), export)
    if as_json:
        as_object(found.model_dump(mode="json", exclude=KEPT))
    else:
        show(render_diff.diff, found)
    written = not html or page_written(html, page_diff.diff_page(found))
    return _exit(found) or (0 if written else EXITS["inconclusive"])


def _exit(found: Any) -> int:
    """What could not be recorded or exported as it was asked for is not all that was asked for."""
    return EXITS[found.verdict] or (EXITS["inconclusive"] if found.unrecorded or found.unexported else 0)


@click.command(cls=Compare)
@click.argument("pipeline")
@click.option("--export", type=FILE, callback=writable, help="Write every difference: .parquet, .csv.")
@watched
def prove(pipeline: str, as_json: bool, quiet: bool, **given: Any) -> int:
    """Compare the tables of PIPELINE with their sources, as both are now.

    Where a step has 'since', rows beyond the last value that a run has seen are on their way and no difference.
    Exit codes: 0 equal, 1 different, 2 wrong usage, 3 inconclusive, also when a system does not answer.
    """
    from lading import actions, config, progress, render_diff

    export = given.pop("export")
    found = actions.prove(pipeline, config.asked(move_words(given)), progress.watch(quiet), export)
    if as_json:
        as_object({"diffs": [each.model_dump(mode="json", exclude=KEPT) for each in found]})
    else:
        for number, each in enumerate(found):
            with heard():
                click.echo("", nl=number > 0)
            show(render_diff.diff, each)
    return max(map(_exit, found), key=(0, 3, 1).index, default=3)


@click.command(cls=Verdicts)
@click.argument("run", default="last")
@click.option("--apply", is_flag=True, help="Do it; without this, only say what would be done.")
@click.option("--deletes", is_flag=True, help="Also delete rows that only the target has.")
@click.option("--accept", multiple=True, metavar="TEXT", help="Losses to accept. May be repeated.")
@click.option("--source", default="", help="The source, where its address lacks a password.")
@click.option("--target", default="", help="The target, likewise.")
@watched
def repair(run: str, as_json: bool, quiet: bool, **given: Any) -> int:
    """Copy exactly the rows again that differ, of the tables of RUN, and prove them.

    RUN is a run or a diff: the beginning of its id, or 'last'.
    Exit codes: 0 equal now, 1 different, 2 wrong usage, 3 inconclusive, also when a system does not answer.
    """
    from lading import actions_repairing, progress, render_diff

    found = actions_repairing.repair(run, actions_repairing.mending(given), progress.watch(quiet))
    if as_json:
        as_object(found.model_dump(mode="json"))
    else:
        show(render_diff.repair, found)
    return EXITS[found.verdict]
