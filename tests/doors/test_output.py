"""What commands write, wherever that goes: another locale, a reader that goes away, a full disk, a narrow terminal."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing

import pytest

STEERING = "\x1b]0;owned\x07\x1b[2J\x9b1mt\u202e"


@pytest.fixture
def sides(shell, legacy):
    """Two equal databases, and one that is different."""
    for name in ("same.db", "other.db"):
        shutil.copy(legacy, legacy.with_name(name))
    with closing(sqlite3.connect(legacy.with_name("other.db"))) as db, db:
        db.execute("UPDATE people SET name = 'Zoë' WHERE id = 7")
    return shell


def started(shell, *words, out=subprocess.PIPE, **env):
    done = subprocess.run(
        shell.command(*words), cwd=shell.folder, env={**shell.env, **env}, stdout=out, stderr=subprocess.PIPE
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_locale_that_lacks_a_character_changes_no_verdict(sides, encoding):
    words = ("diff", "legacy.db", "other.db", "--quiet")
    done = started(sides, *words, PYTHONIOENCODING=encoding)
    assert (done.returncode, b"\\u2260 different" in done.stdout, done.stderr) == (1, True, b"")
    assert b"\\u25" not in done.stdout, "no rule is six times as long"
    assert ("Zo\\xeb" if encoding == "ascii" else "Zoë") in done.stdout.decode(encoding)
    found = json.loads(started(sides, *words, "--json", PYTHONIOENCODING=encoding).stdout.decode())
    assert [each["right"] for each in found["tables"][2]["differences"]] == ["Zoë"], "JSON is UTF-8 everywhere"


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_reader_that_has_seen_enough_changes_no_verdict(sides, more):
    for right, code in (("same.db", 0), ("other.db", 1)):
        ours, theirs = os.pipe()
        os.close(ours)
        with os.fdopen(theirs, "w") as out:
            done = started(sides, "diff", "legacy.db", right, "--quiet", *more, out=out)
        assert (done.returncode, done.stderr) == (code, b"")


def test_a_run_goes_on_when_nobody_reads_how(sides, tmp_path):
    (tmp_path / "connections.yaml").write_text("connections:\n", encoding="utf-8")
    (tmp_path / "pipelines").mkdir()
    first, second = "{key: a, do: bash, script: 'true'}", "{key: b, do: bash, script: 'touch done; exit 3', after: a}"
    steps = f"steps:\n  - {first}\n  - {second}\n"
    (tmp_path / "pipelines/p.yaml").write_text(steps, encoding="utf-8")
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as out:
        words = sides.command("run", "p")
        assert subprocess.run(words, cwd=tmp_path, env=sides.env, stdout=out, stderr=out, check=False).returncode == 1
    assert (tmp_path / "done").exists()
    assert [bill["state"] for bill in sides("history", "--json").json["runs"]] == ["failed"]


def test_output_that_nobody_can_read_differs_from_nothing(sides):
    for more in ((), ("--json",)):
        with open("/dev/full", "w") as full:
            done = started(sides, "diff", "legacy.db", "same.db", "--quiet", *more, out=full)
        assert (done.returncode, b"No space left" in done.stderr) == (3, True)
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *sides.command("diff", "legacy.db", "other.db", "--quiet")]
    done = subprocess.run(closed, cwd=sides.folder, env=sides.env, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"")


def test_names_steer_no_terminal(inside, tmp_path):
    for side, value in (("left", 1), ("right", 2)):
        with closing(sqlite3.connect(tmp_path / f"{side}.db")) as db, db:
            db.execute(f'CREATE TABLE "{STEERING}" (id INTEGER PRIMARY KEY, "{STEERING}" INTEGER)')
            db.execute(f'INSERT INTO "{STEERING}" VALUES (1, {value})')
    for words, code in (
        (("diff", "left.db", "right.db"), 1), (("repair", "last"), 1), (("history", "--trend"), 0),
        (("profile", "left.db"), 0), (("discover", "left.db"), 0), (("discover", f"left.db#{STEERING}"), 0),
        (("plan", "left.db", "new.db"), 0), (("copy", "left.db", "new.db"), 0), (("bill",), 0),
        (("diff", "left.db", "right.db", "--key", STEERING * 2), 2),
    ):  # fmt: skip
        done = inside(*words)
        assert done.code == code, done
        assert "]0;owned[2J" in done.out + done.err, words
        assert not set("\x1b\x07\x9b\u202e").intersection(done.out + done.err), words
    assert inside("diff", "left.db", "right.db", "--json").json["tables"][0]["left"] == STEERING


@pytest.mark.parametrize("columns", ["0", "20", "40", "80"])
def test_no_number_and_no_name_is_cut_in_a_narrow_terminal(sides, columns):
    sides.env["COLUMNS"] = columns
    for words in (("diff", "legacy.db", "other.db"), ("history", "--trend")):
        done = sides(*words)
        lines = done.out.splitlines()
        for word in ("different", "people", "500", " ms"):
            assert any(word in line for line in lines), (word, done.out)
        assert max(map(len, lines)) <= max(int(columns), 40)


@pytest.mark.parametrize("place", ["legacy.db", "people.csv"])
def test_what_is_compared_is_not_written_over(sides, tmp_path, place):
    (tmp_path / "people.csv").write_text("id,name\n1,Ann 1\n")
    (tmp_path / "people.parquet").write_text("PAR1")
    before = (tmp_path / place).read_bytes()
    for command in ("diff", "bill"):
        words = ("legacy.db", "same.db") if command == "diff" else ()
        done = sides(command, *words, "--html", place)
        assert (done.code, f"'{place}' is there, and no page" in done.err) == (2, True), done
    for export in ("people.csv", "people.parquet"):
        done = sides("diff", "legacy.db", "same.db", "--export", export)
        assert (done.code, f"'{export}' is there, and no export of differences" in done.err) == (2, True), done
    assert (tmp_path / place).read_bytes() == before
    for export in ("all.csv", "all.parquet"):
        for right, code in (("same.db", 0), ("other.db", 1), ("same.db", 0)):
            assert sides("diff", "legacy.db", right, "--export", export, "--html", "all.html").code == code


@pytest.mark.parametrize(("right", "code"), [("same.db", 3), ("other.db", 1)])
def test_a_page_that_has_no_room_hides_nothing(sides, right, code):
    done = sides("diff", "legacy.db", right, "--html", "/dev/full")
    assert (done.code, "Diff  2" in done.out, "equal" in done.out) == (code, True, True), done
    assert "error: /dev/full is not written: This machine: No space left on device." in done.err
    done = sides("diff", "legacy.db", right, "--html", "/dev/full", "--json")
    assert (done.code, len(done.json["tables"])) == (code, 3), done


def test_no_wait_is_too_long_to_be_waited_for(sides):
    for seconds in ("inf", "1e300", "604801"):
        done = sides("diff", "legacy.db", "other.db", "--wait-seconds", seconds)
        assert (done.code, "'wait_seconds' must be at most 604800" in done.err) == (2, True), done


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_no_history_is_shorter_than_a_line(sides, limit):
    assert sides("history", "--limit", limit).code == 2


def test_what_is_piped_ends_its_lines_where_the_words_end(inside, legacy):
    for words in (["copy", "legacy.db", "new.duckdb"], ["discover", "legacy.db"], ["diff", "legacy.db", "new.duckdb"]):
        lines = inside(*words).out.splitlines()
        assert len(lines) > 3
        assert [line for line in lines if line != line.rstrip()] == []


def test_columns_without_anything_are_not_shown(inside, legacy):
    assert inside("discover", "legacy.db").out.splitlines()[0].split() == ["Table", "Columns", "Key"]
    assert inside("plan", "legacy.db", "new.duckdb").out.splitlines()[3].split() == ["Table", "Mode", "Key", "Losses"]


def test_a_table_that_is_not_there_has_no_number_of_rows(inside, legacy):
    done = inside("diff", "legacy.db#people", "legacy.db#peopel")
    assert done.code == 1
    assert "people ↔ peopel      –       –" in done.out
    assert "legacy.db has no table 'peopel'" in done.out


def test_what_differs_alone_is_told_with_one_number(inside, legacy):
    inside("copy", "legacy.db", "new.db", "--tables", "people")
    with sqlite3.connect(inside.folder / "new.db") as db:
        db.execute("UPDATE people SET name = 'x' WHERE id < 3")
    db.close()
    assert "only differs: name, in 3 rows\n" in inside("diff", "legacy.db#people", "new.db#people").out


def test_a_page_of_a_diff_tells_first_what_differs(sides):
    sides("diff", "legacy.db", "other.db", "--html", "diff.html", "--quiet")
    page = (sides.folder / "diff.html").read_text(encoding="utf-8")
    assert re.findall(r"<h3 [^>]*>([^<]*)<", page) == ["people", "amounts", "an empty one"]


def test_a_loss_is_told_with_its_types_once_and_its_count_by_its_name(inside, legacy):
    import duckdb

    with duckdb.connect(str(inside.folder / "new.duckdb")) as target:
        target.execute("CREATE TABLE amounts (person INTEGER, amount DECIMAL(10,1))")
    words = ("legacy.db", "new.duckdb", "--tables", "amounts")
    plan = inside("plan", *words).out
    assert "loses: person: narrows: int(64) is wider than int(32)\n" in plan
    assert "loses: amount: rounds: 2 decimals are rounded to 1 (decimal(10,2) → decimal(10,1))\n" in plan
    bill = inside("copy", *words, "--accept", "person:narrows", "--accept", "amount:rounds")
    assert "\n  narrowed: amount 500\n" in bill.out
    inside("bill", "--html", "bill.html")
    assert "<dt>Narrowed</dt><dd>amount 500</dd>" in (inside.folder / "bill.html").read_text(encoding="utf-8")


def test_a_repair_that_has_nothing_to_do_says_so(sides):
    sides("diff", "legacy.db#people", "same.db#people")
    assert sides("repair", "--quiet").out.splitlines()[-1] == "There is nothing to do."
    sides("diff", "legacy.db#people", "other.db#people")
    assert sides("repair", "--quiet").out.splitlines()[-1] == "Nothing was changed. Do it with --apply."


def test_texts_of_another_length_alone_are_not_told(inside, legacy):
    inside("copy", "legacy.db", "new.duckdb", "--tables", "people")
    done = inside("diff", "legacy.db#people", "new.duckdb#people", "--html", "diff.html")
    assert "compared as" not in done.out
    assert "Compared as" not in (inside.folder / "diff.html").read_text(encoding="utf-8")
    assert inside("diff", "legacy.db#people", "new.duckdb#people", "--json").json["tables"][0]["types"]
