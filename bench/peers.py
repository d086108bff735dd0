"""Lading and its peers: their environments, how each is called, and what it says it found."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import venv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bench.planted import COLUMNS, mariadb_words

ROOT = Path(__file__).parent.parent
PINNED = {
    "Lading": ("--editable", f"{ROOT}[postgres,mysql]", "--constraint", f"{ROOT}/constraints.txt"),
    "reladiff": ("reladiff==0.6.0", "psycopg2-binary==2.9.13", "mysql-connector-python==26.10.0", "duckdb==2.0.0"),
    "DVT": ("google-pso-data-validator==8.10.1",),
    "datacompy": (
        "datacompy==1.1.0", "polars==1.44.2", "pandas==3.0.6", "pyarrow==26.0.1", "connectorx==0.4.6", "duckdb==2.0.0",
        "SQLAlchemy==2.0.58", "psycopg2-binary==2.9.13", "PyMySQL==1.2.4",
    ),
}  # fmt: skip
"""What pip is given. Lading, too, has no more around it than a user's would."""
QUIET = {
    "DO_NOT_TRACK": "1", "OTEL_SDK_DISABLED": "true", "COLUMNS": "100000", "NO_COLOR": "1", "PYTHONWARNINGS": "ignore",
    "PYTHONDONTWRITEBYTECODE": "",  # modules stay compiled, as those of an installed program are
}  # fmt: skip
Rows = dict[str, set[str]]
"""What a tool says differs: columns by key. '' stands for a row that one side lacks; there are none where the tool
names no column."""


class Found(NamedTuple):
    """What one run said: the first rows, how many values `more`, and what went wrong; `other` where it compared in
    another way than it was asked to."""

    rows: Rows
    more: int = 0
    why: str = ""
    other: bool = False


class Tool(NamedTuple):
    """One way of comparing: its command for two tables, None where it cannot, and how its output is read. `helped` are
    the ways in which somebody has first found out what the tool cannot do, and spares it that."""

    name: str
    command: Callable[[str, str], list[str] | None]
    read: Callable[[str, str], Found]
    helped: bool = False


