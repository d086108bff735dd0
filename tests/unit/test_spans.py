"""Intervals and their texts."""

from lading.compare.spans import span
from lading.testing.steps import table
from tests.unit.test_compare import compared


def shape(form):
    return table("t", id="int(32)!", v=form)


SPANS = {
    "P1M2DT0.000000000S": ["1 mon 2 days", "@ 1 mon 2 days", "1 month 2 days", "P1M2D", "0-1 +2 +0:00:00"],
    "P0M0DT10800.000000000S": ["03:00:00", "@ 3 hours", "PT3H", "3:00:00", "+03:00"],
    "P0M1DT0.000000000S": ["1 day", "P1D", "1 0:00:00"],
    "P-14M3DT-14706.500000000S": [
        "-1 years -2 mons +3 days -04:05:06.5", "@ 1 year 2 mons -3 days 4 hours 5 mins 6.5 secs ago",
        "P-1Y-2M3DT-4H-5M-6.5S", "-1-2 +3 -4:05:06.5", "-1 year -2 months 3 days -04:05:06.5",
    ],
    "P0M-3DT-1.000000000S": ["-3 0:00:01", "-3 days -00:00:01"],
    "P0M0DT0.000000000S": ["0", "@ 0", "00:00:00", "PT0S"],
    "P0M0DT86400.000001000S": ["24:00:00.000001", "PT24H0.000001S", "1440 minutes 1 microsecond"],
}  # fmt: skip


def test_texts_of_intervals_are_read():
    for form, texts in SPANS.items():
        for text in texts:
            assert span(text) == form
    for text in (
        "",
        " ",
        "P",
        "PT",
        "P1DT",
        "1",
        "1 2",
        "1.5 days",
        "1 day ",
        "12:60",
        "1 dog",
        "P1.5D",
        "99999999999 days",
    ):
        assert span(text) is None, text


def test_an_interval_and_its_text_are_compared():
    rows = [(1, (1, 2, 0)), (2, (0, 0, 86_400 * 10**9)), (3, (0, 1, 0)), (4, None)]
    texts = [(1, "1 mon 2 days"), (2, "24:00:00"), (3, "1 day"), (4, None)]
    for sides in (
        ((shape("interval"), rows), (shape("string"), texts)),
        ((shape("string"), texts), (shape("interval"), rows)),
    ):
        result = compared(*sides)
        assert (result.verdict, result.narrowed) == ("equal", {})
    wrong = [(1, "32 days"), (2, "1 day"), (3, "a day"), (4, "")]
    assert compared((shape("interval"), rows), (shape("string"), wrong)).columns == {"v": 4}
