"""SQL Server: no server can be had here, so what is sent to one is checked, and the contract waits for an address."""

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import closing
from typing import Any, ClassVar, cast

import mssql_python
import pyarrow as pa
import pytest
from pydantic import SecretStr

from lading.connector import Load, Slice
from lading.connectors.sqlserver import SqlServer, SqlServerSession, routes
from lading.connectors.sqlserver.driver import Driver
from lading.dialects.sqlserver import dialect
from lading.errors import AccessDenied, DataError, LadingError, SpecError, Unreachable
from lading.run import hurried
from lading.schema import Column, Mode, Table, losses
from lading.testing.contract import Contract, Waiver
from lading.types import parse

ADDRESS = os.environ.get("LADING_TEST_SQLSERVER", "")


@pytest.mark.skipif(not ADDRESS, reason="sqlserver: LADING_TEST_SQLSERVER names no empty database of a SQL Server")
class TestContract(Contract):
    """The contract, on the server that the environment names."""

    name_bytes = 128
    waivers: ClassVar = {
        name: Waiver("never", "its floats have neither NaN nor infinity")
        for name in ("float32-nan", "float64-nan", "float32-infinity", "float64-infinity")
    }

    @pytest.fixture
    def connection(self) -> SqlServer:
        connection = SqlServer.from_url(ADDRESS)
        with connection.open() as session:
            for table in session.tables():
                session.driver.execute(f"DROP TABLE {session.name(table)}")
        return connection


TYPES = {
    "bit": "bool", "tinyint": "int(8,unsigned)", "smallint": "int(16)", "int": "int(32)", "bigint": "int(64)",
    "decimal(38,10)": "decimal(38,10)", "numeric(5,0)": "decimal(5,0)", "money": "decimal(19,4)",
    "smallmoney": "decimal(10,4)", "real": "float(32)", "float": "float(64)", "float(24)": "float(32)",
    "float(53)": "float(64)", "char(10)": "string(10)", "varchar(50) COLLATE Latin1_General_CI_AS": "string(50)",
    "varchar(50) COLLATE Latin1_General_100_CI_AS_SC_UTF8": "string(50 bytes)",
    "nvarchar(50) COLLATE Latin1_General_100_CI_AS_SC_UTF8": "string(50)", "nchar(5)": "string(5)",
    "varchar(max) COLLATE Latin1_General_CI_AS": "string", "nvarchar(max)": "string", "text": "string",
    "ntext COLLATE Latin1_General_CI_AS": "string", "binary(16)": "binary(16)", "varbinary(max)": "binary",
    "image": "binary", "rowversion": "binary(8)", "date": "date", "time(7)": "time(7)", "datetime": "timestamp(3)",
    "smalldatetime": "timestamp(0)", "datetime2(7)": "timestamp(7)", "datetimeoffset(7)": "timestamp(7,utc)",
    "uniqueidentifier": "uuid", "xml": "string", "json": "json",
}  # fmt: skip
FITTED = {
    "bool": "bit", "int(8)": "smallint", "int(8,unsigned)": "tinyint", "int(64,unsigned)": "decimal(20,0)",
    "decimal(38,10)": "decimal(38,10)", "decimal(39,0)": "nvarchar(max)", "decimal": "nvarchar(max)",
    "float(32)": "real", "float(64)": "float(53)", "string(4000)": "nvarchar(4000)", "string(4001)": "nvarchar(max)",
    "string(10 bytes)": "nvarchar(10)", "string": "nvarchar(max)", "binary(8000)": "varbinary(8000)",
    "binary(8001)": "varbinary(max)", "time(9)": "time(7)", "timestamp(0)": "datetime2(0)",
    "timestamp(9)": "datetime2(7)", "timestamp(6,utc)": "datetimeoffset(6)", "timestamp(9,utc)": "datetimeoffset(7)",
    "uuid": "uniqueidentifier", "json": "nvarchar(max)", "list(int(32))": "nvarchar(max)", "interval": "nvarchar(max)",
}  # fmt: skip


@pytest.mark.parametrize(("native", "type_"), TYPES.items())
def test_types(native: str, type_: str):
    assert str(dialect.canonical(native)) == type_


@pytest.mark.parametrize("native", ["sql_variant", "hierarchyid", "geography", "geometry", "vector(3)", "cursor"])
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