def environments(folder: Path, pinned: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, Path], dict[str, str]]:
    """An environment a peer, made where it is not there; and why one could not be."""
    made, absent = {}, {}
    for name, pins in pinned.items():
        wanted = "\n".join(pins)
        if name == "Lading":
            wanted += "".join((ROOT / each).read_text() for each in ("pyproject.toml", "constraints.txt"))
        place = folder / f"{name.lower()}-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
        mark = place / "installed"
        if not mark.exists():
            print(f"Installing {name} into {place} (once).", flush=True)
            venv.create(place, with_pip=True, clear=True)
            pip = [str(place / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *pins]
            done = subprocess.run(pip, capture_output=True, text=True)
            if done.returncode:
                absent[name] = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
                continue
            mark.touch()
        made[name] = place / "bin"
    return made, absent


def tools(made: dict[str, Path], folder: Path) -> Iterator[Tool]:
    """All that can be run here."""
    python = str(made["Lading"] / "python")
    yield Tool("Lading co-located", _lading(python, "co-located"), _read_lading)
    yield Tool("Lading in place", _lading(python, "in place"), _read_in_place)
    if bin_ := made.get("reladiff"):
        program = str(bin_ / "reladiff")
        some = tuple(name for name in COLUMNS[1:] if name not in ("note", "ratio"))
        yield Tool("reladiff hashdiff", _reladiff(program, COLUMNS[1:]), _read_reladiff)
        helped = _reladiff(program, some)
        yield Tool("reladiff hashdiff, without note and ratio", helped, _read_reladiff, helped=True)
        yield Tool("reladiff joindiff", _reladiff(program, COLUMNS[1:], joined=True), _read_reladiff)
    if bin_ := made.get("DVT"):
        yield Tool("DVT row hash", _dvt(bin_, folder), _read_dvt)
    if bin_ := made.get("datacompy"):
        yield Tool("datacompy Polars", _datacompy(bin_, "polars"), _read_datacompy)
        yield Tool(
            "datacompy Polars, types made alike", _datacompy(bin_, "polars", "alike"), _read_datacompy, helped=True
        )
        yield Tool("datacompy pandas", _datacompy(bin_, "pandas"), _read_datacompy)


def kind(address: str) -> str:
    """The system of an address."""
    return {"postgresql": "PostgreSQL", "mysql": "MariaDB", "duckdb": "DuckDB", "parquet": "Parquet"}[
        address.partition(":")[0]
    ]


# Lading


def _lading(python: str, way: str) -> Callable[[str, str], list[str] | None]:
    def command(left: str, right: str) -> list[str] | None:
        if way == "in place" and "Parquet" in (kind(left), kind(right)):
            return None
        return [python, "-m", "lading.cli", "diff", left, right, "--key", "id", "--way", way, "--json"]

    return command


def _read_lading(out: str, err: str) -> Found:
    try:
        tables = json.loads(out)["tables"]
    except (ValueError, KeyError):
        return Found({}, why=_last(err))
    rows: Rows = {}
    for each in tables[0]["differences"]:
        rows.setdefault(each["key"]["id"], set()).add(each["column"])
    return Found(rows, why=" ".join(tables[0]["reasons"]))


def _read_in_place(out: str, err: str) -> Found:
    found = _read_lading(out, err)
    if not found.rows or (table := json.loads(out)["tables"][0])["way"] == "in place":
        return found
    return Found({}, why=table["why"], other=True)


# reladiff


def _reladiff(program: str, columns: tuple[str, ...], joined: bool = False) -> Callable[[str, str], list[str] | None]:
    named = [word for name in columns for word in ("-c", name)]

    def command(left: str, right: str) -> list[str] | None:
        kinds = kind(left), kind(right)
        if "Parquet" in kinds or (joined and left.partition("#")[0] != right.partition("#")[0]):
            return None
        ours, theirs = (_place(side) for side in (left, right))
        how = "joindiff" if joined else "hashdiff"
        return [program, *ours, *theirs, "-k", "id", *named, "--json", "--algorithm", how]

    return command


def _place(side: str) -> tuple[str, str]:
    address, _, table = side.partition("#")
    path = address.removeprefix("duckdb:///")
    return (f"duckdb://main@{path}", table) if path != address else (address, table)


def _read_reladiff(out: str, err: str) -> Found:
    """It prints rows without the names of columns; where one value of a pair differs, a reader sees which."""
    sides: dict[str, dict[str, list[str | None]]] = {"-": {}, "+": {}}
    for line in out.splitlines():
        try:
            sign, values = json.loads(line)
            sides[sign][values[0]] = values
        except (ValueError, KeyError, TypeError):
            continue
    rows: Rows = {}
    for key in sides["-"].keys() | sides["+"].keys():
        ours, theirs = sides["-"].get(key), sides["+"].get(key)
        if ours is None or theirs is None:
            rows[key] = {""}
        else:
            wrong = [n for n, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
            rows[key] = {"any"} if len(wrong) == 1 else set()
    said = [line for line in err.splitlines() if "ERROR" in line]
    return Found(rows, why=re.sub(r"^.*ERROR - ", "", said[-1]) if said else "")


# Google's data validation tool


def _dvt(bin_: Path, folder: Path) -> Callable[[str, str], list[str] | None]:
    def command(left: str, right: str) -> list[str] | None:
        if not {kind(left), kind(right)} <= {"PostgreSQL", "MariaDB"}:
            return None
        tables = "=".join(_registered(side, folder) for side in (left, right))
        where = ["-sc", kind(left), "-tc", kind(right), "-tbls", tables, "--primary-keys", "id"]
        return [str(bin_ / "data-validation"), "validate", "row", *where, "--hash", "*",
                "--filter-status", "fail", "--format", "json"]  # fmt: skip

    return command


def _registered(side: str, folder: Path) -> str:
    """Writes the connection where DVT looks for it; returns the table as DVT names it."""
    address, _, table = side.partition("#")
    name = kind(side)
    words = {"source_type": {"PostgreSQL": "Postgres", "MariaDB": "MySQL"}[name], **mariadb_words(address)}
    if name == "PostgreSQL":
        words["port"] = urlsplit(address).port or 5432
    (folder / f"{name}.connection.json").write_text(json.dumps(words))
    return f"{'public' if name == 'PostgreSQL' else words['database']}.{table}"


def _read_dvt(out: str, err: str) -> Found:
    start = out.find('{"0"')
    text = out[start:] if start >= 0 else out[out.rfind("\n{") + 1 :]
    try:
        found = json.loads(text).values()
    except (ValueError, AttributeError):
        return Found({}, why=_last(err))
    rows: Rows = {}
    for each in found:
        alone = each["source_agg_value"] is None or each["target_agg_value"] is None
        rows[json.loads(each["group_by_columns"])["id"]] = {""} if alone else set()
    return Found(rows)


# datacompy


def _datacompy(bin_: Path, frame: str, *more: str) -> Callable[[str, str], list[str] | None]:
    driver = str(Path(__file__).with_name("frames.py"))

    def command(left: str, right: str) -> list[str] | None:
        if more and not {kind(left), kind(right)} & {"DuckDB", "Parquet"}:
            return None  # there is nothing to make alike
        return [str(bin_ / "python"), driver, frame, left, right, *more]

    return command


def _read_datacompy(out: str, err: str) -> Found:
    try:
        said = json.loads(out)
    except ValueError:
        return Found({}, why=_last(err))
    rows: Rows = {key: set(names) for key, names in said["rows"].items()}
    told = sum(len(names) for names in said["rows"].values())
    rows |= {key: {""} for key in said["alone"]}
    return Found(rows, more=sum(said["counts"].values()) - told)


def _last(err: str) -> str:
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def surroundings(folder: Path) -> dict[str, str]:
    """The variables of a run: no telemetry, no colour, and a store and connections of its own."""
    return {**os.environ, **QUIET, "PSO_DV_CONN_HOME": str(folder), "LADING_STORE": str(folder / "store.db")}
