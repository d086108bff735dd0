"""The project as the house tests see it: its modules, parsed, and its text files."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.house.exceptions import ALLOWED

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "src"
NOT_OURS = {"LICENSE"}
_SKIPPED = re.compile(r"\.git|\.venv.*|\.lading|\..*cache|\.hypothesis|__pycache__|build|dist|.*\.egg-info")


class Module(NamedTuple):
    """One module of the package."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def words(self) -> list[str]:
        """The dotted name without the package."""
        return self.name.split(".")[1:]


@cache
def modules() -> list[Module]:
    """Every module of the package; `lading` itself for its `__init__`."""
    found = []
    for path in sorted((SOURCE / "lading").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        found.append(Module(name, path, text, ast.parse(text, str(path))))
    return found


@cache
def texts() -> list[tuple[Path, str]]:
    """Every text file of the project but the licence, with its content."""
    found = []
    for path in _walk(ROOT):
        try:
            found.append((path.relative_to(ROOT), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue  # a picture, or a data file
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if _SKIPPED.fullmatch(path.name) or path.name in NOT_OURS or path.is_symlink():
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def over(rule: str, budget: int, sizes: Iterable[tuple[str, int]]) -> list[str]:
    """What is over its budget and not allowed to be, and the exceptions that are no longer needed."""
    allowed = {each.where: each.limit for each in ALLOWED if each.rule == rule}
    needed = set()
    problems = []
    for where, size in sizes:
        if size > budget and where in allowed:
            needed.add(where)
        if size > max(budget, allowed.get(where, 0)):
            problems.append(f"{where}: {rule} {size}, budget {max(budget, allowed.get(where, 0))}")
    return problems + [
        f"{where}: its exception for {rule} is no longer needed" for where in sorted(allowed.keys() - needed)
    ]
