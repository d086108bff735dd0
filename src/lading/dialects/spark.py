"""Spark SQL: how it would write and hash canonical texts. There is no connector, and nothing of it is tested."""

from lading.dialect import Canon

_BITS = "reflect('java.lang.Double', 'doubleToLongBits', CAST({c} AS DOUBLE) + 0D)"

canon = Canon(
    texts=(
        (r"bool", "CAST(CAST({c} AS INT) AS STRING)"),
        (r"int\(.*\)|decimal\(\d+,0\)", "CAST({c} AS STRING)"),
        # A plain cast writes small numbers with an exponent.
        (
            r"decimal\(\d+,(\d+)\)",
            "regexp_replace(regexp_replace(CAST(CAST({c} AS DECIMAL(38,{0})) AS STRING), '0+$', ''), '[.]$', '')",
        ),
        (
            r"float\(.*\)",
            f"CASE WHEN isnan({{c}}) THEN 'nan' ELSE lpad(lower(hex(CAST({_BITS} AS BIGINT))), 16, '0') END",
        ),
        (r"string(?:\([\w ]+\))?", "{r}"),
        (r"string(?:\([\w ]+\))? padded", "rtrim(' ', {r})"),
        (r"string.* as uuid", "lower({r})"),
        (r"binary.*", "lower(hex({c}))"),
        (r"date", "CAST(datediff({c}, DATE'1970-01-01') AS STRING)"),
        (r"date as timestamp", "CAST(datediff({c}, DATE'1970-01-01') * 86400000000 AS STRING)"),
        (r"timestamp\([0-6],utc\)", "CAST(unix_micros({c}) AS STRING)"),
    ),
    high="CAST(conv(left({h}, 15), 16, 10) AS DECIMAL(38,0))",
    low="CAST(conv(right({h}, 15), 16, 10) AS DECIMAL(38,0))",
)
