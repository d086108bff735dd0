"""Profiles on the command line, from Python and in notebooks."""

from __future__ import annotations

import lading


def test_a_table_in_a_terminal(inside, legacy):
    done = inside("profile", "legacy.db#people")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "Profile  people  500 rows"
    assert "in place" in lines[1]
    assert [line.split() for line in lines[5:8]] == [
        ["id", "–", "500", "0", "499", "3"],
        ["name", "–", "500", "Ann", "0", "Ann", "99", "7"],
        ["born", "–", "1", "1980-02-29", "1980-02-29"],
    ]
    assert max(map(len, lines)) <= 100


def test_all_tables_and_those_that_a_pattern_names(inside, legacy):
    assert [p["table"] for p in inside("profile", "legacy.db", "--json").json["profiles"]] == [
        "amounts", "an empty one", "people",
    ]  # fmt: skip
    assert [p["table"] for p in inside("profile", "legacy.db", "--tables", "a*", "--json").json["profiles"]] == [
        "amounts", "an empty one",
    ]  # fmt: skip


def test_what_a_type_would_lose(inside, legacy):
    done = inside("profile", "legacy.db#amounts", "--for", "amount=decimal(5,1)")
    assert "decimal(5,1) would lose 500 of 1,000 values" in done.out
    assert "50%" in done.out
    facts = inside("profile", "legacy.db#people", "--into", "string(6)", "--json").json["profiles"][0]["columns"]
    assert {f["column"]: f["lost"] for f in facts} == {
        "id": {"string(6)": 0}, "name": {"string(6)": 400}, "born": {"string(6)": 500},
    }  # fmt: skip


def test_the_last_one_and_its_suggestions(inside, legacy):
    assert inside("profile", "legacy.db#people", "--last").code == 2
    first = inside("profile", "legacy.db#people", "--json").json
    assert inside("profile", "legacy.db#people", "--last", "--json").json == first
    done = inside("profile", "legacy.db#people", "--last", "--suggest")
    assert [line.split()[:3] for line in done.out.splitlines()[5:8]] == [
        ["id", "int(64)", "int(16)"],
        ["name", "string(40)", "string(10)"],
        ["born", "date", "–"],
    ]
    assert inside("profile", "legacy.db#people", "--suggest", "--json").json["profiles"][0]["suggested"] == {
        "id": "int(16)", "name": "string(10)", "born": "date",
    }  # fmt: skip


def test_wrong_words(inside, legacy):
    assert inside("profile", "legacy.db#people", "--for", "name").code == 2
    assert "no column 'nam'" in inside("profile", "legacy.db", "--for", "nam=int(8)").err
    assert "'number' is not a type" in inside("profile", "legacy.db", "--into", "number").err


def test_a_table_that_cannot_be_read_is_said_and_fails(inside, legacy, tmp_path):
    import sqlite3

    with sqlite3.connect(legacy) as db:
        db.execute("INSERT INTO amounts VALUES ('x', 1)")
    db.close()
    done = inside("profile", "legacy.db")
    assert done.code == 1
    assert "not profiled" in done.out
    assert "holds 'x'" in done.out.replace("\n", " ")


def test_from_python_and_in_notebooks(inside, legacy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = lading.profile("legacy.db", tables="people", types={"id": "int(8)"})
    assert repr(found).startswith("Profile  people  500 rows")
    assert found[0].columns[0].lost == {"int(8)": 372}
    html = found._repr_html_()  # type: ignore[attr-defined]
    assert "<h1>people</h1>" in html
    assert '<th scope="row">born</th>' in html
    assert lading.plan("legacy.db", "new.duckdb").tasks[2].source.columns[1].observed.max_characters == 7  # type: ignore[union-attr]
