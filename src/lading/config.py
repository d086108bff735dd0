"""Files, environment and secrets: nothing else in the package reads them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr, ValidationError

from lading import drafting, find
from lading.compare import Asked
from lading.connector import Connection
from lading.drafting import Around, Kept, Option
from lading.errors import SpecError
from lading.schedule import Schedule
from lading.spec import Move, Param, Pipeline
from lading.written import File, checked, near, put, read

CONNECTIONS = "connections.yaml"
PIPELINES = "pipelines"
MOVE = "LADING_MOVE_"
SETTABLE = ("mode", "overlap_seconds", "overlap_values", "accept", "proof", "max_rejects", "together")
"""Options of a move that the environment may set, each as LADING_MOVE_ and its name."""

_REFERENCE = re.compile(r"\$\{(?:(\w+):)?([^}]*)\}")
_FILES = {
    ".db": "sqlite", ".sqlite": "sqlite", ".sqlite3": "sqlite", ".duckdb": "duckdb",
    **dict.fromkeys((".csv", ".tsv", ".txt", ".parquet", ".jsonl", ".ndjson", ".gz", ".zst"), "files"),
}  # fmt: skip


def project() -> Path | None:
    """The nearest folder, from here upwards, that holds connections.yaml."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / CONNECTIONS).is_file()), None)


def connections() -> list[str]:
    """The names in connections.yaml, in its order; none outside a project."""
    file = listing()
    return list(file.value["connections"]) if file else []


def resolve(address: str) -> tuple[str, Connection]:
    """What to call an address, and the connection it means: a name, a URL, or a file or folder."""
    if (file := listing()) and address in file.value["connections"]:
        return address, _named(file, address)
    if found := _addressed(address):
        return found.address(), found
    names, said = connections(), find.strange(address)
    if not names:
        fix = "Write a URL such as postgresql://user@host/database, or name a connection with 'lading connect'."
        raise SpecError(f"'{said}' is no connection, URL or file.", fix)
    raise SpecError(f"There is no connection '{said}'.", near(address, names))


def _addressed(address: str) -> Connection | None:
    """The connection that a URL, a file or a folder means."""
    if "://" in address:
        return _from_url(address, "The address")
    kind = _file_kind(address)
    return _built(kind, {"path": address}, None, (), f"the address '{address}'") if kind else None


def at(address: str) -> Connection:
    """The connection of an address that was kept without its secrets: the named one that is there, else what the
    address says."""
    for name in connections():
        with suppress(SpecError):
            found = resolve(name)[1]
            if found.address() == address:
                return found
    return resolve(address)[1]


def split_table(address: str) -> tuple[str, str]:
    """The connection and the table of `NAME.schema.table` or `URL#schema.table`; the table is empty for none."""
    names = connections()
    if address in names:
        return address, ""
    for name in sorted(names, key=len, reverse=True):
        if address.startswith(f"{name}."):
            return name, address.removeprefix(f"{name}.")
    if "://" in address or _file_kind(address.partition("#")[0]):
        place, _, table = address.partition("#")
        return place, table
    return address, ""


def pipelines() -> list[str]:
    """The names of the project's pipelines."""
    folder = project()
    found = (folder / PIPELINES).glob("*.y*ml") if folder else ()
    return sorted({path.stem for path in found if path.suffix in (".yaml", ".yml") and path.is_file()})


def pipeline(name: str, given: Mapping[str, Any] | None = None, kept: Kept | None = None) -> Pipeline:
    """A pipeline, with what the environment sets in place of what its file says, files' texts in their place, and
    parameters as they are `given`; as it was `kept`, or else as the project's folder has it."""
    moves = {key: value for key, (value, _) in _environment().items()}
    around = _around(kept)._replace(moves=moves, given=given or {})
    return drafting.pipeline(kept.file if kept else pipeline_file(name), name, around)


def text(path: str) -> str:
    """The text of a file beside the pipelines' files."""
    return _around(None).text(path)


def _around(kept: Kept | None) -> Around:
    return Around((project() or Path()) / PIPELINES, {}, {}, _place, kept.files if kept else None)


