"""Joins few rows here: DuckDB takes 50 MiB and a fifth of a second before it does anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

ROWS, BYTES = 20_000, 4 << 20
"""Of both sides together; up to these they are joined here."""
Text = str | None
Row = dict[str, Any]
"""As a row of the drill's table `found`."""
Forms = dict[int, tuple[tuple[str, str], list[str]]]
"""Of each column that is not part of the key: the side that has other forms as good, the other, and the columns that
hold such forms."""
UNFIT = "\1"
"""Begins texts that have no form in the type in which their column is compared."""


def joined(sides: Sequence[Sequence[pa.RecordBatch]], key: Sequence[int], values: Forms) -> list[Row] | None:
    """The rows that differ or are to be counted, in the order of their keys; None where a side has a key twice."""
    left, right = ({tuple(row[f"c{n}"] for n in key): row for row in _rows(side)} for side in sides)
    if [len(left), len(right)] != [sum(batch.num_rows for batch in side) for side in sides]:
        return None
    found = [_row(left.get(each), right.get(each), values) for each in sorted(left.keys() | right.keys(), key=_order)]
    marks = [f"{mark}{n}" for n in values for mark in "do"]
    return [row for row in found if not (row["hl"] and row["hr"]) or any(row[mark] for mark in marks)]


def _rows(batches: Sequence[pa.RecordBatch]) -> Iterator[dict[str, Text]]:
    for batch in batches:
        columns = (column.to_pylist() for column in batch.columns)
        yield from (dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True))


def _order(key: tuple[Text, ...]) -> list[tuple[bool, str]]:
    return [(text is None, text or "") for text in key]


def _row(left: dict[str, Text] | None, right: dict[str, Text] | None, values: Forms) -> Row:
    row: Row = {"hl": left is not None, "hr": right is not None}
    for mark, side in (("l", left), ("r", right)):
        row |= {f"{mark}{name.removeprefix('c')}": text for name, text in (side or {}).items()}
    for n, ((own, other), forms) in values.items():
        both = left is not None and right is not None
        like = both and row[f"{other}{n}"] in (row[f"{own}{n}"], *(row[f"{own}{name}"] for name in forms))
        row[f"d{n}"] = both and not like
        row[f"o{n}"] = 0
        if (first := row.get(f"{own}f{n}")) is not None:
            used = row[f"{own}{n}"]
            row[f"o{n}"] = (like and row[f"{other}{n}"] != first) - (used != first and not used.startswith(UNFIT))
    return row


def counts(found: Sequence[Row], names: dict[int, str]) -> dict[str, Any]:
    """Rows that only the left has, only the right, that were changed; and changed rows by column."""
    changed = [row for row in found if any(row[f"d{n}"] for n in names)]
    columns = {name: sum(row[f"d{n}"] for row in changed) for n, name in names.items()}
    return {
        "only_left": sum(not row["hr"] for row in found), "only_right": sum(not row["hl"] for row in found),
        "changed": len(changed), "columns": {name: n for name, n in columns.items() if n}, "policy": {},
    }  # fmt: skip
