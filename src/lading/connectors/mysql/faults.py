"""What MySQL's error numbers mean for the people who must act."""

from __future__ import annotations

from lading.errors import AccessDenied, DataError, LadingError, SpecError, Unreachable, Unsupported

LOST = 2013
_ACCOUNT = {1044, 1045, 1095, 1130, 1142, 1143, 1227, 1370, 1410, 1698, 1820, 1862, 3118, 4151}
_READ_ONLY = {1290, 1792, 1836}
_GONE = {0, 2002, 2003, 2006, 2013, 2014, 2026, 2055, 1047, 1053, 1152, 1158, 1159, 1160, 1161, 1927, 4031}
_BUSY = {1040, 1203, 1226}
_LOCKED = {1205, 1213, 1614}
_FULL = {1021, 1026, 1114}
_STOPPED = {1317, 1907, 1969, 3024}
_LIMITS = {1059, 1060, 1064, 1071, 1074, 1075, 1103, 1115, 1117, 1118, 1166, 1235, 1273, 1300, 1347, 1566, 3730, 1834}
_ABSENT = {1046, 1049, 1146}
_FIXES = {
    1046: "Name a database in the address.",
    1049: "Create it, or correct the address.",
    1050: "Drop it, or plan again.",
    1146: "Check the name, and that nobody dropped the table meanwhile.",
    1153: "Raise max_allowed_packet of the server, or allow local_infile there.",
    1273: "Use MariaDB 10.2 or later, or MySQL 8.0.17 or later.",
    1451: "Publish the tables that refer to each other together.",
    1452: "Publish the tables that refer to each other together.",
    1644: "Look at the table's triggers, or load another table.",
}


def translated(error: Exception, where: str) -> LadingError:
    """One of the seven errors for one of the driver's. `where` names the server."""
    number, text = _parts(error)
    what = f"{where}: {text}."
    if number in _ACCOUNT:
        return AccessDenied(what, "Check the account and its password, and grant it what is missing.")
    if number in _READ_ONLY:
        return AccessDenied(what, "Write to the primary server, or let the account write.")
    if number in _FULL or "error 28" in text or "errno: 28" in text or "No space left" in text:
        return Unreachable(f"{where}: the disk is full ({text}).", "Free space on the server's disk, then run again.")
    if number in _LOCKED:
        return Unreachable(f"{where}: another session holds a lock ({text}).", "Run again, or raise 'lock_seconds'.")
    if number == 1412:
        return Unreachable(f"{where}: a table was altered after the snapshot began ({text}).", "Run again.")
    if number in _STOPPED:
        return Unreachable(f"{where}: the statement was stopped ({text}).", "Run again; ask who stopped it.")
    if number in _BUSY:
        return Unreachable(
            what, "Run again when sessions are free, or raise max_connections, or the account's own limit."
        )
    if number in _GONE:
        return Unreachable(what, "Check host and port, and that the server runs; then run again.")
    if number in _ABSENT or number == 1050:
        return SpecError(what, _FIXES[number])
    if number in _LIMITS:
        return Unsupported(what, _FIXES.get(number, "Rename or leave out what MySQL has no room for."))
    if number == 1153:
        return Unsupported(what, _FIXES[number])
    return DataError(what, _FIXES.get(number, "Correct the value, or change the target's column."))


def refused(warnings: list[tuple[str, int, str]], sent: int, stored: int) -> DataError:
    """What LOAD DATA only warned of."""
    said = "; ".join(text.rstrip(". ") for _, _, text in warnings) or f"{sent:,} rows were sent and {stored:,} stored"
    return DataError(f"MySQL would change or drop rows: {said}.", "Correct them, or change the columns.")


def too_large(size: int, limit: int) -> DataError:
    """A row that the server would end the connection for."""
    return DataError(f"A row takes {size:,} bytes; the server takes {limit:,} at a time.", _FIXES[1153])


def _parts(error: Exception) -> tuple[int, str]:
    given = error.args
    if isinstance(error, OSError):
        return LOST, f"the connection was lost ({error})"
    if len(given) >= 2 and isinstance(given[0], int):
        text = str(given[1]) or "the connection is closed"
        return given[0], text.split("\n")[0].rstrip(". ")
    return -1, str(error).split("\n")[0].rstrip(". ")
