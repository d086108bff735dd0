"""Opens a step here: its tables as Parquet without what is sensitive, a notebook, and back into the draft."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from difflib import unified_diff
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from lading import notebook, workbench
from lading.connector import WHOLE, Connection, Session
from lading.copying import Resolve
from lading.desk import Desk
from lading.ending import Ending, Stopped
from lading.errors import DataError, SpecError, Unsupported, masked
from lading.find import shown
from lading.lineage import LANGUAGES
from lading.notebook import Cell
from lading.origins import origins
from lading.schema import Column, Table
from lading.spec import Input, Step
from lading.sql import SqlSession
from lading.steps.python import Python
from lading.steps.sql import Sql
from lading.values import texts
from lading.workbench import Kept, Opened

ROWS = 100_000
"""How many rows of a table are brought unless more are asked for."""
RUNS = 7
"""Of how many runs it is kept what a step read."""


_BLOCK = re.compile(r"[|>]([-+0-9]*)(.*)\n(?:\s*\n)?( *)\S[\s\S]*?(\s*)")
"""A block of text in YAML: its signs, what stands beside, how far its first line is in, and blank lines at its end."""

_ODD = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")
"""Signs that JSON leaves as they are and YAML takes for something else."""


class Bringing:
    """Brings tables into a folder, at most so many rows of each. What is sensitive is masked: a text becomes the same
    short digest wherever it stands, other values NULL."""

    def __init__(self, folder: Path, resolve: Resolve, rows: int, over: Ending | None = None) -> None:
        self.folder, self.resolve, self.rows, self._over = folder, resolve, rows, over
        self._salt = secrets.token_bytes(16)
        self._names: set[str] = set()

    def session(self, at: str) -> AbstractContextManager[Session]:
        connection = self._connection(at)
        return self._over.opened(connection) if self._over else connection.open()

    def hide(self, at: str, table: Table | None) -> None:
        """Masks from now on what has the name of a sensitive column of a table."""
        if table is not None:
            self._names.update(name.lower() for name in self._connection(at).hidden(table))

    def table(self, at: str, name: str, session: Session, file: str) -> Kept | None:
        """Brings a table; None where it is not there."""
        table = session.describe(name)
        if table is None:
            return None
        if table.problems:
            raise DataError(f"{shown(at)}: {table.problems[0]}.", "Open another step.")
        self.hide(at, table)
        hidden = [column.name for column in table.columns if column.name.lower() in self._names]
        schema = pa.schema([(column.name, column.type.arrow()) for column in table.columns])
        held = pa.schema([(column.name, _held(column)) for column in table.columns])
        spans = tuple(column.name for column in table.columns if column.type.kind == "interval")
        count, whole = 0, True
        with pq.ParquetWriter(self.folder / file, held) as out:
            for batch in session.read(table, WHOLE):
                if count + batch.num_rows > self.rows:
                    batch, whole = batch.slice(0, self.rows - count), False
                out.write_batch(_written(self._masked(batch, hidden).cast(schema), table, held))
                count += batch.num_rows
                if not whole:
                    break
        return Kept(name=table.full_name, file=file, rows=count, whole=whole, masked=tuple(hidden), spans=spans)

    def _connection(self, at: str) -> Connection:
        return self.resolve(at)[1]

    def _masked(self, batch: pa.RecordBatch, hidden: Sequence[str]) -> pa.RecordBatch:
        columns = []
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            if name not in hidden:
                columns.append(values)
            elif pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
                told = [None if each is None else self._mask(each) for each in values.to_pylist()]
                columns.append(pa.array(told, values.type))
            else:
                columns.append(pa.nulls(len(values), values.type))
        return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)

    def _mask(self, text: str) -> str:
        return hashlib.sha256(self._salt + text.encode()).hexdigest()[:12]


def _held(column: Column) -> pa.DataType:
    """What a column is in Parquet as Arrow writes it, which has no intervals there, also within lists."""
    return pa.string() if column.type.inmost.kind == "interval" else column.type.arrow()


def _written(batch: pa.RecordBatch, table: Table, held: pa.Schema) -> pa.RecordBatch:
    columns = [
        each if each.type == field.type else texts(each, column.type)
        for each, field, column in zip(batch.columns, held, table.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=held)


def opened(of: str, step: Step, params: Mapping[str, Any], bringing: Bringing) -> Opened:
    """Brings what a step of a pipeline reads. Raises Unsupported for a step that cannot be opened."""
    plain = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in params.items()}
    dates = tuple(name for name, value in params.items() if hasattr(value, "isoformat"))
    found = Opened(pipeline=of, step=step.key, do=step.do, params=plain, dates=dates)
    if isinstance(step, Sql) and not step.inputs:
        return _of_select(step, found, bringing)
    if isinstance(step, Sql):
        named = {name: kept.model_copy(update={"name": name}) for name, kept in _given(step.inputs, bringing).items()}
        return found.model_copy(update={"language": "duckdb", "inputs": named})
    if isinstance(step, Python) and step.code is not None:
        return found.model_copy(update={"inputs": _given(step.inputs, bringing), "frames": step.frames})
    what = f"Step '{step.key}' is of the kind '{step.do}', which cannot be opened."
    raise Unsupported(what, "Open one of SQL or Python.")


def made(step: Step, bringing: Bringing) -> Kept | None:
    """Brings what a step has made; None where there is none."""
    place, table = (step.at, step.into) if isinstance(step, Sql) else (None, None)
    if isinstance(step, Python):
        place, table = step.to, step.into
    if place is None or table is None:
        return None
    with bringing.session(place) as session:
        return bringing.table(place, table, session, "output.parquet")


def _of_select(step: Sql, found: Opened, bringing: Bringing) -> Opened:
    with bringing.session(step.at) as session:
        language = LANGUAGES.get(session.dialect.name, "") if isinstance(session, SqlSession) else ""
        read = origins(step.query or "", language, session.describe) if language else None
        if read is None or read.unknown:
            why = read.unknown if read else "its language is not read"
            raise Unsupported(f"It is not known which tables step '{step.key}' reads: {why}.", "Name them plainly.")
        inputs = {}
        for table in read.tables:
            bringing.hide(step.at, table)
        for number, table in enumerate(read.tables):
            kept = bringing.table(step.at, table.full_name, session, f"input-{number}.parquet")
            if kept:
                inputs[table.full_name] = kept
    return found.model_copy(update={"language": language, "inputs": inputs})


def _given(given: Mapping[str, Input], bringing: Bringing) -> dict[str, Kept]:
    """What a step is given by name."""
    inputs = {}
    for each in given.values():  # before any is brought: one may hold what is sensitive in another
        with bringing.session(each.at) as session:
            bringing.hide(each.at, session.describe(each.table))
    for name, each in given.items():
        with bringing.session(each.at) as session:
            kept = bringing.table(each.at, each.table, session, f"input-{name}.parquet")
        if kept is None:
            raise SpecError(f"{shown(each.at)} has no table '{each.table}'.", "Run what makes it first.")
        inputs[name] = kept
    return inputs


class Keeping:
    """Keeps what an attempt at a step reads, and what it made, so many rows of each table: where that fails, the step
    goes on. What earlier runs kept of the step goes, but for the newest."""

    def __init__(self, step: Step, desk: Desk, rows: int) -> None:
        self._step, self._desk = step, desk
        self._found: Opened | None = None
        folder = inputs_folder(desk.logs, desk.pipeline.name, step.key)
        self._bringing = Bringing(folder, desk.resolve, rows, desk.over)

    def inputs(self) -> None:
        """Before the step is carried out."""
        folder = self._bringing.folder
        with self._said("reads"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            older = sorted(folder.parent.parent.glob(f"*/{folder.name}"), key=lambda path: path.stat().st_mtime)
            for path in older[:-RUNS]:
                shutil.rmtree(path, ignore_errors=True)
            found = opened(self._desk.pipeline.name, self._step, self._desk.params, self._bringing)
            put(folder, found)
            self._found = found

    def output(self) -> None:
        """After it was."""
        if self._found is None:
            return
        with self._said("made"):
            put(self._bringing.folder, self._found.model_copy(update={"output": made(self._step, self._bringing)}))

    @contextmanager
    def _said(self, what: str) -> Iterator[None]:
        try:
            yield
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the step itself is none the worse for it
            self._desk.note(self._step, f"What the step {what} is not kept: {masked(str(error))}")


def inputs_folder(logs: Path, pipeline: str, step: str) -> Path:
    """Where it is kept what a step of a run read; `logs` is the folder of the run's logs."""
    return logs / f"{pipeline}.{step}.inputs"


