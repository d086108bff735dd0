"""What people write, with the lines it stands on: YAML read strictly, and what is wrong with it said in our words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from lading.errors import SpecError, masked

if TYPE_CHECKING:
    import yaml

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[int | str, ...]
"""Where a value stands: the keys and positions that lead to it."""

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "yes or no",
    "bool_parsing": "yes or no",
    "date_type": "a date",
    "date_from_datetime_parsing": "a date",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map of options",
    "model_attributes_type": "a map of options",
}


@dataclass(frozen=True)
class File:
    """A YAML file that was read: its values, and the line of each. `shown` is how messages call it."""

    shown: str
    value: Any
    root: yaml.Node
    text: str = ""

    def line(self, place: Place = ()) -> int:
        """The line of a value, or of its key; of the nearest thing around it when it is not there."""
        node, found = self.root, self.root.start_mark.line + 1
        for step in place:
            for name, child, mark in _children(node):
                if name == step:
                    node, found = child, mark.line + 1
                    break
            else:
                return found
        return found

    def at(self, place: Place) -> Any:
        """The value at a place as it is written; None when nothing is there."""
        value = self.value
        for step in place:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def error(self, place: Place, what: str, fix: str = "") -> SpecError:
        found = SpecError(f"{self.shown}:{self.line(place)}: {what}", fix)
        found.line = self.line(place)
        return found


def read(path: Path, shown: str) -> File:
    """The file's values. Raises SpecError for what is not YAML, for a key given twice, and where no map is found."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SpecError(f"{shown}:{line}: this is not UTF-8 text.", "Save the file as UTF-8.") from error
    except OSError as error:
        raise SpecError(f"{shown}:1: the file cannot be read ({error.strerror}).", "Check its permissions.") from error
    return parsed(text, shown)


def put(path: Path, text: str) -> None:
    """Writes a file that people write, with the ends of lines that it has; without room, what was there is put back."""
    before = path.read_bytes() if path.is_file() else None
    try:
        path.write_text(text, encoding="utf-8", newline="\r\n" if before and b"\r\n" in before else "\n")
    except OSError:
        if before is not None:
            path.write_bytes(before)
        raise


def parsed(text: str, shown: str) -> File:
    """As `read`, of the text of a file. A run looks at its files dozens of times: each text is taken apart once."""
    file = _parsed(text, shown)
    return replace(file, value=deepcopy(file.value))


@lru_cache(maxsize=64)
def _parsed(text: str, shown: str) -> File:
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            raise SpecError(f"{shown}:1: the file is empty.", "See docs/start.md for what it holds.")
        _once(root, shown)
        if _size(root, {}) > MOST:
            raise SpecError(f"{shown}:1: its aliases stand for more than {MOST:,} values.", "Write them out.")
        file = File(shown, loader.construct_document(root), root, text)
    except yaml.YAMLError as error:
        raise _not_yaml(error, text, shown) from error
    except ValueError as error:  # such as the 30th of February
        raise SpecError(f"{shown}:1: a value cannot be read ({error}).", "Put it in quotes.") from error
    except RecursionError:
        raise SpecError(f"{shown}:1: its values are within too many others.", "Take brackets and braces out.") from None
    if not isinstance(file.value, dict):
        what = f"here is {worded(file.value)} where a map of options is expected."
        raise file.error((), what, "Write 'name: value'.")
    return file


