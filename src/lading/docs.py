"""Writes docs/reference from models, dialects and the command line, and the schema of a new store from the migrations:
`python -m lading.docs [--check]`."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from lading import cli, config, describe, dialects, docs_canon, docs_comparing, find, revisions
from lading.cli.protocol import CODES
from lading.connector import Capabilities
from lading.dialect import Dialect
from lading.errors import LadingError
from lading.prove import Level
from lading.schedule import Arrival, Schedule
from lading.schema import LOSSES, Column, Table, gaps
from lading.spec import Param, Pipeline, Step
from lading.types import KINDS, parse
from lading.written import models

FOLDER = Path("docs/reference")
MADE = "<!-- Written by `make docs` from the code. Change that, not this. -->\n"
KINDS_SAID = {
    "bool": ("bool", "True or false."),
    "int": ("int(8), int(16), int(32), int(64), int(64,unsigned)", "A whole number of so many bits."),
    "decimal": ("decimal(18,2), decimal", "A number of so many digits, so many of them decimals; without a limit."),
    "float": ("float(32), float(64)", "A binary floating-point number."),
    "string": (
        "string, string(50), string(50 bytes)",
        "Text: without a limit, of so many characters, of so many bytes.",
    ),
    "binary": ("binary, binary(16)", "Bytes: without a limit, at most so many."),
    "date": ("date", "A day."),
    "time": ("time(6)", "A time of day, with so many digits of a second."),
    "timestamp": ("timestamp(6), timestamp(6,utc)", "A day and time, without a zone or as an instant in UTC."),
    "interval": ("interval", "A span of months, days and nanoseconds."),
    "uuid": ("uuid", "A UUID."),
    "json": ("json", "A JSON document."),
    "list": ("list(int(32))", "A list of values of one type."),
}
MEASURED = {Path("speed.md"), Path("scaling.md")}
"""Pages that benchmarks write, which take hours."""
SAMPLES = (
    "bool", "int(8)", "int(16)", "int(32)", "int(64)", "int(64,unsigned)", "decimal(18,2)", "decimal(38,10)", "decimal",
    "float(32)", "float(64)", "string(50)", "string(50 bytes)", "string", "binary(16)", "binary", "date", "time(6)",
    "timestamp(3)", "timestamp(6)", "timestamp(9)", "timestamp(6,utc)", "interval", "uuid", "json", "list(int(32))",
)  # fmt: skip
PARAMS = (
    "A parameter is given with `--param NAME=VALUE`. In SQL it stands as `:name` and is bound, never pasted; in other "
    "options as `${param:name}`; scripts find it in their environment as `PARAM_NAME`."
)


def pages() -> dict[Path, str]:
    """Every page of the reference: its path below docs/reference, and its text."""
    made = {
        Path("README.md"): _index(),
        Path("cli.md"): _cli(),
        Path("errors.md"): _errors(),
        Path("pipelines.md"): _pipelines(),
        Path("types.md"): _types(),
        Path("canonical.md"): docs_canon.page(),
        Path("comparing.md"): docs_comparing.page(),
    }
    for kind in find.kinds():
        made[Path(f"connectors/{kind}.md")] = _connector(kind)
    return {path: f"{MADE}\n{text.strip()}\n" for path, text in made.items()}


def stale(folder: Path) -> list[str]:
    """The pages in a folder that are absent, differ, or should not be there."""
    made = pages()
    found = {path.relative_to(folder) for path in folder.rglob("*.md")}
    wrong = [path for path, text in made.items() if path not in found or (folder / path).read_text("utf-8") != text]
    return sorted(str(path) for path in {*wrong, *(found - made.keys() - MEASURED)})


def write(folder: Path) -> None:
    """Writes every page and removes what is none."""
    made = pages()
    for old in set(folder.rglob("*.md")) - {folder / path for path in made.keys() | MEASURED}:
        old.unlink()
    for path, text in made.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def main(words: Sequence[str]) -> int:
    """Writes both; with --check, says what is stale instead."""
    schema = revisions.newest()
    if "--check" not in words:
        write(FOLDER)
        revisions.NEWEST.write_text(schema, encoding="utf-8")
        return 0
    wrong = [str(FOLDER / path) for path in stale(FOLDER)]
    wrong += [] if revisions.NEWEST.read_text("utf-8") == schema else [str(revisions.NEWEST)]
    for path in wrong:
        click.echo(f"{path}: stale. Run 'make docs'.", err=True)
    return 1 if wrong else 0


def _index() -> str:
    lines = ["# Reference", "", "- [Command line](cli.md)", "- [Pipelines and connections](pipelines.md)"]
    lines += ["- [Types and losses](types.md)", "- [Canonical values](canonical.md)"]
    lines += ["- [Comparing](comparing.md)", "- [Errors](errors.md)", "- [Speed](speed.md)", "- [Scaling](scaling.md)"]
    lines += ["", "## Connectors", ""]
    can = ("reads", "writes", "snapshot", "atomic", "together", "merges", "appends", "digests")
    rows = []
    for kind in find.kinds():
        found = describe.connector(kind)
        able = {name: value for name, value, _ in found.can}
        rows.append(
            [
                f"[{kind}](connectors/{kind}.md)",
                found.title.partition(". ")[0].rstrip("."),
                *("yes" if able[name] else "" for name in can),
            ]
        )
    sentences = [f"- **{row.name}**: {row.help}" for row in describe.rows(Capabilities)]
    return "\n".join([*lines, *_table(["Kind", "What", *can], rows), "", *sentences])


def _cli() -> str:
    top = click.Context(cli.lading, info_name="lading", terminal_width=88, help_option_names=["-h", "--help"])
    parts = ["# Command line", "", _block(cli.lading.get_help(top))]
    for name, command in cli.lading.commands.items():
        context = click.Context(command, info_name=name, parent=top, terminal_width=88)
        parts += ["", f"## {name}", "", _block(command.get_help(context))]
    codes = [
        ("0", "Everything is proved, or done."),
        ("1", "A table or a step failed, or what arrived is not what left: two sides differ."),
    ]
    codes += [("2", "The command, a file or a setting is wrong; nothing was run.")]
    codes += [
        ("3", "The rows are there, and not everything could be proved; or two sides could not be compared."),
        ("75", "Another run of the pipeline is at work."),
    ]
    codes += [("130", "Interrupted, or cancelled.")]
    parts += ["", "## Exit codes", "", *_table(["Code", "Meaning"], codes), "", "## Exit codes of run-step", ""]
    return "\n".join([*parts, *_table(["Code", "Meaning"], [(str(code), what) for code, what in CODES.values()])])


def _errors() -> str:
    kinds = [(kind.kind, f"`lading.{kind.__name__}`", _line(kind.__doc__)) for kind in LadingError.__subclasses__()]
    text = f"# Errors\n\n{_line(LadingError.__doc__)} There are seven kinds, named by who must act.\n"
    return "\n".join([text, *_table(["Kind", "In Python", "Who must act"], kinds)])


def _pipelines() -> str:
    settable = ", ".join(f"`{config.MOVE}{name.upper()}`" for name in config.SETTABLE)
    parts = ["# Pipelines and connections", "", "## A pipeline", ""]
    parts += [_line(Pipeline.__doc__), "", *_options(describe.rows(Pipeline)), "", "## A parameter", ""]
    parts += [_line(Param.__doc__), "", *_options(describe.rows(Param)), ""]
    parts += [PARAMS, "", "## A schedule", "", _line(Schedule.__doc__), "", *_options(describe.rows(Schedule)), ""]
    parts += ["A table that it comes after:", "", *_options(describe.rows(Arrival)), ""]
    parts += ["## A step", "", _line(Step.__doc__), "", *_options(describe.rows(Step)), ""]
    for kind in sorted(find.step_kinds(), key=lambda kind: kind != "move"):
        parts += [*_step(find.step_class(kind)), ""]
    order = f"the default, the file, the environment ({settable}), the call"
    parts += [f"A value of a move comes from, the later the stronger: {order}."]
    parts += ["", "## Levels of proof", ""]
    sentences = {"counts": "The rows are counted on both sides."}
    sentences["columns"] = "Rows, values and sums are compared, computed in place on both sides."
    sentences["rows"] = "Every value that was read is compared with the target read again."
    sentences["full"] = "As rows, and the source is read a second time."
    parts += _table(["Level", "Meaning"], [(f"`{level}`", sentences[level]) for level in Level])
    parts += [
        "",
        "## connections.yaml",
        "",
        "A map from names to URLs or settings; the settings are those of the kind:",
        "",
    ]
    parts += ["```yaml", "connections:", "  crm:", "    kind: sqlite", "    path: ${env:CRM_FILE}"]
    parts += ["  warehouse: duckdb:///warehouse.duckdb", "```", ""]
    parts += [
        "`${env:NAME}` is an environment variable and `${file:PATH}` a file; both are read when the connection is"
    ]
    return "\n".join([*parts, "opened. Relative paths start at the project's folder."])


def _step(kind: type[Step]) -> list[str]:
    """A kind of step: its own options, and those of the models of its lists."""
    own = [row for row in describe.rows(kind) if row.field not in Step.model_fields or row.field == "do"]
    parts = [f"## {kind.model_fields['do'].default}", "", " ".join((kind.__doc__ or "").split()), "", *_options(own)]
    for field in kind.model_fields.values():
        for model in models(field.annotation):
            parts += ["", f"### {model.__name__}", "", _line(model.__doc__), "", *_options(describe.rows(model))]
    return parts


def _types() -> str:
    rows = [(kind, f"`{KINDS_SAID[kind][0]}`", KINDS_SAID[kind][1]) for kind in KINDS]
    losses = [(f"`{kind}`", what) for kind, what in LOSSES.items()]
    head = "# Types and losses\n\nEvery system's types are mapped to these and back, never to another system's.\n"
    return "\n".join(
        [head, *_table(["Kind", "Forms", "Values"], rows), "", "## Losses", "", "Words that `accept` takes.", "",
         *_table(["Loss", "Meaning"], losses)]
    )  # fmt: skip


def _connector(kind: str) -> str:
    found = describe.connector(kind)
    install = f"`pip install 'lading[{found.extra}]'`" if found.extra else "Comes with Lading."
    schemes = ", ".join(f"`{scheme}://`" for scheme in found.schemes)
    parts = [
        f"# {kind}",
        "",
        found.title,
        "",
        f"- Install: {install}",
        f"- Addresses: {schemes}",
        "",
        "## Settings",
        "",
    ]
    parts += [*_options(found.settings), "", "## What it can do", ""]
    can = [(name, str(value) if not isinstance(value, bool) else "yes" if value else "no", what)
           for name, value, what in found.can]  # fmt: skip
    parts += _table(["Can", "", "Meaning"], can)
    dialect = _dialect(kind)
    return "\n".join([*parts, *(_type_tables(dialect) if dialect else [])])


def _dialect(kind: str) -> Dialect | None:
    if kind not in {module.name for module in pkgutil.iter_modules(dialects.__path__)}:
        return None
    found = getattr(importlib.import_module(f"{dialects.__name__}.{kind}"), "dialect", None)
    return found if isinstance(found, Dialect) else None


def _type_tables(dialect: Dialect) -> list[str]:
    written = []
    for form in SAMPLES:
        type_ = parse(form)
        try:
            fitted = dialect.fit(Table(name="t", columns=(Column(name="c", type=type_),))).columns[0]
        except LadingError:
            written.append((f"`{form}`", "no type", ""))
            continue
        lost = "; ".join(f"{loss}: {what}" for loss, what in gaps(type_, fitted.type))
        written.append((f"`{form}`", f"`{fitted.native.partition(':')[2]}`", lost))
    read = [(f"`{pattern}`", f"`{form}`") for pattern, form in dialect.types]
    parts = ["", "## Types written", "", *_table(["Type", "Becomes", "Loss"], written), "", "## Types read", ""]
    parts += [
        "A native type is the first of these patterns that it matches, in lower case; `{0}` is the first number.",
        "",
    ]
    return [*parts, *_table(["Native", "Type"], read)]


def _options(rows: Iterable[describe.Row]) -> list[str]:
    lines = []
    for row in rows:
        default = "required" if row.required else f"`{row.shown}`" if row.shown else ""
        lines.append((f"`{row.name}`", "secret" if row.secret else row.kind, default, row.help))
    return _table(["Option", "Value", "Default", "Meaning"], lines)


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(names), line(["---"] * len(names)), *(line(row) for row in rows)]


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```"


def _line(text: str | None) -> str:
    return " ".join((text or "").strip().split("\n\n")[0].split())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
