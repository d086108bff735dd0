"""Microsoft SQL Server, 2016 and later, and Azure SQL."""

from lading.dialect import Aspects, Canon, Dialect

_COLLATE = r"(?: collate \w+)?"
_D = "[0-9]"
# The digits after the point of a text {t}, without zeros at the end.
_USED = "LEN(REPLACE(RTRIM(REPLACE(SUBSTRING({t}, CHARINDEX('.', {t} + '.') + 1, 80), '0', ' ')), ' ', '0'))"

_SINCE = "DATEDIFF_BIG(microsecond, CAST('1970-01-01' AS datetime2(0)), CAST({v} AS datetime2(6)))"
_UTC = "SWITCHOFFSET({c}, '+00:00')"
_TEXT = "CAST({r} COLLATE Latin1_General_100_BIN2_UTF8 AS varchar(max))"
# There is no trimming of anything but blanks before 2022.
_ZEROS = "REPLACE(RTRIM(REPLACE(CONVERT(varchar(50), {r}), '0', ' ')), ' ', '0')"
_DAYS = "DATEDIFF(day, '19700101', {c})"

canon = Canon(
    texts=(
        (r"bool|int\(.*\)|decimal\(\d+,0\)", "CONVERT(varchar(50), {c})"),
        (r"decimal\(.*\)", f"REPLACE(RTRIM(REPLACE({_ZEROS}, '.', ' ')), ' ', '.')"),
        (r"float\(.*\)", "LOWER(CONVERT(char(16), CAST(CAST({c} AS float) + 0e0 AS binary(8)), 2))"),
        (r"string(?:\([\w ]+\))?", _TEXT),
        (r"string(?:\([\w ]+\))? padded", f"RTRIM({_TEXT})"),
        (r"uuid|(?:string.*|uuid) as uuid", "LOWER(CONVERT(varchar(8000), {c}))"),
        (r"binary.*", "LOWER(CONVERT(varchar(max), {r}, 2))"),
        (r"date", f"CONVERT(varchar(11), {_DAYS})"),
        (r"date as timestamp", f"CONVERT(varchar(20), CAST({_DAYS} AS bigint) * 86400000000)"),
        (r"time\([0-6]\)", "CONVERT(varchar(20), DATEDIFF_BIG(microsecond, CAST('00:00' AS time(7)), {c}))"),
        (r"timestamp\([0-6]\)", f"CONVERT(varchar(20), {_SINCE.replace('{v}', '{c}')})"),
        (r"timestamp\([0-6],utc\)", f"CONVERT(varchar(20), {_SINCE.replace('{v}', _UTC)})"),
    ),
    ended="COALESCE({t}, '~') + '|'",
    counted="CASE WHEN {t} IS NULL THEN '~' ELSE CONCAT(DATALENGTH({t}), ':', {t}) END",
    between=" + ",
    md5="LOWER(CONVERT(char(32), HASHBYTES('MD5', {x}), 2))",
    high="CAST(CONVERT(bigint, CONVERT(binary(8), '0' + LEFT({h}, 15), 2)) AS decimal(38,0))",
    low="CAST(CONVERT(bigint, CONVERT(binary(8), '0' + RIGHT({h}, 15), 2)) AS decimal(38,0))",
    once=" ORDER BY (SELECT NULL) OFFSET 0 ROWS",
    refusal="""
        SELECT 'the server is older than 2019' WHERE CAST(SERVERPROPERTY('ProductMajorVersion') AS int) < 15""",
)

