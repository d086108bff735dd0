"""A password that stands in an address: it is nowhere but there, whatever goes wrong and whoever looks."""

import json
import secrets
import sqlite3
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest

import lading
from lading import actions_releases, config
from lading.actions_releases import Wanted
from lading.errors import SpecError
from tests.journeys.shell import Ended
from tests.journeys.shell import lading as shell
from tests.servers import Postgres

PASSWORD = "hunter2-64d7"  # nothing of it that a URL would quote


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a source, and one pipeline a door."""
    (tmp_path / "connections.yaml").write_text("connections:\n  crm: sqlite:///crm.db\n", encoding="utf-8")
    (tmp_path / "pipelines").mkdir()
    with sqlite3.connect(tmp_path / "crm.db") as db:
        db.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2);")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(project: Path, name: str, *steps: str, more: str = "") -> None:
    text = "".join(f"  - {step}\n" for step in steps)
    (project / "pipelines" / f"{name}.yaml").write_text(f"{more}steps:\n{text}", encoding="utf-8")


class Address(NamedTuple):
    """A database of an account with the password."""

    url: str
    odbc: str
    name: str


@pytest.fixture
def planted(postgres: Postgres, pg_database: str, pg_odbc: str) -> Iterator[Address]:
    role, name = f"r{secrets.token_hex(4)}", pg_database.rpartition("/")[2]
    postgres.execute(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
    text = f"Driver={{PostgreSQL Unicode}};Server=127.0.0.1;Port={postgres.port};Database={name};Uid={role}"
    yield Address(f"postgresql://{role}:{PASSWORD}@127.0.0.1:{postgres.port}/{name}", odbc(text), name)
    postgres.execute(f"DROP OWNED BY {role}", name)
    postgres.execute(f"DROP ROLE {role}")


def files(folder: Path) -> str:
    return f"files:///{quote(str(folder))}?storage={quote(json.dumps({'secret_key': PASSWORD}))}"


def odbc(text: str) -> str:
    return f"odbc:///?connection={quote(f'{text};Pwd={PASSWORD};')}&dialect=postgres"


def told(done: Ended) -> str:
    return f"{done.out}\n{done.err}"


def kept(store: Path) -> bytes:
    """All that is in the store's folder: the store, its journal, the logs."""
    return b"\n".join(path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file())


def clean(*texts: str | bytes) -> None:
    for text in texts:
        assert PASSWORD.encode() not in (text.encode() if isinstance(text, str) else text)


def test_a_table_that_is_not_there_is_told_without_the_password(project, planted, own_store):
    for source in (planted.odbc, planted.url, files(project)):
        for words in (("copy", source, "x.duckdb", "--tables", "nosuch"), ("discover", f"{source}#nosuch")):
            done = shell(*words, cwd=project)
            assert done.code == 2
            assert "No table of" in done.err
            assert "is named 'nosuch'" in done.err
            clean(told(done), kept(own_store))


def test_a_target_that_cannot_do_it_is_told_without_the_password(project, planted, own_store):
    for target, word in ((planted.odbc, "--together"), (files(project), "--together")):
        done = shell("copy", "crm", target, word, cwd=project)
        assert done.code == 2
        assert "cannot publish several tables at once" in done.err
        clean(told(done), kept(own_store))
    done = shell("copy", "crm", files(project), "--mode", "merge", cwd=project)
    assert "cannot merge rows by key" in done.err
    clean(told(done), kept(own_store))


def test_python_raises_without_the_password(project, planted):
    url = planted.url
    for call in (
        lambda: lading.copy(url, "x.duckdb", tables="nosuch", quiet=True),
        lambda: lading.plan(url, "x.duckdb", tables="nosuch"),
        lambda: lading.discover(f"{url}#nosuch"),
        lambda: lading.copy("crm", files(project), mode="merge", quiet=True),
        lambda: lading.copy("crm.t", f"postgresql://me:half#{PASSWORD}@there/db", tables="t"),
        lambda: lading.copy(f"postgresql://me:{PASSWORD}/more@there/db", "x.duckdb"),
        lambda: lading.copy(f"host=there password={PASSWORD}", "x.duckdb"),
        lambda: lading.copy("crm", f"dbname=x\npassword={PASSWORD}"),
    ):
        with pytest.raises(SpecError) as raised:
            call()
        clean(str(raised.value), "".join(traceback.format_exception(raised.value)))


