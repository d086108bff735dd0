"""Where a body catches errors and does not raise them again, so that what is refused there is lost without a word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from lading.hops.split import Token, word


class Caught(NamedTuple):
    """What stands from one place of the text to another runs where an error of a value is caught, in a line."""

    start: int
    end: int
    line: int


def caught(found: Sequence[Token], language: str) -> list[Caught]:
    """Where errors of values are caught for good."""
    match language:
        case "plpgsql":
            return list(_of_exceptions(found))
        case "mysql":
            return list(_of_handlers(found))
        case "tsql":
            return list(_of_tries(found))
        case _:
            return []


_STATES = ("22", "23502", "23514", "HY000")
"""What the states of such errors begin with."""
_NAMES = {
    "others", "sqlexception", "data_exception", "string_data_right_truncation", "numeric_value_out_of_range",
    "invalid_text_representation", "invalid_datetime_format", "datetime_field_overflow", "not_null_violation",
    "integrity_constraint_violation", "check_violation", "untranslatable_character", "character_not_in_repertoire",
    "error_in_assignment", "string_data_length_mismatch",
}  # fmt: skip
_NUMBERS = {"1048", "1264", "1265", "1292", "1364", "1366", "1406", "1690", "4025"}
_QUIET = {"NOTICE", "WARNING", "INFO", "LOG", "DEBUG"}
"""Of RAISE, what raises nothing."""


def _of_values(conditions: Sequence[Token], named: dict[str, str]) -> bool:
    """Whether one of some conditions is that of a value which does not fit."""
    texts = [named.get(token.text.lower(), token.text) for token in conditions]
    return any(t.lower() in _NAMES or t in _NUMBERS or (len(t) == 5 and t.startswith(_STATES)) for t in texts)


def _blocks(found: Sequence[Token]) -> dict[int, int]:
    """The places of BEGIN and CASE with those of their END."""
    waiting, blocks = list[int](), dict[int, int]()
    for n, token in enumerate(found):
        said, before = word(token), word(found[n - 1]) if n else ""
        after = word(found[n + 1]) if n + 1 < len(found) else ""
        if said == "BEGIN" or (said == "CASE" and before != "END"):
            waiting.append(n)
        elif said == "END" and waiting and after not in ("IF", "LOOP", "WHILE", "REPEAT", "FOR"):
            blocks[waiting.pop()] = n
    return blocks


def _outside(start: int, end: int, blocks: dict[int, int]) -> Iterator[int]:
    """The places between two, blocks that stand there left out."""
    n = start
    while n < end:
        if n in blocks:
            n = blocks[n]
        else:
            yield n
        n += 1


def _of_exceptions(found: Sequence[Token]) -> Iterator[Caught]:
    blocks = _blocks(found)
    for begin, end in blocks.items():
        inside = list(_outside(begin + 1, end, blocks))
        at = next((n for n in inside if word(found[n]) == "EXCEPTION" and word(found[n + 1]) == "WHEN"), None)
        if at is None:
            continue
        arms = [n for n in inside if n > at and word(found[n]) == "WHEN" and found[n - 1].text in (";", found[at].text)]
        for arm, stop in zip(arms, [*arms[1:], end], strict=True):
            then = next((n for n in range(arm, stop) if word(found[n]) == "THEN"), stop)
            raised = any(word(found[n]) == "RAISE" and word(found[n + 1]) not in _QUIET for n in range(then, stop))
            if _of_values(found[arm:then], {}) and not raised:
                yield Caught(found[begin].start, found[at].start, found[arm].line)


def _of_handlers(found: Sequence[Token]) -> Iterator[Caught]:
    blocks, named, words = _blocks(found), dict[str, str](), [word(token) for token in found]
    for n, said in enumerate(words):
        if said == "CONDITION" and words[n + 1 : n + 2] == ["FOR"]:
            value = next((t for t in found[n + 2 : n + 5] if t.text.upper() not in ("SQLSTATE", "VALUE")), found[n])
            named[found[n - 1].text.lower()] = value.text
        if said != "HANDLER" or words[n - 2 : n - 1] != ["DECLARE"]:
            continue
        first = next((k for k in range(n + 2, len(found)) if words[k] in _RUNS), len(found))
        last = blocks.get(first) or next((k for k in range(first, len(found)) if found[k].text == ";"), len(found))
        around = [(begin, end) for begin, end in blocks.items() if begin < n < end]
        if around and _of_values(found[n + 2 : first], named) and not {"SIGNAL", "RESIGNAL"} & set(words[first:last]):
            yield Caught(found[n].start, found[max(around)[1]].start, found[n].line)


_RUNS = {
    "BEGIN", "SET", "INSERT", "UPDATE", "DELETE", "REPLACE", "SELECT", "ROLLBACK", "COMMIT", "SIGNAL", "RESIGNAL",
    "LEAVE", "ITERATE", "CALL", "GET", "IF", "CLOSE", "RETURN", "DO", "CASE",
}  # fmt: skip
"""What a handler can run."""


def _of_tries(found: Sequence[Token]) -> Iterator[Caught]:
    words, waiting = [word(token) for token in found], list[int]()
    for n, pair in enumerate(pairwise(words)):
        if pair == ("BEGIN", "TRY"):
            waiting.append(n)
        elif pair == ("END", "TRY") and waiting:
            begin, depth, last = waiting.pop(), 0, n + 2
            for last in range(n + 2, len(words) - 1):
                depth += (words[last], words[last + 1]) == ("BEGIN", "CATCH")
                depth -= (words[last], words[last + 1]) == ("END", "CATCH")
                if depth == 0 and words[last] == "END":
                    break
            if not {"THROW", "RAISERROR"} & set(words[n:last]):
                yield Caught(found[begin].start, found[n].start, found[min(n + 2, len(found) - 1)].line)
