"""A profile as a part of a notebook."""

from __future__ import annotations

from html import escape

from lading.facts import Profile
from lading.page import Draw, grid, part
from lading.render_profile import lines, when
from lading.render_profile import profile as profile_text


def profile_part(profile: Profile) -> str:
    """A profile as a table."""
    names, rows = lines(profile)
    kinds = [' class="n"' if name.startswith(">") else ' class="wrap"' for name in names]
    head = "".join(f"<th{kind}>{escape(name.removeprefix('>'))}</th>" for name, kind in zip(names, kinds, strict=True))
    made = []
    for first, *rest in rows:
        cells = "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(rest, kinds[1:], strict=True))
        made.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    body = f"<h1>{escape(profile.table)}</h1><p class='route'>{escape(profile.system)}</p>"
    facts = f"<p class='quiet'>{profile.rows:,} rows · {escape(when(profile))}</p>"
    return part(f"<header>{body}{facts}</header>{grid(head, made)}")


DRAW: Draw = (Profile, profile_text, profile_part)
"""For `page.attach`."""
