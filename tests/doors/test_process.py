"""A command as a process: what it imports, and how it ends."""

import importlib
import json
import os
import sqlite3
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from lading import cli, find, unwanted

IMPORTED = """
import os, sys
from lading import cli
os._exit = sys.exit
try:
    cli.start()
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


def python(code, folder, *words, stdout=subprocess.PIPE, path=""):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    env["PYTHONPATH"] = os.pathsep.join(each for each in (str(path), env.get("PYTHONPATH", "")) if each)
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder, env=env, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
    )  # fmt: skip


def imported(folder, *words, path=""):
    done = python(IMPORTED, folder, *words, path=path)
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
    assert "alembic" not in imported(tmp_path, *copy), "though the store is made"
    for name in ("pandas", "polars"):  # as if they were installed
        (tmp_path / f"there/{name}").mkdir(parents=True)
        (tmp_path / f"there/{name}/__init__.py").write_text("__version__ = '9.9'\n", encoding="utf-8")
    found = imported(tmp_path, *copy, path=tmp_path / "there")
    assert {"duckdb", "pyarrow"} <= found
    strange = {"alembic", "asyncpg", "fsspec", "pandas", "polars", "psycopg", "pymysql", "sqlglot", "yaml"}
    assert found & strange == set(), "PyArrow would load pandas where it is installed, and ADBC polars"


def test_what_comes_from_outside_may_load_what_it_wants(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    unwanted.refuse("colorsys")
    with pytest.raises(ModuleNotFoundError, match="not wanted"):
        importlib.import_module("colorsys")
    assert find._loaded(EntryPoint("own", "colorsys:hls_to_rgb", find.GROUP)).__module__ == "colorsys"


@pytest.mark.parametrize(
    ("words", "state"),
    [(("copy", "a", "b", "--json"), "cancelled"), (("copy", "a", "b"), ""), (("scheduler", "--json"), "")],
)
def test_what_is_interrupted_is_one_object(words, state, monkeypatch, capsys):
    """A scheduler, which is always ended so, has told all in lines of its own."""

    def interrupted(**_words):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.lading, "main", interrupted)
    monkeypatch.setattr(sys, "argv", ["lading", *words])
    with pytest.raises(SystemExit):
        cli.main()
    out = capsys.readouterr().out
    assert (json.loads(out)["state"] if out else "") == state


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("copy", "x", "--json"), "Missing argument 'TARGET'."),
        (("--nope", "--json"), "No such option"),
        (
            ("copy", "x", "y", "--json", "--into", "a=b", "--into", "c"),
            "--into takes one schema, or only SOURCE=TARGET.",
        ),
        (("cpoy", "--json", "postgresql://me:geheim@h"), "No such command 'cpoy'."),
        (("history", "--json", "p", "postgresql://me:geheim@h"), "Got unexpected extra argument"),
        (("copy", "x"), None),
    ],
)
def test_what_is_misused_is_one_object(words, what, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lading", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert err.startswith("error: ")
    if what is None:
        assert out == ""
        return
    found = json.loads(out)
    assert (found["run"], found["state"], found["tables"]) == (None, "failed", [])
    assert found["error"]["kind"] == "spec"
    assert found["error"]["what"].startswith(what)
    assert found["error"]["fix"].startswith("See 'lading")
    assert "geheim" not in out + err


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
