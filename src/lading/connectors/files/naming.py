"""Names: of folders for tables, and of files for formats."""

from __future__ import annotations

import re
from urllib.parse import unquote

from lading.connector import ours
from lading.connectors.files.note import Form, Format

ENDINGS: dict[str, Format] = {
    "parquet": "parquet", "pq": "parquet", "csv": "csv", "tsv": "csv", "jsonl": "jsonl", "ndjson": "jsonl",
}  # fmt: skip
_MORE = {"csv": ("txt", "dat", "tab", "psv"), "jsonl": ("json",), "parquet": ()}
"""Endings that count only where the format is said."""
_PACKED = ("gz", "zst")
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def folder_name(schema: str | None, name: str) -> str:
    """The folder of a table: `orders`, or `sales.orders` in a schema. What file systems refuse is written %XX."""
    plain = ".".join(_plain(part) for part in (schema, name) if part)
    return f".{plain}" if ours(name) else plain


def _plain(name: str) -> str:
    return re.sub(r'[%/\\.:*?"<>|=\[\]{}\x00-\x1f]|^[_ ]| $', lambda match: f"%{ord(match[0]):02X}", name)


def names_of(folder: str) -> tuple[str | None, str]:
    schema, dot, name = folder.partition(".")
    parts = [_decoded(part) for part in ((schema, name) if dot and schema and name else (folder,))]
    return (parts[0], parts[1]) if len(parts) == 2 else (None, parts[0])


def called(base: str) -> set[str]:
    """What a table may be called that lies in a file or a folder of that name, whatever is in it."""
    pairs = (names_of(plain.removeprefix(".")) for plain in (base, stem(base)))
    return {stem(base), *(f"{schema}.{name}" if schema else name for schema, name in pairs)}


def _decoded(part: str) -> str:
    name = unquote(part)
    return name if _plain(name) == part else part


def format_of(name: str, said: Format | None) -> Format | None:
    """The format of a file by its ending; None when it holds no table."""
    parts = name.lower().split(".")
    ending = parts[-2] if parts[-1] in _PACKED and len(parts) > 2 else parts[-1]
    found = ENDINGS.get(ending) if len(parts) > 1 else None
    if said and (found == said or ending in _MORE[said]):
        return said
    return None if said else found


def named_as_file(name: str) -> bool:
    """Whether a name ends as those of files do, whatever is in them."""
    parts = name.lower().split(".")
    known = (*ENDINGS, *_PACKED, *(ending for endings in _MORE.values() for ending in endings))
    return len(parts) > 1 and parts[-1] in known


def stem(name: str) -> str:
    parts = name.split(".")
    drop = 2 if parts[-1].lower() in _PACKED and len(parts) > 2 else 1
    return ".".join(parts[:-drop]) if len(parts) > drop else parts[0]


def fitting(form: Form, name: str) -> Form:
    """The form of a file: .tsv stands for tabs."""
    tabs = ".tsv" in name.lower()[-8:] and form.delimiter == ","
    return form.model_copy(update={"delimiter": "\t"}) if tabs else form


def path_values(path: str) -> dict[str, str | None]:
    """The values that a file's folders state: year=2024/month=05/part.csv."""
    pairs = [part.partition("=") for part in path.split("/")[:-1]]
    return {unquote(name): None if value == NO_VALUE else unquote(value) for name, _, value in pairs}


def hidden(name: str) -> bool:
    """Whether a file or folder is not a table's."""
    return name.startswith((".", "_"))


def shadow(name: str) -> bool:
    """Whether a folder is a canary's table, with or without its schema: no pattern takes it, but its name."""
    return re.fullmatch(r"(.*\.)?lading_canary_[0-9a-f]{12}", name) is not None


def compression(path: str) -> str | None:
    """How a file is compressed, by its ending."""
    return {".gz": "gzip", ".zst": "zstd"}.get("." + path.lower().rpartition(".")[2])
