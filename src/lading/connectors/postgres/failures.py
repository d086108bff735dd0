"""What PostgreSQL and its two libraries say went wrong, as one of the seven errors."""

from __future__ import annotations

import logging
import re
from typing import Any

from lading.errors import AccessDenied, DataError, LadingError, SpecError, Unreachable, Unsupported

logging.getLogger("psycopg").addHandler(logging.NullHandler())  # what matters is raised too

_BUSY = "Run again when sessions are free, or raise max_connections, or the role's own limit."
# Classes of SQLSTATE, the most particular first: https://www.postgresql.org/docs/current/errcodes-appendix.html
_RULES: tuple[tuple[str, type[LadingError], str], ...] = (
    ("28", AccessDenied, "Check user and password, and the server's pg_hba.conf."),
    ("42501", AccessDenied, "Have its owner GRANT the right to the user."),
    ("25006", AccessDenied, "Connect to the primary server, with an account that may write."),
    ("3D000", SpecError, "Correct the database's name."),
    ("3F000", SpecError, "Create the schema, or correct its name."),
    ("53100", Unreachable, "Free space on the server's disk, then run again."),
    ("53300", Unreachable, _BUSY),
    ("57014", Unreachable, "Run again, or raise 'statement_seconds' of the connection."),
    ("08|53|57|58|HV", Unreachable, "Run again when the server answers."),
    ("55P03", Unreachable, "Run again when the lock is free, or raise 'lock_seconds' of the connection."),
    ("55000", SpecError, "Change the table or view so that the server allows it, or name another."),
    ("55", Unreachable, "Run again."),
    ("40|25P02", Unreachable, "Run again."),
    ("22021|22P05", DataError, "Correct the text, or map the column to binary."),
    ("LD|P0", DataError, "Look at the table's triggers and rules, or load another table."),
    ("23503", DataError, "Move both tables in one step, with 'together', or correct the row."),
    ("23505", DataError, "Correct the rows that share a value there, or drop the constraint."),
    ("22|23|44", DataError, "Correct the value, or change what the table demands of it."),
    ("428C9", Unsupported, "Leave the column out: PostgreSQL computes it."),
    ("0A|54", Unsupported, "Choose another form of the table."),
    ("42P07", SpecError, "Run again if it was made meanwhile; if not, rename what has that name, such as an index."),
    ("2BP01", SpecError, "Drop what depends on the table, or load another one."),
    ("42", SpecError, "Discover the tables again, and correct the names and types."),
)
_SAID: tuple[tuple[str, type[LadingError], str], ...] = (
    ("row-level security", AccessDenied, "Use an account that sees all rows: the owner, or one with BYPASSRLS."),
    ("during recovery", AccessDenied, "Connect to the primary server; this one only follows it."),
    ('"pg_class_relname_nsp_index"', SpecError, "Another session made the table at the same time: run again."),
)
"""What one code does not tell apart."""
_REFUSED = re.compile(r"authentication|pg_hba\.conf|no password|role \"|not permitted to log in|SSL|certificate", re.I)
_PLACE = re.compile(r"^connection failed: connection to server at .*?, port \d+ failed: (?:FATAL:\s+)?(.)")
"""What psycopg says of the server's place before what is wrong there: `where` has said it."""
_TOO_MANY = re.compile(r"too many connections|too many clients|remaining connection slots", re.I)


def asyncpg_errors() -> tuple[type[Exception], ...]:
    """What asyncpg raises; of a connection that is cut in the wrong moment it says that its own states are mixed up."""
    import asyncpg

    return asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError


def translate(error: BaseException, where: str) -> LadingError:
    """The error to raise for one of psycopg's, asyncpg's or the network's; never with a row's content."""
    code = str(getattr(error, "sqlstate", None) or "")
    if not code:
        return _lost(error, where)
    diag: Any = getattr(error, "diag", error)
    said = getattr(diag, "message_primary", None) or getattr(diag, "message", None) or str(error)
    text = str(said).split("\n")[0][:300].rstrip(".")
    for name in ("table", "column", "constraint"):
        value = getattr(diag, f"{name}_name", None) or (name == "column" and _column(diag))
        if value and f'"{value}"' not in text:
            text += f", {name} '{value}'"
    for sign, found, remedy in _SAID:
        if sign in text:
            return found(f"{where}: {text}.", remedy)
    kind, fix = next(
        ((k, f) for codes, k, f in _RULES if re.match(codes, code)), (DataError, "Look at the server's log.")
    )
    return kind(f"{where}: {text}.", fix)


def _column(diag: Any) -> str | None:
    """The column that a COPY was at."""
    found = re.search(r"COPY .*?, line \d+, column (.+?)(?::|$)", str(getattr(diag, "context", None) or ""))
    return found[1] if found else None


def _lost(error: BaseException, where: str) -> LadingError:
    """Libraries give no code where the connection was not made, or is gone."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    text = _PLACE.sub(lambda found: found[1].lower(), text)[:300].rstrip(".")
    if re.search(r'database ".*" does not exist', text):
        return SpecError(f"{where}: {text}.", "Correct the database's name.")
    if _TOO_MANY.search(text):
        return Unreachable(f"{where}: {text}.", _BUSY)
    if _REFUSED.search(text) and "closed" not in text:
        return AccessDenied(f"{where}: {text}.", "Check user and password, and the server's pg_hba.conf.")
    return Unreachable(f"{where}: {text}.", "Check host and port, and that the server runs; then run again.")
