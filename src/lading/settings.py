"""What a project says besides its connections: where its lineage is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lading import config
from lading.written import checked, worded

if TYPE_CHECKING:
    from lading.lineage import Teller


def lineage() -> Teller | None:
    """Who tells of the runs of this project, where that is wanted. A relative path begins at the project's folder."""
    file = config.listing()
    written = file.value.get("lineage") if file else None
    if file is None or written is None:
        return None
    from lading.lineage import Lineage, Teller

    if not isinstance(written, dict | str):
        what = f"'lineage' must be an address or a map of options, not {worded(written)}."
        raise file.error(("lineage",), what, "Write lineage: {to: lineage.jsonl}.")
    given = {"to": written} if isinstance(written, str) else written
    values = {name: config.followed(value, file, ("lineage", name), "lineage") for name, value in given.items()}
    found = checked(Lineage, values, file, ("lineage",), "lineage")
    if "://" not in found.to:
        found = found.model_copy(update={"to": str((config.project() or Path()) / found.to)})
    return Teller(found)


def names_store() -> bool:
    """Whether the environment says where the store is."""
    return bool(os.environ.get("LADING_STORE", "").strip())
