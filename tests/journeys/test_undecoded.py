"""Between two PostgreSQL, rows of like columns pass as they are, and each server hashes its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from lading import actions, config
from lading.connector import WHOLE
from lading.connectors.postgres.session import PostgresSession
from lading.prove import Bill, State
from lading.spec import Move
from tests.journeys import looks
from tests.servers import Postgres

REASON = "rows pass undecoded: both sides are PostgreSQL"
# Whatever is hard to carry as text: the ends of ranges, what only looks empty, and values that no text shows apart.
COLUMNS = {
    "id bigint PRIMARY KEY": ("1", "2", "-9223372036854775808", "9223372036854775807"),
    "b boolean": ("true", "false", "NULL", "true"),
    "i2 smallint": ("-32768", "NULL", "0", "32767"),
    "i4 integer": ("-2147483648", "2147483647", "NULL", "0"),
    "f4 real": ("'-Infinity'", "'NaN'", "-0.0", "1e-45"),
    "f8 double precision": ("0.1::float8 + 0.2", "'Infinity'", "5e-324", "NULL"),
    "n numeric": ("'NaN'", "1e300", "0.1000", "-12345678901234567890123456789.5"),
    "m numeric(12,4)": ("0.0001", "-99999999.9999", "NULL", "0"),
    "t text": ("''", "NULL", r"E'a,\"b\\\n\\N'", "'é😀 '"),
    "v varchar(9)": ("' '", "''", "'NULL'", "NULL"),
    "c character(4)": ("'a'", "'  b'", "NULL", "''"),
    "r bytea": (r"'\x00ff'", r"'\x'", "NULL", r"'\x2c220a'"),
    "d date": ("'infinity'", "'0044-03-15 BC'", "'5874897-12-31'", "NULL"),
    "h time": ("'24:00'", "'00:00:00.000001'", "NULL", "'12:00'"),
    "s timestamp": ("'-infinity'", "'294276-12-31 23:59:59.999999'", "'4713-01-01 BC'", "NULL"),
    "z timestamptz": ("'infinity'", "'2024-03-10 02:30 America/New_York'", "NULL", "'1-1-1 00:00+00'"),
    "p interval": ("'1 day'", "'24 hours'", "'-1 mon 2 days -3 us'", "NULL"),
    "u uuid": ("'00000000-0000-0000-0000-000000000000'", "gen_random_uuid()", "NULL", "gen_random_uuid()"),
    "j json": ("""'{"a": 1,  "a": 2}'""", "'null'", "NULL", "'[1]'"),
    "k jsonb": ("""'{"b": 1.00, "a": []}'""", "'null'", "NULL", "'{}'"),
}


@pytest.fixture
def other_database(postgres: Postgres) -> Iterator[str]:
    yield postgres.create_database("other")
    postgres.drop_database("other")


def _everything(place: str) -> None:
    looks.query(place, f"CREATE TABLE everything ({', '.join(COLUMNS)})")
    rows = (f"({', '.join(values)})" for values in zip(*COLUMNS.values(), strict=True))
    looks.query(place, f"INSERT INTO everything VALUES {', '.join(rows)}")


def _binary(place: str, table: str) -> bytes:
    asked = f"COPY (SELECT * FROM {table} ORDER BY 1) TO STDOUT (FORMAT binary)".encode()
    with psycopg.connect(place) as connection, connection.cursor() as cursor, cursor.copy(asked) as copy:
        return b"".join(bytes(part) for part in copy)


def _reasons(source: str, target: str, **words: object) -> str:
    return "\n".join(actions.plan_move(Move.model_validate({"from": source, "to": target, **words})).reasons)


@pytest.mark.parametrize(
    "words",
    [{}, {"mode": "merge"}, {"proof": "counts"}, {"mode": "merge", "proof": "counts"}, {"slice_rows": 2}],
    ids=str,
)
def test_every_value_arrives_bit_by_bit(
    pg_database: str, other_database: str, copied: Callable[..., Bill], words: dict[str, object]
):
    _everything(pg_database)
    assert REASON in _reasons(pg_database, other_database, **words)
    for _ in range(2):
        bill = copied(pg_database, other_database, **words).tables[0]
        assert bill.proof is not None
        assert bill.proof.chain.startswith("each system")
        assert bill.proof.version.startswith("d" if words.get("proof") == "counts" else "postgres ")
        assert bill.proof.source_root == bill.proof.target_root
        assert (bill.rows.source, bill.rows.target, bill.bytes > 0) == (4, 4, True)
        assert _binary(pg_database, "everything") == _binary(other_database, "everything")


# Values that a hash of PostgreSQL's or a sum of hashes would take for equal.
CHANGES = {
    "a bigint whose halves fold alike": "UPDATE everything SET id = 4294967296 WHERE id = 1",
    "a day for 24 hours": "UPDATE everything SET p = '1 day' WHERE id = 2",
    "a microsecond": "UPDATE everything SET s = s - interval '1 us' WHERE id = 2",
    "a moment whose halves fold alike": "UPDATE everything SET h = '01:11:34.967296' WHERE h = '00:00:00.000001'",
    "swapped values": "UPDATE everything e SET t = f.t FROM everything f WHERE f.id = 3 - e.id AND e.id IN (1, 2)",
    "swapped columns": "UPDATE everything SET s = z AT TIME ZONE 'UTC', z = s AT TIME ZONE 'UTC' WHERE id = 1",
    "NULL for an empty text": "UPDATE everything SET t = NULL WHERE id = 1",
    "a blank more": "UPDATE everything SET t = t || ' ' WHERE t LIKE 'é%'",
    "a row more": "INSERT INTO everything (id) VALUES (7)",
    "a boolean": "UPDATE everything SET b = NOT b WHERE id = 1",
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(pg_database: str, change: str):
    _everything(pg_database)
    looks.query(pg_database, "ALTER TABLE everything DROP CONSTRAINT everything_pkey")
    with config.at(pg_database).open() as session:
        assert isinstance(session, PostgresSession)
        table = session.describe("everything")
        assert table is not None
        assert session.decoded(table, table) == ""
        before = session.total(table, WHOLE)
        assert before.rows == 4
        looks.query(pg_database, CHANGES[change])
        assert session.total(table, WHOLE) != before


def test_sums_are_the_same_in_any_order_and_slicing(pg_database: str):
    _everything(pg_database)
    with config.at(pg_database).open() as session:
        assert isinstance(session, PostgresSession)
        table = session.describe("everything")
        assert table is not None
        whole = session.total(table, WHOLE)
        looks.query(pg_database, "INSERT INTO everything (id) SELECT n FROM generate_series(10, 9000) n")
        looks.query(pg_database, "DELETE FROM everything WHERE id BETWEEN 10 AND 5000")
        looks.query(pg_database, "UPDATE everything SET b = b")
        cuts = session.slices(table.model_copy(update={"rows": 9000}), 1000)
        assert len(cuts) > 3
        parts = [session.total(table, cut) for cut in cuts]
        assert whole.of(parts) == session.total(table, WHOLE)
        looks.query(pg_database, "DELETE FROM everything WHERE id BETWEEN 10 AND 9000")
        assert session.total(table, WHOLE) == whole


@pytest.mark.parametrize(
    ("column", "there", "why"),
    [
        ("mood", "", "'v' is mood"),
        ("int[]", "", "'v' is integer[]"),
        ("inet", "", "'v' is inet"),
        ("int", "bigint", "'v' is bigint in the target"),
        ("varchar(5)", "varchar(6)", "'v' is character varying(6) in the target"),
    ],
)
def test_other_columns_are_decoded(
    pg_database: str, other_database: str, copied: Callable[..., Bill], column: str, there: str, why: str
):
    for address in (pg_database, other_database):
        looks.query(address, "CREATE TYPE mood AS ENUM ('sad', 'glad')")
    value = {"mood": "'glad'", "int[]": "ARRAY[1, NULL]", "inet": "'10.0.0.1/8'"}.get(column, "7")
    looks.query(pg_database, "CREATE TABLE plain (id int PRIMARY KEY)")
    looks.query(pg_database, f"CREATE TABLE odd (id int PRIMARY KEY, v {column})")
    looks.query(pg_database, f"INSERT INTO odd VALUES (1, {value}), (2, NULL)")
    if there:
        looks.query(other_database, f"CREATE TABLE odd (id int PRIMARY KEY, v {there})")
    reasons = _reasons(pg_database, other_database)
    assert REASON in reasons
    assert f"decoded on the way: odd ({why})" in reasons
    copied(pg_database, other_database)
    asked = "SELECT id, v::text FROM odd ORDER BY id"
    assert looks.query(pg_database, asked) == looks.query(other_database, asked)


LOOKING: list[tuple[dict[str, object], str]] = [
    ({"proof": "full"}, "the level full"),
    ({"proof": "columns"}, "the level columns"),
    ({"max_rejects": 1}, "'max_rejects'"),
    ({"gentle": 1000}, "'gentle'"),
    ({"gentle": 1000, "since": "id", "mode": "merge"}, "'since' and 'gentle'"),
]


@pytest.mark.parametrize(("words", "why"), LOOKING, ids=str)
def test_who_wants_to_look_at_values_gets_them_decoded(
    pg_database: str, other_database: str, copied: Callable[..., Bill], words: dict[str, object], why: str
):
    looks.query(pg_database, "CREATE TABLE plain (id int PRIMARY KEY)")
    reasons = _reasons(pg_database, other_database, **words)
    assert REASON not in reasons
    assert f"rows are decoded on the way, for {why}" in reasons
    copied(pg_database, other_database, **words)


def test_a_target_of_other_texts_is_said(pg_database: str, postgres: Postgres):
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        looks.query(pg_database, "CREATE TABLE plain (id int PRIMARY KEY)")
        why = "rows are decoded on the way: the target is too old, or its texts are not UTF-8"
        assert why in _reasons(pg_database, postgres.url("latin"))
    finally:
        postgres.drop_database("latin")


def test_a_row_that_is_refused_is_named(pg_database: str, other_database: str):
    looks.query(pg_database, "CREATE TABLE plain (id int PRIMARY KEY, v int)")
    looks.query(pg_database, "INSERT INTO plain SELECT n, n FROM generate_series(1, 3000) n")
    looks.query(other_database, "CREATE TABLE plain (id int PRIMARY KEY, v int CHECK (v <> 1234))")
    bill = actions.copy(Move.model_validate({"from": pg_database, "to": other_database}))
    assert bill.state is State.FAILED
    assert bill.tables[0].error_kind == "data"
    assert [(each.row["id"], each.row["v"]) for each in actions.rejects(bill.run)] == [("1234", "1234")]
    assert looks.query(other_database, "SELECT count(*) FROM plain") == [(0,)]


@pytest.mark.parametrize("rule", ["CHECK (value <> 1234)", "NOT NULL"])
def test_a_row_that_a_domain_refuses_is_set_aside(pg_database: str, other_database: str, rule: str):
    value = "nullif(n, 1234)" if rule == "NOT NULL" else "n"
    looks.query(pg_database, "CREATE TABLE plain (id int PRIMARY KEY, v int)")
    looks.query(pg_database, f"INSERT INTO plain SELECT n, {value} FROM generate_series(1, 3000) n")
    looks.query(other_database, f'CREATE SCHEMA "S"; CREATE DOMAIN "S"."D" AS int {rule}')
    looks.query(other_database, 'CREATE TABLE plain (id int PRIMARY KEY, v "S"."D")')
    for room, state in ((0, State.FAILED), (1, State.PROVED)):
        bill = actions.copy(Move.model_validate({"from": pg_database, "to": other_database, "max_rejects": room}))
        assert bill.state is state, bill.tables[0].error
        assert [each.row["id"] for each in actions.rejects(bill.run)] == ["1234"]
    assert looks.query(other_database, "SELECT count(*), count(v) FROM plain") == [(2999, 2999)]


def test_a_target_that_changes_values_is_found_out(pg_database: str, other_database: str):
    """The rows that differ are told as anywhere else."""
    looks.query(pg_database, "CREATE TABLE plain (id int PRIMARY KEY, v text)")
    looks.query(pg_database, "INSERT INTO plain SELECT n, 'v' || n FROM generate_series(1, 3000) n")
    looks.query(
        other_database,
        """
        CREATE FUNCTION spoil() RETURNS event_trigger LANGUAGE plpgsql AS $$
        DECLARE made text;
        BEGIN
          FOR made IN SELECT object_identity FROM pg_event_trigger_ddl_commands() WHERE object_type = 'table'
              AND object_identity ~ 'lading_[0-9a-f]{12}' LOOP
            EXECUTE format('CREATE OR REPLACE TRIGGER spoil BEFORE INSERT ON %s '
                           'FOR EACH ROW EXECUTE FUNCTION spoiled()', made);
          END LOOP;
        END $$""",
    )
    looks.query(
        other_database,
        """
        CREATE FUNCTION spoiled() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.id = 77 THEN NEW.v := 'other'; END IF; RETURN NEW; END $$""",
    )
    looks.query(other_database, "CREATE EVENT TRIGGER spoil ON ddl_command_end EXECUTE FUNCTION spoil()")
    bill = actions.copy(Move.model_validate({"from": pg_database, "to": other_database}))
    assert bill.state is State.FAILED
    assert bill.tables[0].error_kind == "proof", bill.tables[0].error
    assert "3,000 staged; values of some of them differ." in bill.tables[0].error
    found = bill.tables[0].found
    assert found is not None
    assert [(d.key, d.column, d.left, d.right) for d in found.differences] == [({"id": "77"}, "v", "v77", "other")]
    assert looks.query(other_database, "SELECT to_regclass('plain')") == [(None,)]
