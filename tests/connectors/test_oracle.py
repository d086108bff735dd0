"""Oracle: no server can be had here, so what is sent to one is checked, and the contract waits for an address."""

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

import oracledb
import pyarrow as pa
import pytest
from pydantic import SecretStr

from lading.connector import WHOLE, Load, Slice
from lading.connectors.oracle import Oracle, OracleSession
from lading.connectors.oracle.driver import Driver
from lading.dialects.oracle import dialect
from lading.digest import digest_of
from lading.errors import AccessDenied, DataError, LadingError, SpecError, Unreachable, Unsupported
from lading.hops import gather
from lading.moving import without_empty
from lading.plan import Task
from lading.schema import Column, Mode, Table, losses
from lading.testing.contract import Contract, Waiver
from lading.types import parse

ADDRESS = os.environ.get("LADING_TEST_ORACLE", "")


@pytest.mark.skipif(not ADDRESS, reason="oracle: LADING_TEST_ORACLE names no account of an Oracle database of its own")
class TestContract(Contract):
    """The contract, on the account that the environment names; its tables are dropped."""

    name_bytes = 128
    waivers: ClassVar = {
        "test_many_columns": Waiver("never", "a table has no more than 1,000 columns"),
        'test_name[a"b]': Waiver("never", "a name holds no double quote"),
    }

    @pytest.fixture
    def connection(self) -> Oracle:
        connection = Oracle.from_url(ADDRESS)
        with connection.open() as session:
            for table in session.tables():
                if table.schema_name is None:
                    session.driver.execute(f"DROP TABLE {session.name(table)} CASCADE CONSTRAINTS PURGE")
        return connection


TYPES = {
    "NUMBER": "decimal", "FLOAT(126)": "decimal", "NUMBER(18,2)": "decimal(18,2)", "NUMBER(38,0)": "decimal(38,0)",
    "BINARY_FLOAT": "float(32)", "BINARY_DOUBLE": "float(64)", "VARCHAR2(50 BYTE)": "string(50 bytes)",
    "VARCHAR2(50 CHAR)": "string(50)", "CHAR(5 BYTE)": "string(5 bytes)", "CHAR(5 CHAR)": "string(5)",
    "NVARCHAR2(20)": "string(20)", "NCHAR(3)": "string(3)", "CLOB": "string", "NCLOB": "string", "LONG": "string",
    "XMLTYPE": "string", "ROWID": "string", "UROWID(4000)": "string", "RAW(16)": "binary(16)", "BLOB": "binary",
    "LONG RAW": "binary", "DATE": "timestamp(0)", "TIMESTAMP(6)": "timestamp(6)", "TIMESTAMP(9)": "timestamp(9)",
    "TIMESTAMP(3) WITH TIME ZONE": "timestamp(3,utc)", "TIMESTAMP(6) WITH LOCAL TIME ZONE": "timestamp(6,utc)",
    "INTERVAL YEAR(2) TO MONTH": "interval", "INTERVAL DAY(2) TO SECOND(6)": "interval", "BOOLEAN": "bool",
    "JSON": "json",
}  # fmt: skip
FITTED = {
    "bool": "NUMBER(1,0)", "int(8)": "NUMBER(3,0)", "int(16,unsigned)": "NUMBER(5,0)", "int(32)": "NUMBER(10,0)",
    "int(64)": "NUMBER(19,0)", "int(64,unsigned)": "NUMBER(20,0)", "decimal(38,10)": "NUMBER(38,10)",
    "decimal(39,0)": "NUMBER", "decimal": "NUMBER", "float(32)": "BINARY_FLOAT", "float(64)": "BINARY_DOUBLE",
    "string(1000)": "VARCHAR2(1000 CHAR)", "string(1001)": "CLOB", "string(4000 bytes)": "VARCHAR2(4000 BYTE)",
    "string(4001 bytes)": "CLOB", "string": "CLOB", "binary(2000)": "RAW(2000)", "binary(2001)": "BLOB",
    "date": "DATE", "time(6)": "VARCHAR2(18 CHAR)", "timestamp(9)": "TIMESTAMP(9)",
    "timestamp(6,utc)": "TIMESTAMP(6) WITH TIME ZONE", "interval": "CLOB", "uuid": "VARCHAR2(36 CHAR)", "json": "CLOB",
    "list(int(32))": "CLOB",
}  # fmt: skip


