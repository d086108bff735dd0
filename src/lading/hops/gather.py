"""From sessions to facts: what the catalogues of both sides say of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lading.connector import Fielded, Routed, Session
from lading.errors import SpecError
from lading.hops.calls import borrowed
from lading.hops.chain import Facts, mentioned
from lading.hops.flow import ODD
from lading.plan import Task
from lading.route import Code, Declared, Route
from lading.schema import Table
from lading.sql import SqlSession

Through = tuple[tuple[Code, ...] | Declared, ...]


def facts(task: Task, sides: tuple[Session, Session], passed: Through) -> Facts:
    """What stands on the way of one task."""
    reading, writing = sides
    unread: list[tuple[str, str]] = []
    source, target = Route(), Route()
    if isinstance(reading, Routed):
        found = reading.route(task.source)
        source = Route(views=known(found.views, reading), charsets=found.charsets)
        unread += found.beyond
    elif task.source.view:
        unread.append((f"the definition of the view '{task.name}' was not read", "Look in it for casts."))
    if isinstance(writing, Routed) and not task.fresh:
        found = writing.route(task.target)
        target = Route(triggers=known(found.triggers, writing), charsets=found.charsets)
        unread += (*found.unread, *found.beyond)
    elif isinstance(writing, SqlSession) and not task.fresh:
        what, fix = "the trigger '{}' of '{}' was not read", "Look in it for casts and cuts."
        unread += [(what.format(name, task.into), fix) for name in _triggers(writing, task.target)]
    source = _fields(source, reading, task.source)
    if task.losses or not task.problem:  # a target that cannot be written to is told already
        target = _fields(target, writing, task.target)
    return Facts(source, target, passed, tuple(unread), (system(reading), system(writing)))


def _fields(route: Route, session: Session, table: Table) -> Route:
    return route.model_copy(update={"fields": session.fields(table)}) if isinstance(session, Fielded) else route


def through(
    named: Sequence[str | Declared], sides: tuple[Session, Session], opened: Callable[[str], Session]
) -> Through:
    """The routines of `through` and what is declared there, in its order; a name without a connection is looked for in
    the target first."""
    found = list[tuple[Code, ...] | Declared]()
    for name in named:
        if isinstance(name, Declared):
            found.append(name)
            continue
        connection, colon, rest = name.rpartition(":")
        asked = [opened(connection)] if colon else [sides[1], sides[0]]
        codes: list[Code] = []
        for session in asked:
            if isinstance(session, Routed) and not codes:
                codes = list(known(session.routines([rest]), session))
        if not codes:
            raise SpecError(
                f"No routine '{name}' of 'through' was found.", "Write schema.name, or connection:schema.name."
            )
        found.append(tuple(codes))
    return tuple(found)


def _triggers(session: SqlSession, table: Table) -> list[str]:
    """The names of a table's triggers, of which no more is asked there."""
    if not session.dialect.triggers:
        return []
    place = (table.schema_name or session.default_schema, table.name)
    return [str(name) for (name,) in session.driver.query(session.dialect.triggers, place)]


def known(codes: Iterable[Code], session: Session) -> tuple[Code, ...]:
    """Each with the tables that it names, as the session describes them, and the schema of names without one."""
    return tuple(_completed(code, session) for code in codes)


def _completed(code: Code, session: Session) -> Code:
    try:
        named = sorted(mentioned(code))
    except ImportError:  # which is told where the code would be read
        named = []
    tables = [table for name in named if (table := session.describe(name)) is not None]
    given: dict[str, object] = {"within": str(getattr(session, "default_schema", ""))}
    if isinstance(session, Routed):
        routes = [(table, session.route(table)) for table in tables]
        made = [view for _, route in routes for view in route.views if code.kind != "view"]
        seen = known(dict.fromkeys(made), session)
        tables = [_charsets(table, route) for table, route in routes]
        tables += [table for view in seen for table in view.tables]
        given |= {"views": seen, "own": _own(code, session)}
        given["computed"] = tuple(each for table in dict.fromkeys(tables) for each in session.computed(table))
        if code.kind != "view":
            given["beside"] = tuple(each for table, route in routes if not table.view for each in _beside(table, route))
    return code.model_copy(update={**given, "tables": tuple(dict.fromkeys(tables))})


def _charsets(table: Table, route: Route) -> Table:
    """With the character sets of its columns in their types, those too that hold almost every character."""
    columns = [
        column.model_copy(update={"native": f"{column.native} character set {charset}"})
        if (charset := route.charsets.get(column.name)) in ("utf8mb3", "utf8", "ucs2")
        and "character" not in column.native
        else column
        for column in table.columns
    ]
    return table.model_copy(update={"columns": tuple(columns)})


def _own(code: Code, session: Routed) -> tuple[str, ...]:
    try:
        return tuple(sorted(session.own(sorted(borrowed(code)))))
    except (*ODD, ImportError):  # which is told where the code would be read
        return ()


def _beside(table: Table, route: Route) -> list[tuple[str, str]]:
    """What changes rows that a routine writes, beside the routine."""
    triggers = [f"the trigger '{each.name}' of '{table.full_name}' is not followed" for each in route.triggers]
    return [(table.full_name, what) for what in (*triggers, *(what for what, _ in route.unread))]


def system(session: Session) -> str:
    """Which system's rules hold in a session; empty where none are known."""
    return str(getattr(getattr(session, "dialect", None), "name", ""))
