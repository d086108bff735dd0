"""PostgreSQL. The catalogue writes what a type's name leaves out as a comment behind it, which PostgreSQL skips."""

from dataclasses import replace

from lading.dialect import Aspects, Canon, Dialect

_OWN = r"n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
# A domain's base type; any other type is its own.
_BASE = """
    LATERAL (WITH RECURSIVE r (oid, mod, depth) AS (
               SELECT {type}::oid, {mod}::int, 0
               UNION ALL SELECT p.typbasetype, p.typtypmod, r.depth + 1 FROM r JOIN pg_type p ON p.oid = r.oid
               WHERE p.typtype = 'd')
             SELECT oid, mod FROM r ORDER BY depth DESC LIMIT 1)"""
_DIGITS = "(((b.mod - 4) >> 16) & 65535)"
_SCALE = "((((b.mod - 4) & 2047) # 1024) - 1024)"
_ODD = f"b.mod >= 4 AND ({_SCALE} < 0 OR {_SCALE} > {_DIGITS})"
_KIND = (
    "CASE {t}.typtype WHEN 'e' THEN '/*enum*/' WHEN 'c' THEN '/*row*/' WHEN 'r' THEN '/*range*/' ELSE '/*range*/' END"
)
_MADE = "{t}.typtype IN ('e', 'c', 'r', 'm') AND {t}.typnamespace <> 'pg_catalog'::regnamespace"
PADDED = r"character(?:\(\d+\))?|bpchar"
"""Types that are filled with blanks, which are no part of the value."""
_TO_76 = r"(\d|[1-6]\d|7[0-6])"  # longer decimals travel as text, without a limit
_TEXTS = (
    r"time(?:\(\d\))? with time zone|timetz|xml|inet|cidr|macaddr8?|bit(?: varying)?(?:\(\d+\))?|varbit|tsvector|"
    r"tsquery|point|line|lseg|box|path|polygon|circle|pg_lsn|xid8?|cid|tid|(?:pg|txid)_snapshot|reg[a-z]+|jsonpath|"
    r"(?:int[48]|num|ts|tstz|date)(?:multi)?range|(?:.*\.)?(?:citext|hstore|ltree|lquery|cube|seg|isbn|issn|ean13)|"
    r'.*/\*(?:(?:domain )?enum|row|range)\*/|"char"'
)
_LONG = rf"numeric(?!\({_TO_76},\d+\)$)(?!.*/\*{_TO_76},\d+\*/$)(?!.*money).*"
# Arrays of one dimension that begin at 1 are lists; the mark of any other is not JSON, which stops the read.
_ARRAY = (
    "CASE WHEN array_ndims({c}) > 1 OR array_lower({c}, 1) <> 1 THEN '!' ELSE array_to_json(({c})::text[])::text END"
)
# What compares with no literal as it is read; a domain over an enum has no operators at all.
_ENUM = (r".*/\*domain enum\*/", "({c})::text")
_UNLIKE = ((r".*/\*money\*/", "({c})::numeric"), (r".*/\*row\*/", "({c})::text"), _ENUM)

# The binary forms, which no setting of a session changes: microseconds since 2000, and the bits of floats.
_ENDLESS = "CASE {c} WHEN 'infinity' THEN 'inf' WHEN '-infinity' THEN '-inf' ELSE "
_MOMENT = "(('x' || encode({kind}_send({c}), 'hex'))::bit(64)::bigint + 946684800000000)"
_SPAN = (
    "(extract(year FROM {c})::int * 12 + extract(month FROM {c})::int) || '/' || extract(day FROM {c})::int || '/' || "
    "(extract(hour FROM {c})::bigint * 3600000000 + extract(minute FROM {c})::bigint * 60000000 "
    "+ extract(microseconds FROM {c})::bigint)"
)
_ITEMS = (
    "CASE WHEN array_ndims({{c}}) > 1 OR array_lower({{c}}, 1) <> 1 THEN '!' || ({{c}})::text "
    "ELSE array_to_json(({{c}}){text})::text END"
)


