"""Snowflake: how it would write and hash canonical texts. There is no connector, and nothing of it is tested."""

from lading.dialect import Canon

canon = Canon(
    texts=(
        (r"bool", "TO_VARCHAR({c}::INTEGER)"),
        (r"int\(.*\)|decimal\(\d+,0\)", "TO_VARCHAR({c})"),
        (r"decimal\(.*\)", "RTRIM(RTRIM(TO_VARCHAR({c}), '0'), '.')"),
        (r"string(?:\([\w ]+\))?", "{r}"),
        (r"string(?:\([\w ]+\))? padded", "RTRIM({r}, ' ')"),
        (r"string.* as uuid", "LOWER({r})"),
        (r"binary.*", "LOWER(HEX_ENCODE({c}))"),
        (r"date", "TO_VARCHAR(DATEDIFF('day', '1970-01-01'::DATE, {c}))"),
        (r"date as timestamp", "TO_VARCHAR(DATEDIFF('day', '1970-01-01'::DATE, {c}) * 86400000000)"),
        (r"time\([0-6]\)", "TO_VARCHAR(DATEDIFF('microsecond', '00:00:00'::TIME, {c}))"),
        (r"time\([7-9]\)", "TO_VARCHAR(DATEDIFF('nanosecond', '00:00:00'::TIME, {c}))"),
        (r"timestamp\([0-6](?:,utc)?\)", "TO_VARCHAR(DATE_PART('epoch_microsecond', {c}))"),
        (r"timestamp\([7-9](?:,utc)?\)", "TO_VARCHAR(DATE_PART('epoch_nanosecond', {c}))"),
    ),
    ended="COALESCE({t}, '~') || '|'",
    counted="COALESCE(OCTET_LENGTH({t}) || ':' || {t}, '~')",
    md5="MD5({x})",
    high="TO_NUMBER(LEFT({h}, 15), 'XXXXXXXXXXXXXXX')",
    low="TO_NUMBER(RIGHT({h}, 15), 'XXXXXXXXXXXXXXX')",
)
