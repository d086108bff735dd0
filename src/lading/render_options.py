"""Options and kinds of connection as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lading.render import grid, words
from lading.spec import Step

if TYPE_CHECKING:
    from rich.console import RenderableType


def options(found: Sequence[Any], width: int = 80) -> RenderableType:
    """Options with their values and where these come from."""
    lines = grid(["Step", "Option", "Value", "From"], width)
    for option in found:
        style = "dim" if option.origin == "default" else ""
        lines.add_row(option.step, option.name, _value(option.value), words(option.origin, style))
    return lines


def steps(found: Sequence[Step], width: int = 80) -> RenderableType:
    """What a pipeline does, in order."""
    lines = grid(["Step", "Do", "After", "Says"], width)
    for step in found:
        said = step.title or step.description or (type(step).__doc__ or "").partition(".")[0]
        lines.add_row(step.key, step.do, ", ".join(step.after) or "–", words(said))
    return lines


def kinds(found: Sequence[Any], width: int = 80) -> RenderableType:
    """Every kind of connection in a line."""
    lines = grid(["Kind", "Help", "Addresses", "Needs"], width)
    for each in found:
        needs = f"lading[{each.extra}]" if each.extra else ""
        schemes = ", ".join(f"{scheme}://" for scheme in each.schemes if "+" not in scheme)
        lines.add_row(each.kind, each.title.partition(". ")[0].rstrip("."), words(schemes), words(needs))
    return lines


def described(found: Any, width: int = 80) -> RenderableType:
    """A connector: its settings, and what it can do."""
    from rich.console import Group
    from rich.text import Text

    lines = grid(["Setting", "Value", "Default", "Help"], width)
    for row in found.settings:
        default = "required" if row.required else "" if row.secret else row.shown
        lines.add_row(row.name, "secret" if row.secret else row.kind, default, row.help)
    can = grid(["Can", "", "Help"], width)
    for name, value, sentence in found.can:
        can.add_row(name, {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value), sentence)
    schemes = ", ".join(f"{scheme}://" for scheme in found.schemes)
    install = f"pip install 'lading[{found.extra}]'" if found.extra else "comes with Lading"
    head = Text.assemble((found.kind, "bold"), f"  {found.title}  ", (f"{schemes}  {install}", "dim"))
    return Group(head, Text(""), lines, Text(""), can)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        value = ", ".join(map(_value, value))
    if isinstance(value, dict):
        value = ", ".join(f"{name}: {_value(each)}" for name, each in value.items())
    return "–" if value in (None, "") else str(value)
