"""Bodies made at random, run on the server: what arrives shorter, and without an error, was told."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import psycopg
import pymysql
import pytest

from lading.hops import findings
from lading.hops.chain import Facts
from lading.plan import Task
from lading.route import Code, Parameter
from lading.schema import Column, Table
from lading.types import parse
from tests.journeys.test_hops import Place

GIVEN = "".join(chr(97 + n * 7 % 26) for n in range(60))
"""A part of it is told from the whole wherever it is cut."""
KEPT = (GIVEN, "", "z")
"""The whole, or a constant that may take its place."""


class Maker:
    """One body after the other; `maria` is the dialect."""

    def __init__(self, seed: int, maria: bool) -> None:
        self.dice, self.maria = random.Random(seed), maria
        self.sign = "=" if maria else ":="

    def value(self, depth: int = 0) -> str:
        names = ["a", "b", "c", "p_d", "p_d"]
        inner = self.dice.choice(names) if depth > 1 or self.dice.random() < 0.8 else self.value(depth + 1)
        size = self.dice.randint(3, 40)
        if self.dice.random() < 0.1:  # few cuts, so that each is told for itself
            return self.dice.choice(
                [f"left({inner}, {size})", f"CAST({inner} AS char({size}))", f"substring({inner}, 1, {size})"]
            )
        made = [
            *[inner] * 4, f"coalesce({inner}, 'z')", f"nullif({inner}, 'q')", f"(SELECT {inner})", f"trim({inner})",
            f"(SELECT max(s.v) FROM (SELECT {inner} AS v) s)",
            f"CASE WHEN length(p_d) > {size} THEN {inner} ELSE {self.dice.choice(names)} END",
        ]  # fmt: skip
        return self.dice.choice(made)

    def statement(self, depth: int = 0) -> str:
        name, one, two = self.dice.choice("abc"), self.value(), self.value()
        set_ = "SET " if self.maria else ""
        swallow = (
            "BEGIN DECLARE s varchar(9) DEFAULT 'gone'; DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; "
            f"SET s = {one}; SET {name} = s; END;"
            if self.maria
            else f"DECLARE s varchar(9); BEGIN BEGIN s := {one}; EXCEPTION WHEN OTHERS THEN s := 'gone'; END; "
            f"{name} := s; END;"
        )
        made = [
            *[f"{set_}{name} {self.sign} {one};"] * 5,
            f"SELECT {one}, {two} INTO a, b;",
            f"INSERT INTO w (id, d) VALUES (p_id, {one}); SELECT max(d) INTO {name} FROM w;",
            f"UPDATE w SET d = {one}; SELECT max(d) INTO {name} FROM w;",
            swallow,
        ]
        if depth < 2:
            loop = ("DO", "FOR") if self.maria else ("LOOP", "LOOP")
            row = f"(SELECT {one} AS x)" if self.maria else f"SELECT {one} AS x"
            made += [
                f"IF {self.dice.choice(['true', 'false'])} THEN {self.block(depth)} ELSE {self.block(depth)} END IF;",
                f"FOR i IN 1..{self.dice.randint(1, 3)} {loop[0]} {self.block(depth)} END {loop[1]};",
                f"FOR r IN {row} {loop[0]} {set_}{name} {self.sign} r.x; {self.block(depth)} END {loop[1]};",
            ]
        return self.dice.choice(made)

    def block(self, depth: int = -1) -> str:
        return " ".join(self.statement(depth + 1) for _ in range(self.dice.randint(1, 3)))

    def body(self) -> str:
        last = self.dice.choice([
            "INSERT INTO sink (id, d) VALUES (p_id, {});", "INSERT INTO sink (id, d) SELECT p_id, {};",
            "INSERT INTO sink (id, d) VALUES (p_id, ''); UPDATE sink SET d = {};",
        ]).format(self.value())  # fmt: skip
        table, row = "CREATE TEMPORARY TABLE w (id int, d text)", "INSERT INTO w (id, d) VALUES (0, '');"
        if self.maria:
            declared = "BEGIN DECLARE a, b text DEFAULT ''; DECLARE c text DEFAULT p_d;"
            return (
                f"{declared} DROP TEMPORARY TABLE IF EXISTS w; {table}; {row} {self.block()} {self.block()} {last} END"
            )
        declared = "DECLARE a text := ''; b text := ''; c text := p_d; r record; BEGIN"
        return f"{declared} {table} ON COMMIT DROP; {row} {self.block()} {self.block()} {last} END"


def missed(at: Place, body: str, strict: bool) -> str:
    """What the server made of the value, where nothing was said of it."""
    system, language = ("mysql", "mysql") if at.maria else ("postgres", "plpgsql")
    within = str(at.words["database"]) if at.maria else "public"
    columns = (("id", "int(32)", "int"), ("d", "string(65535 bytes)" if at.maria else "string", "text"))
    source = Table(name="items", key=("id",), columns=tuple(
        Column(name=name, type=parse(type_), native=f"{system}:{native}") for name, type_, native in columns
    ))  # fmt: skip
    sink = source.model_copy(update={"name": "sink"})
    code = Code(
        kind="procedure", name=f"{within}.save", system=system, language=language, text=body, within=within,
        loose=at.maria and not strict, tables=(source, sink),
        parameters=(Parameter(name="p_id", native="int"), Parameter(name="p_d", native="text")),
    )  # fmt: skip
    made = f"CREATE PROCEDURE save(p_id int, p_d text) {body if at.maria else f'LANGUAGE plpgsql AS $b$ {body} $b$'}"
    mode = ("STRICT_ALL_TABLES" if strict else "") if at.maria else None
    try:
        at.run("DROP PROCEDURE IF EXISTS save", made, "DELETE FROM sink", mode=mode)
        at.run("CALL save(1, %s)", values=(GIVEN,), mode=mode)
    except (psycopg.Error, pymysql.Error):
        return ""  # whoever calls it learns of that
    rows = at.run("SELECT d FROM sink")
    told = findings(Task(source=source, target=sink, fresh=False), Facts(through=((code,),), systems=(system, system)))
    levels = {each.level for each in told if each.column in ("d", "")}
    return "" if not rows or rows[0][0] in KEPT or levels & {"blocks", "unknown"} else f"{rows[0][0]}: {body}"


def run(place: Callable[[str], str], kind: str, seeds: range) -> None:
    at = Place(place(kind))
    at.run("CREATE TABLE items (id int PRIMARY KEY, d text)", "CREATE TABLE sink (id int PRIMARY KEY, d text)")
    found = [missed(at, Maker(seed, at.maria).body(), seed % 2 == 0) for seed in seeds]
    assert list(filter(None, found)) == []


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_no_silent_cut_of_a_body_is_missed(place: Callable[[str], str], kind: str, own_store: Path) -> None:
    run(place, kind, range(40))


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_no_silent_cut_of_many_bodies_is_missed(place: Callable[[str], str], kind: str, own_store: Path) -> None:
    run(place, kind, range(40, 1_500))
