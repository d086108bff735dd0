"""DuckDB."""

from lading.dialect import Aspects, Canon, Dialect

_ENDLESS = "CASE WHEN isinf({c}) THEN CASE WHEN {c} > DATE '1970-01-01' THEN 'inf' ELSE '-inf' END ELSE "
_SPAN = (
    "(date_part('year', {c}) * 12 + date_part('month', {c})) || '/' || date_part('day', {c}) || '/' || "
    "(date_part('hour', {c}) * 3600000000 + date_part('minute', {c}) * 60000000 + date_part('microsecond', {c}))"
)
LONG = "an interval of over 292 years of hours, minutes and seconds"
# Arrow counts nanoseconds, and DuckDB wraps around without a word what has too many.
_MICROS = _SPAN.rpartition(" || ")[2]
_LONG = f"abs({_MICROS}) > {(2**63 - 1) // 1000}"
_ANY_LONG = "len(list_filter({items}, lambda each: " + _LONG.replace("{c}", "each") + ")) > 0"


def _short(is_long: str) -> str:
    return f"CASE WHEN {is_long} THEN error('{LONG}') ELSE {{c}} END"


canon = Canon(
    texts=(
        (r"bool", "CAST(CAST({c} AS INTEGER) AS VARCHAR)"),
        (r"int\(.*\)|decimal\(\d+,0\)", "CAST({c} AS VARCHAR)"),
        (r"decimal", "{r}"),
        (r"decimal\(.*\)", "rtrim(rtrim(CAST({c} AS VARCHAR), '0'), '.')"),
        (r"float\(.*\)", "CASE WHEN isnan({c}) THEN 'nan' ELSE lower(hex((CAST({c} AS DOUBLE) + 0.0)::BIT::BLOB)) END"),
        (r"string(?:\([\w ]+\))?", "{r}"),
        (r"string(?:\([\w ]+\))? padded", "rtrim({r}, ' ')"),
        (r"(?:string.*|uuid) as uuid", "lower({r})"),
        (r"uuid", "CAST({c} AS VARCHAR)"),
        (r"binary.*", "lower(hex({c}))"),
        (r"date", f"{_ENDLESS}CAST({{c}} - DATE '1970-01-01' AS VARCHAR) END"),
        (r"date as timestamp", f"{_ENDLESS}CAST(({{c}} - DATE '1970-01-01') * 86400000000 AS VARCHAR) END"),
        (r"time\([0-6]\)", "CAST(epoch_us({c}) AS VARCHAR)"),
        (r"time\([7-9]\)|time\([0-6]\) as nanoseconds", "CAST(epoch_ns({c}) AS VARCHAR)"),
        (r"timestamp\([0-6](?:,utc)?\)", f"{_ENDLESS}CAST(epoch_us({{c}}) AS VARCHAR) END"),
        (
            r"timestamp\([0-6](?:,utc)?\) as nanoseconds",
            f"{_ENDLESS}CAST(CAST(epoch_us({{c}}) AS HUGEINT) * 1000 AS VARCHAR) END",
        ),
        (r"timestamp\([7-9](?:,utc)?\)", f"{_ENDLESS}CAST(epoch_ns({{c}}) AS VARCHAR) END"),
        (r"interval", _SPAN),
        (r"list\((?:int\(.*\)|bool|string.*)\)", "CAST(to_json({c}) AS VARCHAR)"),
    ),
    counted="coalesce(strlen({t}) || ':' || {t}, '~')",
    high="('0x' || {h}[1:15])::BIGINT",
    low="('0x' || {h}[18:32])::BIGINT",
    verified="DuckDB 2.0",
)

