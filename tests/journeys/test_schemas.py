"""Tables keep their schema and name; a system without schemas says so in the name; 'into' maps them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest

from lading import actions, config
from lading.errors import SpecError
from lading.prove import Bill
from lading.spec import Move
from tests.journeys import looks
from tests.servers import MariaDB


@pytest.fixture
def schema(mariadb: MariaDB) -> Iterator[str]:
    """A schema's name that is nobody else's: on MariaDB it is a database."""
    name = f"sales_{secrets.token_hex(3)}"
    yield name
    mariadb.drop_database(name)


@pytest.fixture
def source(place: Callable[[str], str], schema: str) -> str:
    address = place("postgres")
    looks.query(
        address,
        f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.orders AS SELECT i AS id, i * 1.5::numeric(9,2) AS amount "
        f"FROM generate_series(1, 20) i; ALTER TABLE {schema}.orders ADD PRIMARY KEY (id); "
        "CREATE TABLE clients AS SELECT i AS id FROM generate_series(1, 3) i",
    )
    return address


@pytest.mark.parametrize("kind", ["duckdb", "postgres", "mysql"])
def test_a_schema_stays_a_schema(
    kind: str, source: str, schema: str, place: Callable[[str], str], copied: Callable[..., Bill]
):
    target = place(kind)
    for _ in range(2):
        bill = copied(source, target)
        assert {table.into for table in bill.tables} == {"clients", f"{schema}.orders"}
        assert looks.same(looks.contents(source, schema)["orders"], looks.contents(target, schema)["orders"]) == ""
        assert set(looks.contents(target, schema)) == {"orders"}
        assert len(looks.contents(target)["clients"].rows) == 3


def test_a_system_without_schemas_puts_it_in_the_name(
    source: str, schema: str, place: Callable[[str], str], copied: Callable[..., Bill]
):
    target = place("sqlite")
    for _ in range(2):
        bill = copied(source, target)
        assert {table.into for table in bill.tables} == {"clients", f"{schema}_orders"}
        assert looks.same(looks.contents(source, schema)["orders"], looks.contents(target)[f"{schema}_orders"]) == ""


def test_names_that_would_meet_are_found_when_planning(source: str, schema: str, place: Callable[[str], str]):
    looks.query(source, f"CREATE TABLE {schema}_orders (id integer)")
    made = actions.plan_move(Move(source=source, target=place("sqlite")))
    assert {task.name for task in made.tasks if "same target" in task.problem} == {
        f"{schema}.orders",
        f"{schema}_orders",
    }
    assert [task.name for task in made.tasks if not task.problem] == ["clients"]


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_into_maps_all_tables_or_each(
    kind: str, source: str, schema: str, place: Callable[[str], str], copied: Callable[..., Bill]
):
    target = place(kind)
    copied(source, target, into="raw crm")
    assert set(looks.contents(target, "raw crm")) == {"clients", "orders"}
    copied(source, target, into={"clients": "kept.people", f"{schema}.orders": "Orders 2024"})
    assert len(looks.contents(target, "kept")["people"].rows) == 3
    assert len(looks.contents(target)["Orders 2024"].rows) == 20


def test_one_schema_of_many(source: str, schema: str, place: Callable[[str], str], copied: Callable[..., Bill]):
    target = place("duckdb")
    assert [table.table for table in copied(source, target, tables=f"{schema}.*").tables] == [f"{schema}.orders"]


@pytest.mark.parametrize("kind", ["postgres", "duckdb", "sqlite", "mysql"])
def test_the_default_schema_may_be_named(kind, place):
    """By name and by pattern, which means no table of another schema."""
    source, target = place(kind), place("duckdb")
    for name in ("orders", "people", "paid"):
        looks.query(source, f"CREATE TABLE {name} (id bigint PRIMARY KEY, note varchar(9), secret varchar(9))")
    if kind in ("postgres", "duckdb"):
        looks.query(source, "CREATE SCHEMA p")
        looks.query(source, "CREATE TABLE p.orders (id bigint PRIMARY KEY)")
    with config.resolve(source)[1].open() as session:
        default = session.default_schema  # type: ignore[attr-defined]

    def taken(**words: object) -> dict[str, list[str]]:
        plan = actions.plan_move(Move.model_validate({"from": source, "to": target, **words}))
        return {task.target.full_name: [column.name for column in task.source.columns] for task in plan.tasks}

    assert list(taken(tables=f"{default}.orders")) == ["orders"]
    assert sorted(taken(tables=f"{default}.p*")) == ["paid", "people"]
    assert sorted(taken(tables=f"{default}.*", exclude=[f"{default}.paid"])) == ["orders", "people"]
    assert taken(tables="orders", exclude=[f"{default}.orders.secret"]) == {"orders": ["id", "note"]}
    assert list(taken(tables=f"{default}.orders", into={f"{default}.orders": "s.o"})) == ["s.o"]
    with pytest.raises(SpecError, match=f"No table of .* is named '{default}.none'"):
        taken(tables=f"{default}.none")
