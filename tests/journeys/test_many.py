"""Many rows compared within little memory and little disk, in a process of its own."""

import pytest

from bench import large

SLACK_MB = 64
"""What a comparison has on disk besides its spools: rows of the buckets that differ."""


@pytest.mark.parametrize(
    ("rows", "spool_mb", "memory_mb"),
    [(1_000_000, 16, 450), pytest.param(100_000_000, large.SPOOL_MB, large.MEMORY_MB, marks=pytest.mark.soak)],
)
def test_many_rows(tmp_path, rows, spool_mb, memory_mb):
    """DuckDB against Parquet. The spools are smaller than the tables, so what differs is read again."""
    large.make(tmp_path, rows)
    equal = large.compare(tmp_path, spool_mb)
    large.change(tmp_path, rows)
    ten = large.compare(tmp_path, spool_mb)
    assert (equal.exit, equal.table["verdict"], equal.table["rows_right"]) == (0, "equal", rows)
    assert equal.table["cost_left"]["bytes"] > spool_mb << 20
    counts = [ten.table[name] for name in ("changed", "only_left", "only_right")]
    assert (ten.exit, ten.table["verdict"], counts) == (1, "different", [6, 2, 2])
    assert ten.table["columns"] == {"amount": 3, "title": 1, "moment": 1, "number": 1}
    found = {each["key"]["id"] for each in ten.table["differences"]}
    keys = large.keys(rows)
    assert found == {str(key) for key in [*keys[:8], *(-key for key in keys[8:])]}
    for run in (equal, ten):
        assert 50 < run.peak_mb <= memory_mb
        assert run.disk_mb <= 2 * spool_mb + SLACK_MB