def _instant(kind: str) -> tuple[tuple[str, str], ...]:
    zone = ",utc" if kind == "timestamptz" else ""
    micros = _MOMENT.replace("{kind}", kind)
    return (
        (rf"timestamp\([0-6]{zone}\)", f"{_ENDLESS}{micros}::text END"),
        (rf"timestamp\([0-6]{zone}\) as nanoseconds", f"{_ENDLESS}({micros}::numeric * 1000)::text END"),
    )


canon = Canon(
    texts=(
        (r"bool", "({c})::int::text"),
        (r"int\(.*\)", "({r})::text"),
        (r"decimal", "trim_scale({c})::text"),
        (r"decimal\(.*\)", "trim_scale({r})::text"),
        (r"float\(.*\)", "CASE {c} WHEN 'NaN' THEN 'nan' ELSE encode(float8send({c}::float8 + 0), 'hex') END"),
        (r"string(?:\([\w ]+\))?", "({r})::text"),
        (r"string(?:\([\w ]+\))? padded", "rtrim(({r})::text, ' ')"),
        (r"(?:string.*|uuid) as uuid", 'lower(({r})::text COLLATE "C")'),
        (r"uuid", "({c})::text"),
        (r"binary.*", "encode({c}, 'hex')"),
        (r"date", f"{_ENDLESS}({{c}} - DATE '1970-01-01')::text END"),
        (r"date as timestamp", f"{_ENDLESS}(({{c}} - DATE '1970-01-01') * 86400000000)::text END"),
        (r"time\([0-6]\)", "('x' || encode(time_send({c}), 'hex'))::bit(64)::bigint::text"),
        (r"time\([0-6]\) as nanoseconds", "(('x' || encode(time_send({c}), 'hex'))::bit(64)::bigint * 1000)::text"),
        *_instant("timestamp"),
        *_instant("timestamptz"),
        (
            r"interval",
            "CASE WHEN isfinite({c}) THEN " + _SPAN + " WHEN {c} > INTERVAL '0' THEN 'inf' "
            "WHEN {c} IS NOT NULL THEN '-inf' END",
        ),
        (r"list\((?:int\(.*\)|bool)\)", _ITEMS.format(text="")),
        (r"list\(string.*\)", _ITEMS.format(text="::text[]")),
    ),
    once=" OFFSET 0",
    refusal="""
        SELECT 'the server is older than version 13' WHERE current_setting('server_version_num')::int < 130000
        UNION ALL
        SELECT 'the database is encoded in ' || current_setting('server_encoding')
        WHERE current_setting('server_encoding') <> 'UTF8'""",
    verified="PostgreSQL 15",
)

