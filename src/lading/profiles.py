"""Profiles in the store, each with its date; what plans know of the values that were there."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import sqlalchemy as sa

from lading.errors import SpecError
from lading.facts import Observed, Profile
from lading.schema import Table
from lading.store import Store

_tables = sa.MetaData()
profiles = sa.Table(
    "profiles", _tables,
    sa.Column("id", sa.Integer, primary_key=True), sa.Column("system", sa.Text), sa.Column("table", sa.Text),
    sa.Column("taken", sa.Text), sa.Column("profile", sa.Text),
)  # fmt: skip


def keep(store: Store, found: Profile) -> None:
    """Adds a profile; earlier ones of the same table stay."""
    store.write(
        profiles.insert().values(
            system=found.system, table=found.table, taken=found.taken.isoformat(), profile=found.model_dump_json()
        )
    )


def last(store: Store, system: str, table: str) -> Profile | None:
    """The newest profile of a table; `system` is the address of its connection."""
    mine = (profiles.c.system == system) & (profiles.c.table == table)
    query = sa.select(profiles.c.profile).where(mine).order_by(profiles.c.id.desc()).limit(1)
    return next((Profile.model_validate_json(row.profile) for row in store.rows(query)), None)


def kept(store: Store, system: str, patterns: Sequence[str]) -> list[Profile]:
    """The newest profile of each table. Raises SpecError when no table was profiled."""
    query = sa.select(profiles.c.table).where(profiles.c.system == system).distinct().order_by(profiles.c.table)
    names = [row.table for row in store.rows(query)]
    found = [last(store, system, name) for name in names if any(fnmatchcase(name, each) for each in patterns)]
    if not found:
        what = f"No profile of {', '.join(patterns) if patterns != ('*',) else 'a table'} of {system} is kept."
        raise SpecError(what, "Leave out --last to take one.")
    return [profile for profile in found if profile is not None]


def observed(store: Store, system: str, table: str) -> dict[str, Observed]:
    """The greatest that the newest profile of a table saw, by column; empty without one."""
    found = last(store, system, table)
    return found.observed() if found else {}


def with_observed(store: Store, system: str, table: Table) -> Table:
    """The table, its columns with what was observed in them, where their types are still as they were."""
    found = last(store, system, table.full_name)
    if found is None:
        return table
    seen, types = found.observed(), {f.column: f.type for f in found.columns}
    columns = (c.model_copy(update={"observed": seen.get(c.name)}) if types.get(c.name) == c.type else c
               for c in table.columns)  # fmt: skip
    return table.model_copy(update={"columns": tuple(columns)})
