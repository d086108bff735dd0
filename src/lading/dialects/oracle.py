"""Oracle Database, 12.2 and later."""

from lading.dialect import Aspects, Canon, Dialect

_NUMBERS = "'NLS_NUMERIC_CHARACTERS=''.,'''"
_OWN = "NOT IN (SELECT username FROM all_users WHERE oracle_maintained = 'Y')"
_INSTANT = "LTRIM(TO_CHAR({c}, 'SYYYY-MM-DD HH24:MI:SS.FF9'))"
_HOURS = "EXTRACT(HOUR FROM {c}) * 3600 + EXTRACT(MINUTE FROM {c}) * 60"
_SECONDS = f"TO_CHAR({_HOURS} + EXTRACT(SECOND FROM {{c}}), 'TM9', {_NUMBERS})"
# Oracle can only be asked whether a table is there by making it: DDL commits, so this is a statement of its own.
_UNLESS = "BEGIN EXECUTE IMMEDIATE {plain}; EXCEPTION WHEN OTHERS THEN IF SQLCODE <> %d THEN RAISE; END IF; END;"

_SINCE = "(CAST({v} AS TIMESTAMP(6)) - TIMESTAMP '1970-01-01 00:00:00')"
_MICROS = (
    f"TO_CHAR(EXTRACT(DAY FROM {_SINCE}) * 86400000000 + EXTRACT(HOUR FROM {_SINCE}) * 3600000000 "
    f"+ EXTRACT(MINUTE FROM {_SINCE}) * 60000000 + EXTRACT(SECOND FROM {_SINCE}) * 1000000, 'TM9')"
)
# Oracle writes no zero before the point.
_NUMBER = f"REGEXP_REPLACE(TO_CHAR({{c}}, 'TM9', {_NUMBERS}), '^(-?)\\.', '\\10.')"
_BITS = "LOWER(RAWTOHEX(UTL_RAW.CAST_FROM_BINARY_DOUBLE(TO_BINARY_DOUBLE({c}) + 0, 1)))"

canon = Canon(
    texts=(
        (r"decimal.*", _NUMBER),
        (r"float\(.*\)", f"CASE WHEN {{c}} IS NAN THEN 'nan' ELSE {_BITS} END"),
        (r"string\([\w ]+\)", "{r}"),
        (r"string\([\w ]+\) padded", "RTRIM({r})"),
        (r"string.* as uuid", "LOWER({r})"),
        (r"binary\(.*\)", "LOWER(RAWTOHEX({c}))"),
        (r"timestamp\([0-6]\)", _MICROS.replace("{v}", "{c}")),
        (r"timestamp\([0-6],utc\)", _MICROS.replace("{v}", "SYS_EXTRACT_UTC({c})")),
    ),
    ended="COALESCE({t}, '~') || '|'",
    counted="CASE WHEN {t} IS NULL THEN '~' ELSE LENGTHB({t}) || ':' || {t} END",
    md5="LOWER(RAWTOHEX(STANDARD_HASH({x}, 'MD5')))",
    high="TO_NUMBER(SUBSTR({h}, 1, 15), 'XXXXXXXXXXXXXXX')",
    low="TO_NUMBER(SUBSTR({h}, -15), 'XXXXXXXXXXXXXXX')",
    once=" OFFSET 0 ROWS",
    refusal="""
        SELECT 'the database is encoded in ' || value FROM nls_database_parameters
        WHERE parameter = 'NLS_CHARACTERSET' AND value <> 'AL32UTF8'""",
)

