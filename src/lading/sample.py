"""The sample: an asset manager's CRM as a legacy SQLite database, and the sales report of its warehouse."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    from rich.console import RenderableType
    from rich.text import Text

    Numbers = npt.NDArray[np.float64]

Columns = Mapping[str, Sequence[Any]]
T = TypeVar("T")

_DDL = """
CREATE TABLE areas (id INTEGER PRIMARY KEY, name NVARCHAR(60) NOT NULL UNIQUE, parent_id INTEGER REFERENCES areas (id),
  currency CHAR(3) NOT NULL);
CREATE TABLE territories (id INTEGER PRIMARY KEY, name NVARCHAR(60) NOT NULL,
  area_id INTEGER NOT NULL REFERENCES areas (id), opened DATE NOT NULL, UNIQUE (area_id, name));
CREATE TABLE teams (id INTEGER PRIMARY KEY, name NVARCHAR(80) NOT NULL UNIQUE,
  area_id INTEGER NOT NULL REFERENCES areas (id), budget DECIMAL(14,2));
CREATE TABLE sales_people (id INTEGER PRIMARY KEY, first_name NVARCHAR(40) NOT NULL, last_name NVARCHAR(60) NOT NULL,
  email VARCHAR(80) NOT NULL UNIQUE, team_id INTEGER NOT NULL REFERENCES teams (id),
  territory_id INTEGER NOT NULL REFERENCES territories (id), lead_id INTEGER REFERENCES sales_people (id),
  hired DATE NOT NULL, left_on DATE, commission REAL NOT NULL, active BOOLEAN NOT NULL DEFAULT 1);
CREATE TABLE clients (id INTEGER PRIMARY KEY, name NVARCHAR(120) NOT NULL, kind VARCHAR(20) NOT NULL,
  territory_id INTEGER NOT NULL REFERENCES territories (id), street NVARCHAR(80), postcode VARCHAR(10),
  email VARCHAR(80), joined DATE NOT NULL, rating REAL, active BOOLEAN NOT NULL DEFAULT 1, logo BLOB, remark TEXT);
CREATE TABLE funds (id INTEGER PRIMARY KEY, isin CHAR(12) NOT NULL UNIQUE, name NVARCHAR(120) NOT NULL,
  currency CHAR(3) NOT NULL, started DATE NOT NULL, closed DATE, expense_ratio REAL NOT NULL);
CREATE TABLE portfolios (id INTEGER PRIMARY KEY, fund_id INTEGER NOT NULL REFERENCES funds (id),
  name NVARCHAR(120) NOT NULL, benchmark NVARCHAR(80), risk SMALLINT NOT NULL, minimum DECIMAL(14,2) NOT NULL);
CREATE TABLE products (id INTEGER PRIMARY KEY, portfolio_id INTEGER NOT NULL REFERENCES portfolios (id),
  code VARCHAR(20) NOT NULL UNIQUE, name NVARCHAR(120) NOT NULL, list_price NUMERIC(14,4) NOT NULL,
  active BOOLEAN NOT NULL, withdrawn DATE);
CREATE TABLE sales ( -- amount and price are in USD, currency is what the client paid in
  id INTEGER PRIMARY KEY, sold_on DATE NOT NULL, client_id INTEGER NOT NULL REFERENCES clients (id),
  person_id INTEGER NOT NULL REFERENCES sales_people (id), territory_id INTEGER NOT NULL REFERENCES territories (id),
  product_id INTEGER NOT NULL REFERENCES products (id), amount DECIMAL(14,2) NOT NULL, units DECIMAL(14,4) NOT NULL,
  price NUMERIC(14,4) NOT NULL, currency CHAR(3) NOT NULL, entered_at DATETIME NOT NULL, note NVARCHAR(200));
CREATE TABLE goals ( -- in USD; without a person it is the territory's
  id INTEGER PRIMARY KEY, year SMALLINT NOT NULL, territory_id INTEGER NOT NULL REFERENCES territories (id),
  person_id INTEGER REFERENCES sales_people (id), amount DECIMAL(14,2) NOT NULL, agreed DATE NOT NULL,
  UNIQUE (year, territory_id, person_id));
