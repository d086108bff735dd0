"""Sybase ASE, from 15 on, which is read through ODBC. Its sister SQL Server has a dialect of its own."""

from lading.dialect import Dialect

dialect = Dialect(
    name="tsql",
    catalog="""
        SELECT user_name(o.uid) AS table_schema, o.name AS table_name, c.colid AS place, c.name AS column_name,
               CASE WHEN t.name IN ('decimal', 'numeric') THEN t.name + '(' + convert(varchar(3), c.prec) + ','
                      + convert(varchar(3), c.scale) + ')'
                    WHEN t.name IN ('char', 'varchar', 'nchar', 'nvarchar', 'binary', 'varbinary')
                      THEN t.name + '(' + convert(varchar(10), c.length) + ')'
                    WHEN t.name IN ('unichar', 'univarchar')
                      THEN t.name + '(' + convert(varchar(10), c.length / @@unicharsize) + ')'
                    WHEN t.name = 'float' THEN 'float(' + convert(varchar(3), c.length) + ' bytes)'
                    ELSE t.name END AS native,
               CASE WHEN c.status & 8 = 8 THEN 1 ELSE 0 END AS nullable,
               CASE o.type WHEN 'V' THEN 1 ELSE 0 END AS is_view,
               CASE WHEN c.cdefault <> 0 OR c.status & 128 = 128 THEN 1 ELSE 0 END AS filled
        FROM sysobjects o, syscolumns c, systypes t
        WHERE c.id = o.id AND t.usertype = c.usertype AND o.type IN ('U', 'V')""",
    # index_col() gives the columns of an index by number; thirty-one is the most that an index has.
    keys="""
        SELECT user_name(o.uid) AS table_schema, o.name AS table_name,
               CASE WHEN i.status & 2048 = 2048 THEN 0 ELSE 1 END AS key_rank, i.name AS key_name, n.colid AS place,
               index_col(o.name, i.indid, n.colid, o.uid) AS column_name
        FROM sysobjects o, sysindexes i, syscolumns n
        WHERE i.id = o.id AND n.id = o.id AND o.type = 'U' AND i.status & 2050 <> 0 AND i.indid BETWEEN 1 AND 254
          AND n.colid <= 31 AND index_col(o.name, i.indid, n.colid, o.uid) IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM syscolumns m, syscolumns d WHERE m.id = o.id AND m.colid <= 31 AND d.id = o.id
            AND d.name = index_col(o.name, i.indid, m.colid, o.uid) AND d.status & 8 = 8)""",
    sizes="""
        SELECT user_name(o.uid) AS table_schema, o.name AS table_name, row_count(db_id(), o.id) AS row_count,
               NULL AS byte_count
        FROM sysobjects o WHERE o.type = 'U'""",
    default_schema="SELECT user_name()",
    types=(
        (r"bit", "bool"),
        (r"tinyint", "int(8,unsigned)"),
        (r"smallint", "int(16)"),
        (r"int|integer", "int(32)"),
        (r"bigint", "int(64)"),
        (r"usmallint", "int(16,unsigned)"),
        (r"uint", "int(32,unsigned)"),
        (r"ubigint", "int(64,unsigned)"),
        (r"(?:decimal|numeric)\((\d+), *(\d+)\)", "decimal({0},{1})"),
        (r"money", "decimal(19,4)"),
        (r"smallmoney", "decimal(10,4)"),
        (r"real|float\(4 bytes\)", "float(32)"),
        (r"float\(8 bytes\)", "float(64)"),
        (r"n?(?:var)?char\((\d+)\)|uni(?:var)?char\((\d+)\)", "string({0}{1})"),
        (r"sysname|longsysname|text|unitext", "string"),
        (r"(?:var)?binary\((\d+)\)", "binary({0})"),
        (r"timestamp", "binary(8)"),
        (r"image", "binary"),
        (r"date", "date"),
        (r"time", "time(3)"),
        (r"datetime", "timestamp(3)"),
        (r"smalldatetime", "timestamp(0)"),
        (r"bigtime", "time(6)"),
        (r"bigdatetime", "timestamp(6)"),
    ),
    natives=(),
    quotes="[]",
    name_bytes=255,
    columns=1024,
    count="count(CASE WHEN {c} IS NOT NULL THEN 1 END)",
    literals={"date": "convert(date, {v})", "timestamp": "convert(bigdatetime, {v})", "time": "convert(bigtime, {v})"},
)
