"""Lists on their way: what an item is, and what it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lading import actions
from lading.compare.asked import Asked
from lading.compare.outcome import Diff, Verdict
from lading.errors import SpecError
from lading.prove import Bill
from lading.spec import Move
from tests.journeys import looks

MADE = """
    CREATE TABLE lists (id integer PRIMARY KEY, v jsonb[]);
    INSERT INTO lists VALUES (1, ARRAY[NULL]::jsonb[]), (2, ARRAY['null'::jsonb]), (3, '{}'), (4, NULL),
        (5, ARRAY['{"a": null}', NULL, 'null', '"null"']::jsonb[])"""
HELD = {1: [None], 2: ["null"], 3: [], 4: None, 5: ['{"a": null}', None, "null", '"null"']}
AS_JSON = {1: [None], 2: [None], 3: [], 4: None, 5: [{"a": None}, None, None, "null"]}


def diff(source: str, target: str) -> Diff:
    return actions.diff(Move.model_validate({"from": source, "to": target}), Asked())


@pytest.mark.parametrize(
    ("kind", "how"),
    [("postgres", "SELECT id, v::text[] FROM lists"), ("duckdb", "SELECT id, v::VARCHAR[] FROM lists")],
)
def test_null_and_the_null_of_json_are_two_items(
    place: Callable[[str], str], copied: Callable[..., Bill], kind: str, how: str
):
    source, target = place("postgres"), place(kind)
    looks.query(source, MADE)
    copied(source, target)
    assert dict(looks.query(target, how)) == HELD
    assert diff(source, target).verdict is Verdict.EQUAL
    absent, null = "CAST(NULL AS json)", "CAST('null' AS json)"
    if kind == "postgres":
        absent, null = absent.replace("json", "jsonb"), null.replace("json", "jsonb")
    looks.query(target, f"UPDATE lists SET v = CASE id WHEN 1 THEN ARRAY[{null}] ELSE ARRAY[{absent}] END WHERE id < 3")
    (found,) = diff(source, target).tables
    shown = {each.key["id"]: (each.left, each.right) for each in found.differences}
    assert shown == {"1": ("[NULL]", "[null]"), "2": ("[null]", "[NULL]")}


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_files_keep_both(place: Callable[[str], str], copied: Callable[..., Bill], kind: str):
    source, target, back = place("postgres"), place(kind), place("postgres")
    looks.query(source, MADE)
    copied(source, target)
    copied(target, back)
    assert dict(looks.query(back, "SELECT id, v::text[] FROM lists")) == HELD
    assert diff(source, target).verdict is Verdict.EQUAL


@pytest.mark.parametrize("kind", ["sqlite", "mysql"])
def test_a_target_with_json_in_place_of_lists_loses_one(
    place: Callable[[str], str], copied: Callable[..., Bill], kind: str
):
    source, target = place("postgres"), place(kind)
    looks.query(source, MADE)
    with pytest.raises(SpecError, match="'v' an item that is NULL becomes the null of JSON") as caught:
        copied(source, target)
    assert "v:null" in caught.value.fix
    (table,) = copied(source, target, accept=["v:null"]).tables
    assert table.proof
    assert table.proof.narrowed == {"v": 2}
    there: dict[Any, Any] = dict(looks.query(target, "SELECT id, v FROM lists"))
    assert {key: None if text is None else json.loads(text) for key, text in there.items()} == AS_JSON
    (found,) = diff(source, target).tables
    assert found.verdict is Verdict.EQUAL
    assert found.narrowed == {"v": 2}
