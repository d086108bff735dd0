"""Logs: what never stands in them, how long lines and logs get, and reading them while they grow."""

import io
from pathlib import Path

import pytest

from lading import logs
from lading.logs import Log, Reader

KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEF\n-----END KEY-----\n"


def written(path: Path, text: str, *secrets: str) -> list[str]:
    with Log(path, secrets) as log:
        list(log.copy(io.StringIO(text)))
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("before", range(logs.LONGEST - 12, logs.LONGEST + 3))
@pytest.mark.parametrize("after", [0, 5, 30_000])
def test_a_secret_is_taken_out_wherever_a_long_line_is_cut(tmp_path, before, after):
    secret = "geheim-1234"
    (line,) = written(tmp_path / "a.log", "x" * before + secret + "y" * after + "\n", secret)
    assert "geh" not in line
    assert "***" in line or "characters more" in line
    assert len(line) < logs.LONGEST + 50


def test_a_long_line_says_how_much_is_left_out(tmp_path):
    lines = written(tmp_path / "a.log", "x" * 25_000 + "\nshort\n" + "y" * logs.LONGEST)
    assert lines == ["x" * 10_000 + " ... and 15,000 characters more", "short", "y" * 10_000]


def test_a_secret_of_several_lines_is_taken_out_line_by_line(tmp_path):
    assert written(tmp_path / "a.log", f"before\n{KEY}after\n", KEY) == ["before", *["***"] * 4, "after"]
    assert written(tmp_path / "b.log", "a short one: ab, abc\n", "ab") == ["a short one: ***, ***c"]


def test_a_full_log_ends_with_the_last_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "LARGEST", 1000)
    lines = written(tmp_path / "a.log", "".join(f"line {number}\n" for number in range(5000)))
    assert lines[0] == "line 0"
    told = [number for number, line in enumerate(lines) if line.startswith("...")]
    assert lines[told[0]] == "... the log is full: of what comes now, the last 100 lines are added at the end"
    first = int(lines[told[0] - 1].removeprefix("line ")) + 1
    assert lines[told[1]] == f"... {5000 - first - 100:,} lines were left out; the last 100 of them:"
    assert lines[told[1] + 1 :] == [f"line {number}" for number in range(4900, 5000)]


def test_a_note_has_no_password(tmp_path):
    with Log(tmp_path / "a.log") as log:
        log.note("opens postgresql://me:geheim@there/db\nand reads")
    lines = (tmp_path / "a.log").read_text(encoding="utf-8").splitlines()
    assert [line[20:] for line in lines] == ["opens postgresql://me:***@there/db", "and reads"]


def test_a_log_that_cannot_be_written_is_no_reason_to_fail(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with Log(tmp_path / "file" / "a.log") as log:
        log.note("nobody reads this")
        assert list(log.copy(io.StringIO("but this is heard\n"))) == ["but this is heard"]


def test_a_reader_waits_for_whole_lines(tmp_path):
    reader, file = Reader(tmp_path), tmp_path / "a.log"
    assert list(reader.more(["a", "none"], over=False)) == []
    file.write_text("one\ntw", encoding="utf-8")
    assert list(reader.more(["a"], over=False)) == [("a", "one")]
    assert list(reader.more(["a"], over=False)) == []
    file.write_text("one\ntwo\nthr", encoding="utf-8")
    assert list(reader.more(["a"], over=False)) == [("a", "two")]
    assert list(reader.more(["a"], over=True)) == [("a", "thr")]
