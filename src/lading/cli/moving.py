"""Commands that move rows: copy, run, plan."""

from __future__ import annotations

from typing import Any

import click

from lading.cli.words import USAGE, Copy, as_object, billed, json_option, move_words, show, watched


@click.command(cls=Copy)
@click.argument("source")
@click.argument("target")
@watched
def copy(source: str, target: str, as_json: bool, quiet: bool, **given: Any) -> int:
    """Copy tables from SOURCE to TARGET and prove that they arrived."""
    from lading import actions, config, progress

    move = config.move({"source": source, "target": target, **move_words(given)})
    return billed([actions.copy(move, progress.watch(quiet))], as_json)


@click.command()
@click.argument("pipeline")
@watched
def run(pipeline: str, as_json: bool, quiet: bool) -> int:
    """Run the steps of PIPELINE, in order."""
    from lading import actions, progress

    return billed(actions.run(pipeline, progress.watch(quiet)), as_json)


@click.command(cls=Copy)
@click.argument("addresses", nargs=-1, required=True, metavar="PIPELINE | SOURCE TARGET")
@click.option("--canary", is_flag=True, help="Send a row of the greatest values to the target, and undo it.")
@json_option
def plan(addresses: tuple[str, ...], canary: bool, as_json: bool, **given: Any) -> int:
    """Show what a pipeline or a copy would do. Changes nothing."""
    from lading import actions, config, render

    words = move_words(given)
    if len(addresses) == 1 and not words:
        plans = actions.plan(addresses[0], canary)
    elif len(addresses) == 2:
        move = config.move({"source": addresses[0], "target": addresses[1], **words})
        plans = [actions.plan_move(move, canary=canary)]
    else:
        raise click.UsageError("Give the name of a pipeline, or SOURCE and TARGET with options.")
    if as_json:
        as_object({"plans": [each.model_dump(mode="json") for each in plans]})
    else:
        for number, each in enumerate(plans):
            click.echo("", nl=number > 0)
            show(render.plan, each)
    if any(each.problems for each in plans):
        return USAGE
    lost = ("cut", "changed", "refused")
    return int(any(arrival.outcome in lost for each in plans for task in each.tasks for arrival in task.arrivals))