def test_an_offset_is_a_loss_before_anything_runs():
    source = Table(name="t", columns=(column("at", "datetimeoffset(3)"),))
    target = Table(name="t", columns=(Column(name="at", type=parse("timestamp(3,utc)")),))
    assert [(loss.kind, loss.column) for loss in losses(source, target)] == [("zone", "at")]


@pytest.mark.parametrize(
    ("native", "read"),
    [
        ("nvarchar(50) COLLATE Latin1_General_CI_AS", "[a]]b]"),
        ("ntext COLLATE Latin1_General_CI_AS", "CAST([a]]b] AS nvarchar(max))"),
        ("datetime", "CAST([a]]b] AS datetime2(3))"),
        ("datetime2(6)", "[a]]b]"),
        ("datetime2(7)", "CONVERT(varchar(27), [a]]b], 121)"),
        ("time(3)", "CONVERT(varchar(16), [a]]b], 121)"),
        ("datetimeoffset(3)", "CAST(SWITCHOFFSET([a]]b], '+00:00') AS datetime2(6))"),
        ("uniqueidentifier", "LOWER(CONVERT(char(36), [a]]b]))"),
        ("money", "CAST([a]]b] AS decimal(19,4))"),
    ],
)
def test_reading(native: str, read: str):
    assert dialect.read(column("a]b", native)) == read


# What is sent.


class Cursor:
    """Notes what it is told, and answers with what a test prepared. It is no database: it proves only the calls."""

    def __init__(self, connection: "FakeConnection") -> None:
        self.connection = connection

    def execute(self, sql: str, *values: Any, use_prepare: bool = True) -> None:
        self.connection.said.append((sql, *values) if values else sql)
        self.connection.answer = next((rows for part, rows in self.connection.answers if part in sql), [])
        if isinstance(self.connection.answer, Exception):
            raise self.connection.answer

    def fetchall(self) -> Any:
        return self.connection.answer

    def arrow_reader(self, batch_size: int) -> Any:
        return self.connection.answer

    def bulkcopy_arrow(self, name: str, source: pa.RecordBatchReader, **options: Any) -> dict[str, int]:
        if self.connection.broken:
            raise self.connection.broken
        table = source.read_all()
        self.connection.said.append(("bulk", name, table.num_rows, tuple(sorted(options.items()))))
        return {"rows_copied": table.num_rows - self.connection.lost}


class FakeConnection:
    def __init__(self, said: list[Any]) -> None:
        self.said = said
        self.answer: Any = []
        self.answers: list[tuple[str, Any]] = [("@@SPID", [(51,)]), ("SCHEMA_NAME()", [("dbo",)])]
        self.broken: Exception | None = None
        self.lost = 0
        self._autocommit = True

    def cursor(self) -> Cursor:
        return Cursor(self)

    @property
    def autocommit(self) -> bool:
        return self._autocommit

    @autocommit.setter
    def autocommit(self, on: bool) -> None:
        self.said.append(f"autocommit {on}")
        self._autocommit = on

    def commit(self) -> None:
        self.said.append("commit")

    def rollback(self) -> None:
        self.said.append("rollback")

    def close(self) -> None:
        self.said.append("close")


class Vendor:
    """Connections in the order in which they were made: ours, then the one beside it."""

    def __init__(self) -> None:
        self.strings: list[str] = []
        self.made: list[FakeConnection] = []
        self.said: list[Any] = []
        self.failure: Exception | None = None

    def connect(self, string: str, autocommit: bool, attrs_before: dict[int, int]) -> FakeConnection:
        assert autocommit
        assert attrs_before == {mssql_python.SQL_ATTR_LOGIN_TIMEOUT: 15}
        if self.failure:
            raise self.failure
        self.strings.append(string)
        self.made.append(FakeConnection(self.said))
        return self.made[-1]


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Vendor:
    vendor = Vendor()
    monkeypatch.setattr(mssql_python, "connect", vendor.connect)
    return vendor


SETTINGS = SqlServer(host="h", database="d", user="me", password=SecretStr("p;}w"))


def test_locks_are_waited_for_so_long_and_no_longer(vendor: Vendor):
    for settings, wait in ((SETTINGS, 60_000), (hurried(SETTINGS), 2_000)):
        vendor.said.clear()
        with settings.open():
            pass
        assert f"SET XACT_ABORT ON; SET LOCK_TIMEOUT {wait}" in vendor.said