def taken(kept: Path, folder: Path) -> Opened | None:
    """Copies what a run's step read and made; None where it was not kept."""
    if not (kept / workbench.FILE).is_file():
        return None
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    return Opened.model_validate_json((folder / workbench.FILE).read_text(encoding="utf-8"))


def cells(step: Step, found: Opened, folder: Path, of: str) -> list[Cell]:
    """The cells of a step's notebook; `of` says which run or draft it is of, and when its tables were so."""
    lines = [f"# {found.pipeline} · {found.step}", "", f"{of}:", ""]
    for kept in [*found.inputs.values(), *([found.output] if found.output else [])]:
        some = "" if kept.whole else ", the first of more"
        masked = f"; masked: {', '.join(kept.masked)}" if kept.masked else ""
        lines.append(f"- `{kept.name}`: {kept.rows:,} rows{some}{masked}")
    lines += ["", f"Save what you change: `lading open {found.pipeline} {found.step} --save`"]
    start = f"from lading.workbench import Bench\n\nbench = Bench({str(folder)!r})\nprint(bench.params)"
    if isinstance(step, Sql):
        own = [
            Cell(notebook.sql_cell(step.query or ""), tag=notebook.STEP),
            Cell("result = bench.select(sql)\nprint(result)"),
        ]
    else:
        code, function = (step.code or "", step.function) if isinstance(step, Python) else ("", "")
        own = [Cell(code.strip("\n"), tag=notebook.STEP), Cell(f"result = bench.call({function})\nprint(result)")]
    return [Cell("\n".join(lines), markdown=True), Cell(start), *own, Cell("print(bench.compare(result))")]


