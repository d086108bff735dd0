"""Reads the statements of one body in turn, and follows where each puts its values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from lading.hops.filling import Unnamed, filled, paired, returned
from lading.hops.flow import EVERY, ODD, RESULT, Body, Flow, Gap, parsed
from lading.hops.nodes import Node, Outputs, Scope, Trace, record
from lading.hops.split import GRAMMARS, Statement, Token, word
from lading.hops.trace import ctes, full_name, outputs, read_by, traced, unread
from lading.hops.words import (
    IGNORED,
    NO_COLUMN,
    NO_ROW,
    by_commas,
    filling,
    joined,
    outer,
    short,
    text_of,
    type_end,
    without_into,
    without_output,
)  # fmt: skip
from lading.route import Code, Parameter


class Reading:
    """Takes the statements of one body in turn."""

    def __init__(self, code: Code, parameters: tuple[Parameter, ...]) -> None:
        self.code, self.body = code, Body(parameters=parameters, within=code.within)
        self.names = {each.name.lower() for each in parameters}
        self.cursors: dict[str, Outputs] = {}
        self.rows = dict.fromkeys(("inserted", "deleted", "new", "old"), "")
        """Rows by name, each with the table that it is like."""
        self.partial: set[str] = set()
        """The body's own tables of which not all columns are known."""
        self.told: set[tuple[Node, Trace, bool]] = set()

    @property
    def scope(self) -> Scope:
        places = tuple(each.name for each in self.body.parameters if each.given)
        grammar = GRAMMARS[self.code.language]
        own: dict[str, tuple[str, ...]] = {}
        for node in dict.fromkeys((*self.body.types, *self.body.filled)):
            if node.name != EVERY:
                own[node.owner] = (*own.get(node.owner, ()), node.name)
        own = {name: columns for name, columns in own.items() if name in self.body.own - self.partial}
        natives = {each.name.lower(): each.native for each in self.body.parameters}
        natives |= {node.name: native for node, native in self.body.types.items() if not node.owner}
        known = Scope(grammar, frozenset(self.names), self.code.name, self.code.tables, places, own)
        return known._replace(schema=self.code.within, natives=natives)

    def take(self, statement: Statement) -> None:
        first = statement.words[0]
        try:
            if statement.declares:
                self.declare(statement)
            elif first in IGNORED:
                self.body.commits |= first in ("COMMIT", "ROLLBACK", "SAVEPOINT", "START")
            elif self._assigns(statement):
                self.assign(statement)
            elif first in ("EXECUTE", "EXEC", "CALL", "PERFORM", "PREPARE", "DO"):
                self.call(statement)
            elif first in ("RETURN", "SET", "FOR", "OPEN", "FETCH"):
                getattr(self, f"_{first.lower()}")(statement)
            elif first == "CREATE" and "TABLE" in statement.words[:5]:
                self.make(statement)
            elif first == "CREATE" and not {"FUNCTION", "PROCEDURE", "VIEW"}.isdisjoint(statement.words[:5]):
                self.gap(statement, f"has a statement that is not read: {short(statement.text)}")
            elif first in ("CREATE", "ALTER", "DROP", "TRUNCATE", "LOCK", "GRANT", "REVOKE", "ANALYZE"):
                self.body.commits |= self.code.system == "mysql" and "TEMPORARY" not in statement.words[:3]
            elif first in ("SELECT", "INSERT", "UPDATE", "MERGE", "DELETE", "WITH", "REPLACE", "(", "VALUES"):
                self.run(statement)
            else:
                self.gap(statement, f"has a statement that is not read: {short(statement.text)}")
        except ODD as error:
            self.gap(statement, f"has a statement that is not read ({str(error)[:80]}): {short(statement.text)}")

    def gap(self, statement: Statement, what: str, fix: str = Gap._field_defaults["fix"]) -> None:
        self.body.gaps.append(Gap(statement.line, what, fix))

    def flow(self, into: Node, traces: Iterable[Trace], statement: Statement) -> None:
        """What goes into a place; the same from several statements is told once."""
        loose = self.code.language == "mysql" and "IGNORE" in statement.words[:3]
        traces = list(traces)
        self.body.filled[into] = self.body.filled.get(into, False) or not traces
        for trace in traces:
            if (into, trace, loose) not in self.told:
                self.told.add((into, trace, loose))
                self.body.flows.append(Flow(into, trace, statement.line, loose))

    def whole(self, name: str, statement: Statement) -> None:
        """A record or the row gets all of its fields from what is not read."""
        owner = name if name == "new" else record(name)
        self.body.own |= {owner} - {"new"}
        self.flow(Node(owner, EVERY), unread(f"a whole row: {short(statement.text)}"), statement)

    def expression(self, text: str, statement: Statement, into: Node) -> None:
        """A value that an expression gives goes into a variable."""
        e = parsed(f"SELECT {text}", self.code.language)
        self.seen(e)
        found = outputs(e, self.scope)
        self.flow(into, found[0][1] if found else [], statement)

    # What declares

    def declare(self, statement: Statement) -> None:
        words = statement.words
        if words[1:3] == ("ALIAS", "FOR"):
            return self.gap(statement, f"has a declaration that is not read: {short(statement.text)}")
        if "CURSOR" in words[:4]:
            at = next((n for n, w in enumerate(words) if w in ("FOR", "IS")), 0)
            name = statement.tokens[0].text.lower() if words[0] != "CURSOR" else ""
            if at:
                last = outer(words, statement.tokens, "FOR")
                self.cursors[name] = self.query(statement.between(at + 1, last if last > at else None), statement)
            return None
        if self.code.language == "tsql":
            return self._declare_many(statement)
        names, at = [statement.tokens[0].text], 1
        while at < len(words) and statement.tokens[at].text == ",":
            names.append(statement.tokens[at + 1].text)
            at += 2
        at += words[at : at + 1] == ("CONSTANT",)
        stop = type_end(statement.tokens, at)
        native = joined(statement.tokens[at:stop])
        for name in names:
            self._variable(name.lower(), native)
        given = next((n for n in range(stop, len(words)) if words[n] in ("DEFAULT", ":=", "=")), None)
        if given is not None:
            for name in names:
                self.expression(statement.between(given + 1), statement, Node("", name.lower()))
        return None

    def _variable(self, name: str, native: str) -> None:
        self.names.add(name)
        if re.search(r"% ?rowtype$", native.lower()):
            self.rows[name] = re.sub(r" ?% ?rowtype$", "", native.lower())
        elif native.lower() != "record":
            self._typed(Node("", name), native)

    def _typed(self, node: Node, native: str) -> None:
        """A name that is declared twice may have either type, which is none that is known."""
        before = self.body.types.get(node, native)
        self.body.types[node] = native if before.lower() == native.lower() else f"{before} or {native}"

    def _declare_many(self, statement: Statement) -> None:
        """T-SQL: several variables, each with a type and perhaps a value; or a table."""
        for part in by_commas(statement.tokens):
            name = "@" + part[1].text.lower() if part[0].text == "@" else part[0].text.lower()
            rest = part[2:] if part[0].text == "@" else part[1:]
            rest = rest[1:] if rest and word(rest[0]) == "AS" else rest
            if rest and word(rest[0]) == "TABLE":
                self._own_table(name, rest[1:])
                continue
            stop = type_end(rest, 0)
            self._variable(name, joined(rest[:stop]))
            if stop < len(rest) and rest[stop].text == "=":
                start = statement.tokens.index(rest[stop]) + 1
                self.expression(
                    statement.between(start, statement.tokens.index(rest[-1]) + 1), statement, Node("", name)
                )

    def make(self, statement: Statement) -> None:
        """A table that the body makes for itself."""
        at = statement.words.index("TABLE") + 1
        while statement.words[at] in ("IF", "NOT", "EXISTS"):
            at += 1
        start = next((n for n in range(at, len(statement.words)) if statement.tokens[n].text in ("(", "AS")), None)
        name = joined(statement.tokens[at:start]).replace("# ", "#").lower()
        self.body.commits |= self.code.system == "mysql" and "TEMPORARY" not in statement.words
        if start is not None and statement.tokens[start].text == "(":
            self._own_table(name, statement.tokens[start:])
            if name in self.partial:
                self.gap(statement, f"makes a table like another, whose columns are not read: {short(statement.text)}")
        elif (select := next((n for n, w in enumerate(statement.words) if w in ("SELECT", "WITH")), None)) is not None:
            self.body.own.add(name)
            for column, traces in self.query(statement.between(select), statement):
                self.flow(Node(name, column.lower()), traces, statement)

    def _own_table(self, name: str, found: Sequence[Token]) -> None:
        self.body.own.add(name)
        for part in by_commas(found[1:] if found and found[0].text == "(" else ()):
            if word(part[0]) == "LIKE":
                self.partial.add(name)
            elif len(part) > 1 and word(part[0]) not in NO_COLUMN:
                self._typed(Node(name, part[0].text.lower()), joined(part[1 : type_end(part, 1)]))

    # What moves

    def _assigns(self, statement: Statement) -> bool:
        """`v := x`, `r.c := x`, and in PL/pgSQL also with a single sign."""
        signs = [n for n, token in enumerate(statement.tokens[:6]) if token.text in (":=", "=")]
        if not signs or self.code.language not in ("plpgsql", "mysql"):
            return False
        name = joined(statement.tokens[: signs[0]]).replace("[ ", "[").replace(" [", "[").replace(" ]", "]")
        return re.fullmatch(r"[\w.\[\]]+", name) is not None

    def assign(self, statement: Statement) -> None:
        at = next(n for n, token in enumerate(statement.tokens) if token.text in (":=", "="))
        into = self._named(re.sub(r" ?\[.*", "", joined(statement.tokens[:at])))
        if not into.owner and into.name in {*self.names, *self.rows} and self._record(into.name):
            self.whole(into.name, statement)
        self.expression(statement.between(at + 1), statement, into)

    def _named(self, text: str) -> Node:
        return filling(text, self.code.name, self.names, self.rows)

    def _set(self, statement: Statement) -> None:
        """`SET @a = x`, `SET a = x, NEW.b = y`; settings of the session are none."""
        if statement.words[1:2] == ("STATEMENT",):
            return self.gap(statement, f"has a statement that is not read: {short(statement.text)}")
        for part in by_commas(statement.tokens[1:]):
            at = next((n for n, token in enumerate(part) if token.text in ("=", ":=")), None)
            if at is None or at + 1 >= len(part) or statement.words[1] in ("SESSION", "GLOBAL", "TRANSACTION", "LOCAL"):
                continue
            sign = part[at - 1].text if part[at - 1].text in "+-*/%&|^" else ""
            name = joined(part[: at - 1] if sign else part[:at]).replace("@ ", "@")
            into, text = self._named(name), text_of(statement, part[at + 1 :])
            if into.owner == "" and into.name not in self.names and not into.name.startswith("@"):
                continue
            self.expression(f"{name} {sign} ({text})" if sign else text, statement, into)
        return None

    def _return(self, statement: Statement) -> None:
        words = statement.words
        if len(words) == 1 or words[1] in ("NEW", "OLD", "NULL") or words[1:] == ("NEXT",):
            return None
        if self.code.kind == "trigger":
            return None if NO_ROW.issuperset(words[1:]) else self.whole("new", statement)
        if words[1] == "QUERY":
            if "EXECUTE" in words:
                return self.dynamic(statement)
            found = self.query(statement.between(2), statement)
        elif words[1] == "NEXT":
            found = [("", traced(parsed(statement.between(2), self.code.language), self.scope, {}))]
        else:
            e = parsed(f"SELECT {statement.between(1)}", self.code.language)
            self.seen(e)
            inner = e.expressions[0]
            inner = inner.this if inner.key in ("paren",) else inner
            found = outputs(inner if inner.key in ("subquery", "select", "union") else e, self.scope)
        for name, traces in found:
            self.flow(RESULT if len(found) == 1 else Node("\0result", name.lower()), traces, statement)
        return None

    def _for(self, statement: Statement) -> None:
        """`FOR r IN query LOOP`."""
        at = next((n for n, w in enumerate(statement.words) if w == "IN"), None)
        if at is None or ".." in statement.text:
            return None
        if "EXECUTE" in statement.words:
            return self.dynamic(statement)
        if statement.words[at + 1] in ("INSERT", "UPDATE", "DELETE", "MERGE"):
            return self.gap(statement, f"loops over rows that it writes, which is not read: {short(statement.text)}")
        names = [token.text.lower() for token in statement.tokens[1:at] if token.text != ","]
        if statement.words[at + 1] in ("SELECT", "WITH", "VALUES", "("):
            found = self.query(statement.between(at + 1, -1), statement)
        else:
            found = self.cursors.get(statement.tokens[at + 1].text.lower(), [])
        self._fill(names, found, statement)
        return None

    def _open(self, statement: Statement) -> None:
        if "EXECUTE" in statement.words:
            self.dynamic(statement)
        elif "FOR" in statement.words:
            at = statement.words.index("FOR")
            self.cursors[statement.tokens[1].text.lower()] = self.query(statement.between(at + 1), statement)

    def _fetch(self, statement: Statement) -> None:
        """`FETCH [NEXT FROM] c INTO a, b`."""
        if "INTO" not in statement.words:
            return
        at = statement.words.index("INTO")
        names = [joined(part).replace("@ ", "@").lower() for part in by_commas(statement.tokens[at + 1 :])]
        self._fill(names, self.cursors.get(statement.tokens[at - 1].text.lower(), []), statement)

    def _fill(self, names: Sequence[str], found: Outputs, statement: Statement) -> None:
        """Variables, or one record, take the columns of a query."""
        if len(names) == 1 and self._record(names[0]):
            return self._fill_record(names[0], found, statement)
        for n, name in enumerate(names):
            self.flow(self._named(name), found[n][1] if n < len(found) else unread(name), statement)
        return None

    def _record(self, name: str) -> bool:
        """Whether a name is that of a record or a row: variables have types."""
        typed = name not in self.rows and Node("", name) in self.body.types
        given = any(each.name.lower() == name for each in self.body.parameters)
        return not (typed or given or "." in name or name.startswith("@"))

    def _fill_record(self, name: str, found: Outputs, statement: Statement) -> None:
        """A row like a table takes the columns by their places, a record by their names."""
        like, owner = self.rows.get(name), record(name)
        if like is not None and like not in self.cursors:
            columns = self.scope.columns(like) or ()
            found = [(columns[n], traces) for n, (_, traces) in enumerate(found)] if len(columns) == len(found) else []
            self.body.types.update((Node(owner, c.lower()), f"{like}.{c}%TYPE") for c, _ in found)
        if not found:
            return self.whole(name, statement)
        self.names.add(name)
        self.body.own.add(owner)
        for column, traces in found:
            self.flow(Node(owner, column.lower()), traces, statement)
        return None

    def query(self, text: str, statement: Statement) -> Outputs:
        e = parsed(text, self.code.language)
        self.seen(e)
        return outputs(e, self.scope)

    def run(self, statement: Statement) -> None:
        """SELECT, INSERT, UPDATE, MERGE."""
        text, names = without_into(statement) if self.code.language != "tsql" else (statement.text, [])
        if self.code.language == "tsql" and re.search(r"^\s*INSERT\b.*?\bEXEC", text, re.I | re.S):
            return self.gap(statement, f"fills a table by running another routine: {short(text)}")
        if self.code.language == "tsql" and "OUTPUT" in statement.words:
            text, log = without_output(statement)
            if log:
                self.flow(Node(log, EVERY), unread(f"an OUTPUT clause: {short(statement.text)}"), statement)
        if self.code.language == "tsql":
            text = re.sub(r"^(\s*INSERT\s+)(?!INTO\b)(?=[\[\w#@.]+)", r"\1INTO ", text, flags=re.I)
        if self.code.language == "mysql":
            words = r"^\s*(INSERT|REPLACE|UPDATE|DELETE)\s+(?:(?:LOW|HIGH)_PRIORITY|DELAYED|QUICK)\b"
            text = re.sub(r"^\s*(UPDATE)\s+IGNORE\b", r"\1", re.sub(words, r"\1", text, flags=re.I), flags=re.I)
            text = re.sub(r"^\s*REPLACE\b", "INSERT", text, flags=re.I)
        e = parsed(text, self.code.language)
        self.seen(e)
        ctes(e, self.scope, {})  # one that writes is not read, which is told
        try:
            for into, traces in filled(e, self.scope):
                self.flow(into, traces, statement)
        except Unnamed as error:
            return self.gap(statement, str(error))
        if e.key in ("select", "union", "except", "intersect", "values"):
            return self._select(e, names, statement)
        given = returned(e, self.scope)
        return self._fill(names, given, statement) if names else self._result(given, statement)

    def _select(self, e: Any, names: Sequence[str], statement: Statement) -> None:
        if names:
            return self._fill(names, outputs(e, self.scope), statement)
        into = e.args.get("into")
        if into is not None:
            table = full_name(into.this)
            self.body.own.add(table)
            for column, traces in outputs(e, self.scope):
                self.flow(Node(table, column.lower()), traces, statement)
            return None
        if self.code.language == "sql":
            self._result(outputs(e, self.scope), statement)
        if self.code.language == "tsql" and e.key == "select":  # SELECT @a = b
            for variable, traces in paired(e.expressions, "", self.scope, read_by(e, self.scope, {})):
                self.flow(variable, traces, statement)
        return None

    def _result(self, found: Outputs, statement: Statement) -> None:
        """In SQL what the last statement gives is the result; what an earlier one gives is lost, which is no harm."""
        if self.code.language == "sql":
            for column, traces in found:
                self.flow(RESULT if len(found) == 1 else Node("\0result", column.lower()), traces, statement)

    # What runs elsewhere

    def dynamic(self, statement: Statement) -> None:
        what = f"runs SQL that is made while it runs: {short(statement.text)}"
        self.body.gaps.append(Gap(statement.line, what))

    def call(self, statement: Statement) -> None:
        first, rest = statement.words[0], statement.words[1:]
        named = joined(statement.tokens[1:]).replace("@ ", "@")
        if first == "PREPARE" or (first == "EXECUTE" and self.code.language != "tsql"):
            return self.dynamic(statement)
        if first in ("EXEC", "EXECUTE") and (rest[:1] in (("(",), ("@",)) or "sp_executesql" in named.lower()[:40]):
            if rest[:1] != ("@",) or "=" not in [token.text for token in statement.tokens[1:4]]:
                return self.dynamic(statement)
            named = named.partition("=")[2].strip()
        name = re.split(r"[ (@;]", named.replace("[", "").replace("]", "").strip(), maxsplit=1)[0]
        fix = f"Add it to 'through' if rows pass it: {name}."
        self.body.gaps.append(Gap(statement.line, f"calls '{name}', which may change or write values", fix))
        return None

    def seen(self, e: Any) -> None:
        """Remembers the tables of a statement."""
        for table in (each for each in e.walk() if each.key == "table"):
            name = full_name(table)
            if name and name not in self.body.own and name not in self.rows:
                self.body.tables.add(name)
