"""Files that arrive in a folder: each is loaded once, or in quarantine with its reason."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Collection
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lading import actions, actions_arrivals, actions_scheduling, config
from lading.arrivals import Arrival
from lading.connectors.files import Files
from lading.dropfolder import DropFolder
from lading.errors import AccessDenied, SpecError
from lading.prove import State
from lading.receiving import Parts
from tests.journeys import looks

CONNECTIONS = "connections:\n  drop: {kind: files, path: drop}\n  wh: {kind: sqlite, path: wh.db}\n"
STEP = """\
steps:
  - key: prices
    do: receive
    from: drop
    files: "prices-*"
    columns: {id: int(64), day: date, price: "decimal(10,2)"}
    to: wh
    into: prices
    every_seconds: 0.001
"""
HEAD = "id,day,price\n"


class Taken:
    """Calls a method, and notes whether files were taken as big ones."""

    def __init__(self, plain: Callable[[Parts, bool], Any]) -> None:
        self.plain, self.big = plain, list[bool]()

    def __get__(self, parts: Parts, _owner: type[Parts]) -> Callable[[bool], Any]:
        def taking(big: bool) -> Any:
            self.big.append(big)
            return self.plain(parts, big)

        return taking


class Drop:
    """A project whose pipeline receives files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.drop = folder, folder / "drop"
        (folder / "pipelines").mkdir()
        self.drop.mkdir()
        (folder / "connections.yaml").write_text(CONNECTIONS, encoding="utf-8")
        self.pipeline()

    def pipeline(self, *more: str, text: str = STEP) -> None:
        (self.folder / "pipelines/p.yaml").write_text(text + "".join(f"    {line}\n" for line in more), "utf-8")

    def put(self, name: str, *ids: int, head: str = HEAD, day: str = "2026-02-28") -> Path:
        path = self.drop / name
        path.write_text(head + "".join(f"{each},{day},{each}.50\n" for each in ids), encoding="utf-8")
        return path

    def run(self, looks: int = 1) -> str:
        """How a run's step came out, after so many looks; the run itself looks once more."""
        for _ in range(looks):
            actions_arrivals.look("p")
        (step,) = actions.run("p").steps
        self.says = step.error or step.says
        return step.state.value

    def everything(self, growing: Collection[Path]) -> None:
        """Two looks as the scheduler's, which puts away what nobody expects, and a run, while some files grow."""
        for number in range(3):
            for path in growing:
                os.utime(path, (number, number))
            if number < 2:
                actions_scheduling.schedule(lambda _word, _name, _text: None, once=True)
        self.run(looks=0)

    def arrived(self) -> tuple[dict[str, int], list[Arrival]]:
        return actions_arrivals.arrived("p", 10)

    def known(self) -> dict[str, Arrival]:
        """The newest arrival of each name."""
        _, found = actions_arrivals.arrived("p", 10_000)
        return {each.name: each for each in sorted(found, key=lambda each: (each.seen, each.id))}

    def states(self) -> dict[str, str]:
        return {name: each.state for name, each in self.known().items()}

    def ids(self) -> list[int]:
        if not (self.folder / "wh.db").exists():
            return []
        return [row[0] for row in looks.query(f"sqlite:///{self.folder / 'wh.db'}", "SELECT id FROM prices ORDER BY 1")]

    def left(self) -> set[str]:
        return {path.name for path in self.drop.iterdir() if path.is_file()}

    def kept(self, where: str) -> dict[str, str]:
        """What is in a folder below, by the files' own names."""
        folder = self.drop / where
        files = sorted(folder.iterdir()) if folder.exists() else []
        return {path.name.split("-", 3)[3]: path.read_text("utf-8", "replace") for path in files}


@pytest.fixture
def drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drop:
    monkeypatch.chdir(tmp_path)
    return Drop(tmp_path)


def test_a_file_is_loaded_proved_and_archived_once(drop):
    drop.put("prices-1.csv", 1, 2)
    drop.put("prices-2.csv", 3)
    drop.put("notes.txt", 9)
    assert drop.run() == "proved"
    assert drop.says == "3 rows of 2 files into prices"
    assert drop.ids() == [1, 2, 3]
    assert drop.left() == {"notes.txt"}
    assert set(drop.kept("_archive")) == {"prices-1.csv", "prices-2.csv"}
    assert drop.states() == {"prices-1.csv": "loaded", "prices-2.csv": "loaded"}
    found = drop.known()["prices-1.csv"]
    text = drop.kept("_archive")["prices-1.csv"]
    assert (found.rows, found.size, found.hash) == (2, len(text), hashlib.sha256(text.encode()).hexdigest())
    assert actions.bill(found.bill).state is State.PROVED
    assert drop.run() == "skipped"
    assert drop.ids() == [1, 2, 3]
    assert not list(drop.folder.glob("store/arrivals/*")), "no copy is left"


