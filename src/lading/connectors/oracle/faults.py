"""What Oracle and its library say went wrong, as our kinds of failure."""

from __future__ import annotations

from lading.errors import AccessDenied, DataError, LadingError, Unreachable, Unsupported

_DENIED = {1005, 1017, 1031, 1045, 1435, 1749, 1918, 28000, 28001, 28002, 41900}
_AWAY = {
    18, 20, 28, 51, 54, 60, 1012, 1033, 1034, 1041, 1089, 1090, 1092, 1109, 1536, 1555, 1652, 1653, 1654, 1658, 1688,
    1691, 2396, 3113, 3114, 3135, 4021, 8176, 8177, 12150, 12152, 12153, 12154, 12170, 12203, 12224, 12500, 12505,
    12514, 12516, 12518, 12519, 12520, 12521, 12528, 12537, 12541, 12543, 12547, 12570, 12571, 19502, 25408, 30006,
}  # fmt: skip
_LOST = ("DPY-1001", "DPY-4011", "DPY-4024", "DPY-6000", "DPY-6001", "DPY-6003", "DPY-6005")
_REFUSED = {
    1, 1400, 1401, 1407, 1426, 1438, 1461, 1483, 1722, 1839, 1840, 1841, 1843, 1847, 1858, 1861, 2290, 2291, 2292,
    12899, 22835, 26072, 32795,
}  # fmt: skip


def translated(error: Exception, where: str, password: str) -> LadingError:
    """The library's error as one of ours."""
    found = error.args[0] if error.args else None
    code, name = int(getattr(found, "code", 0) or 0), str(getattr(found, "full_code", ""))
    text = str(error).replace(password, "***") if password else str(error)
    text = " ".join(text.split("\nHelp:")[0].split())[:300].rstrip(". ")
    if code in _DENIED or name == "DPY-4001":
        return AccessDenied(f"{where}: {text}.", "Check the account, its password and its rights.")
    if code == 942:
        return AccessDenied(f"{where}: {text}.", "Check that the table is there and the account may use it.")
    if code == 1555:
        return Unreachable(f"{where}: {text}.", "Raise UNDO_RETENTION, or move fewer rows at a time; then run again.")
    if code in _AWAY or name in _LOST:
        return Unreachable(f"{where}: {text}.", "Check that the database is open and has room, then run again.")
    if code in _REFUSED:
        return DataError(f"Oracle refused a row: {text}.", "Correct the row, or change what the table demands of it.")
    if name in ("DPY-3010", "DPY-3015", "DPY-3030", "DPY-3038"):
        return Unsupported(f"{where}: {text}.", "Leave the column out, or read the table through a view.")
    return DataError(f"{where}: {text}.", "Check the table's definition.")
