"""What a step takes of what there is only so much of: by name, its share and the whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from lading.connector import Connection
from lading.desk import Desk
from lading.errors import LadingError
from lading.spec import Move, Step
from lading.store import owner

Shares = Mapping[str, tuple[int, int]]
ALL = 1_000_000
"""The whole of what one step that writes has to itself, and of which many that read take one each."""


def shares(step: Step, desk: Desk) -> Shares:
    """Of connections, of files that one step writes at a time, of this process's memory, and of the step itself where
    several runs of the pipeline are at work."""
    found: dict[str, tuple[int, int]] = {}
    for name, writes in _uses(step, desk).items():
        with suppress(LadingError):  # what is wrong with a connection, the step itself says
            connection = desk.connection(name)
            if connection.steps:
                found[f"steps at {name}"] = (1, connection.steps)
            if connection.can.alone:
                found[_file(connection)] = (ALL if writes else 1, ALL)
    if isinstance(step, Move) and any(move.memory for move in desk.pipeline.moves):
        found[f"memory of {owner()}"] = (ALL if step.memory else 1, ALL)
    if desk.pipeline.runs > 1 and step.writes:
        found[f"step {step.key} of {desk.pipeline.name}"] = (1, 1)
    return found


def _uses(step: Step, desk: Desk) -> dict[str, bool]:
    """The connections that a step works at, each with whether it writes there."""
    others = [other for name in step.refers if (other := desk.pipeline.step(getattr(step, name))) is not None]
    found = {place: False for other in others for place in other.uses}
    return found | step.uses


def _file(connection: Connection) -> str:
    return f"{connection.kind} {os.path.abspath(getattr(connection, 'path', connection.address()))}"
