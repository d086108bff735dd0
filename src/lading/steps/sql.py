"""Puts the rows of a select into a table of the same system."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from lading.binding import select
from lading.schema import Mode
from lading.spec import Accepted, Input, Step, Words

if TYPE_CHECKING:
    from lading.desk import Desk, Outcome
    from lading.selecting import Arrived


class Sql(Step):
    """Puts the rows of a select into a table of the same system, and counts that all of them arrived. With `inputs` it
    reads those tables, of any connections: each is moved into a file of DuckDB and proved, the select runs there, and
    its rows are moved and proved as by a move."""

    places: ClassVar[tuple[str, ...]] = ("at",)
    writes: ClassVar[tuple[str, ...]] = ("at",)
    texts: ClassVar[Mapping[str, str]] = {"file": "query"}

    do: Literal["sql"] = "sql"
    at: str = Field(description="The connection to a database: a name from connections.yaml, or a URL.")
    file: str | None = Field(None, description="A file with the select, beside the pipeline's.")
    query: str | None = Field(None, description="The select itself. Parameters stand in it as :name, and are bound.")
    inputs: dict[str, Input] = Field(
        {}, description="Tables of other connections, a map from names in the select to 'connection.table'."
    )
    memory_mb: int = Field(
        512, ge=64, description="With 'inputs': how much memory DuckDB may use, in MiB; the rest goes to a file."
    )
    into: str = Field(min_length=1, description="The table that its rows go into: 'table' or 'schema.table'.")
    mode: Mode = Field(Mode.REPLACE, description="replace, append or merge.")
    merge_key: Words = Field(
        (), description="Columns that identify a row; also the primary key of a table that is made, but for DuckDB."
    )
    accept: Accepted = Field((), description="Losses to accept: 'rounds' or 'amount:rounds'.")
    keep_inputs: int = Field(
        0, ge=0, description="So many rows of each table that it reads are kept for 'lading open --run', of seven runs."
    )

    @property
    def uses(self) -> dict[str, bool]:
        return {each.at: False for each in self.inputs.values()} | super().uses

    @model_validator(mode="after")
    def _one_select(self) -> Sql:
        if (self.file is None) == (self.query is None):
            raise ValueError("It takes either 'file' or 'query'. Write one of them.")
        if self.query is not None:
            select(self.query)
        if wrong := [name for name in self.inputs if not re.fullmatch(r"[A-Za-z_]\w*", name)]:
            raise ValueError(f"'{wrong[0]}' in 'inputs' is no plain name. Write letters, digits and '_'.")
        return self


def run(step: Sql, desk: Desk) -> Outcome:
    return _joined(step, desk) if step.inputs else _selected(step, desk)


def _joined(step: Sql, desk: Desk) -> Outcome:
    import shutil
    import uuid

    from lading.joining import filled, inputs
    from lading.prove import State
    from lading.render import plural
    from lading.steps import move

    folder = desk.logs / f"{step.key}.frames"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    file = folder.absolute() / f"{uuid.uuid4().hex}.duckdb"  # what an earlier attempt brought is gone
    said, unproved = [], ""
    try:
        for name, each in inputs(step, desk.opened, file).items():
            found = move.run(each, desk)
            if found.state is State.FAILED:
                return found
            unproved = unproved or ("" if found.state is State.PROVED else f"; '{name}' is unproved")
            said.append(f"{name} ({plural(found.tables[0].rows.target, 'row')})")
        desk.note(step, step.query or "")
        outcome = move.run(filled(step, desk.params, desk.opened, file), desk, desk.made(step))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    places = sorted({desk.connection(each.at).address() for each in step.inputs.values()})
    words = {"says": f"{outcome.says}, from {', '.join(said)}{unproved}", "source": ", ".join(places)}
    state = State.UNPROVED if unproved and outcome.state is State.PROVED else outcome.state
    return outcome.model_copy(update={**words, "state": state})


def _selected(step: Sql, desk: Desk) -> Outcome:
    from lading.binding import bound
    from lading.desk import Outcome
    from lading.errors import Unsupported
    from lading.find import shown
    from lading.prove import State
    from lading.render import plural
    from lading.selecting import Control, Selecting, named, selected
    from lading.sql import SqlSession

    def outcome(found: Arrived) -> Outcome:
        says = f"{plural(found.rows, 'row')} into {step.into}, {found.reason or step.mode.value}"
        return Outcome(state=State.UNPROVED if found.reason else State.PROVED, says=says, rows=found.rows)

    connection = desk.connection(step.at)
    with desk.opened(step.at) as session:
        if not isinstance(session, SqlSession) or not session.dialect.create_as or not connection.can.writes:
            raise Unsupported(
                f"{shown(step.at)} cannot keep the rows of a select.", "Name a database that can be written to."
            )
        text, values = bound(select(step.query or ""), desk.params, session.dialect)
        desk.note(step, text)
        ids = [named(desk.pipeline.name, step.key, run) for run in (desk.run, *desk.earlier)]
        asked = Selecting(
            ids[0], step.at, text, values, step.into, step.mode, step.merge_key, step.accept,
        )  # fmt: skip
        control = Control(desk.again, ids[1:], lambda found: desk.settle(outcome(found)), desk.go_on)
        arrived = selected(session, asked, connection.can, control)
    return outcome(arrived)
