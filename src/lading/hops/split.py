"""A body of code as statements, cut by its words: T-SQL needs no semicolons, and a semicolon ends no IF.

sqlglot gives words and reads single statements; blocks, branches and loops are dropped here, since any of them may run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

Token = Any
GRAMMARS = {
    "sql": "postgres", "plpgsql": "postgres", "tsql": "tsql", "mysql": "mysql", "duckdb": "duckdb", "sqlite": "sqlite",
}  # fmt: skip


class Statement(NamedTuple):
    """`text` begins at `line` of the body. `words` are those in it, in upper case, quoted ones empty. `declares` says
    that it is a declaration, without the word itself."""

    text: str
    line: int
    words: tuple[str, ...]
    tokens: tuple[Token, ...]
    declares: bool = False

    def between(self, start: int, end: int | None = None) -> str:
        """The text of some of its words."""
        found = self.tokens[start:end]
        return (
            self.text[found[0].start - self.tokens[0].start : found[-1].end + 1 - self.tokens[0].start] if found else ""
        )


def tokens(text: str, language: str) -> list[Token]:
    """The words of a text. Raises ValueError for one that has none."""
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.errors import SqlglotError

    # Else whatever follows such a word, up to a semicolon, would be one token.
    own = Dialect.get_or_raise(GRAMMARS[language]).tokenizer_class
    try:
        return list(type("Tokenizer", (own,), {"COMMANDS": set[Any]()})().tokenize(text))
    except SqlglotError as error:
        raise ValueError(str(error).split("\n")[0]) from error


def word(token: Token) -> str:
    """A token in upper case; empty for a literal or a quoted name."""
    quoted = token.token_type.name
    return "" if quoted == "IDENTIFIER" or quoted.endswith("STRING") else str(token.text).upper()


def cut(text: str, found: Sequence[Token], declares: bool = False) -> Statement:
    """The statement that some tokens of a text are."""
    whole = text[found[0].start : found[-1].end + 1]
    return Statement(whole, int(found[0].line), tuple(map(word, found)), tuple(found), declares)


def statements(text: str, language: str) -> list[Statement]:
    """The statements of a body that declare, move or call, in their order. Raises ValueError."""
    found = tokens(text, language)
    if language == "tsql":
        return list(_of_tsql(text, found[body_start(found) :]))
    return list(_of_blocks(text, found, language == "plpgsql"))


def body_start(found: Sequence[Token]) -> int:
    """Where T-SQL's body begins: behind the AS of its head; 0 without a head."""
    if not found or word(found[0]) not in ("CREATE", "ALTER"):
        return 0
    depth = 0
    for at, token in enumerate(found):
        depth += (token.text == "(") - (token.text == ")")
        named = at > 1 and found[at - 2].text == "@"  # @name AS type
        if depth == 0 and word(token) == "AS" and not named and word(found[at - 1]) not in ("EXECUTE", "EXEC"):
            return at + 1
    return 0


# PL/pgSQL, SQL and MariaDB's bodies: a semicolon ends every statement; what opens a branch stands before one.

_ALONE = {"BEGIN", "LOOP", "ELSE", "REPEAT", "EXCEPTION", "ATOMIC"}
_UNTIL = {
    "IF": ("THEN",), "ELSIF": ("THEN",), "ELSEIF": ("THEN",), "WHEN": ("THEN",), "WHILE": ("LOOP", "DO"),
    "FOR": ("LOOP", "DO"), "FOREACH": ("LOOP",),
}  # fmt: skip


def _of_blocks(text: str, found: list[Token], sections: bool) -> Iterator[Statement]:
    """`sections` says that one DECLARE stands before many declarations, up to BEGIN."""
    declaring = False
    for part in _parts(found):
        while part:
            first = word(part[0])
            if first == "DECLARE" and not _handles(part):
                declaring, part = True, part[1:]
            elif declaring and first == "BEGIN":
                declaring, part = False, part[1:]
            elif declaring or not (skipped := _opening(part)):
                yield cut(text, part, declaring)
                declaring = declaring and sections
                break
            else:
                if first in ("FOR", "FOREACH"):
                    yield cut(text, part[:skipped])
                part = part[skipped:]


def _handles(part: list[Token]) -> bool:
    return any(word(token) == "HANDLER" for token in part[:4])


def _parts(found: list[Token]) -> Iterator[list[Token]]:
    part: list[Token] = []
    for token in found:
        if token.text == ";" and token.token_type.name == "SEMICOLON":
            if part:
                yield part
            part = []
        else:
            part.append(token)
    if part:
        yield part


