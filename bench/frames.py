"""datacompy on two tables, run by its own environment's Python: `frames.py polars|pandas LEFT RIGHT [alike]`.

A side is an address with #table, as Lading takes it. Loads both whole, as datacompy wants them, and prints what it
found. With `alike` the left is cast to the right's types first.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from typing import Any

MOST = 1_000
"""Rows of a column that are told; all are counted."""


def polars(address: str) -> Any:
    import polars as pl

    url, _, table = address.partition("#")
    if url.startswith("duckdb"):
        return _duckdb(url, table).pl()
    if url.startswith("parquet"):
        return pl.read_parquet(f"{_path(url)}/{table}.parquet")
    return pl.read_database_uri(f"SELECT * FROM {table}", url)


def pandas(address: str) -> Any:
    import pandas as pd
    import sqlalchemy

    url, _, table = address.partition("#")
    if url.startswith("duckdb"):
        return _duckdb(url, table).df()
    if url.startswith("parquet"):
        return pd.read_parquet(f"{_path(url)}/{table}.parquet")
    driver = {"postgresql": "postgresql+psycopg2", "mysql": "mysql+pymysql"}[url.partition(":")[0]]
    engine = sqlalchemy.create_engine(f"{driver}:{url.partition(':')[2]}")
    return pd.read_sql(f"SELECT * FROM {table}", engine)


def _path(url: str) -> str:
    return url.partition("://")[2].removeprefix("/")


def _duckdb(url: str, table: str) -> Any:
    import duckdb

    return duckdb.connect(_path(url), read_only=True).table(table)


def main() -> int:
    kind, left, right = sys.argv[1:4]
    load = polars if kind == "polars" else pandas
    import datacompy

    compare = datacompy.PolarsCompare if kind == "polars" else datacompy.PandasCompare
    ours, theirs = load(left), load(right)
    if "alike" in sys.argv:
        ours = ours.cast(theirs.schema)
    found = compare(ours, theirs, join_columns="id")
    rows, counts = defaultdict(list), {}
    joined = found.intersect_rows
    for name in (each["column"] for each in found.column_stats if each["unequal_cnt"]):
        wrong = joined.filter(~joined[f"{name}_match"]) if kind == "polars" else joined[~joined[f"{name}_match"]]
        counts[name] = len(wrong)
        for key in wrong["id"].to_list()[:MOST] if kind == "polars" else wrong["id"].tolist()[:MOST]:
            rows[str(key)].append(name)
    alone = [str(key) for side in (found.df1_unq_rows, found.df2_unq_rows) for key in list(side["id"])]
    print(json.dumps({"rows": rows, "alone": alone, "counts": counts}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
