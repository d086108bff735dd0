"""SQLite: types are what a column declares; values are checked against it when they are read."""

from lading.dialect import Aspects, Canon, Dialect

# A value of another storage class makes json() raise, which stops the read.
_TEXT = "CASE WHEN typeof({c}) IN ('text', 'null') THEN {c} ELSE json('!' || {c}) END"
_WHOLE = "CASE WHEN typeof({c}) IN ('integer', 'null') THEN {c} ELSE json('!' || {c}) END"
_REAL = "CASE WHEN typeof({c}) IN ('real', 'integer', 'null') THEN CAST({c} AS REAL) ELSE json('!' || {c}) END"
_BLOB = "CASE WHEN typeof({c}) IN ('blob', 'null') THEN {c} ELSE json('!' || {c}) END"
# A double gives a declared decimal back only if it is the double nearest to that decimal.
_DECIMAL = (
    "CASE typeof({c}) WHEN 'integer' THEN CAST({c} AS TEXT) WHEN 'text' THEN {c} WHEN 'null' THEN NULL WHEN 'real' "
    "THEN CASE WHEN CAST(printf('%.15g', {c}) AS REAL) = {c} THEN printf('%!.15g', {c}) ELSE json('!' || {c}) END "
    "ELSE json('!' || {c}) END"
)
IS_NUMBER = "{r} GLOB '*[0-9]*' AND {r} NOT GLOB '*[^0-9.eE+-]*'"
_NUMBER = f"CASE WHEN {IS_NUMBER} THEN CAST({{r}} AS REAL) WHEN {{c}} IS NOT NULL THEN json('!' || {{c}}) END"
# Moments are texts of several forms; the shortest form of a bound sorts before every other form of the same moment.
_MOMENT = (
    "rtrim(replace(CASE WHEN {v} LIKE '%.%' THEN rtrim(rtrim({v}, '0'), '.') ELSE {v} END || '$', "
    "' 00:00:00$', ''), '$')"
)
_CLOCK = "CASE WHEN {v} LIKE '%.%' THEN rtrim(rtrim({v}, '0'), '.') ELSE {v} END"
# Of numbers as they are read, with a point or without; 1e20 and words have no digits to count.
_MEASURE = (
    "CASE WHEN sum({r} GLOB '*[^0-9.-]*') > 0 THEN NULL "
    "ELSE coalesce(max(max(length(ltrim(substr({r}, 1, instr({r} || '.', '.') - 1), '-')), 1)), 0) END, "
    "max(length(rtrim(rtrim(substr({r} || '.', instr({r} || '.', '.') + 1), '.'), '0')))"
)
# Without regular expressions: a date is one that SQLite gives back unchanged.
_DAY = "({x} GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]' AND date({x}) IS {x})"
_DAY_OF = _DAY.replace("{x}", "substr({v}, 1, 10)")
_BARE = "ltrim(substr({v}, 1, 1), '-') || substr({v}, 2)"
_TIME = "substr({v}, 12, 8) GLOB '[0-9][0-9]:[0-5][0-9]:[0-5][0-9]' AND substr({v}, 12, 2) < '24'"
_MICROS = (
    "(length({v}) = 19 OR substr({v}, 20, 1) = '.' AND length({v}) BETWEEN 21 AND 26 "
    "AND substr({v}, 21) NOT GLOB '*[^0-9]*')"
)
_LOOKS = {
    "number": (
        f"({_BARE} GLOB '[0-9]*' AND {_BARE} GLOB '*[0-9]' AND {_BARE} NOT GLOB '*[^0-9.]*' AND {_BARE} NOT GLOB "
        f"'*.*.*' AND ({_BARE} NOT GLOB '0*' OR {_BARE} IN ('0') OR {_BARE} GLOB '0.*'))"
    ),
    "date": _DAY.replace("{x}", "{v}"),
    "timestamp": f"({_DAY_OF} AND substr({{v}}, 11, 1) IN (' ', 'T') AND {_TIME} AND {_MICROS})",
    "uuid": "{v} GLOB '" + "-".join("[0-9a-fA-F]" * n for n in (8, 4, 4, 4, 12)) + "'",
    "bool": "lower({v}) IN ('true', 'false', '0', '1')",
    "json": "substr(ltrim({v}), 1, 1) IN ('{', '[') AND json_valid({v})",
}