def test_a_file_that_grows_is_not_read(drop):
    drop.pipeline("looks: 3")
    path = drop.put("prices-1.csv", 1)
    assert drop.run(looks=1) == "skipped"
    with path.open("a") as file:
        file.write("2,2026-02-28,1.00\n")
    assert drop.run(looks=1) == "skipped", "the looks count from its last change"
    assert drop.states() == {"prices-1.csv": "growing"}
    assert drop.known()["prices-1.csv"].says == "the same at 2 of 3 looks"
    assert drop.run(looks=0) == "proved"
    assert drop.ids() == [1, 2]


def test_looks_that_follow_too_closely_do_not_count(drop):
    drop.pipeline(text=STEP.replace("0.001", "60"))
    drop.put("prices-1.csv", 1)
    assert drop.run(looks=5) == "skipped"


def test_a_file_of_the_same_size_that_is_written_anew_is_not_the_same(drop):
    path = drop.put("prices-1.csv", 1)
    actions_arrivals.look("p")
    path.write_text(path.read_text().replace("1", "7"))
    os.utime(path, (1, 1))
    assert drop.run(looks=0) == "skipped"
    assert drop.run(looks=0) == "proved"
    assert drop.ids() == [7]


def test_a_file_that_goes_away_is_said_to(drop):
    drop.put("prices-1.csv", 1).rename(drop.put("prices-2.csv", 2))
    actions_arrivals.look("p")
    (drop.drop / "prices-2.csv").unlink()
    assert drop.run() == "skipped"
    assert drop.states() == {"prices-2.csv": "vanished"}


def test_a_name_that_is_given_at_the_end_makes_a_file_whole(drop):
    drop.pipeline("ready: renamed")
    for name in ("prices-1.csv.part", "prices-2.csv.filepart", ".prices-3.csv", "prices-4.csv~"):
        drop.put(name, 8)
    assert drop.run(looks=0) == "skipped"
    assert drop.known() == {}
    (drop.drop / "prices-1.csv.part").rename(drop.drop / "prices-1.csv")
    assert drop.run(looks=0) == "proved"
    assert drop.ids() == [8]


def test_a_marker_makes_a_file_whole_and_goes_with_it(drop):
    drop.pipeline("ready: marker", "marker: '{stem}.ok'")
    path = drop.put("prices-1.csv", 1)
    assert drop.run(looks=3) == "skipped"
    assert drop.known()["prices-1.csv"].says == "its marker 'prices-1.ok' is not there"
    marker = drop.drop / "prices-1.ok"
    marker.touch()
    os.utime(marker, (path.stat().st_mtime - 10,) * 2)
    assert drop.run() == "skipped"
    assert drop.known()["prices-1.csv"].says == "its marker 'prices-1.ok' is older than it"
    marker.touch()
    assert drop.run(looks=0) == "proved"
    assert drop.left() == set()
    drop.put("prices-1.csv", 1, 2)
    assert drop.run() == "skipped", "the marker was of the first"


@pytest.mark.parametrize("kind", ["md5", "sha256", "rows"])
def test_a_file_is_held_against_what_its_marker_says(drop, kind):
    drop.pipeline("ready: marker")
    for name, wrong in (("prices-1.csv", False), ("prices-2.csv", True)):
        path = drop.put(name, 1, len(name) + wrong)
        text = path.read_bytes() + b"\n" * wrong
        told = f"rows={2 + wrong}" if kind == "rows" else f"{hashlib.new(kind, text).hexdigest()}  {name}\n"
        (drop.drop / f"{name}.done").write_text(told)
    assert drop.run() == "unproved"
    assert drop.states() == {"prices-1.csv": "loaded", "prices-2.csv": "quarantined"}
    assert "its marker says" in drop.known()["prices-2.csv"].says
    assert drop.left() == set()


