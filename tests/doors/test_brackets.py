"""Names and values with marks of other people's: everywhere a person reads them, they stand as they are."""

import re
import sqlite3
from pathlib import Path

import pytest

import lading

BRACKETS = """
    CREATE TABLE "t[/b]" (id INTEGER PRIMARY KEY, "c[/i]" TEXT);
    CREATE TABLE "br[a]" ("[red]" INTEGER PRIMARY KEY, ":smile:" TEXT);
    INSERT INTO "t[/b]" VALUES (1, '[/u]');
    INSERT INTO "br[a]" VALUES (1, '[bold]x');
"""
TABLES, COLUMNS = ("t[/b]", "br[a]"), ("c[/i]", "[red]", ":smile:")
PIPELINE = """\
schedule: {cron: '0 2 * * *'}
steps:
  - {key: move, do: move, from: 'sqlite:///old.db', to: 'duckdb:///new.duckdb', title: 'all [/y] :cat:'}
"""
DROP = """\
steps:
  - {key: take, do: receive, from: drop, files: 'x*.csv', columns: {id: int(64)}, to: 'duckdb:///new.duckdb',
     into: 'got[a]', mode: append, every_seconds: 0.001, looks: 2}
"""


@pytest.fixture(params=["", "1"], ids=["in a log", "on a terminal"])
def shown(request, inside, monkeypatch):
    """Call it with words: all that a person sees then, in a folder with a database and two pipelines."""
    for name, value in (("FORCE_COLOR", request.param), ("NO_COLOR", "1"), ("COLUMNS", "140")):
        monkeypatch.setenv(name, value)
    with sqlite3.connect(inside.folder / "old.db") as db:
        db.executescript(BRACKETS)
    db.close()
    assert inside("init").code == 0
    for name, text in (("pipelines/p.yaml", PIPELINE), ("pipelines/drop.yaml", DROP), ("drop/x[b].csv", "id\n1\n")):
        (inside.folder / name).parent.mkdir(exist_ok=True)
        (inside.folder / name).write_text(text, encoding="utf-8")

    def show(*words: str, code: int = 0) -> str:
        done = inside(*words)
        assert done.code == code, done.err
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", done.out + done.err)

    return show


def absent(text: str, *names: str) -> list[str]:
    return [name for name in names if name not in text]


def test_names_of_tables_and_columns(shown):
    for words in (("discover", "old.db"), ("plan", "old.db", "new.duckdb"), ("copy", "old.db", "new.duckdb"),
                  ("bill", "last"), ("diff", "old.db", "new.duckdb"), ("profile", "old.db"),
                  ("run", "p")):  # fmt: skip
        assert absent(shown(*words), *TABLES) == [], words
    assert absent(shown("discover", "old.db#br[a]") + shown("discover", "old.db#t[/b]"), *COLUMNS) == []
    assert absent(shown("profile", "old.db"), *COLUMNS) == []
    with sqlite3.connect("old.db") as db:
        db.executescript("""UPDATE "t[/b]" SET "c[/i]" = '[/s]'""")
    db.close()
    assert absent(shown("diff", "old.db", "new.duckdb", code=1), "t[/b]", "c[/i]", "[/s]", "[/u]") == []
    assert absent(shown("prove", "p", code=1), "t[/b]", "c[/i]") == []


def test_titles_notes_and_files(shown):
    shown("release", "p", "--note", "[/n] :dog:")
    assert absent(shown("releases"), "[/n] :dog:") == []
    assert absent(shown("explain", "p"), "all [/y] :cat:") == []
    assert absent(shown("run", "p"), *TABLES) == []
    assert "proved" in shown("history")
    assert absent(shown("schedule") + shown("schedule", "p"), "p ", "UTC") == []
    runs = [shown("run", "drop") for _ in range(3)]
    assert absent("".join(runs), "got[a]") == []
    assert absent(shown("arrivals", "drop"), "x[b].csv") == []


def test_the_same_in_python(shown):
    assert absent(repr(lading.plan("old.db", "new.duckdb")), *TABLES) == []
    assert absent(repr(lading.copy("old.db", "new.duckdb", quiet=True)), *TABLES) == []


def test_one_place_makes_terminals():
    """Another one would read names as markup again."""
    source = Path(lading.__file__).parent
    making = re.compile(r"(?<!class )\b(?:Console|Terminal)\(")
    made = [path.name for path in source.rglob("*.py") if making.search(path.read_text(encoding="utf-8"))]
    assert made == ["render.py"]