@pytest.fixture
def session(vendor: Vendor) -> Iterator[SqlServerSession]:
    with closing(SqlServerSession(dialect, Driver(SETTINGS))) as session:
        vendor.said.clear()
        yield session


STAGED = Table(
    name="lading_cafe01", schema_name="dbo",
    columns=(column("id", "int", False), column("code", "uniqueidentifier"), column("at", "datetime")),
)  # fmt: skip


def batch_of(moment: dt.datetime | None = None) -> pa.RecordBatch:
    arrays = [pa.array([1, 2], pa.int32()), pa.array([None, "x"]), pa.array([moment, None], pa.timestamp("us"))]
    return pa.RecordBatch.from_arrays(arrays, names=["id", "code", "at"])


def test_the_connection_string_cannot_be_escaped_from(vendor: Vendor, session: SqlServerSession):
    assert vendor.strings == ["Server={h,1433};Database={d};Encrypt={yes};UID={me};PWD={p;}}w};"]


def test_bulk_copy_goes_beside_the_table_and_comes_in_by_our_transaction(vendor: Vendor, session: SqlServerSession):
    session.driver.begin()
    assert session.driver.load(STAGED, [batch_of(), batch_of()]) == 4
    session.driver.commit()
    aside = "[dbo].[lading_cafe01_in_51]"
    assert vendor.said == [
        "autocommit False",
        "SELECT @@SPID",
        f"DROP TABLE IF EXISTS {aside}",
        f"CREATE TABLE {aside} ([id] int NULL, [code] char(36) NULL, [at] datetime2(3) NULL)",
        ("bulk", aside, 4, (("keep_nulls", True), ("table_lock", True), ("timeout", 0))),
        f"INSERT INTO [dbo].[lading_cafe01] ([id], [code], [at]) SELECT [id], [code], [at] FROM {aside}",
        f"DROP TABLE {aside}",
        "commit",
        "autocommit True",
    ]


def test_a_copy_that_lost_rows_is_undone(vendor: Vendor, session: SqlServerSession):
    session.driver.begin()
    session.driver.load(STAGED, [batch_of()])
    vendor.made[1].lost = 1
    vendor.said.clear()
    with pytest.raises(Unreachable, match="took 1 of 2 rows"):
        session.driver.load(STAGED, [batch_of()])
    assert vendor.said[-3:] == ["rollback", "autocommit True", "DROP TABLE IF EXISTS [dbo].[lading_cafe01_in_51]"]
    assert not any("INSERT" in str(line) for line in vendor.said)


def test_our_own_error_is_the_one_told(vendor: Vendor, session: SqlServerSession):
    def broken() -> Iterator[pa.RecordBatch]:
        yield batch_of()
        raise DataError("the source's own.", "")

    session.driver.begin()
    with pytest.raises(DataError, match=r"the source's own"):
        session.driver.load(STAGED, broken())


@pytest.mark.parametrize(
    ("native", "moment", "kept"),
    [
        ("datetime", "2024-01-01 10:00:00.003", True),
        ("datetime", "1969-12-31 23:59:59.997", True),
        ("datetime", "1753-01-01 00:00:00.000", True),
        ("datetime", "2024-01-01 10:00:00.001", False),
        ("datetime", "1969-12-31 23:59:59.998", False),
        ("smalldatetime", "2024-01-01 10:01:00.000", True),
        ("smalldatetime", "2024-01-01 10:01:01.000", False),
        ("datetime2(3)", "2024-01-01 10:00:00.001", True),
    ],
)
def test_what_old_types_would_round_is_refused(session: SqlServerSession, native: str, moment: str, kept: bool):
    table = STAGED.model_copy(update={"columns": (*STAGED.columns[:2], column("at", native))})
    batch = batch_of(dt.datetime.fromisoformat(moment))
    session.driver.begin()
    if kept:
        assert session.driver.load(table, [batch]) == 2
        return
    with pytest.raises(DataError, match="would round"):
        session.driver.load(table, [batch])


