"""Files that arrive on SFTP, on FTP and on S3, over a connection that is cut: each is loaded once, or in quarantine."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest

from lading import actions, actions_arrivals
from lading.errors import Unreachable
from tests.journeys import looks
from tests.journeys.test_receive import HEAD, STEP
from tests.stores import FileServer


class Inbox:
    """A project whose pipeline receives files in a folder of a server, by way of a proxy."""

    def __init__(self, server: FileServer, folder: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.folder, self.name = server, folder, folder.name
        settings = server.files(self.name, port)
        for option in {"password", "storage"} & settings.keys():
            monkeypatch.setenv("SECRET", settings[option])
            settings[option] = "${env:SECRET}"
        connections = {"drop": {"kind": "files", **settings}, "wh": {"kind": "sqlite", "path": "wh.db"}}
        (folder / "pipelines").mkdir()
        (folder / "connections.yaml").write_text(json.dumps({"connections": connections}), encoding="utf-8")
        (folder / "pipelines/p.yaml").write_text(STEP + "    empty: quarantine\n", encoding="utf-8")

    def put(self, name: str, *ids: int, head: str = HEAD, end: str = "\n") -> None:
        rows = "\n".join(f"{each},2026-02-28,{each}.50" for each in ids)
        self.server.put(f"{self.name}/{name}", f"{head}{rows}{end}".encode())

    def held(self, folder: str) -> dict[str, str]:
        found = {name.rpartition("/")[::2]: data.decode() for name, data in self.server.held(self.name).items()}
        return {
            re.sub(r"^\d{8}-\d{6}-\w+-", "", name): text for (where, name), text in found.items() if where == folder
        }

    def ids(self) -> list[int]:
        found = looks.query(f"sqlite:///{self.folder / 'wh.db'}", "SELECT id FROM prices ORDER BY 1")
        return [row[0] for row in found]

    def look(self) -> None:
        with suppress(Unreachable):
            actions_arrivals.look("p")


@pytest.mark.parametrize("store", ["sshd", "ftpd", "s3"])
def test_each_file_is_loaded_once_over_a_line_that_breaks(request, tmp_path, monkeypatch, proxy, store):
    server = request.getfixturevalue(store)
    way = proxy(server)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LADING_RETRY_SECONDS", "0.05")
    inbox = Inbox(server, tmp_path, way.port, monkeypatch)
    inbox.put("prices-1.csv", 1, 2)
    inbox.put("prices-2.csv", 3, end=",")
    inbox.put("prices-3.csv", end="")
    inbox.put("prices-4.csv", 4, head="id,day,cost\n")
    inbox.put("prices-5.csv", 1, 2)
    actions_arrivals.look("p")
    inbox.put("prices-2.csv", 3, 30)  # it is whole now, and was looked at once
    (step,) = actions.run("p").steps
    assert step.state.value == "unproved", step.error
    assert inbox.ids() == [1, 2]
    assert set(inbox.held("")) == {"prices-2.csv"}
    inbox.put("prices-1.csv", 5)
    inbox.put("prices-6.csv", *range(100, 2_000))
    for cut in (300, 4_000):
        way.cut_after(cut)
        inbox.look()
        way.heal()
    for cut in (1_000, 5_000, 20_000):
        way.cut_after(cut)
        actions.run("p")
        way.heal()
    actions.run("p")
    assert inbox.ids() == [1, 2, 3, 5, 30, *range(100, 2_000)]
    assert inbox.held("") == {}
    assert set(inbox.held("_archive")) == {f"prices-{number}.csv" for number in (1, 2, 5, 6)}
    assert len(server.held(f"{inbox.name}/_archive")) == 5, "the two of one name"
    reasons = {name: text.strip() for name, text in inbox.held("_quarantine").items() if name.endswith(".reason.txt")}
    assert reasons == {
        "prices-3.csv.reason.txt": "the file has no rows",
        "prices-4.csv.reason.txt": "the file lacks the column 'price'; it has a column 'cost', which is not expected",
    }
    counts, _ = actions_arrivals.arrived("p", 0)
    assert counts == {"ignored": 1, "loaded": 4, "quarantined": 2}