def test_the_traceback_has_no_password(project, planted, monkeypatch):
    monkeypatch.setenv("LADING_DEBUG", "1")
    done = shell("copy", planted.url, "x.duckdb", "--tables", "nosuch", cwd=project)
    assert "Traceback" in done.err
    clean(told(done))


STEPS = {
    "move": "{key: s, from: 'URL', to: crm, tables: nosuch}",
    "sql": "{key: s, do: sql, at: 'URL', query: select 1 a, into: x}",
    "inputs": "{key: s, do: sql, at: crm, inputs: {a: {at: 'URL', table: nosuch}}, query: select * from a, into: x}",
    "frames": "{key: s, do: python, inputs: {a: {at: 'URL', table: nosuch}}, function: f, code: 'def f(a): pass'}",
    "check": "{key: s, do: check, at: 'URL', on: nosuch, rules: [{sql: select 1}]}",
    "wait": "{key: s, do: wait, table: {at: 'URL', name: nosuch, column: c, hours: 1}, for_seconds: 0}",
    "procedure": "{key: s, do: procedure, at: 'URL', call: nosuch}",
}


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("system", ["files", "odbc"])
def test_a_step_that_fails_tells_no_password(project, planted, own_store, kind, system):
    url = planted.odbc if system == "odbc" else files(project)
    write(project, "p", STEPS[kind].replace("URL", url))
    done = shell("run", "p", "--json", cwd=project)
    bill = shell("bill", "last", "--html", "bill.html", cwd=project)
    log = shell("log", "last", cwd=project)
    assert "s" in json.loads(done.out)["steps"][0]["key"], done.err
    clean(told(done), told(bill), told(log), (project / "bill.html").read_bytes(), kept(own_store))


def test_counts_are_kept_without_the_password(project, planted, own_store, postgres):
    postgres.execute("CREATE TABLE t (id int)", planted.name)
    rule = "{rows: {near: usual, within: 50 %}}"
    write(project, "p", f"{{key: s, do: check, at: '{planted.url}', on: t, rules: [{rule}]}}")
    done = shell("run", "p", "--json", cwd=project)
    assert json.loads(done.out)["state"] in ("proved", "unproved"), done.err
    clean(told(done), kept(own_store))


def test_explain_and_plan_show_addresses_without_the_password(project, planted):
    url = planted.url
    write(
        project, "p", f"{{key: a, from: '{url}', to: '{files(project)}', tables: nosuch}}",
        f"{{key: b, do: sql, at: crm, inputs: {{x: {{at: '{url}', table: t}}}}, query: select * from x, into: y}}",
        f"{{key: c, do: bash, script: echo, env: {{DB: '{url}'}}}}",
        f"{{key: d, do: wait, table: {{at: '{url}', name: t, column: c, hours: 1}}}}",
    )  # fmt: skip
    for words in (("explain", "p"), ("explain", "p", "--json"), ("plan", "p", "--json"), ("plan", "p")):
        done = shell(*words, cwd=project)
        clean(told(done))
    options = json.loads(shell("explain", "p", "--json", cwd=project).out)["options"]
    found = {(each["step"], each["name"]): each["value"] for each in options}
    plain = found["a", "from"]
    assert plain.startswith("postgresql://")
    assert plain.endswith(f"/{planted.name}")
    assert found["b", "inputs"]["x"] == {"at": plain, "table": "t"}
    assert found["d", "table"]["at"] == plain


