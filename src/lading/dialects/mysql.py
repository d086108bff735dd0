"""MySQL and MariaDB, told apart by comments that only one of them runs."""

from lading.dialect import Aspects, Canon, Dialect

_OWN = "('mysql', 'information_schema', 'performance_schema', 'sys')"
# The catalogue below writes the first, MariaDB the last.
_SET = r"(?: character set \w+)?(?: collate \w+)?(?: /\*.*\*/)?"
_NUMBER = r"(?: unsigned)?(?: zerofill)?"

# Days of month zero, dates of zeros, 30 February and times outside a day are no values; each has a text of its own.
# Adding zero takes the blanks or zeros away that a column's display width puts before numbers.
_REAL_DAY = (
    "CASE WHEN {c} IS NULL OR (month({c}) > 0 AND dayofmonth({c}) BETWEEN 1 AND dayofmonth(last_day({c}))) "
    "THEN {{t}} ELSE concat('!', {c}) END"
)
# The year 0 has no 29 February here, so that the days before are counted one too high.
_EARLY = "(year({c}) = 0 AND month({c}) < 3)"
_DAYS = f"(to_days({{c}}) - {_EARLY} - 719528)"
_DAY = _REAL_DAY.replace("{{t}}", _DAYS)
_MOMENT = _REAL_DAY.replace("{{t}}", f"timestampdiff(MICROSECOND, '1970-01-01', {{c}}) - {_EARLY} * 86400000000")
_INSTANT = _REAL_DAY.replace("{{t}}", "CAST(unix_timestamp({c}) * 1000000 AS SIGNED)")
_TIME = "CASE WHEN {c} < 0 THEN concat('!', {c}) ELSE time_to_sec({c}) DIV 1 * 1000000 + microsecond({c}) END"
_UTF8 = "CONVERT({r} USING utf8mb4)"
# No function gives the bits of a number, but a point is written with those of its coordinates, the lowest byte first.
# Adding zero makes 0 of -0, and 64 bits of a FLOAT's.
_BITS = "lower(hex(reverse(right(st_aswkb(point(0, {c} + 0e0)), 8))))"

canon = Canon(
    texts=(
        (r"bool|int\(.*\)|decimal\(\d+,0\)", "CAST({r} + 0 AS CHAR)"),
        (r"decimal\(.*\)", "TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM CAST({r} + 0 AS CHAR)))"),
        (r"float\(.*\)", _BITS),
        (r"string(?:\([\w ]+\))?", f"CAST({_UTF8} AS BINARY)"),
        (r"string(?:\([\w ]+\))? padded", f"CAST(TRIM(TRAILING ' ' FROM {_UTF8}) AS BINARY)"),
        (r"uuid|(?:string.*|uuid) as uuid", f"CAST(lower({_UTF8}) AS BINARY)"),
        (r"binary.*", "lower(hex({c}))"),
        (r"date", _DAY),
        (r"date as timestamp", _DAY.replace(_DAYS, f"{_DAYS} * 86400000000")),
        (r"time\([0-6]\)", _TIME),
        (
            r"time\([0-6]\) as nanoseconds",
            _TIME.replace("microsecond({c})", "microsecond({c})) * 1000").replace("ELSE time", "ELSE (time"),
        ),
        (r"timestamp\([0-6]\)", _MOMENT),
        (r"timestamp\([0-6],utc\)", _INSTANT),
    ),
    # Of what is longer than a packet the server makes NULL, which must not look like a column's own.
    ended="CASE WHEN {c} IS NULL THEN '~' ELSE {t} END, '|'",
    counted="CASE WHEN {c} IS NULL THEN '~' ELSE concat(octet_length({t}), ':', {t}) END",
    joined="concat({items})",
    between=", ",
    high="CAST(conv(left({h}, 15), 16, 10) AS UNSIGNED)",
    low="CAST(conv(right({h}, 15), 16, 10) AS UNSIGNED)",
    once=" LIMIT 18446744073709551615",
    refusal="""
        SELECT concat('the rules are not verified on MySQL ', version()) FROM (SELECT 1) lading_q
        WHERE locate('mariadb', lower(version())) = 0""",
    verified="MariaDB 10.11",
)