# Texts that are no date, time or number as it is usually written get a text of their own, so that they equal nothing.
_ODD = "'!' || hex({r})"
_SHORT = (
    "CASE WHEN {t} GLOB '*[^0-9.-]*' THEN '!' || hex({t}) WHEN {t} LIKE '%.%' "
    "THEN CASE rtrim(rtrim({t}, '0'), '.') WHEN '-0' THEN '0' ELSE rtrim(rtrim({t}, '0'), '.') END ELSE {t} END"
)
_FIXED = (
    "CASE WHEN typeof({c}) = 'real' AND CAST(printf('%.{0}f', {c}) AS REAL) = {c} THEN printf('%.{0}f', {c}) "
    "ELSE {r} END"
)
_DATE = "CASE WHEN {r} IS NULL OR date({r}) = {r} THEN {{v}} ELSE " + _ODD + " END"
_DAYS = "CAST(julianday({r}) - 2440587.5 AS INTEGER)"
_FRACTION = "CAST(substr(substr({r}, {at}) || '000000000', 1, {digits}) AS INTEGER)"
_REST = (
    "(length({r}) = {at} - 2 OR substr({r}, {at} - 1, 1) = '.' AND substr({r}, {at}) NOT GLOB '*[^0-9]*' "
    "AND length({r}) BETWEEN {at} AND {at} + {digits} - 1)"
)


def _ticks(whole: str, before: int, digits: int) -> str:
    """The whole seconds, which take so many characters, and so many digits behind them."""
    clock = "datetime" if before == 19 else "time"
    fraction = _FRACTION.replace("{at}", str(before + 2)).replace("{digits}", str(digits))
    rest = _REST.replace("{at}", str(before + 2)).replace("{digits}", str(digits))
    start = f"substr({{r}}, 1, {before})"
    good = f"{{r}} IS NULL OR {clock}({start}) = {start} AND {rest}"
    value = f"CAST(strftime('%s', {whole}{start}) AS INTEGER) * 1{'0' * digits} + {fraction}"
    return f"CASE WHEN {good} THEN {value} ELSE {_ODD} END"


_OF_DAY = "'1970-01-01 ' || "

canon = Canon(
    texts=(
        (r"bool|int\(.*\)", "CAST({r} AS TEXT)"),
        (r"decimal\(\d+,(\d+)\)", _SHORT.replace("{t}", f"({_FIXED})")),
        (r"decimal", _SHORT.replace("{t}", "({r})")),
        (r"float\(.*\)", "{r}"),
        (r"string(?:\([\w ]+\))?", "{r}"),
        (r"string(?:\([\w ]+\))? padded", "rtrim({r}, ' ')"),
        (r"uuid|(?:string.*|uuid) as uuid", "lower({r})"),
        (r"binary.*", "CASE WHEN {c} IS NOT NULL THEN lower(hex({r})) END"),  # hex() makes '' of NULL
        (r"date", _DATE.replace("{{v}}", _DAYS)),
        (r"date as timestamp", _DATE.replace("{{v}}", f"{_DAYS} * 86400000000")),
        (r"time\([0-6]\)", _ticks(_OF_DAY, 8, 6)),
        (r"time\([7-9]\)|time\([0-6]\) as nanoseconds", _ticks(_OF_DAY, 8, 9)),
        (r"timestamp\([0-6](?:,utc)?\)", _ticks("", 19, 6)),
        (r"timestamp\([7-9](?:,utc)?\)|timestamp\([0-6](?:,utc)?\) as nanoseconds", _ticks("", 19, 9)),
    ),
    md5="",
    verified="SQLite 3",
)

# The one column that SQLite numbers itself.
_COUNTED = """(p.pk > 0 AND upper(p.type) = 'INTEGER' AND NOT EXISTS (
                   SELECT 1 FROM pragma_table_info(m.name) k WHERE k.pk > 1))"""

