"""What a run is given of its due time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lading import config, dues
from lading.drafting import Kept
from lading.schedule import interval
from lading.store import Store


def of_run(store: Store, name: str, run: str, given: Mapping[str, Any] | None, kept: Kept | None) -> dict[str, Any]:
    """The parameters of a run of a pipeline: those that are taken from its due time, if it has one, and those given."""
    due = dues.of_run(store, name, run) if run else None
    return (taken(name, due, kept) if due else {}) | dict(given or {})


def taken(name: str, due: datetime, kept: Kept | None) -> dict[str, Any]:
    """The parameters of a pipeline that are taken from a due time."""
    params = {key: param for key, param in config.params(name, kept).items() if param.from_}
    of = interval(config.schedule(name, kept), due) if params else None
    return {key: param.moment(of) for key, param in params.items()} if of else {}


def today(name: str, kept: Kept | None) -> dict[str, Any]:
    """The same as if it were due now, for those without a default: so that what they are used in can be looked at."""
    lacks = {key for key, param in config.params(name, kept).items() if param.default is None}
    return {key: value for key, value in taken(name, datetime.now(UTC), kept).items() if key in lacks}
