"""The sample: the same for the same seed, true to its own declarations, and reported on rightly."""

import hashlib
import io
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from rich.cells import cell_len
from rich.console import Console

from lading import sample

SMALL = 0.003
LINES = [
    sample.TerritoryLine("Nordics", "Malmö", Decimal("12345678.90"), Decimal(20_000_000), 61.7, 2025),
    sample.TerritoryLine("Nordics", "Tromsø", Decimal("9999.99"), None, None, 2025),
    sample.TerritoryLine("Oceania", "Perth", Decimal(24_000_000), Decimal(20_000_000), 120.0, 2025),
    sample.TerritoryLine("Oceania", "Hobart", Decimal(-50_000), Decimal(1_000_000), -5.0, 2025),
]


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "crm.db"
    sample.write(path, SMALL)
    return path


@pytest.fixture
def legacy(crm: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(crm)) as connection:
        yield connection


@pytest.fixture(scope="module")
def warehouse(crm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four tables of the report, each value through its text."""
    path = tmp_path_factory.mktemp("warehouse") / "warehouse.duckdb"
    with closing(sqlite3.connect(crm)) as source, duckdb.connect(str(path)) as target:
        for table in ("areas", "territories", "sales", "goals"):
            columns = [(name, kind) for _, name, kind, *_ in source.execute(f"PRAGMA table_info({table})")]
            names = ", ".join(f"{name} {kind.replace('DATETIME', 'TIMESTAMP')}" for name, kind in columns)
            target.execute(f"CREATE TABLE {table} ({names})")
            rows = source.execute(f"SELECT * FROM {table}").fetchall()
            lists = [[None if value is None else str(value) for value in column] for column in zip(*rows, strict=True)]
            marks = ", ".join(["unnest(?::VARCHAR[])"] * len(columns))
            target.execute(f"INSERT INTO {table} SELECT {marks}", lists)
    return path


def names(legacy: sqlite3.Connection) -> list[str]:
    return [name for (name,) in legacy.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")]


def digests(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            name: hashlib.sha256(repr(connection.execute(f"SELECT * FROM {name}").fetchall()).encode()).hexdigest()
            for name in names(connection)
        }


def shown(lines: list[sample.TerritoryLine], width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(sample.render(lines, width))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_the_same_seed_gives_the_same_rows(crm: Path, tmp_path: Path) -> None:
    sample.write(tmp_path / "again.db", SMALL)
    assert digests(tmp_path / "again.db") == digests(crm)


def test_another_seed_gives_other_rows(crm: Path, tmp_path: Path) -> None:
    sample.write(tmp_path / "other.db", SMALL, seed=8)
    here, there = digests(crm), digests(tmp_path / "other.db")
    assert {name for name in here if here[name] == there[name]} == {"areas", "permission_groups"}


def test_the_rows_are_counted(legacy: sqlite3.Connection, tmp_path: Path) -> None:
    counts = sample.write(tmp_path / "crm.db", SMALL)
    assert counts == {name: legacy.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names(legacy)}
    assert counts["sales"] == 3_000
    assert len(counts) == 15


def test_a_failure_leaves_the_old_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "crm.db"
    path.write_bytes(b"old")

    def full(scale: float, seed: int) -> Iterator[tuple[str, object]]:
        raise OSError("No space left")

    monkeypatch.setattr(sample, "_tables", full)
    with pytest.raises(OSError, match="No space"):
        sample.write(path, SMALL)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"crm.db": b"old"}


def test_a_new_file_does_not_meet_the_journal_of_the_old(tmp_path: Path) -> None:
    (tmp_path / "crm.db-wal").write_bytes(b"old")
    sample.write(tmp_path / "crm.db", SMALL)
    assert [file.name for file in tmp_path.iterdir()] == ["crm.db"]


def test_the_declared_keys_hold(legacy: sqlite3.Connection) -> None:
    assert legacy.execute("PRAGMA foreign_key_check").fetchall() == []
    assert legacy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    parents = {(row[2], name) for name in names(legacy) for row in legacy.execute(f"PRAGMA foreign_key_list({name})")}
    assert {("areas", "areas"), ("sales_people", "sales_people"), ("clients", "sales")} <= parents


def test_the_shapes_that_legacy_databases_have(legacy: sqlite3.Connection) -> None:
    keys = {name: [row[1] for row in legacy.execute(f"PRAGMA table_info({name})") if row[5]] for name in names(legacy)}
    assert [name for name, key in keys.items() if not key] == ["audit_lines"]
    assert keys["group_members"] == ["group_id", "user_id"]
    every, different = legacy.execute(
        "SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT * FROM audit_lines)) FROM audit_lines"
    ).fetchone()
    assert every > different
    notes = "".join(note for (note,) in legacy.execute("SELECT DISTINCT note FROM sales WHERE note IS NOT NULL"))
    assert all(part in notes for part in ("é", "🥂", '"', "'", "   ", "\n", "日本"))
    assert legacy.execute("SELECT count(*) FROM sales WHERE note = ''").fetchone()[0] > 0
    assert legacy.execute("SELECT count(*) FROM clients WHERE typeof(logo) = 'blob'").fetchone()[0] > 0


def test_values_are_of_their_declared_types(legacy: sqlite3.Connection) -> None:
    for table in names(legacy):
        for _, name, kind, *_ in legacy.execute(f"PRAGMA table_info({table})").fetchall():
            values = [value for (value,) in legacy.execute(f"SELECT DISTINCT {name} FROM {table}") if value is not None]
            limit = re.search(r"CHAR\((\d+)\)", kind)
            if limit:
                assert max(map(len, values)) <= int(limit[1]), (table, name)
            if kind in ("DATE", "DATETIME"):
                form = r"\d{4}-\d\d-\d\d" + (r" \d\d:\d\d:\d\d" if kind == "DATETIME" else "")
                assert all(re.fullmatch(form, value) for value in values), (table, name)
            if kind == "BOOLEAN":
                assert set(values) <= {0, 1}, (table, name)
            assert values, (table, name)


def test_decimals_come_back_at_their_scale(legacy: sqlite3.Connection) -> None:
    checked = 0
    for table in names(legacy):
        for _, name, kind, *_ in legacy.execute(f"PRAGMA table_info({table})").fetchall():
            if not (declared := re.fullmatch(r"(?:DECIMAL|NUMERIC)\((\d+),(\d+)\)", kind)):
                continue
            for (value,) in legacy.execute(f"SELECT {name} FROM {table} WHERE {name} IS NOT NULL"):
                exact = Decimal(repr(value))
                rounded = exact.quantize(Decimal(1).scaleb(-int(declared[2])))
                assert exact == rounded, (table, name)
                assert len(rounded.as_tuple().digits) <= int(declared[1]), (table, name, value)
                assert float(rounded) == value
                checked += 1
    assert checked > 9_000


def test_a_sale_is_its_units_at_its_price_by_a_seller_of_its_territory(legacy: sqlite3.Connection) -> None:
    odd = (
        "SELECT count(*) FROM sales s JOIN sales_people p ON p.id = person_id JOIN clients c ON c.id = client_id WHERE "
    )
    assert legacy.execute(odd + "abs(units * price - amount) > 0.006").fetchone() == (0,)
    assert legacy.execute(odd + "p.territory_id <> s.territory_id OR c.territory_id <> s.territory_id").fetchone() == (
        0,
    )


def test_the_report_equals_the_legacy_database(legacy: sqlite3.Connection, warehouse: Path) -> None:
    lines = sample.territory_report(warehouse)
    direct: dict[str, Decimal] = {}
    for territory, amount in legacy.execute(
        "SELECT t.name, amount FROM sales s JOIN territories t ON t.id = territory_id WHERE sold_on LIKE '2025-%'"
    ):
        direct[territory] = direct.get(territory, Decimal(0)) + Decimal(repr(amount))
    assert {line.territory: line.sold for line in lines if line.sold} == direct
    goals = dict(
        legacy.execute(
            "SELECT t.name, sum(amount) FROM goals JOIN territories t ON t.id = territory_id"
            " WHERE year = 2025 AND person_id IS NOT NULL GROUP BY t.name"
        ).fetchall()
    )
    assert {line.territory: line.goal for line in lines} == goals
    assert {line.year for line in lines} == {2025}
    assert len(lines) == 29


def test_the_report_is_in_order_and_its_percents_are_right(warehouse: Path) -> None:
    lines = sample.territory_report(warehouse)
    assert [line.area for line in lines] == sorted(line.area for line in lines)
    south = [line.territory for line in lines if line.area == "Southern Europe"]
    assert south == ["Côte d'Azur", "Île-de-France", "Lombardia", "Madrid"]
    for line in lines:
        assert line.goal is not None
        assert line.percent == pytest.approx(float(100 * line.sold / line.goal), abs=0.051)
    percents = [line.percent or 0 for line in lines]
    assert 55 < min(percents) < 80
    assert 100 < max(percents) < 135


@pytest.mark.parametrize("width", [70, 80, 100, 140])
def test_the_table_keeps_its_width_and_every_name_and_number(warehouse: Path, width: int) -> None:
    lines = sample.territory_report(warehouse)
    text = shown(lines, width)
    assert max(cell_len(row.rstrip()) for row in text.splitlines()) <= width
    assert "…" not in text
    assert all(line.territory in text and f"{line.percent:.1f} %" in text for line in lines)


def test_marks_say_what_colours_say() -> None:
    text = shown(LINES, 90)
    row = {
        name: next(row for row in text.splitlines() if name in row) for name in ("Malmö", "Tromsø", "Perth", "Hobart")
    }
    assert "12,346 " in row["Malmö"]
    assert "▼ 61.7 %" in row["Malmö"]
    assert "┃" in row["Malmö"]
    assert "–" in row["Tromsø"]
    assert "no goal" in row["Tromsø"]
    assert "▲ 120.0 %" in row["Perth"]
    assert "╋" in row["Perth"]
    assert "-50 " in row["Hobart"]
    assert "▼ -5.0 %" in row["Hobart"]
    assert "━" not in row["Hobart"]
    assert "thousand USD" in text


def test_a_narrow_terminal_loses_the_bars_only() -> None:
    text = shown(LINES, 50)
    assert "━" not in text
    assert "12,346" in text


def test_no_full_year_is_said() -> None:
    assert shown([], 80) == "No full year of sales yet.\n"


def test_the_module_is_light() -> None:
    heavy = "{'numpy', 'pyarrow', 'duckdb', 'rich', 'adbc_driver_sqlite'}"
    check = f"import sys; before = set(sys.modules); import lading.sample; print({heavy} & (set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