CREATE TABLE users (id INTEGER PRIMARY KEY, login VARCHAR(40) NOT NULL UNIQUE, full_name NVARCHAR(120) NOT NULL,
  person_id INTEGER UNIQUE REFERENCES sales_people (id), created_at DATETIME NOT NULL, last_seen DATETIME,
  locked BOOLEAN NOT NULL DEFAULT 0);
CREATE TABLE permission_groups (id INTEGER PRIMARY KEY, name NVARCHAR(80) NOT NULL UNIQUE,
  area_id INTEGER REFERENCES areas (id), description TEXT);
CREATE TABLE group_members (group_id INTEGER NOT NULL REFERENCES permission_groups (id),
  user_id INTEGER NOT NULL REFERENCES users (id), added DATE NOT NULL, added_by INTEGER REFERENCES users (id),
  PRIMARY KEY (group_id, user_id));
CREATE TABLE grants (id INTEGER PRIMARY KEY, group_id INTEGER NOT NULL REFERENCES permission_groups (id),
  object VARCHAR(40) NOT NULL, territory_id INTEGER REFERENCES territories (id), can_read BOOLEAN NOT NULL,
  can_write BOOLEAN NOT NULL, granted_at DATETIME NOT NULL, UNIQUE (group_id, object, territory_id));
CREATE TABLE audit_lines (logged_at DATETIME NOT NULL, login VARCHAR(40), action CHAR(6) NOT NULL, line TEXT);
"""
_DERIVED = """
INSERT INTO users SELECT id, substr(email, 1, instr(email, '@') - 1), trim(first_name || ' ' || last_name), id,
  hired || ' 08:00:00', CASE WHEN id % 11 THEN printf('2026-03-%02d 17:45:09', 1 + id * 7 % 28) END, NOT active
  FROM sales_people;
INSERT INTO users (login, full_name, created_at) VALUES ('admin', 'The administrator', '1999-12-31 23:59:59'),
  ('svc_nightly', 'Nightly job', '2009-01-05 00:00:00'), ('compliance', 'Compliance desk ⚖️', '2012-02-29 09:00:00');
INSERT INTO permission_groups (name, area_id, description)
  SELECT 'Sales ' || name, id, 'Sees the sales of ' || name FROM areas WHERE parent_id IS NOT NULL ORDER BY id;
INSERT INTO permission_groups (name, description) VALUES ('Everyone', NULL), ('Compliance', ''), ('Nightly jobs', NULL);
INSERT INTO group_members SELECT g.id, p.id, p.hired, NULL FROM sales_people p
  JOIN territories t ON t.id = p.territory_id JOIN permission_groups g ON g.area_id = t.area_id;
INSERT INTO group_members SELECT g.id, u.id, date(u.created_at), a.id FROM permission_groups g, users u, users a
  WHERE a.login = 'admin' AND g.area_id IS NULL AND (g.name = 'Everyone' OR u.person_id IS NULL);
INSERT INTO grants (group_id, object, territory_id, can_read, can_write, granted_at)
  SELECT g.id, value, t.id, 1, value = 'sales', coalesce(t.opened, '2012-02-29') || ' 09:30:00' FROM permission_groups g
  JOIN json_each('["sales", "clients", "goals"]') LEFT JOIN territories t ON t.area_id = g.area_id
  WHERE t.id IS NOT NULL OR g.name = 'Compliance' ORDER BY g.id, t.id, value;
INSERT INTO audit_lines -- every fortieth sale, and every twelve hundredth twice
  SELECT entered_at, login, iif(s.id % 3, 'INSERT', 'UPDATE'), iif(amount > 0, printf('%d: %.2f', s.id, amount), NULL)
  FROM sales s JOIN users USING (person_id) JOIN json_each('[40, 1200]') step ON s.id % step.value = 0 ORDER BY s.id;
