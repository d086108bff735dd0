"""Files that two processes put away, that are written anew meanwhile, or that a server shows under odd names."""

from __future__ import annotations

import ftplib
import os
from collections.abc import Callable
from typing import Any

import pytest

from lading.connectors.files import Files
from lading.connectors.files.answers import listed, sized
from lading.dropfolder import DropFolder
from lading.errors import DataError, SpecError
from tests.connectors.test_remote import arrival, drop, ftp_names, server
from tests.stores import Ftpd

__all__ = ["ftp_names", "server"]
ARCHIVED = "_archive/20260228-060000-0-a.csv"


def after(here: DropFolder, name: str, work: Callable[[], Any]) -> None:
    """Does work right after a look of the folder at a file, the first time."""
    plain, left = here.look, [work]

    def looked(of: str) -> Any:
        found = plain(of)
        if of == name and left:
            left.pop()()
        return found

    here.look = looked  # type: ignore[assignment]


def test_two_processes_put_the_same_file_away_once(server, tmp_path):
    server.put(f"{tmp_path.name}/a.csv", b"a")
    with drop(server, tmp_path.name) as one, drop(server, tmp_path.name) as two:
        found = arrival(one.files("")["a.csv"], b"a")
        after(two, "a.csv", lambda: one.put_away(found, "_archive"))
        two.put_away(found, "_archive")
    assert server.held(tmp_path.name) == {ARCHIVED: b"a"}


def test_a_copy_is_kept_when_another_process_removed_the_file(s3, tmp_path):
    s3.put(f"{tmp_path.name}/a.csv", b"a")
    with drop(s3, tmp_path.name) as one, drop(s3, tmp_path.name) as two:
        found, copy = arrival(one.files("")["a.csv"], b"a"), two.place.fs.cp_file

        def copied(*words: Any) -> None:
            two.place.fs.cp_file = copy
            copy(*words)
            one.put_away(found, "_archive")

        two.place.fs.cp_file = copied
        two.put_away(found, "_archive")
    assert s3.held(tmp_path.name) == {ARCHIVED: b"a"}


@pytest.mark.parametrize("kind", ["ftpd", "ftp_names"])
def test_the_root_of_a_server_is_a_folder_like_others(request, kind):
    own = Ftpd(facts=kind == "ftpd")
    try:
        own.put("a.csv", b"a")
        own.put("below/b.csv", b"b")
        with drop(own, "") as here:
            for _ in range(2):
                assert {name: each.found["name"] for name, each in here.files("").items()} == {"a.csv": "/a.csv"}
                assert set(here.files("below")) == {"b.csv"}
                assert here.look("c.csv") is None
            here.put_away(arrival(here.files("")["a.csv"], b"a"), "_archive")
        assert own.held("") == {ARCHIVED: b"a", "below/b.csv": b"b"}
    finally:
        own.close()


def moving(here: DropFolder, then: Callable[[str], Any]) -> None:
    """Does something to a file right after it was renamed."""
    move, left = here.place.fs.mv, [then]

    def moved(old: str, new: str) -> None:
        move(old, new)
        if left:
            left.pop()(new)

    here.place.fs.mv = moved


@pytest.mark.parametrize("known", [True, False])
def test_a_rename_may_give_a_file_a_new_time(sshd, tmp_path, known):
    sshd.put(f"{tmp_path.name}/a.csv", b"a")
    with drop(sshd, tmp_path.name) as here:
        found = arrival(here.files("")["a.csv"], b"a")
        moving(here, lambda path: os.utime(path, (1, 1)))
        here.put_away(found if known else found._replace(hash=""), "_archive")
    assert sshd.held(tmp_path.name) == {ARCHIVED: b"a"}


def test_what_was_written_anew_while_it_was_put_away_is_put_back_unless_another_came(sshd, tmp_path):
    name = f"{tmp_path.name}/a.csv"
    sshd.put(name, b"a")
    with drop(sshd, tmp_path.name) as here:
        found = arrival(here.files("")["a.csv"], b"a")
        after(here, "a.csv", lambda: sshd.put(name, b"bb"))
        with pytest.raises(DataError, match=r"'a\.csv' became another file while"):
            here.put_away(found, "_archive")
        assert sshd.held(tmp_path.name) == {"a.csv": b"bb"}
        found = arrival(here.files("")["a.csv"], b"bb")
        after(here, "a.csv", lambda: sshd.put(name, b"ccc"))
        moving(here, lambda _: sshd.put(name, b"dddd"))
        with pytest.raises(DataError, match=f"the first of them is '.*/{ARCHIVED}' now"):
            here.put_away(found, "_archive")
    assert sshd.held(tmp_path.name) == {"a.csv": b"dddd", ARCHIVED: b"ccc"}


