"""Northwind: Microsoft's script for SQL Server, its tables as a SQLite and a PostgreSQL legacy database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from lading.prove import Bill
from tests.journeys import looks, northwind
from tests.journeys.conftest import TARGETS

POSTGRES = {
    "nvarchar": "varchar", "nchar": "char", "ntext": "text", "image": "bytea", "datetime": "timestamp(3)",
    "money": "numeric(19,4)", "bit": "boolean",
}  # fmt: skip
ROWS = 3308


@pytest.fixture(scope="module")
def shapes(data_dir: Callable[[str], Path]) -> dict[str, northwind.Shape]:
    return northwind.read(data_dir("northwind") / "instnwnd.sql")


def _sqlite(shapes: dict[str, northwind.Shape], address: str) -> str:
    """T-SQL's own words as declared types, which SQLite takes as they are."""
    connection = sqlite3.connect(address.removeprefix("sqlite:///"))
    for shape in shapes.values():
        connection.execute(northwind.statement(shape, {}, references=True))
        for row in shape.rows:
            values = [float(v) if isinstance(v, Decimal) else str(v) if hasattr(v, "year") else v for v in row.values()]
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" * len(row))
            connection.execute(f'INSERT INTO "{shape.name}" ({names}) VALUES ({marks})', values)
    connection.commit()
    connection.close()
    return address


def _postgres(shapes: dict[str, northwind.Shape], address: str) -> str:
    """With every foreign key: Employees refers to itself."""
    import psycopg

    ordered = sorted(shapes.values(), key=lambda shape: _depth(shapes, shape))
    with psycopg.connect(address) as connection:
        for shape in ordered:
            connection.execute(northwind.statement(shape, POSTGRES, references=True).encode())
            for row in sorted(shape.rows, key=lambda row: row.get("ReportsTo") is not None):
                names = ", ".join(f'"{name}"' for name in row)
                marks = ", ".join(["%s"] * len(row))
                connection.execute(
                    f'INSERT INTO "{shape.name}" ({names}) VALUES ({marks})'.encode(), list(row.values())
                )
    return address


def _depth(shapes: dict[str, northwind.Shape], shape: northwind.Shape) -> int:
    others = [shapes[table] for _, table, _ in shape.references if table != shape.name]
    return 1 + max((_depth(shapes, other) for other in others), default=0)


def _equal(shapes: dict[str, northwind.Shape], target: str) -> None:
    """What arrived is what the script says."""
    found = looks.plain_names(looks.contents(target))
    for shape in shapes.values():
        script = looks.Read(list(shape.columns), [tuple(row.get(name) for name in shape.columns) for row in shape.rows])
        singles = [name for name, (native, _) in shape.columns.items() if native == "real"]
        padded = [name for name, (native, _) in shape.columns.items() if native.startswith("nchar")]
        there = found[shape.name.replace(" ", "").lower()]
        assert looks.same(script, there, singles, padded) == "", shape.name


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("origin", ["sqlite", "postgres"])
def test_every_copy_holds_what_the_script_says(
    origin: str, kind: str, shapes: dict[str, northwind.Shape], place: Callable[[str], str], copied: Callable[..., Bill]
):
    make = {"sqlite": _sqlite, "postgres": _postgres}[origin]
    source, target = make(shapes, place(origin)), place(kind)
    bill = copied(source, target)
    assert sum(table.rows.target for table in bill.tables) == ROWS
    assert [loss for table in bill.tables for loss in table.losses] == []
    _equal(shapes, target)
    order = next(table for table in bill.tables if table.table == "Order Details")
    assert order.rows.target == 2155


def test_replacing_tables_that_refer_to_each_other(
    shapes: dict[str, northwind.Shape], place: Callable[[str], str], copied: Callable[..., Bill]
):
    """The target has the same tables, filled, with all foreign keys; they still hold after the copy."""
    source, target = _postgres(shapes, place("postgres")), _postgres(shapes, place("postgres"))
    looks.query(target, """UPDATE "Employees" SET "Title" = 'gone'; UPDATE "Orders" SET "Freight" = 0""")
    copied(source, target)
    _equal(shapes, target)
    keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated"
    assert looks.query(target, keys) == looks.query(source, keys) == [(13,)]
    with pytest.raises(Exception, match="violates foreign key"):
        looks.query(target, 'INSERT INTO "Orders" ("OrderID", "EmployeeID") VALUES (1, 4711)')
