"""What people write: pipelines and their steps."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from lading.prove import Level
from lading.schema import Mode

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Move(BaseModel):
    """Moves tables from one connection to another and proves that they arrived."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    key: Name = Field("move", description="The step's name within its pipeline.")
    do: Literal["move"] = "move"
    source: str = Field(alias="from", description="The connection to read: a name from connections.yaml, or a URL.")
    target: str = Field(alias="to", description="The connection to write: a name from connections.yaml, or a URL.")
    tables: Words = Field(("*",), description="Tables to move; * and ? stand for any characters: 'sales.*'.")
    exclude: Words = Field((), description="Tables to leave out, or columns of them: 'audit', 'orders.note'.")
    into: str | dict[str, str] | None = Field(
        None, description="A schema for all tables, or a map from source table to target table."
    )
    mode: Mode = Field(Mode.REPLACE, description="replace, append or merge.")
    merge_key: Words = Field((), description="Columns that identify a row, where the source declares no key.")
    since: str | None = Field(None, description="Move only rows whose value in this column is new; merged by key.")
    overlap_seconds: int = Field(300, ge=0, description="How far 'since' reaches back before the last value.")
    accept: Words = Field(
        (), description="Losses to accept: 'rounds', 'amount:rounds' or 'sales.orders.amount:rounds'."
    )
    through: Words = Field(
        (), description="Routines that the rows pass on their way: 'schema.name' or 'connection:schema.name'."
    )
    proof: Level = Field(Level.ROWS, description="counts, columns, rows or full.")
    max_rejects: int = Field(0, ge=0, description="How many refused rows a table may have before its run stops.")
    together: bool = Field(False, description="Publish all tables in one transaction.")
    record: bool = Field(False, description="Add the run's verdicts to the table 'lading_bills' of the target.")
    gentle: int = Field(
        0,
        ge=0,
        description="At most so many rows a second, one stream, two seconds for locks; 0: no limit.",
    )
    slice_rows: int = Field(500_000, ge=1, description="About how many rows are staged, and resumed, at a time.")

    @model_validator(mode="after")
    def _since_merges(self) -> Move:
        if self.since and self.mode is Mode.REPLACE:
            raise ValueError("'since' moves a part of a table and 'replace' would drop the rest. Use 'mode: merge'.")
        if self.since and self.mode is Mode.APPEND:
            raise ValueError("'since' reads the newest rows again and 'append' would double them. Use 'mode: merge'.")
        return self


class Pipeline(BaseModel):
    """A named list of steps, kept in pipelines/NAME.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(description="The file's name without its ending.")
    title: str = Field("", description="A few words for people.")
    description: str = Field("", description="What it does and for whom.")
    owner: str = Field("", description="Who answers for it.")
    steps: tuple[Move, ...] = Field(min_length=1, description="What to do, in order.")

    @model_validator(mode="after")
    def _keys_differ(self) -> Pipeline:
        keys = [step.key for step in self.steps]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"Two steps have the key '{key}'. Give each step its own.")
        return self
