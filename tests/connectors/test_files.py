"""Files: what comes in comes out, whatever the format, the encoding and the text."""

import csv
import datetime as dt
import errno
import gzip
import io
import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lading.connector import WHOLE, Connection, Load, Slice
from lading.connectors.files import Files, FilesSession, publish
from lading.connectors.files.note import NOTE
from lading.connectors.files.place import Place
from lading.digest import digest_of
from lading.errors import AccessDenied, DataError, LadingError, SpecError, Unreachable, Unsupported
from lading.find import from_url
from lading.schema import Column, Mode, Table
from lading.testing.contract import Contract, Unlisted, Waiver
from lading.types import parse
from lading.values import texts

KEPT = "a file that changed since is refused; it is not kept as it was"


class TestParquet(Contract):
    format: ClassVar[Literal["parquet", "csv", "jsonl"]] = "parquet"
    digests = False
    name_bytes = None
    most_columns = None
    waivers: ClassVar[dict[str, Waiver]] = {
        "test_a_pinned_session_does_not_see_later_rows": Waiver("never", KEPT),
        "test_sessions_share_a_pinned_state": Waiver("never", KEPT),
    }

    @pytest.fixture
    def connection(self, tmp_path: Path) -> Connection:
        (tmp_path / "empty").mkdir()
        return Files(path=str(tmp_path / "empty"), format=self.format)

    @pytest.fixture
    def unlisted(self, connection: Connection) -> Unlisted:
        if self.format != "parquet":
            pytest.skip("text has no types")
        folder = Path(connection.path) / "odd"  # type: ignore[attr-defined]
        folder.mkdir()
        pq.write_table(pa.table({"a": [1], "b": pa.array([{"x": 1}])}), folder / "1.parquet")
        return Unlisted("odd", "b", "struct<x: int64>")

    @pytest.fixture
    def nowhere(self, tmp_path: Path) -> Connection:
        return Files(path=str(tmp_path / "no" / "where"), storage='{"key": "hunter2"}')


class TestCsv(TestParquet):
    format = "csv"


class TestJsonLines(TestParquet):
    format = "jsonl"


FORMATS = ("parquet", "csv", "jsonl")
HOSTILE = [
    "", " ", "  x ", "NULL", "null", "\\N", "nan", "007", "1.10", "-0", "1e5", '"', '""', '"a"', 'a"b', ",", "a,b", ";",
    "||", "a|||b", "\n", "\r", "\r\n", "a\r\nb", "\t", "\0", "a\0b", "\x1f\x1e\x1d", "😀", "e\u0301", "\ufeff",
    "\ufeffx", "\u2028", "'", "\\", "\\\\", '\\"', "a\\", "true", "2024-01-01", "[1]", "{}", "\x7f", "x" * 70_000,
    "名前",
]  # fmt: skip


def columns(**types: str) -> tuple[Column, ...]:
    return tuple(Column(name=name, type=parse(type_)) for name, type_ in types.items())


def batch_of(table: Table, rows: dict[str, list[Any]]) -> pa.RecordBatch:
    arrays = [pa.array(rows[c.name], c.type.arrow()) for c in table.columns]
    return pa.RecordBatch.from_arrays(arrays, names=[c.name for c in table.columns])


def read(connection: Files, name: str, cut: Slice | None = None) -> list[dict[str, Any]]:
    with connection.open() as session:
        table = session.describe(name)
        assert table is not None
        session.pin()
        cuts = session.slices(table, 1_000_000) if cut is None else [cut]
        return [row for one in cuts for batch in session.read(table, one) for row in batch.to_pylist()]


def types_of(connection: Files, name: str) -> dict[str, str]:
    with connection.open() as session:
        table = session.describe(name)
        assert table is not None
        assert table.problems == ()
        return {column.name: str(column.type) for column in table.columns}


def move(connection: Files, load: Load, slices: list[list[pa.RecordBatch]], done: bool = True) -> None:
    with connection.open() as session:
        session.prepare(load)
        for number, batches in enumerate(slices):
            session.stage(load, batches, number)
        if done:
            session.publish([load])
            session.discard(load)


# Every type there and back

EVERY: dict[str, tuple[str, list[Any]]] = {
    "i8": ("int(8)", [-128, 127, None]),
    "i64": ("int(64)", [-(2**63), 2**63 - 1, None]),
    "u64": ("int(64,unsigned)", [0, 2**64 - 1, None]),
    "d38": ("decimal(38,10)", [Decimal("-" + "9" * 28 + ".0123456789"), Decimal("0E-10"), None]),
    "d7": ("decimal(9,7)", [Decimal("0.0000001"), Decimal("-12.5000000"), None]),
    "d76": ("decimal(76,0)", [Decimal("9" * 76), Decimal("-1"), None]),
    "d76s": ("decimal(76,40)", [Decimal("1." + "0" * 39 + "1"), Decimal("-0." + "3" * 40), None]),
    "d": ("decimal", ["123456789012345678901234567890.000000000000000000000000000000000001", "-0.10", None]),
    "f64": ("float(64)", [0.1, 5e-324, None]),
    "f64b": ("float(64)", [float("nan"), float("inf"), -float("inf")]),
    "f64c": ("float(64)", [1.7976931348623157e308, 1e22, 1 / 3]),
    "f32": ("float(32)", [0.1, 3.4028234663852886e38, None]),
    "b": ("bool", [True, False, None]),
    "s": ("string", ["", "x", None]),
    "s5": ("string(5)", ["12345", "😀😀😀😀😀", None]),
    "bin": ("binary", [b"", bytes(range(256)), None]),
    "date": ("date", [dt.date(1, 1, 1), dt.date(9999, 12, 31), None]),
    "t": ("time(6)", [dt.time(0, 0), dt.time(23, 59, 59, 999999), None]),
    "t9": ("time(9)", [1, 86_399_999_999_999, None]),
    "ts": ("timestamp(6)", [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999), None]),
    "ts0": ("timestamp(0)", [dt.datetime(1969, 12, 31, 23, 59, 59), dt.datetime(2024, 2, 29), None]),
    "ts9": ("timestamp(9)", [-1, 1_700_000_000_123_456_789, None]),
    "tz": ("timestamp(6,utc)", [dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 1, 1, 1, tzinfo=dt.UTC), None]),
    "iv": ("interval", [(14, -3, 1_500_000_000), (-1, 0, -1), None]),
    "u": ("uuid", ["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None]),
    "j": ("json", ['{"b": 1.10, "a": [1, null, "\\n\\u0000"]}', "null", None]),
    "j2": ("json", ['"text"', "123456789012345678901234567890.123456789", "[]"]),
    "li": ("list(int(32))", [[1, None, -3], [], None]),
    "ls": ("list(string)", [["", None, 'a"b\n', "null", "x,y"], ["[]"], None]),
    "lb": ("list(binary)", [[b"\x00\xff", None], [b""], None]),
    "ld": ("list(decimal(9,2))", [[Decimal("1.50")], [None], None]),
    "lt": ("list(timestamp(6,utc))", [[dt.datetime(2024, 1, 1, tzinfo=dt.UTC)], [], None]),
    "lf": ("list(float(64))", [[float("nan"), 0.1, None], [], None]),
    "ll": ("list(list(int(16)))", [[[1, 2], None, []], [], None]),
    "lj": ("list(json)", [['{"a": 1}', None], [], None]),
    "lv": ("list(interval)", [[(1, 2, 3)], [], None]),
}


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("place", ["local", "memory"])
def test_every_type_comes_back_exactly(tmp_path: Path, format_: str, place: str) -> None:
    path = str(tmp_path) if place == "local" else f"memory://{tmp_path.name}"
    table = Table(name="every", columns=columns(**{name: type_ for name, (type_, _) in EVERY.items()}), key=("i8",))
    batch = batch_of(table, {name: values for name, (_, values) in EVERY.items()})
    load = Load(id="a1", table=table, key=("i8",), fresh=True)
    connection = Files(path=path, format=format_)
    move(connection, load, [[batch, batch.slice(1, 1)], [], [batch.slice(2)]])
    plain = Files(path=path)
    with plain.open() as session:
        found = session.describe("every")
        assert found is not None
        assert [(c.name, c.type, c.null) for c in found.columns] == [(c.name, c.type, c.null) for c in table.columns]
        assert found.key == ("i8",)
        assert list(session.tables()) == [found]
        back = list(session.read(found, WHOLE))
    whole = pa.Table.from_batches(back)
    for column in table.columns:
        wanted = pa.chunked_array([batch[column.name], batch[column.name].slice(1, 1), batch[column.name].slice(2)])
        there = whole.column(column.name)
        assert there.type == column.type.arrow()
        if column.type.kind != "json":
            got, want = (texts(x.combine_chunks(), column.type).to_pylist() for x in (there, wanted))
            assert got == want, column.name
        assert there.null_count == wanted.null_count, column.name
    sent = [batch, batch.slice(1, 1), batch.slice(2)]
    assert digest_of(back, table.columns, ["i8"]) == digest_of(sent, table.columns, ["i8"])


WAYS: list[dict[str, Any]] = [
    {"format": "parquet"}, {"format": "csv"}, {"format": "jsonl"},
    {"format": "csv", "delimiter": "||"}, {"format": "csv", "delimiter": "§", "quote": "'"},
    {"format": "csv", "delimiter": "\\t", "null": "\\N", "compression": "gzip"},
    {"format": "csv", "escape": "\\", "null": "\\N"},
    {"format": "csv", "delimiter": "ab", "escape": "\\", "null": "\\N"},
    {"format": "csv", "null": "NULL", "encoding": "utf-16"}, {"format": "csv", "header": False, "compression": "zstd"},
    {"format": "jsonl", "compression": "zstd"}, {"format": "csv", "encoding": "utf-8-sig"},
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_hostile_text_comes_back_exactly(tmp_path: Path, way: dict[str, Any]) -> None:
    names = ["a", 'b "q", x', "ab||c", "  ", "😀"]
    table = Table(name="we\"ird/na.me %41😀", schema_name="_s", columns=tuple(columns(x="string")[0].model_copy(update={
        "name": name}) for name in names))  # fmt: skip
    values = [[*HOSTILE, None][n % (len(HOSTILE) + 1) :] + [*HOSTILE, None][: n % (len(HOSTILE) + 1)] for n in range(5)]
    batch = batch_of(table, dict(zip(names, values, strict=True)))
    one = Table(name="one", columns=columns(x="string"))
    single = batch_of(one, {"x": [None, *HOSTILE, None, "", None]})
    connection = Files(path=str(tmp_path), **way)
    move(connection, Load(id="h", table=table, fresh=True), [[batch]])
    move(connection, Load(id="i", table=one, fresh=True), [[single]])
    for reader in (connection, Files(path=str(tmp_path))):
        with reader.open() as session:
            assert sorted(each.full_name for each in session.tables()) == sorted([table.full_name, "one"])
            found = session.describe(table.full_name)
            assert found is not None
            assert (found.schema_name, found.name) == (table.schema_name, table.name)
            assert pa.Table.from_batches(session.read(found, WHOLE)).to_pylist() == batch.to_pylist()
        assert [row["x"] for row in read(reader, "one")] == [None, *HOSTILE, None, "", None]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(*[st.one_of(st.none(), st.text("a\",|\\'\n\r \t\0N😀", max_size=6))] * 2), max_size=20),
    way=st.sampled_from(WAYS),
)
def test_any_text_comes_back_exactly(tmp_path: Path, rows: list[tuple[str | None, ...]], way: dict[str, Any]) -> None:
    table = Table(name="t", columns=columns(x="string", y="string"))
    batch = batch_of(table, {"x": [row[0] for row in rows], "y": [row[1] for row in rows]})
    connection = Files(path=str(tmp_path), **way)
    move(connection, Load(id=os.urandom(4).hex(), table=table), [[batch]])
    assert read(connection, "t") == batch.to_pylist()


