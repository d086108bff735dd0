"""Dialects as data."""

import importlib
import pkgutil

import pytest

from lading import dialects
from lading.dialect import Dialect
from lading.dialects.duckdb import dialect as duckdb
from lading.dialects.sqlite import dialect as sqlite
from lading.errors import SpecError, Unsupported
from lading.schema import Column, Table, gaps
from lading.testing.case import cases
from lading.types import parse

FOUND = [
    getattr(importlib.import_module(f"{dialects.__name__}.{module.name}"), "dialect", None)
    for module in pkgutil.iter_modules(dialects.__path__)
]
# Those that cannot be written have no native types of their own.
ALL = [found for found in FOUND if isinstance(found, Dialect) and found.natives]


@pytest.mark.parametrize("dialect", ALL, ids=lambda found: found.name)
@pytest.mark.parametrize("case", cases(), ids=str)
def test_what_is_written_is_known_when_it_is_read(dialect, case):
    """A native type that a dialect writes has a canonical type, and a table of it fits itself."""
    try:
        native = dialect.native(Column(name="v", type=case.type))
    except Unsupported as error:
        pytest.skip(str(error))
    known = dialect.canonical(native)
    assert known is not None, f"{dialect.name} writes {native} and does not know it"
    assert (
        dialect.native(Column(name="v", type=known)) == native
        or gaps(known, dialect.canonical(dialect.native(Column(name="v", type=known)))) == []
    )


@pytest.mark.parametrize("dialect", [sqlite, duckdb], ids=lambda found: found.name)
def test_names_are_quoted(dialect):
    assert dialect.quote('a"b') == '"a""b"'
    assert dialect.text("it's") == "'it''s'"
    with pytest.raises(SpecError):
        dialect.quote("a\0b")
    with pytest.raises(Unsupported, match=r"10,?001 bytes"):
        dialect.quote("n" * 10_001)


def test_a_plan_refuses_names_that_are_too_long():
    long = "n" * 10_001
    for table in (Table(name=long), Table(name="t", columns=(Column(name=long, type=parse("int(8)")),))):
        with pytest.raises(Unsupported):
            sqlite.fit(table)


def test_a_native_type_stays_in_its_own_system():
    column = Column(name="v", type=parse("string"), native="duckdb:ENUM('a', 'B')")
    assert duckdb.native(column) == "ENUM('a', 'B')"
    assert sqlite.native(column) == "TEXT"


@pytest.mark.parametrize("native", ["", "geography", "point", "struct(a integer)", "integer[3]"])
def test_what_nobody_listed_has_no_type(native):
    assert sqlite.canonical(native) is None
    assert duckdb.canonical(native) is None


def test_an_interval_is_not_an_integer():
    assert sqlite.native(Column(name="v", type=parse("interval"))) == "INTERVAL"


def test_literals():
    assert duckdb.literal("5", parse("int(32)")) == "5"
    assert duckdb.literal("5; DROP TABLE t", parse("int(32)")) == "'5; DROP TABLE t'"