def schedule(name: str, kept: Kept | None = None) -> Schedule | None:
    """The schedule of a pipeline, whatever else is wrong with its file."""
    return drafting.scheduled(kept.file if kept else pipeline_file(name), name, _around(kept))


def receives(name: str, kept: Kept | None = None) -> bool:
    """Whether a pipeline has a step that receives files."""
    return drafting.receives(kept.file if kept else pipeline_file(name))


def _place(address: str) -> None:
    """Raises what is wrong with an address. References of a named connection are followed only when it is opened."""
    if address not in connections():
        resolve(address)


def explain(name: str) -> list[Option]:
    """Every option of every step of a pipeline, its value, and where that comes from."""
    return drafting.explained(pipeline(name), pipeline_file(name), _environment())


def params(name: str, kept: Kept | None = None) -> dict[str, Param]:
    """The parameters of a pipeline."""
    return drafting.declared(kept.file if kept else pipeline_file(name), {})


def move(words: Mapping[str, Any]) -> Move:
    """The move that words given in a call or on a command line mean; what is not given, the environment may set.
    The addresses may name a table each."""
    set_here = {key: value for key, (value, _) in _environment().items()}
    source, table = split_table(str(words.get("source", "")))
    target, into = split_table(str(words.get("target", "")))
    given = {**set_here, **words, "source": source, "target": target}
    if table and "tables" in words:
        raise SpecError("The source names a table, and so does 'tables'.", "Name them in one of the two.")
    given |= {"tables": [table]} if table else {}
    if into and (not table or "into" in words or "tables" in words):
        named = "a table" if "@" in into else f"the table '{into}'"  # it may be the rest of a password that has a '#'
        raise SpecError(f"The target names {named}.", "Name one table of the source in its address too.")
    given |= {"into": {table: into}} if into else {}
    return checked(Move, given, None, (), "")


def asked(words: Mapping[str, Any]) -> Asked:
    """How the words of a call compare."""
    return checked(Asked, words, None, (), "")


def store_url() -> str:
    """Where runs, ledgers and bills are kept: LADING_STORE, the project's .lading/, or the user's data folder."""
    given = os.environ.get("LADING_STORE", "").strip()
    if "://" in given:
        return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", given)
    if given:
        path = Path(given).expanduser().absolute()
        return f"sqlite:///{path if path.suffix in ('.db', '.sqlite') else path / 'store.db'}"
    folder = project()
    if folder:
        return f"sqlite:///{folder / '.lading' / 'store.db'}"
    from platformdirs import user_data_path

    return f"sqlite:///{user_data_path('lading', appauthor=False) / 'store.db'}"


def logs() -> Path:
    """Where the logs of steps are kept: beside the store where that is a file."""
    file = Path(store_url().removeprefix("sqlite:///"))
    return file.parent / "logs" if file.is_absolute() else (project() or Path.cwd()) / ".lading" / "logs"


def listing() -> File | None:
    """The project's connections.yaml."""
    folder = project()
    if folder is None:
        return None
    file = read(folder / CONNECTIONS, CONNECTIONS)
    for name in file.value:
        if name not in ("connections", "lineage"):
            raise file.error((name,), f"there is no option '{name}'.", near(str(name), ["connections", "lineage"]))
    named = file.value.get("connections")
    if named is None:
        file.value["connections"] = {}
    elif not isinstance(named, dict):
        raise file.error(("connections",), "'connections' must be a map from names to settings.")
    for name, settings in file.value["connections"].items():
        if not isinstance(settings, dict | str):
            fix = "Write a URL, or 'kind' and its settings."
            raise file.error(("connections", name), f"connection '{name}' has no settings.", fix)
    return file


def _named(file: File, name: str) -> Connection:
    """A connection of connections.yaml, with its references followed; relative paths start at the project's folder."""
    settings, at = file.value["connections"][name], ("connections", name)
    subject = f"connection '{name}'"
    if isinstance(settings, str):
        address = followed(settings, file, at, subject)
        found = _from_url(address, f"{file.shown}:{file.line(at)}: {subject}")
    else:
        kind = settings.get("kind")
        if not isinstance(kind, str):
            raise file.error(at, f"{subject} lacks 'kind'.", f"There are: {', '.join(find.kinds())}.")
        if kind not in find.kinds():
            raise file.error((*at, "kind"), f"{subject} has the kind '{kind}'.", near(kind, find.kinds()))
        values = {key: followed(value, file, (*at, key), subject) for key, value in settings.items()}
        found = _built(kind, values, file, at, subject)
    return _rooted(found)


