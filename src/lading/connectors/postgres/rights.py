"""What an account may not do, said before anything is moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lading.connector import Load, Right
from lading.errors import AccessDenied
from lading.schema import Mode, Table

if TYPE_CHECKING:
    from lading.connectors.postgres.session import PostgresSession


def check(session: PostgresSession) -> None:
    """See `Session.check`."""
    place = session.dialect.text(session.default_schema)
    found = session.driver.query(
        f"SELECT current_user, has_schema_privilege(oid, 'USAGE'), has_schema_privilege(oid, 'CREATE'), "
        "EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'm', 'f', 'v') "
        f"AND has_table_privilege(c.oid, 'SELECT')) FROM pg_namespace n WHERE nspname = {place}"
    )
    if not found:
        return  # A schema that is yet to be made.
    user, use, create, read = found[0]
    quoted = session.dialect.quote(session.default_schema)
    if not use:
        what = f"{session.driver.where}: user '{user}' may not use schema '{session.default_schema}'."
        raise AccessDenied(what, f"Have its owner run: GRANT USAGE ON SCHEMA {quoted} TO {user};")
    if not (create or read):
        what = f"{session.driver.where}: user '{user}' may neither read nor make tables in '{session.default_schema}'."
        fix = f"To read, GRANT SELECT ON ALL TABLES IN SCHEMA {quoted} TO {user}; to write, GRANT CREATE ON SCHEMA."
        raise AccessDenied(what, fix)


def rights(session: PostgresSession, table: Table, mode: Mode | None) -> list[Right]:
    """See `connector.Grants`."""
    schema = table.schema_name or session.default_schema
    quoted, name = session.dialect.quote(schema), session.name(table)
    user = session.dialect.quote(str(session.driver.query("SELECT current_user")[0][0]))
    place, relation = session.dialect.text(schema), f"to_regclass({session.dialect.text(name)})"

    def held(asks: str) -> bool:
        return bool(session.driver.query(f"SELECT {asks}")[0][0])

    if not held(f"EXISTS (SELECT FROM pg_namespace WHERE nspname = {place})"):
        database = str(session.driver.query("SELECT current_database()")[0][0])
        on = f"CREATE ON DATABASE {session.dialect.quote(database)}"
        made = held("has_database_privilege(current_database(), 'CREATE')")
        return [Right(f"{on}, to make the schema", made, f"GRANT {on} TO {user};")]
    wanted = ["USAGE"] if mode is None else ["USAGE", "CREATE"]  # the stage is made in the table's schema
    found = [
        Right(f"{each} ON SCHEMA {quoted}", held(f"has_schema_privilege({place}, '{each}')"),
              f"GRANT {each} ON SCHEMA {quoted} TO {user};")
        for each in wanted
    ]  # fmt: skip
    if not found[0].held or not held(f"{relation} IS NOT NULL"):
        return found
    needed = {None: (), Mode.APPEND: ("INSERT",), Mode.MERGE: ("INSERT", "UPDATE"), Mode.REPLACE: ("INSERT", "DELETE")}
    referred = f"EXISTS (SELECT FROM pg_constraint WHERE confrelid = {relation} AND conrelid <> confrelid)"
    more = ("UPDATE",) if mode is Mode.REPLACE and held(referred) else ()
    for each in (*needed[mode], *more):
        has = held(f"has_table_privilege({relation}, '{each}')")
        found.append(Right(f"{each} ON {name}", has, f"GRANT {each} ON {name} TO {user};"))
    found += _referring(session, relation, user) if mode is Mode.REPLACE else []
    return [*found, *_readable(session, table, (name, relation, user))]


@contextmanager
def named(session: PostgresSession, loads: Sequence[Load]) -> Iterator[None]:
    """Says which right a load needs and lacks, where the server only says of what."""
    try:
        yield
    except AccessDenied as error:
        session.driver.rollback()
        for right in (each for load in loads for each in rights(session, load.table, load.mode)):
            if not right.held:
                raise AccessDenied(error.what, f"Have its owner run: {right.fix}") from error
        raise


def _referring(session: PostgresSession, relation: str, user: str) -> list[Right]:
    """The right to see whether rows of other tables would be deleted, or changed, with those that go."""
    rows = session.driver.query(
        "SELECT DISTINCT conrelid::regclass::text, has_table_privilege(conrelid, 'SELECT') FROM pg_constraint "
        f"WHERE confrelid = {relation} AND conrelid <> confrelid AND confdeltype IN ('c', 'n', 'd') ORDER BY 1"
    )
    return [Right(f"SELECT ON {child}", bool(held), f"GRANT SELECT ON {child} TO {user};") for child, held in rows]


def _readable(session: PostgresSession, table: Table, words: tuple[str, str, str]) -> list[Right]:
    """The right to read a table, or its columns one by one."""
    name, relation, user = words
    whole = Right(f"SELECT ON {name}", True)
    if session.driver.query(f"SELECT has_table_privilege({relation}, 'SELECT')")[0][0] or not table.columns:
        return [whole]
    listed = ", ".join(session.dialect.text(column.name) for column in table.columns)
    sql = f"SELECT c, has_column_privilege({relation}, c, 'SELECT') FROM unnest(ARRAY[{listed}]) c"
    lacks = [session.dialect.quote(str(column)) for column, has in session.driver.query(sql) if not has]
    if len(lacks) == len(table.columns):
        return [whole._replace(held=False, fix=f"GRANT SELECT ON {name} TO {user};")]
    grant = "GRANT SELECT ({}) ON {} TO {};"
    return [Right(f"SELECT ({each}) ON {name}", False, grant.format(each, name, user)) for each in lacks] or [whole]