def with_short_delimiter(text: str, delimiter: str) -> str:
    """Replaced wherever it delimits: a quote opens a quoted part only where a value begins."""
    done, at, begins = "", 0, True
    while at < len(text):
        if begins and (quoted := re.compile(r'"(?:[^"]|"")*"').match(text, at)):
            part, new, begins = quoted[0], quoted[0], False
        elif text.startswith(delimiter, at):
            part, new, begins = delimiter, "\x1f", True
        else:
            part = new = text[at]
            begins = new in "\r\n"
        done, at = done + new, at + len(part)
    return done


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text('ab,"\n\r |😀', max_size=40),
    block=st.sampled_from([1, 2, 3, 5, 8, 4096]),
    delimiter=st.sampled_from([",", "|", "||", ",|"]),
)
def test_any_csv_is_read_as_python_reads_it_or_named(tmp_path: Path, text: str, block: int, delimiter: str) -> None:
    """Python's reader is lenient and knows one-character delimiters; what is read here is what it reads."""
    (tmp_path / "t.csv").write_bytes(text.encode())
    connection = Files(path=str(tmp_path), header=False, delimiter=delimiter, columns={"a": "string", "b": "string"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lading.connectors.files.stream.BLOCK", block)
        try:
            rows = [[row["a"] or "", row["b"] or ""] for row in read(connection, "t")]
        except DataError:
            return
    if len(delimiter) > 1:
        text, delimiter = with_short_delimiter(text, delimiter), "\x1f"
    assert rows == [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(*[st.text('a",|\n\r 😀', max_size=9)] * 2), min_size=1, max_size=20),
    block=st.sampled_from([1, 3, 7, 64]),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-8-sig", "gb18030"]),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_blocks_of_any_size_make_the_same_rows(
    tmp_path: Path, rows: list[tuple[str, str]], block: int, encoding: str, ending: str
) -> None:
    with (tmp_path / "t.csv").open("w", encoding=encoding, newline="") as file:
        csv.writer(file, lineterminator=ending, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    connection = Files(path=str(tmp_path), encoding=encoding, columns={"a": "string", "b": "string"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lading.connectors.files.stream.BLOCK", block)
        assert [(row["a"], row["b"]) for row in read(connection, "t")] == rows


def test_csv_is_what_other_programs_expect(tmp_path: Path) -> None:
    table = Table(
        name="t", columns=columns(i="int(32)", s="string", d="decimal(9,2)", b="bool", x="binary", z="timestamp(0,utc)")
    )
    when = dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    rows: dict[str, list[Any]] = {
        "i": [1, None],
        "s": ["", None],
        "d": [Decimal("1.50"), None],
        "b": [True, None],
        "x": [b"\xff", None],
        "z": [when, None],
    }
    move(Files(path=str(tmp_path), format="csv"), Load(id="x", table=table), [[batch_of(table, rows)]])
    text = (tmp_path / "t" / "part-00000.csv").read_bytes()
    assert text == b'i,s,d,b,x,z\n1,"",1.50,true,ff,2024-01-02 03:04:05.000000Z\n,,,,,\n'


# Foreign files


def test_types_are_found_over_the_whole_file(tmp_path: Path) -> None:
    rows = [f"{n},{n}.50,{n:03d},2024-01-01,2024-01-01T00:00:00Z,{n / 7!r},true,{n},{n}.5" for n in range(1, 200_001)]
    rows += ["200001,1.25,0,2024-02-29,2024-02-29T23:59:59Z,1.0,false,x,1.25", ",,,,,,,,"]
    (tmp_path / "t.csv").write_text("\n".join(["i,d,code,day,at,f,b,late,mixed", *rows]) + "\n")
    assert types_of(Files(path=str(tmp_path)), "t") == {
        "i": "int(64)", "d": "decimal(18,2)", "code": "string", "day": "date", "at": "timestamp(0,utc)",
        "f": "float(64)", "b": "bool", "late": "string", "mixed": "float(64)",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (["1", "-5", "0"], "int(64)"), (["1", "-0"], "float(64)"), (["007"], "string"), (["+1"], "string"),
        ([" 1"], "string"),
        (["9223372036854775807"], "int(64)"), (["9223372036854775808"], "decimal(38,0)"), (["1" * 77], "string"),
        (["1.10", "-0.05"], "decimal(18,2)"), (["1.10", "1.1"], "string"), (["-0.00"], "string"),
        (["1.5", "2"], "float(64)"),
        (["1.0", "2.25"], "float(64)"), (["1e-05", "0.1"], "float(64)"), (["9007199254740993", "0.5"], "string"),
        (["nan"], "string"), (["nan", "0.25"], "float(64)"), (["0." + "1" * 30], "decimal(38,30)"),
        (["01.5"], "string"),
        (["true", "False"], "string"), (["TRUE", "FALSE"], "bool"), (["yes"], "string"), (["1", "true"], "string"),
        (["2024-02-30"], "string"), (["2024-2-3"], "string"), (["0001-01-01", "9999-12-31"], "date"),
        (["2024-01-01 00:00:00.000"], "timestamp(3)"), (["2024-01-01 00:00:00", "2024-01-01 00:00:00.5"], "string"),
        (["2024-01-01 00:00:60"], "string"), (["2024-01-01 00:00:00+02:00"], "string"),
        (["2024-01-01", "2024-01-01 00:00:00"], "string"),
        (["2024-01-01T10:00:00.123456789Z"], "timestamp(9,utc)"),
        (["", ""], "string"), (["1\u0661"], "string"), (["0x1F"], "string"),
        # Each is as long as the number that it would be taken for.
        (["0x174876E800"], "string"), (["1e-1", "0.10"], "string"), (["+1.10"], "string"), (["-.50"], "string"),
        (["-.50", "01.50"], "string"), (["1.2.3"], "string"), (["1-.50"], "string"), (["1.50-"], "string"),
        (["-"], "string"),
        (["-9223372036854775808", "9"], "int(64)"), (["-9223372036854775809"], "decimal(38,0)"),
        (["-0.5", "0.1"], "decimal(18,1)"), (["-0.1", "-0.0"], "float(64)"),
        (["1" * 20 + ".25", "-0.75"], "decimal(38,2)"), (["0" + "1" * 20 + ".25"], "string"),
        (["9" * 39, "-1"], "decimal(76,0)"), (["0." + "1" * 39], "decimal(76,39)"),
        (["", "7", ""], "int(64)"), (["", "true"], "bool"), (["inf", "-1e300"], "string"),
        (["-1e+300", "0.5"], "float(64)"),
    ],
)  # fmt: skip
def test_a_type_is_found_only_when_it_gives_every_text_back(tmp_path: Path, values: list[str], type_: str) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{value},x\n" for value in values))
    assert types_of(Files(path=str(tmp_path)), "t")["a"] == type_
    found = read(Files(path=str(tmp_path)), "t")
    assert len(found) == len(values)
    by_its_texts = read(Files(path=str(tmp_path), columns={"a": type_}), "t")
    assert repr(found) == repr(by_its_texts)


@pytest.mark.parametrize("options", [{}, {"columns": {"a": "string"}}, {"delimiter": "||"}], ids=str)
def test_a_mark_in_the_first_value_is_part_of_it(tmp_path: Path, options: dict[str, Any]) -> None:
    """Files that were put together hold the marks of their encoding in the middle."""
    text = "\ufeffa,b\n\ufeffA1,\ufeff\n\ufeff,x\n".replace(",", str(options.get("delimiter", ",")))
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    found = read(Files(path=str(tmp_path), **options), "t")
    assert found == [{"a": "\ufeffA1", "b": "\ufeff"}, {"a": "\ufeff", "b": "x"}]


def test_files_that_change_after_their_types_were_found(tmp_path: Path) -> None:
    """What was seen of them holds for them no longer."""
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,x\n")
    connection = Files(path=str(tmp_path))
    with connection.open() as session:
        table = session.describe("t")
        assert table is not None
        file.write_text("a,b\n 10,x\n")
        session.pin()
        with pytest.raises(DataError, match="column 'a' holds ' 10', which is not int"):
            list(session.read(table, WHOLE))


@pytest.mark.parametrize(
    ("name", "data", "options"),
    [
        ("t.csv.gz", gzip.compress(b"a,b\n1,x\n", mtime=0) + gzip.compress(b'2,"y\nz"\n', mtime=0), {}),
        ("t.csv.zst", bytes(pa.compress(b'a,b\n1,x\n2,"y\nz"\n', "zstd", asbytes=True)), {}),
        ("t.csv", '\ufeffa,b\n1,x\n2,"y\nz"\n'.encode(), {}),
        ("t.csv", 'a,b\r\n1,x\r\n2,"y\nz"\r\n'.encode("utf-16"), {}),
        ("t.csv", b"\xfe\xff" + 'a,b\n1,x\n2,"y\nz"\n'.encode("utf-16-be"), {"encoding": "utf-16"}),
        ("t.csv", 'a,b\n1,x\n2,"y\nz"\n'.encode("utf-16-le"), {"encoding": "utf-16-le"}),
        ("t.csv", 'a,b\n1,x\n2,"y\nz"'.encode("utf-32"), {}),
        ("t.csv", b'a,b\r1,x\r2,"y\nz"\r', {}),
        ("t.csv", b'\n1,x\n\n2,"y\nz"\n\n', {"header": False, "columns": {"a": "int(64)", "b": "string"}}),
        ("t.csv", b'a;b\n1;x\n2;"y\nz"\n', {"delimiter": ";"}),
        ("t.csv", b'a||b\r\n1||x\r\n2||"y\nz"\r\n', {"delimiter": "||"}),
        ("t.csv", b"a~|~b\n1~|~x\n2~|~'y\nz'\n", {"delimiter": "~|~", "quote": "'"}),
        ("t.csv", 'a¦b\n1¦x\n2¦"y\nz"\n'.encode("latin-1"), {"delimiter": "¦", "encoding": "latin-1"}),
        ("t.csv", b"a,b\n1,x\n2,y\\\nz\n", {"escape": "\\", "quote": ""}),
        ("t.tsv", b'a\tb\n1\tx\n2\t"y\nz"\n', {}),
        ("t.txt", b'a|b\n1|x\n2|"y\nz"\n', {"delimiter": "|", "format": "csv"}),
        ("t.jsonl", b'\xef\xbb\xbf{"a":1,"b":"x"}\n\n{"b":"y\\nz","a":2}', {}),
        ("t.ndjson.gz", gzip.compress(b'{"a":1,"b":"x"}\r\n{"b":"y\\nz","a":2}\r\n', mtime=0), {}),
    ],
    ids=str,
)
def test_other_peoples_files(tmp_path: Path, name: str, data: bytes, options: dict[str, Any]) -> None:
    (tmp_path / name).write_bytes(data)
    for path in (tmp_path, tmp_path / name, f"{tmp_path}/t*"):
        connection = Files(path=str(path), **options)
        assert types_of(connection, "t") == {"a": "int(64)", "b": "string"}
        assert read(connection, "t") == [{"a": 1, "b": "x"}, {"a": 2, "b": "y\nz"}]


@pytest.mark.parametrize(
    ("text", "options", "rows"),
    [
        ('a,b\n,""\n', {}, [(None, "")]),
        ('a,b\nNULL,"NULL"\n', {"null": "NULL"}, [(None, "NULL")]),
        ("a,b\n,x\n", {"null": "NULL"}, [("", "x")]),
        ('a,b\n5" pipe,6"\n', {}, [('5" pipe', '6"')]),
        ('a,b\n5" pipe,"x ""y"", z"\n"q",r"\n', {}, [('5" pipe', 'x "y", z'), ("q", 'r"')]),
        ('a,b\n"""",""""""\n', {}, [('"', '""')]),
        ("a,b\n'it''s',\"x\n", {"quote": "'"}, [("it's", '"x')]),
        ('a|||b\n1||||2\n"|||"|||x\n', {"delimiter": "|||"}, [("1", "|2"), ("|||", "x")]),
        ('a||b\n|||x\n||||\n', {"delimiter": "||"}, None),
        ("a,b\n\\N,\\\\N\nx\\,y,\\\"\n", {"escape": "\\", "null": "\\N"}, [(None, "\\N"), ("x,y", '"')]),
        ('a,b\n"\\N","\\"x"\n', {"escape": "\\", "null": "\\N"}, [("N", '"x')]),
        ("a,b\n1,2", {}, [(1, 2)]),
        ("a,b\n", {}, []),
        ("a,b", {}, []),
        ("a;b\n1;2\n", {"delimiter": ";"}, [(1, 2)]),
        ("a\tb\n1\t2\n", {"delimiter": "\\t"}, [(1, 2)]),
        ("a,b\n\n\n1,2\n\n", {}, [(1, 2)]),
        ("a,b\r\n\r\n1,2\r\n", {}, [(1, 2)]),
    ],
)  # fmt: skip
def test_small_print_of_csv(
    tmp_path: Path, text: str, options: dict[str, Any], rows: list[tuple[Any, ...]] | None
) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode())
    connection = Files(path=str(tmp_path), **options)
    if rows is None:
        with pytest.raises(DataError, match=r"t\.csv:3: there are 3 values"):
            read(connection, "t")
    else:
        assert [(row["a"], row["b"]) for row in read(connection, "t")] == rows


@pytest.mark.parametrize(
    ("name", "data", "line", "says"),
    [
        ("t.csv", b'a,b\n1,"x\ny"\n3\n', 4, "1 values, and 2 columns"),
        ("t.csv", b"a,b\n1,2,3\n", 2, "3 values, and 2 columns"),
        ("t.csv", b'a,b\n1,2\n3,"x""y\n5,6\n', 3, "not closed"),
        ("t.csv", b'a,b\n1,2\n3,"x\n5,"y"\n', 3, "in line 4, is no delimiter"),
        ("t.csv", b'a,b\n1,"x"y\n', 2, "is no delimiter"),
        ("t.csv", b"a,b\n1,x\n2,\xff\n", 3, "0xff is not UTF-8"),
        ("t.csv", b"a,b,a\n1,2,3\n", 1, "two columns are named 'a'"),
        ("t.csv", b"a,,c\n1,2,3\n", 1, "column 2 has no name"),
        ("t.csv", b"1,2.5,2024-01-01\n1,2,3\n", 1, "holds values, not names"),
        ("t.csv", b"", 1, "is empty"),
        ("t.csv", b"a;b\n1;2\n", 1, "one column, named 'a;b'"),
        ("t.csv", b"a\tb\n1\t2,5\n", 1, r"one column, named 'a\tb'"),
        ("t.csv", b"a,b\n1,x\ry\n2,z\n", 2, "carriage return"),
        ("t.csv", b"a,b\r1,x\r2,y\nz\r", 3, "line feed"),
        ("t.csv", "a,b\n1,2\n".encode("utf-16-le"), 1, "zero bytes"),
        ("t.csv", "\ufeffa,b\n1,2\n".encode("utf-16")[:-1], 2, "truncated"),
        ("t.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], 1, "damaged"),
        ("t.csv.zst", b"nothing", 1, "damaged"),
        ("t.parquet", b"PAR1 nothing", 1, "cannot be read"),
        ("t.jsonl", b'{"a":1}\n\n{"a":\n', 3, "is not JSON"),
        ("t.jsonl", b'{"a":1}\n[1]\n', 2, "no JSON object"),
        ("t.jsonl", b'{"a":1}\n{"a":1,"a":2}\n', 2, "twice"),
        ("t.jsonl", b'{"a":1}\n{"a":1} {"a":2}\n', 2, "is not JSON"),
        ("t.jsonl", b'{"a":"x"}\n{"a":"\xff"}\n', 2, "0xff"),
        ("t.csv", b"\n\n", 1, "column 1 has no name"),
    ],
)  # fmt: skip
def test_bad_files_are_named_with_their_line(tmp_path: Path, name: str, data: bytes, line: int, says: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError) as caught:
        read(Files(path=str(tmp_path)), "t")
    assert caught.value.what.startswith(f"{tmp_path / name}:{line}: ")
    assert says in caught.value.what
    assert caught.value.fix


def test_a_header_that_seems_to_have_another_delimiter(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b\n1;2\n")
    with pytest.raises(DataError) as caught:
        read(Files(path=str(tmp_path)), "t")
    assert "'csv:///FILE?delimiter=;', or 'header' to true" in caught.value.fix
    assert read(Files(path=str(tmp_path), header=True), "t") == [{"a;b": "1;2"}]
    assert read(Files(path=str(tmp_path), header=False), "t") == [{"column1": "a;b"}, {"column1": "1;2"}]


@pytest.mark.parametrize(
    ("name", "text", "type_", "line"),
    [
        ("t.csv", 'a,b\n1,x\n\n2,"y\nz"\n3.5,x\n', "int(32)", 6),
        ("t.csv", "a,b\n99999999999,x\n", "int(32)", 2),
        ("t.csv", "a,b\n1.005,x\n", "decimal(9,2)", 2),
        ("t.csv", "a,b\n2024-01-01 00:00:00.5,x\n", "timestamp(0)", 2),
        ("t.csv", "a,b\nabcdef,x\n", "string(5)", 2),
        ("t.csv", "a,b\nabc,x\n", "uuid", 2),
        ("t.csv", "a,b\nabc,x\n", "binary", 2),
        ("t.csv", "a,b\n25:00:00,x\n", "time(0)", 2),
        ("t.jsonl", '{"a":1}\n{"a":1.5}\n', "int(32)", 2),
        ("t.jsonl", '{"a":"x"}\n', "date", 1),
        ("t.jsonl", '{"a":1}\n{"a":1e400}\n', "decimal(9,2)", 2),
    ],
)
def test_values_that_are_not_of_their_declared_type(
    tmp_path: Path, name: str, text: str, type_: str, line: int
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as caught:
        read(Files(path=str(tmp_path), columns={"t.a": type_}), "t")
    assert caught.value.what.startswith(f"{tmp_path / name}:{line}: column 'a' holds ")


def test_half_a_character_is_kept_as_json_or_named(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a":"x"}\n{"a":"\\ud800"}\n')
    connection = Files(path=str(tmp_path))
    assert types_of(connection, "t") == {"a": "json"}
    assert read(connection, "t") == [{"a": '"x"'}, {"a": '"\\ud800"'}]
    with pytest.raises(DataError, match=r"t\.jsonl:2: column 'a' holds "):
        read(Files(path=str(tmp_path), columns={"a": "string"}), "t")


def test_items_of_lists_are_what_the_same_values_outside_of_lists_are(tmp_path: Path) -> None:
    """DuckDB writes lists of UUIDs so."""
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(15) + b"a", None], pa.binary(16)))
    spans = pa.array([[1_500_000, None], [], None], pa.list_(pa.duration("us")))
    columns = {"u": pa.ListArray.from_arrays(pa.array([0, 2, None, 2], pa.int32()), uuids), "d": spans}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    held = read(Files(path=str(tmp_path)), "t")
    assert [row["u"] for row in held] == [["00000000-0000-0000-0000-000000000061", None], [], None]
    assert [row["d"] for row in held] == [[(0, 0, 1_500_000_000), None], [], None]


def test_a_duration_that_nanoseconds_do_not_hold_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"d": pa.array([10**12], pa.duration("s"))}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="of over 292 years"):
        read(Files(path=str(tmp_path)), "t")


def test_items_of_lists_of_json_keep_their_numbers(tmp_path: Path) -> None:
    """Others write JSON as it is, Lading as text, which tells null from NULL."""
    (tmp_path / "t.jsonl").write_text(
        '{"v": [{"a": 1, "b": [1.50, true]}, 2, null]}\n{"v": "[\\"{}\\", \\"null\\"]"}\n'
    )
    held = [row["v"] for row in read(Files(path=str(tmp_path), columns={"v": "list(json)"}), "t")]
    assert [item if item is None else json.loads(item) for item in held[0]] == [{"a": 1, "b": [1.5, True]}, 2, None]
    assert held[1] == ["{}", "null"]


def test_shapes_of_json_lines(tmp_path: Path) -> None:
    lines = [
        {"i": 1, "f": 1.5, "n": {"x": [1]}, "mix": 1, "day": "2024-01-01", "s": "1", "none": None, "t": True},
        {"i": -2, "f": 2, "n": None, "mix": "x", "day": "2024-02-29", "s": "2", "more": "late"},
    ]
    raw = '{"i":3,"f":0.25,"d":1.10,"big":123456789012345678901234567890,"deep":{"k":1.10,"e":1e2}}\n'
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + raw)
    connection = Files(path=str(tmp_path))
    assert types_of(connection, "t") == {
        "i": "int(64)", "f": "float(64)", "n": "json", "mix": "json", "day": "date", "s": "string", "none": "string",
        "t": "bool", "more": "string", "d": "decimal(18,2)", "big": "decimal(38,0)", "deep": "json",
    }  # fmt: skip
    rows = read(connection, "t")
    assert rows[2]["deep"] == '{"k": 1.10, "e": 1e2}'
    assert rows[2]["d"] == Decimal("1.10")
    assert rows[2]["big"] == 123456789012345678901234567890
    assert [row["mix"] for row in rows] == ["1", '"x"', None]
    assert [row["n"] for row in rows] == ['{"x": [1]}', None, None]


