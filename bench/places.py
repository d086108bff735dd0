"""Where copies come from: lineitem of TPC-H in PostgreSQL, MariaDB and CSV files, and wide tables."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import psycopg

from tests.journeys import wide
from tests.servers import MariaDB, Postgres

KEY = "l_orderkey,l_linenumber"
COLUMNS = """l_orderkey bigint NOT NULL, l_partkey integer NOT NULL, l_suppkey integer NOT NULL,
    l_linenumber integer NOT NULL, l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL,
    l_discount numeric(15,2) NOT NULL, l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL,
    l_linestatus char(1) NOT NULL, l_shipdate date NOT NULL, l_commitdate date NOT NULL, l_receiptdate date NOT NULL,
    l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL, l_comment varchar(44) NOT NULL"""
SETTINGS = {"shared_buffers": "2GB", "max_wal_size": "8GB", "jit": "off", "checkpoint_timeout": "30min"}
FILES, FILES_SCALE = 200, 2.7


class Place(NamedTuple):
    """Where the data is: two databases of PostgreSQL, one of MariaDB, a folder of CSV files, and one for targets."""

    postgres: str
    other: str
    mariadb: str
    files: Path
    folder: Path
    rows: int
    """Of lineitem."""
    file_rows: int
    wide_rows: int
    """Of all wide tables."""


def placed(stack: ExitStack, folder: Path, scale: float, wanted: set[str]) -> tuple[Place, list[int]]:
    """Servers with the data that the cases need."""
    letters = {each[0] for each in wanted}
    postgres = Postgres(settings=SETTINGS, fsync=True)
    stack.callback(postgres.close)
    url, other = postgres.create_database("bench"), postgres.create_database("other")
    (folder / "out").mkdir()
    rows, each = 0, int(max(scale, 1) * 5000)
    if letters & set("abcdgi"):
        generated(folder, scale)
        rows = _lines(f"{folder}/lineitem.csv") - 1
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (f"CREATE TABLE lineitem ({COLUMNS})", "CREATE TABLE nothing (id bigint PRIMARY KEY, t text)"):
            connection.execute(statement.encode())
        if letters & set("abcgi"):
            psql(url, f"\\copy lineitem FROM '{folder}/lineitem.csv' (FORMAT csv, HEADER true)")
            connection.execute(f"ALTER TABLE lineitem ADD PRIMARY KEY ({KEY})".encode())
        if "g" in letters:
            connection.execute(f"CREATE TABLE moving ({COLUMNS}, changed timestamp(6) NOT NULL)".encode())
            year = "TIMESTAMP '2026-01-01' - l_orderkey % 31536000 * INTERVAL '1 second'"
            connection.execute(f"INSERT INTO moving SELECT *, {year} FROM lineitem".encode())
            connection.execute(f"ALTER TABLE moving ADD PRIMARY KEY ({KEY})".encode())
            connection.execute(b"CREATE INDEX ON moving (changed)")
        if "e" in letters:
            connection.execute(b"CREATE SCHEMA wide")
            connection.execute(b"SET search_path = wide")
            for statement in wide.statements(each).split(";\n"):
                connection.execute(statement.encode())
        connection.execute(b"VACUUM (FREEZE, ANALYZE)")
        connection.execute(b"CHECKPOINT")
    servers, mariadb = [postgres.pid], ""
    if "d" in letters:
        maria = MariaDB(settings={"innodb-buffer-pool-size": "2G", "innodb-log-file-size": "1G"})
        stack.callback(maria.close)
        mariadb = maria.create_database("bench")
        servers.append(maria.pid)
        fill_mariadb(mariadb, folder / "lineitem.csv")
    (folder / "lineitem.csv").unlink(missing_ok=True)
    file_rows = 0
    if "f" in letters:
        generated(folder / "files", FILES_SCALE * scale, "--parts", str(FILES))
        file_rows = _lines(f"{folder}/files/lineitem/*.csv") - FILES
    files = folder / "files/lineitem"
    return Place(url, other, mariadb, files, folder, rows, file_rows, each * wide.TABLES), servers


def _lines(files: str) -> int:
    return int(subprocess.check_output(["sh", "-c", f"cat {files} | wc -l"]))


def generated(folder: Path, scale: float, *more: str) -> None:
    generator = str(Path(sys.executable).parent / "tpchgen-cli")
    asked = ["csv", "-s", str(scale), "--tables=lineitem", f"--output-dir={folder}", *more]
    subprocess.run([generator, *asked], check=True, stdout=subprocess.DEVNULL)


def psql(url: str, statement: str) -> None:
    subprocess.run(["psql", "--no-psqlrc", "--quiet", "--dbname", url, "--command", statement], check=True)


def mariadb_version(url: str) -> str:
    with connected(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        return str(cursor.fetchone()[0]).partition("-")[0]


def connected(url: str) -> Any:
    import pymysql

    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname, port=parts.port or 3306, user=parts.username, password=unquote(parts.password or ""),
        database=parts.path[1:], local_infile=True, autocommit=True,
    )  # fmt: skip


def fill_mariadb(url: str, file: Path) -> None:
    with connected(url) as connection, connection.cursor() as cursor:
        columns = COLUMNS.replace("numeric", "decimal")
        cursor.execute(f"CREATE TABLE lineitem ({columns}, PRIMARY KEY ({KEY})) CHARACTER SET utf8mb4")
        how = "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' LINES TERMINATED BY '\\n' IGNORE 1 LINES"
        cursor.execute(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE lineitem {how}")
        cursor.execute("ANALYZE TABLE lineitem")
