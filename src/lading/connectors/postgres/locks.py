"""Tables that others hold, or have emptied or rewritten."""

from __future__ import annotations

from typing import Any

from lading.errors import Unreachable

_HOLDERS = """
    SELECT c.relname, l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation AND l.granted
    WHERE c.relkind IN ('r', 'p', 'm', 'f') AND strpos(%s, '"' || c.relname || '"') > 0 AND NOT l.pid = ANY(%s)
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY l.mode IN ('AccessExclusiveLock', 'ExclusiveLock') DESC LIMIT 1"""


def held(where: str, words: dict[str, Any], sql: str, ours: tuple[int, ...]) -> Unreachable | None:
    """The error that names the table of the statement and who holds it; None when that cannot be seen. Asked in a
    session of its own, as the one that waited is undone."""
    import psycopg

    try:
        with psycopg.connect(**words) as other:
            found = other.execute(_HOLDERS.encode(), (sql, list(ours))).fetchone()
    except psycopg.Error:
        return None  # What we know already is said.
    if found is None:
        return None
    what = f"{where}: table '{found[0]}' stays locked by the session with the process id {found[1]}."
    return Unreachable(what, "Run again when that session has ended, or raise 'lock_seconds' of the connection.")


REWRITTEN = """
    SELECT l.relation::regclass::text FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation
    LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation'
    AND (c.oid IS NULL AND pg_get_indexdef(l.relation) IS NULL
    OR c.relkind IN ('r', 'm') AND c.relfilenode NOT IN (0, pg_relation_filenode(c.oid))
    OR c.relkind IN ('r', 'm', 'p') AND c.oid::regclass::text NOT IN (
        quote_ident(c.relname), quote_ident(n.nspname) || '.' || quote_ident(c.relname)))
    LIMIT 1"""
"""Of all that the session holds, so also what a view reads and what inherits from a table: the name of a table that is
another, or whose file is another, than at the snapshot. A new index takes nothing away. The catalogue's rows are seen
as of the snapshot, the functions see those of now."""
