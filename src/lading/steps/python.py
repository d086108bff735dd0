"""Calls a function of Python with tables, and puts what it returns into a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from lading.schema import Mode
from lading.spec import Accepted, Input, Move, Step, Words

if TYPE_CHECKING:
    from lading.desk import Desk, Outcome


class Python(Step):
    """Calls a function in a process of its own, with tables as arguments by their names, and with those of the
    pipeline's parameters that it takes. What it returns goes into a table, moved and proved as by a move: an Arrow
    table, a frame of Polars or pandas, or an iterator of Arrow batches, which need not be in memory at once. What it
    prints goes to the step's log."""

    places: ClassVar[tuple[str, ...]] = ("to",)
    writes: ClassVar[tuple[str, ...]] = ("to",)
    texts: ClassVar[Mapping[str, str]] = {"file": "code"}

    do: Literal["python"] = "python"
    function: str = Field(description="'module:function', or with 'file' or 'code' the function's name.")
    file: str | None = Field(None, description="A file with the function, beside the pipeline's.")
    code: str | None = Field(None, description="The code with the function itself.")
    inputs: dict[str, Input] = Field({}, description="Tables, a map from arguments to 'connection.table'.")
    frames: Literal["arrow", "batches", "polars", "pandas"] = Field(
        "arrow", description="What the tables come as; 'batches' is a reader of Arrow batches, read bit by bit."
    )
    to: str | None = Field(None, description="The connection to write what it returns to.")
    into: str | None = Field(None, description="The table that it goes into: 'table' or 'schema.table'.")
    mode: Mode = Field(Mode.REPLACE, description="replace, append or merge.")
    merge_key: Words = Field((), description="Columns that identify a row.")
    accept: Accepted = Field((), description="Losses to accept: 'rounds' or 'amount:rounds'.")
    keep_inputs: int = Field(
        0, ge=0, description="So many rows of each table that it reads are kept for 'lading open --run', of seven runs."
    )
    memory_mb: int = Field(2048, ge=64, description="How much memory the process may use, in MiB; kept on Linux.")
    env: dict[str, str] = Field({}, description="Variables that it is given, a map from names to values.")
    secrets: Words = Field(
        (), description="Variables of Lading's own environment that it is given; it has no others of them."
    )

    @property
    def uses(self) -> dict[str, bool]:
        return {each.at: False for each in self.inputs.values()} | super().uses

    @model_validator(mode="after")
    def _whole(self) -> Python:
        if self.file is not None and self.code is not None:
            raise ValueError("It takes either 'file' or 'code'. Write one of them.")
        if (self.file is None and self.code is None) != (":" in self.function):
            raise ValueError(
                "'function' must be 'module:function', or a name in 'file' or 'code'. Write one of the two."
            )
        if (self.to is None) != (self.into is None):
            raise ValueError("What it returns needs 'to' and 'into'. Write both, or neither.")
        return self


def run(step: Python, desk: Desk) -> Outcome:
    import shutil

    from lading.calling import AGAIN
    from lading.desk import Outcome
    from lading.errors import DataError, Unreachable
    from lading.frames import called, written
    from lading.prove import State
    from lading.steps import move

    folder = desk.logs / f"{step.key}.frames"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        inputs = {
            name: written(desk, each.at, each.table, folder / f"{name}.arrow") for name, each in step.inputs.items()
        }
        out = folder / "out" / f"{(step.into or '').rpartition('.')[2]}.parquet"
        code, last = called(step, desk, (inputs, out))
        if code:
            error = f"The function ended with {last.rstrip('.') or code}. See {desk.log(step)}."
            kind = Unreachable.kind if code == AGAIN else DataError.kind
            return Outcome(state=State.FAILED, error=error, error_kind=kind, again=code == AGAIN)
        if step.to is None or step.into is None:
            return Outcome(state=State.DONE, says=last or "no output")
        words = {
            "from": f"parquet:///{out.parent}", "to": step.to, "tables": [out.stem], "into": {out.stem: step.into},
            "mode": step.mode, "merge_key": step.merge_key, "accept": step.accept, "key": step.key,
        }  # fmt: skip
        return move.run(Move.model_validate(words), desk, desk.made(step))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
