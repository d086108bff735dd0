"""How far a load has come, by what is in its folders."""

from __future__ import annotations

from lading.connector import Load, Standing
from lading.connectors.files.staging import Staging


def standing(staging: Staging, load: Load) -> Standing:
    """See `Session.standing`. Elsewhere than here, files are moved one by one."""
    there = staging.note(staging.folder(load.table))
    if there and load.id in there.loads:
        return Standing.PUBLISHED
    if staging.note(staging.folder(load.stage)) is None:
        return Standing.GONE
    return Standing.STAGED if staging.place.local else Standing.PUBLISHING
