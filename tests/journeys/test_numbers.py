"""Decimals of which the source declares no limit: measured, so that they arrive as numbers, and never rounded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lading import actions
from lading.prove import Bill
from lading.spec import Move
from tests.journeys import looks

MADE = """
    CREATE TABLE prices (id integer PRIMARY KEY, price numeric, tiny numeric, none numeric, huge numeric);
    INSERT INTO prices SELECT i, (-i * 1234567.0125)::numeric, 0.5, NULL, 10::numeric ^ 50 + i
    FROM generate_series(1, 9) i"""


def _types(target: str) -> dict[str, str]:
    return dict(
        looks.query(target, "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'prices'")
    )


def test_numbers_arrive_as_numbers(place: Callable[[str], str], copied: Callable[..., Bill]):
    source, target = place("postgres"), place("duckdb")
    looks.query(source, MADE)
    bill = copied(source, target)
    assert _types(target) == {
        "id": "INTEGER", "price": "DECIMAL(38,4)", "tiny": "DECIMAL(38,1)", "none": "DECIMAL(38,10)", "huge": "VARCHAR",
    }  # fmt: skip
    assert looks.same(looks.contents(source)["prices"], looks.contents(target)["prices"]) == ""
    proof = bill.tables[0].proof
    assert proof
    assert any("'price'" in note and "8 digits before the point and 4 after it" in note for note in proof.notes)
    assert copied(source, target).rows.target == 9, "what was measured is no loss the second time"


def test_a_later_value_that_does_not_fit_is_refused_and_never_rounded(
    place: Callable[[str], str], copied: Callable[..., Bill]
):
    source, target = place("postgres"), place("duckdb")
    looks.query(source, MADE)
    copied(source, target)
    looks.query(source, "UPDATE prices SET price = 1.00005 WHERE id = 1")
    made = actions.plan_move(Move(source=source, target=target))
    assert [loss.kind for loss in made.tasks[0].losses] == ["rounds"]
    assert "price:rounds" in made.tasks[0].fix
    old = looks.query(target, "SELECT price FROM prices ORDER BY id")
    bill = actions.copy(Move(source=source, target=target, accept=("rounds",)))
    assert bill.state == "proved", looks.failed(bill)
    assert bill.tables[0].proof
    assert bill.tables[0].proof.narrowed["price"] == 1
    assert looks.query(target, "SELECT price FROM prices ORDER BY id")[1:] == old[1:]


def test_a_value_that_comes_after_planning_is_refused(place: Callable[[str], str], copied: Callable[..., Bill]):
    from lading import config
    from lading.run import run

    source, target = place("postgres"), place("duckdb")
    looks.query(source, MADE)
    copied(source, target)
    made = actions.plan_move(Move(source=source, target=target))
    looks.query(source, "UPDATE prices SET price = 1.00005 WHERE id = 1")
    with actions.store() as ledger:
        bill = run(made, (config.resolve(source)[1], config.resolve(target)[1]), ledger)
    assert bill.state == "failed"
    assert "'price'" in bill.tables[0].error
    assert bill.tables[0].error_kind == "data"
    assert looks.query(target, "SELECT count(*) FROM prices WHERE price = 1.00005 OR price = 1.0001") == [(0,)]


def test_no_number_at_all_is_named(place: Callable[[str], str]):
    source = place("postgres")
    looks.query(source, MADE + "; UPDATE prices SET tiny = 'NaN' WHERE id = 3")
    bill = actions.copy(Move(source=source, target=place("duckdb")))
    assert bill.state == "failed"
    assert "'tiny' of 'prices' holds 'NaN'" in bill.tables[0].error


def test_where_the_target_has_no_limit_either_nothing_is_measured(
    place: Callable[[str], str], copied: Callable[..., Bill]
):
    source, target = place("postgres"), place("postgres")
    looks.query(source, MADE)
    assert copied(source, target).tables[0].proof.notes == ()  # type: ignore[union-attr]
    assert set(_types(target).values()) == {"integer", "numeric"}
    assert looks.same(looks.contents(source)["prices"], looks.contents(target)["prices"]) == ""


def test_whole_numbers_beyond_64_bits(place: Callable[[str], str], copied: Callable[..., Bill]):
    source, target = place("duckdb"), place("postgres")
    looks.query(
        source, "CREATE TABLE prices AS SELECT 170141183460469231731687303715884105727::hugeint AS h, -5::hugeint AS n"
    )
    copied(source, target)
    assert looks.same(looks.contents(source)["prices"], looks.contents(target)["prices"]) == ""


@pytest.mark.parametrize("declared", ["numeric", "DECIMAL", "number"])
def test_a_sqlite_column_that_says_only_numeric(
    declared: str, place: Callable[[str], str], copied: Callable[..., Bill]
):
    source, target = place("sqlite"), place("duckdb")
    looks.query(source, f"CREATE TABLE prices (id integer PRIMARY KEY, price {declared})")
    looks.query(source, "INSERT INTO prices VALUES (1, 12.5), (2, 3), (3, -0.125), (4, NULL)")
    copied(source, target)
    assert _types(target)["price"] == "DECIMAL(38,3)"
    assert looks.same(looks.contents(source)["prices"], looks.contents(target)["prices"]) == ""