def _opening(part: list[Token]) -> int:
    """How many tokens at the beginning open a block or a branch; all of them for what only closes one."""
    first = word(part[0])
    if first == "END":
        return len(part)
    if part[0].text == "<" and len(part) > 4 and part[1].text == "<":
        return 5
    if len(part) > 1 and part[1].text == ":" and first:
        return 2  # a label
    if first == "DECLARE":
        return next((n for n, t in enumerate(part) if n and word(t) in _HANDLED), len(part))
    if first in _ALONE:
        return 1
    if first in _UNTIL or (first == "CASE" and len(part) > 1):
        ends = _UNTIL.get(first, ("WHEN",))
        at = _first(part, ends)
        return (at if first == "CASE" else at + 1) if at else 0
    return 0


_HANDLED = {"BEGIN", "SET", "INSERT", "UPDATE", "SELECT", "ROLLBACK", "RESIGNAL", "LEAVE"}
"""What a handler can run."""


def _first(part: list[Token], words: Sequence[str]) -> int:
    depth = cases = 0
    for at, token in enumerate(part):
        depth += (token.text == "(") - (token.text == ")")
        if at and word(token) == "CASE":
            cases += 1
        elif word(token) == "END" and cases:
            cases -= 1
        elif at and depth == 0 and cases == 0 and word(token) in words:
            return at
    return 0


# T-SQL: the word that begins the next statement ends the one before it.

_STARTS = {
    "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "SET", "DECLARE", "IF", "ELSE", "WHILE", "BEGIN", "END", "EXEC",
    "EXECUTE", "RETURN", "PRINT", "RAISERROR", "THROW", "OPEN", "FETCH", "CLOSE", "DEALLOCATE", "TRUNCATE", "CREATE",
    "DROP", "ALTER", "COMMIT", "ROLLBACK", "SAVE", "GOTO", "BREAK", "CONTINUE", "WAITFOR", "USE", "GRANT", "REVOKE",
    "DENY", "BULK", "KILL", "RECONFIGURE", "CHECKPOINT", "DBCC", "UPDATE STATISTICS",
}  # fmt: skip
_DROPPED = {"IF", "ELSE", "WHILE", "BEGIN", "END", "GOTO", "BREAK", "CONTINUE"}


def _of_tsql(text: str, found: list[Token]) -> Iterator[Statement]:
    part: list[Token] = []
    depth = cases = 0
    for at, token in enumerate(found):
        said, following = word(token), found[at + 1] if at + 1 < len(found) else None
        if depth == 0 and token.text == ";" and token.token_type.name == "SEMICOLON":
            yield from _kept(text, part)
            part = []
            continue
        label = following is not None and following.text == ":" and part and word(part[-1]) != "GOTO"
        if depth == 0 and cases == 0 and part and (label or (said in _STARTS and _begins(part, token, following))):
            yield from _kept(text, part)
            part = []
        if said == "CASE":
            cases += 1
        elif said == "END" and cases:
            cases -= 1
        depth += (token.text == "(" and said == "(") - (token.text == ")" and said == ")")
        part.append(token)
    yield from _kept(text, part)


def _begins(part: list[Token], token: Token, following: Token | None) -> bool:
    """Whether a word that can begin a statement does so here."""
    said, words = word(token), [word(each) for each in part]
    first, last = words[0], words[-1]
    if last in ("@", ".", "AS") or (said == "UPDATE" and following is not None and following.text == "("):
        return False  # a name; IF UPDATE(column)
    if first == "MERGE":
        return said not in ("UPDATE", "INSERT", "DELETE", "SET")
    if first in ("CREATE", "ALTER", "DROP") and (said in ("IF", "ALTER", "DROP", "SET") or last in ("ON", "FOR", "OR")):
        return False
    if first == "WITH":
        used = [each for each in _outside(part) if each in ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE")]
        if not used:
            return False
        first = used[0]
    match said:
        case "SET":
            return first != "UPDATE" or "SET" in _outside(part)
        case "SELECT":
            joined = last in ("UNION", "ALL", "EXCEPT", "INTERSECT", "FOR")
            filled = not {"VALUES", "SELECT", "EXEC", "EXECUTE"}.isdisjoint(_outside(part))
            return not joined and (first != "INSERT" or filled)
        case "EXEC" | "EXECUTE":
            return first != "INSERT" or not {"VALUES", "SELECT"}.isdisjoint(_outside(part))
        case "FETCH":
            return last not in ("ROWS", "ROW")
        case "UPDATE" | "INSERT" | "DELETE":
            return last not in ("FOR", "AFTER", "OF", ",")
        case "OPEN" | "CLOSE" | "SAVE" | "USE" | "KILL" | "BULK" | "PRINT":
            return last not in (",", "=", "(")
        case _:
            return True


def _outside(part: list[Token]) -> list[str]:
    """The words that stand in no parentheses."""
    depth, found = 0, []
    for token in part:
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0:
            found.append(word(token))
    return found


def _kept(text: str, part: list[Token]) -> Iterator[Statement]:
    if len(part) > 1 and part[1].text == ":":
        part = part[2:]  # a label
    if part and word(part[0]) == "DECLARE":
        yield cut(text, part[1:], declares=True)
    elif part and word(part[0]) not in _DROPPED:
        yield cut(text, part)
