"""A select over tables of several connections: they are brought into a file of DuckDB, where it runs within a limit of
memory, and its rows are moved on. A step here is one of the kind `sql` with inputs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from lading.binding import bound, select
from lading.connector import Session
from lading.copying import Part, Resolve, planned, sides
from lading.driver import transaction
from lading.errors import LadingError, SpecError
from lading.find import shown
from lading.hops.flow import ODD, parsed, quiet
from lading.plan import Plan
from lading.schema import Table
from lading.spec import Move
from lading.sql import SqlSession
from lading.store import Store

Opened = Callable[[str], AbstractContextManager[Session]]


def address(file: Path, step: Any) -> str:
    """The file of DuckDB into which a step's inputs are brought."""
    return f"duckdb:///{quote(str(file))}?memory_mb={step.memory_mb}"


def inputs(step: Any, opened: Opened, file: Path) -> dict[str, Move]:
    """The moves of a step's inputs into a file, by their names: only of the columns that the select may read."""
    tree, found = _tree(step.query or ""), {}
    for name, each in step.inputs.items():
        with opened(each.at) as session:
            table = session.describe(each.table)
        if table is None:
            fix = f"Correct '{name}' in 'inputs', or make the table first."
            raise SpecError(f"{shown(each.at)} has no table '{each.table}'.", fix)
        words = {
            "key": step.key, "from": each.at, "to": address(file, step), "tables": [table.full_name],
            "exclude": [f"{table.full_name}.{column}" for column in _unread(tree, table)],
            "into": {table.full_name: name}, "accept": step.accept,
        }  # fmt: skip
        found[name] = Move.model_validate(words)
    return found


def filled(step: Any, params: Mapping[str, Any], opened: Opened, file: Path) -> Move:
    """Runs a step's select over what was brought into a file; returns the move of its rows to where they belong."""
    rows, name = file.with_name("rows.duckdb"), step.into.rpartition(".")[2]
    with opened(address(file, step)) as found:
        session = cast("SqlSession", found)
        text, values = bound(select(step.query or ""), params, session.dialect)
        session.driver.execute(f"ATTACH {session.dialect.text(str(rows))} AS lading_rows")
        try:
            session.driver.execute(f"CREATE TABLE lading_rows.main.{session.dialect.quote(name)} AS {text}", values)
        except LadingError as error:
            fix = error.fix if "emory" in error.what else "Correct the query, or what it reads."
            raise type(error)(
                error.what.replace(f"DuckDB file '{file}'", f"The select of '{step.key}'"), fix
            ) from error
        finally:
            session.driver.execute("DETACH lading_rows")
    words = {
        "key": step.key, "from": f"duckdb:///{quote(str(rows))}", "to": step.at, "tables": [name],
        "into": {name: step.into}, "mode": step.mode, "merge_key": step.merge_key, "accept": step.accept,
    }  # fmt: skip
    return Move.model_validate(words)


def plans(step: Any, params: Mapping[str, Any], of: Part, ledger: Store, resolve: Resolve) -> list[Plan]:
    """The plans of a step's inputs, and that of its rows, as the select gives them of empty tables."""
    shown = f"DuckDB, for '{step.key}'"

    def made(move: Move) -> Plan:
        return planned(move, of, ledger, sides(move, resolve), resolve)

    with tempfile.TemporaryDirectory(prefix="lading-") as folder:
        file = Path(folder) / "inputs.duckdb"
        found = [made(move) for move in inputs(step, lambda name: resolve(name)[1].open(), file).values()]
        whole = [plan.model_copy(update={"target": shown}) for plan in found]
        if any(plan.problems for plan in found):
            return whole
        with resolve(address(file, step))[1].open() as opened:
            session = cast("SqlSession", opened)
            with transaction(session.driver):
                for table in (task.target for plan in found for task in plan.tasks):
                    columns = (f"{session.dialect.quote(c.name)} {session.dialect.native(c)}" for c in table.columns)
                    session.driver.execute(f"CREATE TABLE {session.name(table)} ({', '.join(columns)})")
        rows = made(filled(step, params, lambda name: resolve(name)[1].open(), file))
    return [*whole, rows.model_copy(update={"source": shown})]


def _tree(sql: str) -> Any:
    """The select as sqlglot reads it; None where it does not."""
    try:
        with quiet():
            return parsed(select(sql), "duckdb")
    except (*ODD, ImportError):
        return None


def _unread(tree: Any, table: Table) -> list[str]:
    """The columns of a table that a select cannot read, whatever its names mean; none where that is not plain."""
    if tree is None:
        return []
    from sqlglot import exp

    stars = [star for star in tree.find_all(exp.Star) if not isinstance(star.parent, exp.Count)]
    rows = {each.alias_or_name.lower() for each in tree.find_all(exp.Table, exp.Subquery, exp.CTE)}
    odd = [join for join in tree.find_all(exp.Join) if join.method] or list(tree.find_all(exp.Pivot, exp.Columns))
    if stars or odd or any(column.name.lower() in rows for column in tree.find_all(exp.Column)):
        return []
    named = {each.name.lower() for each in tree.find_all(exp.Identifier)}
    left = [c.name for c in table.columns
            if c.name.lower() not in named and c.name not in table.key and not set("*?[") & set(c.name)]  # fmt: skip
    return left[1:] if len(left) == len(table.columns) else left  # of rows that are only counted, one remains
