"""A pipeline's file as people write it, checked step by step: each fault with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from lading import binding, find
from lading.errors import LadingError, SpecError, masked
from lading.schedule import Schedule
from lading.spec import Move, Param, Pipeline, Step, faults
from lading.steps.check import Check
from lading.steps.notify import Notify
from lading.steps.sql import Sql
from lading.steps.wait import Wait
from lading.written import File, Place, checked, near, worded

_PARAM = re.compile(r"\$\{param:([^}]*)\}")
_AS = {"query": ":{}", "sql": ":{}", "script": "$PARAM_{}", "code": "{}, an argument of the function"}
"""What stands for a parameter in texts, into which nothing is pasted."""
_SCHEDULE = "Write one like {cron: '0 2 * * *', zone: Europe/Berlin}."


class Option(NamedTuple):
    """One option of a step as it will run, and where its value comes from."""

    step: str
    name: str
    value: Any
    origin: str


class Kept(NamedTuple):
    """A pipeline's file and the texts of those that it uses, as they were when they were released."""

    file: File
    files: Mapping[str, str]


class Around(NamedTuple):
    """What stands around a pipeline's file: its folder, options of moves that the environment sets, the parameters
    that are given, what raises for a connection that is none, and texts of files in place of the folder's."""

    folder: Path
    moves: Mapping[str, Any]
    given: Mapping[str, Any]
    place: Callable[[str], object]
    files: Mapping[str, str] | None = None

    def text(self, path: str) -> str:
        """The text of a file that a step names. Raises OSError or UnicodeDecodeError."""
        if self.files is None:
            return (self.folder / path).read_text(encoding="utf-8-sig")
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]


def pipeline(file: File, name: str, around: Around) -> Pipeline:
    """The pipeline of a file, with files' texts in their place. Raises SpecError for its first fault."""
    wrong: list[SpecError] = []
    listed = file.value.get("steps")
    steps: list[Step] = []
    for number, written in enumerate(listed if isinstance(listed, list) else ()):
        try:
            steps.append(_step(file, number, written, around))
        except SpecError as error:
            wrong.append(error)
    if not wrong:
        wrong += (file.error(("steps", each.step, each.option), each.what, each.fix) for each in faults(steps))
    if not wrong:
        steps = [_whole(file, number, step, (around, wrong)) for number, step in enumerate(steps)]
        wrong += (error for number, step in enumerate(steps) for error in _unknown(file, number, step, (name, around)))
    if wrong:
        steps = [Step.model_construct(key="step", do="", after=())]  # stands in, so that the rest is looked at
    values = {"name": name, **file.value} | ({"steps": steps} if steps else {})
    whole = None
    try:
        values |= {"schedule": scheduled(file, name, around)}
    except SpecError as error:
        wrong.append(error)
        values.pop("schedule")
    try:
        whole = checked(Pipeline, values, file, (), "the pipeline")
    except SpecError as error:
        wrong.append(error)
    if wrong or whole is None:
        raise min(wrong, key=lambda error: error.line)
    if whole.name != name:
        what = f"the file is called '{name}' and its 'name' is '{whole.name}'."
        raise file.error(("name",), what, "Leave 'name' out.")
    return whole


def scheduled(file: File, name: str, around: Around) -> Schedule | None:
    """The schedule of a pipeline's file, whatever else is in the file. Raises SpecError for its first fault."""
    if "schedule" not in file.value:
        return None
    written, place = file.value["schedule"], ("schedule",)
    if not isinstance(written, dict):
        raise file.error(place, f"'schedule' must be a map of options, not {worded(written)}.", _SCHEDULE)
    found = checked(Schedule, written, file, place, "the schedule")
    others = {path.stem for path in around.folder.glob("*.y*ml")} - {name} if found.pipelines else set()
    for each in found.after:
        here = (*place, "after")
        if isinstance(each, str) and each not in others:
            what = f"the schedule comes after '{each}', which is no other pipeline."
            raise file.error(here, what, near(each, others))
        if not isinstance(each, str):
            try:
                around.place(each.at)
            except LadingError as error:
                what = f"the schedule: {error.what[:1].lower()}{error.what[1:]}"
                raise file.error(here, what, error.fix) from error
    if found.arrivals and not receives(file):
        what = "the schedule runs the pipeline when files arrive, and no step receives any."
        raise file.error((*place, "arrivals"), what, "Add a step with 'do: receive'.")
    for param, declared_so in declared(file, {}).items():
        if declared_so.default is None and declared_so.from_ is None:
            what = f"parameter '{param}' has no default, and a run of the schedule is given none."
            raise file.error(("params", param), what, "Add 'default', or 'from: due'.")
    runs = file.value.get("runs", 1)
    if found.overlap == "allow" and runs == 1:
        what = "the schedule lets runs overlap, and the pipeline has one run at a time."
        raise file.error((*place, "overlap"), what, "Add 'runs: 2' or more beside 'schedule'.")
    return found.within(runs) if isinstance(runs, int) else found


