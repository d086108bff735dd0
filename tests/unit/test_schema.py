"""Losses between two tables."""

import pytest

from lading.schema import Column, Table, gaps, losses
from lading.types import parse


@pytest.mark.parametrize(
    ("source", "target", "kind"),
    [
        ("int(64)", "int(32)", "narrows"),
        ("int(32)", "int(32,unsigned)", "narrows"),
        ("int(8,unsigned)", "int(8)", "narrows"),
        ("int(64)", "float(64)", "rounds"),
        ("int(64)", "decimal(18,0)", "narrows"),
        ("decimal(18,4)", "decimal(18,2)", "rounds"),
        ("decimal", "decimal(38,10)", "narrows"),
        ("float(64)", "float(32)", "rounds"),
        ("string", "string(10)", "cuts"),
        ("string(50)", "string(50 bytes)", "cuts"),
        ("timestamp(9)", "timestamp(6)", "rounds"),
        ("timestamp(6,utc)", "timestamp(6)", "zone"),
        ("timestamp(6)", "timestamp(6,utc)", "zone"),
        ("timestamp(6)", "date", "cuts"),
        ("timestamp(6)", "timestamp(9)", "narrows"),
        ("date", "timestamp(9)", "narrows"),
        ("string", "json", "type"),
        ("binary", "string", "type"),
        ("decimal(2,2)", "string(4)", "cuts"),
        ("timestamp(9)", "string(26)", "cuts"),
        ("list(int(64))", "list(int(8))", "narrows"),
        ("list(json)", "json", "null"),
        ("list(list(json))", "string", "null"),
    ],
)
def test_losses_are_named(source, target, kind):
    assert kind in [found for found, _ in gaps(parse(source), parse(target))]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("int(8,unsigned)", "int(16)"),
        ("int(32)", "float(64)"),
        ("int(64)", "decimal(19,0)"),
        ("decimal(18,2)", "decimal(20,4)"),
        ("string(50)", "string(200 bytes)"),
        ("string(50 bytes)", "string(50)"),
        ("date", "timestamp(6)"),
        ("decimal(2,2)", "string(5)"),
        ("uuid", "string(36)"),
        ("list(int(8))", "list(int(64))"),
        ("list(int(8))", "json"),
        ("list(json)", "list(string)"),
        ("decimal(76,38)", "decimal"),
    ],
)
def test_what_fits_is_no_loss(source, target):
    assert gaps(parse(source), parse(target)) == []


def of(key=(), **columns):
    made = [
        Column(name=name, type=parse(form.rstrip("!")), null=not form.endswith("!")) for name, form in columns.items()
    ]
    return Table(name="t", columns=tuple(made), key=key)


def test_a_column_that_the_target_lacks_and_a_null_it_refuses_are_losses():
    assert [loss.kind for loss in losses(of(a="int(8)"), of(b="int(8)"))] == ["column"]
    assert [loss.kind for loss in losses(of(a="int(8)"), of(a="int(8)!"))] == ["null"]
    assert losses(of(a="int(8)!"), of(a="int(8)")) == []


def test_the_key_is_in_its_own_order():
    """Slices name their columns in the key's order and their bounds must be in the same."""
    table = of(("b", "a"), a="int(8)", b="string", c="date")
    assert [column.name for column in table.keyed] == ["b", "a"]
