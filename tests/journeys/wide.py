"""Wide tables: 33 of 100 mixed columns, as an old system has them."""

from __future__ import annotations

TABLES, COLUMNS = 33, 100

# PostgreSQL's type, and a value made of {h}, a whole number below 1,000,003.
KINDS = (
    ("smallint", "({h} % 65536 - 32768)::smallint"),
    ("integer", "({h} * 2000 - 1000000000)"),
    ("bigint", "({h}::bigint * 9007199254 - 4503599627370496)"),
    ("numeric(18,2)", "({h}::numeric * 7919.13 - 500000)"),
    ("numeric(38,10)", "({h}::numeric * 12345678901234567.0123456789 - 1)"),
    ("numeric(9,0)", "({h} * 31 - 1000)"),
    ("numeric", "({h}::numeric / 8)"),
    ("real", "({h}::real / 7)"),
    ("double precision", "({h}::float8 / 3 * 1e10)"),
    ("varchar(40)", "left('Zürich, ' || {h} || ' 東京 ''quoted'' \\ back', 40)"),
    ("text", "CASE {h} % 5 WHEN 0 THEN '' WHEN 1 THEN E'two\\nlines\\t\"x\",y' ELSE repeat('é', {h} % 200) END"),
    ("char(8)", "({h} % 100000)::text"),
    ("date", "DATE '1900-01-01' + {h} % 80000"),
    ("time", "TIME '00:00' + ({h}::bigint * 86399) * INTERVAL '1 microsecond'"),
    ("timestamp", "TIMESTAMP '1970-01-01' + ({h}::bigint * 1800000123) * INTERVAL '1 microsecond'"),
    ("timestamp(3)", "TIMESTAMP '2000-01-01' + ({h} * 977) * INTERVAL '1 millisecond'"),
    ("timestamptz", "TIMESTAMPTZ '2020-10-25 00:00+00' + ({h} * 1801) * INTERVAL '1 millisecond'"),
    ("boolean", "({h} % 2 = 0)"),
    ("uuid", "md5({h}::text)::uuid"),
    ("json", "json_build_object('h', {h}, 'list', json_build_array(1.50, NULL, 'ü'))"),
    ("jsonb", "jsonb_build_object('b', {h}, 'a', '')"),
    ("bytea", "decode(md5({h}::text), 'hex')"),
)


def name(table: int) -> str:
    return f"wide_{table:02d}"


def statements(rows: int) -> str:
    """Makes and fills every table; each column is NULL in every seventh row or so, and the same on every run."""
    made = []
    for table in range(TABLES):
        columns, values = ["id integer PRIMARY KEY"], ["i"]
        for column in range(1, COLUMNS):
            native, value = KINDS[(column + table) % len(KINDS)]
            seed = f"((i * 7919 + {column * 104729 + table * 31}) % 1000003)"
            columns.append(f"c{column:02d}_{native.split('(')[0].split()[0]} {native}")
            values.append(f"CASE WHEN (i + {column}) % 7 > 0 THEN {value.format(h=seed)} END")
        made.append(f"CREATE TABLE {name(table)} ({', '.join(columns)})")
        made.append(f"INSERT INTO {name(table)} SELECT {', '.join(values)} FROM generate_series(1, {rows}) i")
        made.append(f"ANALYZE {name(table)}")
    return ";\n".join(made)
