"""Words to actions: the command line."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lading.errors import LadingError

# Whatever takes time to import is imported inside the commands, so that --help answers at once.

F = TypeVar("F", bound=Callable[..., Any])
EXITS = {"proved": 0, "failed": 1, "unproved": 3}
USAGE = 2
NOT_OPTIONS = ("key", "do", "source", "target")
"""Fields of a move that are no options of 'lading copy'."""


def main() -> None:
    """Runs what the command line says and exits with 0, 1, 2, 3, or 130 when it is interrupted."""
    signals: list[int] = []

    def stop(number: int, _frame: object) -> None:
        signals.append(number)  # a library may turn the interruption into an error of its own
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = lading.main(prog_name="lading", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        signals.append(signal.SIGINT)
    except click.ClickException as error:
        hint = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "lading"
        _say("error: ", error.format_message(), f"See '{hint} --help'.")
        code = USAGE
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        code = 0
    except Exception as error:  # noqa: BLE001 - the outer door: nothing leaves it as a traceback
        code = 1 if signals else _failed(error)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signals:
        _say("interrupted", "", f"Run the same command again; it goes on from what is staged: {_command()}")
        code = 128 + signals[0]
    raise SystemExit(code if isinstance(code, int) else 0)


def _failed(error: Exception) -> int:
    from lading import config, errors

    if config.debugging():
        raise error
    if not isinstance(error, errors.LadingError):
        error = errors.Bug(f"{type(error).__name__}: {error}")
    if isinstance(error, errors.Bug):
        fix = "This is a fault of Lading. Report it, with what the command prints when LADING_DEBUG=1 is set."
        error = errors.Bug(error.what, fix)
    _say("error: ", error.what, error.fix)
    if "--json" in sys.argv:
        _object({"run": None, "state": "failed", "seconds": 0, "tables": [], "error": _plain(error)})
    return USAGE if isinstance(error, errors.SpecError | errors.Unsupported) else 1


def _plain(error: LadingError) -> dict[str, str]:
    from lading.errors import masked

    return {"kind": error.kind, "what": masked(error.what), "fix": masked(error.fix)}


def _say(word: str, what: str, fix: str) -> None:
    from lading.errors import masked

    click.echo(masked(f"{word}{what}"), err=True)
    for line in fix.splitlines():
        click.echo(masked(f"  {line}"), err=True)


def _command() -> str:
    return shlex.join(["lading", *sys.argv[1:]])


def _object(value: Any) -> None:
    import json

    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _show(draw: Callable[..., RenderableType], found: Any) -> None:
    from rich.console import Console

    console = Console()
    width = min(console.width, 140)
    console.print(draw(found, width), highlight=False, width=width)


class Copy(click.Command):
    """A command whose options are the fields of a move."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        return [*own[:-1], *_move_options(), own[-1]]


def _move_options() -> list[click.Parameter]:
    from lading import describe
    from lading.spec import Move

    return [_option(row) for row in describe.rows(Move) if row.field not in NOT_OPTIONS]


def _option(row: Any) -> click.Option:
    several = row.many or "map" in row.kind
    default = f" Default: {row.shown}." if row.shown and row.kind != "yes or no" else ""
    more = " May be repeated." if row.many else " Also SOURCE=TARGET, repeated." if several else ""
    metavar = "|".join(row.choices) or {"whole number, 0 or more": "NUMBER"}.get(row.kind, "TEXT")
    flag = row.kind == "yes or no"
    settings: dict[str, Any] = {"is_flag": True, "default": None} if flag else {"multiple": several, "metavar": metavar}
    return click.Option([f"--{row.field.replace('_', '-')}", row.field], help=f"{row.help}{more}{default}", **settings)


def _words(given: dict[str, Any]) -> dict[str, Any]:
    """What was given of a move's options, as a move takes it."""
    words = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    words = {name: value for name, value in words.items() if value not in (None, [])}
    if "into" in words:
        pairs = [text.partition("=") for text in words["into"]]
        mapped = {name: target for name, sign, target in pairs if sign}
        if mapped and len(mapped) < len(pairs):
            raise click.UsageError("--into takes one schema, or only SOURCE=TARGET.")
        words["into"] = mapped or words["into"][-1]
    return words


def _watched(function: F) -> F:
    function = click.option("--quiet", is_flag=True, help="No progress.")(function)
    return click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")(function)


def _json(function: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")(function)


def _version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"lading {version('lading')}")
        ctx.exit()