# What servers answer


def test_a_name_that_is_no_text_is_said_to_be_one(sshd, tmp_path):
    sshd.put(f"{tmp_path.name}/a.csv", b"a")
    with open(os.fsencode(sshd.root / tmp_path.name) + b"/\xe9.csv", "wb"):
        pass
    wanted = rf"A name in '.*{tmp_path.name}' is not utf-8"
    with drop(sshd, tmp_path.name) as here, pytest.raises(SpecError, match=wanted):
        here.files("")


def test_options_that_a_server_has_not_are_told(sshd, ftpd):
    for own in (sshd, ftpd):
        with pytest.raises(SpecError, match=r"with its options: .*'odd'"):
            DropFolder("drop", Files(**own.files("", storage='{"odd": 1}')))


class Answers(ftplib.FTP):
    """A connection whose server gives answers of its own to some commands."""

    def __init__(self, own: dict[str, list[str]]) -> None:
        super().__init__()
        self.own = own

    def sendcmd(self, cmd: str) -> str:
        answers = self.own.get(cmd, ["200 Well."])
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if found[0] == "5":
            raise ftplib.error_perm(found)
        return found

    voidcmd = sendcmd

    def nlst(self, *_words: str) -> list[str]:
        return self.sendcmd("NLST")[4:].split()


@pytest.mark.parametrize("own", [
    {"SIZE /in/a.csv": ["500 What?"]},
    {"SIZE /in/a.csv": ["550 No."], "CWD /in/a.csv": ["500 What?"]},
])  # fmt: skip
def test_only_one_answer_of_a_server_says_that_a_file_is_not_there(own):
    with pytest.raises(ftplib.error_perm, match="500 What"):
        listed(Answers({"NLST": ["200 a.csv"], **own}), "/in")


def test_a_name_that_is_neither_a_file_nor_a_folder_fails_a_look_unless_it_went_away():
    own = {"SIZE /in/a.csv": ["213 7"], "MDTM /in/a.csv": ["550 No."]}
    own |= {f"{word} /in/b.csv": ["550 No."] for word in ("SIZE", "CWD")}
    with pytest.raises(OSError, match=r"does not say what '/in/b\.csv' is"):
        listed(Answers({"NLST": ["200 a.csv b.csv"], **own}), "/in")
    found = listed(Answers({"NLST": ["200 a.csv b.csv", "200 a.csv"], **own}), "/in")
    assert found == [{"name": "/in/a.csv", "type": "file", "size": 7}]


def test_a_file_that_grew_while_it_was_asked_for_is_another(ftpd, tmp_path, monkeypatch):
    ftpd.put(f"{tmp_path.name}/a.csv", b"a")

    def grown(connection: ftplib.FTP, path: str) -> int | None:
        size = sized(connection, path)
        ftpd.put(f"{tmp_path.name}/a.csv", b"aa")
        return size

    monkeypatch.setattr("lading.connectors.files.ftp.sized", grown)
    with drop(ftpd, tmp_path.name) as here:
        assert here.fetch(arrival(here.files("")["a.csv"], b"a"), tmp_path / "copy") is None


# Passwords in addresses

TORN = ["sftp://me:se/cret@host/in", "ftp://me:se?cret@host/in", "ftps://me:se#cret@host/in", "ftp://me:12/cret@host"]


@pytest.mark.parametrize("url", TORN)
def test_a_password_that_would_be_read_as_a_path_is_refused_and_not_shown(url):
    with pytest.raises(SpecError, match="write %2F for /") as error:
        Files.from_url(url)
    assert "cret" not in str(error.value)
    with pytest.raises(ValueError, match="a path must hold no password"):
        Files(path=url)


def test_a_port_that_is_none_is_told_without_the_path():
    with pytest.raises(SpecError, match="'sftp://host' has a port that is no number up to 65535") as error:
        DropFolder("drop", Files(path="sftp://me@host:99999/secret"))
    assert "secret" not in str(error.value)
