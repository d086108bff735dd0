"""Commands that look at systems, projects and what is kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from lading.cli.words import FILE, as_object, billed, json_option, page_file, param_words, params_option, show, watched


@click.command()
@click.argument("address")
@json_option
def discover(address: str, as_json: bool) -> None:
    """List tables; the columns of one: NAME.TABLE or URL#TABLE."""
    from lading import actions, config, render

    found = actions.discover(address)
    if as_json:
        as_object({"tables": [table.model_dump(mode="json") for table in found]})
    elif not found:
        click.echo("There are no tables that this account may see.")
    elif config.split_table(address)[1]:
        for table in found:
            show(render.columns, table)
    else:
        show(render.tables, found)


@click.command()
@click.argument("address")
def check(address: str) -> None:
    """Open ADDRESS and try what Lading needs there."""
    from lading import actions

    click.echo(actions.check(address))


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Look at what may keep Lading from working here, and what to do about it.

    Exit codes: 0 all is well, 1 something is wrong, 3 something may go wrong.
    """
    from lading import actions_watching, render_doctor
    from lading.doctor import ERROR, WARN, worst

    found = actions_watching.doctor()
    if as_json:
        as_object({"findings": [each._asdict() for each in found]})
    else:
        show(render_doctor.findings, found)
    return {ERROR: 1, WARN: 3}.get(worst(found), 0)


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> None:
    """Make a project: connections.yaml and pipelines/."""
    from lading import actions

    for path in actions.init(folder):
        click.echo(f"made {path}")
    click.echo("Next: lading connect NAME URL")


@click.command()
@click.argument("name")
@click.argument("url", default="")
def connect(name: str, url: str) -> None:
    """Add a connection to connections.yaml, without its password.

    On a terminal, URL is asked for where it is left out.
    """
    from lading import actions

    if not url and sys.stdin.isatty():
        url = click.prompt("Its address, such as postgresql://me@host/crm", err=True)
    if not url:
        raise click.UsageError("Missing argument 'URL', such as postgresql://me@host/crm.")
    path, variable, missing = actions.connect(name, url)
    click.echo(f"'{name}' is in {path.name}")
    if missing:
        click.echo(f"{missing} is not there. Correct the path, unless it is yet to be made.")
        return
    if variable:
        click.echo(f"Its password is not: set the environment variable {variable}.")
    click.echo(f"Next: lading check {name}")


@click.command()
@click.argument("pipeline", default="")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many runs, or lines.")
@click.option("--trend", is_flag=True, help="A line per table: verdicts, counts and seconds, diffs too.")
@json_option
def history(pipeline: str, limit: int, trend: bool, as_json: bool) -> None:
    """List the newest runs, of PIPELINE or of all, ended or not."""
    from lading import actions, render, render_diff

    found: Any = actions.trend(pipeline, limit) if trend else actions.history(limit, pipeline)
    others: list[Any] = [] if trend else actions.unfinished(limit, pipeline)
    if pipeline and not (found or others):
        actions.refuse_strange(pipeline)
    if as_json:
        told = {"lines" if trend else "runs": found} | ({} if trend else {"unfinished": others})
        as_object({name: [each.model_dump(mode="json") for each in some] for name, some in told.items()})
    elif trend and found:
        show(render_diff.trend, found)
    elif found or others:
        show(render.history, sorted([*found, *others], key=lambda each: each.started, reverse=True)[:limit])
    else:
        of = f" of '{pipeline}'" if pipeline else ""
        click.echo(f"There are no runs{of} yet.")


@click.command()
@click.argument("run", default="last")
@click.option("--html", type=FILE, callback=page_file, help="Write it to this file as one HTML page.")
@json_option
def bill(run: str, html: Path | None, as_json: bool) -> None:
    """Show the bill of RUN: the beginning of its id, or 'last'."""
    from lading import actions, page, render

    found = actions.bill(run)
    if html:
        html.write_text(page.bill_page(found), encoding="utf-8")
        click.echo(f"{found.run} is in {html}", err=as_json)
    if as_json:
        as_object(found.model_dump(mode="json"))
    elif not html:
        show(render.bill, found)


@click.command("open")
@click.argument("pipeline")
@click.argument("step")
@click.option("--run", "run_id", default="", metavar="ID", help="As that run had the step: its release.")
@click.option("--rows", default=100_000, show_default=True, metavar="N", help="At most so many rows of a table.")
@click.option("--save", is_flag=True, help="Put what was changed in the notebook into the draft, and show the diff.")
@params_option
def open_step(pipeline: str, step: str, run_id: str, rows: int, save: bool, params: tuple[str, ...]) -> None:
    """Work on STEP of PIPELINE here, in a notebook with its tables in DuckDB.

    It is compared with what is in production; nothing there is changed.
    """
    from lading import actions_opening

    if save:
        click.echo(actions_opening.save_step(pipeline, step, param_words(params)) or "Nothing was changed.")
        return
    path, found = actions_opening.open_step(pipeline, step, run_id, rows, param_words(params))
    for kept in [*found.inputs.values(), *([found.output] if found.output else [])]:
        masked = f", masked: {', '.join(kept.masked)}" if kept.masked else ""
        click.echo(f"{kept.rows:>12,} rows{'' if kept.whole else ' of more'}  {kept.name}{masked}")
    click.echo(f"{path}\n{path.with_suffix('.ipynb')}\nSave: lading open {pipeline} {step} --save")


@click.command()
@click.argument("run", default="last")
@click.argument("step", default="")
@click.option("--follow", is_flag=True, help="Go on until the run is over.")
def log(run: str, step: str, follow: bool) -> None:
    """Show the logs of RUN, or of one STEP of it, also while they are written.

    RUN is the beginning of its id, or 'last'.
    """
    from lading import actions_watching

    before = ""
    for name, line in actions_watching.log(run, step, follow):
        if not step and name != before:
            title = "the process" if name == "_run" else name
            click.echo(f"{'' if not before else chr(10)}{click.style(title, bold=True)}")
            before = name
        click.echo(line if step else f"  {line}")


@click.command()
@click.argument("run", default="last")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def rejects(run: str, as_json: bool) -> None:
    """List the rows that the targets of RUN refused, with the reasons."""
    from lading import actions, render

    some = False
    for reject in actions.rejects(run):
        some = True
        if as_json:
            click.echo(reject.model_dump_json())
        else:
            show(render.reject, reject)
    if not some and not as_json:
        click.echo("No row was refused.")


@click.command()
@click.argument("pipeline")
@json_option
def explain(pipeline: str, as_json: bool) -> None:
    """Show every option of PIPELINE and where its value comes from."""
    from lading import actions, render_options

    found = actions.explain(pipeline)
    if as_json:
        as_object({"options": [option._asdict() for option in found]})
    else:
        show(render_options.options, found)


@click.command()
@click.argument("kind", required=False)
@json_option
def describe(kind: str | None, as_json: bool) -> None:
    """List the kinds of connection, or what one KIND takes and can."""
    from dataclasses import asdict

    from lading import describe, find, render_options

    if kind is None:
        found = [describe.connector(each) for each in find.kinds()]
        as_object({"kinds": [asdict(each) for each in found]}) if as_json else show(render_options.kinds, found)
    else:
        one = describe.connector(kind)
        as_object(asdict(one)) if as_json else show(render_options.described, one)


@click.command()
@click.option("--folder", default="lading-demo", type=click.Path(path_type=Path, file_okay=False), help="Where.")
@click.option("--scale", default=1.0, show_default=True, help="1 is a million sales.")
@watched
def demo(folder: Path, scale: float, as_json: bool, quiet: bool) -> int:
    """Copy a sample company's database, prove it and report on it."""
    from lading import actions, progress, sample

    if not quiet:
        click.echo(f"Making a sample company's CRM in {folder}/ ...", err=True)
    made, lines = actions.demo(folder, scale, progress.watch(quiet))
    code = billed(made, as_json)
    if not as_json:
        click.echo()
        show(sample.render, lines)
        click.echo(f"\nTry next:\n  lading bill --html bill.html\n  lading discover {folder}/legacy-crm.db")
        click.echo(f"  lading copy {folder}/legacy-crm.db {folder}/again.duckdb --tables sales --proof full")
    return code
