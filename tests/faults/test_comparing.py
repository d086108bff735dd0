"""What happens to a comparison when a server dies under it, or a table is dropped or altered: never 'equal'."""

import json
import os
import random
import signal
import time
from typing import Any

import pytest

from lading import actions, config
from lading.compare import Asked
from lading.errors import SpecError
from lading.run import Silent
from tests.faults.sides import Side, eventually
from tests.forked import Forked

SERVERS = ("postgres", "mariadb")
SIDES = ("left", "right")
COLUMNS = ("id", "amount", "one", "two", "three", "four")
SOME, ROW_BYTES = 2_500, 490


def fill(side: Side, table: str = "t", doubled: int = 0) -> None:
    """2,500 rows, doubled a few times. 32 times as many are 40 MB: more than the kernel holds of what is on its way,
    so that a server which dies in the middle of them has not sent them all."""
    types = [side.types[kind] for kind in ("int", "decimal", "text", "text", "text", "text")]
    lines = [f"{name} {type_}" for name, type_ in zip(COLUMNS, types, strict=True)]
    side.execute(f"CREATE TABLE {table} ({', '.join(lines)}, PRIMARY KEY (id))")
    side.fill(table, [(n, f"{n}.25", *[f"note {n} ".ljust(60, "é")] * 4) for n in range(SOME)])
    more = [SOME * 2**time for time in range(doubled)]
    side.execute(*[f"INSERT INTO {table} SELECT id + {n}, {', '.join(COLUMNS[1:])} FROM {table}" for n in more])


class Started:
    """`lading diff` in a process of its own."""

    def __init__(self, left: str, right: str, *words: str) -> None:
        words = "diff", left, right, "--json", "--quiet", *words
        self._process = Forked("lading.cli", *words, env={**os.environ, "LADING_RETRY_SECONDS": "0"})

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, dict[str, Any]]:
        """Its exit code and its JSON."""
        out, err = self._process.communicate(timeout=60)
        assert "Traceback" not in out + err
        assert out, err
        return self._process.wait(), json.loads(out)


def other_of(kind: str) -> str:
    return "mariadb" if kind == "postgres" else "postgres"


def inconclusive(code: int, found: dict[str, Any], named: str) -> None:
    (table,) = found["tables"]
    assert (code, found["verdict"], table["verdict"]) == (3, "inconclusive", "inconclusive")
    assert any(named in reason for reason in table["reasons"]), table["reasons"]
    assert table["differences"] == []