def _rooted(found: Connection) -> Connection:
    path, folder = getattr(found, "path", None), project()
    if not isinstance(path, str) or "://" in path or Path(path).is_absolute() or path == ":memory:" or not folder:
        return found
    return found.model_copy(update={"path": os.path.normpath(folder / path)})


def _built(kind: str, values: Mapping[str, Any], file: File | None, at: tuple[str, ...], subject: str) -> Connection:
    model = find.connection_class(kind)
    return checked(model, values, file, at, subject)


def _from_url(url: str, who: str) -> Connection:
    """As find.from_url; what is wrong is said without the address, which may hold a password."""
    try:
        return find.from_url(url)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        name = str(fault["loc"][0]) if fault["loc"] else ""
        if fault["type"] == "extra_forbidden":
            kind = find.connection_class(url.partition("://")[0].partition("+")[0]) if _known(url) else None
            known = [field.alias or own for own, field in kind.model_fields.items()] if kind else []
            raise SpecError(f"{who} has no option '{name}'.", near(name, known) if known else "") from None
        if fault["type"] == "missing":
            raise SpecError(f"{who} lacks its {name}.", "Complete it.") from None
        raise SpecError(f"{who} has a {name} that cannot be used.", "Correct it.") from None
    except ValueError:  # what Python's own reading of addresses refuses, such as a port that is no number
        fix = "Check its port and brackets, and write %23 for # in a password, %2F for / and %40 for @."
        raise SpecError(f"{who} that begins with '{url.partition('://')[0]}://' cannot be read.", fix) from None


def _known(url: str) -> bool:
    return url.partition("://")[0].partition("+")[0] in find.kinds()


def _file_kind(address: str) -> str | None:
    path = Path(address)
    if address.endswith("/") or path.is_dir():
        return "files"
    kind = _FILES.get(path.suffix.lower())
    return kind if kind or not path.is_file() else "files"


def followed(value: Any, file: File, at: tuple[str, ...], subject: str) -> Any:
    """The value with ${env:NAME} and ${file:PATH} replaced; inside an address they are quoted as addresses need it."""
    if not isinstance(value, str):
        return value
    whole = _REFERENCE.fullmatch(value)

    def found(match: re.Match[str]) -> str:
        text = _secret(match, file, at, subject)
        return text if whole or "://" not in value else quote(text, safe="")

    return _REFERENCE.sub(found, value)


def _secret(match: re.Match[str], file: File, at: tuple[str, ...], subject: str) -> str:
    where, name = match[1], match[2].strip()
    option = f"'{at[-1]}' of {subject}" if len(at) > 2 else subject
    if where == "env":
        if name not in os.environ:
            what = f"{option} needs the environment variable {name}, which is not set."
            raise file.error(at, what, f"Set it: export {name}=...")
        return os.environ[name]
    if where == "file":
        path = Path(name) if Path(name).is_absolute() else (project() or Path()) / name
        try:
            return path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            what = f"{option} needs the file '{name}', which cannot be read."
            raise file.error(at, what, "Check that it is there and that this user may read it.") from error
    raise file.error(at, f"{option} has the reference '{match[0]}'.", "Write ${env:NAME} or ${file:PATH}.")


def pipeline_file(name: str) -> File:
    folder = project()
    if folder is None:
        raise SpecError(f"There is no {CONNECTIONS} here or in a folder above.", "Make a project with 'lading init'.")
    paths = [folder / PIPELINES / f"{name}{ending}" for ending in (".yaml", ".yml")]
    found = [path for path in paths if path.is_file() and path.parent == folder / PIPELINES]
    if len(found) > 1:
        raise SpecError(f"There are two pipelines '{name}': {found[0].name} and {found[1].name}.", "Remove one.")
    if found:
        return read(found[0], f"{PIPELINES}/{found[0].name}")
    raise SpecError(f"There is no pipeline '{name}'.", near(name, pipelines()))


