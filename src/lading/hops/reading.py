"""Reads the statements of one body in turn, and follows where each puts its values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lading.hops.calls import called, dynamic
from lading.hops.declaring import Declaring
from lading.hops.filling import Unnamed, before, filled, paired, returned
from lading.hops.flow import EVERY, ODD, RESULT, parsed
from lading.hops.nodes import Node, Outputs, Step, Trace, Unfollowed, record
from lading.hops.sources import full_name, unread
from lading.hops.split import Statement
from lading.hops.trace import ctes, outputs, read_by, traced
from lading.hops.words import (
    IGNORED,
    NO_ROW,
    by_commas,
    joined,
    loosens,
    readable,
    short,
    text_of,
    without_into,
    without_output,
)  # fmt: skip


class Reading(Declaring):
    """Takes the statements of one body in turn."""

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
                self.body.gaps += called(statement, self.code.language)
            elif first in ("RETURN", "SET", "FOR", "FOREACH", "OPEN", "FETCH"):
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
            why = f" ({error})" if isinstance(error, Unfollowed) else ""
            self.gap(statement, f"has a statement that is not read{why}: {short(statement.text)}")

    # What moves

    def _assigns(self, statement: Statement) -> bool:
        """`v := x`, `r.c := x`, and in PL/pgSQL also with a single sign."""
        signs = [n for n, token in enumerate(statement.tokens[:6]) if token.text in (":=", "=")]
        if not signs or self.code.language not in ("plpgsql", "mysql"):
            return False
        name = joined(statement.tokens[: signs[0]])
        return re.fullmatch(r"[\w.\[\]]+", name) is not None

    def assign(self, statement: Statement) -> None:
        at = next(n for n, token in enumerate(statement.tokens) if token.text in (":=", "="))
        into = self._named(re.sub(r" ?\[.*", "", joined(statement.tokens[:at])))
        if not into.owner and into.name in {*self.names, *self.rows} and self._record(into.name):
            self.whole(into.name, statement)
        self.expression(statement.between(at + 1), statement, into)

    def _set(self, statement: Statement) -> None:
        """`SET @a = x`, `SET a = x, NEW.b = y`; settings of the session are none."""
        if statement.words[1:2] == ("STATEMENT",):
            return self.gap(statement, f"has a statement that is not read: {short(statement.text)}")
        self.body.loose |= loosens(statement, self.code.language)
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
                return self.body.gaps.append(dynamic(statement))
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
        """`FOR r IN query LOOP`, and `FOR i IN 1..9 LOOP`."""
        at = next((n for n, w in enumerate(statement.words) if w == "IN"), None)
        if at is None:
            return None
        if "EXECUTE" in statement.words:
            return self.body.gaps.append(dynamic(statement))
        if statement.words[at + 1] in ("INSERT", "UPDATE", "DELETE", "MERGE"):
            return self.gap(statement, f"loops over rows that it writes, which is not read: {short(statement.text)}")
        names = [token.text.lower() for token in statement.tokens[1:at] if token.text != ","]
        if next((w for w in statement.words[at + 1 :] if w != "("), "") in ("SELECT", "WITH", "VALUES"):
            found = self.query(statement.between(at + 1, -1), statement)
        elif ".." in "".join(token.text for token in statement.tokens[at:]):
            self.names.add(names[0])  # a whole number of its own
            self.body.types[Node("", names[0])] = "integer"
            return self.flow(Node("", names[0]), [], statement)
        else:
            found = self.cursors.get(statement.tokens[at + 1].text.lower(), [])
        self._fill(names, found, statement)
        return None

    def _foreach(self, statement: Statement) -> None:
        """`FOREACH v IN ARRAY a LOOP`."""
        at = statement.words.index("ARRAY", statement.words.index("IN")) + 1
        e = parsed(f"SELECT {statement.between(at, -1)}", self.code.language)
        self.seen(e)
        step = Step("unknown", f"an item of {statement.between(at, -1)}")
        given = [Trace(node, (*steps, step)) for _, traces in outputs(e, self.scope) for node, steps in traces]
        self.flow(self._named(statement.tokens[1].text), given or unread(step.text), statement)

    def _open(self, statement: Statement) -> None:
        if "EXECUTE" in statement.words:
            self.body.gaps.append(dynamic(statement))
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

    def run(self, statement: Statement) -> None:
        """SELECT, INSERT, UPDATE, MERGE."""
        text, names = without_into(statement) if self.code.language != "tsql" else (statement.text, [])
        if self.code.language == "tsql" and re.search(r"^\s*INSERT\b.*?\bEXEC", text, re.I | re.S):
            return self.gap(statement, f"fills a table by running another routine: {short(text)}")
        if self.code.language == "tsql" and "OUTPUT" in statement.words:
            text, log = without_output(statement)
            if log:
                self.flow(Node(log, EVERY), unread(f"an OUTPUT clause: {short(statement.text)}"), statement)
        e = parsed(readable(text, self.code.language), self.code.language)
        self.seen(e)
        ctes(e, self.scope, {})  # one that is not read is told
        try:
            for each in (*before(e), e):
                for into, traces in filled(each, self.scope):
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
