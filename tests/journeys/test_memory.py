"""A move keeps to the memory it is given: a million rows, or texts of 2 KB, within 256 MiB, in a process of its own.
More changed rows take no more of it."""

import json
import sqlite3
from contextlib import closing

import pytest

from tests.journeys import looks
from tests.journeys.shell import measured

ROWS, LIMIT = 1_000_000, 256
COLUMNS = "id bigint NOT NULL PRIMARY KEY, name varchar(40), amount decimal(12,2), day date, note varchar(80)"


def _postgres(url):
    looks.query(url, f"CREATE TABLE big ({COLUMNS})")
    looks.query(
        url,
        "INSERT INTO big SELECT n, md5(n::text), n / 7.0, date '2020-01-01' + n % 1000, repeat(md5(n::text), 2) "
        f"FROM generate_series(1, {ROWS}) n",
    )
    return url


def _mariadb(url):
    looks.query(url, f"CREATE TABLE big ({COLUMNS})")
    looks.query(
        url,
        "INSERT INTO big SELECT seq, md5(seq), seq / 8, '2020-01-01' + INTERVAL seq % 1000 DAY, repeat(md5(seq), 2) "
        f"FROM seq_1_to_{ROWS}",
    )
    return url


def _sqlite(path):
    text = "hex(n * 2654435761 % 4294967296)"
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(f"CREATE TABLE big ({COLUMNS})")
        file.execute(
            f"WITH s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {ROWS}) INSERT INTO big "
            f"SELECT n, {text} || {text}, n * 0.25, date('2020-01-01', (n % 1000) || ' days'), {text} || n FROM s"
        )
    return f"sqlite:///{path}"


def _texts(path, rows):
    """Of 2 KB, in SQLite."""
    parts = " || ".join(f"hex(n * {2 * k + 2654435761} % 4294967296)" for k in range(110))
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
        file.execute(
            f"WITH s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) INSERT INTO big "
            f"SELECT n, substr({parts}, 1, 2000) FROM s"
        )
    return f"sqlite:///{path}"


def _copied(source, target, *words, rows=ROWS):
    """The bill's peak in MiB, which the kernel's word bears out."""
    ended = measured("copy", source, target, "--tables", "big", "--json", *(words or ("--memory", f"{LIMIT}MiB")))
    bill = json.loads(ended.out)
    assert (ended.code, bill["state"], bill["tables"][0]["rows"]["target"]) == (0, "proved", rows), bill["tables"]
    print(f"{source.split(':')[0]} -> {target.split(':')[0]}: {bill['peak_memory'] >> 20} MiB")
    return max(bill["peak_memory"], ended.peak) / 2**20


@pytest.mark.soak
def test_postgres_to_duckdb_and_on_to_parquet(place):
    source, kept = _postgres(place("postgres")), place("duckdb")
    peaks = [_copied(*way) for way in ((source, place("parquet")), (source, kept), (kept, place("parquet")))]
    assert max(peaks) <= LIMIT, peaks


def test_sqlite_to_duckdb(place, tmp_path):
    assert _copied(_sqlite(tmp_path / "big.db"), place("duckdb")) <= LIMIT


def test_long_texts_to_duckdb(place, tmp_path):
    assert _copied(_texts(tmp_path / "big.db", 60_000), place("duckdb"), rows=60_000) <= LIMIT


@pytest.mark.soak
def test_long_texts_of_every_system_to_duckdb(place, tmp_path):
    first = _texts(tmp_path / "big.db", 300_000)
    peaks = [_copied(first, place("duckdb"), rows=300_000)]
    for kind in ("postgres", "mysql", "parquet", "duckdb"):
        source = place(kind)
        assert measured("copy", first, source, "--tables", "big").code == 0
        peaks.append(_copied(source, place("duckdb"), rows=300_000))
    assert max(peaks) <= LIMIT, peaks


def test_mariadb_to_parquet(place):
    assert _copied(_mariadb(place("mysql")), place("parquet")) <= LIMIT


def test_ten_times_as_many_changed_rows_take_as_much(place):
    source, target, few, many = place("postgres"), place("postgres"), 20_000, 200_000
    looks.query(source, f"CREATE TABLE big ({COLUMNS}, changed timestamp)")
    looks.query(
        source,
        "INSERT INTO big SELECT n, md5(n::text), n / 7.0, date '2020-01-01' + n % 1000, repeat(md5(n::text), 2), "
        f"timestamp '2026-01-01' - n * interval '1 second' FROM generate_series(1, {many}) n",
    )
    words, peaks = ("--mode", "merge", "--since", "changed", "--overlap-seconds", "0"), {}
    _copied(source, target, *words, rows=many)
    for day, rows in ((2, few), (3, many)):
        looks.query(source, f"UPDATE big SET name = md5(name), changed = '2026-01-0{day}' WHERE id <= {rows}")
        peaks[rows] = _copied(source, target, *words, rows=rows)
    assert peaks[many] < 1.1 * peaks[few]
