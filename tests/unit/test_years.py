"""Years that texts hold."""

import pyarrow as pa
import pytest

from lading.types import parse
from lading.years import beyond

DAY = 86_400 * 10**6


@pytest.mark.parametrize(
    ("form", "values", "years", "told"),
    [
        ("date", [None, -719_528, 2_932_896], (0, 10_000), ""),
        ("date", [0, -719_529], (0, 10_000), "-0001-12-31"),
        ("date", [2_932_897], (0, 10_000), "10000-01-01"),
        ("date", [-719_162, 2_932_897], (1,), ""),
        ("date", [-719_163], (1,), "0000-12-31"),
        ("timestamp(6)", [2_932_897 * DAY - 1, None], (0, 10_000), ""),
        ("timestamp(6)", [2_932_897 * DAY], (0, 10_000), "10000-01-01 00:00:00.000000"),
        ("timestamp(6,utc)", [-719_162 * DAY - 1], (1,), "0000-12-31 23:59:59.999999"),
        ("timestamp(9)", [-(2**63) + 1, 2**63 - 1], (1,), ""),
        ("list(date)", [[0], None, [], [1, 2_932_897]], (0, 10_000), "10000-01-01"),
        ("list(list(date))", [[[0]], [None]], (0, 10_000), ""),
        ("int(32)", [2_932_897], (0, 10_000), ""),
        ("date", [None], (0, 10_000), ""),
        ("date", [], (0, 10_000), ""),
    ],
)
def test_what_is_beyond(form, values, years, told):
    type_ = parse(form)
    assert beyond(pa.array(values, type_.arrow()), type_, *years) == told
