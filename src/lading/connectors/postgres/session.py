"""The session: what PostgreSQL does otherwise than other SQL databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lading.connector import Load, Slice
from lading.connectors.postgres import passing, referring, routes
from lading.connectors.postgres.driver import Driver
from lading.connectors.postgres.ending import cancel
from lading.connectors.postgres.hashing import comparing, contents, row_hash
from lading.connectors.postgres.reading import padded
from lading.connectors.postgres.refusing import refuse_mode
from lading.connectors.postgres.replacing import publish, refilling
from lading.connectors.postgres.rights import check, named, rights
from lading.connectors.postgres.trial import counted, trial
from lading.dialect import Dialect
from lading.driver import spent
from lading.schema import Column, Mode, Table
from lading.sql import SqlSession
from lading.types import Type

_LOCK = 0x1AD1_AD1A_D1AD  # the number under which sessions of Lading wait for each other


class PostgresSession(SqlSession):
    """A session whose names always carry their schema, so that nothing in pg_catalog or pg_temp hides a table."""

    driver: Driver

    def __init__(self, dialect: Dialect, driver: Driver, schema: str | None) -> None:
        super().__init__(dialect, driver, schema or driver.schema)

    def check(self) -> None:
        check(self)

    def fit(self, table: Table) -> Table:
        """Types that this database does not have become those that it has; lists of lists become JSON."""
        natives = [own for c in table.columns if (own := self._own(c))]
        sql = "SELECT n FROM unnest(%s::text[]) n WHERE to_regtype(n) IS NOT NULL"
        known = {row[0] for row in self.driver.query(sql, (natives,))} if natives else set()
        columns = []
        for column in table.columns:
            update: dict[str, str | Type] = {} if self._own(column) in known else {"native": ""}
            if column.type.item is not None and column.type.item.kind == "list":
                update = {"native": "", "type": Type("json")}
            columns.append(column.model_copy(update=update))
        return super().fit(table.model_copy(update={"columns": tuple(columns)}))

    route, routines, trial, cancel, rights = routes.route, routes.routines, trial, cancel, rights
    computed, own, counted = routes.computed, routes.own, counted
    form, decoded, give, take, total = passing.form, passing.decoded, passing.give, passing.take, passing.total

    def _own(self, column: Column) -> str:
        """A native type of another PostgreSQL; numerics whose scale only newer servers know become plain ones."""
        kind, _, native = column.native.partition(":")
        odd = native.startswith("numeric") and native.endswith("*/") and "money" not in native
        return native if kind == self.dialect.name and not odd else ""

    # Reading

    def place(self, table: Table, slice: Slice) -> str:
        self.driver.hold(self.name(table))
        return super().place(table, slice)

    def _reads(self, table: Table) -> list[str]:
        """Padded columns come as they are, and `Parser` trims them: one expression in a select slows it by a third."""
        quote = self.dialect.quote
        return [f"{quote(c.name) if padded(c) else self.dialect.read(c)} AS {quote(c.name)}" for c in table.columns]

    _row_hash = row_hash

    def cpu_seconds(self) -> float | None:
        """See `connector.Spends`: of both backends."""
        own = self.driver.query("SELECT pg_backend_pid()")
        return spent((int(own[0][0]), *self.driver.wire.pids), "postgres", self.driver.words.get("host"))

    # Writing

    def prepare(self, load: Load) -> None:
        if not load.fresh:
            self.refuse_computed(load.table, load.table.columns)
        with named(self, [load]), self._alone():
            super().prepare(load)

    def discard(self, load: Load) -> None:
        with self._alone():
            super().discard(load)

    def _creating(self, name: str, columns: str) -> str:
        """Rows of our own tables can be deleted even where a publication of all tables wants to know which."""
        making = super()._creating(name, columns)
        if self.driver.query(f"SELECT to_regclass({self.dialect.text(name)}) IS NOT NULL")[0][0]:
            return making
        return f"{making}; ALTER TABLE {name} REPLICA IDENTITY FULL"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One session at a time makes and drops the ledger: IF NOT EXISTS alone does not keep two apart."""
        self.driver.query(f"SELECT pg_advisory_lock({_LOCK})")
        try:
            yield
        finally:
            self.driver.rollback()
            self.driver.query(f"SELECT pg_advisory_unlock({_LOCK})")

    publish, refuse_mode, takers = publish, refuse_mode, referring.takers

    def _publishing(self, load: Load) -> list[str]:
        if load.mode is not Mode.REPLACE or load.fresh:
            made = super()._publishing(load)
            return [*made, *comparing(self, load)] if load.mode is Mode.MERGE and not load.fresh else made
        swapped = self.driver.swap(load)
        return refilling(self, load) if swapped is None else swapped

    def placing(self, load: Load) -> list[str]:
        """As others do, but the key comes after the new name, and so is named after the table."""
        target = self.name(load.table)
        key = ", ".join(self.dialect.quote(name) for name in load.key)
        rename = self.dialect.rename.format(t=self.name(load.stage), name=self.dialect.quote(load.table.name))
        whole = f"ALTER TABLE {target} REPLICA IDENTITY DEFAULT"
        return [
            rename,
            whole,
            *([self.dialect.add_key.format(t=target, columns=key)] if key else []),
            f"ANALYZE {target}",
        ]

    def _insert(self, load: Load, missing: bool = False) -> str:
        """Also into columns that PostgreSQL would number itself."""
        columns = ", ".join(self.dialect.quote(c.name) for c in load.table.columns)
        head = f"INSERT INTO {self.name(load.table)} ({columns})"
        return f"{head} OVERRIDING SYSTEM VALUE{super()._insert(load, missing).removeprefix(head)}"

    def refills(self, load: Load, keeping: bool) -> list[str]:
        """Statements that leave the stage's rows in the table; `keeping` those that both have, changed in place."""
        target, stage = self.name(load.table), self.name(load.stage)
        if not keeping:
            return [f"DELETE FROM {target}", self._insert(load)]
        gone = f"NOT EXISTS (SELECT FROM {stage} s WHERE {self._same('s', 't', load.stage.keyed)})"
        return [f"DELETE FROM {target} t WHERE {gone}", *self._update(load), self._insert(load, missing=True)]

    def hash(self, table: Table) -> str:
        """A select of the hash of all rows."""
        return f"SELECT {contents(table, self.driver.version)} FROM {self.name(table)}"
