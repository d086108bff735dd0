"""A session of MySQL: its catalogue, its keys' order, and staging where whatever makes a table commits by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lading.connector import Load, ours
from lading.connectors.mysql import routes
from lading.connectors.mysql.around import Found, Place, alone, look
from lading.connectors.mysql.driver import Driver
from lading.connectors.mysql.ending import cancel
from lading.connectors.mysql.finishing import insert, key_added, left_out
from lading.connectors.mysql.publishing import old_table, publish
from lading.connectors.mysql.reading import bounds, cpu_seconds
from lading.connectors.mysql.referring import refuse_unseen, takers
from lading.connectors.mysql.refusing import refuse_mode
from lading.connectors.mysql.rights import Grant, rights
from lading.connectors.mysql.room import OPTIONS, bytewise, key_parts, roomy
from lading.connectors.mysql.standing import begun
from lading.connectors.mysql.trial import counted, trial
from lading.dialects.mysql import dialect
from lading.errors import Unsupported
from lading.schema import Mode, Table
from lading.sql import BEGUN, LEDGER, SLICE, SqlSession


class MySQLSession(SqlSession):
    """A `connector.Session` over MySQL."""

    def __init__(self, driver: Driver, database: str | None) -> None:
        super().__init__(dialect, driver, database)
        self.mysql = driver
        self.granted: list[Grant] = []
        self._before = cpu_seconds(driver)  # MariaDB gives a thread to one connection after another

    def check(self) -> None:
        server = self.mysql.server
        least = (10, 2) if server.mariadb else (8, 0, 17)
        if server.version < least:
            name = "MariaDB" if server.mariadb else "MySQL"
            shown, needed = (".".join(map(str, each)) for each in (server.version, least))
            raise Unsupported(f"The server is {name} {shown}; Lading needs {needed}.", "Use a later server.")
        self.driver.query("SELECT count(*) FROM information_schema.tables WHERE table_schema = database()")

    # The catalogue

    def tables(self) -> Iterator[Table]:
        condition, values = (" WHERE table_schema = %s", [self._schema]) if self._schema else ("", [])
        found = self._catalogue(condition, [value for value in values if value])
        yield from (table for table in found if not table.view and not ours(table.name))

    def _named(self, pair: tuple[str, str]) -> list[Table]:
        """As everywhere, but the catalogue compares names without case and accents, and tables may not."""
        return [table for table in super()._named(pair) if self.mysql.server.same(table.name, pair[1])]

    def _place(self, table: Table) -> Place:
        return (table.schema_name or self.default_schema, table.name)

    def _look(self, table: Table) -> Found | None:
        return look(self.mysql, self._place(table))

    def fit(self, table: Table) -> Table:
        return roomy(table, self.dialect, self.mysql.server.mariadb and self.mysql.server.version >= (10, 7))

    def called(self, table: Table) -> Table:
        return super().called(self.mysql.server.kept(table))

    route, routines, trial, cancel, rights = routes.route, routes.routines, trial, cancel, rights
    computed, own, counted = routes.computed, routes.own, counted
    _begun, _bounds, _insert, refuse_mode, takers = begun, bounds, insert, refuse_mode, takers

    # Reading

    def cpu_seconds(self) -> float | None:
        now = cpu_seconds(self.mysql)
        return None if now is None else now - (self._before or 0)

    # Writing

    def prepare(self, load: Load) -> None:
        ledger = self._ledger(load)
        if load.mode is Mode.REPLACE and not load.fresh:
            refuse_unseen(self.mysql, self._place(load.table))
        with alone(self.mysql, self._place(load.table)[0]):
            self._make_schema(load)
            self.driver.execute(
                f"CREATE TABLE IF NOT EXISTS {ledger} (load_id VARCHAR(64) NOT NULL, slice BIGINT NOT NULL, "
                f"row_count BIGINT NOT NULL, PRIMARY KEY (load_id, slice)) {OPTIONS}"
            )
            if self._marked(load, BEGUN):
                return
            self.driver.execute(f"DROP TABLE IF EXISTS {self.name(load.stage)}")
            self._stage_for(load)
            self._mark(load, BEGUN, 0)

    def _stage_for(self, load: Load) -> None:
        stage, old = self.name(load.stage), None if load.fresh else self._look(load.table)
        if old is None or old.versioned:
            lines = self._definitions(load.stage, bytewise(self.driver.query, self._place(load.table)))
            self.driver.execute(f"CREATE TABLE {stage} ({', '.join(lines)}) {OPTIONS}")
            return
        if not old.engine:
            raise Unsupported(f"'{load.table.full_name}' is a view.", "Write to a table.")
        # A row that the table would refuse is refused here already, and what hangs on the table need not be made.
        self.driver.execute(f"CREATE TABLE {stage} LIKE {self.name(load.table)}")
        change = "" if old.engine == "InnoDB" else ", ENGINE=InnoDB"
        slice_ = self.dialect.quote(SLICE.name)
        indexes = left_out(self, load) + key_added(self, load)
        self.driver.execute(f"ALTER TABLE {stage} ADD COLUMN {slice_} INT NOT NULL{change}{indexes}")

    def _definitions(self, table: Table, own: Mapping[str, str] = {}) -> list[str]:
        lines = [
            # Without the word, the first TIMESTAMP of a table would be NOT NULL on older servers.
            f"{self.dialect.quote(c.name)} {self.dialect.native(c)}{own.get(c.name, '')}{'' if c.null else ' NOT'} NULL"
            for c in [*table.columns, SLICE]
        ]
        if table.key:
            whole = not any(column.null for column in table.keyed)
            lines.append(f"{'PRIMARY KEY' if whole else 'KEY'} ({', '.join(key_parts(table, self.dialect))})")
        return lines

    def _unstage(self, load: Load, number: int) -> None:
        # A slice's rows and its line are committed together: without the line there are no rows to look for. Looking
        # for them waits for rows that other writers have not committed yet, however long those take.
        if self._marked(load, number):
            self.driver.execute("SET @lading_wait = @@innodb_lock_wait_timeout, innodb_lock_wait_timeout = 86400")
            self.driver.execute(f"DELETE FROM {self.name(load.stage)} WHERE {SLICE.name} = {number}")
            self.driver.execute("SET innodb_lock_wait_timeout = @lading_wait")
            self.driver.execute(f"DELETE FROM {self._ledger(load)} WHERE {self._line(load, number)}")

    def publish(self, loads: Sequence[Load]) -> None:
        publish(self, loads)

    def _publishing(self, load: Load) -> list[str]:
        if load.mode is Mode.REPLACE:
            return [f"DELETE FROM {self.name(load.table)}", self._insert(load)]
        return super()._publishing(load.model_copy(update={"fresh": False}))

    def discard(self, load: Load) -> None:
        ledger = load.table.model_copy(update={"name": LEDGER})
        with alone(self.mysql, self._place(load.table)[0]):
            # The lines go first: a stage without them is made anew, lines without a stage would look published.
            held = self._look(ledger) is not None
            if held:
                self.driver.execute(f"DELETE FROM {self._ledger(load)} WHERE load_id = {self.dialect.text(load.id)}")
            self.driver.execute(f"DROP TABLE IF EXISTS {self.name(load.stage)}, {self.name(old_table(load))}")
            if held and not self.driver.query(f"SELECT 1 FROM {self._ledger(load)} LIMIT 1"):
                self.driver.execute(f"DROP TABLE IF EXISTS {self._ledger(load)}")