def test_folders_of_partitions(tmp_path: Path) -> None:
    for year, month, ids in (
        ("2023", "05", "1\n2\n"),
        ("2024", "11", "3\n"),
        ("2024", "__HIVE_DEFAULT_PARTITION__", "4\n"),
    ):
        folder = tmp_path / "sales" / f"year={year}" / f"month={month}"
        folder.mkdir(parents=True)
        (folder / "x.csv").write_text("id,note\n" + "".join(f"{id_},a\n" for id_ in ids.split()))
        (folder / "_SUCCESS").write_text("")
    connection = Files(path=str(tmp_path))
    assert types_of(connection, "sales") == {"id": "int(64)", "note": "string", "year": "int(64)", "month": "string"}
    rows = read(connection, "sales")
    assert sorted((row["id"], row["year"], row["month"]) for row in rows if row["month"]) == [
        (1, 2023, "05"), (2, 2023, "05"), (3, 2024, "11"),
    ]  # fmt: skip
    assert [row for row in rows if row["month"] is None] == [{"id": 4, "note": "a", "year": 2024, "month": None}]
    assert (
        types_of(Files(path=str(tmp_path / "sales"), partitioned=True, columns={"year": "int(16)"}), "sales")["year"]
        == "int(16)"
    )
    with Files(path=str(tmp_path)).open() as session:
        table = session.describe("sales")
        assert table is not None
        narrow = table.model_copy(update={"columns": tuple(c for c in table.columns if c.name == "year")})
        assert sum(batch.num_rows for batch in session.read(narrow, WHOLE)) == 4
        none = table.model_copy(update={"columns": ()})
        assert sum(batch.num_rows for batch in session.read(none, WHOLE)) == 4