dialect = Dialect(
    name="duckdb",
    tables_only=True,
    explain="EXPLAIN {sql}",
    catalog="""
        SELECT schema_name AS table_schema, table_name, column_index AS place, column_name, data_type AS native,
               CASE WHEN is_nullable THEN 1 ELSE 0 END AS nullable,
               CASE WHEN table_oid IN (SELECT view_oid FROM duckdb_views()) THEN 1 ELSE 0 END AS is_view,
               CASE WHEN column_default IS NULL THEN 0 ELSE 1 END AS filled
        FROM duckdb_columns() WHERE database_name = current_database() AND NOT internal""",
    keys="""
        SELECT schema_name AS table_schema, table_name, 0 AS rank, constraint_index::VARCHAR AS key_name,
               unnest(range(1, len(constraint_column_names) + 1)) AS place,
               unnest(constraint_column_names) AS column_name
        FROM duckdb_constraints() WHERE database_name = current_database() AND constraint_type = 'PRIMARY KEY'""",
    sizes="""
        SELECT schema_name AS table_schema, table_name, estimated_size AS n, NULL AS size FROM duckdb_tables()
        WHERE database_name = current_database()""",
    computed="""
        SELECT column_name FROM information_schema.columns
        WHERE table_catalog = current_database() AND table_schema = ? AND table_name = ? AND is_generated = 'ALWAYS'""",
    refusals="""
        SELECT constraint_text, CASE constraint_type WHEN 'CHECK' THEN 0 ELSE 1 END, constraint_column_names
        FROM duckdb_constraints() WHERE constraint_type IN ('CHECK', 'UNIQUE', 'PRIMARY KEY')
        AND database_name = current_database() AND schema_name = ? AND table_name = ?""",
    default_schema="SELECT current_schema()",
    spelling="""
        SELECT table_schema, table_name FROM information_schema.tables
        WHERE table_catalog = current_database() AND lower(table_schema) = lower(?) AND lower(table_name) = lower(?)""",
    types=(
        (r"boolean", "bool"),
        (r"tinyint", "int(8)"),
        (r"smallint", "int(16)"),
        (r"integer", "int(32)"),
        (r"bigint", "int(64)"),
        (r"utinyint", "int(8,unsigned)"),
        (r"usmallint", "int(16,unsigned)"),
        (r"uinteger", "int(32,unsigned)"),
        (r"ubigint", "int(64,unsigned)"),
        (r"u?hugeint|bignum|varint", "decimal"),
        (r"decimal\((\d+), *(\d+)\)", "decimal({0},{1})"),
        (r"float", "float(32)"),
        (r"double", "float(64)"),
        (r"varchar|enum\(.*\)|bit", "string"),
        (r"blob", "binary"),
        (r"date", "date"),
        (r"time", "time(6)"),
        (r"time_ns", "time(9)"),
        (r"timestamp", "timestamp(6)"),
        (r"timestamp_s", "timestamp(0)"),
        (r"timestamp_ms", "timestamp(3)"),
        (r"timestamp_ns", "timestamp(9)"),
        (r"timestamp with time zone", "timestamp(6,utc)"),
        (r"interval", "interval"),
        (r"uuid", "uuid"),
        (r"json", "json"),
    ),
    natives=(
        (r"bool", "BOOLEAN"),
        (r"int\(8\)", "TINYINT"),
        (r"int\(16\)", "SMALLINT"),
        (r"int\(32\)", "INTEGER"),
        (r"int\(64\)", "BIGINT"),
        (r"int\(8,unsigned\)", "UTINYINT"),
        (r"int\(16,unsigned\)", "USMALLINT"),
        (r"int\(32,unsigned\)", "UINTEGER"),
        (r"int\(64,unsigned\)", "UBIGINT"),
        (r"decimal\((\d|[12]\d|3[0-8]),(\d+)\)", "DECIMAL({0},{1})"),
        (r"decimal.*", "VARCHAR"),
        (r"float\(32\)", "FLOAT"),
        (r"float\(64\)", "DOUBLE"),
        (r"string.*", "VARCHAR"),
        (r"binary.*", "BLOB"),
        (r"date", "DATE"),
        (r"time\([789]\)", "TIME_NS"),
        (r"time\(.*", "TIME"),
        (r"timestamp\(\d,utc\)", "TIMESTAMP WITH TIME ZONE"),
        (r"timestamp\(0\)", "TIMESTAMP_S"),
        (r"timestamp\([789]\)", "TIMESTAMP_NS"),
        (r"timestamp.*", "TIMESTAMP"),
        (r"interval", "INTERVAL"),
        (r"uuid", "UUID"),
        (r"json", "JSON"),
    ),
    reads=(
        (r"(?:uuid|json|u?hugeint|bignum|varint|enum\(.*\)|bit)", "CAST({c} AS VARCHAR)"),
        (r"(?:uuid|json|u?hugeint|bignum|varint|enum\(.*\)|bit)\[\]", "CAST({c} AS VARCHAR[])"),
        (r"(?:uuid|json|u?hugeint|bignum|varint|enum\(.*\)|bit)\[\]\[\]", "CAST({c} AS VARCHAR[][])"),
        (r"timestamp_s|timestamp_ms", "CAST({c} AS TIMESTAMP)"),
        (r"interval", _short(_LONG)),
        (r"interval\[\]", _short(_ANY_LONG.replace("{items}", "{c}"))),
        (r"interval\[\]\[\]", _short(_ANY_LONG.replace("{items}", "flatten({c})"))),
    ),
    # Its client shows the first with another package only, and the second not as a literal takes it.
    shown=((r"timestamp with time zone", "CAST({c} AS VARCHAR)"), (r"blob", "hex({c})")),
    totals={
        "bool": "sum(CAST({c} AS INTEGER))",
        "int": "sum({c})",
        "decimal": "sum({c})",
        "string": "sum(octet_length(encode({c})))",
        "uuid": "sum(octet_length(encode({c})))",
        "binary": "sum(octet_length({c}))",
        "date": "sum({c} - DATE '1970-01-01')",
    },
    row_hash="CAST(sum(CAST(hash({columns}) AS HUGEINT)) AS VARCHAR)",
    total_digits=28,
    name_bytes=10_000,
    columns=10_000,
    update="UPDATE {t} AS t SET {sets} FROM {s} AS s WHERE {on}",
    arrays="{item}[]",
    create_schema="CREATE SCHEMA IF NOT EXISTS {name}",
    measure="coalesce(greatest(length(max({c})::VARCHAR), length(min({c})::VARCHAR)), 0), 0",
    aspects=Aspects(
        values=(
            (r"string.*|uuid|json", "{r}"),
            (r"interval|list.*", "CAST({c} AS VARCHAR)"),
            (r"bool", "CAST({c} AS INTEGER)"),
            (r"decimal|binary.*", "{c}"),
        ),
        shows=((r"string.*|uuid", "{v}"), (r".*", "CAST({v} AS VARCHAR)")),
        characters="length({v})",
        text_bytes="strlen({v})",
        text="CAST({v} AS VARCHAR)",
        head="left({v}, {n})",
        matches="regexp_full_match({v}, '{p}')",
        looks={  # json_valid takes [1,] and [NaN], too
            "json": "left(ltrim({v}), 1) IN ('{', '[') AND json_valid({v}) AND NOT regexp_matches("
            r"""regexp_replace({v}, '"(\\.|[^"\\])*"', '0', 'g'), ',\s*[\]}]|(?i:nan|inf)')"""
        },
        whole="ltrim(split_part({v}, '.', 1), '+-0')",
        tail="rtrim(split_part({v}, '.', 2), '0')",
        scale="length(rtrim(split_part(CAST({v} AS VARCHAR), '.', 2), '0'))",
        fraction=(
            (
                r"time(?:stamp)?\([789].*",
                "length(rtrim(lpad(CAST(epoch_ns({v}) % 1000000000 AS VARCHAR), 9, '0'), '0'))",
            ),
            (r"time\(.*", "length(rtrim(lpad(CAST(epoch_us({v}) % 1000000 AS VARCHAR), 6, '0'), '0'))"),
            (r"timestamp.*", "length(rtrim(strftime({v}, '%f'), '0'))"),
        ),
        midnight="{v} = date_trunc('day', {v})",
        nan=((r"float.*", "isnan({v})"),),
        infinite=((r"float.*", "isinf({v})"), (r"date|timestamp.*", "NOT isfinite({v})")),
        # count(DISTINCT) takes megabytes for every column, however few its values.
        distinct="coalesce(len(list_distinct(list({v}))), 0)",
        about="approx_count_distinct({v})",
        exact_rows=20_000,
    ),
    literals={
        "date": "DATE {v}",
        "timestamp": "TIMESTAMP {v}",
        "timestamp(9)": "CAST({v} AS TIMESTAMP_NS)",
        "binary": "unhex({v})",
    },
    sorts=((r"enum\(.*\)", "CAST({c} AS VARCHAR)"),),
    canon=canon,
)
