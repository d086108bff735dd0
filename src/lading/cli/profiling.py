"""Commands that look at values: profile."""

from __future__ import annotations

from typing import Any

import click

from lading.cli.words import as_object, json_option, show


@click.command()
@click.argument("address")
@click.option("--tables", multiple=True, metavar="TEXT", help="Only these tables: 'sales.*'. May be repeated.")
@click.option(
    "--into", metavar="TYPE", default="", help="Count what this type would lose of each column: 'string(20)'."
)
@click.option("--for", "types", metavar="COLUMN=TYPE", multiple=True, help="The same for one column. May be repeated.")
@click.option("--suggest", is_flag=True, help="Show the narrowest type that holds everything, with headroom.")
@click.option("--last", is_flag=True, help="Show the newest profile that is kept, without looking again.")
@json_option
def profile(
    address: str, tables: tuple[str, ...], into: str, types: tuple[str, ...], as_json: bool, **shown: Any
) -> int:
    """Look at the values of all tables, or of NAME.TABLE or URL#TABLE.

    One scan of each, in place where the system can be asked. What was seen is kept, and plans use it.
    """
    from lading import actions, render_profile
    from lading.facts import suggestions
    from lading.render import plural

    pairs = dict(text.partition("=")[::2] for text in types)
    if not all(pairs.values()):
        raise click.UsageError("--for takes COLUMN=TYPE, such as amount='decimal(10,2)'.")
    found = actions.profile(address, tables, into, pairs, shown["last"])
    if as_json:
        plain = [each.model_dump(mode="json") for each in found]
        for one, each in zip(plain, found, strict=True):
            if shown["suggest"]:
                one["suggested"] = {s.column: str(s.type) for s in suggestions(each)}
        as_object({"profiles": plain})
    else:
        for number, each in enumerate(found):
            click.echo("", nl=number > 0)
            show(render_profile.suggested if shown["suggest"] else render_profile.profile, each)
    failed = [each.table for each in found if each.way == "none"]
    if failed:
        count = f"{len(failed):,} of {plural(len(found), 'table')}"
        click.echo(f"error: {count} not profiled: {', '.join(failed)}", err=True)
    return 1 if failed else 0