def checked(model: type[Model], values: Mapping[str, Any], file: File | None, at: Place, subject: str) -> Model:
    """The model of the values. Raises SpecError that says what is wrong with the first of them, and on which line.
    `at` is where the values stand in the file; `subject` is what messages call them."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        faults = _grouped(error.errors(include_url=False))
        if file is not None:
            faults.sort(key=lambda fault: file.line((*at, *fault[0]["loc"])))
        first = faults[0]
        if file is not None and isinstance(written := file.at((*at, *first[0]["loc"])), str):
            first[0]["input"] = written  # a reference is shown, never what it stands for
        what, fix = map(masked, _sentence(first, model, subject))
        if file is None:
            raise SpecError(what, fix) from None
        loc = first[0]["loc"]
        place = (*at, *(loc[:-1] if first[0]["type"] == "missing" else loc))
        raise file.error(place, what, fix) from None


def near(word: str, words: Iterable[str], mark: str = "'") -> str:
    """'Did you mean ...?', or what there is."""
    known = sorted(words)
    close = get_close_matches(word, known, n=1) or [each for each in known if each.startswith(word)]
    if len(close) == 1:
        return f"Did you mean {mark}{close[0]}{mark}?"
    return f"There are: {', '.join(known)}." if known else "There are none."


def _children(node: yaml.Node) -> Iterator[tuple[Any, yaml.Node, yaml.Mark]]:
    import yaml

    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key.value, value, key.start_mark
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield number, value, value.start_mark


def _once(node: yaml.Node, shown: str, above: tuple[yaml.Node, ...] = (), done: set[yaml.Node] | None = None) -> None:
    """Raises where a map has a key twice: the first value would be lost without a word. A key is a word, also where
    YAML takes it for a number, or for true as it does with on and yes. What has a second name is `done` once."""
    import yaml

    seen: dict[Any, int] = {}
    done = set() if done is None else done
    if node in above:
        raise SpecError(f"{shown}:{node.start_mark.line + 1}: a value holds itself.", "Write it out.")
    if node in done:
        return
    done.add(node)
    for name, child, mark in _children(node):
        if isinstance(node, yaml.MappingNode):
            if not isinstance(name, str):
                raise SpecError(f"{shown}:{mark.line + 1}: a key is a map or a list.", "Write a word before the ':'.")
            if name in seen:
                what = f"'{name}' is here a second time; the first is on line {seen[name]}."
                raise SpecError(f"{shown}:{mark.line + 1}: {what}", "Keep one of them.")
            seen[name] = mark.line + 1
        _once(child, shown, (*above, node), done)
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.tag != "tag:yaml.org,2002:merge":
            key.tag = "tag:yaml.org,2002:str"


MOST = 1_000_000
"""Values of a file, each counted as often as it stands there."""


def _size(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    if node not in known:
        known[node] = 1 + sum(_size(child, known) for _, child, _ in _children(node))
    return known[node]


def _not_yaml(error: yaml.YAMLError, text: str, shown: str) -> SpecError:
    import yaml

    mark = getattr(error, "problem_mark", None)
    number = mark.line if mark is not None else text[: getattr(error, "position", None) or 0].count("\n")
    lines = text.splitlines()
    number = min(number, max(len(lines) - 1, 0))
    line = lines[number] if lines else ""
    where = f"{shown}:{number + 1}:"
    context = getattr(error, "context_mark", None)
    if context is not None and "quoted scalar" in str(getattr(error, "context", "")):
        return SpecError(f"{shown}:{context.line + 1}: a quote is opened and not closed.", "Close it.")
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return SpecError(f"{where} the line begins with a tab.", "Indent with spaces.")
    if re.search(r"\bcron:\s*\*", line):
        return SpecError(f"{where} a cron text that begins with a star stands without quotes.", "Write '* * * * *'.")
    if re.search(r"\{.*[^\"']\$\{", line):
        return SpecError(f"{where} a reference stands inside braces without quotes.", 'Write "${env:NAME}" there.')
    if isinstance(error, yaml.composer.ComposerError) and "single document" in str(error):
        return SpecError(f"{where} a second document begins.", "Keep one document a file.")
    problem = str(getattr(error, "problem", None) or "a character that YAML does not allow")
    return SpecError(f"{where} this is not YAML: {problem}.", "Check quotes, colons and indentation here and above.")


def _grouped(errors: list[Any]) -> list[list[Any]]:
    """The faults, those of one value's several forms together: only the form that the value nearly has counts."""
    groups: dict[Place, list[Any]] = {}
    for error in errors:
        loc = tuple(part for part in error["loc"] if not (isinstance(part, str) and _is_form(part)))
        groups.setdefault(loc, []).append({**error, "loc": loc})
    deep = {loc[:size] for loc in groups for size in range(len(loc))}
    misspelt = {loc[:-1] for loc, (fault, *_) in groups.items() if fault["type"] == "extra_forbidden"}
    return [
        group
        for loc, group in groups.items()
        if loc not in deep and not (group[0]["type"] == "missing" and loc[:-1] in misspelt)
    ]


