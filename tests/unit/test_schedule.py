"""When pipelines are due: tables of what clocks show on odd days, and what is expected of them."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from lading.schedule import Schedule, deadline, due_times, first_shown, following, interval, missed, next_times


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due(cron: str, zone: str, after: str, count: int) -> list[str]:
    found = islice(next_times(Schedule(cron=cron, zone=zone), utc(after)), count)
    return [f"{moment:%Y-%m-%d %H:%M}" for moment in found]


# The clocks of New York jump from 2:00 to 3:00 on 8 March 2026 (7:00 UTC), and back from 2:00 to 1:00 on 1 November
# (6:00 UTC); Berlin's from 2:00 to 3:00 on 29 March (1:00 UTC), and from 3:00 to 2:00 on 25 October (1:00 UTC);
# Lord Howe's by half an hour: from 2:00 to 2:30 on 4 October (15:30 UTC the day before), and from 2:00 to 1:30 on
# 5 April (15:00 UTC the day before).
DAYS = [
    # A time of day that is skipped comes when the clock jumps, and on other days as ever.
    (
        "30 2 * * *", "America/New_York", "2026-03-07 06:00",
        ["2026-03-07 07:30", "2026-03-08 07:00", "2026-03-09 06:30"],
    ),
    ("0 2 * * *", "America/New_York", "2026-03-07 08:00", ["2026-03-08 07:00", "2026-03-09 06:00"]),
    ("0 3 * * *", "America/New_York", "2026-03-07 09:00", ["2026-03-08 07:00", "2026-03-09 07:00"]),
    ("30 2 * * *", "Europe/Berlin", "2026-03-28 02:00", ["2026-03-29 01:00", "2026-03-30 00:30"]),
    # Two that are skipped together come together, once.
    (
        "15,45 2 * * *", "Europe/Berlin", "2026-03-28 02:00",
        ["2026-03-29 01:00", "2026-03-30 00:15", "2026-03-30 00:45"],
    ),
    # A time of day that is shown twice comes the first time only.
    ("30 1 * * *", "America/New_York", "2026-10-31 06:00", ["2026-11-01 05:30", "2026-11-02 06:30"]),
    ("30 2 * * *", "Europe/Berlin", "2026-10-24 02:00", ["2026-10-25 00:30", "2026-10-26 01:30"]),
    # With a star in minute or hour, the text is held against the clock as it shows.
    ("*/30 * * * *", "Europe/Berlin", "2026-03-29 00:00", ["2026-03-29 00:30", "2026-03-29 01:00", "2026-03-29 01:30"]),
    (
        "*/30 * * * *", "Europe/Berlin", "2026-10-25 00:00",
        ["2026-10-25 00:30", "2026-10-25 01:00", "2026-10-25 01:30", "2026-10-25 02:00"],
    ),
    ("30 */2 * * *", "Europe/Berlin", "2026-03-28 23:00", ["2026-03-28 23:30", "2026-03-29 02:30", "2026-03-29 04:30"]),
    (
        "30 */2 * * *", "Europe/Berlin", "2026-10-24 22:00",
        ["2026-10-24 22:30", "2026-10-25 00:30", "2026-10-25 01:30", "2026-10-25 03:30"],
    ),
    # Half hours: the clocks that jump by them, and zones that are off by them.
    (
        "0 */5 * * *", "Australia/Lord_Howe", "2026-10-03 13:00",
        ["2026-10-03 13:30", "2026-10-03 18:00", "2026-10-03 23:00"],
    ),
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-02 16:00", ["2026-10-03 15:30", "2026-10-04 15:15"]),
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-03 15:00", ["2026-04-04 14:45", "2026-04-05 15:15"]),
    (
        "*/15 * * * *", "Australia/Lord_Howe", "2026-04-04 14:15",
        ["2026-04-04 14:30", "2026-04-04 14:45", "2026-04-04 15:00", "2026-04-04 15:15", "2026-04-04 15:30"],
    ),
    ("0 6 * * *", "Asia/Kolkata", "2026-05-01 00:00", ["2026-05-01 00:30", "2026-05-02 00:30"]),
    ("0 6 * * *", "Asia/Kathmandu", "2026-05-01 00:00", ["2026-05-01 00:15", "2026-05-02 00:15"]),
    # Days there are not every year, and one that there never was.
    ("0 0 29 2 *", "UTC", "2026-01-01 00:00", ["2028-02-29 00:00", "2032-02-29 00:00"]),
    ("0 0 31 * *", "UTC", "2026-01-31 00:00", ["2026-03-31 00:00", "2026-05-31 00:00"]),
    ("0 12 * * *", "Pacific/Apia", "2011-12-28 23:00", ["2011-12-29 22:00", "2011-12-30 10:00", "2011-12-30 22:00"]),
    # Words of cron: weekdays, lists, steps, both days.
    ("0 6 * * 1-5", "UTC", "2026-11-27 07:00", ["2026-11-30 06:00", "2026-12-01 06:00"]),
    ("0 6 1,15 * MON", "UTC", "2026-11-28 00:00", ["2026-11-30 06:00", "2026-12-01 06:00", "2026-12-07 06:00"]),
    ("5 4 * * SUN", "UTC", "2026-11-28 00:00", ["2026-11-29 04:05", "2026-12-06 04:05"]),
    ("0 0 L * *", "UTC", "2026-02-01 00:00", ["2026-02-28 00:00", "2026-03-31 00:00"]),
]  # fmt: skip


@pytest.mark.parametrize(("cron", "zone", "after", "expected"), DAYS)
def test_due_times(cron: str, zone: str, after: str, expected: list[str]):
    assert due(cron, zone, after, len(expected)) == expected


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
def test_a_time_of_day_is_due_once_a_day_for_two_years(zone: str):
    for clock in ("30 2", "0 2", "59 1", "0 3", "15 2"):
        found = list(islice(next_times(Schedule(cron=f"{clock} * * *", zone=zone), utc("2026-01-01 00:00")), 730))
        assert found == sorted(set(found))
        gaps = {(b - a) for a, b in pairwise(found)}
        assert gaps <= {timedelta(hours=h) for h in (22.5, 23, 23.25, 23.5, 23.75, 24, 24.25, 24.5, 25, 25.5)}, gaps


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia"])
def test_every_minute_is_due_every_minute(zone: str):
    begin = utc("2026-03-28 00:00")
    found = list(islice(next_times(Schedule(cron="* * * * *", zone=zone), begin), 60 * 24 * 10))
    assert found == [begin + timedelta(minutes=n + 1) for n in range(60 * 24 * 10)]


def test_where_one_looks_from_changes_nothing():
    for cron in ("30 2 * * *", "*/20 * * * *", "30 */2 * * *"):
        schedule = Schedule(cron=cron, zone="Europe/Berlin")
        for begin in (utc("2026-03-28 12:00"), utc("2026-10-24 12:00")):
            whole = list(islice(next_times(schedule, begin), 60))
            for place, moment in enumerate(whole[:-1]):
                assert next(next_times(schedule, moment)) == whole[place + 1]
                assert next(next_times(schedule, moment - timedelta(seconds=1))) == moment


def test_a_day_that_never_comes_has_no_times():
    with pytest.raises(ValidationError, match="its day of the month"):
        Schedule(cron="0 0 30 2 *")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"cron": "0 2 * *"}, "'0 2 * *' is no cron text: it has five words"),
        ({"cron": "@daily"}, "'@daily' is no cron text"),
        ({"cron": "0 0 2 * * *"}, "it has five words"),
        ({"cron": "61 2 * * *"}, "'61 2 * * *' is no cron text: its minute is out of range"),
        ({"cron": "0 25 * * *"}, "its hour is out of range"),
        ({"cron": "0 2 * * FRY"}, "its weekday is out of range or not understood"),
        ({"cron": "0 2 * * *", "zone": "Europe/Atlantis"}, "There is no time zone 'Europe/Atlantis'"),
        ({"cron": "0 2 * * *", "zone": "../etc/passwd"}, "There is no time zone"),
        ({"cron": "0 2 * * *", "zone": ""}, "There is no time zone ''"),
        ({"cron": "0 2 * * *", "zone": "America/New York"}, "Did you mean 'America/New_York'?"),
        ({"cron": "0 2 * * *", "deadline": "25:00"}, "'25:00' is no time of day and no length of time"),
        ({"cron": "0 2 * * *", "deadline": "06:00+02:00"}, "'06:00+02:00' names a zone in the time of day"),
        ({"cron": "0 2 * * *", "deadline": "0m"}, "'0m' is no time of day"),
        ({"cron": "0 2 * * *", "deadline": 360}, "A time of day is written in quotes"),
        ({"cron": "0 2 * * *", "after": "p"}, "It takes one of 'cron', 'after' and 'arrivals'"),
        ({}, "It takes one of 'cron', 'after' and 'arrivals'"),
    ],
)
def test_bad_words(words: dict[str, str], said: str):
    with pytest.raises(ValidationError) as error:
        Schedule(**words)
    assert said in str(error.value)


NIGHTLY = "0 2 * * *"


def test_missed_times():
    last, now = utc("2026-11-24 02:00"), utc("2026-11-28 09:00")
    days = [utc(f"2026-11-{day} 02:00") for day in (25, 26, 27, 28)]
    assert due_times(Schedule(cron=NIGHTLY, missed="run_all"), last, now) == days
    assert due_times(Schedule(cron=NIGHTLY, missed="run_once"), last, now) == days[-1:]
    assert due_times(Schedule(cron=NIGHTLY, missed="skip"), last, now) == days[-1:]
    assert missed(days[-1], now)
    assert not missed(days[-1], days[-1] + timedelta(seconds=60))
    for each in ("run_all", "run_once", "skip"):
        assert due_times(Schedule(cron=NIGHTLY, missed=each), days[-1], now) == []


@pytest.mark.parametrize("cron", ["* * * * *", "0 * * * *", "0 2 * * *", "0 0 1 * *", "0 0 1 1 *"])
def test_of_many_missed_times_the_latest_counts(cron: str):
    schedule = Schedule(cron=cron, zone="Europe/Berlin")
    now = utc("2026-11-28 09:30")
    for last in (utc("2024-02-01 00:00"), now - timedelta(minutes=30), now):
        every = due_times(schedule.model_copy(update={"missed": "run_all"}), max(last, now - timedelta(days=400)), now)
        assert due_times(schedule, last, now) == every[-1:]


def test_a_clock_that_is_set_back_makes_nothing_due_again():
    schedule = Schedule(cron="*/5 * * * *", missed="run_all")
    last = utc("2026-11-28 09:00")
    assert due_times(schedule, last, utc("2026-11-28 08:30")) == []
    assert due_times(schedule, last, utc("2026-11-28 09:04")) == []
    assert due_times(schedule, last, utc("2026-11-28 09:05")) == [utc("2026-11-28 09:05")]


@pytest.mark.parametrize(
    ("zone", "due", "expected"),
    [
        ("UTC", "2026-11-28 02:00", "2026-11-28 06:00"),
        ("UTC", "2026-11-28 22:00", "2026-11-29 06:00"),
        ("UTC", "2026-11-28 06:00", "2026-11-29 06:00"),
        ("America/New_York", "2026-11-28 07:00", "2026-11-28 11:00"),
        ("America/New_York", "2026-03-08 06:00", "2026-03-08 10:00"),
    ],
)
def test_deadlines(zone: str, due: str, expected: str):
    assert deadline(Schedule(cron=NIGHTLY, zone=zone, deadline="06:00"), utc(due)) == utc(expected)
    assert deadline(Schedule(cron=NIGHTLY, zone=zone), utc(due)) is None


@pytest.mark.parametrize(
    ("zone", "cron", "clock", "due", "expected"),
    [
        # Skipped: it is over when the clock jumps.
        ("America/New_York", "45 1 * * *", "02:30", "2026-03-08 06:45", "2026-03-08 07:00"),
        ("America/New_York", "0 1 * * *", "02:30", "2026-03-08 06:00", "2026-03-08 07:00"),
        ("America/New_York", "*/15 * * * *", "02:30", "2026-03-08 06:45", "2026-03-08 07:00"),
        ("America/New_York", "0 22 * * *", "02:30", "2026-03-08 03:00", "2026-03-08 07:00"),
        ("Australia/Lord_Howe", "45 1 * * *", "02:15", "2026-10-03 15:15", "2026-10-03 15:30"),
        ("Pacific/Apia", "0 22 * * *", "06:00", "2011-12-30 08:00", "2011-12-30 10:00"),  # a day that was skipped
        # Skipped as the due time is: both come when the clock jumps, and as much time is between them as ever.
        ("America/New_York", "0 2 * * *", "02:45", "2026-03-08 07:00", "2026-03-08 07:45"),
        ("America/New_York", "0,30 2 * * *", "02:45", "2026-03-08 07:00", "2026-03-08 07:45"),
        ("America/New_York", "0 2,3 * * *", "02:45", "2026-03-08 07:00", "2026-03-08 07:45"),
        # The due time is skipped, the deadline is not.
        ("America/New_York", "30 2 * * *", "03:15", "2026-03-08 07:00", "2026-03-08 07:15"),
        ("America/New_York", "30 2 * * *", "02:15", "2026-03-08 07:00", "2026-03-09 06:15"),
        # After the clock has jumped the next day's counts.
        ("America/New_York", "0 3 * * *", "02:45", "2026-03-08 07:00", "2026-03-09 06:45"),
        ("America/New_York", "*/15 * * * *", "02:45", "2026-03-08 07:00", "2026-03-09 06:45"),
        ("America/New_York", None, "02:45", "2026-03-08 07:00", "2026-03-09 06:45"),
        ("America/New_York", "0 3 * * *", "02:45", "2026-03-07 08:00", "2026-03-08 07:00"),
        # Shown twice: the first time that is after the due time.
        ("America/New_York", "0 1 * * *", "01:30", "2026-11-01 05:00", "2026-11-01 05:30"),
        ("America/New_York", "*/15 * * * *", "01:30", "2026-11-01 06:15", "2026-11-01 06:30"),
        ("America/New_York", "45 1 * * *", "01:30", "2026-11-01 05:45", "2026-11-02 06:30"),
    ],
)
def test_deadlines_when_clocks_change(zone: str, cron: str | None, clock: str, due: str, expected: str):
    cause = {"cron": cron} if cron else {"after": "p"}
    schedule = Schedule(**cause, zone=zone, deadline=clock)
    if cron:
        assert next(next_times(schedule, utc(due) - timedelta(seconds=1))) == utc(due), "the table is right"
    assert deadline(schedule, utc(due)) == utc(expected)


@pytest.mark.parametrize(
    ("zone", "shown", "expected"),
    [
        ("America/New_York", "2026-03-07 02:30", "2026-03-07 07:30"),
        ("America/New_York", "2026-03-08 02:30", "2026-03-08 07:00"),
        ("America/New_York", "2026-11-01 01:30", "2026-11-01 05:30"),
        ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03 15:30"),
    ],
)
def test_when_a_clock_first_shows_a_time(zone: str, shown: str, expected: str):
    assert first_shown(datetime.fromisoformat(shown), ZoneInfo(zone)) == utc(expected)


def test_a_deadline_may_be_a_length_of_time():
    due = utc("2026-03-08 06:30")
    assert deadline(Schedule(cron=NIGHTLY, zone="America/New_York", deadline="90m"), due) == utc("2026-03-08 08:00")
    assert deadline(Schedule(cron=NIGHTLY, deadline="2h"), due) == utc("2026-03-08 08:30")


def test_what_comes_after_others():
    a, b, c, d, e = (utc(f"2026-11-28 0{hour}:00") for hour in range(1, 6))
    every = Schedule(after=["p", "q"], missed="run_all")
    assert following(every, [[a, c, e], [b, d]]) == [b, d]
    assert following(every, [[a, b], [c]]) == [c], "both of the one come before the other"
    assert following(every, [[a], []]) == following(every, []) == []
    assert following(Schedule(after=["p", "q"]), [[a, c, e], [b, d]]) == [d]
    assert list(next_times(every, a)) == []


@pytest.mark.parametrize(
    ("cron", "zone", "due", "before"),
    [
        ("0 2 * * *", "America/New_York", "2026-03-08T07:00", "2026-03-07T07:00"),  # 02:00 jumps to 03:00
        ("0 2 * * *", "America/New_York", "2026-03-09T06:00", "2026-03-08T07:00"),
        ("30 1 * * *", "America/New_York", "2026-11-01T05:30", "2026-10-31T05:30"),  # 01:30 shows twice
        ("30 1 * * *", "America/New_York", "2026-11-02T06:30", "2026-11-01T05:30"),
        ("30 * * * *", "America/New_York", "2026-11-01T06:30", "2026-11-01T05:30"),
        ("0 6 * * 1-5", "Europe/Berlin", "2026-06-15T04:00", "2026-06-12T04:00"),
        ("0 0 29 2 *", "UTC", "2104-02-29T00:00", "2096-02-29T00:00"),
        (None, "Europe/Berlin", "2026-03-29T22:00", "2026-03-28T23:00"),  # a day of 23 hours
    ],
)
def test_the_interval_of_a_due_time_begins_at_the_one_before(cron, zone, due, before):
    words = {"cron": cron} if cron else {"after": "other"}
    schedule = Schedule.model_validate({**words, "zone": zone})
    moment = datetime.fromisoformat(due).replace(tzinfo=UTC)
    found = interval(schedule, moment)
    assert tuple(found) == (datetime.fromisoformat(before).replace(tzinfo=UTC), moment, zone)
    if cron:
        assert next(next_times(schedule, found.before)) == moment, "as previews have it"
