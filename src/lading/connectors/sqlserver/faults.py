"""What SQL Server and its library say went wrong, as our kinds of failure."""

from __future__ import annotations

import re

from lading.errors import AccessDenied, DataError, LadingError, Unreachable

# Of the library's messages, those of bulk copy hold the server's numbers and those of queries do not.
_NUMBER = r"(?:Msg|[Ee]rror|[Nn]umber|[Cc]ode)\W{0,3}(?:%s)\b"
_DENIED = (
    _NUMBER % "18456|18470|229|230|262|916|4060|15151" + r"|Login failed|permission (was )?denied|Cannot open database"
)
_REFUSED = (
    _NUMBER
    % "515|547|2601|2627|2628|8152|8115|220|232|241|242|245|248|273|544|4815|4863|8114|7339"
    + r"|Cannot insert|Violation of|duplicate key|would be truncated|conflicted with|[Oo]verflow|onversion failed"
    r"|out-of-range|out of range|type combination is not supported|Invalid column length"
)
_LOCKED = _NUMBER % "1222" + r"|[Ll]ock request time ?out"
_AWAY = (
    _NUMBER
    % "1205|3960|3961|40197|40501|40613|10928|10929|9002|1105|1101|596|233|10053|10054|10060"
    + r"|deadlock|Snapshot isolation transaction aborted|is full|TCP Provider|imeout"
    r"|Communication link|establish connection|onnection (is|was|has been) (closed|broken)|Failed to connect|IO error"
)


def translated(error: Exception, where: str, password: str, refused: bool) -> LadingError:
    """The library's error as one of ours; `refused` says that the server refused a row."""
    text = str(error).replace(password, "***") if password else str(error)
    text = re.sub(r"\[[^\]]*\]|Driver Error:|DDBC Error:", " ", text)
    text = " ".join(text.split())[:300].rstrip(". ")
    if re.search(_DENIED, text):
        return AccessDenied(f"{where}: {text}.", "Check the account, its password and its rights.")
    if refused or re.search(_REFUSED, text):
        return DataError(
            f"SQL Server refused a row: {text}.", "Correct the row, or change what the table demands of it."
        )
    if re.search(_LOCKED, text):
        return Unreachable(f"{where}: {text}.", "Run again when the lock is free, or raise 'lock_seconds'.")
    if re.search(_AWAY, text):
        return Unreachable(f"{where}: {text}.", "Check that the server runs and has room, then run again.")
    return DataError(f"{where}: {text}.", "Check the table's definition.")
