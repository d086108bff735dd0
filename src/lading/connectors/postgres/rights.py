"""What an account may not do, and what a table does not take, said before anything is moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.connector import Load
from lading.errors import AccessDenied, Unsupported

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


def refuse_computed(session: PostgresSession, load: Load) -> None:
    """Refuses tables with a column of the load that the database fills itself."""
    names = [c.name for c in load.table.columns]
    target = session.dialect.text(session.name(load.table))
    sql = (
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass({}) AND attgenerated <> '' AND attname = ANY(%s)"
    )
    if found := session.driver.query(sql.format(target.replace("%", "%%")), (names,)):
        raise Unsupported(
            f"PostgreSQL computes column '{found[0][0]}' of '{load.table.full_name}'; it cannot be written.",
            "Drop the target's table so that it is made anew, or make the column an ordinary one.",
        )
