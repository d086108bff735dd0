"""Rows that the target refuses: found, kept with their reason, counted; too many stop the table."""

import pytest

from lading import actions

TARGETS = ("sqlite", "duckdb", "postgres", "mariadb")
ROWS = 3_000


def source(place, rows=ROWS):
    """A table without rules of its own."""
    side = place("sqlite")
    side.execute("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v INTEGER, code VARCHAR(60), note VARCHAR(60))")
    side.fill("t", [(n, n, f"c{n}", f"n{n}") for n in range(rows)])
    return side


def target(place, kind):
    """A table with every rule that refuses rows, and one row."""
    side = place(kind)
    types = side.types
    side.execute(
        f"CREATE TABLE t (id {types['int']} NOT NULL PRIMARY KEY, v {types['int']} NOT NULL CHECK (v >= 0), "
        f"code {types['text']} UNIQUE, note VARCHAR(10))"
    )
    side.fill("t", [(-1, 5, "old", "old")])
    return side


BAD = {
    "not null": ("UPDATE t SET v = NULL WHERE id = 1234", {1234}),
    "check": ("UPDATE t SET v = -7 WHERE id IN (7, 2345)", {7, 2345}),
    "unique here": ("UPDATE t SET code = 'c501' WHERE id = 502", {501, 502}),
    "unique far": ("UPDATE t SET code = 'c5' WHERE id = 2995", {5, 2995}),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("kind", TARGETS)
def test_a_refused_row_is_found(place, copy, kind, bad):
    mode = ("replace", "merge", "append")[(TARGETS.index(kind) + list(BAD).index(bad)) % 3]
    here, there = source(place), target(place, kind)
    statement, ids = BAD[bad]
    here.execute(statement)
    wanted = 1 if bad.startswith("unique") else len(ids)
    words = {"mode": mode, "slice_rows": 1_000, "accept": ["null", "cuts"]}

    bill = copy(here, there, max_rejects=wanted - 1, **words)
    assert bill.tables[0].error_kind == "data", bill.tables[0]
    assert there.query("SELECT id, v, code, note FROM t") == [(-1, 5, "old", "old")]

    bill = copy(here, there, max_rejects=wanted, **words)
    assert bill.state == "proved", bill.tables
    rows = bill.tables[0].rows
    assert (rows.source, rows.target, rows.rejected) == (ROWS, ROWS - wanted, wanted)
    kept = actions.rejects(bill.run)
    refused = {int(reject.row["id"] or "") for reject in kept}
    assert len(kept) == wanted
    assert refused <= ids
    assert all(reject.reason for reject in kept)
    old = set() if mode == "replace" else {-1}
    assert {row[0] for row in there.query("SELECT id FROM t")} == set(range(ROWS)) - refused | old
    assert there.leftovers() == set()


@pytest.mark.parametrize("kind", TARGETS)
def test_an_appended_key_that_is_there_is_refused(place, copy, kind):
    here, there = source(place, 1_000), target(place, kind)
    there.fill("t", [(77, 1, "other", "x"), (500, 1, "another", "x")])
    words = {"mode": "append", "slice_rows": 400, "accept": ["null", "cuts"]}
    failed = copy(here, there, max_rejects=1, **words)
    assert failed.tables[0].error_kind == "data"
    assert there.query("SELECT count(*) FROM t") == [(3,)]
    bill = copy(here, there, max_rejects=2, **words)
    assert bill.state == "proved", bill.tables
    assert {int(reject.row["id"] or "") for reject in actions.rejects(bill.run)} == {77, 500}
    assert there.query("SELECT count(*) FROM t") == [(1_001,)]
    assert there.leftovers() == set()


@pytest.mark.parametrize("kind", TARGETS)
def test_what_stopped_a_table_can_be_corrected(place, copy, kind):
    """What was staged before is kept, and what the corrected source holds is published."""
    here, there = source(place), target(place, kind)
    here.execute("UPDATE t SET code = 'c5' WHERE id = 2995")
    words = {"slice_rows": 500, "accept": ["null", "cuts"]}
    failed = copy(here, there, **words)
    assert failed.tables[0].error_kind == "data"
    assert there.query("SELECT count(*) FROM t") == [(1,)]
    here.execute("UPDATE t SET code = 'c2995' WHERE id = 2995")
    bill = copy(here, there, **words)
    assert bill.state == "proved", bill.tables
    assert bill.tables[0].slices_kept > 0
    assert there.query("SELECT count(*), count(DISTINCT code) FROM t") == [(ROWS, ROWS)]
    assert there.leftovers() == set()