def placed(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("id\n1\n")


def test_files_in_a_folder_that_is_no_partition_are_a_problem_of_its_table(tmp_path: Path) -> None:
    placed(tmp_path, "t/year=2024/b.csv", "t/2023/a.csv", "deep/2023/01/b.csv", "part/year=2024/05/b.csv")
    placed(
        tmp_path, "good/year=2024/b.csv", "good/pictures/a/x.png", "good/_old/b.csv", "good/.old/b.csv", "no/x/y.png"
    )
    with Files(path=str(tmp_path)).open() as session:
        found = {table.name: table for table in session.tables()}
        assert found.keys() == {"t", "deep", "part", "good"}
        assert [name for name, table in found.items() if not table.problems] == ["good"]
        assert found["t"].problems[0].startswith("it holds files in the folder '2023', which is no key=value")
        assert "in the folder 'year=2024/05'" in found["part"].problems[0]
        assert session.describe("deep") == found["deep"]
        with pytest.raises(SpecError, match="'t' cannot be read: it holds files in the folder '2023'"):
            list(session.read(found["t"], WHOLE))
        for name in ("t", "deep"):
            with pytest.raises(SpecError, match=f"{name}' cannot be written: it holds files in the folder '2023'"):
                session.fit(Table(name=name, columns=columns(id="int(64)")))
    assert read(Files(path=str(tmp_path)), "good") == [{"id": 1, "year": 2024}]
    with Files(path=str(tmp_path), table="all").open() as session:
        (table,) = session.tables()
        assert "in the folder 'deep'" in table.problems[0]


def test_folders_beside_a_tables_files_are_not_listed_needlessly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(tmp_path, "t/a.csv", *(f"t/2023/{month}/{day}/b.csv" for month in range(12) for day in range(30)))
    listed: list[str] = []
    entries = Place.entries

    def listing(self: Place, path: str) -> Any:
        listed.append(path)
        return entries(self, path)

    monkeypatch.setattr(Place, "entries", listing)
    with Files(path=str(tmp_path)).open() as session:
        assert "in the folder '2023'" in next(iter(session.tables())).problems[0]
    assert [path.removeprefix(str(tmp_path)) for path in listed] == ["", "/t", "/t/2023", "/t/2023/0", "/t/2023/0/0"]
    placed(tmp_path, "u/a.csv", *(f"{table}/{n}/x.png" for table in ("u", "v") for n in range(150)))
    listed.clear()
    with Files(path=str(tmp_path)).open() as session:
        found = {table.name: table for table in session.tables()}
    assert found.keys() == {"t", "u"}
    assert "more than 100 folders" in found["u"].problems[0]
    assert len(listed) == 5 + 2 * 101


def test_a_folder_that_may_not_be_looked_into_keeps_no_other_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(tmp_path, "good.csv", "t/a.csv", "t/2023/a.csv", "u/2023/a.csv")
    entries = Place.entries

    def refusing(self: Place, path: str) -> Any:
        if path.endswith("2023"):
            raise AccessDenied("No.", "Ask.")
        return entries(self, path)

    monkeypatch.setattr(Place, "entries", refusing)
    with Files(path=str(tmp_path)).open() as session:
        found = {table.name: table.problems for table in session.tables()}
    assert found.keys() == {"good", "t"}
    assert "may not be looked into" in found["t"][0]


def test_names_of_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "sales.b").mkdir()
    (tmp_path / "sales.b" / "1.csv").write_text("x\n1\n")
    (tmp_path / "spark.parquet").mkdir()
    pq.write_table(pa.table({"x": [1]}), tmp_path / "spark.parquet" / "part-0.parquet")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".lading_old").mkdir()
    (tmp_path / ".lading_old" / "part-00000.csv").write_text("x\n1\n")
    (tmp_path / "v1.0.csv").write_text("x\n1\n")
    (tmp_path / "readme.md").write_text("x")
    with Files(path=str(tmp_path)).open() as session:
        assert [(t.schema_name, t.name) for t in session.tables()] == [
            (None, "a"),
            ("sales", "b"),
            (None, "spark"),
            (None, "v1.0"),
        ]
        assert session.describe("sales.b") is not None
        assert session.describe("spark") is not None
        assert session.describe("nothing") is None
        assert all(session.describe(table.full_name) == table for table in session.tables())
    gathered = Files(path=str(tmp_path / "*.csv"), table="all")
    assert sorted(row["x"] for row in read(gathered, "all")) == [1, 1]