def telling(file: File) -> list[Notify]:
    """The steps of a pipeline's file that tell people, whatever else is wrong with it."""
    found, steps = list[Notify](), file.value.get("steps")
    for each in steps if isinstance(steps, list) else ():
        with suppress(ValidationError):
            if isinstance(each, dict) and each.get("do") == "notify":
                found.append(Notify.model_validate(each))
    return found


def receives(file: File) -> bool:
    """Whether a step of a pipeline's file receives files, or may be meant to: there is no step of its kind."""
    steps = file.value.get("steps")
    kinds = [each.get("do", "move") for each in steps if isinstance(each, dict)] if isinstance(steps, list) else [""]
    return any(each == "receive" or each not in find.step_kinds() for each in kinds)


def explained(found: Pipeline, file: File, environment: Mapping[str, tuple[Any, str]]) -> list[Option]:
    """Every option of every step, its value, and where that comes from; `environment` sets options of moves."""
    options = []
    for number, step in enumerate(found.steps):
        written = file.value["steps"][number]
        for field, value in step:
            if field in ("key", "do") or (field in step.texts.values() and field not in written):
                continue
            word = type(step).model_fields[field].alias or field
            origin = "default"
            if word in written or field in written:
                at = ("steps", number, word if word in written else field)
                origin = f"{file.shown}:{file.line(at)}"
            if field in environment and isinstance(step, Move):
                origin = environment[field][1]
            options.append(Option(step.key, word, _told(value, field in step.places), origin))
    return options


def _told(value: Any, place: bool = False) -> Any:
    """A value of a step as people write it, without its secrets: models are maps of what was written. A `place` is a
    connection."""
    if isinstance(value, str):
        return find.shown(value) if place else masked(value)
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_unset=True)
    if isinstance(value, dict):
        return {name: _told(each, name == "at") for name, each in value.items()}
    return tuple(map(_told, value)) if isinstance(value, tuple) else value


def _step(file: File, number: int, written: Any, around: Around) -> Step:
    place = ("steps", number)
    if not isinstance(written, dict):
        raise file.error(place, f"step {number + 1} must be a map of options, not {worded(written)}.")
    key, do = written.get("key"), written.get("do", "move")
    subject = f"step '{key}'" if key else f"step {number + 1}"
    if do not in find.step_kinds():
        raise file.error((*place, "do"), f"{subject} is of the kind {worded(do)}.", near(str(do), find.step_kinds()))
    model: type[Step] = find.step_class(do)
    params = declared(file, around.given) if _PARAM.search(str(written)) else {}
    params = {name: param.standing_in() for name, param in params.items()}
    for name in set(model.texts.values()).intersection(written):
        _no_param(file, (*place, name), written[name], (subject, name))
    values = {
        name: value if name in model.texts.values() else _given(file, (*place, name), value, (subject, params))
        for name, value in written.items()
    }
    return checked(model, {**values, **(around.moves if do == "move" else {})}, file, place, subject)


def declared(file: File, given: Mapping[str, Any]) -> dict[str, Param]:
    """The parameters that are declared rightly, with the values given as their defaults."""
    found = {}
    declared = file.value.get("params")
    for name, settings in declared.items() if isinstance(declared, dict) else ():
        with suppress(ValidationError):
            param = Param.model_validate(settings)
            found[name] = param.model_copy(update={"default": given.get(name, param.default)})
    return found