def test_a_read(vendor: Vendor, session: SqlServerSession) -> None:
    table = Table(name="t", columns=(column("n", "tinyint"), column("at", "datetime2(7)"), column("tm", "time(7)")))
    arrays = [pa.array([255], pa.uint8()), pa.array(["2024-01-01 00:00:00.1234567"]), pa.array(["23:59:59.1234567"])]
    batches = pa.RecordBatchReader.from_batches(
        pa.schema([(f"c{n}", array.type) for n, array in enumerate(arrays)]),
        [pa.RecordBatch.from_arrays(arrays, names=["c0", "c1", "c2"])],
    )
    vendor.made[0].answers.append(("FROM [t]", batches))
    read = list(session.read(table, Slice(on=("n",), low=("5",))))
    assert read[0].schema.types == [pa.uint8(), pa.timestamp("ns"), pa.time64("ns")]
    assert read[0].column(1).cast(pa.string()).to_pylist() == ["2024-01-01 00:00:00.123456700"]
    assert vendor.said[-1] == (
        "SELECT [n] AS [n], CONVERT(varchar(27), [at], 121) AS [at], CONVERT(varchar(16), [tm], 121) AS [tm] "
        "FROM [t] lading_t WHERE NOT ([n] < 5)"
    )


def test_an_instant_that_arrow_cannot_hold_is_an_error_not_another_instant(vendor: Vendor, session: SqlServerSession):
    table = Table(name="t", columns=(column("at", "datetime2(7)"),))
    far = pa.RecordBatch.from_arrays([pa.array(["9999-12-31 23:59:59.9999999"])], names=["at"])
    vendor.made[0].answers.append(("FROM [t]", pa.RecordBatchReader.from_batches(far.schema, [far])))
    with pytest.raises(DataError, match="Column 'at'"):
        list(session.read(table, Slice()))


@pytest.mark.parametrize(("state", "pinned"), [(1, True), (0, False), (2, False)])
def test_a_snapshot_only_where_the_database_allows_it(
    vendor: Vendor, session: SqlServerSession, state: int, pinned: bool
):
    vendor.made[0].answers += [("sys.databases", [(state,)]), ("SYSUTCDATETIME", [("2024-01-01T00:00:00", 9)])]
    assert session.pin() == ("snapshot of 2024-01-01T00:00:00 UTC" if pinned else "")
    assert ("SET TRANSACTION ISOLATION LEVEL SNAPSHOT" in vendor.said) is pinned
    assert not any("ALTER" in str(line) for line in vendor.said)


class Catalogue:
    """A driver that answers catalogue queries, and remembers them."""

    def __init__(self, **answers: list[tuple[Any, ...]]) -> None:
        self.answers, self.asked = answers, list[tuple[str, Any]]()

    def query(self, sql: str, values: Any = ()) -> list[tuple[Any, ...]]:
        self.asked.append((sql, values))
        name = next((name for name in ("VIEWS", "TRIGGERS", "ROUTINES", "RETURNS") if getattr(routes, name) == sql), "")
        return self.answers.get(name, [])


def test_code_around_a_table_is_asked_for_by_its_quoted_name():
    driver = Catalogue(
        VIEWS=[("dbo.v", "V ", "CREATE VIEW dbo.v AS SELECT 1 a", 5)], TRIGGERS=[("dbo.t", "TR", None, 6)]
    )
    found = SqlServerSession(dialect, cast("Driver", driver), "dbo").route(Table(name="it]ems"))
    assert [values for _, values in driver.asked] == [("[dbo].[it]]ems]",)] * 2
    assert [(c.kind, c.name, c.language) for c in found.views] == [("view", "dbo.v", "tsql")]
    assert [(c.kind, c.language) for c in found.triggers] == [("trigger", "a hidden text")]


def test_routines_are_asked_for_by_their_quoted_name():
    text = "CREATE FUNCTION dbo.f (@a int) RETURNS int AS BEGIN RETURN @a END"
    driver = Catalogue(ROUTINES=[("dbo.f", "FN", text, 7)], RETURNS=[("int",)])
    (found,) = SqlServerSession(dialect, cast("Driver", driver), "dbo").routines(["dbo.f"])
    assert (found.kind, found.returns, found.language) == ("function", "int", "tsql")
    assert [values for _, values in driver.asked] == [("[dbo].[f]",), (7,)]


@pytest.mark.parametrize("sql", [routes.VIEWS, routes.TRIGGERS, routes.ROUTINES, routes.RETURNS])
def test_the_catalogue_queries_are_tsql(sql: str):
    from sqlglot import parse_one

    assert parse_one(sql, read="tsql").find(type(parse_one("SELECT 1"))) is not None
    assert sql.count("?") == 1


def test_no_slices_by_uniqueidentifier(session: SqlServerSession):
    table = Table(name="t", columns=(column("id", "uniqueidentifier", False),), key=("id",), rows=10**9)
    assert session.slices(table, 1000) == [Slice()]


