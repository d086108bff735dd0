"""Calls a procedure of a database."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from lading.spec import Name, Step

if TYPE_CHECKING:
    from lading.desk import Desk, Outcome


class Procedure(Step):
    """Calls a procedure of a database with values that are bound. When it is interrupted it is called again."""

    places: ClassVar[tuple[str, ...]] = ("at",)
    writes: ClassVar[tuple[str, ...]] = ("at",)

    do: Literal["procedure"] = "procedure"
    at: str = Field(description="The connection to a database: a name from connections.yaml, or a URL.")
    call: Name = Field(description="The procedure: 'name' or 'schema.name'.")
    values: tuple[str | int | float | bool | date | None, ...] = Field(
        (), description="Its arguments, in their order; '${param:NAME}' is a parameter."
    )


def run(step: Procedure, desk: Desk) -> Outcome:
    from lading.binding import value
    from lading.desk import Outcome
    from lading.errors import Unsupported
    from lading.find import shown
    from lading.prove import State
    from lading.schema import Table
    from lading.sql import SqlSession

    with desk.opened(step.at) as session:
        if not isinstance(session, SqlSession) or not session.dialect.call:
            raise Unsupported(
                f"Procedures of {shown(step.at)} cannot be called.", "Call it with a step 'bash' or 'python'."
            )
        schema, _, name = step.call.rpartition(".")
        marks = ", ".join([session.dialect.placeholder] * len(step.values))
        quoted = session.dialect.table(Table(name=name, schema_name=schema or None))
        sql = session.dialect.call.format(name=quoted, values=marks)
        desk.note(step, sql)
        session.driver.execute(sql, [value(each) for each in step.values])
    return Outcome(state=State.DONE, says=f"{step.call} has returned")