dialect = Dialect(
    name="sqlserver",
    # The collation is part of a text type: a staged column of another one could not be compared with the target's.
    catalog="""
        SELECT s.name AS table_schema, o.name AS table_name, c.column_id AS place, c.name AS column_name,
               CASE WHEN b.name IN (N'nvarchar', N'nchar') THEN CONCAT(b.name, '(',
                      CASE c.max_length WHEN -1 THEN 'max' ELSE CAST(c.max_length / 2 AS varchar(10)) END, ')')
                    WHEN b.name IN (N'varchar', N'char', N'varbinary', N'binary') THEN CONCAT(b.name, '(',
                      CASE c.max_length WHEN -1 THEN 'max' ELSE CAST(c.max_length AS varchar(10)) END, ')')
                    WHEN b.name IN (N'decimal', N'numeric') THEN CONCAT(b.name, '(', c.precision, ',', c.scale, ')')
                    WHEN b.name IN (N'time', N'datetime2', N'datetimeoffset') THEN CONCAT(b.name, '(', c.scale, ')')
                    WHEN b.name = N'timestamp' THEN N'rowversion'
                    ELSE b.name END
               + CASE WHEN c.collation_name IS NULL THEN N''
                      ELSE CONCAT(N' COLLATE ', c.collation_name) END AS native,
               CAST(c.is_nullable AS int) AS nullable, CASE o.type WHEN 'V' THEN 1 ELSE 0 END AS is_view,
               CASE WHEN c.default_object_id <> 0 OR c.is_identity = 1 OR c.is_computed = 1 OR b.name = N'timestamp'
                    THEN 1 ELSE 0 END AS filled
        FROM sys.columns c
        JOIN sys.objects o ON o.object_id = c.object_id AND o.type IN ('U', 'V') AND o.is_ms_shipped = 0
        JOIN sys.schemas s ON s.schema_id = o.schema_id
        CROSS APPLY (SELECT CASE c.system_type_id WHEN 240 THEN TYPE_NAME(c.user_type_id)
                            ELSE TYPE_NAME(c.system_type_id) END AS name) b""",
    keys="""
        SELECT s.name AS table_schema, o.name AS table_name, CASE i.is_primary_key WHEN 1 THEN 0 ELSE 1 END AS key_rank,
               i.name AS key_name, k.key_ordinal AS place, c.name AS column_name
        FROM sys.indexes i JOIN sys.objects o ON o.object_id = i.object_id AND o.type = 'U' AND o.is_ms_shipped = 0
        JOIN sys.schemas s ON s.schema_id = o.schema_id
        JOIN sys.index_columns k ON k.object_id = i.object_id AND k.index_id = i.index_id AND k.key_ordinal > 0
        JOIN sys.columns c ON c.object_id = k.object_id AND c.column_id = k.column_id
        WHERE i.is_unique = 1 AND i.has_filter = 0 AND i.is_disabled = 0 AND i.is_hypothetical = 0
          AND NOT EXISTS (SELECT 1 FROM sys.index_columns n
            JOIN sys.columns d ON d.object_id = n.object_id AND d.column_id = n.column_id
            WHERE n.object_id = i.object_id AND n.index_id = i.index_id AND n.key_ordinal > 0 AND d.is_nullable = 1)""",
    sizes="""
        SELECT s.name AS table_schema, o.name AS table_name, SUM(p.rows) AS row_count, SUM(a.pages) * 8192 AS byte_count
        FROM sys.partitions p JOIN sys.objects o ON o.object_id = p.object_id AND o.type = 'U' AND o.is_ms_shipped = 0
        JOIN sys.schemas s ON s.schema_id = o.schema_id
        CROSS APPLY (SELECT SUM(u.total_pages) AS pages FROM sys.allocation_units u
                     WHERE u.container_id IN (p.partition_id, p.hobt_id)) a
        WHERE p.index_id IN (0, 1) GROUP BY s.name, o.name""",
    default_schema="SELECT SCHEMA_NAME()",
    types=(
        (r"bit", "bool"),
        (r"tinyint", "int(8,unsigned)"),
        (r"smallint", "int(16)"),
        (r"int", "int(32)"),
        (r"bigint", "int(64)"),
        (r"(?:decimal|numeric)\((\d+), *(\d+)\)", "decimal({0},{1})"),
        (r"money", "decimal(19,4)"),
        (r"smallmoney", "decimal(10,4)"),
        (r"real|float\((?:\d|1\d|2[0-4])\)", "float(32)"),
        (r"float(?:\(\d+\))?", "float(64)"),
        # A char type counts bytes only under a UTF-8 collation; else a byte of its code page is a character, or half.
        (r"(?:var)?char\((\d+)\) collate \w+_utf8", "string({0} bytes)"),
        (rf"n?(?:var)?char\((\d+)\){_COLLATE}", "string({0})"),
        (rf"n?varchar\(max\){_COLLATE}|n?text{_COLLATE}|xml", "string"),
        (r"(?:var)?binary\((\d+)\)", "binary({0})"),
        (r"varbinary\(max\)|image", "binary"),
        (r"rowversion", "binary(8)"),
        (r"date", "date"),
        (r"time\((\d)\)", "time({0})"),
        (r"datetime", "timestamp(3)"),  # in steps of 3.33 ms
        (r"smalldatetime", "timestamp(0)"),  # in steps of a minute
        (r"datetime2\((\d)\)", "timestamp({0})"),
        (r"datetimeoffset\((\d)\)", "timestamp({0},utc)"),
        (r"uniqueidentifier", "uuid"),
        (r"json", "json"),
    ),
    natives=(
        (r"bool", "bit"),
        (r"int\(8\)|int\(16\)", "smallint"),
        (r"int\(32\)|int\(16,unsigned\)", "int"),
        (r"int\(64\)|int\(32,unsigned\)", "bigint"),
        (r"int\(8,unsigned\)", "tinyint"),
        (r"int\(64,unsigned\)", "decimal(20,0)"),
        (r"decimal\((\d|[12]\d|3[0-8]),(\d+)\)", "decimal({0},{1})"),
        (r"decimal.*", "nvarchar(max)"),
        (r"float\(32\)", "real"),
        (r"float\(64\)", "float(53)"),
        (r"string\(([1-9]\d{0,2}|[123]\d{3}|4000)(?: bytes)?\)", "nvarchar({0})"),
        (r"string.*|interval|json|list.*", "nvarchar(max)"),
        (r"binary\(([1-9]\d{0,2}|[1-7]\d{3}|8000)\)", "varbinary({0})"),
        (r"binary.*", "varbinary(max)"),
        (r"date", "date"),
        (r"time\(([0-7])\)", "time({0})"),
        (r"time\(.*", "time(7)"),
        (r"timestamp\(([0-7])\)", "datetime2({0})"),
        (r"timestamp\(([0-7]),utc\)", "datetimeoffset({0})"),
        (r"timestamp\(\d,utc\)", "datetimeoffset(7)"),
        (r"timestamp.*", "datetime2(7)"),
        (r"uuid", "uniqueidentifier"),
    ),
    # A seventh digit of a second, and times of day, arrive as text: client libraries cut them.
    reads=(
        (rf"n?text{_COLLATE}|xml|json", "CAST({c} AS nvarchar(max))"),
        (r"image", "CAST({c} AS varbinary(max))"),
        (r"rowversion", "CAST({c} AS binary(8))"),
        (r"money", "CAST({c} AS decimal(19,4))"),
        (r"smallmoney", "CAST({c} AS decimal(10,4))"),
        (r"datetime", "CAST({c} AS datetime2(3))"),
        (r"smalldatetime", "CAST({c} AS datetime2(0))"),
        (r"time\(\d\)", "CONVERT(varchar(16), {c}, 121)"),
        (r"datetime2\(7\)", "CONVERT(varchar(27), {c}, 121)"),
        (r"datetimeoffset\(7\)", "CONVERT(varchar(27), CAST(SWITCHOFFSET({c}, '+00:00') AS datetime2(7)), 121)"),
        (r"datetimeoffset\(\d\)", "CAST(SWITCHOFFSET({c}, '+00:00') AS datetime2(6))"),
        (r"uniqueidentifier", "LOWER(CONVERT(char(36), {c}))"),
    ),
    drops=((r"datetimeoffset\(\d\)", "zone: each value's offset from UTC is dropped, its instant is kept"),),
    totals={
        "bool": "SUM(CAST({c} AS bigint))",
        "int": "SUM(CAST({c} AS decimal(38,0)))",
        "decimal": "SUM({c})",
        "binary": "SUM(CAST(DATALENGTH({c}) AS bigint))",
        "uuid": "SUM(CASE WHEN {q} IS NULL THEN 0 ELSE CAST(36 AS bigint) END)",
        "date": "SUM(CAST(DATEDIFF(day, '19700101', {c}) AS bigint))",
    },
    count="COUNT(CASE WHEN {c} IS NOT NULL THEN 1 END)",
    # Eight bytes of SHA-256 over the row, summed; CHECKSUM_AGG would let pairs of rows cancel out.
    row_hash="""CAST(SUM(CAST(CONVERT(bigint, SUBSTRING(HASHBYTES('SHA2_256', {columns}), 1, 8)) AS decimal(38,0)))
        AS varchar(40))""",
    # Never run against a server. A character beyond U+FFFF counts as two, and how many bytes of UTF-8 a text has is
    # not told: servers before 2019 cannot say.
    aspects=Aspects(
        values=(
            (r"string.*", "CAST({r} AS nvarchar(max)) COLLATE Latin1_General_BIN2"),
            (r"bool", "CAST({c} AS int)"),
            (r"timestamp\(\d,utc\)", "CAST(SWITCHOFFSET({c}, '+00:00') AS datetime2(7))"),
            (r"time.*", "{c}"),
        ),
        shows=(
            (r"string.*|uuid", "{v}"),
            (r"date|time.*", "CONVERT(varchar(40), {v}, 121)"),
            (r"float.*", "CONVERT(varchar(40), {v}, 3)"),
            (r".*", "CONVERT(varchar(80), {v})"),
        ),
        characters="LEN({v} + N'.') - 1",
        bytes="DATALENGTH({v})",
        text_bytes="",
        head="LEFT({v}, {n})",
        text="CAST({v} AS varchar(40))",
        looks={
            "date": f"({{v}} LIKE '{_D * 4}-{_D * 2}-{_D * 2}' AND TRY_CONVERT(date, {{v}}, 23) IS NOT NULL)",
            "uuid": "(LEN({v} + N'.') = 37 AND TRY_CONVERT(uniqueidentifier, {v}) IS NOT NULL)",
            "bool": "LOWER({v}) IN (N'true', N'false', N'0', N'1')",
            "json": "(LEFT(LTRIM({v}), 1) IN (N'{', N'[') AND ISJSON({v}) = 1)",
        },
        scale=_USED.replace("{t}", "CONVERT(varchar(80), {v})"),
        fraction=((r"time.*", _USED.replace("{t}", "CONVERT(varchar(40), {v}, 121)")),),
        midnight="CAST({v} AS time(7)) = '00:00:00'",
    ),
    quotes="[]",
    name_bytes=128,
    columns=1024,
    update="UPDATE t SET {sets} FROM {t} t JOIN {s} s ON {on}",
    create="IF OBJECT_ID(N{name}, N'U') IS NULL CREATE TABLE {t} ({columns})",
    limit="{sql} ORDER BY (SELECT NULL) OFFSET 0 ROWS FETCH NEXT {n} ROWS ONLY",
    add_key="ALTER TABLE {t} ADD PRIMARY KEY ({columns})",
    literals={
        "string": "N{v}",
        "date": "CAST({v} AS date)",
        "time": "CAST({v} AS time(7))",
        "timestamp": "CAST({v} AS datetime2(7))",
        "uuid": "CAST({v} AS uniqueidentifier)",
    },
    canon=canon,
    create_as="",
)