TARGET = Table(
    name="Sales", schema_name="crm", key=("id",),
    columns=(column("id", "int", False), column("name", "nvarchar(40) COLLATE Latin1_General_CI_AS")),
)  # fmt: skip


def load_of(mode: Mode = Mode.REPLACE, fresh: bool = False) -> Load:
    return Load(id="cafe01", table=TARGET, mode=mode, key=("id",), fresh=fresh)


def test_preparing(vendor: Vendor, session: SqlServerSession):
    session.prepare(load_of())
    assert vendor.said == [
        "autocommit False",
        (
            "IF OBJECT_ID(N'[crm].[lading_ledger]', N'U') IS NULL CREATE TABLE [crm].[lading_ledger] "
            "(load_id nvarchar(32) NOT NULL, slice bigint NOT NULL, row_count bigint NOT NULL)"
        ),
        "SELECT 1 FROM [crm].[lading_ledger] WHERE load_id = 'cafe01' AND slice = -2",
        (
            "IF OBJECT_ID(N'[crm].[lading_cafe01]', N'U') IS NULL CREATE TABLE [crm].[lading_cafe01] ("
            "[id] int NOT NULL, [name] nvarchar(40) COLLATE Latin1_General_CI_AS, [lading_slice] int NOT NULL)"
        ),
        "INSERT INTO [crm].[lading_ledger] (load_id, slice, row_count) VALUES ('cafe01', -2, 0)",
        "commit",
        "autocommit True",
    ]


def published(vendor: Vendor, session: SqlServerSession, load: Load) -> list[Any]:
    vendor.said.clear()
    session.publish([load])
    texts = ((line, line[0] if isinstance(line, tuple) else str(line)) for line in vendor.said)
    return [line for line, text in texts if not text.startswith(("SELECT", "autocommit")) and "ledger" not in line]


def test_publishing_a_new_table(vendor: Vendor, session: SqlServerSession):
    assert published(vendor, session, load_of(fresh=True)) == [
        "ALTER TABLE [crm].[lading_cafe01] DROP COLUMN [lading_slice]",
        "ALTER TABLE [crm].[lading_cafe01] ADD PRIMARY KEY ([id])",
        "EXEC sp_rename N'[crm].[lading_cafe01]', N'Sales'",
        "commit",
    ]


def test_a_key_that_no_index_can_hold_is_not_made(vendor: Vendor, session: SqlServerSession):
    columns = (column("id", "nvarchar(max)", False),)
    load = load_of(fresh=True).model_copy(update={"table": TARGET.model_copy(update={"columns": columns})})
    assert not any("PRIMARY KEY" in line for line in published(vendor, session, load))


def test_replacing_refills_so_that_rights_and_keys_stay(vendor: Vendor, session: SqlServerSession):
    assert published(vendor, session, load_of()) == [
        "DELETE FROM [crm].[Sales]",
        "INSERT INTO [crm].[Sales] ([id], [name]) SELECT [id], [name] FROM [crm].[lading_cafe01] s",
        "commit",
    ]


def test_numbers_that_the_table_gives_itself_are_kept(vendor: Vendor, session: SqlServerSession):
    vendor.made[0].answers.append(("sys.identity_columns", [(1,)]))
    said = published(vendor, session, load_of())
    assert (said[0], said[-2]) == ("SET IDENTITY_INSERT [crm].[Sales] ON", "SET IDENTITY_INSERT [crm].[Sales] OFF")


def test_merging(vendor: Vendor, session: SqlServerSession):
    assert published(vendor, session, load_of(Mode.MERGE)) == [
        "UPDATE t SET [name] = s.[name] FROM [crm].[Sales] t JOIN [crm].[lading_cafe01] s ON t.[id] = s.[id]",
        (
            "INSERT INTO [crm].[Sales] ([id], [name]) SELECT [id], [name] FROM [crm].[lading_cafe01] s "
            "WHERE NOT EXISTS (SELECT 1 FROM [crm].[Sales] t WHERE t.[id] = s.[id])"
        ),
        "commit",
    ]
    assert any("OFFSET 0 ROWS FETCH NEXT 1 ROWS ONLY" in str(line) for line in vendor.said)


