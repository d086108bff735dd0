"""What a canary's row sets off: routines and triggers, what they call, and those of tables that they write."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from lading.connector import Routed
from lading.hops.body import body
from lading.hops.flow import ODD, Body
from lading.hops.gather import known
from lading.hops.split import tokens, word
from lading.route import Code
from lading.schema import Table
from lading.sql import SqlSession

_MOST = 200
_STAYS = re.compile(r"\b(setval|dblink\w*|lo_export|pg_file_\w+|pg_logical_emit_message|outfile|dumpfile)\b", re.I)
"""What no rollback undoes, beside the next number of a sequence."""


class Reached(NamedTuple):
    """The tables that code reads or writes in the end, and why it cannot be tried; empty when it can."""

    tables: list[Table]
    why: str = ""


def reached(codes: Iterable[Code], session: SqlSession) -> Reached:
    """What some code sets off."""
    waiting, tables = list(codes), dict[str, Table | None]()
    seen = set[str]()
    while waiting and len(seen) < _MOST:
        (code,) = known([waiting.pop()], session)
        if code.text in seen:
            continue
        seen.add(code.text)
        if found := _STAYS.search(code.text):
            return Reached([], f"'{code.name}' has '{found[0]}', which no rollback undoes")
        read = body(code)
        gaps = [gap for gap in read.gaps if not gap.what.startswith("calls ")] if code.system == "mysql" else []
        if gaps:
            return Reached([], f"'{code.name}' {gaps[0].what}, so that it is not known what would stay")
        new = {name: session.describe(name) for name in sorted(_written(read) - tables.keys())}
        tables |= new
        if isinstance(session, Routed):
            waiting += session.routines(sorted(_called(code)))
            waiting += [each for table in new.values() if table is not None for each in session.route(table).triggers]
    if waiting:
        return Reached([], f"it sets off more than the {_MOST} routines and triggers that are followed")
    return Reached([table for table in tables.values() if table is not None])


def _written(read: Body) -> set[str]:
    names = (read.tables | {flow.into.owner for flow in read.flows if not flow.computed}) - read.own
    return {name for name in names if name and "\0" not in name}


def _called(code: Code) -> set[str]:
    """Everything that has the form of a call, with its schema where one is written."""
    try:
        names, found = set[str](), tokens(code.text, code.language)
    except ODD:  # another language, or no SQL
        return set()
    for n, token in enumerate(found):
        opens = n + 1 < len(found) and found[n + 1].text == "("
        if opens or (n and word(found[n - 1]) == "CALL"):
            names.add(f"{found[n - 2].text}.{token.text}" if n > 1 and found[n - 1].text == "." else token.text)
    return names
