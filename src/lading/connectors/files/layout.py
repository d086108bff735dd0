"""Which files are which table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from lading.connectors.files.naming import called, fitting, format_of, hidden, names_of, path_values, shadow, stem
from lading.connectors.files.note import NOTE, Form, Format, Note, read_note
from lading.connectors.files.place import Entry, Place
from lading.connectors.files.strays import content, stray
from lading.errors import SpecError


class Settings(Protocol):
    """What the layout needs to know of a connection."""

    @property
    def format(self) -> Format | None: ...

    @property
    def table(self) -> str | None: ...

    @property
    def partitioned(self) -> bool | None: ...

    @property
    def form(self) -> Form: ...


@dataclass
class Found:
    """A table's files. `folder` is None where the table is a single file or files that 'table' gathers."""

    name: str
    schema: str | None = None
    folder: str | None = None
    files: list[Entry] = field(default_factory=list)
    format: Format | None = None
    note: Note | None = None
    form: Form = field(default_factory=Form)
    problems: list[str] = field(default_factory=list)
    stray: str | None = None  # of the problems, that it holds files in a folder which is none of a partition

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def there(self) -> bool:
        """Whether the folder is a table's, also where it cannot be read."""
        return bool(self.files or self.note or self.problems)

    def path_values(self, file: Entry) -> dict[str, str | None]:
        """What the names of the folders between the table's and the file's say."""
        return path_values(file.path.removeprefix(f"{self.folder}/")) if self.folder else {}


def tables(place: Place, settings: Settings, wanted: str = "") -> list[Found]:
    """Every table there is, or may be called as one that is `wanted`. Raises SpecError when the path is not there."""
    kind = place.kind(place.root)
    if kind == "file":
        entry = Entry(place.root, place.root.rpartition("/")[2], False, place.size(place.root))
        return [_single(entry, settings, settings.format or format_of(entry.name, None))]
    if kind == "folder":
        whole = settings.table or settings.partitioned or place.text(f"{place.root}/{NOTE}") is not None
        if whole:
            found = folder(place, place.root, settings)
            found.name, found.schema = (settings.table, None) if settings.table else (found.name, found.schema)
            return [found]
        return _doubled(_inside(place, settings, wanted))
    if place.is_pattern:
        return _globbed(place, settings)
    raise SpecError(f"'{place.root}' is not there.", "Correct the path, or make the folder.")


def _inside(place: Place, settings: Settings, wanted: str) -> Iterator[Found]:
    for entry in place.entries(place.root):
        if hidden(entry.name) or shadow(entry.name) or (wanted and wanted not in called(entry.name)):
            continue
        if entry.folder:
            found = folder(place, entry.path, settings)
            if found.there:
                yield found
        elif format_of(entry.name, settings.format):
            yield _single(entry, settings, format_of(entry.name, settings.format))


def _globbed(place: Place, settings: Settings) -> list[Found]:
    entries = [entry for entry in place.glob(place.root) if not entry.folder and not hidden(entry.name)]
    pairs = [(entry, settings.format or format_of(entry.name, None)) for entry in entries]
    singles = [_single(entry, settings, format_) for entry, format_ in pairs if format_]
    if not singles:
        raise SpecError(f"No file matches '{place.root}'.", "Correct the pattern, or set 'format'.")
    if settings.table:
        return [_checked(Found(settings.table, files=[f for s in singles for f in s.files], form=settings.form))]
    return _doubled(singles)


def _doubled(found: Iterable[Found]) -> list[Found]:
    """Two that have one name are one table that cannot be read."""
    by_name: dict[str, Found] = {}
    for one in found:
        if first := by_name.get(one.full_name):
            paths = " and ".join(f"'{each.folder or each.files[0].path}'" for each in (first, one))
            first.problems.append(f"{paths} are one table by their names; rename one, or set 'format'")
        else:
            by_name[one.full_name] = one
    return list(by_name.values())


def _single(entry: Entry, settings: Settings, format_: Format | None) -> Found:
    if format_ is None:
        raise SpecError(f"Nobody knows the format of '{entry.path}'.", "Set 'format' to parquet, csv or jsonl.")
    form = fitting(settings.form, entry.name)
    return Found(settings.table or stem(entry.name), files=[entry], format=format_, form=form)


def folder(place: Place, path: str, settings: Settings) -> Found:
    """The table that a folder holds, in it and in folders named key=value below it."""
    text, base = place.text(f"{path}/{NOTE}"), path.rpartition("/")[2]
    note = None if text is None else read_note(text, f"{path}/{NOTE}")
    plain = base if note or not format_of(base, None) else stem(base)
    schema, name = names_of(plain.removeprefix("."))
    found = Found(name, schema, path, [], note.format if note else None, note, note.form if note else settings.form)
    said = note.format if note else settings.format
    held = content(place, path, said, settings.partitioned is not False)
    found.files = held.files
    found.stray = stray(place, path, held, said)
    found.problems += [found.stray] if found.stray else []
    if note and note.files is not None:
        extra = [file.name for file in found.files if file.path.removeprefix(f"{path}/") not in note.files]
        missing = set(note.files) - {file.path.removeprefix(f"{path}/") for file in found.files}
        found.problems += [f"'{path}' holds files that its note does not name: {', '.join(extra[:3])}"] if extra else []
        if missing:
            found.problems.append(f"'{path}' lacks files that its note names: {', '.join(sorted(missing)[:3])}")
        found.files = [file for file in found.files if file.path.removeprefix(f"{path}/") in note.files]
    return _checked(found)


def _checked(found: Found) -> Found:
    formats = {found.format or format_of(file.name, None) or "csv" for file in found.files}
    if len(formats) > 1:
        found.problems.append(f"its files are {' and '.join(sorted(formats))}; set 'format' to read those of one kind")
    found.files.sort(key=lambda file: file.path)  # slices go from one path to another
    if found.files:
        found.format = found.format or format_of(found.files[0].name, None)
        found.form = found.form if found.note else fitting(found.form, found.files[0].name)
    return found
