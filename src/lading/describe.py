"""From a model to rows of name, help, kind and default: the only reader of JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from lading.connector import Connection
from lading.find import connection_class

_WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "yes or no", "object": "map"}


@dataclass(frozen=True)
class Row:
    """One option. `name` is the word that people write, `field` the one in Python; `choices` is empty when the
    kind sets no limit; `many` says that several values may be given."""

    name: str
    field: str
    help: str
    kind: str
    default: Any = None
    required: bool = False
    secret: bool = False
    advanced: bool = False
    choices: tuple[str, ...] = ()
    many: bool = False

    @property
    def shown(self) -> str:
        """The default as people write it; empty when there is none."""
        match self.default:
            case None | "" | [] | ():
                return ""
            case dict() if self.default:
                return ""  # its parts have their own
            case bool():
                return "yes" if self.default else "no"
            case list() | tuple():
                return ", ".join(str(item) for item in self.default)
            case _:
                return str(self.default)


@dataclass(frozen=True)
class Described:
    """A connector: what it is, how it is addressed and installed, its settings, and what it can do, each with its
    sentence."""

    kind: str
    title: str
    schemes: tuple[str, ...]
    extra: str | None
    settings: tuple[Row, ...]
    can: tuple[tuple[str, bool | int, str], ...]


@cache
def rows(model: type[BaseModel]) -> tuple[Row, ...]:
    """One row per field, in the order of the fields."""
    schema = model.model_json_schema(by_alias=True)
    return tuple(_row(name, part, schema, model) for name, part in schema.get("properties", {}).items())


def connector(kind: str) -> Described:
    """What the connector of a kind says of itself. Raises SpecError for a kind that nobody offers."""
    found = connection_class(kind)
    own = [row for row in rows(found) if row.field != "kind"]
    settings = tuple(sorted(own, key=lambda row: row.field in Connection.model_fields))
    sentences = {row.name: row.help for row in rows(type(found.can))}
    can = tuple((name, value, sentences[name]) for name, value in found.can)
    title = " ".join((found.__doc__ or "").strip().partition("\n\n")[0].split())
    return Described(kind, title, found.schemes, found.extra, settings, can)


def _row(name: str, part: dict[str, Any], schema: dict[str, Any], model: type[BaseModel]) -> Row:
    forms = list(_forms(part, schema))
    choices = tuple(str(value) for form in forms for value in _values(form))
    fields = {(found.alias or own): own for own, found in model.model_fields.items()}
    words = dict.fromkeys(_word(form) for form in forms)
    return Row(
        name=name,
        field=fields.get(name, name),
        help=part.get("description", ""),
        kind=" or ".join(words),
        default=part.get("default"),
        required=name in schema.get("required", []),
        secret=any(form.get("writeOnly") or form.get("format") == "password" for form in forms),
        advanced=bool(part.get("advanced")),
        choices=choices,
        many=any(form.get("type") == "array" for form in forms),
    )


def _forms(part: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The forms that a value may have, without the one that says it may be left out."""
    if "$ref" in part:
        part = {**schema["$defs"][part["$ref"].rpartition("/")[2]], **part}
        del part["$ref"]
    if "anyOf" in part:
        for form in part["anyOf"]:
            yield from _forms(form, schema)
    elif part.get("type") != "null":
        yield part


def _values(form: dict[str, Any]) -> list[Any]:
    return [form["const"]] if "const" in form else list(form.get("enum", []))


def _word(form: dict[str, Any]) -> str:
    values = _values(form)
    if values:
        return ("one of " if len(values) > 1 else "") + ", ".join("yes" if v is True else str(v) for v in values)
    if form.get("type") == "array":
        item = form.get("items", {})
        return f"list of {_WORDS.get(item.get('type', ''), 'value')}s"
    word = _WORDS.get(form.get("type", ""), "value")
    low, high = form.get("minimum"), form.get("maximum")
    if low is not None and high is not None:
        return f"{word}, {low} to {high}"
    if low is not None:
        return f"{word}, {low} or more"
    return f"{word}, at most {high}" if high is not None else word