def test_one_table_is_found_without_a_look_into_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of hundreds, each would be looked into for each: to write 330 took three times as long."""
    placed(tmp_path, *(f"t{number}/part.csv" for number in range(9)), "a%2Eb.csv", "s.c.parquet/part.csv")
    looked: list[str] = []
    entries = Place.entries

    def listing(self: Place, path: str) -> Any:
        looked.append(path.removeprefix(str(tmp_path)))
        return entries(self, path)

    monkeypatch.setattr(Place, "entries", listing)
    with Files(path=str(tmp_path)).open() as session:
        for name, folders in {"new": [""], "t3": ["/t3"], "a%2Eb": [""], "s.c": ["", "/s.c.parquet"]}.items():
            looked.clear()
            found = session.describe(name)
            assert (looked, found and found.full_name) == (folders, None if name == "new" else name)


def test_two_files_of_one_name_are_a_problem(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x\n1\n")
    (tmp_path / "t.jsonl").write_text('{"x":1}\n')
    with Files(path=str(tmp_path)).open() as session:
        (table,) = session.tables()
        assert "t.csv' and '" in table.problems[0]
        with pytest.raises(SpecError):
            list(session.read(table, WHOLE))
    assert types_of(Files(path=str(tmp_path), format="csv"), "t") == {"x": "int(64)"}


def test_a_file_that_cannot_be_read_keeps_no_other(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("x\n1\n")
    (tmp_path / "Bad.csv").write_text("x,x\n1,2\n")
    with Files(path=str(tmp_path)).open() as session:
        found = {table.name: table for table in session.tables()}
        assert found["good"].problems == ()
        assert found["good"].rows == 1
        (problem,) = found["Bad"].problems
        assert problem.startswith(f"{tmp_path / 'Bad.csv'}:1: two columns are named 'x'. Rename one")
        (tmp_path / "good.csv").unlink()
        with pytest.raises(DataError, match="two columns are named 'x'"):
            list(session.tables())


def test_files_of_one_table_must_agree(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "t" / "2.csv").write_text("b,a\nx,3\n")
    assert read(Files(path=str(tmp_path)), "t") == [{"a": 1, "b": "2"}, {"a": 3, "b": "x"}]
    (tmp_path / "t" / "3.csv").write_text("a,c\n1,2\n")
    with pytest.raises(DataError, match="only one has the column 'b'"):
        read(Files(path=str(tmp_path)), "t")
    (tmp_path / "p").mkdir()
    pq.write_table(pa.table({"a": [1]}), tmp_path / "p" / "1.parquet")
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "p" / "2.parquet")
    with Files(path=str(tmp_path), format="parquet").open() as session:
        table = session.describe("p")
        assert table is not None
        assert "other columns or types" in table.problems[0]


def test_other_peoples_parquet(tmp_path: Path) -> None:
    when = pa.array([dt.datetime(2024, 1, 1, 12)], pa.timestamp("ms", "Europe/Berlin"))
    table = pa.table({
        "ms": pa.array([1], pa.timestamp("ms")), "zone": when, "dict": pa.array(["a"]).dictionary_encode(),
        "large": pa.array(["a"], pa.large_string()), "fixed": pa.array([b"ab"], pa.binary(2)), "nothing": pa.nulls(1),
        "t32": pa.array([1], pa.time32("s")), "half": pa.array([1.5], pa.float16()),
        "dur": pa.array([7], pa.duration("ms")),
        "day": pa.array([0], pa.date64()), "a.b": pa.array([1]),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "t.parquet")
    assert types_of(Files(path=str(tmp_path)), "t") == {
        "ms": "timestamp(3)", "zone": "timestamp(3,utc)", "dict": "string", "large": "string", "fixed": "binary(2)",
        "nothing": "string", "t32": "time(3)", "half": "float(32)", "dur": "interval", "day": "date", "a.b": "int(64)",
    }  # fmt: skip
    (row,) = read(Files(path=str(tmp_path)), "t")
    assert row["zone"] == dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)
    assert tuple(row["dur"]) == (0, 0, 7_000_000)
    pq.write_table(pa.table({"s": pa.array([{"x": 1}]), "a": [1]}), tmp_path / "u.parquet")
    with Files(path=str(tmp_path)).open() as session:
        found = session.describe("u")
        assert found is not None
        assert "column 's'" in found.problems[0]
        narrow = found.model_copy(update={"columns": found.columns[1:], "problems": ()})
        assert [batch.to_pylist() for batch in session.read(narrow, WHOLE)] == [[{"a": 1}]]


def test_moments_of_96_bits_that_are_too_far_away_are_named(tmp_path: Path) -> None:
    """Arrow makes other moments of them, which both sides of a copy would then agree on."""
    near = [dt.datetime(2020, 1, 1, microsecond=1), None, dt.datetime(1700, 1, 1, microsecond=999_999)]
    for name, far in (("near", None), ("far", dt.datetime(9999, 12, 31)), ("early", dt.datetime(1, 1, 1))):
        when = pa.array([*near, far], pa.timestamp("us"))
        table = pa.table(
            {"id": [1, 2, 3, 4], "when": when, "several": pa.array([[v] for v in when], pa.list_(when.type))}
        )
        pq.write_table(table, tmp_path / f"{name}.parquet", use_deprecated_int96_timestamps=True)
    connection = Files(path=str(tmp_path))
    rows = read(connection, "near")
    assert [row["when"] for row in rows] == [*near, None]
    for name in ("far", "early"):
        for column in ("when", "several"):
            with connection.open() as session:
                found = session.describe(name)
                assert found is not None
                others = found.model_copy(update={"columns": tuple(c for c in found.columns if c.name == "id")})
                odd = found.model_copy(update={"columns": tuple(c for c in found.columns if c.name == column)})
                assert sum(batch.num_rows for batch in session.read(others, WHOLE)) == 4
                with pytest.raises(
                    DataError, match=rf"{name}\.parquet:1: column '{column}' holds a moment before 1678"
                ):
                    list(session.read(odd, WHOLE))


def test_a_file_is_opened_once_where_it_holds_no_moments_of_96_bits(tmp_path: Path, monkeypatch: Any) -> None:
    pq.write_table(pa.table({"a": [1], "when": [dt.datetime(2020, 1, 1)]}), tmp_path / "t.parquet")
    times, real = list[str](), pq.ParquetFile

    def counted(*given: Any, **how: Any) -> Any:
        times.append("opened")
        return real(*given, **how)

    with Files(path=str(tmp_path)).open() as session:
        (table,) = session.tables()
        monkeypatch.setattr(pq, "ParquetFile", counted)
        assert sum(batch.num_rows for batch in session.read(table, WHOLE)) == 1
    assert times == ["opened"]


def test_a_key_whose_columns_were_taken_out_is_none(tmp_path: Path) -> None:
    move(Files(path=str(tmp_path)), Load(id="a", table=T, key=("id",)), [rows_of(1, 2)])
    made = pq.read_table(tmp_path / "sales.orders" / "part-00000.parquet")
    pq.write_table(made.drop(["id"]), tmp_path / "less.parquet")  # which keeps what the file says of itself
    pq.write_table(made.drop(["s"]), tmp_path / "more.parquet")
    with Files(path=str(tmp_path)).open() as session:
        tables = {table.name: table.key for table in session.tables()}
    assert (tables["less"], tables["more"]) == ((), ("id",))


def test_parquets_own_uuids(tmp_path: Path) -> None:
    stored = pa.array([bytes.fromhex("a0eebc999c0b4ef8bb6d6bb9bd380a11"), None, bytes(16)], pa.binary(16))
    pq.write_table(pa.table({"u": pa.ExtensionArray.from_storage(pa.uuid(), stored)}), tmp_path / "t.parquet")
    with Files(path=str(tmp_path)).open() as session:
        (table,) = session.tables()
        (batch,) = session.read(table, WHOLE)
    assert str(table.columns[0].type) == "uuid"
    expected = ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None, "00000000-0000-0000-0000-000000000000"]
    assert batch.column(0).to_pylist() == expected


def test_long_rows_of_parquet_are_read_fewer_at_a_time(tmp_path: Path) -> None:
    bodies = [f"{n * 2654435761 % 2**32:08x}" * 250 for n in range(8_000)]
    pq.write_table(pa.table({"body": bodies}), tmp_path / "t.parquet", use_dictionary=False)
    with Files(path=str(tmp_path), batch_mb=1).open() as session:
        table = session.describe("t")
        assert table is not None
        batches = list(session.read(table, WHOLE))
    assert [text for batch in batches for text in batch.column(0).to_pylist()] == bodies
    assert max(batch.nbytes for batch in batches) <= 1.1 * 2**20


def test_large_parquet_files_are_cut_by_row_groups(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": list(range(1000))}), tmp_path / "t.parquet", row_group_size=100)
    with Files(path=str(tmp_path)).open() as session:
        table = session.describe("t")
        assert table is not None
        assert table.rows == 1000
        cuts = session.slices(table, 250)
        assert [cut.pages for cut in cuts] == [(0, 3), (3, 6), (6, 9), (9, None)]
        assert [cut.number for cut in cuts] == [0, 1, 2, 3]
        rows = [v for cut in cuts for batch in session.read(table, cut) for v in batch.column(0).to_pylist()]
    assert rows == list(range(1000))


def test_files_that_come_later_are_in_a_slice(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    for name in ("b", "d"):
        pq.write_table(pa.table({"x": [name, name]}), folder / f"{name}.parquet", row_group_size=1)
    with Files(path=str(tmp_path)).open() as session:
        table = session.describe("t")
        assert table is not None
        cuts = session.slices(table, 1)
        assert len(cuts) == 4
        for name in ("a", "c", "e"):
            pq.write_table(pa.table({"x": [name]}), folder / f"{name}.parquet")
        rows = [v for cut in cuts for batch in session.read(table, cut) for v in batch.column(0).to_pylist()]
        assert sorted(rows) == ["a", "b", "b", "c", "d", "d", "e"]


def test_each_file_is_in_one_slice_whatever_the_folders_are_called(tmp_path: Path) -> None:
    """A blank, a minus and a point come before the slash, so that paths are in another order than folders."""
    names = ["x=San", "x=San Jose", "x=San-1", "x=San.2", "x=A", "x=Z"]
    for name in names:
        (tmp_path / "t" / name).mkdir(parents=True)
        pq.write_table(pa.table({"n": [name]}), tmp_path / "t" / name / "f.parquet")
    found = read(Files(path=str(tmp_path)), "t")
    assert sorted(row["n"] for row in found) == sorted(names)


def test_since_keeps_later_rows_and_nulls(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,at\n1,2024-01-01 00:00:00\n2,2024-06-01 00:00:00\n3,\n")
    assert [
        row["id"]
        for row in read(Files(path=str(tmp_path)), "t", Slice(since="at", since_low="2024-06-01 00:00:00.000000"))
    ] == [2, 3]
    with pytest.raises(Unsupported):
        read(Files(path=str(tmp_path)), "t", Slice(on=("id",), low=("1",)))


# What moves while it is read


def test_a_file_that_changes_during_the_copy_is_named(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,2\n")
    with Files(path=str(tmp_path)).open() as session:
        name = session.pin()
        table = session.describe("t")
        assert table is not None
        with Files(path=str(tmp_path)).open() as other:
            assert other.pin(name) == name
        file.write_text("a,b\n1,3\n")
        with pytest.raises(Unreachable, match="changed while"):
            list(session.read(table, WHOLE))
        with Files(path=str(tmp_path)).open() as other, pytest.raises(Unreachable, match="changed since"):
            other.pin(name)
    with Files(path=str(tmp_path)).open() as session:
        batches = session.read(table, WHOLE)
        next(batches)
        with file.open("a") as more:
            more.write("5,6\n")
        with pytest.raises(Unreachable, match="changed while"):
            list(batches)
        session.pin()
        file.unlink()
        with pytest.raises(Unreachable, match="changed while"):
            list(session.read(table, WHOLE))


# Writing

T = Table(name="orders", schema_name="sales", columns=columns(id="int(64)", s="string"), key=("id",))


def rows_of(*ids: int, text: str = "x") -> list[pa.RecordBatch]:
    return [batch_of(T, {"id": list(ids), "s": [text] * len(ids)})]


@pytest.mark.parametrize("path", ["local", "memory"])
@pytest.mark.parametrize("format_", FORMATS)
def test_replace_and_append_again_and_again(tmp_path: Path, path: str, format_: str) -> None:
    where = str(tmp_path) if path == "local" else f"memory://{tmp_path.name}"
    connection = Files(path=where, format=format_)

    def ids() -> list[int]:
        return sorted(row["id"] for row in read(Files(path=where), "sales.orders"))

    first = Load(id="aaaaaaaaaaa1", table=T, key=("id",), fresh=True)
    with connection.open() as session:
        assert session.describe("sales.orders") is None
        session.prepare(first)
        session.prepare(first)
        assert session.stage(first, rows_of(1, 2), 0) == 2
        assert session.stage(first, rows_of(1, 2, 3), 0) == 3
        assert session.stage(first, rows_of(4), 7) == 1
        assert session.stage(first, [], 8) == 0
        assert list(session.tables()) == []
        staged = session.describe(first.stage.full_name)
        assert staged is not None
        assert [c.type for c in staged.columns] == [c.type for c in T.columns]
        assert sorted(r["id"] for b in session.read(first.stage, WHOLE) for r in b.to_pylist()) == [1, 2, 3, 4]
        session.publish([first])
        assert ids() == [1, 2, 3, 4]
        session.publish([first])
        session.discard(first)
        session.publish([first])
        assert ids() == [1, 2, 3, 4]
    second = Load(id="aaaaaaaaaaa2", table=T, key=("id",))
    move(connection, second, [rows_of(9)])
    assert ids() == [9]
    third = Load(id="aaaaaaaaaaa3", table=T, mode=Mode.APPEND, key=("id",))
    with connection.open() as session:
        session.prepare(third)
        session.stage(third, rows_of(10), 0)
        session.stage(third, rows_of(11), 1)
        session.publish([third])
        assert ids() == [9, 10, 11]
        session.publish([third])
        assert ids() == [9, 10, 11]
        within = Slice(within=third.stage.name)
        assert sorted(r["id"] for b in session.read(T, within) for r in b.to_pylist()) == [10, 11]
        session.discard(third)
        session.publish([third])
        session.publish([second])
        session.publish([first])
        assert ids() == [9, 10, 11]
    fs, root = fsspec.core.url_to_fs(where)
    assert [name.rpartition("/")[2] for name in fs.ls(root, detail=False)] == ["sales.orders"]
    assert not [name for name in fs.find(root) if "/." in name.removeprefix(root)]


@pytest.mark.parametrize("exchange", [True, False])
def test_replacing_swaps_whole_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool) -> None:
    monkeypatch.setattr(publish, "CAN_EXCHANGE", exchange)
    connection = Files(path=str(tmp_path))
    move(connection, Load(id="a", table=T), [rows_of(1)])
    os.chmod(tmp_path / "sales.orders", 0o750)
    before = (tmp_path / "sales.orders").stat().st_ino
    move(connection, Load(id="b", table=T), [rows_of(2)])
    after = (tmp_path / "sales.orders").stat()
    assert after.st_ino != before
    assert after.st_mode & 0o777 == 0o750
    assert sorted(p.name for p in (tmp_path / "sales.orders").iterdir()) == [NOTE, "part-00000.parquet"]


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.APPEND])
@pytest.mark.parametrize("fresh", [True, False])
def test_publishing_goes_on_where_it_was_killed(tmp_path: Path, mode: Mode, fresh: bool) -> None:
    """Killed before every system call that changes a name; afterwards publishing again ends it."""
    wanted = [2] if mode is Mode.REPLACE or fresh else [1, 2]
    script = """