def test_a_schedule_shows_no_password(project, planted):
    after = f"schedule: {{after: [{{at: '{planted.url}', table: t}}]}}\n"
    write(project, "p", "{key: a, from: crm, to: x.duckdb}", more=after)
    for words in (("schedule",), ("schedule", "--json"), ("explain", "p")):
        done = shell(*words, cwd=project)
        assert done.code == 0, told(done)
        clean(told(done))
    found = config.schedule("p")
    assert found
    assert found.cause.startswith("after t at postgresql://")
    clean(found.cause)


def test_no_release_holds_a_password(project, planted, own_store):
    url = planted.url
    write(
        project, "p", f"{{key: a, from: '{url}', to: x.duckdb, tables: nosuch}}", f"{{key: b, from: crm, to: '{url}'}}"
    )
    for words in (("preflight", "p"), ("preflight", "p", "--json"), ("release", "p"), ("release", "p", "--json")):
        done = shell(*words, "--accept", "*", cwd=project)
        assert done.code == 1
        assert "has a password" in " ".join(done.out.split())
        clean(told(done))
    found = actions_releases.preflight("p")
    (mine,) = [each for each in found.findings if each.look == "passwords"]
    assert (mine.step, mine.severity, mine.final) == ("a", "blocks", True)
    assert mine.fix.startswith("Put it into connections.yaml as a reference")
    assert url not in found.model_dump_json()
    with pytest.raises(SpecError, match="There are: crm, postgresql:") as raised:
        actions_releases.preflight("p", wanted=Wanted(old={"nosuch": url}))
    clean(str(raised.value))
    assert not actions_releases.release("p", wanted=Wanted(("passwords", "*"))).new
    clean(kept(own_store))


@pytest.mark.parametrize(
    ("steps", "more", "where"),
    [
        ("{key: c, do: bash, file: load.sh}", "", "load.sh:2"),
        ("{key: c, do: bash, script: echo, env: {DB: 'postgresql://me:PW@there/db'}}", "", "p.yaml:2"),
        ("{key: c, do: bash, script: echo}", "# as postgresql://me:PW@there/db\n", "p.yaml:1"),
    ],
)  # fmt: skip
def test_nor_do_its_texts(project, own_store, steps, more, where):
    (project / "pipelines" / "load.sh").write_text(
        f"echo\npsql postgresql://me:{PASSWORD}@there/db\n", encoding="utf-8"
    )
    write(project, "p", steps.replace("PW", PASSWORD), more=more.replace("PW", PASSWORD))
    found = actions_releases.release("p")
    assert not found.new
    assert found.report
    (mine,) = found.report.blocks
    assert mine.what.startswith(f"{where} has a URL with a password")
    clean(kept(own_store))
    assert actions_releases.release("p", wanted=Wanted(("passwords",))).new, "it may be an example"


@pytest.mark.parametrize(
    "step",
    [
        "{key: c, do: bash, script: 'psql postgresql://me:$PGPASSWORD@there/db'}",
        "{key: c, do: bash, script: 'curl http://there:8080/me@here'}",
        "{key: c, from: 'files:///a.csv?storage=%7B%22anon%22%3Atrue%7D', to: x.duckdb}",
    ],
)
def test_what_is_no_password_keeps_no_release(project, step):
    (project / "a.csv").write_text("a\n1\n", encoding="utf-8")
    write(project, "p", step)
    found = actions_releases.preflight("p")
    assert not [each for each in found.findings if each.look == "passwords"]


def test_what_differs_of_a_release_shows_no_password(project):
    write(project, "p", "{key: a, from: crm, to: x.duckdb}")
    assert actions_releases.release("p").new
    write(project, "p", f"{{key: a, from: crm, to: '{files(project)}'}}")
    done = shell("diff-release", "p", cwd=project)
    assert "files://" in done.out
    clean(told(done), json.dumps([each._asdict() for each in actions_releases.changes("p")]))


def test_usage_errors_tell_no_password(project, planted):
    for words in (
        ("copy", "crm", "x.duckdb", odbc("Driver=x")),
        ("copy", "crm", "x.duckdb", "--mode", files(project)),
        ("check", odbc("Driver=Nosuch;Server=there")),
    ):
        done = shell(*words, cwd=project)
        assert done.code
        clean(told(done))
