"""Any ODBC source by the standard's catalogue, and how ODBC drivers of known systems must be spoken to."""

from dataclasses import dataclass

from lading.dialect import Dialect, Rules


@dataclass(frozen=True)
class Flavour:
    """What a system's ODBC driver needs so that no value changes on its way.

    `reads` maps canonical types to expressions whose values arrive as text: where drivers round, wrap, or turn
    what they cannot say into something else, text does not; {c} is the column, {r} the dialect's reading of it.
    `length` is a value's length in bytes.
    """

    options: str = ""
    raw: str = ""
    """Canonical types whose columns are read as they are, whatever the dialect says."""
    exact: str = ""
    """How the result {v} of a sum is read."""
    hashes: bool = False
    """Whether the dialect's hash of rows works without its own session."""
    begins: tuple[str, ...] = ()
    reads: Rules = ()
    sorts: Rules = ()
    """Before those of the dialect, where a key is asked for as a number."""
    length: str = ""
    utf16: bool = True
    lists: bool = False
    """Whether lists are written as PostgreSQL's arrays are."""
    zeros: bool = False
    """Whether texts keep zero bytes; other drivers end the text there."""
    name_characters: int = 255
    options_of_tables: str = ""
    begin: str = ""
    pin: tuple[str, ...] = ()
    state: str = ""
    placing: str = ""
    """One statement in place of several, where each statement that changes a table commits."""
    whole: bool = False
    """Whether tables cannot be cut into slices there."""


_INTERVAL = (
    "'P' || (extract(year FROM {c}) * 12 + extract(month FROM {c})) || 'M' || extract(day FROM {c}) || 'DT' || "
    "(extract(hour FROM {c}) * 3600 + extract(minute FROM {c}) * 60 + extract(second FROM {c})) || 'S'"
)
_LISTED = "CAST({c} AS varchar(64))"

flavours = {
    # float8 is announced as a single, numeric without digits as (28,6), infinity becomes the year 9999.
    "postgres": Flavour(
        options="MaxVarcharSize=1073741823;MaxLongVarcharSize=1073741823;TextAsLongVarchar=1;ByteaAsLongVarBinary=1;"
        "BoolsAsChar=0;UnknownSizes=2;UseDeclareFetch=1;Fetch=5000",
        begins=(
            "SET TIME ZONE 'UTC'",
            "SET DateStyle = 'ISO'",
            "SET extra_float_digits = 1",
            "SET bytea_output = 'hex'",
        ),
        reads=(
            (r"date|time\(.*|timestamp\(\d\)|uuid", _LISTED),
            (r"timestamp\(\d,utc\)", "CAST({c} AT TIME ZONE 'UTC' AS varchar(64))"),
            (r"decimal|json", "CAST({c} AS text)"),
            (r"interval", _INTERVAL),
            (r"bool", "CAST(CAST({c} AS int) AS varchar(1))"),
        ),
        raw=r"binary.*",
        exact="CAST({v} AS varchar(100))",
        hashes=True,
        lists=True,
        length="octet_length({c})",
        utf16=False,
        begin="BEGIN",
        pin=("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",),
        state="SELECT CAST(pg_current_snapshot() AS varchar(200))",
    ),
    # Unsigned integers wrap, zero dates become NULL.
    "mysql": Flavour(
        options="CHARSET=utf8mb4;NO_CACHE=1;FORWARDONLY=1",
        begins=("SET time_zone = '+00:00'",),
        reads=(
            (r"date|time\(.*|timestamp.*|bool|int\(64,unsigned\)", "CAST({r} AS CHAR(64))"),
            (r"decimal.*", "CAST({r} AS CHAR(80))"),
        ),
        sorts=((r"bit\(\d+\)", "{c} + 0"),),  # of bytes, their room is announced wrongly, which ends the process
        exact="CAST({v} AS CHAR(100))",
        length="octet_length({c})",
        utf16=False,
        zeros=True,
        name_characters=64,
        # Keys are unique by their bytes, as everywhere else.
        options_of_tables=" ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 "
        "/*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */",
        placing="ALTER TABLE {stage} DROP COLUMN {column}, RENAME TO {target}",
        begin="START TRANSACTION",
        pin=(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        ),
        state="SELECT CAST(CONCAT('consistent snapshot of ', UTC_TIMESTAMP(6)) AS CHAR(64))",
    ),
    "sqlserver": Flavour(exact="CAST({v} AS varchar(100))", length="DATALENGTH({c}) * 2"),
    "tsql": Flavour(
        reads=((r"int\(64,unsigned\)", "convert(varchar(24), {c})"),), length="datalength({c}) * 2", whole=True
    ),
    "odbc": Flavour(whole=True),
}

dialect = Dialect(
    name="odbc",
    catalog="""
        SELECT c.table_schema, c.table_name, c.ordinal_position AS place, c.column_name, c.data_type || CASE
                 WHEN c.character_maximum_length IS NOT NULL
                   THEN '(' || CAST(c.character_maximum_length AS varchar(12)) || ')'
                 WHEN c.numeric_scale IS NOT NULL AND LOWER(c.data_type) IN ('decimal', 'numeric') THEN '('
                   || CAST(c.numeric_precision AS varchar(12)) || ',' || CAST(c.numeric_scale AS varchar(12)) || ')'
                 ELSE '' END AS native,
               CASE c.is_nullable WHEN 'NO' THEN 0 ELSE 1 END AS nullable,
               CASE t.table_type WHEN 'VIEW' THEN 1 ELSE 0 END AS is_view,
               CASE WHEN c.column_default IS NULL THEN 0 ELSE 1 END AS filled
        FROM information_schema.columns c JOIN information_schema.tables t
          ON t.table_schema = c.table_schema AND t.table_name = c.table_name
        WHERE UPPER(c.table_schema) <> 'INFORMATION_SCHEMA'""",
    keys="""
        SELECT k.table_schema, k.table_name, 0 AS key_rank, k.constraint_name AS key_name, k.ordinal_position AS place,
               k.column_name
        FROM information_schema.table_constraints u JOIN information_schema.key_column_usage k
          ON k.constraint_schema = u.constraint_schema AND k.constraint_name = u.constraint_name
         AND k.table_schema = u.table_schema AND k.table_name = u.table_name
        WHERE u.constraint_type = 'PRIMARY KEY'""",
    sizes="""
        SELECT table_schema, table_name, NULL AS row_count, NULL AS byte_count
        FROM information_schema.tables WHERE 1 = 0""",
    default_schema="SELECT current_schema",
    types=(
        (r"boolean|bool", "bool"),
        (r"tinyint|smallint|int2", "int(16)"),
        (r"integer|int|int4", "int(32)"),
        (r"bigint|int8", "int(64)"),
        (r"(?:decimal|numeric)\((\d+), *(\d+)\)", "decimal({0},{1})"),
        (r"real", "float(32)"),
        (r"double precision|double|float", "float(64)"),
        (r"(?:national )?(?:character varying|character|n?(?:var)?char2?)\((\d+)\)", "string({0})"),
        (r"character varying|varchar|text|clob|character large object", "string"),
        (r"(?:binary varying|binary|varbinary)\((\d+)\)", "binary({0})"),
        (r"binary varying|varbinary|blob|binary large object|bytea", "binary"),
        (r"date", "date"),
        (r"time|time without time zone", "time(6)"),
        (r"timestamp|timestamp without time zone", "timestamp(6)"),
    ),
    natives=(),
    name_bytes=128,
)
