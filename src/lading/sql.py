"""One SQL session for all databases, driven by a dialect and a driver."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import pyarrow as pa

from lading import measuring, merging
from lading.canon import Compared
from lading.catalogue import catalogue, spelled
from lading.connector import WHOLE, Load, Slice, Standing, ours
from lading.dialect import Dialect
from lading.digest import Reading
from lading.driver import Driver, transaction
from lading.errors import SpecError, Unsupported
from lading.facts import Facts
from lading.fingerprint import Fingerprint, Moved, fingerprint_of
from lading.inplace import Rendered, reading, unrendered
from lading.rendering import hashes
from lading.schema import Column, Mode, Table
from lading.slicing import between, bounds, conditions, inside, numbered, paged, same
from lading.types import Type, parse

_last = threading.Lock()  # Of two workers that finish at once, each would leave the ledger to the other.
LEDGER = "lading_ledger"
"""A table beside the staged ones: which slices of which load are committed. It is dropped when nothing is staged."""
SLICE = Column(name="lading_slice", type=parse("int(32)"), null=False)
BEGUN, PUBLISHED = -2, -1
"""Numbers in the ledger that stand for no slice."""


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

    def called(self, table: Table) -> Table:
        """The table as the system's catalogue calls it, so that it has one name before and after it is made."""
        found = spelled(self.driver, self.dialect, self.dialect.placed(table), self.default_schema)
        return found.model_copy(update={"schema_name": None}) if found.schema_name == self.default_schema else found

    # The catalogue

    def tables(self) -> Iterator[Table]:
        found = self._catalogue("", ())
        yield from (table for table in found if not table.view and not ours(table.name))

    def describe(self, name: str) -> Table | None:
        found = [table for pair in self.meant(name) for table in self._named(pair)]
        if len(found) > 1:  # 'b' in the schema 'a', and 'a.b' in the default one
            raise SpecError(f"Two tables are called '{name}'.", "Rename one, or leave both out.")
        return found[0] if found else None

    def _named(self, pair: tuple[str, str]) -> list[Table]:
        mark = self.dialect.placeholder
        return self._catalogue(f" WHERE table_schema = {mark} AND table_name = {mark}", pair)

    def meant(self, name: str) -> list[tuple[str, str]]:
        """The schemas and tables that a full name can mean, as both may hold dots."""
        dots = [at for at, sign in enumerate(name) if sign == "."]
        return [(self.default_schema, name), *((name[:at], name[at + 1 :]) for at in dots)]

    def _catalogue(self, condition: str, values: Sequence[str]) -> list[Table]:
        return catalogue(self.driver, self.dialect, self.default_schema, (condition, values))

    # Reading

    def name(self, table: Table) -> str:
        """The quoted name; tables without a schema are in the session's."""
        if table.schema_name is None and self._schema is not None:
            table = table.model_copy(update={"schema_name": self._schema})
        return self.dialect.table(table)

    def read(self, table: Table, slice: Slice) -> Iterator[pa.RecordBatch]:
        batches = self.driver.fetch(self._select(table, slice, self._reads(table)), table)
        yield from batches if hashes(self.dialect) else inside(batches, table, slice)

    def _reads(self, table: Table) -> list[str]:
        return [f"{self.dialect.read(c)} AS {self.dialect.quote(c.name)}" for c in table.columns]

    def _select(self, table: Table, slice: Slice, items: Sequence[str]) -> str:
        return f"SELECT {', '.join(items)} {self.place(table, slice)}"

    def place(self, table: Table, slice: Slice) -> str:
        """FROM and WHERE of a slice."""
        return f"FROM {self.name(table)} lading_t{self._where(table, slice)}"

    def _where(self, table: Table, slice: Slice) -> str:
        parts = conditions(self.dialect, table, slice)
        if slice.within is not None:
            stage = self.name(table.model_copy(update={"name": slice.within}))
            key = [table.column(name) or Column(name=name, type=parse("string")) for name in table.key]
            parts.append(f"EXISTS (SELECT 1 FROM {stage} lading_s WHERE {self._same('lading_s', 'lading_t', key)})")
        return f" WHERE {' AND '.join(parts)}" if parts else ""

    def _same(self, left: str, right: str, key: Sequence[Column]) -> str:
        return same(self.dialect, left, right, key)

    def slices(self, table: Table, rows: int, since: Slice = WHOLE) -> list[Slice]:
        place, held = self.place(table, since), table.rows
        # Of a table that is followed by a cursor it is what changed that is cut, and mostly that is little.
        if held is None or (since.since_low is not None and held > rows):
            held = int(self.driver.query(f"SELECT count(*) {place}")[0][0])
        count = -(-held // rows)
        if count <= 1:
            return [since]
        if since.since is None and (pages := self.pages(table) or 0) > 1:
            return paged(pages, count)
        if not table.key:
            return [since]
        return between(self._bounds(table, count, since), table.key, since)

    def pages(self, table: Table) -> int | None:
        """How many pages a table has; None where it cannot be cut by them."""
        place = (table.schema_name or self.default_schema, table.name)
        found = self.driver.query(self.dialect.pages, place) if self.dialect.pages else []
        return int(found[0][0]) if found and found[0][0] is not None else None

    def _bounds(self, table: Table, count: int, since: Slice) -> list[tuple[str, ...]]:
        return bounds(self.dialect, self.driver.query, (self.place(table, since), table), count)

    def digest(self, table: Table, slice: Slice) -> Reading | None:
        hashed = self._row_hash(table) if self.dialect.row_hash and table.columns else ""
        return reading(
            self.dialect, lambda items: self.driver.query(self._select(table, slice, items))[0], table, hashed
        )

    def measure(self, table: Table, columns: Sequence[str]) -> dict[str, Type]:
        """See `connector.Measures`."""
        return measuring.measure(self._ask(table), self.dialect, [c for c in table.columns if c.name in columns])

    def profile(self, table: Table, targets: Mapping[str, Type]) -> tuple[int, list[Facts]]:
        """See `connector.Profiles`."""
        return measuring.profile(self._ask(table), self.dialect, table, targets)

    def _ask(self, table: Table) -> measuring.Ask:
        return lambda items: self.driver.query(self._select(table, WHOLE, items))[0]

    def unrendered(self, table: Table, columns: Sequence[Compared]) -> dict[str, str]:
        return unrendered(self.dialect, self.driver, table, columns)

    def fingerprints(
        self, table: Table, columns: Sequence[Compared], key: Sequence[str], buckets: int, slice: Slice = WHOLE,
        moved: Moved | None = None,
    ) -> Fingerprint:  # fmt: skip
        """See `connector.Fingerprints`."""
        if slice.buckets is not None and not hashes(self.dialect):
            return fingerprint_of(self.read(table, slice), table.columns, columns, key, buckets, moved)
        rendered = Rendered(self.dialect, self.driver, table, columns, key)
        return rendered.fingerprint(self.place(table, slice), buckets, moved)

    def _row_hash(self, table: Table) -> str:
        columns = ", ".join(self.dialect.read(c) for c in table.columns)
        return self.dialect.row_hash.format(columns=columns)

    # Writing

    def prepare(self, load: Load) -> None:
        ledger, stage = self._ledger(load), load.stage
        text, number = (self.dialect.native(Column(name="x", type=parse(t))) for t in ("string(32)", "int(64)"))
        with transaction(self.driver):
            self._make_schema(load)
            columns = f"load_id {text} NOT NULL, slice {number} NOT NULL, row_count {number} NOT NULL"
            self.driver.execute(self._creating(ledger, columns))
            if self._marked(load, BEGUN):
                return
            # In this order, and unless it is there: some systems commit whatever makes a table.
            if load.fresh or not self._make_alike(load):
                self._make_stage(stage)
            self._mark(load, BEGUN, 0)

    def _make_stage(self, stage: Table) -> None:
        self.driver.execute(self._creating(self.name(stage), ", ".join(self._definitions(stage))))

    def refuse_computed(self, table: Table, columns: Iterable[Column]) -> None:
        """Refuses a table that computes one of these columns itself, where nobody can write such columns."""
        place = (table.schema_name or self.default_schema, table.name)
        found = self.driver.query(self.dialect.computed, place) if self.dialect.computed else []
        names = {column.name for column in columns}
        if name := next((name for (name,) in found if name in names), ""):
            raise Unsupported(
                f"The target computes column '{name}' of '{table.full_name}'; it cannot be written.",
                "Leave it out with 'exclude', or make the column an ordinary one.",
            )

    def refuse_mode(self, found: Table, wanted: Table, mode: Mode) -> None:
        """Refuses a table that is there and whose rows cannot be written so; `wanted` is what is to be written."""

    def _make_alike(self, load: Load) -> bool:
        """A stage that refuses rows which the table refuses, so that they are found one by one."""
        stage, place = self.name(load.stage), (load.table.schema_name or self.default_schema, load.table.name)
        if self.dialect.body and (found := self.driver.query(self.dialect.body, place)):
            column = f"{self.dialect.quote(SLICE.name)} {self.dialect.native(SLICE)}"
            self.driver.execute(f"CREATE TABLE {stage} ({column}, {str(found[0][0]).removeprefix('(')}")
            return True
        if not self.dialect.refusals:
            return False
        names = {column.name for column in load.table.columns}
        refusals = self.driver.query(self.dialect.refusals, place)
        clauses = [str(c) for c, key, on in refusals if names.issuperset(on) and (load.strict or not int(key))]
        self.driver.execute(self._creating(stage, ", ".join([*self._definitions(load.stage), *clauses])))
        return True

    def _refuse_known(self, load: Load) -> None:
        if load.strict and load.mode is Mode.APPEND and not load.fresh:
            old = self.describe(load.table.full_name)
            merging.refuse_known(self.dialect, self.driver.query, self._names(load), load, old.key if old else ())

    def _make_schema(self, load: Load) -> None:
        schema = load.table.schema_name or self._schema
        if not (self.dialect.create_schema and load.fresh and schema):
            return
        # Asked first: PostgreSQL wants the right to make schemas even for one that is there.
        known = f"SELECT 1 FROM information_schema.schemata WHERE schema_name = {self.dialect.placeholder}"
        if not self.driver.query(known, (schema,)):
            self.driver.execute(self.dialect.create_schema.format(name=self.dialect.quote(schema)))

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
        if not self.dialect.slice_column:
            return self._staged(load, number, lambda: self.driver.load(self._placed(stage), batches))
        wide = self._placed(stage.model_copy(update={"columns": (*stage.columns, SLICE)}))
        return self._staged(load, number, lambda: self.driver.load(wide, numbered(batches, SLICE.name, number)))

    def _staged(self, load: Load, number: int, write: Callable[[], int]) -> int:
        with transaction(self.driver):
            self._unstage(load, number)
            rows = write()
            self._refuse_known(load)
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
        with transaction(self.driver):
            waiting = [load for load in loads if not self._marked(load, PUBLISHED)]
            for statement in (each for load in waiting for each in self._publishing(load)):
                self.driver.execute(statement)
            for load in waiting:
                if self._triggered(load):
                    merging.refuse_changed(self.read, load)
                self._mark(load, PUBLISHED, 0)

    def _triggered(self, load: Load) -> bool:
        place = (load.table.schema_name or self.default_schema, load.table.name)
        kept = load.mode is not Mode.APPEND and not load.fresh
        return kept and bool(self.dialect.triggers and self.driver.query(self.dialect.triggers, place))

    def standing(self, load: Load) -> Standing:
        if not self._holds_ledger(load) or not self._marked(load, BEGUN):
            return Standing.GONE
        if self._marked(load, PUBLISHED):
            return Standing.PUBLISHED if self.describe(load.table.full_name) else Standing.GONE
        return self._begun(load, self.describe(load.stage.full_name) is not None)

    def _begun(self, load: Load, staged: bool) -> Standing:  # here, publishing is one transaction
        return Standing.STAGED if staged else Standing.GONE

    def _publishing(self, load: Load) -> list[str]:
        """The statements that make a load visible."""
        if load.mode is Mode.REPLACE:
            if load.fresh:
                return self.placing(load)
            swapped = self.driver.swap(load.model_copy(update={"table": self._placed(load.table)}))
            if swapped is not None:
                return swapped
            return [f"DELETE FROM {self.name(load.table)}", self._insert(load)]
        if load.mode is Mode.MERGE:
            merging.refuse_doubled(self.dialect, self.driver.query, self._names(load)[1], load)
        if load.fresh:
            return self.placing(load)
        if load.mode is Mode.APPEND:
            return [self._insert(load)]
        old = self.describe(load.table.full_name)
        if load.new is None and not (old and old.key and set(old.key) <= set(load.key)):
            merging.refuse_several(self.dialect, self.driver.query, self._names(load), load)
        merging.refuse_others(self.dialect, self.driver.query, self._names(load), load)
        return [*self._update(load), self._insert(load, missing=True)]

    def placing(self, load: Load) -> list[str]:
        """The statements that turn the staged table into the target's, which is absent."""
        stage = self.name(load.stage)
        quoted = ", ".join(self.dialect.quote(name) for name in load.key)
        drop = (
            [f"ALTER TABLE {stage} DROP COLUMN {self.dialect.quote(SLICE.name)}"] if self.dialect.slice_column else []
        )
        key = [self.dialect.add_key.format(t=stage, columns=quoted)] if self.dialect.add_key and load.key else []
        name = self.dialect.quote(load.table.name)
        return [*drop, *key, self.dialect.rename.format(t=stage, name=name, target=self.name(load.table))]

    def _insert(self, load: Load, missing: bool = False) -> str:
        columns = ", ".join(self.dialect.quote(c.name) for c in load.table.columns)
        target, stage = self.name(load.table), self.name(load.stage)
        absent = f" WHERE {merging.absent(self.dialect, target, load.stage.keyed)}" if missing else ""
        return f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {stage} s{absent}"

    def _update(self, load: Load) -> list[str]:
        return merging.updating(self.dialect, self._names(load), load)

    def _names(self, load: Load) -> merging.Names:
        return self.name(load.table), self.name(load.stage)

    def erase(self, table: Table, keys: Iterable[pa.RecordBatch]) -> int:
        """See `connector.Erases`."""
        name = hashlib.sha256(f"erase {table.full_name}".encode()).hexdigest()[:12]
        load = Load(id=name, table=table.model_copy(update={"columns": table.keyed}), key=table.key, fresh=True)
        self.discard(load)  # what an interrupted call has left
        self.prepare(load)
        try:
            self.stage(load, keys, 0)
            with transaction(self.driver):
                return merging.erase(self.dialect, self.driver, self._names(load), table, self.takers(table))
        finally:
            self.discard(load)

    def takers(self, table: Table) -> Iterable[merging.Taker]:
        """The foreign keys by which deletes of the table's rows are passed on to rows of others."""
        return ()

    def _holds_ledger(self, load: Load) -> bool:
        mark = self.dialect.placeholder
        named = f"SELECT 1 FROM ({self.dialect.catalog}) lading_q WHERE table_schema = {mark} AND table_name = {mark}"
        schema = load.table.schema_name or self.default_schema
        return bool(self.driver.query(self.dialect.limit.format(sql=named, n=1), (schema, LEDGER)))

    def discard(self, load: Load) -> None:
        ledger, stage = self._ledger(load), self.name(load.stage)
        with _last, transaction(self.driver):
            self.driver.execute(self.dialect.drop.format(t=stage, plain=self.dialect.text(f"DROP TABLE {stage}")))
            if not self._holds_ledger(load):
                return
            self.driver.execute(f"DELETE FROM {ledger} WHERE load_id = {self.dialect.text(load.id)}")
            if not self.driver.query(self.dialect.limit.format(sql=f"SELECT 1 FROM {ledger}", n=1)):
                self.driver.execute(f"DROP TABLE {ledger}")