def test_the_hash_of_rows_tells_null_from_empty_and_where_values_end(vendor: Vendor, session: SqlServerSession):
    said = session._row_hash(TARGET)
    assert "HASHBYTES('SHA2_256'" in said
    assert "CASE WHEN [name] IS NULL THEN 0xFF ELSE CAST(CAST(DATALENGTH([name]) AS bigint) AS binary(8))" in said
    assert "CAST([name] AS varbinary(max))" in said
    assert "CAST([id] AS varbinary(8000))" in said


def test_a_rowversion_becomes_bytes(session: SqlServerSession):
    fitted = session.fit(Table(name="t", columns=(column("v", "rowversion"),)))
    assert fitted.columns[0].native == "sqlserver:varbinary(8)"


def test_names_are_quoted(session: SqlServerSession):
    assert session.name(Table(name="a]b", schema_name="x[y")) == "[x[y].[a]]b]"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Login failed for user 'me'.", AccessDenied),
        ("The SELECT permission was denied on the object 't'", AccessDenied),
        ('Cannot open database "d" requested by the login.', AccessDenied),
        ("TCP Provider: Error code 0x2749", Unreachable),
        ("Login timeout expired", Unreachable),
        ("Lock request time out period exceeded.", Unreachable),
        ("Transaction (Process ID 52) was deadlocked on lock resources", Unreachable),
        ("Snapshot isolation transaction aborted due to update conflict", Unreachable),
        ("The transaction log for database 'd' is full", Unreachable),
        ("Failed to connect to SQL Server: IO error: Connection refused (os error 111)", Unreachable),
        ("Violation of PRIMARY KEY constraint 'PK'. Cannot insert duplicate key", DataError),
        ("Cannot insert the value NULL into column 'id'", DataError),
        ("String or binary data would be truncated in table 't', column 'c'.", DataError),
        ("Arithmetic overflow error converting expression to data type int.", DataError),
        ("SQL Server error: number: 2628, state: 1", DataError),
        ("Invalid object name 't'.", DataError),
    ],
)
def test_errors(vendor: Vendor, session: SqlServerSession, text: str, kind: type[LadingError]):
    for error in (mssql_python.DatabaseError("driver", f"[Microsoft][SQL Server]{text}"), RuntimeError(text)):
        vendor.made[0].answers.insert(0, ("broken", error))
        with pytest.raises(kind) as caught:
            session.driver.execute("broken")
        assert text.split(" ")[0] in str(caught.value)
        assert "[Microsoft]" not in str(caught.value)


def test_secrets_stay_secret(vendor: Vendor):
    vendor.failure = mssql_python.OperationalError("driver", "PWD=p;}w is wrong")
    with pytest.raises(LadingError) as caught:
        Driver(SETTINGS)
    assert "p;}w" not in f"{caught.value} {SETTINGS!r} {SETTINGS.address()}"


def test_a_server_that_is_not_there():
    away = SqlServer(host="127.0.0.1", port=1, user="me", password=SecretStr("x"), encrypt="no", connect_seconds=1)
    with pytest.raises(Unreachable), away.open():
        pass


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mssql://me:p%40@h:1433/crm?schema=x", "mssql://me@h:1433/crm?schema=x"),
        ("sqlserver://h/crm", "mssql://h/crm"),
        ("mssql+pyodbc://me:p@h/crm?driver=ODBC+Driver+18&TrustServerCertificate=yes&Encrypt=no", "mssql://me@h/crm"),
        ("mssql+pymssql://me:p@h:1/crm?charset=utf8", "mssql://me@h:1/crm"),
    ],
)
def test_addresses(url: str, shown: str):
    connection = SqlServer.from_url(url)
    assert connection.address() == shown
    assert SqlServer.from_url(shown).address() == shown


@pytest.mark.parametrize("url", ["mssql:///crm", "mssql+pyodbc:///?odbc_connect=Driver%3D"])
def test_addresses_without_a_server(url: str):
    with pytest.raises(SpecError, match="names no server"):
        SqlServer.from_url(url)


def test_the_library_still_has_what_we_call():
    cursor = mssql_python.Cursor
    assert {"arrow_reader", "bulkcopy_arrow", "execute", "fetchall"} <= set(dir(cursor))
    assert isinstance(mssql_python.Connection.autocommit, property)
    names = cursor.bulkcopy_arrow.__code__.co_varnames
    assert {"table_name", "source", "timeout", "keep_nulls", "table_lock"} <= set(names)
    assert "use_prepare" in cursor.execute.__code__.co_varnames
