"""Rows made to look alike, on every pair of databases and Parquet: few and many, with a key and without."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from itertools import combinations_with_replacement, product
from pathlib import Path

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pymysql
import pytest

from lading.config import resolve
from tests.servers import USER, MariaDB, Postgres
from tests.torture.pairs import Open

FEW, MANY = 5, 60_000
SYSTEMS = ("postgres", "mariadb", "sqlite", "duckdb", "parquet")
LIKE: list[tuple[tuple[str | None, str | None], tuple[str | None, str | None]]] = [
    (("a|b", "c"), ("a", "b|c")),  # separators
    (("ab", "c"), ("a", "bc")),
    ((None, "q"), ("<null>", "q")),  # words for NULL
    (("1:a", "1:b"), ("1:a1:b", "")),  # lengths before values
    (("u", "v"), ("v", "u")),  # swapped columns
    (("a,b", '"'), ("a", 'b","')),
    (("x\n", "y"), ("x", "\ny")),
    ((None, "p"), ("~", "p")),
    (("NULL", None), (None, "NULL")),
    (("", None), (None, "")),
    (("\\N", "r"), (None, "r")),
    (("a", "1:b"), ("a1:b", "")),
    (("w", "w "), ("w ", "w")),
    (("w", ""), ("w ", "")),
    (("É", "i"), ("é", "i")),
]
Row = tuple[int | None, str | None, str | None]
Tables = dict[str, list[Row]]


def tables(count: int) -> Tables:
    """`keyed`, `unlike` it in every row, `moved` by a row; `bare` without a key, `other` multiplicities of its rows,
    `apart` with others; and the same rows in another order."""
    shapes = [LIKE[n % len(LIKE)] for n in range(count)]
    keyed: list[Row] = [(n, *left) for n, (left, _) in enumerate(shapes)]
    bare: list[Row] = [(None, a, b) for _, a, b in keyed]
    half = count // 2 - 1  # so that not every row comes as often again
    return {
        "keyed": keyed, "keyed_again": keyed[::-1], "unlike": [(n, *right) for n, (_, right) in enumerate(shapes)],
        "moved": [(n, *keyed[(n + 1) % count][1:]) for n in range(count)], "bare": bare,
        "bare_again": bare[::2] + bare[1::2], "other": bare[:half] * 2 + bare[: count - 2 * half],
        "apart": [(None, *right) for _, right in shapes],
    }  # fmt: skip


KEYED = ("keyed", "unlike", "moved")


@pytest.fixture(scope="module")
def open_systems(
    awkward_postgres: Postgres, awkward_mariadb: MariaDB, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Open]:
    folder = tmp_path_factory.mktemp("adversarial")
    awkward_postgres.create_database("adversarial")
    awkward_mariadb.create_database("adversarial")
    made = {f"{name}_{count}": rows for count in (FEW, MANY) for name, rows in tables(count).items()}
    load(awkward_postgres, awkward_mariadb, folder, made)
    urls = {
        "postgres": awkward_postgres.url("adversarial"), "mariadb": awkward_mariadb.url("adversarial"),
        "sqlite": f"sqlite:///{folder}/t.db", "duckdb": f"duckdb:///{folder}/t.duckdb",
        "parquet": f"parquet:///{folder}/parquet",
    }  # fmt: skip
    found = Open({name: resolve(url)[1] for name, url in urls.items()})
    yield found
    found.close()
    awkward_postgres.drop_database("adversarial")


def shape(name: str, text: str) -> str:
    id_ = "id bigint PRIMARY KEY" if name.startswith(KEYED) else "id bigint"
    return f"CREATE TABLE {name} ({id_}, a {text}, b {text})"


def load(postgres: Postgres, mariadb: MariaDB, folder: Path, made: Tables) -> None:
    """With each system's own client."""
    with psycopg.connect(postgres.url("adversarial")) as connection:
        for name, rows in made.items():
            connection.execute(shape(name, "text").encode())
            with connection.cursor().copy(f"COPY {name} FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row(row)
    where = {"host": "127.0.0.1", "port": mariadb.port, "user": USER, "password": mariadb.password}
    with contextlib.closing(pymysql.connect(**where, database="adversarial", charset="utf8mb4")) as server:  # type: ignore[call-overload]
        for name, rows in made.items():
            server.cursor().execute(shape(name, "varchar(50) collate utf8mb4_general_ci"))
            server.cursor().executemany(f"INSERT INTO {name} VALUES (%s, %s, %s)", rows)
        server.commit()
    with contextlib.closing(sqlite3.connect(folder / "t.db")) as file:
        for name, rows in made.items():
            file.execute(shape(name, "text"))
            file.executemany(f"INSERT INTO {name} VALUES (?, ?, ?)", rows)
        file.commit()
    (folder / "parquet").mkdir()
    with duckdb.connect(str(folder / "t.duckdb")) as file_of_duckdb:
        for name, rows in made.items():
            ids, a, b = zip(*rows, strict=True)
            arrow = pa.table({"id": pa.array(ids, pa.int64()), "a": pa.array(a), "b": pa.array(b)})
            pq.write_table(arrow, folder / "parquet" / f"{name}.parquet")
            file_of_duckdb.execute(shape(name, "text"))
            file_of_duckdb.register("arrow", arrow)
            file_of_duckdb.execute(f"INSERT INTO {name} SELECT * FROM arrow")
            file_of_duckdb.unregister("arrow")


@pytest.mark.parametrize(
    ("systems", "count"),
    [(pair, FEW) for pair in product(SYSTEMS, SYSTEMS)]
    + [(pair, MANY) for pair in combinations_with_replacement(SYSTEMS, 2)],
    ids=str,
)
def test_rows_made_to_look_alike(systems: tuple[str, str], count: int, open_systems: Open) -> None:
    made = tables(count)
    for left, right in (("keyed", "keyed_again"), ("keyed", "unlike"), ("keyed", "moved")):
        changed = sum(
            a != b for a, b in zip(sorted(made[left], key=by_id), sorted(made[right], key=by_id), strict=True)
        )
        expected = ("different" if changed else "equal", changed, 0, 0)
        assert said(open_systems, systems, (left, right), count) == expected
    for left, right in (("bare", "bare_again"), ("bare", "other"), ("bare", "apart")):
        counts = Counter(made[left]), Counter(made[right])
        alone = (counts[0] - counts[1]).total(), (counts[1] - counts[0]).total()
        expected = ("different" if any(alone) else "equal", 0, *alone)
        assert said(open_systems, systems, (left, right), count) == expected


def by_id(row: Row) -> int:
    return row[0] or 0


def said(systems: Open, pair: tuple[str, str], names: tuple[str, str], count: int) -> tuple[str, int, int, int]:
    left, right = names
    key = ("id",) if left == "keyed" else ()
    found = systems.compared((f"{left}_{count}", f"{right}_{count}"), pair, key)
    return found.verdict.value, found.changed, found.only_left, found.only_right


@pytest.mark.parametrize("count", [FEW, MANY])
def test_they_are_unlike(count: int) -> None:
    made = tables(count)
    assert all(a != b for a, b in zip(made["keyed"], made["unlike"], strict=True))
    assert all(a[1:] != b[1:] for a, b in zip(made["keyed"], made["moved"], strict=True))
    assert Counter(made["bare"]) == Counter(made["bare_again"])
    assert Counter(made["bare"]) != Counter(made["other"]) != Counter(made["apart"])