def _given(file: File, place: Place, value: Any, known: tuple[str, dict[str, Param]]) -> Any:
    """The value with ${param:NAME} replaced; one that is nothing else keeps the parameter's kind."""
    subject, params = known
    if isinstance(value, dict):
        for name in value:
            _no_param(file, (*place, name), value[name] if name == "sql" else name, (subject, str(name)))
        return {name: _given(file, (*place, name), each, known) for name, each in value.items()}
    if isinstance(value, list):
        return [_given(file, (*place, number), each, known) for number, each in enumerate(value)]
    if not isinstance(value, str):
        return value

    def one(match: re.Match[str]) -> Any:
        name = match[1].strip()
        if name not in params:
            what = f"{subject} uses the parameter '{name}', which is not declared."
            raise file.error(place, what, near(name, params) if params else "Declare it in 'params' of the pipeline.")
        try:
            return params[name].value(name)
        except SpecError as error:
            raise file.error(place, error.what, error.fix) from error

    whole = _PARAM.fullmatch(value)
    return one(whole) if whole else _PARAM.sub(lambda match: str(one(match)), value)


def _no_param(file: File, place: Place, text: Any, of: tuple[str, str]) -> None:
    """Refuses a parameter in a text where none is replaced: it would stand there as it is written."""
    subject, name = of
    if (found := _PARAM.search(str(text))) is None:
        return
    word = found[1].strip()
    form = _AS.get(name, "").format(word.upper() if name == "script" else word)
    what = f"{subject} has '{found[0]}' in {repr(name) if form else 'a name'}, where nothing is replaced."
    raise file.error(place, what, f"Write {form}." if form else "Write the name itself.")


def _whole(file: File, number: int, step: Step, known: tuple[Around, list[SpecError]]) -> Step:
    """The step with its files' texts; what it names and is not there is added to what is wrong."""
    around, wrong = known
    fields = type(step).model_fields
    named: list[tuple[Place, str | None]] = [
        ((fields[name].alias or name,), getattr(step, name)) for name in step.places
    ]
    named += [(("inputs", name, "at"), each.at) for name, each in getattr(step, "inputs", {}).items()]
    named += [(("table", "at"), step.table.at)] if isinstance(step, Wait) and step.table else []
    for place, address in named:
        if address is None:
            continue
        try:
            around.place(address)
        except LadingError as error:
            what = error.what[:1].lower() + error.what[1:]
            wrong.append(file.error(("steps", number, *place), f"step '{step.key}': {what}", error.fix))
    for name, text in step.texts.items():
        if (path := getattr(step, name)) is None:
            continue
        try:
            held = {name: None, text: around.text(path)}
            # Checked once more as a whole, then with the file's name as it was.
            checked(type(step), {**step.model_dump(exclude_unset=True), **held}, None, (), f"{path}")
            _no_param(file, ("steps", number, name), held[text], (f"'{path}' of step '{step.key}'", text))
            step = step.model_copy(update={text: held[text]})
        except (OSError, UnicodeDecodeError):
            what = f"step '{step.key}' names the file '{path}', which is not there or cannot be read."
            wrong.append(file.error(("steps", number, name), what, f"It is looked for in '{around.folder.name}/'."))
        except SpecError as error:
            wrong.append(file.error(("steps", number, name), f"step '{step.key}': {error.what}", error.fix))
    return step


def _unknown(file: File, number: int, step: Step, of: tuple[str, Around]) -> Iterator[SpecError]:
    """What a step names that is neither in the pipeline nor beside it: parameters of selects, and other pipelines."""
    name, around = of
    if isinstance(step, Wait) and step.pipeline and (wanted := step.pipeline.name) != name:
        there = {path.stem for path in around.folder.glob("*.y*ml")} - {name}
        if wanted not in there:
            what = f"step '{step.key}' waits for '{wanted}', which is no other pipeline."
            yield file.error(("steps", number, "pipeline", "name"), what, near(wanted, there))
    declared = file.value.get("params")
    params = declared if isinstance(declared, dict) else {}
    for place, who, sql in _selects(step):
        told = {word for word, _ in binding.names(sql, backslashes=True)}  # by whatever rule quotes are read
        for word, line in binding.names(sql):
            if word in told and word not in params:
                said = f"{who}: {step.file}:{line}" if isinstance(step, Sql) and step.file else who
                fix = near(word, params) if params else "Declare it in 'params' of the pipeline."
                yield file.error(
                    ("steps", number, *place), f"{said} uses the parameter ':{word}', which is not declared.", fix
                )


def _selects(step: Step) -> Iterator[tuple[Place, str, str]]:
    """The selects of a step: where each stands, what messages call it, and its text."""
    if isinstance(step, Sql):
        yield ("query" if step.file is None else "file",), f"step '{step.key}'", step.query or ""
    if isinstance(step, Check):
        for number, rule in enumerate(step.rules):
            yield ("rules", number, "sql"), f"rule {number + 1} of step '{step.key}'", rule.sql or ""