def test_the_name_of_a_file_in_its_marker_is_no_hash(drop):
    drop.pipeline("ready: marker")
    for name, wrong in ((f"prices-{'0f' * 16}.csv", b""), (f"prices-{'0f' * 20}.csv", b"\n")):
        text = drop.put(name, len(name)).read_bytes()
        (drop.drop / f"{name}.done").write_text(f"{hashlib.md5(text + wrong).hexdigest()}  ./{name}\n")
    assert drop.run() == "unproved"
    assert drop.states() == {
        f"prices-{'0f' * 16}.csv": "loaded", f"prices-{'0f' * 20}.csv": "quarantined"
    }  # fmt: skip


def test_a_file_of_another_layout_is_quarantined_with_the_reason(drop):
    drop.put("prices-0.csv", 1)
    drop.put("prices-1.csv", 1, head="id,day,cost\n")
    drop.put("prices-2.csv", 1, head="id,day,price,more\n")
    drop.put("prices-3.csv", 1, 2, day="2026-02-30")
    drop.put("prices-4.csv", head=f"{HEAD}1,2026-02-28\n")
    drop.put("prices-5.csv")
    drop.put("prices-6.csv", head="")
    (drop.drop / "prices-7.csv").write_bytes(b"id,day,price\n1,2026-02-28,\xff\n")
    pq.write_table(pa.table({"id": ["a"], "day": [None], "price": [1]}), drop.drop / "prices-8.parquet")
    (drop.drop / "prices-9.csv.gz").write_bytes(gzip.compress(b"id,day,price\n5,2026-02-28,1.00\n")[:-9])
    assert drop.run() == "unproved"
    assert drop.ids() == [1]
    reasons = {
        "prices-1.csv": "the file lacks the column 'price'; it has a column 'cost', which is not expected",
        "prices-2.csv": "the file has a column 'more', which is not expected",
        "prices-3.csv": "line 2: column 'day' holds '2026-02-30', which is not date.",
        "prices-4.csv": "line 2: there are 2 values, and 3 columns.",
        "prices-5.csv": "the file has no rows",
        "prices-6.csv": "the file is empty",
        "prices-7.csv": "line 2: ",
        "prices-8.parquet": "the file holds string in column 'id', where int(64) is expected; it holds ",
        "prices-9.csv.gz": "line 1: the compressed file is damaged",
    }
    kept = drop.kept("_quarantine")
    assert set(kept) == {name + ending for name in reasons for ending in ("", ".reason.txt")}
    for name, reason in reasons.items():
        assert drop.known()[name].state == "quarantined"
        assert drop.known()[name].says.startswith(reason), drop.known()[name].says
        assert kept[f"{name}.reason.txt"] == f"{drop.known()[name].says}\n"
    assert drop.left() == set()
    assert drop.says.startswith("1 row of 1 file into prices, 9 quarantined; 'prices-")


def test_a_file_whose_name_does_not_say_its_format_keeps_no_other_waiting(drop):
    drop.put("prices-1", 1)
    drop.put("prices-2.csv", 2)
    assert drop.run() == "unproved"
    assert (drop.ids(), drop.states()) == ([2], {"prices-1": "quarantined", "prices-2.csv": "loaded"})
    assert "does not say its format" in drop.kept("_quarantine")["prices-1.reason.txt"]
    text = (drop.folder / "connections.yaml").read_text("utf-8")
    (drop.folder / "connections.yaml").write_text(text.replace("path: drop}", "path: drop, format: csv}"), "utf-8")
    drop.put("prices-3", 3)
    assert (drop.run(), drop.ids()) == ("proved", [2, 3])


def test_two_steps_of_a_pipeline_take_no_file_from_each_other(drop):
    second = STEP.replace("steps:\n", "").replace("key: prices", "key: again").replace("into: prices", "into: again")
    drop.pipeline(text=STEP + second.replace('"prices-*"', '"prices-1*"'))
    drop.put("prices-1.csv", 1)
    drop.put("prices-2.csv", 2)
    actions_arrivals.look("p")
    errors = [(step.state.value, step.error) for step in actions.run("p").steps]
    says = "'prices-1.csv' is expected by the steps '{}' and '{}', and only one of them would get it."
    assert [(state, says.format(*pair) in error) for (state, error), pair in zip(
        errors, [("prices", "again"), ("again", "prices")], strict=True
    )] == [("failed", True)] * 2  # fmt: skip
    assert drop.left() == {"prices-1.csv", "prices-2.csv"}
    drop.pipeline(text=(STEP + second).replace("into:", "archive: null\n    into:"))
    actions_arrivals.look("p")
    assert [step.state.value for step in actions.run("p").steps] == ["proved", "proved"]
    rows = "SELECT (SELECT COUNT(*) FROM prices), (SELECT COUNT(*) FROM again)"
    assert looks.query(f"sqlite:///{drop.folder / 'wh.db'}", rows) == [(2, 2)]


