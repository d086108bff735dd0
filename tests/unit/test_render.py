"""What people see: bills and plans as text and as a page, and the lines of a run under way."""

import io
import re
import threading
from html.parser import HTMLParser

import pytest
from rich.console import Console
from rich.table import Table

from lading import page, progress, render, render_diff
from lading.prove import StepBill, Unfinished
from lading.record import TableVerdict
from lading.store import Reject
from tests.unit.bills import MIXED, PLAN, PROVED

UNFINISHED = [
    Unfinished(run="20260301-020000-ab12", pipeline=pipeline, state=state, started=PROVED.started, step=step)
    for pipeline, state, step in (("nightly-sales", "waiting", "approve-it"), ("", "interrupted", ""))
]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.0123, "12 ms"), (0.0996, "0.1 s"), (59.94, "59.9 s"), (59.96, "1:00"), (61, "1:01"),
     (3599.6, "1:00:00"), (3_723, "1:02:03")],
)  # fmt: skip
def test_spans_of_time(seconds, text):
    assert render.clock(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (99_949, "99.9 kB"), (99_960, "100 kB"), (999_600, "1.0 MB"),
     (312_000_000, "312 MB"), (5.4e9, "5.4 GB"), (7.2e12, "7.2 TB")],
)  # fmt: skip
def test_sizes(number, text):
    assert render.size(number) == text


def test_rates_are_not_told_of_moments():
    assert render.rate(1_000, 0.05) == "–"
    assert render.rate(1_000, 0.5) == "2,000"
    assert render.rate(0, 3) == "–"
    assert render.amount(12_345_678) == "12.3 M"


BILL_80 = """\
Bill  20261123-061704-9f3a  ✓ proved
sqlite:///legacy.db → duckdb:///warehouse.duckdb
nightly · {when} · 13.4 s · peak 312 MB

           Table          Rows   Rejected     Time    Rows/s
────────────────────────────────────────────────────────────
✓ proved   sales     1,000,000          –    4.1 s   243,902
✓ proved   clients       5,000          –    0.2 s    25,000

           2 tables  1,005,000          0   13.4 s    75,000

Balance   source 1,005,000 = target 1,005,000 + rejected 0 + filtered 0
Proof     rows: every value read was compared with the target read again
Digest    43e11e439e19debaa70674338b7c8163
Snapshot  one transaction
Cost      100 MB read; processor 9.6 s here, 2.1 s in the source"""


def test_a_bill_has_one_digest_of_all_that_arrived():
    assert PROVED.root == "43e11e439e19debaa70674338b7c8163"
    first, second = PROVED.tables
    assert PROVED.model_copy(update={"tables": (second, first)}).root == PROVED.root
    other = first.model_copy(update={"proof": first.proof and first.proof.model_copy(update={"target_root": "0" * 32})})
    assert PROVED.model_copy(update={"tables": (other, second)}).root != PROVED.root
    assert PROVED.model_copy(update={"tables": ()}).root == ""


def test_a_proved_bill_at_80_columns():
    when = f"{PROVED.started.astimezone():%Y-%m-%d %H:%M}"
    squeezed = re.sub(r" {3,}", "  ", render.text(render.bill, PROVED, 80))
    assert squeezed.replace("─", "") == re.sub(r" {3,}", "  ", BILL_80.format(when=when)).replace("─", "")


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    ("draw", "found"), [(render.bill, MIXED), (render.plan, PLAN), (render.history, [MIXED, *UNFINISHED])]
)
def test_nothing_is_wider_than_the_terminal(draw, found, width):
    assert max(len(line) for line in render.text(draw, found, width).splitlines()) <= width


@pytest.mark.parametrize("width", [80, 120])
def test_a_bill_says_what_a_person_must_know(width):
    text = re.sub(r"\s+", " ", render.text(render.bill, MIXED, width))
    for part in (
        "✗ failed", "? unproved", "source 1,005,457 ≠ target 1,005,448 + rejected 2 + filtered 0",
        "accepted: rating: rounds: 3 decimals are rounded to 2", "2 rows refused by the target",
        "there are no rows, and the last run had 138", "The target's column 'x' is NOT NULL. Allow NULL.",
        "2 slices kept from the interrupted run",
    ):  # fmt: skip
        assert part in text


def test_colour_is_only_for_meaning():
    def colours(found) -> set[str]:
        shown = io.StringIO()
        console = Console(file=shown, width=100, color_system="standard", force_terminal=True)
        console.print(render.bill(found, 100), highlight=False)
        codes = re.findall(r"\x1b\[([\d;]*)m", shown.getvalue())
        return {code for text in codes for code in text.split(";") if code.startswith("3") and len(code) == 2}

    assert colours(PROVED) == {"32"}
    assert colours(MIXED) == {"31", "32", "33"}


