"""From drafts to releases and back: what a release holds, and which one a run takes."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from lading import config, find, releases
from lading.drafting import Kept
from lading.errors import SpecError
from lading.releases import Content, Release
from lading.store import Store
from lading.written import File, parsed


def drafted(name: str, given: Mapping[str, Any] | None = None) -> Release:
    """The release that the folder's files would make; its number is 0. Raises SpecError for what is wrong with them.
    `given` are parameters, where options need them."""
    config.pipeline(name, given)  # says where in the folder's files something is wrong
    found = written(name)
    config.pipeline(name, given, kept(found))  # they may have been written in the meantime
    return found


def written(name: str) -> Release:
    """The same, whatever is wrong with the files."""
    file = config.pipeline_file(name)
    content = Content(pipeline=name, text=file.text, files=dict(sorted(_files(file))))
    return Release(
        pipeline=name, number=0, hash=releases.digest(content, file.value), content=content,
        made=datetime.now(UTC), who=getpass.getuser(),
    )  # fmt: skip


def _files(file: File) -> Iterator[tuple[str, str]]:
    """The files that the steps of a pipeline name, as far as they are there, with their texts."""
    steps = file.value.get("steps")
    for number, step in enumerate(steps if isinstance(steps, list) else ()):
        do = step.get("do", "move") if isinstance(step, dict) else ""
        for option in find.step_class(do).texts if do in find.step_kinds() else ():
            path = step.get(option)
            if isinstance(path, str) and "${param:" in path:
                what = f"'{option}' of step '{step.get('key')}' is named by a parameter: a release cannot hold it."
                raise file.error(("steps", number, option), what, "Name the file itself.")
            with suppress(OSError, UnicodeDecodeError):
                yield from [(path, config.text(path))] if isinstance(path, str) else ()


def kept(release: Release | None) -> Kept | None:
    """A release as pipelines are read from it; None for a draft. Raises DataError where it is not what it was."""
    if release is None:
        return None
    file = parsed(release.content.text, f"release {release.number} of {release.pipeline}")
    releases.whole(release, file.value)
    return Kept(file, release.content.files)


def pinned(store: Store, name: str, run: str = "", draft: bool = False) -> Release | None:
    """The release that a run of a pipeline takes, None for its draft: a run that has begun keeps its own; a new one
    takes the live release where there is one, unless the draft is asked for."""
    before = releases.of_run(store, run) if run else None
    if before is not None and not (draft and before):
        return releases.numbered(store, name, before) if before else None
    return None if draft else releases.live(store, name)


def back(store: Store, name: str, to: int | None) -> Release:
    """The release to go back to: the one of this number, or the one before what is live now."""
    now = releases.live(store, name)
    if now is None:
        raise SpecError(f"'{name}' has no release.", f"Make one: lading release {name}")
    if to is None:
        earlier = (each for each in releases.of(store, name) if each.number < now.origin)
        found = next((each for each in earlier if each.state == releases.LIVE and each.hash != now.hash), None)
        if found is None:
            what = (
                f"What is live of '{name}' is the content of release {now.origin}, and none of another was live before."
            )
            raise SpecError(what, f"Name one that 'lading releases {name}' shows: lading rollback {name} --to NUMBER")
        return found
    found = releases.numbered(store, name, to)
    if found.state != releases.LIVE:
        raise SpecError(f"Release {to} of '{name}' never went live.", f"See 'lading releases {name}'.")
    if found.hash == now.hash:
        raise SpecError(f"Release {to} of '{name}' is what is live already.", f"See 'lading releases {name}'.")
    return found
