"""What a body declares and makes for itself, and where its values go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from lading.hops.catching import Caught
from lading.hops.flow import EVERY, Body, Flow, Gap, parsed
from lading.hops.native import placed
from lading.hops.nodes import Node, Outputs, Scope, Step, Trace, record
from lading.hops.sources import full_name, unread
from lading.hops.split import GRAMMARS, Statement, Token, word
from lading.hops.trace import outputs
from lading.hops.words import (
    NO_COLUMN,
    by_commas,
    filling,
    joined,
    outer,
    outside,
    short,
    type_end,
)  # fmt: skip
from lading.route import LATER_ROWS, Code, Parameter


class Declaring:
    """What is known of one body so far."""

    def __init__(self, code: Code, parameters: tuple[Parameter, ...], caught: Sequence[Caught] = ()) -> None:
        self.code, self.body, self.caught = code, Body(parameters=parameters, within=code.within), caught
        self.names = {each.name.lower() for each in parameters}
        self.cursors: dict[str, Outputs] = {}
        self.rows = dict.fromkeys(("inserted", "deleted", "new", "old"), "")
        """Rows by name, each with the table that it is like."""
        self.partial: set[str] = set()
        """The body's own tables of which not all columns are known."""
        self.told: set[tuple[Node, Trace, bool, int]] = set()
        self.untyped: set[str] = set()
        """The body's own tables whose columns have the types that a query gave them."""

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
        return known._replace(schema=self.code.within, natives=natives, columns_first=self.code.language == "sql")

    def gap(self, statement: Statement, what: str, fix: str = Gap._field_defaults["fix"]) -> None:
        self.body.gaps.append(Gap(statement.line, what, fix))

    def flow(self, into: Node, traces: Iterable[Trace], statement: Statement) -> None:
        """What goes into a place; the same from several statements is told once."""
        loose = self.code.language == "mysql" and "IGNORE" in statement.words[:3]
        if into.owner.endswith("\0") and into.owner not in self.body.own:
            self._own_record(into.owner)
        start = statement.tokens[0].start
        caught = next((each.line for each in self.caught if each.start <= start < each.end), 0)
        traces = list(traces)
        if into.owner in self.untyped and statement.words[0] != "CREATE" and self.code.language == "mysql":
            step = Step("unknown", f"'{into.text}', whose type is that of the query that made it")
            traces = [Trace(trace.node, (*trace.steps, step)) for trace in traces]
        self.body.filled[into] = self.body.filled.get(into, False) or not traces
        for trace in traces:
            if (into, trace, loose, caught) not in self.told:
                self.told.add((into, trace, loose, caught))
                self.body.flows.append(Flow(into, trace, statement.line, loose, caught))

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

    def query(self, text: str, statement: Statement) -> Outputs:
        e = parsed(text, self.code.language)
        self.seen(e)
        return outputs(e, self.scope)

    def seen(self, e: Any) -> None:
        """Remembers the tables of a statement, and what it compares."""
        named = {full_name(each) for each in e.walk() if each.key == "table"}
        self.body.tables |= {name for name in named if name and name not in self.body.own and name not in self.rows}
        scope, routine = self.scope, self.code.name.rpartition(".")[2].lower()
        columns = {c.lower() for name in named if scope.columns_first for c in scope.columns(name) or ()}
        setting = {"update", "onconflict", *(["select"] if self.code.language == "tsql" else [])}
        for each in e.walk():
            sets = each.arg_key == "expressions" and each.parent is not None and each.parent.key in setting
            if each.key not in ("eq", "nullsafeeq") or sets:
                continue
            for side in (each.this, each.expression):
                if side.key == "parameter" or (side.key == "column" and (side.table or "").lower() in ("", routine)):
                    name = f"{'@' * (side.key == 'parameter')}{side.name}".lower()
                    self.body.asked |= set() if not side.args.get("table") and name in columns else {name}

    def _named(self, text: str) -> Node:
        return filling(text, self.code.name, self.names, self.rows)

    def _record(self, name: str) -> bool:
        """Whether a name is that of a record or a row: variables have types."""
        typed = name not in self.rows and Node("", name) in self.body.types
        given = any(each.name.lower() == name for each in self.body.parameters)
        return not (typed or given or "." in name or name.startswith("@"))

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
        if words[at : at + 2] == ("ROW", "("):  # MariaDB's own kind of record
            for name in names:
                self.names.add(name.lower())
                self._own_table(record(name.lower()), statement.tokens[at + 1 :])
            return None
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
        native = re.sub(r"(?i)^(row )?type of (.+)$", lambda m: f"{m[2]}%{'rowtype' if m[1] else 'type'}", native)
        if found := re.fullmatch(r"(.+?) ?% ?rowtype", native.lower()):
            self.rows[name] = found[1]
            self.body.tables.add(found[1])
            return
        if found := re.fullmatch(r"(.+)\.\w+ ?% ?type", native.lower()):
            self.body.tables.add(found[1])
        elif (
            re.fullmatch(r"[\w.]+", native)
            and placed(self.code.system, native, kind="variable", name=name).type is None
        ):
            self.body.tables.add(native.lower())  # a table is a type too, in PostgreSQL
        if self.scope.table(native.lower()) is not None:
            self.rows[name] = native.lower()
        elif native.lower() != "record":
            self._typed(Node("", name), native)

    def _own_record(self, owner: str) -> None:
        """A record whose fields are filled one by one: those of its table, or unknown ones."""
        like = self.rows.get(owner[:-1], "")
        columns = self.scope.columns(like) if like else None
        self.body.own.add(owner)
        self.partial |= set() if columns else {owner}
        self.body.types.update((Node(owner, c.lower()), f"{like}.{c}%TYPE") for c in columns or ())

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
        end = at + 1 + (statement.tokens[at].text == "#")
        while end < len(statement.words) and statement.tokens[end].text == ".":
            end += 2
        name = joined(statement.tokens[at:end]).replace("# ", "#").lower()
        kept = next((n + 1 for n in outside(statement.tokens) if statement.words[n] == "ENGINE"), 0)
        engine = statement.tokens[kept + (statement.tokens[kept].text == "=")].text if kept else "InnoDB"
        if self.code.system == "mysql" and engine.lower() != "innodb":
            self.gap(statement, f"makes a table that is kept by {engine}, {LATER_ROWS}")
        self.body.commits |= self.code.system == "mysql" and "TEMPORARY" not in statement.words
        if start is not None and statement.tokens[start].text == "(":
            self._own_table(name, statement.tokens[start:])
            if name in self.partial:
                self.gap(statement, f"makes a table like another, whose columns are not read: {short(statement.text)}")
        elif (select := next((n for n, w in enumerate(statement.words) if w in ("SELECT", "WITH")), None)) is not None:
            self.body.own.add(name)
            self.untyped.add(name)
            for column, traces in self.query(statement.between(select), statement):
                self.flow(Node(name, column.lower()), traces, statement)

    def _own_table(self, name: str, found: Sequence[Token]) -> None:
        self.body.own.add(name)
        for part in by_commas(found[1:] if found and found[0].text == "(" else ()):
            if word(part[0]) == "LIKE":
                self.partial.add(name)
            elif len(part) > 1 and word(part[0]) not in NO_COLUMN:
                self._typed(Node(name, part[0].text.lower()), joined(part[1 : type_end(part, 1)]))
