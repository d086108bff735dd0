"""What is measured, as the letters of the table of aims: the limit, Lading, and the others, on the same data."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import duckdb
import psycopg

from bench import movers
from bench.movers import INGESTR_TUNED, Rivals
from bench.places import KEY, Place

Counted = Callable[[str], int | None]


class Way(NamedTuple):
    """One way of doing a case's work. `before` makes room for it, `counted` says how many rows it has brought,
    None where they are not those of the source."""

    name: str
    command: list[str]
    before: Callable[[], object] = lambda: None
    counted: Counted | None = None
    ours: bool = False
    limit: bool = False


@dataclass
class Case:
    """`most` is the aim against the limit, in its times or, without one, in seconds; `faster` that against the fastest
    other."""

    letter: str
    work: str
    most: float
    faster: float = 0.0
    rows: int = 0
    ways: list[Way] = field(default_factory=list)


def cases(place: Place, rivals: Rivals, wanted: set[str]) -> Iterator[Case]:
    """Those of some letters."""
    makers = (_parquet, _duckdb, _postgres, _mariadb, _many, _files, _changes, _nothing)
    for letter, make in zip("abcdefgh", makers, strict=True):
        if any(each.startswith(letter) for each in wanted):
            yield from make(place, rivals)


def _out(place: Place) -> Path:
    return place.folder / "out"


def _clean(place: Place) -> None:
    shutil.rmtree(_out(place), ignore_errors=True)
    _out(place).mkdir()
    for left in (place.folder / "store.db", place.folder / "home/dlt", place.folder / "home/sling"):
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def cleaner(place: Place, *statements: str) -> Callable[[], None]:
    def clean() -> None:
        _clean(place)
        with psycopg.connect(place.other, autocommit=True) as connection:
            for statement in ("DROP SCHEMA IF EXISTS bench CASCADE", *statements, "CHECKPOINT"):
                connection.execute(statement.encode())

    return clean


def _in_files(place: Place) -> Counted:
    def count(_out: str) -> int:
        found = f"{place.folder}/out/**/*.parquet"
        return int(duckdb.execute(f"SELECT count(*) FROM read_parquet('{found}')").fetchall()[0][0])

    return count


def _in_duckdb(place: Place, schema: str = "main", like: str = "lineitem") -> Counted:
    def count(_out: str) -> int:
        with duckdb.connect(f"{place.folder}/out/out.duckdb") as database:
            names = database.execute(
                "SELECT table_name FROM duckdb_tables() WHERE schema_name = ? AND table_name LIKE ?", [schema, like]
            ).fetchall()
            return sum(database.sql(f'SELECT count(*) FROM {schema}."{name}"').fetchall()[0][0] for (name,) in names)

    return count


def _in_postgres(place: Place, table: str = "lineitem") -> Counted:
    def count(_out: str) -> int:
        with psycopg.connect(place.other) as connection:
            found = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            return int(found[0]) if found else 0

    return count


def _caught_up(place: Place, table: str) -> Counted:
    """Rows of a table that are as they are in the one that moves."""

    def count(_out: str) -> int | None:
        found = []
        for url, name in ((place.postgres, "moving"), (place.other, table)):
            with psycopg.connect(url) as connection:
                asked = f"SELECT count(*), max(changed), sum(hashtext(l_comment)) FROM {name}"
                found.append(connection.execute(asked.encode()).fetchone())
        return int(found[0][0]) if found[0] and found[0] == found[1] else None

    return count


def _ways(*found: tuple[str, list[str] | None, Callable[[], object], Counted]) -> list[Way]:
    return [Way(name, command, before, count) for name, command, before, count in found if command]


def _psql(url: str, *statements: str) -> str:
    return " ".join(["psql --no-psqlrc --quiet --dbname", f"'{url}'", *(f'--command "{each}"' for each in statements)])


def _shell(text: str) -> list[str]:
    return ["bash", "-c", f"set -o pipefail; {text}"]


def _stream(place: Place) -> Way:
    command = _shell(_psql(place.postgres, "COPY lineitem TO STDOUT (FORMAT binary)") + " | cat > /dev/null")
    return Way("one COPY stream, read by cat", command, limit=True)


def _ours(rivals: Rivals, source: str, target: str, before: Callable[[], object], *more: str) -> Way:
    return Way("Lading, proved", movers.lading(rivals, source, target, *more), before, movers.proved, ours=True)


def _parquet(place: Place, rivals: Rivals) -> Iterator[Case]:
    clean, count, out = (lambda: _clean(place)), _in_files(place), _out(place)
    split = '{"format": "parquet", "file_max_rows": 1000000, "compression": "zstd"}'
    table = ("public", "lineitem")
    others = _ways(
        ("dlt, ConnectorX", movers.dlt(rivals, place.postgres, "parquet", f"{out}", table), clean, count),
        ("dlt, ConnectorX, tuned", movers.dlt(rivals, place.postgres, "parquet", f"{out}", table, "tuned"), clean,
         count),
        ("Sling, many files", movers.sling(rivals, place.postgres, "public.lineitem", "", f"file://{out}/l/",
                                           "--tgt-options", split), clean, count),
        ("Sling", movers.sling(rivals, place.postgres, "public.lineitem", "", f"file://{out}/l.parquet"), clean, count),
    )  # fmt: skip
    ours = _ours(rivals, place.postgres, f"parquet:///{out}", clean, "--tables", "lineitem")
    work = "lineitem, PostgreSQL to Parquet (zstd)"
    yield Case("a", work, 1.5, 1.8, place.rows, [_stream(place), ours, *others])


def _duckdb(place: Place, rivals: Rivals) -> Iterator[Case]:
    clean, out = (lambda: _clean(place)), f"{_out(place)}/out.duckdb"
    main, bench, url = _in_duckdb(place), _in_duckdb(place, "bench"), f"duckdb:///{out}"
    asked = (place.postgres, "public.lineitem", url, "main.lineitem")
    table = ("public", "lineitem")
    others = _ways(
        ("ingestr, tuned", movers.ingestr(rivals, *asked, *INGESTR_TUNED), clean, main),
        ("ingestr", movers.ingestr(rivals, *asked), clean, main),
        ("dlt, ConnectorX, tuned", movers.dlt(rivals, place.postgres, "duckdb", out, table, "tuned"), clean, bench),
        ("Sling", movers.sling(rivals, *asked[:2], f"duckdb://{out}", "main.lineitem"), clean, main),
    )
    ours = _ours(rivals, place.postgres, url, clean, "--tables", "lineitem")
    yield Case("b", "the same to DuckDB", 1.6, 1.7, place.rows, [_stream(place), ours, *others])


def _postgres(place: Place, rivals: Rivals) -> Iterator[Case]:
    clean, count = cleaner(place, "DROP TABLE IF EXISTS lineitem"), _in_postgres(place)
    piped = f"{_psql(place.postgres, 'COPY lineitem TO STDOUT (FORMAT binary)')} | " + _psql(
        place.other, "COPY lineitem FROM STDIN (FORMAT binary)"
    )
    keyed = _psql(place.other, f"ALTER TABLE lineitem ADD PRIMARY KEY ({KEY})")
    limit = Way("COPY | COPY, and the key", _shell(f"{piped} && {keyed}"), both(clean, lambda: made(place)), limit=True)
    asked = (place.postgres, "public.lineitem", place.other, "public.lineitem")
    table = ("public", "lineitem")
    others = _ways(
        ("dlt, ConnectorX, tuned", movers.dlt(rivals, place.postgres, "postgres", place.other, table, "tuned"), clean,
         _in_postgres(place, "bench.lineitem")),
        ("ingestr, tuned", movers.ingestr(rivals, *asked, *INGESTR_TUNED), clean, count),
        ("ingestr", movers.ingestr(rivals, *asked), clean, count),
        ("Sling", movers.sling(rivals, *asked), clean, count),
    )  # fmt: skip

    def old() -> None:
        clean()
        made(place)
        with psycopg.connect(place.other, autocommit=True) as connection:
            connection.execute(f"ALTER TABLE lineitem ADD PRIMARY KEY ({KEY})".encode())

    ours = _ours(rivals, place.postgres, place.other, old, "--tables", "lineitem")
    work = "the same to PostgreSQL: a logged table with its key, swapped for the old one"
    yield Case("c", work, 1.6, 1.6, place.rows, [limit, ours, *others])


def both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    def do() -> None:
        first()
        second()

    return do


def made(place: Place) -> None:
    """lineitem in the other database, without rows."""
    with psycopg.connect(place.postgres) as source, psycopg.connect(place.other, autocommit=True) as target:
        columns = source.execute(
            "SELECT string_agg(format('%I %s NOT NULL', attname, format_type(atttypid, atttypmod)), ', ' "
            "ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'lineitem'::regclass AND attnum > 0"
        ).fetchone()
        target.execute(f"CREATE TABLE lineitem ({columns[0] if columns else ''})".encode())


def _mariadb(place: Place, rivals: Rivals) -> Iterator[Case]:
    from urllib.parse import unquote, urlsplit

    clean, out, parts = (lambda: _clean(place)), _out(place), urlsplit(place.mariadb)
    database = parts.path[1:]
    words = f"--host={parts.hostname} --port={parts.port} --user={parts.username} --database={database}"
    password = unquote(parts.password or "")
    read = _shell(
        f"MYSQL_PWD='{password}' mariadb {words} --quick --execute 'SELECT * FROM lineitem' | cat > /dev/null"
    )
    limit, table = Way("the client mariadb --quick, read by cat", read, limit=True), (database, "lineitem")
    parquet = _ways(
        ("dlt, ConnectorX, tuned", movers.dlt(rivals, place.mariadb, "parquet", f"{out}", table, "tuned"), clean,
         _in_files(place)),
        ("Sling", movers.sling(rivals, place.mariadb, f"{database}.lineitem", "", f"file://{out}/l.parquet"), clean,
         _in_files(place)),
    )  # fmt: skip
    url = f"duckdb:///{out}/out.duckdb"
    asked = (place.mariadb, f"{database}.lineitem", url, "main.lineitem")
    duck = _ways(
        ("ingestr, tuned", movers.ingestr(rivals, *asked, *INGESTR_TUNED), clean, _in_duckdb(place)),
        ("dlt, ConnectorX, tuned", movers.dlt(rivals, place.mariadb, "duckdb", f"{out}/out.duckdb", table, "tuned"),
         clean, _in_duckdb(place, "bench")),
    )  # fmt: skip
    ours = _ours(rivals, place.mariadb, f"parquet:///{out}", clean, "--tables", "lineitem")
    yield Case("d1", "lineitem, MariaDB to Parquet", 1.6, 1.0, place.rows, [limit, ours, *parquet])
    ours = _ours(rivals, place.mariadb, url, clean, "--tables", "lineitem")
    yield Case("d2", "the same to DuckDB", 1.9, 1.0, place.rows, [limit, ours, *duck])


def _many(place: Place, rivals: Rivals) -> Iterator[Case]:
    clean, out = (lambda: _clean(place)), f"{_out(place)}/out.duckdb"
    each = [
        movers.ingestr(rivals, place.postgres, f"wide.wide_{n:02d}", f"duckdb:///{out}", f"main.wide_{n:02d}",
                       "--sql-exclude-columns", _uuids(place, f"wide_{n:02d}"))
        for n in range(33)
    ]  # fmt: skip
    loop = _shell(" && ".join(shlex.join(one) for one in each if one)) if all(each) else None
    others = _ways(
        ("ingestr, table by table, without uuids, which it cannot read", loop, clean, _in_duckdb(place, like="wide%")),
        ("dlt, ConnectorX, tuned", movers.dlt(rivals, place.postgres, "duckdb", out, ("wide", "*"), "tuned"), clean,
         _in_duckdb(place, "bench", "wide%")),
        ("Sling", movers.sling(rivals, place.postgres, "wide.*", f"duckdb://{out}", "main.{stream_table}"), clean,
         _in_duckdb(place, like="wide%")),
    )  # fmt: skip
    ours = _ours(rivals, place.postgres, f"duckdb:///{out}", clean, "--tables", "wide.wide_*", "--into", "main")
    work = "33 tables of 100 mixed columns, PostgreSQL to DuckDB, in seconds"
    yield Case("e", work, 5.0, 2.2, place.wide_rows, [ours, *others])


def _uuids(place: Place, table: str) -> str:
    with psycopg.connect(place.postgres) as connection:
        found = connection.execute(
            "SELECT string_agg(attname, ',') FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND atttypid = 'uuid'::regtype",
            (f"wide.{table}",),
        ).fetchone()
        return found[0] if found and found[0] else ""


def _files(place: Place, rivals: Rivals) -> Iterator[Case]:
    clean, out = (lambda: _clean(place)), f"{_out(place)}/out.duckdb"
    read = f"import duckdb; duckdb.connect('{out}').sql(\"CREATE TABLE l AS FROM read_csv('{place.files}/*.csv')\")"
    limit = Way("DuckDB's own reader", [sys.executable, "-c", read], clean, limit=True)
    duck = _ways(
        ("dlt, DuckDB's reader", movers.dlt(rivals, str(place.files), "duckdb", out, ("", "lineitem"), "tuned"), clean,
         _in_duckdb(place, "bench")),
        ("Sling", movers.sling(rivals, "", f"file://{place.files}", f"duckdb://{out}", "main.lineitem"), clean,
         _in_duckdb(place)),
    )  # fmt: skip
    source = f"csv:///{place.files.parent}"
    ours = _ours(rivals, source, f"duckdb:///{out}", clean, "--tables", "lineitem")
    yield Case("f1", "200 CSV files to DuckDB", 1.5, 2.0, place.file_rows, [limit, ours, *duck])
    drop = cleaner(place, "DROP TABLE IF EXISTS lineitem")
    piped = f"for each in {place.files}/*.csv; do tail -n +2 $each; done | " + _psql(
        place.other, "COPY lineitem FROM STDIN (FORMAT csv)"
    )
    limit = Way("COPY FROM", _shell(piped), both(drop, lambda: made(place)), limit=True)
    others = _ways(
        ("Sling", movers.sling(rivals, "", f"file://{place.files}", place.other, "public.lineitem"), drop,
         _in_postgres(place)),
        ("pgloader", movers.pgloader(rivals, place.files, place.other, "public.lineitem", place.folder),
         both(drop, lambda: made(place)), _in_postgres(place)),
    )  # fmt: skip
    ours = _ours(rivals, source, place.other, drop, "--tables", "lineitem")
    yield Case("f2", "200 CSV files to PostgreSQL", 1.5, 2.0, place.file_rows, [limit, ours, *others])


def _changes(place: Place, rivals: Rivals) -> Iterator[Case]:
    """A first copy brings all rows, and is not measured; each one after it what has changed since."""
    asked = ("--tables", "moving", "--mode", "merge", "--since", "changed")
    first = movers.lading(rivals, place.postgres, place.other, *asked)

    def changing(thousandths: float, table: str = "") -> Callable[[], None]:
        def change() -> None:
            with psycopg.connect(place.other, autocommit=True) as connection:
                known = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table or "moving",)).fetchone()
                if known == (False,) and table:  # for a tool that asks the target for its newest row
                    connection.execute(f"CREATE TABLE {table} AS SELECT * FROM moving".encode())
                    connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY ({KEY})".encode())
                    connection.execute(f"CREATE INDEX ON {table} (changed)".encode())
                elif known == (False,):
                    subprocess.run(first, env=dict(rivals.surroundings), check=True, capture_output=True)
            with psycopg.connect(place.postgres, autocommit=True) as connection:
                connection.execute(
                    "UPDATE moving SET changed = clock_timestamp(), l_comment = md5(random()::text) "
                    f"WHERE l_orderkey %% 1000000 < {thousandths * 1000}".replace("%%", "%").encode()
                )

        return change

    for letter, part in (("g1", 1.0), ("g2", 10.0)):
        work = f"{part / 10:g} % of lineitem changed, PostgreSQL to PostgreSQL, since and merge, in seconds"
        ours = Way("Lading, proved", first, changing(part), movers.proved, ours=True)
        others = _ways(
            ("Sling", movers.sling(rivals, place.postgres, "public.moving", place.other, "public.sling", "--mode",
                                   "incremental", "--primary-key", KEY, "--update-key", "changed"),
             changing(part, "sling"), _caught_up(place, "sling")),
            ("ingestr", movers.ingestr(rivals, place.postgres, "public.moving", place.other, "public.ingestr",
                                       "--incremental-strategy", "merge", "--incremental-key", "changed",
                                       "--primary-key", "l_orderkey", "--primary-key", "l_linenumber"),
             changing(part, "ingestr"), _caught_up(place, "ingestr")),
        )  # fmt: skip
        yield Case(letter, work, 0.0, 2.0, 0, [ours, *(others if letter == "g1" else [])])


def _nothing(place: Place, rivals: Rivals) -> Iterator[Case]:
    clean, out = (lambda: _clean(place)), f"duckdb:///{_out(place)}/out.duckdb"
    ours = _ours(rivals, place.postgres, out, clean, "--tables", "nothing")
    yield Case("h1", "an empty table, PostgreSQL to DuckDB, in seconds", 0.8, 0.0, 0, [ours])
    helped = [str(rivals.made["Lading"] / "lading"), "--help"]
    yield Case("h2", "lading --help, in seconds", 0.2, 0.0, 0, [Way("Lading", helped, ours=True)])