class InOrder(click.Group):
    """Commands are listed as a person meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print it.")
def lading() -> None:
    """Moves an enterprise's data and proves that it arrived.

    An address is the name of a connection, a URL such as postgresql://me@host/crm, or a file.
    Exit codes: 0 proved, 1 failed, 2 wrong usage or specification, 3 unproved, 130 interrupted.
    """


@lading.command(cls=Copy)
@click.argument("source")
@click.argument("target")
@_watched
def copy(source: str, target: str, as_json: bool, quiet: bool, **given: Any) -> int:
    """Copy tables from SOURCE to TARGET and prove that they arrived."""
    from lading import actions, config, progress

    move = config.move({"source": source, "target": target, **_words(given)})
    return _billed([actions.copy(move, progress.watch(quiet))], as_json)


@lading.command()
@click.argument("pipeline")
@_watched
def run(pipeline: str, as_json: bool, quiet: bool) -> int:
    """Run the steps of PIPELINE, in order."""
    from lading import actions, progress

    return _billed(actions.run(pipeline, progress.watch(quiet)), as_json)


def _billed(bills: Sequence[Any], as_json: bool) -> int:
    """Shows the bills and returns the exit code of the worst."""
    from lading import render

    states = [str(bill.state) for bill in bills]
    worst = next((state for state in ("failed", "unproved", "proved") if state in states), "unproved")
    if as_json:
        plain = [bill.model_dump(mode="json") for bill in bills]
        several = {
            "run": plain[-1]["run"], "state": worst, "seconds": sum(bill["seconds"] for bill in plain),
            "tables": [table for bill in plain for table in bill["tables"]], "runs": plain,
        } if len(plain) != 1 else plain[0]  # fmt: skip
        _object(several)
    else:
        for number, bill in enumerate(bills):
            click.echo("", nl=number > 0)
            _show(render.bill, bill)
    return EXITS[worst]


@lading.command(cls=Copy)
@click.argument("addresses", nargs=-1, required=True, metavar="PIPELINE | SOURCE TARGET")
@_json
def plan(addresses: tuple[str, ...], as_json: bool, **given: Any) -> int:
    """Show what a pipeline or a copy would do. Changes nothing."""
    from lading import actions, config, render

    words = _words(given)
    if len(addresses) == 1 and not words:
        plans = actions.plan(addresses[0])
    elif len(addresses) == 2:
        plans = [actions.plan_move(config.move({"source": addresses[0], "target": addresses[1], **words}))]
    else:
        raise click.UsageError("Give the name of a pipeline, or SOURCE and TARGET with options.")
    if as_json:
        _object({"plans": [each.model_dump(mode="json") for each in plans]})
    else:
        for number, each in enumerate(plans):
            click.echo("", nl=number > 0)
            _show(render.plan, each)
    return USAGE if any(each.problems for each in plans) else 0


@lading.command()
@click.argument("address")
@_json
def discover(address: str, as_json: bool) -> None:
    """List tables; the columns of one: NAME.TABLE or URL#TABLE."""
    from lading import actions, config, render

    found = actions.discover(address)
    if as_json:
        _object({"tables": [table.model_dump(mode="json") for table in found]})
    elif config.split_table(address)[1]:
        for table in found:
            _show(render.columns, table)
    else:
        _show(render.tables, found)


@lading.command()
@click.argument("address")
def check(address: str) -> None:
    """Open ADDRESS and try what Lading needs there."""
    from lading import actions

    click.echo(actions.check(address))


@lading.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> None:
    """Make a project: connections.yaml and pipelines/."""
    from lading import actions

    for path in actions.init(folder):
        click.echo(f"made {path}")
    click.echo("Next: lading connect NAME URL")


@lading.command()
@click.argument("name")
@click.argument("url")
def connect(name: str, url: str) -> None:
    """Add a connection to connections.yaml, without its password."""
    from lading import actions

    path, variable = actions.connect(name, url)
    click.echo(f"'{name}' is in {path.name}")
    if variable:
        click.echo(f"Its password is not: set the environment variable {variable}.")
    click.echo(f"Next: lading check {name}")


@lading.command()
@click.option("--limit", default=20, show_default=True, help="How many runs.")
@click.option("--pipeline", default="", help="Only runs of this pipeline.")
@_json
def history(limit: int, pipeline: str, as_json: bool) -> None:
    """List the newest runs."""
    from lading import actions, render

    found = actions.history(limit, pipeline)
    if as_json:
        _object({"runs": [bill.model_dump(mode="json") for bill in found]})
    elif found:
        _show(render.history, found)
    else:
        click.echo("There are no runs yet.")


@lading.command()
@click.argument("run", default="last")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file as one HTML page.")
@_json
def bill(run: str, html: Path | None, as_json: bool) -> None:
    """Show the bill of RUN: the beginning of its id, or 'last'."""
    from lading import actions, page, render

    found = actions.bill(run)
    if html:
        html.write_text(page.bill_page(found), encoding="utf-8")
        click.echo(f"{found.run} is in {html}", err=as_json)
    if as_json:
        _object(found.model_dump(mode="json"))
    elif not html:
        _show(render.bill, found)


@lading.command()
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
            _show(render.reject, reject)
    if not some and not as_json:
        click.echo("No row was refused.")


@lading.command()
@click.argument("pipeline")
@_json
def explain(pipeline: str, as_json: bool) -> None:
    """Show every option of PIPELINE and where its value comes from."""
    from lading import actions, render

    found = actions.explain(pipeline)
    if as_json:
        _object({"options": [option._asdict() for option in found]})
    else:
        _show(render.options, found)


@lading.command()
@click.argument("kind", required=False)
@_json
def describe(kind: str | None, as_json: bool) -> None:
    """List the kinds of connection, or what one KIND takes and can."""
    from dataclasses import asdict

    from lading import describe, find, render

    if kind is None:
        found = [describe.connector(each) for each in find.kinds()]
        _object({"kinds": [asdict(each) for each in found]}) if as_json else _show(render.kinds, found)
    else:
        one = describe.connector(kind)
        _object(asdict(one)) if as_json else _show(render.described, one)


@lading.command()
@click.option("--folder", default="lading-demo", type=click.Path(path_type=Path, file_okay=False), help="Where.")
@click.option("--scale", default=1.0, show_default=True, help="1 is a million sales.")
@_watched
def demo(folder: Path, scale: float, as_json: bool, quiet: bool) -> int:
    """Copy a sample company's database, prove it and report on it."""
    from lading import actions, progress, sample

    if not quiet:
        click.echo(f"Making a sample company's CRM in {folder}/ ...", err=True)
    made, lines = actions.demo(folder, scale, progress.watch(quiet))
    code = _billed([made], as_json)
    if not as_json:
        click.echo()
        _show(sample.render, lines)
        click.echo(f"\nTry next:\n  lading bill --html bill.html\n  lading discover {folder}/legacy-crm.db")
        click.echo(f"  lading copy {folder}/legacy-crm.db {folder}/again.duckdb --tables sales --proof full")
    return code


if __name__ == "__main__":
    main()
