"""Rows of what can be set."""

from typing import Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from lading import describe, find
from lading.errors import SpecError
from lading.spec import Move
from lading.steps.check import Rule
from lading.steps.prove import Prove


class Sample(BaseModel):
    host: str = Field(description="The machine.")
    port: int = Field(5432, ge=1, le=65535, description="Its port.")
    schema_name: str | None = Field(None, alias="schema", description="The schema.")
    password: SecretStr | None = Field(None, description="The password.")
    ssl: Literal["off", "on"] = Field("on", description="Whether to encrypt.", json_schema_extra={"advanced": True})
    names: tuple[str, ...] = Field(("a", "b"), description="Names.")


def test_every_field_becomes_a_row():
    rows = describe.rows(Sample)
    assert [(row.name, row.kind, row.shown) for row in rows] == [
        ("host", "text", ""),
        ("port", "whole number, 1 to 65535", "5432"),
        ("schema", "text", ""),
        ("password", "text", ""),
        ("ssl", "one of off, on", "on"),
        ("names", "list of texts", "a, b"),
    ]
    assert [row.name for row in rows if row.required] == ["host"]
    assert [row.name for row in rows if row.secret] == ["password"]
    assert [row.name for row in rows if row.advanced] == ["ssl"]
    assert [row.name for row in rows if row.many] == ["names"]
    assert next(row for row in rows if row.name == "schema").field == "schema_name"
    assert rows[4].choices == ("off", "on")


def test_every_option_of_a_move_has_help():
    assert [row.name for row in describe.rows(Move) if not row.help and row.name != "do"] == []
    mode = next(row for row in describe.rows(Move) if row.name == "mode")
    assert (mode.kind, mode.shown, mode.choices) == (
        "one of replace, append, merge", "replace", ("replace", "append", "merge"),
    )  # fmt: skip


@pytest.mark.parametrize("kind", find.kinds())
def test_every_connector_describes_itself(kind):
    found = describe.connector(kind)
    assert found.title
    assert found.schemes
    assert [row.name for row in found.settings if not row.help] == []
    assert [name for name, _, sentence in found.can if not sentence] == []
    assert "kind" not in [row.name for row in found.settings]


@pytest.mark.parametrize("kind", find.kinds())
def test_words_that_name_secrets_are_secret(kind):
    settings = describe.connector(kind).settings
    words = {"password", "token", "secret", "passphrase"}
    assert [row.name for row in settings if words & set(row.name.split("_")) and not row.secret] == []


def test_an_unknown_kind_is_named():
    with pytest.raises(SpecError) as caught:
        describe.connector("duckbd")
    assert str(caught.value) == "There is no connector of the kind 'duckbd'. Did you mean 'duckdb'?"


def test_defaults_and_values_are_written_as_people_write_them():
    prove, rule = describe.rows(Prove), describe.rows(Rule)
    assert [row.shown for row in prove if row.name == "compare"] == [""]
    assert [row.kind for row in rule if row.name == "not_empty"] == ["yes"]
