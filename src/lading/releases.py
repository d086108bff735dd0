"""Releases of pipelines in the store: numbered, never changed, the newest of those that went live being live."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel

from lading.attempts import add
from lading.errors import DataError, SpecError
from lading.store import Store, runs

_tables = sa.MetaData()
releases = sa.Table(
    "releases", _tables,
    sa.Column("pipeline", sa.Text, primary_key=True), sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("hash", sa.Text), sa.Column("content", sa.Text), sa.Column("state", sa.Text),
    sa.Column("same_as", sa.Integer), sa.Column("made", sa.Text), sa.Column("who", sa.Text),
    sa.Column("note", sa.Text), sa.Column("preflight", sa.Text),
)  # fmt: skip

LIVE = "live"
"""The state of a release that is live, or was until a newer one was."""
TRYING, STOPPED = "canary", "stopped"
"""Of one that is tried beside the live release, or was when its process was killed; and of one that never went live."""
SHORT = 12
"""Digits of a hash that people see."""


class Content(BaseModel, frozen=True):
    """What is released: the text of a pipeline's file, and those of the files that it uses, by their names."""

    pipeline: str
    text: str
    files: dict[str, str] = {}


class Release(BaseModel, frozen=True):
    """A version of a pipeline. `same_as` is the number of the release whose content it has again, or 0."""

    pipeline: str
    number: int
    hash: str
    content: Content
    state: str = LIVE
    same_as: int = 0
    made: datetime
    who: str
    note: str = ""

    @property
    def origin(self) -> int:
        """The number under which this content was first released."""
        return self.same_as or self.number


def digest(content: Content, values: Mapping[str, Any]) -> str:
    """64 hexadecimal digits: the same for the same values, whatever stands between them. `values` are what the
    pipeline's text says."""
    told = json.dumps([content.pipeline, values, content.files], sort_keys=True, ensure_ascii=False, default=repr)
    return hashlib.sha256(told.encode()).hexdigest()


def put(store: Store, new: Release, preflight: str | None = None) -> Release:
    """Keeps a release under the next number, which it returns it with, and what its preflight found."""
    while True:
        number = max((each.number for each in of(store, new.pipeline)), default=0) + 1
        made = new.model_copy(update={"number": number})
        values = made.model_dump(exclude={"content"}) | {
            "content": new.content.model_dump_json(), "made": new.made.astimezone(UTC).isoformat(),
            "preflight": preflight,
        }  # fmt: skip
        with store.transaction() as connection:
            if add(store, connection, releases, values):
                return made


def settle(store: Store, tried: Release, preflight: str, state: str = "") -> str:
    """Keeps what was found of a release, and with a state what becomes of it, which is returned: it goes live only as
    the newest."""
    mine = (releases.c.pipeline == tried.pipeline) & (releases.c.number == tried.number)
    later = (releases.c.pipeline == tried.pipeline) & (releases.c.number > tried.number) & (releases.c.state == LIVE)
    with store.transaction() as connection:
        if state == LIVE and connection.execute(sa.select(releases.c.number).where(later)).first():
            state = STOPPED
        values = {"preflight": preflight} | ({"state": state} if state else {})
        connection.execute(releases.update().where(mine).values(**values))
    return state


def of(store: Store, pipeline: str = "") -> list[Release]:
    """The releases of a pipeline, or of all, the newest first."""
    query = sa.select(releases).order_by(releases.c.pipeline, releases.c.number.desc())
    return [_release(row) for row in store.rows(query.where(releases.c.pipeline == pipeline) if pipeline else query)]


def live(store: Store, pipeline: str) -> Release | None:
    """The release that runs, where there is one."""
    mine = (releases.c.pipeline == pipeline) & (releases.c.state == LIVE)
    query = sa.select(releases).where(mine).order_by(releases.c.number.desc()).limit(1)
    return next((_release(row) for row in store.rows(query)), None)


def live_numbers(store: Store) -> dict[str, int]:
    """The number of the live release of each pipeline that has one."""
    newest = sa.func.max(releases.c.number).label("number")
    query = sa.select(releases.c.pipeline, newest).where(releases.c.state == LIVE).group_by(releases.c.pipeline)
    return {row.pipeline: row.number for row in store.rows(query)}


def numbered(store: Store, pipeline: str, number: int) -> Release:
    query = sa.select(releases).where(releases.c.pipeline == pipeline, releases.c.number == number)
    for row in store.rows(query):
        return _release(row)
    raise SpecError(f"'{pipeline}' has no release {number}.", f"See 'lading releases {pipeline}'.")


def preflight(store: Store, of: Release) -> str | None:
    """What the preflight of a release found, as JSON; None where there was none."""
    mine = (releases.c.pipeline == of.pipeline) & (releases.c.number == of.number)
    return next((row.preflight for row in store.rows(sa.select(releases.c.preflight).where(mine))), None)


def hashed(store: Store, hash: str) -> Release:
    """The newest release of a hash, or of the beginning of one."""
    query = sa.select(releases).where(releases.c.hash.startswith(hash.lower(), autoescape=True))
    query = query.where(releases.c.state == LIVE)
    found = [_release(row) for row in store.rows(query.order_by(releases.c.number.desc()))] if hash else []
    if len({each.hash for each in found}) != 1:
        what = f"Several releases have a hash that begins with '{hash}'." if found else f"No release has '{hash}'."
        raise SpecError(what, "Give the hash that 'lading releases' shows.")
    return found[0]


def of_run(store: Store, run: str) -> int | None:
    """The number of the release that a run is pinned to, 0 for a draft; None where there is no such run."""
    query = sa.select(runs.c.release).where(runs.c.id == run, runs.c.part_of == "")
    return next((row.release or 0 for row in store.rows(query)), None)


def whole(release: Release, values: Mapping[str, Any]) -> None:
    """Raises DataError where a release is not what it was when it was made."""
    if digest(release.content, values) != release.hash:
        what = f"Release {release.number} of '{release.pipeline}' was changed in the store: its hash is another."
        raise DataError(what, f"Go back to another one: lading rollback {release.pipeline} --to NUMBER")


def _release(row: Any) -> Release:
    values = {name: getattr(row, name) for name in Release.model_fields}
    return Release.model_validate(values | {"content": Content.model_validate_json(row.content)})
