"""Whether every connection opens, with the very account that it will use, and every secret is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from lading.connector import Grants
from lading.errors import LadingError
from lading.preflight.ground import Ground, account, places
from lading.preflight.report import Account, Finding
from lading.steps.notify import ENVIRONMENT, Notify

LOOK = "opens"


def look(ground: Ground) -> Iterator[Finding]:
    for step in ground.pipeline.steps:
        for name in places(step):
            if name not in ground.accounts:
                yield from _opened(ground, name, step.key)
        variables = list(getattr(step, "secrets", ()))
        if isinstance(step, Notify):
            variables += [f"{ENVIRONMENT}{name.upper().replace('-', '_')}" for name in step.channel]
        for variable in variables:
            if not os.environ.get(variable):
                what = f"the environment variable {variable} is not set here"
                fix = f"Set it where the pipeline runs: export {variable}=..."
                yield Finding(look=LOOK, severity="warns", step=step.key, what=what, fix=fix)


def _opened(ground: Ground, name: str, step: str) -> Iterator[Finding]:
    ground.accounts[name] = Account()
    try:
        connection = ground.connection(name)
        ground.accounts[name] = account(connection)
        session: Any = ground.stack.enter_context(connection.open())
        if not isinstance(session, Grants):  # the others are asked for each right that is needed, and for no more
            session.check()
        ground.sessions[name] = session
        ground.counts["connections"] += 1
    except LadingError as error:
        what = f"'{name}' cannot be used"
        yield Finding(look=LOOK, severity="blocks", step=step, what=what, evidence=error.what, fix=error.fix)
