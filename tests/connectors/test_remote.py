"""Folders on real servers of SFTP and FTP and on an emulator of S3: looks, copies, archives, and connections cut."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from lading import arrivals
from lading.arrivals import Arrival, Box
from lading.connector import WHOLE, Load
from lading.connectors.files import Files
from lading.dropfolder import DropFolder, Seen
from lading.errors import AccessDenied, LadingError, SpecError, Unreachable
from lading.expecting import expect
from lading.poller import Poller
from lading.schema import Column, Mode, Table
from lading.spec import Pipeline
from lading.store import Store
from lading.types import parse
from tests.proxy import Proxy
from tests.stores import S3, FileServer, Ftpd

NAMES = {"a.csv", "b c.csv", "[1]?#%41.csv", "ü;=.csv"}
CUTS = [0, 60, 200, 700, 1_500, 3_000, 6_000, 12_000]
"""After how many bytes a connection is cut."""


@pytest.fixture(scope="module")
def ftp_names() -> Iterator[Ftpd]:
    """An FTP server that knows of names only, as vsftpd does."""
    server = Ftpd(facts=False)
    yield server
    server.close()


@pytest.fixture(params=["sshd", "ftpd", "ftp_names", "s3"])
def server(request: pytest.FixtureRequest) -> FileServer:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, FileServer)
    return found


def drop(server: FileServer, folder: str, port: int = 0) -> DropFolder:
    return DropFolder("drop", Files(**server.files(folder, port)))


def arrival(seen: Seen, data: bytes, number: int = 0) -> Arrival:
    when = datetime(2026, 2, 28, 6, tzinfo=UTC)
    found = Arrival(f"{when:%Y%m%d-%H%M%S}-{number}", "p", "s", "", seen.name, mark=seen.mark, size=seen.size)
    return found._replace(hash=hashlib.sha256(data).hexdigest())


def test_a_look_at_a_folder_and_at_a_file_say_the_same(server, tmp_path):
    for name in NAMES:
        server.put(f"{tmp_path.name}/{name}", b"x" * len(name))
    server.put(f"{tmp_path.name}/below/d.csv", b"d")
    with drop(server, tmp_path.name) as here:
        seen = here.files("")
        assert set(seen) == NAMES
        for name, each in seen.items():
            assert each.size == len(name)
            again = here.look(name)
            assert again is not None
            assert again.mark == each.mark
            assert abs(datetime.fromisoformat(each.modified).timestamp() - datetime.now(UTC).timestamp()) < 60
            assert here.text(name) == "x" * len(name)
        assert set(here.files("below")) == {"d.csv"}
        assert (here.look("e.csv"), here.text("e.csv")) == (None, "")


def test_a_folder_that_is_not_there_is_not_an_empty_one(server, tmp_path):
    if isinstance(server, S3):
        here = drop(server, tmp_path.name)
        assert here.files("") == {}, "on S3 an empty folder is not there"
        server.put(f"{tmp_path.name}/", b"")
        assert here.files("") == {}, "what stands for a folder is no file"
        with pytest.raises(SpecError, match="is not there"):
            DropFolder("drop", Files(**server.files("", path="s3://nobody/x"))).files("")
        return
    (server.root / tmp_path.name).mkdir()
    with drop(server, tmp_path.name) as here:
        assert here.files("") == {}
    with drop(server, f"{tmp_path.name}/no") as here, pytest.raises(SpecError, match="is not there"):
        here.files("")


def test_a_file_that_an_ftp_server_does_not_give_is_not_gone(ftpd, ftp_names, tmp_path):
    for server in (ftpd, ftp_names):
        server.put(f"{tmp_path.name}/a.csv/b", b"")
        with drop(server, tmp_path.name) as here, pytest.raises(AccessDenied, match="it is there, and cannot be read"):
            here.text("a.csv")


def test_links_and_pipes_are_left_alone(sshd, tmp_path):
    sshd.put(f"{tmp_path.name}/a.csv", b"a")
    folder = sshd.root / tmp_path.name
    (folder / "b.csv").symlink_to(folder / "a.csv")
    os.mkfifo(folder / "c.csv")
    with drop(sshd, tmp_path.name) as here:
        assert set(here.files("")) == {"a.csv"}


def test_a_file_is_put_away_as_it_was_seen(server, tmp_path):
    server.put(f"{tmp_path.name}/[1].csv", b"one")
    server.put(f"{tmp_path.name}/2.csv", b"two")
    with drop(server, tmp_path.name) as here:
        seen = here.files("")
        here.put_away(arrival(seen["[1].csv"], b"one"), "_quarantine", "why")
        server.put(f"{tmp_path.name}/2.csv", b"three")
        here.put_away(arrival(seen["2.csv"], b"two"), "_archive")
        name = "_quarantine/20260228-060000-0-[1].csv"
        assert server.held(tmp_path.name) == {name: b"one", f"{name}.reason.txt": b"why\n", "2.csv": b"three"}
        here.put_away(arrival(seen["[1].csv"], b"one"), "_quarantine", "why")
        assert len(server.held(tmp_path.name)) == 3


def until_whole(proxy: Proxy, work: Callable[[], Any]) -> Any:
    """Does work while the connection is cut after ever more bytes; nothing but its end or a cut comes of it."""
    for cut in CUTS:
        proxy.cut_after(cut) if cut else proxy.refuse()
        try:
            return work()
        except Unreachable:
            pass
        finally:
            proxy.heal()
    return work()


def test_a_listing_that_is_cut_off_is_no_listing(server, tmp_path, proxy):
    for number in range(12):
        server.put(f"{tmp_path.name}/prices-{number:03d}.csv", b"x")
    way = proxy(server)

    def listed() -> list[str]:
        with drop(server, tmp_path.name, way.port) as here:
            return sorted(here.files(""))

    found = [until_whole(way, listed) for _ in range(2)]
    assert found == [[f"prices-{number:03d}.csv" for number in range(12)]] * 2


def test_a_copy_that_is_cut_off_is_no_copy(server, tmp_path, proxy):
    data = os.urandom(300_000)
    server.put(f"{tmp_path.name}/a.csv", data)
    with drop(server, tmp_path.name) as here:
        found = arrival(here.files("")["a.csv"], data)
    way = proxy(server)

    def fetched() -> str | None:
        with drop(server, tmp_path.name, way.port) as here:
            way.cut_after(150_000 if not isinstance(server, Ftpd) else 20)
            return here.fetch(found, tmp_path / "copy")

    if isinstance(server, S3):
        assert fetched() == found.hash, "it asks again by itself"
    else:
        with pytest.raises(Unreachable):
            fetched()
    with drop(server, tmp_path.name) as here:
        assert here.fetch(found, tmp_path / "copy") == found.hash
        server.put(f"{tmp_path.name}/a.csv", data[:-1])
        assert here.fetch(found, tmp_path / "copy") is None, "it is another now"


def test_a_file_is_never_lost_on_its_way_to_the_archive(server, tmp_path, proxy):
    server.put(f"{tmp_path.name}/a.csv", b"a")
    way = proxy(server)
    with drop(server, tmp_path.name) as here:
        found = arrival(here.files("")["a.csv"], b"a")

    def put_away() -> None:
        assert b"a" in server.held(tmp_path.name).values()
        with drop(server, tmp_path.name, way.port) as here:
            here.put_away(found, "_archive")

    until_whole(way, put_away)
    assert server.held(tmp_path.name) == {"_archive/20260228-060000-0-a.csv": b"a"}


def test_a_copy_whose_hash_the_store_does_not_tell_is_read_again(s3, tmp_path):
    data = os.urandom(6 << 20)
    with s3.fs.open(f"bucket/{tmp_path.name}/a.csv", "wb", block_size=5 << 20) as file:
        file.write(data[: 5 << 20])
        file.flush()
        file.write(data[5 << 20 :])
    with drop(s3, tmp_path.name) as here:
        seen = here.files("")["a.csv"]
        assert "-2" in seen.mark, "it came in two parts"
        wrong = arrival(seen, b"another")
        with pytest.raises(Unreachable, match="is not what 'a\\.csv' is"):
            here.put_away(wrong, "_archive")
        assert s3.held(tmp_path.name) == {"a.csv": data}
        here.put_away(arrival(seen, data), "_archive")
    assert s3.held(tmp_path.name) == {"_archive/20260228-060000-0-a.csv": data}


def test_a_server_that_is_down_makes_no_file_late(tmp_path):
    """It was in the folder before it was expected; when one can look again, the deadline is over."""
    server, told = Ftpd(), list[str]()
    now = datetime.now(UTC)
    due = now - timedelta(minutes=10)
    expected = {"cron": f"{due.minute} {due.hour} * * *", "deadline": "1m"}
    step = {
        "do": "receive", "key": "s", "from": "drop", "files": "*.csv", "columns": {"id": "int(64)"}, "to": "wh",
        "into": "t", "every_seconds": 0.2, "expected": expected,
    }  # fmt: skip
    connection = Files(**server.files("drop"))
    pipelines = {"p": Pipeline.model_validate({"name": "p", "steps": [step]})}
    store = Store(str(tmp_path / "store.db"))
    box = Box("p", "s", connection.address())
    expect(store, box, pipelines["p"].steps[0], now - timedelta(minutes=20))  # type: ignore[arg-type]
    poller = Poller(
        store, lambda: (pipelines, True), lambda name: (name, connection), lambda *words: told.append(words[0]),
        lambda *_words: None,
    )  # fmt: skip
    try:
        server.put("drop/a.csv", b"id\n1\n")
        server.stop()
        look(poller)
        assert told == ["error"]
        server.start()
        while [each.state for each in arrivals.expectations(store, box)] == ["since"]:
            look(poller)
        assert [each.state for each in arrivals.expectations(store, box)] == ["since", "came"]
        assert told == ["error", "arrived"]
    finally:
        server.close()
        store.close()


def look(poller: Poller) -> None:
    for each in poller.begin(datetime.now(UTC)):
        each.result()


# Logging in


def refused(settings: dict[str, Any], **other: Any) -> LadingError:
    with pytest.raises(LadingError) as found, Files(**{**settings, **other}).open():
        pass
    return found.value


def test_only_a_host_that_is_known_is_talked_to(sshd, tmp_path):
    settings = sshd.files("")
    (tmp_path / "known").touch()
    error = refused(settings, known_hosts=str(tmp_path / "known"))
    assert isinstance(error, AccessDenied)
    assert str(error).startswith("The host '127.0.0.1' is not known. Its key is ssh-ed25519 SHA256:")
    assert f"ssh-keyscan -p {sshd.port} 127.0.0.1 >> ~/.ssh/known_hosts" in str(error)
    assert (tmp_path / "known").read_text() == "", "and none is written down"
    other = (sshd.folder / "user.pub").read_text()
    (tmp_path / "known").write_text(f"[127.0.0.1]:{sshd.port} {other}")
    error = refused(settings, known_hosts=str(tmp_path / "known"))
    assert "another one is known of it" in str(error)
    error = refused(settings, key_file=str(sshd.folder / "host"))
    assert isinstance(error, AccessDenied)
    assert "does not let in" in str(error)
    for option in ("key_file", "known_hosts"):
        assert f"'{option}' names the file 'no', which is not there" in str(refused(settings, **{option: "no"}))


def test_a_wrong_password_is_refused_and_never_shown(ftpd):
    error = refused(ftpd.files(""), password="hunter2")
    assert isinstance(error, AccessDenied)
    assert "hunter2" not in str(error)


def test_ftps_holds_to_certificates(monkeypatch):
    server = Ftpd(tls=True)
    try:
        server.put("x/a.csv", b"a" * 70_000)
        assert "is not trusted" in str(refused(server.files("x")))
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        with drop(server, "x") as here:
            assert here.fetch(arrival(here.files("")["a.csv"], b""), server.folder / "copy")
        settings = server.files("x")
        assert "is not trusted" in str(refused(settings, path=settings["path"].replace("localhost", "127.0.0.1")))
    finally:
        server.close()


@pytest.mark.parametrize(("url", "path", "password"), [
    ("sftp://me@host:2222/in/x", "sftp://me@host:2222/in/x", None),
    ("ftp://me:a%40%2Fb@host/in@x:y", "ftp://me@host/in@x:y", "a@/b"),
    ("ftps://host/x", "ftps://host/x", None),
])  # fmt: skip
def test_addresses(url, path, password):
    found = Files.from_url(url)
    assert (found.path, found.options.get("password")) == (path, password)
    assert "a@" not in found.address()
    assert Files.from_url(found.address()).path == path


@pytest.mark.parametrize(("path", "option"), [
    ("s3://b/x", "password"), ("x", "key_file"), ("ftp://h/x", "known_hosts"), ("ftps://h/x", "key_file"),
])  # fmt: skip
def test_options_that_a_place_has_not(path, option):
    with pytest.raises(ValueError, match=f"'{option}' is for addresses such as sftp"):
        Files(path=path, **{option: "x"})


# Reading and writing

T = Table(name="t", columns=tuple(Column(name=n, type=parse(k)) for n, k in {"id": "int(64)", "s": "string"}.items()))


def rows(*ids: int) -> list[pa.RecordBatch]:
    return [pa.RecordBatch.from_pydict({"id": pa.array(ids, pa.int64()), "s": ["x"] * len(ids)})]


def test_tables_are_replaced_and_appended_to(server, tmp_path):
    connection = Files(**server.files(tmp_path.name, format="csv" if isinstance(server, Ftpd) else "parquet"))
    if not isinstance(server, S3):
        (server.root / tmp_path.name).mkdir()
    for name, mode, wanted in (
        ("aaaaaaaaaaa1", Mode.APPEND, [1]), ("aaaaaaaaaaa2", Mode.APPEND, [1, 2]), ("aaaaaaaaaaa3", Mode.REPLACE, [3]),
    ):  # fmt: skip
        load = Load(id=name, table=T, mode=mode)
        with connection.open() as session:
            session.prepare(load)
            session.stage(load, rows(9), 0)
            session.stage(load, rows(wanted[-1]), 0)
            session.publish([load])
            session.publish([load])
            session.discard(load)
            assert sorted(row["id"] for batch in session.read(T, WHOLE) for row in batch.to_pylist()) == wanted
    assert {name.partition("/")[0] for name in server.held(tmp_path.name)} == {"t"}


def test_publishing_goes_on_where_it_was_cut_off(server, tmp_path, proxy):
    way = proxy(server)
    if not isinstance(server, S3):
        (server.root / tmp_path.name).mkdir()
    first, load = (Load(id=f"aaaaaaaaaaa{number}", table=T, mode=Mode.APPEND) for number in range(2))
    with Files(**server.files(tmp_path.name)).open() as session:
        session.prepare(first)
        session.stage(first, rows(7), 0)
        session.publish([first])
        session.discard(first)
        session.prepare(load)
        for number in range(3):
            session.stage(load, rows(number), number)

    for cut in range(100, 3_000, 300):
        with Files(**server.files(tmp_path.name, way.port)).open() as session, suppress(Unreachable):
            way.cut_after(cut)
            session.publish([load])
            break
        way.heal()
    with Files(**server.files(tmp_path.name)).open() as session:
        session.publish([load])
        session.discard(load)
        assert sorted(row["id"] for batch in session.read(T, WHOLE) for row in batch.to_pylist()) == [0, 1, 2, 7]
