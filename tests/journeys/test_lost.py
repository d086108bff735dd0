"""What a profile in place says a type would lose is what a strict cast refuses, or a number writes otherwise, value by
value."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lading import config
from lading.connector import WHOLE
from lading.driver import transaction
from lading.errors import DataError, Unsupported
from lading.facts import Facts
from lading.losing import lost_of
from lading.schema import Column, Table
from lading.sql import SqlSession
from lading.types import Type, parse
from lading.values import cast

TEXTS = st.one_of(
    st.from_regex(r"[+-]?[0-9]{0,3}(\.[0-9]{0,4})?", fullmatch=True),
    st.from_regex(r"[+-]?0{0,2}[0-9]{1,21}", fullmatch=True),
    st.from_regex(r"[0-9]{4}-(0[0-9]|1[0-3])-[0-3][0-9]", fullmatch=True),
    st.from_regex(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
    st.sampled_from([
        "127", "-128", "128", "2147483647", "-2147483649", "9223372036854775807", "9223372036854775808", "12\n", " 12",
        "-9223372036854775808", "18446744073709551615", "18446744073709551616", "-0", "+0", "1e2", "1E-2", ".5", "5.",
        "true", "FALSE", "tRue", "t", "", "-", ".", "0000-01-01", "1900-02-29", "2000-02-29", "2024-02-29\n", "999.995",
        "0.10", "00.10", "abc ", "   ", "é😀", "1" * 39, "0" * 40 + "1", "1." + "0" * 40, "\u0661",
    ]),
)  # fmt: skip
MOMENTS = st.one_of(
    st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2037, 12, 31)),
    st.sampled_from([dt.datetime(2024, 2, 29), dt.datetime(2024, 2, 29, 0, 0, 0, 1)]),
    st.just(dt.datetime(2024, 2, 29, 1, 0, 0, 500_000)),
)  # fmt: skip
INTEGERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(-300, 300), st.sampled_from([2**53, 2**53 + 1, 2**31, 2**24 + 1])
)
DECIMALS = st.one_of(
    st.decimals(-(10**10), 10**10, places=4), st.decimals(-100, 100, places=2), st.integers(-200, 200).map(Decimal)
)
PAIRS: dict[str, tuple[st.SearchStrategy[Any], tuple[str, ...]]] = {
    "string": (TEXTS, ("string(3)", "string(4 bytes)", "binary(3)", "int(8)", "int(32)", "int(64)", "int(64,unsigned)",
                       "decimal(5,2)", "decimal(38,10)", "uuid", "bool", "date")),
    "int(64)": (INTEGERS, ("int(8)", "int(32)", "int(64,unsigned)", "decimal(4,1)", "float(32)", "float(64)",
                           "string(3)", "bool")),
    "decimal(15,4)": (DECIMALS, ("decimal(6,2)", "int(8)", "int(64)", "decimal(38,0)", "decimal")),
    "bool": (st.booleans(), ("decimal(1,1)", "int(8)", "string(1)", "decimal(3,2)")),
    "binary": (st.binary(max_size=5), ("binary(2)",)),
    "timestamp(6)": (MOMENTS, ("timestamp(3)", "timestamp(0)", "date", "timestamp(6,utc)")),
    "timestamp(6,utc)": (MOMENTS.map(lambda m: m.replace(tzinfo=dt.UTC)), ("timestamp(3,utc)", "timestamp(6)", "date")),
    "time(6)": (st.times(), ("time(0)", "time(3)")),
    "date": (st.dates(dt.date(1, 1, 1)), ("timestamp(6)", "string(9)", "string(10)")),
    "uuid": (st.uuids().map(str), ("string(35)", "string(36)")),
}  # fmt: skip
READ = {
    "sqlite": {("string", target) for target in PAIRS["string"][1] if target.startswith(("int", "decimal"))},
}
"""What a system cannot be asked."""
KINDS = ("sqlite", "duckdb", "postgres", "mysql")


@pytest.fixture(scope="module")
def sessions(request, tmp_path_factory) -> Iterator[dict[str, SqlSession]]:
    folder = tmp_path_factory.mktemp("lost")
    addresses = {"sqlite": f"sqlite:///{folder}/l.db", "duckdb": f"duckdb:///{folder}/l.duckdb"}
    made: dict[str, SqlSession] = {}

    class Opened(dict[str, SqlSession]):
        def __missing__(self, kind: str) -> SqlSession:
            if kind not in addresses:
                server = request.getfixturevalue({"mysql": "mariadb"}.get(kind, kind))
                addresses[kind] = server.create_database("lost")
                stack.callback(server.drop_database, "lost")
            session: Any = stack.enter_context(config.resolve(addresses[kind])[1].open())
            self[kind] = session
            return self[kind]

    with ExitStack() as stack:
        yield Opened(made)


def otherwise(text: str | None, target: str) -> bool:
    """Whether a number would write the text otherwise: the zeros before it, a plus, an exponent."""
    if text is None or not target.startswith(("int", "decimal", "float")):
        return False
    if target.startswith("float"):
        return text.startswith("+") or bool(re.match("-?0[0-9]", text))
    if target.startswith("int"):
        return not re.fullmatch("[+-]?[0-9]+", text) or str(int(text)) != text
    return bool(re.match("[+]|-?0[0-9]", text)) or "e" in text.lower()


def refused(values: pa.Array, source: str, target: str) -> int:
    count = 0
    for n in range(len(values)):
        if source.startswith("string") and otherwise(values[n].as_py(), target):
            count += 1
            continue
        try:
            cast(values[n : n + 1], parse(source), parse(target))
        except DataError:
            count += 1
    return count


def in_place(session: SqlSession, table: Table, wanted: dict[str, Type]) -> tuple[int, list[Facts]] | str:
    """What the system says, or why it cannot."""
    try:
        return session.profile(table, wanted)
    except Unsupported as error:
        return error.what


@pytest.mark.parametrize("source", PAIRS)
@pytest.mark.parametrize("kind", KINDS)
def test_in_place_as_value_by_value(sessions, kind, source):
    session, (values, targets) = sessions[kind], PAIRS[source]
    type_ = parse(source)
    table = session.fit(Table(name=f"t {source}", columns=(Column(name='v "q', type=type_),)))
    native = f"{session.dialect.quote(table.columns[0].name)} {session.dialect.native(table.columns[0])}"
    with transaction(session.driver):
        session.driver.execute(f"CREATE TABLE {session.name(table)} ({native})")

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(values | st.none(), max_size=12))
    def check(drawn: list[Any]) -> None:
        with transaction(session.driver):
            session.driver.execute(f"DELETE FROM {session.name(table)}")
            session.driver.load(
                session._placed(table), [pa.record_batch([pa.array(drawn, type_.arrow())], names=['v "q'])]
            )
        held = pa.concat_arrays([b.column(0) for b in session.read(table, WHOLE)] or [pa.array([], type_.arrow())])
        read_as = str(table.columns[0].type)
        for target in targets:
            wanted = {'v "q': parse(target)}
            there = refused(held, read_as, target)
            assert lost_of(held, parse(read_as), parse(target)) == there
            asked = in_place(session, table, wanted)
            if isinstance(asked, str):
                assert (source, target) in READ.get(kind, ()) or "very long numbers" in asked, asked
                continue
            rows, (facts,) = asked
            assert (rows, facts.nulls) == (len(drawn), drawn.count(None))
            assert facts.lost[target] == there, (target, held.to_pylist())

    check()
