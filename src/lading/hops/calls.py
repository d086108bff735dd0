"""What a body runs that stands elsewhere: SQL that is made while it runs, and other routines."""

from __future__ import annotations

import re
from typing import Any

from lading.hops.flow import Gap, parsed
from lading.hops.split import GRAMMARS, Statement, tokens
from lading.hops.words import joined, short
from lading.route import Code

_HARMLESS = re.compile(r"(?:pg_catalog\.)?(?:pg_\w+|set_config|setval|nextval)")
"""Functions of PostgreSQL that people run for what they do beside: they change no table."""


def borrowed(code: Code) -> set[str]:
    """The functions that it calls by a name alone, in lower case, and which are taken for the system's."""
    from sqlglot.dialects.dialect import Dialect

    if code.language not in GRAMMARS:
        return set()
    parser, names = Dialect.get_or_raise(GRAMMARS[code.language]).parser_class, set[str]()
    for text in (code.text, *(each.text for each in code.computed)):
        found = tokens(text, code.language)
        for n, token in enumerate(found[:-1]):
            if found[n + 1].text == "(" and (n == 0 or found[n - 1].text != "."):
                names.add(token.text.lower())
    return {name for name in names if name.upper() in {*parser.FUNCTIONS, *parser.FUNCTION_PARSERS}}


def called(statement: Statement, language: str) -> list[Gap]:
    """What EXECUTE, EXEC, CALL, PERFORM, PREPARE and DO run."""
    first, rest = statement.words[0], statement.words[1:]
    named = joined(statement.tokens[1:]).replace("@ ", "@")
    if first == "PERFORM":
        return _performed(statement, language)
    if first == "PREPARE" or (first == "EXECUTE" and language != "tsql"):
        return [dynamic(statement)]
    if first in ("EXEC", "EXECUTE") and (rest[:1] in (("(",), ("@",)) or "sp_executesql" in named.lower()[:40]):
        if rest[:1] != ("@",) or "=" not in [token.text for token in statement.tokens[1:4]]:
            return [dynamic(statement)]
        named = named.partition("=")[2].strip()
    return [_call(statement, re.split(r"[ (@;]", named.replace("[", "").replace("]", "").strip(), maxsplit=1)[0])]


def _performed(statement: Statement, language: str) -> list[Gap]:
    """PERFORM is a SELECT whose rows nobody wants."""
    functions = [each for each in parsed(f"SELECT {statement.between(1)}", language).walk() if each.key == "anonymous"]
    names = [_name(each) for each in functions]
    return [_call(statement, name) for name in dict.fromkeys(names) if not _HARMLESS.fullmatch(name.lower())]


def _name(function: Any) -> str:
    around = function.parent
    return f"{around.this.sql()}.{function.name}" if around is not None and around.key == "dot" else str(function.name)


def _call(statement: Statement, name: str) -> Gap:
    fix = f"Add it to 'through' if rows pass it: {name}."
    return Gap(statement.line, f"calls '{name}', which may change or write values", fix)


def dynamic(statement: Statement) -> Gap:
    return Gap(statement.line, f"runs SQL that is made while it runs: {short(statement.text)}")