import os, shutil, sys
from pathlib import Path
from lading.connectors.files import Files, FilesSession, publish
from lading.connector import Load
load = Load.model_validate_json(sys.argv[2])
left = int(sys.argv[3])
def dying(function):
    def run(*args, **options):
        global left
        left -= 1
        if left < 0: os._exit(9)
        return function(*args, **options)
    return run
for name in ("rename", "replace", "link", "unlink", "rmdir", "mkdir"):
    setattr(os, name, dying(getattr(os, name)))
publish._exchanged = dying(publish._exchanged)
with Files(path=sys.argv[1]).open() as session:
    session.publish([load])
"""
    for steps in range(40):
        where = tmp_path / str(steps)
        where.mkdir()
        connection = Files(path=str(where))
        if not fresh:
            move(connection, Load(id="old", table=T), [rows_of(1)])
        load = Load(id="new", table=T, mode=mode, fresh=fresh)
        move(connection, load, [rows_of(2)], done=False)
        run = [sys.executable, "-c", script, str(where), load.model_dump_json(), str(steps)]
        code = subprocess.run(run, check=False).returncode
        assert code in (0, 9)
        with connection.open() as session:
            if not fresh or session.describe(T.full_name):
                assert sorted(row["id"] for row in read(connection, T.full_name)) in ([1], wanted)
            session.publish([load])
            assert sorted(row["id"] for row in read(connection, T.full_name)) == wanted
            session.discard(load)
        assert [p.name for p in where.iterdir()] == ["sales.orders"]
        if code == 0:
            return
    pytest.fail("publishing takes more steps than were tried")


def test_remote_publishing_goes_on_where_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note says which files count: those of the old rows that are still there are a problem, never rows."""
    connection = Files(path=f"memory://{tmp_path.name}")
    move(connection, Load(id="old", table=T), [rows_of(1)])
    load = Load(id="new", table=T)
    move(connection, load, [rows_of(2)], done=False)
    with connection.open() as session:
        with monkeypatch.context() as patch:
            patch.setattr(publish, "_finish", _full)
            with pytest.raises(Unreachable):
                session.publish([load])
        found = session.describe(T.full_name)
        assert found is not None
        assert "files that its note does not name" in found.problems[0]
        with pytest.raises(SpecError):
            list(session.read(found, WHOLE))
        session.publish([load])
        session.discard(load)
    assert [row["id"] for row in read(connection, T.full_name)] == [2]
    with connection.open() as session:
        file = session.place.entries(session.staging.folder(T))[1]
        assert file.name == "part-new-00000.parquet"
        session.place.remove(file.path)
        found = session.describe(T.full_name)
        assert found is not None
        assert "lacks files that its note names" in found.problems[0]


