"""Commands about releases: release, preflight, releases, diff-release, rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lading.cli.words import F, as_object, asked, json_option, params_option, show

if TYPE_CHECKING:
    from lading.releases import Release

note_option = click.option("--note", default="", metavar="TEXT", help="What has changed and why; kept with it.")


def looking(function: F) -> F:
    """The options of a preflight."""
    for option in (
        click.option("--seconds", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True, metavar="N",
                     help="How long a query may take for a few rows."),
        click.option("--old", multiple=True, metavar="CONNECTION=CONNECTION",
                     help="The connection with the old account of another one: both must give the same rows."),
        click.option("--accept", multiple=True, metavar="TEXT",
                     help="Findings that do not block: 'literals' or 'report:literals'. May be repeated."),
    ):  # fmt: skip
        function = option(function)
    return function


@click.command()
@click.argument("pipeline")
@note_option
@looking
@click.option("--canary", is_flag=True, help="First run what differs beside the live release, into shadows.")
@click.option(
    "--expect",
    multiple=True,
    metavar="TEXT",
    help="With --canary: what may differ, 'report' or 'report.percent'. May be repeated.",
)
@click.option("--keep", is_flag=True, help="With --canary: the shadows stay until the next one.")
@params_option
@json_option
def release(pipeline: str, note: str, params: tuple[str, ...], as_json: bool, **how: Any) -> int:
    """Make a release of the draft of PIPELINE, which runs from then on.

    It holds the pipeline's file and those that its steps name, and never changes. Before it goes live, a preflight
    looks at what would go wrong; what it finds may keep the release from being made, with the exit code 1. With
    --canary, the steps that differ are then carried out as both releases have them, into tables beside the live ones;
    where the tables differ in anything that is not expected, the release does not go live, with the exit code 1.
    """
    from lading import actions_releases, render_preflight
    from lading.render import plural

    canary, expect, keep = how["canary"], how["expect"], how["keep"]
    if (expect or keep) and not canary:
        raise click.UsageError("--expect and --keep belong to --canary.")
    trial = actions_releases.Trial(expect, keep) if canary else None
    made = actions_releases.release(pipeline, note, asked(pipeline, params, draft=True), _wanted(how), trial)
    stopped = made.report is not None and not made.new
    if as_json:
        plain = _plain(made.release) if made.release else {}
        tried = {"stopped": _plain(made.stopped)} if made.stopped else {}
        as_object(plain | tried | {"new": made.new, "preflight": made.report and made.report.model_dump(mode="json")})
        return int(stopped)
    if made.report is not None:
        show(render_preflight.preflight(pipeline), made.report)
        click.echo()
    name = _named(made.release) if made.release else "No release"
    if made.stopped is not None:
        click.echo(f"{_named(made.stopped)} was stopped. {name} stays live.")
        return 1
    if stopped:
        click.echo(f"No release was made. {name} stays live." if made.release else "No release was made.")
        return 1
    if not made.new or made.release is None:
        click.echo(f"Nothing has changed. {name} stays live.")
        return 0
    files = len(made.release.content.files)
    more = f" and {plural(files, 'file')}" if files else ""
    click.echo(f"{name} is live. It holds {pipeline}.yaml{more}.")
    return 0


@click.command()
@click.argument("pipeline")
@looking
@click.option("--release", "number", type=click.IntRange(1), metavar="N", help="Show what was found of a release.")
@params_option
@json_option
def preflight(pipeline: str, number: int | None, params: tuple[str, ...], as_json: bool, **how: Any) -> int:
    """Look at what would go wrong with the draft of PIPELINE.

    Opens each connection with its own account, tries every query, asks for every right. Changes nothing.
    Exit codes: 0 nothing blocks, 1 something does, 2 wrong usage.
    """
    from lading import actions_releases, render_preflight

    if number is None:
        found = actions_releases.preflight(pipeline, asked(pipeline, params, draft=True), _wanted(how))
    else:
        found = actions_releases.found(pipeline, number)
    if as_json:
        as_object(found.model_dump(mode="json"))
    else:
        show(render_preflight.preflight(pipeline), found)
    return int(bool(found.blocks))


@click.command()
@click.argument("pipeline", default="")
@json_option
def releases(pipeline: str, as_json: bool) -> None:
    """List the releases of PIPELINE, or of all, the newest first."""
    from lading import actions_releases, render_releases

    found, now = actions_releases.released(pipeline), actions_releases.live()
    if as_json:
        as_object({"releases": list(actions_releases.shown(found, now))})
    elif found:
        show(render_releases.releases(now), found)
    else:
        click.echo(f"'{pipeline}' has no release." if pipeline else "No pipeline has a release.")


@click.command("diff-release")
@click.argument("pipeline")
@click.argument("left", default="live")
@click.argument("right", default="draft")
@json_option
def diff_release(pipeline: str, left: str, right: str, as_json: bool) -> int:
    """Show what differs between two versions of PIPELINE.

    LEFT and RIGHT are numbers of releases, 'live' or 'draft'.
    Exit codes: 0 nothing, 1 something, 2 wrong usage.
    """
    from lading import actions_releases, render_releases

    found = actions_releases.changes(pipeline, left, right)
    if as_json:
        as_object({"changes": [each._asdict() for each in found]})
    elif found:
        show(render_releases.changes, found)
    else:
        click.echo(f"{left} and {right} are the same.")
    return int(bool(found))


@click.command()
@click.argument("pipeline")
@click.option("--to", type=click.IntRange(1), metavar="N", help="The release to go back to. Default: the one before.")
@note_option
@json_option
def rollback(pipeline: str, to: int | None, note: str, as_json: bool) -> None:
    """Make an earlier release of PIPELINE live again, under a new number.

    Runs that are at work end as they began. Rows that were moved stay where they are.
    """
    from lading import actions_releases

    made = actions_releases.rollback(pipeline, to, note)
    if as_json:
        as_object(_plain(made) | {"new": True})
    else:
        click.echo(f"{_named(made)} is live, with the content of release {made.same_as}.")


def _named(found: Release) -> str:
    from lading.releases import SHORT

    return f"Release {found.number} of {found.pipeline} ({found.hash[:SHORT]})"


def _plain(found: Release) -> dict[str, Any]:
    return found.model_dump(mode="json", exclude={"content"}) | {"files": sorted(found.content.files)}


def _wanted(how: dict[str, Any]) -> Any:
    from lading.actions_releases import Wanted

    pairs = [text.partition("=") for text in how["old"]]
    if not all(name and address for name, _, address in pairs):
        raise click.UsageError("--old takes CONNECTION=CONNECTION, such as crm=crm_old.")
    return Wanted(how["accept"], {name: address for name, _, address in pairs}, how["seconds"])
