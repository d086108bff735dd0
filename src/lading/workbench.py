"""What a notebook of a step works with: inputs in DuckDB, parameters, and what is in production to compare."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pydantic import BaseModel

from lading.errors import SpecError

FILE = "bench.json"


class Kept(BaseModel, frozen=True):
    """A table that was brought here, as Parquet; `whole` says whether `rows` are all of it. `spans` are the columns of
    intervals, which are texts there."""

    name: str
    file: str
    rows: int
    whole: bool
    masked: tuple[str, ...] = ()
    spans: tuple[str, ...] = ()


class Opened(BaseModel, frozen=True):
    """A step that was opened. `draft` is its text there at that time; `inputs` are by what the step calls them."""

    pipeline: str
    step: str
    do: str
    language: str = ""
    frames: str = "arrow"
    draft: str = ""
    params: dict[str, Any] = {}
    dates: tuple[str, ...] = ()
    inputs: dict[str, Kept] = {}
    output: Kept | None = None


class Bench:
    """Opened in a folder that `lading open` made."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            text = (self.folder / FILE).read_text(encoding="utf-8")
        except OSError as error:
            raise SpecError(f"'{folder}' holds no opened step.", "Run 'lading open PIPELINE STEP' again.") from error
        self.opened = Opened.model_validate_json(text)
        dates = {name: date.fromisoformat(self.opened.params[name]) for name in self.opened.dates}
        self.params = self.opened.params | dates
        self.db = duckdb.connect()
        for name, kept in self.opened.inputs.items():
            self._view(name if self.opened.do == "python" else kept.name, kept)
            if (
                self.opened.language == "sql" and "." not in kept.name
            ):  # PostgreSQL's, which may be named with its schema
                self._view(f"public.{kept.name}", kept)

    def _view(self, name: str, kept: Kept) -> None:
        schema, _, rest = name.rpartition(".")
        if schema:
            self.db.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(schema)}")
        place = f"{_quoted(schema or 'main')}.{_quoted(rest)}"
        self.db.execute(f"CREATE VIEW {place} AS {self._rows(kept)}")

    def _rows(self, kept: Kept) -> str:
        """The select of a table that was brought, with intervals where it had some."""
        spans = ", ".join(f"{_span(_quoted(name))} AS {_quoted(name)}" for name in kept.spans)
        file = str(self.folder / kept.file).replace("'", "''")
        return f"SELECT *{f' REPLACE ({spans})' if spans else ''} FROM read_parquet('{file}')"

    def select(self, sql: str) -> duckdb.DuckDBPyRelation:
        """The rows of a select of the step's system, with the parameters, as DuckDB has them."""
        from lading.binding import bound
        from lading.dialects.duckdb import dialect

        text, values = bound(sql, self.params, dialect)
        if self.opened.language not in ("", "duckdb"):
            import sqlglot

            from lading.hops.split import GRAMMARS

            text = sqlglot.transpile(text, read=GRAMMARS[self.opened.language], write="duckdb")[0]
        return self.db.sql(text, params=values) if values else self.db.sql(text)

    def call(self, function: Callable[..., Any]) -> Any:
        """What a function of the step gives for the inputs, in the frames that it takes, and the parameters."""
        taken = inspect.signature(function).parameters
        tables = {name: self._frame(self.db.table(name)) for name in self.opened.inputs}
        return function(**tables, **{name: value for name, value in self.params.items() if name in taken})

    def _frame(self, relation: duckdb.DuckDBPyRelation) -> Any:
        table = relation.to_arrow_table()
        if self.opened.frames == "polars":
            import polars

            return polars.from_arrow(table)
        if self.opened.frames == "pandas":
            return table.to_pandas()
        return table.to_reader() if self.opened.frames == "batches" else table

    def compare(self, result: Any) -> str:
        """In a sentence, how a result differs from what is in production: rows, and columns that lack."""
        made = self.opened.output
        if made is None:
            return "There is nothing in production to compare with."
        if isinstance(result, pa.RecordBatchReader):
            result = result.read_all()
        ours = result if isinstance(result, duckdb.DuckDBPyRelation) else self.db.from_arrow(_arrow(result))
        theirs = self.db.sql(self._rows(made))
        here = {name.lower() for name in ours.columns}
        both = [name for name in theirs.columns if name.lower() in here]
        kinds = dict(zip(theirs.columns, theirs.types, strict=True))
        wanted = ", ".join(f"CAST({_quoted(name)} AS {kinds[name]}) AS {_quoted(name)}" for name in both)
        left, right = ours.project(wanted).to_arrow_table(), theirs.project(wanted).to_arrow_table()
        only_here, only_there = _more(left, right), _more(right, left)
        parts = [f"{left.num_rows:,} rows here, {right.num_rows:,} in production"]
        if not only_here and not only_there:
            parts = [f"equal: {left.num_rows:,} rows"]
        else:
            parts += [f"{only_here:,} only here", f"{only_there:,} only in production"]
        lacking = sorted(set(theirs.columns) - set(both))
        parts += [f"not here: {', '.join(lacking)}"] if lacking else []
        some = [kept.name for kept in (*self.opened.inputs.values(), made) if not kept.whole]
        parts += [f"of {', '.join(some)} only some rows were brought"] if some else []
        return "; ".join(parts)


def _span(text: str) -> str:
    """The interval of a text such as P1M2DT3.5S, in DuckDB's words."""

    def part(pattern: str, kind: str) -> str:
        return f"CAST(regexp_extract({text}, '{pattern}', 1) AS {kind})"

    months, days = part("P(-?[0-9]+)M", "INTEGER"), part("M(-?[0-9]+)D", "INTEGER")
    micros = f"CAST(trunc({part('T(-?[0-9.]+)S', 'DECIMAL(28, 9)')} * 1000000) AS BIGINT)"
    return f"to_months({months}) + to_days({days}) + to_microseconds({micros})"


def _more(left: pa.Table, right: pa.Table) -> int:
    """How many rows of one table the other lacks."""
    with duckdb.connect() as db:
        db.register("a", left)
        db.register("b", right)
        row = db.execute("SELECT count(*) FROM (FROM a EXCEPT ALL FROM b)").fetchone()
    return int(row[0]) if row else 0


def _arrow(result: Any) -> pa.Table:
    if isinstance(result, pa.Table):
        return result
    if hasattr(result, "to_arrow"):
        return result.to_arrow()
    if hasattr(result, "iloc"):
        return pa.Table.from_pandas(result, preserve_index=False)
    return pa.Table.from_batches(result)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def written(folder: Path, opened: Opened) -> None:
    (folder / FILE).write_text(json.dumps(opened.model_dump(mode="json"), indent=2), encoding="utf-8")
