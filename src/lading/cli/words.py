"""What the commands share: how results are shown, and the options that several of them have."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

F = TypeVar("F", bound=Callable[..., Any])
EXITS = {"proved": 0, "done": 0, "failed": 1, "unproved": 3}
USAGE = 2
NOT_OPTIONS = ("source", "target")
"""Fields of a move that are no options of 'lading copy', besides those that all steps have."""


def as_object(value: Any) -> None:
    import json

    with heard():
        click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def show(draw: Callable[..., RenderableType], found: Any) -> None:
    from lading import render

    console = render.console()
    width = console.width = max(min(console.width, 140), render.NARROWEST)
    with heard():
        if console.is_terminal:
            console.print(draw(found, width), width=width, crop=False)
        else:
            with console.capture() as held:
                console.print(draw(found, width), width=width, crop=False)
            console.file.write(f"{render.trimmed(held.get())}\n")
            console.file.flush()


@contextmanager
def heard() -> Iterator[None]:
    """Where the reader of our output has seen enough, what the command has found is said by its exit code all the
    same."""
    try:
        yield
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - what is flushed at the end goes nowhere


FILE = click.Path(path_type=Path, dir_okay=False)


def writable(_ctx: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    """A file that can be written, so that nothing is done in vain."""
    if path and not path.parent.is_dir():
        raise click.BadParameter(f"There is no folder '{path.parent}'.")
    if path and not os.access(path if path.exists() else path.parent, os.W_OK):
        raise click.BadParameter(f"'{path}' cannot be written.")
    return path


def page_file(ctx: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """A file for a page. One that is there must be a page already: it may be what is compared."""
    if (path := writable(ctx, option, path)) and path.is_file():
        with path.open("rb") as file:
            if (head := file.read(9)) and head.lower() != b"<!doctype":
                raise click.BadParameter(f"'{path}' is there, and no page. Name another file, or remove it.")
    return path


def page_written(path: Path, page: str) -> bool:
    """Writes a page beside what is shown; what keeps it from that is said, and no half of it stays."""
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        from lading import errors

        if path.is_file():
            path.unlink()
        found = errors.refused(error)
        click.echo(f"error: {path} is not written: {found.what}\n  {found.fix}", err=True)
        return False
    return True


class Copy(click.Command):
    """A command whose options are the fields of a move."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        return [*own[:-1], *_move_options(), own[-1]]


def _move_options() -> list[click.Parameter]:
    from lading import describe
    from lading.spec import Move, Step

    known = {*NOT_OPTIONS, *Step.model_fields}
    return [option(row) for row in describe.rows(Move) if row.field not in known]


def option(row: Any) -> click.Option:
    several = row.many or "map" in row.kind
    default = f" Default: {row.shown}." if row.shown and row.kind != "yes or no" else ""
    more = " May be repeated." if row.many else " Also SOURCE=TARGET, repeated." if several else ""
    metavar = "|".join(row.choices) or ("NUMBER" if row.kind.startswith("whole number") else "TEXT")
    flag = row.kind == "yes or no"
    settings: dict[str, Any] = {"is_flag": True, "default": None} if flag else {"multiple": several, "metavar": metavar}
    return click.Option([f"--{row.field.replace('_', '-')}", row.field], help=f"{row.help}{more}{default}", **settings)


def move_words(given: dict[str, Any]) -> dict[str, Any]:
    """What was given of a move's options, as a move takes it."""
    words = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    words = {name: value for name, value in words.items() if value not in (None, [])}
    if "into" in words:
        pairs = [text.partition("=") for text in words["into"]]
        mapped = {name: target for name, sign, target in pairs if sign}
        if len(mapped or pairs[:1]) < len(pairs):
            raise click.UsageError("--into takes one schema, or only SOURCE=TARGET.")
        words["into"] = mapped or words["into"][0]
    return words


def watched(function: F) -> F:
    function = click.option("--quiet", is_flag=True, help="No progress.")(function)
    return click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")(function)


def params_option(function: F) -> F:
    option = click.option(
        "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter. May be repeated."
    )
    return option(function)


def param_words(given: Sequence[str]) -> dict[str, str]:
    """Parameters by name."""
    pairs = [text.partition("=") for text in given]
    if not all(name and sign for name, sign, _ in pairs):
        raise click.UsageError("--param takes NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def asked(pipeline: str, given: Sequence[str], draft: bool = False) -> dict[str, str]:
    """As `param_words`; on a terminal, what a pipeline needs and was not given is asked."""
    from lading import actions_releases

    words = param_words(given)
    for name, param in actions_releases.params(pipeline, draft).items() if _on_terminal() else ():
        if name not in words and param.default is None:
            words[name] = click.prompt(param.description.rstrip(".") or name, err=True)
    return words


def _on_terminal() -> bool:
    return sys.stdin.isatty()


def json_option(function: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")(function)


def billed(bill: Any, as_json: bool) -> int:
    """Shows a bill and returns its exit code."""
    from lading import render

    if as_json:
        as_object(bill.model_dump(mode="json"))
    else:
        show(render.bill, bill)
    return USAGE if _mistaken(bill) else EXITS[str(bill.state)]


def _mistaken(bill: Any) -> bool:
    """Whether a pipeline came to nothing because it, or a setting, is wrong."""
    ran = [step for step in bill.steps if step.state != "skipped"]
    wrong = ("spec", "unsupported")
    return bool(ran) and all(s.state == "failed" and s.error_kind in wrong and not s.bill for s in ran)
