"""From a kind to a connection's or a step's class: by file name, or by entry point for outside ones."""

from __future__ import annotations

import importlib
import pkgutil
import re
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from types import ModuleType
from typing import Any

from lading import connectors, unwanted
from lading.connector import Connection
from lading.errors import LadingError, SpecError

GROUP = "lading.connectors"
STEPS = "lading.steps"
"""The package of our kinds of steps, and the group of the entry points of others'. Imported by its name: the steps
stand on much that stands on this."""


@cache
def _outside() -> EntryPoints:
    return entry_points(group=GROUP)


def _loaded(point: EntryPoint) -> Any:
    unwanted.allow()  # whatever it needs
    return point.load()


@cache
def kinds() -> tuple[str, ...]:
    """Every kind there is."""
    own = {module.name for module in pkgutil.iter_modules(connectors.__path__)}
    return tuple(sorted(own | {point.name for point in _outside()}))


@cache
def connection_class(kind: str) -> type[Connection]:
    """The class of a kind. Raises SpecError for a kind that nobody offers."""
    if kind not in kinds():
        near = get_close_matches(kind, kinds(), n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(kinds())}."
        raise SpecError(f"There is no connector of the kind '{kind}'.", hint)
    for point in _outside():
        if point.name == kind:
            found: type[Connection] = _loaded(point)
            return found
    module = importlib.import_module(f"{connectors.__name__}.{kind}")
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Connection) and value.__module__.startswith(module.__name__)
    ]
    return next(found for found in classes if found.model_fields["kind"].default == kind)


def from_url(url: str) -> Connection:
    """The connection that an address means: `scheme://...`."""
    scheme = url.partition("://")[0].lower()
    if scheme in kinds():
        return connection_class(scheme).from_url(url)
    for kind in sorted(kinds(), key=lambda kind: not scheme.startswith(kind)):  # postgresql needs no other's library
        found = connection_class(kind)
        if scheme in found.schemes:
            return found.from_url(url)
    near = get_close_matches(scheme, [s for kind in kinds() for s in connection_class(kind).schemes], n=1)
    hint = f"Did you mean '{near[0]}://'?" if near else f"There are connectors for: {', '.join(kinds())}."
    raise SpecError(f"No connector takes addresses that begin with '{scheme}://'.", hint)


def shown(place: str) -> str:
    """What texts call a connection: its name as it is, an address without its secrets."""
    scheme, mark, _ = place.partition("://")
    try:
        return from_url(place).address() if mark else place
    except (LadingError, ValueError):  # which say by themselves what is wrong with it
        return f"{scheme}://..."


def strange(text: str) -> str:
    """What texts call what is no address, such as the 'host=db password=...' that drivers take."""
    return re.sub("(?s)=.*", "=...", text)


@cache
def step_kinds() -> tuple[str, ...]:
    """Every kind of step there is."""
    own = {module.name for module in pkgutil.iter_modules(importlib.import_module(STEPS).__path__)}
    return tuple(sorted(own | {point.name for point in entry_points(group=STEPS)}))


@cache
def step_module(kind: str) -> ModuleType:
    """The module of a kind of step: a model, and the function `run` that carries one out. Raises SpecError for a
    kind that nobody offers."""
    if kind not in step_kinds():
        near = get_close_matches(kind, step_kinds(), n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(step_kinds())}."
        raise SpecError(f"There is no step of the kind '{kind}'.", hint)
    for point in entry_points(group=STEPS):
        if point.name == kind:
            found: ModuleType = _loaded(point)
            return found
    return importlib.import_module(f"{STEPS}.{kind}")


@cache
def step_class(kind: str) -> type[Any]:
    """The model of a kind of step."""
    models = [value for value in vars(step_module(kind)).values() if isinstance(value, type)]
    return next(m for m in models if hasattr(m, "model_fields") and _does(m) == kind)


def _does(model: Any) -> str:
    return str(model.model_fields["do"].default) if "do" in model.model_fields else ""
