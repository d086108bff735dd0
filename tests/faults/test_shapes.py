"""Hostile shapes, from every system into every other."""

from collections import Counter
from collections.abc import Iterable

import pytest

from lading.errors import LadingError
from tests.faults.sides import Row, Side

KINDS = ("sqlite", "duckdb", "postgres", "mariadb")
NAMES = [
    'a "quoted" one', "it's", "two words", "MixedCase", "select", "order", "ä€ß", "🚀 launch", "back`tick",
    "back\\slash", "per%cent %s {x}", "dot.ted", "x" * 63, "semi;colon--", "[bracket]", "lading", "trailing ",
    "$dollar", "1st", "new\nline",
]  # fmt: skip


PAIRS = [(source, KINDS[(number + step) % 4]) for number, source in enumerate(KINDS) for step in (1, 2)]
"""Every source with two targets, so that each is both often enough."""


def rows_of(side: Side, tables: Iterable[str]) -> dict[str, Counter[Row]]:
    found = {}
    with side.open() as cursor:
        for table in tables:
            cursor.execute(f"SELECT * FROM {side.quote(table)}")
            found[table] = Counter(tuple(row) for row in cursor.fetchall())
    return found


def same(source: Side, target: Side, *tables: str) -> None:
    assert rows_of(source, tables) == rows_of(target, tables)
    assert target.leftovers() == set()


@pytest.mark.parametrize(("source", "target"), PAIRS[::2])
def test_names(place, copy, source, target):
    here, there = place(source), place(target)
    # MySQL has no names that end with a space, nor with characters beyond U+FFFF.
    names = [name for name in NAMES if "mariadb" not in (source, target) or not (name.endswith(" ") or "🚀" in name)]
    with here.open() as cursor:
        for number, name in enumerate(names):
            columns = ", ".join(f"{here.quote(n)} {here.types['int']}" for n in names)
            key = here.quote(name)
            cursor.execute(
                f"CREATE TABLE {here.quote(name)} ({columns}, PRIMARY KEY ({key}))".replace(
                    f"{key} {here.types['int']}", f"{key} {here.types['int']} NOT NULL"
                )
            )
            for row in range(3):
                values = ", ".join(str(number * 100 + row) for _ in names)
                cursor.execute(f"INSERT INTO {here.quote(name)} VALUES ({values})")
    for mode in ("replace", "merge"):
        bill = copy(here, there, mode=mode, slice_rows=2)
        assert bill.state == "proved", [(t.table, t.error) for t in bill.tables if t.state != "proved"]
    assert {t.table for t in bill.tables} == set(names)
    same(here, there, *names)


def test_a_name_that_the_target_cannot_have_is_said(place, copy):
    here, there = place("sqlite"), place("mariadb")
    here.execute('CREATE TABLE "🚀" (id INTEGER)')
    with pytest.raises(LadingError, match=r"🚀.*MySQL.*'into'"):
        copy(here, there)
    here.execute(f'ALTER TABLE "🚀" RENAME TO "{"ä" * 40}"')
    with pytest.raises(LadingError, match=r"80 bytes.*63.*--into"):
        copy(here, place("postgres"))


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_sizes_and_keys(place, copy, source, target):
    here, there = place(source), place(target)
    t = here.types
    tables = {
        "nothing": (f"(id {t['int']} NOT NULL PRIMARY KEY, v {t['text']})", []),
        "one": (f"(id {t['int']} NOT NULL PRIMARY KEY, v {t['text']})", [(1, None)]),
        "keyless": (f"(a {t['int']}, b {t['text']})", [(1, "x"), (1, "x"), (None, None), (None, None), (2, "")] * 30),
        "three": (
            f"(a {t['text']}, b {t['int']}, c {t['text']}, v {t['int']}, PRIMARY KEY (c, a, b))",
            [(f"a{n % 3}", n, f"ö{n % 5}", n) for n in range(300)],
        ),
        "words": (
            f"(w {t['text']} NOT NULL PRIMARY KEY, v {t['int']})",
            [(word, n) for n, word in enumerate(words(source))],
        ),
        "all_null": (
            f"(id {t['int']} NOT NULL PRIMARY KEY, v {t['float']}, d {t['decimal']})",
            [(n, None, None) for n in range(40)],
        ),
    }
    for name, (columns, rows) in tables.items():
        here.execute(f"CREATE TABLE {here.quote(name)} {columns}")
        here.fill(name, rows)
    here.settle()
    for _ in range(2):
        bill = copy(here, there, slice_rows=20)
        assert bill.state == "proved", [(t.table, t.error, t.proof) for t in bill.tables if t.state != "proved"]
        same(here, there, *tables)
    assert next(t for t in bill.tables if t.table == "three").slices > 2
    assert next(t for t in bill.tables if t.table == "words").slices > 1