CREATE INDEX clients_territory ON clients (territory_id);
CREATE INDEX sales_client ON sales (client_id);
CREATE INDEX sales_territory_day ON sales (territory_id, sold_on);
CREATE INDEX sales_entered ON sales (entered_at);
"""
_CONTINENTS = ("Americas", "Europe", "Asia Pacific")
_AREAS = (  # name, continent, currency, legal forms, territories
    ("United States", 1, "USD", "LLC|Inc.", "New England|Mid-Atlantic|Great Lakes|Southeast|Texas|Pacific Coast"),
    ("Canada", 1, "CAD", "Ltd.|Ltée", "Ontario|Québec"),
    ("Latin America", 1, "USD", "S.A.|Ltda.", "México|São Paulo|Southern Cone"),
    ("British Isles", 2, "GBP", "plc|Ltd", "London|Scotland|Ireland"),
    ("Central Europe", 2, "EUR", "AG|GmbH & Co. KG", "Bayern|Rhein-Main|Zürich|Wien"),
    ("Southern Europe", 2, "EUR", "S.A.|S.p.A.", "Île-de-France|Côte d'Azur|Lombardia|Madrid"),
    ("Nordics", 2, "SEK", "AB|A/S", "København|Stockholm"),
    ("East Asia", 3, "JPY", "K.K.|Pte Ltd", "Hong Kong|Singapore|Tōkyō"),
    ("Oceania", 3, "AUD", "Pty Ltd|Limited", "Auckland|Sydney"),
)
_HOMES = [(name, area) for area, row in enumerate(_AREAS, 1 + len(_CONTINENTS)) for name in row[4].split("|")]
_CURRENCIES = ("USD", "EUR", "GBP", "JPY", "CAD", "AUD", "SEK")
_NAMES = """
Aaron Adèle Anna Ben Björn Carla Chloé Clara Daniel Diego Elena Emma Erik Farid Fiona François Grace Hannah Hiro Ines
Jack Jana João José Julia Kenji Lars Leila Liam Lucía Marco Mei Nora Oliver Priya Renée Sam Yuki Zoë
|Abbott Andersson Arnold Bauer Becker Bianchi Brennan Castro Chen Clarke Costa D'Angelo Dubois Dupré Eriksen Ferreira
Fischer Fontaine García Gómez Grant Gupta Haddad Hansen Hughes Ibrahim Ito Jensen Johansson Kaur Keller Lambert Larsen
Lindqvist López MacLeod Marsh Müller Murphy Nakamura Nguyen Novák O'Brien O'Connor Okafor Olsen Park Patel Peña Rossi
Santos Sato Schröder Silva Tanaka Vega Weber Whitfield Yılmaz Zhang
|Alder Amberley Ashgrove Aurora Beacon Birchwood Blackthorn Brightwater Calder Cedarpoint Clearbrook Driftwood Eastgate
Edelweiß Elmhurst Fairhaven Falkirk Fjordland Glenmore Granite Greyfriars Harrow Highfield Ironbridge Juniper Kestrel
Lakeside Larkspur Longmeadow Meridian Millstone Oakhaven Péridot Ravensworth Silverbirch Stonebridge Tamarack Thornhill
Valmont Westmark
"""
_FIRST, _LAST, _STEMS = (names.split() for names in _NAMES.split("|"))
_TRADES = ("Advisers", "Bank", "Family Office", "Insurance", "Pension Fund", "Trust")
_STREETS = ("Station Road", "Rue de l'Église", "Bahnhofstraße", "High Street", "Via Nuova", "King's Row")
_REGIONS, _ASSETS = ("Global", "European", "Emerging", "Pacific", "American", "Climate"), ("Equity", "Bond", "Income")
_FLAVOURS = ("Core", "Defensive", "Select", "Sustainable 🌱")
_REMARKS = """repeat order|said "not before Monday"|O'Brien's price; see e-mail||switch from class A   |two tranches:
second settles T+2|première souscription – remise accordée|VIP 🥂 call back|日本語の注文書あり"""
_NOTES = _REMARKS.split("|")
_LOGO = b"GIF89a\1\0\1\0\x80\0\0%s\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"  # one pixel, of one colour
_SEATS, _CHUNK = 5, 100_000  # sellers in a territory; sales in a batch
_SPAN, _YEARS = ("2023-01-01", "2026-04-01"), (2023, 2024, 2025, 2026)
_SEASON = (1.15, 1.05, 1.25, 1.1, 0.95, 0.95, 0.85, 0.65, 0.95, 1.05, 1.05, 1.3)
REPORT = """
WITH newest AS (
  SELECT max(y) AS year FROM (SELECT year(sold_on) y FROM sales GROUP BY y HAVING count(DISTINCT month(sold_on)) = 12)),
