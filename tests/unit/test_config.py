"""Projects, addresses, references, precedence; and what is said of a file that is wrong, word by word."""

from pathlib import Path

import pytest
import yaml

from lading import config, written
from lading.errors import SpecError
from lading.prove import Level
from lading.schema import Mode

CONNECTIONS = """\
# ours
connections:
  crm:
    kind: sqlite
    path: data/crm.db
  wh: duckdb:///warehouse.duckdb
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "connections.yaml").write_text(CONNECTIONS, encoding="utf-8")
    (tmp_path / "pipelines").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wrong(project: Path, text: str) -> str:
    (project / "pipelines/nightly.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        config.pipeline("nightly")
    return str(caught.value)


STEP = "steps:\n  - key: orders\n    from: crm\n    to: wh\n"
HERE = "pipelines/nightly.yaml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STEP + "    sinc: id\n", f"{HERE}:5: step 'orders' has no option 'sinc'. Did you mean 'since'?"),
        (
            "steps:\n  - from: crm\n    to: wh\n    wholly: new\n",
            (f"{HERE}:4: step 1 has no option 'wholly'. There are: accept, after, description, do, exclude, from, "
            "gentle, into, key, max_rejects, memory, merge_key, mode, on_failure, overlap_seconds, overlap_values, "
            "proof, record, retries, retry_seconds, since, slice_rows, tables, through, timeout_seconds, title, to, "
            "together."),
        ),
        ("titel: x\n" + STEP, f"{HERE}:1: the pipeline has no option 'titel'. Did you mean 'title'?"),
        (
            "steps:\n  - key: orders\n    from: crm\n",
            (f"{HERE}:2: step 'orders' lacks 'to'. Add it. The connection to write: a name from connections.yaml, "
            "or a URL."),
        ),
        ("title: x\n", f"{HERE}:1: the pipeline lacks 'steps'. Add it. What to do, in order."),
        ("steps: []\n", f"{HERE}:1: 'steps' of the pipeline must not be empty."),
        ("steps: orders\n", f"{HERE}:1: 'steps' of the pipeline must be a list, not 'orders'."),
        ("steps:\n  - orders\n", f"{HERE}:2: step 1 must be a map of options, not 'orders'."),
        (
            STEP + "    mode: merg\n",
            (f"{HERE}:5: 'mode' of step 'orders' must be one of replace, append, merge, not 'merg'. "
            "Did you mean 'merge'?"),
        ),
        (
            STEP + "    proof: everything\n",
            f"{HERE}:5: 'proof' of step 'orders' must be one of counts, columns, rows, full, not 'everything'.",
        ),
        (
            STEP + "    max_rejects: many\n",
            f"{HERE}:5: 'max_rejects' of step 'orders' must be a whole number, not 'many'.",
        ),
        (STEP + "    max_rejects: -1\n", f"{HERE}:5: 'max_rejects' of step 'orders' must be at least 0, not -1."),
        (STEP + "    together: perhaps\n", f"{HERE}:5: 'together' of step 'orders' must be yes or no, not 'perhaps'."),
        (STEP + "    tables: {a: b}\n", f"{HERE}:5: 'tables' of step 'orders' must be a list, not a map."),
        (STEP + "    tables:\n      - a\n      - 7\n", f"{HERE}:7: 'tables' of step 'orders' must be text, not 7."),
        (STEP + "    into: [a]\n", f"{HERE}:5: 'into' of step 'orders' must be text or a map, not a list."),
        (STEP + "    into:\n      a: 7\n", f"{HERE}:6: 'a' of step 'orders' must be text, not 7."),
        (
            STEP + "    since: id\n",
            (f"{HERE}:2: step 'orders': 'since' moves a part of a table and 'replace' would drop the rest. "
            "Use 'mode: merge'."),
        ),
        (
            STEP + "  - key: orders\n    from: crm\n    to: wh\n",
            f"{HERE}:5: two steps have the key 'orders'. Give each step its own.",
        ),
        (
            STEP.replace("orders", "'my orders'"),
            (f"{HERE}:2: 'key' of step 'my orders' must be letters, digits, '_', '.' and '-', beginning with "
            "a letter or digit, not 'my orders'."),
        ),
        (
            "name: other\n" + STEP,
            f"{HERE}:1: the file is called 'nightly' and its 'name' is 'other'. Leave 'name' out.",
        ),
        ("", f"{HERE}:1: the file is empty. See docs/start.md for what it holds."),
        ("# nothing\n", f"{HERE}:1: the file is empty. See docs/start.md for what it holds."),
        ("- a\n", f"{HERE}:1: here is a list where a map of options is expected. Write 'name: value'."),
        ("orders\n", f"{HERE}:1: here is 'orders' where a map of options is expected. Write 'name: value'."),
        ("title: x\nsteps:\n\t- key: a\n", f"{HERE}:3: the line begins with a tab. Indent with spaces."),
        (
            STEP + "    mode: merge\n    mode: append\n",
            f"{HERE}:6: 'mode' is here a second time; the first is on line 5. Keep one of them.",
        ),
        ("owner: y\ntitle: 'x\n" + STEP, f"{HERE}:2: a quote is opened and not closed. Close it."),
        (
            "title: a: b\n" + STEP,
            (f"{HERE}:1: this is not YAML: mapping values are not allowed here. "
            "Check quotes, colons and indentation here and above."),
        ),
        ("a: 1\n---\nb: 2\n", f"{HERE}:2: a second document begins. Keep one document a file."),
        ("steps:\n- {{key: a}}\n", f"{HERE}:2: a key is a map or a list. Write a word before the ':'."),
        ("a: &a [*a]\n", f"{HERE}:1: a value holds itself. Write it out."),
        (
            "a: &a0 [x, x]\n" + "".join(f"b{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30)) + STEP,
            f"{HERE}:1: its aliases stand for more than 1,000,000 values. Write them out.",
        ),
        (
            f"steps: {'[' * 3_000}{']' * 3_000}\n",
            f"{HERE}:1: its values are within too many others. Take brackets and braces out.",
        ),
        (
            f"{STEP}title: x\0\n",
            (f"{HERE}:5: this is not YAML: a character that YAML does not allow. "
            "Check quotes, colons and indentation here and above."),
        ),
        (
            f"{STEP}1: x\n",
            (f"{HERE}:5: the pipeline has no option '1'. "
            "There are: description, name, owner, parallel, params, runs, schedule, steps, title."),
        ),
        (
            "title: 2026-02-30\n" + STEP,
            f"{HERE}:1: a value cannot be read (day is out of range for month). Put it in quotes.",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_path_and_line(project, text, message):
    assert wrong(project, text) == message


def test_text_that_is_not_utf8_is_named(project):
    (project / "pipelines/nightly.yaml").write_bytes(b"title: a\nowner: M\xfcller\n")
    with pytest.raises(SpecError) as caught:
        config.pipeline("nightly")
    assert str(caught.value) == f"{HERE}:2: this is not UTF-8 text. Save the file as UTF-8."


def test_no_message_shows_another_library(project):
    for text in (
        "steps: 3\n",
        STEP + "    tables: 3\n",
        STEP + "    into: {a: [b]}\n",
        "steps: [[]]\n",
        "1: 2\n" + STEP,
    ):
        message = wrong(project, text)
        assert message.startswith(HERE)
        assert not any(word in message.lower() for word in ("pydantic", "input", "valid", "str_", "dict[", "tuple"))


def test_the_first_of_several_faults_is_shown(project):
    text = "steps:\n  - key: a\n    from: crm\n    to: wh\n    prof: rows\n  - key: b\n    frm: crm\n    to: wh\n"
    assert wrong(project, text) == f"{HERE}:5: step 'a' has no option 'prof'. Did you mean 'proof'?"


def test_a_pipeline_is_read(project):
    (project / "pipelines/nightly.yaml").write_text("title: Nightly\n" + STEP + "    tables: sales\n", encoding="utf-8")
    found = config.pipeline("nightly")
    assert (found.name, found.title, found.steps[0].key, found.moves[0].tables) == (
        "nightly", "Nightly", "orders", ("sales",),
    )  # fmt: skip
    assert config.pipelines() == ["nightly"]


def test_two_files_of_one_pipeline_are_one_too_many(project):
    for ending in ("yaml", "yml"):
        (project / f"pipelines/nightly.{ending}").write_text(STEP, encoding="utf-8")
    assert config.pipelines() == ["nightly"]
    with pytest.raises(SpecError, match=r"two pipelines 'nightly': nightly\.yaml and nightly\.yml\. Remove one"):
        config.pipeline("nightly")


def test_an_absent_pipeline_is_named(project):
    (project / "pipelines/nightly.yaml").write_text(STEP, encoding="utf-8")
    for name, hint in (("nigthly", "Did you mean 'nightly'?"), ("x", "There are: nightly."), ("../connections", None)):
        with pytest.raises(SpecError) as caught:
            config.pipeline(name)
        assert caught.value.what == f"There is no pipeline '{name}'."
        assert caught.value.fix == hint or hint is None


def test_without_a_project_it_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        config.pipeline("nightly")
    assert str(caught.value) == (
        "There is no connections.yaml here or in a folder above. Make a project with 'lading init'."
    )


# Precedence


def test_default_file_environment_explicit(project, monkeypatch):
    (project / "pipelines/p.yaml").write_text(STEP + "    mode: merge\n    proof: counts\n", encoding="utf-8")
    monkeypatch.setenv("LADING_MOVE_PROOF", "full")
    monkeypatch.setenv("LADING_MOVE_ACCEPT", "rounds, amount:cuts")
    step = config.pipeline("p").moves[0]
    assert (step.mode, step.proof, step.accept) == (Mode.MERGE, Level.FULL, ("rounds", "amount:cuts"))
    origins = {option.name: option.origin for option in config.explain("p")}
    assert origins["mode"] == "pipelines/p.yaml:5"
    assert origins["proof"] == "LADING_MOVE_PROOF"
    assert origins["max_rejects"] == "default"
    move = config.move({"source": "crm", "target": "wh", "proof": "columns"})
    assert (move.proof, move.accept) == (Level.COLUMNS, ("rounds", "amount:cuts"))


def test_an_environment_variable_that_is_no_option_is_named(project, monkeypatch):
    monkeypatch.setenv("LADING_MOVE_PROFF", "full")
    with pytest.raises(SpecError) as caught:
        config.move({"source": "crm", "target": "wh"})
    assert str(caught.value) == (
        "The environment sets LADING_MOVE_PROFF, which is no option. Did you mean LADING_MOVE_PROOF?"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"sinc": "id"}, "There is no option 'sinc'. Did you mean 'since'?"),
        ({"mode": "merg"}, "'mode' must be one of replace, append, merge, not 'merg'. Did you mean 'merge'?"),
        ({"max_rejects": "x"}, "'max_rejects' must be a whole number, not 'x'."),
        (
            {"since": "id"},
            "'since' moves a part of a table and 'replace' would drop the rest. Use 'mode: merge'.",
        ),
    ],
)
def test_words_given_in_a_call_are_checked(words, message, project):
    with pytest.raises(SpecError) as caught:
        config.move({"source": "crm", "target": "wh", **words})
    assert str(caught.value) == message


# Addresses


def test_names_are_relative_to_the_project_and_found_from_below(project, monkeypatch):
    (project / "deep/er").mkdir(parents=True)
    monkeypatch.chdir(project / "deep/er")
    assert config.resolve("crm")[0] == "crm"
    assert config.resolve("crm")[1].address() == f"sqlite:///{project}/data/crm.db"
    assert config.resolve("wh")[1].address() == f"duckdb:///{project}/warehouse.duckdb"
    assert config.connections() == ["crm", "wh"]


@pytest.mark.parametrize(
    ("address", "kind"),
    [("a.db", "sqlite"), ("a.sqlite", "sqlite"), ("b.duckdb", "duckdb"), ("sqlite:///a.db", "sqlite"),
     ("duckdb:////tmp/b.duckdb", "duckdb")],
)  # fmt: skip
def test_files_and_urls_are_addresses(address, kind, project):
    assert config.resolve(address)[1].kind == kind


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("crm", ("crm", "")),
        ("crm.sales", ("crm", "sales")),
        ("crm.sales.orders", ("crm", "sales.orders")),
        ("sqlite:///a.db#main.sales", ("sqlite:///a.db", "main.sales")),
        ("sqlite:///a.db", ("sqlite:///a.db", "")),
        ("a.db#odd#name", ("a.db", "odd#name")),
        ("crmx.sales", ("crmx.sales", "")),
    ],
)
def test_a_table_is_split_from_its_address(address, parts, project):
    assert config.split_table(address) == parts


def test_addresses_may_name_a_table_each(project):
    move = config.move({"source": "crm.sales.orders", "target": "wh"})
    assert (move.source, move.tables, move.into) == ("crm", ("sales.orders",), None)
    move = config.move({"source": "crm.sales.orders", "target": "wh.dw.facts"})
    assert (move.target, move.into) == ("wh", {"sales.orders": "dw.facts"})
    with pytest.raises(SpecError) as caught:
        config.move({"source": "crm", "target": "wh.dw.facts"})
    assert str(caught.value) == (
        "The target names the table 'dw.facts'. Name one table of the source in its address too."
    )


def test_a_connection_named_like_a_part_of_another_is_told_apart(project):
    text = CONNECTIONS + "  crm.sales: sqlite:///other.db\n"
    (project / "connections.yaml").write_text(text, encoding="utf-8")
    assert config.split_table("crm.sales.orders") == ("crm.sales", "orders")
    assert config.split_table("crm.other") == ("crm", "other")


def unresolved(project: Path, text: str, name: str = "crm") -> str:
    (project / "connections.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        config.resolve(name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CONNECTIONS, "There is no connection 'cmr'. Did you mean 'crm'?"),
        (
            "connections:\n  cmr:\n    kind: sqlit\n    path: x\n",
            "connections.yaml:3: connection 'cmr' has the kind 'sqlit'. Did you mean 'sqlite'?",
        ),
        (
            "connections:\n  cmr:\n    kind: sqlite\n    pth: x\n",
            "connections.yaml:4: connection 'cmr' has no option 'pth'. Did you mean 'path'?",
        ),
        (
            "connections:\n  cmr:\n    kind: sqlite\n",
            "connections.yaml:2: connection 'cmr' lacks 'path'. Add it. The database file.",
        ),
        (
            "connections:\n  cmr:\n    kind: sqlite\n    path: x\n    busy: 3\n",
            "connections.yaml:5: connection 'cmr' has no option 'busy'. Did you mean 'busy_seconds'?",
        ),
        (
            "connections:\n  cmr:\n    kind: sqlite\n    path: x\n    busy_seconds: -3\n",
            "connections.yaml:5: 'busy_seconds' of connection 'cmr' must be at least 0, not -3.",
        ),
        (
            "connections:\n  cmr:\n",
            "connections.yaml:2: connection 'cmr' has no settings. Write a URL, or 'kind' and its settings.",
        ),
        ("conections: {}\n", "connections.yaml:1: there is no option 'conections'. Did you mean 'connections'?"),
        ("connections: [a]\n", "connections.yaml:1: 'connections' must be a map from names to settings."),
        (
            "connections:\n  cmr: {kind: sqlite, path: ${env:CRM}}\n",
            "connections.yaml:2: a reference stands inside braces without quotes. Write \"${env:NAME}\" there.",
        ),
        (
            "connections:\n  cmr:\n    kind: sqlite\n    path: ${env:CRM_FILE}\n",
            ("connections.yaml:4: 'path' of connection 'cmr' needs the environment variable CRM_FILE, which is not "
            "set. Set it: export CRM_FILE=..."),
        ),
        (
            "connections:\n  cmr:\n    kind: sqlite\n    path: ${file:secret.txt}\n",
            ("connections.yaml:4: 'path' of connection 'cmr' needs the file 'secret.txt', which cannot be read. "
            "Check that it is there and that this user may read it."),
        ),
        (
            "connections:\n  cmr:\n    kind: sqlite\n    path: ${CRM_FILE}\n",
            ("connections.yaml:4: 'path' of connection 'cmr' has the reference '${CRM_FILE}'. "
            "Write ${env:NAME} or ${file:PATH}."),
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_connection_is_said(text, message, project, monkeypatch):
    monkeypatch.delenv("CRM_FILE", raising=False)
    if message.startswith("connections.yaml:4: 'path' of connection 'cmr' needs"):
        config.connections()  # a reference is followed only when the connection is opened
    assert unresolved(project, text, "cmr") == message


def test_references_are_followed(project, monkeypatch):
    (project / "secret.txt").write_text("from a file.db\n", encoding="utf-8")
    monkeypatch.setenv("CRM_FILE", "a b?#%20.db")
    text = (
        "connections:\n  a:\n    kind: sqlite\n    path: ${file:secret.txt}\n"
        "  b: sqlite:///dir/${env:CRM_FILE}\n  c: ${env:WHOLE}\n"
    )
    (project / "connections.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("WHOLE", "duckdb:///whole.duckdb")
    for name, path in (("a", "from a file.db"), ("b", "dir/a b?#%20.db"), ("c", "whole.duckdb")):
        assert vars(config.resolve(name)[1])["path"] == f"{project}/{path}"


def test_an_address_that_is_nothing_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        config.resolve("crm")
    assert str(caught.value) == (
        "'crm' is no connection, URL or file. Write a URL such as postgresql://user@host/database, or name a "
        "connection with 'lading connect'."
    )


# The project's own files


def test_init_makes_a_project_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = config.init(Path("new"))
    assert [path.relative_to("new").as_posix() for path in made] == [
        "connections.yaml", "pipelines/README.md", ".gitignore",
    ]  # fmt: skip
    assert config.init(Path("new")) == []
    monkeypatch.chdir(tmp_path / "new")
    assert config.connections() == []
    assert config.pipelines() == []


def test_connections_are_added_and_the_rest_stays(project):
    config.add_connection("third", "duckdb:///third.duckdb")
    text = (project / "connections.yaml").read_text(encoding="utf-8")
    assert text == CONNECTIONS + "  third:\n    kind: duckdb\n    path: third.duckdb\n"
    assert config.connections() == ["crm", "wh", "third"]
    with pytest.raises(SpecError, match="There is a connection 'third'"):
        config.add_connection("third", "duckdb:///third.duckdb")


@pytest.mark.parametrize(
    "before",
    ["connections:\n", "connections: {}\n", "# c\nconnections: {}\n",
     "connections:\n  a: x.db  # no newline at the end", "connections:\n    a: sqlite:///a.db\n\n# the end\n"],
)  # fmt: skip
def test_connections_are_added_to_files_of_any_shape(before, project):
    (project / "connections.yaml").write_text(before, encoding="utf-8")
    names = config.connections()
    config.add_connection("new", "sqlite:///new.db")
    assert config.connections() == [*names, "new"]
    assert config.resolve("new")[1].address() == f"sqlite:///{project}/new.db"
    after = (project / "connections.yaml").read_text(encoding="utf-8")
    assert [line for line in before.splitlines() if "#" in line and line not in after.splitlines()] == []


def test_a_path_given_in_a_folder_below_is_kept_relative_to_the_project(project, monkeypatch):
    (project / "below").mkdir()
    monkeypatch.chdir(project / "below")
    config.add_connection("new", "sqlite:///new.db")
    assert config.resolve("new")[1].address() == f"sqlite:///{project}/below/new.db"


# Where runs are kept


def test_the_store_is_named_by_the_environment_the_project_or_the_user(project, tmp_path, monkeypatch):
    monkeypatch.setenv("LADING_STORE", "postgresql://u:p@h/db")
    assert config.store_url() == "postgresql+psycopg://u:p@h/db"
    monkeypatch.setenv("LADING_STORE", str(tmp_path / "x"))
    assert config.store_url() == f"sqlite:///{tmp_path}/x/store.db"
    monkeypatch.setenv("LADING_STORE", str(tmp_path / "x.db"))
    assert config.store_url() == f"sqlite:///{tmp_path}/x.db"
    monkeypatch.delenv("LADING_STORE")
    assert config.store_url() == f"sqlite:///{project}/.lading/store.db"
    (project / "connections.yaml").unlink()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    assert config.store_url() == f"sqlite:///{tmp_path}/own/lading/store.db"


def test_what_a_reference_stands_for_is_never_shown(project, monkeypatch):
    monkeypatch.setenv("SECRET", "geheim")
    text = "connections:\n  crm:\n    kind: sqlite\n    path: x\n    busy_seconds: ${env:SECRET}\n"
    assert unresolved(project, text) == (
        "connections.yaml:5: 'busy_seconds' of connection 'crm' must be a whole number, not '${env:SECRET}'."
    )


def test_a_text_is_taken_apart_once_and_nobody_sees_what_another_changed(monkeypatch):
    text = "connections: {}  # nobody else's\n"
    written.parsed(text, "a.yaml").value["connections"]["mine"] = 1
    monkeypatch.setattr(yaml, "SafeLoader", None)
    assert written.parsed(text, "a.yaml").value == {"connections": {}}


def test_a_folder_is_no_pipeline(project):
    (project / "pipelines/nightly.yaml").mkdir()
    with pytest.raises(SpecError, match="There is no pipeline 'nightly'"):
        config.pipeline("nightly")
