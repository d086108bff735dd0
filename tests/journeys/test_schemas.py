"""Tables keep their schema and name; a system without schemas says so in the name; 'into' maps them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lading import actions, actions_repairing, config, engine
from lading.compare import Asked
from lading.errors import SpecError
from lading.prove import Bill
from lading.repair import Mending
from lading.schema import Table
from lading.spec import Move
from lading.sql import SqlSession
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


def pipeline(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, target: str, step: str) -> None:
    monkeypatch.chdir(folder)
    config.init(folder)
    (folder / "connections.yaml").write_text(f"connections:\n  crm: {source}\n  new: {target}\n", encoding="utf-8")
    text = f"steps:\n  - {{key: s, from: crm, to: new, mode: merge, since: n, overlap_values: 0, {step}}}\n"
    (folder / "pipelines/nightly.yaml").write_text(text, encoding="utf-8")


def test_what_stands_in_the_name_is_compared_and_taken_up(
    place: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source, target = place("duckdb"), place("sqlite")
    looks.query(source, "CREATE SCHEMA sales; CREATE TABLE sales.orders (id bigint PRIMARY KEY, n bigint)")
    looks.query(source, "INSERT INTO sales.orders VALUES (1, 1), (2, 2), (3, 3)")
    pipeline(tmp_path, monkeypatch, source, target, "tables: 'sales.*'")
    assert [actions.run("nightly").rows.source for _ in range(2)] == [3, 1], "the second reads from the last value on"
    found = actions.diff(Move.model_validate({"from": source, "to": target}), Asked())
    assert (found.verdict, [t.right for t in found.tables], found.alone) == ("equal", ["sales_orders"], ())
    (proved,) = actions.prove("nightly", Asked(sensitive="n"))
    assert proved.verdict == "equal"
    looks.query(target, "DELETE FROM sales_orders WHERE id = 1")
    (proved,) = actions.prove("nightly", Asked())
    assert (proved.verdict, proved.tables[0].only_left) == ("different", 1)
    assert actions_repairing.repair(proved.id, Mending(apply=True)).verdict == "equal"


def test_a_table_of_the_very_name_is_compared_before_one_that_a_copy_makes(place: Callable[[str], str]):
    left, right = place("sqlite"), place("sqlite")
    for each, n in ((left, 1), (right, 2)):
        looks.query(each, 'CREATE TABLE "sales.orders" (id integer PRIMARY KEY, n bigint)')
        looks.query(each, f'INSERT INTO "sales.orders" VALUES (1, {n})')
    looks.query(right, "CREATE TABLE sales_orders (id integer PRIMARY KEY, n bigint)")
    found = actions.diff(config.move({"source": f"{left}#sales.orders", "target": f"{right}#sales.orders"}), Asked())
    assert (found.tables[0].right, found.tables[0].changed) == ("sales.orders", 1)


@pytest.mark.parametrize(("kind", "default"), [("duckdb", "main"), ("postgres", "public")])
def test_since_goes_on_where_the_default_schema_is_named(
    kind: str, default: str, place: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The run that makes a table calls it as it was told to, later ones as the target does."""
    source, target = place("sqlite"), place(kind)
    looks.query(source, "CREATE TABLE t (id bigint PRIMARY KEY, n bigint, v bigint)")
    looks.query(source, "INSERT INTO t VALUES (1, 1, 0), (2, 2, 0), (3, 3, 0)")
    pipeline(tmp_path, monkeypatch, source, target, f"tables: t, into: {default}")
    assert actions.run("nightly").rows.source == 3
    looks.query(source, "INSERT INTO t VALUES (4, 4, 0), (5, 5, 0)")
    assert [actions.run("nightly").rows.source for _ in range(2)] == [3, 1]
    looks.query(target, "UPDATE t SET v = 1 WHERE id = 4")
    (found,) = actions.prove("nightly", Asked())
    assert (found.verdict, found.tables[0].changed) == ("different", 1)


class Died(BaseException):
    """As if the process had ended here."""