sums AS (
  SELECT territory_id, sum(amount) AS sold FROM sales JOIN newest ON year(sold_on) = newest.year GROUP BY ALL)
SELECT areas.name AS area, territories.name AS territory, coalesce(sums.sold, 0) AS sold, goals.amount AS goal,
  round(100 * coalesce(sums.sold, 0) / goals.amount, 1) AS percent, newest.year AS year
FROM territories JOIN areas ON areas.id = territories.area_id JOIN newest ON newest.year IS NOT NULL
LEFT JOIN sums ON sums.territory_id = territories.id
LEFT JOIN goals ON goals.territory_id = territories.id AND goals.year = newest.year AND goals.person_id IS NULL
ORDER BY area COLLATE noaccent, territory COLLATE noaccent
"""


def write(path: Path, scale: float = 1.0, seed: int = 7) -> dict[str, int]:
    """Write the CRM whole or not at all, and count its rows; scale 1 has a million sales, the least is 2,000."""
    from adbc_driver_sqlite import dbapi

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        with dbapi.connect(str(part), autocommit=True) as connection, connection.cursor() as cursor:
            for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
                cursor.execute(f"PRAGMA {setting}")
            for statement in ("BEGIN", *_DDL.split(";\n")[:-1]):
                cursor.execute(statement)
            for name, table in _tables(scale, seed):
                cursor.adbc_ingest(name, table, mode="append")
            for statement in (*_DERIVED.split(";\n")[:-1], "COMMIT"):
                cursor.execute(statement)
            cursor.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")
            names = [name for (name,) in cursor.fetchall()]
            cursor.execute(" UNION ALL ".join(f"SELECT count(*) FROM {name}" for name in names))
            rows = {name: int(count) for name, (count,) in zip(names, cursor.fetchall(), strict=True)}
        for leftover in ("-journal", "-wal", "-shm"):  # SQLite would replay the old file's into the new one
            path.with_name(path.name + leftover).unlink(missing_ok=True)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return rows


class _Dice(NamedTuple):
    rng: np.random.Generator

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.rng.integers(len(choices)))]

    def maybe(self, odds: float, value: T) -> T | None:
        return value if self.rng.random() < odds else None

    def number(self, low: int, high: int, digits: int = 0) -> float:
        return float(self.rng.integers(low * 10**digits, high * 10**digits)) / 10.0**digits

    def day(self, first: int, last: int) -> str:
        return f"{self.rng.integers(first, last + 1)}-{self.rng.integers(1, 13):02d}-{self.rng.integers(1, 29):02d}"


def _tables(scale: float, seed: int) -> Iterator[tuple[str, pa.Table]]:
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(seed)
    dice = _Dice(rng)
    small = {**_places(dice), **_funds(dice), "clients": _clients(dice, max(200, round(5_000 * scale)))}
    for name, columns in small.items():
        yield name, pa.table(dict(columns))
    sold = np.zeros((len(_YEARS), len(_HOMES) * _SEATS))
    for batch in _sales(rng, max(2_000, round(1_000_000 * scale)), small, sold):
        yield "sales", batch
    yield "goals", pa.table(dict(_goals(rng, sold.reshape(len(_YEARS), len(_HOMES), _SEATS))))


def _table(names: str, rows: Iterable[tuple[Any, ...]]) -> Columns:
    columns = zip(*((number, *row) for number, row in enumerate(rows, 1)), strict=True)
    return dict(zip(["id", *names.split()], columns, strict=True))


def _ascii(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if c.isascii() and c.isalnum())


def _places(dice: _Dice) -> dict[str, Columns]:
    areas = [*((name, None, "USD") for name in _CONTINENTS), *(row[:3] for row in _AREAS)]
    desks = [(f"{row[0]} {desk}", area) for area, row in enumerate(_AREAS, 4) for desk in ("Wholesale", "Direct")]
    teams = [(*desk, dice.maybe(0.8, dice.number(200, 9_000, 2))) for desk in desks]
    return {
        "areas": _table("name parent_id currency", areas),
        "territories": _table("name area_id opened", ((*home, dice.day(1994, 2015)) for home in _HOMES)),
        "teams": _table("name area_id budget", teams),
        "sales_people": _people(dice),
    }


def _people(dice: _Dice) -> Columns:
    """The sellers of territory 1, of territory 2 and so on; at the end some who left before the first sale."""
    rows: list[tuple[Any, ...]] = []
    leads: dict[int, int] = {}
    here = len(_HOMES) * _SEATS
    for number in range(1, here + 10):
        home = (number - 1) // _SEATS if number <= here else 3 * (number - here) - 3
        team = 2 * (_HOMES[home][1] - 4) + 1 + number % 2
        lead = leads.setdefault(team, number)
        first, last = dice.pick(_FIRST), dice.pick(_LAST)
        name = (first, last + " " * (number % 29 == 28), f"{_ascii(first)}.{_ascii(last)}{number}@crm.example")
        hired, left = dice.day(2001, 2017), None if number <= here else dice.day(2018, 2022)
        place = (team, home + 1, None if lead == number else lead)
        rows.append((*name, *place, hired, left, dice.number(1, 30, 3) / 1_000, int(not left)))
    return _table("first_name last_name email team_id territory_id lead_id hired left_on commission active", rows)


def _clients(dice: _Dice, count: int) -> Columns:
    odds = dice.rng.lognormal(0, 0.45, len(_HOMES))
    drawn = dice.rng.choice(len(_HOMES), count, p=odds / odds.sum()).tolist()
    rows: list[tuple[Any, ...]] = []
    for number, home in enumerate([*range(len(_HOMES)), *drawn[len(_HOMES) :]]):
        stem, kind, form = dice.pick(_STEMS), dice.pick(_TRADES), dice.pick(_AREAS[_HOMES[home][1] - 4][3].split("|"))
        name = f"{stem} {kind} {form}" + "  " * (number % 89 == 5)
        if number % 97 == 0:
            name = f'"{name}" (formerly {dice.pick(_LAST)} & Söhne)'
        street = dice.maybe(0.93, f"{dice.number(1, 200):.0f} {dice.pick(_STREETS)}")
        place = (home + 1, street, dice.maybe(0.9, f"{dice.number(100, 99_999):05.0f}"))
        email = dice.maybe(0.7, f"desk{number}@{_ascii(stem)}.example")
        rating, active = dice.maybe(0.6, float(dice.rng.normal(3.5, 0.8))), int(dice.rng.random() < 0.96)
        extras = (dice.maybe(0.15, _LOGO % dice.rng.bytes(3)), dice.maybe(0.1, dice.pick(_NOTES)))
        rows.append((name, kind.lower(), *place, email, dice.day(1995, 2022), rating, active, *extras))
    return _table("name kind territory_id street postcode email joined rating active logo remark", rows)


def _funds(dice: _Dice) -> dict[str, Columns]:
    funds: list[tuple[Any, ...]] = []
    folios: list[tuple[Any, ...]] = []
    products: list[tuple[Any, ...]] = []
    for theme in (f"{region} {asset}" for region in _REGIONS for asset in _ASSETS):
        life = (dice.day(1988, 2021), dice.maybe(0.1, "2026-03-31"), dice.number(10, 190, 2) / 10_000)
        funds.append(
            (f"LU{1_234_567_891 + 7_654_321 * len(funds)}", f"{theme} Fund", dice.pick(_CURRENCIES[:3]), *life)
        )
        for flavour in _FLAVOURS:
            name, benchmark = f"{theme} {flavour}", dice.maybe(0.8, f"{theme} “Net” Composite")
            folios.append((len(funds), name, benchmark, int(dice.number(1, 8)), dice.pick((0.0, 499.99, 25_000.5))))
            for share in "ADI":
                price, withdrawn = dice.number(8, 400, 4), dice.maybe(0.05, "2026-03-31")
                code = f"P{len(folios):04d}-{share}"
                products.append((len(folios), code, f"{name} {share}", price, int(not withdrawn), withdrawn))
    return {
        "funds": _table("isin name currency started closed expense_ratio", funds),
        "portfolios": _table("fund_id name benchmark risk minimum", folios),
        "products": _table("portfolio_id code name list_price active withdrawn", products),
    }


def _sales(rng: np.random.Generator, count: int, small: Mapping[str, Columns], sold: Numbers) -> Iterator[pa.Table]:
    """Sales in the order of their days, a chunk at a time; their cents are added to `sold`, by year and person."""
    import numpy as np
    import pyarrow as pa

    days = np.arange(*_SPAN, dtype="datetime64[D]")
    months = days.astype("datetime64[M]").astype(int)
    weight = np.is_busday(days) * np.array(_SEASON)[months % 12] * 1.09 ** ((months - months[0]) / 12)
    sold_by_day = np.cumsum(rng.multinomial(count, weight / weight.sum()))
    prices, homes = np.array(small["products"]["list_price"]), np.array(small["clients"]["territory_id"]) - 1
    demand = np.cumsum((rng.permutation(len(prices)) + 5.0) ** -0.9)
    fame = np.cumsum((rng.permutation(len(homes)) + 20.0) ** -0.8)
    paid = np.array([_CURRENCIES.index(_AREAS[area - 4][2]) for _, area in _HOMES])
    for first in range(0, count, _CHUNK):
        size = min(_CHUNK, count - first)
        number = np.arange(first, first + size)
        offset = np.searchsorted(sold_by_day, number, side="right")
        client = np.searchsorted(fame, rng.random(size) * fame[-1])
        product = np.searchsorted(demand, rng.random(size) * demand[-1])
        person = homes[client] * _SEATS + np.minimum(rng.geometric(0.3, size), _SEATS) - 1
        price = np.rint(prices[product] * (1 + 0.0002 * offset) * rng.normal(1, 0.01, size) * 1e4)
        wanted = np.clip(rng.lognormal(8.7, 1.2, size), 25, 2e7) * np.where(rng.random(size) < 0.04, -1, 1)
        units = np.rint(wanted / price * 1e8)
        cents = np.rint(units * price / 1e6)
        late = np.where(rng.random(size) < 0.02, rng.integers(1, 6, size), 0)
        entered = days[offset] + late + rng.integers(8 * 3600, 18 * 3600, size).astype("timedelta64[s]")
        currency = np.where(rng.random(size) < 0.1, 0, paid[homes[client]])
        note = pa.array(rng.integers(0, len(_NOTES), size), mask=rng.random(size) > 0.06)
        cell = (months[offset] // 12 + 1970 - _YEARS[0]) * sold.shape[1] + person
        sold += np.bincount(cell, cents, sold.size).reshape(sold.shape)
        ids = {"client_id": client, "person_id": person, "territory_id": homes[client], "product_id": product}
        columns = {"id": number + 1, "sold_on": pa.array(days[offset]).cast("string")}
        columns |= {name: values + 1 for name, values in ids.items()}
        columns |= {"amount": cents / 100, "units": units / 10_000, "price": price / 10_000}
        columns |= {"currency": pa.array(_CURRENCIES).take(pa.array(currency))}
        columns |= {"entered_at": pa.array(entered).cast("string"), "note": pa.array(_NOTES).take(note)}
        yield pa.table(columns)


def _goals(rng: np.random.Generator, sold: Numbers) -> Columns:
    """A territory's goal is the sum of its people's; the year still running expects a little more than the last."""
    import numpy as np

    reached = np.maximum(sold.sum(axis=2) / 100, 10_000)
    reached[-1] = reached[-2] * 1.07
    target = reached / (0.6 + 0.72 * rng.beta(2.5, 2.3, reached.shape))
    share = np.maximum(sold, sold.mean(axis=2, keepdims=True) / 3).clip(1) * rng.lognormal(0, 0.15, sold.shape)
    personal = np.rint(target[..., None] * share / share.sum(axis=2, keepdims=True) / 1_000).clip(1) * 1_000
    rows: list[tuple[Any, ...]] = []
    for year, goals in zip(_YEARS, personal, strict=True):
        rows += [(year, home, None, float(goal), f"{year - 1}-12-15") for home, goal in enumerate(goals.sum(axis=1), 1)]
        rows += [(year, n // _SEATS + 1, n + 1, float(goal), f"{year}-01-08") for n, goal in enumerate(goals.ravel())]
    return _table("year territory_id person_id amount agreed", rows)


class TerritoryLine(NamedTuple):
    """A territory in the newest full year; money in USD; no percent where there is no goal."""

    area: str
    territory: str
    sold: Decimal
    goal: Decimal | None
    percent: float | None
    year: int


def territory_report(path: Path) -> list[TerritoryLine]:
    """The lines of REPORT, read from the DuckDB warehouse at `path`."""
    import duckdb

    with duckdb.connect(str(path), read_only=True) as warehouse:
        return [TerritoryLine(*row) for row in warehouse.execute(REPORT).fetchall()]


def render(lines: Sequence[TerritoryLine], width: int) -> RenderableType:
    """The report as a table with bars, at most `width` wide; its marks say what its colours say."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    if not lines:
        return Text("No full year of sales yet.")
    sold, goal = sum(line.sold for line in lines), sum(line.goal or 0 for line in lines)
    total = TerritoryLine(
        "All", "", Decimal(sold), Decimal(goal), round(float(100 * sold / goal), 1) if goal else None, 0
    )
    unit, money = (1_000, "thousand USD") if sold >= 10_000_000 else (1, "USD")
    sums = [["–" if n is None else f"{n / unit:,.0f}" for n in (line.sold, line.goal)] for line in (*lines, total)]
    rows = [(line.area, line.territory, *cells) for line, cells in zip((*lines, total), sums, strict=True)]
    room = min(48, width - sum(max(map(len, column)) for column in zip(*rows, strict=True)) - 19)
    top = max(120.0, *(line.percent or 0.0 for line in lines))
    table = Table(box=box.HORIZONTALS, show_edge=False, pad_edge=False, collapse_padding=True, header_style="bold")
    for name in ("Area", "Territory", "Sold", "Goal", "Of goal", *[""] * (room >= 8)):
        named = name in ("Area", "Territory")
        table.add_column(name, no_wrap=not named, justify="left" if named or not name else "right")
    above = ""
    for line, (area, *cells) in zip((*lines, total), rows, strict=True):
        reached = _reached(line.percent, top, room)[: 2 if room >= 8 else 1]
        style = "bold" if line is total else ""
        table.add_row("" if area == above else area, *cells, *reached, style=style, end_section=line is lines[-1])
        above = area
    title = Text.assemble((f"Sales and goals, {lines[0].year}", "bold"), f"   in {money}")
    marks = (("▲", "green"), " above the goal   ", ("▼", "red"), " below 80 % of it", "   ┃ the goal" * (room >= 8))
    return Group(title, "", table, "", Text.assemble(*marks))


def _reached(percent: float | None, top: float, room: int) -> tuple[Text, Text]:
    """A percent and its bar of `room` cells, in steps of half a cell; the goal's cell is crossed when it was passed."""
    from rich.text import Text

    if percent is None:
        return Text("no goal"), Text("")
    mark, style = ("▲ ", "green") if percent > 100 else ("▼ ", "red") if percent < 80 else ("", "")
    halves, goal = round(2 * room * max(0.0, percent) / top), int(room * 100 / top)
    cells = ("━" * (halves // 2) + "╸" * (halves % 2)).ljust(room)
    bar = Text.assemble((cells[:goal], style), ("╋", style) if percent > 100 else "┃", (cells[goal + 1 :], style))
    return Text(f"{mark}{percent:.1f} %", style), bar