dialect = Dialect(
    name="sqlite",
    tables_only=True,
    explain="EXPLAIN QUERY PLAN {sql}",
    catalog=f"""
        SELECT 'main' AS table_schema, m.name AS table_name, p.cid AS place, p.name AS column_name, p.type AS native,
               NOT (p."notnull" OR {_COUNTED}) AS nullable, m.type = 'view' AS is_view,
               upper(coalesce(p.dflt_value, 'NULL')) <> 'NULL' OR p.hidden > 1 OR {_COUNTED} AS filled
        FROM sqlite_master m JOIN pragma_table_xinfo(m.name) p
        WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND p.hidden <> 1
          AND m.name NOT IN (SELECT l.name FROM pragma_table_list l WHERE l.type = 'shadow')""",
    keys="""
        SELECT 'main' AS table_schema, m.name AS table_name, 0 AS rank, 'primary' AS key_name, p.pk AS place,
               p.name AS column_name
        FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' AND p.pk > 0
        UNION ALL
        SELECT 'main', m.name, 1, i.name, x.seqno, x.name
        FROM sqlite_master m JOIN pragma_index_list(m.name) i JOIN pragma_index_info(i.name) x
        WHERE m.type = 'table' AND i."unique" AND i.origin <> 'pk' AND NOT i.partial AND NOT EXISTS (
            SELECT 1 FROM pragma_index_info(i.name) y LEFT JOIN pragma_table_info(m.name) c ON c.cid = y.cid
            WHERE c.name IS NULL OR NOT c."notnull")""",
    sizes="SELECT 'main' AS table_schema, name AS table_name, NULL AS n, NULL AS size FROM sqlite_master WHERE 0",
    body="""
        SELECT substr(sql, instr(sql, '(')) FROM sqlite_master
        WHERE type = 'table' AND 'main' = ? AND name = ? AND instr(name, '(') = 0""",
    triggers="""
        SELECT name FROM sqlite_master
        WHERE type = 'trigger' AND 'main' = ? AND lower(tbl_name) = lower(?) ORDER BY name""",
    default_schema="SELECT 'main'",
    computed="""
        SELECT p.name FROM sqlite_master m JOIN pragma_table_xinfo(m.name) p
        WHERE 'main' = ? AND m.name = ? AND p.hidden > 1 ORDER BY p.cid""",
    spelling="""
        SELECT 'main', name FROM sqlite_master
        WHERE 'main' = ? AND type IN ('table', 'view') AND lower(name) = lower(?)""",
    types=(
        (r"(?:tiny|small|medium|big)?int(?:eger)?(?:\(\d+\))?|int[248]|unsigned big int", "int(64)"),
        (r"bool(?:ean)?|bit", "bool"),
        (r"(?:text_)?(?:decimal|numeric|number)\((\d+), *(\d+)\)", "decimal({0},{1})"),
        (r"(?:text_)?(?:decimal|numeric|number)\((\d+)\)", "decimal({0},0)"),
        (r"decimal_text|decimal|numeric|number", "decimal"),
        (r"money", "decimal(19,4)"),
        (r"real|double(?: precision)?|float(?:\(\d+\))?", "float(64)"),
        (r"(?:n?(?:var)?char(?:acter)?|varying character|native character)\((\d+)\)", "string({0})"),
        (r"n?(?:var)?char|n?text|n?clob|string|name", "string"),
        (r"blob|binary|varbinary(?:\(\d+\))?|image", "binary"),
        (r"date", "date"),
        (r"time\(([789])\)", "time({0})"),
        (r"time(?:\(\d\))?", "time(6)"),
        (r"datetime|timestamp(?:\(6\))?|datetime2?\(\d\)", "timestamp(6)"),
        (r"timestamp\((\d)\)", "timestamp({0})"),
        (r"timestamptz|timestamptz\(6\)", "timestamp(6,utc)"),
        (r"timestamptz\((\d)\)", "timestamp({0},utc)"),
        (r"interval", "interval"),
        (r"uuid_text", "uuid"),
        (r"json_text|json", "json"),
    ),
    natives=(
        (r"bool", "BOOLEAN"),
        (r"int\(64,unsigned\)", "TEXT_DECIMAL(20,0)"),
        (r"int\(.*", "INTEGER"),
        (r"decimal\((\d|1[0-5]),(\d+)\)", "DECIMAL({0},{1})"),
        (r"decimal\((\d+),(\d+)\)", "TEXT_DECIMAL({0},{1})"),
        (r"decimal", "DECIMAL_TEXT"),
        (r"float.*", "REAL"),
        (r"string\((\d+)\)", "VARCHAR({0})"),
        (r"string.*", "TEXT"),
        (r"binary.*", "BLOB"),
        (r"date", "DATE"),
        (r"time\(([789])\)", "TIME({0})"),
        (r"time\(.*", "TIME(6)"),
        (r"timestamp\(([789])\)", "TIMESTAMP({0})"),
        (r"timestamp\((\d)\)", "DATETIME"),
        (r"timestamp\(([789]),utc\)", "TIMESTAMPTZ({0})"),
        (r"timestamp.*", "TIMESTAMPTZ"),
        (r"interval", "INTERVAL"),
        (r"uuid", "UUID_TEXT"),
        (r"json|list.*", "JSON_TEXT"),
    ),
    reads=(
        (r".*_text|text_.*|.*char.*|n?text|n?clob|string|name|date.*|time.*|interval|json", _TEXT),
        (r"decimal.*|numeric.*|number.*|money", _DECIMAL),
        (r"real|double.*|float.*", _REAL),
        (r"blob|binary|varbinary.*|image", _BLOB),
        (r".*", _WHOLE),
    ),
    totals={
        "bool": "sum({q})",
        "int": "sum({q} >> 32) || ':' || sum({q} & 4294967295)",
        "string": "sum(length(CAST({q} AS BLOB)))",
        "binary": "sum(length({q}))",
        "uuid": "sum(length({q}))",
    },
    aspects=Aspects(
        # A declared decimal of up to 15 digits is a number, and a double gives it back; a longer one is a text.
        values=((r"decimal.*", _NUMBER), (r".*", "{r}")),
        away=r"decimal|decimal\((?!(?:\d|1[0-5]),).*",
        shows=(
            (r"decimal.*", "CASE WHEN {v} IS NOT NULL THEN printf('%!.15g', {v}) END"),  # of NULL it would be 0
            (r"float.*", "CASE WHEN {v} IS NOT NULL THEN printf('%!.17g', {v}) END"),
        ),
        characters="length({v})",
        text="CAST({v} AS TEXT)",
        looks=_LOOKS,
        whole="ltrim(substr({v}, 1, instr({v} || '.', '.') - 1), '+-0')",
        tail="rtrim(substr({v}, instr({v} || '.', '.') + 1), '0')",
        scale=(
            "CASE WHEN {v} IS NOT NULL THEN "
            "length(rtrim(substr(printf('%.{s}f', {v}), instr(printf('%.{s}f', {v}) || '.', '.') + 1), '0')) END"
        ),
        fraction=((r"time.*", "length(rtrim(substr({v}, instr({v} || '.', '.') + 1), '0'))"),),
        midnight=(
            "length({v}) <= 10 OR substr({v}, 12, 15) IN ('00:00', '00:00:00') "
            "OR substr({v}, 12) GLOB '00:00:00.*' AND trim(substr({v}, 20), '.0') = ''"
        ),
        infinite=((r"float.*", "{v} IN (9e999, -9e999)"),),
    ),
    name_bytes=10_000,
    columns=1_990,
    update="UPDATE OR ABORT {t} AS t SET {sets} FROM {s} AS s WHERE {on}",
    key_inline=True,
    literals={"timestamp": _MOMENT, "time": _CLOCK, "binary": "X{v}"},
    keyed=(
        (r"date(?!$).*|timestamp.*", _MOMENT.replace("{v}", "rtrim(replace({c}, 'T', ' '), 'Z')")),
        (r"time.*", _CLOCK.replace("{v}", "{c}")),
        (r"uuid_text", "lower({c})"),
    ),
    shown=((r"blob|binary|varbinary.*|image", "hex({c})"),),
    only_schema="main",
    measure=_MEASURE,
    canon=canon,
)