@pytest.mark.parametrize(("kind", "default"), [("duckdb", "main"), ("postgres", "public")])
def test_rows_are_appended_once_where_the_default_schema_is_named(
    kind: str, default: str, place: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
):
    """The run ends when the new table is visible and the store does not know it yet."""
    appended_once(place("sqlite"), place(kind), {"into": default}, monkeypatch)


def test_rows_are_appended_once_where_the_server_makes_names_small(
    place: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
):
    if why := MariaDB.absent():
        pytest.skip(why)
    with closing(MariaDB(settings={"lower-case-table-names": "1"})) as server:
        appended_once(place("sqlite"), server.create_database("small"), {"into": {"t": "T"}}, monkeypatch)


def appended_once(source: str, target: str, words: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    looks.query(source, "CREATE TABLE t (id bigint, n bigint)")
    looks.query(source, "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
    move = Move.model_validate({"from": source, "to": target, "mode": "append", **words})

    def dies(*_given: object, **_words: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(engine, "published", dies)
        with pytest.raises(Died):
            actions.copy(move)
    assert looks.query(target, "SELECT count(*) FROM t") == [(3,)]
    bill = actions.copy(move)
    assert (bill.state, bill.tables[0].into) == ("proved", "t")
    assert looks.query(target, "SELECT count(*) FROM t") == [(3,)]


@pytest.mark.parametrize(
    ("words", "lists"),
    [
        ({"tables": ("clients",)}, 0),
        ({"tables": ("main.clients",)}, 0),
        ({"tables": ("clients",), "exclude": ("orders.amount",)}, 1),
        ({"tables": ("client?",)}, 1),
    ],
    ids=["named", "with its schema", "beside others", "pattern"],
)
def test_a_catalogue_is_listed_where_more_is_meant_than_a_table(
    words: dict[str, tuple[str, ...]], lists: int, place: Callable[[str], str], copied: Callable[..., Bill],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    source, listed = place("sqlite"), list[SqlSession]()
    for made in ("clients (id INTEGER PRIMARY KEY)", "orders (id INTEGER, amount REAL)"):
        looks.query(source, f"CREATE TABLE {made}")
    tables = SqlSession.tables

    def seen(session: SqlSession) -> Iterator[Table]:
        listed.append(session)
        return tables(session)

    monkeypatch.setattr(SqlSession, "tables", seen)
    bill = copied(source, place("sqlite"), **words)
    assert ([table.table for table in bill.tables], len(listed)) == (["clients"], lists)


@pytest.mark.parametrize(
    ("kind", "quote", "every"), [("postgres", '"', True), ("postgres", '"', False), ("mysql", "`", False)]
)
def test_two_tables_of_one_name_are_refused_and_none_is_lost(
    kind: str, quote: str, every: bool, schema: str, place: Callable[[str], str]
):
    source, name = place(kind), f"{schema}.orders"
    looks.query(source, f"CREATE SCHEMA {schema}")
    for table in (name, f"{quote}{name}{quote}"):
        looks.query(source, f"CREATE TABLE {table} (id int)")
    with pytest.raises(SpecError, match=rf"wo tables (are )?called '{name}'"):
        actions.copy(Move(source=source, target=place("duckdb"), tables=("*" if every else name,)))


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
@pytest.mark.parametrize("names", [("s.orders", '"s.orders"'), ('"s.orders"', "s.orders")])
def test_a_table_whose_name_only_reads_alike_is_left(kind: str, names: tuple[str, str], place: Callable[[str], str]):
    source, target = place("postgres"), place(kind)
    looks.query(source, f"CREATE SCHEMA s; CREATE TABLE {names[0]} AS SELECT 1 AS v")
    looks.query(target, f"CREATE SCHEMA s; CREATE TABLE {names[1]} AS SELECT 2 AS v")
    with pytest.raises(SpecError, match=r"'s\.orders' is another table in the target"):
        actions.copy(Move(source=source, target=target))
    assert looks.query(target, f"SELECT v FROM {names[1]}") == [(2,)]