def test_appending_to_other_peoples_files(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "theirs.csv").write_text("b,a\nx,1\n")
    connection = Files(path=str(tmp_path))
    with connection.open() as session:
        table = session.describe("t")
    assert table is not None
    move(connection, Load(id="n", table=table, mode=Mode.APPEND), [[batch_of(table, {"b": ["y"], "a": [2]})]])
    assert sorted(p.name for p in (tmp_path / "t").iterdir()) == [NOTE, "part-n-00000.csv", "theirs.csv"]
    assert read(connection, "t") == [{"b": "y", "a": 2}, {"b": "x", "a": 1}]


OTHERS = ["read.me", "_kept/old.csv", "_kept/deep/x", "docs/a.pdf", ".gitignore", ".git/HEAD"]


def filled(session: FilesSession, folder: str, *names: str) -> None:
    fs, root = session.place.fs, session.place.root
    for name in names:
        fs.makedirs(f"{root}/{folder}/{name}".rpartition("/")[0], exist_ok=True)
        fs.pipe_file(f"{root}/{folder}/{name}", b"id,s\n1,x\n")


def held(session: FilesSession, folder: str) -> set[str]:
    root = f"{session.place.root}/{folder}"
    return {path.removeprefix(f"{root}/") for path in session.place.fs.find(root)}


@pytest.mark.parametrize("place", ["here", "there"])
def test_a_replaced_table_takes_nothing_else_along(tmp_path: Path, place: str) -> None:
    """Over somebody's files, and then over our own."""
    connection = Files(path=str(tmp_path) if place == "here" else f"memory://{tmp_path.name}")
    table = T.model_copy(update={"schema_name": None})
    with connection.open() as session:
        filled(session, "orders", "p=1/theirs.csv", "p=1/notes.md", *OTHERS)
        for number in range(2):
            load = Load(id=f"{number:012x}", table=table)
            move(connection, load, [rows_of(1)])
            part = "part-00000.parquet" if place == "here" else f"part-{load.id}-00000.parquet"
            assert held(session, "orders") == {NOTE, part, "p=1/notes.md", *OTHERS}
            assert [entry.name for entry in session.place.entries(session.place.root)] == ["orders"]


@pytest.mark.parametrize("place", ["here", "there"])
@pytest.mark.parametrize(
    ("options", "beside"),
    [
        ({}, {"notes.json", "x.jsonl", "z.txt"}),
        ({"format": "csv", "partitioned": False}, {"notes.json", "x.jsonl", "p=1/x.parquet"}),
    ],
)
def test_nor_files_of_another_format(tmp_path: Path, place: str, options: Any, beside: set[str]) -> None:
    connection = Files(path=str(tmp_path) if place == "here" else f"memory://{tmp_path.name}", **options)
    table = T.model_copy(update={"schema_name": None})
    move(connection, Load(id="a" * 12, table=table), [rows_of(1)])
    with connection.open() as session:
        filled(session, "orders", *beside)
        move(connection, Load(id="b" * 12, table=table), [rows_of(1)])
        assert {path for path in held(session, "orders") if not path.startswith(("part-", NOTE))} == beside
        assert len(held(session, "orders")) == len(beside) + 2


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.APPEND])
def test_a_link_in_place_of_a_table_leaves_its_folder_as_it_is(tmp_path: Path, mode: Mode) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "theirs.csv").write_text("id,s\n1,x\n")
    (tmp_path / "there" / "notes.md").write_text("mine")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "orders").symlink_to(tmp_path / "there")
    connection = Files(path=str(tmp_path / "here"))
    move(connection, Load(id="a", table=T.model_copy(update={"schema_name": None}), mode=mode), [rows_of(1)])
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["notes.md", "theirs.csv"]
    rows = [{"id": 1, "s": "x"}]
    assert read(connection, "orders") == (rows if mode is Mode.REPLACE else rows * 2)
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["orders"]


def test_what_is_appended_to_takes_nothing_else_along(tmp_path: Path) -> None:
    connection = Files(path=str(tmp_path))
    with connection.open() as session:
        filled(session, "orders", "theirs.csv", *OTHERS)
        table = session.describe("orders")
        assert table is not None
        for number in range(2):
            load = Load(id=f"{number:012x}", table=table, mode=Mode.APPEND)
            move(connection, load, [[batch_of(table, {"id": [2], "s": ["y"]})]])
            assert {"theirs.csv", *OTHERS} < held(session, "orders")


@pytest.mark.parametrize("place", ["here", "there"])
def test_a_folder_that_is_no_tables_is_not_taken(tmp_path: Path, place: str) -> None:
    connection = Files(path=str(tmp_path) if place == "here" else f"memory://{tmp_path.name}")
    table = T.model_copy(update={"schema_name": None, "name": "docs"})
    with connection.open() as session:
        filled(session, "docs", "letter.pdf")
        for call in (lambda: session.fit(table), lambda: session.prepare(Load(id="a", table=table))):
            with pytest.raises(SpecError, match=r"docs' is no table's folder: it holds 'letter\.pdf'"):
                call()
        session.place.fs.rm(f"{session.place.root}/docs/letter.pdf")
        session.fit(table)


def test_files_that_would_be_left_out_are_not_written_beside(tmp_path: Path) -> None:
    move(Files(path=str(tmp_path)), Load(id="a", table=T), [rows_of(1)])
    (tmp_path / "sales.orders" / "old").mkdir()
    (tmp_path / "sales.orders" / "old" / "x.parquet").write_text("")
    with Files(path=str(tmp_path)).open() as session, pytest.raises(SpecError, match="holds files in the folder 'old'"):
        session.fit(T)


@pytest.mark.parametrize("name", ["x.txt", "x.csv", "x.CSV", "x.csv.gz", "x.parquet", "x.json"])
def test_what_is_named_like_a_file_is_not_made_a_folder(tmp_path: Path, name: str) -> None:
    for path in (str(tmp_path / name), f"memory://{tmp_path.name}/{name}"):
        with Files(path=path).open() as session:
            with pytest.raises(
                SpecError, match=f"'{name}' is named like a file, and each table is written as a folder"
            ):
                session.fit(T)
            session.place.fs.makedirs(session.place.root)
            if session.place.kind(session.place.root):  # which somebody has made
                session.fit(T)


def test_a_slice_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Any:
        yield rows_of(1)[0]
        raise DataError("no", "yes")

    for path in (str(tmp_path), f"memory://{tmp_path.name}"):
        load = Load(id="a", table=T)
        with Files(path=path).open() as session:
            session.prepare(load)
            with pytest.raises(DataError, match="no"):
                session.stage(load, broken(), 0)
            assert list(session.read(load.stage, WHOLE)) == []
            session.stage(load, rows_of(1), 0)
            with pytest.raises(DataError, match="no"):
                session.stage(load, broken(), 0)
            assert sum(batch.num_rows for batch in session.read(load.stage, WHOLE)) == 1
            assert [entry.name for entry in session.place.entries(session.staging.folder(load.stage))] == [
                NOTE,
                "part-00000.parquet",
            ]


def test_null_in_a_column_that_refuses_it(tmp_path: Path) -> None:
    strict = T.model_copy(update={"columns": (T.columns[0].model_copy(update={"null": False}), T.columns[1])})
    load = Load(id="a", table=strict)
    for format_ in FORMATS:
        with Files(path=str(tmp_path / format_), format=format_).open() as session:
            session.prepare(load)
            with pytest.raises(DataError, match="holds NULL"):
                session.stage(load, [batch_of(T, {"id": [None], "s": ["x"]})], 0)