dialect = Dialect(
    name="oracle",
    # Digits that a canonical decimal cannot say (scale below zero or above the precision) are said with wider ones.
    catalog=f"""
        SELECT c.owner AS table_schema, c.table_name, c.column_id AS place, c.column_name,
               CASE WHEN c.data_type IN ('VARCHAR2', 'CHAR') THEN c.data_type || '(' ||
                      CASE c.char_used WHEN 'C' THEN c.char_length || ' CHAR' ELSE c.data_length || ' BYTE' END || ')'
                    WHEN c.data_type IN ('NVARCHAR2', 'NCHAR') THEN c.data_type || '(' || c.char_length || ')'
                    WHEN c.data_type IN ('RAW', 'UROWID') THEN c.data_type || '(' || c.data_length || ')'
                    WHEN c.data_type = 'FLOAT' THEN 'FLOAT(' || c.data_precision || ')'
                    WHEN c.data_type <> 'NUMBER' THEN c.data_type
                    WHEN c.data_scale IS NULL THEN 'NUMBER'
                    WHEN NVL(c.data_precision, 38) - LEAST(c.data_scale, 0) > 38 OR c.data_scale > 38 THEN 'NUMBER'
                    ELSE 'NUMBER(' || GREATEST(NVL(c.data_precision, 38) - LEAST(c.data_scale, 0), c.data_scale)
                      || ',' || GREATEST(c.data_scale, 0) || ')' END AS native,
               CASE c.nullable WHEN 'N' THEN 0 ELSE 1 END AS nullable,
               CASE WHEN v.view_name IS NULL THEN 0 ELSE 1 END AS is_view,
               CASE WHEN c.default_length IS NULL THEN 0 ELSE 1 END AS filled
        FROM all_tab_columns c LEFT JOIN all_views v ON v.owner = c.owner AND v.view_name = c.table_name
        WHERE c.owner {_OWN} AND c.table_name NOT LIKE 'BIN$%'""",
    keys=f"""
        SELECT k.owner AS table_schema, k.table_name, CASE k.constraint_type WHEN 'P' THEN 0 ELSE 1 END AS key_rank,
               k.constraint_name AS key_name, n.position AS place, n.column_name
        FROM all_constraints k JOIN all_cons_columns n
          ON n.owner = k.owner AND n.constraint_name = k.constraint_name AND n.table_name = k.table_name
        WHERE k.constraint_type IN ('P', 'U') AND k.status = 'ENABLED' AND k.validated = 'VALIDATED' AND k.owner {_OWN}
          AND NOT EXISTS (SELECT 1 FROM all_cons_columns m JOIN all_tab_columns c
            ON c.owner = m.owner AND c.table_name = m.table_name AND c.column_name = m.column_name
            WHERE m.owner = k.owner AND m.constraint_name = k.constraint_name AND c.nullable = 'Y')""",
    sizes=f"""
        SELECT owner AS table_schema, table_name, num_rows AS row_count, num_rows * avg_row_len AS byte_count
        FROM all_tables WHERE owner {_OWN}""",
    triggers="""
        SELECT trigger_name FROM all_triggers
        WHERE table_owner = :v AND table_name = :v AND status = 'ENABLED'
          AND (triggering_event LIKE '%INSERT%' OR triggering_event LIKE '%UPDATE%') ORDER BY trigger_name""",
    default_schema="SELECT SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') FROM dual",
    types=(
        (r"number|float\(\d+\)", "decimal"),
        (r"number\((\d+), *(\d+)\)", "decimal({0},{1})"),
        (r"binary_float", "float(32)"),
        (r"binary_double", "float(64)"),
        (r"(?:var)?char2?\((\d+) byte\)", "string({0} bytes)"),
        (r"(?:var)?char2?\((\d+) char\)|n(?:var)?char2?\((\d+)\)", "string({0}{1})"),
        (r"n?clob|long|xmltype|u?rowid(?:\(\d+\))?", "string"),
        (r"raw\((\d+)\)", "binary({0})"),
        (r"blob|long raw", "binary"),
        (r"date", "timestamp(0)"),
        (r"timestamp\((\d)\)", "timestamp({0})"),
        (r"timestamp\((\d)\) with (?:local )?time zone", "timestamp({0},utc)"),
        (r"interval year(?:\(\d\))? to month|interval day(?:\(\d\))? to second(?:\(\d\))?", "interval"),
        (r"boolean", "bool"),
        (r"json", "json"),
    ),
    natives=(
        (r"bool", "NUMBER(1,0)"),
        (r"int\(8.*", "NUMBER(3,0)"),
        (r"int\(16.*", "NUMBER(5,0)"),
        (r"int\(32.*", "NUMBER(10,0)"),
        (r"int\(64\)", "NUMBER(19,0)"),
        (r"int\(64,unsigned\)", "NUMBER(20,0)"),
        (r"decimal\((\d|[12]\d|3[0-8]),(\d+)\)", "NUMBER({0},{1})"),
        (r"decimal.*", "NUMBER"),
        (r"float\(32\)", "BINARY_FLOAT"),
        (r"float\(64\)", "BINARY_DOUBLE"),
        # Four bytes a character: beyond a thousand of them VARCHAR2 may run out of its 4,000 bytes.
        (r"string\(([1-9]\d{0,2}|1000)\)", "VARCHAR2({0} CHAR)"),
        (r"string\(([1-9]\d{0,2}|[123]\d{3}|4000) bytes\)", "VARCHAR2({0} BYTE)"),
        (r"time\(.*", "VARCHAR2(18 CHAR)"),
        (r"uuid", "VARCHAR2(36 CHAR)"),
        (r"string.*|interval|json|list.*", "CLOB"),
        (r"binary\(([1-9]\d{0,2}|1\d{3}|2000)\)", "RAW({0})"),
        (r"binary.*", "BLOB"),
        (r"date", "DATE"),
        (r"timestamp\((\d)\)", "TIMESTAMP({0})"),
        (r"timestamp\((\d),utc\)", "TIMESTAMP({0}) WITH TIME ZONE"),
    ),
    # Numbers without a limit and more than six digits of a second arrive as text: Arrow's forms are narrower.
    reads=(
        (r"number|float\(\d+\)", f"TO_CHAR({{c}}, 'TM9', {_NUMBERS})"),
        (r"timestamp\([789]\)", _INSTANT),
        (r"timestamp\([789]\) with (?:local )?time zone", _INSTANT.replace("{c}", "SYS_EXTRACT_UTC({c})")),
        (r"timestamp\(\d\) with (?:local )?time zone", "SYS_EXTRACT_UTC({c})"),
        (r"xmltype", "XMLSERIALIZE(CONTENT {c} AS CLOB)"),
        (r"json", "JSON_SERIALIZE({c} RETURNING CLOB)"),
        (r"u?rowid(?:\(\d+\))?", "CAST({c} AS VARCHAR2(4000))"),
        (
            r"interval year.*",
            "NVL2({c}, 'P' || TO_CHAR(EXTRACT(YEAR FROM {c}) * 12 + EXTRACT(MONTH FROM {c})) || 'M0DT0S', NULL)",
        ),
        (
            r"interval day.*",
            f"NVL2({{c}}, 'P0M' || EXTRACT(DAY FROM {{c}}) || 'DT' || {_SECONDS} || 'S', NULL)",
        ),
    ),
    drops=((r"timestamp\(\d\) with time zone", "zone: each value's zone is dropped, its instant is kept"),),
    empty_is_null=True,
    totals={
        "bool": "SUM(CASE WHEN {q} THEN 1 ELSE 0 END)",
        "decimal": "TO_CHAR(SUM({q}), 'TM9', " + _NUMBERS + ")",
    },
    count="COUNT(CASE WHEN {c} IS NOT NULL THEN 1 END)",
    # Never run against a server. Long texts and bytes can neither be sorted nor told apart there, and are read.
    aspects=Aspects(
        away=r"string|binary|json|interval|bool",
        values=((r"decimal.*", "{c}"), (r"timestamp\(\d,utc\)", "SYS_EXTRACT_UTC({c})"), (r"timestamp.*", "{c}")),
        shows=(
            (r"string.*", "{v}"),
            (r"decimal.*", f"TO_CHAR({{v}}, 'TM9', {_NUMBERS})"),
            (r"timestamp.*", "TO_CHAR(CAST({v} AS TIMESTAMP), 'YYYY-MM-DD HH24:MI:SS.FF9')"),
            (r".*", "TO_CHAR({v})"),
        ),
        characters="LENGTH({v})",
        bytes="UTL_RAW.LENGTH({v})",
        text_bytes="LENGTHB({v})",
        text="TO_CHAR({v})",
        matches="REGEXP_LIKE({v}, '^({p})$')",
        looks={"json": "(SUBSTR(LTRIM({v}), 1, 1) IN ('{', '[') AND {v} IS JSON)"},
        whole="LTRIM(REGEXP_SUBSTR({v}, '^[^.]*'), '+-0')",
        tail="RTRIM(REGEXP_SUBSTR({v}, '[.](.*)$', 1, 1, NULL, 1), '0')",
        scale=(
            f"NVL(LENGTH(RTRIM(REGEXP_SUBSTR(TO_CHAR({{v}}, 'TM9', {_NUMBERS}), '[.](.*)$', 1, 1, NULL, 1), '0')), 0)"
        ),
        fraction=((r"timestamp.*", "NVL(LENGTH(RTRIM(TO_CHAR(CAST({v} AS TIMESTAMP), 'FF9'), '0')), 0)"),),
        midnight="TO_CHAR(CAST({v} AS TIMESTAMP), 'HH24:MI:SS.FF9') = '00:00:00.000000000'",
        nan=((r"float.*", "{v} IS NAN"),),
        infinite=((r"float.*", "{v} IS INFINITE"),),
        about="APPROX_COUNT_DISTINCT({v})",
    ),
    name_bytes=128,
    columns=1000,
    update="MERGE INTO {t} t USING {s} s ON ({on}) WHEN MATCHED THEN UPDATE SET {sets}",
    create=_UNLESS % -955,
    drop=_UNLESS % -942,
    limit="SELECT * FROM ({sql}) WHERE ROWNUM <= {n}",
    modulo="MOD({a}, {b})",
    add_key="ALTER TABLE {t} ADD PRIMARY KEY ({columns})",
    placeholder=":v",
    literals={"timestamp": "TIMESTAMP {v}", "date": "DATE {v}"},
    canon=canon,
    create_as="",
)