dialect = Dialect(
    name="postgres",
    explain="EXPLAIN {sql}",
    # Partitions are read through their table, or by their own name, as views are. A table without columns has a line.
    catalog=f"""
        SELECT n.nspname::text AS table_schema, c.relname::text AS table_name, a.attnum::int AS place,
               a.attname::text AS column_name,
               CASE WHEN b.oid = 'money'::regtype THEN 'numeric(19,2)/*money*/'
                    WHEN t.typtype = 'e' AND a.atttypid <> b.oid THEN format_type(b.oid, NULL) || '/*domain enum*/'
                    WHEN {_MADE.format(t="t")} THEN format_type(b.oid, NULL) || {_KIND.format(t="t")}
                    WHEN {_MADE.format(t="i")} THEN format_type(i.oid, NULL) || {_KIND.format(t="i")} || '[]'
                    WHEN b.oid = 'numeric'::regtype AND {_ODD} THEN format_type(b.oid, b.mod)
                         || '/*' || greatest({_DIGITS} - least({_SCALE}, 0), {_SCALE}) || ','
                         || greatest({_SCALE}, 0) || '*/'
                    WHEN b.oid = 'numeric[]'::regtype AND {_ODD} THEN 'numeric[]'
                    WHEN e.typtype = 'd' THEN format_type(d.oid, d.mod) || '[]'
                    ELSE format_type(b.oid, b.mod) END AS native,
               CASE WHEN a.attnotnull THEN 0 ELSE 1 END AS nullable,
               CASE WHEN c.relkind = 'v' OR c.relispartition THEN 1 ELSE 0 END AS is_view,
               CASE WHEN a.atthasdef OR a.attidentity <> '' THEN 1 ELSE 0 END AS filled
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN {_BASE.format(type="a.atttypid", mod="a.atttypmod")} b ON true
        LEFT JOIN pg_type t ON t.oid = b.oid
        LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A' AND t.typlen = -1
        LEFT JOIN {_BASE.format(type="e.oid", mod="-1")} d ON true
        LEFT JOIN pg_type i ON i.oid = d.oid
        WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v') AND {_OWN} AND NOT EXISTS (
            SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')""",
    # Of a table from which others inherit, whose rows are read with it, nothing is unique.
    keys=f"""
        SELECT n.nspname::text AS table_schema, c.relname::text AS table_name,
               CASE WHEN x.indisprimary THEN 0 ELSE 1 END AS rank, k.relname::text AS key_name, p.place::int AS place,
               a.attname::text AS column_name
        FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class k ON k.oid = x.indexrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL unnest(x.indkey::int2[]) WITH ORDINALITY p (attnum, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.attnum
        WHERE x.indisunique AND x.indisvalid AND x.indpred IS NULL AND x.indexprs IS NULL AND {_OWN}
        AND NOT EXISTS (SELECT FROM pg_inherits i WHERE c.relkind = 'r' AND i.inhparent = c.oid)
        AND p.place <= x.indnkeyatts AND NOT EXISTS (
            SELECT FROM unnest(x.indkey::int2[]) WITH ORDINALITY q (attnum, place) JOIN pg_attribute b
            ON b.attrelid = c.oid AND b.attnum = q.attnum WHERE q.place <= x.indnkeyatts AND NOT b.attnotnull)""",
    sizes=f"""
        SELECT n.nspname::text AS table_schema, c.relname::text AS table_name, s.n, s.size
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL (
            SELECT CASE WHEN min(p.reltuples) < 0 THEN NULL ELSE sum(p.reltuples)::bigint END AS n,
                   sum(pg_table_size(p.oid))::bigint AS size
            FROM pg_class p WHERE p.oid = c.oid AND c.relkind <> 'p' OR c.relkind = 'p' AND p.relkind <> 'p'
                 AND p.oid IN (SELECT relid FROM pg_partition_tree(c.oid))) s
        WHERE c.relkind IN ('r', 'p', 'm', 'f') AND {_OWN}""",
    # Checks of whole rows name their table, and are left to it. A stage has no domains: a cast to them, whose NULLs are
    # counted so that it is not left out, refuses what they refuse.
    refusals="""
        SELECT r.* FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace CROSS JOIN LATERAL (
            SELECT CASE c.contype WHEN 'c' THEN 'CONSTRAINT ' || quote_ident(c.conname) || ' ' ELSE '' END
                   || pg_get_constraintdef(c.oid), CASE c.contype WHEN 'c' THEN 0 ELSE 1 END,
                   (SELECT coalesce(array_agg(attname::text), '{}') FROM pg_attribute
                    WHERE attrelid = c.conrelid AND attnum = ANY(coalesce(x.indkey::int2[], c.conkey)))
            FROM pg_constraint c LEFT JOIN pg_index x ON x.indexrelid = c.conindid
            WHERE c.contype IN ('c', 'u', 'p') AND 0 < ALL(c.conkey) AND c.conrelid = t.oid
            UNION ALL
            SELECT 'CHECK (num_nulls(' || quote_ident(a.attname) || '::' || format_type(y.oid, NULL) || ') >= 0)', 0,
                   ARRAY[a.attname::text]
            FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid AND y.typtype = 'd'
            WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped) r
        WHERE n.nspname = %s AND t.relname = %s""",
    triggers="""
        SELECT g.tgname FROM pg_trigger g
        JOIN pg_class t ON t.oid = g.tgrelid JOIN pg_namespace n ON n.oid = t.relnamespace
        WHERE NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgtype & 20 <> 0 AND n.nspname = %s AND t.relname = %s
        ORDER BY g.tgname""",
    computed="""
        SELECT a.attname FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = t.relnamespace
        WHERE a.attgenerated <> '' AND n.nspname = %s AND t.relname = %s ORDER BY a.attnum""",
    default_schema="SELECT coalesce(current_schema(), 'public')",
    types=(
        (r"boolean", "bool"),
        (r"smallint", "int(16)"),
        (r"integer", "int(32)"),
        (r"bigint", "int(64)"),
        (r"oid", "int(32,unsigned)"),
        (r"numeric\(19,2\)/\*money\*/", "decimal(19,2)"),
        (rf"numeric\(\d+,-?\d+\)/\*{_TO_76},(\d+)\*/", "decimal({0},{1})"),
        (rf"numeric\({_TO_76},(\d+)\)", "decimal({0},{1})"),
        (r"numeric.*", "decimal"),
        (r"real", "float(32)"),
        (r"double precision", "float(64)"),
        (r"(?:character varying|varchar|character)\((\d+)\)", "string({0})"),
        (r"text|character varying|varchar|bpchar|character", "string"),
        (r"name", "string(63 bytes)"),
        (r"bytea", "binary"),
        (r"date", "date"),
        (r"time\((\d)\)(?: without time zone)?", "time({0})"),
        (r"time(?: without time zone)?", "time(6)"),
        (r"timestamp\((\d)\)(?: without time zone)?", "timestamp({0})"),
        (r"timestamp(?: without time zone)?", "timestamp(6)"),
        (r"timestamp\((\d)\) with time zone|timestamptz\((\d)\)", "timestamp({0}{1},utc)"),
        (r"timestamp with time zone|timestamptz", "timestamp(6,utc)"),
        (r"interval.*", "interval"),
        (r"uuid", "uuid"),
        (r"jsonb?", "json"),
        (_TEXTS, "string"),
    ),
    natives=(
        (r"bool", "boolean"),
        (r"int\(8\)|int\(16\)|int\(8,unsigned\)", "smallint"),
        (r"int\(32\)|int\(16,unsigned\)", "integer"),
        (r"int\(64\)|int\(32,unsigned\)", "bigint"),
        (r"int\(64,unsigned\)", "numeric(20,0)"),
        (rf"decimal\({_TO_76},(\d+)\)", "numeric({0},{1})"),
        (r"decimal.*", "numeric"),
        (r"float\(32\)", "real"),
        (r"float\(64\)", "double precision"),
        (r"string\(([1-9]\d{0,6})(?: bytes)?\)", "character varying({0})"),
        (r"string.*", "text"),
        (r"binary.*", "bytea"),
        (r"date", "date"),
        (r"time\(([0-5])\)", "time({0})"),
        (r"time\(\d\)", "time"),
        (r"timestamp\(([0-5])\)", "timestamp({0})"),
        (r"timestamp\(\d\)", "timestamp"),
        (r"timestamp\(([0-5]),utc\)", "timestamptz({0})"),
        (r"timestamp\(\d,utc\)", "timestamptz"),
        (r"interval", "interval"),
        (r"uuid", "uuid"),
        (r"json", "jsonb"),
    ),
    reads=(
        (r".*\[\]", _ARRAY),
        (r"numeric.*/\*money\*/", "({c})::numeric"),
        (_LONG, "({c})::text"),
        (r"oid", "({c})::bigint"),
        (r"bytea", "encode({c}, 'hex')"),
        (r"inet", "textin(inet_out({c}))"),
        (rf"character(?:\(\d+\))?|bpchar|name|interval.*|jsonb?|{_TEXTS}", "({c})::text"),
    ),
    totals={
        "bool": "sum(({c})::int)",
        "int": "sum({c})",
        "decimal": "sum({c})",
        "string": "sum(octet_length({c}))",
        "uuid": "36 * count({c})",
        "binary": "sum(octet_length({q}))",
        "date": "sum({c} - DATE '1970-01-01')",
    },
    unsummed=PADDED,
    row_hash="coalesce(sum(hash_record_extended(ROW({columns}), 0)), 0)::text",
    # NaN and infinity have no scale.
    measure=(
        "CASE WHEN count({c}) = count(scale({c})) THEN coalesce(length(trunc(max(abs({c})))::text), 0) END, "
        "max(scale({c}))"
    ),
    # NaN and infinity have no scale. Before 16 nothing tells whether a text is JSON.
    aspects=Aspects(
        values=(
            (r"string.*|uuid|json|interval|list.*", '({r})::text COLLATE "C"'),
            (r"bool", "({c})::int"),
            (r"decimal\(19,2\)|float.*", "{r}"),
            (r"decimal.*|binary.*", "{c}"),
        ),
        shows=((r"string.*|uuid", "{v}"), (r".*", "({v})::text")),
        text="({v})::text",
        head="left({v}, {n})",
        matches="{v} ~ '^({p})$'",
        whole="ltrim(split_part({v}, '.', 1), '+-0')",
        tail="rtrim(split_part({v}, '.', 2), '0')",
        scale="scale(trim_scale({v}))",
        fraction=((r"time.*", "length(rtrim(to_char({v}, 'US'), '0'))"),),
        midnight="({v})::time = '00:00'",
        nan=((r"decimal.*|float.*", "{v} = 'NaN'"),),
        infinite=(
            (r"decimal", "scale({v}) IS NULL AND {v} <> 'NaN'"),
            (r"float.*", "{v} IN ('Infinity', '-Infinity')"),
            (r"date|timestamp.*", "NOT isfinite({v})"),
        ),
        # Above the limit of exact counts: of a sixteenth of the values, or of few values among some of the rows.
        about=(
            "CASE WHEN count(DISTINCT CASE WHEN hashtextextended(({v})::text, 0) & 15 = 0 THEN {v} END) >= 64 THEN "
            "16 * count(DISTINCT CASE WHEN hashtextextended(({v})::text, 0) & 15 = 0 THEN {v} END) ELSE "
            "count(DISTINCT CASE WHEN random() < 0.015625 THEN {v} END) END"
        ),
    ),
    update="UPDATE {t} AS t SET {sets} FROM {s} AS s WHERE {on}",
    create_schema="CREATE SCHEMA IF NOT EXISTS {name}",
    slice_column=False,
    arrays="{item}[]",
    add_key="ALTER TABLE {t} ADD PRIMARY KEY ({columns})",
    # Ranges of pages are read without reading the others since 14.
    pages="""
        SELECT CASE WHEN current_setting('server_version_num')::int >= 140000
               THEN pg_relation_size(c.oid) / current_setting('block_size')::int END
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am m ON m.oid = c.relam
        WHERE c.relkind IN ('r', 'm') AND m.amname = 'heap' AND n.nspname = %s AND c.relname = %s
        AND has_table_privilege(c.oid, 'SELECT') AND NOT EXISTS (
            SELECT FROM pg_inherits i JOIN pg_class k ON k.oid = i.inhrelid
            WHERE i.inhparent = c.oid AND k.relkind = 'f')""",
    page_low="ctid >= '({n},0)'",
    page_high="ctid < '({n},0)'",
    placeholder="%s",
    call="CALL {name}({values})",
    literals={"binary": "decode({v}, 'hex')"},
    keyed=_UNLIKE,
    sorts=(*_UNLIKE, (r".*\[\]", _ARRAY)),
    meets=(_ENUM,),
    canon=canon,
)

recoded = replace(
    dialect,
    totals={**dialect.totals, "string": "sum(octet_length(convert_to({c}, 'UTF8')))"},
    aspects=dialect.aspects and replace(dialect.aspects, text_bytes="octet_length(convert_to({v}, 'UTF8'))"),
)
"""Of databases that are not in UTF-8, whose bytes others do not have."""