def words(source: str) -> list[str]:
    """Keys that some collations hold equal, sort apart or fold; the source must tell them apart."""
    if source == "mariadb":  # whose default collation holds a, A and ä for one
        return [f"{letter}{number}" for letter in "aZmößñ" for number in range(20)] + ["_", "-", ""]
    odd = [
        "",
        " ",
        "a",
        "A",
        "á",
        "a ",
        "ss",
        "ß",
        "ﬀ",
        "ff",
        "İ",
        "ı",
        "\u0301x",
        "z\u200b",
        "ﬁ",
        "Å",
        "A\u030a",
        "_",
        "%",
    ]
    return [f"{letter}{number}" for letter in "aZmÄzéAß" for number in range(20)] + odd


@pytest.mark.parametrize(
    ("source", "target"), [("sqlite", "duckdb"), ("sqlite", "postgres"), ("duckdb", "sqlite"), ("postgres", "duckdb")]
)
def test_1500_columns(place, copy, source, target):
    here, there = place(source), place(target)
    columns = [f"c{n}" for n in range(1_500)]
    number = here.types["int"]
    here.execute(f"CREATE TABLE wide ({', '.join(f'{name} {number}' for name in columns)})")
    with here.open() as cursor:
        for row in range(5):
            values = ("NULL" if n % 3 else str(row * 10 + n % 7) for n in range(1_500))
            cursor.execute(f"INSERT INTO wide VALUES ({', '.join(values)})")
    for _ in range(2):
        bill = copy(here, there)
        assert bill.state == "proved", bill.tables
        same(here, there, "wide")


def test_more_columns_than_the_target_has_room_for_are_refused(place, copy):
    here, there = place("sqlite"), place("mariadb")
    here.execute(f"CREATE TABLE wide ({', '.join(f'c{n} INTEGER' for n in range(1_500))})")
    with pytest.raises(LadingError, match=r"1,500 columns.*1,01"):
        copy(here, there)


@pytest.mark.parametrize(
    ("source", "target"), [("sqlite", "postgres"), ("postgres", "mariadb"), ("mariadb", "duckdb"), ("duckdb", "sqlite")]
)
def test_a_value_of_50_mb(place, copy, source, target):
    here, there = place(source), place(target)
    kind = {"mariadb": "LONGTEXT", "duckdb": "VARCHAR"}.get(source, "TEXT")
    here.execute(f"CREATE TABLE big (id {here.types['int']} NOT NULL PRIMARY KEY, v {kind})")
    text = "0123456789abcdeé" * (50 * 2**20 // 17)
    here.fill("big", [(1, "small"), (2, text), (3, None)])
    bill = copy(here, there)
    assert bill.state == "proved", bill.tables
    found = dict(there.query("SELECT id, v FROM big"))
    assert found[2] == text
    assert (found[1], found[3]) == ("small", None)


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_a_table_that_refers_to_itself(place, copy, kind):
    """A tree whose rows come before their parents, replaced where it is and merged into."""
    here, there = place("sqlite"), place(kind)
    here.execute("CREATE TABLE tree (id INTEGER NOT NULL PRIMARY KEY, up INTEGER REFERENCES tree (id), v INTEGER)")
    here.fill("tree", [(n, n + 1 if n < 999 else None, n) for n in range(1_000)])
    there.execute(
        "CREATE TABLE tree (id bigint NOT NULL PRIMARY KEY, up bigint, v bigint, FOREIGN KEY (up) REFERENCES tree (id))"
    )
    there.execute("INSERT INTO tree VALUES (5000, NULL, 1), (5001, 5000, 1)")
    bill = copy(here, there, slice_rows=100)
    assert bill.state == "proved", bill.tables
    same(here, there, "tree")
    here.execute("UPDATE tree SET v = v + 1", "INSERT INTO tree VALUES (2000, 2001, 1), (2001, NULL, 2)")
    bill = copy(here, there, mode="merge", slice_rows=100)
    assert bill.state == "proved", bill.tables
    same(here, there, "tree")
    bill = copy(here, there, slice_rows=100)
    assert bill.state == "proved", bill.tables
    same(here, there, "tree")