def _environment() -> dict[str, tuple[Any, str]]:
    """Options of a move that the environment sets, with the variable's name."""
    found: dict[str, tuple[Any, str]] = {}
    for variable, text in sorted(os.environ.items()):
        if variable.startswith(MOVE):
            name = variable.removeprefix(MOVE).lower()
            if name not in SETTABLE:
                known = [MOVE + each.upper() for each in SETTABLE]
                raise SpecError(f"The environment sets {variable}, which is no option.", near(variable, known, ""))
            listed = name == "accept"
            parts = [part.strip() for part in text.split(",") if part.strip()]
            found[name] = (parts if listed else text, variable)
    return found


def add_connection(name: str, url: str) -> tuple[Path, str]:
    """Writes a connection to connections.yaml; a password in the URL is left out. Returns the file, and the
    environment variable that the password is expected in, if any."""
    folder = project() or Path.cwd()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise SpecError(f"'{name}' cannot be a connection's name.", "Use letters, digits, '_' and '-'.")
    if name in connections():
        raise SpecError(f"There is a connection '{name}' in {CONNECTIONS} already.", "Change it there.")
    if (found := _addressed(url)) is None:
        fix = "Write one such as postgresql://me@host/crm or crm.db."
        raise SpecError(f"'{find.strange(url)}' is no URL and no file.", fix)
    values, secrets = _plain(found)
    path = getattr(found, "path", None)
    if isinstance(path, str) and "://" not in path and not Path(path).is_absolute():
        values["path"] = os.path.relpath(path, folder)
    variables = [re.sub(r"\W", "_", f"{name}_{secret}").upper() for secret in secrets]
    values.update({secret: "${env:" + variable + "}" for secret, variable in zip(secrets, variables, strict=True)})
    file = folder / CONNECTIONS
    text = file.read_text(encoding="utf-8") if file.is_file() else "connections:\n"
    put(file, _with(text, {name: values}))
    return file, variables[0] if variables else ""


def init(folder: Path) -> list[Path]:
    """Makes what a project has, and leaves what is there as it is; returns what it made."""
    made = []
    files = {
        folder / CONNECTIONS: "# Where your systems are. Add one: lading connect NAME URL\nconnections:\n",
        folder / PIPELINES / "README.md": "One file per pipeline: `NAME.yaml`, run by `lading run NAME`.\n",
        folder / ".gitignore": ".lading/\n",
    }
    for path, text in files.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            made.append(path)
    return made


def _with(text: str, added: Mapping[str, Any]) -> str:
    """The text of connections.yaml with a connection more, everything else as it was."""
    import yaml

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    named = next((value for key, value in pairs if key.value == "connections"), None)
    indent, end = "  ", len(text)
    if isinstance(named, yaml.MappingNode):
        if named.flow_style and named.value:
            raise SpecError(f"{CONNECTIONS} has its connections inside braces.", "Write one a line, then try again.")
        if named.flow_style:
            text = text[: named.start_mark.index] + text[named.end_mark.index :]
            end = len(text)
        else:
            indent = " " * named.value[0][0].start_mark.column
            last = named.value[-1][1]
            end = text.find("\n", last.end_mark.index - 1) + 1 or len(text)
    elif named is None and not pairs:
        text = f"{text.rstrip()}\nconnections:\n".lstrip()
        end = len(text)
    block = yaml.safe_dump(dict(added), sort_keys=False, allow_unicode=True, default_flow_style=False)
    lines = "".join(f"{indent}{line}\n" for line in block.splitlines())
    before = text[:end] if not text[:end] or text[:end].endswith("\n") else f"{text[:end]}\n"
    return before + lines + text[end:]


def _plain(found: Connection) -> tuple[dict[str, Any], list[str]]:
    """A connection as connections.yaml holds it, without its secrets, and the names of these."""
    values = {"kind": found.kind, **found.model_dump(exclude_unset=True, by_alias=True)}
    secrets = [name for name, value in values.items() if isinstance(value, SecretStr)]
    return {name: value for name, value in values.items() if name not in secrets}, secrets