def test_a_file_without_rows_may_be_loaded(drop):
    drop.pipeline("empty: load")
    drop.put("prices-1.csv")
    drop.put("prices-2.csv", head="")
    drop.put("prices-3.csv", 3)
    assert drop.run() == "proved"
    assert drop.ids() == [3]
    assert len(drop.kept("_archive")) == 3


@pytest.mark.parametrize(("policy", "state", "ids"), [
    ("load", "loaded", [1, 1, 1]), ("ignore", "ignored", [1]), ("quarantine", "quarantined", [1]),
])  # fmt: skip
def test_duplicates_are_known_by_their_content(drop, policy, state, ids):
    drop.pipeline(f"duplicates: {policy}")
    drop.put("prices-1.csv", 1)
    drop.put("prices-2.csv", 1)
    drop.run()
    drop.put("prices-3.csv", 1)
    drop.run()
    assert sorted(drop.states().values()) == sorted(["loaded", state, state])
    assert drop.states()["prices-3.csv"] == state
    assert drop.ids() == ids
    assert drop.left() == set()
    assert len(drop.kept("_archive")) == (1 if policy == "quarantine" else 3)


@pytest.mark.parametrize(("policy", "state", "ids"), [
    ("load", "loaded", [1, 2]), ("ignore", "ignored", [1]), ("quarantine", "quarantined", [1]),
])  # fmt: skip
def test_a_name_that_is_sent_again_with_other_content(drop, policy, state, ids):
    drop.pipeline(f"resent: {policy}")
    drop.put("prices-1.csv", 1)
    drop.run()
    drop.put("prices-1.csv", 2)
    drop.run()
    assert drop.states() == {"prices-1.csv": state}
    assert drop.ids() == ids
    drop.put("prices-1.csv", 2)
    drop.run()
    assert drop.ids() == ids, "and once more the same"


def test_without_an_archive_files_stay_and_are_loaded_once(drop):
    drop.pipeline("archive: null")
    path = drop.put("prices-1.csv", 1)
    assert drop.run() == "proved"
    assert drop.run() == "skipped"
    path.write_text(f"{HEAD}2,2026-02-28,1.00\n")
    assert drop.run() == "proved"
    assert drop.ids() == [1, 2]
    assert drop.left() == {"prices-1.csv"}
    drop.pipeline()
    assert drop.run() == "skipped"
    assert drop.left() == set(), "an archive that was added later takes what is loaded"


def test_files_replace_and_merge_one_after_the_other(drop):
    drop.pipeline("mode: replace")
    for number, (name, id) in enumerate({"prices-b.csv": 1, "prices-a.csv": 2}.items()):
        os.utime(drop.put(name, id), (1000 + number,) * 2)
    assert drop.run() == "proved"
    assert drop.ids() == [2], "the one that was written last"
    assert len(actions.bill("last").tables) == 2
    drop.pipeline("mode: merge", "merge_key: id")
    drop.put("prices-c.csv", 2, 3)
    drop.put("prices-d.csv", 3, 4)
    assert drop.run() == "proved"
    assert drop.ids() == [2, 3, 4]


@pytest.mark.parametrize("mode", ["replace", "merge, merge_key: id, accept: 'id:null'"])
def test_content_that_comes_back_replaces_what_came_between(drop, mode):
    drop.pipeline(*f"mode: {mode}".split(", "))
    for content in ("1.00", "2.00", "2.00", "1.00"):
        (drop.drop / "prices-1.csv").write_text(f"{HEAD}1,2026-02-28,{content}\n")
        drop.run()
    assert looks.query(f"sqlite:///{drop.folder / 'wh.db'}", "SELECT price FROM prices") == [(Decimal("1.00"),)]
    assert sorted(each.state for each in drop.arrived()[1]) == ["ignored", "loaded", "loaded", "loaded"]