@pytest.mark.parametrize(("which", "reading"), [("left", "first"), ("right", "first"), ("left", "second")])
@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_killed_while_it_is_read(request, place, proxy, kind, which, reading):
    """`second`: what differs is read again, as nothing may be spooled."""
    server = request.getfixturevalue(f"own_{kind}")
    dying, living = Side.of(server.create_database(f"k{time.monotonic_ns()}")), place(other_of(kind))
    for side in (dying, living):
        fill(side, doubled=5)
    words = []
    if reading == "second":
        words = ["--spool-mb", "0"]
        living.execute("UPDATE t SET amount = amount + 0.01 WHERE id = 7")
    cable = proxy(server)
    urls = (cable.url(dying.url), living.url) if which == "left" else (living.url, cable.url(dying.url))
    cable.pause_after(SOME * 32 * ROW_BYTES * (5 if reading == "second" else 1) // 4)
    started = Started(*urls, *words)
    try:
        assert eventually(lambda: cable.paused, 60)
        server.kill()
        cable.resume()
        inconclusive(*started.end(), str(cable.port))
    finally:
        server.start()
    if reading == "first":
        code, found = Started(*urls).end()
        assert (code, found["verdict"]) == (0, "equal")


@pytest.mark.parametrize("which", SIDES)
@pytest.mark.parametrize("kind", SERVERS)
def test_a_connection_cut_while_it_is_read(request, place, proxy, kind, which):
    cut, whole = place(kind), place(other_of(kind))
    fill(cut, doubled=2)
    fill(whole, doubled=2)
    cable = proxy(request.getfixturevalue(kind))
    urls = [cable.url(cut.url), whole.url]
    cable.cut_after(1 << 20)
    inconclusive(*Started(*(urls if which == "left" else urls[::-1])).end(), str(cable.port))


@pytest.mark.parametrize("way", ["co-located", "in place", "aggregates"])
@pytest.mark.parametrize("kind", SERVERS)
def test_a_connection_cut_at_any_moment_says_nothing_of_the_rows(request, place, proxy, kind, way):
    """While it is made, while a catalogue or a sum is read, or while rows come: the exit code is never 1."""
    cut, whole = place(kind), place(other_of(kind))
    fill(cut)
    fill(whole)
    cable = proxy(request.getfixturevalue(kind))
    urls, words = (cable.url(cut.url), whole.url), ("--way", way)
    ended = 3 if way == "aggregates" else 0
    before = cable.bytes_up + cable.bytes_down
    code, found = Started(*urls, *words).end()
    assert code == ended, found
    passed = cable.bytes_up + cable.bytes_down - before
    rng = random.Random(7)
    seen = set()
    for count in (500, *(rng.randrange(passed) for _ in range(4)), passed * 97 // 100):
        cable.heal()
        cable.cut_after(count)
        code, found = Started(*urls, *words).end()
        assert code in (3, ended), (count, found)
        assert found.get("verdict", "inconclusive") != "different"
        seen.add("verdict" in found)
    assert False in seen, "one was cut before there was a table"


class Meanwhile(Silent):
    """Does something to a database once both sides are pinned and the left is described."""

    def __init__(self, side: Side, *statements: str) -> None:
        self.side, self.statements = side, statements

    def begin(self, table: str, rows: int | None, slices: int) -> None:
        if table.rpartition(".")[2] == "t":
            self.side.execute(*self.statements)


def diffed(sides, watch=None, **asked):
    """The diff of all tables, and by name what it says of them."""
    move = config.move({"source": sides[0].url, "target": sides[1].url})
    found = actions.diff(move, Asked(**asked), watch)
    return found, {each.left.rpartition(".")[2]: each for each in found.tables}


@pytest.mark.parametrize("which", SIDES)
@pytest.mark.parametrize("kind", SERVERS)
def test_a_table_dropped_meanwhile(place, kind, which):
    """Of the other table it is still said that it is equal. A snapshot of PostgreSQL lists the table, and cannot read
    it any more."""
    losing, keeping = place(kind), place(other_of(kind))
    for side in (losing, keeping):
        fill(side)
        fill(side, "stays")
    sides = (losing, keeping) if which == "left" else (keeping, losing)
    found, tables = diffed(sides, Meanwhile(losing, "DROP TABLE t"))
    assert tables["stays"].verdict == "equal"
    assert tables["t"].verdict == ("different" if (kind, which) == ("mariadb", "right") else "inconclusive")
    assert found.verdict == tables["t"].verdict
    assert any("t" in reason for reason in tables["t"].reasons), tables["t"]


@pytest.mark.parametrize("kind", SERVERS)
def test_a_table_dropped_before(place, kind):
    left, right = place(kind), place(other_of(kind))
    fill(left)
    code, found = Started(left.url, right.url).end()
    assert (code, found["verdict"]) == (1, "different")
    assert "has no table" in found["tables"][0]["reasons"][0]
    assert diffed((right, left))[0].verdict == "inconclusive"  # there is nothing to compare
    with pytest.raises(SpecError, match="'t'"):  # whose exit code is 2
        actions.diff(config.move({"source": f"{right.url}#t", "target": left.url}), Asked())


@pytest.mark.parametrize("which", SIDES)
@pytest.mark.parametrize("kind", SERVERS)
def test_a_column_added_before(place, kind, which):
    wide, narrow = place(kind), place(other_of(kind))
    for side in (wide, narrow):
        fill(side)
    wide.execute(f"ALTER TABLE t ADD COLUMN more {wide.types['int']}")
    code, found = Started(*((wide.url, narrow.url) if which == "left" else (narrow.url, wide.url))).end()
    assert (code, found["verdict"]) == (1, "different")
    lacking = "right" if which == "left" else "left"
    assert found["tables"][0]["reasons"] == [f"the {lacking} has no column 'more'"]


@pytest.mark.parametrize("which", SIDES)
@pytest.mark.parametrize("kind", SERVERS)
def test_a_column_added_meanwhile(place, kind, which):
    """Of snapshots that are older than the column it can be said that they are equal, and only of them."""
    wide, narrow = place(kind), place(other_of(kind))
    for side in (wide, narrow):
        fill(side)
    sides = (wide, narrow) if which == "left" else (narrow, wide)
    _, tables = diffed(sides, Meanwhile(wide, f"ALTER TABLE t ADD COLUMN more {wide.types['int']}"))
    if tables["t"].verdict == "equal":
        assert tables["t"].snapshot_left
        assert tables["t"].snapshot_right
    else:
        assert (kind, which) == ("mariadb", "right")  # whose catalogue is that of now
    found, tables = diffed(sides)
    assert found.verdict == "different"
    assert "no column 'more'" in tables["t"].reasons[0]


@pytest.mark.parametrize("way", ["co-located", "in place"])
@pytest.mark.parametrize("kind", SERVERS)
def test_an_interruption_waits_for_no_statement(place, kind, way):
    """Neither side's; and none is left at work."""
    slow, quick = place(kind), place(other_of(kind))
    wait = {"postgres": "pg_sleep(60)::text", "mariadb": "sleep(60)"}[kind]
    slow.execute("CREATE TABLE base (id int PRIMARY KEY)", "INSERT INTO base VALUES (1)",
                 f"CREATE VIEW slow AS SELECT id, {wait} AS v FROM base")  # fmt: skip
    quick.execute("CREATE TABLE slow (id int PRIMARY KEY, v text)")
    working = {
        "postgres": "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND datname = current_database() "
        "AND wait_event = 'PgSleep'",
        "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND state = 'User sleep'",
    }[kind]
    for urls in ((slow.url, quick.url), (quick.url, slow.url)):
        started = Started(*urls, "--tables", "slow", "--way", way)
        assert eventually(lambda: slow.query(working)[0][0] > 0, 60)
        began = time.monotonic()
        started.interrupt()
        code, found = started.end()
        assert (code, found["state"], time.monotonic() - began < 20) == (130, "cancelled", True)
        assert eventually(lambda: slow.query(working)[0][0] == 0, 10)
