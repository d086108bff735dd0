"""The steps of a release as they run beside the live one: what they write goes into shadows, and what they read is the
shadow of what an earlier one of them made."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from fnmatch import fnmatchcase
from typing import Any

from lading.connector import Session
from lading.copying import Resolve, known
from lading.errors import LadingError, Unsupported
from lading.hops.flow import ODD, parsed, quiet
from lading.lineage import LANGUAGES
from lading.picking import chosen, into
from lading.preflight.beside import Shadow
from lading.preflight.ground import named, system, written
from lading.spec import Move, OnFailure, Pipeline, Step
from lading.sql import SqlSession
from lading.steps.check import Check, Rule
from lading.steps.sql import Sql


class Shadows:
    """The shadows of one run of one release. `made` are those of its steps so far, by address and table; `left` the
    steps that are not carried out, with the reason. Enter it once."""

    def __init__(self, run: str, resolve: Resolve) -> None:
        self.run, self.resolve = run, resolve
        self.made: dict[tuple[str, str], Shadow] = {}
        self.left: dict[str, str] = {}
        self.unmade: dict[tuple[str, str], tuple[str, str]] = {}
        """What those make that are not carried out, each with its connection and the step."""
        self.notes: list[str] = []
        self._sessions: dict[str, Session] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Shadows:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def pipeline(self, whole: Pipeline, keys: Iterable[str]) -> tuple[Step, ...]:
        """The steps of these keys that can be carried out beside the live release, in their order."""
        steps: list[Step] = []
        follows: dict[str, set[str]] = {}
        for step in whole.order:
            before = {name for after in step.after for name in follows.get(after, ())}
            follows[step.key] = before
            if step.key not in keys:
                continue
            mapped = None
            try:
                mapped = self._step(step)
            except LadingError as error:
                self.left[step.key] = str(error)
            for at, table in written(step) if mapped is None else ():
                self.unmade[self._address(at), self._full(at, table)] = at, step.key
            if mapped is not None:
                after = {"after": tuple(sorted(before)), "on_failure": OnFailure.SKIP}
                steps.append(mapped.model_copy(update=after))
                follows[step.key] = {step.key}
        return tuple(steps)

    def _step(self, step: Step) -> Step | None:
        if isinstance(step, Move):
            return self._move(step)
        if isinstance(step, Sql):
            return self._sql(step)
        if isinstance(step, Check):
            return self._check(step)
        self.left[step.key] = f"what a step '{step.do}' does would not stay beside the live release"
        return None

    def _sql(self, step: Sql) -> Sql:
        changes: dict[str, Any] = {"keep_inputs": 0}
        if step.inputs:
            given = {name: each.model_copy(update={"table": self._read(each.at, each.table)})
                     for name, each in step.inputs.items()}  # fmt: skip
            changes["inputs"] = given
        else:
            changes["query"] = self._text(step.key, step.at, step.query or "")
        return step.model_copy(update=changes | {"into": self._shadow(step, step.at, step.into).full_name})

    def _move(self, step: Move) -> Move:
        source, there = self._session(step.source), self._address(step.source)
        step, held = known(step, source)
        found = {table.full_name: table for table in held}
        absent = [name for at, name in self.made if at == there and name not in found]
        tables = chosen(step, [*found.values(), *map(named, absent)])
        names = {table.full_name: self._read(step.source, table.full_name) for table in tables}
        targets = {names[t.full_name]: self._shadow(step, step.target, into(step, t).full_name) for t in tables}

        def told(pattern: str) -> Iterator[str]:
            """A pattern that begins with a table, for its shadow; not every table that is meant has the column."""
            table, dot, rest = pattern.rpartition(".")
            if dot and table in names:
                yield f"{names[table]}.{rest}"
                return
            yield pattern
            for name, own in names.items():
                if dot and own != name and fnmatchcase(name, table):
                    yield f"{own[:-1]}[{own[-1]}].{rest}"  # a pattern, which may mean nothing

        changes: dict[str, Any] = {word: tuple(each for pattern in getattr(step, word) for each in told(pattern))
                                   for word in ("exclude", "accept")}  # fmt: skip
        changes |= {"into": {name: each.full_name for name, each in targets.items()}, "tables": tuple(targets)}
        return step.model_copy(update=changes | {"record": False})

    def _check(self, step: Check) -> Check | None:
        on = self._read(step.at, step.on)
        if on == step.on:
            self.left[step.key] = f"'{step.on}' is not made anew"
            return None

        def mapped(rule: Rule) -> Rule:
            changes: dict[str, Any] = {}
            if rule.sql is not None:
                changes["sql"] = self._text(step.key, step.at, rule.sql)
            if rule.references is not None:
                table = self._read(step.at, rule.references.table)
                changes["references"] = rule.references.model_copy(update={"table": table})
            return rule.model_copy(update=changes)

        return step.model_copy(update={"on": on, "rules": tuple(map(mapped, step.rules))})

    def _text(self, key: str, at: str, sql: str) -> str:
        """A select that reads shadows where there are any: only the names of tables are replaced in its text."""
        here = system(self.resolve(at)[1])
        own = [each.table for each in self.made.values() if system(self.resolve(each.at)[1]) == here]
        words = [rf"(?<!\w){re.escape(name.rpartition('.')[2])}(?!\w)" for name in own]
        if not any(re.search(word, sql, re.I) for word in words):
            return sql
        session = self._session(at)
        language = LANGUAGES.get(session.dialect.name, "") if isinstance(session, SqlSession) else ""
        try:
            if not isinstance(session, SqlSession) or not language:
                raise ValueError("its language is not read")
            return self._replaced(key, at, sql, (session, language))
        except (*ODD, ImportError) as error:
            why = "sqlglot is not installed: pip install 'lading[hops]'" if isinstance(error, ImportError) else error
            what = f"It is not known which tables it reads: {why}."
            raise Unsupported(what, "Write the names plainly, or look at its result yourself.") from error

    def _replaced(self, key: str, at: str, sql: str, how: tuple[SqlSession, str]) -> str:
        from sqlglot import exp

        session, language = how
        with quiet():
            tree = parsed(sql, language)
        cuts: list[tuple[int, int, str]] = []
        common = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
        for node in tree.find_all(exp.Table):
            name = ".".join(part for part in (node.db, node.name) if part)
            read = self._read(at, name)
            if read == name:
                self._views(key, session, name, common)
                continue
            if name.lower() in common:
                raise ValueError(f"'{name}' is a table and a part of the select")
            first, last = node.args.get("db") or node.this, node.this
            if not isinstance(last, exp.Identifier) or node.catalog or "end" not in last.meta:
                raise ValueError(f"'{node.sql()}' is no plain name")
            written = sql[last.meta["start"] : last.meta["end"] + 1]
            place = session.name(named(read))
            alias = "" if node.alias else f" AS {written}"
            cuts.append((first.meta["start"], last.meta["end"] + 1, f"{place}{alias}"))
        for start, end, text in sorted(cuts, reverse=True):
            sql = f"{sql[:start]}{text}{sql[end:]}"
        return sql

    def _views(self, key: str, session: SqlSession, name: str, common: set[str]) -> None:
        if name.lower() not in common and (found := session.describe(name)) is not None and found.view:
            self.notes.append(f"'{key}' reads the view '{name}', which shows live tables")

    def _read(self, at: str, name: str) -> str:
        """The shadow of a table that was made here; the name as it is where none was."""
        place, full = self._address(at), self._full(at, name)
        if (exact := self.made.get((place, full))) is not None:
            return exact.full_name
        alike = [each for (there, own), each in self.made.items() if there == place and own.lower() == full.lower()]
        return alike[0].full_name if len(alike) == 1 else self._elsewhere(at, full) or name

    def _elsewhere(self, at: str, full: str) -> str:
        """The shadow of a table that was made through another connection to the same system, as it is called here."""
        wanted, here = self._whole(at, full), system(self.resolve(at)[1])
        for each in self.made.values():
            other = self._address(each.at) != self._address(at) and system(self.resolve(each.at)[1]) == here
            if other and self._whole(each.at, each.table).lower() == wanted.lower():
                return self._whole(each.at, each.full_name)
        return ""

    def _whole(self, at: str, full: str) -> str:
        """A table's name with its schema, also where that is the default one."""
        session = self._session(at)
        return f"{session.default_schema}.{full}" if isinstance(session, SqlSession) and "." not in full else full

    def _shadow(self, step: Step, at: str, name: str) -> Shadow:
        place, full = self._address(at), self._full(at, name)
        id = hashlib.sha256(f"{self.run} {place} {full}".encode()).hexdigest()[:12]
        if not isinstance(self._session(at), SqlSession):
            id = f"canary_{id}"  # folders that loads leave are hidden, and these are to be read
        own = Shadow(at=at, table=full, id=id, schema_name=full.rpartition(".")[0] or None, step=step.key)
        made = self.made.setdefault((place, full), own)
        if step.key not in made.steps:
            made = self.made[place, full] = made.model_copy(update={"more": (*made.more, step.key)})
        return made

    def _full(self, at: str, name: str) -> str:
        """A table's name as its system gives it, without the default schema."""
        session = self._session(at)
        if (found := session.describe(name)) is not None:
            return found.full_name
        return name.removeprefix(f"{session.default_schema}.") if isinstance(session, SqlSession) else name

    def _address(self, at: str) -> str:
        return self.resolve(at)[1].address()

    def _session(self, at: str) -> Session:
        if at not in self._sessions:
            self._sessions[at] = self._stack.enter_context(self.resolve(at)[1].open())
        return self._sessions[at]
