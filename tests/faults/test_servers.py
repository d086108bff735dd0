"""The tests' own servers: what every other test on a real server stands on."""

import os

import psycopg
import pymysql
import pytest

from tests.servers import MariaDB, Postgres, Server


def process_is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_postgres_is_as_the_tests_need_it(postgres, pg_database):
    name = pg_database.rpartition("/")[2]
    with psycopg.connect(pg_database) as connection:
        rows = connection.execute(
            "SELECT datname, pg_encoding_to_char(encoding), datcollate, datctype"
            " FROM pg_database WHERE datname = current_database()"
        ).fetchall()
    assert rows == [(name, "UTF8", "C.UTF-8", "C.UTF-8")]
    assert postgres.execute("SHOW wal_level") == [("logical",)]
    assert postgres.execute("SHOW server_version")[0][0].startswith(postgres.version)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(pg_database, password="wrong")


def test_mariadb_is_as_the_tests_need_it(mariadb, maria_database):
    name = maria_database.rpartition("/")[2]
    assert mariadb.execute("SELECT database(), @@character_set_database, @@local_infile", name) == [
        (name, "utf8mb4", 1)
    ]
    assert mariadb.execute("SELECT @@max_allowed_packet, @@innodb_buffer_pool_size") == [(1 << 28, 1 << 28)]
    assert mariadb.execute("SELECT version()")[0][0].startswith(mariadb.version)
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        pymysql.connect(host="127.0.0.1", port=mariadb.port, user="root", password="")
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        pymysql.connect(host="127.0.0.1", port=mariadb.port, user="", password="")


@pytest.mark.parametrize("make", [Postgres, MariaDB])
def test_a_server_survives_restart_and_kill(make):
    if reason := make.absent():
        pytest.skip(reason)
    server: Server = make()
    try:
        server.execute("CREATE DATABASE t")
        server.execute("CREATE TABLE a (n int)", "t")
        pid = server.pid
        server.restart()
        assert process_is_gone(pid)
        assert server.pid != pid
        server.execute("INSERT INTO a VALUES (7)", "t")
        pid = server.pid
        server.kill()
        assert process_is_gone(pid)
        server.start()
        assert server.execute("SELECT n FROM a", "t") == [(7,)]
    finally:
        pid = server.pid
        server.close()
    assert process_is_gone(pid)
    assert not server.folder.exists()


def test_a_database_is_dropped_under_an_open_transaction(postgres, mariadb):
    postgres.create_database("held")
    mariadb.create_database("held")
    mariadb.execute("CREATE TABLE a (n int) ENGINE = InnoDB", "held")
    where = {"host": "127.0.0.1", "port": mariadb.port, "user": "lading", "password": mariadb.password}
    first = psycopg.connect(postgres.url("held"))
    second = pymysql.connect(**where, database="held")
    first.execute("SELECT 1")
    second.cursor().execute("INSERT INTO a VALUES (1)")
    postgres.drop_database("held")
    mariadb.drop_database("held")
    first.close()
    second._force_close()  # type: ignore[attr-defined]


def test_odbc_reads(pg_odbc, maria_odbc):
    import arrow_odbc

    for address in (pg_odbc, maria_odbc):
        reader = arrow_odbc.read_arrow_batches_from_odbc(
            "SELECT 'ä€' AS a, 7 AS b", connection_string=address, batch_size=10
        )
        assert reader is not None
        assert [batch.to_pylist() for batch in reader] == [[{"a": "ä€", "b": 7}]]
