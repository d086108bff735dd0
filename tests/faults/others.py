"""What other people do to a database while Lading works on it, each in a process of their own.

A process of their own because two copies of SQLite in one process lose each other's locks.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.faults.sides import Side, eventually

ACCOUNTS = 4_000
SPAWN = multiprocessing.get_context("spawn")


@contextmanager
def meanwhile(work: Callable[..., None], *words: Any) -> Iterator[Any]:
    """Runs work(*words, count, stop) until the block ends; gives the count of what it did."""
    count, stop = SPAWN.Value("q", 0), SPAWN.Event()
    process = SPAWN.Process(target=work, args=(*words, count, stop))
    process.start()
    try:
        assert eventually(lambda: count.value or not process.is_alive(), 60)
        assert count.value, "the other process ended before it began"
        yield count
    finally:
        stop.set()
        process.join(60)
        assert process.exitcode == 0


def move_money(url: str, first: int, count: Any, stop: Any) -> None:
    """Moves money between accounts, writes every move down, closes accounts and opens others with their money."""
    side, rng, number, newest = Side.of(url), random.Random(first), first, ACCOUNTS + first
    while not stop.is_set():
        giver, taker = rng.sample(range(ACCOUNTS // 2), 2)
        amount = rng.randrange(50)
        with side.open() as cursor:
            for who, by in sorted(((giver, -amount), (taker, amount))):
                cursor.execute(f"UPDATE accounts SET balance = balance + {by}, n = n + 1 WHERE id = {who}")
            cursor.execute(f"INSERT INTO moves VALUES ({number}, {giver}, {taker}, {amount})")
            old = ACCOUNTS // 2 + rng.randrange(ACCOUNTS // 2)
            cursor.execute(f"SELECT balance, n FROM accounts WHERE id = {old}")
            if row := cursor.fetchone():
                cursor.execute(f"DELETE FROM accounts WHERE id = {old}")
                cursor.execute(f"INSERT INTO accounts VALUES ({newest}, {row[0]}, {row[1]}, 'new')")
        number, newest = number + 1, newest + 1
        count.value += 1
        time.sleep(0.001)


def hold(url: str, statement: str, seconds: float, count: Any, stop: Any) -> None:
    """Holds what a statement locks, and gives it back unchanged after so long."""
    with Side.of(url).open() as cursor:
        cursor.execute(statement)
        count.value += 1
        stop.wait(seconds)
        if statement.startswith("LOCK TABLES"):
            cursor.execute("UNLOCK TABLES")


def look(url: str, tables: list[str], seen: Any, count: Any, stop: Any) -> None:
    """Looks at tables as somebody's report would; puts everything that it sees for the first time."""
    side, known = Side.of(url), set()
    while not stop.is_set():
        for table in tables:
            try:
                ((rows, total),) = side.query(f"SELECT count(*), coalesce(sum(v), 0) FROM {side.quote(table)}")
                found: Any = (table, int(rows), int(total))
            except Exception as error:  # noqa: BLE001 - whatever a reader meets is what the test is about
                found = (table, repr(error))
            if found not in known:
                known.add(found)
                seen.put(found)
            count.value += 1
        time.sleep(0.05)