def _is_form(part: str) -> bool:
    return bool(re.fullmatch(r"str|int|bool|float|constrained-str|(?:dict|list|tuple)\[.*", part))


def _sentence(faults: list[Any], model: type[BaseModel], subject: str) -> tuple[str, str]:
    fault = faults[0]
    loc, kind, given = fault["loc"], fault["type"], fault.get("ctx", {})
    owner, inner, whole = _owner(model, loc)
    who = " of ".join(word for word in (inner, subject) if word)
    name = next((str(part) for part in reversed(loc) if isinstance(part, str)), "")
    whose = who if whole else f"'{name}' of {who}" if who else f"'{name}'"
    if kind == "extra_forbidden":
        what = f"{who} has no option '{name}'." if who else f"There is no option '{name}'."
        return what, near(name, _names(owner))
    if kind == "missing":
        field = next((f for n, f in owner.model_fields.items() if name in (f.alias, n)), None)
        return f"{who or 'This'} lacks '{name}'.", f"Add it. {field.description or ''}".strip() if field else "Add it."
    if kind == "value_error":
        return _own(str(given["error"]), f"{who}: " if who else "")
    if kind in ("enum", "literal_error"):
        known = re.findall(r"'([^']*)'", given["expected"])
        wanted = f"one of {', '.join(known)}" if len(known) > 1 else f"'{known[0]}'"
        close = get_close_matches(str(fault["input"]), known, n=1)
        return f"{whose} must be {wanted}{_not(fault, owner, name)}.", f"Did you mean '{close[0]}'?" if close else ""
    return f"{whose} {_must(faults, given)}{_not(fault, owner, name)}.", ""


def _own(text: str, prefix: str) -> tuple[str, str]:
    """A model's own sentences: the first says what, the rest how to mend it."""
    what, _, fix = text.partition(". ")
    return f"{prefix}{what.rstrip('.')}.", fix


def _must(faults: list[Any], given: Mapping[str, Any]) -> str:
    kind = faults[0]["type"]
    for word, key in (("at least", "ge"), ("more than", "gt"), ("at most", "le"), ("less than", "lt")):
        if key in given:
            return f"must be {word} {given[key]}"
    if kind == "string_pattern_mismatch":
        return "must be letters, digits, '_', '.' and '-', beginning with a letter or digit"
    if kind == "string_too_long":
        return f"must have at most {given['max_length']} characters"
    if kind == "too_short":
        return "must not be empty"
    wanted = dict.fromkeys(_WANTED.get(fault["type"], "something else") for fault in faults)
    return f"must be {' or '.join(wanted)}"


def _not(fault: Mapping[str, Any], owner: type[BaseModel], name: str) -> str:
    field = next((f for n, f in owner.model_fields.items() if name in (f.alias, n)), None)
    if fault["type"] == "too_short" or (field is not None and "Secret" in repr(field.annotation)):
        return ""
    return f", not {worded(fault['input'])}"


def worded(value: Any) -> str:
    """A value as messages show it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case str():
            value = masked(value)
            return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}...'"
        case int() | float():
            return str(value)
        case dict():
            return "a map"
        case list() | tuple():
            return "a list"
        case _:
            return f"'{value}'"


def _owner(model: type[BaseModel], loc: Place) -> tuple[type[BaseModel], str, bool]:
    """The innermost model that a place belongs to; what messages call it where that is a part of the whole, an item
    of a list by its number and one of a map by its name; and whether the place is that part itself."""
    called: list[str] = []
    used = 0
    for number, part in enumerate(loc):
        field = next((f for n, f in model.model_fields.items() if part in (f.alias, n)), None)
        inner = next((kind for kind in models(field.annotation)), None) if field and number >= used else None
        if inner is None or field is None:
            continue
        word, item = str(part).removesuffix("s"), loc[number + 1] if number + 1 < len(loc) else None
        many = "tuple" in str(field.annotation) or "dict" in str(field.annotation)
        if many and item is None:
            break
        model, used = inner, number + 1 + many
        called.insert(
            0, f"'{part}'" if not many else f"{word} {item + 1}" if isinstance(item, int) else f"{word} '{item}'"
        )
    return model, " of ".join(called), bool(called) and used == len(loc)


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field's annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from models(part)


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]
