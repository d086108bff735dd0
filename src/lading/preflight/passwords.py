"""Passwords in what would be released: a release is kept as it stands, and for good."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import SecretStr

from lading.connector import Connection
from lading.errors import LadingError
from lading.find import shown
from lading.preflight.ground import Ground, places
from lading.preflight.report import Finding
from lading.schedule import Arrival

LOOK = "passwords"
_SECRET = re.compile(r"pass|pwd|secret|token|key|credential", re.I)
_WRITTEN = re.compile(r"\w://[^/\s:@'\"]*:(?![${])[^/\s:@'\"]+@")
_FIX = "Put it into connections.yaml as a reference, such as ${env:NAME}, and name the connection here."


def look(ground: Ground) -> Iterator[Finding]:
    for place, step in held(ground).items():
        what = f"the address {shown(place)} has a password, which a release would keep"
        yield Finding(look=LOOK, severity="blocks", step=step, what=what, fix=_FIX, final=True)
    told = "".join(held(ground))
    for name, text in ground.texts.items():
        for found in _WRITTEN.finditer(text):
            if found[0] not in told:
                line = text.count("\n", 0, found.start()) + 1
                what = f"{name}:{line} has a URL with a password, which a release would keep"
                fix = "Give it as a connection of connections.yaml, or by 'secrets'."
                yield Finding(look=LOOK, severity="blocks", step="", what=what, fix=fix)


def held(ground: Ground) -> dict[str, str]:
    """The addresses of the pipeline that hold a secret, each with the step that it is first used by."""
    after = ground.pipeline.schedule.after if ground.pipeline.schedule else ()
    used = [(each.at, "") for each in after if isinstance(each, Arrival)]
    used += ((place, step.key) for step in ground.pipeline.steps for place in places(step))
    found: dict[str, str] = {}
    for place, step in used:
        if "://" in place and place not in found and _secret(ground, place):
            found[place] = step
    return found


def hidden(ground: Ground, found: Finding) -> Finding:
    """The finding with what addresses are called in place of them."""
    words = {word: getattr(found, word) for word in ("step", "what", "evidence", "fix")}
    for place in sorted(held(ground), key=len, reverse=True):
        words = {word: text.replace(place, shown(place)) for word, text in words.items()}
    return found.model_copy(update=words)


def _secret(ground: Ground, place: str) -> bool:
    try:
        name, connection = ground.resolve(place)
    except LadingError:  # which another look tells
        return False
    return name != place and any(_SECRET.search(text) for text in _secrets(connection))


def _secrets(connection: Connection) -> Iterator[str]:
    """The settings that are secret; some hold also what is none."""
    for name, value in connection:
        if isinstance(value, SecretStr) and value.get_secret_value():
            yield f"{name}={value.get_secret_value()}"