def changed(file: Path, step: Step, text: str) -> tuple[Path, str]:
    """Where a step's text stands in the draft, and what is to stand there: a file of its own, or the pipeline's."""
    own = getattr(step, "file", None)
    if own is not None:
        return file.parent / own, text.rstrip("\n") + "\n"
    word = "query" if isinstance(step, Sql) else "code"
    whole = file.read_text(encoding="utf-8")
    place = _place(whole, step.key, word)
    if place is None:
        raise SpecError(f"The draft has no step '{step.key}' any more.", "Put it back, or open another one.")
    for written in (_in_lines, _in_one_line):  # a block has no room within braces, and cannot hold every sign
        after = written(whole, place, text.strip("\n"))
        with suppress(yaml.YAMLError):
            found = _place(after, step.key, word)
            if found is not None and found.text.value.strip("\n") == text.strip("\n"):
                return file, after
    raise SpecError(f"The text of '{step.key}' cannot be written as YAML.", "Take out signs that nobody can see.")


class _Place(NamedTuple):
    """Where a step's own text stands in a pipeline's file: the step's map, and the text."""

    step: Any
    text: Any


def _place(whole: str, key: str, word: str) -> _Place | None:
    root = yaml.compose(whole, Loader=yaml.SafeLoader)
    steps = {own.value: node for node in _value(root, "steps").value if (own := _value(node, "key")) is not None}
    return _Place(steps[key], _value(steps[key], word)) if key in steps else None


def _in_lines(whole: str, place: _Place, text: str) -> str:
    """The file with the text as a block of lines, indented as it was; as it is where that stays in one line."""
    start, end = place.text.start_mark.index, place.text.end_mark.index
    block = _BLOCK.fullmatch(whole[start:end]) if place.text.style in ("|", ">") else None
    if place.step.flow_style or not (block or "\n" in text):
        return whole
    outer = place.step.value[0][0].start_mark.column
    if block:
        marks, beside, before, blank = block.groups()
        deeper = len(before) - outer
    else:
        marks, beside, blank, deeper = "", whole[end:].partition("\n")[0], "", 2
        end += len(beside)
    sign = f"|{deeper if text.startswith(' ') else ''}{'-' if '-' in marks else ''}{beside.rstrip()}"
    lines = [" " * (outer + deeper) + line if line else "" for line in text.split("\n")]
    return whole[:start] + "\n".join([sign, *lines]) + blank + whole[end:]


def _in_one_line(whole: str, place: _Place, text: str) -> str:
    start, end = place.text.start_mark.index, place.text.end_mark.index
    tail = whole[len(whole[:end].rstrip()) : end]  # a block of text takes its last line's end, and blank lines after it
    line = _ODD.sub(lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(text, ensure_ascii=False))
    return whole[:start] + line + tail + whole[end:]


def _value(node: Any, name: str) -> Any:
    return next((value for key, value in node.value if key.value == name), None)


def diff(path: str, before: str, after: str) -> str:
    lines = unified_diff(before.splitlines(), after.splitlines(), path, path, lineterm="", n=2)
    return "\n".join(lines)


def text_of(step: Step) -> str:
    """The step's own text."""
    return (step.query if isinstance(step, Sql) else step.code if isinstance(step, Python) else "") or ""


def put(folder: Path, found: Opened) -> None:
    workbench.written(folder, found)
