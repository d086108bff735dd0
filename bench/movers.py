"""Other movers: their environments, their settings, and how each is called. None of them proves anything."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from bench.peers import QUIET, ROOT

PINNED = {
    "Lading": ("--editable", f"{ROOT}[postgres,mysql]", "--constraint", f"{ROOT}/constraints.txt"),
    "Sling": ("sling-linux-amd64==1.4.11",),
    "ingestr": ("ingestr==0.15.9",),
    "dlt": (
        "dlt[duckdb,postgres,parquet]==1.31.0", "connectorx==0.4.6", "SQLAlchemy==2.1.9", "psycopg2-binary==2.9.13",
        "psycopg[binary]==3.3.9", "PyMySQL==1.2.4", "adbc-driver-postgresql==1.13.0", "duckdb==2.0.1",
        "pyarrow==26.0.1", "fsspec==2026.9.0",
    ),
    "DuckDB-CLI": ("duckdb-cli==1.4.4", "duckdb-extension-json==1.4.4", "duckdb-extension-httpfs==1.4.4"),
}  # fmt: skip
"""What pip is given. Newer Sling and ingestr fetch their program when they first run, which not every network lets
them; ConnectorX reads for dlt, as it writes nothing itself."""
TELEMETRY = {
    "RUNTIME__DLTHUB_TELEMETRY": "false", "SLING_DISABLE_TELEMETRY": "true", "INGESTR_DISABLE_TELEMETRY": "true",
    "DISABLE_TELEMETRY": "true", "TELEMETRY_OPTOUT": "true",
}  # fmt: skip
_LIBRARY = "@duckdb/node-bindings-linux-x64@1.5.6-r.1"
"""Where ingestr's DuckDB comes from: it loads a library that it does not bring."""


class Rivals(NamedTuple):
    """What is installed, by name; why something is not; and the variables that all of them run with."""

    made: Mapping[str, Path]
    absent: Mapping[str, str]
    surroundings: Mapping[str, str]


def prepared(made: dict[str, Path], absent: dict[str, str], cache: Path, folder: Path) -> Rivals:
    """Gives Sling its DuckDB and ingestr its library; both and their state stay out of the user's home."""
    home = folder / "home"
    surroundings = {**os.environ, **QUIET, **TELEMETRY, "HOME": str(home), "SLING_HOME_DIR": str(home / "sling"),
                    "DLT_DATA_DIR": str(home / "dlt"), "LADING_STORE": str(folder / "store.db")}  # fmt: skip
    if cli := made.get("DuckDB-CLI"):
        kept = home / ".duckdb/extensions/v1.4.4/linux_amd64"
        kept.mkdir(parents=True)
        for extension in cli.parent.glob("lib/**/*.duckdb_extension"):
            shutil.copy(extension, kept)
        (cli / "duckdb").chmod(0o755)  # pip leaves it as it is in the wheel
        surroundings["DUCKDB_PATH"] = str(cli / "duckdb")
    library = cache / "libduckdb/package/libduckdb.so"
    if "ingestr" in made and not library.exists():
        library.parent.parent.mkdir(parents=True, exist_ok=True)
        script = f"npm pack --silent {_LIBRARY} && tar xzf *.tgz"
        done = subprocess.run(["sh", "-c", script], cwd=library.parent.parent, capture_output=True, text=True)
        if done.returncode or not library.exists():
            absent["ingestr with DuckDB"] = (done.stderr.strip().splitlines() or ["npm has no such library"])[-1]
    manifests = folder / "drivers"
    manifests.mkdir()
    (manifests / "duckdb.toml").write_text(
        'manifest_version = 1\nname = "DuckDB"\nversion = "1.5.6"\n[ADBC]\nversion = "v1.1.0"\n'
        f'[Driver]\nentrypoint = "duckdb_adbc_init"\n[Driver.shared]\nlinux_amd64 = "{library}"\n'
    )
    return Rivals(made, absent, {**surroundings, "ADBC_DRIVER_PATH": str(manifests)})


def sling(rivals: Rivals, source: str, stream: str, target: str, name: str, *more: str) -> list[str] | None:
    """Addresses of databases become connections of the environment; folders stay what they are."""
    if "Sling" not in rivals.made:
        return None
    program = next(rivals.made["Sling"].parent.glob("lib/*/site-packages/sling_linux_amd64/bin/sling-linux-amd64"))
    given = ["env", f"SOURCE={_plain(source)}", f"TARGET={_plain(target)}"]
    read = ["--src-conn", "SOURCE"] if "://" in source else []
    write = ["--tgt-conn", "TARGET"] if "://" in target else []
    return [*given, str(program), "run", *read, "--src-stream", stream, *write, "--tgt-object", name, *more]


def ingestr(rivals: Rivals, source: str, table: str, target: str, name: str, *more: str) -> list[str] | None:
    if "ingestr" not in rivals.made or ("duckdb" in target and "ingestr with DuckDB" in rivals.absent):
        return None
    asked = [
        "--source-uri",
        _plain(source),
        "--source-table",
        table,
        "--dest-uri",
        _plain(target),
        "--dest-table",
        name,
    ]
    return [str(rivals.made["ingestr"] / "ingestr"), "ingest", "--yes", "--progress", "log", *asked, *more]


INGESTR_TUNED = ("--page-size", "100000", "--loader-file-size", "1000000", "--extract-parallelism", "2")


def dlt(rivals: Rivals, source: str, kind: str, target: str, table: tuple[str, str], *more: str) -> list[str] | None:
    """Reads by ConnectorX, the quickest of its ways, or files by DuckDB."""
    if "dlt" not in rivals.made:
        return None
    backend = "connectorx" if "://" in source else "files"
    driver = str(Path(__file__).with_name("mover_dlt.py"))
    source = source.replace("mysql://", "mysql+pymysql://")
    return [str(rivals.made["dlt"] / "python"), driver, source, backend, kind, target, *table, *more]


def pgloader(rivals: Rivals, files: Path, target: str, table: str, folder: Path) -> list[str] | None:
    """CSV files with a line of names into a table that is there."""
    if "pgloader" not in rivals.made:
        return None
    parts = urlsplit(target)
    into = f"postgresql://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"
    told = folder / "files.load"
    told.write_text(
        f"LOAD CSV FROM ALL FILENAMES MATCHING ~/[.]csv$/ IN DIRECTORY '{files}' INTO {into} TARGET TABLE {table}\n"
        "WITH skip header = 1, fields optionally enclosed by '\"', fields terminated by ',';\n"
    )
    return ["env", f"PGPASSWORD={unquote(parts.password or '')}", str(rivals.made["pgloader"] / "pgloader"), str(told)]


def lading(rivals: Rivals, source: str, target: str, *more: str) -> list[str]:
    return [
        str(rivals.made["Lading"] / "python"),
        "-m",
        "lading.cli",
        "copy",
        source,
        target,
        "--json",
        "--quiet",
        *more,
    ]


def proved(out: str) -> int | None:
    """The rows that Lading's bill says are there; None when it is not proved."""
    bill = json.loads(out)
    return sum(table["rows"]["target"] for table in bill["tables"]) if bill["state"] == "proved" else None


def _plain(address: str) -> str:
    """Without encryption, which would only slow a peer down on one machine."""
    return f"{address}?sslmode=disable" if address.startswith("postgresql") else address