def test_a_file_that_the_target_refuses_keeps_no_other_from_being_loaded(drop):
    looks.query(f"sqlite:///{drop.folder / 'wh.db'}",
                "CREATE TABLE prices (id BIGINT, day DATE, price DECIMAL(10,2), CHECK (id <> 5))")  # fmt: skip
    for id in range(1, 9):
        drop.put(f"prices-{id}.csv", id)
    assert drop.run() == "unproved"
    assert drop.ids() == [1, 2, 3, 4, 6, 7, 8]
    states = drop.states()
    assert [name for name, state in states.items() if state != "loaded"] == ["prices-5.csv"]
    assert "CHECK" in drop.kept("_quarantine")["prices-5.csv.reason.txt"]


def test_what_cannot_be_loaded_now_is_loaded_later(drop, monkeypatch):
    monkeypatch.setenv("LADING_RETRY_SECONDS", "0")
    (drop.folder / "wh.db").mkdir()
    drop.put("prices-1.csv", 1)
    assert drop.run() == "failed"
    assert drop.states() == {"prices-1.csv": "taken"}
    assert drop.left() == {"prices-1.csv"}
    (drop.folder / "wh.db").rmdir()
    drop.put("prices-2.csv", 2)
    assert drop.run() == "proved"
    assert drop.ids() == [1, 2]


def test_a_file_that_may_not_be_read_keeps_no_other_waiting(drop, monkeypatch):
    plain, refused = DropFolder.fetch, {"prices-1.csv"}

    def fetch(folder: DropFolder, found: Arrival, path: Path) -> str | None:
        if found.name in refused:
            raise AccessDenied(f"'{found.name}': Permission denied.", "Give this account the right.")
        return plain(folder, found, path)

    monkeypatch.setattr(DropFolder, "fetch", fetch)
    drop.put("prices-1.csv", 1)
    assert (drop.run(), drop.states()) == ("failed", {"prices-1.csv": "growing"})
    drop.put("prices-2.csv", 2)
    assert drop.run(looks=2) == "unproved"
    assert "; 'prices-1.csv': Permission denied. Give this account the right" in drop.says
    assert drop.states() == {"prices-1.csv": "growing", "prices-2.csv": "loaded"}
    refused.clear()
    assert drop.run(looks=2) == "proved"
    assert drop.ids() == [1, 2]


def test_when_no_file_is_ready_the_step_may_fail(drop):
    drop.pipeline("otherwise: fail")
    assert drop.run() == "failed"
    assert drop.says == "No file 'prices-*' is ready. See 'lading arrivals'."


def test_only_quarantined_files_are_a_failure(drop):
    drop.put("prices-1.csv", 1, head="a,b,c\n")
    assert drop.run() == "failed"
    assert "1 quarantined" in drop.says


def test_big_files_have_parts_of_their_own(drop, monkeypatch):
    monkeypatch.setattr("lading.receiving.BIG", 100)
    drop.put("prices-1.csv", *range(50))
    drop.put("prices-2.csv", *range(50, 60))
    path = drop.put("prices-3.csv", *range(60, 100))
    path.write_text(f"{path.read_text()}x,,\n")
    drop.put("prices-4.csv", 60)
    assert drop.run() == "unproved"
    assert drop.ids() == list(range(61))


def test_a_folder_below_and_a_connection_that_is_none(drop):
    drop.pipeline(text=STEP.replace("prices-*", "eu/prices-*"))
    (drop.drop / "eu").mkdir()
    drop.put("eu/prices-1.csv", 1)
    assert drop.run() == "proved"
    assert set(drop.kept("eu/_archive")) == {"prices-1.csv"}
    drop.pipeline(text=STEP.replace("from: drop", "from: wh"))
    assert drop.run(looks=0) == "failed"
    assert drop.says == "wh is no folder of files. Name a connection of the kind files."


def test_names_of_any_length_and_with_brackets(drop):
    drop.put("prices-[1].csv", 1)
    long = drop.put(f"prices-{'x' * 240}.csv", 2)
    drop.put(f"prices-{'y' * 240}.csv", 3, head="a,b,c\n")
    assert len(long.name) == 251
    assert drop.run() == "unproved"
    assert drop.ids() == [1, 2]
    assert drop.left() == set()
    assert set(drop.kept("_archive")) == {"prices-[1].csv", f"prices-{'x' * 206}.csv"}
    assert set(drop.kept("_quarantine")) == {f"prices-{'y' * 206}.csv{ending}" for ending in ("", ".reason.txt")}