@pytest.mark.parametrize(("native", "type_"), TYPES.items())
def test_types(native: str, type_: str):
    assert str(dialect.canonical(native)) == type_


@pytest.mark.parametrize("native", ["BFILE", "SDO_GEOMETRY", "ANYDATA", "VECTOR", "MY_TYPE"])
def test_types_without_a_canonical_one_are_problems(native: str):
    assert dialect.canonical(native) is None


@pytest.mark.parametrize(("type_", "native"), FITTED.items())
def test_fitted_types(type_: str, native: str):
    assert dialect.native(Column(name="c", type=parse(type_))) == native


def test_every_canonical_type_it_makes_is_listed():
    for type_ in FITTED:
        assert dialect.canonical(dialect.native(Column(name="c", type=parse(type_)))) is not None


def column(name: str, native: str, null: bool = True) -> Column:
    type_ = dialect.canonical(native)
    assert type_ is not None
    return dialect.column(name, type_, null, native)


def lost(source: Column, target: Column) -> list[tuple[str, str]]:
    found = losses(Table(name="t", columns=(source,)), Table(name="t", columns=(target,)))
    return [(loss.kind, loss.column) for loss in found]


def test_an_empty_text_is_a_loss_before_anything_runs():
    for type_, native in (("string(9)", "VARCHAR2(9 CHAR)"), ("string", "CLOB"), ("binary", "BLOB")):
        assert lost(Column(name="c", type=parse(type_)), column("c", native)) == [("null", "c")]
    assert lost(Column(name="c", type=parse("int(32)")), column("c", "NUMBER(10,0)")) == []


def test_oracle_to_oracle_loses_no_empty_text():
    assert lost(column("c", "VARCHAR2(9 CHAR)"), column("c", "VARCHAR2(9 CHAR)")) == []


def test_empty_values_become_null_when_that_is_accepted():
    assert [without_empty(pa.array(v))[0].to_pylist() for v in (["", "a", None], [b"", b"a"])] == [
        [None, "a", None],
        [None, b"a"],
    ]
    assert without_empty(pa.array(["", "a", None, ""]))[1] == 2


def test_a_number_is_the_same_however_many_zeros_it_is_written_with():
    columns = [Column(name="n", type=parse("decimal"))]
    written, read = (["12.50", "0.10", "-0.00", "100", None], ["12.5", ".1", "0", "100", None])
    digests = [digest_of([pa.record_batch([pa.array(v)], ["n"])], columns) for v in (written, read)]
    assert digests[0] == digests[1]
    other = digest_of([pa.record_batch([pa.array(["12.05", "0.1", "0", "100", None])], ["n"])], columns)
    assert other != digests[0]


def test_a_zone_is_a_loss_before_anything_runs():
    target = Column(name="c", type=parse("timestamp(6,utc)"))
    assert lost(column("c", "TIMESTAMP(6) WITH TIME ZONE"), target) == [("zone", "c")]
    assert lost(column("c", "TIMESTAMP(6) WITH LOCAL TIME ZONE"), target) == []


@pytest.mark.parametrize(
    ("native", "read"),
    [
        ("NUMBER(18,2)", '"c"'),
        ("NUMBER", """TO_CHAR("c", 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''')"""),
        ("DATE", '"c"'),
        ("TIMESTAMP(6)", '"c"'),
        ("TIMESTAMP(9)", """LTRIM(TO_CHAR("c", 'SYYYY-MM-DD HH24:MI:SS.FF9'))"""),
        ("TIMESTAMP(6) WITH TIME ZONE", 'SYS_EXTRACT_UTC("c")'),
        ("TIMESTAMP(6) WITH LOCAL TIME ZONE", 'SYS_EXTRACT_UTC("c")'),
        (
            "TIMESTAMP(9) WITH TIME ZONE",
            """LTRIM(TO_CHAR(SYS_EXTRACT_UTC("c"), 'SYYYY-MM-DD HH24:MI:SS.FF9'))""",
        ),
        ("XMLTYPE", 'XMLSERIALIZE(CONTENT "c" AS CLOB)'),
    ],
)
def test_reading(native: str, read: str):
    assert dialect.read(column("c", native)) == read


