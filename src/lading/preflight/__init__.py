"""Preflight: what would go wrong with a pipeline, looked at with the very connections and accounts that it will use."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from lading.errors import SpecError
from lading.find import shown
from lading.preflight import accounts, drift, hops, literals, names, opening, order, passwords, queries, rights
from lading.preflight.ground import Ground as Ground
from lading.preflight.ground import places
from lading.preflight.report import Finding as Finding
from lading.preflight.report import Report as Report
from lading.preflight.report import report

LOOKS = (opening, hops, order, names, queries, rights, drift, literals, accounts, passwords)
"""Each has `look(ground)`, which gives its findings. The first opens what the others use."""


def preflight(ground: Ground, accept: tuple[str, ...] = ()) -> Report:
    """Looks at everything. What `accept` names does not block. Changes nothing: whatever is tried is undone. Raises
    SpecError where an old account is given of a connection that no step uses."""
    used = sorted({place for step in ground.pipeline.steps for place in places(step)})
    for name in ground.old:
        if name not in used:
            of = ground.pipeline.name
            what = f"The old account of '{shown(name)}' is given, and no step of '{of}' uses that connection."
            raise SpecError(what, f"There are: {', '.join(map(shown, used)) or 'none'}.")
    known_looks = sorted(each.LOOK for each in LOOKS)
    for word in accept:
        if not any(fnmatchcase(look, word.rpartition(":")[2]) for look in known_looks):
            raise SpecError(f"'accept' names '{word}', which nothing finds.", f"There are: {', '.join(known_looks)}.")
    with ground:
        found = [passwords.hidden(ground, finding) for each in LOOKS for finding in each.look(ground)]
        held = passwords.held(ground)
        known: dict[str, Any] = {"accounts": ground.accounts, "tables": ground.tables}
        known = {word: {at: each for at, each in kept.items() if at not in held} for word, kept in known.items()}
        return report(ground.counts, found, accept).model_copy(update=known)
