"""The connection is cut, or the server goes away: the run goes on by itself, or says so and goes on when asked."""

import random
import threading
import time

import pytest

from lading.errors import Unreachable
from tests.faults.sides import Side
from tests.faults.work import Shape, Work

SHAPES = (
    Shape("whole", (("id", "int"),), 8_000),
    Shape("pair", (("region", "text"), ("number", "int")), 5_000),
    Shape("loose", (), 3_000),
    Shape("later", (("id", "int"),), 2_000, there=False),
)
SERVERS = ("postgres", "mariadb")


def work_of(source: Side, target: Side, store, **words) -> Work:
    return Work(source, target, store, shapes=SHAPES, slice_rows=1_000, **words)


def between(work: Work, proxy, which: str):
    """The addresses of both sides, one of them by way of the proxy."""
    urls = {"source": work.source.url, "target": work.target.url}
    return {**urls, which: proxy.url(urls[which])}


@pytest.mark.parametrize("which", ["source", "target"])
@pytest.mark.parametrize("kind", SERVERS)
def test_a_cut_connection_is_made_again(request, place, copy, own_store, proxy, kind, which):
    other = "sqlite" if which == "target" else "duckdb"
    sides = (place(kind), place(other)) if which == "source" else (place(other), place(kind))
    work = work_of(*sides, own_store)
    cable = proxy(request.getfixturevalue(kind))
    urls = between(work, cable, which)
    work.reset()
    assert copy(urls["source"], urls["target"], slice_rows=1_000).state == "proved"
    whole = cable.bytes_up + cable.bytes_down
    rng = random.Random(5)
    for _ in range(3):
        work.reset()
        connections = cable.connections
        cable.cut_after(rng.randrange(int(whole * 0.05), int(whole * 0.95)))
        try:
            bill = copy(urls["source"], urls["target"], slice_rows=1_000)
        except Unreachable:  # while it was planned
            bill = copy(urls["source"], urls["target"], slice_rows=1_000)
        assert bill.state == "proved", bill.tables
        assert cable.connections > connections + 2 or which == "source"
        work.check_end()


@pytest.mark.parametrize("which", ["source", "target"])
@pytest.mark.parametrize("kind", SERVERS)
def test_a_connection_that_stays_cut_is_said_and_gone_on_from(request, place, copy, own_store, proxy, kind, which):
    other = "sqlite" if which == "target" else "duckdb"
    sides = (place(kind), place(other)) if which == "source" else (place(other), place(kind))
    work = work_of(*sides, own_store)
    cable = proxy(request.getfixturevalue(kind))
    urls = between(work, cable, which)
    work.reset()
    cutting = threading.Thread(target=_cut_when_staged, args=(work, cable), daemon=True)
    cutting.start()
    bill = copy(urls["source"], urls["target"], slice_rows=500)
    cutting.join()
    assert bill.state == "failed"
    failed = [table for table in bill.tables if table.state == "failed"]
    assert {table.error_kind for table in failed} == {"unreachable"}
    assert all(table.error and "Traceback" not in table.error for table in failed)
    work.check_readers()
    waits, announced = (
        sum(staged for state, staged in work.ledger().values() if state == word) for word in ("staging", "publishing")
    )
    cable.heal()
    bill = copy(urls["source"], urls["target"], slice_rows=500)
    work.proved(bill.model_dump(mode="json"))
    kept = sum(table.slices_kept for table in bill.tables)
    # The cut may come when all that was staged is published; of what was announced, only the target knows.
    assert kept in (waits, waits + announced)
    work.target.leftovers()


def _cut_when_staged(work: Work, cable) -> None:
    while sum(staged for _, staged in work.ledger().values()) < 3:
        time.sleep(0.002)
    cable.refuse()
    cable.cut()


@pytest.mark.parametrize("how", ["restart", "kill"])
@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_that_goes_away_comes_back(request, place, copy, own_store, monkeypatch, kind, how):
    server = request.getfixturevalue(f"own_{kind}")
    name = f"t{time.monotonic_ns()}"
    work = work_of(place("sqlite"), Side.of(server.create_database(name)), own_store)
    work.reset()
    monkeypatch.setenv("LADING_RETRY_SECONDS", "1.5")
    ending = threading.Thread(target=_end_when_staged, args=(work, server, how))
    ending.start()
    bill = copy(work.source, work.target, slice_rows=500)
    ending.join()
    if bill.state != "proved":
        assert {table.error_kind for table in bill.tables if table.error} == {"unreachable"}, bill.tables
        bill = copy(work.source, work.target, slice_rows=500)
    work.proved(bill.model_dump(mode="json"))
    work.check_end()


def _end_when_staged(work: Work, server, how: str) -> None:
    while sum(staged for _, staged in work.ledger().values()) < 3:
        time.sleep(0.002)
    if how == "restart":
        server.restart()
    else:
        server.kill()
        server.start()


def test_a_cut_in_the_middle_of_a_copy_is_told_by_nobody_but_us(request, place, own_store, proxy):
    wide = Shape("whole", (("id", "int"),), 150_000)
    work = Work(place("postgres"), place("postgres"), own_store, shapes=(wide,), slice_rows=1_000_000)
    cable = proxy(request.getfixturevalue("postgres"))
    work.reset()
    cable.cut_after(500_000)  # of some 7 MB
    output, errors = work.start(target=cable.url(work.target.url)).communicate(timeout=60)
    assert (errors, '"state":"proved"' in output) == ("", True)
    assert cable.connections > 2
    work.check_end()
