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
    """Copy tables from SOURCE to TARGET and prove that they arrived.

    With --json one object is printed, whatever happens. Its state is proved,
    unproved or failed; or cancelled, when Ctrl-C or another command ended it.
    """
    from lading import actions, config, progress

    move = config.move({"source": source, "target": target, **move_words(given)})
    return billed(actions.copy(move, progress.watch(quiet)), as_json)


@click.command()
@click.argument("pipeline")
@click.option("--from", "start", default="", metavar="STEP", help="Run this step and what comes after it.")
@click.option("--resume", default="", metavar="RUN", help="Do what was not done in RUN, which has failed, or 'last'.")
@click.option("--run", "run_id", default="", metavar="ID", help="The run's id; one that has ended is not run again.")
@click.option("--draft", is_flag=True, help="Run the folder's files, although a release is live.")
@click.option("--parallel", type=click.IntRange(1), metavar="N", help="At most so many steps at a time.")
@params_option
@watched
def run(pipeline: str, start: str, run_id: str, params: tuple[str, ...], as_json: bool, **how: Any) -> int:
    """Run the steps of PIPELINE; an interrupted run goes on.

    What runs is the live release, where there is one.
    """
    from lading import actions, actions_releases, progress

    if how["resume"] and (start or run_id):
        raise click.UsageError("Give one of --resume, --from and --run.")
    if not (how["draft"] or how["quiet"] or run_id) and (number := actions_releases.ahead(pipeline)):
        click.echo(f"The draft differs from release {number}, which runs; run the draft with --draft.", err=True)
    given = asked(pipeline, params, how["draft"])
    ways = actions.How(run_id, how["draft"], how["parallel"], how["resume"])
    return billed(actions.run(pipeline, progress.watch(how["quiet"]), given, start, ways), as_json)


@click.command("run-step")
@click.option("--pipeline", default="", help="The pipeline; it runs as its live release, where it has one.")
@click.option("--release", "of", default="", metavar="HASH", help="The release, in place of the pipeline.")
@click.option("--step", required=True, metavar="KEY", help="The step.")
@click.option("--run", "run_id", required=True, metavar="ID", help="The run that it is a part of; new or begun.")
@params_option
def run_step(pipeline: str, of: str, step: str, run_id: str, params: tuple[str, ...]) -> int:
    """Carry out one step of a run: for those who keep the order themselves.

    A JSON object a line on standard output, the last one with 'event' ended and 'code', the exit code: 0 done or
    proved, 1 failed, 3 unproved, 10 skipped, 75 worth trying again, 78 wrong set-up, 130 cancelled.
    """
    from lading.cli.protocol import carried_out

    if not (pipeline or of):
        raise click.UsageError("Give --release or --pipeline.")
    return carried_out((pipeline, of), step, run_id, param_words(params))


@click.command()
@click.argument("run")
def cancel(run: str) -> int:
    """End RUN, which is at work: its id, the beginning of it, or its pipeline.

    Its steps are ended, and their statements where a system can be told to. It can be gone on with later.
    """
    from lading import actions

    found, ended = actions.cancel(run)
    click.echo(f"{found} is cancelled" if ended else f"{found} was told to end, and has not yet")
    return int(not ended)


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
