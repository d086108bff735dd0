"""Runs in dlt's environment: one copy. Words: source, backend, kind of target, target, schema, table or *, tuned."""

import os
import sys

source, backend, kind, target, schema, table = sys.argv[1:7]
tuned = "tuned" in sys.argv
if tuned:  # what dlt's page on performance advises
    os.environ.update({
        "DATA_WRITER__BUFFER_MAX_ITEMS": "100000", "DATA_WRITER__FILE_MAX_ITEMS": "1000000", "EXTRACT__WORKERS": "2",
        "NORMALIZE__WORKERS": "2", "LOAD__WORKERS": "4",
    })  # fmt: skip

import dlt  # noqa: E402
from dlt.sources.filesystem import filesystem, read_csv_duckdb  # noqa: E402
from dlt.sources.sql_database import sql_database  # noqa: E402

destination = {
    "parquet": lambda: dlt.destinations.filesystem(f"file://{target}"),
    "duckdb": lambda: dlt.destinations.duckdb(target),
    "postgres": lambda: dlt.destinations.postgres(target),
}[kind]()
if backend == "files":
    found = (
        filesystem(bucket_url=f"file://{source}", file_glob="*.csv") | read_csv_duckdb(use_pyarrow=True)
    ).with_name(table)
else:
    words = {"conn": source.replace("mysql+pymysql", "mysql")}
    if tuned:
        words |= {"return_type": "arrow_stream", "batch_size": 100_000}
    more = {} if table == "*" else {"table_names": [table]}
    found = sql_database(source, schema=schema or None, backend=backend, backend_kwargs=words, **more)
line = dlt.pipeline("bench", destination=destination, dataset_name="bench", pipelines_dir=os.environ["DLT_DATA_DIR"])
line.run(found, write_disposition="replace", loader_file_format="parquet" if tuned or kind == "parquet" else None)