def test_a_plan_says_what_stops_and_how_to_go_on():
    text = re.sub(r"\s+", " ", render.text(render.plan, PLAN, 80))
    assert "1 table ready ✗ 1 table stopped" in text
    assert "→ Accept it by name: rating:rounds." in text
    assert "loses: rating: rounds: 3 decimals are rounded to 2 (decimal(5,3) → decimal(5,2))" in text
    assert "How one slice at a time" in text


# The page


class Outline(HTMLParser):
    """What a page is made of: its tags, closed in order, its words, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br", "!doctype"):
            self.open.append(tag)
        self.fetched += [tag] if tag in ("script", "link", "img", "iframe") else []
        self.fetched += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)


def test_a_page_is_one_file_and_well_formed():
    html = page.bill_page(MIXED)
    found = Outline(html)
    assert found.open == []
    assert found.fetched == []
    assert not re.search(r"url\(|@import|https?:", html)


def test_a_page_holds_the_bill():
    words = " ".join(" ".join(Outline(page.bill_page(MIXED)).words).split())
    for part in (
        "20261123-061704-9f3a", "failed", "1,005,457", "1,005,448", "312 MB", "every value read was compared",
        "one transaction", "243,902", "24.4 MB/s", "rounds: 3 decimals are rounded to 2",
        "4f1c9a7be02d55c1a9d3f0b8e6c74412 on both sides", "2 rows refused by the target", "rows, replace",
        '<odd> & "long" name that goes on for a while', "Allow NULL.", "2 slices of the interrupted run",
    ):  # fmt: skip
        assert part in words


def test_roots_that_differ_are_both_shown():
    from tests.unit.bills import bill, line, proof

    html = page.bill_part(bill(line("t", 3, 0.1, proof=proof(target_root="0" * 32, differing=("amount",)))))
    words = " ".join(Outline(html).words)
    assert "on both sides" not in words
    assert "0" * 32 in words
    assert "amount" in words


def test_models_show_themselves_once_asked_to():
    page.attach()
    assert str(PROVED) == repr(PROVED) == render.text(render.bill, PROVED)
    assert str(PLAN) == render.text(render.plan, PLAN)
    assert PROVED._repr_html_() == page.bill_part(PROVED)  # type: ignore[attr-defined]
    assert Outline(PLAN._repr_html_()).open == []  # type: ignore[attr-defined]


# A run under way


def test_rates_and_time_left():
    line = progress.Line("t", rows=1_000, slices=4)
    line.began -= 10
    line.moved, line.bytes = 250, 25_000
    assert line.done == 0.25
    assert line.left == pytest.approx(30, rel=0.01)
    assert line.rates() == pytest.approx((25, 2_500), rel=0.01)
    line.word, line.ended = "proved", line.began + 20
    assert line.rates() == (12.5, 1_250)
    assert line.left is None


def test_what_nobody_knows_is_not_guessed():
    line = progress.Line("t", rows=None, slices=1)
    line.moved = 5
    assert line.done is None
    assert line.left is None
    assert progress.Line("t", rows=None, slices=4, slices_done=1).done == 0.25
    assert progress.Line("t", rows=10, moved=50).done == 0.99  # an estimate that was too low


def work(watch: progress.Quiet) -> None:
    watch.begin("sales", 4_000, 4)

    def move() -> None:
        for _ in range(100):
            watch.moved("sales", 10, 100)

    threads = [threading.Thread(target=move) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    watch.slice_done("sales")
    watch.state("sales", "proving")
    watch.state("sales", "proved")
    watch.state("late", "failed")  # stopped before it began
    watch.end()


def test_plain_lines_are_two_a_table(capsys):
    watch = progress.Plain()
    work(watch)
    out, err = capsys.readouterr()
    lines = [line.split(" ", 1)[1] for line in err.splitlines()]
    assert out == ""
    assert lines[0] == "sales: reading, about 4,000 rows, 4 slices"
    assert lines[1].startswith("sales: proved, 4,000 rows in ")
    assert lines[2].startswith("late: failed, 0 rows in ")
    assert len(lines) == 3


def test_rows_that_are_taken_back_have_no_rate_below_nothing(monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    line = progress.Line("sales", moved=50_000, bytes=500_000)
    line.rates()
    now[0] += 1
    line.moved = line.bytes = 0
    assert line.rates() == (0, 0)


def test_a_table_that_takes_long_says_every_half_minute_where_it_is(capsys, monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    watch = progress.Plain()
    watch.begin("sales", 4_000_000, 4)
    for _ in range(80):
        now[0] += 1
        watch.moved("sales", 10_000, 1_000_000)
    watch.slice_done("sales")
    now[0] += 10
    watch.moved("sales", 10_000, 1_000_000)
    lines = [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert lines[1:] == [
        "sales: 300,000 of about 4,000,000 rows, 10,000 rows/s, 1.0 MB/s, 0 of 4 slices, 6:10 left",
        "sales: 600,000 of about 4,000,000 rows, 10,000 rows/s, 1.0 MB/s, 0 of 4 slices, 5:40 left",
        "sales: 810,000 of about 4,000,000 rows, 7,000 rows/s, 700 kB/s, 1 of 4 slices, 5:54 left",
    ]


def test_quiet_says_nothing_and_counts_all(capsys):
    watch = progress.Quiet()
    work(watch)
    assert capsys.readouterr() == ("", "")
    assert (watch.lines["sales"].moved, watch.lines["sales"].bytes) == (4_000, 40_000)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_live_lines_fit_and_end_above(width):
    shown = io.StringIO()
    console = Console(file=shown, width=width, height=20, force_terminal=True, color_system=None)
    watch = progress.Live(console)
    work(watch)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue())
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", text)]
    ended = [line for line in lines if line.startswith("proved")]
    assert len(ended) == 1
    assert "sales" in ended[0]
    assert "4,000" in ended[0]
    assert max(map(len, lines)) <= width


def test_many_tables_do_not_fill_the_screen():
    console = Console(file=io.StringIO(), width=100, height=10, force_terminal=True, color_system=None)
    watch = progress.Live(console)
    for number in range(50):
        watch.begin(f"t{number}", None, 1)
        watch.moved(f"t{number}", 1, 1)
    (shown,) = watch.table().renderables
    assert isinstance(shown, Table)
    assert shown.row_count == 8
    watch.end()


def test_the_watch_fits_where_it_writes(monkeypatch):
    assert type(progress.watch(quiet=True)) is progress.Quiet
    assert type(progress.watch()) is progress.Plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert type(progress.watch()) is progress.Live


def test_a_trend_shows_whole_names_and_times_in_80_columns():
    line = TableVerdict(
        run="20261128-223103-bc75", place=0, kind="diff", pipeline="nightly", started="2026-11-28T22:31:03+00:00",
        source="a", target="b", source_table="territories", target_table="territories", verdict="different", why="",
        rows_source=1_000_000, rows_target=1_000_000, rejected=0, only_source=1, only_target=0, changed=2, narrowed=0,
        not_compared=0, root_source="", root_target="", seconds=0.018, bytes=0,
    )  # fmt: skip
    shown = render.text(render_diff.trend, [line], 80).splitlines()
    assert shown[2].split() == ["different", "territories", "11-28", "22:31", "1,000,000", "3", "–", "18", "ms"]
    assert render.text(render_diff.trend, [line], 120).splitlines()[2].split()[-1] == line.run


def test_a_trend_names_both_sides():
    """One table against three others is no one series."""
    line = TableVerdict(
        run="20261128-223103-bc75", place=0, kind="diff", pipeline="", started="2026-11-28T22:31:03+00:00",
        source="sqlite:///a.db", target="sqlite:///b.db", source_table="t", target_table="t", verdict="equal", why="",
        rows_source=1, rows_target=1, rejected=0, only_source=0, only_target=0, changed=0, narrowed=0, not_compared=0,
        root_source="", root_target="", seconds=0.018, bytes=0,
    )  # fmt: skip
    other = line.model_copy(update={"target_table": "u"})
    shown = [each.rstrip() for each in render.text(render_diff.trend, [line, other], 80).splitlines()]
    assert [each.split()[1:4] for each in shown[2:4]] == [["t", "11-28", "22:31"], ["t", "↔", "u"]]
    assert shown[5:] == ["sqlite:///a.db ↔ sqlite:///b.db"]
    there = line.model_copy(update={"target": "duckdb:///c.duckdb"})
    shown = [each.rstrip() for each in render.text(render_diff.trend, [line, there, line], 80).splitlines()]
    assert [each.split()[1:3] for each in shown[2:5]] == [["t", "1"], ["t", "2"], ["t", "1"]]
    assert shown[6:] == ["1  sqlite:///a.db ↔ sqlite:///b.db", "2  sqlite:///a.db ↔ duckdb:///c.duckdb"]


def test_a_bill_of_steps_alone_has_one_empty_line_before_what_went_wrong():
    steps = (StepBill(key="ask", do="approve", state="failed", error="Nobody approved."),)
    text = render.text(render.bill, MIXED.model_copy(update={"tables": (), "steps": steps}), 80)
    assert text.splitlines()[-3:] == ["", "ask", "  Nobody approved."]
    assert "\n\n\n" not in text


def test_a_row_that_was_refused_stands_below_its_reason():
    refused = Reject(table="t", slice=0, row={f"column{n}": "x" * 9 for n in range(12)}, reason="No.")
    first, *rest = render.text(render.reject, refused, 60).splitlines()
    assert (first, len(rest) > 3) == ("t  No.", True)
    assert all(re.match("  [^ ]", line) for line in rest)
