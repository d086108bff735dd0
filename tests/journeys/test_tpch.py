"""TPC-H: eight tables from PostgreSQL to DuckDB, Parquet and MariaDB, and back, in bounded memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.journeys import looks
from tests.journeys.conftest import Places
from tests.journeys.shell import Ended, measured

MIB = 2**20
BOUND = 700 * MIB
TABLES = {
    "region": "r_regionkey integer PRIMARY KEY, r_name char(25) NOT NULL, r_comment varchar(152)",
    "nation": "n_nationkey integer PRIMARY KEY, n_name char(25) NOT NULL, n_regionkey integer NOT NULL, "
    "n_comment varchar(152)",
    "part": "p_partkey bigint PRIMARY KEY, p_name varchar(55) NOT NULL, p_mfgr char(25) NOT NULL, "
    "p_brand char(10) NOT NULL, p_type varchar(25) NOT NULL, p_size integer NOT NULL, p_container char(10) NOT NULL, "
    "p_retailprice numeric(15,2) NOT NULL, p_comment varchar(23) NOT NULL",
    "supplier": "s_suppkey bigint PRIMARY KEY, s_name char(25) NOT NULL, s_address varchar(40) NOT NULL, "
    "s_nationkey integer NOT NULL, s_phone char(15) NOT NULL, s_acctbal numeric(15,2) NOT NULL, "
    "s_comment varchar(101) NOT NULL",
    "partsupp": "ps_partkey bigint NOT NULL, ps_suppkey bigint NOT NULL, ps_availqty integer NOT NULL, "
    "ps_supplycost numeric(15,2) NOT NULL, ps_comment varchar(199) NOT NULL, PRIMARY KEY (ps_partkey, ps_suppkey)",
    "customer": "c_custkey bigint PRIMARY KEY, c_name varchar(25) NOT NULL, c_address varchar(40) NOT NULL, "
    "c_nationkey integer NOT NULL, c_phone char(15) NOT NULL, c_acctbal numeric(15,2) NOT NULL, "
    "c_mktsegment char(10) NOT NULL, c_comment varchar(117) NOT NULL",
    "orders": "o_orderkey bigint PRIMARY KEY, o_custkey bigint NOT NULL, o_orderstatus char(1) NOT NULL, "
    "o_totalprice numeric(15,2) NOT NULL, o_orderdate date NOT NULL, o_orderpriority char(15) NOT NULL, "
    "o_clerk char(15) NOT NULL, o_shippriority integer NOT NULL, o_comment varchar(79) NOT NULL",
    "lineitem": "l_orderkey bigint NOT NULL, l_partkey bigint NOT NULL, l_suppkey bigint NOT NULL, "
    "l_linenumber integer NOT NULL, l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL, "
    "l_discount numeric(15,2) NOT NULL, l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL, "
    "l_linestatus char(1) NOT NULL, l_shipdate date NOT NULL, l_commitdate date NOT NULL, l_receiptdate date NOT NULL, "
    "l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL, l_comment varchar(44) NOT NULL, "
    "PRIMARY KEY (l_orderkey, l_linenumber)",
}
# One line per table, computed by each system itself: rows, sums of numbers, of days and of lengths without padding.
CHECKS = {
    "lineitem": "SELECT count(*), sum(l_orderkey), sum(l_partkey), sum(l_quantity), sum(l_extendedprice), "
    "sum(l_discount), "
    "sum(l_tax), sum(length(l_comment)), min(l_shipdate), max(l_receiptdate), sum(length(rtrim(l_shipmode))) FROM {t}",
    "orders": "SELECT count(*), sum(o_orderkey), sum(o_custkey), sum(o_totalprice), min(o_orderdate), "
    "max(o_orderdate), "
    "sum(length(o_comment)), count(DISTINCT o_clerk) FROM {t}",
    "partsupp": "SELECT count(*), sum(ps_partkey), sum(ps_availqty), sum(ps_supplycost), "
    "sum(length(ps_comment)) FROM {t}",
    "part": "SELECT count(*), sum(p_partkey), sum(p_retailprice), sum(length(p_name)), max(p_name), "
    "sum(p_size) FROM {t}",
    "customer": "SELECT count(*), sum(c_custkey), sum(c_acctbal), max(c_name), sum(length(c_comment)) FROM {t}",
    "supplier": "SELECT count(*), sum(s_suppkey), sum(s_acctbal), max(s_address), sum(length(s_comment)) FROM {t}",
    "nation": "SELECT count(*), sum(n_nationkey), sum(n_regionkey), sum(length(n_comment)) FROM {t}",
    "region": "SELECT count(*), sum(r_regionkey), sum(length(r_comment)) FROM {t}",
}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], Path]:
    """Call it with a scale: the folder of the eight tables as CSV."""
    made: dict[float, Path] = {}

    def make(scale: float) -> Path:
        if scale not in made:
            made[scale] = tmp_path_factory.mktemp("tpch")
            program = Path(sys.executable).parent / "tpchgen-cli"
            subprocess.run([program, "csv", "-s", str(scale), "-o", made[scale]], check=True, capture_output=True)
        return made[scale]

    return make


def _fill(folder: Path, address: str) -> None:
    import psycopg

    with psycopg.connect(address) as connection:
        for name, columns in TABLES.items():
            connection.execute(f"CREATE TABLE {name} ({columns})".encode())
            statement = f"COPY {name} FROM STDIN (FORMAT csv, HEADER)"
            with (folder / f"{name}.csv").open("rb") as file, connection.cursor().copy(statement.encode()) as copy:
                while part := file.read(1 << 20):
                    copy.write(part)
    looks.query(address, "ANALYZE")


def _figures(place: str) -> dict[str, list[str]]:
    return {name: [_text(v) for v in _ask(place, name, check)] for name, check in CHECKS.items()}


def _ask(place: str, name: str, check: str) -> tuple[object, ...]:
    if place.startswith("parquet:"):
        import duckdb

        folder = place.removeprefix("parquet:///")
        return duckdb.connect().execute(check.format(t=f"read_parquet('{folder}/{name}/**/*.parquet')")).fetchall()[0]
    return looks.query(place, check.format(t=name))[0]


def _text(value: object) -> str:
    return str(looks.normal(value, type(value)))


def _moved(source: str, target: str) -> Ended:
    ended = measured("copy", source, target, "--json", "--tables", "*")
    bill = json.loads(ended.out)
    states = {table["table"]: (table["state"], table["error"]) for table in bill["tables"]}
    assert ended.code == 0, (states, ended.err)
    assert states == dict.fromkeys(TABLES, ("proved", ""))
    assert [loss for table in bill["tables"] for loss in table["losses"]] == []
    assert abs(bill["peak_memory"] - ended.peak) < 30 * MIB, (bill["peak_memory"] / MIB, ended.peak / MIB)
    for side, place in (("source", source), ("target", target)):
        spent = bill[f"{side}_cpu_seconds"]
        known = place.startswith(("postgresql:", "mysql:"))
        assert (0 < spent < bill["seconds"] * (os.cpu_count() or 1)) if known else spent is None, (place, spent)
    ways = f"{source.split(':')[0]} -> {target.split(':')[0]}"
    print(f"{ways}: {bill['seconds']} s, {ended.peak // MIB} MiB")
    return ended


def _round_trip(folder: Path, place: Places, targets: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Out to every target and back from it; the peak memory of each copy."""
    source = place("postgres")
    _fill(folder, source)
    expected = _figures(source)
    for kind in targets:
        target, back = place(kind), place("postgres")
        out = _moved(source, target)
        assert _figures(target) == expected, kind
        home = _moved(target, back)
        assert _figures(back) == expected, kind
        yield f"to {kind}", out.peak
        yield f"from {kind}", home.peak
        place.drop(target, back)
    place.drop(source)


KINDS = ("duckdb", "parquet", "mysql")


def test_out_and_back(generated: Callable[[float], Path], place: Places):
    peaks = dict(_round_trip(generated(0.01), place, KINDS))
    assert all(peak < BOUND for peak in peaks.values()), peaks


@pytest.mark.soak
def test_memory_does_not_grow_with_the_data(generated: Callable[[float], Path], place: Places):
    small = dict(_round_trip(generated(1), place, KINDS))
    assert all(peak < BOUND for peak in small.values()), small
    large = dict(_round_trip(generated(5), place, KINDS))
    assert {way for way, peak in large.items() if peak > small[way] * 1.15} == set(), (small, large)