# What is sent.


@dataclass
class Found:
    """What the library's errors hold."""

    code: int
    full_code: str
    text: str

    def __str__(self) -> str:
        return f"{self.full_code}: {self.text}"


def failure(code: int, name: str = "", text: str = "it says so") -> oracledb.DatabaseError:
    return oracledb.DatabaseError(Found(code, name or f"ORA-{code:05d}", text))


class FakeOracle:
    """Notes what it is told, and answers with what a test prepared. It is no database: it proves only the calls."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.words: dict[str, Any] = {}
        self.answers: list[tuple[str, Any]] = [("CURRENT_SCHEMA", [("CRM",)])]
        self.answer: Any = []
        self.rowcount = 0
        self.lost = 0

    def connect(self, **words: Any) -> "FakeOracle":
        self.words = words
        return self

    def cursor(self) -> "FakeOracle":
        return self

    def execute(self, sql: str, values: list[Any]) -> None:
        self.said.append((sql, *values) if values else sql)
        self.answer = next((rows for part, rows in self.answers if part in sql), [])
        if isinstance(self.answer, oracledb.Error):
            raise self.answer

    def fetchall(self) -> Any:
        return self.answer

    def executemany(self, sql: str, data: pa.Table) -> None:
        self.said.append((sql, data.num_rows, [str(field.type) for field in data.schema]))
        self.rowcount = data.num_rows - self.lost

    def fetch_df_batches(self, sql: str, size: int, requested_schema: pa.Schema) -> Iterator[Any]:
        self.said.append((sql, [str(field.type) for field in requested_schema]))
        return iter(next(rows for part, rows in self.answers if part in sql))

    def commit(self) -> None:
        self.said.append("commit")

    def rollback(self) -> None:
        self.said.append("rollback")

    def close(self) -> None:
        self.said.append("close")


SETTINGS = Oracle(host="h", service_name="s", user="me", password=SecretStr("hunter2"))


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> FakeOracle:
    vendor = FakeOracle()
    monkeypatch.setattr(oracledb, "connect", vendor.connect)
    return vendor


@pytest.fixture
def session(vendor: FakeOracle) -> Iterator[OracleSession]:
    with closing(OracleSession(dialect, Driver(SETTINGS))) as session:
        yield session


def test_opening(vendor: FakeOracle, session: OracleSession):
    assert vendor.words == {"user": "me", "password": "hunter2", "host": "h", "port": 1521, "service_name": "s"}
    assert vendor.said == [
        "ALTER SESSION SET TIME_ZONE = '+00:00' NLS_NUMERIC_CHARACTERS = '.,'",
        "ALTER SESSION SET NLS_COMP = BINARY NLS_SORT = BINARY",
    ]


def test_a_read(vendor: FakeOracle, session: OracleSession):
    natives = {"n": "NUMBER", "d": "NUMBER(18,2)", "at": "TIMESTAMP(9)", "day": "DATE"}
    natives["i"] = "INTERVAL DAY(2) TO SECOND(6)"
    table = Table(name="t", columns=tuple(column(name, native) for name, native in natives.items()))
    frame = pa.table(
        {
            "n": [".50", "-1.5E+70", None],
            "d": pa.array([Decimal("1.50"), Decimal(2), None], pa.decimal128(18, 2)),
            "at": ["2024-01-01 00:00:00.123456789", None, None],
            "day": pa.array([dt.datetime(9999, 12, 31, 23, 59, 59), None, None], pa.timestamp("us")),
            "i": ["P0M1DT-.5S", None, None],
        }
    )
    vendor.answers.append(('FROM "t"', [frame]))
    (batch,) = session.read(table, WHOLE)
    assert batch.schema.types == [c.type.arrow() for c in table.columns]
    assert batch.column(0).to_pylist() == ["0.5", "-15" + "0" * 69, None]
    assert batch.column(2).cast(pa.int64())[0].as_py() % 1000 == 789
    assert list(batch.column(4)[0].as_py()) == [0, 1, -500_000_000]
    assert vendor.said[-1][1] == ["string", "decimal128(18, 2)", "string", "timestamp[us]", "string"]


def test_a_number_that_came_as_a_double_is_an_error(vendor: FakeOracle, session: OracleSession):
    table = Table(name="t", columns=(column("d", "NUMBER(18,2)"),))
    vendor.answers.append(('FROM "t"', [pa.table({"d": [0.1]})]))
    with pytest.raises(DataError, match="made a double"):
        list(session.read(table, WHOLE))


@pytest.mark.parametrize("value", ["9999-12-31 00:00:00.000000000", "-0044-03-15 00:00:00.000000000"])
def test_an_instant_that_arrow_cannot_hold_is_an_error(vendor: FakeOracle, session: OracleSession, value: str):
    table = Table(name="t", columns=(column("at", "TIMESTAMP(9)"),))
    vendor.answers.append(('FROM "t"', [pa.table({"at": [value]})]))
    with pytest.raises(DataError, match="Column 'at'"):
        list(session.read(table, WHOLE))


TARGET = Table(
    name="SALES", key=("ID",),
    columns=(column("ID", "NUMBER(10,0)", False), column("N", "NUMBER"), column("AT", "TIMESTAMP(6) WITH TIME ZONE")),
)  # fmt: skip


def batch_of(*numbers: str | None) -> pa.RecordBatch:
    ids = pa.array([Decimal(n) for n in range(len(numbers))], pa.decimal128(10, 0))
    moments = pa.array([dt.datetime(2024, 1, 1)] * len(numbers), pa.timestamp("us", "UTC"))
    return pa.RecordBatch.from_arrays([ids, pa.array(numbers, pa.string()), moments], names=["ID", "N", "AT"])


def test_loading(vendor: FakeOracle, session: OracleSession):
    vendor.said.clear()
    assert session.driver.load(TARGET, [batch_of("1", None), batch_of(), batch_of("9" * 38 + "000")]) == 3
    sql = 'INSERT INTO "SALES" ("ID", "N", "AT") VALUES (:1, :2, :3)'
    types = ["decimal128(10, 0)", "string", "timestamp[us]"]
    assert vendor.said == [(sql, 2, types), (sql, 1, types)]


@pytest.mark.parametrize("number", ["1" * 39, "-0." + "1" * 39, "1" + "0" * 38 + ".1"])
def test_a_number_that_oracle_would_round_is_refused(session: OracleSession, number: str):
    with pytest.raises(DataError, match="would round"):
        session.driver.load(TARGET, [batch_of(number)])


def test_rows_that_did_not_arrive_are_an_error(vendor: FakeOracle, session: OracleSession):
    vendor.lost = 1
    with pytest.raises(Unreachable, match="took 1 of 2 rows"):
        session.driver.load(TARGET, [batch_of("1", "2")])


def test_the_library_takes_the_arrow_types_that_we_send():
    batch = batch_of("1")
    fields = [pa.array([True]), pa.array([b"x"]), pa.array([0.5], pa.float32()), pa.array([1], pa.int8())]
    for array in (*batch.columns[:2], batch.column(2).cast(pa.timestamp("us")), *fields):
        oracledb.from_arrow(pa.table({"c": array}))


def test_a_snapshot_needs_no_right(vendor: FakeOracle, session: OracleSession):
    vendor.said.clear()
    vendor.answers.append(("SYSTIMESTAMP", [("2024-01-01 00:00:00.000000",)]))
    assert session.pin() == "read-only transaction of 2024-01-01 00:00:00.000000 UTC"
    assert vendor.said[0] == "SET TRANSACTION READ ONLY"
    session.driver.rollback()
    assert vendor.said[-1] == "rollback"


def load_of(mode: Mode = Mode.REPLACE, fresh: bool = False) -> Load:
    return Load(id="cafe01", table=TARGET, mode=mode, key=("ID",), fresh=fresh)


def ddl(sql: str, code: int) -> str:
    return f"BEGIN EXECUTE IMMEDIATE '{sql}'; EXCEPTION WHEN OTHERS THEN IF SQLCODE <> {code} THEN RAISE; END IF; END;"


def told(vendor: FakeOracle) -> list[Any]:
    """What was said, but for what was asked."""
    texts = [(line, line[0] if isinstance(line, tuple) else line) for line in vendor.said]
    return [line for line, text in texts if not str(text).lstrip().startswith("SELECT")]


def test_preparing(vendor: FakeOracle, session: OracleSession):
    vendor.said.clear()
    session.prepare(load_of())
    ledger = 'CREATE TABLE "lading_ledger" (load_id VARCHAR2(32 CHAR) NOT NULL, slice NUMBER(19,0) NOT NULL, '
    stage = 'CREATE TABLE "lading_cafe01" ("ID" NUMBER(10,0) NOT NULL, "N" NUMBER, "AT" TIMESTAMP(6) WITH TIME ZONE, '
    assert told(vendor) == [
        ddl(ledger + "row_count NUMBER(19,0) NOT NULL)", -955),
        stage + '"lading_slice" NUMBER(10,0) NOT NULL)',
        "INSERT INTO \"lading_ledger\" (load_id, slice, row_count) VALUES ('cafe01', -2, 0)",
        "commit",
    ]


STAGE_IS_THERE = (("FROM all_tab_columns c LEFT JOIN", [("CRM", "lading_cafe01", 1, "ID", "NUMBER(10,0)", 0, 0, 0)]),)


def published(vendor: FakeOracle, session: OracleSession, load: Load) -> list[Any]:
    vendor.said.clear()
    session.publish([load])
    return [line for line in told(vendor) if "ledger" not in line]


def test_publishing_a_new_table_shows_it_last(vendor: FakeOracle, session: OracleSession):
    vendor.answers += STAGE_IS_THERE
    assert published(vendor, session, load_of(fresh=True)) == [
        ddl('ALTER TABLE "lading_cafe01" SET UNUSED ("lading_slice")', -904),
        ddl('ALTER TABLE "lading_cafe01" ADD PRIMARY KEY ("ID")', -2260),
        'ALTER TABLE "lading_cafe01" RENAME TO "SALES"',
        "commit",
    ]


def test_publishing_again_after_the_rename_changes_nothing(vendor: FakeOracle, session: OracleSession):
    assert published(vendor, session, load_of(fresh=True)) == ["commit"]


def test_replacing_is_one_transaction_without_ddl(vendor: FakeOracle, session: OracleSession):
    assert published(vendor, session, load_of()) == [
        'DELETE FROM "SALES"',
        'INSERT INTO "SALES" ("ID", "N", "AT") SELECT "ID", "N", "AT" FROM "lading_cafe01" s',
        "commit",
    ]


def test_merging(vendor: FakeOracle, session: OracleSession):
    said = published(vendor, session, load_of(Mode.MERGE))
    merged = 'MERGE INTO "SALES" t USING "lading_cafe01" s ON (t."ID" = s."ID") WHEN MATCHED THEN UPDATE SET '
    assert said[0] == merged + '"N" = s."N", "AT" = s."AT"'
    assert said[1].endswith('FROM "lading_cafe01" s WHERE NOT EXISTS (SELECT 1 FROM "SALES" t WHERE t."ID" = s."ID")')


def test_discarding(vendor: FakeOracle, session: OracleSession):
    vendor.said.clear()
    session.discard(load_of())
    assert told(vendor) == [ddl('DROP TABLE "lading_cafe01"', -942), "commit"]


def test_nothing_is_asked_of_a_long(session: OracleSession):
    assert session.digest(Table(name="t", columns=(column("c", "LONG"),)), WHOLE) is None


def test_slices_are_cut_with_mod(vendor: FakeOracle, session: OracleSession):
    vendor.answers += [("row_number()", [("b",), ("d",)]), ("count(*)", [(4,)])]
    table = Table(name="T", key=("K",), rows=4, columns=(column("K", "VARCHAR2(9 CHAR)", False),))
    cuts = session.slices(table, 2)
    assert [(cut.low, cut.high) for cut in cuts] == [(None, ("b",)), (("b",), None)]
    assert any("MOD(lading_n, 2) = 1" in str(line) for line in vendor.said)
    assert session.slices(table.model_copy(update={"columns": (column("K", "RAW(16)", False),)}), 2) == [Slice()]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1017, AccessDenied), (1031, AccessDenied), (942, AccessDenied), (28000, AccessDenied),
        (3113, Unreachable), (12541, Unreachable), (12514, Unreachable), (1555, Unreachable), (60, Unreachable),
        (1653, Unreachable), (1, DataError), (1400, DataError), (1438, DataError), (12899, DataError),
        (2291, DataError), (904, DataError),
    ],
)  # fmt: skip
def test_errors(vendor: FakeOracle, session: OracleSession, code: int, kind: type[LadingError]):
    vendor.answers.insert(0, ("broken", failure(code)))
    with pytest.raises(kind, match=f"ORA-{code:05d}"):
        session.driver.execute("broken")


def test_errors_of_the_library(vendor: FakeOracle, session: OracleSession):
    for name, kind in (("DPY-4011", Unreachable), ("DPY-6005", Unreachable), ("DPY-3030", Unsupported)):
        vendor.answers.insert(0, ("broken", failure(0, name, "with hunter2 in it")))
        with pytest.raises(kind) as caught:
            session.driver.execute("broken")
        assert "hunter2" not in str(caught.value)


def test_a_server_that_is_not_there():
    away = Oracle(host="127.0.0.1", port=1, service_name="x", user="u", password=SecretStr("x"))
    with pytest.raises(Unreachable, match="DPY-6005"), away.open():
        pass


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("oracle://me:p%40@h:1522/ORCLPDB1?schema=CRM", "oracle://me@h:1522/ORCLPDB1?schema=CRM"),
        ("oracle+oracledb://me:p@h:1521/?service_name=x", "oracle://me@h:1521/x"),
        ("oracle+oracledb://me:p@h/XE", "oracle://me@h:1521/?sid=XE"),
        ("oracle://me:p@h:1521/?sid=XE", "oracle://me@h:1521/?sid=XE"),
    ],
)
def test_addresses(url: str, shown: str):
    connection = Oracle.from_url(url)
    assert connection.address() == shown
    assert Oracle.from_url(shown).address() == shown


def test_an_address_without_a_database():
    with pytest.raises(SpecError, match="names no database"):
        Oracle.from_url("oracle://me:p@h")


def test_the_library_still_has_what_we_call():
    assert {"fetch_df_batches", "cursor", "commit", "rollback", "close"} <= set(dir(oracledb.Connection))
    names = oracledb.Connection.fetch_df_batches.__code__.co_varnames
    assert {"size", "requested_schema"} <= set(names)


def test_an_account_in_the_descriptor_is_no_part_of_the_address():
    assert Oracle(dsn="scott/tiger@h/XE").address() == "oracle://h/XE"


def test_a_trigger_of_the_target_is_told(vendor: FakeOracle, session: OracleSession):
    vendor.answers.append(("all_triggers", [("CUT",)]))
    table = Table(name="items", columns=(Column(name="v", type=parse("string(9)")),))
    task = Task(source=table, target=table, mode=Mode.APPEND, fresh=False)
    ((told, _),) = gather.facts(task, (session, session), ()).unread
    assert told == "the trigger 'CUT' of 'items' was not read"
    assert vendor.said[-1][1:] == ("CRM", "items")
