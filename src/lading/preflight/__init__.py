"""Preflight: what would go wrong with a pipeline, looked at with the very connections and accounts that it will use."""

from __future__ import annotations

from lading.errors import SpecError
from lading.preflight import accounts, drift, hops, literals, names, opening, order, queries, rights
from lading.preflight.ground import Ground as Ground
from lading.preflight.ground import places
from lading.preflight.report import Finding as Finding
from lading.preflight.report import Report as Report
from lading.preflight.report import report

LOOKS = (opening, hops, order, names, queries, rights, drift, literals, accounts)
"""Each has `look(ground)`, which gives its findings. The first opens what the others use."""


def preflight(ground: Ground, accept: tuple[str, ...] = ()) -> Report:
    """Looks at everything. What `accept` names does not block. Changes nothing: whatever is tried is undone. Raises
    SpecError where an old account is given of a connection that no step uses."""
    used = sorted({place for step in ground.pipeline.steps for place in places(step)})
    for name in ground.old:
        if name not in used:
            what = (
                f"The old account of '{name}' is given, and no step of '{ground.pipeline.name}' uses that connection."
            )
            raise SpecError(what, f"There are: {', '.join(used) or 'none'}.")
    with ground:
        found = [finding for each in LOOKS for finding in each.look(ground)]
        return report(ground.counts, found, accept).model_copy(
            update={"accounts": ground.accounts, "tables": ground.tables}
        )
