"""What parts of statements are told by their words alone: heads, types, lists, and clauses to leave out."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

from lading.hops.nodes import Node, record
from lading.hops.split import Statement, Token, body_start, word
from lading.route import Parameter

IGNORED = {
    "NULL", "RAISE", "PRINT", "RAISERROR", "THROW", "COMMIT", "ROLLBACK", "SAVE", "SAVEPOINT", "CLOSE", "DEALLOCATE",
    "ASSERT", "GET", "EXIT", "CONTINUE", "WAITFOR", "USE", "SIGNAL", "RESIGNAL", "LEAVE", "ITERATE", "UNTIL", "MOVE",
    "NOTIFY", "LISTEN", "START", "RELEASE", "GO", "KILL", "CHECKPOINT", "LANGUAGE", "BREAK", "GOTO",
    "DENY", "DBCC", "RECONFIGURE", "INVOKER", "SECURITY", "REFRESH", "COMMENT", "RESET", "ENABLE", "DISABLE", "VACUUM",
    "UPDATE STATISTICS", "REINDEX",
}  # fmt: skip
"""Words of statements that move no value."""
NO_COLUMN = {"PRIMARY", "PRIMARY KEY", "CONSTRAINT", "UNIQUE", "CHECK", "INDEX", "FOREIGN", "FOREIGN KEY", "EXCLUDE"}
"""What else stands between the columns of a table that is made."""
NO_ROW = {"COALESCE", "(", ")", ",", "NEW", "OLD", "NULL"}
"""Words with which a trigger gives back no other row than it got."""


def head(found: Sequence[Token]) -> tuple[Parameter, ...]:
    """The parameters that the head of a T-SQL routine declares."""
    end = body_start(found)
    if not end or any(word(token) == "TRIGGER" for token in found[:4]):
        return ()
    until = next((n for n, t in enumerate(found[:end]) if word(t) in ("RETURNS", "WITH")), end - 1)
    given, at = [], 0
    while at < until:
        if found[at].text != "@" or at + 1 >= until:
            at += 1
            continue
        stop, depth = at + 2, 0
        while stop < until and not (depth == 0 and (found[stop].text in (",", "=", "@") or word(found[stop]) in ENDS)):
            depth += (found[stop].text == "(") - (found[stop].text == ")")
            if depth < 0:
                break
            stop += 1
        native = joined(found[at + 2 : stop]).removeprefix("AS ").removeprefix("as ")
        rest = next((n for n in range(stop, until) if found[n].text == "@"), until)
        out = any(word(token) in ("OUTPUT", "OUT") for token in found[stop:rest])
        default = any(token.text == "=" for token in found[stop:rest])
        name = f"@{found[at + 1].text}"
        given.append(Parameter(name=name, native=native, given=not out, back=out, needed=not default))
        at = rest
    return tuple(given)


ENDS = {"OUTPUT", "OUT", "READONLY", "NULL", "NOT", "DEFAULT", "COLLATE", "PRIMARY", "PRIMARY KEY", "IDENTITY",
         "CONSTRAINT", "UNIQUE", "CHECK", "REFERENCES", "CONSTANT", "AUTO_INCREMENT"}  # fmt: skip
"""Words that end a type."""


def joined(found: Iterable[Token]) -> str:
    text = ""
    for token in found:
        tight = token.text in ("(", ")", ",", ".", "%", "[", "]") or text.endswith(("(", ",", ".", "%", "["))
        text += str(token.text) if tight or not text else f" {token.text}"
    return text


def type_end(found: Sequence[Token], start: int) -> int:
    depth = 0
    for at in range(start, len(found)):
        depth += (found[at].text == "(") - (found[at].text == ")")
        if depth == 0 and at > start and (word(found[at]) in ENDS or found[at].text in (":=", "=", ",")):
            return at
    return len(found)


def by_commas(found: Sequence[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in found:
        depth += (token.text == "(") - (token.text == ")")
        if depth < 0:
            break  # what stands behind the list
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


def filling(text: str, routine: str, variables: Container[str], rows: Container[str]) -> Node:
    """What a name means that is filled: a variable, or a field of a record or of the row."""
    first, *rest = re.sub(r"^@ ", "@", text).replace("`", "").replace('"', "").lower().split(".")
    if rest and first == routine.rpartition(".")[2].lower():
        first, *rest = rest
    if not rest:
        return Node("", first)
    if first in variables:
        return Node(record(first), rest[0])
    if first not in rows and rest[-1] in variables:
        return Node("", rest[-1])  # behind the label of its block
    return Node(first, rest[0]) if first in rows else Node(".".join((first, *rest[:-1])), rest[-1])


def text_of(statement: Statement, part: Sequence[Token]) -> str:
    start = statement.tokens[0].start
    return statement.text[part[0].start - start : part[-1].end + 1 - start]


_NO_INTO = ("INSERT", "MERGE", "IGNORE", "LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED")


def without_into(statement: Statement) -> tuple[str, list[str]]:
    """A query without its INTO, and the variables named there."""
    depth = 0
    if statement.words[0] not in ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "VALUES"):
        return statement.text, []
    for at, token in enumerate(statement.tokens):
        depth += (token.text == "(") - (token.text == ")")
        before = statement.words[at - 1] if at else ""
        if depth == 0 and statement.words[at] == "INTO" and before not in _NO_INTO:
            first = at + 1 + (statement.words[at + 1] == "STRICT")
            end = first
            while end < len(statement.tokens) and not (
                end > first
                and statement.tokens[end - 1].text not in (",", ".", "@")
                and statement.tokens[end].text not in (",", ".")
            ):
                end += 1
            names = [joined(part).replace("@ ", "@").lower() for part in by_commas(statement.tokens[first:end])]
            return f"{statement.between(0, at)} {statement.between(end)}", names
    return statement.text, []


def outer(words: Sequence[str], found: Sequence[Token], wanted: str) -> int:
    """Where a word stands last outside of parentheses; -1 when it does not."""
    return max((n for n in outside(found) if words[n] == wanted), default=-1)


def outside(found: Sequence[Token], start: int = 0) -> Iterator[int]:
    """The places of what stands in no parentheses."""
    depth = 0
    for n in range(start, len(found)):
        depth += (found[n].text == "(") - (found[n].text == ")")
        if depth == 0:
            yield n


def without_output(statement: Statement) -> tuple[str, str]:
    """Without the clause that hands written rows on, which sqlglot does not read everywhere; and the table that it
    fills, if any."""
    start = outer(statement.words, statement.tokens, "OUTPUT")
    if start < 0:
        return statement.text, ""
    ends = ("VALUES", "SELECT", "FROM", "WHERE", "DEFAULT", "WITH")
    end = next((n for n in outside(statement.tokens, start) if statement.words[n] in ends), len(statement.tokens))
    into = next((n + 1 for n in outside(statement.tokens, start) if statement.words[n] == "INTO" and n < end), end)
    last = next((n for n in range(into, end) if statement.tokens[n].text == "("), end)
    table = joined(statement.tokens[into:last]).replace("@ ", "@").replace("# ", "#").lower()
    rest = statement.between(end)
    return f"{statement.between(0, start)} {rest}" if rest else statement.between(0, start), table


_MODE = re.compile(r"(?:session|local|@@(?:session\.|local\.)?)?sql_mode")


def loosens(statement: Statement, language: str) -> bool:
    """Whether a SET has the system cut what has no room, where it refuses that by itself."""
    if language == "tsql":
        return "OFF" in statement.words and not {"ANSI_WARNINGS", "ANSI_DEFAULTS"}.isdisjoint(statement.words)
    for part in by_commas(statement.tokens[1:]) if language == "mysql" else ():
        at = next((n for n, token in enumerate(part) if token.text in ("=", ":=")), 0)
        if at and _MODE.fullmatch(joined(part[:at]).replace(" ", "").lower()):
            kept = len(part) == at + 2 or word(part[at + 1]) == "CONCAT"
            if not kept or not re.search("STRICT_|TRADITIONAL", text_of(statement, part[at + 1 :]), re.I):
                return True
    return False


_REWRITTEN: dict[str, tuple[tuple[str, str], ...]] = {
    "tsql": (
        (r"^(\s*INSERT\s+)(?!INTO\b)(?=[\[\w#@.]+)", r"\1INTO "),
        (r"^(\s*INSERT\s+INTO\s+[\[\]\w#@.]+\s+)WITH\s*\([\w\s,]*\)", r"\1"),
        (r"^(\s*(?:UPDATE|DELETE)\s+)TOP\s*\([^()]*\)(?:\s*PERCENT\b)?", r"\1"),
    ),
    "mysql": (
        (r"^\s*(INSERT|REPLACE|UPDATE|DELETE)\s+(?:(?:LOW|HIGH)_PRIORITY|DELAYED|QUICK)\b", r"\1"),
        (r"^\s*(UPDATE)\s+IGNORE\b", r"\1"),
        (r"^\s*REPLACE\b", "INSERT"),
    ),
}
"""What sqlglot does not read, and what says the same of values."""


def readable(text: str, language: str) -> str:
    """A statement as sqlglot reads it."""
    for pattern, instead in _REWRITTEN.get(language, ()):
        text = re.sub(pattern, instead, text, flags=re.I)
    return re.sub(r"\bWHERE\s+CURRENT\s+OF\s+@?\w+\s*$", "", text, flags=re.I)


SHOWN = 100
"""Characters that are shown of an expression."""


def short(text: str, most: int = 60) -> str:
    text = re.sub(r"\s+", " ", text)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def selecting(items: Sequence[Any], table: str) -> Any:
    """A query of some items of a table."""
    import sqlglot

    made = sqlglot.exp.select(*[item.copy() for item in items])
    return made.from_(sqlglot.exp.to_table(table)) if table else made
