"""Addresses of files, as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from lading.connectors.files.naming import ENDINGS
from lading.connectors.files.reach import HOSTS
from lading.errors import SpecError


def settings(url: str) -> dict[str, Any]:
    """The settings that an address means."""
    scheme, _, rest = url.partition("://")
    if torn(url):
        fix = "In it write %2F for /, %3F for ? and %23 for #, and %40 for an @ that is not the one before the host."
        raise SpecError(f"The password in the address '{scheme}://...' seems to have a '/', '?' or '#'.", fix)
    rest, _, query = rest.partition("?")
    values = parse_qs(query, keep_blank_values=True)
    options: dict[str, Any] = {name: found[-1] for name, found in values.items()}
    if "columns" in options:
        pairs = [part.rpartition(":") for found in values["columns"] for part in found.split(";") if part]
        options["columns"] = {name: type_ for name, _, type_ in pairs}
    if scheme in ENDINGS.values():
        options.setdefault("format", scheme)
    if scheme in (*ENDINGS.values(), "files"):
        path = rest if "://" in rest else unquote(rest).removeprefix("/")
    else:
        if scheme in HOSTS and (found := re.match(r"([^/@:]*):([^/]*)@", rest)):
            options["password"], rest = unquote(found[2]), f"{found[1]}@{rest[found.end() :]}"
        path = unquote(rest) if scheme == "file" else f"{scheme}://{rest}"
    if not path or (scheme == "file" and not path.startswith("/")):
        form = "file:///path" if scheme == "file" else f"{scheme}:///relative or {scheme}:////absolute"
        raise SpecError(f"'{url.partition('?')[0]}' names no path.", f"Write {form}.")
    return {"path": path, **options}


def torn(address: str) -> bool:
    """Whether an address has a password that would be read as a part of its path or options."""
    split = re.match(r"\w+://[^/@?#:]*:[^@/?#]*[/?#][^@]*@", address)
    return split is not None and address.partition("://")[0] in HOSTS


def shown(path: str, given: Mapping[str, Any]) -> str:
    """The address of settings, without what is secret."""
    columns = ";".join(f"{name}:{type_}" for name, type_ in given.get("columns", {}).items())
    words = {**given, **({"columns": columns} if columns else {})}
    query = "&".join(f"{name}={quote(_word(value), safe=':;(),')}" for name, value in words.items())
    return f"files://{path if '://' in path else '/' + quote(path)}" + (f"?{query}" if query else "")


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
