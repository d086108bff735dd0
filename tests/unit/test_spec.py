"""What people may write in a move and a pipeline."""

import pytest
from pydantic import ValidationError

from lading import find
from lading.prove import Level
from lading.schema import Mode
from lading.spec import Move, Pipeline


def test_a_move_needs_two_addresses_and_nothing_else():
    move = Move(source="crm", target="wh")
    assert (move.key, move.mode, move.proof, move.tables) == ("move", Mode.REPLACE, Level.ROWS, ("*",))
    assert (move.max_rejects, move.accept, move.together, move.since) == (0, (), False, None)


def test_files_say_from_and_to():
    assert Move.model_validate({"from": "crm", "to": "wh"}) == Move(source="crm", target="wh")


def test_one_word_stands_for_a_list_of_one():
    move = Move.model_validate({"from": "a", "to": "b", "tables": "sales.*", "accept": "rounds", "merge_key": "id"})
    assert (move.tables, move.accept, move.merge_key) == (("sales.*",), ("rounds",), ("id",))


def test_since_is_refused_with_replace():
    with pytest.raises(ValidationError, match="'replace' would drop the rest"):
        Move(source="a", target="b", since="updated_at")
    assert Move(source="a", target="b", since="updated_at", mode=Mode.MERGE).since == "updated_at"


def test_a_pipeline_needs_a_step_and_each_step_its_key():
    step = Move(source="a", target="b")
    with pytest.raises(ValidationError):
        Pipeline(name="p", steps=())
    with pytest.raises(ValidationError, match="two steps have the key 'move'"):
        Pipeline(name="p", steps=(step, step))


def test_specs_are_plain_data_both_ways():
    pipeline = Pipeline(name="p", steps=(Move(source="a", target="b", into={"x": "y.z"}, mode=Mode.MERGE),))
    assert Pipeline.model_validate_json(pipeline.model_dump_json(by_alias=True)) == pipeline
    assert Pipeline.model_validate_json(pipeline.model_dump_json()) == pipeline


@pytest.mark.parametrize("kind", find.step_kinds())
def test_a_step_that_fills_a_table_says_where_it_writes(kind):
    """Else another step might be at the same DuckDB or SQLite file meanwhile."""
    step = find.step_class(kind)
    assert bool(step.writes) == ("into" in step.model_fields or kind == "procedure")
    assert set(step.writes) <= set(step.places)