def test_one_file_that_cannot_be_put_away_keeps_no_other_from_it(drop):
    drop.pipeline("archive: _archive/_day")
    (drop.drop / "_archive").touch()
    drop.put("prices-1.csv", 1)
    drop.put("prices-2.csv", 2, head="a,b,c\n")
    assert drop.run() == "unproved"
    assert drop.left() == {"_archive", "prices-1.csv"}
    assert drop.known()["prices-1.csv"].says.startswith("it stays where it is: ")
    (drop.drop / "_archive").unlink()
    assert drop.run() == "skipped"
    assert drop.left() == set()
    assert drop.known()["prices-1.csv"].says == ""
    assert drop.ids() == [1]


def test_only_plain_files_are_received(drop):
    os.mkfifo(drop.drop / "prices-1.csv")
    (drop.drop / "prices-2.csv").symlink_to("/dev/zero")
    (drop.drop / "prices-3.csv").symlink_to("prices-3.csv")
    drop.put("prices-4.csv", 4)
    assert drop.run() == "proved"
    assert list(drop.known()) == ["prices-4.csv"]


def test_rows_of_packed_files_are_not_held_together(drop, monkeypatch):
    monkeypatch.setattr("lading.receiving.Parts.taking", _taking := Taken(Parts.taking))
    (drop.drop / "prices-1.csv.gz").write_bytes(gzip.compress(f"{HEAD}1,2026-02-28,1.00\n".encode()))
    drop.put("prices-2.csv", 2)
    assert drop.run() == "proved"
    assert drop.ids() == [1, 2]
    assert _taking.big == [True, False]


@pytest.mark.parametrize("line", [
    "archive: .", "archive: ./", "archive: done", "archive: ./_quarantine/", "quarantine: _archive/",
    "files: ../x/*.csv", "files: x/../../*.csv", "files: eu/",
])  # fmt: skip
def test_folders_that_would_be_looked_at(drop, line):
    text = STEP.replace('    files: "prices-*"\n', "") if line.startswith("files") else STEP
    drop.pipeline(line, text=text)
    with pytest.raises(SpecError):
        config.pipeline("p")


def test_folders_are_the_same_however_they_are_written(drop):
    drop.pipeline("archive: ./_done/", text=STEP.replace("prices-*", "./prices-*"))
    drop.put("prices-1.csv", 1)
    assert drop.run() == "proved"
    assert set(drop.kept("_done")) == {"prices-1.csv"}


def test_no_other_file_is_touched_where_names_can_be_patterns(tmp_path):
    drop = DropFolder("drop", Files(path=f"memory://{tmp_path.name}"))
    for name in ("prices[1].csv", "prices1.csv", "x[1].done", "x1.done"):
        drop.place.fs.pipe_file(drop.path(name), name.encode())
    seen = drop.files("")["prices[1].csv"]
    drop.put_away(Arrival("20260228-060000-a", "p", "s", "", seen.name, mark=seen.mark), "_archive")
    drop.remove("x[1].done")
    drop.remove("x[1].done")
    assert set(drop.files("")) == {"prices1.csv", "x1.done"}
    assert drop.text("_archive/20260228-060000-a-prices[1].csv") == "prices[1].csv"


@pytest.mark.parametrize("wrong", ["p: [", STEP.replace("into:", "inot:"), STEP.replace("do: receive", "do: recieve")])
def test_what_a_pipeline_may_expect_that_cannot_be_read_is_left(drop, wrong):
    drop.pipeline("misnamed: quarantine")
    other = drop.folder / "pipelines/q.yaml"
    other.write_text(wrong, "utf-8")
    drop.put("sales-1.csv", 1)
    drop.everything([])
    assert drop.left() == {"sales-1.csv"}
    # The same folder by another name.
    (drop.folder / "connections.yaml").write_text(f"{CONNECTIONS}  inbox: {{kind: files, path: drop}}\n", "utf-8")
    other.write_text(STEP.replace("prices", "sales").replace("from: drop", "from: inbox"), "utf-8")
    drop.put("typo-1.csv", 1)
    drop.everything([])
    assert drop.left() == {"sales-1.csv"}
    assert set(drop.kept("_quarantine")) == {"typo-1.csv", "typo-1.csv.reason.txt"}
