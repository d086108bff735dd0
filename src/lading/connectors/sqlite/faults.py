"""What went wrong in SQLite, as one of the seven errors."""

from __future__ import annotations

import os

from lading.connectors.sqlite.forms import CLASSES, stored
from lading.dialects.sqlite import IS_NUMBER, dialect
from lading.driver import Driver
from lading.errors import AccessDenied, DataError, LadingError, Unreachable
from lading.schema import Table


def error_of(path: str, error: Exception) -> LadingError:
    """The error that a failure of SQLite means."""
    if isinstance(error.__cause__, KeyboardInterrupt):
        raise error.__cause__  # ADBC would have us take it for a failure
    text = str(error)
    short = text.replace("[SQLite] ", "").split("\nquery:")[0].split(": ", 1)[-1].split("\n")[0][:300].rstrip(".")
    where = f"SQLite file '{path}'"
    if "disk is full" in text:
        return Unreachable(f"{where}: {short}.", "Free space on its disk, then run again.")
    place = path if os.path.exists(path) else os.path.dirname(path) or "."
    if "failed to open" in text and place == path and not os.access(path, os.R_OK):
        return AccessDenied(f"{where}: it may not be read.", "Give this user the right to read it.")
    if "failed to open" in text and not os.access(place, os.W_OK):
        return AccessDenied(f"{where}: it may not be written.", "Give this user the right to write it and its folder.")
    if "readonly" in text:
        return AccessDenied(f"{where}: {short}.", "Give this user the right to write the file and its folder.")
    if any(word in text for word in ("locked", "busy", "unable to open", "failed to open", "disk I/O")):
        return Unreachable(f"{where}: {short}.", "Check the path and who else uses the file.")
    if "constraint" in text or "too big" in text:
        return DataError(f"SQLite refused a row: {short}.", "Correct the row, or change what the table demands of it.")
    if isinstance(error, UnicodeDecodeError):
        return DataError(f"{where}: a text is not UTF-8: {short}.", "Correct the text, or declare it BLOB.")
    return DataError(f"{where}: {short}.", "Check the file with PRAGMA integrity_check.")


def misfit(driver: Driver, path: str, table: Table, error: Exception) -> LadingError:
    """A read that stopped because a value is not of its column's declared type, named."""
    if "malformed JSON" not in str(error):
        return error_of(path, error)
    source = dialect.table(table)
    for column in table.columns:
        expression, quoted = dialect.read(column), dialect.quote(column.name)
        number, declared = IS_NUMBER.replace("{r}", expression), column.native.partition(":")[2]
        try:
            driver.query(f"SELECT count({expression}) FROM {source}")
        except LadingError:
            digits = column.type.kind == "decimal"
            known = CLASSES["decimal" if digits else stored(column.type)]
            listed = ", ".join(f"'{word}'" for word in known)
            shown = f"SELECT quote({quoted}) FROM {source} WHERE typeof({quoted})"
            odd = driver.query(f"{shown} NOT IN ('null', {listed}) LIMIT 1")
            if digits and not odd:  # a double that is no decimal
                odd = driver.query(f"{shown} = 'real' AND CAST(printf('%.15g', {quoted}) AS REAL) <> {quoted} LIMIT 1")
        else:  # or a decimal that is a text, and no number
            text = f"SELECT quote({quoted}) FROM {source} WHERE NOT ({number}) LIMIT 1"
            if column.type.kind != "decimal" or not (odd := driver.query(text)):
                continue
        value = str(odd[0][0])[:60] if odd else "another kind of value"
        what = f"Column '{column.name}' of '{table.full_name}' is declared {declared} and holds {value}."
        return DataError(what, "Correct the value, or the declared type.")
    return error_of(path, error)
