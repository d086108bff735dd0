"""The command line, as people and robots use it."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from tests.doors.conftest import rows


def test_help_starts_at_once(shell):
    spent = []
    for _ in range(3):
        before = os.times()
        done = subprocess.run(shell.command("--help"), env=shell.env, capture_output=True, text=True, check=False)
        after = os.times()  # the processor's time, since other work may hold the clock up
        spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert done.returncode == 0
    assert min(spent) < 0.2
    commands = re.findall(r"^  ([a-z][a-z-]*)  ", done.stdout, re.M)
    assert commands == [
        "copy", "run", "run-step", "cancel", "approve", "plan", "preflight", "release", "releases", "diff-release",
        "rollback", "schedule", "arrivals", "scheduler", "backfill", "metrics", "diff", "prove", "repair", "discover",
        "profile", "check", "doctor", "init", "connect", "history", "bill", "log", "open", "rejects", "explain",
        "describe", "demo",
    ]  # fmt: skip
    assert "..." not in done.stdout.partition("Commands:")[2]


def test_what_is_compared_is_not_moved(inside):
    text = " ".join(inside("diff", "--help").out.split())
    assert "--tables TEXT Tables to compare;" in text
    assert "to move" not in text


@pytest.mark.parametrize("columns", ["60", "80"])
def test_without_a_command_the_commands_are_shown_in_whole_sentences(inside, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    done = inside()
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: lading [OPTIONS] COMMAND")
    assert done.err == inside("--help").out
    assert "..." not in done.err.partition("Commands:")[2]


def test_version(shell):
    assert re.fullmatch(r"lading \d+\.\d+\.\d+\n", shell("--version").out)


def test_every_option_of_a_move_is_an_option_of_copy(inside):
    from lading.spec import Move, Step

    text = inside("copy", "--help").out
    options = {name.replace("-", "_") for name in re.findall(r"^  --([a-z-]+)", text, re.M)}
    assert options == Move.model_fields.keys() - Step.model_fields.keys() - {"source", "target"} | {"json", "quiet"}


def test_copy_proves_and_shows_the_bill(shell, legacy):
    done = shell("copy", "legacy.db", "new.duckdb")
    assert done.code == 0, done.err
    assert "✓ proved   people" in done.out
    assert "source 1,500 = target 1,500 + rejected 0 + filtered 0" in done.out
    assert rows(shell.folder / "new.duckdb", "SELECT count(*), sum(amount) FROM amounts") == [(1000, 124875)]
    lines = [line.split(" ", 1)[1] for line in done.err.splitlines()]
    assert [line.split(":")[0] for line in lines if "reading" in line] == ["amounts", "an empty one", "people"]
    assert len(lines) == 6


def test_json_is_one_object_and_progress_goes_elsewhere(shell, legacy):
    done = shell("copy", "legacy.db", "new.duckdb", "--json", "--tables", "people", "--tables", "am*")
    bill = done.json
    assert (done.code, bill["state"]) == (0, "proved")
    assert {"run", "state", "seconds", "tables"} <= bill.keys()
    assert sorted(table["table"] for table in bill["tables"]) == ["amounts", "people"]
    for table in bill["tables"]:
        assert {"table", "into", "state", "rows", "losses", "proof", "seconds", "bytes"} <= table.keys()
        assert table["rows"].keys() == {"source", "target", "rejected", "filtered"}
    assert "reading" in done.err


def test_quiet_says_nothing_but_the_bill(inside, legacy):
    done = inside("copy", "legacy.db", "new.duckdb", "--quiet")
    assert done.err == ""
    assert done.out.startswith("Bill  ")


def test_one_table_is_named_by_its_address(inside, legacy):
    assert inside("copy", "legacy.db#people", "new.duckdb", "--into", "people=persons", "--quiet").code == 0
    assert rows(inside.folder / "new.duckdb", "SHOW TABLES") == [("persons",)]


def test_a_bill_is_kept_and_shown_again(inside, legacy):
    made = inside("copy", "legacy.db", "new.duckdb", "--json").json
    shown = inside("bill", "last", "--json").json
    assert shown == made
    assert inside("bill", made["run"][:-1], "--json").json == made
    assert inside("bill").out.startswith(f"Bill  {made['run']}")
    assert inside("bill", "--html", "bill.html").code == 0
    assert made["run"] in (inside.folder / "bill.html").read_text(encoding="utf-8")
    assert inside("history", "--json").json["runs"] == [made]
    assert made["run"] in inside("history").out
    absent = inside("bill", "1999")
    assert (absent.code, absent.err) == (2, "error: There is no bill of a run '1999'.\n  See 'lading history'.\n")


# How things end


def test_unproved_ends_with_3(inside, legacy):
    assert inside("copy", "legacy.db", "new.duckdb", "--tables", "people", "--quiet").code == 0
    with sqlite3.connect(legacy) as db:
        db.execute("DELETE FROM people")
    db.close()
    done = inside("copy", "legacy.db", "new.duckdb", "--tables", "people")
    assert done.code == 3
    assert "? unproved   people" in done.out


def test_a_failed_table_ends_with_1_and_the_others_arrive(inside, legacy):
    with sqlite3.connect(legacy) as db:
        db.execute("INSERT INTO amounts VALUES (1, 'much')")
    db.close()
    done = inside("copy", "legacy.db", "new.duckdb", "--json")
    assert done.code == 1
    states = {table["table"]: table["state"] for table in done.json["tables"]}
    assert states == {"amounts": "failed", "people": "proved", "an empty one": "proved"}
    assert ("amounts",) not in rows(inside.folder / "new.duckdb", "SHOW TABLES")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["copy", "legacy.db"], "error: Missing argument 'TARGET'.\n  See 'lading copy --help'.\n"),
        (["cpy"], "error: No such command 'cpy'"),
        (["copy", "legacy.db", "x.duckdb", "--mode", "merg"],
         "error: 'mode' must be one of replace, append, merge, not 'merg'.\n  Did you mean 'merge'?\n"),
        (["copy", "legacy.db", "x.duckdb", "--sinc", "id"], "error: No such option '--sinc'"),
        (["copy", "legacy.db", "x.duckdb", "--max-rejects", "some"],
         "error: 'max_rejects' must be a whole number, not 'some'.\n"),
        (["copy", "legacy.db", "x.duckdb", "--tables", "nope"],
         "error: No table of legacy.db is named 'nope'.\n  There are: amounts, an empty one, people.\n"),
        (["copy", "legacy.db", "x.duckdb", "--tables", "peopel"],
         "error: No table of legacy.db is named 'peopel'.\n  Did you mean 'people'?\n"),
        (["profile", "legacy.db#peopel"], "error: There is no table 'peopel'.\n  Did you mean 'people'?\n"),
        (["profile", "legacy.db#people", "--for", "nmae=string(4)"],
         "error: There is no column 'nmae'.\n  Did you mean 'name'?\n"),
        (["copy", "legacy.db", "x.duckdb", "--tables", "people", "--since", "bron", "--mode", "merge"],
         "error: 'people' cannot be moved: 'people' has no column 'bron'.\n  Correct 'since'. Did you mean 'born'?\n"),
        (["copy", "legacy.db", "x.duckdb", "--tables", "people", "--merge-key", "nmae", "--mode", "merge"],
         "error: 'people' cannot be moved: 'people' has no column 'nmae'.\n  Correct 'merge_key'. Did you mean 'name'"),
        (["diff", "legacy.db#people", "legacy.db#people", "--key", "ID", "--quiet"],
         "error: 'ID' is no column that both 'people' and 'people' have.\n  Correct the key. Did you mean 'id'?\n"),
        (["copy", "legacy.db", "x.duckdb", "--into", "a", "--into", "b=c"],
         "error: --into takes one schema, or only SOURCE=TARGET.\n  See 'lading copy --help'.\n"),
        (["copy", "legacy.db", "x.duckdb", "--into", "a", "--into", "b"],
         "error: --into takes one schema, or only SOURCE=TARGET.\n  See 'lading copy --help'.\n"),
        (["copy", "legacy.db", "x.duckdb", "--into", "People=b"],
         "error: 'into' maps 'People', which is none of the tables that are moved.\n  Did you mean 'people'?\n"),
        (["diff", "legacy.db", "legacy.db", "--into", "peopl=b"],
         "error: 'into' maps 'peopl', which is none of the tables that are moved.\n  Did you mean 'people'?\n"),
        (["describe", "duckbd"], "error: There is no connector of the kind 'duckbd'.\n  Did you mean 'duckdb'?\n"),
        (["run", "nightly"],
         "error: There is no connections.yaml here or in a folder above.\n  Make a project with 'lading init'.\n"),
        (["plan", "a", "b", "c"],
         "error: Give the name of a pipeline, or SOURCE and TARGET with options.\n  See 'lading plan --help'.\n"),
    ],
)  # fmt: skip
def test_wrong_words_end_with_2_and_say_what_to_do(inside, legacy, words, message):
    done = inside(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(message)
    assert "Traceback" not in done.err


def test_an_error_is_an_object_too_when_json_is_asked_for(inside, legacy):
    done = inside("copy", "legacy.db", "x.duckdb", "--mode", "merg", "--json")
    assert done.code == 2
    assert done.json["state"] == "failed"
    assert done.json["error"] == {
        "kind": "spec",
        "what": "'mode' must be one of replace, append, merge, not 'merg'.",
        "fix": "Did you mean 'merge'?",
    }


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:geheim@127.0.0.1:1/db", "postgresql://me:geheim@[::1:x/db", "mysql://me:geheim@127.0.0.1:1/db",
        "postgresql://me:geheim@127.0.0.1:99999/db", "nosuch://me:geheim@h/db", "postgres://me:geheim@h:x/db?sslmod=1",
        "duckdb://me:geheim@h/x", "postgresql://127.0.0.1:1/db?user=me&password=geheim",
        "postgresql://me:gehei%6D@127.0.0.1:1/db", "postgresql://me:gehei/m@h/db", "postgresql://me:gehei'm@h:x/db",
        "postgresql://me:gehei@m@h:x/db", "mysql://me:gehei?m@h/db", "mysql://me:gehei#m@h/db",
        "host=h password=geheim",
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", [["check"], ["copy", "legacy.db"], ["discover"], ["connect", "x"]])
def test_passwords_are_never_echoed(inside, legacy, address, command):
    if command[0] == "copy":
        inside.patch.setenv("LADING_RETRY_SECONDS", "0")
    done = inside(*command, address)
    assert "gehei" not in done.out + done.err
    assert "Traceback" not in done.err
    assert done.code in (0, 1, 2)
    for file in inside.folder.glob("*.yaml"):
        assert "gehei" not in file.read_text(encoding="utf-8")


def test_our_own_fault_says_so(shell, legacy):
    code = (
        "import sys; from lading import actions, cli\n"
        "actions.check = lambda address: {}['postgresql://me:geheim@h']\n"
        "sys.argv = ['lading', 'check', 'legacy.db']; cli.main()"
    )
    for debug in ("1", ""):
        env = {**os.environ, "LADING_DEBUG": debug}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert ("Traceback" in done.stderr) == bool(debug)
    assert done.stderr == (
        "error: KeyError: 'postgresql://me:***@h'\n"
        "  This is a fault of Lading. Report it, with what the command prints when LADING_DEBUG=1 is set.\n"
    )


def test_what_the_machine_refuses_is_no_fault_of_ours(inside):
    (inside.folder / "taken").write_text("a file")
    for words in (("init", "taken/new"), ("demo", "--folder", "taken/new", "--quiet")):
        done = inside(*words)
        assert (done.code, done.out) == (1, "")
        assert done.err.splitlines()[-2:] == [
            "error: taken/new: Not a directory.", "  Name another place, or remove what is there."
        ]  # fmt: skip


def test_the_code_of_a_library_s_error_is_no_exit_code(inside):
    class NotFound(Exception):
        code = 404

    def refuse(_address: str) -> None:
        raise NotFound

    inside.patch.setattr("lading.actions.check", refuse)
    done = inside("check", "legacy.db")
    assert (done.code, "This is a fault of Lading" in done.err) == (1, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_ends_with_130_and_goes_on_later(shell, legacy, number):
    with sqlite3.connect(legacy) as db:
        db.execute("CREATE TABLE long (id INTEGER PRIMARY KEY, text VARCHAR(50))")
        db.execute(
            "INSERT INTO long WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000) "
            "SELECT i, 'text number ' || i FROM n"
        )
    db.close()
    words = ["copy", "legacy.db", "new.duckdb", "--tables", "long"]
    started = subprocess.Popen(
        shell.command(*words),
        cwd=shell.folder,
        env=shell.env,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stderr is not None
    assert "reading" in started.stderr.readline()
    time.sleep(0.4)
    started.send_signal(number)
    out, err = started.communicate(timeout=60)
    assert started.returncode == 128 + number, err
    assert "fault" not in err
    assert out == ""
    assert err.splitlines()[-2:] == [
        "interrupted",
        "  Run the same command again; it goes on from what is staged: lading " + " ".join(words),
    ]
    again = shell(*words, "--json")
    assert (again.code, again.json["state"]) == (0, "proved")
    assert rows(shell.folder / "new.duckdb", "SELECT count(*), max(id) FROM long") == [(1_500_000, 1_500_000)]


# Looking before copying


def test_discover_lists_tables_and_columns(inside, legacy):
    assert re.findall(r"^(\S+)  ", inside("discover", "legacy.db").out, re.M)[1:] == ["amounts", "people"]
    found = inside("discover", "legacy.db", "--json").json["tables"]
    assert [table["name"] for table in found] == ["amounts", "an empty one", "people"]
    columns = inside("discover", "legacy.db#people").out
    assert re.search(r"born +date +yes +DATE", columns)
    assert inside("discover", "legacy.db#nope").code == 2


def test_where_there_are_no_tables_that_is_said(inside):
    sqlite3.connect(inside.folder / "bare.db").execute("VACUUM").connection.close()
    assert inside("discover", "bare.db").out == "There are no tables that this account may see.\n"
    assert inside("profile", "bare.db").err.startswith("error: There are no tables.\n")


def test_a_connection_is_a_url_or_a_file_and_says_whether_that_is_there(inside, legacy):
    inside("init")
    assert inside("connect", "crm", "legacy.db").out == "'crm' is in connections.yaml\nNext: lading check crm\n"
    done = inside("connect", "wh", "duckdb:///new.duckdb")
    assert done.out == (
        f"'wh' is in connections.yaml\n{inside.folder}/new.duckdb is not there. "
        "Correct the path, unless it is yet to be made.\n"
    )
    assert inside("copy", "crm", "wh").code == 0
    assert inside("check", "wh").out == f"wh answers: duckdb:///{inside.folder}/new.duckdb, 3 tables\n"
    done = inside("connect", "x", "nosuch")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: 'nosuch' is no URL and no file.")


def test_check_says_a_sentence(inside, legacy):
    done = inside("check", "legacy.db")
    assert done.code == 0
    assert "3 tables" in done.out


def test_plan_changes_nothing_and_says_what_would_be_lost(inside, legacy):
    import duckdb

    with duckdb.connect(str(inside.folder / "new.duckdb")) as target:
        target.execute("CREATE TABLE amounts (person BIGINT, amount DECIMAL(10,1))")
    done = inside("plan", "legacy.db", "new.duckdb")
    assert done.code == 2
    assert re.search(r"^ready +people ", done.out, re.M)
    assert "✗ stopped   amounts" in re.sub(" {2,}", "   ", done.out)
    assert "→ Accept it by name: amount:rounds." in done.out
    accepted = inside("plan", "legacy.db", "new.duckdb", "--accept", "amount:rounds")
    assert accepted.code == 0
    assert "accepted: amount: rounds: 2 decimals are rounded to 1" in accepted.out
    assert rows(inside.folder / "new.duckdb", "SHOW TABLES") == [("amounts",)]
    plans = inside("plan", "legacy.db", "new.duckdb", "--json").json["plans"]
    assert [len(plan["tasks"]) for plan in plans] == [3]
    copied = inside("copy", "legacy.db", "new.duckdb", "--accept", "amount:rounds", "--tables", "amounts", "--quiet")
    assert copied.code == 0, copied.out
    assert "accepted: amount: rounds" in copied.out


def test_rejects_are_shown(inside, legacy):
    import duckdb

    with duckdb.connect(str(inside.folder / "new.duckdb")) as target:
        target.execute("CREATE TABLE people (id BIGINT PRIMARY KEY, name VARCHAR NOT NULL, born DATE)")
    with sqlite3.connect(legacy) as db:
        db.execute("UPDATE people SET name = NULL WHERE id = 7")
    db.close()
    words = ("copy", "legacy.db", "new.duckdb", "--tables", "people", "--accept", "name:null", "--json")
    assert inside("rejects").code == 2
    assert inside(*words).code == 1
    done = inside(*words, "--max-rejects", "1")
    assert done.json["tables"][0]["rows"] == {"source": 500, "target": 499, "rejected": 1, "filtered": 0}
    lines = [json.loads(line) for line in inside("rejects", "last", "--json").out.splitlines()]
    assert [line["row"] for line in lines] == [{"id": "7", "name": None, "born": "1980-02-29"}]
    assert "name=NULL, born='1980-02-29'" in inside("rejects").out


# A project


def test_a_project_from_nothing(inside, legacy):
    assert inside("init").code == 0
    assert inside("connect", "crm", "sqlite:///legacy.db").code == 0
    assert inside("connect", "wh", "duckdb:///wh.duckdb").code == 0
    steps = (
        "steps:\n  - {key: people, from: crm, to: wh, tables: people}\n  - {key: rest, from: crm, to: wh, tables: a*}\n"
    )
    (inside.folder / "pipelines/nightly.yaml").write_text(steps, encoding="utf-8")
    assert inside("check", "crm").out.startswith("crm answers")
    assert inside("plan", "nightly").code == 0
    inside.patch.delenv("LADING_STORE")
    done = inside("run", "nightly", "--json")
    assert (done.code, done.json["state"]) == (0, "proved")
    assert inside("check", "crm").out.endswith(", 3 tables\n")
    assert [table["table"] for table in done.json["tables"]] == ["people", "amounts", "an empty one"]
    assert [(step["key"], step["state"]) for step in done.json["steps"]] == [("people", "proved"), ("rest", "proved")]
    assert (inside.folder / ".lading/store.db").is_file()
    assert len(inside("history", "nightly", "--json").json["runs"]) == 1
    options = inside("explain", "nightly", "--json").json["options"]
    assert {"step": "people", "name": "tables", "value": ["people"], "origin": "pipelines/nightly.yaml:2"} in options
    (inside.folder / "pipelines/nightly.yaml").write_text("steps:\n  - form: crm\n    to: wh\n", encoding="utf-8")
    wrong = inside("run", "nightly")
    assert (wrong.code, wrong.err) == (
        2, "error: pipelines/nightly.yaml:2: step 1 has no option 'form'.\n  Did you mean 'from'?\n",
    )  # fmt: skip


LOOKS = (
    ("history",), ("history", "--trend"), ("bill",), ("log",), ("rejects",), ("metrics",),
    ("arrivals",), ("releases",), ("profile", "--last", "legacy.db"), ("cancel", "last"), ("approve", "x", "y"),
    ("repair",),
)  # fmt: skip


def test_who_looks_makes_no_store(inside, legacy, own_store):
    inside("init")
    for words in LOOKS:
        done = inside(*words)
        assert f"There is no store at {own_store}/store.db, which LADING_STORE names." in done.err, words
        assert done.code == 2, done
    assert "there is none yet The first run makes it." in " ".join(inside("doctor").out.split())
    assert inside("plan", "legacy.db", "new.duckdb").code == 0
    assert not own_store.exists()
    inside.patch.delenv("LADING_STORE")
    assert inside("history").out == "There are no runs yet.\n"
    assert inside("bill").err.startswith("error: There is no bill of a run 'last'.")
    assert not (inside.folder / ".lading").exists()


def test_a_loss_that_is_none_cannot_be_accepted(inside, legacy):
    words = ("copy", "legacy.db", "new.duckdb", "--tables", "people")
    assert inside(*words, "--accept", "*", "--accept", "person:nul[l]").code == 0
    for command in (words, ("plan", *words[1:]), ("repair",)):
        for word in ("round", "rounds:person"):
            done = inside(*command, "--accept", "rounds", "--accept", word)
            what, fix = done.err.splitlines()
            assert (done.code, what) == (2, f"error: 'accept' names '{word}', which is no loss.")
            assert fix == "  There are: characters, column, cuts, narrows, null, rounds, type, zone."


def test_the_ends_of_lines_stay(inside, legacy):
    before = b"# ours\r\nconnections:\r\n  a: sqlite:///a.db\r\n"
    (inside.folder / "connections.yaml").write_bytes(before)
    assert inside("connect", "crm", "legacy.db").code == 0
    added = b"  crm:\r\n    kind: sqlite\r\n    path: legacy.db\r\n"
    assert (inside.folder / "connections.yaml").read_bytes() == before + added


def test_a_parameter_that_lacks_is_asked_for(inside, monkeypatch):
    inside("init")
    text = "params: {day: {type: date, description: The day that is closed.}, low: {type: whole, default: 1}}\n"
    step = "steps: [{key: a, do: bash, script: 'echo $PARAM_DAY $PARAM_LOW'}]\n"
    (inside.folder / "pipelines/p.yaml").write_text(text + step, encoding="utf-8")
    lacks = inside("run", "p")
    assert (lacks.code, lacks.err.splitlines()[0]) == (2, "error: The pipeline needs the parameter 'day'.")
    monkeypatch.setattr("lading.cli.words._on_terminal", lambda: True)
    monkeypatch.setattr("click.prompt", lambda said, err: {"The day that is closed": "2026-02-28"}[said])
    done = inside("run", "p", "--json")
    assert (done.code, done.json["steps"][0]["says"]) == (0, "2026-02-28 1")
    assert inside("run", "p", "--param", "day=2026-03-01", "--json").json["steps"][0]["says"] == "2026-03-01 1"


def test_a_password_is_left_out_of_the_project(inside):
    pytest.importorskip("psycopg")
    inside("init")
    done = inside("connect", "crm", "postgresql://me:geheim@db.example:5433/crm")
    assert done.code == 0, done.err
    assert "set the environment variable CRM_PASSWORD" in done.out
    text = (inside.folder / "connections.yaml").read_text(encoding="utf-8")
    assert "password: ${env:CRM_PASSWORD}" in text
    assert "geheim" not in text
    refused = inside("check", "crm")
    assert refused.code == 2
    assert re.sub(r":\d+:", ":N:", refused.err) == (
        "error: connections.yaml:N: 'password' of connection 'crm' needs the environment variable CRM_PASSWORD, "
        "which is not set.\n  Set it: export CRM_PASSWORD=...\n"
    )


def test_describe_lists_kinds_and_settings(inside):
    assert {"sqlite", "duckdb"} <= {kind["kind"] for kind in inside("describe", "--json").json["kinds"]}
    assert "The database file." in inside("describe", "sqlite").out


def test_demo(inside):
    done = inside("demo", "--scale", "0.01", "--folder", "d")
    assert done.code == 0, done.err
    assert "✓ proved   sales" in done.out
    assert "Sales and goals" in done.out
    assert "Try next:" in done.out
    for line in done.out.partition("Try next:\n")[2].splitlines():
        tried = inside(*line.split()[1:])
        assert tried.code == 0, tried.err


def test_one_table_is_one_table(inside, tmp_path):
    with sqlite3.connect(tmp_path / "one.db") as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    db.close()
    assert inside("check", "sqlite:///one.db").out == "sqlite:///one.db answers: 1 table\n"
