"""Puts the rows of a select into a table of the same system."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from lading.binding import select
from lading.schema import Mode
from lading.spec import Step, Words

if TYPE_CHECKING:
    from lading.desk import Desk, Outcome
    from lading.selecting import Arrived


class Sql(Step):
    """Puts the rows of a select into a table of the same system, and counts that all of them arrived."""

    places: ClassVar[tuple[str, ...]] = ("at",)
    texts: ClassVar[Mapping[str, str]] = {"file": "query"}

    do: Literal["sql"] = "sql"
    at: str = Field(description="The connection to a database: a name from connections.yaml, or a URL.")
    file: str | None = Field(None, description="A file with the select, beside the pipeline's.")
    query: str | None = Field(None, description="The select itself. Parameters stand in it as :name, and are bound.")
    into: str = Field(min_length=1, description="The table that its rows go into: 'table' or 'schema.table'.")
    mode: Mode = Field(Mode.REPLACE, description="replace, append or merge.")
    merge_key: Words = Field((), description="Columns that identify a row; the primary key of a table that is made.")
    accept: Words = Field((), description="Losses to accept: 'rounds' or 'amount:rounds'.")

    @model_validator(mode="after")
    def _one_select(self) -> Sql:
        if (self.file is None) == (self.query is None):
            raise ValueError("It takes either 'file' or 'query'. Write one of them.")
        if self.query is not None:
            select(self.query)
        return self


def run(step: Sql, desk: Desk) -> Outcome:
    from lading.binding import bound
    from lading.desk import Outcome
    from lading.errors import Unsupported
    from lading.prove import State
    from lading.render import plural
    from lading.selecting import Control, Selecting, selected
    from lading.sql import SqlSession

    def outcome(found: Arrived) -> Outcome:
        says = f"{plural(found.rows, 'row')} into {step.into}, {found.reason or step.mode.value}"
        return Outcome(state=State.UNPROVED if found.reason else State.PROVED, says=says)

    connection = desk.connection(step.at)
    with desk.opened(step.at) as session:
        if not isinstance(session, SqlSession) or not session.dialect.create_as or not connection.can.writes:
            raise Unsupported(f"{step.at} cannot keep the rows of a select.", "Name a database that can be written to.")
        text, values = bound(select(step.query or ""), desk.params, session.dialect)
        desk.note(step, text)
        ids = [
            hashlib.sha256(f"{desk.pipeline.name} {step.key} {run}".encode()).hexdigest()[:12]
            for run in (desk.run, *desk.earlier)
        ]
        asked = Selecting(
            ids[0], step.at, text, values, step.into, step.mode, step.merge_key, step.accept,
        )  # fmt: skip
        control = Control(desk.again, ids[1:], lambda found: desk.settle(outcome(found)), desk.go_on)
        arrived = selected(session, asked, connection.can, control)
    return outcome(arrived)