@pytest.mark.parametrize("text", ['{"b": [{"a": 1, "a": 2}]}', "[" * 2_000 + "]" * 2_000])
def test_json_that_could_not_be_read_back_is_refused_where_it_is_written(tmp_path: Path, text: str) -> None:
    table = Table(name="t", columns=columns(id="int(64)", j="json"))
    with Files(path=str(tmp_path), format="jsonl").open() as session:
        session.prepare(load := Load(id="a", table=table))
        session.stage(load, [batch_of(table, {"id": [1], "j": ['{"a": {"a": 1}}']})], 0)
        with pytest.raises(DataError, match=r"^JSON lines cannot hold '"):
            session.stage(load, [batch_of(table, {"id": [1, 2], "j": ["1", text]})], 1)


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("id\n1\n")
    load = Load(id="a", table=Table(name="orders", columns=columns(id="int(64)")))
    with Files(path=str(tmp_path)).open() as session:
        for call in (lambda: session.fit(load.table), lambda: session.prepare(load)):
            with pytest.raises(SpecError, match=r"orders\.csv' has the name of the table"):
                call()
    with Files(path=str(tmp_path / "orders.csv")).open() as session, pytest.raises(SpecError, match="not a folder"):
        session.fit(load.table)


# Errors of the system


def test_the_right_kind_of_error(tmp_path: Path) -> None:
    with Files(path=str(tmp_path / "missing")).open() as session:
        for call in (session.check, lambda: list(session.tables()), session.pin):
            with pytest.raises(SpecError, match="is not there"):
                call()
        assert session.describe("x") is None
    with Files(path=str(tmp_path / "*.csv")).open() as session, pytest.raises(SpecError, match="No file matches"):
        session.check()
    with pytest.raises(Unsupported, match="need a library"), Files(path="gs://bucket/x").open():
        pass
    (tmp_path / "x").write_text("")
    with Files(path=str(tmp_path / "x")).open() as session, pytest.raises(SpecError, match="Nobody knows the format"):
        session.check()
    (tmp_path / "deep").write_text("")
    with Files(path=str(tmp_path / "deep" / "er")).open() as session, pytest.raises(SpecError):
        session.prepare(Load(id="a", table=T))


def test_names_too_long_for_a_folder(tmp_path: Path) -> None:
    with Files(path=str(tmp_path)).open() as session, pytest.raises(Unsupported, match="longer than"):
        session.fit(T.model_copy(update={"name": "x" * 250}))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become nobody")
def test_permission_denied(tmp_path: Path) -> None:
    for path in (tmp_path, *tmp_path.parents[:3]):
        os.chmod(path, 0o755)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (tmp_path / "t.csv").write_text("a\n1\n")
    (tmp_path / "t.csv").chmod(0o600)
    os.seteuid(65534)
    try:
        with Files(path=str(closed)).open() as session, pytest.raises(AccessDenied):
            session.check()
        with Files(path=str(tmp_path)).open() as session:
            with pytest.raises(AccessDenied):
                session.describe("t")
            with pytest.raises(AccessDenied):
                session.prepare(Load(id="a", table=T))
    finally:
        os.seteuid(0)


def test_a_full_disk(tmp_path: Path) -> None:
    load = Load(id="a", table=T)
    with Files(path=str(tmp_path), format="csv").open() as session:
        session.prepare(load)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "replace", _full)
            with pytest.raises(Unreachable, match="disk is full"):
                session.stage(load, rows_of(1), 0)
        assert list(session.read(load.stage, WHOLE)) == []


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("format_", FORMATS)
def test_a_disk_that_fills_while_writing(tmp_path: Path, format_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that is written is /dev/full, which refuses every byte."""
    load = Load(id="a", table=T)
    real = open
    with Files(path=str(tmp_path), format=format_, compression="gzip").open() as session:
        session.prepare(load)
        monkeypatch.setattr(
            "lading.connectors.files.staging.open",
            lambda path, mode: real("/dev/full" if mode == "wb" else path, mode),
            raising=False,
        )
        with pytest.raises(Unreachable, match="disk is full"):
            session.stage(load, [batch_of(T, {"id": list(range(9)), "s": [os.urandom(9000).hex()] * 9})] * 300, 0)


# Memory


def test_a_value_of_fifty_megabytes(tmp_path: Path) -> None:
    text = 'x,\n"' * (50_000_000 // 4)
    table = Table(name="t", columns=columns(id="int(64)", s="string"))
    batch = batch_of(table, {"id": [1, 2], "s": [text, "y"]})
    for format_ in FORMATS:
        connection = Files(path=str(tmp_path / format_), format=format_)
        move(connection, Load(id="a", table=table), [[batch]])
        rows = read(connection, "t")
        assert rows[0]["s"] == text
        assert rows[1] == {"id": 2, "s": "y"}


def test_a_quote_that_is_never_closed_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lading.connectors.files.stream.LONGEST", 1 << 20)
    (tmp_path / "t.csv").write_bytes(b'a,b\n1,"' + b"x,y\n" * 4_000_000)
    with pytest.raises(DataError, match=r"t\.csv:[12]: a record is longer"):
        read(Files(path=str(tmp_path)), "t")


@pytest.mark.parametrize("format_", FORMATS)
def test_ten_times_the_rows_need_no_more_memory(tmp_path: Path, format_: str) -> None:
    program = """
import resource, sys
from lading.connectors.files import Files
from lading.connector import WHOLE, Load
from lading.schema import Column, Table
from lading.types import parse
import pyarrow as pa
path, format_, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
table = Table(name="t", columns=tuple(Column(name=n, type=parse(t)) for n, t in (("i", "int(64)"), ("s", "string"))))
def batches():
    for n in range(count):
        texts = pa.array(['a "quoted", text %d' % k for k in range(10_000)])
        yield pa.RecordBatch.from_arrays([pa.array(range(10_000)), texts], names=["i", "s"])
load = Load(id="a", table=table)
with Files(path=path, format=format_).open() as session:
    session.prepare(load)
    session.stage(load, batches(), 0)
    session.publish([load])
    assert sum(batch.num_rows for batch in session.read(table, WHOLE)) == count * 10_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    peaks = []
    for count in (30, 300):
        run = [sys.executable, "-c", program, str(tmp_path / str(count)), format_, str(count)]
        peaks.append(int(subprocess.run(run, check=True, capture_output=True, text=True).stdout))
    assert peaks[1] < peaks[0] * 1.35 + 20_000, peaks


# Settings and addresses


@pytest.mark.parametrize(
    ("url", "path", "options"),
    [
        ("parquet:///dir", "dir", {"format": "parquet"}),
        (
            "csv:////abs/dir?delimiter=%7C%7C&header=false",
            "/abs/dir",
            {"format": "csv", "delimiter": "||", "header": False},
        ),
        ("jsonl:///a%20b", "a b", {"format": "jsonl"}),
        ("files:///x?format=csv&null=NULL", "x", {"format": "csv", "null": "NULL"}),
        ("file:///x/y.csv", "/x/y.csv", {}),
        ("s3://bucket/x?format=csv", "s3://bucket/x", {"format": "csv"}),
        ("parquet://memory://x/y", "memory://x/y", {"format": "parquet"}),
        ("files:///x?columns=id:int(32);t.d:decimal(9,2)", "x", {"columns": {"id": "int(32)", "t.d": "decimal(9,2)"}}),
    ],
)
def test_addresses(url: str, path: str, options: dict[str, Any]) -> None:
    found = from_url(url)
    assert found == Files(path=path, **options)
    assert from_url(found.address()) == found


def test_a_bare_path(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a\n1\n")
    (tmp_path / "x.doc").write_text("a\n1\n")
    assert Files.from_path(tmp_path) == Files(path=str(tmp_path))
    assert Files.from_path(tmp_path / "x.csv") == Files(path=str(tmp_path / "x.csv"))
    assert Files.from_path(tmp_path / "x.doc") is None


def test_only_local_folders_are_replaced_at_once() -> None:
    assert Files(path="x").can.atomic == publish.CAN_EXCHANGE
    assert not Files(path="s3://bucket/x").can.atomic


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": ""}, {"delimiter": "a\nb"}, {"quote": "''"}, {"escape": '"'}, {"encoding": "klingon"},
        {"encoding": "hex"},
        {"columns": {"a": "nothing"}}, {"path": "sftp://me:secret@host/x"}, {"null": "a,b"}, {"quote": "«"},
        {"delimiter": '"'},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as caught:
        Files(**{"path": "x", **options})
    assert "secret" not in str(caught.value).replace("input_value", "") or options.get("path")


def test_storage_is_secret() -> None:
    found = Files(path="memory://x", storage='{"token": "abc"}')
    assert found.options == {"token": "abc"}
    assert "abc" not in repr(found) + found.address()
    with pytest.raises(LadingError, match="no JSON object"):
        _ = Files(path="memory://x", storage="abc").options


def test_parquet_is_written_small(tmp_path: Path):
    """Decimals as integers; a dictionary where values come often, and none where it would only take time."""
    table = Table(name="t", columns=tuple(Column(name=n, type=parse(t)) for n, t in (
        ("id", "int(64)"), ("kind", "string"), ("paid", "decimal(15,2)"),
    )))  # fmt: skip
    rows = [pa.array(range(1_000)), pa.array(["one", "other"] * 500), pa.array([Decimal(n) for n in range(1_000)])]
    arrays = [array.cast(column.type.arrow()) for array, column in zip(rows, table.columns, strict=True)]
    with Files(path=str(tmp_path)).open() as session:
        load = Load(id="0123456789ab", table=table, fresh=True)
        session.prepare(load)
        session.stage(load, [pa.RecordBatch.from_arrays(arrays, names=["id", "kind", "paid"])], 0)
        session.publish([load])
    (file,) = tmp_path.glob("t/*.parquet")
    group = pq.ParquetFile(file).metadata.row_group(0)
    found = [(column.physical_type, column.has_dictionary_page) for column in map(group.column, range(3))]
    assert found == [("INT64", False), ("BYTE_ARRAY", True), ("INT64", False)]
