"""A command as a process: what it imports, and how it ends."""

import os
import sqlite3
import subprocess
import sys

import pytest

IMPORTED = """
import sys
from lading import cli
try:
    cli.main()
finally:
    print(*sys.modules, file=sys.stderr)
"""
ENDING = """
import sys, threading, time
from lading import cli

def work():
    time.sleep(0.2)
    print("done")

def main():
    print("begun")
    if {threads}:
        threading.Thread(target=work).start()
    raise SystemExit({code})

cli.main = main
cli.start()
"""


def python(code, folder, *words, stdout=subprocess.PIPE):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder, env=env, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
    )  # fmt: skip


def imported(folder, *words):
    done = python(IMPORTED, folder, *words)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stderr.splitlines()[-1].split()}


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("history", "--help")])
def test_help_is_answered_with_click_alone(tmp_path, words):
    """Whatever takes time to import is imported inside the commands."""
    heavy = {"alembic", "duckdb", "numpy", "pandas", "pyarrow", "pydantic", "rich", "sqlalchemy", "yaml"}
    found = imported(tmp_path, *words)
    assert "click" in found
    assert found & heavy == set()


def test_a_copy_imports_what_its_two_systems_need(tmp_path):
    with sqlite3.connect(tmp_path / "a.db") as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
    db.close()
    copy = ("copy", "a.db", "b.duckdb", "--quiet")
    assert {"alembic", "duckdb", "pyarrow"} <= imported(tmp_path, *copy)  # the store is made
    found = imported(tmp_path, *copy)  # and with pandas and polars where they are installed, as PyArrow and ADBC do
    assert {"duckdb", "pyarrow"} <= found
    assert found & {"alembic", "asyncpg", "fsspec", "psycopg", "pymysql", "sqlglot", "yaml"} == set()


@pytest.mark.parametrize(("threads", "said"), [(0, "begun\n"), (1, "begun\ndone\n")])
def test_a_process_ends_with_its_code_when_all_is_said(tmp_path, threads, said):
    """What is still in a buffer is written, and a thread that is left is waited for."""
    done = python(ENDING.format(threads=threads, code=3), tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, said, "")


def test_output_that_cannot_be_written_is_an_error(tmp_path):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = python(ENDING.format(threads=0, code=0), tmp_path, stdout=full)
    assert done.returncode != 0
    assert "No space left" in done.stderr