dialect = Dialect(
    name="mysql",
    tables_only=True,
    explain="EXPLAIN {sql}",
    # MariaDB's JSON is a LONGTEXT with a check. The character set is part of the type where a byte of it may become
    # more bytes of UTF-8, because the text types count bytes.
    catalog=f"""
        SELECT c.table_schema AS table_schema, c.table_name AS table_name, c.ordinal_position AS place,
               c.column_name AS column_name,
               /*M! CASE WHEN k.check_clause IS NOT NULL THEN 'json' ELSE */
               CONCAT(c.column_type, CASE WHEN c.character_set_name NOT IN ('utf8mb4', 'utf8mb3', 'utf8', 'ascii')
                      THEN CONCAT(' character set ', c.character_set_name) ELSE '' END) /*M! END */ AS native,
               c.is_nullable = 'YES' AS nullable, t.table_type = 'VIEW' AS is_view,
               c.column_default IS NOT NULL OR locate('auto_increment', c.extra) + locate('GENERATED', c.extra) > 0
               AS filled
        FROM information_schema.columns c
        JOIN (SELECT DISTINCT table_schema, table_name, table_type FROM information_schema.tables
              WHERE table_schema NOT IN {_OWN} AND table_type NOT IN ('SEQUENCE', 'SYSTEM VIEW')) t
        ON t.table_schema = c.table_schema AND t.table_name = c.table_name
        /*M! LEFT JOIN (SELECT DISTINCT constraint_schema, table_name, constraint_name, check_clause
                        FROM information_schema.check_constraints
                        WHERE level = 'Column' AND left(check_clause, 10) = 'json_valid') k
        ON k.constraint_schema = c.table_schema AND k.table_name = c.table_name AND k.constraint_name = c.column_name
        AND k.check_clause = CONCAT('json_valid(`', REPLACE(c.column_name, '`', '``'), '`)') */""",
    # A unique key over a part of a text is unique over the whole of it too.
    keys=f"""
        SELECT s.table_schema AS table_schema, s.table_name AS table_name,
               CASE s.index_name WHEN 'PRIMARY' THEN 0 ELSE 1 END AS `rank`, s.index_name AS key_name,
               s.seq_in_index AS place, s.column_name AS column_name
        FROM information_schema.statistics s
        JOIN (SELECT table_schema, table_name, index_name FROM information_schema.statistics
              WHERE non_unique = 0 AND table_schema NOT IN {_OWN} GROUP BY 1, 2, 3
              HAVING sum(nullable = 'YES' OR column_name IS NULL) = 0) f
        ON f.table_schema = s.table_schema AND f.table_name = s.table_name AND f.index_name = s.index_name""",
    sizes=f"""
        SELECT table_schema AS table_schema, table_name AS table_name, table_rows AS n, data_length AS size
        FROM information_schema.tables WHERE table_type <> 'VIEW' AND table_schema NOT IN {_OWN}""",
    triggers="""
        SELECT trigger_name FROM information_schema.triggers
        WHERE event_object_schema = %s AND event_object_table = %s AND event_manipulation IN ('INSERT', 'UPDATE')
        ORDER BY trigger_name""",
    default_schema="SELECT database()",
    types=(
        (r"tinyint\(1\)|bit\(1\)", "bool"),  # the convention of every driver; other values than 0 and 1 stop the read
        (rf"tinyint(?:\(\d+\))? unsigned{_NUMBER}", "int(8,unsigned)"),
        (rf"tinyint(?:\(\d+\))?{_NUMBER}", "int(8)"),
        (rf"smallint(?:\(\d+\))? unsigned{_NUMBER}", "int(16,unsigned)"),
        (rf"smallint(?:\(\d+\))?{_NUMBER}|year(?:\(4\))?", "int(16)"),
        (rf"(?:medium)?int(?:\(\d+\))? unsigned{_NUMBER}", "int(32,unsigned)"),
        (rf"(?:medium)?int(?:\(\d+\))?{_NUMBER}", "int(32)"),
        (rf"bigint(?:\(\d+\))? unsigned{_NUMBER}|bit\(\d+\)", "int(64,unsigned)"),
        (rf"bigint(?:\(\d+\))?{_NUMBER}", "int(64)"),
        (rf"decimal\((\d+),(\d+)\){_NUMBER}", "decimal({0},{1})"),
        (rf"float(?:\(\d+,\d+\))?{_NUMBER}", "float(32)"),
        (rf"double(?:\(\d+,\d+\))?{_NUMBER}", "float(64)"),
        (rf"(?:var)?char\((\d+)\){_SET}", "string({0})"),
        (r"tinytext(?: /\*.*\*/)?", "string(255 bytes)"),
        (r"text(?: /\*.*\*/)?", "string(65535 bytes)"),
        (r"mediumtext(?: /\*.*\*/)?", "string(16777215 bytes)"),
        (rf"tinytext{_SET}", "string(255)"),
        (rf"text{_SET}", "string(65535)"),
        (rf"mediumtext{_SET}", "string(16777215)"),
        (rf"longtext{_SET}|(?:enum|set)\(.*\){_SET}|inet[46]", "string"),
        (r"(?:var)?binary\((\d+)\)(?: /\*.*\*/)?", "binary({0})"),
        (r"tinyblob(?: /\*.*\*/)?", "binary(255)"),
        (r"blob(?: /\*.*\*/)?", "binary(65535)"),
        (r"mediumblob(?: /\*.*\*/)?", "binary(16777215)"),
        (r"longblob(?: /\*.*\*/)?", "binary"),
        (r"date", "date"),
        (r"time(?: /\*.*\*/)?", "time(0)"),
        (r"datetime(?: /\*.*\*/)?", "timestamp(0)"),
        (r"time\((\d)\)(?: /\*.*\*/)?", "time({0})"),
        (r"datetime\((\d)\)(?: /\*.*\*/)?", "timestamp({0})"),
        (r"timestamp(?: /\*.*\*/)?", "timestamp(0,utc)"),
        (r"timestamp\((\d)\)(?: /\*.*\*/)?", "timestamp({0},utc)"),
        (r"uuid", "uuid"),
        (r"json", "json"),
    ),
    natives=(
        (r"bool", "TINYINT(1)"),
        (r"int\(8\)", "TINYINT"),
        (r"int\(16\)", "SMALLINT"),
        (r"int\(32\)", "INT"),
        (r"int\(64\)", "BIGINT"),
        (r"int\(8,unsigned\)", "TINYINT UNSIGNED"),
        (r"int\(16,unsigned\)", "SMALLINT UNSIGNED"),
        (r"int\(32,unsigned\)", "INT UNSIGNED"),
        (r"int\(64,unsigned\)", "BIGINT UNSIGNED"),
        (r"decimal\((\d|[1-5]\d|6[0-5]),([12]?\d|30)\)", "DECIMAL({0},{1})"),
        (r"decimal.*", "LONGTEXT"),
        (r"float\(32\)", "FLOAT"),
        (r"float\(64\)", "DOUBLE"),
        # Longer ones, or many of them, would not fit the 65,535 bytes that a row may have outside its texts.
        (r"string\((\d{1,3})(?: bytes)?\)", "VARCHAR({0})"),
        (r"string\((\d{4}|1[0-5]\d{3}|\d{4} bytes|[1-5]\d{4} bytes|6[0-4]\d{3} bytes|65535 bytes)\)", "TEXT"),
        (r"string\((\d{5,6}|[1-3]\d{6}|\d{5,7} bytes|16777215 bytes)\)", "MEDIUMTEXT"),
        (r"string.*", "LONGTEXT"),
        (r"binary\((\d{1,4})\)", "VARBINARY({0})"),
        (r"binary.*", "LONGBLOB"),
        (r"date", "DATE"),
        (r"time\(([0-6])\)", "TIME({0})"),
        (r"time\(.*", "TIME(6)"),
        # TIMESTAMP keeps the instant. It ends in 2038 (2106 from MariaDB 11.5 on); later instants are refused by
        # name. DATETIME would hold them, but without the zone, which would be a loss for every other table.
        (r"timestamp\(([0-6]),utc\)", "TIMESTAMP({0})"),
        (r"timestamp\(.*,utc\)", "TIMESTAMP(6)"),
        (r"timestamp\(([0-6])\)", "DATETIME({0})"),
        (r"timestamp\(.*", "DATETIME(6)"),
        (r"interval", "LONGTEXT"),
        # MariaDB's UUID refuses some of them: 00000000-0000-8000-0000-000000000001 is one.
        (r"uuid", "CHAR(36) CHARACTER SET ascii COLLATE ascii_bin"),
        (r"json|list.*", "JSON"),
    ),
    reads=(
        # Six digits are all that a FLOAT shows of itself, and (M,D) cuts more.
        (r"float.*|double\(.*", "{c} * 1e0"),
        (r"bit\(.*", "{c} + 0"),
        (r".* character set .*", "CONVERT({c} USING utf8mb4)"),
    ),
    totals={
        "bool": "sum({c})",
        "int": "sum({c})",
        "decimal": "sum({c})",
        "string": "sum(octet_length({c}))",
        "uuid": "sum(octet_length({c}))",
        "binary": "sum(octet_length({c}))",
        "date": f"sum{_DAYS}",
    },
    # Texts of every character set and collation are asked about as UTF-8, and differ where their bytes do.
    aspects=Aspects(
        values=(
            (
                r"string.*|uuid",
                "CONVERT({c} USING utf8mb4) /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */",
            ),
            (r"decimal.*|time.*|date|binary.*|json", "{c}"),
        ),
        shows=((r"string.*|uuid", "{v}"), (r".*", "CAST({v} AS char(80))")),
        matches="{v} REGEXP '^({p})\\\\z'",
        looks={"json": "left(ltrim({v}), 1) IN ('{', '[') AND json_valid({v})"},
        whole="trim(LEADING '0' FROM replace(replace(substring_index({v}, '.', 1), '-', ''), '+', ''))",
        tail="trim(TRAILING '0' FROM substr({v}, char_length(substring_index({v}, '.', 1)) + 2))",
        scale=(
            "char_length(trim(TRAILING '0' FROM substr(CAST({v} AS char(80)), "
            "char_length(substring_index(CAST({v} AS char(80)), '.', 1)) + 2)))"
        ),
        fraction=((r"time.*", "char_length(trim(TRAILING '0' FROM date_format({v}, '%f')))"),),
        midnight="time({v}) = '00:00:00'",
        # Above the limit of exact counts: of a sixteenth of the values, or of few values among some of the rows.
        about=(
            "CASE WHEN count(DISTINCT CASE WHEN crc32({v}) & 15 = 0 THEN {v} END) >= 64 THEN "
            "16 * count(DISTINCT CASE WHEN crc32({v}) & 15 = 0 THEN {v} END) ELSE "
            "count(DISTINCT CASE WHEN rand() < 0.015625 THEN {v} END) END"
        ),
    ),
    quotes="``",
    backslashes=True,
    name_bytes=256,
    columns=1_016,
    select_items=2_000,
    create_schema="CREATE DATABASE {name}",
    update="UPDATE {t} t JOIN {s} s ON {on} SET {sets}",
    key_inline=True,
    placeholder="%s",
    call="CALL {name}({values})",
    literals={"string": "_utf8mb4{v}", "binary": "X{v}", "uuid": "_utf8mb4{v}"},
    sorts=((rf"(?:enum|set)\(.*\){_SET}", "concat({c})"),),
    canon=canon,
)
