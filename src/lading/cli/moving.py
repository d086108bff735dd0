"""Commands that move rows: copy, run, plan."""

from __future__ import annotations

from typing import Any

import click

from lading.cli.words import (
    USAGE,
    Copy,
    as_object,
    asked,
    billed,
    json_option,
    move_words,
    param_words,
    params_option,
    show,
    watched,
)


@click.command(cls=Copy)
@click.argument("source")
@click.argument("target")
@watched
def copy(source: str, target: str, as_json: bool, quiet: bool, **given: Any) -> int:
    """Copy tables from SOURCE to TARGET and prove that they arrived."""
    from lading import actions, config, progress

    move = config.move({"source": source, "target": target, **move_words(given)})
    return billed(actions.copy(move, progress.watch(quiet)), as_json)


@click.command()
@click.argument("pipeline")
@click.option("--from", "start", default="", metavar="STEP", help="Run this step and what comes after it.")
@params_option
@watched
def run(pipeline: str, start: str, params: tuple[str, ...], as_json: bool, quiet: bool) -> int:
    """Run the steps of PIPELINE; an interrupted run goes on."""
    from lading import actions, progress

    return billed(actions.run(pipeline, progress.watch(quiet), asked(pipeline, params), start), as_json)


@click.command("run-step")
@click.option("--pipeline", required=True, help="The pipeline.")
@click.option("--step", required=True, metavar="KEY", help="The step.")
@click.option("--run", "run_id", required=True, metavar="ID", help="The run that it is a part of; new or begun.")
@params_option
def run_step(pipeline: str, step: str, run_id: str, params: tuple[str, ...]) -> int:
    """Carry out one step of a run: for those who keep the order themselves.

    A JSON object a line on standard output, the last one with 'event' ended and 'code', the exit code: 0 done or
    proved, 1 failed, 3 unproved, 10 skipped, 75 worth trying again, 78 wrong set-up, 130 cancelled.
    """
    from lading.cli.protocol import carried_out

    return carried_out(pipeline, step, run_id, param_words(params))


@click.command()
@click.argument("run")
@click.argument("step")
@click.option("--refuse", is_flag=True, help="Say no: the step fails.")
@click.option("--reason", default="", help="Why; it is kept with the run.")
def approve(run: str, step: str, refuse: bool, reason: str) -> None:
    """Let STEP of RUN go on, which waits for a person."""
    from lading import actions

    who = actions.approve(run, step, not refuse, reason)
    click.echo(f"{'refused' if refuse else 'approved'} by {who}")


@click.command(cls=Copy)
@click.argument("addresses", nargs=-1, required=True, metavar="PIPELINE | SOURCE TARGET")
@params_option
@click.option("--canary", is_flag=True, help="Send a row of the greatest values to the target, and undo it.")
@json_option
def plan(addresses: tuple[str, ...], params: tuple[str, ...], canary: bool, as_json: bool, **given: Any) -> int:
    """Show what a pipeline or a copy would do. Changes nothing."""
    from lading import actions, config, render, render_options

    words, steps = move_words(given), list[Any]()
    if len(addresses) == 1 and not words:
        steps = list(config.pipeline(addresses[0], param_words(params)).order)
        plans = actions.plan(addresses[0], canary, param_words(params))
    elif len(addresses) == 2:
        move = config.move({"source": addresses[0], "target": addresses[1], **words})
        plans = [actions.plan_move(move, canary=canary)]
    else:
        raise click.UsageError("Give the name of a pipeline, or SOURCE and TARGET with options.")
    if as_json:
        named = {"steps": [{"key": s.key, "do": s.do, "after": s.after} for s in steps]} if steps else {}
        as_object({"plans": [each.model_dump(mode="json") for each in plans], **named})
    else:
        if len(steps) > 1:
            show(render_options.steps, steps)
            click.echo("", nl=bool(plans))
        for number, each in enumerate(plans):
            click.echo("", nl=number > 0)
            show(render.plan, each)
    if any(each.problems for each in plans):
        return USAGE
    lost = ("cut", "changed", "refused")
    return int(any(arrival.outcome in lost for each in plans for task in each.tasks for arrival in task.arrivals))
