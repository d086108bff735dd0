"""One SQL session for all databases, driven by a dialect and a driver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Protocol

import pyarrow as pa

from lading.connector import WHOLE, Load, Slice
from lading.dialect import Dialect
from lading.digest import Aggregate, Reading, summed
from lading.errors import DataError, LadingError, Unsupported
from lading.schema import Column, Mode, Table
from lading.types import Type, parse

LEDGER = "lading_ledger"
"""A table beside the staged ones: which slices of which load are committed. It is dropped when nothing is staged."""
SLICE = Column(name="lading_slice", type=parse("int(32)"), null=False)
_BEGUN, _PUBLISHED = -2, -1


class Driver(Protocol):
    """One vendor's library, spoken to in SQL. Every failure is one of the seven errors."""

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a small result."""

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        """Runs a statement."""

    def fetch(self, sql: str, table: Table) -> Iterator[pa.RecordBatch]:
        """Streams a result whose columns are `table`'s, read by `Dialect.read`, in their canonical Arrow types."""

    def load(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        """Appends batches to a table inside the transaction begun, refusing whatever it would change."""

    def begin(self) -> None:
        """Begins a transaction that writes."""

    def commit(self) -> None:
        """Makes it durable."""

    def rollback(self) -> None:
        """Undoes it; without a transaction does nothing."""

    def pin(self, snapshot: str | None) -> str:
        """See `Session.pin`."""

    def swap(self, load: Load) -> list[str] | None:
        """Statements that put the staged table in place of the old one, keeping all that hangs on it; None when
        the old table must be refilled instead."""

    def close(self) -> None:
        """Ends the connection."""


class SqlSession:
    """A `connector.Session` over a driver."""

    def __init__(self, dialect: Dialect, driver: Driver, schema: str | None = None) -> None:
        self.dialect = dialect
        self.driver = driver
        self._schema = schema
        self._default: str | None = None

    @property
    def default_schema(self) -> str:
        if self._default is None:
            self._default = self._schema or str(self.driver.query(self.dialect.default_schema)[0][0])
        return self._default

    def check(self) -> None:
        self.driver.query(self.dialect.default_schema)

    def close(self) -> None:
        self.driver.close()

    def pin(self, snapshot: str | None = None) -> str:
        return self.driver.pin(snapshot)

    def fit(self, table: Table) -> Table:
        return self.dialect.fit(table)

    # The catalogue

    def tables(self) -> Iterator[Table]:
        found = self._catalogue("", ())
        yield from (table for table in found if not table.view and not table.name.startswith("lading_"))

    def describe(self, name: str) -> Table | None:
        schema, _, rest = name.partition(".")
        wanted = [(self.default_schema, name)] + ([(schema, rest)] if rest else [])
        mark = self.dialect.placeholder
        for pair in wanted:
            condition = f" WHERE table_schema = {mark} AND table_name = {mark}"
            found = self._catalogue(condition, pair)
            if found:
                return found[0]
        return None

    def _catalogue(self, condition: str, values: Sequence[str]) -> list[Table]:
        def rows(query: str, order: str) -> list[tuple[Any, ...]]:
            return self.driver.query(f"SELECT * FROM ({query}) lading_q{condition}{order}", values)

        columns: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
        for schema, table, *rest in rows(self.dialect.catalog, " ORDER BY 1, 2, 3"):
            columns.setdefault((schema, table), []).append(tuple(rest))
        keys: dict[tuple[str, str], dict[tuple[int, str], list[str]]] = {}
        for schema, table, rank, key, _place, column in rows(self.dialect.keys, " ORDER BY 1, 2, 3, 4, 5"):
            keys.setdefault((schema, table), {}).setdefault((int(rank), key), []).append(column)
        sizes = {(schema, table): (n, size) for schema, table, n, size in rows(self.dialect.sizes, "")}
        return [
            self._table(name, found, next(iter(keys.get(name, {}).values()), []), sizes.get(name, (None, None)))
            for name, found in columns.items()
        ]

    def _table(
        self, name: tuple[str, str], found: list[tuple[Any, ...]], key: list[str], size: tuple[Any, Any]
    ) -> Table:
        columns, problems = [], []
        for _place, column, native, null, _view in found:
            type_ = self.dialect.canonical(native)
            if type_ is None:
                problems.append(
                    f"column '{column}' has the type '{native or '(none)'}', which {self.dialect.name} has no "
                    f"canonical type for; add it to src/lading/dialects/{self.dialect.name}.py or leave the column out"
                )
            type_ = type_ or Type("string")
            columns.append(self.dialect.column(column, type_, bool(int(null)), native))
        schema, table = name
        return Table(
            name=table,
            schema_name=None if schema == self.default_schema else schema,
            columns=tuple(columns),
            key=tuple(key),
            rows=None if size[0] is None or int(size[0]) < 0 else int(size[0]),
            bytes=None if size[1] is None else int(size[1]),
            problems=tuple(problems),
            view=bool(int(found[0][4])),
        )

    # Reading

    def name(self, table: Table) -> str:
        """The quoted name; tables without a schema are in the session's."""
        if table.schema_name is None and self._schema is not None:
            table = table.model_copy(update={"schema_name": self._schema})
        return self.dialect.table(table)

    def read(self, table: Table, slice: Slice) -> Iterator[pa.RecordBatch]:
        yield from self.driver.fetch(self._select(table, slice, self._reads(table)), table)

    def _reads(self, table: Table) -> list[str]:
        return [f"{self.dialect.read(c)} AS {self.dialect.quote(c.name)}" for c in table.columns]

    def _select(self, table: Table, slice: Slice, items: Sequence[str]) -> str:
        return f"SELECT {', '.join(items)} FROM {self.name(table)} lading_t{self._where(table, slice)}"

    def _where(self, table: Table, slice: Slice) -> str:
        parts = []
        if slice.pages is not None:
            low, high = slice.pages
            parts += [self.dialect.page_low.format(n=low)] if low else []
            parts += [self.dialect.page_high.format(n=high)] if high is not None else []
        if slice.low is not None:
            parts.append(f"NOT ({self._before(table, slice.on, slice.low)})")
        if slice.high is not None:
            parts.append(self._before(table, slice.on, slice.high))
        if slice.since is not None and slice.since_low is not None:
            quoted = self.dialect.quote(slice.since)
            bound = self._literal(table, slice.since, slice.since_low)
            parts.append(f"({quoted} >= {bound} OR {quoted} IS NULL)")
        if slice.within is not None:
            stage = self.name(table.model_copy(update={"name": slice.within}))
            parts.append(f"EXISTS (SELECT 1 FROM {stage} lading_s WHERE {self._same('lading_s', 'lading_t', table.key)})")
        return f" WHERE {' AND '.join(parts)}" if parts else ""

    def _before(self, table: Table, on: Sequence[str], bound: Sequence[str]) -> str:
        """Rows whose key sorts before the bound, in the database's own order."""
        column, value = self.dialect.quote(on[0]), self._literal(table, on[0], bound[0])
        if len(on) == 1:
            return f"{column} < {value}"
        return f"({column} < {value} OR ({column} = {value} AND {self._before(table, on[1:], bound[1:])}))"

    def _literal(self, table: Table, column: str, value: str) -> str:
        found = table.column(column)
        return self.dialect.literal(value, found.type if found else Type("string"))

    def _same(self, left: str, right: str, key: Sequence[str]) -> str:
        pairs = [f"{left}.{self.dialect.quote(name)} = {right}.{self.dialect.quote(name)}" for name in key]
        return " AND ".join(pairs)

    def slices(self, table: Table, rows: int, since: Slice = WHOLE) -> list[Slice]:
        held = table.rows
        if held is None:
            held = int(self.driver.query(f"SELECT count(*) FROM {self.name(table)}")[0][0])
        count = -(-held // rows)
        if count <= 1:
            return [since]
        if self.dialect.pages and since.since is None:
            place = (table.schema_name or self.default_schema, table.name)
            pages = self.driver.query(self.dialect.pages, place)
            if pages and pages[0][0] and int(pages[0][0]) > 1:
                return _paged(int(pages[0][0]), count)
        if not table.key:
            return [since]
        bounds = self._bounds(table, count)
        edges: list[tuple[str, ...] | None] = [None, *bounds, None]
        return [
            since.model_copy(update={"number": n, "on": table.key, "low": low, "high": high})
            for n, (low, high) in enumerate(zip(edges, edges[1:], strict=False))
        ]

    def _bounds(self, table: Table, count: int) -> list[tuple[str, ...]]:
        """Quantiles of the key, in the database's own order; of evenly filled whole numbers by arithmetic."""
        quoted = ", ".join(self.dialect.quote(name) for name in table.key)
        source = self.name(table)
        first = table.keyed[0]
        if len(table.key) == 1 and first.type.kind == "int":
            low, high, rows = self.driver.query(f"SELECT min({quoted}), max({quoted}), count(*) FROM {source}")[0]
            if rows and (int(high) - int(low)) < 2 * int(rows):
                step = (int(high) - int(low)) / count
                return [(str(int(low) + round(step * n)),) for n in range(1, count) if step >= 1]
        rows = int(self.driver.query(f"SELECT count(*) FROM {source}")[0][0])
        step = max(rows // count, 1)
        columns = ", ".join(f"{self.dialect.read(c)} AS {self.dialect.quote(c.name)}" for c in table.keyed)
        numbered = f"SELECT {quoted}, row_number() OVER (ORDER BY {quoted}) AS lading_n FROM {source}"
        turn = self.dialect.modulo.format(a="lading_n", b=step)
        picked = f"SELECT {columns} FROM ({numbered}) lading_q WHERE lading_n > 1 AND {turn} = 1 ORDER BY lading_n"
        found = self.driver.query(picked) if step > 1 else []
        return [tuple(str(value) for value in row) for row in found][: count - 1]

    def digest(self, table: Table, slice: Slice) -> Reading | None:
        items = ["count(*)"]
        for column in table.columns:
            quoted = self.dialect.quote(column.name)
            total = self.dialect.totals.get(column.type.kind) if summed(column.type) else None
            items += [self.dialect.count.format(c=quoted), total.format(c=self.dialect.read(column), q=quoted) if total else "NULL"]
        if self.dialect.row_hash and table.columns:
            items.append(self._row_hash(table))
        values: list[Any] = []
        for start in range(0, len(items), self.dialect.select_items):
            part = items[start : start + self.dialect.select_items]
            values += self.driver.query(self._select(table, slice, part))[0]
        pairs = zip(table.columns, values[1::2], values[2::2], strict=False)
        columns = {}
        for c, n, t in pairs:
            known = summed(c.type) and c.type.kind in self.dialect.totals
            columns[c.name] = Aggregate(values=int(n), total=Decimal(str(t or 0)) if known else None)
        return Reading(rows=int(values[0]), columns=columns, native=str(values[-1]) if self.dialect.row_hash and table.columns else "")

    def _row_hash(self, table: Table) -> str:
        template = self.dialect.row_column
        columns = self.dialect.row_join.join(template.replace("{c}", self.dialect.read(c)) for c in table.columns)
        return self.dialect.row_hash.format(columns=columns)

    # Writing

    def prepare(self, load: Load) -> None:
        ledger, stage = self._ledger(load), load.stage
        text, number = (self.dialect.native(Column(name="x", type=parse(t))) for t in ("string(32)", "int(64)"))
        with _transaction(self.driver):
            columns = f"load_id {text} NOT NULL, slice {number} NOT NULL, row_count {number} NOT NULL"
            self.driver.execute(self._creating(ledger, columns))
            if self._marked(load, _BEGUN):
                return
            self._mark(load, _BEGUN, 0)
            self.driver.execute(f"CREATE TABLE {self.name(stage)} ({', '.join(self._definitions(stage))})")

    def _creating(self, name: str, columns: str) -> str:
        plain = self.dialect.text(f"CREATE TABLE {name} ({columns})")
        return self.dialect.create.format(t=name, columns=columns, name=self.dialect.text(name), plain=plain)

    def _definitions(self, table: Table) -> list[str]:
        columns = [*table.columns, SLICE] if self.dialect.slice_column else table.columns
        lines = [
            f"{self.dialect.quote(c.name)} {self.dialect.native(c)}{'' if c.null else ' NOT NULL'}" for c in columns
        ]
        if self.dialect.key_inline and table.key:
            lines.append(f"PRIMARY KEY ({', '.join(self.dialect.quote(name) for name in table.key)})")
        return lines

    def stage(self, load: Load, batches: Iterable[pa.RecordBatch], number: int) -> int:
        stage = load.stage
        with _transaction(self.driver):
            self._unstage(load, number)
            if self.dialect.slice_column:
                wide = stage.model_copy(update={"columns": (*stage.columns, SLICE)})
                rows = self.driver.load(self._placed(wide), _numbered(batches, number))
            else:
                rows = self.driver.load(self._placed(stage), batches)
            self._mark(load, number, rows)
        return rows

    def _placed(self, table: Table) -> Table:
        schema = table.schema_name or self._schema
        return table.model_copy(update={"schema_name": schema})

    def _unstage(self, load: Load, number: int) -> None:
        stage = self.name(load.stage)
        if self.dialect.slice_column:
            self.driver.execute(f"DELETE FROM {stage} WHERE {self.dialect.quote(SLICE.name)} = {number}")
        elif self._marked(load, number):
            # Rows of a slice were written by the transaction that wrote its line in the ledger.
            marker = f"SELECT xmin FROM {self._ledger(load)} WHERE {self._line(load, number)}"
            self.driver.execute(f"DELETE FROM {stage} WHERE xmin IN ({marker})")
        self.driver.execute(f"DELETE FROM {self._ledger(load)} WHERE {self._line(load, number)}")

    def _ledger(self, load: Load) -> str:
        return self.name(load.table.model_copy(update={"name": LEDGER}))

    def _line(self, load: Load, number: int) -> str:
        return f"load_id = {self.dialect.text(load.id)} AND slice = {number}"

    def _marked(self, load: Load, number: int) -> bool:
        return bool(self.driver.query(f"SELECT 1 FROM {self._ledger(load)} WHERE {self._line(load, number)}"))

    def _mark(self, load: Load, number: int, rows: int) -> None:
        values = f"({self.dialect.text(load.id)}, {number}, {rows})"
        self.driver.execute(f"INSERT INTO {self._ledger(load)} (load_id, slice, row_count) VALUES {values}")

    def publish(self, loads: Sequence[Load]) -> None:
        with _transaction(self.driver):
            for load in loads:
                if not self._marked(load, _PUBLISHED):
                    for statement in self._publishing(load):
                        self.driver.execute(statement)
                    self._mark(load, _PUBLISHED, 0)

    def _publishing(self, load: Load) -> list[str]:
        """The statements that make a load visible."""
        if load.mode is Mode.REPLACE:
            if load.fresh:
                return self.placing(load)
            swapped = self.driver.swap(load)
            if swapped is not None:
                return swapped
            return [f"DELETE FROM {self.name(load.table)}", self._insert(load)]
        if load.fresh:
            return self.placing(load)
        if load.mode is Mode.APPEND:
            return [self._insert(load)]
        return [*self._update(load), self._insert(load, missing=True)]

    def placing(self, load: Load) -> list[str]:
        """The statements that turn the staged table into the target's, which is absent."""
        stage = self.name(load.stage)
        quoted = ", ".join(self.dialect.quote(name) for name in load.key)
        drop = [f"ALTER TABLE {stage} DROP COLUMN {self.dialect.quote(SLICE.name)}"] if self.dialect.slice_column else []
        key = [self.dialect.add_key.format(t=stage, columns=quoted)] if self.dialect.add_key and load.key else []
        name = self.dialect.quote(load.table.name)
        return [*drop, *key, self.dialect.rename.format(t=stage, name=name, target=self.name(load.table))]

    def _insert(self, load: Load, missing: bool = False) -> str:
        columns = ", ".join(self.dialect.quote(c.name) for c in load.table.columns)
        target, stage = self.name(load.table), self.name(load.stage)
        absent = f" WHERE NOT EXISTS (SELECT 1 FROM {target} t WHERE {self._same('t', 's', load.key)})" if missing else ""
        return f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {stage} s{absent}"

    def _update(self, load: Load) -> list[str]:
        stage = self.name(load.stage)
        keys = ", ".join(self.dialect.quote(name) for name in load.key)
        doubled = self.driver.query(
            self.dialect.limit.format(sql=f"SELECT {keys} FROM {stage} GROUP BY {keys} HAVING count(*) > 1", n=1)
        )
        if doubled:
            raise DataError(
                f"Key {doubled[0]} of '{load.table.full_name}' stands in the source more than once.",
                "Name a key that is unique with 'key', or append.",
            )
        rest = [self.dialect.quote(c.name) for c in load.table.columns if c.name not in load.key]
        if not rest:
            return []
        own = "t." if self.dialect.update.startswith("UPDATE {t} t JOIN") else ""
        sets = ", ".join(f"{own}{name} = s.{name}" for name in rest)
        on = self._same("t", "s", load.key)
        return [self.dialect.update.format(t=self.name(load.table), s=stage, sets=sets, on=on)]

    def _dropping(self, name: str) -> str:
        return self.dialect.drop.format(t=name, plain=self.dialect.text(f"DROP TABLE {name}"))

    def discard(self, load: Load) -> None:
        ledger = self._ledger(load)
        with _transaction(self.driver):
            self.driver.execute(self._dropping(self.name(load.stage)))
            if self.describe(load.table.model_copy(update={"name": LEDGER}).full_name) is None:
                return
            self.driver.execute(f"DELETE FROM {ledger} WHERE load_id = {self.dialect.text(load.id)}")
            if not self.driver.query(self.dialect.limit.format(sql=f"SELECT 1 FROM {ledger}", n=1)):
                self.driver.execute(f"DROP TABLE {ledger}")


class _transaction:
    """Commits at the end, or undoes everything and lets the error through."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def __enter__(self) -> None:
        self.driver.begin()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            try:
                self.driver.commit()
            except LadingError:
                self.driver.rollback()
                raise
        else:
            self.driver.rollback()


def _paged(pages: int, count: int) -> list[Slice]:
    size = max(pages // count, 1)
    starts = [size * n for n in range(min(count, pages))]
    ends: list[int | None] = [*starts[1:], None]
    return [Slice(number=n, pages=pair) for n, pair in enumerate(zip(starts, ends, strict=True))]


def _numbered(batches: Iterable[pa.RecordBatch], number: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        numbers = pa.repeat(pa.scalar(number, pa.int32()), batch.num_rows)
        yield batch.append_column(SLICE.name, numbers)


def refuse_writing(system: str) -> Unsupported:
    """The error of systems that cannot be written."""
    return Unsupported(f"{system} cannot be written to.", "Choose another target.")
